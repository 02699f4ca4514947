//! AES on AES-NI, SHA-1 and SHA-256 on SHA-NI.
//!
//! The two architectures cut SHA-256's state differently: Arm abcd and efgh, x86 abef and cdgh (words in falling order). Both take
//! the message words with the round constants added. SHA-1's words are in opposite orders, and x86 adds the round constant itself.

use super::asm::{enc, p38, p3a, p66, Enc, Rm};
use super::emit::Emitter;
use super::regs::{home_addr, VS};
use super::vec::splat;
use crate::ir::{Arr, Inst, Op, Value};
use crate::regalloc;

const PADDD: Enc = p66(0xfe);
const PXOR: Enc = p66(0xef);
const PSHUFD: Enc = p66(0x70);
const SHUFPS: Enc = enc(0, 1, 0xc6);
const SHA1MSG2: Enc = enc(0, 2, 0xca);
const SHA256RNDS2: Enc = enc(0, 2, 0xcb);
const SHA256MSG1: Enc = enc(0, 2, 0xcc);
const SHA256MSG2: Enc = enc(0, 2, 0xcd);
const SHA1RNDS4: Enc = enc(0, 3, 0xcc);
/// The register that sha256rnds2 takes its message words from.
const WORDS: u8 = 0;
/// How far apart (in IR) the two halves of a SHA-256 step are looked for.
const PAIR: usize = 8;

impl Emitter<'_> {
    /// Emit a cryptographic operation directly, if there is a way.
    pub fn crypto(&mut self, inst: &Inst) -> bool {
        use Op::*;
        match inst.op {
            Aese | Aesd if self.feat.aes => self.aes_round(inst),
            Aesmc | Aesimc if self.feat.aes => self.aes_mix(inst),
            Sha1h => {
                let a = self.reg(inst.args[0]);
                let d = self.def_early();
                self.asm.vshift(0x72, 6, VS, a, 30);
                self.asm.vshift(0x72, 2, d, a, 2);
                self.asm.v3(p66(0xeb), d, d, VS);
                let known = self.known(inst.args[0]);
                self.clean(d, Arr::S, known);
            }
            Sha1su0 => {
                let a = self.reg(inst.args[0]);
                let b = self.reg(inst.args[1]);
                let c = self.rm(inst.args[2]);
                self.asm.v3i(p3a(0x0f), VS, b, a, 8);
                self.asm.v3(PXOR, VS, VS, a);
                self.asm.v3(PXOR, VS, VS, c);
                let d = self.def();
                self.asm.vmov(d, VS);
            }
            _ if !self.feat.sha => return false,
            Sha1c | Sha1p | Sha1m => self.sha1(inst),
            Sha1su1 => {
                let a = self.rm(inst.args[0]);
                let b = self.rm(inst.args[1]);
                self.asm.v2i(PSHUFD, VS, a, 0x1b);
                let t = self.vtemp();
                self.asm.v2i(PSHUFD, t, b, 0x1b);
                self.sha(SHA1MSG2, VS, t);
                let d = self.def();
                self.asm.v2i(PSHUFD, d, VS, 0x1b);
            }
            Sha256h | Sha256h2 => self.sha256(inst),
            Sha256su0 => {
                let b = self.rm(inst.args[1]);
                let a = self.rm(inst.args[0]);
                self.asm.vmov(VS, a);
                self.sha(SHA256MSG1, VS, b);
                let d = self.def();
                self.asm.vmov(d, VS);
            }
            Sha256su1 => {
                let n = self.rm(inst.args[1]);
                let m = self.reg(inst.args[2]);
                let a = self.rm(inst.args[0]);
                self.asm.v3i(p3a(0x0f), VS, m, n, 4);
                self.asm.v3(PADDD, VS, VS, a);
                self.sha(SHA256MSG2, VS, m);
                let d = self.def();
                self.asm.vmov(d, VS);
            }
            _ => return false,
        }
        true
    }

    /// SHA instructions have no VEX form. (The upper halves of the ymm registers are clean: mixing costs nothing.)
    fn sha(&mut self, e: Enc, d: u8, s: impl Into<Rm>) {
        self.asm.legacy(e, d, s.into(), None);
    }

    /// Where `v` is now. It can change with the next register that is asked for.
    pub fn place(&self, v: Value) -> Rm {
        match self.ra.peek(v) {
            Some(n) => Rm::R(n),
            None => Rm::M(home_addr(self.ra.home(v))),
        }
    }

    // --- SHA -----------------------------------------------------------------------------------------
    /// Four rounds of SHA-1.
    fn sha1(&mut self, inst: &Inst) {
        let [x, e, w] = inst.args;
        // x86's function and constant for it.
        let (f, k) = match inst.op {
            Op::Sha1c => (0, 0x5a82_7999u32),
            Op::Sha1p => (1, 0x6ed9_eba1),
            _ => (2, 0x8f1b_bcdc),
        };
        let less = self.asm.constant(splat(2, k.wrapping_neg() as u64));
        let t = self.low_copy(e, Arr::S);
        let w = self.place(w);
        self.asm.v3(PADDD, t, t, w);
        self.asm.v3(PADDD, t, t, less);
        self.asm.v2i(PSHUFD, t, t, 0x1b);
        let x = self.place(x);
        self.asm.v2i(PSHUFD, VS, x, 0x1b);
        self.asm.legacy(SHA1RNDS4, VS, Rm::R(t), Some(f));
        let d = self.def();
        self.asm.v2i(PSHUFD, d, VS, 0x1b);
    }

    /// Four rounds of SHA-256. Each of the two instructions of a step computes the whole new state and keeps half of it: the first
    /// of a pair leaves the second's result, too.
    fn sha256(&mut self, inst: &Inst) {
        if self.ra.made(self.i) {
            return;
        }
        let first = inst.op == Op::Sha256h;
        let [x, y] = if first { [inst.args[0], inst.args[1]] } else { [inst.args[1], inst.args[0]] };
        let twin = self.sha256_twin(inst);
        let (abef, cdgh) = (self.vtemp(), self.vtemp());
        let (x, y, w) = (self.place(x), self.place(y), self.place(inst.args[2]));
        let y = match y {
            Rm::R(n) => n,
            m => {
                self.asm.vmov(cdgh, m);
                cdgh
            }
        };
        self.asm.v3i(SHUFPS, abef, y, x, 0x11);
        self.asm.v3i(SHUFPS, cdgh, y, x, 0xbb);
        self.asm.vmov(VS, WORDS);
        self.asm.vmov(WORDS, w);
        self.sha(SHA256RNDS2, cdgh, abef);
        self.asm.v2i(PSHUFD, WORDS, if w == Rm::R(WORDS) { Rm::R(VS) } else { w }, 0xee);
        self.sha(SHA256RNDS2, abef, cdgh);
        self.asm.vmov(WORDS, VS);
        if let Some(twin) = twin {
            let d = self.ra.def_ahead(self.asm, self.b, twin);
            self.asm.v3i(SHUFPS, d, abef, cdgh, if first { 0x11 } else { 0xbb });
        }
        let d = self.def();
        self.asm.v3i(SHUFPS, d, abef, cdgh, if first { 0xbb } else { 0x11 });
    }

    /// The other half of the step that `inst` begins, if it follows.
    fn sha256_twin(&self, inst: &Inst) -> Option<usize> {
        let other = if inst.op == Op::Sha256h { Op::Sha256h2 } else { Op::Sha256h };
        let roots = |a: &Inst| a.args.map(|v| self.ra.root(v));
        let [x, y, w] = roots(inst);
        let near = self.b.insts.iter().enumerate().skip(self.i + 1).take(PAIR);
        let (n, _) = near.filter(|(_, n)| n.op == other).find(|(_, n)| roots(n) == [y, x, w])?;
        (!self.ra.vals[n].is(regalloc::DEAD)).then_some(n)
    }

    // --- AES -----------------------------------------------------------------------------------------
    fn aes_round(&mut self, inst: &Inst) {
        let zero = self.asm.constant(0);
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        self.asm.v3(PXOR, VS, a, b);
        // A round whose only use is MixColumns becomes a whole round.
        let e = match (inst.op, self.fuses_with_mix(self.i)) {
            (Op::Aese, true) => 0xdc,
            (Op::Aesd, true) => 0xde,
            (Op::Aese, false) => 0xdd,
            _ => 0xdf,
        };
        let d = self.def();
        self.v3x(p38(e), d, VS, zero, false);
    }

    fn aes_mix(&mut self, inst: &Inst) {
        let root = self.ra.root(inst.args[0]);
        let a = self.reg(inst.args[0]);
        let d = self.def();
        if self.fuses_with_mix(root) {
            self.asm.vmov(d, a);
        } else if inst.op == Op::Aesimc {
            self.asm.v2(p38(0xdb), d, Rm::R(a));
        } else {
            let zero = self.asm.constant(0);
            self.asm.v3(p38(0xdf), d, a, zero);
            self.asm.v3(p38(0xdc), d, d, zero);
        }
    }

    /// Whether AES round `i` has one use, and that is the matching MixColumns.
    fn fuses_with_mix(&self, i: usize) -> bool {
        let mix = match self.b.insts[i].op {
            Op::Aese => Op::Aesmc,
            Op::Aesd => Op::Aesimc,
            _ => return false,
        };
        let v = &self.ra.vals[i];
        v.uses == 1 && self.b.insts[v.last as usize].op == mix
    }
}
