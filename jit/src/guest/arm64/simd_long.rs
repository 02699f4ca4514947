//! Advanced SIMD three different: lengthening, widening and narrowing of two operands (vector and scalar).

use super::features;
use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use crate::ir::{Arr, Op, Value};

/// Vd := extend(Vn) `op` extend(Vm).
fn long(l: &mut Lifter<'_>, i: Insn, op: Op, unsigned: bool) -> Lifted {
    let half = half_of(i, size(i, BHS)?);
    let r = extended(l, i, half, op, unsigned);
    l.set_vd(i, r)
}

fn extended(l: &mut Lifter<'_>, i: Insn, half: Arr, op: Op, unsigned: bool) -> Value {
    let n = l.vn(i);
    let n = l.extend(i, half, n, unsigned);
    let m = l.vm(i);
    let m = l.extend(i, half, m, unsigned);
    l.b.vec(op, wide_of(half), &[n, m])
}

rows! { long:
    saddl(Op::VAdd, false);
    uaddl(Op::VAdd, true);
    ssubl(Op::VSub, false);
    usubl(Op::VSub, true);
    sabdl(Op::VSabd, false);
    uabdl(Op::VUabd, true);
}

fn abal(l: &mut Lifter<'_>, i: Insn, op: Op, unsigned: bool) -> Lifted {
    let half = half_of(i, size(i, BHS)?);
    let r = extended(l, i, half, op, unsigned);
    l.accumulate(i, Op::VAdd, wide_of(half), r)
}

rows! { abal:
    sabal(Op::VSabd, false);
    uabal(Op::VUabd, true);
}

/// Vd := Vn `op` extend(Vm).
fn wide(l: &mut Lifter<'_>, i: Insn, op: Op, unsigned: bool) -> Lifted {
    let half = half_of(i, size(i, BHS)?);
    let n = l.vn(i);
    let m = l.vm(i);
    let m = l.extend(i, half, m, unsigned);
    let r = l.b.vec(op, wide_of(half), &[n, m]);
    l.set_vd(i, r)
}

rows! { wide:
    saddw(Op::VAdd, false);
    uaddw(Op::VAdd, true);
    ssubw(Op::VSub, false);
    usubw(Op::VSub, true);
}

/// Vd := high halves of the lanes of Vn `op` Vm.
fn high_narrow(l: &mut Lifter<'_>, i: Insn, op: Op, shift: Op) -> Lifted {
    let half = half_of(i, size(i, BHS)?);
    let args = [l.vn(i), l.vm(i)];
    let r = l.b.vec(op, wide_of(half), &args);
    let r = l.b.vec_imm(shift, half, &[r], half.ebits() as u64);
    l.set_narrow(i, r)
}

rows! { high_narrow:
    addhn(Op::VAdd, Op::VShrn);
    raddhn(Op::VAdd, Op::VRshrn);
    subhn(Op::VSub, Op::VShrn);
    rsubhn(Op::VSub, Op::VRshrn);
}

/// Vd := Vn `op` Vm, or Vd `sum` that: products of lanes of type `half`, twice as wide.
pub fn product(l: &mut Lifter<'_>, i: Insn, half: Arr, [n, m]: [Value; 2], op: Op, sum: Option<Op>) -> Lifted {
    let r = l.b.vec_imm(op, half, &[n, m], part(i));
    match sum {
        Some(sum) => l.accumulate(i, sum, wide_of(half), r),
        None => l.set_vd(i, r),
    }
}

fn mul_long(l: &mut Lifter<'_>, i: Insn, op: Op, sum: Option<Op>, sizes: u8) -> Lifted {
    let half = half_of(i, size(i, sizes)?);
    let args = [l.vn(i), l.vm(i)];
    product(l, i, half, args, op, sum)
}

rows! { mul_long:
    smlal(Op::VSmull, Some(Op::VAdd), BHS);
    umlal(Op::VUmull, Some(Op::VAdd), BHS);
    smlsl(Op::VSmull, Some(Op::VSub), BHS);
    umlsl(Op::VUmull, Some(Op::VSub), BHS);
    smull(Op::VSmull, None, BHS);
    umull(Op::VUmull, None, BHS);
    sqdmlal(Op::VSqdmull, Some(Op::VSqadd), HS);
    sqdmlsl(Op::VSqdmull, Some(Op::VSqsub), HS);
    sqdmull(Op::VSqdmull, None, HS);
}

/// PMULL: bytes, or one product of 64-bit lanes.
pub fn pmull(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let half = match i.bits(23, 22) {
        0 => Arr::B8,
        3 => {
            l.need(features::PMULL)?;
            Arr::D
        }
        _ => return Err(Undefined),
    };
    let args = [l.vn(i), l.vm(i)];
    product(l, i, half, args, Op::VPmull, None)
}
