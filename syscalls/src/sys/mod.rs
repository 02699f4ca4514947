//! Entering the host kernel.
//!
//! [`interruptible`] closes the race between "no signal is pending" and "the thread blocks in the kernel": the signal handler compares
//! the interrupted pc with the labels here. Before the instruction that makes the call the handler moves the pc to the `prevented` label: the signal
//! came before the call, which is to be made after the delivery, whatever the guest's SA_RESTART says. The kernel leaves the pc at
//! the instruction, too, when it means to restart the call, because our handlers are installed with SA_RESTART: then the
//! call waited, has done nothing, and fails with EINTR unless the guest wants it restarted. How the two are told apart is the host's business.
//! After the instruction, the result stands.

#[cfg(target_arch = "x86_64")]
#[path = "amd64.rs"]
mod host;
#[cfg(target_arch = "aarch64")]
#[path = "arm64.rs"]
mod host;

pub use host::raw;

use crate::Errno;
use std::borrow::Borrow;

extern "C" {
    fn rf_sys_interruptible(pending: *const u32, nr: u64, args: *const [u64; 6]) -> i64;
    fn rf_copy(dst: *mut u8, src: *const u8, len: usize) -> u64;
    fn rf_cas(word: *mut u32, old: u32, new: u32) -> i64;
    fn rf_load(word: *const u32) -> i64;
    fn rf_words(dst: *mut u32, src: *const u32, count: usize) -> i64;
    static rf_load_end: u8;
    static rf_words_end: u8;
    static rf_cas_start: u8;
    static rf_cas_end: u8;
    static rf_cas_fault: u8;
    static rf_sys_start: u8;
    static rf_sys_insn: u8;
    static rf_sys_prevented: u8;
    static rf_sys_interrupted: u8;
    static rf_copy_start: u8;
    static rf_copy_end: u8;
    static rf_copy_fault: u8;
}

/// What [`interruptible`] returns when a signal interrupted the call before it did anything: the kernel's internal ERESTARTSYS.
pub const ERESTARTSYS: i64 = 512;
/// What it returns when a signal came before the call.
pub const ERESTARTNOINTR: i64 = 513;

/// A host system call that a signal may prevent or interrupt. Returns the kernel's value (negative errno on error), `-ERESTARTSYS`
/// when the call must be repeated after the signal's delivery or fail with EINTR, as SA_RESTART says, or `-ERESTARTNOINTR` when it must be repeated.
///
/// # Safety
/// As the system call itself: the arguments must not make the kernel damage memory that Rust code owns.
pub unsafe fn interruptible(pending: *const u32, nr: i64, args: impl Borrow<[u64; 6]>) -> i64 {
    // SAFETY: forwarded to the caller; `pending` outlives the call.
    unsafe { rf_sys_interruptible(pending, nr as u64, args.borrow()) }
}

/// [`raw`] with its error told apart.
///
/// # Safety
/// As [`raw`].
pub unsafe fn call(nr: i64, args: impl Borrow<[u64; 6]>) -> Result<u64, Errno> {
    // SAFETY: forwarded to the caller.
    match unsafe { raw(nr, *args.borrow()) } {
        r if (-4095..0).contains(&r) => Err(Errno(-r as i32)),
        r => Ok(r as u64),
    }
}

/// Copy between guest and runtime memory. `Err(())` when any byte was not accessible (a prefix may have been copied).
///
/// # Safety
/// The runtime's side must be valid for `len` bytes; the guest's side may be anything.
pub unsafe fn copy(dst: *mut u8, src: *const u8, len: usize) -> Result<(), ()> {
    // SAFETY: faults on the guest's side are caught by `fixup` in the signal handler.
    match unsafe { rf_copy(dst, src, len) } {
        0 => Ok(()),
        _ => Err(()),
    }
}

/// Read a word of guest memory. `None` when it was not accessible.
pub fn load(address: u64) -> Option<u32> {
    // SAFETY: reads at most one word, of whatever; a fault is caught by `fixup` in the signal handler.
    u32::try_from(unsafe { rf_load(address as *const u32) }).ok()
}

/// Read words of guest memory, each as a whole, whoever writes it meanwhile: instructions. False when not all were accessible.
pub fn load_words(address: u64, out: &mut [u32]) -> bool {
    // SAFETY: `out` has room for as many words; a fault on the guest's side is caught by `fixup` in the signal handler.
    unsafe { rf_words(out.as_mut_ptr(), address as *const u32, out.len()) == 0 }
}

/// Compare and exchange a word of guest memory: what was there. `None` when it was not accessible.
///
/// # Safety
/// The word may be anything but memory of the runtime.
pub unsafe fn compare_exchange(word: *mut u32, old: u32, new: u32) -> Option<u32> {
    // SAFETY: a fault is caught by `fixup` in the signal handler.
    u32::try_from(unsafe { rf_cas(word, old, new) }).ok()
}

/// For the handler of SIGSEGV and SIGBUS: where to go on when `pc` is in a guarded access.
pub fn fixup(pc: u64) -> Option<u64> {
    let at = |s: &u8| s as *const u8 as u64;
    // SAFETY: only the labels' addresses are taken.
    let guarded = unsafe {
        [
            (at(&rf_copy_start), at(&rf_copy_end), at(&rf_copy_fault)),
            (rf_load as *const () as u64, at(&rf_load_end), at(&rf_cas_fault)),
            (rf_words as *const () as u64, at(&rf_words_end), at(&rf_cas_fault)),
            (at(&rf_cas_start), at(&rf_cas_end), at(&rf_cas_fault)),
        ]
    };
    guarded.into_iter().find(|&(start, end, _)| (start..end).contains(&pc)).map(|(_, _, to)| to)
}

/// For the handler of asynchronous signals: where to go on when `pc` is in [`interruptible`] before its call happened. `witness` is what the
/// interrupted thread has in the register that tells whether the kernel has seen the call: rcx on amd64 hosts, x9 on arm64 hosts.
pub fn interrupt(pc: u64, witness: u64) -> Option<u64> {
    let at = |s: &u8| s as *const u8 as u64;
    // SAFETY: only the labels' addresses are taken.
    let (start, insn, prevented, interrupted) =
        unsafe { (at(&rf_sys_start), at(&rf_sys_insn), at(&rf_sys_prevented), at(&rf_sys_interrupted)) };
    match pc {
        pc if pc == insn && host::seen(witness) => Some(interrupted),
        pc if (start..=insn).contains(&pc) => Some(prevented),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between the last look at the pending word and the call there is one instruction's end, which signals hardly ever hit.
    #[test]
    fn a_signal_before_the_call_prevents_it_at_every_instruction() {
        let at = |s: &u8| s as *const u8 as u64;
        // SAFETY: only the labels' addresses are taken.
        let (start, insn, prevented, interrupted) =
            unsafe { (at(&rf_sys_start), at(&rf_sys_insn), at(&rf_sys_prevented), at(&rf_sys_interrupted)) };
        for witness in [0, insn + 2] {
            assert!((start..insn).all(|pc| interrupt(pc, witness) == Some(prevented)));
            assert_eq!(interrupt(insn, witness), Some(if host::seen(witness) { interrupted } else { prevented }));
            // The result stands.
            let after = insn + if cfg!(target_arch = "x86_64") { 2 } else { 4 };
            assert_eq!(interrupt(after, witness), None);
            assert_eq!(interrupt(start - 1, witness), None);
        }
    }
}
