//! The pair arm64 on amd64: emitted code is run and compared with plain Rust and with the IR interpreter. Here, not beside the back end, because a
//! host names no guest.

#![cfg(target_arch = "x86_64")]

mod direct;
mod edges;
mod forms;
mod guest;
mod idioms;
mod int;
#[allow(dead_code)]
#[path = "../common/random.rs"]
mod random;
mod run;
