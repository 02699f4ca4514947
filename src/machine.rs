//! One virtual CPU, as the Linux layer sees it.

use crate::cli::Options;
use crate::gdb::Debugger;
use crate::guest::Guest;
use crate::insight::{perf::Perf, stats::Stats};
use crate::{exec, task};
use jit::code::Engine;
use jit::cpu::Cpu;
use jit::guest::Fetch;
use std::cell::Cell;
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use syscalls::topics::mem::Space;
use syscalls::topics::signal::SigInfo;
use syscalls::{sys, CloneArgs, Context, ExecRequest, GuestAddr, Machine, SysResult, Thread};

/// Bytes of a word of code.
const WORD: u64 = 4;
const PAGE: u64 = 4096;

/// What all threads of a process share and nothing changes: made once, never freed.
pub struct Runtime {
    /// What the guest's architecture is.
    pub guest: &'static Guest,
    /// The translator.
    pub engine: Engine,
    /// Settings, for programs that this one starts.
    pub options: Options,
    /// The kernel's binfmt_misc starts foreign programs.
    pub by_binfmt: bool,
    /// A descriptor of our own file, to start foreign programs with.
    pub self_exe: Option<RawFd>,
    /// Guest threads of this process, and processes that share its memory without being waited for.
    pub users: AtomicUsize,
    /// The process of this id is dying: its threads are to stay where they are. (Others may share this memory.)
    pub dying: AtomicI32,
    /// A debugger of this process.
    pub debugger: Option<Debugger>,
    /// Say at the end what was done.
    pub stats: Option<Stats>,
    /// Tell a profiler.
    pub perf: Option<&'static Perf>,
    /// Counts changes of mappings that hold code, so that readers of code notice.
    pub code_epoch: AtomicU64,
}

/// A thread's CPU.
pub struct Vcpu {
    /// Owned. A pointer, because the signal handler has one, too.
    cpu: *mut Cpu,
    /// The process.
    pub runtime: &'static Runtime,
    /// The thread is the first of its process: its host thread ends by exit, not by returning.
    pub leader: bool,
    /// The process shares the memory of the one that created it.
    pub borrower: bool,
    /// What a successful exec leaves to be freed by the other user of this memory (vfork).
    pub exec: Option<exec::Prepared>,
    /// The debugger, if it is this thread's.
    pub trace: Option<&'static Debugger>,
}

// SAFETY: the CPU is owned; nothing in it belongs to a thread before it runs.
unsafe impl Send for Vcpu {}

impl Vcpu {
    /// A fresh CPU, or one with a copy of the registers of another.
    pub fn new(runtime: &'static Runtime, from: Option<&Vcpu>) -> Vcpu {
        let cpu = runtime.engine.new_cpu(from.map(|v| v.cpu()));
        let (borrower, trace) = from.map_or((false, runtime.debugger.as_ref()), |v| (v.borrower, v.trace));
        Vcpu { cpu: Box::into_raw(cpu), runtime, leader: true, borrower, exec: None, trace }
    }

    /// The state.
    pub fn cpu(&self) -> &Cpu {
        // SAFETY: owned and alive; the signal handler writes it only while translated code runs, when nobody else looks.
        unsafe { &*self.cpu }
    }

    /// The state, to change it.
    pub fn cpu_mut(&mut self) -> &mut Cpu {
        // SAFETY: as in `cpu`, and `self` is borrowed for it.
        unsafe { &mut *self.cpu }
    }

    /// The state's address, for the signal handler.
    pub fn address(&self) -> *mut Cpu {
        self.cpu
    }

    /// The only user of this memory is about to end or to execute another program: what a fork left shared need not be kept from change.
    /// True if so.
    pub fn abandon_code(&self) -> bool {
        if !self.borrower {
            self.runtime.engine.tell_relatives();
        }
        let alone = !self.borrower && self.runtime.users.load(Ordering::Relaxed) == 1;
        if alone {
            self.runtime.engine.abandon();
        }
        alone
    }

    /// Another process is about to be made, which will profit from what this one translates, and the other way round.
    pub fn found_family(&self, thread: &Thread) {
        // Where system calls are filtered, a process is not to be trusted with what others execute.
        if !self.borrower && thread.seccomp.shown().is_none() {
            self.runtime.engine.found_family();
            thread.process.family_fd.store(self.runtime.engine.family(), Ordering::Relaxed);
        }
    }

    /// After all the process goes on. By now the code may be another's.
    pub fn take_code_back(&self) {
        self.runtime.engine.take_back();
    }

    /// Set the result of a system call.
    pub fn set_result(&mut self, value: u64) {
        let result = self.runtime.guest.linux.registers.result;
        self.cpu_mut().gpr[result] = value;
    }

    /// Set the stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        let sp = self.runtime.guest.sp;
        self.cpu_mut().gpr[sp] = value;
    }

    /// Set the thread pointer.
    pub fn set_tls(&mut self, value: u64) {
        let tls = self.runtime.guest.tls;
        self.cpu_mut().gpr[tls] = value;
    }

    /// Make the system call before the pc happen again.
    pub fn rewind(&mut self) {
        let bytes = self.runtime.guest.linux.registers.call_bytes;
        let cpu = self.cpu_mut();
        cpu.pc = cpu.pc.wrapping_sub(bytes);
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        // SAFETY: came from Box::into_raw in `new`, and is not used any more.
        self.runtime.engine.drop_cpu(unsafe { Box::from_raw(self.cpu) });
    }
}

impl Machine for Vcpu {
    fn context(&self) -> Context {
        (self.runtime.guest.context)(self.cpu(), &self.runtime.engine)
    }

    fn pc(&self) -> u64 {
        self.cpu().pc
    }

    fn set_context(&mut self, c: &Context) {
        let runtime = self.runtime;
        (runtime.guest.set_context)(self.cpu_mut(), &runtime.engine, c);
    }

    fn invalidate(&self, start: u64, len: u64) {
        self.runtime.code_epoch.fetch_add(1, Ordering::Release);
        self.runtime.engine.invalidate(start, len);
    }

    fn clone(&mut self, thread: &mut Thread, args: &CloneArgs) -> SysResult {
        task::clone(self, thread, args)
    }

    fn exec(&mut self, thread: &mut Thread, req: ExecRequest) -> SysResult {
        exec::exec(self, thread, req)
    }

    fn share_memory(&self) {
        self.runtime.engine.share_memory();
    }

    fn leave_family(&mut self, thread: &Thread) {
        let family = self.runtime.engine.family();
        if self.borrower {
            if family < 0 {
                return;
            }
            // The memory, and what it knows, is another process's; the descriptor is not.
            // SAFETY: a descriptor of the runtime's, which the guest can't have put anything else in place of.
            unsafe { sys::raw(libc::SYS_close, [family as u64, 0, 0, 0, 0, 0]) };
        } else {
            self.runtime.engine.leave_family();
            thread.process.family_fd.store(-1, Ordering::Relaxed);
        }
    }

    fn intercept(&mut self, thread: &mut Thread, info: SigInfo) -> Option<SigInfo> {
        match self.trace {
            Some(debugger) => debugger.signal(self, thread.tid, info),
            None => Some(info),
        }
    }

    fn pending(&self) -> *const u32 {
        self.cpu().pending.as_ptr()
    }
}

/// Reads code for the translator.
pub struct Code {
    space: Arc<Space>,
    runtime: &'static Runtime,
    /// The mapping that was read last, and when that was looked up.
    known: Cell<(u64, u64, u64)>,
    /// Whose breakpoints are seen.
    debugger: Option<&'static Debugger>,
    /// Changes of what is read must be noticed.
    watch: bool,
}

impl Code {
    /// For the threads of this space.
    pub fn new(space: Arc<Space>, runtime: &'static Runtime) -> Code {
        let watch = runtime.guest.isa.coherent;
        Code { space, runtime, known: Cell::new((0, 0, 0)), debugger: runtime.debugger.as_ref(), watch }
    }

    /// Without breakpoints.
    pub fn bare(space: Arc<Space>, runtime: &'static Runtime) -> Code {
        Code { debugger: None, ..Code::new(space, runtime) }
    }

    /// For one instruction, which may change what is read: whoever uses this sees to it that no translation of it stays.
    pub fn unwatched(space: Arc<Space>, runtime: &'static Runtime) -> Code {
        Code { watch: false, ..Code::new(space, runtime) }
    }

    /// The end of the executable mapping that `pc` is in, or 0.
    fn end(&self, pc: u64) -> u64 {
        let epoch = self.runtime.code_epoch.load(Ordering::Acquire);
        let (start, end, then) = self.known.get();
        if then == epoch && (start..end).contains(&pc) {
            return end;
        }
        let Some(Range { start, end }) = self.space.exec_range(pc) else { return 0 };
        self.known.set((start, end, epoch));
        end
    }
}

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        if self.end(pc) == 0 {
            return None;
        }
        let mut word = [sys::load(pc)?];
        if let Some(debugger) = self.debugger {
            debugger.overlay_words(pc, &mut word);
        }
        Some(word[0])
    }

    fn fetch(&self, pc: u64, out: &mut [u32]) -> usize {
        // A page is readable or not as a whole.
        let end = self.end(pc).min((pc | (PAGE - 1)).saturating_add(1));
        let n = (end.saturating_sub(pc) / WORD).min(out.len() as u64) as usize;
        if !sys::load_words(pc, &mut out[..n]) {
            return 0;
        }
        if let Some(debugger) = self.debugger {
            debugger.overlay_words(pc, &mut out[..n]);
        }
        n
    }

    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let mut n = 0;
        while n < out.len() {
            let at = pc.wrapping_add(n as u64);
            // A page is readable or not as a whole.
            let end = self.end(at).min((at | (PAGE - 1)).saturating_add(1));
            let piece = (end.saturating_sub(at) as usize).min(out.len() - n);
            if piece != 0 && self.watch {
                self.space.watch(at);
            }
            if piece == 0 || GuestAddr(at).read_bytes(&mut out[n..n + piece]).is_err() {
                break;
            }
            n += piece;
        }
        if let Some(debugger) = self.debugger {
            debugger.overlay(pc, &mut out[..n]);
        }
        n
    }

    fn own_code(&self, pc: u64) -> bool {
        self.space.vdso().contains(&pc)
    }

    fn invalidated(&self, range: Range<u64>, f: &mut dyn FnMut(Range<u64>)) {
        self.space.invalidated(range, f);
    }

    fn synchronize(&self, f: &mut dyn FnMut(Range<u64>)) {
        self.space.synchronize(f);
    }
}
