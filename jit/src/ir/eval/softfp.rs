//! IEEE 754 arithmetic in integers, with Arm's choices where the standard leaves one (Arm ARM, "Shared pseudocode", FP functions).
//!
//! Every function takes the operand's bits, right-aligned in a `u64`, and the [`Format`] that says how to read them. Rounding, NaN
//! propagation and flushing come from [`Env::fpcr`]; exceptions accumulate in [`Env::fpsr`]. Nothing here touches the host's FPU, so
//! it may run under the guest's rounding mode and with host exceptions unmasked.
//!
//! Half precision is two formats: what arithmetic works on, which FPCR.FZ16 flushes, and what conversions between precisions read and
//! write, which FPCR.AHP governs and nothing flushes.
//!
//! A finite value is `mant * 2^exp` with an integer `mant`. Where an exact result has more bits than can be
//! kept, the discarded ones are or-ed into the lowest bit ("jammed"): it is always far below the
//! rounding position, so rounding sees the same as with the exact value.

mod estimate;
mod special;

pub use special::{mul_add_long, round_int_n, to_int_javascript};

pub use estimate::{recip_estimate, recip_exponent, recip_step, recip_table, rsqrt_estimate, rsqrt_step, rsqrt_table};

use super::Env;
use crate::ir::Round;
use std::cmp::Ordering;

/// FPCR fields that arithmetic depends on.
mod fpcr {
    pub const AHP: u32 = 1 << 26;
    pub const DN: u32 = 1 << 25;
    pub const FZ: u32 = 1 << 24;
    pub const FZ16: u32 = 1 << 19;
    pub const RMODE_SHIFT: u32 = 22;
}

/// FPSR cumulative exception bits.
pub mod exc {
    /// Invalid operation.
    pub const IOC: u32 = 1;
    /// Division by zero.
    pub const DZC: u32 = 1 << 1;
    /// Overflow.
    pub const OFC: u32 = 1 << 2;
    /// Underflow.
    pub const UFC: u32 = 1 << 3;
    /// Inexact.
    pub const IXC: u32 = 1 << 4;
    /// Input denormal flushed.
    pub const IDC: u32 = 1 << 7;
}

impl Env {
    fn raise(&mut self, bits: u32) {
        self.fpsr |= bits;
    }
    /// The rounding mode that FPCR selects.
    fn rmode(&self) -> Round {
        Round::from_bits((self.fpcr >> fpcr::RMODE_SHIFT & 3) as u64)
    }
    /// `mode` with the two "current" modes replaced by what FPCR selects.
    fn resolve(&self, mode: Round) -> Round {
        match mode {
            Round::Current | Round::CurrentExact => self.rmode(),
            m => m,
        }
    }
    fn default_nan(&self) -> bool {
        self.fpcr & fpcr::DN != 0
    }
    fn alt_half(&self, f: Format) -> bool {
        f == Format::STORED_HALF && self.fpcr & fpcr::AHP != 0
    }
    fn flushes(&self, f: Format) -> bool {
        match f {
            Format::HALF => self.fpcr & fpcr::FZ16 != 0,
            Format::STORED_HALF => false,
            _ => self.fpcr & fpcr::FZ != 0,
        }
    }
}

/// A binary interchange format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    exp_bits: u32,
    frac_bits: u32,
    /// Only converted to and from.
    stored: bool,
}

impl Format {
    /// binary16.
    pub const HALF: Format = Format { exp_bits: 5, frac_bits: 10, stored: false };
    /// binary16 or the alternative half precision.
    pub const STORED_HALF: Format = Format { stored: true, ..Format::HALF };
    /// BFloat16.
    pub const BF16: Format = Format { exp_bits: 8, frac_bits: 7, stored: true };
    /// binary32.
    pub const SINGLE: Format = Format { exp_bits: 8, frac_bits: 23, stored: false };
    /// binary64.
    pub const DOUBLE: Format = Format { exp_bits: 11, frac_bits: 52, stored: false };

    /// The format of elements of `1 << log2` bytes.
    pub const fn from_log2(log2: u8) -> Format {
        match log2 {
            0 | 1 => Format::HALF,
            2 => Format::SINGLE,
            _ => Format::DOUBLE,
        }
    }
    /// The same for conversions between precisions.
    pub const fn stored_from_log2(log2: u8) -> Format {
        match log2 {
            0 | 1 => Format::STORED_HALF,
            n => Format::from_log2(n),
        }
    }
    /// The sign bit.
    pub const fn sign_bit(self) -> u64 {
        1 << (self.exp_bits + self.frac_bits)
    }
    /// Width in bits.
    pub const fn width(self) -> u32 {
        1 + self.exp_bits + self.frac_bits
    }
    const fn exp_max(self) -> u64 {
        (1 << self.exp_bits) - 1
    }
    const fn frac_mask(self) -> u64 {
        (1 << self.frac_bits) - 1
    }
    const fn bias(self) -> i32 {
        (1 << (self.exp_bits - 1)) - 1
    }
    /// Exponent of the smallest normal number.
    const fn min_exp(self) -> i32 {
        1 - self.bias()
    }
    const fn pack(self, sign: bool, exp: u64, frac: u64) -> u64 {
        (sign as u64) << (self.exp_bits + self.frac_bits) | exp << self.frac_bits | frac
    }
    const fn zero(self, sign: bool) -> u64 {
        self.pack(sign, 0, 0)
    }
    const fn infinity(self, sign: bool) -> u64 {
        self.pack(sign, self.exp_max(), 0)
    }
    const fn max_normal(self, sign: bool) -> u64 {
        self.pack(sign, self.exp_max() - 1, self.frac_mask())
    }
    const fn quiet_bit(self) -> u64 {
        1 << (self.frac_bits - 1)
    }
    const fn default_nan(self) -> u64 {
        self.pack(false, self.exp_max(), self.quiet_bit())
    }
    const fn two(self, sign: bool) -> u64 {
        self.pack(sign, self.bias() as u64 + 1, 0)
    }
    const fn one_point_five(self) -> u64 {
        self.pack(false, self.bias() as u64, self.quiet_bit())
    }
    /// What an overflowing result becomes (FPRoundBase).
    fn overflow(self, sign: bool, mode: Round) -> u64 {
        let to_inf = match mode {
            Round::Up => !sign,
            Round::Down => sign,
            Round::Zero | Round::Odd => false,
            _ => true,
        };
        if to_inf {
            self.infinity(sign)
        } else {
            self.max_normal(sign)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Zero,
    Finite,
    Inf,
    QNan,
    SNan,
}

/// An operand taken apart (FPUnpack): after input flushing, so a flushed denormal is a zero.
#[derive(Clone, Copy)]
struct Operand {
    class: Class,
    bits: u64,
    num: Num,
}

/// `(-1)^sign * mant * 2^exp`; zero if `mant` is.
#[derive(Clone, Copy)]
struct Num {
    sign: bool,
    mant: u128,
    exp: i32,
}

impl Num {
    fn mul(self, o: Num) -> Num {
        Num { sign: self.sign != o.sign, mant: self.mant * o.mant, exp: self.exp + o.exp }
    }
    /// Leading bit of a non-zero value moved to bit 125: room for a carry, and at least 19 zero bits below a product of two doubles.
    fn normalized(self) -> Num {
        let up = self.mant.leading_zeros() as i32 - 2;
        Num { mant: self.mant << up, exp: self.exp - up, ..self }
    }
    /// The sum, exact or jammed; `None` if it is zero (whose sign is the rounding mode's choice).
    fn add(self, o: Num) -> Option<Num> {
        if self.mant == 0 || o.mant == 0 {
            return [self, o].into_iter().find(|n| n.mant != 0);
        }
        let (a, b) = (self.normalized(), o.normalized());
        let (hi, lo) = if a.exp >= b.exp { (a, b) } else { (b, a) };
        let aligned = shift_jam(lo.mant, (hi.exp - lo.exp) as u32);
        let (sign, mant) = if hi.sign == lo.sign {
            (hi.sign, hi.mant + aligned)
        } else if hi.mant >= aligned {
            (hi.sign, hi.mant - aligned)
        } else {
            (lo.sign, aligned - hi.mant)
        };
        (mant != 0).then_some(Num { sign, mant, exp: hi.exp })
    }
}

/// `m >> n`, the bits that fall out or-ed into the lowest.
fn shift_jam(m: u128, n: u32) -> u128 {
    match n {
        0 => m,
        1..=127 => m >> n | (m << (128 - n) != 0) as u128,
        _ => (m != 0) as u128,
    }
}

impl Operand {
    fn new(env: &mut Env, f: Format, bits: u64) -> Operand {
        let sign = bits & f.sign_bit() != 0;
        let exp = bits >> f.frac_bits & f.exp_max();
        let frac = bits & f.frac_mask();
        let unit = f.min_exp() - f.frac_bits as i32;
        let (class, mant, exp) = if exp == 0 {
            let flush = frac != 0 && env.flushes(f);
            if flush && f != Format::HALF {
                env.raise(exc::IDC);
            }
            if frac == 0 || flush {
                (Class::Zero, 0, 0)
            } else {
                (Class::Finite, frac, unit)
            }
        } else if exp == f.exp_max() && !env.alt_half(f) {
            match frac {
                0 => (Class::Inf, 0, 0),
                n if n & f.quiet_bit() != 0 => (Class::QNan, 0, 0),
                _ => (Class::SNan, 0, 0),
            }
        } else {
            (Class::Finite, frac | 1 << f.frac_bits, unit + exp as i32 - 1)
        };
        Operand { class, bits, num: Num { sign, mant: mant as u128, exp } }
    }
    fn sign(&self) -> bool {
        self.num.sign
    }
    fn is_nan(&self) -> bool {
        matches!(self.class, Class::QNan | Class::SNan)
    }
    fn is_inf(&self) -> bool {
        self.class == Class::Inf
    }
    fn is_zero(&self) -> bool {
        self.class == Class::Zero
    }
    /// Orders as the value does (not for NaNs): formats are monotonic in their magnitude bits.
    fn key(&self, f: Format) -> i64 {
        let mag = if self.is_zero() { 0 } else { (self.bits & !f.sign_bit()) as i64 };
        if self.sign() {
            -mag
        } else {
            mag
        }
    }
    /// The number as it is read, without the denormal that was flushed.
    fn value_bits(&self, f: Format) -> u64 {
        if self.is_zero() {
            f.zero(self.sign())
        } else {
            self.bits
        }
    }
}

/// FPProcessNaN of a NaN operand.
fn process_nan(env: &mut Env, f: Format, op: &Operand) -> u64 {
    if op.class == Class::SNan {
        env.raise(exc::IOC);
    }
    if env.default_nan() {
        f.default_nan()
    } else {
        op.bits | f.quiet_bit()
    }
}

/// FPProcessNaNs, FPProcessNaNs3: the first signalling NaN, else the first quiet one.
fn process_nans(env: &mut Env, f: Format, ops: &[Operand]) -> Option<u64> {
    let first = |c: Class| ops.iter().find(|o| o.class == c);
    let nan = first(Class::SNan).or_else(|| first(Class::QNan))?;
    Some(process_nan(env, f, nan))
}

fn invalid(env: &mut Env, f: Format) -> u64 {
    env.raise(exc::IOC);
    f.default_nan()
}

/// `m / 2^shift` rounded to an integer, and whether that was inexact. A negative shift must not push bits out.
fn round_shift(m: u128, shift: i32, sign: bool, mode: Round) -> (u128, bool) {
    debug_assert!(m >> 127 == 0);
    if shift <= 0 {
        return (m << -shift, false);
    }
    let (kept, rest, half) = match shift {
        1..=127 => (m >> shift, m & ((1 << shift) - 1), 1 << (shift - 1)),
        _ => (0, m, 1 << 127),
    };
    let up = match mode {
        Round::Up => rest != 0 && !sign,
        Round::Down => rest != 0 && sign,
        Round::Zero => false,
        Round::Odd => rest != 0 && kept & 1 == 0,
        Round::Away => rest >= half,
        Round::Nearest | Round::Current | Round::CurrentExact => rest > half || rest == half && kept & 1 != 0,
    };
    (kept + up as u128, rest != 0)
}

/// FPRound of a non-zero number.
fn round(env: &mut Env, f: Format, n: Num, mode: Round) -> u64 {
    let mode = env.resolve(mode);
    let exp = 127 - n.mant.leading_zeros() as i32 + n.exp;
    // Tininess is detected before rounding; a flushed result is an underflow but not inexact.
    let tiny = exp < f.min_exp();
    if tiny && env.flushes(f) {
        env.raise(exc::UFC);
        return f.zero(n.sign);
    }
    let ulp = exp.max(f.min_exp()) - f.frac_bits as i32;
    let (mant, inexact) = round_shift(n.mant, ulp - n.exp, n.sign, mode);
    if tiny && inexact {
        env.raise(exc::UFC);
    }
    // `mant` holds the leading bit if there is one: it adds the last 1 to the biased exponent, as does a carry out of rounding.
    let mant = mant as u64;
    let biased = (exp.max(f.min_exp()) - f.min_exp()) as u64 + (mant >> f.frac_bits);
    if env.alt_half(f) {
        if biased > f.exp_max() {
            env.raise(exc::IOC);
            return f.pack(n.sign, f.exp_max(), f.frac_mask());
        }
    } else if biased >= f.exp_max() {
        env.raise(exc::OFC | exc::IXC);
        return f.overflow(n.sign, mode);
    }
    if inexact {
        env.raise(exc::IXC);
    }
    f.pack(n.sign, biased, mant & f.frac_mask())
}

/// FPRound of a sum; an exact zero is negative only when rounding towards minus infinity.
fn round_sum(env: &mut Env, f: Format, sum: Option<Num>) -> u64 {
    match sum {
        Some(n) => round(env, f, n, Round::Current),
        None => f.zero(env.rmode() == Round::Down),
    }
}

fn operands(env: &mut Env, f: Format, a: u64, b: u64) -> [Operand; 2] {
    [Operand::new(env, f, a), Operand::new(env, f, b)]
}

/// a + b, or a - b.
fn add_sub(env: &mut Env, f: Format, a: u64, b: u64, negate: bool) -> u64 {
    let ops = operands(env, f, a, b);
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
    }
    let [a, mut b] = ops;
    b.num.sign ^= negate;
    match (a.is_inf(), b.is_inf()) {
        (true, true) if a.sign() != b.sign() => invalid(env, f),
        (true, _) => f.infinity(a.sign()),
        (_, true) => f.infinity(b.sign()),
        _ if a.is_zero() && b.is_zero() && a.sign() == b.sign() => f.zero(a.sign()),
        _ => round_sum(env, f, a.num.add(b.num)),
    }
}

/// FPAdd.
pub fn add(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    add_sub(env, f, a, b, false)
}

/// FPSub.
pub fn sub(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    add_sub(env, f, a, b, true)
}

fn product(env: &mut Env, f: Format, a: u64, b: u64, extended: bool) -> u64 {
    let ops = operands(env, f, a, b);
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
    }
    let [a, b] = ops;
    let sign = a.sign() != b.sign();
    match (a.is_inf() || b.is_inf(), a.is_zero() || b.is_zero()) {
        (true, true) if extended => f.two(sign),
        (true, true) => invalid(env, f),
        (true, _) => f.infinity(sign),
        (_, true) => f.zero(sign),
        _ => round(env, f, a.num.mul(b.num), Round::Current),
    }
}

/// FPMul.
pub fn mul(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    product(env, f, a, b, false)
}

/// FPMulX: infinity times zero is two.
pub fn mulx(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    product(env, f, a, b, true)
}

/// FPDiv.
pub fn div(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    let ops = operands(env, f, a, b);
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
    }
    let [a, b] = ops;
    let sign = a.sign() != b.sign();
    if a.is_inf() && b.is_inf() || a.is_zero() && b.is_zero() {
        return invalid(env, f);
    }
    if a.is_inf() || b.is_zero() {
        if !a.is_inf() {
            env.raise(exc::DZC);
        }
        return f.infinity(sign);
    }
    if a.is_zero() || b.is_inf() {
        return f.zero(sign);
    }
    // Leading bits aligned, so that the quotient has 64 bits or one more.
    let (n, d) = (a.num.normalized(), b.num.normalized());
    let (num, den) = (n.mant << 1, d.mant >> 63);
    let q = (num / den) | (num % den != 0) as u128;
    round(env, f, Num { sign, mant: q, exp: n.exp - 1 - (d.exp + 63) }, Round::Current)
}

/// FPSqrt.
pub fn sqrt(env: &mut Env, f: Format, a: u64) -> u64 {
    let a = Operand::new(env, f, a);
    match a.class {
        Class::QNan | Class::SNan => process_nan(env, f, &a),
        Class::Zero => f.zero(a.sign()),
        _ if a.sign() => invalid(env, f),
        Class::Inf => f.infinity(false),
        Class::Finite => {
            let n = a.num.normalized();
            let (mant, exp) = if n.exp & 1 == 0 { (n.mant, n.exp) } else { (n.mant << 1, n.exp - 1) };
            let root = mant.isqrt();
            let mant = root | (root * root != mant) as u128;
            round(env, f, Num { sign: false, mant, exp: exp / 2 }, Round::Current)
        }
    }
}

/// FPMulAdd: addend + a * b with one rounding.
pub fn mul_add(env: &mut Env, f: Format, addend: u64, a: u64, b: u64) -> u64 {
    let ops = [Operand::new(env, f, addend), Operand::new(env, f, a), Operand::new(env, f, b)];
    let [c, a, b] = ops;
    let (inf, zero) = (a.is_inf() || b.is_inf(), a.is_zero() || b.is_zero());
    // Infinity times zero wins over a quiet NaN as the addend.
    if inf && zero && c.class != Class::SNan {
        return invalid(env, f);
    }
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
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

/// FPMax (`want` Greater) and FPMin (Less).
fn max_min(env: &mut Env, f: Format, a: u64, b: u64, want: Ordering) -> u64 {
    let ops = operands(env, f, a, b);
    if let Some(nan) = process_nans(env, f, &ops) {
        return nan;
    }
    let [a, b] = ops;
    if a.is_zero() && b.is_zero() {
        return f.zero(if want == Ordering::Greater { a.sign() && b.sign() } else { a.sign() || b.sign() });
    }
    let pick = if a.key(f).cmp(&b.key(f)) == want { a } else { b };
    pick.value_bits(f)
}

/// FPMax.
pub fn max(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    max_min(env, f, a, b, Ordering::Greater)
}

/// FPMin.
pub fn min(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    max_min(env, f, a, b, Ordering::Less)
}

/// FPMaxNum, FPMinNum: a single quiet NaN loses against any number.
fn max_min_num(env: &mut Env, f: Format, a: u64, b: u64, want: Ordering) -> u64 {
    let [x, y] = operands(env, f, a, b);
    let loser = f.infinity(want == Ordering::Greater);
    let (a, b) = match (x.class == Class::QNan, y.class == Class::QNan) {
        (true, false) => (loser, b),
        (false, true) => (a, loser),
        _ => (a, b),
    };
    max_min(env, f, a, b, want)
}

/// FPMaxNum.
pub fn max_num(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    max_min_num(env, f, a, b, Ordering::Greater)
}

/// FPMinNum.
pub fn min_num(env: &mut Env, f: Format, a: u64, b: u64) -> u64 {
    max_min_num(env, f, a, b, Ordering::Less)
}

/// The order of two values, `None` if unordered; a quiet NaN raises Invalid only when `signal`.
pub fn compare(env: &mut Env, f: Format, a: u64, b: u64, signal: bool) -> Option<Ordering> {
    let [a, b] = operands(env, f, a, b);
    if a.is_nan() || b.is_nan() {
        if signal || a.class == Class::SNan || b.class == Class::SNan {
            env.raise(exc::IOC);
        }
        return None;
    }
    Some(a.key(f).cmp(&b.key(f)))
}

/// FPCompare: NZCV in bits 3..0.
pub fn compare_flags(env: &mut Env, f: Format, a: u64, b: u64, signal: bool) -> u8 {
    match compare(env, f, a, b, signal) {
        None => 0b0011,
        Some(Ordering::Less) => 0b1000,
        Some(Ordering::Equal) => 0b0110,
        Some(Ordering::Greater) => 0b0010,
    }
}

/// FPRoundInt; `Round::CurrentExact` raises Inexact.
pub fn round_int(env: &mut Env, f: Format, a: u64, mode: Round) -> u64 {
    let a = Operand::new(env, f, a);
    match a.class {
        Class::QNan | Class::SNan => return process_nan(env, f, &a),
        Class::Zero | Class::Inf => return a.value_bits(f),
        Class::Finite if a.num.exp >= 0 => return a.bits,
        Class::Finite => {}
    }
    let (mant, inexact) = round_shift(a.num.mant, -a.num.exp, a.sign(), env.resolve(mode));
    if inexact && mode == Round::CurrentExact {
        env.raise(exc::IXC);
    }
    match mant {
        0 => f.zero(a.sign()),
        _ => round(env, f, Num { mant, exp: 0, ..a.num }, Round::Zero),
    }
}

/// An integer that a conversion produces or takes.
#[derive(Clone, Copy, Debug)]
pub struct Int {
    /// Width in bits: 16, 32 or 64.
    pub width: u32,
    /// Signed or unsigned.
    pub signed: bool,
    /// Bits of it that are the fraction, 0..=64.
    pub fraction: u32,
}

impl Int {
    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }
    /// The largest magnitude of that sign.
    fn limit(self, negative: bool) -> u128 {
        match (self.signed, negative) {
            (true, _) => (1 << (self.width - 1)) - !negative as u128,
            (false, true) => 0,
            (false, false) => self.mask() as u128,
        }
    }
    fn signed_bits(self, negative: bool, mag: u128) -> u64 {
        let v = mag as u64;
        (if negative { v.wrapping_neg() } else { v }) & self.mask()
    }
}

/// FPToFixed: saturating; zero for a NaN.
pub fn to_fixed(env: &mut Env, f: Format, a: u64, int: Int, mode: Round) -> u64 {
    let a = Operand::new(env, f, a);
    let sign = a.sign();
    let exp = a.num.exp + int.fraction as i32;
    let rounded = match a.class {
        Class::QNan | Class::SNan => {
            env.raise(exc::IOC);
            return 0;
        }
        Class::Zero => return 0,
        Class::Finite if exp <= 64 => Some(round_shift(a.num.mant, -exp, sign, env.resolve(mode))),
        Class::Finite | Class::Inf => None,
    };
    match rounded {
        Some((mag, inexact)) if mag <= int.limit(sign) => {
            if inexact {
                env.raise(exc::IXC);
            }
            int.signed_bits(sign, mag)
        }
        _ => {
            env.raise(exc::IOC);
            int.signed_bits(sign, int.limit(sign))
        }
    }
}

/// FixedToFP, rounded as FPCR says; bits of `v` above the integer's width are ignored.
pub fn from_fixed(env: &mut Env, f: Format, v: u64, int: Int) -> u64 {
    let v = v & int.mask();
    let sign = int.signed && v >> (int.width - 1) != 0;
    let mag = int.signed_bits(sign, v as u128);
    if mag == 0 {
        return f.zero(false);
    }
    round(env, f, Num { sign, mant: mag as u128, exp: -(int.fraction as i32) }, Round::Current)
}

/// FPConvert between formats.
pub fn convert(env: &mut Env, from: Format, to: Format, a: u64, mode: Round) -> u64 {
    let a = Operand::new(env, from, a);
    let alt = env.alt_half(to);
    match a.class {
        Class::QNan | Class::SNan => {
            if alt || a.class == Class::SNan {
                env.raise(exc::IOC);
            }
            if alt {
                return to.zero(a.sign());
            }
            if env.default_nan() {
                return to.default_nan();
            }
            // The payload keeps its most significant bits.
            let frac = (a.bits & from.frac_mask()) << (52 - from.frac_bits) >> (52 - to.frac_bits);
            to.pack(a.sign(), to.exp_max(), frac | to.quiet_bit())
        }
        Class::Inf if alt => {
            env.raise(exc::IOC);
            to.pack(a.sign(), to.exp_max(), to.frac_mask())
        }
        Class::Inf => to.infinity(a.sign()),
        Class::Zero => to.zero(a.sign()),
        Class::Finite => round(env, to, a.num, mode),
    }
}
