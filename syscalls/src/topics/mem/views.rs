//! Which mappings show the same bytes.
//!
//! IC IVAU names code by any address that leads to it: caches are physical. So a program that writes code through one view of a memfd and runs it through
//! another may invalidate by either; and what one process invalidates in shared memory, all others see after their next
//! context synchronization (ISB, or a return from the kernel). Only mappings that are shared, or executable and of a file, are listed.

use super::vma::PAGE;
use super::{host, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU8, Ordering::*};

/// log2 of the bytes of a granule.
pub const LOG2_GRANULE: u32 = 16;
const GRANULES: usize = 1 << 16;

/// How many views show memory of each granule, modulo their number: outside of these, code has one address, and no other process sees it. A full count
/// stays full. Changed under the space's lock, read at any time.
pub static SHOWN: [AtomicU8; GRANULES] = [const { AtomicU8::new(0) }; GRANULES];

/// A table such as [`SHOWN`].
#[derive(Debug, Clone)]
struct Shown(&'static [AtomicU8; GRANULES]);

impl Default for Shown {
    fn default() -> Shown {
        Shown(&SHOWN)
    }
}

impl Shown {
    /// Change the counts of granules `first..end`.
    fn count(&self, first: u64, end: u64, change: impl Fn(u8, u8) -> u8) {
        let n = end.saturating_sub(first);
        let (rounds, rest) = ((n / GRANULES as u64).min(255) as u8, n % GRANULES as u64);
        for g in first..first + n.min(GRANULES as u64) {
            let by = rounds.saturating_add((g - first < rest) as u8);
            let count = &self.0[g as usize % GRANULES];
            let old = count.load(Relaxed);
            if old != u8::MAX {
                count.store(change(old, by), Relaxed);
            }
        }
    }
}

/// What is mapped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Object {
    /// Device and inode.
    File(u64, u64),
    /// A System V segment's id.
    Segment(u64),
    /// Anonymous shared memory, by number.
    Anonymous(u64),
}

impl Object {
    /// The file behind a descriptor.
    pub fn of_fd(fd: u64) -> Option<Object> {
        Object::of_stat(|at| host(libc::SYS_fstat, [fd, at, 0, 0, 0, 0]).is_ok())
    }

    /// The file at a path, which is guest memory.
    pub fn of_path(path: u64) -> Option<Object> {
        Object::of_stat(|at| host(libc::SYS_newfstatat, [libc::AT_FDCWD as u64, path, at, 0, 0, 0]).is_ok())
    }

    fn of_stat(ask: impl FnOnce(u64) -> bool) -> Option<Object> {
        // SAFETY: all-zero is a valid stat, plain data.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        ask(&raw mut stat as u64).then_some(Object::File(stat.st_dev, stat.st_ino))
    }
}

/// What a range shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// Of this.
    pub object: Object,
    /// The range's first byte in it.
    pub offset: u64,
    /// Writes reach it.
    pub shared: bool,
}

/// The ranges whose bytes other ranges may show, too.
#[derive(Debug, Default, Clone)]
pub struct Views {
    tree: BTreeMap<u64, (u64, View)>,
    /// The same by object: (object, start).
    objects: BTreeSet<(Object, u64)>,
    shown: Shown,
}

impl Views {
    /// A range, free so far, shows this.
    pub fn add(&mut self, range: Range<u64>, view: View) {
        self.shown.count(range.start >> LOG2_GRANULE, end_granule(&range), u8::saturating_add);
        self.list(range, view);
    }

    fn list(&mut self, range: Range<u64>, view: View) {
        if !range.is_empty() {
            self.tree.insert(range.start, (range.end, view));
            self.objects.insert((view.object, range.start));
        }
    }

    /// A range is mapped otherwise, or not at all.
    pub fn cut(&mut self, range: Range<u64>) {
        for (old, view) in self.within(range.clone()) {
            let start = old.start.max(range.start);
            let whole = *self.tree.range(..=start).next_back().expect("just found").0;
            let (end, all) = self.tree.remove(&whole).expect("just found");
            self.objects.remove(&(all.object, whole));
            let (left, right) = (whole..start, old.end..end);
            // A granule that both sides have counts twice from now on, one that neither has no more.
            let from = end_granule(&left);
            let to = if right.is_empty() { end_granule(&(whole..end)) } else { right.start >> LOG2_GRANULE };
            self.shown.count(from, to, u8::saturating_sub);
            self.shown.count(to, from, u8::saturating_add);
            self.list(left, all);
            self.list(right, View { offset: view.offset + (old.end - old.start), ..view });
        }
    }

    /// The views in a range, cut to it.
    pub fn within(&self, range: Range<u64>) -> Vec<(Range<u64>, View)> {
        if self.tree.is_empty() || range.is_empty() {
            return Vec::new();
        }
        let first = self.tree.range(..=range.start).next_back().map_or(range.start, |(&start, _)| start);
        let cut = |(&start, &(end, view)): (&u64, &(u64, View))| {
            let from = start.max(range.start);
            let piece = from..end.min(range.end);
            (!piece.is_empty()).then_some((piece, View { offset: view.offset + (from - start), ..view }))
        };
        self.tree.range(first..range.end).filter_map(cut).collect()
    }

    /// Tell `f` each range that shows a byte which `range` shows, `range` itself included. True if any of it may be shown to another process.
    pub(super) fn same(&self, range: Range<u64>, f: &mut dyn FnMut(Range<u64>)) -> bool {
        let mut shared = false;
        for (piece, view) in self.within(range) {
            shared |= view.shared;
            let len = piece.end - piece.start;
            for (start, end, other) in self.of(view.object) {
                // Where the piece begins relative to the other view.
                let (from, to) = (view.offset.max(other.offset), (view.offset + len).min(other.offset + (end - start)));
                if from < to {
                    f(start + (from - other.offset)..start + (to - other.offset));
                }
            }
        }
        shared
    }

    fn of(&self, object: Object) -> impl Iterator<Item = (u64, u64, View)> + '_ {
        self.objects.range((object, 0)..=(object, u64::MAX)).map(|&(_, start)| {
            let (end, view) = self.tree[&start];
            (start, end, view)
        })
    }
}

/// The granule behind a range.
fn end_granule(range: &Range<u64>) -> u64 {
    match range.is_empty() {
        true => range.start >> LOG2_GRANULE,
        false => ((range.end - 1) >> LOG2_GRANULE) + 1,
    }
}

/// What makes known to related processes that one of them has invalidated shared code: a counter in memory that a fork leaves shared.
#[derive(Debug, Default)]
pub struct Shared {
    counter: AtomicPtr<AtomicU32>,
    /// Its value when this process last looked.
    seen: AtomicU32,
    /// Numbers for anonymous objects.
    anonymous: AtomicU32,
}

impl Shared {
    /// From now on there is something to share.
    fn begin(&self) {
        if !self.counter.load(Acquire).is_null() {
            return;
        }
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // Without memory for it, other processes may miss a change: no reason to fail.
        if let Ok(at) = host(libc::SYS_mmap, [0, PAGE, prot as u64, flags as u64, u64::MAX, 0]) {
            if self.counter.compare_exchange(std::ptr::null_mut(), at as *mut AtomicU32, AcqRel, Acquire).is_err() {
                let _ = super::host_munmap(at..at + PAGE);
            }
        }
    }

    fn counter(&self) -> Option<&AtomicU32> {
        // SAFETY: null, or the start of a mapping of our own that is never unmapped.
        unsafe { self.counter.load(Acquire).as_ref() }
    }

    fn announce(&self) {
        if let Some(counter) = self.counter() {
            let old = counter.fetch_add(1, AcqRel);
            // This process knows of its own change. If it has missed another's, it stays so.
            let _ = self.seen.compare_exchange(old, old.wrapping_add(1), AcqRel, Relaxed);
        }
    }
}

impl Space {
    /// A new mapping shows this.
    pub(super) fn show(&self, inner: &mut super::Inner, range: Range<u64>, view: View) {
        inner.map.views.add(range, view);
        if view.shared {
            self.shared.begin();
        }
    }

    /// An object that nothing else is.
    pub(super) fn anonymous_object(&self) -> Object {
        Object::Anonymous(self.shared.anonymous.fetch_add(1, Relaxed).into())
    }

    /// Code at `range` was invalidated: tell `f` where else the same bytes may be fetched, and related processes that they have to look.
    pub fn invalidated(&self, range: Range<u64>, f: &mut dyn FnMut(Range<u64>)) {
        if self.shared.counter().is_none() {
            return;
        }
        // Not told under the lock: `f` takes the translator's, under which others wait for this one.
        let mut ranges = Vec::new();
        let shared = self.read().map.views.same(range, &mut |r| ranges.push(r));
        ranges.into_iter().for_each(f);
        if shared {
            self.shared.announce();
        }
    }

    /// At a context synchronization: tell `f` what other processes may have changed since the last one.
    pub fn synchronize(&self, f: &mut dyn FnMut(Range<u64>)) {
        let Some(counter) = self.shared.counter() else { return };
        let now = counter.load(Acquire);
        if now != self.shared.seen.load(Acquire) {
            let views = self.read().map.views.within(0..u64::MAX);
            views.into_iter().filter(|(_, v)| v.shared).for_each(|(range, _)| f(range));
            self.shared.seen.store(now, Release);
        }
    }

    /// Executable mappings of a file.
    pub fn code_of(&self, object: Object) -> Vec<Range<u64>> {
        let inner = self.read();
        let exec = |&(start, end, _): &(u64, u64, View)| inner.map.any_exec(start..end);
        inner.map.views.of(object).filter(exec).map(|(start, end, _)| start..end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granules_are_counted() {
        const G: u64 = 1 << LOG2_GRANULE;
        const AT: u64 = 0x6_8000_0000;
        let mut seed = 0x1234_5678_9abc_def1u64;
        let mut random = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 20) % n
        };
        let shown = Shown(Box::leak(Box::new([const { AtomicU8::new(0) }; GRANULES])));
        let mut views = Views { shown: shown.clone(), ..Views::default() };
        for round in 0..3000 {
            // All of it in the end.
            let start = if round == 2999 { 0 } else { random(40) * G / 4 };
            let range = AT + start..AT + if round == 2999 { 20 * G } else { start + random(30) * G / 4 };
            views.cut(range.clone());
            if random(3) > 0 && round < 2999 {
                views.add(range, View { object: Object::Segment(1), offset: 0, shared: true });
            }
            for g in (AT..AT + 20 * G).step_by(G as usize) {
                let expected = views.within(g..g + G).len();
                assert_eq!(shown.0[(g / G) as usize % GRANULES].load(Relaxed) as usize, expected, "{g:x}");
            }
        }
        // More than all.
        let all = 0x100_0000_0000..0x100_0000_0000 + (2 * GRANULES as u64 + 1) * G;
        views.add(all.clone(), View { object: Object::Segment(1), offset: 0, shared: true });
        let of = |g: u64| shown.0[(g / G) as usize % GRANULES].load(Relaxed);
        assert_eq!((of(AT), of(all.start)), (2, 3));
        views.cut(all);
        assert_eq!(of(AT), 0);
    }

    /// Who is told of a change takes the translator's lock, whose holders take the space's.
    #[test]
    fn nobody_is_told_of_changes_under_the_lock() {
        let space = Space::default();
        let view = View { object: space.anonymous_object(), offset: 0, shared: true };
        for at in [0x10_0000, 0x20_0000] {
            let mut inner = space.write();
            space.show(&mut inner, at..at + PAGE, view);
        }
        let mut told = Vec::new();
        space.invalidated(0x10_0040..0x10_0080, &mut |range| {
            assert!(space.inner.try_write().is_ok());
            told.push(range);
        });
        assert_eq!(told, [0x10_0040..0x10_0080, 0x20_0040..0x20_0080]);
        space.shared.seen.fetch_sub(1, AcqRel);
        space.synchronize(&mut |_| assert!(space.inner.try_write().is_ok()));
    }

    /// The same as an array of pages: each shows a page of an object.
    #[test]
    fn agrees_with_an_array() {
        const PAGES: u64 = 48;
        let mut seed = 0x2545_f491_4f6c_dd1du64;
        let mut random = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 20) % n
        };
        let mut views = Views::default();
        let mut pages: [Option<(Object, u64)>; PAGES as usize] = [None; PAGES as usize];
        for _ in 0..20_000 {
            let start = random(PAGES);
            let end = start + random(PAGES + 1 - start);
            views.cut(start * PAGE..end * PAGE);
            pages[start as usize..end as usize].fill(None);
            if random(3) > 0 {
                let (object, offset) = (Object::Segment(random(3)), random(8));
                views.add(start * PAGE..end * PAGE, View { object, offset: offset * PAGE, shared: true });
                (start..end).for_each(|p| pages[p as usize] = Some((object, offset + (p - start))));
            }
            assert_eq!(views.tree.len(), views.objects.len());
            let at = random(PAGES);
            let mut found = Vec::new();
            let shared = views.same(at * PAGE + 64..at * PAGE + 128, &mut |r| found.push((r.start, r.end)));
            let same = |&p: &u64| pages[at as usize].is_some() && pages[p as usize] == pages[at as usize];
            let expected: Vec<_> = (0..PAGES).filter(same).map(|p| (p * PAGE + 64, p * PAGE + 128)).collect();
            assert_eq!((found, shared), (expected, pages[at as usize].is_some()));
        }
    }
}
