//! Structures and flags as an arm64 kernel lays them out, where they differ from the host, by topic.

pub mod fs;
pub mod io;
pub mod ipc;
pub mod signal;
