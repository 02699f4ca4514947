//! Files as the guest sees them, for gdb to read programs and libraries from (`set sysroot target:`, its default). Nothing can be written.

use super::server::Guest;
use gdbstub::target::ext::host_io::*;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files that gdb has open, by its numbers. They are opened for each request: a descriptor that stays would be one among the guest's, which it sees, and
/// may close and have again for something else.
#[derive(Default)]
pub struct Files(Vec<Option<PathBuf>>);

impl Files {
    fn get(&self, fd: u32) -> HostIoResult<File, Guest> {
        let known = self.0.get(fd as usize).and_then(|f| f.as_ref());
        open(known.ok_or(HostIoError::Errno(HostIoErrno::EBADF))?).map_err(failed)
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn failed<E>(e: std::io::Error) -> HostIoError<E> {
    HostIoError::Errno(match e.raw_os_error() {
        Some(libc::EPERM) => HostIoErrno::EPERM,
        Some(libc::ENOENT) => HostIoErrno::ENOENT,
        Some(libc::EACCES) => HostIoErrno::EACCES,
        Some(libc::EISDIR) => HostIoErrno::EISDIR,
        Some(libc::ENOTDIR) => HostIoErrno::ENOTDIR,
        Some(libc::EINVAL) => HostIoErrno::EINVAL,
        Some(libc::EMFILE) => HostIoErrno::EMFILE,
        _ => HostIoErrno::EIO,
    })
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

impl HostIo for Guest {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }
    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }
    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }
    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }
    fn support_readlink(&mut self) -> Option<HostIoReadlinkOps<'_, Self>> {
        Some(self)
    }
    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

impl HostIoOpen for Guest {
    fn open(&mut self, name: &[u8], flags: HostIoOpenFlags, _: HostIoOpenMode) -> HostIoResult<u32, Self> {
        if flags.intersects(HostIoOpenFlags::O_WRONLY | HostIoOpenFlags::O_RDWR | HostIoOpenFlags::O_CREAT) {
            return Err(HostIoError::Errno(HostIoErrno::EROFS));
        }
        let file = std::path::absolute(path(name)).map_err(failed)?;
        open(&file).map_err(failed)?;
        let files = &mut self.files.0;
        let fd = files.iter().position(|f| f.is_none()).unwrap_or_else(|| {
            files.push(None);
            files.len() - 1
        });
        files[fd] = Some(file);
        Ok(fd as u32)
    }
}

impl HostIoClose for Guest {
    fn close(&mut self, fd: u32) -> HostIoResult<(), Self> {
        let known = self.files.0.get_mut(fd as usize).and_then(Option::take);
        known.map(drop).ok_or(HostIoError::Errno(HostIoErrno::EBADF))
    }
}

impl HostIoPread for Guest {
    fn pread(&mut self, fd: u32, count: usize, offset: u64, buf: &mut [u8]) -> HostIoResult<usize, Self> {
        let n = count.min(buf.len());
        self.files.get(fd)?.read_at(&mut buf[..n], offset).map_err(failed)
    }
}

impl HostIoFstat for Guest {
    fn fstat(&mut self, fd: u32) -> HostIoResult<HostIoStat, Self> {
        let m = self.files.get(fd)?.metadata().map_err(failed)?;
        Ok(HostIoStat {
            st_dev: m.dev() as u32,
            st_ino: m.ino() as u32,
            st_mode: HostIoOpenMode::from_bits_truncate(m.mode()),
            st_nlink: m.nlink() as u32,
            st_uid: m.uid(),
            st_gid: m.gid(),
            st_rdev: m.rdev() as u32,
            st_size: m.size(),
            st_blksize: m.blksize(),
            st_blocks: m.blocks(),
            st_atime: m.atime() as u32,
            st_mtime: m.mtime() as u32,
            st_ctime: m.ctime() as u32,
        })
    }
}

impl HostIoReadlink for Guest {
    fn readlink(&mut self, name: &[u8], buf: &mut [u8]) -> HostIoResult<usize, Self> {
        let link = std::fs::read_link(path(name)).map_err(failed)?.into_os_string().into_vec();
        let n = link.len().min(buf.len());
        buf[..n].copy_from_slice(&link[..n]);
        Ok(n)
    }
}

impl HostIoSetfs for Guest {
    fn setfs(&mut self, _: FsKind) -> HostIoResult<(), Self> {
        Ok(())
    }
}
