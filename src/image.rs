//! From a file to what runs: `#!` lines followed as `fs/binfmt_script.c` does, then the ELF headers of the program and its interpreter.
//!
//! Used at start and by the guest's execve. Everything that the kernel would refuse before it lets go of the old program is refused here.

use crate::elf::{self, Arch, Elf, ExecError, HEAD};
use crate::errno::Errno;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// A C string that either lies on the initial stack or was made.
pub type Text = Cow<'static, CStr>;

/// Scripts may name scripts as interpreters: this many files in a row.
pub const MAX_DEPTH: usize = 5;
/// `AT_EXECVE_CHECK` (Linux 6.14): execveat answers whether the file may be executed, and does no more.
const AT_EXECVE_CHECK: i32 = 0x10000;

/// A program for us, ready to be mapped.
#[derive(Debug)]
pub struct Image {
    /// The program's file.
    pub file: File,
    /// The path that it was opened by.
    pub path: Text,
    /// Whose program it is.
    pub arch: Arch,
    /// Its headers.
    pub elf: Elf,
    /// Its ELF interpreter.
    pub interp: Option<Interpreter>,
    /// The arguments, with the interpreters of scripts put in front.
    pub argv: Vec<Text>,
}

/// A program's `ld.so`.
#[derive(Debug)]
pub struct Interpreter {
    /// The file.
    pub file: File,
    /// Its headers.
    pub elf: Elf,
}

/// What a path turned out to be.
#[derive(Debug)]
pub enum Resolved {
    /// A program for this machine, or a script whose interpreter is one: the plain execve of the original path does it.
    Native,
    /// A program for us.
    Foreign(Box<Image>),
}

/// What is to be executed, as `struct linux_binprm` has it.
pub struct Request {
    /// The opened program.
    pub file: File,
    /// The path that scripts are handed (`/dev/fd/N` for a bare descriptor).
    pub path: Text,
    /// The arguments.
    pub argv: Vec<Text>,
    /// The path leads through a close-on-exec descriptor: a script's interpreter could not open it.
    pub path_inaccessible: bool,
}

/// Follow scripts to the program behind them. `open` opens a path for execution (see [`open_for_exec`]) relative to the
/// working directory. `all`: programs of this machine are for us, too.
pub fn resolve(req: Request, all: bool, open: &mut dyn FnMut(&CStr) -> Result<File, Errno>) -> Result<Resolved, ExecError> {
    let Request { mut file, mut path, mut argv, path_inaccessible } = req;
    for _ in 0..=MAX_DEPTH {
        let mut head = [0u8; HEAD];
        elf::read_at_most(&file, &mut head, 0)?;
        if elf::is_native(&head) && !(all && Arch::of(&head) == Some(Arch::HOST)) {
            return Ok(Resolved::Native);
        }
        if !head.starts_with(b"#!") {
            return image(file, path, argv, &head, open);
        }
        let line = parse_shebang(&head).ok_or_else(|| ExecError::new(libc::ENOEXEC, "malformed #! line"))?;
        if path_inaccessible {
            return Err(ExecError::new(libc::ENOENT, "a script on a close-on-exec descriptor"));
        }
        let script = std::mem::replace(&mut path, Cow::Owned(line.interpreter.clone()));
        let front = [Some(line.interpreter), line.argument].into_iter().flatten().map(Cow::Owned).chain([script]);
        let replaced = usize::from(!argv.is_empty());
        argv.splice(..replaced, front);
        file = open_interpreter(&path, open)?;
    }
    Err(ExecError::new(libc::ELOOP, "a script's interpreter is a script, too many times"))
}

fn image(
    file: File,
    path: Text,
    argv: Vec<Text>,
    head: &[u8; HEAD],
    open: &mut dyn FnMut(&CStr) -> Result<File, Errno>,
) -> Result<Resolved, ExecError> {
    let (arch, elf) = elf::parse_program(&file, head)?;
    let interp = match elf::interpreter_path(&file, &elf)? {
        None => None,
        Some(path) => {
            let file = open_interpreter(&path, open)?;
            let elf = elf::parse_interpreter(&file, arch).map_err(|e| ExecError {
                detail: Some(format!("{}: {}", path.to_string_lossy(), e.detail.unwrap_or_default())),
                errno: e.errno,
            })?;
            Some(Interpreter { file, elf })
        }
    };
    Ok(Resolved::Foreign(Box::new(Image { file, path, arch, elf, interp, argv })))
}

fn open_interpreter(path: &CStr, open: &mut dyn FnMut(&CStr) -> Result<File, Errno>) -> Result<File, ExecError> {
    // The kernel takes an empty name for the working directory, and a directory can't be executed.
    let file = if path.is_empty() { Err(Errno(libc::EACCES)) } else { open(path) };
    file.map_err(|e| match e.0 {
        libc::ENOENT => ExecError::new(e.0, format!("required file not found: {}", path.to_string_lossy())),
        e => ExecError::new(e, format!("its interpreter {}", path.to_string_lossy())),
    })
}

/// A `#!` line.
#[derive(Debug, PartialEq, Eq)]
pub struct Shebang {
    /// The program.
    pub interpreter: CString,
    /// All the rest of the line is one argument.
    pub argument: Option<CString>,
}

/// Take a `#!` line apart. `None` where the kernel says ENOEXEC: no name, or a name that may be cut off by the buffer's end.
pub fn parse_shebang(head: &[u8; HEAD]) -> Option<Shebang> {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let text = head.strip_prefix(b"#!")?;
    // strnchr stops at NUL: a newline behind one does not end the line.
    let end = text.iter().position(|&b| b == b'\n' || b == 0).filter(|&i| text[i] == b'\n');
    let line = match end {
        Some(end) => &text[..end],
        None => {
            // The last byte counts for finding the end of the name, but is never part of it.
            let name = text.iter().position(|b| !blank(b))?;
            text[name..].iter().position(|b| blank(b) || *b == 0)?;
            &text[..text.len() - 1]
        }
    };
    let line = &line[..line.iter().rposition(|b| !blank(b))? + 1];
    let line = &line[line.iter().position(|b| !blank(b))?..];
    let sep = line.iter().position(|b| blank(b) || *b == 0);
    let name = &line[..sep.unwrap_or(line.len())];
    let argument = sep.filter(|&i| line[i] != 0).and_then(|i| {
        let rest = &line[i..];
        let rest = &rest[rest.iter().position(|b| !blank(b))?..];
        Some(until_nul(rest))
    });
    Some(Shebang { interpreter: until_nul(name), argument })
}

fn until_nul(b: &[u8]) -> CString {
    let end = b.iter().position(|&b| b == 0).unwrap_or(b.len());
    CString::new(&b[..end]).unwrap_or_default()
}

/// Open a file for execution as `do_open_execat` does, with its errors: a regular file, with execute permission, not on a noexec
/// mount, not being written. `flags` are execveat's: AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW.
pub fn open_for_exec(dir: RawFd, path: &CStr, flags: i32) -> Result<File, Errno> {
    may_execute(dir, path, flags)?;
    if path.is_empty() {
        return reopen(dir);
    }
    let nofollow = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { libc::O_NOFOLLOW } else { 0 };
    // SAFETY: `path` is terminated; a descriptor that openat returns is ours.
    unsafe {
        let fd = Errno::check(libc::openat(dir, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | nofollow))?;
        Ok(File::from_raw_fd(fd))
    }
}

/// Whether the kernel would execute the file, readable or not, as far as that can be told without looking into it.
pub fn may_execute(dir: RawFd, path: &CStr, flags: i32) -> Result<(), Errno> {
    // SAFETY: `path` is terminated and `st` is plain data, valid when zeroed.
    let st = unsafe {
        let mut st: libc::stat = std::mem::zeroed();
        Errno::check(libc::fstatat(dir, path.as_ptr(), &mut st, flags & (libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW)))?;
        st
    };
    match st.st_mode & libc::S_IFMT {
        libc::S_IFREG => {}
        libc::S_IFLNK => return Err(Errno(libc::ELOOP)),
        _ => return Err(Errno(libc::EACCES)),
    }
    check_executable(dir, path, flags, &st)
}

/// The kernel's own word where it can be asked (it alone knows whether the file is open for writing), else the permission check.
fn check_executable(dir: RawFd, path: &CStr, flags: i32, st: &libc::stat) -> Result<(), Errno> {
    let argv = [path.as_ptr(), std::ptr::null()];
    let env = [std::ptr::null::<libc::c_char>()];
    // SAFETY: both arrays end with null, the path is terminated; with AT_EXECVE_CHECK the call never replaces this process, and
    // kernels that don't know the flag refuse it before they look at anything else.
    let (said, errno) = unsafe {
        let r = libc::syscall(libc::SYS_execveat, dir, path.as_ptr(), argv.as_ptr(), env.as_ptr(), flags | AT_EXECVE_CHECK);
        (r, Errno::last())
    };
    match errno.0 {
        _ if said == 0 => return Ok(()),
        libc::EINVAL | libc::ENOSYS | libc::EPERM => {}
        _ => return Err(errno),
    }
    if path.is_empty() && is_open_for_writing(dir) {
        return Err(Errno(libc::ETXTBSY));
    }
    // SAFETY: the path is terminated.
    let (said, errno) = unsafe {
        let r = libc::syscall(libc::SYS_faccessat2, dir, path.as_ptr(), libc::X_OK, flags | libc::AT_EACCESS);
        (r, Errno::last())
    };
    match errno.0 {
        _ if said == 0 => Ok(()),
        libc::EACCES => Err(errno),
        // Before Linux 5.8, or refused by an old seccomp profile.
        _ if st.st_mode & 0o111 != 0 => Ok(()),
        _ => Err(Errno(libc::EACCES)),
    }
}

/// Whether the descriptor keeps its file from being executed. The kernel does not count a memfd's first one.
fn is_open_for_writing(fd: RawFd) -> bool {
    // SAFETY: asks about a descriptor.
    let mode = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    let is_memfd =
        || std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|l| l.as_os_str().as_bytes().starts_with(b"/memfd:"));
    mode & libc::O_PATH == 0 && mode & libc::O_ACCMODE != libc::O_RDONLY && !is_memfd()
}

/// A readable descriptor for the file behind `fd`.
fn reopen(fd: RawFd) -> Result<File, Errno> {
    // SAFETY: plain calls on a descriptor number; what they return is ours.
    unsafe {
        let mode = Errno::check(libc::fcntl(fd, libc::F_GETFL))?;
        if mode & libc::O_PATH != 0 || mode & libc::O_ACCMODE == libc::O_WRONLY {
            let link = CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            let fd = Errno::check(libc::open(link.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
            return Ok(File::from_raw_fd(fd));
        }
        Ok(File::from_raw_fd(Errno::check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0))?))
    }
}

/// execvp's search: a name without a slash is looked for in `path` (the PATH variable; an empty element is the working directory),
/// a permission error is remembered while the search goes on.
pub fn find_in_path(name: &CStr, path: Option<&[u8]>) -> Result<(File, Text), Errno> {
    if name.to_bytes().contains(&b'/') || name.is_empty() {
        return Ok((open_for_exec(libc::AT_FDCWD, name, 0)?, Cow::Owned(name.to_owned())));
    }
    let mut denied = false;
    for dir in path.unwrap_or(b"/bin:/usr/bin").split(|&b| b == b':') {
        let mut full = dir.to_vec();
        if !full.is_empty() {
            full.push(b'/');
        }
        full.extend_from_slice(name.to_bytes());
        let Ok(full) = CString::new(full) else { continue };
        match open_for_exec(libc::AT_FDCWD, &full, 0) {
            Ok(f) => return Ok((f, Cow::Owned(full))),
            Err(Errno(libc::EACCES)) => denied = true,
            Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT)) => {}
            Err(e) => return Err(e),
        }
    }
    Err(Errno(if denied { libc::EACCES } else { libc::ENOENT }))
}
