//! From a number and six registers to a result.

use crate::ctx::{Ctx, Stop, SysResult};
use crate::host::ABI as HOST;
use crate::strace;
use crate::table::{Row, Run, WAITS};
use crate::topics::{mem, seccomp};
use crate::{sys, Errno};

/// Carry out the system call `nr` of the calling thread.
pub fn dispatch(ctx: &mut Ctx<'_>, nr: u64, mut args: [u64; 6]) -> SysResult {
    let row = ctx.abi().table.find(nr);
    if ctx.thread.seccomp.is_active() {
        if let Some(verdict) = seccomp::check(ctx, nr, &args) {
            return verdict;
        }
    }
    if ctx.thread.process.options.strace {
        return traced(ctx, row, nr, args);
    }
    attempt(ctx, row, &mut args)
}

/// Carry it out; again, if memory could not be written because of us. (The arguments have just been stored one by one: copies of two at a time would wait
/// for that.)
#[inline]
fn attempt(ctx: &mut Ctx<'_>, row: Option<(&Row, u8)>, args: &mut [u64; 6]) -> SysResult {
    match run(ctx, row, args) {
        Err(Stop::Errno(Errno::EFAULT)) if ctx.thread.mem.is_watching() => {
            mem::unwatch_all(&ctx.thread.mem, ctx.machine);
            run(ctx, row, args)
        }
        result => result,
    }
}

#[inline]
fn run(ctx: &mut Ctx<'_>, row: Option<(&Row, u8)>, args: &mut [u64; 6]) -> SysResult {
    let Some((row, marks)) = row else { return Err(Stop::Errno(Errno::ENOSYS)) };
    if matches!(row.run, Run::Leave(_)) {
        ctx.machine.leave_family(ctx.thread);
    }
    match row.run {
        Run::Pass(host) | Run::Leave(host) => {
            let tag = ctx.abi().tag;
            let mut pointers = marks & !WAITS;
            if tag == 0 && HOST.tag != 0 {
                forbid_tags(pointers, args);
            }
            while pointers != 0 && tag != 0 {
                args[pointers.trailing_zeros() as usize & 7] &= !tag;
                pointers &= pointers - 1;
            }
            if marks & WAITS != 0 {
                return ctx.sys(host, args);
            }
            // SAFETY: the guest's pointers are the guest's own; what it asks the kernel to do to its own memory is its right.
            Ok(unsafe { sys::call(host, args) }?)
        }
        Run::Call(handler) => {
            if ctx.abi().tag == 0 {
                forbid_tags(marks & !WAITS, args);
            }
            handler(ctx, *args)
        }
        Run::Fail(e) => Err(Stop::Errno(Errno(e))),
    }
}

/// Handlers read memory by [`GuestAddr`](crate::GuestAddr), which drops tags. A guest whose CPU has none means another address, at which
/// there is nothing: so does what it becomes here.
#[inline]
fn forbid_tags(pointers: u8, args: &mut [u64; 6]) {
    const TOP: u64 = 0xff << 56;
    const NOWHERE: u64 = 0xff << 48;
    for (i, arg) in args.iter_mut().enumerate() {
        if pointers & 1 << i != 0 && *arg & TOP != 0 {
            *arg |= NOWHERE;
        }
    }
}

#[cold]
fn traced(ctx: &mut Ctx<'_>, row: Option<(&Row, u8)>, nr: u64, mut args: [u64; 6]) -> SysResult {
    let call = strace::Call::start(ctx.thread.tid, row.map(|(row, _)| row), nr, args);
    let result = attempt(ctx, row, &mut args);
    call.finish(&result);
    result
}

#[cfg(test)]
mod tests {
    use crate::abi::Abi;
    use crate::testing::{call, guest_of};
    use crate::{amd64, arm64, Errno, Process, Stop};

    const TAG: u64 = 0xa5 << 56;

    /// The guests with their numbers of getpid, read and clock_gettime.
    const GUESTS: [(&Abi, [u64; 3]); 2] = [(&arm64::ABI, [172, 63, 113]), (&amd64::ABI, [39, 0, 228])];

    #[test]
    fn unknown_calls_are_not_there() {
        for (abi, _) in GUESTS {
            let thread = &mut guest_of(abi, Process::default());
            for nr in [426, 500, 511, 512, 1 << 30 | 39, 1 << 40, u64::MAX] {
                assert_eq!(call(thread, 0, nr, [0; 6]), Err(Stop::Errno(Errno::ENOSYS)), "{nr}");
            }
        }
    }

    /// getpid can't fail, whatever waits; a read that waits must not begin.
    #[test]
    fn a_signal_comes_before_calls_that_wait_only() {
        for (abi, [getpid, read, _]) in GUESTS {
            let thread = &mut guest_of(abi, Process::default());
            assert_eq!(call(thread, 1, getpid, []), Ok(u64::from(std::process::id())));
            let mut byte = 0u8;
            assert_eq!(call(thread, 1, read, [0, (&raw mut byte) as u64, 1]), Err(Stop::Flow(crate::Flow::Repeat)));
        }
    }

    #[test]
    fn pointers_lose_their_tags_where_the_cpu_has_tags() {
        for (abi, [_, _, clock_gettime]) in GUESTS {
            let thread = &mut guest_of(abi, Process::default());
            let mut time = [0u64; 2];
            let at = (&raw mut time) as u64;
            assert_eq!(call(thread, 0, clock_gettime, [0, at]), Ok(0));
            assert_ne!(time[0], 0);
            let tagged = call(thread, 0, clock_gettime, [0, at | TAG]);
            assert_eq!(tagged, if abi.tag != 0 { Ok(0) } else { Err(Stop::Errno(Errno::EFAULT)) });
        }
    }
}
