//! The identification registers as user space reads them: those that the CPU shows to EL0 and those that Linux emulates
//! (`Documentation/arch/arm64/cpu-feature-registers.rst`). They name exactly the features that are translated and not hidden.

use super::features::{self as f, Feature, Set};

/// MIDR_EL1: Cortex-A76 r4p1, a widespread core for which libraries have sane code paths, and whose own features (Armv8.2) are all there. (Its twin for
/// servers, the Neoverse N1, has OpenSSL multiply in vectors, for its own slow UMULH: half as fast here.)
/// Newer cores have SVE, which tools would infer from their number.
pub const MIDR: u64 = 0x414f_d0b1;
/// MPIDR_EL1: what Linux shows.
pub const MPIDR: u64 = 1 << 31;
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

/// A field's position, and the values that features give it: the last that is there counts.
type Field = (u32, &'static [(Feature, u64)]);

/// ID_AA64PFR0_EL1: EL0 and EL1 are AArch64 only.
const PFR0: &[Field] = &[(0, &[(f::BASE, 1)]), (4, &[(f::BASE, 1)]), (16, &[(f::FPHP, 1)]), (20, &[(f::ASIMDHP, 1)])];
/// ID_AA64PFR1_EL1.
const PFR1: &[Field] = &[(4, &[(f::SSBS, 2)])];
/// ID_AA64ISAR0_EL1.
const ISAR0: &[Field] = &[
    (4, &[(f::AES, 1), (f::PMULL, 2)]),
    (8, &[(f::SHA1, 1)]),
    (12, &[(f::SHA2, 1), (f::SHA512, 2)]),
    (16, &[(f::CRC32, 1)]),
    (20, &[(f::ATOMICS, 2)]),
    (28, &[(f::ASIMDRDM, 1)]),
    (32, &[(f::SHA3, 1)]),
    (36, &[(f::SM3, 1)]),
    (40, &[(f::SM4, 1)]),
    (44, &[(f::ASIMDDP, 1)]),
    (48, &[(f::ASIMDFHM, 1)]),
    (52, &[(f::FLAGM, 1), (f::FLAGM2, 2)]),
    (60, &[(f::RNG, 1)]),
];
/// ID_AA64ISAR1_EL1.
const ISAR1: &[Field] = &[
    (0, &[(f::DCPOP, 1), (f::DCPODP, 2)]),
    (12, &[(f::JSCVT, 1)]),
    (16, &[(f::FCMA, 1)]),
    (20, &[(f::LRCPC, 1), (f::ILRCPC, 2)]),
    (32, &[(f::FRINT, 1)]),
    (36, &[(f::SB, 1)]),
    (44, &[(f::BF16, 1)]),
    (52, &[(f::I8MM, 1)]),
];
/// ID_AA64MMFR2_EL1.
const MMFR2: &[Field] = &[(32, &[(f::USCAT, 1)])];

fn fields(list: &[Field], hidden: Set) -> u64 {
    list.iter().fold(0, |v, (at, values)| {
        let value = values.iter().rfind(|(feature, _)| !hidden.has(*feature)).map_or(0, |(_, v)| *v);
        v | value << at
    })
}

/// The register (op0 = 3, op1 = 0, CRn = 0, `crm`, `op2`) as Linux emulates it, or `None` where it sends SIGILL.
pub fn read(crm: u32, op2: u32, hidden: Set) -> Option<u64> {
    Some(match (crm, op2) {
        _ if hidden.has(f::CPUID) => return None,
        (0, 0) => MIDR,
        (0, 5) => MPIDR,
        (0, 6) => 0, // REVIDR_EL1
        (0 | 1, _) => return None,
        (4, 0) => fields(PFR0, hidden),
        (4, 1) => fields(PFR1, hidden),
        (5, 0) => ID_AA64DFR0,
        (6, 0) => fields(ISAR0, hidden),
        (6, 1) => fields(ISAR1, hidden),
        (7, 0) => ID_AA64MMFR0,
        (7, 2) => fields(MMFR2, hidden),
        (2..=7, _) => 0,
        _ => return None,
    })
}
