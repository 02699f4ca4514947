//! Advanced SIMD modified immediate.

use super::fp::expand_imm;
use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Op};

/// `AdvSIMDExpandImm` of the manual: cmode and op say how abcdefgh fills 64 bits.
fn expand(i: Insn) -> u64 {
    let imm = (i.bits(18, 16) << 5 | i.bits(9, 5)) as u64;
    let (cmode, op) = (i.bits(15, 12), i.bit(29));
    let (by16, by32) = (0x0001_0001_0001_0001, 0x0000_0001_0000_0001);
    match cmode >> 1 {
        n @ 0..=3 => (imm << (8 * n)) * by32,
        n @ 4..=5 => (imm << (8 * (n - 4))) * by16,
        6 if cmode & 1 == 0 => (imm << 8 | 0xff) * by32,
        6 => (imm << 16 | 0xffff) * by32,
        _ => match (cmode & 1 != 0, op) {
            (false, false) => imm * 0x0101_0101_0101_0101,
            (false, true) => (0..8).filter(|n| imm >> n & 1 != 0).fold(0, |r, n| r | 0xff << (8 * n)),
            (true, false) => fp32(imm) * by32,
            (true, true) => fp64(imm),
        },
    }
}

/// The sign, three bits of exponent and four of fraction as a single …
fn fp32(imm: u64) -> u64 {
    (imm >> 7) << 31 | (if imm & 0x40 != 0 { 0x1f << 25 } else { 1 << 30 }) | (imm & 0x3f) << 19
}

/// … or as a double.
fn fp64(imm: u64) -> u64 {
    (imm >> 7) << 63 | (if imm & 0x40 != 0 { 0xff << 54 } else { 1 << 62 }) | (imm & 0x3f) << 48
}

/// MOVI, MVNI, FMOV.
pub fn movi(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (cmode, op) = (i.bits(15, 12), i.bit(29));
    if cmode == 15 && op && !i.q() {
        return Err(Undefined);
    }
    let imm = expand(i);
    // Below 0b1110, op inverts.
    let imm = if op && cmode < 14 { !imm } else { imm };
    let v = l.b.vconst(i.arr_of(3), imm);
    l.set_vd(i, v)
}

/// FMOV of halves.
pub fn fmov_half(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let imm = (i.bits(18, 16) << 5 | i.bits(9, 5)) as u64;
    let v = l.b.vconst(i.arr_of(3), expand_imm(Arr::H, imm) * 0x0001_0001_0001_0001);
    l.set_vd(i, v)
}

fn combine(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = i.arr_of(3);
    let d = l.vd(i);
    let c = l.b.vconst(arr, expand(i));
    let r = l.b.vec(op, arr, &[d, c]);
    l.set_vd(i, r)
}

/// ORR with an immediate.
pub fn orr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    combine(l, i, Op::VOr)
}

/// BIC with an immediate.
pub fn bic(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    combine(l, i, Op::VAndn)
}
