//! Turns the instruction tables `src/guest/arm64/a64_*.decode` into `OUT_DIR/a64.rs`: the rows, most fixed bits first, and
//! an index on word bits 31..21 and 11..10 whose buckets list the rows that can match.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::{env, fs, path::Path};

/// Word bits that the index is made of, and the number of indices: most rows are alone in theirs.
const INDEX_MASK: u32 = 0x7ff << 21 | 3 << 10;
const INDICES: u32 = 1 << 13;

/// The bits that index `n` stands for.
fn bits_of(n: u32) -> u32 {
    (n >> 2) << 21 | (n & 3) << 10
}

struct Row {
    name: String,
    pattern: String,
    lift: String,
    mask: u32,
    value: u32,
    feature: String,
    place: String,
}

fn main() {
    let dir = Path::new("src/guest/arm64");
    println!("cargo:rerun-if-changed={}", dir.display());
    println!("cargo:rerun-if-changed=build.rs");
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("guest directory")
        .map(|e| e.expect("directory entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "decode"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        let text = fs::read_to_string(file).expect("decode table");
        let mut feature = "base";
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                feature = name;
            } else if !line.is_empty() {
                rows.push(parse(line, feature, format!("{}:{}", file.display(), n + 1)));
            }
        }
    }
    reject_twins(&rows);
    rows.sort_by_key(|r| std::cmp::Reverse(r.mask.count_ones()));
    let out = Path::new(&env::var_os("OUT_DIR").expect("OUT_DIR")).join("a64.rs");
    fs::write(out, generate(&rows, &interpreted(&dir.join("interpret")))).expect("write a64.rs");
}

/// The functions of the interpreter, named as those that lift the same rows: `module::function` for each public one in its files.
fn interpreted(dir: &Path) -> HashSet<String> {
    let mut found = HashSet::new();
    for entry in fs::read_dir(dir).expect("the interpreter's directory") {
        let file = entry.expect("directory entry").path();
        let module = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a source file");
        let names = text.lines().filter_map(|l| l.trim_start().strip_prefix("pub fn ")).filter_map(|l| l.split('(').next());
        found.extend(names.map(|name| format!("{module}::{name}")));
    }
    found
}

fn parse(line: &str, feature: &str, place: String) -> Row {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(words.len() >= 3, "{place}: a row is NAME PATTERN path::to::lift_fn");
    let pattern = words[1..words.len() - 1].concat();
    assert_eq!(pattern.chars().count(), 32, "{place}: the pattern of {} must have 32 symbols", words[0]);
    let (mut mask, mut value) = (0u32, 0u32);
    for c in pattern.chars() {
        assert!(c == '0' || c == '1' || c == '-' || c.is_ascii_alphabetic(), "{place}: symbol {c:?}");
        mask = mask << 1 | (c == '0' || c == '1') as u32;
        value = value << 1 | (c == '1') as u32;
    }
    Row {
        name: words[0].into(),
        pattern,
        lift: words[words.len() - 1].into(),
        mask,
        value,
        feature: feature.to_uppercase(),
        place,
    }
}

fn reject_twins(rows: &[Row]) {
    let mut seen: HashMap<(u32, u32), &Row> = HashMap::new();
    let mut names: HashMap<&str, &Row> = HashMap::new();
    for r in rows {
        if let Some(o) = seen.insert((r.mask, r.value), r) {
            panic!("{}: {} has the same fixed bits as {} ({})", r.place, r.name, o.name, o.place);
        }
        if let Some(o) = names.insert(&r.name, r) {
            panic!("{}: the name {} is taken ({})", r.place, r.name, o.place);
        }
    }
}

fn generate(rows: &[Row], interpreted: &HashSet<String>) -> String {
    let mut s = String::from("/// Every row, most fixed bits first.\npub static ROWS: &[Row] = &[\n");
    for r in rows {
        let Row { name, pattern, lift, mask, value, .. } = r;
        writeln!(
            s,
            "Row {{ name: {name:?}, mask: {mask:#010x}, value: {value:#010x}, pattern: {pattern:?}, lift: super::{lift} }},"
        )
        .unwrap();
    }
    s.push_str("];\n");
    let functions: Vec<&String> = {
        let all: std::collections::BTreeSet<_> = rows.iter().map(|r| &r.lift).filter(|l| interpreted.contains(*l)).collect();
        all.into_iter().collect()
    };
    let mut list: Vec<u16> = Vec::new();
    let mut known: HashMap<Vec<u16>, usize> = HashMap::new();
    let mut buckets = Vec::new();
    for b in 0..INDICES {
        let hits: Vec<u16> = (0..rows.len())
            .filter(|&i| (bits_of(b) ^ rows[i].value) & rows[i].mask & INDEX_MASK == 0)
            .map(|i| i as u16)
            .collect();
        let len = hits.len();
        let start = *known.entry(hits.clone()).or_insert_with(|| {
            list.extend(&hits);
            list.len() - len
        });
        buckets.push((start, len));
    }
    assert!(list.len() <= u16::MAX as usize, "the index outgrew its type");
    writeln!(s, "/// Per value of the index bits: first candidate in `CANDIDATES` and their number.").unwrap();
    writeln!(s, "static BUCKETS: [(u16, u16); {}] = {buckets:?};", buckets.len()).unwrap();
    writeln!(s, "/// All that finding a row looks at, in the order in which it does.").unwrap();
    writeln!(s, "static CANDIDATES: [Candidate; {}] = [", list.len()).unwrap();
    for &row in &list {
        let Row { mask, value, feature, lift, .. } = &rows[row as usize];
        let interpret = functions.iter().position(|f| *f == lift).map_or(0, |n| n + 1);
        writeln!(
            s,
            "Candidate {{ mask: {mask:#x}, value: {value:#x}, row: {row}, interpret: {interpret}, feature: features::{feature} }},"
        )
        .unwrap();
    }
    s.push_str("];\n");
    writeln!(s, "/// The lifting functions by row.").unwrap();
    writeln!(s, "static LIFT: [LiftFn; {}] = [", rows.len()).unwrap();
    for r in rows {
        writeln!(s, "super::{},", r.lift).unwrap();
    }
    s.push_str("];\n");
    writeln!(s, "/// The interpreting functions.").unwrap();
    writeln!(s, "static INTERPRET: [InterpretFn; {}] = [", functions.len()).unwrap();
    for f in functions {
        writeln!(s, "super::interpret::{f},").unwrap();
    }
    s.push_str("];\n");
    s
}
