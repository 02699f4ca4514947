//! `--root`: a folder becomes the root, with and without privileges. The programs in it are static ones of this machine, which need no
//! translation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard};

const BIN: &str = env!("CARGO_BIN_EXE_run-foreign");

const PROBE: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct stat s;
    char cwd[4096] = "", line[256] = "";
    FILE *f = fopen("/etc/resolv.conf", "r");
    if (f) fgets(line, sizeof line, f);
    printf("uid=%d cwd=%s self=%d null=%d sys=%d outside=%d resolv=%s\n", getuid(), getcwd(cwd, sizeof cwd),
           stat("/proc/self/exe", &s), stat("/dev/null", &s), stat("/sys/kernel", &s), stat("/etc/passwd", &s), line);
    return argc;
}
"#;

/// Held while there are files to execute: while a thread writes one, another's fork would keep it open, and the kernel would find it busy.
static ALONE: Mutex<()> = Mutex::new(());

/// Whether processes of this user may have namespaces of their own, which a root folder with /proc in it takes.
fn namespaces(cmd: &mut Command) -> bool {
    let had = cmd.args(["-Urm", "true"]).stderr(std::process::Stdio::null()).status().is_ok_and(|s| s.success());
    if !had {
        eprintln!("skipped: no user namespaces here");
    }
    had
}

struct Root {
    path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Root {
    fn new(name: &str) -> Root {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let dir = std::env::temp_dir().join(format!("rf-root-{name}-{}", std::process::id()));
        for sub in ["proc", "dev", "sys", "etc", "usr/bin"] {
            fs::create_dir_all(dir.join(sub)).unwrap();
        }
        fs::write(dir.join("probe.c"), PROBE).unwrap();
        let cc =
            Command::new("cc").args(["-static", "-o"]).arg(dir.join("usr/bin/probe")).arg(dir.join("probe.c")).status().unwrap();
        assert!(cc.success());
        fs::copy(BIN, dir.join("emulator")).unwrap();
        fs::write(dir.join("etc/resolv.conf"), "").unwrap();
        Root { path: dir, _alone }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn check(out: &Output, uid: u32) {
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let resolv = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let resolv = resolv.lines().next().unwrap_or("");
    let want = format!("uid={uid} cwd=/ self=0 null=0 sys=0 outside=-1 resolv={resolv}\n");
    assert_eq!(said.trim_end(), want.trim_end(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(2));
}

fn run(program: &Path, root: &Root) -> Command {
    let mut cmd = Command::new(program);
    cmd.arg("--root").arg(&root.path).args(["probe", "x"]).env("PATH", "/nothing:/usr/bin");
    cmd
}

#[test]
fn root_of_the_invoking_user() {
    if !namespaces(&mut Command::new("unshare")) {
        return;
    }
    let root = Root::new("user");
    // Root stays root; anybody else becomes root of a namespace.
    check(&run(Path::new(BIN), &root).output().unwrap(), 0);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(root.path.to_str().unwrap()), "nothing shows outside: {mounts}");
}

#[test]
fn root_without_privileges() {
    use std::os::unix::process::CommandExt;
    // SAFETY: reads an id.
    if unsafe { libc::geteuid() } != 0 {
        // The other test has shown it.
        return;
    }
    if !namespaces(Command::new("unshare").uid(65534).gid(65534)) {
        return;
    }
    let root = Root::new("nobody");
    // The build folder may be closed to others: the copy is open to all.
    let mut cmd = run(&root.path.join("emulator"), &root);
    let out = cmd.uid(65534).gid(65534).output().unwrap();
    check(&out, 0);
}

#[test]
fn a_root_that_is_not_there() {
    let out = Command::new(BIN).args(["--root", "/no/such/folder", "ls"]).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("/no/such/folder") && said.contains("No such file or directory") && said.lines().count() == 1,
        "{said}"
    );
    assert_eq!(out.status.code(), Some(127));
}
