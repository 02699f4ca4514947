//! /proc/PID/exe of other guests: the kernel says that all of them run us.
//!
//! What another process runs is the file that is mapped where its program begins, as its auxiliary vector and its mappings show them: both may
//! be read by exactly those who may read the link.

use super::{host, openat, read_all, Fd};

/// The entry of the auxiliary vector that says where the program's first instruction is, and the one of its program headers.
const AT_ENTRY: u64 = 9;
const AT_PHDR: u64 = 3;

/// What `path`, a link named `exe` that isn't the caller's own, must show; `None` if the kernel's word is right.
pub fn exe(dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    let dir = path.strip_suffix(b"exe")?;
    let beside = |name: &[u8]| [dir, name].concat();
    if identity(dirfd, path)? != identity(libc::AT_FDCWD, b"/proc/self/exe")? {
        return None;
    }
    let auxv = read(dirfd, &beside(b"auxv"))?;
    let maps = read(dirfd, &beside(b"maps"))?;
    [AT_ENTRY, AT_PHDR].into_iter().find_map(|key| mapped_at(&maps, entry(&auxv, key)?))
}

/// Device and inode.
fn identity(dirfd: i32, path: &[u8]) -> Option<(u64, u64)> {
    let fd = Fd(openat(dirfd as u64, path, libc::O_PATH | libc::O_CLOEXEC).ok()?);
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    host(libc::SYS_fstat, [fd.0, stat.as_mut_ptr() as u64, 0, 0, 0, 0]).ok()?;
    // SAFETY: filled in by the kernel, which succeeded.
    let stat = unsafe { stat.assume_init() };
    Some((stat.st_dev, stat.st_ino))
}

fn read(dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    let fd = Fd(openat(dirfd as u64, path, libc::O_RDONLY | libc::O_CLOEXEC).ok()?);
    read_all(fd.0).ok()
}

fn entry(auxv: &[u8], key: u64) -> Option<u64> {
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_ne_bytes).ok();
    auxv.chunks_exact(16).find(|pair| word(&pair[..8]) == Some(key)).and_then(|pair| word(&pair[8..]))
}

/// The file of the mapping at an address, in a text like /proc/PID/maps.
fn mapped_at(maps: &[u8], at: u64) -> Option<Vec<u8>> {
    maps.split(|&b| b == b'\n').find_map(|line| {
        let text = String::from_utf8_lossy(line);
        let (range, _) = text.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let inside = u64::from_str_radix(start, 16).ok()? <= at && at < u64::from_str_radix(end, 16).ok()?;
        // Only a path has a slash, and nothing follows it.
        let path = line.iter().position(|&b| b == b'/').filter(|_| inside)?;
        Some(unescape(&line[path..]))
    })
}

/// A newline in a path is shown as `\012`.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let newline = rest.starts_with(b"\\012");
        out.push(if newline { b'\n' } else { first });
        rest = if newline { &rest[4..] } else { tail };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_file_of_an_address() {
        let maps =
            b"1000-2000 r--p 00000000 fe:00 1 /bin/a b\n2000-3000 rw-p 00000000 00:00 0 \n3000-4000 r--p 0 fe:00 2 /x\\012y\n";
        assert_eq!(mapped_at(maps, 0x1fff).as_deref(), Some(&b"/bin/a b"[..]));
        assert_eq!(mapped_at(maps, 0x2000), None);
        assert_eq!(mapped_at(maps, 0x3000).as_deref(), Some(&b"/x\ny"[..]));
        assert_eq!(mapped_at(maps, 0x4000), None);
    }

    #[test]
    fn finds_an_entry_of_the_vector() {
        let auxv: Vec<u8> = [3u64, 64, 9, 4711, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!((entry(&auxv, AT_ENTRY), entry(&auxv, 7)), (Some(4711), None));
    }
}
