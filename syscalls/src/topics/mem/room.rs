//! Room for mappings where the host's own choice is none for the guest: it may hand out addresses that the guest doesn't have (48 bits where the guest's
//! kernel has 47), or not know a flag that asks for low ones. Then the highest free place in the range is taken, as kernels do.

use super::place::{Request, FIXED, NOREPLACE};
use super::vma::PAGE;
use super::{host, host_munmap, Inner, Space};
use crate::abi::{MAP_32BIT, MAP_ABOVE4G};
use crate::host::ABI as HOST;
use crate::Errno;
use std::ops::Range;

/// Below is nothing for programs (`mmap_min_addr`).
const LOWEST: u64 = 1 << 16;
/// Where MAP_32BIT leads to.
const LOW: Range<u64> = 1 << 30..1 << 31;
/// How far to go on from a place that something of the runtime's is at.
const STEP: u64 = 1 << 20;
const RESERVE: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;

impl Space {
    /// Where a mapping goes that isn't fixed: make it.
    pub(super) fn map_anywhere(&self, inner: &mut Inner, req: &Request) -> Result<u64, Errno> {
        let foreign = (MAP_32BIT | MAP_ABOVE4G) & !HOST.memory.map_range;
        let flags = req.flags & !FIXED & !foreign;
        let (Some(len), align) = (req.rounded(), req.alignment()) else { return req.host(flags) };
        let fixed = |at: u64| exactly(at, len, Request { addr: at, ..*req }.host(flags | NOREPLACE));
        if req.flags & foreign & MAP_32BIT != 0 {
            let wanted = req.addr & !(PAGE - 1);
            if wanted >= LOWEST && wanted.checked_add(len).is_some_and(|end| end <= LOW.end) {
                if let Ok(at) = fixed(wanted) {
                    return Ok(at);
                }
            }
            return inner.find_room(len, align, LOW, fixed).map_err(no_room);
        }
        if req.addr != 0 || !inner.beyond || req.flags & MAP_32BIT != 0 {
            let at = req.host(flags)?;
            if self.has(at, len) {
                return Ok(at);
            }
            host_munmap(at..at + len)?;
            inner.beyond = true;
        }
        self.below_the_top(inner, len, align, fixed)
    }

    /// Whether the guest has these addresses.
    pub(super) fn has(&self, at: u64, len: u64) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.memory.task_size)
    }

    /// Take the highest place that the guest has.
    fn below_the_top(
        &self,
        inner: &mut Inner,
        len: u64,
        align: u64,
        take: impl FnMut(u64) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        let top = inner.room.unwrap_or(self.memory.task_size);
        let at = inner.find_room(len, align, LOWEST..top, take).map_err(no_room)?;
        inner.room = Some(at);
        Ok(at)
    }

    /// Reserve a place that the guest has for what is to be put there in a second step.
    pub(super) fn reserve_room(&self, inner: &mut Inner, len: u64) -> Result<u64, Errno> {
        self.below_the_top(inner, len, PAGE, |at| {
            exactly(at, len, host(libc::SYS_mmap, [at, len, 0, RESERVE | NOREPLACE, u64::MAX, 0]))
        })
    }
}

fn no_room(e: Errno) -> Errno {
    if e == Errno::EEXIST {
        Errno::ENOMEM
    } else {
        e
    }
}

/// A kernel before 4.17 takes the address for a hint.
fn exactly(at: u64, len: u64, mapped: Result<u64, Errno>) -> Result<u64, Errno> {
    match mapped {
        Ok(other) if other != at => {
            let _ = host_munmap(other..other + len);
            Err(Errno::EEXIST)
        }
        result => result,
    }
}

impl Inner {
    /// Try free places in a range, the highest first, until one is taken: EEXIST says that something of the runtime's is there.
    fn find_room(
        &self,
        len: u64,
        align: u64,
        range: Range<u64>,
        mut take: impl FnMut(u64) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        let mut end = range.end;
        while end.checked_sub(len).is_some_and(|start| start >= range.start) {
            let at = (end - len) & !(align - 1);
            match self.map.below(at + len).filter(|v| v.end > at) {
                Some(taken) => end = taken.start,
                None if at < range.start => break,
                None => match take(at) {
                    Err(Errno::EEXIST) => end = (at + len).saturating_sub(STEP),
                    result => return result,
                },
            }
        }
        Err(Errno::ENOMEM)
    }

    /// A range is free again.
    pub(super) fn freed(&mut self, range: Range<u64>) {
        if let Some(room) = &mut self.room {
            *room = (*room).max(range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stale;
    use super::*;
    use crate::abi::Memory;

    /// A guest with fewer addresses than any host.
    static SMALL: Memory = Memory { task_size: 1 << 36, default_top: 1 << 36, prot: 8, map_range: 0xc0, pkey_rights: 3 };
    const ANON: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;

    #[test]
    fn everything_is_where_the_guest_has_addresses() {
        let (space, stale) = (Space::new(&SMALL), &mut Stale::default());
        let map = |addr, len, flags| space.mmap(addr, len, 3, ANON | flags, u64::MAX, 0, &mut Stale::default());
        let mut all = Vec::new();
        for n in 1..40 {
            let at = map(0, n * PAGE, 0).unwrap();
            assert!(at + n * PAGE <= SMALL.task_size, "{at:x}");
            assert!(all.iter().all(|&(a, len)| at >= a + len || at + n * PAGE <= a));
            all.push((at, n * PAGE));
        }
        let (first, len) = all[0];
        space.munmap(first, len, stale).unwrap();
        assert_eq!(map(0, PAGE, 0), Ok(first), "the highest place is taken again");
        // A hint that the guest has is followed; others aren't.
        assert_eq!(map(0x7_0000_0000, PAGE, 0), Ok(0x7_0000_0000));
        assert!(map(1 << 40, PAGE, 0).unwrap() < SMALL.task_size);
        let moved = space.mremap(all[5].0, all[5].1, 1 << 24, libc::MREMAP_MAYMOVE as u64, 0, stale).unwrap();
        assert!(moved + (1 << 24) <= SMALL.task_size, "{moved:x}");
        // SAFETY: mapped, and nobody else's.
        unsafe { ((moved + (1 << 24) - 1) as *mut u8).write(1) };
        let low = map(0, PAGE, MAP_32BIT).unwrap();
        assert!(low < 1 << 32, "{low:x}");
        // SAFETY: makes a segment, to be removed below.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 5000, 0o600) } as u64;
        let at = space.shmat(id, 0, 0, stale).unwrap();
        assert!(at + 8192 <= SMALL.task_size, "{at:x}");
        space.shmdt(at, stale).unwrap();
        // SAFETY: as above.
        unsafe { libc::shmctl(id as i32, libc::IPC_RMID, std::ptr::null_mut()) };
        for v in space.mappings() {
            space.munmap(v.start, v.end - v.start, stale).unwrap();
        }
        assert_eq!(map(0, 1 << 37, libc::MAP_NORESERVE as u64), Err(Errno::ENOMEM));
    }
}
