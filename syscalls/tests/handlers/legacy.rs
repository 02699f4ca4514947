//! The calls that only amd64 has, against the host's own calls of the same numbers: a script of calls in a folder of its own must answer the same. On
//! other hosts it must only work.

use crate::common::{at, err, out, path, Guest, BAD};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use syscalls::{amd64, sys};

/// Makes a call by name.
type Call<'a> = &'a mut dyn FnMut(&str, &[u64]) -> i64;

fn padded(args: &[u64]) -> [u64; 6] {
    std::array::from_fn(|i| args.get(i).copied().unwrap_or(0))
}

/// Run a script by the guest's calls and, if the host has them, by its own. What it returns must be the same.
fn same(script: impl Fn(Call<'_>, &Path) -> Vec<String>) {
    let folder = |kind: &str| {
        let name = format!("rf-legacy-{}-{:?}-{kind}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let mut guest = Guest::new(&amd64::ABI, -1);
    let ours = folder("ours");
    let got = script(&mut |name, args| guest.call(name, padded(args)), &ours);
    fs::remove_dir_all(&ours).unwrap();
    assert!(!got.iter().any(|line| line.ends_with(&format!(" {}", err(libc::ENOSYS)))), "{got:#?}");
    if cfg!(target_arch = "x86_64") {
        let theirs = folder("host");
        let number = |name: &str| amd64::ABI.table.rows().find(|(_, row)| row.name == name).unwrap().0 as i64;
        // SAFETY: the script passes its own memory, or addresses where there is nothing.
        let expected = script(&mut |name, args| unsafe { sys::raw(number(name), padded(args)) }, &theirs);
        fs::remove_dir_all(&theirs).unwrap();
        // What the host's kernel was built without tells nothing.
        let known = |line: &String| !line.ends_with(&format!(" {}", err(libc::ENOSYS)));
        let kept: Vec<bool> = expected.iter().map(known).collect();
        let keep = |lines: Vec<String>| lines.into_iter().zip(&kept).filter(|(_, k)| **k).map(|(l, _)| l).collect::<Vec<_>>();
        assert_eq!((got.len(), keep(got)), (expected.len(), keep(expected.clone())));
    }
}

/// Notes each call with its result.
struct Log<'a> {
    call: Call<'a>,
    lines: Vec<String>,
}

impl Log<'_> {
    fn call(&mut self, name: &str, args: &[u64]) -> i64 {
        let result = (self.call)(name, args);
        self.lines.push(format!("{name} {result}"));
        result
    }
    /// The same for a descriptor, whose number doesn't matter.
    fn open(&mut self, name: &str, args: &[u64]) -> u64 {
        let result = (self.call)(name, args);
        self.lines.push(format!("{name} {}", result.min(0)));
        result as u64
    }
    fn note(&mut self, what: impl std::fmt::Debug) {
        self.lines.push(format!("{what:?}"));
    }
    fn close(&mut self, fd: u64) {
        (self.call)("close", &[fd]);
    }
}

#[test]
fn files_by_path() {
    same(|call, dir| {
        let mut log = Log { call, lines: Vec::new() };
        let in_dir = |name: &str| path(dir.join(name).to_str().unwrap());
        let [a, b, sub, link, pipe, none] = ["a", "b", "sub", "link", "pipe", "none"].map(in_dir);
        let p = |s: &std::ffi::CString| s.as_ptr() as u64;
        let fd = log.open("creat", &[p(&a), 0o640]);
        log.close(fd);
        let fd = log.open("open", &[p(&b), (libc::O_CREAT | libc::O_EXCL | libc::O_RDWR) as u64, 0o600]);
        log.close(fd);
        log.open("open", &[p(&b), (libc::O_CREAT | libc::O_EXCL) as u64, 0o600]);
        log.open("open", &[p(&b), amd64::ABI.open.directory]);
        log.open("open", &[BAD, 0]);
        for (name, args) in [
            ("mkdir", vec![p(&sub), 0o750]),
            ("mkdir", vec![p(&sub), 0o750]),
            ("symlink", vec![p(&a), p(&link)]),
            ("symlink", vec![BAD, p(&link)]),
            ("mknod", vec![p(&pipe), libc::S_IFIFO as u64 | 0o600, 0]),
            ("access", vec![p(&a), libc::R_OK as u64]),
            ("access", vec![p(&none), 0]),
            ("access", vec![p(&a), 99]),
            ("chmod", vec![p(&a), 0o604]),
            ("chmod", vec![p(&none), 0]),
            ("chown", vec![p(&link), 0, 0]),
            ("lchown", vec![p(&link), u64::MAX, u64::MAX]),
            ("lchown", vec![p(&none), 0, 0]),
            ("utime", vec![p(&a), at(&[1_000_000_000i64, 1_100_000_000])]),
            ("utime", vec![p(&b), 0]),
            ("utime", vec![p(&b), BAD]),
            ("utime", vec![p(&none), 0]),
        ] {
            log.call(name, &args);
        }
        let seen = |f: &str| fs::symlink_metadata(dir.join(f)).map(|m| (m.mode(), m.uid(), m.nlink())).ok();
        log.note(["a", "b", "sub", "link", "pipe"].map(seen));
        let m = fs::metadata(dir.join("a")).unwrap();
        log.note([m.atime(), m.mtime(), m.atime_nsec()]);
        for times in [[[5i64, 999_999], [6, 0]], [[5, 1_000_000], [6, 0]], [[5, -1], [6, 0]], [[-5, 1], [6, 7]]] {
            log.call("utimes", &[p(&a), at(&times)]);
            log.call("futimesat", &[libc::AT_FDCWD as u64, p(&b), at(&times)]);
            let m = fs::metadata(dir.join("a")).unwrap();
            log.note([m.atime(), m.atime_nsec(), m.mtime_nsec()]);
        }
        let fd = log.open("open", &[p(&b), libc::O_RDWR as u64]);
        log.call("futimesat", &[fd, 0, at(&[[7i64, 8], [9, 10]])]);
        log.call("futimesat", &[libc::AT_FDCWD as u64, 0, 0]);
        log.note(fs::metadata(dir.join("b")).unwrap().mtime_nsec());
        log.close(fd);
        let mut text = [0xaau8; 16];
        for size in [16, 4, 0] {
            log.call("readlink", &[p(&link), out(&mut text), size]);
        }
        log.note(text.starts_with(&dir.join("a").as_os_str().as_encoded_bytes()[..4]));
        for (name, args) in [
            ("readlink", vec![p(&a), out(&mut text), 16]),
            ("link", vec![p(&a), p(&none)]),
            ("link", vec![p(&a), p(&none)]),
            ("rename", vec![p(&none), p(&b)]),
            ("rename", vec![p(&none), p(&b)]),
            ("unlink", vec![p(&sub)]),
            ("rmdir", vec![p(&a)]),
            ("rmdir", vec![p(&sub)]),
            ("unlink", vec![p(&link)]),
            ("unlink", vec![p(&link)]),
        ] {
            log.call(name, &args);
        }
        log.note(fs::read_dir(dir).unwrap().count());
        log.lines
    });
}

#[test]
fn attributes_and_listings() {
    same(|call, _| {
        let mut log = Log { call, lines: Vec::new() };
        for name in ["/dev/null", "/usr/bin/env", "/", "/proc/version", "/nowhere", "/proc/self/cwd"] {
            let p = path(name);
            for call in ["stat", "lstat"] {
                let mut bytes = [0xaau8; 160];
                log.call(call, &[p.as_ptr() as u64, out(&mut bytes)]);
                // The times of files on procfs are those of the first look.
                log.note(if name.starts_with("/proc") { &bytes[144..] } else { &bytes[..] });
            }
            log.call("stat", &[p.as_ptr() as u64, BAD]);
        }
        let usr = path("/usr");
        for size in [30, 64, 200, 32768] {
            let fd = log.open("open", &[usr.as_ptr() as u64, 0]);
            loop {
                let mut bytes = vec![0xaau8; size];
                let n = log.call("getdents", &[fd, bytes.as_mut_ptr() as u64, size as u64]);
                // What lies between a name and the record's last byte is whatever was there.
                let mut rest = &bytes[..n.max(0) as usize];
                while !rest.is_empty() {
                    let len = u16::from_le_bytes([rest[16], rest[17]]) as usize;
                    let name = rest[18..len].split(|&b| b == 0).next().unwrap();
                    log.note((&rest[..18], name, rest[len - 1]));
                    rest = &rest[len..];
                }
                if n <= 0 {
                    break;
                }
            }
            log.close(fd);
        }
        log.call("getdents", &[u64::MAX, 0, 100]);
        log.lines
    });
}

#[test]
fn descriptors_and_waiting() {
    same(|call, _| {
        let mut log = Log { call, lines: Vec::new() };
        let mut fds = [0i32; 2];
        log.call("pipe", &[out(&mut fds)]);
        log.call("pipe", &[BAD]);
        let [r, w] = fds.map(|fd| fd as u64);
        let ready = log_ready(&mut log, r, w);
        log.note(ready);
        (log.call)("write", &[w, at(&7u8), 1]);
        let ready = log_ready(&mut log, r, w);
        log.note(ready);
        assert_eq!((log.call)("dup2", &[r, r]), r as i64);
        assert_eq!((log.call)("dup2", &[r, 983]), 983);
        for args in [[983, u64::MAX], [984, 984], [u64::MAX, 985], [u64::MAX, u64::MAX]] {
            log.call("dup2", &args);
        }
        log.close(983);
        for size in [1, 0, u64::MAX] {
            let fd = log.open("epoll_create", &[size]);
            log.close(fd);
        }
        let ep = log.open("epoll_create", &[1]);
        let event = [[1u8, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]];
        log.call("epoll_ctl", &[ep, libc::EPOLL_CTL_ADD as u64, r, at(&event)]);
        let mut events = [0xaau8; 36];
        log.call("epoll_wait", &[ep, out(&mut events), 3, 0]);
        log.note(events);
        log.call("epoll_wait", &[ep, out(&mut events), 0, 0]);
        log.call("epoll_wait", &[u64::MAX, out(&mut events), 1, 0]);
        let fd = log.open("eventfd", &[5]);
        let mut count = 0u64;
        log.call("read", &[fd, out(&mut count), 8]);
        log.note(count);
        log.close(fd);
        let fd = log.open("inotify_init", &[]);
        log.close(fd);
        let fd = log.open("signalfd", &[u64::MAX, at(&0u64), 8]);
        log.close(fd);
        log.open("signalfd", &[u64::MAX, at(&0u64), 4]);
        log.open("signalfd", &[r, at(&0u64), 8]);
        for fd in [ep, r, w] {
            log.close(fd);
        }
        log.lines
    });
}

/// What poll and select say of a pipe.
fn log_ready(log: &mut Log<'_>, r: u64, w: u64) -> (Vec<[u64; 2]>, Vec<i64>) {
    let mut polled = [r & 0xffff_ffff | 1 << 32, w & 0xffff_ffff | 4 << 32, 0xffff_ffff | 7 << 32];
    log.call("poll", &[out(&mut polled), 3, 10]);
    log.call("poll", &[BAD, 1, 0]);
    log.call("poll", &[0, 0, 1]);
    let ready = polled.iter().map(|p| [p >> 48, p >> 32 & 0xffff]).collect();
    let mut times = Vec::new();
    for time in [[0i64, 0], [0, 3000], [0, 1_000_000], [-1, 0], [0, -1], [1, -1], [50, 0]] {
        let (mut read, mut write) = ([0u64; 16], [0u64; 16]);
        read[r as usize / 64] |= 1 << (r % 64);
        write[w as usize / 64] |= 1 << (w % 64);
        let mut time = time;
        log.call("select", &[r.max(w) + 1, out(&mut read), out(&mut write), 0, out(&mut time)]);
        log.note((read[r as usize / 64] >> (r % 64) & 1, write[w as usize / 64] >> (w % 64) & 1));
        // What is left of the time is never more than there was.
        times.push(time[0].max(time[1] / 1_000_000));
    }
    let mut time = [0i64, 2000];
    log.call("select", &[0, 0, 0, 0, out(&mut time)]);
    times.extend(time);
    log.call("select", &[0, 0, 0, 0, BAD]);
    (ready, times.into_iter().map(|t| if t >= 49 { 49 } else { t }).collect())
}

#[test]
fn the_rest() {
    same(|call, _| {
        let mut log = Log { call, lines: Vec::new() };
        let mut seconds = 0i64;
        let now = (log.call)("time", &[out(&mut seconds)]);
        let then = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        assert!(now == seconds && (now - then).abs() <= 1, "{now} {seconds} {then}");
        log.call("time", &[BAD]);
        log.call("alarm", &[1 << 32 | 1000]);
        log.call("alarm", &[5]);
        log.call("alarm", &[0]);
        log.call("alarm", &[0]);
        // Less than half a second is not nothing.
        log.call("setitimer", &[libc::ITIMER_REAL as u64, at(&[0u64, 0, 0, 300_000]), 0]);
        log.call("alarm", &[0]);
        log.call("getpgrp", &[]);
        for (name, args) in
            [("ioperm", [0x80, 1, 0]), ("ioperm", [65535, 2, 0]), ("ioperm", [5, 0, 0]), ("ioperm", [5, u64::MAX, 0])]
        {
            log.call(name, &args);
        }
        log.call("iopl", &[0]);
        log.call("iopl", &[4]);
        for option in [0, 0x1000, 0x1005, 0x3001, 0x9999] {
            log.call("arch_prctl", &[option, 0]);
        }
        log.lines
    });
}

/// The host may not have them any more.
#[test]
fn file_systems() {
    let mut g = Guest::new(&amd64::ABI, -1);
    let proc = path("proc");
    let index = g.call("sysfs", [1, at(proc.as_bytes_with_nul())]);
    let mut name = [0xaau8; 8];
    assert_eq!(g.call("sysfs", [2, index as u64, out(&mut name)]), 0);
    assert_eq!(&name[..6], b"proc\0\xaa");
    let count = g.call("sysfs", [3]);
    assert!(index >= 0 && index < count);
    assert_eq!(g.call("sysfs", [2, count as u64, out(&mut name)]), err(libc::EINVAL));
    assert_eq!(g.call("sysfs", [1, at(c"nofs".to_bytes_with_nul())]), err(libc::EINVAL));
    assert_eq!(g.call("sysfs", [4]), err(libc::EINVAL));
    let dev = fs::metadata("/proc").unwrap().dev();
    let mut ours = [0xaau8; 40];
    assert_eq!(g.call("ustat", [dev, out(&mut ours)]), 0);
    assert_eq!(ours[32..], [0xaa; 8]);
    assert_eq!(g.call("ustat", [0xfffff, out(&mut ours)]), err(libc::EINVAL));
    #[cfg(target_arch = "x86_64")]
    {
        let mut theirs = [0xaau8; 40];
        // SAFETY: the kernel writes 32 bytes at most.
        let native = unsafe { sys::raw(136, [dev, out(&mut theirs), 0, 0, 0, 0]) };
        if native == 0 {
            assert_eq!(ours, theirs);
        }
        // SAFETY: asks only.
        let native = unsafe { sys::raw(139, [1, at(proc.as_bytes_with_nul()), 0, 0, 0, 0]) };
        assert!(native == index || native == err(libc::ENOSYS), "{native}");
    }
}
