//! System V and POSIX message queues, semaphores, shared memory.

use crate::ctx::{Ctx, SysResult};
use crate::host::ABI as HOST;
use crate::topics::fs::host;
use crate::GuestAddr;

/// semctl's commands beyond the C library's common ones.
const SEM_STAT: i32 = 18;
const SEM_STAT_ANY: i32 = 20;
/// Words of the largest `struct semid64_ds`.
const DS_WORDS: usize = 13;

/// mq_open(name, flags, mode, attr)
pub fn mq_open(ctx: &mut Ctx<'_>, [name, flags, mode, attr, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_mq_open, [GuestAddr(name).host(), ctx.abi().open_flags(flags), mode, GuestAddr(attr).host(), 0, 0])
}

/// semctl(id, number, command, argument): the argument is a number or one of several pointers.
pub fn semctl(ctx: &mut Ctx<'_>, [id, num, cmd, arg, ..]: [u64; 6]) -> SysResult {
    let call = |arg: u64| host(libc::SYS_semctl, [id, num, cmd, arg, 0, 0]);
    let at = GuestAddr(arg);
    match cmd as i32 {
        libc::IPC_STAT | SEM_STAT | SEM_STAT_ANY => {
            let mut ds = [0u64; DS_WORDS];
            let r = call(&raw mut ds as u64)?;
            let ds = (HOST.read_semaphores)(GuestAddr(&raw const ds as u64))?;
            (ctx.abi().write_semaphores)(at, &ds)?;
            Ok(r)
        }
        libc::IPC_SET => {
            let mut ds = [0u64; DS_WORDS];
            (HOST.write_semaphores)(GuestAddr(&raw mut ds as u64), &(ctx.abi().read_semaphores)(at)?)?;
            call(&raw const ds as u64)
        }
        libc::GETALL | libc::SETALL | libc::IPC_INFO | libc::SEM_INFO => call(at.host()),
        _ => call(arg),
    }
}
