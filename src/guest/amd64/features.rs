//! The CPU as an amd64 kernel tells of it: what CPUID says, in the kernel's words.

use crate::hwcap::{self, Features};
use jit::guest::amd64::cpuid::cpuid;
use syscalls::amd64::CpuIdentity;

/// The kernel's words for a register of a leaf, by bit, in the kernel's order.
struct Word {
    leaf: u32,
    sub: u32,
    /// eax, ebx, ecx or edx.
    register: usize,
    names: &'static [(u32, &'static str)],
}

#[rustfmt::skip]
const WORDS: [Word; 8] = [
    Word { leaf: 1, sub: 0, register: 3, names: &[(0, "fpu"), (4, "tsc"), (5, "msr"), (6, "pae"), (8, "cx8"), (11, "sep"), (13, "pge"), (15, "cmov"),
        (19, "clflush"), (23, "mmx"), (24, "fxsr"), (25, "sse"), (26, "sse2")] },
    Word { leaf: 0x8000_0001, sub: 0, register: 3, names: &[(11, "syscall"), (20, "nx"), (27, "rdtscp"), (29, "lm")] },
    Word { leaf: 0x8000_0007, sub: 0, register: 3, names: &[(8, "constant_tsc"), (8, "nonstop_tsc")] },
    Word { leaf: 1, sub: 0, register: 2, names: &[(0, "pni"), (1, "pclmulqdq"), (9, "ssse3"), (12, "fma"), (13, "cx16"), (19, "sse4_1"), (20, "sse4_2"),
        (22, "movbe"), (23, "popcnt"), (25, "aes"), (26, "xsave"), (28, "avx"), (29, "f16c"), (30, "rdrand"), (31, "hypervisor")] },
    Word { leaf: 0x8000_0001, sub: 0, register: 2, names: &[(0, "lahf_lm"), (5, "abm"), (6, "sse4a"), (8, "3dnowprefetch")] },
    Word { leaf: 7, sub: 0, register: 1, names: &[(0, "fsgsbase"), (3, "bmi1"), (5, "avx2"), (8, "bmi2"), (9, "erms"), (18, "rdseed"), (19, "adx"),
        (23, "clflushopt"), (24, "clwb"), (29, "sha_ni")] },
    Word { leaf: 0xd, sub: 1, register: 0, names: &[(0, "xsaveopt"), (1, "xsavec"), (2, "xgetbv1")] },
    Word { leaf: 7, sub: 0, register: 2, names: &[(8, "gfni"), (9, "vaes"), (10, "vpclmulqdq")] },
];

/// AT_HWCAP2: FSGSBASE can be used.
const HWCAP2_FSGSBASE: u64 = 2;

fn there() -> Vec<&'static str> {
    let of = |w: &Word| {
        let value = cpuid(w.leaf, w.sub)[w.register];
        w.names.iter().filter(move |(bit, _)| value >> bit & 1 != 0).map(|n| n.1).collect::<Vec<_>>()
    };
    WORDS.iter().flat_map(of).collect()
}

/// Everything: programs for this architecture look for the level of the processor rather than for single features, and so does who hides some.
pub(super) fn of(wishes: &[(bool, String)]) -> Result<Features, String> {
    let names = there();
    for (on, name) in wishes {
        match names.contains(&name.as_str()) {
            false => return Err(hwcap::unknown(name, &self::names())),
            true if !on => return Err(hwcap::needed(name)),
            true => {}
        }
    }
    let hwcap = [cpuid(1, 0)[3].into(), HWCAP2_FSGSBASE];
    Ok(Features { hwcap, hidden: 0, names: names.join(" "), cpu: identity() })
}

pub(super) fn names() -> Vec<(&'static str, &'static str)> {
    there().into_iter().map(|name| (name, "")).collect()
}

fn text(words: impl IntoIterator<Item = u32>) -> &'static str {
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned().leak()
}

fn identity() -> CpuIdentity {
    let [level, b, c, d] = cpuid(0, 0);
    let signature = cpuid(1, 0)[0];
    let part = |at: u32, bits: u32| signature >> at & ((1 << bits) - 1);
    CpuIdentity {
        vendor: text([b, d, c]),
        name: text((0x8000_0002..=0x8000_0004).flat_map(|leaf| cpuid(leaf, 0))),
        family: part(8, 4) + if part(8, 4) == 15 { part(20, 8) } else { 0 },
        model: part(4, 4) | part(16, 4) << 4,
        stepping: part(0, 4),
        level,
        physical_bits: cpuid(0x8000_0008, 0)[0] & 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program that was built for the level looks for.
    #[test]
    fn the_cpu_has_level_3() {
        let all = of(&[]).unwrap();
        let level3 = [
            "cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm",
            "movbe", "xsave",
        ];
        for name in level3 {
            assert!(all.names.split(' ').any(|n| n == name), "{name}");
        }
        assert_eq!((all.cpu.vendor, all.cpu.family), ("GenuineIntel", 6));
        assert!(
            of(&[(false, "avx2".into())]).is_err()
                && of(&[(true, "avx2".into())]).is_ok()
                && of(&[(true, "sve".into())]).is_err()
        );
    }
}
