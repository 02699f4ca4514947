//! Reciprocal and reciprocal square root estimates of singles and doubles.
//!
//! Arm's estimates are those of a table: `round(2^18 / n)` and `round(2^13 / sqrt(n))`, where n stands for the leading bits of the operand. The host's
//! own differ from processor to processor, but all are so near that, scaled and rounded down, they are right or one too small; a product of integers
//! tells which. Nothing here raises an exception: what would, or is not normal, goes out of line.
//!
//! Of doubles the upper words are worked on; the lower ones are any small numbers.

use super::asm::{cc, enc, p38, p3a, p66, r, Addr, Alu, Enc, Near, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::splat;
use crate::ir::{Inst, Op};

const PAND: Enc = p66(0xdb);
const POR: Enc = p66(0xeb);
const PADDD: Enc = p66(0xfe);
const PSUBD: Enc = p66(0xfa);
const PMADDWD: Enc = p66(0xf5);
const CVTDQ2PS: Enc = enc(0, 1, 0x5b);
const CVTTPS2DQ: Enc = enc(2, 1, 0x5b);
/// Shift groups by the size of their lanes, and directions in them.
const WORDS: u8 = 0x72;
const QUADS: u8 = 0x73;
const RIGHT: u8 = 2;
const SIGNED: u8 = 4;
const LEFT: u8 = 6;

/// Where things are in a format.
struct Layout {
    double: bool,
    /// Shift group of a whole lane.
    lanes: u8,
    /// Bits of the fraction.
    fraction: u8,
    /// Bits of the fraction in the word with the exponent.
    upper: u8,
    bias: u32,
}

const SINGLE: Layout = Layout { double: false, lanes: WORDS, fraction: 23, upper: 23, bias: 127 };
const DOUBLE: Layout = Layout { double: true, lanes: QUADS, fraction: 52, upper: 20, bias: 1023 };

impl Layout {
    /// A lane with this biased exponent.
    fn exponent(&self, e: u32) -> u128 {
        match self.double {
            true => splat(3, (e as u64) << 52),
            false => splat(2, (e as u64) << 23),
        }
    }
    /// The largest lane below that, as words are compared: all there is in the lower ones.
    fn below(&self, e: u32) -> u128 {
        match self.double {
            true => splat(3, ((e as u64) << 52) - 1),
            false => splat(2, ((e as u64) << 23) - 1),
        }
    }
    /// Addition or subtraction of whole lanes.
    fn add(&self) -> Enc {
        p66(if self.double { 0xd4 } else { 0xfe })
    }
    fn sub(&self) -> Enc {
        p66(if self.double { 0xfb } else { 0xfa })
    }
}

impl Emitter<'_> {
    /// FRECPE or FRSQRTE.
    pub fn estimate(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let f = if arr.log2() == 3 { &DOUBLE } else { &SINGLE };
        let root = inst.op == Op::FRsqrte;
        self.clobber_flags();
        let a = self.reg(inst.args[0]);
        let (n, e) = (self.vtemp(), self.vtemp());
        let d = self.def();
        let from = self.not_estimated(a, f, root, arr.lanes());
        if root {
            self.root_number(n, a, f);
        } else {
            self.leading_number(n, a, f);
        }
        self.asm.v2(CVTDQ2PS, e, Rm::R(n));
        self.asm.v2(enc(0, 1, if root { 0x52 } else { 0x53 }), e, Rm::R(e));
        let scale = self.asm.constant(splat(2, if root { 0x4600_0000 } else { 0x4880_0000 }));
        self.asm.v3(enc(0, 1, 0x59), e, e, scale);
        // Down, and silently.
        self.asm.v2i(p3a(0x08), e, Rm::R(e), 9);
        self.asm.v2(CVTTPS2DQ, e, Rm::R(e));
        self.one_more(n, e, root);
        let to = if root { self.root_result(n, e, a, f) } else { self.reciprocal_result(n, e, a, f) };
        self.vlow(d, Rm::R(to), arr);
        self.fallback_ool(from, [a, 0, 0], d);
    }

    fn words(&mut self, c: u64) -> Addr {
        self.asm.constant(splat(2, c))
    }

    /// Leave unless operands and results are normal numbers, and roots are of positive ones.
    fn not_estimated(&mut self, a: u8, f: &Layout, root: bool, lanes: usize) -> Near {
        let first = self.asm.constant(f.exponent(1));
        // Of exponents above 2 * bias - 2 the reciprocal is denormal.
        let beyond = self.asm.constant(f.below(if root { 2 * f.bias } else { 2 * f.bias - 2 }));
        if root {
            self.asm.v3(PSUBD, VS, a, first);
        } else {
            let mask = self.asm.constant(f.exponent(2 * f.bias + 1));
            self.asm.vmov(VS, mask);
            self.asm.v3(PAND, VS, VS, Rm::R(a));
            self.asm.v3(PSUBD, VS, VS, first);
        }
        self.asm.v3(p38(0x3f), VS, VS, beyond);
        self.asm.v3(p66(0x76), VS, VS, beyond);
        self.asm.v2(enc(f.double as u8, 1, 0x50), r::AX, Rm::R(VS));
        let all = (1 << lanes) - 1;
        if all == 1 {
            self.asm.test_imm8(r::AX, 1);
            return self.asm.jcc_near(cc::E);
        }
        self.asm.alu_imm(Alu::And, false, r::AX, all);
        self.asm.alu_imm(Alu::Cmp, false, r::AX, all);
        self.asm.jcc_near(cc::NE)
    }

    /// `n` = 2 * (256 + the leading 8 bits of the fraction) + 1.
    fn leading_number(&mut self, n: u8, a: u8, f: &Layout) {
        self.asm.vshift(WORDS, RIGHT, n, a, f.upper - 9);
        let (bits, rest) = (self.words(0x1fe), self.words(0x201));
        self.asm.v3(PAND, n, n, bits);
        self.asm.v3(POR, n, n, rest);
    }

    /// `n` = 257 + the leading 8 bits of the fraction but the last, twice that for even exponents.
    fn root_number(&mut self, n: u8, a: u8, f: &Layout) {
        let (bits, rest) = (self.words(0xfe), self.words(0x101));
        self.asm.vshift(WORDS, LEFT, VS, a, 31 - f.upper);
        self.asm.vshift(WORDS, SIGNED, VS, VS, 31);
        self.asm.vshift(WORDS, RIGHT, n, a, f.upper - 8);
        self.asm.v3(PAND, n, n, bits);
        self.asm.v3(POR, n, n, rest);
        self.asm.v3(p66(0xdf), VS, VS, Rm::R(n));
        self.asm.v3(PADDD, n, n, Rm::R(VS));
    }

    /// The estimate `e` is one too small if n * (2e + 1) < 2^19, or n * (2e + 1)^2 < 2^28.
    fn one_more(&mut self, n: u8, e: u8, root: bool) {
        let (one, limit) = (self.words(1), self.words(if root { 1 << 28 } else { 1 << 19 }));
        self.asm.v3(PADDD, VS, e, Rm::R(e));
        self.asm.v3(POR, VS, VS, one);
        if root {
            self.asm.v3(PMADDWD, VS, VS, Rm::R(VS));
            self.asm.v3(p38(0x40), VS, VS, Rm::R(n));
        } else {
            self.asm.v3(PMADDWD, VS, VS, Rm::R(n));
        }
        self.asm.v3(PSUBD, VS, VS, limit);
        self.asm.vshift(WORDS, SIGNED, VS, VS, 31);
        self.asm.v3(PSUBD, e, e, Rm::R(VS));
    }

    /// `e`, whose ninth bit is one, at the place of the fraction: that bit adds one to the exponent.
    fn place_fraction(&mut self, e: u8, f: &Layout) {
        if f.double {
            // Words with the exponents are the upper ones.
            self.asm.vshift(QUADS, RIGHT, e, e, 32);
        }
        self.asm.vshift(f.lanes, LEFT, e, e, f.fraction - 8);
    }

    fn reciprocal_result(&mut self, n: u8, e: u8, a: u8, f: &Layout) -> u8 {
        let (mask, sum) = (self.asm.constant(f.exponent(2 * f.bias + 1)), self.asm.constant(f.exponent(2 * f.bias - 2)));
        let sign = self.asm.constant(f.exponent(2 * f.bias + 2));
        self.place_fraction(e, f);
        self.asm.vmov(VS, mask);
        self.asm.v3(PAND, VS, VS, Rm::R(a));
        self.asm.vmov(n, sum);
        self.asm.v3(f.sub(), n, n, Rm::R(VS));
        self.asm.v3(f.add(), n, n, Rm::R(e));
        self.asm.vmov(VS, sign);
        self.asm.v3(PAND, VS, VS, Rm::R(a));
        self.asm.v3(POR, n, n, Rm::R(VS));
        n
    }

    fn root_result(&mut self, n: u8, e: u8, a: u8, f: &Layout) -> u8 {
        let lane = if f.double { 3 } else { 2 };
        let sum = self.asm.constant(splat(lane, 3 * f.bias as u64 - 3));
        self.place_fraction(e, f);
        self.asm.vshift(f.lanes, RIGHT, VS, a, f.fraction);
        self.asm.vmov(n, sum);
        self.asm.v3(f.sub(), n, n, Rm::R(VS));
        self.asm.vshift(f.lanes, RIGHT, n, n, 1);
        self.asm.vshift(f.lanes, LEFT, n, n, f.fraction);
        self.asm.v3(f.add(), n, n, Rm::R(e));
        n
    }
}
