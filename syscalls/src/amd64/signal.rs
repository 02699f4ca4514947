//! The signal frame of an amd64 kernel (`arch/x86/kernel/signal_64.c`, `fpu/signal.c`).
//!
//! From the new stack pointer up: `struct rt_sigframe` (return address, ucontext with the sigcontext, siginfo), and above it, at a multiple of
//! 64, the x87, SSE and AVX state in the form of XSAVE, with marks of the kernel's in the part that XSAVE leaves to software. Below the
//! interrupted stack pointer 128 bytes are the program's own.

use crate::ctx::{Context, X87};
use crate::ptr::Plain;
use crate::topics::signal::frame::{Frame, FrameAbi, Popped, Stack};
use crate::topics::signal::{Fault, Set, SigInfo, SA_RESTORER};
use crate::{Errno, GuestAddr};

pub(super) const ABI: FrameAbi = FrameAbi { min_stack: 2048, push, pop, bad };

const RED_ZONE: u64 = 128;
/// uc_flags: there is extended state; `ss` is saved and to be restored as it is.
const UC_FLAGS: u64 = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
const UC_FP_XSTATE: u64 = 1;
const UC_SIGCONTEXT_SS: u64 = 2;
const UC_STRICT_RESTORE_SS: u64 = 4;
const USER_CS: u16 = 0x33;
const USER_DS: u16 = 0x2b;

/// Flags that are always set in user mode: the one that can't be clear, and IF.
const FLAGS_SET: u64 = 0x202;
const FLAG_TF: u64 = 1 << 8;
const FLAG_DF: u64 = 1 << 10;
const FLAG_RF: u64 = 1 << 16;
/// What rt_sigreturn restores: AC, RF, OF, DF, TF, SF, ZF, AF, PF, CF.
const FLAGS_RESTORED: u64 = 0x5_0dd5;

/// `trapno` of a page fault.
pub const PAGE_FAULT: u32 = 14;

/// What frames carry of a fault: the address (of the last page fault, so far `before`), the trap's number and its error code.
pub fn syndrome(before: (u64, u64), trap: u32, error: u32, address: u64) -> (u64, u64) {
    let address = if trap == PAGE_FAULT { address } else { before.0 };
    (address, u64::from(trap) << 32 | u64::from(error))
}

/// `struct sigcontext`, but for the reserved words at its end, which the kernel leaves alone.
#[derive(Clone, Copy)]
#[repr(C)]
struct SigContext {
    r8_15: [u64; 8],
    di: u64,
    si: u64,
    bp: u64,
    bx: u64,
    dx: u64,
    ax: u64,
    cx: u64,
    sp: u64,
    ip: u64,
    flags: u64,
    cs: u16,
    gs: u16,
    fs: u16,
    ss: u16,
    err: u64,
    trapno: u64,
    oldmask: u64,
    cr2: u64,
    fpstate: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct UContext {
    flags: u64,
    link: u64,
    stack: Stack,
    mcontext: SigContext,
}
// SAFETY: integers without implicit padding.
unsafe impl Plain for UContext {}

/// Where things are in `struct rt_sigframe`, and its size.
const UC: u64 = 8;
const RESERVED: u64 = 64;
const MASK: u64 = UC + size_of::<UContext>() as u64 + RESERVED;
const INFO: u64 = MASK + size_of::<Set>() as u64;
const FRAME_SIZE: u64 = INFO + size_of::<SigInfo>() as u64;
const _: () = assert!(size_of::<SigContext>() == 192 && INFO == 312 && FRAME_SIZE == 440);

// Offsets in the XSAVE area.
const XMM: usize = 160;
const ST: usize = 32;
const SW_RESERVED: usize = 464;
const HEADER: usize = 512;
const AVX: usize = 576;
const XSAVE_SIZE: usize = 832;
const MIN_XSAVE_SIZE: u32 = AVX as u32;
const FX_SIZE: usize = 512;

const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
const X87_STATE: u64 = 1;
const SSE_STATE: u64 = 2;
const AVX_STATE: u64 = 4;
const FEATURES: u64 = X87_STATE | SSE_STATE | AVX_STATE;
const MXCSR_INIT: u32 = 0x1f80;
const MXCSR_MASK: u32 = 0xffff;

/// With the second mark.
const FPSTATE_SIZE: usize = XSAVE_SIZE + 4;

/// What a frame can take at most (AT_MINSIGSTKSZ): itself and the state, each with what its alignment may cost.
pub const MIN_SIGSTKSZ: u64 = (FRAME_SIZE + 15 + FPSTATE_SIZE as u64 + 63 + 15) & !15;

fn push(c: &mut Context, f: &Frame<'_>) -> Result<(), Errno> {
    let nested = f.altstack.contains(c.sp);
    let mut sp = c.sp.wrapping_sub(RED_ZONE);
    let entering = f.action.has(libc::SA_ONSTACK) && f.altstack.state(sp) == 0;
    if entering {
        sp = f.altstack.sp.wrapping_add(f.altstack.size);
    }
    let fpstate = sp.wrapping_sub(FPSTATE_SIZE as u64) & !63;
    let sp = (fpstate.wrapping_sub(FRAME_SIZE) & !15).wrapping_sub(8);
    let on_stack = sp > f.altstack.sp && sp - f.altstack.sp <= f.altstack.size;
    if (nested || entering) && !on_stack || f.action.flags & SA_RESTORER == 0 {
        return Err(Errno::EFAULT);
    }
    GuestAddr(fpstate).write(save_fp(c))?;
    GuestAddr(sp).write(f.action.restorer)?;
    GuestAddr(sp + UC).write(ucontext(c, f, fpstate))?;
    GuestAddr(sp + MASK).write(f.mask)?;
    // Without SA_SIGINFO the siginfo part stays as it is on the stack, but the handler is told where it would be.
    if f.action.has(libc::SA_SIGINFO) {
        GuestAddr(sp + INFO).write(*f.info)?;
    }
    c.x[RDI] = f.info.signo as u64;
    c.x[RAX] = 0;
    c.x[RSI] = sp + INFO;
    c.x[RDX] = sp + UC;
    c.sp = sp;
    c.pc = f.action.handler;
    c.pstate &= !(FLAG_DF | FLAG_RF | FLAG_TF);
    reset_fp(c);
    Ok(())
}

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;
const RBP: usize = 5;
const RSI: usize = 6;
const RDI: usize = 7;
const R8: usize = 8;

fn ucontext(c: &Context, f: &Frame<'_>, fpstate: u64) -> UContext {
    // A fault is to be resumed at its instruction, which is not to hit the same breakpoint again.
    let fault = f.info.code > 0 && [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL].contains(&f.info.signo);
    let mut r8_15 = [0; 8];
    r8_15.copy_from_slice(&c.x[R8..R8 + 8]);
    let mcontext = SigContext {
        r8_15,
        di: c.x[RDI],
        si: c.x[RSI],
        bp: c.x[RBP],
        bx: c.x[RBX],
        dx: c.x[RDX],
        ax: c.x[RAX],
        cx: c.x[RCX],
        sp: c.sp,
        ip: c.pc,
        flags: c.pstate | FLAGS_SET | if fault { FLAG_RF } else { 0 },
        cs: USER_CS,
        gs: 0,
        fs: 0,
        ss: USER_DS,
        err: f.syndrome.1 & 0xffff_ffff,
        trapno: f.syndrome.1 >> 32,
        oldmask: f.mask,
        cr2: f.syndrome.0,
        fpstate,
    };
    UContext { flags: UC_FLAGS, link: 0, stack: Stack::of(f.altstack, f.altstack.flags), mcontext }
}

/// The initial state of x87, SSE and AVX.
fn reset_fp(c: &mut Context) {
    (c.v, c.fpcr, c.x87) = ([0; 32], MXCSR_INIT, X87::INIT);
}

fn put(area: &mut [u8], at: usize, bytes: &[u8]) {
    area[at..at + bytes.len()].copy_from_slice(bytes);
}

fn half(area: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([area[at], area[at + 1]])
}

fn word(area: &[u8], at: usize) -> u32 {
    u32::from(half(area, at)) | u32::from(half(area, at + 2)) << 16
}

fn long(area: &[u8], at: usize) -> u64 {
    u64::from(word(area, at)) | u64::from(word(area, at + 4)) << 32
}

fn quad(area: &[u8], at: usize) -> u128 {
    u128::from(long(area, at)) | u128::from(long(area, at + 8)) << 64
}

/// The x87, SSE and AVX state as XSAVE writes it.
pub fn xsave(c: &Context) -> [u8; XSAVE_SIZE] {
    let mut area = [0; XSAVE_SIZE];
    put(&mut area, 0, &c.x87.control.to_le_bytes());
    put(&mut area, 2, &c.x87.status.to_le_bytes());
    area[4] = c.x87.tags;
    put(&mut area, 6, &c.x87.opcode.to_le_bytes());
    put(&mut area, 8, &c.x87.ip.to_le_bytes());
    put(&mut area, 16, &c.x87.dp.to_le_bytes());
    put(&mut area, 24, &c.fpcr.to_le_bytes());
    put(&mut area, 28, &MXCSR_MASK.to_le_bytes());
    for (i, st) in c.x87.st.iter().enumerate() {
        put(&mut area, ST + 16 * i, &st.to_le_bytes()[..10]);
    }
    let (low, high) = c.v.split_at(16);
    for (i, (low, high)) in low.iter().zip(high).enumerate() {
        put(&mut area, XMM + 16 * i, &low.to_le_bytes());
        put(&mut area, AVX + 16 * i, &high.to_le_bytes());
    }
    let features = X87_STATE | SSE_STATE | if high.iter().any(|&v| v != 0) { AVX_STATE } else { 0 };
    put(&mut area, HEADER, &features.to_le_bytes());
    area
}

/// The same with the kernel's marks.
fn save_fp(c: &Context) -> [u8; FPSTATE_SIZE] {
    let mut area = [0; FPSTATE_SIZE];
    put(&mut area, 0, &xsave(c));
    put(&mut area, SW_RESERVED, &MAGIC1.to_le_bytes());
    put(&mut area, SW_RESERVED + 4, &(FPSTATE_SIZE as u32).to_le_bytes());
    put(&mut area, SW_RESERVED + 8, &FEATURES.to_le_bytes());
    put(&mut area, SW_RESERVED + 16, &(XSAVE_SIZE as u32).to_le_bytes());
    put(&mut area, XSAVE_SIZE, &MAGIC2.to_le_bytes());
    area
}

fn pop(now: &Context) -> Result<Popped, Errno> {
    // The handler has returned to the address at the frame's start, which is therefore gone.
    let uc = GuestAddr(now.sp).read::<UContext>()?;
    let mask = GuestAddr(now.sp).add(MASK - UC).read::<Set>()?;
    let m = &uc.mcontext;
    // Code of other widths doesn't run here; what is no segment at all doesn't run anywhere.
    if m.cs | 3 != USER_CS || uc.flags & UC_STRICT_RESTORE_SS != 0 && m.ss | 3 != USER_DS {
        return Err(Errno::EFAULT);
    }
    let mut context = *now;
    context.x[R8..R8 + 8].copy_from_slice(&m.r8_15);
    for (register, value) in [(RDI, m.di), (RSI, m.si), (RBP, m.bp), (RBX, m.bx), (RDX, m.dx), (RAX, m.ax), (RCX, m.cx)] {
        context.x[register] = value;
    }
    (context.sp, context.pc) = (m.sp, m.ip);
    context.pstate = now.pstate & !FLAGS_RESTORED | m.flags & FLAGS_RESTORED;
    restore_fp(&mut context, m.fpstate)?;
    Ok(Popped { context, mask, stack: uc.stack })
}

/// The state at an address, as much of it as is marked to be there.
fn restore_fp(c: &mut Context, at: u64) -> Result<(), Errno> {
    reset_fp(c);
    if at == 0 {
        return Ok(());
    }
    let mut area = [0; XSAVE_SIZE];
    GuestAddr(at).read_bytes(&mut area[..FX_SIZE])?;
    let (extended, size) = (word(&area, SW_RESERVED + 4), word(&area, SW_RESERVED + 16));
    let marked = word(&area, SW_RESERVED) == MAGIC1
        && (MIN_XSAVE_SIZE..=(XSAVE_SIZE as u32).min(extended)).contains(&size)
        && GuestAddr(at).add(size.into()).read::<u32>()? == MAGIC2;
    // XRSTOR and FXRSTOR insist on it.
    if at % if marked { 64 } else { 16 } != 0 {
        return Err(Errno::EFAULT);
    }
    // Without the marks it is FXSAVE's.
    let (wanted, present) = match marked {
        true => (long(&area, SW_RESERVED + 8) & FEATURES, xstate(at, &mut area)?),
        false => (X87_STATE | SSE_STATE, X87_STATE | SSE_STATE),
    };
    if wanted & present & X87_STATE != 0 {
        c.x87 = restore_x87(&area);
    }
    // XRSTOR looks at it for AVX's sake, too; but then the kernel initializes what isn't wanted.
    let mxcsr = word(&area, 24);
    if wanted & (SSE_STATE | AVX_STATE) != 0 && mxcsr & !MXCSR_MASK != 0 {
        return Err(Errno::EFAULT);
    }
    if wanted & SSE_STATE != 0 {
        c.fpcr = mxcsr;
    }
    let (low, high) = c.v.split_at_mut(16);
    for (state, registers, offset) in [(SSE_STATE, low, XMM), (AVX_STATE, high, AVX)] {
        if wanted & present & state != 0 {
            registers.iter_mut().enumerate().for_each(|(i, v)| *v = quad(&area, offset + 16 * i));
        }
    }
    Ok(())
}

/// The x87 as the CPU loads it: some bits are not there, and the summary of exceptions follows from these and their masks.
fn restore_x87(area: &[u8]) -> X87 {
    const CONTROL: u16 = 0x1f3f;
    const CONTROL_SET: u16 = 0x40;
    const EXCEPTIONS: u16 = 0x3f;
    const SUMMARY: u16 = 0x8080;
    const OPCODE: u16 = 0x7ff;
    let (control, status) = (half(area, 0) & CONTROL | CONTROL_SET, half(area, 2));
    let summary = if status & !control & EXCEPTIONS != 0 { SUMMARY } else { 0 };
    X87 {
        control,
        status: status & !SUMMARY | summary,
        tags: area[4],
        opcode: half(area, 6) & OPCODE,
        ip: long(area, 8),
        dp: long(area, 16),
        st: std::array::from_fn(|i| quad(area, ST + 16 * i) & ((1 << 80) - 1)),
    }
}

/// Read what follows FXSAVE's part; which components XRSTOR finds there.
fn xstate(at: u64, area: &mut [u8; XSAVE_SIZE]) -> Result<u64, Errno> {
    GuestAddr(at).add(HEADER as u64).read_bytes(&mut area[HEADER..AVX])?;
    let present = long(area, HEADER);
    if present & !FEATURES != 0 || area[HEADER + 8..HEADER + 24].iter().any(|&b| b != 0) {
        return Err(Errno::EFAULT);
    }
    if present & AVX_STATE != 0 {
        GuestAddr(at).add(AVX as u64).read_bytes(&mut area[AVX..])?;
    }
    Ok(present)
}

fn bad(_: &Context) -> Fault {
    Fault { info: SigInfo::kernel(libc::SIGSEGV), syndrome: None }
}
