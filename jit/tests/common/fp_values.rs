//! Floating-point operands: corners are common.

struct Next<'a>(&'a mut dyn FnMut() -> u64);

impl Next<'_> {
    fn next(&mut self) -> u64 {
        (self.0)()
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Exponent and fraction bits by log2 of the element size.
fn format(log2: u32) -> (u32, u32) {
    [(5, 10), (8, 23), (11, 52)][log2 as usize - 1]
}

/// A value of the format: special (NaNs of both kinds, infinities, zeros, denormals of every size, the largest and smallest numbers, the limits
/// of integers), random, or of few significant bits and moderate exponent (exact results, ties, cancellation). `next` makes random words.
pub fn fp_value(next: &mut dyn FnMut() -> u64, log2: u32) -> u64 {
    let mut r = Next(next);
    let r = &mut r;
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
        // A denormal of any number of significant bits.
        4 => pack(0, frac >> r.below(fb as u64)),
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
