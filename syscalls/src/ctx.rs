//! What a handler works on.

use crate::abi::Abi;
use crate::topics::{mem, procfs, seccomp, signal};
use crate::{sys, Errno};
use std::borrow::Borrow;
use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

/// Why a handler has no value to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed.
    Errno(Errno),
    /// A signal interrupted it: deliver that, then repeat the call or fail with EINTR, as its SA_RESTART says.
    Restart,
    /// Control doesn't return to the guest's next instruction.
    Flow(Flow),
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Stop {
        Stop::Errno(e)
    }
}

/// What else a call can do with the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// exit: this thread ends with the status.
    Exit(i32),
    /// exit_group.
    ExitGroup(i32),
    /// The process dies by this signal, whatever its disposition.
    Die(i32),
    /// The registers have been replaced as a whole (rt_sigreturn): write no result.
    Replaced,
    /// Nothing has happened: deliver the signals that wait, then make the same call again, whatever their SA_RESTART says.
    Repeat,
}

/// A handler's result: the value for the guest's result register.
pub type SysResult = Result<u64, Stop>;

/// A handler.
pub type Handler = fn(&mut Ctx<'_>, [u64; 6]) -> SysResult;

/// The guest's registers in a neutral form, for signal frames, ptrace-like views and dumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// arm64: X0..X30; amd64: the sixteen in the order of their encoding, but rsp, which is in `sp` (`x[4]` means nothing).
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Program counter.
    pub pc: u64,
    /// arm64: NZCV in bits 31..28; amd64: RFLAGS.
    pub pstate: u64,
    /// Vector registers; amd64: xmm0..xmm15, then the upper halves of ymm0..ymm15.
    pub v: [u128; 32],
    /// arm64 FPSR (incl. accumulated bits) and FPCR.
    pub fpsr: u32,
    /// See `fpsr`; amd64: MXCSR, flags included.
    pub fpcr: u32,
    /// Thread pointer; amd64: the base of FS.
    pub tls: u64,
    /// amd64: the base of GS.
    pub gs: u64,
    /// amd64: the x87.
    pub x87: X87,
}

/// amd64's x87 (and MMX) state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X87 {
    /// FCW.
    pub control: u16,
    /// FSW, TOP included.
    pub status: u16,
    /// The abridged tag word of FXSAVE: bit n says that physical register n is not empty.
    pub tags: u8,
    /// FOP.
    pub opcode: u16,
    /// FIP.
    pub ip: u64,
    /// FDP.
    pub dp: u64,
    /// ST(0) to ST(7) in the low 80 bits.
    pub st: [u128; 8],
}

impl X87 {
    /// As FNINIT leaves it.
    pub const INIT: X87 = X87 { control: 0x37f, status: 0, tags: 0, opcode: 0, ip: 0, dp: 0, st: [0; 8] };
}

impl Default for X87 {
    fn default() -> X87 {
        X87::INIT
    }
}

/// Arguments of clone, clone3, fork, vfork in one form (clone3's struct; see clone(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneArgs {
    /// CLONE_* without the exit signal.
    pub flags: u64,
    /// Where to store a pidfd (CLONE_PIDFD).
    pub pidfd: u64,
    /// CLONE_CHILD_SETTID / CLEARTID address.
    pub child_tid: u64,
    /// CLONE_PARENT_SETTID address.
    pub parent_tid: u64,
    /// Signal to the parent at exit.
    pub exit_signal: u64,
    /// New stack pointer, or 0 to keep the parent's.
    pub sp: u64,
    /// Thread pointer (CLONE_SETTLS).
    pub tls: u64,
    /// clone3 set_tid array.
    pub set_tid: u64,
    /// Its length.
    pub set_tid_size: u64,
    /// clone3 cgroup fd (CLONE_INTO_CGROUP).
    pub cgroup: u64,
}

/// execve, execveat.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// AT_FDCWD or a directory (or, with AT_EMPTY_PATH, the file).
    pub dirfd: i32,
    /// Path as given.
    pub path: CString,
    /// What to execute if the path is a link of /proc that must lead to the guest's own program.
    pub target: Option<CString>,
    /// Arguments.
    pub argv: Vec<CString>,
    /// Environment.
    pub envp: Vec<CString>,
    /// AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_EXECVE_CHECK.
    pub flags: u64,
}

/// What the Linux layer needs from the machine that runs the guest. One per thread.
pub trait Machine {
    /// All registers.
    fn context(&self) -> Context;
    /// The program counter alone.
    fn pc(&self) -> u64 {
        self.context().pc
    }
    /// Replace all registers.
    fn set_context(&mut self, c: &Context);
    /// Translations of code in `start..start+len` are void (mapping changed, code rewritten).
    fn invalidate(&self, start: u64, len: u64);
    /// Create a thread or process. Returns the child's id to the parent; the child starts elsewhere, or returns here, with result 0. Every signal that
    /// can be blocked is, and stays so.
    fn clone(&mut self, thread: &mut Thread, args: &CloneArgs) -> SysResult;
    /// Replace the program. Returns only on failure, or if the request was only to check.
    fn exec(&mut self, thread: &mut Thread, req: ExecRequest) -> SysResult;
    /// The process gives up what it shares with its relatives, translated code for one: it is about to get other rights.
    fn leave_family(&mut self, _: &Thread) {}
    /// Others may look at the guest's memory from here on while it runs.
    fn share_memory(&self) {}
    /// A debugger's say in a signal that is about to be delivered: another in its place, or none. Nothing is locked.
    fn intercept(&mut self, _: &mut Thread, info: signal::SigInfo) -> Option<signal::SigInfo> {
        Some(info)
    }
    /// Address of the word that is non-zero when a signal waits (for [`sys::interruptible`]).
    fn pending(&self) -> *const u32;
}

/// Options of the run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Print each call.
    pub strace: bool,
}

/// What all threads of a process share that never changes after start (an exec makes a new one).
#[derive(Debug)]
pub struct Process {
    /// The guest's Linux.
    pub abi: &'static Abi,
    /// Options.
    pub options: Options,
    /// Absolute path of the guest program, for /proc/self/exe.
    pub exe: Vec<u8>,
    /// An open descriptor of the runtime's own executable, to execute foreign programs without binfmt_misc; high, kept from the guest
    /// (never listed, closed or replaced by its calls), or -1 when the kernel's binfmt_misc does it.
    pub self_fd: i32,
    /// A debugger's connection, kept from the guest in the same way.
    pub debug_fd: Option<i32>,
    /// A file that the runtime shares with relatives, or -1; kept from the guest, too.
    pub family_fd: AtomicI32,
    /// Guest argv as the kernel would show it in /proc/self/cmdline.
    pub argv: Vec<Vec<u8>>,
    /// The auxiliary vector as (type, value) pairs, for /proc/self/auxv.
    pub auxv: Vec<(u64, u64)>,
    /// Where signal handlers return to unless they bring a restorer: `__kernel_rt_sigreturn` of the guest's vDSO.
    pub sigreturn: u64,
    /// Where the guest's parts are, for /proc/self/stat, cmdline and environ.
    pub areas: procfs::Areas,
    /// The kernel knows them: see [`procfs::publish`].
    pub published: bool,
    /// Names of the CPU's features for /proc/cpuinfo.
    pub features: String,
    /// The rest of what an amd64 guest's CPUID says.
    pub cpu: crate::amd64::CpuIdentity,
}

impl Default for Process {
    /// Of nothing; an arm64 guest's.
    fn default() -> Process {
        Process {
            abi: &crate::arm64::ABI,
            options: Options::default(),
            exe: Vec::new(),
            self_fd: 0,
            debug_fd: None,
            family_fd: AtomicI32::new(-1),
            argv: Vec::new(),
            auxv: Vec::new(),
            sigreturn: 0,
            areas: procfs::Areas::default(),
            published: false,
            features: String::new(),
            cpu: Default::default(),
        }
    }
}

impl Process {
    /// The descriptors that don't exist for the guest, by number.
    pub fn own_descriptors(&self) -> impl Iterator<Item = i32> {
        let mut own = [self.self_fd, self.debug_fd.unwrap_or(-1), self.family_fd.load(Ordering::Relaxed)];
        own.sort_unstable();
        own.into_iter().filter(|&fd| fd >= 0)
    }
}

/// A guest thread.
pub struct Thread {
    /// The process.
    pub process: Arc<Process>,
    /// The address space (shared with CLONE_VM).
    pub mem: Arc<mem::Space>,
    /// Signal dispositions (shared with CLONE_SIGHAND).
    pub actions: Arc<Mutex<signal::Actions>>,
    /// Mask, alternate stack, pending synchronous signal.
    pub signals: signal::ThreadSignals,
    /// Its system-call filters.
    pub seccomp: seccomp::State,
    /// set_tid_address / CLONE_CHILD_CLEARTID.
    pub clear_child_tid: u64,
    /// Kernel thread id.
    pub tid: i32,
}

/// Everything for one call.
pub struct Ctx<'a> {
    /// The calling thread.
    pub thread: &'a mut Thread,
    /// Its machine.
    pub machine: &'a mut dyn Machine,
}

impl Ctx<'_> {
    /// The guest's Linux.
    #[inline]
    pub fn abi(&self) -> &'static Abi {
        self.thread.process.abi
    }

    /// A host system call that may block: waits, is interrupted by signals, restarts as the kernel would.
    pub fn sys(&mut self, nr: i64, args: impl Borrow<[u64; 6]>) -> SysResult {
        // SAFETY: handlers pass guest addresses or buffers of their own; what the guest asks the kernel to do to its own memory is its right.
        let r = unsafe { sys::interruptible(self.machine.pending(), nr, args) };
        match r {
            r if r == -sys::ERESTARTSYS => Err(Stop::Restart),
            r if r == -sys::ERESTARTNOINTR => Err(Stop::Flow(Flow::Repeat)),
            r if (-4095..0).contains(&r) => Err(Stop::Errno(Errno(-r as i32))),
            r => Ok(r as u64),
        }
    }
}
