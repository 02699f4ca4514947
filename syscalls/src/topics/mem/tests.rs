//! The space against the kernel: the same calls go through a [`Space`] at one place and straight to the kernel at another, where
//! the guest's protections, PROT_EXEC included, are real. Results and mappings must agree.

use super::vma::{Prot, PAGE};
use super::*;

const PAGES: u64 = 48;
const PROT_RWX: u64 = 7;
const ANON: u64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE) as u64;
const FIXED: u64 = libc::MAP_FIXED as u64;
const NOREPLACE: u64 = libc::MAP_FIXED_NOREPLACE as u64;

/// Where nothing is placed by itself. One arena pair per test.
fn arena(n: u64) -> u64 {
    0x10_0000_0000 + (n << 32)
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

/// Protection of each page of an arena as the kernel's own listing has it.
fn kernel_view(base: u64, pages: u64) -> Vec<Option<u8>> {
    let mut view = vec![None; pages as usize];
    for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let perms = words.next().unwrap().as_bytes();
        let prot = u8::from(perms[0] == b'r') | u8::from(perms[1] == b'w') << 1 | u8::from(perms[2] == b'x') << 2;
        for page in start.max(base) / PAGE..end.min(base + pages * PAGE) / PAGE {
            view[(page - base / PAGE) as usize] = Some(prot);
        }
    }
    view
}

fn books(space: &Space, base: u64, pages: u64) -> Vec<Option<u8>> {
    let inner = space.read();
    (0..pages).map(|p| inner.map.find(base + p * PAGE).map(|v| v.attr.prot.0)).collect()
}

/// A call of the random sequence, with addresses as offsets into the arena.
#[derive(Debug, Clone, Copy)]
enum Call {
    Mmap { at: u64, len: u64, prot: u64, flags: u64 },
    Munmap { at: u64, len: u64 },
    Mprotect { at: u64, len: u64, prot: u64 },
    Mremap { at: u64, old: u64, new: u64, flags: u64, to: u64 },
    Madvise { at: u64, len: u64, advice: u64 },
    Msync { at: u64, len: u64, flags: u64 },
    Mincore { at: u64, len: u64 },
    Mlock { at: u64, len: u64 },
}

fn random_call(r: &mut Random) -> Call {
    let odd = |r: &mut Random| if r.below(24) == 0 { 1 + r.below(PAGE - 1) } else { 0 };
    let at = r.below(PAGES) * PAGE + odd(r);
    let len = r.below((PAGES - at / PAGE).min(12)) * PAGE + odd(r);
    let prot = r.below(8);
    match r.below(16) {
        0..=4 => {
            let flags = ANON | [FIXED, FIXED, FIXED, NOREPLACE, NOREPLACE | FIXED, 0][r.below(6) as usize];
            Call::Mmap { at, len, prot, flags }
        }
        5..=6 => Call::Munmap { at, len },
        7..=9 => Call::Mprotect { at, len, prot: prot | if r.below(20) == 0 { 0x40 } else { 0 } },
        10..=12 => {
            let to = r.below(PAGES) * PAGE + odd(r);
            let new = r.below((PAGES - to / PAGE).min(12)) * PAGE + odd(r);
            let new = if r.below(3) == 0 && len < (PAGES - to / PAGE) * PAGE { len } else { new };
            Call::Mremap { at, old: len, new, flags: r.below(10), to }
        }
        13 => Call::Madvise { at, len, advice: [4, 8, 3, 99, 10, 11, 14, 1][r.below(8) as usize] },
        14 => match r.below(2) {
            0 => Call::Msync { at, len, flags: r.below(9) },
            _ => Call::Mincore { at, len },
        },
        _ => Call::Mlock { at, len },
    }
}

impl Call {
    fn through(self, space: &Space, base: u64) -> Result<u64, Errno> {
        let mut stale = Stale::default();
        let mut vec = [0u8; 64];
        match self {
            Call::Mmap { at, len, prot, flags } => space.mmap(base + at, len, prot, flags, u64::MAX, 0, &mut stale),
            Call::Munmap { at, len } => space.munmap(base + at, len, &mut stale),
            Call::Mprotect { at, len, prot } => space.mprotect(base + at, len, prot, &mut stale),
            Call::Mremap { at, old, new, flags, to } => space.mremap(base + at, old, new, flags, base + to, &mut stale),
            Call::Madvise { at, len, advice } => space.madvise(base + at, len, advice, &mut stale),
            Call::Msync { at, len, flags } => space.msync(base + at, len, flags),
            Call::Mincore { at, len } => space.mincore(base + at, len, vec.as_mut_ptr() as u64),
            Call::Mlock { at, len } => {
                let locked = space.mlock(base + at, len, 1);
                let _ = space.munlock(base + at, len);
                locked
            }
        }
    }

    fn native(self, base: u64) -> Result<u64, Errno> {
        let mut vec = [0u8; 64];
        let (nr, args) = match self {
            Call::Mmap { at, len, prot, flags } => (libc::SYS_mmap, [base + at, len, prot, flags, u64::MAX, 0]),
            Call::Munmap { at, len } => (libc::SYS_munmap, [base + at, len, 0, 0, 0, 0]),
            Call::Mprotect { at, len, prot } => (libc::SYS_mprotect, [base + at, len, prot, 0, 0, 0]),
            Call::Mremap { at, old, new, flags, to } => (libc::SYS_mremap, [base + at, old, new, flags, base + to, 0]),
            Call::Madvise { at, len, advice } => (libc::SYS_madvise, [base + at, len, advice, 0, 0, 0]),
            Call::Msync { at, len, flags } => (libc::SYS_msync, [base + at, len, flags, 0, 0, 0]),
            Call::Mincore { at, len } => (libc::SYS_mincore, [base + at, len, vec.as_mut_ptr() as u64, 0, 0, 0]),
            Call::Mlock { at, len } => {
                let locked = host(libc::SYS_mlock2, [base + at, len, 1, 0, 0, 0]);
                let _ = host(libc::SYS_munlock, [base + at, len, 0, 0, 0, 0]);
                return locked;
            }
        };
        host(nr, args)
    }

    /// Moving a range with holes: since Linux 6.17 it works, before it was EFAULT, and so it is to the guest.
    /// Shrinking and moving several mappings is EFAULT, after which the kernel leaves a mess.
    fn moves_holes(self, space: &Space, base: u64) -> bool {
        let Call::Mremap { at, old, new, flags, .. } = self else { return false };
        let (start, old, new) = (page_down(base + at), page_up(old).unwrap(), page_up(new).unwrap());
        let inner = space.read();
        let several = inner.map.find(start).is_some_and(|first| first.end < start + new);
        flags & 2 != 0 && (!inner.map.covers(start..start + old) || new < old && several)
    }

    fn size(self) -> u64 {
        match self {
            Call::Mmap { len, .. } => len,
            Call::Mremap { new, .. } => new,
            _ => 0,
        }
    }
}

/// A result with the address as an offset; `None` for an address that the kernel chose outside of the arena.
fn relative(base: u64, result: Result<u64, Errno>) -> Result<Option<u64>, Errno> {
    result.map(|v| match v {
        0 => Some(0),
        v if (base..base + PAGES * PAGE).contains(&v) => Some(v - base + 1),
        _ => None,
    })
}

#[test]
fn random_calls_agree_with_the_kernel() {
    for seed in 1..=6u64 {
        let (ours, theirs) = (arena(2 * seed), arena(2 * seed + 1));
        let space = Space::default();
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for step in 0..3000 {
            let call = random_call(&mut r);
            if call.moves_holes(&space, ours) {
                continue;
            }
            let (a, b) = (call.through(&space, ours), call.native(theirs));
            let size = page_up(call.size()).unwrap();
            let (ra, rb) = (relative(ours, a), relative(theirs, b));
            let context = format!("seed {seed} step {step} {call:x?}");
            assert_eq!(ra, rb, "{context}");
            if ra == Ok(None) {
                space.munmap(a.unwrap(), size, &mut Stale::default()).unwrap();
                host_munmap(b.unwrap()..b.unwrap() + size).unwrap();
            }
            let guest = books(&space, ours, PAGES);
            assert_eq!(guest, kernel_view(theirs, PAGES), "{context}");
            let real: Vec<_> = guest.iter().map(|p| p.map(|p| Prot(p).host() as u8)).collect();
            assert_eq!(real, kernel_view(ours, PAGES), "{context}");
        }
        space.munmap(ours, PAGES * PAGE, &mut Stale::default()).unwrap();
        host_munmap(theirs..theirs + PAGES * PAGE).unwrap();
    }
}

#[test]
fn nothing_reaches_the_runtimes_memory() {
    let base = arena(20);
    let foreign = base + 4 * PAGE;
    let stale = &mut Stale::default();
    assert_eq!(host(libc::SYS_mmap, [foreign, PAGE, 3, ANON | FIXED, u64::MAX, 0]), Ok(foreign));
    let space = Space::default();
    let whole = 10 * PAGE;
    let untouched = |what| assert_eq!(kernel_view(base, 10).iter().filter(|p| p.is_some()).count(), 1, "{what}");
    assert_eq!(space.mmap(base, whole, 7, ANON | FIXED, u64::MAX, 0, stale), Err(Errno::ENOMEM));
    untouched("fixed over a hole and ours");
    assert_eq!(space.mmap(base, 2 * PAGE, PROT_RWX, ANON | FIXED, u64::MAX, 0, stale), Ok(base));
    let before = kernel_view(base, 10);
    assert_eq!(space.mmap(base, whole, 3, ANON | FIXED, u64::MAX, 0, stale), Err(Errno::ENOMEM));
    assert_eq!(space.mmap(base, whole, 3, ANON | NOREPLACE, u64::MAX, 0, stale), Err(Errno::EEXIST));
    assert_eq!(space.mremap(base, PAGE, 5 * PAGE, 3, base + 3 * PAGE, stale), Err(Errno::ENOMEM));
    assert_eq!(space.mprotect(base, whole, 0, stale), Err(Errno::ENOMEM));
    assert_eq!(space.mprotect(base, 2 * PAGE, 7, stale), Ok(0));
    assert_eq!(space.mprotect(foreign, PAGE, 0, stale), Err(Errno::ENOMEM));
    assert_eq!(space.madvise(base, whole, libc::MADV_DONTNEED as u64, stale), Err(Errno::ENOMEM));
    assert_eq!(space.mremap(foreign, PAGE, 2 * PAGE, 1, 0, stale), Err(Errno::EFAULT));
    assert_eq!(space.mlock(foreign, PAGE, 0), Err(Errno::ENOMEM));
    assert_eq!(kernel_view(base, 10), before);
    assert_eq!(space.munmap(base, whole, stale), Ok(0));
    untouched("munmap");
    host_munmap(foreign..foreign + PAGE).unwrap();
}

#[test]
fn stale_ranges_are_those_with_code() {
    let base = arena(21);
    let space = Space::default();
    let run = |f: &dyn Fn(&Space, &mut Stale) -> Result<u64, Errno>| {
        let mut stale = Stale::default();
        f(&space, &mut stale).unwrap();
        stale.0.map(|r| ((r.start - base) / PAGE, (r.end - base) / PAGE))
    };
    assert_eq!(run(&|s, st| s.mmap(base, 8 * PAGE, 3, ANON | FIXED, u64::MAX, 0, st)), None);
    assert_eq!(run(&|s, st| s.mprotect(base, 4 * PAGE, 5, st)), None, "to executable: nothing was translated");
    assert!(space.fetchable(base + 3 * PAGE) && !space.fetchable(base + 4 * PAGE));
    assert_eq!(space.exec_range(base + PAGE), Some(base..base + 4 * PAGE));
    assert_eq!(run(&|s, st| s.mprotect(base, 4 * PAGE, 5, st)), None, "no change");
    assert_eq!(run(&|s, st| s.mprotect(base, 2 * PAGE, 7, st)), Some((0, 2)), "became writable");
    assert_eq!(run(&|s, st| s.madvise(base + 4 * PAGE, PAGE, 4, st)), None, "data");
    assert_eq!(run(&|s, st| s.madvise(base + 3 * PAGE, PAGE, 4, st)), Some((3, 4)), "dropped");
    assert_eq!(run(&|s, st| s.mprotect(base, PAGE, 1, st)), Some((0, 1)), "lost execution");
    assert_eq!(run(&|s, st| s.mmap(base + 3 * PAGE, 2 * PAGE, 3, ANON | FIXED, u64::MAX, 0, st)), Some((3, 5)), "mapped over");
    assert_eq!(run(&|s, st| s.munmap(base + 4 * PAGE, 4 * PAGE, st)), None, "data");
    assert_eq!(run(&|s, st| s.munmap(base, 8 * PAGE, st)), Some((0, 4)), "code");
}

#[test]
fn heap() {
    let base = arena(22);
    let space = Space::default();
    let stale = &mut Stale::default();
    assert_eq!(space.brk(base, stale), 0, "no heap yet");
    space.set_brk_start(base + 0x123);
    assert_eq!(space.brk(0, stale), base + 0x123);
    assert_eq!(space.brk(base + 0x800, stale), base + 0x800, "within the page");
    assert_eq!(space.brk(base + 0x3001, stale), base + 0x3001);
    assert_eq!(kernel_view(base, 6), [None, Some(3), Some(3), Some(3), None, None]);
    let above = base + 6 * PAGE;
    assert_eq!(host(libc::SYS_mmap, [above, PAGE, 0, ANON | FIXED, u64::MAX, 0]), Ok(above));
    assert_eq!(space.brk(base + 0x7000, stale), base + 0x3001, "something is in the way");
    assert_eq!(space.brk(base + 0x1000, stale), base + 0x1000, "shrinks");
    assert_eq!(kernel_view(base, 6), [None; 6]);
    assert_eq!(space.brk(base, stale), base + 0x1000, "not below the start");
    assert_eq!(space.heap(), base + 0x123..base + 0x1000);
    host_munmap(above..above + PAGE).unwrap();
}

#[test]
fn downward_growing_mappings_grow() {
    let base = arena(23);
    let top = base + 0x100_0000;
    let space = Space::default();
    let stale = &mut Stale::default();
    let flags = ANON | FIXED | libc::MAP_GROWSDOWN as u64;
    assert_eq!(space.mmap(top - 2 * PAGE, 2 * PAGE, 3, flags, u64::MAX, 0, stale), Ok(top - 2 * PAGE));
    // SAFETY: a write just below a downward-growing mapping extends it.
    unsafe { std::ptr::write_volatile((top - 700 * PAGE) as *mut u8, 1) };
    assert!(!space.mapped(top - 700 * PAGE), "the books don't know yet");
    assert_eq!(space.mprotect(top - 600 * PAGE, 10 * PAGE, 1, stale), Ok(0));
    assert!(space.mapped(top - 700 * PAGE) && !space.mapped(top - 701 * PAGE));
    assert_eq!(space.mprotect(top - PAGE, PAGE, 1 | 0x0100_0000, stale), Ok(0), "PROT_GROWSDOWN");
    assert_eq!(space.munmap(base, top - base, stale), Ok(0));
    assert!(kernel_view(base, 4096).iter().all(Option::is_none));
}

#[test]
fn a_forked_child_lacks_what_was_kept_from_it() {
    let base = arena(24);
    let space = Space::default();
    let stale = &mut Stale::default();
    space.mmap(base, 4 * PAGE, 3, ANON | FIXED, u64::MAX, 0, stale).unwrap();
    assert_eq!(space.madvise(base + PAGE, PAGE, libc::MADV_DONTFORK as u64, stale), Ok(0));
    let guard = space.lock_for_fork();
    // SAFETY: the child only looks at its memory, compares and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        guard.child();
        let agree = books(&space, base, 4) == kernel_view(base, 4) && !space.mapped(base + PAGE);
        // SAFETY: ends the child without running the harness.
        unsafe { libc::_exit(if agree { 0 } else { 1 }) };
    }
    guard.parent();
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(space.madvise(base, 4 * PAGE, libc::MADV_DOFORK as u64, stale), Ok(0));
    assert_eq!(space.munmap(base, 4 * PAGE, stale), Ok(0));
}

#[test]
fn shared_memory_segments() {
    // SAFETY: makes a segment.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 3 * PAGE as usize - 100, 0o600) };
    assert!(id >= 0);
    let space = Space::default();
    let stale = &mut Stale::default();
    let at = space.shmat(id as u64, 0, 0, stale).unwrap();
    assert_eq!(books(&space, at, 3), [Some(3); 3]);
    assert_eq!(space.mmap(at + PAGE, PAGE, 1, ANON | FIXED, u64::MAX, 0, stale), Ok(at + PAGE));
    assert_eq!(space.shmat(id as u64, at, libc::SHM_REMAP as u64, stale), Ok(at));
    assert_eq!(space.mmap(at + PAGE, PAGE, 1, ANON | FIXED, u64::MAX, 0, stale), Ok(at + PAGE));
    assert_eq!(space.shmdt(at, stale), Ok(0));
    assert_eq!(books(&space, at, 3), [None, Some(1), None]);
    assert_eq!(kernel_view(at, 3), [None, Some(1), None]);
    assert_eq!(space.shmdt(at, stale), Err(Errno::EINVAL));
    space.munmap(at, 3 * PAGE, stale).unwrap();
    // SAFETY: removes the segment made above.
    assert_eq!(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }, 0);
}
