//! Saturating vector arithmetic. What saturates sets QC: the lanes that changed are collected in `Cpu::qc`.

use super::asm::{p38, p66, state, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::{control, splat};
use super::vec_arith::{add, equal, sub, PAND, PANDN, POR, PXOR};
use crate::ir::{Arr, Inst, Op, Width};

const PSHUFD: Enc = p66(0x70);

/// The largest signed number of a lane size.
fn maximum(log2: u8) -> u128 {
    splat(log2, u64::MAX >> (65 - (8 << log2)))
}

impl Emitter<'_> {
    /// Emit a saturating operation that keeps the lane size directly, if there is a way.
    pub fn saturating(&mut self, inst: &Inst) -> bool {
        use Op::*;
        let log2 = inst.arr().log2();
        match inst.op {
            VSqadd | VUqadd | VSqsub | VUqsub if log2 < 2 => self.saturating_small(inst),
            VSqadd | VSqsub => self.saturating_signed(inst),
            VUqadd | VUqsub => self.saturating_unsigned(inst),
            VSqabs | VSqneg => {
                let a = self.reg(inst.args[0]);
                let d = self.def_early();
                if inst.op == VSqneg {
                    self.asm.vzero(d);
                    self.asm.v3(sub(log2), d, d, a);
                } else {
                    self.signs(log2, VS, a);
                    self.asm.v3(PXOR, d, a, VS);
                    self.asm.v3(sub(log2), d, d, VS);
                }
                self.fix_minimum(inst.arr(), d, d);
                self.clean(d, inst.arr(), 4);
            }
            VSqdmulh | VSqrdmulh if log2 == 1 => self.double_high_halves(inst),
            VSqdmulh | VSqrdmulh => self.double_high_words(inst),
            VSqrdmlah if log2 == 1 => self.add_high_halves(inst),
            VSqrdmlah => self.add_high_words(inst),
            VSqshlI | VUqshlI | VSqshluI => self.saturating_shift(inst),
            _ => return false,
        }
        true
    }

    /// The lanes of `s` that count and are not zero have saturated. Changes `s`.
    fn note_saturation(&mut self, arr: Arr, s: u8) {
        self.clean(s, arr, 4);
        self.asm.v3(POR, s, s, state!(qc));
        self.asm.vstore(state!(qc), s);
    }

    /// `d` = `a` where the smallest number, which stands for the one above the largest, becomes the largest.
    pub fn fix_minimum(&mut self, arr: Arr, d: u8, a: u8) {
        let min = self.asm.constant(splat(arr.log2(), 1 << (arr.ebits() - 1)));
        self.asm.vmov(VS, min);
        self.asm.v3(equal(arr.log2()), VS, VS, a);
        self.asm.v3(PXOR, d, a, VS);
        self.note_saturation(arr, VS);
    }

    fn saturating_small(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (a, b, d) = self.two(inst);
        let (sat, wrap) = match inst.op {
            Op::VSqadd => (0xec, 0xfc),
            Op::VUqadd => (0xdc, 0xfc),
            Op::VSqsub => (0xe8, 0xf8),
            _ => (0xd8, 0xf8),
        };
        self.asm.v3(p66(sat + log2), d, a, b);
        self.asm.v3(p66(wrap + log2), VS, a, b);
        self.asm.v3(PXOR, VS, VS, d);
        self.note_saturation(arr, VS);
        self.clean(d, arr, 4);
    }

    /// The sign of each lane of the scratch register all over the lane.
    fn spread_signs(&mut self, log2: u8) {
        if log2 == 3 {
            self.asm.v2i(PSHUFD, VS, VS, 0xf5);
        }
        self.asm.vshift(0x72, 4, VS, VS, 31);
    }

    /// Words and doublewords: the sum overflows when its sign is neither operand's; the difference when the operands' signs
    /// differ and its own is not the first one's.
    fn saturating_signed(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        let plus = inst.op == Op::VSqadd;
        self.asm.v3(if plus { add(log2) } else { sub(log2) }, d, a, b);
        self.asm.v3(PXOR, VS, b, if plus { d } else { a });
        self.asm.v3(PXOR, t, a, d);
        self.asm.v3(PAND, VS, VS, t);
        self.spread_signs(log2);
        // The first operand's sign tells which way.
        self.signs(log2, t, a);
        let max = self.asm.constant(maximum(log2));
        self.asm.v3(PXOR, t, t, max);
        self.asm.v3(PXOR, t, t, d);
        self.asm.v3(PAND, t, t, VS);
        self.asm.v3(PXOR, d, d, t);
        self.note_saturation(arr, VS);
        self.clean(d, arr, 4);
    }

    /// Words and doublewords by the carry (borrow) out of the top bit.
    fn saturating_unsigned(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        if inst.op == Op::VUqadd {
            self.asm.v3(add(log2), d, a, b);
            self.asm.v3(POR, t, a, b);
            self.asm.v3(PANDN, VS, d, t);
            self.asm.v3(PAND, t, a, b);
            self.asm.v3(POR, VS, VS, t);
            self.spread_signs(log2);
            self.asm.v3(POR, d, d, VS);
        } else {
            self.asm.v3(sub(log2), d, a, b);
            self.asm.v3(PXOR, VS, a, b);
            self.asm.v3(PANDN, VS, VS, d);
            self.asm.v3(PANDN, t, a, b);
            self.asm.v3(POR, VS, VS, t);
            self.spread_signs(log2);
            self.asm.v3(PANDN, t, VS, d);
            self.asm.vmov(d, t);
        }
        self.note_saturation(arr, VS);
        self.clean(d, arr, 4);
    }

    fn double_high_halves(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        if inst.op == Op::VSqrdmulh {
            self.asm.v3(p38(0x0b), d, a, b);
        } else {
            self.asm.v3(p66(0xd5), VS, a, b);
            self.asm.v3(p66(0xe5), d, a, b);
            self.asm.vshift(0x71, 2, VS, VS, 15);
            self.asm.v3(add(1), d, d, d);
            self.asm.v3(POR, d, d, VS);
        }
        self.fix_minimum(inst.arr(), d, d);
        self.clean(d, inst.arr(), 4);
    }

    fn double_high_words(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        let half = (inst.op == Op::VSqrdmulh).then(|| self.asm.constant(splat(3, 1 << 30)));
        self.asm.vshift(0x73, 2, t, a, 32);
        self.asm.vshift(0x73, 2, VS, b, 32);
        self.asm.v3(p38(0x28), t, t, VS);
        self.asm.v3(p38(0x28), d, a, b);
        if let Some(half) = half {
            self.asm.v3(add(3), t, t, half);
            self.asm.v3(add(3), d, d, half);
        }
        self.asm.v3(add(3), t, t, t);
        self.asm.vshift(0x73, 2, d, d, 31);
        self.asm.v3i(super::asm::p3a(0x0e), d, d, t, 0xcc);
        self.fix_minimum(inst.arr(), d, d);
        self.clean(d, inst.arr(), 4);
    }

    /// a ± ((2 * b * c + 2^15) >> 16), in words: what narrowing keeps without saturation tells which halves it changed.
    fn add_high_halves(&mut self, inst: &Inst) {
        let (mut low, mut high, mut t) = (VS, self.vtemp(), self.vtemp());
        let [a, b, c] = inst.args.map(|v| self.place(v));
        let half = self.asm.constant(splat(2, 1 << 14));
        self.asm.vmov(low, b);
        self.asm.v3(p66(0xd5), high, low, c);
        self.asm.v3(p66(0xe5), t, low, c);
        self.asm.v3(p66(0x61), low, high, t);
        self.asm.v3(p66(0x69), high, high, t);
        if inst.imm == 0 {
            self.asm.v3(add(2), low, low, half);
            self.asm.v3(add(2), high, high, half);
        } else {
            self.asm.vmov(t, half);
            self.asm.v3(sub(2), t, t, low);
            self.asm.vmov(low, half);
            self.asm.v3(sub(2), low, low, high);
            (low, high, t) = (t, low, high);
        }
        for (x, part) in [(low, 0x44), (high, 0xee)] {
            self.asm.vshift(0x72, 4, x, x, 15);
            self.asm.v2i(PSHUFD, t, a, part);
            self.asm.v2(p38(0x23), t, Rm::R(t));
            self.asm.v3(add(2), x, x, t);
        }
        self.asm.v3(p66(0x6b), t, low, high);
        for x in [low, high] {
            self.asm.vshift(0x72, 6, x, x, 16);
            self.asm.vshift(0x72, 4, x, x, 16);
        }
        self.asm.v3(p66(0x6b), low, low, high);
        self.asm.v3(PXOR, low, low, t);
        self.note_saturation(inst.arr(), low);
        let d = self.def();
        self.asm.vmov(d, t);
        self.clean(d, inst.arr(), 4);
    }

    /// The same of words: the sum of a and a high half, which is out of its own range, at the least number, for one product.
    fn add_high_words(&mut self, inst: &Inst) {
        let subtract = inst.imm != 0;
        let (t, u, w) = (self.vtemp(), self.vtemp(), self.vtemp());
        let [a, b, c] = inst.args.map(|v| self.place(v));
        let half = self.asm.constant(splat(3, 1 << 30));
        let (min, max) = (self.asm.constant(splat(2, 1 << 31)), self.asm.constant(maximum(2)));
        self.asm.vmov(w, b);
        self.asm.v3(p38(0x28), t, w, c);
        self.asm.vmov(VS, c);
        self.asm.vshift(0x73, 2, VS, VS, 32);
        self.asm.vshift(0x73, 2, u, w, 32);
        self.asm.v3(p38(0x28), u, u, VS);
        for x in [t, u] {
            if subtract {
                self.asm.vmov(VS, half);
                self.asm.v3(sub(3), VS, VS, x);
                self.asm.vmov(x, VS);
            } else {
                self.asm.v3(add(3), x, x, half);
            }
        }
        self.asm.vshift(0x73, 2, t, t, 31);
        self.asm.v3(add(3), u, u, u);
        self.asm.v3i(super::asm::p3a(0x0e), t, t, u, 0xcc);
        // Where the signs of both operands differ from that of the sum.
        self.asm.vmov(u, a);
        self.asm.v3(add(2), w, u, t);
        self.asm.v3(PXOR, u, u, w);
        self.asm.v3(PXOR, VS, t, w);
        self.asm.v3(PAND, VS, VS, u);
        self.asm.vshift(0x72, 4, VS, VS, 31);
        if !subtract {
            self.asm.v3(equal(2), t, t, min);
            self.asm.v3(PXOR, VS, VS, t);
        }
        self.asm.vmov(u, a);
        self.asm.vshift(0x72, 4, u, u, 31);
        self.asm.v3(PXOR, u, u, max);
        self.asm.v3(PXOR, u, u, w);
        self.asm.v3(PAND, u, u, VS);
        self.asm.v3(PXOR, w, w, u);
        self.note_saturation(inst.arr(), VS);
        let d = self.def();
        self.asm.vmov(d, w);
        self.clean(d, inst.arr(), 4);
    }

    /// To the left by a constant: shifting back shows what was lost.
    fn saturating_shift(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let n = inst.imm as u8;
        let a = self.reg(inst.args[0]);
        let d = self.def_early();
        let t = self.vtemp();
        self.shift_imm_lanes(6, log2, d, a, n);
        let ext = if inst.op == Op::VSqshlI { 4 } else { 2 };
        self.shift_imm_lanes(ext, log2, VS, d, n);
        self.asm.v3(equal(log2), VS, VS, a);
        self.ones(t);
        match inst.op {
            Op::VUqshlI => {
                self.asm.v3(PXOR, VS, VS, t);
                self.asm.v3(POR, d, d, VS);
            }
            Op::VSqshlI => {
                self.asm.v3(PXOR, VS, VS, t);
                self.signs(log2, t, a);
                let max = self.asm.constant(maximum(log2));
                self.asm.v3(PXOR, t, t, max);
                self.asm.v3(PXOR, t, t, d);
                self.asm.v3(PAND, t, t, VS);
                self.asm.v3(PXOR, d, d, t);
            }
            _ => {
                self.asm.v3(PXOR, VS, VS, t);
                self.asm.v3(POR, d, d, VS);
                self.signs(log2, t, a);
                self.asm.v3(POR, VS, VS, t);
                self.asm.v3(PANDN, t, t, d);
                self.asm.vmov(d, t);
            }
        }
        self.note_saturation(arr, VS);
        self.clean(d, arr, 4);
    }

    // --- narrowing -----------------------------------------------------------------------------------
    /// SQXTN, SQSHRN, UQRSHRN, SQSHRUN … .
    pub fn narrow_saturating(&mut self, inst: &Inst) {
        use Op::*;
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let n = inst.imm as u8;
        let wide = Arr::new(log2 + 1, if arr.width() == Width::Scalar { Width::Scalar } else { Width::W128 });
        let a = self.reg(inst.args[0]);
        let d = self.def_early();
        let t = self.vtemp();
        let unsigned = matches!(inst.op, VUqshrn | VUqrshrn);
        let ext = if unsigned { 2 } else { 4 };
        // The shifted lanes.
        if n == 0 {
            self.asm.vmov(VS, a);
        } else {
            self.shift_imm_lanes(ext, log2 + 1, VS, a, n);
        }
        if n > 0 && matches!(inst.op, VSqrshrn | VUqrshrn | VSqrshrun) {
            let one = self.asm.constant(splat(log2 + 1, 1));
            self.shift_imm_lanes(2, log2 + 1, t, a, n - 1);
            self.asm.v3(PAND, t, t, one);
            self.asm.v3(add(log2 + 1), VS, VS, t);
        }
        let signed_result = matches!(inst.op, VSqshrn | VSqrshrn);
        match log2 {
            2 => self.narrow_to_words(d, t, unsigned, signed_result),
            _ if unsigned => {
                let max = self.asm.constant(splat(log2 + 1, (1 << (8 << log2)) - 1));
                self.asm.v3(p38(if log2 == 0 { 0x3a } else { 0x3b }), d, VS, max);
                self.asm.v3(if log2 == 0 { p66(0x67) } else { p38(0x2b) }, d, d, d);
            }
            0 => self.asm.v3(p66(if signed_result { 0x63 } else { 0x67 }), d, VS, VS),
            _ => self.asm.v3(if signed_result { p66(0x6b) } else { p38(0x2b) }, d, VS, VS),
        }
        // What widening the result does not give back has saturated.
        let back = if signed_result { 0x20 } else { 0x30 } + [0, 3, 5][log2 as usize % 3];
        self.asm.v2(p38(back), t, Rm::R(d));
        self.asm.v3(PXOR, VS, VS, t);
        self.note_saturation(wide, VS);
        self.clean(d, arr, 4);
    }

    /// Doublewords in the scratch register to words in the low half of `d`; `t` is scratch.
    fn narrow_to_words(&mut self, d: u8, t: u8, unsigned: bool, signed_result: bool) {
        let low = control(8, |i| i / 4 * 8 + i % 4);
        let high = control(8, |i| i / 4 * 8 + i % 4 + 4);
        if signed_result {
            // The high half must be the low one's sign.
            self.shuffle(d, VS, low);
            self.asm.vshift(0x72, 4, d, d, 31);
            self.shuffle(t, VS, high);
            self.asm.v3(equal(2), d, d, t);
            self.asm.vshift(0x72, 4, t, t, 31);
            let max = self.asm.constant(maximum(2));
            self.asm.v3(PXOR, t, t, max);
            self.words_where(d, t, low);
        } else {
            self.asm.vzero(d);
            self.shuffle(t, VS, high);
            self.asm.v3(equal(2), d, d, t);
            if unsigned {
                self.ones(t);
            } else {
                // Nothing below zero.
                self.asm.vshift(0x72, 4, t, t, 31);
                let ones = self.asm.constant(u128::MAX);
                self.asm.v3(PXOR, t, t, ones);
            }
            self.words_where(d, t, low);
        }
    }

    /// `d` = the scratch register's bytes by `control` where `d` has ones, else `other`.
    fn words_where(&mut self, d: u8, other: u8, control: u128) {
        let t = self.vtemp();
        self.shuffle(t, VS, control);
        self.asm.v3(PXOR, t, t, other);
        self.asm.v3(PAND, d, d, t);
        self.asm.v3(PXOR, d, d, other);
    }
}
