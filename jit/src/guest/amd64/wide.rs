//! Numbers with 128 bits of significand: the functions of the x87 are computed in them and rounded once. Operations cut; a sum or product is wrong by
//! a few units in the last place at most, a quotient by a few dozen.

/// ±sig * 2^(exp - 127), with bit 127 of `sig` set, or zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wide {
    /// Its sign.
    pub neg: bool,
    /// Its exponent.
    pub exp: i32,
    /// Its significand.
    pub sig: u128,
}

/// 1.
pub const ONE: Wide = Wide::int(1);
/// pi.
pub const PI: Wide = Wide { neg: false, exp: 1, sig: 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1 };
/// ln 2.
pub const LN2: Wide = Wide { neg: false, exp: -1, sig: 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6af };
/// log2 e.
pub const LOG2E: Wide = Wide { neg: false, exp: 0, sig: 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e89 };

/// The upper and lower halves of a product.
fn product(a: u128, b: u128) -> (u128, u128) {
    let mask = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & mask, b >> 64, b & mask);
    let low = a0 * b0;
    let mid = a1 * b0 + (low >> 64);
    let mid2 = a0 * b1 + (mid & mask);
    (a1 * b1 + (mid >> 64) + (mid2 >> 64), mid2 << 64 | low & mask)
}

impl Wide {
    /// A number of 64 bits of significand, the leading one included.
    pub const fn new(neg: bool, exp: i32, sig: u64) -> Wide {
        Wide { neg, exp, sig: (sig as u128) << 64 }
    }
    /// A small integer.
    pub const fn int(n: i32) -> Wide {
        if n == 0 {
            return Wide { neg: false, exp: 0, sig: 0 };
        }
        let m = n.unsigned_abs() as u128;
        let up = m.leading_zeros();
        Wide { neg: n < 0, exp: 127 - up as i32, sig: m << up }
    }
    /// 1 / n.
    pub const fn inverse(n: u64) -> Wide {
        let (q, r) = ((1 << 127) / n as u128, (1 << 127) % n as u128);
        let up = q.leading_zeros();
        Wide { neg: false, exp: -(up as i32), sig: (q << up) | ((r << up) / n as u128) }
    }
    /// -a.
    pub fn negated(self) -> Wide {
        Wide { neg: !self.neg, ..self }
    }
    /// a * 2^n.
    pub fn scaled(self, n: i32) -> Wide {
        Wide { exp: self.exp + n, ..self }
    }
    /// Whether |a| < |b|.
    pub fn below(self, b: Wide) -> bool {
        b.sig != 0 && (self.sig == 0 || (self.exp, self.sig) < (b.exp, b.sig))
    }
    fn normalized(neg: bool, exp: i32, sig: u128) -> Wide {
        if sig == 0 {
            return Wide::int(0);
        }
        let up = sig.leading_zeros();
        Wide { neg, exp: exp - up as i32, sig: sig << up }
    }
    /// a * b.
    pub fn mul(self, b: Wide) -> Wide {
        if self.sig == 0 || b.sig == 0 {
            return Wide::int(0);
        }
        let (high, low) = product(self.sig, b.sig);
        let (neg, exp) = (self.neg != b.neg, self.exp + b.exp);
        if high >> 127 != 0 {
            Wide { neg, exp: exp + 1, sig: high }
        } else {
            Wide { neg, exp, sig: high << 1 | low >> 127 }
        }
    }
    /// a + b. Of what is far smaller the lowest bit or a difference still tells.
    pub fn add(self, b: Wide) -> Wide {
        let (big, small) = if self.below(b) { (b, self) } else { (self, b) };
        if small.sig == 0 {
            return big;
        }
        let d = (big.exp - small.exp) as u32;
        let s = if d < 128 { small.sig >> d } else { 0 };
        let lost = d >= 128 || small.sig & ((1 << d) - 1) != 0;
        if big.neg != small.neg {
            return Wide::normalized(big.neg, big.exp, big.sig - s - lost as u128);
        }
        match big.sig.overflowing_add(s) {
            (sig, false) => Wide { sig: sig | lost as u128, ..big },
            (sig, true) => Wide { sig: sig >> 1 | 1 << 127 | lost as u128, exp: big.exp + 1, ..big },
        }
    }
    /// a - b.
    pub fn sub(self, b: Wide) -> Wide {
        self.add(b.negated())
    }
    /// a / b, of numbers that are not zero.
    pub fn div(self, b: Wide) -> Wide {
        // 1 / b by a step of Newton's method from 63 bits: b between 1/2 and 1 in units of 2^-128, its inverse of 2^-126. (No floating point: the
        // host's is set as the guest wants its own, and would raise exceptions.)
        const UNIT: u128 = 1 << 126;
        let start = ((1 << 127) / (b.sig >> 64)) << 63;
        let (p, _) = product(b.sig, start);
        let (step, _) = product(start, p.abs_diff(UNIT) << 2);
        let y = if p < UNIT { start + step } else { start - step };
        let (q, _) = product(self.sig, y);
        // sig / 2^128 * 2^(exp + 1) over the same of b; q in units of 2^-126.
        Wide::normalized(self.neg != b.neg, self.exp - b.exp + 1, q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative error in units of 2^-127.
    fn off(a: Wide, b: Wide) -> u128 {
        let d = a.sub(b);
        if d.sig == 0 {
            return 0;
        }
        let down = b.exp - d.exp;
        assert!(down > 100, "{a:?} {b:?}");
        (d.sig >> (down - 1).min(127)) + 1
    }

    #[test]
    fn arithmetic_inverts() {
        let mut seed = 1u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let high = (seed | 1 << 63) as u128;
            Wide { neg: seed >> 3 & 1 != 0, exp: (seed >> 40 & 63) as i32 - 32, sig: high << 64 | (seed.rotate_left(29) as u128) }
        };
        for _ in 0..20_000 {
            let (a, b) = (draw(), draw());
            assert!(off(a.mul(b).div(b), a) <= 64, "{a:?} {b:?}");
            assert!(off(a.div(b).mul(b), a) <= 64, "{a:?} {b:?}");
            let d = a.add(b).sub(b).sub(a);
            assert!(d.sig == 0 || d.exp <= a.exp.max(b.exp) - 122, "{a:?} {b:?}");
        }
        assert_eq!(Wide::inverse(4), ONE.scaled(-2));
        assert!(off(Wide::inverse(3).mul(Wide::int(3)), ONE) <= 2);
        assert!(off(LN2.mul(LOG2E), ONE) <= 2);
    }
}
