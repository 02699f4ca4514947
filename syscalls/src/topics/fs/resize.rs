//! Calls that take away what a file holds. The kernel drops such pages from every mapping; translations of code in them go the same way.

use crate::ctx::{Ctx, SysResult};
use crate::topics::mem::{self, Object};
use crate::GuestAddr;

/// truncate(path, length)
pub fn truncate(ctx: &mut Ctx<'_>, [path, length, ..]: [u64; 6]) -> SysResult {
    let path = GuestAddr(path).host();
    let result = ctx.sys(libc::SYS_truncate, [path, length, 0, 0, 0, 0])?;
    mem::file_changed(ctx, Object::of_path(path));
    Ok(result)
}

/// ftruncate(fd, length)
pub fn ftruncate(ctx: &mut Ctx<'_>, [fd, length, ..]: [u64; 6]) -> SysResult {
    let result = ctx.sys(libc::SYS_ftruncate, [fd, length, 0, 0, 0, 0])?;
    mem::file_changed(ctx, Object::of_fd(fd));
    Ok(result)
}

/// fallocate(fd, mode, offset, length): may make holes.
pub fn fallocate(ctx: &mut Ctx<'_>, [fd, mode, offset, length, ..]: [u64; 6]) -> SysResult {
    let result = ctx.sys(libc::SYS_fallocate, [fd, mode, offset, length, 0, 0])?;
    if mode != 0 {
        mem::file_changed(ctx, Object::of_fd(fd));
    }
    Ok(result)
}
