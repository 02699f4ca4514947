//! Vector operations: the tables of those that are one instruction, and the moves. Floating point is in `fp`.
//!
//! Results have zeros above the lanes that count: A64's 64-bit and scalar forms see to that by themselves. Where there is no scalar form, the vector
//! form is cut ([`Emitter::vlow`]), which is right for whatever has no other effect than its result.

use super::asm::r;
use super::emit::Emitter;
use crate::ir::{Arr, Crypto, Dot, Inst, Op, Type, Value, Width, EVEN};
use crate::regalloc::Home;

/// Lane sizes that a form has, as a set of log2.
const B: u8 = 1;
const H: u8 = 2;
const S: u8 = 4;
const D: u8 = 8;

/// The U bit.
const U: u32 = 1 << 29;

/// How an operation is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// `d = a op b`: opcode in bits 15..11.
    Three,
    /// `d = op a`: opcode in bits 16..12.
    Two,
    /// The same with `d` as the first operand.
    TwoInto,
    /// Across lanes: opcode in bits 16..12.
    Across,
    /// ZIP and its relatives: opcode in bits 14..12.
    Permute,
    /// Shift left by a constant: opcode in bits 15..11.
    Left,
    /// Shift right by a constant.
    Right,
    /// The same two with `d` as the first operand.
    LeftInto,
    /// See above.
    RightInto,
    /// Lanes of twice the size: opcode in bits 15..12.
    Long,
    /// Narrowing shifts: opcode in bits 15..11.
    Narrow,
}

/// One form.
#[derive(Clone, Copy)]
struct Row {
    class: Class,
    /// U, and the opcode.
    u: u32,
    opcode: u32,
    /// Lane sizes in vectors.
    vec: u8,
    /// Lane sizes of scalars.
    scalar: u8,
}

const fn row(class: Class, u: u32, opcode: u32, vec: u8, scalar: u8) -> Option<Row> {
    Some(Row { class, u, opcode, vec, scalar })
}

/// The table.
fn form(op: Op) -> Option<Row> {
    use Class::*;
    use Op::*;
    const ALL: u8 = B | H | S | D;
    const BHS: u8 = B | H | S;
    match op {
        VAdd => row(Three, 0, 0x10, ALL, D),
        VSub => row(Three, U, 0x10, ALL, D),
        VMul => row(Three, 0, 0x13, BHS, 0),
        VPmul => row(Three, U, 0x13, B, 0),
        VSmax => row(Three, 0, 0x0c, BHS, 0),
        VSmin => row(Three, 0, 0x0d, BHS, 0),
        VUmax => row(Three, U, 0x0c, BHS, 0),
        VUmin => row(Three, U, 0x0d, BHS, 0),
        VSabd => row(Three, 0, 0x0e, BHS, 0),
        VUabd => row(Three, U, 0x0e, BHS, 0),
        VShadd => row(Three, 0, 0x00, BHS, 0),
        VUhadd => row(Three, U, 0x00, BHS, 0),
        VSrhadd => row(Three, 0, 0x02, BHS, 0),
        VUrhadd => row(Three, U, 0x02, BHS, 0),
        VShsub => row(Three, 0, 0x04, BHS, 0),
        VUhsub => row(Three, U, 0x04, BHS, 0),
        VCmpEq => row(Three, U, 0x11, ALL, D),
        VCmpGt => row(Three, 0, 0x06, ALL, D),
        VCmpGe => row(Three, 0, 0x07, ALL, D),
        VCmpHi => row(Three, U, 0x06, ALL, D),
        VCmpHs => row(Three, U, 0x07, ALL, D),
        VTst => row(Three, 0, 0x11, ALL, D),
        VAddp => row(Three, 0, 0x17, ALL, 0),
        VSmaxp => row(Three, 0, 0x14, BHS, 0),
        VSminp => row(Three, 0, 0x15, BHS, 0),
        VUmaxp => row(Three, U, 0x14, BHS, 0),
        VUminp => row(Three, U, 0x15, BHS, 0),
        VUshl => row(Three, U, 0x08, ALL, D),
        VSshl => row(Three, 0, 0x08, ALL, D),
        VUrshl => row(Three, U, 0x0a, ALL, D),
        VSrshl => row(Three, 0, 0x0a, ALL, D),
        VSqadd => row(Three, 0, 0x01, ALL, ALL),
        VUqadd => row(Three, U, 0x01, ALL, ALL),
        VSqsub => row(Three, 0, 0x05, ALL, ALL),
        VUqsub => row(Three, U, 0x05, ALL, ALL),
        VSqdmulh => row(Three, 0, 0x16, H | S, H | S),
        VSqrdmulh => row(Three, U, 0x16, H | S, H | S),
        VSqshl => row(Three, 0, 0x09, ALL, ALL),
        VUqshl => row(Three, U, 0x09, ALL, ALL),
        VSqrshl => row(Three, 0, 0x0b, ALL, ALL),
        VUqrshl => row(Three, U, 0x0b, ALL, ALL),
        VNeg => row(Two, U, 0x0b, ALL, D),
        VAbs => row(Two, 0, 0x0b, ALL, D),
        VCls => row(Two, 0, 0x04, BHS, 0),
        VClz => row(Two, U, 0x04, BHS, 0),
        VCnt => row(Two, 0, 0x05, B, 0),
        VSqabs => row(Two, 0, 0x07, ALL, ALL),
        VSqneg => row(Two, U, 0x07, ALL, ALL),
        VSaddlp => row(Two, 0, 0x02, BHS, 0),
        VUaddlp => row(Two, U, 0x02, BHS, 0),
        VSuqadd => row(TwoInto, 0, 0x03, ALL, ALL),
        VUsqadd => row(TwoInto, U, 0x03, ALL, ALL),
        VSaddlv => row(Across, 0, 0x03, BHS, 0),
        VUaddlv => row(Across, U, 0x03, BHS, 0),
        VSmaxv => row(Across, 0, 0x0a, BHS, 0),
        VUmaxv => row(Across, U, 0x0a, BHS, 0),
        VSminv => row(Across, 0, 0x1a, BHS, 0),
        VUminv => row(Across, U, 0x1a, BHS, 0),
        VAddv => row(Across, 0, 0x1b, BHS, 0),
        VUzp1 => row(Permute, 0, 1, ALL, 0),
        VTrn1 => row(Permute, 0, 2, ALL, 0),
        VZip1 => row(Permute, 0, 3, ALL, 0),
        VUzp2 => row(Permute, 0, 5, ALL, 0),
        VTrn2 => row(Permute, 0, 6, ALL, 0),
        VZip2 => row(Permute, 0, 7, ALL, 0),
        VShlI => row(Left, 0, 0x0a, ALL, D),
        VUshrI => row(Right, U, 0x00, ALL, D),
        VSshrI => row(Right, 0, 0x00, ALL, D),
        VUrshrI => row(Right, U, 0x04, ALL, D),
        VSrshrI => row(Right, 0, 0x04, ALL, D),
        VSliI => row(LeftInto, U, 0x0a, ALL, D),
        VSriI => row(RightInto, U, 0x08, ALL, D),
        VSqshlI => row(Left, 0, 0x0e, ALL, ALL),
        VUqshlI => row(Left, U, 0x0e, ALL, ALL),
        VSqshluI => row(Left, U, 0x0c, ALL, ALL),
        VSmull => row(Long, 0, 0x0c, BHS, 0),
        VUmull => row(Long, U, 0x0c, BHS, 0),
        VPmull => row(Long, 0, 0x0e, B, 0),
        VSqdmull => row(Long, 0, 0x0d, H | S, H | S),
        VShrn => row(Narrow, 0, 0x10, BHS, 0),
        VRshrn => row(Narrow, 0, 0x11, BHS, 0),
        VSqshrn => row(Narrow, 0, 0x12, BHS, BHS),
        VSqrshrn => row(Narrow, 0, 0x13, BHS, BHS),
        VUqshrn => row(Narrow, U, 0x12, BHS, BHS),
        VUqrshrn => row(Narrow, U, 0x13, BHS, BHS),
        VSqshrun => row(Narrow, U, 0x10, BHS, BHS),
        VSqrshrun => row(Narrow, U, 0x11, BHS, BHS),
        _ => None,
    }
}

/// The FP type field for scalars of a size.
pub fn ftype(log2: u8) -> u32 {
    [0, 3, 0, 1][log2 as usize & 3] << 22
}

/// The Q bit for an arrangement.
pub fn q(arr: Arr) -> u32 {
    ((arr.width() == Width::W128) as u32) << 30
}

/// Whether it is scalar to A64: one lane, also of a 64-bit vector.
pub fn is_scalar(arr: Arr) -> bool {
    arr.lanes() == 1
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

/// imm5 of the instructions that name a lane.
fn lane(log2: u8, n: u32) -> u32 {
    (n << (log2 + 1) | 1 << log2) << 16
}

impl Emitter<'_> {
    /// Emit a vector operation directly, if there is a way.
    pub fn vector(&mut self, inst: &Inst) -> bool {
        let name = inst.op as u16;
        if (Op::FAdd as u16..=Op::FCvtn as u16).contains(&name) {
            return self.fp(inst);
        }
        if (Op::Aese as u16..=Op::Sha256su1 as u16).contains(&name) {
            return self.crypto(inst);
        }
        match form(inst.op) {
            Some(row) => self.by_form(inst, row),
            None => self.special(inst),
        }
    }

    // --- building blocks -----------------------------------------------------------------------------
    /// `d = a op b` of any two vector registers.
    fn v3(&mut self, inst: &Inst, op: u32) -> bool {
        let (a, b) = (self.reg(inst.args[0]), self.reg(inst.args[1]));
        let d = self.def();
        self.asm.v3(op, d, a, b);
        true
    }

    fn v2(&mut self, inst: &Inst, op: u32) -> bool {
        let a = self.reg(inst.args[0]);
        let d = self.def();
        self.asm.v2(op, d, a);
        true
    }

    /// An instruction whose destination is its first operand: where to make it, given its other operands. `settle` follows.
    pub fn into_first(&mut self, a: Value, others: &[u8]) -> (u8, u8) {
        let a = self.reg(a);
        let d = self.def();
        let t = if d != a && others.contains(&d) { super::regs::VS } else { d };
        self.asm.vmov(t, a);
        (t, d)
    }

    /// The instruction on the operands (args[0] = d, args[1], args[2]).
    fn into3(&mut self, inst: &Inst, op: u32) -> bool {
        let (b, c) = (self.reg(inst.args[1]), self.reg(inst.args[2]));
        let (t, d) = self.into_first(inst.args[0], &[b, c]);
        self.asm.v3(op, t, b, c);
        self.asm.vmov(d, t);
        true
    }

    fn into2(&mut self, inst: &Inst, op: u32) -> bool {
        let b = self.reg(inst.args[1]);
        let (t, d) = self.into_first(inst.args[0], &[b]);
        self.asm.v2(op, t, b);
        self.asm.vmov(d, t);
        true
    }

    /// `d` = the lanes of `a` that count.
    pub fn vlow(&mut self, d: u8, a: u8, arr: Arr) {
        match arr.bytes_log2() {
            4 => self.asm.vmov(d, a),
            n => self.asm.v2(0x5e00_0400 | lane(n, 0), d, a),
        }
    }

    // --- the tables ----------------------------------------------------------------------------------
    fn by_form(&mut self, inst: &Inst, row: Row) -> bool {
        use Class::*;
        let arr = inst.arr();
        let (log2, scalar) = (arr.log2(), is_scalar(arr));
        if matches!(row.class, Long | Narrow) {
            return self.resize(inst, row);
        }
        if row.class == Across || inst.op == Op::VAddp && scalar {
            return self.across(inst, row);
        }
        let own = row.scalar >> log2 & 1 != 0;
        let cut = scalar && !own;
        // A saturating operation has one more effect.
        if row.vec >> log2 & 1 == 0 || cut && (row.scalar != 0 && row.scalar != D || log2 == 3) {
            return false;
        }
        if cut && row.class == Permute {
            return false;
        }
        let bits = row.u | if scalar && own { 0x5000_0000 } else { q(arr) };
        let (size, bits_n) = ((log2 as u32) << 22, arr.ebits());
        let n = inst.imm as u32;
        match row.class {
            Three => self.v3(inst, bits | size | 0x0e20_0400 | row.opcode << 11),
            Permute => self.v3(inst, bits | size | 0x0e00_0800 | row.opcode << 12),
            Two => self.v2(inst, bits | size | 0x0e20_0800 | row.opcode << 12),
            TwoInto => self.into2(inst, bits | size | 0x0e20_0800 | row.opcode << 12),
            Left => self.v2(inst, bits | (bits_n + n) << 16 | 0x0f00_0400 | row.opcode << 11),
            Right => self.v2(inst, bits | (2 * bits_n - n) << 16 | 0x0f00_0400 | row.opcode << 11),
            LeftInto => self.into2(inst, bits | (bits_n + n) << 16 | 0x0f00_0400 | row.opcode << 11),
            _ => self.into2(inst, bits | (2 * bits_n - n) << 16 | 0x0f00_0400 | row.opcode << 11),
        };
        if cut {
            let d = self.def_again();
            self.vlow(d, d, arr);
        }
        true
    }

    /// The register that the result is in.
    fn def_again(&self) -> u8 {
        self.ra.vals[self.i].reg
    }

    /// Reductions; those of two lanes are pairwise.
    fn across(&mut self, inst: &Inst, row: Row) -> bool {
        let arr = inst.arr();
        let (size, log2) = ((arr.log2() as u32) << 22, arr.log2());
        if inst.op == Op::VAddp || log2 == 3 && inst.op == Op::VAddv {
            // Both lanes of a.
            return log2 == 3 && self.v2(inst, 0x5ef1_b800);
        }
        if is_scalar(arr) || log2 == 3 {
            return false;
        }
        if arr != Arr::S2 {
            return self.v2(inst, row.u | q(arr) | size | 0x0e30_0800 | row.opcode << 12);
        }
        let pairwise = match inst.op {
            Op::VSaddlv => return self.v2(inst, 0x0ea0_2800),
            Op::VUaddlv => return self.v2(inst, 0x2ea0_2800),
            Op::VAddv => 0x0ea0_bc00,
            Op::VSmaxv => 0x0ea0_a400,
            Op::VSminv => 0x0ea0_ac00,
            Op::VUmaxv => 0x2ea0_a400,
            _ => 0x2ea0_ac00,
        };
        let a = self.reg(inst.args[0]);
        let d = self.def();
        self.asm.v3(pairwise, d, a, a);
        self.vlow(d, d, Arr::S);
        true
    }

    /// Widening and narrowing by table.
    fn resize(&mut self, inst: &Inst, row: Row) -> bool {
        let arr = inst.arr();
        let (log2, scalar) = (arr.log2(), arr.width() == Width::Scalar);
        let own = row.scalar >> log2 & 1 != 0;
        if inst.op == Op::VPmull && log2 == 3 {
            let part = ((inst.imm & 1) as u32) << 30;
            return self.feat.pmull && self.v3(inst, 0x0ee0_e000 | part);
        }
        // For a scalar, a part counts differently.
        if row.vec >> log2 & 1 == 0 || scalar && (inst.imm != 0 && row.class == Class::Long || row.scalar != 0 && !own) {
            return false;
        }
        let bits = row.u | if scalar && own { 0x5000_0000 } else { 0 };
        let size = (log2 as u32) << 22;
        if row.class == Class::Long && inst.imm == EVEN {
            let (a, b, t) = (self.reg(inst.args[0]), self.reg(inst.args[1]), self.vtemp());
            self.asm.v2(0x0e21_2800 | size, super::regs::VS, a);
            self.asm.v2(0x0e21_2800 | size, t, b);
            let d = self.def();
            self.asm.v3(bits | size | 0x0e20_0000 | row.opcode << 12, d, super::regs::VS, t);
            return true;
        }
        if row.class == Class::Long {
            self.v3(inst, bits | ((inst.imm & 1) as u32) << 30 | size | 0x0e20_0000 | row.opcode << 12);
            if scalar && !own {
                let d = self.def_again();
                self.vlow(d, d, arr.with_log2(log2 + 1));
            }
            return true;
        }
        let n = inst.imm as u32 & 127;
        match n {
            0 => {
                // XTN, SQXTN, UQXTN, SQXTUN
                let extract = match (inst.op, row.u) {
                    (Op::VShrn | Op::VRshrn, _) => 0x0e21_2800,
                    (Op::VSqshrn | Op::VSqrshrn, _) => 0x0e21_4800,
                    (Op::VUqshrn | Op::VUqrshrn, _) => 0x2e21_4800,
                    _ => 0x2e21_2800,
                };
                self.v2(inst, bits | extract | size)
            }
            n => self.v2(inst, bits | (2 * arr.ebits() - n) << 16 | 0x0f00_0400 | row.opcode << 11),
        };
        if scalar && !own {
            let d = self.def_again();
            self.vlow(d, d, arr);
        }
        true
    }

    // --- moves, bitwise, permutes ----------------------------------------------------------------------
    fn special(&mut self, inst: &Inst) -> bool {
        use Op::*;
        let arr = inst.arr();
        let (log2, n) = (arr.log2(), inst.imm as u32);
        match inst.op {
            VConst => {
                let low = inst.imm as u128 & (u128::MAX >> (128 - 8 * (arr.lanes() * arr.ebytes()).min(8)));
                let c = if arr.width() == Width::W128 { low | low << 64 } else { low };
                let index = self.asm.pool_index(c);
                self.ra.set_home(self.i, Home::Pool(index));
                true
            }
            VAnd => self.bitwise(inst, 0x0e20_1c00),
            VAndn => self.bitwise(inst, 0x0e60_1c00),
            VOr => self.bitwise(inst, 0x0ea0_1c00),
            VOrn => self.bitwise(inst, 0x0ee0_1c00),
            VXor => self.bitwise(inst, 0x2e20_1c00),
            VNot => self.v2(inst, 0x2e20_5800 | q(arr)) && self.cut_bitwise(arr),
            VRbit => self.v2(inst, 0x2e60_5800 | q(arr)) && self.cut_bitwise(arr),
            VBsl => self.bsl(inst) && self.cut_bitwise(arr),
            VLow => {
                let a = self.reg(inst.args[0]);
                let d = self.def();
                self.vlow(d, a, arr);
                true
            }
            VFromInt | VDup => self.from_int(inst),
            VDupLane if is_scalar(arr) => self.v2(inst, 0x5e00_0400 | lane(log2, n)),
            VDupLane => self.v2(inst, 0x0e00_0400 | q(arr) | lane(log2, n)),
            VInsert => {
                let b = self.rz(inst.args[1]);
                let (t, _) = self.into_first(inst.args[0], &[]);
                self.asm.v2(0x4e00_1c00 | lane(log2, n), t, b);
                self.cut_insert(inst)
            }
            VInsertLane => {
                let b = self.reg(inst.args[1]);
                let (t, d) = self.into_first(inst.args[0], &[b]);
                self.asm.v2(0x6e00_0400 | lane(log2, n >> 8) | (n & 0xff) << (11 + log2), t, b);
                self.asm.vmov(d, t);
                self.cut_insert(inst)
            }
            VExtract | VExtractS => self.extract(inst),
            VMovMask => self.move_mask(inst),
            VPair => self.pair(inst),
            VExt => self.v3(inst, 0x2e00_0000 | q(arr) | n << 11),
            VRev => self.v2(
                inst,
                q(arr) | (log2 as u32) << 22 | [0x0e20_1800, 0x2e20_0800, 0x0e20_0800][n.trailing_zeros() as usize - 1],
            ),
            VTbx => self.tbx(inst),
            VSxtl | VUxtl => self.extend(inst),
            VUrecpe => !is_scalar(arr) && self.v2(inst, 0x0ea1_c800 | q(arr)),
            VUrsqrte => !is_scalar(arr) && self.v2(inst, 0x2ea1_c800 | q(arr)),
            VDot => self.dot(inst),
            VSqrdmlah if self.feat.rdm && (1..=2).contains(&log2) => {
                let op = 0x2e00_8400 | (n & 1) << 11 | (log2 as u32) << 22;
                self.into3(inst, op | if is_scalar(arr) { 0x5000_0000 } else { q(arr) })
            }
            _ => false,
        }
    }

    fn bitwise(&mut self, inst: &Inst, op: u32) -> bool {
        self.v3(inst, op | q(inst.arr())) && self.cut_bitwise(inst.arr())
    }

    /// The result of a 64-bit form cut to fewer bytes.
    fn cut_bitwise(&mut self, arr: Arr) -> bool {
        if arr.bytes_log2() < 3 {
            let d = self.def_again();
            self.vlow(d, d, arr);
        }
        true
    }

    fn cut_insert(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        if self.b.width(inst.args[0]) > arr.bytes_log2() || arr.width() == Width::Scalar {
            let d = self.def_again();
            self.vlow(d, d, arr);
        }
        true
    }

    fn bsl(&mut self, inst: &Inst) -> bool {
        let [m, a, b] = inst.args;
        let (m, a, b) = (self.reg(m), self.reg(a), self.reg(b));
        let d = self.def();
        let width = q(inst.arr());
        if d == b {
            // bit
            self.asm.v3(0x2ea0_1c00 | width, d, a, m);
        } else if d == a {
            // bif
            self.asm.v3(0x2ee0_1c00 | width, d, b, m);
        } else {
            self.asm.vmov(d, m);
            self.asm.v3(0x2e60_1c00 | width, d, a, b);
        }
        true
    }

    /// `dup` and `fmov` from a general register.
    fn from_int(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let log2 = arr.log2();
        let wide = self.b.ty(inst.args[0]) == Type::I64;
        let a = self.rz(inst.args[0]);
        let d = self.def();
        if !is_scalar(arr) && inst.op == Op::VDup {
            self.asm.v2(0x0e00_0c00 | q(arr) | lane(log2, 0), d, a);
            return true;
        }
        let a = match log2 {
            0 | 1 => {
                self.asm.ubfx(false, r::S0, a, 0, 8 << log2);
                r::S0
            }
            _ => a,
        };
        self.asm.v2(if log2 == 3 && wide { 0x9e67_0000 } else { 0x1e27_0000 }, d, a);
        true
    }

    fn extract(&mut self, inst: &Inst) -> bool {
        let (log2, n) = (inst.arr().log2(), inst.imm as u32);
        let w = inst.ty == Type::I64;
        let a = self.reg(inst.args[0]);
        let d = self.def();
        let signed = inst.op == Op::VExtractS && (log2 < 2 || log2 == 2 && w);
        let op = match (signed, log2, n) {
            (true, ..) => 0x0e00_2c00 | (w as u32) << 30 | lane(log2, n),
            (_, 3, 0) => 0x9e66_0000,
            (_, 2, 0) => 0x1e26_0000,
            _ => 0x0e00_3c00 | ((log2 == 3) as u32) << 30 | lane(log2, n),
        };
        self.asm.v2(op, d, a);
        if log2 == 3 && !w {
            self.asm.mov(false, d, d);
        }
        true
    }

    fn pair(&mut self, inst: &Inst) -> bool {
        let (a, b) = (self.rz(inst.args[0]), self.rz(inst.args[1]));
        let d = self.def();
        self.asm.v2(0x9e67_0000, d, a);
        if b != r::ZR {
            // mov d.d[1], x
            self.asm.v2(0x4e18_1c00, d, b);
        }
        true
    }

    fn tbx(&mut self, inst: &Inst) -> bool {
        let [a, table, index] = inst.args;
        let root = &self.b.insts[self.ra.root(a)];
        let width = q(inst.arr());
        let (t, c) = (self.reg(table), self.reg(index));
        if root.op == Op::VConst && root.imm == 0 {
            let d = self.def();
            self.asm.v3(0x0e00_0000 | width, d, t, c);
        } else {
            let (x, d) = self.into_first(a, &[t, c]);
            self.asm.v3(0x0e00_1000 | width, x, t, c);
            self.asm.vmov(d, x);
        }
        self.cut_bitwise(inst.arr())
    }

    /// sxtl, uxtl: shifts left by 0.
    fn extend(&mut self, inst: &Inst) -> bool {
        let arr = inst.arr();
        let scalar = arr.width() == Width::Scalar;
        if arr.log2() > 2 || scalar && inst.imm != 0 {
            return false;
        }
        let u = if inst.op == Op::VUxtl { U } else { 0 };
        self.v2(inst, 0x0f00_a400 | u | ((inst.imm & 1) as u32) << 30 | arr.ebits() << 16);
        if scalar {
            let d = self.def_again();
            self.vlow(d, d, arr.with_log2(arr.log2() + 1));
        }
        true
    }

    fn dot(&mut self, inst: &Inst) -> bool {
        let width = q(inst.arr());
        let (have, op) = match inst.imm {
            n if n == Dot::SS as u64 => (self.feat.dotprod, 0x0e80_9400 | width),
            n if n == Dot::UU as u64 => (self.feat.dotprod, 0x2e80_9400 | width),
            n if n == Dot::US as u64 || n == Dot::SU as u64 => (self.feat.i8mm, 0x0e80_9c00 | width),
            4 => (self.feat.i8mm, 0x4e80_a400),
            5 => (self.feat.i8mm, 0x4e80_ac00),
            7 => (self.feat.i8mm, 0x6e80_a400),
            n if n == Dot::Bf as u64 => (self.feat.bf16, 0x2e40_fc00 | width),
            n if n == Dot::BfMatrix as u64 => (self.feat.bf16, 0x6e40_ec00),
            _ => (false, 0),
        };
        if !have {
            return false;
        }
        if inst.imm == Dot::SU as u64 {
            let swapped = Inst { args: [inst.args[0], inst.args[2], inst.args[1]], ..*inst };
            return self.into3(&swapped, op);
        }
        self.into3(inst, op)
    }

    // --- cryptography ----------------------------------------------------------------------------------
    fn crypto(&mut self, inst: &Inst) -> bool {
        let into3 = match inst.op {
            Op::Crypto => return self.newer_crypto(inst),
            _ if !self.feat.crypto => return false,
            Op::Aese => return self.into2(inst, 0x4e28_4800),
            Op::Aesd => return self.into2(inst, 0x4e28_5800),
            Op::Aesmc => return self.v2(inst, 0x4e28_6800),
            Op::Aesimc => return self.v2(inst, 0x4e28_7800),
            Op::Sha1h => return self.v2(inst, 0x5e28_0800),
            Op::Sha1su1 => return self.into2(inst, 0x5e28_1800),
            Op::Sha256su0 => return self.into2(inst, 0x5e28_2800),
            Op::Sha1c => 0x5e00_0000,
            Op::Sha1p => 0x5e00_1000,
            Op::Sha1m => 0x5e00_2000,
            Op::Sha1su0 => 0x5e00_3000,
            Op::Sha256h => 0x5e00_4000,
            Op::Sha256h2 => 0x5e00_5000,
            _ => 0x5e00_6000,
        };
        self.into3(inst, into3)
    }

    fn newer_crypto(&mut self, inst: &Inst) -> bool {
        use Crypto::*;
        let what = Crypto::from_bits(inst.imm);
        let n = (inst.imm >> 8) as u32;
        let have = match what {
            Sha512h | Sha512h2 | Sha512su0 | Sha512su1 => self.feat.sha512,
            Eor3 | Bcax | Xar | Rax1 => self.feat.sha3,
            _ => self.feat.sm,
        };
        if !have {
            return false;
        }
        match what {
            Sha512h => self.into3(inst, 0xce60_8000),
            Sha512h2 => self.into3(inst, 0xce60_8400),
            Sha512su0 => self.into2(inst, 0xcec0_8000),
            Sha512su1 => self.into3(inst, 0xce60_8800),
            Eor3 => self.four(inst, 0xce00_0000),
            Bcax => self.four(inst, 0xce20_0000),
            Xar => self.v3(inst, 0xce80_0000 | n << 10),
            Rax1 => self.v3(inst, 0xce60_8c00),
            Sm3ss1 => self.four(inst, 0xce40_0000),
            Sm3tt1a => self.into3(inst, 0xce40_8000 | n << 12),
            Sm3tt1b => self.into3(inst, 0xce40_8400 | n << 12),
            Sm3tt2a => self.into3(inst, 0xce40_8800 | n << 12),
            Sm3tt2b => self.into3(inst, 0xce40_8c00 | n << 12),
            Sm3partw1 => self.into3(inst, 0xce60_c000),
            Sm3partw2 => self.into3(inst, 0xce60_c400),
            Sm4e => self.into2(inst, 0xcec0_8400),
            Sm4ekey => self.v3(inst, 0xce60_c800),
        }
    }

    /// Three operands and a destination of its own.
    fn four(&mut self, inst: &Inst, op: u32) -> bool {
        let [a, b, c] = inst.args.map(|v| self.reg(v));
        let d = self.def();
        self.asm.v3(op | (c as u32) << 10, d, a, b);
        true
    }
}
