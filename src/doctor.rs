//! `doctor`: what keeps foreign programs from running on this machine, and what to type.

use crate::binfmt::{self, Entry, MountState};
use crate::elf::Arch;
use crate::errno::Errno;
use crate::host;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The findings so far.
#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn good(&mut self, what: &str) {
        println!("ok    {what}");
    }

    fn note(&mut self, what: &str) {
        println!("note  {what}");
    }

    fn bad(&mut self, what: &str, remedy: &str) {
        self.failed = true;
        println!("BAD   {what}");
        if !remedy.is_empty() {
            println!("      -> {remedy}");
        }
    }
}

const INSTALL: &str = "type as root: run-foreign install";

/// Check everything; the status is 0 if all is well and 1 otherwise.
pub fn doctor() -> i32 {
    let mut r = Report::default();
    cpu(&mut r);
    let live = live_test();
    match binfmt::mount_state() {
        MountState::Mounted => registered(&mut r),
        state => not_mounted(&mut r, state, live.as_ref().ok()),
    }
    match live {
        Ok(Ran { by }) => {
            r.good(&format!("an {} program runs, by {}", Arch::FOREIGN.name(), by.display()));
            let path = by.to_string_lossy();
            if !by.file_name().is_some_and(|n| n.to_string_lossy().starts_with("run-foreign")) {
                r.bad("it is run by another emulator", "type as root: run-foreign install --replace");
            } else if path.ends_with(" (deleted)") {
                r.note("the registered file has been replaced or removed since: run-foreign install registers the present one");
            }
        }
        Err(Failure::NotStarted(why)) => r.bad(&format!("an {} program can't be started: {why}", Arch::FOREIGN.name()), INSTALL),
        Err(Failure::Ended(why)) => {
            let remedy =
                concat!("if it is run-foreign's own fault, please report it at ", env!("CARGO_PKG_REPOSITORY"), "/issues");
            r.bad(&format!("an {} program does not run: {why}", Arch::FOREIGN.name()), remedy);
        }
    }
    i32::from(r.failed)
}

fn cpu(r: &mut Report) {
    match host::cpu() {
        (what, true) => r.good(&format!("the CPU has {what}")),
        (what, false) => r.bad(&format!("the CPU lacks {what}"), ""),
    }
}

fn not_mounted(r: &mut Report, state: MountState, live: Option<&Ran>) {
    if live.is_some() {
        r.note("binfmt_misc can't be seen from here (a container?), but entries made elsewhere apply");
        return;
    }
    let known = fs::read_to_string("/proc/filesystems").is_ok_and(|t| t.lines().any(|l| l.ends_with("\tbinfmt_misc")));
    match state {
        _ if !Path::new("/proc/self").exists() => r.bad("/proc is not mounted", "type as root: mount -t proc proc /proc"),
        MountState::NotMounted => r.bad("binfmt_misc is not mounted", "run-foreign install mounts it (as root)"),
        _ if known => r.bad("/proc/sys/fs/binfmt_misc is missing", "in a container, look on the host"),
        _ => r.bad("the kernel has no binfmt_misc", "type as root: modprobe binfmt_misc (in a container: on the host)"),
    }
}

fn registered(r: &mut Report) {
    r.good("binfmt_misc is mounted");
    if !binfmt::globally_enabled() {
        r.bad("binfmt_misc is switched off as a whole", &format!("type as root: echo 1 > {}/status", binfmt::DIR));
    }
    let all = binfmt::entries();
    let arch = Arch::FOREIGN;
    for e in all.iter().filter(|e| !e.enabled && e.matches(arch)) {
        r.note(&format!("the entry {} is disabled (echo 1 > {}/{0} enables it)", e.name, binfmt::DIR));
    }
    let Some(first) = binfmt::first_match(&all, arch) else {
        r.bad(&format!("no entry for {} programs", arch.name()), INSTALL);
        return;
    };
    for e in all.iter().filter(|e| e.enabled && e.matches(arch) && e.name != first.name) {
        r.note(&format!("{} is registered too; the kernel asks the newest entry first, {}", e.name, first.name));
    }
    if first.is_ours() {
        r.good(&format!("{} is asked first for {} programs", first.name, arch.name()));
    } else {
        let what = format!("{} ({}) is asked first for {} programs", first.name, first.interpreter, arch.name());
        r.bad(&what, "type as root: run-foreign install --replace");
    }
    flags(r, first);
    interpreter(r, first);
}

fn flags(r: &mut Report, e: &Entry) {
    let again = if e.is_ours() { INSTALL } else { "type as root: run-foreign install --replace" };
    for (flag, without) in [
        ('F', "containers and chroots don't see the emulator"),
        ('C', "setuid programs (sudo, su) lose their rights"),
        ('O', "programs that can be executed but not read don't run"),
        ('P', "programs don't see the argv[0] that they were started with"),
    ] {
        // C implies O, whether the kernel lists it or not.
        let given = e.flags.contains(flag) || (flag == 'O' && e.flags.contains('C'));
        if !given {
            r.bad(&format!("{} lacks the flag {flag}: {without}", e.name), again);
        }
    }
}

fn interpreter(r: &mut Report, e: &Entry) {
    let path = Path::new(&e.interpreter);
    let Ok(meta) = fs::metadata(path) else {
        let what = format!("{} is not there", e.interpreter);
        return match e.flags.contains('F') {
            true => r.note(&format!("{what}, but the kernel holds it open")),
            false => r.bad(&what, INSTALL),
        };
    };
    match is_static(path) {
        Ok(true) => r.good(&format!("{} is a static program", e.interpreter)),
        Ok(false) => r.bad(&format!("{} is not static: it can't work in containers", e.interpreter), INSTALL),
        Err(why) => r.note(&format!("{}: {why}", e.interpreter)),
    }
    let same_file = fs::metadata("/proc/self/exe").is_ok_and(|own| (own.dev(), own.ino()) == (meta.dev(), meta.ino()));
    if e.is_ours() && !same_file {
        let own = concat!("run-foreign ", env!("CARGO_PKG_VERSION"));
        let theirs = Command::new(path).arg("--version").stderr(Stdio::null()).output().ok();
        let theirs = theirs.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
        match theirs == own {
            true => r.note(&format!("{} is another copy of the same version", e.interpreter)),
            false => r.bad(&format!("{} is {theirs:?}, this is {own:?}", e.interpreter), INSTALL),
        }
    }
}

/// Whether an ELF program names no interpreter.
fn is_static(path: &Path) -> Result<bool, String> {
    let bytes = fs::read(path).map_err(|e| Errno::from(e).to_string())?;
    let elf = goblin::elf::Elf::parse(&bytes).map_err(|e| e.to_string())?;
    Ok(elf.interpreter.is_none())
}

/// A foreign program ran.
struct Ran {
    by: PathBuf,
}

/// Why it did not run.
enum Failure {
    /// execve refused it, or it could not be made.
    NotStarted(String),
    /// It ran, and not well.
    Ended(String),
}

/// Let the kernel start a tiny static foreign program that waits for its input to end. While it waits, /proc tells whose process it is.
fn live_test() -> Result<Ran, Failure> {
    let file = TestProgram::write().map_err(Failure::NotStarted)?;
    let started = Command::new(&file.path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|e| Failure::NotStarted(Errno::from(e).to_string()))?;
    let by = fs::read_link(format!("/proc/{}/exe", child.id())).unwrap_or_else(|_| "an unknown program".into());
    drop(child.stdin.take());
    let status = wait(&mut child, Duration::from_secs(10)).map_err(|why| Failure::Ended(format!("{}: {why}", by.display())))?;
    if status.success() {
        return Ok(Ran { by });
    }
    let mut said = String::new();
    if let Some(mut err) = child.stderr.take() {
        // What can't be read is not shown.
        let _ = err.read_to_string(&mut said);
    }
    Err(Failure::Ended(format!("{} ended with {status}; {}", by.display(), said.lines().next().unwrap_or("it said nothing"))))
}

fn wait(child: &mut Child, limit: Duration) -> Result<std::process::ExitStatus, String> {
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                // It may end by itself just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} seconds", limit.as_secs()));
            }
            Err(e) => return Err(Errno::from(e).to_string()),
        }
    }
}

/// A program file that is removed when dropped.
struct TestProgram {
    path: PathBuf,
}

impl TestProgram {
    fn write() -> Result<TestProgram, String> {
        let mut why = String::new();
        for dir in [std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into(), ".".into()] {
            let path = dir.join(format!(".run-foreign-doctor-{}", std::process::id()));
            let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
            let written = made.and_then(|mut f| f.write_all(&test_elf(Arch::FOREIGN)));
            match written {
                Ok(()) => {
                    let program = TestProgram { path };
                    if may_execute(&program.path) {
                        return Ok(program);
                    }
                    why = format!("{}: mounted noexec", dir.display());
                }
                Err(e) => why = format!("{}: {}", dir.display(), Errno::from(e)),
            }
        }
        Err(format!("no place for a test program ({why})"))
    }
}

impl Drop for TestProgram {
    fn drop(&mut self) {
        // Nothing is left to do about a file that can't be removed.
        let _ = fs::remove_file(&self.path);
    }
}

fn may_execute(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the path is terminated.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

/// `read(0, sp, 1); exit(0)` for arm64.
const ARM64_CODE: [u32; 8] = [
    0xd280_0000, // mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93
    0xd400_0001, // svc #0
];

/// The same for amd64.
const AMD64_CODE: [u8; 23] = [
    0x31, 0xc0, // xor eax, eax
    0x31, 0xff, // xor edi, edi
    0x48, 0x89, 0xe6, // mov rsi, rsp
    0xba, 1, 0, 0, 0, // mov edx, 1
    0x0f, 0x05, // syscall
    0xb8, 60, 0, 0, 0, // mov eax, 60
    0x31, 0xff, // xor edi, edi
    0x0f, 0x05, // syscall
];

/// A static program of one segment.
fn test_elf(arch: Arch) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let code: Vec<u8> = match arch {
        Arch::Arm64 => ARM64_CODE.iter().flat_map(|w| w.to_le_bytes()).collect(),
        Arch::Amd64 => AMD64_CODE.to_vec(),
    };
    let size = HEADERS + code.len() as u64;
    let (magic, _) = binfmt::magic(arch);
    let mut out = magic.to_vec();
    out.extend(1u32.to_le_bytes());
    for word in [BASE + HEADERS, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    // PT_LOAD, readable and executable.
    out.extend(1u32.to_le_bytes());
    out.extend(5u32.to_le_bytes());
    for word in [0, BASE, BASE, size, size, 4096] {
        out.extend(word.to_le_bytes());
    }
    out.extend(code);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel itself judges the program that we write: the host's runs as it is.
    #[test]
    fn test_program_runs_natively() {
        let dir = crate::kernel_oracle::TempDir::new("doctor");
        let status = Command::new(dir.file("p", &test_elf(Arch::HOST))).stdin(Stdio::null()).status();
        assert!(status.unwrap().success());
    }
}
