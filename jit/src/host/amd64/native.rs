//! The names that `code` uses, where this is the machine.

use super::{asm, flags, helpers, regs};
use crate::cpu::Cpu;
use crate::host::{Backend, Point};
use crate::ir::{hint, FpRules, Round};
use capstone::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub use super::flags::{nzcv_from_rest, rest_from_nzcv};
pub use super::helpers::{fpsr, set_fpsr};
pub use super::{Amd64 as Native, Features, HostContext};

/// The state of the x87, SSE and further units in a signal's frame, as XSAVE stores it. (Of this field of `struct sigcontext_64`,
/// arch/x86/include/uapi/asm/sigcontext.h, the C libraries have different notions.)
pub fn frame_state(uc: &libc::ucontext_t) -> *mut u8 {
    // SAFETY: it follows the 23 words of registers.
    unsafe { (&raw const uc.uc_mcontext).cast::<*mut u8>().add(23).read() }
}

/// MXCSR there.
///
/// # Safety
/// As of [`frame_vectors`].
pub unsafe fn frame_mxcsr(state: *const u8) -> u32 {
    // SAFETY: by the contract.
    unsafe { state.add(24).cast::<u32>().read_unaligned() }
}

/// The vector registers of a signal's frame. Of those from 16 up the frame has what the processor calls state component 7, if anything.
///
/// # Safety
/// The kernel made the frame.
pub unsafe fn frame_vectors(at: *const u8) -> [u128; 32] {
    const MAGIC: u32 = 0x4650_5853;
    /// In the legacy area.
    const XMM: usize = 160;
    const HI16_ZMM: u64 = 1 << 7;
    /// Of the legacy area, what the kernel says of the rest; behind it, the header, which begins with the components that aren't all zero.
    const RESERVED: usize = 464;
    const HEADER: usize = 512;
    let mut all = [0; 32];
    // SAFETY: by the contract; what lies behind the legacy area is there if the kernel says so.
    unsafe {
        for (n, v) in all[..16].iter_mut().enumerate() {
            *v = at.add(XMM + 16 * n).cast::<u128>().read_unaligned();
        }
        let saved = at.add(RESERVED + 8).cast::<u64>().read_unaligned();
        let size = at.add(RESERVED + 16).cast::<u32>().read_unaligned() as usize;
        let offset = hi16_zmm();
        if at.add(RESERVED).cast::<u32>().read_unaligned() != MAGIC || saved & HI16_ZMM == 0 || size < offset + 16 * 64 {
            return all;
        }
        if at.add(HEADER).cast::<u64>().read_unaligned() & HI16_ZMM != 0 {
            for (n, v) in all[16..].iter_mut().enumerate() {
                *v = at.add(offset + 64 * n).cast::<u128>().read_unaligned();
            }
        }
    }
    all
}

/// Where the component lies in the frame. (CPUID can take a microsecond, or many in a virtual machine.)
fn hi16_zmm() -> usize {
    static OFFSET: AtomicU32 = AtomicU32::new(0);
    match OFFSET.load(Relaxed) {
        0 => {
            let offset = std::arch::x86_64::__cpuid_count(0xd, 7).ebx;
            OFFSET.store(offset, Relaxed);
            offset as usize
        }
        offset => offset as usize,
    }
}

/// What that call takes on the stack.
pub const LINK_FRAME: u64 = 8;
/// Bytes of an entry of the return stack, whose first word is a host address.
pub const RETURN_ENTRY: usize = 8;

/// Emitted code says where guest addresses are in it (`Reloc::Place`).
pub const STORABLE: bool = true;

/// Whether the link at offset `at` of a block's code is a call's.
pub fn is_call(code: &[u8], at: u32) -> bool {
    code[at as usize - 1] == 0xe8
}

/// There is code for traces.
pub const TRACES: bool = true;

pub use super::stubs::emit_counter;

/// What the CPU has.
pub fn detect() -> Features {
    Features::detect()
}

/// For a guest that relies on a total store order (perhaps only `relaxed`ly, as the user says): the processor keeps one.
pub fn keep_order(features: Features, _relaxed: bool) -> Features {
    features
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
    helpers::helpers()[n as usize] as u64
}

/// The host's FP control word for guest code with this FP control, of which this is the rounding.
pub fn fpctl(rules: FpRules, fpcr: u32, round: Round) -> u32 {
    helpers::control(rules, fpcr, round as u32)
}
/// The host's FP control word for the runtime itself.
pub fn fpctl_default() -> u32 {
    0x1f80
}

/// For the fault handler: make `cpu` whole from the registers of an interrupted block.
pub fn save_context(backend: &Native, cpu: &mut Cpu, host: &HostContext, at: &Point) {
    regs::spill_from_context(backend.pins(), cpu, &host.gpr, &host.vec, at.bits);
    if at.flags != 0 {
        cpu.flags = flags::flags_at_rest(host.flags, at.flags);
    }
}

/// For the fault handler: the address of an access that had to be aligned and wasn't, if that is what was refused at `at`.
/// Like a non-canonical address, a misaligned one is #GP, which the kernel reports without an address.
pub fn misaligned(host: &HostContext, at: &Point, signal: i32, addr: u64) -> Option<u64> {
    let wanted = host.gpr[asm::r::R11 as usize];
    let refused = signal == libc::SIGSEGV && addr == 0 && at.bits & regs::point::ALIGNED != 0;
    (refused && wanted & 15 != 0).then_some(wanted)
}

/// What a synchronous signal says about the instruction: bits of [`hint`].
pub fn learned(signal: i32, addr: u64, at: &Point) -> u8 {
    match signal {
        libc::SIGFPE if at.bits & regs::point::NANS != 0 => hint::NANS,
        libc::SIGFPE => hint::SOFT_FP,
        // A non-canonical address: #GP, see above.
        libc::SIGSEGV if addr == 0 => hint::TAGGED,
        _ => 0,
    }
}

/// The host's stack pointer.
pub fn stack_pointer(host: &HostContext) -> u64 {
    host.gpr[asm::r::SP as usize]
}

/// If `at` is where an indirect branch looks for its target: where in [`STUB_PENDING`] it can go on, and the bytes that it has pushed.
pub fn before_branch(at: &Point) -> Option<(u64, u64)> {
    (at.bits & regs::point::BRANCH != 0).then_some((0, 0))
}

/// Where in [`STUB_PENDING`] a thread goes on that was between [`STUB_RETURN_MISS`] and [`STUB_LOOKUP_LEAVE`].
pub const PENDING_OF_STUBS: u64 = 0;
/// Before this offset in [`STUB_EVAL`] the way back from a helper is on top of the stack, later where `Cpu::eval_sp` says.
pub const EVAL_NOTED: u64 = 1;
/// What the way back takes on the stack.
pub const EVAL_FRAME: u64 = 8;

/// The word at offset `at` that makes the jump or call there lead to offset `to`: a displacement.
pub fn branch_word(_old: u32, at: u32, to: u32) -> u32 {
    to.wrapping_sub(at + 4)
}

/// The same for a conditional branch that is not linked itself: there is none.
pub fn short_branch_word(_old: u32, _at: u32, _to: u32) -> Option<u32> {
    None
}

/// Code was written: instruction fetch sees it by itself.
pub fn code_changed(_written: *const u8, _executed: *const u8, _len: usize) {}

/// Memory at `at` is about to be read.
#[inline]
pub fn prefetch(at: *const u8) {
    // SAFETY: a hint, for any address.
    unsafe { core::arch::x86_64::_mm_prefetch(at.cast(), core::arch::x86_64::_MM_HINT_T0) }
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
