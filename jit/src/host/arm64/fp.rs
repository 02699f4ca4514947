//! Floating point by Arm's rules: A64's own instructions under the guest's FPCR, which is the host's while translated code runs, so that
//! NaNs, flushing, rounding and the accumulated exceptions need nothing more. What this CPU lacks (half precision mostly) is left to the software.

use super::asm::{op, r};
use super::emit::Emitter;
use super::vec::{ftype, is_scalar, q};
use crate::ir::{Arr, Inst, Op, Round, Type, Width, JAVASCRIPT};

/// An operation of two operands: the "three same" opcode, with U and the bit that doubles the opcodes (`A`), and the scalar instruction's opcode.
struct Binary {
    vec: u32,
    scalar: Scalar,
}

enum Scalar {
    /// The opcode field of "FP data-processing (2 source)".
    Two(u32),
    /// The scalar form of the vector instruction.
    Same,
    /// None.
    No,
}

/// The U bit.
pub const U: u32 = 1 << 29;
/// The bit that doubles the opcodes.
pub const A: u32 = 1 << 23;

fn binary(op: Op) -> Option<Binary> {
    use Scalar::*;
    let (vec, scalar) = match op {
        Op::FAdd => (0x1a << 11, Two(2)),
        Op::FSub => (A | 0x1a << 11, Two(3)),
        Op::FMul => (U | 0x1b << 11, Two(0)),
        Op::FDiv => (U | 0x1f << 11, Two(1)),
        Op::FMax => (0x1e << 11, Two(4)),
        Op::FMin => (A | 0x1e << 11, Two(5)),
        Op::FMaxnm => (0x18 << 11, Two(6)),
        Op::FMinnm => (A | 0x18 << 11, Two(7)),
        Op::FMulx => (0x1b << 11, Same),
        Op::FAbd => (U | A | 0x1a << 11, Same),
        Op::FCmpEq => (0x1c << 11, Same),
        Op::FCmpGe => (U | 0x1c << 11, Same),
        Op::FCmpGt => (U | A | 0x1c << 11, Same),
        Op::FRecps => (0x1f << 11, Same),
        Op::FRsqrts => (A | 0x1f << 11, Same),
        Op::FAddp => (U | 0x1a << 11, No),
        Op::FMaxp => (U | 0x1e << 11, No),
        Op::FMinp => (U | A | 0x1e << 11, No),
        Op::FMaxnmp => (U | 0x18 << 11, No),
        Op::FMinnmp => (U | A | 0x18 << 11, No),
        _ => return None,
    };
    Some(Binary { vec, scalar })
}

/// The word of a "three same" FP instruction.
pub fn three_same(arr: Arr, vec: u32) -> u32 {
    let bits = if is_scalar(arr) { 0x5000_0000 } else { q(arr) };
    match arr.log2() {
        // Half precision has three bits of opcode in another place.
        1 => bits | 0x0e40_0400 | vec & !(0x18 << 11),
        n => bits | 0x0e20_0400 | vec | (n as u32 & 1) << 22,
    }
}

/// The word of a "two-register miscellaneous" FP instruction, whose opcode (with U and A) is in bits 16..12.
pub fn two_misc(arr: Arr, opcode: u32) -> u32 {
    let bits = if is_scalar(arr) { 0x5000_0000 } else { q(arr) };
    match arr.log2() {
        1 => bits | 0x0e78_0800 | opcode,
        n => bits | 0x0e20_0800 | opcode | (n as u32 & 1) << 22,
    }
}

/// FCVT* to integer in vectors, FRINT* in vectors, and rmode/opc of FCVT* to a general register: by rounding mode.
fn rounding(mode: Round) -> Option<(u32, u32)> {
    Some(match mode {
        Round::Nearest => (0x1a << 12, 0),
        Round::Up => (A | 0x1a << 12, 1 << 19),
        Round::Down => (0x1b << 12, 2 << 19),
        Round::Zero => (A | 0x1b << 12, 3 << 19),
        Round::Away => (0x1c << 12, 4 << 16),
        Round::Odd | Round::Current | Round::CurrentExact => return None,
    })
}

/// The word of an operation of two operands that both scalars and vectors have.
pub fn binary_word(op: Op, arr: Arr) -> u32 {
    match binary(op) {
        Some(Binary { scalar: Scalar::Two(opcode), .. }) if is_scalar(arr) => 0x1e20_0800 | ftype(arr.log2()) | opcode << 12,
        Some(Binary { vec, .. }) => three_same(arr, vec),
        None => unreachable!("{op:?} is no such operation"),
    }
}

impl Emitter<'_> {
    /// Emit an FP operation directly, if there is a way.
    pub fn fp(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let log2 = arr.log2();
        if matches!(inst.op, Op::FAbs | Op::FNeg) {
            // Alternate handling would leave a NaN's sign alone.
            return !self.x86_rules() && self.sign_op(inst);
        }
        if self.soft_fp() || log2 == 0 {
            return false;
        }
        if self.x86_rules() {
            return self.fp_x86(inst);
        }
        self.fp_arm(inst)
    }

    /// The instruction, under the rules that FPCR says.
    pub fn fp_arm(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        match inst.op {
            Op::FCvt | Op::FCvtl | Op::FCvtn => return self.precision(inst),
            Op::FMlal => {
                let op = [0x0e20_ec00, 0x2e20_cc00][inst.imm as usize & 1] | q(arr);
                return self.feat.fhm && self.fp_into(inst, op);
            }
            _ => {}
        }
        if arr.log2() == 1 && !self.feat.fp16 {
            return false;
        }
        if let Some(b) = binary(inst.op) {
            return self.fp_binary(inst, b);
        }
        match inst.op {
            Op::FMla if is_scalar(arr) => {
                let [a, b, c] = inst.args.map(|v| self.reg(v));
                let d = self.def();
                self.asm.v3(0x1f00_0000 | ftype(arr.log2()) | (a as u32) << 10, d, b, c);
                true
            }
            Op::FMla => self.fp_into(inst, three_same(arr, 0x19 << 11)),
            Op::FSqrt if is_scalar(arr) => self.fp_unary(inst, 0x1e21_c000 | ftype(arr.log2())),
            Op::FSqrt => self.fp_unary(inst, two_misc(arr, U | A | 0x1f << 12)),
            Op::FRecpe => self.fp_unary(inst, two_misc(arr, A | 0x1d << 12)),
            Op::FRsqrte => self.fp_unary(inst, two_misc(arr, U | A | 0x1d << 12)),
            Op::FRecpx => is_scalar(arr) && self.fp_unary(inst, two_misc(arr, A | 0x1f << 12)),
            Op::FRint => self.round(inst),
            Op::FToS | Op::FToU => self.to_lanes(inst),
            Op::FToSInt | Op::FToUInt => self.to_reg(inst),
            Op::SToF | Op::UToF => self.from_lanes(inst),
            Op::IntSToF | Op::IntUToF => self.from_reg(inst),
            _ => false,
        }
    }

    fn fp_unary(&mut self, inst: &Inst, op: u32) -> bool {
        let a = self.reg(inst.args[0]);
        let d = self.def();
        self.asm.v2(op, d, a);
        true
    }

    fn fp_into(&mut self, inst: &Inst, op: u32) -> bool {
        let (b, c) = (self.reg(inst.args[1]), self.reg(inst.args[2]));
        let (t, d) = self.into_first(inst.args[0], &[b, c]);
        self.asm.v3(op, t, b, c);
        self.asm.vmov(d, t);
        true
    }

    fn sign_op(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        if arr.log2() == 0 || arr.log2() == 1 && !self.feat.fp16 {
            return false;
        }
        let abs = inst.op == Op::FAbs;
        if is_scalar(arr) {
            return self.fp_unary(inst, if abs { 0x1e20_c000 } else { 0x1e21_4000 } | ftype(arr.log2()));
        }
        let half = if arr.log2() == 1 { 0x0ef8_f800 } else { 0x0ea0_f800 | (arr.log2() as u32 & 1) << 22 };
        self.fp_unary(inst, half | q(arr) | if abs { 0 } else { U })
    }

    fn fp_binary(&mut self, inst: &Inst, form: Binary) -> bool {
        let arr = inst.arr();
        let scalar = is_scalar(arr);
        let op = match form.scalar {
            Scalar::Two(opcode) if scalar => 0x1e20_0800 | ftype(arr.log2()) | opcode << 12,
            Scalar::No if scalar => {
                // Both lanes of one vector: as "three same", but with another opcode next to it.
                let (u, size) = if arr.log2() == 1 { (0, 0) } else { (U, (arr.log2() as u32 & 1) << 22) };
                let opcode = [(Op::FAddp, 0x0d), (Op::FMaxp, 0x0f), (Op::FMinp, 0x0f), (Op::FMaxnmp, 0x0c), (Op::FMinnmp, 0x0c)];
                let opcode = opcode.iter().find(|o| o.0 == inst.op).map_or(0, |o| o.1);
                return self.fp_unary(inst, 0x5e30_0800 | u | size | form.vec & A | opcode << 12);
            }
            _ => three_same(arr, form.vec),
        };
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        let d = self.def();
        self.asm.v3(op, d, a, b);
        true
    }

    /// frint*
    pub fn round(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let mode = Round::from_bits(inst.imm);
        let (scalar, vec) = match (inst.imm >> 8, mode) {
            (0, Round::Nearest) => (0x1e24_4000, 0x18 << 12),
            (0, Round::Up) => (0x1e24_c000, A | 0x18 << 12),
            (0, Round::Down) => (0x1e25_4000, 0x19 << 12),
            (0, Round::Zero) => (0x1e25_c000, A | 0x19 << 12),
            (0, Round::Away) => (0x1e26_4000, U | 0x18 << 12),
            (0, Round::CurrentExact) => (0x1e27_4000, U | 0x19 << 12),
            (0, Round::Current) => (0x1e27_c000, U | A | 0x19 << 12),
            (n, Round::Zero | Round::CurrentExact) if self.feat.frint && arr.log2() > 1 => {
                let (x, wide) = ((mode == Round::CurrentExact) as u32, (n == 64) as u32);
                (0x1e28_4000 | x << 15 | wide << 16, (0x1e + wide) << 12 | x << 29)
            }
            _ => return false,
        };
        self.fp_unary(inst, if is_scalar(arr) { scalar | ftype(arr.log2()) } else { two_misc(arr, vec) })
    }

    /// The register to convert to an integer, rounded first if the mode needs that, and the mode that is left.
    fn rounded(&mut self, inst: &Inst) -> Option<(u8, (u32, u32))> {
        let arr = inst.arr();
        let a = self.reg(inst.args[0]);
        match Round::from_bits(inst.imm) {
            // frintx: that it is inexact counts here, too.
            Round::Current | Round::CurrentExact if inst.imm >> 8 == 0 => {
                let op = if is_scalar(arr) { 0x1e27_4000 | ftype(arr.log2()) } else { two_misc(arr, U | 0x19 << 12) };
                self.asm.v2(op, super::regs::VS, a);
                Some((super::regs::VS, rounding(Round::Zero)?))
            }
            mode => Some((a, rounding(mode)?)),
        }
    }

    fn to_lanes(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let unsigned = if inst.op == Op::FToU { U } else { 0 };
        let fraction = (inst.imm >> 8) as u32 & 127;
        if fraction != 0 {
            let bits = if is_scalar(arr) { 0x5000_0000 } else { q(arr) };
            let op = bits | unsigned | (2 * arr.ebits() - fraction) << 16 | 0x0f00_fc00;
            return Round::from_bits(inst.imm) == Round::Zero && self.fp_unary(inst, op);
        }
        let Some((a, (vec, _))) = self.rounded(inst) else { return false };
        let d = self.def();
        self.asm.v2(two_misc(arr, vec | unsigned), d, a);
        true
    }

    fn to_reg(&mut self, inst: &Inst) -> bool {
        let log2 = inst.arr().log2();
        let w = (inst.ty == Type::I64) as u32;
        if inst.imm & JAVASCRIPT != 0 {
            return self.javascript(inst);
        }
        let unsigned = ((inst.op == Op::FToUInt) as u32) << 16;
        let fraction = (inst.imm >> 8) as u32 & 127;
        if fraction != 0 {
            let op = 0x1e18_0000 | unsigned | w << 31 | ftype(log2) | (64 - fraction) << 10;
            return Round::from_bits(inst.imm) == Round::Zero && self.fp_unary(inst, op);
        }
        let Some((a, (_, mode))) = self.rounded(inst) else { return false };
        let d = self.def();
        self.asm.v2(0x1e20_0000 | w << 31 | ftype(log2) | mode | unsigned, d, a);
        true
    }

    fn javascript(&mut self, inst: &Inst) -> bool {
        if !self.feat.jscvt {
            return false;
        }
        let a = self.reg(inst.args[0]);
        self.clobber_flags();
        let d = self.def();
        self.asm.v2(0x1e7e_0000, d, a);
        self.asm.cset(r::S0, 0);
        self.asm.rrr_shift(op::ORR, true, d, d, r::S0, (0, 32));
        true
    }

    fn from_lanes(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let unsigned = if inst.op == Op::UToF { U } else { 0 };
        let fraction = (inst.imm >> 8) as u32 & 127;
        if fraction == 0 {
            return self.fp_unary(inst, two_misc(arr, unsigned | 0x1d << 12));
        }
        let bits = if is_scalar(arr) { 0x5000_0000 } else { q(arr) };
        self.fp_unary(inst, bits | unsigned | (2 * arr.ebits() - fraction) << 16 | 0x0f00_e400)
    }

    fn from_reg(&mut self, inst: &Inst) -> bool {
        let w = ((self.b.ty(inst.args[0]) == Type::I64) as u32) << 31;
        let unsigned = ((inst.op == Op::IntUToF) as u32) << 16;
        let fraction = (inst.imm >> 8) as u32 & 127;
        let a = self.rz(inst.args[0]);
        let d = self.def();
        let place = if fraction == 0 { 0x1e22_0000 } else { 0x1e02_0000 | (64 - fraction) << 10 };
        self.asm.v2(place | w | unsigned | ftype(inst.arr().log2()), d, a);
        true
    }

    /// Between formats.
    fn precision(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let log2 = arr.log2();
        match (inst.op, inst.imm) {
            (Op::FCvt, 0) => self.feat.bf16 && self.fp_unary(inst, 0x1e63_4000),
            (Op::FCvt, to) => {
                let to = [0, 3, 0, 1][to as usize & 3];
                self.fp_unary(inst, 0x1e22_4000 | ftype(log2) | to << 15)
            }
            (Op::FCvtl, part) => self.fp_unary(inst, 0x0e21_7800 | ((part & 1) as u32) << 30 | (log2 as u32 - 1) << 22),
            (_, imm) if imm & 8 != 0 => self.feat.bf16 && self.fp_unary(inst, 0x0ea1_6800),
            (_, imm) => {
                let odd = Round::from_bits(imm) == Round::Odd;
                let op = match (odd, arr.width()) {
                    (true, Width::Scalar) => 0x7e61_6800,
                    (true, _) => 0x2e61_6800,
                    (_, Width::Scalar) => return false,
                    _ => 0x0e21_6800 | (log2 as u32 - 1) << 22,
                };
                self.fp_unary(inst, op)
            }
        }
    }
}
