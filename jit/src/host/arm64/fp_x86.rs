//! Floating point by x86's rules on A64's instructions.
//!
//! **NaNs.** x86's result is the first operand that is a NaN, and a new one is negative. With FEAT_AFP (FPCR.AH) the processor does that. Without, it differs
//! where an operation is invalid, or meets a signalling NaN behind a quiet one: then the result is a NaN, which is rare. Results are looked at, and a NaN is
//! made again by the software, out of line.
//!
//! **Minimum and maximum** are a comparison and a selection. **Conversions** that overflow become the least integer.
//!
//! **Flushing and exceptions that trap** are the software's (`Mode::SOFT_FP`). Without FEAT_AFP nobody notices that an operand was denormal (MXCSR.DE), and a
//! result is tiny (UE) before it is rounded.

use super::asm::{op, r, Near};
use super::emit::Emitter;
use super::fp::{binary_word, three_same, two_misc, A, U};
use super::regs::{VS, VS1};
use super::vec::{ftype, is_scalar, splat};
use crate::ir::{Arr, Inst, Op, Round, Type, Width};

impl Emitter<'_> {
    /// Emit an FP operation directly, if there is a way.
    pub fn fp_x86(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        if arr.log2() == 1 && !matches!(inst.op, Op::FCvt | Op::FCvtl | Op::FCvtn) {
            return false;
        }
        match inst.op {
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FSqrt if self.feat.afp => self.fp_arm(inst),
            Op::FAdd | Op::FSub | Op::FMul | Op::FDiv | Op::FSqrt => self.checked(inst),
            Op::FMin | Op::FMax if self.feat.afp => self.fp_arm(inst),
            Op::FMin | Op::FMax => self.minmax_x86(inst),
            Op::FFma => self.ffma(inst),
            Op::FCmpCc => self.cmp_x86(inst),
            Op::FRint => self.round_x86(inst),
            Op::FToS => self.to_lanes_x86(inst),
            Op::FToSInt => self.to_reg_x86(inst),
            Op::SToF | Op::IntSToF | Op::FCvt | Op::FCvtl => self.fp_arm(inst),
            Op::FCvtn => Round::from_bits(inst.imm) == Round::Current && self.fp_arm(inst),
            _ => false,
        }
    }

    /// A branch that is taken if a lane of `v` that counts is a NaN. Uses x16 and a scratch vector.
    fn if_nan(&mut self, arr: Arr, v: u8) -> Near {
        if is_scalar(arr) && self.flags_free() {
            self.clobber_flags();
            self.asm.v3(0x1e20_2000 | ftype(arr.log2()), 0, v, v);
            return self.asm.branch(op::BCOND | 6);
        }
        self.asm.v3(three_same(arr, 0x1c << 11), VS, v, v);
        match (arr.width(), arr.log2()) {
            (Width::W128, _) => {
                // uminv s31, v31.4s
                self.asm.v2(0x6eb1_a800, VS, VS);
                self.asm.v2(0x1e26_0000, r::S0, VS);
                self.asm.branch(op::CBZ | r::S0 as u32)
            }
            (Width::Scalar, 2) => {
                self.asm.v2(0x1e26_0000, r::S0, VS);
                self.asm.branch(op::CBZ | r::S0 as u32)
            }
            (Width::Scalar, 3) => {
                self.asm.v2(0x9e66_0000, r::S0, VS);
                self.asm.branch(op::CBZ | 1 << 31 | r::S0 as u32)
            }
            _ => {
                // All ones.
                self.asm.v2(0x9e66_0000, r::S0, VS);
                self.asm.add_imm(r::S0, r::S0, 1);
                self.asm.branch(op::CBNZ | 1 << 31 | r::S0 as u32)
            }
        }
    }

    /// An operation whose NaNs are looked after by the software.
    fn checked(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let a = self.reg(inst.args[0]);
        let b = if inst.op == Op::FSqrt { a } else { self.reg(inst.args[1]) };
        let d = self.def_early();
        if inst.op == Op::FSqrt {
            let word = if is_scalar(arr) { 0x1e21_c000 | ftype(arr.log2()) } else { two_misc(arr, U | A | 0x1f << 12) };
            self.asm.v2(word, d, a);
        } else {
            self.asm.v3(binary_word(inst.op, arr), d, a, b);
        }
        let nan = self.if_nan(arr, d);
        self.fallback_ool(nan, [a, b, 0], d);
        true
    }

    /// The first operand if it is less (greater), else the second.
    fn minmax_x86(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        let d = self.def_early();
        let (x, y) = if inst.op == Op::FMin { (b, a) } else { (a, b) };
        self.asm.v3(three_same(arr, U | A | 0x1c << 11), d, x, y);
        self.asm.v3(0x2e60_1c00 | super::vec::q(arr), d, a, b);
        if arr.width() == Width::Scalar {
            self.vlow(d, d, arr);
        }
        true
    }

    fn ffma(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let [a, b, c] = inst.args.map(|v| self.reg(v));
        let d = self.def_early();
        let (negate, lanes) = (inst.imm as u32 & 1, inst.imm >> 1 & 3);
        if is_scalar(arr) {
            // fmadd, fmsub, fnmsub, fnmadd
            let minus_c = lanes == 1 || lanes == 2;
            let form = [[0, 1 << 15], [1 << 21 | 1 << 15, 1 << 21]][minus_c as usize][negate as usize];
            self.asm.v3(0x1f00_0000 | form | ftype(arr.log2()) | (c as u32) << 10, d, a, b);
        } else {
            match lanes {
                0 => self.asm.vmov(d, c),
                1 => self.asm.v2(two_misc(arr, U | A | 0x0f << 12), d, c),
                even => {
                    let sign = splat(arr.log2(), 1 << (arr.ebits() - 1));
                    let wide = splat(arr.log2() + 1, u64::MAX >> (64 - arr.ebits()));
                    let mask = if arr.log2() == 3 { u64::MAX as u128 } else { wide };
                    self.asm.vconst(VS, sign & if even == 2 { mask } else { !mask });
                    self.asm.v3(0x6e20_1c00, d, c, VS);
                }
            }
            self.asm.v3(three_same(arr, 0x19 << 11 | if negate != 0 { A } else { 0 }), d, a, b);
        }
        let nan = self.if_nan(arr, d);
        self.fallback_ool(nan, [a, b, c], d);
        true
    }

    /// Comparisons to masks: the instructions say equal (quiet), greater and greater or equal (any NaN is invalid).
    fn cmp_x86(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let (eq, ge, gt) = (0x1c << 11, U | 0x1c << 11, U | A | 0x1c << 11);
        let (word, swap, not) = match (inst.imm & 15, inst.imm & 16 != 0) {
            (2, false) => (eq, false, false),
            (13, false) => (eq, false, true),
            (1, true) => (gt, true, false),
            (14, true) => (gt, true, true),
            (3, true) => (ge, true, false),
            (12, true) => (ge, true, true),
            (4, true) => (gt, false, false),
            (11, true) => (gt, false, true),
            (6, true) => (ge, false, false),
            (9, true) => (ge, false, true),
            (n @ (7 | 8), false) => return self.ordered(inst, n == 8),
            _ => return false,
        };
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        let d = self.def();
        let (x, y) = if swap { (b, a) } else { (a, b) };
        self.asm.v3(three_same(arr, word), d, x, y);
        if not {
            self.complement(arr, d);
        }
        true
    }

    fn complement(&mut self, arr: Arr, d: u8) {
        self.asm.v2(0x2e20_5800 | super::vec::q(arr), d, d);
        if arr.width() == Width::Scalar {
            self.vlow(d, d, arr);
        }
    }

    /// Whether neither operand is a NaN, or one is.
    fn ordered(&mut self, inst: &Inst, not: bool) -> bool {
        let arr = inst.arr();
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        let word = three_same(arr, 0x1c << 11);
        self.asm.v3(word, VS, a, a);
        self.asm.v3(word, VS1, b, b);
        let d = self.def();
        self.asm.v3(0x4e20_1c00, d, VS, VS1);
        if not {
            self.complement(arr, d);
        }
        true
    }

    fn round_x86(&mut self, inst: &Inst) -> bool {
        let mode = match (Round::from_bits(inst.imm), inst.imm & 16 != 0) {
            (Round::Current | Round::CurrentExact, true) => Round::CurrentExact,
            (_, true) => return false,
            (mode, _) => mode,
        };
        self.round(&Inst { imm: mode as u64, ..*inst })
    }

    /// The register to truncate: with the current rounding, rounded first (which notices what is inexact).
    fn to_truncate(&mut self, inst: &Inst) -> Option<u8> {
        let arr = inst.arr();
        let a = self.reg(inst.args[0]);
        match Round::from_bits(inst.imm) {
            Round::Zero => Some(a),
            Round::Current | Round::CurrentExact => {
                let word = if is_scalar(arr) { 0x1e27_4000 | ftype(arr.log2()) } else { two_misc(arr, U | 0x19 << 12) };
                self.asm.v2(word, VS, a);
                Some(VS)
            }
            _ => None,
        }
    }

    fn to_lanes_x86(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        if arr.log2() != 2 || is_scalar(arr) {
            return false;
        }
        let Some(a) = self.to_truncate(inst) else { return false };
        // Where it is less than 2^31 (no NaN is) the instruction is right.
        let d = self.def_early();
        self.asm.vconst(VS1, splat(2, 0x4f00_0000));
        self.asm.v3(three_same(arr, U | A | 0x1c << 11), VS1, VS1, a);
        self.asm.v2(two_misc(arr, A | 0x1b << 12), d, a);
        self.asm.vconst(VS, splat(2, 0x8000_0000));
        // bif
        self.asm.v3(0x2ee0_1c00 | super::vec::q(arr), d, VS, VS1);
        true
    }

    fn to_reg_x86(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let w = inst.ty == Type::I64;
        let truncate = 0x1e38_0000 | (w as u32) << 31 | ftype(arr.log2());
        if self.feat.frint {
            let a = self.reg(inst.args[0]);
            // frint32z, frint32x, frint64z, frint64x: what doesn't fit becomes the least.
            let exact = match Round::from_bits(inst.imm) {
                Round::Zero => {
                    // For the sake of Inexact.
                    self.asm.v2(truncate, r::ZR, a);
                    0
                }
                Round::Current | Round::CurrentExact => 1 << 15,
                _ => return false,
            };
            self.asm.v2(0x1e28_4000 | exact | (w as u32) << 16 | ftype(arr.log2()), VS, a);
            let d = self.def();
            self.asm.v2(truncate, d, VS);
            return true;
        }
        let original = self.reg(inst.args[0]);
        let Some(a) = self.to_truncate(inst) else { return false };
        let d = self.def_early();
        self.asm.v2(truncate, d, a);
        let nan = self.if_nan(arr, original);
        self.fallback_ool(nan, [original, 0, 0], d);
        // The greatest: perhaps saturated.
        let imm = super::asm::bitmask(w, if w { i64::MAX as u64 } else { i32::MAX as u64 }).unwrap_or(0);
        self.asm.rr(op::EORI | imm, w, r::S0, d);
        let greatest = self.asm.branch(op::CBZ | (w as u32) << 31 | r::S0 as u32);
        self.fallback_ool(greatest, [original, 0, 0], d);
        true
    }

    /// The top bits of the lanes.
    pub fn move_mask(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let whole = arr.width() == Width::W128;
        let a = self.reg(inst.args[0]);
        let q = super::vec::q(arr);
        let ushr = |bits: u32, n: u32| q | 0x2f00_0400 | (2 * bits - n) << 16;
        let usra = |bits: u32, n: u32| q | 0x2f00_1400 | (2 * bits - n) << 16;
        match arr.log2() {
            0 => {
                // Neighbours move together, twice as many each time.
                self.asm.v2(ushr(8, 7), VS, a);
                self.asm.v2(usra(16, 7), VS, VS);
                self.asm.v2(usra(32, 14), VS, VS);
                self.asm.v2((if whole { q } else { 0x5000_0000 }) | 0x2f00_1400 | (128 - 28) << 16, VS, VS);
                let d = self.def();
                // umov of bytes 0 and 8
                self.asm.v2(0x0e01_3c00, d, VS);
                if whole {
                    self.asm.v2(0x0e11_3c00, r::S0, VS);
                    self.asm.rrr_shift(op::ORR, false, d, d, r::S0, (0, 8));
                }
            }
            2 if whole => {
                self.asm.v2(ushr(32, 31), VS, a);
                self.asm.v2(usra(64, 31), VS, VS);
                let d = self.def();
                self.asm.v2(0x1e26_0000, d, VS);
                // umov of word 2
                self.asm.v2(0x0e14_3c00, r::S0, VS);
                self.asm.rrr_shift(op::ORR, false, d, d, r::S0, (0, 2));
            }
            3 if whole => {
                self.asm.v2(0x9e66_0000, r::S0, a);
                self.asm.v2(0x4e18_3c00, r::S1, a);
                self.asm.lsr(true, r::S0, r::S0, 63);
                self.asm.lsr(true, r::S1, r::S1, 63);
                let d = self.def();
                self.asm.rrr_shift(op::ORR, false, d, r::S0, r::S1, (0, 1));
            }
            _ => return false,
        }
        true
    }
}
