//! A small x86-64 encoder for instructions whose operands are only known at run time: one entry point for legacy
//! encodings, one for VEX, driven by the same [`Enc`]. Also the block's constant pool.

use crate::cpu::Cpu;
use crate::host::Reloc;
use std::mem::offset_of;

/// General registers by number.
#[allow(missing_docs)]
pub mod r {
    pub const AX: u8 = 0;
    pub const CX: u8 = 1;
    pub const DX: u8 = 2;
    pub const BX: u8 = 3;
    pub const SP: u8 = 4;
    pub const BP: u8 = 5;
    pub const SI: u8 = 6;
    pub const DI: u8 = 7;
    pub const R11: u8 = 11;
}

/// x86 condition codes (low nibble of jcc, setcc, cmovcc); the low bit inverts.
#[allow(missing_docs)]
pub mod cc {
    pub const O: u8 = 0;
    pub const NO: u8 = 1;
    pub const B: u8 = 2;
    pub const AE: u8 = 3;
    pub const E: u8 = 4;
    pub const NE: u8 = 5;
    pub const BE: u8 = 6;
    pub const A: u8 = 7;
    pub const S: u8 = 8;
    pub const NS: u8 = 9;
    pub const P: u8 = 10;
    pub const NP: u8 = 11;
    pub const L: u8 = 12;
    pub const GE: u8 = 13;
    pub const LE: u8 = 14;
    pub const G: u8 = 15;

    /// Whether a condition (none on parity) holds for CF, ZF, SF and OF in bits 0 to 3.
    pub fn holds(c: u8, flags: u8) -> bool {
        let (cf, zf, sf, of) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
        let holds = match c >> 1 {
            0 => of,
            1 => cf,
            2 => zf,
            3 => cf || zf,
            4 => sf,
            6 => sf != of,
            _ => zf || sf != of,
        };
        holds != (c & 1 != 0)
    }
}

/// No register in an address.
pub const NOREG: u8 = 0xff;
/// Base of an address inside the block's constant pool; the displacement is the offset there.
const POOL: u8 = 0xfe;
/// "Base" of an address without one that moves with the guest's code.
pub(super) const PLACED: u8 = 0xfd;

/// A memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addr {
    /// Base register or [`NOREG`].
    pub base: u8,
    /// Index register or [`NOREG`].
    pub index: u8,
    /// log2 of the index scale.
    pub scale: u8,
    /// Displacement.
    pub disp: i32,
}

impl Addr {
    /// `[base + disp]`.
    pub const fn base(base: u8, disp: i32) -> Addr {
        Addr { base, index: NOREG, scale: 0, disp }
    }
    /// `offset` bytes into the CPU state.
    pub const fn cpu(offset: usize) -> Addr {
        Addr::base(r::BP, offset as i32 - Cpu::BIAS as i32)
    }
    /// The same place plus `d` bytes.
    pub const fn plus(self, d: i32) -> Addr {
        Addr { disp: self.disp + d, ..self }
    }
}

/// The place of a field of the CPU state.
macro_rules! state {
    ($field:ident) => {
        $crate::host::amd64::asm::Addr::cpu(std::mem::offset_of!($crate::cpu::Cpu, $field))
    };
}
pub(crate) use state;

/// A register or memory operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// Register number.
    R(u8),
    /// Memory.
    M(Addr),
}

impl From<Addr> for Rm {
    fn from(a: Addr) -> Rm {
        Rm::M(a)
    }
}
impl From<u8> for Rm {
    fn from(r: u8) -> Rm {
        Rm::R(r)
    }
}

/// An opcode: mandatory prefix (0 none, 1 = 66, 2 = F3, 3 = F2), map (0 one byte, 1 = 0F, 2 = 0F38, 3 = 0F3A), opcode byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enc {
    /// Mandatory prefix.
    pub pp: u8,
    /// Opcode map.
    pub map: u8,
    /// Opcode.
    pub op: u8,
    /// VEX.W / REX.W that belongs to the opcode.
    pub w: bool,
}

/// Shorthand for tables.
pub const fn enc(pp: u8, map: u8, op: u8) -> Enc {
    Enc { pp, map, op, w: false }
}
/// The same with W set.
pub const fn encw(pp: u8, map: u8, op: u8) -> Enc {
    Enc { pp, map, op, w: true }
}
/// 66 0F.
pub const fn p66(op: u8) -> Enc {
    enc(1, 1, op)
}
/// 66 0F38.
pub const fn p38(op: u8) -> Enc {
    enc(1, 2, op)
}
/// 66 0F3A.
pub const fn p3a(op: u8) -> Enc {
    enc(1, 3, op)
}

/// The eight classic ALU operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shift group numbers.
#[allow(missing_docs)]
pub mod sh {
    pub const ROR: u8 = 1;
    pub const SHL: u8 = 4;
    pub const SHR: u8 = 5;
    pub const SAR: u8 = 7;
}

#[derive(Clone, Copy, Debug)]
struct PoolFix {
    at: u32,
    offset: u32,
    tail: u8,
}

/// A short forward jump to be bound.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Short(u32);

/// A near forward jump to be bound.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Near(pub u32);

/// What a legacy encoding is made of but for its operands, in one word.
#[derive(Clone, Copy)]
struct Legacy(u32);

impl Legacy {
    /// Opcode, REX without register bits (bit 8: wanted anyway), map, mandatory prefix.
    #[inline(always)]
    fn new(e: Enc, w: bool, force: bool) -> Legacy {
        let w = w || e.w;
        Legacy(e.op as u32 | 0x4000 | (w as u32) << 11 | (force as u32) << 16 | (e.map as u32) << 17 | (e.pp as u32) << 19)
    }
    /// The REX prefix, if one is needed; `rxb` are its other bits.
    #[inline(always)]
    fn rex(self, rxb: u32) -> Option<u64> {
        let rex = self.0 >> 8 & 0x1ff | rxb;
        (rex != 0x40).then_some(rex as u64 & 0xff)
    }
    /// Prefixes, escape bytes and opcode, at most five bytes, and their length.
    #[inline(always)]
    fn head(self, rxb: u32) -> (u64, u32) {
        let op = self.0 as u64 & 0xff;
        let (mut v, mut len) = match self.0 >> 17 & 3 {
            0 => (op, 1),
            1 => (op << 8 | 0x0f, 2),
            2 => (op << 16 | 0x380f, 3),
            _ => (op << 16 | 0x3a0f, 3),
        };
        if let Some(rex) = self.rex(rxb) {
            (v, len) = (v << 8 | rex, len + 1);
        }
        match self.0 >> 19 {
            0 => {}
            pp => (v, len) = (v << 8 | 0xf2f3_6600 >> (pp * 8) & 0xff, len + 1),
        }
        (v, len)
    }
}

/// Code under construction.
#[derive(Debug, Default)]
pub struct Asm {
    /// The bytes so far.
    pub code: Vec<u8>,
    /// VEX encodings may be used.
    pub avx: bool,
    /// Where guest addresses are that move with the code.
    pub places: Vec<Reloc>,
    pool: Vec<u128>,
    /// Which of the pool are such addresses.
    pool_places: Vec<u16>,
    fixes: Vec<PoolFix>,
}

impl Asm {
    /// Start over with `code` (emptied) as buffer.
    pub fn begin(&mut self, mut code: Vec<u8>, avx: bool) {
        code.clear();
        self.code = code;
        self.avx = avx;
        self.places.clear();
        self.pool.clear();
        self.pool_places.clear();
        self.fixes.clear();
    }
    /// Current offset.
    #[inline]
    pub fn pos(&self) -> u32 {
        self.code.len() as u32
    }
    /// Make room for what an IR instruction usually becomes, so that growth is rare.
    #[inline]
    pub fn reserve(&mut self) {
        if self.code.capacity() - self.code.len() < 256 {
            self.code.reserve(4096);
        }
    }
    /// Append the low `len` bytes of `v`, at most 8.
    #[inline(always)]
    pub(super) fn put(&mut self, v: u64, len: u32) {
        debug_assert!(len <= 8);
        let at = self.code.len();
        if self.code.capacity() - at < 8 {
            self.grow();
        }
        // SAFETY: there is room for 8 bytes, all of them are written, and `len` is at most 8.
        unsafe {
            self.code.as_mut_ptr().add(at).cast::<u64>().write_unaligned(v);
            self.code.set_len(at + len as usize);
        }
    }
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.code.reserve(4096);
    }
    /// Append a byte.
    #[inline]
    pub fn u8(&mut self, b: u8) {
        self.put(b as u64, 1);
    }
    /// Append 32 bits.
    #[inline]
    pub fn u32(&mut self, v: u32) {
        self.put(v as u64, 4);
    }
    /// Append bytes.
    #[inline(always)]
    pub fn bytes(&mut self, b: &[u8]) {
        if b.len() > 8 {
            return self.code.extend_from_slice(b);
        }
        let v = b.iter().rev().fold(0, |v, &b| v << 8 | b as u64);
        self.put(v, b.len() as u32);
    }

    // --- constant pool ---------------------------------------------------------------------------
    /// Index of a 16-byte constant.
    pub fn pool_index(&mut self, c: u128) -> u16 {
        if let Some(i) = self.pool.iter().position(|&p| p == c).filter(|&i| !self.pool_places.contains(&(i as u16))) {
            return i as u16;
        }
        self.pool.push(c);
        (self.pool.len() - 1) as u16
    }
    /// The address `c`, which moves with the guest's code, if it is one without registers.
    pub fn placed(c: u64) -> Option<Addr> {
        // With room for the parts of what is there.
        (c < Reloc::NARROW - 256).then(|| Addr::base(PLACED, c as i32))
    }
    /// The place of a constant that moves with the code.
    pub fn constant_place(&mut self, c: u64) -> Addr {
        if let Some(&index) = self.pool_places.iter().find(|&&i| self.pool[i as usize] == c as u128) {
            return Asm::pool_addr(index);
        }
        let index = self.pool.len() as u16;
        self.pool.push(c as u128);
        self.pool_places.push(index);
        Asm::pool_addr(index)
    }
    /// The constant at an index.
    pub fn pool_value(&self, index: u16) -> u128 {
        self.pool[index as usize]
    }
    /// The place of constant `index`.
    pub fn pool_addr(index: u16) -> Addr {
        Addr::base(POOL, index as i32 * 16)
    }
    /// The place of a constant.
    pub fn constant(&mut self, c: u128) -> Addr {
        Asm::pool_addr(self.pool_index(c))
    }
    /// Append the pool and fix the references to it.
    pub fn finish_pool(&mut self) {
        if self.pool.is_empty() {
            return;
        }
        while self.code.len() & 15 != 0 {
            self.code.push(0xcc);
        }
        let base = self.pos();
        for c in &self.pool {
            self.code.extend_from_slice(&c.to_le_bytes());
        }
        for &i in &self.pool_places {
            self.places.push(Reloc::Place { at: base + i as u32 * 16, wide: true });
        }
        for f in &self.fixes {
            let d = (base + f.offset) as i32 - (f.at as i32 + 4 + f.tail as i32);
            self.code[f.at as usize..f.at as usize + 4].copy_from_slice(&d.to_le_bytes());
        }
    }

    // --- operand encoding --------------------------------------------------------------------------
    /// Two runs of bytes, `len` and `len2` of at most 8 each.
    #[inline(always)]
    pub(super) fn put2(&mut self, v: u64, len: u32, v2: u64, len2: u32) {
        debug_assert!(len <= 8 && len2 <= 8);
        let at = self.code.len();
        if self.code.capacity() - at < 16 {
            self.grow();
        }
        // SAFETY: there is room for 16 bytes, those up to the new length are written, and each length is at most 8.
        unsafe {
            let p = self.code.as_mut_ptr().add(at);
            p.cast::<u64>().write_unaligned(v);
            p.add(len as usize).cast::<u64>().write_unaligned(v2);
            self.code.set_len(at + (len + len2) as usize);
        }
    }

    /// ModRM, SIB and displacement of an address with a base register, and their length.
    #[inline(always)]
    fn memory(reg: u8, a: Addr) -> (u64, u32) {
        let base = a.base as u64 & 7;
        let small = a.disp as i8 as i32 == a.disp;
        let none = a.disp == 0 && base != r::BP as u64;
        let (md, disp_len) = if none {
            (0, 0)
        } else if small {
            (0x40, 1)
        } else {
            (0x80, 4)
        };
        Asm::with_disp(reg, a, md, a.disp as u32, disp_len)
    }

    /// The same, of the displacement as it is to be encoded and the mode that says how long it is.
    #[inline(always)]
    pub(super) fn with_disp(reg: u8, a: Addr, md: u64, disp: u32, disp_len: u32) -> (u64, u32) {
        let (base, disp) = (a.base as u64 & 7, disp as u64);
        let modrm = md | (reg as u64 & 7) << 3;
        if a.index != NOREG || base == r::SP as u64 {
            let index = if a.index == NOREG { 4 } else { a.index as u64 & 7 };
            let sib = (a.scale as u64) << 6 | index << 3 | base;
            (modrm | 4 | sib << 8 | disp << 16, 2 + disp_len)
        } else {
            (modrm | base | disp << 8, 1 + disp_len)
        }
    }

    /// REX bits X and B of an address.
    #[inline(always)]
    pub(super) fn xb(a: Addr) -> u32 {
        // Neither NOREG nor the pool is a register: bits 3 and 4 tell.
        let high = |n: u8| (n >> 3 & !(n >> 4) & 1) as u32;
        high(a.index) << 1 | high(a.base)
    }

    /// Addresses in the pool and without a base, behind opcode bytes.
    #[cold]
    #[inline(never)]
    pub(super) fn odd_address(&mut self, head: u64, len: u32, reg: u8, a: Addr, tail: u8) {
        let reg = (reg as u64 & 7) << 3;
        if a.base == POOL {
            self.put2(head, len, reg | 5, 1);
            self.fixes.push(PoolFix { at: self.code.len() as u32, offset: a.disp as u32, tail });
            return self.u32(0);
        }
        if a.base == PLACED {
            self.places.push(Reloc::Place { at: self.pos() + len + 2, wide: false });
        }
        let index = if a.index == NOREG { 4 } else { a.index as u64 & 7 };
        let sib = (a.scale as u64) << 6 | index << 3 | 5;
        self.put2(head, len, reg | 4 | sib << 8 | (a.disp as u32 as u64) << 16, 6);
    }

    /// A legacy-encoded instruction. `force` demands a REX prefix (byte registers).
    #[inline]
    pub fn op(&mut self, e: Enc, w: bool, reg: u8, rm: Rm, tail: u8, force: bool) {
        let k = Legacy::new(e, w, force);
        match rm {
            // Most have a one-byte opcode.
            Rm::R(n) if e.pp | e.map == 0 => self.op1_reg(k, reg, n),
            Rm::M(a) if e.pp | e.map == 0 => self.op1_mem(k, reg, a, tail),
            Rm::R(n) => self.op_reg(k, reg, n),
            Rm::M(a) => self.op_mem(k, reg, a, tail),
        }
    }

    fn op1_reg(&mut self, k: Legacy, reg: u8, n: u8) {
        let (reg, n) = (reg as u32, n as u32);
        let body = (k.0 & 0xff | 0xc000 | (reg & 7) << 11 | (n & 7) << 8) as u64;
        match k.rex((reg >> 3 & 1) << 2 | n >> 3 & 1) {
            Some(rex) => self.put(body << 8 | rex, 3),
            None => self.put(body, 2),
        }
    }

    fn op1_mem(&mut self, k: Legacy, reg: u8, a: Addr, tail: u8) {
        let rex = k.rex((reg as u32 >> 3 & 1) << 2 | Asm::xb(a));
        let op = k.0 as u64 & 0xff;
        if a.base >= PLACED {
            return match rex {
                Some(rex) => self.odd_address(op << 8 | rex, 2, reg, a, tail),
                None => self.odd_address(op, 1, reg, a, tail),
            };
        }
        let (rest, len) = Asm::memory(reg, a);
        let body = rest << 8 | op;
        match rex {
            Some(rex) => self.put(body << 8 | rex, len + 2),
            None => self.put(body, len + 1),
        }
    }

    fn op_reg(&mut self, k: Legacy, reg: u8, n: u8) {
        let (head, len) = k.head((reg as u32 >> 3 & 1) << 2 | n as u32 >> 3 & 1);
        // At most five bytes so far.
        self.put(head | (0xc0 | (reg as u64 & 7) << 3 | n as u64 & 7) << (8 * len), len + 1);
    }

    fn op_mem(&mut self, k: Legacy, reg: u8, a: Addr, tail: u8) {
        let (head, len) = k.head((reg as u32 >> 3 & 1) << 2 | Asm::xb(a));
        if a.base >= PLACED {
            return self.odd_address(head, len, reg, a, tail);
        }
        let (rest, rest_len) = Asm::memory(reg, a);
        self.put2(head, len, rest, rest_len);
    }

    /// A VEX.128 instruction (`v` = the extra operand, 0 when there is none), or what stands for it on registers from 16 up (see `evex`).
    #[inline]
    pub fn vex(&mut self, e: Enc, reg: u8, v: u8, rm: Rm, imm: Option<u8>) {
        match rm {
            Rm::R(n) if (reg | v | n) < 16 => self.vex_reg(e, reg, v, n),
            Rm::M(a) if (reg | v) < 16 => self.vex_mem(e, reg, v, a, imm.is_some() as u8),
            _ => return self.high(e, reg, v, rm, imm),
        }
        if let Some(c) = imm {
            self.u8(c);
        }
    }

    fn vex_reg(&mut self, e: Enc, reg: u8, v: u8, n: u8) {
        let (head, len) = Asm::vex_head(e, reg, v, n as u32 >> 3 & 1);
        self.put(head | (0xc0 | (reg as u64 & 7) << 3 | n as u64 & 7) << (8 * len), len + 1);
    }

    fn vex_mem(&mut self, e: Enc, reg: u8, v: u8, a: Addr, tail: u8) {
        let (head, len) = Asm::vex_head(e, reg, v, Asm::xb(a));
        if a.base >= PLACED {
            return self.odd_address(head, len, reg, a, tail);
        }
        let (rest, rest_len) = Asm::memory(reg, a);
        self.put2(head, len, rest, rest_len);
    }

    /// VEX prefix and opcode, and their length.
    #[inline(always)]
    fn vex_head(e: Enc, reg: u8, v: u8, xb: u32) -> (u64, u32) {
        let high = (!reg as u64 & 8) << 4;
        let last = (!v as u64 & 15) << 3 | e.pp as u64;
        if e.map == 1 && !e.w && xb == 0 {
            (0xc5 | (high | last) << 8 | (e.op as u64) << 16, 3)
        } else {
            let second = high | (!xb as u64 & 3) << 5 | e.map as u64;
            (0xc4 | second << 8 | ((e.w as u64) << 7 | last) << 16 | (e.op as u64) << 24, 4)
        }
    }

    // --- integer instructions --------------------------------------------------------------------------
    /// `mov reg, reg`; no code for equal registers at 64 bits, and always code at 32 (it clears the upper half).
    pub fn mov_rr(&mut self, w: bool, d: u8, s: u8) {
        if d != s || !w {
            self.op(enc(0, 0, 0x8b), w, d, Rm::R(s), 0, false);
        }
    }
    /// `mov reg, r/m`.
    pub fn mov(&mut self, w: bool, d: u8, s: impl Into<Rm>) {
        match s.into() {
            Rm::R(s) => self.mov_rr(w, d, s),
            m => self.op(enc(0, 0, 0x8b), w, d, m, 0, false),
        }
    }
    /// `mov mem, reg` of 8, 16, 32, 64 bits.
    pub fn store(&mut self, log2: u8, a: Addr, s: u8) {
        match log2 {
            0 => self.op(enc(0, 0, 0x88), false, s, a.into(), 0, s >= 4),
            1 => self.op(enc(1, 0, 0x89), false, s, a.into(), 0, false),
            n => self.op(enc(0, 0, 0x89), n == 3, s, a.into(), 0, false),
        }
    }
    /// `mov mem, imm` of 8, 16, 32, 64 bits (sign-extended).
    pub fn store_imm(&mut self, log2: u8, a: Addr, c: i32) {
        match log2 {
            0 => {
                self.op(enc(0, 0, 0xc6), false, 0, a.into(), 1, false);
                self.u8(c as u8);
            }
            1 => {
                self.op(enc(1, 0, 0xc7), false, 0, a.into(), 2, false);
                self.bytes(&(c as u16).to_le_bytes());
            }
            n => {
                self.op(enc(0, 0, 0xc7), n == 3, 0, a.into(), 4, false);
                self.u32(c as u32);
            }
        }
    }
    /// A constant into a register by the shortest `mov` (flags are kept).
    pub fn mov_imm(&mut self, d: u8, c: u64) {
        let short = 0xb8 | (d & 7) as u64;
        if c >> 32 == 0 {
            let v = short | c << 8;
            if d >= 8 {
                self.put(v << 8 | 0x41, 6);
            } else {
                self.put(v, 5);
            }
        } else if c as i64 >= i32::MIN as i64 && (c as i64) < 0 {
            self.op(enc(0, 0, 0xc7), true, 0, Rm::R(d), 4, false);
            self.u32(c as u32);
        } else {
            self.put2(0x48 | (d >> 3) as u64 | short << 8, 2, c, 8);
        }
    }
    /// A guest address that moves with the code into a register (flags are kept).
    pub fn mov_place(&mut self, d: u8, c: u64) {
        let short = 0xb8 | (d & 7) as u64;
        let wide = c >= Reloc::NARROW;
        match wide {
            true => self.put2(0x48 | (d >> 3) as u64 | short << 8, 2, c, 8),
            false if d >= 8 => self.put(0x41 | short << 8 | c << 16, 6),
            false => self.put(short | c << 8, 5),
        }
        self.places.push(Reloc::Place { at: self.pos() - if wide { 8 } else { 4 }, wide });
    }
    /// A 32-bit immediate that moves with the code, less than [`Reloc::NARROW`].
    pub fn imm_place(&mut self, c: u32) {
        self.places.push(Reloc::Place { at: self.pos(), wide: false });
        self.u32(c);
    }
    /// `op reg, r/m`.
    pub fn alu(&mut self, op: Alu, w: bool, d: u8, s: impl Into<Rm>) {
        self.op(enc(0, 0, (op as u8) << 3 | 3), w, d, s.into(), 0, false);
    }
    /// `op r/m, imm`.
    pub fn alu_imm(&mut self, op: Alu, w: bool, d: impl Into<Rm>, c: i32) {
        if let Ok(c) = i8::try_from(c) {
            self.op(enc(0, 0, 0x83), w, op as u8, d.into(), 1, false);
            self.u8(c as u8);
        } else {
            self.op(enc(0, 0, 0x81), w, op as u8, d.into(), 4, false);
            self.u32(c as u32);
        }
    }
    /// `test reg, r/m`.
    pub fn test(&mut self, w: bool, a: u8, b: impl Into<Rm>) {
        self.op(enc(0, 0, 0x85), w, a, b.into(), 0, false);
    }
    /// `test r/m, imm32`; the byte form where it says the same about zero.
    pub fn test_imm(&mut self, w: bool, a: impl Into<Rm>, c: i32) {
        self.op(enc(0, 0, 0xf7), w, 0, a.into(), 4, false);
        self.u32(c as u32);
    }
    /// `test byte r/m, imm8`.
    pub fn test_imm8(&mut self, a: impl Into<Rm>, c: u8) {
        let a = a.into();
        let force = matches!(a, Rm::R(n) if n >= 4);
        self.op(enc(0, 0, 0xf6), false, 0, a, 1, force);
        self.u8(c);
    }
    /// `lea`.
    pub fn lea(&mut self, w: bool, d: u8, a: Addr) {
        self.op(enc(0, 0, 0x8d), w, d, a.into(), 0, false);
    }
    /// Shift or rotate by a constant.
    pub fn shift_imm(&mut self, op: u8, w: bool, d: impl Into<Rm>, n: u8) {
        self.op(enc(0, 0, 0xc1), w, op, d.into(), 1, false);
        self.u8(n);
    }
    /// Shift or rotate by cl.
    pub fn shift_cl(&mut self, op: u8, w: bool, d: u8) {
        self.op(enc(0, 0, 0xd3), w, op, Rm::R(d), 0, false);
    }
    /// Group F7: 2 not, 3 neg, 4 mul, 5 imul, 6 div, 7 idiv.
    pub fn unary(&mut self, op: u8, w: bool, d: impl Into<Rm>) {
        self.op(enc(0, 0, 0xf7), w, op, d.into(), 0, false);
    }
    /// Two-byte (0F) instruction `reg, r/m`.
    pub fn op0f(&mut self, op: u8, w: bool, d: u8, s: impl Into<Rm>) {
        self.op(enc(0, 1, op), w, d, s.into(), 0, false);
    }
    /// `movzx` from 8 or 16 bits.
    pub fn movzx(&mut self, log2: u8, d: u8, s: impl Into<Rm>) {
        let s = s.into();
        let force = log2 == 0 && matches!(s, Rm::R(n) if n >= 4);
        self.op(enc(0, 1, 0xb6 + log2), false, d, s, 0, force);
    }
    /// `movsx` from 8, 16 or 32 bits.
    pub fn movsx(&mut self, log2: u8, w: bool, d: u8, s: impl Into<Rm>) {
        let s = s.into();
        let force = log2 == 0 && matches!(s, Rm::R(n) if n >= 4);
        match log2 {
            2 => self.op(enc(0, 0, 0x63), w, d, s, 0, false),
            n => self.op(enc(0, 1, 0xbe + n), w, d, s, 0, force),
        }
    }
    /// `cmovcc`.
    pub fn cmov(&mut self, cc: u8, w: bool, d: u8, s: impl Into<Rm>) {
        self.op0f(0x40 | cc, w, d, s);
    }
    /// `setcc` of a byte register.
    pub fn setcc(&mut self, cc: u8, d: u8) {
        self.op(enc(0, 1, 0x90 | cc), false, 0, Rm::R(d), 0, d >= 4);
    }
    /// `bswap`.
    pub fn bswap(&mut self, w: bool, d: u8) {
        self.u8(0x40 | (w as u8) << 3 | d >> 3);
        self.bytes(&[0x0f, 0xc8 | (d & 7)]);
    }
    /// A BMI instruction of three registers: `reg, v, r/m`.
    pub fn bmi(&mut self, pp: u8, op: u8, w: bool, d: u8, v: u8, s: impl Into<Rm>) {
        self.vex(Enc { pp, map: 2, op, w }, d, v, s.into(), None);
    }

    // --- jumps -------------------------------------------------------------------------------------
    /// Short conditional jump forward.
    pub fn jcc_short(&mut self, cc: u8) -> Short {
        self.bytes(&[0x70 | cc, 0]);
        Short(self.pos())
    }
    /// Short jump forward.
    pub fn jmp_short(&mut self) -> Short {
        self.bytes(&[0xeb, 0]);
        Short(self.pos())
    }
    /// Bind a short jump here.
    pub fn bind(&mut self, s: Short) {
        let d = self.pos() - s.0;
        debug_assert!(d < 128);
        self.code[s.0 as usize - 1] = d as u8;
    }
    /// Conditional jump to be bound (or relocated) later.
    pub fn jcc_near(&mut self, cc: u8) -> Near {
        self.put(0x800f | (cc as u64) << 8, 6);
        Near(self.pos() - 4)
    }
    /// Jump to be bound (or relocated) later.
    pub fn jmp_near(&mut self) -> Near {
        self.put(0xe9, 5);
        Near(self.pos() - 4)
    }
    /// Call to be bound (or relocated) later.
    pub fn call_near(&mut self) -> Near {
        self.put(0xe8, 5);
        Near(self.pos() - 4)
    }
    /// Bind a near jump here.
    pub fn bind_near(&mut self, n: Near) {
        self.patch(n, self.pos());
    }
    /// Let a near jump lead to `target`.
    pub fn patch(&mut self, n: Near, target: u32) {
        let d = target.wrapping_sub(n.0 + 4);
        self.code[n.0 as usize..n.0 as usize + 4].copy_from_slice(&d.to_le_bytes());
    }
    /// Jump back to a known offset.
    pub fn jmp_back(&mut self, target: u32) {
        let n = self.jmp_near();
        self.patch(n, target);
    }
    /// Conditional short jump back to a known offset.
    pub fn jcc_back(&mut self, cc: u8, target: u32) {
        let n = self.jcc_near(cc);
        self.patch(n, target);
    }
    /// Pad the branch that comes next so that the four bytes that begin `skip` bytes from here lie within an aligned eight: then both makers of
    /// processors promise that a store to them is atomic. By prefixes without a meaning there: the branch still fuses with a comparison before it.
    pub fn pad(&mut self, skip: u32) {
        let at = (self.pos() + skip) & 7;
        let n = if at > 4 { 8 - at } else { 0 };
        self.put(0x2e_2e2e, n);
    }
    /// Push a register or memory.
    pub fn push(&mut self, s: Rm) {
        match s {
            Rm::R(n) if n < 8 => self.u8(0x50 | n),
            s => self.op(enc(0, 0, 0xff), false, 6, s, 0, false),
        }
    }

    // --- vector instructions ---------------------------------------------------------------------------
    /// `op d, rm` (no third operand), e.g. moves, pabs, pshufd, sqrt of packed.
    pub fn v2(&mut self, e: Enc, d: u8, s: impl Into<Rm>) {
        self.v2_imm(e, d, s.into(), None);
    }
    /// The same with an immediate.
    pub fn v2i(&mut self, e: Enc, d: u8, s: impl Into<Rm>, imm: u8) {
        self.v2_imm(e, d, s.into(), Some(imm));
    }
    fn v2_imm(&mut self, e: Enc, d: u8, s: Rm, imm: Option<u8>) {
        if self.avx {
            self.vex(e, d, 0, s, imm);
        } else {
            self.op_imm(e, d, s, imm);
        }
    }
    /// A legacy-encoded vector instruction with its immediate.
    fn op_imm(&mut self, e: Enc, d: u8, s: Rm, imm: Option<u8>) {
        self.op(e, false, d, s, imm.is_some() as u8, false);
        if let Some(c) = imm {
            self.u8(c);
        }
    }
    /// Whole-register move.
    pub fn vmov(&mut self, d: u8, s: impl Into<Rm>) {
        let s = s.into();
        if s != Rm::R(d) {
            // movaps: the shortest; every vector slot and constant is 16-byte aligned.
            self.v2(enc(0, 1, 0x28), d, s);
        }
    }
    /// Whole-register store to an aligned place.
    pub fn vstore(&mut self, a: Addr, s: u8) {
        self.v2(enc(0, 1, 0x29), s, a);
    }
    /// `d = a op b`. With legacy encodings `d` must not be `b` unless it is also `a`.
    pub fn v3(&mut self, e: Enc, d: u8, a: u8, b: impl Into<Rm>) {
        self.v3_imm(e, d, a, b.into(), None);
    }
    /// The same with an immediate.
    pub fn v3i(&mut self, e: Enc, d: u8, a: u8, b: impl Into<Rm>, imm: u8) {
        self.v3_imm(e, d, a, b.into(), Some(imm));
    }
    fn v3_imm(&mut self, e: Enc, d: u8, a: u8, b: Rm, imm: Option<u8>) {
        if self.avx {
            self.vex(e, d, a, b, imm);
        } else {
            debug_assert!(d == a || b != Rm::R(d), "two-address conflict");
            self.vmov(d, a);
            self.op_imm(e, d, b, imm);
        }
    }
    /// Shift group: `d = a shifted by the constant` (`ext` = the group number).
    pub fn vshift(&mut self, op: u8, ext: u8, d: u8, a: u8, n: u8) {
        if self.avx {
            self.vex(p66(op), ext, d, Rm::R(a), Some(n));
        } else {
            self.vmov(d, a);
            self.op_imm(p66(op), ext, Rm::R(d), Some(n));
        }
    }
    /// For legacy encodings, `d = a`.
    pub fn vmov_if_legacy(&mut self, d: u8, a: u8) {
        if !self.avx {
            self.vmov(d, a);
        }
    }
    /// `d = a op s` where register `s` is a general one; with legacy encodings `d` must be `a`.
    pub fn v3_gpr(&mut self, e: Enc, d: u8, a: u8, s: Rm) {
        if self.avx {
            self.vex(e, d, a, s, None);
        } else {
            self.op_imm(e, d, s, None);
        }
    }
    /// The same with an immediate.
    pub fn v3i_gpr(&mut self, e: Enc, d: u8, a: u8, s: Rm, imm: u8) {
        if self.avx {
            self.vex(e, d, a, s, Some(imm));
        } else {
            self.op_imm(e, d, s, Some(imm));
        }
    }
    /// All bits zero.
    pub fn vzero(&mut self, d: u8) {
        self.v3(p66(0xef), d, d, d);
    }
    /// Low 64 bits of `s`, zero above.
    pub fn movq(&mut self, d: u8, s: impl Into<Rm>) {
        self.v2(enc(2, 1, 0x7e), d, s);
    }
}

/// Place of spill slot `n`.
pub const fn spill_addr(n: u8) -> Addr {
    Addr::cpu(offset_of!(Cpu, spill) + n as usize * 16)
}
