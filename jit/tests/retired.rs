//! A thread is stopped anywhere while the code cache is replaced and the old one unmapped: what it runs, returns to or remembers must be there when
//! it goes on. A thread that came back from the runtime once noted an epoch that had ended in the moment before, and returned to code that was no
//! longer mapped.

use jit::code::{region, Engine, Exit, Options};
use jit::cpu::Cpu;
use jit::guest::{arm64::GUEST, Fetch};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

const AT: u64 = 0x5_0000_0000;
/// bl +8; b -4; mov x29, x30; bl +12; mov x30, x29; ret; svc #0; ret: returns to code from before the call into the runtime.
const CALLS: [u32; 8] = [0x9400_0002, 0x17ff_ffff, 0xaa1e_03fd, 0x9400_0003, 0xaa1d_03fe, 0xd65f_03c0, 0xd400_0001, 0xd65f_03c0];
/// What fills the cache: blocks of this many words, each ended by a system call.
const FILLING: u64 = AT + 0x1_0000;
const WORDS: u64 = 64;
const BLOCKS: u64 = 4096;
const SVC: u32 = 0xd400_0001;
/// tbx v0.16b, {v1.16b-v4.16b}, v5.16b, which takes much code
const TBX: u32 = 0x4e05_7020;

struct Code;

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let n = pc.wrapping_sub(FILLING) / 4;
        if n < WORDS * BLOCKS {
            return Some(if n % WORDS == WORDS - 1 { SVC } else { TBX });
        }
        CALLS.get(pc.checked_sub(AT)? as usize / 4).copied()
    }
}

/// So often the runner is stopped if there is time, which a busy machine takes long for.
const ROUNDS: u32 = 4000;
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(20);

/// How often the runner was stopped, and was let go.
static STOPPED: AtomicU32 = AtomicU32::new(0);
static RELEASED: AtomicU32 = AtomicU32::new(0);
/// The runner's thread, once it runs.
static RUNNER: AtomicUsize = AtomicUsize::new(0);
static CALLS_MADE: AtomicU64 = AtomicU64::new(0);
static ENOUGH: AtomicBool = AtomicBool::new(false);

/// Stay here until released, but not for ever: the runner may hold the engine's lock.
extern "C" fn stop(_: i32) {
    let n = STOPPED.fetch_add(1, SeqCst) + 1;
    let last = Instant::now() + Duration::from_millis(20);
    while RELEASED.load(SeqCst) < n && Instant::now() < last {
        std::thread::yield_now();
    }
}

/// Wait, with the processor left to others now and then.
fn wait(until: impl Fn() -> bool) {
    let mut n = 0u32;
    while !until() {
        n += 1;
        match n % 256 {
            0 => std::thread::yield_now(),
            _ => std::hint::spin_loop(),
        }
    }
}

/// Call, make a system call, return; over and over, until nobody sends signals any more.
fn run(engine: &Engine, cpu: &mut Cpu) {
    cpu.pc = AT;
    for n in 1.. {
        assert_eq!(engine.run(cpu, &Code), Exit::Syscall);
        assert_eq!(cpu.pc, AT + 28);
        CALLS_MADE.store(n, Relaxed);
        if ENOUGH.load(SeqCst) {
            return;
        }
    }
}

/// Translate until the cache has been replaced, and once more, which unmaps the old one.
fn replace(engine: &Engine, cpu: &mut Cpu, block: &mut u64) {
    let mut before = 0;
    loop {
        let n = engine.translations();
        *block = (*block + 1) % BLOCKS;
        cpu.pc = FILLING + *block * WORDS * 4;
        assert_eq!(engine.run(cpu, &Code), Exit::Syscall);
        if n < before {
            return;
        }
        before = n;
    }
}

#[test]
fn what_a_thread_returns_to_is_there() {
    let engine = Engine::new(&GUEST, Options { cache_bytes: 1, ..Options::default() }).expect("an engine");
    let start = Instant::now();
    // SAFETY: the handler has the type that a plain one has. The watchdog kills the process.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        act.sa_sigaction = stop as *const () as usize;
        act.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &act, null_mut()), 0);
        libc::alarm(120);
    }
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut cpu = engine.new_cpu(None);
            let (at, size) = region::signal_stack(&cpu);
            let stack = libc::stack_t { ss_sp: at as *mut libc::c_void, ss_flags: 0, ss_size: size };
            let mut old = libc::stack_t { ss_sp: null_mut(), ss_flags: 0, ss_size: 0 };
            // SAFETY: the memory is the CPU's, and not used after its end.
            unsafe { libc::sigaltstack(&stack, &mut old) };
            // SAFETY: asks for the own id.
            RUNNER.store(unsafe { libc::pthread_self() } as usize, SeqCst);
            run(&engine, &mut cpu);
            // SAFETY: as it was; nobody sends signals any more.
            unsafe { libc::sigaltstack(&old, null_mut()) };
            engine.drop_cpu(cpu);
        });
        wait(|| RUNNER.load(SeqCst) != 0);
        let mut cpu = engine.new_cpu(None);
        let (mut block, mut rounds) = (0, 0);
        while start.elapsed() < LEAST || rounds < ROUNDS && start.elapsed() < MOST {
            rounds += 1;
            let calls = CALLS_MADE.load(Relaxed);
            // SAFETY: the runner runs until it is told to stop.
            unsafe { libc::pthread_kill(RUNNER.load(SeqCst) as libc::pthread_t, libc::SIGUSR1) };
            wait(|| STOPPED.load(SeqCst) == rounds);
            replace(&engine, &mut cpu, &mut block);
            RELEASED.store(rounds, SeqCst);
            wait(|| CALLS_MADE.load(Relaxed) > calls + 2);
        }
        ENOUGH.store(true, SeqCst);
        engine.drop_cpu(cpu);
    });
    // SAFETY: as above.
    unsafe { libc::alarm(0) };
}
