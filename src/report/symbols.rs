//! Names for addresses, from the symbol tables of ELF files on disk. Files are read in pieces of limited size; a broken one has no names.

use super::memory::Module;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use syscalls::GuestAddr;

const SHT_SYMTAB: u32 = 2;
const SHT_DYNSYM: u32 = 11;
const SECTION: usize = 64;
const SYMBOL: usize = 24;
/// Sections, and bytes of a symbol table, to look at.
const MAX_SECTIONS: usize = 4096;
const MAX_TABLE: u64 = 24 << 20;
/// Bytes of a name.
const MAX_NAME: usize = 256;
/// A symbol without a size is believed for so many bytes.
const REACH: u64 = 1 << 16;

/// A symbol and the distance from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// How far the address is behind its start.
    pub offset: u64,
}

/// An opened file's symbol tables: offset and size of the symbols, offset and size of the names.
struct Tables {
    file: File,
    tables: Vec<[u64; 4]>,
}

/// Symbols of modules, opened as they are needed.
#[derive(Default)]
pub struct Symbols {
    opened: Vec<(u64, Option<Tables>)>,
}

impl Symbols {
    /// The symbol that covers an address of a module.
    pub fn find(&mut self, module: &Module, at: u64) -> Option<Symbol> {
        let base = module.range.start;
        let i = match self.opened.iter().position(|o| o.0 == base) {
            Some(i) => i,
            None => {
                self.opened.push((base, Tables::open(module)));
                self.opened.len() - 1
            }
        };
        let tables = self.opened[i].1.as_ref()?;
        let address = at.wrapping_sub(module.bias);
        tables.tables.iter().find_map(|t| tables.search(t, address))
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

impl Tables {
    fn open(module: &Module) -> Option<Tables> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&module.path));
        if !path.is_absolute() {
            return None;
        }
        // Whatever has this name by now: a FIFO must not hold us up.
        let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
        let meta = file.metadata().ok().filter(|m| m.is_file())?;
        let mut header = [0u8; 64];
        file.read_exact_at(&mut header, 0).ok()?;
        // Another file by now?
        if GuestAddr(module.range.start).read::<[u8; 64]>().ok()? != header {
            return None;
        }
        let (offset, size) = (word(&header, 40), usize::from(u16::from_le_bytes([header[58], header[59]])));
        let count = usize::from(u16::from_le_bytes([header[60], header[61]])).min(MAX_SECTIONS);
        if size != SECTION {
            return None;
        }
        let mut sections = vec![0u8; count * SECTION];
        file.read_exact_at(&mut sections, offset).ok()?;
        let section = |i: usize| sections.get(i * SECTION..(i + 1) * SECTION);
        let table = |kind: u32| {
            let s = sections.chunks_exact(SECTION).find(|s| half(s, 4) == kind)?;
            let names = section(half(s, 40) as usize)?;
            let inside = |s: &[u8]| word(s, 24).checked_add(word(s, 32)).is_some_and(|end| end <= meta.len());
            (inside(s) && inside(names)).then(|| [word(s, 24), word(s, 32).min(MAX_TABLE), word(names, 24), word(names, 32)])
        };
        let tables = [SHT_SYMTAB, SHT_DYNSYM].into_iter().filter_map(table).collect();
        Some(Tables { file, tables })
    }

    /// The nearest symbol at or below the address: one that covers it, or has no size.
    fn search(&self, &[offset, size, names, names_size]: &[u64; 4], address: u64) -> Option<Symbol> {
        let mut best: Option<(u64, bool, u32)> = None;
        let mut piece = vec![0u8; SYMBOL * 4096];
        let mut at = 0;
        while at + SYMBOL as u64 <= size {
            let n = piece.len().min((size - at) as usize);
            self.file.read_exact_at(&mut piece[..n], offset + at).ok()?;
            at += n as u64;
            for s in piece[..n].chunks_exact(SYMBOL) {
                let (kind, shndx, value, len) = (s[4] & 15, u16::from_le_bytes([s[6], s[7]]), word(s, 8), word(s, 16));
                // No type, function, indirect function; defined; and no mapping symbols ($x, $d), which come without a type.
                if !matches!(kind, 0 | 2 | 10) || shndx == 0 || value > address || kind == 0 && s[4] >> 4 == 0 {
                    continue;
                }
                let reach = if len == 0 { REACH } else { len };
                if address - value >= reach {
                    continue;
                }
                let candidate = (value, len != 0, half(s, 0));
                if best.is_none_or(|b| (candidate.0, candidate.1) > (b.0, b.1)) {
                    best = Some(candidate);
                }
            }
        }
        let (value, _, name) = best?;
        let n = names_size.checked_sub(u64::from(name))?.min(MAX_NAME as u64) as usize;
        let mut text = vec![0u8; n];
        self.file.read_exact_at(&mut text, names + u64::from(name)).ok()?;
        text.truncate(text.iter().position(|&b| b == 0).unwrap_or(n));
        (!text.is_empty()).then(|| Symbol { name: super::printable(&text), offset: address - value })
    }
}
