//! Calls on one descriptor. The runtime's own descriptor does not exist for the guest: EBADF.

use super::host;
use crate::ctx::{Ctx, SysResult};
use crate::{Errno, GuestAddr};
use std::mem::MaybeUninit;

/// Whether a descriptor is the runtime's own.
pub(in crate::topics) fn hidden(ctx: &Ctx<'_>, fd: u64) -> bool {
    ctx.thread.process.own_descriptors().any(|own| own == fd as i32)
}

/// close(fd). Not repeated after a signal: the descriptor is gone either way.
pub fn close(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> SysResult {
    if hidden(ctx, fd) {
        return Err(Errno::EBADF.into());
    }
    host(libc::SYS_close, [fd, 0, 0, 0, 0, 0])
}

/// close_range(first, last, flags): around the hidden descriptors.
pub fn close_range(ctx: &mut Ctx<'_>, [first, last, flags, ..]: [u64; 6]) -> SysResult {
    let call = |first: u32, last: u32| host(libc::SYS_close_range, [first as u64, last as u64, flags, 0, 0, 0]);
    let (first, last) = (first as u32, last as u32);
    let (mut at, mut whole, mut done) = (first, true, false);
    for own in ctx.thread.process.own_descriptors().map(|fd| fd as u32).filter(|own| (first..=last).contains(own)) {
        whole = false;
        if at < own {
            call(at, own - 1)?;
            done = true;
        }
        at = own + 1;
    }
    match () {
        () if whole || at <= last => call(at, last),
        () if done => Ok(0),
        // Nothing is left, but the flags still count (their check, CLOSE_RANGE_UNSHARE): no descriptor is that high.
        () => call(u32::MAX, u32::MAX),
    }
}

/// fstat(fd, buf)
pub fn fstat(ctx: &mut Ctx<'_>, [fd, buf, ..]: [u64; 6]) -> SysResult {
    if hidden(ctx, fd) {
        return Err(Errno::EBADF.into());
    }
    write_stat(ctx, GuestAddr(buf), |st| host(libc::SYS_fstat, [fd, st, 0, 0, 0, 0]))
}

/// Run a call that fills the host's `struct stat` at the address that it is given, and hand the result to the guest in its own form.
pub(super) fn write_stat(ctx: &Ctx<'_>, buf: GuestAddr, call: impl FnOnce(u64) -> SysResult) -> SysResult {
    let mut st = MaybeUninit::<libc::stat>::uninit();
    let r = call(st.as_mut_ptr() as u64)?;
    // SAFETY: the kernel filled it, for the call succeeded.
    (ctx.abi().write_stat)(buf, unsafe { st.assume_init_ref() })?;
    Ok(r)
}
