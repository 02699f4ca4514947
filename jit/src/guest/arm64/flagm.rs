//! Flag manipulation (FEAT_FlagM, FEAT_FlagM2).

use super::lift::{Insn, Lifted, Lifter};
use crate::ir::{Op, Type, Value};

const N: u32 = 31;
const Z: u32 = 30;
const C: u32 = 29;
const V: u32 = 28;

/// NZCV in bits 31..28.
fn read(l: &mut Lifter<'_>) -> Value {
    let f = l.flags();
    l.b.op(Op::FlagsTo, Type::I64, &[f], 0, 0)
}

fn write(l: &mut Lifter<'_>, v: Value) -> Lifted {
    let f = l.b.op(Op::FlagsFrom, Type::Flags, &[v], 0, 0);
    l.set_flags(f);
    Ok(())
}

/// CFINV.
pub fn cfinv(l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    let v = read(l);
    let v = l.b.bin_imm(Op::Xor, v, 1 << C);
    write(l, v)
}

/// Bit `n` of `v` in bit 0.
fn bit(l: &mut Lifter<'_>, v: Value, n: u32) -> Value {
    l.b.un_imm(Op::Ubfx, v, 1 << 8 | n as u64)
}

/// `v`, which is 0 or 1, at bit `n`, or-ed to `to`.
fn put(l: &mut Lifter<'_>, to: Value, v: Value, n: u32) -> Value {
    let v = l.b.bin_imm(Op::Shl, v, n as u64);
    l.b.bin(Op::Or, to, v)
}

/// AXFLAG: from the flags of an FP comparison to those that other architectures use.
pub fn axflag(l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    let f = read(l);
    let (z, c, v) = (bit(l, f, Z), bit(l, f, C), bit(l, f, V));
    let zero = l.c(true, 0);
    let z = l.b.bin(Op::Or, z, v);
    let c = l.b.bin(Op::Andn, c, v);
    let r = put(l, zero, z, Z);
    let r = put(l, r, c, C);
    write(l, r)
}

/// XAFLAG: the inverse.
pub fn xaflag(l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    let f = read(l);
    let (z, c) = (bit(l, f, Z), bit(l, f, C));
    let one = l.c(true, 1);
    let not_c = l.b.bin(Op::Xor, c, one);
    let n = l.b.bin(Op::Andn, not_c, z);
    let new_z = l.b.bin(Op::And, z, c);
    let new_c = l.b.bin(Op::Or, c, z);
    let v = l.b.bin(Op::And, not_c, z);
    let zero = l.c(true, 0);
    let mut r = zero;
    for (value, at) in [(n, N), (new_z, Z), (new_c, C), (v, V)] {
        r = put(l, r, value, at);
    }
    write(l, r)
}

/// RMIF: bits 3..0 of a rotated register into the flags that the mask names.
pub fn rmif(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let n = l.x(i.rn());
    let by = l.c(true, i.bits(20, 15) as u64);
    let n = l.b.bin(Op::Ror, n, by);
    let n = l.b.bin_imm(Op::Shl, n, V as u64);
    let mask = (i.bits(3, 0) as u64) << V;
    let n = l.b.bin_imm(Op::And, n, mask);
    let f = read(l);
    let f = l.b.bin_imm(Op::And, f, !mask);
    let r = l.b.bin(Op::Or, f, n);
    write(l, r)
}

/// SETF8, SETF16: N and Z of the low part, V if its sign bit is not the bit above; C stays.
fn set_flags(l: &mut Lifter<'_>, i: Insn, bits: u32) -> Lifted {
    let n = l.x(i.rn());
    let sign = bit(l, n, bits - 1);
    let above = bit(l, n, bits);
    let v = l.b.bin(Op::Xor, sign, above);
    // Zero less one borrows from above.
    let low = l.b.un_imm(Op::Ubfx, n, (bits as u64) << 8);
    let z = l.b.bin_imm(Op::Sub, low, 1);
    let z = l.b.bin_imm(Op::Shr, z, 63);
    let f = read(l);
    let mut r = l.b.bin_imm(Op::And, f, 1 << C);
    for (value, at) in [(sign, N), (z, Z), (v, V)] {
        r = put(l, r, value, at);
    }
    write(l, r)
}

/// SETF8.
pub fn setf8(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    set_flags(l, i, 8)
}

/// SETF16.
pub fn setf16(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    set_flags(l, i, 16)
}
