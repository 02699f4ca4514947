//! Operations of single extensions: products into a longer format, rounding to integers of a width, JavaScript's conversion.

use super::*;

/// FPMulAddH: single addend + half a * half b with one rounding.
pub fn mul_add_long(env: &mut Env, addend: u64, a: u64, b: u64) -> u64 {
    let f = Format::SINGLE;
    let c = Operand::new(env, f, addend);
    let (a, b) = (Operand::new(env, Format::HALF, a), Operand::new(env, Format::HALF, b));
    let (inf, zero) = (a.is_inf() || b.is_inf(), a.is_zero() || b.is_zero());
    if inf && zero && c.class != Class::SNan && !a.is_nan() && !b.is_nan() {
        return invalid(env, f);
    }
    let first = |class: Class| [(c, 0), (a, 13), (b, 13)].into_iter().find(|(o, _)| o.class == class);
    if let Some((nan, longer)) = first(Class::SNan).or_else(|| first(Class::QNan)) {
        // The payload keeps its place below the quiet bit.
        let frac = if longer == 0 { nan.bits & f.frac_mask() } else { (nan.bits & Format::HALF.frac_mask()) << longer };
        let bits = f.pack(nan.sign(), f.exp_max(), frac);
        return process_nan(env, f, &Operand { bits, ..nan });
    }
    let sign = a.sign() != b.sign();
    match (c.is_inf(), inf) {
        (true, true) if c.sign() != sign => invalid(env, f),
        (true, _) => f.infinity(c.sign()),
        (_, true) => f.infinity(sign),
        _ if c.is_zero() && zero && c.sign() == sign => f.zero(sign),
        _ => round_sum(env, f, c.num.add(a.num.mul(b.num))),
    }
}

/// FPRoundIntN: to an integer of `width` bits; what does not fit, and a NaN, becomes the least such integer.
pub fn round_int_n(env: &mut Env, f: Format, a: u64, mode: Round, width: u32) -> u64 {
    let a = Operand::new(env, f, a);
    let least = f.pack(true, f.bias() as u64 + width as u64 - 1, 0);
    let limit = 1u128 << (width - 1);
    let rounded = match a.class {
        Class::Zero => return f.zero(a.sign()),
        Class::Finite if a.num.exp <= 64 => Some(round_shift(a.num.mant, -a.num.exp, a.sign(), env.resolve(mode))),
        _ => None,
    };
    match rounded.filter(|(mag, _)| *mag < limit + a.sign() as u128) {
        None => {
            env.raise(exc::IOC);
            least
        }
        Some((mant, inexact)) => {
            if inexact {
                env.raise(exc::IXC);
            }
            match mant {
                0 => f.zero(a.sign()),
                _ => round(env, f, Num { mant, exp: 0, ..a.num }, Round::Zero),
            }
        }
    }
}

/// FPToFixedJS: see [`JAVASCRIPT`](crate::ir::JAVASCRIPT).
pub fn to_int_javascript(env: &mut Env, bits: u64) -> u64 {
    let f = Format::DOUBLE;
    let a = Operand::new(env, f, bits);
    const EXACT: u64 = 1 << 32;
    let exp = a.num.exp;
    match a.class {
        Class::QNan | Class::SNan | Class::Inf => {
            env.raise(exc::IOC);
            0
        }
        Class::Zero if bits == 0 => EXACT,
        Class::Zero => 0,
        Class::Finite => {
            let (mag, inexact) = match exp {
                ..=0 => round_shift(a.num.mant, -exp, a.sign(), Round::Zero),
                1..=31 => (a.num.mant << exp, false),
                // Nothing of it is below 2^32.
                _ => (1 << 32, false),
            };
            let in_range = mag < (1 << 31) + a.sign() as u128;
            let low = if a.sign() { (mag as u32).wrapping_neg() } else { mag as u32 } as u64;
            match (in_range, inexact) {
                (false, _) => env.raise(exc::IOC),
                (_, true) => env.raise(exc::IXC),
                _ => return low | EXACT,
            }
            low
        }
    }
}
