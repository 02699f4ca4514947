//! What a relative has emitted goes from the store to the cache as it is, without being taken apart on the way.

use super::{Cache, Made};
use crate::code::store::{self, Stored};
use crate::host::{self, Reloc};

impl Cache {
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
        self.points.extend_from_slice(from.points);
        let counts = |l: &host::Link| l.target <= made.pc && !host::is_call(from.code, l.at);
        self.new_links(from.links.iter().map(|&l| store::link(l, made.pc)), at, counts);
        self.announce(made, &[], at, (points, links), cut);
        Some(self.area.addr(at))
    }
}
