//! Random instructions, with registers that let them reach the memory that there is.

use crate::case::*;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic as M, OpKind, Register};

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
    /// A number in one of several styles.
    pub fn int(&mut self) -> u64 {
        let bits = self.pick(&[8, 16, 32, 64]);
        let edge = self.pick(&[0u64, u64::MAX, 1 << (bits - 1), (1 << (bits - 1)) - 1]);
        match self.below(5) {
            0 | 1 => self.next(),
            2 => self.below(130).wrapping_sub(2),
            3 => edge.wrapping_add(self.below(3)).wrapping_sub(1),
            _ => self.next() >> self.below(64),
        }
    }
    /// A vector of lanes in one of several styles.
    pub fn vector(&mut self) -> u128 {
        match self.below(4) {
            0 => self.next() as u128 | (self.next() as u128) << 64,
            1 => (0..2).fold(0, |v, _| v << 64 | self.double() as u128),
            2 => (0..4).fold(0, |v, _| v << 32 | self.single() as u128),
            _ => {
                let bits = 8u32 << self.below(4);
                (0..128 / bits).fold(0, |v, n| v | ((self.int() & (u64::MAX >> (64 - bits))) as u128) << (n * bits))
            }
        }
    }
    /// A double: special, ordinary, or any.
    pub fn double(&mut self) -> u64 {
        const SPECIAL: [u64; 16] = [
            0,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x3fef_ffff_ffff_ffff,
            0x4330_0000_0000_0000,
            0x43e0_0000_0000_0000,
            0x41e0_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ffc_1234_5678_9abc,
            0x7ff4_0000_dead_beef,
            0x3fe0_0000_0000_0000,
        ];
        let sign = self.next() & 1 << 63;
        match self.below(4) {
            0 => self.next(),
            1 => sign | self.pick(&SPECIAL),
            2 => sign | (1023 + self.below(80) - 40) << 52 | self.next() >> 12,
            _ => ((self.int() as i32) as f64 * self.pick(&[1.0, 0.5, 0.25, 1e10])).to_bits(),
        }
    }
    /// The same for singles.
    pub fn single(&mut self) -> u32 {
        const SPECIAL: [u32; 15] = [
            0,
            1,
            0x007f_ffff,
            0x0080_0000,
            0x3f80_0000,
            0x3f7f_ffff,
            0x4b00_0000,
            0x5f00_0000,
            0x4f00_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
            0x7f80_0001,
            0x7fe1_2345,
            0x7fa0_beef,
        ];
        let sign = (self.next() as u32) & 1 << 31;
        match self.below(4) {
            0 => self.next() as u32,
            1 => sign | self.pick(&SPECIAL),
            2 => sign | (127 + self.below(40) as u32 - 20) << 23 | (self.next() as u32) >> 9,
            _ => ((self.int() as i16) as f32 * self.pick(&[1.0, 0.5, 0.25, 1e10])).to_bits(),
        }
    }
    /// An x87 number.
    pub fn extended(&mut self) -> u128 {
        let make = |se: u64, m: u64| (se as u128 & 0xffff) << 64 | m as u128;
        let sign = self.below(2) << 15;
        match self.below(6) {
            0 => make(self.next(), self.next()),
            1 => {
                let (e, m) = self.pick(&[
                    (0, 0),
                    (0, 1),
                    (0, 1 << 63),
                    (0, u64::MAX >> 1),
                    (1, 1 << 63),
                    (0x3fff, 1 << 63),
                    (0x3ffe, u64::MAX),
                    (0x7ffe, u64::MAX),
                    (0x7fff, 1 << 63),
                    (0x7fff, 3 << 62),
                    (0x7fff, 1 << 63 | 1),
                    (0x7fff, 3 << 62 | 0x1234),
                    (0x403e, 1 << 63),
                    (0x3fff, 1),
                    (0x7fff, 0),
                    (0x4000, 3 << 62),
                ]);
                make(sign | e, m)
            }
            2 => make(sign | (0x3fff + self.below(140) - 70), 1 << 63 | self.next()),
            3 => make(sign | (0x3fff + self.below(16) - 2), 1 << 63 | self.next() << self.below(64)),
            4 => make(sign | self.below(0x7fff), 1 << 63 | self.next()),
            _ => make(
                sign | (self.pick(&[0x3fff - 1022, 0x3fff + 1023, 0x3fff - 1023 - 52, 0x3fff - 126, 0x3fff + 127, 0x3fff + 63])
                    + self.below(3)
                    - 1),
                1 << 63 | self.next(),
            ),
        }
    }
}

/// What instructions may be of.
fn known_feature(f: CpuidFeature) -> bool {
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
    )
}

/// What a case can't be made of: it leaves the process, looks at the machine, changes what the test stands on, or goes anywhere.
fn unfit(i: &Instruction) -> bool {
    use M::*;
    matches!(
        i.mnemonic(),
        Syscall
            | Sysenter
            | Int
            | Cpuid
            | Rdtsc
            | Rdtscp
            | Rdrand
            | Rdseed
            | Xgetbv
            | Iret
            | Iretd
            | Iretq
            | Retf
            | Popf
            | Popfd
            | Popfq
            | Int3
            | Int1
            | Sysexit
            | Sysexitq
            | Sysret
            | Sysretq
            | Sgdt
            | Sidt
            | Sldt
            | Smsw
            | Str
            | Verr
            | Verw
            | Lar
            | Lsl
            | Lfs
            | Lgs
            | Lss
            | Wait
            | Fxrstor
            | Fxrstor64
            | Fxsave
            | Fxsave64
            | Ldmxcsr
            | Fldenv
            | Frstor
            | Rcpps
            | Rcpss
            | Rsqrtps
            | Rsqrtss
            | Vrcpps
            | Vrcpss
            | Vrsqrtps
            | Vrsqrtss
            | Xbegin
            | Xabort
            | Enqcmd
            | Monitor
            | Mwait
            | Loadall
    ) || (0..i.op_count()).any(|n| {
        matches!(i.op_kind(n), OpKind::FarBranch16 | OpKind::FarBranch32)
            || (i.op_kind(n) == OpKind::Register && i.op_register(n).is_segment_register())
            || (i.op_kind(n) == OpKind::Register && (i.op_register(n).is_cr() || i.op_register(n).is_dr()))
    }) || format!("{:?}", i.code()).ends_with("m1616")
        || format!("{:?}", i.code()).ends_with("m1632")
        || format!("{:?}", i.code()).ends_with("m1664")
        || i.memory_segment() == Register::FS
        || i.segment_prefix() == Register::FS
}

/// Which instructions to draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Of the integer unit.
    Integer,
    /// MMX, SSE, AVX.
    Vector,
    /// x87.
    X87,
}

fn kind_of(i: &Instruction) -> Kind {
    use CpuidFeature::*;
    let f = i.cpuid_features();
    if f.iter().any(|f| matches!(f, FPU | FPU287 | FPU387)) {
        return Kind::X87;
    }
    let vector = f.iter().any(|f| {
        matches!(f, MMX | SSE | SSE2 | SSE3 | SSSE3 | SSE4_1 | SSE4_2 | AVX | AVX2 | FMA | F16C | AES | PCLMULQDQ | SHA)
    });
    let fence = matches!(
        i.mnemonic(),
        M::Sfence | M::Lfence | M::Mfence | M::Movnti | M::Prefetchnta | M::Prefetcht0 | M::Prefetcht1 | M::Prefetcht2 | M::Crc32
    );
    if vector && !fence {
        Kind::Vector
    } else {
        Kind::Integer
    }
}

fn bytes(r: &mut Rng, kind: Kind) -> Vec<u8> {
    let mut b = Vec::with_capacity(16);
    let vex = match kind {
        Kind::Vector => r.one_in(2),
        Kind::Integer => r.one_in(12),
        Kind::X87 => false,
    };
    if r.one_in(24) {
        b.push(0x65);
    }
    if r.one_in(24) {
        b.push(0x67);
    }
    if vex {
        let map = r.below(3) as u8 + 1;
        let inverted = r.next() as u8;
        b.extend([0xc4, inverted & 0xe0 | map, r.next() as u8]);
        b.push(r.next() as u8);
    } else {
        if r.one_in(if kind == Kind::Vector { 2 } else { 6 }) {
            b.push(0x66);
        }
        if kind == Kind::Vector && r.one_in(3) || r.one_in(12) {
            b.push(r.pick(&[0xf2, 0xf3]));
        }
        if kind == Kind::Integer && r.one_in(8) {
            b.push(0xf0);
        }
        if r.one_in(2) {
            b.push(0x40 | r.next() as u8 & 15);
        }
        match kind {
            Kind::X87 => b.push(0xd8 | r.next() as u8 & 7),
            Kind::Integer if !r.one_in(3) => b.push(r.next() as u8),
            _ => {
                b.push(0x0f);
                match r.below(5) {
                    0 => b.extend([0x38, r.next() as u8]),
                    1 => b.extend([0x3a, r.next() as u8]),
                    _ => b.push(r.next() as u8),
                }
            }
        }
    }
    let mut modrm = r.next() as u8;
    if r.one_in(2) {
        modrm |= 0xc0;
    }
    b.push(modrm);
    while b.len() < 15 {
        let v = r.next();
        b.push(if r.one_in(3) { (v & 7) as u8 } else { v as u8 });
    }
    b
}

/// Draw a case whose instruction `wanted` likes.
pub fn draw(r: &mut Rng, kind: Kind, wanted: &dyn Fn(&Instruction) -> bool) -> (Case, Instruction) {
    loop {
        if let Some(case) = attempt(r, kind, wanted) {
            return case;
        }
    }
}

fn attempt(r: &mut Rng, kind: Kind, wanted: &dyn Fn(&Instruction) -> bool) -> Option<(Case, Instruction)> {
    let pc = CODE + 0x400 + r.below(64);
    let mut code = bytes(r, kind);
    let mut i = Decoder::with_ip(64, &code, pc, DecoderOptions::NONE).decode();
    if i.is_invalid() || !i.cpuid_features().iter().all(|f| known_feature(*f)) || unfit(&i) || kind_of(&i) != kind || !wanted(&i)
    {
        return None;
    }
    code.truncate(i.len());
    let mut s = State { pc, ..State::default() };
    s.gpr = std::array::from_fn(|_| r.int());
    s.vec = std::array::from_fn(|_| r.vector());
    if r.one_in(4) {
        let same = r.vector();
        s.vec[r.below(16) as usize] = same;
        s.vec[r.below(16) as usize] = same;
    }
    s.flags = 0x202 | r.next() & 0xcd5;
    if r.one_in(3) {
        s.mxcsr = 0x1f80 | (r.next() as u32 & 0xe07f);
    }
    x87_state(r, &mut s);
    if r.one_in(12) {
        // An exception unmasked.
        s.mxcsr &= !(0x80 << r.below(6));
        s.fcw &= !(1 << r.below(6));
        s.fsw &= !(!s.fcw & 0x3f);
    }
    let mut memory = Box::new([0u8; WINDOW_BYTES]);
    for n in (0..WINDOW_BYTES).step_by(16) {
        memory[n..n + 16].copy_from_slice(&r.vector().to_le_bytes());
    }
    place(r, &mut code, &mut i, &mut s, &mut memory)?;
    Some((Case { pc, code, state: s, memory }, i))
}

fn x87_state(r: &mut Rng, s: &mut State) {
    s.x87 = std::array::from_fn(|_| r.extended());
    s.ftw = if r.one_in(4) { r.next() as u8 } else { 0xff };
    s.fcw = 0x37f & !0xf00 | (r.next() as u16 & 0xf00);
    if r.one_in(2) {
        s.fcw = 0x37f;
    }
    s.fsw = (r.next() as u16) & if r.one_in(2) { 0x7f7f } else { 0x3800 } & !0x80;
    // A pending exception would be raised by the next instruction.
    s.fsw &= !(!s.fcw & 0x3f);
}

/// Registers such that the memory operand lies in the window, and branches lead into the page of INT3s.
fn place(r: &mut Rng, code: &mut [u8], i: &mut Instruction, s: &mut State, memory: &mut Memory) -> Option<()> {
    let align = r.pick(&[32, 32, 32, 16, 8, 1, 1]);
    let target = match r.below(24) {
        0 => WINDOW + r.below(64),
        1 => WINDOW + WINDOW_BYTES as u64 - 64 + r.below(128),
        _ => WINDOW + 1024 + r.below(WINDOW_BYTES as u64 - 2048),
    } & !(align - 1);
    s.gpr[4] = WINDOW + 2048 + (r.below(4096) & !7);
    let strings = (0..i.op_count()).any(|n| {
        use OpKind::*;
        matches!(
            i.op_kind(n),
            MemorySegSI
                | MemorySegESI
                | MemorySegRSI
                | MemoryESDI
                | MemoryESEDI
                | MemoryESRDI
                | MemorySegDI
                | MemorySegEDI
                | MemorySegRDI
        )
    });
    if strings {
        s.gpr[6] = if r.one_in(16) { target } else { WINDOW + 2048 + r.below(4096) };
        s.gpr[7] = if r.one_in(16) { target } else { WINDOW + 2048 + r.below(4096) };
        if r.one_in(4) {
            s.gpr[7] = s.gpr[6].wrapping_add(r.below(40)).wrapping_sub(20);
        }
        s.gpr[1] = r.below(40);
        if i.memory_segment() == Register::GS || i.segment_prefix() == Register::GS {
            s.gpr[6] -= GS_BASE;
            if matches!(i.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu) {
                s.gpr[7] -= GS_BASE;
            }
        }
    }
    if matches!(i.mnemonic(), M::Leave | M::Enter) {
        s.gpr[5] = WINDOW + 2048 + (r.below(4096) & !7);
        if i.mnemonic() == M::Enter && i.immediate16() > 512 {
            return None;
        }
    }
    if matches!(i.mnemonic(), M::Loop | M::Loope | M::Loopne) {
        s.gpr[1] = s.gpr[1] & !3 | r.below(4);
    }
    if (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory) {
        address(r, code, i, s, target)?;
        if i.mnemonic() == M::Xlatb {
            s.gpr[3] = target;
            if i.memory_segment() == Register::GS {
                s.gpr[3] -= GS_BASE;
            }
        }
    }
    branch(r, code, i, s, memory)
}

fn number(r: Register) -> Option<usize> {
    (r != Register::None && r.is_gpr()).then(|| r.full_register() as usize - Register::RAX as usize)
}

/// The value of a register at its width.
fn value(s: &State, r: Register) -> u64 {
    match number(r) {
        Some(n) if r.is_gpr32() => s.gpr[n] as u32 as u64,
        Some(n) => s.gpr[n],
        None => 0,
    }
}

/// Where the memory operand is.
pub fn effective(i: &Instruction, s: &State) -> u64 {
    let narrow = i.memory_base().is_gpr32() || i.memory_index().is_gpr32();
    let mut a = value(s, i.memory_base())
        .wrapping_add(value(s, i.memory_index()).wrapping_mul(i.memory_index_scale() as u64))
        .wrapping_add(i.memory_displacement64());
    if narrow {
        a = a as u32 as u64;
    }
    if i.memory_segment() == Register::GS {
        a = a.wrapping_add(GS_BASE);
    }
    a
}

fn address(r: &mut Rng, code: &mut [u8], i: &mut Instruction, s: &mut State, target: u64) -> Option<()> {
    let seg = if i.memory_segment() == Register::GS { GS_BASE } else { 0 };
    let (base, index) = (i.memory_base(), i.memory_index());
    // Where the displacement is in the code.
    if matches!(base, Register::RIP | Register::EIP) || (base == Register::None && index == Register::None) {
        let mut d = Decoder::with_ip(64, code, s.pc, DecoderOptions::NONE);
        let _ = d.decode();
        let at = d.get_constant_offsets(i);
        if at.displacement_size() != 4 {
            return None;
        }
        let rel = if base == Register::None { 0 } else { s.pc + code.len() as u64 };
        let disp = (target - seg).wrapping_sub(rel) as u32;
        code[at.displacement_offset()..at.displacement_offset() + 4].copy_from_slice(&disp.to_le_bytes());
        *i = Decoder::with_ip(64, code, s.pc, DecoderOptions::NONE).decode();
        return Some(());
    }
    if let Some(n) = number(index) {
        s.gpr[n] = r.below(256).wrapping_sub(64);
        if index.is_gpr32() && r.one_in(2) {
            s.gpr[n] |= r.next() << 32;
        }
    }
    if index.is_vector_register() {
        let n = (index.full_register() as usize - Register::ZMM0 as usize) & 15;
        for half in [n, n + 16] {
            s.vec[half] = match r.below(2) {
                0 => (0..4).fold(0, |v, _| v << 32 | (r.below(64) as u32).wrapping_sub(32) as u128),
                _ => (0..2).fold(0, |v, _| v << 64 | r.below(64).wrapping_sub(32) as u128),
            };
        }
    }
    let far = matches!(i.mnemonic(), M::Bt | M::Bts | M::Btr | M::Btc) && i.op1_kind() == OpKind::Register;
    if far {
        s.gpr[number(i.op1_register())?] = r.below(2048).wrapping_sub(1024);
    }
    if base == Register::None {
        let disp = effective(i, s).wrapping_sub(value(s, index).wrapping_mul(i.memory_index_scale() as u64));
        let want = (target.wrapping_sub(disp)) / i.memory_index_scale() as u64;
        if let Some(n) = number(index) {
            s.gpr[n] = want;
        }
        return inside(i, s);
    }
    let n = number(base)?;
    s.gpr[n] = 0;
    if number(index) == Some(n) {
        let rest = target.wrapping_sub(seg).wrapping_sub(i.memory_displacement64());
        s.gpr[n] = rest / (1 + i.memory_index_scale() as u64);
        return inside(i, s);
    }
    let rest = value(s, index).wrapping_mul(i.memory_index_scale() as u64).wrapping_add(i.memory_displacement64());
    s.gpr[n] = target.wrapping_sub(seg).wrapping_sub(rest);
    if base.is_gpr32() {
        s.gpr[n] = s.gpr[n] as u32 as u64 | r.next() << 32;
    }
    inside(i, s)
}

/// Whether the memory operand lies in or just beside the window.
fn inside(i: &Instruction, s: &State) -> Option<()> {
    let at = effective(i, s);
    (WINDOW - 64..WINDOW + WINDOW_BYTES as u64 + 64).contains(&at).then_some(())
}

/// Branches lead to INT3s.
fn branch(r: &mut Rng, code: &mut [u8], i: &mut Instruction, s: &mut State, memory: &mut Memory) -> Option<()> {
    let pad = CODE + 0x600 + r.below(0x400);
    let mut put = |at: u64, v: u64| {
        let at = at.checked_sub(WINDOW)? as usize;
        memory.get_mut(at..at + 8)?.copy_from_slice(&v.to_le_bytes());
        Some(())
    };
    match i.op0_kind() {
        OpKind::NearBranch64 => {
            let mut d = Decoder::with_ip(64, code, s.pc, DecoderOptions::NONE);
            let _ = d.decode();
            let offsets = d.get_constant_offsets(i);
            let at = offsets.immediate_offset();
            if offsets.immediate_size() == 4 {
                let rel = pad.wrapping_sub(s.pc + code.len() as u64) as u32;
                code[at..at + 4].copy_from_slice(&rel.to_le_bytes());
                *i = Decoder::with_ip(64, code, s.pc, DecoderOptions::NONE).decode();
            } else if (i.near_branch_target().wrapping_sub(s.pc)) < code.len() as u64 {
                // Into itself.
                return None;
            }
            return Some(());
        }
        OpKind::NearBranch16 | OpKind::NearBranch32 => return None,
        _ => {}
    }
    match i.mnemonic() {
        M::Ret if i.stack_pointer_increment() & 7 == 2 => return None,
        M::Ret => put(s.gpr[4], pad)?,
        M::Jmp | M::Call => match i.op0_kind() {
            OpKind::Register if i.op0_register().is_gpr64() => {
                let n = number(i.op0_register())?;
                if n == 4 {
                    return None;
                }
                s.gpr[n] = pad;
            }
            OpKind::Memory if i.memory_size() == iced_x86::MemorySize::QwordOffset => put(effective(i, s), pad)?,
            _ => return None,
        },
        _ => {}
    }
    // 16-bit branch targets.
    (!matches!(i.mnemonic(), M::Call | M::Jmp | M::Ret) || code[0] != 0x66).then_some(())
}
