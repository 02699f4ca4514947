//! Seccomp. A guest's filters speak of the guest's calls, so they are run here, before each of them; the host's kernel never hears of them, and
//! the runtime's own calls pass. Filters are inherited as by the kernel: by threads and forks as part of [`Thread`](crate::Thread), by
//! programs through [`State::export`] and [`State::import`]. Where the host confines this process, its own rules stand as well.
//!
//! Refused, as a kernel before 5.0 does: notifications to a supervisor (SECCOMP_FILTER_FLAG_NEW_LISTENER).

mod bpf;
#[cfg(test)]
mod tests;

use super::signal::{self, Fault, SigInfo};
use crate::ctx::{Ctx, Flow, Stop, SysResult};
use crate::{sys, Errno, GuestAddr};
use bpf::{Data, Insn};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

const SET_MODE_STRICT: u64 = 0;
const SET_MODE_FILTER: u64 = 1;
const GET_ACTION_AVAIL: u64 = 2;

const FLAG_TSYNC: u64 = 1;
const FLAG_LOG: u64 = 2;
const FLAG_SPEC_ALLOW: u64 = 4;
const FLAG_TSYNC_ESRCH: u64 = 16;
const FLAGS: u64 = FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH;

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_LOG: u32 = 0x7ffc_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_ACTION: u32 = 0xffff_0000;
const RET_DATA: u32 = 0xffff;
const MAX_ERRNO: u32 = 4095;

/// `si_code` of SIGSYS.
const SYS_SECCOMP: i32 = 1;
/// What the programs of one task may be long in all, in the form that the kernel turns them into, each counted with this much more (`MAX_INSNS_PER_PATH`).
const MAX_TOTAL: usize = 32768;
const OVERHEAD: usize = 4;
const CAP_SYS_ADMIN: u32 = 21;

/// A program, and those that were there before.
#[derive(Debug)]
struct Filter {
    program: Vec<Insn>,
    before: Option<Arc<Filter>>,
}

impl Filter {
    /// This one and those before.
    fn chain(filter: &Option<Arc<Filter>>) -> impl Iterator<Item = &Arc<Filter>> {
        std::iter::successors(filter.as_ref(), |f| f.before.as_ref())
    }
}

impl Drop for Filter {
    /// Without recursion: a chain may be long.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut filter) = next.and_then(Arc::into_inner) {
            next = filter.before.take();
        }
    }
}

#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Disabled,
    Strict,
    Filter(Arc<Filter>),
}

impl Mode {
    fn filter(&self) -> Option<Arc<Filter>> {
        match self {
            Mode::Filter(f) => Some(f.clone()),
            _ => None,
        }
    }
}

/// What one thread is confined by. Other threads see it for TSYNC.
#[derive(Debug, Default)]
struct Cell {
    /// Not [`Mode::Disabled`].
    active: AtomicBool,
    /// Another thread had it set no_new_privs, which it can only do itself.
    no_new_privs: AtomicBool,
    mode: Mutex<Mode>,
    tid: AtomicI32,
}

impl Cell {
    fn mode(&self) -> Mode {
        lock(&self.mode).clone()
    }
    fn set(&self, mode: Mode) {
        *lock(&self.mode) = mode;
        self.active.store(true, Ordering::Release);
    }
}

/// The threads of a process.
#[derive(Debug)]
pub struct Group(Mutex<Vec<Arc<Cell>>>);

impl Group {
    fn of(cell: &Arc<Cell>) -> Arc<Group> {
        Arc::new(Group(Mutex::new(vec![cell.clone()])))
    }

    /// Nothing changes while what this returns lives.
    pub fn freeze(&self) -> impl Drop + '_ {
        lock(&self.0)
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

/// A thread's part. It leaves its group when dropped.
#[derive(Debug)]
pub struct State {
    cell: Arc<Cell>,
    group: Arc<Group>,
}

impl Default for State {
    fn default() -> State {
        State::alone(Mode::Disabled)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.leave();
    }
}

impl State {
    fn alone(mode: Mode) -> State {
        let cell = Arc::<Cell>::default();
        if !matches!(mode, Mode::Disabled) {
            cell.set(mode);
        }
        let group = Group::of(&cell);
        State { cell, group }
    }

    /// Whether calls are to be looked at.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.cell.active.load(Ordering::Relaxed)
    }

    /// Of a new thread, or of a process that shares the memory.
    pub fn child(&self, thread: bool) -> State {
        if !thread {
            return State::alone(self.cell.mode());
        }
        let mut members = lock(&self.group.0);
        let cell = Arc::<Cell>::default();
        if self.is_active() {
            cell.set(self.cell.mode());
        }
        cell.no_new_privs.store(self.cell.no_new_privs.load(Ordering::Relaxed), Ordering::Relaxed);
        members.push(cell.clone());
        State { cell, group: self.group.clone() }
    }

    /// The thread's id, once it is known.
    pub fn set_tid(&self, tid: i32) {
        self.cell.tid.store(tid, Ordering::Relaxed);
    }

    /// The threads of the process, to be kept still while it is copied.
    pub fn group(&self) -> Arc<Group> {
        self.group.clone()
    }

    /// The other threads didn't come along.
    pub fn after_fork(&mut self, tid: i32) {
        self.set_tid(tid);
        self.group = Group::of(&self.cell);
    }

    /// The thread ends.
    pub fn leave(&self) {
        lock(&self.group.0).retain(|c| !Arc::ptr_eq(c, &self.cell));
    }

    fn is_last(&self) -> bool {
        lock(&self.group.0).len() <= 1
    }

    /// The filters for the next program, the oldest first: of each its length and its instructions. Empty without any.
    pub fn export(&self) -> Vec<u8> {
        let filter = self.cell.mode().filter();
        let mut chain: Vec<_> = Filter::chain(&filter).collect();
        chain.reverse();
        let mut out = Vec::new();
        for f in chain {
            out.extend_from_slice(&(f.program.len() as u32).to_le_bytes());
            for i in &f.program {
                out.extend_from_slice(&i.code.to_le_bytes());
                out.extend_from_slice(&[i.jt, i.jf]);
                out.extend_from_slice(&i.k.to_le_bytes());
            }
        }
        out
    }

    /// What [`State::export`] made; `None` if that can't be.
    pub fn import(mut bytes: &[u8]) -> Option<State> {
        let mut filter = None;
        while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
            let (program, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize * size_of::<Insn>())?;
            let program: Vec<Insn> = program.chunks_exact(size_of::<Insn>()).map(insn).collect();
            bpf::check(&program).ok()?;
            filter = Some(Arc::new(Filter { program, before: filter }));
            bytes = rest;
        }
        bytes.is_empty().then(|| State::alone(filter.map_or(Mode::Disabled, Mode::Filter)))
    }

    /// The mode for PR_GET_SECCOMP and /proc, and the number of filters, if the thread is confined at all.
    pub fn shown(&self) -> Option<(u32, usize)> {
        match self.cell.mode() {
            Mode::Disabled => None,
            Mode::Strict => Some((1, 0)),
            Mode::Filter(f) => Some((2, Filter::chain(&Some(f)).count())),
        }
    }
}

fn insn(b: &[u8]) -> Insn {
    let half = |i: usize| u16::from_le_bytes([b[i], b[i + 1]]);
    Insn { code: half(0), jt: b[2], jf: b[3], k: u32::from(half(4)) | u32::from(half(6)) << 16 }
}

/// Ask the filters about a call of a confined thread. `None`: let it pass.
#[cold]
pub fn check(ctx: &mut Ctx<'_>, nr: u64, args: &[u64; 6]) -> Option<SysResult> {
    let cell = &ctx.thread.seccomp.cell;
    if cell.no_new_privs.swap(false, Ordering::Relaxed) {
        set_no_new_privs();
    }
    let abi = ctx.abi();
    let filter = match cell.mode() {
        Mode::Disabled => return None,
        Mode::Strict if abi.strict.contains(&nr) => return None,
        Mode::Strict => return Some(kill_thread(ctx, libc::SIGKILL)),
        Mode::Filter(f) => Some(f),
    };
    let data = Data { nr: nr as i32, arch: abi.audit_arch, ip: ctx.machine.pc(), args: *args };
    let mut verdict = RET_ALLOW;
    for f in Filter::chain(&filter) {
        let v = bpf::run(&f.program, &data);
        // The strictest counts, and of equal ones the youngest.
        if ((v & RET_ACTION) as i32) < (verdict & RET_ACTION) as i32 {
            verdict = v;
        }
    }
    act(ctx, verdict, &data)
}

fn act(ctx: &mut Ctx<'_>, verdict: u32, data: &Data) -> Option<SysResult> {
    let detail = verdict & RET_DATA;
    match verdict & RET_ACTION {
        RET_ALLOW | RET_LOG => None,
        RET_ERRNO => Some(match detail.min(MAX_ERRNO) {
            0 => Ok(0),
            e => Err(Errno(e as i32).into()),
        }),
        // Nobody traces, and nobody listens.
        RET_TRACE | RET_USER_NOTIF => Some(Err(Errno::ENOSYS.into())),
        RET_TRAP => {
            let mut info = SigInfo::fault(libc::SIGSYS, SYS_SECCOMP, data.ip);
            info.errno = detail as i32;
            info.rest[1] = u64::from(data.nr as u32) | u64::from(data.arch) << 32;
            ctx.thread.signals.fault = Some(Fault { info, syndrome: None });
            signal::raise(ctx.machine.pending());
            // The registers are those of the call.
            Some(Err(Stop::Flow(Flow::Replaced)))
        }
        RET_KILL_THREAD => Some(kill_thread(ctx, libc::SIGSYS)),
        // RET_KILL_PROCESS, and what no kernel knows.
        _ => Some(Err(Stop::Flow(Flow::Die(libc::SIGSYS)))),
    }
}

/// End the thread, or the process with its last thread, as by a signal.
fn kill_thread(ctx: &mut Ctx<'_>, sig: i32) -> SysResult {
    if ctx.thread.seccomp.is_last() {
        return Err(Stop::Flow(Flow::Die(sig)));
    }
    // As exit does it.
    signal::block_all(ctx)?;
    Err(Stop::Flow(Flow::Exit(sig)))
}

fn set_no_new_privs() {
    // SAFETY: touches no memory.
    unsafe { sys::raw(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0]) };
}

fn has_no_new_privs() -> bool {
    // SAFETY: touches no memory.
    unsafe { sys::raw(libc::SYS_prctl, [libc::PR_GET_NO_NEW_PRIVS as u64, 0, 0, 0, 0, 0]) == 1 }
}

/// seccomp(op, flags, args).
pub fn seccomp(ctx: &mut Ctx<'_>, [op, flags, at, ..]: [u64; 6]) -> SysResult {
    let (op, flags) = (op & 0xffff_ffff, flags & 0xffff_ffff);
    match op {
        SET_MODE_STRICT if flags == 0 && at == 0 => set_strict(ctx),
        SET_MODE_FILTER => set_filter(ctx, flags, GuestAddr(at)),
        GET_ACTION_AVAIL if flags == 0 => match GuestAddr(at).read::<u32>()? {
            RET_KILL_PROCESS | RET_KILL_THREAD | RET_TRAP | RET_ERRNO | RET_TRACE | RET_LOG | RET_ALLOW => Ok(0),
            _ => Err(Errno(libc::EOPNOTSUPP).into()),
        },
        _ => Err(Errno::EINVAL.into()),
    }
}

/// prctl(PR_SET_SECCOMP, mode, filter).
pub fn prctl_set(ctx: &mut Ctx<'_>, mode: u64, filter: u64) -> SysResult {
    match mode {
        1 => set_strict(ctx),
        2 => set_filter(ctx, 0, GuestAddr(filter)),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn set_strict(ctx: &mut Ctx<'_>) -> SysResult {
    let cell = &ctx.thread.seccomp.cell;
    match cell.mode() {
        Mode::Filter(_) => Err(Errno::EINVAL.into()),
        _ => {
            cell.set(Mode::Strict);
            Ok(0)
        }
    }
}

/// `struct sock_fprog` and what it points to, checked.
fn read_program(at: GuestAddr) -> Result<Vec<Insn>, Errno> {
    let [len, filter] = at.read::<[u64; 2]>()?;
    let len = len as u16 as usize;
    if len == 0 || len > bpf::MAX_LEN {
        return Err(Errno::EINVAL);
    }
    if !has_no_new_privs() && !super::proc::has_capability(CAP_SYS_ADMIN) {
        return Err(Errno(libc::EACCES));
    }
    let mut program = vec![Insn::default(); len];
    for (i, insn) in program.iter_mut().enumerate() {
        *insn = GuestAddr(filter).add((i * size_of::<Insn>()) as u64).read()?;
    }
    bpf::check(&program)?;
    Ok(program)
}

fn set_filter(ctx: &mut Ctx<'_>, flags: u64, at: GuestAddr) -> SysResult {
    ctx.machine.leave_family(ctx.thread);
    if flags & !FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let program = read_program(at)?;
    let state = &ctx.thread.seccomp;
    let members = lock(&state.group.0);
    let before = match state.cell.mode() {
        Mode::Strict => return Err(Errno::EINVAL.into()),
        mode => mode.filter(),
    };
    let total: usize = Filter::chain(&before).map(|f| bpf::converted_len(&f.program) + OVERHEAD).sum();
    if total + bpf::converted_len(&program) > MAX_TOTAL {
        return Err(Errno::ENOMEM.into());
    }
    let others = || members.iter().filter(|c| !Arc::ptr_eq(c, &state.cell));
    if flags & FLAG_TSYNC != 0 {
        if let Some(odd) = others().find(|c| !can_follow(&c.mode(), &before)) {
            return match flags & FLAG_TSYNC_ESRCH {
                0 => Ok(odd.tid.load(Ordering::Relaxed) as u64),
                _ => Err(Errno(libc::ESRCH).into()),
            };
        }
    }
    let filter = Arc::new(Filter { program, before });
    if flags & FLAG_TSYNC != 0 {
        let no_new_privs = has_no_new_privs();
        for c in others() {
            c.no_new_privs.fetch_or(no_new_privs, Ordering::Relaxed);
            c.set(Mode::Filter(filter.clone()));
        }
    }
    state.cell.set(Mode::Filter(filter));
    Ok(0)
}

/// Whether a thread of this mode can be given one more filter behind `before`: it has no filter that the caller lacks.
fn can_follow(mode: &Mode, before: &Option<Arc<Filter>>) -> bool {
    match mode {
        Mode::Disabled => true,
        Mode::Strict => false,
        Mode::Filter(f) => Filter::chain(before).any(|b| Arc::ptr_eq(b, f)),
    }
}
