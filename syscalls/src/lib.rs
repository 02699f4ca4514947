//! Linux for guests: a declarative table of calls, numbers and layouts of each architecture, handlers by topic.
//! Knows no instruction; what it needs from the machine that runs the guest is the trait [`Machine`].

pub mod abi;
pub mod amd64;
pub mod arm64;
pub mod calls;
pub mod ctx;
pub mod dispatch;
pub mod errno;
pub mod host;
pub mod ptr;
pub mod strace;
pub mod sys;
pub mod table;
#[cfg(test)]
mod testing;
pub mod topics;

pub use abi::{Abi, Arch};
pub use ctx::{CloneArgs, Context, Ctx, ExecRequest, Flow, Machine, Options, Process, Stop, SysResult, Thread, X87};
pub use dispatch::dispatch;
pub use errno::Errno;
pub use ptr::GuestAddr;
