//! A thread in translated code, which doesn't poll, leaves when it is asked to: each kind of loop, interrupted at random places many times.
//! A missed request hangs, which the watchdog ends.

#[allow(dead_code)]
#[path = "common/context.rs"]
mod context;

use jit::code::{region, Engine, Options};
use jit::cpu::Cpu;
use jit::guest::{arm64::GUEST, Fetch};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

const AT: u64 = 0x5_0000_0000;

/// Loops without end: name, words.
const LOOPS: &[(&str, &[u32])] = &[
    // b .
    ("branch to itself", &[0x14000000]),
    // add x0, x0, #1; tbz x0, #3, +8; add x1, x1, #1; cbnz x0, -12; b -16
    ("conditional branches", &[0x91000400, 0x36180040, 0x91000421, 0xb5ffffa0, 0x17fffffc]),
    // adr x1, .; br x1
    ("indirect branch", &[0x10000001, 0xd61f0020]),
    // adr x1, .; br x1; with another block between: adr x2, +8; br x2; adr x1, -8; br x1
    ("two indirect branches", &[0x10000042, 0xd61f0040, 0x10ffffc1, 0xd61f0020]),
    // bl +8; b -4; ret
    ("call and return", &[0x94000002, 0x17ffffff, 0xd65f03c0]),
    // adr x1, +16; blr x1; blr x1; b -8; ret
    ("indirect calls", &[0x10000081, 0xd63f0020, 0xd63f0020, 0x17fffffe, 0xd65f03c0]),
    // adr x30, .; ret
    ("returns without calls", &[0x1000001e, 0xd65f03c0]),
    // bl .: calls without returns, so that the return stack overflows
    ("calls without returns", &[0x94000000]),
    // bl +8; b -4; sub sp.. recursion: f: cbz x0, +20; sub x0, x0, #1; mov x2, x30 (lost: returns miss); bl f; mov x30, x2; ret
    (
        "lost returns",
        &[0xd2800060, 0x94000002, 0x17fffffe, 0xb40000a0, 0xd1000400, 0xaa1e03e2, 0x97fffffd, 0xaa0203fe, 0xd65f03c0],
    ),
    // crc32x w0, w0, x1 (by a helper); b -4
    ("helper", &[0x9ac14c00, 0x17ffffff]),
    // fadd d0, d0, d0; fdiv d1, d2, d3; b -8 (0/0: the exact software path)
    ("software floating point", &[0x1e602800, 0x1e631841, 0x17fffffe]),
];

struct Words(&'static [u32]);

impl Fetch for Words {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get(pc.checked_sub(AT)? as usize / 4).copied()
    }
}

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(null_mut());
static CPU: AtomicPtr<Cpu> = AtomicPtr::new(null_mut());
static RUNNER: AtomicUsize = AtomicUsize::new(0);
static WANTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    use jit::code::FaultAction;
    // SAFETY: the kernel passes both, valid until we return; engine and CPU are alive while a loop runs.
    unsafe {
        let uc = &mut *uc.cast::<libc::ucontext_t>();
        let (engine, cpu) = (&*ENGINE.load(Acquire), CPU.load(Acquire));
        if signal == libc::SIGUSR1 {
            (*cpu).pending.store(1, Release);
            if let Some((pc, sp)) = engine.interrupt(cpu, context::pc(uc), context::sp(uc)) {
                context::set_pc(uc, pc);
                context::set_sp(uc, sp);
            }
            return;
        }
        let host = context::context(uc);
        match engine.fault(&mut *cpu, &host, signal, (*info).si_addr() as u64) {
            FaultAction::Resume(to) => context::set_pc(uc, to),
            FaultAction::Rewind(sp) => context::set_sp(uc, sp),
            _ => std::process::abort(),
        }
    }
}

fn install(signal: i32) {
    // SAFETY: the handler has the type that SA_SIGINFO asks for.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        act.sa_sigaction = on_signal as *const () as usize;
        act.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&mut act.sa_mask);
        assert_eq!(libc::sigaction(signal, &act, null_mut()), 0);
    }
}

/// Ask the runner to leave, whenever it says that it runs.
fn kick() {
    let mut n = 0u64;
    loop {
        while !WANTED.swap(false, Acquire) {
            std::thread::yield_now();
        }
        n = n.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let until = Instant::now() + Duration::from_nanos(n >> 49);
        while Instant::now() < until {}
        // SAFETY: the runner waits for it.
        unsafe { libc::pthread_kill(RUNNER.load(Acquire) as libc::pthread_t, libc::SIGUSR1) };
    }
}

#[test]
fn every_loop_ends_when_asked() {
    const ROUNDS: usize = 300;
    let engine = Engine::new(&GUEST, Options::default()).expect("an engine");
    let mut cpu = engine.new_cpu(None);
    ENGINE.store((&raw const engine).cast_mut(), Release);
    CPU.store(&mut *cpu, Release);
    let (at, size) = region::signal_stack(&cpu);
    let stack = libc::stack_t { ss_sp: at as *mut libc::c_void, ss_flags: 0, ss_size: size };
    let mut old = libc::stack_t { ss_sp: null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the memory outlives the test's use of it. The watchdog kills the process.
    unsafe {
        libc::sigaltstack(&stack, &mut old);
        RUNNER.store(libc::pthread_self() as usize, Release);
        libc::alarm(120);
    }
    for signal in [libc::SIGUSR1, libc::SIGSEGV, libc::SIGFPE] {
        install(signal);
    }
    std::thread::spawn(kick);
    for (name, words) in LOOPS {
        engine.invalidate(AT, 4096);
        cpu.pc = AT;
        for round in 0..ROUNDS {
            WANTED.store(true, Release);
            while cpu.pending.load(Acquire) == 0 {
                let exit = engine.run(&mut cpu, &Words(words));
                assert_eq!(exit, jit::code::Exit::Pending, "{name}, round {round}");
            }
            cpu.pending.store(0, Release);
            assert!((AT..AT + 4 * words.len() as u64).contains(&cpu.pc), "{name}: {:#x}", cpu.pc);
        }
    }
    // SAFETY: as above.
    unsafe {
        libc::alarm(0);
        libc::sigaltstack(&old, null_mut());
    }
    engine.drop_cpu(cpu);
}
