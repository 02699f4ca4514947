//! Integer Advanced SIMD and cryptography against QEMU: random encodings of every row of the table, random registers.
//! `SIMD_CASES` is the number of cases per row (default 60), `SIMD_SEED` the first random number, `SIMD_ROW` one row's name.

mod common;

use common::{Oracle, Rng, State};
use jit::guest::arm64::decode::{self, Row, ROWS};
use std::collections::HashSet;

const TABLE: &str = include_str!("../src/guest/arm64/a64_simd.decode");

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().expect(name))
}

fn rows() -> Vec<&'static Row> {
    let only = std::env::var("SIMD_ROW").ok();
    let names: HashSet<&str> =
        TABLE.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_whitespace().next()).collect();
    let wanted = |r: &&Row| names.contains(r.name) && only.as_deref().is_none_or(|o| o == r.name);
    ROWS.iter().filter(wanted).collect()
}

#[test]
fn every_row_agrees_with_qemu() {
    let Some(oracle) = Oracle::new("simd") else { return };
    let mut rng = Rng(setting("SIMD_SEED", 1));
    let cases_per_row = setting("SIMD_CASES", 60);
    let (mut count, mut defined, mut failures) = (0, 0, Vec::new());
    // In slices, to bound the memory of long runs.
    for slice in rows().chunks((40_000 / cases_per_row).max(1) as usize) {
        let mut cases: Vec<(u32, State)> = Vec::new();
        for row in slice {
            for _ in 0..cases_per_row {
                cases.push((rng.insn(row), rng.state()));
            }
        }
        for ((insn, before), after) in cases.iter().zip(oracle.run(&cases)) {
            count += 1;
            defined += after.is_ok() as usize;
            if let Err(difference) = oracle.compare(*insn, before, &after) {
                failures.push((decode::find(*insn).map_or("?", |r| r.name), difference));
            }
        }
    }
    eprintln!("{count} cases, {defined} of them defined, {} differences", failures.len());
    let mut seen = HashSet::new();
    for (row, difference) in &failures {
        if seen.insert(row) {
            eprintln!("{row}: {difference}");
        }
    }
    assert!(count > 0 && defined * 2 > count, "the table has rows, and most of their encodings are allocated");
    assert!(failures.is_empty(), "{} differences in rows {seen:?}", failures.len());
}
