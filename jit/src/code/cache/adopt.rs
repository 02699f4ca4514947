//! What a relative has emitted goes from the store to the cache as it is, without being taken apart on the way.

use super::{Cache, Made, Placed};
use crate::code::store::{self, Stored};
use crate::host::{self, Reloc};

/// The points of adopted blocks, which stay where they are: they are hardly ever looked at.
#[derive(Default)]
pub struct Lent {
    /// Block, first point and number of points, ascending by block.
    of: Vec<(u32, *const Placed, u32)>,
    /// Those that had to be copied after all.
    kept: Vec<Box<[Placed]>>,
}

impl Lent {
    /// The points of a block.
    pub fn points(&self, block: usize) -> &[Placed] {
        match self.of.binary_search_by_key(&(block as u32), |l| l.0) {
            // SAFETY: in the store, which `keep` is called before it goes, or in `kept`.
            Ok(n) => unsafe { std::slice::from_raw_parts(self.of[n].1, self.of[n].2 as usize) },
            Err(_) => &[],
        }
    }

    fn keep(&mut self) {
        for n in 0..self.of.len() {
            let copy: Box<[Placed]> = self.points(self.of[n].0 as usize).into();
            self.of[n].1 = copy.as_ptr();
            self.kept.push(copy);
        }
    }
}

impl Cache {
    /// The store that blocks were adopted from is about to go.
    pub fn leave_store(&mut self) {
        self.lent.keep();
    }

    /// [`Cache::publish`] for what a relative has made. `None`: there is no room, or it can't be moved so far. The caller has called
    /// [`Area::own`](super::Area::own).
    pub fn adopt(&mut self, made: &Made, from: &Stored<'_>, helper: &dyn Fn(u16) -> u64, cut: bool) -> Option<u64> {
        self.make_lists();
        let at = self.area.alloc(from.code.len())?;
        let code = self.area.bytes(at, from.code.len());
        code.copy_from_slice(from.code);
        for &r in from.relocs {
            match store::reloc(r) {
                Reloc::Stub { at: o, stub } => {
                    let field = code.get_mut(o as usize..)?.first_chunk_mut()?;
                    let to = *self.stubs.get(stub as usize)?;
                    *field = host::branch_word(u32::from_le_bytes(*field), at + o, to).to_le_bytes();
                }
                Reloc::Helper { at: o, helper: h } => {
                    *code.get_mut(o as usize..)?.first_chunk_mut()? = helper(h).to_le_bytes();
                }
                Reloc::Place { at: o, wide } => Reloc::move_place(code, o, wide, from.by).then_some(())?,
            }
        }
        self.area.written(at, from.code.len());
        let (points, links) = (self.points.len() as u32, self.links.len() as u32);
        self.lent.of.push((self.blocks.len() as u32, from.points.as_ptr(), from.points.len() as u32));
        let counts = |l: &host::Link| l.target <= made.pc && !host::is_call(from.code, l.at);
        self.new_links(from.links.iter().map(|&l| store::link(l, made.pc)), at, counts);
        self.announce(made, &[], at, (points, links), cut);
        Some(self.area.addr(at))
    }
}
