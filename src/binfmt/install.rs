//! `install`, `uninstall` and `status`.

use super::entry::{entries, first_match, globally_enabled, mount_state, Entry, MountState, DIR};
use super::{architectures, default_name, register_line};
use crate::cli::InstallArgs;
use crate::elf::Arch;
use crate::errno::Errno;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where `--persist` copies this program to.
const COPY: &str = "/usr/libexec/run-foreign/run-foreign";
/// Where systemd-binfmt looks for what to register at boot.
const CONF_DIR: &str = "/usr/lib/binfmt.d";

/// `install [ARCH] [--name NAME] [--replace] [--persist]`.
pub fn install(args: &InstallArgs) -> Result<(), String> {
    let archs = architectures(args.arch.as_deref())?;
    if args.name.is_some() && archs.len() != 1 {
        return Err("--name needs one architecture".into());
    }
    ensure_mounted()?;
    let interpreter = if args.persist { copy_program()? } else { own_path()? };
    for arch in archs {
        let name = args.name.clone().unwrap_or_else(|| default_name(arch));
        let line = register_line(&name, arch, &interpreter, flags())?;
        if args.persist && conf_path(&name).exists() && !own_confs().iter().any(|(own, _)| *own == name) {
            return Err(format!("{}: not written by run-foreign; choose another --name", conf_path(&name).display()));
        }
        make_room(&name, arch, args.replace)?;
        write_to("register", line.as_bytes()).map_err(|e| explain(e, &format!("registering {name}")))?;
        if args.persist {
            let conf = conf_path(&name);
            write_file(&conf, format!("# Written by run-foreign install --persist.\n{line}\n").as_bytes(), 0o644)?;
        }
        println!("{name}: {} programs now run by {interpreter}", arch.name());
        for other in entries().iter().filter(|e| e.enabled && e.name != name && e.matches(arch)) {
            println!("note: {} is registered too, but the newest entry is asked first (--replace removes it)", other.name);
        }
    }
    Ok(())
}

/// Flag P announces itself since Linux 5.12; before, a program could not tell argv\[0\] from its first argument.
fn flags() -> &'static str {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut n = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    if (n.next().unwrap_or(0), n.next().unwrap_or(0)) >= (5, 12) {
        "POCF"
    } else {
        "OCF"
    }
}

/// Take away the entries that the new one replaces.
fn make_room(name: &str, arch: Arch, replace: bool) -> Result<(), String> {
    for e in entries() {
        let same = e.name == name;
        if same && !e.is_ours() && !replace {
            return Err(format!("{name}: an entry of that name belongs to {} (--replace removes it)", e.interpreter));
        }
        if same || (replace && e.matches(arch)) {
            remove(&e)?;
        }
    }
    Ok(())
}

/// `uninstall [NAME|ARCH|all]`.
pub fn uninstall(what: Option<&str>) -> Result<(), String> {
    let what = what.unwrap_or("all");
    let arch = match what {
        "all" => None,
        w => architectures(Some(w)).ok().and_then(|a| a.first().copied()),
    };
    let wanted = |e: &Entry| match (what, arch) {
        ("all", _) => e.is_ours(),
        (_, Some(arch)) => e.is_ours() && e.matches(arch),
        _ => glob(what.as_bytes(), e.name.as_bytes()),
    };
    let doomed: Vec<Entry> = entries().into_iter().filter(wanted).collect();
    let mut names: Vec<String> = doomed.iter().map(|e| e.name.clone()).collect();
    for e in &doomed {
        remove(e)?;
    }
    for (name, conf) in own_confs() {
        let listed = what == "all" || arch.is_some_and(|a| name == default_name(a)) || glob(what.as_bytes(), name.as_bytes());
        if listed || names.contains(&name) {
            remove_file(&conf)?;
            names.push(name);
        }
    }
    if own_confs().is_empty() && !entries().iter().any(|e| e.interpreter == COPY) {
        remove_copy()?;
    }
    names.sort();
    names.dedup();
    match names.as_slice() {
        [] if what != "all" && arch.is_none() => return Err(format!("{what}: no such entry")),
        [] => println!("nothing of run-foreign is registered"),
        names => println!("removed: {}", names.join(", ")),
    }
    Ok(())
}

/// `status [--json]`.
pub fn status(json: bool) -> Result<(), String> {
    let mounted = mount_state() == MountState::Mounted;
    let all = entries();
    let first = first_match(&all, Arch::FOREIGN).map(|e| e.name.clone());
    if json {
        println!("{}", status_json(mounted, &all, first.as_deref()));
        return Ok(());
    }
    println!("run-foreign {}: {} programs on {}", env!("CARGO_PKG_VERSION"), Arch::FOREIGN.name(), Arch::HOST.name());
    if !mounted {
        println!("binfmt_misc is not mounted: nothing is registered");
        return Ok(());
    }
    if !globally_enabled() {
        println!("binfmt_misc is switched off as a whole");
    }
    for e in &all {
        let mark = if first.as_deref() == Some(&e.name) { "*" } else { " " };
        let state = if e.enabled { "enabled" } else { "disabled" };
        println!("{mark} {:<24} {state:<8} {:<5} {}", e.name, e.flags, e.interpreter);
    }
    match first {
        Some(name) => println!("{} programs run by {name} (*)", Arch::FOREIGN.name()),
        None => println!("nothing is registered for {} programs", Arch::FOREIGN.name()),
    }
    Ok(())
}

fn status_json(mounted: bool, all: &[Entry], first: Option<&str>) -> String {
    let list: Vec<String> = all
        .iter()
        .map(|e| {
            let arch = Arch::ALL.into_iter().find(|&a| e.matches(a));
            let arch = arch.map_or("null".into(), |a| quote(a.name()));
            format!(
                "{{\"name\":{},\"enabled\":{},\"interpreter\":{},\"flags\":{},\"arch\":{arch},\"ours\":{}}}",
                quote(&e.name),
                e.enabled,
                quote(&e.interpreter),
                quote(&e.flags),
                e.is_ours()
            )
        })
        .collect();
    format!(
        "{{\"version\":{},\"host\":{},\"guest\":{},\"mounted\":{mounted},\"enabled\":{},\"first\":{},\"entries\":[{}]}}",
        quote(env!("CARGO_PKG_VERSION")),
        quote(Arch::HOST.name()),
        quote(Arch::FOREIGN.name()),
        globally_enabled(),
        first.map_or("null".into(), quote),
        list.join(",")
    )
}

/// A JSON string.
fn quote(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Shell-like matching of `*` and `?`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => glob(&pattern[1..], name) || (!name.is_empty() && glob(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &name[1..]),
        (Some(p), Some(n)) => p == n && glob(&pattern[1..], &name[1..]),
        _ => false,
    }
}

fn ensure_mounted() -> Result<(), String> {
    if mount_state() == MountState::Absent {
        // Where modprobe is missing or refused, the next look says what there is to say.
        let _ = std::process::Command::new("modprobe").arg("binfmt_misc").stderr(std::process::Stdio::null()).status();
    }
    match mount_state() {
        // Where that is refused, too, writing says what there is to say.
        MountState::Mounted if is_not_ours_to_write() => return mount().or(Ok(())),
        MountState::Mounted => return Ok(()),
        MountState::NotMounted => {}
        MountState::Absent if !Path::new("/proc/sys/fs").is_dir() => return Err("/proc is not mounted here".into()),
        MountState::Absent => {
            return Err("this kernel has no binfmt_misc (type as root: modprobe binfmt_misc; in a container: on the host)".into())
        }
    }
    mount().map_err(|e| explain(e, &format!("mounting binfmt_misc on {DIR}")))
}

fn mount() -> Result<(), Errno> {
    let dir = std::ffi::CString::new(DIR).unwrap_or_default();
    // SAFETY: all strings are terminated.
    let done = unsafe { libc::mount(c"binfmt_misc".as_ptr(), dir.as_ptr(), c"binfmt_misc".as_ptr(), 0, std::ptr::null()) };
    Errno::check(done).map(drop)
}

/// Whether what is mounted belongs to somebody else: in a user namespace, the machine's own, with one of our own to be had beside it.
fn is_not_ours_to_write() -> bool {
    let register = Path::new(DIR).join("register");
    let refused =
        fs::OpenOptions::new().write(true).open(register).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    refused && !map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// An error with what to type.
fn explain(e: Errno, what: &str) -> String {
    // From the kernel: without Rust's own start-up code, the standard library knows the arguments with glibc only.
    let typed = fs::read("/proc/self/cmdline").unwrap_or_else(|_| b"run-foreign install".to_vec());
    let again = typed.split(|&b| b == 0).filter(|a| !a.is_empty()).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    match e.0 {
        libc::EPERM | libc::EACCES => format!(
            "{what}: {e}; this needs root (type: sudo {again}), in a container --privileged; \
             for yourself alone since Linux 6.7: unshare -Urm, then {again} in the new shell"
        ),
        libc::EROFS => format!("{what}: {e}; in a container, run it with --privileged"),
        libc::EINVAL => format!("{what}: {e}; the kernel refuses the entry (flag F needs Linux 4.8)"),
        libc::EEXIST => format!("{what}: {e}; run-foreign status shows the entries"),
        _ => format!("{what}: {e}"),
    }
}

fn write_to(file: &str, bytes: &[u8]) -> Result<(), Errno> {
    // One write call: the kernel parses each one by itself.
    let n = fs::OpenOptions::new().write(true).open(Path::new(DIR).join(file))?.write(bytes)?;
    if n == bytes.len() {
        Ok(())
    } else {
        Err(Errno(libc::EIO))
    }
}

fn remove(e: &Entry) -> Result<(), String> {
    write_to(&e.name, b"-1").map_err(|err| explain(err, &format!("removing {}", e.name)))
}

/// The real path of this program.
fn own_path() -> Result<String, String> {
    let path = fs::read_link("/proc/self/exe").map_err(|e| format!("/proc/self/exe: {}", Errno::from(e)))?;
    match path.to_str() {
        Some(p) if path.exists() => Ok(p.into()),
        _ => Err(format!("{}: this program's file has gone or has an unusable name", path.display())),
    }
}

fn conf_path(name: &str) -> PathBuf {
    Path::new(CONF_DIR).join(format!("{name}.conf"))
}

/// The boot-time files that we wrote, with the entries' names: those that register our copy.
fn own_confs() -> Vec<(String, PathBuf)> {
    fs::read_dir(CONF_DIR)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|f| {
            let path = f.path();
            let ours = fs::read_to_string(&path).is_ok_and(|t| t.contains(COPY));
            let name = path.file_name()?.to_str()?.strip_suffix(".conf")?.to_owned();
            ours.then_some((name, path))
        })
        .collect()
}

/// Copy this program to its stable place. Written beside and moved over: the old copy may be running or registered.
fn copy_program() -> Result<String, String> {
    let own = own_path()?;
    if own != COPY {
        let bytes = fs::read(&own).map_err(|e| format!("{own}: {}", Errno::from(e)))?;
        write_file(Path::new(COPY), &bytes, 0o755)?;
    }
    Ok(COPY.into())
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(&beside, bytes)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
        fs::rename(&beside, path)
    };
    write().map_err(|e| explain(e.into(), &format!("writing {}", path.display())))
}

fn remove_file(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(explain(e.into(), &format!("removing {}", path.display()))),
        _ => Ok(()),
    }
}

fn remove_copy() -> Result<(), String> {
    remove_file(Path::new(COPY))?;
    // The folder goes too unless somebody put something else there.
    let _ = fs::remove_dir(Path::new(COPY).parent().unwrap_or(Path::new("/")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_a_shell() {
        for (p, n, want) in
            [("qemu-*", "qemu-aarch64", true), ("qemu-*", "run-foreign", false), ("a?c", "abc", true), ("*", "", true)]
        {
            assert_eq!(glob(p.as_bytes(), n.as_bytes()), want, "{p} {n}");
        }
    }
}
