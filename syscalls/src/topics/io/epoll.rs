//! epoll: architectures differ in where `struct epoll_event` has its data.

use super::poll::Mask;
use crate::abi::EpollEvent;
use crate::ctx::{Ctx, SysResult};
use crate::host::ABI as HOST;
use crate::topics::fs::host;
use crate::{Errno, GuestAddr};

/// An event in any form: the word and the data, and what lies between them.
type Bytes = [u8; EpollEvent::MAX];

/// From one form to another.
fn convert(event: &Bytes, from: &EpollEvent, to: &EpollEvent) -> Bytes {
    let mut out = [0; EpollEvent::MAX];
    out[..4].copy_from_slice(&event[..4]);
    out[to.data..to.data + 8].copy_from_slice(&event[from.data..from.data + 8]);
    out
}

/// epoll_ctl(epfd, op, fd, event)
pub fn epoll_ctl(ctx: &mut Ctx<'_>, [epfd, op, fd, event, ..]: [u64; 6]) -> SysResult {
    let guest = &ctx.abi().epoll_event;
    let mut bytes = [0; EpollEvent::MAX];
    // As the kernel: every other operation, an unknown one too, needs the event.
    if op as i32 != libc::EPOLL_CTL_DEL {
        GuestAddr(event).read_bytes(&mut bytes[..guest.size])?;
        bytes = convert(&bytes, guest, &HOST.epoll_event);
    }
    host(libc::SYS_epoll_ctl, [epfd, op, fd, bytes.as_ptr() as u64, 0, 0])
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

/// Events to ask for where they can't be written into the guest's buffer.
const AT_ONCE: usize = 128;

/// The kernel writes its events into the guest's own buffer, where they are spread out into the guest's form. So any number goes, without a buffer of
/// ours, and a bad address costs no event. Only if the host's are larger than the guest's they come by way of a buffer, some at a time.
fn wait(ctx: &mut Ctx<'_>, nr: i64, [epfd, events, max, timeout, mask, size]: [u64; 6]) -> SysResult {
    let (guest, native) = (&ctx.abi().epoll_event, &HOST.epoll_event);
    let events = GuestAddr(events);
    // A kernel refuses numbers whose bytes an int can't count.
    let max = if max as i32 > i32::MAX / guest.size as i32 { 0 } else { max };
    let mask = Mask::new(mask, size);
    if native.size > guest.size {
        let mut buffer = [Bytes::default(); AT_ONCE];
        let asked = (max as i32).min(AT_ONCE as i32) as u64;
        let n = mask.wait(ctx, nr, [epfd, buffer.as_mut_ptr() as u64, asked, timeout, mask.arg(), size])?;
        // Written by the kernel.
        for (i, event) in std::hint::black_box(&buffer).iter().take(n as usize).enumerate() {
            events.add((i * guest.size) as u64).write_bytes(&convert(event, native, guest)[..guest.size])?;
        }
        return Ok(n);
    }
    let n = mask.wait(ctx, nr, [epfd, events.host(), max, timeout, mask.arg(), size])?;
    spread(events, n as usize, native, guest)?;
    Ok(n)
}

/// From `n` events of one form to `n` of another, as large or larger, at the same address, the last ones first, a few at a time.
fn spread(events: GuestAddr, n: usize, from: &EpollEvent, to: &EpollEvent) -> Result<(), Errno> {
    const STEP: usize = 32;
    let mut end = if from == to { 0 } else { n };
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let count = end - start;
        let mut old = [0u8; STEP * EpollEvent::MAX];
        let mut new = [0u8; STEP * EpollEvent::MAX];
        events.add((start * from.size) as u64).read_bytes(&mut old[..count * from.size])?;
        for (o, w) in old.chunks_exact(from.size).zip(new.chunks_exact_mut(to.size)).take(count) {
            let mut event = Bytes::default();
            event[..from.size].copy_from_slice(o);
            w.copy_from_slice(&convert(&event, from, to)[..to.size]);
        }
        events.add((start * to.size) as u64).write_bytes(&new[..count * to.size])?;
        end = start;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{amd64, arm64};

    #[test]
    fn spread_in_place() {
        let forms = [&arm64::ABI.epoll_event, &amd64::ABI.epoll_event];
        for (from, to) in forms.into_iter().flat_map(|from| forms.map(|to| (from, to))).filter(|(from, to)| from.size <= to.size)
        {
            for n in [0, 1, 2, 31, 32, 33, 64, 1000] {
                let event = |i: usize| (i as u32 ^ 0x8000_0000, (i as u64).wrapping_mul(0x0123_4567_89ab_cdef));
                let mut buf = vec![0u8; n * EpollEvent::MAX];
                for i in 0..n {
                    buf[i * from.size..][..4].copy_from_slice(&event(i).0.to_le_bytes());
                    buf[i * from.size + from.data..][..8].copy_from_slice(&event(i).1.to_le_bytes());
                }
                let at = GuestAddr(buf.as_mut_ptr() as u64);
                spread(at, n, from, to).unwrap();
                for i in 0..n {
                    let e = at.add((i * to.size) as u64);
                    assert_eq!((e.read(), e.add(to.data as u64).read()), (Ok(event(i).0), Ok(event(i).1)));
                }
            }
        }
    }
}
