//! Vector shifts, by constants and lane by lane; bit counts and bit reversal.

use super::asm::{p38, p3a, p66, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::{arr_bytes, splat};
use super::vec_arith::{add, equal, sub, PAND, PANDN, POR, PXOR};
use crate::ir::{Inst, Op};

const PSHUFB: Enc = p38(0x00);
/// 2^n in the bytes 0 to 7, and in the bytes 8 to 15: the two bytes of 2^n for n = 0..16.
const POWERS_LOW: u128 = 0x8040_2010_0804_0201;
const POWERS_HIGH: u128 = POWERS_LOW << 64;

impl Emitter<'_> {
    // --- by a constant -------------------------------------------------------------------------------
    /// `d = a << n` (ext 6), `a >> n` logical (2) or arithmetic (4) by lanes of `log2`, n below the width.
    pub fn shift_imm_lanes(&mut self, ext: u8, log2: u8, d: u8, a: u8, n: u8) {
        match (log2, ext) {
            (0, _) => {
                self.asm.vshift(0x71, if ext == 4 { 2 } else { ext }, d, a, n);
                let m = if ext == 6 { 0xff << n & 0xff } else { 0xff >> n };
                let m = self.asm.constant(splat(0, m));
                self.asm.v3(PAND, d, d, m);
                if ext == 4 {
                    // Extend from the moved sign bit.
                    let s = self.asm.constant(splat(0, 0x80 >> n));
                    self.asm.v3(PXOR, d, d, s);
                    self.asm.v3(p66(0xf8), d, d, s);
                }
            }
            // vpsraq
            (3, 4) if self.feat.avx512 => self.asm.evex(Enc { w: true, ..p66(0x72) }, 4, d, Rm::R(a), Some(n)),
            (3, 4) => {
                self.asm.vshift(0x73, 2, d, a, n);
                let s = self.asm.constant(splat(3, 1 << (63 - n)));
                self.asm.v3(PXOR, d, d, s);
                self.asm.v3(p66(0xfb), d, d, s);
            }
            _ => self.asm.vshift(0x70 + log2, ext, d, a, n),
        }
    }

    pub fn shift_lanes(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let bits = arr.ebits() as u8;
        let n = inst.imm as u8;
        let a = self.reg(inst.args[0]);
        if self.rotates(self.i) {
            let d = self.def();
            return self.rotate_left(log2, d, a, if inst.op == Op::VShlI { n } else { bits - n });
        }
        let ext = match inst.op {
            Op::VShlI => 6,
            Op::VUshrI | Op::VUrshrI => 2,
            _ => 4,
        };
        let rounded = matches!(inst.op, Op::VUrshrI | Op::VSrshrI);
        if !rounded {
            let d = self.def();
            match (ext, n >= bits) {
                (2, true) => self.asm.vzero(d),
                (4, _) => self.shift_imm_lanes(4, log2, d, a, n.min(bits - 1)),
                _ => self.shift_imm_lanes(ext, log2, d, a, n),
            }
            return self.clean(d, arr, self.known(inst.args[0]));
        }
        // Plus the last bit shifted out.
        let d = self.def_early();
        self.shift_imm_lanes(2, log2, VS, a, n - 1);
        let one = self.asm.constant(splat(log2, 1));
        self.asm.v3(PAND, VS, VS, one);
        if n >= bits && ext == 2 {
            self.asm.vmov(d, VS);
        } else {
            self.shift_imm_lanes(ext, log2, d, a, n.min(bits - 1));
            self.asm.v3(add(log2), d, d, VS);
        }
        self.clean(d, arr, self.known(inst.args[0]));
    }

    pub fn shift_insert(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (bits, n) = (arr.ebits(), inst.imm as u32);
        let rotation = self.rotation(inst);
        if let Some(by) = rotation.filter(|_| self.feat.avx512) {
            let done = self.rotates(self.ra.root(inst.args[0]));
            let a = self.reg(inst.args[!done as usize]);
            let d = self.def();
            return if done { self.asm.vmov(d, a) } else { self.rotate_left(log2, d, a, by) };
        }
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let left = inst.op == Op::VSliI;
        let lanes = u64::MAX >> (64 - bits);
        let keep = match (left, n >= bits) {
            (true, _) => lanes & !(lanes << n),
            (false, true) => lanes,
            (false, false) => lanes & !(lanes >> n),
        };
        let d;
        if n >= bits {
            d = self.def();
            self.asm.vmov(d, a);
        } else {
            self.shift_imm_lanes(if left { 6 } else { 2 }, log2, VS, b, n as u8);
            d = self.def();
            if rotation.is_some() {
                return self.v3x(POR, d, a, VS, true);
            }
            let keep = self.asm.constant(splat(log2, keep));
            self.asm.v3(PAND, d, a, keep);
            self.asm.v3(POR, d, d, VS);
        }
        self.clean(d, arr, 4);
    }

    /// If SLI or SRI `inst` puts what a shift the other way has left of its other operand beside the rest: by how much that rotates to the left.
    fn rotation(&self, inst: &Inst) -> Option<u8> {
        let (log2, bits) = (inst.arr().log2(), inst.arr().ebits() as u64);
        let [rest, whole] = [0, 1].map(|k| self.ra.root(inst.args[k]));
        let shift = &self.b.insts[rest];
        let left = match (shift.op, inst.op) {
            (Op::VUshrI, Op::VSliI) => inst.imm,
            (Op::VShlI, Op::VSriI) => shift.imm,
            _ => return None,
        };
        let same = shift.aux == inst.aux && self.ra.root(shift.args[0]) == whole && shift.imm + inst.imm == bits;
        (same && log2 >= 2 && arr_bytes(inst.arr()) == 16).then_some(left as u8)
    }

    /// Whether the shift `i` has no use but in a rotation, and is that already.
    fn rotates(&self, i: usize) -> bool {
        let v = &self.ra.vals[i];
        let shift = matches!(self.b.insts[i].op, Op::VUshrI | Op::VShlI) && v.uses == 1 && self.feat.avx512;
        shift
            && self.ra.root(self.b.insts[v.last as usize].args[0]) == i
            && self.rotation(&self.b.insts[v.last as usize]).is_some()
    }

    /// vprold, vprolq: the destination is the extra operand, 1 the group number.
    fn rotate_left(&mut self, log2: u8, d: u8, a: u8, n: u8) {
        self.asm.evex(Enc { w: log2 == 3, ..p66(0x72) }, 1, d, Rm::R(a), Some(n));
    }

    // --- lane by lane --------------------------------------------------------------------------------
    /// `d` = all ones in the lanes of `a` that are negative; two registers.
    pub fn signs(&mut self, log2: u8, d: u8, a: u8) {
        match log2 {
            0 => {
                self.asm.vzero(d);
                self.asm.v3(p66(0x64), d, d, a);
            }
            3 if self.feat.avx512 => self.shift_imm_lanes(4, 3, d, a, 63),
            3 => {
                self.asm.v2i(p66(0x70), d, a, 0xf5);
                self.asm.vshift(0x72, 4, d, d, 31);
            }
            _ => self.asm.vshift(0x70 + log2, 4, d, a, (8 << log2) - 1),
        }
    }

    /// USHL, SSHL, URSHL, SRSHL.
    pub fn shift_by_lanes(&mut self, inst: &Inst) -> bool {
        match inst.arr().log2() {
            0 => self.shift_bytes(inst),
            1 => self.shift_halves(inst),
            _ if !self.feat.avx2 => return false,
            _ => self.shift_wide(inst),
        }
        true
    }

    /// Words and doublewords by vpsllv and vpsrlv, which make zero of amounts beyond the width.
    fn shift_wide(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        let signed = matches!(inst.op, Op::VSshl | Op::VSrshl);
        let rounded = matches!(inst.op, Op::VUrshl | Op::VSrshl);
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        let by = |op| Enc { pp: 1, map: 2, op, w: log2 == 3 };
        let low = self.asm.constant(splat(log2, 0xff));
        // To the right by -b - 1, and then by one more. Negative lanes are complemented on the way.
        let mut s = a;
        if signed {
            self.signs(log2, d, a);
            self.asm.v3(PXOR, t, a, d);
            s = t;
        }
        self.asm.v3(PANDN, VS, b, low);
        self.asm.v3(by(0x45), t, s, VS);
        if rounded {
            let one = self.asm.constant(splat(log2, 1));
            if signed {
                self.asm.v3(PXOR, VS, t, d);
                self.asm.v3(PAND, VS, VS, one);
            } else {
                self.asm.v3(PAND, VS, t, one);
            }
        }
        self.asm.vshift(0x70 + log2, 2, t, t, 1);
        if signed {
            self.asm.v3(PXOR, t, t, d);
        }
        if rounded {
            self.asm.v3(add(log2), t, t, VS);
        }
        // To the left; of the two results one is zero, but for negative lanes.
        self.asm.v3(PAND, VS, b, low);
        self.asm.v3(by(0x47), d, a, VS);
        if signed {
            self.asm.vshift(0x70 + log2, 6, VS, b, (8 << log2) - 8);
            self.asm.v3i(p3a(if log2 == 3 { 0x4b } else { 0x4a }), d, d, t, VS << 4);
        } else {
            self.asm.v3(POR, d, d, t);
        }
        self.clean(d, inst.arr(), 4);
    }

    /// Halfwords by products with 2^n (low half: to the left) and 2^(16+n) (high half: to the right).
    fn shift_halves(&mut self, inst: &Inst) {
        let signed = matches!(inst.op, Op::VSshl | Op::VSrshl);
        let rounded = matches!(inst.op, Op::VUrshl | Op::VSrshl);
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        let at = self.power_index(b, signed, 1);
        let table = self.pool(POWERS_LOW);
        self.asm.vmov(d, table);
        self.asm.v3(PSHUFB, d, d, at);
        let table = self.pool(POWERS_HIGH);
        self.asm.vmov(t, table);
        self.asm.v3(PSHUFB, t, t, at);
        let low = self.asm.constant(splat(1, 0x00ff));
        self.asm.v3(PAND, d, d, low);
        self.asm.vshift(0x71, 6, t, t, 8);
        self.asm.v3(POR, t, t, d);
        if signed {
            self.asm.vshift(0x71, 4, VS, a, 15);
            self.asm.v3(PXOR, d, a, VS);
            self.asm.v3(p66(0xe4), d, d, t);
            self.asm.v3(PXOR, d, d, VS);
        } else {
            self.asm.v3(p66(0xe4), d, a, t);
        }
        self.asm.v3(p66(0xd5), t, t, a);
        if rounded {
            self.asm.vshift(0x71, 2, VS, t, 15);
            self.asm.v3(add(1), d, d, VS);
        }
        self.asm.vshift(0x71, 6, VS, b, 8);
        self.asm.vshift(0x71, 4, VS, VS, 15);
        self.asm.v3(PAND, d, d, VS);
        self.asm.v3(PANDN, VS, VS, t);
        self.asm.v3(POR, d, d, VS);
        self.clean(d, inst.arr(), 4);
    }

    /// Bytes as halfwords times 2^(8+n), whose high bytes are the results.
    fn shift_bytes(&mut self, inst: &Inst) {
        let signed = matches!(inst.op, Op::VSshl | Op::VSrshl);
        let rounded = matches!(inst.op, Op::VUrshl | Op::VSrshl);
        let (a, b, d) = self.two(inst);
        let t = self.vtemp();
        let at = self.power_index(b, signed, 0);
        let table = self.pool(POWERS_LOW);
        self.asm.vmov(d, table);
        self.asm.v3(PSHUFB, d, d, at);
        let table = self.pool(POWERS_HIGH);
        self.asm.vmov(t, table);
        self.asm.v3(PSHUFB, t, t, at);
        self.asm.v3(p66(0x68), VS, d, t);
        self.asm.v3(p66(0x60), d, d, t);
        let extend = p38(if signed { 0x20 } else { 0x30 });
        self.asm.v2(extend, t, Rm::R(a));
        self.asm.v3(p66(0xd5), d, d, t);
        self.asm.v2i(p66(0x70), t, a, 0xee);
        self.asm.v2(extend, t, Rm::R(t));
        self.asm.v3(p66(0xd5), VS, VS, t);
        if rounded {
            let half = self.asm.constant(splat(1, 0x80));
            self.asm.v3(add(1), d, d, half);
            self.asm.v3(add(1), VS, VS, half);
        }
        self.asm.vshift(0x71, 2, d, d, 8);
        self.asm.vshift(0x71, 2, VS, VS, 8);
        self.asm.v3(p66(0x67), d, d, VS);
        self.clean(d, inst.arr(), 4);
    }

    /// For the amounts in `b`, in the scratch register: where to look up 2^(bits + n), with the top bit set where that is nothing.
    fn power_index(&mut self, b: u8, signed: bool, log2: u8) -> u8 {
        let bits = 8u64 << log2;
        let more = self.asm.constant(splat(0, bits));
        if signed {
            // Beyond the width only signs are left.
            let least = self.asm.constant(splat(0, bits.wrapping_neg()));
            self.asm.v3(p38(0x3c), VS, b, least);
            self.asm.v3(add(0), VS, VS, more);
        } else {
            self.asm.v3(add(0), VS, b, more);
        }
        let limit = self.asm.constant(splat(0, 0x80 - 2 * bits));
        self.asm.v3(p66(0xdc), VS, VS, limit);
        VS
    }

    fn pool(&mut self, c: u128) -> Rm {
        Rm::M(self.asm.constant(c))
    }

    // --- bits ----------------------------------------------------------------------------------------
    pub fn count(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[0]);
        let d = self.def_early();
        let nibble = self.asm.constant(splat(0, 0x0f));
        let table = self.asm.constant(u128::from_le_bytes([0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4]));
        let t = self.vtemp();
        self.asm.vshift(0x71, 2, VS, a, 4);
        self.asm.v3(PAND, VS, VS, nibble);
        self.asm.vmov(d, table);
        self.asm.v3(p38(0x00), d, d, VS);
        self.asm.vmov(VS, nibble);
        self.asm.v3(PAND, VS, VS, a);
        self.asm.vmov(t, table);
        self.asm.v3(p38(0x00), t, t, VS);
        self.asm.v3(p66(0xfc), d, d, t);
        self.clean(d, inst.arr(), 4);
    }

    /// `d` = leading zeros of the bytes of `d`; `t` is scratch.
    fn leading_bytes(&mut self, d: u8, t: u8) {
        let nibble = self.asm.constant(splat(0, 0x0f));
        // The smaller of the answers for the high nibble (8: it is zero) and for the low one alone.
        let high = self.pool(u128::from_le_bytes([8, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        let low = self.pool(u128::from_le_bytes([8, 7, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4]));
        self.asm.vshift(0x71, 2, VS, d, 4);
        self.asm.v3(PAND, VS, VS, nibble);
        self.asm.vmov(t, high);
        self.asm.v3(PSHUFB, t, t, VS);
        self.asm.v3(PAND, d, d, nibble);
        self.asm.vmov(VS, low);
        self.asm.v3(PSHUFB, VS, VS, d);
        self.asm.v3(p66(0xda), t, t, VS);
        self.asm.vmov(d, t);
    }

    /// CLZ and CLS.
    pub fn leading(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        let a = self.reg(inst.args[0]);
        let d = self.def_early();
        let t = self.vtemp();
        if inst.op == Op::VCls {
            self.signs(log2, d, a);
            self.asm.v3(PXOR, d, d, a);
        } else {
            self.asm.vmov(d, a);
        }
        self.leading_bytes(d, t);
        // Pairs of counts: the low one counts where the high one is full.
        for n in 0..log2 {
            let bits = 8 << n;
            let full = self.asm.constant(splat(n + 1, bits));
            let low = self.asm.constant(splat(n + 1, u64::MAX >> (64 - bits)));
            self.asm.vshift(0x71 + n, 2, t, d, bits as u8);
            self.asm.vmov(VS, full);
            self.asm.v3(equal(n + 1), VS, VS, t);
            self.asm.v3(PAND, VS, VS, low);
            self.asm.v3(PAND, d, d, VS);
            self.asm.v3(add(n + 1), d, d, t);
        }
        if inst.op == Op::VCls {
            let one = self.asm.constant(splat(log2, 1));
            self.asm.v3(sub(log2), d, d, one);
        }
        self.clean(d, inst.arr(), 4);
    }

    /// The bits of each byte in reverse.
    pub fn reverse_bits(&mut self, inst: &Inst) {
        let a = self.reg(inst.args[0]);
        if self.feat.gfni {
            let matrix = self.asm.constant(splat(3, 0x8040_2010_0804_0201));
            let d = self.def();
            self.v3ix(Enc { pp: 1, map: 3, op: 0xce, w: self.asm.avx }, d, a, matrix, 0);
            return self.clean(d, inst.arr(), self.known(inst.args[0]));
        }
        let d = self.def_early();
        let nibble = self.asm.constant(splat(0, 0x0f));
        let table = |shift: u32| u128::from_le_bytes(std::array::from_fn(|n| ((n as u8).reverse_bits() >> 4) << shift));
        let (low, high) = (self.pool(table(4)), self.pool(table(0)));
        self.asm.vmov(VS, nibble);
        self.asm.v3(PAND, VS, VS, a);
        self.asm.vmov(d, low);
        self.asm.v3(PSHUFB, d, d, VS);
        let t = self.vtemp();
        self.asm.vshift(0x71, 2, VS, a, 4);
        self.asm.v3(PAND, VS, VS, nibble);
        self.asm.vmov(t, high);
        self.asm.v3(PSHUFB, t, t, VS);
        self.asm.v3(POR, d, d, t);
        self.clean(d, inst.arr(), 4);
    }
}
