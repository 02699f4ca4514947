//! Files: open flags and `struct stat`.

use crate::ptr::Plain;

/// Bits 14 and 15 of the open flags: arm64's O_DIRECTORY and O_NOFOLLOW, amd64's O_DIRECT and O_LARGEFILE.
const LOW_PAIR: u64 = 0o140000;

/// Open flags between arm64's and amd64's numbering. The two differ by an exchange of neighbouring pairs (O_DIRECTORY, O_NOFOLLOW) and
/// (O_DIRECT, O_LARGEFILE), so the same function serves both ways; all other bits, unknown ones included, stay.
pub const fn open_flags(flags: u64) -> u64 {
    flags & !(LOW_PAIR | LOW_PAIR << 2) | (flags & LOW_PAIR) << 2 | (flags >> 2) & LOW_PAIR
}

/// `struct stat` of arm64 (the generic one): 128 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: u64,
    pub pad1: u64,
    pub size: i64,
    pub blksize: i32,
    pub pad2: i32,
    pub blocks: i64,
    pub atime: i64,
    pub atime_nsec: u64,
    pub mtime: i64,
    pub mtime_nsec: u64,
    pub ctime: i64,
    pub ctime_nsec: u64,
    pub unused: [u32; 2],
}

// SAFETY: integers without implicit padding, in the guest's layout.
unsafe impl Plain for Stat {}

#[cfg(target_arch = "x86_64")]
impl From<&libc::stat> for Stat {
    fn from(s: &libc::stat) -> Stat {
        Stat {
            dev: s.st_dev,
            ino: s.st_ino,
            mode: s.st_mode,
            nlink: s.st_nlink as u32,
            uid: s.st_uid,
            gid: s.st_gid,
            rdev: s.st_rdev,
            size: s.st_size,
            blksize: s.st_blksize as i32,
            blocks: s.st_blocks,
            atime: s.st_atime,
            atime_nsec: s.st_atime_nsec as u64,
            mtime: s.st_mtime,
            mtime_nsec: s.st_mtime_nsec as u64,
            ctime: s.st_ctime,
            ctime_nsec: s.st_ctime_nsec as u64,
            ..Stat::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// The values of arm64's `asm/fcntl.h`.
    const DIRECTORY: u64 = 0o40000;
    const NOFOLLOW: u64 = 0o100000;
    const DIRECT: u64 = 0o200000;
    const LARGEFILE: u64 = 0o400000;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn open_flags_become_the_hosts() {
        // What the host's C library calls O_LARGEFILE is 0 on 64 bits; the kernel's value is in asm-generic/fcntl.h.
        let pairs = [
            (DIRECTORY, libc::O_DIRECTORY),
            (NOFOLLOW, libc::O_NOFOLLOW),
            (DIRECT, libc::O_DIRECT),
            (LARGEFILE, 0o100000),
            (0o20000000 | DIRECTORY, libc::O_TMPFILE),
            (0o10000000, libc::O_PATH),
            (0o2000000, libc::O_CLOEXEC),
            (0o1000000, libc::O_NOATIME),
            (0o4010000, libc::O_SYNC),
            (0o20000, libc::O_ASYNC),
        ];
        for (guest, host) in pairs {
            assert_eq!(open_flags(guest), host as u64, "{guest:o}");
            assert_eq!(open_flags(host as u64), guest, "{host:o}");
        }
        assert_eq!(open_flags(u64::MAX), u64::MAX);
    }

    #[test]
    fn stat_has_arm64s_layout() {
        assert_eq!(size_of::<Stat>(), 128);
        assert_eq!(offset_of!(Stat, mode), 16);
        assert_eq!(offset_of!(Stat, nlink), 20);
        assert_eq!(offset_of!(Stat, rdev), 32);
        assert_eq!(offset_of!(Stat, size), 48);
        assert_eq!(offset_of!(Stat, blksize), 56);
        assert_eq!(offset_of!(Stat, blocks), 64);
        assert_eq!(offset_of!(Stat, ctime_nsec), 112);
    }
}
