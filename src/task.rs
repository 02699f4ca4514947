//! Creating and ending threads and processes.
//!
//! A guest thread is a host thread of its own. A fork is the host's fork, with the runtime's locks held. A process that shares memory with its
//! creator (vfork, posix_spawn) runs on a fresh host stack in the same memory, the C library's per-thread data included; that is sound because the
//! creating host thread sleeps until the child has gone on to another program or has ended. Where the guest doesn't ask for that
//! sleep, a host thread made for the purpose sleeps instead.

use crate::host;
use crate::insight;
use crate::machine::{Code, Runtime, Vcpu};
use crate::robust;
use crate::signals;
use crate::thread::Task;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use syscalls::topics::signal;
use syscalls::{sys, CloneArgs, Errno, GuestAddr, Machine, SysResult, Thread};

/// Enough for the translator; guests have stacks of their own.
const STACK: usize = 256 << 10;
/// clone3's flags beyond 32 bits.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
const CLONE_NEWTIME: u64 = 0x80;

const fn flag(f: i32) -> u64 {
    f as u32 as u64
}

const VM: u64 = flag(libc::CLONE_VM);
const VFORK: u64 = flag(libc::CLONE_VFORK);
const SIGHAND: u64 = flag(libc::CLONE_SIGHAND);
const THREAD: u64 = flag(libc::CLONE_THREAD);
const SETTLS: u64 = flag(libc::CLONE_SETTLS);
const PIDFD: u64 = flag(libc::CLONE_PIDFD);
const PARENT_SETTID: u64 = flag(libc::CLONE_PARENT_SETTID);
const CHILD_SETTID: u64 = flag(libc::CLONE_CHILD_SETTID);
const CHILD_CLEARTID: u64 = flag(libc::CLONE_CHILD_CLEARTID);
/// What a thread can have of its own, by unshare in the new thread.
const THREAD_NAMESPACES: u64 =
    flag(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC | libc::CLONE_NEWNET | libc::CLONE_NEWCGROUP);

/// What can be new to a thread or process.
const NAMESPACES: u64 = THREAD_NAMESPACES | flag(libc::CLONE_NEWUSER | libc::CLONE_NEWPID);

/// clone, in all its forms, with every signal blocked.
pub fn clone(vcpu: &mut Vcpu, thread: &mut Thread, args: &CloneArgs) -> SysResult {
    let has = |f: u64| args.flags & f != 0;
    if has(NAMESPACES) {
        vcpu.leave_family(thread);
    } else if !has(THREAD) {
        vcpu.found_family(thread);
    }
    let result = match (has(THREAD), has(VM)) {
        (true, _) => start_thread(vcpu, thread, args),
        (false, true) if has(VFORK) && !vfork_copies() => start_sharing(vcpu, thread, args),
        (false, true) if has(VFORK) => fork(vcpu, thread, &CloneArgs { flags: args.flags & !(VM | VFORK), ..*args }),
        (false, true) => start_sharing_unawaited(vcpu, thread, args),
        (false, false) => fork(vcpu, thread, args),
    };
    Ok(result?)
}

/// Whether the kernel is an emulator for which vfork is a fork: such a child writes to the translations that both have, and to a copy of what is known of
/// them. (QEMU is one, and the only one known to refuse robust lists, which every kernel has.)
fn vfork_copies() -> bool {
    static COPIES: OnceLock<bool> = OnceLock::new();
    // SAFETY: a list of a wrong size changes nothing.
    *COPIES.get_or_init(|| unsafe { sys::raw(libc::SYS_set_robust_list, [0; 6]) } == -i64::from(libc::ENOSYS))
}

/// The new task as clone's arguments have it; it returns 0 from the call.
fn new_task(vcpu: &Vcpu, thread: &Thread, args: &CloneArgs) -> Task {
    let has = |f: u64| args.flags & f != 0;
    let actions = match has(SIGHAND) {
        true => thread.actions.clone(),
        false => Arc::new(Mutex::new(thread.actions.lock().unwrap_or_else(|e| e.into_inner()).clone())),
    };
    let child = Thread {
        process: thread.process.clone(),
        mem: thread.mem.clone(),
        actions,
        signals: thread.signals.child(!has(VFORK)),
        seccomp: thread.seccomp.child(has(THREAD)),
        clear_child_tid: if has(CHILD_CLEARTID) { args.child_tid } else { 0 },
        tid: 0,
    };
    let mut cpu = Vcpu::new(vcpu.runtime, Some(vcpu));
    set_registers(&mut cpu, args);
    cpu.leader = !has(THREAD);
    if !has(THREAD) {
        // What a process starts runs free.
        cpu.trace = None;
    }
    cpu.borrower |= !has(THREAD);
    Task::new(child, cpu)
}

fn set_registers(vcpu: &mut Vcpu, args: &CloneArgs) {
    vcpu.set_result(0);
    if args.sp != 0 {
        vcpu.set_sp(args.sp);
    }
    if args.flags & SETTLS != 0 {
        vcpu.set_tls(args.tls);
    }
}

/// The calling host thread's id.
fn gettid() -> i32 {
    // SAFETY: asks for a number.
    unsafe { sys::raw(libc::SYS_gettid, [0; 6]) as i32 }
}

/// Something that one host thread tells another: a positive id or a negative error.
struct Word(AtomicI32);

impl Word {
    fn new() -> Arc<Word> {
        Arc::new(Word(AtomicI32::new(0)))
    }

    fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    fn set(&self, value: i32) {
        self.0.store(value, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // SAFETY: the kernel only uses the address as a name.
        unsafe { sys::raw(libc::SYS_futex, [self.address(), libc::FUTEX_WAKE as u64, 1, 0, 0, 0]) };
    }

    fn wait(&self) -> Result<u64, Errno> {
        loop {
            match self.0.load(Ordering::Acquire) {
                0 => {
                    // SAFETY: the kernel reads the word, which is alive.
                    unsafe { sys::raw(libc::SYS_futex, [self.address(), libc::FUTEX_WAIT as u64, 0, 0, 0, 0]) };
                }
                e if e < 0 => return Err(Errno(-e)),
                id => return Ok(id as u64),
            }
        }
    }
}

/// A host thread that blocks every signal, as its creator does and goes on doing.
///
/// A process's first one has the C library take SIGSETXID for itself and let it through in the creator and, by inheritance, in the new thread: put
/// back what the guest has for it before either of them runs the guest.
fn host_thread(thread: &Thread, body: impl FnOnce() + Send + 'static) -> std::io::Result<std::thread::JoinHandle<()>> {
    const SIGSETXID: i32 = 33;
    let actions = thread.actions.clone();
    let body = move || {
        signal::host_mask(signal::ALL);
        actions.lock().unwrap_or_else(|e| e.into_inner()).reinstall(SIGSETXID);
        drop(actions);
        body()
    };
    signals::making_thread(|| std::thread::Builder::new().stack_size(STACK).spawn(body))
}

/// A thread.
fn start_thread(vcpu: &Vcpu, thread: &Thread, args: &CloneArgs) -> Result<u64, Errno> {
    if args.set_tid != 0 || args.flags & CLONE_INTO_CGROUP != 0 {
        return Err(Errno::EINVAL);
    }
    vcpu.runtime.engine.share_memory();
    let mut task = new_task(vcpu, thread, args);
    let word = Word::new();
    let (told, args) = (word.clone(), *args);
    vcpu.runtime.users.fetch_add(1, Ordering::Relaxed);
    let host = host_thread(thread, move || {
        task.thread.tid = gettid();
        task.thread.seccomp.set_tid(task.thread.tid);
        if let Err(e) = thread_pidfd(&args, task.thread.tid).and_then(|()| become_own(&args)) {
            task.vcpu.runtime.users.fetch_sub(1, Ordering::Relaxed);
            return told.set(-e.0);
        }
        for (flag, address) in [(CHILD_SETTID, args.child_tid), (PARENT_SETTID, args.parent_tid)] {
            if args.flags & flag != 0 {
                // As in the kernel, a bad address is the guest's loss.
                let _ = GuestAddr(address).write(task.thread.tid);
            }
        }
        task.enter();
        robust::forget();
        if let Some(debugger) = task.vcpu.trace {
            debugger.begin(&task.vcpu, task.thread.tid, false);
        }
        told.set(task.thread.tid);
        drop(told);
        signal::restore_mask(&task.thread);
        let status = task.run();
        end_thread(task, status);
    });
    let host = host.map_err(|e| {
        vcpu.runtime.users.fetch_sub(1, Ordering::Relaxed);
        Errno(e.raw_os_error().unwrap_or(libc::EAGAIN))
    })?;
    let result = word.wait();
    if args.flags & VFORK != 0 {
        let _ = host.join();
    }
    result
}

/// CLONE_PIDFD: a descriptor of the new thread, which makes it while the creator's descriptors are still its own. Kernels before 6.9 know none.
fn thread_pidfd(args: &CloneArgs, tid: i32) -> Result<(), Errno> {
    const PIDFD_THREAD: u64 = libc::O_EXCL as u64;
    if args.flags & PIDFD == 0 {
        return Ok(());
    }
    // SAFETY: makes a descriptor, or closes it.
    unsafe {
        let fd = sys::call(libc::SYS_pidfd_open, [tid as u64, PIDFD_THREAD, 0, 0, 0, 0])?;
        GuestAddr(args.pidfd).write(fd as u32).inspect_err(|_| {
            sys::raw(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
        })
    }
}

/// What the new thread doesn't share with its creator.
fn become_own(args: &CloneArgs) -> Result<(), Errno> {
    let shared = flag(libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_SYSVSEM);
    let own = !args.flags & shared | args.flags & THREAD_NAMESPACES;
    if own != 0 {
        // SAFETY: detaches the thread from what it shares; touches no memory.
        unsafe { sys::call(libc::SYS_unshare, [own, 0, 0, 0, 0, 0]) }?;
    }
    Ok(())
}

/// A guest thread has exited; its host thread is about to return. Signals are blocked.
fn end_thread(mut task: Task, status: i32) {
    if task.vcpu.leader {
        // The thread forked, and this is the child.
        exit_thread(&mut task, status);
    }
    if let Some(debugger) = task.vcpu.trace {
        debugger.leave(task.thread.tid, status);
    }
    // As the kernel does it, but while the host thread still needs its own stack: first the locks, then the word that a join waits for.
    robust::release(task.thread.tid);
    let address = task.thread.clear_child_tid;
    signals::set_current(std::ptr::null());
    task.vcpu.runtime.users.fetch_sub(1, Ordering::Relaxed);
    // The word may be gone by now, which is found out by a fault.
    signals::leave_signal_stack();
    drop(task);
    if address != 0 && GuestAddr(address).write(0u32).is_ok() {
        // SAFETY: the kernel only uses the address as a name.
        unsafe { sys::raw(libc::SYS_futex, [GuestAddr(address).host(), libc::FUTEX_WAKE as u64, 1, 0, 0, 0]) };
    }
}

/// End the host thread at once: it is the first of its process (which ends with its last thread). Signals are blocked.
pub fn exit_thread(task: &mut Task, status: i32) -> ! {
    if let Some(debugger) = task.vcpu.trace {
        debugger.leave(task.thread.tid, status);
    }
    insight::end_thread(&task.vcpu, &task.thread, &|| format!("exit {status}"));
    task.vcpu.abandon_code();
    task.thread.seccomp.leave();
    if !task.vcpu.borrower {
        task.vcpu.runtime.users.fetch_sub(1, Ordering::Relaxed);
    }
    let address = GuestAddr(task.thread.clear_child_tid).host();
    loop {
        // SAFETY: the kernel clears the guest's word when the thread is gone; ends the thread.
        unsafe {
            sys::raw(libc::SYS_set_tid_address, [address, 0, 0, 0, 0, 0]);
            sys::raw(libc::SYS_exit, [status as u64, 0, 0, 0, 0, 0]);
        }
    }
}

/// A process with a copy of the memory. Returns twice.
fn fork(vcpu: &mut Vcpu, thread: &mut Thread, args: &CloneArgs) -> Result<u64, Errno> {
    let runtime: &'static Runtime = vcpu.runtime;
    let actions = thread.actions.clone();
    let space = thread.mem.clone();
    runtime.engine.fork_ahead(&Code::new(space.clone(), runtime));
    let mut actions = actions.lock().unwrap_or_else(|e| e.into_inner());
    let filtered = thread.seccomp.group();
    let frozen = filtered.freeze();
    runtime.engine.fork_prepare();
    let space = space.lock_for_fork();
    let debugger = runtime.debugger.as_ref().map(|d| d.fork_prepare());
    let result = host_fork(args);
    drop(debugger);
    if !matches!(result, Ok(0)) {
        space.parent();
        match result {
            Ok(_) => runtime.engine.fork_parent(),
            Err(_) => runtime.engine.fork_failed(),
        }
        let pid = result?;
        if args.flags & PARENT_SETTID != 0 {
            let _ = GuestAddr(args.parent_tid).write(pid as u32);
        }
        return Ok(pid);
    }
    space.child();
    drop(frozen);
    runtime.engine.fork_child(vcpu.cpu_mut());
    if args.flags & CLONE_CLEAR_SIGHAND != 0 {
        actions.clear_handlers();
    }
    vcpu.leader = true;
    vcpu.borrower = false;
    if let Some(debugger) = &runtime.debugger {
        vcpu.trace = None;
        debugger.forked(runtime);
    }
    if let Some(stats) = &runtime.stats {
        stats.begin();
    }
    runtime.users.store(1, Ordering::Relaxed);
    set_registers(vcpu, args);
    thread.tid = gettid();
    signals::rename_current(thread.tid);
    thread.seccomp.after_fork(thread.tid);
    thread.clear_child_tid = if args.flags & CHILD_CLEARTID != 0 { args.child_tid } else { 0 };
    thread.signals.inbox.discard(!0);
    robust::forget();
    if args.flags & CHILD_SETTID != 0 {
        let _ = GuestAddr(args.child_tid).write(thread.tid);
    }
    Ok(0)
}

/// The host's fork. The plain one is the C library's, because it alone can make its locks whole in the child of a process with threads.
fn host_fork(args: &CloneArgs) -> Result<u64, Errno> {
    #[cfg(target_env = "musl")]
    let _whole = crate::heap::hold();
    let ours = SETTLS | PARENT_SETTID | CHILD_SETTID | CHILD_CLEARTID | CLONE_CLEAR_SIGHAND;
    let flags = args.flags & !ours;
    if flags == 0 && args.exit_signal == libc::SIGCHLD as u64 && args.set_tid == 0 {
        // SAFETY: the runtime's locks are held, so both sides find everything whole.
        return match unsafe { libc::fork() } {
            -1 => Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN))),
            pid => Ok(pid as u64),
        };
    }
    // SAFETY: without CLONE_VM the child goes on with a copy of this stack.
    unsafe { host_clone(flags, args, 0, 0, |nr, args| sys::call(nr, args)) }
}

/// clone3's structure.
#[repr(C)]
struct Clone3 {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Call clone, or clone3 where only that can say it: sandboxes often refuse clone3. `stack` is its top, or 0. `parent_tid`: where the kernel
/// is to store the child's id if `flags` says so.
///
/// # Safety
/// `call` makes the system call; the child must have a stack to go on with.
unsafe fn host_clone(
    flags: u64,
    args: &CloneArgs,
    stack: u64,
    parent_tid: u64,
    call: impl Fn(i64, [u64; 6]) -> Result<u64, Errno>,
) -> Result<u64, Errno> {
    let address = |a: u64| GuestAddr(a).host();
    let child_tid = address(args.child_tid);
    let newer =
        flags & (CLONE_INTO_CGROUP | CLONE_NEWTIME) != 0 || args.set_tid != 0 || flags & PIDFD != 0 && flags & PARENT_SETTID != 0;
    if !newer {
        let third = if flags & PIDFD != 0 { address(args.pidfd) } else { parent_tid };
        return call(libc::SYS_clone, host::clone_args(flags | args.exit_signal, stack, third, child_tid));
    }
    let (stack, stack_size) = if stack == 0 { (0, 0) } else { (stack - STACK as u64, STACK as u64) };
    let all = Clone3 {
        flags,
        pidfd: address(args.pidfd),
        child_tid,
        parent_tid,
        exit_signal: args.exit_signal,
        stack,
        stack_size,
        tls: 0,
        set_tid: address(args.set_tid),
        set_tid_size: args.set_tid_size,
        cgroup: args.cgroup,
    };
    call(libc::SYS_clone3, [&raw const all as u64, size_of::<Clone3>() as u64, 0, 0, 0, 0])
}

/// A host stack with a guard below.
struct Stack {
    base: *mut libc::c_void,
}

const GUARD: usize = 4096;

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a fresh mapping, and a guard inside of it.
        unsafe {
            let base = libc::mmap(std::ptr::null_mut(), STACK + GUARD, libc::PROT_READ | libc::PROT_WRITE, kind, -1, 0);
            if base == libc::MAP_FAILED {
                return Err(Errno::EAGAIN);
            }
            libc::mprotect(base, GUARD, libc::PROT_NONE);
            Ok(Stack { base })
        }
    }

    /// Let a child that starts on it call `f(argument)`; its initial stack pointer.
    fn prepare(&mut self, f: host::Entry<Start>, argument: *mut Start) -> u64 {
        // SAFETY: the end of the mapping.
        unsafe { host::child_stack(self.base as u64 + (STACK + GUARD) as u64, f, argument) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`; whoever ran on it is gone.
        unsafe { libc::munmap(self.base, STACK + GUARD) };
    }
}

/// What a process on shared memory starts with. It belongs to the sleeper, who drops it.
struct Start {
    task: Task,
    word: Option<Arc<Word>>,
    /// CLONE_CLEAR_SIGHAND: the host's table is made from ours.
    clear_handlers: bool,
}

/// The first function of a process on shared memory.
extern "C" fn begin(start: *mut Start) -> ! {
    // SAFETY: the sleeper keeps it alive and away from others until this process has left the memory.
    let start = unsafe { &mut *start };
    if let Some(word) = &start.word {
        // The kernel has stored the id.
        word.wake();
    }
    let task = &mut start.task;
    task.thread.tid = gettid();
    task.thread.seccomp.set_tid(task.thread.tid);
    task.enter();
    if start.clear_handlers {
        task.thread.actions.lock().unwrap_or_else(|e| e.into_inner()).clear_handlers();
    }
    signal::restore_mask(&task.thread);
    let status = task.run();
    exit_thread(task, status)
}

/// vfork and its like: the calling thread sleeps until the child has left the memory.
fn start_sharing(vcpu: &Vcpu, thread: &Thread, args: &CloneArgs) -> Result<u64, Errno> {
    let start = Start { task: new_task(vcpu, thread, args), word: None, clear_handlers: args.flags & CLONE_CLEAR_SIGHAND != 0 };
    sleep_for(start, args, args.flags, GuestAddr(args.parent_tid).host())
}

/// A process on shared memory that its creator doesn't wait for.
fn start_sharing_unawaited(vcpu: &Vcpu, thread: &Thread, args: &CloneArgs) -> Result<u64, Errno> {
    vcpu.runtime.engine.share_memory();
    let task = new_task(vcpu, thread, args);
    // For good: the memory may outlive this process.
    vcpu.runtime.users.fetch_add(1, Ordering::Relaxed);
    let word = Word::new();
    let (told, child_args) = (word.clone(), *args);
    let sleeper = host_thread(thread, move || {
        let address = told.address();
        let clear_handlers = child_args.flags & CLONE_CLEAR_SIGHAND != 0;
        let start = Start { task, word: Some(told.clone()), clear_handlers };
        let result = sleep_for(start, &child_args, child_args.flags | VFORK | PARENT_SETTID, address);
        if let Err(e) = result {
            told.set(-e.0);
        }
    });
    sleeper.map_err(|_| Errno::EAGAIN)?;
    let pid = word.wait()?;
    if args.flags & PARENT_SETTID != 0 {
        let _ = GuestAddr(args.parent_tid).write(pid as u32);
    }
    Ok(pid)
}

/// Start the child and sleep until it has left this memory.
fn sleep_for(start: Start, args: &CloneArgs, flags: u64, parent_tid: u64) -> Result<u64, Errno> {
    let mut stack = Stack::new()?;
    let mut start = Box::new(start);
    let sp = stack.prepare(begin, &raw mut *start);
    // The child makes itself the current guest thread, in thread-local data that is the sleeper's, too: not even a fault signal that
    // somebody sends may look there before that is undone.
    signal::host_mask(!0);
    let current = signals::current();
    // SAFETY: the child goes on with the prepared stack; it and `start` live until the child has left this memory, because the call
    // returns no sooner (CLONE_VFORK).
    let result = unsafe {
        host_clone(flags & !(SETTLS | CLONE_CLEAR_SIGHAND), args, sp, parent_tid, |nr, args| {
            match host::rf_clone(nr as u64, &args) {
                r if r < 0 => Err(Errno(-r as i32)),
                r => Ok(r as u64),
            }
        })
    };
    signals::set_current(current);
    signal::host_mask(signal::ALL);
    result
}
