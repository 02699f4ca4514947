//! Hosts: from IR to machine code. Nothing here knows a guest.

pub mod amd64;

use crate::ir::{Block, GuestReg};

/// Which guest registers live in which host registers while translated code runs. Made once per (guest, host) pair by
/// zipping the guest's heat list with the host's list of registers to pin.
#[derive(Clone, Debug)]
pub struct Pins {
    /// (guest slot, host general register number).
    pub gprs: Vec<(GuestReg, u8)>,
    /// (guest slot, host vector register number).
    pub vecs: Vec<(GuestReg, u8)>,
}

/// A direct exit of a block. Unlinked, its jump leads to a stub of its own that calls the common link stub and is followed by a
/// 32-bit site word; `ExitKind::Link` reports that word's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Offset in the code of the 4-byte jump displacement to patch; within an aligned 8-byte word in the final code.
    pub at: u32,
    /// Offset of the unlinked stub (where an unlinked jump leads).
    pub stub: u32,
    /// Offset of the site word, which `code` fills with the link's index.
    pub site: u32,
    /// Guest pc of the target.
    pub target: u64,
}

/// An absolute or external reference in emitted code, so that code can be moved and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloc {
    /// 32-bit pc-relative displacement at `at` to common stub number `stub`.
    Stub { at: u32, stub: u8 },
    /// 64-bit absolute address at `at` of helper number `helper` (see `host::amd64::helpers`).
    Helper { at: u32, helper: u16 },
}

/// Where a block can fault: the host offset of the *start* of the faulting host instruction is in `[host, next.host)`, the guest instruction is `pc`.
/// At such a point every pinned guest register is in its host register and every other in its slot; only the flags may be elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Host code offset where this guest instruction's code begins.
    pub host: u32,
    /// Guest pc.
    pub pc: u64,
    /// Where the flags are: 0 = in `Cpu::flags`, else in the host's flags, in the host's shape number (`host::amd64::flags`).
    pub flags: u8,
    /// Further facts for the fault handler: bits of `host::amd64::regs::point`.
    pub bits: u8,
}

/// The product of a host for one block. Reused; `clear` keeps memory.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// Position-independent but for `relocs`.
    pub code: Vec<u8>,
    /// Direct exits.
    pub links: Vec<Link>,
    /// References to fix.
    pub relocs: Vec<Reloc>,
    /// Ascending by host offset. Out-of-line parts have points of their own.
    pub points: Vec<Point>,
}

impl Emitted {
    /// Empty it, keeping its memory.
    pub fn clear(&mut self) {
        self.code.clear();
        self.links.clear();
        self.relocs.clear();
        self.points.clear();
    }
}

/// Options of emission that come from the CPU and the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// AVX (and the OS saves its state).
    pub avx: bool,
    /// AVX2.
    pub avx2: bool,
    /// FMA3.
    pub fma: bool,
    /// F16C.
    pub f16c: bool,
    /// BMI1 and BMI2.
    pub bmi: bool,
    /// LZCNT.
    pub lzcnt: bool,
    /// AES-NI.
    pub aes: bool,
    /// PCLMULQDQ.
    pub pclmul: bool,
    /// SHA-NI.
    pub sha: bool,
    /// GFNI.
    pub gfni: bool,
    /// AVX-512 F, VL, BW, DQ.
    pub avx512: bool,
    /// VNNI: AVX-VNNI, or with AVX-512 its own.
    pub vnni: bool,
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

/// A host back end, ready for one (guest, host) pair.
pub trait Backend {
    /// Emit `block` into `out` (cleared first).
    fn emit(&mut self, block: &mut Block, out: &mut Emitted);
    /// The pair's pins.
    fn pins(&self) -> &Pins;
}

/// The back end for the machine that this program is built for, under the names that `code` uses.
#[cfg(target_arch = "x86_64")]
mod native {
    use super::{amd64, HostContext, Point};
    use crate::cpu::Cpu;
    use crate::ir::{FpRules, Round};
    use capstone::prelude::*;

    pub use amd64::flags::{nzcv_from_rest, rest_from_nzcv};
    pub use amd64::helpers::{fpsr, set_fpsr};
    pub use amd64::Amd64 as Native;

    /// Number of the stub that [`enter`] calls.
    pub const STUB_ENTER: usize = amd64::stubs::Stub::Enter as usize;
    /// Number of the stub where a fault handler resumes to leave translated code.
    pub const STUB_FAULT: usize = amd64::stubs::Stub::FaultExit as usize;
    /// In the enter stub: from here to [`STUB_ENTER_END`] a thread may start over, to see whether it is to run at all.
    pub const STUB_ENTER_CHECK: usize = amd64::stubs::Stub::EnterCheck as usize;
    /// See [`STUB_ENTER_CHECK`].
    pub const STUB_ENTER_END: usize = amd64::stubs::Stub::EnterEnd as usize;
    /// From here to [`STUB_LOOKUP_LEAVE`] a thread looks for the target of an indirect branch, and may go to [`STUB_PENDING`] instead.
    pub const STUB_RETURN_MISS: usize = amd64::stubs::Stub::ReturnMiss as usize;
    /// See [`STUB_RETURN_MISS`].
    pub const STUB_LOOKUP_LEAVE: usize = amd64::stubs::Stub::LookupLeave as usize;
    /// Leaves before an indirect branch.
    pub const STUB_PENDING: usize = amd64::stubs::Stub::Pending as usize;
    /// Calls a helper; ends at [`STUB_EVAL_END`].
    pub const STUB_EVAL: usize = amd64::stubs::Stub::Eval as usize;
    /// See [`STUB_EVAL`].
    pub const STUB_EVAL_END: usize = amd64::stubs::Stub::EvalEnd as usize;
    /// What a pair of the return stack leads to so that the thread leaves.
    pub const STUB_RET_PENDING: usize = amd64::stubs::Stub::RetPending as usize;
    /// What the base of the return stack leads to.
    pub const STUB_RET_EMPTY: usize = amd64::stubs::Stub::RetEmpty as usize;

    /// What the CPU has.
    pub fn detect() -> super::Features {
        super::Features::detect()
    }

    /// Run translated code at `host` through the enter stub at `stub`.
    ///
    /// # Safety
    /// Both addresses are code that the back end emitted and that stays mapped until the call returns.
    pub unsafe fn enter(stub: u64, cpu: &mut Cpu, host: u64) {
        // SAFETY: the stub has this signature.
        unsafe { std::mem::transmute::<u64, extern "sysv64" fn(*mut Cpu, u64)>(stub)(cpu, host) }
    }

    /// Address of a helper (`Reloc::Helper`).
    pub fn helper(n: u16) -> u64 {
        amd64::helpers::helpers()[n as usize] as u64
    }

    /// The host's FP control word for guest code with this FP control, of which this is the rounding.
    pub fn fpctl(rules: FpRules, fpcr: u32, round: Round) -> u32 {
        amd64::helpers::control(rules, fpcr, round as u32)
    }
    /// The host's FP control word for the runtime itself.
    pub fn fpctl_default() -> u32 {
        0x1f80
    }

    /// For the fault handler: make `cpu` whole from the registers of an interrupted block.
    pub fn save_context(backend: &Native, cpu: &mut Cpu, host: &HostContext, at: &Point) {
        amd64::regs::spill_from_context(super::Backend::pins(backend), cpu, &host.gpr, &host.vec, at.bits);
        if at.flags != 0 {
            cpu.flags = amd64::flags::flags_at_rest(host.flags, at.flags);
        }
    }

    /// For the fault handler: the address of an access that had to be aligned and wasn't, if that is what was refused at `at`.
    pub fn misaligned(host: &HostContext, at: &Point) -> Option<u64> {
        let addr = host.gpr[amd64::asm::r::R11 as usize];
        (at.bits & amd64::regs::point::ALIGNED != 0 && addr & 15 != 0).then_some(addr)
    }

    /// The host's stack pointer.
    pub fn stack_pointer(host: &HostContext) -> u64 {
        host.gpr[amd64::asm::r::SP as usize]
    }

    /// If `at` is where an indirect branch looks for its target: the bytes that it has pushed.
    pub fn before_branch(at: &Point) -> Option<u64> {
        use amd64::regs::point;
        match at.bits & (point::BRANCH | point::CALL) {
            0 => None,
            point::CALL => Some(8),
            _ => Some(0),
        }
    }

    /// Host code as text, an instruction a line.
    pub fn disasm(code: &[u8], addr: u64) -> String {
        let cs = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).syntax(arch::x86::ArchSyntax::Intel).build();
        let mut out = String::new();
        if let Ok(insns) = cs.as_ref().map_err(|_| ()).and_then(|cs| cs.disasm_all(code, addr).map_err(|_| ())) {
            for i in insns.iter() {
                out += &format!("      {:#x}: {} {}\n", i.address(), i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or(""));
            }
        }
        out
    }
}
#[cfg(target_arch = "x86_64")]
pub use native::*;
