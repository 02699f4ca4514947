//! A lock that can be taken in one place and released in another (around fork, in a child that is a copy of the locker),
//! which a guard-based mutex doesn't allow.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, Ordering::*};

/// How often it is worth looking again: some microseconds, in which two or three blocks are translated. To sleep and to be woken takes ten times as long.
const SPINS: u32 = 500;

/// 0 free, 1 taken, 2 taken and somebody waits.
pub struct Lock<T> {
    word: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached only by the holder of the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub fn new(data: T) -> Lock<T> {
        Lock { word: AtomicU32::new(0), data: UnsafeCell::new(data) }
    }

    /// Take it. Not recursive.
    pub fn acquire(&self) {
        for _ in 0..SPINS {
            // Looking on leaves the line with the holder.
            if self.word.load(Relaxed) == 0 && self.word.compare_exchange_weak(0, 1, Acquire, Relaxed).is_ok() {
                return;
            }
            std::hint::spin_loop();
        }
        while self.word.swap(2, Acquire) != 0 {
            // SAFETY: a futex wait on a word of ours. Not private: a vfork child in another process may be the holder.
            unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAIT, 2, 0, 0, 0) };
        }
    }

    /// # Safety
    /// The caller's side holds it, and no reference from `with` or `get` is alive.
    pub unsafe fn release(&self) {
        if self.word.swap(0, Release) == 2 {
            // SAFETY: a futex wake on a word of ours.
            unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAKE, 1, 0, 0, 0) };
        }
    }

    /// The data, for a caller that has `acquire`d.
    ///
    /// # Safety
    /// The caller holds the lock and makes no second reference.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get(&self) -> &mut T {
        // SAFETY: by the contract.
        unsafe { &mut *self.data.get() }
    }

    /// Run `f` with the lock held.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.acquire();
        // SAFETY: just acquired; released after the last use of the reference. (A panic in `f` leaves it taken: such a
        // panic is a bug of ours that ends the process.)
        unsafe {
            let r = f(self.get());
            self.release();
            r
        }
    }
}
