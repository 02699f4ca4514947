//! The names that `code` uses, where this is the machine. Their meaning is said in `amd64::native`.

use super::{asm, helpers, regs, stubs};
use crate::cpu::Cpu;
use crate::host::{Backend, Point};
use crate::ir::{hint, FpRules, Round};
use capstone::prelude::*;
use std::arch::asm;

pub use super::helpers::{fpsr, nzcv_from_rest, rest_from_nzcv, set_fpsr};
pub use super::{Arm64 as Native, Features, HostContext};

/// What that call takes on the stack.
pub const LINK_FRAME: u64 = 0;
/// Bytes of an entry of the return stack, whose first word is a host address.
pub const RETURN_ENTRY: usize = 16;
/// Emitted code does not say where guest addresses are in it.
pub const STORABLE: bool = false;

/// There is code for traces.
pub const TRACES: bool = true;

pub use super::stubs::emit_counter;

/// Whether the link at offset `at` of a block's code is a call's.
pub fn is_call(code: &[u8], at: u32) -> bool {
    code[at as usize + 3] >> 2 == 0b10_0101
}

/// What the CPU has.
pub fn detect() -> Features {
    Features::detect()
}

/// For a guest that relies on a total store order: whether the processor keeps it for this thread and those that it makes (as some kernels offer), or
/// nobody is to (`relaxed`).
pub fn keep_order(features: Features, relaxed: bool) -> Features {
    const PR_SET_MEM_MODEL: i32 = 0x4d4d_444c;
    const PR_SET_MEM_MODEL_TSO: u64 = 1;
    // SAFETY: changes nothing but the order of this thread's accesses; kernels that don't know it refuse.
    let tso = relaxed || unsafe { libc::prctl(PR_SET_MEM_MODEL, PR_SET_MEM_MODEL_TSO, 0, 0, 0) } == 0;
    Features { tso, ..features }
}

/// Run translated code at `host` through the enter stub at `stub`.
///
/// # Safety
/// Both addresses are code that the back end emitted and that stays mapped until the call returns.
pub unsafe fn enter(stub: u64, cpu: &mut Cpu, host: u64) {
    // SAFETY: the stub has this signature.
    unsafe { std::mem::transmute::<u64, extern "C" fn(*mut Cpu, u64)>(stub)(cpu, host) }
}

/// Address of a helper (`Reloc::Helper`).
pub fn helper(n: u16) -> u64 {
    helpers::helpers()[n as usize] as u64
}

/// The host's FP control word for guest code with this FP control, of which this is the rounding.
pub fn fpctl(rules: FpRules, fpcr: u32, round: Round) -> u32 {
    helpers::control(rules, fpcr, round as u32, detect().afp)
}
/// The host's FP control word for the runtime itself.
pub fn fpctl_default() -> u32 {
    0
}

/// For the fault handler: make `cpu` whole from the registers of an interrupted block.
pub fn save_context(backend: &Native, cpu: &mut Cpu, host: &HostContext, at: &Point) {
    regs::spill_from_context(backend.pins(), cpu, &host.gpr, &host.vec);
    if at.flags == regs::IN_NZCV {
        cpu.flags = host.flags as u32 & 0xf000_0000;
    }
}

/// For the fault handler: nothing to find out, the kernel says what was misaligned.
pub fn misaligned(_host: &HostContext, _at: &Point, _signal: i32, _addr: u64) -> Option<u64> {
    None
}

/// What a synchronous signal says about the instruction: bits of [`hint`].
pub fn learned(signal: i32, _addr: u64, _at: &Point) -> u8 {
    match signal {
        libc::SIGBUS => hint::UNALIGNED,
        _ => 0,
    }
}

/// The host's stack pointer.
pub fn stack_pointer(host: &HostContext) -> u64 {
    host.gpr[asm::r::SP as usize]
}

/// If `at` is where an indirect branch looks for its target: where in [`STUB_PENDING`] it can go on, and the bytes that it has pushed in vain.
pub fn before_branch(at: &Point) -> Option<(u64, u64)> {
    use regs::point;
    (at.bits & point::BRANCH != 0).then(|| (stubs::pending_entry(at.bits & point::TARGET), 0))
}

/// Where in [`STUB_PENDING`] a thread goes on that was between [`STUB_RETURN_MISS`] and [`STUB_LOOKUP_LEAVE`].
pub const PENDING_OF_STUBS: u64 = stubs::pending_entry(asm::r::S0);
/// Before this offset in [`STUB_EVAL`] the way back from a helper is on top of the stack, later where `Cpu::eval_sp` says.
pub const EVAL_NOTED: u64 = stubs::EVAL_NOTED;
/// What the way back takes on the stack.
pub const EVAL_FRAME: u64 = stubs::EVAL_FRAME;

/// The word at offset `at` that makes the branch there, `old`, lead to offset `to`.
pub fn branch_word(old: u32, at: u32, to: u32) -> u32 {
    asm::retarget(old, at, to).expect("the code area is no larger than what a branch can reach")
}

/// The word at offset `at` that makes the conditional branch there, `old`, lead to offset `to`, if there is one.
pub fn short_branch_word(old: u32, at: u32, to: u32) -> Option<u32> {
    asm::retarget(old, at, to)
}

/// Memory at `at` is about to be read: left to the processor.
#[inline]
pub fn prefetch(_at: *const u8) {}

/// Code was written through one mapping: instruction fetch is to see it through the other.
pub fn code_changed(written: *const u8, executed: *const u8, len: usize) {
    // SAFETY: reads a register, then cleans and invalidates lines of caches, which changes no memory; the ranges are mapped.
    unsafe {
        let ctr: u64;
        asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags));
        let (data, code) = (4usize << (ctr >> 16 & 15), 4usize << (ctr & 15));
        // IDC and DIC: nothing to do but to order.
        if ctr >> 28 & 1 == 0 {
            for line in (written as usize & !(data - 1)..written as usize + len).step_by(data) {
                asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags));
            }
        }
        asm!("dsb ish", options(nostack, preserves_flags));
        if ctr >> 29 & 1 == 0 {
            for line in (executed as usize & !(code - 1)..executed as usize + len).step_by(code) {
                asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags));
            }
            asm!("dsb ish", options(nostack, preserves_flags));
        }
        asm!("isb", options(nostack, preserves_flags));
    }
}

/// Host code as text, an instruction a line.
pub fn disasm(code: &[u8], addr: u64) -> String {
    let cs = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build();
    let mut out = String::new();
    if let Ok(insns) = cs.as_ref().map_err(|_| ()).and_then(|cs| cs.disasm_all(code, addr).map_err(|_| ())) {
        for i in insns.iter() {
            out += &format!("      {:#x}: {} {}\n", i.address(), i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or(""));
        }
    }
    out
}
