//! Calls that leave mappings where they are: advice, locking, writing back, and what is known about pages.

use super::views::{Object, View};
use super::vma::{Attr, Vma, PAGE};
use super::{aligned, host, page_down, page_up, LockMode, Space, Stale};
use crate::ptr::GuestAddr;
use crate::Errno;
use std::ops::Range;

/// madvise's MADV_GUARD_INSTALL and MADV_GUARD_REMOVE (Linux 6.13).
const MADV_GUARD_INSTALL: i32 = 102;
const MADV_DONTNEED_LOCKED: i32 = 24;

/// How a call treats ranges with holes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    /// Do the rest, then fail with ENOMEM.
    Skip,
    /// Fail with ENOMEM there.
    Stop,
}

impl Space {
    /// Do `f` for each stretch of the guest's in a range.
    fn each_run(
        &self,
        range: Range<u64>,
        holes: Holes,
        mut f: impl FnMut(Range<u64>) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        self.catch_up(range.clone());
        let inner = self.read();
        let mut at = range.start;
        let mut whole = true;
        while let Some(run) = inner.map.next_run(at..range.end) {
            if run.start > at {
                whole = false;
                if holes == Holes::Stop {
                    break;
                }
            }
            at = run.end;
            f(run)?;
        }
        if whole && at == range.end {
            Ok(0)
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// Like [`Space::each_run`] for calls that may take long: the space is unlocked meanwhile. Only for calls that
    /// do no harm if the range was given to someone else in the meantime.
    fn each_run_unlocked(
        &self,
        range: Range<u64>,
        holes: Holes,
        mut f: impl FnMut(Range<u64>) -> Result<u64, Errno>,
    ) -> Result<u64, Errno> {
        let mut runs = Vec::new();
        let complete = self.each_run(range, holes, |run| {
            runs.push(run);
            Ok(0)
        });
        for run in runs {
            f(run)?;
        }
        complete
    }

    /// madvise.
    pub fn madvise(&self, addr: u64, len: u64, advice: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host();
        // Whether the kernel knows the advice at all: with no length nothing else happens.
        let known = |at: u64| host(libc::SYS_madvise, [at, 0, advice, 0, 0, 0]);
        let end = match page_up(len).and_then(|n| start.checked_add(n)) {
            Some(end) if aligned(start) && (len == 0 || end > start) => end,
            _ => return Err(Errno::EINVAL),
        };
        let advise = |r: Range<u64>| host(libc::SYS_madvise, [r.start, r.end - r.start, advice, 0, 0, 0]);
        match advice as i32 {
            libc::MADV_DONTNEED | libc::MADV_FREE | libc::MADV_REMOVE | MADV_DONTNEED_LOCKED | MADV_GUARD_INSTALL => {
                if self.read().map.any_exec(start..end) {
                    stale.add(start..end);
                }
                self.each_run(start..end, Holes::Skip, advise)
            }
            libc::MADV_DONTFORK => self.advise_and_note(start..end, advise, Attr::DONTFORK, true),
            libc::MADV_DOFORK => self.advise_and_note(start..end, advise, Attr::DONTFORK, false),
            libc::MADV_DONTDUMP => self.advise_and_note(start..end, advise, Attr::DONTDUMP, true),
            libc::MADV_DODUMP => self.advise_and_note(start..end, advise, Attr::DONTDUMP, false),
            _ => {
                known(start)?;
                self.each_run_unlocked(start..end, Holes::Skip, advise)
            }
        }
    }

    /// Advice that the books remember, too.
    fn advise_and_note(
        &self,
        range: Range<u64>,
        advise: impl Fn(Range<u64>) -> Result<u64, Errno>,
        flag: u8,
        on: bool,
    ) -> Result<u64, Errno> {
        let done = self.each_run(range.clone(), Holes::Skip, advise);
        if done.is_ok() || done == Err(Errno::ENOMEM) {
            self.write().map.update(range, |a| a.flags = a.flags & !flag | if on { flag } else { 0 });
        }
        done
    }

    /// msync.
    pub fn msync(&self, addr: u64, len: u64, flags: u64) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host();
        host(libc::SYS_msync, [start, 0, flags, 0, 0, 0])?;
        let end = start.checked_add(page_up(len).unwrap_or(0)).ok_or(Errno::ENOMEM)?;
        self.each_run_unlocked(start..end, Holes::Skip, |r| host(libc::SYS_msync, [r.start, r.end - r.start, flags, 0, 0, 0]))
    }

    /// mincore.
    pub fn mincore(&self, addr: u64, len: u64, vec: u64) -> Result<u64, Errno> {
        let (start, vec) = (GuestAddr(addr).host(), GuestAddr(vec).host());
        if !aligned(start) {
            return Err(Errno::EINVAL);
        }
        let end = match page_up(len).and_then(|n| start.checked_add(n)) {
            Some(end) if end <= self.memory.task_size => end,
            _ => return Err(Errno::ENOMEM),
        };
        self.each_run(start..end, Holes::Stop, |r| {
            host(libc::SYS_mincore, [r.start, r.end - r.start, vec + (r.start - start) / PAGE, 0, 0, 0])
        })
    }

    /// mlock and mlock2 (`flags` for the latter), munlock.
    fn lock_range(&self, nr: i64, addr: u64, len: u64, flags: u64) -> Result<u64, Errno> {
        let addr = GuestAddr(addr).host();
        // With no length: the kernel's word on flags and permission.
        host(nr, [0, 0, flags, 0, 0, 0])?;
        let start = page_down(addr);
        let end = match len.checked_add(addr - start).and_then(page_up).and_then(|n| start.checked_add(n)) {
            Some(end) => end,
            None => return Err(Errno::EINVAL),
        };
        self.each_run_unlocked(start..end, Holes::Stop, |r| host(nr, [r.start, r.end - r.start, flags, 0, 0, 0]))
    }

    /// mlock, mlock2.
    pub fn mlock(&self, addr: u64, len: u64, flags: u64) -> Result<u64, Errno> {
        self.lock_range(libc::SYS_mlock2, addr, len, flags)
    }

    /// munlock.
    pub fn munlock(&self, addr: u64, len: u64) -> Result<u64, Errno> {
        self.lock_range(libc::SYS_munlock, addr, len, 0)
    }

    /// mlockall, for the guest's mappings only: the runtime's reserve for code alone may be larger than what may be locked.
    pub fn mlockall(&self, flags: u64) -> Result<u64, Errno> {
        let (current, future, onfault) =
            (flags & libc::MCL_CURRENT as u64 != 0, flags & libc::MCL_FUTURE as u64 != 0, flags & libc::MCL_ONFAULT as u64 != 0);
        if !(current || future) || flags & !7 != 0 {
            return Err(Errno::EINVAL);
        }
        // Permission.
        host(libc::SYS_mlock, [0, 0, 0, 0, 0, 0])?;
        let mut inner = self.write();
        let mode = if onfault { LockMode::OnFault } else { LockMode::Now };
        if current {
            let ranges: Vec<Range<u64>> = inner.map.iter().map(used).collect();
            let lock = |r: &Range<u64>, flags: u64| host(libc::SYS_mlock2, [r.start, r.end - r.start, flags, 0, 0, 0]);
            // First the limit, which is the only reason for this to fail; then the pages, which need not all be there.
            for (n, range) in ranges.iter().enumerate() {
                if let Err(e) = lock(range, libc::MLOCK_ONFAULT as u64) {
                    for r in &ranges[..n] {
                        let _ = host(libc::SYS_munlock, [r.start, r.end - r.start, 0, 0, 0, 0]);
                    }
                    return Err(e);
                }
            }
            if mode == LockMode::Now {
                for r in &ranges {
                    let _ = lock(r, 0);
                }
            }
        }
        inner.lock_future = future.then_some(mode);
        Ok(0)
    }

    /// munlockall.
    pub fn munlockall(&self) -> Result<u64, Errno> {
        let mut inner = self.write();
        inner.lock_future = None;
        for v in inner.map.iter() {
            let _ = host(libc::SYS_munlock, [v.start, v.end - v.start, 0, 0, 0, 0]);
        }
        Ok(0)
    }

    /// mseal.
    pub fn mseal(&self, addr: u64, len: u64, flags: u64) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host();
        // Flags, alignment, and whether the host has the call.
        host(libc::SYS_mseal, [start, 0, flags, 0, 0, 0])?;
        let end = page_up(len).and_then(|n| start.checked_add(n)).ok_or(Errno::EINVAL)?;
        let inner = self.read();
        if !inner.map.covers(start..end) {
            return Err(Errno::ENOMEM);
        }
        host(libc::SYS_mseal, [start, end - start, 0, 0, 0, 0])
    }

    /// shmat: the segment's address. SHM_EXEC is the guest's business only.
    pub fn shmat(&self, id: u64, addr: u64, flags: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let (rdonly, exec, remap) =
            (flags & libc::SHM_RDONLY as u64 != 0, flags & libc::SHM_EXEC as u64 != 0, flags & libc::SHM_REMAP as u64 != 0);
        let len = segment_len(id)?;
        let mut inner = self.write();
        let addr = if flags & libc::SHM_RND as u64 != 0 { page_down(addr) } else { addr };
        let target = addr..addr.checked_add(len).ok_or(Errno::EINVAL)?;
        let reserved = remap && addr != 0 && aligned(addr);
        if reserved {
            inner.reserve(target.clone())?;
            stale.note(&inner.map, target.clone());
        }
        let attach =
            |addr: u64, more: i32| host(libc::SYS_shmat, [id, addr, flags & !(libc::SHM_EXEC as u64) | more as u64, 0, 0, 0]);
        let mut at = attach(addr, 0).inspect_err(|_| {
            if reserved {
                inner.unreserve(target.clone());
            }
        })?;
        if !self.has(at, len) {
            host(libc::SYS_shmdt, [at, 0, 0, 0, 0, 0])?;
            at = attach(self.reserve_room(&mut inner, len)?, libc::SHM_REMAP)?;
        }
        let prot = 1 | if rdonly { 0 } else { 2 } | if exec { 4 } else { 0 };
        inner.map.insert(at..at + len, Attr { prot: self.prot(prot), flags: 0 });
        self.show(&mut inner, at..at + len, View { object: Object::Segment(id), offset: 0, shared: true });
        inner.shm.retain(|&(old, _)| old != at);
        inner.shm.push((at, len));
        Ok(at)
    }

    /// shmdt.
    pub fn shmdt(&self, addr: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let mut inner = self.write();
        let known = inner.shm.iter().position(|&(at, _)| at == addr).ok_or(Errno::EINVAL)?;
        let (at, len) = inner.shm[known];
        stale.note(&inner.map, at..at + len);
        host(libc::SYS_shmdt, [addr, 0, 0, 0, 0, 0])?;
        inner.shm.swap_remove(known);
        // What was mapped over the segment since stays.
        let mut from = at;
        while let Some(v) = inner.map.first(from..at + len) {
            from = v.end;
            inner.drop_absent(v.start..v.end);
        }
        Ok(0)
    }
}

/// A mapping; of the initial stack, which is as large as it may become from the start, the part in use.
fn used(v: Vma) -> Range<u64> {
    let mut start = v.start;
    if v.attr.flags & Attr::STACK != 0 {
        let mut resident = vec![0u8; ((v.end - v.start) / PAGE) as usize];
        if host(libc::SYS_mincore, [v.start, v.end - v.start, resident.as_mut_ptr() as u64, 0, 0, 0]).is_ok() {
            start += PAGE * resident.iter().position(|&page| page & 1 != 0).unwrap_or(0) as u64;
        }
    }
    start..v.end
}

/// Length of a System V segment as mapped.
fn segment_len(id: u64) -> Result<u64, Errno> {
    // SAFETY: all-zero is a valid shmid_ds, plain data.
    let mut ds: libc::shmid_ds = unsafe { std::mem::zeroed() };
    match host(libc::SYS_shmctl, [id, libc::IPC_STAT as u64, (&raw mut ds) as u64, 0, 0, 0]) {
        Ok(_) => page_up(ds.shm_segsz as u64).ok_or(Errno::EINVAL),
        // Attaching may be allowed where asking isn't; then the caller has only write permission, which the kernel refuses as well.
        Err(Errno::EIDRM) => Err(Errno::EINVAL),
        Err(e) => Err(e),
    }
}
