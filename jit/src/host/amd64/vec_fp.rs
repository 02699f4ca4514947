//! Floating point on SSE, AVX and FMA.
//!
//! **NaNs.** Invalid is unmasked in MXCSR: an operation that would make a NaN, meets a signalling one or converts out of range traps; the
//! runtime marks the guest instruction [`SOFT_FP`](crate::ir::hint::SOFT_FP) and redoes it by the software path. What is left are
//! quiet NaNs that pass through, and there x86 and Arm agree (the first operand's wins) as long as operands keep their order.
//! Fused multiply-add is the exception: Arm prefers the addend's NaN. A comparison before it traps then, two addends at a time where it can be; where that
//! has happened ([`NANS`](crate::ir::hint::NANS)), unordered addends go out of line.
//!
//! **Traps redo the whole guest instruction**, so no instruction that can trap may come after a write to a guest register: with
//! two-address encodings the result is made in scratch.
//!
//! **Lanes that don't count** must not raise anything: 64-bit arrangements work on operands with zeros above.

use super::asm::{cc, enc, p3a, p66, r, Enc, Near, Rm};
use super::emit::Emitter;
use super::regs::{home_addr, point, VS};
use super::vec::arr_bytes;
use crate::ir::{hint, Arr, Inst, Op, Round, Value, Width, JAVASCRIPT};
use crate::regalloc::{Home, DEAD, NONE};

/// The form of an SSE arithmetic opcode for an arrangement of S or D lanes.
pub fn form(arr: Arr, op: u8) -> Enc {
    let double = arr.log2() == 3;
    match (arr.width(), double) {
        (Width::Scalar, false) => enc(2, 1, op),
        (Width::Scalar, true) => enc(3, 1, op),
        (_, false) => enc(0, 1, op),
        (_, true) => enc(1, 1, op),
    }
}

/// The immediate of `round*` for a rounding mode that x86 has.
pub fn round_imm(m: Round) -> Option<u8> {
    Some(match m {
        Round::Nearest => 8,
        Round::Down => 9,
        Round::Up => 10,
        Round::Zero => 11,
        Round::Current => 12,
        Round::CurrentExact => 4,
        Round::Away | Round::Odd => return None,
    })
}

impl Emitter<'_> {
    /// Emit an FP operation directly, if there is a way.
    pub fn fp(&mut self, inst: &Inst) -> bool {
        use Op::*;
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        if matches!(inst.op, FAbs | FNeg) {
            self.sign_op(inst);
            return true;
        }
        if self.soft_fp() {
            return self.learned_fp() && matches!(inst.op, FToSInt | FToUInt) && self.checked_fp_to_reg(inst);
        }
        let special = match inst.op {
            FCvt => inst.imm == 0,
            FCvtn => inst.imm & 8 != 0,
            _ => false,
        };
        if special {
            return false;
        }
        if matches!(inst.op, FCvt | FCvtl | FCvtn) {
            return self.precision(inst);
        }
        if log2 == 1 || inst.op == FMlal {
            return self.feat.f16c && self.half(inst);
        }
        match inst.op {
            FAdd => self.fp_binary(inst, 0x58),
            // Infinity times zero, where FMULX differs, traps.
            FMul | FMulx => self.fp_binary(inst, 0x59),
            FSub => self.fp_binary(inst, 0x5c),
            FDiv => self.fp_binary(inst, 0x5e),
            FAbd => {
                let (a, b) = self.fp_operands(inst);
                self.point();
                self.asm.v3(form(arr, 0x5c), VS, a, b);
                let mask = self.lane_const(arr, u64::MAX >> (65 - arr.ebits()));
                let d = self.def();
                self.asm.v3(p66(0xdb), d, VS, mask);
            }
            FSqrt => {
                let a = self.fp_operand(inst.args[0], arr);
                self.point();
                self.unary(arr, 0x51, a);
                self.fp_result(arr, self.known(inst.args[0]));
            }
            FMax | FMaxnm => self.fp_minmax(inst, 0x5f),
            FMin | FMinnm => self.fp_minmax(inst, 0x5d),
            FAddp => self.fp_pairwise(inst, 0x58),
            FMaxp | FMaxnmp => self.fp_pairwise(inst, 0x5f),
            FMinp | FMinnmp => self.fp_pairwise(inst, 0x5d),
            FCmpEq | FCmpGe | FCmpGt => self.fp_mask(inst),
            FRint if inst.imm >> 8 != 0 => self.round_to_width(inst),
            FRint => {
                let mode = Round::from_bits(inst.imm);
                if mode == Round::Odd {
                    return false;
                }
                let a = self.fp_operand(inst.args[0], arr);
                let t = if mode == Round::Away { self.vtemp() } else { VS };
                self.point();
                match round_imm(mode) {
                    Some(imm) => self.round(arr, a, imm),
                    None => self.round_away(arr, a, t),
                }
                self.fp_result(arr, self.known(inst.args[0]));
            }
            FMla if self.feat.fma => self.fma(inst),
            FRecps if self.feat.fma => self.newton_step(inst),
            FRsqrts if self.feat.fma => self.newton_step(inst),
            FRecpe | FRsqrte => self.estimate(inst),
            FToS | FToU => return self.fp_to_lanes(inst),
            FToSInt if inst.imm & JAVASCRIPT != 0 => self.fp_to_javascript(inst),
            FToSInt | FToUInt => return self.fp_to_reg(inst),
            SToF => self.int_lanes_to_fp(inst),
            UToF => self.uint_lanes_to_fp(inst),
            IntSToF | IntUToF => self.reg_to_fp(inst),
            _ => return false,
        }
        true
    }

    /// `c` in the lanes that count, zero elsewhere.
    pub fn lane_const(&mut self, arr: Arr, c: u64) -> super::asm::Addr {
        let bytes = arr_bytes(arr) as u32;
        let v = super::vec::splat(arr.log2(), c) & (u128::MAX >> (128 - 8 * bytes));
        self.asm.constant(v)
    }

    fn sign_op(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let sign = 1u64 << (arr.ebits() - 1);
        let a = self.reg(inst.args[0]);
        let d = self.def();
        if inst.op == Op::FAbs {
            let m = self.lane_const(arr, sign - 1);
            self.asm.v3(p66(0xdb), d, a, m);
        } else {
            let m = self.lane_const(arr, sign);
            self.asm.v3(p66(0xef), d, a, m);
            self.clean(d, arr, self.known(inst.args[0]));
        }
    }

    // --- operands and results ------------------------------------------------------------------------
    /// `v` with nothing harmful beyond the lanes of `arr`.
    pub fn fp_operand(&mut self, v: Value, arr: Arr) -> u8 {
        if arr.width() != Width::W64 || self.known(v) <= 3 {
            return self.reg(v);
        }
        self.low_copy(v, Arr::D1)
    }

    /// The lanes of `v` that `arr` names, in a scratch register.
    pub fn low_copy(&mut self, v: Value, arr: Arr) -> u8 {
        let t = self.vtemp();
        // Not `reg`: the copy is all that stays locked.
        match self.ra.peek(v) {
            Some(s) => self.vlow(t, Rm::R(s), arr),
            None => self.vlow(t, Rm::M(home_addr(self.ra.home(v))), arr),
        }
        t
    }

    fn fp_operands(&mut self, inst: &Inst) -> (u8, Rm) {
        let arr = inst.arr();
        let a = self.fp_operand(inst.args[0], arr);
        let b = if arr.width() == Width::W64 { Rm::R(self.fp_operand(inst.args[1], arr)) } else { self.rm(inst.args[1]) };
        (a, b)
    }

    /// The result is in the scratch register.
    fn fp_result(&mut self, arr: Arr, known: u8) {
        let d = self.def();
        if 1usize << known > arr_bytes(arr) && arr.width() == Width::Scalar {
            self.vlow(d, Rm::R(VS), arr);
        } else {
            self.asm.vmov(d, VS);
        }
    }

    fn fp_binary(&mut self, inst: &Inst, op: u8) {
        let arr = inst.arr();
        let (a, mut b) = self.fp_operands(inst);
        if op == 0x5e && arr.width() == Width::W64 {
            // Divide the lanes above by one.
            let one = self.asm.constant(0x3f80_0000_3f80_0000 << 64);
            let t = match b {
                Rm::R(n) if self.known(inst.args[1]) > 3 => n,
                _ => self.low_copy(inst.args[1], Arr::D1),
            };
            self.asm.v3(p66(0xeb), t, t, one);
            b = Rm::R(t);
        }
        self.point();
        let known = self.known(inst.args[0]);
        let clean = match arr.width() {
            Width::Scalar => 1usize << known <= arr_bytes(arr),
            // Rounding down, 0 - 0 is -0.
            Width::W64 => op != 0x5c,
            Width::W128 => true,
        };
        let e = form(arr, op);
        if self.asm.avx || !clean {
            let d = self.def();
            let t = if self.asm.avx { d } else { VS };
            self.asm.v3(e, t, a, b);
            return if clean { self.asm.vmov(d, t) } else { self.vlow(d, Rm::R(t), arr) };
        }
        let d = self.def();
        if d == a {
            self.asm.v3(e, d, d, b);
        } else {
            self.asm.v3(e, VS, a, b);
            self.asm.vmov(d, VS);
        }
    }

    /// A one-operand instruction into the scratch register.
    fn unary(&mut self, arr: Arr, op: u8, a: u8) {
        if arr.width() == Width::Scalar {
            self.asm.v3(form(arr, op), VS, a, a);
        } else {
            self.asm.v2(form(arr, op), VS, Rm::R(a));
        }
    }

    pub fn round(&mut self, arr: Arr, a: u8, imm: u8) {
        let double = (arr.log2() == 3) as u8;
        if arr.width() == Width::Scalar {
            self.asm.v3i(p3a(0x0a + double), VS, a, a, imm);
        } else {
            self.asm.v2i(p3a(0x08 + double), VS, Rm::R(a), imm);
        }
    }

    /// min/max give their second operand when both are zeros; both orders together tell the signs.
    fn minmax(&mut self, arr: Arr, op: u8, d: u8, a: u8, b: u8) {
        let e = form(arr, op);
        self.asm.v3(e, VS, a, b);
        self.asm.v3(e, d, b, a);
        self.asm.v3(p66(if op == 0x5f { 0xdb } else { 0xeb }), d, d, VS);
    }

    fn fp_minmax(&mut self, inst: &Inst, op: u8) {
        let arr = inst.arr();
        let a = self.fp_operand(inst.args[0], arr);
        let b = self.fp_operand(inst.args[1], arr);
        let t = self.vtemp();
        self.point();
        self.minmax(arr, op, t, a, b);
        let d = self.def();
        let known = self.known(inst.args[0]).max(self.known(inst.args[1]));
        self.asm.vmov(d, t);
        if arr.width() == Width::Scalar {
            self.clean(d, arr, known);
        }
    }

    fn fp_pairwise(&mut self, inst: &Inst, op: u8) {
        let arr = inst.arr();
        let a = self.reg(inst.args[0]);
        let b = if inst.args[1].is_some() { self.reg(inst.args[1]) } else { a };
        let (x, y) = (self.vtemp(), VS);
        match (arr.width(), arr.log2()) {
            (Width::Scalar, log2) => {
                self.asm.vmov(x, a);
                self.asm.v2i(p66(0x70), y, Rm::R(a), if log2 == 2 { 0x55 } else { 0xee });
            }
            (Width::W64, _) => {
                self.asm.v3(enc(0, 1, 0x14), y, a, b);
                self.asm.movq(x, Rm::R(y));
                self.asm.v2i(p66(0x70), y, Rm::R(y), 0xee);
                self.asm.movq(y, Rm::R(y));
            }
            (_, 2) => {
                self.asm.v3i(enc(0, 1, 0xc6), x, a, b, 0x88);
                self.asm.v3i(enc(0, 1, 0xc6), y, a, b, 0xdd);
            }
            _ => {
                self.asm.v3(p66(0x14), x, a, b);
                self.asm.v3(p66(0x15), y, a, b);
            }
        }
        self.point();
        if op == 0x58 {
            self.asm.v3(form(arr, op), x, x, y);
        } else {
            // Both orders, as in `minmax`, with only these two registers to work on and one more.
            self.ra.operands_done();
            let z = self.vtemp();
            self.asm.vmov(z, y);
            self.asm.v3(form(arr, op), z, z, x);
            self.asm.v3(form(arr, op), x, x, y);
            self.asm.v3(p66(if op == 0x5f { 0xdb } else { 0xeb }), x, x, z);
        }
        self.ra.operands_done();
        let d = self.def();
        if arr.width() == Width::Scalar {
            self.vlow(d, Rm::R(x), arr);
        } else {
            self.asm.vmov(d, x);
        }
    }

    fn fp_mask(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let (x, y) = if inst.op == Op::FCmpEq { (0, 1) } else { (1, 0) };
        let a = self.fp_operand(inst.args[x], arr);
        let b = self.fp_operand(inst.args[y], arr);
        let imm = match inst.op {
            Op::FCmpEq => 0,
            Op::FCmpGe => 2,
            _ => 1,
        };
        self.point();
        self.asm.v3i(form(arr, 0xc2), VS, a, b, imm);
        let d = self.def();
        self.vlow(d, Rm::R(VS), arr);
    }

    /// 2 - a * b, or (3 - a * b) / 2 as 1.5 - a / 2 * b; where a is so small that half of it is inexact, out of line.
    fn newton_step(&mut self, inst: &Inst) {
        let (arr, half) = (inst.arr(), inst.op == Op::FRsqrts);
        self.clobber_flags();
        let [a, b] = [0, 1].map(|k| self.fp_operand(inst.args[k], arr));
        let t = self.vtemp();
        let d = self.def();
        let sign = self.lane_const(arr, 1 << (arr.ebits() - 1));
        let from = half.then(|| if arr.log2() == 2 { self.tiny_singles(a, arr) } else { self.tiny_doubles(a, arr) });
        self.point();
        self.asm.v3(p66(0xef), t, a, sign);
        if half {
            let by = self.lane_const(arr, if arr.log2() == 2 { 0x3f00_0000 } else { 0x3fe0 << 48 });
            self.asm.v3(form(arr, 0x59), t, t, by);
        }
        let k = match (half, arr.log2()) {
            (true, 2) => 0x3fc0_0000,
            (true, _) => 0x3ff8 << 48,
            (_, 2) => 0x4000_0000,
            _ => 0x4000 << 48,
        };
        let k = self.lane_const(arr, k);
        self.asm.vmov(VS, k);
        let scalar = (arr.width() == Width::Scalar) as u8;
        let e = Enc { pp: 1, map: 2, op: 0xb8 + scalar, w: arr.log2() == 3 };
        self.asm.vex(e, VS, t, Rm::R(b), None);
        self.asm.vmov(d, VS);
        if let Some(from) = from {
            self.fallback_ool(from, [a, b, 0], d);
        }
    }

    /// Leave if one of the singles in `a` is below 2^-125 and not zero.
    fn tiny_singles(&mut self, a: u8, arr: Arr) -> Near {
        let word = |e: &mut Self, c: u64| e.asm.constant(super::vec::splat(2, c));
        let (magnitude, minus_one, limit) = (word(self, 0x7fff_ffff), word(self, 0xffff_ffff), word(self, 0x0100_0000 - 2));
        // Less one, zeros are the greatest.
        self.asm.v3(p66(0xdb), VS, a, magnitude);
        self.asm.v3(p66(0xfe), VS, VS, minus_one);
        self.asm.v3(super::asm::p38(0x3f), VS, VS, limit);
        self.asm.v3(p66(0x76), VS, VS, limit);
        self.asm.v2(enc(0, 1, 0x50), r::AX, Rm::R(VS));
        self.asm.test_imm8(r::AX, if arr.width() == Width::Scalar { 1 } else { 15 });
        self.asm.jcc_near(cc::NE)
    }

    /// Leave if one of the doubles in `a` is below 2^-1021, zero included.
    fn tiny_doubles(&mut self, a: u8, arr: Arr) -> Near {
        let [magnitude, limit] = [u64::MAX >> 1, (2 << 52) - 1].map(|c| self.asm.constant(super::vec::splat(3, c)));
        self.asm.v3(p66(0xdb), VS, a, magnitude);
        // The upper words decide.
        self.asm.v3(super::asm::p38(0x3f), VS, VS, limit);
        self.asm.v3(p66(0x76), VS, VS, limit);
        self.asm.v2(enc(1, 1, 0x50), r::AX, Rm::R(VS));
        self.asm.test_imm8(r::AX, if arr.width() == Width::Scalar { 1 } else { 3 });
        self.asm.jcc_near(cc::NE)
    }

    /// To an integral number that fits in a signed integer of 32 or 64 bits; where it doesn't, or is the least such integer, out of line.
    fn round_to_width(&mut self, inst: &Inst) {
        let arr = inst.arr();
        let imm = round_imm(Round::from_bits(inst.imm)).unwrap_or(12);
        self.clobber_flags();
        let a = self.fp_operand(inst.args[0], arr);
        let d = self.def();
        self.point();
        // Out of range nothing is inexact.
        self.round(arr, a, imm | 8);
        let (double, sign) = (arr.log2() == 3, 1 << (arr.ebits() - 1));
        let exponent = (inst.imm >> 8) - 1;
        let limit = if double { (1023 + exponent) << 52 } else { (127 + exponent) << 23 };
        let [magnitude, most] = [sign - 1, limit - 1].map(|c| self.asm.constant(super::vec::splat(arr.log2(), c)));
        self.asm.v3(p66(0xdb), VS, VS, magnitude);
        // Of doubles the upper words decide.
        self.asm.v3(p66(0x66), VS, VS, most);
        self.asm.v2(enc(double as u8, 1, 0x50), r::AX, Rm::R(VS));
        self.asm.test_imm8(r::AX, (1 << arr.lanes()) - 1);
        let from = self.asm.jcc_near(cc::NE);
        self.round(arr, a, imm & 7);
        if arr.width() == Width::Scalar && 1usize << self.known(inst.args[0]) > arr_bytes(arr) {
            self.vlow(d, Rm::R(VS), arr);
        } else {
            self.asm.vmov(d, VS);
        }
        self.fallback_ool(from, [a, 0, 0], d);
    }

    /// a + b * c.
    fn fma(&mut self, inst: &Inst) {
        if self.hint & hint::NANS != 0 {
            return self.fma_of_nans(inst);
        }
        let arr = inst.arr();
        let [a, b] = [0, 1].map(|k| self.fp_operand(inst.args[k], arr));
        let c = self.fp_second(inst.args[2], arr);
        let d = self.def();
        self.refuse_nan(inst, a);
        self.point();
        self.multiply_add(inst, d, a, b, c);
    }

    /// Trap if the addend of the multiply-add `inst`, in `a`, is a NaN. Along with that goes the next addend that is there already.
    fn refuse_nan(&mut self, inst: &Inst, a: u8) {
        let root = self.ra.root(inst.args[0]) as u16;
        if let Some(n) = self.no_nans.iter().position(|&v| v == (root, inst.aux)) {
            self.no_nans.swap_remove(n);
            return;
        }
        let arr = inst.arr();
        let next = self.next_addend(inst);
        self.no_nans.extend(next.map(|(root, _)| (root, inst.aux)));
        self.point_bits(point::NANS);
        // Unordered, signalling of any NaN.
        self.asm.compare(form(arr, 0xc2), VS, a, next.map_or(Rm::R(a), |n| n.1), 0x13);
    }

    /// The addend of the next multiply-add of such lanes, if it is another value that exists by now: its root and where it is.
    fn next_addend(&self, inst: &Inst) -> Option<(u16, Rm)> {
        /// How far it is looked for, in IR.
        const NEAR: usize = 32;
        let narrow = inst.arr().width() == Width::W64;
        let such = |n: usize, i: &Inst| i.op == Op::FMla && i.aux == inst.aux && !self.ra.vals[n].is(DEAD);
        let near = self.b.insts.iter().enumerate().skip(self.i + 1).take(NEAR).filter(|&(n, i)| such(n, i));
        let (next, root, at) = near.filter(|(_, i)| !narrow || self.known(i.args[0]) <= 3).find_map(|(_, i)| {
            let root = self.ra.root(i.args[0]) as u16;
            let new = root as usize != self.ra.root(inst.args[0]) && !self.no_nans.contains(&(root, i.aux));
            Some((i, root, self.whereabouts(i.args[0]).filter(|_| new)?))
        })?;
        let pc = self.b.pc_of(next);
        let hinted = self.b.hints.iter().any(|&(at, bits)| at == pc && bits & (hint::NANS | hint::SOFT_FP) != 0);
        (!hinted).then_some((root, at))
    }

    /// Where `v`, perhaps an operand of a later instruction, is now. What is yet to be read from a guest register is there: the register isn't set before.
    fn whereabouts(&self, v: Value) -> Option<Rm> {
        let root = self.ra.root(v);
        let def = &self.b.insts[root];
        if root >= self.i {
            return (def.op == Op::Get).then(|| match self.ra.pin(def.reg()) {
                NONE => Rm::M(home_addr(Home::Slot(def.reg()))),
                pin => Rm::R(pin),
            });
        }
        (self.ra.peek(v).is_some() || self.ra.home(v) != Home::None).then(|| self.place(v))
    }

    /// `v` with nothing harmful beyond the lanes of `arr`, in a register or in memory.
    fn fp_second(&mut self, v: Value, arr: Arr) -> Rm {
        if arr.width() == Width::W64 {
            return Rm::R(self.fp_operand(v, arr));
        }
        self.rm(v)
    }

    fn multiply_add(&mut self, inst: &Inst, d: u8, a: u8, b: u8, c: Rm) {
        let arr = inst.arr();
        let scalar = arr.width() == Width::Scalar;
        let e = Enc { pp: 1, map: 2, op: 0xb8 + scalar as u8, w: arr.log2() == 3 };
        let t = if d == a { d } else { VS };
        self.asm.vmov(t, a);
        self.asm.vex(e, t, b, c, None);
        if scalar && 1usize << self.known(inst.args[0]) > arr_bytes(arr) {
            self.vlow(d, Rm::R(t), arr);
        } else {
            self.asm.vmov(d, t);
        }
    }

    /// The same where addends have been NaNs: these go out of line.
    fn fma_of_nans(&mut self, inst: &Inst) {
        let arr = inst.arr();
        self.clobber_flags();
        let [a, b, c] = inst.args.map(|v| self.fp_operand(v, arr));
        let d = self.def();
        self.point();
        let from = if arr.width() == Width::Scalar {
            self.asm.v2(enc(arr.log2() - 2, 1, 0x2e), a, Rm::R(a));
            self.asm.jcc_near(cc::P)
        } else {
            self.asm.v3i(form(arr, 0xc2), VS, a, a, 3);
            self.asm.v2(enc(arr.log2() - 2, 1, 0x50), r::AX, Rm::R(VS));
            self.asm.test(false, r::AX, r::AX);
            self.asm.jcc_near(cc::NE)
        };
        self.multiply_add(inst, d, a, b, Rm::R(c));
        self.fallback_ool(from, [a, b, c], d);
    }
}
