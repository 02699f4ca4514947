//! What this program itself has to know of a guest's architecture, as a value: which one a guest is, its file says. Instructions are the business of
//! `jit`, calls and layouts that of `syscalls`; here is how the two see the same registers, and what faults, reports, debuggers and core files
//! need.

mod amd64;
mod arm64;

use crate::elf::Arch;
use crate::faults::Cause;
use crate::hwcap::Features;
use crate::report::unwind::Registers;
use jit::code::Engine;
use jit::cpu::Cpu;
use syscalls::abi::Abi;
use syscalls::topics::signal::{Fault, SigInfo};
use syscalls::Context;

/// A CPU feature to insist on, or to hide.
pub type Wish = (bool, String);

/// An architecture.
pub struct Guest {
    /// Whose programs these are.
    pub arch: Arch,
    /// Its instructions.
    pub isa: &'static jit::guest::Guest,
    /// Its Linux.
    pub linux: &'static Abi,
    /// The register file's slot of the stack pointer.
    pub sp: usize,
    /// The register file's slot of the thread pointer.
    pub tls: usize,
    /// The registers of a CPU that is outside of translated code.
    pub context: fn(&Cpu, &Engine) -> Context,
    /// Those that a program starts with, at `pc` with the stack pointer `sp`.
    pub start: fn(pc: u64, sp: u64) -> Context,
    /// Replace them.
    pub set_context: fn(&mut Cpu, &Engine, &Context),
    /// About where position-independent programs go.
    pub pie: u64,
    /// Addresses from here on are not for programs, even where the host has them.
    pub limit: Option<u64>,
    /// An address that is no memory but, called, the system call of the number returned.
    pub gate: fn(u64) -> Option<u64>,
    /// Room that a signal frame needs at most (AT_MINSIGSTKSZ).
    pub minsigstksz: u64,
    /// What the kernel maps into every program.
    pub vdso: Option<Vdso>,
    /// The CPU that a list of wishes leaves.
    pub features: fn(&[Wish]) -> Result<Features, String>,
    /// Names of CPU features, with words about them.
    pub feature_names: fn() -> Vec<(&'static str, &'static str)>,
    /// What a fault means to the guest at `pc`, given what is remembered of the last.
    pub fault: fn(&Cause, pc: u64, last: (u64, u64)) -> Fault,
    /// For reports.
    pub report: Report,
    /// For backtraces.
    pub frames: Frames,
    /// For debuggers and core files.
    pub debug: Debug,
}

/// A vDSO.
pub struct Vdso {
    /// The ELF file, which becomes the guest's memory where it is.
    pub image: &'static Page,
    /// Where in it signal handlers return to.
    pub sigreturn: u64,
}

/// A page of our own image.
#[repr(C, align(4096))]
pub struct Page(pub [u8; 4096]);

/// An instruction: address, bytes, text.
pub type CodeLine = (u64, String, String);
/// A note of a core file: type and contents.
pub type Note = (u32, Vec<u8>);

/// How a crash is described.
pub struct Report {
    /// Disassembly around an address of executable code: address, bytes, text.
    pub code: fn(pc: u64, readable: &dyn Fn(u64) -> bool) -> Vec<CodeLine>,
    /// The general registers, in lines.
    pub registers: fn(&Context) -> Vec<String>,
    /// The vector registers, in lines.
    pub vectors: fn(&Context) -> Vec<String>,
    /// Whether the instruction at an address has to do with those.
    pub uses_vectors: fn(u64) -> bool,
    /// What the last fault was about, by what is remembered of it: "write to", "read of".
    pub access: fn((u64, u64)) -> Option<&'static str>,
    /// A reason that is this architecture's own.
    pub reason: fn(&SigInfo, (u64, u64)) -> Option<&'static str>,
}

/// How functions call each other.
pub struct Frames {
    /// Registers in DWARF's numbering.
    pub registers: fn(&Context) -> Registers,
    /// DWARF's number of the stack pointer.
    pub sp: usize,
    /// Of the frame pointer, which points at a pair: the caller's and the return address.
    pub fp: usize,
    /// Of the column for the return address.
    pub ra: usize,
    /// That is a register, which calls set.
    pub link: bool,
    /// Whose extensions the tables use.
    pub vendor: gimli::Vendor,
    /// Whether an address is where a signal handler returns to.
    pub is_signal: fn(u64) -> bool,
    /// There, the registers that the kernel saved.
    pub interrupted: fn(&Registers) -> Option<Registers>,
    /// Whether a return address follows a call of the function that `pc` is in, as far as can be told.
    pub follows_call: fn(at: u64, pc: u64) -> bool,
}

/// How a debugger sees it.
pub struct Debug {
    /// gdb's description of the registers.
    pub description: &'static str,
    /// The registers in that order.
    pub read: fn(&Context) -> Vec<u8>,
    /// The inverse: what is not in `bytes` stays. `None` if they are too few.
    pub write: fn(&mut Context, &[u8]) -> Option<()>,
    /// What the translator is to see at a breakpoint: an instruction that traps.
    pub breakpoint: &'static [u8],
    /// Instructions lie at multiples of this.
    pub alignment: u64,
    /// The general registers as a core file has them (`elf_gregset_t`).
    pub gregs: fn(&Context) -> Vec<u8>,
    /// The FP registers as a core file has them (`NT_FPREGSET`).
    pub fpregs: fn(&Context) -> Vec<u8>,
    /// A core file's further notes on registers: type and contents, under the name "LINUX".
    pub notes: fn(&Context) -> Vec<Note>,
}

/// The value for an architecture.
pub fn of(arch: Arch) -> &'static Guest {
    match arch {
        Arch::Arm64 => &arm64::GUEST,
        Arch::Amd64 => &amd64::GUEST,
    }
}
