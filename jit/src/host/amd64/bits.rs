//! Integer operations on bits: counts, reversals, CRC-32.

use super::asm::{cc, enc, encw, p3a, r, sh, Addr, Alu, Rm};
use super::emit::Emitter;
use super::regs::VS;
use crate::ir::{Inst, Op, Type};

impl Emitter<'_> {
    /// Dispatch.
    pub fn bits(&mut self, inst: &Inst) {
        let w = inst.ty == Type::I64;
        match inst.op {
            Op::Clz => {
                self.clobber_flags();
                let a = self.rm(inst.args[0]);
                self.clz(w, a);
            }
            Op::Cls => {
                // Where a bit differs from the one below, the run of sign bits ends; the lowest bit stops it at the latest.
                self.clobber_flags();
                let a = self.reg(inst.args[0]);
                self.asm.lea(w, r::AX, Addr { base: a, index: a, scale: 0, disp: 0 });
                self.asm.alu(Alu::Xor, w, r::AX, a);
                self.asm.alu_imm(Alu::Or, w, r::AX, 1);
                self.clz(w, Rm::R(r::AX));
            }
            Op::Rev => self.rev(inst, w),
            _ => self.rbit(inst, w),
        }
    }

    fn clz(&mut self, w: bool, a: Rm) {
        if self.feat.lzcnt {
            let d = self.def();
            return self.asm.op(enc(2, 1, 0xbd), w, d, a, 0, false);
        }
        let top = if w { 63 } else { 31 };
        self.asm.op0f(0xbd, w, r::AX, a);
        let some = self.asm.jcc_short(cc::NE);
        self.asm.mov_imm(r::AX, 2 * top + 1);
        self.asm.bind(some);
        self.asm.alu_imm(Alu::Xor, false, r::AX, top as i32);
        let d = self.def();
        self.asm.mov_rr(false, d, r::AX);
    }

    fn rev(&mut self, inst: &Inst, w: bool) {
        let a = self.opnd(inst.args[0]);
        if inst.imm == 8 || (inst.imm == 4 && !w) {
            let d = self.def();
            self.copy_to(w, d, a);
            return self.asm.bswap(w, d);
        }
        self.clobber_flags();
        if inst.imm == 2 && w {
            self.mov_opnd(w, r::AX, a);
            let d = self.def();
            let m = self.temp();
            self.asm.mov_imm(m, 0x00ff_00ff_00ff_00ff);
            self.swap_step(8, d, m);
            return self.asm.mov_rr(true, d, r::AX);
        }
        let d = self.def();
        self.copy_to(w, d, a);
        self.asm.bswap(w, d);
        self.asm.shift_imm(sh::ROR, w, d, if w { 32 } else { 16 });
    }

    /// Swap neighbouring fields of `n` bits in rax; `m` holds the mask of the lower ones, `t` is scratch.
    fn swap_step(&mut self, n: u8, t: u8, m: u8) {
        self.asm.mov_rr(true, t, r::AX);
        self.asm.shift_imm(sh::SHR, true, t, n);
        self.asm.alu(Alu::And, true, t, m);
        self.asm.alu(Alu::And, true, r::AX, m);
        self.asm.shift_imm(sh::SHL, true, r::AX, n);
        self.asm.alu(Alu::Or, true, r::AX, t);
    }

    fn rbit(&mut self, inst: &Inst, w: bool) {
        self.clobber_flags();
        let a = self.opnd(inst.args[0]);
        self.mov_opnd(w, r::AX, a);
        self.asm.bswap(w, r::AX);
        if self.feat.gfni {
            let matrix = self.asm.constant(0x8040_2010_0804_0201_8040_2010_0804_0201);
            let to = super::asm::Enc { pp: 1, map: 1, op: 0x6e, w: true };
            self.asm.v2(to, VS, Rm::R(r::AX));
            self.asm.v3i(super::asm::Enc { pp: 1, map: 3, op: 0xce, w: self.asm.avx }, VS, VS, matrix, 0);
            let from = super::asm::Enc { pp: 1, map: 1, op: 0x7e, w };
            let d = self.def();
            return self.asm.v2(from, VS, Rm::R(d));
        }
        let d = self.def();
        let m = self.temp();
        for (n, mask) in [(4, 0x0f0f_0f0f_0f0f_0f0f), (2, 0x3333_3333_3333_3333), (1, 0x5555_5555_5555_5555)] {
            self.asm.mov_imm(m, mask);
            self.swap_step(n, d, m);
        }
        self.asm.mov_rr(w, d, r::AX);
    }

    /// CRC-32.
    pub fn crc32(&mut self, inst: &Inst) {
        if inst.imm == 0 {
            return if self.feat.pclmul { self.crc32_by_product(inst) } else { self.fallback(inst) };
        }
        let a = self.opnd(inst.args[0]);
        let b = self.reg(inst.args[1]);
        self.mov_opnd(false, r::AX, a);
        if inst.aux == 1 {
            self.asm.u8(0x66);
        }
        let e = enc(3, 2, if inst.aux == 0 { 0xf0 } else { 0xf1 });
        self.asm.op(e, inst.aux == 3, r::AX, Rm::R(b), 0, inst.aux == 0 && b >= 4);
        let d = self.def();
        self.asm.mov_rr(false, d, r::AX);
    }

    /// The polynomial that x86 has no instruction for, by Barrett's reduction in reflected bit order: the quotient by a product with
    /// x^96 / P (its low half: the high coefficients), the remainder by one with P (above the low half).
    fn crc32_by_product(&mut self, inst: &Inst) {
        const QUOTIENT: u64 = 0xb4e5_b025_f701_1641;
        const POLYNOMIAL: u64 = 0x0001_db71_0641;
        self.clobber_flags();
        let bits = 8u8 << (inst.aux & 3);
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let factors = self.asm.constant(QUOTIENT as u128 | (POLYNOMIAL as u128) << 64);
        self.asm.mov_rr(false, r::AX, a);
        self.asm.alu(Alu::Xor, true, r::AX, b);
        if bits < 64 {
            self.asm.shift_imm(sh::SHL, true, r::AX, 64 - bits);
        }
        self.asm.v2(encw(1, 1, 0x6e), VS, Rm::R(r::AX));
        self.asm.v3i(p3a(0x44), VS, VS, factors, 0x00);
        self.asm.v3i(p3a(0x44), VS, VS, factors, 0x10);
        self.asm.v2i(p3a(0x16), VS, Rm::R(r::AX), 2);
        if bits < 32 {
            // The accumulator's bits above the data move down.
            let t = self.temp();
            self.asm.mov_rr(false, t, a);
            self.asm.shift_imm(sh::SHR, false, t, bits);
            self.asm.alu(Alu::Xor, false, r::AX, t);
        }
        self.ra.operands_done();
        let d = self.def();
        self.asm.mov_rr(false, d, r::AX);
    }
}
