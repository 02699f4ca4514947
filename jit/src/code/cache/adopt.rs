//! What relatives have emitted goes from the store to the cache as it is, without being taken apart on the way.

use super::{Block, Cache, Kind, Link, Made, Placed, NONE};
use crate::code::store::{self, Image, Stored, NO_PIECE};
use crate::host::{self, Reloc};
use crate::ir::Mode;
use std::collections::HashMap;

/// [`Block::lent`] of a block whose points are its own.
pub const OWN: u32 = 0;

/// The points of adopted blocks, which stay where they are: they are hardly ever looked at.
#[derive(Default)]
pub struct Lent {
    /// The store in which they are, until it goes.
    store: Option<*const u8>,
    /// Those of the records that were in it, then.
    kept: HashMap<u32, Box<[Placed]>>,
}

impl Lent {
    /// The points of the block that was adopted from record number `n`.
    pub fn points(&self, n: u32) -> &[Placed] {
        match self.store {
            // SAFETY: there was such a record when the block was adopted, nobody changes records, and `leave_store` is called before the store goes.
            Some(store) => unsafe { store::points(store, n) },
            None => self.kept.get(&n).map_or(&[], |p| p),
        }
    }
}

/// Let code that was copied to `at` refer to what it refers to here; `None` if it can't be moved so far.
fn relocate(code: &mut [u8], at: u32, relocs: &[[u32; 2]], stubs: &[u32], by: u64, helper: &dyn Fn(u16) -> u64) -> Option<()> {
    for &r in relocs {
        match store::reloc(r) {
            Reloc::Stub { at: o, stub } => {
                let field = code.get_mut(o as usize..)?.first_chunk_mut()?;
                let to = *stubs.get(stub as usize)?;
                *field = host::branch_word(u32::from_le_bytes(*field), at + o, to).to_le_bytes();
            }
            Reloc::Helper { at: o, helper: h } => {
                *code.get_mut(o as usize..)?.first_chunk_mut()? = helper(h).to_le_bytes();
            }
            Reloc::Place { at: o, wide } => Reloc::move_place(code, o, wide, by).then_some(())?,
        }
    }
    Some(())
}

impl Cache {
    /// The store that blocks were adopted from is about to go.
    pub fn leave_store(&mut self) {
        let lent = self.blocks.iter().map(|b| b.lent).filter(|&n| n != OWN);
        let kept = lent.map(|n| (n, self.lent.points(n).into())).collect();
        self.lent = Lent { store: None, kept };
    }

    /// [`Cache::publish`] for what a relative has made. `None`: there is no room, or it can't be moved so far. The caller has called
    /// [`Area::own`](super::Area::own).
    pub fn adopt(&mut self, made: &Made, from: &Stored<'_>, helper: &dyn Fn(u16) -> u64, cut: bool) -> Option<u64> {
        self.make_lists();
        let at = self.area.alloc(from.code.len())?;
        let code = self.area.bytes(at, from.code.len());
        code.copy_from_slice(from.code);
        relocate(code, at, from.relocs, &self.stubs, from.by, helper)?;
        self.area.written(at, from.code.len());
        let (points, links) = (self.points.len() as u32, self.links.len() as u32);
        self.lent.store = Some(from.store);
        let counts = |l: &host::Link| l.target <= made.pc && !host::is_call(from.code, l.at);
        self.new_links(from.links.iter().map(|&l| store::link(l, made.pc)), at, counts);
        self.announce(made, &[], at, (points, links), from.record, cut);
        Some(self.area.addr(at))
    }

    /// Whether pages may come as images: no link is counted, and there is room.
    pub fn takes_images(&self) -> bool {
        self.heat == 0 && self.area.is_half_empty()
    }

    /// [`Cache::adopt`] for all of an image, for the page at `base`; the address of its code. Its blocks take the place of those that are there.
    pub fn adopt_image(
        &mut self,
        image: &Image<'_>,
        base: u64,
        mode: Mode,
        helper: &dyn Fn(u16) -> u64,
        cut: bool,
    ) -> Option<u64> {
        self.make_lists();
        let at = self.area.alloc(image.code.len())?;
        let (first, first_link, points) = (self.blocks.len() as u32, self.links.len() as u32, self.points.len() as u32);
        let code = self.area.bytes(at, image.code.len());
        code.copy_from_slice(image.code);
        relocate(code, at, image.relocs, &self.stubs, image.by, helper)?;
        for (joint, n) in image.joints.iter().zip(first_link..).filter(|j| !j.0.direct()) {
            *code.get_mut(joint.site as usize..)?.first_chunk_mut()? = n.to_le_bytes();
        }
        self.area.written(at, image.code.len());
        self.lent.store = Some(image.store);
        // From an image's numbers to the cache's.
        let moved = |n: u32, first: u32, none: u32| if n == NO_PIECE { none } else { n + first };
        self.links.extend(image.joints.iter().map(|j| Link {
            at: at + j.at(),
            short: host::NO_BRANCH,
            stub: at + j.stub,
            target: base.wrapping_add_signed(j.target.into()),
            linked: moved(j.linked, first, NONE),
            next: moved(j.next, first_link, NONE),
            cut: false,
            direct: j.direct(),
            counts: false,
            of_counter: false,
        }));
        self.blocks.extend(image.pieces.iter().map(|p| Block {
            pc: base + u64::from(p.pc),
            start: base + u64::from(p.start),
            end: base + u64::from(p.end),
            mode,
            host: at + p.host,
            points,
            lent: p.record,
            links: first_link + p.joints,
            incoming: moved(p.incoming, first_link, NONE),
            valid: true,
            flags_dead: p.flags_dead != 0,
            kind: Kind::Cold,
            counter: NONE,
        }));
        let links_out = image.joints.iter().zip(first_link..).filter(|j| j.0.linked == NO_PIECE).map(|j| j.1);
        self.lookup.reserve(image.pieces.len() + links_out.clone().count());
        // One miss after the other costs more than all the rest here.
        image.pieces.iter().for_each(|p| self.lookup.expect(base + u64::from(p.pc), mode));
        links_out.clone().for_each(|n| self.lookup.expect(self.links[n as usize].target, mode));
        for (piece, id) in image.pieces.iter().zip(first..) {
            self.enter(id, self.probe(base + u64::from(piece.pc), mode), cut);
        }
        links_out.for_each(|n| self.add_link(n, mode));
        let parts = image.pieces.iter().zip(first..).map(|(p, id)| (p.start, p.end, id));
        self.pages.insert_all(base, parts, image.lines, &self.filter);
        Some(self.area.addr(at))
    }
}
