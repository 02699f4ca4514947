//! Waiting: epoll's structure, masks.

use crate::common::{at, err, guests, neg, out, Guest, BAD};

/// An event as the guest has it.
fn event(g: &Guest, events: u32, data: u64) -> Vec<u8> {
    let form = &g.abi.epoll_event;
    let mut bytes = vec![0xff; form.size];
    bytes[..4].copy_from_slice(&events.to_le_bytes());
    bytes[form.data..].copy_from_slice(&data.to_le_bytes());
    bytes
}

/// The n-th event in a buffer of the guest's: what the kernel doesn't write is left out.
fn nth(g: &Guest, buf: &[u8], n: usize) -> (u32, u64) {
    let form = &g.abi.epoll_event;
    let bytes = &buf[n * form.size..][..form.size];
    (u32::from_le_bytes(bytes[..4].try_into().unwrap()), u64::from_le_bytes(bytes[form.data..].try_into().unwrap()))
}

#[test]
fn epoll_events_have_the_guests_form() {
    for mut g in guests(-1) {
        // SAFETY: makes descriptors only.
        let (ep, ev) = unsafe { (libc::epoll_create1(0) as u64, libc::eventfd(1, 0) as u64) };
        const ADD: u64 = libc::EPOLL_CTL_ADD as u64;
        let size = g.abi.epoll_event.size;
        let event = event(&g, 1, 0x1122_3344_5566_7788);
        assert_eq!(g.call("epoll_ctl", [ep, ADD, ev, at(&event[..])]), 0);
        assert_eq!(g.call("epoll_ctl", [ep, ADD, ev, at(&event[..])]), err(libc::EEXIST));
        assert_eq!(g.call("epoll_ctl", [ep, ADD, ev, BAD]), err(libc::EFAULT));
        assert_eq!(g.call("epoll_ctl", [ep, 77, ev, at(&event[..])]), err(libc::EINVAL));
        for room in [300, 1] {
            let mut got = vec![0xaau8; 301 * size];
            assert_eq!(g.call("epoll_pwait", [ep, out(&mut got[..]), room, 0, 0, 8]), 1);
            assert_eq!(nth(&g, &got, 0), (1, 0x1122_3344_5566_7788));
            assert!(got[size..].iter().all(|&b| b == 0xaa));
        }
        assert_eq!(g.call("epoll_pwait", [ep, BAD, 300, 0, 0, 8]), err(libc::EFAULT));
        let mut got = vec![0u8; 300 * size];
        for max in [0, neg(-1), (i32::MAX as usize / size + 1) as u64] {
            assert_eq!(g.call("epoll_pwait", [ep, out(&mut got[..]), max, 0, 0, 8]), err(libc::EINVAL));
        }
        assert_eq!(g.call("epoll_pwait", [ep, out(&mut got[..]), 1, 0, at(&0u64), 4]), err(libc::EINVAL));
        assert_eq!(g.call("epoll_pwait", [ep, out(&mut got[..]), 1, 0, BAD, 8]), err(libc::EFAULT));
        assert_eq!(g.call("epoll_ctl", [ep, libc::EPOLL_CTL_DEL as u64, ev, 0]), 0);
        for fd in [ep, ev] {
            g.call("close", [fd]);
        }
    }
}

#[test]
fn more_events_than_any_buffer_of_ours() {
    for mut g in guests(-1) {
        // SAFETY: makes descriptors only.
        let ep = unsafe { libc::epoll_create1(0) } as u64;
        // SAFETY: as above.
        let make = || unsafe { libc::eventfd(1, 0) } as u64;
        let fds: Vec<u64> = (0..200).map(|_| make()).collect();
        for (i, &fd) in fds.iter().enumerate() {
            let event = event(&g, libc::EPOLLIN as u32 | libc::EPOLLET as u32, i as u64 * 0x0101_0101_0101);
            assert_eq!(g.call("epoll_ctl", [ep, libc::EPOLL_CTL_ADD as u64, fd, at(&event[..])]), 0);
        }
        let mut seen = 0;
        let mut got = vec![0u8; 201 * g.abi.epoll_event.size];
        // A host whose events are larger than the guest's brings them in parts.
        while seen < 200 {
            let n = g.call("epoll_pwait2", [ep, out(&mut got[..]), 201, at(&[0u64; 2]), 0, 8]);
            assert!(n >= 128 || n == 200 - seen, "{n}");
            for i in 0..n {
                assert_eq!(nth(&g, &got, i as usize), (1, (seen + i) as u64 * 0x0101_0101_0101));
            }
            seen += n;
        }
        assert_eq!(nth(&g, &got, 200), (0, 0));
        assert_eq!(g.call("epoll_pwait", [ep, out(&mut got[..]), 201, 0, 0, 8]), 0);
        for fd in fds.into_iter().chain([ep]) {
            g.call("close", [fd]);
        }
    }
}

#[test]
fn masks_reach_the_kernel_as_it_wants_them() {
    for mut g in guests(-1) {
        let (now, all) = ([0u64; 2], u64::MAX);
        assert_eq!(g.call("ppoll", [0, 0, at(&now), at(&all), 8]), 0);
        assert_eq!(g.call("ppoll", [0, 0, at(&now), at(&all), 16]), err(libc::EINVAL));
        assert_eq!(g.call("ppoll", [0, 0, at(&now), BAD, 8]), err(libc::EFAULT));
        assert_eq!(g.call("ppoll", [0, 0, at(&now), 0, 99]), 0);
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), at(&[at(&all), 8])]), 0);
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), at(&[at(&all), 4])]), err(libc::EINVAL));
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), at(&[BAD, 8])]), err(libc::EFAULT));
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), at(&[0u64, 8])]), 0);
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), BAD]), err(libc::EFAULT));
        assert_eq!(g.call("pselect6", [0, 0, 0, 0, at(&now), 0]), 0);
    }
}
