//! Clocks and timers: what newer calls do for older ones. The others need no handler.

use super::fs::host;
use crate::ctx::{Ctx, SysResult};
use crate::GuestAddr;

/// time(at)
pub fn time(_: &mut Ctx<'_>, [at, ..]: [u64; 6]) -> SysResult {
    let mut now = [0i64; 2];
    host(libc::SYS_clock_gettime, [libc::CLOCK_REALTIME_COARSE as u64, now.as_mut_ptr() as u64, 0, 0, 0, 0])?;
    if at != 0 {
        GuestAddr(at).write(now[0])?;
    }
    Ok(now[0] as u64)
}

/// alarm(seconds): those that were left of the one before, to the nearest, but never none.
pub fn alarm(_: &mut Ctx<'_>, [seconds, ..]: [u64; 6]) -> SysResult {
    let (new, mut old) = ([0, 0, u64::from(seconds as u32), 0], [0u64; 4]);
    host(libc::SYS_setitimer, [libc::ITIMER_REAL as u64, new.as_ptr() as u64, old.as_mut_ptr() as u64, 0, 0, 0])?;
    let [.., seconds, micros] = old;
    Ok(seconds + u64::from(seconds == 0 && micros != 0 || micros >= 500_000))
}
