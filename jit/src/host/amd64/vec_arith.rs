//! Integer vector arithmetic, shifts, widening and narrowing, saturation.

use super::asm::{enc, p38, p3a, p66, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::{arr_bytes, control, splat};
use crate::ir::{Arr, Inst, Op, Value, Width, EVEN};

/// An operation that x86 has per lane size (log2 of bytes): opcode and whether the operands may be exchanged.
struct Row([Option<Enc>; 4], bool);

const fn all(e: [u8; 4]) -> [Option<Enc>; 4] {
    [Some(p66(e[0])), Some(p66(e[1])), Some(p66(e[2])), Some(p66(e[3]))]
}

/// One row per lane-wise operation that is one instruction.
fn row(op: Op) -> Option<Row> {
    let n = None;
    Some(match op {
        Op::VAdd => Row(all([0xfc, 0xfd, 0xfe, 0xd4]), true),
        Op::VSub => Row(all([0xf8, 0xf9, 0xfa, 0xfb]), false),
        Op::VMul => Row([n, Some(p66(0xd5)), Some(p38(0x40)), n], true),
        Op::VSmax => Row([Some(p38(0x3c)), Some(p66(0xee)), Some(p38(0x3d)), n], true),
        Op::VSmin => Row([Some(p38(0x38)), Some(p66(0xea)), Some(p38(0x39)), n], true),
        Op::VUmax => Row([Some(p66(0xde)), Some(p38(0x3e)), Some(p38(0x3f)), n], true),
        Op::VUmin => Row([Some(p66(0xda)), Some(p38(0x3a)), Some(p38(0x3b)), n], true),
        Op::VCmpEq => Row([Some(p66(0x74)), Some(p66(0x75)), Some(p66(0x76)), Some(p38(0x29))], true),
        Op::VCmpGt => Row([Some(p66(0x64)), Some(p66(0x65)), Some(p66(0x66)), Some(p38(0x37))], false),
        Op::VUrhadd => Row([Some(p66(0xe0)), Some(p66(0xe3)), n, n], true),
        _ => return None,
    })
}

/// The opcode of `op` on lanes of `log2`, if it is one instruction.
fn lane(op: Op, log2: u8) -> Option<Enc> {
    row(op)?.0[log2 as usize & 3]
}

pub const PAND: Enc = p66(0xdb);
/// !a & b
pub const PANDN: Enc = p66(0xdf);
pub const POR: Enc = p66(0xeb);
pub const PXOR: Enc = p66(0xef);

/// Lane-wise addition.
pub const fn add(log2: u8) -> Enc {
    p66([0xfc, 0xfd, 0xfe, 0xd4][log2 as usize & 3])
}

/// Lane-wise subtraction.
pub const fn sub(log2: u8) -> Enc {
    p66([0xf8, 0xf9, 0xfa, 0xfb][log2 as usize & 3])
}

/// Lane-wise comparison for equality.
pub const fn equal(log2: u8) -> Enc {
    [p66(0x74), p66(0x75), p66(0x76), p38(0x29)][log2 as usize & 3]
}

impl Emitter<'_> {
    /// Emit an arithmetic vector operation directly, if there is a way.
    pub fn vector_arith(&mut self, inst: &Inst) -> bool {
        use Op::*;
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        if let Some(Row(e, commutes)) = row(inst.op) {
            if let Some(e) = e[log2 as usize & 3] {
                self.vlane(inst, e, commutes);
                return true;
            }
        }
        match inst.op {
            VDot => return self.vdot(inst),
            VNeg => {
                let a = self.rm(inst.args[0]);
                self.asm.vzero(VS);
                self.asm.v3(p66([0xf8, 0xf9, 0xfa, 0xfb][log2 as usize & 3]), VS, VS, a);
                self.vresult(inst, 4);
            }
            VAbs if log2 < 3 => {
                let a = self.rm(inst.args[0]);
                let d = self.def();
                self.asm.v2(p38(0x1c + log2), d, a);
                self.clean(d, arr, 4);
            }
            VMul if log2 == 0 => self.mul8(inst),
            VCmpGe | VCmpHi | VCmpHs | VTst => self.compare_lanes(inst),
            VSabd | VUabd if log2 < 3 => self.abs_diff(inst),
            VSabd | VUabd => self.abs_diff64(inst),
            VCnt => self.count(inst),
            VUhadd | VShadd | VSrhadd | VUrhadd | VShsub | VUhsub if log2 < 3 => self.halving(inst),
            VAbs => {
                let a = self.reg(inst.args[0]);
                let d = self.def_early();
                self.signs(log2, d, a);
                self.asm.v3(PXOR, VS, a, d);
                self.asm.v3(sub(log2), VS, VS, d);
                self.asm.vmov(d, VS);
                self.clean(d, arr, 4);
            }
            VClz | VCls if log2 < 3 => self.leading(inst),
            VRbit => self.reverse_bits(inst),
            VUaddlv if log2 == 0 => self.sum_bytes(inst),
            VSaddlv | VUaddlv => return self.across_long(inst),
            VAddp | VSmaxp | VSminp | VUmaxp | VUminp => return self.pairwise(inst),
            VUaddlp | VSaddlp => self.pairwise_long(inst),
            VAddv | VSmaxv | VSminv | VUmaxv | VUminv => return self.across(inst),
            VShlI | VUshrI | VSshrI | VUrshrI | VSrshrI => self.shift_lanes(inst),
            VSliI | VSriI => self.shift_insert(inst),
            VUshl | VSshl | VUrshl | VSrshl => return self.shift_by_lanes(inst),
            op if op as u16 >= VSqadd as u16 && op as u16 <= VSqshluI as u16 => return self.saturating(inst),
            VSqdmull => return self.mul_long(inst),
            op if op as u16 >= VSqshrn as u16 && op as u16 <= VSqrshrun as u16 => self.narrow_saturating(inst),
            VSxtl | VUxtl => self.extend(inst),
            VSmull | VUmull => return self.mul_long(inst),
            VPmull if log2 == 3 && self.feat.pclmul => {
                let a = self.reg(inst.args[0]);
                let b = self.rm(inst.args[1]);
                let d = self.def();
                self.v3ix(p3a(0x44), d, a, b, if inst.imm == 0 { 0 } else { 0x11 });
            }
            VShrn | VRshrn => self.narrow(inst),
            _ => return false,
        }
        true
    }

    /// The result is in the scratch register; `known` as for [`Emitter::clean`].
    pub fn vresult(&mut self, inst: &Inst, known: u8) {
        let d = self.def();
        let arr = inst.arr();
        if 1usize << known > arr_bytes(arr) {
            self.vlow(d, Rm::R(VS), arr);
        } else {
            self.asm.vmov(d, VS);
        }
    }

    /// Whether all of a vector's lanes of 32 bits are the same.
    fn same_lanes(&self, v: Value) -> bool {
        let i = self.b.def(self.b.root(v));
        i.op == Op::VDupLane && i.arr() == Arr::S4
    }

    /// One instruction lane by lane.
    fn vlane(&mut self, inst: &Inst, e: Enc, commutes: bool) {
        let [mut a, mut b, _] = inst.args;
        // What is only in memory is the operand that may be there.
        if commutes && self.ra.mem(a, self.i).is_some() && self.ra.peek(b).is_some() {
            std::mem::swap(&mut a, &mut b);
        }
        let a = self.reg(a);
        let b = self.rm(b);
        let d = self.def();
        self.v3x(e, d, a, b, commutes);
        // Zeros make ones in a comparison for equality.
        let keeps = inst.op != Op::VCmpEq;
        let known = if keeps { self.known(inst.args[0]).max(self.known(inst.args[1])) } else { 4 };
        self.clean(d, inst.arr(), known);
    }

    /// Both operands in registers, none of which is the result's.
    pub fn two(&mut self, inst: &Inst) -> (u8, u8, u8) {
        let a = self.reg(inst.args[0]);
        let b = self.reg(inst.args[1]);
        let d = self.def_early();
        (a, b, d)
    }

    fn mul8(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        // High bytes: (a >> 8) * (b & 0xff00) has the product in the high byte and zero below.
        let high = self.asm.constant(splat(1, 0xff00));
        let low = self.asm.constant(splat(1, 0x00ff));
        self.asm.vshift(0x71, 2, VS, a, 8);
        self.asm.v3(PAND, d, b, high);
        self.asm.v3(p66(0xd5), VS, VS, d);
        self.asm.v3(p66(0xd5), d, a, b);
        self.asm.v3(PAND, d, d, low);
        self.asm.v3(POR, d, d, VS);
        self.clean(d, inst.arr(), 4);
    }

    fn compare_lanes(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        let log2 = inst.arr().log2();
        let eq = lane(Op::VCmpEq, log2).unwrap_or(p38(0x29));
        let invert = match inst.op {
            Op::VTst => {
                self.asm.vzero(VS);
                self.asm.v3(PAND, d, a, b);
                self.asm.v3(eq, d, d, VS);
                true
            }
            Op::VCmpGe if log2 == 3 => {
                self.asm.v3(p38(0x37), d, b, a);
                true
            }
            _ if log2 == 3 => {
                // Unsigned: flip the sign bits, compare signed.
                let sign = self.asm.constant(splat(3, 1 << 63));
                self.asm.vmov(VS, sign);
                self.asm.v3(PXOR, d, VS, a);
                self.asm.v3(PXOR, VS, VS, b);
                if inst.op == Op::VCmpHi {
                    self.asm.v3(p38(0x37), d, d, VS);
                } else {
                    self.asm.v3(p38(0x37), VS, VS, d);
                    self.asm.vmov(d, VS);
                }
                inst.op == Op::VCmpHs
            }
            op => {
                // a >= b where the maximum is a; a > b unsigned where the minimum is not a.
                let (pick, invert) = match op {
                    Op::VCmpGe => (Op::VSmax, false),
                    Op::VCmpHs => (Op::VUmax, false),
                    _ => (Op::VUmin, true),
                };
                let e = lane(pick, log2).unwrap_or(p66(0xda));
                self.asm.v3(e, d, a, b);
                self.asm.v3(eq, d, d, a);
                invert
            }
        };
        if invert {
            self.ones(VS);
            self.asm.v3(PXOR, d, d, VS);
        }
        self.clean(d, inst.arr(), 4);
    }

    fn abs_diff(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        let log2 = inst.arr().log2();
        let (max, min) = if inst.op == Op::VSabd { (Op::VSmax, Op::VSmin) } else { (Op::VUmax, Op::VUmin) };
        if let (Some(max), Some(min), Some(sub)) = (lane(max, log2), lane(min, log2), lane(Op::VSub, log2)) {
            self.asm.v3(min, VS, a, b);
            self.asm.v3(max, d, a, b);
            self.asm.v3(sub, d, d, VS);
        }
        self.clean(d, inst.arr(), 4);
    }

    /// Doublewords: the difference, negated where the second operand is greater.
    fn abs_diff64(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        let flip = if inst.op == Op::VUabd { 1 << 63 } else { 0 };
        let flip = self.asm.constant(splat(3, flip));
        self.asm.v3(PXOR, VS, b, flip);
        self.asm.v3(PXOR, d, a, flip);
        self.asm.v3(p38(0x37), VS, VS, d);
        self.asm.v3(sub(3), d, a, b);
        self.asm.v3(PXOR, d, d, VS);
        self.asm.v3(sub(3), d, d, VS);
        self.clean(d, inst.arr(), 4);
    }

    fn halving(&mut self, inst: &Inst) {
        use Op::*;
        let (a, b, d) = self.two(inst);
        let log2 = inst.arr().log2();
        let ext = if matches!(inst.op, VShadd | VSrhadd | VShsub) { 4 } else { 2 };
        let flip = match inst.op {
            VUhadd => u64::MAX,
            VShadd => u64::MAX >> (65 - inst.arr().ebits()),
            _ => 1 << (inst.arr().ebits() - 1),
        };
        if log2 < 2 && matches!(inst.op, VUhadd | VShadd | VSrhadd) {
            // By the rounded average of unsigned numbers: complement turns rounding up into down, the sign bit signed into unsigned.
            let flip = self.asm.constant(splat(log2, flip));
            self.asm.v3(PXOR, VS, a, flip);
            self.asm.v3(PXOR, d, b, flip);
            self.asm.v3(p66(if log2 == 0 { 0xe0 } else { 0xe3 }), d, d, VS);
            self.asm.v3(PXOR, d, d, flip);
            return self.clean(d, inst.arr(), 4);
        }
        // (a & b) + ((a ^ b) >> 1), rounded: (a | b) - ((a ^ b) >> 1); the difference: ((a ^ b) >> 1) - (!a & b).
        self.asm.v3(PXOR, VS, a, b);
        self.shift_imm_lanes(ext, log2, VS, VS, 1);
        match inst.op {
            VUhadd | VShadd => {
                self.asm.v3(PAND, d, a, b);
                self.asm.v3(add(log2), d, d, VS);
            }
            VShsub | VUhsub => {
                self.asm.v3(PANDN, d, a, b);
                self.asm.v3(sub(log2), VS, VS, d);
                self.asm.vmov(d, VS);
            }
            _ => {
                self.asm.v3(POR, d, a, b);
                self.asm.v3(sub(log2), d, d, VS);
            }
        }
        self.clean(d, inst.arr(), 4);
    }

    // --- pairwise and across -------------------------------------------------------------------------
    /// The lane-wise operation that a pairwise or across one repeats.
    fn step_of(op: Op) -> Op {
        match op {
            Op::VSmaxp | Op::VSmaxv => Op::VSmax,
            Op::VSminp | Op::VSminv => Op::VSmin,
            Op::VUmaxp | Op::VUmaxv => Op::VUmax,
            Op::VUminp | Op::VUminv => Op::VUmin,
            _ => Op::VAdd,
        }
    }

    fn pairwise(&mut self, inst: &Inst) -> bool {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let Some(e) = lane(Self::step_of(inst.op), log2) else { return false };
        if arr.width() == Width::Scalar {
            let a = self.reg(inst.args[0]);
            self.asm.v2i(p66(0x70), VS, a, if log2 == 3 { 0xee } else { 0x55 });
            self.asm.v3(e, VS, VS, a);
            self.vresult(inst, 4);
            return true;
        }
        let (a, b, d) = self.two(inst);
        let w64 = arr.width() == Width::W64;
        match log2 {
            2 if w64 => {
                // a0 b0 and a1 b1.
                self.asm.v3(p66(0x62), d, a, b);
                self.asm.v2i(p66(0x70), VS, d, 0xee);
                self.asm.v3(e, d, d, VS);
                self.clean(d, arr, 4);
            }
            2 => {
                self.asm.v3i(enc(0, 1, 0xc6), VS, a, b, 0xdd);
                self.asm.v3i(enc(0, 1, 0xc6), d, a, b, 0x88);
                self.asm.v3(e, d, d, VS);
            }
            3 => {
                self.asm.v3(p66(0x6d), VS, a, b);
                self.asm.v3(p66(0x6c), d, a, b);
                self.asm.v3(e, d, d, VS);
            }
            _ => self.pairwise_small(inst, e, (a, b, d)),
        }
        true
    }

    /// Bytes and halfwords: each pair meets in the low half of a lane of twice the size, which is then packed.
    fn pairwise_small(&mut self, inst: &Inst, e: Enc, (a, b, d): (u8, u8, u8)) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (group, n) = (0x71 + log2, 8 << log2);
        let low = self.asm.constant(splat(log2 + 1, (1 << n) - 1));
        let pack = if log2 == 0 { p66(0x67) } else { p38(0x2b) };
        if arr.width() == Width::W64 {
            self.asm.v3(p66(0x6c), d, a, b);
            self.asm.vshift(group, 2, VS, d, n);
            self.asm.v3(e, VS, VS, d);
            self.asm.v3(PAND, VS, VS, low);
            self.asm.v3(pack, d, VS, VS);
            return self.clean(d, arr, 4);
        }
        self.asm.vshift(group, 2, d, a, n);
        self.asm.v3(e, d, d, a);
        self.asm.v3(PAND, d, d, low);
        self.asm.vshift(group, 2, VS, b, n);
        self.asm.v3(e, VS, VS, b);
        self.asm.v3(PAND, VS, VS, low);
        self.asm.v3(pack, d, d, VS);
    }

    fn pairwise_long(&mut self, inst: &Inst) {
        self.pair_sums(inst);
        let d = self.def();
        self.vlow(d, Rm::R(VS), inst.arr());
    }

    /// The sums of neighbouring lanes of operand 0 in the scratch register, twice as wide.
    fn pair_sums(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        let signed = matches!(inst.op, Op::VSaddlp | Op::VSaddlv);
        let ones = self.asm.constant(splat(log2, 1));
        match (log2, signed) {
            (0, true) => {
                // pmaddubsw: unsigned first operand, signed second.
                let a = self.rm(inst.args[0]);
                self.asm.vmov(VS, ones);
                self.asm.v3(p38(0x04), VS, VS, a);
            }
            (0, false) | (1, true) => {
                let a = self.reg(inst.args[0]);
                self.asm.v3(if log2 == 0 { p38(0x04) } else { p66(0xf5) }, VS, a, ones);
            }
            (_, false) => {
                let a = self.reg(inst.args[0]);
                let n = 8 << log2;
                let low = self.asm.constant(splat(log2 + 1, (1 << n) - 1));
                let t = self.vtemp();
                self.asm.vshift(0x71 + log2, 2, t, a, n);
                self.asm.v3(PAND, VS, a, low);
                self.asm.v3(add(log2 + 1), VS, VS, t);
            }
            _ => {
                let a = self.reg(inst.args[0]);
                let t = self.vtemp();
                self.asm.v2i(p66(0x70), t, a, 0x08);
                self.asm.v2(p38(0x25), t, Rm::R(t));
                self.asm.v2i(p66(0x70), VS, a, 0x0d);
                self.asm.v2(p38(0x25), VS, Rm::R(VS));
                self.asm.v3(p66(0xd4), VS, VS, t);
            }
        }
    }

    fn across_long(&mut self, inst: &Inst) -> bool {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        if arr.width() == Width::Scalar || log2 > 2 {
            return false;
        }
        self.pair_sums(inst);
        let d = self.def_early();
        let e = add(log2 + 1);
        let steps = [64u8, 32, 16];
        let skip = (arr.width() == Width::W64) as usize;
        for &n in steps[skip..].iter().filter(|&&n| n >= 16 << log2) {
            self.asm.vshift(0x73, 3, d, VS, n / 8);
            self.asm.v3(e, VS, VS, d);
        }
        self.vlow(d, Rm::R(VS), Arr::new(log2 + 1, Width::Scalar));
        true
    }

    fn sum_bytes(&mut self, inst: &Inst) {
        let a = self.rm(inst.args[0]);
        if inst.arr().width() == Width::W128 {
            self.asm.vmov(VS, a);
        } else {
            self.asm.movq(VS, a);
        }
        self.byte_sums();
        self.vresult(inst, 0);
    }

    /// Sum of the scratch register's bytes in its lowest word.
    fn byte_sums(&mut self) {
        let zero = self.asm.constant(0);
        self.asm.v3(p66(0xf6), VS, VS, zero);
        let t = self.vtemp();
        self.asm.v2i(p66(0x70), t, VS, 0xee);
        self.asm.v3(p66(0xd4), VS, VS, t);
        self.asm.movq(VS, VS);
    }

    fn across(&mut self, inst: &Inst) -> bool {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let Some(e) = lane(Self::step_of(inst.op), log2) else { return false };
        if arr.width() == Width::Scalar || log2 > 2 {
            return false;
        }
        let a = self.reg(inst.args[0]);
        let d = self.def_early();
        // Halve until one lane is left; what lies above is garbage.
        if arr.width() == Width::W128 {
            self.asm.v2i(p66(0x70), VS, a, 0xee);
            self.asm.v3(e, d, VS, a);
        } else {
            self.asm.vmov(d, a);
        }
        for n in [32u8, 16, 8].into_iter().filter(|&n| n >= 8 << log2) {
            self.asm.vshift(0x73, 2, VS, d, n);
            self.asm.v3(e, d, d, VS);
        }
        self.vlow(d, Rm::R(d), Arr::new(log2, Width::Scalar));
        true
    }

    // --- widening and narrowing ----------------------------------------------------------------------
    fn extend(&mut self, inst: &Inst) {
        let log2 = inst.arr().log2();
        let e = p38(if inst.op == Op::VSxtl { 0x20 } else { 0x30 } + [0, 3, 5][log2 as usize % 3]);
        if inst.imm == 0 {
            let a = self.rm(inst.args[0]);
            let d = self.def();
            self.asm.v2(e, d, a);
        } else {
            let a = self.rm(inst.args[0]);
            self.asm.v2i(p66(0x70), VS, a, 0xee);
            let d = self.def();
            self.asm.v2(e, d, Rm::R(VS));
        }
        if inst.arr().width() == Width::Scalar {
            let d = self.ra.vals[self.i].reg;
            self.vlow(d, Rm::R(d), Arr::new(log2 + 1, Width::Scalar));
        }
    }

    fn mul_long(&mut self, inst: &Inst) -> bool {
        let log2 = inst.arr().log2();
        let double = inst.op == Op::VSqdmull;
        if inst.arr().width() == Width::Scalar && !double || log2 == 3 {
            return false;
        }
        let signed = double || inst.op == Op::VSmull;
        if inst.imm == EVEN {
            self.mul_even(inst, log2, signed);
            return true;
        }
        let high = inst.imm != 0;
        let (a, b, d) = self.two(inst);
        match log2 {
            0 => {
                let ext = p38(if signed { 0x20 } else { 0x30 });
                let (x, y) = if high {
                    self.asm.v2i(p66(0x70), VS, a, 0xee);
                    self.asm.v2i(p66(0x70), d, b, 0xee);
                    (VS, d)
                } else {
                    (a, b)
                };
                self.asm.v2(ext, VS, Rm::R(x));
                self.asm.v2(ext, d, Rm::R(y));
                self.asm.v3(p66(0xd5), d, d, VS);
            }
            1 => {
                self.asm.v3(p66(if signed { 0xe5 } else { 0xe4 }), VS, a, b);
                self.asm.v3(p66(0xd5), d, a, b);
                self.asm.v3(p66(if high { 0x69 } else { 0x61 }), d, d, VS);
            }
            _ => {
                let sel = if high { 0x32 } else { 0x10 };
                let e = if signed { p38(0x28) } else { p66(0xf4) };
                if self.same_lanes(inst.args[1]) {
                    self.asm.v2i(p66(0x70), d, a, sel);
                    self.asm.v3(e, d, d, b);
                } else {
                    self.asm.v2i(p66(0x70), VS, a, sel);
                    self.asm.v2i(p66(0x70), d, b, sel);
                    self.asm.v3(e, d, d, VS);
                }
            }
        }
        if double {
            let wide = match inst.arr().width() {
                Width::Scalar => Arr::new(log2 + 1, Width::Scalar),
                _ => Arr::new(log2 + 1, Width::W128),
            };
            self.asm.v3(add(log2 + 1), d, d, d);
            self.fix_minimum(wide, d, d);
            self.clean(d, wide, 4);
        }
        true
    }

    /// Products of the lanes in even places: what x86 multiplies.
    fn mul_even(&mut self, inst: &Inst, log2: u8, signed: bool) {
        let a = self.reg(inst.args[0]);
        if log2 == 2 {
            let b = self.rm(inst.args[1]);
            let d = self.def();
            return self.v3x(if signed { p38(0x28) } else { p66(0xf4) }, d, a, b, true);
        }
        // pmaddwd adds the products of the odd ones: of zeros.
        let b = self.b.def(self.b.root(inst.args[1]));
        if b.op == Op::VUxtl && b.arr().log2() == 1 {
            let b = self.rm(inst.args[1]);
            let d = self.def();
            return self.v3x(p66(0xf5), d, a, b, true);
        }
        let b = self.reg(inst.args[1]);
        let even = self.asm.constant(splat(2, 0xffff));
        self.asm.v3(PAND, VS, b, even);
        let d = self.def();
        self.v3x(p66(0xf5), d, a, Rm::R(VS), true);
    }

    pub fn narrow(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let n = inst.imm as u8;
        let a = self.reg(inst.args[0]);
        let mut s = a;
        if inst.op == Op::VRshrn && n > 0 {
            let half = self.asm.constant(splat(log2 + 1, 1 << (n - 1)));
            self.asm.v3(p66([0xfd, 0xfe, 0xd4][log2 as usize % 3]), VS, s, half);
            s = VS;
        }
        if n > 0 {
            self.asm.vshift(0x71 + log2, 2, VS, s, n);
            s = VS;
        }
        let e = 1usize << log2;
        let d = self.def();
        self.shuffle(d, s, control(arr_bytes(arr), |i| i / e * 2 * e + i % e));
    }
}
