//! A guest thread and the loop that it lives in.

use crate::faults::Cause;
use crate::gdb::{Debugger, End, Reason};
use crate::machine::{Code, Runtime, Vcpu};
use crate::report;
use crate::signals::{self, Anchor, HostFault};
use crate::{core_file, faults, freeze, insight};
use jit::code::Exit;
use syscalls::topics::signal::{self, Delivery, Fault, SigInfo};
use syscalls::{dispatch, Context, Ctx, Flow, GuestAddr, Machine, Stop, Thread};

/// A guest thread with all that it needs to run.
pub struct Task {
    /// Its Linux side.
    pub thread: Thread,
    /// Its CPU.
    pub vcpu: Vcpu,
    anchor: Box<Anchor>,
    code: Code,
}

// SAFETY: the anchor's pointers lead to the CPU and the inbox, which the task owns and which move with it; nothing in it is bound to a host
// thread before `run`.
unsafe impl Send for Task {}

/// Who has an eye on one instruction.
struct Watcher {
    debugger: &'static Debugger,
    /// It asked for one step.
    step: bool,
    /// Watched memory that the instruction has changed.
    changed: Option<u64>,
}

impl Task {
    /// Join the parts.
    pub fn new(thread: Thread, vcpu: Vcpu) -> Task {
        let runtime: &'static Runtime = vcpu.runtime;
        let anchor = Anchor::new(vcpu.address(), &runtime.engine, &raw const *thread.signals.inbox);
        let code = Code::new(thread.mem.clone(), runtime);
        Task { thread, vcpu, anchor, code }
    }

    /// Be the guest thread of the calling host thread.
    pub fn enter(&self) {
        self.anchor.name(self.thread.tid);
        signals::use_signal_stack(self.vcpu.cpu());
        signals::set_current(&raw const *self.anchor);
    }

    /// Run until the thread exits; its status. The host's signal mask must be the guest's by now, or nothing may be pending.
    pub fn run(&mut self) -> i32 {
        loop {
            while signal::raised(self.vcpu.pending()) {
                self.deliver(false);
            }
            let (exit, watcher) = match self.vcpu.runtime.debugger {
                None => (Some(self.vcpu.runtime.engine.run(self.vcpu.cpu_mut(), &self.code)), None),
                Some(_) => self.run_debugged(),
            };
            let fault = match exit {
                Some(Exit::Syscall) => {
                    if let Some(status) = self.syscall() {
                        return status;
                    }
                    self.after_step(watcher);
                    continue;
                }
                Some(Exit::Pending) => continue,
                Some(other) => self.fault(other),
                None => {
                    self.after_step(watcher);
                    continue;
                }
            };
            self.thread.signals.fault = fault;
            self.deliver(false);
        }
    }

    /// The same with a debugger's breakpoints in the code, and step by step if it wants that. No exit: nothing is left to be done about it.
    fn run_debugged(&mut self) -> (Option<Exit>, Option<Watcher>) {
        let (runtime, tid) = (self.vcpu.runtime, self.thread.tid);
        let Some(debugger) = self.vcpu.trace.filter(|d| d.attached()) else {
            let exit = runtime.engine.run(self.vcpu.cpu_mut(), &self.code);
            let bytes = runtime.guest.debug.breakpoint.len() as u64;
            let of_ours = |at: &u64| runtime.debugger.as_ref().is_some_and(|d| d.has_breakpoint(*at));
            let Some(at) = exit.breakpoint(self.vcpu.cpu().pc, bytes).filter(of_ours) else { return (Some(exit), None) };
            self.vcpu.cpu_mut().pc = at;
            // Somebody else's (vfork): what is below it.
            let bare = Code::bare(self.thread.mem.clone(), runtime);
            runtime.engine.invalidate(at, bytes);
            let exit = runtime.engine.step(self.vcpu.cpu_mut(), &bare);
            runtime.engine.invalidate(at, bytes);
            return (exit, None);
        };
        let (step, watch) = debugger.steps(tid);
        let turn = watch.then(|| debugger.turn());
        let exit = match step || watch {
            true => runtime.engine.step(self.vcpu.cpu_mut(), &self.code),
            false => Some(runtime.engine.run(self.vcpu.cpu_mut(), &self.code)),
        };
        // Looked at before another thread has its turn.
        let changed = if turn.is_some() && exit.is_none() { debugger.changed_memory() } else { None };
        drop(turn);
        let (pc, bytes) = (self.vcpu.cpu().pc, runtime.guest.debug.breakpoint.len() as u64);
        let met = match exit {
            // One may be where no code is.
            Some(Exit::FetchFault) => Some(pc),
            exit => exit.and_then(|e| e.breakpoint(pc, bytes)),
        };
        if let Some(at) = met.filter(|at| debugger.has_breakpoint(*at)) {
            self.vcpu.cpu_mut().pc = at;
            debugger.report(&mut self.vcpu, tid, Reason::Breakpoint);
            return (None, None);
        }
        (exit, (step || watch).then_some(Watcher { debugger, step, changed }))
    }

    /// An instruction has been executed, perhaps under a debugger's eyes.
    fn after_step(&mut self, watcher: Option<Watcher>) {
        let Some(Watcher { debugger, step, changed }) = watcher else { return };
        if let Some(at) = changed.or_else(|| debugger.changed_memory()) {
            debugger.report(&mut self.vcpu, self.thread.tid, Reason::Watch(at));
        } else if step {
            debugger.report(&mut self.vcpu, self.thread.tid, Reason::Step);
        }
    }

    fn fault(&mut self, exit: Exit) -> Option<Fault> {
        let pc = self.vcpu.cpu().pc;
        let guest = self.vcpu.runtime.guest;
        if let (Exit::FetchFault, Some(nr)) = (exit, (guest.gate)(pc)) {
            return self.call_gate(nr);
        }
        let cause = match exit {
            Exit::Undefined(_) => Cause::Undefined,
            Exit::Breakpoint(_) => Cause::Breakpoint,
            Exit::Exception(trap, detail) => Cause::Exception(trap, detail),
            Exit::FetchFault => faults::fetch(&self.thread.mem, pc),
            Exit::PcAlign => Cause::PcAlignment,
            Exit::Fault => match self.written(self.anchor.take_fault()?) {
                Some(fault) => faults::data(&self.thread.mem, &fault),
                None => return None,
            },
            Exit::Syscall | Exit::Pending => return None,
        };
        Some((guest.fault)(&cause, pc, self.thread.signals.syndrome))
    }

    /// A write that was refused only so that we notice it: let it happen. What else there is to be said about it.
    fn written(&mut self, mut fault: HostFault) -> Option<HostFault> {
        /// Pages that one instruction can touch …
        const PAGES: usize = 16;
        /// … and what other threads can do meanwhile: who executes the page translates it again, and has it watched, before the write has happened.
        const ATTEMPTS: usize = 10_000;
        let runtime = self.vcpu.runtime;
        for n in 0..ATTEMPTS {
            if n >= PAGES {
                std::thread::yield_now();
            }
            let ranges = match fault.write && fault.info.signo == libc::SIGSEGV {
                true => self.thread.mem.unwatch(GuestAddr(fault.info.rest[0]).host()),
                false => Vec::new(),
            };
            if ranges.is_empty() {
                return Some(fault);
            }
            ranges.iter().for_each(|r| self.vcpu.invalidate(r.start, r.end - r.start));
            // It may be part of what it changes, and must have happened before that is read again.
            let code = Code::unwatched(self.thread.mem.clone(), runtime);
            let pc = self.vcpu.cpu().pc;
            let exit = runtime.engine.step(self.vcpu.cpu_mut(), &code);
            runtime.engine.invalidate(pc, 1);
            match exit {
                Some(Exit::Fault) => fault = self.anchor.take_fault()?,
                _ => return None,
            }
        }
        Some(fault)
    }

    /// The guest has called an address that stands for a system call. Such calls don't end threads.
    fn call_gate(&mut self, nr: u64) -> Option<Fault> {
        if signal::raised(self.vcpu.pending()) {
            return None;
        }
        let (guest, before) = (self.vcpu.runtime.guest, self.vcpu.context());
        let registers = &guest.linux.registers;
        let Ok(back) = GuestAddr(before.sp).read::<u64>() else {
            let cause = Cause::Memory { addr: before.sp, access: faults::Access::Read, why: faults::Why::Unmapped };
            return Some((guest.fault)(&cause, before.pc, self.thread.signals.syndrome));
        };
        let mut context = Context { pc: back, sp: before.sp.wrapping_add(8), ..before };
        context.x[registers.number] = nr;
        self.vcpu.set_context(&context);
        self.syscall();
        if self.vcpu.context().x[registers.result] != -i64::from(libc::EFAULT) as u64 {
            return None;
        }
        self.vcpu.set_context(&before);
        Some(Fault { info: SigInfo::kernel(libc::SIGSEGV), syndrome: None })
    }

    /// Carry out the system call that the registers ask for. `Some` when it ends the thread.
    fn syscall(&mut self) -> Option<i32> {
        if signal::raised(self.vcpu.pending()) {
            // It came before the call.
            self.vcpu.rewind();
            return None;
        }
        let (gpr, registers) = (&self.vcpu.cpu().gpr, &self.vcpu.runtime.guest.linux.registers);
        let args = registers.args.map(|n| gpr[n]);
        let nr = u64::from(gpr[registers.number] as u32);
        if self.vcpu.trace.is_some_and(|d| d.enter_kernel(&self.vcpu, self.thread.tid)) {
            self.vcpu.rewind();
            signal::raise(self.vcpu.pending());
            return None;
        }
        let mut ctx = Ctx { thread: &mut self.thread, machine: &mut self.vcpu };
        let result = dispatch(&mut ctx, nr, args);
        if self.vcpu.trace.is_some_and(|d| d.leave_kernel(&mut self.vcpu, self.thread.tid)) {
            return None;
        }
        match result {
            Ok(value) => self.vcpu.set_result(value),
            Err(Stop::Errno(e)) => self.vcpu.set_result(-i64::from(e.0) as u64),
            Err(Stop::Restart) => self.deliver(true),
            Err(Stop::Flow(Flow::Replaced)) => {}
            Err(Stop::Flow(Flow::Repeat)) => self.vcpu.rewind(),
            Err(Stop::Flow(Flow::Exit(status))) => return Some(status),
            Err(Stop::Flow(Flow::Die(sig))) => {
                insight::end(&self.vcpu, &self.thread, &|| format!("signal {sig}"));
                signals::die_by_fault(sig)
            }
            Err(Stop::Flow(Flow::ExitGroup(status))) => {
                if let Some(debugger) = self.vcpu.trace {
                    debugger.end(End::Exited(status));
                }
                insight::end(&self.vcpu, &self.thread, &|| format!("exit {status}"));
                self.vcpu.abandon_code();
                signals::exit_group(status)
            }
        }
        None
    }

    /// The process is about to die by a signal. True: it has left a core file.
    #[cold]
    fn last_words(&mut self, info: &SigInfo) -> bool {
        insight::end(&self.vcpu, &self.thread, &|| format!("signal {}", info.signo));
        signal::host_mask(signal::ALL);
        freeze::begin(self.vcpu.runtime);
        report::death(self, info);
        let dumped = core_file::dump(self, info);
        if let Some(debugger) = self.vcpu.trace {
            debugger.end(End::Killed(info.signo));
        }
        dumped
    }

    #[cold]
    fn deliver(&mut self, restart: bool) {
        self.deliver_signal(restart);
        freeze::stay_if_dying(self.vcpu.runtime);
        if let Some(debugger) = self.vcpu.trace {
            debugger.checkpoint(&mut self.vcpu, self.thread.tid);
        }
    }

    fn deliver_signal(&mut self, restart: bool) {
        match signal::deliver(&mut self.thread, &mut self.vcpu, restart) {
            Delivery::Nothing | Delivery::Handler => {}
            Delivery::DieByFault(info) => {
                if self.last_words(&info) {
                    core_file::die(info.signo);
                }
                signals::die_by_fault(info.signo)
            }
            Delivery::Die(info) => {
                // Signals don't kill the first process of a PID namespace.
                // SAFETY: asks for a number.
                if unsafe { syscalls::sys::raw(libc::SYS_getpid, [0; 6]) } != 1 && self.last_words(&info) {
                    core_file::die(info.signo);
                }
                signals::die(info.signo);
                // Protected: as if it had been ignored.
                signal::restore_mask(&self.thread);
                if restart {
                    self.vcpu.rewind();
                }
            }
        }
    }
}
