//! amd64 in reports.

use super::fault::{GP, PF, WRITE};
use super::{FLAGS, NAMES};
use crate::guest::Report;
use capstone::prelude::*;
use syscalls::topics::signal::SigInfo;
use syscalls::{Context, GuestAddr};

pub(super) const REPORT: Report = Report { code, registers, vectors, uses_vectors, access, reason };

/// Instructions shown before and after the one that failed.
const BEFORE: usize = 4;
const AFTER: usize = 3;
/// Bytes of the longest instruction.
const LONGEST: u64 = 15;

/// An instruction: address, bytes, text.
type Line = (u64, String, String);

fn disassembler() -> Option<Capstone> {
    Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).syntax(arch::x86::ArchSyntax::Intel).build().ok()
}

/// The instructions from `at` on, `count` at most, and where they end.
fn decode(cs: &Capstone, bytes: &[u8], at: u64, count: usize) -> (Vec<Line>, u64) {
    let Ok(insns) = cs.disasm_count(bytes, at, count) else { return (Vec::new(), at) };
    let line = |i: &capstone::Insn| {
        let hex: String = i.bytes().iter().map(|b| format!("{b:02x} ")).collect();
        (i.address(), format!("{:<24}", hex.trim_end()), format!("{} {}", i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or("")))
    };
    let end = insns.last().map_or(at, |i| i.address() + i.bytes().len() as u64);
    (insns.iter().map(line).collect(), end)
}

/// The bytes of code from `at` on that can be read, `len` at most.
fn code_bytes(at: u64, len: u64, readable: &dyn Fn(u64) -> bool) -> Vec<u8> {
    let byte = |at: u64| readable(at).then(|| GuestAddr(at).read::<u8>().ok()).flatten();
    (at..at.saturating_add(len)).map_while(byte).collect()
}

fn code(pc: u64, readable: &dyn Fn(u64) -> bool) -> Vec<Line> {
    let Some(cs) = disassembler() else { return Vec::new() };
    let mut lines = Vec::new();
    // Backwards instructions have no beginning: the farthest from which they lead to the pc.
    for back in (1..=LONGEST * BEFORE as u64).rev() {
        let start = pc.saturating_sub(back);
        let bytes = code_bytes(start, back, readable);
        if bytes.len() as u64 != back {
            continue;
        }
        let (found, end) = decode(&cs, &bytes, start, back as usize);
        if end == pc && found.len() >= BEFORE {
            lines.extend(found.into_iter().rev().take(BEFORE).rev());
            break;
        }
    }
    let bytes = code_bytes(pc, LONGEST * (AFTER as u64 + 1), readable);
    let (after, _) = decode(&cs, &bytes, pc, AFTER + 1);
    if after.is_empty() {
        let hex: Vec<String> = bytes.iter().take(LONGEST as usize).map(|b| format!("{b:02x}")).collect();
        lines.push((pc, hex.join(" "), "?".into()));
    }
    lines.extend(after);
    lines
}

fn registers(c: &Context) -> Vec<String> {
    let named: Vec<(&str, u64)> = NAMES.into_iter().zip(super::registers(c)).collect();
    let four = |four: &[(&str, u64)]| four.iter().map(|(name, value)| format!("{name:>5} {value:016x}")).collect::<String>();
    let mut lines: Vec<String> = named.chunks(4).map(four).collect();
    let flags: Vec<&str> = FLAGS.iter().filter(|(bit, _)| c.pstate >> bit & 1 != 0).map(|f| f.1).collect();
    lines.push(format!(
        "  rip {:016x} flags {:x} [{}] fs {:016x} gs {:x} mxcsr {:x}",
        c.pc,
        c.pstate,
        flags.join(" "),
        c.tls,
        c.gs,
        c.fpcr
    ));
    lines
}

fn vectors(c: &Context) -> Vec<String> {
    let (low, high) = c.v.split_at(16);
    low.iter()
        .zip(high)
        .enumerate()
        .map(|(i, (low, high))| format!("  {:>5} {high:032x} {low:032x}", format!("ymm{i}")))
        .collect()
}

/// SSE, AVX, MMX and x87 by their operands.
fn uses_vectors(pc: u64) -> bool {
    let bytes = code_bytes(pc, LONGEST, &|_| true);
    let lines = disassembler().map(|cs| decode(&cs, &bytes, pc, 1).0).unwrap_or_default();
    lines.first().is_some_and(|(_, _, text)| text.contains("xmm") || text.contains("ymm"))
}

fn access((_, trap): (u64, u64)) -> Option<&'static str> {
    (trap >> 32 == u64::from(PF) && trap & 16 == 0).then_some(if trap & u64::from(WRITE) != 0 { "write to" } else { "read of" })
}

fn reason(info: &SigInfo, (_, trap): (u64, u64)) -> Option<&'static str> {
    let trap = (trap >> 32) as u32;
    match (info.signo, info.code) {
        (libc::SIGSEGV, libc::SI_KERNEL) if trap == GP => {
            Some("general protection: an address that is not canonical or, for SSE, misaligned, or an instruction that programs may not execute")
        }
        (libc::SIGTRAP, libc::SI_KERNEL) => Some("breakpoint instruction"),
        (libc::SIGILL, 2) => Some("undefined instruction (ILL_ILLOPN)"),
        _ => None,
    }
}
