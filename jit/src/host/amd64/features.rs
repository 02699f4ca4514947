//! What this CPU can do.

/// Options of emission that come from the CPU and the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Features {
    /// AVX (and the OS saves its state).
    pub avx: bool,
    /// AVX2.
    pub avx2: bool,
    /// FMA3.
    pub fma: bool,
    /// F16C.
    pub f16c: bool,
    /// BMI1 and BMI2.
    pub bmi: bool,
    /// LZCNT.
    pub lzcnt: bool,
    /// AES-NI.
    pub aes: bool,
    /// PCLMULQDQ.
    pub pclmul: bool,
    /// SHA-NI.
    pub sha: bool,
    /// GFNI.
    pub gfni: bool,
    /// AVX-512 F, VL, BW, DQ.
    pub avx512: bool,
    /// VNNI: AVX-VNNI, or with AVX-512 its own.
    pub vnni: bool,
}

impl Features {
    /// The x86-64-v2 baseline alone.
    pub const BASELINE: Features = Features {
        avx: false,
        avx2: false,
        fma: false,
        f16c: false,
        bmi: false,
        lzcnt: false,
        aes: false,
        pclmul: false,
        sha: false,
        gfni: false,
        avx512: false,
        vnni: false,
    };

    /// By CPUID, as far as the system has enabled the register state.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Features {
        use std::arch::is_x86_feature_detected as has;
        let avx = has!("avx");
        let avx512 = has!("avx512f") && has!("avx512vl") && has!("avx512bw") && has!("avx512dq");
        Features {
            avx,
            avx2: avx && has!("avx2"),
            fma: avx && has!("fma"),
            f16c: avx && has!("f16c"),
            // These are VEX-encoded: keep them together with AVX.
            bmi: avx && has!("bmi1") && has!("bmi2"),
            lzcnt: has!("lzcnt"),
            aes: has!("aes"),
            pclmul: has!("pclmulqdq"),
            sha: has!("sha"),
            gfni: has!("gfni"),
            avx512,
            vnni: avx && if avx512 { has!("avx512vnni") } else { has!("avxvnni") },
        }
    }
}
