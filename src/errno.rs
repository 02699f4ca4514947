//! An error number of the kernel.

use std::ffi::CStr;
use std::fmt;

/// An error number, as system calls return it negated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The calling thread's `errno`.
    pub fn last() -> Errno {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }

    /// `Ok(v)` unless a libc call returned -1.
    pub fn check(v: i32) -> Result<i32, Errno> {
        if v == -1 {
            Err(Errno::last())
        } else {
            Ok(v)
        }
    }
}

impl From<std::io::Error> for Errno {
    fn from(e: std::io::Error) -> Errno {
        Errno(e.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buf = [0u8; 128];
        // SAFETY: the buffer's length is given; the POSIX strerror_r always terminates what it writes.
        unsafe { libc::strerror_r(self.0, buf.as_mut_ptr().cast(), buf.len()) };
        match CStr::from_bytes_until_nul(&buf) {
            Ok(s) => f.write_str(&s.to_string_lossy()),
            Err(_) => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.0)
    }
}
