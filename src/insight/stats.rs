//! `--stats`: a few lines about a process when it ends or executes another program.

use crate::cli::Place;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use syscalls::Thread;

/// What is to be told, and since when.
pub struct Stats {
    place: Place,
    /// When the process began, in nanoseconds.
    began: AtomicU64,
}

impl Stats {
    /// From now on.
    pub fn new(place: Place) -> Stats {
        let stats = Stats { place, began: AtomicU64::new(0) };
        stats.begin();
        stats
    }

    /// A process begins, here or by a fork.
    pub fn begin(&self) {
        self.began.store(now(), Relaxed);
    }

    /// Say it.
    pub fn write(&self, s: &jit::code::Stats, thread: &Thread, how: &str) {
        let wall = now().saturating_sub(self.began.load(Relaxed));
        let name = thread.process.argv.iter().map(|a| crate::report::printable(a)).collect::<Vec<_>>().join(" ");
        let name: String = name.chars().take(100).collect();
        let text = format!("run-foreign[{}] {name}: {how}\n{}", std::process::id(), lines(s, wall));
        // Where it can't be written, there is nobody to tell.
        let _ = match &self.place {
            Place::Stderr => std::io::stderr().write_all(text.as_bytes()),
            Place::File(path) => {
                let open = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_NOCTTY).open(path);
                open.and_then(|mut f| f.write_all(text.as_bytes()))
            }
        };
    }
}

fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

fn lines(s: &jit::code::Stats, wall: u64) -> String {
    // SAFETY: all-zero is a valid value of the structure, and the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    let of = |n: u64, by: u64| n as f64 / by.max(1) as f64;
    format!(
        "  time         {:.3} s, of the processor {:.3} s in user mode and {:.3} s in the kernel; peak memory {} KiB\n\
         \x20 translator   {:.3} s, {:.0} ns per guest instruction\n\
         \x20 translated   {} blocks, {} guest instructions, {} bytes of host code ({:.1} per instruction), {} direct exits\n\
         \x20 interpreted  {} guest instructions\n\
         \x20 traces       {} of these blocks\n\
         \x20 found        {} of these blocks with relatives, {} pages in one piece\n\
         \x20 dropped      {} invalidations of {} blocks, {} times everything\n\
         \x20 not linked   {} times a direct exit was taken before it led to its target\n\
         \x20 not found    {} returns not on top of the return stack ({} times it was full), {} indirect branches and returns not in \
         the first table, {} in none\n\
         \x20 learned      {} instructions need exact floating point, {} use tagged pointers\n\
         \x20 left for     {} system calls, {} signals, {} faults\n",
        wall as f64 * 1e-9,
        seconds(usage.ru_utime),
        seconds(usage.ru_stime),
        usage.ru_maxrss,
        s.nanoseconds as f64 * 1e-9,
        of(s.nanoseconds, s.guest_insns),
        s.translations,
        s.guest_insns,
        s.host_bytes,
        of(s.host_bytes, s.guest_insns),
        s.links,
        s.interpreted,
        s.traces,
        s.found,
        s.images,
        s.invalidations,
        s.invalidated,
        s.flushes,
        s.link_exits,
        s.return_misses,
        s.return_overflows,
        s.table_misses,
        s.lookups,
        s.learned_fp,
        s.learned_tagged,
        s.syscalls,
        s.signals,
        s.faults,
    )
}
