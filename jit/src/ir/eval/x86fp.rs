//! Binary floating point by x86's rules, of any format up to 64 bits of significand: what SSE, AVX and the x87 compute. Tininess is detected after
//! rounding; a NaN operand is the result, the first one if there are two; the NaN that nobody gave is negative.

/// Exception bits as in MXCSR and the x87 status word.
pub mod ex {
    /// Invalid.
    pub const I: u32 = 1;
    /// Denormal operand.
    pub const D: u32 = 2;
    /// Division by zero.
    pub const Z: u32 = 4;
    /// Overflow.
    pub const O: u32 = 8;
    /// Underflow.
    pub const U: u32 = 16;
    /// Inexact.
    pub const P: u32 = 32;
}

/// Rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rc {
    /// To nearest, ties to even.
    Nearest,
    /// Towards minus infinity.
    Down,
    /// Towards plus infinity.
    Up,
    /// Towards zero.
    Zero,
}

impl Rc {
    /// From the field in MXCSR and the x87 control word.
    pub fn from_bits(b: u32) -> Rc {
        [Rc::Nearest, Rc::Down, Rc::Up, Rc::Zero][(b & 3) as usize]
    }
}

/// A format: the bits of its exponent and of its significand with the leading one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    exp: u32,
    sig: u32,
}

/// Half precision.
pub const F16: Format = Format { exp: 5, sig: 11 };
/// Single precision.
pub const F32: Format = Format { exp: 8, sig: 24 };
/// Double precision.
pub const F64: Format = Format { exp: 11, sig: 53 };
/// Double extended precision, whose leading one is explicit.
pub const F80: Format = Format { exp: 15, sig: 64 };

impl Format {
    fn bias(self) -> i32 {
        (1 << (self.exp - 1)) - 1
    }
    /// The format with lanes of `8 << log2` bits.
    pub fn from_log2(log2: u8) -> Format {
        [F16, F16, F32, F64][log2 as usize & 3]
    }
    fn max_exp(self) -> u64 {
        (1 << self.exp) - 1
    }
    /// An image from sign, biased exponent, and significand aligned to the top of 64 bits, leading one included.
    fn image(self, sign: bool, e: u64, sig: u64) -> u128 {
        if self.sig == 64 {
            return ((sign as u128) << 15 | e as u128) << 64 | sig as u128;
        }
        let frac = sig << 1 >> (65 - self.sig);
        (sign as u128) << (self.exp + self.sig - 1) | (e as u128) << (self.sig - 1) | frac as u128
    }
    /// Infinity.
    pub fn infinity(self, sign: bool) -> u128 {
        self.image(sign, self.max_exp(), 1 << 63)
    }
    /// Zero.
    pub fn zero(self, sign: bool) -> u128 {
        self.image(sign, 0, 0)
    }
    /// The default NaN.
    pub fn default_nan(self) -> u128 {
        self.image(true, self.max_exp(), 3 << 62)
    }
    fn largest(self, sign: bool) -> u128 {
        self.image(sign, self.max_exp() - 1, u64::MAX << (64 - self.sig))
    }
}

/// An unpacked number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Num {
    /// Sign.
    Zero(bool),
    /// Sign.
    Inf(bool),
    /// Sign and significand at the top of 64 bits, not quietened.
    Nan(bool, u64),
    /// Sign, exponent, significand with its leading one at bit 63: sig * 2^(exp - 63).
    Finite(bool, i32, u64),
    /// An x87 encoding that means nothing.
    Unsupported,
}

use Num::*;

impl Num {
    /// The sign.
    pub fn sign(self) -> bool {
        match self {
            Zero(s) | Inf(s) | Nan(s, _) | Finite(s, ..) => s,
            Unsupported => true,
        }
    }
    /// Whether it is a NaN (or nothing).
    pub fn is_nan(self) -> bool {
        matches!(self, Nan(..) | Unsupported)
    }
    /// Whether it is a signalling NaN (or nothing).
    pub fn is_signalling(self) -> bool {
        match self {
            Nan(_, m) => m >> 62 & 1 == 0,
            other => other == Unsupported,
        }
    }
}

/// The environment of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    /// Rounding.
    pub rc: Rc,
    /// Exceptions that are masked.
    pub masked: u32,
    /// Denormal operands are zeros.
    pub daz: bool,
    /// Results that would be denormal are zeros.
    pub ftz: bool,
    /// Bits of precision of the result where the format has more (x87), else 0.
    pub precision: u32,
    /// Exceptions raised.
    pub raised: u32,
    /// The last result was rounded away from zero (x87's C1).
    pub up: bool,
    /// x87: an unmasked overflow or underflow gives the result with its exponent wrapped.
    pub wrap: bool,
}

impl Env {
    /// From MXCSR.
    pub fn sse(mxcsr: u32) -> Env {
        Env {
            rc: Rc::from_bits(mxcsr >> 13),
            masked: mxcsr >> 7 & 0x3f,
            daz: mxcsr >> 6 & 1 != 0,
            ftz: mxcsr >> 15 & 1 != 0,
            precision: 0,
            raised: 0,
            up: false,
            wrap: false,
        }
    }
    /// Note exceptions.
    pub fn raise(&mut self, bits: u32) {
        self.raised |= bits;
    }

    /// Unpack an image. A denormal is noted where it counts as an operand.
    pub fn unpack(&mut self, f: Format, v: u128) -> Num {
        let (n, denormal) = split(f, v);
        if denormal {
            if self.daz && f.sig != 64 {
                return Zero(n.sign());
            }
            self.raise(ex::D);
        }
        n
    }

    // --- results ---------------------------------------------------------------------------------------
    /// The image of a NaN result.
    fn nan(&self, f: Format, n: Num) -> u128 {
        match n {
            Nan(s, m) => f.image(s, f.max_exp(), (m | 3 << 62) & (u64::MAX << (64 - f.sig))),
            _ => f.default_nan(),
        }
    }
    /// Invalid: the default NaN.
    pub fn invalid(&mut self, f: Format) -> u128 {
        self.raise(ex::I);
        f.default_nan()
    }
    /// A result that is exact, or rounded to the format.
    pub fn pack(&mut self, f: Format, n: Num) -> u128 {
        match n {
            Zero(s) => f.zero(s),
            Inf(s) => f.infinity(s),
            Nan(..) | Unsupported => self.nan(f, n),
            Finite(s, e, m) => self.round(f, s, e, (m as u128) << 64),
        }
    }

    /// Whether to round up a number whose kept part is odd or not, with these bits below: the half, and whether there is more.
    fn away(&self, sign: bool, odd: bool, half: bool, more: bool) -> bool {
        match self.rc {
            Rc::Nearest => half && (more || odd),
            Rc::Down => sign && (half || more),
            Rc::Up => !sign && (half || more),
            Rc::Zero => false,
        }
    }

    /// Cut a significand (leading one at bit 127, or lower when denormal) to `bits` bits: the rounded one, whether it was inexact. A carry gives 0
    /// in 128 bits.
    fn cut(&mut self, sign: bool, sig: u128, bits: u32) -> (u128, bool) {
        let drop = 128 - bits;
        let rest = sig & ((1 << drop) - 1);
        let kept = sig & !((1 << drop) - 1);
        let half = rest >> (drop - 1) & 1 != 0;
        let more = rest & ((1 << (drop - 1)) - 1) != 0;
        let up = self.away(sign, kept >> drop & 1 != 0, half, more);
        self.up = up;
        (if up { kept.wrapping_add(1 << drop) } else { kept }, rest != 0)
    }

    /// Round sig * 2^(exp - 127), leading one at bit 127, anything inexact below kept as a last bit that is set.
    pub fn round(&mut self, f: Format, sign: bool, mut exp: i32, sig: u128) -> u128 {
        let bits = if self.precision != 0 { self.precision.min(f.sig) } else { f.sig };
        let min = 1 - f.bias();
        let (mut r, inexact) = self.cut(sign, sig, bits);
        let mut e = exp;
        if r == 0 {
            (r, e) = (1 << 127, e + 1);
        }
        // Tiny: what it would be with an unbounded exponent is below the least normal number.
        if e < min {
            return self.tiny(f, sign, exp, sig, bits, (e, r, inexact));
        }
        exp = e;
        if exp > f.bias() {
            return self.overflow(f, sign, exp, r, inexact);
        }
        if inexact {
            self.raise(ex::P);
        }
        f.image(sign, (exp + f.bias()) as u64, (r >> 64) as u64)
    }

    fn overflow(&mut self, f: Format, sign: bool, exp: i32, r: u128, inexact: bool) -> u128 {
        self.raise(ex::O);
        if self.masked & ex::O == 0 && self.wrap {
            let wrapped = exp - 24576 + f.bias();
            // Beyond even that it is infinity, whatever way is rounded.
            let beyond = wrapped >= f.max_exp() as i32;
            self.raise(if inexact || beyond { ex::P } else { 0 });
            self.up |= beyond;
            return if beyond { f.infinity(sign) } else { f.image(sign, wrapped as u64, (r >> 64) as u64) };
        }
        self.raise(ex::P);
        let infinite = self.away(sign, true, true, true);
        self.up = infinite;
        if infinite {
            f.infinity(sign)
        } else {
            match self.precision {
                0 => f.largest(sign),
                p => f.image(sign, f.max_exp() - 1, u64::MAX << (64 - p.min(f.sig))),
            }
        }
    }

    fn tiny(&mut self, f: Format, sign: bool, exp: i32, sig: u128, bits: u32, rounded: (i32, u128, bool)) -> u128 {
        let min = 1 - f.bias();
        if self.masked & ex::U == 0 {
            self.raise(ex::U);
            if rounded.2 {
                self.raise(ex::P);
            }
            if self.wrap {
                let wrapped = rounded.0 + 24576 + f.bias();
                if wrapped <= 0 {
                    self.raise(ex::P);
                    self.up = false;
                    return f.zero(sign);
                }
                return f.image(sign, wrapped as u64, (rounded.1 >> 64) as u64);
            }
        } else if self.ftz {
            self.raise(ex::U | ex::P);
            self.up = false;
            return f.zero(sign);
        }
        let down = (min - exp).min(127) as u32;
        let low = sig >> down | (sig & ((1u128 << down) - 1) != 0) as u128;
        let (r, inexact) = self.cut(sign, low, bits);
        if inexact {
            self.raise(ex::P);
            if self.masked & ex::U != 0 {
                self.raise(ex::U);
            }
        }
        // Rounded up to the least normal number after all.
        let e = (r >> 127 != 0) as u64;
        f.image(sign, e, (r >> 64) as u64)
    }

    /// Sum of exact numbers: normalized.
    fn normalized(&mut self, f: Format, sign: bool, exp: i32, sig: u128) -> u128 {
        let up = sig.leading_zeros();
        self.round(f, sign, exp - up as i32, sig << up)
    }

    // --- arithmetic --------------------------------------------------------------------------------------
    /// The NaN that a result is because an operand is one, by SSE's rule.
    pub fn propagate(&mut self, f: Format, ops: &[Num]) -> Option<u128> {
        if ops.iter().any(|n| n.is_signalling()) {
            self.raise(ex::I);
        }
        let first = ops.iter().find(|n| n.is_nan())?;
        Some(self.nan(f, *first))
    }

    /// a + b.
    pub fn add(&mut self, f: Format, a: Num, b: Num) -> u128 {
        match (a, b) {
            (Inf(x), Inf(y)) if x != y => self.invalid(f),
            (Inf(s), _) | (_, Inf(s)) => f.infinity(s),
            (Zero(x), Zero(y)) => f.zero(if x == y { x } else { self.rc == Rc::Down }),
            (Zero(_), n) | (n, Zero(_)) => self.pack(f, n),
            (Finite(sa, ea, ma), Finite(sb, eb, mb)) => {
                self.up = false;
                let big = if (ea, ma) >= (eb, mb) { (sa, ea, ma) } else { (sb, eb, mb) };
                let small = if (ea, ma) >= (eb, mb) { (sb, eb, mb) } else { (sa, ea, ma) };
                // Two bits above for the carry and the borrow's room.
                let x = (big.2 as u128) << 62;
                let d = (big.1 - small.1) as u32;
                let y = (small.2 as u128) << 62;
                let y = if d >= 126 { 1 } else { y >> d | (y & ((1u128 << d) - 1) != 0) as u128 };
                let r = if big.0 == small.0 { x + y } else { x - y };
                if r == 0 {
                    return f.zero(self.rc == Rc::Down);
                }
                self.normalized(f, big.0, big.1 + 2, r)
            }
            _ => f.default_nan(),
        }
    }

    /// a * b.
    pub fn mul(&mut self, f: Format, a: Num, b: Num) -> u128 {
        let s = a.sign() != b.sign();
        match (a, b) {
            (Inf(_), Zero(_)) | (Zero(_), Inf(_)) => self.invalid(f),
            (Inf(_), _) | (_, Inf(_)) => f.infinity(s),
            (Zero(_), _) | (_, Zero(_)) => f.zero(s),
            (Finite(_, ea, ma), Finite(_, eb, mb)) => self.normalized(f, s, ea + eb + 1, ma as u128 * mb as u128),
            _ => f.default_nan(),
        }
    }

    /// a / b.
    pub fn div(&mut self, f: Format, a: Num, b: Num) -> u128 {
        let s = a.sign() != b.sign();
        match (a, b) {
            (Inf(_), Inf(_)) | (Zero(_), Zero(_)) => self.invalid(f),
            (Inf(_), _) => f.infinity(s),
            (_, Inf(_)) | (Zero(_), _) => f.zero(s),
            (Finite(..), Zero(_)) => {
                self.raise(ex::Z);
                f.infinity(s)
            }
            (Finite(_, ea, ma), Finite(_, eb, mb)) => {
                // 64 bits of quotient, 62 more from the remainder.
                let n = (ma as u128) << 63;
                let (q, r) = (n / mb as u128, n % mb as u128);
                let n = r << 62;
                let (low, rest) = (n / mb as u128, n % mb as u128);
                let q = q << 62 | low;
                self.normalized(f, s, ea - eb + 2, q | (rest != 0) as u128)
            }
            _ => f.default_nan(),
        }
    }

    /// Square root.
    pub fn sqrt(&mut self, f: Format, a: Num) -> u128 {
        match a {
            Zero(s) => f.zero(s),
            Inf(false) => f.infinity(false),
            Finite(false, e, m) => {
                // An even exponent; the root of a number of 127 or 128 bits.
                let (e, n) = if e & 1 == 0 { (e, (m as u128) << 63) } else { (e - 1, (m as u128) << 64) };
                let mut root = 0u128;
                let mut rest = n;
                let mut bit = 1u128 << 126;
                while bit != 0 {
                    if rest >= root + bit {
                        rest -= root + bit;
                        root = (root >> 1) + bit;
                    } else {
                        root >>= 1;
                    }
                    bit >>= 2;
                }
                // 64 bits of root, then two more by the remainder's size.
                let mut more = 0;
                let (mut r, mut q) = (rest, root);
                for _ in 0..2 {
                    // (2q)^2 = 4q^2: the remainder times 4 against 4q + 1.
                    r <<= 2;
                    let t = (q << 2) | 1;
                    q <<= 1;
                    if r >= t {
                        r -= t;
                        q |= 1;
                    }
                    more += 1;
                }
                let sig = q << (64 - more) | (r != 0) as u128;
                self.normalized(f, false, e / 2, sig)
            }
            _ => self.invalid(f),
        }
    }

    /// a * b + c, rounded once.
    pub fn fma(&mut self, f: Format, a: Num, b: Num, c: Num) -> u128 {
        let s = a.sign() != b.sign();
        match (a, b, c) {
            (Inf(_), Zero(_), _) | (Zero(_), Inf(_), _) => self.invalid(f),
            (Inf(_), _, Inf(t)) | (_, Inf(_), Inf(t)) if s != t => self.invalid(f),
            (Inf(_), ..) | (_, Inf(_), _) => f.infinity(s),
            (_, _, Inf(t)) => f.infinity(t),
            (Zero(_), _, Zero(t)) | (_, Zero(_), Zero(t)) => f.zero(if s == t { s } else { self.rc == Rc::Down }),
            (Zero(_), ..) | (_, Zero(_), _) => self.pack(f, c),
            (Finite(_, ea, ma), Finite(_, eb, mb), _) => {
                let p = ma as u128 * mb as u128;
                let up = p.leading_zeros();
                let (pe, p) = (ea + eb + 1 - up as i32, p << up);
                match c {
                    Finite(t, ec, mc) => self.sum_wide(f, (s, pe, p), (t, ec, (mc as u128) << 64)),
                    _ => self.round(f, s, pe, p),
                }
            }
            _ => f.default_nan(),
        }
    }

    /// Sum of two numbers of up to 128 bits whose significands are those of products of at most 53 bits: their lowest bits are free.
    fn sum_wide(&mut self, f: Format, a: (bool, i32, u128), b: (bool, i32, u128)) -> u128 {
        let (big, small) = if (a.1, a.2) >= (b.1, b.2) { (a, b) } else { (b, a) };
        let d = (big.1 - small.1) as u32;
        let x = big.2 >> 2;
        let y = small.2 >> 2;
        let y = if d >= 126 { 1 } else { y >> d | (y & ((1u128 << d) - 1) != 0) as u128 };
        let r = if big.0 == small.0 { x + y } else { x - y };
        if r == 0 {
            return f.zero(self.rc == Rc::Down);
        }
        self.normalized(f, big.0, big.1 + 2, r)
    }

    // --- integers ----------------------------------------------------------------------------------------
    /// Rounded to an integral number; `exact`: Inexact is raised.
    pub fn round_integral(&mut self, f: Format, a: Num, exact: bool) -> u128 {
        match a {
            Finite(s, e, m) if e < 63 => {
                let (whole, inexact) = self.integral(s, e, m);
                if inexact && exact {
                    self.raise(ex::P);
                }
                if whole == 0 {
                    return f.zero(s);
                }
                let up = whole.leading_zeros();
                let saved = (self.raised, self.up);
                let r = self.round(f, s, 127 - up as i32, whole << up);
                (self.raised, self.up) = saved;
                r
            }
            n => self.pack_exact(f, n),
        }
    }

    fn pack_exact(&mut self, f: Format, n: Num) -> u128 {
        let saved = self.raised;
        let r = self.pack(f, n);
        self.raised = saved;
        self.up = false;
        r
    }

    /// The magnitude rounded to an integer, for exponents up to 63; whether it was inexact.
    fn integral(&mut self, s: bool, e: i32, m: u64) -> (u128, bool) {
        if e >= 63 {
            self.up = false;
            return ((m as u128) << (e - 63).min(64), false);
        }
        if e < -1 {
            let up = self.away(s, false, false, true);
            self.up = up;
            return (up as u128, true);
        }
        let drop = (63 - e) as u32;
        let (kept, rest) = if drop == 64 { (0, m) } else { (m >> drop, m & ((1 << drop) - 1)) };
        let half = rest >> (drop - 1) & 1 != 0;
        let more = rest & ((1u64 << (drop - 1)) - 1) != 0;
        let up = self.away(s, kept & 1 != 0, half, more);
        self.up = up;
        (kept as u128 + up as u128, rest != 0)
    }

    /// To a signed integer of `bits` bits; what it can't hold is the least one.
    pub fn to_int(&mut self, a: Num, bits: u32) -> i64 {
        let least = (i64::MIN) >> (64 - bits);
        let (s, e, m) = match a {
            Zero(_) => return 0,
            Finite(s, e, m) if e <= 63 => (s, e, m),
            _ => {
                self.raise(ex::I);
                return least;
            }
        };
        let (whole, inexact) = self.integral(s, e, m);
        let limit = 1u128 << (bits - 1);
        if whole > limit || (whole == limit && !s) {
            self.raise(ex::I);
            self.up = false;
            return least;
        }
        if inexact {
            self.raise(ex::P);
        }
        if s {
            (whole as i64).wrapping_neg()
        } else {
            whole as i64
        }
    }

    /// From a signed integer.
    pub fn from_int(&mut self, f: Format, v: i64) -> u128 {
        if v == 0 {
            return f.zero(false);
        }
        let n = v.unsigned_abs();
        let up = n.leading_zeros();
        self.round(f, v < 0, 63 - up as i32, ((n << up) as u128) << 64)
    }

    /// The order of two numbers; `None`: unordered. A quiet NaN raises Invalid if `signal`.
    pub fn compare(&mut self, a: Num, b: Num, signal: bool) -> Option<std::cmp::Ordering> {
        if a.is_nan() || b.is_nan() {
            if signal || a.is_signalling() || b.is_signalling() {
                self.raise(ex::I);
            }
            return None;
        }
        Some(key(a).cmp(&key(b)))
    }
}

/// A number that orders as the operand does.
fn key(n: Num) -> (i32, i32, i128) {
    match n {
        Zero(_) | Unsupported | Nan(..) => (0, 0, 0),
        Inf(s) => (if s { -2 } else { 2 }, 0, 0),
        Finite(true, e, m) => (-1, -e, -(m as i128)),
        Finite(false, e, m) => (1, e, m as i128),
    }
}

/// Unpack an image; whether it is a denormal.
pub fn split(f: Format, v: u128) -> (Num, bool) {
    let width = f.exp + f.sig - (f.sig != 64) as u32;
    let sign = v >> width & 1 != 0;
    let (e, m) = if f.sig == 64 {
        ((v >> 64) as u64 & 0x7fff, v as u64)
    } else {
        let frac = (v as u64) << (65 - f.sig) >> 1;
        let e = (v >> (f.sig - 1)) as u64 & f.max_exp();
        (e, frac | ((e != 0) as u64) << 63)
    };
    if e == f.max_exp() {
        if f.sig == 64 && m >> 63 == 0 {
            return (Unsupported, false);
        }
        return if m << 1 == 0 { (Inf(sign), false) } else { (Nan(sign, m), false) };
    }
    if e == 0 {
        if m == 0 {
            return (Zero(sign), false);
        }
        let up = m.leading_zeros();
        return (Finite(sign, 1 - f.bias() - up as i32, m << up), true);
    }
    if m >> 63 == 0 {
        return (Unsupported, false);
    }
    (Finite(sign, e as i32 - f.bias(), m), false)
}
