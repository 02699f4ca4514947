//! Random numbers and operands: corners are common.

use crate::case::{State, FPCR_BITS, FPSR_BITS, WINDOW};

pub struct Random(pub u64);

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
            _ => self.next(),
        }
    }

    /// A vector, most likely of lanes of number `size`: random bits, or floating-point values of one size where the corners are common.
    fn vector(&mut self, size: u64) -> u128 {
        const F16: &[u64] = &[0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0x7d00, 0x0001, 0x03ff, 0x0400, 0x7bff];
        const F32: &[u64] = &[
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0x7fa0_0001,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0x4b00_0001,
            0x3f00_0000,
            0xcf00_0000,
            0x4f80_0000,
        ];
        const F64: &[u64] = &[
            0,
            1 << 63,
            0x3ff0 << 48,
            0xbff0 << 48,
            0x7ff0 << 48,
            0xfff0 << 48,
            0x7ff8 << 48,
            (0x7ff4 << 48) | 1,
            1,
            (1 << 52) - 1,
            1 << 52,
            0x7fef_ffff_ffff_ffff,
            0x4330_0000_0000_0001,
            0x3fe0 << 48,
            0xc3e0 << 48,
            0x43f0 << 48,
        ];
        const F8: &[u64] = &[0, 1, 0x7f, 0x80, 0xff];
        let size = if self.chance(60) { size } else { self.below(4) };
        let (bits, corners) = [(16, F16), (32, F32), (64, F64), (8, F8)][size as usize];
        if self.chance(20) {
            return self.next() as u128 | (self.next() as u128) << 64;
        }
        let mut draws = 0;
        (0..128 / bits).fold(0, |v, n| {
            if n % 16 == 0 {
                draws = self.next();
            }
            let draw = draws >> (4 * (n % 16)) & 15;
            let lane = if draw & 7 < 3 { self.next() } else { self.pick(corners) };
            // Moderate exponents keep results in range.
            let lane = match bits {
                32 if draw & 8 != 0 => (lane & 0x807f_ffff) | (0x70 + self.below(32)) << 23,
                64 if draw & 8 != 0 => (lane & 0x800f_ffff_ffff_ffff) | (0x3f0 + self.below(64)) << 52,
                _ => lane,
            };
            v << bits | (lane & (u64::MAX >> (64 - bits))) as u128
        })
    }

    /// Registers at the start of a case.
    pub fn state(&mut self, pc: u64) -> State {
        let mut s = State { pc, sp: WINDOW + 16 * self.below(24), nzcv: self.below(16), ..State::default() };
        s.x = std::array::from_fn(|_| self.int());
        let size = self.below(4);
        s.v = std::array::from_fn(|_| self.vector(size));
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
