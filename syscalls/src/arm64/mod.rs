//! Linux for arm64: its numbers and its layouts.

mod cpu;
mod layouts;
pub mod numbers;
mod signal;

use crate::abi::{Abi, Arch, CloneOrder, EpollEvent, Memory, OpenFlags, Registers};
use crate::table::Table;

static TABLE: Table = Table::new(numbers::ROWS);

const PROT_SEM: u64 = 8;
const PROT_BTI: u64 = 0x10;

/// Linux for arm64.
pub static ABI: Abi = Abi {
    arch: Arch::Arm64,
    machine: "aarch64",
    linux32: None,
    table: &TABLE,
    registers: Registers {
        number: 8,
        args: [0, 1, 2, 3, 4, 5],
        result: 0,
        call_bytes: 4,
        clone: CloneOrder { tls: 3, child_tid: 4 },
    },
    tag: 0xff << 56,
    // 48 bits.
    memory: Memory {
        task_size: 1 << 48,
        default_top: 1 << 47,
        prot: PROT_SEM | PROT_BTI,
        map_range: 0,
        // PKEY_DISABLE_ACCESS, _WRITE, _EXECUTE, _READ.
        pkey_rights: 0xf,
    },
    open: OpenFlags { directory: 0o40000, nofollow: 0o100000, direct: 0o200000, largefile: 0o400000 },
    write_stat: layouts::write_stat,
    epoll_event: EpollEvent { size: 16, data: 8 },
    read_semaphores: layouts::read_semaphores,
    write_semaphores: layouts::write_semaphores,
    frame: signal::ABI,
    audit_arch: 0xc000_00b7,
    strict: [numbers::nr::read as u64, numbers::nr::write as u64, numbers::nr::exit as u64, numbers::nr::rt_sigreturn as u64],
    maps_end: "",
    cpuinfo: cpu::cpuinfo,
    prctl: cpu::prctl,
};
