//! The handlers of the signal calls.

use super::{bit, frame, raise, raised, Action, Default, Set, UNMASKABLE};
use crate::ctx::{Ctx, Flow, Stop, SysResult};
use crate::{Errno, GuestAddr};

/// `sigsetsize` must be the kernel's.
fn check_size(size: u64) -> Result<(), Errno> {
    if size == size_of::<Set>() as u64 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// A set that may be absent.
fn optional_set(addr: u64) -> Result<Option<Set>, Errno> {
    if addr == 0 {
        return Ok(None);
    }
    GuestAddr(addr).read().map(Some)
}

/// rt_sigaction(sig, act, oact, size).
pub fn rt_sigaction(ctx: &mut Ctx<'_>, [sig, new, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let action = if new == 0 { None } else { Some(GuestAddr(new).read::<Action>()?) };
    let sig = sig as i32;
    if !(1..=64).contains(&sig) {
        return Err(Errno::EINVAL.into());
    }
    let before = {
        let mut actions = ctx.thread.actions.lock().unwrap_or_else(|e| e.into_inner());
        let before = actions.get(sig);
        if let Some(action) = action {
            actions.set(sig, action)?;
        }
        before
    };
    if let Some(action) = action {
        if action.is_ignore() || action.is_default() && Default::of(sig) == Default::Ignore {
            ctx.thread.signals.inbox.discard(bit(sig));
        }
    }
    if old != 0 {
        GuestAddr(old).write(before)?;
    }
    Ok(0)
}

/// rt_sigprocmask(how, set, oset, size).
pub fn rt_sigprocmask(ctx: &mut Ctx<'_>, [how, set, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let before = ctx.thread.signals.mask();
    if let Some(set) = optional_set(set)? {
        let after = match how as i32 {
            libc::SIG_BLOCK => before | set,
            libc::SIG_UNBLOCK => before & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        super::set_mask(ctx, after)?;
    }
    if old != 0 {
        GuestAddr(old).write(before)?;
    }
    Ok(0)
}

/// rt_sigpending(set, size).
pub fn rt_sigpending(ctx: &mut Ctx<'_>, [set, size, ..]: [u64; 6]) -> SysResult {
    if size > size_of::<Set>() as u64 {
        return Err(Errno::EINVAL.into());
    }
    let mut pending: Set = 0;
    ctx.sys(libc::SYS_rt_sigpending, [&raw mut pending as u64, 8, 0, 0, 0, 0])?;
    let signals = &ctx.thread.signals;
    pending = (pending | signals.inbox.waiting()) & signals.mask();
    GuestAddr(set).write_bytes(&pending.to_le_bytes()[..size as usize])?;
    Ok(0)
}

/// rt_sigsuspend(mask, size).
pub fn rt_sigsuspend(ctx: &mut Ctx<'_>, [set, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let wanted = GuestAddr(set).read::<Set>()? & !UNMASKABLE;
    // What came before is delivered before, with the mask as it is.
    if raised(ctx.machine.pending()) {
        return Err(Stop::Flow(Flow::Repeat));
    }
    let before = ctx.thread.signals.mask();
    ctx.thread.signals.saved = Some(before);
    if ctx.thread.signals.inbox.set_mask(wanted) {
        raise(ctx.machine.pending());
        return Err(Errno::EINTR.into());
    }
    match ctx.sys(libc::SYS_rt_sigsuspend, [&raw const wanted as u64, 8, 0, 0, 0, 0]) {
        Err(Stop::Restart | Stop::Flow(Flow::Repeat)) => {
            ctx.thread.signals.saved = None;
            ctx.thread.signals.inbox.set_mask(before);
            Err(Stop::Flow(Flow::Repeat))
        }
        other => {
            // A signal that no handler of ours saw (a stop and its end) leaves nothing to deliver; the look puts the mask back.
            raise(ctx.machine.pending());
            other
        }
    }
}

/// pause(): a wait for nothing but signals.
pub fn pause(ctx: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    match ctx.sys(libc::SYS_ppoll, [0; 6]) {
        Err(Stop::Restart) => Err(Stop::Flow(Flow::Repeat)),
        other => other,
    }
}

/// rt_sigtimedwait(set, info, timeout, size).
pub fn rt_sigtimedwait(ctx: &mut Ctx<'_>, [set, info, timeout, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let wanted = GuestAddr(set).read::<Set>()? & !UNMASKABLE;
    let timeout = GuestAddr(timeout).host();
    if timeout != 0 {
        let [seconds, nanos] = GuestAddr(timeout).read::<[i64; 2]>()?;
        if seconds < 0 || !(0..1_000_000_000).contains(&nanos) {
            return Err(Errno::EINVAL.into());
        }
    }
    if let Some(sent) = ctx.thread.signals.inbox.take_sent(wanted) {
        if info != 0 {
            GuestAddr(info).write(sent)?;
        }
        return Ok(sent.signo as u64);
    }
    ctx.sys(libc::SYS_rt_sigtimedwait, [&raw const wanted as u64, GuestAddr(info).host(), timeout, 8, 0, 0])
}

/// sigaltstack(new, old).
pub fn sigaltstack(ctx: &mut Ctx<'_>, [new, old, ..]: [u64; 6]) -> SysResult {
    let wanted = if new == 0 { None } else { Some(GuestAddr(new).read::<frame::Stack>()?) };
    let sp = ctx.machine.context().sp;
    let (before, min) = (ctx.thread.signals.altstack, ctx.abi().frame.min_stack);
    if let Some(wanted) = wanted {
        frame::set_altstack(&mut ctx.thread.signals.altstack, &wanted, sp, min)?;
    }
    if old != 0 {
        let flags = before.state(sp) | before.flags & super::SS_AUTODISARM;
        GuestAddr(old).write(frame::Stack::of(&before, flags))?;
    }
    Ok(0)
}

/// rt_sigreturn.
pub fn rt_sigreturn(ctx: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    let now = ctx.machine.context();
    let abi = &ctx.abi().frame;
    match (abi.pop)(&now) {
        Ok(popped) => {
            super::set_mask(ctx, popped.mask)?;
            ctx.machine.set_context(&popped.context);
            // As in the kernel: only the stack's readability matters, not whether it is acceptable.
            let _ = frame::set_altstack(&mut ctx.thread.signals.altstack, &popped.stack, popped.context.sp, abi.min_stack);
        }
        Err(_) => {
            ctx.thread.signals.fault = Some((abi.bad)(&now));
            raise(ctx.machine.pending());
        }
    }
    Err(Stop::Flow(Flow::Replaced))
}

/// `si_code` of SIGSEGV: nothing is mapped there.
pub const SEGV_MAPERR: i32 = 1;
/// `si_code` of SIGSEGV: something is, but not for this access.
pub const SEGV_ACCERR: i32 = 2;
