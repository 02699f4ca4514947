//! Guests: from machine code to IR. Nothing here knows a host.

pub mod amd64;
pub mod arm64;

use crate::cpu::Cpu;
use crate::ir::{Block, FpRules, GuestReg, Mode, Round};
use std::ops::Range;

/// Where a lifter reads instructions.
pub trait Fetch {
    /// The 32-bit word at `pc`, or `None` when it can't be fetched (not mapped or not executable).
    fn fetch32(&self, pc: u64) -> Option<u32>;

    /// Read words from `pc` on into `out`: how many could be read. At least one if `fetch32` would succeed; may stop short of
    /// what could be read where a page ends.
    fn fetch(&self, pc: u64, out: &mut [u32]) -> usize {
        let words = (pc..).step_by(4).map(|pc| self.fetch32(pc));
        out.iter_mut().zip(words).map_while(|(out, word)| word.map(|w| *out = w)).count()
    }

    /// Whether the code at `pc` is the runtime's own, which may ask for what guests can't.
    fn own_code(&self, _pc: u64) -> bool {
        false
    }

    /// Read bytes from `pc` on into `out`: how many could be read; it may stop short of what could be read where a page ends, but not at its first byte.
    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let mut n = 0;
        while n < out.len() {
            let at = pc.wrapping_add(n as u64);
            let Some(w) = self.fetch32(at & !3) else { break };
            for b in w.to_le_bytes().into_iter().skip((at & 3) as usize).take(out.len() - n) {
                out[n] = b;
                n += 1;
            }
        }
        n
    }

    /// Code in `range` was invalidated by the guest: tell `f` at which other addresses the same bytes may be fetched.
    fn invalidated(&self, _range: Range<u64>, _f: &mut dyn FnMut(Range<u64>)) {}

    /// The thread synchronizes its context: tell `f` what others than this process's threads may have changed since the last time.
    fn synchronize(&self, _f: &mut dyn FnMut(Range<u64>)) {}
}

/// Limits of one translation.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Guest instructions at most (at least 1).
    pub insns: u32,
    /// Conditional branches to run past (0: end at the first).
    pub side_exits: u32,
}

/// What the runtime knows about guest code.
pub trait Hints {
    /// Bits of [`crate::ir::hint`] for the instruction at `pc`, as learned at run time.
    fn hint(&self, pc: u64) -> u8;

    /// Optional features that the guest's CPU must not have: a set in the guest's own numbering.
    fn hidden(&self) -> u64 {
        0
    }

    /// For a trace: where control got to after each of its branches, as far as it is to go on there. None otherwise.
    fn path(&self) -> &[u64] {
        &[]
    }

    /// Whether there is a translation that begins at `pc`: a block that gets there may end, rather than translate that code again.
    fn translated(&self, _pc: u64) -> bool {
        false
    }
}

/// A function of a guest's that an `Op::Helper` calls.
pub type HelperFn = extern "C" fn(&mut Cpu, u64, u64) -> u64;

/// Where [`InterpretFn`] stopped; `cpu.pc` is where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpreted {
    /// Behind a branch that was taken.
    Branch,
    /// Before an instruction that it can't execute or that faults.
    Here,
    /// Behind one that makes a system call.
    Syscall,
}

/// Execute from `cpu.pc` on: the state, NZCV in bits 3..0, where code is read, features that the CPU must not have; counts the instructions.
pub type InterpretFn = fn(cpu: &mut Cpu, nzcv: &mut u8, mem: &dyn Fetch, hidden: u64, count: &mut u64) -> Interpreted;

/// What the rest of the translator needs from a guest.
pub struct Guest {
    /// Its name: "arm64".
    pub name: &'static str,
    /// Translate from `block.pc` (already cleared with pc and mode) until a terminal. Never fails: what can't be fetched or decoded becomes a trap.
    pub lift: fn(&mut Block, &dyn Fetch, &dyn Hints, Limits),
    /// Integer slots by falling heat: the host pins as many of the first as it has registers.
    pub hot_gprs: &'static [GuestReg],
    /// Vector slots by falling heat.
    pub hot_vecs: &'static [GuestReg],
    /// Name of a register for dumps.
    pub reg_name: fn(GuestReg) -> String,
    /// Inverse of `reg_name`.
    pub parse_reg: fn(&str) -> Option<GuestReg>,
    /// The software FP control derived from the guest's FPCR, for [`Mode`] and the host's control word.
    pub fp_mode: fn(fpcr: u32) -> Mode,
    /// The rounding mode in the guest's FP control.
    pub fp_round: fn(fpcr: u32) -> Round,
    /// The pc after an indirect branch to an address (tags are dropped).
    pub branch_target: fn(u64) -> u64,
    /// The rules of the guest's FP operations.
    pub fp: FpRules,
    /// Its programs rely on a total store order: its memory operations say so.
    pub total_order: bool,
    /// Some of its translations depend on [`Mode::SHARED`].
    pub pairs: bool,
    /// Addresses may carry a tag in their top byte.
    pub tagged: bool,
    /// The FP control of a new thread.
    pub fpcr_init: u32,
    /// The writable bits of the guest's FP control.
    pub fpcr_mask: u32,
    /// Whether the flags are certainly overwritten before they are read from `pc` on (a short look; `false` when in doubt). Looks only at code in
    /// the range, which becomes that of the code looked at.
    pub flags_dead: fn(pc: u64, mem: &dyn Fetch, near: &mut Range<u64>) -> bool,
    /// Registers that hold what is no flag of [`GuestReg::FLAGS`], but lives and dies with them. A guest that has some writes flags so often that it pays
    /// to look ahead from every exit.
    pub flag_regs: &'static [GuestReg],
    /// What `Op::Helper` calls, by number.
    pub helpers: &'static [HelperFn],
    /// Code may change without any barrier: the engine watches the pages that translations are made of.
    pub coherent: bool,
    /// Lifting says which constants move with the code ([`crate::ir::PLACE`]), so that translations can be used elsewhere.
    pub relocatable: bool,
    /// Lifting follows [`Hints::path`].
    pub traces: bool,
    /// Its interpreter, if it has one.
    pub interpret: Option<InterpretFn>,
    /// Disassemble one instruction at `pc`.
    pub disasm: fn(bytes: &[u8], pc: u64) -> String,
}
