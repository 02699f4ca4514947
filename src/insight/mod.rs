//! Seeing where time goes: counts at the end of a process (`--stats`), and names for translated code in perf (`--perf`).

pub mod names;
pub mod perf;
pub mod stats;

use crate::machine::Vcpu;
use std::sync::atomic::Ordering;
use syscalls::Thread;

/// The process ends, or goes on to another program: `how`, in words.
pub fn end(vcpu: &Vcpu, thread: &Thread, how: &dyn Fn() -> String) {
    let runtime = vcpu.runtime;
    if vcpu.borrower || runtime.stats.is_none() && runtime.perf.is_none() {
        return;
    }
    if let Some(perf) = runtime.perf {
        perf.flush();
    }
    if let Some(stats) = &runtime.stats {
        stats.write(&runtime.engine.stats(), thread, &how());
    }
}

/// The thread ends; with the last one, the process does.
pub fn end_thread(vcpu: &Vcpu, thread: &Thread, how: &dyn Fn() -> String) {
    if vcpu.runtime.users.load(Ordering::Relaxed) == 1 {
        end(vcpu, thread, how);
    }
}
