//! Walking over lanes: each operation is one of these helpers and a closure on a zero- or sign-extended lane.
//! A closure's result is cut to the lane; lanes that the arrangement does not name come out zero.

use crate::ir::{Arr, Width, EVEN};

/// The low `bits` (1..=64) ones.
#[inline]
pub const fn ones(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// Sign extension of the low `bits` (1..=64).
#[inline]
pub const fn sx(x: u64, bits: u32) -> i128 {
    ((x << (64 - bits)) as i64 >> (64 - bits)) as i128
}

/// Lane `n` of `bits` bits, zero-extended; `n` wraps at the vector's end.
#[inline]
pub const fn lane(v: u128, bits: u32, n: usize) -> u64 {
    (v >> (n as u32 * bits % 128)) as u64 & ones(bits)
}

/// The part of `v` that the arrangement names.
#[inline]
pub const fn keep(arr: Arr, v: u128) -> u128 {
    match arr.width() {
        Width::Scalar => v & ones(arr.ebits()) as u128,
        Width::W64 => v as u64 as u128,
        Width::W128 => v,
    }
}

/// Half `h` of a vector.
#[inline(always)]
const fn half(v: u128, h: usize) -> u64 {
    (v >> (h * 64)) as u64
}

/// Build a vector from lanes; `f` gets the half that a lane is in and its bit position there.
#[inline(always)]
fn build(arr: Arr, mut f: impl FnMut(usize, u32) -> u64) -> u128 {
    let bits = arr.ebits();
    let (halves, span) = match arr.width() {
        Width::Scalar => (1, bits),
        Width::W64 => (1, 64),
        Width::W128 => (2, 64),
    };
    let mut r = [0u64; 2];
    for (h, r) in r.iter_mut().enumerate().take(halves) {
        let mut s = 0;
        while s < span {
            *r |= (f(h, s) & ones(bits)) << s;
            s += bits;
        }
    }
    r[0] as u128 | (r[1] as u128) << 64
}

/// Lane-wise on one operand, zero-extended.
#[inline(always)]
pub fn umap1(arr: Arr, a: u128, mut f: impl FnMut(u128) -> u128) -> u128 {
    let m = ones(arr.ebits());
    build(arr, |h, s| f((half(a, h) >> s & m) as u128) as u64)
}

/// Lane-wise on one operand, sign-extended.
#[inline(always)]
pub fn smap1(arr: Arr, a: u128, mut f: impl FnMut(i128) -> i128) -> u128 {
    let bits = arr.ebits();
    build(arr, |h, s| f(sx(half(a, h) >> s, bits)) as u64)
}

/// Lane-wise on two operands, zero-extended.
#[inline(always)]
pub fn umap2(arr: Arr, a: u128, b: u128, mut f: impl FnMut(u128, u128) -> u128) -> u128 {
    let m = ones(arr.ebits());
    build(arr, |h, s| f((half(a, h) >> s & m) as u128, (half(b, h) >> s & m) as u128) as u64)
}

/// Lane-wise on two operands, sign-extended.
#[inline(always)]
pub fn smap2(arr: Arr, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
    let bits = arr.ebits();
    build(arr, |h, s| f(sx(half(a, h) >> s, bits), sx(half(b, h) >> s, bits)) as u64)
}

/// Lane-wise on three operands, sign-extended.
#[inline(always)]
pub fn smap3(arr: Arr, [a, b, c]: [u128; 3], mut f: impl FnMut(i128, i128, i128) -> i128) -> u128 {
    let bits = arr.ebits();
    build(arr, |h, s| f(sx(half(a, h) >> s, bits), sx(half(b, h) >> s, bits), sx(half(c, h) >> s, bits)) as u64)
}

/// Lane masks from a comparison of zero-extended lanes.
#[inline(always)]
pub fn ucmp(arr: Arr, a: u128, b: u128, f: impl Fn(u128, u128) -> bool) -> u128 {
    umap2(arr, a, b, |x, y| if f(x, y) { u128::MAX } else { 0 })
}

/// Lane masks from a comparison of sign-extended lanes.
#[inline(always)]
pub fn scmp(arr: Arr, a: u128, b: u128, f: impl Fn(i128, i128) -> bool) -> u128 {
    smap2(arr, a, b, |x, y| -(f(x, y) as i128))
}

/// Lane `i` of the result from its number.
#[inline(always)]
pub fn gather(arr: Arr, f: impl Fn(usize) -> u64) -> u128 {
    let log2 = arr.log2() as usize;
    build(arr, |h, s| f((h * 8 + s as usize / 8) >> log2))
}

/// The even (`odd` = 0) or odd lanes of b:a (a low); a scalar arrangement has its two lanes in a.
#[inline(always)]
pub fn deinterleave(arr: Arr, a: u128, b: u128, odd: usize) -> u128 {
    let (bits, n) = (arr.ebits(), arr.lanes());
    if n == 1 {
        return lane(a, bits, odd) as u128;
    }
    gather(arr, |i| {
        let from = 2 * i + odd;
        if from < n {
            lane(a, bits, from)
        } else {
            lane(b, bits, from - n)
        }
    })
}

/// Fold all lanes, zero-extended.
#[inline(always)]
pub fn ufold(arr: Arr, a: u128, f: impl Fn(u128, u128) -> u128) -> u128 {
    let bits = arr.ebits();
    (1..arr.lanes()).fold(lane(a, bits, 0) as u128, |r, n| f(r, lane(a, bits, n) as u128))
}

/// Fold all lanes, sign-extended.
#[inline(always)]
pub fn sfold(arr: Arr, a: u128, f: impl Fn(i128, i128) -> i128) -> i128 {
    let bits = arr.ebits();
    (1..arr.lanes()).fold(sx(lane(a, bits, 0), bits), |r, n| f(r, sx(lane(a, bits, n), bits)))
}

/// A result of lanes twice as wide as `arr` says, from half `part` of the sources (scalar: lane 0 of it), or from their even lanes.
#[inline(always)]
pub fn widen(arr: Arr, a: u128, b: u128, part: u64, mut f: impl FnMut(u64, u64) -> u128) -> u128 {
    let bits = arr.ebits();
    let wide = u128::MAX >> (128 - 2 * bits);
    let (mut r, mut s) = (0, 0);
    if part == EVEN {
        while s < 128 {
            r |= (f((a >> s) as u64 & ones(bits), (b >> s) as u64 & ones(bits)) & wide) << s;
            s += 2 * bits;
        }
        return r;
    }
    let (a, b) = (half(a, part as usize & 1), half(b, part as usize & 1));
    let span = if arr.width() == Width::Scalar { bits } else { 64 };
    while s < span {
        let x = f(a >> s & ones(bits), b >> s & ones(bits));
        r |= (x & wide) << (2 * s);
        s += bits;
    }
    r
}

/// A result of the lanes that `arr` says (64 wide or scalar), from source lanes twice as wide.
#[inline(always)]
pub fn narrow(arr: Arr, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    let bits = arr.ebits();
    build(arr, |_, s| f((a >> (2 * s)) as u64 & ones(2 * bits)))
}

/// Clamp, noting in `qc` when that changes the value.
#[inline(always)]
fn clamp<T: Ord + Copy>(x: T, lo: T, hi: T, qc: &mut bool) -> T {
    let r = x.clamp(lo, hi);
    *qc |= r != x;
    r
}

/// Signed saturation to `bits`.
#[inline(always)]
pub fn ssat(x: i128, bits: u32, qc: &mut bool) -> i128 {
    clamp(x, -1 << (bits - 1), (1 << (bits - 1)) - 1, qc)
}

/// Unsigned saturation of a signed value to `bits`.
#[inline(always)]
pub fn susat(x: i128, bits: u32, qc: &mut bool) -> i128 {
    clamp(x, 0, ones(bits) as i128, qc)
}

/// Unsigned saturation to `bits`.
#[inline(always)]
pub fn usat(x: u128, bits: u32, qc: &mut bool) -> u128 {
    clamp(x, 0, ones(bits) as u128, qc)
}

/// Right shift by 0..=64, half of the last bit shifted out added first.
#[inline(always)]
pub fn urshr(x: u128, n: u32) -> u128 {
    (x + (1 << n >> 1)) >> n
}

/// The same, arithmetic.
#[inline(always)]
pub fn srshr(x: i128, n: u32) -> i128 {
    (x + (1 << n >> 1)) >> n
}

/// Shift of a lane by the signed low byte `by` (negative: right, rounded or not). Lanes have at most 64 bits: a right shift by more
/// than 66 gives what one by 66 gives.
#[inline(always)]
pub fn ushl(x: u128, by: u128, round: bool) -> u128 {
    match by as i8 as i32 {
        n @ 0.. => x << n,
        n if round => urshr(x, (-n).min(66) as u32),
        n => x >> (-n).min(66),
    }
}

/// The same, arithmetic.
#[inline(always)]
pub fn sshl(x: i128, by: i128, round: bool) -> i128 {
    match by as i8 as i32 {
        n @ 0.. => x << n,
        n if round => srshr(x, (-n).min(66) as u32),
        n => x >> (-n).min(66),
    }
}

/// A left-shift amount cut so that shifting a lane can't overflow 128 bits, yet still overflows every lane that it should.
#[inline(always)]
pub fn cut_left(by: i8) -> i128 {
    by.min(64) as i128
}
