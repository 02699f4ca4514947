//! Decoding: the rows of the `a64_*.decode` tables and the static index that `build.rs` makes of them.
//!
//! A row's format is `NAME PATTERN path::to::lift_fn`: the pattern has 32 symbols from bit 31 down (spaces ignored), `0` and `1`
//! fixed, `-` without meaning, letters for fields. Where rows overlap, the one with more fixed bits wins.

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

/// The row that a word belongs to.
#[inline]
pub fn find(word: u32) -> Option<&'static Row> {
    let (start, len) = BUCKETS[(word >> INDEX_SHIFT) as usize];
    let candidates = &CANDIDATES[start as usize..start as usize + len as usize];
    candidates.iter().map(|&i| &ROWS[i as usize]).find(|r| word & r.mask == r.value)
}

/// Find the row of a word and lift it.
pub fn lift_one(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    match find(i.0) {
        Some(row) => (row.lift)(l, i),
        None => Err(Undefined),
    }
}
