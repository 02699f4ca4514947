//! What tests of engine and hosts share: random numbers, and code without memory.

use jit::ir::interp::{MemFault, Memory};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub fn pick<T: Copy>(&mut self, s: &[T]) -> T {
        s[self.below(s.len())]
    }
    /// A number with a liking for corners.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => (1 << self.below(64)) - 1,
            4 => self.below(16) as u64,
            5 => self.next() as i32 as u64,
            6 => self.next() as u32 as u64,
            _ => self.next(),
        }
    }
}

/// No memory.
pub struct Nothing;

impl Memory for Nothing {
    fn load(&mut self, addr: u64, _: u8) -> Result<u128, MemFault> {
        Err(MemFault { addr, write: false })
    }
    fn store(&mut self, addr: u64, _: u8, _: u128) -> Result<(), MemFault> {
        Err(MemFault { addr, write: true })
    }
    fn cas(&mut self, addr: u64, _: u8, _: u128, _: u128) -> Result<u128, MemFault> {
        Err(MemFault { addr, write: true })
    }
}
