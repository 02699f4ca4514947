//! Loads and stores of one register or a pair, general and SIMD&FP, in every addressing mode.
//!
//! A faulting instruction must leave the registers alone: all accesses come first, then the transferred registers are
//! written, then the base. Where a written-back base is also a transferred register (CONSTRAINED UNPREDICTABLE), a store
//! stores the old value and a load is overwritten by the base.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Mem, Mode, Op, Type, Value};

/// How a register is transferred.
#[derive(Clone, Copy)]
struct Transfer {
    store: bool,
    mem: Mem,
    /// Of the loaded value; zero-extending loads are `I64` whatever their size.
    ty: Type,
}

/// Where.
#[derive(Clone, Copy)]
struct Address {
    base: Value,
    index: Value,
    disp: i64,
}

impl Address {
    fn offset(base: Value, disp: i64) -> Address {
        Address { base, index: Value::NONE, disp }
    }
}

impl Transfer {
    /// From size (31..30), V (26) and opc (23..22) of the single-register forms. The tables leave reserved combinations out,
    /// but for Q, whose size must be 0.
    fn single(i: Insn) -> Result<Transfer, Undefined> {
        let (size, opc) = (i.bits(31, 30) as u8, i.bits(23, 22));
        if i.bit(26) {
            return Ok(Transfer { store: opc & 1 == 0, mem: Mem::size(size | (opc as u8 & 2) << 1), ty: Type::V128 });
        }
        Ok(match opc {
            0 | 1 => Transfer { store: opc == 0, mem: Mem::size(size), ty: Type::I64 },
            2 if size < 3 => Transfer { store: false, mem: Mem::size(size).signed(), ty: Type::I64 },
            3 if size < 2 => Transfer { store: false, mem: Mem::size(size).signed(), ty: Type::I32 },
            _ => return Err(Undefined),
        })
    }

    /// From opc (31..30), V (26) and L (22) of the pair forms.
    fn pair(i: Insn) -> Result<Transfer, Undefined> {
        let (opc, store) = (i.bits(31, 30) as u8, !i.bit(22));
        Ok(match (i.bit(26), opc) {
            (true, 0..=2) => Transfer { store, mem: Mem::size(2 + opc), ty: Type::V128 },
            (false, 0) => Transfer { store, mem: Mem::size(2), ty: Type::I64 },
            (false, 1) if !store => Transfer { store, mem: Mem::size(2).signed(), ty: Type::I64 },
            (false, 2) => Transfer { store, mem: Mem::size(3), ty: Type::I64 },
            _ => return Err(Undefined),
        })
    }

    /// The value of register `n` to be stored.
    fn source(self, l: &mut Lifter<'_>, n: u8) -> Value {
        match (self.ty, self.mem.log2) {
            (Type::V128, _) => l.v(n),
            (_, 3) => l.x(n),
            _ => l.w(n),
        }
    }

    /// Write a loaded value.
    fn write(self, l: &mut Lifter<'_>, n: u8, v: Value) {
        if self.ty == Type::V128 {
            l.set_v(n, v);
        } else {
            l.set_r(n, v);
        }
    }

    /// Transfer one register, then write `writeback` to the base.
    fn one(self, l: &mut Lifter<'_>, i: Insn, at: Address, writeback: Option<i64>) {
        let loaded = if self.store {
            let v = self.source(l, i.rt());
            l.b.store(self.mem, at.base, at.index, at.disp, v);
            None
        } else {
            Some(l.b.load(self.ty, self.mem, at.base, at.index, at.disp))
        };
        let base = advance(l, at.base, writeback);
        if let Some(v) = loaded {
            self.write(l, i.rt(), v);
        }
        write_base(l, i, base);
    }
}

/// The base to write back, if the mode does.
fn advance(l: &mut Lifter<'_>, base: Value, by: Option<i64>) -> Option<Value> {
    by.map(|by| if by == 0 { base } else { l.b.bin_imm(Op::Add, base, by as u64) })
}

fn write_base(l: &mut Lifter<'_>, i: Insn, base: Option<Value>) {
    if let Some(v) = base {
        l.set_r_sp(i.rn(), v);
    }
}

/// Unsigned scaled offset.
pub fn uimm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::single(i)?;
    let base = l.x_sp(i.rn());
    t.one(l, i, Address::offset(base, (i.bits(21, 10) << t.mem.log2) as i64), None);
    Ok(())
}

/// Unscaled offset (LDUR, STUR, LDTR, STTR).
pub fn unscaled(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::single(i)?;
    let base = l.x_sp(i.rn());
    t.one(l, i, Address::offset(base, i.sbits(20, 12)), None);
    Ok(())
}

/// Post-index.
pub fn post(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::single(i)?;
    let base = l.x_sp(i.rn());
    t.one(l, i, Address::offset(base, 0), Some(i.sbits(20, 12)));
    Ok(())
}

/// Pre-index.
pub fn pre(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::single(i)?;
    let base = l.x_sp(i.rn());
    t.one(l, i, Address::offset(base, i.sbits(20, 12)), Some(i.sbits(20, 12)));
    Ok(())
}

/// Register offset, extended and scaled.
pub fn register(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let mut t = Transfer::single(i)?;
    let base = l.x_sp(i.rn());
    let index = match (i.rm(), i.bits(15, 13)) {
        (31, _) => Value::NONE,
        (m, 0b010) => {
            let w = l.w(m);
            l.b.zext(w)
        }
        (m, 0b110) => {
            let w = l.w(m);
            l.b.sext(w)
        }
        (m, _) => l.x(m),
    };
    if i.bit(12) && index.is_some() {
        t.mem = t.mem.scaled(t.mem.log2);
    }
    t.one(l, i, Address { base, index, disp: 0 }, None);
    Ok(())
}

/// LDR, LDRSW (literal).
pub fn literal(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let opc = i.bits(31, 30) as u8;
    let (mem, ty) = match (i.bit(26), opc) {
        (true, 0..=2) => (Mem::size(2 + opc), Type::V128),
        (false, 0 | 1) => (Mem::size(2 + opc), Type::I64),
        (false, 2) => (Mem::size(2).signed(), Type::I64),
        _ => return Err(Undefined),
    };
    let base = l.b.place(l.pc.wrapping_add((i.sbits(23, 5) << 2) as u64));
    Transfer { store: false, mem, ty }.one(l, i, Address::offset(base, 0), None);
    Ok(())
}

/// PRFM, PRFUM: a hint.
pub fn prefetch(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Ok(())
}

/// Two W registers as one i64, or two X registers as a v128.
pub fn join(l: &mut Lifter<'_>, wide: bool, low: u8, high: u8) -> Value {
    let a = l.x(low);
    let b = l.x(high);
    if wide {
        l.b.op(Op::VPair, Type::V128, &[a, b], 0, 0)
    } else {
        l.b.bfi(a, b, 32, 32)
    }
}

/// The inverse; words are sign-extended if asked for.
pub fn split(l: &mut Lifter<'_>, v: Value, signed: bool, low: u8, high: u8) {
    let (a, b) = if l.b.ty(v) == Type::V128 {
        let a = l.b.op(Op::VExtract, Type::I64, &[v], Arr::D2.0, 0);
        (a, l.b.op(Op::VExtract, Type::I64, &[v], Arr::D2.0, 1))
    } else if signed {
        let a = l.b.trunc(v);
        (l.b.sext(a), l.b.bin_imm(Op::Sar, v, 32))
    } else {
        (l.b.trunc(v), l.b.bin_imm(Op::Shr, v, 32))
    };
    l.set_r(low, a);
    l.set_r(high, b);
}

/// Both registers at `disp` and behind, then the base plus `writeback`.
fn pair(l: &mut Lifter<'_>, i: Insn, t: Transfer, disp: i64, writeback: Option<i64>) -> Lifted {
    let base = l.x_sp(i.rn());
    let second = disp + (1 << t.mem.log2);
    // General registers in one access: with FEAT_LSE2 it is atomic. Nobody else looks at the stack; nor at all of memory, as long as one thread has it alone.
    // Then two loads are better, as what was stored by two instructions is not yet in the cache, and one load would wait until it is (CPython's stack, whose
    // top two values most of its instructions take).
    let seen = i.rn() != 31 && (t.store || l.b.mode.has(Mode::SHARED));
    let whole = t.ty != Type::V128 && seen;
    if t.store && whole {
        let v = join(l, t.mem.log2 == 3, i.rt(), i.rt2());
        l.b.store(Mem::size(t.mem.log2 + 1), base, Value::NONE, disp, v);
        let base = advance(l, base, writeback);
        write_base(l, i, base);
    } else if whole {
        let ty = if t.mem.log2 == 3 { Type::V128 } else { Type::I64 };
        let v = l.b.load(ty, Mem::size(t.mem.log2 + 1), base, Value::NONE, disp);
        let base = advance(l, base, writeback);
        split(l, v, t.mem.signed, i.rt(), i.rt2());
        write_base(l, i, base);
    } else if t.store {
        let a = t.source(l, i.rt());
        let b = t.source(l, i.rt2());
        l.b.store(t.mem, base, Value::NONE, disp, a);
        l.b.store(t.mem, base, Value::NONE, second, b);
        let base = advance(l, base, writeback);
        write_base(l, i, base);
    } else {
        let a = l.b.load(t.ty, t.mem, base, Value::NONE, disp);
        let b = l.b.load(t.ty, t.mem, base, Value::NONE, second);
        let base = advance(l, base, writeback);
        t.write(l, i.rt(), a);
        t.write(l, i.rt2(), b);
        write_base(l, i, base);
    }
    Ok(())
}

fn pair_disp(i: Insn, t: Transfer) -> i64 {
    i.sbits(21, 15) << t.mem.log2
}

/// LDP, STP, LDPSW, LDNP, STNP with an offset.
pub fn pair_offset(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::pair(i)?;
    pair(l, i, t, pair_disp(i, t), None)
}

/// Pairs, post-index.
pub fn pair_post(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::pair(i)?;
    pair(l, i, t, 0, Some(pair_disp(i, t)))
}

/// Pairs, pre-index.
pub fn pair_pre(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let t = Transfer::pair(i)?;
    pair(l, i, t, pair_disp(i, t), Some(pair_disp(i, t)))
}
