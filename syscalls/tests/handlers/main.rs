//! Handlers of the arm64 table, called on this process's own memory.

mod common;
mod files;
mod ipc;
mod polling;
