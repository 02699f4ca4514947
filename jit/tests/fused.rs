//! What a block does without flags that it finds dead, against single instructions in the interpreter: random amd64 code that makes and reads flags at
//! every width, with branches forward and loops. A flag that was wrongly thought dead, or a condition made of the wrong ones, shows in a register,
//! on the way or at the end.
//!
//! `FUSED_ROUNDS` (default 3000), `FUSED_SEED`.

#[allow(dead_code)]
#[path = "common/random.rs"]
mod random;

use jit::code::{Engine, Exit, Options};
use jit::cpu::Cpu;
use jit::guest::amd64::{state, GUEST};
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::interp::{self, Interp};
use jit::ir::{Block, Trap};
use random::{Nothing, Random};

/// It lies across the end of a page.
const BASE: u64 = 0x40_0f00;
/// Pieces of straight code, each of which may be branched to.
const PIECES: usize = 14;
/// Registers that code changes: rax, rcx, rdx, rbx, rsi, rdi.
const REGISTERS: [u8; 6] = [0, 1, 2, 3, 6, 7];
const CF: u64 = 1;
const AF: u64 = 16;

impl Random {
    fn register(&mut self) -> u8 {
        REGISTERS[self.below(REGISTERS.len())]
    }
    /// A constant at which flags differ.
    fn small(&mut self) -> u8 {
        [0, 1, 2, 4, 0x7f, 0x80, 0xff, 0x10, 0x40, self.next() as u8][self.below(10)]
    }
}

struct Program(Vec<u8>);

impl Fetch for Program {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let mut b = [0; 4];
        (self.fetch_bytes(pc, &mut b) == 4).then(|| u32::from_le_bytes(b))
    }
    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let rest = pc.checked_sub(BASE).and_then(|at| self.0.get(at as usize..)).unwrap_or(&[]);
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        n
    }
}

impl Hints for Program {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// Code under construction. In an `exact` one nothing leaves AF undefined, and AF is read.
struct Maker<'a> {
    r: &'a mut Random,
    out: Vec<u8>,
    exact: bool,
}

impl Maker<'_> {
    /// An instruction on registers of 8, 16, 32 or 64 bits: the opcode for 8 bits, that for more, and the field and register of its ModRM.
    fn sized(&mut self, byte: &[u8], more: &[u8], field: u8, rm: u8) -> usize {
        let log2 = self.r.below(4);
        if log2 == 1 {
            self.out.push(0x66);
        }
        // Also what makes sil of dh.
        self.out.push(if log2 == 3 { 0x48 } else { 0x40 });
        self.out.extend(if log2 == 0 { byte } else { more });
        self.out.push(0xc0 | field << 3 | rm);
        log2
    }

    fn instruction(&mut self) {
        let (a, b, c) = (self.r.register(), self.r.register(), self.r.small());
        let cc = self.r.below(16) as u8;
        // add, adc, sbb, sub, cmp; or, and, xor
        let alu = if self.exact { [0, 2, 3, 5, 7, 7, 5, 7] } else { [0, 2, 3, 5, 7, 1, 4, 6] }[self.r.below(8)];
        match self.r.below(if self.exact { 15 } else { 24 }) {
            0..=2 => drop(self.sized(&[alu << 3], &[alu << 3 | 1], b, a)),
            3..=4 => {
                self.sized(&[0x80], &[0x83], alu, a);
                self.out.push(c);
            }
            // inc, dec, neg
            5 => drop(self.sized(&[0xfe], &[0xff], self.r.0 as u8 & 1, a)),
            6 => drop(self.sized(&[0xf6], &[0xf7], 3, a)),
            // setcc, cmovcc
            7..=8 => self.out.extend([0x40, 0x0f, 0x90 | cc, 0xc0 | a]),
            9 => self.out.extend([0x48, 0x0f, 0x40 | cc, 0xc0 | a << 3 | b]),
            // mov, movzx, lea
            10 => self.out.extend([0x89, 0xc0 | b << 3 | a]),
            11 => self.out.extend([0x40, 0x0f, 0xb6, 0xc0 | a << 3 | b]),
            12 => self.out.extend([0x48, 0x8d, 0x40 | a << 3 | b, c]),
            // cmc, stc, clc; xadd, cmpxchg
            13 => self.out.push([0xf5, 0xf9, 0xf8][self.r.below(3)]),
            14 if self.exact => self.out.push(0x9f),
            14 => drop(self.sized(&[0x0f, 0xc0], &[0x0f, 0xc1], b, a)),
            // test, with itself mostly
            15..=17 => {
                let b = if self.r.below(3) > 0 { a } else { b };
                self.sized(&[0x84], &[0x85], b, a);
            }
            18 => {
                let log2 = self.sized(&[0xf6], &[0xf7], 0, a);
                let constant = (1u32 << self.r.below(32)).to_le_bytes();
                self.out.extend(match log2 {
                    0 => vec![c],
                    1 => vec![c, 0],
                    _ => constant.to_vec(),
                });
            }
            // shl, shr, sar, rol, ror by a constant; by cl
            19..=20 => {
                self.sized(&[0xc0], &[0xc1], [4, 5, 7, 0, 1][self.r.0 as usize % 5], a);
                self.out.push(self.r.below(34) as u8);
            }
            21 => drop(self.sized(&[0xd2], &[0xd3], [4, 5, 7, 0, 1][self.r.0 as usize % 5], a)),
            // bt; ucomisd and comisd xmm0, xmm1
            22 => self.out.extend([0x48, 0x0f, 0xa3, 0xc0 | b << 3 | a]),
            _ => self.out.extend([0x66, 0x0f, 0x2e | cc & 1, 0xc1]),
        }
    }

    /// Pieces, each with a branch at its end: forward or, as long as there is fuel in r15, back.
    fn program(mut self) -> Program {
        let (mut at, mut branches) = (Vec::new(), Vec::new());
        for n in 0..PIECES {
            at.push(self.out.len());
            for _ in 0..self.r.below(5) {
                self.instruction();
            }
            let cc = self.r.below(16) as u8;
            match self.r.below(8) {
                0 if n > 0 => {
                    // sub r15, 1; jg back
                    self.out.extend([0x49, 0x83, 0xef, 1, 0x0f, 0x8f, 0, 0, 0, 0]);
                    branches.push((self.out.len(), self.r.below(n)));
                }
                1 => {}
                2 => {
                    self.out.extend([0xe9, 0, 0, 0, 0]);
                    branches.push((self.out.len(), n + 1 + self.r.below(PIECES - n)));
                }
                _ => {
                    self.out.extend([0x0f, 0x80 | cc, 0, 0, 0, 0]);
                    branches.push((self.out.len(), n + 1 + self.r.below(PIECES - n)));
                }
            }
        }
        at.push(self.out.len());
        self.out.push(0xcc);
        for (end, to) in branches {
            let d = at[to] as i32 - end as i32;
            self.out[end - 4..end].copy_from_slice(&d.to_le_bytes());
        }
        Program(self.out)
    }
}

fn start(r: &mut Random, cpu: &mut Cpu) -> u8 {
    for n in 0..16 {
        cpu.gpr[n] = match r.below(3) {
            0 => r.next(),
            1 => r.small() as i8 as u64,
            _ => r.small() as u64,
        };
    }
    cpu.gpr[15] = r.below(20) as u64;
    for n in 0..2 {
        cpu.vec[n] = [0u128, 0x3ff0 << 48, 0xbff0 << 48, 0x7ff8 << 48][r.below(4)];
    }
    cpu.pc = BASE;
    state::set_eflags(cpu, r.next() & 0x8d5)
}

/// Run by single instructions up to the INT3.
fn interpret(program: &Program, cpu: &mut Cpu, interp: &mut Interp, block: &mut Block) {
    loop {
        block.clear(cpu.pc, (GUEST.fp_mode)(cpu.fpcr));
        (GUEST.lift)(block, program, program, Limits { insns: 1, side_exits: 0 });
        match interp.run(block, cpu, &mut Nothing) {
            interp::Exit::Trap(Trap::Debug, ..) => {
                cpu.pc = block.end;
                return;
            }
            exit => cpu.pc = exit.pc().unwrap_or_else(|| panic!("{exit:?} at {:x} of {:02x?}", cpu.pc - BASE, program.0)),
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn dead_flags_are_dead() {
    let mut r = Random(number("FUSED_SEED", 1));
    let (mut reference, mut interp, mut block) = (Cpu::new(), Interp::default(), Block::default());
    let (mut carries, mut taken) = (0, 0);
    for round in 0..number("FUSED_ROUNDS", 3000) {
        let exact = r.below(2) == 0;
        let program = Maker { r: &mut r, out: Vec::new(), exact }.program();
        let engine = Engine::new(&GUEST, Options { verify: true, cache_bytes: 1, ..Options::default() }).expect("code memory");
        let mut cpu = engine.new_cpu(None);
        for run in 0..6 {
            let nzcv = start(&mut r, &mut cpu);
            engine.set_nzcv(&mut cpu, nzcv);
            (reference.gpr, reference.vec, reference.pc, reference.fpcr) = (cpu.gpr, cpu.vec, cpu.pc, cpu.fpcr);
            interp.nzcv = nzcv;
            interpret(&program, &mut reference, &mut interp, &mut block);
            match engine.run(&mut cpu, &program) {
                Exit::Exception(Trap::Debug, 0) => {}
                other => panic!("{other:?} at {:x}", cpu.pc),
            }
            let compared = if exact { !0 } else { !AF };
            let (got, want) =
                (state::eflags(&cpu, engine.nzcv(&cpu)) & compared, state::eflags(&reference, interp.nzcv) & compared);
            let what = || format!("round {round}, run {run}: {:02x?}", program.0);
            assert_eq!(cpu.gpr[..16], reference.gpr[..16], "{}", what());
            assert_eq!((got, cpu.pc), (want, reference.pc), "{}", what());
            taken += u64::from(cpu.gpr[15] != 0);
            carries += u64::from(want & CF != 0);
        }
        engine.drop_cpu(cpu);
    }
    assert!(taken > 0 && carries > 0);
}
