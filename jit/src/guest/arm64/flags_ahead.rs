//! Whether the condition flags are dead at an address: a short look at the code there, so that a block that leaves need not
//! put flags to rest that its successor overwrites before it reads them.
//!
//! A fault before the overwriting instruction shows stale NZCV to a signal handler; nothing that resumes can tell.

use super::super::Fetch;
use super::int_imm::bitmask;
use std::ops::Range;

/// What an instruction does to the flags.
enum Step {
    /// Reads them, or leaves to where can't be seen.
    Live,
    /// Overwrites all four without reading them.
    Dead,
    /// Goes on after it, flags untouched.
    Next,
    /// Goes on at an offset.
    Jump(i64),
    /// Goes on after it or at an offset.
    Branch(i64),
}

fn step(w: u32) -> Step {
    let imm = |hi: u32, lo: u32| (((w as i32) << (31 - hi)) >> (31 - hi + lo)) as i64 * 4;
    match w >> 24 {
        // B.cond, SVC and its like, BR/BLR/RET/ERET
        0x54 | 0xd4 | 0xd6 | 0xd7 => return Step::Live,
        0x14..=0x17 | 0x94..=0x97 => return Step::Jump(imm(25, 0)),
        0x34 | 0x35 | 0xb4 | 0xb5 => return Step::Branch(imm(23, 5)),
        0x36 | 0x37 | 0xb6 | 0xb7 => return Step::Branch(imm(18, 5)),
        // MSR/MRS/SYS, but for hints
        0xd5 => return if w & 0xffff_f01f == 0xd503_201f { Step::Next } else { Step::Live },
        _ => {}
    }
    // ADC/SBC, CCMP/CCMN, CSEL family
    if matches!(w & 0x1fe0_0000, 0x1a00_0000 | 0x1a40_0000 | 0x1a80_0000) {
        return Step::Live;
    }
    // FCCMP, FCSEL
    if matches!(w & 0xff20_0c00, 0x1e20_0400 | 0x1e20_0c00) {
        return Step::Live;
    }
    // ADDS/SUBS immediate; shifted and extended register; ANDS immediate; ANDS/BICS register; FCMP. What is undefined among them overwrites nothing: who
    // handles its signal may go on behind it.
    let bits = |hi: u32, lo: u32| w << (31 - hi) >> (31 - hi + lo);
    let (sf, shift_fits) = (w >> 31 == 1, w >> 31 == 1 || bits(15, 15) == 0);
    let defined = if w & 0x3f80_0000 == 0x3100_0000 {
        true
    } else if w & 0x3f20_0000 == 0x2b00_0000 {
        bits(23, 22) != 3 && shift_fits
    } else if w & 0x3f20_0000 == 0x2b20_0000 {
        bits(23, 22) == 0 && bits(12, 10) <= 4
    } else if w & 0x7f80_0000 == 0x7200_0000 {
        bitmask(sf, bits(22, 22), bits(21, 16), bits(15, 10)).is_some()
    } else if w & 0x7f00_0000 == 0x6a00_0000 {
        shift_fits
    } else if w & 0xff20_fc07 == 0x1e20_2000 {
        // A CPU may be without those of halves.
        bits(23, 22) < 2
    } else {
        return Step::Next;
    };
    if defined {
        Step::Dead
    } else {
        Step::Live
    }
}

/// Words to look at in one straight line.
const LINE: usize = 16;

/// Whether every path from `pc` overwrites the flags before it reads them, as far as a few instructions within `near` show; `near` then
/// becomes the range of what was looked at.
pub fn flags_dead(pc: u64, mem: &dyn Fetch, near: &mut Range<u64>) -> bool {
    let mut seen = pc..pc;
    let dead = dead(pc, mem, near, &mut seen, &mut 6);
    *near = seen;
    dead
}

fn dead(pc: u64, mem: &dyn Fetch, near: &Range<u64>, seen: &mut Range<u64>, lines: &mut u32) -> bool {
    if *lines == 0 || !near.contains(&pc) {
        return false;
    }
    *lines -= 1;
    let mut words = [0; LINE];
    let n = mem.fetch(pc, &mut words);
    for (&w, pc) in words[..n].iter().zip((pc..).step_by(4)) {
        *seen = seen.start.min(pc)..seen.end.max(pc + 4);
        match step(w) {
            Step::Live => return false,
            Step::Dead => return true,
            Step::Next => {}
            Step::Jump(o) => return dead(pc.wrapping_add_signed(o), mem, near, seen, lines),
            Step::Branch(o) => {
                if !dead(pc.wrapping_add_signed(o), mem, near, seen, lines) {
                    return false;
                }
            }
        }
    }
    false
}
