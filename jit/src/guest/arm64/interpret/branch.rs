//! Branches.

use super::super::lift::Insn;
use super::super::GUEST;
use super::{Machine, Step};

/// A pc-relative branch by so many words.
fn relative(m: &Machine<'_>, words: i64) -> Step {
    Step::Jump(m.cpu.pc.wrapping_add((words << 2) as u64))
}

fn conditional(m: &Machine<'_>, taken: bool, words: i64) -> Step {
    if taken {
        relative(m, words)
    } else {
        Step::Next
    }
}

fn indirect(to: u64) -> Step {
    Step::Jump((GUEST.branch_target)(to))
}

fn link(m: &mut Machine<'_>) {
    m.cpu.gpr[30] = m.cpu.pc.wrapping_add(4);
}

/// B.
pub fn b(m: &mut Machine<'_>, i: Insn) -> Step {
    relative(m, i.sbits(25, 0))
}

/// BL.
pub fn bl(m: &mut Machine<'_>, i: Insn) -> Step {
    link(m);
    relative(m, i.sbits(25, 0))
}

/// B.cond.
pub fn b_cond(m: &mut Machine<'_>, i: Insn) -> Step {
    let taken = m.holds(i.bits(3, 0));
    conditional(m, taken, i.sbits(23, 5))
}

/// CBZ, CBNZ.
pub fn cbz(m: &mut Machine<'_>, i: Insn) -> Step {
    let zero = m.r(i.sf(), i.rt()) == 0;
    conditional(m, zero != i.bit(24), i.sbits(23, 5))
}

/// TBZ, TBNZ.
pub fn tbz(m: &mut Machine<'_>, i: Insn) -> Step {
    let bit = i.bits(31, 31) << 5 | i.bits(23, 19);
    let set = m.x(i.rt()) >> bit & 1 != 0;
    conditional(m, set == i.bit(24), i.sbits(18, 5))
}

/// BR.
pub fn br(m: &mut Machine<'_>, i: Insn) -> Step {
    indirect(m.x(i.rn()))
}

/// BLR. The target is read before the link register is written: they may be the same.
pub fn blr(m: &mut Machine<'_>, i: Insn) -> Step {
    let to = m.x(i.rn());
    link(m);
    indirect(to)
}

/// RET.
pub fn ret(m: &mut Machine<'_>, i: Insn) -> Step {
    indirect(m.x(i.rn()))
}
