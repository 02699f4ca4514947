//! Floating-point instructions, drawn at random from the rows of `a64_fp.decode` whose lifting the FP modules do, on random and special
//! operands, under every FPCR setting: lifted and evaluated here, executed by QEMU, and compared (vectors, registers, NZCV, FPSR).
//!
//! Needs `qemu-aarch64-static` (or what `QEMU_AARCH64` names) and `aarch64-linux-gnu-gcc`. `FP_CASES` sets the number of cases, `FP_SEED` the start of the
//! generator, `FP_ROW` limits the rows to those whose name starts with it.

use jit::guest::arm64::decode::{Row, ROWS};
use jit::guest::arm64::lift::{Insn, Lifter};
use jit::ir::eval::{self, Env};
use jit::ir::{Block, Inst, Mode, Op, Type};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qemu_fp/runner.c");
const TABLE: &str = include_str!("../src/guest/arm64/a64_fp.decode");
const STATE_BYTES: usize = 16 * 8 + 32 * 16 + 4 * 8;
const STATES_PER_INSN: usize = 8;

/// xorshift64*.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }
    fn wide(&mut self) -> u128 {
        (self.next() as u128) << 64 | self.next() as u128
    }
}

/// Exponent and fraction bits by log2 of the element size.
fn format(log2: u32) -> (u32, u32) {
    [(5, 10), (8, 23), (11, 52)][log2 as usize - 1]
}

/// A value of the format: special, random, or of few significant bits and moderate exponent (exact results, ties, cancellation).
fn fp_value(r: &mut Rng, log2: u32) -> u64 {
    let (eb, fb) = format(log2);
    let (emax, bias) = ((1u64 << eb) - 1, (1u64 << (eb - 1)) - 1);
    let sign = r.next() >> 63 << (eb + fb);
    let frac = r.next() & ((1 << fb) - 1);
    let sparse = {
        let keep = r.below(fb as u64 + 1) as u32;
        frac >> (fb - keep.min(fb)) << (fb - keep.min(fb))
    };
    let pack = |e: u64, f: u64| sign | e << fb | f;
    let ones = (1 << fb) - 1;
    // A quarter of all values from the special ones.
    let kinds = if r.below(4) == 0 { 9 } else { 24 };
    match r.below(kinds) {
        0 => pack(0, 0),
        1 => pack(emax, 0),
        2 => pack(emax, 1 << (fb - 1) | frac),
        3 => pack(emax, (frac & (ones >> 1)).max(1)),
        4 => pack(0, frac),
        5 => pack(0, [1, ones, 1 << (fb - 1), 3 << (fb - 2)][r.below(4) as usize]),
        6 => pack(emax - 1, ones - r.below(2)),
        7 => pack(1, r.below(2)),
        8 => pack(bias, 0),
        // Near the limits of 32- and 64-bit integers, and halves around small ones.
        9 => pack(
            (bias + [30, 31, 32, 62, 63, 64][r.below(6) as usize]).min(emax - 1),
            [0, 1, ones, ones - 1, frac][r.below(5) as usize],
        ),
        10 => pack(bias - 1 + r.below(fb as u64 + 3).min(emax - bias), sparse),
        11 => pack(bias - 2 + r.below(4), [0, 1, ones, 1 << (fb - 1)][r.below(4) as usize]),
        12 => pack(1 + r.below(3), frac),
        13 => pack(emax - 1 - r.below(3), frac),
        14..=16 => pack(bias - 8 + r.below(16), sparse),
        17 | 18 => pack(bias - 2 + r.below(4), frac),
        // Around the exponents where narrower formats overflow or go denormal.
        19 if log2 == 3 => pack(bias - 127 - 26 + r.below(32), frac),
        20 if log2 == 3 => pack(bias + 126 + r.below(3), [ones, frac, sparse][r.below(3) as usize]),
        19 if log2 == 2 => pack(bias - 15 - 12 + r.below(16), sparse),
        20 if log2 == 2 => pack(bias + 14 + r.below(3), [ones, ones << 13 & ones, frac, sparse][r.below(4) as usize]),
        21 => pack(r.below(emax + 1), sparse),
        _ => pack(r.below(emax + 1), frac),
    }
}

fn vector(r: &mut Rng) -> u128 {
    let log2 = [1, 2, 2, 2, 3, 3, 3, 3][r.below(8) as usize];
    match r.below(12) {
        0 => r.wide(),
        _ => (0..16 >> log2).fold(0, |v, n| v | (fp_value(r, log2) as u128) << (n * (8 << log2))),
    }
}

fn integer(r: &mut Rng) -> u64 {
    let v = r.next();
    match r.below(6) {
        0 => [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xffff_ffff][r.below(8) as usize],
        1 => v >> r.below(64),
        2 => ((v as i64) >> r.below(64)) as u64,
        3 => (v >> 40) << r.below(64),
        // Ties when converted.
        4 => (v >> 39 | 1) << r.below(40),
        _ => v,
    }
}

#[derive(Clone, PartialEq)]
struct State {
    x: [u64; 16],
    v: [u128; 32],
    nzcv: u64,
    fpcr: u32,
    fpsr: u32,
}

impl State {
    fn random(r: &mut Rng) -> State {
        let fpcr = (r.below(4) << 22) as u32
            | [0, 1 << 24][(r.below(3) == 0) as usize]
            | [0, 1 << 25][(r.below(3) == 0) as usize]
            | [0, 1 << 26][(r.below(3) == 0) as usize];
        let mut s = State {
            x: std::array::from_fn(|_| integer(r)),
            v: std::array::from_fn(|_| vector(r)),
            nzcv: r.next() & 0xf000_0000,
            fpcr,
            fpsr: if r.below(4) == 0 { (r.next() as u32) & 0x0800_009f } else { 0 },
        };
        // Equal and opposite operands.
        if r.below(8) == 0 {
            let (a, b) = (r.below(32) as usize, r.below(32) as usize);
            s.v[a] = s.v[b] ^ [0, 1 << 63 | 1 << 127, 0x8000_0000_8000_0000_8000_0000_8000_0000][r.below(3) as usize];
        }
        s
    }
    fn to_bytes(&self) -> Vec<u8> {
        let mut b = Vec::with_capacity(STATE_BYTES);
        self.x.iter().for_each(|v| b.extend(v.to_le_bytes()));
        self.v.iter().for_each(|v| b.extend(v.to_le_bytes()));
        [self.nzcv, self.fpcr as u64, self.fpsr as u64, 0].iter().for_each(|v| b.extend(v.to_le_bytes()));
        b
    }
    fn from_bytes(b: &[u8]) -> State {
        let q = |o: usize| u64::from_le_bytes(b[o..o + 8].try_into().unwrap());
        let tail = 128 + 512;
        State {
            x: std::array::from_fn(|n| q(n * 8)),
            v: std::array::from_fn(|n| q(128 + n * 16) as u128 | (q(136 + n * 16) as u128) << 64),
            nzcv: q(tail),
            fpcr: q(tail + 8) as u32,
            fpsr: q(tail + 16) as u32,
        }
    }
}

/// The effect of a lifted instruction on the state.
fn run_block(b: &Block, s: &mut State) {
    let mut env = Env { fpcr: s.fpcr, ..Env::default() };
    let mut vals: Vec<u128> = Vec::with_capacity(b.insts.len());
    for i in &b.insts {
        let arg = |n: usize| if i.args[n].is_some() { vals[i.args[n].index()] } else { 0 };
        let args = [arg(0), arg(1), arg(2)];
        let v = match i.op {
            Op::Get => get(s, i),
            Op::Set => {
                match i.imm {
                    r @ 0..=15 => s.x[r as usize] = args[0] as u64,
                    r @ 64..=95 => s.v[r as usize - 64] = args[0],
                    128 => s.nzcv = (args[0] as u64) << 28,
                    r => panic!("set of register {r}"),
                }
                0
            }
            Op::Const => i.imm as u128,
            Op::Zext => args[0],
            Op::VSelect => args[if i.cond().holds(args[0] as u8) { 1 } else { 2 }],
            _ => {
                let src_bits = if i.args[0].is_some() { b.ty(i.args[0]).bits() } else { 0 };
                eval::eval(i, args, src_bits, &mut env)
            }
        };
        vals.push(v);
    }
    s.fpsr |= env.fpsr;
}

fn get(s: &State, i: &Inst) -> u128 {
    match i.imm {
        r @ 0..=15 if i.ty == Type::I32 => s.x[r as usize] as u32 as u128,
        r @ 0..=15 => s.x[r as usize] as u128,
        r @ 64..=95 => s.v[r as usize - 64],
        128 => (s.nzcv >> 28) as u128,
        r => panic!("get of register {r}"),
    }
}

/// Lift one word; `None` if undefined.
fn lift(row: &Row, word: u32) -> Option<Block> {
    let mut b = Block::default();
    b.clear(0x1000, Mode::default());
    let mut l = Lifter { pc: 0x1000, side_exits: 0, done: false, b: &mut b };
    let ok = (row.lift)(&mut l, Insn(word)).is_ok();
    assert!(ok || b.insts.is_empty(), "{} {word:08x}: pushed before Undefined", row.name);
    ok.then_some(b)
}

/// A word of the row. General registers stay in what the runner keeps: X0..X15 and zero.
fn encode(r: &mut Rng, row: &Row) -> u32 {
    let mut w = row.value | r.next() as u32 & !row.mask;
    for (at, letter) in [(0, 'd'), (5, 'n')] {
        let is_field = row.pattern.chars().filter(|&c| c == letter).count() == 5;
        if is_field && w >> at & 16 != 0 && r.below(8) != 0 {
            w &= !(16 << at);
        } else if is_field && w >> at & 16 != 0 {
            w |= 31 << at;
        }
    }
    // Destination and source alike now and then.
    if r.below(8) == 0 && row.pattern.ends_with("nnnnnddddd") {
        w = w & !31 | (w >> 5 & 31);
    }
    w
}

fn rows() -> Vec<&'static Row> {
    let only = std::env::var("FP_ROW").unwrap_or_default();
    let names: Vec<&str> = TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_whitespace().next()).collect();
    let rows: Vec<_> = ROWS.iter().filter(|r| names.contains(&r.name) && r.name.starts_with(&only)).collect();
    assert!(!rows.is_empty());
    rows
}

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

struct Group {
    row: &'static Row,
    word: u32,
    states: Vec<State>,
}

fn generate(cases: u64, seed: u64) -> Vec<Group> {
    let mut r = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let rows = rows();
    let count = cases as usize / STATES_PER_INSN;
    (0..count)
        .map(|n| {
            let row = rows[n % rows.len()];
            Group { row, word: encode(&mut r, row), states: (0..STATES_PER_INSN).map(|_| State::random(&mut r)).collect() }
        })
        .collect()
}

/// What QEMU makes of every state; `None` where the instruction is undefined.
fn run_qemu(groups: &[Group], dir: &Path) -> Vec<Vec<Option<State>>> {
    let (exe, input) = (dir.join("qemu_fp_runner"), dir.join("qemu_fp_input"));
    let gcc = Command::new("aarch64-linux-gnu-gcc").args(["-O1", "-static", "-o"]).arg(&exe).arg(RUNNER).status();
    assert!(gcc.expect("aarch64-linux-gnu-gcc").success());
    let mut f = BufWriter::new(File::create(&input).unwrap());
    for g in groups {
        f.write_all(&g.word.to_le_bytes()).unwrap();
        f.write_all(&(g.states.len() as u32).to_le_bytes()).unwrap();
        g.states.iter().for_each(|s| f.write_all(&s.to_bytes()).unwrap());
    }
    f.flush().unwrap();
    // A CPU of Armv8.0: no half-precision arithmetic.
    let qemu = std::env::var("QEMU_AARCH64").unwrap_or_else(|_| "qemu-aarch64-static".into());
    let mut child = Command::new(&qemu)
        .args(["-cpu", "cortex-a57"])
        .arg(&exe)
        .stdin(Stdio::from(File::open(&input).unwrap()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{qemu}: {e}"));
    let mut out = child.stdout.take().unwrap();
    let mut record = [0; 4 + STATE_BYTES];
    let mut one = || {
        out.read_exact(&mut record).expect("the runner ended early");
        (record[0] == 0).then(|| State::from_bytes(&record[4..]))
    };
    let results = groups.iter().map(|g| g.states.iter().map(|_| one()).collect()).collect();
    assert!(child.wait().unwrap().success());
    results
}

/// What differs, in words.
fn describe(g: &Group, input: &State, ours: &State, theirs: &State, b: &Block) -> String {
    let mut s = format!("{} {:08x} fpcr {:08x} nzcv {:x}\n", g.row.name, g.word, input.fpcr, input.nzcv >> 28);
    for i in &b.insts {
        match i.op {
            Op::Get if i.imm >= 128 => {}
            Op::Get if i.imm >= 64 => s += &format!("  in  v{:<2} {:032x}\n", i.imm - 64, input.v[i.imm as usize - 64]),
            Op::Get => s += &format!("  in  x{:<2} {:016x}\n", i.imm, input.x[i.imm as usize]),
            Op::Set => {}
            _ => s += &format!("      {i:?}\n"),
        }
    }
    for n in (0..32).filter(|&n| ours.v[n] != theirs.v[n]) {
        s += &format!("  v{n}: ours {:032x}\n       qemu {:032x}\n", ours.v[n], theirs.v[n]);
    }
    for n in (0..16).filter(|&n| ours.x[n] != theirs.x[n]) {
        s += &format!("  x{n}: ours {:016x} qemu {:016x}\n", ours.x[n], theirs.x[n]);
    }
    if ours.nzcv != theirs.nzcv {
        s += &format!("  nzcv: ours {:x} qemu {:x}\n", ours.nzcv >> 28, theirs.nzcv >> 28);
    }
    if ours.fpsr != theirs.fpsr {
        s += &format!("  fpsr: before {:02x} ours {:02x} qemu {:02x}\n", input.fpsr, ours.fpsr, theirs.fpsr);
    }
    s
}

#[test]
fn agrees_with_qemu() {
    let groups = generate(env_number("FP_CASES", 120_000), env_number("FP_SEED", 1));
    let results = run_qemu(&groups, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut failures = Vec::new();
    for (g, theirs) in groups.iter().zip(&results) {
        let block = lift(g.row, g.word);
        for (input, theirs) in g.states.iter().zip(theirs) {
            match (&block, theirs) {
                (None, None) => {}
                (Some(b), Some(theirs)) => {
                    let mut ours = input.clone();
                    run_block(b, &mut ours);
                    if ours != *theirs {
                        failures.push(describe(g, input, &ours, theirs, b));
                    }
                }
                (b, _) => {
                    let who = if b.is_some() { "QEMU" } else { "the lifter" };
                    failures.push(format!("{} {:08x}: undefined only for {who}\n", g.row.name, g.word));
                }
            }
        }
    }
    let shown: String = failures.iter().take(20).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} differences\n{shown}", failures.len());
}
