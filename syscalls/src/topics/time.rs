//! Clocks and timers. Their structures are the same on all 64-bit architectures, so most calls are the host's.

use crate::ctx::{Ctx, Stop, SysResult};
use crate::GuestAddr;

/// A sleep that a signal may keep from beginning: the time that remains is then all of it. (The kernel writes the rest itself when
/// it interrupts one.)
fn sleep(ctx: &mut Ctx<'_>, nr: i64, args: [u64; 6], time: u64, rest: GuestAddr) -> SysResult {
    let result = ctx.sys(nr, args);
    if result == Err(Stop::Restart) && !rest.is_null() {
        // What can't be read or written is found out by the kernel if the call is made again.
        if let Ok(whole) = GuestAddr(time).read::<[u64; 2]>() {
            let _ = rest.write(whole);
        }
    }
    result
}

/// nanosleep(time, rest)
pub fn nanosleep(ctx: &mut Ctx<'_>, [time, rest, ..]: [u64; 6]) -> SysResult {
    let (time, rest) = (GuestAddr(time).host(), GuestAddr(rest));
    sleep(ctx, libc::SYS_nanosleep, [time, rest.host(), 0, 0, 0, 0], time, rest)
}

/// clock_nanosleep(clock, flags, time, rest): with an absolute time nothing remains to be told.
pub fn clock_nanosleep(ctx: &mut Ctx<'_>, [clock, flags, time, rest, ..]: [u64; 6]) -> SysResult {
    let (time, rest) = (GuestAddr(time).host(), GuestAddr(rest));
    let written = if flags as i32 & libc::TIMER_ABSTIME != 0 { GuestAddr::NULL } else { rest };
    sleep(ctx, libc::SYS_clock_nanosleep, [clock, flags, time, rest.host(), 0, 0], time, written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{call, guest};

    const NANOSLEEP: u64 = 101;
    const CLOCK_NANOSLEEP: u64 = 115;

    /// A handler without SA_RESTART ends the sleep: then what remains is in its place.
    #[test]
    fn a_sleep_that_did_not_begin_remains_whole() {
        let thread = &mut guest(Default::default());
        let (time, mut rest) = ([3u64, 500], [7u64, 7]);
        let (t, r) = ((&raw const time) as u64, (&raw mut rest) as u64);
        assert_eq!(call(thread, 1, NANOSLEEP, [t, r]), Err(Stop::Restart));
        assert_eq!(rest, time);
        rest = [7, 7];
        assert_eq!(call(thread, 1, CLOCK_NANOSLEEP, [1, 0, t, r]), Err(Stop::Restart));
        assert_eq!(rest, time);
        rest = [7, 7];
        assert_eq!(call(thread, 1, CLOCK_NANOSLEEP, [1, 1, t, r]), Err(Stop::Restart));
        assert_eq!(rest, [7, 7]);
        assert_eq!(call(thread, 1, NANOSLEEP, [t, 0]), Err(Stop::Restart));
    }
}
