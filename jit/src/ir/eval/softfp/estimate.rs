//! Reciprocal and reciprocal square root: estimates and Newton-Raphson steps.

use super::*;

/// Fraction bits of an estimate, and the 52-bit fraction that estimates are taken from.
const ESTIMATE_BITS: u32 = 8;
const FRACTION_BITS: u32 = 52;
const FRACTION_MASK: u64 = (1 << FRACTION_BITS) - 1;

/// RecipEstimate: of a 9-bit fixed-point number in [0.5, 1), as one in [1, 2).
pub fn recip_table(a: u32) -> u32 {
    let b = (1 << 19) / (a * 2 + 1);
    b.div_ceil(2)
}

/// RecipSqrtEstimate: of a 9-bit fixed-point number in [0.25, 1), as one in [1, 2).
pub fn rsqrt_table(a: u32) -> u32 {
    let a = if a < 256 { a * 2 + 1 } else { ((a & !1) + 1) * 2 };
    // The largest b with a * b * b < 2^28.
    let b = ((1u32 << 28) - 1) / a;
    b.isqrt().div_ceil(2)
}

/// Biased exponent and fraction left-aligned to 52 bits.
fn split(f: Format, bits: u64) -> (i32, u64) {
    ((bits >> f.frac_bits & f.exp_max()) as i32, (bits & f.frac_mask()) << (FRACTION_BITS - f.frac_bits))
}

/// FPRecipEstimate.
pub fn recip_estimate(env: &mut Env, f: Format, a: u64) -> u64 {
    let a = Operand::new(env, f, a);
    let sign = a.sign();
    match a.class {
        Class::QNan | Class::SNan => return process_nan(env, f, &a),
        Class::Inf => return f.zero(sign),
        Class::Zero => {
            env.raise(exc::DZC);
            return f.infinity(sign);
        }
        Class::Finite => {}
    }
    let (mut exp, mut frac) = split(f, a.bits);
    if exp == 0 && frac >> (FRACTION_BITS - 2) == 0 {
        env.raise(exc::OFC | exc::IXC);
        return f.overflow(sign, env.rmode());
    }
    if exp >= 2 * f.bias() - 1 && env.flushes(f) {
        env.raise(exc::UFC);
        return f.zero(sign);
    }
    if exp == 0 {
        let shift = if frac >> (FRACTION_BITS - 1) == 0 { 2 } else { 1 };
        exp = 1 - shift;
        frac = frac << shift & FRACTION_MASK;
    }
    let scaled = 1 << ESTIMATE_BITS | (frac >> (FRACTION_BITS - ESTIMATE_BITS)) as u32;
    let estimate = recip_table(scaled) as u64;
    let mant = estimate << (FRACTION_BITS - ESTIMATE_BITS);
    let (exp, frac) = match 2 * f.bias() - 1 - exp {
        // Denormal results: the leading bit moves into the fraction.
        -1 => (0, mant >> 2),
        0 => (0, mant >> 1),
        e => (e as u64, mant & FRACTION_MASK),
    };
    f.pack(sign, exp, frac >> (FRACTION_BITS - f.frac_bits))
}

/// FPRSqrtEstimate.
pub fn rsqrt_estimate(env: &mut Env, f: Format, a: u64) -> u64 {
    let a = Operand::new(env, f, a);
    match a.class {
        Class::QNan | Class::SNan => return process_nan(env, f, &a),
        Class::Zero => {
            env.raise(exc::DZC);
            return f.infinity(a.sign());
        }
        _ if a.sign() => return invalid(env, f),
        Class::Inf => return f.zero(false),
        Class::Finite => {}
    }
    let (mut exp, mut frac) = split(f, a.bits);
    if exp == 0 {
        let shift = frac.leading_zeros() as i32 - (63 - FRACTION_BITS as i32);
        exp = 1 - shift;
        frac = frac << shift & FRACTION_MASK;
    }
    let mant = 1 << FRACTION_BITS | frac;
    let scaled = mant >> (FRACTION_BITS - ESTIMATE_BITS + (exp & 1) as u32);
    let estimate = rsqrt_table(scaled as u32) as u64;
    let exp = (3 * f.bias() - 1 - exp) / 2;
    f.pack(false, exp as u64, (estimate & 0xff) << (f.frac_bits - ESTIMATE_BITS))
}

/// FPRecpX: the exponent's complement.
pub fn recip_exponent(env: &mut Env, f: Format, a: u64) -> u64 {
    let a = Operand::new(env, f, a);
    if a.is_nan() {
        return process_nan(env, f, &a);
    }
    let exp = a.bits >> f.frac_bits & f.exp_max();
    f.pack(a.sign(), if exp == 0 { f.exp_max() - 1 } else { exp ^ f.exp_max() }, 0)
}

/// `(k - a * b) / 2^halvings` with one rounding; `limit` for infinity times zero.
fn step(env: &mut Env, f: Format, a: u64, b: u64, k: u128, halvings: i32, limit: u64) -> u64 {
    // The first operand is negated before anything else: a NaN passes with its sign flipped.
    let ops = operands(env, f, a ^ f.sign_bit(), b);
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
    }
    let [a, b] = ops;
    match (a.is_inf() || b.is_inf(), a.is_zero() || b.is_zero()) {
        (true, true) => limit,
        (true, false) => f.infinity(a.sign() != b.sign()),
        _ => {
            let sum = Num { sign: false, mant: k, exp: 0 }.add(a.num.mul(b.num));
            round_sum(env, f, sum.map(|n| Num { exp: n.exp - halvings, ..n }))
        }
    }
}

/// FPRecipStepFused: 2 - a * b.
pub fn recip_step(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    step(env, f, a, b, 2, 0, f.two(false))
}

/// FPRSqrtStepFused: (3 - a * b) / 2.
pub fn rsqrt_step(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    step(env, f, a, b, 3, 1, f.one_point_five())
}
