//! The pair amd64 on arm64: random amd64 instructions as translated (on an arm64 machine, or an emulator of one), against the IR interpreter, which
//! is checked against the real CPU elsewhere (`amd64_oracle`). `AMD64_SEED`, `AMD64_CASES` (of each kind), `AMD64_ONLY` (a part of a form's name),
//! `AMD64_STOP` (differences to show).

#![cfg(target_arch = "aarch64")]

#[allow(dead_code)]
#[path = "../amd64_oracle/case.rs"]
mod case;
#[allow(dead_code)]
#[path = "../amd64_oracle/codes.rs"]
mod codes;
#[allow(dead_code)]
#[path = "../common/context.rs"]
mod context;
#[allow(dead_code)]
#[path = "../amd64_oracle/draw.rs"]
mod draw;
#[allow(dead_code)]
#[path = "../amd64_oracle/encode.rs"]
mod encode;
#[allow(dead_code)]
#[path = "../amd64_oracle/ours.rs"]
mod ours;
#[allow(dead_code)]
#[path = "../amd64_oracle/place.rs"]
mod place;
#[allow(dead_code)]
#[path = "../amd64_oracle/rng.rs"]
mod rng;

use case::*;
use codes::Group;
use draw::{result_undefined, Source};
use iced_x86::Instruction;
use rng::Rng;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ptr::null_mut;
use std::sync::{Mutex, Once};

static ALONE: Mutex<()> = Mutex::new(());

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes both, valid until we return.
    unsafe {
        let uc = &mut *uc.cast::<libc::ucontext_t>();
        if !ours::on_signal(signal, (*info).si_addr() as u64, uc) {
            let text = format!("signal {signal} at {:x}, address {:?}\n", context::pc(uc), (*info).si_addr());
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::_exit(101)
        }
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
        map(CODE, CODE_BYTES, libc::PROT_READ | libc::PROT_WRITE);
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
}

/// What differs.
fn differences(case: &Case, i: &Instruction, (want, w): &Outcome, wanted: &Memory, (got, g): &Outcome) -> String {
    let mut d = String::new();
    let memory = memory();
    if *want == libc::SIGTRAP && want == got && result_undefined(i, &case.state) {
        return d;
    }
    let mut line = |name: &str, a: u128, b: u128| {
        if a != b {
            let _ = writeln!(d, "  {name:6} {a:#x}, interpreted: {b:#x}");
        }
    };
    line("signal", *got as u128, *want as u128);
    for n in 0..16 {
        line(&format!("gpr{n}"), g.gpr[n] as u128, w.gpr[n] as u128);
        line(&format!("xmm{n}"), g.vec[n], w.vec[n]);
        line(&format!("ymmh{n}"), g.vec[n + 16], w.vec[n + 16]);
    }
    line("pc", g.pc as u128, w.pc as u128);
    // After a fault they need not be there any more.
    let flags = if *want == libc::SIGTRAP { 0xcd5 & !case.ignored } else { 0 };
    line("flags", (g.flags & flags) as u128, (w.flags & flags) as u128);
    let mxcsr = if jit::host::detect().afp { !0 } else { MXCSR };
    line("mxcsr", (g.mxcsr & mxcsr) as u128, (w.mxcsr & mxcsr) as u128);
    line("fcw", g.fcw as u128, w.fcw as u128);
    line("fsw", g.fsw as u128, w.fsw as u128);
    line("ftw", g.ftw as u128, w.ftw as u128);
    for n in 0..8 {
        line(&format!("R{n}"), g.x87[n], w.x87[n]);
    }
    for n in (0..WINDOW_BYTES).filter(|&n| wanted[n] != memory[n]).take(16) {
        let _ = writeln!(d, "  [{:#x}] {:#x}, not {:#x}", WINDOW + n as u64, memory[n], wanted[n]);
    }
    d
}

/// Without FEAT_AFP, denormal operands (DE) aren't noticed, and what is tiny (UE) is so before it is rounded.
const MXCSR: u32 = !0x12;

fn put_code(case: &Case) {
    // SAFETY: the page is ours, and no guest code runs.
    unsafe { std::ptr::copy_nonoverlapping(case.code.as_ptr(), case.pc as *mut u8, case.code.len()) };
}
fn clear_code(case: &Case) {
    // SAFETY: the page is ours, and no guest code runs.
    unsafe { std::ptr::write_bytes(case.pc as *mut u8, 0xcc, case.code.len()) };
}
fn put_memory(m: &Memory) {
    // SAFETY: the page is ours, and no guest code runs.
    unsafe { std::ptr::copy_nonoverlapping(m.as_ptr(), WINDOW as *mut u8, WINDOW_BYTES) };
}
/// What is there now.
fn memory() -> &'static Memory {
    // SAFETY: the pages are ours, and nothing runs before it has been looked at.
    unsafe { &*(WINDOW as *const Memory) }
}

struct Sides {
    slow: ours::Slow,
    fast: ours::Fast,
}

impl Sides {
    fn check(&mut self, case: &Case, i: &Instruction) -> Result<(), String> {
        put_code(case);
        put_memory(&case.memory);
        let want = self.slow.run(case)?;
        let wanted = *memory();
        put_memory(&case.memory);
        // An earlier case may have gone there.
        self.fast.forget(case);
        let got = self.fast.run(case);
        self.fast.forget(case);
        let d = differences(case, i, &want, &wanted, &got);
        let done = if d.is_empty() { Ok(()) } else { Err(self.describe(case, d)) };
        clear_code(case);
        done
    }

    fn describe(&mut self, case: &Case, d: String) -> String {
        let s = &case.state;
        let text = (jit::guest::amd64::GUEST.disasm)(&case.code, case.pc);
        let mut out =
            format!("{text}   {:02x?}\n{d} before: gpr {:x?}\n flags {:x} mxcsr {:x}\n", case.code, s.gpr, s.flags, s.mxcsr);
        for n in 0..16 {
            let _ = writeln!(out, " xmm{n} {:032x} {:032x}", s.vec[16 + n], s.vec[n]);
        }
        out + &self.slow.ir(case.pc)
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn sweep(group: Group, default: u64) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let only = std::env::var("AMD64_ONLY").unwrap_or_default().to_lowercase();
    let (seed, cases) = (setting("AMD64_SEED", 1), setting("AMD64_CASES", default));
    let mut sides = Sides { slow: ours::Slow::new(), fast: ours::Fast::new(std::env::var_os("AMD64_DUMP").is_some()) };
    let mut bad: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut codes = codes::of(group);
    codes.retain(|c| format!("{c:?}").to_lowercase().starts_with(&only));
    if codes.is_empty() {
        return;
    }
    let source = Source { group, codes };
    for n in 0..cases {
        let r = &mut Rng(seed << 40 ^ n << 4 ^ group as u64);
        let (case, i) = source.draw(r);
        if let Err(e) = sides.check(&case, &i) {
            let b = bad.entry(format!("{:?}", i.code())).or_insert((0, format!("case {n}: {e}")));
            b.0 += 1;
        }
    }
    if !bad.is_empty() {
        for (n, text) in bad.values().take(setting("AMD64_STOP", 6) as usize) {
            println!("{n} times: {text}\n");
        }
        let list: Vec<_> = bad.iter().map(|(f, (n, _))| format!("{f} {n}")).collect();
        panic!("{} forms differ: {}", bad.len(), list.join(", "));
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
    integer Integer 20_000
    strings Strings 2_000
    locked Locked 2_000
    x87 X87 4_000
    mmx Mmx 4_000
    sse Sse 10_000
    avx Avx 10_000
    crypto Crypto 2_000
    sequences Sequences 5_000
}
