//! What translated code calls, and the guest's FP status as the host keeps it.

use super::flags::rest_from_nzcv;
use crate::cpu::Cpu;
pub use crate::host::software::crc32;
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

/// Exception bits of MXCSR that count as FPSR's, as (MXCSR bit, FPSR bit): division by zero, overflow, underflow, inexact.
/// Not Invalid: it always traps, and the software path then decides.
const EXCEPTIONS: [(u32, u32); 4] = [(2, 1), (3, 2), (4, 3), (5, 4)];
/// The status bits of MXCSR.
const STATUS: u32 = 0x3f;
/// FPSR.QC.
const QC: u32 = 1 << 27;

/// The guest-visible FPSR: what the software paths and the host's control word accumulated, and QC.
/// `guest_fpctl` must be current.
pub fn fpsr(cpu: &Cpu) -> u32 {
    if cpu.rules == FpRules::X86 {
        return (cpu.fpsr | cpu.guest_fpctl) & STATUS;
    }
    let hw = EXCEPTIONS.iter().fold(0, |s, &(m, a)| s | (cpu.guest_fpctl >> m & 1) << a);
    cpu.fpsr | hw | if cpu.qc != 0 { QC } else { 0 }
}

/// Write the guest's FPSR. The host's control word must be loaded from `guest_fpctl` afterwards.
pub fn set_fpsr(cpu: &mut Cpu, v: u32) {
    if cpu.rules == FpRules::X86 {
        cpu.fpsr = 0;
        cpu.guest_fpctl = cpu.guest_fpctl & !STATUS | v & STATUS;
        return;
    }
    cpu.guest_fpctl &= !0x3f;
    cpu.fpsr = v & 0x9f;
    cpu.qc = (v & QC != 0) as u128;
}

/// The host's FP control word for a guest rounding mode (FPCR.RMode numbering): Invalid unmasked, all else masked.
pub const fn fpctl(rmode: u32) -> u32 {
    let rc = [0, 2, 1, 3][(rmode & 3) as usize];
    0x1f00 | rc << 13
}

/// The host's FP control word for a guest's: of a guest with the same rules, its own.
pub fn control(rules: FpRules, fpcr: u32, rmode: u32) -> u32 {
    match rules {
        FpRules::X86 => fpcr & !STATUS,
        FpRules::Arm => fpctl(rmode),
    }
}
