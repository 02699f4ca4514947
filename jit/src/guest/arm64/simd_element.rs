//! Advanced SIMD by element, integer: the second operand is one lane (vector and scalar).

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use super::simd_long::product;
use crate::ir::{Arr, Op, Value, Width, EVEN};

/// How far apart, in instructions of the IR, multiplications share a lane in all places: the two halves of a vector by it.
const LANE_KEPT: usize = 10;
/// The same for an extended vector, which long multiplications multiply by eight lanes in a row.
const EXTENDED_KEPT: usize = 64;

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
    if is_scalar(i) {
        let args = operands(l, i, half, rm, index);
        return product(l, i, half, args, op, sum);
    }
    let all = Arr::new(log2, Width::W128);
    let (n, m) = (l.vn(i), l.v(rm));
    let m = l.b.vec_again(Op::VDupLane, all, m, index, LANE_KEPT);
    if op == Op::VSqdmull || op == Op::VUmull && log2 == 1 {
        return product(l, i, half, [n, m], op, sum);
    }
    // Extended once for all that multiply the same vector.
    let n = l.b.vec_again(Op::VUxtl, half, n, part(i), EXTENDED_KEPT);
    let r = l.b.vec_imm(op, all, &[m, n], EVEN);
    match sum {
        Some(sum) => l.accumulate(i, sum, wide_of(half), r),
        None => l.set_vd(i, r),
    }
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
