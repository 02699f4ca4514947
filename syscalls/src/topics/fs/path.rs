//! Paths that may name a file of /proc which must show the guest instead of the runtime. The test comes before every open and stat, so it
//! looks at a piece of the path on the stack; what it suspects goes to [`procfs`], which decides.

use crate::ctx::Ctx;
use crate::topics::procfs;
use crate::GuestAddr;
use std::ffi::CString;

/// Files of /proc and /proc/PID with contents that the runtime must replace: what a path that does not spell out "proc" (relative to the
/// current directory or a descriptor) has to end in to be looked at.
const NAMES: [&[u8]; 10] = [b"exe", b"maps", b"smaps", b"cmdline", b"auxv", b"environ", b"cpuinfo", b"stat", b"status", b"arch"];

/// How much of a path is looked at on the stack; a longer one is read as a whole if it can be in /proc.
const PEEK: usize = 128;

fn may_be_proc(path: &[u8]) -> bool {
    path.windows(4).any(|w| w == b"proc") || path.rsplit(|&b| b == b'/').next().is_some_and(|base| NAMES.contains(&base))
}

/// The path, if it may name a file that [`procfs`] answers for. A path that can't be read is the kernel's to refuse.
pub(super) fn proc(path: GuestAddr) -> Option<Vec<u8>> {
    let mut buf = [0; PEEK];
    let at = path.host();
    // Never past the end of the page: the path may end there.
    let n = (4096 - (at & 4095) as usize).min(PEEK);
    path.read_bytes(&mut buf[..n]).ok()?;
    if let Some(end) = buf[..n].iter().position(|&b| b == 0) {
        return may_be_proc(&buf[..end]).then(|| buf[..end].to_vec());
    }
    let path = path.read_path().ok()?;
    may_be_proc(&path).then_some(path)
}

/// Where a call that follows symbolic links really goes if the path is a link of /proc that must point to the guest's own
/// (/proc/self/exe and its other names).
pub(super) fn target(ctx: &mut Ctx<'_>, dirfd: u64, path: GuestAddr) -> Option<CString> {
    let path = proc(path)?;
    CString::new(procfs::readlink(ctx, dirfd as i32, &path)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects() {
        for p in
            ["/proc/self/exe", "/proc//cpuinfo", "//proc/1/maps", "self/exe", "maps", "proc/cpuinfo", "task/12/stat", "../proc/x"]
        {
            assert!(may_be_proc(p.as_bytes()), "{p}");
        }
        for p in ["", "/", "/usr/lib/libc.so.6", "main.c", "a/exe.c", "maps/x", "stats"] {
            assert!(!may_be_proc(p.as_bytes()), "{p}");
        }
    }

    #[test]
    fn reads_only_what_the_path_covers() {
        let mut page = vec![b'a'; 3 * 4096];
        let at = page.as_ptr() as u64;
        let end = ((at + 4095) & !4095) - at + 4096;
        let put = |page: &mut [u8], from: u64, s: &[u8]| page[from as usize..from as usize + s.len()].copy_from_slice(s);
        // Across the end of a page.
        put(&mut page, end - 3, b"/proc/self/exe\0");
        assert_eq!(proc(GuestAddr(at + end - 3)).as_deref(), Some(&b"/proc/self/exe"[..]));
        // Longer than the piece, tagged.
        let long = ["/".repeat(300).as_bytes(), b"proc/self/exe\0"].concat();
        put(&mut page, 16, &long);
        assert_eq!(proc(GuestAddr((at + 16) | (0xab << 56))).map(|p| p.len()), Some(long.len() - 1));
        put(&mut page, 16, b"/tmp/x\0");
        assert_eq!(proc(GuestAddr(at + 16)), None);
    }
}
