//! The older calls on descriptors, by way of the newer ones.

use super::poll::Mask;
use super::{dup3, epoll_pwait, pipe2};
use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::{hidden, host};
use crate::{Errno, GuestAddr};

/// pipe(fds)
pub fn pipe(ctx: &mut Ctx<'_>, [fds, ..]: [u64; 6]) -> SysResult {
    pipe2(ctx, [fds, 0, 0, 0, 0, 0])
}

/// dup2(old, new)
pub fn dup2(ctx: &mut Ctx<'_>, [old, new, ..]: [u64; 6]) -> SysResult {
    if old as i32 != new as i32 {
        return dup3(ctx, [old, new, 0, 0, 0, 0]);
    }
    if hidden(ctx, old) {
        return Err(Errno::EBADF.into());
    }
    host(libc::SYS_fcntl, [old, libc::F_GETFD as u64, 0, 0, 0, 0])?;
    Ok(old & 0xffff_ffff)
}

/// epoll_create(size): the size must be one, and that is all.
pub fn epoll_create(_: &mut Ctx<'_>, [size, ..]: [u64; 6]) -> SysResult {
    if size as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    host(libc::SYS_epoll_create1, [0; 6])
}

/// epoll_wait(epfd, events, maxevents, timeout)
pub fn epoll_wait(ctx: &mut Ctx<'_>, [epfd, events, max, timeout, ..]: [u64; 6]) -> SysResult {
    epoll_pwait(ctx, [epfd, events, max, timeout, 0, 0])
}

/// eventfd(count)
pub fn eventfd(_: &mut Ctx<'_>, [count, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_eventfd2, [count, 0, 0, 0, 0, 0])
}

/// signalfd(fd, mask, size)
pub fn signalfd(_: &mut Ctx<'_>, [fd, mask, size, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_signalfd4, [fd, GuestAddr(mask).host(), size, 0, 0, 0])
}

/// poll(fds, nfds, timeout): milliseconds, forever if negative.
pub fn poll(ctx: &mut Ctx<'_>, [fds, n, timeout, ..]: [u64; 6]) -> SysResult {
    let millis = i64::from(timeout as i32);
    let time = [millis / 1000, millis % 1000 * 1_000_000];
    let at = if millis < 0 { 0 } else { time.as_ptr() as u64 };
    Mask::new(0, 0).wait(ctx, libc::SYS_ppoll, [GuestAddr(fds).host(), n, at, 0, 0, 0])
}

/// select(n, read, write, except, timeout): microseconds; what is left of them is written back.
pub fn select(ctx: &mut Ctx<'_>, [n, r, w, e, timeout, _]: [u64; 6]) -> SysResult {
    let at = |p| GuestAddr(p).host();
    if timeout == 0 {
        return Mask::new(0, 0).wait(ctx, libc::SYS_pselect6, [n, at(r), at(w), at(e), 0, 0]);
    }
    let [seconds, micros] = GuestAddr(timeout).read::<[i64; 2]>()?;
    // Too many are carried, as in the kernel; what is then negative it refuses.
    let given = [seconds.wrapping_add(micros / 1_000_000), micros % 1_000_000 * 1000];
    let mut left = given;
    let result = Mask::new(0, 0).wait(ctx, libc::SYS_pselect6, [n, at(r), at(w), at(e), (&raw mut left) as u64, 0]);
    // Written by the kernel.
    let left = std::hint::black_box(left);
    if left != given {
        // A time in memory that can't be written is no reason to fail.
        let _ = GuestAddr(timeout).write([left[0], left[1] / 1000]);
    }
    result
}
