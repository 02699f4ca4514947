//! The allocator, where the C library's takes its memory from wherever the kernel finds room (musl's), which would perhaps be a hole that the guest has made
//! to fill it again later, at that address. Ours lies far below the program break, where nobody looks for room; what is small in one piece that grows.
//!
//! It is C's `malloc`, too.

use dlmalloc::{Allocator, Dlmalloc};
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::ptr::{copy_nonoverlapping, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

const PAGE: usize = 4096;
/// What is as large as this is a mapping of its own: pages that nobody uses cost nothing, and what is given back is gone.
const LARGE: usize = 128 << 10;
/// From the small ones to the large ones, and from there to the break.
const APART: usize = 1 << 39;
/// What even a small process will use of the heap.
const FIRST: usize = 64 << 10;

struct Heap;

#[cfg_attr(not(test), global_allocator)]
#[cfg_attr(test, allow(dead_code))]
static HEAP: Heap = Heap;

static SMALL: Mutex<Dlmalloc<Piece>> = Mutex::new(Dlmalloc::new_with_allocator(Piece));

fn small() -> MutexGuard<'static, Dlmalloc<Piece>> {
    SMALL.lock().unwrap_or_else(|e| e.into_inner())
}

/// Keeps the heap whole while the process forks: in the child there is nobody to end what another thread has begun. Nothing can be allocated until it is
/// dropped, in both.
pub fn hold() -> impl Drop {
    small()
}

/// Where memory is taken from.
fn base() -> usize {
    static BASE: AtomicUsize = AtomicUsize::new(0);
    match BASE.load(Relaxed) {
        0 => {
            // SAFETY: asks where it is, which the kernel chooses at random; nobody moves it but the C library for itself.
            let end = unsafe { libc::syscall(libc::SYS_brk, 0) } as usize;
            let _ = BASE.compare_exchange(0, end.saturating_sub(2 * APART).next_multiple_of(PAGE).max(PAGE), Relaxed, Relaxed);
            BASE.load(Relaxed)
        }
        base => base,
    }
}

const ACCESS: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// A new mapping of that many bytes; at `at`, if it isn't 0.
fn map(at: usize, size: usize) -> Option<usize> {
    let place = if at == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    // SAFETY: a new mapping, where nothing was.
    let got = unsafe { libc::mmap(at as *mut c_void, size, ACCESS, PRIVATE | place, -1, 0) };
    if got == libc::MAP_FAILED {
        return None;
    }
    if at != 0 && got as usize != at {
        // Linux before 4.17 takes the address for a hint.
        unmap(got as usize, size);
        return None;
    }
    Some(got as usize)
}

fn unmap(at: usize, size: usize) {
    // SAFETY: a mapping of ours that nobody uses any more.
    unsafe { libc::munmap(at as *mut c_void, size) };
}

/// The piece for what is small, from the base upward.
struct Piece;

/// The end of the piece, or 0.
static END: AtomicUsize = AtomicUsize::new(0);

// SAFETY: what it gives is fresh memory that belongs to nobody else.
unsafe impl Allocator for Piece {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let end = END.load(Relaxed);
        let at = if end == 0 { base() } else { end };
        if map(at, size).is_none() {
            return map(0, size).map_or((null_mut(), 0, 0), |at| (at as *mut u8, size, 0));
        }
        if end == 0 {
            // At once they cost half as much as by a fault each. Kernels that don't know the advice say so, which is ignored.
            // SAFETY: the memory is ours.
            unsafe { libc::madvise(at as *mut c_void, FIRST.min(size), libc::MADV_POPULATE_WRITE) };
        }
        END.store(at + size, Relaxed);
        (at as *mut u8, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, at: *mut u8, old: usize, new: usize) -> bool {
        unmap(at as usize + new, old - new);
        let _ = END.compare_exchange(at as usize + old, at as usize + new, Relaxed, Relaxed);
        true
    }

    fn free(&self, at: *mut u8, size: usize) -> bool {
        self.free_part(at, size, 0)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

fn is_large(layout: &Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

/// A mapping for something large. Places aren't used again before all have been.
fn map_large(size: usize) -> Option<usize> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let size = size.checked_next_multiple_of(PAGE)?;
    // With room to grow where it is.
    let room = size.checked_mul(2)?;
    let (first, end) = (base() + APART, base() + 2 * APART);
    let next = NEXT.fetch_update(Relaxed, Relaxed, |n| Some(place(n, room, first, end).saturating_add(room).min(end)));
    map(place(next.unwrap_or(first), room, first, end), size).or_else(|| map(0, size))
}

/// Where `room` bytes shall lie between `first` and `end`, of which those up to `next` have been used: from the beginning again at the end, and at the start, when it is 0.
fn place(next: usize, room: usize, first: usize, end: usize) -> usize {
    if next < first || end - next < room {
        first
    } else {
        next
    }
}

/// Lets a large one have another size; `None`: there is no memory, and it stays as it is.
fn remap_large(at: usize, old: usize, new: usize) -> Option<usize> {
    let (old, new) = (old.next_multiple_of(PAGE), new.checked_next_multiple_of(PAGE)?);
    // SAFETY: the mapping is ours, and so is the one that it moves to, where nothing is yet.
    unsafe {
        if libc::mremap(at as *mut c_void, old, new, 0) != libc::MAP_FAILED {
            return Some(at);
        }
        let to = map_large(new)?;
        let moved = libc::mremap(at as *mut c_void, old, new, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, to as *mut c_void);
        if moved == libc::MAP_FAILED {
            unmap(to, new);
            return None;
        }
        Some(to)
    }
}

fn pointer(at: Option<usize>) -> *mut u8 {
    at.map_or(null_mut(), |at| at as *mut u8)
}

// SAFETY: what is small is as the allocator behind it promises, what is large are mappings of that size, which are zero.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_large(&layout) {
            true => pointer(map_large(layout.size())),
            // SAFETY: by the trait's contract.
            false => unsafe { small().malloc(layout.size(), layout.align()) },
        }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_large(&layout) {
            true => pointer(map_large(layout.size())),
            // SAFETY: by the trait's contract.
            false => unsafe { small().calloc(layout.size(), layout.align()) },
        }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match is_large(&layout) {
            true => unmap(at as usize, layout.size().next_multiple_of(PAGE)),
            // SAFETY: by the trait's contract.
            false => unsafe { small().free(at, layout.size(), layout.align()) },
        }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the trait's contract; the two don't overlap.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (is_large(&layout), is_large(&new)) {
                (false, false) => small().realloc(at, layout.size(), layout.align(), size),
                (true, true) => pointer(remap_large(at as usize, layout.size(), size)),
                _ => {
                    let to = self.alloc(new);
                    if !to.is_null() {
                        copy_nonoverlapping(at, to, layout.size().min(size));
                        self.dealloc(at, layout);
                    }
                    to
                }
            }
        }
    }
}

/// C's functions of these names: see malloc(3).
#[cfg(not(test))]
mod c {
    use super::{c_void, small};

    #[no_mangle]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: any size may be asked for.
        unsafe { small().c_malloc(size) }.cast()
    }
    #[no_mangle]
    unsafe extern "C" fn calloc(n: usize, size: usize) -> *mut c_void {
        let Some(bytes) = n.checked_mul(size) else { return std::ptr::null_mut() };
        // SAFETY: as above; what is there is as long as that.
        unsafe {
            let at = small().c_malloc(bytes);
            if !at.is_null() {
                at.write_bytes(0, bytes);
            }
            at.cast()
        }
    }
    #[no_mangle]
    unsafe extern "C" fn realloc(at: *mut c_void, size: usize) -> *mut c_void {
        if at.is_null() {
            // SAFETY: as above.
            return unsafe { malloc(size) };
        }
        // SAFETY: the caller has it from these functions.
        unsafe { small().c_realloc(at.cast(), size) }.cast()
    }
    #[no_mangle]
    unsafe extern "C" fn free(at: *mut c_void) {
        if !at.is_null() {
            // SAFETY: as above.
            unsafe { small().c_free(at.cast()) }
        }
    }
    #[no_mangle]
    unsafe extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
        // SAFETY: as above.
        unsafe { small().c_memalign(align, size) }.cast()
    }
    #[no_mangle]
    unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
        // SAFETY: the caller's contract is the same.
        unsafe { memalign(align, size) }
    }
    #[no_mangle]
    unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, align: usize, size: usize) -> i32 {
        // SAFETY: the caller passes where the pointer is to be stored.
        unsafe {
            let at = memalign(align, size);
            if at.is_null() {
                return libc::ENOMEM;
            }
            *to = at;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept {
        at: *mut u8,
        layout: Layout,
        mark: u8,
    }

    impl Kept {
        fn new(random: &mut u64, zeroed: bool) -> Kept {
            let layout = Layout::from_size_align(size(random), 1 << (next(random) % 8)).unwrap();
            // SAFETY: no layout is empty.
            let at = unsafe {
                if zeroed {
                    HEAP.alloc_zeroed(layout)
                } else {
                    HEAP.alloc(layout)
                }
            };
            assert!(!at.is_null() && at as usize % layout.align() == 0);
            let mut kept = Kept { at, layout, mark: 0 };
            if zeroed {
                kept.check(layout.size());
            }
            kept.fill(random);
            kept
        }
        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: it is ours, and initialized: by `fill`, or zero.
            unsafe { std::slice::from_raw_parts_mut(self.at, self.layout.size()) }
        }
        fn fill(&mut self, random: &mut u64) {
            self.mark = next(random) as u8;
            let mark = self.mark;
            self.bytes().fill(mark);
        }
        fn check(&mut self, bytes: usize) {
            let mark = self.mark;
            assert!(self.bytes()[..bytes].iter().all(|&b| b == mark));
        }
        fn resize(&mut self, random: &mut u64) {
            let (old, new) = (self.layout.size(), size(random));
            // SAFETY: of this layout, and what is new is filled before it is looked at.
            unsafe {
                self.at = HEAP.realloc(self.at, self.layout, new);
                assert!(!self.at.is_null() && self.at as usize % self.layout.align() == 0);
                if new > old {
                    self.at.add(old).write_bytes(0, new - old);
                }
            }
            self.layout = Layout::from_size_align(new, self.layout.align()).unwrap();
            self.check(old.min(new));
            self.fill(random);
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            self.check(self.layout.size());
            // SAFETY: of this layout.
            unsafe { HEAP.dealloc(self.at, self.layout) };
        }
    }

    fn next(random: &mut u64) -> u64 {
        *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *random >> 33
    }

    fn size(random: &mut u64) -> usize {
        let most = [64, 4096, 100 << 10, 600 << 10][(next(random) % 4) as usize];
        1 + (next(random) % most) as usize
    }

    fn work(seed: u64, rounds: usize) {
        let mut random = seed;
        let mut all: Vec<Kept> = Vec::new();
        for _ in 0..rounds {
            match next(&mut random) % 4 {
                0 | 1 if all.len() < 40 => all.push(Kept::new(&mut random, seed & 1 == 0)),
                2 if !all.is_empty() => {
                    let n = next(&mut random) as usize % all.len();
                    all[n].resize(&mut random);
                }
                _ if !all.is_empty() => drop(all.swap_remove(next(&mut random) as usize % all.len())),
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_kept_stays_as_it_was() {
        std::thread::scope(|s| (1..5).for_each(|n| drop(s.spawn(move || work(n, 3000)))));
    }

    #[test]
    fn a_child_of_a_process_with_threads_finds_the_heap_whole() {
        use std::sync::atomic::AtomicBool;
        let stop = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !stop.load(Relaxed) {
                    work(7, 50);
                }
            });
            for n in 0..200 {
                let whole = hold();
                // SAFETY: the child ends by itself; SIGALRM ends one that waits for ever.
                let pid = unsafe { libc::fork() };
                drop(whole);
                if pid == 0 {
                    // SAFETY: plain calls.
                    unsafe { libc::alarm(20) };
                    work(n, 20);
                    // SAFETY: ends the child without running what the test's process registered.
                    unsafe { libc::_exit(0) };
                }
                let mut status = 0;
                // SAFETY: our own child.
                assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
                if status != 0 {
                    stop.store(true, Relaxed);
                }
                assert_eq!(status, 0, "child {n}");
            }
            stop.store(true, Relaxed);
        });
    }

    #[test]
    fn places_for_large_ones_never_end() {
        assert_eq!(place(0, 10, 100, 200), 100);
        assert_eq!(place(190, 10, 100, 200), 190);
        assert_eq!(place(191, 10, 100, 200), 100);
        assert_eq!(place(200, 10, 100, 200), 100);
        assert_eq!(place(100, 1000, 100, 200), 100);
    }

    #[test]
    fn nothing_lies_where_the_kernel_looks_for_room_first() {
        // SAFETY: layouts that aren't empty, given back.
        unsafe {
            let top = map(0, PAGE).unwrap();
            for size in [100, 300_000] {
                let layout = Layout::from_size_align(size, 8).unwrap();
                let at = HEAP.alloc(layout);
                assert!(top.abs_diff(at as usize) > APART / 2, "{at:p} is near {top:x}");
                HEAP.dealloc(at, layout);
            }
            unmap(top, PAGE);
        }
    }
}
