//! `--gdb`: a debugger's view of the guest, by the remote protocol of gdb.
//!
//! **Who does what.** Guest threads tell the [`Debugger`] what happens to them, and wait in it while the guest is stopped; a host thread of its own
//! ([`server`]) speaks with gdb. Between them is one lock ([`State`]) that is held for moments only. All-stop: when one thread has something
//! to tell, every other that runs is asked to leave translated code and waits at the next edge. A thread that is in
//! the kernel is as good as stopped: its registers are what they were at the call, and it waits when it comes back. Should gdb have changed its
//! registers meanwhile, the call is broken off by a signal of ours ([`signals::kick`]) and its result dropped; the pc of such a thread is the call
//! instruction, so that the call is made again when gdb puts the registers back.
//!
//! **Breakpoints** are an overlay over what the translator fetches ([`Debugger::overlay`]): the guest's memory does not change. **Watchpoints** and
//! single steps run on `Engine::step`; while a location is watched every thread steps, one at a time.
//!
//! **Processes.** The process that was started is debugged, also after it has executed another program: the connection is handed on. What it
//! forks runs free. A process that shares the memory (vfork) meets breakpoints that are not for it, and steps over them.
//!
//! Lock order: the engine's lock, then [`Debugger::breakpoints`] or [`Debugger::state`]; the engine is never called with either held.

mod files;
pub mod server;
pub mod wire;

use crate::guest::Guest;
use crate::machine::{Runtime, Vcpu};
use crate::signals;
use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockWriteGuard};
use std::time::Duration;
use syscalls::topics::signal::SigInfo;
use syscalls::{sys, Context, GuestAddr, Machine};

/// How long a dying process waits until gdb has been told.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a thread has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It came to a breakpoint.
    Breakpoint,
    /// It has made its step.
    Step,
    /// It has changed what is watched at this address.
    Watch(u64),
    /// A signal is about to be delivered.
    Signal(i32),
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By exit.
    Exited(i32),
    /// By a signal.
    Killed(i32),
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Running,
    /// In a system call.
    Kernel,
    /// Waiting here.
    Parked,
}

/// What gdb wants a thread to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Action {
    step: bool,
    signal: Option<i32>,
}

struct Tracee {
    tid: i32,
    at: At,
    /// Its registers, unless it runs.
    context: Context,
    /// gdb has changed them.
    dirty: bool,
    action: Option<Action>,
    /// A signal that gdb wants delivered: not to be shown when it comes.
    injected: Option<i32>,
}

struct Watched {
    range: std::ops::Range<u64>,
    value: Vec<u8>,
}

#[derive(Default)]
struct State {
    /// Threads are to wait.
    stopping: bool,
    /// Threads without an action wait, too.
    locked: bool,
    threads: Vec<Tracee>,
    /// Why the guest stops.
    event: Option<(i32, Reason)>,
    end: Option<End>,
    /// gdb knows of the end.
    told: bool,
    watched: Vec<Watched>,
}

impl State {
    fn tracee(&mut self, tid: i32) -> Option<&mut Tracee> {
        self.threads.iter_mut().find(|t| t.tid == tid)
    }
    /// The thread that gdb means. After an exec it takes for granted which one that is, and gdbstub doesn't know.
    fn meant(&mut self, tid: i32) -> Option<&mut Tracee> {
        let i = self.threads.iter().position(|t| t.tid == tid).unwrap_or(0);
        self.threads.get_mut(i)
    }
    fn must_wait(&mut self, tid: i32) -> bool {
        let locked = self.locked;
        self.stopping || locked && self.tracee(tid).is_some_and(|t| t.action.is_none())
    }
    fn all_stopped(&self) -> bool {
        self.threads.iter().all(|t| t.at != At::Running)
    }
}

/// See the module.
pub struct Debugger {
    guest: &'static Guest,
    state: Mutex<State>,
    /// Something in `state` has changed that a thread may wait for.
    changed: Condvar,
    breakpoints: RwLock<BTreeSet<u64>>,
    /// gdb is there.
    attached: AtomicBool,
    /// Something is watched: every thread steps.
    watching: AtomicBool,
    /// Held while a thread steps because of that.
    turn: Mutex<()>,
    /// The server's thread id.
    server: AtomicI32,
    /// The connection.
    pub connection: RawFd,
    /// The connection comes from before an exec.
    pub inherited: bool,
}

impl Debugger {
    /// With gdb at the other end of a connection.
    pub fn new(guest: &'static Guest, connection: RawFd, inherited: bool) -> Debugger {
        Debugger {
            guest,
            state: Mutex::default(),
            changed: Condvar::new(),
            breakpoints: RwLock::default(),
            attached: AtomicBool::new(true),
            watching: AtomicBool::new(false),
            turn: Mutex::default(),
            server: AtomicI32::new(0),
            connection,
            inherited,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(|e| e.into_inner())
    }

    /// Whether gdb is there.
    pub fn attached(&self) -> bool {
        self.attached.load(Ordering::Acquire)
    }

    fn tell_server(&self) {
        match self.server.load(Ordering::Acquire) {
            0 => {}
            tid => signals::kick(tid),
        }
    }

    /// Stop the guest, for a reason that a thread has. Who runs is asked to leave translated code, and comes to wait; who is in the kernel must not be
    /// disturbed there.
    fn halt(&self, mut state: MutexGuard<'_, State>, reason: Option<(i32, Reason)>) {
        state.event = state.event.or(reason);
        state.stopping = true;
        let own = reason.map_or(0, |r| r.0);
        let running: Vec<i32> = state.threads.iter().filter(|t| t.at == At::Running && t.tid != own).map(|t| t.tid).collect();
        drop(state);
        running.into_iter().for_each(signals::kick);
    }

    /// A thread begins; it will wait before its first instruction if the guest is stopped. `stopped`: it is, because of this thread.
    pub fn begin(&self, vcpu: &Vcpu, tid: i32, stopped: bool) {
        let mut state = self.lock();
        state.stopping |= stopped;
        let at = if stopped { At::Parked } else { At::Running };
        state.threads.push(Tracee { tid, at, context: vcpu.context(), dirty: false, action: None, injected: None });
        drop(state);
        syscalls::topics::signal::raise(vcpu.pending());
    }

    /// A thread ends; its status is the process's if it is the last.
    pub fn leave(&self, tid: i32, status: i32) {
        let mut state = self.lock();
        state.threads.retain(|t| t.tid != tid);
        if state.threads.is_empty() {
            drop(state);
            return self.end(End::Exited(status));
        }
        // Nobody else may run: gdb has to know that this will not change.
        if state.locked && !state.stopping && state.threads.iter().all(|t| t.action.is_none()) {
            state.stopping = true;
            state.event = state.threads.first().map(|t| (t.tid, Reason::Step));
        }
        drop(state);
        self.changed.notify_all();
        self.tell_server();
    }

    /// The process is about to end. Returns when gdb knows.
    pub fn end(&self, end: End) {
        if !self.attached() {
            return;
        }
        let mut state = self.lock();
        state.end.get_or_insert(end);
        self.tell_server();
        while !state.told && self.attached() {
            let (guard, timeout) = self.changed.wait_timeout(state, FAREWELL).unwrap_or_else(|e| e.into_inner());
            state = guard;
            if timeout.timed_out() {
                break;
            }
        }
    }

    /// Wait while the guest is stopped; afterwards the registers are what gdb made of them.
    pub fn checkpoint(&self, vcpu: &mut Vcpu, tid: i32) {
        let state = self.lock();
        drop(self.park(state, vcpu, tid));
    }

    fn park<'a>(&'a self, mut state: MutexGuard<'a, State>, vcpu: &mut Vcpu, tid: i32) -> MutexGuard<'a, State> {
        if !state.must_wait(tid) {
            return state;
        }
        if let Some(t) = state.tracee(tid).filter(|t| t.at != At::Parked) {
            (t.context, t.dirty) = (vcpu.context(), false);
        }
        while state.must_wait(tid) {
            // Again where a new stop was faster than we after the last.
            if let Some(t) = state.tracee(tid).filter(|t| t.at != At::Parked) {
                t.at = At::Parked;
                self.tell_server();
            }
            state = self.wait(state);
        }
        if let Some(t) = state.tracee(tid) {
            t.at = At::Running;
            if std::mem::take(&mut t.dirty) {
                vcpu.set_context(&t.context);
            }
        }
        state
    }

    /// Stop the guest because of what happened to this thread; what gdb wants delivered then. If the guest stops for another reason first, the
    /// thread waits; afterwards a step or breakpoint is gdb's to ask for again, the rest is told then.
    pub fn stop(&self, vcpu: &mut Vcpu, tid: i32, reason: Reason) -> Option<i32> {
        let mut state = self.lock();
        while state.must_wait(tid) {
            state = self.park(state, vcpu, tid);
            if matches!(reason, Reason::Breakpoint | Reason::Step) {
                return None;
            }
        }
        if !self.attached() {
            return match reason {
                Reason::Signal(sig) => Some(sig),
                _ => None,
            };
        }
        self.halt(state, Some((tid, reason)));
        let mut state = self.park(self.lock(), vcpu, tid);
        let detached = !self.attached();
        let action = state.tracee(tid).and_then(|t| t.action.as_mut());
        match reason {
            Reason::Signal(sig) if detached => Some(sig),
            _ => action.and_then(|a| a.signal.take()),
        }
    }

    /// A signal is about to be delivered to this thread: what is to be delivered instead.
    pub fn signal(&self, vcpu: &mut Vcpu, tid: i32, info: SigInfo) -> Option<SigInfo> {
        if !self.attached() {
            return Some(info);
        }
        if let Some(t) = self.lock().tracee(tid).filter(|t| t.injected == Some(info.signo)) {
            t.injected = None;
            return Some(info);
        }
        let sig = self.stop(vcpu, tid, Reason::Signal(info.signo))?;
        Some(if sig == info.signo { info } else { SigInfo { code: libc::SI_USER, ..SigInfo::fault(sig, libc::SI_USER, 0) } })
    }

    /// Report something that is not a signal; if gdb sends one on, raise it.
    pub fn report(&self, vcpu: &mut Vcpu, tid: i32, reason: Reason) {
        let Some(sig) = self.stop(vcpu, tid, reason) else { return };
        if let Some(t) = self.lock().tracee(tid) {
            t.injected = Some(sig);
        }
        // SAFETY: sends a signal; touches no memory.
        unsafe {
            let pid = sys::raw(libc::SYS_getpid, [0; 6]) as u64;
            sys::raw(libc::SYS_tgkill, [pid, tid as u64, sig as u64, 0, 0, 0]);
        }
    }

    /// The thread is about to make a system call; its pc is behind the instruction. True: not yet, because the guest is to stop first.
    pub fn enter_kernel(&self, vcpu: &Vcpu, tid: i32) -> bool {
        let mut context = vcpu.context();
        context.pc = context.pc.wrapping_sub(self.guest.linux.registers.call_bytes);
        let mut state = self.lock();
        if state.must_wait(tid) {
            return true;
        }
        if let Some(t) = state.tracee(tid) {
            (t.at, t.context, t.dirty) = (At::Kernel, context, false);
        }
        false
    }

    /// It comes back. True: gdb has replaced its registers, and the call's result is void.
    pub fn leave_kernel(&self, vcpu: &mut Vcpu, tid: i32) -> bool {
        let mut state = self.lock();
        while state.must_wait(tid) && state.tracee(tid).is_some() {
            state = self.wait(state);
        }
        let Some(t) = state.tracee(tid) else { return false };
        t.at = At::Running;
        let dirty = std::mem::take(&mut t.dirty);
        if dirty {
            vcpu.set_context(&t.context);
        }
        dirty
    }

    /// Whether the thread is to execute one instruction only: because gdb said so, or because memory is watched.
    pub fn steps(&self, tid: i32) -> (bool, bool) {
        let step = self.lock().tracee(tid).and_then(|t| t.action).is_some_and(|a| a.step);
        (step, self.watching.load(Ordering::Acquire))
    }

    /// The right to step while memory is watched.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The address of watched memory that has changed since the last look.
    pub fn changed_memory(&self) -> Option<u64> {
        let mut state = self.lock();
        let mut found = None;
        for w in &mut state.watched {
            let now = read(&w.range);
            if now != w.value {
                w.value = now;
                found.get_or_insert(w.range.start);
            }
        }
        found
    }

    /// Whether a breakpoint is at `pc`.
    pub fn has_breakpoint(&self, pc: u64) -> bool {
        self.breakpoints.read().unwrap_or_else(|e| e.into_inner()).contains(&pc)
    }

    /// Put breakpoints over words fetched from `pc` on.
    pub fn overlay_words(&self, pc: u64, words: &mut [u32]) {
        let Ok(trap) = self.guest.debug.breakpoint.try_into().map(u32::from_le_bytes) else { return };
        let set = self.breakpoints.read().unwrap_or_else(|e| e.into_inner());
        for &at in set.range(pc..pc.saturating_add(words.len() as u64 * 4)) {
            words[((at - pc) / 4) as usize] = trap;
        }
    }

    /// Put breakpoints over bytes fetched from `pc` on.
    pub fn overlay(&self, pc: u64, bytes: &mut [u8]) {
        let set = self.breakpoints.read().unwrap_or_else(|e| e.into_inner());
        let trap = self.guest.debug.breakpoint;
        let first = pc.saturating_sub(trap.len() as u64 - 1);
        for &at in set.range(first..pc.saturating_add(bytes.len() as u64)) {
            let covered = (at..).zip(trap).filter_map(|(at, &b)| Some((usize::try_from(at.checked_sub(pc)?).ok()?, b)));
            covered.for_each(|(i, b)| bytes.get_mut(i).into_iter().for_each(|place| *place = b));
        }
    }

    fn breakpoint_bytes(&self) -> u64 {
        self.guest.debug.breakpoint.len() as u64
    }

    /// Add or remove a breakpoint. False: it was so already.
    fn set_breakpoint(&self, runtime: &Runtime, at: u64, on: bool) -> bool {
        let mut set = self.breakpoints.write().unwrap_or_else(|e| e.into_inner());
        let done = if on { set.insert(at) } else { set.remove(&at) };
        drop(set);
        runtime.engine.invalidate(at, self.breakpoint_bytes());
        done
    }

    /// gdb has gone: everything runs free.
    fn detach(&self, runtime: &Runtime) {
        self.attached.store(false, Ordering::Release);
        let set = std::mem::take(&mut *self.breakpoints.write().unwrap_or_else(|e| e.into_inner()));
        set.into_iter().for_each(|at| runtime.engine.invalidate(at, self.breakpoint_bytes()));
        self.watching.store(false, Ordering::Release);
        let mut state = self.lock();
        (state.stopping, state.locked, state.event) = (false, false, None);
        state.watched.clear();
        state.threads.iter_mut().for_each(|t| t.action = None);
        drop(state);
        self.changed.notify_all();
    }

    /// Before a fork, after the engine's part: keep others from breakpoints and state, so that the child finds them whole.
    pub fn fork_prepare(&self) -> ForkGuard<'_> {
        ForkGuard {
            breakpoints: self.breakpoints.write().unwrap_or_else(|e| e.into_inner()),
            _state: self.lock(),
            _turn: self.turn.try_lock().ok(),
        }
    }

    /// In the child of a fork, once the engine is unlocked: it runs free.
    pub fn forked(&self, runtime: &Runtime) {
        // SAFETY: a descriptor of ours that the guest doesn't know.
        unsafe { sys::raw(libc::SYS_close, [self.connection as u64, 0, 0, 0, 0, 0]) };
        self.detach(runtime);
        self.lock().threads.clear();
    }
}

/// See [`Debugger::fork_prepare`].
pub struct ForkGuard<'a> {
    #[allow(dead_code, reason = "held")]
    breakpoints: RwLockWriteGuard<'a, BTreeSet<u64>>,
    _state: MutexGuard<'a, State>,
    _turn: Option<MutexGuard<'a, ()>>,
}

/// What is at a range of guest memory; nothing if it can't be read.
fn read(range: &std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    match GuestAddr(range.start).read_bytes(&mut bytes) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}
