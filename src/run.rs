//! Running one program: from the invocation to the mapped image.

use crate::auxv::{self, Stack, StackParams};
use crate::cli::{self, Invocation, Program};
use crate::elf::{Arch, ExecError};
use crate::errno::Errno;
use crate::image::{self, Image, Request, Resolved, Text};
use crate::loader::{self, HostMmap, Layout};
use crate::sandbox;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::FromRawFd;

/// A program found and checked, in the environment that it is to run in.
pub struct Prepared {
    /// The program.
    pub image: Image,
    /// AT_EXECFN.
    pub execfn: Text,
}

/// Run a program; returns only with the status to exit with.
pub fn run(mut inv: Invocation) -> i32 {
    let shown = shown_name(&inv);
    match prepare(&mut inv) {
        Ok(p) => match map(&p, &inv) {
            Ok((layout, stack)) => {
                let place = format!("not built yet (entry {:#x}, stack {:#x})", layout.start, stack.sp);
                fail(&shown, &ExecError::new(libc::ENOSYS, place))
            }
            Err(e) => fail(&shown, &ExecError { errno: e, detail: Some("can't be mapped".into()) }),
        },
        Err(e) => fail(&shown, &e),
    }
}

/// Map the program and build its stack.
fn map(p: &Prepared, inv: &Invocation) -> Result<(Layout, Stack), Errno> {
    let layout = loader::load(&mut HostMmap, &p.image, &mut loader::placement_random)?;
    let params = StackParams {
        argv: &p.image.argv,
        env: &inv.env,
        execfn: &p.execfn,
        secure: inv.secure,
        hwcap: 0,
        hwcap2: 0,
        vdso: None,
        minsigstksz: auxv::ARM64_MINSIGSTKSZ,
        executable: p.image.elf.executable_stack(),
        random: loader::random_bytes(),
        jitter: loader::placement_random(),
    };
    let stack = auxv::build(&mut HostMmap, &layout, &params)?;
    Ok((layout, stack))
}

/// One line on stderr; the status that a shell would exit with.
fn fail(name: &str, e: &ExecError) -> i32 {
    cli::complain(&format!("run-foreign: {name}: {e}"));
    e.exit_status()
}

fn shown_name(inv: &Invocation) -> String {
    match &inv.program {
        Program::Opened { path, .. } => path.to_string_lossy().into_owned(),
        Program::Named { name, .. } => name.to_string_lossy().into_owned(),
    }
}

/// Enter the root, find the program, follow scripts and check everything that the kernel would. A program of this machine replaces us.
pub fn prepare(inv: &mut Invocation) -> Result<Prepared, ExecError> {
    if let Some(root) = &inv.root {
        inv.self_exe = Some(sandbox::keep_own_executable()?);
        sandbox::enter(root)?;
    }
    let (file, path) = open_program(inv)?;
    let execfn = inv.execfn.clone().unwrap_or_else(|| path.clone());
    let req = Request { file, path, argv: inv.argv.clone(), path_inaccessible: false };
    let mut open = |p: &CStr| image::open_for_exec(libc::AT_FDCWD, p, 0);
    match image::resolve(req, Arch::GUEST, &mut open)? {
        Resolved::Foreign(image) => {
            if !inv.by_binfmt {
                name_task(&execfn);
            }
            Ok(Prepared { image: *image, execfn })
        }
        Resolved::Native => Err(exec_native(&execfn, inv).into()),
    }
}

fn open_program(inv: &Invocation) -> Result<(File, Text), Errno> {
    match &inv.program {
        // SAFETY: the descriptor was handed to this process for this purpose and nobody else uses it.
        Program::Opened { fd, path } => Ok((unsafe { File::from_raw_fd(*fd) }, path.clone())),
        Program::Named { name, here_too } => {
            let path = inv.env.iter().find_map(|e| e.to_bytes().strip_prefix(b"PATH="));
            match image::find_in_path(name, path) {
                Err(Errno(libc::ENOENT)) if *here_too && !name.to_bytes().contains(&b'/') => {
                    let here = CString::new([b"./", name.to_bytes()].concat()).unwrap_or_default();
                    Ok((image::open_for_exec(libc::AT_FDCWD, &here, 0)?, Cow::Owned(here)))
                }
                found => found,
            }
        }
    }
}

/// The task's name is the last part of the path, as execve sets it.
fn name_task(path: &CStr) {
    let name = path.to_bytes_with_nul().rsplit(|&b| b == b'/').next().unwrap_or(b"\0");
    // SAFETY: the string is terminated; the kernel takes 15 bytes of it.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Replace this process by a program that needs no translation.
fn exec_native(path: &CStr, inv: &Invocation) -> Errno {
    let ptrs = |v: &[Text]| -> Vec<*const libc::c_char> { v.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect() };
    let (argv, env) = (ptrs(&inv.argv), ptrs(&inv.env));
    // SAFETY: both arrays end with null and their strings live as long as `inv`.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Errno::last()
}
