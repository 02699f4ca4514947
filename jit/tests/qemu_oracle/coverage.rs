//! What was compared, row by row of the decode tables.

use crate::case::{Case, SIGTRAP};
use crate::draw::Kind;
use crate::interp::Run;
use jit::guest::arm64::decode::find;
use std::collections::HashMap;
use std::fmt::Write as _;

/// What was seen of a row.
#[derive(Default, Clone, Copy)]
struct Seen {
    /// Cases in which it was executed.
    cases: u64,
    /// Those that ran to their end.
    finished: u64,
    /// Those that it ended by a fault.
    faults: u64,
    /// Bit n: a case began with NZCV = n.
    nzcv: u16,
    /// Bit n: a case began with FPCR's AHP, DN, FZ, RMode = n.
    fpcr: u32,
}

#[derive(Default)]
pub struct Coverage {
    rows: HashMap<&'static str, Seen>,
}

impl Coverage {
    /// Count a case.
    pub fn add(&mut self, case: &Case, run: &Run) {
        let last = run.outcome.state.pc.wrapping_sub(case.state.pc) / 4;
        for n in (0..case.len).filter(|n| run.executed >> n & 1 != 0) {
            let Some(row) = find(case.code[n]) else { continue };
            let seen = self.rows.entry(row.name).or_default();
            seen.cases += 1;
            seen.finished += (run.outcome.signal == SIGTRAP) as u64;
            seen.faults += (run.outcome.signal != SIGTRAP && n as u64 == last) as u64;
            seen.nzcv |= 1 << case.state.nzcv;
            seen.fpcr |= 1 << (case.state.fpcr >> 22 & 31);
        }
    }

    fn row(&self, kind: &Kind) -> Seen {
        self.rows.get(kind.row.name).copied().unwrap_or_default()
    }

    /// Rows of which no case ran to its end.
    pub fn never_finished(&self, kinds: &[Kind]) -> Vec<&'static str> {
        kinds.iter().filter(|k| self.row(k).finished == 0).map(|k| k.row.name).collect()
    }

    /// One line.
    pub fn summary(&self, kinds: &[Kind]) -> String {
        let least = kinds.iter().map(|k| (self.row(k).cases, k.row.name)).min().unwrap_or_default();
        let covered = kinds.iter().filter(|k| self.row(k).cases != 0).count();
        format!("{covered} of {} rows executed, least often {} ({} cases)", kinds.len(), least.1, least.0)
    }

    /// A line per row.
    pub fn table(&self, kinds: &[Kind], not_compared: &[(&str, &str)]) -> String {
        let mut out = String::from("row                      cases  finished    faults  NZCV inputs of 16  FPCR inputs of 32\n");
        for k in kinds {
            let s = self.row(k);
            let (nzcv, fpcr) = (s.nzcv.count_ones(), s.fpcr.count_ones());
            let _ = writeln!(out, "{:20} {:9} {:9} {:9} {nzcv:18} {fpcr:18}", k.row.name, s.cases, s.finished, s.faults);
        }
        for (name, cause) in not_compared {
            let _ = writeln!(out, "{name:20} not compared: {cause}");
        }
        out
    }
}
