//! Integer operations and conditions.

use super::asm::{cc, enc, r, sh, Addr, Alu, Rm, NOREG};
use super::emit::{Emitter, Opnd};
use super::flags::Shape;
use super::regs::home_addr;
use crate::ir::{Cond, Inst, Op, Type};
use crate::regalloc::{Home, DEAD, INT};

impl Emitter<'_> {
    /// Whether the flags of the current arithmetic are used.
    fn flags_wanted(&self) -> bool {
        self.b.insts.get(self.i + 1).is_some_and(|n| n.op == Op::FlagsOf) && !self.ra.vals[self.i + 1].is(DEAD)
    }

    /// Dispatch of the integer section of the table, but for what the emitter knows by itself.
    pub fn int_op(&mut self, inst: &Inst) {
        match inst.op {
            Op::AddShl => self.add_shl(inst),
            Op::Adc | Op::Sbc => self.with_carry(inst),
            Op::Andn | Op::Orn | Op::Xorn => self.negated(inst),
            Op::Not | Op::Neg => {
                let w = inst.ty == Type::I64;
                // -a = !a + 1
                let by_not = inst.op == Op::Neg && self.flags_busy();
                if inst.op == Op::Neg && !by_not {
                    self.clobber_flags();
                }
                let a = self.opnd(inst.args[0]);
                let d = self.def();
                self.copy_to(w, d, a);
                self.asm.unary(2 + (inst.op == Op::Neg && !by_not) as u8, w, d);
                if by_not {
                    self.asm.lea(w, d, Addr::base(d, 1));
                }
            }
            Op::Shl | Op::Shr | Op::Sar | Op::Ror => self.shift(inst),
            Op::Extr | Op::Bfi | Op::Ubfx | Op::Sbfx => self.field(inst),
            Op::Mul | Op::Umulh | Op::Smulh => self.multiply(inst),
            Op::Udiv | Op::Sdiv => self.divide(inst),
            Op::Sext => {
                let a = self.rm(inst.args[0]);
                let d = self.def();
                self.asm.movsx(2, true, d, a);
            }
            Op::Crc32 => self.crc32(inst),
            _ => self.bits(inst),
        }
    }

    /// `d = s` unless it is there already.
    pub fn copy_to(&mut self, w: bool, d: u8, s: Opnd) {
        if s != Opnd::R(d) {
            self.mov_opnd(w, d, s);
        }
    }

    /// `d = a op b` for any combination of places.
    fn alu3(&mut self, op: Alu, w: bool, d: u8, a: Opnd, b: Opnd) {
        let commutes = !matches!(op, Alu::Sub | Alu::Sbb);
        if b == Opnd::R(d) && a != b {
            if commutes {
                return self.alu_opnd(op, w, d, a);
            }
            self.mov_opnd(w, r::AX, a);
            self.alu_opnd(op, w, r::AX, b);
            return self.asm.mov_rr(w, d, r::AX);
        }
        self.copy_to(w, d, a);
        self.alu_opnd(op, w, d, b);
    }

    /// `op [slot], b` where a guest register without a pin is changed and nobody else asks for it. EFLAGS must be free.
    fn in_slot(&mut self, inst: &Inst, op: Alu) -> bool {
        if inst.ty != Type::I64 {
            return false;
        }
        let Some(g) = self.ra.slot_in_place(self.b, self.i) else { return false };
        let slot = home_addr(Home::Slot(g));
        match self.imm(inst.args[1]) {
            Some(c) => self.asm.alu_imm(op, true, slot, c),
            None => {
                let b = self.reg(inst.args[1]);
                self.asm.op(enc(0, 0, (op as u8) << 3 | 1), true, b, slot.into(), 0, false);
            }
        }
        self.ra.set_home(self.i, Home::Slot(g));
        true
    }

    /// i32 to i64.
    pub fn zext(&mut self, inst: &Inst) {
        let a = self.rm(inst.args[0]);
        let d = self.def();
        self.asm.mov(false, d, a);
    }

    /// or, xor.
    pub fn binary(&mut self, inst: &Inst, op: Alu) {
        self.clobber_flags();
        if self.in_slot(inst, op) {
            return;
        }
        let (a, b) = (self.opnd(inst.args[0]), self.opnd(inst.args[1]));
        let d = self.def();
        self.alu3(op, inst.ty == Type::I64, d, a, b);
    }

    /// add, sub, and, which make flags of a shape.
    pub fn arith(&mut self, inst: &Inst, op: Alu, shape: Shape) {
        let w = inst.ty == Type::I64;
        let wanted = self.flags_wanted();
        if wanted {
            self.clobber_flags();
        }
        if (wanted || !self.flags_busy()) && self.ra.slot_in_place(self.b, self.i).is_some() {
            self.clobber_flags();
            if self.in_slot(inst, op) {
                if wanted {
                    self.flags_are(self.i + 1, shape);
                }
                return;
            }
        }
        let (a, b) = (self.opnd(inst.args[0]), self.opnd(inst.args[1]));
        if wanted && self.ra.vals[self.i].uses == 0 {
            let shape = self.compare(inst.op, w, a, b);
            return self.flags_are(self.i + 1, shape);
        }
        if !wanted && (self.by_lea(inst.op, w, a, b) || self.keeping_flags(inst, w, a, b)) {
            return;
        }
        if !wanted {
            self.clobber_flags();
        }
        let d = self.def();
        if inst.op == Op::And && !wanted {
            return self.and(w, d, a, b);
        }
        self.alu3(op, w, d, a, b);
        if wanted {
            self.flags_are(self.i + 1, shape);
        }
    }

    fn and(&mut self, w: bool, d: u8, a: Opnd, b: Opnd) {
        match (a, b) {
            (a, Opnd::I(0xff)) if a != Opnd::R(d) => self.zero_extend(0, d, a),
            (a, Opnd::I(0xffff)) => self.zero_extend(1, d, a),
            // A mask below 2^31 clears the upper half: the 32-bit form does, too.
            (a, Opnd::I(c)) if c >= 0 => self.alu3(Alu::And, false, d, a, Opnd::I(c)),
            _ => self.alu3(Alu::And, w, d, a, b),
        }
    }

    fn zero_extend(&mut self, log2: u8, d: u8, a: Opnd) {
        match a {
            Opnd::R(n) => self.asm.movzx(log2, d, n),
            Opnd::M(m) => self.asm.movzx(log2, d, m),
            Opnd::I(c) => self.asm.mov_imm(d, c as u64 & ((1 << (8 << log2)) - 1)),
        }
    }

    /// add/sub without flags as `lea` where that saves a move or keeps EFLAGS.
    fn by_lea(&mut self, op: Op, w: bool, a: Opnd, b: Opnd) -> bool {
        let Opnd::R(a) = a else { return false };
        let addr = match (op, b) {
            (Op::Add, Opnd::I(c)) => Addr::base(a, c),
            (Op::Sub, Opnd::I(c)) if c != i32::MIN => Addr::base(a, -c),
            (Op::Add, Opnd::R(b)) if a & 7 == r::BP => Addr { base: b, index: a, scale: 0, disp: 0 },
            (Op::Add, Opnd::R(b)) => Addr { base: a, index: b, scale: 0, disp: 0 },
            _ => return false,
        };
        let busy = self.flags_busy();
        let d = self.def();
        let in_place = d == a || b == Opnd::R(d);
        if !busy && in_place {
            self.clobber_flags();
            let other = if d == a { b } else { Opnd::R(a) };
            self.alu_opnd(if op == Op::Sub { Alu::Sub } else { Alu::Add }, w, d, other);
        } else if addr.index == NOREG && addr.disp == 0 {
            self.asm.mov_rr(w, d, a);
        } else {
            self.asm.lea(w, d, addr);
        }
        true
    }

    /// a + (b << n): `lea` as far as it goes. Keeps EFLAGS where BMI2 does.
    fn add_shl(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let n = inst.imm as u8;
        let a = self.opnd(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let (index, scale) = if n <= 3 {
            (b, n)
        } else if n <= 6 {
            self.asm.lea(w, r::AX, Addr { base: NOREG, index: b, scale: 3, disp: 0 });
            (r::AX, n - 3)
        } else {
            if self.feat.bmi && self.flags_busy() {
                self.shift_keeping_flags(sh::SHL, w, r::AX, Rm::R(b), n);
            } else {
                self.clobber_flags();
                self.asm.mov_rr(w, r::AX, b);
                self.asm.shift_imm(sh::SHL, w, r::AX, n);
            }
            (r::AX, 0)
        };
        let addr = match a {
            Opnd::I(disp) => Addr { base: NOREG, index, scale, disp },
            // With `lea`'s base, rbp and r13 want a displacement.
            Opnd::R(a) if scale == 0 && a & 7 == r::BP => Addr { base: index, index: a, scale, disp: 0 },
            _ => Addr { base: self.reg(inst.args[0]), index, scale, disp: 0 },
        };
        let d = self.def();
        self.asm.lea(w, d, addr);
    }

    /// The same when EFLAGS are needed and the operands are elsewhere.
    fn keeping_flags(&mut self, inst: &Inst, w: bool, a: Opnd, b: Opnd) -> bool {
        if inst.op == Op::And || matches!(a, Opnd::I(_)) || !self.flags_busy() {
            return false;
        }
        let a = self.reg(inst.args[0]);
        let b = match b {
            Opnd::M(_) => Opnd::R(self.reg(inst.args[1])),
            b => b,
        };
        if self.by_lea(inst.op, w, Opnd::R(a), b) {
            return true;
        }
        let Opnd::R(b) = b else { return false };
        // a - b = !(!a + b)
        self.asm.mov_rr(w, r::AX, a);
        self.asm.unary(2, w, r::AX);
        self.asm.lea(w, r::AX, Addr { base: r::AX, index: b, scale: 0, disp: 0 });
        let d = self.def();
        self.asm.unary(2, w, r::AX);
        self.asm.mov_rr(w, d, r::AX);
        true
    }

    /// Only the flags of add, sub or and.
    pub fn compare(&mut self, op: Op, w: bool, a: Opnd, b: Opnd) -> Shape {
        let (op, b) = match (op, b) {
            // a + c and a - (-c) set the same flags but for the carry's polarity.
            (Op::Add, Opnd::I(c)) if c != 0 && c != i32::MIN => (Op::Sub, Opnd::I(-c)),
            p => p,
        };
        match op {
            Op::Sub => {
                match (a, b) {
                    (Opnd::R(a), Opnd::I(0)) => self.asm.test(w, a, a),
                    (Opnd::R(a), b) => self.alu_opnd(Alu::Cmp, w, a, b),
                    (Opnd::M(a), Opnd::I(c)) => self.asm.alu_imm(Alu::Cmp, w, a, c),
                    (Opnd::M(a), Opnd::R(b)) => self.asm.op(enc(0, 0, 0x39), w, b, a.into(), 0, false),
                    (a, b) => {
                        self.mov_opnd(w, r::AX, a);
                        self.alu_opnd(Alu::Cmp, w, r::AX, b);
                    }
                }
                Shape::Sub
            }
            Op::And => {
                match (a, b) {
                    (Opnd::R(a), Opnd::R(b)) => self.asm.test(w, a, b),
                    (Opnd::R(a), Opnd::M(b)) | (Opnd::M(b), Opnd::R(a)) => self.asm.test(w, a, b),
                    (Opnd::R(a), Opnd::I(c)) => self.test_imm(w, a.into(), c),
                    (Opnd::M(a), Opnd::I(c)) => self.test_imm(w, a.into(), c),
                    (a, b) => {
                        self.mov_opnd(w, r::AX, a);
                        self.alu_opnd(Alu::And, w, r::AX, b);
                    }
                }
                Shape::Add
            }
            _ => {
                self.mov_opnd(w, r::AX, a);
                self.alu_opnd(Alu::Add, w, r::AX, b);
                Shape::Add
            }
        }
    }

    fn test_imm(&mut self, w: bool, a: Rm, c: i32) {
        // The byte form's sign flag is bit 7: the mask must not reach it.
        if (0..0x80).contains(&c) {
            self.asm.test_imm8(a, c as u8);
        } else {
            self.asm.test_imm(w && c < 0, a, c);
        }
    }

    fn with_carry(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let wanted = self.flags_wanted();
        let (a, b) = (self.opnd(inst.args[0]), self.opnd(inst.args[1]));
        if inst.op == Op::Adc && !wanted && self.flags_busy() && self.add_carry_by_lea(inst, w, a, b) {
            return;
        }
        let d = self.def();
        let flag = self.ra.root(inst.args[2]);
        let elsewhere = self.ef.val != flag as u16;
        self.clobber_flags();
        if elsewhere {
            // Of flags in memory the carry alone: bt dword [flags], 8.
            let at = home_addr(self.ra.vals[flag].home);
            self.asm.op(enc(0, 1, 0xba), false, 4, at.into(), 1, false);
            self.asm.u8(8);
            self.ef.shape = Shape::Sub;
        }
        let (op, shape) = if inst.op == Op::Adc { (Alu::Adc, Shape::Add) } else { (Alu::Sbb, Shape::Sub) };
        match self.ef.shape {
            s if s == shape => {}
            Shape::Sub | Shape::Add => self.asm.u8(0xf5),
            _ => {
                self.flags_are(flag, self.ef.shape);
                self.rest_in_eax();
                self.eax_to_flags();
                self.clobbered();
                if shape == Shape::Add {
                    self.asm.u8(0xf5);
                }
            }
        }
        self.alu3(op, w, d, a, b);
        if wanted {
            self.flags_are(self.i + 1, shape);
        }
    }

    /// `a + b + C` without changing EFLAGS, which are cheaper to keep than to save.
    fn add_carry_by_lea(&mut self, inst: &Inst, w: bool, a: Opnd, b: Opnd) -> bool {
        let (a, b) = if matches!(a, Opnd::I(_)) { (b, a) } else { (a, b) };
        let addr = match (a, b) {
            (Opnd::R(a), Opnd::I(c)) => Addr { base: r::AX, index: a, scale: 0, disp: c },
            (Opnd::I(x), Opnd::I(y)) if x.checked_add(y).is_some() => Addr::base(r::AX, x + y),
            (Opnd::R(a), Opnd::R(_)) => Addr { base: r::AX, index: a, scale: 0, disp: 0 },
            _ => return false,
        };
        let Some(c) = self.condition(inst.args[2], Cond::Cs) else { return false };
        let d = self.def();
        self.asm.setcc(c, r::AX);
        if addr == Addr::base(r::AX, 0) {
            self.asm.movzx(0, d, r::AX);
            return true;
        }
        self.asm.movzx(0, r::AX, r::AX);
        if let Opnd::R(b) = b {
            self.asm.lea(w, r::AX, addr);
            self.asm.lea(w, d, Addr { base: r::AX, index: b, scale: 0, disp: 0 });
        } else {
            self.asm.lea(w, d, addr);
        }
        true
    }

    /// EFLAGS hold nothing of value any more.
    fn clobbered(&mut self) {
        self.ef.val = u16::MAX;
    }

    fn negated(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let wanted = self.flags_wanted();
        let op = match inst.op {
            Op::Andn => Alu::And,
            Op::Orn => Alu::Or,
            _ => Alu::Xor,
        };
        self.clobber_flags();
        let a = self.opnd(inst.args[0]);
        let b = self.opnd(inst.args[1]);
        if let Opnd::I(c) = b {
            let d = self.def();
            self.alu3(op, w, d, a, Opnd::I(!c));
        } else if op == Alu::Or && a == Opnd::I(0) {
            let d = self.def();
            self.copy_to(w, d, b);
            return self.asm.unary(2, w, d);
        } else if op == Alu::And && self.feat.bmi && matches!((a, b), (Opnd::R(_) | Opnd::M(_), Opnd::R(_))) {
            let d = self.def();
            match (a, b) {
                (Opnd::R(a), Opnd::R(b)) => self.asm.bmi(0, 0xf2, w, d, b, a),
                (Opnd::M(a), Opnd::R(b)) => self.asm.bmi(0, 0xf2, w, d, b, a),
                _ => {}
            }
        } else if op == Alu::Xor {
            // a ^ !b = !(a ^ b)
            let d = self.def();
            self.alu3(op, w, d, a, b);
            self.asm.unary(2, w, d);
        } else {
            self.mov_opnd(w, r::AX, b);
            self.asm.unary(2, w, r::AX);
            let d = self.def();
            self.alu3(op, w, d, a, Opnd::R(r::AX));
        }
        if wanted {
            self.flags_are(self.i + 1, Shape::Add);
        }
    }

    fn shift(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let op = match inst.op {
            Op::Shl => sh::SHL,
            Op::Shr => sh::SHR,
            Op::Sar => sh::SAR,
            _ => sh::ROR,
        };
        if let Some(n) = self.ra.constant(self.b, inst.args[1]) {
            return self.shift_const(inst, op, w, n as u8 & if w { 63 } else { 31 });
        }
        if self.feat.bmi && op != sh::ROR {
            let a = self.rm(inst.args[0]);
            let b = self.reg(inst.args[1]);
            let d = self.def();
            let pp = [1, 3, 0, 2][(op - sh::SHL) as usize];
            return self.asm.bmi(pp, 0xf7, w, d, b, a);
        }
        self.clobber_flags();
        self.ra.claim(self.asm, self.b, INT, r::CX);
        self.load_to(r::CX, inst.args[1]);
        self.load_to(r::AX, inst.args[0]);
        self.asm.shift_cl(op, w, r::AX);
        let d = self.def();
        self.asm.mov_rr(w, d, r::AX);
    }

    fn shift_const(&mut self, inst: &Inst, op: u8, w: bool, n: u8) {
        if n == 0 {
            let a = self.opnd(inst.args[0]);
            let d = self.def();
            return self.mov_opnd(w, d, a);
        }
        let busy = self.flags_busy();
        let a = self.opnd(inst.args[0]);
        match a {
            Opnd::R(s) if op == sh::SHL && n == 1 => {
                let d = self.def();
                if d == s && !busy {
                    self.clobber_flags();
                    self.asm.alu(Alu::Add, w, d, d);
                } else {
                    self.asm.lea(w, d, Addr { base: s, index: s, scale: 0, disp: 0 });
                }
            }
            Opnd::R(s) if op == sh::SHL && n <= 3 && busy => {
                let d = self.def();
                self.asm.lea(w, d, Addr { base: NOREG, index: s, scale: n, disp: 0 });
            }
            Opnd::R(s) if self.feat.bmi && op == sh::ROR => {
                let d = self.def();
                self.rorx(w, d, s, n);
            }
            Opnd::R(_) | Opnd::M(_) if self.feat.bmi && op != sh::ROR && busy => {
                let a = self.rm(inst.args[0]);
                let d = self.def();
                self.shift_keeping_flags(op, w, d, a, n);
            }
            _ => {
                self.clobber_flags();
                let d = self.def();
                self.copy_to(w, d, a);
                self.asm.shift_imm(op, w, d, n);
            }
        }
    }

    /// `d = s` rotated, with BMI2.
    fn rorx(&mut self, w: bool, d: u8, s: u8, n: u8) {
        self.asm.vex(super::asm::Enc { pp: 3, map: 3, op: 0xf0, w }, d, 0, Rm::R(s), Some(n));
    }

    /// `d = a` shifted by `n` with BMI2. Uses rax.
    fn shift_keeping_flags(&mut self, op: u8, w: bool, d: u8, a: Rm, n: u8) {
        let pp = [1, 3, 0, 2][(op - sh::SHL) as usize];
        self.asm.mov_imm(r::AX, n as u64);
        self.asm.bmi(pp, 0xf7, w, d, r::AX, a);
    }

    /// The funnel shift when EFLAGS are needed.
    fn extr_keeping_flags(&mut self, inst: &Inst, w: bool, n: u8) {
        let left = if w { 64 } else { 32 } - n;
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        if left <= 3 {
            self.shift_keeping_flags(sh::SHR, w, r::AX, b, n);
            let d = self.def();
            return self.asm.lea(w, d, Addr { base: r::AX, index: a, scale: left, disp: 0 });
        }
        let t = self.temp();
        self.shift_keeping_flags(sh::SHL, w, t, Rm::R(a), left);
        self.shift_keeping_flags(sh::SHR, w, r::AX, b, n);
        self.ra.operands_done();
        let d = self.def();
        self.asm.lea(w, d, Addr { base: r::AX, index: t, scale: 0, disp: 0 });
    }

    fn field(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let bits = inst.ty.bits() as u8;
        if inst.op == Op::Extr {
            return self.extr(inst, w, inst.imm as u8 & (bits - 1));
        }
        let lsb = inst.imm as u8 & (bits - 1);
        let width = (((inst.imm >> 8) as u8).clamp(1, bits)).min(bits - lsb);
        match inst.op {
            Op::Bfi => self.bfi(inst, w, bits, lsb, width),
            Op::Ubfx => self.ubfx(inst, w, bits, lsb, width),
            _ => self.sbfx(inst, w, bits, lsb, width),
        }
    }

    fn extr(&mut self, inst: &Inst, w: bool, n: u8) {
        let b = self.opnd(inst.args[1]);
        if n == 0 {
            let d = self.def();
            return self.mov_opnd(w, d, b);
        }
        if self.feat.bmi && self.flags_busy() {
            return self.extr_keeping_flags(inst, w, n);
        }
        self.clobber_flags();
        let a = self.reg(inst.args[0]);
        let d = self.def();
        let t = if d == a && b != Opnd::R(a) { r::AX } else { d };
        self.copy_to(w, t, b);
        if b == Opnd::R(a) {
            return self.asm.shift_imm(sh::ROR, w, t, n);
        }
        self.asm.op(enc(0, 1, 0xac), w, a, Rm::R(t), 1, false);
        self.asm.u8(n);
        if t != d {
            self.asm.mov_rr(w, d, t);
        }
    }

    fn bfi(&mut self, inst: &Inst, w: bool, bits: u8, lsb: u8, width: u8) {
        if width == bits {
            let b = self.opnd(inst.args[1]);
            let d = self.def();
            return self.mov_opnd(w, d, b);
        }
        self.clobber_flags();
        let b = self.reg(inst.args[1]);
        let a = self.opnd(inst.args[0]);
        let d = self.def();
        // Rotate the field to the bottom, shift it out while b's low bits come in at the top, rotate back.
        let t = if d == b { r::AX } else { d };
        self.copy_to(w, t, a);
        if lsb != 0 {
            self.asm.shift_imm(sh::ROR, w, t, lsb);
        }
        self.asm.op(enc(0, 1, 0xac), w, b, Rm::R(t), 1, false);
        self.asm.u8(width);
        let back = bits - (width + lsb);
        if back != 0 {
            self.asm.shift_imm(sh::ROR, w, t, back);
        }
        if t != d {
            self.asm.mov_rr(w, d, t);
        }
    }

    fn ubfx(&mut self, inst: &Inst, w: bool, bits: u8, lsb: u8, width: u8) {
        let plain = lsb == 0 && matches!(width, 8 | 16 | 32);
        if !plain {
            self.clobber_flags();
        }
        let a = self.opnd(inst.args[0]);
        let d = self.def();
        if plain && width < 32 {
            return self.zero_extend(width / 16, d, a);
        }
        if plain {
            return self.mov_opnd(false, d, a);
        }
        if lsb + width == bits {
            self.copy_to(w, d, a);
            return self.asm.shift_imm(sh::SHR, w, d, lsb);
        }
        if width < 32 {
            // What is above bit 31 matters only when the field reaches there.
            let w = w && lsb + width > 32;
            match a {
                Opnd::R(s) if lsb != 0 && s != d && self.feat.bmi => self.rorx(w, d, s, lsb),
                _ => {
                    self.copy_to(w, d, a);
                    if lsb != 0 {
                        self.asm.shift_imm(sh::SHR, w, d, lsb);
                    }
                }
            }
            return match width {
                8 | 16 => self.asm.movzx(width / 16, d, d),
                _ => self.asm.alu_imm(Alu::And, false, d, ((1u32 << width) - 1) as i32),
            };
        }
        self.copy_to(w, d, a);
        self.asm.shift_imm(sh::SHL, w, d, bits - lsb - width);
        self.asm.shift_imm(sh::SHR, w, d, bits - width);
    }

    fn sbfx(&mut self, inst: &Inst, w: bool, bits: u8, lsb: u8, width: u8) {
        let a = self.opnd(inst.args[0]);
        if lsb == 0 && matches!(width, 8 | 16 | 32) && !matches!(a, Opnd::I(_)) {
            let d = self.def();
            return match a {
                Opnd::R(a) => self.asm.movsx(width.trailing_zeros() as u8 - 3, w, d, a),
                Opnd::M(a) => self.asm.movsx(width.trailing_zeros() as u8 - 3, w, d, a),
                Opnd::I(_) => {}
            };
        }
        self.clobber_flags();
        let d = self.def();
        self.copy_to(w, d, a);
        if lsb + width != bits {
            self.asm.shift_imm(sh::SHL, w, d, bits - lsb - width);
        }
        self.asm.shift_imm(sh::SAR, w, d, bits - width);
    }

    fn divide(&mut self, inst: &Inst) {
        self.clobber_flags();
        let w = inst.ty == Type::I64;
        self.ra.claim(self.asm, self.b, INT, r::DX);
        let b = self.reg(inst.args[1]);
        // eax = 0 for a zero divisor.
        self.asm.alu(Alu::Xor, false, r::AX, r::AX);
        self.asm.test(w, b, b);
        let zero = self.asm.jcc_short(cc::E);
        self.load_to(r::AX, inst.args[0]);
        if inst.op == Op::Udiv {
            self.asm.alu(Alu::Xor, false, r::DX, r::DX);
            self.asm.unary(6, w, b);
        } else {
            self.asm.alu_imm(Alu::Cmp, w, b, -1);
            let ok = self.asm.jcc_short(cc::NE);
            self.asm.unary(3, w, r::AX);
            let done = self.asm.jmp_short();
            self.asm.bind(ok);
            if w {
                self.asm.u8(0x48);
            }
            self.asm.u8(0x99);
            self.asm.unary(7, w, b);
            self.asm.bind(done);
        }
        self.asm.bind(zero);
        let d = self.def();
        self.asm.mov_rr(w, d, r::AX);
    }
}
