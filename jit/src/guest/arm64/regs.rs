//! What the slots of the neutral register file mean for arm64.

use super::super::Guest;
use crate::ir::{FpRules, GuestReg, Mode, Round};
use capstone::prelude::*;

/// X0..X30.
pub const fn x(n: u8) -> GuestReg {
    GuestReg::gpr(n)
}
/// The stack pointer.
pub const SP: GuestReg = GuestReg::gpr(31);
/// TPIDR_EL0.
pub const TPIDR: GuestReg = GuestReg::gpr(32);
/// TPIDRRO_EL0.
pub const TPIDRRO: GuestReg = GuestReg::gpr(33);
/// PSTATE.SSBS, inverted: programs start with 1.
pub const NOT_SSBS: GuestReg = GuestReg::gpr(34);
/// V0..V31.
pub const fn v(n: u8) -> GuestReg {
    GuestReg::vec(n)
}
/// NZCV.
pub const NZCV: GuestReg = GuestReg::FLAGS;

/// FPCR bits (Arm ARM C5.2.7).
pub mod fpcr {
    /// Alternative half precision.
    pub const AHP: u32 = 1 << 26;
    /// Default NaN.
    pub const DN: u32 = 1 << 25;
    /// Flush to zero.
    pub const FZ: u32 = 1 << 24;
    /// Rounding mode field.
    pub const RMODE: u32 = 3 << 22;
    /// Flush to zero, half precision.
    pub const FZ16: u32 = 1 << 19;
    /// The bits that can be written on a CPU without trapped exceptions.
    pub const WRITABLE: u32 = AHP | DN | FZ | RMODE | FZ16;
}

fn fp_mode(fpcr: u32) -> Mode {
    if fpcr & (fpcr::AHP | fpcr::DN | fpcr::FZ | fpcr::FZ16) != 0 {
        Mode::SOFT_FP
    } else {
        Mode::default()
    }
}

/// A branch ignores the top byte of addresses in user space's half as loads and stores do (AArch64.BranchAddr with TBI0).
fn branch_target(pc: u64) -> u64 {
    if pc >> 55 & 1 == 0 {
        pc & u64::MAX >> 8
    } else {
        pc
    }
}

fn reg_name(r: GuestReg) -> String {
    match r.0 {
        31 => "sp".into(),
        32 => "tpidr".into(),
        33 => "tpidrro".into(),
        34 => "not_ssbs".into(),
        n @ 0..=30 => format!("x{n}"),
        n @ 64..=95 => format!("v{}", n - 64),
        128 => "nzcv".into(),
        n => format!("r{n}"),
    }
}

fn parse_reg(s: &str) -> Option<GuestReg> {
    (0..=128u8).map(GuestReg).find(|&r| reg_name(r) == s)
}

fn disasm(bytes: &[u8], pc: u64) -> String {
    let text = || {
        let cs = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().ok()?;
        let i = cs.disasm_count(bytes, pc, 1).ok()?;
        let i = i.iter().next()?;
        Some(format!("{} {}", i.mnemonic()?, i.op_str()?))
    };
    text().unwrap_or_else(|| "?".into())
}

/// Registers by heat, as counted over translated code of shells, Python and gcc.
static HOT_GPRS: [GuestReg; 32] = [
    x(0),
    x(1),
    SP,
    x(2),
    x(3),
    x(19),
    x(20),
    x(21),
    x(4),
    x(30),
    x(22),
    x(23),
    x(29),
    x(8),
    x(5),
    x(24),
    x(6),
    x(25),
    x(7),
    x(26),
    x(9),
    x(10),
    x(27),
    x(28),
    x(11),
    x(12),
    x(16),
    x(17),
    x(13),
    x(14),
    x(15),
    x(18),
];

static HOT_VECS: [GuestReg; 32] = [
    v(0),
    v(1),
    v(2),
    v(3),
    v(4),
    v(5),
    v(6),
    v(7),
    v(16),
    v(17),
    v(18),
    v(19),
    v(31),
    v(30),
    v(29),
    v(28),
    v(20),
    v(21),
    v(22),
    v(23),
    v(24),
    v(25),
    v(26),
    v(27),
    v(8),
    v(9),
    v(12),
    v(10),
    v(13),
    v(11),
    v(14),
    v(15),
];

/// The arm64 guest.
pub static GUEST: Guest = Guest {
    name: "arm64",
    lift: super::lift::lift_block,
    hot_gprs: &HOT_GPRS,
    hot_vecs: &HOT_VECS,
    reg_name,
    parse_reg,
    fp_mode,
    fp_round: |fpcr| Round::from_bits((fpcr >> 22 & 3) as u64),
    branch_target,
    fp: FpRules::Arm,
    total_order: false,
    pairs: true,
    tagged: true,
    fpcr_init: 0,
    fpcr_mask: fpcr::WRITABLE,
    flags_dead: super::flags_ahead::flags_dead,
    flag_regs: &[],
    helpers: &[],
    coherent: false,
    relocatable: true,
    traces: true,
    interpret: Some(super::interpret::interpret),
    disasm,
};
