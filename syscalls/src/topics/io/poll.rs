//! Calls that wait with a signal mask of their own.
//!
//! The kernel takes the mask for the time of the call, so that a signal which only it lets through ends the call. The runtime's
//! handler must still be reachable by the faults of translated code, so these signals never enter a mask on the host.

use crate::ctx::{Ctx, Flow, Stop, SysResult};
use crate::host::nr;
use crate::topics::signal::{raise, raised, Set, SYNCHRONOUS, UNMASKABLE};
use crate::{Errno, GuestAddr};

/// The mask argument of a call.
pub(super) struct Mask {
    /// The guest's set, if there is one.
    guest: Option<Set>,
    /// The set for the host.
    host: Set,
    /// The guest's pointer where there is no set: null, or the kernel's to refuse.
    own: u64,
}

impl Mask {
    pub(super) fn new(set: u64, size: u64) -> Mask {
        let at = GuestAddr(set);
        // Most calls have none: no attempt to read there.
        let guest = if at.is_null() || size != size_of::<Set>() as u64 { None } else { at.read::<Set>().ok() };
        let guest = guest.map(|set| set & !UNMASKABLE);
        Mask { guest, host: guest.unwrap_or(0) & !SYNCHRONOUS, own: at.host() }
    }

    /// What to pass to the kernel. `self` must outlive the call.
    pub(super) fn arg(&self) -> u64 {
        match self.guest {
            Some(_) => &raw const self.host as u64,
            None => self.own,
        }
    }

    /// Make a call that waits with this mask. These calls are never restarted by the kernel once a handler has run; so what didn't happen
    /// is repeated, and EINTR is final.
    pub(super) fn wait(&self, ctx: &mut Ctx<'_>, nr: i64, args: [u64; 6]) -> SysResult {
        let repeat = |r| if r == Err(Stop::Restart) { Err(Stop::Flow(Flow::Repeat)) } else { r };
        let Some(wanted) = self.guest else { return repeat(ctx.sys(nr, args)) };
        // What came before is delivered before, with the mask as it is.
        if raised(ctx.machine.pending()) {
            return Err(Stop::Flow(Flow::Repeat));
        }
        let before = ctx.thread.signals.mask();
        let result = if ctx.thread.signals.inbox.set_mask(wanted) { Err(Errno::EINTR.into()) } else { repeat(ctx.sys(nr, args)) };
        if result == Err(Errno::EINTR.into()) {
            // The handler runs under the call's mask and returns to the old one. If no handler of ours saw the signal (a stop and its
            // end), the look puts the mask back.
            ctx.thread.signals.saved = Some(before);
            raise(ctx.machine.pending());
        } else if ctx.thread.signals.inbox.set_mask(before) {
            raise(ctx.machine.pending());
        }
        result
    }
}

/// ppoll(fds, nfds, timeout, mask, masksize)
pub fn ppoll(ctx: &mut Ctx<'_>, [fds, n, timeout, mask, size, _]: [u64; 6]) -> SysResult {
    let (mask, at) = (Mask::new(mask, size), |p| GuestAddr(p).host());
    mask.wait(ctx, libc::SYS_ppoll, [at(fds), n, at(timeout), mask.arg(), size, 0])
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
        Packed { mask: Mask::new(0, 0), size: 0, own: Some(p.host()) }
    }

    /// Make a call whose last argument is this.
    fn wait(&self, ctx: &mut Ctx<'_>, nr: i64, [a, b, c, d, e]: [u64; 5]) -> SysResult {
        let words = [self.mask.arg(), self.size];
        self.mask.wait(ctx, nr, [a, b, c, d, e, self.own.unwrap_or(words.as_ptr() as u64)])
    }
}

/// pselect6(n, read, write, except, timeout, mask and its size)
pub fn pselect6(ctx: &mut Ctx<'_>, [n, r, w, e, timeout, mask]: [u64; 6]) -> SysResult {
    let at = |p| GuestAddr(p).host();
    Packed::new(mask).wait(ctx, libc::SYS_pselect6, [n, at(r), at(w), at(e), at(timeout)])
}

/// io_pgetevents(ctx, min, max, events, timeout, mask and its size)
pub fn io_pgetevents(ctx: &mut Ctx<'_>, [aio, min, max, events, timeout, mask]: [u64; 6]) -> SysResult {
    let at = |p| GuestAddr(p).host();
    Packed::new(mask).wait(ctx, nr::io_pgetevents, [aio, min, max, at(events), at(timeout)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let set = u64::MAX;
        let at = &raw const set as u64;
        let m = Mask::new(at, 8);
        assert_eq!(m.guest, Some(!UNMASKABLE));
        // Segmentation fault, bus error, arithmetic, illegal instruction, trap; and the two that can't be blocked.
        assert_eq!(!m.host, 1 << 10 | 1 << 6 | 1 << 7 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 18);
        assert_eq!(Mask::new(at, 16).arg(), at);
        assert_eq!(Mask::new(0, 8).arg(), 0);
        let words = [at, 8];
        assert_eq!(Packed::new(words.as_ptr() as u64).own, None);
        assert_eq!(Packed::new(0).own, Some(0));
    }
}
