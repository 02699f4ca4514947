//! Integer vector arithmetic, shifts, widening and narrowing, saturation.

use super::asm::{enc, p38, p3a, p66, state, Enc, Rm};
use super::emit::Emitter;
use super::regs::VS;
use super::vec::{arr_bytes, control, splat};
use crate::ir::{Arr, Inst, Op, Width};

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

const PAND: Enc = p66(0xdb);

const POR: Enc = p66(0xeb);
const PXOR: Enc = p66(0xef);

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
            VCnt => self.count(inst),
            VUhadd | VShadd | VSrhadd | VUrhadd if log2 == 1 || log2 == 2 => self.halving(inst),
            VAddp | VSmaxp | VSminp | VUmaxp | VUminp => return self.pairwise(inst),
            VUaddlp | VSaddlp => return self.pairwise_long(inst),
            VAddv | VSmaxv | VSminv | VUmaxv | VUminv => return self.across(inst),
            VUaddlv if log2 == 0 => {
                let a = self.rm(inst.args[0]);
                if arr.width() == Width::W128 {
                    self.asm.vmov(VS, a);
                } else {
                    self.asm.movq(VS, a);
                }
                self.byte_sums();
                self.vresult(inst, 0);
            }
            VShlI | VUshrI | VSshrI | VUrshrI | VSrshrI => self.shift_lanes(inst),
            VSliI | VSriI => self.shift_insert(inst),
            VSqadd | VUqadd | VSqsub | VUqsub if log2 < 2 => self.saturating(inst),
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
    fn vresult(&mut self, inst: &Inst, known: u8) {
        let d = self.def();
        let arr = inst.arr();
        if 1usize << known > arr_bytes(arr) {
            self.vlow(d, Rm::R(VS), arr);
        } else {
            self.asm.vmov(d, VS);
        }
    }

    /// One instruction lane by lane.
    fn vlane(&mut self, inst: &Inst, e: Enc, commutes: bool) {
        let a = self.reg(inst.args[0]);
        let b = self.rm(inst.args[1]);
        let d = self.def();
        self.v3x(e, d, a, b, commutes);
        // Zeros make ones in a comparison for equality.
        let keeps = inst.op != Op::VCmpEq;
        let known = if keeps { self.known(inst.args[0]).max(self.known(inst.args[1])) } else { 4 };
        self.clean(d, inst.arr(), known);
    }

    /// Both operands in registers, none of which is the result's.
    fn two(&mut self, inst: &Inst) -> (u8, u8, u8) {
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

    fn count(&mut self, inst: &Inst) {
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

    fn halving(&mut self, inst: &Inst) {
        let (a, b, d) = self.two(inst);
        let log2 = inst.arr().log2();
        let signed = matches!(inst.op, Op::VShadd | Op::VSrhadd);
        let rounded = matches!(inst.op, Op::VSrhadd | Op::VUrhadd);
        // (a & b) + ((a ^ b) >> 1), rounded: (a | b) - ((a ^ b) >> 1).
        self.asm.v3(PXOR, VS, a, b);
        self.asm.vshift(0x71 + log2 - 1, if signed { 4 } else { 2 }, VS, VS, 1);
        self.asm.v3(if rounded { POR } else { PAND }, d, a, b);
        let op = if rounded { [0xf9, 0xfa] } else { [0xfd, 0xfe] };
        self.asm.v3(p66(op[log2 as usize - 1]), d, d, VS);
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

    fn pairwise_long(&mut self, inst: &Inst) -> bool {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let signed = inst.op == Op::VSaddlp;
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
            (1 | 2, false) => {
                let a = self.reg(inst.args[0]);
                let n = 8 << log2;
                let low = self.asm.constant(splat(log2 + 1, (1 << n) - 1));
                let d = self.def_early();
                self.asm.vshift(0x71 + log2, 2, VS, a, n);
                self.asm.v3(PAND, d, a, low);
                self.asm.v3(p66([0xfe, 0xd4][log2 as usize - 1]), d, d, VS);
                self.clean(d, Arr::new(3, arr.width()), 4);
                return true;
            }
            _ => return false,
        }
        let d = self.def();
        self.vlow(d, Rm::R(VS), arr);
        true
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

    // --- shifts --------------------------------------------------------------------------------------
    /// `d = a << n` (ext 6), `a >> n` logical (2) or arithmetic (4) by lanes of `log2`, n below the width.
    fn shift_imm_lanes(&mut self, ext: u8, log2: u8, d: u8, a: u8, n: u8) {
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
            (3, 4) => {
                self.asm.vshift(0x73, 2, d, a, n);
                let s = self.asm.constant(splat(3, 1 << (63 - n)));
                self.asm.v3(PXOR, d, d, s);
                self.asm.v3(p66(0xfb), d, d, s);
            }
            _ => self.asm.vshift(0x70 + log2, ext, d, a, n),
        }
    }

    fn shift_lanes(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let bits = arr.ebits() as u8;
        let n = inst.imm as u8;
        let a = self.reg(inst.args[0]);
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
            self.asm.v3(p66([0xfc, 0xfd, 0xfe, 0xd4][log2 as usize & 3]), d, d, VS);
        }
        self.clean(d, arr, self.known(inst.args[0]));
    }

    fn shift_insert(&mut self, inst: &Inst) {
        let (arr, log2) = (inst.arr(), inst.arr().log2());
        let (bits, n) = (arr.ebits(), inst.imm as u32);
        let (a, b, d) = self.two(inst);
        let left = inst.op == Op::VSliI;
        let lanes = u64::MAX >> (64 - bits);
        let keep = match (left, n >= bits) {
            (true, _) => lanes & !(lanes << n),
            (false, true) => lanes,
            (false, false) => lanes & !(lanes >> n),
        };
        if n >= bits {
            self.asm.vmov(d, a);
        } else {
            self.shift_imm_lanes(if left { 6 } else { 2 }, log2, VS, b, n as u8);
            let keep = self.asm.constant(splat(log2, keep));
            self.asm.v3(PAND, d, a, keep);
            self.asm.v3(POR, d, d, VS);
        }
        self.clean(d, arr, 4);
    }

    // --- saturation ----------------------------------------------------------------------------------
    fn saturating(&mut self, inst: &Inst) {
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
        // QC: somewhere in the lanes that count the two differ.
        self.asm.v3(PXOR, VS, VS, d);
        self.clean(VS, arr, 4);
        self.asm.v3(POR, VS, VS, state!(qc));
        self.asm.vstore(state!(qc), VS);
        self.clean(d, arr, 4);
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
        if inst.arr().width() == Width::Scalar {
            return false;
        }
        let signed = inst.op == Op::VSmull;
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
                self.asm.v2i(p66(0x70), VS, a, sel);
                self.asm.v2i(p66(0x70), d, b, sel);
                self.asm.v3(if signed { p38(0x28) } else { p66(0xf4) }, d, d, VS);
            }
        }
        true
    }

    fn narrow(&mut self, inst: &Inst) {
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
