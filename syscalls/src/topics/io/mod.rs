//! Descriptors, polling and device control.

mod epoll;
mod fd;
mod ioctl;
mod poll;

pub use epoll::{epoll_ctl, epoll_pwait, epoll_pwait2};
pub use fd::{dup, dup3, fcntl, pipe2};
pub use ioctl::ioctl;
pub use poll::{io_pgetevents, ppoll, pselect6};

/// What an arm64 kernel does to an argument that may be a pointer: bits 63 to 56 become copies of bit 55. Unlike the removal of a tag it
/// leaves negative numbers alone.
fn untag(arg: u64) -> u64 {
    ((arg << 8) as i64 >> 8) as u64
}
