//! arm64 file calls against what the host's own C library says about the same files.

use crate::common::{at, err, neg, out, path, Guest, BAD};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

const CLOSE_RANGE: u32 = 436;
const CLOSE: u32 = 57;
const DUP: u32 = 23;
const DUP3: u32 = 24;
const FCNTL: u32 = 25;
const FSTAT: u32 = 80;
const GETDENTS64: u32 = 61;
const IOCTL: u32 = 29;
const NEWFSTATAT: u32 = 79;
const OPENAT: u32 = 56;
const OPENAT2: u32 = 437;
const PIPE2: u32 = 59;
const READLINKAT: u32 = 78;

/// arm64's open flags.
const O_DIRECTORY: u64 = 0o40000;
const O_NOFOLLOW: u64 = 0o100000;
const O_DIRECT: u64 = 0o200000;
const O_LARGEFILE: u64 = 0o400000;
const O_PATH: u64 = 0o10000000;
const AT_FDCWD: u64 = neg(libc::AT_FDCWD as i64);

/// The 128 bytes of arm64's struct stat, taken apart at the offsets of its header.
fn check_stat(st: &[u8; 128], m: &fs::Metadata) {
    let word = |o: usize| u64::from_le_bytes(st[o..o + 8].try_into().unwrap());
    let half = |o: usize| u32::from_le_bytes(st[o..o + 4].try_into().unwrap());
    assert_eq!((word(0), word(8)), (m.dev(), m.ino()));
    assert_eq!((half(16), half(20)), (m.mode(), m.nlink() as u32));
    assert_eq!((half(24), half(28)), (m.uid(), m.gid()));
    assert_eq!((word(32), word(40)), (m.rdev(), 0));
    assert_eq!((word(48), half(56), half(60)), (m.size(), m.blksize() as u32, 0));
    assert_eq!(word(64), m.blocks());
    assert_eq!((word(72) as i64, word(80) as i64), (m.atime(), m.atime_nsec()));
    assert_eq!((word(88) as i64, word(96) as i64), (m.mtime(), m.mtime_nsec()));
    assert_eq!((word(104) as i64, word(112) as i64), (m.ctime(), m.ctime_nsec()));
    assert_eq!(word(120), 0);
}

#[test]
fn stat_is_the_guests() {
    let mut g = Guest::new(-1);
    for name in ["/dev/null", "/usr/bin/env", "/", "/proc/version"] {
        let (p, f, m) = (path(name), File::open(name).unwrap(), fs::metadata(name).unwrap());
        let mut st = [0xaa; 128];
        assert_eq!(g.call(NEWFSTATAT, [AT_FDCWD, p.as_ptr() as u64, out(&mut st), 0]), 0);
        check_stat(&st, &m);
        let mut st = [0xaa; 128];
        assert_eq!(g.call(FSTAT, [f.as_raw_fd() as u64, out(&mut st)]), 0);
        check_stat(&st, &m);
        // A tagged pointer.
        let mut st = [0xaa; 128];
        assert_eq!(g.call(FSTAT, [f.as_raw_fd() as u64, out(&mut st) | 0x5a << 56]), 0);
        check_stat(&st, &m);
    }
    let f = File::open("/").unwrap();
    assert_eq!(g.call(FSTAT, [f.as_raw_fd() as u64, BAD]), err(libc::EFAULT));
    assert_eq!(g.call(FSTAT, [neg(-1), BAD]), err(libc::EBADF));
    assert_eq!(g.call(NEWFSTATAT, [AT_FDCWD, BAD, BAD, 0]), err(libc::EFAULT));
}

#[test]
fn open_flags_go_in_and_come_out() {
    let mut g = Guest::new(-1);
    let dir = path("/usr");
    let fd = g.call(OPENAT, [AT_FDCWD, at(dir.as_bytes_with_nul()), O_PATH | O_DIRECTORY | O_NOFOLLOW]);
    assert!(fd >= 0);
    let fl = g.call(FCNTL, [fd as u64, libc::F_GETFL as u64]) as u64;
    assert_eq!(fl & 0o740000, O_DIRECTORY | O_NOFOLLOW);
    assert_eq!(g.call(CLOSE, [fd as u64]), 0);
    let file = path("/etc/passwd");
    assert_eq!(g.call(OPENAT, [AT_FDCWD, file.as_ptr() as u64, O_DIRECTORY]), err(libc::ENOTDIR));
    let fd = g.call(OPENAT, [AT_FDCWD, file.as_ptr() as u64, 0]);
    // The kernel adds O_LARGEFILE.
    assert_eq!(g.call(FCNTL, [fd as u64, libc::F_GETFL as u64]) as u64, O_LARGEFILE);
    g.call(CLOSE, [fd as u64]);
    let how = [O_DIRECTORY, 0, 0];
    assert_eq!(g.call(OPENAT2, [AT_FDCWD, file.as_ptr() as u64, at(&how), 24]), err(libc::ENOTDIR));
    assert_eq!(g.call(OPENAT2, [AT_FDCWD, file.as_ptr() as u64, at(&how), 16]), err(libc::EINVAL));
    assert_eq!(g.call(OPENAT2, [AT_FDCWD, file.as_ptr() as u64, at(&how), 4097]), err(libc::E2BIG));
    assert_eq!(g.call(OPENAT2, [AT_FDCWD, file.as_ptr() as u64, BAD, 24]), err(libc::EFAULT));
    let longer = [0u64, 0, 0, 0, 1];
    assert_eq!(g.call(OPENAT2, [AT_FDCWD, file.as_ptr() as u64, at(&longer), 40]), err(libc::E2BIG));
    let mut fds = [0i32; 2];
    assert_eq!(g.call(PIPE2, [out(&mut fds), O_DIRECT]), 0);
    assert_eq!(g.call(FCNTL, [fds[1] as u64, libc::F_GETFL as u64]) as u64 & 0o740000, O_DIRECT);
    // A pipe of packets takes the flag away, too.
    assert_eq!(g.call(FCNTL, [fds[1] as u64, libc::F_SETFL as u64, 0o4000]), 0);
    assert_eq!(g.call(FCNTL, [fds[1] as u64, libc::F_GETFL as u64]), 0o4001);
    assert_eq!(g.call(PIPE2, [out(&mut fds), O_DIRECTORY]), err(libc::EINVAL));
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
    let mut g = Guest::new(own);
    let (fd, ebadf) = (own as u64, err(libc::EBADF));
    let mut st = [0u8; 128];
    assert_eq!(g.call(CLOSE, [fd]), ebadf);
    assert_eq!(g.call(DUP, [fd]), ebadf);
    assert_eq!(g.call(DUP3, [fd, 901, 0]), ebadf);
    assert_eq!(g.call(DUP3, [0, fd, 0]), ebadf);
    assert_eq!(g.call(DUP3, [0, fd, 1]), err(libc::EINVAL));
    assert_eq!(g.call(DUP3, [fd, fd, 0]), err(libc::EINVAL));
    assert_eq!(g.call(FSTAT, [fd, out(&mut st)]), ebadf);
    assert_eq!(g.call(FCNTL, [fd, libc::F_GETFD as u64]), ebadf);
    assert_eq!(g.call(IOCTL, [fd, 0x5451]), ebadf);
    let empty = path("");
    assert_eq!(g.call(NEWFSTATAT, [fd, empty.as_ptr() as u64, out(&mut st), libc::AT_EMPTY_PATH as u64]), ebadf);
    for (first, last) in [(880, 920), (900, 920), (880, 900), (900, 900)] {
        let (below, above) = (high(890), high(910));
        assert_eq!(g.call(CLOSE_RANGE, [first, last, 0]), 0);
        assert!(is_open(own), "{first}..={last}");
        assert_eq!(is_open(below), first > 890);
        assert_eq!(is_open(above), last < 910);
        assert_eq!(g.call(CLOSE_RANGE, [first, last, 0x80]), err(libc::EINVAL));
    }
    let fds = path("/proc/self/fd");
    let dir = g.call(OPENAT, [AT_FDCWD, fds.as_ptr() as u64, O_DIRECTORY]);
    for size in [64, 100, 4096] {
        // SAFETY: rewinds.
        unsafe { libc::lseek(dir as i32, 0, libc::SEEK_SET) };
        let names = list(&mut g, dir as u64, size);
        assert!(!names.contains(&"900".into()), "{names:?}");
        assert!(names.contains(&dir.to_string()) && names.contains(&"..".into()), "{names:?}");
    }
    g.call(CLOSE, [dir as u64]);
    // A file of the same name elsewhere is listed.
    let tmp = std::env::temp_dir().join(format!("rf-fd-{}", std::process::id()));
    fs::create_dir(&tmp).unwrap();
    File::create(tmp.join("900")).unwrap();
    let dir = File::open(&tmp).unwrap();
    assert!(list(&mut g, dir.as_raw_fd() as u64, 4096).contains(&"900".into()));
    fs::remove_dir_all(&tmp).unwrap();
}

fn list(g: &mut Guest, dir: u64, size: usize) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let mut buf = vec![0u8; size];
        let n = g.call(GETDENTS64, [dir, buf.as_mut_ptr() as u64, size as u64]);
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
    let mut g = Guest::new(-1);
    let link = path("/proc/self/cwd");
    let cwd = std::env::current_dir().unwrap();
    let mut buf = [0u8; 256];
    let n = g.call(READLINKAT, [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 256]);
    assert_eq!(&buf[..n as usize], cwd.as_os_str().as_encoded_bytes());
    assert_eq!(g.call(READLINKAT, [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 3]), 3);
    assert_eq!(g.call(READLINKAT, [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), 0]), err(libc::EINVAL));
    assert_eq!(g.call(READLINKAT, [AT_FDCWD, link.as_ptr() as u64, out(&mut buf), neg(-1)]), err(libc::EINVAL));
}

#[test]
fn open_flags_inside_other_calls() {
    let mut g = Guest::new(-1);
    // SAFETY: opens a pseudo-terminal and unlocks its other side.
    let master = unsafe {
        let fd = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY);
        assert_eq!(libc::unlockpt(fd), 0);
        fd as u64
    };
    const TIOCGPTPEER: u64 = 0x5441;
    let slave = g.call(IOCTL, [master, TIOCGPTPEER, libc::O_RDWR as u64 | libc::O_NOCTTY as u64 | O_LARGEFILE]);
    assert!(slave >= 0);
    assert_eq!(g.call(FCNTL, [slave as u64, libc::F_GETFL as u64]) as u64 & 0o740000, O_LARGEFILE);
    let mut termios = [0u8; 36];
    assert_eq!(g.call(IOCTL, [slave as u64, libc::TCGETS, out(&mut termios) | 0x77 << 56]), 0);
    // c_cc[VINTR] behind four flag words and the line discipline.
    assert_eq!(termios[17], 3);
    // KVM_GET_API_VERSION and UFFDIO_API know no terminal, and no virtual machine of ours either.
    assert_eq!(g.call(IOCTL, [slave as u64, 0xae00, 0]), err(libc::ENOTTY));
    assert_eq!(g.call(IOCTL, [neg(-1), 0xae00, 0]), err(libc::EBADF));
    g.call(CLOSE, [slave as u64]);
    g.call(CLOSE, [master]);
    const FANOTIFY_INIT: u32 = 262;
    let fan = g.call(FANOTIFY_INIT, [0, O_LARGEFILE]);
    assert!(fan >= 0 || fan == err(libc::EPERM) || fan == err(libc::ENOSYS), "{fan}");
    assert_eq!(g.call(FANOTIFY_INIT, [0, O_NOFOLLOW]) == err(libc::EINVAL), fan >= 0);
    g.call(CLOSE, [fan as u64]);
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
        assert_eq!(Guest::new(own).call(DUP3, [neg(old), neg(new), 0]), expect, "own {own}: dup3({old}, {new})");
    }
}
