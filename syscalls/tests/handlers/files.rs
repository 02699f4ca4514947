//! File calls of both guests against what the host's own C library says about the same files.

use crate::common::{at, err, guests, neg, out, path, Guest, BAD};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use syscalls::{Abi, Arch};

const O_PATH: u64 = libc::O_PATH as u64;
const AT_FDCWD: u64 = neg(libc::AT_FDCWD as i64);

/// Room for any `struct stat`.
type Stat = [u8; 144];

/// The guest's `struct stat`, taken apart at the offsets of its header, and nothing written behind it.
fn check_stat(abi: &Abi, st: &Stat, m: &fs::Metadata) {
    let word = |o: usize| u64::from_le_bytes(st[o..o + 8].try_into().unwrap());
    let half = |o: usize| u32::from_le_bytes(st[o..o + 4].try_into().unwrap());
    assert_eq!((word(0), word(8)), (m.dev(), m.ino()));
    // Where the mode is, the size, and the times.
    let (mode, size, times) = match abi.arch {
        Arch::Arm64 => {
            assert_eq!((half(20), word(32), word(40)), (m.nlink() as u32, m.rdev(), 0));
            assert_eq!((half(56), half(60), word(64)), (m.blksize() as u32, 0, m.blocks()));
            assert_eq!((word(120), word(128)), (0, 0xaaaa_aaaa_aaaa_aaaa));
            (16, 48, 72)
        }
        Arch::Amd64 => {
            assert_eq!((word(16), half(36), word(40)), (m.nlink(), 0, m.rdev()));
            assert_eq!((word(56), word(64)), (m.blksize(), m.blocks()));
            assert_eq!((word(120), word(128), word(136)), (0, 0, 0));
            (24, 48, 72)
        }
    };
    assert_eq!((half(mode), word(size)), (m.mode(), m.size()));
    let ids = if abi.arch == Arch::Arm64 { mode + 8 } else { mode + 4 };
    assert_eq!((half(ids), half(ids + 4)), (m.uid(), m.gid()));
    let time = |o: usize| (word(o) as i64, word(o + 8) as i64);
    assert_eq!(time(times), (m.atime(), m.atime_nsec()));
    assert_eq!(time(times + 16), (m.mtime(), m.mtime_nsec()));
    assert_eq!(time(times + 32), (m.ctime(), m.ctime_nsec()));
}

#[test]
fn stat_is_the_guests() {
    for mut g in guests(-1) {
        for name in ["/dev/null", "/usr/bin/env", "/", "/proc/version"] {
            let (p, f, m) = (path(name), File::open(name).unwrap(), fs::metadata(name).unwrap());
            let mut st: Stat = [0xaa; 144];
            assert_eq!(g.call("newfstatat", [AT_FDCWD, p.as_ptr() as u64, out(&mut st), 0]), 0);
            check_stat(g.abi, &st, &m);
            let mut st: Stat = [0xaa; 144];
            assert_eq!(g.call("fstat", [f.as_raw_fd() as u64, out(&mut st)]), 0);
            check_stat(g.abi, &st, &m);
            // A tagged pointer.
            let mut st: Stat = [0xaa; 144];
            let tagged = g.call("fstat", [f.as_raw_fd() as u64, out(&mut st) | 0x5a << 56]);
            if g.abi.tag != 0 {
                assert_eq!(tagged, 0);
                check_stat(g.abi, &st, &m);
            } else {
                assert_eq!(tagged, err(libc::EFAULT));
            }
        }
        let f = File::open("/").unwrap();
        assert_eq!(g.call("fstat", [f.as_raw_fd() as u64, BAD]), err(libc::EFAULT));
        assert_eq!(g.call("fstat", [neg(-1), BAD]), err(libc::EBADF));
        assert_eq!(g.call("newfstatat", [AT_FDCWD, BAD, BAD, 0]), err(libc::EFAULT));
    }
}

#[test]
fn open_flags_go_in_and_come_out() {
    for mut g in guests(-1) {
        let dir = path("/usr");
        let fd = g.call("openat", [AT_FDCWD, at(dir.as_bytes_with_nul()), O_PATH | g.abi.open.directory | g.abi.open.nofollow]);
        assert!(fd >= 0);
        let fl = g.call("fcntl", [fd as u64, libc::F_GETFL as u64]) as u64;
        assert_eq!(fl & 0o740000, g.abi.open.directory | g.abi.open.nofollow);
        assert_eq!(g.call("close", [fd as u64]), 0);
        let file = path("/etc/passwd");
        assert_eq!(g.call("openat", [AT_FDCWD, file.as_ptr() as u64, g.abi.open.directory]), err(libc::ENOTDIR));
        let fd = g.call("openat", [AT_FDCWD, file.as_ptr() as u64, 0]);
        // The kernel adds g.abi.open.largefile.
        assert_eq!(g.call("fcntl", [fd as u64, libc::F_GETFL as u64]) as u64, g.abi.open.largefile);
        g.call("close", [fd as u64]);
        let how = [g.abi.open.directory, 0, 0];
        assert_eq!(g.call("openat2", [AT_FDCWD, file.as_ptr() as u64, at(&how), 24]), err(libc::ENOTDIR));
        assert_eq!(g.call("openat2", [AT_FDCWD, file.as_ptr() as u64, at(&how), 16]), err(libc::EINVAL));
        assert_eq!(g.call("openat2", [AT_FDCWD, file.as_ptr() as u64, at(&how), 4097]), err(libc::E2BIG));
        assert_eq!(g.call("openat2", [AT_FDCWD, file.as_ptr() as u64, BAD, 24]), err(libc::EFAULT));
        let longer = [0u64, 0, 0, 0, 1];
        assert_eq!(g.call("openat2", [AT_FDCWD, file.as_ptr() as u64, at(&longer), 40]), err(libc::E2BIG));
        let mut fds = [0i32; 2];
        assert_eq!(g.call("pipe2", [out(&mut fds), g.abi.open.direct]), 0);
        assert_eq!(g.call("fcntl", [fds[1] as u64, libc::F_GETFL as u64]) as u64 & 0o740000, g.abi.open.direct);
        // A pipe of packets takes the flag away, too.
        assert_eq!(g.call("fcntl", [fds[1] as u64, libc::F_SETFL as u64, 0o4000]), 0);
        assert_eq!(g.call("fcntl", [fds[1] as u64, libc::F_GETFL as u64]), 0o4001);
        assert_eq!(g.call("pipe2", [out(&mut fds), g.abi.open.directory]), err(libc::EINVAL));
    }
}

/// A copy of /dev/null at a number that no other test of this program uses.
fn high(fd: i32) -> i32 {
    let null = File::open("/dev/null").unwrap();
    // SAFETY: a number of our own.
    assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), fd) }, fd);
    fd
}

fn is_open(fd: i32) -> bool {
    // SAFETY: asks only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

#[test]
fn the_runtimes_descriptor_is_not_there() {
    let own = high(900);
    for mut g in guests(own) {
        let (fd, ebadf) = (own as u64, err(libc::EBADF));
        let mut st = [0u8; 128];
        assert_eq!(g.call("close", [fd]), ebadf);
        assert_eq!(g.call("dup", [fd]), ebadf);
        assert_eq!(g.call("dup3", [fd, 901, 0]), ebadf);
        assert_eq!(g.call("dup3", [0, fd, 0]), ebadf);
        assert_eq!(g.call("dup3", [0, fd, 1]), err(libc::EINVAL));
        assert_eq!(g.call("dup3", [fd, fd, 0]), err(libc::EINVAL));
        assert_eq!(g.call("fstat", [fd, out(&mut st)]), ebadf);
        assert_eq!(g.call("fcntl", [fd, libc::F_GETFD as u64]), ebadf);
        assert_eq!(g.call("ioctl", [fd, 0x5451]), ebadf);
        let empty = path("");
        assert_eq!(g.call("newfstatat", [fd, empty.as_ptr() as u64, out(&mut st), libc::AT_EMPTY_PATH as u64]), ebadf);
        for (first, last) in [(880, 920), (900, 920), (880, 900), (900, 900)] {
            let (below, above) = (high(890), high(910));
            assert_eq!(g.call("close_range", [first, last, 0]), 0);
            assert!(is_open(own), "{first}..={last}");
            assert_eq!(is_open(below), first > 890);
            assert_eq!(is_open(above), last < 910);
            assert_eq!(g.call("close_range", [first, last, 0x80]), err(libc::EINVAL));
        }
        let fds = path("/proc/self/fd");
        let dir = g.call("openat", [AT_FDCWD, fds.as_ptr() as u64, g.abi.open.directory]);
        for size in [64, 100, 4096] {
            // SAFETY: rewinds.
            unsafe { libc::lseek(dir as i32, 0, libc::SEEK_SET) };
            let names = list(&mut g, dir as u64, size);
            assert!(!names.contains(&"900".into()), "{names:?}");
            assert!(names.contains(&dir.to_string()) && names.contains(&"..".into()), "{names:?}");
        }
        g.call("close", [dir as u64]);
        // A file of the same name elsewhere is listed.
        let tmp = std::env::temp_dir().join(format!("rf-fd-{}", std::process::id()));
        fs::create_dir(&tmp).unwrap();
        File::create(tmp.join("900")).unwrap();
        let dir = File::open(&tmp).unwrap();
        assert!(list(&mut g, dir.as_raw_fd() as u64, 4096).contains(&"900".into()));
        fs::remove_dir_all(&tmp).unwrap();
    }
}

fn list(g: &mut Guest, dir: u64, size: usize) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let mut buf = vec![0u8; size];
        let n = g.call("getdents64", [dir, buf.as_mut_ptr() as u64, size as u64]);
        assert!(n >= 0, "{n}");
        if n == 0 {
            return names;
        }
        let mut rest = &buf[..n as usize];
        while !rest.is_empty() {
            let len = u16::from_le_bytes([rest[16], rest[17]]) as usize;
            let name = rest[19..len].split(|&b| b == 0).next().unwrap();
            names.push(String::from_utf8_lossy(name).into_owned());
            rest = &rest[len..];
        }
    }
}

#[test]
fn readlink_truncates() {
    for mut g in guests(-1) {
        let link = path("/proc/self/cwd");
        let cwd = std::env::current_dir().unwrap();
        let mut buf = [0u8; 256];
        let n = g.call("readlinkat", [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 256]);
        assert_eq!(&buf[..n as usize], cwd.as_os_str().as_encoded_bytes());
        assert_eq!(g.call("readlinkat", [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 3]), 3);
        assert_eq!(g.call("readlinkat", [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 0]), err(libc::EINVAL));
        assert_eq!(g.call("readlinkat", [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), neg(-1)]), err(libc::EINVAL));
    }
}

#[test]
fn open_flags_inside_other_calls() {
    for mut g in guests(-1) {
        // SAFETY: opens a pseudo-terminal and unlocks its other side.
        let master = unsafe {
            let fd = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
            assert_eq!(libc::unlockpt(fd), 0);
            fd as u64
        };
        const TIOCGPTPEER: u64 = 0x5441;
        let slave = g.call("ioctl", [master, TIOCGPTPEER, libc::O_RDWR as u64 | libc::O_NOCTTY as u64 | g.abi.open.largefile]);
        assert!(slave >= 0);
        assert_eq!(g.call("fcntl", [slave as u64, libc::F_GETFL as u64]) as u64 & 0o740000, g.abi.open.largefile);
        let mut termios = [0u8; 36];
        assert_eq!(g.call("ioctl", [slave as u64, libc::TCGETS as u64, out(&mut termios) | 0x77 << 56 & g.abi.tag]), 0);
        // c_cc[VINTR] behind four flag words and the line discipline.
        assert_eq!(termios[17], 3);
        // KVM_GET_API_VERSION and UFFDIO_API know no terminal, and no virtual machine of ours either.
        assert_eq!(g.call("ioctl", [slave as u64, 0xae00, 0]), err(libc::ENOTTY));
        assert_eq!(g.call("ioctl", [neg(-1), 0xae00, 0]), err(libc::EBADF));
        g.call("close", [slave as u64]);
        g.call("close", [master]);
        let fan = g.call("fanotify_init", [0, g.abi.open.largefile]);
        assert!(fan >= 0 || fan == err(libc::EPERM) || fan == err(libc::ENOSYS), "{fan}");
        assert_eq!(g.call("fanotify_init", [0, g.abi.open.nofollow]) == err(libc::EINVAL), fan >= 0);
        g.call("close", [fan as u64]);
    }
}

/// -1 was once taken for the runtime's descriptor where there was none, and dup3(-1, INT_MIN) for a dup3 of one descriptor to itself: EINVAL.
#[test]
fn bad_descriptors_are_refused_as_by_the_kernel() {
    let bad = [-1, -2, i64::from(i32::MIN), i64::from(i32::MAX)];
    for (own, old, new) in [-1, 999].into_iter().flat_map(|own| bad.into_iter().flat_map(move |a| bad.map(|b| (own, a, b)))) {
        // SAFETY: no descriptor has these numbers.
        let expect = match unsafe { libc::dup3(old as i32, new as i32, 0) } {
            -1 => err(std::io::Error::last_os_error().raw_os_error().unwrap()),
            fd => i64::from(fd),
        };
        for mut g in guests(own) {
            assert_eq!(g.call("dup3", [neg(old), neg(new), 0]), expect, "own {own}: dup3({old}, {new})");
        }
    }
}
