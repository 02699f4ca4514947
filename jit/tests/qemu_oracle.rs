//! Random instructions from the decode tables, run by the IR interpreter and by QEMU's user mode: registers, flags,
//! memory and faults must agree.
//!
//! Needs `qemu-aarch64-static` and `aarch64-linux-gnu-gcc`; without them there is nothing to compare with and the test says so.
//! Environment: `ORACLE_ROWS` (substring of row names), `ORACLE_CASES` (per row), `ORACLE_SEED`.

use jit::cpu::Cpu;
use jit::guest::arm64::decode::{find, Row, ROWS};
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::interp::{Exit, Interp, MemFault, Memory};
use jit::ir::{text, verify, Block, Trap};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const CODE: u64 = 0x2000_0000;
const WINDOW: u64 = 0x3000_0000;
const WINDOW_BYTES: usize = 4096;
const WORDS: usize = 4;
const SLOT_BYTES: u64 = 4 * WORDS as u64;
const BRK: u32 = 0xd420_0000;
const CLREX: u32 = 0xd503_3f5f;
/// What every CPU lets one write: more are kept by some.
const FPCR_BITS: u32 = 0x07c0_0000;
const BATCH: usize = 4096;
const FPSR_BITS: u32 = 0x0800_009f;

const SIGILL: u64 = 4;
const SIGTRAP: u64 = 5;
const SIGBUS: u64 = 7;
const SIGSEGV: u64 = 11;

/// Rows whose result rightly differs between machines, or that would take the runner itself down.
const EXCLUDED: &[&str] =
    &["SVC", "BRK", "MRS_CTR", "MRS_CNTFRQ", "MRS_CNTVCT", "MRS_id", "MRS_TPIDR", "MSR_TPIDR", "MRS_TPIDRRO"];

/// Whether the machine demands alignment: exclusives, ordered accesses, atomics.
fn wants_alignment(word: u32) -> bool {
    word & 0x3f00_0000 == 0x0800_0000 || word & 0x3f20_0c00 == 0x3820_0000
}

/// Rows with an offset from the pc in words: the field's mask and position.
const PC_RELATIVE: &[(&str, u32, u32)] = &[
    ("B", 0x3ff_ffff, 0),
    ("BL", 0x3ff_ffff, 0),
    ("B_cond", 0x7_ffff, 5),
    ("CBZ", 0x7_ffff, 5),
    ("CBNZ", 0x7_ffff, 5),
    ("TBZ", 0x3fff, 5),
    ("TBNZ", 0x3fff, 5),
    ("LDR_lit", 0x7_ffff, 5),
    ("LDRSW_lit", 0x7_ffff, 5),
    ("LDR_fp_lit", 0x7_ffff, 5),
];

#[derive(Clone, PartialEq, Default)]
struct State {
    x: [u64; 31],
    sp: u64,
    pc: u64,
    nzcv: u64,
    fpcr: u32,
    fpsr: u32,
    v: [u128; 32],
}

#[derive(Clone)]
struct Case {
    row: &'static Row,
    code: [u32; WORDS],
    state: State,
}

#[derive(Clone, PartialEq)]
struct Outcome {
    signal: u64,
    state: State,
    window: Vec<u8>,
}

// --- wire format ---------------------------------------------------------------------------------

impl State {
    fn put(&self, out: &mut Vec<u8>) {
        for v in self.x.iter().chain([&self.sp, &self.pc, &self.nzcv]) {
            out.extend(v.to_le_bytes());
        }
        out.extend(self.fpcr.to_le_bytes());
        out.extend(self.fpsr.to_le_bytes());
        out.resize(out.len().next_multiple_of(16), 0);
        for v in self.v {
            out.extend(v.to_le_bytes());
        }
    }

    fn take(bytes: &[u8]) -> State {
        let word = |n: usize| u64::from_le_bytes(bytes[n * 8..n * 8 + 8].try_into().unwrap());
        let mut s = State { sp: word(31), pc: word(32), nzcv: word(33), ..State::default() };
        s.x.iter_mut().enumerate().for_each(|(n, x)| *x = word(n));
        s.fpcr = word(34) as u32;
        s.fpsr = (word(34) >> 32) as u32;
        s.v.iter_mut().enumerate().for_each(|(n, v)| *v = word(36 + 2 * n) as u128 | (word(37 + 2 * n) as u128) << 64);
        s
    }
}

const STATE_BYTES: usize = 36 * 8 + 32 * 16;

fn run_qemu(runner: &std::path::Path, pristine: &[u8], cases: &[Case]) -> Vec<Outcome> {
    let mut input = (cases.len() as u32).to_le_bytes().to_vec();
    input.extend(pristine);
    for c in cases {
        c.code.iter().for_each(|w| input.extend(w.to_le_bytes()));
        let at = input.len();
        let mut state = Vec::new();
        c.state.put(&mut state);
        assert_eq!(state.len(), STATE_BYTES);
        input.extend(state);
        debug_assert_eq!((input.len() - at) % 16, 0);
    }
    let mut child = Command::new("qemu-aarch64-static")
        .args(["-cpu", "neoverse-n1"])
        .arg(runner)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("qemu");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success(), "the runner failed");
    let size = 16 + STATE_BYTES + WINDOW_BYTES;
    assert_eq!(output.len(), size * cases.len());
    let reply = |r: &[u8]| Outcome {
        signal: u64::from_le_bytes(r[..8].try_into().unwrap()),
        state: State::take(&r[16..16 + STATE_BYTES]),
        window: r[16 + STATE_BYTES..].to_vec(),
    };
    output.chunks(size).map(reply).collect()
}

// --- the interpreter's side --------------------------------------------------------------------------

/// The window, and the case's own code for literal loads.
struct Ram<'a> {
    window: Vec<u8>,
    slot: u64,
    code: &'a [u32; WORDS],
    /// The first access.
    first: Option<u64>,
}

impl Ram<'_> {
    fn at(&mut self, addr: u64, log2: u8, write: bool) -> Result<usize, MemFault> {
        self.first.get_or_insert(addr);
        // Top byte ignored.
        let flat = ((addr << 8) as i64 >> 8) as u64;
        let at = flat.wrapping_sub(WINDOW);
        if at <= WINDOW_BYTES as u64 - (1 << log2) {
            return Ok(at as usize);
        }
        Err(MemFault { addr, write })
    }
}

impl Memory for Ram<'_> {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let mut bytes = [0; 16];
        let n = 1usize << log2;
        let in_slot = addr.wrapping_sub(self.slot);
        if in_slot <= SLOT_BYTES - n as u64 {
            self.first.get_or_insert(addr);
            let all: Vec<u8> = self.code.iter().flat_map(|w| w.to_le_bytes()).collect();
            bytes[..n].copy_from_slice(&all[in_slot as usize..in_slot as usize + n]);
        } else {
            let at = self.at(addr, log2, false)?;
            bytes[..n].copy_from_slice(&self.window[at..at + n]);
        }
        Ok(u128::from_le_bytes(bytes))
    }
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        let at = self.at(addr, log2, true)?;
        self.window[at..at + (1 << log2)].copy_from_slice(&v.to_le_bytes()[..1 << log2]);
        Ok(())
    }
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        self.at(addr, log2, true)?;
        let old = self.load(addr, log2)?;
        if old == expected {
            self.store(addr, log2, new)?;
        }
        Ok(old)
    }
}

struct Slot<'a>(u64, &'a [u32; WORDS]);

impl Fetch for Slot<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let at = pc.wrapping_sub(self.0);
        (at < SLOT_BYTES).then(|| self.1[at as usize / 4])
    }
}

struct NoHints;

impl Hints for NoHints {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

struct Run {
    outcome: Outcome,
    first_access: Option<u64>,
    ir: String,
}

fn run_interp(case: &Case, pristine: &[u8]) -> Run {
    let slot = case.state.pc;
    let mut ram = Ram { window: pristine.to_vec(), slot, code: &case.code, first: None };
    let mut cpu = Cpu::new();
    cpu.gpr[..31].copy_from_slice(&case.state.x);
    cpu.gpr[31] = case.state.sp;
    cpu.vec = case.state.v;
    cpu.fpcr = case.state.fpcr;
    cpu.fpsr = case.state.fpsr & 0x9f;
    cpu.qc = (case.state.fpsr >> 27 & 1) as u128;
    let mut interp = Interp::default();
    interp.nzcv = case.state.nzcv as u8;
    let mut ir = String::new();
    let mut block = Block::default();
    let mut pc = slot;
    let mut blocks = 0;
    let signal = loop {
        // A branch to itself.
        blocks += 1;
        if blocks > 8 {
            break 0;
        }
        block.clear(pc, (GUEST.fp_mode)(cpu.fpcr));
        (GUEST.lift)(&mut block, &Slot(slot, &case.code), &NoHints, Limits { insns: WORDS as u32, side_exits: 2 });
        ir += &text::print(&block, GUEST.reg_name);
        verify::verify_lifted(&block).unwrap_or_else(|e| panic!("{}: {e}\n{ir}", case.row.name));
        match interp.run(&block, &mut cpu, &mut ram) {
            Exit::Jump(to) | Exit::Indirect(to) | Exit::Call(to) | Exit::Return(to) => pc = to,
            Exit::Fault(at, _) => {
                pc = at;
                break SIGSEGV;
            }
            Exit::Trap(kind, operand, _) => {
                pc = block.end;
                match kind {
                    Trap::Breakpoint | Trap::Undefined => {
                        pc -= 4;
                        break if kind == Trap::Breakpoint { SIGTRAP } else { SIGILL };
                    }
                    Trap::SetFpcr => cpu.fpcr = operand as u32,
                    Trap::FetchFault => break SIGSEGV,
                    Trap::PcAlign => break SIGBUS,
                    Trap::InvalidateCode => {}
                    Trap::Syscall => panic!("system call"),
                }
            }
        }
    };
    let mut state = State { pc, sp: cpu.gpr[31], nzcv: interp.nzcv as u64, fpcr: cpu.fpcr, v: cpu.vec, ..State::default() };
    state.x.copy_from_slice(&cpu.gpr[..31]);
    state.fpsr = cpu.fpsr | ((cpu.qc != 0) as u32) << 27;
    Run { outcome: Outcome { signal, state, window: ram.window }, first_access: ram.first, ir }
}

// --- cases -------------------------------------------------------------------------------------------

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        let mut word = || {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
        };
        word() << 32 | word()
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn int(&mut self) -> u64 {
        const EDGES: &[u64] = &[
            0,
            1,
            2,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 32,
            u64::MAX,
            1 << 63,
            u64::MAX >> 1,
        ];
        match self.below(8) {
            0..=2 => self.pick(EDGES),
            3 => self.below(256),
            4 => self.below(256).wrapping_neg(),
            _ => self.next(),
        }
    }

    /// A vector: random bits, or floating-point values of one size where the corners are common.
    fn vector(&mut self) -> u128 {
        const F16: &[u64] = &[0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0x7d00, 0x0001, 0x03ff, 0x0400, 0x7bff];
        const F32: &[u64] = &[
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0x7fa0_0001,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0x4b00_0001,
            0x3f00_0000,
            0xcf00_0000,
            0x4f80_0000,
        ];
        const F64: &[u64] = &[
            0,
            1 << 63,
            0x3ff0 << 48,
            0xbff0 << 48,
            0x7ff0 << 48,
            0xfff0 << 48,
            0x7ff8 << 48,
            (0x7ff4 << 48) | 1,
            1,
            (1 << 52) - 1,
            1 << 52,
            0x7fef_ffff_ffff_ffff,
            0x4330_0000_0000_0001,
            0x3fe0 << 48,
            0xc3e0 << 48,
            0x43f0 << 48,
        ];
        let (bits, corners) = self.pick(&[(16, F16), (32, F32), (64, F64), (8, &[0u64, 1, 0x7f, 0x80, 0xff] as &[u64])]);
        let plain = self.chance(30);
        (0..128 / bits).fold(0, |v, _| {
            let lane = if plain || self.chance(40) { self.next() } else { self.pick(corners) };
            // Moderate exponents keep results in range.
            let lane = match bits {
                32 if self.chance(50) => (lane & 0x807f_ffff) | (0x70 + self.below(32)) << 23,
                64 if self.chance(50) => (lane & 0x800f_ffff_ffff_ffff) | (0x3f0 + self.below(64)) << 52,
                _ => lane,
            };
            v << bits | (lane & (u64::MAX >> (64 - bits))) as u128
        })
    }

    fn state(&mut self, pc: u64) -> State {
        let mut s = State { pc, sp: WINDOW + 16 * self.below(256), nzcv: self.below(16), ..State::default() };
        s.x = std::array::from_fn(|_| self.int());
        s.v = std::array::from_fn(|_| self.vector());
        if self.chance(40) {
            s.fpcr = self.next() as u32 & FPCR_BITS;
        }
        if self.chance(20) {
            s.fpsr = self.next() as u32 & FPSR_BITS;
        }
        s
    }
}

fn is(row: &Row, names: &[&str]) -> bool {
    names.contains(&row.name)
}

/// A case for the row in the slot at `pc`, or `None` when the draw would touch what the two sides do not share.
fn draw(row: &'static Row, pc: u64, pristine: &[u8], r: &mut Random) -> Option<Case> {
    let mut word = r.next() as u32 & !row.mask | row.value;
    // Half of the pc-relative ones stay in the slot.
    if let Some(&(_, field, shift)) = PC_RELATIVE.iter().find(|p| p.0 == row.name && r.chance(50)) {
        word = word & !(field << shift) | (1 + r.below(3) as u32) << shift;
    }
    if find(word).map(|f| f.name) != Some(row.name) {
        return None;
    }
    let mut code = [word, BRK, BRK, BRK];
    // A store-exclusive does nothing without its load.
    if row.name.starts_with("STX") || row.name.starts_with("STLX") {
        let pair = row.name.ends_with('P');
        let rt = (word >> 5 & 31) ^ 1;
        let load = if pair { 0x887f_0000 | ((rt ^ 2) << 10) } else { 0x085f_7c00 } | word & 0xc000_03e0 | rt;
        if rt == 31 || rt ^ 2 == 31 {
            return None;
        }
        code = if r.chance(80) { [load, word, BRK, BRK] } else { [load, CLREX, word, BRK] };
    }
    // Which of two loads into one register wins is not defined.
    if row.name.starts_with("LDP") && word & 31 == word >> 10 & 31 {
        return None;
    }
    let mut case = Case { row, code, state: r.state(pc) };
    if row.name.starts_with('B') || row.name == "RET" {
        let target = pc + 4 * r.below(4);
        case.state.x[(word >> 5 & 31).min(30) as usize] = target;
    }
    let run = run_interp(&case, pristine);
    let out_of_reach = |a: u64| a.wrapping_sub(CODE) < BATCH as u64 * SLOT_BYTES + 4096 && a.wrapping_sub(pc) >= SLOT_BYTES;
    if run.outcome.signal == 0 || out_of_reach(run.outcome.state.pc) {
        return None;
    }
    let Some(first) = run.first_access else { return Some(case) };
    let in_slot = first.wrapping_sub(pc) < SLOT_BYTES;
    if in_slot && run.outcome.signal == SIGTRAP {
        return Some(case);
    }
    if in_slot || out_of_reach(first) || out_of_reach(first.wrapping_add(16)) {
        return None;
    }
    aim(&mut case, first, pristine, r);
    Some(case)
}

/// Move the base register so that the first access falls into (or just beside) the window.
fn aim(case: &mut Case, first: u64, pristine: &[u8], r: &mut Random) {
    if r.chance(3) && !wants_alignment(case.code[0]) {
        return;
    }
    let mut at = r.below(WINDOW_BYTES as u64 - 80);
    if wants_alignment(case.code[0]) || r.chance(40) {
        at &= !15;
    } else if r.chance(15) {
        at = WINDOW_BYTES as u64 - r.below(80);
    }
    let delta = (WINDOW + at).wrapping_sub(first);
    let n = (if case.row.name == "DC_ZVA" { case.code[0] } else { case.code[0] >> 5 } & 31) as usize;
    // Registers that hold what the memory holds let comparisons succeed.
    if r.chance(50) && at as usize + 16 <= WINDOW_BYTES {
        let step = if case.code[0] >> 30 == 0 { 4 } else { 8 };
        for (k, x) in case.state.x.iter_mut().enumerate().filter(|(k, _)| *k != n) {
            let from = at as usize + (k & 1) * step;
            *x = u64::from_le_bytes(pristine[from..from + 8].try_into().unwrap());
        }
    }
    let base = if n == 31 { &mut case.state.sp } else { &mut case.state.x[n] };
    *base = base.wrapping_add(delta);
}

fn build_runner() -> Option<std::path::PathBuf> {
    let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle-runner");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/runner.c");
    let built = Command::new("aarch64-linux-gnu-gcc").args(["-O1", "-static", source, "-o"]).arg(&out).status().ok()?;
    Command::new("qemu-aarch64-static").arg("--version").stdout(Stdio::null()).status().ok()?;
    built.success().then_some(out)
}

/// A fault must leave our registers as they were. QEMU and real CPUs may already have written some of several: only
/// the place and kind of the fault are compared with them.
fn differences(case: &Case, ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let mut d = Vec::new();
    let mut cmp = |what: String, a: u128, b: u128| {
        if a != b {
            d.push(format!("{what}: ours {a:#x}, qemu {b:#x}"));
        }
    };
    // Alignment is checked before the mapping.
    let theirs_signal = if theirs.signal == SIGBUS && ours.signal == SIGSEGV { SIGSEGV } else { theirs.signal };
    cmp("signal".into(), ours.signal as u128, theirs_signal as u128);
    let faulted = ours.signal == SIGSEGV && theirs_signal == SIGSEGV && ours.state.pc == case.state.pc;
    let (a, b) = (&ours.state, if faulted { &case.state } else { &theirs.state });
    cmp("pc".into(), a.pc as u128, theirs.state.pc as u128);
    cmp("sp".into(), a.sp as u128, b.sp as u128);
    cmp("nzcv".into(), a.nzcv as u128, b.nzcv as u128);
    cmp("fpcr".into(), (a.fpcr & FPCR_BITS) as u128, (b.fpcr & FPCR_BITS) as u128);
    cmp("fpsr".into(), (a.fpsr & FPSR_BITS) as u128, (b.fpsr & FPSR_BITS) as u128);
    for n in 0..31 {
        cmp(format!("x{n}"), a.x[n] as u128, b.x[n] as u128);
    }
    for n in 0..32 {
        cmp(format!("v{n}"), a.v[n], b.v[n]);
    }
    // What a store that faults half-way has written is not defined.
    if ours.signal == SIGTRAP {
        for (n, (a, b)) in ours.window.iter().zip(&theirs.window).enumerate() {
            cmp(format!("byte {n:#x}"), *a as u128, *b as u128);
        }
    }
    d
}

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn interpreter_agrees_with_qemu() {
    let Some(runner) = build_runner() else {
        eprintln!("skipped: needs qemu-aarch64-static and aarch64-linux-gnu-gcc");
        return;
    };
    let filter = std::env::var("ORACLE_ROWS").unwrap_or_default();
    let per_row = env_number("ORACLE_CASES", 20) as usize;
    let mut r = Random(env_number("ORACLE_SEED", 0x5eed_0001) | 1);
    let pristine: Vec<u8> = (0..WINDOW_BYTES).map(|_| r.next() as u8).collect();
    let mut todo: Vec<&'static Row> = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&filter) && !is(row, EXCLUDED)) {
        todo.extend(std::iter::repeat_n(row, per_row));
    }
    let mut failures: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
    for chunk in todo.chunks(BATCH) {
        let cases: Vec<Case> = chunk
            .iter()
            .enumerate()
            .map(|(n, row)| {
                let pc = CODE + n as u64 * SLOT_BYTES;
                (0..1000).find_map(|_| draw(row, pc, &pristine, &mut r)).unwrap_or_else(|| panic!("{}: no case", row.name))
            })
            .collect();
        for (case, theirs) in cases.iter().zip(run_qemu(&runner, &pristine, &cases)) {
            let run = run_interp(case, &pristine);
            let d = differences(case, &run.outcome, &theirs);
            *ran.entry(case.row.name).or_default() += (run.outcome.signal == SIGTRAP) as usize;
            if !d.is_empty() {
                let s = &case.state;
                let regs: String = s.x.iter().enumerate().map(|(n, x)| format!("x{n}={x:#x} ")).collect();
                failures.entry(case.row.name).or_default().push(format!(
                    "{} {:08x?} nzcv={:x} sp={:#x} fpcr={:x} {regs}\n{}  {}",
                    case.row.name,
                    case.code,
                    s.nzcv,
                    s.sp,
                    s.fpcr,
                    run.ir,
                    d.join("\n  ")
                ));
            }
        }
    }
    for (name, list) in &failures {
        eprintln!("--- {name}: {} of {per_row}\n{}", list.len(), list[0]);
    }
    let idle: Vec<_> = ran.iter().filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect();
    assert!(failures.is_empty(), "{} rows differ: {:?}", failures.len(), failures.keys());
    assert!(idle.is_empty(), "no case ran to its end: {idle:?}");
}
