//! What the engine has done, in numbers. They are counted where something rare or slow happens anyway.

use super::Exit;
use crate::ir::hint;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Numbers since the process began.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same, while they change.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub $name: AtomicU64,)*
        }

        impl Counters {
            pub fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Relaxed),)* }
            }
            pub fn reset(&self) {
                $(self.$name.store(0, Relaxed);)*
            }
        }
    };
}

counters! {
    /// Translations.
    translations
    /// Of these, copies of what a relative had translated.
    found
    /// Of these, traces.
    traces
    /// Pages of which relatives' translations came in one piece.
    images
    /// Guest instructions that were interpreted.
    interpreted
    /// Guest instructions in them.
    guest_insns
    /// Bytes of host code in them.
    host_bytes
    /// Direct exits in them.
    links
    /// Nanoseconds spent translating. Only with [`super::Options::stats`].
    nanoseconds
    /// Times that a thread left translated code by an exit that was not linked yet.
    link_exits
    /// Times that it left because no table had the target of an indirect branch or return.
    lookups
    /// Indirect branches and returns that the first table didn't have. Only with [`super::Options::stats`].
    table_misses
    /// Returns that didn't match the top of the return stack. Only with [`super::Options::stats`].
    return_misses
    /// Times that the return stack was full.
    return_overflows
    /// Ranges of code that the guest or the system declared changed, but for those in which translated code found nothing by itself.
    invalidations
    /// Translations that became void by that.
    invalidated
    /// Times that all translations were dropped.
    flushes
    /// Instructions found to need exact floating point.
    learned_fp
    /// Instructions found to use tagged pointers.
    learned_tagged
    /// Faults of the guest.
    faults
    /// System calls. Only with [`super::Options::stats`].
    syscalls
    /// Times that a thread left for a signal. Only with [`super::Options::stats`].
    signals
}

impl Counters {
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    /// The same for a counter that changes with the engine's lock held only: nothing that the processor must lock.
    pub fn add_alone(counter: &AtomicU64, n: u64) {
        counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// With the engine's lock held.
    pub fn translations(&self, n: usize, insns: u32, bytes: usize, links: usize) {
        Counters::add_alone(&self.translations, n as u64);
        Counters::add_alone(&self.guest_insns, insns.into());
        Counters::add_alone(&self.host_bytes, bytes as u64);
        Counters::add_alone(&self.links, links as u64);
    }

    pub fn learned(&self, bits: u8) {
        Counters::add(&self.learned_fp, (bits & (hint::SOFT_FP | hint::NANS) != 0).into());
        Counters::add(&self.learned_tagged, (bits & hint::TAGGED != 0).into());
    }

    pub fn misses(&self, [returns, table]: [u64; 2]) {
        Counters::add(&self.return_misses, returns);
        Counters::add(&self.table_misses, table);
    }

    pub fn exit(&self, exit: Exit) {
        match exit {
            Exit::Syscall => Counters::add(&self.syscalls, 1),
            Exit::Pending => Counters::add(&self.signals, 1),
            _ => {}
        }
    }
}

/// Adds the time of its life to a counter.
pub(super) struct Stopwatch<'a>(&'a AtomicU64, Instant);

impl Stopwatch<'_> {
    pub fn new(counter: &AtomicU64) -> Stopwatch<'_> {
        Stopwatch(counter, Instant::now())
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        Counters::add(self.0, self.1.elapsed().as_nanos() as u64);
    }
}
