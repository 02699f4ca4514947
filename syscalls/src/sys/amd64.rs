//! Entering the kernel of an amd64 host.
//!
//! The `syscall` instruction overwrites rcx, which is zero before it: so it tells whether the kernel has seen the call (but where the processor
//! delivers events by FRED: there it counts as seen).

use std::sync::atomic::{AtomicU32, Ordering};

core::arch::global_asm!(
    ".text",
    ".globl rf_sys_interruptible, rf_sys_start, rf_sys_insn, rf_sys_prevented, rf_sys_interrupted, rf_copy, rf_copy_start, rf_copy_end, rf_copy_fault",
    ".globl rf_cas, rf_cas_start, rf_cas_end, rf_cas_fault, rf_load, rf_load_end, rf_words, rf_words_end",
    "rf_sys_interruptible:", // (pending: *const u32, nr, args: *const [u64; 6]) -> result or -errno
    "mov rax, rsi",
    "mov r11, rdi",
    "mov rcx, rdx",
    "mov rdi, [rcx]",
    "mov rsi, [rcx + 8]",
    "mov rdx, [rcx + 16]",
    "mov r10, [rcx + 24]",
    "mov r8, [rcx + 32]",
    "mov r9, [rcx + 40]",
    "rf_sys_start:",
    "xor ecx, ecx",
    "cmp dword ptr [r11], 0",
    "jne rf_sys_prevented",
    "rf_sys_insn:",
    "syscall",
    "ret",
    "rf_sys_prevented:",
    "mov rax, -513", // -ERESTARTNOINTR
    "ret",
    "rf_sys_interrupted:",
    "mov rax, -512", // -ERESTARTSYS
    "ret",
    "rf_copy:", // (dst, src, len) -> 0, or 1 if a page was not accessible
    "mov rcx, rdx",
    "rf_copy_start:",
    "rep movsb",
    "rf_copy_end:",
    "xor eax, eax",
    "ret",
    "rf_copy_fault:",
    "mov eax, 1",
    "ret",
    "rf_cas:", // (word, old, new) -> what was there, or -1 if the page was not accessible
    "mov eax, esi",
    "rf_cas_start:",
    "lock cmpxchg dword ptr [rdi], edx",
    "rf_cas_end:",
    "mov eax, eax",
    "ret",
    "rf_load:", // (word) -> what is there, or -1 if the page was not accessible
    "mov eax, dword ptr [rdi]",
    "rf_load_end:",
    "ret",
    "rf_words:", // (dst, src, count) -> 0, or -1 if a page was not accessible
    "xor ecx, ecx",
    "sub rdx, 4",
    "jb 3f",
    "2:",
    "movups xmm0, [rsi + 4 * rcx]",
    "movups [rdi + 4 * rcx], xmm0",
    "add rcx, 4",
    "cmp rcx, rdx",
    "jbe 2b",
    "3:",
    "add rdx, 4",
    "4:",
    "cmp rcx, rdx",
    "jae rf_words_end",
    "mov eax, dword ptr [rsi + 4 * rcx]",
    "mov dword ptr [rdi + 4 * rcx], eax",
    "inc rcx",
    "jmp 4b",
    "rf_words_end:",
    "xor eax, eax",
    "ret",
    "rf_cas_fault:",
    "mov rax, -1",
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
        core::arch::asm!("syscall", inlateout("rax") nr => result, in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Whether the kernel has seen the call of a thread that it left at the instruction.
pub(super) fn seen(rcx: u64) -> bool {
    rcx != 0 || fred()
}

/// Whether a system call leaves rcx alone.
fn fred() -> bool {
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            let rcx: u64;
            // SAFETY: asks for a number.
            unsafe {
                core::arch::asm!("syscall", inlateout("rax") libc::SYS_getppid => _, inlateout("rcx") 0u64 => rcx,
                    lateout("r11") _, options(nostack));
            }
            KNOWN.store(1 + u32::from(rcx == 0), Ordering::Relaxed);
            rcx == 0
        }
        n => n == 2,
    }
}
