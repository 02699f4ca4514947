//! Creating and ending threads and processes.

use crate::machine::Vcpu;
use syscalls::{CloneArgs, Errno, SysResult, Thread};

/// clone, in all its forms.
pub fn clone(_: &mut Vcpu, _: &mut Thread, _: &CloneArgs) -> SysResult {
    Err(Errno::ENOSYS.into())
}

/// End the calling host thread, after its guest thread.
pub fn exit_thread(thread: &mut Thread, status: i32) -> ! {
    let _ = thread;
    loop {
        // SAFETY: ends the thread.
        unsafe { syscalls::sys::raw(libc::SYS_exit, [status as u64, 0, 0, 0, 0, 0]) };
    }
}
