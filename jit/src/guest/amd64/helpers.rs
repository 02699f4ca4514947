//! What lifted code calls for results that would take too many operations.

use super::cpuid::cpuid;
use super::helpers_vec::{compare_strings, min_pos, mpsadbw, scratch, sha};
use super::{state, x87_fn, x87_ops};
use crate::cpu::Cpu;
use crate::guest::HelperFn;

/// Numbers of the functions in [`HELPERS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Number {
    /// RCL, RCR: value; count, CF, size and direction. `TEMP`: !CF and OF as C and V.
    RotateCarry,
    /// rax with rdx in `TEMP`, divisor: quotient. `TEMP`: whether there is none, then the remainder.
    Div,
    /// The same, signed.
    Idiv,
    /// Value, mask.
    Pdep,
    /// Value, mask.
    Pext,
    /// eax, ecx: eax; the others in `TEMP`.
    Cpuid,
    /// Of the vectors in `TEMP`: see [`super::helpers_vec`].
    Scratch,
    /// See there.
    MinPos,
    /// See there.
    Mpsadbw,
    /// See there.
    Sha,
    /// See there.
    CompareStrings,
    /// See [`super::x87_ops`], up to the last but one.
    X87Arith,
    /// See there.
    X87Load,
    /// See there.
    X87Store,
    /// See there.
    X87Commit,
    /// See there.
    X87Compare,
    /// See there.
    X87Unary,
    /// See there.
    X87Control,
    /// See there.
    X87Image,
    /// See [`super::x87_fn`].
    X87Function,
}

/// The functions by [`Number`].
pub static HELPERS: &[HelperFn] = &[
    rotate_carry,
    div,
    idiv,
    pdep,
    pext,
    cpuid_,
    scratch,
    min_pos,
    mpsadbw,
    sha,
    compare_strings,
    x87_ops::arith,
    x87_ops::load,
    x87_ops::store,
    x87_ops::commit,
    x87_ops::compare,
    x87_ops::unary,
    x87_ops::control,
    x87_ops::image,
    x87_fn::function,
];

extern "C" fn rotate_carry(cpu: &mut Cpu, v: u64, how: u64) -> u64 {
    let bits = 8u32 << (how >> 16 & 3);
    let left = how >> 24 & 1 != 0;
    let carry = how >> 8 & 1;
    let n = (how as u32 & 0xff) % (bits + 1);
    let all = v as u128 | (carry as u128) << bits;
    let n = if left { n } else { (bits + 1 - n) % (bits + 1) };
    let mask = (1u128 << (bits + 1)) - 1;
    let r = (all << n | if n == 0 { 0 } else { all >> (bits + 1 - n) }) & mask;
    let carry = (r >> bits) as u64 & 1;
    let r = (r & ((1 << bits) - 1)) as u64;
    let top = r >> (bits - 1) & 1;
    let over = if left { top ^ carry } else { top ^ (r >> (bits - 2) & 1) };
    cpu.area[state::TEMP] = (carry ^ 1) << 1 | over;
    r
}

extern "C" fn div(cpu: &mut Cpu, low: u64, d: u64) -> u64 {
    let n = (cpu.area[state::TEMP] as u128) << 64 | low as u128;
    let q = n.checked_div(d as u128).filter(|&q| q <= u64::MAX as u128);
    cpu.area[state::TEMP] = q.is_none() as u64;
    cpu.area[state::TEMP + 1] = n.checked_rem(d as u128).unwrap_or(0) as u64;
    q.unwrap_or(0) as u64
}

extern "C" fn idiv(cpu: &mut Cpu, low: u64, d: u64) -> u64 {
    let n = ((cpu.area[state::TEMP] as u128) << 64 | low as u128) as i128;
    let d = d as i64 as i128;
    let q = n.checked_div(d).filter(|&q| i64::try_from(q).is_ok());
    cpu.area[state::TEMP] = q.is_none() as u64;
    cpu.area[state::TEMP + 1] = n.checked_rem(d).unwrap_or(0) as u64;
    q.unwrap_or(0) as u64
}

extern "C" fn pdep(_: &mut Cpu, mut v: u64, mut mask: u64) -> u64 {
    let mut r = 0;
    while mask != 0 {
        let bit = mask & mask.wrapping_neg();
        if v & 1 != 0 {
            r |= bit;
        }
        v >>= 1;
        mask ^= bit;
    }
    r
}

extern "C" fn pext(_: &mut Cpu, v: u64, mut mask: u64) -> u64 {
    let (mut r, mut n) = (0, 0);
    while mask != 0 {
        let at = mask.trailing_zeros();
        r |= (v >> at & 1) << n;
        n += 1;
        mask &= mask - 1;
    }
    r
}

extern "C" fn cpuid_(cpu: &mut Cpu, leaf: u64, sub: u64) -> u64 {
    let [a, b, c, d] = cpuid(leaf as u32, sub as u32);
    for (n, v) in [b, c, d].into_iter().enumerate() {
        cpu.area[state::TEMP + n] = v as u64;
    }
    a as u64
}
