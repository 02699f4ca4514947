//! Lists that values number: as long as a value's number can be, so that no look-up by number needs a check, and lazily made by the
//! kernel, so that only what is used costs memory.

use std::fmt;
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::ptr::NonNull;

/// Numbers that there are.
pub const ROOM: usize = 1 << 16;

/// Plain data for which all-zero bytes are valid.
///
/// # Safety
/// As said.
pub unsafe trait Zeroed: Copy {}

/// A list of at most [`ROOM`] elements. Those behind its end may be looked at by number, too, and are anything; numbers wrap around at [`ROOM`].
pub struct Table<T: Zeroed> {
    /// A mapping of our own.
    items: NonNull<[T; ROOM]>,
    len: usize,
}

// SAFETY: it owns its elements.
unsafe impl<T: Zeroed + Send> Send for Table<T> {}

impl<T: Zeroed> Table<T> {
    /// Empty.
    pub fn new() -> Table<T> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // Not by the allocator, which would clear what it has had before.
        // SAFETY: a fresh mapping, zero.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<[T; ROOM]>(), prot, flags, -1, 0) };
        let items = NonNull::new(at.cast()).filter(|_| at != libc::MAP_FAILED);
        Table { items: items.expect("out of memory"), len: 0 }
    }
    #[inline(always)]
    fn items(&self) -> &[T; ROOM] {
        // SAFETY: mapped as long as `self`, and zero is valid.
        unsafe { self.items.as_ref() }
    }
    #[inline(always)]
    fn items_mut(&mut self) -> &mut [T; ROOM] {
        // SAFETY: as above.
        unsafe { self.items.as_mut() }
    }
    /// Append.
    #[inline(always)]
    pub fn push(&mut self, item: T) {
        let n = self.len;
        self.items_mut()[n] = item;
        self.len += 1;
    }
    /// Cut to at most `len`.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
    /// Cut to nothing.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl<T: Zeroed> Index<usize> for Table<T> {
    type Output = T;
    #[inline(always)]
    fn index(&self, n: usize) -> &T {
        &self.items()[n % ROOM]
    }
}
impl<T: Zeroed> IndexMut<usize> for Table<T> {
    #[inline(always)]
    fn index_mut(&mut self, n: usize) -> &mut T {
        &mut self.items_mut()[n % ROOM]
    }
}
impl<T: Zeroed> Drop for Table<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nobody refers to any more.
        unsafe { libc::munmap(self.items.as_ptr().cast(), size_of::<[T; ROOM]>()) };
    }
}
impl<T: Zeroed> Default for Table<T> {
    fn default() -> Table<T> {
        Table::new()
    }
}
impl<T: Zeroed> Deref for Table<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        &self.items()[..self.len]
    }
}
impl<T: Zeroed> DerefMut for Table<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let n = self.len;
        &mut self.items_mut()[..n]
    }
}
impl<T: Zeroed> Clone for Table<T> {
    fn clone(&self) -> Table<T> {
        let mut t = Table::new();
        self.iter().for_each(|&i| t.push(i));
        t
    }
}
impl<T: Zeroed + PartialEq> PartialEq for Table<T> {
    fn eq(&self, o: &Table<T>) -> bool {
        **self == **o
    }
}
impl<T: Zeroed + fmt::Debug> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
impl<'a, T: Zeroed> IntoIterator for &'a Table<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
