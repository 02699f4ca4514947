//! Integer data processing on registers.

use super::int_imm::{extended, shl};
use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Cond, Op, Type, Value};

/// The second operand of the shifted-register forms: type in bits 23..22, amount in 15..10.
fn shifted(l: &mut Lifter<'_>, i: Insn) -> Value {
    let v = l.r(i.sf(), i.rm());
    match i.bits(15, 10) {
        0 => v,
        _ if i.rm() == 31 => v,
        n => l.b.bin_imm([Op::Shl, Op::Shr, Op::Sar, Op::Ror][i.bits(23, 22) as usize], v, n as u64),
    }
}

/// AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register), also MOV, MVN and TST.
pub fn logical(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (sf, invert) = (i.sf(), i.bit(21));
    if !sf && i.bit(15) {
        return Err(Undefined);
    }
    let opc = i.bits(30, 29);
    if opc == 1 && i.rn() == 31 {
        let mut v = shifted(l, i);
        if invert {
            v = l.b.un(Op::Not, v);
        }
        l.set_r(i.rd(), v);
        return Ok(());
    }
    let a = l.r(sf, i.rn());
    let b = shifted(l, i);
    let op = match (opc, invert) {
        (0 | 3, false) => Op::And,
        (0 | 3, true) => Op::Andn,
        (1, false) => Op::Or,
        (1, true) => Op::Orn,
        (_, false) => Op::Xor,
        (_, true) => Op::Xorn,
    };
    if opc == 3 {
        set_with_flags(l, i.rd(), op, a, b);
    } else {
        let v = l.b.bin(op, a, b);
        l.set_r(i.rd(), v);
    }
    Ok(())
}

/// Write the result and the flags of an operation.
pub(super) fn set_with_flags(l: &mut Lifter<'_>, rd: u8, op: Op, a: Value, b: Value) {
    let (v, f) = l.b.bin_flags(op, a, b);
    l.set_r(rd, v);
    l.set_flags(f);
}

/// ADD, ADDS, SUB, SUBS (shifted register), also NEG, NEGS, CMP and CMN.
pub fn add_sub_shifted(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (sf, sub, flags) = (i.sf(), i.bit(30), i.bit(29));
    if i.bits(23, 22) == 3 || (!sf && i.bit(15)) {
        return Err(Undefined);
    }
    if i.rn() == 31 && !flags {
        let mut v = shifted(l, i);
        if sub {
            v = l.b.un(Op::Neg, v);
        }
        l.set_r(i.rd(), v);
        return Ok(());
    }
    let a = l.r(sf, i.rn());
    if !sub && !flags && i.bits(23, 22) == 0 {
        let b = l.r(sf, i.rm());
        let v = l.b.add_shl(a, b, i.bits(15, 10));
        l.set_r(i.rd(), v);
        return Ok(());
    }
    let b = shifted(l, i);
    let op = if sub { Op::Sub } else { Op::Add };
    if flags {
        set_with_flags(l, i.rd(), op, a, b);
    } else {
        let v = l.b.bin(op, a, b);
        l.set_r(i.rd(), v);
    }
    Ok(())
}

/// ADD, ADDS, SUB, SUBS (extended register).
pub fn add_sub_extended(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (sf, option, amount) = (i.sf(), i.bits(15, 13), i.bits(12, 10));
    if amount > 4 {
        return Err(Undefined);
    }
    let a = l.r_sp(sf, i.rn());
    let b = extended(l, sf, i.rm(), option & 4 != 0, 8 << (option & 3));
    if i.bits(30, 29) == 0 {
        let v = l.b.add_shl(a, b, amount);
        l.set_r_sp(i.rd(), v);
        return Ok(());
    }
    let b = shl(l, b, amount);
    let op = if i.bit(30) { Op::Sub } else { Op::Add };
    if i.bit(29) {
        set_with_flags(l, i.rd(), op, a, b);
    } else {
        let v = l.b.bin(op, a, b);
        l.set_r_sp(i.rd(), v);
    }
    Ok(())
}

/// ADC, ADCS, SBC, SBCS.
pub fn with_carry(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = l.r(i.sf(), i.rn());
    let b = l.r(i.sf(), i.rm());
    let f = l.flags();
    let v = l.b.with_carry(if i.bit(30) { Op::Sbc } else { Op::Adc }, a, b, f);
    if i.bit(29) {
        let f = l.b.flags_of(v);
        l.set_r(i.rd(), v);
        l.set_flags(f);
    } else {
        l.set_r(i.rd(), v);
    }
    Ok(())
}

/// CCMP and CCMN, register and immediate.
pub fn cond_compare(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = l.r(i.sf(), i.rn());
    let b = if i.bit(11) { l.c(i.sf(), i.rm() as u64) } else { l.r(i.sf(), i.rm()) };
    let f = l.flags();
    l.b.conditional = true;
    let op = if i.bit(30) { Op::Ccmp } else { Op::Ccmn };
    let f = l.b.op(op, Type::Flags, &[f, a, b], i.bits(15, 12) as u8, i.bits(3, 0) as u64);
    l.set_flags(f);
    Ok(())
}

fn cond(i: Insn) -> Cond {
    Cond::from_bits(i.bits(15, 12) as u8)
}

/// Rd = if cond then Rn else `other(Rm)`.
fn select(l: &mut Lifter<'_>, i: Insn, other: impl FnOnce(&mut Lifter<'_>, Value) -> Value) -> Lifted {
    let cc = cond(i);
    let a = l.r(i.sf(), i.rn());
    let v = if cc as u8 >= Cond::Al as u8 {
        a
    } else {
        let b = l.r(i.sf(), i.rm());
        let b = other(l, b);
        let f = l.flags();
        l.b.select(cc, f, a, b)
    };
    l.set_r(i.rd(), v);
    Ok(())
}

/// 1 or 0 by the inverted condition of a CSINC or CSINV of two zero registers (CSET, CSETM), if it is one.
fn inverted_setcond(l: &mut Lifter<'_>, i: Insn) -> Option<Value> {
    let cc = cond(i);
    if i.rn() != 31 || i.rm() != 31 || cc as u8 >= Cond::Al as u8 {
        return None;
    }
    let f = l.flags();
    let ty = if i.sf() { Type::I64 } else { Type::I32 };
    Some(l.b.op(Op::SetCond, ty, &[f], cc.invert() as u8, 0))
}

/// CSEL.
pub fn csel(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    select(l, i, |_, v| v)
}

/// CSINC, also CSET and CINC.
pub fn csinc(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    if let Some(v) = inverted_setcond(l, i) {
        l.set_r(i.rd(), v);
        return Ok(());
    }
    select(l, i, |l, v| l.b.bin_imm(Op::Add, v, 1))
}

/// CSINV, also CSETM and CINV.
pub fn csinv(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    if let Some(v) = inverted_setcond(l, i) {
        let v = l.b.un(Op::Neg, v);
        l.set_r(i.rd(), v);
        return Ok(());
    }
    select(l, i, |l, v| l.b.un(Op::Not, v))
}

/// CSNEG, also CNEG.
pub fn csneg(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    select(l, i, |l, v| l.b.un(Op::Neg, v))
}

/// Ra ± product.
fn accumulate(l: &mut Lifter<'_>, i: Insn, product: Value) -> Lifted {
    let v = match (i.ra(), i.bit(15)) {
        (31, false) => product,
        (31, true) => l.b.un(Op::Neg, product),
        (ra, sub) => {
            let a = l.r(i.sf(), ra);
            l.b.bin(if sub { Op::Sub } else { Op::Add }, a, product)
        }
    };
    l.set_r(i.rd(), v);
    Ok(())
}

/// MADD, MSUB, also MUL and MNEG.
pub fn mul_add(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = l.r(i.sf(), i.rn());
    let b = l.r(i.sf(), i.rm());
    let product = l.b.bin(Op::Mul, a, b);
    accumulate(l, i, product)
}

/// SMADDL, SMSUBL, UMADDL, UMSUBL.
pub fn mul_add_long(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = extended(l, true, i.rn(), !i.bit(23), 32);
    let b = extended(l, true, i.rm(), !i.bit(23), 32);
    let product = l.b.bin(Op::Mul, a, b);
    accumulate(l, i, product)
}

/// SMULH, UMULH.
pub fn mul_high(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = l.x(i.rn());
    let b = l.x(i.rm());
    let v = l.b.bin(if i.bit(23) { Op::Umulh } else { Op::Smulh }, a, b);
    l.set_r(i.rd(), v);
    Ok(())
}

/// Rd = op(Rn, Rm).
fn binary(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let a = l.r(i.sf(), i.rn());
    let b = l.r(i.sf(), i.rm());
    let v = l.b.bin(op, a, b);
    l.set_r(i.rd(), v);
    Ok(())
}

/// UDIV, SDIV.
pub fn div(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    binary(l, i, if i.bit(10) { Op::Sdiv } else { Op::Udiv })
}

/// LSLV, LSRV, ASRV, RORV.
pub fn shift_reg(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    binary(l, i, [Op::Shl, Op::Shr, Op::Sar, Op::Ror][i.bits(11, 10) as usize])
}

/// CRC32B … CRC32CX.
pub fn crc32(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let acc = l.w(i.rn());
    let data = l.x(i.rm());
    let v = l.b.op(Op::Crc32, Type::I32, &[acc, data], i.bits(11, 10) as u8, i.bits(12, 12) as u64);
    l.set_r(i.rd(), v);
    Ok(())
}

/// Rd = op(Rn), with the operation's constant.
fn unary(l: &mut Lifter<'_>, i: Insn, op: Op, imm: u64) -> Lifted {
    let a = l.r(i.sf(), i.rn());
    let v = l.b.un_imm(op, a, imm);
    l.set_r(i.rd(), v);
    Ok(())
}

/// RBIT.
pub fn rbit(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Rbit, 0)
}

/// REV16.
pub fn rev16(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Rev, 2)
}

/// REV32, or REV of a W register.
pub fn rev32(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Rev, 4)
}

/// REV of an X register.
pub fn rev64(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Rev, 8)
}

/// CLZ.
pub fn clz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Clz, 0)
}

/// CLS.
pub fn cls(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    unary(l, i, Op::Cls, 0)
}
