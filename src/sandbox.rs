//! `--root DIR`: DIR becomes the root folder of this process and its children.
//!
//! With the right to, in a mount namespace of its own (or by chroot alone where namespaces are refused). Without, in a user namespace,
//! as `unshare -r` makes one; where the system grants the user more ids (/etc/subuid) and newuidmap is there, they are mapped too, so that
//! package managers can own files by other users. /proc, /dev, /sys and the host's resolver configuration appear in the new root as long
//! as it has places for them; nothing of it shows outside.

use crate::auxv;
use crate::elf::ExecError;
use crate::errno::Errno;
use std::ffi::{CStr, CString};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// Guests close low descriptors as they like; this is above what they see with the usual limit of 1024 in mind.
pub const KEPT_FD: RawFd = 1000;

/// Open this program's own file for starting it again from inside another root. Inherited by children. Where /proc is absent the path
/// that this program was started by has to do.
pub fn keep_own_executable() -> Result<RawFd, ExecError> {
    let fd = open_path(libc::AT_FDCWD, c"/proc/self/exe", 0)
        .or_else(|e| started_as().map_or(Err(e), |path| open_path(libc::AT_FDCWD, path, 0)))
        .map_err(|e| ExecError { errno: e, detail: Some("/proc/self/exe (is /proc mounted?)".into()) })?;
    let keep = |from: RawFd| {
        // SAFETY: makes a descriptor that lives as long as the process.
        Errno::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, from) })
    };
    Ok(keep(KEPT_FD).or_else(|_| keep(3))?)
}

/// The path that the kernel started this program by.
fn started_as() -> Option<&'static CStr> {
    let path = auxv::own(libc::AT_EXECFN).filter(|&p| p != 0)?;
    // SAFETY: a string on the initial stack, which stays.
    Some(unsafe { CStr::from_ptr(path as *const libc::c_char) })
}

/// Make `root` the root folder, and the working directory.
pub fn enter(root: &Path) -> Result<(), ExecError> {
    let say = |what: &str| {
        let what = format!("--root {}: {what}", root.display());
        move |e: Errno| ExecError { errno: e, detail: Some(what) }
    };
    let path = CString::new(root.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
    let open = || open_path(libc::AT_FDCWD, &path, libc::O_DIRECTORY).map_err(say("can't be opened as a folder"));
    let outside = open()?;
    // SAFETY: a plain call.
    match Errno::check(unsafe { libc::unshare(libc::CLONE_NEWNS) }) {
        Ok(_) => {}
        Err(_) if change_root(&outside).is_ok() => return Ok(()),
        Err(_) => enter_user_namespace().map_err(|e| ExecError { errno: e, detail: Some(namespace_hint(root)) })?,
    }
    // Opened again: a descriptor from before belongs to the old mount namespace, and nothing can be mounted below it.
    let dir = open()?;
    bind_system(&dir).map_err(say("mounting the system's folders"))?;
    change_root(&dir).map_err(say("can't become the root"))
}

fn namespace_hint(root: &Path) -> String {
    let mut hint = format!("--root {}: user namespaces are refused here; run as root", root.display());
    for (file, off, remedy) in [
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    ] {
        if std::fs::read_to_string(file).is_ok_and(|v| v.trim() == off) {
            hint += &format!(", or type as root: {remedy}");
        }
    }
    hint
}

fn open_path(dir: RawFd, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the path is terminated; the descriptor returned is ours.
    unsafe {
        let fd = Errno::check(libc::openat(dir, path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC | flags))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Open a path inside the root, with links followed as if it were the root already.
fn open_inside(root: &OwnedFd, path: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: `open_how` is plain data for which all-zero is valid; its size is given; the descriptor returned is ours.
    unsafe {
        let mut how: libc::open_how = std::mem::zeroed();
        how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_IN_ROOT;
        let size = std::mem::size_of::<libc::open_how>();
        let fd = libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &how, size) as i32;
        Ok(OwnedFd::from_raw_fd(Errno::check(fd)?))
    }
}

fn change_root(dir: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: plain calls with terminated strings.
    unsafe {
        let cwd = libc::open(c".".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        Errno::check(libc::fchdir(dir.as_raw_fd()))?;
        if let Err(e) = Errno::check(libc::chroot(c".".as_ptr())) {
            libc::fchdir(cwd);
            libc::close(cwd);
            return Err(e);
        }
        libc::close(cwd);
        Errno::check(libc::chdir(c"/".as_ptr())).map(drop)
    }
}

/// Show the system's folders inside the root, for this mount namespace only.
fn bind_system(root: &OwnedFd) -> Result<(), Errno> {
    mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    for (host, inside) in [(c"/proc", c"proc"), (c"/dev", c"dev"), (c"/sys", c"sys")] {
        // What the root already has there (a mount made by hand) stays.
        let Ok(target) = open_inside(root, inside) else { continue };
        if is_root_of_mount(root, &target) {
            bind(host, &target)?;
        }
    }
    if let Some(target) = resolver_target(root) {
        bind(c"/etc/resolv.conf", &target)?;
    }
    Ok(())
}

/// Whether the folder lies on the same file system as the root: nothing is mounted there yet.
fn is_root_of_mount(root: &OwnedFd, target: &OwnedFd) -> bool {
    let device = |fd: &OwnedFd| {
        // SAFETY: `stat` is plain data for which all-zero is valid.
        unsafe {
            let mut st: libc::stat = std::mem::zeroed();
            Errno::check(libc::fstat(fd.as_raw_fd(), &mut st)).map(|_| st.st_dev)
        }
    };
    device(root) == device(target)
}

/// The root's resolv.conf, made as an empty file where it has none (a link that leads nowhere is left alone).
fn resolver_target(root: &OwnedFd) -> Option<OwnedFd> {
    if !Path::new("/etc/resolv.conf").is_file() {
        return None;
    }
    let path = c"etc/resolv.conf";
    open_inside(root, path).ok().or_else(|| {
        let etc = open_inside(root, c"etc").ok()?;
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // SAFETY: the path is terminated; the descriptor returned is closed at once.
        unsafe {
            let fd = libc::openat(etc.as_raw_fd(), c"resolv.conf".as_ptr(), flags, 0o644);
            drop((fd >= 0).then(|| OwnedFd::from_raw_fd(fd))?);
        }
        open_inside(root, path).ok()
    })
}

fn bind(host: &CStr, target: &OwnedFd) -> Result<(), Errno> {
    let target = CString::new(format!("/proc/self/fd/{}", target.as_raw_fd())).unwrap_or_default();
    mount(Some(host), &target, libc::MS_BIND | libc::MS_REC)
}

fn mount(source: Option<&CStr>, target: &CStr, flags: libc::c_ulong) -> Result<(), Errno> {
    let source = source.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the strings are terminated; type and data are not used by these kinds of mount.
    Errno::check(unsafe { libc::mount(source, target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) }).map(drop)
}

/// Become root of a new user and mount namespace.
fn enter_user_namespace() -> Result<(), Errno> {
    // SAFETY: reads credentials.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    if enter_with_many_ids(uid, gid).is_some() {
        return Ok(());
    }
    // SAFETY: a plain call. It fails with EINVAL only in a process with threads, which this one is not yet.
    unsafe {
        Errno::check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS))?;
    }
    // A kernel that has no `setgroups` file needs no denial.
    let _ = std::fs::write("/proc/self/setgroups", "deny");
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    Ok(())
}

/// With the ids that /etc/subuid and /etc/subgid grant, if there are any: a child outside of the new namespace asks newuidmap and
/// newgidmap to map them. `None`: nothing has changed. When the tools fail after the namespace is made, the single id is mapped.
fn enter_with_many_ids(uid: u32, gid: u32) -> Option<()> {
    let name = user_name(uid);
    let (sub_uid, sub_gid) = (granted("/etc/subuid", uid, name.as_deref())?, granted("/etc/subgid", uid, name.as_deref())?);
    let find =
        |tool: &str| ["/usr/bin/", "/bin/", "/usr/sbin/"].iter().map(|d| format!("{d}{tool}")).find(|p| Path::new(p).exists());
    let (uid_tool, gid_tool) = (find("newuidmap")?, find("newgidmap")?);
    let (mut ready, mut go) = UnixStream::pair().ok()?;
    let us = std::process::id().to_string();
    // SAFETY: the process has one thread: the child may do all that this one may.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(go);
        let map = |tool: &str, id: u32, (first, count): (u32, u32)| {
            let line = ["0", &id.to_string(), "1", "1", &first.to_string(), &count.to_string()].map(String::from);
            Command::new(tool).arg(&us).args(line).status().is_ok_and(|s| s.success())
        };
        let told = ready.read_exact(&mut [0]).is_ok();
        let done = told && map(&uid_tool, uid, sub_uid) && map(&gid_tool, gid, sub_gid);
        // SAFETY: ends the child without running what this process registered.
        unsafe { libc::_exit(i32::from(!done)) };
    }
    drop(ready);
    if child < 0 {
        return None;
    }
    // SAFETY: plain calls; the status is ours.
    unsafe {
        let entered = libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0;
        if entered {
            let _ = go.write_all(&[1]);
        }
        drop(go);
        let mut status = 0;
        while libc::waitpid(child, &mut status, 0) == -1 && Errno::last().0 == libc::EINTR {}
        if !entered {
            return None;
        }
        if status != 0 {
            let _ = std::fs::write("/proc/self/setgroups", "deny");
            std::fs::write("/proc/self/uid_map", format!("0 {uid} 1")).ok()?;
            std::fs::write("/proc/self/gid_map", format!("0 {gid} 1")).ok()?;
        }
    }
    Some(())
}

/// The user's name in /etc/passwd.
fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let wanted = uid.to_string();
    passwd.lines().find(|l| l.split(':').nth(2) == Some(&wanted)).and_then(|l| l.split(':').next()).map(str::to_owned)
}

/// The first range that a file like /etc/subuid grants the user, by name or number.
fn granted(file: &str, uid: u32, name: Option<&str>) -> Option<(u32, u32)> {
    let number = uid.to_string();
    std::fs::read_to_string(file).ok()?.lines().find_map(|l| {
        let mut f = l.split(':');
        let who = f.next()?;
        let range = (f.next()?.parse().ok()?, f.next()?.trim().parse().ok()?);
        (who == number || Some(who) == name).then_some(range)
    })
}
