//! Delivery: from a noted signal to a handler's frame or the default action.

use super::{bit, frame, lower, mask, raise, restore_mask, Action, Default, Fault, SigInfo, CORE, SYNCHRONOUS, UNMASKABLE};
use crate::ctx::{Machine, Thread};
use crate::topics::mem;
use crate::{sys, Errno};

/// What a delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The guest goes on where it was.
    Nothing,
    /// It goes on in a handler.
    Handler,
    /// The process is to die by this signal, unless it is the first of a PID namespace, which sent signals don't kill.
    Die(SigInfo),
    /// The process is to die by this signal.
    DieByFault(SigInfo),
}

/// Deliver one signal to a thread that is outside of translated code and of the kernel. `restart`: it has just left a system call that did not
/// happen, with its arguments still in the registers; the pc is after the call.
pub fn deliver(thread: &mut Thread, machine: &mut dyn Machine, restart: bool) -> Delivery {
    lower(machine.pending());
    let signals = &mut thread.signals;
    let sent = signals.inbox.waiting() & !signals.mask() != 0;
    if !sent && signals.fault.is_none() && signals.saved.is_none() && !signals.inbox.is_full() {
        return resume(thread, machine, restart);
    }
    if !signals.inbox.is_full() {
        mask::host_mask(mask::ALL);
    }
    if signals.inbox.is_full() {
        // It came before the faulting instruction, which will fault again.
        signals.fault = None;
    }
    loop {
        let (info, forced) = match thread.signals.fault.take() {
            Some(fault) => {
                thread.signals.syndrome = fault.syndrome.unwrap_or(thread.signals.syndrome);
                (fault.info, true)
            }
            None => match thread.signals.inbox.take() {
                Some(info) => (info, false),
                None => break,
            },
        };
        let Some(info) = machine.intercept(thread, info) else { continue };
        match disposition(thread, info.signo, forced) {
            Disposition::Ignore => {}
            Disposition::Die if forced => return Delivery::DieByFault(info),
            Disposition::Die => return Delivery::Die(info),
            Disposition::Kernel => {
                leave_to_kernel(thread, info.signo);
                return resume(thread, machine, restart);
            }
            Disposition::Handle(action) => match handle(thread, machine, &info, &action, restart) {
                Ok(()) => return Delivery::Handler,
                Err(_) if info.signo == libc::SIGSEGV => return Delivery::DieByFault(SigInfo::kernel(libc::SIGSEGV)),
                Err(_) => thread.signals.fault = Some(Fault { info: SigInfo::kernel(libc::SIGSEGV), syndrome: None }),
            },
        }
    }
    settle(thread, machine);
    resume(thread, machine, restart)
}

/// No handler runs: the mask of a waiting call ends here, and the host's is the guest's again.
fn settle(thread: &mut Thread, machine: &dyn Machine) {
    if let Some(mask) = thread.signals.saved.take() {
        if thread.signals.inbox.set_mask(mask) {
            raise(machine.pending());
        }
    }
    restore_mask(thread);
}

/// No handler runs: a call that did not happen is made again.
fn resume(thread: &Thread, machine: &mut dyn Machine, restart: bool) -> Delivery {
    if restart {
        let mut context = machine.context();
        context.pc = context.pc.wrapping_sub(thread.process.abi.registers.call_bytes);
        machine.set_context(&context);
    }
    Delivery::Nothing
}

enum Disposition {
    Ignore,
    Die,
    /// The host's default action is the guest's.
    Kernel,
    Handle(Action),
}

fn disposition(thread: &Thread, sig: i32, forced: bool) -> Disposition {
    let mut actions = thread.actions.lock().unwrap_or_else(|e| e.into_inner());
    let action = actions.get(sig);
    if forced && (action.is_ignore() || action.is_default() || thread.signals.mask() & bit(sig) != 0) {
        return Disposition::Die;
    }
    if action.is_ignore() {
        return Disposition::Ignore;
    }
    if action.is_default() {
        return match Default::of(sig) {
            Default::Ignore => Disposition::Ignore,
            Default::Terminate if bit(sig) & (SYNCHRONOUS | CORE) != 0 || actions.debugged() => Disposition::Die,
            _ => Disposition::Kernel,
        };
    }
    if action.has(libc::SA_RESETHAND) {
        // Can't fail: a signal with a handler allows changes.
        let _ = actions.set(sig, Action { handler: libc::SIG_DFL as u64, ..action });
    }
    Disposition::Handle(action)
}

/// The guest took its handler away after the signal had left the kernel: give it back, where the disposition is the default by now.
fn leave_to_kernel(thread: &mut Thread, sig: i32) {
    if let Some(mask) = thread.signals.saved.take() {
        thread.signals.inbox.set_mask(mask);
    }
    restore_mask(thread);
    // SAFETY: sends a signal; touches no memory.
    unsafe {
        let pid = sys::raw(libc::SYS_getpid, [0; 6]);
        sys::raw(libc::SYS_tgkill, [pid as u64, thread.tid as u64, sig as u64, 0, 0, 0]);
    }
}

/// Make the frame and enter the handler.
fn handle(thread: &mut Thread, machine: &mut dyn Machine, info: &SigInfo, action: &Action, restart: bool) -> Result<(), Errno> {
    let abi = thread.process.abi;
    let mut context = machine.context();
    if restart && action.has(libc::SA_RESTART) {
        context.pc = context.pc.wrapping_sub(abi.registers.call_bytes);
    } else if restart {
        context.x[abi.registers.result] = -i64::from(libc::EINTR) as u64;
    }
    let signals = &mut thread.signals;
    let blocked = signals.mask();
    let frame = frame::Frame {
        info,
        action,
        mask: signals.saved.unwrap_or(blocked),
        altstack: &signals.altstack,
        syndrome: signals.syndrome,
        sigreturn: thread.process.sigreturn,
    };
    let mut pushed = (abi.frame.push)(&mut context, &frame);
    if pushed.is_err() && thread.mem.is_watching() {
        mem::unwatch_all(&thread.mem, machine);
        pushed = (abi.frame.push)(&mut context, &frame);
    }
    machine.set_context(&context);
    pushed?;
    if signals.altstack.flags & super::SS_AUTODISARM != 0 {
        signals.altstack = super::AltStack::default();
    }
    signals.saved = None;
    let own = if action.has(libc::SA_NODEFER) { 0 } else { bit(info.signo) };
    if signals.inbox.set_mask((blocked | action.mask | own) & !UNMASKABLE) {
        raise(machine.pending());
    }
    restore_mask(thread);
    Ok(())
}
