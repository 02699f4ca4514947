//! What the host's signal handler and the thread that it interrupts tell each other.

use super::{bit, Set, SigInfo, SYNCHRONOUS};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SENT: [i32; 5] = [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];

/// One thread's inbox. Written by a handler that runs on that very thread, so its fields need no more than to be whole.
#[derive(Debug)]
pub struct Inbox {
    /// The guest's mask.
    mask: AtomicU64,
    /// `held` is full.
    full: AtomicBool,
    /// The asynchronous signal that left the kernel.
    held: UnsafeCell<SigInfo>,
    /// Members of [`SYNCHRONOUS`] that somebody sent.
    sent: AtomicU64,
    /// What came with them, in the order of [`SENT`].
    sent_info: UnsafeCell<[SigInfo; 5]>,
}

// SAFETY: only the owning thread and the signal handler that interrupts it use the cells, ordered by `full` and `sent`. The type is shared
// only in so far as a structure that contains it moves to the thread that then owns it.
unsafe impl Sync for Inbox {}

impl Default for Inbox {
    fn default() -> Inbox {
        let none = SigInfo::fault(0, 0, 0);
        Inbox {
            mask: AtomicU64::new(0),
            full: AtomicBool::new(false),
            held: UnsafeCell::new(none),
            sent: AtomicU64::new(0),
            sent_info: UnsafeCell::new([none; 5]),
        }
    }
}

/// What the handler is to do about a signal that it posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Block everything until it is delivered.
    Held,
    /// It can be delivered, but needs nothing blocked.
    Deliverable,
    /// The guest's mask blocks it; it waits.
    Waits,
}

impl Inbox {
    /// The guest's mask.
    pub fn mask(&self) -> Set {
        self.mask.load(Ordering::Relaxed)
    }

    /// Remember the guest's mask. True when that makes a signal deliverable that was sent before.
    pub fn set_mask(&self, mask: Set) -> bool {
        self.mask.store(mask, Ordering::SeqCst);
        self.sent.load(Ordering::SeqCst) & !mask != 0
    }

    /// Note a signal. Called by the handler, with every asynchronous signal blocked.
    pub fn post(&self, info: &SigInfo) -> Posted {
        let set = bit(info.signo);
        if set & SYNCHRONOUS == 0 {
            // SAFETY: every asynchronous signal stays blocked while the cell is full, so nobody reads or writes it now.
            unsafe { *self.held.get() = *info };
            self.full.store(true, Ordering::Release);
            return Posted::Held;
        }
        if self.sent.load(Ordering::Acquire) & set == 0 {
            let i = SENT.iter().position(|&s| s == info.signo).unwrap_or(0);
            // SAFETY: the cell of a signal is read only when its bit is set, and this signal is blocked while its handler runs.
            unsafe { (*self.sent_info.get())[i] = *info };
            self.sent.fetch_or(set, Ordering::Release);
        }
        if self.mask() & set == 0 {
            Posted::Deliverable
        } else {
            Posted::Waits
        }
    }

    /// Whether an asynchronous signal is held.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Take the signal to deliver next. The held one comes first: it was not blocked when it left the kernel, but might be in the handler of another.
    pub fn take(&self) -> Option<SigInfo> {
        if self.is_full() {
            // SAFETY: full, so the handler doesn't touch the cell before `full` is false again.
            let info = unsafe { *self.held.get() };
            self.full.store(false, Ordering::Release);
            return Some(info);
        }
        self.take_sent(!self.mask())
    }

    /// Take a fault signal that was sent and is in `wanted`, the lowest first.
    pub fn take_sent(&self, wanted: Set) -> Option<SigInfo> {
        let ready = self.sent.load(Ordering::Acquire) & wanted;
        let i = SENT.iter().position(|&s| bit(s) & ready != 0)?;
        // SAFETY: the bit is set, so the handler leaves the cell alone.
        let info = unsafe { (*self.sent_info.get())[i] };
        self.sent.fetch_and(!bit(SENT[i]), Ordering::Release);
        Some(info)
    }

    /// The fault signals that were sent and wait.
    pub fn waiting(&self) -> Set {
        self.sent.load(Ordering::Acquire)
    }

    /// Forget waiting signals of the set, because they are ignored from now on.
    pub fn discard(&self, set: Set) {
        self.sent.fetch_and(!set, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_fault_signal_waits_for_its_mask_and_keeps_the_first_info() {
        let inbox = Inbox::default();
        inbox.set_mask(bit(libc::SIGSEGV));
        assert_eq!(inbox.post(&SigInfo::fault(libc::SIGSEGV, libc::SI_USER, 1)), Posted::Waits);
        assert_eq!(inbox.post(&SigInfo::fault(libc::SIGSEGV, libc::SI_USER, 2)), Posted::Waits);
        assert_eq!(inbox.post(&SigInfo::fault(libc::SIGBUS, libc::SI_USER, 3)), Posted::Deliverable);
        assert_eq!(inbox.take().map(|i| i.rest[0]), Some(3));
        assert_eq!(inbox.take(), None);
        assert!(inbox.set_mask(0));
        assert_eq!(inbox.take().map(|i| i.rest[0]), Some(1));
        assert_eq!(inbox.waiting(), 0);
    }

    #[test]
    fn the_held_signal_is_delivered_before_those_that_can_wait() {
        let inbox = Inbox::default();
        inbox.post(&SigInfo::fault(libc::SIGTRAP, libc::SI_TKILL, 0));
        assert_eq!(inbox.post(&SigInfo::fault(libc::SIGUSR2, libc::SI_USER, 0)), Posted::Held);
        assert_eq!(inbox.take().map(|i| i.signo), Some(libc::SIGUSR2));
        assert_eq!(inbox.take().map(|i| i.signo), Some(libc::SIGTRAP));
    }
}
