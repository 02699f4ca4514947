//! Files of /proc that must show the guest instead of the runtime.
//!
//! The kernel finds the file, checks permissions and allocates the descriptor; only then the contents are replaced by a memory file of
//! the same number. So everything fails as it would natively, a missing /proc included.

mod maps;
mod other;
mod publish;
#[cfg(test)]
mod tests;

pub use publish::{publish, Areas};

use crate::ctx::{Ctx, Process, SysResult, Thread};
use crate::{sys, Errno, GuestAddr};
use std::ffi::CString;
use std::ops::Range;

/// f_type of procfs.
const PROC_SUPER_MAGIC: i64 = 0x9fa0;

fn host(nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    // SAFETY: callers pass descriptors and buffers of their own.
    unsafe { sys::call(nr, args) }
}

/// A file that is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Exe,
    /// Another process's.
    OthersExe,
    Maps,
    Smaps,
    Cmdline,
    Environ,
    Auxv,
    Stat,
    Status,
    Cpuinfo,
    Arch,
}

impl Entry {
    fn named(name: &[u8]) -> Option<Entry> {
        Some(match name {
            b"exe" => Entry::Exe,
            b"maps" => Entry::Maps,
            b"smaps" => Entry::Smaps,
            b"cmdline" => Entry::Cmdline,
            b"environ" => Entry::Environ,
            b"auxv" => Entry::Auxv,
            b"stat" => Entry::Stat,
            b"status" => Entry::Status,
            b"cpuinfo" => Entry::Cpuinfo,
            b"arch" => Entry::Arch,
            _ => return None,
        })
    }

    /// Which file a path within procfs is, if it is the caller's own (or the system's, or what another process runs).
    /// `own`: the caller's name there.
    fn at(path: &[u8], own: &[u8]) -> Option<Entry> {
        let mut parts = path.rsplit(|&b| b == b'/');
        let entry = Entry::named(parts.next()?)?;
        let (parent, above) = (parts.next()?, [parts.next(), parts.next()]);
        let numeric = |s: &[u8]| !s.is_empty() && s.iter().all(u8::is_ascii_digit);
        let task: &[u8] = b"task";
        let mine = parent == own && above[0] != Some(task) || numeric(parent) && above == [Some(task), Some(own)];
        let found = match entry {
            Entry::Cpuinfo => !numeric(parent),
            Entry::Arch => parent == b"kernel" && above[0] == Some(b"sys"),
            Entry::Exe if !mine && numeric(parent) => return Some(Entry::OthersExe),
            _ => mine,
        };
        found.then_some(entry)
    }

    /// Whether the kernel's own answer is right once it knows where the guest's arguments are.
    fn published(self) -> bool {
        matches!(self, Entry::Cmdline | Entry::Environ | Entry::Auxv | Entry::Stat)
    }
}

/// Closes a descriptor that the guest doesn't know.
struct Fd(u64);

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = host(libc::SYS_close, [self.0, 0, 0, 0, 0, 0]);
    }
}

fn openat(dirfd: u64, path: &[u8], flags: i32) -> Result<u64, Errno> {
    let path = CString::new(path).map_err(|_| Errno::ENOENT)?;
    host(libc::SYS_openat, [dirfd, path.as_ptr() as u64, flags as u64, 0, 0, 0])
}

fn read_link(path: &[u8]) -> Result<Vec<u8>, Errno> {
    let path = CString::new(path).map_err(|_| Errno::ENOENT)?;
    let mut text = vec![0; 4096];
    let (at, room) = (text.as_mut_ptr() as u64, text.len() as u64);
    let n = host(libc::SYS_readlinkat, [libc::AT_FDCWD as u64, path.as_ptr() as u64, at, room, 0, 0])?;
    text.truncate(n as usize);
    Ok(text)
}

/// Whether a descriptor is of a file on procfs.
pub(super) fn on_procfs(fd: u64) -> bool {
    let mut buf = [0i64; 16];
    host(libc::SYS_fstatfs, [fd, buf.as_mut_ptr() as u64, 0, 0, 0, 0]).is_ok() && buf[0] == PROC_SUPER_MAGIC
}

/// Which of our files a path names, by way of the kernel's own name for what is there.
fn find(dirfd: i32, path: &[u8]) -> Option<Entry> {
    Entry::named(path.rsplit(|&b| b == b'/').next()?)?;
    let fd = Fd(openat(dirfd as u64, path, libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC).ok()?);
    if !on_procfs(fd.0) {
        return None;
    }
    let canonical = read_link(format!("/proc/self/fd/{}", fd.0).as_bytes()).ok()?;
    Entry::at(&canonical, &read_link(b"/proc/self").ok()?)
}

/// Open a file of /proc whose contents the runtime makes up. `flags` are the host's.
pub fn open(ctx: &mut Ctx<'_>, dirfd: i32, path: &[u8], flags: i32) -> Option<SysResult> {
    let entry = find(dirfd, path)?;
    let process = ctx.thread.process.clone();
    if flags & libc::O_PATH != 0 && !matches!(entry, Entry::Exe | Entry::OthersExe) || entry.published() && process.published {
        return None;
    }
    Some(match entry {
        Entry::Exe | Entry::OthersExe if flags & libc::O_NOFOLLOW != 0 => return None,
        Entry::Exe => openat(libc::AT_FDCWD as u64, &process.exe, flags).map_err(Into::into),
        Entry::OthersExe => openat(libc::AT_FDCWD as u64, &other::exe(dirfd, path)?, flags).map_err(Into::into),
        _ => replace(ctx.thread, entry, dirfd, path, flags).map_err(Into::into),
    })
}

/// Text of a link of /proc that shows the guest's own.
pub fn readlink(ctx: &mut Ctx<'_>, dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    match find(dirfd, path)? {
        Entry::Exe => Some(ctx.thread.process.exe.clone()),
        Entry::OthersExe => other::exe(dirfd, path),
        _ => None,
    }
}

/// Open the real file, and put a memory file with the guest's contents in its place.
fn replace(thread: &Thread, entry: Entry, dirfd: i32, path: &[u8], flags: i32) -> Result<u64, Errno> {
    let fd = openat(dirfd as u64, path, flags)?;
    match contents(thread, entry, fd).and_then(|text| memory_file(path, &text, fd, flags)) {
        Ok(()) => Ok(fd),
        Err(e) => {
            drop(Fd(fd));
            Err(e)
        }
    }
}

/// Make `fd` a read-only memory file.
fn memory_file(path: &[u8], text: &[u8], fd: u64, flags: i32) -> Result<(), Errno> {
    let name = CString::new(path.rsplit(|&b| b == b'/').next().unwrap_or(path)).unwrap_or_default();
    let file = Fd(host(libc::SYS_memfd_create, [name.as_ptr() as u64, libc::MFD_CLOEXEC as u64, 0, 0, 0, 0])?);
    let mut rest = text;
    while !rest.is_empty() {
        let n = host(libc::SYS_write, [file.0, rest.as_ptr() as u64, rest.len() as u64, 0, 0, 0])?;
        rest = &rest[n as usize..];
    }
    let reopened =
        openat(libc::AT_FDCWD as u64, format!("/proc/self/fd/{}", file.0).as_bytes(), libc::O_RDONLY | libc::O_CLOEXEC)?;
    let reopened = Fd(reopened);
    host(libc::SYS_dup3, [reopened.0, fd, (flags & libc::O_CLOEXEC) as u64, 0, 0, 0])?;
    Ok(())
}

fn read_all(fd: u64) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    let mut piece = vec![0u8; 1 << 16];
    loop {
        match host(libc::SYS_read, [fd, piece.as_mut_ptr() as u64, piece.len() as u64, 0, 0, 0])? {
            0 => return Ok(text),
            n => text.extend_from_slice(&piece[..n as usize]),
        }
    }
}

fn contents(thread: &Thread, entry: Entry, fd: u64) -> Result<Vec<u8>, Errno> {
    let process = &*thread.process;
    Ok(match entry {
        Entry::Maps => [maps::maps(&thread.mem, &read_all(fd)?), process.abi.maps_end.into()].concat(),
        Entry::Smaps => maps::smaps(&thread.mem, &read_all(fd)?),
        Entry::Cmdline => cmdline(process),
        Entry::Environ => area(&process.areas.env),
        Entry::Auxv => auxv(process),
        Entry::Stat => stat(thread, &read_all(fd)?),
        Entry::Status => status(thread, &read_all(fd)?),
        Entry::Cpuinfo => (process.abi.cpuinfo)(process, &read_all(fd)?),
        Entry::Arch => format!("{}\n", process.abi.machine).into_bytes(),
        Entry::Exe | Entry::OthersExe => Vec::new(),
    })
}

/// The text of /proc/self/maps as the thread's process sees it; `None` where /proc is not there.
pub fn own_maps(thread: &Thread) -> Option<Vec<u8>> {
    let fd = Fd(openat(libc::AT_FDCWD as u64, b"/proc/self/maps", libc::O_RDONLY | libc::O_CLOEXEC).ok()?);
    if !on_procfs(fd.0) {
        return None;
    }
    Some(maps::maps(&thread.mem, &read_all(fd.0).ok()?))
}

/// The numbers of the CPUs that a host's /proc/cpuinfo lists.
pub fn processors(text: &[u8]) -> Vec<u32> {
    let number = |line: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim_end() == "processor").then(|| value.trim().parse().ok())?
    };
    String::from_utf8_lossy(text).lines().filter_map(number).collect()
}

/// What is now in a part of the guest's initial stack.
fn area(range: &Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
    match GuestAddr(range.start).read_bytes(&mut bytes) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// The arguments as they are now. A program that has overwritten the last NUL has a title that may reach into the environment.
fn cmdline(process: &Process) -> Vec<u8> {
    let Areas { args, env, .. } = &process.areas;
    if args.is_empty() {
        return process.argv.iter().flat_map(|a| a.iter().copied().chain([0])).collect();
    }
    let text = area(args);
    if text.last() == Some(&0) || env.start != args.end {
        return text;
    }
    let mut text = area(&(args.start..env.end));
    if let Some(end) = text.iter().position(|&b| b == 0) {
        text.truncate(end);
    }
    text
}

/// The auxiliary vector as bytes.
pub(crate) fn auxv(process: &Process) -> Vec<u8> {
    process.auxv.iter().flat_map(|&(k, v)| [k.to_ne_bytes(), v.to_ne_bytes()]).flatten().collect()
}

/// Addresses in /proc/PID/stat, counted from 1 as in proc(5).
fn stat(thread: &Thread, text: &[u8]) -> Vec<u8> {
    let areas = &thread.process.areas;
    let heap = thread.mem.heap().start;
    let fields = [
        (26, areas.code.start),
        (27, areas.code.end),
        (28, areas.stack),
        (45, areas.data.start),
        (46, areas.data.end),
        (47, heap),
        (48, areas.args.start),
        (49, areas.args.end),
        (50, areas.env.start),
        (51, areas.env.end),
    ];
    // The second field is the name in parentheses, and may hold anything.
    let Some(close) = text.iter().rposition(|&b| b == b')') else { return text.to_vec() };
    let (head, tail) = text.split_at(close + 1);
    let mut words: Vec<String> = String::from_utf8_lossy(tail).split_ascii_whitespace().map(str::to_string).collect();
    for (field, value) in fields {
        // The kernel shows zeros to who may not know.
        if let Some(word) = words.get_mut(field - 3).filter(|w| *w != "0") {
            *word = value.to_string();
        }
    }
    [head, b" ", words.join(" ").as_bytes(), b"\n"].concat()
}

/// The guest's mode and its filters besides those that confine this process on the host.
fn seccomp_line(thread: &Thread, line: &[u8]) -> Vec<u8> {
    let Some((mode, filters)) = thread.seccomp.shown() else { return line.to_vec() };
    match line.strip_prefix(b"Seccomp_filters:\t") {
        Some(n) => {
            let hosts: usize = std::str::from_utf8(n).ok().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
            format!("Seccomp_filters:\t{}\n", hosts + filters).into_bytes()
        }
        None => format!("Seccomp:\t{mode}\n").into_bytes(),
    }
}

/// The guest's dispositions (the runtime catches more), and nothing that only the host's architecture has.
fn status(thread: &Thread, text: &[u8]) -> Vec<u8> {
    let (mut ignored, mut caught) = (0u64, 0u64);
    let mut actions = thread.actions.lock().unwrap_or_else(|e| e.into_inner());
    for sig in 1..=64 {
        let action = actions.get(sig);
        ignored |= u64::from(action.is_ignore()) << (sig - 1);
        caught |= u64::from(!action.is_ignore() && !action.is_default()) << (sig - 1);
    }
    drop(actions);
    let mut out = Vec::with_capacity(text.len());
    let foreign = thread.process.abi.arch != crate::host::ABI.arch;
    for line in text.split_inclusive(|&b| b == b'\n') {
        match line {
            l if foreign && l.starts_with(b"x86_") => {}
            l if l.starts_with(b"Seccomp") => out.extend_from_slice(&seccomp_line(thread, l)),
            l if l.starts_with(b"SigIgn:") => out.extend_from_slice(format!("SigIgn:\t{ignored:016x}\n").as_bytes()),
            l if l.starts_with(b"SigCgt:") => out.extend_from_slice(format!("SigCgt:\t{caught:016x}\n").as_bytes()),
            l => out.extend_from_slice(l),
        }
    }
    out
}
