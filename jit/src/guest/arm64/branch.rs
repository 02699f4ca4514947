//! Branches.

use super::lift::{Insn, Lifted, Lifter};
use super::regs;
use crate::ir::{Cond, Op, Type, Value};

/// A pc-relative target in words.
fn target(l: &mut Lifter<'_>, words: i64) -> u64 {
    // A jump that may close a loop.
    l.b.backward |= words <= 0;
    relative(l, words)
}

fn relative(l: &Lifter<'_>, words: i64) -> u64 {
    l.pc.wrapping_add((words << 2) as u64)
}

/// A side exit to `to` that `push` makes; the other way with `true`. Run past it while the budget lasts; a trace goes on where control did.
fn conditional(l: &mut Lifter<'_>, to: u64, push: impl Fn(&mut Lifter<'_>, bool, u64)) -> Lifted {
    let next = l.pc.wrapping_add(4);
    match l.turn() {
        Some(turn) if turn == to && to != next => {
            push(l, true, next);
            l.go_on(to);
        }
        turn => {
            push(l, false, to);
            match turn {
                Some(turn) if turn == next => {}
                _ if l.side_exits > 0 => l.side_exits -= 1,
                _ => l.end_block(),
            }
        }
    }
    Ok(())
}

/// B.
pub fn b(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(25, 0));
    jump(l, to)
}

fn jump(l: &mut Lifter<'_>, to: u64) -> Lifted {
    if l.turn() == Some(to) {
        l.go_on(to);
    } else {
        l.b.jump(to);
        l.done = true;
    }
    Ok(())
}

/// BL.
pub fn bl(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = relative(l, i.sbits(25, 0));
    link(l);
    if l.turn() == Some(to) && l.enter() {
        l.go_on(to);
    } else {
        l.b.op(Op::Call, Type::None, &[], 0, to);
        l.done = true;
    }
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
        return jump(l, to);
    }
    let f = l.flags();
    conditional(l, to, |l, not, to| l.b.exit_if(Cond::from_bits(cc as u8 ^ not as u8), f, to))
}

/// CBZ, CBNZ.
pub fn cbz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(23, 5));
    let v = l.r(i.sf(), i.rt());
    conditional(l, to, |l, not, to| {
        l.b.op(if i.bit(24) ^ not { Op::ExitIfNonzero } else { Op::ExitIfZero }, Type::None, &[v], 0, to);
    })
}

/// TBZ, TBNZ.
pub fn tbz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = target(l, i.sbits(18, 5));
    let bit = i.bits(31, 31) << 5 | i.bits(23, 19);
    let v = l.r(bit >= 32, i.rt());
    conditional(l, to, |l, not, to| {
        l.b.op(if i.bit(24) ^ not { Op::ExitIfBit } else { Op::ExitIfNotBit }, Type::None, &[v], bit as u8, to);
    })
}

/// BR.
pub fn br(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = l.x(i.rn());
    match l.turn() {
        Some(turn) => l.expect(to, turn),
        None => leave(l, Op::JumpInd, to),
    }
    Ok(())
}

/// BLR. The target is read before the link register is written: they may be the same.
pub fn blr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = l.x(i.rn());
    link(l);
    match l.turn() {
        Some(turn) if l.enter() => l.expect(to, turn),
        _ => leave(l, Op::CallInd, to),
    }
    Ok(())
}

/// RET. A trace goes on behind its own calls only: others are on the return stack.
pub fn ret(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let to = l.x(i.rn());
    match l.turn() {
        Some(turn) if l.depth > 0 => {
            l.depth -= 1;
            l.b.op(Op::Unwind, Type::None, &[], 0, 0);
            l.expect(to, turn);
        }
        _ => leave(l, Op::Return, to),
    }
    Ok(())
}

fn leave(l: &mut Lifter<'_>, op: Op, to: Value) {
    l.b.op(op, Type::None, &[to], 0, 0);
    l.done = true;
}
