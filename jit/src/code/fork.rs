//! An engine and fork: the child goes on with what is translated, and tells its parent what it translates itself.

use super::family::Notes;
use super::{region, Engine, Inner};
use crate::cpu::Cpu;
use crate::guest::Fetch;
use crate::ir::Mode;
use std::sync::atomic::Ordering::*;

impl Engine {
    /// Before [`Engine::fork_prepare`]: translate what earlier children have, so that the next need not.
    pub fn fork_ahead(&self, mem: &dyn Fetch) {
        self.inner.with(|i| {
            let Some(notes) = i.from_children.take() else {
                i.from_children = Notes::new();
                return;
            };
            for pc in notes.take() {
                if (self.guest.branch_target)(pc) == pc && self.find(i, pc, Mode::default(), mem).is_none() {
                    // What can't be fetched here is not translated.
                    let _ = self.translate(i, pc, Mode::default(), mem);
                }
            }
            i.from_children = Some(notes);
        });
    }
    /// This process needed a translation of `pc`: its parent would do well to have one before the next child does.
    pub(super) fn tell_parent(i: &mut Inner, pc: u64, mode: Mode) {
        if i.for_parent.as_ref().is_some_and(|n| mode == Mode::default() && !n.note(pc)) {
            i.for_parent = None;
        }
    }
    /// Before fork: take the lock, so that the child finds everything whole. Then call exactly one of the other three.
    pub fn fork_prepare(&self) {
        self.inner.acquire();
        // SAFETY: just acquired.
        let i = unsafe { self.inner.get() };
        for c in std::iter::once(&mut i.cache).chain(i.retired.iter_mut().map(|r| &mut r.1)) {
            c.area.share();
        }
        self.keep_heat(i);
        if let Some(store) = &mut i.store {
            store.flush();
        }
    }
    /// After fork, in the parent.
    pub fn fork_parent(&self) {
        // SAFETY: taken by `fork_prepare`.
        unsafe { self.inner.release() };
    }
    /// After a fork that failed.
    pub fn fork_failed(&self) {
        // SAFETY: taken by `fork_prepare`.
        unsafe {
            let i = self.inner.get();
            for c in std::iter::once(&mut i.cache).chain(i.retired.iter_mut().map(|r| &mut r.1)) {
                c.area.unshare_failed();
            }
            self.inner.release();
        }
    }
    /// After fork, in the child, whose only thread runs `cpu`.
    pub fn fork_child(&self, cpu: &mut Cpu) {
        // SAFETY: taken by `fork_prepare` in the parent; this process's copy of the lock is held by its only thread.
        unsafe {
            let i = self.inner.get();
            i.cpus.clear();
            i.cpus.push(cpu);
            self.threads.store(1, SeqCst);
            i.for_parent = i.from_children.take();
            if let Some(store) = &mut i.store {
                store.forked();
            }
            // Of threads that are not in this process.
            self.interrupting.store(0, Relaxed);
            i.apart = 0;
            self.filter.nobody_busy();
            crate::cpu::SPLIT_LOCK.store(0, Relaxed);
            if self.options.stats {
                self.count.reset();
                region::take_misses(cpu);
            }
            if let Some(watcher) = self.options.watcher {
                watcher.forked();
            }
            self.inner.release();
        }
    }
    /// The only thread of this process, which calls this, is about to execute another program or to end: let a process that shares the code memory
    /// have it. If it does not come to it, [`Engine::take_back`] must follow.
    pub fn abandon(&self) {
        self.inner.with(|i| {
            i.cache.area.abandon();
            i.retired.iter_mut().for_each(|(_, c)| c.area.abandon());
        });
    }
    /// The process goes on after [`Engine::abandon`]. What was given away may have been changed by now, also where returns lead to.
    pub fn take_back(&self) {
        self.inner.with(|i| {
            i.retired.retain(|(_, c)| !c.area.abandoned());
            self.retired.store(i.retired.len() as u32, Relaxed);
            if i.cache.area.abandoned() {
                drop(self.replace(i));
            }
        });
    }
}
