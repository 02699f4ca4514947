//! Floating point in Advanced SIMD: vector forms and the scalar forms of the same encodings.
//!
//! One function lifts both: bit 28 tells the scalar form, bit 22 single or double, and [`half`] half precision.

use super::fp::lifts;
use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Op, Round, Value};

/// Whether this is a half-precision encoding: each group says so in its own way.
fn half(i: Insn) -> bool {
    match (i.bit(24), i.bit(10)) {
        // Fixed point: immh is 001x. By element: size is 0.
        (true, true) => i.bits(22, 20) == 1,
        (true, false) => i.bits(23, 22) == 0,
        // Three of the same type, two registers, pairs and across.
        (false, true) => !i.bit(21),
        (false, false) => i.bits(21, 17) == 0b11100 || (i.bits(21, 17) == 0b11000 && !i.bit(29)),
    }
}

/// The scalar that an instruction works on.
fn scalar(i: Insn) -> Arr {
    match (half(i), i.bit(22)) {
        (true, _) => Arr::H,
        (_, true) => Arr::D,
        _ => Arr::S,
    }
}

/// The lanes that an instruction works on; one double in a 64-bit vector is reserved.
fn lanes(i: Insn) -> Result<Arr, Undefined> {
    match (i.bit(28), scalar(i), i.q()) {
        (true, arr, _) => Ok(arr),
        (_, Arr::D, false) => Err(Undefined),
        (_, arr, _) => Ok(i.arr_of(arr.log2())),
    }
}

lifts! {
    fadd => three_same(Op::FAdd);
    fsub => three_same(Op::FSub);
    fmul => three_same(Op::FMul);
    fmulx => three_same(Op::FMulx);
    fdiv => three_same(Op::FDiv);
    fabd => three_same(Op::FAbd);
    fmax => three_same(Op::FMax);
    fmin => three_same(Op::FMin);
    fmaxnm => three_same(Op::FMaxnm);
    fminnm => three_same(Op::FMinnm);
    faddp => three_same(Op::FAddp);
    fmaxp => three_same(Op::FMaxp);
    fminp => three_same(Op::FMinp);
    fmaxnmp => three_same(Op::FMaxnmp);
    fminnmp => three_same(Op::FMinnmp);
    fcmeq => three_same(Op::FCmpEq);
    fcmge => three_same(Op::FCmpGe);
    fcmgt => three_same(Op::FCmpGt);
    frecps => three_same(Op::FRecps);
    frsqrts => three_same(Op::FRsqrts);
    facge => compare_abs(Op::FCmpGe);
    facgt => compare_abs(Op::FCmpGt);
    fmla => multiply_add(false);
    fmls => multiply_add(true);
}

fn three_same(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = lanes(i)?;
    let (n, m) = (l.v(i.rn()), l.v(i.rm()));
    let r = l.b.vec(op, arr, &[n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

fn compare_abs(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = lanes(i)?;
    let (n, m) = (l.v(i.rn()), l.v(i.rm()));
    let n = l.b.vec(Op::FAbs, arr, &[n]);
    let m = l.b.vec(Op::FAbs, arr, &[m]);
    let r = l.b.vec(op, arr, &[n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

fn multiply_add(l: &mut Lifter<'_>, i: Insn, subtract: bool) -> Lifted {
    let arr = lanes(i)?;
    let m = l.v(i.rm());
    accumulate(l, i, arr, m, subtract);
    Ok(())
}

/// d + n * m, or with the multiplicand negated.
fn accumulate(l: &mut Lifter<'_>, i: Insn, arr: Arr, m: Value, subtract: bool) {
    let (d, mut n) = (l.v(i.rd()), l.v(i.rn()));
    if subtract {
        n = l.b.vec(Op::FNeg, arr, &[n]);
    }
    let r = l.b.vec(Op::FMla, arr, &[d, n, m]);
    l.set_v(i.rd(), r);
}

lifts! {
    fabs => two_misc(Op::FAbs, 0);
    fneg => two_misc(Op::FNeg, 0);
    fsqrt => two_misc(Op::FSqrt, 0);
    frecpe => two_misc(Op::FRecpe, 0);
    frecpx => two_misc(Op::FRecpx, 0);
    frsqrte => two_misc(Op::FRsqrte, 0);
    frintn => two_misc(Op::FRint, Round::Nearest as u64);
    frintp => two_misc(Op::FRint, Round::Up as u64);
    frintm => two_misc(Op::FRint, Round::Down as u64);
    frintz => two_misc(Op::FRint, Round::Zero as u64);
    frinta => two_misc(Op::FRint, Round::Away as u64);
    frintx => two_misc(Op::FRint, Round::CurrentExact as u64);
    frinti => two_misc(Op::FRint, Round::Current as u64);
    fcvtns => two_misc(Op::FToS, Round::Nearest as u64);
    fcvtnu => two_misc(Op::FToU, Round::Nearest as u64);
    fcvtps => two_misc(Op::FToS, Round::Up as u64);
    fcvtpu => two_misc(Op::FToU, Round::Up as u64);
    fcvtms => two_misc(Op::FToS, Round::Down as u64);
    fcvtmu => two_misc(Op::FToU, Round::Down as u64);
    fcvtzs => two_misc(Op::FToS, Round::Zero as u64);
    fcvtzu => two_misc(Op::FToU, Round::Zero as u64);
    fcvtas => two_misc(Op::FToS, Round::Away as u64);
    fcvtau => two_misc(Op::FToU, Round::Away as u64);
    scvtf => two_misc(Op::SToF, 0);
    ucvtf => two_misc(Op::UToF, 0);
    fcmeq_zero => compare_zero(Op::FCmpEq, false);
    fcmge_zero => compare_zero(Op::FCmpGe, false);
    fcmgt_zero => compare_zero(Op::FCmpGt, false);
    fcmle_zero => compare_zero(Op::FCmpGe, true);
    fcmlt_zero => compare_zero(Op::FCmpGt, true);
}

fn two_misc(l: &mut Lifter<'_>, i: Insn, op: Op, imm: u64) -> Lifted {
    let arr = lanes(i)?;
    let n = l.v(i.rn());
    let r = l.b.vec_imm(op, arr, &[n], imm);
    l.set_v(i.rd(), r);
    Ok(())
}

/// n against zero, or zero against n.
fn compare_zero(l: &mut Lifter<'_>, i: Insn, op: Op, swap: bool) -> Lifted {
    let arr = lanes(i)?;
    let n = l.v(i.rn());
    let zero = l.b.vconst(arr, 0);
    let r = l.b.vec(op, arr, &if swap { [zero, n] } else { [n, zero] });
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    scvtf_fixed => fixed(Op::SToF, 0);
    ucvtf_fixed => fixed(Op::UToF, 0);
    fcvtzs_fixed => fixed(Op::FToS, Round::Zero as u64);
    fcvtzu_fixed => fixed(Op::FToU, Round::Zero as u64);
}

/// Conversions in the encoding of shifts: immh:immb is 64 or 128 less the fraction bits, and tells the element size by its top bit.
fn fixed(l: &mut Lifter<'_>, i: Insn, op: Op, mode: u64) -> Lifted {
    // Bit 22 is that top bit, where the other encodings have their size.
    let arr = lanes(i)?;
    let fraction = 2 * arr.ebits() as u64 - i.bits(22, 16) as u64;
    let n = l.v(i.rn());
    let r = l.b.vec_imm(op, arr, &[n], mode | fraction << 8);
    l.set_v(i.rd(), r);
    Ok(())
}

/// FCVTL, FCVTL2.
pub(super) fn fcvtl(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.vec_imm(Op::FCvtl, if i.bit(22) { Arr::S2 } else { Arr::H4 }, &[n], i.q() as u64);
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    fcvtn => narrow(Round::Current);
    fcvtxn => narrow(Round::Odd);
}

/// To half the element size; the `2` forms fill the high half and keep the low one.
fn narrow(l: &mut Lifter<'_>, i: Insn, mode: Round) -> Lifted {
    let to = match (i.bit(28), i.bit(22)) {
        (true, _) => Arr::S,
        (_, true) => Arr::S2,
        (_, false) => Arr::H4,
    };
    let n = l.v(i.rn());
    let mut r = l.b.vec_imm(Op::FCvtn, to, &[n], mode as u64);
    if i.q() && to != Arr::S {
        let d = l.v(i.rd());
        r = l.b.vec_imm(Op::VInsertLane, Arr::D2, &[d, r], 1 << 8);
    }
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    faddp_scalar => pair(Op::FAddp);
    fmaxp_scalar => pair(Op::FMaxp);
    fminp_scalar => pair(Op::FMinp);
    fmaxnmp_scalar => pair(Op::FMaxnmp);
    fminnmp_scalar => pair(Op::FMinnmp);
    fmaxv => across(Op::FMaxp);
    fminv => across(Op::FMinp);
    fmaxnmv => across(Op::FMaxnmp);
    fminnmv => across(Op::FMinnmp);
}

/// The two low lanes into one.
fn pair(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.vec(op, scalar(i), &[n, n]);
    l.set_v(i.rd(), r);
    Ok(())
}

/// Four or eight numbers into one: as a tree, (0, 1) and (2, 3) first.
fn across(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = lanes(i)?;
    let mut v = l.v(i.rn());
    let mut left = arr.lanes();
    while left > 2 {
        v = l.b.vec(op, arr, &[v, v]);
        left /= 2;
    }
    let r = l.b.vec(op, scalar(i), &[v, v]);
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    fmul_elem => by_element(Op::FMul);
    fmulx_elem => by_element(Op::FMulx);
    fmla_elem => multiply_add_element(false);
    fmls_elem => multiply_add_element(true);
}

/// The lanes, the register and the number of the element that all of them take from it.
fn element(i: Insn) -> Result<(Arr, u8, u64), Undefined> {
    let arr = lanes(i)?;
    let (h, l, m) = (i.bit(11) as u64, i.bit(21) as u64, i.bit(20) as u64);
    match (arr.log2(), l) {
        (1, _) => Ok((arr, i.rm() & 15, h << 2 | l << 1 | m)),
        (2, _) => Ok((arr, i.rm(), h << 1 | l)),
        (_, 0) => Ok((arr, i.rm(), h)),
        _ => Err(Undefined),
    }
}

fn by_element(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let (arr, m, index) = element(i)?;
    let (n, m) = (l.v(i.rn()), l.v(m));
    let m = l.b.vec_imm(Op::VDupLane, arr, &[m], index);
    let r = l.b.vec(op, arr, &[n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

fn multiply_add_element(l: &mut Lifter<'_>, i: Insn, subtract: bool) -> Lifted {
    let (arr, m, index) = element(i)?;
    let m = l.v(m);
    let m = l.b.vec_imm(Op::VDupLane, arr, &[m], index);
    accumulate(l, i, arr, m, subtract);
    Ok(())
}

lifts! {
    fmlal => multiply_add_long(false, false, 0);
    fmlsl => multiply_add_long(true, false, 0);
    fmlal2 => multiply_add_long(false, false, 1);
    fmlsl2 => multiply_add_long(true, false, 1);
    fmlal_elem => multiply_add_long(false, true, 0);
    fmlsl_elem => multiply_add_long(true, true, 0);
    fmlal2_elem => multiply_add_long(false, true, 1);
    fmlsl2_elem => multiply_add_long(true, true, 1);
}

/// d + n * m: singles and the lower or upper (`part`) halves that fit.
fn multiply_add_long(l: &mut Lifter<'_>, i: Insn, subtract: bool, elem: bool, part: u64) -> Lifted {
    let arr = i.arr_of(2);
    // Of a 64-bit operand, too, there is an upper part: a quarter of the register.
    let at = if i.q() { part } else { 0 };
    let (d, mut n) = (l.v(i.rd()), l.v(i.rn()));
    let mut m = if elem {
        let m = l.v(i.rm() & 15);
        let index = (i.bit(11) as u64) << 2 | (i.bit(21) as u64) << 1 | i.bit(20) as u64;
        l.b.vec_imm(Op::VDupLane, Arr::H8, &[m], index)
    } else {
        l.v(i.rm())
    };
    if at != part {
        n = l.b.vec_imm(Op::VDupLane, Arr::S4, &[n], 1);
        m = l.b.vec_imm(Op::VDupLane, Arr::S4, &[m], 1);
    }
    if subtract {
        n = l.b.vec(Op::FNeg, Arr::H8, &[n]);
    }
    let r = l.b.vec_imm(Op::FMlal, arr, &[d, n, m], at);
    l.set_v(i.rd(), r);
    Ok(())
}
