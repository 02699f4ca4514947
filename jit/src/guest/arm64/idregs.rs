//! The identification registers as user space reads them: those that the CPU shows to EL0 and those that Linux emulates
//! (`Documentation/arch/arm64/cpu-feature-registers.rst`). They name exactly the features that are translated.

/// MIDR_EL1: Neoverse N1 r3p1, an Armv8.2 server core for which libraries have sane code paths.
pub const MIDR: u64 = 0x413f_d0c1;
/// MPIDR_EL1: what Linux shows.
pub const MPIDR: u64 = 1 << 31;
/// ID_AA64PFR0_EL1: EL0 and EL1 are AArch64 only; FP and AdvSIMD without half precision.
pub const ID_AA64PFR0: u64 = 0x11;
/// ID_AA64ISAR0_EL1: AES + PMULL, SHA1, SHA256, CRC32, LSE atomics.
pub const ID_AA64ISAR0: u64 = 2 << 4 | 1 << 8 | 1 << 12 | 1 << 16 | 2 << 20;
/// ID_AA64DFR0_EL1: the Armv8 debug architecture.
pub const ID_AA64DFR0: u64 = 6;
/// ID_AA64MMFR0_EL1: page granules are not user space's business (fields "not implemented").
pub const ID_AA64MMFR0: u64 = 0xff00_0000;
/// CTR_EL0: 64-byte lines, physically tagged; data need no cleaning (IDC), instructions do need invalidation (DIC = 0).
pub const CTR: u64 = 0x8444_c004 | 1 << 28;
/// DCZID_EL0: DC ZVA clears 64 bytes.
pub const DCZID: u64 = 4;
/// Bytes that DC ZVA clears.
pub const ZVA_BYTES: u64 = 4 << DCZID;
/// CNTFRQ_EL0: the counter runs in nanoseconds.
pub const CNTFRQ: u64 = 1_000_000_000;

/// The register (op0 = 3, op1 = 0, CRn = 0, `crm`, `op2`) as Linux emulates it, or `None` where it sends SIGILL.
pub fn read(crm: u32, op2: u32) -> Option<u64> {
    Some(match (crm, op2) {
        (0, 0) => MIDR,
        (0, 5) => MPIDR,
        (0, 6) => 0, // REVIDR_EL1
        (0 | 1, _) => return None,
        (4, 0) => ID_AA64PFR0,
        (5, 0) => ID_AA64DFR0,
        (6, 0) => ID_AA64ISAR0,
        (7, 0) => ID_AA64MMFR0,
        (2..=7, _) => 0,
        _ => return None,
    })
}
