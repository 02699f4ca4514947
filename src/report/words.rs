//! Signals and their reasons in words.

use super::memory::{Mapping, Memory};
use crate::guest::Report;
use std::fmt::Write as _;
use syscalls::topics::mem::vma::Prot;
use syscalls::topics::signal::{bit, SigInfo, SEGV_ACCERR, SEGV_MAPERR, SYNCHRONOUS};
use syscalls::{Context, GuestAddr};

const NAMES: [(i32, &str); 31] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    (libc::SIGCHLD, "SIGCHLD"),
    (libc::SIGCONT, "SIGCONT"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGTSTP, "SIGTSTP"),
    (libc::SIGTTIN, "SIGTTIN"),
    (libc::SIGTTOU, "SIGTTOU"),
    (libc::SIGURG, "SIGURG"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGWINCH, "SIGWINCH"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGPWR, "SIGPWR"),
    (libc::SIGSYS, "SIGSYS"),
];

/// A signal's name.
pub fn signal(sig: i32) -> String {
    NAMES.iter().find(|n| n.0 == sig).map_or_else(|| format!("signal {sig}"), |n| n.1.into())
}

/// Whether the processor raised it.
pub fn is_fault(info: &SigInfo) -> bool {
    bit(info.signo) & SYNCHRONOUS != 0 && info.code > 0
}

/// Why a signal came. `syndrome`: what is remembered of the last fault.
pub fn reason(guest: &Report, info: &SigInfo, syndrome: (u64, u64), context: &Context) -> String {
    const ILL: [&str; 3] =
        ["undefined instruction (ILL_ILLOPC)", "illegal operand (ILL_ILLOPN)", "illegal address mode (ILL_ILLADR)"];
    const FPE: [&str; 4] = [
        "division by zero (FPE_INTDIV)",
        "overflow (FPE_INTOVF)",
        "FP division by zero (FPE_FLTDIV)",
        "FP overflow (FPE_FLTOVF)",
    ];
    let addr = info.rest[0];
    let access = (guest.access)(syndrome).unwrap_or(if addr == context.pc { "jump to" } else { "access to" });
    let of =
        |table: &[&str]| table.get((info.code - 1) as usize).map_or_else(|| format!("code {}", info.code), |s| s.to_string());
    let own = (guest.reason)(info, syndrome);
    match (info.signo, info.code) {
        (_, c) if c <= 0 => sender(info),
        _ if own.is_some() => own.unwrap_or_default().into(),
        (libc::SIGSEGV, libc::SI_KERNEL) => {
            format!("no room for a signal handler's frame below the stack pointer {:#x}", context.sp)
        }
        (_, libc::SI_KERNEL) => "sent by the kernel".into(),
        (libc::SIGSEGV, SEGV_MAPERR) => format!("{access} {addr:#x}, where nothing is mapped (SEGV_MAPERR)"),
        (libc::SIGSEGV, SEGV_ACCERR) => format!("{access} {addr:#x}, which is not allowed there (SEGV_ACCERR)"),
        (libc::SIGBUS, 1) => format!("{access} {addr:#x}, which is not aligned (BUS_ADRALN)"),
        (libc::SIGBUS, 2) => format!("{access} {addr:#x}, behind the end of the mapped file (BUS_ADRERR)"),
        (libc::SIGBUS, _) => format!("{access} {addr:#x}, hardware error (code {})", info.code),
        (libc::SIGTRAP, 1) => "breakpoint instruction (TRAP_BRKPT)".into(),
        (libc::SIGILL, _) => of(&ILL),
        (libc::SIGFPE, _) => of(&FPE),
        _ => format!("code {}", info.code),
    }
}

fn sender(info: &SigInfo) -> String {
    // SAFETY: asks for a number.
    let own = unsafe { syscalls::sys::raw(libc::SYS_getpid, [0; 6]) };
    let from = info.rest[0] as u32;
    match info.code {
        libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE if i64::from(from) == own => "raised by the program itself".into(),
        libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE => format!("sent by process {from}"),
        code => format!("code {code}"),
    }
}

/// Where an address lies.
pub fn place(memory: &Memory, at: u64) -> String {
    let at = GuestAddr(at).host();
    if let Some(m) = memory.mapping(at) {
        return format!("in {}", mapping(m));
    }
    let mut text = String::from("not mapped");
    let (below, above) = memory.neighbours(at);
    // Writing to a String can't fail.
    if let Some(m) = below {
        let _ = write!(text, ", {:#x} behind {}", at - m.range.end, mapping(m));
    }
    if let Some(m) = above {
        let _ = write!(text, ", {:#x} before {}", m.range.start - at, mapping(m));
    }
    text
}

fn mapping(m: &Mapping) -> String {
    let bit = |bit: u8, c: char| if m.prot.0 & bit != 0 { c } else { '-' };
    let (r, w, x) = (bit(Prot::READ, 'r'), bit(Prot::WRITE, 'w'), bit(Prot::EXEC, 'x'));
    let name = if m.name.is_empty() { String::new() } else { format!(" {}", super::printable(&m.name)) };
    format!("{:x}-{:x} {r}{w}{x}{name}", m.range.start, m.range.end)
}
