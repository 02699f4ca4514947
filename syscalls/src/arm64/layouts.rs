//! Structures as an arm64 kernel lays them out (most follow asm-generic).

use crate::abi::{IpcPerm, SemidDs};
use crate::ptr::Plain;
use crate::{Errno, GuestAddr};

/// `struct stat`: 128 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stat {
    dev: u64,
    ino: u64,
    mode: u32,
    nlink: u32,
    uid: u32,
    gid: u32,
    rdev: u64,
    pad1: u64,
    size: i64,
    blksize: i32,
    pad2: i32,
    blocks: i64,
    atime: i64,
    atime_nsec: u64,
    mtime: i64,
    mtime_nsec: u64,
    ctime: i64,
    ctime_nsec: u64,
    unused: [u32; 2],
}
// SAFETY: integers without implicit padding.
unsafe impl Plain for Stat {}

pub(super) fn write_stat(at: GuestAddr, s: &libc::stat) -> Result<(), Errno> {
    at.write(Stat {
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
    })
}

/// `struct semid64_ds`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Semid {
    perm: IpcPerm,
    otime: i64,
    ctime: i64,
    nsems: u64,
    unused: [u64; 2],
}
// SAFETY: integers without implicit padding.
unsafe impl Plain for Semid {}

pub(super) fn read_semaphores(at: GuestAddr) -> Result<SemidDs, Errno> {
    let Semid { perm, otime, ctime, nsems, .. } = at.read()?;
    Ok(SemidDs { perm, otime, ctime, nsems })
}

pub(super) fn write_semaphores(at: GuestAddr, s: &SemidDs) -> Result<(), Errno> {
    at.write(Semid { perm: s.perm, otime: s.otime, ctime: s.ctime, nsems: s.nsems, unused: [0; 2] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn stat_has_its_layout() {
        assert_eq!(size_of::<Stat>(), 128);
        assert_eq!(offset_of!(Stat, mode), 16);
        assert_eq!(offset_of!(Stat, nlink), 20);
        assert_eq!(offset_of!(Stat, rdev), 32);
        assert_eq!(offset_of!(Stat, size), 48);
        assert_eq!(offset_of!(Stat, blksize), 56);
        assert_eq!(offset_of!(Stat, blocks), 64);
        assert_eq!(offset_of!(Stat, ctime_nsec), 112);
    }

    #[test]
    fn semid_has_its_layout() {
        assert_eq!(size_of::<IpcPerm>(), 48);
        assert_eq!(size_of::<Semid>(), 88);
        assert_eq!(offset_of!(Semid, ctime), 56);
    }
}
