//! Integer data processing on registers.

use super::super::lift::Insn;
use super::{narrow, Machine, Step};

/// A sum of 32 or 64 bits, and its NZCV.
pub struct Sum(pub u64, pub u8);

/// AddWithCarry of the Arm ARM.
#[inline]
pub fn add(sf: bool, a: u64, b: u64, carry: bool) -> Sum {
    if sf {
        let (v, c1) = a.overflowing_add(b);
        let (v, c2) = v.overflowing_add(carry as u64);
        let overflow = ((a ^ v) & (b ^ v)) >> 63;
        Sum(v, flags((v >> 63) as u8, v == 0, c1 | c2, overflow as u8))
    } else {
        let (a, b) = (a as u32, b as u32);
        let wide = a as u64 + b as u64 + carry as u64;
        let v = wide as u32;
        let overflow = ((a ^ v) & (b ^ v)) >> 31;
        Sum(v as u64, flags((v >> 31) as u8, v == 0, wide >> 32 != 0, overflow as u8))
    }
}

#[inline]
fn flags(n: u8, z: bool, c: bool, v: u8) -> u8 {
    n << 3 | (z as u8) << 2 | (c as u8) << 1 | v
}

/// `v` shifted by type (LSL, LSR, ASR, ROR) and amount (less than the width).
#[inline]
fn shift(sf: bool, v: u64, kind: u32, by: u32) -> u64 {
    let w = v as u32;
    match (kind, sf) {
        (0, true) => v << by,
        (0, false) => (w << by) as u64,
        (1, true) => v >> by,
        (1, false) => (w >> by) as u64,
        (2, true) => (v as i64 >> by) as u64,
        (2, false) => (w as i32 >> by) as u32 as u64,
        (_, true) => v.rotate_right(by),
        (_, false) => w.rotate_right(by) as u64,
    }
}

/// The second operand of the shifted-register forms, if it is allocated.
#[inline]
fn shifted(m: &Machine<'_>, i: Insn) -> Option<u64> {
    let (sf, by) = (i.sf(), i.bits(15, 10));
    (sf || by < 32).then(|| shift(sf, m.x(i.rm()), i.bits(23, 22), by))
}

/// AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register).
pub fn logical(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(b) = shifted(m, i) else { return Step::Leave };
    let (a, b) = (m.x(i.rn()), if i.bit(21) { !b } else { b });
    let v = match i.bits(30, 29) {
        1 => a | b,
        2 => a ^ b,
        _ => a & b,
    };
    if i.bits(30, 29) == 3 {
        m.set_nz(i.sf(), v);
    }
    m.set_r(i.sf(), i.rd(), v);
    Step::Next
}

/// ADD, ADDS, SUB, SUBS (shifted register).
pub fn add_sub_shifted(m: &mut Machine<'_>, i: Insn) -> Step {
    if i.bits(23, 22) == 3 {
        return Step::Leave;
    }
    let Some(b) = shifted(m, i) else { return Step::Leave };
    let a = m.x(i.rn());
    let Sum(v, nzcv) = add_or_sub(i, a, b);
    if i.bit(29) {
        m.nzcv = nzcv;
    }
    m.set_x(i.rd(), v);
    Step::Next
}

#[inline]
fn add_or_sub(i: Insn, a: u64, b: u64) -> Sum {
    let sub = i.bit(30);
    add(i.sf(), a, if sub { !b } else { b }, sub)
}

/// ADD, ADDS, SUB, SUBS (extended register).
pub fn add_sub_extended(m: &mut Machine<'_>, i: Insn) -> Step {
    let amount = i.bits(12, 10);
    if amount > 4 {
        return Step::Leave;
    }
    let b = extended(m.x(i.rm()), i.bits(15, 13)) << amount;
    let a = m.x_sp(i.rn());
    let Sum(v, nzcv) = add_or_sub(i, a, b);
    if i.bit(29) {
        m.nzcv = nzcv;
        m.set_x(i.rd(), v);
    } else {
        m.set_r_sp(i.sf(), i.rd(), v);
    }
    Step::Next
}

/// ExtendReg: UXTB, UXTH, UXTW, UXTX, SXTB …
#[inline]
pub fn extended(v: u64, option: u32) -> u64 {
    match option {
        0 => v as u8 as u64,
        1 => v as u16 as u64,
        2 => v as u32 as u64,
        4 => v as i8 as u64,
        5 => v as i16 as u64,
        6 => v as i32 as u64,
        _ => v,
    }
}

/// ADC, ADCS, SBC, SBCS.
pub fn with_carry(m: &mut Machine<'_>, i: Insn) -> Step {
    let (a, b) = (m.x(i.rn()), m.x(i.rm()));
    let Sum(v, nzcv) = add(i.sf(), a, if i.bit(30) { !b } else { b }, m.nzcv & 2 != 0);
    if i.bit(29) {
        m.nzcv = nzcv;
    }
    m.set_x(i.rd(), v);
    Step::Next
}

/// CCMP and CCMN, register and immediate.
pub fn cond_compare(m: &mut Machine<'_>, i: Insn) -> Step {
    m.nzcv = if m.holds(i.bits(15, 12)) {
        let b = if i.bit(11) { i.rm() as u64 } else { m.x(i.rm()) };
        add_or_sub(i, m.x(i.rn()), b).1
    } else {
        i.bits(3, 0) as u8
    };
    Step::Next
}

/// Rd = if cond then Rn else `other(Rm)`.
#[inline]
fn select(m: &mut Machine<'_>, i: Insn, other: impl FnOnce(u64) -> u64) -> Step {
    let v = if m.holds(i.bits(15, 12)) { m.x(i.rn()) } else { other(m.x(i.rm())) };
    m.set_r(i.sf(), i.rd(), v);
    Step::Next
}

/// CSEL.
pub fn csel(m: &mut Machine<'_>, i: Insn) -> Step {
    select(m, i, |v| v)
}

/// CSINC.
pub fn csinc(m: &mut Machine<'_>, i: Insn) -> Step {
    select(m, i, |v| v.wrapping_add(1))
}

/// CSINV.
pub fn csinv(m: &mut Machine<'_>, i: Insn) -> Step {
    select(m, i, |v| !v)
}

/// CSNEG.
pub fn csneg(m: &mut Machine<'_>, i: Insn) -> Step {
    select(m, i, u64::wrapping_neg)
}

/// Ra ± product.
fn accumulate(m: &mut Machine<'_>, i: Insn, product: u64) -> Step {
    let a = m.x(i.ra());
    m.set_r(i.sf(), i.rd(), if i.bit(15) { a.wrapping_sub(product) } else { a.wrapping_add(product) });
    Step::Next
}

/// MADD, MSUB.
pub fn mul_add(m: &mut Machine<'_>, i: Insn) -> Step {
    let product = m.x(i.rn()).wrapping_mul(m.x(i.rm()));
    accumulate(m, i, product)
}

/// SMADDL, SMSUBL, UMADDL, UMSUBL.
pub fn mul_add_long(m: &mut Machine<'_>, i: Insn) -> Step {
    let option = if i.bit(23) { 2 } else { 6 };
    let product = extended(m.x(i.rn()), option).wrapping_mul(extended(m.x(i.rm()), option));
    accumulate(m, i, product)
}

/// SMULH, UMULH.
pub fn mul_high(m: &mut Machine<'_>, i: Insn) -> Step {
    let (a, b) = (m.x(i.rn()), m.x(i.rm()));
    let product = if i.bit(23) { a as u128 * b as u128 } else { (a as i64 as i128 * b as i64 as i128) as u128 };
    m.set_x(i.rd(), (product >> 64) as u64);
    Step::Next
}

/// UDIV, SDIV: by zero zero.
pub fn div(m: &mut Machine<'_>, i: Insn) -> Step {
    let (a, b) = (m.r(i.sf(), i.rn()), m.r(i.sf(), i.rm()));
    let v = match (i.bit(10), i.sf()) {
        _ if b == 0 => 0,
        (false, _) => a / b,
        (true, true) => (a as i64).wrapping_div(b as i64) as u64,
        (true, false) => (a as i32).wrapping_div(b as i32) as u64,
    };
    m.set_r(i.sf(), i.rd(), v);
    Step::Next
}

/// LSLV, LSRV, ASRV, RORV.
pub fn shift_reg(m: &mut Machine<'_>, i: Insn) -> Step {
    let by = m.x(i.rm()) as u32 & if i.sf() { 63 } else { 31 };
    let v = shift(i.sf(), m.x(i.rn()), i.bits(11, 10), by);
    m.set_x(i.rd(), v);
    Step::Next
}

/// Rd = `f`(Rn) of either width.
#[inline]
fn unary(m: &mut Machine<'_>, i: Insn, wide: impl FnOnce(u64) -> u64, word: impl FnOnce(u32) -> u32) -> Step {
    let v = m.x(i.rn());
    m.set_x(i.rd(), if i.sf() { wide(v) } else { word(v as u32) as u64 });
    Step::Next
}

/// RBIT.
pub fn rbit(m: &mut Machine<'_>, i: Insn) -> Step {
    unary(m, i, u64::reverse_bits, u32::reverse_bits)
}

/// REV16.
pub fn rev16(m: &mut Machine<'_>, i: Insn) -> Step {
    let v = m.r(i.sf(), i.rn());
    let low = 0x00ff_00ff_00ff_00ff;
    m.set_x(i.rd(), narrow(i.sf(), (v & low) << 8 | v >> 8 & low));
    Step::Next
}

/// REV32, or REV of a W register.
pub fn rev32(m: &mut Machine<'_>, i: Insn) -> Step {
    unary(m, i, |v| v.swap_bytes().rotate_left(32), u32::swap_bytes)
}

/// REV of an X register.
pub fn rev64(m: &mut Machine<'_>, i: Insn) -> Step {
    unary(m, i, u64::swap_bytes, u32::swap_bytes)
}

/// CLZ.
pub fn clz(m: &mut Machine<'_>, i: Insn) -> Step {
    unary(m, i, |v| v.leading_zeros() as u64, u32::leading_zeros)
}

/// CLS.
pub fn cls(m: &mut Machine<'_>, i: Insn) -> Step {
    unary(
        m,
        i,
        |v| ((v ^ (v as i64 >> 63) as u64) << 1 | 1).leading_zeros() as u64,
        |v| ((v ^ (v as i32 >> 31) as u32) << 1 | 1).leading_zeros(),
    )
}
