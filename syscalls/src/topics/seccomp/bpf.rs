//! Classic BPF as seccomp has it: the check of a program (`bpf_check_classic`, `seccomp_check_filter`) and its run.

use crate::Errno;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}
// SAFETY: integers without padding, as the kernel lays them out.
unsafe impl crate::ptr::Plain for Insn {}

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Data {
    /// The call's number.
    pub nr: i32,
    /// AUDIT_ARCH_*.
    pub arch: u32,
    /// The instruction after the call's.
    pub ip: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

impl Data {
    /// The words that a filter loads.
    fn words(&self) -> [u32; WORDS] {
        let mut w = [0; WORDS];
        (w[0], w[1]) = (self.nr as u32, self.arch);
        for (i, v) in std::iter::once(&self.ip).chain(&self.args).enumerate() {
            (w[2 + i * 2], w[3 + i * 2]) = (*v as u32, (*v >> 32) as u32);
        }
        w
    }
}

const WORDS: usize = 16;
/// Bytes of `struct seccomp_data`.
const SIZE: u32 = 64;
/// Longest program (`BPF_MAXINSNS`).
pub const MAX_LEN: usize = 4096;
/// Scratch memory.
const MEM: usize = 16;

// Classes, sizes, modes, sources and operations (linux/bpf_common.h).
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const MEMORY: u16 = 0x60;
const LEN: u16 = 0x80;
const K: u16 = 0x00;
const X: u16 = 0x08;
const A: u16 = 0x10;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const NEG: u16 = 0x80;
const XOR: u16 = 0xa0;
const JA: u16 = 0x00;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;
const TAX: u16 = 0x00;
const TXA: u16 = 0x80;

const LD_ABS: u16 = LD | ABS;
const LD_LEN: u16 = LD | LEN;
const LDX_LEN: u16 = LDX | LEN;
const LD_IMM: u16 = LD | IMM;
const LDX_IMM: u16 = LDX | IMM;
const LD_MEM: u16 = LD | MEMORY;
const LDX_MEM: u16 = LDX | MEMORY;
const RET_K: u16 = RET | K;
const RET_A: u16 = RET | A;
const MISC_TAX: u16 = MISC | TAX;
const MISC_TXA: u16 = MISC | TXA;
const JMP_JA: u16 = JMP | JA;

/// Whether the kernel would take the program.
pub fn check(program: &[Insn]) -> Result<(), Errno> {
    if program.is_empty() || program.len() > MAX_LEN {
        return Err(Errno::EINVAL);
    }
    let all_good = program.iter().enumerate().all(|(pc, insn)| good(insn, program.len() - pc - 1));
    let ends = program.last().is_some_and(|i| matches!(i.code, RET_K | RET_A));
    if all_good && ends && loads_what_was_stored(program) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// One instruction, with so many behind it.
fn good(i: &Insn, behind: usize) -> bool {
    match i.code {
        LD_ABS => i.k < SIZE && i.k % 4 == 0,
        LD_LEN | LDX_LEN | LD_IMM | LDX_IMM | RET_K | RET_A | MISC_TAX | MISC_TXA => true,
        LD_MEM | LDX_MEM | ST | STX => (i.k as usize) < MEM,
        JMP_JA => (i.k as usize) < behind,
        code if code & 7 == ALU => match (code & 0xf0, code & !0xf7) {
            (DIV, K) => i.k != 0,
            (LSH | RSH, K) => i.k < 32,
            (ADD | SUB | MUL | OR | AND | XOR | DIV | LSH | RSH, K | X) => true,
            (NEG, K) => true,
            _ => false,
        },
        code if code & 7 == JMP => {
            matches!((code & 0xf0, code & !0xf7), (JEQ | JGT | JGE | JSET, K | X)) && (i.jt.max(i.jf) as usize) < behind
        }
        _ => false,
    }
}

/// Each load from scratch memory follows a store, on every path (`check_load_and_store`). Jumps lead forward and, as checked, not out.
fn loads_what_was_stored(program: &[Insn]) -> bool {
    let mut valid = vec![!0u16; program.len()];
    let mut now = 0u16;
    for (pc, i) in program.iter().enumerate() {
        now &= valid[pc];
        let mut meet = |at: usize, now: u16| valid[at] &= now;
        match i.code {
            ST | STX => now |= 1 << i.k,
            LD_MEM | LDX_MEM if now & 1 << i.k == 0 => return false,
            JMP_JA => {
                meet(pc + 1 + i.k as usize, now);
                now = !0;
            }
            code if code & 7 == JMP => {
                meet(pc + 1 + i.jt as usize, now);
                meet(pc + 1 + i.jf as usize, now);
                now = !0;
            }
            _ => {}
        }
    }
    true
}

/// The number of instructions that the kernel makes of a program (`bpf_convert_filter`): its limits count those.
pub fn converted_len(program: &[Insn]) -> usize {
    const PROLOGUE: usize = 3;
    let of = |i: &Insn| match i.code {
        RET_K => 2,
        JMP_JA => 1,
        code if code == ALU | DIV | X => 5,
        code if code & 7 == JMP => {
            let far = i.jf != 0 && (i.jt != 0 || code & 0xf0 == JSET);
            1 + usize::from(far) + usize::from(code & X == 0 && (i.k as i32) < 0)
        }
        _ => 1,
    };
    PROLOGUE + program.iter().map(of).sum::<usize>()
}

/// Run a checked program.
pub fn run(program: &[Insn], data: &Data) -> u32 {
    let words = data.words();
    let (mut a, mut x, mut mem) = (0u32, 0u32, [0u32; MEM]);
    let mut pc = 0;
    while let Some(i) = program.get(pc) {
        pc += 1;
        let operand = if i.code & X != 0 { x } else { i.k };
        match i.code {
            LD_ABS => a = words[i.k as usize / 4 % WORDS],
            LD_LEN => a = SIZE,
            LDX_LEN => x = SIZE,
            LD_IMM => a = i.k,
            LDX_IMM => x = i.k,
            LD_MEM => a = mem[i.k as usize % MEM],
            LDX_MEM => x = mem[i.k as usize % MEM],
            ST => mem[i.k as usize % MEM] = a,
            STX => mem[i.k as usize % MEM] = x,
            RET_K => return i.k,
            RET_A => return a,
            MISC_TAX => x = a,
            MISC_TXA => a = x,
            JMP_JA => pc += i.k as usize,
            code if code & 7 == JMP => pc += usize::from(if holds(code, a, operand) { i.jt } else { i.jf }),
            code => match alu(code, a, operand) {
                Some(v) => a = v,
                // The program ends where it divides by zero.
                None => return 0,
            },
        }
    }
    0
}

fn holds(code: u16, a: u32, operand: u32) -> bool {
    match code & 0xf0 {
        JEQ => a == operand,
        JGT => a > operand,
        JGE => a >= operand,
        _ => a & operand != 0,
    }
}

fn alu(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & 0xf0 {
        ADD => a.wrapping_add(operand),
        SUB => a.wrapping_sub(operand),
        MUL => a.wrapping_mul(operand),
        DIV => return a.checked_div(operand),
        OR => a | operand,
        AND => a & operand,
        XOR => a ^ operand,
        LSH => a.wrapping_shl(operand),
        RSH => a.wrapping_shr(operand),
        _ => a.wrapping_neg(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Data = Data { nr: 63, arch: 0xc000_00b7, ip: 0x1_2345_6788, args: [1, 2 << 32 | 3, 4, 5, 6, !0] };

    fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code, jt, jf, k }
    }

    #[test]
    fn loads_see_the_call() {
        for (k, value) in [(0, 63), (4, 0xc000_00b7), (8, 0x2345_6788), (12, 1), (24, 3), (28, 2), (60, !0)] {
            assert_eq!(run(&[insn(LD_ABS, 0, 0, k), insn(RET_A, 0, 0, 0)], &DATA), value, "{k}");
        }
    }

    /// The kernel's own verdicts, on programs of all shapes, against the kernel: a child tries each.
    #[test]
    fn programs_are_taken_and_refused_as_by_the_kernel() {
        let mut seed = 1u64;
        let mut random = move |n: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32 % n
        };
        let mut taken = 0;
        for round in 0..3000 {
            let len = 1 + random(5) as usize;
            let mut program: Vec<Insn> = (0..len)
                .map(|_| {
                    let code = [random(0x100) as u16, random(8) as u16 | ALU, LD_MEM, ST, LD_ABS, JMP | (random(6) as u16) << 4];
                    let k = [random(6), random(20), 4 * random(20), 31 + random(3)][random(4) as usize];
                    insn(code[random(6) as usize], random(4) as u8, random(4) as u8, k)
                })
                .collect();
            if random(10) != 0 {
                program.push(insn(if random(2) == 0 { RET_K } else { RET_A }, 0, 0, 0x7fff_0000));
            }
            let ours = check(&program).is_ok();
            taken += usize::from(ours);
            assert_eq!(ours, kernel_takes(&program), "{round}: {program:?}");
        }
        assert!(taken > 200, "{taken}");
    }

    fn kernel_takes(program: &[Insn]) -> bool {
        // SAFETY: a child of its own, which makes three system calls and ends; with a thread pool around no other code is safe in it.
        unsafe {
            let fprog = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut().cast() };
            // The child may not survive its own filter: it says what it was told in shared memory.
            let shared = libc::mmap(std::ptr::null_mut(), 4096, 3, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0).cast::<i64>();
            *shared = i64::MIN;
            let pid = libc::fork();
            if pid == 0 {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                *shared = libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog);
                libc::_exit(0);
            }
            let mut result = i64::MIN;
            for _ in 0..1_000_000 {
                result = shared.read_volatile();
                if result != i64::MIN {
                    break;
                }
                libc::sched_yield();
            }
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
            libc::munmap(shared.cast(), 4096);
            result == 0
        }
    }
}
