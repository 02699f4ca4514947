//! Floating point against QEMU: random encodings of every row of `a64_fp.decode` on special and random operands under every setting
//! of FPCR, and random words of the whole FP and Advanced SIMD encoding space, most of them unallocated.
//! `FP_CASES` is the number of cases (default 100,000), `FP_SEED` the first random number, `FP_ROW` the start of a row's name.

mod common;

use common::{Oracle, Rng, State};
use jit::guest::arm64::decode::{Row, ROWS};
use std::collections::HashSet;

const TABLE: &str =
    concat!(include_str!("../src/guest/arm64/a64_fp.decode"), "\n", include_str!("../src/guest/arm64/a64_half.decode"));
/// Cases at a time, to bound the memory of long runs.
const SLICE: u64 = 40_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

fn rows() -> Vec<&'static Row> {
    let only = std::env::var("FP_ROW").unwrap_or_default();
    let names: HashSet<&str> =
        TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_whitespace().next()).collect();
    ROWS.iter().filter(|r| names.contains(r.name) && r.name.starts_with(&only)).collect()
}

/// Exponent and fraction bits by log2 of the element size.
fn format(log2: u32) -> (u32, u32) {
    [(5, 10), (8, 23), (11, 52)][log2 as usize - 1]
}

/// A value of the format: special, random, or of few significant bits and moderate exponent (exact results, ties, cancellation).
fn fp_value(r: &mut Rng, log2: u32) -> u64 {
    let (eb, fb) = format(log2);
    let (emax, bias) = ((1u64 << eb) - 1, (1u64 << (eb - 1)) - 1);
    let sign = r.next() >> 63 << (eb + fb);
    let frac = r.next() & ((1 << fb) - 1);
    let sparse = {
        let keep = r.below(fb as u64 + 1) as u32;
        frac >> (fb - keep.min(fb)) << (fb - keep.min(fb))
    };
    let pack = |e: u64, f: u64| sign | e << fb | f;
    let ones = (1 << fb) - 1;
    // A quarter of all values from the special ones.
    let kinds = if r.below(4) == 0 { 9 } else { 24 };
    match r.below(kinds) {
        0 => pack(0, 0),
        1 => pack(emax, 0),
        2 => pack(emax, 1 << (fb - 1) | frac),
        3 => pack(emax, (frac & (ones >> 1)).max(1)),
        4 => pack(0, frac),
        5 => pack(0, [1, ones, 1 << (fb - 1), 3 << (fb - 2)][r.below(4) as usize]),
        6 => pack(emax - 1, ones - r.below(2)),
        7 => pack(1, r.below(2)),
        8 => pack(bias, 0),
        // Near the limits of 32- and 64-bit integers, and halves around small ones.
        9 => pack(
            (bias + [30, 31, 32, 62, 63, 64][r.below(6) as usize]).min(emax - 1),
            [0, 1, ones, ones - 1, frac][r.below(5) as usize],
        ),
        10 => pack(bias - 1 + r.below(fb as u64 + 3).min(emax - bias), sparse),
        11 => pack(bias - 2 + r.below(4), [0, 1, ones, 1 << (fb - 1)][r.below(4) as usize]),
        12 => pack(1 + r.below(3), frac),
        13 => pack(emax - 1 - r.below(3), frac),
        14..=16 => pack(bias - 8 + r.below(16), sparse),
        17 | 18 => pack(bias - 2 + r.below(4), frac),
        // Around the exponents where narrower formats overflow or go denormal.
        19 if log2 == 3 => pack(bias - 127 - 26 + r.below(32), frac),
        20 if log2 == 3 => pack(bias + 126 + r.below(3), [ones, frac, sparse][r.below(3) as usize]),
        19 if log2 == 2 => pack(bias - 15 - 12 + r.below(16), sparse),
        20 if log2 == 2 => pack(bias + 14 + r.below(3), [ones, ones << 13 & ones, frac, sparse][r.below(4) as usize]),
        21 => pack(r.below(emax + 1), sparse),
        _ => pack(r.below(emax + 1), frac),
    }
}

/// A register of values of one format, now and then of random bits.
fn vector(r: &mut Rng) -> u128 {
    let log2 = r.pick(&[1, 2, 2, 2, 3, 3, 3, 3]);
    match r.below(12) {
        0 => (r.next() as u128) << 64 | r.next() as u128,
        _ => (0..16 >> log2).fold(0, |v, n| v | (fp_value(r, log2) as u128) << (n * (8 << log2))),
    }
}

fn integer(r: &mut Rng) -> u64 {
    let v = r.next();
    match r.below(6) {
        0 => r.pick(&[0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xffff_ffff]),
        1 => v >> r.below(64),
        2 => ((v as i64) >> r.below(64)) as u64,
        3 => (v >> 40) << r.below(64),
        // Ties when converted.
        4 => (v >> 39 | 1) << r.below(40),
        _ => v,
    }
}

fn state(r: &mut Rng) -> State {
    const OPTIONS: [u32; 4] = [1 << 19, 1 << 24, 1 << 25, 1 << 26];
    let mut s = State {
        nzcv: (r.next() as u32) & 0xf000_0000,
        fpcr: OPTIONS.iter().fold((r.below(4) as u32) << 22, |v, &bit| if r.one_in(3) { v | bit } else { v }),
        fpsr: if r.one_in(4) { r.next() as u32 & 0x0800_009f } else { 0 },
        x: std::array::from_fn(|_| integer(r)),
        v: std::array::from_fn(|_| vector(r)),
    };
    // Equal and opposite operands.
    if r.one_in(4) {
        let flip = r.pick(&[0, 1 << 63 | 1 << 127, 0x8000_0000_8000_0000_8000_0000_8000_0000]);
        s.v[r.below(32) as usize] = s.v[r.below(32) as usize] ^ flip;
    }
    s
}

/// Compare `cases` words; returns how many of them QEMU executed.
fn check(oracle: Option<Oracle>, cases: u64, mut word: impl FnMut(&mut Rng, u64) -> u32) -> u64 {
    let Some(oracle) = oracle else { return cases };
    let mut rng = Rng(setting("FP_SEED", 1));
    let (mut defined, mut failures) = (0, Vec::new());
    for start in (0..cases).step_by(SLICE as usize) {
        let slice: Vec<(u32, State)> = (start..cases.min(start + SLICE)).map(|n| (word(&mut rng, n), state(&mut rng))).collect();
        for ((insn, before), after) in slice.iter().zip(oracle.run(&slice)) {
            defined += after.is_ok() as u64;
            failures.extend(oracle.compare(*insn, before, &after).err().map(|d| format!("fpcr {:08x} {d}", before.fpcr)));
        }
    }
    let shown: String = failures.iter().take(20).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} differences\n{shown}", failures.len());
    defined
}

#[test]
fn every_row_agrees_with_qemu() {
    let oracle = Oracle::new("fp");
    let mut rows = rows();
    // Before version 10, QEMU writes 32 bits of these halves.
    if oracle.as_ref().is_some_and(|o| o.version < 10) {
        rows.retain(|r| !["FCVTZS_fix_sh", "FCVTZU_fix_sh"].contains(&r.name));
    }
    let cases = setting("FP_CASES", 100_000);
    let defined = check(oracle, cases, |rng, n| rng.insn(rows[n as usize % rows.len()]));
    assert!(defined > cases * 3 / 4, "most encodings of the rows are allocated, but only {defined} of {cases} ran");
}

#[test]
fn whole_encoding_space_agrees_with_qemu() {
    let cases = setting("FP_CASES", 100_000);
    check(Oracle::old("fp-space"), cases, |rng, _| {
        let w = rng.next() as u32;
        // Data processing, scalar FP and Advanced SIMD: op0 is x111 (bits 28..25), and bit 28 or 31 is clear for vectors.
        let w = w & !(0xf << 25) | 7 << 25;
        match rng.below(3) {
            0 => w & !(1 << 30) | 1 << 28,
            1 => w & !(1 << 31 | 1 << 28),
            _ => w & !(1 << 31) | 1 << 30 | 1 << 28,
        }
    });
}
