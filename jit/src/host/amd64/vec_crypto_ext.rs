//! SHA-512 and SHA-3's building blocks. Few CPUs have SHA-512 instructions: its rounds are done in general registers, its schedule in lanes.

use super::asm::{encw, p3a, p66, r, sh, Alu, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use crate::ir::{Crypto, Inst};

const PANDN: Enc = p66(0xdf);
const PXOR: Enc = p66(0xef);
const POR: Enc = p66(0xeb);
const PADDQ: Enc = p66(0xd4);
const PALIGNR: Enc = p3a(0x0f);

/// Rotations right that are combined, as differences from one to the next: `ror(ror(ror(x, c) ^ x, b) ^ x, a)` is
/// `ror(x, a) ^ ror(x, a + b) ^ ror(x, a + b + c)`.
type Sum = [u8; 3];

impl Emitter<'_> {
    /// Emit a `crypto` operation directly, if there is a way.
    pub fn crypto_ext(&mut self, inst: &Inst) -> bool {
        let n = (inst.imm >> 8) as u8;
        match Crypto::from_bits(inst.imm) {
            Crypto::Eor3 if self.feat.avx512 => _ = self.ternary(inst.args, |a, b, c| a ^ b ^ c),
            Crypto::Bcax if self.feat.avx512 => _ = self.ternary(inst.args, |a, b, c| a ^ b & !c),
            Crypto::Eor3 => {
                let [a, b] = [0, 1].map(|k| self.reg(inst.args[k]));
                self.asm.v3(PXOR, VS, a, b);
                let c = self.rm(inst.args[2]);
                self.asm.v3(PXOR, VS, VS, c);
                self.done()
            }
            Crypto::Bcax => {
                let c = self.reg(inst.args[2]);
                let b = self.rm(inst.args[1]);
                self.asm.v3(PANDN, VS, c, b);
                let a = self.rm(inst.args[0]);
                self.asm.v3(PXOR, VS, VS, a);
                self.done()
            }
            Crypto::Xar => {
                let a = self.reg(inst.args[0]);
                let b = self.rm(inst.args[1]);
                self.asm.v3(PXOR, VS, a, b);
                if n != 0 {
                    self.rotate_right(n);
                }
                self.done()
            }
            Crypto::Rax1 => {
                let b = self.reg(inst.args[1]);
                let a = self.rm(inst.args[0]);
                let d = self.def_early();
                self.asm.v3(PADDQ, d, b, b);
                self.asm.vshift(0x73, 2, VS, b, 63);
                self.asm.v3(POR, d, d, VS);
                self.asm.v3(PXOR, d, d, a);
            }
            Crypto::Sha512su0 => {
                let [a, b] = [0, 1].map(|k| self.reg(inst.args[k]));
                let (x, t) = (self.vtemp(), self.vtemp());
                self.v3ix(PALIGNR, x, b, a, 8);
                self.sigma(x, t, [1, 8], 7);
                self.asm.v3(PADDQ, VS, VS, a);
                self.done()
            }
            Crypto::Sha512su1 => {
                let b = self.reg(inst.args[1]);
                let t = self.vtemp();
                self.sigma(b, t, [19, 61], 6);
                let a = self.rm(inst.args[0]);
                self.asm.v3(PADDQ, VS, VS, a);
                let c = self.rm(inst.args[2]);
                self.asm.v3(PADDQ, VS, VS, c);
                self.done()
            }
            Crypto::Sha512h => self.sha512h(inst),
            Crypto::Sha512h2 => self.sha512h2(inst),
            Crypto::Sm4e | Crypto::Sm4ekey => return false,
            what => self.sm3(inst, what),
        }
        true
    }

    /// The result is in the scratch register.
    fn done(&mut self) {
        self.ra.operands_done();
        let d = self.def();
        self.asm.vmov(d, VS);
    }

    /// The scratch register's lanes of 64 bits rotated right by 1..=63.
    fn rotate_right(&mut self, n: u8) {
        if self.feat.avx512 {
            // vprorq: the destination is the extra operand, 0 the group number.
            return self.asm.evex(encw(1, 1, 0x72), 0, VS, Rm::R(VS), Some(n));
        }
        let t = self.vtemp();
        self.asm.vshift(0x73, 2, t, VS, n);
        self.asm.vshift(0x73, 6, VS, VS, 64 - n);
        self.asm.v3(POR, VS, VS, t);
    }

    /// The scratch register = x rotated right by two amounts and shifted right, exclusive-or-ed. `t` is scratch.
    fn sigma(&mut self, x: u8, t: u8, rotate: [u8; 2], shift: u8) {
        self.asm.vshift(0x73, 2, VS, x, shift);
        for n in rotate {
            self.asm.vshift(0x73, 2, t, x, n);
            self.asm.v3(PXOR, VS, VS, t);
            self.asm.vshift(0x73, 6, t, x, 64 - n);
            self.asm.v3(PXOR, VS, VS, t);
        }
    }

    // --- rounds --------------------------------------------------------------------------------------
    /// A doubleword of a vector register.
    fn lane(&mut self, d: u8, s: u8, high: bool) {
        if high {
            self.asm.v2i(encw(1, 3, 0x16), s, Rm::R(d), 1);
        } else {
            self.asm.v2(encw(1, 1, 0x7e), s, Rm::R(d));
        }
    }

    /// `d` = the sum of rotations of `s`, another register.
    fn rotations(&mut self, d: u8, s: u8, [a, b, c]: Sum) {
        self.asm.mov_rr(true, d, s);
        self.asm.shift_imm(sh::ROR, true, d, c);
        self.asm.alu(Alu::Xor, true, d, s);
        self.asm.shift_imm(sh::ROR, true, d, b);
        self.asm.alu(Alu::Xor, true, d, s);
        self.asm.shift_imm(sh::ROR, true, d, a);
    }

    /// `d` = a choice by `mask` between `d` and `other`: where the mask is clear, `other`.
    fn choose(&mut self, d: u8, mask: u8, other: u8) {
        self.asm.alu(Alu::Xor, true, d, other);
        self.asm.alu(Alu::And, true, d, mask);
        self.asm.alu(Alu::Xor, true, d, other);
    }

    /// rax and `low` as the result.
    fn pair_result(&mut self, low: u8) {
        self.ra.operands_done();
        let d = self.def();
        self.asm.v2(encw(1, 1, 0x6e), d, Rm::R(low));
        self.asm.v3i_gpr(encw(1, 3, 0x22), d, d, Rm::R(r::AX), 1);
    }

    fn sha512h(&mut self, inst: &Inst) {
        const SUM: Sum = [14, 4, 23];
        self.clobber_flags();
        let [d, x, y] = inst.args.map(|v| self.reg(v));
        let (e, f, t) = (self.temp(), self.temp(), self.temp());
        self.lane(e, y, true);
        self.lane(f, x, false);
        self.lane(t, x, true);
        self.asm.mov_rr(true, r::AX, f);
        self.choose(r::AX, e, t);
        self.rotations(t, e, SUM);
        self.asm.alu(Alu::Add, true, r::AX, t);
        self.lane(t, d, true);
        self.asm.alu(Alu::Add, true, r::AX, t);
        // The second round, in which e is what was f, and the new e is in t.
        self.lane(t, y, false);
        self.asm.alu(Alu::Add, true, t, r::AX);
        self.choose(e, t, f);
        self.rotations(f, t, SUM);
        self.asm.alu(Alu::Add, true, e, f);
        self.lane(t, d, false);
        self.asm.alu(Alu::Add, true, e, t);
        self.pair_result(e);
    }

    fn sha512h2(&mut self, inst: &Inst) {
        const SUM: Sum = [28, 6, 5];
        self.clobber_flags();
        let [d, x, y] = inst.args.map(|v| self.reg(v));
        let (a, b, t) = (self.temp(), self.temp(), self.temp());
        self.lane(a, y, false);
        self.lane(b, y, true);
        self.rotations(r::AX, a, SUM);
        self.lane(t, d, true);
        self.asm.alu(Alu::Add, true, r::AX, t);
        // Where a and b agree the majority is b, else it is the third.
        self.asm.alu(Alu::Xor, true, a, b);
        self.lane(t, x, false);
        self.choose(t, a, b);
        self.asm.alu(Alu::Add, true, r::AX, t);
        self.asm.mov_rr(true, t, r::AX);
        self.choose(t, a, b);
        self.rotations(a, r::AX, SUM);
        self.asm.alu(Alu::Add, true, t, a);
        self.lane(a, d, false);
        self.asm.alu(Alu::Add, true, t, a);
        self.pair_result(t);
    }
}
