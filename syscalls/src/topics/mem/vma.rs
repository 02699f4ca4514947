//! The guest's mappings as data: ranges that don't overlap, each with the guest's own view of it.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// What the guest may do in a range, as the guest said it (the host never gets EXEC).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prot(pub u8);

impl Prot {
    /// Bit of PROT_READ.
    pub const READ: u8 = 1;
    /// Bit of PROT_WRITE.
    pub const WRITE: u8 = 2;
    /// Bit of PROT_EXEC.
    pub const EXEC: u8 = 4;

    /// From the argument of mmap or mprotect.
    pub fn from_bits(prot: u64) -> Prot {
        Prot(prot as u8 & 7)
    }
    /// Whether instructions may be fetched.
    pub fn exec(self) -> bool {
        self.0 & Self::EXEC != 0
    }
    /// Whether it can be written.
    pub fn write(self) -> bool {
        self.0 & Self::WRITE != 0
    }
    /// The host's protection: nothing of the guest's runs there, but fetching takes reading.
    pub fn host(self) -> u64 {
        u64::from(self.0 & (Self::READ | Self::WRITE) | if self.exec() { Self::READ } else { 0 })
    }
}

/// Attributes of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attr {
    /// Protection.
    pub prot: Prot,
    /// Of [`Attr::GROWS`] and the other bits.
    pub flags: u8,
}

impl Attr {
    /// The host extends it downwards on a fault (MAP_GROWSDOWN).
    pub const GROWS: u8 = 1;
    /// The initial stack: a stack to mprotect's PROT_GROWSDOWN, though of fixed size on the host.
    pub const STACK: u8 = 2;
    /// MADV_DONTFORK: a child doesn't have it.
    pub const DONTFORK: u8 = 4;
    /// MADV_DONTDUMP: a core file doesn't have it.
    pub const DONTDUMP: u8 = 8;
}

/// A mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vma {
    /// First byte.
    pub start: u64,
    /// After the last byte.
    pub end: u64,
    /// Attributes.
    pub attr: Attr,
}

/// The mappings. Neighbours with equal attributes are one, whatever backs them: the host knows the rest.
#[derive(Debug, Default, Clone)]
pub struct Map {
    tree: BTreeMap<u64, (u64, Attr)>,
}

impl Map {
    /// All mappings by address.
    pub fn iter(&self) -> impl Iterator<Item = Vma> + '_ {
        self.tree.iter().map(|(&start, &(end, attr))| Vma { start, end, attr })
    }

    /// The mapping at `addr`.
    pub fn find(&self, addr: u64) -> Option<Vma> {
        let (&start, &(end, attr)) = self.tree.range(..=addr).next_back()?;
        (addr < end).then_some(Vma { start, end, attr })
    }

    /// The lowest mapping that ends above `addr`.
    pub fn find_or_above(&self, addr: u64) -> Option<Vma> {
        self.find(addr).or_else(|| self.tree.range(addr..).next().map(|(&start, &(end, attr))| Vma { start, end, attr }))
    }

    /// The highest mapping that starts below `addr`.
    pub fn below(&self, addr: u64) -> Option<Vma> {
        self.tree.range(..addr).next_back().map(|(&start, &(end, attr))| Vma { start, end, attr })
    }

    /// The mappings in a range, cut to it.
    pub fn within(&self, range: Range<u64>) -> impl Iterator<Item = Vma> + '_ {
        let first = self.find(range.start).map(|v| v.start).unwrap_or(range.start);
        self.tree
            .range(first..range.end.max(first))
            .map(move |(&start, &(end, attr))| Vma { start: start.max(range.start), end: end.min(range.end), attr })
            .filter(|v| v.start < v.end)
    }

    /// The first mapping in a range, cut to it.
    pub fn first(&self, range: Range<u64>) -> Option<Vma> {
        self.within(range).next()
    }

    /// The first stretch of mapped bytes in a range.
    pub fn next_run(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut pieces = self.within(range);
        let first = pieces.next()?;
        let end = pieces.try_fold(first.end, |end, v| if v.start == end { Ok(v.end) } else { Err(end) });
        Some(first.start..end.unwrap_or_else(|end| end))
    }

    /// The first stretch of unmapped bytes in a range.
    pub fn next_gap(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut start = range.start;
        for v in self.within(range.clone()) {
            if v.start > start {
                return Some(start..v.start);
            }
            start = v.end;
        }
        (start < range.end).then_some(start..range.end)
    }

    /// Whether every byte of a range is mapped.
    pub fn covers(&self, range: Range<u64>) -> bool {
        self.next_gap(range).is_none()
    }

    /// Whether any byte of a range may be fetched.
    pub fn any_exec(&self, range: Range<u64>) -> bool {
        self.within(range).any(|v| v.attr.prot.exec())
    }

    /// Map a range, in place of whatever is there.
    pub fn insert(&mut self, range: Range<u64>, attr: Attr) {
        if range.is_empty() {
            return;
        }
        self.remove(range.clone());
        self.tree.insert(range.start, (range.end, attr));
        self.join(range.end);
        self.join(range.start);
    }

    /// Unmap a range.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        while let Some((&start, _)) = self.tree.range(range.clone()).next() {
            self.tree.remove(&start);
        }
    }

    /// Change the attributes of what is mapped in a range.
    pub fn update(&mut self, range: Range<u64>, mut change: impl FnMut(&mut Attr)) {
        if range.is_empty() {
            return;
        }
        self.split(range.start);
        self.split(range.end);
        for (_, (_, attr)) in self.tree.range_mut(range.clone()) {
            change(attr);
        }
        let mut at = range.start;
        self.join(at);
        while at < range.end {
            let Some((&next, _)) = self.tree.range(at + 1..=range.end).next() else { break };
            self.join(next);
            at = next;
        }
    }

    /// Make `at` a boundary.
    fn split(&mut self, at: u64) {
        if let Some((_, (end, attr))) = self.tree.range_mut(..at).next_back() {
            if *end > at {
                let tail = (*end, *attr);
                *end = at;
                self.tree.insert(at, tail);
            }
        }
    }

    /// Drop the boundary `at` where both sides are alike.
    fn join(&mut self, at: u64) {
        let Some(&(end, attr)) = self.tree.get(&at) else { return };
        if let Some((_, (left_end, left))) = self.tree.range_mut(..at).next_back() {
            if *left_end == at && *left == attr {
                *left_end = end;
                self.tree.remove(&at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as an array of pages.
    struct Pages([Option<Attr>; 64]);

    fn check(map: &Map, pages: &Pages) {
        let mut last: Option<Vma> = None;
        let mut seen = [None; 64];
        for v in map.iter() {
            assert!(v.start < v.end);
            if let Some(l) = last {
                assert!(l.end < v.start || (l.end == v.start && l.attr != v.attr), "neighbours {l:?} {v:?}");
            }
            seen[v.start as usize..v.end as usize].fill(Some(v.attr));
            last = Some(v);
        }
        assert_eq!(seen, pages.0);
    }

    #[test]
    fn agrees_with_an_array() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 20) % n
        };
        let (mut map, mut pages) = (Map::default(), Pages([None; 64]));
        for _ in 0..20_000 {
            let start = random(64);
            let end = start + random(65 - start);
            let attr = Attr { prot: Prot(random(3) as u8), flags: random(2) as u8 };
            let slice = &mut pages.0[start as usize..end as usize];
            match random(3) {
                0 => {
                    map.insert(start..end, attr);
                    slice.fill(Some(attr));
                }
                1 => {
                    map.remove(start..end);
                    slice.fill(None);
                }
                _ => {
                    map.update(start..end, |a| a.prot = attr.prot);
                    slice.iter_mut().flatten().for_each(|a| a.prot = attr.prot);
                }
            }
            check(&map, &pages);
            let slice = &pages.0[start as usize..end as usize];
            assert_eq!(map.covers(start..end), slice.iter().all(Option::is_some));
            let gap = slice.iter().position(Option::is_none).map(|g| {
                let n = slice[g..].iter().take_while(|p| p.is_none()).count();
                start + g as u64..start + (g + n) as u64
            });
            assert_eq!(map.next_gap(start..end), gap);
            let run = slice.iter().position(Option::is_some).map(|g| {
                let n = slice[g..].iter().take_while(|p| p.is_some()).count();
                start + g as u64..start + (g + n) as u64
            });
            assert_eq!(map.next_run(start..end), run);
            assert_eq!(map.find(start).map(|v| v.attr), pages.0[start as usize]);
        }
    }
}
