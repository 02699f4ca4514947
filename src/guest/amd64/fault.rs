//! Faults as an amd64 kernel tells of them: what a signal handler learns, and the processor's trap number, error code and CR2.

use crate::faults::{Access, Cause, Why, BUS_ADRALN, BUS_ADRERR, TRAP_BRKPT};
use jit::ir::Trap;
use syscalls::amd64::syndrome;
use syscalls::topics::signal::{Fault, SigInfo, SEGV_ACCERR, SEGV_MAPERR};

const ILL_ILLOPN: i32 = 2;
const FPE_INTDIV: i32 = 1;

/// Numbers of traps.
const DE: u32 = 0;
const DB: u32 = 1;
const BP: u32 = 3;
const OF: u32 = 4;
const UD: u32 = 6;
pub(super) const GP: u32 = 13;
pub(super) const PF: u32 = 14;
const MF: u32 = 16;
const AC: u32 = 17;
const XF: u32 = 19;

/// Error code of a page fault: the page is there, it was a write, by user mode, of an instruction.
const PRESENT: u32 = 1;
pub(super) const WRITE: u32 = 2;
const USER: u32 = 4;
const FETCH: u32 = 16;

/// End of the lower half of the canonical addresses; the upper half is the kernel's.
const HALF: u64 = 1 << 47;

pub(super) fn fault(cause: &Cause, pc: u64, last: (u64, u64)) -> Fault {
    if matches!(cause, Cause::Memory { access: Access::Fetch, .. }) && super::in_gate(pc) {
        // The kernel takes it for a call gone wrong, and sends a signal that is no fault's.
        return Fault { info: SigInfo::kernel(libc::SIGSEGV), syndrome: None };
    }
    let plain = |sig: i32, code: i32, trap: u32| (SigInfo::fault(sig, code, pc), syndrome(last, trap, 0, 0));
    let (info, syndrome) = match *cause {
        Cause::Undefined | Cause::PcAlignment => plain(libc::SIGILL, ILL_ILLOPN, UD),
        Cause::Breakpoint => (SigInfo::kernel(libc::SIGTRAP), syndrome(last, BP, 0, 0)),
        Cause::Exception(Trap::Debug, 0) => (SigInfo::kernel(libc::SIGTRAP), syndrome(last, BP, 0, 0)),
        Cause::Exception(Trap::Debug, 4) => (SigInfo::kernel(libc::SIGSEGV), syndrome(last, OF, 0, 0)),
        Cause::Exception(Trap::Debug, _) => plain(libc::SIGTRAP, TRAP_BRKPT, DB),
        Cause::Exception(Trap::Divide, _) => plain(libc::SIGFPE, FPE_INTDIV, DE),
        Cause::Exception(Trap::FpException, detail) => {
            let (x87, code) = (detail & 1 != 0, (detail >> 8) as i32);
            plain(libc::SIGFPE, code, if x87 { MF } else { XF })
        }
        // The descriptor's number, and that it is the interrupt table's.
        Cause::Exception(Trap::Interrupt, n) => (SigInfo::kernel(libc::SIGSEGV), syndrome(last, GP, n << 3 | 2, 0)),
        Cause::Exception(..) => (SigInfo::kernel(libc::SIGSEGV), syndrome(last, GP, 0, 0)),
        Cause::Host(info) => (SigInfo { rest: plain(0, 0, 0).0.rest, ..info }, syndrome(last, XF, 0, 0)),
        Cause::Memory { addr, access, why } => memory(addr, access, why, last),
    };
    Fault { info, syndrome: Some(syndrome) }
}

fn memory(addr: u64, access: Access, why: Why, last: (u64, u64)) -> (SigInfo, (u64, u64)) {
    if matches!(why, Why::Refused) || (HALF..HALF.wrapping_neg()).contains(&addr) {
        return (SigInfo::kernel(libc::SIGSEGV), syndrome(last, GP, 0, 0));
    }
    let error = USER
        | match access {
            Access::Fetch => FETCH,
            Access::Read => 0,
            Access::Write => WRITE,
        };
    // Of the kernel's half user space learns no more than that it may not go there.
    let there = if matches!(why, Why::Forbidden) || addr >= HALF { PRESENT } else { 0 };
    let (sig, code) = match why {
        Why::Unmapped | Why::Refused => (libc::SIGSEGV, SEGV_MAPERR),
        Why::Forbidden => (libc::SIGSEGV, SEGV_ACCERR),
        Why::Absent(code) => (libc::SIGBUS, code.unwrap_or(BUS_ADRERR)),
        Why::Misaligned => return (SigInfo::fault(libc::SIGBUS, BUS_ADRALN, addr), syndrome(last, AC, 0, 0)),
    };
    (SigInfo::fault(sig, code, addr), syndrome(last, PF, error | there, addr))
}
