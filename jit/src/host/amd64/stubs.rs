//! The code that all blocks share: entering, leaving, finding the target of an indirect branch, and calling helpers. Emitted once per code area.
//!
//! **Stacks.** `enter` saves the C ABI's callee-saved registers and notes rsp, a multiple of 16, in `Cpu::host_sp`. While translated code runs,
//! rsp is the *return stack*, memory of the thread's own with the return address that the host's `call` pushed for each guest call. A guest return has
//! its target in rax and executes `ret`, which the host predicts; where it gets to, behind a call, compares rax with the address that this call's
//! guest should return to. The stack is no more than a cache: if they differ, `ReturnMiss` looks for another entry, and then the target up.
//! All ways out end in `FaultExit`, which needs nothing but rbp.
//!
//! **Being asked to leave.** Translated code doesn't poll. `Engine::interrupt` cuts the links of the block that runs, empties the tables, and lets
//! the top entries of the return stack lead to `RetPending`; within the stubs below it goes by the pc. So these must be
//! restartable: from `ReturnMiss` to `LookupLeave`, rax holds the target and nothing has happened yet.

use super::asm::{cc, enc, r, state, Addr, Alu, Asm, Near, Rm};
use super::regs::home_addr;
use super::Features;
use crate::code::trace::heat_entry;
use crate::cpu::{Cpu, ExitKind, JUMP_CACHE_ENTRIES, JUMP_CACHE_SHIFT};
use crate::host::{Emitted, Link, Pins, Reloc, NO_BRANCH};
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
    /// Jumped to, guest pc in rax: find it in the second table, or leave with `ExitKind::Lookup`.
    Lookup = 4,
    /// Jumped to, guest pc in rax: leave with `ExitKind::Pending`.
    Pending = 5,
    /// Jumped to after the trap's fields and pc are set: leave with `ExitKind::Trap`.
    Trap = 6,
    /// Called with the record's address in rax: run the helper; keeps every register but rax and EFLAGS.
    Eval = 7,
    /// Behind the end of `Eval`.
    EvalEnd = 8,
    /// In `Enter`: the last look at `pending`.
    EnterCheck = 9,
    /// Behind the jump from `Enter` to a block.
    EnterEnd = 10,
    /// Jumped to, target in rax, where a return got to that doesn't belong there.
    ReturnMiss = 11,
    /// Jumped to, target in rax: leave with `ExitKind::Lookup`.
    LookupLeave = 12,
    /// Returned to, target in rax, by an entry of the return stack that was changed so: leave with `ExitKind::Pending`.
    RetPending = 13,
    /// Returned to, target in rax, by the entries at the base of the return stack.
    RetEmpty = 14,
}

/// Number of common stubs.
pub const STUBS: usize = 15;

/// General registers that a C function may change and translated code uses.
const VOLATILE: [u8; 8] = [r::CX, r::DX, r::SI, r::DI, 8, 9, 10, 11];
const SAVED: [u8; 6] = [r::BX, r::BP, 12, 13, 14, 15];

/// Emit the stubs into `out` (cleared first); with `count`, misses are counted. Returns their offsets.
pub fn emit_stubs(pins: &Pins, features: &Features, count: bool, out: &mut Emitted) -> [u32; STUBS] {
    let mut at = [0; STUBS];
    out.clear();
    let mut asm = Asm::default();
    asm.begin(std::mem::take(&mut out.code), features.avx);
    let a = &mut asm;
    let abort = enter(a, pins, &mut at);
    a_align(a);
    return_miss(a, count, &mut at);
    // The exits with a reason fall into one another's tail.
    let mut leaves = Vec::new();
    for (stub, kind) in [
        (Stub::LookupLeave, ExitKind::Lookup),
        (Stub::Link, ExitKind::Link),
        (Stub::RetPending, ExitKind::Pending),
        (Stub::Pending, ExitKind::Pending),
        (Stub::Trap, ExitKind::Trap),
    ] {
        at[stub as usize] = a.pos();
        match stub {
            Stub::Link => {
                pop(a, r::AX);
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
    // The pinned registers are as they were loaded.
    a.bind_near(abort);
    a.store_imm(2, state!(exit_kind), ExitKind::Pending as i32);
    a.jmp_back(at[Stub::FaultExit as usize]);
    a_align(a);
    at[Stub::Eval as usize] = a.pos();
    eval(a, if features.avx512 { 32 } else { 16 }, out);
    at[Stub::EvalEnd as usize] = a.pos();
    out.code = std::mem::take(&mut asm.code);
    at
}

/// `cmp rax, imm32` and `cmp rax, [rip + disp32]` up to there.
pub const CMP_RAX_IMM: [u8; 2] = [0x48, 0x3d];
/// See [`CMP_RAX_IMM`].
pub const CMP_RAX_MEM: [u8; 3] = [0x48, 0x3b, 0x05];

/// A part of the entry at rdx + (rcx << `scale`).
fn entry(scale: u8, disp: i32) -> Addr {
    Addr { base: r::DX, index: r::CX, scale, disp }
}

/// Scales of the indices of both tables.
pub const FIRST: u8 = 4 - JUMP_CACHE_SHIFT;
const SECOND: u8 = 2;

/// The target in rax of an indirect branch looked up in the thread's first table: leaves its entry's address as rdx and rcx (scale [`FIRST`]), and equal
/// condition flags if it is there.
pub fn first_table(a: &mut Asm) {
    a.mov_rr(false, r::CX, r::AX);
    a.alu_imm(Alu::And, false, r::CX, (JUMP_CACHE_ENTRIES as i32 - 1) << JUMP_CACHE_SHIFT);
    a.mov(true, r::DX, state!(jump_cache));
    a.op(enc(0, 0, 0x39), true, r::AX, entry(FIRST, 0).into(), 0, false);
}

/// Jump (4) or call (2) by the entry that was found.
pub fn by_entry(a: &mut Asm, op: u8, scale: u8) {
    a.op(enc(0, 0, 0xff), false, op, entry(scale, 8).into(), 0, false);
}

/// The entries that a return which doesn't match looks at.
const DEEPER: i32 = 3;

/// A return that doesn't match: frames may have been skipped (longjmp, exceptions), or the stack is another. Then the tables, both.
/// What an entry of the return stack is for stands in the comparison that it leads to: see `Emitter::after_call`.
fn return_miss(a: &mut Asm, count: bool, at: &mut [u32; STUBS]) {
    at[Stub::ReturnMiss as usize] = a.pos();
    if count {
        increment(a, state!(table_misses));
    }
    let mut hits = Vec::new();
    for n in 0..DEEPER {
        a.mov(true, r::CX, Addr::base(r::SP, 8 * n));
        // cmp word [rcx], …
        a.bytes(&[0x66, 0x81, 0x39]);
        a.bytes(&CMP_RAX_IMM);
        let small = a.jcc_short(cc::E);
        a.bytes(&[0x66, 0x81, 0x39]);
        a.bytes(&CMP_RAX_MEM[..2]);
        let other = a.jcc_short(cc::NE);
        a.movsx(2, true, r::DX, Addr::base(r::CX, 3));
        a.op(enc(0, 0, 0x39), true, r::AX, Addr { base: r::CX, index: r::DX, scale: 0, disp: 7 }.into(), 0, false);
        hits.push((n, a.jcc_near(cc::E)));
        a.bind(small);
        // (After the other form this compares nonsense, which can't do harm: who is returned to looks again.)
        a.movsx(2, true, r::DX, Addr::base(r::CX, 2));
        a.op(enc(0, 0, 0x39), true, r::AX, Rm::R(r::DX), 0, false);
        hits.push((n, a.jcc_near(cc::E)));
        a.bind(other);
    }
    let tables = a.jmp_near();
    for (n, hit) in hits {
        a.bind_near(hit);
        a.lea(true, r::SP, Addr::base(r::SP, 8 * n));
        a.u8(0xc3);
    }
    at[Stub::RetEmpty as usize] = a.pos();
    a.mov(true, r::SP, state!(ret_base));
    a.bind_near(tables);
    first_table(a);
    let miss = a.jcc_near(cc::NE);
    by_entry(a, 4, FIRST);
    a.bind_near(miss);
    at[Stub::Lookup as usize] = a.pos();
    if count {
        increment(a, state!(table_misses).plus(8));
    }
    // See `cpu::second_index`.
    a.mov_rr(true, r::CX, r::AX);
    a.shift_imm(5, true, r::CX, 13);
    a.alu(Alu::Xor, false, r::CX, r::AX);
    a.alu(Alu::And, false, r::CX, state!(jump_mask2));
    a.mov(true, r::DX, state!(jump_cache2));
    a.op(enc(0, 0, 0x39), true, r::AX, entry(SECOND, 0).into(), 0, false);
    let miss = a.jcc_near(cc::NE);
    // The first table keeps what was noted last, however rarely that is used. Now and then the engine notes what is used now: only it can, with its lock held.
    a.alu_imm(Alu::Sub, false, state!(refill), 1);
    let refill = a.jcc_near(cc::S);
    by_entry(a, 4, SECOND);
    a.bind_near(miss);
    a.bind_near(refill);
}

fn increment(a: &mut Asm, m: Addr) {
    a.op(enc(0, 0, 0xff), true, 0, m.into(), 0, false);
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

fn enter(a: &mut Asm, pins: &Pins, at: &mut [u32; STUBS]) -> Near {
    at[Stub::Enter as usize] = a.pos();
    for n in SAVED {
        push(a, n);
    }
    // Six pushes and the return address: 8 more for alignment.
    a.alu_imm(Alu::Sub, true, r::SP, 8);
    a.lea(true, r::BP, Addr::base(r::DI, Cpu::BIAS as i32));
    a.mov_rr(true, r::AX, r::SI);
    a.store(3, state!(host_sp), r::SP);
    a.store_imm(2, state!(inside), 1);
    mxcsr(a, 3, state!(host_fpctl));
    mxcsr(a, 2, state!(guest_fpctl));
    for &(g, h) in &pins.gprs {
        a.mov(true, h, home_addr(Home::Slot(g)));
    }
    for &(g, h) in &pins.vecs {
        a.vmov(h, home_addr(Home::Slot(g)));
    }
    a.mov(true, r::SP, state!(ret_sp));
    at[Stub::EnterCheck as usize] = a.pos();
    a.alu_imm(Alu::Cmp, false, state!(pending), 0);
    let abort = a.jcc_near(cc::NE);
    a.op(enc(0, 0, 0xff), false, 4, Rm::R(r::AX), 0, false);
    at[Stub::EnterEnd as usize] = a.pos();
    abort
}

fn fault_exit(a: &mut Asm) {
    a.store(3, state!(ret_sp), r::SP);
    mxcsr(a, 3, state!(guest_fpctl));
    mxcsr(a, 2, state!(host_fpctl));
    a.mov(true, r::SP, state!(host_sp));
    a.store_imm(2, state!(inside), 0);
    a.alu_imm(Alu::Add, true, r::SP, 8);
    // cld: a fault may have come from anywhere.
    a.u8(0xfc);
    for n in SAVED.into_iter().rev() {
        pop(a, n);
    }
    a.u8(0xc3);
}

fn eval(a: &mut Asm, vecs: u8, out: &mut Emitted) {
    // To the host's stack, a multiple of 16.
    a.store(3, state!(eval_sp), r::SP);
    a.mov(true, r::SP, state!(host_sp));
    for n in VOLATILE {
        push(a, n);
    }
    a.alu_imm(Alu::Sub, true, r::SP, vecs as i32 * 16);
    for n in 0..vecs {
        a.vstore(Addr::base(r::SP, n as i32 * 16), n);
    }
    a.lea(true, r::DI, Addr::base(r::BP, -(Cpu::BIAS as i32)));
    a.mov_rr(true, r::SI, r::AX);
    a.bytes(&[0x48, 0xb8]);
    out.relocs.push(Reloc::Helper { at: a.pos(), helper: 0 });
    a.bytes(&[0; 8]);
    a.op(enc(0, 0, 0xff), false, 2, Rm::R(r::AX), 0, false);
    for n in 0..vecs {
        a.vmov(n, Addr::base(r::SP, n as i32 * 16));
    }
    a.mov(true, r::SP, state!(eval_sp));
    a.mov(true, r::AX, state!(host_sp));
    for (n, reg) in VOLATILE.into_iter().enumerate() {
        a.mov(true, reg, Addr::base(r::AX, -8 * (n as i32 + 1)));
    }
    a.u8(0xc3);
}

/// A counter, as a block of its own: count up the thread's heat of `pc` and go on by a link to it; by the link's stub if it was often enough.
pub fn emit_counter(pc: u64, often: u32, out: &mut Emitted) {
    out.clear();
    let mut a = Asm::default();
    a.begin(std::mem::take(&mut out.code), false);
    a.alu_imm(Alu::Add, false, state!(heat).plus(heat_entry(pc) as i32 * 4), ((1u32 << 31) / often.max(2)).max(1) as i32);
    a.pad(2);
    let near = a.jcc_near(cc::NS);
    let stub = a.pos();
    a.u8(0xe8);
    out.relocs.push(Reloc::Stub { at: a.pos(), stub: Stub::Link as u8 });
    a.u32(0);
    let site = a.pos();
    a.u32(0);
    a.patch(near, stub);
    out.links.push(Link { at: near.0, stub, site, target: pc, direct: false, short: NO_BRANCH });
    out.code = a.code;
}
