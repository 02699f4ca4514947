//! Differences: found, made small, shown.

use crate::case::*;
use crate::draw::Draw;
use crate::interp::{self, Run, Stepper};
use crate::native::Native;
use jit::guest::arm64::GUEST;
use std::collections::BTreeMap;

/// Differing cases after which a run is given up.
const ENOUGH: u64 = 300;
/// Cases shown of each kind.
const SHOWN: usize = 2;

/// DC ZVA, X0.
const DC_ZVA: u32 = 0xd50b_7420;

/// What differed, by the names of the instructions.
#[derive(Default)]
pub struct Report {
    pub count: usize,
    /// Number of the case that is looked at.
    case: usize,
    kinds: BTreeMap<String, usize>,
}

/// What a fault of the instruction may have written on other machines, which do not undo: general and vector registers.
fn half_done(word: u32) -> (Vec<u32>, Vec<u32>) {
    let (t, u, n) = (word & 31, word >> 10 & 31, word >> 5 & 31);
    (vec![t, u, n], vec![t, (t + 1) & 31, (t + 2) & 31, (t + 3) & 31, u])
}

/// Everything that differs between `ours` and `theirs`; with `faulted`, the faulting instruction, what it may have left is no difference.
fn differences(ours: &Outcome, theirs: &Outcome, faulted: Option<u32>) -> Vec<String> {
    let mut d = Vec::new();
    let mut cmp = |what: std::fmt::Arguments, a: u128, b: u128| {
        if a != b {
            d.push(format!("{what}: interpreter {a:#x}, other {b:#x}"));
        }
    };
    let (a, b) = (&ours.state, &theirs.state);
    let (skip_x, skip_v) = faulted.map_or((vec![], vec![]), half_done);
    cmp(format_args!("signal"), ours.signal as u128, theirs.signal as u128);
    cmp(format_args!("pc"), a.pc as u128, b.pc as u128);
    if !skip_x.contains(&31) {
        cmp(format_args!("sp"), a.sp as u128, b.sp as u128);
    }
    cmp(format_args!("nzcv"), a.nzcv as u128, b.nzcv as u128);
    cmp(format_args!("fpcr"), (a.fpcr & FPCR_BITS) as u128, (b.fpcr & FPCR_BITS) as u128);
    cmp(format_args!("fpsr"), (a.fpsr & FPSR_BITS) as u128, (b.fpsr & FPSR_BITS) as u128);
    for n in (0..31).filter(|n| !skip_x.contains(n)) {
        cmp(format_args!("x{n}"), a.x[n as usize] as u128, b.x[n as usize] as u128);
    }
    for n in (0..32).filter(|n| !skip_v.contains(n)) {
        cmp(format_args!("v{n}"), a.v[n as usize], b.v[n as usize]);
    }
    // What a store that faults half-way has written is not defined.
    if faulted.is_none() && ours.edges != theirs.edges {
        for (n, (a, b)) in ours.edges.iter().zip(&theirs.edges).enumerate() {
            let at = if n < EDGE { n } else { n + PAGE as usize - 2 * EDGE };
            cmp(format_args!("byte {at:#x}"), *a as u128, *b as u128);
        }
    }
    d
}

/// A fault whose signal reports an address that it can't be.
fn misplaced(run: &Run, theirs: &Outcome) -> Option<String> {
    let blamed = run.blamed.filter(|b| theirs.signal == SIGSEGV && !b.fits(theirs.address))?;
    Some(format!("fault address: {:#x}, not within {blamed:x?}", theirs.address))
}

/// x86 looks for underflow after rounding, Arm before: where rounding leads up to the smallest normal number, hot code does not
/// report it.
fn same_but_underflow(expected: &Outcome, got: &Outcome) -> bool {
    const UFC: u32 = 8;
    const IXC: u32 = 16;
    let mut patched = got.clone();
    patched.state.fpsr |= UFC;
    got.state.fpsr & IXC != 0 && patched == *expected
}

/// A fault may show flags that are overwritten before anything that resumes could read them: go on behind it with both.
fn same_but_dead_flags(stepper: &mut Stepper, case: &Case, expected: &Outcome, got: &Outcome) -> bool {
    let (mut a, mut b, mut case) = (expected.clone(), got.clone(), case.clone());
    for _ in 0..WORDS {
        if a == b {
            return true;
        }
        let mut patched = b.clone();
        patched.state.nzcv = a.state.nzcv;
        let insn = (a.state.pc.wrapping_sub(case.state.pc) / 4) as usize;
        if patched != a || a.signal == SIGTRAP || insn >= case.len {
            return false;
        }
        case.code[insn] = NOP;
        let mut go_on = |o: &Outcome| stepper.resume(&case, &o.state, &o.edges).outcome;
        (a, b) = (go_on(&a), go_on(&b));
    }
    false
}

/// Whether translated code may differ like this.
pub fn allowed(stepper: &mut Stepper, case: &Case, run: &Run, got: &Outcome) -> bool {
    let expected = &run.outcome;
    let address = run.blamed.is_none_or(|b| got.signal != SIGSEGV || b.fits(got.address));
    if !address {
        return false;
    }
    got == expected || same_but_underflow(expected, got) || same_but_dead_flags(stepper, case, expected, got)
}

/// The instructions, and the registers that they name.
fn describe(case: &Case) -> String {
    let s = &case.state;
    let mut out = format!("nzcv={:x} fpcr={:x} fpsr={:x} sp={:#x}", s.nzcv, s.fpcr, s.fpsr, s.sp);
    let named = |n: u32| case.code[..case.len].iter().any(|w| [0, 5, 10, 16].iter().any(|b| w >> b & 31 == n));
    for n in (0..31).filter(|n| named(*n)) {
        out += &format!(" x{n}={:#x}", s.x[n as usize]);
    }
    for n in (0..32).filter(|n| named(*n)) {
        out += &format!(" v{n}={:#x}", s.v[n as usize]);
    }
    for (n, w) in case.code[..case.len].iter().enumerate() {
        let pc = s.pc + 4 * n as u64;
        out += &format!("\n  {pc:#x}: {w:08x} {}", (GUEST.disasm)(&w.to_le_bytes(), pc));
    }
    out
}

impl Report {
    /// Whether to stop looking for more.
    pub fn enough(&self) -> bool {
        self.count as u64 >= crate::env_number("ORACLE_ENOUGH", ENOUGH)
    }

    /// What is reported next is about case number `n`.
    pub fn at(&mut self, n: usize) {
        self.case = n;
    }

    /// Count one of a kind; whether it is to be shown.
    fn add(&mut self, kind: String) -> bool {
        if self.count == 0 {
            eprintln!("first difference at case {}", self.case);
        }
        self.count += 1;
        let seen = self.kinds.entry(kind).or_default();
        *seen += 1;
        *seen <= SHOWN && self.count as u64 <= ENOUGH
    }

    /// The interpreter's fault left something behind.
    pub fn imprecise(&mut self, case: &Case) {
        if self.add(format!("imprecise fault: {}", case.names())) {
            eprintln!("--- a fault changed registers: {}\n{}", describe(case), interp::ir(case));
        }
    }

    /// Translated code differs from the interpreter.
    pub fn translated(&mut self, native: &mut Native, draw: &mut Draw, set: usize, case: &Case) {
        let small = shrink(native, draw, set, case);
        let name = native.sets[set].0;
        if !self.add(format!("translated ({name}): {}", small.names())) {
            return;
        }
        let run = draw.stepper.run(&small, &draw.edges);
        native.forget(set, &small);
        let got = native.run(set, &small, &draw.edges);
        let mut d = differences(&run.outcome, &got, None);
        d.extend(misplaced(&run, &got));
        eprintln!("--- translated ({name}) {}: {}\n  {}", small.names(), describe(&small), d.join("\n  "));
        native.show(set, &small, &draw.edges);
        native.forget(set, case);
    }

    /// QEMU differs from the interpreter?
    pub fn emulated(&mut self, case: &Case, run: &Run, theirs: &Outcome) {
        let ours = &run.outcome;
        let mut theirs = theirs.clone();
        let faulted = ours.signal == SIGSEGV;
        // Alignment is checked before the mapping.
        if theirs.signal == SIGBUS && faulted {
            theirs.signal = SIGSEGV;
        }
        // So is the pc's, but QEMU looks for the page first.
        if ours.signal == SIGBUS && theirs.signal == SIGSEGV {
            theirs.signal = SIGBUS;
        }
        let insn = ours.state.pc.wrapping_sub(case.state.pc) / 4;
        let word = case.code.get(insn as usize).copied().filter(|_| faulted);
        // QEMU does not say right where a DC ZVA faults.
        if word.is_some_and(|w| w & !31 == DC_ZVA) && theirs.signal == SIGSEGV {
            return;
        }
        let mut d = differences(ours, &theirs, word);
        d.extend(misplaced(run, &theirs));
        if d.is_empty() || !self.add(format!("QEMU: {}", case.names())) {
            return;
        }
        eprintln!("--- QEMU {}: {}\n  {}\n{}", case.names(), describe(case), d.join("\n  "), interp::ir(case));
    }

    /// Fail if anything differed.
    pub fn verdict(&self) {
        let list: Vec<String> = self.kinds.iter().map(|(k, n)| format!("{n} × {k}")).collect();
        assert!(list.is_empty(), "{} cases differ:\n{}", self.count, list.join("\n"));
    }
}

/// Leave out instructions for as long as the difference stays.
fn shrink(native: &mut Native, draw: &mut Draw, set: usize, case: &Case) -> Case {
    let mut small = case.clone();
    let mut differs = |c: &Case, stepper: &mut Stepper| {
        let run = stepper.run(c, &draw.edges);
        native.forget(set, c);
        if run.wild || run.outcome.signal == 0 {
            return false;
        }
        let got = native.run(set, c, &draw.edges);
        !allowed(stepper, c, &run, &got)
    };
    for n in 0..case.len {
        let mut less = small.clone();
        less.code[n] = NOP;
        if differs(&less, &mut draw.stepper) {
            small = less;
        }
    }
    small
}
