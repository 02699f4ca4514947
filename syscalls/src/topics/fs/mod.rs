//! Files and directories: what the guest's kernel does differently from the host's, and what the guest may not see of the runtime.
//!
//! Handlers here take no lock and allocate nothing unless the path may lie in /proc, or a file is cut off.

mod dir;
mod fd;
mod legacy;
mod open;
mod path;
mod resize;
mod stat;

pub use dir::getdents64;
pub use fd::{close, close_range, fstat};
pub use legacy::*;
pub use open::{fanotify_init, open_by_handle_at, openat, openat2};
pub use resize::{fallocate, ftruncate, truncate};
pub use stat::{faccessat, faccessat2, newfstatat, readlinkat, statx};

pub(super) use fd::hidden;

use crate::ctx::{Stop, SysResult};
use crate::{sys, Errno};

/// A host call that no signal interrupts, and that therefore must not be answered with "repeat it".
pub(super) fn host(nr: i64, args: [u64; 6]) -> SysResult {
    // SAFETY: handlers pass guest addresses or buffers of their own; what the guest asks the kernel to do to its own memory is its right.
    match unsafe { sys::raw(nr, args) } {
        r if (-4095..0).contains(&r) => Err(Stop::Errno(Errno(-r as i32))),
        r => Ok(r as u64),
    }
}
