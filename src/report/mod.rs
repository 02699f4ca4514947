//! "When a program crashes": the report of a guest's death.
//!
//! **Where it goes.** A guest's stderr is the guest's own output: whoever captures it must find there what the program would have written natively,
//! because test suites compare it, and programs that crash on purpose are part of most of them. A person who looks at a terminal or at the log of a
//! `docker build`, on the other hand, wants to know what happened without asking first. The default (`auto`) therefore writes only where
//! nobody between the person and the program has redirected it, that is if the program's stderr, when it dies, is
//! - a terminal, or
//! - what stderr was when a person started run-foreign (the file's identity is handed on through every exec, so no descriptor must be kept), or
//! - what it is for the first process of the container (pid 1), so that `RUN` steps report into the build's log though the kernel starts each program.
//!
//! A suite that captures stderr by a pipe or a file of its own sees nothing of it. A process that is not dumpable (setuid programs, those that may
//! not be read, and those that ask for it, as tests do that crash on purpose) is not reported at all: the registers are nobody's business.
//! A signal that somebody sent (kill, abort, raise) says nothing about the processor's state: one line.
//! `--report=stderr` writes everything (vector registers, too, which are else shown for instructions that use them) to stderr wherever it leads, `--report=FILE` appends to a file, `--report=off` is silence.
//!
//! **Robustness.** The guest is broken by definition. Memory is read by guarded copies, lists and tables have limits, the text has at most
//! [`MAX_LINES`] lines, a reader that doesn't read is given up after a second, and /proc is used if it is there.

pub mod memory;
pub mod symbols;
mod text;
pub mod unwind;
pub mod words;

use crate::cli::{Options, Report};
use crate::thread::Task;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use syscalls::sys;
use syscalls::topics::signal::SigInfo;

/// Lines of a report.
pub const MAX_LINES: usize = 60;
/// How long to wait for a reader.
const PATIENCE: libc::timespec = libc::timespec { tv_sec: 1, tv_nsec: 0 };
/// What a pipe takes at once when it takes anything.
const PIECE: usize = 4096;

/// A device and inode number: what makes two descriptors lead to the same file.
pub type Identity = (u64, u64);

/// Where a report goes.
struct Target {
    fd: RawFd,
    /// Not one line only.
    full: bool,
    _file: Option<File>,
}

/// Say why a process dies. Signals are blocked, and the thread is at a safe point.
pub fn death(task: &Task, info: &SigInfo) {
    if !dumpable() {
        return;
    }
    let Some(target) = target(&task.vcpu.runtime.options, info) else { return };
    let text = match target.full {
        true => text::full(task, info, task.vcpu.runtime.options.report != Report::Auto),
        false => text::short(task, info),
    };
    write(target.fd, text.as_bytes());
}

/// prctl(PR_GET_DUMPABLE) is what it is for ordinary processes.
pub fn dumpable() -> bool {
    // SAFETY: asks for a number.
    unsafe { sys::raw(libc::SYS_prctl, [libc::PR_GET_DUMPABLE as u64, 0, 0, 0, 0, 0]) == 1 }
}

/// What stderr leads to.
pub fn stderr_identity() -> Option<Identity> {
    let mut st = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the structure if the call succeeds.
    let st = unsafe { (libc::fstat(2, st.as_mut_ptr()) == 0).then(|| st.assume_init()) }?;
    Some((st.st_dev, st.st_ino))
}

fn target(options: &Options, info: &SigInfo) -> Option<Target> {
    match &options.report {
        Report::Off => None,
        Report::Stderr => Some(Target { fd: 2, full: true, _file: None }),
        Report::File(path) => {
            let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
            let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path).ok()?;
            Some(Target { fd: file.as_raw_fd(), full: true, _file: Some(file) })
        }
        Report::Auto => seen_by_a_person(options).then(|| Target { fd: 2, full: words::is_fault(info), _file: None }),
    }
}

fn seen_by_a_person(options: &Options) -> bool {
    let Some(now) = stderr_identity() else { return false };
    // SAFETY: asks about a descriptor.
    let terminal = unsafe { libc::isatty(2) } == 1;
    terminal || options.first_stderr == Some(now) || std::fs::metadata("/proc/1/fd/2").is_ok_and(|m| (m.dev(), m.ino()) == now)
}

/// Write what a reader takes without making us wait for long.
fn write(fd: RawFd, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        let mut patience = PATIENCE;
        let piece = rest.len().min(PIECE);
        // SAFETY: the structure and the text are valid for the calls.
        let written = unsafe {
            match sys::raw(libc::SYS_ppoll, [&raw mut poll as u64, 1, &raw mut patience as u64, 0, 0, 0]) {
                1 => sys::raw(libc::SYS_write, [fd as u64, rest.as_ptr() as u64, piece as u64, 0, 0, 0]),
                _ => 0,
            }
        };
        if written <= 0 {
            return;
        }
        rest = &rest[written as usize..];
    }
}

/// Text of a guest's for a report: what could do harm to a terminal is a dot, and there is an end.
pub fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let mut text: String =
        String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]).chars().map(|c| if c.is_control() { '.' } else { c }).collect();
    if bytes.len() > MOST {
        text.push('…');
    }
    text
}
