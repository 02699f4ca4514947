//! binfmt_misc, in a user namespace of each test's own: nothing is registered on the machine. (Linux 6.7 and later; the tests say so
//! and pass where that is not to be had.)

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

const BIN: &str = env!("CARGO_BIN_EXE_run-foreign");

/// A foreign program whose interpreter is missing: what it makes us say shows that we were asked, with which path.
const FOREIGN: &[u8] = &{
    let mut e = [0u8; 200];
    let head = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0";
    let mut i = 0;
    while i < head.len() {
        e[i] = head[i];
        i += 1;
    }
    e[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    e[20] = 1;
    // e_phoff, e_phentsize, e_phnum; then PT_INTERP of 10 bytes at 120.
    e[32] = 64;
    e[54] = 56;
    e[56] = 1;
    e[64] = 3;
    e[72] = 120;
    e[96] = 10;
    let name = *b"/no/ld.so\0";
    i = 0;
    while i < name.len() {
        e[120 + i] = name[i];
        i += 1;
    }
    e
};

const MISSING: &str = "No such file or directory: required file not found: /no/ld.so";

/// Held while there are files to execute: while a thread writes one, another's fork would keep it open, and the kernel would find it busy.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

struct Sandbox {
    dir: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Sandbox {
    fn new(name: &str) -> Option<Sandbox> {
        let _alone = alone();
        let probe = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc";
        if !Command::new("unshare").args(["-Urm", "sh", "-c", probe]).status().is_ok_and(|s| s.success()) {
            eprintln!("skipped: no binfmt_misc of one's own here");
            return None;
        }
        let dir = std::env::temp_dir().join(format!("rf-binfmt-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let sandbox = Sandbox { dir, _alone };
        sandbox.file("p", FOREIGN);
        Some(sandbox)
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Run a script in a namespace; `$R` is the program. Returns its status and all it said.
    fn sh(&self, script: &str) -> (i32, String) {
        let mut cmd = Command::new("unshare");
        // Where the machine's own instance is mounted, one of the namespace's comes over it.
        let own =
            "! mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 99";
        cmd.args(["-Urm", "sh", "-c", &format!("exec 2>&1; {own}; {script}")])
            .env("R", BIN)
            .env("LC_ALL", "C")
            .current_dir(&self.dir);
        let out = cmd.output().unwrap();
        (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn install_makes_the_kernel_start_us_and_uninstall_leaves_nothing() {
    let Some(s) = Sandbox::new("install") else { return };
    let (status, said) = s.sh("$R install >/dev/null && ./p; echo $?; $R uninstall; ./p; ls /proc/sys/fs/binfmt_misc");
    assert_eq!(status, 0, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], [&format!("run-foreign: ./p: {MISSING}"), "127", &format!("removed: {}", entry())], "{said}");
    assert!(lines[3].to_lowercase().contains("exec format error"), "{said}");
    assert_eq!(lines[4..], ["register", "status"], "{said}");
}

fn entry() -> String {
    format!("run-foreign-{}", if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" })
}

/// What the guest is called can't turn it into a command or an option of ours.
#[test]
fn no_guest_path_is_a_subcommand() {
    let Some(s) = Sandbox::new("names") else { return };
    for name in ["install", "doctor", "--help", "-E", "uninstall"] {
        s.file(name, FOREIGN);
        // With flag P and without, argv has another shape.
        for line in ["", "e=/proc/sys/fs/binfmt_misc; l=$(cat $e/run-*); $R uninstall >/dev/null; "] {
            let again = "f() { echo \"$l\" | sed -n \"s/^$1 //p\" | sed 's/../\\\\x&/g'; }; \
                         printf '%s' \":x:M::$(f magic):$(f mask):$R:CF\" > $e/register; ";
            let other = if line.is_empty() { String::new() } else { format!("{line}{again}") };
            let (status, said) = s.sh(&format!("$R install >/dev/null; {other} PATH=.; exec {name} status --json"));
            assert_eq!((status, said.trim_end()), (127, &*format!("run-foreign: ./{name}: {MISSING}")), "{other}");
        }
    }
}

/// Programs that may be executed but not read run as well: the kernel opens them (flags O and C).
#[test]
fn unreadable_programs_run() {
    let Some(s) = Sandbox::new("unreadable") else { return };
    fs::set_permissions(s.dir.join("p"), fs::Permissions::from_mode(0o111)).unwrap();
    // Root without capabilities: bound by the file's mode like anybody else.
    let (status, said) = s.sh("$R install >/dev/null; setpriv --bounding-set=-all ./p");
    assert_eq!((status, said.trim_end()), (127, &*format!("run-foreign: ./p: {MISSING}")));
}

/// In a chroot that has nothing but the program: the kernel holds the interpreter open (flag F).
#[test]
fn an_empty_chroot_suffices() {
    let Some(s) = Sandbox::new("chroot") else { return };
    let (status, said) = s.sh("$R install >/dev/null; chroot . /p");
    assert_eq!((status, said.trim_end()), (127, &*format!("run-foreign: /p: {MISSING}")));
}

#[test]
fn appimages_match_and_other_machines_do_not() {
    let Some(s) = Sandbox::new("match") else { return };
    let with = |at: usize, byte: u8| {
        let mut e = FOREIGN.to_vec();
        e[at] = byte;
        e
    };
    let mut appimage = FOREIGN.to_vec();
    appimage[8..11].copy_from_slice(b"AI\x02");
    for (name, bytes, ours) in [
        ("appimage", appimage, true),
        ("gnu", with(7, 3), true),
        ("pie", with(16, 3), true),
        ("object", with(16, 1), false),
        ("32-bit", with(4, 1), false),
        ("big-endian", with(5, 2), false),
        ("riscv", with(18, 243), false),
        ("high-machine", with(19, 1), false),
    ] {
        s.file(name, &bytes);
        let (_, said) = s.sh(&format!("$R install >/dev/null; ./{name}"));
        assert_eq!(said.contains(MISSING), ours, "{name}: {said}");
    }
}

#[test]
fn the_newest_entry_wins_and_replace_removes_the_others() {
    let Some(s) = Sandbox::new("order") else { return };
    let rival = "cp /bin/true rival; $R install --name qemu-x >/dev/null; l=$(cat /proc/sys/fs/binfmt_misc/qemu-x); \
                 $R uninstall qemu-x >/dev/null; \
                 m=$(echo \"$l\" | sed -n 's/^magic //p' | sed 's/../\\\\x&/g'); k=$(echo \"$l\" | sed -n 's/^mask //p' | sed 's/../\\\\x&/g'); \
                 r() { printf '%s' \":qemu-x:M::$m:$k:$PWD/rival:F\" > /proc/sys/fs/binfmt_misc/register; }; ";
    let first = "$R status --json | sed 's/.*\"first\":\"\\([^\"]*\\)\".*/\\1/'; ./p; echo $?";
    // An entry registered later is asked first, and status knows.
    let (_, said) = s.sh(&format!("{rival} $R install >/dev/null; sleep 0.02; r; {first}"));
    assert_eq!(said, "qemu-x\n0\n");
    let (_, said) = s.sh(&format!("{rival} r; sleep 0.02; $R install; {first}"));
    assert!(said.contains("note: qemu-x is registered too"), "{said}");
    assert!(said.ends_with(&format!("{}\nrun-foreign: ./p: {MISSING}\n127\n", entry())), "{said}");
    let (_, said) = s.sh(&format!("{rival} r; $R install --replace >/dev/null; ls /proc/sys/fs/binfmt_misc"));
    assert_eq!(said, format!("register\n{}\nstatus\n", entry()));
    // A name that another emulator holds is not taken without the word.
    let (status, said) = s.sh(&format!("{rival} r; $R install --name qemu-x"));
    assert!(status == 1 && said.contains("--replace"), "{said}");
    let (_, said) = s.sh(&format!("{rival} r; $R doctor"));
    assert!(said.contains("qemu-x lacks the flag C") && said.contains("run-foreign install --replace"), "{said}");
    let (_, said) = s.sh(&format!("{rival} r; $R uninstall; $R uninstall 'qemu-*'; ls /proc/sys/fs/binfmt_misc"));
    assert_eq!(said, "nothing of run-foreign is registered\nremoved: qemu-x\nregister\nstatus\n");
}

#[test]
fn installing_again_is_no_error_and_words_are_checked() {
    let Some(s) = Sandbox::new("again") else { return };
    let (status, said) = s.sh("$R install && $R install && $R uninstall && $R uninstall");
    assert_eq!(status, 0, "{said}");
    let native = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    for (args, words) in [
        (format!("install {native}"), "run natively"),
        ("install vax".into(), "unknown architecture"),
        ("install --name a/b arm64".into(), "not usable"),
        ("uninstall nothing-of-that-name".into(), "no such entry"),
    ] {
        let (status, said) = s.sh(&format!("$R {args}"));
        assert!(status == 1 && said.contains(words) && said.lines().count() == 1, "{args}: {said}");
    }
}

/// Without the right to: one line, and what to type.
#[test]
fn without_rights_the_remedy_is_named() {
    let _alone = alone();
    // Root of the machine is nobody there, but still the owner of what is mounted.
    let unmounted = "umount -l /proc/sys/fs/binfmt_misc 2>/dev/null; exec unshare -U \"$0\" install all";
    let mut cmd = Command::new("unshare");
    // SAFETY: reads a number.
    match unsafe { libc::geteuid() } {
        0 => cmd.args(["-m", "sh", "-c", unmounted, BIN]),
        _ => cmd.args(["-U", BIN, "install", "all"]),
    };
    let out = cmd.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("sudo") && said.lines().count() == 1, "{said}");
}

/// `--persist` writes a copy and a boot-time file, and uninstall takes both away. On an overlay: the machine's /usr stays as it is.
#[test]
fn persistent_files_come_and_go() {
    let Some(s) = Sandbox::new("persist") else { return };
    let overlay = "mkdir -p upper work && mount -t overlay overlay -o userxattr,lowerdir=/usr,upperdir=upper,workdir=work /usr";
    if s.sh(&format!("{overlay} && touch /usr/lib/probe")).0 != 0 {
        eprintln!("skipped: no overlay over /usr here");
        return;
    }
    let files = "find /usr/libexec/run-foreign /usr/lib/binfmt.d/run-* 2>/dev/null";
    let (_, said) = s.sh(&format!("{overlay}; $R install --persist && {files}; cat /usr/lib/binfmt.d/run-*"));
    let copy = "/usr/libexec/run-foreign/run-foreign";
    assert!(said.contains(&format!("\n{copy}\n/usr/lib/binfmt.d/{}.conf\n", entry())), "{said}");
    assert!(said.contains(&format!("{copy}:POCF")), "{said}");
    let (status, said) =
        s.sh(&format!("{overlay}; $R install --persist >/dev/null && {copy} uninstall && {files}; ! test -e {copy}"));
    assert_eq!((status, said), (0, format!("removed: {}\n", entry())));
    // Another package's file is not overwritten.
    let script = "mkdir -p /usr/lib/binfmt.d; echo mine > /usr/lib/binfmt.d/qemu-x.conf; $R install --persist --name qemu-x; cat /usr/lib/binfmt.d/qemu-x.conf";
    let (_, said) = s.sh(&format!("{overlay}; {script}"));
    assert!(said.contains("not written by run-foreign") && said.ends_with("mine\n"), "{said}");
}
