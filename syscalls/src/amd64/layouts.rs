//! Structures as an amd64 kernel lays them out.

use crate::abi::{IpcPerm, SemidDs};
use crate::ptr::Plain;
use crate::{Errno, GuestAddr};

/// `struct stat`: 144 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stat {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    pad: u32,
    rdev: u64,
    size: i64,
    blksize: i64,
    blocks: i64,
    atime: i64,
    atime_nsec: u64,
    mtime: i64,
    mtime_nsec: u64,
    ctime: i64,
    ctime_nsec: u64,
    unused: [u64; 3],
}
// SAFETY: integers without implicit padding.
unsafe impl Plain for Stat {}

// The host's types differ from architecture to architecture.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
pub(super) fn write_stat(at: GuestAddr, s: &libc::stat) -> Result<(), Errno> {
    at.write(Stat {
        dev: s.st_dev,
        ino: s.st_ino,
        nlink: s.st_nlink.into(),
        mode: s.st_mode,
        uid: s.st_uid,
        gid: s.st_gid,
        rdev: s.st_rdev,
        size: s.st_size,
        blksize: s.st_blksize.into(),
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

/// `struct semid64_ds`: a word of padding behind each time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Semid {
    perm: IpcPerm,
    otime: i64,
    unused1: u64,
    ctime: i64,
    unused2: u64,
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
    at.write(Semid { perm: s.perm, otime: s.otime, ctime: s.ctime, nsems: s.nsems, ..Semid::default() })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn layouts_are_the_c_librarys() {
        macro_rules! same { ($ours:ty, $theirs:ty: $($field:ident $name:ident),*) => {
            assert_eq!(size_of::<$ours>(), size_of::<$theirs>());
            $(assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $name), stringify!($name));)*
        } }
        same!(Stat, libc::stat: dev st_dev, ino st_ino, nlink st_nlink, mode st_mode, uid st_uid, gid st_gid, rdev st_rdev, size st_size,
            blksize st_blksize, blocks st_blocks, atime st_atime, atime_nsec st_atime_nsec, mtime st_mtime, mtime_nsec st_mtime_nsec,
            ctime st_ctime, ctime_nsec st_ctime_nsec);
        // The bindings of musl don't have it; tests/handlers/ipc.rs asks the kernel.
        #[cfg(target_env = "gnu")]
        same!(Semid, libc::semid_ds: perm sem_perm, otime sem_otime, ctime sem_ctime, nsems sem_nsems);
    }
}
