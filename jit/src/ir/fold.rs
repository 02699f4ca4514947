//! Integer operations on constants, as the builder meets them: the pieces of addresses (`adrp` + `add`) and immediates (`movz` + `movk`).

use super::{Inst, Op, Type, PLACE};

fn constant(i: &Inst) -> Option<u64> {
    (i.op == Op::Const && i.aux == 0).then_some(i.imm)
}

/// What `a op b` is when both are constants, and whether it is a [`PLACE`]; bits above the type's don't count.
#[inline]
pub fn binary(op: Op, ty: Type, a: &Inst, b: &Inst) -> Option<(u64, u8)> {
    if a.op != Op::Const || b.op != Op::Const {
        return None;
    }
    // What moves with the code stays so under sums; the distance of two places doesn't move.
    let place = match (op, a.aux, b.aux) {
        (_, 0, 0) => 0,
        (Op::Add, PLACE, 0) | (Op::Add, 0, PLACE) | (Op::Sub, PLACE, 0) => PLACE,
        (Op::Sub, PLACE, PLACE) => 0,
        _ => return None,
    };
    let (a, b) = (a.imm, b.imm);
    let c = match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Or => a | b,
        Op::Orn => a | !b,
        Op::Xor => a ^ b,
        Op::And => a & b,
        Op::Shl => a << (b & (ty.bits() as u64 - 1)),
        _ => return None,
    };
    Some((c, place))
}

/// `a` with the low `width` bits of `b` at `pos`.
pub fn bfi(a: &Inst, b: &Inst, pos: u32, width: u32) -> Option<u64> {
    let mask = (u64::MAX >> (64 - width)) << pos;
    Some(constant(a)? & !mask | constant(b)? << pos & mask)
}
