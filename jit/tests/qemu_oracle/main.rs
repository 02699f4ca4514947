//! Random instructions from the decode tables, three ways: QEMU's user mode, the IR interpreter, and translated code on the host.
//! Registers, flags, memory and faults must agree.
//!
//! Needs `qemu-aarch64-static` (or what `QEMU_AARCH64` names) and `aarch64-linux-gnu-gcc`; without them the interpreter and the
//! translator are compared with each other alone.
//! By hand: `tools/fuzz`. Environment: `ORACLE_ROWS` (substrings of row names, with commas), `ORACLE_CASES` (number of cases), `ORACLE_SEED`,
//! `ORACLE_SETS` (names of feature sets, with commas), `ORACLE_ENOUGH` (differences after which to give up), `ORACLE_REPORT` (a file for
//! the table of rows), `QEMU_AARCH64` and `ORACLE_CPU`.

#![cfg(target_arch = "x86_64")]

mod case;
mod coverage;
mod draw;
#[path = "../common/fp_values.rs"]
mod fp_values;
mod interp;
mod native;
mod qemu;
mod random;
mod report;

use case::{slot_pc, Case, BATCH, BRK, WINDOW, WORDS};
use coverage::Coverage;
use draw::{Draw, NOT_COMPARED};
use interp::Run;
use jit::guest::arm64::decode::{Row, ROWS};
use native::Native;
use qemu::{Qemu, Running};
use report::{allowed, Report};
use std::time::{Duration, Instant};

/// Cases of each row when nothing else is asked for.
const PER_ROW: u64 = 100;

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Cases with what the interpreter made of them.
type Batch = Vec<(Case, Run)>;

/// The three sides.
struct Oracle {
    draw: Draw,
    native: Native,
    qemu: Option<Qemu>,
    report: Report,
    coverage: Coverage,
}

impl Oracle {
    fn new(by_line: bool) -> Oracle {
        // All that QEMU has but what is not translated; and a CPU with cache lines like ours.
        let cpu = if by_line { "neoverse-n1" } else { "max,pauth=off,sve=off,sme=off" };
        let qemu = Qemu::find(cpu);
        if qemu.is_none() {
            eprintln!("no qemu-aarch64-static or aarch64-linux-gnu-gcc: without QEMU");
        }
        let filter = std::env::var("ORACLE_ROWS").unwrap_or_default();
        let seed = env_number("ORACLE_SEED", 1);
        eprintln!("seed {seed}");
        let draw = Draw::new(seed, &filter, by_line);
        assert!(by_line || !draw.kinds.is_empty(), "no row has {filter:?} in its name");
        Oracle { draw, native: Native::new(), qemu, report: Report::default(), coverage: Coverage::default() }
    }

    /// Compare `count` cases that `next` draws.
    fn compare(&mut self, count: usize, mut next: impl FnMut(&mut Draw, usize, u64) -> (Case, Run)) {
        let mut under_way: Option<(usize, Running, Batch)> = None;
        let (started, mut told) = (Instant::now(), Instant::now());
        let mut done = 0;
        while done < count && !self.report.enough() {
            let mut batch = Batch::new();
            for n in 0..BATCH.min(count - done) {
                let (case, run) = next(&mut self.draw, done + n, slot_pc(n));
                if run.imprecise {
                    self.report.at(done + n);
                    self.report.imprecise(&case);
                }
                self.coverage.add(&case, &run);
                batch.push((case, run));
            }
            let running = self.qemu.as_ref().map(|q| (done, q.start(&self.draw.edges, batch.iter().map(|b| &b.0))));
            self.translated(&batch, done);
            if let Some((first, running, batch)) = under_way.take() {
                self.emulated(running, &batch, first);
            }
            done += batch.len();
            under_way = running.map(|(first, r)| (first, r, batch));
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("{done} cases, {} differ, {:.0} s", self.report.count, started.elapsed().as_secs_f64());
            }
        }
        if let Some((first, running, batch)) = under_way {
            self.emulated(running, &batch, first);
        }
        eprintln!("{done} cases, {} differ, {:.1} s", self.report.count, started.elapsed().as_secs_f64());
    }

    /// Each case on the engine with all features, twice (the second time everything is translated and linked), and on one of the others.
    fn translated(&mut self, batch: &Batch, done: usize) {
        self.native.next_batch();
        for (n, (case, expected)) in batch.iter().enumerate() {
            let other = 1 + (done + n) % (self.native.sets.len() - 1).max(1);
            for set in [0, 0, other.min(self.native.sets.len() - 1)] {
                let got = self.native.run(set, case, &self.draw.edges);
                if !allowed(&mut self.draw.stepper, case, expected, &got) {
                    self.report.at(done + n);
                    self.report.translated(&mut self.native, &mut self.draw, set, case);
                    break;
                }
            }
        }
    }

    /// `done`: the number of the batch's first case.
    fn emulated(&mut self, running: Running, batch: &Batch, done: usize) {
        let report = &mut self.report;
        running.finish(|n, theirs| {
            report.at(done + n);
            report.emulated(&batch[n].0, &batch[n].1, &theirs);
        });
    }

    /// Fail if anything differed; else show what was covered.
    fn verdict(&self) {
        self.report.verdict();
        eprintln!("{}", self.coverage.summary(&self.draw.kinds));
        if let Some(file) = std::env::var_os("ORACLE_REPORT") {
            std::fs::write(file, self.coverage.table(&self.draw.kinds, NOT_COMPARED)).expect("the report");
        }
    }
}

/// What was wrong once: code, and registers that matter (added to the case's pc where the last says so).
type Story = (&'static [u32], &'static [(usize, u64, bool)]);

const STORIES: &[Story] = &[
    // fmov s28, w20; fcvtzs x29, s28, #52: a large number is out of range, but its product with 2^52 does not overflow.
    (&[0x1e27_029c, 0x9e18_339d], &[(20, 0x7f7f_ffff, false)]),
    // ldxrb w21, [x20]; stlxrb w13, w17, [x20] by a tagged pointer: the store's monitor is the load's, whoever dropped the tag.
    (&[0x085f_7e95, 0x080d_e291], &[(20, 0xcd00_0000_0000_0150 + WINDOW, false)]),
    // ldxp x17, x19, [x16]; stxp w0, x11, x17, [x16], likewise.
    (&[0xc87f_4e11, 0xc820_460b], &[(16, 0x5100_0000_0000_0100 + WINDOW, false)]),
    // ldxr x2, [x5]; stxr w1, x3, [x6]: one address with two tags.
    (&[0xc85f_7ca2, 0xc801_7cc3], &[(5, 0x0500_0000_0000_0040 + WINDOW, false), (6, 0x0600_0000_0000_0040 + WINDOW, false)]),
    // br x5; add x1, x1, #1; add x1, x1, #2 to a tagged address: the tag is not part of the pc.
    (&[0xd61f_00a0, 0x9100_0421, 0x9100_0821], &[(5, 0x7700_0000_0000_0008, true)]),
    // cmp x18, #1; ccmn x18, #27, #15, eq; b .+4; and an undefined instruction that looks as if it overwrote the flags: they are there at
    // its signal. SUBS with a shift of 5, by ROR, of 32 bits by 32; ANDS of a reserved constant, of 32 bits by 32; FCMP of no type.
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0xeb35_7c15], &[(18, 1, false)]),
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0xebc0_0000], &[(18, 1, false)]),
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0x6b00_8000], &[(18, 1, false)]),
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0x7240_0000], &[(18, 1, false)]),
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0x6a00_8000], &[(18, 1, false)]),
    (&[0xf100_065f, 0xba5b_0a4f, 0x1400_0001, 0x1ea0_2000], &[(18, 1, false)]),
    // blr x5 to a tagged address that isn't mapped: it is reported without the tag; in the upper half, with it.
    (&[0xd63f_00a0], &[(5, 0x6430_bb4a_c138_e768, false)]),
    (&[0xd63f_00a0], &[(5, 0xdab3_014f_bcec_36e4, false)]),
];

#[test]
fn what_was_wrong_once_agrees() {
    let mut o = Oracle::new(false);
    o.compare(STORIES.len(), |draw, n, pc| {
        let (code, registers) = STORIES[n];
        let mut case = Case { code: [BRK; WORDS], len: code.len(), read: false, state: draw.r.state(pc) };
        case.code[..code.len()].copy_from_slice(code);
        (case.state.fpcr, case.state.fpsr) = (0, 0);
        for &(n, value, relative) in registers {
            case.state.x[n] = if relative { value + pc } else { value };
        }
        let run = draw.stepper.run(&case, &draw.edges);
        assert!(!run.wild, "{}", case.names());
        (case, run)
    });
    o.report.verdict();
}

#[test]
fn single_instructions_agree() {
    let mut o = Oracle::new(false);
    let kinds = o.draw.kinds.len();
    let count = env_number("ORACLE_CASES", PER_ROW * kinds as u64) as usize;
    o.compare(count, |draw, n, pc| draw.single(n % kinds, pc));
    o.verdict();
    let idle = o.coverage.never_finished(&o.draw.kinds);
    assert!(count < PER_ROW as usize * kinds || idle.is_empty(), "no case ran to its end: {idle:?}");
}

#[test]
fn what_depends_on_cache_lines_agrees() {
    let mut o = Oracle::new(true);
    let kinds = o.draw.kinds.len();
    if kinds > 0 {
        o.compare(PER_ROW as usize * kinds, |draw, n, pc| draw.single(n % kinds, pc));
        o.report.verdict();
    }
}

#[test]
fn every_row_is_compared_or_says_why_not() {
    let kinds: Vec<_> = [false, true].into_iter().flat_map(|by_line| Draw::new(1, "", by_line).kinds).collect();
    let old = |name: &str| draw::OLD_BUGS.contains(&name);
    let missing = |row: &&Row| {
        !old(row.name) && !kinds.iter().any(|k| k.row.name == row.name) && !NOT_COMPARED.iter().any(|n| n.0 == row.name)
    };
    let missing: Vec<_> = ROWS.iter().filter(missing).map(|row| row.name).collect();
    assert!(missing.is_empty(), "neither drawn nor excluded: {missing:?}");
    let gone: Vec<_> = NOT_COMPARED.iter().filter(|n| !ROWS.iter().any(|row| row.name == n.0)).collect();
    assert!(gone.is_empty(), "no such rows: {gone:?}");
}

#[test]
fn sequences_agree() {
    let mut o = Oracle::new(false);
    let count = env_number("ORACLE_CASES", 60_000) as usize;
    o.compare(count, |draw, _, pc| draw.sequence(pc));
    o.verdict();
}
