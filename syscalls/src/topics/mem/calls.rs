//! The handlers: from arguments to [`super::Space`], and what changed to the machine.

use super::{host, Object, Space, Stale};
use crate::ctx::{Ctx, Machine, SysResult};
use crate::ptr::GuestAddr;
use crate::Errno;

/// Work on the caller's space, then void the translations that the change made stale (also when it failed halfway).
fn change(ctx: &mut Ctx<'_>, f: impl FnOnce(&Space, &mut Stale) -> Result<u64, Errno>) -> SysResult {
    let mut stale = Stale::default();
    let result = f(&ctx.thread.mem, &mut stale);
    if let Some(range) = stale.0 {
        ctx.thread.mem.unwatch_range(range.clone());
        ctx.machine.invalidate(range.start, range.end - range.start);
    }
    Ok(result?)
}

/// Memory could not be written, and pages are watched: all of it can be from here on.
pub fn unwatch_all(space: &Space, machine: &dyn Machine) {
    for range in space.unwatch_range(0..u64::MAX) {
        machine.invalidate(range.start, range.end - range.start);
    }
}

/// The contents of a file were replaced or cut off: code that is mapped from it has to be fetched again.
pub fn file_changed(ctx: &mut Ctx<'_>, file: Option<Object>) {
    for range in file.map(|file| ctx.thread.mem.code_of(file)).unwrap_or_default() {
        ctx.machine.invalidate(range.start, range.end - range.start);
    }
}

/// mmap.
pub fn mmap(ctx: &mut Ctx<'_>, [addr, len, prot, flags, fd, off]: [u64; 6]) -> SysResult {
    let kind = flags as i32 & libc::MAP_TYPE;
    if [libc::MAP_SHARED, libc::MAP_SHARED_VALIDATE].contains(&kind) && (flags as i32 & libc::MAP_ANONYMOUS != 0 || writable(fd))
    {
        ctx.machine.share_memory();
    }
    change(ctx, |m, stale| m.mmap(addr, len, prot, flags, fd, off, stale))
}

/// Whether a shared mapping of this file may be written. (Of others, like the tables of glibc's locales that nearly every program maps, it is taken that
/// nobody writes them by pairs of registers while they are read so.)
fn writable(fd: u64) -> bool {
    // SAFETY: asks for the descriptor's flags.
    let flags = unsafe { libc::fcntl(fd as i32, libc::F_GETFL) };
    flags < 0 || flags & libc::O_ACCMODE != libc::O_RDONLY
}

/// munmap.
pub fn munmap(ctx: &mut Ctx<'_>, [addr, len, ..]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| m.munmap(addr, len, stale))
}

/// mprotect.
pub fn mprotect(ctx: &mut Ctx<'_>, [addr, len, prot, ..]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| m.mprotect(addr, len, prot, stale))
}

/// mremap.
pub fn mremap(ctx: &mut Ctx<'_>, [addr, old_len, new_len, flags, new_addr, _]: [u64; 6]) -> SysResult {
    // What is moved keeps the host's protection.
    let from = GuestAddr(addr).host();
    ctx.thread.mem.unwatch_range(from..from.saturating_add(old_len));
    change(ctx, |m, stale| m.mremap(addr, old_len, new_len, flags, new_addr, stale))
}

/// shmat. SHMLBA is a page (arm64's 16 KiB are for 32-bit programs). A tagged address is not one.
pub fn shmat(ctx: &mut Ctx<'_>, [id, addr, flags, ..]: [u64; 6]) -> SysResult {
    ctx.machine.share_memory();
    change(ctx, |m, stale| m.shmat(id, addr, flags, stale))
}

/// shmdt.
pub fn shmdt(ctx: &mut Ctx<'_>, [addr, ..]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| m.shmdt(addr, stale))
}

/// brk.
pub fn brk(ctx: &mut Ctx<'_>, [want, ..]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| Ok(m.brk(want, stale)))
}

/// madvise.
pub fn madvise(ctx: &mut Ctx<'_>, [addr, len, advice, ..]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| m.madvise(addr, len, advice, stale))
}

/// remap_file_pages.
pub fn remap_file_pages(ctx: &mut Ctx<'_>, [addr, len, prot, pgoff, flags, _]: [u64; 6]) -> SysResult {
    change(ctx, |m, stale| m.remap_file_pages(addr, len, prot, pgoff, flags, stale))
}

/// msync.
pub fn msync(ctx: &mut Ctx<'_>, [addr, len, flags, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.msync(addr, len, flags)?)
}

/// mincore.
pub fn mincore(ctx: &mut Ctx<'_>, [addr, len, vec, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.mincore(addr, len, vec)?)
}

/// mlock.
pub fn mlock(ctx: &mut Ctx<'_>, [addr, len, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.mlock(addr, len, 0)?)
}

/// mlock2.
pub fn mlock2(ctx: &mut Ctx<'_>, [addr, len, flags, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.mlock(addr, len, flags)?)
}

/// munlock.
pub fn munlock(ctx: &mut Ctx<'_>, [addr, len, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.munlock(addr, len)?)
}

/// mlockall.
pub fn mlockall(ctx: &mut Ctx<'_>, [flags, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.mlockall(flags)?)
}

/// munlockall.
pub fn munlockall(ctx: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.munlockall()?)
}

/// mseal.
pub fn mseal(ctx: &mut Ctx<'_>, [addr, len, flags, ..]: [u64; 6]) -> SysResult {
    Ok(ctx.thread.mem.mseal(addr, len, flags)?)
}

/// pkey_mprotect: on a CPU without protection keys there is only key 0.
pub fn pkey_mprotect(ctx: &mut Ctx<'_>, [addr, len, prot, key, ..]: [u64; 6]) -> SysResult {
    match key as i32 {
        -1 | 0 => change(ctx, |m, stale| m.mprotect(addr, len, prot, stale)),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// pkey_alloc: none to give.
pub fn pkey_alloc(ctx: &mut Ctx<'_>, [flags, rights, ..]: [u64; 6]) -> SysResult {
    match flags == 0 && rights & !ctx.abi().memory.pkey_rights == 0 {
        true => Err(Errno::ENOSPC.into()),
        false => Err(Errno::EINVAL.into()),
    }
}

/// process_vm_readv, process_vm_writev: the local vector's pointers may be tagged.
fn process_vm(nr: i64, args: [u64; 6]) -> SysResult {
    let [pid, local, n, remote, m, flags] = args;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (local, remote) = (GuestAddr(local).host(), GuestAddr(remote).host());
    let mut vector = [[0u64; 2]; 16];
    if n as usize <= vector.len() {
        for (i, v) in vector.iter_mut().take(n as usize).enumerate() {
            let [base, len] = GuestAddr(local).add(16 * i as u64).read::<[u64; 2]>()?;
            *v = [GuestAddr(base).host(), len];
        }
        return Ok(host(nr, [pid, vector.as_ptr() as u64, n, remote, m, flags])?);
    }
    Ok(host(nr, [pid, local, n, remote, m, flags])?)
}

/// process_vm_readv.
pub fn process_vm_readv(_: &mut Ctx<'_>, args: [u64; 6]) -> SysResult {
    process_vm(libc::SYS_process_vm_readv, args)
}

/// process_vm_writev.
pub fn process_vm_writev(_: &mut Ctx<'_>, args: [u64; 6]) -> SysResult {
    process_vm(libc::SYS_process_vm_writev, args)
}
