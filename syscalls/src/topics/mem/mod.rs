//! The guest's address space.
//!
//! Guest addresses are host addresses, so the runtime's own mappings (its program, its heap and stacks, translated code) lie among the
//! guest's. [`Space`] knows which ranges are the guest's, and what the guest may do there; a call that changes mappings reaches only those.
//! A fixed mapping over bytes that nobody owns is made with MAP_FIXED_NOREPLACE, so that the kernel itself says whether something of ours is there.
//!
//! The kernel sees no PROT_EXEC: guest code is data to the host.
//!
//! Locks: one lock per space, held around the host's call, so that books and reality agree. It is the innermost lock: nothing else
//! is locked and no [`crate::Machine`] method is called under it. Translations are voided after it is released (see [`Stale`]); a translator
//! that reads code meanwhile holds the engine's lock, which the voiding has to take, so that no stale translation survives.

mod advice;
mod calls;
mod limits;
mod place;
mod resize;
mod room;
#[cfg(test)]
mod tests;
mod views;
pub mod vma;
mod watch;

pub use calls::*;
pub use limits::{Limit, RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};
pub use views::{Object, LOG2_GRANULE, SHOWN};

use crate::abi::Memory;
use crate::sys;
use crate::Errno;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use vma::{Attr, Map, Prot, Vma, PAGE};

/// The guest's mappings and heap, shared by all threads with CLONE_VM.
#[derive(Debug)]
pub struct Space {
    /// What the guest's kernel has for it.
    memory: &'static Memory,
    inner: RwLock<Inner>,
    /// Some mapping is MAP_GROWSDOWN.
    grows: AtomicBool,
    /// personality(READ_IMPLIES_EXEC): readable mappings are executable.
    read_implies_exec: AtomicBool,
    /// prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE). Tags are understood anyway.
    tagged_addresses: AtomicBool,
    /// prctl(PR_SET_MDWE).
    mdwe: AtomicU8,
    /// Tells processes that share memory of changed code.
    shared: views::Shared,
    /// Some page has been watched.
    watching: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    map: Map,
    /// Start and end of the heap.
    brk_start: u64,
    brk: u64,
    /// An address in the initial stack.
    stack: u64,
    /// The vDSO's pages.
    vdso: Range<u64>,
    /// mlockall(MCL_FUTURE), with or without MCL_ONFAULT.
    lock_future: Option<LockMode>,
    /// Attached System V segments: address and length.
    shm: Vec<(u64, u64)>,
    /// RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK as the guest set them.
    limits: [Option<Limit>; 3],
    /// The host hands out addresses that the guest doesn't have.
    beyond: bool,
    /// Above is no room.
    room: Option<u64>,
    /// Pages that only the host keeps from being written: see `watch.rs`.
    watched: BTreeSet<u64>,
}

/// How pages are to be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockMode {
    Now,
    OnFault,
}

/// The range in which translations are void after a change, to be told to the machine once the space is unlocked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Stale(pub Option<Range<u64>>);

impl Stale {
    fn add(&mut self, range: Range<u64>) {
        self.0 = Some(match self.0.take() {
            Some(old) => old.start.min(range.start)..old.end.max(range.end),
            None => range,
        });
    }
    /// Note a range that is about to change if there is code in it.
    fn note(&mut self, map: &Map, range: Range<u64>) {
        if map.any_exec(range.clone()) {
            self.add(range);
        }
    }
}

/// The lock of a space for the time of a fork: see [`Space::lock_for_fork`].
pub struct ForkGuard<'a>(RwLockWriteGuard<'a, Inner>);

impl ForkGuard<'_> {
    /// In the child: drop what MADV_DONTFORK kept from it, and unlock.
    pub fn child(mut self) {
        let gone: Vec<Vma> = self.0.map.iter().filter(|v| v.attr.flags & Attr::DONTFORK != 0).collect();
        for v in gone {
            self.0.map.remove(v.start..v.end);
        }
        // Locks on pages are not inherited.
        self.0.lock_future = None;
    }
    /// In the parent, also when the fork failed: unlock.
    pub fn parent(self) {}
}

pub(crate) const fn page_down(a: u64) -> u64 {
    a & !(PAGE - 1)
}

pub(crate) const fn aligned(a: u64) -> bool {
    a & (PAGE - 1) == 0
}

/// Rounded up; `None` when that leaves 64 bits.
pub(crate) fn page_up(a: u64) -> Option<u64> {
    a.checked_add(PAGE - 1).map(page_down)
}

/// A host call on guest memory under the space's lock.
fn host(nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    // SAFETY: callers pass ranges that the space owns or that the kernel checks to be free.
    unsafe { sys::call(nr, args) }
}

/// Give back what was mapped by us or is owned by the guest.
fn host_munmap(range: Range<u64>) -> Result<u64, Errno> {
    host(libc::SYS_munmap, [range.start, range.end - range.start, 0, 0, 0, 0])
}

impl Default for Space {
    /// An arm64 guest's.
    fn default() -> Space {
        Space::new(&crate::arm64::ABI.memory)
    }
}

impl Space {
    /// Nothing yet.
    pub fn new(memory: &'static Memory) -> Space {
        Space {
            memory,
            inner: RwLock::default(),
            grows: AtomicBool::new(false),
            read_implies_exec: AtomicBool::new(false),
            tagged_addresses: AtomicBool::new(false),
            mdwe: AtomicU8::new(0),
            shared: views::Shared::default(),
            watching: AtomicBool::new(false),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(|e| e.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether an instruction at `addr` may be fetched.
    pub fn fetchable(&self, addr: u64) -> bool {
        self.read().map.find(addr).is_some_and(|v| v.attr.prot.exec())
    }

    /// The mapping around `addr` if instructions may be fetched there.
    pub fn exec_range(&self, addr: u64) -> Option<Range<u64>> {
        self.read().map.find(addr).filter(|v| v.attr.prot.exec()).map(|v| v.start..v.end)
    }

    /// Whether the guest has a mapping at `addr`: tells SEGV_ACCERR from SEGV_MAPERR.
    pub fn mapped(&self, addr: u64) -> bool {
        self.read().map.find(addr).is_some()
    }

    /// All mappings, by address.
    pub fn mappings(&self) -> Vec<Vma> {
        self.read().map.iter().collect()
    }

    /// Take a range into the books that was mapped otherwise.
    pub fn adopt(&self, addr: u64, len: u64, prot: u64) {
        let Some(end) = page_up(len).and_then(|len| addr.checked_add(len)) else { return };
        self.write().map.insert(addr..end, Attr { prot: self.prot(prot), flags: 0 });
    }

    /// Where the heap starts, and so ends for now.
    pub fn set_brk_start(&self, addr: u64) {
        let mut inner = self.write();
        (inner.brk_start, inner.brk) = (addr, addr);
    }

    /// Start and end of the heap.
    pub fn heap(&self) -> Range<u64> {
        let inner = self.read();
        inner.brk_start..inner.brk
    }

    /// The mapping around `addr` is the initial stack, and `addr` the stack pointer at the start.
    pub fn set_stack(&self, addr: u64) {
        let mut inner = self.write();
        inner.stack = addr;
        // The very top of a stack may be its end.
        if let Some(v) = inner.map.find(addr).or_else(|| inner.map.find(addr.wrapping_sub(1))) {
            inner.map.update(v.start..v.end, |a| a.flags |= Attr::STACK);
        }
    }

    /// The stack pointer at the start.
    pub fn stack(&self) -> u64 {
        self.read().stack
    }

    /// The pages of the guest's vDSO.
    pub fn set_vdso(&self, range: Range<u64>) {
        self.write().vdso = range;
    }

    /// See [`Space::set_vdso`].
    pub fn vdso(&self) -> Range<u64> {
        self.read().vdso.clone()
    }

    /// personality(READ_IMPLIES_EXEC) as the guest set it.
    pub fn read_implies_exec(&self) -> bool {
        self.read_implies_exec.load(Ordering::Relaxed)
    }

    /// See [`Space::read_implies_exec`].
    pub fn set_read_implies_exec(&self, on: bool) {
        self.read_implies_exec.store(on, Ordering::Relaxed);
    }

    /// The guest's protection for an argument of mmap or mprotect.
    fn prot(&self, prot: u64) -> Prot {
        let implied = if prot & u64::from(Prot::READ) != 0 && self.read_implies_exec() { u64::from(Prot::EXEC) } else { 0 };
        Prot::from_bits(prot | implied)
    }

    /// Lock the space for a fork, so that the child finds it whole. The child calls [`ForkGuard::child`], the parent [`ForkGuard::parent`].
    /// To be taken after the engine's locks.
    pub fn lock_for_fork(&self) -> ForkGuard<'_> {
        ForkGuard(self.write())
    }
}
