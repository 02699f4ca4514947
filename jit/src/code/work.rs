//! Translating, with the engine's lock held or without it.
//!
//! A thread that is alone translates with the lock held. One of several takes a [`Work`] of its own, lifts and emits in that, and takes the lock again only to
//! publish: compilers' threads and those that run what they have compiled need translations all the time, and all of them would wait for each other. Whoever
//! invalidates code counts that with the lock held, and [`Engine::busy`] sees to it that nobody who has changed code finds out by himself that there is
//! nothing to invalidate. So if nothing was counted in between, what was read is still good; otherwise it is done again, with the lock held.

use super::stats::Stopwatch;
use super::{dump, filter, fuse, lift, Engine, Exit, Facts, Inner, Options};
use crate::guest::{Fetch, Guest, Hints, Limits};
use crate::host::{self, Backend, Emitted, Features};
use crate::ir::{self, Mode, Trap};
use std::mem::swap;
use std::sync::atomic::Ordering::Relaxed;

/// What a translation is made with, and what is made of it. Its memory is used again.
pub(super) struct Work {
    pub backend: host::Native,
    pub block: ir::Block,
    pub scratch: fuse::Scratch,
    pub emitted: Emitted,
}

/// Why the lock is let go of before what was asked for is found.
pub(super) enum Stop {
    Exit(Exit),
    /// A translation of this isn't there, and may be made without the lock.
    Missing(u64, Mode),
}

impl From<Exit> for Stop {
    fn from(exit: Exit) -> Stop {
        Stop::Exit(exit)
    }
}

/// As many threads as may translate without the lock at once: more would gain nothing, and [`filter::Busy`] can't count them all.
const APART: u32 = 16;

/// Guest code that one translation is made of, in bytes, at most.
const REACH: u64 = lift::LIMITS.insns as u64 * 16;

/// What the lifter may ask that works without the lock.
struct Asked<'a> {
    engine: &'a Engine,
    hints: &'a [(u64, u8)],
    mode: Mode,
}

impl Hints for Asked<'_> {
    fn hint(&self, pc: u64) -> u8 {
        self.hints.iter().find(|h| h.0 == pc).map_or(0, |h| h.1)
    }
    fn hidden(&self) -> u64 {
        self.engine.options.hidden
    }
    fn translated(&self, pc: u64) -> bool {
        self.engine.inner.with(|i| i.cache.find(pc, self.mode).is_some())
    }
}

impl Work {
    pub fn new(guest: &Guest, options: &Options, features: Features) -> Box<Work> {
        let mut backend = host::Native::new(guest.hot_gprs, guest.hot_vecs, features);
        backend.disorder(options.disorder);
        backend.count_misses(options.stats);
        Box::new(Work { backend, block: ir::Block::default(), scratch: fuse::Scratch::default(), emitted: Emitted::default() })
    }

    /// Lift the code at `pc`. Fails if it can't be fetched.
    pub fn lift(
        &mut self,
        guest: &Guest,
        at: (u64, Mode),
        mem: &dyn Fetch,
        hints: &dyn Hints,
        limits: Limits,
    ) -> Result<(), Exit> {
        self.block.clear(at.0, at.1);
        (guest.lift)(&mut self.block, mem, hints, limits);
        if !self.block.starts.is_empty() {
            return Ok(());
        }
        // Not kept: what is not there now may be mapped later.
        Err(match self.block.insts[0].trap() {
            Trap::PcAlign => Exit::PcAlign,
            _ => Exit::FetchFault,
        })
    }

    /// Find out what code beyond the lifted block tells about it.
    pub fn look_ahead(&mut self, guest: &Guest, mem: &dyn Fetch) {
        lift::look_ahead(guest, &mut self.block, mem, &mut self.scratch);
    }

    /// Emit what was lifted.
    pub fn emit(&mut self, guest: &Guest, options: &Options) {
        if options.dump_ir {
            dump::ir(guest, &self.block);
        }
        self.backend.emit(&mut self.block, &mut self.emitted);
    }

    /// Lift and emit.
    fn make(&mut self, engine: &Engine, at: (u64, Mode), mem: &dyn Fetch, hints: &dyn Hints) -> Result<(), Exit> {
        let (guest, options) = (engine.guest, &engine.options);
        self.lift(guest, at, mem, hints, lift::LIMITS)?;
        self.check(options);
        self.look_ahead(guest, mem);
        self.emit(guest, options);
        Ok(())
    }

    /// Whether the lifted block is as it must be, where that is asked for.
    pub fn check(&self, options: &Options) {
        if !options.verify {
            return;
        }
        if let Err(e) = ir::verify::verify_lifted(&self.block) {
            eprintln!("run-foreign: block at {:#x}: {e}", self.block.pc);
            std::process::abort();
        }
    }
}

impl Engine {
    /// `f`, with the lock held. What it says is missing is translated, and `f` called again. Its second argument says whether it is to say so, or to
    /// translate itself.
    pub(super) fn settle<R>(&self, mem: &dyn Fetch, mut f: impl FnMut(&mut Inner, bool) -> Result<R, Stop>) -> Result<R, Exit> {
        // That it is alone only a thread itself can change.
        let mut apart = self.threads.load(Relaxed) > 1;
        loop {
            let result = self.inner.with(|i| {
                let result = f(i, apart && i.apart < APART);
                i.apart += matches!(result, Err(Stop::Missing(..))) as u32;
                result
            });
            match result {
                Ok(r) => return Ok(r),
                Err(Stop::Exit(exit)) => return Err(exit),
                Err(Stop::Missing(pc, mode)) => self.translate_apart(pc, mode, mem)?,
            }
            apart = false;
        }
    }

    /// Translate the code at `pc`, with the lock held: the entry.
    pub(super) fn translate(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) -> Result<u64, Exit> {
        let _busy = self.busy(i);
        let _time = self.stopwatch();
        if let Some(host) = self.find_in_family(i, pc, mode, mem) {
            Engine::tell_parent(i, pc, mode);
            return Ok(host);
        }
        let Inner { work, hints, cache, .. } = i;
        let facts = Facts { hints, cache, mode, hidden: self.options.hidden, path: &[] };
        work.make(self, (pc, mode), mem, &facts)?;
        Ok(self.finish(i, mem))
    }

    /// Translate the code at `pc`, without the lock as far as possible. Then a translation is there, unless code has changed meanwhile. The caller has
    /// counted itself in `apart`.
    fn translate_apart(&self, pc: u64, mode: Mode, mem: &dyn Fetch) -> Result<(), Exit> {
        // Before anything is read.
        let _busy = self.filter.busy();
        let _time = self.stopwatch();
        let mut hints = Vec::new();
        let begun = self.inner.with(|i| {
            if self.find_in_family(i, pc, mode, mem).is_some() {
                Engine::tell_parent(i, pc, mode);
                i.apart -= 1;
                return None;
            }
            if !i.hints.is_empty() {
                hints.extend(i.hints.range(pc..pc.saturating_add(REACH)).map(|(&pc, &bits)| (pc, bits)));
            }
            Some((i.idle.pop(), i.changes))
        });
        let Some((work, changes)) = begun else { return Ok(()) };
        let mut work = work.unwrap_or_else(|| Work::new(self.guest, &self.options, self.features));
        let made = work.make(self, (pc, mode), mem, &Asked { engine: self, hints: &hints, mode });
        self.inner.with(|i| {
            i.apart -= 1;
            swap(&mut i.work, &mut work);
            if made.is_ok() && i.changes == changes && i.cache.find(pc, mode).is_none() {
                self.finish(i, mem);
            }
            i.idle.push(work);
        });
        made
    }

    /// Publish what is in `i.work`: the entry.
    fn finish(&self, i: &mut Inner, mem: &dyn Fetch) -> u64 {
        let host = self.publish(i);
        self.tell_family(i, mem);
        let ir::Block { pc, mode, .. } = i.work.block;
        Engine::tell_parent(i, pc, mode);
        if self.options.dump_asm {
            dump::asm(self.guest, &i.work.block, &i.work.emitted, host, mem);
        }
        host
    }

    pub(super) fn stopwatch(&self) -> Option<Stopwatch<'_>> {
        self.options.stats.then(|| Stopwatch::new(&self.count.nanoseconds))
    }

    /// Code is about to be read: no other thread finds out by itself that it has nothing to invalidate, until the translation is published.
    pub(super) fn busy(&self, i: &Inner) -> Option<filter::Busy<'_>> {
        (i.cpus.len() > 1).then(|| self.filter.busy())
    }
}
