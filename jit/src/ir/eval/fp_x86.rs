//! FP operations on lanes by x86's rules: see [`crate::ir::FpRules`].

use super::x86fp::{ex, split, Env, Format, Num, Rc, F16, F32, F64};
use crate::ir::{Inst, Op, Round};
use std::cmp::Ordering;

/// What is done with unpacked operands.
type Binary = fn(&mut Env, Format, Num, Num) -> u128;

fn mask(bits: u32) -> u128 {
    u128::MAX >> (128 - bits)
}

fn lane(v: u128, bits: u32, n: usize) -> u128 {
    v >> (n as u32 * bits) & mask(bits)
}

/// The operands of an operation, and whether a denormal is among them.
fn operands<const N: usize>(env: &Env, f: Format, v: [u128; N]) -> ([Num; N], bool) {
    let mut denormal = false;
    let n = v.map(|v| match split(f, v) {
        (n, true) if env.daz => Num::Zero(n.sign()),
        (n, d) => {
            denormal |= d;
            n
        }
    });
    (n, denormal)
}

/// One operation: its exceptions in the order of their priority. Denormal operands count unless something worse is found; what is not masked
/// among the operands' exceptions keeps those of the result from being looked for.
pub fn guarded<const N: usize>(env: &mut Env, f: Format, v: [u128; N], op: impl FnOnce(&mut Env, [Num; N]) -> u128) -> u128 {
    let (n, denormal) = operands(env, f, v);
    if let Some(nan) = env.propagate(f, &n) {
        return nan;
    }
    let before = std::mem::take(&mut env.raised);
    let r = op(env, n);
    settle(env, before, denormal);
    r
}

/// The end of [`guarded`].
fn settle(env: &mut Env, before: u32, denormal: bool) {
    if denormal && env.raised & (ex::I | ex::Z) == 0 {
        env.raised |= ex::D;
        if env.masked & ex::D == 0 {
            env.raised = ex::D;
        }
    }
    env.raised |= before;
}

fn binary(env: &mut Env, f: Format, a: u128, b: u128, op: Binary) -> u128 {
    guarded(env, f, [a, b], |env, [a, b]| op(env, f, a, b))
}

fn negated(n: Num) -> Num {
    match n {
        Num::Zero(s) => Num::Zero(!s),
        Num::Inf(s) => Num::Inf(!s),
        Num::Finite(s, e, m) => Num::Finite(!s, e, m),
        n => n,
    }
}

fn sub(env: &mut Env, f: Format, a: Num, b: Num) -> u128 {
    env.add(f, a, negated(b))
}

/// The second operand unless the first is less (greater).
fn minmax(env: &mut Env, f: Format, a: u128, b: u128, want: Ordering) -> u128 {
    let ([x, y], denormal) = operands(env, f, [a, b]);
    let before = std::mem::take(&mut env.raised);
    let order = env.compare(x, y, true);
    settle(env, before, denormal && order.is_some());
    let flush = |v: u128, n: Num| if matches!(n, Num::Zero(_)) { f.zero(n.sign()) } else { v };
    if order == Some(want) {
        flush(a, x)
    } else {
        flush(b, y)
    }
}

/// The order of two images.
fn compare(env: &mut Env, f: Format, a: u128, b: u128, signal: bool) -> Option<Ordering> {
    let ([x, y], denormal) = operands(env, f, [a, b]);
    let before = std::mem::take(&mut env.raised);
    let order = env.compare(x, y, signal);
    settle(env, before, denormal && order.is_some());
    order
}

/// a * b + c; `imm` as of `Op::FFma`.
fn fma(env: &mut Env, f: Format, [a, b, c]: [u128; 3], negate: bool, subtract: bool) -> u128 {
    let ([x, y, z], denormal) = operands(env, f, [a, b, c]);
    let infinite = matches!((x, y), (Num::Inf(_), Num::Zero(_)) | (Num::Zero(_), Num::Inf(_)));
    if let Some(nan) = env.propagate(f, &[x, y, z]) {
        // A product that has no value counts, but for a quiet addend.
        let _ = infinite;
        return nan;
    }
    let before = std::mem::take(&mut env.raised);
    let x = if negate { negated(x) } else { x };
    let z = if subtract { negated(z) } else { z };
    let r = env.fma(f, x, y, z);
    settle(env, before, denormal);
    r
}

/// Set the rounding mode that an operation asks for.
fn rounding(env: &mut Env, imm: u64) {
    env.rc = match Round::from_bits(imm) {
        Round::Nearest => Rc::Nearest,
        Round::Up => Rc::Up,
        Round::Down => Rc::Down,
        Round::Zero => Rc::Zero,
        _ => env.rc,
    };
}

/// Between formats. Denormals of half precision are ordinary numbers.
fn convert(env: &mut Env, from: Format, to: Format, v: u128) -> u128 {
    env.daz &= from != F16;
    let (n, denormal) = operands(env, from, [v]);
    if env.propagate(from, &n).is_some() {
        return env.pack(to, n[0]);
    }
    let before = std::mem::take(&mut env.raised);
    let r = env.pack(to, n[0]);
    settle(env, before, denormal && from != F16);
    r
}

/// RCPPS, RSQRTPS: as Intel's processors have them since Sandy Bridge at the latest. 11 bits of the operand (of the exponent its lowest, for roots)
/// choose an interval; the result is that of its middle, rounded to 12 bits behind the point. Denormal operands are zeros, and so are denormal results.
fn estimate(env: &Env, f: Format, v: u128, root: bool) -> u128 {
    let (n, denormal) = split(f, v);
    let n = if denormal { Num::Zero(n.sign()) } else { n };
    let mut exact = Env { raised: 0, masked: 0x3f, rc: Rc::Nearest, daz: true, ftz: true, ..*env };
    match n {
        n if n.is_nan() => exact.pack(f, n),
        Num::Zero(s) => f.infinity(s),
        Num::Inf(true) if root => f.default_nan(),
        Num::Inf(s) => f.zero(s),
        n if root && n.sign() => f.default_nan(),
        Num::Finite(s, e, m) => {
            let (r, e) = if root { (estimated_root(e, m), -1 - (e >> 1)) } else { (estimated_inverse(m), -1 - e) };
            exact.pack(f, Num::Finite(s, e, r << (63 - 12)))
        }
        _ => f.default_nan(),
    }
}

/// 2^13 divided by the middle of the interval.
fn estimated_inverse(m: u64) -> u64 {
    let middle = 4097 + 2 * (m >> 52 & 0x7ff);
    ((1 << 26) + middle) / (2 * middle)
}

/// 2^13 divided by the root of the middle of the interval.
fn estimated_root(e: i32, m: u64) -> u64 {
    let middle = (2049 + 2 * (m >> 53 & 0x3ff)) << (e & 1);
    // The largest r that is at most half more than the exact one: (r - 1/2)^2 * middle <= 2^37.
    let fits = |r: u64| (2 * r - 1) * (2 * r - 1) * middle <= 1 << 39;
    (0..13).rev().fold(0, |r, bit| if fits(r | 1 << bit) { r | 1 << bit } else { r })
}

/// Whether this module evaluates the operation.
pub fn covers(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        FAdd | FSub
            | FMul
            | FDiv
            | FSqrt
            | FMin
            | FMax
            | FFma
            | FCmpCc
            | Fcmp
            | Fcmpe
            | FRint
            | FToS
            | FToSInt
            | SToF
            | IntSToF
            | FCvt
            | FCvtl
            | FCvtn
            | FRecpe
            | FRsqrte
    )
}

/// Evaluate an operation that [`covers`] admits.
pub fn eval(i: &Inst, args: [u128; 3], src_bits: u32, env: &mut Env) -> u128 {
    let v = lanes(i, args, src_bits, env);
    // What is found among the operands of any lane comes first.
    let operands = ex::I | ex::D | ex::Z;
    if env.raised & operands & !env.masked != 0 {
        env.raised &= operands;
    }
    v
}

fn lanes(i: &Inst, args: [u128; 3], src_bits: u32, env: &mut Env) -> u128 {
    let arr = i.arr();
    let (bits, f) = (arr.ebits(), Format::from_log2(arr.log2()));
    let [a, b, c] = args;
    let build = |env: &mut Env, op: &mut dyn FnMut(&mut Env, usize) -> u128| {
        (0..arr.lanes()).fold(0, |v, n| v | (op(env, n) & mask(bits)) << (n as u32 * bits))
    };
    let two = |env: &mut Env, op: Binary| build(env, &mut |env, n| binary(env, f, lane(a, bits, n), lane(b, bits, n), op));
    match i.op {
        Op::FAdd => two(env, Env::add),
        Op::FSub => two(env, sub),
        Op::FMul => two(env, Env::mul),
        Op::FDiv => two(env, Env::div),
        Op::FMin | Op::FMax => {
            let want = if i.op == Op::FMin { Ordering::Less } else { Ordering::Greater };
            build(env, &mut |env, n| minmax(env, f, lane(a, bits, n), lane(b, bits, n), want))
        }
        Op::FSqrt => build(env, &mut |env, n| guarded(env, f, [lane(a, bits, n)], |env, [x]| env.sqrt(f, x))),
        Op::FFma => build(env, &mut |env, n| {
            let subtract = match i.imm >> 1 & 3 {
                0 => false,
                1 => true,
                2 => n % 2 == 0,
                _ => n % 2 != 0,
            };
            fma(env, f, [a, b, c].map(|v| lane(v, bits, n)), i.imm & 1 != 0, subtract)
        }),
        Op::FCmpCc => build(env, &mut |env, n| {
            let order = compare(env, f, lane(a, bits, n), lane(b, bits, n), i.imm & 16 != 0);
            let bit = order.map_or(8, |o| 1 << (o as i8 + 1));
            if i.imm & bit != 0 {
                u128::MAX
            } else {
                0
            }
        }),
        Op::Fcmp | Op::Fcmpe => match compare(env, f, lane(a, bits, 0), lane(b, bits, 0), i.op == Op::Fcmpe) {
            None => 0b0011,
            Some(Ordering::Less) => 0b1000,
            Some(Ordering::Equal) => 0b0110,
            Some(Ordering::Greater) => 0b0010,
        },
        Op::FRint => {
            rounding(env, i.imm);
            let exact = i.imm & 16 != 0;
            build(env, &mut |env, n| {
                let v = lane(a, bits, n);
                let ([x], _) = operands(env, f, [v]);
                match env.propagate(f, &[x]) {
                    Some(nan) => nan,
                    None => env.round_integral(f, x, exact),
                }
            })
        }
        Op::FToS => {
            rounding(env, i.imm);
            build(env, &mut |env, n| to_int(env, f, lane(a, bits, n), bits) as u128)
        }
        Op::FToSInt => {
            rounding(env, i.imm);
            to_int(env, f, lane(a, bits, 0), i.ty.bits()) as u64 as u128 & mask(i.ty.bits())
        }
        Op::SToF => build(env, &mut |env, n| {
            let v = lane(a, bits, n) as u64;
            env.from_int(f, ((v << (64 - bits)) as i64) >> (64 - bits))
        }),
        Op::IntSToF => env.from_int(f, ((a as u64) << (64 - src_bits)) as i64 >> (64 - src_bits)) & mask(bits),
        Op::FCvt => convert(env, f, Format::from_log2(i.imm as u8 & 3), lane(a, bits, 0)),
        Op::FCvtl => {
            let to = if bits == 16 { F32 } else { F64 };
            let first = if i.imm & 1 != 0 { arr.lanes() } else { 0 };
            (0..64 / bits as usize).fold(0, |v, n| v | convert(env, f, to, lane(a, bits, first + n)) << (n as u32 * 2 * bits))
        }
        Op::FCvtn => {
            rounding(env, i.imm);
            let from = if bits == 16 { F32 } else { F64 };
            if bits == 16 {
                (env.ftz, env.daz) = (false, env.daz);
            }
            build(env, &mut |env, n| convert(env, from, f, lane(a, 2 * bits, n)))
        }
        Op::FRecpe | Op::FRsqrte => build(env, &mut |env, n| estimate(env, f, lane(a, bits, n), i.op == Op::FRsqrte)),
        _ => 0,
    }
}

/// Conversions to integers don't tell of denormals.
fn to_int(env: &mut Env, f: Format, v: u128, bits: u32) -> i64 {
    let ([n], _) = operands(env, f, [v]);
    env.to_int(n, bits)
}
