//! The thread that speaks with gdb: from the protocol's requests to the [`Debugger`](super::Debugger)'s state.

use super::files::Files;
use super::wire::{self, Gone, Wire};
use super::{Action, At, End, Reason, Watched};
use crate::machine::Runtime;
use crate::signals;
use gdbstub::arch::{Arch, Registers};
use gdbstub::common::{Pid, Signal, Tid};
use gdbstub::conn::ConnectionExt;
use gdbstub::stub::run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError};
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use gdbstub::target::ext::auxv::{Auxv, AuxvOps};
use gdbstub::target::ext::base::multithread::*;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::breakpoints::*;
use gdbstub::target::ext::exec_file::{ExecFile, ExecFileOps};
use gdbstub::target::ext::host_io::HostIoOps;
use gdbstub::target::ext::target_description_xml_override::{TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use syscalls::topics::mem::Space;
use syscalls::topics::signal;
use syscalls::{sys, GuestAddr, Process};

/// Enough for the protocol.
const STACK: usize = 256 << 10;
/// Bytes that can be watched at once.
const MOST_WATCHED: u64 = 4096;

/// The guest, as gdbstub is to see it.
pub struct Guest {
    runtime: &'static Runtime,
    debugger: &'static super::Debugger,
    space: Arc<Space>,
    process: Arc<Process>,
    pub(super) files: Files,
}

type Stop = MultiThreadStopReason<u64>;

/// Start the thread. The first guest thread, `tid`, waits already. Signals other than faults are blocked meanwhile.
pub fn start(runtime: &'static Runtime, debugger: &'static super::Debugger, thread: &syscalls::Thread) {
    let guest = Guest { runtime, debugger, space: thread.mem.clone(), process: thread.process.clone(), files: Files::default() };
    let tid = thread.tid;
    signal::host_mask(signal::ALL);
    let started = std::thread::Builder::new().name("gdb".into()).stack_size(STACK).spawn(move || serve(guest, tid));
    signal::restore_mask(thread);
    if started.is_err() {
        debugger.detach(runtime);
    }
}

fn serve(mut guest: Guest, tid: i32) {
    let debugger = guest.debugger;
    // A kick is to end waiting, and to wait until then. A fault of a guarded copy comes through all the same, but for SIGTRAP.
    signal::host_mask(signal::ALL | signal::bit(libc::SIGTRAP));
    // SAFETY: asks for a number.
    debugger.server.store(unsafe { sys::raw(libc::SYS_gettid, [0; 6]) } as i32, Ordering::Release);
    let mut wire = Wire::new(debugger.connection);
    let told = if debugger.inherited { wire::replaced(&mut wire, tid, &guest.process.exe) } else { Ok(()) };
    let result = match told.map(|()| GdbStub::builder(wire).packet_buffer_size(1 << 16).build()) {
        Ok(Ok(stub)) => stub.run_blocking::<Loop>(&mut guest).ok(),
        _ => None,
    };
    if result == Some(DisconnectReason::Kill) {
        // SAFETY: ends the process.
        unsafe { sys::raw(libc::SYS_kill, [sys::raw(libc::SYS_getpid, [0; 6]) as u64, libc::SIGKILL as u64, 0, 0, 0, 0]) };
    }
    debugger.lock().told = true;
    debugger.server.store(0, Ordering::Release);
    debugger.detach(guest.runtime);
    // SAFETY: shuts the connection down, which a child may still hold; its number stays ours.
    unsafe { sys::raw(libc::SYS_shutdown, [debugger.connection as u64, libc::SHUT_RDWR as u64, 0, 0, 0, 0]) };
}

impl ConnectionExt for Wire {
    fn read(&mut self) -> Result<u8, Gone> {
        Wire::read(self)
    }
    fn peek(&mut self) -> Result<Option<u8>, Gone> {
        Ok(None)
    }
}

enum Loop {}

impl BlockingEventLoop for Loop {
    type Target = Guest;
    type Connection = Wire;
    type StopReason = Stop;

    fn wait_for_stop_reason(guest: &mut Guest, wire: &mut Wire) -> Result<Event<Stop>, WaitForStopReasonError<Gone, Gone>> {
        loop {
            if let Some(stop) = guest.stopped() {
                return Ok(Event::TargetStopped(stop));
            }
            if wire.wait() {
                return Wire::read(wire).map(Event::IncomingData).map_err(WaitForStopReasonError::Connection);
            }
        }
    }

    fn on_interrupt(guest: &mut Guest) -> Result<Option<Stop>, Gone> {
        let mut state = guest.debugger.lock();
        if state.event.is_none() {
            state.event = state.threads.first().map(|t| (t.tid, Reason::Signal(libc::SIGINT)));
        }
        guest.debugger.halt(state, None);
        Ok(None)
    }
}

fn tid_of(tid: i32) -> Tid {
    Tid::new(tid as usize).unwrap_or(Tid::MIN)
}

impl Guest {
    /// What gdb is to be told, once it is time.
    fn stopped(&self) -> Option<Stop> {
        let mut state = self.debugger.lock();
        match state.end {
            Some(End::Exited(status)) => return Some(Stop::Exited(status as u8)),
            Some(End::Killed(sig)) => return Some(Stop::Terminated(Signal(wire::to_gdb(sig)))),
            None => {}
        }
        if !state.stopping || !state.all_stopped() {
            return None;
        }
        let (tid, reason) = state.event.take()?;
        let tid = tid_of(tid);
        Some(match reason {
            Reason::Breakpoint => Stop::SwBreak(tid),
            Reason::Step => Stop::SignalWithThread { tid, signal: Signal::SIGTRAP },
            Reason::Watch(addr) => Stop::Watch { tid, kind: WatchKind::Write, addr },
            Reason::Signal(sig) => Stop::SignalWithThread { tid, signal: Signal(wire::to_gdb(sig)) },
        })
    }

    fn set_action(&mut self, tid: Tid, step: bool, signal: Option<Signal>) {
        let signal = signal.and_then(|s| wire::from_gdb(s.0));
        if let Some(t) = self.debugger.lock().tracee(tid.get() as i32) {
            t.action = Some(Action { step, signal });
        }
    }
}

/// Any architecture with 64 bits: which one it is, the description tells gdb.
pub enum Any {}

impl Arch for Any {
    type Usize = u64;
    type Registers = Bytes;
    type BreakpointKind = usize;
    type RegId = ();
}

/// Registers as gdb's description has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    bytes: Vec<u8>,
    pc: u64,
}

impl Registers for Bytes {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }
    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.bytes.iter().for_each(|&b| write_byte(Some(b)));
    }
    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.bytes = bytes.to_vec();
        Ok(())
    }
}

impl Target for Guest {
    type Arch = Any;
    type Error = Gone;

    fn base_ops(&mut self) -> BaseOps<'_, Any, Gone> {
        BaseOps::MultiThread(self)
    }
    fn support_target_description_xml_override(&mut self) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        Some(self)
    }
    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }
    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Guest {
    fn read_registers(&mut self, regs: &mut Bytes, tid: Tid) -> TargetResult<(), Self> {
        let mut state = self.debugger.lock();
        let c = &state.meant(tid.get() as i32).ok_or(TargetError::NonFatal)?.context;
        *regs = Bytes { bytes: (self.runtime.guest.debug.read)(c), pc: c.pc };
        Ok(())
    }

    fn write_registers(&mut self, regs: &Bytes, tid: Tid) -> TargetResult<(), Self> {
        let mut state = self.debugger.lock();
        let t = state.meant(tid.get() as i32).filter(|t| t.at != At::Running).ok_or(TargetError::NonFatal)?;
        let mut new = t.context;
        (self.runtime.guest.debug.write)(&mut new, &regs.bytes).ok_or(TargetError::NonFatal)?;
        // What is written back as it was breaks no call off.
        if new != t.context {
            (t.context, t.dirty) = (new, true);
        }
        Ok(())
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        // Page by page: what can be read before something that can't.
        let mut done = 0;
        while done < data.len() {
            let at = start.wrapping_add(done as u64);
            let n = (data.len() - done).min(4096 - (at & 4095) as usize);
            if !self.space.mapped(GuestAddr(at).host()) || GuestAddr(at).read_bytes(&mut data[done..done + n]).is_err() {
                break;
            }
            done += n;
        }
        if done == 0 && !data.is_empty() {
            return Err(TargetError::Errno(libc::EFAULT as u8));
        }
        Ok(done)
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        let start = GuestAddr(start).host();
        let end = start.saturating_add(data.len() as u64);
        let guests = (start & !4095..end).step_by(4096).all(|page| self.space.mapped(page.max(start)));
        let write = || {
            use std::os::unix::fs::FileExt;
            // Like a debugger of the same machine, past the protection.
            let memory = std::fs::OpenOptions::new().write(true).open("/proc/self/mem").ok()?;
            memory.write_all_at(data, start).ok()
        };
        if !guests || GuestAddr(start).write_bytes(data).is_err() && write().is_none() {
            return Err(TargetError::Errno(libc::EFAULT as u8));
        }
        self.runtime.engine.invalidate(start, data.len() as u64);
        // Not the guest's doing.
        self.debugger.changed_memory();
        Ok(())
    }

    fn list_active_threads(&mut self, f: &mut dyn FnMut(Tid)) -> Result<(), Gone> {
        let tids: Vec<i32> = self.debugger.lock().threads.iter().map(|t| t.tid).collect();
        tids.into_iter().for_each(|tid| f(tid_of(tid)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }
    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadResume for Guest {
    fn resume(&mut self) -> Result<(), Gone> {
        let mut state = self.debugger.lock();
        state.stopping = false;
        state.event = None;
        let locked = state.locked;
        let goes = |t: &&super::Tracee| t.at == At::Kernel && t.dirty && (!locked || t.action.is_some());
        let wake: Vec<i32> = state.threads.iter().filter(goes).map(|t| t.tid).collect();
        for t in &mut state.threads {
            // Not running yet, but it will: a stop must wait for it.
            if t.at == At::Parked && (!locked || t.action.is_some()) {
                t.at = At::Running;
            }
        }
        drop(state);
        self.debugger.changed.notify_all();
        wake.into_iter().for_each(signals::kick);
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Gone> {
        let mut state = self.debugger.lock();
        state.locked = false;
        state.threads.iter_mut().for_each(|t| t.action = None);
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, signal: Option<Signal>) -> Result<(), Gone> {
        self.set_action(tid, false, signal);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Guest {
    fn set_resume_action_step(&mut self, tid: Tid, signal: Option<Signal>) -> Result<(), Gone> {
        self.set_action(tid, true, signal);
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Guest {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Gone> {
        self.debugger.lock().locked = true;
        Ok(())
    }
}

impl Breakpoints for Guest {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Guest {
    fn add_sw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        // Code or not: on amd64, gdb has functions that it calls return to the stack.
        if at % self.runtime.guest.debug.alignment != 0 || GuestAddr(at).read::<u8>().is_err() {
            return Ok(false);
        }
        self.debugger.set_breakpoint(self.runtime, at, true);
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.debugger.set_breakpoint(self.runtime, at, false))
    }
}

impl HwWatchpoint for Guest {
    fn add_hw_watchpoint(&mut self, at: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        let at = GuestAddr(at).host();
        // Who reads is not known.
        if kind != WatchKind::Write || len == 0 || len > MOST_WATCHED {
            return Ok(false);
        }
        let range = at..at.saturating_add(len);
        let value = super::read(&range);
        self.debugger.lock().watched.push(Watched { range, value });
        self.debugger.watching.store(true, Ordering::Release);
        Ok(true)
    }

    fn remove_hw_watchpoint(&mut self, at: u64, len: u64, _: WatchKind) -> TargetResult<bool, Self> {
        let at = GuestAddr(at).host();
        let mut state = self.debugger.lock();
        let found = state.watched.iter().position(|w| w.range == (at..at.saturating_add(len)));
        if let Some(i) = found {
            state.watched.swap_remove(i);
        }
        self.debugger.watching.store(!state.watched.is_empty(), Ordering::Release);
        Ok(found.is_some())
    }
}

/// A piece of something that gdb reads in pieces.
fn piece(all: &[u8], offset: u64, length: usize, buf: &mut [u8]) -> usize {
    let rest = all.get(offset as usize..).unwrap_or(&[]);
    let n = rest.len().min(length).min(buf.len());
    buf[..n].copy_from_slice(&rest[..n]);
    n
}

impl TargetDescriptionXmlOverride for Guest {
    fn target_description_xml(&self, annex: &[u8], offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let text = match annex {
            b"target.xml" => self.runtime.guest.debug.description,
            _ => return Err(TargetError::NonFatal),
        };
        Ok(piece(text.as_bytes(), offset, length, buf))
    }
}

impl Auxv for Guest {
    fn get_auxv(&self, offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let bytes: Vec<u8> = self.process.auxv.iter().flat_map(|&(k, v)| [k.to_le_bytes(), v.to_le_bytes()]).flatten().collect();
        Ok(piece(&bytes, offset, length, buf))
    }
}

impl ExecFile for Guest {
    fn get_exec_file(&self, _: Option<Pid>, offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(piece(&self.process.exe, offset, length, buf))
    }
}

impl ThreadExtraInfo for Guest {
    fn thread_extra_info(&self, tid: Tid, buf: &mut [u8]) -> Result<usize, Gone> {
        let name = std::fs::read(format!("/proc/self/task/{tid}/comm")).unwrap_or_default();
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        Ok(piece(name, 0, buf.len(), buf))
    }
}
