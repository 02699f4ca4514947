//! execve and execveat.
//!
//! Where the kernel's binfmt_misc starts foreign programs, the guest's call is the host's call, once the program is checked. Elsewhere a
//! foreign program (or a script that leads to one) is found and checked here, as the kernel would, and our own program is executed in
//! its place with the opened file; `cli` describes the arguments. Every error is found before anything is lost.

use crate::binfmt;
use crate::cli::Restart;
use crate::elf::Arch;
use crate::errno;
use crate::image::{self, Image, Request, Resolved, Text};
use crate::insight;
use crate::machine::{Runtime, Vcpu};
use crate::report::printable;
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::atomic::Ordering;
use syscalls::topics::signal;
use syscalls::topics::task::AT_EXECVE_CHECK;
use syscalls::{sys, Errno, ExecRequest, Flow, Machine, Stop, SysResult, Thread};

/// What the kernel is asked to execute, in the form that it takes. Kept by the thread, because after a vfork somebody else is left to free it.
pub struct Prepared {
    dirfd: RawFd,
    path: CString,
    flags: u64,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// What the pointers point to.
    strings: [Vec<CString>; 3],
    /// The opened program, which must survive the call, our own, if it was opened for this call, and the system-call filters. No owners: a vfork child's
    /// descriptors are not its parent's, who frees the rest of this.
    descriptors: [Option<RawFd>; 3],
}

impl Prepared {
    fn new(dirfd: RawFd, path: CString, flags: u64, front: Vec<CString>, argv: Vec<CString>, envp: Vec<CString>) -> Prepared {
        let end = [ptr::null()];
        let pointers = |v: &[CString]| v.iter().map(|s| s.as_ptr()).collect::<Vec<_>>();
        Prepared {
            dirfd,
            path,
            flags,
            argv: [pointers(&front), pointers(&argv), end.to_vec()].concat(),
            envp: [pointers(&envp), end.to_vec()].concat(),
            strings: [front, argv, envp],
            descriptors: [None; 3],
        }
    }

    /// The request itself, for the kernel to decide.
    fn plain(req: ExecRequest) -> Prepared {
        let (dirfd, path) = match req.target {
            Some(target) => (libc::AT_FDCWD, target),
            None => (req.dirfd, req.path),
        };
        Prepared::new(dirfd, path, req.flags, Vec::new(), req.argv, req.envp)
    }

    /// Whether it will probably succeed: searches along PATH try many a file that isn't there.
    fn likely(&self) -> bool {
        let args = [self.dirfd as u64, self.path.as_ptr() as u64, libc::X_OK as u64, 0, 0, 0];
        // SAFETY: the path is terminated.
        let access = || unsafe { sys::raw(libc::SYS_faccessat, args) };
        self.flags & AT_EXECVE_CHECK as u64 == 0 && (self.path.is_empty() || access() == 0)
    }

    /// The program's name, for people.
    fn shown(&self) -> String {
        // `Restart::argv` has it after the settings.
        printable(self.strings[0].get(2).unwrap_or(&self.path).to_bytes())
    }

    fn args(&self) -> [u64; 6] {
        [self.dirfd as u64, self.path.as_ptr() as u64, self.argv.as_ptr() as u64, self.envp.as_ptr() as u64, self.flags, 0]
    }
}

/// Replace the program. Returns only on failure, or if the request was only to check.
pub fn exec(vcpu: &mut Vcpu, thread: &mut Thread, req: ExecRequest) -> SysResult {
    let debugger = vcpu.trace.filter(|d| d.attached());
    let filters = thread.seccomp.export();
    // Not from a process with more threads: one of them may be about to execute something that must not have it.
    let alone = vcpu.borrower || vcpu.runtime.users.load(Ordering::Relaxed) == 1;
    let family = if alone && filters.is_empty() { vcpu.runtime.engine.family_handle() } else { None };
    let prepared = prepare(vcpu.runtime, req, &filters, debugger.map(|d| d.connection), family)?;
    // Not a local: where this memory is shared, nobody unwinds the stack of a process that has gone on to another program.
    vcpu.exec = Some(prepared);
    let result = vcpu.exec.as_ref().map_or(Ok(0), |prepared| replace(vcpu, thread, prepared));
    if let Some(debugger) = debugger {
        set_close_on_exec(debugger.connection, true)?;
    }
    if let Some((fd, _)) = family {
        let _ = set_close_on_exec(fd, true);
    }
    for fd in vcpu.exec.take().map_or([None; 3], |p| p.descriptors).into_iter().flatten() {
        // SAFETY: opened by `prepare` in this process, and known to nobody else.
        unsafe { libc::close(fd) };
    }
    result
}

/// `gdb`: the connection of a debugger that wants to come along. It can't where the kernel starts the program.
///
/// Where system calls are filtered the kernel's binfmt_misc has no part, and no program of the host's either: nothing but ourselves can keep up
/// the filters. (Rights that a file would give are not given then; a process that may not gain any is what filters mostly are for.)
///
/// `family`: what the program is to share with this one's relatives. Only we can hand it on, so the kernel has no part then either, but for files that
/// give rights.
fn prepare(
    runtime: &Runtime,
    mut req: ExecRequest,
    filters: &[u8],
    gdb: Option<RawFd>,
    family: Option<(RawFd, u64)>,
) -> Result<Prepared, Errno> {
    let all = runtime.options.test_native;
    let by_kernel = runtime.by_binfmt && filters.is_empty() && gdb.is_none() && !all;
    if req.argv.is_empty() {
        // As the kernel has it since 5.18.
        req.argv.push(CString::default());
    }
    if req.flags & AT_EXECVE_CHECK as u64 != 0 {
        return Ok(Prepared::plain(req));
    }
    let (dirfd, opened) = match &req.target {
        Some(target) => (libc::AT_FDCWD, target),
        None => (req.dirfd, &req.path),
    };
    let file = match image::open_for_exec(dirfd, opened, req.flags as i32) {
        // The kernel itself finds the error, or starts what can't be read.
        Err(_) if by_kernel => return Ok(Prepared::plain(req)),
        opened => opened.map_err(ours)?,
    };
    let name = program_name(&req);
    let path_inaccessible = is_relative_to_descriptor(&req) && closes_on_exec(req.dirfd);
    let request = Request {
        file,
        path: Cow::Owned(name.clone()),
        argv: req.argv.iter().map(|a| Cow::Owned(a.clone())).collect(),
        path_inaccessible,
    };
    // The kernel hands us a path, and none can be had through a descriptor that is about to be closed; nor does it know the guest's links.
    let not_for_the_kernel = path_inaccessible || req.target.is_some() || family.is_some();
    let found = if by_kernel { vet(request, not_for_the_kernel)? } else { follow(request, all)? };
    let Some(image) = found else {
        return if filters.is_empty() { Ok(Prepared::plain(req)) } else { Err(Errno::ENOEXEC) };
    };
    let (own, self_fd) = match own_program(runtime) {
        Err(_) if by_kernel => return Ok(Prepared::plain(req)),
        own => own?,
    };
    set_close_on_exec(image.file.as_raw_fd(), false)?;
    if let Some(gdb) = gdb {
        set_close_on_exec(gdb, false)?;
    }
    let family = family.filter(|&(fd, _)| set_close_on_exec(fd, false).is_ok());
    let filters = if filters.is_empty() { None } else { Some(keep_filters(filters)?) };
    let restart = Restart {
        fd: image.file.as_raw_fd(),
        self_exe: runtime.self_exe,
        by_binfmt: runtime.by_binfmt,
        by_descriptor: req.path.is_empty(),
        filters: filters.as_ref().map(File::as_raw_fd),
        family,
        options: &runtime.options,
        gdb,
        path: &image.path,
        execfn: &name,
    };
    let front = restart.argv();
    let argv = image.argv.into_iter().map(Text::into_owned).collect();
    let prepared = Prepared::new(self_fd, CString::default(), libc::AT_EMPTY_PATH as u64, front, argv, req.envp);
    let descriptors = [Some(image.file.into_raw_fd()), own.map(File::into_raw_fd), filters.map(File::into_raw_fd)];
    Ok(Prepared { descriptors, ..prepared })
}

/// The program for us that a request leads to, if it does. `all`: those of this machine are.
fn follow(request: Request, all: bool) -> Result<Option<Box<Image>>, Errno> {
    let mut open = |p: &CStr| image::open_for_exec(libc::AT_FDCWD, p, 0);
    match image::resolve(request, all, &mut open).map_err(|e| ours(e.errno))? {
        Resolved::Native => Ok(None),
        Resolved::Foreign(image) => Ok(Some(image)),
    }
}

/// Where binfmt_misc starts us, the kernel does not look into foreign programs before the old one is gone. What it would find natively is
/// found here. Files that are not ours to judge are left to the kernel: those of other machines, and those that can't be read. Returned is
/// only what the kernel's way is known to fail for, or all programs for us (`not_for_the_kernel`).
fn vet(request: Request, not_for_the_kernel: bool) -> Result<Option<Box<Image>>, Errno> {
    let opened = Cell::new(0);
    let claimed = Cell::new(binfmt::claims(&request.file, Arch::FOREIGN));
    let unreadable = Cell::new(false);
    let mut open = |p: &CStr| {
        let file = image::open_for_exec(libc::AT_FDCWD, p, 0)
            .inspect_err(|_| unreadable.set(image::may_execute(libc::AT_FDCWD, p, 0).is_ok()))?;
        claimed.set(binfmt::claims(&file, Arch::FOREIGN));
        opened.set(opened.get() + 1);
        Ok(file)
    };
    match image::resolve(request, false, &mut open) {
        Err(e) if !unreadable.get() && (claimed.get() || e.errno.0 != libc::ENOEXEC) => Err(ours(e.errno)),
        Ok(Resolved::Foreign(image)) => {
            // We count as an interpreter, too.
            let scripts = opened.get() - usize::from(image.interp.is_some());
            Ok(((not_for_the_kernel || scripts == image::MAX_DEPTH) && !gives_rights(&image.file)).then_some(image))
        }
        _ => Ok(None),
    }
}

/// Whether the kernel would give the process more rights for this file: only it can.
fn gives_rights(file: &File) -> bool {
    // SAFETY: the name is terminated; nothing is written to a buffer without size.
    let capabilities = unsafe { libc::fgetxattr(file.as_raw_fd(), c"security.capability".as_ptr(), ptr::null_mut(), 0) };
    capabilities > 0 || file.metadata().is_ok_and(|m| m.mode() & (libc::S_ISUID | libc::S_ISGID) != 0)
}

fn ours(e: errno::Errno) -> Errno {
    Errno(e.0)
}

fn is_relative_to_descriptor(req: &ExecRequest) -> bool {
    req.dirfd != libc::AT_FDCWD && !req.path.to_bytes().starts_with(b"/")
}

/// The name that scripts are handed and AT_EXECFN tells: the path, with a descriptor before it spelled out.
fn program_name(req: &ExecRequest) -> CString {
    if !is_relative_to_descriptor(req) {
        return req.path.clone();
    }
    let mut name = format!("/dev/fd/{}", req.dirfd).into_bytes();
    if !req.path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(req.path.to_bytes());
    }
    CString::new(name).unwrap_or_default()
}

fn closes_on_exec(fd: RawFd) -> bool {
    // SAFETY: asks about a descriptor.
    let flags = unsafe { sys::raw(libc::SYS_fcntl, [fd as u64, libc::F_GETFD as u64, 0, 0, 0, 0]) };
    flags > 0 && flags & libc::FD_CLOEXEC as i64 != 0
}

fn set_close_on_exec(fd: RawFd, on: bool) -> Result<(), Errno> {
    let flags = if on { libc::FD_CLOEXEC as u64 } else { 0 };
    // SAFETY: changes the flags of a descriptor of ours.
    unsafe { sys::call(libc::SYS_fcntl, [fd as u64, libc::F_SETFD as u64, flags, 0, 0, 0]) }.map(drop)
}

/// A descriptor of our own program: the one that is kept for this, or a new one.
fn own_program(runtime: &Runtime) -> Result<(Option<File>, RawFd), Errno> {
    if let Some(fd) = runtime.self_exe {
        return Ok((None, fd));
    }
    // Without either, foreign programs can't be executed: what a kernel without binfmt_misc says.
    let file = File::open("/proc/self/exe").map_err(|_| Errno::ENOEXEC)?;
    let fd = file.as_raw_fd();
    Ok((Some(file), fd))
}

/// A file without a name that the next program reads the filters from.
fn keep_filters(filters: &[u8]) -> Result<File, Errno> {
    // SAFETY: the name is terminated; the new descriptor is nobody else's.
    let mut file = unsafe {
        match libc::memfd_create(c"seccomp".as_ptr(), libc::MFD_CLOEXEC) {
            fd if fd < 0 => return Err(ours(errno::Errno::last())),
            fd => File::from_raw_fd(fd),
        }
    };
    file.write_all(filters).and_then(|()| file.rewind()).map_err(|_| Errno::ENOMEM)?;
    set_close_on_exec(file.as_raw_fd(), false)?;
    Ok(file)
}

/// Signals that the inbox holds for the guest's mask are pending for the next program. The host's mask is the guest's by now.
fn hand_back(thread: &Thread) {
    while let Some(info) = thread.signals.inbox.take_sent(!0) {
        // SAFETY: reads `info`; the signal is blocked. If the exec fails, it comes back through the entry.
        unsafe {
            let pid = sys::raw(libc::SYS_getpid, [0; 6]) as u64;
            let args = [pid, thread.tid as u64, info.signo as u64, &raw const info as u64, 0, 0];
            sys::raw(libc::SYS_rt_tgsigqueueinfo, args);
        }
    }
}

/// The call itself, with the signal state that the next program is to inherit.
fn replace(vcpu: &Vcpu, thread: &Thread, prepared: &Prepared) -> SysResult {
    let actions = thread.actions.clone();
    actions.lock().unwrap_or_else(|e| e.into_inner()).before_exec();
    let mask = thread.signals.mask();
    let pending = vcpu.pending();
    let mut abandoned = false;
    // SAFETY: `mask` and what `prepared` holds are alive; a successful exec does not return, and leaves this memory to others unharmed.
    let result = unsafe {
        match sys::interruptible(
            pending,
            libc::SYS_rt_sigprocmask,
            [libc::SIG_SETMASK as u64, &raw const mask as u64, 0, 8, 0, 0],
        ) {
            0 => {
                hand_back(thread);
                let likely = prepared.likely();
                if likely {
                    insight::end(vcpu, thread, &|| format!("goes on to {}", prepared.shown()));
                }
                abandoned = likely && vcpu.abandon_code();
                sys::interruptible(pending, libc::SYS_execveat, prepared.args())
            }
            refused => refused,
        }
    };
    if abandoned {
        vcpu.take_code_back();
    }
    signal::settle_mask(thread);
    actions.lock().unwrap_or_else(|e| e.into_inner()).after_failed_exec();
    match result {
        0 => Ok(0),
        r if r == -sys::ERESTARTSYS || r == -sys::ERESTARTNOINTR => Err(Stop::Flow(Flow::Repeat)),
        e => Err(Errno(-e as i32).into()),
    }
}
