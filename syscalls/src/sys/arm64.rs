//! Entering the kernel of an arm64 host.
//!
//! The `svc` instruction changes no register but the result's, and that the kernel undoes when it means to restart the call. So the
//! time tells: x9 has that of the look at the pending word. Nobody, in the program or outside, can know that a call
//! has begun within a few microseconds: a signal that comes so soon may as well have come before it.

core::arch::global_asm!(
    ".text",
    ".globl rf_sys_interruptible, rf_sys_start, rf_sys_insn, rf_sys_prevented, rf_sys_interrupted, rf_copy, rf_copy_start, rf_copy_end, rf_copy_fault",
    ".globl rf_cas, rf_cas_start, rf_cas_end, rf_cas_fault, rf_load, rf_load_end, rf_words, rf_words_end",
    "rf_sys_interruptible:", // (pending: *const u32, nr, args: *const [u64; 6]) -> result or -errno
    "mov x8, x1",
    "mov x10, x0",
    "mov x11, x2",
    "ldp x0, x1, [x11]",
    "ldp x2, x3, [x11, #16]",
    "ldp x4, x5, [x11, #32]",
    "rf_sys_start:",
    "mrs x9, cntvct_el0",
    "ldr w12, [x10]",
    "cbnz w12, rf_sys_prevented",
    "rf_sys_insn:",
    "svc #0",
    "ret",
    "rf_sys_prevented:",
    "mov x0, #-513", // -ERESTARTNOINTR
    "ret",
    "rf_sys_interrupted:",
    "mov x0, #-512", // -ERESTARTSYS
    "ret",
    "rf_copy:", // (dst, src, len) -> 0, or 1 if a page was not accessible
    "rf_copy_start:",
    "subs x2, x2, #16",
    "b.lo 3f",
    "2:",
    "ldp x3, x4, [x1], #16",
    "stp x3, x4, [x0], #16",
    "subs x2, x2, #16",
    "b.hs 2b",
    "3:",
    "adds x2, x2, #16",
    "b.eq rf_copy_end",
    "4:",
    "ldrb w3, [x1], #1",
    "strb w3, [x0], #1",
    "subs x2, x2, #1",
    "b.ne 4b",
    "rf_copy_end:",
    "mov x0, #0",
    "ret",
    "rf_copy_fault:",
    "mov x0, #1",
    "ret",
    "rf_cas:", // (word, old, new) -> what was there, or -1 if the page was not accessible
    "rf_cas_start:",
    "ldaxr w3, [x0]",
    "cmp w3, w1",
    "b.ne rf_cas_end",
    "stlxr w4, w2, [x0]",
    "cbnz w4, rf_cas_start",
    "rf_cas_end:",
    "mov w0, w3",
    "ret",
    "rf_load:", // (word) -> what is there, or -1 if the page was not accessible
    "ldr w0, [x0]",
    "rf_load_end:",
    "ret",
    "rf_words:", // (dst, src, count) -> 0, or -1 if a page was not accessible
    "cbz x2, rf_words_end",
    "5:",
    "ldr w3, [x1], #4",
    "str w3, [x0], #4",
    "subs x2, x2, #1",
    "b.ne 5b",
    "rf_words_end:",
    "mov x0, #0",
    "ret",
    "rf_cas_fault:",
    "mov x0, #-1",
    "ret",
);

/// A host system call without the pending check: for calls that don't block. Never interrupted before it happened: its instruction is not
/// among the labels that the signal handler knows.
///
/// # Safety
/// As the system call itself.
pub unsafe fn raw(nr: i64, args: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the kernel's calling convention; what the call does is the caller's promise.
    unsafe {
        core::arch::asm!("svc #0", in("x8") nr, inlateout("x0") args[0] => result, in("x1") args[1], in("x2") args[2],
            in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    result
}

/// A signal that ends a call sooner than this counts as one that came before it.
const UNKNOWABLE_MICROS: u64 = 50;

/// Whether the kernel has seen the call of a thread that it left at the instruction.
pub(super) fn seen(started: u64) -> bool {
    let (now, frequency): (u64, u64);
    // SAFETY: reads two registers that user programs may read.
    unsafe {
        core::arch::asm!("mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) now, out(reg) frequency, options(nomem, nostack));
    }
    now.wrapping_sub(started) >= frequency / 1_000_000 * UNKNOWABLE_MICROS
}
