//! The x87's transcendental functions: computed in 128 bits, and rounded once by the control word. That is the correctly rounded result but for
//! about one operand in 2^50. Processors' own results are wrong by less than one unit in the last place, and differ between models: what this
//! one's are, and how far from these, is in the oracle (`x87_functions`).

use super::state::FSW;
use super::wide::{Wide, LN2, LOG2E, ONE, PI};
use super::x87_ops::{empty, env, get, move_top, nan, note, pop, set, stack_fault, C1, C2, INDEFINITE};
use crate::cpu::Cpu;
use crate::ir::eval::x86fp::{ex, split, Env, Num, F80};

/// 1 / 0 (unused), 1 / 1, 1 / 2, ...
const INVERSE: [Wide; 96] = {
    let mut t = [ONE; 96];
    let mut n = 1;
    while n < t.len() {
        t[n] = Wide::inverse(n as u64);
        n += 1;
    }
    t
};
/// 1 / (n (n + 1)).
const INVERSE_PAIR: [Wide; 32] = {
    let mut t = [ONE; 32];
    let mut n = 1;
    while n < t.len() {
        t[n] = Wide::inverse((n * (n + 1)) as u64);
        n += 1;
    }
    t
};

/// An image of 1.
const ONE_IMAGE: u128 = 0x3fff << 64 | 1 << 63;

/// e^x - 1 for |x| < 0.7.
fn expm1(x: Wide) -> Wide {
    // x (1 + x/2 (1 + x/3 (...)))
    let r = (2..33).rev().fold(ONE, |r, n| ONE.add(x.mul(INVERSE[n]).mul(r)));
    x.mul(r)
}

/// 2 artanh(z) = ln((1 + z) / (1 - z)) for |z| < 0.2.
fn artanh2(z: Wide) -> Wide {
    let z2 = z.mul(z);
    let r = (0..27).rev().fold(Wide::int(0), |r, n| INVERSE[2 * n + 1].add(z2.mul(r)));
    z.scaled(1).mul(r)
}

/// log2 of a positive number.
fn log2(x: Wide) -> Wide {
    const ROOT_HALF: u128 = 0xb504_f333_f9de_6484 << 64;
    // Around one: its exponent is 0, or -1.
    let e = x.exp + (x.sig > ROOT_HALF) as i32;
    let m = x.scaled(-e);
    if m == ONE {
        return Wide::int(e);
    }
    let z = m.sub(ONE).div(m.add(ONE));
    Wide::int(e).add(artanh2(z).mul(LOG2E))
}

/// Sine and cosine for |x| <= pi/4.
fn sin_cos(x: Wide) -> (Wide, Wide) {
    let x2 = x.mul(x);
    let series = |first: usize| {
        let terms = (0..15).rev().map(|k| 2 * k + first);
        terms.fold(ONE, |r, n| ONE.sub(x2.mul(INVERSE_PAIR[n]).mul(r)))
    };
    (x.mul(series(2)), series(1))
}

/// x less the nearest multiple of pi/2, by the processor's pi of 66 bits; the multiple modulo four. Both are exact.
fn reduced(s: bool, e: i32, m: u64) -> (Wide, u32) {
    if e < -1 {
        return (Wide::new(s, e, m), 0);
    }
    // pi/2 * 2^65: 66 bits.
    const HALF_PI: u128 = 0x3_243f_6a88_85a3_08d3;
    // m * 2^(e - 63) in units of 2^-65: m * 2^(e + 2), a bit at a time.
    let (mut r, mut q) = (m as u128, 0u32);
    for _ in 0..e + 2 {
        q <<= 1;
        r <<= 1;
        if r >= HALF_PI {
            r -= HALF_PI;
            q |= 1;
        }
    }
    let mut sign = s;
    if 2 * r > HALF_PI {
        q = q.wrapping_add(1);
        r = HALF_PI - r;
        sign = !s;
    }
    let up = r.leading_zeros();
    let r = if r == 0 { Wide::int(0) } else { Wide { neg: sign, exp: 127 - up as i32 - 65, sig: r << up } };
    (r, if s { q.wrapping_neg() & 3 } else { q & 3 })
}

/// Sine and cosine.
fn sine(s: bool, e: i32, m: u64) -> (Wide, Wide) {
    let (r, q) = reduced(s, e, m);
    let (s, c) = sin_cos(r);
    match q {
        0 => (s, c),
        1 => (c, s.negated()),
        2 => (s.negated(), c.negated()),
        _ => (c.negated(), s),
    }
}

/// Tangent.
fn tangent(s: bool, e: i32, m: u64) -> Option<Wide> {
    let (r, q) = reduced(s, e, m);
    if r.sig != 0 && r.exp < -30 {
        // x + x^3/3, or -1/x + x/3: which side of its first term it is on tells how to round.
        let more = r.mul(r).mul(INVERSE[3]);
        return Some(if q & 1 == 0 { r.mul(ONE.add(more)) } else { ONE.negated().div(r).mul(ONE.sub(more)) });
    }
    let (sin, cos) = sine(s, e, m);
    match (sin.sig, cos.sig) {
        (_, 0) => None,
        (0, _) => Some(sin),
        _ => Some(sin.div(cos)),
    }
}

/// The arc tangent of a / b, of positive numbers with a <= b.
fn arctan(a: Wide, b: Wide) -> Wide {
    // Above tan(pi/8): pi/4 + atan((t - 1) / (t + 1)).
    let limit = Wide { neg: false, exp: -2, sig: 0xd413_cccf_e779_9211 << 64 };
    let t = a.div(b);
    if limit.below(t) {
        let d = a.sub(b);
        return if d.sig == 0 { PI.scaled(-2) } else { PI.scaled(-2).add(arctan_series(d.div(a.add(b)))) };
    }
    arctan_series(t)
}

fn arctan_series(t: Wide) -> Wide {
    let t2 = t.mul(t);
    let r = (0..47).rev().fold(Wide::int(0), |r, n| INVERSE[2 * n + 1].sub(t2.mul(r)));
    t.mul(r)
}

/// FPATAN: the angle of (x, y).
fn angle_of(y: u128, x: u128) -> Found {
    let (ny, nx) = (split(F80, y).0, split(F80, x).0);
    let (neg, left) = (ny.sign(), nx.sign());
    let quarter = PI.scaled(-2);
    let wide = |r: Wide| Found::rounded(Wide { neg, ..r });
    match (ny, nx) {
        (Num::Zero(_) | Num::Finite(..), Num::Inf(_)) | (Num::Zero(_), _) if left => wide(PI),
        (Num::Zero(_) | Num::Finite(..), Num::Inf(_)) | (Num::Zero(_), _) => Found::exact(F80.zero(neg)),
        (Num::Inf(_), Num::Inf(_)) if left => wide(PI.sub(quarter)),
        (Num::Inf(_), Num::Inf(_)) => wide(quarter),
        (Num::Finite(_, ey, my), Num::Finite(_, ex, mx)) => {
            let (a, b) = (Wide::new(false, ey, my), Wide::new(false, ex, mx));
            let r = if b.below(a) { PI.scaled(-1).sub(arctan(b, a)) } else { arctan(a, b) };
            wide(if left { PI.sub(r) } else { r })
        }
        _ => wide(PI.scaled(-1)),
    }
}

fn below_one(n: Num) -> bool {
    matches!(n, Num::Zero(_) | Num::Finite(true, ..)) || matches!(n, Num::Finite(false, e, _) if e < 0)
}

/// FYL2X: y * log2(x).
fn y_log2(x: Num, y: Num) -> Found {
    match (x, y) {
        (Num::Zero(_), Num::Zero(_)) => Found::invalid(),
        (Num::Zero(_), Num::Inf(s)) => Found::exact(F80.infinity(!s)),
        (Num::Zero(_), n) => Found { raised: ex::Z, ..Found::exact(F80.infinity(!n.sign())) },
        (n, _) if n.sign() => Found::invalid(),
        (Num::Inf(_), Num::Zero(_)) => Found::invalid(),
        (Num::Inf(_), n) => Found::exact(F80.infinity(n.sign())),
        (Num::Finite(_, 0, m), Num::Inf(_)) if m == 1 << 63 => Found::invalid(),
        (Num::Finite(_, 0, m), n) if m == 1 << 63 => Found::exact(F80.zero(n.sign())),
        (x, Num::Inf(s)) => Found::exact(F80.infinity(s != below_one(x))),
        (x, Num::Zero(s)) => Found::exact(F80.zero(s != below_one(x))),
        (Num::Finite(_, e, m), Num::Finite(s, ey, my)) => Found::rounded(Wide::new(s, ey, my).mul(log2(Wide::new(false, e, m)))),
        _ => Found::invalid(),
    }
}

/// FYL2XP1: y * log2(x + 1).
fn y_log2_1(x: Num, y: Num) -> Found {
    match (x, y) {
        (Num::Zero(_), Num::Inf(_)) => Found::invalid(),
        (Num::Zero(s), n) => Found::exact(F80.zero(s != n.sign())),
        (Num::Inf(true), _) | (Num::Inf(false), Num::Zero(_)) => Found::invalid(),
        (Num::Inf(false), n) => Found::exact(F80.infinity(n.sign())),
        (n, Num::Inf(s)) => Found::exact(F80.infinity(s != n.sign())),
        (n, Num::Zero(s)) => Found::exact(F80.zero(s != n.sign())),
        (Num::Finite(s, e, m), Num::Finite(sy, ey, my)) => {
            let (x, y) = (Wide::new(s, e, m), Wide::new(sy, ey, my));
            Found::rounded(match e {
                ..-2 => y.mul(artanh2(x.div(ONE.scaled(1).add(x))).mul(LOG2E)),
                // Undefined from here on: processors leave it alone.
                _ if s && e >= 0 => x,
                _ => y.mul(log2(ONE.add(x))),
            })
        }
        _ => Found::invalid(),
    }
}

/// F2XM1.
fn exp2_less_1(x: Num, image: u128) -> Found {
    match x {
        Num::Zero(s) => Found::exact(F80.zero(s)),
        Num::Inf(true) => Found::exact(ONE_IMAGE | 1 << 79),
        Num::Inf(false) => Found::exact(image),
        Num::Finite(true, 0, m) if m == 1 << 63 => Found::rounded(ONE.scaled(-1).negated()),
        // Undefined from here on: processors leave it alone.
        Num::Finite(s, e, m) if e >= 0 => Found::rounded(Wide::new(s, e, m)),
        Num::Finite(s, e, m) => Found::rounded(expm1(Wide::new(s, e, m).mul(LN2))),
        _ => Found::invalid(),
    }
}

/// FPTAN, FSIN, FCOS, FSINCOS; `None` out of range.
fn angle(what: u64, x: Num, image: u128) -> Option<Found> {
    let pushes = |v: Outcome| matches!(what, 19 | 23).then_some(v);
    let one = Outcome::Exact(ONE_IMAGE);
    Some(match x {
        Num::Inf(_) => Found { pushed: pushes(Outcome::Exact(F80.default_nan())), ..Found::invalid() },
        Num::Zero(_) if what == 22 => Found::exact(ONE_IMAGE),
        Num::Zero(_) => Found { pushed: pushes(one), ..Found::exact(image) },
        Num::Finite(_, e, _) if e >= 63 => return None,
        // So small that it is its own sine, whatever way is rounded.
        Num::Finite(s, e, m) if e < -68 => match what {
            22 => Found::rounded(ONE),
            19 => Found { pushed: Some(one), ..Found::rounded(Wide::new(s, e, m)) },
            _ => Found { pushed: pushes(Outcome::Rounded(ONE)), ..Found::rounded(Wide::new(s, e, m)) },
        },
        Num::Finite(s, e, m) if what == 19 => match tangent(s, e, m) {
            None => Found::invalid(),
            Some(t) => Found { pushed: Some(one), ..Found::rounded(t) },
        },
        Num::Finite(s, e, m) => {
            let (sin, cos) = sine(s, e, m);
            match what {
                22 => Found::rounded(cos),
                _ => Found { pushed: pushes(Outcome::Rounded(cos)), ..Found::rounded(sin) },
            }
        }
        _ => Found::invalid(),
    })
}

/// F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS, from 16 on.
pub extern "C" fn function(cpu: &mut Cpu, what: u64, _: u64) -> u64 {
    let two = matches!(what, 17 | 18 | 20);
    let Some([x, y]) = function_operands(cpu, two, matches!(what, 19 | 21..=23), matches!(what, 19 | 23)) else { return 0 };
    let (nx, ny) = (split(F80, x).0, split(F80, y).0);
    let found = match what {
        _ if nx.is_nan() || ny.is_nan() => {
            Some(Found { pushed: matches!(what, 19 | 23).then_some(Outcome::Exact(x)), ..Found::exact(x) })
        }
        16 => Some(exp2_less_1(nx, x)),
        17 => Some(y_log2(nx, ny)),
        18 => Some(y_log2_1(nx, ny)),
        20 => Some(angle_of(y, x)),
        _ => angle(what, nx, x),
    };
    finish_function(cpu, [x, y], two, found);
    0
}

// --- results on the stack ---------------------------------------------------------------------------------------
/// ST(0), and ST(1) if it is an operand, for a function; `None` if the stack has nothing there.
/// `range`: C2 tells whether it is out of range; `pushes`: there is a second result.
fn function_operands(cpu: &mut Cpu, two: bool, range: bool, pushes: bool) -> Option<[u128; 2]> {
    if range {
        cpu.area[FSW] &= !C2;
    }
    let missing = empty(cpu, 0) || (two && empty(cpu, 1));
    if missing || (pushes && !empty(cpu, 7)) {
        if stack_fault(cpu, !missing) {
            if two {
                pop(cpu);
            }
            set(cpu, 0, INDEFINITE);
            if pushes {
                move_top(cpu, 7);
                set(cpu, 0, INDEFINITE);
            }
        }
        return None;
    }
    Some([get(cpu, 0), if two { get(cpu, 1) } else { get(cpu, 0) }])
}

/// A result of a function.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// As it is.
    Exact(u128),
    /// To be rounded; Inexact is raised even if it happens to be exact.
    Rounded(Wide),
}

impl Outcome {
    fn round(self, e: &mut Env) -> u128 {
        match self {
            Outcome::Exact(v) => v,
            Outcome::Rounded(w) if w.sig == 0 => F80.zero(w.neg),
            Outcome::Rounded(w) => {
                let v = e.round(F80, w.neg, w.exp, w.sig);
                let tiny = v >> 64 & 0x7fff == 0;
                e.raise(if tiny { ex::P | ex::U } else { ex::P });
                v
            }
        }
    }
}

/// What a function found.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Its result.
    value: Outcome,
    /// What goes on top of it.
    pushed: Option<Outcome>,
    /// Exceptions beside those of the operands and of rounding.
    raised: u32,
}

impl Found {
    /// This image.
    fn exact(image: u128) -> Found {
        Found { value: Outcome::Exact(image), pushed: None, raised: 0 }
    }
    /// This number rounded.
    fn rounded(w: Wide) -> Found {
        Found { value: Outcome::Rounded(w), pushed: None, raised: 0 }
    }
    /// Invalid.
    fn invalid() -> Found {
        Found { raised: ex::I, ..Found::exact(INDEFINITE) }
    }
}

/// Finish a function of ST(0), or of two numbers of which one is popped. `None`: out of range, nothing but C2.
fn finish_function(cpu: &mut Cpu, operands: [u128; 2], two: bool, found: Option<Found>) {
    let Some(found) = found else {
        cpu.area[FSW] = cpu.area[FSW] & !C1 | C2;
        return;
    };
    let mut e = env(cpu);
    e.precision = 0;
    let [(a, da), (b, db)] = operands.map(|v| split(F80, v));
    let quiet = nan(&mut e, a, b);
    let (mut value, mut pushed, mut up) = (0, 0, false);
    if quiet.is_none() {
        e.raise(found.raised);
        let denormal = (da || db) && found.raised & (ex::I | ex::Z) == 0;
        e.raise(if denormal { ex::D } else { 0 });
        if e.raised & !e.masked == 0 {
            value = found.value.round(&mut e);
            up = e.up && e.raised & ex::P != 0;
            pushed = found.pushed.map_or(0, |p| p.round(&mut e));
        }
    }
    if !note(cpu, e.raised, up) {
        return;
    }
    if two {
        pop(cpu);
    }
    set(cpu, 0, quiet.unwrap_or(value));
    if found.pushed.is_some() {
        move_top(cpu, 7);
        set(cpu, 0, quiet.unwrap_or(pushed));
    }
}
