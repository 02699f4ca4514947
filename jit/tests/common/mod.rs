//! Single A64 instructions on random states: executed under QEMU user mode, and lifted and evaluated by this crate.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod fp_values;

use jit::guest::arm64::features::{Set, AES, ALL, ASIMD, CRC32, FP, FPHP, PMULL, SHA1, SHA2};
use jit::guest::arm64::{decode, regs, GUEST};
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::eval::{eval, int, Env};
use jit::ir::verify::verify_lifted;
use jit::ir::{Block, GuestReg, Mode, Op, Type};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The registers that an instruction without memory access can see.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct State {
    /// In bits 31..28.
    pub nzcv: u32,
    pub fpcr: u32,
    pub fpsr: u32,
    pub x: [u64; 31],
    pub v: [u128; 32],
}

/// Bytes of a state in the file that `oracle.c` works on.
const RECORD: usize = 784;

impl State {
    fn write(&self, insn: u32, out: &mut Vec<u8>) {
        for w in [insn, self.nzcv, self.fpcr, self.fpsr] {
            out.extend(w.to_le_bytes());
        }
        self.x.iter().chain(&[0]).for_each(|x| out.extend(x.to_le_bytes()));
        self.v.iter().for_each(|v| out.extend(v.to_le_bytes()));
    }

    fn read(record: &[u8]) -> (u32, State) {
        let word = |n: usize| u32::from_le_bytes(record[4 * n..4 * n + 4].try_into().unwrap());
        let x = |n: usize| u64::from_le_bytes(record[16 + 8 * n..24 + 8 * n].try_into().unwrap());
        let v = |n: usize| u128::from_le_bytes(record[272 + 16 * n..288 + 16 * n].try_into().unwrap());
        let state = State { nzcv: word(1), fpcr: word(2), fpsr: word(3), x: std::array::from_fn(x), v: std::array::from_fn(v) };
        (word(0), state)
    }

    /// What differs in `other`, one register per line.
    pub fn diff(&self, other: &State) -> String {
        let mut s = String::new();
        let mut line = |name: String, a: u128, b: u128| {
            if a != b {
                s += &format!("    {name}: {a:#034x} here, {b:#034x} in QEMU\n");
            }
        };
        line("nzcv".into(), self.nzcv as u128, other.nzcv as u128);
        line("fpcr".into(), self.fpcr as u128, other.fpcr as u128);
        line("fpsr".into(), self.fpsr as u128, other.fpsr as u128);
        (0..31).for_each(|n| line(format!("x{n}"), self.x[n] as u128, other.x[n] as u128));
        (0..32).for_each(|n| line(format!("v{n}"), self.v[n], other.v[n]));
        s
    }
}

/// A line on stderr that the test runner does not swallow when the test passes.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The program of `oracle.c` under QEMU.
pub struct Oracle {
    qemu: String,
    /// Its major version.
    pub version: u32,
    cpu: &'static str,
    /// Features that this CPU has not.
    hidden: Set,
    dir: PathBuf,
}

impl Oracle {
    /// Build it, with everything that QEMU has but what is not translated; `None` (and a word on stderr) where QEMU or the cross
    /// compiler is missing. `name` keeps concurrent tests apart.
    pub fn new(name: &str) -> Option<Oracle> {
        Oracle::with_cpu(name, "max,pauth=off,sve=off,sme=off", Set::default())
    }

    /// The same for Armv8.0 with the cryptographic extension: what is newer must be undefined.
    pub fn old(name: &str) -> Option<Oracle> {
        let there = [FP, ASIMD, AES, PMULL, SHA1, SHA2, CRC32].into_iter().fold(Set::default(), Set::with);
        Oracle::with_cpu(name, "cortex-a57", ALL.without(there))
    }

    fn with_cpu(name: &str, cpu: &'static str, hidden: Set) -> Option<Oracle> {
        let here = |program: &String| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
        let named = std::env::var("QEMU_AARCH64").ok();
        let usual = ["qemu-aarch64-static", "qemu-aarch64"].map(String::from);
        let Some(qemu) = named.into_iter().chain(usual).find(here) else {
            say("SKIPPED: no qemu-aarch64-static or qemu-aarch64 in PATH (Debian: qemu-user-static)");
            return None;
        };
        let gcc = "aarch64-linux-gnu-gcc";
        if !here(&gcc.into()) {
            say(&format!("SKIPPED: no {gcc} in PATH (Debian: gcc-aarch64-linux-gnu)"));
            return None;
        }
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/oracle.c");
        let made = Command::new(gcc).args(["-O1", "-static", "-o"]).arg(dir.join("oracle")).arg(source).status();
        assert!(made.expect("run the compiler").success(), "oracle.c must compile");
        let version = Command::new(&qemu).arg("--version").output().expect("run QEMU").stdout;
        let version = String::from_utf8_lossy(&version).into_owned();
        let version = version.split_once("version ").and_then(|(_, v)| v.split('.').next()?.parse().ok()).unwrap_or(0);
        Some(Oracle { qemu, version, cpu, hidden, dir })
    }

    /// The bits of FPCR that this CPU has.
    pub fn fpcr_bits(&self) -> u32 {
        if self.hidden.has(FPHP) {
            !regs::fpcr::FZ16
        } else {
            !0
        }
    }

    /// The states after each instruction alone, or the signal that it raised.
    pub fn run(&self, cases: &[(u32, State)]) -> Vec<Result<State, u32>> {
        let file = self.dir.join("cases");
        let mut bytes = Vec::with_capacity(cases.len() * RECORD);
        cases.iter().for_each(|(insn, s)| s.write(*insn, &mut bytes));
        std::fs::write(&file, &bytes).expect("write the cases");
        // What the CPU doesn't have must be undefined here, too.
        let ran = Command::new(&self.qemu).args(["-cpu", self.cpu]).arg(self.dir.join("oracle")).arg(&file).status();
        assert!(ran.expect("run QEMU").success(), "the oracle failed");
        let bytes = std::fs::read(&file).expect("read the results");
        assert_eq!(bytes.len(), cases.len() * RECORD);
        let result = |r: &[u8]| match State::read(r) {
            (0, s) => Ok(s),
            (signal, _) => Err(signal),
        };
        bytes.chunks_exact(RECORD).map(result).collect()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Only rubbish would remain.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

struct OneWord(u32, Set);

impl Fetch for OneWord {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        (pc == 0).then_some(self.0)
    }
}

impl Hints for OneWord {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
    fn hidden(&self) -> u64 {
        self.1 .0
    }
}

/// Lift one instruction where `hidden` are not there.
pub fn lift(insn: u32, hidden: Set) -> Block {
    let word = OneWord(insn, hidden);
    let mut b = Block::default();
    b.clear(0, Mode::default());
    (GUEST.lift)(&mut b, &word, &word, Limits { insns: 1, side_exits: 0 });
    b
}

/// The state after a block of register moves, constants and evaluated operations; `None` when it traps. Flags are NZCV in bits 3..0.
pub fn execute(b: &Block, before: &State) -> Option<State> {
    let mut s = before.clone();
    let mut env = Env { fpcr: s.fpcr, ..Env::default() };
    let mut values = vec![0u128; b.insts.len()];
    for (n, i) in b.insts.iter().enumerate() {
        let args = i.args.map(|v| if v.is_some() { values[v.index()] } else { 0 });
        match i.op {
            Op::Jump => (),
            Op::Trap => return None,
            op if int::covers(op) => values[n] = int::eval(i, args.map(|a| a as u64), 64) as u128,
            Op::Get if i.ty == Type::Flags => values[n] = (s.nzcv >> 28) as u128,
            Op::Get => values[n] = get(&s, i.reg()) & (u128::MAX >> (128 - i.ty.bits())),
            Op::Set => set(&mut s, i.reg(), args[0]),
            Op::VSelect => values[n] = args[if i.cond().holds(args[0] as u8) { 1 } else { 2 }],
            _ => {
                let bits = if i.args[0].is_some() { b.ty(i.args[0]).bits() } else { 0 };
                values[n] = eval(i, args, bits, &mut env);
            }
        }
    }
    s.fpsr |= env.fpsr | (env.qc as u32) << 27;
    Some(s)
}

fn get(s: &State, r: GuestReg) -> u128 {
    match r.0 {
        n @ 0..=30 => s.x[n as usize] as u128,
        n @ 64..=95 => s.v[n as usize - 64],
        _ => panic!("no test state for {}", (GUEST.reg_name)(r)),
    }
}

fn set(s: &mut State, r: GuestReg, v: u128) {
    match r.0 {
        n @ 0..=30 => s.x[n as usize] = v as u64,
        n @ 64..=95 => s.v[n as usize - 64] = v,
        _ if r == regs::NZCV => s.nzcv = (v as u32) << 28,
        _ => panic!("no test state for {}", (GUEST.reg_name)(r)),
    }
}

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A word of the row, registers equal more often than chance makes them.
    pub fn insn(&mut self, row: &decode::Row) -> u32 {
        let mut w = self.next() as u32;
        if self.one_in(4) {
            let (rd, rn, rm) = (w & 31, w >> 5 & 31, w >> 16 & 31);
            let (rd, rn, rm) = self.pick(&[(rn, rn, rm), (rm, rn, rm), (rd, rm, rm), (rm, rm, rm)]);
            w = w & !(31 << 16 | 0x3ff) | rm << 16 | rn << 5 | rd;
        }
        w & !row.mask | row.value
    }

    /// A vector of lanes of one size, in one of several styles: random, around the ends of the ranges, small.
    pub fn vector(&mut self) -> u128 {
        let bits = 8u32 << self.below(4);
        let style = self.below(4);
        (0..128 / bits).fold(0, |r, n| {
            let x = match style {
                0 => self.next(),
                1 => self.below(80).wrapping_sub(8),
                2 => self.pick(&[0, u64::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1]),
                _ => self.pick(&[0, 1 << (bits - 1), 1 << (bits / 2), u64::MAX]).wrapping_add(self.below(5)).wrapping_sub(2),
            };
            r | ((x & (u64::MAX >> (64 - bits))) as u128) << (n * bits)
        })
    }

    /// Random registers; FPCR zero, FPSR clear or (rarely) with everything set.
    pub fn state(&mut self) -> State {
        State {
            nzcv: (self.next() as u32) & 0xf000_0000,
            fpcr: 0,
            fpsr: if self.one_in(16) { 0x0800_009f } else { 0 },
            x: std::array::from_fn(|_| self.vector() as u64),
            v: std::array::from_fn(|_| self.vector()),
        }
    }
}

impl Oracle {
    /// Compare one instruction's outcome; `Err` describes a difference.
    pub fn compare(&self, insn: u32, before: &State, qemu: &Result<State, u32>) -> Result<(), String> {
        compare(insn, self.hidden, before, qemu)
    }
}

fn compare(insn: u32, hidden: Set, before: &State, qemu: &Result<State, u32>) -> Result<(), String> {
    const SIGILL: u32 = 4;
    let block = lift(insn, hidden);
    verify_lifted(&block).map_err(|e| format!("{insn:08x}: invalid IR: {e}\n"))?;
    let what = match (execute(&block, before), qemu) {
        (Some(here), Ok(there)) if here == *there => return Ok(()),
        (None, Err(SIGILL)) => return Ok(()),
        (Some(here), Ok(there)) => here.diff(there),
        (None, Ok(_)) => "    undefined here, not in QEMU\n".into(),
        (Some(_), Err(signal)) => format!("    signal {signal} in QEMU\n"),
        (None, Err(signal)) => format!("    undefined here, signal {signal} in QEMU\n"),
    };
    let mut s = format!("{insn:08x}\n{what}");
    for i in &block.insts {
        s += &format!("      {i:?}\n");
    }
    for n in [insn & 31, insn >> 5 & 31, insn >> 16 & 31] {
        s += &format!("      before: v{n} = {:#034x}\n", before.v[n as usize]);
    }
    Err(s)
}
