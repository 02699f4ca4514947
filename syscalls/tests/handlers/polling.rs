//! Waiting: epoll's structure, masks.

use crate::common::{at, err, neg, out, Guest, BAD};

const CLOSE: u32 = 57;
const EPOLL_CTL: u32 = 21;
const EPOLL_PWAIT: u32 = 22;
const EPOLL_PWAIT2: u32 = 441;
const PPOLL: u32 = 73;
const PSELECT6: u32 = 72;

#[test]
fn epoll_events_are_wide() {
    let mut g = Guest::new(-1);
    // SAFETY: makes descriptors only.
    let (ep, ev) = unsafe { (libc::epoll_create1(0) as u64, libc::eventfd(1, 0) as u64) };
    const ADD: u64 = libc::EPOLL_CTL_ADD as u64;
    let event = [u64::from(u32::MAX) << 32 | 1, 0x1122_3344_5566_7788];
    assert_eq!(g.call(EPOLL_CTL, [ep, ADD, ev, at(&event)]), 0);
    assert_eq!(g.call(EPOLL_CTL, [ep, ADD, ev, at(&event)]), err(libc::EEXIST));
    assert_eq!(g.call(EPOLL_CTL, [ep, ADD, ev, BAD]), err(libc::EFAULT));
    assert_eq!(g.call(EPOLL_CTL, [ep, 77, ev, at(&event)]), err(libc::EINVAL));
    let mut got = [[u64::MAX; 2]; 300];
    assert_eq!(g.call(EPOLL_PWAIT, [ep, out(&mut got), 300, 0, 0, 8]), 1);
    assert_eq!(got[0], [1, 0x1122_3344_5566_7788]);
    assert_eq!(got[1], [u64::MAX; 2]);
    assert_eq!(g.call(EPOLL_PWAIT, [ep, BAD, 300, 0, 0, 8]), err(libc::EFAULT));
    for max in [0, neg(-1), 134217728] {
        assert_eq!(g.call(EPOLL_PWAIT, [ep, out(&mut got), max, 0, 0, 8]), err(libc::EINVAL));
    }
    assert_eq!(g.call(EPOLL_PWAIT, [ep, out(&mut got), 1, 0, at(&0u64), 4]), err(libc::EINVAL));
    assert_eq!(g.call(EPOLL_PWAIT, [ep, out(&mut got), 1, 0, BAD, 8]), err(libc::EFAULT));
    assert_eq!(g.call(EPOLL_CTL, [ep, libc::EPOLL_CTL_DEL as u64, ev, 0]), 0);
    for fd in [ep, ev] {
        g.call(CLOSE, [fd]);
    }
}

#[test]
fn more_events_than_any_buffer_of_ours() {
    let mut g = Guest::new(-1);
    // SAFETY: makes descriptors only.
    let ep = unsafe { libc::epoll_create1(0) } as u64;
    // SAFETY: as above.
    let event = || unsafe { libc::eventfd(1, 0) } as u64;
    let fds: Vec<u64> = (0..200).map(|_| event()).collect();
    for (i, &fd) in fds.iter().enumerate() {
        let event = [u64::from(libc::EPOLLIN as u32 | libc::EPOLLET as u32), i as u64 * 0x0101_0101_0101];
        assert_eq!(g.call(EPOLL_CTL, [ep, libc::EPOLL_CTL_ADD as u64, fd, at(&event)]), 0);
    }
    let mut got = vec![[0u64; 2]; 201];
    assert_eq!(g.call(EPOLL_PWAIT2, [ep, got.as_mut_ptr() as u64, 201, at(&[0u64; 2]), 0, 8]), 200);
    for (i, e) in got[..200].iter().enumerate() {
        assert_eq!(*e, [1, i as u64 * 0x0101_0101_0101]);
    }
    assert_eq!(got[200], [0; 2]);
    assert_eq!(g.call(EPOLL_PWAIT, [ep, got.as_mut_ptr() as u64, 201, 0, 0, 8]), 0);
    for fd in fds.into_iter().chain([ep]) {
        g.call(CLOSE, [fd]);
    }
}

#[test]
fn masks_reach_the_kernel_as_it_wants_them() {
    let mut g = Guest::new(-1);
    let (now, all) = ([0u64; 2], u64::MAX);
    assert_eq!(g.call(PPOLL, [0, 0, at(&now), at(&all), 8]), 0);
    assert_eq!(g.call(PPOLL, [0, 0, at(&now), at(&all), 16]), err(libc::EINVAL));
    assert_eq!(g.call(PPOLL, [0, 0, at(&now), BAD, 8]), err(libc::EFAULT));
    assert_eq!(g.call(PPOLL, [0, 0, at(&now), 0, 99]), 0);
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), at(&[at(&all), 8])]), 0);
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), at(&[at(&all), 4])]), err(libc::EINVAL));
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), at(&[BAD, 8])]), err(libc::EFAULT));
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), at(&[0u64, 8])]), 0);
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), BAD]), err(libc::EFAULT));
    assert_eq!(g.call(PSELECT6, [0, 0, 0, 0, at(&now), 0]), 0);
}
