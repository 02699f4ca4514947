//! SHA-512 (FIPS 180-4), SHA-3's building blocks, SM3 (GB/T 32905) and SM4 (GB/T 32907) steps as the instructions define them.

use super::crypto::{word, words};
use crate::ir::{Crypto, Inst};

/// See [`super::eval`].
pub fn eval(i: &Inst, [a, b, c]: [u128; 3]) -> u128 {
    let n = (i.imm >> 8) as u32;
    match Crypto::from_bits(i.imm) {
        Crypto::Sha512h => sha512h(a, b, c),
        Crypto::Sha512h2 => sha512h2(a, b, c),
        Crypto::Sha512su0 => pair(high(a).wrapping_add(sigma0(low(b))), low(a).wrapping_add(sigma0(high(a)))),
        Crypto::Sha512su1 => {
            let part = |d: u64, n: u64, m: u64| d.wrapping_add(sigma1(n)).wrapping_add(m);
            pair(part(high(a), high(b), high(c)), part(low(a), low(b), low(c)))
        }
        Crypto::Eor3 => a ^ b ^ c,
        Crypto::Bcax => a ^ b & !c,
        Crypto::Xar => pair(high(a ^ b).rotate_right(n), low(a ^ b).rotate_right(n)),
        Crypto::Rax1 => a ^ pair(high(b).rotate_left(1), low(b).rotate_left(1)),
        Crypto::Sm3ss1 => {
            let sum = word(a, 3).rotate_left(12).wrapping_add(word(b, 3)).wrapping_add(word(c, 3));
            (sum.rotate_left(7) as u128) << 96
        }
        Crypto::Sm3tt1a => sm3tt1(a, b, word(c, n as usize & 3), |x, y, z| x ^ y ^ z),
        Crypto::Sm3tt1b => sm3tt1(a, b, word(c, n as usize & 3), |x, y, z| x & z | x & y | z & y),
        Crypto::Sm3tt2a => sm3tt2(a, b, word(c, n as usize & 3), |x, y, z| x ^ y ^ z),
        Crypto::Sm3tt2b => sm3tt2(a, b, word(c, n as usize & 3), |x, y, z| x & y | !x & z),
        Crypto::Sm3partw1 => sm3partw1(a, b, c),
        Crypto::Sm3partw2 => sm3partw2(a, b, c),
        Crypto::Sm4e => sm4(a, b, &[2, 10, 18, 24]),
        Crypto::Sm4ekey => sm4(a, b, &[13, 23]),
    }
}

fn low(v: u128) -> u64 {
    v as u64
}

fn high(v: u128) -> u64 {
    (v >> 64) as u64
}

fn pair(high: u64, low: u64) -> u128 {
    (high as u128) << 64 | low as u128
}

// --- SHA-512 ---------------------------------------------------------------------------------------
fn choose(x: u64, y: u64, z: u64) -> u64 {
    x & y | !x & z
}

fn majority(x: u64, y: u64, z: u64) -> u64 {
    x & y | (x | y) & z
}

fn sigma0(x: u64) -> u64 {
    x.rotate_right(1) ^ x.rotate_right(8) ^ x >> 7
}

fn sigma1(x: u64) -> u64 {
    x.rotate_right(19) ^ x.rotate_right(61) ^ x >> 6
}

fn sha512h(d: u128, x: u128, y: u128) -> u128 {
    let sum = |e: u64| e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
    let e = high(y);
    let first = choose(e, low(x), high(x)).wrapping_add(sum(e)).wrapping_add(high(d));
    let next = first.wrapping_add(low(y));
    pair(first, choose(next, e, low(x)).wrapping_add(sum(next)).wrapping_add(low(d)))
}

fn sha512h2(d: u128, x: u128, y: u128) -> u128 {
    let sum = |a: u64| a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
    let first = majority(low(x), high(y), low(y)).wrapping_add(sum(low(y))).wrapping_add(high(d));
    pair(first, majority(first, low(y), high(y)).wrapping_add(sum(first)).wrapping_add(low(d)))
}

// --- SM3 -------------------------------------------------------------------------------------------
fn sm3tt1(d: u128, n: u128, w: u32, f: impl Fn(u32, u32, u32) -> u32) -> u128 {
    let [d0, d1, d2, d3] = [0, 1, 2, 3].map(|k| word(d, k));
    let ss2 = word(n, 3) ^ d3.rotate_left(12);
    let t = f(d3, d2, d1).wrapping_add(d0).wrapping_add(ss2).wrapping_add(w);
    words([d1, d2.rotate_left(9), d3, t])
}

fn sm3tt2(d: u128, n: u128, w: u32, f: impl Fn(u32, u32, u32) -> u32) -> u128 {
    let [d0, d1, d2, d3] = [0, 1, 2, 3].map(|k| word(d, k));
    let t = f(d3, d2, d1).wrapping_add(d0).wrapping_add(word(n, 3)).wrapping_add(w);
    words([d1, d2.rotate_left(19), d3, t ^ t.rotate_left(9) ^ t.rotate_left(17)])
}

fn permute1(x: u32) -> u32 {
    x ^ x.rotate_left(15) ^ x.rotate_left(23)
}

fn sm3partw1(d: u128, n: u128, m: u128) -> u128 {
    let t = d ^ n;
    let mut r = [0; 4];
    for k in 0..4 {
        let before = if k < 3 { word(m, k + 1) } else { r[0] };
        r[k] = permute1(word(t, k) ^ before.rotate_left(15));
    }
    words(r)
}

fn sm3partw2(d: u128, n: u128, m: u128) -> u128 {
    let t = n ^ words([0, 1, 2, 3].map(|k| word(m, k).rotate_left(7)));
    d ^ t ^ (permute1(word(t, 0).rotate_left(15)) as u128) << 96
}

// --- SM4 -------------------------------------------------------------------------------------------
/// Multiplication modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1.
const fn gf_mul(mut a: u8, mut b: u8) -> u8 {
    let mut r = 0;
    while b != 0 {
        if b & 1 != 0 {
            r ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0xf5 } else { 0 };
        b >>= 1;
    }
    r
}

/// The standard's affine map: a circulant matrix, and a constant.
const fn affine(x: u8) -> u8 {
    let (mut r, mut n) = (0xd3, 0);
    while n < 8 {
        r ^= ((0xa7u8.rotate_left(n) & x).count_ones() as u8 & 1) << n;
        n += 1;
    }
    r
}

const fn sbox() -> [u8; 256] {
    let (mut t, mut x) = ([0; 256], 0);
    while x < 256 {
        // The inverse is the 254th power.
        let y = affine(x as u8);
        let (mut inverse, mut n) = (1, 0);
        while n < 254 {
            inverse = gf_mul(inverse, y);
            n += 1;
        }
        t[x] = affine(inverse);
        x += 1;
    }
    t
}

static SBOX: [u8; 256] = sbox();

/// Four rounds with the keys in `k`, diffused by the rotations.
fn sm4(mut x: u128, k: u128, rotations: &[u32]) -> u128 {
    for n in 0..4 {
        let t = word(x, 3) ^ word(x, 2) ^ word(x, 1) ^ word(k, n);
        let t = u32::from_le_bytes(t.to_le_bytes().map(|b| SBOX[b as usize]));
        let t = rotations.iter().fold(t, |r, &by| r ^ t.rotate_left(by)) ^ word(x, 0);
        x = x >> 32 | (t as u128) << 96;
    }
    x
}
