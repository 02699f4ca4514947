//! Guest memory as handlers see it. Guest addresses are host addresses, but never trusted: every access is guarded and fails with EFAULT.

use crate::{sys, Errno};
use std::mem::MaybeUninit;

/// A guest address. The top byte may carry a tag (arm64 TBI); [`GuestAddr::host`] strips it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct GuestAddr(pub u64);

/// Types that may be read from and written to guest memory as bytes.
///
/// # Safety
/// Every bit pattern must be a valid value, and the layout must be the guest's (repr(C), no pointers of ours).
pub unsafe trait Plain: Copy {}

macro_rules! plain { ($($t:ty)*) => { $(
    // SAFETY: plain integers.
    unsafe impl Plain for $t {}
)* } }
plain! { u8 u16 u32 u64 u128 i8 i16 i32 i64 usize isize }
// SAFETY: an array of plain values has no padding.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

impl GuestAddr {
    /// The null pointer.
    pub const NULL: GuestAddr = GuestAddr(0);
    /// Whether it is null.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }
    /// The host address: without the tag byte.
    pub fn host(self) -> u64 {
        self.0 & 0x00ff_ffff_ffff_ffff
    }
    /// Offset by bytes (wrapping).
    pub fn add(self, n: u64) -> GuestAddr {
        GuestAddr(self.0.wrapping_add(n))
    }
    /// Read a value. Unaligned is fine.
    pub fn read<T: Plain>(self) -> Result<T, Errno> {
        let mut v = MaybeUninit::<T>::uninit();
        // SAFETY: `v` has room for the size; the guest's side is guarded. All bytes are written on success and `T` is Plain.
        unsafe {
            sys::copy(v.as_mut_ptr().cast(), self.host() as *const u8, size_of::<T>()).map_err(|()| Errno::EFAULT)?;
            Ok(v.assume_init())
        }
    }
    /// Write a value. Unaligned is fine.
    pub fn write<T: Plain>(self, v: T) -> Result<(), Errno> {
        // SAFETY: `v` is readable for its size; the guest's side is guarded.
        unsafe { sys::copy(self.host() as *mut u8, (&raw const v).cast(), size_of::<T>()).map_err(|()| Errno::EFAULT) }
    }
    /// Read exactly `out.len()` bytes.
    pub fn read_bytes(self, out: &mut [u8]) -> Result<(), Errno> {
        // SAFETY: as in `read`.
        unsafe { sys::copy(out.as_mut_ptr(), self.host() as *const u8, out.len()).map_err(|()| Errno::EFAULT) }
    }
    /// Write all of `data`.
    pub fn write_bytes(self, data: &[u8]) -> Result<(), Errno> {
        // SAFETY: as in `write`.
        unsafe { sys::copy(self.host() as *mut u8, data.as_ptr(), data.len()).map_err(|()| Errno::EFAULT) }
    }
    /// Read a NUL-terminated string of at most `max` bytes (without the NUL); longer: ENAMETOOLONG.
    pub fn read_cstr(self, max: usize) -> Result<Vec<u8>, Errno> {
        let mut out = Vec::new();
        let mut at = self.host();
        while out.len() <= max {
            // Up to the end of the page, so that no page is touched that the string doesn't reach.
            let n = (4096 - (at & 4095) as usize).min(256).min(max + 1 - out.len());
            let mut buf = [0u8; 256];
            GuestAddr(at).read_bytes(&mut buf[..n])?;
            if let Some(z) = buf[..n].iter().position(|&b| b == 0) {
                out.extend_from_slice(&buf[..z]);
                return Ok(out);
            }
            out.extend_from_slice(&buf[..n]);
            at += n as u64;
        }
        Err(Errno::ENAMETOOLONG)
    }
    /// A path: at most PATH_MAX bytes.
    pub fn read_path(self) -> Result<Vec<u8>, Errno> {
        self.read_cstr(4095)
    }
}
