//! Calls that wait with a signal mask of their own.
//!
//! The kernel takes the mask for the time of the call, so that a signal which only it lets through ends the call. The runtime's
//! handler must still be reachable by the faults of translated code, so these signals never enter a mask on the host.

use crate::ctx::{Ctx, SysResult};
use crate::GuestAddr;

/// The C library does not name it.
#[cfg(target_arch = "x86_64")]
const SYS_IO_PGETEVENTS: i64 = 333;
/// Size of the kernel's sigset_t.
const SIGSET: u64 = 8;

const fn bit(sig: i32) -> u64 {
    1 << (sig - 1)
}

/// Signals by which translated code speaks to the runtime.
const RESERVED: u64 = bit(libc::SIGSEGV) | bit(libc::SIGBUS) | bit(libc::SIGFPE) | bit(libc::SIGILL) | bit(libc::SIGTRAP);

/// The mask argument of a call: the guest's set without the reserved signals, or the guest's own pointer where the kernel has to refuse it.
pub(super) struct Mask {
    set: u64,
    /// The guest's pointer, without its tag, when it can't be replaced.
    own: Option<u64>,
}

impl Mask {
    pub(super) fn new(set: u64, size: u64) -> Mask {
        let set = GuestAddr(set);
        // Most calls have none: no attempt to read there.
        if !set.is_null() && size == SIGSET {
            if let Ok(set) = set.read::<u64>() {
                return Mask { set: set & !RESERVED, own: None };
            }
        }
        Mask { set: 0, own: Some(set.host()) }
    }

    /// What to pass to the kernel. `self` must outlive the call.
    pub(super) fn arg(&self) -> u64 {
        self.own.unwrap_or(&raw const self.set as u64)
    }
}

/// ppoll(fds, nfds, timeout, mask, masksize)
pub fn ppoll(ctx: &mut Ctx<'_>, [fds, n, timeout, mask, size, _]: [u64; 6]) -> SysResult {
    let (mask, at) = (Mask::new(mask, size), |p| GuestAddr(p).host());
    ctx.sys(libc::SYS_ppoll, [at(fds), n, at(timeout), mask.arg(), size, 0])
}

/// The mask of the calls that take it with its size behind one pointer.
struct Packed {
    mask: Mask,
    size: u64,
    /// The guest's pointer when it is null or can't be read.
    own: Option<u64>,
}

impl Packed {
    fn new(p: u64) -> Packed {
        let p = GuestAddr(p);
        if !p.is_null() {
            if let Ok([set, size]) = p.read::<[u64; 2]>() {
                return Packed { mask: Mask::new(set, size), size, own: None };
            }
        }
        Packed { mask: Mask { set: 0, own: None }, size: 0, own: Some(p.host()) }
    }

    /// The two words for the kernel, or the pointer that it has to refuse.
    fn call(&self, with: impl FnOnce(u64) -> SysResult) -> SysResult {
        let words = [self.mask.arg(), self.size];
        with(self.own.unwrap_or(words.as_ptr() as u64))
    }
}

/// pselect6(n, read, write, except, timeout, mask and its size)
pub fn pselect6(ctx: &mut Ctx<'_>, [n, r, w, e, timeout, mask]: [u64; 6]) -> SysResult {
    let at = |p| GuestAddr(p).host();
    Packed::new(mask).call(|mask| ctx.sys(libc::SYS_pselect6, [n, at(r), at(w), at(e), at(timeout), mask]))
}

/// io_pgetevents(ctx, min, max, events, timeout, mask and its size)
pub fn io_pgetevents(ctx: &mut Ctx<'_>, [aio, min, max, events, timeout, mask]: [u64; 6]) -> SysResult {
    let at = |p| GuestAddr(p).host();
    Packed::new(mask).call(|mask| ctx.sys(SYS_IO_PGETEVENTS, [aio, min, max, at(events), at(timeout), mask]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let set = u64::MAX;
        let at = &raw const set as u64;
        let m = Mask::new(at, 8);
        assert_eq!(m.own, None);
        // Both C libraries number these five the same.
        assert_eq!(!m.set, 1 << 10 | 1 << 6 | 1 << 7 | 1 << 3 | 1 << 4);
        assert_eq!(Mask::new(at, 16).own, Some(at));
        assert_eq!(Packed::new(&raw const (*&[at, 8]) as u64).own, None);
    }
}
