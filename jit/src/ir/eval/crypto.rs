//! AES, SHA-1 and SHA-256 steps as the instructions define them, from FIPS 197 and FIPS 180-4.

use crate::ir::{Inst, Op};

/// See [`super::eval`].
pub fn eval(i: &Inst, [a, b, c]: [u128; 3]) -> u128 {
    match i.op {
        Op::Aese => substitute(a ^ b, &SBOX, 5),
        Op::Aesd => substitute(a ^ b, &INV_SBOX, 13),
        Op::Aesmc => mix_columns(a, [2, 3, 1, 1]),
        Op::Aesimc => mix_columns(a, [14, 11, 13, 9]),
        Op::Sha1c => sha1(a, b, c, |x, y, z| x & y | !x & z),
        Op::Sha1p => sha1(a, b, c, |x, y, z| x ^ y ^ z),
        Op::Sha1m => sha1(a, b, c, majority),
        Op::Sha1h => (a as u32).rotate_left(30) as u128,
        Op::Sha1su0 => (a >> 64 | b << 64) ^ a ^ c,
        Op::Sha1su1 => sha1_schedule(a, b),
        Op::Sha256h => sha256(a, b, c).0,
        // Here the destination holds the second half of the state.
        Op::Sha256h2 => sha256(b, a, c).1,
        Op::Sha256su0 => sha256_schedule0(a, b),
        Op::Sha256su1 => sha256_schedule1(a, b, c),
        op => unreachable!("{op:?} is no cryptographic operation"),
    }
}

/// Multiplication in AES's field GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut r = 0;
    while b != 0 {
        if b & 1 != 0 {
            r ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    r
}

const fn sbox() -> [u8; 256] {
    let mut t = [0; 256];
    // p runs through all powers of the generator 3, q through their inverses (powers of 0xf6).
    let (mut p, mut q) = (1u8, 1u8);
    t[0] = 0x63;
    loop {
        t[p as usize] = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        p = gf_mul(p, 3);
        q = gf_mul(q, 0xf6);
        if p == 1 {
            return t;
        }
    }
}

const fn inverse(t: &[u8; 256]) -> [u8; 256] {
    let mut r = [0; 256];
    let mut i = 0;
    while i < 256 {
        r[t[i] as usize] = i as u8;
        i += 1;
    }
    r
}

static SBOX: [u8; 256] = sbox();
static INV_SBOX: [u8; 256] = inverse(&sbox());

/// (Inv)ShiftRows and (Inv)SubBytes: byte i comes from byte i * `step` (rows shift left for 5, right for 13).
fn substitute(state: u128, table: &[u8; 256], step: usize) -> u128 {
    let s = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|i| table[s[i * step % 16] as usize]))
}

fn mix_columns(state: u128, by: [u8; 4]) -> u128 {
    let s = state.to_le_bytes();
    u128::from_le_bytes(std::array::from_fn(|i| {
        let column = &s[i & !3..][..4];
        (0..4).fold(0, |r, k| r ^ gf_mul(column[(i + k) % 4], by[k]))
    }))
}

/// Word `n` of a vector.
pub fn word(v: u128, n: usize) -> u32 {
    (v >> (32 * n)) as u32
}

/// A vector of four words, the lowest first.
pub fn words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |r, &x| r << 32 | x as u128)
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

/// Four rounds of SHA-1 on the state abcd in `x` and e in `e`.
fn sha1(mut x: u128, e: u128, w: u128, f: impl Fn(u32, u32, u32) -> u32) -> u128 {
    let mut e = e as u32;
    for n in 0..4 {
        let t = e
            .wrapping_add(word(x, 0).rotate_left(5))
            .wrapping_add(f(word(x, 1), word(x, 2), word(x, 3)))
            .wrapping_add(word(w, n));
        e = word(x, 3);
        x = words([t, word(x, 0), word(x, 1).rotate_left(30), word(x, 2)]);
    }
    x
}

fn sha1_schedule(d: u128, n: u128) -> u128 {
    let t = d ^ n >> 32;
    let r: [u32; 4] = std::array::from_fn(|k| word(t, k).rotate_left(1));
    words([r[0], r[1], r[2], r[3] ^ word(t, 0).rotate_left(2)])
}

/// Four rounds of SHA-256 on the state abcd in `x` and efgh in `y`.
fn sha256(mut x: u128, mut y: u128, w: u128) -> (u128, u128) {
    for n in 0..4 {
        let (a, e) = (word(x, 0), word(y, 0));
        let choose = e & word(y, 1) | !e & word(y, 2);
        let t = word(y, 3)
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add(choose)
            .wrapping_add(word(w, n));
        let next = t.wrapping_add(a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority(
            a,
            word(x, 1),
            word(x, 2),
        ));
        (x, y) = (x << 32 | next as u128, y << 32 | t.wrapping_add(word(x, 3)) as u128);
    }
    (x, y)
}

fn sha256_schedule0(d: u128, n: u128) -> u128 {
    let t = d >> 32 | n << 96;
    words(std::array::from_fn(|k| {
        let s = word(t, k);
        (s.rotate_right(7) ^ s.rotate_right(18) ^ s >> 3).wrapping_add(word(d, k))
    }))
}

fn sha256_schedule1(d: u128, n: u128, m: u128) -> u128 {
    let t = n >> 32 | m << 96;
    let sigma = |s: u32| s.rotate_right(17) ^ s.rotate_right(19) ^ s >> 10;
    let mut r = [0u32; 4];
    for k in 0..4 {
        let s = if k < 2 { word(m, k + 2) } else { r[k - 2] };
        r[k] = sigma(s).wrapping_add(word(d, k)).wrapping_add(word(t, k));
    }
    words(r)
}
