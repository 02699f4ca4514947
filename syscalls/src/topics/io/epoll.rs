//! epoll: amd64 alone packs `struct epoll_event`.

use super::poll::Mask;
use crate::arm64::abi::io::{EpollEvent, HOST_EPOLL_EVENT};
use crate::ctx::{Ctx, SysResult};
use crate::topics::fs::host;
use crate::{Errno, GuestAddr};

const GUEST_EPOLL_EVENT: usize = size_of::<EpollEvent>();

/// epoll_ctl(epfd, op, fd, event)
pub fn epoll_ctl(_: &mut Ctx<'_>, [epfd, op, fd, event, ..]: [u64; 6]) -> SysResult {
    let mut packed = libc::epoll_event { events: 0, u64: 0 };
    // As the kernel: every other operation, an unknown one too, needs the event.
    if op as i32 != libc::EPOLL_CTL_DEL {
        let e = GuestAddr(event).read::<EpollEvent>()?;
        packed = libc::epoll_event { events: e.events, u64: e.data };
    }
    host(libc::SYS_epoll_ctl, [epfd, op, fd, &raw const packed as u64, 0, 0])
}

/// epoll_pwait(epfd, events, maxevents, timeout, mask, masksize)
pub fn epoll_pwait(ctx: &mut Ctx<'_>, args: [u64; 6]) -> SysResult {
    wait(ctx, libc::SYS_epoll_pwait, args)
}

/// epoll_pwait2: the timeout is a `struct timespec`.
pub fn epoll_pwait2(ctx: &mut Ctx<'_>, mut args: [u64; 6]) -> SysResult {
    args[3] = GuestAddr(args[3]).host();
    wait(ctx, libc::SYS_epoll_pwait2, args)
}

/// The kernel writes its packed events into the guest's own buffer, which has more than the room that they need; then they are spread
/// out in place. So any number goes, without a buffer of ours, and a bad address costs no event.
fn wait(ctx: &mut Ctx<'_>, nr: i64, [epfd, events, max, timeout, mask, size]: [u64; 6]) -> SysResult {
    let events = GuestAddr(events);
    // An arm64 kernel refuses numbers whose bytes an int can't count; its events are larger.
    let max = if max as i32 > i32::MAX / GUEST_EPOLL_EVENT as i32 { 0 } else { max };
    let mask = Mask::new(mask, size);
    let n = mask.wait(ctx, nr, [epfd, events.host(), max, timeout, mask.arg(), size])?;
    spread(events, n as usize)?;
    Ok(n)
}

/// From `n` packed events to `n` of the guest's at the same address, the last ones first, a few at a time.
fn spread(events: GuestAddr, n: usize) -> Result<(), Errno> {
    const STEP: usize = 32;
    let mut end = n;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut packed = [[0u8; HOST_EPOLL_EVENT]; STEP];
        let mut wide = [[0u8; GUEST_EPOLL_EVENT]; STEP];
        let (packed, wide) = (&mut packed[..end - start], &mut wide[..end - start]);
        events.add((start * HOST_EPOLL_EVENT) as u64).read_bytes(packed.as_flattened_mut())?;
        for (p, w) in packed.iter().zip(wide.iter_mut()) {
            let e = EpollEvent::from_packed(*p);
            w[..4].copy_from_slice(&e.events.to_le_bytes());
            w[8..].copy_from_slice(&e.data.to_le_bytes());
        }
        events.add((start * GUEST_EPOLL_EVENT) as u64).write_bytes(wide.as_flattened())?;
        end = start;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_in_place() {
        for n in [0, 1, 2, 31, 32, 33, 64, 1000] {
            let mut buf = vec![0u8; n * GUEST_EPOLL_EVENT];
            for i in 0..n {
                buf[i * 12..][..4].copy_from_slice(&(i as u32 ^ 0x8000_0000).to_le_bytes());
                buf[i * 12 + 4..][..8].copy_from_slice(&(i as u64).wrapping_mul(0x0123_4567_89ab_cdef).to_le_bytes());
            }
            spread(GuestAddr(buf.as_mut_ptr() as u64), n).unwrap();
            for i in 0..n {
                let e: EpollEvent = GuestAddr(buf.as_ptr() as u64).add(i as u64 * 16).read().unwrap();
                let data = (i as u64).wrapping_mul(0x0123_4567_89ab_cdef);
                assert_eq!(e, EpollEvent { events: i as u32 ^ 0x8000_0000, pad: 0, data });
            }
        }
    }
}
