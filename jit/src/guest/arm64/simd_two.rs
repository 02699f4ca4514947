//! Advanced SIMD two-register miscellaneous (vector and scalar).

use super::lift::{Insn, Lifted, Lifter};
use super::simd_common::*;
use crate::ir::{Arr, Op, Width};

fn unary(l: &mut Lifter<'_>, i: Insn, op: Op, sizes: u8) -> Lifted {
    let arr = sized(i, sizes)?;
    l.vunary(i, op, arr)
}

rows! { unary:
    cls(Op::VCls, BHS);
    clz(Op::VClz, BHS);
    cnt(Op::VCnt, B);
    abs(Op::VAbs, BHSD);
    neg(Op::VNeg, BHSD);
    sqabs(Op::VSqabs, BHSD);
    sqneg(Op::VSqneg, BHSD);
    urecpe(Op::VUrecpe, S);
    ursqrte(Op::VUrsqrte, S);
    saddlp(Op::VSaddlp, BHS);
    uaddlp(Op::VUaddlp, BHS);
}

fn bytewise(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    l.vunary(i, op, i.arr_of(0))
}

rows! { bytewise:
    not(Op::VNot);
    rbit(Op::VRbit);
}

fn rev(l: &mut Lifter<'_>, i: Insn, container: u64, sizes: u8) -> Lifted {
    let arr = sized(i, sizes)?;
    let n = l.vn(i);
    let r = l.b.vec_imm(Op::VRev, arr, &[n], container);
    l.set_vd(i, r)
}

rows! { rev:
    rev64(8, BHS);
    rev32(4, BH);
    rev16(2, B);
}

fn add_pairs(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = sized(i, BHS)?;
    let n = l.vn(i);
    let r = l.b.vec(op, arr, &[n]);
    l.accumulate(i, Op::VAdd, arr.with_log2(arr.log2() + 1), r)
}

rows! { add_pairs:
    sadalp(Op::VSaddlp);
    uadalp(Op::VUaddlp);
}

fn accumulating(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = sized(i, BHSD)?;
    let n = l.vn(i);
    l.accumulate(i, op, arr, n)
}

rows! { accumulating:
    suqadd(Op::VSuqadd);
    usqadd(Op::VUsqadd);
}

/// Comparison with zero; `swapped`: of zero with Vn.
fn compare(l: &mut Lifter<'_>, i: Insn, op: Op, swapped: bool) -> Lifted {
    let arr = sized(i, BHSD)?;
    let n = l.vn(i);
    let zero = l.b.vconst(Arr::D2, 0);
    let r = l.b.vec(op, arr, &if swapped { [zero, n] } else { [n, zero] });
    l.set_vd(i, r)
}

rows! { compare:
    cmgt(Op::VCmpGt, false);
    cmge(Op::VCmpGe, false);
    cmeq(Op::VCmpEq, false);
    cmle(Op::VCmpGe, true);
    cmlt(Op::VCmpGt, true);
}

fn narrow(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let half = half_of(i, size(i, BHS)?);
    let n = l.vn(i);
    let r = l.b.vec_imm(op, half, &[n], 0);
    l.set_narrow(i, r)
}

rows! { narrow:
    xtn(Op::VShrn);
    sqxtn(Op::VSqshrn);
    uqxtn(Op::VUqshrn);
    sqxtun(Op::VSqshrun);
}

/// SHLL: lengthen, then shift left by the old lane size.
pub fn shll(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let half = Arr::new(size(i, BHS)?, Width::W64);
    let n = l.vn(i);
    let r = l.extend(i, half, n, true);
    let r = l.b.vec_imm(Op::VShlI, wide_of(half), &[r], half.ebits() as u64);
    l.set_vd(i, r)
}
