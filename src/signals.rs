//! The entry for host signals, and death by one.
//!
//! The entry runs between any two host instructions of a thread. It does no more than note what happened in the thread's [`Anchor`] and
//! say where the thread is to go on; `syscalls::topics::signal` tells the rest of the story.

use crate::faults;
use crate::host::{self, Frame};
use jit::code::{Engine, FaultAction};
use jit::cpu::Cpu;
use libc::{siginfo_t, ucontext_t};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering;
use syscalls::sys;
use syscalls::topics::signal::{self, bit, HostEntry, Inbox, Posted, SigInfo, SYNCHRONOUS};

/// A fault of translated code, as the host reported it.
#[derive(Clone, Copy, Debug)]
pub struct HostFault {
    /// What the kernel said.
    pub info: SigInfo,
    /// The access was a write (for SIGSEGV).
    pub write: bool,
}

/// What the entry needs to know of the thread that it interrupts.
pub struct Anchor {
    cpu: *mut Cpu,
    engine: &'static Engine,
    inbox: *const Inbox,
    fault: Cell<Option<HostFault>>,
    tid: Cell<i32>,
}

thread_local! {
    /// The guest thread that runs on this host thread. Without a destructor and in static storage, so that a signal handler may look.
    static CURRENT: Cell<*const Anchor> = const { Cell::new(ptr::null()) };
    /// See [`making_thread`].
    static MAKING: Cell<bool> = const { Cell::new(false) };
}

impl Anchor {
    /// For a thread with this CPU and inbox, which must outlive it.
    pub fn new(cpu: *mut Cpu, engine: &'static Engine, inbox: *const Inbox) -> Box<Anchor> {
        Box::new(Anchor { cpu, engine, inbox, fault: Cell::new(None), tid: Cell::new(0) })
    }

    /// Be known by the CPU, under this thread id.
    pub fn name(&self, tid: i32) {
        self.tid.set(tid);
        // SAFETY: the CPU is alive, and its owner, who calls this, is outside of translated code.
        unsafe { (*self.cpu).user = self as *const Anchor as u64 };
    }

    /// The thread id.
    pub fn tid(&self) -> i32 {
        self.tid.get()
    }

    /// Take the fault that ended a block.
    pub fn take_fault(&self) -> Option<HostFault> {
        self.fault.take()
    }
}

/// `si_code` of the signal by which the runtime makes its own threads leave translated code or the kernel: SIGTRAP, which is never blocked there.
const KICK: i32 = -0x5246;

/// Make a thread of this process look at its `pending` word. A system call that it waits in ends early.
pub fn kick(tid: i32) {
    let info = SigInfo::fault(libc::SIGTRAP, KICK, 0);
    // SAFETY: reads `info`; the entry expects the signal.
    unsafe {
        let pid = call(libc::SYS_getpid, [0; 6]) as u64;
        call(libc::SYS_rt_tgsigqueueinfo, [pid, tid as u64, libc::SIGTRAP as u64, &raw const info as u64, 0, 0]);
    }
}

/// After a fork, in the child: the current guest thread has another id.
pub fn rename_current(tid: i32) {
    // SAFETY: the anchor of a running thread is alive.
    if let Some(anchor) = unsafe { CURRENT.get().as_ref() } {
        anchor.name(tid);
    }
}

/// Make `anchor` this host thread's guest thread.
pub fn set_current(anchor: *const Anchor) {
    CURRENT.set(anchor);
}

/// Call `make`, which makes a host thread, with every asynchronous signal blocked: also those that the C library lets through meanwhile.
pub fn making_thread<R>(make: impl FnOnce() -> R) -> R {
    MAKING.set(true);
    let made = make();
    signal::host_mask(signal::ALL);
    MAKING.set(false);
    made
}

/// Let this host thread handle signals on `cpu`'s signal stack: in translated code its stack pointer is not a stack's.
pub fn use_signal_stack(cpu: &Cpu) {
    let (at, size) = jit::code::region::signal_stack(cpu);
    let stack = libc::stack_t { ss_sp: at as *mut libc::c_void, ss_flags: 0, ss_size: size };
    // SAFETY: the memory lives as long as the CPU, whose thread this is.
    unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
}

/// Let this host thread handle signals on its own stack: the CPU's is about to go.
pub fn leave_signal_stack() {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the thread is outside of translated code, so its stack pointer is its stack's.
    unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
}

/// This host thread's guest thread.
pub fn current() -> *const Anchor {
    CURRENT.get()
}

/// What `syscalls` is to install on the host.
pub fn host_entry() -> HostEntry {
    HostEntry { handler: entry as *const () as usize, restorer: host::rf_restorer as *const () as usize }
}

/// The signal mask in a context (the kernel's, 8 bytes).
fn set_mask(uc: &mut ucontext_t, mask: u64) {
    let at = (&raw mut uc.uc_sigmask).cast::<u64>();
    // SAFETY: libc's set is larger than the kernel's, which comes first.
    unsafe { at.write(mask) };
}

/// Every signal that has an entry of ours arrives here.
extern "C" fn entry(sig: i32, info: *mut siginfo_t, uc: *mut ucontext_t) {
    // SAFETY: the kernel passes both, valid until we return; nobody else has them.
    let (info, uc) = unsafe { (&*info.cast::<SigInfo>(), &mut *uc) };
    if bit(sig) & SYNCHRONOUS != 0 && info.code > 0 {
        return fault(info, uc);
    }
    let kicked = sig == libc::SIGTRAP && info.code == KICK;
    let anchor = CURRENT.get();
    if anchor.is_null() || MAKING.get() && bit(sig) & SYNCHRONOUS == 0 {
        return pass_on(info, uc);
    }
    // SAFETY: the anchor of a running thread is alive, with what it points to.
    let (cpu, inbox) = unsafe { ((*anchor).cpu, &*(*anchor).inbox) };
    let posted = if kicked { Posted::Deliverable } else { inbox.post(info) };
    if posted == Posted::Waits {
        return;
    }
    if posted == Posted::Held {
        set_mask(uc, !SYNCHRONOUS);
    }
    // SAFETY: the CPU is alive; the word is atomic.
    unsafe { &(*cpu).pending }.store(1, Ordering::Release);
    let mut frame = Frame(uc);
    let (pc, sp) = (frame.pc(), frame.sp());
    if let Some(to) = sys::interrupt(pc, frame.call_mark()) {
        frame.set_pc(to);
    // SAFETY: this thread's anchor and CPU.
    } else if let Some((pc, sp)) = unsafe { (*anchor).engine.interrupt(cpu, pc, sp) } {
        frame.set_pc(pc);
        frame.set_sp(sp);
    }
}

/// A host thread that is to block everything, because it has no guest thread or is about to make one, got a signal: when a process makes its first thread, musl
/// lets 33 and 34 through. It waits again, for whoever may have it.
fn pass_on(info: &SigInfo, uc: &mut ucontext_t) {
    set_mask(uc, !SYNCHRONOUS);
    // SAFETY: asks for a number; the kernel takes any siginfo from a process for itself.
    unsafe {
        let (pid, sig, info_at) = (call(libc::SYS_getpid, [0; 6]) as u64, info.signo as u64, (&raw const *info) as u64);
        match info.code {
            // Sent to this thread.
            libc::SI_TKILL => {
                let tid = call(libc::SYS_gettid, [0; 6]) as u64;
                call(libc::SYS_rt_tgsigqueueinfo, [pid, tid, sig, info_at, 0, 0])
            }
            _ => call(libc::SYS_rt_sigqueueinfo, [pid, sig, info_at, 0, 0, 0]),
        };
    }
}

/// The processor raised it: a guarded access, translated code, or a bug of ours.
fn fault(info: &SigInfo, uc: &mut ucontext_t) {
    let mut frame = Frame(uc);
    let pc = frame.pc();
    if let Some(to) = sys::fixup(pc) {
        return frame.set_pc(to);
    }
    let anchor = CURRENT.get();
    if anchor.is_null() {
        faults::internal_error(info, pc, None);
    }
    let host = frame.context();
    // SAFETY: the anchor and its CPU are alive. While translated code runs, nobody else holds a reference to the CPU that is used before
    // this handler returns; elsewhere the engine only looks at the pc.
    let (anchor, action) = unsafe {
        let anchor = &*anchor;
        (anchor, anchor.engine.fault(&mut *anchor.cpu, &host, info.signo, info.rest[0]))
    };
    let to = match action {
        FaultAction::Resume(to) => to,
        FaultAction::Rewind(sp) => return frame.set_sp(sp),
        FaultAction::Guest(to) => {
            anchor.fault.set(Some(HostFault { info: *info, write: frame.is_write() }));
            to
        }
        FaultAction::Misaligned(to, addr) => {
            anchor.fault.set(Some(HostFault { info: faults::misaligned(addr), write: false }));
            to
        }
        // SAFETY: alive, as above.
        FaultAction::NotTranslated | FaultAction::Unknown => faults::internal_error(info, pc, Some(unsafe { (*anchor.cpu).pc })),
    };
    frame.set_pc(to);
}

/// A host system call that doesn't touch memory but for what its arguments point to, which must be valid.
unsafe fn call(nr: i64, args: [u64; 6]) -> i64 {
    // SAFETY: forwarded to the caller.
    unsafe { sys::raw(nr, args) }
}

/// Die by a signal, so that the parent sees just that. Returns where the kernel protects this process from it (the first of a PID namespace).
pub fn die(sig: i32) {
    no_core();
    die_dumping(sig);
}

/// The same; the kernel may dump core.
pub fn die_dumping(sig: i32) {
    let default = [0u64; 4];
    let all = !0u64;
    let only = !bit(sig);
    // SAFETY: the structures are valid for the calls.
    unsafe {
        let mut before = [0u64; 4];
        call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, &raw const all as u64, 0, 8, 0, 0]);
        call(libc::SYS_rt_sigaction, [sig as u64, &raw const default as u64, &raw mut before as u64, 8, 0, 0]);
        let (pid, tid) = (call(libc::SYS_getpid, [0; 6]), call(libc::SYS_gettid, [0; 6]));
        call(libc::SYS_tgkill, [pid as u64, tid as u64, sig as u64, 0, 0, 0]);
        call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as u64, &raw const only as u64, 0, 8, 0, 0]);
        // Still here.
        call(libc::SYS_rt_sigaction, [sig as u64, &raw const before as u64, 0, 8, 0, 0]);
    }
}

/// Die by a signal that a fault forces, which not even the first process of a PID namespace survives.
pub fn die_by_fault(sig: i32) -> ! {
    die(sig);
    let default = [0u64; 4];
    // SAFETY: the structure is valid for the call.
    unsafe { call(libc::SYS_rt_sigaction, [sig as u64, &raw const default as u64, 0, 8, 0, 0]) };
    // A fault of the same kind, which the kernel doesn't forgive.
    host::fault_by(sig);
    exit_group(128 + sig)
}

/// exit_group.
pub fn exit_group(status: i32) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { call(libc::SYS_exit_group, [status as u64, 0, 0, 0, 0, 0]) };
    }
}

/// A core file would be of the runtime, not of the guest: leave none. A limit of 1 stops files and, by convention, pipes; where not even that
/// is allowed, the process is made undumpable.
fn no_core() {
    let mut limit = [0u64; 2];
    // SAFETY: the structure is valid for the calls.
    unsafe {
        call(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as u64, 0, &raw mut limit as u64, 0, 0]);
        limit[0] = limit[1].min(1);
        call(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as u64, &raw const limit as u64, 0, 0, 0]);
        if limit[0] == 0 {
            call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 0, 0, 0, 0, 0]);
        }
    }
}
