//! Core files: written by us where the kernel would write one, for the kernel's would be of the runtime.
//!
//! **When.** The signal's default action dumps core, the process is dumpable, RLIMIT_CORE leaves room, and `core_pattern` names a file. A pattern that
//! names a program (`|…`) or a socket (`@…`) has none: what listens there would take the runtime's core. Without /proc the pattern is unknown: none.
//!
//! **Wait status.** Only the kernel sets the bit that says "core dumped", when it has begun to write one. It is therefore allowed a page of the
//! runtime's, in a folder of our own that it finds as the working directory; a helper process removes both when this one is gone ([`die`]).
//! That works for patterns without a folder. With one, our core is there but the bit is not.

mod name;
mod write;

use crate::report::memory::Memory;
use crate::thread::Task;
use crate::{freeze, report, signals};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use syscalls::sys;
use syscalls::topics::signal::{bit, SigInfo, CORE, SYNCHRONOUS};

/// The least limit for which the kernel writes anything: a page.
const LEAST: u64 = 4096;

fn limit() -> u64 {
    let mut limit = [0u64; 2];
    // SAFETY: the structure is valid for the call.
    unsafe { sys::raw(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as u64, 0, &raw mut limit as u64, 0, 0]) };
    limit[0]
}

/// Write a core file, if there is to be one; whether the wait status is to say so.
pub fn dump(task: &mut Task, info: &SigInfo) -> bool {
    let limit = limit();
    if limit < LEAST || bit(info.signo) & (CORE | SYNCHRONOUS) == 0 || !report::dumpable() {
        return false;
    }
    let Some(path) = name::of(task, info, limit) else { return false };
    let Some(file) = create(&path) else { return false };
    let threads = freeze::others(task.vcpu.runtime, task.thread.tid);
    let memory = Memory::of(&task.thread);
    write::Core { task, info, threads, memory: &memory, limit }.write(&file).is_ok() && path.components().count() == 1
}

/// As the kernel does it: a new file, of this process's user and for nobody else.
fn create(path: &Path) -> Option<File> {
    let _ = std::fs::remove_file(path);
    let flags = libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(path).ok()?;
    file.metadata().ok().filter(|m| m.is_file() && m.nlink() == 1).map(|_| file)
}

/// Die by a signal with "core dumped" in the wait status. Returns where that can't be had.
pub fn die(sig: i32) {
    let Some(dir) = own_folder() else { return };
    if remove_when_gone(&dir).is_none() {
        let _ = std::fs::remove_dir(&dir);
        return;
    }
    let limit = [LEAST, LEAST];
    // SAFETY: the structure is valid for the call.
    let lowered = unsafe { sys::raw(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as u64, &raw const limit as u64, 0, 0, 0]) == 0 };
    if lowered && std::env::set_current_dir(&dir).is_ok() {
        signals::die_dumping(sig);
    }
}

/// A new folder for a moment, out of the way.
fn own_folder() -> Option<PathBuf> {
    ["/dev/shm", "/tmp", "."].into_iter().find_map(|parent| {
        let name = CString::new(format!("{parent}/run-foreign-core.XXXXXX")).ok()?;
        let name = name.into_raw();
        // SAFETY: a terminated string of ours, which the call changes in place; it is owned again afterwards.
        let (made, name) = unsafe { (!libc::mkdtemp(name).is_null(), CString::from_raw(name)) };
        made.then(|| PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes())))
    })
}

/// Start a process that waits for this one's end and removes the folder. It is nobody's child to wait for while we live.
fn remove_when_gone(dir: &Path) -> Option<()> {
    let path = CString::new(std::fs::canonicalize(dir).ok()?.as_os_str().as_bytes()).ok()?;
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir).ok()?;
    // SAFETY: a copy of this process, which does no more than system calls of its own before it ends.
    unsafe {
        let pid = sys::raw(libc::SYS_getpid, [0; 6]);
        let us = sys::raw(libc::SYS_pidfd_open, [pid as u64, 0, 0, 0, 0, 0]);
        if us < 0 {
            return None;
        }
        match sys::raw(libc::SYS_clone, [0; 6]) {
            0 => {
                sweep(us as i32, folder.as_raw_fd(), &path);
                sys::raw(libc::SYS_exit_group, [0; 6]);
                None
            }
            child if child > 0 => Some(()),
            _ => None,
        }
    }
}

/// The helper: no allocation, no locks.
fn sweep(us: i32, folder: i32, path: &CString) {
    let mut patience = libc::timespec { tv_sec: 30, tv_nsec: 0 };
    let mut poll = libc::pollfd { fd: us, events: libc::POLLIN, revents: 0 };
    let mut entries = [0u8; 4096];
    let (low, high) = (us.min(folder) as u32, us.max(folder) as u32);
    // SAFETY: plain calls on structures of ours; every descriptor but two is closed, so that nobody waits for their end.
    unsafe {
        let close = |from: u32, to: u32| from <= to && sys::raw(libc::SYS_close_range, [from.into(), to.into(), 0, 0, 0, 0]) == 0;
        if low > 0 {
            close(0, low - 1);
        }
        close(low + 1, high - 1);
        close(high + 1, u32::MAX);
        sys::raw(libc::SYS_setsid, [0; 6]);
        sys::raw(libc::SYS_ppoll, [&raw mut poll as u64, 1, &raw mut patience as u64, 0, 0, 0]);
        let len = sys::raw(libc::SYS_getdents64, [folder as u64, entries.as_mut_ptr() as u64, entries.len() as u64, 0, 0, 0]);
        let mut at = 0;
        while at + 19 < len as usize {
            sys::raw(libc::SYS_unlinkat, [folder as u64, entries.as_ptr().add(at + 19) as u64, 0, 0, 0, 0]);
            at += usize::from(u16::from_le_bytes([entries[at + 16], entries[at + 17]])).max(20);
        }
        sys::raw(libc::SYS_unlinkat, [libc::AT_FDCWD as u64, path.as_ptr() as u64, libc::AT_REMOVEDIR as u64, 0, 0, 0]);
    }
}
