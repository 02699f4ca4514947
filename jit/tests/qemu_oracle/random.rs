//! Random numbers and operands: corners are common.

use crate::case::{State, FPCR_BITS, FPSR_BITS, WINDOW};
use crate::fp_values::fp_value;

pub struct Random(pub u64);

/// A zero, infinity, quiet or signalling NaN or one, of either sign.
fn special(kind: u64, random: u64, bits: u32) -> u64 {
    let fraction = [10, 23, 52][bits.ilog2() as usize - 4];
    let sign = random & 1 << (bits - 1);
    let exponents = (1u64 << (bits - 1)) - (1 << fraction);
    let payload = random & ((1 << (fraction - 1)) - 1);
    sign | match kind {
        0 => 0,
        1 => exponents,
        2 => exponents | 1 << (fraction - 1) | payload,
        3 => exponents | payload | 1,
        _ => exponents >> 1 & exponents,
    }
}

impl Random {
    pub fn next(&mut self) -> u64 {
        let mut word = || {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
        };
        word() << 32 | word()
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn int(&mut self) -> u64 {
        const EDGES: &[u64] = &[
            0,
            1,
            2,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 32,
            u64::MAX,
            1 << 63,
            u64::MAX >> 1,
        ];
        match self.below(8) {
            0..=2 => self.pick(EDGES),
            3 => self.below(256),
            4 => self.below(256).wrapping_neg(),
            // Ties and near-ties when converted to floating point.
            5 => (self.next() >> 39 | 1) << self.below(40),
            _ => self.next(),
        }
    }

    /// A vector of lanes of number `size`: random bits, integers at the ends of their ranges, or floating-point values where the corners are common.
    fn vector(&mut self, size: u64) -> u128 {
        let size = if self.chance(10) { self.below(4) } else { size };
        let bits = 8u32 << size;
        let lanes = 128 / bits;
        let style = self.below(9);
        let fp = size > 0 && style > 2;
        (0..lanes).fold(0, |v, _| {
            let lane = match style {
                // Of the few values that meet in rules of their own: infinity and zero, two NaNs.
                8 if fp => {
                    let picks = [0, 1, 2, 3, 8];
                    special(self.pick(&picks), self.next(), bits)
                }
                _ if fp && !self.chance(10) => fp_value(&mut || self.next(), size as u32),
                0 | 1 => self.next(),
                // Around zero and the ends of the lane.
                _ => self.pick(&[0, 1 << (bits - 1), 1 << (bits / 2), u64::MAX]).wrapping_add(self.below(5)).wrapping_sub(2),
            };
            v << (bits % 128) | (lane & (u64::MAX >> (64 - bits))) as u128
        })
    }

    /// A vector of lanes at the very ends of their range, so that those of two operands meet, too.
    fn extremes(&mut self, size: u64) -> u128 {
        let bits = 8u32 << size;
        (0..128 / bits).fold(0, |v, _| {
            let least = 1u64 << (bits - 1);
            let lane = self.pick(&[least, least, least - 1, u64::MAX, 0]);
            v << (bits % 128) | (lane & (u64::MAX >> (64 - bits))) as u128
        })
    }

    /// Registers at the start of a case.
    pub fn state(&mut self, pc: u64) -> State {
        let mut s = State { pc, sp: WINDOW + 16 * self.below(24), nzcv: self.below(16), ..State::default() };
        s.x = std::array::from_fn(|_| self.int());
        let size = self.below(4);
        let extremes = self.chance(12);
        s.v = std::array::from_fn(|_| if extremes { self.extremes(size) } else { self.vector(size) });
        // Equal and opposite operands.
        if self.chance(25) {
            let flip = self.pick(&[
                0,
                1 << 63 | 1 << 127,
                0x8000_0000_8000_0000_8000_0000_8000_0000,
                0x8000_8000_8000_8000_8000_8000_8000_8000,
            ]);
            let from = s.v[self.below(32) as usize] ^ flip;
            (0..self.below(8)).for_each(|_| s.v[self.below(32) as usize] = from);
        }
        s.fpcr = match self.below(4) {
            0 => self.next() as u32 & FPCR_BITS,
            // Only the rounding mode: what the host's FPU can do.
            1 => self.next() as u32 & 3 << 22,
            _ => 0,
        };
        if self.chance(20) {
            s.fpsr = self.next() as u32 & FPSR_BITS;
        }
        s
    }
}
