//! arm64 as gdb and core files have it.

use crate::guest::Debug;
use syscalls::Context;

pub(super) const DEBUG: Debug = Debug {
    description: include_str!("gdb.xml"),
    read,
    write,
    // brk #0xf000
    breakpoint: &[0x00, 0x00, 0x3e, 0xd4],
    alignment: 4,
    gregs,
    fpregs,
    notes: |c| vec![(NT_ARM_TLS, c.tls.to_le_bytes().to_vec())],
};

const NT_ARM_TLS: u32 = 0x401;
/// NZCV.
const PSTATE: u32 = 0xf000_0000;

/// In the order of the description.
fn read(c: &Context) -> Vec<u8> {
    let mut out: Vec<u8> = c.x.iter().chain([&c.sp, &c.pc]).flat_map(|v| v.to_le_bytes()).collect();
    out.extend((c.pstate as u32).to_le_bytes());
    out.extend(c.v.iter().flat_map(|v| v.to_le_bytes()));
    out.extend([c.fpsr, c.fpcr].iter().flat_map(|v| v.to_le_bytes()));
    out.extend(c.tls.to_le_bytes());
    out
}

fn write(c: &mut Context, bytes: &[u8]) -> Option<()> {
    let (words, rest) = bytes.split_at_checked(33 * 8)?;
    let (cpsr, rest) = rest.split_first_chunk::<4>()?;
    let (vectors, rest) = rest.split_at_checked(32 * 16)?;
    let (fpsr, rest) = rest.split_first_chunk::<4>()?;
    let (fpcr, rest) = rest.split_first_chunk::<4>()?;
    let places = c.x.iter_mut().chain([&mut c.sp, &mut c.pc]);
    places.zip(words.chunks_exact(8)).for_each(|(place, b)| *place = u64::from_le_bytes(b.try_into().unwrap_or_default()));
    c.pstate = u64::from(u32::from_le_bytes(*cpsr) & PSTATE);
    c.v.iter_mut().zip(vectors.chunks_exact(16)).for_each(|(v, b)| *v = u128::from_le_bytes(b.try_into().unwrap_or_default()));
    (c.fpsr, c.fpcr) = (u32::from_le_bytes(*fpsr), u32::from_le_bytes(*fpcr));
    if let Some(tls) = rest.first_chunk::<8>() {
        c.tls = u64::from_le_bytes(*tls);
    }
    Some(())
}

/// `struct user_pt_regs`.
fn gregs(c: &Context) -> Vec<u8> {
    c.x.iter().chain([&c.sp, &c.pc, &c.pstate]).flat_map(|v| v.to_le_bytes()).collect()
}

/// `struct user_fpsimd_state`.
fn fpregs(c: &Context) -> Vec<u8> {
    let mut out: Vec<u8> = c.v.iter().flat_map(|v| v.to_le_bytes()).collect();
    out.extend([c.fpsr, c.fpcr, 0, 0].iter().flat_map(|v| v.to_le_bytes()));
    out
}
