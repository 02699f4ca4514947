//! The text of a report.

use super::memory::{Memory, Module};
use super::symbols::Symbols;
use super::unwind::{self, Frame};
use super::{printable, words, MAX_LINES};
use crate::guest::Guest;
use crate::thread::Task;
use std::fmt::Write as _;
use syscalls::topics::signal::SigInfo;
use syscalls::{Context, Machine, Thread};

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
    let reason = words::reason(&task.vcpu.runtime.guest.report, info, thread.signals.syndrome, context);
    format!("run-foreign: {} ({who}) was killed by {}: {reason}", printable(&thread.process.exe), words::signal(info.signo))
}

/// One line, for a signal that was sent.
pub fn short(task: &Task, info: &SigInfo) -> String {
    format!("{}; --report=stderr or RUN_FOREIGN_REPORT=stderr tells more\n", heading(task, info, &task.vcpu.context()))
}

/// Everything. `verbose`: vector registers even if they have no part in it.
pub fn full(task: &Task, info: &SigInfo, verbose: bool) -> String {
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
    let guest = task.vcpu.runtime.guest;
    code(&mut lines, guest, &memory, context.pc);
    (guest.report.registers)(&context).iter().for_each(|line| lines.add(line));
    if verbose || (guest.report.uses_vectors)(context.pc) {
        (guest.report.vectors)(&context).iter().for_each(|line| lines.add(line));
    }
    backtrace(&mut lines, guest, &context, &memory, &mut symbols);
    lines.add(&format!("  run-foreign {}; --report=off or RUN_FOREIGN_REPORT=off keeps this away", env!("CARGO_PKG_VERSION")));
    lines.text
}

fn arguments(lines: &mut Lines, thread: &Thread) {
    let all: Vec<String> = thread.process.argv.iter().take(16).map(|a| printable(a)).collect();
    lines.add(&format!("  arguments: {}", printable(all.join(" ").as_bytes())));
}

/// Disassembly around the pc, of what can be fetched.
fn code(lines: &mut Lines, guest: &Guest, memory: &Memory, pc: u64) {
    if !memory.executable(pc) {
        return;
    }
    for (at, bytes, text) in (guest.report.code)(pc, &|at| memory.executable(at)) {
        let mark = if at == pc { '>' } else { ' ' };
        lines.add(&format!("  {mark} {at:#x}: {bytes}  {text}"));
    }
}

fn backtrace(lines: &mut Lines, guest: &Guest, context: &Context, memory: &Memory, symbols: &mut Symbols) {
    let frames = unwind::backtrace(&guest.frames, context, memory, FRAMES + 1);
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
