//! arm64 in reports.

use super::fault::{EC_DATA_ABORT, WNR};
use crate::guest::Report;
use jit::guest::arm64::GUEST;
use syscalls::{Context, GuestAddr};

pub(super) const REPORT: Report = Report { code, registers, vectors, uses_vectors, access, reason: |_, _| None };

/// Instructions shown before and after the one that failed.
const BEFORE: u64 = 4;
const AFTER: u64 = 3;

fn code(pc: u64, readable: &dyn Fn(u64) -> bool) -> Vec<(u64, String, String)> {
    if pc & 3 != 0 {
        return Vec::new();
    }
    let line = |at: u64| {
        let bytes = GuestAddr(at).read::<[u8; 4]>().ok().filter(|_| readable(at))?;
        Some((at, format!("{:08x}", u32::from_le_bytes(bytes)), (GUEST.disasm)(&bytes, at)))
    };
    (pc.saturating_sub(BEFORE * 4)..=pc.saturating_add(AFTER * 4)).step_by(4).filter_map(line).collect()
}

fn registers(c: &Context) -> Vec<String> {
    let mut named: Vec<(String, u64)> = c.x.iter().enumerate().map(|(i, v)| (format!("x{i}"), *v)).collect();
    named.push(("sp".into(), c.sp));
    let four = |four: &[(String, u64)]| four.iter().map(|(name, value)| format!("{name:>5} {value:016x}")).collect::<String>();
    let mut lines: Vec<String> = named.chunks(4).map(four).collect();
    let flag = |bit: u32, name: char| if c.pstate >> bit & 1 != 0 { name } else { '-' };
    let flags: String = [(31, 'N'), (30, 'Z'), (29, 'C'), (28, 'V')].map(|(bit, name)| flag(bit, name)).iter().collect();
    lines.push(format!("   pc {:016x} nzcv {flags} tpidr {:016x} fpcr {:08x} fpsr {:08x}", c.pc, c.tls, c.fpcr, c.fpsr));
    lines
}

fn vectors(c: &Context) -> Vec<String> {
    let line = |(i, two): (usize, &[u128])| {
        format!("  {:>3} {:032x}  {:>3} {:032x}", format!("v{}", 2 * i), two[0], format!("v{}", 2 * i + 1), two[1])
    };
    c.v.chunks(2).enumerate().map(line).collect()
}

/// One of FP or SIMD, loads and stores included.
fn uses_vectors(pc: u64) -> bool {
    let Ok(insn) = GuestAddr(pc).read::<u32>() else { return false };
    insn >> 25 & 7 == 7 || insn >> 25 & 5 == 4 && insn >> 26 & 1 != 0
}

fn access((_, esr): (u64, u64)) -> Option<&'static str> {
    (esr >> 26 == EC_DATA_ABORT >> 26).then_some(if esr & WNR != 0 { "write to" } else { "read of" })
}
