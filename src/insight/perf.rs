//! `--perf`: what perf needs to show translated code under the guest's names. `map` is `/tmp/perf-PID.map`, which `perf report` reads by itself;
//! `jitdump` is `/tmp/jit-PID.dump`, which `perf record -k mono` notices and `perf inject --jit` turns into files that `perf annotate` can show.
//!
//! No descriptor is kept: programs close what they don't know.

use super::names::Names;
use crate::cli::PerfKind;
use jit::code::Watcher;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Write this often, or when there is so much.
const PERIOD: Duration = Duration::from_millis(200);
const MUCH: usize = 64 << 10;
/// Bytes of a jitdump's header, and where in it the process's id is.
const HEADER: u32 = 40;
const HEADER_PID: std::ops::Range<usize> = 20..24;

/// The writer of one process.
pub struct Perf {
    kind: PerfKind,
    state: Mutex<State>,
}

impl std::fmt::Debug for Perf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Perf({:?})", self.kind)
    }
}

struct State {
    /// `None` before there is anything to say.
    path: Option<PathBuf>,
    buffer: Vec<u8>,
    written: Instant,
    names: Names,
    /// Number of the next piece of code.
    index: u64,
}

impl Perf {
    /// Nothing is written before there is code.
    pub fn new(kind: PerfKind) -> Perf {
        let state = State { path: None, buffer: Vec::new(), written: Instant::now(), names: Names::default(), index: 0 };
        Perf { kind, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Write what has come together.
    pub fn flush(&self) {
        self.state().flush(self.kind);
    }

    fn add(&self, name: &str, host: u64, code: &[u8]) {
        let mut s = self.state();
        match self.kind {
            PerfKind::Map => {
                // Writing to a vector can't fail.
                let _ = writeln!(s.buffer, "{host:x} {:x} {name}", code.len());
            }
            PerfKind::JitDump => s.load_record(name, host, code),
        }
        if s.buffer.len() > MUCH || s.written.elapsed() > PERIOD {
            s.flush(self.kind);
        }
    }
}

impl Watcher for Perf {
    fn placed(&self, pc: u64, host: u64, code: &[u8]) {
        let name = self.state().names.of(pc);
        self.add(&name, host, code);
    }

    fn stubs(&self, host: u64, code: &[u8]) {
        self.add("run-foreign:stubs", host, code);
    }

    /// The parent's code is this process's, too.
    fn forked(&self) {
        let mut s = self.state();
        let before = s.path.take().and_then(|p| std::fs::read(p).ok());
        s.create(self.kind, before.as_deref().unwrap_or(&[]));
    }
}

impl State {
    /// JIT_CODE_LOAD.
    fn load_record(&mut self, name: &str, host: u64, code: &[u8]) {
        let size = 16 + 40 + name.len() + 1 + code.len();
        let b = &mut self.buffer;
        b.extend(0u32.to_le_bytes());
        b.extend((size as u32).to_le_bytes());
        // SAFETY: asks for numbers.
        let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
        b.extend(now().to_le_bytes());
        b.extend(pid.to_le_bytes());
        b.extend(tid.to_le_bytes());
        for word in [host, host, code.len() as u64, self.index] {
            b.extend(word.to_le_bytes());
        }
        b.extend(name.as_bytes());
        b.push(0);
        b.extend(code);
        self.index += 1;
    }

    fn flush(&mut self, kind: PerfKind) {
        if self.path.is_none() {
            self.create(kind, &[]);
        }
        self.written = Instant::now();
        let path = self.path.as_ref();
        let file = path.and_then(|p| OpenOptions::new().append(true).custom_flags(libc::O_NOFOLLOW).open(p).ok());
        if let Some(mut file) = file {
            // A profile with holes is better than none, and better than a program that ends.
            let _ = file.write_all(&self.buffer);
        }
        self.buffer.clear();
    }

    /// This process's file, which begins with what its parent's has. What this process itself has written before it went on to this program
    /// stays, because it may be asked for; what an earlier process of this number has doesn't.
    fn create(&mut self, kind: PerfKind, before: &[u8]) {
        let pid = std::process::id();
        let path = PathBuf::from(match kind {
            PerfKind::Map => format!("/tmp/perf-{pid}.map"),
            PerfKind::JitDump => format!("/tmp/jit-{pid}.dump"),
        });
        if !is_of_this_process(&path) {
            let _ = std::fs::remove_file(&path);
        }
        let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&path);
        let Ok(mut file) = open else { return };
        let fresh = file.metadata().is_ok_and(|m| m.len() == 0);
        let start = match (kind, before.len() >= HEADER as usize) {
            (PerfKind::Map, _) => before.to_vec(),
            (PerfKind::JitDump, true) if fresh => {
                let mut copy = before.to_vec();
                copy[HEADER_PID].copy_from_slice(&pid.to_le_bytes());
                copy
            }
            (PerfKind::JitDump, _) if fresh => header(pid),
            (PerfKind::JitDump, _) => Vec::new(),
        };
        // As in `flush`.
        let _ = file.write_all(&start);
        if kind == PerfKind::JitDump {
            mark(&file);
        }
        self.path = Some(path);
    }
}

/// Whether a file was written since this process came into being.
fn is_of_this_process(path: &std::path::Path) -> bool {
    let start = || {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // Field 22, in ticks since the machine started; the name before it may hold anything.
        let ticks: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is ours.
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut t) };
        let age = Duration::new(t.tv_sec as u64, t.tv_nsec as u32).checked_sub(Duration::from_millis(ticks * 10))?;
        std::time::SystemTime::now().checked_sub(age)
    };
    let changed = std::fs::symlink_metadata(path).and_then(|m| m.modified());
    changed.is_ok_and(|changed| start().is_some_and(|start| changed > start))
}

/// CLOCK_MONOTONIC, which perf is to use as well (`-k mono`).
fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// "JiTD", version 1, the host's machine.
fn header(pid: u32) -> Vec<u8> {
    let machine = u32::from(crate::elf::Arch::HOST.machine());
    let words = [0x4a69_5444, 1, HEADER, machine, 0, pid];
    let mut b: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    b.extend(now().to_le_bytes());
    b.extend(0u64.to_le_bytes());
    b
}

/// perf notices the file by a mapping that could be executed; it stays.
fn mark(file: &File) {
    // SAFETY: a fresh mapping that nobody touches.
    unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE, file.as_raw_fd(), 0);
    }
}
