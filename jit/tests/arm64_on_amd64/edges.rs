//! Operands that random numbers seldom are.

use super::guest::*;
use super::run::*;
use jit::cpu::*;
use jit::guest::arm64::decode::ROWS;
use jit::host::amd64::helpers::fpctl;

/// Instructions from v1 to v0, and the bits of their lanes.
const WORDS: [(u32, u32); 5] = [(0x5ea1_d820, 32), (0x5ee1_d820, 64), (0x4ea1_d820, 32), (0x0ea1_d820, 32), (0x4ee1_d820, 64)];
/// From FRECPE to FRSQRTE.
const ROOT: u32 = 0x2000_0000;

/// Operands: every leading fraction with exponents at the ends and in the middle.
fn operands(bits: u32, r: &mut Rng) -> Vec<u64> {
    let (fraction, bias) = if bits == 32 { (23, 127u64) } else { (52, 1023) };
    let exponents = [0, 1, bias, bias + 1, 2 * bias - 2, 2 * bias - 1, 2 * bias];
    let mut all = vec![];
    for exp in exponents {
        for lead in 0..256u64 {
            let low = [0, u64::MAX, r.next()][r.below(3)] & ((1 << (fraction - 8)) - 1);
            all.push(exp << fraction | lead << (fraction - 8) | low);
        }
    }
    all
}

/// FRECPE and FRSQRTE of every number that they tell apart: translated code starts from the host's own estimates, which are each processor's affair.
#[test]
fn estimates() {
    catch_faults();
    let mut buf = aligned();
    let r = &mut Rng(11);
    for f in feature_sets() {
        let mut m = Machine::new(f);
        for (word, bits) in WORDS {
            for op in [0, ROOT] {
                for lanes in operands(bits, r).chunks(128 / bits as usize) {
                    let mut start = Cpu::new();
                    start.guest_fpctl = fpctl(0);
                    start.vec[1] = lanes.iter().rev().fold(0, |v, &lane| v << (bits % 128) | lane as u128);
                    if op == 0 && r.below(2) == 0 {
                        start.vec[1] |= 1 << (bits - 1);
                    }
                    assert!(trial_from(&mut m, vec![word | op], start, 0, &mut buf.0));
                }
            }
        }
    }
}

/// Conversions to integers and roundings to integers' widths, around the ends of these.
#[test]
fn limits_of_integers() {
    let near = |n: i32| {
        let limit = 2f64.powi(n);
        [limit, limit - 0.5, limit + 0.5, limit - 1.0, limit + 1.0, limit * (1.0 - f64::EPSILON), limit * (1.0 + f64::EPSILON)]
    };
    let some = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 1e300, 5e-324, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN];
    let mut numbers: Vec<f64> = [31, 32, 33, 40, 51, 52, 53, 62, 63, 64].into_iter().flat_map(near).chain(some).collect();
    numbers.extend(numbers.clone().into_iter().map(|x| -x));
    let rows =
        ROWS.iter().filter(|r| r.name.starts_with("FJCVTZS") || r.name.starts_with("FRINT32") || r.name.starts_with("FRINT64"));
    // From v1 to v0, in all sizes; and FCVTZS and FCVTZU, from there to w0 and x0.
    let mut words: Vec<u32> =
        rows.flat_map(|r| [0u32, 1 << 22, 1 << 30, 1 << 22 | 1 << 30].map(|f| r.value | f & !r.mask | 1 << 5)).collect();
    words.extend((0..8).map(|n: u32| 0x1e38_0020 | (n & 1) << 16 | (n >> 1 & 1) << 22 | n >> 2 << 31));
    catch_faults();
    let mut buf = aligned();
    let r = &mut Rng(12);
    for f in feature_sets() {
        let mut m = Machine::new(f);
        for &word in &words {
            for &x in &numbers {
                let other = numbers[r.below(numbers.len())];
                let singles = [x, other, other, x].iter().fold(0, |v, x| v << 32 | (*x as f32).to_bits() as u128);
                for lanes in [x.to_bits() as u128 | (other.to_bits() as u128) << 64, singles] {
                    let mut start = Cpu::new();
                    start.guest_fpctl = fpctl(0);
                    start.vec[1] = lanes;
                    let mut again = Cpu::new();
                    (again.guest_fpctl, again.vec[1]) = (start.guest_fpctl, lanes);
                    assert!(trial_from(&mut m, vec![word], start, 15, &mut buf.0));
                    assert!(trial_learned(&mut m, word, again, 15, &mut buf.0));
                }
            }
        }
    }
}
