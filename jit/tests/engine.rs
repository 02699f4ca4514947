//! The engine against the interpreter, instruction by instruction, on code that changes: links between blocks, the jump caches of several CPUs,
//! blocks on two pages, modes of FP, and a cache that is often full. What is stale anywhere shows in the registers.
//!
//! `ENGINE_ROUNDS` (default 3000), `ENGINE_SEED`.

#[allow(dead_code)]
#[path = "common/context.rs"]
mod context;

#[allow(dead_code)]
#[path = "common/random.rs"]
mod random;

use jit::code::{Engine, Exit, Options, Stats};
use jit::cpu::Cpu;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::interp::{self, Interp};
use jit::ir::{Block, Trap};
use random::{Nothing, Random};
use std::cell::RefCell;

/// The code lies across the ends of two pages.
const BASE: u64 = 0x40_0fa0;
const WORDS: usize = 1200;
/// Branches lead to multiples of this, and code begins there.
const STEP: usize = 12;
/// Before a return, fuel is counted, too.
const RETURN_FUEL: usize = STEP - 3;
const RETURN_CHECK: usize = STEP - 2;
const BRK: u32 = 0xd420_0000;
/// Counted down at every place where code begins, so that everything ends.
const FUEL: usize = 28;
/// Registers with addresses in the code, and with values for FPCR.
const TARGETS: std::ops::Range<u32> = 10..18;
const MODES: [u32; 3] = [20, 21, 22];

/// The guest's code, which changes while the engine is not running.
struct Program(RefCell<Vec<u32>>);

impl Fetch for Program {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.borrow().get((pc.wrapping_sub(BASE) / 4) as usize).copied()
    }
}

impl Hints for Program {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// A word for place `n` of the code.
fn word(r: &mut Random, n: usize) -> u32 {
    match n % STEP {
        // subs x28, x28, #1; b.le to the end
        0 | RETURN_FUEL => return 0xf100_079c,
        1 | RETURN_CHECK => return 0x5400_000d | ((WORDS - 1 - n) as u32) << 5,
        _ => {}
    }
    let (d, a, b) = (r.below(8) as u32, r.below(8) as u32, r.below(8) as u32);
    let to = (r.below(WORDS / STEP) * STEP) as i32 - n as i32;
    let (to19, to14) = ((to as u32 & 0x7_ffff) << 5, (to.clamp(-0x2000, 0x1fff) as u32 & 0x3fff) << 5);
    let target = TARGETS.start + r.below(TARGETS.len()) as u32;
    match if n % STEP == RETURN_CHECK + 1 && r.below(2) == 0 { 15 } else { r.below(21) } {
        // add, eor, sub, adds, movz, csel
        0..=2 => 0x9100_0000 | (r.below(4096) as u32) << 10 | a << 5 | d,
        3 => 0xca00_0000 | b << 16 | a << 5 | d,
        4 => 0xcb00_0000 | b << 16 | a << 5 | d,
        5 => 0xab00_0000 | b << 16 | a << 5 | d,
        6 => 0xd280_0000 | (r.below(65536) as u32) << 5 | d,
        7 => 0x9a80_0000 | b << 16 | (r.below(14) as u32) << 12 | a << 5 | d,
        // b, bl, b.cond, cbz, tbnz
        8 => 0x1400_0000 | to as u32 & 0x3ff_ffff,
        9 => 0x9400_0000 | to as u32 & 0x3ff_ffff,
        10 => 0x5400_0000 | to19 | r.below(14) as u32,
        11 => 0xb400_0000 | to19 | a,
        12 => 0x3700_0000 | to14 | (r.below(32) as u32) << 19 | a,
        // br, blr, ret
        13 => 0xd61f_0000 | target << 5,
        14 => 0xd63f_0000 | target << 5,
        // Only where no loop can come by without fuel.
        15 if n % STEP == RETURN_CHECK + 1 => 0xd65f_03c0,
        // msr fpcr
        16 => 0xd51b_4400 | MODES[r.below(3)],
        // fadd, fmul of doubles; fmov x, d
        17 => 0x1e60_2800 | b << 16 | a << 5 | d,
        18 => 0x1e60_0800 | b << 16 | a << 5 | d,
        19 => 0x9e66_0000 | a << 5 | d,
        // mrs fpsr: what was raised, whoever executed it
        _ => 0xd53b_4420 | d,
    }
}

/// Registers to begin with.
fn start(r: &mut Random, cpu: &mut Cpu) {
    for n in 0..8 {
        cpu.gpr[n] = if r.below(2) == 0 { r.next() } else { r.below(100) as u64 };
        // Tiny numbers, so that flushing and rounding show; some that aren't numbers.
        let bits = [r.next() >> 12, r.next() >> 12 | 1 << 52, 0x3ff0 << 48 | r.next() >> 12, 0x7ff0 << 48 | r.next() >> 13];
        cpu.vec[n] = bits[r.below(4)] as u128;
    }
    for n in TARGETS {
        cpu.gpr[n as usize] = BASE + 4 * (r.below(WORDS / STEP) * STEP) as u64;
    }
    (cpu.gpr[20], cpu.gpr[21], cpu.gpr[22]) = (0, 1 << 24, 1 << 22);
    cpu.gpr[30] = BASE;
    cpu.gpr[FUEL] = 1 + r.below(200) as u64;
    cpu.pc = BASE + 4 * (r.below(WORDS / STEP) * STEP) as u64;
}

/// Run by single instructions up to the BRK at the end.
fn interpret(program: &Program, cpu: &mut Cpu, interp: &mut Interp, block: &mut Block) {
    loop {
        block.clear(cpu.pc, (GUEST.fp_mode)(cpu.fpcr));
        (GUEST.lift)(block, program, program, Limits { insns: 1, side_exits: 0 });
        match interp.run(block, cpu, &mut Nothing) {
            interp::Exit::Trap(Trap::SetFpcr, v, _) => {
                cpu.fpcr = v as u32 & GUEST.fpcr_mask;
                cpu.pc = block.end;
            }
            interp::Exit::Trap(Trap::Breakpoint, ..) => return,
            exit => cpu.pc = exit.pc().expect("code of branches and arithmetic"),
        }
    }
}

/// FP traps of translated code: the engine's to deal with.
mod traps {
    use super::*;
    use jit::code::FaultAction;
    use std::sync::atomic::{AtomicPtr, Ordering::*};

    pub static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(std::ptr::null_mut());
    pub static CPU: AtomicPtr<Cpu> = AtomicPtr::new(std::ptr::null_mut());

    extern "C" fn on_fpe(number: i32, _: *mut libc::siginfo_t, uc: *mut libc::c_void) {
        // SAFETY: the kernel's context; engine and CPU are set while translated code runs, and their owner waits for us.
        unsafe {
            let uc = &mut *uc.cast::<libc::ucontext_t>();
            let host = context::context(uc);
            // The second time as for another thread that was in the same translation: it is void by then, and the fault nothing of the guest's.
            for _ in 0..2 {
                match (*ENGINE.load(Acquire)).fault(&mut *CPU.load(Acquire), &host, number, 1) {
                    FaultAction::Resume(to) => context::set_pc(uc, to),
                    _ => libc::_exit(99),
                }
            }
        }
    }

    pub fn catch() {
        // SAFETY: a handler that only touches its own context and what is set while code runs.
        unsafe {
            let mut a: libc::sigaction = std::mem::zeroed();
            a.sa_sigaction = on_fpe as *const () as usize;
            a.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGFPE, &a, std::ptr::null_mut());
        }
    }
}

fn translate(engine: &Engine, program: &Program, cpu: &mut Cpu) {
    use std::sync::atomic::Ordering::*;
    traps::ENGINE.store(std::ptr::from_ref(engine).cast_mut(), Release);
    traps::CPU.store(cpu, Release);
    loop {
        match engine.run(cpu, program) {
            Exit::Breakpoint(_) => return,
            Exit::Pending => cpu.pending.store(0, Relaxed),
            other => panic!("{other:?} at {:x}", cpu.pc),
        }
    }
}

fn differences(got: &Cpu, want: &Cpu, nzcv: u8, engine: &Engine) -> String {
    let mut d = String::new();
    for n in (0..32).filter(|n| got.gpr[*n] != want.gpr[*n]) {
        d += &format!("x{n}: {:x}, not {:x}\n", got.gpr[n], want.gpr[n]);
    }
    for n in (0..32).filter(|n| got.vec[*n] != want.vec[*n]) {
        d += &format!("v{n}: {:x}, not {:x}\n", got.vec[n], want.vec[n]);
    }
    if (got.pc, got.fpcr, engine.nzcv(got)) != (want.pc, want.fpcr, nzcv) {
        d += &format!("pc {:x} {:x} fpcr {:x} {:x} nzcv {:x} {nzcv:x}\n", got.pc, want.pc, got.fpcr, want.fpcr, engine.nzcv(got));
    }
    d
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Change some words, and say so: exactly, or with what is around them.
fn change(r: &mut Random, engine: &Engine, program: &Program) {
    let n = r.below(WORDS - 1);
    let most = if r.below(8) == 0 { 60 } else { 3 };
    let len = 1 + r.below(most.min(WORDS - 1 - n));
    {
        let mut code = program.0.borrow_mut();
        (n..n + len).for_each(|k| code[k] = word(r, k));
    }
    let around = if r.below(4) == 0 { r.below(300) as u64 & !3 } else { 0 };
    engine.invalidate(BASE + 4 * n as u64 - around, 4 * len as u64 + 2 * around);
}

#[test]
fn changing_code_agrees() {
    agree(Options { cache_bytes: 1, ..Options::default() });
}

/// The same where code is interpreted first, and where it is whenever it can be.
#[test]
fn changing_cold_code_agrees() {
    for (cold, cache_bytes) in [(3, 1), (3, 4 << 20), (u32::MAX, 4 << 20)] {
        let stats = agree(Options { cold, cache_bytes, ..Options::default() });
        assert!(stats.interpreted > number("ENGINE_ROUNDS", 3000), "only {} instructions", stats.interpreted);
        assert!(stats.translations > 100, "only {} translations", stats.translations);
    }
}

/// The same where whatever is reached twice becomes a trace, with a cache that is full sometimes, and with one that is not.
#[test]
fn changing_traces_agree() {
    agree(Options { cache_bytes: 1, hot: 1, ..Options::default() });
    for cold in [0, 2] {
        let traces = agree(Options { cache_bytes: 4 << 20, hot: 1, cold, ..Options::default() }).traces;
        assert!(traces > number("ENGINE_ROUNDS", 3000) / 4, "only {traces} traces");
    }
}

/// What there was.
fn agree(options: Options) -> Stats {
    // There is one handler of signals, for one engine.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock();
    traps::catch();
    let mut r = Random(number("ENGINE_SEED", 1));
    let mut code: Vec<u32> = (0..WORDS).map(|n| word(&mut r, n)).collect();
    code[WORDS - 1] = BRK;
    let program = Program(RefCell::new(code));
    // The least that it takes: a few hundred rounds fill it.
    let engine = Engine::new(&GUEST, Options { verify: true, ..options }).expect("code memory");
    let mut cpus: Vec<_> = (0..3).map(|_| engine.new_cpu(None)).collect();
    let (mut reference, mut interp, mut block) = (Cpu::new(), Interp::default(), Block::default());
    for round in 0..number("ENGINE_ROUNDS", 3000) {
        if round == number("ENGINE_ROUNDS", 3000) / 2 {
            engine.share_memory();
        }
        let which = r.below(cpus.len());
        let cpu = &mut cpus[which];
        start(&mut r, cpu);
        let nzcv = r.below(16) as u8;
        engine.set_nzcv(cpu, nzcv);
        engine.set_fpsr(cpu, 0);
        (reference.gpr, reference.vec, reference.pc, reference.fpcr) = (cpu.gpr, cpu.vec, cpu.pc, cpu.fpcr);
        (reference.fpsr, reference.qc) = (0, 0);
        interp.nzcv = nzcv;
        interpret(&program, &mut reference, &mut interp, &mut block);
        translate(&engine, &program, cpu);
        let d = differences(cpu, &reference, interp.nzcv, &engine);
        assert!(d.is_empty(), "round {round}, CPU {which}:\n{d}");
        for _ in 0..r.below(4) {
            change(&mut r, &engine, &program);
        }
    }
    cpus.into_iter().for_each(|cpu| engine.drop_cpu(cpu));
    engine.stats()
}

/// Code that is only ever interpreted is left when a signal waits, as translated code is.
#[test]
fn interpreted_code_can_be_left() {
    // b .
    let program = Program(RefCell::new(vec![0x1400_0000]));
    let engine = Engine::new(&GUEST, Options { cold: u32::MAX, ..Options::default() }).expect("code memory");
    let mut cpu = engine.new_cpu(None);
    let pending = cpu.pending.as_ptr() as usize;
    let other = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        // SAFETY: the CPU lives until this thread has been waited for.
        unsafe { &*(pending as *const std::sync::atomic::AtomicU32) }.store(1, std::sync::atomic::Ordering::Release);
    });
    // Who never comes back is noticed.
    // SAFETY: plain call; the default action ends the process.
    unsafe { libc::alarm(60) };
    cpu.pc = BASE;
    assert_eq!(engine.run(&mut cpu, &program), Exit::Pending);
    // SAFETY: as above.
    unsafe { libc::alarm(0) };
    assert_eq!(cpu.pc, BASE);
    assert!(engine.stats().interpreted > 0 && engine.translations() == 0);
    other.join().expect("the other thread");
    engine.drop_cpu(cpu);
}

/// Two places of the first table's size apart share an entry there, and what was noted last has it. A branch that is taken often to the other one would
/// look in the second table for ever after, as most branches of `ruby` and `node` did; it comes back into the first.
#[test]
fn what_is_branched_to_often_is_in_the_first_table() {
    use jit::cpu::{JUMP_CACHE_ENTRIES, JUMP_CACHE_SHIFT};
    /// br x1; and again by x2 (add x1, x1, x3; subs x0, x0, #1; b.ne to the start; brk), which every other word leads to.
    struct Calls;
    const LOOP: [u32; 5] = [0xd61f_0020, 0x8b03_0021, 0xf100_0400, 0x54ff_ffa1, BRK];
    const BACK: u32 = 0xd61f_0040;
    impl Fetch for Calls {
        fn fetch32(&self, pc: u64) -> Option<u32> {
            Some(LOOP.get((pc.wrapping_sub(BASE) / 4) as usize).copied().unwrap_or(BACK))
        }
    }
    const APART: u64 = (JUMP_CACHE_ENTRIES << JUMP_CACHE_SHIFT) as u64;
    const MANY: u64 = 100_000;
    const FIRST: u64 = BASE + 0x1000;
    let engine = Engine::new(&GUEST, Options { stats: true, ..Options::default() }).expect("code memory");
    let mut cpu = engine.new_cpu(None);
    let mut branch = |to, step, times| {
        (cpu.pc, cpu.gpr[0], cpu.gpr[1], cpu.gpr[2], cpu.gpr[3]) = (BASE, times, to, BASE + 4, step);
        assert_eq!(engine.run(&mut cpu, &Calls), Exit::Breakpoint(0));
        engine.stats().table_misses
    };
    // A process of this many places has a second table.
    assert!(branch(FIRST, 1 << JUMP_CACHE_SHIFT, 2100) >= 2100);
    let before = branch(FIRST + APART, 0, 1);
    let misses = branch(FIRST, 0, MANY) - before;
    assert!((2..100).contains(&misses), "{misses} misses of the first table in {MANY} branches");
    engine.drop_cpu(cpu);
}

/// What was translated while one thread had the memory alone, when pairs of registers were two accesses, isn't used once others see it.
#[test]
fn nothing_from_before_memory_was_shared_is_used() {
    // bl +8; brk #0; ldp x0, x1, [x2]; ret
    let program = Program(RefCell::new(vec![0x9400_0002, BRK, 0xa940_0440, 0xd65f_03c0]));
    let engine = Engine::new(&GUEST, Options::default()).expect("code memory");
    let mut cpu = engine.new_cpu(None);
    let pair = [1u64, 2];
    let mut translations = || {
        (cpu.pc, cpu.gpr[0], cpu.gpr[1], cpu.gpr[2]) = (BASE, 0, 0, pair.as_ptr() as u64);
        assert_eq!(engine.run(&mut cpu, &program), Exit::Breakpoint(0));
        assert_eq!(cpu.gpr[..2], pair);
        engine.translations()
    };
    let first = translations();
    assert_eq!(translations(), first);
    engine.share_memory();
    let second = translations();
    assert!(second >= 2 * first, "{first} and {second} translations");
    engine.share_memory();
    assert_eq!(translations(), second);
    engine.drop_cpu(cpu);
}
