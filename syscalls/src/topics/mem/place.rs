//! Making room: fixed mappings that can't hit what is not the guest's.

use super::views::{Object, View};
use super::vma::{Attr, Prot, PAGE};
use super::{aligned, host, host_munmap, page_down, Inner, LockMode, Space, Stale};
use crate::abi::{MAP_32BIT, MAP_ABOVE4G};
use crate::Errno;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bits of mmap's flags that mean something on some architectures only.
const MAP_RANGE: u64 = MAP_32BIT | MAP_ABOVE4G;
/// Flags that the kernel insists on knowing with MAP_SHARED_VALIDATE.
const MAP_TYPE: u64 = 0xf;
pub(super) const FIXED: u64 = libc::MAP_FIXED as u64;
pub(super) const NOREPLACE: u64 = libc::MAP_FIXED_NOREPLACE as u64;
/// ST_NOEXEC of statfs's f_flags.
const ST_NOEXEC: i64 = 8;

/// Arguments of mmap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub addr: u64,
    pub len: u64,
    pub prot: Prot,
    pub flags: u64,
    pub fd: u64,
    pub off: u64,
}

impl Request {
    pub(super) fn host(&self, flags: u64) -> Result<u64, Errno> {
        host(libc::SYS_mmap, [self.addr, self.len, self.prot.host(), flags, self.fd, self.off])
    }

    fn anonymous(&self) -> bool {
        self.flags & libc::MAP_ANONYMOUS as u64 != 0
    }

    /// Bytes of the pages that it is of.
    pub(super) fn alignment(&self) -> u64 {
        match self.flags >> libc::MAP_HUGE_SHIFT & 63 {
            _ if !self.anonymous() || self.flags & libc::MAP_HUGETLB as u64 == 0 => PAGE,
            0 => 1 << 21,
            log2 => 1 << log2,
        }
    }

    /// What the kernel makes of the length.
    pub(super) fn rounded(&self) -> Option<u64> {
        let mask = self.alignment() - 1;
        self.len.checked_add(mask).map(|n| n & !mask)
    }
}

impl Space {
    /// mmap. `prot` and `flags` as the guest's call has them.
    #[allow(clippy::too_many_arguments)]
    pub fn mmap(&self, addr: u64, len: u64, prot: u64, flags: u64, fd: u64, off: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let mut req = Request { addr, len, prot: self.prot(prot), flags: flags & 0xffff_ffff, fd, off };
        let strange = req.flags & MAP_RANGE & !self.memory.map_range;
        if strange != 0 {
            if req.flags & MAP_TYPE == libc::MAP_SHARED_VALIDATE as u64 && !req.anonymous() {
                return Err(Errno::EOPNOTSUPP);
            }
            req.flags &= !strange;
        }
        if req.prot.exec() && !req.anonymous() && noexec(fd) {
            return Err(Errno::EPERM);
        }
        let mut inner = self.write();
        match inner.lock_future {
            Some(LockMode::Now) => req.flags |= libc::MAP_LOCKED as u64,
            Some(LockMode::OnFault) | None => {}
        }
        let fixed = req.flags & (FIXED | NOREPLACE) != 0;
        let replaced = if fixed { inner.mapped_bytes(&req) } else { 0 };
        inner.check_size(req.rounded().unwrap_or(0).saturating_sub(replaced))?;
        if self.denied(req.prot, req.prot) {
            return Err(Errno::EACCES);
        }
        if !fixed && req.addr >= self.memory.default_top {
            req.addr = 0;
        }
        let at = match req.flags & (FIXED | NOREPLACE) {
            FIXED => inner.map_fixed(&req, stale),
            NOREPLACE => req.host(req.flags),
            _ => self.map_anywhere(&mut inner, &req),
        }?;
        let range = at..at + req.rounded().unwrap_or(req.len);
        stale.note(&inner.map, range.clone());
        if inner.lock_future == Some(LockMode::OnFault) {
            lock_on_fault(range.clone());
        }
        let grows = req.flags & libc::MAP_GROWSDOWN as u64 != 0;
        if grows {
            self.grows.store(true, Ordering::Relaxed);
        }
        inner.map.insert(range.clone(), Attr { prot: req.prot, flags: if grows { Attr::GROWS } else { 0 } });
        self.note_view(&mut inner, range, &req);
        Ok(at)
    }

    /// Note what a new mapping shows, if others may show the same and one of them may be code.
    fn note_view(&self, inner: &mut Inner, range: Range<u64>, req: &Request) {
        let shared = matches!((req.flags & MAP_TYPE) as i32, libc::MAP_SHARED | libc::MAP_SHARED_VALIDATE);
        let object = match (req.anonymous(), shared) {
            (true, true) => Some(self.anonymous_object()),
            (true, false) => None,
            (false, true) => Object::of_fd(req.fd),
            (false, false) if req.prot.exec() => Object::of_fd(req.fd),
            (false, false) => None,
        };
        if let Some(object) = object {
            self.show(inner, range, View { object, offset: req.off, shared });
        }
    }

    /// mmap for the program loader, which may map over what it has reserved itself.
    pub fn map(&self, addr: u64, len: u64, prot: i32, flags: i32, fd: i32, off: u64) -> Result<u64, Errno> {
        let (prot, flags, fd) = (prot as u64, u64::from(flags as u32), fd as u64);
        if flags & (FIXED | NOREPLACE) != FIXED {
            return self.mmap(addr, len, prot, flags, fd, off, &mut Stale::default());
        }
        let req = Request { addr, len, prot: self.prot(prot), flags, fd, off };
        let mut inner = self.write();
        let at = req.host(flags)?;
        let range = at..at + req.rounded().unwrap_or(len);
        inner.map.insert(range.clone(), Attr { prot: req.prot, flags: 0 });
        self.note_view(&mut inner, range, &req);
        Ok(at)
    }

    /// Know how far all downward-growing mappings have grown.
    pub fn catch_up_all(&self) {
        self.catch_up(0..u64::MAX);
    }

    /// Before a range is looked at: know how far downward-growing mappings have grown.
    pub(super) fn catch_up(&self, range: Range<u64>) {
        if self.grows.load(Ordering::Relaxed) {
            self.write().absorb_grown(range);
        }
    }
}

/// Whether the file is on a file system mounted noexec. (The host is never asked to map it executable, so it doesn't refuse.)
fn noexec(fd: u64) -> bool {
    let mut buf = [0i64; 16];
    host(libc::SYS_fstatfs, [fd, buf.as_mut_ptr() as u64, 0, 0, 0, 0]).is_ok() && buf[10] & ST_NOEXEC != 0
}

pub(super) fn lock_on_fault(range: Range<u64>) {
    let args = [range.start, range.end - range.start, libc::MLOCK_ONFAULT as u64, 0, 0, 0];
    // The limit is the only reason to fail, and the mapping stands without.
    let _ = host(libc::SYS_mlock2, args);
}

impl Inner {
    /// How much of a fixed mapping's range is mapped.
    fn mapped_bytes(&self, req: &Request) -> u64 {
        let end = req.addr.saturating_add(req.rounded().unwrap_or(0));
        match self.limits[0] {
            Some(_) => self.map.within(req.addr..end).map(|v| v.end - v.start).sum(),
            None => 0,
        }
    }

    fn map_fixed(&mut self, req: &Request, stale: &mut Stale) -> Result<u64, Errno> {
        let end = req.rounded().and_then(|len| req.addr.checked_add(len));
        let range = match end {
            Some(end) if aligned(req.addr) && end > req.addr => req.addr..end,
            // The kernel refuses it, and knows in which order to look for a reason.
            _ => return req.host(req.flags).and(Err(Errno::EINVAL)),
        };
        self.absorb_grown(range.clone());
        match self.map.next_gap(range.clone()) {
            None => self.replace(req, range, stale),
            Some(gap) if gap == range => match req.host(req.flags & !FIXED | NOREPLACE) {
                Err(Errno::EEXIST) => Err(Errno::ENOMEM),
                // A kernel before 4.17 takes the address for a hint.
                Ok(at) if at != req.addr => {
                    let _ = host_munmap(at..at + (range.end - range.start));
                    Err(Errno::ENOMEM)
                }
                result => result,
            },
            Some(_) => {
                self.reserve(range.clone())?;
                let result = self.replace(req, range.clone(), stale);
                if result.is_err() {
                    self.unreserve(range);
                }
                result
            }
        }
    }

    /// A fixed mapping over ranges that are the guest's or reserved for it.
    fn replace(&mut self, req: &Request, range: Range<u64>, stale: &mut Stale) -> Result<u64, Errno> {
        stale.note(&self.map, range.clone());
        let result = req.host(req.flags);
        if result.is_err() {
            self.recheck(range);
        }
        result
    }

    /// After a failed replacement: some failures come when the old mappings are gone already.
    pub(super) fn recheck(&mut self, range: Range<u64>) {
        let mut at = range.start;
        while let Some(v) = self.map.first(at..range.end) {
            if !present(v.start..v.end) {
                self.map.remove(v.start..v.end);
            }
            at = v.end;
        }
    }

    /// Drop from the books the pages of a mapped range that are gone from the host.
    pub(super) fn drop_absent(&mut self, range: Range<u64>) {
        if present(range.clone()) {
            return;
        }
        let mut at = range.start;
        while at < range.end {
            if !present(at..at + PAGE) {
                self.map.remove(at..at + PAGE);
            }
            at += PAGE;
        }
    }

    /// Take the free parts of a range, so that a fixed mapping over all of it hits nothing but the guest's.
    pub(super) fn reserve(&self, range: Range<u64>) -> Result<(), Errno> {
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE) as u64;
        let mut at = range.start;
        while let Some(gap) = self.map.next_gap(at..range.end) {
            let len = gap.end - gap.start;
            let failure = match host(libc::SYS_mmap, [gap.start, len, 0, flags, u64::MAX, 0]) {
                Ok(a) if a == gap.start => None,
                Ok(a) => {
                    let _ = host_munmap(a..a + len);
                    Some(Errno::ENOMEM)
                }
                Err(Errno::EEXIST) => Some(Errno::ENOMEM),
                Err(e) => Some(e),
            };
            if let Some(e) = failure {
                self.unreserve(range.start..gap.start);
                return Err(e);
            }
            at = gap.end;
        }
        Ok(())
    }

    /// Undo [`Inner::reserve`].
    pub(super) fn unreserve(&self, range: Range<u64>) {
        let mut at = range.start;
        while let Some(gap) = self.map.next_gap(at..range.end) {
            at = gap.end;
            let _ = host_munmap(gap);
        }
    }

    /// Take into the books by how much the host has extended downward-growing mappings that end up in `range` or above it.
    fn absorb_grown(&mut self, range: Range<u64>) {
        let mut at = range.start;
        while let Some(v) = self.map.find_or_above(at) {
            if v.attr.flags & Attr::GROWS != 0 {
                let floor = self.map.below(v.start).map_or(0, |below| below.end);
                let start = grown(floor, v.start);
                self.map.insert(start..v.start, v.attr);
            }
            if v.start >= range.end {
                break;
            }
            at = v.end;
        }
    }
}

/// Whether every page of a range is mapped.
fn present(range: Range<u64>) -> bool {
    host(libc::SYS_msync, [range.start, range.end - range.start, libc::MS_ASYNC as u64, 0, 0, 0]).is_ok()
}

/// How far down from `start` the mapping above has grown. The kernel keeps a wide gap below such a mapping, so what touches it is part of it.
fn grown(floor: u64, mut start: u64) -> u64 {
    for step in [PAGE << 10, PAGE << 5, PAGE] {
        while start - floor >= step && present(page_down(start - step)..start) {
            start -= step;
        }
    }
    start
}
