//! What this CPU can do.

/// Options of emission that come from the CPU and the user.
#[derive(Clone, Copy, Debug, Default, Hash)]
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

    /// By CPUID, as far as the system has enabled the register state. (Not by the standard library's list, which asks for far more: CPUID can take
    /// a microsecond, and ten in a virtual machine.) Intel SDM volume 2, CPUID; volume 1, 13.2 and 15.2.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Features {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        const YMM: u64 = 0b110;
        const ZMM: u64 = 0b1110_0110;
        let bit = |word: u32, n: u32| word >> n & 1 != 0;
        let (basic, one) = (__cpuid(0).eax, __cpuid(1));
        let (subleaves, b7, c7) = match basic >= 7 {
            true => {
                let r = __cpuid_count(7, 0);
                (r.eax, r.ebx, r.ecx)
            }
            false => (0, 0, 0),
        };
        // SAFETY: OSXSAVE says that there is such an instruction.
        let enabled = if bit(one.ecx, 27) { unsafe { xgetbv() } } else { 0 };
        let avx = bit(one.ecx, 28) && enabled & YMM == YMM;
        let has512 = |n: u32| avx && enabled & ZMM == ZMM && bit(b7, n);
        let avx512 = has512(16) && has512(17) && has512(30) && has512(31);
        Features {
            avx,
            avx2: avx && bit(b7, 5),
            fma: avx && bit(one.ecx, 12),
            f16c: avx && bit(one.ecx, 29),
            // These are VEX-encoded: keep them together with AVX.
            bmi: avx && bit(b7, 3) && bit(b7, 8),
            lzcnt: bit(__cpuid(0x8000_0001).ecx, 5),
            aes: bit(one.ecx, 25),
            pclmul: bit(one.ecx, 1),
            sha: bit(b7, 29),
            gfni: bit(c7, 8),
            avx512,
            vnni: avx && if avx512 { bit(c7, 11) } else { subleaves >= 1 && bit(__cpuid_count(7, 1).eax, 4) },
        }
    }
}

/// XCR0: the register state that the system has enabled.
///
/// # Safety
/// CPUID must have said OSXSAVE.
#[cfg(target_arch = "x86_64")]
unsafe fn xgetbv() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: by the contract; it reads a register.
    unsafe { std::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::Features;

    #[test]
    fn the_standard_library_sees_the_same() {
        use std::arch::is_x86_feature_detected as has;
        let f = Features::detect();
        let ours = [f.avx, f.avx2, f.fma, f.f16c, f.lzcnt, f.aes, f.pclmul, f.sha, f.gfni];
        let std = [
            has!("avx"),
            has!("avx2"),
            has!("fma"),
            has!("f16c"),
            has!("lzcnt"),
            has!("aes"),
            has!("pclmulqdq"),
            has!("sha"),
            has!("gfni"),
        ];
        assert_eq!(ours, std);
        assert_eq!(f.bmi, has!("avx") && has!("bmi1") && has!("bmi2"));
        assert_eq!(f.avx512, has!("avx512f") && has!("avx512vl") && has!("avx512bw") && has!("avx512dq"));
        assert_eq!(f.vnni, if f.avx512 { has!("avx512vnni") } else { has!("avxvnni") });
    }
}
