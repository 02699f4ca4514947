//! System V semaphores: `struct semid64_ds`. The other System V structures are the same on both sides.

use crate::ptr::Plain;

/// `struct ipc64_perm`, the same on arm64 and amd64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IpcPerm {
    pub key: u32,
    pub uid: u32,
    pub gid: u32,
    pub cuid: u32,
    pub cgid: u32,
    pub mode: u32,
    pub seq: u32,
    pub pad: u32,
    pub unused: [u64; 2],
}

/// `struct semid64_ds` of arm64 (the generic one).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SemidDs {
    pub perm: IpcPerm,
    pub otime: i64,
    pub ctime: i64,
    pub nsems: u64,
    pub unused: [u64; 2],
}

/// `struct semid64_ds` of amd64: a word of padding behind each time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Amd64SemidDs {
    pub perm: IpcPerm,
    pub otime: i64,
    pub unused1: u64,
    pub ctime: i64,
    pub unused2: u64,
    pub nsems: u64,
    pub unused: [u64; 2],
}

// SAFETY: integers without implicit padding, in the guest's layout.
unsafe impl Plain for SemidDs {}
// SAFETY: as above.
unsafe impl Plain for Amd64SemidDs {}

impl From<&Amd64SemidDs> for SemidDs {
    fn from(s: &Amd64SemidDs) -> SemidDs {
        SemidDs { perm: s.perm, otime: s.otime, ctime: s.ctime, nsems: s.nsems, unused: s.unused }
    }
}

impl From<&SemidDs> for Amd64SemidDs {
    fn from(s: &SemidDs) -> Amd64SemidDs {
        Amd64SemidDs { perm: s.perm, otime: s.otime, ctime: s.ctime, nsems: s.nsems, unused: s.unused, ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn layouts() {
        assert_eq!(size_of::<IpcPerm>(), 48);
        assert_eq!(size_of::<SemidDs>(), 88);
        assert_eq!(offset_of!(SemidDs, ctime), 56);
        assert_eq!(size_of::<Amd64SemidDs>(), size_of::<libc::semid_ds>());
        assert_eq!(offset_of!(Amd64SemidDs, ctime), offset_of!(libc::semid_ds, sem_ctime));
        assert_eq!(offset_of!(Amd64SemidDs, nsems), offset_of!(libc::semid_ds, sem_nsems));
    }
}
