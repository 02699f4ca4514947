//! Random amd64 instructions: on the real CPU, by the IR interpreter, and translated. Registers, all defined flags, memory, MXCSR, x87 state and
//! faults must agree. `AMD64_SEED`, `AMD64_CASES` (of each kind), `AMD64_FROM` (the first), `AMD64_ONLY` and `AMD64_SKIP`
//! (beginnings of names of instructions), `AMD64_STOP` (differences to show), `AMD64_REPORT` (a directory for how often each was drawn).

#![cfg(target_arch = "x86_64")]

mod case;
mod codes;
#[allow(dead_code)]
#[path = "../common/context.rs"]
mod context;
mod coverage;
mod draw;
mod encode;
mod functions;
mod ours;
mod place;
mod real;
mod rng;
mod vendor;

use case::*;
use codes::Group;
use draw::{result_undefined, transcendental, Source};
use iced_x86::Instruction;
use rng::Rng;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ptr::null_mut;
use std::sync::{Mutex, Once};
use vendor::Vendor;

static ALONE: Mutex<()> = Mutex::new(());

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes both, valid until we return.
    unsafe {
        let uc = &mut *uc.cast::<libc::ucontext_t>();
        if real::on_signal(signal, uc) || ours::on_signal(signal, (*info).si_addr() as u64, uc) {
            return;
        }
        let text = format!("signal {signal} at {:x}, address {:?}\n", uc.uc_mcontext.gregs[16], (*info).si_addr());
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(101)
    }
}

fn map(at: u64, len: usize, prot: i32) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: a fresh mapping where nothing was.
    let p = unsafe { libc::mmap(at as *mut libc::c_void, len, prot, flags, -1, 0) };
    assert_eq!(p as u64, at, "{}", std::io::Error::last_os_error());
}

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        map(CODE, CODE_BYTES, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        map(WINDOW, WINDOW_BYTES, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: just mapped.
        unsafe { std::ptr::write_bytes(CODE as *mut u8, 0xcc, CODE_BYTES) };
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
            // SAFETY: the handler has the type that SA_SIGINFO asks for.
            unsafe {
                let mut act: libc::sigaction = std::mem::zeroed();
                act.sa_sigaction = on_signal as *const () as usize;
                act.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &act, null_mut());
            }
        }
    });
    let stack = Box::leak(vec![0u128; 1 << 15].into_boxed_slice());
    let alt = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() * 16 };
    // SAFETY: it is never freed.
    unsafe { libc::sigaltstack(&alt, null_mut()) };
    real::prepare();
}

fn put_code(case: &Case) {
    // SAFETY: the page is ours, and no guest code runs.
    unsafe { std::ptr::copy_nonoverlapping(case.code.as_ptr(), case.pc as *mut u8, case.code.len()) };
}
fn clear_code(case: &Case) {
    // SAFETY: as above.
    unsafe { std::ptr::write_bytes(case.pc as *mut u8, 0xcc, case.code.len()) };
}
fn put_memory(m: &Memory) {
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(m.as_ptr(), WINDOW as *mut u8, WINDOW_BYTES) };
}
/// Let a case's page be what it says while `run` runs.
fn guarded<T>(case: &Case, run: impl FnOnce() -> T) -> T {
    let protect = |prot| {
        if let Some(page) = case.readonly {
            // SAFETY: a page of the window, which nobody writes but the case and, with its rights back, the tests.
            let done = unsafe { libc::mprotect(page as *mut libc::c_void, 4096, prot) };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        }
    };
    protect(libc::PROT_READ);
    ours::READONLY.store(case.readonly.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
    let done = run();
    ours::READONLY.store(0, std::sync::atomic::Ordering::Relaxed);
    protect(libc::PROT_READ | libc::PROT_WRITE);
    done
}
/// What is there now.
fn memory() -> &'static Memory {
    // SAFETY: as above; it is looked at before anything runs again.
    unsafe { &*(WINDOW as *const Memory) }
}

/// Whether two x87 numbers differ by a few units in the last of 64 bits (or lie below all normal numbers of half the size).
fn near(a: u128, b: u128) -> bool {
    let order = |v: u128| {
        let n = (v & ((1 << 79) - 1)) as i128;
        let n = (n >> 64 << 63) | (n & i64::MAX as i128);
        if v >> 79 & 1 != 0 {
            -n
        } else {
            n
        }
    };
    (order(a) - order(b)).abs() <= 1
}

/// What differs; memory is still what our side made of it.
fn differences(case: &Case, i: &Instruction, (want, w): &Outcome, wanted: &Memory, (got, g): &Outcome) -> String {
    let mut d = String::new();
    let memory = memory();
    if (want, w, wanted) == (got, g, memory) {
        return d;
    }
    if want != got {
        let _ = writeln!(d, "  signal {got}, the CPU: {want}");
    }
    let mut line = |name: &str, a: u128, b: u128| {
        if a != b {
            let _ = writeln!(d, "  {name:6} {a:#x}, the CPU: {b:#x}");
        }
    };
    const NAMES: [&str; 16] =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    if *want == libc::SIGTRAP && result_undefined(i, &case.state) {
        return d;
    }
    for (n, name) in NAMES.iter().enumerate() {
        line(name, g.gpr[n] as u128, w.gpr[n] as u128);
    }
    for n in 0..16 {
        line(&format!("xmm{n}"), g.vec[n], w.vec[n]);
        line(&format!("ymmh{n}"), g.vec[n + 16], w.vec[n + 16]);
    }
    line("pc", g.pc as u128, w.pc as u128);
    line("fs", g.bases[0] as u128, w.bases[0] as u128);
    line("gs", g.bases[1] as u128, w.bases[1] as u128);
    let open = if *want == libc::SIGTRAP { case.ignored } else { case.ignored_at_fault };
    let mask = 0x20_4cd5 & !open;
    line("flags", (g.flags & mask) as u128, (w.flags & mask) as u128);
    // With an exception unmasked, which others are noted beside it depends on how many lanes the CPU looks at at once.
    if *want != libc::SIGFPE {
        line("mxcsr", g.mxcsr as u128, w.mxcsr as u128);
    }
    line("fcw", g.fcw as u128, w.fcw as u128);
    // C1 says how the last bit was rounded. Where the unit in the last place decides whether the result is denormal, it decides about underflow.
    let tiny = |x: u128| x >> 63 & 0xffff == 0;
    let edge = (0..8).any(|n| tiny(g.x87[n]) != tiny(w.x87[n]));
    // Where underflow is unmasked, a result has another exponent by it, and the exception is pending.
    let unmasked = case.state.fcw & 0x10 == 0;
    let edge_raised = transcendental(i.mnemonic()) && unmasked && (g.fsw ^ w.fsw) & 0x10 != 0;
    let scaled = |s: &State, v: u128| if edge_raised && s.fsw & 0x10 != 0 { v.wrapping_sub(0x6000 << 64) } else { v };
    let open = if transcendental(i.mnemonic()) { 0x200 | (edge as u16) << 4 } else { 0 };
    let open = if edge_raised { open | 0x8090 } else { open };
    line("fsw", (g.fsw & !open) as u128, (w.fsw & !open) as u128);
    line("ftw", g.ftw as u128, w.ftw as u128);
    line("fip", g.fip as u128, w.fip as u128);
    if !edge_raised {
        line("fdp", g.fdp as u128, w.fdp as u128);
        line("fop", g.fop as u128, w.fop as u128);
    }
    for n in 0..8 {
        if !(transcendental(i.mnemonic()) && near(scaled(g, g.x87[n]), scaled(w, w.x87[n]))) {
            line(&format!("R{n}"), g.x87[n], w.x87[n]);
        }
    }
    if wanted != memory {
        for n in (0..WINDOW_BYTES).filter(|&n| wanted[n] != memory[n]).take(16) {
            let _ = writeln!(d, "  [{:#x}] {:#x}, the CPU: {:#x}", WINDOW + n as u64, memory[n], wanted[n]);
        }
    }
    d
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

struct Sides {
    vendor: Vendor,
    slow: ours::Slow,
    fast: ours::Fast,
    /// The memory that the CPU leaves.
    wanted: Box<Memory>,
    /// The same as the guest's processor would.
    settled: Box<Memory>,
}

impl Sides {
    /// The signal that it ends by, or how the sides differ.
    fn check(&mut self, case: &Case, i: &Instruction) -> Result<i32, String> {
        let want = self.vendor.run(case);
        self.wanted.copy_from_slice(memory());
        put_memory(&case.memory);
        let mut d = match guarded(case, || self.slow.run(case)) {
            Ok(slow) => self.compare(case, i, &want, &slow),
            Err(e) => e,
        };
        if !d.is_empty() {
            d = format!(" interpreted:\n{d}");
        }
        put_memory(&case.memory);
        // A branch may have led there.
        self.fast.forget(case);
        let fast = guarded(case, || self.fast.run(case));
        let f = self.compare(case, i, &want, &fast);
        self.fast.forget(case);
        if !f.is_empty() {
            d += &format!(" translated:\n{f}");
        }
        let done = if d.is_empty() { Ok(want.0) } else { Err(self.describe(case, i, d)) };
        clear_code(case);
        self.vendor.done();
        done
    }

    fn compare(&mut self, case: &Case, i: &Instruction, want: &Outcome, got: &Outcome) -> String {
        let mut want = want.clone();
        self.settled.copy_from_slice(&*self.wanted);
        self.vendor.settle(case, i, &mut want, &mut self.settled, got);
        differences(case, i, &want, &self.settled, got)
    }

    fn describe(&mut self, case: &Case, i: &Instruction, d: String) -> String {
        let s = &case.state;
        let text = (jit::guest::amd64::GUEST.disasm)(&case.code, case.pc);
        let mut out = format!("{text}   {:02x?} {:?}\n{d}", case.code, i.code());
        let _ = writeln!(
            out,
            " before: page {:x?}\n gpr {:x?}\n flags {:x} mxcsr {:x} fcw {:x} fsw {:x} ftw {:x}",
            case.readonly, s.gpr, s.flags, s.mxcsr, s.fcw, s.fsw, s.ftw
        );
        for n in i.op0_register().number()..=i.op0_register().number() {
            let _ = writeln!(out, " xmm{} {:032x} {:032x}", n & 15, s.vec[16 + (n & 15)], s.vec[n & 15]);
        }
        for op in 1..i.op_count() {
            let r = i.op_register(op);
            if r.is_vector_register() {
                let n = r.number() & 15;
                let _ = writeln!(out, " xmm{n} {:032x} {:032x}", s.vec[16 + n], s.vec[n]);
            }
        }
        if i.mnemonic().to_owned() as u32 != 0 && format!("{:?}", i.mnemonic()).starts_with('F') {
            let _ = writeln!(out, " x87 {:x?}", s.x87);
        }
        if (0..i.op_count()).any(|n| i.op_kind(n) == iced_x86::OpKind::Memory) {
            let at = place::effective(i, s);
            let from = at.wrapping_sub(WINDOW) as usize;
            let _ = writeln!(out, " memory {at:x}: {:x?}", case.memory.get(from..from + 32));
        }
        out += &self.slow.ir(case.pc);
        out
    }
}

fn sweep(group: Group, default: u64) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let list = |name: &str| -> Vec<String> {
        let v = std::env::var(name).unwrap_or_default().to_lowercase();
        v.split(',').filter(|s| !s.is_empty()).map(String::from).collect()
    };
    let (only, skip) = (list("AMD64_ONLY"), list("AMD64_SKIP"));
    let seed = setting("AMD64_SEED", 1);
    let cases = match group {
        Group::Splits => setting("AMD64_SPLITS", default),
        _ => setting("AMD64_CASES", default),
    };
    let stop = setting("AMD64_STOP", 8);
    let mut codes = codes::of(group);
    codes.retain(|c| {
        let n = format!("{c:?}").to_lowercase();
        (only.is_empty() || only.iter().any(|o| n.starts_with(o))) && !skip.iter().any(|s| n.starts_with(s))
    });
    if codes.is_empty() {
        return;
    }
    let source = Source { group, codes };
    let mut sides = Sides {
        vendor: Vendor::probe(),
        slow: ours::Slow::new(),
        fast: ours::Fast::new(std::env::var_os("AMD64_DUMP").is_some()),
        wanted: Box::new([0; WINDOW_BYTES]),
        settled: Box::new([0; WINDOW_BYTES]),
    };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut counts = vec![0u64; iced_x86::Code::values().len()];
    let mut bad: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut ends: BTreeMap<i32, u64> = BTreeMap::new();
    let start = std::time::Instant::now();
    let from = setting("AMD64_FROM", 0);
    for n in from..from + cases {
        let r = &mut Rng(seed << 40 ^ n << 4 ^ group as u64);
        let (case, i) = source.draw(r);
        if sides.vendor.skipped(&case, &i) {
            continue;
        }
        counts[i.code() as usize] += 1;
        match sides.check(&case, &i) {
            Ok(signal) => *ends.entry(signal).or_default() += 1,
            Err(e) => {
                let b = bad.entry(format!("{:?}", i.code())).or_insert((0, format!("case {n}: {e}")));
                b.0 += 1;
            }
        }
    }
    for (code, &n) in iced_x86::Code::values().zip(&counts).filter(|(_, n)| **n != 0) {
        seen.insert(format!("{code:?}"), n);
    }
    let seconds = start.elapsed().as_secs_f64();
    let vendor = sides.vendor.summary();
    println!(
        "{group:?}: {cases} cases, {} forms, {seconds:.0} s, ends by signal {ends:?}, {} differ{vendor}",
        seen.len(),
        bad.len()
    );
    if let Some(dir) = std::env::var_os("AMD64_REPORT") {
        let text = seen.iter().fold(String::new(), |t, (f, n)| t + &format!("{f} {n}\n"));
        std::fs::write(std::path::Path::new(&dir).join(format!("{group:?}")), text).expect("the report");
    }
    if !bad.is_empty() {
        for (n, text) in bad.values().take(stop as usize) {
            println!("{n} times: {text}\n");
        }
        let list: Vec<_> = bad.iter().map(|(f, (n, _))| format!("{f} {n}/{}", seen[f])).collect();
        panic!("{} of {} forms differ: {}", bad.len(), seen.len(), list.join(", "));
    }
}

macro_rules! groups {
    ($($name:ident $group:ident $cases:literal)*) => { $(
        #[test]
        fn $name() {
            sweep(Group::$group, $cases);
        }
    )* };
}

groups! {
    integer Integer 3_000
    strings Strings 1_000
    locked Locked 1_500
    // Each may take seconds: only when `AMD64_SPLITS` asks for them.
    splits Splits 0
    x87 X87 3_000
    mmx Mmx 1_000
    sse Sse 3_000
    avx Avx 4_000
    crypto Crypto 500
    state State 2_000
    raw Raw 3_000
    sequences Sequences 3_000
}
