//! The optional features of the architecture that are translated: their names, how Linux announces them, and what follows for the
//! identification registers. Everything that a program can learn about the CPU comes from this table.

/// A feature by its bit in AT_HWCAP, or 32 plus its bit in AT_HWCAP2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature(pub u8);

/// Features as a set: AT_HWCAP in the low half, AT_HWCAP2 in the high one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Set(pub u64);

impl Set {
    /// Whether `f` is in it.
    #[inline]
    pub const fn has(self, f: Feature) -> bool {
        self.0 >> (f.0 & 63) & 1 != 0
    }
    /// With `f`.
    pub const fn with(self, f: Feature) -> Set {
        Set(self.0 | 1 << (f.0 & 63))
    }
    /// What is in it and not in `other`.
    pub const fn without(self, other: Set) -> Set {
        Set(self.0 & !other.0)
    }
}

/// What every arm64 CPU has (a bit that no feature uses).
pub const BASE: Feature = Feature(63);

macro_rules! features {
    ($($id:ident $name:literal $bit:literal $what:literal;)*) => {
        $(#[doc = $what] pub const $id: Feature = Feature($bit);)*
        /// Names as /proc/cpuinfo has them, in the order of their bits, and what they are.
        pub const FEATURES: &[(&str, Feature, &str)] = &[$(($name, $id, $what)),*];
    };
}

features! {
    FP "fp" 0 "floating point (every program may rely on it)";
    ASIMD "asimd" 1 "Advanced SIMD (every program may rely on it)";
    AES "aes" 3 "AES";
    PMULL "pmull" 4 "polynomial multiplication of 64 bits";
    SHA1 "sha1" 5 "SHA-1";
    SHA2 "sha2" 6 "SHA-256";
    CRC32 "crc32" 7 "CRC-32";
    ATOMICS "atomics" 8 "atomic read-modify-write (LSE)";
    FPHP "fphp" 9 "half precision (FP16), scalar";
    ASIMDHP "asimdhp" 10 "half precision (FP16), vectors";
    CPUID "cpuid" 11 "reading of the identification registers";
    ASIMDRDM "asimdrdm" 12 "rounding doubling multiply-accumulate (RDM)";
    JSCVT "jscvt" 13 "JavaScript conversion";
    FCMA "fcma" 14 "complex numbers";
    LRCPC "lrcpc" 15 "load-acquire RCpc";
    DCPOP "dcpop" 16 "cleaning of memory to the point of persistence (DPB)";
    SHA3 "sha3" 17 "SHA-3";
    SM3 "sm3" 18 "SM3";
    SM4 "sm4" 19 "SM4";
    ASIMDDP "asimddp" 20 "dot products";
    SHA512 "sha512" 21 "SHA-512";
    ASIMDFHM "asimdfhm" 23 "half to single precision multiply-accumulate (FHM)";
    USCAT "uscat" 25 "unaligned single-copy atomicity (LSE2)";
    ILRCPC "ilrcpc" 26 "load-acquire RCpc with offsets (LRCPC2)";
    FLAGM "flagm" 27 "flag manipulation";
    SSBS "ssbs" 28 "speculative store bypass control";
    SB "sb" 29 "speculation barrier";
    DCPODP "dcpodp" 32 "cleaning of memory to the point of deep persistence (DPB2)";
    FLAGM2 "flagm2" 39 "flag conversion (FlagM2)";
    FRINT "frint" 40 "rounding to 32- and 64-bit integers (FRINTTS)";
    I8MM "i8mm" 45 "8-bit integer matrices";
    BF16 "bf16" 46 "BFloat16";
    RNG "rng" 48 "random numbers";
}

/// All that is translated.
pub const ALL: Set = {
    let (mut all, mut n) = (Set(0), 0);
    while n < FEATURES.len() {
        all = all.with(FEATURES[n].1);
        n += 1;
    }
    all
};

/// No CPU has the second without the first.
const NEEDS: &[(Feature, Feature)] = &[
    (AES, PMULL),
    (SHA1, SHA2),
    (SHA2, SHA1),
    (SHA2, SHA512),
    (SHA512, SHA3),
    (SHA3, SHA512),
    (FPHP, ASIMDHP),
    (ASIMDHP, FPHP),
    (ASIMDHP, ASIMDFHM),
    (LRCPC, ILRCPC),
    (DCPOP, DCPODP),
    (FLAGM, FLAGM2),
];

/// `hidden` and everything that can't be there without it.
pub fn with_dependants(mut hidden: Set) -> Set {
    loop {
        let more = NEEDS.iter().filter(|(f, _)| hidden.has(*f)).fold(hidden, |s, (_, needing)| s.with(*needing));
        if more == hidden {
            return hidden;
        }
        hidden = more;
    }
}
