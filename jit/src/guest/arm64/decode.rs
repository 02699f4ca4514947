//! Decoding: the index that `build.rs` makes from `a64.decode`.
use super::lift::*;
/// Find the row of a word and lift it.
pub fn lift_one(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Err(Undefined)
}
