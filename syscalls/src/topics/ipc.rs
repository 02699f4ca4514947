//! System V and POSIX message queues, semaphores, shared memory.

use crate::arm64::abi::fs::open_flags;
use crate::arm64::abi::ipc::{Amd64SemidDs, SemidDs};
use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::host;
use crate::GuestAddr;
use std::mem::MaybeUninit;

const PAGE: u64 = 4096;

/// semctl's commands beyond the C library's common ones.
const SEM_STAT: i32 = 18;
const SEM_STAT_ANY: i32 = 20;

/// mq_open(name, flags, mode, attr)
pub fn mq_open(_: &mut Ctx<'_>, [name, flags, mode, attr, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_mq_open, [GuestAddr(name).host(), open_flags(flags), mode, GuestAddr(attr).host(), 0, 0])
}

/// semctl(id, number, command, argument): the argument is a number or one of several pointers.
pub fn semctl(_: &mut Ctx<'_>, [id, num, cmd, arg, ..]: [u64; 6]) -> SysResult {
    let call = |arg: u64| host(libc::SYS_semctl, [id, num, cmd, arg, 0, 0]);
    let at = GuestAddr(arg);
    match cmd as i32 {
        libc::IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let mut ds = Amd64SemidDs::default();
            let r = call(&raw mut ds as u64)?;
            at.write(SemidDs::from(&ds))?;
            Ok(r)
        }
        libc::IPC_SET => {
            let ds = Amd64SemidDs::from(&at.read::<SemidDs>()?);
            call(&raw const ds as u64)
        }
        libc::GETALL | libc::SETALL | libc::IPC_INFO | libc::SEM_INFO => call(at.host()),
        _ => call(arg),
    }
}

/// shmat(id, address, flags). SHMLBA is a page on arm64, too (its 16 KiB are for 32-bit programs). A tagged address is not one.
pub fn shmat(ctx: &mut Ctx<'_>, [id, addr, flags, ..]: [u64; 6]) -> SysResult {
    let at = host(libc::SYS_shmat, [id, addr, flags, 0, 0, 0])?;
    let mut ds = MaybeUninit::<libc::shmid_ds>::uninit();
    // The segment lives at least as long as its attachment, and what can be attached can be looked at.
    if host(libc::SYS_shmctl, [id, libc::IPC_STAT as u64, ds.as_mut_ptr() as u64, 0, 0, 0]).is_ok() {
        // SAFETY: the kernel filled it, for the call succeeded.
        let len = (unsafe { ds.assume_init() }.shm_segsz as u64).next_multiple_of(PAGE);
        let flags = flags as i32;
        let data = libc::PROT_READ | if flags & libc::SHM_RDONLY == 0 { libc::PROT_WRITE } else { 0 };
        let exec = if flags & libc::SHM_EXEC != 0 { libc::PROT_EXEC } else { 0 };
        if exec != 0 {
            // The kernel has checked the permission; guest code is data to the host.
            host(libc::SYS_mprotect, [at, len, data as u64, 0, 0, 0])?;
        }
        ctx.machine.invalidate(at, len);
        ctx.thread.mem.note_shmat(at, len, data | exec);
    }
    Ok(at)
}

/// shmdt(address)
pub fn shmdt(ctx: &mut Ctx<'_>, [addr, ..]: [u64; 6]) -> SysResult {
    let r = host(libc::SYS_shmdt, [addr, 0, 0, 0, 0, 0])?;
    ctx.thread.mem.note_shmdt(addr);
    Ok(r)
}
