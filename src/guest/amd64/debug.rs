//! amd64 as gdb and core files have it.

use super::{registers, set_registers};
use crate::guest::Debug;
use syscalls::amd64::xsave;
use syscalls::Context;

pub(super) const DEBUG: Debug = Debug {
    description: include_str!("gdb.xml"),
    read,
    write,
    // int3
    breakpoint: &[0xcc],
    alignment: 1,
    gregs,
    fpregs: |c| xsave(c)[..FXSAVE_SIZE].to_vec(),
    notes,
};

const FXSAVE_SIZE: usize = 512;
const NT_X86_XSTATE: u32 = 0x202;
/// Where in that note it says which components there can be, and what they are: x87, SSE, AVX.
const XCR0_AT: usize = 464;
const XCR0: u64 = 7;
/// Selectors of 64-bit programs.
const CS: u64 = 0x33;
const SS: u64 = 0x2b;
/// gdb's order of the general registers in terms of the encoding's: rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8–r15.
const ORDER: [usize; 16] = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];
/// A core file's: r15–r12, rbp, rbx, r11–r8, rax, rcx, rdx, rsi, rdi.
const CORE_ORDER: [usize; 15] = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];
/// No system call.
const ORIG_RAX: u64 = u64::MAX;

// Offsets in FXSAVE's form.
const ST: usize = 32;
const XMM: usize = 160;
const YMM_HIGH: usize = 576;

/// FXSAVE's tag word has a bit a register, gdb wants the processor's two: valid, zero, special or empty.
fn full_tags(c: &Context) -> u16 {
    (0..8).fold(0, |all, n| {
        let top = usize::from(c.x87.status >> 11 & 7);
        let st = c.x87.st[(n + 8 - top) % 8];
        let (exponent, fraction) = (st >> 64 & 0x7fff, st as u64);
        let tag = match c.x87.tags >> n & 1 {
            0 => 3,
            _ if exponent == 0 && fraction == 0 => 1,
            _ if exponent == 0 || exponent == 0x7fff || fraction >> 63 == 0 => 2,
            _ => 0,
        };
        all | tag << (2 * n)
    })
}

/// In the order of the description.
fn read(c: &Context) -> Vec<u8> {
    let (all, area) = (registers(c), xsave(c));
    let mut out = Vec::with_capacity(900);
    ORDER.iter().for_each(|&n| out.extend(all[n].to_le_bytes()));
    out.extend(c.pc.to_le_bytes());
    out.extend((c.pstate as u32).to_le_bytes());
    for selector in [CS, SS, 0, 0, 0, 0] {
        out.extend((selector as u32).to_le_bytes());
    }
    (0..8).for_each(|n| out.extend(&area[ST + 16 * n..][..10]));
    let x = &c.x87;
    let control = [x.control.into(), x.status.into(), full_tags(c).into(), 0, x.ip as u32, 0, x.dp as u32, x.opcode.into()];
    control.iter().for_each(|v: &u32| out.extend(v.to_le_bytes()));
    out.extend(&area[XMM..XMM + 256]);
    out.extend(c.fpcr.to_le_bytes());
    for word in [ORIG_RAX, c.tls, c.gs] {
        out.extend(word.to_le_bytes());
    }
    out.extend(&area[YMM_HIGH..YMM_HIGH + 256]);
    out
}

/// Takes fields from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    fn u128(&mut self) -> Option<u128> {
        self.take().map(u128::from_le_bytes)
    }
}

/// What gdb may change of the flags: CF, PF, AF, ZF, SF, DF, OF, AC, ID.
const FLAGS_MASK: u64 = 0x24_0cd5;

fn write(c: &mut Context, bytes: &[u8]) -> Option<()> {
    let mut from = Fields(bytes);
    let mut new = *c;
    let mut all = registers(c);
    for n in ORDER {
        all[n] = from.u64()?;
    }
    set_registers(&mut new, &all);
    new.pc = from.u64()?;
    new.pstate = c.pstate & !FLAGS_MASK | u64::from(from.u32()?) & FLAGS_MASK;
    for _selector in 0..6 {
        from.u32()?;
    }
    for st in &mut new.x87.st {
        let [low, high] = [from.u64()?.into(), u128::from(u16::from_le_bytes(from.take()?))];
        *st = low | high << 64;
    }
    (new.x87.control, new.x87.status) = (from.u32()? as u16, from.u32()? as u16);
    let tags = from.u32()?;
    new.x87.tags = (0..8).fold(0, |all, n| all | u8::from(tags >> (2 * n) & 3 != 3) << n);
    for _pointer in 0..4 {
        from.u32()?;
    }
    new.x87.opcode = from.u32()? as u16;
    for v in &mut new.v[..16] {
        *v = from.u128()?;
    }
    new.fpcr = from.u32()? & 0xffff;
    from.u64()?;
    (new.tls, new.gs) = (from.u64()?, from.u64()?);
    for v in &mut new.v[16..] {
        *v = from.u128()?;
    }
    *c = new;
    Some(())
}

/// `struct user_regs_struct`.
fn gregs(c: &Context) -> Vec<u8> {
    let all = registers(c);
    let mut words: Vec<u64> = CORE_ORDER.iter().map(|&n| all[n]).collect();
    words.extend([ORIG_RAX, c.pc, CS, c.pstate, c.sp, SS, c.tls, c.gs, 0, 0, 0, 0]);
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

fn notes(c: &Context) -> Vec<(u32, Vec<u8>)> {
    let mut area = xsave(c).to_vec();
    area[XCR0_AT..XCR0_AT + 8].copy_from_slice(&XCR0.to_le_bytes());
    vec![(NT_X86_XSTATE, area)]
}
