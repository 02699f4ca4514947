//! Advanced SIMD three same (vector and scalar), and pairwise scalar addition.

use super::lift::{Insn, Lifted, Lifter};
use super::simd_common::*;
use crate::ir::{Arr, Op};

fn same(l: &mut Lifter<'_>, i: Insn, op: Op, sizes: u8) -> Lifted {
    let arr = sized(i, sizes)?;
    l.vbinary(i, op, arr)
}

rows! { same:
    shadd(Op::VShadd, BHS);
    uhadd(Op::VUhadd, BHS);
    sqadd(Op::VSqadd, BHSD);
    uqadd(Op::VUqadd, BHSD);
    srhadd(Op::VSrhadd, BHS);
    urhadd(Op::VUrhadd, BHS);
    shsub(Op::VShsub, BHS);
    uhsub(Op::VUhsub, BHS);
    sqsub(Op::VSqsub, BHSD);
    uqsub(Op::VUqsub, BHSD);
    cmgt(Op::VCmpGt, BHSD);
    cmhi(Op::VCmpHi, BHSD);
    cmge(Op::VCmpGe, BHSD);
    cmhs(Op::VCmpHs, BHSD);
    cmeq(Op::VCmpEq, BHSD);
    cmtst(Op::VTst, BHSD);
    sshl(Op::VSshl, BHSD);
    ushl(Op::VUshl, BHSD);
    sqshl(Op::VSqshl, BHSD);
    uqshl(Op::VUqshl, BHSD);
    srshl(Op::VSrshl, BHSD);
    urshl(Op::VUrshl, BHSD);
    sqrshl(Op::VSqrshl, BHSD);
    uqrshl(Op::VUqrshl, BHSD);
    smax(Op::VSmax, BHS);
    umax(Op::VUmax, BHS);
    smin(Op::VSmin, BHS);
    umin(Op::VUmin, BHS);
    sabd(Op::VSabd, BHS);
    uabd(Op::VUabd, BHS);
    add(Op::VAdd, BHSD);
    sub(Op::VSub, BHSD);
    mul(Op::VMul, BHS);
    pmul(Op::VPmul, B);
    smaxp(Op::VSmaxp, BHS);
    umaxp(Op::VUmaxp, BHS);
    sminp(Op::VSminp, BHS);
    uminp(Op::VUminp, BHS);
    addp(Op::VAddp, BHSD);
    sqdmulh(Op::VSqdmulh, HS);
    sqrdmulh(Op::VSqrdmulh, HS);
}

/// Vd := Vd `sum` (Vn `op` Vm).
fn accumulating(l: &mut Lifter<'_>, i: Insn, op: Op, sum: Op) -> Lifted {
    let arr = sized(i, BHS)?;
    let args = [l.vn(i), l.vm(i)];
    let r = l.b.vec(op, arr, &args);
    l.accumulate(i, sum, arr, r)
}

rows! { accumulating:
    saba(Op::VSabd, Op::VAdd);
    uaba(Op::VUabd, Op::VAdd);
    mla(Op::VMul, Op::VAdd);
    mls(Op::VMul, Op::VSub);
}

fn bitwise(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    l.vbinary(i, op, i.arr_of(0))
}

rows! { bitwise:
    and(Op::VAnd);
    bic(Op::VAndn);
    orn(Op::VOrn);
}

/// ORR, or the move that it is with one operand.
pub fn orr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    if i.rn() != i.rm() {
        return bitwise(l, i, Op::VOr);
    }
    if !i.q() {
        return l.vunary(i, Op::VLow, Arr::D1);
    }
    let n = l.vn(i);
    l.set_vd(i, n)
}

/// EOR, or the zero that it is with one operand.
pub fn eor(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    if i.rn() != i.rm() {
        return bitwise(l, i, Op::VXor);
    }
    let zero = l.b.vconst(Arr::D2, 0);
    l.set_vd(i, zero)
}

/// BSL, BIT, BIF: which of (d, n, m) are the mask, what it takes and what it leaves.
fn select(l: &mut Lifter<'_>, i: Insn, order: [usize; 3]) -> Lifted {
    let dnm = [l.vd(i), l.vn(i), l.vm(i)];
    let r = l.b.vec(Op::VBsl, i.arr_of(0), &order.map(|k| dnm[k]));
    l.set_vd(i, r)
}

rows! { select:
    bsl([0, 1, 2]);
    bit([2, 1, 0]);
    bif([2, 0, 1]);
}

/// ADDP Dd, Vn.2D.
pub fn addp_scalar(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.vn(i);
    let r = l.b.vec(Op::VAddp, Arr::D, &[n, n]);
    l.set_vd(i, r)
}
