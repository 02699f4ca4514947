//! A case: an instruction at a fixed place, registers, and the memory that it may touch.

/// Where the instruction's page is; what isn't the instruction is INT3.
pub const CODE: u64 = 0x1000_0000;
/// Bytes there.
pub const CODE_BYTES: usize = 4096;
/// Where memory operands lie, with nothing before and after.
pub const WINDOW: u64 = 0x2000_0000;
/// Bytes there.
pub const WINDOW_BYTES: usize = 8192;
/// The base of FS.
pub const FS_BASE: u64 = 0x1400_0000;
/// The base of GS.
pub const GS_BASE: u64 = 0x1800_0000;

/// The memory of a case.
pub type Memory = [u8; WINDOW_BYTES];

/// Everything that user mode sees of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub gpr: [u64; 16],
    pub pc: u64,
    pub flags: u64,
    /// The bases of FS and GS.
    pub bases: [u64; 2],
    /// Low halves of ymm0 to 15, then high halves.
    pub vec: [u128; 32],
    pub mxcsr: u32,
    pub fcw: u16,
    pub fsw: u16,
    /// A bit for each physical x87 register that isn't empty.
    pub ftw: u8,
    pub fop: u16,
    pub fip: u64,
    pub fdp: u64,
    /// Physical x87 registers.
    pub x87: [u128; 8],
}

impl Default for State {
    fn default() -> State {
        State {
            gpr: [0; 16],
            pc: CODE,
            flags: 0x202,
            bases: [FS_BASE, GS_BASE],
            vec: [0; 32],
            mxcsr: 0x1f80,
            fcw: 0x37f,
            fsw: 0,
            ftw: 0,
            fop: 0,
            fip: 0,
            fdp: 0,
            x87: [0; 8],
        }
    }
}

/// One case.
#[derive(Clone)]
pub struct Case {
    /// Its place.
    pub pc: u64,
    /// The instruction or instructions.
    pub code: Vec<u8>,
    pub state: State,
    pub memory: Box<Memory>,
    /// The page of it that can't be written.
    pub readonly: Option<u64>,
    /// Flags that are left open when it ends as usual, and at a fault.
    pub ignored: u64,
    pub ignored_at_fault: u64,
}

/// How a case ended: the signal, and what was there then. Signal 5 at the INT3 behind the instruction is the usual end.
pub type Outcome = (i32, State);
