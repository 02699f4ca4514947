//! Device control. Requests have the same numbers on both sides (both follow asm-generic), and structures of 64-bit little-endian machines
//! have the same layout unless they hold registers, packed fields or open flags. Those families are here; the rest goes straight through.

use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::hidden;
use crate::{Errno, GuestAddr};

/// Type byte of KVM's requests: virtual machines are of the host's architecture.
const KVM: u8 = 0xae;
/// Type byte of userfaultfd's requests.
const USERFAULTFD: u8 = 0xaa;
/// The slave of a pseudo-terminal, opened with the flags in the argument.
const TIOCGPTPEER: u32 = 0x5441;
/// _IOWR('X', 107, struct xfs_fsop_handlereq)
const XFS_IOC_OPEN_BY_HANDLE: u32 = 0xc038_586b;
/// `struct xfs_fsop_handlereq` in words, and the one that holds the open flags.
const XFS_HANDLEREQ_WORDS: usize = 7;
const XFS_HANDLEREQ_OFLAGS: usize = 2;

/// ioctl(fd, request, arg)
pub fn ioctl(ctx: &mut Ctx<'_>, [fd, request, arg, ..]: [u64; 6]) -> SysResult {
    if hidden(ctx, fd) {
        return Err(Errno::EBADF.into());
    }
    let (abi, request) = (ctx.abi(), request as u32);
    let mut call = |arg: u64| ctx.sys(libc::SYS_ioctl, [fd, request as u64, arg, 0, 0, 0]);
    match (request, (request >> 8) as u8) {
        (TIOCGPTPEER, _) => call(abi.open_flags(arg)),
        (XFS_IOC_OPEN_BY_HANDLE, _) => {
            let mut req = GuestAddr(arg).read::<[u64; XFS_HANDLEREQ_WORDS]>()?;
            req[XFS_HANDLEREQ_OFLAGS] = abi.open_flags(req[XFS_HANDLEREQ_OFLAGS]);
            call(req.as_ptr() as u64)
        }
        (_, KVM | USERFAULTFD) => refuse(fd),
        _ => call(abi.untag(arg)),
    }
}

/// As a driver that doesn't know the request.
fn refuse(fd: u64) -> SysResult {
    crate::topics::fs::host(libc::SYS_fcntl, [fd, libc::F_GETFD as u64, 0, 0, 0, 0])?;
    Err(Errno::ENOTTY.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers() {
        // _IOWR(type, nr, size): direction 3 in bits 31..30, size, type, number.
        let iowr = |ty: u8, nr: u32, size: usize| 3 << 30 | (size as u32) << 16 | (ty as u32) << 8 | nr;
        assert_eq!(XFS_IOC_OPEN_BY_HANDLE, iowr(b'X', 107, 8 * XFS_HANDLEREQ_WORDS));
        assert_eq!(TIOCGPTPEER as libc::Ioctl, libc::TIOCGPTPEER);
    }
}
