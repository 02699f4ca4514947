//! Advanced SIMD shift by immediate (vector and scalar).

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use crate::ir::{Arr, Op, Value};

/// log2 of the element size: the highest one of immh.
fn log2(i: Insn) -> Result<u8, Undefined> {
    match i.bits(22, 19) {
        0 => Err(Undefined),
        immh => Ok(immh.ilog2() as u8),
    }
}

/// Amount of a left shift: immh:immb less the element size.
fn left(i: Insn, arr: Arr) -> u64 {
    (i.bits(22, 16) - arr.ebits()) as u64
}

/// Amount of a right shift: twice the element size less immh:immb.
fn right(i: Insn, arr: Arr) -> u64 {
    (2 * arr.ebits() - i.bits(22, 16)) as u64
}

fn shifted_right(l: &mut Lifter<'_>, i: Insn, op: Op, arr: Arr) -> Value {
    let n = l.vn(i);
    l.b.vec_imm(op, arr, &[n], right(i, arr))
}

fn shift_right(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = arr_of(i, log2(i)?)?;
    let r = shifted_right(l, i, op, arr);
    l.set_vd(i, r)
}

rows! { shift_right:
    sshr(Op::VSshrI);
    ushr(Op::VUshrI);
    srshr(Op::VSrshrI);
    urshr(Op::VUrshrI);
}

fn shift_right_add(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = arr_of(i, log2(i)?)?;
    let r = shifted_right(l, i, op, arr);
    l.accumulate(i, Op::VAdd, arr, r)
}

rows! { shift_right_add:
    ssra(Op::VSshrI);
    usra(Op::VUshrI);
    srsra(Op::VSrshrI);
    ursra(Op::VUrshrI);
}

fn shift_left(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = arr_of(i, log2(i)?)?;
    let n = l.vn(i);
    let r = match left(i, arr) {
        0 if op == Op::VShlI => l.b.vec(Op::VLow, arr, &[n]),
        by => l.b.vec_imm(op, arr, &[n], by),
    };
    l.set_vd(i, r)
}

rows! { shift_left:
    shl(Op::VShlI);
    sqshl(Op::VSqshlI);
    uqshl(Op::VUqshlI);
    sqshlu(Op::VSqshluI);
}

fn insert(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = arr_of(i, log2(i)?)?;
    let by = if op == Op::VSliI { left(i, arr) } else { right(i, arr) };
    let args = [l.vd(i), l.vn(i)];
    let r = l.b.vec_imm(op, arr, &args, by);
    l.set_vd(i, r)
}

rows! { insert:
    sli(Op::VSliI);
    sri(Op::VSriI);
}

fn narrow(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let half = half_of(i, below_d(i)?);
    let r = shifted_right(l, i, op, half);
    l.set_narrow(i, r)
}

/// log2 of the narrow element size: there is none above 32 bits.
fn below_d(i: Insn) -> Result<u8, Undefined> {
    match log2(i)? {
        3 => Err(Undefined),
        log2 => Ok(log2),
    }
}

rows! { narrow:
    shrn(Op::VShrn);
    rshrn(Op::VRshrn);
    sqshrn(Op::VSqshrn);
    sqrshrn(Op::VSqrshrn);
    uqshrn(Op::VUqshrn);
    uqrshrn(Op::VUqrshrn);
    sqshrun(Op::VSqshrun);
    sqrshrun(Op::VSqrshrun);
}

fn long(l: &mut Lifter<'_>, i: Insn, unsigned: bool) -> Lifted {
    let half = half_of(i, below_d(i)?);
    let n = l.vn(i);
    let mut r = l.extend(i, half, n, unsigned);
    let by = left(i, half);
    if by != 0 {
        r = l.b.vec_imm(Op::VShlI, wide_of(half), &[r], by);
    }
    l.set_vd(i, r)
}

rows! { long:
    sshll(false);
    ushll(true);
}
