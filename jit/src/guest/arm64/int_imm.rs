//! Integer data processing with immediates: pc-relative, add/subtract, logical, move wide, bitfield, extract.

use super::int::set_with_flags;
use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Op, Value};

/// ADR.
pub fn adr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let imm = i.sbits(23, 5) << 2 | i.bits(30, 29) as i64;
    let v = l.b.place(l.pc.wrapping_add(imm as u64));
    l.set_r(i.rd(), v);
    Ok(())
}

/// ADRP.
pub fn adrp(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let pages = i.sbits(23, 5) << 2 | i.bits(30, 29) as i64;
    let v = l.b.place((l.pc & !0xfff).wrapping_add((pages << 12) as u64));
    l.set_r(i.rd(), v);
    Ok(())
}

fn add_sub_operand(i: Insn) -> u64 {
    (i.bits(21, 10) as u64) << if i.bit(22) { 12 } else { 0 }
}

/// ADD and SUB (immediate), also MOV to and from SP.
pub fn add_sub(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let imm = add_sub_operand(i);
    let mut v = l.r_sp(i.sf(), i.rn());
    if imm != 0 {
        v = l.b.bin_imm(if i.bit(30) { Op::Sub } else { Op::Add }, v, imm);
    }
    l.set_r_sp(i.rd(), v);
    Ok(())
}

/// ADDS and SUBS (immediate), also CMP and CMN.
pub fn adds_subs(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let a = l.r_sp(i.sf(), i.rn());
    let c = l.c(i.sf(), add_sub_operand(i));
    set_with_flags(l, i.rd(), if i.bit(30) { Op::Sub } else { Op::Add }, a, c);
    Ok(())
}

/// The constant that N:immr:imms stand for (DecodeBitMasks of the Arm ARM, immediate form), or `None` if reserved.
pub fn bitmask(sf: bool, n: u32, immr: u32, imms: u32) -> Option<u64> {
    if !sf && n != 0 {
        return None;
    }
    // The element size is the highest set bit of N:NOT(imms).
    let len = (n << 6 | (!imms & 0x3f)).checked_ilog2()?;
    if len == 0 {
        return None;
    }
    let size = 1u32 << len;
    let (s, r) = (imms & (size - 1), immr & (size - 1));
    if s == size - 1 {
        return None;
    }
    let ones = (1u64 << (s + 1)) - 1;
    let element = if r == 0 { ones } else { (ones >> r | ones << (size - r)) & (u64::MAX >> (64 - size)) };
    let mut pattern = element;
    let mut width = size;
    while width < 64 {
        pattern |= pattern << width;
        width *= 2;
    }
    Some(if sf { pattern } else { pattern & 0xffff_ffff })
}

/// AND, ORR, EOR, ANDS (immediate), also TST and MOV (bitmask).
pub fn logical(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let sf = i.sf();
    let imm = bitmask(sf, i.bits(22, 22), i.bits(21, 16), i.bits(15, 10)).ok_or(Undefined)?;
    let opc = i.bits(30, 29);
    if opc == 1 && i.rn() == 31 {
        let v = l.c(sf, imm);
        l.set_r_sp(i.rd(), v);
        return Ok(());
    }
    let a = l.r(sf, i.rn());
    let op = [Op::And, Op::Or, Op::Xor, Op::And][opc as usize];
    if opc == 3 {
        let c = l.c(sf, imm);
        set_with_flags(l, i.rd(), op, a, c);
    } else {
        let v = l.b.bin_imm(op, a, imm);
        l.set_r_sp(i.rd(), v);
    }
    Ok(())
}

/// The left shift of a move-wide immediate.
fn wide_shift(i: Insn) -> Result<u32, Undefined> {
    let shift = i.bits(22, 21) * 16;
    if !i.sf() && shift >= 32 {
        return Err(Undefined);
    }
    Ok(shift)
}

/// MOVN.
pub fn movn(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = !((i.bits(20, 5) as u64) << wide_shift(i)?);
    let v = l.c(true, if i.sf() { v } else { v & 0xffff_ffff });
    l.set_r(i.rd(), v);
    Ok(())
}

/// MOVZ.
pub fn movz(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.c(true, (i.bits(20, 5) as u64) << wide_shift(i)?);
    l.set_r(i.rd(), v);
    Ok(())
}

/// MOVK.
pub fn movk(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let shift = wide_shift(i)?;
    let old = l.r(i.sf(), i.rd());
    let new = l.c(i.sf(), i.bits(20, 5) as u64);
    let v = l.b.bfi(old, new, shift, 16);
    l.set_r(i.rd(), v);
    Ok(())
}

/// A bit field as `ubfx` and `sbfx` take it.
pub(super) fn field(pos: u32, width: u32) -> u64 {
    (width << 8 | pos) as u64
}

/// immr, imms and the register width of a bitfield instruction.
fn bitfield(i: Insn) -> Result<(u32, u32, u32), Undefined> {
    let (immr, imms) = (i.bits(21, 16), i.bits(15, 10));
    let width = if i.sf() { 64 } else { 32 };
    if i.sf() != i.bit(22) || immr >= width || imms >= width {
        return Err(Undefined);
    }
    Ok((immr, imms, width))
}

/// `v << n`, nothing for 0.
pub(super) fn shl(l: &mut Lifter<'_>, v: Value, n: u32) -> Value {
    if n == 0 {
        v
    } else {
        l.b.bin_imm(Op::Shl, v, n as u64)
    }
}

/// The low `width` bits of a general register, extended to the type that `sf` says.
pub(super) fn extended(l: &mut Lifter<'_>, sf: bool, n: u8, signed: bool, width: u32) -> Value {
    match (sf, width) {
        (true, 64..) | (false, 32..) => l.r(sf, n),
        (true, 32) => {
            let w = l.w(n);
            if signed {
                l.b.sext(w)
            } else {
                l.b.zext(w)
            }
        }
        _ => {
            let v = l.r(sf, n);
            l.b.un_imm(if signed { Op::Sbfx } else { Op::Ubfx }, v, field(0, width))
        }
    }
}

fn xbfm(l: &mut Lifter<'_>, i: Insn, signed: bool) -> Lifted {
    let (immr, imms, width) = bitfield(i)?;
    let sf = i.sf();
    let v = if imms < immr {
        // LSL, UBFIZ, SBFIZ. The sign of a field that reaches the top bit does not matter.
        let v = if imms + 1 == immr { l.r(sf, i.rn()) } else { extended(l, sf, i.rn(), signed, imms + 1) };
        shl(l, v, width - immr)
    } else if immr == 0 {
        extended(l, sf, i.rn(), signed, imms + 1)
    } else {
        let v = l.r(sf, i.rn());
        match (imms == width - 1, signed) {
            (true, false) => l.b.bin_imm(Op::Shr, v, immr as u64),
            (true, true) => l.b.bin_imm(Op::Sar, v, immr as u64),
            (false, false) => l.b.un_imm(Op::Ubfx, v, field(immr, imms - immr + 1)),
            (false, true) => l.b.un_imm(Op::Sbfx, v, field(immr, imms - immr + 1)),
        }
    };
    l.set_r(i.rd(), v);
    Ok(())
}

/// SBFM: ASR, SBFX, SBFIZ, SXTB, SXTH, SXTW.
pub fn sbfm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    xbfm(l, i, true)
}

/// UBFM: LSL, LSR, UBFX, UBFIZ, UXTB, UXTH.
pub fn ubfm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    xbfm(l, i, false)
}

/// BFM: BFI, BFXIL, BFC.
pub fn bfm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (immr, imms, width) = bitfield(i)?;
    let sf = i.sf();
    let mut src = l.r(sf, i.rn());
    let v = if imms < immr {
        let old = l.r(sf, i.rd());
        l.b.bfi(old, src, width - immr, imms + 1)
    } else if imms - immr + 1 == width {
        src
    } else {
        if immr != 0 {
            src = l.b.bin_imm(Op::Shr, src, immr as u64);
        }
        let old = l.r(sf, i.rd());
        l.b.bfi(old, src, 0, imms - immr + 1)
    };
    l.set_r(i.rd(), v);
    Ok(())
}

/// EXTR, also ROR (immediate).
pub fn extr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (sf, lsb) = (i.sf(), i.bits(15, 10));
    if sf != i.bit(22) || (!sf && lsb >= 32) {
        return Err(Undefined);
    }
    let low = l.r(sf, i.rm());
    let v = if lsb == 0 {
        low
    } else if i.rn() == i.rm() {
        l.b.bin_imm(Op::Ror, low, lsb as u64)
    } else {
        let high = l.r(sf, i.rn());
        let ty = l.b.ty(low);
        l.b.op(Op::Extr, ty, &[high, low], 0, lsb as u64)
    };
    l.set_r(i.rd(), v);
    Ok(())
}
