//! The optimizing tier: hot code is translated again along the way that control takes there.
//!
//! A counter ([`cache`](super::cache)) says that a loop's head, or where traces are left to, was reached often. If that was within a short time, the thread goes on
//! from there one run of instructions at a time, as single steps do, and notes where each branch leads: the *path*, until it is back, or where there is a trace already,
//! or the path is long enough. The lifter then follows that path, through branches, calls and returns, and what was a way to take becomes the
//! straight line of one block: what is known about registers and flags stays known, calls leave no trace on the return stack, and flags are
//! brought to rest where the path is left, if at all. A path is no more than a hint: each of its branches is checked by what the translation
//! executes, so that code may have changed in between, and threads may differ.
//!
//! It is done by the thread itself: a trace and its walks cost about 0.2 ms, and a process has no threads but the guest's, which would show
//! in /proc and keep the guest from what only a process with one thread may do.

use super::stats::Counters;
use super::{region, Engine, Exit, Facts, Inner};
use crate::cpu::{Cpu, HEAT_ENTRIES};
use crate::guest::{Fetch, Limits};
use crate::host;
use crate::ir::{self, Mode};
use std::ops::Range;
use std::sync::atomic::Ordering::*;
use std::time::{Duration, Instant};

/// How soon, for each time, a place must be reached so often as a counter counts to be hot at that moment …
const SOON: Duration = Duration::from_nanos(100);
/// … and how many times in a row, for a trace to be worth its price: by then it has been for a millisecond or two.
const STREAK: u32 = 16;
/// What was looked at so many times and was not hot at that moment is left alone, without a counter.
const LOOKS: u32 = 2;
/// Who asks for traces of what is executed less often than this wants them of everything, however long that took.
const ANY: u32 = 1000;
/// The walks that a trace is made of.
const WALKS: u32 = 4;
/// Branches of a path, and guest instructions of a trace, at most.
const BRANCHES: usize = 32;
const LIMITS: Limits = Limits { insns: 256, side_exits: 0 };
/// A run of instructions up to a branch.
const RUN: Limits = Limits { insns: 256, side_exits: 0 };

/// The entry of `Cpu::heat` that counts for a place.
pub(crate) fn heat_entry(pc: u64) -> usize {
    (pc >> 2) as usize & (HEAT_ENTRIES - 1)
}

/// A place that may become a trace.
pub(super) struct Place {
    /// When it was looked at last.
    since: Option<Instant>,
    /// How often it was not hot then, and was in a row.
    misses: u32,
    streak: u32,
    /// The walks from there, and what they have in common.
    walks: u32,
    common: Vec<u64>,
}

impl Engine {
    /// How often a counter counts; 0 without traces.
    pub(super) fn heat(options: &super::Options, guest: &crate::guest::Guest) -> u32 {
        match guest.traces && host::TRACES {
            true => options.hot.min(1 << 30),
            false => 0,
        }
    }

    /// The counter before `head` has counted enough: if that was soon, go on from there and make a trace. Where to go on then.
    pub(super) fn heated(&self, cpu: &mut Cpu, head: u64, mem: &dyn Fetch) -> Result<Option<u64>, Exit> {
        cpu.pc = head;
        cpu.heat[heat_entry(head)] = 0;
        let mode = self.mode(cpu);
        let Some(earlier) = self.inner.with(|i| self.look(i, head, mode)) else { return self.host_for(cpu, mem) };
        // No further than what earlier walks have in common need this one go.
        let mut path = Vec::with_capacity(BRANCHES);
        let common = (earlier.walks != 0).then_some(&earlier.common[..]);
        let end = self.walk(cpu, head, mode, mem, common, &mut path);
        if end != Some(Exit::Pending) {
            let place = Place { walks: earlier.walks + 1, common: path, ..earlier };
            if self.inner.with(|i| self.walked(i, head, mode, place, mem)) {
                // The next time round.
                cpu.heat[heat_entry(head)] = i32::MAX as u32;
            }
        }
        match end {
            Some(exit) => Err(exit),
            None => self.host_for(cpu, mem),
        }
    }

    /// Look at a place that was reached often: what is known about it, if it is hot.
    fn look(&self, i: &mut Inner, head: u64, mode: Mode) -> Option<Place> {
        let now = Instant::now();
        let fresh = Place { since: None, misses: 0, streak: 0, walks: 0, common: Vec::new() };
        let place = i.places.entry((head, mode)).or_insert(fresh);
        let since = place.since.replace(now);
        if since.is_some_and(|t| now - t <= SOON * self.options.hot) {
            place.streak += 1;
        } else if since.is_some() {
            (place.streak, place.misses) = (0, place.misses + 1);
        }
        if place.walks != 0 || place.streak >= STREAK || self.options.hot < ANY {
            return i.places.remove(&(head, mode));
        }
        if place.misses >= LOOKS {
            i.places.remove(&(head, mode));
            i.cache.settle(head, mode);
        }
        None
    }

    /// Execute from `head` on, which is at `cpu.pc`, and note where each run of instructions leads to, as long as that is the `common` way.
    /// What has to be seen to by the caller of `run`, if anything.
    fn walk(
        &self,
        cpu: &mut Cpu,
        head: u64,
        mode: Mode,
        mem: &dyn Fetch,
        common: Option<&[u64]>,
        path: &mut Vec<u64>,
    ) -> Option<Exit> {
        while path.len() < common.map_or(BRANCHES, <[u64]>::len) {
            if cpu.pending.load(Relaxed) != 0 {
                return Some(Exit::Pending);
            }
            let alone = Mode(mode.0 | Mode::RUN.0);
            if let Some(exit) = self.step_inside(cpu, mem, RUN, alone) {
                return Some(exit);
            }
            let other = self.mode(cpu) != mode;
            let known = other || path.contains(&cpu.pc) || cpu.pc != head && !self.inner.with(|i| i.cache.is_cold(cpu.pc, mode));
            if known {
                // An inner loop, or what has a trace of its own; or it is under another control of floating point from here on.
                return None;
            }
            if common.is_some_and(|c| c[path.len()] != cpu.pc) {
                return None;
            }
            path.push(cpu.pc);
            if cpu.pc == head {
                return None;
            }
        }
        None
    }

    /// After a walk: when they are enough, make a trace of what they have in common. Whether there is to be another soon.
    fn walked(&self, i: &mut Inner, head: u64, mode: Mode, place: Place, mem: &dyn Fetch) -> bool {
        let enough = place.walks >= WALKS || self.options.hot < WALKS;
        if enough || place.common.is_empty() {
            self.make_trace(i, head, mode, &place.common, mem);
            return false;
        }
        i.places.insert((head, mode), place);
        true
    }

    fn make_trace(&self, i: &mut Inner, head: u64, mode: Mode, path: &[u64], mem: &dyn Fetch) {
        if !i.cache.is_cold(head, mode) {
            // Another thread was faster.
            return;
        }
        let _busy = self.busy(i);
        let _time = self.stopwatch();
        let Inner { work, hints, cache, .. } = i;
        let facts = Facts { hints, cache, mode, hidden: self.options.hidden, path };
        let lifted = work.lift(self.guest, (head, mode), mem, &facts, LIMITS);
        if lifted.is_err() || work.block.parts.is_empty() || !near(&work.block) {
            return i.cache.settle(head, mode);
        }
        work.check(&self.options);
        work.look_ahead(self.guest, mem);
        merge(&mut work.block.parts);
        work.emit(self.guest, &self.options);
        let host = self.publish(i);
        // Indirect branches are to find it, too.
        // SAFETY: registered CPUs are alive.
        i.cpus.iter().for_each(|&cpu| unsafe { region::forget(cpu, Some(head)) });
        Counters::add(&self.count.traces, 1);
        if self.options.dump_asm {
            super::dump::asm(self.guest, &i.work.block, &i.work.emitted, host, mem);
        }
    }
}

/// Whether the distances of all instructions from the first fit 32 bits.
fn near(b: &ir::Block) -> bool {
    b.starts.iter().all(|pc| i32::try_from(pc.wrapping_sub(b.pc) as i64).is_ok())
}

/// Make ranges ascend, and one of those that touch.
fn merge(parts: &mut Vec<Range<u64>>) {
    parts.sort_unstable_by_key(|p| p.start);
    parts.dedup_by(|next, last| {
        let touch = next.start <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
}
