//! An error number of the kernel.

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

/// What people and their scripts know the errors by: the words of glibc's strerror(3), whatever library this program is built with. One a line, from 0.
const MESSAGES: &str = include_str!("errno/messages.txt");

fn message(n: i32) -> Option<&'static str> {
    usize::try_from(n).ok().and_then(|n| MESSAGES.lines().nth(n))
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match message(self.0) {
            Some(text) => f.write_str(text),
            None => write!(f, "Unknown error {}", self.0),
        }
    }
}

/// XPG's strerror_r, for the standard library's messages. A text too long for the buffer is cut.
///
/// # Safety
/// The buffer is `len` bytes long.
#[cfg(all(target_env = "musl", not(test)))]
#[no_mangle]
unsafe extern "C" fn __xpg_strerror_r(n: i32, to: *mut libc::c_char, len: usize) -> i32 {
    let text = Errno(n).to_string();
    let Some(room) = len.checked_sub(1) else { return libc::ERANGE };
    let kept = text.len().min(room);
    // SAFETY: as long as the buffer.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), to.cast(), kept);
        *to.add(kept) = 0;
    }
    if kept < text.len() {
        libc::ERANGE
    } else {
        0
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Under musl there is nothing to compare with; the suite of malformed programs does it there, by what a shell says.
    #[test]
    fn messages_are_glibcs() {
        assert_eq!(Errno(libc::ELIBBAD).to_string(), "Accessing a corrupted shared library");
        assert_eq!(Errno(134).to_string(), "Unknown error 134");
        assert_eq!(Errno(-1).to_string(), "Unknown error -1");
        #[cfg(target_env = "gnu")]
        for n in 0..=134 {
            let said = std::io::Error::from_raw_os_error(n).to_string();
            assert_eq!(format!("{} (os error {n})", Errno(n)), said);
        }
    }
}
