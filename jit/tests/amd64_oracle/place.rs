//! Registers and memory that an instruction finds.

use crate::case::*;
use crate::codes::Group;
use crate::rng::Rng;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic as M, OpKind, Register};

/// What the parts of [`place`] work on.
struct Placing<'a> {
    r: &'a mut Rng,
    code: &'a mut [u8],
    i: &'a mut Instruction,
    s: &'a mut State,
    memory: &'a mut Memory,
    /// Nothing speaks against the case.
    whole: bool,
}

/// Registers such that the memory operand lies in the window, and branches lead into the page of INT3s.
pub fn place(group: Group, r: &mut Rng, code: &mut [u8], i: &mut Instruction, s: &mut State, memory: &mut Memory) -> Option<()> {
    let align = if group == Group::Splits { 1 } else { r.pick(&[32, 32, 32, 16, 8, 1, 1]) };
    let align = if i.op_code().is_save_restore() && !r.one_in(16) { 64 } else { align };
    let target = match r.below(24) {
        0 => WINDOW + r.below(64),
        1 => WINDOW + WINDOW_BYTES as u64 - 64 + r.below(128),
        // Over the end of a line.
        2 | 3 if align == 1 => WINDOW + 1024 + r.below(32) * 64 + 56 + r.below(8),
        _ => WINDOW + 1024 + r.below(WINDOW_BYTES as u64 - 2048),
    } & !(align - 1);
    s.gpr[4] = WINDOW + 2048 + (r.below(4096) & !7);
    if r.one_in(40) && i.is_stack_instruction() {
        s.gpr[4] = if r.one_in(2) { WINDOW + r.below(16) } else { WINDOW + WINDOW_BYTES as u64 - r.below(16) };
    }
    let mut p = Placing { r, code, i, s, memory, whole: true };
    p.strings(target);
    p.counts()?;
    p.segments();
    if p.has_memory() {
        p.address(target)?;
        if p.i.mnemonic() == M::Xlatb {
            p.s.gpr[3] = target.wrapping_sub(segment(p.i));
        }
        p.operand();
    }
    let at = effective(p.i, p.s);
    p.images();
    p.alike();
    p.branch()?;
    let moved = p.has_memory() && effective(p.i, p.s) != at;
    // A stack that is not at a canonical address is #SS, which Linux makes SIGBUS of; here it is SIGSEGV as anywhere else.
    let lost = p.i.is_stack_instruction() && p.s.gpr[4] >> 32 != 0;
    if !p.whole || moved || lost {
        return None;
    }
    // See `Group::Splits`. (A compare and exchange is always locked where it is translated.)
    let size = i.memory_size().size() as u64;
    let far = matches!(i.mnemonic(), M::Bts | M::Btr | M::Btc);
    let split = |at: u64| if far { at & (size - 1) != 0 } else { at & 63 > 64 - size };
    let locked = i.has_lock_prefix() || matches!(i.mnemonic(), M::Xchg | M::Cmpxchg | M::Cmpxchg8b);
    ((locked && size > 1 && split(at)) == (group == Group::Splits)).then_some(())
}

/// The base of the memory operand's segment.
fn segment(i: &Instruction) -> u64 {
    match i.memory_segment() {
        Register::FS => FS_BASE,
        Register::GS => GS_BASE,
        _ => 0,
    }
}

impl Placing<'_> {
    fn has_memory(&self) -> bool {
        (0..self.i.op_count()).any(|n| self.i.op_kind(n) == OpKind::Memory)
    }

    /// Write memory, as far as it is there.
    fn put(&mut self, at: u64, bytes: &[u8]) -> Option<()> {
        let at = at.checked_sub(WINDOW)? as usize;
        self.memory.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    fn string_operands(&self) -> bool {
        use OpKind::*;
        (0..self.i.op_count()).any(|n| {
            matches!(
                self.i.op_kind(n),
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
        })
    }

    fn strings(&mut self, target: u64) {
        if !self.string_operands() {
            return;
        }
        let (r, s) = (&mut *self.r, &mut *self.s);
        s.gpr[6] = if r.one_in(16) { target } else { WINDOW + 2048 + r.below(4096) };
        s.gpr[7] = if r.one_in(16) { target } else { WINDOW + 2048 + r.below(4096) };
        if r.one_in(4) {
            s.gpr[7] = s.gpr[6].wrapping_add(r.below(40)).wrapping_sub(20);
        }
        s.gpr[1] = r.below(40);
        if r.one_in(8) {
            s.flags &= !0x400;
        }
        // Comparisons that go on for a while.
        let (from, to) = (s.gpr[6].wrapping_sub(WINDOW) as usize, s.gpr[7].wrapping_sub(WINDOW) as usize);
        let room = 512..WINDOW_BYTES - 512;
        if r.one_in(2) && room.contains(&from) && room.contains(&to) {
            match self.i.mnemonic() {
                M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => self.memory.copy_within(from - 320..from + 320, to - 320),
                M::Scasb | M::Scasw | M::Scasd | M::Scasq => {
                    s.gpr[0] = if r.one_in(2) { 0 } else { (r.next() & 0xff) * 0x0101_0101_0101_0101 };
                    self.memory[to - 320..to + 320].fill(s.gpr[0] as u8);
                }
                _ => {}
            }
            self.memory[to + r.below(64) as usize - 32] ^= r.below(3) as u8;
        }
        let seg = segment(self.i);
        s.gpr[6] = s.gpr[6].wrapping_sub(seg);
        if matches!(self.i.mnemonic(), M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu) {
            s.gpr[7] = s.gpr[7].wrapping_sub(seg);
        }
        let narrow = (0..self.i.op_count())
            .any(|n| matches!(self.i.op_kind(n), OpKind::MemorySegESI | OpKind::MemoryESEDI | OpKind::MemorySegEDI));
        if narrow {
            for n in [1, 6, 7] {
                s.gpr[n] = s.gpr[n] as u32 as u64 | r.next() << 32;
            }
        }
    }

    fn counts(&mut self) -> Option<()> {
        let (r, s) = (&mut *self.r, &mut *self.s);
        match self.i.mnemonic() {
            M::Leave | M::Enter => {
                s.gpr[5] = WINDOW + 2048 + (r.below(4096) & !7);
                if self.i.mnemonic() == M::Enter && self.i.immediate16() > 512 {
                    return None;
                }
            }
            M::Loop | M::Loope | M::Loopne => s.gpr[1] = s.gpr[1] & !3 | r.below(4),
            // Mostly quotients that fit.
            M::Div if !r.one_in(3) => s.gpr[2] = r.below(16),
            M::Idiv if !r.one_in(3) => s.gpr[2] = r.below(2).wrapping_neg(),
            M::F2xm1 | M::Fyl2xp1 if !r.one_in(4) => {
                let top = (s.fsw >> 11 & 7) as usize;
                s.x87[top] = r.fraction();
            }
            M::Fscale if !r.one_in(4) => {
                let top = (s.fsw >> 11) as usize;
                let n = r.below(40) as u128;
                s.x87[(top + 1) & 7] = (r.below(2) as u128) << 79 | (0x3ff8 + n / 2) << 64 | 1 << 63 | (r.next() as u128) >> 1;
            }
            _ => {}
        }
        Some(())
    }

    /// What segment registers may get, and bases.
    fn segments(&mut self) {
        let selectors = [0, 0, 1, 2, 3, 0x2b, 0x2b, 0x33, 0x23, 0x10, 0x18, 0xffff, 0x2a, 0x28];
        let (r, s) = (&mut *self.r, &mut *self.s);
        match self.i.mnemonic() {
            M::Mov if self.i.op0_register().is_segment_register() => {
                if let Some(n) = number(self.i.op1_register()) {
                    s.gpr[n] = s.gpr[n] & !0xffff | r.pick(&selectors);
                }
            }
            M::Wrfsbase | M::Wrgsbase => {
                if let (Some(n), true) = (number(self.i.op0_register()), !r.one_in(8)) {
                    s.gpr[n] = ((r.next() >> r.below(40)) as i64 >> 17) as u64;
                }
            }
            M::Pop if self.i.op0_register().is_segment_register() => {
                let v = r.pick(&selectors) | r.next() << 16;
                let at = s.gpr[4];
                self.put(at, &v.to_le_bytes());
            }
            _ => {}
        }
    }

    /// The memory operand's value.
    fn operand(&mut self) {
        let at = effective(self.i, self.s);
        let fresh = [self.r.vector(), self.r.vector()];
        self.put(at, &fresh[0].to_le_bytes());
        self.put(at.wrapping_add(16), &fresh[1].to_le_bytes());
        let selector = self.r.pick(&[0u16, 3, 0x2b, 0x33, 0x10]);
        let size = self.i.memory_size().size() as u64;
        match self.i.mnemonic() {
            // What is expected, or nearly.
            M::Cmpxchg16b | M::Cmpxchg8b if self.r.one_in(2) => {
                let (a, d) = (self.s.gpr[0], self.s.gpr[2]);
                let v = match self.i.mnemonic() {
                    M::Cmpxchg16b => a as u128 | (d as u128) << 64,
                    _ => (a as u32 as u64 | d << 32) as u128,
                };
                self.put(at, &v.to_le_bytes());
            }
            M::Cmpxchg if self.r.one_in(2) => self.s.gpr[0] = self.s.gpr[0] >> 32 << 32 | fresh[0] as u32 as u64,
            M::Mov | M::Lss | M::Lfs | M::Lgs if self.i.op0_register().is_segment_register() => {
                self.put(at, &selector.to_le_bytes());
            }
            M::Lss | M::Lfs | M::Lgs => {
                self.put(at.wrapping_add(size - 2), &selector.to_le_bytes());
            }
            // Exponents that meet.
            _ => {}
        }
        if number(self.i.memory_base()).is_some_and(|n| n != 4 && n != 5) && self.i.memory_base().is_gpr64() && self.r.one_in(100)
        {
            // Not canonical.
            let n = number(self.i.memory_base()).unwrap_or(0);
            self.s.gpr[n] = 1 << 63 | self.r.next() >> 2;
        }
    }

    /// Images of state that an instruction loads.
    fn images(&mut self) {
        let at = if self.has_memory() { effective(self.i, self.s) } else { self.s.gpr[4] };
        let r = &mut *self.r;
        // What is there only in part: model-specific how much a processor does, or how much of it it needs.
        let rest = (WINDOW + WINDOW_BYTES as u64).wrapping_sub(at);
        self.whole &= match self.i.mnemonic() {
            M::Fldenv => !(22..28).contains(&rest),
            M::Pop if self.i.op0_register().is_segment_register() => !(2..8).contains(&rest),
            _ => true,
        };
        match self.i.mnemonic() {
            M::Popf | M::Popfq => {
                // No single steps, and no alignment checks in the test itself.
                let v = r.next() & !0x4_0100;
                self.put(at, &v.to_le_bytes());
            }
            M::Ldmxcsr | M::Vldmxcsr => {
                let v = r.next() as u32 & if r.one_in(8) { u32::MAX } else { 0xffff };
                self.put(at, &v.to_le_bytes());
            }
            M::Fxrstor | M::Fxrstor64 | M::Xrstor | M::Xrstor64 => self.full_image(at),
            M::Fxsave | M::Fxsave64 => {}
            M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 | M::Xsavec | M::Xsavec64 => self.ask_for_components(),
            M::Fldenv | M::Frstor if r.one_in(2) => {
                // Registers in use.
                let tags = r.next() as u16 & r.next() as u16;
                let offset = if matches!(self.i.memory_size().size(), 14 | 94) { 4 } else { 8 };
                self.put(at.wrapping_add(offset), &tags.to_le_bytes());
            }
            _ => {}
        }
    }

    /// Which components: bits that this processor has and the guest's doesn't stay out.
    fn ask_for_components(&mut self) {
        self.s.gpr[0] = self.r.next() & !0x602e0;
    }

    fn full_image(&mut self, at: u64) {
        let r = &mut *self.r;
        // What XRSTOR has loaded before it looks at reserved bits differs.
        let fx = matches!(self.i.mnemonic(), M::Fxrstor | M::Fxrstor64);
        let control = r.next() as u32 & if fx && r.one_in(8) { u32::MAX } else { 0xffff };
        let known = |r: &mut Rng| if r.one_in(16) { 1 << r.pick(&[3, 4, 8, 20, 62]) } else { 0 };
        let (mut present, mut format) = (r.next() & 7 | known(r), 0);
        if r.one_in(2) {
            format = 1 << 63 | present | r.next() & 7 | known(r);
        }
        if r.one_in(32) {
            (present, format) = (r.next(), r.next() & !0x602e0);
        }
        let registers: Vec<u8> = (0..8).flat_map(|_| (r.extended() | (r.next() as u128) << 80).to_le_bytes()).collect();
        let dirty = r.one_in(32);
        let pointers = [r.next() >> 17, r.next() >> 17];
        self.put(at + 24, &control.to_le_bytes());
        for (n, p) in pointers.into_iter().enumerate() {
            self.put(at + 8 + 8 * n as u64, &p.to_le_bytes());
        }
        self.put(at + 32, &registers);
        if matches!(self.i.mnemonic(), M::Xrstor | M::Xrstor64) {
            // How much of it is done that is there only in part differs.
            self.whole = at + 832 <= WINDOW + WINDOW_BYTES as u64;
            self.ask_for_components();
            self.put(at + 512, &[0; 64]);
            self.put(at + 512, &(present & !0x602e0).to_le_bytes());
            self.put(at + 520, &format.to_le_bytes());
            if dirty {
                let n = 528 + self.r.below(48);
                self.put(at + n, &[1]);
            }
        }
    }

    /// Operands that are equal, opposite, or nearly so: where sums cancel and comparisons turn.
    fn alike(&mut self) {
        let (i, r) = (*self.i, &mut *self.r);
        let vectors: Vec<usize> =
            (0..i.op_count()).map(|n| i.op_register(n)).filter(|v| v.is_vector_register()).map(|v| v.number() & 15).collect();
        let fused = format!("{:?}", i.mnemonic());
        if vectors.len() == 3 && (fused.starts_with("Vfm") || fused.starts_with("Vfnm")) && r.one_in(3) {
            cancel(r, self.s, &vectors, fused.as_bytes()[fused.len() - 1] == b'd');
        } else if vectors.len() >= 2 && r.one_in(6) {
            let (a, b) = (vectors[vectors.len() - 1], vectors[vectors.len() - 2]);
            for half in [0, 16] {
                let flip = match r.below(5) {
                    0 => 0,
                    1 => 0x8000_0000_8000_0000_8000_0000_8000_0000,
                    2 => 0x0000_0001_0000_0001_0000_0001_0000_0001,
                    3 => 0x8000_0000_0000_0001_8000_0000_0000_0001,
                    _ => (r.next() & r.next() & r.next()) as u128 | ((r.next() & r.next() & r.next()) as u128) << 64,
                };
                self.s.vec[a + half] = self.s.vec[b + half] ^ flip;
            }
        } else if i.op_count() >= 2 && r.one_in(12) {
            if let (Some(a), Some(b)) = (number(i.op_register(0)), number(i.op_register(1))) {
                if a != 4 && b != 4 && !self.i.is_stack_instruction() && !self.has_memory() {
                    self.s.gpr[a] = self.s.gpr[b].wrapping_add(self.r.below(3)).wrapping_sub(1);
                }
            }
        }
    }
}

/// Lanes of three registers of which one is nearly the product of the other two.
fn cancel(r: &mut Rng, s: &mut State, regs: &[usize], double: bool) {
    let at = r.below(3) as usize;
    let [x, y, z] = [regs[at], regs[(at + 1) % 3], regs[(at + 2) % 3]];
    for half in [0, 16] {
        let mut lanes = [0u128; 3];
        for n in 0..if double { 2 } else { 4 } {
            let off = r.below(5) as i64 - 2;
            let v = if double {
                let a = f64::from_bits(r.next() & (1 << 63) | (1023 + r.below(64) - 32) << 52 | r.next() >> 12);
                let b = f64::from_bits((1023 + r.below(64) - 32) << 52 | r.next() >> 12 >> r.below(53) << r.below(20));
                let c = (a * b).to_bits().wrapping_add(off as u64) ^ r.below(2) << 63;
                [a.to_bits(), b.to_bits(), c].map(|v| (v as u128) << (64 * n))
            } else {
                let a =
                    f32::from_bits(r.next() as u32 & (1 << 31) | (127 + r.below(32) as u32 - 16) << 23 | (r.next() as u32) >> 9);
                let b = f32::from_bits((127 + r.below(32) as u32 - 16) << 23 | (r.next() as u32) >> 9);
                let c = (a * b).to_bits().wrapping_add(off as u32) ^ (r.below(2) as u32) << 31;
                [a.to_bits(), b.to_bits(), c].map(|v| (v as u128) << (32 * n))
            };
            for (lane, v) in lanes.iter_mut().zip(v) {
                *lane |= v;
            }
        }
        for (reg, v) in [x, y, z].into_iter().zip(lanes) {
            s.vec[reg + half] = v;
        }
    }
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
    a.wrapping_add(segment(i))
}

impl Placing<'_> {
    fn address(&mut self, target: u64) -> Option<()> {
        let (r, s, i) = (&mut *self.r, &mut *self.s, &mut *self.i);
        let seg = segment(i);
        let (base, index) = (i.memory_base(), i.memory_index());
        let far = matches!(i.mnemonic(), M::Bt | M::Bts | M::Btr | M::Btc) && i.op1_kind() == OpKind::Register;
        let offset = if far { number(i.op1_register()) } else { None };
        if let Some(n) = offset {
            s.gpr[n] = r.below(2048).wrapping_sub(1024);
        }
        // Where the displacement is in the code.
        if matches!(base, Register::RIP | Register::EIP) || (base == Register::None && index == Register::None) {
            let mut d = Decoder::with_ip(64, self.code, s.pc, DecoderOptions::NONE);
            let _ = d.decode();
            let at = d.get_constant_offsets(i);
            let rel = if base == Register::None { 0 } else { s.pc + self.code.len() as u64 };
            let disp = target.wrapping_sub(seg).wrapping_sub(rel).to_le_bytes();
            let (from, n) = (at.displacement_offset(), at.displacement_size());
            if n < 4 {
                return None;
            }
            self.code[from..from + n].copy_from_slice(&disp[..n]);
            *i = Decoder::with_ip(64, self.code, s.pc, DecoderOptions::NONE).decode();
            return inside(i, s);
        }
        if far && (number(base) == offset || number(index) == offset) {
            return None;
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

    /// Branches lead to INT3s.
    fn branch(&mut self) -> Option<()> {
        let pad = CODE + 0x600 + self.r.below(0x400);
        let (i, s) = (*self.i, &mut *self.s);
        match i.op0_kind() {
            OpKind::NearBranch64 => {
                let mut d = Decoder::with_ip(64, self.code, s.pc, DecoderOptions::NONE);
                let _ = d.decode();
                let offsets = d.get_constant_offsets(&i);
                let at = offsets.immediate_offset();
                if offsets.immediate_size() == 4 {
                    let rel = pad.wrapping_sub(s.pc + self.code.len() as u64) as u32;
                    self.code[at..at + 4].copy_from_slice(&rel.to_le_bytes());
                    *self.i = Decoder::with_ip(64, self.code, s.pc, DecoderOptions::NONE).decode();
                } else if i.near_branch_target().wrapping_sub(s.pc) < self.code.len() as u64 {
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
            M::Ret => {
                let at = s.gpr[4];
                self.put(at, &pad.to_le_bytes());
            }
            M::Jmp | M::Call => match i.op0_kind() {
                OpKind::Register if i.op0_register().is_gpr64() => {
                    let n = number(i.op0_register())?;
                    if n == 4 {
                        return None;
                    }
                    s.gpr[n] = pad;
                }
                OpKind::Memory if i.memory_size() == iced_x86::MemorySize::QwordOffset => {
                    let at = effective(&i, s);
                    self.put(at, &pad.to_le_bytes());
                }
                _ => return None,
            },
            _ => {}
        }
        Some(())
    }
}

/// Whether the memory operand lies in or just beside the window.
fn inside(i: &Instruction, s: &State) -> Option<()> {
    let at = effective(i, s);
    (WINDOW - 64..WINDOW + WINDOW_BYTES as u64 + 64).contains(&at).then_some(())
}
