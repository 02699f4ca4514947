//! What this program has to know of the machine that it runs on: the kernel's signal contexts, and the few things that take an instruction of its
//! own.

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(target_arch = "x86_64")]
pub use amd64::*;
#[cfg(target_arch = "aarch64")]
mod arm64;
#[cfg(target_arch = "aarch64")]
pub use arm64::*;

/// What a process that shares memory with its creator starts with, and what it does first.
pub type Entry<T> = extern "C" fn(*mut T) -> !;

extern "C" {
    /// The return from a signal handler.
    pub fn rf_restorer();
    /// Make a system call that creates a process; that takes from its new stack what [`child_stack`] has put there.
    pub fn rf_clone(nr: u64, args: *const [u64; 6]) -> i64;
}

/// Let a child that starts on the stack that ends at `top` call `f(argument)`; its initial stack pointer.
///
/// # Safety
/// The 16 bytes below `top`, which is a multiple of 16, must be writable and nobody else's.
pub unsafe fn child_stack<T>(top: u64, f: Entry<T>, argument: *mut T) -> u64 {
    let sp = top - 16;
    // SAFETY: the caller's promise.
    unsafe { (sp as *mut [u64; 2]).write([argument as u64, f as *const () as u64]) };
    sp
}
