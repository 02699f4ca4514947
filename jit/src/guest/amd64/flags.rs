//! The arithmetic flags: made, combined, asked for.

use super::lift::Lifter;
use super::operand::carrier;
use super::regs;
use crate::ir::{Cond, GuestReg, Inst, Op, Type, Value};
use iced_x86::Mnemonic as M;

/// How a condition is to be tested.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// Condition on flags.
    Flags(Cond, Value),
    /// Bit 0 of a value is one (`true`) or zero.
    Bit(Value, bool),
}

/// What an instruction with a condition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Under {
    /// Jcc.
    Jump,
    /// SETcc.
    Set,
    /// CMOVcc.
    Move,
}

/// The condition in an instruction's name, in the processor's numbering.
pub fn condition(m: M) -> Option<(Under, u8)> {
    let (under, cc) = match m {
        M::Jo => (Under::Jump, 0),
        M::Jno => (Under::Jump, 1),
        M::Jb => (Under::Jump, 2),
        M::Jae => (Under::Jump, 3),
        M::Je => (Under::Jump, 4),
        M::Jne => (Under::Jump, 5),
        M::Jbe => (Under::Jump, 6),
        M::Ja => (Under::Jump, 7),
        M::Js => (Under::Jump, 8),
        M::Jns => (Under::Jump, 9),
        M::Jp => (Under::Jump, 10),
        M::Jnp => (Under::Jump, 11),
        M::Jl => (Under::Jump, 12),
        M::Jge => (Under::Jump, 13),
        M::Jle => (Under::Jump, 14),
        M::Jg => (Under::Jump, 15),
        M::Seto => (Under::Set, 0),
        M::Setno => (Under::Set, 1),
        M::Setb => (Under::Set, 2),
        M::Setae => (Under::Set, 3),
        M::Sete => (Under::Set, 4),
        M::Setne => (Under::Set, 5),
        M::Setbe => (Under::Set, 6),
        M::Seta => (Under::Set, 7),
        M::Sets => (Under::Set, 8),
        M::Setns => (Under::Set, 9),
        M::Setp => (Under::Set, 10),
        M::Setnp => (Under::Set, 11),
        M::Setl => (Under::Set, 12),
        M::Setge => (Under::Set, 13),
        M::Setle => (Under::Set, 14),
        M::Setg => (Under::Set, 15),
        M::Cmovo => (Under::Move, 0),
        M::Cmovno => (Under::Move, 1),
        M::Cmovb => (Under::Move, 2),
        M::Cmovae => (Under::Move, 3),
        M::Cmove => (Under::Move, 4),
        M::Cmovne => (Under::Move, 5),
        M::Cmovbe => (Under::Move, 6),
        M::Cmova => (Under::Move, 7),
        M::Cmovs => (Under::Move, 8),
        M::Cmovns => (Under::Move, 9),
        M::Cmovp => (Under::Move, 10),
        M::Cmovnp => (Under::Move, 11),
        M::Cmovl => (Under::Move, 12),
        M::Cmovge => (Under::Move, 13),
        M::Cmovle => (Under::Move, 14),
        M::Cmovg => (Under::Move, 15),
        _ => return None,
    };
    Some((under, cc))
}

impl Lifter<'_> {
    /// The flags.
    pub fn flags(&mut self) -> Value {
        self.b.get(GuestReg::FLAGS)
    }
    /// Set SF, ZF, !CF, OF.
    pub fn set_flags(&mut self, f: Value) {
        self.b.set(GuestReg::FLAGS, f);
    }
    /// PF is the parity of the low byte of `v`.
    pub fn set_pf(&mut self, v: Value) {
        let v = self.wide(v);
        self.b.set(regs::PF, v);
    }
    /// AF is bit 4 of `v` and of what PF comes from, exclusive-or.
    pub fn set_af(&mut self, v: Value) {
        let v = self.wide(v);
        self.b.set(regs::AF, v);
    }
    /// The carry inverted: between IR's meaning of an addition's flags and the resting one.
    pub fn cflip(&mut self, f: Value) -> Value {
        match *self.b.def(f) {
            Inst { op: Op::CFlip, args: [g, ..], .. } => g,
            _ => self.b.op(Op::CFlip, Type::Flags, &[f], 0, 0),
        }
    }
    /// `f` with the flags in `mask` (N 8, Z 4, C 2, V 1) from bits 3..0 of `bits >> shift`.
    pub fn insert(&mut self, f: Value, bits: Value, shift: u32, mask: u32) -> Value {
        self.b.op(Op::FlagsInsert, Type::Flags, &[f, bits], 0, (shift << 8 | mask) as u64)
    }
    /// `f` with the carry of `old`.
    pub fn keep_carry(&mut self, f: Value, old: Value) -> Value {
        let bits = self.b.op(Op::FlagsTo, Type::I64, &[old], 0, 0);
        self.insert(f, bits, 28, 2)
    }
    /// 1 if the condition holds.
    pub fn set_cond(&mut self, ty: Type, cc: Cond, f: Value) -> Value {
        self.b.op(Op::SetCond, ty, &[f], cc as u8, 0)
    }
    /// CF as 0 or 1.
    pub fn carry(&mut self, ty: Type) -> Value {
        let f = self.flags();
        self.set_cond(ty, Cond::Cc, f)
    }
    /// `v`'s flags against zero: N, Z; C = 1 (no carry), V = 0.
    pub fn logic_flags(&mut self, log2: u8, v: Value) -> Value {
        let t = self.top(log2, v);
        let zero = self.b.iconst(self.b.ty(t), 0);
        let (_, f) = self.b.bin_flags(Op::Sub, t, zero);
        f
    }
    /// The low `1 << log2` bytes at the top of the carrier.
    pub fn top(&mut self, log2: u8, v: Value) -> Value {
        if log2 >= 2 {
            return v;
        }
        let c = self.constant(v);
        match c {
            Some(c) => self.b.iconst(Type::I32, c << (32 - (8 << log2))),
            None => self.b.bin_imm(Op::Shl, v, 32 - (8 << log2)),
        }
    }
    /// Down from there.
    pub fn down(&mut self, log2: u8, v: Value) -> Value {
        if log2 >= 2 {
            v
        } else {
            self.b.bin_imm(Op::Shr, v, 32 - (8 << log2))
        }
    }
    /// Set the flags of a logical operation with this result; AF is undefined.
    pub fn set_logic(&mut self, log2: u8, v: Value) {
        let f = self.logic_flags(log2, v);
        self.set_flags(f);
        self.set_pf(v);
    }
    /// The flags of a comparison with zero: for `Cond::Eq` and `Cond::Ne`.
    pub fn zero_flags(&mut self, v: Value) -> Value {
        let (_, f) = self.b.bin_flags(Op::And, v, v);
        f
    }
    /// a ^ b, or what has the same bit 4.
    pub fn aux(&mut self, a: Value, b: Value) -> Value {
        match (self.constant(a), self.constant(b)) {
            (_, Some(c)) if c & 16 == 0 => a,
            (Some(c), _) if c & 16 == 0 => b,
            _ => self.b.bin(Op::Xor, a, b),
        }
    }
    /// Bit 0 is PF inverted: odd parity of the low byte.
    fn odd_parity(&mut self) -> Value {
        let mut v = self.b.get32(regs::PF);
        for n in [4, 2, 1] {
            let t = self.b.bin_imm(Op::Shr, v, n);
            v = self.b.bin(Op::Xor, v, t);
        }
        v
    }
    /// PF as 0 or 1 in an i32.
    pub fn parity(&mut self) -> Value {
        let odd = self.odd_parity();
        let even = self.b.un(Op::Not, odd);
        self.b.bin_imm(Op::And, even, 1)
    }
    /// How to test a condition in the processor's numbering.
    pub fn test(&mut self, cc: u8) -> Test {
        const CONDS: [Cond; 16] = [
            Cond::Vs,
            Cond::Vc,
            Cond::Cc,
            Cond::Cs,
            Cond::Eq,
            Cond::Ne,
            Cond::Ls,
            Cond::Hi,
            Cond::Mi,
            Cond::Pl,
            Cond::Al,
            Cond::Al,
            Cond::Lt,
            Cond::Ge,
            Cond::Le,
            Cond::Gt,
        ];
        if cc >> 1 == 5 {
            return self.test_parity(cc == 10);
        }
        let f = self.flags();
        Test::Flags(CONDS[cc as usize & 15], f)
    }
    fn test_parity(&mut self, even: bool) -> Test {
        // After an FP compare it says whether the operands were ordered.
        let known = self.b.get(regs::PF);
        let mut d = *self.b.def(known);
        if d.op == Op::Zext {
            d = *self.b.def(d.args[0]);
        }
        if d.op == Op::SetCond {
            let cc = d.cond();
            return Test::Flags(if even { cc.invert() } else { cc }, d.args[0]);
        }
        Test::Bit(self.odd_parity(), !even)
    }
    /// The condition as 0 or 1.
    pub fn test_value(&mut self, ty: Type, t: Test) -> Value {
        match t {
            Test::Flags(cc, f) => self.set_cond(ty, cc, f),
            Test::Bit(v, one) => {
                let v = if one { v } else { self.b.un(Op::Not, v) };
                let v = self.b.bin_imm(Op::And, v, 1);
                if ty == Type::I64 {
                    self.wide(v)
                } else {
                    v
                }
            }
        }
    }
    /// `a` if the condition holds, else `b`.
    pub fn choose(&mut self, t: Test, a: Value, b: Value) -> Value {
        match t {
            Test::Flags(cc, f) => self.b.select(cc, f, a, b),
            Test::Bit(v, one) => {
                let v = self.b.bin_imm(Op::And, v, 1);
                let f = self.zero_flags(v);
                self.b.select(if one { Cond::Ne } else { Cond::Eq }, f, a, b)
            }
        }
    }
    /// Leave for `pc` if the condition holds.
    pub fn exit_if(&mut self, t: Test, pc: u64) {
        match t {
            Test::Flags(cc, f) => self.b.exit_if(cc, f, pc),
            Test::Bit(v, one) => {
                let op = if one { Op::ExitIfBit } else { Op::ExitIfNotBit };
                self.b.op(op, Type::None, &[v], 0, pc);
            }
        }
    }
    /// The flags of an instruction whose count `n` was zero are those of before: `new` and PF's `pf` otherwise.
    pub fn set_unless_zero(&mut self, n: Value, new: Value, pf: Option<Value>) {
        let zero = self.zero_flags(n);
        let old = self.flags();
        let f = self.b.op(Op::SelFlags, Type::Flags, &[zero, old, new], Cond::Eq as u8, 0);
        if let Some(pf) = pf {
            let pf = self.wide(pf);
            let before = self.b.get(regs::PF);
            let pf = self.b.select(Cond::Eq, zero, before, pf);
            self.set_pf(pf);
        }
        self.set_flags(f);
    }
    /// EFLAGS as PUSHF shows them.
    pub fn eflags(&mut self) -> Value {
        let f = self.flags();
        let mut v = self.b.get(regs::OTHER_FLAGS);
        v = self.b.bin_imm(Op::Or, v, 0x202);
        for (cc, at) in [(Cond::Cc, 0), (Cond::Eq, 6), (Cond::Mi, 7), (Cond::Vs, 11)] {
            let bit = self.set_cond(Type::I64, cc, f);
            v = self.b.bfi(v, bit, at, 1);
        }
        let pf = self.parity();
        let pf = self.wide(pf);
        v = self.b.bfi(v, pf, 2, 1);
        let (a, p) = (self.b.get(regs::AF), self.b.get(regs::PF));
        let af = self.b.bin(Op::Xor, a, p);
        let af = self.b.un_imm(Op::Ubfx, af, 1 << 8 | 4);
        v = self.b.bfi(v, af, 4, 1);
        let df = self.b.get(regs::DF);
        self.b.bfi(v, df, 10, 1)
    }
    /// SF, ZF, AF, PF, CF from their places in the low byte of `v`, and OF from bit 11 if `of`.
    pub fn set_eflags(&mut self, v: Value, of: bool) {
        let v = self.wide(v);
        let old = self.flags();
        // S and Z are bits 7 and 6.
        let mut f = self.insert(old, v, 4, 12);
        let not = self.b.un(Op::Not, v);
        let not = self.b.bin_imm(Op::Shl, not, 1);
        f = self.insert(f, not, 0, 2);
        if of {
            f = self.insert(f, v, 11, 1);
        }
        let pf = self.b.un_imm(Op::Ubfx, not, 1 << 8 | 3);
        let af = self.b.bin_imm(Op::And, v, 16);
        self.set_flags(f);
        self.set_pf(pf);
        self.set_af(af);
    }
    /// Overwrite all of SF, ZF, CF, OF by constants (N 8, Z 4, C 2 = no carry, V 1), and make PF and AF zero.
    pub fn set_const_flags(&mut self, nzcv: u64) {
        let c = self.b.iconst(Type::I64, nzcv << 28);
        let f = self.b.op(Op::FlagsFrom, Type::Flags, &[c], 0, 0);
        let one = self.b.iconst(Type::I64, 1);
        self.set_flags(f);
        self.set_pf(one);
        self.set_af(one);
    }
    /// `v` as i32 or i64 by the carrier of `log2`.
    pub fn carried(&mut self, log2: u8, v: Value) -> Value {
        if carrier(log2) == Type::I64 {
            self.wide(v)
        } else {
            self.narrow(log2, v)
        }
    }
}
