//! prctl: the host's where it is about the process, the guest's where it is about its CPU, its memory or its system calls.

use super::host;
use crate::ctx::{Ctx, SysResult};
use crate::topics::seccomp;
use crate::{Errno, GuestAddr};

const PR_SET_PDEATHSIG: i32 = 1;
const PR_GET_PDEATHSIG: i32 = 2;
const PR_GET_DUMPABLE: i32 = 3;
const PR_SET_DUMPABLE: i32 = 4;
const PR_GET_KEEPCAPS: i32 = 7;
const PR_SET_KEEPCAPS: i32 = 8;
const PR_GET_TIMING: i32 = 13;
const PR_SET_TIMING: i32 = 14;
const PR_SET_NAME: i32 = 15;
const PR_GET_NAME: i32 = 16;
const PR_GET_SECCOMP: i32 = 21;
const PR_SET_SECCOMP: i32 = 22;
const PR_CAPBSET_READ: i32 = 23;
const PR_CAPBSET_DROP: i32 = 24;
const PR_GET_SECUREBITS: i32 = 27;
const PR_SET_SECUREBITS: i32 = 28;
const PR_SET_TIMERSLACK: i32 = 29;
const PR_GET_TIMERSLACK: i32 = 30;
const PR_TASK_PERF_EVENTS_DISABLE: i32 = 31;
const PR_TASK_PERF_EVENTS_ENABLE: i32 = 32;
const PR_MCE_KILL: i32 = 33;
const PR_MCE_KILL_GET: i32 = 34;
const PR_SET_MM: i32 = 35;
const PR_SET_CHILD_SUBREAPER: i32 = 36;
const PR_GET_CHILD_SUBREAPER: i32 = 37;
const PR_SET_NO_NEW_PRIVS: i32 = 38;
const PR_GET_NO_NEW_PRIVS: i32 = 39;
const PR_GET_TID_ADDRESS: i32 = 40;
const PR_SET_THP_DISABLE: i32 = 41;
const PR_GET_THP_DISABLE: i32 = 42;
const PR_CAP_AMBIENT: i32 = 47;
const PR_GET_SPECULATION_CTRL: i32 = 52;
const PR_SET_SPECULATION_CTRL: i32 = 53;
const PR_SET_IO_FLUSHER: i32 = 57;
const PR_GET_IO_FLUSHER: i32 = 58;
const PR_SCHED_CORE: i32 = 62;
const PR_SET_MDWE: i32 = 65;
const PR_GET_MDWE: i32 = 66;
const PR_SET_MEMORY_MERGE: i32 = 67;
const PR_GET_MEMORY_MERGE: i32 = 68;
const PR_GET_AUXV: i32 = 0x4155_5856;
const PR_SET_VMA: i32 = 0x5356_4d41;
const PR_SET_PTRACER: i32 = 0x5961_6d61;

/// Options of PR_SET_MM that any process may use.
const PR_SET_MM_MAP: u64 = 14;
const PR_SET_MM_MAP_SIZE: u64 = 15;
const PR_MDWE_REFUSE_EXEC_GAIN: u64 = 1;
const PR_MDWE_NO_INHERIT: u64 = 2;

/// prctl(option, arg2, arg3, arg4, arg5).
///
/// Refused: what switches features of another CPU or of one that the guest doesn't have, syscall user dispatch, and what the
/// kernel in turn refuses an ordinary process (PR_SET_MM).
pub fn prctl(ctx: &mut Ctx<'_>, args: [u64; 6]) -> SysResult {
    let [option, a2, a3, a4, a5, _] = args;
    let pass = |a: [u64; 4]| Ok(host(libc::SYS_prctl, [option, a[0], a[1], a[2], a[3], 0])?);
    let at = GuestAddr(a2);
    match option as i32 {
        PR_GET_PDEATHSIG | PR_SET_NAME | PR_GET_NAME | PR_GET_CHILD_SUBREAPER => pass([at.host(), a3, a4, a5]),
        PR_SET_VMA => pass([a2, GuestAddr(a3).host(), a4, GuestAddr(a5).host()]),
        PR_SCHED_CORE => pass([a2, a3, a4, GuestAddr(a5).host()]),
        PR_SET_DUMPABLE | PR_CAPBSET_DROP | PR_SET_SECUREBITS | PR_SET_NO_NEW_PRIVS => {
            ctx.machine.leave_family(ctx.thread);
            pass([a2, a3, a4, a5])
        }
        PR_SET_PDEATHSIG
        | PR_GET_DUMPABLE
        | PR_GET_KEEPCAPS
        | PR_SET_KEEPCAPS
        | PR_GET_TIMING
        | PR_SET_TIMING
        | PR_CAPBSET_READ
        | PR_GET_SECUREBITS
        | PR_SET_TIMERSLACK
        | PR_GET_TIMERSLACK
        | PR_TASK_PERF_EVENTS_DISABLE
        | PR_TASK_PERF_EVENTS_ENABLE
        | PR_MCE_KILL
        | PR_MCE_KILL_GET
        | PR_SET_CHILD_SUBREAPER
        | PR_GET_NO_NEW_PRIVS
        | PR_SET_THP_DISABLE
        | PR_GET_THP_DISABLE
        | PR_CAP_AMBIENT
        | PR_GET_SPECULATION_CTRL
        | PR_SET_SPECULATION_CTRL
        | PR_SET_IO_FLUSHER
        | PR_GET_IO_FLUSHER
        | PR_SET_MEMORY_MERGE
        | PR_GET_MEMORY_MERGE
        | PR_SET_PTRACER => pass([a2, a3, a4, a5]),
        PR_SET_MM if matches!(a2, PR_SET_MM_MAP | PR_SET_MM_MAP_SIZE) => Err(Errno::EINVAL.into()),
        PR_SET_MM => Err(Errno::EPERM.into()),
        PR_GET_SECCOMP => match ctx.thread.seccomp.shown() {
            Some((mode, _)) => Ok(u64::from(mode)),
            None => pass([a2, a3, a4, a5]),
        },
        PR_SET_SECCOMP => seccomp::prctl_set(ctx, a2, a3),
        PR_GET_TID_ADDRESS => at.write(ctx.thread.clear_child_tid).map(|()| 0).map_err(Into::into),
        PR_SET_MDWE => set_mdwe(ctx, a2, a3 | a4 | a5),
        PR_GET_MDWE if a2 | a3 | a4 | a5 == 0 => Ok(u64::from(ctx.thread.mem.mdwe())),
        PR_GET_AUXV if a4 | a5 == 0 => get_auxv(ctx, at, a3),
        _ => (ctx.abi().prctl)(ctx, args).unwrap_or(Err(Errno::EINVAL.into())),
    }
}

/// Memory-deny-write-execute, on the guest's mappings: the kernel's would stop the translator.
fn set_mdwe(ctx: &Ctx<'_>, bits: u64, rest: u64) -> SysResult {
    if rest != 0 || bits & !(PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT) != 0 || bits == PR_MDWE_NO_INHERIT {
        return Err(Errno::EINVAL.into());
    }
    let now = u64::from(ctx.thread.mem.mdwe());
    if now != 0 && now != bits {
        return Err(Errno::EPERM.into());
    }
    ctx.thread.mem.set_mdwe(bits as u8);
    Ok(0)
}

/// The auxiliary vector: its size, of which as much as fits is written. The kernel's copy is as long as it can ever be.
fn get_auxv(ctx: &Ctx<'_>, at: GuestAddr, len: u64) -> SysResult {
    let bytes = super::super::procfs::auxv(&ctx.thread.process);
    at.write_bytes(&bytes[..bytes.len().min(len as usize)])?;
    Ok(bytes.len() as u64)
}
