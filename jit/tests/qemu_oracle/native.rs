//! The translator's side: the same code at the same addresses in this process, on the real engine, faults included.

use crate::case::*;
use crate::interp::Slot;
use jit::code::{Engine, Exit, FaultAction, HostContext, Options};
use jit::cpu::Cpu;
use jit::guest::arm64::GUEST;
use jit::host::{self, Features};
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once};
use std::time::Duration;

/// Reported instead of a signal when translated code does not come back.
pub const HANG: u64 = 99;

/// Reported instead of a signal when the translator panics.
pub const PANIC: u64 = 98;

/// What the signal handler needs to know: this is set while cases run, by one thread at a time.
static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(null_mut());
static CPU: AtomicPtr<Cpu> = AtomicPtr::new(null_mut());
static CASE: AtomicPtr<Case> = AtomicPtr::new(null_mut());
/// The signal that ended a block.
static SIGNAL: AtomicU64 = AtomicU64::new(0);
/// The address that it reported.
static ADDRESS: AtomicU64 = AtomicU64::new(0);
/// Counts cases, for the watchdog.
static PROGRESS: AtomicU64 = AtomicU64::new(0);
/// The thread that runs cases.
static RUNNER: AtomicUsize = AtomicUsize::new(0);
static HUNG: AtomicBool = AtomicBool::new(false);
static ALONE: Mutex<()> = Mutex::new(());

/// A way to run cases: its name, the host's features, and what else is special.
#[derive(Clone, Copy)]
pub struct Set(pub &'static str, Features, Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    /// Registers are allocated at random, in a code cache that is always full.
    Disorder,
    /// Only what can't be interpreted is translated.
    Interpreted,
}

/// The sets of host features to try, all of the CPU's first; of those whose name is in `ORACLE_SETS` if that is set.
pub fn feature_sets() -> Vec<Set> {
    let only = std::env::var("ORACLE_SETS").unwrap_or_default();
    let mut sets = every_feature_set();
    if !only.is_empty() {
        sets.retain(|s| only.split(',').any(|o| o == s.0));
        assert!(!sets.is_empty(), "feature sets are {:?}", every_feature_set().iter().map(|s| s.0).collect::<Vec<_>>());
    }
    sets
}

fn every_feature_set() -> Vec<Set> {
    let all = host::detect();
    let sse =
        Features { avx: false, avx2: false, fma: false, f16c: false, bmi: false, gfni: false, avx512: false, vnni: false, ..all };
    vec![
        Set("all", all, Kind::Usual),
        Set("no avx", sse, Kind::Usual),
        Set("no bmi", Features { bmi: false, lzcnt: false, ..all }, Kind::Usual),
        Set(
            "avx2",
            Features { avx512: false, gfni: false, vnni: std::arch::is_x86_feature_detected!("avxvnni"), ..all },
            Kind::Usual,
        ),
        Set(
            "avx",
            Features { avx2: false, fma: false, f16c: false, bmi: false, gfni: false, avx512: false, vnni: false, ..all },
            Kind::Usual,
        ),
        Set("no fma", Features { fma: false, avx512: false, vnni: false, ..all }, Kind::Usual),
        Set("no crypto", Features { aes: false, pclmul: false, sha: false, gfni: false, ..all }, Kind::Usual),
        Set("interpreted", all, Kind::Interpreted),
        Set("disorder", all, Kind::Disorder),
        Set("baseline disorder", Features::BASELINE, Kind::Disorder),
        Set("baseline", Features::BASELINE, Kind::Usual),
    ]
}

fn map(at: u64, len: u64, prot: i32) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping where nothing was.
    let p = unsafe { libc::mmap(at as *mut libc::c_void, len as usize, prot, flags, -1, 0) };
    assert_eq!(p as u64, at, "{}", std::io::Error::last_os_error());
}

fn prepare() {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    map(CODE, CODE_BYTES, rw);
    map(WINDOW - GUARD, GUARD, libc::PROT_NONE);
    map(WINDOW, PAGE, rw);
    map(WINDOW + PAGE, GUARD, libc::PROT_NONE);
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
        // SAFETY: the handler has the type that SA_SIGINFO asks for.
        unsafe {
            let mut act: libc::sigaction = std::mem::zeroed();
            act.sa_sigaction = on_fault as *const () as usize;
            act.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &act, null_mut());
        }
    }
    // SAFETY: as above.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        act.sa_sigaction = on_hang as *const () as usize;
        act.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGUSR1, &act, null_mut());
    }
    std::thread::spawn(watch);
}

/// Make code that has not come back for some seconds come back.
fn watch() {
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_secs(8));
        let now = PROGRESS.load(Relaxed);
        let cpu = CPU.load(Acquire);
        if now == before && !cpu.is_null() {
            HUNG.store(true, Relaxed);
            // SAFETY: the thread that runs the cases lives as long as the process.
            unsafe { libc::pthread_kill(RUNNER.load(Relaxed) as libc::pthread_t, libc::SIGUSR1) };
        }
        before = now;
    }
}

/// Ask the interrupted thread to leave translated code.
extern "C" fn on_hang(_: i32, _: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes it, valid until we return; engine and CPU are alive while a case runs.
    unsafe {
        let gregs = &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let (pc, sp) = (gregs[libc::REG_RIP as usize] as u64, gregs[libc::REG_RSP as usize] as u64);
        let (engine, cpu) = (ENGINE.load(Acquire), CPU.load(Acquire));
        if cpu.is_null() {
            return;
        }
        (*cpu).pending.store(1, Release);
        if let Some((pc, sp)) = (*engine).interrupt(cpu, pc, sp) {
            gregs[libc::REG_RIP as usize] = pc as i64;
            gregs[libc::REG_RSP as usize] = sp as i64;
        }
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes both, valid until we return.
    let (info, uc) = unsafe { (&*info, &mut *uc.cast::<libc::ucontext_t>()) };
    let (engine, cpu) = (ENGINE.load(Acquire), CPU.load(Acquire));
    let host = host_context(uc);
    let action = match engine.is_null() || cpu.is_null() {
        true => FaultAction::NotTranslated,
        // SAFETY: both are alive while a case runs, and nobody uses the CPU before translated code is left.
        false => unsafe { (*engine).fault(&mut *cpu, &host, signal, info.si_addr() as u64) },
    };
    // SAFETY: a fault's.
    ADDRESS.store(unsafe { info.si_addr() } as u64, Relaxed);
    uc.uc_mcontext.gregs[libc::REG_RIP as usize] = match action {
        FaultAction::Resume(to) => to as i64,
        FaultAction::Guest(to) => {
            SIGNAL.store(signal as u64, Relaxed);
            to as i64
        }
        // Alignment is checked before the mapping: to the interpreter it is a bad address like others.
        FaultAction::Misaligned(to, at) => {
            ADDRESS.store(at, Relaxed);
            SIGNAL.store(SIGSEGV, Relaxed);
            to as i64
        }
        other => die(signal, other, &host),
    };
}

/// A fault that is nobody's: tell which case it was and end.
fn die(signal: i32, action: FaultAction, host: &HostContext) -> ! {
    let case = CASE.load(Acquire);
    // SAFETY: set to a case that outlives its run.
    let case = unsafe { case.as_ref() }.map(|c| (c.names(), c.code, c.state.fpcr));
    let text = format!("host signal {signal} at {:#x}: {action:?}; case {case:x?}\n", host.pc);
    // SAFETY: the text is valid for the call.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(101)
    }
}

fn host_context(uc: &libc::ucontext_t) -> HostContext {
    use libc::*;
    const ORDER: [i32; 16] = [
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
        REG_R13, REG_R14, REG_R15,
    ];
    let gregs = &uc.uc_mcontext.gregs;
    // SAFETY: the kernel saves the FP state of every 64-bit program and points to it.
    let (vec, fpctl) = unsafe { (host::frame_vectors(host::frame_state(uc)), host::frame_mxcsr(host::frame_state(uc))) };
    HostContext {
        gpr: ORDER.map(|r| gregs[r as usize] as u64),
        vec,
        pc: gregs[REG_RIP as usize] as u64,
        flags: gregs[REG_EFL as usize] as u64,
        fpctl,
    }
}

/// Engines, one for each set of features, and the right to run them.
pub struct Native {
    pub sets: Vec<Set>,
    engines: Vec<(Engine, Box<Cpu>)>,
    _stack: Vec<u128>,
    _alone: MutexGuard<'static, ()>,
}

impl Native {
    pub fn new() -> Native {
        static ONCE: Once = Once::new();
        let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        ONCE.call_once(prepare);
        let mut stack = vec![0u128; 1 << 16];
        let alt = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() * 16 };
        // SAFETY: the buffer lives as long as the engines whose code needs it.
        unsafe { libc::sigaltstack(&alt, null_mut()) };
        let sets = feature_sets();
        let engines = sets.iter().map(|s| new_engine(*s, false)).collect();
        Native { sets, engines, _stack: stack, _alone: alone }
    }

    /// Other code comes to where the cases were.
    pub fn next_batch(&mut self) {
        self.engines.iter().for_each(|(e, _)| e.invalidate(CODE, CODE_BYTES));
    }

    /// Run a case on engine `set`.
    pub fn run(&mut self, set: usize, case: &Case, edges: &Edges) -> Outcome {
        let (engine, cpu) = &mut self.engines[set];
        attempt(engine, cpu, case, edges).unwrap_or_else(|| {
            // Its lock is held for ever: leave it behind.
            std::mem::forget(std::mem::replace(&mut self.engines[set], new_engine(self.sets[set], false)));
            Outcome { signal: PANIC, state: case.state.clone(), edges: *edges, address: 0 }
        })
    }

    /// Forget the translation of a case that will change.
    pub fn forget(&mut self, set: usize, case: &Case) {
        self.engines[set].0.invalidate(case.state.pc, SLOT_BYTES);
    }

    /// Run a case on a fresh engine that shows IR and code of what it translates.
    pub fn show(&mut self, set: usize, case: &Case, edges: &Edges) {
        let (engine, mut cpu) = new_engine(self.sets[set], true);
        match attempt(&engine, &mut cpu, case, edges) {
            Some(_) => engine.drop_cpu(cpu),
            None => std::mem::forget((engine, cpu)),
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        ENGINE.store(null_mut(), Release);
        CPU.store(null_mut(), Release);
        let off = libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: nothing runs on it.
        unsafe { libc::sigaltstack(&off, null_mut()) };
        self.engines.drain(..).for_each(|(e, cpu)| e.drop_cpu(cpu));
    }
}

fn new_engine(set: Set, dump: bool) -> (Engine, Box<Cpu>) {
    let Set(_, features, kind) = set;
    let disorder = kind == Kind::Disorder;
    let cache_bytes = if disorder { 1 } else { 32 << 20 };
    let options = Options {
        dump_ir: dump,
        dump_asm: dump,
        cache_bytes,
        features: Some(features),
        hidden: 0,
        verify: false,
        disorder: disorder as u64 * 0x9e37_79b9_7f4a_7c15,
        cold: if kind == Kind::Interpreted { u32::MAX } else { 0 },
        ..Options::default()
    };
    let engine = Engine::new(&GUEST, options).expect("code memory");
    let cpu = engine.new_cpu(None);
    (engine, cpu)
}

fn write_edges(edges: &Edges) {
    // SAFETY: the window is mapped and nobody holds a reference to it.
    unsafe {
        ptr::copy_nonoverlapping(edges.as_ptr(), WINDOW as *mut u8, EDGE);
        ptr::copy_nonoverlapping(edges[EDGE..].as_ptr(), (WINDOW + PAGE - EDGE as u64) as *mut u8, EDGE);
    }
}

fn read_edges() -> Edges {
    let mut edges = [0; 2 * EDGE];
    // SAFETY: as above.
    unsafe {
        ptr::copy_nonoverlapping(WINDOW as *const u8, edges.as_mut_ptr(), EDGE);
        ptr::copy_nonoverlapping((WINDOW + PAGE - EDGE as u64) as *const u8, edges[EDGE..].as_mut_ptr(), EDGE);
    }
    edges
}

/// `None` when the translator panics.
fn attempt(engine: &Engine, cpu: &mut Cpu, case: &Case, edges: &Edges) -> Option<Outcome> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(engine, cpu, case, edges))).ok()
}

fn run(engine: &Engine, cpu: &mut Cpu, case: &Case, edges: &Edges) -> Outcome {
    let s = &case.state;
    write_edges(edges);
    // SAFETY: the case's slot is mapped; only guest code reads it.
    unsafe { ptr::copy_nonoverlapping(case.code.as_ptr(), s.pc as *mut u32, WORDS) };
    cpu.gpr[..31].copy_from_slice(&s.x);
    cpu.gpr[31] = s.sp;
    cpu.vec = s.v;
    cpu.pc = s.pc;
    cpu.excl_size = 0;
    engine.set_nzcv(cpu, s.nzcv as u8);
    engine.set_fpcr(cpu, s.fpcr);
    engine.set_fpsr(cpu, s.fpsr);
    CASE.store(ptr::from_ref(case).cast_mut(), Release);
    ENGINE.store(ptr::from_ref(engine).cast_mut(), Release);
    CPU.store(cpu, Release);
    // SAFETY: always succeeds.
    RUNNER.store(unsafe { libc::pthread_self() } as usize, Relaxed);
    PROGRESS.fetch_add(1, Relaxed);
    let fetch = Slot(s.pc, case.code);
    let signal = loop {
        match engine.run(cpu, &fetch) {
            Exit::Undefined(_) => break SIGILL,
            Exit::Breakpoint(_) => break SIGTRAP,
            Exit::FetchFault => break SIGSEGV,
            Exit::PcAlign => break SIGBUS,
            Exit::Fault => break SIGNAL.load(Relaxed),
            other @ (Exit::Syscall | Exit::Exception(..)) => panic!("{other:?}"),
            Exit::Pending => {
                cpu.pending.store(0, Relaxed);
                if HUNG.swap(false, Relaxed) {
                    break HANG;
                }
            }
        }
    };
    // A long wait for the next case is no hang.
    CPU.store(null_mut(), Release);
    HUNG.store(false, Relaxed);
    cpu.pending.store(0, Relaxed);
    let mut state = State { pc: cpu.pc, sp: cpu.gpr[31], nzcv: engine.nzcv(cpu) as u64, ..State::default() };
    state.x.copy_from_slice(&cpu.gpr[..31]);
    state.v = cpu.vec;
    state.fpcr = cpu.fpcr;
    state.fpsr = engine.fpsr(cpu);
    Outcome { signal, state, edges: read_edges(), address: ADDRESS.load(Relaxed) }
}
