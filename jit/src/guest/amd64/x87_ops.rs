//! The x87's arithmetic, on its state in `Cpu::area`.

use super::state::{DATA, FCW, FDP, FIP, FOP, FSW, FTW, OPCODE, TEMP, X87};
use crate::cpu::Cpu;
use crate::ir::eval::x86fp::{ex, split, Env, Num, Rc, F32, F64, F80};
use std::cmp::Ordering;

/// Stack fault.
const SF: u64 = 0x40;
/// Condition bits.
const C0: u64 = 0x100;
pub(super) const C1: u64 = 0x200;
pub(super) const C2: u64 = 0x400;
const C3: u64 = 0x4000;
/// The indefinite NaN.
pub(super) const INDEFINITE: u128 = 0xffff << 64 | 3 << 62;

fn top(cpu: &Cpu) -> usize {
    (cpu.area[FSW] >> 11 & 7) as usize
}
fn physical(cpu: &Cpu, i: u64) -> usize {
    (top(cpu) + i as usize) & 7
}
pub(super) fn empty(cpu: &Cpu, i: u64) -> bool {
    cpu.area[FTW] >> physical(cpu, i) & 1 == 0
}
/// ST(i).
pub(super) fn get(cpu: &Cpu, i: u64) -> u128 {
    let p = X87 + 2 * physical(cpu, i);
    cpu.area[p] as u128 | (cpu.area[p + 1] as u128 & 0xffff) << 64
}
pub(super) fn set(cpu: &mut Cpu, i: u64, v: u128) {
    let n = physical(cpu, i);
    cpu.area[X87 + 2 * n] = v as u64;
    cpu.area[X87 + 2 * n + 1] = (v >> 64) as u64;
    cpu.area[FTW] |= 1 << n;
}
pub(super) fn move_top(cpu: &mut Cpu, by: usize) {
    let t = (top(cpu) + by) & 7;
    cpu.area[FSW] = cpu.area[FSW] & !0x3800 | (t as u64) << 11;
}
pub(super) fn pop(cpu: &mut Cpu) {
    let n = physical(cpu, 0);
    cpu.area[FTW] &= !(1 << n);
    move_top(cpu, 1);
}

/// The environment that the control word says.
pub(super) fn env(cpu: &Cpu) -> Env {
    let cw = cpu.area[FCW] as u32;
    Env {
        rc: Rc::from_bits(cw >> 10),
        masked: cw & 0x3f,
        daz: false,
        ftz: false,
        precision: [24, 0, 53, 0][(cw >> 8 & 3) as usize],
        raised: 0,
        up: false,
        wrap: true,
    }
}

/// Bring the summary bits up to date.
pub fn summarize(cpu: &mut Cpu) {
    let pending = cpu.area[FSW] & !cpu.area[FCW] & 0x3f != 0;
    cpu.area[FSW] = cpu.area[FSW] & !0x8080 | if pending { 0x8080 } else { 0 };
}

/// Where the exception was that is pending now.
fn point(cpu: &mut Cpu) {
    cpu.area[FOP] = cpu.area[OPCODE];
    if cpu.area[OPCODE] & 0xc0 != 0xc0 {
        cpu.area[FDP] = cpu.area[DATA];
    }
}

/// Note exceptions: whether the operation goes on (what was raised among the operands is masked).
pub(super) fn note(cpu: &mut Cpu, raised: u32, c1: bool) -> bool {
    cpu.area[FSW] = (cpu.area[FSW] & !C1) | raised as u64 | if c1 { C1 } else { 0 };
    summarize(cpu);
    if cpu.area[FSW] & 0x80 != 0 {
        point(cpu);
    }
    raised & (ex::I | ex::Z | ex::D) & !(cpu.area[FCW] as u32) == 0
}

/// Stack underflow or overflow: whether the operation goes on.
pub(super) fn stack_fault(cpu: &mut Cpu, overflow: bool) -> bool {
    cpu.area[FSW] |= SF;
    note(cpu, ex::I, overflow)
}

/// The NaN that two operands give: the quiet one, the one with the larger significand, the positive one.
pub(super) fn nan(e: &mut Env, a: Num, b: Num) -> Option<u128> {
    if a == Num::Unsupported || b == Num::Unsupported {
        return Some(e.invalid(F80));
    }
    if a.is_signalling() || b.is_signalling() {
        e.raise(ex::I);
    }
    let pick = match (a, b) {
        (Num::Nan(s, m), Num::Nan(t, n)) => {
            let (qa, qb) = (!a.is_signalling(), !b.is_signalling());
            if qa != qb {
                if qa {
                    a
                } else {
                    b
                }
            } else {
                match m.cmp(&n) {
                    Ordering::Greater => a,
                    Ordering::Less => b,
                    Ordering::Equal if s && !t => b,
                    Ordering::Equal => a,
                }
            }
        }
        (Num::Nan(..), _) => a,
        (_, Num::Nan(..)) => b,
        _ => return None,
    };
    Some(e.pack(F80, pick))
}

/// An operation on two numbers, its exceptions by priority.
fn two(e: &mut Env, (a, da): (Num, bool), (b, db): (Num, bool), op: impl FnOnce(&mut Env, Num, Num) -> u128) -> u128 {
    if let Some(n) = nan(e, a, b) {
        return n;
    }
    let before = std::mem::take(&mut e.raised);
    let r = op(e, a, b);
    if (da || db) && e.raised & (ex::I | ex::Z) == 0 {
        e.raised |= ex::D;
        if e.masked & ex::D == 0 {
            e.raised = ex::D;
        }
    }
    e.raised |= before;
    r
}

fn negated(n: Num) -> Num {
    match n {
        Num::Zero(s) => Num::Zero(!s),
        Num::Inf(s) => Num::Inf(!s),
        Num::Finite(s, e, m) => Num::Finite(!s, e, m),
        n => n,
    }
}

/// A memory operand, or ST(j): kind 0 register, 1 single, 2 double, 3 integer.
fn operand(cpu: &Cpu, kind: u64, j: u64, v: u64) -> (Num, bool) {
    match kind {
        0 => split(F80, get(cpu, j)),
        1 => split(F32, v as u128 & 0xffff_ffff),
        2 => split(F64, v as u128),
        _ => {
            let n = (v as i64).unsigned_abs();
            let up = n.leading_zeros();
            let num = if n == 0 { Num::Zero(false) } else { Num::Finite((v as i64) < 0, 63 - up as i32, n << up) };
            (num, false)
        }
    }
}

/// dst = dst op src. `how`: bits 2..0 the operation (0 add, 1 mul, 4 sub, 5 subr, 6 div, 7 divr), 6..4 the source's kind, 10..8 dst, 14..12 src, 16 pop.
pub extern "C" fn arith(cpu: &mut Cpu, how: u64, v: u64) -> u64 {
    let (kind, dst, src) = (how >> 4 & 7, how >> 8 & 7, how >> 12 & 7);
    let mut e = env(cpu);
    let r = if empty(cpu, dst) || (kind == 0 && empty(cpu, src)) {
        if !stack_fault(cpu, false) {
            return 0;
        }
        INDEFINITE
    } else {
        let (a, b) = (split(F80, get(cpu, dst)), operand(cpu, kind, src, v));
        let r = match how & 7 {
            0 => two(&mut e, a, b, |e, a, b| e.add(F80, a, b)),
            1 => two(&mut e, a, b, |e, a, b| e.mul(F80, a, b)),
            4 => two(&mut e, a, b, |e, a, b| e.add(F80, a, negated(b))),
            5 => two(&mut e, b, a, |e, b, a| e.add(F80, b, negated(a))),
            6 => two(&mut e, a, b, |e, a, b| e.div(F80, a, b)),
            _ => two(&mut e, b, a, |e, b, a| e.div(F80, b, a)),
        };
        if !note(cpu, e.raised, e.up && e.raised & ex::P != 0) {
            return 0;
        }
        r
    };
    set(cpu, dst, r);
    if how >> 16 & 1 != 0 {
        pop(cpu);
    }
    0
}

/// Constants of FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: exponent, significand, rounding bits below (0 exact, 1 less than half, 3 more).
const CONSTANTS: [(u64, u64, u8); 7] = [
    (0x3fff, 0x8000_0000_0000_0000, 0),
    (0x4000, 0xd49a_784b_cd1b_8afe, 1),
    (0x3fff, 0xb8aa_3b29_5c17_f0bb, 3),
    (0x4000, 0xc90f_daa2_2168_c234, 3),
    (0x3ffd, 0x9a20_9a84_fbcf_f798, 3),
    (0x3ffe, 0xb172_17f7_d1cf_79ab, 3),
    (0, 0, 0),
];

/// Push. `how`: bits 3..0 the kind as of [`operand`], 4 a double extended number whose upper part is in `TEMP`, 5 a constant, 6 decimal; 10..8 j.
pub extern "C" fn load(cpu: &mut Cpu, how: u64, v: u64) -> u64 {
    let (kind, j) = (how & 15, how >> 8 & 7);
    let mut e = env(cpu);
    let missing = kind == 0 && empty(cpu, j);
    if missing || !empty(cpu, 7) {
        if stack_fault(cpu, !missing) {
            move_top(cpu, 7);
            set(cpu, 0, INDEFINITE);
        }
        return 0;
    }
    e.precision = 0;
    let image = match kind {
        0 => get(cpu, j),
        4 => v as u128 | (cpu.area[TEMP] as u128 & 0xffff) << 64,
        5 => constant(j, e.rc),
        6 => from_decimal(v, cpu.area[TEMP]),
        _ => {
            let (n, denormal) = operand(cpu, kind, 0, v);
            if denormal {
                e.raise(ex::D);
            }
            if n.is_signalling() {
                e.raise(ex::I);
            }
            e.pack(F80, n)
        }
    };
    note(cpu, e.raised, false);
    // A denormal is loaded even if that is told.
    if e.raised & ex::I & !e.masked == 0 {
        move_top(cpu, 7);
        set(cpu, 0, image);
    }
    0
}

fn constant(n: u64, rc: Rc) -> u128 {
    let (e, m, rest) = CONSTANTS[n as usize % 7];
    // As stored it is rounded to nearest: 3 says that it was rounded up.
    let m = match (rest, rc) {
        (1, Rc::Up) => m + 1,
        (3, Rc::Nearest | Rc::Up) => m + 1,
        _ => m,
    };
    (e as u128) << 64 | m as u128
}

fn from_decimal(low: u64, high: u64) -> u128 {
    let digits = (0..18).rev().fold(0u64, |n, k| {
        let d = if k < 16 { low >> (4 * k) & 15 } else { high >> (4 * (k - 16)) & 15 };
        n.wrapping_mul(10).wrapping_add(d)
    });
    let sign = high >> 15 & 1;
    if digits == 0 {
        return (sign as u128) << 79;
    }
    let up = digits.leading_zeros();
    ((sign << 15 | (0x3fff + 63 - up as u64)) as u128) << 64 | (digits << up) as u128
}

/// What a store of ST(0) is to write. `how`: 1 single, 2 double, 4 double extended, 5 i16, 6 i32, 7 i64, 8 decimal; bit 8: truncated; bit 9: pops.
/// `TEMP`: the upper part; `TEMP + 1`: not 0 if nothing is to be stored; `TEMP + 2` and 3: the status word and tags when it is done.
pub extern "C" fn store(cpu: &mut Cpu, how: u64, _: u64) -> u64 {
    let (sw, tw) = (cpu.area[FSW], cpu.area[FTW]);
    let pointers = (cpu.area[FOP], cpu.area[FDP]);
    let mut e = env(cpu);
    e.precision = 0;
    e.wrap = false;
    let kind = how & 15;
    let mut skip = false;
    let (low, high);
    if empty(cpu, 0) {
        skip = !stack_fault(cpu, false);
        (low, high) = indefinite(kind);
    } else {
        if how >> 8 & 1 != 0 {
            e.rc = Rc::Zero;
        }
        let image = get(cpu, 0);
        (low, high) = stored(&mut e, kind, image);
        let unmasked = e.raised & !e.masked;
        if unmasked & (ex::O | ex::U) != 0 {
            e.raised &= !ex::P;
        }
        note(cpu, e.raised, e.up && e.raised & ex::P != 0);
        skip |= unmasked & !ex::P != 0;
    }
    if how >> 9 & 1 != 0 && !skip {
        pop(cpu);
    }
    (cpu.area[TEMP], cpu.area[TEMP + 1]) = (high, skip as u64);
    (cpu.area[TEMP + 2], cpu.area[TEMP + 3]) = (cpu.area[FSW], cpu.area[FTW]);
    (cpu.area[FSW], cpu.area[FTW]) = (sw, tw);
    (cpu.area[FOP], cpu.area[FDP]) = pointers;
    low
}

fn indefinite(kind: u64) -> (u64, u64) {
    match kind {
        1 => (0xffc0_0000, 0),
        2 => (0xfff8 << 48, 0),
        4 => (3 << 62, 0xffff),
        5 => (0x8000, 0),
        6 => (0x8000_0000, 0),
        7 => (1 << 63, 0),
        _ => (0xc000_0000_0000_0000, 0xffff),
    }
}

fn stored(e: &mut Env, kind: u64, image: u128) -> (u64, u64) {
    let (n, _) = split(F80, image);
    match kind {
        4 => (image as u64, (image >> 64) as u64),
        1 | 2 => {
            if n.is_signalling() {
                e.raise(ex::I);
            }
            (e.pack(if kind == 1 { F32 } else { F64 }, n) as u64, 0)
        }
        8 => decimal(e, n),
        _ => (e.to_int(n, [16, 32, 64][kind as usize - 5]) as u64, 0),
    }
}

fn decimal(e: &mut Env, n: Num) -> (u64, u64) {
    let whole = e.to_int(n, 64);
    let limit = 999_999_999_999_999_999;
    if e.raised & ex::I != 0 || whole.unsigned_abs() > limit {
        e.raised = ex::I;
        e.up = false;
        return indefinite(8);
    }
    let mut rest = whole.unsigned_abs();
    let mut v = 0u128;
    for k in 0..18 {
        v |= ((rest % 10) as u128) << (4 * k);
        rest /= 10;
    }
    v |= (n.sign() as u128) << 79;
    (v as u64, (v >> 64) as u64)
}

/// The store is done: its other effects.
pub extern "C" fn commit(cpu: &mut Cpu, _: u64, _: u64) -> u64 {
    (cpu.area[FSW], cpu.area[FTW]) = (cpu.area[TEMP + 2], cpu.area[TEMP + 3]);
    if cpu.area[FSW] & 0x80 != 0 {
        point(cpu);
    }
    0
}

/// Compare ST(0). `how`: bits 6..4 kind, 14..12 j, 17..16 pops, 18 quiet, 19 the result is wanted as flags: N 8, Z 4, !C 2 in bits 3..0, PF in bit 4.
pub extern "C" fn compare(cpu: &mut Cpu, how: u64, v: u64) -> u64 {
    let (kind, j) = (how >> 4 & 7, how >> 12 & 7);
    let mut e = env(cpu);
    let to_flags = how >> 19 & 1 != 0;
    // Those that set the flags leave C1 alone.
    let c1 = to_flags && cpu.area[FSW] & C1 != 0;
    let (order, goes_on) = if empty(cpu, 0) || (kind == 0 && empty(cpu, j)) {
        (None, stack_fault(cpu, false))
    } else {
        let ((a, da), (b, db)) = (split(F80, get(cpu, 0)), operand(cpu, kind, j, v));
        if a == Num::Unsupported || b == Num::Unsupported {
            e.raise(ex::I);
        }
        let order = e.compare(a, b, how >> 18 & 1 == 0);
        if (da || db) && order.is_some() {
            e.raise(ex::D);
        }
        (order, note(cpu, e.raised, c1))
    };
    // The result is told even if an exception keeps the stack as it is.
    if goes_on {
        for _ in 0..how >> 16 & 3 {
            pop(cpu);
        }
    }
    if to_flags {
        return match order {
            Some(Ordering::Greater) => 2,
            Some(Ordering::Less) => 0,
            Some(Ordering::Equal) => 4 | 2,
            None => 16 | 4,
        };
    }
    let c = match order {
        Some(Ordering::Greater) => 0,
        Some(Ordering::Less) => C0,
        Some(Ordering::Equal) => C3,
        None => C0 | C2 | C3,
    };
    cpu.area[FSW] = cpu.area[FSW] & !(C0 | C2 | C3) | c;
    0
}

/// Operations on ST(0), by number; the order is that of [`super::x87`].
pub extern "C" fn unary(cpu: &mut Cpu, what: u64, _: u64) -> u64 {
    if what == 3 {
        examine(cpu);
        return 0;
    }
    let pair = matches!(what, 6..=8);
    if empty(cpu, 0) || (pair && empty(cpu, 1)) {
        if stack_fault(cpu, false) && what != 2 {
            set(cpu, 0, INDEFINITE);
            if what == 9 {
                move_top(cpu, 7);
                set(cpu, 0, INDEFINITE);
            }
        } else if what == 2 {
            cpu.area[FSW] |= C0 | C2 | C3;
        }
        if matches!(what, 7 | 8) {
            cpu.area[FSW] &= !C2;
        }
        return 0;
    }
    let image = get(cpu, 0);
    let mut e = env(cpu);
    let (n, denormal) = split(F80, image);
    let r = match what {
        0 => image ^ 1 << 79,
        1 => image & !(1 << 79),
        2 => return test(cpu, n, denormal),
        4 => guarded(&mut e, n, denormal, |e, n| e.sqrt(F80, n)),
        5 => {
            e.precision = 0;
            guarded(&mut e, n, denormal, |e, n| e.round_integral(F80, n, true))
        }
        6 => scale(cpu, &mut e, n, denormal),
        7 | 8 => match remainder(cpu, &mut e, what == 8) {
            Some(r) => r,
            None => return 0,
        },
        _ => return extract(cpu, n, denormal, image),
    };
    let c1 = !matches!(what, 7 | 8) && e.up && e.raised & ex::P != 0;
    let kept = if matches!(what, 7 | 8) { cpu.area[FSW] & C1 != 0 } else { c1 };
    if note(cpu, e.raised, kept) {
        set(cpu, 0, r);
    }
    0
}

fn guarded(e: &mut Env, n: Num, denormal: bool, op: impl FnOnce(&mut Env, Num) -> u128) -> u128 {
    two(e, (n, denormal), (Num::Zero(false), false), |e, n, _| op(e, n))
}

fn test(cpu: &mut Cpu, n: Num, denormal: bool) -> u64 {
    let mut e = env(cpu);
    let order = e.compare(n, Num::Zero(false), true);
    if denormal {
        e.raise(ex::D);
    }
    note(cpu, e.raised, false);
    let c = match order {
        Some(Ordering::Greater) => 0,
        Some(Ordering::Less) => C0,
        Some(Ordering::Equal) => C3,
        None => C0 | C2 | C3,
    };
    cpu.area[FSW] = cpu.area[FSW] & !(C0 | C2 | C3) | c;
    0
}

/// FXAM.
fn examine(cpu: &mut Cpu) {
    let image = get(cpu, 0);
    let (n, denormal) = split(F80, image);
    let class = match n {
        _ if empty(cpu, 0) => C3 | C0,
        Num::Unsupported => 0,
        Num::Nan(..) => C0,
        Num::Inf(_) => C2 | C0,
        Num::Zero(_) => C3,
        Num::Finite(..) if denormal => C3 | C2,
        Num::Finite(..) => C2,
    };
    let sign = if image >> 79 & 1 != 0 { C1 } else { 0 };
    cpu.area[FSW] = cpu.area[FSW] & !(C0 | C1 | C2 | C3) | class | sign;
}

/// FSCALE.
fn scale(cpu: &Cpu, e: &mut Env, n: Num, denormal: bool) -> u128 {
    let b = split(F80, get(cpu, 1));
    two(e, (n, denormal), b, |e, a, b| match (a, b) {
        (Num::Inf(_), Num::Inf(true)) | (Num::Zero(_), Num::Inf(false)) => e.invalid(F80),
        (Num::Inf(s), _) => F80.infinity(s),
        (Num::Zero(s), _) => F80.zero(s),
        (a, Num::Inf(down)) => {
            if down {
                F80.zero(a.sign())
            } else {
                F80.infinity(a.sign())
            }
        }
        (Num::Finite(s, x, m), b) => {
            let by = match b {
                Num::Finite(neg, y, k) if y >= 0 => {
                    let whole = if y >= 17 { 1 << 17 } else { (k >> (63 - y)) as i32 };
                    if neg {
                        -whole
                    } else {
                        whole
                    }
                }
                _ => 0,
            };
            e.precision = 0;
            e.round(F80, s, x + by, (m as u128) << 64)
        }
        _ => F80.default_nan(),
    })
}

/// FPREM, FPREM1: `None` if exceptions keep it from being done. The condition bits are set.
fn remainder(cpu: &mut Cpu, e: &mut Env, nearest: bool) -> Option<u128> {
    let (a, b) = (split(F80, get(cpu, 0)), split(F80, get(cpu, 1)));
    // The condition bits, if there is a quotient.
    let mut c = None;
    e.precision = 0;
    let r = two(e, a, b, |e, a, b| match (a, b) {
        (Num::Inf(_), _) | (_, Num::Zero(_)) => e.invalid(F80),
        (Num::Zero(s), _) => {
            c = Some(0);
            F80.zero(s)
        }
        (a, Num::Inf(_)) => {
            c = Some(0);
            // As it is: a denormal is no underflow.
            let masked = std::mem::replace(&mut e.masked, 0x3f);
            let r = e.pack(F80, a);
            e.masked = masked;
            r
        }
        (Num::Finite(s, x, m), Num::Finite(_, y, d)) => {
            let gap = x - y;
            if gap >= 64 {
                // Part of the way: by a number between 32 and 63 that leaves the gap a multiple of 32 less.
                let n = 32 + gap % 32;
                let (_, r) = divide(m, d, n);
                c = Some(C2);
                return if r == 0 { F80.zero(s) } else { pack(e, s, x - n, r) };
            }
            let (mut q, mut r, mut at) = if gap < 0 {
                (0u128, m as u128, x)
            } else {
                let (q, r) = divide(m, d, gap);
                (q, r as u128, y)
            };
            let mut sign = s;
            if nearest && gap >= -1 {
                // Twice the remainder against the divisor.
                let (twice, whole) = if gap == -1 { (r, d as u128) } else { (2 * r, d as u128) };
                if twice > whole || (twice == whole && q & 1 != 0) {
                    q += 1;
                    r = if gap == -1 { 2 * whole - r } else { whole - r };
                    sign = !sign;
                    if gap == -1 {
                        at = x;
                    }
                }
            }
            c = Some((q as u64 & 4) << 6 | (q as u64 & 2) << 13 | (q as u64 & 1) << 9);
            if r == 0 {
                F80.zero(s)
            } else {
                let up = (r as u64).leading_zeros();
                if r >> 64 != 0 {
                    return pack(e, sign, at + 1, (r >> 1) as u64);
                }
                pack(e, sign, at - up as i32, (r as u64) << up)
            }
        }
        _ => F80.default_nan(),
    });
    match c {
        Some(c) if e.raised & ex::D & !e.masked == 0 => cpu.area[FSW] = cpu.area[FSW] & !(C0 | C1 | C2 | C3) | c,
        _ => cpu.area[FSW] &= !(C1 | C2),
    }
    Some(r)
}

fn pack(e: &mut Env, s: bool, x: i32, m: u64) -> u128 {
    let up = m.leading_zeros();
    e.round(F80, s, x - up as i32, ((m << up) as u128) << 64)
}

/// m * 2^n divided by d: quotient (its low bits) and remainder.
fn divide(m: u64, d: u64, n: i32) -> (u128, u64) {
    let (mut q, mut r) = ((m >= d) as u128, if m >= d { m - d } else { m } as u128);
    for _ in 0..n {
        r <<= 1;
        q <<= 1;
        if r >= d as u128 {
            r -= d as u128;
            q |= 1;
        }
    }
    (q, r as u64)
}

/// FXTRACT: the exponent in place of ST(0), then the significand is pushed.
fn extract(cpu: &mut Cpu, n: Num, denormal: bool, image: u128) -> u64 {
    let mut e = env(cpu);
    if !empty(cpu, 7) {
        if stack_fault(cpu, true) {
            set(cpu, 0, INDEFINITE);
            move_top(cpu, 7);
            set(cpu, 0, INDEFINITE);
        }
        return 0;
    }
    e.precision = 0;
    let mut significand = image;
    let exponent = guarded(&mut e, n, denormal, |e, n| match n {
        Num::Zero(_) => {
            e.raise(ex::Z);
            F80.infinity(true)
        }
        Num::Inf(_) => F80.infinity(false),
        Num::Finite(s, x, m) => {
            significand = ((s as u128) << 15 | 0x3fff) << 64 | m as u128;
            e.from_int(F80, x as i64)
        }
        _ => F80.default_nan(),
    });
    if n.is_nan() {
        significand = exponent;
    }
    if note(cpu, e.raised, false) {
        set(cpu, 0, exponent);
        move_top(cpu, 7);
        set(cpu, 0, significand);
    }
    0
}

/// The stack and the control: 0 FINCSTP, 1 FDECSTP, 2 FFREE, 3 FXCH, 4 FST to a register, 5 FSTP to a register, 6 FLDCW, 7 FNINIT, 8 FNCLEX, 9 move if
/// the first bit of `v`, 10 FFREEP, 11 FSTPNCE. `how`: what, and the register from bit 8 on.
pub extern "C" fn control(cpu: &mut Cpu, how: u64, v: u64) -> u64 {
    let i = how >> 8 & 7;
    match how & 15 {
        0 | 1 => {
            cpu.area[FSW] &= !C1;
            move_top(cpu, if how & 15 == 0 { 1 } else { 7 });
        }
        2 | 10 => {
            cpu.area[FSW] &= !C1;
            cpu.area[FTW] &= !(1 << physical(cpu, i));
            if how & 15 == 10 {
                pop(cpu);
            }
        }
        3 => {
            if empty(cpu, 0) || empty(cpu, i) {
                if !stack_fault(cpu, false) {
                    return 0;
                }
                for n in [0, i] {
                    if empty(cpu, n) {
                        set(cpu, n, INDEFINITE);
                    }
                }
            } else {
                cpu.area[FSW] &= !C1;
            }
            let (a, b) = (get(cpu, 0), get(cpu, i));
            set(cpu, 0, b);
            set(cpu, i, a);
        }
        4 | 5 | 11 => {
            if how & 15 == 11 && empty(cpu, 0) {
                cpu.area[FSW] &= !C1;
                pop(cpu);
                return 0;
            }
            let a = if empty(cpu, 0) {
                if !stack_fault(cpu, false) {
                    return 0;
                }
                INDEFINITE
            } else {
                cpu.area[FSW] &= !C1;
                get(cpu, 0)
            };
            set(cpu, i, a);
            if how & 15 != 4 {
                pop(cpu);
            }
        }
        6 => {
            cpu.area[FCW] = v & 0x1f7f | 0x40;
            summarize(cpu);
        }
        7 => {
            cpu.area[FCW] = super::state::FCW_INIT;
            (cpu.area[FSW], cpu.area[FTW]) = (0, 0);
            (cpu.area[FOP], cpu.area[FIP], cpu.area[FDP]) = (0, 0, 0);
        }
        8 => cpu.area[FSW] &= !0x80ff,
        _ => {
            if empty(cpu, 0) || empty(cpu, i) {
                // Whether or not the condition holds.
                if stack_fault(cpu, false) {
                    set(cpu, 0, INDEFINITE);
                }
            } else if v & 1 != 0 {
                let b = get(cpu, i);
                set(cpu, 0, b);
            }
        }
    }
    0
}

/// The tag word of FSTENV: two bits for each physical register.
fn full_tags(cpu: &Cpu) -> u64 {
    (0..8).fold(0, |t, p| {
        let image = cpu.area[X87 + 2 * p] as u128 | (cpu.area[X87 + 2 * p + 1] as u128) << 64;
        let tag = if cpu.area[FTW] >> p & 1 == 0 {
            3
        } else {
            match split(F80, image) {
                (Num::Zero(_), _) => 1,
                (Num::Finite(..), false) => 0,
                _ => 2,
            }
        };
        t | tag << (2 * p)
    })
}

/// Words of memory images in `TEMP`: 0 FSTENV (FTW full in `TEMP`), 1 the registers in stack order from `TEMP + 3` on with the words before them as
/// FXSAVE has them, 2 the inverse, 3 FTW from the full tags in `v`, 4 initial state, 5 only the registers of 2.
pub extern "C" fn image(cpu: &mut Cpu, what: u64, v: u64) -> u64 {
    match what {
        0 => cpu.area[TEMP] = full_tags(cpu),
        1 => {
            cpu.area[TEMP] = cpu.area[FCW] | (cpu.area[FSW] & 0xffff) << 16 | cpu.area[FTW] << 32 | cpu.area[FOP] << 48;
            cpu.area[TEMP + 1] = cpu.area[FIP];
            cpu.area[TEMP + 2] = cpu.area[FDP];
            for i in 0..8 {
                let r = get(cpu, i);
                cpu.area[TEMP + 3 + 2 * i as usize] = r as u64;
                cpu.area[TEMP + 4 + 2 * i as usize] = (r >> 64) as u64;
            }
        }
        2 => {
            let w = cpu.area[TEMP];
            cpu.area[FCW] = w & 0x1f7f | 0x40;
            cpu.area[FSW] = w >> 16 & 0xffff;
            cpu.area[FOP] = w >> 48 & 0x7ff;
            (cpu.area[FIP], cpu.area[FDP]) = (cpu.area[TEMP + 1], cpu.area[TEMP + 2]);
            image(cpu, 5, 0);
            cpu.area[FTW] = w >> 32 & 0xff;
            summarize(cpu);
        }
        5 => {
            for i in 0..8u64 {
                let p = X87 + 2 * physical(cpu, i);
                cpu.area[p] = cpu.area[TEMP + 3 + 2 * i as usize];
                cpu.area[p + 1] = cpu.area[TEMP + 4 + 2 * i as usize] & 0xffff;
            }
        }
        3 => cpu.area[FTW] = (0..8).fold(0, |t, p| t | ((v >> (2 * p) & 3 != 3) as u64) << p),
        _ => {
            control(cpu, 7, 0);
            cpu.area[X87..X87 + 16].fill(0);
        }
    }
    0
}
