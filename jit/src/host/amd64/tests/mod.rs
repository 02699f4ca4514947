//! Tests of the back end: emitted code is run and compared with plain Rust.

mod guest;
mod int;
mod run;
