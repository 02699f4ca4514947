//! Whether the condition flags are dead at an address: a short look at the code there, so that a block that leaves need not
//! put flags to rest that its successor overwrites before it reads them.
//!
//! A fault before the overwriting instruction shows stale NZCV to a signal handler; nothing that resumes can tell.

use super::super::Fetch;

/// What an instruction does to the flags.
enum Step {
    /// Reads them, or the flow leaves the straight line.
    Live,
    /// Overwrites all four without reading them.
    Dead,
    /// Goes on after it, flags untouched.
    Next,
}

fn step(w: u32) -> Step {
    match w >> 24 {
        // B.cond, CBZ, TBZ, B and BL, SVC and its like, BR/BLR/RET/ERET
        0x54 | 0x34..=0x37 | 0xb4..=0xb7 | 0x14..=0x17 | 0x94..=0x97 | 0xd4 | 0xd6 | 0xd7 => return Step::Live,
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
    // ADDS/SUBS immediate; shifted and extended register; ANDS immediate; ANDS/BICS register; FCMP
    if w & 0x3f80_0000 == 0x3100_0000
        || w & 0x3f00_0000 == 0x2b00_0000
        || w & 0x7f80_0000 == 0x7200_0000
        || w & 0x7f00_0000 == 0x6a00_0000
        || w & 0xff20_fc07 == 0x1e20_2000
    {
        return Step::Dead;
    }
    Step::Next
}

/// Where the first few instructions from `pc` on overwrite the flags, if they do before they read them or branch: the address after that.
pub fn flags_dead(pc: u64, mem: &dyn Fetch) -> Option<u64> {
    let mut words = [0; 6];
    let n = mem.fetch(pc, &mut words);
    for (k, &w) in words[..n].iter().enumerate() {
        match step(w) {
            Step::Live => return None,
            Step::Dead => return Some(pc + 4 * (k as u64 + 1)),
            Step::Next => {}
        }
    }
    None
}
