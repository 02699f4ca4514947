//! Random numbers, in the styles that find the corners.

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
    /// A number in one of several styles.
    pub fn int(&mut self) -> u64 {
        let bits = self.pick(&[8, 16, 32, 64]);
        let edge = self.pick(&[0u64, u64::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1]);
        match self.below(5) {
            0 | 1 => self.next(),
            2 => self.below(130).wrapping_sub(2),
            3 => edge.wrapping_add(self.below(3)).wrapping_sub(1),
            _ => self.next() >> self.below(64),
        }
    }
    /// A vector of lanes in one of several styles.
    pub fn vector(&mut self) -> u128 {
        match self.below(4) {
            0 => self.next() as u128 | (self.next() as u128) << 64,
            1 => (0..2).fold(0, |v, _| v << 64 | self.double() as u128),
            2 => (0..4).fold(0, |v, _| v << 32 | self.single() as u128),
            _ => {
                let bits = 8u32 << self.below(4);
                (0..128 / bits).fold(0, |v, n| v | ((self.int() & (u64::MAX >> (64 - bits))) as u128) << (n * bits))
            }
        }
    }
    /// A double: special, ordinary, or any.
    pub fn double(&mut self) -> u64 {
        const SPECIAL: [u64; 16] = [
            0,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x3fef_ffff_ffff_ffff,
            0x4330_0000_0000_0000,
            0x43e0_0000_0000_0000,
            0x41e0_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ffc_1234_5678_9abc,
            0x7ff4_0000_dead_beef,
            0x3fe0_0000_0000_0000,
        ];
        let sign = self.next() & 1 << 63;
        match self.below(4) {
            0 => self.next(),
            1 => sign | self.pick(&SPECIAL),
            2 => sign | (1023 + self.below(80) - 40) << 52 | self.next() >> 12,
            _ => ((self.int() as i32) as f64 * self.pick(&[1.0, 0.5, 0.25, 1e10])).to_bits(),
        }
    }
    /// The same for singles.
    pub fn single(&mut self) -> u32 {
        const SPECIAL: [u32; 15] = [
            0,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x3f80_0000,
            0x3f7f_ffff,
            0x4b00_0000,
            0x5f00_0000,
            0x4f00_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
            0x7f80_0001,
            0x7fe1_2345,
            0x7fa0_beef,
        ];
        let sign = (self.next() as u32) & 1 << 31;
        match self.below(4) {
            0 => self.next() as u32,
            1 => sign | self.pick(&SPECIAL),
            2 => sign | (127 + self.below(40) as u32 - 20) << 23 | (self.next() as u32) >> 9,
            _ => ((self.int() as i16) as f32 * self.pick(&[1.0, 0.5, 0.25, 1e10])).to_bits(),
        }
    }
    /// An x87 number.
    pub fn extended(&mut self) -> u128 {
        let make = |se: u64, m: u64| (se as u128 & 0xffff) << 64 | m as u128;
        let sign = self.below(2) << 15;
        match self.below(6) {
            0 => make(self.next(), self.next()),
            1 => {
                let (e, m) = self.pick(&[
                    (0, 0),
                    (0, 1),
                    (0, 1 << 63),
                    (0, u64::MAX >> 1),
                    (1, 1 << 63),
                    (0x3fff, 1 << 63),
                    (0x3ffe, u64::MAX),
                    (0x7ffe, u64::MAX),
                    (0x7fff, 1 << 63),
                    (0x7fff, 3 << 62),
                    (0x7fff, 1 << 63 | 1),
                    (0x7fff, 3 << 62 | 0x1234),
                    (0x403e, 1 << 63),
                    (0x3fff, 1),
                    (0x7fff, 0),
                    (0x4000, 3 << 62),
                ]);
                make(sign | e, m)
            }
            2 => make(sign | (0x3fff + self.below(140) - 70), 1 << 63 | self.next()),
            3 => make(sign | (0x3fff + self.below(16) - 2), 1 << 63 | self.next() << self.below(64)),
            4 => make(sign | self.below(0x7fff), 1 << 63 | self.next()),
            _ => make(
                sign | (self.pick(&[0x3fff - 1022, 0x3fff + 1023, 0x3fff - 1023 - 52, 0x3fff - 126, 0x3fff + 127, 0x3fff + 63])
                    + self.below(3)
                    - 1),
                1 << 63 | self.next(),
            ),
        }
    }
    /// An x87 number between -1 and 1, mostly.
    pub fn fraction(&mut self) -> u128 {
        let down = self.pick(&[1, 2, 4, 16, 64, 80, 200]);
        let e = 0x3fff - self.below(down) as u128;
        (self.below(2) as u128) << 79 | e << 64 | 1 << 63 | (self.next() >> self.below(64) << self.below(32)) as u128
    }
}
