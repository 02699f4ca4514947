//! FRECPE and FRSQRTE of every number that they tell apart: translated code starts from the host's own estimates, which are each processor's affair.

use super::guest::*;
use super::run::*;
use jit::cpu::*;
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
