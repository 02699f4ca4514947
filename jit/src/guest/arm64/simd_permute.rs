//! Advanced SIMD permute, extract, table lookup and copy.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use crate::ir::{Arr, Op, Type, Width};

fn permute(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let arr = sized(i, BHSD)?;
    l.vbinary(i, op, arr)
}

rows! { permute:
    zip1(Op::VZip1);
    zip2(Op::VZip2);
    uzp1(Op::VUzp1);
    uzp2(Op::VUzp2);
    trn1(Op::VTrn1);
    trn2(Op::VTrn2);
}

/// EXT.
pub fn ext(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let at = i.bits(14, 11) as u64;
    if !i.q() && at >= 8 {
        return Err(Undefined);
    }
    let args = [l.vn(i), l.vm(i)];
    let r = l.b.vec_imm(Op::VExt, i.arr_of(0), &args, at);
    l.set_vd(i, r)
}

/// TBL and TBX: lookups in one table after the other, each with indices relative to it.
fn lookup(l: &mut Lifter<'_>, i: Insn, extend: bool) -> Lifted {
    let arr = i.arr_of(0);
    let mut r = if extend { l.vd(i) } else { l.b.vconst(Arr::D2, 0) };
    let mut index = l.vm(i);
    for k in 0..=i.bits(14, 13) as u8 {
        if k > 0 {
            let sixteen = l.b.vconst(arr, 0x1010_1010_1010_1010);
            index = l.b.vec(Op::VSub, arr, &[index, sixteen]);
        }
        let table = l.v((i.rn() + k) & 31);
        r = l.b.vec(Op::VTbx, arr, &[r, table, index]);
    }
    l.set_vd(i, r)
}

rows! { lookup:
    tbl(false);
    tbx(true);
}

/// Element size and index of imm5: its lowest one, and what is above.
fn element(i: Insn) -> Result<(u8, u64), Undefined> {
    match i.bits(19, 16) {
        0 => Err(Undefined),
        _ => {
            let imm5 = i.bits(20, 16);
            let log2 = imm5.trailing_zeros();
            Ok((log2 as u8, (imm5 >> (log2 + 1)) as u64))
        }
    }
}

/// All 128 bits in lanes of size `log2`.
fn full(log2: u8) -> Arr {
    Arr::new(log2, Width::W128)
}

/// DUP from an element (vector and scalar).
pub fn dup_element(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, index) = element(i)?;
    let arr = arr_of(i, log2)?;
    let n = l.vn(i);
    let r = if is_scalar(i) && index == 0 { l.b.vec(Op::VLow, arr, &[n]) } else { l.b.vec_imm(Op::VDupLane, arr, &[n], index) };
    l.set_vd(i, r)
}

/// DUP from a general register.
pub fn dup_general(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, _) = element(i)?;
    let arr = arr_of(i, log2)?;
    let r = if i.rn() == 31 {
        l.b.vconst(arr, 0)
    } else {
        let n = l.r(log2 == 3, i.rn());
        l.b.vec(Op::VDup, arr, &[n])
    };
    l.set_vd(i, r)
}

/// INS from a general register.
pub fn ins_general(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, index) = element(i)?;
    let args = [l.vd(i), l.r(log2 == 3, i.rn())];
    let r = l.b.vec_imm(Op::VInsert, full(log2), &args, index);
    l.set_vd(i, r)
}

/// INS from an element.
pub fn ins_element(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, index) = element(i)?;
    let from = (i.bits(14, 11) >> log2) as u64;
    let args = [l.vd(i), l.vn(i)];
    let r = l.b.vec_imm(Op::VInsertLane, full(log2), &args, index << 8 | from);
    l.set_vd(i, r)
}

/// SMOV: bytes and halves to W, those and words to X.
pub fn smov(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, index) = element(i)?;
    let (limit, ty) = if i.q() { (2, Type::I64) } else { (1, Type::I32) };
    if log2 > limit {
        return Err(Undefined);
    }
    let n = l.vn(i);
    let r = l.b.op(Op::VExtractS, ty, &[n], full(log2).0, index);
    l.set_r(i.rd(), r);
    Ok(())
}

/// UMOV: up to words to W, doublewords to X.
pub fn umov(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let (log2, index) = element(i)?;
    if i.q() != (log2 == 3) {
        return Err(Undefined);
    }
    let n = l.vn(i);
    // The lane comes zero-extended: no need for a separate extension of a W register.
    let r = l.b.op(Op::VExtract, Type::I64, &[n], full(log2).0, index);
    l.set_r(i.rd(), r);
    Ok(())
}
