//! The older calls by path, by way of the newer ones.

use super::{getdents64, host, newfstatat, openat, readlinkat};
use crate::ctx::{Ctx, SysResult};
use crate::{Errno, GuestAddr};

const AT_FDCWD: u64 = libc::AT_FDCWD as u64;
const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;

fn at(path: u64) -> u64 {
    GuestAddr(path).host()
}

/// open(path, flags, mode)
pub fn open(ctx: &mut Ctx<'_>, [path, flags, mode, ..]: [u64; 6]) -> SysResult {
    openat(ctx, [AT_FDCWD, path, flags, mode, 0, 0])
}

/// creat(path, mode)
pub fn creat(ctx: &mut Ctx<'_>, [path, mode, ..]: [u64; 6]) -> SysResult {
    openat(ctx, [AT_FDCWD, path, (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64, mode, 0, 0])
}

/// stat(path, buf)
pub fn stat(ctx: &mut Ctx<'_>, [path, buf, ..]: [u64; 6]) -> SysResult {
    newfstatat(ctx, [AT_FDCWD, path, buf, 0, 0, 0])
}

/// lstat(path, buf)
pub fn lstat(ctx: &mut Ctx<'_>, [path, buf, ..]: [u64; 6]) -> SysResult {
    newfstatat(ctx, [AT_FDCWD, path, buf, NOFOLLOW, 0, 0])
}

/// access(path, mode)
pub fn access(ctx: &mut Ctx<'_>, [path, mode, ..]: [u64; 6]) -> SysResult {
    super::faccessat(ctx, [AT_FDCWD, path, mode, 0, 0, 0])
}

/// readlink(path, buf, size)
pub fn readlink(ctx: &mut Ctx<'_>, [path, buf, size, ..]: [u64; 6]) -> SysResult {
    readlinkat(ctx, [AT_FDCWD, path, buf, size, 0, 0])
}

/// rename(old, new)
pub fn rename(_: &mut Ctx<'_>, [old, new, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_renameat2, [AT_FDCWD, at(old), AT_FDCWD, at(new), 0, 0])
}

/// mkdir(path, mode)
pub fn mkdir(_: &mut Ctx<'_>, [path, mode, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_mkdirat, [AT_FDCWD, at(path), mode, 0, 0, 0])
}

/// rmdir(path)
pub fn rmdir(_: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_unlinkat, [AT_FDCWD, at(path), libc::AT_REMOVEDIR as u64, 0, 0, 0])
}

/// unlink(path)
pub fn unlink(_: &mut Ctx<'_>, [path, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_unlinkat, [AT_FDCWD, at(path), 0, 0, 0, 0])
}

/// link(old, new)
pub fn link(_: &mut Ctx<'_>, [old, new, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_linkat, [AT_FDCWD, at(old), AT_FDCWD, at(new), 0, 0])
}

/// symlink(target, path)
pub fn symlink(_: &mut Ctx<'_>, [target, path, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_symlinkat, [at(target), AT_FDCWD, at(path), 0, 0, 0])
}

/// chmod(path, mode)
pub fn chmod(_: &mut Ctx<'_>, [path, mode, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_fchmodat, [AT_FDCWD, at(path), mode, 0, 0, 0])
}

/// chown(path, user, group)
pub fn chown(_: &mut Ctx<'_>, [path, user, group, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_fchownat, [AT_FDCWD, at(path), user, group, 0, 0])
}

/// lchown(path, user, group)
pub fn lchown(_: &mut Ctx<'_>, [path, user, group, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_fchownat, [AT_FDCWD, at(path), user, group, NOFOLLOW, 0])
}

/// mknod(path, mode, device)
pub fn mknod(_: &mut Ctx<'_>, [path, mode, device, ..]: [u64; 6]) -> SysResult {
    host(libc::SYS_mknodat, [AT_FDCWD, at(path), mode, device, 0, 0])
}

/// inotify_init()
pub fn inotify_init(_: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    host(libc::SYS_inotify_init1, [0; 6])
}

fn set_times(dirfd: u64, path: u64, times: Option<[[i64; 2]; 2]>) -> SysResult {
    let times = times.as_ref().map_or(0, |t| t.as_ptr() as u64);
    host(libc::SYS_utimensat, [dirfd, at(path), times, 0, 0, 0])
}

/// utime(path, times): seconds.
pub fn utime(_: &mut Ctx<'_>, [path, times, ..]: [u64; 6]) -> SysResult {
    let times = if times == 0 { None } else { Some(GuestAddr(times).read::<[i64; 2]>()?) };
    set_times(AT_FDCWD, path, times.map(|[access, change]| [[access, 0], [change, 0]]))
}

/// utimes(path, times): microseconds.
pub fn utimes(ctx: &mut Ctx<'_>, [path, times, ..]: [u64; 6]) -> SysResult {
    futimesat(ctx, [AT_FDCWD, path, times, 0, 0, 0])
}

/// futimesat(dirfd, path, times)
pub fn futimesat(_: &mut Ctx<'_>, [dirfd, path, times, ..]: [u64; 6]) -> SysResult {
    if times == 0 {
        return set_times(dirfd, path, None);
    }
    let times = GuestAddr(times).read::<[[i64; 2]; 2]>()?;
    // Nanoseconds have values with a meaning of their own, and products that overflow.
    if times.iter().any(|[_, micros]| !(0..1_000_000).contains(micros)) {
        return Err(Errno::EINVAL.into());
    }
    set_times(dirfd, path, Some(times.map(|[seconds, micros]| [seconds, micros * 1000])))
}

/// Offsets in `struct linux_dirent64`: the record's length, its type, its name. In `struct linux_dirent` the name comes first, and the type is the last byte.
const RECLEN: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

/// getdents(fd, buf, size): records are as long as those of getdents64.
pub fn getdents(ctx: &mut Ctx<'_>, args: [u64; 6]) -> SysResult {
    let len = getdents64(ctx, args)?;
    let mut record = [0u8; 512];
    let mut done = 0;
    while done < len {
        let entry = GuestAddr(args[1]).add(done);
        let reclen = entry.add(RECLEN as u64).read::<u16>()? as usize;
        let Some(record) = record.get_mut(..reclen).filter(|r| r.len() > NAME) else { break };
        entry.read_bytes(record)?;
        record[TYPE..].rotate_left(1);
        entry.add(TYPE as u64).write_bytes(&record[TYPE..])?;
        done += reclen as u64;
    }
    Ok(len)
}

/// The file systems that the kernel knows.
fn file_systems() -> Result<Vec<String>, Errno> {
    let text = std::fs::read_to_string("/proc/filesystems").map_err(|_| Errno::ENOSYS)?;
    Ok(text.lines().filter_map(|line| line.split('\t').nth(1)).map(str::to_string).collect())
}

/// sysfs(option, argument, buf): a file system's index, its name, how many there are.
pub fn sysfs(_: &mut Ctx<'_>, [option, arg, buf, ..]: [u64; 6]) -> SysResult {
    let bad = || Errno::EINVAL.into();
    match option as i32 {
        1 => {
            let name = GuestAddr(arg).read_path()?;
            file_systems()?.iter().position(|f| f.as_bytes() == name).map(|i| i as u64).ok_or_else(bad)
        }
        2 => {
            let all = file_systems()?;
            let name = all.get(arg as u32 as usize).ok_or_else(bad)?;
            GuestAddr(buf).write_bytes(&[name.as_bytes(), &[0]].concat())?;
            Ok(0)
        }
        3 => Ok(file_systems()?.len() as u64),
        _ => Err(bad()),
    }
}

/// Where a file system is mounted, as the C library would spell it.
fn mount_point(major: u64, minor: u64) -> Option<Vec<u8>> {
    let device = format!("{major}:{minor}");
    let text = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = text.lines().find(|line| line.split(' ').nth(2) == Some(&device))?;
    // Blanks in a path are shown in octal.
    let mut path = Vec::new();
    let mut rest = line.split(' ').nth(4)?.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = if byte == b'\\' { tail.get(..3).and_then(|d| std::str::from_utf8(d).ok()) } else { None };
        let shown = octal.and_then(|d| u8::from_str_radix(d, 8).ok());
        path.push(shown.unwrap_or(byte));
        rest = if shown.is_some() { &tail[3..] } else { tail };
    }
    path.push(0);
    Some(path)
}

/// ustat(device, buf)
pub fn ustat(_: &mut Ctx<'_>, [device, buf, ..]: [u64; 6]) -> SysResult {
    let device = device & 0xffff_ffff;
    let path = mount_point((device & 0xf_ff00) >> 8, device & 0xff | device >> 12 & 0xf_ff00).ok_or(Errno::EINVAL)?;
    // SAFETY: all-zero is a valid statfs, plain data.
    let mut statfs: libc::statfs = unsafe { std::mem::zeroed() };
    host(libc::SYS_statfs, [path.as_ptr() as u64, (&raw mut statfs) as u64, 0, 0, 0, 0])?;
    // `struct ustat`: free blocks as an int, free inodes, two names that are empty.
    GuestAddr(buf).write([u64::from(statfs.f_bfree as u32), statfs.f_ffree, 0, 0])?;
    Ok(0)
}
