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
    fn own_code(&self, pc: u64) -> bool {
        pc == PC
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
    assert_eq!((back.pc, back.end, &back.starts), (b.pc, b.end, &b.starts));
}

#[test]
fn every_row_lifts_cleanly() {
    let mut random = Random(0x5eed);
    for row in ROWS {
        for n in 0..120 {
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

/// Where two rows overlap, the number of fixed bits must say which one wins: else their order would decide by accident.
#[test]
fn overlapping_rows_are_ranked() {
    for (n, a) in ROWS.iter().enumerate() {
        for b in &ROWS[..n] {
            if (a.value ^ b.value) & a.mask & b.mask == 0 {
                assert_ne!(a.mask.count_ones(), b.mask.count_ones(), "{} and {} overlap", a.name, b.name);
            }
        }
    }
}

/// Words from `PC` on; nothing behind them.
struct Words<'a>(&'a [u32]);

impl Fetch for Words<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get(pc.wrapping_sub(PC) as usize / 4).copied()
    }
}

fn lift_words(words: &[u32], pc: u64, limits: Limits) -> Block {
    let mut b = Block::default();
    b.clear(pc, Mode::default());
    (GUEST.lift)(&mut b, &Words(words), &NoHints, limits);
    verify::verify_lifted(&b).unwrap_or_else(|e| panic!("{e}\n{}", text::print(&b, GUEST.reg_name)));
    b
}

fn last(b: &Block) -> String {
    let n = b.insts.len() - 1;
    let line = text::print_inst(n, &b.insts[n], GUEST.reg_name);
    line.split_once(' ').unwrap().1.trim().to_string()
}

const NOP: u32 = 0xd503_201f;
const CBZ_X0_BACK: u32 = 0xb4ff_ffe0;
const MANY: Limits = Limits { insns: 100, side_exits: 1 };

#[test]
fn blocks_end_where_they_should() {
    // A side exit is run past while the budget lasts.
    let b = lift_words(&[CBZ_X0_BACK, NOP, CBZ_X0_BACK, NOP], PC, MANY);
    assert_eq!((b.guest_insns(), b.end, last(&b)), (3, PC + 12, format!("jump {:#x}", PC + 12)));
    // The instruction budget.
    let b = lift_words(&[NOP; 8], PC, Limits { insns: 5, side_exits: 0 });
    assert_eq!((b.guest_insns(), b.end, last(&b)), (5, PC + 20, format!("jump {:#x}", PC + 20)));
    // What can't be fetched faults only when it is reached.
    let b = lift_words(&[NOP, NOP], PC, MANY);
    assert_eq!((b.guest_insns(), last(&b)), (2, format!("jump {:#x}", PC + 8)));
    let b = lift_words(&[], PC, MANY);
    assert_eq!(last(&b), format!("trap fetch_fault {PC:#x}"));
    let b = lift_words(&[NOP], PC + 2, MANY);
    assert_eq!(last(&b), format!("trap pc_align {:#x}", PC + 2));
    // udf #0; svc #0x12; brk #0xf000; isb
    assert_eq!(last(&lift_words(&[NOP, 0], PC, MANY)), "trap undefined 0x0");
    let b = lift_words(&[NOP, 0xd400_0241, NOP], PC, MANY);
    assert_eq!((b.end, last(&b)), (PC + 8, "trap syscall 0x12".into()));
    assert_eq!(last(&lift_words(&[0xd43e_0000, NOP], PC, MANY)), "trap breakpoint 0xf000");
    assert_eq!(last(&lift_words(&[0xd503_3fdf, NOP], PC, MANY)), "trap synchronize 0x0");
    // ic ivau, x3
    let b = lift_words(&[0xd50b_7523, NOP], PC, MANY);
    assert_eq!((b.guest_insns(), last(&b)), (2, format!("jump {:#x}", PC + 8)));
    assert!(b.insts.iter().any(|i| i.op == Op::TrapIfCode && i.imm == PC + 4));
}

/// What Linux documents for EL0 reads of identification registers (arch/arm64/cpu-feature-registers.rst).
#[test]
fn identification_registers() {
    let value = |word: u32| lift_words(&[word, NOP], PC, MANY).insts[0];
    for (word, expected) in [
        (0xd538_0000, 0x414f_d0b1),           // midr_el1
        (0xd538_00a0, 0x8000_0000),           // mpidr_el1
        (0xd538_00c0, 0),                     // revidr_el1
        (0xd538_0400, 0x0011_0011),           // id_aa64pfr0_el1
        (0xd538_0420, 0x20),                  // id_aa64pfr1_el1
        (0xd538_0500, 6),                     // id_aa64dfr0_el1
        (0xd538_0600, 0x1021_1111_1021_2120), // id_aa64isar0_el1
        (0xd538_0620, 0x0010_1011_0021_1002), // id_aa64isar1_el1
        (0xd538_0640, 0),                     // id_aa64isar2_el1
        (0xd538_0740, 1 << 32),               // id_aa64mmfr2_el1
        (0xd538_0700, 0xff00_0000),           // id_aa64mmfr0_el1
        (0xd53b_0020, 0x9444_c004),           // ctr_el0
        (0xd53b_00e0, 4),                     // dczid_el0
        (0xd53b_e000, 1_000_000_000),         // cntfrq_el0
    ] {
        let i = value(word);
        assert_eq!((i.op, i.imm), (Op::Const, expected), "{word:08x}");
    }
    // id_pfr0_el1, sctlr_el1, daif, cntpct_el0: SIGILL.
    for word in [0xd538_0100, 0xd538_1000, 0xd53b_4220, 0xd53b_e020] {
        assert_eq!(value(word).op, Op::Trap, "{word:08x}");
    }
}
