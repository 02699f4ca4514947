//! The amd64 host.
