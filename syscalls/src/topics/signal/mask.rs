//! The guest's mask and the host's.

use super::{Set, SYNCHRONOUS, UNMASKABLE};
use crate::ctx::{Ctx, Flow, Stop, Thread};
use crate::sys;

/// What the host blocks while a signal is held, or while the thread must not be disturbed.
pub const ALL: Set = !SYNCHRONOUS;

fn sigprocmask(set: &Set) -> [u64; 6] {
    [libc::SIG_SETMASK as u64, set as *const Set as u64, 0, 8, 0, 0]
}

/// Change the host's mask, unless a signal is held or arrives before: then the whole call is to be repeated after its delivery.
fn enter(ctx: &mut Ctx<'_>, host: Set) -> Result<(), Stop> {
    match ctx.sys(libc::SYS_rt_sigprocmask, sigprocmask(&host)) {
        Err(Stop::Restart) => Err(Stop::Flow(Flow::Repeat)),
        other => other.map(|_| ()),
    }
}

/// Change the guest's mask.
pub fn set_mask(ctx: &mut Ctx<'_>, mask: Set) -> Result<(), Stop> {
    let mask = mask & !UNMASKABLE;
    if (mask ^ ctx.thread.signals.mask()) & !SYNCHRONOUS != 0 {
        enter(ctx, mask & !SYNCHRONOUS)?;
    }
    if ctx.thread.signals.inbox.set_mask(mask) {
        super::raise(ctx.machine.pending());
    }
    Ok(())
}

/// Block everything on the host, with no signal held: nothing will happen to the thread until [`restore_mask`].
pub fn block_all(ctx: &mut Ctx<'_>) -> Result<(), Stop> {
    enter(ctx, ALL)
}

/// Make the host's mask what the guest's says. No signal may be held.
pub fn restore_mask(thread: &Thread) {
    host_mask(thread.signals.mask() & !SYNCHRONOUS);
}

/// The host's mask was lowered for a moment by other means: make it right again, whether or not a signal came meanwhile.
pub fn settle_mask(thread: &Thread) {
    host_mask(ALL);
    if !thread.signals.inbox.is_full() {
        restore_mask(thread);
    }
}

/// Set the host's mask, whatever it was.
pub fn host_mask(set: Set) {
    // SAFETY: `set` outlives the call, which changes nothing but the thread's mask.
    unsafe { sys::raw(libc::SYS_rt_sigprocmask, sigprocmask(&set)) };
}
