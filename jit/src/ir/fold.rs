//! Integer operations on constants, as the builder meets them: the pieces of addresses (`adrp` + `add`) and immediates (`movz` + `movk`).

use super::{Inst, Op, Type};

fn constant(i: &Inst) -> Option<u64> {
    (i.op == Op::Const).then_some(i.imm)
}

/// What `a op b` is when both are constants; bits above the type's don't count.
#[inline]
pub fn binary(op: Op, ty: Type, a: &Inst, b: &Inst) -> Option<u64> {
    let (a, b) = (constant(a)?, constant(b)?);
    Some(match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Or => a | b,
        Op::Orn => a | !b,
        Op::Xor => a ^ b,
        Op::And => a & b,
        Op::Shl => a << (b & (ty.bits() as u64 - 1)),
        _ => return None,
    })
}

/// `a` with the low `width` bits of `b` at `pos`.
pub fn bfi(a: &Inst, b: &Inst, pos: u32, width: u32) -> Option<u64> {
    let mask = (u64::MAX >> (64 - width)) << pos;
    Some(constant(a)? & !mask | constant(b)? << pos & mask)
}
