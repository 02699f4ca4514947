//! Scalar floating point: data processing, compares, moves and conversions to and from general registers.
//!
//! The rows admit only types that are: a type field here is 0 for single, 1 for double, 3 for half precision.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Op, Round, Type, Value};

/// Lifting functions that differ only in the arguments of a shared one.
macro_rules! lifts {
    ($($name:ident => $shared:ident($($arg:expr),*);)*) => {
        $(pub(super) fn $name(l: &mut Lifter<'_>, i: Insn) -> Lifted { $shared(l, i $(, $arg)*) })*
    };
}
pub(super) use lifts;

/// The type by bits 23..22.
pub(super) fn scalar(i: Insn) -> Arr {
    match i.bits(23, 22) {
        0 => Arr::S,
        3 => Arr::H,
        _ => Arr::D,
    }
}

lifts! {
    fmul => two_source(Op::FMul);
    fdiv => two_source(Op::FDiv);
    fadd => two_source(Op::FAdd);
    fsub => two_source(Op::FSub);
    fmax => two_source(Op::FMax);
    fmin => two_source(Op::FMin);
    fmaxnm => two_source(Op::FMaxnm);
    fminnm => two_source(Op::FMinnm);
}

fn two_source(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let (n, m) = (l.v(i.rn()), l.v(i.rm()));
    let r = l.b.vec(op, scalar(i), &[n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

pub(super) fn fnmul(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (n, m) = (l.v(i.rn()), l.v(i.rm()));
    let r = l.b.vec(Op::FMul, scalar(i), &[n, m]);
    let r = l.b.vec(Op::FNeg, scalar(i), &[r]);
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    fmadd => three_source(false, false);
    fmsub => three_source(false, true);
    fnmadd => three_source(true, true);
    fnmsub => three_source(true, false);
}

/// ±a ± n * m: operands are negated before the operation, NaNs included.
fn three_source(l: &mut Lifter<'_>, i: Insn, neg_addend: bool, neg_product: bool) -> Lifted {
    let arr = scalar(i);
    let (mut a, mut n, m) = (l.v(i.ra()), l.v(i.rn()), l.v(i.rm()));
    if neg_addend {
        a = l.b.vec(Op::FNeg, arr, &[a]);
    }
    if neg_product {
        n = l.b.vec(Op::FNeg, arr, &[n]);
    }
    let r = l.b.vec(Op::FMla, arr, &[a, n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

lifts! {
    fmov => one_source(Op::VLow, 0);
    fabs => one_source(Op::FAbs, 0);
    fneg => one_source(Op::FNeg, 0);
    fsqrt => one_source(Op::FSqrt, 0);
    frintn => one_source(Op::FRint, Round::Nearest as u64);
    frintp => one_source(Op::FRint, Round::Up as u64);
    frintm => one_source(Op::FRint, Round::Down as u64);
    frintz => one_source(Op::FRint, Round::Zero as u64);
    frinta => one_source(Op::FRint, Round::Away as u64);
    frintx => one_source(Op::FRint, Round::CurrentExact as u64);
    frinti => one_source(Op::FRint, Round::Current as u64);
}

fn one_source(l: &mut Lifter<'_>, i: Insn, op: Op, imm: u64) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.vec_imm(op, scalar(i), &[n], imm);
    l.set_v(i.rd(), r);
    Ok(())
}

/// FCVT between two precisions.
pub(super) fn fcvt(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    // ftype and opc alike: 0 single, 1 double, 3 half.
    let log2 = |t: u32| [2u8, 3, 0, 1][t as usize];
    let (from, to) = (log2(i.bits(23, 22)), log2(i.bits(16, 15)));
    if from == 0 || to == 0 || from == to {
        return Err(Undefined);
    }
    let n = l.v(i.rn());
    let r = l.b.vec_imm(Op::FCvt, Arr(from), &[n], to as u64);
    l.set_v(i.rd(), r);
    Ok(())
}

/// VFPExpandImm: the bits of a scalar.
pub(super) fn expand_imm(arr: Arr, imm8: u64) -> u64 {
    let (exp_bits, frac_bits) = match arr {
        Arr::D => (11, 52),
        Arr::S => (8, 23),
        _ => (5, 10),
    };
    let b6 = imm8 >> 6 & 1;
    let ones = b6 * ((1 << (exp_bits - 3)) - 1);
    let exp = (b6 ^ 1) << (exp_bits - 1) | ones << 2 | (imm8 >> 4 & 3);
    (imm8 >> 7) << (exp_bits + frac_bits) | exp << frac_bits | (imm8 & 15) << (frac_bits - 4)
}

pub(super) fn fmov_imm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let arr = scalar(i);
    let v = l.b.vconst(arr, expand_imm(arr, i.bits(20, 13) as u64));
    l.set_v(i.rd(), v);
    Ok(())
}

/// FMOV Wd, Sn and FMOV Xd, Dn.
pub(super) fn fmov_to_int(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (ty, arr) = if i.sf() { (Type::I64, Arr::D) } else { (Type::I32, Arr::S) };
    let n = l.v(i.rn());
    let r = l.b.op(Op::VExtract, ty, &[n], arr.0, 0);
    l.set_r(i.rd(), r);
    Ok(())
}

/// FMOV Sd, Wn and FMOV Dd, Xn.
pub(super) fn fmov_from_int(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.r(i.sf(), i.rn());
    let v = l.b.vec(Op::VFromInt, if i.sf() { Arr::D } else { Arr::S }, &[n]);
    l.set_v(i.rd(), v);
    Ok(())
}

/// FMOV of a half to a general register.
pub(super) fn fmov_half_to_int(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.op(Op::VExtract, Type::I32, &[n], Arr::H.0, 0);
    l.set_r(i.rd(), r);
    Ok(())
}

/// FMOV of a half from a general register.
pub(super) fn fmov_half_from_int(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.w(i.rn());
    let v = l.b.vec(Op::VFromInt, Arr::H, &[n]);
    l.set_v(i.rd(), v);
    Ok(())
}

/// FMOV Xd, Vn.D[1].
pub(super) fn fmov_to_int_top(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.op(Op::VExtract, Type::I64, &[n], Arr::D2.0, 1);
    l.set_r(i.rd(), r);
    Ok(())
}

/// FMOV Vd.D[1], Xn.
pub(super) fn fmov_from_int_top(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (d, n) = (l.v(i.rd()), l.x(i.rn()));
    let v = l.b.vec_imm(Op::VInsert, Arr::D2, &[d, n], 1);
    l.set_v(i.rd(), v);
    Ok(())
}

lifts! {
    fcmp => compare(Op::Fcmp, false);
    fcmpe => compare(Op::Fcmpe, false);
    fcmp_zero => compare(Op::Fcmp, true);
    fcmpe_zero => compare(Op::Fcmpe, true);
    fccmp => compare_cond(Op::Fccmp);
    fccmpe => compare_cond(Op::Fccmpe);
}

fn compare(l: &mut Lifter<'_>, i: Insn, op: Op, zero: bool) -> Lifted {
    let arr = scalar(i);
    let n = l.v(i.rn());
    let m = if zero { l.b.vconst(arr, 0) } else { l.v(i.rm()) };
    let f = l.b.op(op, Type::Flags, &[n, m], arr.0, 0);
    l.set_flags(f);
    Ok(())
}

fn compare_cond(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let (f, n, m) = (l.flags(), l.v(i.rn()), l.v(i.rm()));
    let imm = i.bits(3, 0) as u64 | (scalar(i).0 as u64) << 8;
    let f = l.b.op(op, Type::Flags, &[f, n, m], i.bits(15, 12) as u8, imm);
    l.set_flags(f);
    Ok(())
}

pub(super) fn fcsel(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (f, n, m) = (l.flags(), l.v(i.rn()), l.v(i.rm()));
    let v = l.b.op(Op::VSelect, Type::V128, &[f, n, m], i.bits(15, 12) as u8, 0);
    let v = l.b.vec(Op::VLow, scalar(i), &[v]);
    l.set_v(i.rd(), v);
    Ok(())
}

lifts! {
    fcvtns => to_int(Op::FToSInt, Round::Nearest);
    fcvtnu => to_int(Op::FToUInt, Round::Nearest);
    fcvtps => to_int(Op::FToSInt, Round::Up);
    fcvtpu => to_int(Op::FToUInt, Round::Up);
    fcvtms => to_int(Op::FToSInt, Round::Down);
    fcvtmu => to_int(Op::FToUInt, Round::Down);
    fcvtzs => to_int(Op::FToSInt, Round::Zero);
    fcvtzu => to_int(Op::FToUInt, Round::Zero);
    fcvtas => to_int(Op::FToSInt, Round::Away);
    fcvtau => to_int(Op::FToUInt, Round::Away);
    fcvtzs_fixed => to_fixed(Op::FToSInt);
    fcvtzu_fixed => to_fixed(Op::FToUInt);
    scvtf => from_int(Op::IntSToF);
    ucvtf => from_int(Op::IntUToF);
    scvtf_fixed => from_fixed(Op::IntSToF);
    ucvtf_fixed => from_fixed(Op::IntUToF);
}

fn push_to_int(l: &mut Lifter<'_>, i: Insn, op: Op, imm: u64) -> Value {
    let n = l.v(i.rn());
    l.b.op(op, if i.sf() { Type::I64 } else { Type::I32 }, &[n], scalar(i).0, imm)
}

fn to_int(l: &mut Lifter<'_>, i: Insn, op: Op, mode: Round) -> Lifted {
    let r = push_to_int(l, i, op, mode as u64);
    l.set_r(i.rd(), r);
    Ok(())
}

fn from_int(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let n = l.r(i.sf(), i.rn());
    let v = l.b.vec(op, scalar(i), &[n]);
    l.set_v(i.rd(), v);
    Ok(())
}

/// Fraction bits of a fixed-point form.
fn fraction(i: Insn) -> Result<u64, Undefined> {
    let bits = 64 - i.bits(15, 10) as u64;
    if !i.sf() && bits > 32 {
        return Err(Undefined);
    }
    Ok(bits)
}

fn to_fixed(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let imm = Round::Zero as u64 | fraction(i)? << 8;
    let r = push_to_int(l, i, op, imm);
    l.set_r(i.rd(), r);
    Ok(())
}

fn from_fixed(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let imm = fraction(i)? << 8;
    let n = l.r(i.sf(), i.rn());
    let v = l.b.vec_imm(op, scalar(i), &[n], imm);
    l.set_v(i.rd(), v);
    Ok(())
}
