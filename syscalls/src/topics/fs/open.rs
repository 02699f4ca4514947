//! Opening files: flags are numbered differently, and some files of /proc are the runtime's to make up.

use super::path;
use crate::ctx::{Ctx, SysResult};
use crate::topics::{mem, procfs};
use crate::GuestAddr;

/// openat(dirfd, path, flags, mode)
pub fn openat(ctx: &mut Ctx<'_>, [dirfd, path, flags, mode, ..]: [u64; 6]) -> SysResult {
    let (path, flags) = (GuestAddr(path), ctx.abi().open_flags(flags));
    if let Some(made) = open_proc(ctx, dirfd, path, flags) {
        return made;
    }
    let result = ctx.sys(libc::SYS_openat, [dirfd, path.host(), flags, mode, 0, 0])?;
    Ok(opened(ctx, result, flags))
}

/// A file was opened, and with O_TRUNC emptied.
fn opened(ctx: &mut Ctx<'_>, fd: u64, flags: u64) -> u64 {
    if flags & libc::O_TRUNC as u64 != 0 {
        mem::file_changed(ctx, mem::Object::of_fd(fd));
    }
    fd
}

fn open_proc(ctx: &mut Ctx<'_>, dirfd: u64, path: GuestAddr, flags: u64) -> Option<SysResult> {
    let path = path::proc(path)?;
    procfs::open(ctx, dirfd as i32, &path, flags as i32)
}

/// Size of `struct open_how` as first published.
const OPEN_HOW_SIZE_VER0: usize = 24;
const PAGE: usize = 4096;

/// openat2(dirfd, path, how, size): `struct open_how` grows at its end, and the host's kernel judges the whole of it.
pub fn openat2(ctx: &mut Ctx<'_>, [dirfd, path, how, size, ..]: [u64; 6]) -> SysResult {
    let path = GuestAddr(path);
    let mut copy = [0u8; PAGE];
    let len = size as usize;
    if !(OPEN_HOW_SIZE_VER0..=PAGE).contains(&len) {
        // EINVAL or E2BIG, before anything is read.
        return ctx.sys(libc::SYS_openat2, [dirfd, path.host(), 0, size, 0, 0]);
    }
    GuestAddr(how).read_bytes(&mut copy[..len])?;
    let word = |b: &[u8; PAGE], i: usize| u64::from_le_bytes(std::array::from_fn(|k| b[8 * i + k]));
    let flags = ctx.abi().open_flags(word(&copy, 0));
    copy[..8].copy_from_slice(&flags.to_le_bytes());
    // A made-up file can't be found under restrictions on the path's resolution.
    if word(&copy, 2) == 0 && copy[OPEN_HOW_SIZE_VER0..len].iter().all(|&b| b == 0) {
        if let Some(made) = open_proc(ctx, dirfd, path, flags) {
            return made;
        }
    }
    let result = ctx.sys(libc::SYS_openat2, [dirfd, path.host(), copy.as_ptr() as u64, size, 0, 0])?;
    Ok(opened(ctx, result, flags))
}

/// open_by_handle_at(mountdirfd, handle, flags)
pub fn open_by_handle_at(ctx: &mut Ctx<'_>, [mount, handle, flags, ..]: [u64; 6]) -> SysResult {
    let flags = ctx.abi().open_flags(flags);
    ctx.sys(libc::SYS_open_by_handle_at, [mount, GuestAddr(handle).host(), flags, 0, 0, 0])
}

/// fanotify_init(flags, event_f_flags): the second are the open flags of the descriptors in events.
pub fn fanotify_init(ctx: &mut Ctx<'_>, [flags, event_flags, ..]: [u64; 6]) -> SysResult {
    let event_flags = ctx.abi().open_flags(event_flags);
    ctx.sys(libc::SYS_fanotify_init, [flags, event_flags, 0, 0, 0, 0])
}
