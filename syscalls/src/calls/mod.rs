//! What each system call is to all guests, by topic: its arguments, what runs it, how well it is supported. Which of them a guest has, and by which
//! number, its own module says.

mod fs;
mod io;
mod ipc;
mod legacy;
mod mem;
mod net;
mod proc;
mod signal;
mod task;
mod time;

pub use {fs::*, io::*, ipc::*, legacy::*, mem::*, net::*, proc::*, signal::*, task::*, time::*};
