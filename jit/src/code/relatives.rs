//! What an engine shares with those of its relatives: see [`store`](super::store).

use super::cache::Cache;
use super::cold::Heat;
use super::stats::Counters;
use super::store::{Image, Made, Store, Stored, Sum};
use super::{Engine, Inner, Options};
use crate::guest::Fetch;
use crate::host;
use crate::ir::{self, Mode};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// What was learned about instructions.
type Learned = BTreeMap<u64, u8>;

impl Engine {
    /// A sum of everything that translations of this process depend on beside guest code and mode. That both are the same program is given.
    fn made_for(&self, i: &Inner) -> u64 {
        let (stubs, offsets) = &i.stubs;
        let mut s = Sum::new(self.options.hidden);
        s.bytes(self.guest.name.as_bytes());
        let mut features = DefaultHasher::new();
        self.features.hash(&mut features);
        s.bytes(&features.finish().to_le_bytes());
        s.bytes(&stubs.code);
        s.words(offsets);
        s.get()[0]
    }

    /// Whether translations of code in the range may be shared: nothing was learned about it in this process.
    fn common(hints: &Learned, range: std::ops::Range<u64>, mode: Mode) -> bool {
        !mode.alone() && (hints.is_empty() || hints.range(range).next().is_none())
    }

    /// The translation of the code at `pc` that a relative has made.
    pub(super) fn find_in_family(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) -> Option<u64> {
        i.store.as_ref()?;
        self.make_writable(i);
        let cut = self.interrupting.load(Acquire) != 0;
        let Inner { store, cache, hints, .. } = i;
        let (made, stored) = store.as_mut()?.find(pc, mode, mem)?;
        self.adopt(cache, hints, &made, &stored, cut)
    }

    /// Publish a relative's translation, if it holds here.
    fn adopt(&self, cache: &mut Cache, hints: &Learned, made: &Made, stored: &Stored<'_>, cut: bool) -> Option<u64> {
        if !Engine::common(hints, made.start..made.end, made.mode) {
            return None;
        }
        let host = cache.adopt(made, stored, &host::helper, cut)?;
        Counters::add_alone(&self.count.found, 1);
        self.published(made, host, stored.code.len(), stored.links.len());
        Some(host)
    }

    /// Publish an image: how many blocks it is, and which records it stands for and doesn't.
    fn adopt_image(
        &self,
        cache: &mut Cache,
        image: &Image<'_>,
        base: u64,
        mode: Mode,
        cut: bool,
    ) -> Option<(usize, u32, Vec<u32>)> {
        let host = cache.adopt_image(image, base, mode, &host::helper, cut)?;
        let n = image.pieces.len();
        Counters::add_alone(&self.count.found, n as u64);
        Counters::add_alone(&self.count.images, 1);
        self.count.translations(n, image.insns, image.code.len(), image.joints.len());
        if let Some(watcher) = self.options.watcher {
            let ends = image.pieces.iter().skip(1).map(|p| p.host).chain([image.code.len() as u32]);
            for (piece, end) in image.pieces.iter().zip(ends) {
                let at = host + u64::from(piece.host);
                // SAFETY: the image has just been placed there.
                let code = unsafe { std::slice::from_raw_parts(at as *const u8, (end - piece.host) as usize) };
                watcher.placed(base + u64::from(piece.pc), at, code);
            }
        }
        Some((n, image.upto, image.others.to_vec()))
    }

    /// Code at `pc` isn't translated: copy all that relatives have translated in its page, unless that has been tried.
    #[cold]
    pub(super) fn adopt_page(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) {
        // Where one piece of code isn't known, another may be.
        const TRIES: u8 = 3;
        const THOROUGH: u32 = 16;
        let tried = i.cache.page_tried(pc);
        if i.store.is_none() || tried >= TRIES {
            return;
        }
        let _busy = self.busy(i);
        let _time = self.stopwatch();
        let Some(page) = i.store.as_ref().and_then(|s| s.page_of(pc, mode, mem)) else {
            return i.cache.try_page(pc, tried + 1);
        };
        // Not before there is something to write: after a fork it may mean to copy all.
        self.make_writable(i);
        let cut = self.interrupting.load(Acquire) != 0;
        let Inner { store: Some(store), cache, hints, .. } = i else { return };
        let page = (pc, page);
        let takes = cache.takes_images() && Engine::common(hints, pc & !0xfff..(pc | 0xfff) + 1, mode);
        let image = if takes { store.find_image(page, mode, mem) } else { None };
        let image = image.and_then(|at| Some((at, self.adopt_image(cache, &store.image(at, pc)?, pc & !0xfff, mode, cut)?)));
        let (old, (pieces, upto, others)) = image.map_or((None, Default::default()), |(at, known)| (Some(at), known));
        let held = store.adopt_page(page, mode, mem, (upto, &others), &mut |made, stored| {
            if cache.find(made.pc, mode).is_none() {
                self.adopt(cache, hints, &made, &stored, cut);
            }
            // A cache that is nearly full had better have room for what is executed.
            cache.area.is_half_empty()
        });
        // Worth making once a third is new; an eighth for one process in so many, since others than this one will have the use.
        let new = held.len().saturating_sub(others.len());
        let enough = |share: usize| new * share > pieces + 2 * share;
        if takes && (enough(3) || enough(8) && std::process::id() % THOROUGH == 0) {
            store.make_image(page, mode, mem, &held, old);
        }
        cache.try_page(pc, TRIES);
        Engine::tell_parent(i, pc, mode);
    }

    /// Let relatives have the block that has just been placed.
    pub(super) fn tell_family(&self, i: &mut Inner, mem: &dyn Fetch) {
        if i.store.is_none() {
            return;
        }
        let made = made(&i.work.block);
        if Engine::common(&i.hints, made.start..made.end, made.mode) {
            if let Some(store) = &mut i.store {
                store.add(&made, &i.work.emitted, mem);
            }
        }
    }

    /// Share translations with the processes to come, and theirs with this one: to be called before a fork. Does nothing where they can't be shared, or
    /// are already.
    pub fn found_family(&self) {
        if self.family.load(Relaxed) >= 0 || !host::STORABLE || !self.guest.relocatable {
            return;
        }
        let Options { dump_ir, dump_asm, disorder, watcher, .. } = self.options;
        if dump_ir || dump_asm || disorder != 0 || watcher.is_some() {
            return;
        }
        self.inner.with(|i| {
            i.store = Store::create(self.made_for(i));
            self.share_heat(i);
            self.family.store(i.store.as_ref().map_or(-1, Store::fd), Relaxed);
        });
    }

    /// The descriptor of what this process shares with its relatives, or -1. Not the guest's business.
    pub fn family(&self) -> i32 {
        self.family.load(Relaxed)
    }

    /// The same with the file's number, for [`Engine::join_family`] of the program that this process is about to execute: itself.
    pub fn family_handle(&self) -> Option<(i32, u64)> {
        if self.family() < 0 {
            return None;
        }
        self.inner.with(|i| {
            let store = i.store.as_mut()?;
            store.flush();
            store.handle()
        })
    }

    /// Share what the program shared that was executed in this process before. That it may be trusted is the caller's business.
    pub fn join_family(&self, fd: i32, number: u64) {
        if !host::STORABLE || !self.guest.relocatable {
            return;
        }
        self.inner.with(|i| {
            debug_assert!(i.store.is_none());
            i.store = Store::adopt(fd, number, self.made_for(i));
            self.share_heat(i);
            self.family.store(i.store.as_ref().map_or(-1, Store::fd), Relaxed);
        });
    }

    /// The process is about to end: what it has translated is for its relatives.
    pub fn tell_relatives(&self) {
        if self.family() >= 0 {
            self.inner.with(|i| i.store.iter_mut().for_each(Store::flush));
        }
    }

    /// Before this process gets other rights than its relatives: share nothing from here on.
    pub fn leave_family(&self) {
        self.inner.with(|i| {
            if i.heat.is_some() {
                // Who else writes there could keep this process from translating.
                i.heat = Heat::new();
            }
            if let Some(store) = &mut i.store {
                store.flush();
            }
            std::iter::once(&mut i.cache).chain(i.retired.iter_mut().map(|r| &mut r.1)).for_each(Cache::leave_store);
            i.store = None;
            self.family.store(-1, Relaxed);
        });
    }
}

/// The lifted block without its code.
pub(super) fn made(b: &ir::Block) -> Made {
    let (start, end) = match (b.parts.first(), b.parts.last()) {
        (Some(first), Some(last)) => (first.start, last.end),
        _ => (b.seen.start.min(b.pc), b.seen.end.max(b.end).max(b.pc + 1)),
    };
    Made { pc: b.pc, start, end, mode: b.mode, flags_dead: b.flags_dead, insns: b.guest_insns() }
}
