//! Code that was executed a few times only is interpreted (`guest::InterpretFn`), if the guest has an interpreter: more than half of what a program
//! starts with is executed once, and to translate it costs as much as to interpret it some ten times.
//!
//! How often code was reached is counted by where it was reached, in a small table without keys: those who share an entry are translated a little
//! earlier. The table is shared with children, and in a family with all of it (then code is known by what it is), so that what each of them
//! executes once is translated after all; who changes its rights begins one of its own.

use super::stats::Counters;
use super::store::Store;
use super::work::Stop;
use super::{region, Engine, Exit, Inner};
use crate::cpu::Cpu;
use crate::guest::{Fetch, Interpreted};
use crate::host;
use crate::ir::Mode;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering::*};

/// Entries, a power of two.
pub(super) const ENTRIES: usize = 1 << 14;

/// A program that has interpreted so many instructions will run for a while yet: each time, code is translated twice as soon.
const LOG2_AGE: u32 = 15;

/// Counts of how often code that isn't translated was reached.
pub(super) struct Heat(*const [AtomicU8; ENTRIES]);

// SAFETY: shared memory of atomics.
unsafe impl Send for Heat {}

impl Heat {
    pub fn new() -> Option<Heat> {
        Heat::map(libc::MAP_ANONYMOUS, -1, 0)
    }

    /// What lies there in a file.
    pub fn of_file(fd: i32, at: usize) -> Option<Heat> {
        Heat::map(0, fd, at)
    }

    fn map(flags: i32, fd: i32, offset: usize) -> Option<Heat> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | flags);
        // SAFETY: a fresh mapping of zeros, or of what relatives have counted: all of it is valid.
        let at = unsafe { libc::mmap(ptr::null_mut(), ENTRIES, prot, flags, fd, offset as libc::off_t) };
        (at != libc::MAP_FAILED).then_some(Heat(at.cast()))
    }

    /// Code at `pc`, or whatever else says which code that is, was reached: whether that was fewer than `often` times.
    fn count(&self, pc: u64, often: u32) -> bool {
        // SAFETY: mapped as long as `self`.
        let entry = unsafe { &(*self.0)[((pc ^ pc >> 14) >> 2) as usize & (ENTRIES - 1)] };
        let n = entry.load(Relaxed).saturating_add(1);
        let cold = u32::from(n) < often;
        // (Others may count, too: what gets lost doesn't matter.)
        entry.store(if cold { n } else { 0 }, Relaxed);
        cold
    }
}

impl Drop for Heat {
    fn drop(&mut self) {
        // SAFETY: ours, and nobody else in this process knows the address.
        unsafe { libc::munmap(self.0.cast_mut().cast(), ENTRIES) };
    }
}

impl Engine {
    /// Code at `pc`, which is not translated, was reached: whether it is to be interpreted.
    pub(super) fn is_cold(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) -> bool {
        self.keep_heat(i);
        let Some(heat) = &i.heat else { return false };
        // To copy a relative's translation is little more work than to interpret the code twice.
        let least = if i.store.is_some() { 1 } else { 2 };
        let often = match self.options.cold {
            n @ 0..256 => (n >> (self.count.interpreted.load(Relaxed) >> LOG2_AGE).min(31)).max(n.min(least)),
            n => n,
        };
        // Relatives have the same code elsewhere.
        let place = i.store.as_ref().and_then(|s| s.key(pc, mode, mem)).unwrap_or(pc);
        heat.count(place, often)
    }

    /// Whether there is code that is interpreted.
    fn may_interpret(&self) -> bool {
        self.guest.interpret.is_some() && self.options.cold > 1
    }

    /// In a family, counts are the family's.
    pub(super) fn share_heat(&self, i: &mut Inner) {
        if self.may_interpret() {
            i.heat = i.store.as_ref().and_then(Store::heat).or(i.heat.take());
        }
    }

    /// Have counts: before a fork, so that children share them.
    pub(super) fn keep_heat(&self, i: &mut Inner) {
        if i.heat.is_none() && self.may_interpret() {
            i.heat = Heat::new();
        }
    }

    /// Execute cold code from `cpu.pc` on, up to code that is translated: its entry.
    pub(super) fn interpret(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Result<u64, Exit> {
        let f = self.guest.interpret.expect("only what has an interpreter is cold");
        let mut nzcv = host::nzcv_from_rest(cpu.flags);
        let mut count = 0;
        let end = loop {
            let end = f(cpu, &mut nzcv, mem, self.options.hidden, &mut count);
            if end == Interpreted::Syscall {
                break Err(Exit::Syscall);
            }
            if cpu.pending.load(Relaxed) != 0 {
                break Err(Exit::Pending);
            }
            if let Some(host) = region::recall(cpu, cpu.pc) {
                break Ok(host);
            }
            let (pc, mode) = (cpu.pc, self.mode(cpu));
            let found = self.settle(mem, |i, apart| {
                Ok(match self.find(i, pc, mode, mem) {
                    Some(host) => Some(host),
                    None if end == Interpreted::Branch && self.is_cold(i, pc, mode, mem) => None,
                    None if apart => return Err(Stop::Missing(pc, mode)),
                    None => Some(self.translate(i, pc, mode, mem)?),
                })
            });
            if let Some(found) = found.transpose() {
                break found;
            }
        };
        cpu.flags = host::rest_from_nzcv(nzcv);
        Counters::add(&self.count.interpreted, count);
        end
    }
}
