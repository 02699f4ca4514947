//! `--strace`: one line per call on standard error, in the manner of strace(1).

use crate::ctx::{Flow, Stop, SysResult};
use crate::errno::{self, Errno};
use crate::ptr::GuestAddr;
use crate::sys;
use crate::table::Row;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};

/// Bytes of strings and buffers to show.
const SHOWN: usize = 64;

/// A call under way.
pub struct Call<'a> {
    row: Option<&'a Row>,
    args: [u64; 6],
    tid: i32,
    /// The part before the result when it had to be made before the call: what the arguments point to may be gone afterwards.
    early: Option<String>,
}

impl<'a> Call<'a> {
    /// Before the call. Calls that may not come back are printed now.
    pub fn start(tid: i32, row: Option<&'a Row>, nr: u64, args: [u64; 6]) -> Call<'a> {
        let mut call = Call { row, args, tid, early: None };
        match row {
            None => call.early = Some(format!("syscall_{nr}({})", args.map(|a| format!("{a:#x}")).join(", "))),
            Some(row) if row.name.starts_with("exec") => {
                let text = call.text(None);
                print(&format!("[{tid}] {text} ...\n"));
                call.early = Some(text);
            }
            _ => {}
        }
        call
    }

    /// After the call.
    pub fn finish(self, result: &SysResult) {
        let mut line = format!("[{}] ", self.tid);
        match &self.early {
            Some(text) => line.push_str(text),
            None => line.push_str(&self.text(result.as_ref().ok().copied())),
        }
        line.push_str(" = ");
        describe_result(&mut line, self.row, result);
        line.push('\n');
        print(&line);
    }

    /// `name(arguments)`.
    fn text(&self, result: Option<u64>) -> String {
        let Some(row) = self.row else { return String::new() };
        let mut out = String::with_capacity(128);
        out.push_str(row.name);
        out.push('(');
        for (i, letter) in row.args.bytes().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            let value = self.args[i];
            match letter {
                b's' => string(&mut out, value),
                b'b' => buffer(&mut out, row.name, value, self.args.get(i + 1).copied().unwrap_or(0), result),
                _ => scalar(&mut out, letter, value),
            }
        }
        out.push(')');
        out
    }
}

// Writing to a String cannot fail, so the results of write! are dropped throughout.

fn scalar(out: &mut String, letter: u8, value: u64) {
    let _ = match letter {
        b'd' => write!(out, "{}", value as i32),
        b'f' if value as i32 == libc::AT_FDCWD => write!(out, "AT_FDCWD"),
        b'f' => write!(out, "{}", value as i32),
        b'u' => write!(out, "{value}"),
        b'o' => write!(out, "0{:03o}", value as u32),
        b'p' if value == 0 => write!(out, "NULL"),
        _ => write!(out, "{value:#x}"),
    };
}

fn string(out: &mut String, address: u64) {
    if address == 0 {
        out.push_str("NULL");
        return;
    }
    match GuestAddr(address).read_path() {
        Ok(bytes) => quoted(out, &bytes, bytes.len()),
        Err(_) => scalar(out, b'p', address),
    }
}

/// A buffer with its length: as much as the call moved, or all of it where the result isn't a count.
fn buffer(out: &mut String, name: &str, address: u64, len: u64, result: Option<u64>) {
    let moved = match result {
        Some(0) if !name.contains("read") && !name.contains("recv") => len,
        Some(n) => n.min(len),
        None => return scalar(out, b'p', address),
    };
    let mut bytes = vec![0; (moved as usize).min(SHOWN)];
    match GuestAddr(address).read_bytes(&mut bytes) {
        Ok(()) if address != 0 => quoted(out, &bytes, moved as usize),
        _ => scalar(out, b'p', address),
    }
}

fn quoted(out: &mut String, bytes: &[u8], whole: usize) {
    out.push('"');
    for &b in &bytes[..bytes.len().min(SHOWN.max(whole.min(256)))] {
        let _ = match b {
            b'"' | b'\\' => write!(out, "\\{}", b as char),
            b'\n' => write!(out, "\\n"),
            b'\t' => write!(out, "\\t"),
            b'\r' => write!(out, "\\r"),
            0x20..=0x7e => write!(out, "{}", b as char),
            _ => write!(out, "\\{b:03o}"),
        };
    }
    out.push('"');
    if whole > bytes.len() || bytes.len() > 256 {
        out.push_str("...");
    }
}

fn describe_result(out: &mut String, row: Option<&Row>, result: &SysResult) {
    let address = row.is_some_and(|r| matches!(r.name, "brk" | "mmap" | "mremap" | "shmat"));
    let _ = match *result {
        Ok(v) if address => write!(out, "{v:#x}"),
        Ok(v) if v < 1 << 31 => write!(out, "{v}"),
        Ok(v) => write!(out, "{v:#x}"),
        Err(Stop::Errno(e)) => write!(out, "-1 {e:?} ({})", message(e)),
        Err(Stop::Restart) => write!(out, "? ERESTARTSYS (To be restarted)"),
        Err(Stop::Flow(Flow::Replaced)) => write!(out, "? (registers replaced)"),
        Err(Stop::Flow(Flow::Repeat)) => write!(out, "? (to be repeated)"),
        Err(Stop::Flow(Flow::Exit(_) | Flow::ExitGroup(_) | Flow::Die(_))) => write!(out, "?"),
    };
}

/// The C library's text for an errno.
fn message(e: Errno) -> String {
    if errno::name(e.0).is_none() {
        return "unknown error".to_string();
    }
    let text = std::io::Error::from_raw_os_error(e.0).to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

/// The descriptor that the lines go to, once the first was printed: a high copy of standard error, which the guest may close.
static OUTPUT: AtomicI32 = AtomicI32::new(-1);

/// The descriptor of the trace, to be kept from the guest, if there is one.
pub fn output_fd() -> Option<i32> {
    let fd = OUTPUT.load(Ordering::Relaxed);
    (fd > libc::STDERR_FILENO).then_some(fd)
}

fn output() -> i32 {
    let fd = OUTPUT.load(Ordering::Relaxed);
    if fd >= 0 {
        return fd;
    }
    let copy = [1000, 200, 20].into_iter().find_map(|min| {
        // SAFETY: duplicates a descriptor; touches no memory.
        let fd = unsafe { sys::raw(libc::SYS_fcntl, [libc::STDERR_FILENO as u64, libc::F_DUPFD_CLOEXEC as u64, min, 0, 0, 0]) };
        (fd >= 0).then_some(fd as i32)
    });
    let fd = copy.unwrap_or(libc::STDERR_FILENO);
    match OUTPUT.compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fd,
        Err(other) => {
            if fd != libc::STDERR_FILENO {
                // SAFETY: closes the copy made above, which nobody else knows.
                unsafe { sys::raw(libc::SYS_close, [fd as u64, 0, 0, 0, 0, 0]) };
            }
            other
        }
    }
}

/// Write one line in one call, so that lines of threads and processes don't mix. What can't be written is lost.
fn print(line: &str) {
    // SAFETY: the buffer is readable for its length.
    unsafe { sys::raw(libc::SYS_write, [output() as u64, line.as_ptr() as u64, line.len() as u64, 0, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Run, Support};

    fn show(name: &'static str, letters: &'static str, args: [u64; 6], result: SysResult) -> String {
        let row = Row { name, args: letters, run: Run::Fail(0), support: Support::Full };
        let call = Call { row: Some(&row), args, tid: 7, early: None };
        let mut out = call.text(result.as_ref().ok().copied());
        out.push_str(" = ");
        describe_result(&mut out, Some(&row), &result);
        out
    }

    #[test]
    fn lines_look_like_strace() {
        let path = c"/etc/ld.so\t\"x\"";
        let p = path.as_ptr() as u64;
        assert_eq!(
            show("openat", "fsxo", [-100i32 as u32 as u64, p, 0x80000, 0o644, 0, 0], Ok(3)),
            "openat(AT_FDCWD, \"/etc/ld.so\\t\\\"x\\\"\", 0x80000, 0644) = 3"
        );
        assert_eq!(
            show("openat", "fsxo", [5, 0, 0, 0, 0, 0], Err(Stop::Errno(Errno::ENOENT))),
            "openat(5, NULL, 0x0, 0000) = -1 ENOENT (No such file or directory)"
        );
        let data = *b"hello\0world";
        let d = data.as_ptr() as u64;
        assert_eq!(show("read", "fbu", [0, d, 4096, 0, 0, 0], Ok(5)), "read(0, \"hello\", 4096) = 5");
        assert_eq!(show("write", "fbu", [1, d, 11, 0, 0, 0], Ok(11)), "write(1, \"hello\\000world\", 11) = 11");
        assert_eq!(show("read", "fbu", [0, d, 4096, 0, 0, 0], Ok(0)), "read(0, \"\", 4096) = 0");
        assert_eq!(show("mmap", "pu", [0, 9, 0, 0, 0, 0], Ok(0x7f00_0000_0000)), "mmap(NULL, 9) = 0x7f0000000000");
    }
}
