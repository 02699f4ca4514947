//! Branches.

use super::lift::{Insn, Lifted, Lifter};
use super::regs;
use crate::ir::{Cond, Op, Type};

/// A pc-relative target in words.
fn target(l: &mut Lifter<'_>, words: i64) -> u64 {
    // A jump that may close a loop.
    l.b.backward |= words <= 0;
    relative(l, words)
}

fn relative(l: &Lifter<'_>, words: i64) -> u64 {
    l.pc.wrapping_add((words << 2) as u64)
}

/// After a side exit: run past it while the budget lasts.
fn fall_through(l: &mut Lifter<'_>) -> Lifted {
    if l.side_exits > 0 {
        l.side_exits -= 1;
    } else {
        l.end_block();
    }
    Ok(())
}

/// B.
pub fn b(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(25, 0));
    l.b.jump(to);
    l.done = true;
    Ok(())
}

/// BL.
pub fn bl(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = relative(l, i.sbits(25, 0));
    link(l);
    l.b.op(Op::Call, Type::None, &[], 0, to);
    l.done = true;
    Ok(())
}

fn link(l: &mut Lifter<'_>) {
    let ret = l.b.place(l.pc.wrapping_add(4));
    l.b.set(regs::x(30), ret);
}

/// B.cond.
pub fn b_cond(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(23, 5));
    let cc = Cond::from_bits(i.bits(3, 0) as u8);
    if cc as u8 >= Cond::Al as u8 {
        l.b.jump(to);
        l.done = true;
        return Ok(());
    }
    let f = l.flags();
    l.b.exit_if(cc, f, to);
    fall_through(l)
}

/// CBZ, CBNZ.
pub fn cbz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(23, 5));
    let v = l.r(i.sf(), i.rt());
    l.b.op(if i.bit(24) { Op::ExitIfNonzero } else { Op::ExitIfZero }, Type::None, &[v], 0, to);
    fall_through(l)
}

/// TBZ, TBNZ.
pub fn tbz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(18, 5));
    let bit = i.bits(31, 31) << 5 | i.bits(23, 19);
    let v = l.r(bit >= 32, i.rt());
    l.b.op(if i.bit(24) { Op::ExitIfBit } else { Op::ExitIfNotBit }, Type::None, &[v], bit as u8, to);
    fall_through(l)
}

/// BR.
pub fn br(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    leave(l, i, Op::JumpInd)
}

/// BLR. The target is read before the link register is written: they may be the same.
pub fn blr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = l.x(i.rn());
    link(l);
    l.b.op(Op::CallInd, Type::None, &[to], 0, 0);
    l.done = true;
    Ok(())
}

/// RET.
pub fn ret(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    leave(l, i, Op::Return)
}

fn leave(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let to = l.x(i.rn());
    l.b.op(op, Type::None, &[to], 0, 0);
    l.done = true;
    Ok(())
}
