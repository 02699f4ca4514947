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

/// What the top byte of a word tells.
const NEXT: u8 = 0;
const LIVE: u8 = 1;
const JUMP: u8 = 2;
const COMPARE: u8 = 3;
const TEST: u8 = 4;
const SYSTEM: u8 = 5;
const ADD: u8 = 6;
const LOGIC: u8 = 7;
const LOGIC_IMM: u8 = 8;
const CONDITIONAL: u8 = 9;
const FP: u8 = 10;

static KINDS: [u8; 256] = {
    let mut kinds = [NEXT; 256];
    let mut n = 0;
    while n < 256 {
        kinds[n] = match n {
            // B.cond, SVC and its like, BR/BLR/RET/ERET
            0x54 | 0xd4 | 0xd6 | 0xd7 => LIVE,
            0x14..=0x17 | 0x94..=0x97 => JUMP,
            0x34 | 0x35 | 0xb4 | 0xb5 => COMPARE,
            0x36 | 0x37 | 0xb6 | 0xb7 => TEST,
            0xd5 => SYSTEM,
            // ADDS/SUBS shifted and extended register, immediate
            _ if matches!(n & 0x3f, 0x2b | 0x31) => ADD,
            // ANDS/BICS register; ANDS immediate
            _ if n & 0x7f == 0x6a => LOGIC,
            _ if n & 0x7f == 0x72 => LOGIC_IMM,
            _ if n & 0x1f == 0x1a => CONDITIONAL,
            _ if n & 0xff == 0x1e => FP,
            _ => NEXT,
        };
        n += 1;
    }
    kinds
};

fn step(w: u32) -> Step {
    let imm = |hi: u32, lo: u32| (((w as i32) << (31 - hi)) >> (31 - hi + lo)) as i64 * 4;
    match KINDS[(w >> 24) as usize] {
        NEXT => Step::Next,
        LIVE => Step::Live,
        JUMP => Step::Jump(imm(25, 0)),
        COMPARE => Step::Branch(imm(23, 5)),
        TEST => Step::Branch(imm(18, 5)),
        // MSR/MRS/SYS, but for hints
        SYSTEM if w & 0xffff_f01f != 0xd503_201f => Step::Live,
        // ADC/SBC, CCMP/CCMN, CSEL family
        CONDITIONAL if matches!(w & 0x1fe0_0000, 0x1a00_0000 | 0x1a40_0000 | 0x1a80_0000) => Step::Live,
        // FCCMP, FCSEL
        FP if matches!(w & 0xff20_0c00, 0x1e20_0400 | 0x1e20_0c00) => Step::Live,
        SYSTEM | CONDITIONAL => Step::Next,
        kind => overwrites(kind, w),
    }
}

/// An instruction that may overwrite the flags, by its kind. What is undefined among them overwrites nothing: who handles its signal may go on behind it.
fn overwrites(kind: u8, w: u32) -> Step {
    let bits = |hi: u32, lo: u32| w << (31 - hi) >> (31 - hi + lo);
    let (sf, shift_fits) = (w >> 31 == 1, w >> 31 == 1 || bits(15, 15) == 0);
    let immediate = w >> 28 & 1 == 1;
    let defined = match kind {
        // (Bit 23 of an immediate one tells of the tags of FEAT_MTE, or of a move.)
        ADD if immediate && bits(23, 23) == 1 => return Step::Next,
        ADD if immediate => true,
        ADD if bits(21, 21) == 0 => bits(23, 22) != 3 && shift_fits,
        ADD => bits(23, 22) == 0 && bits(12, 10) <= 4,
        LOGIC_IMM if bits(23, 23) == 1 => return Step::Next,
        LOGIC_IMM => bitmask(sf, bits(22, 22), bits(21, 16), bits(15, 10)).is_some(),
        LOGIC => shift_fits,
        // FCMP. A CPU may be without those of halves.
        FP if w & 0xff20_fc07 == 0x1e20_2000 => bits(23, 22) < 2,
        _ => return Step::Next,
    };
    if defined {
        Step::Dead
    } else {
        Step::Live
    }
}

/// Words to look at in one straight line, and how many of them at once: mostly the first few tell.
const LINE: usize = 16;
const PIECE: usize = 4;

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
    for at in (pc..).step_by(4 * PIECE).take(LINE / PIECE) {
        let mut words = [0; PIECE];
        let n = mem.fetch(at, &mut words);
        for (&w, pc) in words[..n].iter().zip((at..).step_by(4)) {
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
        if n < PIECE {
            break;
        }
    }
    false
}
