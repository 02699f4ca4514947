//! semctl's structure against the host's own.

use crate::common::{at, guests, out};
use syscalls::Arch;

#[test]
fn semid_ds_is_the_guests() {
    for mut g in guests(-1) {
        // SAFETY: a set of our own, removed below.
        let id = unsafe { libc::semget(libc::IPC_PRIVATE, 3, 0o640) } as u64;
        let values: [u16; 3] = [1, 2, 3];
        assert_eq!(g.call("semctl", [id, 0, libc::SETALL as u64, at(&values)]), 0);
        // The kernel's own structure, which the C library passes on.
        let mut host = [0u64; 16];
        // SAFETY: the kernel fills the structure.
        unsafe { assert_eq!(libc::semctl(id as i32, 0, libc::IPC_STAT, &raw mut host), 0) };
        // 48 bytes of permissions, two times, a number, two words unused; on amd64 one more behind each time.
        let mut guest = [u64::MAX; 14];
        assert_eq!(g.call("semctl", [id, 0, libc::IPC_STAT as u64, out(&mut guest)]), 0);
        let (otime, ctime, end) = (host[6], host[if cfg!(target_arch = "x86_64") { 8 } else { 7 }], u64::MAX);
        match g.abi.arch {
            Arch::Arm64 => assert_eq!(guest[6..], [otime, ctime, 3, 0, 0, end, end, end]),
            Arch::Amd64 => assert_eq!(guest[6..], [otime, 0, ctime, 0, 3, 0, 0, end]),
        }
        assert_eq!((guest[0] >> 32) as u32, (host[0] >> 32) as u32);
        assert_eq!((guest[2] >> 32) as u32, 0o640);
        guest[2] = guest[2] & 0xffff_ffff | 0o600 << 32;
        assert_eq!(g.call("semctl", [id, 0, libc::IPC_SET as u64, at(&guest)]), 0);
        assert_eq!(g.call("semctl", [id, 0, libc::IPC_STAT as u64, out(&mut guest)]), 0);
        assert_eq!((guest[2] >> 32) as u32, 0o600);
        assert_eq!(g.call("semctl", [id, 1, libc::SETVAL as u64, 0xffff_ffff_0000_0007]), 0);
        let mut values = [0u16; 3];
        assert_eq!(g.call("semctl", [id, 0, libc::GETALL as u64, out(&mut values)]), 0);
        assert_eq!(values, [1, 7, 3]);
        assert_eq!(g.call("semctl", [id, 0, libc::IPC_RMID as u64]), 0);
    }
}

#[test]
fn segments_come_and_go() {
    for mut g in guests(-1) {
        let id = g.call("shmget", [0, 5000, 0o600 | libc::IPC_CREAT as u64]) as u64;
        let a = g.call("shmat", [id, 0, 0]);
        assert!(a > 0, "{a}");
        // SAFETY: two pages, attached for writing.
        unsafe { (a as *mut u8).add(8191).write(1) };
        let exec = g.call("shmat", [id, 0, libc::SHM_EXEC as u64]);
        assert!(exec > 0 || exec == -i64::from(libc::EACCES));
        assert_eq!(g.call("shmat", [id, a as u64, 0]), -i64::from(libc::EINVAL));
        assert_eq!(g.call("shmdt", [a as u64]), 0);
        assert_eq!(g.call("shmdt", [a as u64]), -i64::from(libc::EINVAL));
        if exec > 0 {
            assert_eq!(g.call("shmdt", [exec as u64]), 0);
        }
        // SAFETY: nothing is attached any more.
        unsafe { libc::shmctl(id as i32, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
