//! What a fault means to the guest; and what it means when it is our own.

use crate::signals::HostFault;
use jit::ir::Trap;
use std::fmt::Write as _;
use syscalls::topics::mem::Space;
use syscalls::topics::signal::SigInfo;
use syscalls::GuestAddr;

/// `si_code` values that libc lacks.
pub const TRAP_BRKPT: i32 = 1;
/// See [`TRAP_BRKPT`].
pub const BUS_ADRALN: i32 = 1;
/// See [`TRAP_BRKPT`].
pub const BUS_ADRERR: i32 = 2;

/// What a guest's processor stumbled over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An undefined instruction.
    Undefined,
    /// A breakpoint instruction.
    Breakpoint,
    /// A pc that is not a multiple of the instructions' alignment.
    PcAlignment,
    /// Memory.
    Memory {
        /// Where.
        addr: u64,
        /// What for.
        access: Access,
        /// Why not.
        why: Why,
    },
    /// Another trap, with its detail.
    Exception(Trap, u32),
    /// Something else that the host said.
    Host(SigInfo),
}

/// What memory was wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An instruction.
    Fetch,
    /// Data.
    Read,
    /// Data to be changed.
    Write,
}

/// Why it could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is mapped there.
    Unmapped,
    /// Not allowed there.
    Forbidden,
    /// The host's processor takes no such address.
    Refused,
    /// It had to be aligned.
    Misaligned,
    /// Behind the end of a mapped file, or broken: the host's `si_code`, if it said one.
    Absent(Option<i32>),
}

/// An access at `addr` that must be aligned.
pub fn misaligned(addr: u64) -> SigInfo {
    SigInfo::fault(libc::SIGBUS, BUS_ADRALN, addr)
}

/// The instruction at `pc` could not be read.
pub fn fetch(space: &Space, pc: u64) -> Cause {
    let why = match (space.mapped(pc), space.fetchable(pc)) {
        (false, _) => Why::Unmapped,
        (true, false) => Why::Forbidden,
        (true, true) => Why::Absent(None),
    };
    Cause::Memory { addr: pc, access: Access::Fetch, why }
}

/// A memory access of translated code failed. The host's mappings are the guest's, but for those of the runtime: there nothing is, to a guest.
pub fn data(space: &Space, host: &HostFault) -> Cause {
    let info = &host.info;
    let addr = info.rest[0];
    let why = match info.signo {
        libc::SIGSEGV if info.code == libc::SI_KERNEL => Why::Refused,
        libc::SIGSEGV if space.mapped(GuestAddr(addr).host()) => Why::Forbidden,
        libc::SIGSEGV => Why::Unmapped,
        libc::SIGBUS if info.code == BUS_ADRALN => Why::Misaligned,
        libc::SIGBUS => Why::Absent(Some(info.code)),
        _ => return Cause::Host(*info),
    };
    Cause::Memory { addr, access: if host.write { Access::Write } else { Access::Read }, why }
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
