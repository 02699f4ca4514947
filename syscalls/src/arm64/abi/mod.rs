//! Structures as an arm64 kernel lays them out, where they differ from the host.

pub mod signal;
