//! Descriptors, polling and device control.

mod epoll;
mod fd;
mod ioctl;
mod legacy;
mod poll;

pub use epoll::{epoll_ctl, epoll_pwait, epoll_pwait2};
pub use fd::{dup, dup3, fcntl, pipe2};
pub use ioctl::ioctl;
pub use legacy::*;
pub use poll::{io_pgetevents, ppoll, pselect6};
