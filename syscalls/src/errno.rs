//! Error numbers. They are the same on every Linux architecture that concerns us.

use std::fmt;

/// A positive errno.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! errnos { ($($n:ident)*) => {
    #[allow(missing_docs)]
    impl Errno { $(pub const $n: Errno = Errno(libc::$n);)* }
    /// Name of an errno, as in errno(3).
    pub fn name(e: i32) -> Option<&'static str> {
        $(if e == libc::$n { return Some(stringify!($n)); })*
        None
    }
} }
errnos! { EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV
ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS
ENOTEMPTY ELOOP ENOMSG EIDRM ENOSTR ENODATA ETIME EPROTO EBADMSG EOVERFLOW ELIBBAD EILSEQ EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE
ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET
ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE
EDQUOT ECANCELED EOWNERDEAD ENOTRECOVERABLE ENOKEY }

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Some(n) => f.write_str(n),
            None => write!(f, "E{}", self.0),
        }
    }
}
