//! Golden code: what common guest sequences become, instruction by instruction, so that every change of the translator's output is seen.
//!
//! Each `*.golden` file beside this one is a chapter: a table of counts, then the cases. A case is a name, its guest code (words beside
//! the assembler's text), and what is made of it: IR, and host code for three sets of host features. Rewrite them with
//!
//! ```text
//! BLESS=1 cargo test -p run-foreign-jit --test golden
//! ```
//!
//! and read the difference. A new case is written as `== name` and lines of assembly without words; blessing assembles them, which takes
//! `aarch64-linux-gnu-as` and its companions. Comparing doesn't; where they are installed, words and text are checked against each other.
//!
//! Counts are of the straight line (what runs when no exit is taken and nothing rare happens), of all blocks of the case together. The jump
//! to what would follow the case, and the stubs of exits, are left out.

#![cfg(target_arch = "x86_64")]

mod assemble;
mod chapter;
mod show;

use chapter::Chapter;
use std::path::{Path, PathBuf};

/// Whether to rewrite instead of to compare.
fn bless() -> bool {
    std::env::var_os("BLESS").is_some_and(|v| v == "1")
}

fn chapters() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "golden"));
    files.sort();
    assert!(files.len() > 5, "the chapters are here");
    files
}

/// The first lines that differ, with what comes before them.
fn first_difference(name: &str, there: &str, made: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (there.lines().collect(), made.lines().collect());
    let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let case = a[..at.min(a.len())].iter().rev().find(|l| l.starts_with("== ")).unwrap_or(&"");
    let part = |v: &[&str], sign: char| -> String { v.iter().skip(at).take(12).map(|l| format!("  {sign} {l}\n")).collect() };
    format!("{name}:{} {case}\n{}{}", at + 1, part(&a, '-'), part(&b, '+'))
}

#[test]
fn host_code_is_as_blessed() {
    let mut failed = String::new();
    for file in chapters() {
        let there = std::fs::read_to_string(&file).expect("read the chapter");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut chapter = Chapter::parse(&there).unwrap_or_else(|e| panic!("{name}: {e}"));
        if bless() {
            assemble::fill(&mut chapter).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let made = chapter.render().unwrap_or_else(|e| panic!("{name}: {e}"));
        if made == there {
            continue;
        }
        if bless() {
            std::fs::write(&file, made).expect("write the chapter");
        } else {
            failed += &first_difference(&name, &there, &made);
        }
    }
    assert!(
        failed.is_empty(),
        "host code has changed; if that is meant: BLESS=1 cargo test -p run-foreign-jit --test golden\n{failed}"
    );
}

#[test]
fn words_are_what_the_text_says() {
    if bless() {
        return;
    }
    if !assemble::available() {
        return eprintln!("SKIPPED: no aarch64-linux-gnu-as in PATH (Debian: binutils-aarch64-linux-gnu)");
    }
    for file in chapters() {
        let text = std::fs::read_to_string(&file).expect("read the chapter");
        let mut chapter = Chapter::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let before: Vec<_> = chapter.cases.iter().map(|c| c.lines.clone()).collect();
        assemble::fill(&mut chapter).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (case, before) in chapter.cases.iter().zip(before) {
            // Without words yet: the other test speaks of them.
            if before.iter().all(|l| l.word.is_some() || l.label) {
                assert_eq!(case.lines, before, "{}: {}", file.display(), case.name);
            }
        }
    }
}
