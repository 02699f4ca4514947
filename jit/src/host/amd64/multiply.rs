//! Integer multiplication. The two halves of a product, where both are wanted somewhere in the block, are made by one instruction.

use super::asm::{enc, r, Enc, Rm};
use super::emit::{Emitter, Opnd};
use crate::ir::{Inst, Op, Type, Value};
use crate::regalloc::{self, Ahead, INT};

/// How far from one half of a product the other is looked for, in instructions of the IR: additions of long numbers multiply some registers by one, then
/// add up the low halves, then make the high ones.
const PAIR: usize = 120;

const MULX: Enc = Enc { pp: 3, map: 2, op: 0xf6, w: true };

impl Emitter<'_> {
    /// mul, umulh, smulh.
    pub fn multiply(&mut self, inst: &Inst) {
        if self.ra.made(self.i) {
            return;
        }
        let w = inst.ty == Type::I64;
        if let Some((n, place)) = self.other_half(inst) {
            return self.both_halves(inst, n, place);
        }
        let constant = [inst.args[0], inst.args[1]].iter().any(|&v| self.ra.constant(self.b, v).is_some());
        if self.feat.bmi && !constant && (inst.op == Op::Umulh || (inst.op == Op::Mul && self.flags_busy())) {
            return self.mulx(inst, w);
        }
        self.clobber_flags();
        if inst.op == Op::Mul {
            return self.low_half(inst, w);
        }
        let b = self.into_rax_and_rdx(inst);
        self.asm.unary(if inst.op == Op::Umulh { 4 } else { 5 }, true, b);
        let d = self.def();
        self.asm.mov_rr(true, d, r::DX);
    }

    /// The later instruction that makes the other half of the product of which `inst` makes one, and where that can wait for it.
    fn other_half(&self, inst: &Inst) -> Option<(usize, Ahead)> {
        if inst.ty != Type::I64 {
            return None;
        }
        let roots = |a: &Inst| {
            let [x, y] = [self.ra.root(a.args[0]), self.ra.root(a.args[1])];
            (x.min(y), x.max(y))
        };
        // One with signs takes EFLAGS.
        let signed = !(self.feat.bmi && self.flags_busy());
        let is_other = |op: Op| match inst.op {
            Op::Mul => op == Op::Umulh || op == Op::Smulh && signed,
            _ => op == Op::Mul,
        };
        let these = roots(inst);
        let mut near = self.b.insts.iter().enumerate().skip(self.i + 1).take(PAIR);
        let open = |n: usize| !self.ra.vals[n].is(regalloc::DEAD) && !self.ra.made(n);
        let (n, _) = near.find(|&(n, k)| is_other(k.op) && k.ty == Type::I64 && roots(k) == these && open(n))?;
        Some((n, self.ra.place_ahead(self.b, self.i, n)?))
    }

    /// Both halves: `inst`'s, and instruction `n`'s ahead of it.
    fn both_halves(&mut self, inst: &Inst, n: usize, place: Ahead) {
        let is_low = inst.op == Op::Mul;
        let signed = Op::Smulh == if is_low { self.b.insts[n].op } else { inst.op };
        let by_mulx = self.feat.bmi && !signed;
        if !by_mulx {
            self.clobber_flags();
        }
        let b = if by_mulx { self.into_rdx(inst) } else { self.into_rax_and_rdx(inst) };
        let pin = matches!(place, Ahead::Pin(_));
        let early = if pin { self.ra.take_ahead(self.asm, self.b, n, place) } else { None };
        let d = self.def();
        let other = early.or_else(|| self.ra.take_ahead(self.asm, self.b, n, place));
        let (mine, its) = match by_mulx {
            true => {
                let o = other.unwrap_or(r::AX);
                let (high, low) = if is_low { (o, d) } else { (d, o) };
                self.asm.vex(MULX, high, low, b, None);
                (d, o)
            }
            false => {
                self.asm.unary(4 + signed as u8, true, b);
                if is_low {
                    (r::AX, r::DX)
                } else {
                    (r::DX, r::AX)
                }
            }
        };
        self.asm.mov_rr(true, d, mine);
        match other {
            Some(o) => self.asm.mov_rr(true, o, its),
            None => self.ra.store_ahead(self.asm, self.b, self.i, n, place, its),
        }
    }

    /// `imul`.
    fn low_half(&mut self, inst: &Inst, w: bool) {
        let a = self.opnd(inst.args[0]);
        let b = self.opnd(inst.args[1]);
        let (a, b) = if let Opnd::I(_) = a { (b, a) } else { (a, b) };
        let d = self.def();
        match (a, b) {
            (Opnd::R(_) | Opnd::M(_), Opnd::I(c)) => {
                let a = if let Opnd::M(m) = a { Rm::M(m) } else { Rm::R(if let Opnd::R(n) = a { n } else { d }) };
                self.asm.op(enc(0, 0, 0x69), w, d, a, 4, false);
                self.asm.u32(c as u32);
            }
            (Opnd::I(x), Opnd::I(y)) => {
                let c = (x as i64).wrapping_mul(y as i64) as u64;
                self.asm.mov_imm(d, if w { c } else { c & 0xffff_ffff });
            }
            (a, b) => {
                let (a, b) = if b == Opnd::R(d) { (b, a) } else { (a, b) };
                self.copy_to(w, d, a);
                match b {
                    Opnd::M(m) => self.asm.op0f(0xaf, w, d, m),
                    Opnd::R(n) => self.asm.op0f(0xaf, w, d, n),
                    Opnd::I(_) => {}
                }
            }
        }
    }

    /// A half of a product by `mulx`, which leaves EFLAGS alone: carries of long additions stay there.
    fn mulx(&mut self, inst: &Inst, w: bool) {
        let b = self.into_rdx(inst);
        let d = self.def();
        // reg: the high half, the extra operand: the low half (the high one wins where they are the same).
        let (high, low) = if inst.op == Op::Umulh { (d, d) } else { (r::AX, d) };
        self.asm.vex(Enc { w, ..MULX }, high, low, b, None);
    }

    /// One operand in rdx; the other.
    fn into_rdx(&mut self, inst: &Inst) -> Rm {
        let [x, y, _] = inst.args;
        let held = |e: &Self, v: Value| e.ra.peek(v) == Some(r::DX);
        let (a, b) = if held(self, y) || self.ra.constant(self.b, y).is_some() && !held(self, x) { (y, x) } else { (x, y) };
        if held(self, a) {
            self.reg(a);
        } else {
            self.ra.claim(self.asm, self.b, INT, r::DX);
            self.load_to(r::DX, a);
        }
        self.rm(b)
    }

    /// One operand in rax, rdx for the result; the other operand.
    fn into_rax_and_rdx(&mut self, inst: &Inst) -> Rm {
        self.ra.claim(self.asm, self.b, INT, r::DX);
        self.load_to(r::AX, inst.args[0]);
        self.rm(inst.args[1])
    }
}
