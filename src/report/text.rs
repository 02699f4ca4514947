//! The text of a report.

use super::memory::{Memory, Module};
use super::symbols::Symbols;
use super::unwind::{self, Frame};
use super::{printable, words, MAX_LINES};
use crate::thread::Task;
use jit::guest::arm64::GUEST;
use std::fmt::Write as _;
use syscalls::topics::signal::SigInfo;
use syscalls::{Context, GuestAddr, Machine, Thread};

/// Instructions shown before and after the one that failed.
const BEFORE: u64 = 4;
const AFTER: u64 = 3;
/// Frames shown.
const FRAMES: usize = 16;

/// Lines, up to a limit.
struct Lines {
    text: String,
    count: usize,
}

impl Lines {
    fn add(&mut self, line: &str) {
        if self.count < MAX_LINES {
            self.text.push_str(line);
            self.text.push('\n');
            self.count += 1;
        }
    }
}

fn heading(task: &Task, info: &SigInfo, context: &Context) -> String {
    let thread = &task.thread;
    // SAFETY: asks for a number.
    let pid = unsafe { syscalls::sys::raw(libc::SYS_getpid, [0; 6]) };
    let who = if i64::from(thread.tid) == pid { format!("pid {pid}") } else { format!("pid {pid}, thread {}", thread.tid) };
    let reason = words::reason(info, thread.signals.syndrome, context.pc, context.sp);
    format!("run-foreign: {} ({who}) was killed by {}: {reason}", printable(&thread.process.exe), words::signal(info.signo))
}

/// One line, for a signal that was sent.
pub fn short(task: &Task, info: &SigInfo) -> String {
    format!("{}; --report=stderr or RUN_FOREIGN_REPORT=stderr tells more\n", heading(task, info, &task.vcpu.context()))
}

/// Everything.
pub fn full(task: &Task, info: &SigInfo) -> String {
    let context = task.vcpu.context();
    let memory = Memory::of(&task.thread);
    let mut symbols = Symbols::default();
    let mut lines = Lines { text: String::new(), count: 0 };
    lines.add(&heading(task, info, &context));
    arguments(&mut lines, &task.thread);
    lines.add(&format!("  pc {:#x} {}", context.pc, words::place(&memory, context.pc)));
    if words::is_fault(info) && info.rest[0] != context.pc && info.code != libc::SI_KERNEL {
        lines.add(&format!("  address {:#x} {}", info.rest[0], words::place(&memory, info.rest[0])));
    }
    code(&mut lines, &memory, context.pc);
    registers(&mut lines, &context);
    if uses_vectors(context.pc) {
        vectors(&mut lines, &context);
    }
    backtrace(&mut lines, &context, &memory, &mut symbols);
    lines.add(&format!("  run-foreign {}; --report=off or RUN_FOREIGN_REPORT=off keeps this away", env!("CARGO_PKG_VERSION")));
    lines.text
}

fn arguments(lines: &mut Lines, thread: &Thread) {
    let all: Vec<String> = thread.process.argv.iter().take(16).map(|a| printable(a)).collect();
    lines.add(&format!("  arguments: {}", printable(all.join(" ").as_bytes())));
}

/// Disassembly around the pc, of what can be fetched.
fn code(lines: &mut Lines, memory: &Memory, pc: u64) {
    if pc & 3 != 0 || !memory.executable(pc) {
        return;
    }
    for at in (pc.saturating_sub(BEFORE * 4)..=pc.saturating_add(AFTER * 4)).step_by(4) {
        let Some(bytes) = GuestAddr(at).read::<[u8; 4]>().ok().filter(|_| memory.executable(at)) else { continue };
        let mark = if at == pc { '>' } else { ' ' };
        lines.add(&format!("  {mark} {at:#x}: {:08x}  {}", u32::from_le_bytes(bytes), (GUEST.disasm)(&bytes, at)));
    }
}

fn registers(lines: &mut Lines, c: &Context) {
    let mut named: Vec<(String, u64)> = c.x.iter().enumerate().map(|(i, v)| (format!("x{i}"), *v)).collect();
    named.push(("sp".into(), c.sp));
    for four in named.chunks(4) {
        let line: Vec<String> = four.iter().map(|(name, value)| format!("{name:>5} {value:016x}")).collect();
        lines.add(&line.join(""));
    }
    let flag = |bit: u32, name: char| if c.pstate >> bit & 1 != 0 { name } else { '-' };
    let flags: String = [(31, 'N'), (30, 'Z'), (29, 'C'), (28, 'V')].map(|(bit, name)| flag(bit, name)).iter().collect();
    lines.add(&format!("   pc {:016x} nzcv {flags} tpidr {:016x} fpcr {:08x} fpsr {:08x}", c.pc, c.tls, c.fpcr, c.fpsr));
}

fn vectors(lines: &mut Lines, c: &Context) {
    for (i, two) in c.v.chunks(2).enumerate() {
        lines.add(&format!("  {:>3} {:032x}  {:>3} {:032x}", format!("v{}", 2 * i), two[0], format!("v{}", 2 * i + 1), two[1]));
    }
}

/// Whether the instruction at `pc` is one of FP or SIMD, loads and stores included.
fn uses_vectors(pc: u64) -> bool {
    let Ok(insn) = GuestAddr(pc).read::<u32>() else { return false };
    insn >> 25 & 7 == 7 || insn >> 25 & 5 == 4 && insn >> 26 & 1 != 0
}

fn backtrace(lines: &mut Lines, context: &Context, memory: &Memory, symbols: &mut Symbols) {
    let frames = unwind::backtrace(context, memory, FRAMES + 1);
    for (n, frame) in frames.iter().take(FRAMES).enumerate() {
        lines.add(&format!("  #{n:<2} {:#x} {}", frame.pc, name(frame, memory, symbols)));
    }
    if frames.len() > FRAMES {
        lines.add("  and so on");
    }
}

/// `symbol+offset (module+offset)`, or as much of it as is known.
fn name(frame: &Frame, memory: &Memory, symbols: &mut Symbols) -> String {
    if frame.signal {
        return "(return from a signal handler)".into();
    }
    let Some(module) = memory.module(frame.inside()).filter(|_| memory.executable(frame.inside())) else {
        return words::place(memory, frame.pc);
    };
    let mut text = String::new();
    if let Some(s) = symbols.find(module, frame.inside()) {
        // Writing to a String can't fail.
        let _ = write!(text, "{}+{:#x} ", s.name, s.offset + frame.pc - frame.inside());
    }
    let _ = write!(text, "({}+{:#x})", file(module), frame.pc.wrapping_sub(module.bias));
    text
}

fn file(module: &Module) -> String {
    match module.path.is_empty() {
        true => format!("{:#x}", module.range.start),
        false => printable(&module.path),
    }
}
