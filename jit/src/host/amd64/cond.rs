//! Operations on condition flags: compares under a condition, selections, FP compares, moves to and from integers.

use super::asm::{cc, enc, r, sh, state, Alu, Rm};
use super::emit::{Emitter, Opnd};
use super::flags::{fcmp_shape, rest_from_nzcv, test, Shape, Test};
use super::regs::{home_addr, VS};
use crate::ir::{Arr, Cond, Inst, Op, Type};
use crate::regalloc::WHOLE;

/// Whether each of the conditions `asked` (bits) of flags of this shape has the answer that it has for the constant `nzcv` as soon as the x86 condition
/// `given` holds.
fn answers_stand(given: u8, shape: Shape, asked: u16, nzcv: u8) -> bool {
    if asked & WHOLE != 0 {
        return false;
    }
    (0..14).filter(|n| asked >> n & 1 != 0).all(|n| {
        let cond = Cond::from_bits(n);
        let Test::Cc(c) = test(shape, cond) else { return false };
        let answer = cond.holds(nzcv);
        (0..16).filter(|&f| cc::holds(given, f)).all(|f| cc::holds(c, f) == answer)
    })
}

impl Emitter<'_> {
    /// Dispatch of the flags section of the table.
    pub fn flag_op(&mut self, inst: &Inst) {
        match inst.op {
            Op::Ccmp | Op::Ccmn => self.ccmp(inst),
            Op::Fcmp | Op::Fcmpe => self.fcmp(inst),
            Op::Fccmp | Op::Fccmpe => self.fccmp(inst),
            Op::SelFlags => self.sel_flags(inst),
            Op::CFlip => self.cflip(inst),
            Op::AxFlag => self.axflag(inst),
            Op::FlagsInsert => self.flags_insert(inst),
            Op::FlagsFrom => self.flags_from(inst),
            Op::FlagsTo => self.flags_to(inst),
            Op::Select => self.select(inst),
            Op::SetCond => {
                let c = self.condition(inst.args[0], inst.cond());
                let d = self.def();
                match c {
                    Some(c) => {
                        self.asm.setcc(c, r::AX);
                        self.asm.movzx(0, d, r::AX);
                    }
                    None => self.asm.mov_imm(d, 1),
                }
            }
            _ => self.vselect(inst),
        }
    }

    fn select(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let a = self.opnd(inst.args[1]);
        let b = self.opnd(inst.args[2]);
        let c = self.condition(inst.args[0], inst.cond());
        let Some(c) = c else {
            let d = self.def();
            return self.mov_opnd(w, d, a);
        };
        let a = match a {
            Opnd::I(_) => Rm::R(self.reg(inst.args[1])),
            Opnd::R(n) => Rm::R(n),
            Opnd::M(m) => Rm::M(m),
        };
        let d = self.def();
        if a == Rm::R(d) {
            match b {
                Opnd::R(n) => self.asm.cmov(c ^ 1, w, d, n),
                Opnd::M(m) => self.asm.cmov(c ^ 1, w, d, m),
                Opnd::I(_) => {
                    self.mov_opnd(w, r::AX, b);
                    self.asm.cmov(c ^ 1, w, d, r::AX);
                }
            }
        } else {
            self.copy_to(w, d, b);
            self.asm.cmov(c, w, d, a);
        }
    }

    fn ccmp(&mut self, inst: &Inst) {
        let w = self.b.ty(inst.args[1]) == Type::I64;
        let a = self.opnd(inst.args[1]);
        let b = self.opnd(inst.args[2]);
        let op = if inst.op == Op::Ccmp { Op::Sub } else { Op::Add };
        let cond = inst.cond();
        self.need_flags(inst.args[0]);
        self.clobber_flags();
        let Some(c) = self.testable(cond) else {
            let shape = self.compare(op, w, a, b);
            return self.flags_are(self.i, shape);
        };
        let before = self.ef.shape;
        let fails = self.asm.jcc_short(c ^ 1);
        let shape = self.compare(op, w, a, b);
        let asked = self.ra.vals[self.i].conditions;
        let x86 = matches!(before, Shape::Sub | Shape::Add);
        if x86 && answers_stand(c ^ 1, shape, asked, inst.imm as u8) {
            self.asm.bind(fails);
            return self.flags_are(self.i, shape);
        }
        let done = self.asm.jmp_short();
        self.asm.bind(fails);
        self.flags_const(inst.imm as u8, shape);
        self.asm.bind(done);
        self.flags_are(self.i, shape);
    }

    /// EFLAGS in this shape from a constant NZCV, by comparisons of what is known: rsp is positive, and below all negative numbers.
    fn flags_const(&mut self, nzcv: u8, shape: Shape) {
        const RSP: u8 = r::SP;
        match (nzcv & 15) ^ ((shape == Shape::Add) as u8) << 1 {
            0b0000 => self.asm.alu_imm(Alu::Cmp, true, RSP, -1),
            0b0010 => self.asm.test(true, RSP, RSP),
            0b0110 => self.asm.alu(Alu::Cmp, true, RSP, RSP),
            0b0100 => {
                self.asm.alu(Alu::Cmp, true, RSP, RSP);
                self.asm.u8(0xf9);
            }
            sub => {
                self.asm.mov_imm(r::AX, rest_from_nzcv(sub) as u64);
                self.eax_to_flags();
            }
        }
    }

    fn fcmp(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        let half = log2 == 1;
        if self.soft_fp() || half && !self.feat.f16c {
            return self.fallback(inst);
        }
        self.clobber_flags();
        let shape = fcmp_shape(self.ra.vals[self.i].first_cc);
        let (a, b) = if shape == Shape::Fcmp { (inst.args[0], inst.args[1]) } else { (inst.args[1], inst.args[0]) };
        let op = if inst.op == Op::Fcmpe { 0x2f } else { 0x2e };
        if half {
            let [a, b] = [a, b].map(|v| self.rm(v));
            let t = self.vtemp();
            self.point();
            self.widen(t, a, 0);
            self.widen(VS, b, 0);
            self.asm.v2(enc(0, 1, op), t, Rm::R(VS));
            return self.flags_are(self.i, shape);
        }
        let x = self.reg(a);
        let y = self.rm(b);
        self.point();
        self.asm.v2(enc(log2 - 2, 1, op), x, y);
        self.flags_are(self.i, shape);
    }

    fn fccmp(&mut self, inst: &Inst) {
        let arr = Arr((inst.imm >> 8) as u8);
        let plain = if inst.op == Op::Fccmp { Op::Fcmp } else { Op::Fcmpe };
        let (a, b) = (self.reg(inst.args[1]), self.reg(inst.args[2]));
        self.need_flags(inst.args[0]);
        self.clobber_flags();
        let c = self.testable(inst.cond());
        let fails = c.map(|c| self.asm.jcc_near(c ^ 1));
        if self.soft_fp() || !(2..=3).contains(&arr.log2()) {
            self.asm.vstore(state!(call_args), a);
            self.asm.vstore(state!(call_args).plus(16), b);
            let compare = Inst { op: plain, aux: arr.0, imm: 0, ..*inst };
            self.call_eval(&compare, [128, 128, 0]);
            self.asm.mov(false, r::AX, state!(call_result));
        } else {
            self.point();
            self.asm.v2(enc(arr.log2() - 2, 1, if plain == Op::Fcmpe { 0x2f } else { 0x2e }), a, b);
            self.ef.shape = Shape::Fcmp;
            self.rest_in_eax();
        }
        if let Some(fails) = fails {
            let done = self.asm.jmp_short();
            self.asm.bind_near(fails);
            self.asm.mov_imm(r::AX, rest_from_nzcv(inst.imm as u8 & 15) as u64);
            self.asm.bind(done);
        }
        self.eax_to_flags();
        self.flags_are(self.i, Shape::Sub);
    }

    fn sel_flags(&mut self, inst: &Inst) {
        let (yes, no) = (self.ra.spill(), self.ra.spill());
        for (h, v) in [(yes, inst.args[1]), (no, inst.args[2])] {
            self.flags_in_eax(v);
            self.asm.store(2, home_addr(h), r::AX);
        }
        let c = self.condition(inst.args[0], inst.cond());
        match c {
            Some(c) => {
                self.asm.mov(false, r::AX, home_addr(no));
                self.asm.cmov(c, false, r::AX, home_addr(yes));
            }
            None => self.asm.mov(false, r::AX, home_addr(yes)),
        }
        self.asm.store(2, home_addr(no), r::AX);
        self.ra.unspill(yes);
        self.ra.set_home(self.i, no);
    }

    fn flags_from(&mut self, inst: &Inst) {
        let h = self.ra.spill();
        if let Some(c) = self.ra.constant(self.b, inst.args[0]) {
            self.asm.store_imm(2, home_addr(h), rest_from_nzcv((c >> 28) as u8 & 15) as i32);
        } else {
            self.clobber_flags();
            let a = self.reg(inst.args[0]);
            let t = self.temp();
            // N, Z: bits 31, 30 to 15, 14.
            self.asm.mov_rr(false, t, a);
            self.asm.shift_imm(sh::SHR, false, t, 16);
            self.asm.alu_imm(Alu::And, false, t, 0xc000);
            // !C: bit 29 to 8.
            self.asm.mov_rr(false, r::AX, a);
            self.asm.shift_imm(sh::SHR, false, r::AX, 21);
            self.asm.unary(2, false, r::AX);
            self.asm.alu_imm(Alu::And, false, r::AX, 0x100);
            self.asm.alu(Alu::Or, false, t, r::AX);
            // V: bit 28 to 0.
            self.asm.mov_rr(false, r::AX, a);
            self.asm.shift_imm(sh::SHR, false, r::AX, 28);
            self.asm.alu_imm(Alu::And, false, r::AX, 1);
            self.asm.alu(Alu::Or, false, r::AX, t);
            self.asm.store(2, home_addr(h), r::AX);
        }
        self.ra.set_home(self.i, h);
    }

    fn flags_to(&mut self, inst: &Inst) {
        let t = self.temp();
        self.flags_in_eax(inst.args[0]);
        self.asm.mov_rr(false, t, r::AX);
        self.clobber_flags();
        self.asm.mov_rr(false, r::AX, t);
        self.asm.alu_imm(Alu::And, false, t, 0xc000);
        self.asm.shift_imm(sh::SHL, false, t, 16);
        let d = self.temp();
        self.asm.mov_rr(false, d, r::AX);
        self.asm.unary(2, false, d);
        self.asm.alu_imm(Alu::And, false, d, 0x100);
        self.asm.shift_imm(sh::SHL, false, d, 21);
        self.asm.alu(Alu::Or, false, t, d);
        self.asm.alu_imm(Alu::And, false, r::AX, 1);
        self.asm.shift_imm(sh::SHL, false, r::AX, 28);
        self.asm.alu(Alu::Or, false, r::AX, t);
        let d = self.def();
        self.asm.mov_rr(false, d, r::AX);
    }

    fn cflip(&mut self, inst: &Inst) {
        self.need_flags(inst.args[0]);
        self.clobber_flags();
        if !matches!(self.ef.shape, Shape::Sub | Shape::Add) {
            self.rest_in_eax();
            self.eax_to_flags();
            self.ef.shape = Shape::Sub;
        }
        self.flags_are(self.i, if self.ef.shape == Shape::Sub { Shape::Add } else { Shape::Sub });
    }

    fn axflag(&mut self, inst: &Inst) {
        self.need_flags(inst.args[0]);
        self.clobber_flags();
        if self.ef.shape != Shape::Fcmp {
            let t = self.temp();
            self.rest_in_eax();
            // V to Z and !C.
            self.asm.mov_rr(false, t, r::AX);
            self.asm.alu_imm(Alu::And, false, r::AX, 0x4100);
            self.asm.alu_imm(Alu::And, false, t, 1);
            self.asm.shift_imm(sh::SHL, false, t, 8);
            self.asm.alu(Alu::Or, false, r::AX, t);
            self.asm.shift_imm(sh::SHL, false, t, 6);
            self.asm.alu(Alu::Or, false, r::AX, t);
            self.eax_to_flags();
        }
        self.flags_are(self.i, Shape::Sub);
    }

    fn flags_insert(&mut self, inst: &Inst) {
        let (mask, shift) = (inst.imm as u32 & 15, (inst.imm >> 8) as u8);
        let rest_mask = (mask & 12) << 12 | (mask & 2) << 7 | mask & 1;
        let wide = self.b.ty(inst.args[1]) == Type::I64;
        let b = self.reg(inst.args[1]);
        let (old, t) = (self.temp(), self.temp());
        self.flags_in_eax(inst.args[0]);
        self.asm.mov_rr(false, old, r::AX);
        self.clobber_flags();
        self.asm.alu_imm(Alu::And, false, old, !rest_mask as i32);
        for (bits, up) in [(mask & 12, 12), (mask & 2, 7), (mask & 1, 0)] {
            if bits == 0 {
                continue;
            }
            self.asm.mov_rr(wide, t, b);
            if shift > 0 {
                self.asm.shift_imm(sh::SHR, wide, t, shift);
            }
            if bits == 2 {
                self.asm.unary(2, false, t);
            }
            self.asm.alu_imm(Alu::And, false, t, bits as i32);
            if up > 0 {
                self.asm.shift_imm(sh::SHL, false, t, up);
            }
            self.asm.alu(Alu::Or, false, old, t);
        }
        self.asm.mov_rr(false, r::AX, old);
        self.eax_to_flags();
        self.flags_are(self.i, Shape::Sub);
    }

    fn vselect(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[1]);
        let b = self.reg(inst.args[2]);
        let c = self.condition(inst.args[0], inst.cond());
        let d = self.def();
        let Some(c) = c else { return self.asm.vmov(d, a) };
        let (first, second, skip) = if d == a { (a, b, c) } else { (b, a, c ^ 1) };
        self.asm.vmov(d, first);
        let over = self.asm.jcc_short(skip);
        self.asm.vmov(d, second);
        self.asm.bind(over);
    }
}
