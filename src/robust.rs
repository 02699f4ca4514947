//! The list of robust locks that a thread holds (`kernel/futex`), for threads whose end comes before that of their host thread.

use syscalls::{sys, GuestAddr};

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID_MASK: u32 = 0x3fff_ffff;
/// Entries to look at: a list may be a circle.
const LIMIT: usize = 2048;
/// Size of the head.
const HEAD: u64 = 24;

/// Make the host forget the C library's own list: the guest's call registers the guest's.
pub fn forget() {
    // SAFETY: the kernel looks at the list only when the thread ends, and at none if it is null.
    unsafe { sys::raw(libc::SYS_set_robust_list, [0, HEAD, 0, 0, 0, 0]) };
}

/// Do what the kernel does with the list of a thread that ends.
pub fn release(tid: i32) {
    let (mut head, mut len) = (0u64, 0u64);
    // SAFETY: both words are ours.
    unsafe { sys::raw(libc::SYS_get_robust_list, [0, &raw mut head as u64, &raw mut len as u64, 0, 0, 0]) };
    if head != 0 {
        forget();
        // A list that can't be read ends where it can't.
        let _ = walk(head, tid);
    }
}

/// Bit 0 of an entry's address: its lock inherits priority, and the kernel wakes its waiters when the host thread ends.
fn entry(word: u64) -> (u64, bool) {
    (word & !1, word & 1 != 0)
}

fn walk(head: u64, tid: i32) -> Result<(), ()> {
    let read = |a: u64| GuestAddr(a).read::<u64>().map_err(drop);
    let (mut at, mut inherits) = entry(read(head)?);
    let offset = read(head + 8)?;
    let (pending, pending_inherits) = entry(read(head + 16)?);
    for _ in 0..LIMIT {
        if at == head {
            break;
        }
        // Its lock may be freed as soon as it is released.
        let next = read(at);
        if at != pending {
            abandon(at.wrapping_add(offset), tid, inherits, false)?;
        }
        (at, inherits) = entry(next?);
    }
    if pending != 0 {
        abandon(pending.wrapping_add(offset), tid, pending_inherits, true)?;
    }
    Ok(())
}

/// Mark a lock of the dead thread and wake a waiter.
fn abandon(word: u64, tid: i32, inherits: bool, pending: bool) -> Result<(), ()> {
    if word % 4 != 0 {
        return Err(());
    }
    let mut value: u32 = GuestAddr(word).read().map_err(drop)?;
    loop {
        let owner = value & TID_MASK;
        if pending && !inherits && owner == 0 {
            wake(word);
            return Ok(());
        }
        if owner != tid as u32 {
            return Ok(());
        }
        let host = GuestAddr(word).host() as *mut u32;
        // SAFETY: the address is the guest's choice, as for the kernel; the access is guarded.
        let found = unsafe { sys::compare_exchange(host, value, value & WAITERS | OWNER_DIED) }.ok_or(())?;
        if found == value {
            break;
        }
        value = found;
    }
    if !inherits && value & WAITERS != 0 {
        wake(word);
    }
    Ok(())
}

fn wake(word: u64) {
    // SAFETY: the kernel only uses the address as a name.
    unsafe { sys::raw(libc::SYS_futex, [GuestAddr(word).host(), libc::FUTEX_WAKE as u64, 1, 0, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_of_a_dead_thread_are_marked_and_others_left_alone() {
        // head: next, offset, pending; two nodes of (next, lock) with the lock 8 bytes behind.
        let mut m = [0u64; 9];
        let base = m.as_mut_ptr() as u64;
        let (first, second, pending) = (base + 24, base + 40, base + 56);
        m = [first, 8, pending, second, u64::from(77 | WAITERS), base, 78, 0, 77];
        // From here on it is read and written by address.
        std::hint::black_box(&mut m);
        assert_eq!(walk(base, 77), Ok(()));
        let lock = |i: u64| GuestAddr(base + i * 8).read::<u32>().unwrap();
        assert_eq!([lock(4), lock(6), lock(8)], [WAITERS | OWNER_DIED, 78, OWNER_DIED]);
    }
}
