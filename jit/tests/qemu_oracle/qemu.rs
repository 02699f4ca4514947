//! The side of QEMU: batches of cases for `runner.c`, by way of files in memory.

use crate::case::{Case, Edges, Outcome, State, BATCH, BRK, EDGE, WORDS};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const STATE_BYTES: usize = 36 * 8 + 32 * 16;
const REPLY_BYTES: usize = 16 + STATE_BYTES + 2 * EDGE;
/// "No way out but a signal" in a request.
const NO_EXIT: u32 = 0xff;

impl State {
    fn put(&self, out: &mut Vec<u8>) {
        for v in self.x.iter().chain([&self.sp, &self.pc, &self.nzcv]) {
            out.extend(v.to_le_bytes());
        }
        out.extend(self.fpcr.to_le_bytes());
        out.extend(self.fpsr.to_le_bytes());
        out.extend([0; 8]);
        for v in self.v {
            out.extend(v.to_le_bytes());
        }
    }

    fn take(bytes: &[u8]) -> State {
        let word = |n: usize| u64::from_le_bytes(bytes[n * 8..n * 8 + 8].try_into().unwrap());
        let mut s = State { sp: word(31), pc: word(32), nzcv: word(33), ..State::default() };
        s.x.iter_mut().enumerate().for_each(|(n, x)| *x = word(n));
        s.fpcr = word(34) as u32;
        s.fpsr = (word(34) >> 32) as u32;
        s.v.iter_mut().enumerate().for_each(|(n, v)| *v = word(36 + 2 * n) as u128 | (word(37 + 2 * n) as u128) << 64);
        s
    }
}

/// An anonymous file in memory.
fn memory_file() -> File {
    // SAFETY: the name is a C string; the descriptor is fresh and ours.
    unsafe {
        let fd = libc::memfd_create(c"oracle".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        File::from_raw_fd(fd)
    }
}

/// Which QEMU: `QEMU_AARCH64`, or what the system has.
fn program() -> String {
    std::env::var("QEMU_AARCH64").unwrap_or_else(|_| "qemu-aarch64-static".into())
}

/// Its major version, if there is one.
pub fn major() -> Option<u32> {
    let out = Command::new(program()).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.split_once("version ")?.1.split('.').next()?.parse().ok()
}

/// QEMU with the runner.
pub struct Qemu {
    runner: PathBuf,
}

/// A batch under way.
pub struct Running {
    child: Child,
    replies: File,
    count: usize,
}

impl Qemu {
    /// Build the runner; `None` when there is no cross compiler or no QEMU.
    pub fn find() -> Option<Qemu> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("oracle-runner-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qemu_oracle/runner.c");
        let built = Command::new("aarch64-linux-gnu-gcc").args(["-O1", "-static", source, "-o"]).arg(&out).status().ok()?;
        Command::new(program()).arg("--version").stdout(Stdio::null()).status().ok()?;
        built.success().then_some(Qemu { runner: out })
    }

    /// Start a batch.
    pub fn start<'a>(&self, edges: &Edges, cases: impl ExactSizeIterator<Item = &'a Case>) -> Running {
        let count = cases.len();
        assert!(count <= BATCH);
        let mut input = Vec::with_capacity(edges.len() + 16 + count * (WORDS * 4 + 16 + STATE_BYTES));
        input.extend((count as u32).to_le_bytes());
        input.extend([0; 12]);
        input.extend(edges);
        for c in cases {
            c.code.iter().for_each(|w| input.extend(w.to_le_bytes()));
            // Code that reads itself must stay what it is.
            let exit = if c.read || c.code[c.len] != BRK { NO_EXIT } else { c.len as u32 };
            input.extend(exit.to_le_bytes());
            input.extend([0; 12]);
            c.state.put(&mut input);
        }
        let (mut requests, replies) = (memory_file(), memory_file());
        requests.write_all(&input).expect("memory");
        replies.set_len((count * REPLY_BYTES) as u64).expect("memory");
        let child = Command::new(program())
            .args(["-cpu", "max,pauth=off,sve=off,sme=off"])
            .arg(&self.runner)
            .stdin(requests)
            .stdout(replies.try_clone().expect("descriptor"))
            .spawn()
            .expect("qemu");
        Running { child, replies, count }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.runner);
    }
}

impl Running {
    /// Wait for the replies and give them to `each`, in order.
    pub fn finish(mut self, mut each: impl FnMut(usize, Outcome)) {
        assert!(self.child.wait().expect("qemu").success(), "the runner failed");
        let len = self.count * REPLY_BYTES;
        // SAFETY: a private view of a file of this length that nobody else writes any more.
        let bytes = unsafe {
            let p = libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_PRIVATE, self.replies.as_raw_fd(), 0);
            assert!(p != libc::MAP_FAILED);
            std::slice::from_raw_parts(p.cast::<u8>(), len)
        };
        for (n, r) in bytes.chunks(REPLY_BYTES).enumerate() {
            let outcome = Outcome {
                signal: u64::from_le_bytes(r[..8].try_into().unwrap()),
                state: State::take(&r[16..16 + STATE_BYTES]),
                edges: r[16 + STATE_BYTES..].try_into().unwrap(),
            };
            each(n, outcome);
        }
        // SAFETY: the mapping from above, not used any more.
        unsafe { libc::munmap(bytes.as_ptr() as *mut libc::c_void, len) };
    }
}
