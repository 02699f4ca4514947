//! Linux for guests: one declarative table per guest architecture, handlers by topic, guest layouts.
//! Knows no instruction; what it needs from the machine that runs the guest is the trait [`Machine`].

pub mod arm64;
pub mod ctx;
pub mod dispatch;
pub mod errno;
pub mod ptr;
pub mod strace;
pub mod sys;
pub mod table;
#[cfg(test)]
mod testing;
pub mod topics;

pub use ctx::{CloneArgs, Context, Ctx, ExecRequest, Flow, Machine, Options, Process, Stop, SysResult, Thread};
pub use dispatch::dispatch;
pub use errno::Errno;
pub use ptr::GuestAddr;
