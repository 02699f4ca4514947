//! The name that `core_pattern` gives a core file (core(5)).

use crate::thread::Task;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use syscalls::sys;
use syscalls::topics::signal::SigInfo;

/// The kernel's limit.
const MOST: usize = 4096;

/// Where to write; `None` where no file is to be written.
pub fn of(task: &Task, info: &SigInfo, limit: u64) -> Option<PathBuf> {
    let read = |name: &str| std::fs::read(format!("/proc/sys/kernel/{name}")).ok();
    let pattern = read("core_pattern")?;
    let pattern = pattern.strip_suffix(b"\n").unwrap_or(&pattern);
    if pattern.is_empty() || matches!(pattern[0], b'|' | b'@') {
        return None;
    }
    let uses_pid = read("core_uses_pid").is_some_and(|v| v.first() != Some(&b'0'));
    let name = expand(pattern, uses_pid, &|c| value(c, task, info, limit));
    (!name.is_empty() && name.len() < MOST).then(|| PathBuf::from(OsString::from_vec(name)))
}

/// The pattern with its specifiers replaced; without `%p` in it, the pid may follow.
fn expand(pattern: &[u8], uses_pid: bool, value: &dyn Fn(u8) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut has_pid = false;
    let mut rest = pattern.iter();
    while let Some(&c) = rest.next() {
        match (c, if c == b'%' { rest.next() } else { None }) {
            (b'%', None) => break,
            (b'%', Some(b'%')) => out.push(b'%'),
            (b'%', Some(&what)) => {
                has_pid |= what == b'p';
                out.extend(value(what));
            }
            _ => out.push(c),
        }
    }
    if uses_pid && !has_pid {
        out.push(b'.');
        out.extend(value(b'p'));
    }
    out
}

/// What a specifier stands for; nothing for one that is not known.
fn value(what: u8, task: &Task, info: &SigInfo, limit: u64) -> Vec<u8> {
    // SAFETY: asks for a number.
    let ask = |nr: i64| unsafe { sys::raw(nr, [0; 6]) }.to_string().into_bytes();
    let exe = &task.thread.process.exe;
    match what {
        b'p' | b'P' => ask(libc::SYS_getpid),
        b'i' | b'I' => task.thread.tid.to_string().into_bytes(),
        b'u' => ask(libc::SYS_getuid),
        b'g' => ask(libc::SYS_getgid),
        b'd' => b"1".to_vec(),
        b's' => info.signo.to_string().into_bytes(),
        b't' => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(0, |d| d.as_secs()).to_string().into_bytes()
        }
        b'h' => flat(&std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default()),
        b'e' => flat(&std::fs::read("/proc/thread-self/comm").unwrap_or_default()),
        b'f' => flat(exe.rsplit(|&b| b == b'/').next().unwrap_or_default()),
        b'E' => flat(exe),
        b'c' => limit.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

/// A name that leads into no folder.
fn flat(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    match name {
        b"" => b"!".to_vec(),
        b"." => b"!".to_vec(),
        b".." => b"!.".to_vec(),
        name => name.iter().map(|&b| if b == b'/' { b'!' } else { b }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_expand_as_the_kernel_expands_them() {
        let value = |c: u8| format!("<{}>", c as char).into_bytes();
        let text = |p: &str, uses_pid| String::from_utf8(expand(p.as_bytes(), uses_pid, &value)).unwrap();
        assert_eq!(text("core", false), "core");
        assert_eq!(text("core", true), "core.<p>");
        assert_eq!(text("/var/%e-%p%%.core", true), "/var/<e>-<p>%.core");
        assert_eq!(text("core.%", false), "core.");
        assert_eq!(flat(b"/usr/bin/a"), b"!usr!bin!a");
        assert_eq!(flat(b"..\n"), b"!.");
    }
}
