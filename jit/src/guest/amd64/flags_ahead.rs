//! Whether the arithmetic flags are dead at an address: a short look at the code there, so that a block that leaves need not make flags that its
//! successor overwrites before it reads them. What the manuals leave undefined counts as overwritten where nothing of ours makes it of the old.
//!
//! A fault before the overwriting instruction shows stale flags to a signal handler; nothing that resumes can tell.

use super::super::Fetch;
use super::flags::{condition, Under};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic as M, OpKind, Register};
use std::ops::Range;

const CF: u8 = 1;
const OF: u8 = 2;
const SF: u8 = 4;
const ZF: u8 = 8;
const PF: u8 = 16;
/// With AF, which has no condition.
const ALL: u8 = 63;

/// What an instruction does to the flags.
enum Step {
    /// Reads and then overwrites some, and goes on.
    Next(u8, u8),
    /// Goes on elsewhere.
    Jump(u64),
    /// Reads some; goes on here or elsewhere.
    Branch(u8, u64),
    /// Leaves to where can't be seen, or is not in the list.
    Unknown,
}

/// The flags that a condition in the processor's numbering reads.
fn read_by(cc: u8) -> u8 {
    [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, SF | OF | ZF][cc as usize >> 1 & 7]
}

fn step(i: &Instruction) -> Step {
    use M::*;
    let near = || matches!(i.op0_kind(), OpKind::NearBranch64);
    let (reads, writes) = match i.mnemonic() {
        Jmp | Call if near() => return Step::Jump(i.near_branch_target()),
        Add | Sub | Cmp | Neg | And | Or | Xor | Test | Xadd | Cmpxchg | Popcnt | Ucomiss | Ucomisd | Comiss | Comisd
        | Vucomiss | Vucomisd | Vcomiss | Vcomisd | Ptest | Vptest => (0, ALL),
        Adc | Sbb => (CF, ALL),
        Inc | Dec => (0, ALL & !CF),
        Shl | Sal | Shr | Sar => match i.op1_kind() {
            // A count of zero leaves them all.
            OpKind::Register => (0, 0),
            _ if i.immediate8() & if i.op0_kind() == OpKind::Register && wide(i.op0_register()) { 63 } else { 31 } == 0 => (0, 0),
            _ => (0, ALL),
        },
        Mul | Imul => (0, CF | OF),
        Bt | Bts | Btr | Btc | Clc | Stc => (0, CF),
        Mov | Movzx | Movsx | Movsxd | Lea | Push | Pop | Nop | Endbr64 | Cdq | Cqo | Cdqe | Cwde | Leave | Bswap | Not
        | Xchg | Shlx | Shrx | Sarx | Rorx | Mulx | Pause | Movaps | Movups | Movapd | Movupd | Movdqa | Movdqu | Movd | Movq
        | Movss | Movhps | Movlps | Movhpd | Movlpd | Movmskpd | Pmovmskb | Pxor | Por | Pand | Xorps | Xorpd | Andps | Andpd
        | Addsd | Subsd | Mulsd | Divsd | Addss | Subss | Mulss | Divss | Sqrtsd | Cvtsi2sd | Cvttsd2si | Cvtsi2ss
        | Cvttss2si | Cvtss2sd | Cvtsd2ss | Punpcklqdq | Pcmpeqb | Pcmpeqd | Paddd | Paddq | Pshufd | Vmovaps | Vmovups
        | Vmovdqa | Vmovdqu | Vmovd | Vmovq | Vpxor | Vpmovmskb | Vpcmpeqb | Vzeroupper => (0, 0),
        // The string instruction of this name compares nothing either, but may go on for long.
        Movsd if i.op_count() == 2 && !i.has_rep_prefix() => (0, 0),
        m => match condition(m) {
            Some((Under::Jump, cc)) => return Step::Branch(read_by(cc), i.near_branch_target()),
            Some((_, cc)) => (read_by(cc), 0),
            None => return Step::Unknown,
        },
    };
    Step::Next(reads, writes)
}

fn wide(r: Register) -> bool {
    (Register::RAX as u32..=Register::R15 as u32).contains(&(r as u32))
}

/// Bytes to look at in one straight line.
const LINE: usize = 48;

/// The look.
struct Look<'a> {
    mem: &'a dyn Fetch,
    near: Range<u64>,
    seen: Range<u64>,
    lines: u32,
    instructions: u32,
}

/// `Guest::flags_dead`.
pub fn flags_dead(pc: u64, mem: &dyn Fetch, near: &mut Range<u64>) -> bool {
    let mut look = Look { mem, near: near.clone(), seen: pc..pc, lines: 4, instructions: 16 };
    let dead = look.dead(pc, ALL);
    *near = look.seen;
    dead
}

impl Look<'_> {
    /// Whether every path from `pc` overwrites the flags in `live` before it reads them.
    fn dead(&mut self, pc: u64, mut live: u8) -> bool {
        if self.lines == 0 || !self.near.contains(&pc) {
            return false;
        }
        self.lines -= 1;
        let mut bytes = [0; LINE];
        let n = self.mem.fetch_bytes(pc, &mut bytes);
        let mut decoder = Decoder::with_ip(64, &bytes[..n], pc, DecoderOptions::NONE);
        let mut i = Instruction::default();
        while decoder.can_decode() && self.instructions > 0 {
            self.instructions -= 1;
            decoder.decode_out(&mut i);
            if i.is_invalid() {
                return false;
            }
            self.seen = self.seen.start.min(i.ip())..self.seen.end.max(i.next_ip());
            match step(&i) {
                Step::Next(reads, writes) => {
                    if reads & live != 0 {
                        return false;
                    }
                    live &= !writes;
                    if live == 0 {
                        return true;
                    }
                }
                Step::Jump(to) => return self.dead(to, live),
                Step::Branch(reads, to) => {
                    if reads & live != 0 || !self.dead(to, live) {
                        return false;
                    }
                }
                Step::Unknown => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code at an address of its own.
    struct Bytes(&'static [u8]);

    const AT: u64 = 0x1000;

    impl Fetch for Bytes {
        fn fetch32(&self, _pc: u64) -> Option<u32> {
            None
        }
        fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
            let rest = pc.checked_sub(AT).and_then(|at| self.0.get(at as usize..)).unwrap_or(&[]);
            let n = rest.len().min(out.len());
            out[..n].copy_from_slice(&rest[..n]);
            n
        }
    }

    fn look(code: &'static [u8]) -> (bool, Range<u64>) {
        let mut near = 0..0x10000;
        let dead = flags_dead(AT, &Bytes(code), &mut near);
        (dead, near)
    }

    #[test]
    fn overwritten() {
        // mov eax, [rdi]; cmp eax, 3
        assert_eq!(look(&[0x8b, 0x07, 0x83, 0xf8, 3]), (true, AT..AT + 5));
        // inc eax; add eax, ecx
        assert!(look(&[0xff, 0xc0, 0x01, 0xc8]).0);
        // inc eax; jz +2; add eax, ecx; sub eax, ecx: the branch reads what the increment has made
        assert!(look(&[0xff, 0xc0, 0x74, 2, 0x01, 0xc8, 0x29, 0xc8]).0);
        // shl eax, 4
        assert!(look(&[0xc1, 0xe0, 4]).0);
        // jmp +1; int3; xor eax, eax
        assert!(look(&[0xeb, 1, 0xcc, 0x31, 0xc0]).0);
    }

    #[test]
    fn read_or_unknown() {
        // adc eax, ecx; inc eax and jb; jz
        for code in [&[0x11, 0xc8][..], &[0xff, 0xc0, 0x72, 0, 0x31, 0xc0], &[0x74, 0, 0x31, 0xc0]] {
            assert!(!look(code).0, "{code:x?}");
        }
        // shl eax, cl; shl eax, 32; pushf; ret; a call of no one knows what; the end of the code
        for code in [&[0xd3, 0xe0][..], &[0xc1, 0xe0, 32], &[0x9c, 0x31, 0xc0], &[0xc3], &[0xff, 0xd0], &[0x90]] {
            assert!(!look(code).0, "{code:x?}");
        }
        // One way of two: jrcxz is unknown; a branch to code that is not there, after inc has made what it reads
        assert!(!look(&[0xe3, 0, 0x31, 0xc0]).0);
        assert!(!look(&[0xff, 0xc0, 0x74, 0x40, 0x31, 0xc0]).0);
    }
}
