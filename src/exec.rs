//! execve and execveat.

use crate::machine::Vcpu;
use syscalls::{Errno, ExecRequest, Stop, Thread};

/// What an exec needs in memory until the kernel has taken it.
pub struct Prepared {}

/// Replace the program. Returns only on failure.
pub fn exec(_: &mut Vcpu, _: &mut Thread, _: ExecRequest) -> Stop {
    Errno::ENOSYS.into()
}
