//! Arithmetic on half precision by way of singles (F16C). Traps and NaNs as in `vec_fp`.
//!
//! **Rounding twice** is rounding once for sums, differences, products, quotients and square roots: a single has more than twice the
//! digits and two more. Products are even exact. Of a fused multiply-add only the sum is rounded, to a single first; that is wrong
//! when the single lies exactly between two halves without the sum doing so: such sums go out of line, as do those that become
//! denormal halves, whose last digit is elsewhere.
//!
//! **Lanes that don't count**: conversions to singles raise nothing but Invalid, so it is enough to clear them before anything is
//! converted back.

use super::asm::{cc, enc, p38, p3a, p66, r, state, Alu, Enc, Near, Rm};
use super::emit::{Emitter, IN_PLACE};
use super::regs::VS;
use super::vec::splat;
use super::vec_fp::{form, round_imm};
use crate::ir::{Arr, Inst, Op, Round, Type, Value, Width};

const TO_SINGLES: Enc = p38(0x13);
const TO_HALVES: Enc = p3a(0x1d);
const PSHUFD: Enc = p66(0x70);
const PAND: Enc = p66(0xdb);
const POR: Enc = p66(0xeb);
const PCMPEQD: Enc = p66(0x76);
const PMAXUD: Enc = p38(0x3f);
const UNPACK: Enc = p66(0x6c);
const SHUFPS: Enc = enc(0, 1, 0xc6);

/// The singles that four of these halves, or one, are worked on as.
fn singles(arr: Arr) -> Arr {
    if arr.width() == Width::Scalar {
        Arr::S
    } else {
        Arr::S4
    }
}

/// Groups of four lanes.
fn parts(arr: Arr) -> u8 {
    1 + (arr.width() == Width::W128) as u8
}

impl Emitter<'_> {
    /// Emit an operation on half-precision lanes directly, if there is a way.
    pub fn half(&mut self, inst: &Inst) -> bool {
        use Op::*;
        match inst.op {
            FAdd => self.half_binary(inst, |e, arr, d, a, b| e.asm.v3(form(arr, 0x58), d, a, b)),
            FSub | FAbd => self.half_binary(inst, |e, arr, d, a, b| e.asm.v3(form(arr, 0x5c), d, a, b)),
            // Infinity times zero, where FMULX differs, traps.
            FMul | FMulx => self.half_binary(inst, |e, arr, d, a, b| e.asm.v3(form(arr, 0x59), d, a, b)),
            FDiv => self.half_binary(inst, |e, arr, d, a, b| e.asm.v3(form(arr, 0x5e), d, a, b)),
            FMax | FMaxnm => self.half_minmax(inst, 0x5f),
            FMin | FMinnm => self.half_minmax(inst, 0x5d),
            FAddp | FMaxp | FMaxnmp | FMinp | FMinnmp => self.half_pairwise(inst),
            FSqrt => self.half_unary(inst, |e, arr, d| match arr.width() {
                Width::Scalar => e.asm.v3(form(arr, 0x51), d, d, d),
                _ => e.asm.v2(form(arr, 0x51), d, Rm::R(d)),
            }),
            FRint => match round_imm(Round::from_bits(inst.imm)) {
                Some(imm) => self.half_unary(inst, |e, arr, d| match arr.width() {
                    Width::Scalar => e.asm.v3i(p3a(0x0a), d, d, d, imm),
                    _ => e.asm.v2i(p3a(0x08), d, Rm::R(d), imm),
                }),
                None => return false,
            },
            FCmpEq | FCmpGe | FCmpGt => self.half_mask(inst),
            FMla => self.half_fma(inst),
            FMlal => self.half_product_sum(inst),
            SToF | UToF => self.half_from_lanes(inst),
            IntSToF | IntUToF => return self.half_from_reg(inst),
            FToSInt | FToUInt => return self.fp_to_reg(inst),
            _ => return false,
        }
        true
    }

    /// `d` = four halves of `s` as singles: the low or the high ones.
    pub fn widen(&mut self, d: u8, s: Rm, part: u8) {
        match (s, part) {
            (Rm::M(a), _) => self.asm.v2(TO_SINGLES, d, a.plus(8 * part as i32)),
            (_, 0) => self.asm.v2(TO_SINGLES, d, s),
            _ => {
                self.asm.v2i(PSHUFD, d, s, 0xee);
                self.asm.v2(TO_SINGLES, d, Rm::R(d));
            }
        }
    }

    /// The same of a value, wherever it is: operands aren't locked, so all scratch registers must have been asked for.
    fn widen_value(&mut self, d: u8, v: Value, part: u8) {
        let s = self.place(v);
        self.widen(d, s, part);
    }

    /// `d` = the singles in `s` as halves, rounded as FPCR says; of a scalar the others go first.
    fn narrow_half(&mut self, arr: Arr, d: u8, s: u8) {
        if arr.width() == Width::Scalar {
            self.vlow(s, Rm::R(s), Arr::S);
        }
        self.asm.v2i(TO_HALVES, s, Rm::R(d), 4);
    }

    /// Work on each group of lanes by `f`, which leaves singles in the register that it is given; then put the result together.
    fn half_parts(&mut self, inst: &Inst, mut f: impl FnMut(&mut Self, u8, u8)) {
        let arr = inst.arr();
        let x = self.vtemp();
        let y = if parts(arr) == 2 { self.vtemp() } else { x };
        self.point();
        f(self, x, 0);
        self.narrow_half(arr, x, x);
        if parts(arr) == 2 {
            f(self, y, 1);
            self.narrow_half(arr, y, y);
            self.asm.v3(UNPACK, x, x, y);
        }
        if inst.op == Op::FAbd {
            // Only now: rounding saw the sign.
            let mask = self.lane_const(arr, 0x7fff);
            self.asm.v3(PAND, x, x, mask);
        }
        let d = self.def();
        self.asm.vmov(d, x);
    }

    fn half_unary(&mut self, inst: &Inst, f: impl Fn(&mut Self, Arr, u8)) {
        self.half_parts(inst, |e, d, part| {
            e.widen_value(d, inst.args[0], part);
            f(e, singles(inst.arr()), d);
        });
    }

    fn half_binary(&mut self, inst: &Inst, f: impl Fn(&mut Self, Arr, u8, u8, u8)) {
        self.half_parts(inst, |e, d, part| {
            e.widen_value(d, inst.args[0], part);
            e.widen_value(VS, inst.args[1], part);
            f(e, singles(inst.arr()), d, d, VS);
        });
    }

    /// The greater or lesser of `d` and the scratch register: both orders together tell the signs of zeros.
    fn both_orders(&mut self, single: Arr, op: u8, d: u8, t: u8) {
        let e = form(single, op);
        self.asm.v3(e, t, VS, d);
        self.asm.v3(e, d, d, VS);
        self.asm.v3(if op == 0x5f { PAND } else { POR }, d, d, t);
    }

    fn half_minmax(&mut self, inst: &Inst, op: u8) {
        let t = self.vtemp();
        self.half_parts(inst, |e, d, part| {
            e.widen_value(d, inst.args[0], part);
            e.widen_value(VS, inst.args[1], part);
            e.both_orders(singles(inst.arr()), op, d, t);
        });
    }

    fn half_pairwise(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let [a, b] = [inst.args[0], inst.args[1]];
        let t = self.vtemp();
        self.half_parts(inst, |e, d, part| {
            // Eight lanes: both parts of one operand. Four: the low parts of both. One: two lanes of the first.
            let (first, second) = match arr.width() {
                Width::W128 => ([a, b][part as usize], ([a, b][part as usize], 1)),
                Width::W64 => (a, (b, 0)),
                Width::Scalar => (a, (a, 0)),
            };
            e.widen_value(t, first, 0);
            e.widen_value(VS, second.0, second.1);
            e.asm.v3i(SHUFPS, d, t, VS, 0x88);
            e.asm.v3i(SHUFPS, VS, t, VS, 0xdd);
            let single = singles(arr);
            match inst.op {
                Op::FAddp => e.asm.v3(form(single, 0x58), d, d, VS),
                Op::FMaxp | Op::FMaxnmp => e.both_orders(single, 0x5f, d, t),
                _ => e.both_orders(single, 0x5d, d, t),
            }
        });
    }

    fn half_mask(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let (x, y) = if inst.op == Op::FCmpEq { (0, 1) } else { (1, 0) };
        let [a, b] = [inst.args[x], inst.args[y]];
        let imm = match inst.op {
            Op::FCmpEq => 0,
            Op::FCmpGe => 2,
            _ => 1,
        };
        let low = self.vtemp();
        let high = if parts(arr) == 2 { self.vtemp() } else { low };
        self.point();
        for (d, part) in [(low, 0), (high, 1)].into_iter().take(parts(arr) as usize) {
            self.widen_value(d, a, part);
            self.widen_value(VS, b, part);
            self.asm.v3i(form(singles(arr), 0xc2), d, d, VS, imm);
        }
        // Masks keep their value when saturated.
        self.asm.v3(p66(0x6b), VS, low, high);
        let d = self.def();
        self.vlow(d, Rm::R(VS), arr);
    }

    /// a + b * c.
    fn half_fma(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let single = singles(arr);
        self.clobber_flags();
        let p = self.vtemp();
        let d = self.def();
        // Out of line the operands may be anywhere: they are put where the software finds them.
        let [c, n, m] = inst.args.map(|v| self.place(v));
        for (k, s) in [c, n, m].into_iter().enumerate() {
            let s = match s {
                Rm::R(s) => s,
                s => {
                    self.asm.vmov(VS, s);
                    VS
                }
            };
            self.asm.vstore(state!(call_args).plus(16 * k as i32), s);
        }
        let low = state!(call_result);
        self.point();
        let mut exits = [None; 2];
        for part in 0..parts(arr) {
            self.widen(p, n, part);
            self.widen(VS, m, part);
            self.asm.v3(form(single, 0x59), p, p, VS);
            self.widen(VS, c, part);
            self.asm.v3(form(single, 0x58), p, VS, p);
            exits[part as usize] = Some(self.doubtful_halves(p, arr));
            if part + 1 < parts(arr) {
                self.asm.v2i(TO_HALVES, p, Rm::M(low), 4);
            }
        }
        self.narrow_half(arr, p, p);
        if parts(arr) == 2 {
            self.asm.movq(VS, low);
            self.asm.v3(UNPACK, d, VS, p);
        } else {
            self.asm.vmov(d, p);
        }
        for from in exits.into_iter().flatten() {
            self.fallback_ool(from, [IN_PLACE; 3], d);
        }
    }

    /// Leave if one of the singles in `s` lies between two halves or is a denormal half.
    fn doubtful_halves(&mut self, s: u8, arr: Arr) -> Near {
        let word = |e: &mut Self, c: u64| e.asm.constant(splat(2, c));
        let (rest, half, magnitude) = (word(self, 0x1fff), word(self, 0x1000), word(self, 0x7fff_ffff));
        let (minus_one, normal) = (word(self, 0xffff_ffff), word(self, 0x387f_ffff - 1));
        self.asm.v3(PAND, VS, s, rest);
        self.asm.v3(PCMPEQD, VS, VS, half);
        self.asm.v2(enc(0, 1, 0x50), r::AX, Rm::R(VS));
        // Less one, zeros are the greatest.
        self.asm.v3(PAND, VS, s, magnitude);
        self.asm.v3(p66(0xfe), VS, VS, minus_one);
        let t = self.temp();
        self.asm.v3(PMAXUD, VS, VS, normal);
        self.asm.v3(PCMPEQD, VS, VS, normal);
        self.asm.v2(enc(0, 1, 0x50), t, Rm::R(VS));
        self.asm.alu(Alu::Or, false, r::AX, t);
        if arr.width() == Width::Scalar {
            self.asm.test_imm8(r::AX, 1);
        }
        self.asm.jcc_near(cc::NE)
    }

    /// Single a + b * c of halves: the product is exact.
    fn half_product_sum(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let c = self.fp_operand(inst.args[0], arr);
        let p = self.vtemp();
        let [n, m] = [1, 2].map(|k| self.place(inst.args[k]));
        self.point();
        let part = inst.imm as u8 & 1;
        let two = arr.width() == Width::W64;
        for (d, s) in [(p, n), (VS, m)] {
            if two {
                // The upper half of a 64-bit operand comes as its low one.
                self.vlow(d, s, Arr::S);
                self.widen(d, Rm::R(d), 0);
            } else {
                self.widen(d, s, part);
            }
        }
        self.asm.v3(enc(0, 1, 0x59), p, p, VS);
        self.asm.v3(enc(0, 1, 0x58), p, c, p);
        let d = self.def();
        self.asm.vmov(d, p);
    }

    // --- from integers -------------------------------------------------------------------------------
    fn half_from_lanes(&mut self, inst: &Inst) {
        let extend = if inst.op == Op::SToF { p38(0x23) } else { p38(0x33) };
        self.half_parts(inst, |e, d, part| {
            match (e.place(inst.args[0]), part) {
                (Rm::M(a), _) => e.asm.v2(extend, d, a.plus(8 * part as i32)),
                (a, 0) => e.asm.v2(extend, d, a),
                (a, _) => {
                    e.asm.v2i(PSHUFD, d, a, 0xee);
                    e.asm.v2(extend, d, Rm::R(d));
                }
            }
            e.asm.v2(enc(0, 1, 0x5b), d, Rm::R(d));
            e.unscale(&Inst { aux: Arr::S4.0, ..*inst }, d);
        });
    }

    /// From a general register. What a single can't hold exactly is beyond the halves, unless there are fraction bits.
    fn half_from_reg(&mut self, inst: &Inst) -> bool {
        let wide = self.b.ty(inst.args[0]) == Type::I64;
        let unsigned = inst.op == Op::IntUToF;
        if inst.imm >> 8 != 0 || (wide && unsigned) {
            return false;
        }
        let mut a = self.rm(inst.args[0]);
        if unsigned {
            self.asm.mov(false, r::AX, a);
            if a == Rm::R(r::AX) {
                self.asm.mov_rr(false, r::AX, r::AX);
            }
            a = Rm::R(r::AX);
        }
        self.point();
        self.asm.vzero(VS);
        self.asm.v3_gpr(Enc { w: wide || unsigned, ..enc(2, 1, 0x2a) }, VS, VS, a);
        let d = self.def();
        self.asm.v2i(TO_HALVES, VS, Rm::R(d), 4);
        true
    }
}
