//! What lets IC IVAU go on at once where there is nothing to invalidate, which is nearly everywhere: a program flushes all that it has written, most of
//! which has never run, and some flush data.
//!
//! Two tables of counts that translated code looks at ([`crate::ir::Op::TrapIfCode`]): how many pages have a translation, or something learned, on a line;
//! and how many mappings show a granule of memory that other mappings or processes may show, too ([`Shown`], the embedder's). Addresses that are far apart
//! share a count, and a full one stays full: the only harm is that the engine is asked in vain.
//!
//! **Order.** One thread writes code, executes DSB and IC IVAU, and the other translates that code at the same time. Either the first finds the line's count,
//! or the other reads what was written: the translator says that it is at work before it reads, and counts before it says that it has
//! finished. Between its word and its reading stands a barrier, between the write and the look the guest's own.

use std::sync::atomic::{compiler_fence, fence, AtomicU8, Ordering::*};

/// log2 of the bytes of a line.
pub const LOG2_LINE: u32 = 6;
/// log2 of the number of counts of lines: two lines share one if they are a multiple of 64 MiB apart.
pub const LOG2_LINES: u32 = 20;
/// Where the counts of lines begin; before, a byte that counts those who translate.
pub const LINES_AT: usize = 64;

/// log2 of the bytes of a granule.
pub const LOG2_GRANULE: u32 = 16;
/// Number of counts of granules.
pub const GRANULES: usize = 1 << 16;

/// How many mappings show memory of each granule, modulo their number, that is mapped elsewhere, too, or may be.
pub type Shown = [AtomicU8; GRANULES];

/// A table without anything.
pub static NOTHING_SHOWN: Shown = [const { AtomicU8::new(0) }; GRANULES];
/// The lines of an engine that has no code.
pub static NO_LINES: [AtomicU8; LINES_AT + (1 << LOG2_LINES)] = [const { AtomicU8::new(0) }; LINES_AT + (1 << LOG2_LINES)];

/// The counts of lines. They are changed with the engine's lock held, and read at any time.
pub struct Filter(Box<[AtomicU8]>);

/// While it lives, code is translated.
pub struct Busy<'a>(&'a AtomicU8);

impl Default for Filter {
    /// Nothing is translated. (Memory is taken as it is touched.)
    fn default() -> Filter {
        let bytes = vec![0u8; NO_LINES.len()].into_boxed_slice();
        // SAFETY: the same bytes, which nobody else has.
        Filter(unsafe { Box::from_raw(Box::into_raw(bytes) as *mut [AtomicU8]) })
    }
}

impl Filter {
    /// For translated code.
    pub fn table(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    /// From here on code may be read to be translated.
    pub fn busy(&self) -> Busy<'_> {
        let flag = &self.0[0];
        if cfg!(target_arch = "x86_64") {
            // With an instruction that is a barrier by itself.
            flag.fetch_add(1, SeqCst);
            compiler_fence(SeqCst);
        } else {
            flag.fetch_add(1, Relaxed);
            fence(SeqCst);
        }
        Busy(flag)
    }

    /// Those who translated are not in this process.
    pub fn nobody_busy(&self) {
        self.0[0].store(0, Relaxed);
    }

    fn count(&self, line: u64) -> &AtomicU8 {
        &self.0[LINES_AT + (line & ((1 << LOG2_LINES) - 1)) as usize]
    }

    /// There is something on a line (an address divided by its size).
    pub fn hold(&self, line: u64) {
        let c = self.count(line);
        c.store(c.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// What [`Filter::hold`] told of is gone.
    pub fn release(&self, line: u64) {
        let c = self.count(line);
        if let n @ 1..=254 = c.load(Relaxed) {
            c.store(n - 1, Relaxed);
        }
    }

    /// Whether translated code would ask.
    pub fn holds(&self, addr: u64) -> bool {
        self.count(addr >> LOG2_LINE).load(Relaxed) != 0
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_count_stays() {
        let f = Filter::default();
        for n in [1, 2, 255, 300] {
            let line = n << LOG2_LINES | n;
            (0..n).for_each(|_| f.hold(line));
            assert!(f.holds(line << LOG2_LINE | 63) && !f.holds((line + 1) << LOG2_LINE));
            (0..n).for_each(|_| f.release(n));
            assert_eq!(f.holds(line << LOG2_LINE), n >= 255);
        }
    }
}
