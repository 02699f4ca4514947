//! Integer data processing with immediates.

use super::super::int_imm::bitmask;
use super::super::lift::Insn;
use super::int::{add, Sum};
use super::{Machine, Step};

fn pages_or_bytes(i: Insn) -> u64 {
    (i.sbits(23, 5) << 2 | i.bits(30, 29) as i64) as u64
}

/// ADR.
pub fn adr(m: &mut Machine<'_>, i: Insn) -> Step {
    m.set_x(i.rd(), m.cpu.pc.wrapping_add(pages_or_bytes(i)));
    Step::Next
}

/// ADRP.
pub fn adrp(m: &mut Machine<'_>, i: Insn) -> Step {
    m.set_x(i.rd(), (m.cpu.pc & !0xfff).wrapping_add(pages_or_bytes(i) << 12));
    Step::Next
}

fn add_sub_operand(i: Insn) -> u64 {
    (i.bits(21, 10) as u64) << if i.bit(22) { 12 } else { 0 }
}

/// ADD and SUB (immediate).
pub fn add_sub(m: &mut Machine<'_>, i: Insn) -> Step {
    let (a, b) = (m.x_sp(i.rn()), add_sub_operand(i));
    m.set_r_sp(i.sf(), i.rd(), if i.bit(30) { a.wrapping_sub(b) } else { a.wrapping_add(b) });
    Step::Next
}

/// ADDS and SUBS (immediate).
pub fn adds_subs(m: &mut Machine<'_>, i: Insn) -> Step {
    let (a, b) = (m.x_sp(i.rn()), add_sub_operand(i));
    let Sum(v, nzcv) = if i.bit(30) { add(i.sf(), a, !b, true) } else { add(i.sf(), a, b, false) };
    m.set_x(i.rd(), v);
    m.nzcv = nzcv;
    Step::Next
}

/// AND, ORR, EOR, ANDS (immediate).
pub fn logical(m: &mut Machine<'_>, i: Insn) -> Step {
    let sf = i.sf();
    let Some(imm) = bitmask(sf, i.bits(22, 22), i.bits(21, 16), i.bits(15, 10)) else { return Step::Leave };
    let a = m.x(i.rn());
    match i.bits(30, 29) {
        0 => m.set_r_sp(sf, i.rd(), a & imm),
        1 => m.set_r_sp(sf, i.rd(), a | imm),
        2 => m.set_r_sp(sf, i.rd(), a ^ imm),
        _ => {
            m.set_nz(sf, a & imm);
            m.set_r(sf, i.rd(), a & imm);
        }
    }
    Step::Next
}

/// The left shift of a move-wide immediate, if it is allocated.
fn wide_shift(i: Insn) -> Option<u32> {
    let shift = i.bits(22, 21) * 16;
    (i.sf() || shift < 32).then_some(shift)
}

/// MOVN.
pub fn movn(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(shift) = wide_shift(i) else { return Step::Leave };
    m.set_r(i.sf(), i.rd(), !((i.bits(20, 5) as u64) << shift));
    Step::Next
}

/// MOVZ.
pub fn movz(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(shift) = wide_shift(i) else { return Step::Leave };
    m.set_x(i.rd(), (i.bits(20, 5) as u64) << shift);
    Step::Next
}

/// MOVK.
pub fn movk(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(shift) = wide_shift(i) else { return Step::Leave };
    let v = m.x(i.rd()) & !(0xffff << shift) | (i.bits(20, 5) as u64) << shift;
    m.set_r(i.sf(), i.rd(), v);
    Step::Next
}

/// The source of a bitfield instruction rotated to its place, the bits of it that are taken (wmask), and the bits up to the field's top
/// (tmask): DecodeBitMasks of the Arm ARM.
fn bitfield(m: &Machine<'_>, i: Insn) -> Option<(u64, u64, u64)> {
    let (sf, r, s) = (i.sf(), i.bits(21, 16), i.bits(15, 10));
    if sf != i.bit(22) || !sf && (r | s) & 32 != 0 {
        return None;
    }
    let ones = |n: u32| u64::MAX >> (64 - n);
    let n = m.r(sf, i.rn());
    Some(if sf {
        (n.rotate_right(r), ones(s + 1).rotate_right(r), ones((s.wrapping_sub(r) & 63) + 1))
    } else {
        let rotate = |v: u64| (v as u32).rotate_right(r) as u64;
        (rotate(n), rotate(ones(s + 1)), ones((s.wrapping_sub(r) & 31) + 1))
    })
}

/// SBFM.
pub fn sbfm(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some((bits, wmask, tmask)) = bitfield(m, i) else { return Step::Leave };
    let top = if m.x(i.rn()) >> i.bits(15, 10) & 1 != 0 { u64::MAX } else { 0 };
    m.set_r(i.sf(), i.rd(), top & !tmask | bits & wmask & tmask);
    Step::Next
}

/// UBFM.
pub fn ubfm(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some((bits, wmask, tmask)) = bitfield(m, i) else { return Step::Leave };
    m.set_x(i.rd(), bits & wmask & tmask);
    Step::Next
}

/// BFM.
pub fn bfm(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some((bits, wmask, tmask)) = bitfield(m, i) else { return Step::Leave };
    let old = m.x(i.rd());
    let bits = old & !wmask | bits & wmask;
    m.set_r(i.sf(), i.rd(), old & !tmask | bits & tmask);
    Step::Next
}

/// EXTR.
pub fn extr(m: &mut Machine<'_>, i: Insn) -> Step {
    let (sf, lsb) = (i.sf(), i.bits(15, 10));
    if sf != i.bit(22) || !sf && lsb >= 32 {
        return Step::Leave;
    }
    let (high, low) = (m.r(sf, i.rn()), m.r(sf, i.rm()));
    let v = if sf { ((high as u128) << 64 | low as u128) >> lsb } else { ((high << 32 | low) >> lsb) as u128 };
    m.set_r(sf, i.rd(), v as u64);
    Step::Next
}
