//! Operations on condition flags: compares under a condition, selections, FP compares, moves to and from integers.

use super::asm::{bitmask, op, r};
use super::emit::Emitter;
use super::regs::home_offset;
use super::vec::ftype;
use crate::ir::{Arr, Cond, FpRules, Inst, Op, Type, Value};
use crate::regalloc::Home;

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
            Op::FlagsFrom => {
                let a = match self.imm(inst.args[0]) {
                    Some(c) => {
                        self.asm.mov_imm(r::S0, c & 0xf000_0000);
                        r::S0
                    }
                    None => self.reg(inst.args[0]),
                };
                self.flags_from_reg(a);
            }
            Op::FlagsTo => {
                let d = self.def();
                self.flags_to(d, inst.args[0]);
            }
            Op::Select => self.select(inst),
            Op::SetCond => {
                let c = inst.cond();
                self.need_flags(inst.args[0]);
                let d = self.def();
                match c {
                    Cond::Al | Cond::Nv => self.asm.mov_imm(d, 1),
                    c => self.asm.cset(d, c as u8),
                }
            }
            _ => self.vselect(inst),
        }
    }

    /// NZCV in bits 31..28 of a register, zeros below, wherever the flags are.
    fn flags_to(&mut self, d: u8, v: Value) {
        let root = self.ra.root(v);
        if self.ef.val == root as u16 {
            self.asm.w(op::MRS_NZCV | d as u32);
        } else if self.ra.vals[root].home == Home::None && self.flipped(self.ef.val) == Some(root) {
            self.asm.w(op::MRS_NZCV | d as u32);
            self.asm.rr(op::EORI | bitmask(false, 1 << 29).unwrap_or(0), false, d, d);
        } else {
            let h = self.ra.vals[root].home;
            self.asm.load_cpu(2, d, home_offset(h));
        }
    }

    /// The current instruction's flags are in bits 31..28 of a register (x16 or an operand). Uses x17.
    fn flags_from_reg(&mut self, a: u8) {
        self.clobber_flags();
        self.asm.w(op::MSR_NZCV | a as u32);
        self.flags_are(self.i);
    }

    fn select(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        let cc = inst.cond() as u8;
        let [f, a, b] = inst.args;
        let ones = if w { u64::MAX } else { u32::MAX as u64 };
        let (x, y) = (self.imm(a), self.imm(b));
        self.need_flags(f);
        let always = cc >= 14;
        // The second operand may be made on the way: 1 or -1; or the first, under the opposite condition.
        for (other, made, cc) in [(a, y, cc), (b, x, cc ^ 1)] {
            let form = match made {
                Some(1) => op::CSINC,
                Some(c) if c == ones => op::CSINV,
                _ => continue,
            };
            if !always {
                let n = self.rz(other);
                let d = self.def();
                return self.asm.csel(form, w, d, n, r::ZR, cc);
            }
        }
        let (a, b) = (self.rz(a), self.rz(b));
        let d = self.def();
        self.asm.csel(op::CSEL, w, d, a, b, cc);
    }

    fn ccmp(&mut self, inst: &Inst) {
        let [f, a, b] = inst.args;
        let w = self.b.ty(a) == Type::I64;
        let mut op = if inst.op == Op::Ccmp { op::CCMP } else { op::CCMN };
        let first = self.rz(a);
        let second = match self.imm(b) {
            Some(c) if c < 32 => {
                op |= op::CCMP_IMM;
                c as u8
            }
            Some(c) if (if w { c.wrapping_neg() } else { (c as u32).wrapping_neg() as u64 }) < 32 => {
                op = op ^ op::CCMP ^ op::CCMN | op::CCMP_IMM;
                c.wrapping_neg() as u8 & 31
            }
            _ => self.rz(b),
        };
        self.need_flags(f);
        self.clobber_flags();
        self.asm.rrr(op | (inst.cond() as u32) << 12, w, inst.imm as u8 & 15, first, second);
        self.flags_are(self.i);
    }

    /// Whether the scalar FP compare of lanes of this size is an instruction here.
    fn compares(&self, log2: u8) -> bool {
        !self.soft_fp() && log2 >= 1 && (log2 > 1 || self.feat.fp16)
    }

    fn fcmp(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        if !self.compares(log2) {
            return self.fallback(inst);
        }
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        self.clobber_flags();
        self.asm.v3(0x1e20_2000 | ftype(log2) | ((inst.op == Op::Fcmpe) as u32) << 4, 0, a, b);
        self.flags_are(self.i);
    }

    fn fccmp(&mut self, inst: &Inst) {
        let log2 = Arr((inst.imm >> 8) as u8).log2();
        if !self.compares(log2) {
            return self.fallback(inst);
        }
        let (a, b) = (self.reg(inst.args[1]), self.reg(inst.args[2]));
        self.need_flags(inst.args[0]);
        self.clobber_flags();
        let word = 0x1e20_0400 | ftype(log2) | (inst.cond() as u32) << 12 | ((inst.op == Op::Fccmpe) as u32) << 4;
        self.asm.v3(word, inst.imm as u8 & 15, a, b);
        self.flags_are(self.i);
    }

    fn sel_flags(&mut self, inst: &Inst) {
        let [f, a, b] = inst.args;
        let (x, y) = (self.temp(), self.temp());
        self.flags_to(x, a);
        self.flags_to(y, b);
        self.need_flags(f);
        self.asm.csel(op::CSEL, false, x, x, y, inst.cond() as u8);
        self.flags_from_reg(x);
    }

    fn cflip(&mut self, inst: &Inst) {
        if self.feat.flagm {
            self.need_flags(inst.args[0]);
            return self.flip_flags(self.i);
        }
        self.flags_to(r::S0, inst.args[0]);
        let imm = bitmask(false, 1 << 29).unwrap_or(0);
        self.asm.rr(op::EORI | imm, false, r::S0, r::S0);
        self.flags_from_reg(r::S0);
    }

    fn axflag(&mut self, inst: &Inst) {
        if self.feat.flagm2 {
            self.need_flags(inst.args[0]);
            self.clobber_flags();
            self.asm.w(0xd500_405f);
            return self.flags_are(self.i);
        }
        let t = self.temp();
        self.flags_to(t, inst.args[0]);
        self.clobber_flags();
        // C without V (it is the bit above it), and Z or V (two above).
        self.asm.rrr_shift(op::BIC, false, r::S0, t, t, (0, 1));
        self.asm.rrr_shift(op::ORR, false, t, t, t, (0, 2));
        let mask = |m| bitmask(false, m).unwrap_or(0);
        self.asm.rr(op::ANDI | mask(1 << 29), false, r::S0, r::S0);
        self.asm.rr(op::ANDI | mask(1 << 30), false, t, t);
        self.asm.rrr(op::ORR, false, r::S0, r::S0, t);
        self.asm.w(op::MSR_NZCV | r::S0 as u32);
        self.flags_are(self.i);
    }

    fn flags_insert(&mut self, inst: &Inst) {
        let (mask, shift) = (inst.imm as u32 & 15, (inst.imm >> 8) as u8);
        let b = self.rz(inst.args[1]);
        if self.feat.flagm {
            self.need_flags(inst.args[0]);
            self.clobber_flags();
            // rmif
            self.asm.w(0xba00_0400 | (shift as u32) << 15 | (b as u32) << 5 | mask);
            return self.flags_are(self.i);
        }
        let (t, wide) = (self.temp(), self.b.ty(inst.args[1]) == Type::I64);
        self.flags_to(t, inst.args[0]);
        // The new bits to bits 31..28, in pieces of those that are next to each other.
        self.asm.lsr(wide, r::S0, b, shift);
        let mut left = mask;
        while left != 0 {
            let pos = left.trailing_zeros() as u8;
            let len = (left >> pos).trailing_ones() as u8;
            self.asm.lsr(false, r::S1, r::S0, pos);
            self.asm.bfm(op::BFM, false, t, r::S1, (32 - 28 - pos) & 31, len - 1);
            left &= left + (1 << pos);
        }
        self.flags_from_reg(t);
    }

    fn vselect(&mut self, inst: &Inst) {
        let [f, x, y] = inst.args;
        let (a, b) = (self.reg(x), self.reg(y));
        self.need_flags(f);
        let cc = inst.cond() as u32;
        let d = self.def();
        if self.b.width(x).max(self.b.width(y)) <= 3 {
            // fcsel of doubles
            return self.asm.v3(0x1e60_0c00 | cc << 12, d, a, b);
        }
        if cc >= 14 {
            return self.asm.vmov(d, a);
        }
        let (first, second, skip) = if d == b { (b, a, cc ^ 1) } else { (a, b, cc) };
        self.asm.vmov(d, first);
        let over = self.asm.branch(op::BCOND | skip);
        self.asm.vmov(d, second);
        self.asm.bind(over);
    }

    /// Whether the block's FP operations follow x86's rules.
    pub fn x86_rules(&self) -> bool {
        self.b.fp == FpRules::X86
    }
}
