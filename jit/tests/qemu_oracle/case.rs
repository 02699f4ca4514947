//! A case: code, the state before it, the state after it.

use jit::guest::arm64::decode::{find, Row};

/// Where the cases' code is, in the runner and here. The first page belongs to the runner.
pub const CODE: u64 = 0x2000_0000;
/// The page that memory operands are in, between guards that nobody may touch. Only its edges are used.
pub const WINDOW: u64 = 0x3000_0000;
/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Bytes of a guard.
pub const GUARD: u64 = 64 << 10;
/// Bytes of an edge.
pub const EDGE: usize = 512;
/// Words of a case's code, its final BRKs included.
pub const WORDS: usize = 16;
/// Distance of cases, and where in its slot the code of a case begins.
pub const SLOT_BYTES: u64 = 96;
const SLOT_CODE: u64 = 8;
/// Cases that one run of QEMU takes.
pub const BATCH: usize = 8192;
/// Bytes from `CODE` on that no case may reach but in its own slot.
pub const CODE_BYTES: u64 = PAGE + BATCH as u64 * SLOT_BYTES;

pub const BRK: u32 = 0xd420_0000;
pub const NOP: u32 = 0xd503_201f;

/// What every CPU lets one write: more are kept by some.
pub const FPCR_BITS: u32 = 0x07c8_0000;
pub const FPSR_BITS: u32 = 0x0800_009f;

pub const SIGILL: u64 = 4;
pub const SIGTRAP: u64 = 5;
pub const SIGBUS: u64 = 7;
pub const SIGSEGV: u64 = 11;

/// The two edges of the window.
pub type Edges = [u8; 2 * EDGE];

/// Address of the first instruction of case `n` of a batch.
pub fn slot_pc(n: usize) -> u64 {
    CODE + PAGE + n as u64 * SLOT_BYTES + SLOT_CODE
}

#[derive(Clone, PartialEq, Default)]
pub struct State {
    pub x: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub nzcv: u64,
    pub fpcr: u32,
    pub fpsr: u32,
    pub v: [u128; 32],
}

impl State {
    /// Register 0..31 where 31 is the stack pointer.
    pub fn x_sp(&mut self, n: usize) -> &mut u64 {
        match n {
            31 => &mut self.sp,
            n => &mut self.x[n],
        }
    }
}

#[derive(Clone)]
pub struct Case {
    pub code: [u32; WORDS],
    /// Number of instructions before the BRKs.
    pub len: usize,
    /// The code reads itself.
    pub read: bool,
    pub state: State,
}

impl Case {
    /// The row of instruction `n`.
    pub fn row(&self, n: usize) -> Option<&'static Row> {
        self.code[..self.len].get(n).and_then(|w| find(*w))
    }

    /// The names of the instructions' rows.
    pub fn names(&self) -> String {
        let code = self.code[..self.len].iter().filter(|w| **w != NOP);
        let names: Vec<&str> = code.map(|w| find(*w).map_or("undefined", |r| r.name)).collect();
        names.join("+")
    }
}

/// What running a case came to.
#[derive(Clone, PartialEq)]
pub struct Outcome {
    /// The signal that ended it: SIGTRAP at its BRK.
    pub signal: u64,
    pub state: State,
    pub edges: Edges,
}

/// Whether the machine demands alignment: exclusives, ordered accesses, atomics.
pub fn wants_alignment(word: u32) -> bool {
    word & 0x3f00_0000 == 0x0800_0000 || word & 0x3f20_0c00 == 0x3820_0000 || word & 0x3f20_0c00 == 0x1900_0000
}
