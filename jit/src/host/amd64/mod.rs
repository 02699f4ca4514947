//! The amd64 host: x86-64-v2 and what CPUID offers beyond.
//!
//! | registers | use |
//! |---|---|
//! | rsp | the return stack (see [`stubs`]), 16-byte aligned |
//! | rbp | [`Cpu`](crate::cpu::Cpu) + `Cpu::BIAS` |
//! | rax | the emitter's scratch: flags, constants, cmpxchg, mul, div |
//! | rcx, rdx, r11 | temporaries |
//! | the other ten | guest registers ([`regs::PIN_GPRS`]) |
//! | xmm0–xmm10 | guest vector registers |
//! | xmm11–xmm14 | temporaries |
//! | xmm15 | the emitter's scratch |
//!
//! With AVX-512 xmm0–xmm9 and xmm16–xmm31 are guest vector registers, xmm10–xmm13 temporaries, and xmm14 is for instructions that don't know
//! registers from 16 up: see [`evex`].
//!
//! Guest registers without a pin live in their `Cpu` slots and are used as memory operands.
//! MXCSR runs with Invalid unmasked: what could give a NaN that x86 and Arm choose differently traps (SIGFPE) and is redone by the
//! exact software path; see `vec_fp`.
//!
//! Code must be placed at a multiple of 16.

pub mod asm;
mod bits;
mod cond;
pub mod emit;
pub mod evex;
mod exits;
mod features;
pub mod flags;
pub mod helpers;
mod int;
mod mem;
mod multiply;
#[cfg(target_arch = "x86_64")]
pub mod native;
pub mod regs;
pub mod stubs;
mod vec;
mod vec_arith;
mod vec_crypto;
mod vec_crypto_ext;
mod vec_cvt;
mod vec_dot;
mod vec_estimate;
mod vec_fp;
mod vec_half;
mod vec_sat;
mod vec_shift;
mod vec_sm3;

pub use features::Features;

use crate::host::{cut, Backend, Emitted, Pins};
use crate::ir::{Block, GuestReg};
use crate::regalloc::Alloc;

/// The host registers at a synchronous signal, in the order of the processor's numbering (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15).
#[derive(Clone, Copy, Debug)]
pub struct HostContext {
    /// General registers.
    pub gpr: [u64; 16],
    /// Vector registers.
    pub vec: [u128; 32],
    /// Program counter.
    pub pc: u64,
    /// Condition flags register.
    pub flags: u64,
    /// FP control and status.
    pub fpctl: u32,
}

/// The back end for one guest.
#[derive(Debug)]
pub struct Amd64 {
    pins: Pins,
    features: Features,
    asm: asm::Asm,
    ra: Alloc,
    ool: Vec<emit::Ool>,
    count_misses: bool,
}

impl Amd64 {
    /// For a guest's heat lists.
    pub fn new(hot_gprs: &[GuestReg], hot_vecs: &[GuestReg], features: Features) -> Amd64 {
        let pins = regs::make_pins(hot_gprs, hot_vecs, &features);
        let ra = Alloc::new(regs::target(&pins, &features));
        Amd64 { pins, features, asm: asm::Asm::default(), ra, ool: Vec::new(), count_misses: false }
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
        stubs::emit_stubs(&self.pins, &self.features, self.count_misses, out)
    }

    fn try_emit(&mut self, block: &mut Block, out: &mut Emitted) -> bool {
        out.clear();
        self.ra.begin(block);
        self.ool.clear();
        self.asm.begin(std::mem::take(&mut out.code), self.features.avx);
        emit::Emitter::new(&mut self.asm, &mut self.ra, block, &self.features, out, &mut self.ool).run();
        out.code = std::mem::take(&mut self.asm.code);
        !self.ra.overflow
    }
}

impl Backend for Amd64 {
    fn emit(&mut self, block: &mut Block, out: &mut Emitted) {
        // A block with too many live values is cut in half; a single instruction never has that many.
        while !self.try_emit(block, out) {
            if !cut(block) {
                break;
            }
        }
    }
    fn pins(&self) -> &Pins {
        &self.pins
    }
}
