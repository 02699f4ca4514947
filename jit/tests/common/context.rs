//! The registers that a signal handler sees, for the host that the tests are built for.

use jit::host::HostContext;
use libc::ucontext_t;

#[cfg(target_arch = "x86_64")]
mod imp {
    use super::*;
    use jit::host::{frame_mxcsr, frame_state, frame_vectors};
    use libc::*;

    const ORDER: [i32; 16] = [
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
        REG_R13, REG_R14, REG_R15,
    ];

    pub unsafe fn context(uc: &ucontext_t) -> HostContext {
        let gregs = &uc.uc_mcontext.gregs;
        let state = frame_state(uc);
        // SAFETY: by the contract, the kernel's.
        let (vec, fpctl) = unsafe { (frame_vectors(state), frame_mxcsr(state)) };
        HostContext {
            gpr: ORDER.map(|r| gregs[r as usize] as u64),
            vec,
            pc: gregs[REG_RIP as usize] as u64,
            flags: gregs[REG_EFL as usize] as u64,
            fpctl,
        }
    }
    pub fn sp(uc: &ucontext_t) -> u64 {
        uc.uc_mcontext.gregs[REG_RSP as usize] as u64
    }
    pub fn pc(uc: &ucontext_t) -> u64 {
        uc.uc_mcontext.gregs[REG_RIP as usize] as u64
    }
    pub fn set_pc(uc: &mut ucontext_t, pc: u64) {
        uc.uc_mcontext.gregs[REG_RIP as usize] = pc as i64;
    }
    pub fn set_sp(uc: &mut ucontext_t, sp: u64) {
        uc.uc_mcontext.gregs[REG_RSP as usize] = sp as i64;
    }
}

#[cfg(target_arch = "aarch64")]
mod imp {
    use super::*;

    /// The kernel's `fpsimd_context`.
    #[repr(C)]
    struct Fpsimd {
        magic: u32,
        size: u32,
        fpsr: u32,
        fpcr: u32,
        vregs: [u128; 32],
    }

    /// Among the records that follow the general registers, at a multiple of 16.
    unsafe fn fpsimd(m: &libc::mcontext_t) -> &Fpsimd {
        let mut at = (&raw const m.pstate as u64 + 8).next_multiple_of(16);
        loop {
            // SAFETY: by the contract; there is one.
            let record = unsafe { &*(at as *const Fpsimd) };
            match record.magic {
                0x4650_8001 => return record,
                0 => panic!("no FP registers"),
                _ => at += record.size as u64,
            }
        }
    }

    pub unsafe fn context(uc: &ucontext_t) -> HostContext {
        let m = &uc.uc_mcontext;
        // SAFETY: by the contract.
        let fp = unsafe { fpsimd(m) };
        let mut gpr = [m.sp; 32];
        gpr[..31].copy_from_slice(&m.regs);
        HostContext { gpr, vec: fp.vregs, pc: m.pc, flags: m.pstate, fpsr: fp.fpsr, fpcr: fp.fpcr }
    }
    pub fn sp(uc: &ucontext_t) -> u64 {
        uc.uc_mcontext.sp
    }
    pub fn pc(uc: &ucontext_t) -> u64 {
        uc.uc_mcontext.pc
    }
    pub fn set_pc(uc: &mut ucontext_t, pc: u64) {
        uc.uc_mcontext.pc = pc;
    }
    pub fn set_sp(uc: &mut ucontext_t, sp: u64) {
        uc.uc_mcontext.sp = sp;
    }
}

// Each test program uses its own part of this.
#[allow(unused_imports)]
pub use imp::{pc, set_pc, set_sp, sp};

/// All of them.
///
/// # Safety
/// The kernel made the context.
pub unsafe fn context(uc: &ucontext_t) -> HostContext {
    // SAFETY: by the contract.
    unsafe { imp::context(uc) }
}
