//! System V and POSIX message queues, semaphores, shared memory.

use crate::arm64::abi::fs::open_flags;
use crate::arm64::abi::ipc::{Amd64SemidDs, SemidDs};
use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::host;
use crate::GuestAddr;

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
