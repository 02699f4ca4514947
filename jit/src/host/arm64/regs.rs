//! Which host registers do what, and what follows from it: pins, the allocator's target, the signal handler's view.

use super::asm::{r, Access, Addr, Asm};
use crate::cpu::{Cpu, GPR_SLOTS, VEC_SLOTS};
use crate::host::Pins;
use crate::ir::GuestReg;
use crate::regalloc::{Home, Moves, Target, INT, NONE};
use std::mem::offset_of;

/// General registers that guest registers are pinned to, in the order of the guest's heat list: first those that a C function keeps.
pub const PIN_GPRS: [u8; 22] = [19, 20, 21, 22, 23, 24, 25, 26, 27, 29, 0, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 18];
/// Vector registers that guest registers are pinned to.
pub const PIN_VECS: [u8; 24] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 8, 9, 10, 11];
/// General temporaries.
pub const TEMP_GPRS: u32 = 0b11111 << 8;
/// Vector temporaries.
const TEMP_VECS: u32 = 0b1111 << 12 | 0b11 << 28;
/// Scratch vector registers of the emitter.
pub const VS: u8 = 31;
/// The other.
pub const VS1: u8 = 30;

/// Bits of [`crate::host::Point::bits`].
pub mod point {
    /// In the code that finds the target of an indirect branch, which is in the register whose number is in the low bits: nothing has happened
    /// yet but what the return stack knows.
    pub const BRANCH: u8 = 0x20;
    /// The register.
    pub const TARGET: u8 = 0x1f;
    /// An access that the architecture wants aligned.
    pub const ALIGNED: u8 = 0x40;
}

/// Where [`crate::host::Point::flags`] says that the guest's flags are: in NZCV.
pub const IN_NZCV: u8 = 1;

/// Pins for a guest's heat lists.
pub fn make_pins(hot_gprs: &[GuestReg], hot_vecs: &[GuestReg]) -> Pins {
    Pins { gprs: hot_gprs.iter().copied().zip(PIN_GPRS).collect(), vecs: hot_vecs.iter().copied().zip(PIN_VECS).collect() }
}

/// The allocator's target for these pins.
pub fn target(pins: &Pins) -> Target {
    let mut t = Target { temps: [TEMP_GPRS, TEMP_VECS], pins: [NONE; 129], vacate: true };
    for &(g, h) in pins.gprs.iter().chain(&pins.vecs) {
        t.pins[g.0 as usize] = h;
    }
    t
}

/// For the fault handler: write the pinned registers of an interrupted context to their slots in `cpu`.
pub fn spill_from_context(pins: &Pins, cpu: &mut Cpu, gpr: &[u64], vec: &[u128; 32]) {
    for &(g, h) in &pins.gprs {
        if (g.0 as usize) < GPR_SLOTS {
            cpu.gpr[g.0 as usize] = gpr[h as usize];
        }
    }
    for &(g, h) in &pins.vecs {
        let n = g.0.wrapping_sub(64) as usize;
        if n < VEC_SLOTS {
            cpu.vec[n] = vec[h as usize];
        }
    }
}

/// Offset in the state of a [`Home`] that is there.
pub fn home_offset(h: Home) -> usize {
    match h {
        Home::Slot(g) => Cpu::offset(g),
        Home::Spill(n) => offset_of!(Cpu, spill) + 16 * n as usize,
        Home::Pool(_) | Home::None => unreachable!("not in the state"),
    }
}

impl Moves for Asm {
    fn copy(&mut self, class: usize, d: u8, s: u8) {
        if class == INT {
            self.mov(true, d, s);
        } else {
            self.vmov(d, s);
        }
    }
    fn load(&mut self, class: usize, d: u8, s: Home) {
        match s {
            Home::Pool(i) => self.vconst(d, self.pool_value(i)),
            h if class == INT => self.load_cpu(3, d, home_offset(h)),
            h => self.vload_cpu(d, home_offset(h)),
        }
    }
    fn store(&mut self, class: usize, d: Home, s: u8) {
        let access = if class == INT { Access::store(3) } else { Access::vstore(4) };
        self.mem(access, s, Addr::Disp(r::CPU, home_offset(d) as i32));
    }
    fn constant(&mut self, d: u8, c: u64, _place: bool) {
        self.mov_const(d, c);
    }
}
