//! Exclusives, acquire and release, and the atomics of Armv8.1.

use super::lift::{Insn, Lifted, Lifter};
use crate::ir::{Arr, Mem, Op, Type, Value};

/// log2 of the access size of the single-register forms.
fn log2(i: Insn) -> u8 {
    i.bits(31, 30) as u8
}

/// The integer type that an access of this size works in.
fn ty(log2: u8) -> Type {
    if log2 == 3 {
        Type::I64
    } else {
        Type::I32
    }
}

/// Two W registers as one i64, or two X registers as a v128.
fn join(l: &mut Lifter<'_>, wide: bool, low: u8, high: u8) -> Value {
    let a = l.x(low);
    let b = l.x(high);
    if wide {
        l.b.op(Op::VPair, Type::V128, &[a, b], 0, 0)
    } else {
        l.b.bfi(a, b, 32, 32)
    }
}

/// The inverse of `join`.
fn split(l: &mut Lifter<'_>, v: Value, low: u8, high: u8) {
    let (a, b) = if l.b.ty(v) == Type::V128 {
        let a = l.b.op(Op::VExtract, Type::I64, &[v], Arr::D2.0, 0);
        (a, l.b.op(Op::VExtract, Type::I64, &[v], Arr::D2.0, 1))
    } else {
        (l.b.trunc(v), l.b.bin_imm(Op::Shr, v, 32))
    };
    l.set_r(low, a);
    l.set_r(high, b);
}

/// LDXR, LDAXR and their narrow forms.
pub fn load_exclusive(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.b.op(Op::LoadEx, ty(log2(i)), &[addr], log2(i), i.bits(15, 15) as u64);
    l.set_r(i.rt(), v);
    Ok(())
}

/// LDXP, LDAXP.
pub fn load_exclusive_pair(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let (ty, log2) = if i.bit(30) { (Type::V128, 4) } else { (Type::I64, 3) };
    let v = l.b.op(Op::LoadEx, ty, &[addr], log2, i.bits(15, 15) as u64);
    split(l, v, i.rt(), i.rt2());
    Ok(())
}

/// STXR, STLXR and their narrow forms.
pub fn store_exclusive(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.r(log2(i) == 3, i.rt());
    let status = l.b.op(Op::StoreEx, Type::I32, &[addr, v], log2(i), i.bits(15, 15) as u64);
    l.set_r(i.rm(), status);
    Ok(())
}

/// STXP, STLXP.
pub fn store_exclusive_pair(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let wide = i.bit(30);
    let v = join(l, wide, i.rt(), i.rt2());
    let status = l.b.op(Op::StoreEx, Type::I32, &[addr, v], if wide { 4 } else { 3 }, i.bits(15, 15) as u64);
    l.set_r(i.rm(), status);
    Ok(())
}

/// LDAR, LDLAR, LDAPR (whose weaker order x86 does not make cheaper).
pub fn load_acquire(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.b.op(Op::LoadAcq, Type::I64, &[addr], Mem::size(log2(i)).bits(), 0);
    l.set_r(i.rt(), v);
    Ok(())
}

/// STLR, STLLR.
pub fn store_release(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.r(log2(i) == 3, i.rt());
    l.b.op(Op::StoreRel, Type::None, &[addr, Value::NONE, v], Mem::size(log2(i)).bits(), 0);
    Ok(())
}

/// LDAPUR and its narrow and sign-extending forms.
pub fn load_acquire_offset(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let mem = Mem::size(log2(i));
    let (mem, ty) = match i.bits(23, 22) {
        1 => (mem, Type::I64),
        2 => (mem.signed(), Type::I64),
        _ => (mem.signed(), Type::I32),
    };
    let v = l.b.op(Op::LoadAcq, ty, &[addr], mem.bits(), i.sbits(20, 12) as u64);
    l.set_r(i.rt(), v);
    Ok(())
}

/// STLUR and its narrow forms.
pub fn store_release_offset(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.r(log2(i) == 3, i.rt());
    l.b.op(Op::StoreRel, Type::None, &[addr, Value::NONE, v], Mem::size(log2(i)).bits(), i.sbits(20, 12) as u64);
    Ok(())
}

fn atomic(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let addr = l.x_sp(i.rn());
    let v = l.r(log2(i) == 3, i.rm());
    let old = l.b.op(op, ty(log2(i)), &[addr, v], log2(i), 0);
    l.set_r(i.rt(), old);
    Ok(())
}

/// LDADD … LDUMIN, also STADD … STUMIN.
pub fn rmw(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    const OPS: [Op; 8] = [
        Op::AtomicAdd,
        Op::AtomicClr,
        Op::AtomicEor,
        Op::AtomicSet,
        Op::AtomicSmax,
        Op::AtomicSmin,
        Op::AtomicUmax,
        Op::AtomicUmin,
    ];
    atomic(l, i, OPS[i.bits(14, 12) as usize])
}

/// SWP.
pub fn swap(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    atomic(l, i, Op::AtomicSwp)
}

/// CAS.
pub fn cas(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let expected = l.r(log2(i) == 3, i.rm());
    let new = l.r(log2(i) == 3, i.rt());
    let old = l.b.op(Op::AtomicCas, ty(log2(i)), &[addr, expected, new], log2(i), 0);
    l.set_r(i.rm(), old);
    Ok(())
}

/// CASP. The table admits even registers only.
pub fn casp(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x_sp(i.rn());
    let wide = i.bit(30);
    let expected = join(l, wide, i.rm(), i.rm() + 1);
    let new = join(l, wide, i.rt(), i.rt() + 1);
    let (op, ty, log2) = if wide { (Op::AtomicCasp, Type::V128, 4) } else { (Op::AtomicCas, Type::I64, 3) };
    let old = l.b.op(op, ty, &[addr, expected, new], log2, 0);
    split(l, old, i.rm(), i.rm() + 1);
    Ok(())
}
