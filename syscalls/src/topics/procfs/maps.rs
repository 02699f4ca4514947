//! /proc/self/maps and smaps: of the host's listing the parts that are the guest's, with the guest's protections and names.
//! Files, offsets and inodes are in the host's listing already, so that mmap need not remember them.

use crate::topics::mem::vma::{Prot, Vma};
use crate::topics::mem::Space;
use std::fmt::Write as _;
use std::ops::Range;

/// Where names start.
const NAME_COLUMN: usize = 73;

/// A line of the host's listing.
struct Line<'a> {
    start: u64,
    end: u64,
    perms: &'a str,
    offset: u64,
    dev: &'a str,
    inode: &'a str,
    name: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let mut rest = line;
        let mut word = || {
            let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = tail;
            word
        };
        let (start, end) = word().split_once('-')?;
        let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        let perms = word();
        let offset = u64::from_str_radix(word(), 16).ok()?;
        let (dev, inode) = (word(), word());
        Some(Line { start, end, perms, offset, dev, inode, name: rest.trim_start_matches(' ') })
    }

    fn anonymous(&self) -> bool {
        self.inode == "0"
    }
}

/// What only the space knows.
struct Names {
    mappings: Vec<Vma>,
    heap: Range<u64>,
    stack: u64,
    vdso: Range<u64>,
}

impl Names {
    fn of(space: &Space) -> Names {
        // What has grown since shall be seen.
        space.catch_up_all();
        Names { mappings: space.mappings(), heap: space.heap(), stack: space.stack(), vdso: space.vdso() }
    }

    /// The guest's parts of a host mapping.
    fn pieces(&self, line: &Line<'_>) -> impl Iterator<Item = Vma> + '_ {
        let (start, end) = (line.start, line.end);
        let first = self.mappings.partition_point(|v| v.end <= start);
        self.mappings[first..].iter().take_while(move |v| v.start < end).map(move |v| Vma {
            start: v.start.max(start),
            end: v.end.min(end),
            attr: v.attr,
        })
    }

    fn is_vdso(&self, piece: &Vma) -> bool {
        !self.vdso.is_empty() && piece.start >= self.vdso.start && piece.end <= self.vdso.end
    }

    fn name<'a>(&self, piece: &Vma, line: &Line<'a>) -> &'a str {
        // Whatever it is to the host: mostly a part of our own file.
        if self.is_vdso(piece) {
            return "[vdso]";
        }
        if !line.anonymous() {
            return line.name;
        }
        if piece.start < self.heap.end && piece.end > self.heap.start {
            return "[heap]";
        }
        if self.stack != 0 && piece.start <= self.stack && piece.end >= self.stack {
            return "[stack]";
        }
        match line.name {
            name if name.starts_with("[anon") => name,
            _ => "",
        }
    }

    /// The line of a piece.
    fn header(&self, out: &mut String, piece: &Vma, line: &Line<'_>) {
        let bit = |bit: u8, c: char| if piece.attr.prot.0 & bit != 0 { c } else { '-' };
        let (r, w, x) = (bit(Prot::READ, 'r'), bit(Prot::WRITE, 'w'), bit(Prot::EXEC, 'x'));
        let share = line.perms.chars().last().unwrap_or('p');
        let (offset, dev, inode) = match line.anonymous() || self.is_vdso(piece) {
            true => (0, "00:00", "0"),
            false => (line.offset + (piece.start - line.start), line.dev, line.inode),
        };
        let begin = out.len();
        // Writing to a String can't fail.
        let _ = write!(out, "{:08x}-{:08x} {r}{w}{x}{share} {offset:08x} {dev} {inode} ", piece.start, piece.end);
        let name = self.name(piece, line);
        if !name.is_empty() {
            let width = out.len() - begin;
            out.extend(std::iter::repeat_n(' ', NAME_COLUMN.saturating_sub(width).max(1)));
            out.push_str(name);
        }
        out.push('\n');
    }
}

/// /proc/self/maps from the host's.
pub(super) fn maps(space: &Space, host: &[u8]) -> Vec<u8> {
    let names = Names::of(space);
    let mut out = String::with_capacity(host.len());
    for line in String::from_utf8_lossy(host).lines().filter_map(Line::parse) {
        for piece in names.pieces(&line) {
            names.header(&mut out, &piece, &line);
        }
    }
    out.into_bytes()
}

/// /proc/self/smaps from the host's. What the host counts for a mapping that is several to the guest is divided by size.
pub(super) fn smaps(space: &Space, host: &[u8]) -> Vec<u8> {
    let names = Names::of(space);
    let text = String::from_utf8_lossy(host);
    let mut lines = text.lines().peekable();
    let mut out = String::with_capacity(host.len());
    while let Some(line) = lines.next() {
        let Some(line) = Line::parse(line) else { continue };
        let mut facts = Vec::new();
        while let Some(fact) = lines.next_if(|l| Line::parse(l).is_none()) {
            facts.push(fact);
        }
        for piece in names.pieces(&line) {
            names.header(&mut out, &piece, &line);
            for fact in &facts {
                share(&mut out, fact, &piece, &line);
            }
        }
    }
    out.into_bytes()
}

/// A fact about a host mapping as one about a piece of it.
fn share(out: &mut String, fact: &str, piece: &Vma, line: &Line<'_>) {
    let (part, whole) = (piece.end - piece.start, line.end - line.start);
    if let Some(flags) = fact.strip_prefix("VmFlags:") {
        let mut flags: Vec<&str> = flags.split_ascii_whitespace().filter(|f| !matches!(*f, "rd" | "wr" | "ex")).collect();
        for (bit, name) in [(Prot::EXEC, "ex"), (Prot::WRITE, "wr"), (Prot::READ, "rd")] {
            if piece.attr.prot.0 & bit != 0 {
                flags.insert(0, name);
            }
        }
        let _ = writeln!(out, "VmFlags: {} ", flags.join(" "));
        return;
    }
    let divided = fact.split_once(':').filter(|(key, _)| part != whole && !key.ends_with("PageSize")).and_then(|(key, value)| {
        let kb: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((key, (u128::from(kb) * u128::from(part) / u128::from(whole)) as u64))
    });
    let _ = match divided {
        Some((key, kb)) => writeln!(out, "{:<16}{kb:8} kB", format!("{key}:")),
        None => writeln!(out, "{fact}"),
    };
}
