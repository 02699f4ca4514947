//! The translations in one [`Area`]: blocks, the links between them, and the tables that lead back from host pc to guest pc.
//!
//! **Invariants.** Blocks are placed one after the other, so `blocks` ascends by host offset. A link's jump leads either to its
//! own stub or to a valid block's entry; `linked` says which (unless it is `cut`), and the target's list of incoming links holds it. Without a
//! valid block for its target, it is in the list of those who wait for one, and is linked when one is published. Memory of
//! an invalid block is not reused while the area lives: a thread still inside of it leaves by its exits.
//!
//! Invalidation order: mark, drop from lookup, drop from the page list, unlink what leads in. What leads out may stay linked: an
//! exit of an invalid block goes to a valid one.
//!
//! **Heat.** Jumps backward and links out of traces (`counts`) lead to a *counter* first, a block of its own that counts and goes on to where they lead. When it
//! has counted enough it leaves for the engine instead, which makes a trace there, or says that none is worth it; then
//! all links lead to the trace, or to the block, without a counter.

mod adopt;

use super::area::Area;
use super::filter::Filter;
use super::pages::Pages;
use super::region;
use super::store::Made;
use crate::host::{self, Emitted, Point, Reloc};
use crate::ir::Mode;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// No block, no link.
const NONE: u32 = u32::MAX;

struct Block {
    pc: u64,
    /// The guest code that it depends on.
    start: u64,
    end: u64,
    mode: Mode,
    host: u32,
    /// First of its points; they end where the next block's begin.
    points: u32,
    /// Those of an adopted block instead, or [`adopt::OWN`].
    lent: u32,
    /// First of its links; they end where the next block's begin.
    links: u32,
    /// Head of the list of links that lead here.
    incoming: u32,
    valid: bool,
    /// Direct links may lead here.
    flags_dead: bool,
    kind: Kind,
    /// The counter before it, or NONE.
    counter: u32,
}

const _: () = assert!(size_of::<Block>() == 56);

/// What a block is to heat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// May become a trace.
    Cold,
    /// A trace, or a block that none is to be made of.
    Settled,
    Counter,
}

/// A [`Point`], smaller: there are more of them than of anything else. As it is in the store, too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Placed {
    /// Offset in the block's code.
    host: u32,
    /// Distance from the block's pc.
    pc: i32,
    flags: u8,
    bits: u8,
    _pad: u16,
}

impl Placed {
    /// A point of the block at `pc`.
    pub fn new(p: &Point, pc: u64) -> Placed {
        Placed { host: p.host, pc: p.pc.wrapping_sub(pc) as i32, flags: p.flags, bits: p.bits, _pad: 0 }
    }

    /// As words.
    pub fn words(&self) -> [u32; 3] {
        [self.host, self.pc as u32, self.flags as u32 | (self.bits as u32) << 8]
    }
}

struct Link {
    /// Offset of the displacement.
    at: u32,
    /// See [`crate::host::Link::short`].
    short: u32,
    /// Offset of the stub.
    stub: u32,
    target: u64,
    /// The block that the jump leads to, or NONE.
    linked: u32,
    /// Next in the target's list, or in that of the links that wait for the target.
    next: u32,
    /// The jump leads to the stub for a while, although the link is in the target's list.
    cut: bool,
    /// See [`crate::host::Link::direct`].
    direct: bool,
    /// Who takes it is counted, where there may be a trace.
    counts: bool,
    /// It is a counter's own.
    of_counter: bool,
}

/// Low half: a tag, which for one pc differs by mode. High half: block number + 1, or 0 = an empty slot, or (with `WAIT`) the head of a list of
/// links that wait for a block. Zero words, so that the kernel makes empty tables; small, because look-ups touch them everywhere.
type Slot = u64;

const WAIT: u32 = 1 << 31;

fn tag(pc: u64, mode: Mode) -> u32 {
    (pc >> 2) as u32 ^ mode.0.rotate_right(8)
}

fn slot(pc: u64, mode: Mode, what: u32) -> Slot {
    tag(pc, mode) as u64 | (what as u64) << 32
}

fn what(s: Slot) -> u32 {
    (s >> 32) as u32
}

/// What the slots of a [`Lookup`] refer to.
struct Known<'a> {
    blocks: &'a [Block],
    links: &'a [Link],
}

impl Known<'_> {
    /// The pc that a taken slot is for.
    #[inline]
    fn pc(&self, what: u32) -> u64 {
        if what & WAIT == 0 {
            self.blocks[what as usize - 1].pc
        } else {
            self.links[(what & !WAIT) as usize].target
        }
    }
}

/// An open-addressing map from (pc, mode) to a block or to those who wait for one: the one hash on the translation path, so a cheap one.
struct Lookup {
    slots: Vec<Slot>,
    filled: usize,
}

impl Lookup {
    fn new() -> Lookup {
        Lookup { slots: vec![0; 4096], filled: 0 }
    }
    fn start(&self, tag: u32) -> usize {
        ((tag as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.slots.len() - 1)
    }
    /// A key will be looked up soon: have the processor fetch where it may be.
    #[inline]
    fn expect(&self, pc: u64, mode: Mode) {
        host::prefetch((&raw const self.slots[self.start(tag(pc, mode))]).cast());
    }
    /// The slot for a key: its own, or an empty one.
    #[inline]
    fn probe(&self, known: Known<'_>, pc: u64, mode: Mode) -> usize {
        let tag = tag(pc, mode);
        let mut i = self.start(tag);
        loop {
            let s = self.slots[i];
            if what(s) == 0 || s as u32 == tag && known.pc(what(s)) == pc {
                return i;
            }
            i = (i + 1) & (self.slots.len() - 1);
        }
    }
    /// Make room for `n` more.
    fn reserve(&mut self, n: usize) {
        if (self.filled + n) * 3 <= self.slots.len() * 2 {
            return;
        }
        // In larger steps while that is little memory; all of its pages will be written at once.
        let factor = if self.slots.len() < 1 << 15 { 4 } else { 2 };
        let size = ((self.filled + n) * factor).next_power_of_two().max(self.slots.len());
        let mut slots = vec![0; size];
        region::populate(slots.as_mut_ptr(), size * size_of::<Slot>());
        for s in std::mem::replace(&mut self.slots, slots).into_iter().filter(|&s| s != 0) {
            let mut i = self.start(s as u32);
            while self.slots[i] != 0 {
                i = (i + 1) & (size - 1);
            }
            self.slots[i] = s;
        }
    }
    /// Empty a slot. What follows moves up: with a mark instead, a block that is made and dropped over and over would leave ever more of them.
    fn remove(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut i = hole;
        loop {
            i = (i + 1) & mask;
            if self.slots[i] == 0 {
                break;
            }
            // Only as far as its own start.
            let start = self.start(self.slots[i] as u32);
            if i.wrapping_sub(start) & mask >= i.wrapping_sub(hole) & mask {
                self.slots[hole] = self.slots[i];
                hole = i;
            }
        }
        self.slots[hole] = 0;
        self.filled -= 1;
    }
}

/// See the module.
pub struct Cache {
    pub area: Area,
    blocks: Vec<Block>,
    links: Vec<Link>,
    points: Vec<Placed>,
    lent: adopt::Lent,
    lookup: Lookup,
    /// Valid blocks by the guest code that they depend on.
    pages: Pages,
    filter: Arc<Filter>,
    /// Offsets of the common stubs.
    stubs: Vec<u32>,
    /// Bytes of code of invalid blocks.
    dead: usize,
    /// The guest code that each trace depends on, which is more than one range.
    parts: HashMap<u32, Vec<Range<u64>>>,
    /// How often a counter counts before it leaves, or 0: there are none.
    heat: u32,
    /// For counters.
    scratch: Emitted,
}

/// An empty list with room for what any program needs, so that it hardly ever moves; some of its pages are made at once, at half the price of a
/// page fault each.
fn roomy<T>(surely: usize) -> Vec<T> {
    const SIZE: usize = 256 << 10;
    let mut list: Vec<T> = Vec::with_capacity(SIZE / size_of::<T>());
    region::populate(list.as_mut_ptr(), surely);
    list
}

/// So much dead code is not worth starting afresh for.
const DEAD_ENOUGH: usize = 8 << 20;

impl Cache {
    /// An empty cache with the common stubs placed.
    pub fn new(
        mut area: Area,
        (stubs, offsets): (&Emitted, &[u32]),
        helper: &dyn Fn(u16) -> u64,
        filter: Arc<Filter>,
        heat: u32,
    ) -> Option<Cache> {
        let at = area.alloc(stubs.code.len())?;
        let stubs_at: Vec<u32> = offsets.iter().map(|o| at + o).collect();
        let mut c = Cache {
            area,
            blocks: Vec::new(),
            links: Vec::new(),
            points: Vec::new(),
            lent: adopt::Lent::default(),
            lookup: Lookup::new(),
            pages: Pages::default(),
            filter,
            stubs: stubs_at,
            dead: 0,
            parts: HashMap::new(),
            heat,
            scratch: Emitted::default(),
        };
        c.place(at, stubs, helper);
        c.area.written(at, stubs.code.len());
        Some(c)
    }

    /// Host address of common stub `n`.
    pub fn stub(&self, n: usize) -> u64 {
        self.area.addr(self.stubs[n])
    }

    /// Put code at `at`, with what it refers to.
    fn place(&mut self, at: u32, e: &Emitted, helper: &dyn Fn(u16) -> u64) {
        let code = self.area.bytes(at, e.code.len());
        code.copy_from_slice(&e.code);
        for r in &e.relocs {
            match *r {
                Reloc::Stub { at: o, stub } => {
                    let to = self.stubs[stub as usize];
                    if let Some(field) = code[o as usize..].first_chunk_mut() {
                        *field = host::branch_word(u32::from_le_bytes(*field), at + o, to).to_le_bytes();
                    }
                }
                // It is right already.
                Reloc::Place { .. } => {}
                Reloc::Helper { at: o, helper: h } => {
                    code[o as usize..o as usize + 8].copy_from_slice(&helper(h).to_le_bytes());
                }
            }
        }
    }

    fn probe(&self, pc: u64, mode: Mode) -> usize {
        self.lookup.probe(Known { blocks: &self.blocks, links: &self.links }, pc, mode)
    }

    /// The valid block for `pc`.
    fn block(&self, pc: u64, mode: Mode) -> Option<usize> {
        let what = what(self.lookup.slots[self.probe(pc, mode)]);
        (what.wrapping_sub(1) < WAIT - 1).then(|| what as usize - 1)
    }

    /// Its host address.
    pub fn find(&self, pc: u64, mode: Mode) -> Option<u64> {
        self.block(pc, mode).map(|b| self.area.addr(self.blocks[b].host))
    }

    /// Publish an emitted block. It is linked with the blocks that exist, but with `cut` nobody gets to it by a link before the link has been
    /// used once. With `parts` it is a trace, which depends on these, and takes the place of the block at its pc. `None`: the area is full.
    pub fn publish(
        &mut self,
        made: &Made,
        parts: &[Range<u64>],
        e: &Emitted,
        helper: &dyn Fn(u16) -> u64,
        cut: bool,
    ) -> Option<u64> {
        self.make_lists();
        let at = self.area.alloc(e.code.len())?;
        e.links.iter().for_each(|l| self.lookup.expect(l.target, made.mode));
        self.place(at, e, helper);
        // Before any link leads here.
        self.area.written(at, e.code.len());
        let (points, links) = (self.points.len() as u32, self.links.len() as u32);
        self.points.extend(e.points.iter().map(|p| Placed::new(p, made.pc)));
        let counts = |l: &host::Link| !parts.is_empty() || l.target <= made.pc && !host::is_call(&e.code, l.at);
        self.new_links(e.links.iter().copied(), at, counts);
        self.announce(made, parts, at, (points, links), adopt::OWN, cut);
        Some(self.area.addr(at))
    }

    fn make_lists(&mut self) {
        if self.blocks.capacity() == 0 {
            // Not before the guest runs: then the allocator has been told where to take its memory from.
            (self.blocks, self.links, self.points) = (roomy(32 << 10), roomy(64 << 10), roomy(8 << 10));
        }
    }

    /// The rest of [`Cache::publish`], for code that has been placed at `host`; its points and links are the last, from these on.
    fn announce(&mut self, made: &Made, parts: &[Range<u64>], host: u32, (points, links): (u32, u32), lent: u32, cut: bool) {
        let id = self.blocks.len() as u32;
        let end_links = self.links.len() as u32;
        let Made { pc, start, end, mode, flags_dead, .. } = *made;
        let kind = if parts.is_empty() { Kind::Cold } else { Kind::Settled };
        let (incoming, valid, counter) = (NONE, true, NONE);
        self.blocks.push(Block { pc, start, end, mode, host, points, lent, links, incoming, valid, flags_dead, kind, counter });
        self.lookup.reserve((end_links - links) as usize + 1);
        self.enter(id, self.probe(made.pc, mode), cut);
        // Steps are not linked.
        if !mode.alone() {
            (links..end_links).for_each(|n| self.add_link(n, mode));
        }
        if parts.is_empty() {
            self.pages.insert(made.start..made.end, id, &self.filter);
        } else {
            parts.iter().for_each(|part| self.pages.insert(part.clone(), id, &self.filter));
            self.parts.insert(id, parts.to_vec());
        }
    }

    /// Have a new block found in its slot, by those who waited for it, too.
    fn enter(&mut self, id: u32, entry: usize, cut: bool) {
        let Block { pc, mode, .. } = self.blocks[id as usize];
        let before = what(std::mem::replace(&mut self.lookup.slots[entry], slot(pc, mode, id + 1)));
        self.lookup.filled += (before == 0) as usize;
        if before & WAIT != 0 {
            self.connect_all(before & !WAIT, id, Some(cut));
        } else if before != 0 {
            let old = std::mem::replace(&mut self.blocks[before as usize - 1].incoming, NONE);
            self.connect_all(old, id, None);
            self.blocks[id as usize].counter = self.blocks[before as usize - 1].counter;
            self.past_counter(id);
        }
    }

    /// The links of the block that was placed at offset `at`, which lead to their stubs still.
    fn new_links(&mut self, links: impl Iterator<Item = host::Link>, at: u32, counts: impl Fn(&host::Link) -> bool) {
        for l in links {
            let n = self.links.len() as u32;
            if !l.direct {
                self.area.bytes(at + l.site, 4).copy_from_slice(&n.to_le_bytes());
            }
            self.links.push(Link {
                at: at + l.at,
                short: if l.short == host::NO_BRANCH { l.short } else { at + l.short },
                stub: at + l.stub,
                target: l.target,
                linked: NONE,
                next: NONE,
                cut: false,
                direct: l.direct,
                counts: self.heat != 0 && counts(&l),
                of_counter: false,
            });
        }
    }

    /// Connect a list of links to a block; cut or not, or as they are.
    fn connect_all(&mut self, mut list: u32, block: u32, cut: Option<bool>) {
        while list != NONE {
            let Link { next, cut: was, .. } = self.links[list as usize];
            self.connect(list, block, cut.unwrap_or(was));
            list = next;
        }
    }

    /// A new link, whose jump leads to its stub: let it lead to its target, or wait for that.
    fn add_link(&mut self, n: u32, mode: Mode) {
        let target = self.links[n as usize].target;
        let entry = self.probe(target, mode);
        let before = what(self.lookup.slots[entry]);
        if before != 0 && before & WAIT == 0 {
            return self.connect(n, before - 1, false);
        }
        self.lookup.filled += (before == 0) as usize;
        self.lookup.slots[entry] = slot(target, mode, n | WAIT);
        self.links[n as usize].next = if before == 0 { NONE } else { before & !WAIT };
    }

    /// The counter before a block, which is made if there is none and room for it.
    fn counter(&mut self, block: u32) -> Option<u32> {
        let Block { pc, mode, counter, .. } = self.blocks[block as usize];
        if counter != NONE {
            return Some(counter);
        }
        let mut e = std::mem::take(&mut self.scratch);
        host::emit_counter(pc, self.heat, &mut e);
        let id = self.blocks.len() as u32;
        let at = self.area.alloc(e.code.len());
        if let Some(at) = at {
            self.place(at, &e, &|_| 0);
            self.area.written(at, e.code.len());
            let (points, links) = (self.points.len() as u32, self.links.len() as u32);
            let (kind, incoming, valid, flags_dead) = (Kind::Counter, NONE, true, false);
            self.blocks.push(Block {
                pc,
                start: pc,
                end: pc,
                mode,
                host: at,
                points,
                links,
                lent: adopt::OWN,
                incoming,
                valid,
                flags_dead,
                kind,
                counter: NONE,
            });
            self.new_links(e.links.iter().copied(), at, |_| false);
            self.links[links as usize].of_counter = true;
            self.connect(links, block, false);
        }
        self.scratch = e;
        at.map(|_| id)
    }

    /// The links to the counter before a block that is settled lead to the block itself.
    fn past_counter(&mut self, block: u32) {
        let counter = self.blocks[block as usize].counter;
        if counter != NONE {
            let list = std::mem::replace(&mut self.blocks[counter as usize].incoming, NONE);
            self.connect_all(list, block, None);
        }
    }

    /// Whether link `n`, by which a thread has left, is that of a counter that has counted enough.
    pub fn is_hot(&self, n: u32) -> bool {
        let l = &self.links[n as usize];
        l.of_counter && !l.cut && l.linked != NONE
    }

    /// Whether there may be a trace that begins at `pc`, and is none.
    pub fn is_cold(&self, pc: u64, mode: Mode) -> bool {
        self.block(pc, mode).is_none_or(|b| self.blocks[b].kind == Kind::Cold)
    }

    /// There is to be no trace that begins at `pc`.
    pub fn settle(&mut self, pc: u64, mode: Mode) {
        if let Some(b) = self.block(pc, mode) {
            self.blocks[b].kind = Kind::Settled;
            self.past_counter(b as u32);
            // The counter's own link, and those for which there was no room for a counter.
            let list = std::mem::replace(&mut self.blocks[b].incoming, NONE);
            self.connect_all(list, b as u32, None);
        }
    }

    /// Let a link's jump lead to `to`, and the conditional branch to it, too, if that reaches so far (or else to the jump).
    fn jump_to(&mut self, link: usize, to: u32) {
        let Link { at, short, .. } = self.links[link];
        self.area.patch(at, |old| host::branch_word(old, at, to));
        if short != host::NO_BRANCH {
            self.area
                .patch(short, |old| host::short_branch_word(old, short, to).unwrap_or_else(|| host::branch_word(old, short, at)));
        }
    }

    /// Let a link lead to a block, or its counter, or (`cut`) be ready to.
    fn connect(&mut self, link: u32, block: u32, cut: bool) {
        let Link { counts, of_counter, .. } = self.links[link as usize];
        let cold = self.blocks[block as usize].kind == Kind::Cold;
        if of_counter {
            let counter = self.owner(link);
            self.blocks[block as usize].counter = counter as u32;
            self.needs_flags(counter, !self.blocks[block as usize].flags_dead);
        }
        let block = match counts && cold {
            true => self.counter(block).unwrap_or(block),
            false => block,
        };
        let l = &mut self.links[link as usize];
        l.linked = block;
        l.cut = cut;
        l.next = std::mem::replace(&mut self.blocks[block as usize].incoming, link);
        if !cut {
            self.lead(link);
        }
    }

    /// Let a link's jump lead to its target, if it may.
    fn lead(&mut self, link: u32) {
        let l = &self.links[link as usize];
        let b = &self.blocks[l.linked as usize];
        match l.direct && !b.flags_dead {
            // It does already, but where a counter or a trace has come in between.
            true if self.heat == 0 => {}
            true => self.jump_to(link as usize, l.stub),
            false => self.jump_to(link as usize, b.host),
        }
    }

    /// The link number in the site word at host address `site`, and its target; the mode is the owner's.
    pub fn link_at(&self, site: u64) -> (u32, u64) {
        // SAFETY: translated code reports only addresses of site words in its own area.
        let n = unsafe { (site as *const u32).read_unaligned() };
        (n, self.links[n as usize].target)
    }

    /// Whether link `n` is ready to lead to its target.
    pub fn is_cut(&self, n: u32) -> bool {
        self.links[n as usize].cut
    }

    /// Mend link `n` if it was cut, and the direct one before it.
    pub fn link(&mut self, n: u32) {
        let direct = n.checked_sub(1).filter(|&d| self.links[d as usize].direct);
        for n in direct.into_iter().chain([n]) {
            if std::mem::take(&mut self.links[n as usize].cut) {
                self.lead(n);
            }
        }
    }

    /// Whether any block depends on code in the guest range, or near it.
    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        self.pages.any(range)
    }

    /// How often relatives' translations of the page with `pc` were looked for.
    pub fn page_tried(&self, pc: u64) -> u8 {
        self.pages.tried(pc)
    }

    /// Change that.
    pub fn try_page(&mut self, pc: u64, tried: u8) {
        self.pages.set_tried(pc, tried);
    }

    /// Void every block that depends on code in the guest range; `gone` is told each one's pc.
    pub fn invalidate(&mut self, range: Range<u64>, gone: &mut dyn FnMut(u64)) {
        let mut pages = std::mem::take(&mut self.pages);
        pages.remove(range, &self.filter.clone(), |id, depends| {
            let b = &self.blocks[id as usize];
            let (pc, range) = (b.pc, b.start..b.end);
            gone(pc);
            self.drop_block(id);
            match self.parts.remove(&id) {
                Some(parts) => parts.into_iter().for_each(depends),
                None => depends(range),
            }
        });
        self.pages = pages;
    }

    fn drop_block(&mut self, id: u32) {
        let end = self.blocks.get(id as usize + 1).map_or(self.area.used(), |next| next.host as usize);
        self.dead += end - self.blocks[id as usize].host as usize;
        let b = &mut self.blocks[id as usize];
        b.valid = false;
        let links = std::mem::replace(&mut b.incoming, NONE);
        let (pc, mode, counter) = (b.pc, b.mode, b.counter);
        if counter != NONE {
            // What is there next is not known.
            self.needs_flags(counter as usize, true);
        }
        // They wait now, but for those of blocks that are void themselves: these would be ever more.
        let (mut n, mut waiting) = (links, NONE);
        while n != NONE {
            let wanted = self.blocks[self.owner(n)].valid;
            let l = &mut self.links[n as usize];
            let (stub, next) = (l.stub, l.next);
            l.linked = NONE;
            l.cut = false;
            l.next = NONE;
            if wanted {
                l.next = std::mem::replace(&mut waiting, n);
            }
            self.jump_to(n as usize, stub);
            n = next;
        }
        let entry = self.probe(pc, mode);
        if what(self.lookup.slots[entry]) == id + 1 {
            match waiting {
                NONE => self.lookup.remove(entry),
                n => self.lookup.slots[entry] = slot(pc, mode, n | WAIT),
            }
        }
    }

    /// Where a counter leads to needs the flags, or does not: so do the links that lead to it.
    fn needs_flags(&mut self, counter: usize, needs: bool) {
        if std::mem::replace(&mut self.blocks[counter].flags_dead, !needs) != needs {
            return;
        }
        let mut n = self.blocks[counter].incoming;
        while n != NONE {
            if !self.links[n as usize].cut {
                self.lead(n);
            }
            n = self.links[n as usize].next;
        }
    }

    /// The number of the block that link `n` belongs to.
    fn owner(&self, n: u32) -> usize {
        self.blocks.partition_point(|b| b.links <= n) - 1
    }

    /// The number of the block whose code holds host address `pc`.
    fn block_at(&self, pc: u64) -> Option<usize> {
        let off = self.area.offset(pc);
        self.blocks.partition_point(|b| b.host <= off).checked_sub(1)
    }

    /// Whether the block at host address `pc` is void: who is in it runs what would be translated otherwise now.
    pub fn is_void(&self, pc: u64) -> bool {
        self.block_at(pc).is_some_and(|b| !self.blocks[b].valid)
    }

    /// Whether the block at host address `pc` has links to [`Cache::cut`].
    pub fn cuttable(&self, pc: u64) -> bool {
        self.block_at(pc).is_some_and(|b| self.links_of(b).any(|n| self.links[n].linked != NONE && !self.links[n].cut))
    }

    fn links_of(&self, block: usize) -> std::ops::Range<usize> {
        let end = self.blocks.get(block + 1).map_or(self.links.len(), |n| n.links as usize);
        self.blocks[block].links as usize..end
    }

    /// Whoever runs the block at host address `pc` leaves by the next exit, until `link` mends it.
    pub fn cut(&mut self, pc: u64) {
        if let Some(b) = self.block_at(pc) {
            self.cut_links(self.links_of(b));
        }
    }

    /// The same for all blocks.
    pub fn cut_all(&mut self) {
        self.cut_links(0..self.links.len());
    }

    fn cut_links(&mut self, links: std::ops::Range<usize>) {
        for n in links {
            let l = &mut self.links[n];
            if l.linked != NONE && !std::mem::replace(&mut l.cut, true) {
                let stub = l.stub;
                self.jump_to(n, stub);
            }
        }
    }

    /// The guest instruction whose host code holds `pc`; `None` for stubs and what isn't code.
    pub fn locate(&self, pc: u64) -> Option<Point> {
        if !self.area.range().contains(&pc) {
            return None;
        }
        let off = self.area.offset(pc);
        let i = self.block_at(pc)?;
        let b = &self.blocks[i];
        let end = self.blocks.get(i + 1).map_or(self.points.len(), |n| n.points as usize);
        let points = match b.lent {
            adopt::OWN => &self.points[b.points as usize..end],
            lent => self.lent.points(lent),
        };
        let p = &points[points.partition_point(|p| p.host <= off - b.host).checked_sub(1)?];
        Some(Point { host: b.host + p.host, pc: b.pc.wrapping_add_signed(p.pc as i64), flags: p.flags, bits: p.bits })
    }

    /// Little of what is kept is still good, as after long patching of code: a fresh cache costs less than the memory of this one.
    pub fn wasteful(&self) -> bool {
        self.dead > DEAD_ENOUGH && self.dead > self.area.used() / 4 * 3
    }

    /// Number of translations made, for statistics.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.pages.clear(&self.filter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Blocks come and go, some of them in one place all the time: the table agrees with a map, and stays small.
    #[test]
    fn the_lookup_agrees_with_a_map() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |n: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 20) % n
        };
        let (mut blocks, mut lookup, mut map) = (Vec::new(), Lookup::new(), HashMap::new());
        for _ in 0..60_000 {
            // Far apart, so that starts collide.
            let (pc, mode) = (random(40) * 4 + (random(40) << 30), Mode(random(2) as u32));
            lookup.reserve(1);
            let entry = lookup.probe(Known { blocks: &blocks, links: &[] }, pc, mode);
            let found = what(lookup.slots[entry]).checked_sub(1);
            assert_eq!(found, map.get(&(pc, mode.0)).copied());
            match found {
                Some(_) => {
                    lookup.remove(entry);
                    map.remove(&(pc, mode.0));
                }
                None => {
                    let id = blocks.len() as u32;
                    let (start, end) = (pc, pc + 4);
                    blocks.push(Block {
                        pc,
                        start,
                        end,
                        mode,
                        host: 0,
                        points: 0,
                        lent: adopt::OWN,
                        links: 0,
                        incoming: NONE,
                        valid: true,
                        flags_dead: false,
                        kind: Kind::Cold,
                        counter: NONE,
                    });
                    lookup.slots[entry] = slot(pc, mode, id + 1);
                    lookup.filled += 1;
                    map.insert((pc, mode.0), id);
                }
            }
            assert_eq!(lookup.filled, map.len());
        }
        assert!(lookup.slots.len() <= 16384);
    }
}
