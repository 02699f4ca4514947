//! ELF headers, read and judged as `fs/binfmt_elf.c` does: the same checks, in the same order, with the same errors.

use crate::errno::Errno;
use goblin::elf::header::{self, ELFMAG, EM_386, EM_AARCH64, EM_ARM, EM_X86_64, ET_DYN, ET_EXEC};
use goblin::elf::program_header::{PT_GNU_STACK, PT_INTERP, PT_LOAD};
use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of a program that the kernel reads before it asks a binary format (`BINPRM_BUF_SIZE`).
pub const HEAD: usize = 256;
/// The page size of guest and host.
pub const PAGE: u64 = 4096;
/// First address that the host has for no program.
pub const TASK_SIZE: u64 = if cfg!(target_arch = "x86_64") { (1 << 47) - PAGE } else { 1 << 48 };

const EHDR: usize = 64;
const PHDR: usize = 56;
const PATH_MAX: u64 = 4096;

/// An architecture that this project knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    /// AArch64.
    Arm64,
    /// x86-64.
    Amd64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 2] = [Arch::Arm64, Arch::Amd64];
    /// The machine that this program runs on.
    pub const HOST: Arch = if cfg!(target_arch = "x86_64") { Arch::Amd64 } else { Arch::Arm64 };
    /// The other: its programs need us. (For tests we translate those of the host, too; which one a guest is, its file says.)
    pub const FOREIGN: Arch = if cfg!(target_arch = "x86_64") { Arch::Arm64 } else { Arch::Amd64 };

    /// As Debian, Go and Docker call it.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::Arm64 => "arm64",
            Arch::Amd64 => "amd64",
        }
    }

    /// As `uname -m` and AT_PLATFORM call it.
    pub const fn machine_name(self) -> &'static str {
        match self {
            Arch::Arm64 => "aarch64",
            Arch::Amd64 => "x86_64",
        }
    }

    /// `e_machine`.
    pub const fn machine(self) -> u16 {
        match self {
            Arch::Arm64 => EM_AARCH64,
            Arch::Amd64 => EM_X86_64,
        }
    }

    /// Whose program a file is that begins so, as far as `e_machine` says.
    pub fn of(head: &[u8; HEAD]) -> Option<Arch> {
        Arch::ALL.into_iter().find(|a| head.starts_with(ELFMAG) && a.machine() == le16(head, 18))
    }

    /// Whether a kernel of this architecture runs programs for `machine` by itself (its 32-bit programs included).
    fn runs(self, machine: u16) -> bool {
        match self {
            Arch::Arm64 => matches!(machine, EM_AARCH64 | EM_ARM),
            Arch::Amd64 => matches!(machine, EM_X86_64 | EM_386),
        }
    }
}

/// Why a program can't be run: the kernel's error number, and what a person wants to know beyond it.
#[derive(Debug)]
pub struct ExecError {
    /// What execve would return.
    pub errno: Errno,
    /// More words.
    pub detail: Option<String>,
}

impl ExecError {
    /// An error with an explanation.
    pub fn new(errno: i32, detail: impl Into<String>) -> ExecError {
        ExecError { errno: Errno(errno), detail: Some(detail.into()) }
    }

    /// The status that a shell would exit with: 127 when something is not found, 126 when it can't be run.
    pub fn exit_status(&self) -> i32 {
        if self.errno.0 == libc::ENOENT {
            127
        } else {
            126
        }
    }
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> ExecError {
        ExecError { errno, detail: None }
    }
}

impl std::fmt::Display for ExecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(d) => write!(f, "{}: {d}", self.errno),
            None => write!(f, "{}", self.errno),
        }
    }
}

/// One program header.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub vaddr: u64,
    /// `p_filesz`.
    pub filesz: u64,
    /// `p_memsz`.
    pub memsz: u64,
    /// `p_align`.
    pub align: u64,
}

/// An ELF header with its program headers, checked as far as the kernel checks before it lets go of the old program.
#[derive(Clone, Debug)]
pub struct Elf {
    /// ET_EXEC: it wants its own addresses (otherwise it is ET_DYN).
    pub fixed: bool,
    /// `e_entry`.
    pub entry: u64,
    /// `e_phoff`.
    pub phoff: u64,
    /// The program headers.
    pub segments: Vec<Segment>,
}

impl Elf {
    /// The PT_LOAD segments.
    pub fn loads(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|s| s.kind == PT_LOAD)
    }

    /// Bytes from the first loaded page to the end of the last segment, or `None` when nothing is loaded.
    pub fn total_size(&self) -> Option<u64> {
        let low = self.loads().map(|s| page_start(s.vaddr)).min()?;
        let high = self.loads().map(|s| s.vaddr.wrapping_add(s.memsz)).max()?;
        high.checked_sub(low).filter(|&n| n != 0)
    }

    /// The largest alignment asked for, in whole pages; values that are not powers of two don't count.
    pub fn alignment(&self) -> u64 {
        let largest = self.loads().map(|s| s.align).filter(|a| a.is_power_of_two()).max().unwrap_or(0);
        page_align(largest).unwrap_or(PAGE).max(PAGE)
    }

    /// Whether PT_GNU_STACK asks for an executable stack.
    pub fn executable_stack(&self) -> bool {
        self.segments.iter().rev().find(|s| s.kind == PT_GNU_STACK).is_some_and(|s| s.flags & 1 != 0)
    }
}

/// Round down to a page.
pub const fn page_start(v: u64) -> u64 {
    v & !(PAGE - 1)
}

/// Offset in its page.
pub const fn page_offset(v: u64) -> u64 {
    v & (PAGE - 1)
}

/// Round up to a page.
pub fn page_align(v: u64) -> Option<u64> {
    Some(page_start(v.checked_add(PAGE - 1)?))
}

/// Whether these first bytes of a file are a program that the host's kernel runs without us.
pub fn is_native(head: &[u8; HEAD]) -> bool {
    head.starts_with(ELFMAG) && Arch::HOST.runs(le16(head, 18))
}

/// Parse a main program from its first bytes. Every failure is ENOEXEC here.
pub fn parse_program(file: &File, head: &[u8; HEAD]) -> Result<(Arch, Elf), ExecError> {
    let noexec = |d: String| ExecError::new(libc::ENOEXEC, d);
    if !head.starts_with(ELFMAG) {
        return Err(noexec("neither an ELF program nor a script with #!".into()));
    }
    let kind = le16(head, 16);
    if kind != ET_EXEC && kind != ET_DYN && head[5] != 2 {
        return Err(noexec(format!("an ELF file that is not a program ({})", header::et_to_str(kind))));
    }
    let Some(arch) = Arch::of(head) else {
        return Err(noexec(format!("program for {}; this binary runs {}", machine_name(head), Arch::FOREIGN.name())));
    };
    Ok((arch, read_headers(file, head).map_err(noexec)?))
}

/// Parse a program's ELF interpreter (`ld.so`). Every failure but a failing read is ELIBBAD.
pub fn parse_interpreter(file: &File, arch: Arch) -> Result<Elf, ExecError> {
    let mut head = [0u8; HEAD];
    let n = read_at_most(file, &mut head, 0)?;
    if n < EHDR {
        return Err(ExecError::new(libc::EIO, "the file is too short"));
    }
    let bad = |d: String| ExecError::new(libc::ELIBBAD, d);
    if !head.starts_with(ELFMAG) {
        return Err(bad("not an ELF file".into()));
    }
    if le16(&head, 18) != arch.machine() {
        return Err(bad(format!("built for {}, the program for {}", machine_name(&head), arch.name())));
    }
    read_headers(file, &head).map_err(bad)
}

/// The path in PT_INTERP, if there is one.
pub fn interpreter_path(file: &File, elf: &Elf) -> Result<Option<CString>, ExecError> {
    let Some(s) = elf.segments.iter().find(|s| s.kind == PT_INTERP) else { return Ok(None) };
    if s.filesz > PATH_MAX || s.filesz < 2 {
        return Err(ExecError::new(libc::ENOEXEC, "the name of its interpreter is too long or empty"));
    }
    let mut path = vec![0u8; s.filesz as usize];
    if read_at_most(file, &mut path, s.offset)? != path.len() {
        return Err(ExecError::new(libc::EIO, "the file ends before the name of its interpreter"));
    }
    if path.pop() != Some(0) {
        return Err(ExecError::new(libc::ENOEXEC, "the name of its interpreter is not terminated"));
    }
    path.truncate(path.iter().position(|&b| b == 0).unwrap_or(path.len()));
    Ok(CString::new(path).ok())
}

fn read_headers(file: &File, head: &[u8; HEAD]) -> Result<Elf, String> {
    let phnum = le16(head, 56) as usize;
    if le16(head, 54) as usize != PHDR || phnum == 0 || phnum * PHDR > 65536 {
        return Err("malformed ELF header".into());
    }
    let mut table = vec![0u8; phnum * PHDR];
    let phoff = le64(head, 32);
    match read_at_most(file, &mut table, phoff) {
        Ok(n) if n == table.len() => {}
        _ => return Err("truncated or malformed ELF file".into()),
    }
    let segments = table.chunks_exact(PHDR).map(segment).collect();
    Ok(Elf { fixed: le16(head, 16) == ET_EXEC, entry: le64(head, 24), phoff, segments })
}

fn segment(b: &[u8]) -> Segment {
    Segment {
        kind: le32(b, 0),
        flags: le32(b, 4),
        offset: le64(b, 8),
        vaddr: le64(b, 16),
        filesz: le64(b, 32),
        memsz: le64(b, 40),
        align: le64(b, 48),
    }
}

/// Read until the buffer is full or the file ends.
pub fn read_at_most(file: &File, buf: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < buf.len() {
        let Some(at) = offset.checked_add(done as u64) else { return Err(Errno(libc::EINVAL)) };
        match file.read_at(&mut buf[done..], at) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(done)
}

/// What a file's header says it was built for, in the words that packages use.
fn machine_name(head: &[u8]) -> String {
    let (wide, little) = (head[4] == 2, head[5] != 2);
    let raw = [head[18], head[19]];
    let machine = if little { u16::from_le_bytes(raw) } else { u16::from_be_bytes(raw) };
    let name = match (machine, wide, little) {
        (EM_AARCH64, true, true) => "arm64",
        (EM_AARCH64, true, false) => "big-endian arm64",
        (EM_AARCH64, false, _) => "arm64 (ILP32)",
        (EM_X86_64, true, _) => "amd64",
        (EM_X86_64, false, _) => "x32",
        (EM_386, ..) => "i386",
        (EM_ARM, ..) => "arm (32 bits)",
        (header::EM_RISCV, true, _) => "riscv64",
        (header::EM_RISCV, false, _) => "riscv32",
        (header::EM_PPC64, _, true) => "ppc64el",
        (header::EM_PPC64, _, false) => "ppc64",
        (header::EM_PPC, ..) => "powerpc",
        (header::EM_S390, ..) => "s390x",
        (header::EM_MIPS, true, true) => "mips64el",
        (header::EM_MIPS, true, false) => "mips64",
        (header::EM_MIPS, false, true) => "mipsel",
        (header::EM_MIPS, false, false) => "mips",
        (header::EM_SPARCV9, ..) => "sparc64",
        (258, ..) => "loong64",
        _ => return format!("an unknown machine (number {machine})"),
    };
    name.into()
}

fn le16(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn le32(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn le64(b: &[u8], at: usize) -> u64 {
    le32(b, at) as u64 | (le32(b, at + 4) as u64) << 32
}
