//! A guest thread and the loop that it lives in.

use crate::faults;
use crate::machine::{Code, Runtime, Vcpu};
use crate::signals::{self, Anchor};
use jit::code::Exit;
use syscalls::topics::signal::{self, Delivery, Fault};
use syscalls::{dispatch, Ctx, Flow, Machine, Stop, Thread};

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

/// System-call number and arguments.
const NR: usize = 8;

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
        signals::use_signal_stack(self.vcpu.cpu());
        signals::set_current(&raw const *self.anchor);
    }

    /// Run until the thread exits; its status. The host's signal mask must be the guest's by now, or nothing may be pending.
    pub fn run(&mut self) -> i32 {
        loop {
            while signal::raised(self.vcpu.pending()) {
                self.deliver(false);
            }
            let engine = &self.vcpu.runtime.engine;
            let exit = engine.run(self.vcpu.cpu_mut(), &self.code);
            let fault = match exit {
                Exit::Syscall => {
                    if let Some(status) = self.syscall() {
                        return status;
                    }
                    continue;
                }
                Exit::Pending => continue,
                other => self.fault(other),
            };
            self.thread.signals.fault = fault;
            self.deliver(false);
        }
    }

    fn fault(&self, exit: Exit) -> Option<Fault> {
        let pc = self.vcpu.cpu().pc;
        match exit {
            Exit::Undefined(_) => Some(faults::undefined(pc)),
            Exit::Breakpoint(_) => Some(faults::breakpoint(pc)),
            Exit::FetchFault => Some(faults::fetch(&self.thread.mem, pc)),
            Exit::PcAlign => Some(faults::pc_alignment(pc)),
            Exit::Fault => self.anchor.take_fault().map(|f| faults::data(&self.thread.mem, &f)),
            Exit::Syscall | Exit::Pending => None,
        }
    }

    /// Carry out the system call that the registers ask for. `Some` when it ends the thread.
    fn syscall(&mut self) -> Option<i32> {
        if signal::raised(self.vcpu.pending()) {
            // It came before the call.
            self.vcpu.rewind();
            return None;
        }
        let gpr = &self.vcpu.cpu().gpr;
        let args = [gpr[0], gpr[1], gpr[2], gpr[3], gpr[4], gpr[5]];
        let nr = u64::from(gpr[NR] as u32);
        let mut ctx = Ctx { thread: &mut self.thread, machine: &mut self.vcpu };
        match dispatch(&mut ctx, nr, args) {
            Ok(value) => self.vcpu.cpu_mut().gpr[0] = value,
            Err(Stop::Errno(e)) => self.vcpu.cpu_mut().gpr[0] = -i64::from(e.0) as u64,
            Err(Stop::Restart) => self.deliver(true),
            Err(Stop::Flow(Flow::Replaced)) => {}
            Err(Stop::Flow(Flow::Repeat)) => self.vcpu.rewind(),
            Err(Stop::Flow(Flow::Exit(status))) => return Some(status),
            Err(Stop::Flow(Flow::ExitGroup(status))) => {
                self.vcpu.abandon_code();
                signals::exit_group(status)
            }
        }
        None
    }

    #[cold]
    fn deliver(&mut self, restart: bool) {
        match signal::deliver(&mut self.thread, &mut self.vcpu, restart) {
            Delivery::Nothing | Delivery::Handler => {}
            Delivery::DieByFault(sig) => signals::die_by_fault(sig),
            Delivery::Die(sig) => {
                signals::die(sig);
                // Protected: as if it had been ignored.
                signal::restore_mask(&self.thread);
                if restart {
                    self.vcpu.rewind();
                }
            }
        }
    }
}
