//! Mapping a program and its interpreter as `load_elf_binary` does.
//!
//! Guest addresses are host addresses and pages have the same size on both sides, so the kernel's own mmap does the work. What differs:
//! translated code is never the guest's own, so guest code is mapped readable and never executable (see [`host_prot`]).

use crate::elf::{page_align, page_offset, page_start, Elf, Segment, PAGE, TASK_SIZE};
use crate::errno::Errno;
use crate::image::Image;
use goblin::elf::program_header::{PF_R, PF_W, PF_X};
use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

/// Random bits of a position-independent program's page number, as many as both kernels use by default (`arch_mmap_rnd_bits`, 4 KiB pages).
const PIE_RANDOM_BITS: u32 = 28;

/// Random bytes from the kernel (AT_RANDOM). Before the kernel's generator is seeded, whatever it has: a program must start.
pub fn random_bytes() -> [u8; 16] {
    let mut b = [0u8; 16];
    // SAFETY: the buffer's length is given.
    unsafe { libc::syscall(libc::SYS_getrandom, b.as_mut_ptr(), b.len(), libc::GRND_INSECURE) };
    b
}

/// A random number for placing things, or 0 where randomization is switched off (`setarch -R`).
pub fn placement_random() -> u64 {
    // SAFETY: asking for the personality changes nothing.
    let persona = unsafe { libc::personality(0xffff_ffff) };
    if persona != -1 && persona & libc::ADDR_NO_RANDOMIZE != 0 {
        return 0;
    }
    random_bytes()[..8].iter().fold(0, |v, &b| v << 8 | b as u64)
}

/// What a guest mapping holds, for whoever keeps the guest's memory map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// A file, or anonymous memory.
    Plain,
    /// The initial stack.
    Stack,
}

/// How guest memory is mapped. The implementation in use records the mappings with the guest's own protection; it turns that into the
/// host's with [`host_prot`].
pub trait GuestMmap {
    /// mmap for the guest: `prot` is the guest's (PROT_EXEC included), `file` the descriptor and the offset of a file mapping.
    fn map(&mut self, addr: u64, len: u64, prot: i32, flags: i32, file: Option<(RawFd, u64)>, label: Label)
        -> Result<u64, Errno>;
    /// munmap for the guest.
    fn unmap(&mut self, addr: u64, len: u64) -> Result<(), Errno>;
}

/// The host's protection for a guest's: code is read by the translator, and never executed in place.
pub fn host_prot(guest: i32) -> i32 {
    if guest & PROT_EXEC != 0 {
        (guest & !PROT_EXEC) | PROT_READ
    } else {
        guest
    }
}

/// [`GuestMmap`] straight onto the kernel.
pub struct HostMmap;

impl GuestMmap for HostMmap {
    fn map(&mut self, addr: u64, len: u64, prot: i32, flags: i32, file: Option<(RawFd, u64)>, _: Label) -> Result<u64, Errno> {
        let (fd, off) = file.unwrap_or((-1, 0));
        // SAFETY: callers map over nothing but what they mapped before (MAP_FIXED) or what is free; the kernel checks the rest.
        let p = unsafe { libc::mmap(addr as *mut _, len as usize, host_prot(prot), flags, fd, off as libc::off_t) };
        if p == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(p as u64)
    }

    fn unmap(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        // SAFETY: callers unmap parts of what they mapped.
        Errno::check(unsafe { libc::munmap(addr as *mut _, len as usize) }).map(drop)
    }
}

/// Where everything went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// First instruction: the interpreter's entry, or the program's.
    pub start: u64,
    /// The program's own entry (AT_ENTRY).
    pub entry: u64,
    /// Address of the program headers (AT_PHDR).
    pub phdr: u64,
    /// Their number (AT_PHNUM).
    pub phnum: u64,
    /// The interpreter's load bias (AT_BASE), 0 without one.
    pub interp_base: u64,
    /// The program's load bias.
    pub bias: u64,
    /// Start of the heap: the page behind the program's bss.
    pub brk: u64,
    /// Lowest address of an executable segment, as /proc/PID/stat tells it.
    pub start_code: u64,
    /// End of the executable segments' file contents.
    pub end_code: u64,
    /// Highest start of a segment.
    pub start_data: u64,
    /// End of the file contents.
    pub end_data: u64,
}

/// Take the addresses from `limit` on, where the host has any, so that the kernel hands out none of them: guests may keep things in the bits above.
/// The kernel places what may be anywhere as high as it fits, so that what is free there is found by asking for less and less.
pub fn keep_below(limit: u64) {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    for size in (PAGE.trailing_zeros()..limit.ilog2()).rev().map(|log2| 1usize << log2) {
        // SAFETY: fresh mappings, of which those below the limit go again before anybody knows them.
        while let Some(at) = unsafe {
            let at = libc::mmap(std::ptr::null_mut(), size, libc::PROT_NONE, kind, -1, 0);
            (at != libc::MAP_FAILED && (at as u64 >= limit || libc::munmap(at, size) != 0)).then_some(at)
        } {
            debug_assert!(at as u64 >= limit);
        }
    }
}

/// Map a program and its interpreter. `pie`: about where position-independent programs go. After a failure some of it may be mapped: the process is to
/// end, as it does natively.
pub fn load(mm: &mut dyn GuestMmap, image: &Image, pie: u64, random: &mut dyn FnMut() -> u64) -> Result<Layout, Errno> {
    let elf = &image.elf;
    let mut out = map_program(mm, &image.file, elf, pie, random)?;
    out.entry = elf.entry.wrapping_add(out.bias);
    out.start = out.entry;
    out.phnum = elf.segments.len() as u64;
    if let Some(interp) = &image.interp {
        out.interp_base = map_interpreter(mm, &interp.file, &interp.elf)?;
        out.start = out.interp_base.wrapping_add(interp.elf.entry);
    }
    if out.start >= TASK_SIZE {
        return Err(Errno(libc::EINVAL));
    }
    Ok(out)
}

fn map_program(
    mm: &mut dyn GuestMmap,
    file: &File,
    elf: &Elf,
    pie: u64,
    random: &mut dyn FnMut() -> u64,
) -> Result<Layout, Errno> {
    let mut out = Layout { start_code: u64::MAX, ..Layout::default() };
    let mut brk = 0;
    for (i, s) in elf.loads().enumerate() {
        if i > 0 {
            map_segment(mm, file, s, out.bias.wrapping_add(s.vaddr), MAP_FIXED, 0)?;
        } else if elf.fixed {
            map_segment(mm, file, s, s.vaddr, MAP_FIXED_NOREPLACE, 0)?;
        } else {
            out.bias = map_pie_start(mm, file, elf, s, pie, random)?;
        }
        if s.offset <= elf.phoff && elf.phoff - s.offset < s.filesz {
            out.phdr = (elf.phoff - s.offset).wrapping_add(s.vaddr);
        }
        if s.flags & PF_X != 0 {
            out.start_code = out.start_code.min(s.vaddr);
        }
        out.start_data = out.start_data.max(s.vaddr);
        if s.vaddr >= TASK_SIZE || s.filesz > s.memsz || s.memsz > TASK_SIZE || TASK_SIZE - s.memsz < s.vaddr {
            return Err(Errno(libc::EINVAL));
        }
        if s.flags & PF_X != 0 {
            out.end_code = out.end_code.max(s.vaddr + s.filesz);
        }
        out.end_data = out.end_data.max(s.vaddr + s.filesz);
        brk = brk.max(s.vaddr + s.memsz);
    }
    let bias = out.bias;
    for v in [&mut out.phdr, &mut out.start_code, &mut out.end_code, &mut out.start_data, &mut out.end_data] {
        *v = v.wrapping_add(bias);
    }
    out.brk = page_align(brk.wrapping_add(bias)).ok_or(Errno(libc::EINVAL))?;
    Ok(out)
}

/// Map the first segment of a position-independent program and reserve its whole extent; returns the load bias.
fn map_pie_start(
    mm: &mut dyn GuestMmap,
    file: &File,
    elf: &Elf,
    first: &Segment,
    pie: u64,
    random: &mut dyn FnMut() -> u64,
) -> Result<u64, Errno> {
    let total = elf.total_size().ok_or(Errno(libc::EINVAL))?;
    let align = elf.alignment();
    // Taken places are rare (something of the host's at a random place): a few more tries are enough.
    let mut tries = 8;
    loop {
        let spread = (random() & ((1 << PIE_RANDOM_BITS) - 1)) * PAGE;
        let base = (pie + spread) & !(align - 1);
        let bias = page_start(base.wrapping_sub(first.vaddr));
        match map_segment(mm, file, first, bias.wrapping_add(first.vaddr), MAP_FIXED_NOREPLACE, total) {
            Ok(_) => return Ok(bias),
            Err(Errno(libc::EEXIST)) if tries > 0 => tries -= 1,
            // The host has no such addresses: anywhere, then.
            Err(Errno(libc::ENOMEM)) => {
                let at = map_segment(mm, file, first, 0, 0, total)?;
                return Ok(at.wrapping_sub(page_start(first.vaddr)));
            }
            Err(e) => return Err(e),
        }
    }
}

fn map_interpreter(mm: &mut dyn GuestMmap, file: &File, elf: &Elf) -> Result<u64, Errno> {
    let mut total = elf.total_size().ok_or(Errno(libc::EINVAL))?;
    let mut bias = None;
    for s in elf.loads() {
        let at = match bias {
            Some(b) => map_segment(mm, file, s, s.vaddr.wrapping_add(b), MAP_FIXED, total)?,
            // Over the program, if they overlap: the kernel does not mind.
            None if elf.fixed => map_segment(mm, file, s, s.vaddr, MAP_FIXED, total)?,
            None => map_segment(mm, file, s, 0, 0, total)?,
        };
        total = 0;
        let b = *bias.get_or_insert(if elf.fixed { 0 } else { at.wrapping_sub(page_start(s.vaddr)) });
        let k = b.wrapping_add(s.vaddr);
        if k >= TASK_SIZE || s.filesz > s.memsz || s.memsz > TASK_SIZE || TASK_SIZE - s.memsz < k {
            return Err(Errno(libc::ENOMEM));
        }
    }
    bias.ok_or(Errno(libc::EINVAL))
}

/// Map one segment (`elf_load`): its pages from the file, the rest of the last page zeroed, whole pages of bss behind it. With `total`
/// the place is found for that many bytes. Returns the address of the first page.
fn map_segment(mm: &mut dyn GuestMmap, file: &File, s: &Segment, addr: u64, flags: i32, total: u64) -> Result<u64, Errno> {
    let prot = guest_prot(s.flags);
    let skew = page_offset(s.vaddr);
    let nomem = Errno(libc::ENOMEM);
    let bss_end = skew.checked_add(s.memsz).and_then(page_align).ok_or(nomem)?;
    let mut at = page_start(addr);
    if addr >= TASK_SIZE || bss_end > TASK_SIZE - at {
        return Err(nomem);
    }
    let mut mapped = 0;
    if s.filesz != 0 {
        let size = s.filesz.checked_add(skew).and_then(page_align).ok_or(nomem)?;
        let offset = s.offset.checked_sub(skew).filter(|&o| page_offset(o) == 0).ok_or(Errno(libc::EINVAL))?;
        let whole = page_align(total).ok_or(nomem)?.max(size);
        at = mm.map(at, whole, prot, MAP_PRIVATE | flags, Some((file.as_raw_fd(), offset)), Label::Plain)?;
        if whole > size {
            mm.unmap(at + size, whole - size)?;
        }
        mapped = size;
        if s.memsz > s.filesz && prot & PROT_WRITE != 0 {
            zero_tail(file, at + skew + s.filesz, offset + skew + s.filesz)?;
        }
    } else if total != 0 {
        // Nothing of the file in the first segment: find the place with anonymous memory.
        let whole = page_align(total).ok_or(nomem)?;
        at = mm.map(at, whole, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, None, Label::Plain)?;
        mm.unmap(at, whole)?;
    }
    if s.memsz > s.filesz && bss_end > mapped {
        // vm_brk: always writable, whatever the segment says.
        let prot = PROT_READ | PROT_WRITE | (prot & PROT_EXEC);
        let fixed = if s.filesz == 0 && total == 0 { flags } else { MAP_FIXED };
        mm.map(at + mapped, bss_end - mapped, prot, MAP_PRIVATE | MAP_ANONYMOUS | fixed, None, Label::Plain)?;
    }
    Ok(at)
}

/// Zero from `at` to the end of its page. A page that lies wholly behind the end of the file can't be touched: EFAULT, as in the kernel.
fn zero_tail(file: &File, at: u64, file_offset: u64) -> Result<(), Errno> {
    let n = page_offset(at.wrapping_neg());
    if n == 0 {
        return Ok(());
    }
    if page_start(file_offset) >= file.metadata()?.len() {
        return Err(Errno(libc::EFAULT));
    }
    // SAFETY: the page was just mapped private and writable, and the file reaches into it.
    unsafe { std::ptr::write_bytes(at as *mut u8, 0, n as usize) };
    Ok(())
}

fn guest_prot(flags: u32) -> i32 {
    [(PF_R, PROT_READ), (PF_W, PROT_WRITE), (PF_X, PROT_EXEC)].iter().filter(|(f, _)| flags & f != 0).map(|(_, p)| p).sum()
}
