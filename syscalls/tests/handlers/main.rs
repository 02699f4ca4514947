//! Handlers of both tables, called on this process's own memory.

mod common;
mod files;
#[cfg(target_arch = "x86_64")]
mod frame_amd64;
mod ipc;
mod legacy;
mod polling;
mod restart;
