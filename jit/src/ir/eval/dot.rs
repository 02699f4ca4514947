//! Dot products and small matrix products.

use crate::ir::{Dot, Inst, Width};

/// See [`super::eval`]: `vdot`.
pub fn eval(i: &Inst, [a, b, c]: [u128; 3]) -> u128 {
    let words = if i.arr().width() == Width::W128 { 4 } else { 2 };
    let matrix = i.imm & Dot::Matrix as u64 != 0;
    (0..words).fold(0, |r, n| {
        // In a matrix product, word n is row n / 2 of b by row n % 2 of c.
        let sum = (a >> (32 * n)) as u32;
        let sum = match (i.imm & Dot::Bf as u64 != 0, matrix) {
            (false, false) => dot(sum, b >> (32 * n), c >> (32 * n), 4, i.imm),
            (false, true) => dot(sum, b >> (n / 2 * 64), c >> (n % 2 * 64), 8, i.imm),
            (true, false) => bf_dot(sum, (b >> (32 * n)) as u32, (c >> (32 * n)) as u32),
            (true, true) => {
                let (b, c) = (b >> (n / 2 * 64), c >> (n % 2 * 64));
                bf_dot(bf_dot(sum, b as u32, c as u32), (b >> 32) as u32, (c >> 32) as u32)
            }
        };
        r | (sum as u128) << (32 * n)
    })
}

/// `sum` plus the products of `count` bytes.
fn dot(sum: u32, b: u128, c: u128, count: u32, kinds: u64) -> u32 {
    let byte = |v: u128, n: u32, unsigned: bool| {
        let x = (v >> (8 * n)) as u8;
        if unsigned {
            x as i32
        } else {
            x as i8 as i32
        }
    };
    (0..count).fold(sum, |s, n| s.wrapping_add((byte(b, n, kinds & 1 != 0) * byte(c, n, kinds & 2 != 0)) as u32))
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0xff << 23;
const NAN: u32 = 0x7fc0_0000;

/// BFDotAdd: two products, their sum, and the sum with `sum`, each rounded to odd, denormals flushed both ways.
fn bf_dot(sum: u32, b: u32, c: u32) -> u32 {
    let even = bf_mul(b << 16, c << 16);
    let odd = bf_mul(b & 0xffff_0000, c & 0xffff_0000);
    bf_add(sum, bf_add(even, odd))
}

fn is_nan(x: u32) -> bool {
    x & !SIGN > INFINITY
}

fn is_inf(x: u32) -> bool {
    x & !SIGN == INFINITY
}

fn is_zero(x: u32) -> bool {
    x & INFINITY == 0
}

/// Exponent of the last bit, and the fraction with its leading one (not for zeros).
fn unpack(x: u32) -> (i32, u128) {
    ((x >> 23 & 0xff) as i32 - 150, (x & 0x7f_ffff | 1 << 23) as u128)
}

fn bf_mul(a: u32, b: u32) -> u32 {
    let sign = (a ^ b) & SIGN;
    match (is_inf(a) || is_inf(b), is_zero(a) || is_zero(b)) {
        _ if is_nan(a) || is_nan(b) => NAN,
        (true, true) => NAN,
        (true, _) => sign | INFINITY,
        (_, true) => sign,
        _ => {
            let ((ea, ma), (eb, mb)) = (unpack(a), unpack(b));
            round_to_odd(sign, ea + eb, ma * mb)
        }
    }
}

fn bf_add(a: u32, b: u32) -> u32 {
    match (is_inf(a), is_inf(b)) {
        _ if is_nan(a) || is_nan(b) => NAN,
        (true, true) if a != b => NAN,
        (true, _) => a,
        (_, true) => b,
        _ => match (is_zero(a), is_zero(b)) {
            (true, true) => a & b & SIGN,
            (true, _) => b,
            (_, true) => a,
            _ => add_numbers(a, b),
        },
    }
}

fn add_numbers(a: u32, b: u32) -> u32 {
    // The larger magnitude first; 64 bits below it, what is still less is or-ed into the last.
    let (a, b) = if a & !SIGN >= b & !SIGN { (a, b) } else { (b, a) };
    let ((ea, ma), (eb, mb)) = (unpack(a), unpack(b));
    let (ma, mb, by) = (ma << 64, mb << 64, (ea - eb).min(127));
    let mb = mb >> by | (by != 0 && mb << (128 - by) != 0) as u128;
    let m = if (a ^ b) & SIGN == 0 { ma + mb } else { ma - mb };
    match m {
        0 => 0,
        m => round_to_odd(a & SIGN, ea - 64, m),
    }
}

/// `m * 2^exp` as a single.
fn round_to_odd(sign: u32, exp: i32, m: u128) -> u32 {
    let up = m.leading_zeros();
    // 24 bits from the top.
    let top = m << up;
    let biased = exp + 127 - up as i32 + 127;
    let odd = (top << 24 != 0) as u32;
    match biased {
        ..=0 => sign,
        255.. => sign | INFINITY,
        _ => sign | (biased as u32) << 23 | (top >> 104) as u32 & 0x7f_ffff | odd,
    }
}
