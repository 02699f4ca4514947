//! Reading directories: the runtime's descriptor is not in /proc/PID/fd.

use super::host;
use crate::ctx::{Ctx, SysResult};
use crate::topics::procfs;
use crate::{Errno, GuestAddr};
use std::io::Write;

/// Offsets in `struct linux_dirent64`.
const RECLEN: usize = 16;
const NAME: usize = 19;

/// getdents64(fd, buf, size)
pub fn getdents64(ctx: &mut Ctx<'_>, [fd, buf, size, ..]: [u64; 6]) -> SysResult {
    let buf = GuestAddr(buf);
    loop {
        let mut len = host(libc::SYS_getdents64, [fd, buf.host(), size, 0, 0, 0])?;
        let mut removed = false;
        for own in ctx.thread.process.own_descriptors() {
            let Some((at, reclen)) = find(buf, len, own)? else { continue };
            if !procfs::on_procfs(fd) {
                return Ok(len);
            }
            remove(buf, len, at, reclen)?;
            len -= reclen;
            removed = true;
        }
        // A listing that becomes empty would look like its end.
        if len != 0 || !removed {
            return Ok(len);
        }
    }
}

/// The entry that is named like the runtime's descriptor, if all before it look like /proc/PID/fd: numbers, `.` and `..`. In any other
/// directory the search ends at the first or second entry.
fn find(buf: GuestAddr, len: u64, own: i32) -> Result<Option<(u64, u64)>, Errno> {
    let mut name = [0u8; 12];
    let room = name.len();
    let mut rest = &mut name[..];
    // An i32 has at most 11 characters.
    let digits = match write!(rest, "{own}") {
        Ok(()) => room - rest.len(),
        Err(_) => return Ok(None),
    };
    let mut at = 0;
    while at + (NAME as u64) < len {
        let entry = buf.add(at);
        let reclen = entry.add(RECLEN as u64).read::<u16>()? as u64;
        if reclen <= NAME as u64 {
            break;
        }
        let mut text = [0u8; 12];
        let n = (reclen as usize - NAME).min(text.len());
        entry.add(NAME as u64).read_bytes(&mut text[..n])?;
        let text = text.split(|&b| b == 0).next().unwrap_or(&[]);
        if text == &name[..digits] {
            return Ok(Some((at, reclen)));
        }
        if text != b"." && text != b".." && !text.iter().all(u8::is_ascii_digit) {
            break;
        }
        at += reclen;
    }
    Ok(None)
}

/// Close the gap that an entry leaves, entry by entry, through the guarded copy.
fn remove(buf: GuestAddr, len: u64, at: u64, reclen: u64) -> Result<(), Errno> {
    let mut from = at + reclen;
    let mut piece = [0u8; 256];
    while from < len {
        let n = (len - from).min(piece.len() as u64);
        let piece = &mut piece[..n as usize];
        buf.add(from).read_bytes(piece)?;
        buf.add(from - reclen).write_bytes(piece)?;
        from += n;
    }
    Ok(())
}
