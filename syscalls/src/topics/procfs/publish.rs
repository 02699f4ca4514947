//! Telling the kernel where the guest's arguments, environment and auxiliary vector are, so that other processes (ps) see the guest's.

use super::{auxv, host};
use crate::ctx::Process;
use std::ops::Range;

/// Where things of the guest's are in its memory, as load_elf_binary notes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The program's code.
    pub code: Range<u64>,
    /// Its initialised data.
    pub data: Range<u64>,
    /// The stack pointer at the start.
    pub stack: u64,
    /// Strings of the arguments.
    pub args: Range<u64>,
    /// Strings of the environment; they follow the arguments.
    pub env: Range<u64>,
}

const PR_SET_MM_MAP: u64 = 14;

/// `struct prctl_mm_map`.
#[repr(C)]
struct MmMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// Tell the kernel. True when it listened (kernels without CONFIG_CHECKPOINT_RESTORE and some seccomp profiles don't): then
/// cmdline, environ, auxv and stat of /proc/PID are the guest's to everybody, until the next exec. To be called once, at the start.
pub fn publish(process: &Process) -> bool {
    let areas = &process.areas;
    let vector = auxv(process);
    // The heap stays the runtime's own: its allocator may use brk. Only its end matters to that.
    let Ok(brk) = host(libc::SYS_brk, [0; 6]) else { return false };
    let map = MmMap {
        start_code: areas.code.start,
        end_code: areas.code.end,
        start_data: areas.data.start,
        end_data: areas.data.end,
        start_brk: brk,
        brk,
        start_stack: areas.stack,
        arg_start: areas.args.start,
        arg_end: areas.args.end,
        env_start: areas.env.start,
        env_end: areas.env.end,
        auxv: vector.as_ptr() as u64,
        auxv_size: vector.len() as u32,
        exe_fd: u32::MAX,
    };
    host(libc::SYS_prctl, [libc::PR_SET_MM as u64, PR_SET_MM_MAP, (&raw const map) as u64, size_of::<MmMap>() as u64, 0, 0])
        .is_ok()
}
