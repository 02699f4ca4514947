//! Handlers by topic.

pub mod fs;
pub mod io;
pub mod ipc;
pub mod mem;
pub mod net;
pub mod proc;
pub mod procfs;
pub mod seccomp;
pub mod signal;
pub mod task;
pub mod time;
