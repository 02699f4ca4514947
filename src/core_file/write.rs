//! The file: an ELF core as `fs/binfmt_elf.c` of the guest's kernel lays it out.

use crate::guest::Guest;
use crate::report::memory::{Mapping, Memory};
use crate::thread::Task;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use syscalls::topics::mem::vma::{Attr, PAGE};
use syscalls::topics::signal::SigInfo;
use syscalls::{sys, Context, Machine};

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;
const EHDR: u64 = 64;
const PHDR: u64 = 56;
const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// More program headers would need another form.
const MOST_SEGMENTS: usize = 65_000;
/// Bytes to copy at once.
const PIECE: usize = 1 << 20;

/// Bits of /proc/self/coredump_filter.
const ANON_PRIVATE: u32 = 1 << 0;
const ANON_SHARED: u32 = 1 << 1;
const FILE_PRIVATE: u32 = 1 << 2;
const FILE_SHARED: u32 = 1 << 3;
const ELF_HEADERS: u32 = 1 << 4;
const FILTER_DEFAULT: u32 = 0x33;

/// What goes into a core.
pub struct Core<'a> {
    pub task: &'a Task,
    pub info: &'a SigInfo,
    /// The other threads.
    pub threads: Vec<(i32, Context)>,
    pub memory: &'a Memory,
    /// RLIMIT_CORE.
    pub limit: u64,
}

/// Appends fields.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(&mut self, v: u16) -> &mut Bytes {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn u32(&mut self, v: u32) -> &mut Bytes {
        self.0.extend(v.to_le_bytes());
        self
    }
    fn u64(&mut self, v: u64) -> &mut Bytes {
        self.0.extend(v.to_le_bytes());
        self
    }
    /// A string in a field of a size, terminated.
    fn text(&mut self, text: &[u8], size: usize) -> &mut Bytes {
        let n = text.len().min(size - 1);
        self.0.extend(&text[..n]);
        self.pad(self.0.len() + size - n)
    }
    fn pad(&mut self, to: usize) -> &mut Bytes {
        self.0.resize(to.max(self.0.len()), 0);
        self
    }
    fn note(&mut self, kind: u32, body: &[u8]) {
        self.note_of(b"CORE\0", kind, body);
    }
    fn note_of(&mut self, name: &[u8], kind: u32, body: &[u8]) {
        self.u32(name.len() as u32).u32(body.len() as u32).u32(kind);
        for part in [name, body] {
            self.0.extend(part);
            self.pad(self.0.len().next_multiple_of(4));
        }
    }
}

/// A segment of memory: where, and how much of it is in the file.
struct Segment<'a> {
    mapping: &'a Mapping,
    bytes: u64,
}

impl Core<'_> {
    fn guest(&self) -> &'static Guest {
        self.task.vcpu.runtime.guest
    }

    /// Write it, as much as the limit allows.
    pub fn write(&self, file: &File) -> io::Result<()> {
        let segments = self.segments();
        let mut notes = Bytes::default();
        self.notes(&mut notes);
        let count = segments.len() as u64 + 1;
        let notes_at = EHDR + count * PHDR;
        let data = (notes_at + notes.0.len() as u64).next_multiple_of(PAGE);
        let mut head = Bytes::default();
        head.0.extend(b"\x7fELF\x02\x01\x01");
        head.pad(16).u16(ET_CORE).u16(self.guest().arch.machine()).u32(1).u64(0).u64(EHDR).u64(0);
        head.u32(0).u16(EHDR as u16).u16(PHDR as u16).u16(count as u16).u16(0).u16(0).u16(0);
        head.u32(PT_NOTE).u32(0).u64(notes_at).u64(0).u64(0).u64(notes.0.len() as u64).u64(0).u64(4);
        let mut at = data;
        for s in &segments {
            let range = &s.mapping.range;
            // ELF's order of the bits is the other way round.
            let p = s.mapping.prot.0;
            let flags = u32::from((p & 1) << 2 | p & 2 | p >> 2 & 1);
            head.u32(PT_LOAD).u32(flags).u64(at).u64(range.start).u64(0).u64(s.bytes).u64(range.end - range.start).u64(PAGE);
            at += s.bytes;
        }
        head.0.extend(&notes.0);
        head.0.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        file.write_all_at(&head.0, 0)?;
        self.copy(file, &segments, data)?;
        // Holes at the end belong to it.
        file.set_len(at.min(self.limit).max(head.0.len() as u64))
    }

    /// The memory, through the kernel's eyes: protection doesn't matter there, and what was never touched stays a hole.
    fn copy(&self, file: &File, segments: &[Segment<'_>], data: u64) -> io::Result<()> {
        let memory = File::open("/proc/self/mem")?;
        let pages = File::open("/proc/self/pagemap").ok();
        let mut at = data;
        let mut piece = vec![0u8; PIECE];
        let mut map = vec![0u8; PIECE / PAGE as usize * 8];
        for s in segments {
            let start = s.mapping.range.start;
            for offset in (0..s.bytes).step_by(PIECE) {
                let n = (s.bytes - offset).min(PIECE as u64).min(self.limit.saturating_sub(at + offset)) as usize;
                let count = n.div_ceil(PAGE as usize);
                let from = (start + offset) / PAGE * 8;
                let known = pages.as_ref().is_some_and(|p| p.read_exact_at(&mut map[..count * 8], from).is_ok());
                // Neither present nor swapped out.
                let absent = |page: usize| known && s.mapping.file.is_none() && map[page * 8 + 7] & 0xc0 == 0;
                let mut page = 0;
                while page < count {
                    let end = (page + 1..count).find(|&p| absent(p) != absent(page)).unwrap_or(count);
                    if !absent(page) {
                        let run = page * PAGE as usize..(end * PAGE as usize).min(n);
                        read_run(&memory, &mut piece[run.clone()], start + offset + run.start as u64);
                        write_sparse(file, &piece[run.clone()], at + offset + run.start as u64)?;
                    }
                    page = end;
                }
            }
            at += s.bytes;
        }
        Ok(())
    }

    fn segments(&self) -> Vec<Segment<'_>> {
        let filter = std::fs::read_to_string("/proc/self/coredump_filter").ok();
        let filter = filter.and_then(|t| u32::from_str_radix(t.trim(), 16).ok()).unwrap_or(FILTER_DEFAULT);
        let changed = changed_ranges();
        let all = self.memory.mappings.iter().take(MOST_SEGMENTS);
        all.map(|m| Segment { mapping: m, bytes: dumped_bytes(m, filter, &changed) }).collect()
    }

    fn notes(&self, out: &mut Bytes) {
        let own = self.task.vcpu.context();
        let debug = &self.guest().debug;
        let thread = &self.task.thread;
        out.note(NT_PRSTATUS, &prstatus(thread.tid, &(debug.gregs)(&own), self.info, thread.signals.mask()));
        out.note(NT_PRPSINFO, &self.prpsinfo());
        let mut info = Bytes::default();
        info.u32(self.info.signo as u32).u32(self.info.errno as u32).u32(self.info.code as u32).u32(0);
        self.info.rest.iter().for_each(|&w| info.0.extend(w.to_le_bytes()));
        out.note(NT_SIGINFO, &info.0);
        let auxv: Vec<u8> = thread.process.auxv.iter().flat_map(|&(k, v)| [k.to_le_bytes(), v.to_le_bytes()]).flatten().collect();
        out.note(NT_AUXV, &auxv);
        out.note(NT_FILE, &self.files());
        let registers = |out: &mut Bytes, c: &Context| {
            out.note(NT_FPREGSET, &(debug.fpregs)(c));
            (debug.notes)(c).iter().for_each(|(kind, body)| out.note_of(b"LINUX\0", *kind, body));
        };
        registers(out, &own);
        for (tid, context) in &self.threads {
            out.note(NT_PRSTATUS, &prstatus(*tid, &(debug.gregs)(context), self.info, 0));
            registers(out, context);
        }
    }

    fn prpsinfo(&self) -> Vec<u8> {
        let process = &self.task.thread.process;
        let mut b = Bytes::default();
        b.0.extend([0, b'R', 0, 0]);
        b.pad(8).u64(0).u32(number(libc::SYS_getuid)).u32(number(libc::SYS_getgid));
        ids(&mut b, number(libc::SYS_getpid));
        let name = std::fs::read("/proc/self/comm").unwrap_or_default();
        b.text(name.strip_suffix(b"\n").unwrap_or(&name), 16);
        b.text(&process.argv.join(&b' '), 80);
        b.0
    }

    fn files(&self) -> Vec<u8> {
        let mut b = Bytes::default();
        let files: Vec<_> = self.memory.mappings.iter().filter_map(|m| Some((m, m.file?))).collect();
        b.u64(files.len() as u64).u64(PAGE);
        for (m, offset) in &files {
            b.u64(m.range.start).u64(m.range.end).u64(offset / PAGE);
        }
        for (m, _) in &files {
            b.0.extend(&m.name);
            b.0.push(0);
        }
        b.0
    }
}

/// How much of a mapping is dumped (`vma_dump_size`).
fn dumped_bytes(m: &Mapping, filter: u32, changed: &[(u64, u64)]) -> u64 {
    let size = m.range.end - m.range.start;
    let has = |bit: u32| filter & bit != 0;
    if m.name == b"[vdso]" {
        return size;
    }
    if m.flags & Attr::DONTDUMP != 0 || m.name == b"[vvar]" {
        return 0;
    }
    let Some(offset) = m.file else {
        return if has(if m.shared { ANON_SHARED } else { ANON_PRIVATE }) { size } else { 0 };
    };
    let written = || changed.iter().any(|&(start, end)| start < m.range.end && m.range.start < end);
    match m.shared {
        true if has(FILE_SHARED) => size,
        false if has(FILE_PRIVATE) || has(ANON_PRIVATE) && written() => size,
        false if has(ELF_HEADERS) && offset == 0 && is_elf(m.range.start) => PAGE.min(size),
        _ => 0,
    }
}

fn is_elf(at: u64) -> bool {
    syscalls::GuestAddr(at).read::<[u8; 4]>() == Ok(*b"\x7fELF")
}

/// Mappings with pages of their own, by /proc/self/smaps.
fn changed_ranges() -> Vec<(u64, u64)> {
    let text = std::fs::read("/proc/self/smaps").unwrap_or_default();
    let mut ranges = Vec::new();
    let mut current = None;
    for line in String::from_utf8_lossy(&text).lines() {
        let hex = |s: &str| u64::from_str_radix(s, 16).ok();
        let range = line.split(' ').next().and_then(|w| w.split_once('-')).and_then(|(a, b)| Some((hex(a)?, hex(b)?)));
        if range.is_some() {
            current = range;
        } else if let Some(value) = line.strip_prefix("Anonymous:") {
            let some = value.trim().trim_end_matches(" kB") != "0";
            ranges.extend(current.filter(|_| some));
        }
    }
    ranges
}

/// A number that a call without arguments returns.
fn number(nr: i64) -> u32 {
    // SAFETY: asks for a number.
    unsafe { sys::raw(nr, [0; 6]) as u32 }
}

/// pid, ppid, pgrp, sid.
fn ids(b: &mut Bytes, pid: u32) {
    // Without an argument, of the calling process.
    b.u32(pid).u32(number(libc::SYS_getppid)).u32(number(libc::SYS_getpgid)).u32(number(libc::SYS_getsid));
}

/// `struct elf_prstatus`.
fn prstatus(tid: i32, registers: &[u8], info: &SigInfo, mask: u64) -> Vec<u8> {
    let mut b = Bytes::default();
    b.u32(info.signo as u32).u32(info.code as u32).u32(info.errno as u32).u16(info.signo as u16).pad(16).u64(0).u64(mask);
    ids(&mut b, tid as u32);
    // Times.
    b.pad(112);
    b.0.extend(registers);
    b.u32(1).u32(0);
    b.0
}

/// Read memory; a page that can't be read is zero.
fn read_run(memory: &File, bytes: &mut [u8], at: u64) {
    if memory.read_exact_at(bytes, at).is_ok() {
        return;
    }
    for (n, page) in bytes.chunks_mut(PAGE as usize).enumerate() {
        if memory.read_exact_at(page, at + n as u64 * PAGE).is_err() {
            page.fill(0);
        }
    }
}

/// Write what isn't zero, page by page.
fn write_sparse(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let page = PAGE as usize;
    let mut start = 0;
    while start < bytes.len() {
        let zero = |i: usize| bytes[i..(i + page).min(bytes.len())].iter().all(|&b| b == 0);
        if zero(start) {
            start += page;
            continue;
        }
        let mut end = start + page;
        while end < bytes.len() && !zero(end) {
            end += page;
        }
        file.write_all_at(&bytes[start..end.min(bytes.len())], at + start as u64)?;
        start = end;
    }
    Ok(())
}
