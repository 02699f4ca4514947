//! Decoding: the rows of the `a64_*.decode` tables and the static index that `build.rs` makes of them.
//!
//! A row's format is `NAME PATTERN path::to::lift_fn`: the pattern has 32 symbols from bit 31 down (spaces ignored), `0` and `1`
//! fixed, `-` without meaning, letters for fields. Where rows overlap, the one with more fixed bits wins. A line `[name]` says which of
//! the [`features`] the rows after it belong to; where it is hidden, they are undefined.

use super::features::{self, Feature, Set};
use super::interpret::InterpretFn;
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

/// A row of a bucket.
struct Candidate {
    mask: u32,
    value: u32,
    row: u16,
    /// One more than its number in `INTERPRET`, or 0.
    interpret: u8,
    feature: Feature,
}

/// What a word belongs to.
#[inline]
fn find_candidate(word: u32) -> Option<&'static Candidate> {
    let (start, len) = BUCKETS[(word >> 21 << 2 | word >> 10 & 3) as usize];
    let candidates = &CANDIDATES[start as usize..start as usize + len as usize];
    candidates.iter().find(|c| word & c.mask == c.value)
}

/// The row that a word belongs to.
pub fn find(word: u32) -> Option<&'static Row> {
    find_candidate(word).map(|c| &ROWS[c.row as usize])
}

/// Find the row of a word and lift it.
#[inline]
pub fn lift_one(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    match find_candidate(i.0) {
        Some(c) if !l.hidden.has(c.feature) => LIFT[c.row as usize](l, i),
        _ => Err(Undefined),
    }
}

/// What interprets a word, if anything does.
#[inline]
pub fn find_interpret(word: u32, hidden: Set) -> Option<InterpretFn> {
    let c = find_candidate(word).filter(|c| !hidden.has(c.feature))?;
    INTERPRET.get((c.interpret as usize).wrapping_sub(1)).copied()
}
