//! amd64.

use jit::code::HostContext;
use jit::host::{frame_mxcsr, frame_state, frame_vectors};
use libc::ucontext_t;

// The program's entry. The C runtime relocates this program at each start, by which it writes to nearly all pages from `.init_array` to the end of
// its data: made at once (MADV_POPULATE_WRITE) they cost half as much as by a fault each. Kernels that don't know the advice say so, which is ignored.
core::arch::global_asm!(
    ".globl rf_entry",
    "rf_entry:",
    "mov r12, rdx",
    "lea rdi, [rip + __init_array_start]",
    "and rdi, -4096",
    "lea rsi, [rip + _edata + 4095]",
    "and rsi, -4096",
    "sub rsi, rdi",
    "mov edx, 23",
    "mov eax, 28",
    "syscall",
    "mov rdx, r12",
    "jmp _start",
);

core::arch::global_asm!(
    ".text",
    ".globl rf_restorer, rf_clone",
    "rf_restorer:",
    "mov eax, 15",
    "syscall",
    "rf_clone:",
    "mov rax, rdi",
    "mov r11, rsi",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "syscall",
    "test rax, rax",
    "jz 1f",
    "ret",
    "1:",
    "xor ebp, ebp",
    "pop rdi",
    "pop rax",
    "call rax",
    "ud2",
);

/// The arguments of clone, in this machine's order.
pub fn clone_args(flags: u64, stack: u64, parent_tid: u64, child_tid: u64) -> [u64; 6] {
    [flags, stack, parent_tid, child_tid, 0, 0]
}

/// The registers that a signal handler may change.
pub struct Frame<'a>(pub &'a mut ucontext_t);

impl Frame<'_> {
    fn reg(&mut self, n: i32) -> &mut i64 {
        &mut self.0.uc_mcontext.gregs[n as usize]
    }

    /// The program counter.
    pub fn pc(&mut self) -> u64 {
        *self.reg(libc::REG_RIP) as u64
    }

    /// Go on elsewhere.
    pub fn set_pc(&mut self, pc: u64) {
        *self.reg(libc::REG_RIP) = pc as i64;
    }

    /// The stack pointer.
    pub fn sp(&mut self) -> u64 {
        *self.reg(libc::REG_RSP) as u64
    }

    /// Go on with another stack.
    pub fn set_sp(&mut self, sp: u64) {
        *self.reg(libc::REG_RSP) = sp as i64;
    }

    /// The register that tells a system call that waited from one that has not begun (see `syscalls::sys`).
    pub fn call_mark(&mut self) -> u64 {
        *self.reg(libc::REG_RCX) as u64
    }

    /// For SIGSEGV: whether memory was to be written.
    pub fn is_write(&mut self) -> bool {
        *self.reg(libc::REG_ERR) & 2 != 0
    }

    /// All registers, for the engine.
    pub fn context(&mut self) -> HostContext {
        use libc::*;
        const ORDER: [i32; 16] = [
            REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
            REG_R13, REG_R14, REG_R15,
        ];
        let gregs = &self.0.uc_mcontext.gregs;
        let state = frame_state(self.0);
        // SAFETY: the kernel saves the FP state of every 64-bit program and points to it.
        let (vec, fpctl) = unsafe { (frame_vectors(state), frame_mxcsr(state)) };
        HostContext {
            gpr: ORDER.map(|r| gregs[r as usize] as u64),
            vec,
            pc: gregs[REG_RIP as usize] as u64,
            flags: gregs[REG_EFL as usize] as u64,
            fpctl,
        }
    }
}

/// Raise a fault that the kernel doesn't forgive, for signals that have an instruction for it.
pub fn fault_by(sig: i32) {
    // SAFETY: the process is to end by it.
    unsafe {
        match sig {
            libc::SIGSEGV => core::arch::asm!("mov eax, dword ptr [0]", out("eax") _),
            libc::SIGILL => core::arch::asm!("ud2"),
            libc::SIGTRAP => core::arch::asm!("int3"),
            _ => {}
        }
    }
}

/// What the host's processor must have, and whether it does.
pub fn cpu() -> (&'static str, bool) {
    let there = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("ssse3");
    ("x86-64-v2 (SSE4.2, POPCNT)", there)
}
