//! Linux as the host has it.

#[cfg(target_arch = "x86_64")]
use crate::amd64 as linux;
#[cfg(target_arch = "aarch64")]
use crate::arm64 as linux;

pub use linux::numbers::nr;
pub use linux::ABI;
