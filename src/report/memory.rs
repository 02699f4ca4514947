//! The guest's memory as a report needs it: mappings, and the ELF files among them. Everything is read from the guest by guarded copies, and
//! nothing of it is believed: sizes are limited, lists may be circles.

use std::ops::Range;
use syscalls::topics::mem::vma::{Attr, Prot};
use syscalls::topics::procfs;
use syscalls::{GuestAddr, Thread};

/// A mapping, as the guest sees it.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Addresses.
    pub range: Range<u64>,
    /// What the guest may do there.
    pub prot: Prot,
    /// Bits of [`Attr`].
    pub flags: u8,
    /// MAP_SHARED, as far as is known.
    pub shared: bool,
    /// Offset in the file, if it is one.
    pub file: Option<u64>,
    /// The file's path or the kernel's word for it; may be empty.
    pub name: Vec<u8>,
}

/// An ELF file in memory.
#[derive(Clone, Debug)]
pub struct Module {
    /// From its header to its end.
    pub range: Range<u64>,
    /// What to add to its own addresses.
    pub bias: u64,
    /// Path, as the guest knows it; may be empty.
    pub path: Vec<u8>,
    /// PT_GNU_EH_FRAME in memory.
    pub eh_frame_hdr: Range<u64>,
    /// PT_DYNAMIC in memory.
    pub dynamic: u64,
}

/// Mappings and modules, by address.
#[derive(Debug, Default)]
pub struct Memory {
    /// All mappings.
    pub mappings: Vec<Mapping>,
    /// All ELF files.
    pub modules: Vec<Module>,
    /// Where files are mapped is known.
    pub has_files: bool,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
const DT_DEBUG: u64 = 21;
/// Program headers, dynamic entries and link maps to look at, at most.
const MAX_PHDRS: u16 = 64;
const MAX_DYNAMIC: u64 = 256;
const MAX_LINKS: usize = 4096;

/// A word of guest memory.
pub fn word(at: u64) -> Option<u64> {
    GuestAddr(at).read::<u64>().ok()
}

impl Memory {
    /// Of a thread's process.
    pub fn of(thread: &Thread) -> Memory {
        let mut memory = Memory::default();
        thread.mem.catch_up_all();
        let own = thread.mem.mappings();
        match procfs::own_maps(thread) {
            Some(text) => {
                memory.has_files = true;
                memory.mappings = String::from_utf8_lossy(&text).lines().filter_map(parse_line).collect();
                for m in &mut memory.mappings {
                    let i = own.partition_point(|v| v.end <= m.range.start);
                    m.flags = own.get(i).filter(|v| v.start <= m.range.start).map_or(0, |v| v.attr.flags);
                }
            }
            None => {
                let mapping = |v: &syscalls::topics::mem::vma::Vma| Mapping {
                    range: v.start..v.end,
                    prot: v.attr.prot,
                    flags: v.attr.flags,
                    shared: false,
                    file: None,
                    name: if v.attr.flags & Attr::STACK != 0 { b"[stack]".to_vec() } else { Vec::new() },
                };
                memory.mappings = own.iter().map(mapping).collect();
            }
        }
        memory.find_modules(thread);
        memory
    }

    /// The mapping at an address.
    pub fn mapping(&self, at: u64) -> Option<&Mapping> {
        let i = self.mappings.partition_point(|m| m.range.end <= at);
        self.mappings.get(i).filter(|m| m.range.contains(&at))
    }

    /// The mappings below and above an address that has none.
    pub fn neighbours(&self, at: u64) -> (Option<&Mapping>, Option<&Mapping>) {
        let i = self.mappings.partition_point(|m| m.range.end <= at);
        (i.checked_sub(1).map(|i| &self.mappings[i]), self.mappings.get(i))
    }

    /// Whether instructions may be fetched there.
    pub fn executable(&self, at: u64) -> bool {
        self.mapping(at).is_some_and(|m| m.prot.exec())
    }

    /// The module around an address.
    pub fn module(&self, at: u64) -> Option<&Module> {
        let i = self.modules.partition_point(|m| m.range.start <= at).checked_sub(1)?;
        Some(&self.modules[i]).filter(|m| m.range.contains(&at))
    }

    /// Each mapping that begins with an ELF header is a module's first.
    fn find_modules(&mut self, thread: &Thread) {
        let links = link_maps(thread);
        for m in self.mappings.iter().filter(|m| m.prot.0 & (Prot::READ | Prot::EXEC) != 0 && m.file.unwrap_or(0) == 0) {
            let Some(mut module) = module_at(m.range.start) else { continue };
            let linked = || links.iter().find(|l| l.0 == module.bias && !l.1.is_empty()).map(|l| l.1.clone());
            module.path = match m.file {
                Some(_) => m.name.clone(),
                None if thread.mem.vdso().contains(&m.range.start) => b"[vdso]".to_vec(),
                None if module.dynamic != 0 && Some(module.dynamic) != main_dynamic(thread) => linked().unwrap_or_default(),
                None => thread.process.exe.clone(),
            };
            self.modules.push(module);
        }
    }
}

/// A line of /proc/self/maps.
fn parse_line(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let hex = |s: &str| u64::from_str_radix(s, 16).ok();
    let perms = words.next()?.as_bytes();
    let offset = hex(words.next()?)?;
    let inode = words.nth(1)?;
    let name = words.next().unwrap_or("").trim_start().as_bytes().to_vec();
    let bit = |i: usize, c: u8, bit: u8| if perms.get(i) == Some(&c) { bit } else { 0 };
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        prot: Prot(bit(0, b'r', Prot::READ) | bit(1, b'w', Prot::WRITE) | bit(2, b'x', Prot::EXEC)),
        flags: 0,
        shared: perms.get(3) == Some(&b's'),
        file: (inode != "0").then_some(offset),
        name,
    })
}

/// The ELF file whose header is at `base`.
fn module_at(base: u64) -> Option<Module> {
    let header = GuestAddr(base).read::<[u8; 64]>().ok().filter(|h| h.starts_with(b"\x7fELF\x02\x01"))?;
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let phoff = u64::from_le_bytes(header[32..40].try_into().ok()?);
    let phdrs = program_headers(base.wrapping_add(phoff), half(56));
    let first = phdrs.iter().filter(|p| p[0] as u32 == PT_LOAD).map(|p| p[2]).min()?;
    let end = phdrs.iter().filter(|p| p[0] as u32 == PT_LOAD).map(|p| p[2].saturating_add(p[5])).max()?;
    let bias = base.wrapping_sub(first & !4095);
    let end = bias.wrapping_add(end);
    let find = |kind: u32| phdrs.iter().find(|p| p[0] as u32 == kind).map(|p| (bias.wrapping_add(p[2]), p[5]));
    let (hdr, len) = find(PT_GNU_EH_FRAME).unwrap_or((0, 0));
    (end > base).then(|| Module {
        range: base..end,
        bias,
        path: Vec::new(),
        eh_frame_hdr: hdr..hdr.saturating_add(len),
        dynamic: find(PT_DYNAMIC).map_or(0, |d| d.0),
    })
}

/// Program headers as words: type and flags, offset, address, physical address, size in the file and in memory, alignment.
fn program_headers(at: u64, count: u16) -> Vec<[u64; 7]> {
    let header = |i: u64| GuestAddr(at.wrapping_add(i * 56)).read::<[u64; 7]>().ok();
    (0..u64::from(count.min(MAX_PHDRS))).map_while(header).collect()
}

fn auxv(thread: &Thread, key: u64) -> Option<u64> {
    thread.process.auxv.iter().find(|e| e.0 == key).map(|e| e.1)
}

/// Where the main program's PT_DYNAMIC is. Its bias is what PT_PHDR, or its header, is away from where it says.
fn main_dynamic(thread: &Thread) -> Option<u64> {
    const PT_PHDR: u32 = 6;
    let at = auxv(thread, AT_PHDR)?;
    let phdrs = program_headers(at, auxv(thread, AT_PHNUM)? as u16);
    let own = phdrs.iter().find(|p| p[0] as u32 == PT_PHDR)?;
    let dynamic = phdrs.iter().find(|p| p[0] as u32 == PT_DYNAMIC)?;
    Some(at.wrapping_sub(own[2]).wrapping_add(dynamic[2]))
}

/// The dynamic linker's list of what it has loaded: bias and path.
fn link_maps(thread: &Thread) -> Vec<(u64, Vec<u8>)> {
    let debug = || {
        let at = main_dynamic(thread)?;
        let entry = |i: u64| GuestAddr(at.wrapping_add(i * 16)).read::<[u64; 2]>().ok().filter(|e| e[0] != 0);
        (0..MAX_DYNAMIC).map_while(entry).find(|e| e[0] == DT_DEBUG).map(|e| e[1])
    };
    let mut out = Vec::new();
    let mut at = debug().and_then(|d| word(d.wrapping_add(8))).unwrap_or(0);
    while at != 0 && out.len() < MAX_LINKS {
        let Ok([bias, name, _, next]) = GuestAddr(at).read::<[u64; 4]>() else { break };
        out.push((bias, GuestAddr(name).read_cstr(4095).unwrap_or_default()));
        at = next;
    }
    out
}
