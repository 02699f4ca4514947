//! Linux for amd64: its numbers and its layouts.

pub(crate) mod cpu;
mod layouts;
pub mod numbers;
mod signal;
#[cfg(test)]
mod tests;

pub use cpu::CpuIdentity;
pub use signal::{syndrome, xsave, MIN_SIGSTKSZ, PAGE_FAULT};

use crate::abi::{Abi, Arch, CloneOrder, EpollEvent, Memory, OpenFlags, Registers, MAP_32BIT, MAP_ABOVE4G};
use crate::table::Table;

static TABLE: Table = Table::new(numbers::ROWS);

const PROT_SEM: u64 = 8;

/// Linux for amd64.
pub static ABI: Abi = Abi {
    arch: Arch::Amd64,
    machine: "x86_64",
    linux32: Some("i686"),
    table: &TABLE,
    registers: Registers {
        number: 0,
        // rdi, rsi, rdx, r10, r8, r9.
        args: [7, 6, 2, 10, 8, 9],
        result: 0,
        call_bytes: 2,
        clone: CloneOrder { tls: 4, child_tid: 3 },
    },
    tag: 0,
    // The last page below the hole is not for programs.
    memory: Memory {
        task_size: (1 << 47) - 4096,
        default_top: (1 << 47) - 4096,
        prot: PROT_SEM,
        map_range: MAP_32BIT | MAP_ABOVE4G,
        // PKEY_DISABLE_ACCESS, _WRITE.
        pkey_rights: 3,
    },
    open: OpenFlags { directory: 0o200000, nofollow: 0o400000, direct: 0o40000, largefile: 0o100000 },
    write_stat: layouts::write_stat,
    epoll_event: EpollEvent { size: 12, data: 4 },
    read_semaphores: layouts::read_semaphores,
    write_semaphores: layouts::write_semaphores,
    frame: signal::ABI,
    audit_arch: 0xc000_003e,
    strict: [numbers::nr::read as u64, numbers::nr::write as u64, numbers::nr::exit as u64, numbers::nr::rt_sigreturn as u64],
    maps_end: "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n",
    cpuinfo: cpu::cpuinfo,
    prctl: cpu::prctl,
};
