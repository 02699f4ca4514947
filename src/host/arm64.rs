//! arm64.

use jit::code::HostContext;
use libc::ucontext_t;

core::arch::global_asm!(
    ".text",
    ".globl rf_restorer, rf_clone",
    "rf_restorer:",
    "mov x8, #139",
    "svc #0",
    "rf_clone:",
    "mov x8, x0",
    "mov x9, x1",
    "ldp x0, x1, [x9]",
    "ldp x2, x3, [x9, #16]",
    "ldp x4, x5, [x9, #32]",
    "svc #0",
    "cbz x0, 1f",
    "ret",
    "1:",
    "mov x29, xzr",
    "mov x30, xzr",
    "ldp x0, x9, [sp], #16",
    "blr x9",
    "udf #0",
);

/// The arguments of clone, in this machine's order.
pub fn clone_args(flags: u64, stack: u64, parent_tid: u64, child_tid: u64) -> [u64; 6] {
    [flags, stack, parent_tid, 0, child_tid, 0]
}

/// Records of the context (`struct _aarch64_ctx`).
const FPSIMD_MAGIC: u32 = 0x4650_8001;
const ESR_MAGIC: u32 = 0x4553_5201;
/// Where they begin in `mcontext_t`: `__reserved`, aligned to 16 bytes.
const RECORDS: usize = 288;
const RECORDS_SIZE: usize = 4096;
/// ESR: the access was a write.
const WNR: u64 = 1 << 6;

/// The registers that a signal handler may change.
pub struct Frame<'a>(pub &'a mut ucontext_t);

impl Frame<'_> {
    /// The program counter.
    pub fn pc(&mut self) -> u64 {
        self.0.uc_mcontext.pc
    }

    /// Go on elsewhere.
    pub fn set_pc(&mut self, pc: u64) {
        self.0.uc_mcontext.pc = pc;
    }

    /// The stack pointer.
    pub fn sp(&mut self) -> u64 {
        self.0.uc_mcontext.sp
    }

    /// Go on with another stack.
    pub fn set_sp(&mut self, sp: u64) {
        self.0.uc_mcontext.sp = sp;
    }

    /// The register that tells a system call that waited from one that has not begun: x9, with the time of the last look at what waits.
    pub fn call_mark(&mut self) -> u64 {
        self.0.uc_mcontext.regs[9]
    }

    /// The body of a record.
    fn record(&self, wanted: u32) -> Option<*const u8> {
        let records = (&raw const self.0.uc_mcontext).cast::<u8>().wrapping_add(RECORDS);
        let mut at = 0;
        while at + 8 <= RECORDS_SIZE {
            // SAFETY: inside of the context, which the kernel has filled; aligned, because sizes are multiples of 16.
            let [magic, size] = unsafe { records.add(at).cast::<[u32; 2]>().read() };
            match magic {
                0 => break,
                m if m == wanted => return Some(records.wrapping_add(at + 8)),
                _ => at += (size as usize).next_multiple_of(16).max(16),
            }
        }
        None
    }

    /// For SIGSEGV: whether memory was to be written. Emulators of kernels leave out what the processor says: then the instruction does.
    pub fn is_write(&mut self) -> bool {
        match self.record(ESR_MAGIC) {
            // SAFETY: the record's body is a word.
            Some(esr) => unsafe { esr.cast::<u64>().read() & WNR != 0 },
            // SAFETY: the instruction that has just been executed.
            None => writes(unsafe { (self.pc() as *const u32).read() }),
        }
    }

    /// All registers, for the engine.
    pub fn context(&mut self) -> HostContext {
        let m = &self.0.uc_mcontext;
        let mut gpr = [0; 32];
        gpr[..31].copy_from_slice(&m.regs);
        gpr[31] = m.sp;
        let (mut control, mut vec) = ([0u32; 2], [0u128; 32]);
        if let Some(body) = self.record(FPSIMD_MAGIC) {
            // SAFETY: the record's body is FPSR, FPCR and the vector registers.
            unsafe {
                control = body.cast::<[u32; 2]>().read();
                vec = body.add(8).cast::<[u128; 32]>().read_unaligned();
            }
        }
        HostContext { gpr, vec, pc: m.pc, flags: m.pstate, fpsr: control[0], fpcr: control[1] }
    }
}

/// Whether a load or store instruction stores.
fn writes(insn: u32) -> bool {
    let load_bit = insn >> 22 & 1;
    match insn {
        // Advanced SIMD structures; exclusive and ordered; pairs.
        i if i & 0xbe00_0000 == 0x0c00_0000 => load_bit == 0,
        i if i & 0x3f20_7c00 == 0x0820_7c00 || i & 0x3fa0_7c00 == 0x08a0_7c00 => true,
        i if i & 0x3f00_0000 == 0x0800_0000 => load_bit == 0,
        i if i & 0x3a00_0000 == 0x2800_0000 => load_bit == 0,
        // Ordered with an offset.
        i if i & 0x3f20_0c00 == 0x1900_0000 => i >> 22 & 3 == 0,
        // Atomic operations.
        i if i & 0x3b20_0c00 == 0x3820_0000 => i & 0x0000_f000 != 0xc000,
        // One register: opc is 0 for stores, and 2 for those of 16 bytes.
        i if i & 0x3a00_0000 == 0x3800_0000 => {
            let (opc, vector) = (i >> 22 & 3, i >> 26 & 1 != 0);
            opc == 0 || vector && opc == 2 && i >> 30 == 0
        }
        _ => false,
    }
}

/// Raise a fault that the kernel doesn't forgive, for signals that have an instruction for it.
pub fn fault_by(sig: i32) {
    // SAFETY: the process is to end by it.
    unsafe {
        match sig {
            libc::SIGSEGV => core::arch::asm!("mov {0}, xzr", "ldr {0:w}, [{0}]", out(reg) _),
            libc::SIGILL => core::arch::asm!("udf #0"),
            libc::SIGTRAP => core::arch::asm!("brk #0"),
            _ => {}
        }
    }
}

/// What the host's processor must have, and whether it does.
pub fn cpu() -> (&'static str, bool) {
    ("Armv8-A with FP and Advanced SIMD", true)
}

#[cfg(test)]
mod tests {
    use super::writes;

    #[test]
    fn stores_are_told_from_loads() {
        let loads =
            [0xf940_0000, 0x3dc0_0000, 0xa940_0400, 0x0c40_7000, 0xc85f_7c00, 0xc8df_fc00, 0x3840_0400, 0xd940_0000, 0xf8bf_c000];
        let stores = [
            0xf900_0000,
            0x3d80_0000,
            0xa900_0400,
            0x0c00_7000,
            0xc800_7c20,
            0xc89f_fc00,
            0x3800_0400,
            0xd900_0000,
            0xf821_0000,
            0xc8a0_7c20,
            0x4820_7c20,
            0xf820_8020,
        ];
        assert_eq!(loads.map(writes), [false; 9]);
        assert_eq!(stores.map(writes), [true; 12]);
    }
}
