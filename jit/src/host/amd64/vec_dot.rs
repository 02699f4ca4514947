//! Dot products of bytes and products of small byte matrices, on VNNI where the CPU has it.
//!
//! VNNI multiplies unsigned by signed bytes. Of two signed factors one is taken plus 128, of two unsigned ones less 128 (the sign bit
//! flipped, either way), and 128 times the sum of the others makes up for it.

use super::asm::{p38, p66, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::splat;
use crate::ir::{Dot, Inst};

const PXOR: Enc = p66(0xef);
const PADDD: Enc = p66(0xfe);
const PMADDWD: Enc = p66(0xf5);
const PSHUFD: Enc = p66(0x70);

impl Emitter<'_> {
    /// Emit `vdot` directly, if there is a way.
    pub fn vdot(&mut self, inst: &Inst) -> bool {
        if inst.imm & Dot::Bf as u64 != 0 {
            return false;
        }
        let (n, m) = (self.reg(inst.args[1]), self.reg(inst.args[2]));
        let t = self.vtemp();
        // Its place may be the result's.
        let sum = self.place(inst.args[0]);
        let d = self.def_early();
        self.asm.vmov(d, sum);
        let unsigned = [inst.imm & 1 != 0, inst.imm & 2 != 0];
        // Of a matrix product, word k is row k / 2 of n by row k % 2 of m: first the lower, then the upper halves of the rows.
        let parts: &[[u8; 2]] = if inst.imm & Dot::Matrix as u64 != 0 { &[[0xa0, 0x88], [0xf5, 0xdd]] } else { &[[0xe4, 0xe4]] };
        for &[of_n, of_m] in parts {
            if self.feat.vnni {
                self.dot_vnni(d, (n, of_n), (m, of_m), unsigned, t);
            } else {
                self.dot_words(d, (n, of_n), (m, of_m), unsigned, t);
            }
        }
        self.clean(d, inst.arr(), 4);
        true
    }

    /// `d` = the words of a register in a given order.
    fn take(&mut self, d: u8, (s, order): (u8, u8)) {
        if order == 0xe4 {
            self.asm.vmov(d, s);
        } else {
            self.asm.v2i(PSHUFD, d, Rm::R(s), order);
        }
    }

    /// vpdpbusd: `d` += unsigned bytes of `u` times signed bytes of `s`.
    fn dpbusd(&mut self, d: u8, u: u8, s: u8) {
        if self.feat.avx512 {
            self.asm.evex(p38(0x50), d, u, Rm::R(s), None);
        } else {
            self.asm.vex(p38(0x50), d, u, Rm::R(s), None);
        }
    }

    /// `d` += `n` · `m`; `t` and the scratch register are changed.
    fn dot_vnni(&mut self, d: u8, n: (u8, u8), m: (u8, u8), unsigned: [bool; 2], t: u8) {
        let flip = self.asm.constant(splat(0, 0x80));
        self.take(VS, n);
        self.take(t, m);
        match unsigned {
            [true, false] => self.dpbusd(d, VS, t),
            [false, true] => self.dpbusd(d, t, VS),
            [false, false] => {
                // (n + 128) · m - 128 · m; what is subtracted is added to the complement.
                self.asm.v3(PXOR, VS, VS, flip);
                self.dpbusd(d, VS, t);
                self.ones(VS);
                self.asm.v3(PXOR, d, d, VS);
                self.asm.vmov(VS, flip);
                self.dpbusd(d, VS, t);
                self.ones(VS);
                self.asm.v3(PXOR, d, d, VS);
            }
            [true, true] => {
                // n · (m - 128) + 64 · n + 64 · n.
                let half = self.asm.constant(splat(0, 0x40));
                self.asm.v3(PXOR, t, t, flip);
                self.dpbusd(d, VS, t);
                self.asm.vmov(t, half);
                self.dpbusd(d, VS, t);
                self.dpbusd(d, VS, t);
            }
        }
    }

    /// The same by products of words: even bytes, then odd ones.
    fn dot_words(&mut self, d: u8, n: (u8, u8), m: (u8, u8), unsigned: [bool; 2], t: u8) {
        for odd in [false, true] {
            for (s, unsigned, to) in [(n, unsigned[0], VS), (m, unsigned[1], t)] {
                self.take(to, s);
                if !odd {
                    self.asm.vshift(0x71, 6, to, to, 8);
                }
                self.asm.vshift(0x71, if unsigned { 2 } else { 4 }, to, to, 8);
            }
            self.asm.v3(PMADDWD, VS, VS, t);
            self.asm.v3(PADDD, d, d, VS);
        }
    }
}
