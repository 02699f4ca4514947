//! The signal frame of an arm64 kernel (`arch/arm64/kernel/signal.c`).
//!
//! From the new stack pointer up: `struct rt_sigframe` (siginfo, then ucontext with the sigcontext and its tagged records), and
//! above it the frame record that x29 points at, so that unwinders walk through the handler.

use crate::ctx::Context;
use crate::ptr::Plain;
use crate::topics::signal::frame::{Frame, FrameAbi, Popped, Stack};
use crate::topics::signal::{Fault, Set, SigInfo, SA_RESTORER, SEGV_ACCERR, SEGV_MAPERR};
use crate::{Errno, GuestAddr};

pub(super) const ABI: FrameAbi = FrameAbi { min_stack: 5120, push, pop, bad };

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_SIZE: usize = 0x210;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_SIZE: usize = 16;
const EXTRA_MAGIC: u32 = 0x4558_5401;
const EXTRA_SIZE: usize = 32;
const HEAD: usize = 8;

/// Bits of PSTATE that an exception return to user space may not have: mode, interrupt masks, the 32-bit state.
const PSTATE_FORBIDDEN: u64 = 0x3df;
/// Bits that are there: NZCV, TCO, DIT, UAO, PAN, SS, IL, SSBS, BTYPE, and those above. The others read as zero (`SPSR_EL1_AARCH64_RES0_BITS`).
const PSTATE_RES0: u64 = 0xffff_ffff_0cdf_e020;
const PSTATE_NZCV: u64 = 0xf000_0000;
const PSTATE_BTYPE: u64 = 0xc00;
const PSTATE_TCO: u64 = 1 << 25;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct SigContext {
    fault_address: u64,
    x: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
    pad: u64,
    reserved: [u8; 4096],
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct UContext {
    flags: u64,
    link: u64,
    stack: Stack,
    mask: Set,
    unused: [u8; 120],
    pad: u64,
    mcontext: SigContext,
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct RtSigFrame {
    info: SigInfo,
    uc: UContext,
}
// SAFETY: integers; all padding is named.
unsafe impl Plain for RtSigFrame {}
// SAFETY: as above.
unsafe impl Plain for UContext {}

const UC: u64 = core::mem::offset_of!(RtSigFrame, uc) as u64;
const RECORDS: u64 = (core::mem::offset_of!(RtSigFrame, uc.mcontext) + core::mem::offset_of!(SigContext, reserved)) as u64;
const _: () = assert!(size_of::<RtSigFrame>() == 4688 && UC == 128 && RECORDS == 128 + 176 + 288);

fn push(c: &mut Context, f: &Frame<'_>) -> Result<(), Errno> {
    let top = match f.action.has(libc::SA_ONSTACK) && f.altstack.state(c.sp) == 0 {
        true => f.altstack.sp.wrapping_add(f.altstack.size),
        false => c.sp,
    };
    let record = top.wrapping_sub(16) & !15;
    let sp = record.wrapping_sub(size_of::<RtSigFrame>() as u64);
    let siginfo = f.action.has(libc::SA_SIGINFO);
    // Without SA_SIGINFO the siginfo part stays as it is on the stack, but for what is there nobody may ask.
    if siginfo {
        GuestAddr(sp).write(*f.info)?;
    }
    GuestAddr(sp + UC).write(ucontext(c, f))?;
    GuestAddr(record).write([c.x[29], c.x[30]])?;
    c.x[0] = f.info.signo as u64;
    if siginfo {
        c.x[1] = sp;
        c.x[2] = sp + UC;
    }
    c.x[29] = record;
    c.x[30] = if f.action.flags & SA_RESTORER != 0 { f.action.restorer } else { f.sigreturn };
    c.sp = sp;
    c.pc = f.action.handler;
    c.pstate &= !(PSTATE_BTYPE | PSTATE_TCO);
    Ok(())
}

fn ucontext(c: &Context, f: &Frame<'_>) -> UContext {
    let mut reserved = [0u8; 4096];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        reserved[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    for word in [FPSIMD_MAGIC, FPSIMD_SIZE as u32, c.fpsr, c.fpcr] {
        put(&word.to_le_bytes());
    }
    for v in c.v {
        put(&v.to_le_bytes());
    }
    let (fault_address, esr) = f.syndrome;
    if esr != 0 {
        put(&ESR_MAGIC.to_le_bytes());
        put(&(ESR_SIZE as u32).to_le_bytes());
        put(&esr.to_le_bytes());
    }
    let mcontext = SigContext { fault_address, x: c.x, sp: c.sp, pc: c.pc, pstate: c.pstate, pad: 0, reserved };
    let stack = Stack::of(f.altstack, f.altstack.flags);
    UContext { flags: 0, link: 0, stack, mask: f.mask, unused: [0; 120], pad: 0, mcontext }
}

fn pop(now: &Context) -> Result<Popped, Errno> {
    if now.sp & 15 != 0 {
        return Err(Errno::EFAULT);
    }
    let uc = GuestAddr(now.sp.wrapping_add(UC)).read::<UContext>()?;
    let m = &uc.mcontext;
    let pstate = m.pstate & !PSTATE_RES0;
    if pstate & PSTATE_FORBIDDEN != 0 {
        return Err(Errno::EINVAL);
    }
    let mut context = Context { x: m.x, sp: m.sp, pc: m.pc, pstate: pstate & PSTATE_NZCV, ..*now };
    let fpsimd = find_fpsimd(&m.reserved, now.sp.wrapping_add(RECORDS))?;
    (context.fpsr, context.fpcr) = (word(fpsimd, 0), word(fpsimd, 4));
    for (v, bytes) in context.v.iter_mut().zip(fpsimd[8..].chunks_exact(16)) {
        *v = u128::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    Ok(Popped { context, mask: uc.mask, stack: uc.stack })
}

/// The kernel's guess at what was wrong (`arm64_notify_segfault`).
fn bad(now: &Context) -> Fault {
    let code = if GuestAddr(now.sp).host() < 1 << 47 { SEGV_ACCERR } else { SEGV_MAPERR };
    Fault { info: SigInfo::fault(libc::SIGSEGV, code, now.sp), syndrome: Some((0, 0)) }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

/// Walk the records; the body of the one with the vector registers. Unknown, repeated or malformed records make a bad frame.
fn find_fpsimd(records: &[u8], base: u64) -> Result<&[u8], Errno> {
    let mut found = None;
    let mut extra = false;
    let mut at = 0;
    loop {
        if records.len() - at < HEAD || at % 16 != 0 {
            return Err(Errno::EINVAL);
        }
        let (magic, size) = (word(records, at), word(records, at + 4) as usize);
        if magic == 0 {
            return if size == 0 { found.ok_or(Errno::EINVAL) } else { Err(Errno::EINVAL) };
        }
        if size < HEAD || size > records.len() - at {
            return Err(Errno::EINVAL);
        }
        match magic {
            FPSIMD_MAGIC if found.is_none() && size >= FPSIMD_SIZE => found = Some(&records[at + HEAD..at + FPSIMD_SIZE]),
            ESR_MAGIC => {}
            EXTRA_MAGIC if !extra && size >= EXTRA_SIZE => {
                check_extra(records, at, base)?;
                extra = true;
            }
            _ => return Err(Errno::EINVAL),
        }
        at += size;
    }
}

/// The kernel itself makes an extra block only for registers that this CPU doesn't have; one that holds nothing is accepted, as there.
fn check_extra(records: &[u8], at: usize, base: u64) -> Result<(), Errno> {
    let long = |i: usize| u64::from(word(records, i)) | u64::from(word(records, i + 4)) << 32;
    let (data, size) = (long(at + HEAD), word(records, at + HEAD + 8));
    let next = at + word(records, at + 4) as usize;
    let terminated = records.len() - next >= HEAD && word(records, next) == 0 && word(records, next + 4) == 0;
    if !terminated || data != base + next as u64 + 16 || data % 16 != 0 || size % 16 != 0 {
        return Err(Errno::EINVAL);
    }
    // The block must begin with a terminator, because every record that could be in it is in the first part.
    match GuestAddr(data).read::<u64>()? {
        0 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::signal::{Action, AltStack};

    fn context(sp: u64) -> Context {
        let mut x = [0; 31];
        for (i, x) in x.iter_mut().enumerate() {
            *x = 0x1000 + i as u64;
        }
        let v = core::array::from_fn(|i| (i as u128) << 64 | 7);
        Context {
            x,
            sp,
            pc: 0x4000_1000,
            pstate: 0x6000_0000,
            v,
            fpsr: 0x0800_0001,
            fpcr: 0x0100_0000,
            tls: 9,
            ..Context::default()
        }
    }

    fn pushed(stack: &mut [u128], action: &Action, syndrome: (u64, u64)) -> (Context, Context) {
        let before = context(stack.as_ptr_range().end as u64 - 8);
        let mut after = before;
        let info = SigInfo::fault(libc::SIGSEGV, 1, 0x1234);
        let altstack = AltStack::default();
        let frame = Frame { info: &info, action, mask: 0x55, altstack: &altstack, syndrome, sigreturn: 0x7000 };
        push(&mut after, &frame).unwrap();
        (before, after)
    }

    #[test]
    fn a_frame_returns_to_what_it_was_made_from() {
        let mut stack = vec![0u128; 1024];
        let action = Action { handler: 0x4000_2000, flags: libc::SA_SIGINFO as u64, ..Action::default() };
        let (before, mut after) = pushed(&mut stack, &action, (0x1234, 0x9200_0047));
        assert_eq!((after.pc, after.sp & 15, after.x[0], after.x[30]), (0x4000_2000, 0, 11, 0x7000));
        assert_eq!((after.x[1], after.x[2]), (after.sp, after.sp + 128));
        assert_eq!(GuestAddr(after.x[29]).read::<[u64; 2]>().unwrap(), [before.x[29], before.x[30]]);
        // Where debuggers and unwinders look: si_addr, the mask, fault_address, x0, the first record.
        assert_eq!(GuestAddr(after.sp + 16).read::<u64>().unwrap(), 0x1234);
        assert_eq!(GuestAddr(after.sp + 128 + 40).read::<u64>().unwrap(), 0x55);
        assert_eq!(GuestAddr(after.sp + 304).read::<[u64; 2]>().unwrap(), [0x1234, 0x1000]);
        assert_eq!(GuestAddr(after.sp + 592).read::<[u32; 2]>().unwrap(), [FPSIMD_MAGIC, 528]);
        assert_eq!(GuestAddr(after.sp + 592 + 528).read::<[u32; 2]>().unwrap(), [ESR_MAGIC, 16]);
        after.v = [1; 32];
        let popped = pop(&after).unwrap();
        assert_eq!(popped.context, before);
        assert_eq!(popped.mask, 0x55);
    }

    #[test]
    fn a_frame_that_the_guest_spoiled_is_refused() {
        let mut stack = vec![0u128; 1024];
        let action = Action { handler: 0x4000_2000, ..Action::default() };
        let (_, after) = pushed(&mut stack, &action, (0, 0));
        assert!(pop(&after).is_ok());
        let records = GuestAddr(after.sp + 592);
        for (at, value) in [(0, 0x1234_5678u32), (4, 520), (4, 0x2000), (0, 0), (528, 7)] {
            let good = records.add(at).read::<u32>().unwrap();
            records.add(at).write(value).unwrap();
            assert!(pop(&after).is_err(), "{at} {value:#x}");
            records.add(at).write(good).unwrap();
        }
        GuestAddr(after.sp + 576 - 16 + 8).write(0u64).unwrap();
        let pstate = GuestAddr(after.sp + 304 + 8 + 31 * 8 + 16);
        pstate.write(0x6000_0005u64).unwrap();
        assert!(pop(&after).is_err());
        pstate.write(0x6000_0000u64).unwrap();
        assert!(pop(&after).is_ok());
        assert!(pop(&Context { sp: after.sp + 8, ..after }).is_err());
    }
}
