//! File attributes by path. /proc/self/exe, followed, is the guest's program.

use super::fd::{hidden, write_stat};
use super::host;
use super::path::{self, target};
use crate::ctx::{Ctx, SysResult};
use crate::topics::procfs;
use crate::{Errno, GuestAddr};

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;

/// The directory and path to give to the kernel in place of the guest's; `flags` decide whether a link at the end is followed.
fn redirect<R>(ctx: &mut Ctx<'_>, dirfd: u64, path: u64, flags: u64, call: impl FnOnce(&Ctx<'_>, u64, u64) -> R) -> R {
    let path = GuestAddr(path);
    if flags & (libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) as u64 == 0 {
        if let Some(to) = target(ctx, dirfd, path) {
            return call(ctx, AT_FDCWD, to.as_ptr() as u64);
        }
    }
    call(ctx, dirfd, path.host())
}

/// newfstatat(dirfd, path, buf, flags)
pub fn newfstatat(ctx: &mut Ctx<'_>, [dirfd, path, buf, flags, ..]: [u64; 6]) -> SysResult {
    // The C library's fstat may come this way.
    if flags & libc::AT_EMPTY_PATH as u64 != 0 && hidden(ctx, dirfd) {
        return Err(Errno::EBADF.into());
    }
    redirect(ctx, dirfd, path, flags, |ctx, dirfd, path| {
        write_stat(ctx, GuestAddr(buf), |st| host(libc::SYS_newfstatat, [dirfd, path, st, flags, 0, 0]))
    })
}

/// statx(dirfd, path, flags, mask, buf)
pub fn statx(ctx: &mut Ctx<'_>, [dirfd, path, flags, mask, buf, _]: [u64; 6]) -> SysResult {
    let buf = GuestAddr(buf).host();
    redirect(ctx, dirfd, path, flags, |_, dirfd, path| host(libc::SYS_statx, [dirfd, path, flags, mask, buf, 0]))
}

/// faccessat(dirfd, path, mode)
pub fn faccessat(ctx: &mut Ctx<'_>, [dirfd, path, mode, ..]: [u64; 6]) -> SysResult {
    redirect(ctx, dirfd, path, 0, |_, dirfd, path| host(libc::SYS_faccessat, [dirfd, path, mode, 0, 0, 0]))
}

/// faccessat2(dirfd, path, mode, flags)
pub fn faccessat2(ctx: &mut Ctx<'_>, [dirfd, path, mode, flags, ..]: [u64; 6]) -> SysResult {
    redirect(ctx, dirfd, path, flags, |_, dirfd, path| host(libc::SYS_faccessat2, [dirfd, path, mode, flags, 0, 0]))
}

/// readlinkat(dirfd, path, buf, size)
pub fn readlinkat(ctx: &mut Ctx<'_>, [dirfd, path, buf, size, ..]: [u64; 6]) -> SysResult {
    let (path, buf) = (GuestAddr(path), GuestAddr(buf));
    if size as i32 > 0 {
        if let Some(text) = path::proc(path).and_then(|p| procfs::readlink(ctx, dirfd as i32, &p)) {
            let n = text.len().min(size as i32 as usize);
            buf.write_bytes(&text[..n])?;
            return Ok(n as u64);
        }
    }
    host(libc::SYS_readlinkat, [dirfd, path.host(), buf.host(), size, 0, 0])
}
