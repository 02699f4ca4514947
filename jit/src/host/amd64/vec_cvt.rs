//! Conversions between floating point and integers, and between precisions. Traps and NaNs as in `vec_fp`.
//!
//! **Inexact** must not be raised along with Invalid: where what is out of range can have a fraction (negative numbers to unsigned
//! ones, doubles to 32 bits), numbers are rounded silently first and once more with effect when they turn out to be in range.
//! **Fraction bits** are a factor of a power of two, exact once the operand is clamped so that the product can't overflow.

use super::asm::{cc, enc, encw, p38, p3a, p66, r, sh, state, Alu, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec_fp::{form, round_imm};
use crate::ir::{Arr, Inst, Op, Round, Type, Width};

const PSHUFD: Enc = p66(0x70);
const CVTTPS2DQ: Enc = enc(2, 1, 0x5b);
const CVTDQ2PS: Enc = enc(0, 1, 0x5b);
const MOVQ_TO: Enc = encw(1, 1, 0x6e);
const PINSRQ: Enc = encw(1, 3, 0x22);

/// FPSR's Invalid.
const IOC: i32 = 1;

/// Fraction bits of a conversion.
fn fraction(inst: &Inst) -> i64 {
    (inst.imm >> 8 & 0x7f) as i64
}

/// 2^`n` as a number of an arrangement's lanes.
fn power(arr: Arr, n: i64) -> u64 {
    match arr.log2() {
        2 => ((127 + n) as u64) << 23,
        _ => ((1023 + n) as u64) << 52,
    }
}

impl Emitter<'_> {
    /// `a` rounded to integral numbers, ties away from zero, in the scratch register; nothing is raised. `t` is scratch.
    pub fn round_away(&mut self, arr: Arr, a: u8, t: u8) {
        let sign = 1 << (arr.ebits() - 1);
        let (signs, rest) = (self.lane_const(arr, sign), self.lane_const(arr, sign - 1));
        // Twice the fraction, truncated, is what to add; the sign is the operand's.
        self.round(arr, a, 11);
        self.asm.v3(form(arr, 0x5c), t, a, VS);
        self.asm.v3(form(arr, 0x58), t, t, t);
        let double = (arr.log2() == 3) as u8;
        if arr.width() == Width::Scalar {
            self.asm.v3i(p3a(0x0a + double), t, t, t, 11);
        } else {
            self.asm.v2i(p3a(0x08 + double), t, Rm::R(t), 11);
        }
        self.asm.v3(form(arr, 0x58), VS, VS, t);
        self.asm.v3(p66(0xdb), VS, VS, rest);
        self.asm.v3(p66(0xdb), t, a, signs);
        self.asm.v3(p66(0xeb), VS, VS, t);
    }

    /// `a` rounded as a conversion says, ready for truncation. `t` is scratch.
    fn rounded(&mut self, arr: Arr, a: u8, t: u8, mode: Round, silent: bool) -> u8 {
        match mode {
            Round::Zero if !silent => return a,
            Round::Away => {
                if !silent {
                    self.raise_inexact(arr, a, mode);
                }
                self.round_away(arr, a, t);
            }
            _ => {
                let imm = round_imm(mode).unwrap_or(12);
                self.round(arr, a, if silent { imm | 8 } else { imm & 7 });
            }
        }
        VS
    }

    /// Raise Inexact if `a` has a fraction. Changes the scratch register.
    fn raise_inexact(&mut self, arr: Arr, a: u8, mode: Round) {
        let imm = round_imm(mode).unwrap_or(11);
        self.round(arr, a, imm & 7);
    }

    /// `d = a * 2^n`, `a` clamped so that the product is far out of any integer's range but no further.
    fn scale(&mut self, arr: Arr, d: u8, a: u8, n: i64) {
        let far = power(arr, 80 - n);
        let sign = 1 << (arr.ebits() - 1);
        let (most, least) = (self.lane_const(arr, far), self.lane_const(arr, far | sign));
        let by = self.lane_const(arr, power(arr, n));
        self.asm.v3(form(arr, 0x5d), d, a, most);
        self.asm.v3(form(arr, 0x5f), d, d, least);
        self.asm.v3(form(arr, 0x59), d, d, by);
    }

    /// The fraction bits of a conversion from integers: `d` times 2^-n, exactly.
    pub fn unscale(&mut self, inst: &Inst, d: u8) {
        let n = fraction(inst);
        if n != 0 {
            let by = self.lane_const(inst.arr(), power(inst.arr(), -n));
            self.asm.v3(form(inst.arr(), 0x59), d, d, by);
        }
    }

    // --- from floating point -------------------------------------------------------------------------
    /// To integers in the lanes.
    pub fn fp_to_lanes(&mut self, inst: &Inst) -> bool {
        let mode = Round::from_bits(inst.imm);
        if mode == Round::Odd {
            return false;
        }
        let arr = inst.arr();
        let unsigned = inst.op == Op::FToU;
        let single = arr.log2() == 2;
        let mut source = 0;
        if unsigned {
            self.clobber_flags();
            source = self.reg(inst.args[0]);
        }
        // A single number as the only one of four that isn't zero: there is no scalar form that leaves it in the vector register.
        let alone = single && arr.width() == Width::Scalar;
        let shape = if alone { Arr::S4 } else { arr };
        let copied = alone || (arr.width() == Width::W64 && self.known(inst.args[0]) > 3);
        let mut a = if alone { self.low_copy(inst.args[0], arr) } else { self.fp_operand(inst.args[0], arr) };
        let scaled = if copied || fraction(inst) == 0 { a } else { self.vtemp() };
        let t = self.vtemp();
        self.point();
        if fraction(inst) != 0 {
            self.scale(shape, scaled, a, fraction(inst));
            a = scaled;
        }
        let s = self.rounded(shape, a, t, mode, unsigned);
        if single {
            self.asm.v2(CVTTPS2DQ, t, Rm::R(s));
        } else {
            self.doubles_to_lanes(arr, t, s);
        }
        let d = self.def();
        if !unsigned {
            self.asm.vmov(d, t);
            return true;
        }
        // What looks negative is so, or the software's.
        self.asm.v2(enc(!single as u8, 1, 0x50), r::AX, Rm::R(t));
        self.asm.test(false, r::AX, r::AX);
        let from = self.asm.jcc_near(cc::NE);
        self.raise_inexact(shape, a, mode);
        self.asm.vmov(d, t);
        self.fallback_ool(from, [source, 0, 0], d);
        true
    }

    /// `t` = the doubles in `s`, which are integral, as 64-bit integers. Uses rax.
    fn doubles_to_lanes(&mut self, arr: Arr, t: u8, s: u8) {
        let cvtt = encw(3, 1, 0x2c);
        self.asm.v2(cvtt, r::AX, Rm::R(s));
        if arr.width() != Width::W128 {
            return self.asm.v2(MOVQ_TO, t, Rm::R(r::AX));
        }
        let g = self.temp();
        self.asm.v2i(PSHUFD, t, Rm::R(s), 0xee);
        self.asm.v2(cvtt, g, Rm::R(t));
        self.asm.v2(MOVQ_TO, t, Rm::R(r::AX));
        self.asm.v3i_gpr(PINSRQ, t, t, Rm::R(g), 1);
    }

    /// To a general register.
    pub fn fp_to_reg(&mut self, inst: &Inst) -> bool {
        let mode = Round::from_bits(inst.imm);
        if mode == Round::Odd {
            return false;
        }
        let unsigned = inst.op == Op::FToUInt;
        let w = inst.ty == Type::I64;
        if unsigned {
            self.clobber_flags();
        }
        let given = self.reg(inst.args[0]);
        let (mut arr, mut source) = (inst.arr(), given);
        if arr.log2() == 1 {
            (arr, source) = (Arr::S, self.vtemp());
            self.point();
            self.widen(source, Rm::R(given), 0);
        }
        let t = if mode == Round::Away { self.vtemp() } else { VS };
        let a = if fraction(inst) != 0 { self.vtemp() } else { source };
        self.point();
        if fraction(inst) != 0 {
            self.scale(arr, a, source, fraction(inst));
        }
        let e = Enc { w: w || unsigned, ..form(arr, 0x2c) };
        let silent = unsigned || (!w && arr.log2() == 3 && mode != Round::Zero);
        let s = self.rounded(arr, a, t, mode, silent);
        let d = self.def();
        self.asm.v2(e, d, Rm::R(s));
        if !unsigned {
            if silent {
                self.raise_inexact(arr, a, mode);
            }
            return true;
        }
        // Negative, or beyond 32 bits: the software saturates. (Beyond 63 bits the conversion trapped.)
        let from = if w {
            self.asm.test(true, d, d);
            self.asm.jcc_near(cc::S)
        } else {
            self.asm.mov_rr(false, r::AX, d);
            self.asm.alu(Alu::Cmp, true, r::AX, d);
            self.asm.jcc_near(cc::NE)
        };
        self.raise_inexact(arr, a, mode);
        self.fallback_ool(from, [given, 0, 0], d);
        true
    }

    /// Truncation by an instruction that has met what is out of range, and will again: programs find out that way whether a number is an index. The exponent
    /// says whether it is in range. Signed conversions saturate here; unsigned ones leave to the software all that is negative, or too large for a signed one.
    pub fn checked_fp_to_reg(&mut self, inst: &Inst) -> bool {
        let (arr, unsigned, wide) = (inst.arr(), inst.op == Op::FToUInt, inst.ty == Type::I64);
        if inst.imm & crate::ir::JAVASCRIPT != 0 || Round::from_bits(inst.imm) != Round::Zero || fraction(inst) != 0 {
            return false;
        }
        let (double, mantissa, bias) = match arr.log2() {
            2 => (false, 23, 127),
            3 => (true, 52, 1023),
            _ => return false,
        };
        self.clobber_flags();
        let a = self.reg(inst.args[0]);
        let g = self.temp();
        let bits = |e: &mut Self, d: u8| e.asm.v2(Enc { w: double, ..p66(0x7e) }, a, Rm::R(d));
        let truncate = Enc { w: wide || unsigned, ..form(arr, 0x2c) };
        bits(self, r::AX);
        if unsigned {
            // The sign makes the exponent too large.
            self.asm.shift_imm(sh::SHR, double, r::AX, mantissa);
            self.asm.alu_imm(Alu::Cmp, false, r::AX, bias + if wide { 63 } else { 32 });
            let from = self.asm.jcc_near(cc::AE);
            let d = self.def();
            self.asm.v2(truncate, d, Rm::R(a));
            self.fallback_ool(from, [a, 0, 0], d);
            return true;
        }
        let d = self.def();
        self.asm.alu(Alu::Add, double, r::AX, r::AX);
        self.asm.mov_rr(double, g, r::AX);
        self.asm.shift_imm(sh::SHR, double, g, mantissa + 1);
        self.asm.alu_imm(Alu::Cmp, false, g, bias + if wide { 63 } else { 31 });
        let in_range = self.asm.jcc_short(cc::B);
        let too_large = self.asm.jcc_short(cc::A);
        // The least integer is in this binade.
        bits(self, d);
        self.asm.test(double, d, d);
        let perhaps = self.asm.jcc_near(cc::S);
        self.asm.bind(too_large);
        // All ones with the sign of the other kind, as the sign says; a NaN, whose exponent is the largest and whose fraction isn't 0, is 0.
        bits(self, d);
        self.asm.shift_imm(sh::SAR, double, d, if double { 63 } else { 31 });
        self.asm.mov_imm(g, if wide { i64::MAX as u64 } else { i32::MAX as u64 });
        if wide && !double {
            self.asm.movsx(2, true, d, d);
        }
        self.asm.alu(Alu::Xor, wide, d, g);
        self.asm.mov_imm(g, if double { 0x7ff << 53 } else { 0xff << 24 });
        self.asm.alu(Alu::Cmp, double, r::AX, g);
        let number = self.asm.jcc_short(cc::BE);
        self.asm.mov_imm(d, 0);
        self.asm.bind(number);
        self.asm.alu_imm(Alu::Or, false, state!(fpsr), IOC);
        let done = self.asm.jmp_short();
        self.asm.bind(in_range);
        self.asm.v2(truncate, d, Rm::R(a));
        self.asm.bind(done);
        self.fallback_ool(perhaps, [a, 0, 0], d);
        true
    }

    /// FJCVTZS: see [`JAVASCRIPT`](crate::ir::JAVASCRIPT). What 64 bits can't hold traps.
    pub fn fp_to_javascript(&mut self, inst: &Inst) {
        self.clobber_flags();
        let a = self.reg(inst.args[0]);
        let g = self.temp();
        let t = self.vtemp();
        self.point();
        // Silently: out of 32 bits nothing is inexact.
        self.round(Arr::D, a, 11);
        self.asm.v2(Enc { w: true, ..form(Arr::D, 0x2c) }, r::AX, Rm::R(VS));
        let d = self.def();
        self.asm.movsx(2, true, g, r::AX);
        self.asm.mov_rr(false, d, r::AX);
        self.asm.alu(Alu::Xor, true, g, r::AX);
        // The operand's very value, to the bit?
        self.asm.vzero(t);
        self.asm.v3_gpr(form(Arr::D, 0x2a), t, t, Rm::R(r::AX));
        self.asm.v3(p66(0xef), t, t, Rm::R(a));
        self.asm.v2(encw(1, 1, 0x7e), t, Rm::R(r::AX));
        self.asm.test(true, r::AX, r::AX);
        let other = self.asm.jcc_short(cc::NE);
        // bts
        self.asm.op(enc(0, 1, 0xba), true, 5, Rm::R(d), 1, false);
        self.asm.u8(32);
        let done = self.asm.jmp_short();
        self.asm.bind(other);
        self.asm.test(true, g, g);
        let out_of_range = self.asm.jcc_short(cc::NE);
        self.raise_inexact(Arr::D, a, Round::Zero);
        let rounded = self.asm.jmp_short();
        self.asm.bind(out_of_range);
        self.asm.alu_imm(Alu::Or, false, state!(fpsr), IOC);
        self.asm.bind(rounded);
        self.asm.bind(done);
    }

    // --- from integers -------------------------------------------------------------------------------
    /// From signed lanes.
    pub fn int_lanes_to_fp(&mut self, inst: &Inst) {
        let arr = inst.arr();
        if arr.log2() == 2 {
            let a = match arr.width() {
                Width::Scalar if self.known(inst.args[0]) > 2 => self.low_copy(inst.args[0], arr),
                _ => self.fp_operand(inst.args[0], arr),
            };
            let d = self.def();
            self.asm.v2(CVTDQ2PS, d, Rm::R(a));
            return self.unscale(inst, d);
        }
        if self.feat.avx512 {
            return self.quads_to_fp(inst, 0xe6);
        }
        let a = self.reg(inst.args[0]);
        let cvt = encw(3, 1, 0x2a);
        self.asm.v2(encw(1, 1, 0x7e), a, Rm::R(r::AX));
        if arr.width() == Width::W128 {
            let g = self.temp();
            self.asm.v2i(encw(1, 3, 0x16), a, Rm::R(g), 1);
            self.asm.vzero(VS);
            self.asm.v3_gpr(cvt, VS, VS, Rm::R(g));
        }
        let d = self.def();
        self.asm.vzero(d);
        self.asm.v3_gpr(cvt, d, d, Rm::R(r::AX));
        if arr.width() == Width::W128 {
            self.asm.v3(p66(0x6c), d, d, VS);
        }
        self.unscale(inst, d);
    }

    /// From lanes of 64 bits by vcvtqq2pd or vcvtuqq2pd.
    fn quads_to_fp(&mut self, inst: &Inst, op: u8) {
        let arr = inst.arr();
        let a = match arr.width() {
            // Other lanes must not be inexact.
            Width::Scalar if self.known(inst.args[0]) > 3 => self.low_copy(inst.args[0], arr),
            _ => self.reg(inst.args[0]),
        };
        let d = self.def();
        self.asm.evex(encw(2, 1, op), d, 0, Rm::R(a), None);
        self.unscale(inst, d);
    }

    /// From unsigned lanes: both halves of a number are exact, and only their sum is rounded.
    pub fn uint_lanes_to_fp(&mut self, inst: &Inst) {
        let arr = inst.arr();
        if arr.log2() == 3 && self.feat.avx512 {
            return self.quads_to_fp(inst, 0x7a);
        }
        let t = self.vtemp();
        if arr.log2() == 2 {
            let a = match arr.width() {
                Width::Scalar if self.known(inst.args[0]) > 2 => self.low_copy(inst.args[0], arr),
                _ => self.fp_operand(inst.args[0], arr),
            };
            let low = self.asm.constant(super::vec::splat(2, 0xffff));
            let up = self.asm.constant(super::vec::splat(2, power(arr, 16)));
            self.asm.vshift(0x72, 2, VS, a, 16);
            self.asm.v2(CVTDQ2PS, VS, Rm::R(VS));
            self.asm.v3(enc(0, 1, 0x59), VS, VS, up);
            self.asm.v3(p66(0xdb), t, a, low);
            self.asm.v2(CVTDQ2PS, t, Rm::R(t));
            let d = self.def();
            self.asm.v3(enc(0, 1, 0x58), t, t, VS);
            self.asm.vmov(d, t);
            return self.unscale(inst, d);
        }
        let a = self.reg(inst.args[0]);
        let pool = |e: &mut Self, c| e.asm.constant(super::vec::splat(3, c));
        let (two52, two84) = (pool(self, power(arr, 52)), pool(self, power(arr, 84)));
        let both = pool(self, power(arr, 84) | 1 << 20);
        let low = pool(self, 0xffff_ffff);
        // 2^84 + high * 2^32, less 2^84 + 2^52, plus 2^52 + low; zero's sign is the rounding mode's and goes.
        self.asm.vshift(0x73, 2, VS, a, 32);
        self.asm.v3(p66(0xeb), VS, VS, two84);
        self.asm.v3(form(arr, 0x5c), VS, VS, both);
        self.asm.v3(p66(0xdb), t, a, low);
        self.asm.v3(p66(0xeb), t, t, two52);
        self.asm.v3(form(arr, 0x58), VS, VS, t);
        let rest = self.lane_const(arr, u64::MAX >> 1);
        let d = self.def();
        self.asm.v3(p66(0xdb), d, VS, rest);
        self.unscale(inst, d);
    }

    /// From a general register.
    pub fn reg_to_fp(&mut self, inst: &Inst) {
        let w = self.b.ty(inst.args[0]) == Type::I64;
        let e = form(inst.arr(), 0x2a);
        if inst.op == Op::IntSToF {
            let a = self.rm(inst.args[0]);
            let d = self.def();
            self.asm.vzero(d);
            self.asm.v3_gpr(Enc { w, ..e }, d, d, a);
            return self.unscale(inst, d);
        }
        let wide = Enc { w: true, ..e };
        if w {
            self.clobber_flags();
        }
        self.load_to(r::AX, inst.args[0]);
        let t = self.temp();
        let d = self.def();
        self.asm.vzero(d);
        if !w {
            self.asm.mov_rr(false, r::AX, r::AX);
            self.asm.v3_gpr(wide, d, d, Rm::R(r::AX));
            return self.unscale(inst, d);
        }
        self.asm.test(true, r::AX, r::AX);
        let big = self.asm.jcc_short(cc::S);
        self.asm.v3_gpr(wide, d, d, Rm::R(r::AX));
        let done = self.asm.jmp_short();
        self.asm.bind(big);
        // Halve, keeping the last bit sticky, and double the result: it rounds as the whole would.
        self.asm.mov_rr(true, t, r::AX);
        self.asm.shift_imm(sh::SHR, true, t, 1);
        self.asm.alu_imm(Alu::And, false, r::AX, 1);
        self.asm.alu(Alu::Or, true, r::AX, t);
        self.asm.v3_gpr(wide, d, d, Rm::R(r::AX));
        self.asm.v3(form(inst.arr(), 0x58), d, d, d);
        self.asm.bind(done);
        self.unscale(inst, d);
    }

    // --- precision -----------------------------------------------------------------------------------
    /// Between precisions.
    pub fn precision(&mut self, inst: &Inst) -> bool {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        match inst.op {
            Op::FCvt => self.fcvt(inst, log2, inst.imm as u8 & 3),
            Op::FCvtl => {
                if log2 == 1 && !self.feat.f16c {
                    return false;
                }
                let mut a = self.reg(inst.args[0]);
                if inst.imm != 0 {
                    self.asm.v2i(p66(0x70), VS, Rm::R(a), 0xee);
                    a = VS;
                }
                self.point();
                let d = self.def();
                self.asm.v2(if log2 == 1 { p38(0x13) } else { enc(0, 1, 0x5a) }, d, Rm::R(a));
                true
            }
            _ => {
                if Round::from_bits(inst.imm) != Round::Current || arr.width() == Width::Scalar || (log2 == 1 && !self.feat.f16c)
                {
                    return false;
                }
                let a = self.reg(inst.args[0]);
                self.point();
                let d = self.def();
                if log2 == 2 {
                    self.asm.v2(p66(0x5a), d, Rm::R(a));
                } else {
                    self.asm.v2i(p3a(0x1d), a, Rm::R(d), 4);
                }
                true
            }
        }
    }

    fn fcvt(&mut self, inst: &Inst, from: u8, to: u8) -> bool {
        match (from, to) {
            (2, 3) | (3, 2) => {
                let a = self.reg(inst.args[0]);
                self.point();
                self.asm.v3(enc(from, 1, 0x5a), VS, a, a);
                let d = self.def();
                if to == 3 && self.known(inst.args[0]) <= 3 {
                    self.asm.vmov(d, VS);
                } else {
                    self.vlow(d, Rm::R(VS), Arr::new(to, Width::Scalar));
                }
            }
            (1, 2 | 3) if self.feat.f16c => {
                let t = self.low_copy(inst.args[0], Arr::H);
                self.point();
                self.asm.v2(p38(0x13), VS, Rm::R(t));
                if to == 3 {
                    self.asm.v3(enc(2, 1, 0x5a), VS, VS, VS);
                }
                let d = self.def();
                self.asm.vmov(d, VS);
            }
            (2, 1) if self.feat.f16c => {
                let t = self.low_copy(inst.args[0], Arr::S);
                self.point();
                let d = self.def();
                self.asm.v2i(p3a(0x1d), t, Rm::R(d), 4);
            }
            _ => return false,
        }
        true
    }
}
