//! Frames of arm64 functions.

use crate::guest::Frames;
use crate::report::memory::word;
use crate::report::unwind::Registers;
use syscalls::{Context, GuestAddr};

pub(super) const FRAMES: Frames = Frames {
    registers,
    sp: SP,
    fp: 29,
    ra: 30,
    link: true,
    vendor: gimli::Vendor::AArch64,
    is_signal: |pc| word(pc) == Some(SIGRETURN),
    interrupted,
    follows_call,
};

const SP: usize = 31;
/// `mov x8, #139; svc #0`
const SIGRETURN: u64 = 0xd400_0001_d280_1168;
/// From the stack pointer of a signal handler's return to the interrupted registers.
const FRAME_X0: u64 = 128 + 176 + 8;

fn registers(c: &Context) -> Registers {
    let mut x = [0; 32];
    x[..31].copy_from_slice(&c.x);
    x[SP] = c.sp;
    Registers { x, pc: c.pc, called: false }
}

fn interrupted(at: &Registers) -> Option<Registers> {
    let saved = GuestAddr(at.x[SP].wrapping_add(FRAME_X0)).read::<[u64; 33]>().ok()?;
    let mut x = [0; 32];
    x.copy_from_slice(&saved[..32]);
    Some(Registers { x, pc: saved[32], called: false })
}

/// As far as distance tells: a return address that a function got from its own calls doesn't follow one of itself.
fn follows_call(at: u64, pc: u64) -> bool {
    const NEAR: u64 = 4096;
    let from = at.wrapping_sub(4);
    let Ok(insn) = GuestAddr(from).read::<u32>() else { return false };
    let target = from.wrapping_add_signed(i64::from((insn << 6) as i32 >> 4));
    insn >> 26 == 0x25 && pc.wrapping_sub(target) < NEAR
}
