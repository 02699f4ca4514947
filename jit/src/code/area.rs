//! Code memory: one piece of shared anonymous memory mapped twice, once to execute and once to write, so that no mapping is ever both.
//!
//! **Fork.** Both processes then map the same pages, so whoever wants to write first makes a copy of its own at the same
//! addresses ([`Area::own`]). A count of users in the area's first word tells the last one that it may keep the original, so
//! a fork costs at most one copy, and none if one side executes another program first.

use crate::host;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// Bytes before the first code: the users' count.
pub const HEADER: usize = 64;

/// See the module.
pub struct Area {
    rx: *mut u8,
    rw: *mut u8,
    size: usize,
    used: usize,
    /// Up to here the pages are there, so that writing needs no page fault each, and executing one for many.
    ready: usize,
    /// Another process may map the same pages.
    shared: bool,
    /// This process does not count as a user any more.
    abandoned: bool,
}

// SAFETY: plain memory; who may write is decided by the engine's lock.
unsafe impl Send for Area {}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

/// A pair of mappings of the same fresh shared memory: (to write, to execute).
fn map_pair(size: usize) -> Result<(*mut u8, *mut u8), i32> {
    let rw = map_shared(size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS, -1)?;
    // An old size of zero makes a second mapping of the same shared pages (mremap(2)): no descriptor, no /proc.
    // SAFETY: mappings of our own, at addresses of the kernel's choice.
    unsafe {
        let rx = libc::mremap(rw, 0, size, libc::MREMAP_MAYMOVE);
        if rx != libc::MAP_FAILED && libc::mprotect(rx, size, libc::PROT_READ | libc::PROT_EXEC) == 0 {
            return Ok((rw.cast(), rx.cast()));
        }
        libc::munmap(rw, size);
        map_file_pair(size)
    }
}

/// The same by a file in memory, for kernels and emulators that don't know that use of mremap.
#[cold]
fn map_file_pair(size: usize) -> Result<(*mut u8, *mut u8), i32> {
    // SAFETY: the descriptor is ours; mappings at addresses of the kernel's choice.
    unsafe {
        let fd = libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(errno());
        }
        let pair = match libc::ftruncate(fd, size as i64) {
            0 => map_shared(size, libc::PROT_READ | libc::PROT_WRITE, 0, fd).and_then(|rw| {
                let rx = map_shared(size, libc::PROT_READ | libc::PROT_EXEC, 0, fd);
                if rx.is_err() {
                    libc::munmap(rw, size);
                }
                rx.map(|rx| (rw.cast(), rx.cast()))
            }),
            _ => Err(errno()),
        };
        libc::close(fd);
        pair
    }
}

fn map_shared(size: usize, prot: i32, flags: i32, fd: i32) -> Result<*mut libc::c_void, i32> {
    // SAFETY: a fresh mapping at an address of the kernel's choice.
    let at = unsafe { libc::mmap(ptr::null_mut(), size, prot, libc::MAP_SHARED | libc::MAP_NORESERVE | flags, fd, 0) };
    match at {
        libc::MAP_FAILED => Err(errno()),
        at => Ok(at),
    }
}

impl Area {
    /// Map an area of `size` bytes (a multiple of the page size).
    pub fn new(size: usize) -> Result<Area, i32> {
        let (rw, rx) = map_pair(size)?;
        let a = Area { rx, rw, size, used: HEADER, ready: 0, shared: false, abandoned: false };
        a.users().store(1, Relaxed);
        Ok(a)
    }

    fn users(&self) -> &AtomicU32 {
        // SAFETY: the header of the mapping, aligned, alive as long as `self`.
        unsafe { &*self.rw.cast::<AtomicU32>() }
    }

    /// Bytes in use from the start.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether less than half of it is in use.
    pub fn is_half_empty(&self) -> bool {
        self.used < self.size / 2
    }

    /// Where code executes: address range.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.rx as u64..self.rx as u64 + self.size as u64
    }
    /// Host address of offset `off`.
    pub fn addr(&self, off: u32) -> u64 {
        self.rx as u64 + off as u64
    }
    /// Offset of host address `a`.
    pub fn offset(&self, a: u64) -> u32 {
        (a - self.rx as u64) as u32
    }
    /// Reserve `len` bytes at a multiple of 16; `None` when full. The caller has called [`Area::own`].
    pub fn alloc(&mut self, len: usize) -> Option<u32> {
        let at = (self.used + 15) & !15;
        if at + len > self.size {
            return None;
        }
        self.used = at + len;
        if self.used > self.ready {
            self.make_ready();
        }
        Some(at as u32)
    }

    /// Have the next pages made at once.
    #[cold]
    fn make_ready(&mut self) {
        // Not much more than what a short process needs.
        let step = (self.used / 4).clamp(16 << 10, 256 << 10) & !4095;
        let start = self.ready.max(self.used & !4095);
        let len = (self.used - start + step).next_multiple_of(4096).min(self.size - start);
        self.ready = start + len;
        // SAFETY: a range of our own mapping; where the kernel doesn't know the advice, pages come by faults.
        unsafe { libc::madvise(self.rw.add(start).cast(), len, libc::MADV_POPULATE_WRITE) };
    }

    /// The bytes at `off`, to write. Nobody executes them yet.
    pub fn bytes(&mut self, off: u32, len: usize) -> &mut [u8] {
        assert!(off as usize + len <= self.used);
        // SAFETY: inside of the mapping; the writer's view is unique under the engine's lock.
        unsafe { std::slice::from_raw_parts_mut(self.rw.add(off as usize), len) }
    }

    /// The bytes there are whole: from now on they may be executed.
    pub fn written(&self, off: u32, len: usize) {
        host::code_changed(self.rw.wrapping_add(off as usize), self.rx.wrapping_add(off as usize), len);
    }

    /// Replace the 32-bit word at `off`, which lies within an aligned 64-bit one, while others may execute it.
    pub fn patch(&mut self, off: u32, f: impl FnOnce(u32) -> u32) {
        assert!(off & 7 <= 4 && off as usize + 4 <= self.used);
        let at = self.rw.wrapping_add(off as usize);
        // SAFETY: inside of the mapping.
        let word = f(unsafe { at.cast::<u32>().read_unaligned() });
        #[cfg(target_arch = "x86_64")]
        // SAFETY: inside of the mapping; a single store that does not cross a quadword is atomic, to instruction fetch, too. (Rust has no
        // atomic for a misaligned word.)
        unsafe {
            std::arch::asm!("mov dword ptr [{0}], {1:e}", in(reg) at, in(reg) word, options(nostack, preserves_flags))
        }
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: inside of the mapping and, instructions being words, aligned. Old and new are the same kind of branch, which may change while others
        // execute it.
        unsafe {
            (*at.cast::<AtomicU32>()).store(word, Release)
        }
        self.written(off, 4);
    }

    /// Another process is about to share the pages (call in the parent before fork).
    pub fn share(&mut self) {
        self.users().fetch_add(1, AcqRel);
        self.shared = true;
    }
    /// The fork did not happen.
    pub fn unshare_failed(&mut self) {
        self.users().fetch_sub(1, AcqRel);
    }
    /// No thread of this process executes in the area any more, nor will: another process may write to what is shared.
    pub fn abandon(&mut self) {
        if self.shared && !std::mem::replace(&mut self.abandoned, true) {
            self.users().fetch_sub(1, AcqRel);
        }
    }
    /// Whether another process may write here by now.
    pub fn abandoned(&self) -> bool {
        self.abandoned
    }

    /// Move a mapping over another.
    ///
    /// # Safety
    /// Both are of this area's size, and whoever uses the second can do with what the first holds.
    unsafe fn replace(&self, from: *mut u8, to: *mut u8) -> Result<(), i32> {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: by the contract.
        match unsafe { libc::mremap(from.cast(), self.size, self.size, flags, to) } {
            libc::MAP_FAILED => Err(errno()),
            _ => Ok(()),
        }
    }

    /// Make sure that writes are seen by this process alone. Addresses stay. Not for an area that was abandoned.
    pub fn own(&mut self) -> Result<(), i32> {
        if !self.shared {
            return Ok(());
        }
        if self.users().load(Acquire) > 1 {
            let (rw, rx) = map_pair(self.size)?;
            // Not before the last thread of this process executes in the copy may the others see that they are one less: the last of them
            // writes to the original.
            // SAFETY: copies what is in use between distinct mappings, then moves the new ones over the old, which the kernel
            // does atomically with respect to this process's other threads; the contents are equal.
            unsafe {
                ptr::copy_nonoverlapping(self.rw.add(HEADER), rw.add(HEADER), self.used - HEADER);
                self.replace(rx, self.rx)?;
                self.users().fetch_sub(1, AcqRel);
                // What executes and what is written to are two by now: no way on.
                self.replace(rw, self.rw).unwrap_or_else(|e| super::no_memory(e));
            }
            self.users().store(1, Relaxed);
            self.ready = 0;
        }
        self.shared = false;
        Ok(())
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        self.abandon();
        // SAFETY: both mappings are ours, and the engine drops an area only when no thread executes in it.
        unsafe {
            libc::munmap(self.rx.cast(), self.size);
            libc::munmap(self.rw.cast(), self.size);
        }
    }
}
