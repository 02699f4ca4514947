//! Signal frames: what goes into one and comes out, whatever its form. The form is an architecture's.

use super::{Action, AltStack, Fault, Set, SigInfo, SS_AUTODISARM};
use crate::ctx::Context;
use crate::ptr::Plain;
use crate::Errno;

/// How an architecture's kernel makes frames.
pub struct FrameAbi {
    /// Smallest alternate stack (`MINSIGSTKSZ`).
    pub min_stack: u64,
    /// Write the frame and turn the registers into those that the handler starts with. On failure the registers are unchanged.
    pub push: fn(&mut Context, &Frame<'_>) -> Result<(), Errno>,
    /// Read the frame at the stack pointer.
    pub pop: fn(&Context) -> Result<Popped, Errno>,
    /// What rt_sigreturn does to a program whose frame is bad, when it has these registers.
    pub bad: fn(&Context) -> Fault,
}

/// What goes into a frame besides the registers.
pub struct Frame<'a> {
    /// The signal.
    pub info: &'a SigInfo,
    /// Its disposition: a handler.
    pub action: &'a Action,
    /// The mask that the handler's return restores.
    pub mask: Set,
    /// The alternate stack, to be used with SA_ONSTACK and to be restored.
    pub altstack: &'a AltStack,
    /// What is remembered of the last fault: see [`Fault::syndrome`].
    pub syndrome: (u64, u64),
    /// The handler's return address without SA_RESTORER, where a program need not bring one.
    pub sigreturn: u64,
}

/// What rt_sigreturn restores.
pub struct Popped {
    /// The registers.
    pub context: Context,
    /// The mask.
    pub mask: Set,
    /// The alternate stack, to be set if it can be.
    pub stack: Stack,
}

/// `stack_t`, the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stack {
    /// ss_sp.
    pub sp: u64,
    /// ss_flags.
    pub flags: i32,
    /// Padding.
    pub pad: u32,
    /// ss_size.
    pub size: u64,
}
// SAFETY: integers without implicit padding, as the kernel lays them out.
unsafe impl Plain for Stack {}

impl Stack {
    /// The alternate stack with these flags.
    pub fn of(stack: &AltStack, flags: i32) -> Stack {
        Stack { sp: stack.sp, flags, pad: 0, size: stack.size }
    }
}

/// sigaltstack's change (`do_sigaltstack`).
pub fn set_altstack(current: &mut AltStack, wanted: &Stack, sp: u64, min_stack: u64) -> Result<(), Errno> {
    if current.contains(sp) && current.size != 0 {
        return Err(Errno::EPERM);
    }
    let mode = wanted.flags & !SS_AUTODISARM;
    if ![libc::SS_DISABLE, libc::SS_ONSTACK, 0].contains(&mode) {
        return Err(Errno::EINVAL);
    }
    if mode == libc::SS_DISABLE {
        *current = AltStack { sp: 0, size: 0, flags: wanted.flags };
        return Ok(());
    }
    let same = *current == AltStack { sp: wanted.sp, size: wanted.size, flags: wanted.flags };
    if !same && wanted.size < min_stack {
        return Err(Errno::ENOMEM);
    }
    *current = AltStack { sp: wanted.sp, size: wanted.size, flags: wanted.flags };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternate_stacks_are_checked_as_the_kernel_does() {
        for min in [2048, 5120] {
            let mut s = AltStack::default();
            let ok = Stack { sp: 0x10000, flags: 0, pad: 0, size: 8192 };
            assert_eq!(set_altstack(&mut s, &Stack { size: min - 1, ..ok }, 0, min), Err(Errno::ENOMEM));
            assert_eq!(set_altstack(&mut s, &Stack { flags: 4, ..ok }, 0, min), Err(Errno::EINVAL));
            assert_eq!(set_altstack(&mut s, &ok, 0, min), Ok(()));
            assert_eq!(s.state(0x12000), libc::SS_ONSTACK);
            assert_eq!(s.state(0x10000), 0);
            assert_eq!(set_altstack(&mut s, &ok, 0x11000, min), Err(Errno::EPERM));
            assert_eq!(set_altstack(&mut s, &Stack { flags: libc::SS_DISABLE, ..ok }, 0, min), Ok(()));
            assert_eq!((s.sp, s.size, s.state(0x11000)), (0, 0, libc::SS_DISABLE));
        }
    }
}
