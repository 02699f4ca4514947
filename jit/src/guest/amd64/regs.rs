//! What the slots of the neutral register file mean for amd64.

use super::super::Guest;
use crate::ir::{FpRules, GuestReg, Mode, Round};
use capstone::prelude::*;

/// General registers in encoding order.
pub const fn gpr(n: u8) -> GuestReg {
    GuestReg::gpr(n)
}
/// rax.
pub const RAX: GuestReg = gpr(0);
/// rcx.
pub const RCX: GuestReg = gpr(1);
/// rdx.
pub const RDX: GuestReg = gpr(2);
/// rbx.
pub const RBX: GuestReg = gpr(3);
/// rsp.
pub const RSP: GuestReg = gpr(4);
/// rbp.
pub const RBP: GuestReg = gpr(5);
/// rsi.
pub const RSI: GuestReg = gpr(6);
/// rdi.
pub const RDI: GuestReg = gpr(7);
/// r11.
pub const R11: GuestReg = gpr(11);
/// Base of FS.
pub const FS: GuestReg = gpr(16);
/// Base of GS.
pub const GS: GuestReg = gpr(17);
/// The low byte's parity is PF.
pub const PF: GuestReg = gpr(18);
/// Bit 4 of this and of [`PF`], exclusive-or, is AF.
pub const AF: GuestReg = gpr(19);
/// 0, or all ones when DF is set.
pub const DF: GuestReg = gpr(20);
/// NT, AC and ID in their places.
pub const OTHER_FLAGS: GuestReg = gpr(21);
/// Low halves of ymm0–ymm15.
pub const fn xmm(n: u8) -> GuestReg {
    GuestReg::vec(n)
}
/// High halves.
pub const fn ymm_high(n: u8) -> GuestReg {
    GuestReg::vec(16 + n)
}

/// Bits of MXCSR.
pub mod mxcsr {
    /// Status.
    pub const STATUS: u32 = 0x3f;
    /// Denormals are zeros.
    pub const DAZ: u32 = 1 << 6;
    /// Masks of the six exceptions.
    pub const MASKS: u32 = 0x3f << 7;
    /// Rounding.
    pub const RC: u32 = 3 << 13;
    /// Flush to zero.
    pub const FTZ: u32 = 1 << 15;
    /// The control bits.
    pub const CONTROL: u32 = DAZ | MASKS | RC | FTZ;
    /// After reset.
    pub const INIT: u32 = MASKS;
}

fn reg_name(r: GuestReg) -> String {
    const NAMES: [&str; 22] = [
        "rax",
        "rcx",
        "rdx",
        "rbx",
        "rsp",
        "rbp",
        "rsi",
        "rdi",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "fs",
        "gs",
        "pf",
        "af",
        "df",
        "otherflags",
    ];
    match r.0 {
        n @ 0..=21 => NAMES[n as usize].into(),
        n @ 64..=79 => format!("xmm{}", n - 64),
        n @ 80..=95 => format!("ymmh{}", n - 80),
        128 => "flags".into(),
        n => format!("slot{n}"),
    }
}

fn parse_reg(s: &str) -> Option<GuestReg> {
    (0..=128u8).map(GuestReg).find(|&r| reg_name(r) == s)
}

fn disasm(bytes: &[u8], pc: u64) -> String {
    let text = || {
        let cs = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).syntax(arch::x86::ArchSyntax::Intel).build().ok()?;
        let i = cs.disasm_count(bytes, pc, 1).ok()?;
        let i = i.iter().next()?;
        Some(format!("{} {}", i.mnemonic()?, i.op_str()?))
    };
    text().unwrap_or_else(|| "?".into())
}

/// Unmasked exceptions and flushing are not what every host's FPU does by itself.
fn fp_mode(mxcsr: u32) -> Mode {
    if mxcsr & mxcsr::MASKS != mxcsr::MASKS || mxcsr & (mxcsr::DAZ | mxcsr::FTZ) != 0 {
        Mode::SOFT_FP
    } else {
        Mode::default()
    }
}

static HOT_GPRS: [GuestReg; 18] =
    [RAX, RSP, RDX, RCX, RDI, RSI, RBP, RBX, gpr(8), gpr(12), gpr(13), gpr(14), gpr(9), gpr(10), gpr(15), R11, PF, AF];

static HOT_VECS: [GuestReg; 32] = {
    let mut v = [xmm(0); 32];
    let mut n = 0;
    while n < 32 {
        v[n] = GuestReg::vec(n as u8);
        n += 1;
    }
    v
};

/// The amd64 guest.
pub static GUEST: Guest = Guest {
    name: "amd64",
    lift: super::lift::lift_block,
    hot_gprs: &HOT_GPRS,
    hot_vecs: &HOT_VECS,
    reg_name,
    parse_reg,
    fp_mode,
    // MXCSR numbers up and down the other way round.
    fp_round: |mxcsr| [Round::Nearest, Round::Down, Round::Up, Round::Zero][(mxcsr >> 13 & 3) as usize],
    branch_target: |pc| pc,
    fpcr_init: mxcsr::INIT,
    fpcr_mask: mxcsr::CONTROL,
    fp: FpRules::X86,
    total_order: true,
    pairs: false,
    tagged: false,
    flags_dead: super::flags_ahead::flags_dead,
    flag_regs: &[PF, AF],
    helpers: super::helpers::HELPERS,
    coherent: true,
    relocatable: false,
    traces: false,
    interpret: None,
    disasm,
};
