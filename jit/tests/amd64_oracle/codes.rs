//! Which instructions there are, in which part of the oracle each is drawn, and why the others are not.

use iced_x86::{Code, CpuidFeature, EncodingKind, Mnemonic as M, OpCodeOperandKind as K};

/// Parts of the instruction set, each drawn and counted for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// General registers, flags, branches.
    Integer,
    /// String instructions with and without repetition.
    Strings,
    /// Under LOCK, and what is locked without it.
    Locked,
    /// x87.
    X87,
    /// The registers of the x87 as integers.
    Mmx,
    /// SSE to SSE4.2 as they were encoded first.
    Sse,
    /// AVX, AVX2, FMA, F16C.
    Avx,
    /// AES, PCLMULQDQ, SHA in both encodings.
    Crypto,
    /// State as a whole: images, control words, flags, segments, privileged and trapping instructions.
    State,
    /// Any bytes, valid or not, with any prefixes.
    Raw,
    /// Several instructions in a row.
    Sequences,
}

/// CPUID features of an x86-64-v3 processor with what [`jit::guest::amd64::cpuid`] adds.
pub fn known_feature(f: CpuidFeature) -> bool {
    use CpuidFeature::*;
    matches!(
        f,
        INTEL8086
            | INTEL8086_ONLY
            | INTEL186
            | INTEL286
            | INTEL386
            | INTEL486
            | X64
            | CMOV
            | FPU
            | FPU287
            | FPU387
            | MMX
            | SSE
            | SSE2
            | SSE3
            | SSSE3
            | SSE4_1
            | SSE4_2
            | AVX
            | AVX2
            | BMI1
            | BMI2
            | FMA
            | F16C
            | AES
            | PCLMULQDQ
            | SHA
            | ADX
            | MOVBE
            | POPCNT
            | LZCNT
            | CMPXCHG16B
            | CX8
            | CLFSH
            | CLFLUSHOPT
            | CLWB
            | MULTIBYTENOP
            | PAUSE
            | PREFETCHW
            | CET_IBT
            | CPUID
            | FSGSBASE
            | FXSR
            | XSAVE
            | XSAVEC
            | XSAVEOPT
            | RDRAND
            | RDSEED
            | RDTSCP
            | TSC
            | SYSCALL
            | SEP
            | MSR
            | RDPMC
    )
}

/// Instructions that are not compared, by the beginning of their [`Code`]'s name, and why.
pub const NOT_COMPARED: &[(&str, &str)] = &[
    ("Syscall", "a system call of the test's own process; tests/sys runs every one that there is"),
    ("Sysenter", "enters the kernel without a way back"),
    ("Int_imm8", "vector 0x80 is a system call of 32-bit programs; the others are compared by the test of traps"),
    ("Rdtsc", "what it reads differs from time to time"),
    ("Rdrand", "random"),
    ("Rdseed", "random"),
    ("Cpuid", "says what this processor is, not the guest's: see the test of identification"),
    ("Xgetbv", "says what this processor has, not the guest's: see the test of identification"),
    ("Iret", "to segments of the descriptor tables, of which a user program sees those of the kernel only"),
    ("Retf", "as for IRET"),
    ("Jmp_m16", "as for IRET"),
    ("Call_m16", "as for IRET"),
    ("Lar_", "looks at the descriptor tables of the kernel at hand"),
    ("Lsl_", "as for LAR"),
    ("Verr_", "as for LAR"),
    ("Verw_", "as for LAR, and the kernel may use it against attacks"),
    ("Sgdt", "answered by the kernel where UMIP refuses it"),
    ("Sidt", "as for SGDT"),
    ("Sldt", "as for SGDT"),
    ("Smsw", "as for SGDT"),
    ("Str_", "as for SGDT"),
];

/// The cause why `code` is not compared.
pub fn cause(code: Code) -> Option<&'static str> {
    let name = format!("{code:?}");
    NOT_COMPARED.iter().find(|(start, _)| name.starts_with(start)).map(|(_, cause)| *cause)
}

/// Every instruction of 64-bit mode that the guest's processor has.
pub fn all() -> impl Iterator<Item = Code> {
    Code::values().filter(|c| {
        let op = c.op_code();
        // With FWAIT they are two instructions for the decoder.
        op.is_instruction()
            && op.mode64()
            && !op.fwait()
            && op.decoder_option() == 0
            && matches!(op.encoding(), EncodingKind::Legacy | EncodingKind::VEX)
            && c.cpuid_features().iter().all(|&f| known_feature(f))
    })
}

fn is_state(m: M) -> bool {
    use M::*;
    matches!(
        m,
        Pushf
            | Pushfd
            | Pushfq
            | Popf
            | Popfd
            | Popfq
            | Lahf
            | Sahf
            | Ldmxcsr
            | Stmxcsr
            | Vldmxcsr
            | Vstmxcsr
            | Fldenv
            | Fnstenv
            | Fldcw
            | Fnstcw
            | Fnstsw
            | Fnsave
            | Frstor
            | Fnclex
            | Fninit
            | Emms
            | Rdfsbase
            | Rdgsbase
            | Wrfsbase
            | Wrgsbase
            | Fxsave
            | Fxsave64
            | Fxrstor
            | Fxrstor64
            | Xsave
            | Xsave64
            | Xsaveopt
            | Xsaveopt64
            | Xsavec
            | Xsavec64
            | Xrstor
            | Xrstor64
            | Int1
            | Int3
            | Ud0
            | Ud1
            | Ud2
            | Wait
            | Enter
            | Leave
            | Lss
            | Lfs
            | Lgs
    )
}

/// Whether `code` is drawn in `group`.
pub fn belongs(code: Code, group: Group) -> bool {
    use CpuidFeature::*;
    let (op, f) = (code.op_code(), code.cpuid_features());
    let has = |list: &[CpuidFeature]| f.iter().any(|f| list.contains(f));
    let kinds = op.op_kinds();
    let any = |list: &[K]| kinds.iter().any(|k| list.contains(k));
    if op.is_privileged()
        || op.is_save_restore()
        || is_state(code.mnemonic())
        || any(&[K::seg_reg, K::cr_reg, K::dr_reg, K::fs, K::gs])
    {
        return group == Group::State;
    }
    if op.can_use_lock_prefix() || matches!(code.mnemonic(), M::Xchg | M::Mfence | M::Lfence | M::Sfence) {
        return group == Group::Integer || group == Group::Locked;
    }
    let general = matches!(
        code.mnemonic(),
        M::Movnti | M::Prefetchnta | M::Prefetcht0 | M::Prefetcht1 | M::Prefetcht2 | M::Crc32 | M::Pause | M::Monitor | M::Mwait
    );
    let maskmov = matches!(code.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu);
    let of = if !maskmov && any(&[K::seg_rSI, K::es_rDI]) {
        Group::Strings
    } else if has(&[FPU, FPU287, FPU387]) {
        Group::X87
    } else if has(&[AES, PCLMULQDQ, SHA]) {
        Group::Crypto
    } else if any(&[K::mm_reg, K::mm_rm, K::mm_or_mem]) {
        Group::Mmx
    } else if has(&[AVX, AVX2, FMA, F16C]) {
        Group::Avx
    } else if !general && has(&[MMX, SSE, SSE2, SSE3, SSSE3, SSE4_1, SSE4_2]) {
        Group::Sse
    } else {
        Group::Integer
    };
    of == group
}

/// What `group` draws.
pub fn of(group: Group) -> Vec<Code> {
    all()
        .filter(|&c| match group {
            Group::Raw | Group::Sequences => true,
            _ => belongs(c, group),
        })
        .filter(|&c| cause(c).is_none())
        .collect()
}
