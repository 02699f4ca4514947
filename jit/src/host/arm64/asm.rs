//! The A64 encoder: instructions are words, so a form is an opcode word with register fields to fill. Named opcodes are in [`op`] (general)
//! and [`v`] (vectors). Also the block's constant pool.

use crate::cpu::Cpu;

/// Registers with a fixed use.
pub mod r {
    #![allow(missing_docs)]
    /// Scratch of the emitter; x16 is also the target of an indirect branch on its way to a stub.
    pub const S0: u8 = 16;
    pub const S1: u8 = 17;
    /// Scratch, and the link register.
    pub const LR: u8 = 30;
    /// The state.
    pub const CPU: u8 = 28;
    pub const SP: u8 = 31;
    pub const ZR: u8 = 31;
}

/// Opcodes of general instructions, in their 32-bit form where bit 31 says the width.
#[allow(missing_docs)]
pub mod op {
    // Shifted registers.
    pub const ADD: u32 = 0x0b00_0000;
    pub const ADDS: u32 = 0x2b00_0000;
    pub const SUB: u32 = 0x4b00_0000;
    pub const SUBS: u32 = 0x6b00_0000;
    pub const AND: u32 = 0x0a00_0000;
    pub const BIC: u32 = 0x0a20_0000;
    pub const ORR: u32 = 0x2a00_0000;
    pub const ORN: u32 = 0x2a20_0000;
    pub const EOR: u32 = 0x4a00_0000;
    pub const EON: u32 = 0x4a20_0000;
    pub const ANDS: u32 = 0x6a00_0000;
    pub const BICS: u32 = 0x6a20_0000;
    // Two and three registers.
    pub const ADC: u32 = 0x1a00_0000;
    pub const ADCS: u32 = 0x3a00_0000;
    pub const SBC: u32 = 0x5a00_0000;
    pub const SBCS: u32 = 0x7a00_0000;
    pub const UDIV: u32 = 0x1ac0_0800;
    pub const SDIV: u32 = 0x1ac0_0c00;
    pub const LSLV: u32 = 0x1ac0_2000;
    pub const LSRV: u32 = 0x1ac0_2400;
    pub const ASRV: u32 = 0x1ac0_2800;
    pub const RORV: u32 = 0x1ac0_2c00;
    pub const CRC32: u32 = 0x1ac0_4000;
    pub const CRC32C: u32 = 0x1ac0_5000;
    pub const MADD: u32 = 0x1b00_0000;
    pub const MUL: u32 = 0x1b00_7c00;
    pub const SMULH: u32 = 0x9b40_7c00;
    pub const UMULH: u32 = 0x9bc0_7c00;
    // One register.
    pub const RBIT: u32 = 0x5ac0_0000;
    pub const REV16: u32 = 0x5ac0_0400;
    pub const REV32: u32 = 0x5ac0_0800;
    pub const REV64: u32 = 0xdac0_0c00;
    pub const CLZ: u32 = 0x5ac0_1000;
    pub const CLS: u32 = 0x5ac0_1400;
    // Immediates.
    pub const SBFM: u32 = 0x1300_0000;
    pub const BFM: u32 = 0x3300_0000;
    pub const UBFM: u32 = 0x5300_0000;
    pub const EXTR: u32 = 0x1380_0000;
    pub const MOVN: u32 = 0x1280_0000;
    pub const MOVZ: u32 = 0x5280_0000;
    pub const MOVK: u32 = 0x7280_0000;
    pub const ADDI: u32 = 0x1100_0000;
    pub const ADDSI: u32 = 0x3100_0000;
    pub const SUBI: u32 = 0x5100_0000;
    pub const SUBSI: u32 = 0x7100_0000;
    pub const ANDI: u32 = 0x1200_0000;
    pub const ORRI: u32 = 0x3200_0000;
    pub const EORI: u32 = 0x5200_0000;
    pub const ANDSI: u32 = 0x7200_0000;
    // Conditions.
    pub const CSEL: u32 = 0x1a80_0000;
    pub const CSINC: u32 = 0x1a80_0400;
    pub const CSINV: u32 = 0x5a80_0000;
    pub const CCMN: u32 = 0x3a40_0000;
    pub const CCMP: u32 = 0x7a40_0000;
    pub const CCMP_IMM: u32 = 1 << 11;
    pub const CFINV: u32 = 0xd500_401f;
    // System registers, to and from.
    pub const MRS_NZCV: u32 = 0xd53b_4200;
    pub const MSR_NZCV: u32 = 0xd51b_4200;
    pub const MRS_FPCR: u32 = 0xd53b_4400;
    pub const MSR_FPCR: u32 = 0xd51b_4400;
    pub const MRS_FPSR: u32 = 0xd53b_4420;
    pub const MSR_FPSR: u32 = 0xd51b_4420;
    pub const DMB_ISH: u32 = 0xd503_3bbf;
    pub const DMB_ISHLD: u32 = 0xd503_39bf;
    pub const DMB_ISHST: u32 = 0xd503_3abf;
    // Branches.
    pub const B: u32 = 0x1400_0000;
    pub const BL: u32 = 0x9400_0000;
    pub const BR: u32 = 0xd61f_0000;
    pub const BLR: u32 = 0xd63f_0000;
    pub const RET: u32 = 0xd65f_0000;
    pub const BCOND: u32 = 0x5400_0000;
    pub const CBZ: u32 = 0x3400_0000;
    pub const CBNZ: u32 = 0x3500_0000;
    pub const TBZ: u32 = 0x3600_0000;
    pub const TBNZ: u32 = 0x3700_0000;
    pub const ADR: u32 = 0x1000_0000;
    // Memory: sizes in bits 31..30.
    pub const LDAR: u32 = 0x08df_fc00;
    pub const STLR: u32 = 0x089f_fc00;
    pub const LDAPR: u32 = 0x38bf_c000;
    pub const LDAPUR: u32 = 0x1940_0000;
    pub const STLUR: u32 = 0x1900_0000;
    pub const LDAXR: u32 = 0x085f_fc00;
    pub const STLXR: u32 = 0x0800_fc00;
    pub const LDAXP: u32 = 0xc87f_8000;
    pub const STLXP: u32 = 0xc820_8000;
    pub const LDADDAL: u32 = 0x38e0_0000;
    pub const SWPAL: u32 = 0x38e0_8000;
    pub const CASAL: u32 = 0x08e0_fc00;
    pub const CASPAL: u32 = 0x4860_fc00;
    pub const LDP: u32 = 0xa940_0000;
    pub const STP: u32 = 0xa900_0000;
    pub const LDP_POST: u32 = 0xa8c0_0000;
    pub const STP_PRE: u32 = 0xa980_0000;
    pub const LDPQ: u32 = 0xad40_0000;
    pub const STPQ: u32 = 0xad00_0000;
    pub const LDRQ_LIT: u32 = 0x9c00_0000;
    pub const LDRX_LIT: u32 = 0x5800_0000;
}

/// Where a branch or a reference to the pool is, to be bound later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Near(pub u32);

/// What a memory instruction moves: the V bit, the size field, and opc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Bits 31..30, 26 and 23..22.
    pub bits: u32,
    /// log2 of the bytes.
    pub log2: u8,
}

impl Access {
    /// Integer store.
    pub const fn store(log2: u8) -> Access {
        Access { bits: (log2 as u32) << 30, log2 }
    }
    /// Integer load, zero-extended.
    pub const fn load(log2: u8) -> Access {
        Access { bits: (log2 as u32) << 30 | 1 << 22, log2 }
    }
    /// Integer load, sign-extended to 64 or 32 bits.
    pub const fn load_signed(log2: u8, w: bool) -> Access {
        Access { bits: (log2 as u32) << 30 | (if w { 2 } else { 3 }) << 22, log2 }
    }
    /// Vector store.
    pub const fn vstore(log2: u8) -> Access {
        Access { bits: (log2 as u32 & 3) << 30 | 1 << 26 | (log2 as u32 >> 2) << 23, log2 }
    }
    /// Vector load.
    pub const fn vload(log2: u8) -> Access {
        Access { bits: (log2 as u32 & 3) << 30 | 1 << 26 | (log2 as u32 >> 2) << 23 | 1 << 22, log2 }
    }
}

/// A memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addr {
    /// Base and a displacement that some form of the instruction has.
    Disp(u8, i32),
    /// Base and index, whether scaled by the access size.
    Index(u8, u8, bool),
}

/// The code of one block.
#[derive(Debug, Default)]
pub struct Asm {
    /// So far.
    pub code: Vec<u8>,
    pool: Vec<u128>,
    /// An entry of the pool whose upper half is free.
    half: Option<u16>,
    /// References to the pool, by offsets.
    fixes: Vec<(Near, u32)>,
    /// A branch could not reach: the block must be cut.
    pub far: bool,
}

/// The immediate of a logical instruction (N, immr, imms in place) for `c`, if it has one.
pub fn bitmask(w: bool, c: u64) -> Option<u32> {
    let c = if w { c } else { c & 0xffff_ffff | c << 32 };
    if c == 0 || c == u64::MAX {
        return None;
    }
    let mut size = 64;
    while size > 2 && c.rotate_right(size / 2) == c {
        size /= 2;
    }
    let mask = u64::MAX >> (64 - size);
    let element = c & mask;
    let ones = element.count_ones();
    let run = |n: u32| u64::MAX.checked_shr(64 - n).unwrap_or(0);
    let low = element.trailing_zeros();
    let start = if element >> low == run(ones) {
        low
    } else {
        let holes = !element & mask;
        let low = holes.trailing_zeros();
        if holes >> low != run(size - ones) {
            return None;
        }
        low + size - ones
    };
    let (immr, imms) = ((size - start) % size, 0x3f & !(2 * size - 1) | (ones - 1));
    Some(((size == 64) as u32) << 22 | immr << 16 | imms << 10)
}

/// The immediate of add and sub (12 bits, perhaps shifted by 12), in place.
pub fn arith_imm(c: u64) -> Option<u32> {
    match c {
        0..=0xfff => Some((c as u32) << 10),
        c if c & 0xfff == 0 && c <= 0xfff_000 => Some((c as u32 >> 12) << 10 | 1 << 22),
        _ => None,
    }
}

/// `word`, a branch or a reference at `at`, made to lead to `to`; `None` if it can't reach.
pub fn retarget(word: u32, at: u32, to: u32) -> Option<u32> {
    let d = (to.wrapping_sub(at) as i32) >> 2;
    let field = |bits: u32, shift: u32| {
        let mask = (1u32 << bits) - 1;
        (d << (32 - bits) >> (32 - bits) == d).then_some(word & !(mask << shift) | (d as u32 & mask) << shift)
    };
    if word & 0x7c00_0000 == op::B {
        field(26, 0)
    } else if word & 0x7e00_0000 == op::TBZ {
        field(14, 5)
    } else {
        field(19, 5)
    }
}

impl Asm {
    /// Start a block in a reused buffer.
    pub fn begin(&mut self, mut code: Vec<u8>) {
        code.clear();
        self.code = code;
        self.pool.clear();
        self.half = None;
        self.fixes.clear();
        self.far = false;
    }
    /// Offset of the next instruction.
    #[inline]
    pub fn pos(&self) -> u32 {
        self.code.len() as u32
    }
    /// One instruction (or word of data).
    #[inline]
    pub fn w(&mut self, word: u32) {
        self.code.extend_from_slice(&word.to_le_bytes());
    }
    fn word_at(&self, at: u32) -> u32 {
        let b = &self.code[at as usize..at as usize + 4];
        u32::from_le_bytes([b[0], b[1], b[2], b[3]])
    }

    // --- labels ------------------------------------------------------------------------------------
    /// An instruction to be [`bind`](Asm::bind)ed.
    pub fn branch(&mut self, word: u32) -> Near {
        let at = Near(self.pos());
        self.w(word);
        at
    }
    /// Let it lead here.
    pub fn bind(&mut self, n: Near) {
        self.patch(n, self.pos());
    }
    /// Let it lead to `target`.
    pub fn patch(&mut self, n: Near, target: u32) {
        match retarget(self.word_at(n.0), n.0, target) {
            Some(word) => self.code[n.0 as usize..n.0 as usize + 4].copy_from_slice(&word.to_le_bytes()),
            None => self.far = true,
        }
    }
    /// A branch back to `target`.
    pub fn back(&mut self, word: u32, target: u32) {
        let n = self.branch(word);
        self.patch(n, target);
    }
    /// The word of `tbz` or `tbnz` on bit `n` of a register.
    pub fn tb(op: u32, reg: u8, n: u8) -> u32 {
        op | (n as u32 >> 5) << 31 | (n as u32 & 31) << 19 | reg as u32
    }

    // --- constant pool -----------------------------------------------------------------------------
    /// Index of a 16-byte constant.
    pub fn pool_index(&mut self, c: u128) -> u16 {
        if let Some(i) = self.pool.iter().position(|&p| p == c) {
            if self.half == Some(i as u16) {
                self.half = None;
            }
            return i as u16;
        }
        self.pool.push(c);
        (self.pool.len() - 1) as u16
    }
    /// Offset in the pool of an 8-byte constant.
    fn pool_word(&mut self, c: u64) -> u32 {
        let halves = |p: u128| [p as u64, (p >> 64) as u64];
        let held = |(n, &p): (usize, &u128)| halves(p).iter().position(|&h| h == c).map(|k| 16 * n + 8 * k);
        if let Some(at) = self.pool.iter().enumerate().find_map(held) {
            return at as u32;
        }
        if let Some(n) = self.half.take() {
            self.pool[n as usize] |= (c as u128) << 64;
            return 16 * n as u32 + 8;
        }
        self.pool.push(c as u128);
        self.half = Some((self.pool.len() - 1) as u16);
        16 * (self.pool.len() as u32 - 1)
    }
    /// What the constant is.
    pub fn pool_value(&self, index: u16) -> u128 {
        self.pool[index as usize]
    }
    /// Address of a constant into a general register.
    pub fn pool_adr(&mut self, d: u8, c: u128) {
        let index = self.pool_index(c);
        let at = self.branch(op::ADR | d as u32);
        self.fixes.push((at, 16 * index as u32));
    }
    /// Append the pool and fix the references to it.
    pub fn finish_pool(&mut self) {
        if self.pool.is_empty() {
            return;
        }
        while self.code.len() & 15 != 0 {
            self.w(0);
        }
        let base = self.pos();
        for c in &self.pool {
            self.code.extend_from_slice(&c.to_le_bytes());
        }
        for (at, offset) in std::mem::take(&mut self.fixes) {
            // ADR counts bytes, in a field whose upper part counts words.
            self.patch(at, base + offset);
        }
    }

    // --- general -----------------------------------------------------------------------------------
    /// `d = a op b`.
    #[inline]
    pub fn rrr(&mut self, op: u32, w: bool, d: u8, a: u8, b: u8) {
        self.w(op | (w as u32) << 31 | (b as u32) << 16 | (a as u32) << 5 | d as u32);
    }
    /// `d = a op (b << n)`: 0 lsl, 1 lsr, 2 asr, 3 ror.
    pub fn rrr_shift(&mut self, op: u32, w: bool, d: u8, a: u8, b: u8, (kind, n): (u32, u8)) {
        self.rrr(op | kind << 22 | (n as u32) << 10, w, d, a, b);
    }
    /// `d = op a`.
    #[inline]
    pub fn rr(&mut self, op: u32, w: bool, d: u8, a: u8) {
        self.w(op | (w as u32) << 31 | (a as u32) << 5 | d as u32);
    }
    /// Register to register (not the stack pointer).
    #[inline]
    pub fn mov(&mut self, w: bool, d: u8, s: u8) {
        if d != s || !w {
            self.rrr(op::ORR, w, d, r::ZR, s);
        }
    }
    /// Add or subtract a 12-bit constant (either may be the stack pointer).
    pub fn add_imm(&mut self, d: u8, a: u8, c: i32) {
        let op = if c < 0 { op::SUBI } else { op::ADDI };
        self.rr(op | c.unsigned_abs() << 10, true, d, a);
    }
    /// A bit field operation.
    pub fn bfm(&mut self, op: u32, w: bool, d: u8, a: u8, immr: u8, imms: u8) {
        self.rr(op | (w as u32) << 22 | (immr as u32) << 16 | (imms as u32) << 10, w, d, a);
    }
    /// Shift left by a constant.
    pub fn lsl(&mut self, w: bool, d: u8, a: u8, n: u8) {
        let top = if w { 63 } else { 31 };
        self.bfm(op::UBFM, w, d, a, (top + 1 - n) & top, top - n);
    }
    /// Shift right by a constant.
    pub fn lsr(&mut self, w: bool, d: u8, a: u8, n: u8) {
        self.bfm(op::UBFM, w, d, a, n, if w { 63 } else { 31 });
    }
    /// The field of `len` bits at `pos`, zero-extended.
    pub fn ubfx(&mut self, w: bool, d: u8, a: u8, pos: u8, len: u8) {
        self.bfm(op::UBFM, w, d, a, pos, pos + len - 1);
    }
    /// A constant. Leaves the flags alone.
    pub fn mov_imm(&mut self, d: u8, c: u64) {
        let w = c >> 32 != 0;
        let parts = if w { 4 } else { 2 };
        let part = |n: u32| (c >> (16 * n)) as u32 & 0xffff;
        let count = |v: u32| (0..parts).filter(|&n| part(n) == v).count();
        let inverted = count(0xffff) > count(0);
        if count(if inverted { 0xffff } else { 0 }) + 1 < parts as usize {
            if let Some(imm) = bitmask(w, c) {
                return self.rr(op::ORRI | imm, w, d, r::ZR);
            }
        }
        let (skip, flip) = if inverted { (0xffff, 0xffff) } else { (0, 0) };
        let first = (0..parts).find(|&n| part(n) != skip).unwrap_or(0);
        let op = if inverted { op::MOVN } else { op::MOVZ };
        self.wide(op, w, d, first, part(first) ^ flip);
        for n in first + 1..parts {
            if part(n) != skip {
                self.wide(op::MOVK, w, d, n, part(n));
            }
        }
    }
    /// A constant, perhaps from the pool.
    pub fn mov_const(&mut self, d: u8, c: u64) {
        // Addresses have three parts: one load against three instructions.
        let parts = |skip: u64| (0..4).filter(|n| c >> (16 * n) & 0xffff != skip).count();
        if parts(0).min(parts(0xffff)) < 3 || bitmask(true, c).is_some() {
            return self.mov_imm(d, c);
        }
        let offset = self.pool_word(c);
        let at = self.branch(op::LDRX_LIT | d as u32);
        self.fixes.push((at, offset));
    }
    fn wide(&mut self, op: u32, w: bool, d: u8, n: u32, part: u32) {
        self.rr(op | n << 21 | part << 5, w, d, 0);
    }
    /// `d = if cc then a else b` and its relatives.
    pub fn csel(&mut self, op: u32, w: bool, d: u8, a: u8, b: u8, cc: u8) {
        self.rrr(op | (cc as u32) << 12, w, d, a, b);
    }
    /// `d = if cc then 1 else 0`.
    pub fn cset(&mut self, d: u8, cc: u8) {
        self.csel(op::CSINC, false, d, r::ZR, r::ZR, cc ^ 1);
    }

    // --- memory ------------------------------------------------------------------------------------
    /// Whether `disp` fits in some form of the instruction.
    pub fn disp_fits(log2: u8, disp: i64) -> bool {
        let scaled = disp >= 0 && disp >> log2 < 4096 && disp & ((1 << log2) - 1) == 0;
        scaled || (-256..256).contains(&disp)
    }
    /// Load or store.
    #[inline]
    pub fn mem(&mut self, access: Access, t: u8, a: Addr) {
        let word = match a {
            Addr::Disp(base, disp) => {
                let low = (1 << access.log2) - 1;
                let place = if disp >= 0 && disp & low == 0 && disp >> access.log2 < 4096 {
                    0x3900_0000 | (disp as u32 >> access.log2) << 10
                } else {
                    0x3800_0000 | (disp as u32 & 0x1ff) << 12
                };
                place | (base as u32) << 5
            }
            Addr::Index(base, index, scaled) => 0x3820_6800 | (scaled as u32) << 12 | (index as u32) << 16 | (base as u32) << 5,
        };
        self.w(word | access.bits | t as u32);
    }
    /// Load a field of the state.
    pub fn load_cpu(&mut self, log2: u8, t: u8, offset: usize) {
        self.mem(Access::load(log2), t, Addr::Disp(r::CPU, offset as i32));
    }
    /// Store to a field of the state.
    pub fn store_cpu(&mut self, log2: u8, t: u8, offset: usize) {
        self.mem(Access::store(log2), t, Addr::Disp(r::CPU, offset as i32));
    }
    /// Two registers of 64 bits at once; `disp` is a multiple of 8 (16 for vectors).
    pub fn pair(&mut self, op: u32, t: u8, t2: u8, base: u8, disp: i32) {
        let scale = if op & 1 << 26 != 0 { 2 + (op >> 30) } else { 3 };
        self.w(op | (disp as u32 >> scale & 0x7f) << 15 | (t2 as u32) << 10 | (base as u32) << 5 | t as u32);
    }
    /// An instruction that takes an address register only.
    pub fn at(&mut self, op: u32, log2: u8, t: u8, base: u8) {
        self.w(op | (log2 as u32) << 30 | (base as u32) << 5 | t as u32);
    }
    /// The same with a second register in bits 20..16.
    pub fn at2(&mut self, op: u32, log2: u8, s: u8, t: u8, base: u8) {
        self.at(op | (s as u32) << 16, log2, t, base);
    }

    // --- vectors -----------------------------------------------------------------------------------
    /// `d = a op b`.
    #[inline]
    pub fn v3(&mut self, op: u32, d: u8, a: u8, b: u8) {
        self.w(op | (b as u32) << 16 | (a as u32) << 5 | d as u32);
    }
    /// `d = op a`.
    #[inline]
    pub fn v2(&mut self, op: u32, d: u8, a: u8) {
        self.w(op | (a as u32) << 5 | d as u32);
    }
    /// Register to register, whole.
    pub fn vmov(&mut self, d: u8, s: u8) {
        if d != s {
            self.v3(0x4ea0_1c00, d, s, s);
        }
    }
    /// A vector constant, without memory where one instruction can make it.
    pub fn vconst(&mut self, d: u8, c: u128) {
        let (low, high) = (c as u64, (c >> 64) as u64);
        let q = match (high == low, high) {
            (true, _) => 1 << 30,
            (_, 0) => 0,
            _ => return self.vconst_load(d, c),
        };
        match modified_imm(low) {
            // A 64-bit pattern of all-or-nothing bytes has no form for the low half alone but that of a D register.
            Some(imm) => self.w(imm | q | d as u32),
            None => self.vconst_load(d, c),
        }
    }
    fn vconst_load(&mut self, d: u8, c: u128) {
        let index = self.pool_index(c);
        let at = self.branch(op::LDRQ_LIT | d as u32);
        self.fixes.push((at, 16 * index as u32));
    }
    /// A field of the state as a vector.
    pub fn vload_cpu(&mut self, d: u8, offset: usize) {
        self.mem(Access::vload(4), d, Addr::Disp(r::CPU, offset as i32));
    }
    /// The other way.
    pub fn vstore_cpu(&mut self, s: u8, offset: usize) {
        self.mem(Access::vstore(4), s, Addr::Disp(r::CPU, offset as i32));
    }
}

/// The `movi`/`mvni` that repeats the 64 bits of `c` (without Q and the register), if there is one.
fn modified_imm(c: u64) -> Option<u32> {
    let word =
        |op: u32, cmode: u32, b: u64| Some(0x0f00_0400 | op << 29 | (b as u32 >> 5) << 16 | cmode << 12 | (b as u32 & 31) << 5);
    let (byte, half, single) = (c & 0xff, c & 0xffff, c & 0xffff_ffff);
    if c == byte * 0x0101_0101_0101_0101 {
        return word(0, 0b1110, byte);
    }
    if c == half * 0x0001_0001_0001_0001 {
        for (op, h) in [(0, half), (1, half ^ 0xffff)] {
            if h & 0xff00 == 0 {
                return word(op, 0b1000, h);
            }
            if h & 0xff == 0 {
                return word(op, 0b1010, h >> 8);
            }
        }
    }
    if c == single | single << 32 {
        for (op, s) in [(0, single), (1, single ^ 0xffff_ffff)] {
            for n in 0..4 {
                if s & !(0xff << (8 * n)) == 0 {
                    return word(op, 2 * n, s >> (8 * n));
                }
            }
            if s & !0xff00 == 0xff {
                return word(op, 0b1100, s >> 8);
            }
            if s & !0xff_0000 == 0xffff {
                return word(op, 0b1101, s >> 16);
            }
        }
    }
    let bytes = c.to_le_bytes();
    if bytes.iter().all(|b| matches!(b, 0 | 0xff)) {
        let bits = (0..8).fold(0, |v, n| v | (bytes[n] as u64 & 1) << n);
        return word(1, 0b1110, bits);
    }
    None
}

/// Byte offset of a field of the state.
macro_rules! field {
    ($field:ident) => {
        core::mem::offset_of!($crate::cpu::Cpu, $field)
    };
}
pub(super) use field;

/// Every slot is in reach of the scaled forms.
const _: () = assert!(size_of::<Cpu>() < 4096 * 8);
const _: () = assert!(field!(call_result) % 16 == 0);
