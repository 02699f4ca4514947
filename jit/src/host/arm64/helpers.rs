//! What translated code calls, and the guest's FP status as the host keeps it.

use crate::cpu::Cpu;
use crate::host::software::{self, Host, Record};
use crate::ir::FpRules;

/// Addresses of the helpers by number (`Reloc::Helper`).
pub fn helpers() -> [usize; 1] {
    [run_op as *const () as usize]
}

/// What the software needs to know of this host.
const HOST: Host = Host { rest_from_nzcv, fpsr, set_fpsr };

/// Run the operation `rec` on `cpu.call_args` into `cpu.call_result`.
extern "C" fn run_op(cpu: *mut Cpu, rec: *const Record) {
    // SAFETY: only the common stub calls this, with the running CPU and a record in the block's constant pool (16-byte aligned, written by `Record::pack`).
    let (cpu, rec) = unsafe { (&mut *cpu, &*rec) };
    software::run(cpu, rec, &HOST);
}

/// The resting flags of an NZCV constant (bits 3..0): what the host has in NZCV.
pub const fn rest_from_nzcv(nzcv: u8) -> u32 {
    (nzcv as u32 & 15) << 28
}

/// NZCV (bits 3..0) of resting flags.
pub const fn nzcv_from_rest(rest: u32) -> u8 {
    (rest >> 28) as u8
}

/// FPSR.QC, and the bits that accumulate exceptions.
const QC: u32 = 1 << 27;
const EXCEPTIONS: u32 = 0x9f;

/// Where MXCSR has the exceptions that FPSR has: (FPSR bit, MXCSR bit).
const X86_EXCEPTIONS: [(u32, u32); 6] = [(0, 0), (7, 1), (1, 2), (2, 3), (3, 4), (4, 5)];

/// The guest-visible FP status, by the guest's rules: what the software paths and the host's own register accumulated, and QC. Nothing of it may be in
/// the host's register now.
pub fn fpsr(cpu: &Cpu) -> u32 {
    match cpu.rules {
        FpRules::X86 => X86_EXCEPTIONS.iter().fold(cpu.fpsr, |s, &(arm, x86)| s | (cpu.fp_status >> arm & 1) << x86),
        FpRules::Arm => cpu.fpsr | cpu.fp_status & (EXCEPTIONS | QC) | if cpu.qc != 0 { QC } else { 0 },
    }
}

/// Write the guest's FP status.
pub fn set_fpsr(cpu: &mut Cpu, v: u32) {
    cpu.fp_status = 0;
    match cpu.rules {
        FpRules::X86 => cpu.fpsr = v & 0x3f,
        FpRules::Arm => {
            cpu.fpsr = v & EXCEPTIONS;
            cpu.qc = (v & QC != 0) as u128;
        }
    }
}

/// The host's FP control word for a guest's own, of which this is the rounding (as FPCR.RMode). FEAT_AFP has x86's way with NaNs and denormals.
pub const fn control(rules: FpRules, fpcr: u32, rmode: u32, afp: bool) -> u32 {
    /// FZ16, FZ, DN, AHP.
    const MODES: u32 = 1 << 19 | 7 << 24;
    /// Alternate handling.
    const AH: u32 = 2;
    match rules {
        FpRules::Arm => (rmode & 3) << 22 | fpcr & MODES,
        FpRules::X86 => (rmode & 3) << 22 | if afp { AH } else { 0 },
    }
}
