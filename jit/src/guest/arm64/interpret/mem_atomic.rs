//! Loads-acquire and stores-release.

use super::super::lift::Insn;
use super::{tried, Machine, Step};
use crate::guarded;

/// Address and size, unless it crosses a multiple of 16: then it is to fault.
fn address(m: &Machine<'_>, i: Insn) -> Option<(u64, u8)> {
    let (at, log2) = (m.x_sp(i.rn()), i.bits(31, 30) as u8);
    ((at & 15) + (1 << log2) <= 16).then_some((at, log2))
}

/// LDAR, LDLAR, LDAPR.
pub fn load_acquire(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some((at, log2)) = address(m, i) else { return Step::Leave };
    tried(|| {
        let v = guarded::load_acquire(at, log2)?;
        m.set_x(i.rt(), v);
        Ok(Step::Next)
    })
}

/// STLR, STLLR.
pub fn store_release(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some((at, log2)) = address(m, i) else { return Step::Leave };
    tried(|| {
        // SAFETY: the guest's own store.
        unsafe { guarded::store_release(at, log2, m.x(i.rt())) }?;
        Ok(Step::Next)
    })
}
