//! The built program at its edges: what it says and exits with when a program can't be run. The kernel is the oracle: the same file,
//! marked as a program of this machine, is executed natively, and both must name the same error.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};

const BIN: &str = env!("CARGO_BIN_EXE_run-foreign");
const HOST: u8 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
const GUEST: u8 = if cfg!(target_arch = "x86_64") { 183 } else { 62 };

/// Held while there are files to execute: while a thread writes one, another's fork would keep it open, and the kernel would find it busy.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

struct TempDir {
    path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl TempDir {
    fn new(name: &str) -> TempDir {
        let _alone = alone();
        let dir = std::env::temp_dir().join(format!("rf-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        TempDir { path: dir, _alone }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A program: one segment with the whole file, and an interpreter if `interp` is not empty (it must bring its own NUL).
fn elf(machine: u8, interp: &[u8]) -> Vec<u8> {
    let count = if interp.is_empty() { 1u16 } else { 2 };
    let interp_at = 64 + 56 * count as u64;
    let size = interp_at + interp.len() as u64 + 64;
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    out.extend([machine, 0, 1, 0, 0, 0]);
    for word in [0x400000 + size - 64, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend([0; 4]);
    for half in [64u16, 56, count, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    let mut segment = |kind: u32, offset: u64, len: u64| {
        out.extend(kind.to_le_bytes());
        out.extend(5u32.to_le_bytes());
        for word in [offset, 0x400000 + offset, 0, len, len, 4096] {
            out.extend(word.to_le_bytes());
        }
    };
    if count == 2 {
        segment(3, interp_at, interp.len() as u64);
    }
    segment(1, 0, size);
    out.extend(interp);
    out.resize(size as usize, 0);
    out
}

/// What the kernel says to a file: its error's text, or `None` when it would run.
fn native_error(path: &Path) -> Option<String> {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut cmd = Command::new("-");
    cmd.stdout(Stdio::null()).stderr(Stdio::null());
    // Not by Command itself, which hands to a shell what the kernel refuses.
    // SAFETY: between fork and exec, only execve is called.
    unsafe {
        cmd.pre_exec(move || {
            let argv = [name.as_ptr(), std::ptr::null()];
            libc::execve(name.as_ptr(), argv.as_ptr(), argv[1..].as_ptr());
            Err(std::io::Error::last_os_error())
        })
    };
    match cmd.spawn() {
        Ok(mut child) => {
            child.wait().unwrap();
            None
        }
        // The kernel's number in the words that a shell has for it, whatever library this test is built with.
        Err(e) => {
            let words = include_str!("../src/errno/messages.txt").lines().nth(e.raw_os_error().unwrap() as usize);
            Some(words.unwrap().to_owned())
        }
    }
}

fn ours(args: &[&str]) -> Output {
    Command::new(BIN).args(args).env_remove("RUN_FOREIGN_STRACE").output().unwrap()
}

/// One line, the kernel's error, and a shell's exit status.
fn check_error(path: &Path, error: &str) {
    let shown = path.to_str().unwrap();
    let out = ours(&[shown]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.starts_with(&format!("run-foreign: {shown}: {error}")), "wanted {error:?}, got {said:?}");
    assert_eq!(said.matches('\n').count(), 1, "{said:?}");
    let status = if error == "No such file or directory" { 127 } else { 126 };
    assert_eq!(out.status.code(), Some(status), "{said:?}");
}

/// `make` gives the file's bytes for a machine. Both are tried, each on its own.
fn same_error(dir: &TempDir, what: &str, make: impl Fn(u8) -> Vec<u8>) {
    let native = native_error(&dir.file("native", &make(HOST)));
    let error = native.unwrap_or_else(|| panic!("{what}: runs natively"));
    check_error(&dir.file("foreign", &make(GUEST)), &error);
}

/// A program for the guest's machine that leaves with status 7.
fn exits_with_7() -> Vec<u8> {
    let mut program = elf(GUEST, b"");
    let code = [0xd280_00e0u32, 0xd280_0ba8, 0xd400_0001];
    let at = program.len() - 64;
    for (i, word) in code.into_iter().enumerate() {
        program[at + 4 * i..at + 4 * i + 4].copy_from_slice(&word.to_le_bytes());
    }
    program
}

#[test]
fn a_process_says_at_its_end_what_it_has_done() {
    let dir = TempDir::new("stats");
    let program = dir.file("seven", &exits_with_7());
    let stats = dir.path.join("stats;%");
    let option = format!("--stats={}", stats.display());
    for _ in 0..2 {
        let out = ours(&[&option, program.to_str().unwrap()]);
        assert_eq!((out.status.code(), &*out.stderr), (Some(7), &b""[..]));
    }
    let said = fs::read_to_string(&stats).unwrap();
    assert_eq!(said.matches(": exit 7\n").count(), 2, "{said}");
    assert_eq!(said.matches("  interpreted  3 guest instructions").count(), 2, "{said}");
    assert_eq!(said.matches("  left for     1 system calls, 0 signals, 0 faults").count(), 2, "{said}");
    let out = ours(&["--stats", program.to_str().unwrap()]);
    assert!(out.stderr.starts_with(b"run-foreign["), "{out:?}");
}

#[test]
fn perf_learns_the_names_of_translated_code() {
    let dir = TempDir::new("perf");
    let program = dir.file("seven", &exits_with_7());
    for (kind, file) in [("map", "perf-PID.map"), ("jitdump", "jit-PID.dump")] {
        // Code that is executed once is not translated otherwise.
        let child = Command::new(BIN).env("RUN_FOREIGN_TEST", "cold=1").args(["--perf", kind]).arg(&program).spawn().unwrap();
        let path = Path::new("/tmp").join(file.replace("PID", &child.id().to_string()));
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(7));
        let written = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let text = String::from_utf8_lossy(&written);
        assert!(text.contains("run-foreign:stubs") && text.contains("seven:0x4"), "{text}");
        match kind {
            "map" => assert!(text.lines().all(|l| l.splitn(3, ' ').count() == 3), "{text}"),
            _ => assert_eq!(&written[..4], b"DTiJ"),
        }
    }
    let out = ours(&["--perf", "nothing", program.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(125));
}

#[test]
fn malformed_programs_get_the_kernels_error() {
    let dir = TempDir::new("malformed");
    let patched = |at: usize, with: &'static [u8]| {
        move |m: u8| {
            let mut e = elf(m, b"");
            e[at..at + with.len()].copy_from_slice(with);
            e
        }
    };
    same_error(&dir, "type: object file", patched(16, &[1, 0]));
    same_error(&dir, "type: core", patched(16, &[4, 0]));
    same_error(&dir, "size of program headers", patched(54, &[57, 0]));
    same_error(&dir, "no program headers", patched(56, &[0, 0]));
    same_error(&dir, "too many program headers", patched(56, &[0xff, 0xff]));
    same_error(&dir, "program headers beyond the file", patched(32, &[0, 0, 1]));
    same_error(&dir, "program headers at a negative offset", patched(32, &[0xff; 8]));
    same_error(&dir, "magic", patched(1, b"elf"));
    for len in [0, 1, 3, 4, 18, 20, 52, 63, 64, 100, 119] {
        same_error(&dir, &format!("cut to {len} bytes"), |m| elf(m, b"")[..len].to_vec());
    }
    same_error(&dir, "text", |_| b"echo not a script\n".to_vec());
}

#[test]
fn interpreters_get_the_kernels_error() {
    let dir = TempDir::new("interp");
    let at = |name: &str| [dir.path.join(name).as_os_str().as_bytes(), b"\0"].concat();
    let linked = |name: &str| {
        let path = at(name);
        move |m: u8| elf(m, &path)
    };
    same_error(&dir, "missing", linked("nothing"));
    same_error(&dir, "a folder", |m| elf(m, b"/\0"));
    same_error(&dir, "not terminated", |m| elf(m, b"/lib/ld.so"));
    same_error(&dir, "one byte", |m| elf(m, b"\0"));
    same_error(&dir, "empty", |m| elf(m, b"\0\0"));
    same_error(&dir, "too long", |m| elf(m, &[b'/'; 5000]));
    same_error(&dir, "through a file", |m| elf(m, b"/etc/passwd/ld.so\0"));
    same_error(&dir, "cut off by the file's end", |m| elf(m, b"/lib/ld.so\0")[..180].to_vec());
    dir.file("text", &[b'x'; 100]);
    same_error(&dir, "not an ELF file", linked("text"));
    dir.file("short", b"\x7fELF");
    same_error(&dir, "short", linked("short"));
    dir.file("riscv", &elf(243, b""));
    same_error(&dir, "of a third machine", linked("riscv"));
    dir.file("plain", &elf(HOST, b""));
    fs::set_permissions(dir.path.join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    same_error(&dir, "not executable", linked("plain"));
}

#[test]
fn paths_and_scripts_get_the_kernels_error() {
    let dir = TempDir::new("paths");
    let here = |name: &str| dir.path.join(name);
    let plain = dir.file("plain", &elf(GUEST, b""));
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    symlink("loop", here("loop")).unwrap();
    symlink("nowhere", here("dangling")).unwrap();
    let fifo = CString::new(here("fifo").as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is terminated.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o777) }, 0);
    dir.file("lost", b"#!/no/such/interpreter -x\n");
    dir.file("blank", b"#!  \n");
    dir.file("folder", b"#!/\n");
    dir.file("unexecutable", format!("#!{}\n", plain.display()).as_bytes());
    let mut deep = here("lost");
    for i in 0..7 {
        deep = dir.file(&format!("deep{i}"), format!("#!{}\n", deep.display()).as_bytes());
    }
    let names = [
        "nothing",
        "plain",
        "loop",
        "dangling",
        "fifo",
        ".",
        "plain/x",
        "lost",
        "blank",
        "folder",
        "unexecutable",
        "deep2",
        "deep6",
    ];
    for name in names.map(String::from).into_iter().chain(["x".repeat(300), "x/".repeat(2100)]) {
        let error = native_error(&here(&name)).unwrap_or_else(|| panic!("{name}: runs natively"));
        check_error(&here(&name), &error);
    }
}

#[test]
fn a_program_that_is_being_written_is_busy() {
    let dir = TempDir::new("busy");
    let (native, foreign) = (dir.file("native", &elf(HOST, b"")), dir.file("foreign", &elf(GUEST, b"/x\0")));
    let _writers = [&native, &foreign].map(|p| fs::OpenOptions::new().append(true).open(p).unwrap());
    match native_error(&native) {
        // Linux 6.11 did without this error, and before 6.14 only execve itself can tell.
        Some(error) if kernel_at_least(6, 14) => check_error(&foreign, &error),
        _ => eprintln!("skipped: this kernel does not tell"),
    }
}

fn kernel_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut n = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (n.next().unwrap(), n.next().unwrap()) >= (major, minor)
}

#[test]
fn a_third_machine_is_named() {
    let dir = TempDir::new("third");
    for (machine, name) in [(243u8, "riscv64"), (22, "s390x"), (40, "arm (32 bits)")] {
        let said = String::from_utf8(ours(&[dir.file("p", &elf(machine, b"")).to_str().unwrap()]).stderr).unwrap();
        assert!(said.contains(&format!("Exec format error: program for {name}; this binary runs ")), "{said:?}");
    }
}

#[test]
fn names_are_looked_up_in_path_as_execvp_does() {
    let dir = TempDir::new("lookup");
    for sub in ["denied", "good"] {
        fs::create_dir(dir.path.join(sub)).unwrap();
    }
    let denied = dir.file("denied/tool", b"x");
    fs::set_permissions(denied, fs::Permissions::from_mode(0o644)).unwrap();
    let path = |subs: &[&str]| {
        format!("PATH={}", subs.iter().map(|s| dir.path.join(s).display().to_string()).collect::<Vec<_>>().join(":"))
    };
    let status = |path: String| ours(&["-E", &path, "tool"]).status.code();
    assert_eq!(status(path(&["nothing", "good"])), Some(127));
    assert_eq!(status(path(&["nothing", "denied", "good"])), Some(126));
    dir.file("good/tool", b"#!/bin/sh\nexit 42\n");
    assert_eq!(status(path(&["nothing", "denied", "good"])), Some(42));
    let here = Command::new(BIN).args(["-E", "PATH=", "tool"]).current_dir(dir.path.join("good")).status().unwrap();
    assert_eq!(here.code(), Some(42), "an empty element is the working directory");
}

/// Programs of this machine are simply executed, so the options show without translation.
#[test]
fn options_shape_what_a_program_sees() {
    let _alone = alone();
    let run = |args: &[&str]| String::from_utf8(Command::new(BIN).args(args).env("OLD", "old").output().unwrap().stdout).unwrap();
    assert_eq!(run(&["-E", "NEW=a=b", "-U", "OLD", "/bin/sh", "-c", "echo $NEW:$OLD:$0"]), "a=b::/bin/sh\n");
    assert_eq!(run(&["--env", "OLD=new", "--", "/usr/bin/env"]).matches("OLD=").count(), 1);
    assert_eq!(run(&["--argv0", "other", "/bin/sh", "-c", "echo $0"]), "other\n");
    assert_eq!(run(&["/bin/echo", "--strace", "--", "-E", "x"]), "--strace -- -E x\n", "options end at the program");
    assert!(run(&["--version"]).starts_with("run-foreign "));
    for usage in [&["--help"][..], &["help"], &["install", "--help"]] {
        assert!(run(usage).contains("Usage: "), "{usage:?}");
    }
    for wrong in [&[][..], &["--bogus"], &["-E", "novalue", "x"], &["--dump", "sausages", "x"], &["install", "--bogus"]] {
        let out = ours(wrong);
        assert_eq!((out.status.code(), out.stdout.len()), (Some(125), 0), "{wrong:?}");
        assert!(out.stderr.starts_with(b"run-foreign: "), "{wrong:?}");
    }
}

/// BuildKit and others start an emulator by name: the first argument is the program, whatever it looks like.
#[test]
fn an_emulators_name_takes_no_options() {
    let dir = TempDir::new("names");
    let machine = if GUEST == 183 { "aarch64" } else { "x86_64" };
    let names = ["qemu-M", "qemu-M-static", "buildkit-qemu-M", ".buildkit_qemu_emulator"].map(|n| n.replace('M', machine));
    for program in ["--help", "install", "-E", "doctor"] {
        dir.file(program, b"#!/bin/echo\n");
        for name in &names {
            let out = Command::new(BIN)
                .arg0(format!("/dev/{name}"))
                .args([program, "-c", "x"])
                .env("PATH", "/nowhere")
                .current_dir(&dir.path)
                .output()
                .unwrap();
            let want = format!("./{program} -c x\n");
            assert_eq!(String::from_utf8(out.stdout).unwrap(), want, "{name}: {:?}", String::from_utf8_lossy(&out.stderr));
        }
    }
}

/// SIGPIPE and the like are inherited as they were.
#[test]
fn signals_and_descriptors_are_inherited() {
    let _alone = alone();
    for ignored in [false, true] {
        let mut cmd = Command::new(BIN);
        cmd.args(["/bin/grep", "SigIgn", "/proc/self/status"]);
        // SAFETY: between fork and exec, only signal is called.
        unsafe {
            cmd.pre_exec(move || {
                libc::signal(libc::SIGPIPE, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
                Ok(())
            })
        };
        let text = String::from_utf8(cmd.output().unwrap().stdout).unwrap();
        let set = u64::from_str_radix(text.split_whitespace().nth(1).unwrap(), 16).unwrap();
        assert_eq!(set >> (libc::SIGPIPE - 1) & 1 == 1, ignored, "{text}");
    }
    let closed = Command::new("/bin/sh").args(["-c", &format!("{BIN} /bin/ls /proc/self/fd <&-")]).output().unwrap();
    let native = Command::new("/bin/sh").args(["-c", "/bin/ls /proc/self/fd <&-"]).output().unwrap();
    assert_eq!(closed.stdout, native.stdout);
}
