//! SM3: rounds in general registers, the message schedule in lanes.

use super::asm::{p3a, p66, r, Alu, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use crate::ir::{Crypto, Inst, Value};

const PXOR: Enc = p66(0xef);
const POR: Enc = p66(0xeb);
const PADDD: Enc = p66(0xfe);
const PSHUFD: Enc = p66(0x70);
const PSHIFT: u8 = 0x72;
/// Group number.
const ROL: u8 = 0;

impl Emitter<'_> {
    /// Emit an SM3 operation.
    pub fn sm3(&mut self, inst: &Inst, what: Crypto) {
        match what {
            Crypto::Sm3ss1 => {
                let (t, _) = self.sm3_begin(inst.args[0]);
                self.rotate_words(VS, VS, t, 12);
                self.combine(PADDD, inst.args[1]);
                self.combine(PADDD, inst.args[2]);
                self.rotate_words(VS, VS, t, 7);
                // Only the last word.
                self.asm.vshift(0x73, 3, VS, VS, 12);
                self.asm.vshift(0x73, 7, VS, VS, 12);
                self.sm3_end();
            }
            Crypto::Sm3partw1 => {
                let (t, u) = self.sm3_begin(inst.args[2]);
                self.asm.vshift(0x73, 3, VS, VS, 4);
                self.rotate_words(VS, VS, t, 15);
                self.combine(PXOR, inst.args[0]);
                self.combine(PXOR, inst.args[1]);
                self.rotate_words(u, VS, t, 15);
                self.rotated_again(u, t);
                self.last_from_first(u, t);
                self.sm3_end();
            }
            Crypto::Sm3partw2 => {
                let (t, u) = self.sm3_begin(inst.args[2]);
                self.rotate_words(VS, VS, t, 7);
                self.combine(PXOR, inst.args[1]);
                self.last_from_first(u, t);
                self.combine(PXOR, inst.args[0]);
                self.sm3_end();
            }
            _ => self.sm3_round(inst, what),
        }
    }

    /// `d` = words of `s` rotated left. `t` is scratch; `d` may be `s`.
    fn rotate_words(&mut self, d: u8, s: u8, t: u8, n: u8) {
        self.asm.vshift(PSHIFT, 2, t, s, 32 - n);
        self.asm.vshift(PSHIFT, 6, d, s, n);
        self.asm.v3(POR, d, d, t);
    }

    /// `v` in the scratch register, and two others. From here on operands are taken from where they are.
    fn sm3_begin(&mut self, v: Value) -> (u8, u8) {
        let scratch = (self.vtemp(), self.vtemp());
        let v = self.place(v);
        self.asm.vmov(VS, v);
        scratch
    }

    /// The scratch register and `v` combined.
    fn combine(&mut self, e: Enc, v: Value) {
        let v = self.place(v);
        self.asm.v3(e, VS, VS, v);
    }

    /// The scratch register is the result.
    fn sm3_end(&mut self) {
        let d = self.def();
        self.asm.vmov(d, VS);
    }

    /// The scratch register exclusive-or-ed with `u`, and with `u` rotated by 8 more. `t` is scratch.
    fn rotated_again(&mut self, u: u8, t: u8) {
        self.asm.v3(PXOR, VS, VS, u);
        self.rotate_words(u, u, t, 8);
        self.asm.v3(PXOR, VS, VS, u);
    }

    /// What the first word of the scratch register adds to the last one: rotated by 15, and that again by 15 and by 23.
    fn last_from_first(&mut self, u: u8, t: u8) {
        self.asm.vshift(0x73, 7, u, VS, 12);
        self.rotate_words(u, u, t, 15);
        self.asm.v3(PXOR, VS, VS, u);
        self.rotate_words(u, u, t, 15);
        self.rotated_again(u, t);
    }

    /// A word of a vector register.
    fn word(&mut self, d: u8, s: u8, n: u8) {
        self.asm.v2i(p3a(0x16), s, Rm::R(d), n);
    }

    /// One of SM3TT1A, TT1B, TT2A, TT2B.
    fn sm3_round(&mut self, inst: &Inst, what: Crypto) {
        self.clobber_flags();
        let [d0, n, m] = inst.args.map(|v| self.reg(v));
        let (y, z, sum) = (self.temp(), self.temp(), self.temp());
        let asm = |e: &mut Self, op, d, s| e.asm.alu(op, false, d, s);
        for (d, k) in [(r::AX, 3), (y, 2), (z, 1)] {
            self.word(d, d0, k);
        }
        self.asm.mov_rr(false, sum, r::AX);
        let first = matches!(what, Crypto::Sm3tt1a | Crypto::Sm3tt1b);
        match what {
            Crypto::Sm3tt1a | Crypto::Sm3tt2a => {
                asm(self, Alu::Xor, sum, y);
                asm(self, Alu::Xor, sum, z);
            }
            Crypto::Sm3tt1b => {
                // Where y and z agree the majority is z, else it is the third.
                asm(self, Alu::Xor, y, z);
                asm(self, Alu::Xor, sum, z);
                asm(self, Alu::And, sum, y);
                asm(self, Alu::Xor, sum, z);
            }
            _ => {
                asm(self, Alu::Xor, y, z);
                asm(self, Alu::And, sum, y);
                asm(self, Alu::Xor, sum, z);
            }
        }
        self.word(z, n, 3);
        if first {
            self.asm.shift_imm(ROL, false, r::AX, 12);
            asm(self, Alu::Xor, z, r::AX);
        }
        asm(self, Alu::Add, sum, z);
        for (s, k) in [(d0, 0), (m, (inst.imm >> 8) as u8 & 3)] {
            self.word(z, s, k);
            asm(self, Alu::Add, sum, z);
        }
        if !first {
            self.asm.mov_rr(false, z, sum);
            self.asm.shift_imm(ROL, false, z, 8);
            asm(self, Alu::Xor, z, sum);
            self.asm.shift_imm(ROL, false, z, 9);
            asm(self, Alu::Xor, sum, z);
        }
        self.word(y, d0, 2);
        self.asm.shift_imm(ROL, false, y, if first { 9 } else { 19 });
        self.asm.v2i(PSHUFD, VS, Rm::R(d0), 0x39);
        self.asm.v3i_gpr(p3a(0x22), VS, VS, Rm::R(y), 1);
        self.asm.v3i_gpr(p3a(0x22), VS, VS, Rm::R(sum), 3);
        let d = self.def();
        self.asm.vmov(d, VS);
    }
}
