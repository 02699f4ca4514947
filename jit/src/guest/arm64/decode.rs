//! Decoding: the rows of the `a64_*.decode` tables and the static index that `build.rs` makes of them.
//!
//! A row's format is `NAME PATTERN path::to::lift_fn`: the pattern has 32 symbols from bit 31 down (spaces ignored), `0` and `1`
//! fixed, `-` without meaning, letters for fields. Where rows overlap, the one with more fixed bits wins. A line `[name]` says which of
//! the [`features`] the rows after it belong to; where it is hidden, they are undefined.

use super::features::{self, Feature};
use super::lift::{Insn, LiftFn, Lifted, Lifter, Undefined};

/// One row of the tables.
#[derive(Debug)]
pub struct Row {
    /// Its name, unique.
    pub name: &'static str,
    /// Which bits are fixed …
    pub mask: u32,
    /// … to what.
    pub value: u32,
    /// The 32 symbols from bit 31 down: fields are runs of one letter.
    pub pattern: &'static str,
    /// The lifting function.
    pub lift: LiftFn,
}

include!(concat!(env!("OUT_DIR"), "/a64.rs"));

/// The number of the row that a word belongs to.
#[inline]
fn find_index(word: u32) -> Option<usize> {
    let (start, len) = BUCKETS[(word >> INDEX_SHIFT) as usize];
    let candidates = &CANDIDATES[start as usize..start as usize + len as usize];
    candidates.iter().find(|(mask, value, _)| word & mask == *value).map(|c| c.2 as usize)
}

/// The row that a word belongs to.
pub fn find(word: u32) -> Option<&'static Row> {
    find_index(word).map(|i| &ROWS[i])
}

/// Find the row of a word and lift it.
#[inline]
pub fn lift_one(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    match find_index(i.0) {
        Some(row) if !l.hidden.has(FEATURE[row]) => LIFT[row](l, i),
        _ => Err(Undefined),
    }
}
