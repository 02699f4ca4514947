//! Guest instructions that are translated with a look at those around them, in the company of their like.

use crate::guest::{aligned, trial};
use crate::run::{catch_faults, feature_sets, Machine, Rng};

/// Pinned everywhere, with AVX-512 only, and nowhere.
const REGISTERS: [u32; 8] = [0, 1, 2, 8, 15, 20, 25, 30];

fn reg(r: &mut Rng) -> u32 {
    r.pick(&REGISTERS)
}

/// Run `rounds` sequences of each feature set.
fn sweep(rounds: u64, sequence: impl Fn(&mut Rng) -> Vec<u32>) {
    catch_faults();
    let mut buf = aligned();
    let mut compared = 0;
    let sets = feature_sets();
    for (n, &f) in sets.iter().enumerate() {
        let mut m = Machine::new(f);
        for k in 0..rounds {
            let r = &mut Rng((n as u64 + 1) << 32 | (k + 1));
            let words = sequence(r);
            compared += trial(&mut m, r, words, &mut buf.0) as u64;
        }
    }
    assert!(compared > rounds * sets.len() as u64 / 2, "{compared}");
}

/// SHL and SRI, USHR and SLI: of one register by amounts that make a rotation, and of others by others.
#[test]
fn rotations() {
    let shift = |op: u32, field: u32, d: u32, n: u32| op | field << 16 | n << 5 | d;
    sweep(1500, |r| {
        let bits = 8u32 << r.below(4);
        let (n, whole, part) = (1 + r.below(bits as usize - 1) as u32, reg(r), reg(r));
        let second = if r.below(8) == 0 { reg(r) } else { whole };
        let m = if r.below(8) == 0 { r.below(bits as usize) as u32 } else { bits - n };
        // Half of them of 64 bits.
        let wide = if r.below(4) == 0 { 0 } else { 1 << 30 };
        let (left, right) = (|n| bits + n, |n| 2 * bits - n);
        let [first, insert] = match r.below(2) {
            0 => [shift(0x2f00_0400 | wide, right(n), part, whole), shift(0x2f00_5400 | wide, left(m), part, second)],
            _ => [shift(0x0f00_5400 | wide, left(n), part, whole), shift(0x2f00_4400 | wide, right(m.max(1)), part, second)],
        };
        let mut words = vec![first, insert];
        if r.below(3) == 0 {
            // eor: what was shifted alone is looked at, too.
            words.insert(1, 0x6e20_1c00 | reg(r) << 16 | part << 5 | reg(r));
        }
        if r.below(3) == 0 {
            // ldr q, [x20]: it must be in its register there.
            words.insert(1, 0x3dc0_0000 | 20 << 5 | reg(r));
        }
        words
    });
}

/// Fused multiply-adds, whose addends are looked at two at a time, with NaNs in every place; among them what sets their operands.
#[test]
fn multiply_adds() {
    sweep(3000, |r| {
        let kind = r.below(4);
        (0..3 + r.below(8))
            .map(|_| {
                let (d, n, m, a) = (reg(r), reg(r), reg(r), reg(r));
                match (r.below(8), if r.below(4) == 0 { r.below(4) } else { kind }) {
                    // mov, fadd, ldr q, [x20, #16 * n].
                    (0, _) => 0x4ea0_1c00 | n << 16 | n << 5 | d,
                    (1, _) => 0x4e60_d400 | m << 16 | n << 5 | d,
                    (2, _) => 0x3dc0_0000 | (m & 15) << 10 | 20 << 5 | d,
                    // fmla of 2d, 4s, 2s and by an element; fmadd.
                    (3..=4, 0) => 0x4fc0_1000 | (m & 15) << 16 | n << 5 | d,
                    (5, 0) => 0x4fc0_5800 | (m & 15) << 16 | n << 5 | d,
                    (_, 0) => 0x4e60_cc00 | m << 16 | n << 5 | d,
                    (_, 1) => 0x4e20_cc00 | m << 16 | n << 5 | d,
                    (_, 2) => 0x0e20_cc00 | m << 16 | n << 5 | d,
                    _ => 0x1f00_0000 | (r.below(2) as u32) << 22 | m << 16 | a << 10 | n << 5 | d,
                }
            })
            .collect()
    });
}

/// Values that lie for a while in registers which are set again: chains of simple operations on few registers.
#[test]
fn chains() {
    // add, eor, ext, rev32, zip1, cmeq, bsl, tbl of one register, shl, uxtl; orr, add, rev, ror of general registers.
    const THREE: [u32; 7] = [0x4ea0_8400, 0x6e20_1c00, 0x6e00_4000, 0x4e80_3800, 0x6ea0_8c00, 0x6e60_1c00, 0x4e00_0000];
    const TWO: [u32; 4] = [0x6e20_0800, 0x4f25_5400, 0x2f20_a400, 0x4e20_b800];
    const GENERAL: [u32; 4] = [0xaa00_0000, 0x8b00_0000, 0xcb00_0000, 0x9ac0_2c00];
    sweep(3000, |r| {
        (0..4 + r.below(12))
            .map(|_| match r.below(8) {
                0..=3 => r.pick(&THREE) | reg(r) << 16 | reg(r) << 5 | reg(r),
                4..=5 => r.pick(&TWO) | reg(r) << 5 | reg(r),
                6 => {
                    r.pick(&GENERAL)
                        | r.pick(&[0u32, 2, 9, 10, 17]) << 16
                        | r.pick(&[0u32, 2, 9, 10, 17]) << 5
                        | r.pick(&[0u32, 2, 9, 10, 17])
                }
                _ => [0xdac0_0c00, 0x5ac0_0800][r.below(2)] | r.pick(&[0u32, 2, 9, 17]) << 5 | r.pick(&[0u32, 2, 9, 17]),
            })
            .collect()
    });
}

/// Both halves of products, near each other and far, with additions of long numbers in between, and what can see a register that is set too early.
#[test]
fn products() {
    const GENERAL: [u32; 9] = [0, 1, 2, 3, 5, 9, 14, 17, 30];
    let x = |r: &mut Rng| r.pick(&GENERAL);
    sweep(4000, |r| {
        let operands: [[u32; 2]; 2] = std::array::from_fn(|_| [x(r), if r.below(8) == 0 { 20 } else { x(r) }]);
        let product = |r: &mut Rng| {
            let [n, m] = r.pick(&operands);
            let (n, m) = if r.below(3) == 0 { (m, n) } else { (n, m) };
            // mul, umulh, smulh, madd, umull.
            let madd = 0x9b00_0000 | x(r) << 10;
            let op = r.pick(&[0x9b00_7c00, 0x9b00_7c00, 0x9bc0_7c00, 0x9bc0_7c00, 0x9b40_7c00, madd, 0x9ba0_7c00]);
            op | m << 16 | n << 5
        };
        (0..4 + r.below(20))
            .map(|_| match r.below(16) {
                0..=6 => product(r) | x(r),
                // adds, adcs, adc, subs, sbcs.
                7..=12 => {
                    let op = r.pick(&[0xab00_0000, 0xba00_0000, 0xba00_0000, 0x9a00_0000, 0xeb00_0000, 0xfa00_0000]);
                    let m = if r.below(3) == 0 { 31 } else { x(r) };
                    op | m << 16 | x(r) << 5 | x(r)
                }
                // str, ldr of [x20, #8 * n]; cbz to the next instruction but one; mov.
                13 => [0xf900_0000, 0xf940_0000][r.below(2)] | (r.below(16) as u32) << 10 | 20 << 5 | x(r),
                14 => 0xb400_0040 | x(r),
                _ => 0xaa00_03e0 | x(r) << 16 | x(r),
            })
            .collect()
    });
}

/// Long multiplications by elements, which share what they extend and what they spread, among what changes it.
#[test]
fn long_products() {
    sweep(3000, |r| {
        let (n, m) = ([reg(r), reg(r)], [r.pick(&[0, 1, 2, 8, 15]), r.pick(&[0, 1, 2, 8, 15])]);
        // Of signed and unsigned, halfwords and words; half of them add or subtract.
        let kind: u32 = (r.below(2) as u32) << 29 | (1 + r.below(2) as u32) << 22;
        (0..3 + r.below(14))
            .map(|_| {
                let (n, m, d) = (r.pick(&n), r.pick(&m), reg(r));
                let lane = r.pick(&[0, 1 << 21, 1 << 11, 1 << 21 | 1 << 11]);
                match r.below(16) {
                    // mov, eor, ldr q, [x20, #16 * n].
                    0 => 0x4ea0_1c00 | n << 16 | n << 5 | d,
                    1 => 0x6e20_1c00 | m << 16 | n << 5 | d,
                    2 => 0x3dc0_0000 | (m & 15) << 10 | 20 << 5 | d,
                    // sqdmull, sqdmlal.
                    3 => 0x0f00_0000 | r.pick(&[0xb000, 0x3000]) | kind & 3 << 22 | lane | m << 16 | n << 5 | d,
                    // umull, smull of two vectors.
                    4 => 0x0e20_c000 | kind | m << 16 | n << 5 | d,
                    _ => {
                        let op = r.pick(&[0x2000, 0x2000, 0x6000, 0xa000]);
                        0x0f00_0000 | (r.below(2) as u32) << 30 | op | kind | lane | m << 16 | n << 5 | d
                    }
                }
            })
            .collect()
    });
}
