//! Vector operations: dispatch, moves, bitwise, permutes. Arithmetic is in `vec_arith`, FP in `vec_fp`.
//!
//! Arrangements narrower than 128 bits have zeros above in every result; operands may hold anything there. The helpers
//! [`Emitter::clean`] and the byte shuffles (whose control can say "zero") restore that.

use super::asm::{enc, encw, p38, p3a, p66, r, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use crate::ir::{Arr, Inst, Op, Type, Value, Width};
use crate::regalloc::Home;

/// pshufb control: a zero byte.
const Z: u8 = 0x80;

/// Control of a byte shuffle: result byte i is source byte `f(i)` for the first `n` bytes, then zeros.
pub fn control(n: usize, f: impl Fn(usize) -> usize) -> u128 {
    let mut c = [Z; 16];
    for (i, b) in c.iter_mut().enumerate().take(n) {
        *b = f(i) as u8;
    }
    u128::from_le_bytes(c)
}

/// `c` in every lane of `log2` size.
pub const fn splat(log2: u8, c: u64) -> u128 {
    let mut v = c as u128 & (u128::MAX >> (128 - (8 << log2)));
    let mut bits = 8 << log2;
    while bits < 128 {
        v |= v << bits;
        bits *= 2;
    }
    v
}

/// Number of bytes that an arrangement names.
pub fn arr_bytes(a: Arr) -> usize {
    a.lanes() * a.ebytes()
}

impl Emitter<'_> {
    /// Emit a vector operation directly, if there is a way.
    pub fn vector(&mut self, inst: &Inst) -> bool {
        use Op::*;
        match inst.op {
            VConst => {
                let low = inst.imm as u128;
                let c = if inst.arr().width() == Width::W128 { low | low << 64 } else { low };
                let index = self.asm.pool_index(c);
                self.ra.set_home(self.i, Home::Pool(index));
            }
            VAnd => self.vbin(inst, p66(0xdb), true),
            VOr => self.vbin(inst, p66(0xeb), true),
            VXor => self.vbin(inst, p66(0xef), true),
            VAndn => {
                let b = self.reg(inst.args[1]);
                let a = self.rm(inst.args[0]);
                let d = self.def();
                self.v3x(p66(0xdf), d, b, a, false);
                self.clean(d, inst.arr(), self.known(inst.args[0]));
            }
            VOrn | VNot => self.vnot(inst),
            VBsl => self.bsl(inst),
            VLow => {
                let a = self.rm(inst.args[0]);
                let d = self.def();
                self.vlow(d, a, inst.arr());
            }
            VFromInt => self.int_to_vec(inst),
            VDup => self.dup(inst),
            VDupLane => self.dup_lane(inst),
            VInsert => self.insert(inst),
            VInsertLane => self.insert_lane(inst),
            VExtract | VExtractS => self.extract(inst),
            VPair => {
                let a = self.reg(inst.args[0]);
                let b = self.rm(inst.args[1]);
                let d = self.def();
                self.asm.v2(encw(1, 1, 0x6e), d, Rm::R(a));
                self.insert_gpr(encw(1, 3, 0x22), d, d, b, 1);
            }
            VZip1 | VZip2 | VUzp1 | VUzp2 | VTrn1 | VTrn2 | VExt => self.permute(inst),
            VRev => {
                let (e, n) = (inst.arr().ebytes(), inst.imm as usize);
                // Element order inside a container reversed; bytes of an element keep theirs.
                let c = control(arr_bytes(inst.arr()), |i| i / n * n + (n / e - 1 - i % n / e) * e + i % e);
                self.shuffle_op(inst, c);
            }
            VTbx => self.tbx(inst),
            VMovMask if inst.arr().width() == Width::W128 && inst.arr().log2() != 1 => {
                let a = self.reg(inst.args[0]);
                let d = self.def();
                let e = match inst.arr().log2() {
                    0 => p66(0xd7),
                    n => enc((n == 3) as u8, 1, 0x50),
                };
                self.asm.v2(e, d, Rm::R(a));
            }
            op if op as u16 >= FAdd as u16 && op as u16 <= FCvtn as u16 => return self.fp(inst),
            Crypto => return self.crypto_ext(inst),
            op if op as u16 >= Aese as u16 && op as u16 <= Sha256su1 as u16 => return self.crypto(inst),
            _ => return self.vector_arith(inst),
        }
        true
    }

    // --- building blocks -----------------------------------------------------------------------------
    /// log2 of the bytes of `v` that can be non-zero.
    pub fn known(&self, v: Value) -> u8 {
        self.b.width(v)
    }

    /// `d = a op b` with any overlap.
    pub fn v3x(&mut self, e: Enc, d: u8, a: u8, b: impl Into<Rm>, commutes: bool) {
        let b = b.into();
        if self.asm.avx || b != Rm::R(d) || d == a {
            self.asm.v3(e, d, a, b);
        } else if commutes {
            self.asm.v3(e, d, d, a);
        } else {
            debug_assert!(a != VS && d != VS);
            self.asm.v3(e, VS, a, b);
            self.asm.vmov(d, VS);
        }
    }

    /// The same with an immediate.
    pub fn v3ix(&mut self, e: Enc, d: u8, a: u8, b: impl Into<Rm>, imm: u8) {
        let b = b.into();
        if self.asm.avx || b != Rm::R(d) || d == a {
            self.asm.v3i(e, d, a, b, imm);
        } else {
            self.asm.v3i(e, VS, a, b, imm);
            self.asm.vmov(d, VS);
        }
    }

    /// A whole-register operation of two operands; zeros above stay zeros.
    pub fn vbin(&mut self, inst: &Inst, e: Enc, commutes: bool) {
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        let d = self.def();
        self.v3x(e, d, a, b, commutes);
        let known = self.known(inst.args[0]).max(self.known(inst.args[1]));
        self.clean(d, inst.arr(), known);
    }

    /// Zero what `arr` does not name, unless only `1 << known` bytes can be non-zero anyway.
    pub fn clean(&mut self, d: u8, arr: Arr, known: u8) {
        if 1usize << known > arr_bytes(arr) {
            self.vlow(d, Rm::R(d), arr);
        }
    }

    /// `d` = the lanes of `a` that `arr` names.
    pub fn vlow(&mut self, d: u8, a: Rm, arr: Arr) {
        match arr_bytes(arr) {
            16 => self.asm.vmov(d, a),
            8 => self.asm.movq(d, a),
            4 if matches!(a, Rm::M(_)) => self.asm.v2(enc(2, 1, 0x10), d, a),
            4 => match a {
                Rm::R(s) => self.v3ix(p3a(0x21), d, s, s, 0x0e),
                Rm::M(_) => {}
            },
            n => {
                let m = self.asm.constant(u128::MAX >> (128 - 8 * n));
                match a {
                    Rm::R(s) => self.asm.v3(p66(0xdb), d, s, m),
                    Rm::M(_) => {
                        self.asm.vmov(d, a);
                        self.asm.v3(p66(0xdb), d, d, m);
                    }
                }
            }
        }
    }

    /// All ones.
    pub fn ones(&mut self, d: u8) {
        self.asm.vones(d);
    }

    /// `d` = bytes of `a` by a constant control.
    pub fn shuffle(&mut self, d: u8, a: u8, control: u128) {
        let c = self.asm.constant(control);
        self.asm.v3(p38(0x00), d, a, c);
    }

    fn shuffle_op(&mut self, inst: &Inst, control: u128) {
        let a = self.reg(inst.args[0]);
        let d = self.def();
        self.shuffle(d, a, control);
    }

    /// A lane inserted from a general register or memory.
    fn insert_gpr(&mut self, e: Enc, d: u8, a: u8, s: Rm, lane: u8) {
        self.asm.vmov_if_legacy(d, a);
        let a = if self.asm.avx { a } else { d };
        self.asm.v3i_gpr(e, d, a, s, lane);
    }

    // --- bitwise -------------------------------------------------------------------------------------
    /// A register for the result = any function of the bits of three values, with AVX-512.
    pub fn ternary(&mut self, [x, y, z]: [Value; 3], f: fn(u8, u8, u8) -> u8) -> u8 {
        let at = [self.reg(x), self.reg(y), self.reg(z)];
        let d = self.def();
        // The result's register is one of the operands.
        let first = at.iter().position(|&n| n == d).unwrap_or(0);
        let (second, third) = ((first + 1) % 3, (first + 2) % 3);
        self.asm.vmov(d, at[first]);
        // Which bits the function makes of those of the operands, which are numbers of three bits together.
        let table = (0..8u8).fold(0, |t, n| {
            let mut v = [0; 3];
            (v[first], v[second], v[third]) = (n >> 2, n >> 1 & 1, n & 1);
            t | (f(v[0], v[1], v[2]) & 1) << n
        });
        self.asm.evex(p3a(0x25), d, at[second], Rm::R(at[third]), Some(table));
        d
    }

    fn vnot(&mut self, inst: &Inst) {
        let not = inst.op == Op::VNot;
        if self.feat.avx512 && !not {
            let [a, b, _] = inst.args;
            let d = self.ternary([a, b, b], |a, b, _| a | !b);
            return self.clean(d, inst.arr(), 4);
        }
        let b = self.rm(inst.args[!not as usize]);
        self.ones(VS);
        self.asm.v3(p66(0xef), VS, VS, b);
        let d;
        if not {
            d = self.def();
            self.asm.vmov(d, VS);
        } else {
            let a = self.rm(inst.args[0]);
            self.asm.v3(p66(0xeb), VS, VS, a);
            d = self.def();
            self.asm.vmov(d, VS);
        }
        self.clean(d, inst.arr(), 4);
    }

    fn bsl(&mut self, inst: &Inst) {
        if self.feat.avx512 {
            let d = self.ternary(inst.args, |a, b, c| a & b | !a & c);
            let known = self.known(inst.args[1]).max(self.known(inst.args[2]));
            return self.clean(d, inst.arr(), known);
        }
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        let c = self.rm(inst.args[2]);
        self.asm.v3(p66(0xdb), VS, a, b);
        let d = if self.asm.avx { self.def() } else { self.def_early() };
        self.asm.v3(p66(0xdf), d, a, c);
        self.asm.v3(p66(0xeb), d, d, VS);
        let known = self.known(inst.args[1]).max(self.known(inst.args[2]));
        self.clean(d, inst.arr(), known);
    }

    // --- to and from integers ------------------------------------------------------------------------
    fn int_to_vec(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        if log2 < 2 {
            let a = self.reg(inst.args[0]);
            self.asm.movzx(log2, r::AX, a);
            let d = self.def();
            return self.asm.v2(p66(0x6e), d, Rm::R(r::AX));
        }
        let a = self.rm(inst.args[0]);
        let d = self.def();
        self.asm.v2(Enc { w: log2 == 3, ..p66(0x6e) }, d, a);
    }

    fn dup(&mut self, inst: &Inst) {
        let (log2, w128) = (inst.arr().log2(), inst.arr().width() == Width::W128);
        let a = self.rm(inst.args[0]);
        // Memory is read at the slot's width or less: a 32-bit read of an integer slot is its low half.
        self.asm.v2(Enc { w: log2 == 3, ..p66(0x6e) }, VS, a);
        let d = self.def();
        if !w128 && log2 == 3 {
            return self.asm.vmov(d, VS);
        }
        if self.feat.avx2 {
            let op = [0x78, 0x79, 0x58, 0x59][log2 as usize];
            self.asm.v2(p38(op), d, Rm::R(VS));
            return self.clean(d, inst.arr(), 4);
        }
        match log2 {
            0 | 1 => {
                if log2 == 0 {
                    self.asm.v3(p66(0x60), VS, VS, VS);
                }
                self.asm.v2i(enc(3, 1, 0x70), VS, VS, 0);
                self.asm.v2i(p66(0x70), d, VS, 0);
            }
            2 => self.asm.v2i(p66(0x70), d, VS, 0),
            _ => self.asm.v2i(p66(0x70), d, VS, 0x44),
        }
        self.clean(d, inst.arr(), 4);
    }

    fn dup_lane(&mut self, inst: &Inst) {
        let (arr, lane) = (inst.arr(), inst.imm as usize & 15);
        let e = arr.ebytes();
        if arr.width() == Width::W128 && e >= 4 {
            let v = inst.args[0];
            let a = match self.ra.peek(v) {
                Some(_) => Rm::R(self.reg(v)),
                // From memory a lane is as good as the whole.
                None => self.place(v),
            };
            let d = self.def();
            match a {
                // movddup, and vbroadcastss: no more than a load.
                Rm::M(a) if e == 8 => return self.asm.v2(enc(3, 1, 0x12), d, a.plus((lane as i32 & 1) * 8)),
                Rm::M(a) if self.asm.avx => return self.asm.v2(p38(0x18), d, a.plus((lane as i32 & 3) * 4)),
                _ => {}
            }
            let sel = if e == 4 { lane as u8 & 3 } else { (lane as u8 & 1) * 2 };
            let imm = if e == 4 { sel * 0x55 } else { (sel | (sel + 1) << 2) * 0x11 };
            return self.asm.v2i(p66(0x70), d, a, imm);
        }
        self.shuffle_op(inst, control(arr_bytes(arr), |i| (lane * e + i % e) & 15));
    }

    fn insert(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        let d = self.def();
        let e = [p3a(0x20), p66(0xc4), p3a(0x22), encw(1, 3, 0x22)][inst.arr().log2() as usize & 3];
        self.insert_gpr(e, d, a, b, inst.imm as u8);
    }

    fn insert_lane(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let (to, from) = ((inst.imm >> 8) as u8, inst.imm as u8);
        let d = self.def();
        match inst.arr().log2() {
            2 => self.v3ix(p3a(0x21), d, a, b, (from & 3) << 6 | (to & 3) << 4),
            3 => match (to & 1, from & 1) {
                (0, 0) => self.v3ix(p66(0xc6), d, b, a, 2),
                (0, _) => self.v3ix(p66(0xc6), d, b, a, 3),
                (_, 0) => self.v3x(p66(0x6c), d, a, b, false),
                _ => self.v3ix(p66(0xc6), d, a, b, 2),
            },
            0 => {
                self.asm.v2i(p3a(0x14), b, Rm::R(r::AX), from & 15);
                self.insert_gpr(p3a(0x20), d, a, Rm::R(r::AX), to & 15);
            }
            _ => {
                self.asm.v2i(p66(0xc5), r::AX, b, from & 7);
                self.insert_gpr(p66(0xc4), d, a, Rm::R(r::AX), to & 7);
            }
        }
    }

    fn extract(&mut self, inst: &Inst) {
        let (log2, lane) = (inst.arr().log2(), inst.imm as u8);
        let a = self.reg(inst.args[0]);
        let d = self.def();
        match (log2, lane) {
            (0, _) => self.asm.v2i(p3a(0x14), a, Rm::R(d), lane & 15),
            (1, _) => self.asm.v2i(p66(0xc5), d, a, lane & 7),
            (2, 0) => self.asm.v2(p66(0x7e), a, Rm::R(d)),
            (2, _) => self.asm.v2i(p3a(0x16), a, Rm::R(d), lane & 3),
            (_, 0) => self.asm.v2(encw(1, 1, 0x7e), a, Rm::R(d)),
            _ => self.asm.v2i(encw(1, 3, 0x16), a, Rm::R(d), lane & 1),
        }
        if inst.op == Op::VExtractS && log2 < 3 {
            let w = inst.ty == Type::I64;
            if w || log2 < 2 {
                self.asm.movsx(log2, w, d, d);
            }
        }
    }

    // --- permutes ------------------------------------------------------------------------------------
    fn permute(&mut self, inst: &Inst) {
        if inst.arr().width() != Width::W128 {
            return self.permute64(inst);
        }
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let log2 = inst.arr().log2();
        match inst.op {
            Op::VExt => {
                let d = self.def();
                self.v3ix(p3a(0x0f), d, b, a, inst.imm as u8 & 15);
            }
            Op::VZip1 | Op::VZip2 => {
                let op = [0x60, 0x61, 0x62, 0x6c][log2 as usize & 3]
                    + if inst.op == Op::VZip2 { [8, 8, 8, 1][log2 as usize & 3] } else { 0 };
                let d = self.def();
                self.v3x(p66(op), d, a, b, false);
            }
            _ if log2 == 3 => {
                let odd = matches!(inst.op, Op::VUzp2 | Op::VTrn2);
                let d = self.def();
                self.v3x(p66(0x6c + odd as u8), d, a, b, false);
            }
            Op::VUzp1 | Op::VUzp2 => self.unzip(inst, a, b, log2),
            _ => self.transpose(inst, a, b, log2),
        }
    }

    fn unzip(&mut self, inst: &Inst, a: u8, b: u8, log2: u8) {
        let odd = inst.op == Op::VUzp2;
        if log2 == 2 {
            let d = self.def();
            return self.v3ix(enc(0, 1, 0xc6), d, a, b, if odd { 0xdd } else { 0x88 });
        }
        let e = 1usize << log2;
        let c = control(8, |i| (i / e * 2 + odd as usize) * e + i % e);
        self.shuffle(VS, b, c);
        let d = self.def();
        self.shuffle(d, a, c);
        self.asm.v3(p66(0x6c), d, d, VS);
    }

    fn transpose(&mut self, inst: &Inst, a: u8, b: u8, log2: u8) {
        // The even lanes of one and the odd lanes of the other are in place; the rest comes by a shift within pairs.
        let first = inst.op == Op::VTrn1;
        let n = 8u8 << log2;
        let (group, stay, shifted) = (0x71 + log2, if first { a } else { b }, if first { b } else { a });
        let d = self.def_early();
        self.asm.vshift(group, if first { 6 } else { 2 }, VS, shifted, n);
        if log2 == 0 {
            let keep = self.asm.constant(splat(1, if first { 0x00ff } else { 0xff00 }));
            self.asm.v3(p66(0xdb), d, stay, keep);
            return self.asm.v3(p66(0xeb), d, d, VS);
        }
        // Words taken from the second operand of pblendw.
        let odd = if log2 == 1 { 0xaa } else { 0xcc };
        self.asm.v3i(p3a(0x0e), d, stay, VS, if first { odd } else { !odd });
    }

    /// 64 bits wide: both operands side by side in one register, then one shuffle.
    fn permute64(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        self.asm.v3(p66(0x6c), VS, a, b);
        let e = inst.arr().ebytes();
        let lanes = 8 / e;
        // Lane i of the result is lane f(i) of the pair.
        let f = |i: usize| match inst.op {
            Op::VZip1 => i / 2 + i % 2 * lanes,
            Op::VZip2 => lanes / 2 + i / 2 + i % 2 * lanes,
            Op::VUzp1 => 2 * i,
            Op::VUzp2 => 2 * i + 1,
            Op::VTrn1 => i / 2 * 2 + i % 2 * lanes,
            _ => i / 2 * 2 + 1 + i % 2 * lanes,
        };
        let c = match inst.op {
            Op::VExt => control(8, |i| (i + inst.imm as usize) & 15),
            _ => control(8, |i| (f(i / e) * e + i % e) & 15),
        };
        let d = self.def();
        self.shuffle(d, VS, c);
    }

    fn tbx(&mut self, inst: &Inst) {
        let [a, t, c] = inst.args;
        let plain = self.b.insts[self.ra.root(a)].op == Op::VConst && self.b.insts[self.ra.root(a)].imm == 0;
        // Indices from 16 up get their top bit set, which shuffles in a zero.
        let c = self.reg(c);
        let bias = self.asm.constant(splat(0, 0x70));
        self.asm.v3(p66(0xdc), VS, c, bias);
        let t = self.reg(t);
        if plain {
            let d = self.def();
            self.v3_shuffle(d, t);
            return self.clean(d, inst.arr(), 4);
        }
        let a = self.reg(a);
        let d = self.def_early();
        self.v3_shuffle(d, t);
        if self.asm.avx {
            self.asm.v3i(p3a(0x4c), d, d, a, VS << 4);
        } else {
            // The top bits as a mask.
            let top = self.asm.constant(splat(0, 0x80));
            self.asm.v3(p66(0xdb), VS, VS, top);
            self.asm.v3(p66(0x74), VS, VS, top);
            self.asm.v3(p66(0xdb), VS, VS, a);
            self.asm.v3(p66(0xeb), d, d, VS);
        }
        self.clean(d, inst.arr(), 4);
    }

    fn v3_shuffle(&mut self, d: u8, t: u8) {
        self.asm.v3(p38(0x00), d, t, VS);
    }
}
