//! Code memory and the engine that runs it: block lookup, links, invalidation, and the way from host pc back to guest state.

use crate::cpu::Cpu;
use crate::guest::{Fetch, Guest};
use crate::host::Features;

/// Why [`Engine::run`] came back. The guest's registers are all in the [`Cpu`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// System call; `cpu.pc` is after the instruction.
    Syscall,
    /// Undefined instruction (its encoding); `cpu.pc` is the instruction.
    Undefined(u32),
    /// Breakpoint instruction (its immediate); `cpu.pc` is the instruction.
    Breakpoint(u32),
    /// The instruction at `cpu.pc` can't be fetched.
    FetchFault,
    /// `cpu.pc` is misaligned.
    PcAlign,
    /// `cpu.pending` was set: signals are to be looked at.
    Pending,
    /// The fault handler ended a block: `cpu.pc` is the faulting instruction; what happened is with the handler.
    Fault,
}

/// What the handler of a synchronous signal learns from [`Engine::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// The host pc is not in translated code: not the guest's fault.
    NotTranslated,
    /// In translated code, but the tables don't know it: our bug.
    Unknown,
    /// The registers are saved in the Cpu, `cpu.pc` is the guest instruction; go on at this host address, which makes `run` return `Exit::Fault`.
    Guest(u64),
    /// The engine deals with it itself (an exact FP path, a tagged pointer): go on at this host address.
    Resume(u64),
}

/// The host registers at a synchronous signal, in the order of the processor's numbering (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8..r15).
#[derive(Clone, Copy, Debug)]
pub struct HostContext {
    /// General registers.
    pub gpr: [u64; 16],
    /// Vector registers.
    pub vec: [u128; 16],
    /// Program counter.
    pub pc: u64,
    /// Condition flags register.
    pub flags: u64,
    /// FP control and status.
    pub fpctl: u32,
}

/// Options of the engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print the IR of each translation.
    pub dump_ir: bool,
    /// Print guest and host code of each translation.
    pub dump_asm: bool,
    /// Keep only this many bytes of code (0: the default); small values force constant eviction.
    pub cache_bytes: usize,
    /// Host features to use, or what the CPU has.
    pub features: Option<Features>,
}

/// The translator of one process, shared by its threads.
pub struct Engine {
    guest: &'static Guest,
}

impl Engine {
    /// Make the engine: reserves code memory. Fails with the errno of the mapping.
    pub fn new(guest: &'static Guest, _options: Options) -> Result<Engine, i32> {
        Ok(Engine { guest })
    }
    /// Run from `cpu.pc` until something needs the runtime.
    pub fn run(&self, _cpu: &mut Cpu, _mem: &dyn Fetch) -> Exit {
        let _ = self.guest;
        Exit::FetchFault
    }
    /// Translations of code in `start..start+len` are void. Callable from any thread.
    pub fn invalidate(&self, _start: u64, _len: u64) {}
    /// A synchronous host signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) at `host`. Async-signal-safe while the thread runs translated code.
    pub fn fault(&self, _cpu: &mut Cpu, _host: &HostContext, _signal: i32, _addr: u64) -> FaultAction {
        FaultAction::NotTranslated
    }
    /// Before fork: take the locks, so that the child finds everything whole. Then call exactly one of the two.
    pub fn fork_prepare(&self) {}
    /// After fork, in the parent (and after a fork that failed).
    pub fn fork_parent(&self) {}
    /// After fork, in the child: makes the code memory its own.
    pub fn fork_child(&self) {}
    /// The guest's condition flags as NZCV in bits 3..0, and their write.
    pub fn nzcv(&self, _cpu: &Cpu) -> u8 {
        0
    }
    /// See [`Engine::nzcv`].
    pub fn set_nzcv(&self, _cpu: &mut Cpu, _nzcv: u8) {}
    /// FPSR incl. accumulated bits; its write; FPCR's write (changes the host's rounding and the mode of translation).
    pub fn fpsr(&self, _cpu: &Cpu) -> u32 {
        0
    }
    /// See [`Engine::fpsr`].
    pub fn set_fpsr(&self, _cpu: &mut Cpu, _fpsr: u32) {}
    /// See [`Engine::fpsr`].
    pub fn set_fpcr(&self, _cpu: &mut Cpu, _fpcr: u32) {}
    /// A CPU for a new thread: fresh, or a copy of the creator's guest registers. Owns its jump cache.
    pub fn new_cpu(&self, _from: Option<&Cpu>) -> Box<Cpu> {
        Cpu::new()
    }
}
