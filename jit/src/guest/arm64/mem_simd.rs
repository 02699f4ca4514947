//! Advanced SIMD structure loads and stores: LD1…LD4, ST1…ST4 of whole registers, of single lanes, and LD1R…LD4R.
//!
//! Whole-register forms move memory in register-sized pieces and (de)interleave by permutes: two and four registers by
//! (un)zipping, three by perfect shuffles. With three registers of N lanes the memory order is x(0) … x(3N-1) and register r,
//! lane i must become x(3i + r). A perfect shuffle moves position p to 2p mod (3N-1), so log2 N of them move it to N·p, and
//! N·(3i + r) = i + rN mod (3N-1): the place wanted. The same number of inverse shuffles goes back.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use crate::ir::{Arr, Mem, Op, Type, Value};

/// Registers of one structure list.
type List = [Value; 4];

fn reg(i: Insn, k: usize) -> u8 {
    (i.rt() + k as u8) & 31
}

/// The written-back base of the post-index forms: plus the bytes transferred, or plus Rm.
fn new_base(l: &mut Lifter<'_>, i: Insn, base: Value, bytes: usize) -> Option<Value> {
    if !i.bit(23) {
        return None;
    }
    Some(if i.rm() == 31 {
        l.b.bin_imm(Op::Add, base, bytes as u64)
    } else {
        let m = l.x(i.rm());
        l.b.bin(Op::Add, base, m)
    })
}

fn write_base(l: &mut Lifter<'_>, i: Insn, base: Option<Value>) {
    if let Some(v) = base {
        l.set_r_sp(i.rn(), v);
    }
}

/// LD1…LD4, ST1…ST4 (multiple structures), offset and post-index.
pub fn multiple(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    // Registers, and whether they are interleaved.
    let (n, interleaved) = match i.bits(15, 12) {
        0b0000 => (4, true),
        0b0010 => (4, false),
        0b0100 => (3, true),
        0b0110 => (3, false),
        0b0111 => (1, false),
        0b1000 => (2, true),
        _ => (2, false),
    };
    let arr = i.arr_of(i.bits(11, 10) as u8);
    if interleaved && arr == Arr::D1 {
        return Err(Undefined);
    }
    let size = if i.q() { 16 } else { 8 };
    let mem = Mem::size(if i.q() { 4 } else { 3 });
    let base = l.x_sp(i.rn());
    let mut list = [Value::NONE; 4];
    if i.bit(22) {
        for (k, v) in list[..n].iter_mut().enumerate() {
            *v = l.b.load(Type::V128, mem, base, Value::NONE, (k * size) as i64);
        }
        if interleaved {
            list = deinterleave(l, n, arr, list);
        }
    } else {
        for (k, v) in list[..n].iter_mut().enumerate() {
            *v = l.v(reg(i, k));
        }
        if interleaved {
            list = interleave(l, n, arr, list);
        }
        for (k, &v) in list[..n].iter().enumerate() {
            l.b.store(mem, base, Value::NONE, (k * size) as i64, v);
        }
    }
    let base = new_base(l, i, base, n * size);
    if i.bit(22) {
        for (k, &v) in list[..n].iter().enumerate() {
            l.set_v(reg(i, k), v);
        }
    }
    write_base(l, i, base);
    Ok(())
}

fn both(l: &mut Lifter<'_>, ops: [Op; 2], arr: Arr, a: Value, b: Value) -> [Value; 2] {
    ops.map(|op| l.b.vec(op, arr, &[a, b]))
}

fn deinterleave(l: &mut Lifter<'_>, n: usize, arr: Arr, v: List) -> List {
    const UZP: [Op; 2] = [Op::VUzp1, Op::VUzp2];
    match n {
        2 => {
            let [a, b] = both(l, UZP, arr, v[0], v[1]);
            [a, b, Value::NONE, Value::NONE]
        }
        3 => {
            let mut v = v;
            for _ in 0..arr.lanes().ilog2() {
                v = shuffle3(l, arr, v);
            }
            v
        }
        _ => {
            let [even0, odd0] = both(l, UZP, arr, v[0], v[1]);
            let [even1, odd1] = both(l, UZP, arr, v[2], v[3]);
            let [a, c] = both(l, UZP, arr, even0, even1);
            let [b, d] = both(l, UZP, arr, odd0, odd1);
            [a, b, c, d]
        }
    }
}

fn interleave(l: &mut Lifter<'_>, n: usize, arr: Arr, v: List) -> List {
    const ZIP: [Op; 2] = [Op::VZip1, Op::VZip2];
    match n {
        2 => {
            let [a, b] = both(l, ZIP, arr, v[0], v[1]);
            [a, b, Value::NONE, Value::NONE]
        }
        3 => {
            let mut v = v;
            for _ in 0..arr.lanes().ilog2() {
                v = unshuffle3(l, arr, v);
            }
            v
        }
        _ => {
            let [even0, even1] = both(l, ZIP, arr, v[0], v[2]);
            let [odd0, odd1] = both(l, ZIP, arr, v[1], v[3]);
            let [a, b] = both(l, ZIP, arr, even0, odd0);
            let [c, d] = both(l, ZIP, arr, even1, odd1);
            [a, b, c, d]
        }
    }
}

/// An arrangement of the same width with two lanes.
fn halves(arr: Arr) -> Arr {
    if arr.0 & 0x20 != 0 {
        Arr::D2
    } else {
        Arr::S2
    }
}

/// One perfect shuffle of three registers: the first three halves zipped with the last three.
fn shuffle3(l: &mut Lifter<'_>, arr: Arr, [a, b, c, _]: List) -> List {
    let half = arr.lanes() as u64 * arr.ebytes() as u64 / 2;
    let bytes = arr.with_log2(0);
    let [ah, bh, ch] = [a, b, c].map(|v| l.b.vec_imm(Op::VExt, bytes, &[v, v], half));
    let first = l.b.vec(Op::VZip1, arr, &[a, bh]);
    let second = l.b.vec(Op::VZip1, arr, &[ah, c]);
    let third = l.b.vec(Op::VZip1, arr, &[b, ch]);
    [first, second, third, Value::NONE]
}

/// Its inverse: even lanes to the front, odd ones behind.
fn unshuffle3(l: &mut Lifter<'_>, arr: Arr, [a, b, c, _]: List) -> List {
    let first = l.b.vec(Op::VUzp1, arr, &[a, b]);
    let even = l.b.vec(Op::VUzp1, arr, &[c, c]);
    let odd = l.b.vec(Op::VUzp2, arr, &[a, a]);
    let second = l.b.vec(Op::VZip1, halves(arr), &[even, odd]);
    let third = l.b.vec(Op::VUzp2, arr, &[b, c]);
    [first, second, third, Value::NONE]
}

/// Number of registers of the single-structure forms.
fn selem(i: Insn) -> usize {
    (i.bits(13, 13) << 1 | i.bits(21, 21)) as usize + 1
}

/// LD1…LD4, ST1…ST4 (single structure), offset and post-index.
pub fn single(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    // Q:S:size is the lane number, with the unused low bits saying H, S or D.
    let lane = i.bits(30, 30) << 3 | i.bits(12, 10);
    let log2 = match i.bits(15, 14) {
        0 => 0,
        1 => 1,
        _ => 2 + i.bits(10, 10) as u8,
    };
    let lane = (lane >> log2) as u64;
    let arr = Arr::B16.with_log2(log2);
    let ty = if log2 == 3 { Type::I64 } else { Type::I32 };
    let (n, size, mem) = (selem(i), 1usize << log2, Mem::size(log2));
    let base = l.x_sp(i.rn());
    let mut list = [Value::NONE; 4];
    for (k, v) in list[..n].iter_mut().enumerate() {
        let disp = (k * size) as i64;
        if i.bit(22) {
            *v = l.b.load(ty, mem, base, Value::NONE, disp);
        } else {
            let whole = l.v(reg(i, k));
            let v = if lane == 0 { whole } else { l.b.op(Op::VExtract, ty, &[whole], arr.0, lane) };
            l.b.store(mem, base, Value::NONE, disp, v);
        }
    }
    let base = new_base(l, i, base, n * size);
    if i.bit(22) {
        for (k, &v) in list[..n].iter().enumerate() {
            let old = l.v(reg(i, k));
            let v = l.b.vec_imm(Op::VInsert, arr, &[old, v], lane);
            l.set_v(reg(i, k), v);
        }
    }
    write_base(l, i, base);
    Ok(())
}

/// LD1R…LD4R, offset and post-index.
pub fn replicate(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let log2 = i.bits(11, 10) as u8;
    let arr = i.arr_of(log2);
    let (n, size) = (selem(i), 1usize << log2);
    let base = l.x_sp(i.rn());
    let mut list = [Value::NONE; 4];
    for (k, v) in list[..n].iter_mut().enumerate() {
        *v = l.b.load(Type::V128, Mem::size(log2), base, Value::NONE, (k * size) as i64);
    }
    let base = new_base(l, i, base, n * size);
    for (k, &v) in list[..n].iter().enumerate() {
        let v = if arr == Arr::D1 { v } else { l.b.vec_imm(Op::VDupLane, arr, &[v], 0) };
        l.set_v(reg(i, k), v);
    }
    write_base(l, i, base);
    Ok(())
}
