//! The pair arm64 on arm64: emitted code is run (on an arm64 machine, or an emulator of one) and compared with plain Rust and with the IR
//! interpreter, by the same tests as arm64 on amd64.

#![cfg(target_arch = "aarch64")]

#[path = "../common/context.rs"]
#[allow(dead_code)]
mod context;
#[path = "../arm64_on_amd64/forms.rs"]
mod forms;
#[allow(dead_code)]
#[path = "../arm64_on_amd64/guest.rs"]
mod guest;
#[path = "../arm64_on_amd64/int.rs"]
mod int;
#[allow(dead_code)]
#[path = "../common/random.rs"]
mod random;
mod run;
