//! What a fault means to the guest; and what it means when it is our own.

use crate::signals::HostFault;
use std::fmt::Write as _;
use syscalls::topics::mem::Space;
use syscalls::topics::signal::{Fault, SigInfo, SEGV_ACCERR, SEGV_MAPERR};
use syscalls::GuestAddr;

/// `si_code` values that libc lacks.
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;

/// ESR_EL1: exception classes, the 32-bit instruction bit, and status codes of aborts at the last level.
const EC_INSN_ABORT: u64 = 0x20 << 26;
const EC_PC_ALIGN: u64 = 0x22 << 26;
const EC_DATA_ABORT: u64 = 0x24 << 26;
const IL: u64 = 1 << 25;
const WNR: u64 = 1 << 6;
const FSC_KERNEL: u64 = 4;
const FSC_TRANSLATION: u64 = 7;
const FSC_PERMISSION: u64 = 15;
const FSC_EXTERNAL: u64 = 16;
const FSC_ALIGNMENT: u64 = 0x21;

/// An undefined instruction at `pc`.
pub fn undefined(pc: u64) -> Fault {
    Fault { info: SigInfo::fault(libc::SIGILL, ILL_ILLOPC, pc), syndrome: Some((0, 0)) }
}

/// A breakpoint instruction at `pc`.
pub fn breakpoint(pc: u64) -> Fault {
    Fault { info: SigInfo::fault(libc::SIGTRAP, TRAP_BRKPT, pc), syndrome: None }
}

/// A pc that is not a multiple of four.
pub fn pc_alignment(pc: u64) -> Fault {
    Fault { info: SigInfo::fault(libc::SIGBUS, BUS_ADRALN, pc), syndrome: Some((0, EC_PC_ALIGN | IL)) }
}

/// An access at `addr` that must be aligned.
pub fn misaligned(addr: u64) -> SigInfo {
    SigInfo::fault(libc::SIGBUS, BUS_ADRALN, addr)
}

/// The instruction at `pc` could not be read.
pub fn fetch(space: &Space, pc: u64) -> Fault {
    let (sig, code, status) = match (space.mapped(pc), space.fetchable(pc)) {
        (false, _) => (libc::SIGSEGV, SEGV_MAPERR, FSC_TRANSLATION),
        (true, false) => (libc::SIGSEGV, SEGV_ACCERR, FSC_PERMISSION),
        // Behind the end of a mapped file.
        (true, true) => (libc::SIGBUS, BUS_ADRERR, FSC_EXTERNAL),
    };
    Fault { info: SigInfo::fault(sig, code, pc), syndrome: Some((pc, EC_INSN_ABORT | IL | told(pc, status))) }
}

/// A memory access of translated code failed. The host's mappings are the guest's, but for those of the runtime: there nothing is, to a guest.
pub fn data(space: &Space, host: &HostFault) -> Fault {
    let mut info = host.info;
    let addr = info.rest[0];
    let status = match info.signo {
        libc::SIGSEGV => {
            info.code = if space.mapped(GuestAddr(addr).host()) { SEGV_ACCERR } else { SEGV_MAPERR };
            if info.code == SEGV_ACCERR {
                FSC_PERMISSION
            } else {
                FSC_TRANSLATION
            }
        }
        libc::SIGBUS if info.code == BUS_ADRALN => FSC_ALIGNMENT,
        libc::SIGBUS => FSC_EXTERNAL,
        _ => return Fault { info, syndrome: Some((0, 0)) },
    };
    let write = if host.write { WNR } else { 0 };
    Fault { info, syndrome: Some((addr, EC_DATA_ABORT | IL | write | told(addr, status))) }
}

/// Of the kernel's half of the addresses user space learns no more than that nothing is there.
fn told(addr: u64, status: u64) -> u64 {
    if addr >> 55 & 1 != 0 {
        FSC_KERNEL
    } else {
        status
    }
}

/// A line buffer on the stack: the place of the error may be anywhere, an allocation included.
struct Line {
    text: [u8; 512],
    len: usize,
}

impl std::fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let n = s.len().min(self.text.len() - self.len);
        self.text[self.len..self.len + n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// A fault of the runtime itself: say so and die by it, with a core of the runtime if the system keeps cores.
pub fn internal_error(info: &SigInfo, pc: u64, guest_pc: Option<u64>) -> ! {
    extern "C" {
        static __ehdr_start: u8;
    }
    let base = &raw const __ehdr_start as u64;
    let mut line = Line { text: [0; 512], len: 0 };
    let version = env!("CARGO_PKG_VERSION");
    let _ =
        write!(line, "run-foreign {version}: internal error: host signal {} (code {}) at host pc {pc:#x}", info.signo, info.code);
    // No host program is larger than this.
    let offset = pc.wrapping_sub(base);
    let _ = match offset < 1 << 28 {
        true => write!(line, " (offset {offset:#x} in the program)"),
        false => write!(line, " (not in the program)"),
    };
    let _ = write!(line, ", fault address {:#x}", info.rest[0]);
    if let Some(pc) = guest_pc {
        let _ = write!(line, ", guest pc {pc:#x} or soon after");
    }
    let _ = writeln!(
        line,
        "\nrun-foreign: please report it with the program's name and source at {}/issues",
        env!("CARGO_PKG_REPOSITORY")
    );
    let default = [0u64; 4];
    let none = 0u64;
    // SAFETY: the buffer and the structures are valid for the calls.
    unsafe {
        use syscalls::sys::raw;
        raw(libc::SYS_write, [2, line.text.as_ptr() as u64, line.len as u64, 0, 0, 0]);
        raw(libc::SYS_rt_sigaction, [info.signo as u64, &raw const default as u64, 0, 8, 0, 0]);
        raw(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, &raw const none as u64, 0, 8, 0, 0]);
        let (pid, tid) = (raw(libc::SYS_getpid, [0; 6]), raw(libc::SYS_gettid, [0; 6]));
        raw(libc::SYS_tgkill, [pid as u64, tid as u64, info.signo as u64, 0, 0, 0]);
    }
    crate::signals::exit_group(128 + info.signo)
}
