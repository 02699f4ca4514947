//! Frames of amd64 functions.

use crate::guest::Frames;
use crate::report::unwind::Registers;
use syscalls::{Context, GuestAddr};

pub(super) const FRAMES: Frames = Frames {
    registers,
    sp: SP,
    fp: 6,
    ra: RA,
    link: false,
    vendor: gimli::Vendor::Default,
    is_signal,
    interrupted,
    follows_call,
};

/// DWARF's numbers of rsp and of the column for the return address.
const SP: usize = 7;
const RA: usize = 16;
/// DWARF's order in terms of the encoding's: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8–r15.
const ORDER: [usize; 16] = [0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];
/// The same for the registers that the kernel saves: r8–r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp; rip follows.
const SAVED: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7];
/// From the stack pointer of a signal handler's return to these.
const FRAME_R8: u64 = 40;
/// mov rax, 15; syscall
const SIGRETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];

fn registers(c: &Context) -> Registers {
    let all = super::registers(c);
    let mut x = [0; 32];
    x.iter_mut().zip(ORDER).for_each(|(x, n)| *x = all[n]);
    x[RA] = c.pc;
    Registers { x, pc: c.pc, called: false }
}

fn is_signal(pc: u64) -> bool {
    GuestAddr(pc).read() == Ok(SIGRETURN)
}

fn interrupted(at: &Registers) -> Option<Registers> {
    let saved = GuestAddr(at.x[SP].wrapping_add(FRAME_R8)).read::<[u64; 17]>().ok()?;
    let mut x = [0; 32];
    SAVED.iter().zip(saved).for_each(|(&n, value)| x[n] = value);
    Some(Registers { x, pc: saved[16], called: false })
}

/// As far as the bytes before it tell: a relative call of the function that `pc` is in, by distance, or an indirect one.
fn follows_call(at: u64, pc: u64) -> bool {
    const NEAR: u64 = 4096;
    let Ok(before) = GuestAddr(at.wrapping_sub(7)).read::<[u8; 7]>() else { return false };
    if before[2] == 0xe8 {
        let distance = i32::from_le_bytes([before[3], before[4], before[5], before[6]]);
        if pc.wrapping_sub(at.wrapping_add_signed(distance.into())) < NEAR {
            return true;
        }
    }
    // FF /2 of two, three, six or seven bytes.
    [5, 4, 1, 0].into_iter().any(|i| before[i] == 0xff && before[i + 1] >> 3 & 7 == 2)
}
