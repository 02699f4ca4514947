//! Translations that the processes of a family share: what one has translated, the next that executes the same program copies.
//!
//! A program that execs starts with nothing, and shells, `make` and `configure` do hardly anything else. So the first process that forks makes a file
//! in memory; it comes along by descriptor, and whoever has it appends what it translates and looks there before it translates.
//!
//! **What is found is what would be made.** A record names what its translation depends on: the guest's bytes (by a sum of 128 bits over all that the
//! lifter has looked at), where in its page the code lies, and the mode; the file's header names the rest (host features, what is hidden, the stubs).
//! Addresses in the code are in its list of relocations, so programs need not lie where they lay in another process.
//!
//! **Who is trusted.** Whoever can write the file can have code executed by all that have it. It never leaves a process for one of other rights:
//! the runtime gives it up ([`Engine::leave_family`](super::Engine::leave_family)) before the process changes what it may do, and hands it on only to itself.
//! It is mapped for reading alone, so that a stray write of one program harms no other; to append, it is mapped for a moment.
//!
//! **Pages.** Records of one page of guest code, as a sum over the page has it, are a list: who finds the first copies all that hold at once, and reads
//! each line of the page but once for it. What isn't there then is looked for by itself. Many records become an [`Image`], which is copied as a whole.
//!
//! **Layout.** [`Header`]; `BUCKETS` words (high half: part of the key, low half: offset of a record in units of 16 bytes, 0 = empty); `PAGES` more of the same
//! form, for the last record of each page and its image; counts of what is reached ([`Heat`](super::cold::Heat)), which alone all may write at any time; records. Who
//! appends holds the file's lock (`fcntl`), which ends with the process. A record is whole before its word is there.

mod image;

use super::cache::Placed;
use super::cold::Heat;
use super::pages::lines_from_to;
use crate::guest::Fetch;
use crate::host::{self, Emitted, Link, Reloc, NO_BRANCH};
use crate::ir::Mode;
pub use image::{Image, NONE as NO_PIECE};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::*};

const SIZE: usize = 128 << 20;
const BUCKETS: usize = 1 << 17;
/// How many words after a key's own may hold it.
const REACH: usize = 16;
const PAGES: usize = 1 << 16;
const PAGES_AT: usize = size_of::<Header>() + BUCKETS * 8;
const HEAT_AT: usize = (PAGES_AT + PAGES * 8).next_multiple_of(PAGE);
const FIRST: usize = HEAT_AT + super::cold::ENTRIES;
const MAGIC: u64 = u64::from_le_bytes(*b"rf-code3");
const PAGE: usize = 4096;
/// Words of a cache line.
const LINE_WORDS: usize = PAGE / 64 / 4;
/// Pages whose sums are kept, a power of two.
const RECENT: usize = 64;
/// So many bytes of records are worth a visit to the file.
const ENOUGH: usize = 256 << 10;
/// Words of guest code that a key is made of, at most.
const KEY_WORDS: usize = 4;
/// Words of guest code that a translation depends on, at most.
const MOST_WORDS: usize = 2048;
/// The descriptor's number is at least this where so many are allowed: programs count on small ones.
const KEPT_FD: u64 = 1000;
/// Otherwise it is one of so many last ones.
const LAST_FDS: u64 = 16;

#[repr(C)]
struct Header {
    magic: u64,
    /// What all of its translations depend on.
    made_for: u64,
    /// Offset of the end of the records.
    used: AtomicU64,
    _pad: [u64; 5],
}

/// What a record begins with. Then come its links and relocations of four or two words each, the code, and, as nobody reads them but after a fault, the
/// points at the next multiple of four bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Head {
    sum: [u64; 2],
    /// Of the page in which `pc` is.
    page: [u64; 2],
    pc: u64,
    mode: u32,
    /// What it depends on, relative to `pc`.
    start: i32,
    end: i32,
    insns: u16,
    flags_dead: u16,
    links: u16,
    relocs: u16,
    points: u16,
    cold: u16,
    code: u32,
    /// The record of this page before this one, in units of 16 bytes, or 0.
    before: u32,
    _pad: u32,
}

const _: () = assert!(size_of::<Head>() % 16 == 0 && size_of::<Placed>() == 12);

impl Head {
    /// What the record is about where its code is at `pc`.
    fn at(&self, pc: u64) -> Made {
        Made {
            pc,
            start: pc.wrapping_add_signed(self.start.into()),
            end: pc.wrapping_add_signed(self.end.into()),
            mode: Mode(self.mode),
            flags_dead: self.flags_dead != 0,
            insns: self.insns.into(),
        }
    }

    /// Where the code and the points are of the record at `at`.
    fn parts(&self, at: usize) -> (usize, usize) {
        let code = at + size_of::<Head>() + self.links as usize * size_of::<Four>() + self.relocs as usize * size_of::<Two>();
        (code, (code + self.code as usize).next_multiple_of(4))
    }
}

/// Numbers that may have any value.
trait AnyHead: Copy {}
impl AnyHead for Head {}
impl AnyHead for image::Head {}

/// A translation in the store.
pub struct Stored<'a> {
    pub code: &'a [u8],
    pub links: &'a [Four],
    pub relocs: &'a [Two],
    /// The store in which it is, and its record's offset in units of 16 bytes: see [`points`].
    pub store: *const u8,
    pub record: u32,
    /// How far from where it was made its guest code lies here.
    pub by: u64,
}

/// A page of guest code, of which lines are read as they are wanted.
struct Lines {
    at: u64,
    /// Bit n: line n was read.
    read: u64,
    words: [u32; PAGE / 4],
}

impl Lines {
    /// The sum of the code in a range, if that is in the page and can be fetched.
    fn sum(&mut self, range: Range<u64>, mem: &dyn Fetch) -> Option<[u64; 2]> {
        const LINE: usize = PAGE / 4 / 64;
        let (first, end) = (range.start.checked_sub(self.at)? as usize / 4, range.end.checked_sub(self.at)?.div_ceil(4) as usize);
        if range.start & 3 != 0 || first >= end || end > self.words.len() {
            return None;
        }
        let (line, last) = (first / LINE, (end - 1) / LINE);
        let wanted = lines_from_to(line as u32, last as u32) & !self.read;
        if wanted != 0 {
            let (from, to) = (wanted.trailing_zeros() as usize, 64 - wanted.leading_zeros() as usize);
            let words = &mut self.words[from * LINE..to * LINE];
            if mem.fetch(self.at + (from * LINE * 4) as u64, words) != words.len() {
                return None;
            }
            self.read |= wanted;
        }
        Some(Sum::of(&self.words[first..end]))
    }
}

type Four = [u32; 4];
type Two = [u32; 2];
const DIRECT: u32 = 1 << 31;

/// A translation as the cache keeps it, but for what the host has emitted.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Guest address of its first instruction.
    pub pc: u64,
    /// The guest code that it depends on.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// See [`Mode`].
    pub mode: Mode,
    /// See [`crate::ir::Block::flags_dead`].
    pub flags_dead: bool,
    /// Number of guest instructions.
    pub insns: u32,
}

/// See the module.
pub struct Store {
    fd: i32,
    map: *const u8,
    made_for: u64,
    /// Records to append, and where in them each begins, with its keys: its own (0 for an image) and the page's.
    fresh: Vec<u8>,
    keys: Vec<([u64; 2], u32)>,
    words: Vec<u32>,
    /// Pages and their sums, as they were when a translation was made there not long ago.
    sums: Box<[(u64, [u64; 2]); RECENT]>,
    /// The last key that was looked for: what isn't found is made and added.
    wanted: (u64, Mode, u64),
}

// SAFETY: the mapping is only read, and the engine's lock is held.
unsafe impl Send for Store {}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: ours; nothing refers to the mapping.
        unsafe {
            libc::munmap(self.map.cast_mut().cast(), SIZE);
            libc::close(self.fd);
        }
    }
}

fn map(fd: i32, prot: i32) -> Option<*mut u8> {
    // SAFETY: a fresh mapping.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, prot, libc::MAP_SHARED | libc::MAP_NORESERVE, fd, 0) };
    (at != libc::MAP_FAILED).then_some(at.cast())
}

/// The least number of the descriptor; none is that small if few are allowed.
fn keep_from() -> i32 {
    // SAFETY: fills `limit`.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        KEPT_FD.min(limit.rlim_cur.saturating_sub(LAST_FDS)).max(64) as i32
    }
}

/// The file's number.
fn inode(fd: i32) -> Option<(u64, i64)> {
    // SAFETY: fills `st` if it succeeds.
    unsafe {
        let mut st = std::mem::zeroed::<libc::stat>();
        (libc::fstat(fd, &mut st) == 0).then_some((st.st_ino, st.st_size))
    }
}

impl Store {
    /// A new family's.
    pub fn create(made_for: u64) -> Option<Store> {
        // SAFETY: plain calls; the descriptor is ours.
        unsafe {
            let mut limit = std::mem::zeroed::<libc::rlimit>();
            if libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) != 0 || limit.rlim_cur < SIZE as u64 {
                return None;
            }
            let low = libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC);
            if low < 0 {
                return None;
            }
            let fd = libc::fcntl(low, libc::F_DUPFD_CLOEXEC, keep_from());
            libc::close(low);
            if fd < 0 {
                return None;
            }
            let header = Header { magic: MAGIC, made_for, used: AtomicU64::new(FIRST as u64), _pad: [0; 5] };
            let bytes = size_of::<Header>();
            if libc::ftruncate(fd, SIZE as i64) != 0 || libc::pwrite(fd, (&raw const header).cast(), bytes, 0) != bytes as isize {
                libc::close(fd);
                return None;
            }
            Store::open(fd, made_for)
        }
    }

    /// The family's, by the descriptor and the number that [`Store::handle`] gave an earlier process. It owns the descriptor then.
    pub fn adopt(fd: i32, number: u64, made_for: u64) -> Option<Store> {
        // Something else may be there by now.
        let (ino, size) = inode(fd)?;
        if ino != number || size != SIZE as i64 {
            return None;
        }
        // SAFETY: changes a flag of the descriptor.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        Store::open(fd, made_for)
    }

    fn open(fd: i32, made_for: u64) -> Option<Store> {
        let Some(map) = map(fd, libc::PROT_READ) else {
            // SAFETY: ours.
            unsafe { libc::close(fd) };
            return None;
        };
        let (fresh, keys, words) = Default::default();
        let sums = Box::new([(u64::MAX, [0; 2]); RECENT]);
        let store = Store { fd, map, made_for, fresh, keys, words, sums, wanted: Default::default() };
        (store.header().magic == MAGIC && store.header().made_for == made_for).then_some(store)
    }

    fn header(&self) -> &Header {
        // SAFETY: the file is never shorter than `SIZE`; what others change in the header is atomic.
        unsafe { &*self.map.cast() }
    }

    /// Descriptor and number of the file.
    pub fn handle(&self) -> Option<(i32, u64)> {
        Some((self.fd, inode(self.fd)?.0))
    }

    /// The descriptor.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// In the child of a fork: what is not in the file is the parent's to append.
    pub fn forked(&mut self) {
        self.fresh.clear();
        self.keys.clear();
    }

    /// Find the translation of what lies at `pc` now.
    pub fn find(&mut self, pc: u64, mode: Mode, mem: &dyn Fetch) -> Option<(Made, Stored<'_>)> {
        let key = self.key(pc, mode, mem)?;
        self.wanted = (pc, mode, key);
        for n in 0..REACH {
            let word = self.bucket(key, n);
            if word == 0 {
                return None;
            }
            if word >> 32 != key >> 32 {
                continue;
            }
            let at = (word as u32 as usize) << 4;
            let Some(head) = self.head(at) else { continue };
            let same_place = (head.pc ^ pc) & 0xfff == 0;
            if !same_place || head.mode != mode.0 {
                continue;
            }
            let made = head.at(pc);
            if self.sum(made.start..made.end, mem) == Some(head.sum) {
                return Some((made, self.stored(at, &head, pc)?));
            }
        }
        None
    }

    /// Tell `take` of the translations of code in the page of `pc`, as it is now, as long as it likes: those that came after record number `upto`, and
    /// `others`. `page` is what [`Store::page_of`] said. The numbers of all that hold.
    pub fn adopt_page(
        &mut self,
        (pc, page): (u64, [u64; 2]),
        mode: Mode,
        mem: &dyn Fetch,
        (upto, others): (u32, &[u32]),
        take: &mut dyn FnMut(Made, Stored<'_>) -> bool,
    ) -> Vec<u32> {
        let mut lines = Lines { at: pc & !(PAGE as u64 - 1), read: 0, words: [0; PAGE / 4] };
        let mut held = Vec::new();
        let mut others = others.iter();
        let mut next = self.last_in_page(page, mode, false).filter(|&at| at > (upto as usize) << 4);
        while let Some(at) = next.or_else(|| Some((*others.next()? as usize) << 4)) {
            let Some(head) = self.head(at) else { break };
            // (Whoever writes a record writes it behind the one before.)
            next = next.and(Some((head.before as usize) << 4)).filter(|&b| b > (upto as usize) << 4 && b < at);
            if let Some(next) = next {
                // It comes while this one is copied.
                self.prefetch(next);
            }
            let made = head.at(lines.at | head.pc & (PAGE as u64 - 1));
            let fits = head.page == page && head.mode == mode.0;
            if !fits || lines.sum(made.start..made.end, mem).or_else(|| self.sum(made.start..made.end, mem)) != Some(head.sum) {
                continue;
            }
            if let Some(stored) = self.stored(at, &head, made.pc) {
                held.push(stored.record);
                if !take(made, stored) {
                    break;
                }
            }
        }
        held
    }

    /// Where the image is of the page of `pc`, if there is one and the code in it is as it was; `page` is what [`Store::page_of`] said.
    pub fn find_image(&mut self, (pc, page): (u64, [u64; 2]), mode: Mode, mem: &dyn Fetch) -> Option<usize> {
        let at = self.last_in_page(page, mode, true)?;
        let head = self.read::<image::Head>(at)?;
        let same = head.page == page && head.mode == mode.0 && self.lines_sum(pc, head.lines, mem) == Some(head.sum);
        same.then_some(at)
    }

    /// The image that was found there.
    pub fn image(&self, at: usize, pc: u64) -> Option<Image<'_>> {
        // SAFETY: in the file, where nobody changes what a word leads to.
        unsafe { self.read::<image::Head>(at)?.image(self.map, at, pc & !(PAGE as u64 - 1)) }
    }

    /// Make an image of those of the records, and of the ones in the image at `old`, that hold in the page of `pc`. Not if most of the file is in use.
    pub fn make_image(&mut self, (pc, page): (u64, [u64; 2]), mode: Mode, mem: &dyn Fetch, records: &[u32], old: Option<usize>) {
        let Some(upto) = records.iter().max() else { return };
        // The page as it is at one moment: others may change it.
        if self.header().used.load(Relaxed) > SIZE as u64 / 2 || self.page_sum(pc, mem).is_none() {
            return;
        }
        let base = pc & !(PAGE as u64 - 1);
        let mut maker = image::Maker::new(base, page, mode.0, *upto);
        let old = old.and_then(|at| self.image(at, pc));
        let old = old.iter().flat_map(|i| i.pieces.iter().map(|p| &p.record));
        for &n in records.iter().chain(old) {
            let at = (n as usize) << 4;
            let Some(head) = self.head(at) else { continue };
            let made = head.at(base | head.pc & (PAGE as u64 - 1));
            let Some(stored) = self.stored(at, &head, made.pc) else { continue };
            let words = |from: u64, to: u64| self.words.get((from / 4) as usize..(to.div_ceil(4)) as usize);
            match made.start.checked_sub(base).zip(made.end.checked_sub(base)).filter(|r| r.1 <= PAGE as u64) {
                Some((start, end)) if words(start, end).map(Sum::of) == Some(head.sum) => maker.add(n, &made, &stored),
                Some(_) => {}
                None => maker.add_other(n),
            }
        }
        let sum = self.sum_of_lines(maker.lines());
        self.keys.push(([0, page_key(page, mode, true)], self.fresh.len() as u32));
        self.fresh.extend_from_slice(&maker.finish(sum));
    }

    /// The sum of the page in which somebody has translated what seems to lie at `pc`.
    pub fn page_of(&self, pc: u64, mode: Mode, mem: &dyn Fetch) -> Option<[u64; 2]> {
        let key = self.key(pc, mode, mem)?;
        let words = (0..REACH).map(|n| self.bucket(key, n)).take_while(|&w| w != 0).filter(|w| w >> 32 == key >> 32);
        let mut heads = words.filter_map(|w| self.head((w as u32 as usize) << 4));
        heads.find(|h| (h.pc ^ pc) & 0xfff == 0 && h.mode == mode.0).map(|h| h.page)
    }

    /// The same, or what it was not long ago: where code has changed meanwhile, its translations are in a list that they are not found by.
    fn recent_page_sum(&mut self, pc: u64, mem: &dyn Fetch) -> [u64; 2] {
        let n = pc / PAGE as u64;
        let at = n as usize & (RECENT - 1);
        if self.sums[at].0 != n {
            self.sums[at] = (n, self.page_sum(pc, mem).unwrap_or_default());
        }
        self.sums[at].1
    }

    /// The sum of the page that `pc` is in now, if all of it can be fetched.
    fn page_sum(&mut self, pc: u64, mem: &dyn Fetch) -> Option<[u64; 2]> {
        self.lines_sum(pc, u64::MAX, mem)
    }

    /// The sum of some cache lines of the page that `pc` is in now, if all of them can be fetched. `words` has them then, each in its place.
    fn lines_sum(&mut self, pc: u64, lines: u64, mem: &dyn Fetch) -> Option<[u64; 2]> {
        self.words.resize((PAGE / 4).max(self.words.len()), 0);
        for (first, count) in runs(lines) {
            let words = &mut self.words[first * LINE_WORDS..(first + count) * LINE_WORDS];
            if mem.fetch((pc & !(PAGE as u64 - 1)) + (first * LINE_WORDS * 4) as u64, words) != words.len() {
                return None;
            }
        }
        Some(self.sum_of_lines(lines))
    }

    /// The sum of lines of `words`.
    fn sum_of_lines(&self, lines: u64) -> [u64; 2] {
        // Each waits for its own last product only.
        let mut lanes = [0, 1, 2, 3].map(|n| Sum::new(self.made_for ^ n));
        for (first, count) in runs(lines) {
            for eight in self.words[first * LINE_WORDS..(first + count) * LINE_WORDS].chunks_exact(8) {
                for (lane, two) in lanes.iter_mut().zip(eight.chunks_exact(2)) {
                    lane.word(two[0] as u64 | (two[1] as u64) << 32);
                }
            }
        }
        let mut all = Sum::new(lines);
        lanes.iter().flat_map(Sum::get).for_each(|w| all.word(w));
        all.get()
    }

    /// Where the last record is of the page whose sum this is, or its image.
    fn last_in_page(&self, page: [u64; 2], mode: Mode, image: bool) -> Option<usize> {
        let key = page_key(page, mode, image);
        let found = (0..REACH).map(|n| self.page_word(key, n)).take_while(|&w| w != 0).find(|w| w >> 32 == key >> 32)?;
        Some((found as u32 as usize) << 4)
    }

    /// Have a record in the processor's caches soon.
    fn prefetch(&self, at: usize) {
        const MOSTLY: usize = 384;
        (0..MOSTLY).step_by(64).for_each(|n| host::prefetch(self.map.wrapping_add(at + n)));
    }

    /// Keep a translation that has just been made.
    pub fn add(&mut self, made: &Made, e: &Emitted, mem: &dyn Fetch) {
        let Some((keys, head)) = self.describe(made, e, mem) else { return };
        let begin = self.fresh.len();
        if write(&mut self.fresh, &head, e).is_none() {
            self.fresh.truncate(begin);
            return;
        }
        self.keys.push((keys, begin as u32));
        if self.fresh.len() >= ENOUGH {
            self.flush();
        }
    }

    fn describe(&mut self, made: &Made, e: &Emitted, mem: &dyn Fetch) -> Option<([u64; 2], Head)> {
        let key = match self.wanted {
            (pc, mode, key) if (pc, mode) == (made.pc, made.mode) && key != 0 => key,
            _ => self.key(made.pc, made.mode, mem)?,
        };
        let page = self.recent_page_sum(made.pc, mem);
        let head = Head {
            sum: self.sum(made.start..made.end, mem)?,
            page,
            pc: made.pc,
            mode: made.mode.0,
            start: i32::try_from(made.start.wrapping_sub(made.pc) as i64).ok()?,
            end: i32::try_from(made.end.wrapping_sub(made.pc) as i64).ok()?,
            insns: made.insns as u16,
            flags_dead: made.flags_dead.into(),
            links: e.links.len().try_into().ok()?,
            relocs: e.relocs.len().try_into().ok()?,
            points: e.points.len().try_into().ok()?,
            cold: e.cold.try_into().ok()?,
            code: e.code.len() as u32,
            before: 0,
            _pad: 0,
        };
        let page = if page == [0; 2] { 0 } else { page_key(page, made.mode, false) };
        Some(([key, page], head))
    }

    /// Append what is new. Nothing is lost but time if that can't be done.
    pub fn flush(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut lock =
            libc::flock { l_type: libc::F_WRLCK as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 1, l_pid: 0 };
        // SAFETY: a lock on a file of ours.
        if unsafe { libc::fcntl(self.fd, libc::F_SETLK, &lock) } != 0 {
            // Somebody else is at it: later, unless that has been so for long.
            if self.fresh.len() > 16 * ENOUGH {
                self.forked();
            }
            return;
        }
        if let Some(to) = map(self.fd, libc::PROT_READ | libc::PROT_WRITE) {
            // SAFETY: `SIZE` bytes that this process alone writes now; readers look only at what the words lead to.
            unsafe {
                self.append(to);
                libc::munmap(to.cast(), SIZE);
            }
        }
        lock.l_type = libc::F_UNLCK as i16;
        // SAFETY: as above.
        unsafe { libc::fcntl(self.fd, libc::F_SETLK, &lock) };
        self.forked();
    }

    /// # Safety
    /// `to` is the file, `SIZE` bytes, and its lock is held.
    unsafe fn append(&mut self, to: *mut u8) {
        let used = self.header().used.load(Relaxed) as usize;
        if used % 16 != 0 || used < FIRST || used + self.fresh.len() > SIZE {
            return;
        }
        // SAFETY: by the caller and the check.
        unsafe {
            self.fresh.as_ptr().copy_to_nonoverlapping(to.add(used), self.fresh.len());
            (*to.cast::<Header>()).used.store((used + self.fresh.len()) as u64, Relaxed);
            let words = to.add(size_of::<Header>()).cast::<AtomicU64>();
            let pages = to.add(PAGES_AT).cast::<AtomicU64>();
            for &([key, page], at) in &self.keys {
                let record = (used as u64 + at as u64) >> 4;
                let free = (0..REACH).map(|n| &*words.add(slot(key, n))).find(|w| w.load(Relaxed) == 0);
                if let Some(free) = free.filter(|_| key != 0) {
                    free.store(key >> 32 << 32 | record, Release);
                }
                let last = |w: &&AtomicU64| [0, page >> 32].contains(&(w.load(Relaxed) >> 32));
                let last = (0..REACH).map(|n| &*pages.add(page_slot(page, n))).find(last);
                if let Some(last) = last.filter(|_| page != 0) {
                    if key != 0 {
                        (*to.add((record as usize) << 4).cast::<Head>()).before = last.load(Relaxed) as u32;
                    }
                    last.store(page >> 32 << 32 | record, Release);
                }
            }
        }
    }

    fn bucket(&self, key: u64, n: usize) -> u64 {
        // SAFETY: within the file; others change it atomically.
        unsafe { (*self.map.add(size_of::<Header>()).cast::<AtomicU64>().add(slot(key, n))).load(Acquire) }
    }

    fn page_word(&self, key: u64, n: usize) -> u64 {
        // SAFETY: as above.
        unsafe { (*self.map.add(PAGES_AT).cast::<AtomicU64>().add(page_slot(key, n))).load(Acquire) }
    }

    /// The counts that the family shares of how often code was reached.
    pub fn heat(&self) -> Option<Heat> {
        Heat::of_file(self.fd, HEAT_AT)
    }

    fn head(&self, at: usize) -> Option<Head> {
        self.read(at)
    }

    /// The head of a record or an image.
    fn read<T: AnyHead>(&self, at: usize) -> Option<T> {
        if at < FIRST || at + size_of::<T>() > SIZE {
            return None;
        }
        // SAFETY: within the file, of numbers that may be any, and nobody writes a record that a word leads to.
        Some(unsafe { self.map.add(at).cast::<T>().read_unaligned() })
    }

    /// What belongs to the head at `at`, for code at `pc`.
    fn stored(&self, at: usize, head: &Head, pc: u64) -> Option<Stored<'_>> {
        let (links, relocs) = (head.links as usize, head.relocs as usize);
        let (code, points) = head.parts(at);
        if points + head.points as usize * size_of::<Placed>() > SIZE {
            return None;
        }
        // SAFETY: within the file (as just seen), of words and bytes that may have any value, aligned (records and their heads are multiples of 16
        // bytes), and nobody writes a record that a word leads to.
        unsafe {
            let l = self.map.add(at + size_of::<Head>()).cast::<Four>();
            let r = l.add(links).cast::<Two>();
            debug_assert_eq!(r.add(relocs).cast(), self.map.add(code));
            Some(Stored {
                code: std::slice::from_raw_parts(self.map.add(code), head.code as usize),
                links: std::slice::from_raw_parts(l, links),
                relocs: std::slice::from_raw_parts(r, relocs),
                store: self.map,
                record: (at >> 4) as u32,
                by: pc.wrapping_sub(head.pc),
            })
        }
    }

    /// Where to look for a translation: some of what lies at its beginning.
    pub fn key(&self, pc: u64, mode: Mode, mem: &dyn Fetch) -> Option<u64> {
        let mut words = [0; KEY_WORDS];
        // Not beyond the page, where another mapping may begin in one process and not in another.
        let room = ((0x1000 - (pc & 0xfff)) / 4).min(KEY_WORDS as u64) as usize;
        if mem.own_code(pc) || mem.fetch(pc, &mut words[..room]) != room {
            return None;
        }
        let mut s = Sum::new(self.made_for ^ (pc & 0xfff) << 32 ^ mode.0 as u64);
        s.words(&words);
        Some(s.get()[0] | 1 << 63)
    }

    /// The sum of the guest's code in a range, if it is all there.
    fn sum(&mut self, range: Range<u64>, mem: &dyn Fetch) -> Option<[u64; 2]> {
        let n = range.end.checked_sub(range.start)?.div_ceil(4) as usize;
        if n > MOST_WORDS || range.start & 3 != 0 {
            return None;
        }
        self.words.resize(n.max(self.words.len()), 0);
        let mut got = 0;
        while got < n {
            match mem.fetch(range.start + got as u64 * 4, &mut self.words[got..n]) {
                0 => return None,
                more => got += more,
            }
        }
        Some(Sum::of(&self.words[..n]))
    }
}

/// The runs of bits that are set: first and number.
fn runs(mut bits: u64) -> impl Iterator<Item = (usize, usize)> {
    std::iter::from_fn(move || {
        let first = (bits != 0).then(|| bits.trailing_zeros())?;
        let count = (bits >> first).trailing_ones();
        bits &= !(u64::MAX >> (64 - count) << first);
        Some((first as usize, count as usize))
    })
}

fn slot(key: u64, n: usize) -> usize {
    (key as usize).wrapping_add(n) & (BUCKETS - 1)
}

/// What a page's records, or its image, are found by.
fn page_key(page: [u64; 2], mode: Mode, image: bool) -> u64 {
    let mut s = Sum::new(page[0]);
    s.word(u64::from(mode.0) << 1 | u64::from(image));
    s.get()[0] | 1 << 63
}

fn page_slot(key: u64, n: usize) -> usize {
    (key as usize).wrapping_add(n) & (PAGES - 1)
}

fn write_words(to: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|w| to.extend_from_slice(&w.to_le_bytes()));
}

fn write(to: &mut Vec<u8>, head: &Head, e: &Emitted) -> Option<()> {
    // The fields fill the structure: no byte of it is undefined.
    const { assert!(size_of::<Head>() == 32 + 8 + 12 + 12 + 4 + 4 + 8) };
    // SAFETY: plain numbers.
    let bytes: [u32; size_of::<Head>() / 4] = unsafe { std::mem::transmute(*head) };
    write_words(to, &bytes);
    for l in &e.links {
        debug_assert_eq!(l.short, NO_BRANCH, "no host that can store has those");
        let target = i32::try_from(l.target.wrapping_sub(head.pc) as i64).ok()?;
        write_words(to, &[l.at | if l.direct { DIRECT } else { 0 }, l.stub, l.site, target as u32]);
    }
    for r in &e.relocs {
        write_words(
            to,
            &match *r {
                Reloc::Stub { at, stub } => [at, stub.into()],
                Reloc::Helper { at, helper } => [at, 1 << 16 | helper as u32],
                Reloc::Place { at, wide } => [at, 2 << 16 | wide as u32],
            },
        );
    }
    to.extend_from_slice(&e.code);
    to.resize(to.len().next_multiple_of(4), 0);
    e.points.iter().for_each(|p| write_words(to, &Placed::new(p, head.pc).words()));
    to.resize(to.len().next_multiple_of(16), 0);
    Some(())
}

/// The points of record `n` of the file that is mapped at `map`.
///
/// # Safety
/// It is mapped that long, and [`Store::stored`] has found the record whole.
pub unsafe fn points<'a>(map: *const u8, n: u32) -> &'a [Placed] {
    let at = (n as usize) << 4;
    // SAFETY: by the contract.
    unsafe {
        let head = map.add(at).cast::<Head>().read_unaligned();
        std::slice::from_raw_parts(map.add(head.parts(at).1).cast(), head.points as usize)
    }
}

/// A link as it was, of the block that lies at `pc` now.
pub fn link([at, stub, site, target]: Four, pc: u64) -> Link {
    let target = pc.wrapping_add_signed((target as i32).into());
    Link { at: at & !DIRECT, stub, site, target, direct: at & DIRECT != 0, short: NO_BRANCH }
}

/// A relocation as it was.
pub fn reloc([at, what]: Two) -> Reloc {
    match what >> 16 {
        0 => Reloc::Stub { at, stub: what as u8 },
        1 => Reloc::Helper { at, helper: what as u16 },
        _ => Reloc::Place { at, wide: what & 1 != 0 },
    }
}

/// A sum of 128 bits, two lanes of multiplications of which all 128 bits count.
pub(super) struct Sum([u64; 2]);

impl Sum {
    /// Of words and their number.
    fn of(words: &[u32]) -> [u64; 2] {
        let mut s = Sum::new(words.len() as u64);
        s.words(words);
        s.get()
    }

    pub fn new(seed: u64) -> Sum {
        Sum([seed ^ 0x9e37_79b9_7f4a_7c15, seed ^ 0xc2b2_ae3d_27d4_eb4f])
    }
    fn mix(a: u64, b: u64) -> u64 {
        let p = a as u128 * b as u128;
        p as u64 ^ (p >> 64) as u64
    }
    #[inline]
    pub fn word(&mut self, w: u64) {
        self.0[0] = Sum::mix(self.0[0] ^ w, 0xe703_7ed1_a0b4_28db).wrapping_add(w);
        self.0[1] = Sum::mix(self.0[1] ^ w.rotate_left(32), 0x8ebc_6af0_9c88_c6e3) ^ w;
    }
    pub fn words(&mut self, words: &[u32]) {
        let pairs = words.chunks_exact(2);
        let rest = pairs.remainder().first();
        pairs.for_each(|p| self.word(p[0] as u64 | (p[1] as u64) << 32));
        if let Some(&w) = rest {
            self.word(w as u64 | 1 << 63);
        }
    }
    pub fn bytes(&mut self, bytes: &[u8]) {
        for c in bytes.chunks(8) {
            let mut w = [0; 8];
            w[..c.len()].copy_from_slice(c);
            self.word(u64::from_le_bytes(w));
        }
        self.word(bytes.len() as u64);
    }
    pub fn get(&self) -> [u64; 2] {
        let [a, b] = self.0;
        [Sum::mix(a ^ b.rotate_left(32), 0x5899_65cc_7537_4cc3), Sum::mix(b ^ a, 0x1d8e_4e27_c47d_124f)]
    }
}
