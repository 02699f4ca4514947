//! A small x86-64 encoder for instructions whose operands are only known at run time: one entry point for legacy
//! encodings, one for VEX, driven by the same [`Enc`]. Also the block's constant pool.

use crate::cpu::Cpu;
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
}

/// No register in an address.
pub const NOREG: u8 = 0xff;
/// Base of an address inside the block's constant pool; the displacement is the offset there.
const POOL: u8 = 0xfe;

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

/// The first bytes of an instruction, at most 8.
#[derive(Clone, Copy, Default)]
struct Head {
    bytes: u64,
    bits: u32,
}

impl Head {
    #[inline(always)]
    fn add(&mut self, b: u8) {
        self.bytes |= (b as u64) << (self.bits & 63);
        self.bits += 8;
    }
}

/// Code under construction.
#[derive(Debug, Default)]
pub struct Asm {
    /// The bytes so far.
    pub code: Vec<u8>,
    /// VEX encodings may be used.
    pub avx: bool,
    pool: Vec<u128>,
    fixes: Vec<PoolFix>,
}

impl Asm {
    /// Start over with `code` (emptied) as buffer.
    pub fn begin(&mut self, mut code: Vec<u8>, avx: bool) {
        code.clear();
        self.code = code;
        self.avx = avx;
        self.pool.clear();
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
    fn put(&mut self, v: u64, len: u32) {
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
    #[inline]
    pub fn bytes(&mut self, b: &[u8]) {
        self.code.extend_from_slice(b);
    }

    // --- constant pool ---------------------------------------------------------------------------
    /// Index of a 16-byte constant.
    pub fn pool_index(&mut self, c: u128) -> u16 {
        if let Some(i) = self.pool.iter().position(|&p| p == c) {
            return i as u16;
        }
        self.pool.push(c);
        (self.pool.len() - 1) as u16
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
        for f in &self.fixes {
            let d = (base + f.offset) as i32 - (f.at as i32 + 4 + f.tail as i32);
            self.code[f.at as usize..f.at as usize + 4].copy_from_slice(&d.to_le_bytes());
        }
    }

    // --- operand encoding --------------------------------------------------------------------------
    /// The opcode bytes so far, then ModRM, SIB and displacement. `tail` = bytes of immediate that follow.
    #[inline(always)]
    fn modrm(&mut self, mut head: Head, reg: u8, rm: Rm, tail: u8) {
        let reg = (reg & 7) << 3;
        let a = match rm {
            Rm::R(n) => {
                head.add(0xc0 | reg | (n & 7));
                return self.put(head.bytes, head.bits / 8);
            }
            Rm::M(a) => a,
        };
        if a.base >= POOL {
            return self.odd_address(head, reg, a, tail);
        }
        let md = if a.disp == 0 && a.base & 7 != r::BP {
            0
        } else if i8::try_from(a.disp).is_ok() {
            1
        } else {
            2
        };
        if a.index != NOREG || a.base & 7 == r::SP {
            head.add(md << 6 | reg | 4);
            let index = if a.index == NOREG { 4 } else { a.index & 7 };
            head.add(a.scale << 6 | index << 3 | (a.base & 7));
        } else {
            head.add(md << 6 | reg | (a.base & 7));
        }
        // At most two prefixes, three opcode bytes, ModRM and SIB: there is room for a byte more.
        if md == 1 {
            head.add(a.disp as u8);
        }
        self.put(head.bytes, head.bits / 8);
        if md == 2 {
            self.u32(a.disp as u32);
        }
    }

    /// Addresses in the pool and without a base.
    #[inline(never)]
    fn odd_address(&mut self, mut head: Head, reg: u8, a: Addr, tail: u8) {
        if a.base == POOL {
            head.add(reg | 5);
            self.put(head.bytes, head.bits / 8);
            self.fixes.push(PoolFix { at: self.code.len() as u32, offset: a.disp as u32, tail });
            return self.u32(0);
        }
        head.add(reg | 4);
        let index = if a.index == NOREG { 4 } else { a.index & 7 };
        head.add(a.scale << 6 | index << 3 | 5);
        self.put(head.bytes, head.bits / 8);
        self.u32(a.disp as u32);
    }

    /// REX bits X and B of an operand.
    fn xb(rm: Rm) -> u8 {
        match rm {
            Rm::R(n) => n >> 3 & 1,
            Rm::M(a) => {
                let b = if a.base < 16 { a.base >> 3 } else { 0 };
                let x = if a.index < 16 { a.index >> 3 } else { 0 };
                x << 1 | b
            }
        }
    }

    /// A legacy-encoded instruction. `force` demands a REX prefix (byte registers).
    pub fn op(&mut self, e: Enc, w: bool, reg: u8, rm: Rm, tail: u8, force: bool) {
        // Most have a one-byte opcode, and a register or a base with a displacement as operand.
        if e.pp | e.map == 0 {
            let (base, rest, len, far) = match rm {
                Rm::R(n) => (n, 0xc0, 0, None),
                Rm::M(a) if a.index != NOREG || a.base >= 16 || a.base & 7 == r::SP => {
                    return self.op_any(e, w, reg, rm, tail, force)
                }
                Rm::M(Addr { base, disp: 0, .. }) if base & 7 != r::BP => (base, 0, 0, None),
                Rm::M(a) => match i8::try_from(a.disp) {
                    Ok(d) => (a.base, 0x40 | (d as u8 as u64) << 8, 1, None),
                    Err(_) => (a.base, 0x80, 0, Some(a.disp as u32)),
                },
            };
            let rex = ((w || e.w) as u8) << 3 | (reg >> 3 & 1) << 2 | base >> 3 & 1;
            let body = (rest | ((reg & 7) << 3 | base & 7) as u64) << 8 | e.op as u64;
            if rex != 0 || force {
                self.put(body << 8 | (0x40 | rex) as u64, 3 + len);
            } else {
                self.put(body, 2 + len);
            }
            if let Some(disp) = far {
                self.u32(disp);
            }
            return;
        }
        self.op_any(e, w, reg, rm, tail, force);
    }

    fn op_any(&mut self, e: Enc, w: bool, reg: u8, rm: Rm, tail: u8, force: bool) {
        let mut head = Head::default();
        if e.pp != 0 {
            head.add([0, 0x66, 0xf3, 0xf2][e.pp as usize & 3]);
        }
        let rex = ((w || e.w) as u8) << 3 | (reg >> 3 & 1) << 2 | Asm::xb(rm);
        if rex != 0 || force {
            head.add(0x40 | rex);
        }
        if e.map != 0 {
            head.add(0x0f);
            if e.map != 1 {
                head.add(if e.map == 2 { 0x38 } else { 0x3a });
            }
        }
        head.add(e.op);
        self.modrm(head, reg, rm, tail);
    }

    /// A VEX.128 instruction (`v` = the extra operand, 0 when there is none).
    pub fn vex(&mut self, e: Enc, reg: u8, v: u8, rm: Rm, tail: u8) {
        let xb = Asm::xb(rm);
        let last = (!v & 15) << 3 | e.pp;
        let mut head = Head::default();
        if e.map == 1 && !e.w && xb == 0 {
            head.add(0xc5);
            head.add((!reg & 8) << 4 | last);
        } else {
            head.add(0xc4);
            head.add((!reg & 8) << 4 | (!xb & 3) << 5 | e.map);
            head.add((e.w as u8) << 7 | last);
        }
        head.add(e.op);
        self.modrm(head, reg, rm, tail);
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
        if c >> 32 == 0 {
            if d >= 8 {
                self.u8(0x41);
            }
            self.u8(0xb8 | (d & 7));
            self.u32(c as u32);
        } else if c as i64 >= i32::MIN as i64 && (c as i64) < 0 {
            self.op(enc(0, 0, 0xc7), true, 0, Rm::R(d), 4, false);
            self.u32(c as u32);
        } else {
            self.u8(0x48 | (d >> 3));
            self.u8(0xb8 | (d & 7));
            self.bytes(&c.to_le_bytes());
        }
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
        self.vex(Enc { pp, map: 2, op, w }, d, v, s.into(), 0);
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
        self.bytes(&[0x0f, 0x80 | cc]);
        self.u32(0);
        Near(self.pos() - 4)
    }
    /// Jump to be bound (or relocated) later.
    pub fn jmp_near(&mut self) -> Near {
        self.u8(0xe9);
        self.u32(0);
        Near(self.pos() - 4)
    }
    /// Call to be bound (or relocated) later.
    pub fn call_near(&mut self) -> Near {
        self.u8(0xe8);
        self.u32(0);
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
    /// Pad with nops so that the four bytes that begin `skip` bytes from here lie within an aligned eight: then both makers of
    /// processors promise that a store to them is atomic.
    pub fn pad(&mut self, skip: u32) {
        match (self.pos() + skip) & 7 {
            5 => self.bytes(&[0x0f, 0x1f, 0x00]),
            6 => self.bytes(&[0x66, 0x90]),
            7 => self.u8(0x90),
            _ => {}
        }
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
        self.v2_tail(e, d, s.into(), 0);
    }
    /// The same with an immediate.
    pub fn v2i(&mut self, e: Enc, d: u8, s: impl Into<Rm>, imm: u8) {
        self.v2_tail(e, d, s.into(), 1);
        self.u8(imm);
    }
    fn v2_tail(&mut self, e: Enc, d: u8, s: Rm, tail: u8) {
        if self.avx {
            self.vex(e, d, 0, s, tail);
        } else {
            self.op(e, false, d, s, tail, false);
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
        self.v3_tail(e, d, a, b.into(), 0);
    }
    /// The same with an immediate.
    pub fn v3i(&mut self, e: Enc, d: u8, a: u8, b: impl Into<Rm>, imm: u8) {
        self.v3_tail(e, d, a, b.into(), 1);
        self.u8(imm);
    }
    fn v3_tail(&mut self, e: Enc, d: u8, a: u8, b: Rm, tail: u8) {
        if self.avx {
            self.vex(e, d, a, b, tail);
        } else {
            debug_assert!(d == a || b != Rm::R(d), "two-address conflict");
            self.vmov(d, a);
            self.op(e, false, d, b, tail, false);
        }
    }
    /// Shift group: `d = a shifted by the constant` (`ext` = the group number).
    pub fn vshift(&mut self, op: u8, ext: u8, d: u8, a: u8, n: u8) {
        if self.avx {
            self.vex(p66(op), ext, d, Rm::R(a), 1);
        } else {
            self.vmov(d, a);
            self.op(p66(op), false, ext, Rm::R(d), 1, false);
        }
        self.u8(n);
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
            self.vex(e, d, a, s, 0);
        } else {
            self.op(e, false, d, s, 0, false);
        }
    }
    /// The same with an immediate.
    pub fn v3i_gpr(&mut self, e: Enc, d: u8, a: u8, s: Rm, imm: u8) {
        if self.avx {
            self.vex(e, d, a, s, 1);
        } else {
            self.op(e, false, d, s, 1, false);
        }
        self.u8(imm);
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
