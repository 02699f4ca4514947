//! Advanced SIMD by element, integer: the second operand is one lane (vector and scalar).

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use super::simd_long::product;
use crate::ir::{Arr, Op, Value, Width};

/// Element size, register and index of the lane: 16-bit lanes only of V0..V15.
fn element(i: Insn) -> Result<(u8, u8, u64), Undefined> {
    let (h, lm, rm) = (i.bits(11, 11), i.bits(21, 20), i.rm());
    match i.bits(23, 22) {
        1 => Ok((1, rm & 15, (h << 2 | lm) as u64)),
        2 => Ok((2, rm, (h << 1 | lm >> 1) as u64)),
        _ => Err(Undefined),
    }
}

/// Vn and the lane in every lane of `arr`.
fn operands(l: &mut Lifter<'_>, i: Insn, arr: Arr, rm: u8, index: u64) -> [Value; 2] {
    let n = l.vn(i);
    let m = l.v(rm);
    [n, l.b.vec_imm(Op::VDupLane, arr, &[m], index)]
}

fn simple(l: &mut Lifter<'_>, i: Insn, op: Op, sum: Option<Op>) -> Lifted {
    let (log2, rm, index) = element(i)?;
    let arr = arr_of(i, log2)?;
    let args = operands(l, i, arr, rm, index);
    let r = l.b.vec(op, arr, &args);
    match sum {
        Some(sum) => l.accumulate(i, sum, arr, r),
        None => l.set_vd(i, r),
    }
}

rows! { simple:
    mul(Op::VMul, None);
    mla(Op::VMul, Some(Op::VAdd));
    mls(Op::VMul, Some(Op::VSub));
    sqdmulh(Op::VSqdmulh, None);
    sqrdmulh(Op::VSqrdmulh, None);
}

fn rounding_double(l: &mut Lifter<'_>, i: Insn, subtract: u64) -> Lifted {
    let (log2, rm, index) = element(i)?;
    let arr = arr_of(i, log2)?;
    let [n, m] = operands(l, i, arr, rm, index);
    let d = l.vd(i);
    let r = l.b.vec_imm(Op::VSqrdmlah, arr, &[d, n, m], subtract);
    l.set_vd(i, r)
}

rows! { rounding_double:
    sqrdmlah(0);
    sqrdmlsh(1);
}

fn long(l: &mut Lifter<'_>, i: Insn, op: Op, sum: Option<Op>) -> Lifted {
    let (log2, rm, index) = element(i)?;
    let half = half_of(i, log2);
    // The "2" forms read the high half: the lane must be there too.
    let all = if part(i) == 1 { Arr::new(log2, Width::W128) } else { half };
    let args = operands(l, i, all, rm, index);
    product(l, i, half, args, op, sum)
}

rows! { long:
    smlal(Op::VSmull, Some(Op::VAdd));
    umlal(Op::VUmull, Some(Op::VAdd));
    smlsl(Op::VSmull, Some(Op::VSub));
    umlsl(Op::VUmull, Some(Op::VSub));
    smull(Op::VSmull, None);
    umull(Op::VUmull, None);
    sqdmlal(Op::VSqdmull, Some(Op::VSqadd));
    sqdmlsl(Op::VSqdmull, Some(Op::VSqsub));
    sqdmull(Op::VSqdmull, None);
}
