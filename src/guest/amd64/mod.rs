//! amd64.

mod debug;
mod fault;
mod features;
mod frames;
mod report;

use super::Guest;
use crate::elf::Arch;
use jit::code::Engine;
use jit::cpu::Cpu;
use jit::guest::amd64::{self, regs, state};
use syscalls::amd64::MIN_SIGSTKSZ;
use syscalls::{Context, X87};

/// amd64.
pub static GUEST: Guest = Guest {
    arch: Arch::Amd64,
    isa: &amd64::GUEST,
    linux: &syscalls::amd64::ABI,
    sp: RSP,
    tls: regs::FS.0 as usize,
    context,
    start: |pc, sp| Context { pc, sp, pstate: FLAGS_START, fpcr: regs::mxcsr::INIT, ..Context::default() },
    set_context,
    pie: PIE,
    limit: Some(1 << 47),
    minsigstksz: MIN_SIGSTKSZ,
    vdso: None,
    gate,
    features: features::of,
    feature_names: features::names,
    fault: fault::fault,
    report: report::REPORT,
    frames: frames::FRAMES,
    debug: debug::DEBUG,
};

/// In the encoding's order.
const NAMES: [&str; 16] =
    ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const RSP: usize = 4;
/// IF, and the bit that is always set.
const FLAGS_START: u64 = 0x202;
/// Two thirds of the addresses, as an amd64 kernel has it (`ELF_ET_DYN_BASE`).
const PIE: u64 = 0x5555_5555_4000;
/// Bits of RFLAGS.
const FLAGS: [(u32, &str); 11] = [
    (0, "CF"),
    (2, "PF"),
    (4, "AF"),
    (6, "ZF"),
    (7, "SF"),
    (8, "TF"),
    (10, "DF"),
    (11, "OF"),
    (14, "NT"),
    (18, "AC"),
    (21, "ID"),
];

/// The sixteen general registers in the encoding's order.
fn registers(c: &Context) -> [u64; 16] {
    let mut all = [0; 16];
    all.copy_from_slice(&c.x[..16]);
    all[RSP] = c.sp;
    all
}

fn set_registers(c: &mut Context, all: &[u64; 16]) {
    c.x[..16].copy_from_slice(all);
    (c.x[RSP], c.sp) = (0, all[RSP]);
}

/// The vsyscall page, which programs older than the vDSO call: three calls, as a kernel that emulates them has them.
const GATE: std::ops::Range<u64> = 0xffff_ffff_ff60_0000..0xffff_ffff_ff60_1000;

fn in_gate(pc: u64) -> bool {
    GATE.contains(&pc)
}

fn gate(pc: u64) -> Option<u64> {
    use syscalls::amd64::numbers::nr;
    match pc.wrapping_sub(GATE.start) {
        0x000 => Some(nr::gettimeofday as u64),
        0x400 => Some(nr::time as u64),
        0x800 => Some(nr::getcpu as u64),
        _ => None,
    }
}

fn context(cpu: &Cpu, engine: &Engine) -> Context {
    let mut x = [0; 31];
    x[..16].copy_from_slice(&cpu.gpr[..16]);
    x[RSP] = 0;
    let area = &cpu.area;
    let status = area[state::FSW] as u16;
    // Memory has them from the top of the stack on.
    let st = |n: usize| {
        let at = state::X87 + 2 * ((n + usize::from(status >> 11 & 7)) % 8);
        u128::from(area[at]) | u128::from(area[at + 1] as u16) << 64
    };
    Context {
        x,
        sp: cpu.gpr[RSP],
        pc: cpu.pc,
        pstate: state::eflags(cpu, engine.nzcv(cpu)),
        v: cpu.vec,
        fpsr: 0,
        fpcr: cpu.fpcr | engine.fpsr(cpu),
        tls: cpu.gpr[regs::FS.0 as usize],
        gs: cpu.gpr[regs::GS.0 as usize],
        x87: X87 {
            control: area[state::FCW] as u16,
            status,
            tags: area[state::FTW] as u8,
            opcode: area[state::FOP] as u16,
            ip: area[state::FIP],
            dp: area[state::FDP],
            st: std::array::from_fn(st),
        },
    }
}

fn set_context(cpu: &mut Cpu, engine: &Engine, c: &Context) {
    cpu.gpr[..16].copy_from_slice(&registers(c));
    (cpu.gpr[regs::FS.0 as usize], cpu.gpr[regs::GS.0 as usize]) = (c.tls, c.gs);
    cpu.pc = c.pc;
    cpu.vec = c.v;
    let nzcv = state::set_eflags(cpu, c.pstate);
    engine.set_nzcv(cpu, nzcv);
    let area = &mut cpu.area;
    for (n, st) in c.x87.st.iter().enumerate() {
        let at = state::X87 + 2 * ((n + usize::from(c.x87.status >> 11 & 7)) % 8);
        (area[at], area[at + 1]) = (*st as u64, (st >> 64) as u64 & 0xffff);
    }
    area[state::FCW] = c.x87.control.into();
    area[state::FSW] = c.x87.status.into();
    area[state::FTW] = c.x87.tags.into();
    area[state::FOP] = c.x87.opcode.into();
    (area[state::FIP], area[state::FDP]) = (c.x87.ip, c.x87.dp);
    engine.set_fpsr(cpu, c.fpcr & regs::mxcsr::STATUS);
    if (cpu.fpcr ^ c.fpcr) & regs::mxcsr::CONTROL != 0 {
        engine.set_fpcr(cpu, c.fpcr);
    }
}
