//! The initial stack: arguments, environment and auxiliary vector, laid out as `setup_arg_pages`, `copy_strings` and
//! `create_elf_tables` do it; and the auxiliary vector that this process itself was given.

use crate::elf::{self, page_align, page_start, PAGE};
use crate::errno::Errno;
use crate::image::Text;
use crate::loader::{GuestMmap, Label, Layout};
use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, MAP_STACK, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE};
use std::ffi::CStr;

/// `AT_FLAGS`: argv\[0\] was preserved (binfmt_misc flag P).
pub const AT_FLAGS_PRESERVE_ARGV0: u64 = 1;

/// The kernel leaves this much unmapped below a stack (`stack_guard_gap`).
const GUARD: u64 = 256 * PAGE;
/// Stacks without a limit, or with an absurd one, get this.
const LARGEST: u64 = 1 << 30;
/// Programs may raise their soft limit while they run (compilers do), and a native stack would then grow.
const GROWN: u64 = 64 << 20;

/// An entry of this process's auxiliary vector.
pub fn own(key: u64) -> Option<u64> {
    // SAFETY: plain calls; errno tells a missing entry from a zero.
    unsafe {
        *libc::__errno_location() = 0;
        let v = libc::getauxval(key);
        (v != 0 || *libc::__errno_location() != libc::ENOENT).then_some(v)
    }
}

/// What goes onto the stack beside what [`Layout`] knows.
pub struct StackParams<'a> {
    /// Arguments.
    pub argv: &'a [Text],
    /// Environment.
    pub env: &'a [Text],
    /// AT_EXECFN.
    pub execfn: &'a CStr,
    /// AT_PLATFORM.
    pub platform: &'static str,
    /// AT_SECURE.
    pub secure: bool,
    /// AT_HWCAP.
    pub hwcap: u64,
    /// AT_HWCAP2.
    pub hwcap2: u64,
    /// AT_SYSINFO_EHDR: address of the guest's vDSO.
    pub vdso: Option<u64>,
    /// AT_MINSIGSTKSZ.
    pub minsigstksz: u64,
    /// PT_GNU_STACK says so.
    pub executable: bool,
    /// AT_RANDOM's bytes.
    pub random: [u8; 16],
    /// How far to move the stack pointer down (`arch_align_stack`), less than a page.
    pub jitter: u64,
}

/// The finished stack.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Initial stack pointer: it points at argc.
    pub sp: u64,
    /// Start of the argument strings.
    pub arg_start: u64,
    /// End of the argument strings.
    pub arg_end: u64,
    /// Start of the environment strings (they follow the arguments).
    pub env_start: u64,
    /// End of the environment strings.
    pub env_end: u64,
    /// The auxiliary vector with its AT_NULL, as /proc/self/auxv shows it.
    pub auxv: Vec<(u64, u64)>,
}

/// Map the stack, as large as RLIMIT_STACK says, and fill it.
pub fn build(mm: &mut dyn GuestMmap, layout: &Layout, p: &StackParams) -> Result<Stack, Errno> {
    let (low, top) = map_stack(mm, stack_size(), p.executable)?;
    let words = p.argv.len() + p.env.len() + 64;
    let strings: usize = p.argv.iter().chain(p.env).map(|s| s.to_bytes_with_nul().len()).sum();
    if (strings + words * 8 + 2 * PAGE as usize) as u64 > (top - low) / 4 * 3 {
        return Err(Errno(libc::E2BIG));
    }
    // SAFETY: [low, top) was just mapped writable, nothing else points into it, and the check above says that everything fits.
    let memory = unsafe { std::slice::from_raw_parts_mut(low as *mut u8, (top - low) as usize) };
    Ok(fill(memory, low, layout, p))
}

/// Bytes written downwards from the end of the stack.
struct Down<'a> {
    memory: &'a mut [u8],
    low: u64,
    at: u64,
}

impl Down<'_> {
    fn push(&mut self, bytes: &[u8]) -> u64 {
        self.at -= bytes.len() as u64;
        self.put(self.at, bytes);
        self.at
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let i = (at - self.low) as usize;
        self.memory[i..i + bytes.len()].copy_from_slice(bytes);
    }
}

fn fill(memory: &mut [u8], low: u64, layout: &Layout, p: &StackParams) -> Stack {
    let top = low + memory.len() as u64;
    let mut m = Down { memory, low, at: top - 8 };
    let mut out = Stack::default();
    let execfn = m.push(p.execfn.to_bytes_with_nul());
    out.env_end = execfn;
    let mut env: Vec<u64> = p.env.iter().rev().map(|s| m.push(s.to_bytes_with_nul())).collect();
    out.env_start = m.at;
    out.arg_end = m.at;
    let mut argv: Vec<u64> = p.argv.iter().rev().map(|s| m.push(s.to_bytes_with_nul())).collect();
    out.arg_start = m.at;
    env.reverse();
    argv.reverse();

    m.at = (m.at - p.jitter % PAGE) & !15;
    let mut name = p.platform.as_bytes().to_vec();
    name.push(0);
    let platform = m.push(&name);
    let random = m.push(&p.random);
    out.auxv = auxv(layout, p, random, execfn, platform);

    let sp = m.at - out.auxv.len() as u64 * 16;
    let items = argv.len() + env.len() + 3;
    out.sp = (sp - items as u64 * 8) & !15;
    let table = [argv.len() as u64].into_iter().chain(argv).chain([0]).chain(env).chain([0]);
    let table = table.chain(out.auxv.iter().flat_map(|&(k, v)| [k, v]));
    for (i, word) in table.enumerate() {
        m.put(out.sp + i as u64 * 8, &word.to_le_bytes());
    }
    out
}

/// The vector in the kernel's order.
fn auxv(l: &Layout, p: &StackParams, random: u64, execfn: u64, platform: u64) -> Vec<(u64, u64)> {
    use libc::*;
    // SAFETY: these calls read the process's credentials and nothing else.
    let ids = unsafe { [getuid(), geteuid(), getgid(), getegid()] };
    let mut v = Vec::with_capacity(24);
    if let Some(vdso) = p.vdso {
        v.push((AT_SYSINFO_EHDR, vdso));
    }
    v.extend([
        (AT_MINSIGSTKSZ, p.minsigstksz),
        (AT_HWCAP, p.hwcap),
        (AT_PAGESZ, PAGE),
        (AT_CLKTCK, 100),
        (AT_PHDR, l.phdr),
        (AT_PHENT, 56),
        (AT_PHNUM, l.phnum),
        (AT_BASE, l.interp_base),
        (AT_FLAGS, 0),
        (AT_ENTRY, l.entry),
        (AT_UID, ids[0].into()),
        (AT_EUID, ids[1].into()),
        (AT_GID, ids[2].into()),
        (AT_EGID, ids[3].into()),
        (AT_SECURE, p.secure.into()),
        (AT_RANDOM, random),
        (AT_HWCAP2, p.hwcap2),
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform),
        (AT_NULL, 0),
    ]);
    v
}

/// How large to make the stack. It does not grow, so it starts at what it may become.
fn stack_size() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 8 << 20, rlim_max: 8 << 20 };
    // SAFETY: the structure is ours.
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    let size = limit.rlim_cur.max(limit.rlim_max.min(GROWN)).clamp(32 * PAGE, LARGEST);
    page_align(size).unwrap_or(LARGEST)
}

/// Map `size` bytes with a guard below that the guest's memory map doesn't list; returns both ends.
fn map_stack(mm: &mut dyn GuestMmap, size: u64, executable: bool) -> Result<(u64, u64), Errno> {
    let kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    // SAFETY: a fresh mapping of nothing.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), (size + GUARD) as usize, PROT_NONE, kind, -1, 0) };
    if base == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    let low = base as u64 + GUARD;
    // SAFETY: the upper part of the mapping just made; no other thread runs yet that could take its place.
    unsafe { libc::munmap(low as *mut libc::c_void, size as usize) };
    let prot = PROT_READ | PROT_WRITE | if executable { PROT_EXEC } else { 0 };
    mm.map(low, size, prot, kind | MAP_FIXED, None, Label::Stack)?;
    debug_assert!(page_start(low) == low && low + size <= elf::TASK_SIZE + PAGE);
    Ok((low, low + size))
}
