//! Random arm64 instructions, lifted, against the IR interpreter: registers, memory, flags, FPSR, exits, and the state at FP traps.

use super::run::*;
use jit::cpu::*;
use jit::guest::arm64::decode::ROWS;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::host::{fpctl, fpsr, nzcv_from_rest, rest_from_nzcv, Features};
use jit::ir::interp::{Interp, MemFault, Memory};
use jit::ir::*;

pub(super) const PC: u64 = 0x40_1000;
pub(super) const BUF: usize = 4096;

struct Words<'a>(&'a [u32]);

impl Fetch for Words<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get((pc.wrapping_sub(PC) / 4) as usize).copied()
    }
}

/// What has been learned about instructions (software also stands for misaligned), and whether to expect tagged pointers (of which there are none: the result is the same).
struct Soft<'a>(&'a [(u64, u8)], bool);

impl Hints for Soft<'_> {
    fn hint(&self, pc: u64) -> u8 {
        let learned = self.0.iter().filter(|s| s.0 == pc).fold(0, |l, s| l | s.1);
        let unaligned = if learned & hint::SOFT_FP != 0 { hint::UNALIGNED } else { 0 };
        learned | unaligned | (self.1 as u8 * hint::TAGGED)
    }
}

/// A copy of the buffer, at the buffer's address as far as the block can tell.
pub(super) struct Buffer {
    pub base: u64,
    pub bytes: Vec<u8>,
}

impl Buffer {
    fn at(&self, addr: u64, log2: u8, write: bool) -> Result<usize, MemFault> {
        let n = addr.wrapping_sub(self.base);
        if n.saturating_add(1 << log2) > BUF as u64 {
            return Err(MemFault { addr, write });
        }
        Ok(n as usize)
    }
}

impl Memory for Buffer {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let n = self.at(addr, log2, false)?;
        let mut b = [0; 16];
        b[..1 << log2].copy_from_slice(&self.bytes[n..n + (1 << log2)]);
        Ok(u128::from_le_bytes(b))
    }
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        let n = self.at(addr, log2, true)?;
        self.bytes[n..n + (1 << log2)].copy_from_slice(&v.to_le_bytes()[..1 << log2]);
        Ok(())
    }
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        let old = self.load(addr, log2)?;
        if old == expected {
            self.store(addr, log2, new)?;
        }
        Ok(old)
    }
}

pub(super) fn lift(words: &[u32], mode: Mode, soft: &[(u64, u8)]) -> Block {
    let mut b = Block::default();
    b.clear(PC, mode);
    (GUEST.lift)(&mut b, &Words(words), &Soft(soft, words[0] & 1 != 0), Limits { insns: words.len() as u32, side_exits: 8 });
    b
}

/// A 64-bit lane image with a liking for FP corners.
pub(super) fn fp_number(r: &mut Rng) -> u64 {
    const S: [u32; 16] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0001,
        0xffc1_2345,
        0x7f80_0001,
        1,
        0x007f_ffff,
        0x7f7f_ffff,
        0x4f00_0000,
        0x3f00_0000,
        0x4000_0000,
        0xcf80_0000,
    ];
    const D: [u64; 12] = [
        0,
        1 << 63,
        0x3ff0_0000_0000_0000,
        0xbff8_0000_0000_0000,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
        0x7ff8_0000_0000_0007,
        0x7ff0_0000_0000_0001,
        1,
        0x7fef_ffff_ffff_ffff,
        0x43e0_0000_0000_0000,
        0x41ef_ffff_fff0_0000,
    ];
    match r.below(8) {
        0 => r.number(),
        1 => r.next(),
        2 | 3 => r.pick(&S) as u64 | (r.pick(&S) as u64) << 32,
        4 | 5 => r.pick(&D),
        6 => ((r.next() as u32 as i32 as f32 / 4096.0).to_bits() as u64) | ((r.next() as u16 as f32).to_bits() as u64) << 32,
        _ => (r.next() as i32 as f64 / 1024.0).to_bits(),
    }
}

fn words(r: &mut Rng, rows: &[&'static jit::guest::arm64::decode::Row]) -> Vec<u32> {
    (0..1 + r.below(6))
        .map(|_| {
            let row = r.pick(rows);
            let mut fill = r.next() as u32;
            // Few registers, so that instructions meet; pinned and unpinned ones.
            for at in [0, 5, 16] {
                if r.below(4) != 0 {
                    let n = r.pick(&[0u32, 1, 2, 9, 10, 20, 30]);
                    fill = fill & !(31 << at) | n << at;
                }
            }
            if r.below(2) == 0 {
                fill = fill & !(31 << 5) | 20 << 5;
            }
            fill & !row.mask | row.value
        })
        .collect()
}

pub(super) fn seed_state(cpu: &mut Cpu, r: &mut Rng, buf: u64) {
    for n in 0..32 {
        cpu.gpr[n] = r.number();
        cpu.vec[n] = fp_number(r) as u128 | (fp_number(r) as u128) << 64;
    }
    cpu.gpr[9] = r.below(64) as u64;
    cpu.gpr[20] = buf + 2048;
    cpu.gpr[31] = buf + 1024;
    cpu.gpr[1] = buf + 512;
    cpu.fpcr = (r.below(4) as u32) << 22;
    if r.below(8) == 0 {
        cpu.fpcr |= (r.below(4) as u32) << 24;
    }
    cpu.guest_fpctl = fpctl(GUEST.fp, cpu.fpcr, (GUEST.fp_round)(cpu.fpcr));
}

pub(super) fn copy_state(to: &mut Cpu, from: &Cpu) {
    to.gpr = from.gpr;
    to.vec = from.vec;
    to.fpcr = from.fpcr;
    to.fpsr = from.fpsr;
    to.qc = from.qc;
    to.guest_fpctl = from.guest_fpctl;
    (to.excl_addr, to.excl_size, to.excl_value) = (from.excl_addr, from.excl_size, from.excl_value);
}

pub(super) fn differences(got: &Cpu, want: &Cpu, nzcv: u8) -> String {
    let mut s = String::new();
    for n in 0..40 {
        if got.gpr[n] != want.gpr[n] {
            s += &format!("x{n}: {:x}, not {:x}\n", got.gpr[n], want.gpr[n]);
        }
    }
    for n in 0..32 {
        if got.vec[n] != want.vec[n] {
            s += &format!("v{n}: {:032x}, not {:032x}\n", got.vec[n], want.vec[n]);
        }
    }
    if nzcv_from_rest(got.flags) != nzcv {
        s += &format!("nzcv: {:x}, not {nzcv:x}\n", nzcv_from_rest(got.flags));
    }
    s
}

/// Whether anything from the guest instruction at `pc` on could read the flags that were there before it. (If not they may be stale at a fault.)
pub(super) fn flags_matter(b: &Block, pc: u64) -> bool {
    let first = b.insts.partition_point(|i| b.pc_of(i) < pc);
    for i in b.insts.iter().skip(first) {
        let reads = |a: &Value| a.is_some() && b.ty(*a) == Type::Flags && (a.index() < first || b.def(*a).op == Op::Get);
        if i.args.iter().any(reads) || i.op.fx() & fx::EXIT != 0 {
            return true;
        }
        if i.op == Op::Set && i.reg() == GuestReg::FLAGS {
            return false;
        }
    }
    true
}

struct Trial<'a> {
    m: &'a mut Machine,
    words: Vec<u32>,
    start: Box<Cpu>,
    nzcv: u8,
    bytes: Vec<u8>,
}

impl Trial<'_> {
    fn interpret(&self, b: &Block, base: u64) -> (Box<Cpu>, u8, interp::Exit, Vec<u8>) {
        let mut cpu = Cpu::new();
        copy_state(&mut cpu, &self.start);
        let mut mem = Buffer { base, bytes: self.bytes.clone() };
        let mut i = Interp::default();
        i.nzcv = self.nzcv;
        let exit = i.run(b, &mut cpu, &mut mem);
        (cpu, i.nzcv, exit, mem.bytes)
    }

    fn fail(&self, b: &Block, cpu: &Cpu, why: String) -> ! {
        for (n, w) in self.words.iter().enumerate() {
            println!("{:x}: {w:08x} {}", PC + 4 * n as u64, disassemble(*w));
        }
        println!("{}\n{}", text::print(b, GUEST.reg_name), self.m.dump());
        for n in [0, 1, 2, 9, 10, 20, 30] {
            println!("v{n} = {:032x}  x{n} = {:x}", self.start.vec[n], self.start.gpr[n]);
        }
        println!("fpcr {:x} pc {:x}", self.start.fpcr, cpu.pc);
        panic!("{why}");
    }

    /// Emit and run until no more FP traps; compare.
    fn run(&mut self, buf: &mut [u8]) -> bool {
        self.run_learned(buf, vec![])
    }

    /// The same where something has been learned before.
    fn run_learned(&mut self, buf: &mut [u8], mut soft: Vec<(u64, u8)>) -> bool {
        let base = buf.as_ptr() as u64;
        let mode = (GUEST.fp_mode)(self.start.fpcr);
        loop {
            let b = lift(&self.words, mode, &soft);
            let (want, nzcv, exit, bytes) = self.interpret(&b, base);
            if matches!(exit, interp::Exit::Fault(..)) || b.insts.iter().any(|i| matches!(i.op, Op::Counter)) {
                return false;
            }
            let mut cpu = Cpu::new();
            copy_state(&mut cpu, &self.start);
            cpu.flags = rest_from_nzcv(self.nzcv);
            buf.copy_from_slice(&self.bytes);
            let link = self.m.run(&mut b.clone(), &mut cpu);
            if cpu.exit_kind == ExitKind::Fault as u32 {
                // The state must be that before the instruction.
                let at = ((cpu.pc - PC) / 4) as usize;
                // A misaligned pair: the interpreter doesn't mind.
                let pair = |i: &Inst| i.op == Op::AtomicCasp || (matches!(i.op, Op::LoadEx | Op::StoreEx) && i.aux & 7 == 4);
                if cpu.exit_arg == libc::SIGSEGV as u64 && b.insts.iter().any(pair) {
                    return false;
                }
                // Nor does it mind misaligned atomics on an arm64 host without FEAT_LSE2.
                let atomic = |i: &Inst| (Op::LoadEx as u16..=Op::AtomicCasp as u16).contains(&(i.op as u16));
                if cpu.exit_arg == libc::SIGBUS as u64 && soft.iter().any(|s| s.0 == cpu.pc) && b.insts.iter().any(atomic) {
                    return false;
                }
                let learned = match cpu.exit_imm as u8 {
                    0 => hint::SOFT_FP,
                    learned => learned,
                };
                if soft.contains(&(cpu.pc, learned)) || !matches!(cpu.exit_arg as i32, libc::SIGFPE | libc::SIGBUS) {
                    self.fail(&b, &cpu, format!("signal {}", cpu.exit_arg));
                }
                soft.push((cpu.pc, learned));
                if at > 0 {
                    let before = lift(&self.words[..at], mode, &[]);
                    let (want, mut nzcv, ..) = self.interpret(&before, base);
                    if !flags_matter(&b, cpu.pc) {
                        nzcv = nzcv_from_rest(cpu.flags);
                    }
                    let d = differences(&cpu, &want, nzcv);
                    if !d.is_empty() {
                        self.fail(&b, &cpu, format!("at the trap:\n{d}"));
                    }
                }
                continue;
            }
            let mut d = differences(&cpu, &want, nzcv);
            if buf != bytes.as_slice() {
                d += "memory differs\n";
            }
            let pc = match cpu.exit_kind {
                k if k == ExitKind::Link as u32 => link,
                k if k == ExitKind::Trap as u32 => None,
                _ => Some(cpu.pc),
            };
            if pc != exit.pc() {
                d += &format!("exit {pc:x?}, not {exit:x?}\n");
            }
            let (a, w) = (fpsr(&cpu), fpsr(&want));
            if (a ^ w) & FPSR_COMPARED != 0 {
                d += &format!("fpsr {a:x}, not {w:x}\n");
            }
            if !d.is_empty() {
                self.fail(&b, &cpu, d);
            }
            return true;
        }
    }
}

/// The buffer that memory operands lie in.
#[repr(align(16))]
pub(super) struct Aligned(pub [u8; BUF]);

pub(super) fn aligned() -> Box<Aligned> {
    Box::new(Aligned([0; BUF]))
}

/// Run `words` from a random state; whether there was something to compare.
pub(super) fn trial(m: &mut Machine, r: &mut Rng, words: Vec<u32>, buf: &mut [u8]) -> bool {
    let mut start = Cpu::new();
    seed_state(&mut start, r, buf.as_ptr() as u64);
    let bytes = (0..BUF / 8).flat_map(|_| fp_number(r).to_le_bytes()).collect();
    Trial { m, words, start, nzcv: r.below(16) as u8, bytes }.run(buf)
}

/// Run `words` from a state; whether there was something to compare.
pub(super) fn trial_from(m: &mut Machine, words: Vec<u32>, start: Box<Cpu>, nzcv: u8, buf: &mut [u8]) -> bool {
    let bytes = buf.to_vec();
    Trial { m, words, start, nzcv, bytes }.run(buf)
}

/// The same for one word, which has met before what only exact floating point knows.
pub(super) fn trial_learned(m: &mut Machine, word: u32, start: Box<Cpu>, nzcv: u8, buf: &mut [u8]) -> bool {
    let (words, bytes) = (vec![word], buf.to_vec());
    Trial { m, words, start, nzcv, bytes }.run_learned(buf, vec![(PC, hint::SOFT_FP)])
}

fn sweep(features: Features, seed: u64, rounds: usize, pick: impl Fn(&str) -> bool) {
    catch_faults();
    let mut m = Machine::new(features);
    let mut buf = aligned();
    let rows: Vec<_> = ROWS.iter().filter(|r| pick(r.name)).collect();
    let mut compared = 0;
    for n in 0..rounds {
        let r = &mut Rng(seed.wrapping_mul(0x1_0001) + n as u64);
        let words = words(r, &rows);
        compared += trial(&mut m, r, words, &mut buf.0) as usize;
    }
    println!("{compared} of {rounds} compared");
    assert!(compared > rounds / 4);
}

#[test]
fn random_instructions() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4000);
    let first: u64 = std::env::var("SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    // A part of the table for a closer look.
    let only = std::env::var("ONLY").unwrap_or_default();
    for (n, f) in feature_sets().into_iter().enumerate() {
        sweep(f, first + n as u64, rounds, |name| only.split(',').any(|p| name.starts_with(p)));
    }
}

/// Sequences that are translated as a whole, or that lean on EFLAGS from one instruction to the next.
#[test]
fn sequences() {
    const SEQUENCES: &[&[u32]] = &[
        // mov v2, v0; sha256h q0, q1, v9; sha256h2 q1, q2, v9.
        &[0x4ea0_1c02, 0x5e09_4020, 0x5e09_5041],
        // The same in registers without pins, and with the halves exchanged.
        &[0x4eb4_1e9e, 0x5e16_42b4, 0x5e16_53d5],
        &[0x4ea1_1c22, 0x5e00_5121, 0x5e00_4049],
        // mul x2, x0, x9; umulh x30, x0, x9; adds x10, x2, x10; adcs x1, x30, x1; mul x2, x0, x20; umulh x30, x1, x20;
        // adcs x9, x2, x9; str x9, [x20]; adcs x0, x0, xzr; adc x2, xzr, xzr; ldp x9, x10, [x20].
        &[
            0x9b09_7c02,
            0x9bc9_7c1e,
            0xab0a_004a,
            0xba01_03c1,
            0x9b14_7c02,
            0x9bd4_7c3e,
            0xba09_0049,
            0xf900_0289,
            0xba1f_0000,
            0x9a1f_03e2,
            0xa940_2a89,
        ],
        // adcs x21, x8, x15; extr x16, x17, x16, #63; sub x27, x27, #32; adcs x22, x9, x16; extr x0, x1, x22, #7; lsr x1, x21, #3;
        // asr w2, w9, #5; sub x23, x22, x27; sub w24, w22, w23; adcs x23, x23, x1; ldr x6, [x20]; extr w6, w7, w8, #30;
        // adc w7, w6, w9; adc x9, x6, xzr; cset x8, cs.
        &[
            0xba0f_0115,
            0x93d0_fe30,
            0xd100_837b,
            0xba10_0136,
            0x93d6_1c20,
            0xd343_fea1,
            0x1305_7d22,
            0xcb1b_02d7,
            0x4b17_02d8,
            0xba01_02f7,
            0xf940_0286,
            0x1388_78e6,
            0x1a09_00c7,
            0x9a1f_00c9,
            0x9a9f_37e8,
        ],
    ];
    catch_faults();
    let mut buf = aligned();
    for f in feature_sets() {
        let mut m = Machine::new(f);
        for (n, s) in SEQUENCES.iter().enumerate() {
            for k in 0..100 {
                let r = &mut Rng((n * 1000 + k) as u64);
                assert!(trial(&mut m, r, s.to_vec(), &mut buf.0));
            }
        }
    }
}
