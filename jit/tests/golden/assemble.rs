//! Words from text, by GNU as.

use super::chapter::Chapter;
use super::show::BASE;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Each case begins a page, as it is translated.
const PAGE: usize = 4096;

/// Whether the tools are here.
pub fn available() -> bool {
    ["as", "ld", "objcopy"]
        .map(|t| format!("aarch64-linux-gnu-{t}"))
        .iter()
        .all(|t| Command::new(t).arg("--version").output().is_ok())
}

/// Assemble every line of the chapter.
pub fn fill(chapter: &mut Chapter) -> Result<(), String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "golden-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let image = assemble(chapter, &dir);
    let _ = std::fs::remove_dir_all(&dir);
    let image = image?;
    for (n, case) in chapter.cases.iter_mut().enumerate() {
        for (k, line) in case.lines.iter_mut().filter(|l| !l.label).enumerate() {
            let at = n * PAGE + 4 * k;
            let word = image.get(at..at + 4).ok_or("the image is too short")?;
            line.word = Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
    Ok(())
}

fn assemble(chapter: &Chapter, dir: &Path) -> Result<Vec<u8>, String> {
    let mut source = String::from(".arch armv8.6-a+crypto+sha3+sm4+fp16+fp16fml+rcpc+rng+sb+ssbs+flagm+i8mm+bf16\n.text\n");
    for case in &chapter.cases {
        let _ = writeln!(source, ".balign {PAGE}");
        case.lines.iter().for_each(|l| source += &format!("{}\n", l.text));
        // What lies behind the code is not fetched; local labels of a case are not the next one's.
        source += ".word 0\n";
    }
    let file = |name: &str| dir.join(name);
    std::fs::write(file("s.s"), source).map_err(|e| e.to_string())?;
    let run = |command: &mut Command| match command.output() {
        Ok(o) if o.status.success() => Ok(()),
        Ok(o) => Err(String::from_utf8_lossy(&o.stderr).into_owned()),
        Err(e) => Err(e.to_string()),
    };
    run(Command::new("aarch64-linux-gnu-as").arg("-o").args([file("s.o"), file("s.s")]))?;
    run(Command::new("aarch64-linux-gnu-ld").args(["-e0", &format!("-Ttext={BASE:#x}"), "-o"]).args([file("s"), file("s.o")]))?;
    run(Command::new("aarch64-linux-gnu-objcopy").args(["-Obinary", "-j.text"]).args([file("s"), file("s.bin")]))?;
    std::fs::read(file("s.bin")).map_err(|e| e.to_string())
}
