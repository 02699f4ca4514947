//! Holding a process still when one of its threads dies.

use crate::machine::Runtime;
use crate::signals::{self, Anchor};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use syscalls::{sys, Context};

/// How long to wait for threads to leave translated code: they do within microseconds.
const PATIENCE: Duration = Duration::from_millis(500);

fn getpid() -> i32 {
    // SAFETY: asks for a number.
    unsafe { sys::raw(libc::SYS_getpid, [0; 6]) as i32 }
}

/// Stay here until the process ends, if it is about to.
pub fn stay_if_dying(runtime: &Runtime) {
    let dying = runtime.dying.load(Ordering::Relaxed);
    while dying != 0 && dying == getpid() {
        // SAFETY: sleeps; signals that don't end the process are blocked or noted.
        unsafe { sys::raw(libc::SYS_ppoll, [0; 6]) };
    }
}

/// This thread makes its process die. Only one does; others stay.
pub fn begin(runtime: &Runtime) {
    if runtime.dying.compare_exchange(0, getpid(), Ordering::SeqCst, Ordering::SeqCst).is_err() {
        stay_if_dying(runtime);
    }
}

/// The other guest threads of this process with their registers, once they stand still: `Runtime::dying` is set. Those that are in the kernel count as
/// standing; when they come back they stay.
pub fn others(runtime: &Runtime, own: i32) -> Vec<(i32, Context)> {
    let until = Instant::now() + PATIENCE;
    let pid = getpid();
    if runtime.dying.load(Ordering::Relaxed) != pid {
        return Vec::new();
    }
    // A thread that shares the memory may be another process's.
    // SAFETY: signal 0 is none.
    let ours = |tid: i32| unsafe { sys::raw(libc::SYS_tgkill, [pid as u64, tid as u64, 0, 0, 0, 0]) == 0 };
    loop {
        let mut running = Vec::new();
        let mut found = Vec::new();
        runtime.engine.each_cpu(|cpu| {
            // SAFETY: registered CPUs are alive while the engine is locked; their anchors, too, unless not set yet. The registers of a CPU outside of
            // translated code are whole, and who doesn't stand still yet is looked at again.
            unsafe {
                let Some(anchor) = ((*cpu).user as *const Anchor).as_ref() else { return };
                if anchor.tid() != own {
                    if (*cpu).epoch.load(Ordering::SeqCst) != 0 {
                        running.push(anchor.tid());
                    }
                    found.push((anchor.tid(), (runtime.guest.context)(&*cpu, &runtime.engine)));
                }
            }
        });
        if running.is_empty() || Instant::now() > until {
            found.retain(|t| ours(t.0));
            return found;
        }
        running.into_iter().filter(|&tid| ours(tid)).for_each(signals::kick);
        std::thread::sleep(Duration::from_micros(100));
    }
}
