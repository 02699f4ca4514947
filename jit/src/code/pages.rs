//! Which blocks depend on which guest code: by page, and within a page by cache line, because invalidation comes line by line.

use super::filter::{self, Filter};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

const LOG2_PAGE: u32 = 12;
const LOG2_LINE: u32 = filter::LOG2_LINE;
const _: () = assert!(LOG2_PAGE - LOG2_LINE == 6);

/// Page numbers are well spread once multiplied.
#[derive(Default)]
struct PageHasher(u64);

impl Hasher for PageHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u64(b as u64));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Lines `first` to `last` of a page, as bits.
pub fn lines_from_to(first: u32, last: u32) -> u64 {
    u64::MAX >> (63 - (last - first)) << first
}

/// A block's part of a page: offsets of its first and last byte there.
struct Part {
    first: u16,
    last: u16,
    block: u32,
}

impl Part {
    fn of(page: u64, range: &Range<u64>, block: u32) -> Part {
        let start = page << LOG2_PAGE;
        let first = range.start.max(start) - start;
        let last = (range.end - 1 - start).min((1 << LOG2_PAGE) - 1);
        Part { first: first as u16, last: last as u16, block }
    }

    fn lines(&self) -> u64 {
        lines_from_to((self.first >> LOG2_LINE).into(), (self.last >> LOG2_LINE).into())
    }

    fn overlaps(&self, other: &Part) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

#[derive(Default)]
struct Page {
    number: u64,
    /// The lines on which any of the blocks depends.
    lines: u64,
    parts: Vec<Part>,
    /// See [`Pages::tried`].
    tried: u8,
}

impl Page {
    /// These are the lines from now on.
    fn set_lines(&mut self, lines: u64, filter: &Filter) {
        let mut changed = std::mem::replace(&mut self.lines, lines) ^ lines;
        while changed != 0 {
            let line = changed.trailing_zeros();
            changed &= changed - 1;
            let number = self.number << (LOG2_PAGE - LOG2_LINE) | line as u64;
            match lines >> line & 1 {
                1 => filter.hold(number),
                _ => filter.release(number),
            }
        }
    }

    /// A page without blocks keeps no memory for them.
    fn tidy(&mut self) {
        if self.parts.is_empty() {
            self.parts = Vec::new();
        }
    }

    fn all_lines(&self) -> u64 {
        self.parts.iter().fold(0, |lines, part| lines | part.lines())
    }
}

/// The index. It holds valid blocks only, and tells a filter of their lines. Ranges are not empty.
#[derive(Default)]
pub struct Pages {
    /// Where in `pages` a page is.
    index: HashMap<u64, u32, BuildHasherDefault<PageHasher>>,
    /// Those that have or had blocks.
    pages: Vec<Page>,
    /// Where the last one is that got a block: mostly that of the next, too.
    last: usize,
}

fn numbers(range: &Range<u64>) -> std::ops::RangeInclusive<u64> {
    range.start >> LOG2_PAGE..=(range.end - 1) >> LOG2_PAGE
}

impl Pages {
    /// A block depends on the code in a range.
    #[inline]
    pub fn insert(&mut self, range: Range<u64>, block: u32, filter: &Filter) {
        for n in numbers(&range) {
            let part = Part::of(n, &range, block);
            let page = self.at(n);
            page.set_lines(page.lines | part.lines(), filter);
            page.parts.push(part);
        }
    }

    /// Blocks depend on code in the page at `base` alone: on which bytes of it, and its number. These are the lines.
    pub fn insert_all(&mut self, base: u64, blocks: impl Iterator<Item = (u16, u16, u32)>, lines: u64, filter: &Filter) {
        let page = self.at(base >> LOG2_PAGE);
        page.set_lines(page.lines | lines, filter);
        page.parts.extend(blocks.map(|(start, end, block)| Part { first: start, last: end - 1, block }));
    }

    /// Page number `n`.
    #[inline]
    fn at(&mut self, n: u64) -> &mut Page {
        if self.pages.get(self.last).is_none_or(|p| p.number != n) {
            let pages = &mut self.pages;
            self.last = *self.index.entry(n).or_insert_with(|| {
                pages.push(Page { number: n, ..Page::default() });
                pages.len() as u32 - 1
            }) as usize;
        }
        &mut self.pages[self.last]
    }

    /// How often something was tried about the page that `pc` is in.
    #[inline]
    pub fn tried(&self, pc: u64) -> u8 {
        let n = pc >> LOG2_PAGE;
        match self.pages.get(self.last).filter(|p| p.number == n) {
            Some(p) => p.tried,
            None => self.find(n).map_or(0, |p| p.tried),
        }
    }

    /// Change it.
    pub fn set_tried(&mut self, pc: u64, tried: u8) {
        self.at(pc >> LOG2_PAGE).tried = tried;
    }

    fn find(&self, n: u64) -> Option<&Page> {
        self.index.get(&n).map(|&at| &self.pages[at as usize])
    }

    /// The pages of a range that have blocks, or had.
    fn present(&self, range: &Range<u64>) -> Vec<u64> {
        let within = numbers(range);
        if within.end() - within.start() > self.pages.len() as u64 {
            self.pages.iter().map(|p| p.number).filter(|n| within.contains(n)).collect()
        } else {
            within.filter(|n| self.index.contains_key(n)).collect()
        }
    }

    /// Whether a line of the range has code on which a block depends.
    pub fn any(&self, range: &Range<u64>) -> bool {
        let touched = |n: u64| self.find(n).is_some_and(|p| p.lines & Part::of(n, range, 0).lines() != 0);
        let within = numbers(range);
        match within.end() - within.start() {
            0 => touched(*within.start()),
            _ => self.present(range).into_iter().any(touched),
        }
    }

    /// Remove the blocks that depend on a range: `gone` is told each and says on what ranges it depends. When the filter is told nobody must find them
    /// any more.
    pub fn remove(&mut self, range: Range<u64>, filter: &Filter, mut gone: impl FnMut(u32, &mut dyn FnMut(Range<u64>))) {
        for n in self.present(&range) {
            let page = self.at(n);
            let what = Part::of(n, &range, 0);
            if page.lines & what.lines() == 0 {
                continue;
            }
            let mut elsewhere = Vec::new();
            let mut lines = 0;
            // Blocks that depend on several ranges may be here more than once.
            let mut several: Vec<u32> = Vec::new();
            page.parts.retain(|part| {
                if part.overlaps(&what) {
                    if !several.contains(&part.block) {
                        let mut ranges = 0;
                        gone(part.block, &mut |whole| {
                            ranges += 1;
                            elsewhere.extend(numbers(&whole).filter(|&m| m != n || ranges > 1).map(|m| (m, part.block)));
                        });
                        several.extend((ranges > 1).then_some(part.block));
                    }
                    return false;
                }
                lines |= part.lines();
                true
            });
            page.set_lines(lines, filter);
            page.tidy();
            elsewhere.into_iter().for_each(|(m, block)| self.forget(m, block, filter));
        }
    }

    fn forget(&mut self, n: u64, block: u32, filter: &Filter) {
        let page = self.at(n);
        page.parts.retain(|part| part.block != block);
        page.set_lines(page.all_lines(), filter);
        page.tidy();
    }

    /// Remove everything.
    pub fn clear(&mut self, filter: &Filter) {
        self.pages.drain(..).for_each(|mut page| page.set_lines(0, filter));
        self.index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_list() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 20) % n
        };
        let (mut pages, filter) = (Pages::default(), Filter::default());
        let mut list: Vec<(u32, Range<u64>)> = Vec::new();
        for id in 0..20_000u32 {
            let start = 0x10_0000 + random(6 << 10) * 4;
            let range = start..start + 1 + [random(64), random(512), random(9000)][random(3) as usize];
            if random(8) > 0 {
                pages.insert(range.clone(), id, &filter);
                list.push((id, range));
                continue;
            }
            let hit = |r: &Range<u64>| r.start < range.end && range.start < r.end;
            assert!(pages.any(&range) || !list.iter().any(|(_, r)| hit(r)));
            let mut expected: Vec<u32> = list.iter().filter(|(_, r)| hit(r)).map(|&(id, _)| id).collect();
            let mut found = Vec::new();
            pages.remove(range.clone(), &filter, |id, depends| {
                found.push(id);
                list.iter().filter(|l| l.0 == id).for_each(|l| depends(l.1.clone()));
            });
            list.retain(|(_, r)| !hit(r));
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
            let all: u64 = list.iter().map(|(_, r)| numbers(r).count() as u64).sum();
            assert_eq!(pages.pages.iter().map(|p| p.parts.len() as u64).sum::<u64>(), all);
            for page in &pages.pages {
                let n = page.number;
                let lines =
                    list.iter().filter(|(_, r)| numbers(r).contains(&n)).fold(0, |l, (id, r)| l | Part::of(n, r, *id).lines());
                assert_eq!(page.lines, lines);
            }
            // Twice the range that blocks are made in.
            for addr in (0x10_0000..0x11_0000).step_by(64) {
                assert_eq!(filter.holds(addr), pages.any(&(addr..addr + 64)));
            }
        }
        pages.clear(&filter);
        assert!((0..1 << 26).step_by(64).all(|addr| !filter.holds(addr)));
    }
}
