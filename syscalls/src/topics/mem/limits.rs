//! What the guest has forbidden itself: limits on memory, and mappings that are both writable and executable.

use super::vma::{Attr, Prot, Vma};
use super::{Inner, Space};
use crate::ptr::Plain;
use crate::Errno;
use std::sync::atomic::Ordering;

/// `struct rlimit`, 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Limit {
    /// Soft limit.
    pub cur: u64,
    /// Hard limit.
    pub max: u64,
}
// SAFETY: two integers.
unsafe impl Plain for Limit {}

/// What the initial stack, which is as large as it may become from the start, counts as: what the kernel would have given it.
const STACK_SIZE: u64 = 132 << 10;
/// RLIM_INFINITY.
const INFINITY: u64 = u64::MAX;

/// Numbers of the limits on memory, whose type C libraries don't agree on.
pub const RLIMIT_DATA: u32 = 2;
/// See [`RLIMIT_DATA`].
pub const RLIMIT_STACK: u32 = 3;
/// See [`RLIMIT_DATA`].
pub const RLIMIT_AS: u32 = 9;

const fn slot(resource: u32) -> Option<usize> {
    match resource {
        RLIMIT_AS => Some(0),
        RLIMIT_DATA => Some(1),
        RLIMIT_STACK => Some(2),
        _ => None,
    }
}

impl Space {
    /// RLIMIT_AS, RLIMIT_DATA or RLIMIT_STACK if the guest has set it.
    pub fn limit(&self, resource: u32) -> Option<Limit> {
        self.read().limits[slot(resource)?]
    }

    /// Remember it.
    pub fn set_limit(&self, resource: u32, limit: Limit) {
        if let Some(slot) = slot(resource) {
            self.write().limits[slot] = Some(limit);
        }
    }

    /// prctl(PR_GET_MDWE).
    pub fn mdwe(&self) -> u8 {
        self.mdwe.load(Ordering::Relaxed)
    }

    /// prctl(PR_SET_MDWE).
    pub fn set_mdwe(&self, bits: u8) {
        self.mdwe.store(bits, Ordering::Relaxed);
    }

    /// Whether PR_SET_MDWE forbids a mapping to go from `old` to `new`.
    pub(super) fn denied(&self, old: Prot, new: Prot) -> bool {
        self.mdwe() != 0 && new.exec() && (new.write() || !old.exec())
    }

    /// prctl(PR_GET_TAGGED_ADDR_CTRL).
    pub fn tagged_addresses(&self) -> bool {
        self.tagged_addresses.load(Ordering::Relaxed)
    }

    /// prctl(PR_SET_TAGGED_ADDR_CTRL).
    pub fn set_tagged_addresses(&self, on: bool) {
        self.tagged_addresses.store(on, Ordering::Relaxed);
    }
}

impl Inner {
    /// Fails with ENOMEM if RLIMIT_AS doesn't allow so many bytes more.
    pub(super) fn check_size(&self, more: u64) -> Result<(), Errno> {
        match self.limits[0] {
            Some(Limit { cur, .. }) if cur != INFINITY => {
                let count = |v: Vma| match v.attr.flags & Attr::STACK {
                    0 => v.end - v.start,
                    _ => (v.end - v.start).min(STACK_SIZE),
                };
                let size: u64 = self.map.iter().map(count).sum();
                // The kernel counts whole pages.
                if size.saturating_add(more) <= cur & !4095 {
                    Ok(())
                } else {
                    Err(Errno::ENOMEM)
                }
            }
            _ => Ok(()),
        }
    }
}
