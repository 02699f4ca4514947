//! Scalar integer operations and the flags. Values are 64-bit images: an i32 has its upper half clear, in and out.

use crate::ir::{Cond, Inst, Op, Type};

/// NZCV packed in bits 3..0.
pub type Nzcv = u8;

/// Whether this module evaluates the operation.
pub fn covers(op: Op) -> bool {
    matches!(
        op,
        Op::Const
            | Op::Add
            | Op::Sub
            | Op::AddShl
            | Op::Adc
            | Op::Sbc
            | Op::And
            | Op::Andn
            | Op::Or
            | Op::Orn
            | Op::Xor
            | Op::Xorn
            | Op::Not
            | Op::Neg
            | Op::Shl
            | Op::Shr
            | Op::Sar
            | Op::Ror
            | Op::Extr
            | Op::Mul
            | Op::Umulh
            | Op::Smulh
            | Op::Udiv
            | Op::Sdiv
            | Op::Clz
            | Op::Cls
            | Op::Rbit
            | Op::Rev
            | Op::Ubfx
            | Op::Sbfx
            | Op::Bfi
            | Op::Zext
            | Op::Sext
            | Op::Trunc
            | Op::Crc32
            | Op::FlagsFrom
            | Op::FlagsTo
            | Op::Select
            | Op::SetCond
            | Op::Ccmp
            | Op::Ccmn
            | Op::SelFlags
            | Op::CFlip
            | Op::AxFlag
            | Op::FlagsInsert
    )
}

/// Evaluate an operation that [`covers`] admits. Flags are NZCV in bits 3..0; `operand_bits` is the width of the
/// integer operands of `ccmp` and `ccmn`.
pub fn eval(i: &Inst, args: [u64; 3], operand_bits: u32) -> u64 {
    let [a, b, c] = args;
    let w = i.ty.bits();
    match i.op {
        Op::Const => i.imm,
        Op::Add | Op::Sub | Op::Adc | Op::Sbc | Op::Neg => arith(i.op, w, a, b, c as Nzcv),
        Op::AddShl => cut(w, a.wrapping_add(b << i.imm)),
        Op::And | Op::Andn | Op::Or | Op::Orn | Op::Xor | Op::Xorn | Op::Not => logic(i.op, w, a, b),
        Op::Shl | Op::Shr | Op::Sar | Op::Ror | Op::Extr => shift(i.op, w, a, b, i.imm),
        Op::Mul | Op::Umulh | Op::Smulh | Op::Udiv | Op::Sdiv => mul_div(i.op, w, a, b),
        Op::Clz | Op::Cls | Op::Rbit | Op::Rev => bits(i.op, w, a, i.imm),
        Op::Ubfx | Op::Sbfx | Op::Bfi => field(i.op, w, a, b, i.imm),
        Op::Zext => a,
        Op::Sext => sext(32, a) as u64,
        Op::Trunc => cut(32, a),
        Op::Crc32 => crc32(a as u32, b, i.aux, i.imm != 0) as u64,
        Op::FlagsFrom => a >> 28 & 15,
        Op::FlagsTo => a << 28,
        Op::CFlip => a ^ 2,
        Op::AxFlag => (a | a << 2) & 4 | (a & !(a << 1)) & 2,
        Op::FlagsInsert => {
            let mask = i.imm & 15;
            a & !mask | b >> (i.imm >> 8) & mask
        }
        Op::SetCond => i.cond().holds(a as Nzcv) as u64,
        Op::Ccmp | Op::Ccmn => cond_compare(i, operand_bits, a as Nzcv, b, c) as u64,
        // select, selflags
        _ if i.cond().holds(a as Nzcv) => b,
        _ => c,
    }
}

/// The low `w` bits.
fn cut(w: u32, v: u64) -> u64 {
    v & (u64::MAX >> (64 - w))
}

/// The low `w` bits as a signed number.
fn sext(w: u32, v: u64) -> i64 {
    (v << (64 - w)) as i64 >> (64 - w)
}

/// Addition with carry in, at `w` bits: the result and NZCV (AddWithCarry of the Arm ARM).
pub fn add_with_carry(w: u32, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
    let (a, b) = (cut(w, a), cut(w, b));
    let wide = a as u128 + b as u128 + carry as u128;
    let r = cut(w, wide as u64);
    let top = w - 1;
    let overflow = ((a ^ r) & (b ^ r)) >> top & 1;
    let flags = (r >> top) << 3 | ((r == 0) as u64) << 2 | ((wide >> w) as u64 & 1) << 1 | overflow;
    (r, flags as Nzcv)
}

fn carry(f: Nzcv) -> bool {
    f & 2 != 0
}

fn arith(op: Op, w: u32, a: u64, b: u64, f: Nzcv) -> u64 {
    match op {
        Op::Neg => cut(w, a.wrapping_neg()),
        _ => arith_flags(op, w, a, b, f).0,
    }
}

fn arith_flags(op: Op, w: u32, a: u64, b: u64, f: Nzcv) -> (u64, Nzcv) {
    match op {
        Op::Add => add_with_carry(w, a, b, false),
        Op::Adc => add_with_carry(w, a, b, carry(f)),
        Op::Sub => add_with_carry(w, a, !b, true),
        _ => add_with_carry(w, a, !b, carry(f)),
    }
}

/// The flags that `flagsof` takes from the operation `i` on these operands.
pub fn flags_of(i: &Inst, args: [u64; 3]) -> Nzcv {
    let [a, b, c] = args;
    let w = i.ty.bits();
    match i.op {
        Op::And | Op::Andn => {
            let r = logic(i.op, w, a, b);
            ((r >> (w - 1)) << 3 | ((r == 0) as u64) << 2) as Nzcv
        }
        op => arith_flags(op, w, a, b, c as Nzcv).1,
    }
}

fn cond_compare(i: &Inst, w: u32, f: Nzcv, b: u64, c: u64) -> Nzcv {
    match (i.cond().holds(f), i.op) {
        (false, _) => i.imm as Nzcv,
        (true, Op::Ccmn) => add_with_carry(w, b, c, false).1,
        _ => add_with_carry(w, b, !c, true).1,
    }
}

fn logic(op: Op, w: u32, a: u64, b: u64) -> u64 {
    let r = match op {
        Op::And => a & b,
        Op::Andn => a & !b,
        Op::Or => a | b,
        Op::Orn => a | !b,
        Op::Xor => a ^ b,
        Op::Xorn => a ^ !b,
        _ => !a,
    };
    cut(w, r)
}

fn shift(op: Op, w: u32, a: u64, b: u64, imm: u64) -> u64 {
    let n = b as u32 & (w - 1);
    let r = match op {
        Op::Shl => a << n,
        Op::Shr => a >> n,
        Op::Sar => (sext(w, a) >> n) as u64,
        Op::Ror => ((a as u128) << w | a as u128).wrapping_shr(n) as u64,
        _ => ((a as u128) << w | b as u128).wrapping_shr(imm as u32) as u64,
    };
    cut(w, r)
}

fn mul_div(op: Op, w: u32, a: u64, b: u64) -> u64 {
    let r = match op {
        Op::Mul => a.wrapping_mul(b),
        Op::Umulh => ((a as u128 * b as u128) >> 64) as u64,
        Op::Smulh => ((a as i64 as i128 * b as i64 as i128) >> 64) as u64,
        Op::Udiv => a.checked_div(b).unwrap_or(0),
        _ if b == 0 => 0,
        _ => sext(w, a).wrapping_div(sext(w, b)) as u64,
    };
    cut(w, r)
}

fn bits(op: Op, w: u32, a: u64, imm: u64) -> u64 {
    match op {
        Op::Clz => (a.leading_zeros() - (64 - w)) as u64,
        Op::Cls => {
            let s = sext(w, a);
            ((s ^ s >> 63).leading_zeros() - (64 - w) - 1) as u64
        }
        Op::Rbit => a.reverse_bits() >> (64 - w),
        _ => {
            let bytes = a.to_le_bytes();
            let mut out = [0; 8];
            for (k, o) in out.iter_mut().enumerate() {
                *o = bytes[k ^ (imm as usize - 1)];
            }
            cut(w, u64::from_le_bytes(out))
        }
    }
}

fn field(op: Op, w: u32, a: u64, b: u64, imm: u64) -> u64 {
    let (pos, len) = (imm as u32 & 0xff, (imm >> 8) as u32);
    let mask = u64::MAX >> (64 - len);
    match op {
        Op::Ubfx => a >> pos & mask,
        Op::Sbfx => cut(w, sext(len, a >> pos) as u64),
        _ => cut(w, a & !(mask << pos) | (b & mask) << pos),
    }
}

/// One CRC step over the low `1 << log2` bytes of `data`, bit by bit, with the reversed polynomials.
pub fn crc32(acc: u32, data: u64, log2: u8, castagnoli: bool) -> u32 {
    let poly = if castagnoli { 0x82f6_3b78 } else { 0xedb8_8320 };
    data.to_le_bytes()[..1 << log2]
        .iter()
        .fold(acc, |acc, &byte| (0..8).fold(acc ^ byte as u32, |c, _| if c & 1 != 0 { c >> 1 ^ poly } else { c >> 1 }))
}

/// The new memory value of an atomic read-modify-write of `8 << log2` bits.
pub fn atomic(op: Op, log2: u8, old: u64, operand: u64) -> u64 {
    let w = 8 << log2;
    let (s_old, s_new) = (sext(w, old), sext(w, operand));
    let (old, new) = (cut(w, old), cut(w, operand));
    let r = match op {
        Op::AtomicAdd => old.wrapping_add(new),
        Op::AtomicClr => old & !new,
        Op::AtomicEor => old ^ new,
        Op::AtomicSet => old | new,
        Op::AtomicSmax => s_old.max(s_new) as u64,
        Op::AtomicSmin => s_old.min(s_new) as u64,
        Op::AtomicUmax => old.max(new),
        Op::AtomicUmin => old.min(new),
        _ => new,
    };
    cut(w, r)
}

/// A loaded value of `8 << log2` bits as a value of type `ty`.
pub fn extend(raw: u128, log2: u8, signed: bool, ty: Type) -> u128 {
    match ty {
        Type::V128 => raw,
        _ if signed => cut(ty.bits(), sext(8 << log2, raw as u64) as u64) as u128,
        _ => raw,
    }
}

/// Whether an `exit_if…` leaves.
pub fn exit_taken(i: &Inst, a: u64) -> bool {
    match i.op {
        Op::ExitIf => Cond::from_bits(i.aux).holds(a as Nzcv),
        Op::ExitIfZero => a == 0,
        Op::ExitIfNonzero => a != 0,
        Op::ExitIfBit => a >> i.aux & 1 != 0,
        _ => a >> i.aux & 1 == 0,
    }
}
