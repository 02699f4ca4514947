//! The code that all blocks share: entering, leaving, finding the target of an indirect branch, and calling helpers. Emitted once per code area.
//!
//! **Stacks.** `enter` saves the C ABI's callee-saved registers and notes sp in `Cpu::host_sp`. While translated code runs, sp is the
//! *return stack*, memory of the thread's own with a pair for each guest call: the host's return address, and above it the guest's. A guest return pops the
//! top pair, compares its target with the guest's address and executes `ret`, which the host predicts, because the call was a `bl`. The stack is no more than a
//! cache: a pair that doesn't match, or is lost, costs a lookup. All ways out end in `FaultExit`, which needs nothing but the state register.
//!
//! **Flags.** Between blocks the guest's flags are in NZCV: nothing here but `FaultExit` and the end of `Leave` may change them.
//!
//! **Being asked to leave.** Translated code doesn't poll. `Engine::interrupt` cuts the links of the block that runs, empties the tables, and lets
//! the top pairs of the return stack lead to `RetPending`; within the stubs below, and where a block has found its way out already, it goes by the pc.
//! So these must be restartable: from `ReturnMiss` to `LookupLeave`, x16 holds the target and nothing has happened yet.

use super::asm::{field, op, r, Addr, Asm, Near};
use super::regs::home_offset;
use crate::code::trace::heat_entry;
use crate::cpu::{ExitKind, JUMP_CACHE_ENTRIES, JUMP_CACHE_SHIFT};
use crate::host::{Emitted, Link, Pins, Reloc, NO_BRANCH};
use crate::regalloc::Home;

/// Common stubs by number (`Reloc::Stub`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Stub {
    /// `extern "C" fn(cpu: *mut Cpu, host: u64)`: run translated code at `host` until it leaves.
    Enter = 0,
    /// Jumped to: write the pinned registers and the flags back and return from `Enter`.
    Leave = 1,
    /// The fault handler resumes here (x28 intact, pinned registers and flags already in their slots): return from `Enter`.
    FaultExit = 2,
    /// Called; the site word is at the return address: leave with `ExitKind::Link`.
    Link = 3,
    /// Jumped to, guest pc in x16: find it in the second table, or leave with `ExitKind::Lookup`.
    Lookup = 4,
    /// A table: at 8 * n, jumped to with the guest pc in xn: leave with `ExitKind::Pending`.
    Pending = 5,
    /// Jumped to after the trap's fields and pc are set: leave with `ExitKind::Trap`.
    Trap = 6,
    /// Jumped to with the record's address in x16 and the way back on the return stack: run the helper; keeps every register but x16, x17,
    /// x30, and keeps NZCV.
    Eval = 7,
    /// Behind the end of `Eval`.
    EvalEnd = 8,
    /// In `Enter`: the last look at `pending`.
    EnterCheck = 9,
    /// Behind the jump from `Enter` to a block.
    EnterEnd = 10,
    /// Jumped to by a return that doesn't match the pair that it popped, target in x16.
    ReturnMiss = 11,
    /// Jumped to, target in x16: leave with `ExitKind::Lookup`.
    LookupLeave = 12,
    /// Returned to by a pair of the return stack that was changed so: leave with `ExitKind::Pending`.
    RetPending = 13,
    /// Returned to by the pairs at the base of the return stack, whose guest address is 0.
    RetEmpty = 14,
}

/// Number of common stubs.
pub const STUBS: usize = 15;

/// Registers that a C function may change and translated code keeps something in, in pairs.
const VOLATILE: [(u8, u8); 8] = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15)];
/// Registers that a C function must keep, in pairs.
const SAVED: [(u8, u8); 6] = [(19, 20), (21, 22), (23, 24), (25, 26), (27, 28), (29, 30)];

/// Emit the stubs into `out` (cleared first); with `count`, misses are counted. Returns their offsets.
pub fn emit_stubs(pins: &Pins, count: bool, out: &mut Emitted) -> [u32; STUBS] {
    let mut at = [0; STUBS];
    out.clear();
    let mut asm = Asm::default();
    asm.begin(std::mem::take(&mut out.code));
    let a = &mut asm;
    let abort = enter(a, pins, &mut at);
    return_miss(a, count, &mut at);
    let leaves = reasons(a, &mut at);
    for l in leaves {
        a.bind(l);
    }
    at[Stub::Leave as usize] = a.pos();
    for &(g, h) in &pins.gprs {
        a.store_cpu(3, h, home_offset(Home::Slot(g)));
    }
    for &(g, h) in &pins.vecs {
        a.vstore_cpu(h, home_offset(Home::Slot(g)));
    }
    a.w(op::MRS_NZCV | r::S0 as u32);
    a.store_cpu(2, r::S0, field!(flags));
    at[Stub::FaultExit as usize] = a.pos();
    fault_exit(a);
    // The pinned registers are as they were loaded.
    a.bind(abort);
    exit_kind(a, ExitKind::Pending);
    let to = at[Stub::FaultExit as usize];
    a.back(op::B, to);
    at[Stub::Eval as usize] = a.pos();
    eval(a, out);
    at[Stub::EvalEnd as usize] = a.pos();
    out.code = std::mem::take(&mut asm.code);
    at
}

fn exit_kind(a: &mut Asm, kind: ExitKind) {
    a.mov_imm(r::S1, kind as u64);
    a.store_cpu(2, r::S1, field!(exit_kind));
}

/// The exits with a reason; their jumps to `Leave`.
fn reasons(a: &mut Asm, at: &mut [u32; STUBS]) -> Vec<Near> {
    let mut leaves = Vec::new();
    let mut pending = Vec::new();
    for (stub, kind) in [
        (Stub::LookupLeave, ExitKind::Lookup),
        (Stub::Link, ExitKind::Link),
        (Stub::RetEmpty, ExitKind::Lookup),
        (Stub::Pending, ExitKind::Pending),
        (Stub::RetPending, ExitKind::Pending),
        (Stub::Trap, ExitKind::Trap),
    ] {
        at[stub as usize] = a.pos();
        match stub {
            Stub::Link => a.store_cpu(3, r::LR, field!(exit_arg)),
            Stub::Trap => {}
            Stub::Pending => {
                for n in 0..32 {
                    a.mov(true, r::S0, n);
                    if n == r::S0 {
                        a.w(NOP);
                    }
                    pending.push(a.branch(op::B));
                }
                pending.drain(..).for_each(|p| a.bind(p));
                a.store_cpu(3, r::S0, field!(pc));
            }
            Stub::RetEmpty | Stub::RetPending => {
                // The pair's guest address, just popped: nothing writes below sp.
                a.mem(super::asm::Access::load(3), r::S0, Addr::Disp(r::SP, -8));
                a.store_cpu(3, r::S0, field!(pc));
            }
            _ => a.store_cpu(3, r::S0, field!(pc)),
        }
        exit_kind(a, kind);
        leaves.push(a.branch(op::B));
    }
    leaves
}

const NOP: u32 = 0xd503_201f;

/// The target in `target` of an indirect branch looked up in the thread's first table: x30 is the host address if the branch that is returned,
/// for a miss, is not taken. Changes x17.
pub fn first_table(a: &mut Asm, target: u8) -> Near {
    a.load_cpu(3, r::LR, field!(jump_cache));
    a.ubfx(true, r::S1, target, JUMP_CACHE_SHIFT, JUMP_CACHE_ENTRIES.trailing_zeros() as u8);
    a.rrr_shift(op::ADD, true, r::LR, r::LR, r::S1, (0, 4));
    matches(a, target)
}

/// Whether the table entry at x30 is for `target`.
fn matches(a: &mut Asm, target: u8) -> Near {
    a.pair(op::LDP, r::S1, r::LR, r::LR, 0);
    a.rrr(op::SUB, true, r::S1, r::S1, target);
    a.branch(op::CBNZ | 1 << 31 | r::S1 as u32)
}

/// A return that doesn't match: frames may have been skipped (longjmp, exceptions), or the stack is another. Then the tables, both.
fn return_miss(a: &mut Asm, count: bool, at: &mut [u32; STUBS]) {
    at[Stub::ReturnMiss as usize] = a.pos();
    if count {
        increment(a, field!(table_misses));
    }
    let deeper = [0, 1, 2];
    let hits = deeper.map(|n| {
        a.mem(super::asm::Access::load(3), r::S1, Addr::Disp(r::SP, n * 16 + 8));
        a.rrr(op::SUB, true, r::S1, r::S1, r::S0);
        a.branch(op::CBZ | 1 << 31 | r::S1 as u32)
    });
    // The pair may be another return's.
    a.add_imm(r::SP, r::SP, -16);
    let miss = first_table(a, r::S0);
    a.w(op::BR | (r::LR as u32) << 5);
    for (n, hit) in deeper.into_iter().zip(hits) {
        a.bind(hit);
        a.mem(super::asm::Access::load(3), r::LR, Addr::Disp(r::SP, n * 16));
        a.add_imm(r::SP, r::SP, n * 16 + 16);
        a.w(op::RET | (r::LR as u32) << 5);
    }
    a.bind(miss);
    at[Stub::Lookup as usize] = a.pos();
    if count {
        increment(a, field!(table_misses) + 8);
    }
    // See `cpu::second_index`; the mask is four times as large.
    a.rrr_shift(op::EOR, true, r::S1, r::S0, r::S0, (1, 13));
    a.load_cpu(2, r::LR, field!(jump_mask2));
    a.rrr(op::AND, true, r::S1, r::S1, r::LR);
    a.load_cpu(3, r::LR, field!(jump_cache2));
    a.rrr_shift(op::ADD, true, r::LR, r::LR, r::S1, (0, 2));
    let miss = matches(a, r::S0);
    // Now and then the engine notes in the first table what is used now: see there for amd64 hosts.
    a.load_cpu(2, r::S1, field!(refill));
    a.rr(op::SUBI | 1 << 10, false, r::S1, r::S1);
    a.store_cpu(2, r::S1, field!(refill));
    let refill = a.branch(Asm::tb(op::TBNZ, r::S1, 31));
    a.w(op::BR | (r::LR as u32) << 5);
    a.bind(miss);
    a.bind(refill);
}

fn increment(a: &mut Asm, at: usize) {
    a.load_cpu(3, r::S1, at);
    a.add_imm(r::S1, r::S1, 1);
    a.store_cpu(3, r::S1, at);
}

fn enter(a: &mut Asm, pins: &Pins, at: &mut [u32; STUBS]) -> Near {
    at[Stub::Enter as usize] = a.pos();
    a.add_imm(r::SP, r::SP, -160);
    for (n, (x, y)) in SAVED.into_iter().enumerate() {
        a.pair(op::STP, x, y, r::SP, 16 * n as i32);
    }
    for n in 0..4 {
        a.pair(STPD, 8 + 2 * n, 9 + 2 * n, r::SP, 96 + 16 * n as i32);
    }
    a.mov(true, r::CPU, 0);
    a.mov(true, r::LR, 1);
    a.add_imm(r::S0, r::SP, 0);
    a.store_cpu(3, r::S0, field!(host_sp));
    a.mov_imm(r::S0, 1);
    a.store_cpu(2, r::S0, field!(inside));
    a.w(op::MRS_FPCR | r::S0 as u32);
    a.store_cpu(2, r::S0, field!(host_fpctl));
    a.load_cpu(2, r::S1, field!(guest_fpctl));
    // Writing it is slow where the processor waits for it.
    a.rrr(op::SUB, true, r::S0, r::S0, r::S1);
    let same = a.branch(op::CBZ | 1 << 31 | r::S0 as u32);
    a.w(op::MSR_FPCR | r::S1 as u32);
    a.bind(same);
    a.w(op::MSR_FPSR | r::ZR as u32);
    for &(g, h) in &pins.gprs {
        a.load_cpu(3, h, home_offset(Home::Slot(g)));
    }
    for &(g, h) in &pins.vecs {
        a.vload_cpu(h, home_offset(Home::Slot(g)));
    }
    a.load_cpu(3, r::S0, field!(ret_sp));
    a.add_imm(r::SP, r::S0, 0);
    a.load_cpu(2, r::S0, field!(flags));
    a.w(op::MSR_NZCV | r::S0 as u32);
    at[Stub::EnterCheck as usize] = a.pos();
    a.load_cpu(2, r::S0, field!(pending));
    let abort = a.branch(op::CBNZ | r::S0 as u32);
    a.w(op::BR | (r::LR as u32) << 5);
    at[Stub::EnterEnd as usize] = a.pos();
    abort
}

/// `stp` of the low halves of two vector registers, and `ldp`.
const STPD: u32 = 0x6d00_0000;
const LDPD: u32 = 0x6d40_0000;

fn fault_exit(a: &mut Asm) {
    a.add_imm(r::S0, r::SP, 0);
    a.store_cpu(3, r::S0, field!(ret_sp));
    // What was accumulated joins what was known.
    a.w(op::MRS_FPSR | r::S0 as u32);
    a.load_cpu(2, r::S1, field!(fp_status));
    a.rrr(op::ORR, false, r::S0, r::S0, r::S1);
    a.store_cpu(2, r::S0, field!(fp_status));
    a.load_cpu(2, r::S0, field!(host_fpctl));
    a.load_cpu(2, r::S1, field!(guest_fpctl));
    a.rrr(op::SUB, true, r::S1, r::S0, r::S1);
    let same = a.branch(op::CBZ | 1 << 31 | r::S1 as u32);
    a.w(op::MSR_FPCR | r::S0 as u32);
    a.bind(same);
    a.load_cpu(3, r::S0, field!(host_sp));
    a.add_imm(r::SP, r::S0, 0);
    a.store_cpu(2, r::ZR, field!(inside));
    for n in 0..4 {
        a.pair(LDPD, 8 + 2 * n, 9 + 2 * n, r::SP, 96 + 16 * n as i32);
    }
    // The state register last of all, with the rest of its pair.
    for (n, (x, y)) in SAVED.into_iter().enumerate() {
        a.pair(op::LDP, x, y, r::SP, 16 * n as i32);
    }
    a.add_imm(r::SP, r::SP, 160);
    a.w(op::RET | (r::LR as u32) << 5);
}

fn eval(a: &mut Asm, out: &mut Emitted) {
    a.add_imm(r::S1, r::SP, 0);
    a.store_cpu(3, r::S1, field!(eval_sp));
    a.load_cpu(3, r::S1, field!(host_sp));
    a.add_imm(r::SP, r::S1, 0);
    a.w(op::MRS_NZCV | r::S1 as u32);
    // 8 pairs, x18 and NZCV, 16 pairs of vectors.
    a.add_imm(r::SP, r::SP, -656);
    for (n, (x, y)) in VOLATILE.into_iter().enumerate() {
        a.pair(op::STP, x, y, r::SP, 16 * n as i32);
    }
    a.pair(op::STP, 18, r::S1, r::SP, 128);
    for n in 0..16 {
        a.pair(op::STPQ, 2 * n, 2 * n + 1, r::SP, 144 + 32 * n as i32);
    }
    a.mov(true, 0, r::CPU);
    a.mov(true, 1, r::S0);
    // The helper's address is behind the code.
    let address = a.branch(0x5800_0000 | r::S0 as u32);
    a.w(op::BLR | (r::S0 as u32) << 5);
    for n in 0..16 {
        a.pair(op::LDPQ, 2 * n, 2 * n + 1, r::SP, 144 + 32 * n as i32);
    }
    for (n, (x, y)) in VOLATILE.into_iter().enumerate() {
        a.pair(op::LDP, x, y, r::SP, 16 * n as i32);
    }
    a.pair(op::LDP, 18, r::S1, r::SP, 128);
    a.w(op::MSR_NZCV | r::S1 as u32);
    a.load_cpu(3, r::S0, field!(eval_sp));
    a.add_imm(r::SP, r::S0, 0);
    a.w(POP_LR);
    a.w(op::BR | (r::LR as u32) << 5);
    while a.pos() & 7 != 0 {
        a.w(0);
    }
    a.bind(address);
    out.relocs.push(Reloc::Helper { at: a.pos(), helper: 0 });
    a.w(0);
    a.w(0);
}

/// `ldr x30, [sp], #16`, and `str x30, [sp, #-16]!`.
const POP_LR: u32 = 0xf841_07fe;
/// See above.
pub const PUSH_LR: u32 = 0xf81f_0ffe;

/// What lies on the return stack for a helper's return: a whole pair's room, so that sp stays aligned.
pub const EVAL_FRAME: u64 = 16;
/// Before this offset in `Eval`, it has not been noted yet where.
pub const EVAL_NOTED: u64 = 8;

/// Where in `Pending` to go with the target in a register.
pub const fn pending_entry(reg: u8) -> u64 {
    reg as u64 * 8
}

/// A counter: see the other host's. The flags are not touched.
pub fn emit_counter(pc: u64, often: u32, out: &mut Emitted) {
    out.clear();
    let mut a = Asm::default();
    a.begin(std::mem::take(&mut out.code));
    let at = field!(heat) + heat_entry(pc) * 4;
    a.load_cpu(2, r::LR, at);
    a.mov_imm(r::S1, ((1u64 << 31) / often.max(2) as u64).max(1));
    a.rrr(op::ADD, false, r::LR, r::LR, r::S1);
    a.store_cpu(2, r::LR, at);
    let enough = a.branch(Asm::tb(op::TBNZ, r::LR, 31));
    let on = a.branch(op::B);
    a.bind(enough);
    let stub = a.pos();
    out.relocs.push(Reloc::Stub { at: stub, stub: Stub::Link as u8 });
    a.w(op::BL);
    let site = a.pos();
    a.w(0);
    a.patch(on, stub);
    out.links.push(Link { at: on.0, stub, site, target: pc, direct: false, short: NO_BRANCH });
    out.code = a.code;
}
