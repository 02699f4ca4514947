//! The house rule: nothing under `guest/` names a host, nothing under `host/` names a guest. Code is looked at, not comments and not tests.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.map(|e| e.expect("an entry").path()) {
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            out.push(path);
        }
    }
}

/// The lines of code in a file, numbered, up to its tests.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("a source");
    let tests = |l: &&str| !l.starts_with("#[cfg(test)]") && !l.starts_with("#[cfg(all(test");
    let lines = text.lines().take_while(tests).map(|l| l.split("//").next().unwrap_or(""));
    lines.enumerate().map(|(n, l)| (n + 1, l.to_string())).collect()
}

/// Whether `line` has `word`, not as a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let ends = |at: usize| !word.ends_with(part) || !line[at + word.len()..].starts_with(part);
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part) && ends(at))
}

/// No file below `folders` has one of the words; that there are files is checked, too.
fn never(folders: &[&str], words: &[&str]) {
    for folder in folders {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
        assert!(!files.is_empty(), "{folder} has moved");
        for file in files {
            for (n, line) in code(&file) {
                for word in words {
                    assert!(!has(&line, word), "{}:{n} names {word}: {}", file.display(), line.trim());
                }
            }
        }
    }
}

#[test]
fn guests_name_no_host() {
    // The module, its type, and what the compiler says of the machine.
    let hosts = ["host", "HostContext", "target_arch"];
    never(&["jit/src/guest", "src/guest"], &hosts);
    // A guest's Linux knows its own architecture only.
    never(&["syscalls/src/arm64", "syscalls/src/amd64"], &["host::", "target_arch", "HOST"]);
    never(&["jit/src/guest/arm64", "syscalls/src/arm64"], &["amd64", "x86_64"]);
    never(&["jit/src/guest/amd64", "syscalls/src/amd64"], &["arm64", "aarch64"]);
}

#[test]
fn hosts_name_no_guest() {
    let guests = ["GUEST", "lift", "iced_x86"];
    never(&["jit/src/host", "src/host"], &guests);
    never(&["jit/src/host/arm64"], &["guest::arm64", "guest::amd64", "amd64", "x86_64", "rsp", "rax"]);
    never(&["jit/src/host/amd64"], &["guest::arm64", "guest::amd64", "arm64", "aarch64"]);
    never(&["syscalls/src/sys"], &["guest"]);
}

#[test]
fn what_is_said_is_found() {
    assert!(has("use crate::host::Pins;", "host") && has("cfg!(target_arch = \"x86_64\")", "target_arch"));
    assert!(!has("ghost", "host") && !has("host_name", "host"));
    assert!(has("use crate::host::sys;", "host::") && !has("addr.host()", "host::"));
}
