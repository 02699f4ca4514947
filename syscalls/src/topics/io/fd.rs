//! Duplication, fcntl and pipes.

use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::{hidden, host};
use crate::{Errno, GuestAddr};

/// dup(fd)
pub fn dup(ctx: &mut Ctx<'_>, [fd, ..]: [u64; 6]) -> SysResult {
    if hidden(ctx, fd) {
        return Err(Errno::EBADF.into());
    }
    host(libc::SYS_dup, [fd, 0, 0, 0, 0, 0])
}

/// dup3(old, new, flags). The runtime's descriptor can't be replaced: the guest sees it as one beyond RLIMIT_NOFILE, EBADF.
pub fn dup3(ctx: &mut Ctx<'_>, [old, new, flags, ..]: [u64; 6]) -> SysResult {
    let call = |old: u64, new: u64| host(libc::SYS_dup3, [old, new, flags, 0, 0, 0]);
    // Two numbers that are never open.
    let (no_old, no_new) = (i32::MIN as u64, -1i64 as u64);
    match (hidden(ctx, old), hidden(ctx, new)) {
        (false, false) => call(old, new),
        // The kernel still checks the flags first, and after them whether both are the same.
        (true, true) => call(no_old, no_old),
        (true, false) => call(no_old, new),
        (false, true) => call(old, no_new),
    }
}

/// fcntl(fd, cmd, arg). `struct flock` and the others that the argument can point to are the same.
pub fn fcntl(ctx: &mut Ctx<'_>, [fd, cmd, arg, ..]: [u64; 6]) -> SysResult {
    if hidden(ctx, fd) {
        return Err(Errno::EBADF.into());
    }
    let abi = ctx.abi();
    let call = |arg: u64| host(libc::SYS_fcntl, [fd, cmd, arg, 0, 0, 0]);
    match cmd as i32 {
        libc::F_GETFL => call(arg).map(|flags| abi.open_flags_from_host(flags)),
        libc::F_SETFL => call(abi.open_flags(arg)),
        libc::F_SETLKW | libc::F_OFD_SETLKW => ctx.sys(libc::SYS_fcntl, [fd, cmd, abi.untag(arg), 0, 0, 0]),
        _ => call(abi.untag(arg)),
    }
}

/// pipe2(fds, flags): O_DIRECT makes it a pipe of packets.
pub fn pipe2(ctx: &mut Ctx<'_>, [fds, flags, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_pipe2, [GuestAddr(fds).host(), ctx.abi().open_flags(flags), 0, 0, 0, 0])
}
