//! What children translate, told to their parent: a shell forks one child after the other, all of which run the same code that
//! the shell itself never does, and each would translate it anew.
//!
//! A page is shared with the children of a process. Each notes there the addresses of its first translations, and before the next fork the parent
//! translates the same from its own memory, so that the next child finds everything. Only addresses pass from child to parent, and the parent
//! believes them no more than a hint: a child may have given up rights, or be hostile.

use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Addresses that are noted at most between two forks.
const ROOM: usize = 1023;

struct Page {
    /// Number of addresses, including those for which there was no room.
    count: AtomicU32,
    pcs: [AtomicU64; ROOM],
}

/// One process's notes for another.
pub struct Notes(*const Page);

// SAFETY: shared memory of atomics.
unsafe impl Send for Notes {}

impl Notes {
    /// Empty ones.
    pub fn new() -> Option<Notes> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping, zero, which is valid.
        let at = unsafe { libc::mmap(ptr::null_mut(), size_of::<Page>(), prot, flags, -1, 0) };
        (at != libc::MAP_FAILED).then_some(Notes(at.cast()))
    }

    fn page(&self) -> &Page {
        // SAFETY: mapped as long as `self`.
        unsafe { &*self.0 }
    }

    /// Note an address; whether there was room.
    pub fn note(&self, pc: u64) -> bool {
        let n = self.page().count.fetch_add(1, Relaxed) as usize;
        match self.page().pcs.get(n) {
            Some(p) => p.store(pc, Relaxed),
            // Far from overflow.
            None => self.page().count.store(ROOM as u32, Relaxed),
        }
        n < ROOM
    }

    /// Take what was noted.
    pub fn take(&self) -> impl Iterator<Item = u64> + '_ {
        let n = self.page().count.swap(0, Relaxed) as usize;
        self.page().pcs.iter().take(n).map(|p| p.load(Relaxed))
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody else in this process knows the address.
        unsafe { libc::munmap(self.0.cast_mut().cast(), size_of::<Page>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_taken_once_and_whatever_a_child_writes_is_bounded() {
        let notes = Notes::new().expect("memory");
        assert!((1..=3).all(|n| notes.note(n * 4)));
        assert_eq!(notes.take().collect::<Vec<_>>(), [4, 8, 12]);
        assert_eq!(notes.take().count(), 0);
        assert!((0..ROOM as u64).all(|n| notes.note(n)));
        assert!(!notes.note(0) && !notes.note(0));
        assert_eq!(notes.take().count(), ROOM);
        notes.page().count.store(u32::MAX, Relaxed);
        assert_eq!(notes.take().count(), ROOM);
        assert!(notes.note(4));
    }
}
