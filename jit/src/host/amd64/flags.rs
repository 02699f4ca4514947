//! Condition flags on x86: the shapes in which EFLAGS can hold a guest's NZCV, the condition table for each, and the resting shape.
//!
//! **Carry polarity, once and for all.** Arm's C after a subtraction means "no borrow"; x86's CF means "borrow". [`Shape::Sub`]
//! is CF = !C, [`Shape::Add`] is CF = C. N = SF, Z = ZF, V = OF in both. A logical operation is `Add` with CF = OF = 0.
//!
//! **At rest** (`Cpu::flags`): AX after `lahf; seto al` in `Sub` polarity: bit 15 = N, bit 14 = Z, bit 8 = !C, bit 0 = V; other bits are
//! anything, except that bits 7..1 are zero. Back: `mov eax,[flags]; add al,0x7f; sahf`.

use super::asm::cc;
use crate::ir::Cond;

/// What EFLAGS mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Shape {
    /// CF = !C.
    Sub = 1,
    /// CF = C.
    Add = 2,
    /// `ucomis a, b`: unordered ZF = PF = CF = 1, less CF, equal ZF, greater none; OF = SF = 0.
    Fcmp = 3,
    /// `ucomis b, a`.
    FcmpRev = 4,
}

impl Shape {
    /// From its number.
    pub fn from_bits(b: u8) -> Option<Shape> {
        [None, Some(Shape::Sub), Some(Shape::Add), Some(Shape::Fcmp), Some(Shape::FcmpRev)].get(b as usize).copied().flatten()
    }
}

/// How to test a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// This x86 condition.
    Cc(u8),
    /// After `cmc` (which turns `Add` into `Sub` and back).
    Cmc(u8),
    /// This x86 condition after clearing ZF if PF is set (unordered counts as different).
    Ordered(u8),
    /// Not directly: bring the flags into `Sub` shape first.
    Convert,
    /// Always true.
    Always,
}

/// The test for `cond` on flags of a shape.
pub fn test(shape: Shape, cond: Cond) -> Test {
    use Test::*;
    const SUB: [u8; 14] =
        [cc::E, cc::NE, cc::AE, cc::B, cc::S, cc::NS, cc::O, cc::NO, cc::A, cc::BE, cc::GE, cc::L, cc::G, cc::LE];
    let n = cond as usize;
    if n >= 14 {
        return Always;
    }
    match shape {
        Shape::Sub => Cc(SUB[n]),
        Shape::Add => match cond {
            Cond::Cs => Cc(cc::B),
            Cond::Cc => Cc(cc::AE),
            Cond::Hi | Cond::Ls => Cmc(SUB[n]),
            _ => Cc(SUB[n]),
        },
        Shape::Fcmp => match cond {
            Cond::Eq => Ordered(cc::E),
            Cond::Ne => Ordered(cc::NE),
            Cond::Vs => Cc(cc::P),
            Cond::Vc => Cc(cc::NP),
            Cond::Ge => Cc(cc::AE),
            Cond::Lt => Cc(cc::B),
            Cond::Gt => Cc(cc::A),
            Cond::Le => Cc(cc::BE),
            _ => Convert,
        },
        Shape::FcmpRev => match cond {
            Cond::Eq => Ordered(cc::E),
            Cond::Ne => Ordered(cc::NE),
            Cond::Vs => Cc(cc::P),
            Cond::Vc => Cc(cc::NP),
            Cond::Mi | Cond::Cc => Cc(cc::A),
            Cond::Pl | Cond::Cs => Cc(cc::BE),
            Cond::Ls => Cc(cc::AE),
            Cond::Hi => Cc(cc::B),
            _ => Convert,
        },
    }
}

/// The compare order that suits the first condition evaluated on an FP comparison.
pub fn fcmp_shape(first_cc: u8) -> Shape {
    match Cond::from_bits(first_cc) {
        Cond::Mi | Cond::Pl | Cond::Ls | Cond::Hi | Cond::Cs | Cond::Cc if first_cc < 16 => Shape::FcmpRev,
        _ => Shape::Fcmp,
    }
}

/// The resting shape of an NZCV constant (bits 3..0).
pub const fn rest_from_nzcv(nzcv: u8) -> u32 {
    let (n, z, c, v) = ((nzcv >> 3 & 1) as u32, (nzcv >> 2 & 1) as u32, (nzcv >> 1 & 1) as u32, (nzcv & 1) as u32);
    n << 15 | z << 14 | (c ^ 1) << 8 | v
}

/// NZCV (bits 3..0) of a resting value.
pub const fn nzcv_from_rest(rest: u32) -> u8 {
    ((rest >> 15 & 1) << 3 | (rest >> 14 & 1) << 2 | (rest >> 8 & 1 ^ 1) << 1 | (rest & 1)) as u8
}

/// The resting value of flags that are in EFLAGS in shape number `shape` ([`crate::host::Point::flags`], not 0).
pub fn flags_at_rest(eflags: u64, shape: u8) -> u32 {
    let bit = |n: u32| (eflags >> n & 1) as u8;
    let (cf, pf, zf, sf, of) = (bit(0), bit(2), bit(6), bit(7), bit(11));
    let nzcv = match Shape::from_bits(shape) {
        Some(Shape::Add) => sf << 3 | zf << 2 | cf << 1 | of,
        Some(Shape::Fcmp | Shape::FcmpRev) if pf != 0 => 0b0011,
        Some(Shape::Fcmp | Shape::FcmpRev) if zf != 0 => 0b0110,
        Some(s @ (Shape::Fcmp | Shape::FcmpRev)) => {
            if (cf != 0) == (s == Shape::Fcmp) {
                0b1000
            } else {
                0b0010
            }
        }
        _ => sf << 3 | zf << 2 | (cf ^ 1) << 1 | of,
    };
    rest_from_nzcv(nzcv)
}
