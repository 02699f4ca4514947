//! FP operations on lanes: what each operation does with the scalars of [`super::softfp`].

use super::softfp::{self as sf, Format, Int};
use super::Env;
use crate::ir::{Arr, Inst, Op, Round, JAVASCRIPT};

type Unary = fn(&mut Env, Format, u64) -> u64;
type Binary = fn(&mut Env, Format, u64, u64) -> u64;

const fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

fn lane(v: u128, bits: u32, n: usize) -> u64 {
    (v >> (n as u32 * bits)) as u64 & mask(bits)
}

/// A vector of the counted lanes, lane 0 first; the rest is zero.
fn build(arr: Arr, mut f: impl FnMut(usize) -> u64) -> u128 {
    (0..arr.lanes()).fold(0, |v, n| v | ((f(n) & mask(arr.ebits())) as u128) << (n as u32 * arr.ebits()))
}

fn unary(env: &mut Env, arr: Arr, a: u128, op: Unary) -> u128 {
    let f = Format::from_log2(arr.log2());
    build(arr, |n| op(env, f, lane(a, arr.ebits(), n)))
}

fn binary(env: &mut Env, arr: Arr, a: u128, b: u128, op: Binary) -> u128 {
    let f = Format::from_log2(arr.log2());
    build(arr, |n| op(env, f, lane(a, arr.ebits(), n), lane(b, arr.ebits(), n)))
}

/// Adjacent lanes of b:a; for a scalar the two low lanes of a.
fn pairwise(env: &mut Env, arr: Arr, a: u128, b: u128, op: Binary) -> u128 {
    let f = Format::from_log2(arr.log2());
    let (lanes, bits) = (arr.lanes(), arr.ebits());
    build(arr, |n| {
        let (src, first) = if lanes > 1 && n >= lanes / 2 { (b, 2 * n - lanes) } else { (a, 2 * n) };
        op(env, f, lane(src, bits, first), lane(src, bits, first + 1))
    })
}

fn abs_diff(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    sf::sub(env, f, a, b) & !f.sign_bit()
}

fn cmp_eq(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    sf::compare(env, f, a, b, false).map_or(0, |o| if o.is_eq() { u64::MAX } else { 0 })
}

fn cmp_ge(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    sf::compare(env, f, a, b, true).map_or(0, |o| if o.is_ge() { u64::MAX } else { 0 })
}

fn cmp_gt(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    sf::compare(env, f, a, b, true).map_or(0, |o| if o.is_gt() { u64::MAX } else { 0 })
}

fn binary_op(op: Op) -> Option<Binary> {
    Some(match op {
        Op::FAdd => sf::add,
        Op::FSub => sf::sub,
        Op::FMul => sf::mul,
        Op::FMulx => sf::mulx,
        Op::FDiv => sf::div,
        Op::FAbd => abs_diff,
        Op::FMax => sf::max,
        Op::FMin => sf::min,
        Op::FMaxnm => sf::max_num,
        Op::FMinnm => sf::min_num,
        Op::FCmpEq => cmp_eq,
        Op::FCmpGe => cmp_ge,
        Op::FCmpGt => cmp_gt,
        Op::FRecps => sf::recip_step,
        Op::FRsqrts => sf::rsqrt_step,
        _ => return None,
    })
}

fn pairwise_op(op: Op) -> Option<Binary> {
    Some(match op {
        Op::FAddp => sf::add,
        Op::FMaxp => sf::max,
        Op::FMinp => sf::min,
        Op::FMaxnmp => sf::max_num,
        Op::FMinnmp => sf::min_num,
        _ => return None,
    })
}

fn unary_op(op: Op) -> Option<Unary> {
    Some(match op {
        Op::FSqrt => sf::sqrt,
        Op::FAbs => |_, f, a| a & !f.sign_bit(),
        Op::FNeg => |_, f, a| a ^ f.sign_bit(),
        Op::FRecpe => sf::recip_estimate,
        Op::FRecpx => sf::recip_exponent,
        Op::FRsqrte => sf::rsqrt_estimate,
        _ => return None,
    })
}

/// Flags of comparing lane 0.
fn compare(env: &mut Env, arr: Arr, a: u128, b: u128, signal: bool) -> u128 {
    let bits = arr.ebits();
    sf::compare_flags(env, Format::from_log2(arr.log2()), lane(a, bits, 0), lane(b, bits, 0), signal) as u128
}

/// To integers: lanes of the same size, or lane 0 to a register of `to` bits.
fn to_int(env: &mut Env, i: &Inst, a: u128, signed: bool, to: Option<u32>) -> u128 {
    let arr = i.arr();
    let (f, bits) = (Format::from_log2(arr.log2()), arr.ebits());
    let int = Int { width: to.unwrap_or(bits), signed, fraction: (i.imm >> 8) as u32 & 127 };
    let mut one = |n| sf::to_fixed(env, f, lane(a, bits, n), int, Round::from_bits(i.imm));
    match to {
        Some(_) => one(0) as u128,
        None => build(arr, one),
    }
}

/// From integers: lanes of the same size, or a register of `from` bits to lane 0.
fn from_int(env: &mut Env, i: &Inst, a: u128, signed: bool, from: Option<u32>) -> u128 {
    let arr = i.arr();
    let bits = from.unwrap_or(arr.ebits());
    let int = Int { width: bits, signed, fraction: (i.imm >> 8) as u32 & 127 };
    build(arr, |n| sf::from_fixed(env, Format::from_log2(arr.log2()), lane(a, bits, n), int))
}

/// Between formats: lane `n` of the result from lane `n + skip`.
fn convert(env: &mut Env, from: Arr, to: Arr, a: u128, skip: usize, mode: Round) -> u128 {
    let (ff, tf) = (Format::stored_from_log2(from.log2()), Format::stored_from_log2(to.log2()));
    build(to, |n| sf::convert(env, ff, tf, lane(a, from.ebits(), n + skip), mode))
}

/// Singles to BFloat16.
fn to_bf16(env: &mut Env, to: Arr, a: u128) -> u128 {
    build(to, |n| sf::convert(env, Format::SINGLE, Format::BF16, lane(a, 32, n), Round::Current))
}

/// FCVTL: the low (part 0) or high half of the source's 128 bits, to lanes of twice the size.
fn lengthen(env: &mut Env, i: &Inst, a: u128) -> u128 {
    let from = i.arr();
    let to = Arr::new(from.log2() + 1, crate::ir::Width::W128);
    let skip = if i.imm & 1 != 0 { to.lanes() } else { 0 };
    convert(env, from, to, a, skip, Round::Current)
}

/// See [`super::eval`].
pub fn eval(i: &Inst, a: [u128; 3], src_bits: u32, env: &mut Env) -> u128 {
    let arr = i.arr();
    if let Some(op) = binary_op(i.op) {
        return binary(env, arr, a[0], a[1], op);
    }
    if let Some(op) = unary_op(i.op) {
        return unary(env, arr, a[0], op);
    }
    if let Some(op) = pairwise_op(i.op) {
        return pairwise(env, arr, a[0], a[1], op);
    }
    let f = Format::from_log2(arr.log2());
    let bits = arr.ebits();
    match i.op {
        Op::FMla => build(arr, |n| sf::mul_add(env, f, lane(a[0], bits, n), lane(a[1], bits, n), lane(a[2], bits, n))),
        Op::FMlal => {
            let skip = if i.imm & 1 != 0 { arr.lanes() } else { 0 };
            build(arr, |n| sf::mul_add_long(env, lane(a[0], 32, n), lane(a[1], 16, n + skip), lane(a[2], 16, n + skip)))
        }
        Op::FRint if i.imm >> 8 != 0 => {
            build(arr, |n| sf::round_int_n(env, f, lane(a[0], bits, n), Round::from_bits(i.imm), (i.imm >> 8) as u32))
        }
        Op::FRint => build(arr, |n| sf::round_int(env, f, lane(a[0], bits, n), Round::from_bits(i.imm))),
        Op::Fcmp | Op::Fcmpe => compare(env, arr, a[0], a[1], i.op == Op::Fcmpe),
        Op::Fccmp | Op::Fccmpe if i.cond().holds(a[0] as u8) => {
            compare(env, Arr((i.imm >> 8) as u8), a[1], a[2], i.op == Op::Fccmpe)
        }
        Op::Fccmp | Op::Fccmpe => (i.imm & 15) as u128,
        Op::FToS | Op::FToU => to_int(env, i, a[0], i.op == Op::FToS, None),
        Op::FToSInt if i.imm & JAVASCRIPT != 0 => sf::to_int_javascript(env, lane(a[0], 64, 0)) as u128,
        Op::FToSInt | Op::FToUInt => to_int(env, i, a[0], i.op == Op::FToSInt, Some(i.ty.bits())),
        Op::SToF | Op::UToF => from_int(env, i, a[0], i.op == Op::SToF, None),
        Op::IntSToF | Op::IntUToF => from_int(env, i, a[0], i.op == Op::IntSToF, Some(src_bits)),
        Op::FCvt if i.imm == 0 => to_bf16(env, Arr::H, a[0]),
        Op::FCvtn if i.imm & 8 != 0 => to_bf16(env, arr, a[0]),
        Op::FCvt => convert(env, arr, Arr::new(i.imm as u8 & 3, crate::ir::Width::Scalar), a[0], 0, Round::Current),
        Op::FCvtl => lengthen(env, i, a[0]),
        Op::FCvtn => convert(env, arr.with_log2(arr.log2() + 1), arr, a[0], 0, Round::from_bits(i.imm)),
        op => unreachable!("{op:?} is no FP operation"),
    }
}
