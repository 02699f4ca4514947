//! From a number and six registers to a result.

use crate::arm64::{PASS, TABLE};
use crate::ctx::{Ctx, Stop, SysResult};
use crate::strace;
use crate::table::{Row, Run};
use crate::topics::seccomp;
use crate::{sys, Errno};

/// Mask that removes a pointer's tag byte.
const UNTAG: u64 = 0x00ff_ffff_ffff_ffff;

/// Carry out the system call `nr` of the calling thread.
pub fn dispatch(ctx: &mut Ctx<'_>, nr: u64, args: [u64; 6]) -> SysResult {
    let row = TABLE.get(nr as usize).copied().flatten();
    if ctx.thread.seccomp.is_active() {
        if let Some(verdict) = seccomp::check(ctx, nr, &args) {
            return verdict;
        }
    }
    if ctx.thread.process.options.strace {
        return traced(ctx, row, nr, args);
    }
    match row {
        Some(row) => run(ctx, row, args),
        None => Err(Stop::Errno(Errno::ENOSYS)),
    }
}

#[inline]
fn run(ctx: &mut Ctx<'_>, row: &Row, mut args: [u64; 6]) -> SysResult {
    match row.run {
        Run::Pass(host) => {
            let pass = PASS[row.nr as usize];
            let mut tagged = pass & !WAITS;
            while tagged != 0 {
                args[tagged.trailing_zeros() as usize & 7] &= UNTAG;
                tagged &= tagged - 1;
            }
            if pass & WAITS != 0 {
                return ctx.sys(host, args);
            }
            // SAFETY: the guest's pointers are the guest's own; what it asks the kernel to do to its own memory is its right.
            Ok(unsafe { sys::call(host, args) }?)
        }
        Run::Call(handler) => handler(ctx, args),
        Run::Fail(e) => Err(Stop::Errno(Errno(e))),
    }
}

#[cold]
fn traced(ctx: &mut Ctx<'_>, row: Option<&Row>, nr: u64, args: [u64; 6]) -> SysResult {
    let call = strace::Call::start(ctx.thread.tid, row, nr, args);
    let result = match row {
        Some(row) => run(ctx, row, args),
        None => Err(Stop::Errno(Errno::ENOSYS)),
    };
    call.finish(&result);
    result
}

/// Bit of a row's byte: the call may wait, and a signal ends that. The others can't fail with EINTR, so a signal that is
/// about to be delivered must not keep them from happening.
pub(crate) const WAITS: u8 = 0x80;

/// Calls that wait, among those that are passed on.
#[rustfmt::skip]
const WAITING: &[&str] = &[
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "tee", "vmsplice",
    "copy_file_range", "fallocate", "flock", "io_getevents", "ioctl", "connect", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom",
    "recvmsg", "recvmmsg", "mq_timedsend", "mq_timedreceive", "msgsnd", "msgrcv", "semop", "semtimedop", "wait4", "waitid", "futex_wait",
    "futex_waitv", "rt_sigsuspend", "rt_sigtimedwait", "nanosleep", "clock_nanosleep", "restart_syscall", "request_key", "getrandom", "syslog",
];

/// What [`dispatch`] has to know to pass a call on: the arguments that are pointers and may carry a tag, as bits, and [`WAITS`].
pub(crate) const fn pass(row: &Row) -> u8 {
    let letters = row.args.as_bytes();
    assert!(letters.len() <= 6, "a system call has at most six arguments");
    let (mut byte, mut i) = (0, 0);
    while i < letters.len() {
        match letters[i] {
            b'p' | b's' | b'b' => byte |= 1 << i,
            b'd' | b'u' | b'x' | b'o' | b'f' => {}
            _ => panic!("unknown argument letter"),
        }
        i += 1;
    }
    i = 0;
    while i < WAITING.len() {
        if equal(WAITING[i].as_bytes(), row.name.as_bytes()) {
            byte |= WAITS;
        }
        i += 1;
    }
    byte
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::{call, guest};
    use crate::{Errno, Stop};

    const TAG: u64 = 0xa5 << 56;
    const GETPID: u64 = 172;
    const READ: u64 = 63;
    const CLOCK_GETTIME: u64 = 113;

    #[test]
    fn unknown_calls_are_not_there() {
        let thread = &mut guest(Default::default());
        for nr in [244, 426, 500, 511, 512, 1 << 40, u64::MAX] {
            assert_eq!(call(thread, 0, nr, [0; 6]), Err(Stop::Errno(Errno::ENOSYS)), "{nr}");
        }
    }

    /// getpid can't fail, whatever waits; a read that waits must not begin.
    #[test]
    fn a_signal_comes_before_calls_that_wait_only() {
        let thread = &mut guest(Default::default());
        assert_eq!(call(thread, 1, GETPID, []), Ok(u64::from(std::process::id())));
        let mut byte = 0u8;
        assert_eq!(call(thread, 1, READ, [0, (&raw mut byte) as u64, 1]), Err(Stop::Flow(crate::Flow::Repeat)));
    }

    #[test]
    fn pointers_lose_their_tags() {
        let thread = &mut guest(Default::default());
        let mut time = [0u64; 2];
        assert_eq!(call(thread, 0, CLOCK_GETTIME, [0, (&raw mut time) as u64 | TAG]), Ok(0));
        assert_ne!(time[0], 0);
    }

    #[test]
    fn every_row_says_what_it_is() {
        let rows = crate::arm64::TABLE.iter().flatten();
        let names: std::collections::HashSet<_> = rows.clone().map(|r| r.name).collect();
        assert_eq!(names.len(), rows.count());
        for name in super::WAITING {
            assert!(names.contains(name), "{name} is not in the table");
        }
    }
}
