//! Tests of the back end: emitted code is run and compared with plain Rust.

mod int;
mod run;
