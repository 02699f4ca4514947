//! The code that all blocks share: entering, leaving, and calling helpers. Emitted once per code area.
//!
//! **Frames.** `enter` saves the C ABI's callee-saved registers and leaves rsp at a multiple of 16, where it stays while translated
//! code runs; `Cpu::host_sp` remembers it. All ways out end in `FaultExit`, which needs nothing but rbp.

use super::asm::{enc, r, state, Addr, Alu, Asm, Rm};
use super::regs::home_addr;
use crate::cpu::{Cpu, ExitKind};
use crate::host::{Emitted, Pins, Reloc};
use crate::regalloc::Home;

/// Common stubs by number (`Reloc::Stub`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Stub {
    /// `extern "sysv64" fn(cpu: *mut Cpu, host: u64)`: run translated code at `host` until it leaves.
    Enter = 0,
    /// Jumped to: write the pinned registers back and return from `Enter`.
    Leave = 1,
    /// The fault handler resumes here (rbp intact, pinned registers already in their slots): return from `Enter`.
    FaultExit = 2,
    /// Called; the site word is at the return address: leave with `ExitKind::Link`.
    Link = 3,
    /// Jumped to, guest pc in rax: leave with `ExitKind::Lookup`.
    Lookup = 4,
    /// Jumped to, guest pc in rax: leave with `ExitKind::Pending`.
    Pending = 5,
    /// Jumped to after the trap's fields and pc are set: leave with `ExitKind::Trap`.
    Trap = 6,
    /// Called with the record's address in rax: run the helper; keeps every register but rax and EFLAGS.
    Eval = 7,
}

/// Number of common stubs.
pub const STUBS: usize = 8;

/// General registers that a C function may change and translated code uses.
const VOLATILE: [u8; 8] = [r::CX, r::DX, r::SI, r::DI, 8, 9, 10, 11];
const SAVED: [u8; 6] = [r::BX, r::BP, 12, 13, 14, 15];

/// Emit the stubs into `out` (cleared first). Returns their offsets.
pub fn emit_stubs(pins: &Pins, avx: bool, out: &mut Emitted) -> [u32; STUBS] {
    let mut at = [0; STUBS];
    out.clear();
    let mut asm = Asm::default();
    asm.begin(std::mem::take(&mut out.code), avx);
    let a = &mut asm;
    at[Stub::Enter as usize] = a.pos();
    enter(a, pins);
    a_align(a);
    // The exits with a reason fall into one another's tail.
    let mut leaves = Vec::new();
    for (stub, kind) in [
        (Stub::Link, ExitKind::Link),
        (Stub::Lookup, ExitKind::Lookup),
        (Stub::Pending, ExitKind::Pending),
        (Stub::Trap, ExitKind::Trap),
    ] {
        at[stub as usize] = a.pos();
        match stub {
            Stub::Link => {
                a.u8(0x58);
                a.store(3, state!(exit_arg), r::AX);
            }
            Stub::Trap => {}
            _ => a.store(3, state!(pc), r::AX),
        }
        a.store_imm(2, state!(exit_kind), kind as i32);
        leaves.push(a.jmp_near());
    }
    for l in leaves {
        a.bind_near(l);
    }
    at[Stub::Leave as usize] = a.pos();
    for &(g, h) in &pins.gprs {
        a.store(3, home_addr(Home::Slot(g)), h);
    }
    for &(g, h) in &pins.vecs {
        a.vstore(home_addr(Home::Slot(g)), h);
    }
    at[Stub::FaultExit as usize] = a.pos();
    fault_exit(a);
    a_align(a);
    at[Stub::Eval as usize] = a.pos();
    eval(a, out);
    out.code = std::mem::take(&mut asm.code);
    at
}

fn a_align(a: &mut Asm) {
    while a.pos() & 15 != 0 {
        a.u8(0xcc);
    }
}

fn push(a: &mut Asm, n: u8) {
    if n >= 8 {
        a.u8(0x41);
    }
    a.u8(0x50 | (n & 7));
}

fn pop(a: &mut Asm, n: u8) {
    if n >= 8 {
        a.u8(0x41);
    }
    a.u8(0x58 | (n & 7));
}

/// stmxcsr (3) or ldmxcsr (2).
fn mxcsr(a: &mut Asm, op: u8, m: Addr) {
    a.op(enc(0, 1, 0xae), false, op, m.into(), 0, false);
}

fn enter(a: &mut Asm, pins: &Pins) {
    for n in SAVED {
        push(a, n);
    }
    // Six pushes and the return address: 8 more for alignment.
    a.alu_imm(Alu::Sub, true, r::SP, 8);
    a.lea(true, r::BP, Addr::base(r::DI, Cpu::BIAS as i32));
    a.mov_rr(true, r::AX, r::SI);
    a.store(3, state!(host_sp), r::SP);
    mxcsr(a, 3, state!(host_fpctl));
    mxcsr(a, 2, state!(guest_fpctl));
    for &(g, h) in &pins.gprs {
        a.mov(true, h, home_addr(Home::Slot(g)));
    }
    for &(g, h) in &pins.vecs {
        a.vmov(h, home_addr(Home::Slot(g)));
    }
    a.op(enc(0, 0, 0xff), false, 4, Rm::R(r::AX), 0, false);
}

fn fault_exit(a: &mut Asm) {
    mxcsr(a, 3, state!(guest_fpctl));
    mxcsr(a, 2, state!(host_fpctl));
    a.mov(true, r::SP, state!(host_sp));
    a.alu_imm(Alu::Add, true, r::SP, 8);
    // cld: a fault may have come from anywhere.
    a.u8(0xfc);
    for n in SAVED.into_iter().rev() {
        pop(a, n);
    }
    a.u8(0xc3);
}

fn eval(a: &mut Asm, out: &mut Emitted) {
    for n in VOLATILE {
        push(a, n);
    }
    // The return address and 64 bytes of registers are on the stack: 256 + 8 make it a multiple of 16.
    a.alu_imm(Alu::Sub, true, r::SP, 264);
    for n in 0..16u8 {
        a.vstore(Addr::base(r::SP, n as i32 * 16), n);
    }
    a.lea(true, r::DI, Addr::base(r::BP, -(Cpu::BIAS as i32)));
    a.mov_rr(true, r::SI, r::AX);
    a.bytes(&[0x48, 0xb8]);
    out.relocs.push(Reloc::Helper { at: a.pos(), helper: 0 });
    a.bytes(&[0; 8]);
    a.op(enc(0, 0, 0xff), false, 2, Rm::R(r::AX), 0, false);
    for n in 0..16u8 {
        a.vmov(n, Addr::base(r::SP, n as i32 * 16));
    }
    a.alu_imm(Alu::Add, true, r::SP, 264);
    for n in VOLATILE.into_iter().rev() {
        pop(a, n);
    }
    a.u8(0xc3);
}
