//! Which host registers do what, and what follows from it: pins, the allocator's target, the signal handler's view.

use super::asm::{r, Asm, Rm};
use super::Features;
use crate::cpu::{Cpu, GPR_SLOTS, VEC_SLOTS};
use crate::host::Pins;
use crate::ir::GuestReg;
use crate::regalloc::{Home, Moves, Target, INT, NONE};

/// General registers that guest registers are pinned to, in the order of the guest's heat list.
/// rsp is the return stack, rbp the state, rax scratch, rcx, rdx and r11 temporaries.
pub const PIN_GPRS: [u8; 10] = [r::BX, r::SI, r::DI, 8, 9, 10, 12, 13, 14, 15];
/// Vector registers that guest registers are pinned to.
pub const PIN_VECS: [u8; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// The same with AVX-512: instructions on the low ones are shorter, and some have no others.
pub const PIN_VECS_32: [u8; 26] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
/// General temporaries.
const TEMP_GPRS: u32 = 1 << r::CX | 1 << r::DX | 1 << r::R11;
/// Vector temporaries.
const TEMP_VECS: u32 = 0b1111 << 11;
/// The same with AVX-512, all low: [`COPY`](super::evex::COPY) is behind them.
const TEMP_VECS_32: u32 = 0b1111 << 10;
/// Scratch vector register of the emitter.
pub const VS: u8 = 15;

/// Bits of [`crate::host::Point::bits`].
pub mod point {
    /// The guest register pinned to rbx is in its slot, not in rbx.
    pub const RBX_IN_SLOT: u8 = 1;
    /// An access of 16 bytes at `[r11]` that must be aligned, on Arm and on x86.
    pub const ALIGNED: u8 = 2;
    /// In the code that finds the target of an indirect branch, which is in rax: nothing has happened yet.
    pub const BRANCH: u8 = 4;
    /// What traps here is the look for NaNs before a fused multiply-add.
    pub const NANS: u8 = 8;
}

/// Pins for a guest's heat lists.
pub fn make_pins(hot_gprs: &[GuestReg], hot_vecs: &[GuestReg], features: &Features) -> Pins {
    let vecs: &[u8] = if features.avx512 { &PIN_VECS_32 } else { &PIN_VECS };
    Pins {
        gprs: hot_gprs.iter().copied().zip(PIN_GPRS).collect(),
        vecs: hot_vecs.iter().copied().zip(vecs.iter().copied()).collect(),
    }
}

/// The allocator's target for these pins.
pub fn target(pins: &Pins, features: &Features) -> Target {
    let vecs = if features.avx512 { TEMP_VECS_32 } else { TEMP_VECS };
    let mut t = Target { temps: [TEMP_GPRS, vecs], pins: [NONE; 129], vacate: false };
    for &(g, h) in pins.gprs.iter().chain(&pins.vecs) {
        t.pins[g.0 as usize] = h;
    }
    t
}

/// For the fault handler: write the pinned registers of an interrupted context (general registers in encoding order, rax first)
/// to their slots in `cpu`. `bits` are the [`crate::host::Point`]'s.
pub fn spill_from_context(pins: &Pins, cpu: &mut Cpu, gregs: &[u64; 16], xmm: &[u128; 32], bits: u8) {
    for &(g, h) in &pins.gprs {
        let in_slot = h == r::BX && bits & point::RBX_IN_SLOT != 0;
        if (g.0 as usize) < GPR_SLOTS && !in_slot {
            cpu.gpr[g.0 as usize] = gregs[h as usize & 15];
        }
    }
    for &(g, h) in &pins.vecs {
        let n = g.0.wrapping_sub(64) as usize;
        if n < VEC_SLOTS {
            cpu.vec[n] = xmm[h as usize & 31];
        }
    }
}

/// The place of a [`Home`].
pub fn home_addr(h: Home) -> super::asm::Addr {
    match h {
        Home::Slot(g) => super::asm::Addr::cpu(Cpu::offset(g)),
        Home::Spill(n) => super::asm::spill_addr(n),
        Home::Pool(i) => Asm::pool_addr(i),
        Home::None => unreachable!("a value without a place"),
    }
}

impl Moves for Asm {
    fn copy(&mut self, class: usize, d: u8, s: u8) {
        if class == INT {
            self.mov_rr(true, d, s);
        } else {
            self.vmov(d, s);
        }
    }
    fn load(&mut self, class: usize, d: u8, s: Home) {
        if class == INT {
            return self.mov(true, d, home_addr(s));
        }
        if let Home::Pool(i) = s {
            match self.pool_value(i) {
                0 => return self.vzero(d),
                u128::MAX => return self.vones(d),
                _ => {}
            }
        }
        self.vmov(d, Rm::M(home_addr(s)));
    }
    fn store(&mut self, class: usize, d: Home, s: u8) {
        if class == INT {
            self.store(3, home_addr(d), s);
        } else {
            self.vstore(home_addr(d), s);
        }
    }
    fn constant(&mut self, d: u8, c: u64, place: bool) {
        match place {
            true => self.mov_place(d, c),
            false => self.mov_imm(d, c),
        }
    }
}
