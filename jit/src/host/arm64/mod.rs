//! The arm64 host: Armv8.0 and what the CPU says it has beyond.
//!
//! | registers | use |
//! |---|---|
//! | sp | the return stack (see [`stubs`]) |
//! | x28 | [`Cpu`](crate::cpu::Cpu) |
//! | x16, x17, x30 | the emitter's scratch; x30 also the link register of calls |
//! | x8–x12 | temporaries |
//! | the other 22 | guest registers ([`regs::PIN_GPRS`]) |
//! | v12–v15, v28, v29 | temporaries |
//! | v30, v31 | the emitter's scratch |
//! | the other 24 | guest vector registers |
//! | NZCV | the guest's flags |
//! | FPCR, FPSR | the guest's rounding and modes; exceptions since the thread entered translated code |
//!
//! Guest registers without a pin live in their `Cpu` slots. Code must be placed at a multiple of 16.
//!
//! The emitter is plain code that runs on any machine; only what it makes doesn't.

pub mod asm;
mod cond;
pub mod emit;
mod exits;
pub mod features;
mod fp;
mod fp_x86;
pub mod helpers;
mod int;
mod mem;
#[cfg(target_arch = "aarch64")]
pub mod native;
pub mod regs;
pub mod stubs;
mod vec;

pub use features::Features;

use crate::host::{Backend, Emitted, Pins};
use crate::ir::{Block, GuestReg};
use crate::regalloc::Alloc;

/// The host registers at a synchronous signal.
#[derive(Clone, Copy, Debug)]
pub struct HostContext {
    /// General registers, and the stack pointer.
    pub gpr: [u64; 32],
    /// Vector registers.
    pub vec: [u128; 32],
    /// Program counter.
    pub pc: u64,
    /// PSTATE as in SPSR: NZCV in bits 31..28.
    pub flags: u64,
    /// FPSR.
    pub fpsr: u32,
    /// FPCR.
    pub fpcr: u32,
}

/// The back end for one guest.
#[derive(Debug)]
pub struct Arm64 {
    pins: Pins,
    features: Features,
    asm: asm::Asm,
    ra: Alloc,
    ool: Vec<emit::Ool>,
    count_misses: bool,
}

impl Arm64 {
    /// For a guest's heat lists.
    pub fn new(hot_gprs: &[GuestReg], hot_vecs: &[GuestReg], features: Features) -> Arm64 {
        let pins = regs::make_pins(hot_gprs, hot_vecs);
        let ra = Alloc::new(regs::target(&pins));
        Arm64 { pins, features, asm: asm::Asm::default(), ra, ool: Vec::new(), count_misses: false }
    }

    /// For tests: allocate registers at random from this seed on (0: as usual).
    pub fn disorder(&mut self, seed: u64) {
        self.ra.disorder = seed;
    }

    /// Whether stubs count in `Cpu::table_misses`.
    pub fn count_misses(&mut self, on: bool) {
        self.count_misses = on;
    }

    /// Emit the common stubs into `out`; returns their offsets by [`stubs::Stub`].
    pub fn emit_stubs(&self, out: &mut Emitted) -> [u32; stubs::STUBS] {
        stubs::emit_stubs(&self.pins, self.count_misses, out)
    }

    fn try_emit(&mut self, block: &mut Block, out: &mut Emitted) -> bool {
        out.clear();
        self.ra.begin(block);
        self.ool.clear();
        self.asm.begin(std::mem::take(&mut out.code));
        emit::Emitter::new(&mut self.asm, &mut self.ra, block, &self.features, out, &mut self.ool).run();
        out.code = std::mem::take(&mut self.asm.code);
        !self.ra.overflow && !self.asm.far
    }
}

impl Backend for Arm64 {
    fn emit(&mut self, block: &mut Block, out: &mut Emitted) {
        // A block with too many live values or too much code is cut in half; a single instruction never has that much.
        while !self.try_emit(block, out) {
            if !crate::host::cut(block) {
                break;
            }
        }
    }
    fn pins(&self) -> &Pins {
        &self.pins
    }
}
