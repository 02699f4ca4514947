//! What CPUID says: an x86-64-v3 processor with what else is implemented, and nothing that isn't.

/// Leaf 1, ecx.
const ECX1: u32 = bits(&[
    0,  // SSE3
    1,  // PCLMULQDQ
    9,  // SSSE3
    12, // FMA
    13, // CMPXCHG16B
    19, // SSE4.1
    20, // SSE4.2
    22, // MOVBE
    23, // POPCNT
    25, // AES
    26, // XSAVE
    27, // OSXSAVE
    28, // AVX
    29, // F16C
    30, // RDRAND
    31, // a hypervisor
]);
/// Leaf 1, edx.
const EDX1: u32 = bits(&[
    0,  // FPU
    4,  // TSC
    5,  // MSR
    6,  // PAE
    8,  // CMPXCHG8B
    11, // SEP
    13, // PGE
    15, // CMOV
    19, // CLFLUSH
    23, // MMX
    24, // FXSR
    25, // SSE
    26, // SSE2
]);
/// Leaf 7, ebx.
const EBX7: u32 = bits(&[
    0,  // FSGSBASE
    3,  // BMI1
    5,  // AVX2
    6,  // the x87's data pointer is of exceptions only
    8,  // BMI2
    9,  // ERMS
    13, // no selectors in the x87's pointers
    18, // RDSEED
    19, // ADX
    23, // CLFLUSHOPT
    24, // CLWB
    29, // SHA
]);
/// Leaf 0x8000_0001, ecx.
const ECX81: u32 = bits(&[
    0, // LAHF in 64-bit mode
    5, // LZCNT
    8, // PREFETCHW
]);
/// Leaf 0x8000_0001, edx.
const EDX81: u32 = bits(&[
    11, // SYSCALL
    20, // NX
    27, // RDTSCP
    29, // long mode
]);

const fn bits(list: &[u32]) -> u32 {
    let (mut v, mut n) = (0, 0);
    while n < list.len() {
        v |= 1 << list[n];
        n += 1;
    }
    v
}

const fn word(s: &[u8; 48], at: usize) -> u32 {
    u32::from_le_bytes([s[at], s[at + 1], s[at + 2], s[at + 3]])
}

/// The name in leaves 0x8000_0002 to 4.
const BRAND: &[u8; 48] = b"x86-64-v3 processor, translated by run-foreign\0\0";

/// eax, ebx, ecx, edx.
pub fn cpuid(leaf: u32, sub: u32) -> [u32; 4] {
    match leaf {
        // "GenuineIntel"
        0 => [0xd, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
        // Family 6, model 60. One logical processor, lines of 64 bytes.
        1 => [0x0003_06c3, 0x0001_0800, ECX1, EDX1],
        // See leaf 4.
        2 => [0x00ff_ff01, 0, 0, 0],
        4 => cache(sub),
        6 => [4, 0, 0, 0],
        7 if sub == 0 => [0, EBX7, 0, 0],
        // One thread, one core.
        0xb if sub == 0 => [0, 1, 0x100, 0],
        0xb if sub == 1 => [0, 1, 0x201, 0],
        0xb => [0, 0, sub & 0xff, 0],
        0xd => xsave(sub),
        0x8000_0000 => [0x8000_0008, 0, 0, 0],
        0x8000_0001 => [0, 0, ECX81, EDX81],
        0x8000_0002..=0x8000_0004 => {
            let at = (leaf as usize - 0x8000_0002) * 16;
            [word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12)]
        }
        0x8000_0006 => [0, 0, 0x0100_6040, 0],
        // The counter's rate never changes.
        0x8000_0007 => [0, 0, 0, 1 << 8],
        0x8000_0008 => [0x3030, 0, 0, 0],
        _ => [0; 4],
    }
}

/// Leaf 4: 32 KiB of data, 32 KiB of instructions, 1 MiB, 8 MiB.
fn cache(sub: u32) -> [u32; 4] {
    let level = |kind: u32, level: u32, ways: u32, sets: u32| [kind | level << 5 | 1 << 8, (ways - 1) << 22 | 63, sets - 1, 0];
    match sub {
        0 => level(1, 1, 8, 64),
        1 => level(2, 1, 8, 64),
        2 => level(3, 2, 16, 1024),
        3 => level(3, 3, 16, 8192),
        _ => [0; 4],
    }
}

/// Leaf 0xd: x87, SSE and AVX, in 832 bytes; XSAVEOPT, XSAVEC and XGETBV 1.
fn xsave(sub: u32) -> [u32; 4] {
    match sub {
        0 => [7, 832, 832, 0],
        1 => [0b0111, 832, 0, 0],
        2 => [256, 576, 0, 0],
        _ => [0; 4],
    }
}
