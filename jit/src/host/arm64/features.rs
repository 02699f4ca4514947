//! What this CPU can do.

/// Optional features that emission uses. The baseline is Armv8.0 with Advanced SIMD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features {
    /// FEAT_LSE: atomics in one instruction.
    pub lse: bool,
    /// FEAT_LSE2: ordered and atomic accesses may be misaligned within 16 bytes.
    pub lse2: bool,
    /// FEAT_LRCPC: LDAPR.
    pub rcpc: bool,
    /// FEAT_LRCPC2: LDAPUR and STLUR.
    pub rcpc2: bool,
    /// FEAT_CRC32.
    pub crc: bool,
    /// FEAT_AES, FEAT_SHA1 and FEAT_SHA256 together.
    pub crypto: bool,
    /// FEAT_PMULL.
    pub pmull: bool,
    /// FEAT_SHA512.
    pub sha512: bool,
    /// FEAT_SHA3.
    pub sha3: bool,
    /// FEAT_SM3 and FEAT_SM4.
    pub sm: bool,
    /// FEAT_RDM.
    pub rdm: bool,
    /// FEAT_DotProd.
    pub dotprod: bool,
    /// FEAT_I8MM.
    pub i8mm: bool,
    /// FEAT_BF16.
    pub bf16: bool,
    /// FEAT_FP16.
    pub fp16: bool,
    /// FEAT_FHM.
    pub fhm: bool,
    /// FEAT_JSCVT.
    pub jscvt: bool,
    /// FEAT_FRINTTS.
    pub frint: bool,
    /// FEAT_FlagM.
    pub flagm: bool,
    /// FEAT_FlagM2.
    pub flagm2: bool,
    /// FEAT_AFP.
    pub afp: bool,
    /// The hardware keeps x86's memory order (Linux: `PR_SET_MEM_MODEL`, or the user doesn't want it kept): `tso` accesses are plain.
    pub tso: bool,
}

impl Features {
    /// Armv8.0 alone.
    pub const BASELINE: Features = Features {
        lse: false,
        lse2: false,
        rcpc: false,
        rcpc2: false,
        crc: false,
        crypto: false,
        pmull: false,
        sha512: false,
        sha3: false,
        sm: false,
        rdm: false,
        dotprod: false,
        i8mm: false,
        bf16: false,
        fp16: false,
        fhm: false,
        jscvt: false,
        frint: false,
        flagm: false,
        flagm2: false,
        afp: false,
        tso: false,
    };

    /// From Linux' AT_HWCAP and AT_HWCAP2.
    pub fn from_hwcaps(cap: u64, cap2: u64) -> Features {
        let (one, two) = (|n: u32| cap >> n & 1 != 0, |n: u32| cap2 >> n & 1 != 0);
        Features {
            lse: one(8),
            lse2: one(25),
            rcpc: one(15),
            rcpc2: one(26),
            crc: one(7),
            crypto: one(3) && one(5) && one(6),
            pmull: one(4),
            sha512: one(21),
            sha3: one(17),
            sm: one(18) && one(19),
            rdm: one(12),
            dotprod: one(20),
            i8mm: two(13),
            bf16: two(14),
            fp16: one(9) && one(10),
            fhm: one(23),
            jscvt: one(13),
            frint: two(8),
            flagm: one(27),
            flagm2: two(7),
            afp: two(20),
            tso: false,
        }
    }

    /// What the kernel says of this CPU.
    #[cfg(target_arch = "aarch64")]
    pub fn detect() -> Features {
        // SAFETY: reads the auxiliary vector.
        let [cap, cap2] = [libc::AT_HWCAP, libc::AT_HWCAP2].map(|n| unsafe { libc::getauxval(n) });
        Features::from_hwcaps(cap, cap2)
    }
}
