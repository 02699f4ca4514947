//! Polling: `struct epoll_event`.

use crate::ptr::Plain;

/// `struct epoll_event` of every machine but amd64, which packs it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EpollEvent {
    pub events: u32,
    pub pad: u32,
    pub data: u64,
}

// SAFETY: integers without implicit padding, in the guest's layout.
unsafe impl Plain for EpollEvent {}

/// Size of the kernel's own `struct epoll_event` on the host.
#[cfg(target_arch = "x86_64")]
pub const HOST_EPOLL_EVENT: usize = size_of::<libc::epoll_event>();

impl EpollEvent {
    /// From the bytes of amd64's packed form.
    pub fn from_packed(b: [u8; 12]) -> EpollEvent {
        let [e0, e1, e2, e3, d @ ..] = b;
        EpollEvent { events: u32::from_le_bytes([e0, e1, e2, e3]), pad: 0, data: u64::from_le_bytes(d) }
    }
}

const _: () = assert!(size_of::<EpollEvent>() == 16);
#[cfg(target_arch = "x86_64")]
const _: () = assert!(HOST_EPOLL_EVENT == 12);
