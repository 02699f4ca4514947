//! Removing, moving and changing mappings.

use super::views::View;
use super::vma::{Attr, Prot, Vma, PAGE};
use super::{aligned, host, host_munmap, page_up, Inner, LockMode, Space, Stale};
use crate::ptr::GuestAddr;
use crate::Errno;
use std::ops::Range;

const PROT_GROWSDOWN: u64 = 0x0100_0000;
const PROT_GROWSUP: u64 = 0x0200_0000;
const MAYMOVE: u64 = libc::MREMAP_MAYMOVE as u64;
const FIXED: u64 = libc::MREMAP_FIXED as u64;
const DONTUNMAP: u64 = libc::MREMAP_DONTUNMAP as u64;

impl Space {
    /// munmap.
    pub fn munmap(&self, addr: u64, len: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host();
        if !aligned(start) || start > self.memory.task_size || len > self.memory.task_size - start {
            return Err(Errno::EINVAL);
        }
        let end = start + page_up(len).ok_or(Errno::EINVAL)?;
        if end == start {
            return Err(Errno::EINVAL);
        }
        self.catch_up(start..end);
        let mut inner = self.write();
        inner.unmap(start..end, stale)?;
        inner.freed(start..end);
        Ok(0)
    }

    /// mprotect.
    pub fn mprotect(&self, addr: u64, len: u64, prot: u64, stale: &mut Stale) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host();
        let (down, up) = (prot & PROT_GROWSDOWN != 0, prot & PROT_GROWSUP != 0);
        if down && up || !aligned(start) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(0);
        }
        // The kernel rounds before it looks for overflow.
        let end = start.wrapping_add(page_up(len).unwrap_or(0));
        if end <= start {
            return Err(Errno::ENOMEM);
        }
        let prot = prot & !(PROT_GROWSDOWN | PROT_GROWSUP);
        if prot & !(7 | self.memory.prot) != 0 {
            return Err(Errno::EINVAL);
        }
        self.catch_up(start..end);
        let mut inner = self.write();
        let start = inner.protect_from(start, end, down, up)?;
        let run = match inner.map.next_run(start..end) {
            Some(run) if run.start == start => run,
            _ => return Err(Errno::ENOMEM),
        };
        let complete = run.end == end;
        let prot = self.prot(prot);
        if inner.map.within(run.clone()).any(|v| self.denied(v.attr.prot, prot)) {
            return Err(Errno::EACCES);
        }
        inner.protect(run, prot, stale)?;
        if complete {
            Ok(0)
        } else {
            Err(Errno::ENOMEM)
        }
    }

    /// brk: the heap's end afterwards.
    pub fn brk(&self, want: u64, stale: &mut Stale) -> u64 {
        let mut inner = self.write();
        let current = inner.brk;
        let (Some(new), Some(old)) = (page_up(want), page_up(current)) else { return current };
        if inner.brk_start == 0 || want < inner.brk_start || want > self.memory.task_size {
            return current;
        }
        if new < old && inner.unmap(new..old, stale).is_err() {
            return current;
        }
        if new > old {
            if inner.check_size(new - old).is_err() {
                return current;
            }
            let prot = self.prot(u64::from(Prot::READ | Prot::WRITE));
            let mut flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            if inner.lock_future == Some(LockMode::Now) {
                flags |= libc::MAP_LOCKED;
            }
            match host(libc::SYS_mmap, [old, new - old, prot.host(), flags as u64, u64::MAX, 0]) {
                Ok(at) if at == old => inner.map.insert(old..new, Attr { prot, flags: 0 }),
                Ok(at) => {
                    let _ = host_munmap(at..at + (new - old));
                    return current;
                }
                Err(_) => return current,
            }
            if inner.lock_future == Some(LockMode::OnFault) {
                super::place::lock_on_fault(old..new);
            }
        }
        inner.brk = want;
        want
    }

    /// mremap.
    pub fn mremap(
        &self,
        addr: u64,
        old_len: u64,
        new_len: u64,
        flags: u64,
        new_addr: u64,
        stale: &mut Stale,
    ) -> Result<u64, Errno> {
        let old = GuestAddr(addr).host();
        let moves = flags & MAYMOVE != 0;
        if flags & !(MAYMOVE | FIXED | DONTUNMAP) != 0
            || flags & FIXED != 0 && !moves
            || flags & DONTUNMAP != 0 && !moves
            || !aligned(old)
        {
            return Err(Errno::EINVAL);
        }
        let (old_len, new_len) = (page_up(old_len).unwrap_or(0), page_up(new_len).unwrap_or(0));
        if new_len == 0 || flags & DONTUNMAP != 0 && old_len != new_len {
            return Err(Errno::EINVAL);
        }
        let from = old..old.saturating_add(old_len);
        let target = match flags & (FIXED | DONTUNMAP) {
            0 => None,
            // Without MREMAP_FIXED the address is a hint, but checked.
            DONTUNMAP => self.fixed_target(&from, new_addr, new_len).map(|_| None)?,
            _ => Some(self.fixed_target(&from, new_addr, new_len)?),
        };
        self.catch_up(from.start..from.end.max(old + 1));
        let mut inner = self.write();
        if flags & (FIXED | DONTUNMAP) == 0 && new_len <= old_len {
            inner.map.find(old).ok_or(Errno::EFAULT)?;
            inner.unmap(old + new_len..from.end, stale)?;
            return Ok(old);
        }
        let Some(last) = inner.map.find(from.end.max(old + 1) - 1).filter(|_| inner.map.covers(from.clone())) else {
            return Err(Errno::EFAULT);
        };
        // To the host a mapping may be one that to the guest changes in executability.
        let resized = new_len != old_len || flags & (DONTUNMAP | FIXED) == DONTUNMAP;
        if resized && inner.map.find(old).is_some_and(|first| first.end < from.end.min(old + new_len)) {
            return Err(Errno::EFAULT);
        }
        inner.check_size(new_len.saturating_sub(old_len))?;
        if let Some(target) = &target {
            inner.reserve(target.clone())?;
            stale.note(&inner.map, target.clone());
        }
        let moved = host(libc::SYS_mremap, [old, old_len, new_len, flags, new_addr, 0]);
        let moved = moved.map(|at| self.move_back(&mut inner, at, new_len));
        match (moved, target) {
            (Ok(at), _) => {
                stale.note(&inner.map, from.clone());
                inner.remapped(from, at, new_len, flags & DONTUNMAP != 0, last.attr);
                Ok(at)
            }
            (Err(e), target) => {
                if let Some(target) = target {
                    inner.unreserve(target.clone());
                    inner.recheck(target);
                }
                Err(e)
            }
        }
    }

    /// The host has moved a mapping; if to where the guest has no addresses, move it on.
    fn move_back(&self, inner: &mut Inner, at: u64, len: u64) -> u64 {
        if self.has(at, len) {
            return at;
        }
        let again = |to| host(libc::SYS_mremap, [at, len, len, MAYMOVE | FIXED, to, 0]);
        // Where that fails, the address is a strange one, but works.
        self.reserve_room(inner, len).and_then(again).unwrap_or(at)
    }

    /// remap_file_pages. The kernel does it as a fixed mapping of the same file.
    pub fn remap_file_pages(
        &self,
        addr: u64,
        len: u64,
        prot: u64,
        pgoff: u64,
        flags: u64,
        stale: &mut Stale,
    ) -> Result<u64, Errno> {
        let start = GuestAddr(addr).host() & !(PAGE - 1);
        let len = len & !(PAGE - 1);
        let range = start..start.checked_add(len).ok_or(Errno::EINVAL)?;
        if prot != 0 || range.is_empty() {
            return Err(Errno::EINVAL);
        }
        let inner = self.write();
        if !inner.map.covers(range.clone()) {
            return Err(Errno::EINVAL);
        }
        stale.note(&inner.map, range.clone());
        host(libc::SYS_remap_file_pages, [start, len, 0, pgoff, flags, 0])
    }

    /// Where mremap(MREMAP_FIXED) is to put it, once checked as the kernel does.
    fn fixed_target(&self, from: &Range<u64>, new_addr: u64, new_len: u64) -> Result<Range<u64>, Errno> {
        let task_size = self.memory.task_size;
        if !aligned(new_addr) || new_len > task_size || new_addr > task_size - new_len {
            return Err(Errno::EINVAL);
        }
        let target = new_addr..new_addr + new_len;
        if from.end > target.start && target.end > from.start {
            return Err(Errno::EINVAL);
        }
        Ok(target)
    }
}

impl Inner {
    /// Unmap what the guest has in a range.
    pub(super) fn unmap(&mut self, range: Range<u64>, stale: &mut Stale) -> Result<(), Errno> {
        let mut at = range.start;
        while let Some(run) = self.map.next_run(at..range.end) {
            at = run.end;
            stale.note(&self.map, run.clone());
            host_munmap(run.clone())?;
            self.map.remove(run);
        }
        Ok(())
    }

    /// Where mprotect starts: PROT_GROWSDOWN takes a stack's whole lower part.
    fn protect_from(&self, start: u64, end: u64, down: bool, up: bool) -> Result<u64, Errno> {
        if !down && !up {
            return Ok(start);
        }
        let v = self.map.find_or_above(start).ok_or(Errno::ENOMEM)?;
        if up && v.start > start {
            return Err(Errno::ENOMEM);
        }
        // No mapping grows upwards.
        if up || v.start >= end || v.attr.flags & (Attr::GROWS | Attr::STACK) == 0 {
            return Err(Errno::EINVAL);
        }
        Ok(v.start)
    }

    /// Change the protection of a run of mapped pages.
    fn protect(&mut self, run: Range<u64>, prot: Prot, stale: &mut Stale) -> Result<(), Errno> {
        let host_protect = |r: &Range<u64>| host(libc::SYS_mprotect, [r.start, r.end - r.start, prot.host(), 0, 0, 0]);
        let spoils = |v: &Vma| v.attr.prot.exec() && (!prot.exec() || prot.write() && !v.attr.prot.write());
        if self.map.within(run.clone()).any(|v| spoils(&v)) {
            stale.add(run.clone());
        }
        if host_protect(&run).is_ok() {
            self.map.update(run, |a| a.prot = prot);
            return Ok(());
        }
        // The kernel changes what comes before the mapping that it refuses. Which one is that?
        let mut at = run.start;
        while let Some(v) = self.map.first(at..run.end) {
            let piece = v.start..v.end;
            host_protect(&piece)?;
            at = v.end;
            self.map.update(piece, |a| a.prot = prot);
        }
        Ok(())
    }

    /// Note a successful mremap. `last` describes the end of the old range.
    fn remapped(&mut self, from: Range<u64>, at: u64, new_len: u64, keep: bool, last: Attr) {
        let target = at..at + new_len;
        if from == self.vdso {
            self.vdso = target.clone();
        }
        // An old size of zero makes a second mapping of the same pages.
        let shown = self.map.views.within(from.start..from.end.max(from.start + if from.is_empty() { new_len } else { 0 }));
        if at == from.start {
            let end = from.end.min(target.end);
            self.map.remove(end..from.end);
            self.map.insert(end..target.end, last);
            // What it has grown by goes on where it ended.
            if let Some((piece, view)) = shown.last().filter(|(piece, _)| piece.end == end) {
                self.map.views.add(end..target.end, View { offset: view.offset + (end - piece.start), ..*view });
            }
            return;
        }
        let moved: Vec<Vma> = self.map.within(from.clone()).collect();
        if !keep {
            self.map.remove(from.clone());
        }
        self.map.insert(target.clone(), last);
        for v in moved {
            let start = v.start - from.start + at;
            let end = (v.end - from.start + at).min(target.end);
            if start < end {
                self.map.insert(start..end, v.attr);
            }
        }
        for (n, (piece, view)) in shown.iter().enumerate() {
            let start = piece.start - from.start + at;
            let grown = n + 1 == shown.len() && piece.end == from.end;
            let end = if grown { target.end } else { (piece.end - from.start + at).min(target.end) };
            self.map.views.add(start..end.max(start), *view);
        }
    }
}
