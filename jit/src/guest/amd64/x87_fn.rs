//! The x87's transcendental functions, by series in double extended arithmetic. The last bits of their results differ between processors.

use super::x87_ops::{finish_function, function_operands, Found};
use crate::cpu::Cpu;
use crate::ir::eval::x86fp::{ex, split, Env, Num, F80};

/// An image.
type F = u128;

const fn image(sign_exp: u128, sig: u64) -> F {
    sign_exp << 64 | sig as u128
}

const ONE: F = image(0x3fff, 1 << 63);
const TWO: F = image(0x4000, 1 << 63);
const LN2: F = image(0x3ffe, 0xb172_17f7_d1cf_79ac);
const LOG2E: F = image(0x3fff, 0xb8aa_3b29_5c17_f0bc);
const PI: F = image(0x4000, 0xc90f_daa2_2168_c235);
const SIGN: F = 1 << 79;

fn env() -> Env {
    Env { masked: 0x3f, precision: 0, ..Env::sse(0x1f80) }
}
fn num(a: F) -> Num {
    split(F80, a).0
}
fn add(a: F, b: F) -> F {
    env().add(F80, num(a), num(b))
}
fn sub(a: F, b: F) -> F {
    add(a, b ^ SIGN)
}
fn mul(a: F, b: F) -> F {
    env().mul(F80, num(a), num(b))
}
fn div(a: F, b: F) -> F {
    env().div(F80, num(a), num(b))
}
fn int(n: i64) -> F {
    env().from_int(F80, n)
}
/// a * 2^n.
fn shifted(a: F, n: i32) -> F {
    match num(a) {
        Num::Finite(s, e, m) => env().pack(F80, Num::Finite(s, e + n, m)),
        _ => a,
    }
}
fn negative(a: F) -> bool {
    a & SIGN != 0
}
fn less(a: F, b: F) -> bool {
    env().compare(num(a), num(b), false) == Some(std::cmp::Ordering::Less)
}

/// e^x - 1 for small x.
fn expm1(x: F) -> F {
    // x (1 + x/2 (1 + x/3 (...)))
    let mut r = ONE;
    for n in (2..28).rev() {
        r = add(ONE, mul(div(x, int(n)), r));
    }
    mul(x, r)
}

/// 2 artanh(z) = ln((1 + z) / (1 - z)) for small z.
fn artanh2(z: F) -> F {
    let z2 = mul(z, z);
    let mut r = 0;
    for n in (0..20).rev() {
        r = add(div(ONE, int(2 * n + 1)), mul(z2, r));
    }
    mul(shifted(z, 1), r)
}

/// log2 of a positive number.
fn log2(x: F) -> F {
    let Num::Finite(_, e, m) = num(x) else { return x };
    let (mut e, mut y) = (e, image(0x3fff, m));
    // Around one.
    if m > 0xb504_f333_f9de_6484 {
        y = shifted(y, -1);
        e += 1;
    }
    let l = artanh2(div(sub(y, ONE), add(y, ONE)));
    add(int(e as i64), mul(l, LOG2E))
}

/// Sine and cosine for |x| <= pi/4.
fn sin_cos(x: F) -> (F, F) {
    let x2 = mul(x, x);
    let (mut s, mut c) = (ONE, ONE);
    for n in (1..14).rev() {
        s = sub(ONE, mul(div(x2, int(2 * n * (2 * n + 1))), s));
        c = sub(ONE, mul(div(x2, int(2 * n * (2 * n - 1))), c));
    }
    (mul(x, s), c)
}

/// x less the nearest multiple of pi/2, by the processor's pi of 66 bits; the multiple modulo four.
fn reduced(x: F) -> (F, u32) {
    let Num::Finite(s, e, m) = num(x) else { return (x, 0) };
    if e < -1 {
        return (x, 0);
    }
    // pi/2 * 2^65: 66 bits.
    const HALF_PI: u128 = 0x3_243f_6a88_85a3_08d3;
    // m * 2^(e - 63) in units of 2^-65: m * 2^(e + 2), a bit at a time.
    let (mut r, mut q) = (m as u128, 0u32);
    let mut left = e + 2;
    while left > 0 {
        q <<= 1;
        r <<= 1;
        if r >= HALF_PI {
            r -= HALF_PI;
            q |= 1;
        }
        left -= 1;
    }
    if 2 * r > HALF_PI {
        q = q.wrapping_add(1);
        let d = HALF_PI - r;
        return (scaled(!s, d), if s { q.wrapping_neg() & 3 } else { q & 3 });
    }
    (scaled(s, r), if s { q.wrapping_neg() & 3 } else { q & 3 })
}

/// r * 2^-65.
fn scaled(sign: bool, r: u128) -> F {
    if r == 0 {
        return F80.zero(sign);
    }
    let up = r.leading_zeros();
    env().round(F80, sign, 127 - up as i32 - 65, r << up)
}

fn sine(x: F) -> (F, F) {
    let (r, q) = reduced(x);
    let (s, c) = sin_cos(r);
    match q {
        0 => (s, c),
        1 => (c, s ^ SIGN),
        2 => (s ^ SIGN, c ^ SIGN),
        _ => (c ^ SIGN, s),
    }
}

/// The arc tangent of a number from 0 to 1.
fn arctan(t: F) -> F {
    // Above tan(pi/8): pi/4 + atan((t - 1) / (t + 1)).
    let limit = image(0x3ffd, 0xd413_cccf_e779_9211);
    if less(limit, t) {
        let r = arctan_series(div(sub(t, ONE), add(t, ONE)));
        return add(shifted(PI, -2), r);
    }
    arctan_series(t)
}

fn arctan_series(t: F) -> F {
    let t2 = mul(t, t);
    let mut r = 0;
    for n in (0..36).rev() {
        r = sub(div(ONE, int(2 * n + 1)), mul(t2, r));
    }
    mul(t, r)
}

/// The angle of (x, y).
fn arctan2(y: F, x: F) -> (F, u32) {
    let (sy, sx) = (y & SIGN, negative(x));
    let (ay, ax) = (y & !SIGN, x & !SIGN);
    let (ny, nx) = (num(ay), num(ax));
    let quarter = shifted(PI, -1);
    let r = match (ny, nx) {
        (Num::Zero(_), _) if sx => PI,
        (Num::Zero(_), _) => return (sy, 0),
        (Num::Inf(_), Num::Inf(_)) if sx => add(quarter, shifted(PI, -2)),
        (Num::Inf(_), Num::Inf(_)) => shifted(PI, -2),
        (_, Num::Zero(_)) | (Num::Inf(_), _) => quarter,
        (_, Num::Inf(_)) if sx => PI,
        (_, Num::Inf(_)) => return (sy, 0),
        _ => {
            let steep = less(ax, ay);
            let r = if steep { sub(quarter, arctan(div(ax, ay))) } else { arctan(div(ay, ax)) };
            if sx {
                sub(PI, r)
            } else {
                r
            }
        }
    };
    (r | sy, inexact(r).raised)
}

fn invalid() -> Found {
    Found { value: F80.default_nan(), pushed: None, raised: ex::I }
}

/// Results so small raise Underflow, too.
fn inexact(value: F) -> Found {
    let tiny = value >> 64 & 0x7fff == 0;
    Found { value, pushed: None, raised: if tiny { ex::P | ex::U } else { ex::P } }
}

/// a * b, with the exceptions of the product.
fn product(a: F, b: F) -> Found {
    let mut e = env();
    let value = e.mul(F80, num(a), num(b));
    Found { value, pushed: None, raised: ex::P | e.raised }
}

fn exact(value: F) -> Found {
    Found { value, pushed: None, raised: 0 }
}

/// y * log2(x).
fn y_log2(x: F, y: F) -> Found {
    match (num(x), num(y)) {
        (Num::Zero(_), Num::Zero(_)) => invalid(),
        (Num::Zero(_), Num::Inf(s)) => exact(F80.infinity(!s)),
        (Num::Zero(_), n) => Found { raised: ex::Z, ..exact(F80.infinity(!n.sign())) },
        (n, _) if n.sign() => invalid(),
        (Num::Inf(_), Num::Zero(_)) => invalid(),
        (Num::Inf(_), n) => exact(F80.infinity(n.sign())),
        _ if x == ONE => match num(y) {
            Num::Inf(_) => invalid(),
            n => exact(F80.zero(n.sign())),
        },
        (_, Num::Inf(s)) => exact(F80.infinity(s != less(x, ONE))),
        (_, Num::Zero(s)) => exact(F80.zero(s != less(x, ONE))),
        _ => product(y, log2(x)),
    }
}

/// y * log2(x + 1) for small x.
fn y_log2_1(x: F, y: F) -> Found {
    match (num(x), num(y)) {
        (Num::Zero(_), Num::Inf(_)) => invalid(),
        (Num::Zero(s), n) => exact(F80.zero(s != n.sign())),
        (Num::Inf(false), Num::Zero(_)) => invalid(),
        (Num::Inf(false), n) => exact(F80.infinity(n.sign())),
        (n, Num::Inf(s)) => exact(F80.infinity(s != n.sign())),
        (n, Num::Zero(s)) => exact(F80.zero(s != n.sign())),
        (Num::Inf(true), _) => invalid(),
        // So small that it is its own logarithm.
        (Num::Finite(_, e, _), _) if e < -16_000 => product(x, mul(y, LOG2E)),
        (Num::Finite(_, e, _), _) if e < -70 => product(y, mul(x, LOG2E)),
        _ => product(y, mul(artanh2(div(x, add(TWO, x))), LOG2E)),
    }
}

fn exp2_less_1(x: F) -> Found {
    match num(x) {
        Num::Zero(s) => exact(F80.zero(s)),
        Num::Inf(true) => exact(ONE | SIGN),
        Num::Inf(false) => exact(F80.infinity(false)),
        _ if x == ONE => exact(ONE),
        // Undefined from here on: processors leave it alone.
        _ if !less(x & !SIGN, ONE) => inexact(x),
        _ => inexact(expm1(mul(x, LN2))),
    }
}

/// FPTAN, FSIN, FCOS, FSINCOS; `None` out of range.
fn angle(what: u64, x: F) -> Option<Found> {
    match num(x) {
        Num::Inf(_) => return Some(Found { pushed: matches!(what, 19 | 23).then(|| F80.default_nan()), ..invalid() }),
        Num::Zero(_) => {
            return Some(match what {
                22 => exact(ONE),
                21 => exact(x),
                _ => Found { pushed: Some(ONE), ..exact(x) },
            })
        }
        Num::Finite(_, e, _) if e >= 63 => return None,
        _ => {}
    }
    let (s, c) = sine(x);
    Some(match what {
        19 => Found { pushed: Some(ONE), ..inexact(div(s, c)) },
        21 => inexact(s),
        22 => inexact(c),
        _ => Found { pushed: Some(c), ..inexact(s) },
    })
}

/// F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS, from 16 on.
pub extern "C" fn function(cpu: &mut Cpu, what: u64, _: u64) -> u64 {
    let two = matches!(what, 17 | 18 | 20);
    let Some([x, y]) = function_operands(cpu, two, matches!(what, 19 | 21..=23), matches!(what, 19 | 23)) else { return 0 };
    let found = match what {
        16 => Some(exp2_less_1(x)),
        17 => Some(y_log2(x, y)),
        18 => Some(y_log2_1(x, y)),
        20 => {
            let (value, raised) = arctan2(y, x);
            Some(Found { value, pushed: None, raised })
        }
        _ => angle(what, x),
    };
    let found = if num(x).is_nan() || num(y).is_nan() {
        Some(Found { pushed: matches!(what, 19 | 23).then_some(x), ..exact(x) })
    } else {
        found
    };
    finish_function(cpu, [x, y], two, found);
    0
}
