//! Names of guest code, many of them: the function that an address belongs to, by the symbol tables of the files that are mapped.

use goblin::elf::{sym, Elf};
use std::ops::Range;
use std::path::Path;

/// A file, or memory without one.
struct Module {
    range: Range<u64>,
    /// What to add to the file's addresses.
    bias: u64,
    name: String,
    /// By start.
    symbols: Vec<Function>,
}

/// Start, size and name.
type Function = (u64, u64, String);

/// Modules as far as they were asked for.
#[derive(Default)]
pub struct Names {
    modules: Vec<Module>,
}

/// A line of /proc/self/maps.
struct Line<'a> {
    range: Range<u64>,
    offset: u64,
    path: &'a str,
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |s: &str| u64::from_str_radix(s, 16).ok();
    let range = hex(start)?..hex(end)?;
    let offset = hex(words.nth(1)?)?;
    Some(Line { range, offset, path: words.nth(2).unwrap_or("").trim_start() })
}

impl Names {
    /// `module:function+0x10`, or as much of it as is known.
    pub fn of(&mut self, pc: u64) -> String {
        if !self.modules.iter().any(|m| m.range.contains(&pc)) {
            let module = Module::around(pc);
            // What lay there before has gone.
            self.modules.retain(|m| m.range.end <= module.range.start || m.range.start >= module.range.end);
            self.modules.push(module);
        }
        let module = self.modules.iter().find(|m| m.range.contains(&pc));
        module.map_or_else(|| format!("{pc:#x}"), |m| m.name_of(pc))
    }
}

impl Module {
    fn around(pc: u64) -> Module {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let lines: Vec<Line<'_>> = maps.lines().filter_map(parse).collect();
        let nameless = |range| Module { range, bias: 0, name: String::new(), symbols: Vec::new() };
        let Some(at) = lines.iter().find(|l| l.range.contains(&pc)) else { return nameless(pc..pc + 1) };
        if !at.path.starts_with('/') {
            return nameless(at.range.clone());
        }
        // Its first mapping, and what follows of the same file.
        let is_first = |l: &&Line<'_>| l.path == at.path && l.offset == 0 && l.range.start <= pc;
        let first = lines.iter().rev().find(is_first).map_or(at.range.start, |l| l.range.start);
        let same = lines.iter().filter(|l| l.path == at.path && l.range.start >= first);
        let end = same.take_while(|l| l.offset != 0 || l.range.start == first || l.range.contains(&pc)).map(|l| l.range.end);
        let range = first..end.max().unwrap_or(at.range.end);
        let name = at.path.rsplit('/').next().unwrap_or(at.path).to_string();
        let (first_address, symbols) = symbols(Path::new(at.path)).unwrap_or_default();
        Module { bias: range.start.wrapping_sub(first_address), range, name, symbols }
    }

    fn name_of(&self, pc: u64) -> String {
        if self.name.is_empty() {
            return format!("[memory]:{pc:#x}");
        }
        let at = pc.wrapping_sub(self.bias);
        let i = self.symbols.partition_point(|s| s.0 <= at);
        let found = self.symbols[..i].iter().rev().take(8).find(|s| at - s.0 < s.1.max(1));
        match found {
            Some((start, _, name)) if *start == at => format!("{}:{name}", self.name),
            Some((start, _, name)) => format!("{}:{name}+{:#x}", self.name, at - start),
            None => format!("{}:{at:#x}", self.name),
        }
    }
}

/// The address that the file begins at, and its functions.
fn symbols(path: &Path) -> Option<(u64, Vec<Function>)> {
    let bytes = std::fs::read(path).ok()?;
    let elf = Elf::parse(&bytes).ok()?;
    let first = elf.program_headers.iter().find(|p| p.p_type == goblin::elf::program_header::PT_LOAD)?;
    let tables = [(&elf.syms, &elf.strtab), (&elf.dynsyms, &elf.dynstrtab)];
    let functions = tables.into_iter().flat_map(|(symbols, names)| {
        let defined =
            |s: &sym::Sym| s.st_shndx != 0 && matches!(s.st_type(), sym::STT_FUNC | sym::STT_GNU_IFUNC | sym::STT_NOTYPE);
        let functions = symbols.iter().filter(defined);
        // Mapping symbols ($x, $d) are no functions.
        functions
            .filter_map(|s| Some((s.st_value, s.st_size, names.get_at(s.st_name)?)))
            .filter(|s| !s.2.is_empty() && !s.2.starts_with('$'))
    });
    let mut all: Vec<Function> = functions.map(|(at, size, name)| (at, size, name.replace(char::is_whitespace, "_"))).collect();
    all.sort();
    all.dedup_by_key(|s| (s.0, s.1));
    Some((first.p_vaddr.wrapping_sub(first.p_offset), all))
}
