//! Running one program: from the invocation to the first guest instruction.

use crate::auxv::{self, StackParams};
use crate::cli::{Comm, Gdb, Invocation, Program};
use crate::elf::{ExecError, PAGE};
use crate::errno::Errno;
use crate::gdb::{self, wire, Debugger};
use crate::guest::{self, Guest, Vdso};
use crate::hwcap::Features;
use crate::image::{self, Image, Request, Resolved, Text};
use crate::insight::{perf::Perf, stats::Stats};
use crate::loader::{self, GuestMmap, HostMmap, Label, Layout};
use crate::machine::{Runtime, Vcpu};
use crate::thread::Task;
use crate::{sandbox, signals};
use jit::code::{self, Engine};
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use syscalls::topics::mem::Space;
use syscalls::topics::procfs::{self, Areas};
use syscalls::topics::seccomp;
use syscalls::topics::signal::{self, Actions, ThreadSignals, UNMASKABLE};
use syscalls::{Machine, Process, Thread};

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
    match prepare(&mut inv).and_then(|p| start(inv, p)) {
        Ok(mut task) => {
            keep_to_the_heap();
            task.live()
        }
        Err(e) => fail(&shown, &e),
    }
}

/// One line on stderr; the status that a shell would exit with.
fn fail(name: &str, e: &ExecError) -> i32 {
    eprintln!("run-foreign: {name}: {e}");
    e.exit_status()
}

fn shown_name(inv: &Invocation) -> String {
    match &inv.program {
        Program::Opened { path, .. } => path.to_string_lossy().into_owned(),
        Program::Named { name, .. } => name.to_string_lossy().into_owned(),
    }
}

/// From here on the allocator takes its memory from the heap alone. What it maps would lie where the kernel finds room first, perhaps in a hole that the guest has
/// made to fill it again later, at that address.
fn keep_to_the_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets parameters of the C library's allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // All threads share the first arena: others are mapped.
        libc::mallopt(libc::M_ARENA_MAX, 1);
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
    match image::resolve(req, inv.options.test_native, &mut open)? {
        Resolved::Foreign(image) => {
            match inv.comm {
                Comm::Path => name_task(&execfn),
                Comm::File => name_task(&file_name(&image).unwrap_or(execfn.clone())),
                // Executed by descriptor, the kernel has named the task after the file: ours.
                Comm::Kernel if is_named_after_us(&execfn) => name_task(&file_name(&image).unwrap_or(execfn.clone())),
                Comm::Kernel => {}
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

/// The name of the program's file, as its folder has it.
fn file_name(image: &Image) -> Option<Text> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", image.file.as_raw_fd())).ok()?.into_os_string().into_vec();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(&path);
    Some(Cow::Owned(CString::new(path).ok()?))
}

/// Whether the program was executed by a descriptor (and not by the path that names one), by a kernel that names tasks after files then.
fn is_named_after_us(execfn: &CStr) -> bool {
    let Some(number) = execfn.to_bytes().strip_prefix(b"/dev/fd/") else { return false };
    let mut name = [0u8; 16];
    // SAFETY: the kernel writes 16 bytes at most.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    number.iter().all(u8::is_ascii_digit) && CStr::from_bytes_until_nul(&name).is_ok_and(|n| n.to_bytes() != number)
}

/// Replace this process by a program that needs no translation.
fn exec_native(path: &CStr, inv: &Invocation) -> Errno {
    let ptrs = |v: &[Text]| -> Vec<*const libc::c_char> { v.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect() };
    let (argv, env) = (ptrs(&inv.argv), ptrs(&inv.env));
    // SAFETY: both arrays end with null and their strings live as long as `inv`.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Errno::last()
}

/// Guest memory as the loader maps it.
struct Mapper<'a>(&'a Space);

impl GuestMmap for Mapper<'_> {
    fn map(
        &mut self,
        addr: u64,
        len: u64,
        prot: i32,
        flags: i32,
        file: Option<(RawFd, u64)>,
        label: Label,
    ) -> Result<u64, Errno> {
        if label == Label::Stack {
            // Over a reservation with a guard below, of which the guest's map knows nothing.
            let at = HostMmap.map(addr, len, prot, flags, file, label)?;
            self.0.adopt(at, len, prot as u64);
            return Ok(at);
        }
        let (fd, off) = file.unwrap_or((-1, 0));
        self.0.map(addr, len, prot, flags, fd, off).map_err(|e| Errno(e.0))
    }

    fn unmap(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        self.0.munmap(addr, len, &mut Default::default()).map(drop).map_err(|e| Errno(e.0))
    }
}

/// A program in memory.
struct Loaded {
    space: Space,
    layout: Layout,
    stack: auxv::Stack,
    sigreturn: u64,
}

/// Map the program and make the stack.
fn load(inv: &Invocation, p: &Prepared, guest: &Guest, features: &Features) -> Result<Loaded, Errno> {
    let space = Space::default();
    let mut map = Mapper(&space);
    let random = loader::random_bytes();
    let placed = loader::placement_random();
    let layout = loader::load(&mut map, &p.image, guest.pie, &mut loader::placement_random)?;
    space.set_brk_start(layout.brk);
    let params = StackParams {
        argv: &p.image.argv,
        env: &inv.env,
        execfn: &p.execfn,
        platform: p.image.arch.machine_name(),
        secure: inv.secure,
        hwcap: features.hwcap[0],
        hwcap2: features.hwcap[1],
        vdso: guest.vdso.as_ref().map(|v| adopt_vdso(&space, v)),
        minsigstksz: guest.minsigstksz,
        executable: p.image.elf.executable_stack(),
        random,
        jitter: placed,
    };
    let stack = auxv::build(&mut map, &layout, &params)?;
    space.set_stack(stack.sp);
    let sigreturn = guest.vdso.as_ref().map_or(0, |v| space.vdso().start + v.sigreturn);
    Ok(Loaded { space, layout, stack, sigreturn })
}

/// The guest's vDSO becomes the guest's memory; where it is.
fn adopt_vdso(space: &Space, vdso: &Vdso) -> u64 {
    let at = (&raw const *vdso.image) as u64;
    space.adopt(at, PAGE, (libc::PROT_READ | libc::PROT_EXEC) as u64);
    space.set_vdso(at..at + PAGE);
    at
}

/// Where the kernel would say that things are.
fn areas(loaded: &Loaded) -> Areas {
    let (l, s) = (&loaded.layout, &loaded.stack);
    Areas {
        code: l.start_code..l.end_code,
        data: l.start_data..l.end_data,
        stack: s.sp,
        args: s.arg_start..s.arg_end,
        env: s.env_start..s.env_end,
    }
}

/// Everything up to the first instruction.
fn start(inv: Invocation, p: Prepared) -> Result<Task, ExecError> {
    let guest = guest::of(p.image.arch);
    match auxv::own(libc::AT_PAGESZ) {
        Some(PAGE) | None => {}
        Some(size) => {
            let why = format!("this machine's kernel has pages of {} KiB, and programs for it need 4", size >> 10);
            return Err(ExecError::new(libc::ENOSYS, why));
        }
    }
    let features = (guest.features)(&inv.options.cpu).map_err(|e| ExecError::new(libc::EINVAL, e))?;
    let self_exe = match inv.self_exe {
        None if !inv.by_binfmt => sandbox::keep_own_executable().ok(),
        known => known,
    };
    let stats = inv.options.stats.clone().map(Stats::new);
    let perf = inv.options.perf.map(|kind| &*Box::leak(Box::new(Perf::new(kind))));
    const { assert!(syscalls::topics::mem::LOG2_GRANULE == code::filter::LOG2_GRANULE) };
    let options = code::Options {
        dump_ir: inv.options.dump_ir,
        dump_asm: inv.options.dump_asm,
        cache_bytes: inv.options.test_cache,
        verify: inv.options.test_verify,
        hot: inv.options.test_hot,
        cold: inv.options.test_cold.unwrap_or(code::COLD),
        hidden: features.hidden,
        stats: inv.options.stats.is_some(),
        shown: Some(&syscalls::topics::mem::SHOWN),
        watcher: perf.map(|p| p as &dyn code::Watcher),
        relaxed: inv.options.relaxed,
        ..code::Options::default()
    };
    let engine = Engine::new(guest.isa, options).map_err(|e| ExecError::new(e, "code memory"))?;
    if let Some((fd, number)) = inv.family {
        engine.join_family(fd, number);
    }
    if let Some(limit) = guest.limit {
        loader::keep_below(limit);
    }
    let loaded = load(&inv, &p, guest, &features)?;
    let debugger = match &inv.gdb {
        Some(gdb) => Some(debugger(guest, gdb).map_err(|e| ExecError { errno: e.into(), detail: Some("--gdb".into()) })?),
        None => None,
    };
    let mut process = Process {
        abi: guest.linux,
        options: syscalls::Options { strace: inv.options.strace },
        exe: absolute_path(&p.image),
        self_fd: self_exe.unwrap_or(-1),
        family_fd: engine.family().into(),
        debug_fd: debugger.as_ref().map(|d| d.connection),
        argv: p.image.argv.iter().map(|a| a.to_bytes().to_vec()).collect(),
        auxv: loaded.stack.auxv.clone(),
        sigreturn: loaded.sigreturn,
        features: features.names,
        cpu: features.cpu,
        areas: areas(&loaded),
        ..Process::default()
    };
    process.published = procfs::publish(&process);
    let seccomp = inv.filters.map_or(Ok(seccomp::State::default()), filters)?;
    let runtime = Box::leak(Box::new(Runtime {
        guest,
        engine,
        options: inv.options,
        by_binfmt: inv.by_binfmt,
        self_exe,
        dying: AtomicI32::new(0),
        debugger,
        stats,
        perf,
        users: AtomicUsize::new(1),
        code_epoch: AtomicU64::new(0),
    }));
    Ok(first_task(runtime, process, loaded, seccomp))
}

/// The system-call filters that the program before left in an open file.
fn filters(fd: RawFd) -> Result<seccomp::State, ExecError> {
    let mut bytes = Vec::new();
    // SAFETY: the descriptor was handed to this process for this purpose and nobody else uses it.
    let read = if fd < 0 { Ok(0) } else { unsafe { File::from_raw_fd(fd) }.read_to_end(&mut bytes) };
    let state = read.ok().filter(|&n| n > 0).and_then(|_| seccomp::State::import(&bytes));
    state.ok_or_else(|| ExecError::new(libc::EACCES, "system-call filters"))
}

/// Find gdb, or wait for it.
fn debugger(guest: &'static Guest, gdb: &Gdb) -> std::io::Result<Debugger> {
    let (fd, inherited) = match gdb {
        Gdb::Listen(place) => (wire::accept(place)?, false),
        Gdb::Connected(fd) => (*fd, true),
    };
    Ok(Debugger::new(guest, wire::keep(fd, sandbox::KEPT_FD)?, inherited))
}

/// The main thread, with the signal state that this process inherited.
fn first_task(runtime: &'static Runtime, process: Process, loaded: Loaded, seccomp: seccomp::State) -> Task {
    let signals = ThreadSignals::default();
    let mut inherited = 0u64;
    // SAFETY: reads the mask into `inherited`; then asks for the thread's id.
    let tid = unsafe {
        syscalls::sys::raw(libc::SYS_rt_sigprocmask, [libc::SIG_BLOCK as u64, 0, &raw mut inherited as u64, 8, 0, 0]);
        syscalls::sys::raw(libc::SYS_gettid, [0; 6]) as i32
    };
    signals.inbox.set_mask(inherited & !UNMASKABLE);
    seccomp.set_tid(tid);
    let thread = Thread {
        process: Arc::new(process),
        mem: Arc::new(loaded.space),
        actions: Arc::new(Mutex::new(Actions::default())),
        signals,
        seccomp,
        clear_child_tid: 0,
        tid,
    };
    let mut vcpu = Vcpu::new(runtime, None);
    vcpu.set_context(&(runtime.guest.start)(loaded.layout.start, loaded.stack.sp));
    Task::new(thread, vcpu)
}

impl Task {
    /// The main thread's life. The process lives on without it until its last thread ends.
    fn live(&mut self) -> ! {
        self.enter();
        // From here on signals find their way: first the entries, then the mask.
        *self.thread.actions.lock().unwrap_or_else(|e| e.into_inner()) = Actions::inherit(signals::host_entry());
        signal::settle_mask(&self.thread);
        if let Some(debugger) = self.vcpu.trace {
            self.thread.actions.lock().unwrap_or_else(|e| e.into_inner()).set_debugged(true);
            debugger.begin(&self.vcpu, self.thread.tid, true);
            gdb::server::start(self.vcpu.runtime, debugger, &self.thread);
        }
        let status = self.run();
        crate::task::exit_thread(self, status)
    }
}

/// The program's path for /proc/self/exe.
fn absolute_path(image: &Image) -> Vec<u8> {
    if let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{}", image.file.as_raw_fd())) {
        return path.into_os_string().into_vec();
    }
    let path = image.path.to_bytes();
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    let mut absolute = std::env::current_dir().map(|d| d.into_os_string().into_vec()).unwrap_or_default();
    absolute.push(b'/');
    absolute.extend_from_slice(path.strip_prefix(b"./").unwrap_or(path));
    absolute
}
