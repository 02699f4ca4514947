//! arm64.

mod debug;
mod fault;
mod features;
mod frames;
mod report;
mod vdso;

use super::Guest;
use crate::elf::Arch;
use jit::code::Engine;
use jit::cpu::Cpu;
use jit::guest::arm64;
use syscalls::Context;

/// What an arm64 kernel without SVE needs at most for a signal frame.
const MINSIGSTKSZ: u64 = 4720;

/// Two thirds of the address space, as the kernel has it, so that what programs take for free elsewhere is free (AddressSanitizer's allocator wants
/// 4 TB from 0x5000_0000_0000). Above this program's own heap (at most 1 GB behind 0x5555_5555_4000, randomized), and far from the mmap area, so that
/// both brks have room to grow.
const PIE: u64 = 0x5557_0000_0000;

/// Slots of the register file (see `jit::guest::arm64::regs`).
const SP: usize = 31;
const TPIDR: usize = 32;

/// arm64.
pub static GUEST: Guest = Guest {
    arch: Arch::Arm64,
    isa: &arm64::GUEST,
    linux: &syscalls::arm64::ABI,
    sp: SP,
    tls: TPIDR,
    context,
    start: |pc, sp| Context { pc, sp, ..Context::default() },
    set_context,
    pie: PIE,
    limit: None,
    gate: |_| None,
    minsigstksz: MINSIGSTKSZ,
    vdso: Some(vdso::VDSO),
    features: features::of,
    feature_names: features::names,
    fault: fault::fault,
    report: report::REPORT,
    frames: frames::FRAMES,
    debug: debug::DEBUG,
};

fn context(cpu: &Cpu, engine: &Engine) -> Context {
    let mut x = [0; 31];
    x.copy_from_slice(&cpu.gpr[..31]);
    Context {
        x,
        sp: cpu.gpr[SP],
        pc: cpu.pc,
        pstate: u64::from(engine.nzcv(cpu)) << 28,
        v: cpu.vec,
        fpsr: engine.fpsr(cpu),
        fpcr: cpu.fpcr,
        tls: cpu.gpr[TPIDR],
        ..Context::default()
    }
}

fn set_context(cpu: &mut Cpu, engine: &Engine, c: &Context) {
    cpu.gpr[..31].copy_from_slice(&c.x);
    cpu.gpr[SP] = c.sp;
    cpu.gpr[TPIDR] = c.tls;
    cpu.pc = c.pc;
    cpu.vec = c.v;
    // An exception return opens the exclusive monitor.
    cpu.excl_size = 0;
    engine.set_nzcv(cpu, (c.pstate >> 28 & 15) as u8);
    engine.set_fpsr(cpu, c.fpsr);
    if cpu.fpcr != c.fpcr {
        engine.set_fpcr(cpu, c.fpcr);
    }
}
