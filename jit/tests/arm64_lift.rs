//! The decode tables and the lifting functions as a whole: every row, with random fields, must lift to IR that the verifier
//! accepts, that faults before it writes, and that survives printing and parsing.

use jit::guest::arm64::decode::{find, Row, ROWS};
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::{text, verify, Block, Mode, Op};

const PC: u64 = 0x40_1000;

struct Word(u32);

impl Fetch for Word {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        (pc == PC).then_some(self.0)
    }
}

struct NoHints;

impl Hints for NoHints {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// xorshift64*: reproducible and good enough to draw fields.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

fn lift(word: u32) -> Block {
    let mut b = Block::default();
    b.clear(PC, Mode::default());
    (GUEST.lift)(&mut b, &Word(word), &NoHints, Limits { insns: 1, side_exits: 1 });
    b
}

fn check(row: &Row, word: u32) {
    let b = lift(word);
    let shown = text::print(&b, GUEST.reg_name);
    if let Err(e) = verify::verify_lifted(&b) {
        panic!("{} {word:08x}: {e}\n{shown}", row.name);
    }
    let back = text::parse(&shown, GUEST.parse_reg).unwrap_or_else(|e| panic!("{} {word:08x}: {e}\n{shown}", row.name));
    assert_eq!(back.insts, b.insts, "{} {word:08x}\n{shown}", row.name);
    assert_eq!((back.pc, back.end, back.guest_insns), (b.pc, b.end, b.guest_insns));
}

#[test]
fn every_row_lifts_cleanly() {
    let mut random = Random(0x5eed);
    for row in ROWS {
        for n in 0..300 {
            let fill = match n {
                0 => 0,
                1 => u32::MAX,
                _ => random.next(),
            };
            check(row, fill & !row.mask | row.value);
        }
    }
}

/// A row of which no word is defined is a mistake in its pattern or in its lifting function.
#[test]
fn every_row_has_a_defined_word() {
    let mut random = Random(0xd0e5);
    for row in ROWS {
        let defined = (0..4000).any(|_| {
            let word = random.next() & !row.mask | row.value;
            let b = lift(word);
            find(word).is_some_and(|r| r.name == row.name) && !b.insts.iter().any(|i| i.op == Op::Trap && i.aux == 1)
        });
        assert!(defined, "{} never decodes", row.name);
    }
}

#[test]
fn random_words_lift_cleanly() {
    let mut random = Random(0xfeed);
    for _ in 0..50_000 {
        let word = random.next();
        if let Some(row) = find(word) {
            check(row, word);
        }
    }
}

#[test]
fn the_index_finds_what_a_scan_finds() {
    let mut random = Random(0xace);
    let mut words: Vec<u32> = (0..100_000).map(|_| random.next()).collect();
    for row in ROWS {
        words.extend((0..20).map(|_| random.next() & !row.mask | row.value));
    }
    for word in words {
        let scan = ROWS.iter().find(|r| word & r.mask == r.value).map(|r| r.name);
        assert_eq!(find(word).map(|r| r.name), scan, "{word:08x}");
    }
}

/// Where two rows overlap, one must be a special case of the other: otherwise their order would decide by accident.
#[test]
fn overlapping_rows_nest() {
    for (n, a) in ROWS.iter().enumerate() {
        for b in &ROWS[..n] {
            let both = a.mask & b.mask;
            if (a.value ^ b.value) & both == 0 {
                assert!(both == a.mask || both == b.mask, "{} and {} overlap", a.name, b.name);
            }
        }
    }
}
