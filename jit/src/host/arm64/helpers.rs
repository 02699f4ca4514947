//! What translated code calls, and the guest's FP status as the host keeps it.

use crate::cpu::Cpu;
use crate::host::software::{self, Host, Record};

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

/// The guest-visible FPSR. Nothing of it may be in the host's own register.
pub fn fpsr(cpu: &Cpu) -> u32 {
    cpu.fpsr & (EXCEPTIONS | QC) | if cpu.qc != 0 { QC } else { 0 }
}

/// Write the guest's FPSR.
pub fn set_fpsr(cpu: &mut Cpu, v: u32) {
    cpu.fpsr = v & EXCEPTIONS;
    cpu.qc = (v & QC != 0) as u128;
}

/// The host's FP control word for a guest rounding mode (FPCR.RMode numbering), and the guest's own word: of other architectures' words, the
/// bits that count here are zero.
pub const fn fpctl(rmode: u32, fpcr: u32) -> u32 {
    /// FZ16, FZ, DN, AHP.
    const MODES: u32 = 1 << 19 | 7 << 24;
    (rmode & 3) << 22 | fpcr & MODES
}
