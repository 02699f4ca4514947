//! Faults as an arm64 kernel tells of them: what a signal handler learns, and ESR_EL1.

use crate::faults::{Access, Cause, Why, BUS_ADRALN, BUS_ADRERR, TRAP_BRKPT};
use syscalls::topics::signal::{Fault, SigInfo, SEGV_ACCERR, SEGV_MAPERR};

const ILL_ILLOPC: i32 = 1;

/// Exception classes, the 32-bit instruction bit, and status codes of aborts at the last level.
const EC_INSN_ABORT: u64 = 0x20 << 26;
const EC_PC_ALIGN: u64 = 0x22 << 26;
pub(super) const EC_DATA_ABORT: u64 = 0x24 << 26;
const IL: u64 = 1 << 25;
pub(super) const WNR: u64 = 1 << 6;
const FSC_KERNEL: u64 = 4;
const FSC_TRANSLATION: u64 = 7;
const FSC_PERMISSION: u64 = 15;
const FSC_EXTERNAL: u64 = 16;
const FSC_ALIGNMENT: u64 = 0x21;

pub(super) fn fault(cause: &Cause, pc: u64, _: (u64, u64)) -> Fault {
    let (info, syndrome) = match *cause {
        Cause::Undefined | Cause::Exception(..) => (SigInfo::fault(libc::SIGILL, ILL_ILLOPC, pc), Some((0, 0))),
        Cause::Breakpoint => (SigInfo::fault(libc::SIGTRAP, TRAP_BRKPT, pc), None),
        Cause::PcAlignment => (SigInfo::fault(libc::SIGBUS, BUS_ADRALN, pc), Some((0, EC_PC_ALIGN | IL))),
        Cause::Host(info) => (info, Some((0, 0))),
        Cause::Memory { addr, access, why } => {
            let (sig, code, status) = match why {
                Why::Unmapped | Why::Refused => (libc::SIGSEGV, SEGV_MAPERR, FSC_TRANSLATION),
                Why::Forbidden => (libc::SIGSEGV, SEGV_ACCERR, FSC_PERMISSION),
                Why::Misaligned => (libc::SIGBUS, BUS_ADRALN, FSC_ALIGNMENT),
                Why::Absent(code) => (libc::SIGBUS, code.unwrap_or(BUS_ADRERR), FSC_EXTERNAL),
            };
            let class = match access {
                Access::Fetch => EC_INSN_ABORT,
                Access::Read => EC_DATA_ABORT,
                Access::Write => EC_DATA_ABORT | WNR,
            };
            (SigInfo::fault(sig, code, addr), Some((addr, class | IL | told(addr, status))))
        }
    };
    Fault { info, syndrome }
}

/// Of the kernel's half of the addresses user space learns no more than that nothing is there.
fn told(addr: u64, status: u64) -> u64 {
    if addr >> 55 & 1 != 0 {
        FSC_KERNEL
    } else {
        status
    }
}
