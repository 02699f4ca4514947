//! What `Cpu::area` holds for this guest, and the flags register as others see it.

use super::regs;
use crate::cpu::Cpu;

/// x87 registers in physical order: two words each, the significand, then sign and exponent.
pub const X87: usize = 0;
/// x87 control word.
pub const FCW: usize = 16;
/// x87 status word, with the top of the stack.
pub const FSW: usize = 17;
/// A bit for each physical register that isn't empty.
pub const FTW: usize = 18;
/// Opcode of the last x87 instruction that raised an unmasked exception.
pub const FOP: usize = 19;
/// Last x87 instruction's address.
pub const FIP: usize = 20;
/// Address of the memory operand of the last x87 instruction that had one and raised an unmasked exception.
pub const FDP: usize = 21;
/// What [`FOP`] becomes if the instruction under way raises an unmasked exception.
pub const OPCODE: usize = 22;
/// The same of [`FDP`].
pub const DATA: usize = 23;
/// Further results and operands of helpers.
pub const TEMP: usize = 32;

/// Two words that may be anything.
pub const SCRATCH: usize = 62;

/// State components that there are: x87, SSE, AVX.
pub const XCR0: u64 = 7;

/// The control word that FNINIT sets.
pub const FCW_INIT: u64 = 0x37f;

/// A new process's x87 and SSE control.
pub fn init(cpu: &mut Cpu) {
    cpu.area = [0; crate::cpu::AREA_WORDS];
    cpu.area[FCW] = FCW_INIT;
}

/// EFLAGS, of the condition flags (N 8, Z 4, C 2, V 1) and the slots.
pub fn eflags(cpu: &Cpu, nzcv: u8) -> u64 {
    let bit = |at: u32| (nzcv >> at & 1) as u64;
    let slot = |r: crate::ir::GuestReg| cpu.gpr[r.0 as usize];
    let parity = (slot(regs::PF) as u8).count_ones() % 2 == 0;
    let aux = slot(regs::PF) ^ slot(regs::AF);
    slot(regs::OTHER_FLAGS)
        | 0x202
        | (bit(1) ^ 1)
        | (parity as u64) << 2
        | aux & 16
        | bit(2) << 6
        | bit(3) << 7
        | bit(0) << 11
        | slot(regs::DF) & 0x400
}

/// Write EFLAGS: the slots are set, the condition flags returned.
pub fn set_eflags(cpu: &mut Cpu, v: u64) -> u8 {
    let bit = |at: u32| (v >> at & 1) as u8;
    let mut set = |r: crate::ir::GuestReg, v: u64| cpu.gpr[r.0 as usize] = v;
    set(regs::PF, (bit(2) ^ 1) as u64);
    set(regs::AF, v & 16);
    set(regs::DF, (bit(10) as u64).wrapping_neg());
    set(regs::OTHER_FLAGS, v & 0x24_4000);
    bit(7) << 3 | bit(6) << 2 | (bit(0) ^ 1) << 1 | bit(11)
}
