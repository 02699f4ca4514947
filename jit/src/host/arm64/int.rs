//! Integer operations.

use super::asm::{arith_imm, bitmask, op, r};
use super::emit::Emitter;
use crate::ir::{Inst, Op, Type, Value};
use crate::regalloc::DEAD;

/// The second operand of an arithmetic or logical instruction.
#[derive(Clone, Copy)]
enum Second {
    /// An immediate, in place.
    Imm(u32),
    /// A register.
    Reg(u8),
}

/// Opcodes of an operation: register form, immediate form; and the ones that set the flags.
struct Forms {
    reg: [u32; 2],
    imm: [u32; 2],
}

const ADD: Forms = Forms { reg: [op::ADD, op::ADDS], imm: [op::ADDI, op::ADDSI] };
const SUB: Forms = Forms { reg: [op::SUB, op::SUBS], imm: [op::SUBI, op::SUBSI] };
const AND: Forms = Forms { reg: [op::AND, op::ANDS], imm: [op::ANDI, op::ANDSI] };
const BIC: Forms = Forms { reg: [op::BIC, op::BICS], imm: [op::ANDI, op::ANDSI] };

impl Emitter<'_> {
    /// Whether the flags of the current arithmetic are used.
    fn flags_wanted(&self) -> bool {
        self.b.insts.get(self.i + 1).is_some_and(|n| n.op == Op::FlagsOf) && !self.ra.vals[self.i + 1].is(DEAD)
    }

    /// Dispatch of the integer section of the table.
    pub fn int_op(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        match inst.op {
            Op::Add | Op::Sub => self.arith(inst),
            Op::AddShl => {
                let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
                let d = self.def();
                self.asm.rrr_shift(op::ADD, w, d, a, b, (0, inst.imm as u8));
            }
            Op::And | Op::Andn => self.and(inst),
            Op::Adc | Op::Sbc => self.with_carry(inst),
            Op::Or => self.logical(inst, op::ORR, op::ORRI, false),
            Op::Orn => self.logical(inst, op::ORN, op::ORRI, true),
            Op::Xor => self.logical(inst, op::EOR, op::EORI, false),
            Op::Xorn => self.logical(inst, op::EON, op::EORI, true),
            Op::Not => self.zero_op(inst, op::ORN),
            Op::Neg => self.zero_op(inst, op::SUB),
            Op::Shl | Op::Shr | Op::Sar | Op::Ror => self.shift(inst),
            Op::Extr => {
                let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
                let d = self.def();
                let n = inst.imm as u32 & if w { 63 } else { 31 };
                self.asm.rrr(op::EXTR | (w as u32) << 22 | n << 10, w, d, a, b);
            }
            Op::Bfi => self.bfi(inst),
            Op::Ubfx | Op::Sbfx => {
                let a = self.rz(inst.args[0]);
                let d = self.def();
                let (pos, len) = (inst.imm as u8, (inst.imm >> 8) as u8);
                let op = if inst.op == Op::Ubfx { op::UBFM } else { op::SBFM };
                self.asm.bfm(op, w, d, a, pos, pos + len - 1);
            }
            Op::Mul => self.three(inst, op::MUL, w),
            Op::Umulh => self.three(inst, op::UMULH, w),
            Op::Smulh => self.three(inst, op::SMULH, w),
            Op::Udiv => self.three(inst, op::UDIV, w),
            Op::Sdiv => self.three(inst, op::SDIV, w),
            Op::Clz => self.two(inst, op::CLZ, w),
            Op::Cls => self.two(inst, op::CLS, w),
            Op::Rbit => self.two(inst, op::RBIT, w),
            Op::Rev => match inst.imm {
                2 => self.two(inst, op::REV16, w),
                4 => self.two(inst, op::REV32, w),
                _ => self.two(inst, op::REV64, true),
            },
            Op::Zext => {
                let a = self.rz(inst.args[0]);
                let d = self.def();
                self.asm.mov(false, d, a);
            }
            Op::Sext => {
                let a = self.rz(inst.args[0]);
                let d = self.def();
                self.asm.bfm(op::SBFM, true, d, a, 0, 31);
            }
            _ => self.crc32(inst),
        }
    }

    fn two(&mut self, inst: &Inst, op: u32, w: bool) {
        let a = self.rz(inst.args[0]);
        let d = self.def();
        self.asm.rr(op, w, d, a);
    }

    fn three(&mut self, inst: &Inst, op: u32, w: bool) {
        let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
        let d = self.def();
        self.asm.rrr(op, w, d, a, b);
    }

    fn zero_op(&mut self, inst: &Inst, op: u32) {
        let a = self.rz(inst.args[0]);
        let d = self.def();
        self.asm.rrr(op, inst.ty == Type::I64, d, r::ZR, a);
    }

    /// `v` as the second operand of a logical instruction, complemented if the instruction is not.
    fn logical_second(&mut self, v: Value, not: bool) -> Second {
        let w = self.b.ty(v) == Type::I64;
        match self.imm(v).and_then(|c| bitmask(w, if not { !c } else { c })) {
            Some(imm) => Second::Imm(imm),
            None => Second::Reg(self.rz(v)),
        }
    }

    fn logical(&mut self, inst: &Inst, reg: u32, imm: u32, not: bool) {
        let w = inst.ty == Type::I64;
        let [a, b, _] = inst.args;
        let (a, b) = if !not && self.imm(a).is_some() { (b, a) } else { (a, b) };
        match self.logical_second(b, not) {
            Second::Imm(c) => {
                let a = self.rz(a);
                let d = self.def();
                self.asm.rr(imm | c, w, d, a);
            }
            Second::Reg(b) => {
                let a = self.rz(a);
                let d = self.def();
                self.asm.rrr(reg, w, d, a, b);
            }
        }
    }

    fn and(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let not = inst.op == Op::Andn;
        let [a, b, _] = inst.args;
        let (a, b) = if !not && self.imm(a).is_some() { (b, a) } else { (a, b) };
        let second = self.logical_second(b, not);
        let a = self.rz(a);
        self.emit_forms(if not { &BIC } else { &AND }, w, a, second);
    }

    /// The instruction for the current operation, in the form that its uses need.
    fn emit_forms(&mut self, forms: &Forms, w: bool, a: u8, b: Second) {
        let wanted = self.flags_wanted();
        if wanted {
            self.clobber_flags();
        }
        let d = if wanted && self.ra.vals[self.i].uses == 0 { r::ZR } else { self.def() };
        match b {
            Second::Imm(c) => self.asm.rr(forms.imm[wanted as usize] | c, w, d, a),
            Second::Reg(b) => self.asm.rrr(forms.reg[wanted as usize], w, d, a, b),
        }
        if wanted {
            self.flags_are(self.i + 1);
        }
    }

    fn arith(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let [a, b, _] = inst.args;
        let sub = inst.op == Op::Sub;
        let (a, b) = if !sub && self.imm(a).is_some() { (b, a) } else { (a, b) };
        if let Some(c) = self.imm(b) {
            let minus = if w { c.wrapping_neg() } else { (c as u32).wrapping_neg() as u64 };
            // The same flags, too, but for zero.
            let found = arith_imm(c).map(|i| (i, sub)).or_else(|| arith_imm(minus).map(|i| (i, !sub)));
            if let Some((imm, sub)) = found {
                // Register 31 would be the stack pointer.
                let a = self.reg(a);
                return self.emit_forms(if sub { &SUB } else { &ADD }, w, a, Second::Imm(imm));
            }
        }
        let (a, b) = (self.rz(a), self.rz(b));
        self.emit_forms(if sub { &SUB } else { &ADD }, w, a, Second::Reg(b));
    }

    fn with_carry(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let wanted = self.flags_wanted();
        let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
        let op = match (inst.op, wanted) {
            (Op::Adc, false) => op::ADC,
            (Op::Adc, true) => op::ADCS,
            (_, false) => op::SBC,
            (_, true) => op::SBCS,
        };
        self.need_flags(inst.args[2]);
        if wanted {
            self.clobber_flags();
        }
        let d = if wanted && self.ra.vals[self.i].uses == 0 { r::ZR } else { self.def() };
        self.asm.rrr(op, w, d, a, b);
        if wanted {
            self.flags_are(self.i + 1);
        }
    }

    fn shift(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let top = if w { 63 } else { 31 };
        let Some(n) = self.imm(inst.args[1]) else {
            let op = match inst.op {
                Op::Shl => op::LSLV,
                Op::Shr => op::LSRV,
                Op::Sar => op::ASRV,
                _ => op::RORV,
            };
            return self.three(inst, op, w);
        };
        let n = n as u8 & top;
        let a = self.rz(inst.args[0]);
        let d = self.def();
        match inst.op {
            Op::Shl => self.asm.lsl(w, d, a, n),
            Op::Shr => self.asm.lsr(w, d, a, n),
            Op::Sar => self.asm.bfm(op::SBFM, w, d, a, n, top),
            _ => self.asm.rrr(op::EXTR | (w as u32) << 22 | (n as u32) << 10, w, d, a, a),
        }
    }

    fn bfi(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let bits = inst.ty.bits() as u8;
        let (pos, len) = (inst.imm as u8, (inst.imm >> 8) as u8);
        let b = self.rz(inst.args[1]);
        if len == bits {
            let d = self.def();
            return self.asm.mov(w, d, b);
        }
        let (immr, imms) = ((bits - pos) & (bits - 1), len - 1);
        if self.imm(inst.args[0]) == Some(0) {
            let d = self.def();
            return self.asm.bfm(op::UBFM, w, d, b, immr, imms);
        }
        let a = self.rz(inst.args[0]);
        let d = self.def();
        let t = if d == b && d != a { r::S0 } else { d };
        if t != a {
            self.asm.mov(w, t, a);
        }
        self.asm.bfm(op::BFM, w, t, b, immr, imms);
        if t != d {
            self.asm.mov(w, d, t);
        }
    }

    fn crc32(&mut self, inst: &Inst) {
        if !self.feat.crc {
            return self.fallback(inst);
        }
        let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
        let d = self.def();
        let log2 = inst.aux as u32 & 3;
        let op = if inst.imm == 0 { op::CRC32 } else { op::CRC32C };
        self.asm.rrr(op | log2 << 10, log2 == 3, d, a, b);
    }
}
