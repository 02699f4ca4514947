//! Signals.
//!
//! The host kernel keeps the truth wherever it can. A signal that the guest ignores or leaves to its default action has that very
//! disposition on the host, so stopping, continuing, terminating and reaping are the kernel's own. For a signal with a guest handler the
//! host has our entry, which runs between any two host instructions and therefore only notes the signal in the thread's [`Inbox`],
//! blocks everything else and asks the thread to leave translated code; the frame is made at the next safe point, by [`deliver`].
//! So at most one asynchronous signal is held outside of the kernel, and only for a moment.
//!
//! The guest's mask is the host's, but for the five signals that faults raise ([`SYNCHRONOUS`]): the host must never block those,
//! because translated code and the guarded copies raise them for us. When somebody sends one with kill(2), the inbox holds it for as long as
//! the guest's mask says.
//!
//! What changes the mask, or takes the thread away (fork, exec, exit), must find no signal held. It enters the kernel by
//! [`sys::interruptible`](crate::sys::interruptible), which refuses when one is; then the signal is delivered first
//! and the whole call repeated ([`Flow::Repeat`](crate::ctx::Flow::Repeat)).

mod actions;
mod calls;
mod deliver;
pub mod frame;
mod inbox;
mod mask;

pub use actions::{Action, Actions, Default, HostEntry, SA_RESTORER};
pub use calls::*;
pub use deliver::{deliver, Delivery};
pub use inbox::{Inbox, Posted};
pub use mask::{block_all, host_mask, restore_mask, set_mask, settle_mask, ALL};

use crate::ptr::Plain;
use std::sync::atomic::{AtomicU32, Ordering};

/// A set of signals, as the kernel has it: signal n is bit n - 1.
pub type Set = u64;

/// The set of one signal.
pub const fn bit(sig: i32) -> Set {
    1 << (sig - 1)
}

/// The signals that faults raise. The host never blocks them in a thread that runs guest code.
pub const SYNCHRONOUS: Set = bit(libc::SIGILL) | bit(libc::SIGTRAP) | bit(libc::SIGBUS) | bit(libc::SIGFPE) | bit(libc::SIGSEGV);
/// The signals that can't be blocked, caught or ignored.
pub const UNMASKABLE: Set = bit(libc::SIGKILL) | bit(libc::SIGSTOP);
/// Asynchronous signals whose default action dumps core. The host has our entry for them always, because the core of the runtime would be of no use.
pub const CORE: Set = bit(libc::SIGQUIT) | bit(libc::SIGABRT) | bit(libc::SIGXCPU) | bit(libc::SIGXFSZ) | bit(libc::SIGSYS);

/// `siginfo_t`, the same on every 64-bit Linux architecture that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct SigInfo {
    /// si_signo.
    pub signo: i32,
    /// si_errno.
    pub errno: i32,
    /// si_code.
    pub code: i32,
    /// Padding of the kernel's structure.
    pub pad: i32,
    /// The union; for faults its first word is si_addr.
    pub rest: [u64; 14],
}
// SAFETY: integers without padding, as the kernel lays them out.
unsafe impl Plain for SigInfo {}

impl SigInfo {
    /// A fault at `addr`.
    pub fn fault(signo: i32, code: i32, addr: u64) -> SigInfo {
        let mut rest = [0; 14];
        rest[0] = addr;
        SigInfo { signo, errno: 0, code, pad: 0, rest }
    }
    /// What the kernel forces upon a thread without a reason to name.
    pub fn kernel(signo: i32) -> SigInfo {
        SigInfo::fault(signo, libc::SI_KERNEL, 0)
    }
}

/// A fault of the guest, with what a kernel remembers of it for signal frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the handler is told.
    pub info: SigInfo,
    /// What to remember: the faulting address, and how the CPU describes the fault (arm64: ESR; amd64: see [`crate::amd64::syndrome`]).
    /// `None` for faults that leave both alone.
    pub syndrome: Option<(u64, u64)>,
}

/// The alternate stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// Bytes; 0: none.
    pub size: u64,
    /// SS_DISABLE or as given, with SS_AUTODISARM.
    pub flags: i32,
}

/// Flag of sigaltstack: the stack is disarmed while a handler runs.
pub const SS_AUTODISARM: i32 = i32::MIN;

impl core::default::Default for AltStack {
    fn default() -> AltStack {
        AltStack { sp: 0, size: 0, flags: libc::SS_DISABLE }
    }
}

impl AltStack {
    /// Whether `sp` is on it, as the kernel sees it.
    pub fn contains(&self, sp: u64) -> bool {
        self.flags & SS_AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }
    /// SS_DISABLE, SS_ONSTACK or 0.
    pub fn state(&self, sp: u64) -> i32 {
        match () {
            () if self.size == 0 => libc::SS_DISABLE,
            () if self.contains(sp) => libc::SS_ONSTACK,
            () => 0,
        }
    }
}

/// Signal state of one thread.
#[derive(Debug, core::default::Default)]
pub struct ThreadSignals {
    /// What the host's handler notes, and the guest's mask.
    pub inbox: Box<Inbox>,
    /// While a call such as rt_sigsuspend has its own mask in force until a handler has been set up: the mask to go back to.
    pub saved: Option<Set>,
    /// The alternate stack.
    pub altstack: AltStack,
    /// A fault to be delivered before anything else.
    pub fault: Option<Fault>,
    /// The last fault's address and syndrome, which frames carry.
    pub syndrome: (u64, u64),
}

impl ThreadSignals {
    /// The guest's mask.
    pub fn mask(&self) -> Set {
        self.inbox.mask()
    }
    /// The state of a new task. `fresh_stack`: it shares memory and does not suspend its creator, so it can't use the same alternate stack.
    pub fn child(&self, fresh_stack: bool) -> ThreadSignals {
        let inbox = Box::<Inbox>::default();
        inbox.set_mask(self.mask());
        let altstack = if fresh_stack { AltStack::default() } else { self.altstack };
        ThreadSignals { inbox, altstack, syndrome: self.syndrome, ..ThreadSignals::default() }
    }
}

/// Ask the thread whose `pending` word this is to look at its signals before it goes on.
pub fn raise(pending: *const u32) {
    // SAFETY: the word is the thread's own atomic, as Machine::pending says.
    unsafe { AtomicU32::from_ptr(pending.cast_mut()) }.store(1, Ordering::Release);
}

/// It is about to look.
fn lower(pending: *const u32) {
    // SAFETY: as in `raise`.
    unsafe { AtomicU32::from_ptr(pending.cast_mut()) }.store(0, Ordering::SeqCst);
}

/// Whether the thread was asked to.
pub fn raised(pending: *const u32) -> bool {
    // SAFETY: as in `raise`.
    unsafe { AtomicU32::from_ptr(pending.cast_mut()) }.load(Ordering::Acquire) != 0
}
