//! What the Advanced SIMD chapters share: arrangements and their allocation, and the usual ways to write a result.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Op, Value, Width};

/// Element sizes (bit n: `size` n is allocated) that a row allows.
pub const BHSD: u8 = 0b1111;
/// All but 64 bits.
pub const BHS: u8 = 0b0111;
/// 16 and 32 bits.
pub const HS: u8 = 0b0110;
/// 8 and 16 bits.
pub const BH: u8 = 0b0011;
/// 8 bits.
pub const B: u8 = 0b0001;
/// 32 bits.
pub const S: u8 = 0b0100;

/// Lifting functions that differ only in the arguments of a common one.
macro_rules! rows {
    ($common:ident: $($name:ident($($arg:expr),*);)*) => {
        $(pub fn $name(l: &mut Lifter<'_>, i: Insn) -> Lifted { $common(l, i, $($arg),*) })*
    };
}
pub(super) use rows;

/// Whether this is a scalar encoding.
pub fn is_scalar(i: Insn) -> bool {
    i.bit(28)
}

/// The arrangement of elements of size `log2`: scalar or by Q; there is no 1D.
pub fn arr_of(i: Insn, log2: u8) -> Result<Arr, Undefined> {
    match (is_scalar(i), i.arr_of(log2)) {
        (true, _) => Ok(Arr(log2)),
        (false, Arr::D1) => Err(Undefined),
        (false, arr) => Ok(arr),
    }
}

/// `size` if `sizes` allows it.
pub fn size(i: Insn, sizes: u8) -> Result<u8, Undefined> {
    let size = i.bits(23, 22) as u8;
    if sizes >> size & 1 != 0 {
        Ok(size)
    } else {
        Err(Undefined)
    }
}

/// The arrangement by `size` and Q, or scalar, if allowed.
pub fn sized(i: Insn, sizes: u8) -> Result<Arr, Undefined> {
    arr_of(i, size(i, sizes)?)
}

/// The arrangement of a half-width operand (source of a lengthening or result of a narrowing operation).
pub fn half_of(i: Insn, log2: u8) -> Arr {
    Arr::new(log2, if is_scalar(i) { Width::Scalar } else { Width::W64 })
}

/// The arrangement of lanes twice as wide as `half`'s.
pub fn wide_of(half: Arr) -> Arr {
    match half.width() {
        Width::Scalar => Arr(half.log2() + 1),
        _ => Arr::new(half.log2() + 1, Width::W128),
    }
}

/// Which half of the sources a lengthening operation reads (`imm` of the IR's operations): the high one for the "2" forms.
pub fn part(i: Insn) -> u64 {
    (!is_scalar(i) && i.q()) as u64
}

impl Lifter<'_> {
    /// Vn.
    pub fn vn(&mut self, i: Insn) -> Value {
        self.v(i.rn())
    }
    /// Vm.
    pub fn vm(&mut self, i: Insn) -> Value {
        self.v(i.rm())
    }
    /// Vd before the instruction.
    pub fn vd(&mut self, i: Insn) -> Value {
        self.v(i.rd())
    }
    /// Write Vd.
    pub fn set_vd(&mut self, i: Insn, v: Value) -> Lifted {
        self.set_v(i.rd(), v);
        Ok(())
    }
    /// Vd := op(Vn, Vm).
    pub fn vbinary(&mut self, i: Insn, op: Op, arr: Arr) -> Lifted {
        let args = [self.vn(i), self.vm(i)];
        let r = self.b.vec(op, arr, &args);
        self.set_vd(i, r)
    }
    /// Vd := op(Vn).
    pub fn vunary(&mut self, i: Insn, op: Op, arr: Arr) -> Lifted {
        let n = self.vn(i);
        let r = self.b.vec(op, arr, &[n]);
        self.set_vd(i, r)
    }
    /// Vd := Vd `op` r.
    pub fn accumulate(&mut self, i: Insn, op: Op, arr: Arr, r: Value) -> Lifted {
        let d = self.vd(i);
        let r = self.b.vec(op, arr, &[d, r]);
        self.set_vd(i, r)
    }
    /// Write a narrowed result: alone, or for the "2" forms above Vd's low half.
    pub fn set_narrow(&mut self, i: Insn, r: Value) -> Lifted {
        if part(i) == 0 {
            return self.set_vd(i, r);
        }
        let d = self.vd(i);
        let r = self.b.vec_imm(Op::VInsertLane, Arr::D2, &[d, r], 1 << 8);
        self.set_vd(i, r)
    }
    /// The half of `v` that a lengthening operation reads, extended to lanes of twice the size.
    pub fn extend(&mut self, i: Insn, half: Arr, v: Value, unsigned: bool) -> Value {
        let op = if unsigned { Op::VUxtl } else { Op::VSxtl };
        self.b.vec_imm(op, half, &[v], part(i))
    }
}
