//! Helpers on vectors, which lie in pairs of words from `TEMP` on; the result takes the first pair.

use super::state::{SCRATCH, TEMP};
use crate::cpu::Cpu;

fn vector(cpu: &Cpu, n: usize) -> u128 {
    cpu.area[TEMP + 2 * n] as u128 | (cpu.area[TEMP + 2 * n + 1] as u128) << 64
}

fn give(cpu: &mut Cpu, v: u128) {
    cpu.area[TEMP] = v as u64;
    cpu.area[TEMP + 1] = (v >> 64) as u64;
}

fn words(v: u128) -> [u32; 4] {
    [v as u32, (v >> 32) as u32, (v >> 64) as u32, (v >> 96) as u32]
}

fn from_words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |v, w| v << 32 | *w as u128)
}

/// An address that may be read and written instead of one that a mask leaves out.
pub extern "C" fn scratch(cpu: &mut Cpu, _: u64, _: u64) -> u64 {
    (&raw mut cpu.area[SCRATCH]) as u64
}

/// PHMINPOSUW.
pub extern "C" fn min_pos(cpu: &mut Cpu, _: u64, _: u64) -> u64 {
    let v = vector(cpu, 0);
    let (at, least) = (0..8u64).map(|n| (n, (v >> (16 * n)) as u16)).min_by_key(|&(n, w)| (w, n)).unwrap_or((0, 0));
    give(cpu, least as u128 | (at as u128) << 16);
    0
}

/// MPSADBW of one part; three bits of control.
pub extern "C" fn mpsadbw(cpu: &mut Cpu, imm: u64, _: u64) -> u64 {
    let (a, b) = (vector(cpu, 0).to_le_bytes(), vector(cpu, 1).to_le_bytes());
    let (x, y) = ((imm >> 2 & 1) as usize * 4, (imm & 3) as usize * 4);
    let sum = |n: usize| (0..4).map(|k| a[x + n + k].abs_diff(b[y + k]) as u128).sum::<u128>();
    let r = (0..8).fold(0, |v, n| v | sum(n) << (16 * n));
    give(cpu, r);
    0
}

fn sha1_f(n: u64, b: u32, c: u32, d: u32) -> (u32, u32) {
    match n {
        0 => ((b & c) ^ (!b & d), 0x5a82_7999),
        1 => (b ^ c ^ d, 0x6ed9_eba1),
        2 => ((b & c) ^ (b & d) ^ (c & d), 0x8f1b_bcdc),
        _ => (b ^ c ^ d, 0xca62_c1d6),
    }
}

fn sigma0(x: u32) -> u32 {
    x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3
}

fn sigma1(x: u32) -> u32 {
    x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10
}

/// The SHA instructions, by number.
pub extern "C" fn sha(cpu: &mut Cpu, what: u64, _: u64) -> u64 {
    let [a, b, c] = [0, 1, 2].map(|n| words(vector(cpu, n)));
    let r = match what & 0xff {
        0 => [a[0] ^ b[2], a[1] ^ b[3], a[2] ^ a[0], a[3] ^ a[1]],
        1 => {
            let w16 = (a[3] ^ b[2]).rotate_left(1);
            let w17 = (a[2] ^ b[1]).rotate_left(1);
            let w18 = (a[1] ^ b[0]).rotate_left(1);
            let w19 = (a[0] ^ w16).rotate_left(1);
            [w19, w18, w17, w16]
        }
        2 => [b[0], b[1], b[2], b[3].wrapping_add(a[3].rotate_left(30))],
        3 => sha1_rounds(a, b, what >> 8),
        4 => {
            let next = [a[1], a[2], a[3], b[0]];
            std::array::from_fn(|n| a[n].wrapping_add(sigma0(next[n])))
        }
        5 => {
            let w16 = a[0].wrapping_add(sigma1(b[2]));
            let w17 = a[1].wrapping_add(sigma1(b[3]));
            [w16, w17, a[2].wrapping_add(sigma1(w16)), a[3].wrapping_add(sigma1(w17))]
        }
        _ => sha256_rounds(a, b, c),
    };
    give(cpu, from_words(r));
    0
}

fn sha1_rounds(s: [u32; 4], w: [u32; 4], n: u64) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = [s[3], s[2], s[1], s[0]];
    let mut e = 0u32;
    for k in (0..4).rev() {
        let (f, constant) = sha1_f(n, b, c, d);
        let t = f.wrapping_add(a.rotate_left(5)).wrapping_add(w[k]).wrapping_add(e).wrapping_add(constant);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, t);
    }
    [d, c, b, a]
}

fn sha256_rounds(cdgh: [u32; 4], abef: [u32; 4], wk: [u32; 4]) -> [u32; 4] {
    let [mut a, mut b, mut e, mut f] = [abef[3], abef[2], abef[1], abef[0]];
    let [mut c, mut d, mut g, mut h] = [cdgh[3], cdgh[2], cdgh[1], cdgh[0]];
    for w in &wk[..2] {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let ch = (e & f) ^ (!e & g);
        let t = h.wrapping_add(s1).wrapping_add(ch).wrapping_add(*w);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let maj = (a & b) ^ (a & c) ^ (b & c);
        let (new_e, new_a) = (d.wrapping_add(t), t.wrapping_add(s0).wrapping_add(maj));
        (h, g, f, e, d, c, b, a) = (g, f, e, new_e, c, b, a, new_a);
    }
    [f, e, b, a]
}

/// PCMPxSTRx: the index, and N, Z, C (inverted), V from bit 32 on; the mask in `TEMP`.
pub extern "C" fn compare_strings(cpu: &mut Cpu, imm: u64, _: u64) -> u64 {
    let lengths = vector(cpu, 2);
    let wide = imm & 1 != 0;
    let (n, bits) = if wide { (8, 16) } else { (16, 8) };
    let signed = imm & 2 != 0;
    let element = |v: u128, k: usize| {
        let e = (v >> (k * bits)) as u64 & ((1 << bits) - 1);
        if signed {
            ((e << (64 - bits)) as i64) >> (64 - bits)
        } else {
            e as i64
        }
    };
    let (a, b) = (vector(cpu, 0), vector(cpu, 1));
    let length = |v: u128, given: u64| {
        if imm & 1 << 8 == 0 {
            return (0..n).find(|&k| element(v, k) == 0).unwrap_or(n);
        }
        let given = if imm & 1 << 10 != 0 { given as i64 } else { given as i32 as i64 };
        given.unsigned_abs().min(n as u64) as usize
    };
    let (la, lb) = (length(a, lengths as u64), length(b, (lengths >> 64) as u64));
    let mut r = 0u32;
    for j in 0..n {
        let hit = match imm >> 2 & 3 {
            0 => j < lb && (0..la).any(|k| element(a, k) == element(b, j)),
            1 => j < lb && (0..la / 2).any(|k| element(a, 2 * k) <= element(b, j) && element(b, j) <= element(a, 2 * k + 1)),
            2 => match (j < la, j < lb) {
                (true, true) => element(a, j) == element(b, j),
                (false, false) => true,
                _ => false,
            },
            _ => (0..n - j).all(|k| k >= la || (k + j < lb && element(a, k) == element(b, k + j))),
        };
        r |= (hit as u32) << j;
    }
    let all = ((1u64 << n) - 1) as u32;
    r = match imm >> 4 & 3 {
        1 => !r & all,
        3 => r ^ ((1u64 << lb) - 1) as u32,
        _ => r,
    };
    let index = match (r, imm & 64 != 0) {
        (0, _) => n as u32,
        (r, true) => 31 - r.leading_zeros(),
        (r, false) => r.trailing_zeros(),
    };
    let mask = if imm & 64 != 0 {
        (0..n).filter(|k| r >> k & 1 != 0).fold(0, |v, k| v | (u128::MAX >> (128 - bits)) << (k * bits))
    } else {
        r as u128
    };
    give(cpu, mask);
    let flag = |on: bool, at: u32| (on as u64) << at;
    index as u64 | flag(la < n, 35) | flag(lb < n, 34) | flag(r == 0, 33) | flag(r & 1 != 0, 32)
}
