//! Floating point after Armv8.0: complex numbers, BFloat16, rounding to integers of a width, JavaScript's conversion.

use super::features;
use super::fp::{self, lifts};
use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Op, Round, Type, Value, JAVASCRIPT};

// --- complex numbers -----------------------------------------------------------------------------
/// The lanes by size; halves only where there is arithmetic on them.
fn complex_lanes(l: &Lifter<'_>, i: Insn) -> Result<Arr, Undefined> {
    match (i.bits(23, 22) as u8, i.q()) {
        (1, _) => l.need(features::ASIMDHP)?,
        (2, _) | (3, true) => {}
        _ => return Err(Undefined),
    }
    Ok(i.arr())
}

/// The sign bits of the even or the odd lanes (or both) changed.
fn negate(l: &mut Lifter<'_>, arr: Arr, v: Value, even: bool, odd: bool) -> Value {
    let sign = 1u128 << (arr.ebits() - 1);
    let pair = if even { sign } else { 0 } | if odd { sign << arr.ebits() } else { 0 };
    let all = |bits: u32| (0..64 / bits.min(64)).fold(0u64, |m, n| m | (pair as u64) << (n * bits % 64));
    let c = match arr.log2() {
        // A pair of doubles is the whole vector.
        3 => {
            let (low, high) = (pair as u64, (pair >> 64) as u64);
            let (low, high) = (l.c(true, low), l.c(true, high));
            l.b.op(Op::VPair, Type::V128, &[low, high], 0, 0)
        }
        n => l.b.vconst(arr, all(16 << n)),
    };
    l.b.vec(Op::VXor, arr, &[v, c])
}

/// Real and imaginary parts exchanged.
fn swap(l: &mut Lifter<'_>, arr: Arr, v: Value) -> Value {
    match arr.log2() {
        3 => l.b.vec_imm(Op::VExt, Arr::B16, &[v, v], 8),
        n => l.b.vec_imm(Op::VRev, arr, &[v], 2 << n),
    }
}

/// FCADD: Vm turned by 90 or 270 degrees, and added.
pub(super) fn fcadd(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let arr = complex_lanes(l, i)?;
    let (n, m) = (l.v(i.rn()), l.v(i.rm()));
    let m = swap(l, arr, m);
    let m = negate(l, arr, m, !i.bit(12), i.bit(12));
    let r = l.b.vec(Op::FAdd, arr, &[n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

/// Half of a complex product: real (or, turned by 90 or 270 degrees, imaginary) parts of Vn by both parts of `m`.
fn complex_product(l: &mut Lifter<'_>, i: Insn, arr: Arr, m: Value, rotation: u32) {
    let (d, n) = (l.v(i.rd()), l.v(i.rn()));
    let turned = rotation & 1 != 0;
    let n = l.b.vec(if turned { Op::VTrn2 } else { Op::VTrn1 }, arr, &[n, n]);
    let m = if turned { swap(l, arr, m) } else { m };
    let m = match rotation {
        0 => m,
        1 => negate(l, arr, m, true, false),
        2 => negate(l, arr, m, true, true),
        _ => negate(l, arr, m, false, true),
    };
    let r = l.b.vec(Op::FMla, arr, &[d, n, m]);
    l.set_v(i.rd(), r);
}

/// FCMLA.
pub(super) fn fcmla(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let arr = complex_lanes(l, i)?;
    let m = l.v(i.rm());
    complex_product(l, i, arr, m, i.bits(12, 11));
    Ok(())
}

/// FCMLA by element: one complex number of Vm.
pub(super) fn fcmla_elem(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let arr = complex_lanes(l, i)?;
    let (h, low) = (i.bit(11), i.bit(21));
    let index = match (arr.log2(), i.q()) {
        (1, true) => (h as u64) << 1 | low as u64,
        (1, false) if !h => low as u64,
        (2, true) if !low => h as u64,
        _ => return Err(Undefined),
    };
    let m = l.v(i.rm());
    let m = l.b.vec_imm(Op::VDupLane, Arr::new(arr.log2() + 1, crate::ir::Width::W128), &[m], index);
    complex_product(l, i, arr, m, i.bits(14, 13));
    Ok(())
}

// --- BFloat16 ------------------------------------------------------------------------------------
/// BFCVT.
pub(super) fn bfcvt(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.vec_imm(Op::FCvt, Arr::S, &[n], 0);
    l.set_v(i.rd(), r);
    Ok(())
}

/// BFCVTN, BFCVTN2.
pub(super) fn bfcvtn(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let mut r = l.b.vec_imm(Op::FCvtn, Arr::H4, &[n], Round::Current as u64 | 8);
    if i.q() {
        let d = l.v(i.rd());
        r = l.b.vec_imm(Op::VInsertLane, Arr::D2, &[d, r], 1 << 8);
    }
    l.set_v(i.rd(), r);
    Ok(())
}

/// The even (bottom) or odd (top) BFloat16 lanes as singles.
fn widen(l: &mut Lifter<'_>, v: Value, top: bool) -> Value {
    if top {
        let mask = l.b.vconst(Arr::S4, 0xffff_0000_ffff_0000);
        l.b.vec(Op::VAnd, Arr::S4, &[v, mask])
    } else {
        l.b.vec_imm(Op::VShlI, Arr::S4, &[v], 16)
    }
}

/// d + n * m, fused, of singles: a BFloat16 number is the high half of one.
fn accumulate(l: &mut Lifter<'_>, i: Insn, m: Value) -> Lifted {
    let (d, n) = (l.v(i.rd()), l.v(i.rn()));
    let n = widen(l, n, i.q());
    let r = l.b.vec(Op::FMla, Arr::S4, &[d, n, m]);
    l.set_v(i.rd(), r);
    Ok(())
}

/// BFMLALB, BFMLALT.
pub(super) fn bfmlal(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let m = l.v(i.rm());
    let m = widen(l, m, i.q());
    accumulate(l, i, m)
}

/// BFMLALB, BFMLALT by element.
pub(super) fn bfmlal_elem(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let index = (i.bit(11) as u64) << 2 | (i.bit(21) as u64) << 1 | i.bit(20) as u64;
    let m = l.v(i.rm() & 15);
    let m = l.b.vec_imm(Op::VDupLane, Arr::H8, &[m], index);
    let m = widen(l, m, true);
    accumulate(l, i, m)
}

// --- conversions -----------------------------------------------------------------------------------
lifts! {
    frint32z => round_scalar(Round::Zero, 32);
    frint32x => round_scalar(Round::Current, 32);
    frint64z => round_scalar(Round::Zero, 64);
    frint64x => round_scalar(Round::Current, 64);
    frint32z_vector => round_vector(Round::Zero, 32);
    frint32x_vector => round_vector(Round::Current, 32);
    frint64z_vector => round_vector(Round::Zero, 64);
    frint64x_vector => round_vector(Round::Current, 64);
}

fn round_to_width(l: &mut Lifter<'_>, i: Insn, arr: Arr, mode: Round, width: u64) {
    let n = l.v(i.rn());
    let r = l.b.vec_imm(Op::FRint, arr, &[n], mode as u64 | width << 8);
    l.set_v(i.rd(), r);
}

fn round_scalar(l: &mut Lifter<'_>, i: Insn, mode: Round, width: u64) -> Lifted {
    round_to_width(l, i, fp::scalar(i), mode, width);
    Ok(())
}

fn round_vector(l: &mut Lifter<'_>, i: Insn, mode: Round, width: u64) -> Lifted {
    if i.bit(22) && !i.q() {
        return Err(Undefined);
    }
    round_to_width(l, i, i.arr_of(2 + i.bit(22) as u8), mode, width);
    Ok(())
}

/// FJCVTZS: Z says that nothing was lost, the other flags are clear.
pub(super) fn fjcvtzs(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.v(i.rn());
    let r = l.b.op(Op::FToSInt, Type::I64, &[n], Arr::D.0, Round::Zero as u64 | JAVASCRIPT);
    let exact = l.b.bin_imm(Op::Shr, r, 32);
    let z = l.b.bin_imm(Op::Shl, exact, 30);
    let f = l.b.op(Op::FlagsFrom, Type::Flags, &[z], 0, 0);
    l.set_flags(f);
    let r = l.b.trunc(r);
    l.set_r(i.rd(), r);
    Ok(())
}
