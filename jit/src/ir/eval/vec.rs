//! Integer vector operations: one line per operation, over the lane helpers.

mod lanes;

use super::Env;
use crate::ir::{Arr, Inst, Op, Type, Width};
use lanes::*;

/// See [`super::eval`]. Groups of operations are told apart by their order in the table.
pub fn eval(i: &Inst, [a, b, c]: [u128; 3], env: &mut Env) -> u128 {
    let arr = i.arr();
    match i.op {
        Op::VConst => keep(arr, i.imm as u128 | (i.imm as u128) << 64),
        Op::VAnd => keep(arr, a & b),
        Op::VAndn => keep(arr, a & !b),
        Op::VOr => keep(arr, a | b),
        Op::VOrn => keep(arr, a | !b),
        Op::VXor => keep(arr, a ^ b),
        Op::VNot => keep(arr, !a),
        Op::VBsl => keep(arr, b & a | c & !a),
        Op::VLow => keep(arr, a),
        Op::VPair => a as u64 as u128 | b << 64,
        op if op as u16 <= Op::VTbx as u16 => moves(i, a, b, c),
        op if op as u16 <= Op::VUrsqrte as u16 => arith(i, a, b),
        op if op as u16 <= Op::VSrshl as u16 => shifts(i, a, b),
        op if op as u16 <= Op::VSqshluI as u16 => saturating(i, [a, b, c], &mut env.qc),
        _ => resizing(i, a, b, &mut env.qc),
    }
}

/// Moves between lanes, and from and to integers.
fn moves(i: &Inst, a: u128, b: u128, c: u128) -> u128 {
    let (arr, n) = (i.arr(), i.imm as usize);
    let bits = arr.ebits();
    match i.op {
        Op::VFromInt => a & ones(bits) as u128,
        Op::VDup => gather(arr, |_| a as u64),
        Op::VDupLane => {
            let x = lane(a, bits, n);
            gather(arr, |_| x)
        }
        Op::VInsert => keep(arr, insert(a, bits, n, b as u64)),
        Op::VInsertLane => keep(arr, insert(a, bits, n >> 8, lane(b, bits, n & 0xff))),
        Op::VExtract => lane(a, bits, n) as u128,
        Op::VExtractS => sx(lane(a, bits, n), bits) as u128 & ones(if i.ty == Type::I32 { 32 } else { 64 }) as u128,
        Op::VZip1 => zip(arr, a, b, 0),
        Op::VZip2 => zip(arr, a, b, arr.lanes() / 2),
        Op::VUzp1 => deinterleave(arr, a, b, 0),
        Op::VUzp2 => deinterleave(arr, a, b, 1),
        Op::VTrn1 => gather(arr, |k| lane(if k & 1 == 0 { a } else { b }, bits, k & !1)),
        Op::VTrn2 => gather(arr, |k| lane(if k & 1 == 0 { a } else { b }, bits, k | 1)),
        Op::VExt => ext(arr, a, b, n),
        Op::VRev => gather(arr, |k| lane(a, bits, k ^ ((n >> arr.log2()) - 1))),
        Op::VTbx => gather(arr, |k| match lane(c, 8, k) as usize {
            at @ 0..=15 => lane(b, 8, at),
            _ => lane(a, 8, k),
        }),
        op => unreachable!("{op:?} is no integer vector operation"),
    }
}

fn insert(v: u128, bits: u32, n: usize, x: u64) -> u128 {
    let at = n as u32 * bits % 128;
    let m = ones(bits);
    v & !((m as u128) << at) | ((x & m) as u128) << at
}

fn zip(arr: Arr, a: u128, b: u128, from: usize) -> u128 {
    gather(arr, |k| lane(if k & 1 == 0 { a } else { b }, arr.ebits(), from + k / 2))
}

fn ext(arr: Arr, a: u128, b: u128, n: usize) -> u128 {
    let width = if arr.width() == Width::W128 { 128 } else { 64 };
    let by = n as u32 * 8 % width;
    let (a, b) = (keep(arr, a), keep(arr, b));
    keep(arr, if by == 0 { a } else { a >> by | b << (width - by) })
}

/// Wrapping arithmetic, comparisons, reductions.
fn arith(i: &Inst, a: u128, b: u128) -> u128 {
    let arr = i.arr();
    let bits = arr.ebits();
    let (even, odd) = (|| deinterleave(arr, a, b, 0), || deinterleave(arr, a, b, 1));
    match i.op {
        Op::VAdd => umap2(arr, a, b, |x, y| x + y),
        Op::VSub => umap2(arr, a, b, |x, y| x.wrapping_sub(y)),
        Op::VMul => umap2(arr, a, b, |x, y| x * y),
        Op::VPmul => umap2(arr, a, b, |x, y| clmul(x as u64, y as u64)),
        Op::VNeg => smap1(arr, a, |x| -x),
        Op::VAbs => smap1(arr, a, |x| x.abs()),
        Op::VCls => smap1(arr, a, |x| ((x ^ x >> 1).leading_zeros() - (129 - bits)) as i128),
        Op::VClz => umap1(arr, a, |x| (x.leading_zeros() - (128 - bits)) as u128),
        Op::VCnt => umap1(arr, a, |x| x.count_ones() as u128),
        Op::VRbit => umap1(arr, a, |x| (x as u8).reverse_bits() as u128),
        Op::VSmax => smap2(arr, a, b, |x, y| x.max(y)),
        Op::VSmin => smap2(arr, a, b, |x, y| x.min(y)),
        Op::VUmax => umap2(arr, a, b, |x, y| x.max(y)),
        Op::VUmin => umap2(arr, a, b, |x, y| x.min(y)),
        Op::VSabd => smap2(arr, a, b, |x, y| (x - y).abs()),
        Op::VUabd => umap2(arr, a, b, |x, y| x.abs_diff(y)),
        Op::VShadd => smap2(arr, a, b, |x, y| (x + y) >> 1),
        Op::VUhadd => umap2(arr, a, b, |x, y| (x + y) >> 1),
        Op::VSrhadd => smap2(arr, a, b, |x, y| (x + y + 1) >> 1),
        Op::VUrhadd => umap2(arr, a, b, |x, y| (x + y + 1) >> 1),
        Op::VShsub => smap2(arr, a, b, |x, y| (x - y) >> 1),
        Op::VUhsub => umap2(arr, a, b, |x, y| x.wrapping_sub(y) >> 1),
        Op::VCmpEq => ucmp(arr, a, b, |x, y| x == y),
        Op::VCmpGt => scmp(arr, a, b, |x, y| x > y),
        Op::VCmpGe => scmp(arr, a, b, |x, y| x >= y),
        Op::VCmpHi => ucmp(arr, a, b, |x, y| x > y),
        Op::VCmpHs => ucmp(arr, a, b, |x, y| x >= y),
        Op::VTst => ucmp(arr, a, b, |x, y| x & y != 0),
        Op::VAddp => umap2(arr, even(), odd(), |x, y| x + y),
        Op::VSmaxp => smap2(arr, even(), odd(), |x, y| x.max(y)),
        Op::VSminp => smap2(arr, even(), odd(), |x, y| x.min(y)),
        Op::VUmaxp => umap2(arr, even(), odd(), |x, y| x.max(y)),
        Op::VUminp => umap2(arr, even(), odd(), |x, y| x.min(y)),
        Op::VSaddlp => smap1(arr.with_log2(arr.log2() + 1), a, |x| sx(x as u64, bits) + (x >> bits)),
        Op::VUaddlp => umap1(arr.with_log2(arr.log2() + 1), a, |x| (x & ones(bits) as u128) + (x >> bits)),
        Op::VAddv => ufold(arr, a, |x, y| x + y) & ones(bits) as u128,
        Op::VSaddlv => sfold(arr, a, |x, y| x + y) as u128 & ones(2 * bits) as u128,
        Op::VUaddlv => ufold(arr, a, |x, y| x + y),
        Op::VSmaxv => sfold(arr, a, |x, y| x.max(y)) as u128 & ones(bits) as u128,
        Op::VSminv => sfold(arr, a, |x, y| x.min(y)) as u128 & ones(bits) as u128,
        Op::VUmaxv => ufold(arr, a, |x, y| x.max(y)),
        Op::VUminv => ufold(arr, a, |x, y| x.min(y)),
        Op::VUrecpe => umap1(arr, a, |x| recip_estimate(x as u32) as u128),
        Op::VUrsqrte => umap1(arr, a, |x| rsqrt_estimate(x as u32) as u128),
        op => unreachable!("{op:?} is no integer vector operation"),
    }
}

/// Product of polynomials over GF(2).
fn clmul(a: u64, mut b: u64) -> u128 {
    let mut r = 0;
    while b != 0 {
        r ^= (a as u128) << b.trailing_zeros();
        b &= b - 1;
    }
    r
}

/// `UnsignedRecipEstimate` of the manual: a nine-bit estimate from the top nine bits of a number in [0.5, 1).
fn recip_estimate(x: u32) -> u32 {
    if x >> 31 == 0 {
        return u32::MAX;
    }
    let a = (x >> 23) * 2 + 1;
    ((1 << 19) / a).div_ceil(2) << 23
}

/// `UnsignedRSqrtEstimate`: the same for the reciprocal square root in [0.25, 1).
fn rsqrt_estimate(x: u32) -> u32 {
    if x >> 30 == 0 {
        return u32::MAX;
    }
    let a = x >> 23;
    let a = if a < 256 { a * 2 + 1 } else { ((a & !1) + 1) * 2 };
    // The largest b with a * b * b < 2^28 (b starts at 512 and never exceeds 1023).
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2) << 23
}

/// Shifts that don't saturate.
fn shifts(i: &Inst, a: u128, b: u128) -> u128 {
    let (arr, n) = (i.arr(), i.imm as u32 & 127);
    match i.op {
        Op::VShlI => umap1(arr, a, |x| x << n),
        Op::VUshrI => umap1(arr, a, |x| x >> n),
        Op::VSshrI => smap1(arr, a, |x| x >> n),
        Op::VUrshrI => umap1(arr, a, |x| urshr(x, n)),
        Op::VSrshrI => smap1(arr, a, |x| srshr(x, n)),
        Op::VSliI => umap2(arr, a, b, |x, y| y << n | x & !(u128::MAX << n)),
        Op::VSriI => umap2(arr, a, b, |x, y| y >> n | x & !(ones(arr.ebits()) as u128 >> n)),
        Op::VUshl => umap2(arr, a, b, |x, y| ushl(x, y, false)),
        Op::VSshl => smap2(arr, a, b, |x, y| sshl(x, y, false)),
        Op::VUrshl => umap2(arr, a, b, |x, y| ushl(x, y, true)),
        Op::VSrshl => smap2(arr, a, b, |x, y| sshl(x, y, true)),
        op => unreachable!("{op:?} is no integer vector operation"),
    }
}

/// Saturating operations without change of the lane size.
fn saturating(i: &Inst, [a, b, c]: [u128; 3], qc: &mut bool) -> u128 {
    let (arr, n) = (i.arr(), i.imm as u32 & 63);
    let bits = arr.ebits();
    match i.op {
        Op::VSqadd => smap2(arr, a, b, |x, y| ssat(x + y, bits, qc)),
        Op::VUqadd => umap2(arr, a, b, |x, y| usat(x + y, bits, qc)),
        Op::VSqsub => smap2(arr, a, b, |x, y| ssat(x - y, bits, qc)),
        Op::VUqsub => umap2(arr, a, b, |x, y| susat(x as i128 - y as i128, bits, qc) as u128),
        Op::VSuqadd => smap2(arr, a, b, |x, y| ssat(x + (y as u64 & ones(bits)) as i128, bits, qc)),
        Op::VUsqadd => smap2(arr, a, b, |x, y| susat((x as u64 & ones(bits)) as i128 + y, bits, qc)),
        Op::VSqabs => smap1(arr, a, |x| ssat(x.abs(), bits, qc)),
        Op::VSqneg => smap1(arr, a, |x| ssat(-x, bits, qc)),
        Op::VSqdmulh => smap2(arr, a, b, |x, y| ssat((2 * x * y) >> bits, bits, qc)),
        Op::VSqrdmulh => smap2(arr, a, b, |x, y| ssat(srshr(2 * x * y, bits), bits, qc)),
        Op::VSqrdmlah => smap3(arr, [a, b, c], |x, y, z| {
            let product = if i.imm == 0 { 2 * y * z } else { -2 * y * z };
            ssat(srshr((x << bits) + product, bits), bits, qc)
        }),
        Op::VSqshl => smap2(arr, a, b, |x, y| ssat(sshl(x, cut_left(y as i8), false), bits, qc)),
        Op::VSqrshl => smap2(arr, a, b, |x, y| ssat(sshl(x, cut_left(y as i8), true), bits, qc)),
        Op::VUqshl => umap2(arr, a, b, |x, y| usat(ushl(x, cut_left(y as i8) as u128, false), bits, qc)),
        Op::VUqrshl => umap2(arr, a, b, |x, y| usat(ushl(x, cut_left(y as i8) as u128, true), bits, qc)),
        Op::VSqshlI => smap1(arr, a, |x| ssat(x << n, bits, qc)),
        Op::VUqshlI => umap1(arr, a, |x| usat(x << n, bits, qc)),
        Op::VSqshluI => smap1(arr, a, |x| susat(x << n, bits, qc)),
        op => unreachable!("{op:?} is no integer vector operation"),
    }
}

/// Widening and narrowing.
fn resizing(i: &Inst, a: u128, b: u128, qc: &mut bool) -> u128 {
    let (arr, imm, n) = (i.arr(), i.imm, i.imm as u32 & 63);
    let bits = arr.ebits();
    let (s, s2) = (|x| sx(x, bits), |x| sx(x, 2 * bits));
    match i.op {
        Op::VSxtl => widen(arr, a, 0, imm, |x, _| s(x) as u128),
        Op::VUxtl => widen(arr, a, 0, imm, |x, _| x as u128),
        Op::VSmull => widen(arr, a, b, imm, |x, y| (s(x) * s(y)) as u128),
        Op::VUmull => widen(arr, a, b, imm, |x, y| x as u128 * y as u128),
        Op::VPmull => widen(arr, a, b, imm, clmul),
        Op::VSqdmull => widen(arr, a, b, imm, |x, y| ssat(2 * s(x) * s(y), 2 * bits, qc) as u128),
        Op::VShrn => narrow(arr, a, |x| x >> n),
        Op::VRshrn => narrow(arr, a, |x| urshr(x as u128, n) as u64),
        Op::VSqshrn => narrow(arr, a, |x| ssat(s2(x) >> n, bits, qc) as u64),
        Op::VSqrshrn => narrow(arr, a, |x| ssat(srshr(s2(x), n), bits, qc) as u64),
        Op::VUqshrn => narrow(arr, a, |x| usat(x as u128 >> n, bits, qc) as u64),
        Op::VUqrshrn => narrow(arr, a, |x| usat(urshr(x as u128, n), bits, qc) as u64),
        Op::VSqshrun => narrow(arr, a, |x| susat(s2(x) >> n, bits, qc) as u64),
        Op::VSqrshrun => narrow(arr, a, |x| susat(srshr(s2(x), n), bits, qc) as u64),
        op => unreachable!("{op:?} is no integer vector operation"),
    }
}
