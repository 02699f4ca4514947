//! What Linux is to the programs of one architecture, as a value: a guest's is chosen at its start, the host's is [`crate::host::ABI`]. Handlers
//! ask it for everything that differs and so name no architecture; what no field speaks of is the same on all of them.

use crate::ctx::{Ctx, Process, SysResult};
use crate::ptr::GuestAddr;
use crate::table::Table;
use crate::topics::signal::frame::FrameAbi;
use crate::Errno;
use std::fmt;

/// An architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    /// AArch64, little-endian.
    Arm64,
    /// x86-64.
    Amd64,
}

/// An architecture's Linux.
pub struct Abi {
    /// Whose it is.
    pub arch: Arch,
    /// What uname calls the machine.
    pub machine: &'static str,
    /// The same in the personality of 32-bit programs; `None`: the CPU runs none.
    pub linux32: Option<&'static str>,
    /// The calls.
    pub table: &'static Table,
    /// Which of the machine's registers have a part in a call.
    pub registers: Registers,
    /// Bits of an address that the CPU ignores.
    pub tag: u64,
    /// Memory.
    pub memory: Memory,
    /// Open flags.
    pub open: OpenFlags,
    /// Write a `struct stat`.
    pub write_stat: fn(GuestAddr, &libc::stat) -> Result<(), Errno>,
    /// `struct epoll_event`.
    pub epoll_event: EpollEvent,
    /// Read a `struct semid64_ds`.
    pub read_semaphores: fn(GuestAddr) -> Result<SemidDs, Errno>,
    /// Write one.
    pub write_semaphores: fn(GuestAddr, &SemidDs) -> Result<(), Errno>,
    /// Signal frames.
    pub frame: FrameAbi,
    /// Seccomp's name for the architecture (AUDIT_ARCH_*).
    pub audit_arch: u32,
    /// What seccomp's strict mode leaves: read, write, exit, rt_sigreturn.
    pub strict: [u64; 4],
    /// What ends a listing of memory: an area of the kernel's that every program has.
    pub maps_end: &'static str,
    /// /proc/cpuinfo, given the host's.
    pub cpuinfo: fn(&Process, &[u8]) -> Vec<u8>,
    /// prctl's options that are this architecture's; `None` for others.
    pub prctl: fn(&mut Ctx<'_>, [u64; 6]) -> Option<SysResult>,
}

/// Numbers of registers in [`Context::x`](crate::Context::x).
pub struct Registers {
    /// The call's number.
    pub number: usize,
    /// Its arguments.
    pub args: [usize; 6],
    /// Its result.
    pub result: usize,
    /// Bytes of the instruction that makes it.
    pub call_bytes: u64,
    /// Which of clone's arguments are the thread pointer and the child's id.
    pub clone: CloneOrder,
}

/// See [`Registers::clone`].
pub struct CloneOrder {
    /// Index of the thread pointer.
    pub tls: usize,
    /// Index of where the child's id goes.
    pub child_tid: usize,
}

/// Memory's limits and flags.
#[derive(Debug)]
pub struct Memory {
    /// One past the highest address. Hosts with fewer answer for the rest.
    pub task_size: u64,
    /// Addresses from here are not handed out unless asked for, even where the host has them.
    pub default_top: u64,
    /// Bits of mprotect's protection besides read, write and execute.
    pub prot: u64,
    /// MAP_32BIT and MAP_ABOVE4G, where they mean something.
    pub map_range: u64,
    /// The rights that pkey_alloc knows.
    pub pkey_rights: u64,
}

/// MAP_32BIT.
pub const MAP_32BIT: u64 = 0x40;
/// MAP_ABOVE4G.
pub const MAP_ABOVE4G: u64 = 0x80;

/// The open flags whose values differ. All architectures use the same bits for them together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenFlags {
    /// O_DIRECTORY.
    pub directory: u64,
    /// O_NOFOLLOW.
    pub nofollow: u64,
    /// O_DIRECT.
    pub direct: u64,
    /// O_LARGEFILE.
    pub largefile: u64,
}

impl OpenFlags {
    const fn all(&self) -> [u64; 4] {
        [self.directory, self.nofollow, self.direct, self.largefile]
    }

    /// These flags as another architecture has them. All other bits, unknown ones included, stay.
    pub fn translate(&self, flags: u64, to: &OpenFlags) -> u64 {
        let (from, to) = (self.all(), to.all());
        let mask: u64 = from.iter().fold(0, |m, bit| m | bit);
        from.iter().zip(to).fold(flags & !mask, |out, (from, to)| if flags & from != 0 { out | to } else { out })
    }
}

impl Abi {
    /// Open flags of a guest for the host.
    pub fn open_flags(&self, flags: u64) -> u64 {
        self.open.translate(flags, &crate::host::ABI.open)
    }

    /// Open flags of the host for a guest.
    pub fn open_flags_from_host(&self, flags: u64) -> u64 {
        crate::host::ABI.open.translate(flags, &self.open)
    }

    /// What a kernel does to an argument that may be a pointer: the bits that the CPU ignores become copies of the one below. Unlike the removal
    /// of a tag it leaves negative numbers alone.
    pub fn untag(&self, arg: u64) -> u64 {
        let bits = self.tag.leading_ones();
        ((arg << bits) as i64 >> bits) as u64
    }
}

impl fmt::Debug for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arch.fmt(f)
    }
}

/// `struct epoll_event` in memory: the events are a word at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpollEvent {
    /// Bytes.
    pub size: usize,
    /// Where the data is.
    pub data: usize,
}

impl EpollEvent {
    /// Bytes of the largest.
    pub const MAX: usize = 16;
}

/// `struct ipc64_perm`, the same everywhere.
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

/// What is in a `struct semid64_ds`. The other System V structures are the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SemidDs {
    pub perm: IpcPerm,
    pub otime: i64,
    pub ctime: i64,
    pub nsems: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{amd64, arm64, host};

    const ABIS: [&Abi; 2] = [&arm64::ABI, &amd64::ABI];

    #[test]
    fn open_flags_become_the_hosts() {
        for abi in ABIS {
            let open = &abi.open;
            let pairs = [
                (open.directory, libc::O_DIRECTORY),
                (open.nofollow, libc::O_NOFOLLOW),
                (open.direct, libc::O_DIRECT),
                // What the C library calls O_LARGEFILE is 0 on 64 bits.
                (open.largefile, host::ABI.open.largefile as i32),
                (0o20000000 | open.directory, libc::O_TMPFILE),
                (0o10000000, libc::O_PATH),
                (0o2000000, libc::O_CLOEXEC),
                (0o1000000, libc::O_NOATIME),
                (0o4010000, libc::O_SYNC),
                (0o20000, libc::O_ASYNC),
            ];
            for (guest, host) in pairs {
                assert_eq!(abi.open_flags(guest), host as u64, "{abi:?} {guest:o}");
                assert_eq!(abi.open_flags_from_host(host as u64), guest, "{abi:?} {host:o}");
            }
            assert_eq!(abi.open_flags(u64::MAX), u64::MAX);
        }
    }

    #[test]
    fn the_host_is_one_of_them() {
        assert_eq!(host::ABI.epoll_event.size, size_of::<libc::epoll_event>());
        assert_eq!(host::ABI.machine, std::env::consts::ARCH);
    }

    #[test]
    fn tags() {
        assert_eq!(arm64::ABI.untag(0xa500_7fff_1234_5678), 0x7fff_1234_5678);
        assert_eq!(arm64::ABI.untag(-5i64 as u64), -5i64 as u64);
        assert_eq!(amd64::ABI.untag(0xa500_7fff_1234_5678), 0xa500_7fff_1234_5678);
    }
}
