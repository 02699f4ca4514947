//! Handlers of both tables, called on this process's own memory.

mod common;
mod files;
mod ipc;
mod polling;
