//! Vector registers as operands, and the shapes of vector instructions: MMX, legacy SSE, VEX of 128 and 256 bits.
//!
//! An operation is given on 128 bits (or 64, of MMX); a 256-bit instruction does it on both halves. Legacy forms keep what is above in the
//! destination, VEX forms clear it.

use super::lift::{Lifted, Lifter, Refused};
use super::operand::{memory_log2, vec_reg, Ea};
use super::{regs, state};
use crate::ir::{Arr, Op, Trap, Type, Value, Width};
use iced_x86::{Code, Register};

/// What an instruction works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// 64 bits of MMX.
    Mmx,
    /// Legacy SSE.
    Sse,
    /// VEX, 128 bits.
    Vex128,
    /// VEX, 256 bits.
    Vex256,
}

impl Shape {
    /// The operation's arrangement of lanes of `1 << log2` bytes.
    pub fn arr(self, log2: u8) -> Arr {
        Arr::new(log2, if self == Shape::Mmx { Width::W64 } else { Width::W128 })
    }
    /// Encoded by VEX.
    pub fn vex(self) -> bool {
        matches!(self, Shape::Vex128 | Shape::Vex256)
    }
    /// 128-bit parts.
    pub fn parts(self) -> usize {
        1 + (self == Shape::Vex256) as usize
    }
    /// log2 of the bytes of a memory operand's part.
    pub fn part_log2(self) -> u8 {
        3 + (self != Shape::Mmx) as u8
    }
}

/// The MMX register that `r` is.
pub fn mm(r: Register) -> Option<u8> {
    (Register::MM0 as u32..=Register::MM7 as u32).contains(&(r as u32)).then(|| (r as u32 - Register::MM0 as u32) as u8)
}

impl Lifter<'_> {
    /// The instruction's shape: by its encoding, and the widest of its registers.
    pub fn shape(&self) -> Shape {
        let regs = || (0..self.i.op_count()).map(|n| self.i.op_register(n));
        let wide = regs().filter_map(vec_reg).any(|r| r.1) || self.i.memory_size_is_256();
        if self.vex {
            return if wide { Shape::Vex256 } else { Shape::Vex128 };
        }
        if regs().any(|r| mm(r).is_some()) && !regs().any(|r| vec_reg(r).is_some()) {
            return Shape::Mmx;
        }
        Shape::Sse
    }

    // --- registers -----------------------------------------------------------------------------------
    /// Half `half` of vector register `n`.
    pub fn xmm(&mut self, n: u8, half: usize) -> Value {
        self.b.get(if half == 0 { regs::xmm(n) } else { regs::ymm_high(n) })
    }
    /// Write the destination, operand 0, of an instruction of this shape; what VEX clears is cleared.
    pub fn set_vec(&mut self, shape: Shape, parts: &[Value]) -> Lifted {
        self.set_vec_at(0, shape, parts)
    }
    /// The same for operand `op`.
    pub fn set_vec_at(&mut self, op: u32, shape: Shape, parts: &[Value]) -> Lifted {
        let r = self.i.op_register(op);
        if let Some(n) = mm(r) {
            if (1..self.i.op_count()).any(|n| self.is_mem(n)) {
                self.enter_mmx();
            }
            self.set_mm(n, parts[0]);
            return Ok(());
        }
        let (n, _) = vec_reg(r).ok_or(Refused::Undefined)?;
        self.b.set(regs::xmm(n), parts[0]);
        if shape.vex() {
            let high = match parts.get(1) {
                Some(&v) => v,
                None => self.vzero(),
            };
            self.b.set(regs::ymm_high(n), high);
        }
        Ok(())
    }
    /// 128 zero bits.
    pub fn vzero(&mut self) -> Value {
        self.b.vconst(Arr::D2, 0)
    }
    /// Any 128-bit constant.
    pub fn vconst128(&mut self, v: u128) -> Value {
        let (low, high) = (v as u64, (v >> 64) as u64);
        if low == high {
            return self.b.vconst(Arr::D2, low);
        }
        if high == 0 {
            return self.b.vconst(Arr::D1, low);
        }
        let (low, high) = (self.b.iconst(Type::I64, low), self.b.iconst(Type::I64, high));
        self.b.op(Op::VPair, Type::V128, &[low, high], 0, 0)
    }
    /// `c` in all lanes of `1 << log2` bytes.
    pub fn splat(&mut self, arr: Arr, c: u64) -> Value {
        let bits = arr.ebits();
        let c = c & (u64::MAX >> (64 - bits));
        let c = (0..64 / bits).fold(0, |v, n| v | c << (n * bits));
        self.b.vconst(Arr::new(3, arr.width()), c)
    }

    // --- MMX -----------------------------------------------------------------------------------------
    /// MMX register `n` as a vector of 64 bits.
    pub fn mm(&mut self, n: u8) -> Value {
        let v = self.area(state::X87 + 2 * n as usize);
        self.from_int(v)
    }
    /// A vector of an i64's bits.
    pub fn from_int(&mut self, v: Value) -> Value {
        let arr = if self.b.ty(v) == Type::I64 { Arr::D } else { Arr::S };
        self.b.op(Op::VFromInt, Type::V128, &[v], arr.0, 0)
    }
    /// 64 bits of a vector.
    pub fn to_int(&mut self, v: Value, lane: u64) -> Value {
        self.b.op(Op::VExtract, Type::I64, &[v], Arr::D2.0, lane)
    }
    /// Write MMX register `n`.
    pub fn set_mm(&mut self, n: u8, v: Value) {
        let v = self.to_int(v, 0);
        let ones = self.b.iconst(Type::I64, 0xffff);
        self.set_area(state::X87 + 2 * n as usize, v);
        self.set_area(state::X87 + 2 * n as usize + 1, ones);
    }
    /// What every MMX instruction does to the x87's state: the top is register 0, and no register is empty.
    pub fn enter_mmx(&mut self) {
        self.mmx_top();
        self.mmx_tags();
    }
    /// The first half, which a store does even if it faults.
    pub fn mmx_top(&mut self) {
        let sw = self.area(state::FSW);
        let sw = self.b.bin_imm(Op::And, sw, !0x3800);
        self.set_area(state::FSW, sw);
    }
    /// The second half.
    pub fn mmx_tags(&mut self) {
        let full = self.b.iconst(Type::I64, 0xff);
        self.set_area(state::FTW, full);
    }

    // --- operands --------------------------------------------------------------------------------------
    /// #GP if the address isn't a multiple of `bytes`.
    pub fn demand_alignment(&mut self, ea: Ea, bytes: u64) {
        let at = self.address(ea);
        let low = self.b.bin_imm(Op::And, at, bytes - 1);
        if self.constant(low) != Some(0) {
            self.trap_if(Trap::Protection, 0, low);
        }
    }
    /// Part `part` of operand `op`: a register, or memory that legacy SSE wants aligned.
    pub fn vpart(&mut self, shape: Shape, op: u32, part: usize) -> Result<Value, Refused> {
        if self.is_mem(op) {
            let ea = self.ea();
            if shape == Shape::Sse {
                self.demand_alignment(ea, 16);
            }
            let log2 = match shape {
                // PUNPCKL* read the half that they use.
                Shape::Mmx => memory_log2(self.i.memory_size()).unwrap_or(3),
                _ => shape.part_log2(),
            };
            return Ok(self.load(Type::V128, log2, ea.plus(16 * part as i64)));
        }
        self.vreg(op, part)
    }
    /// The same of a register.
    pub fn vreg(&mut self, op: u32, part: usize) -> Result<Value, Refused> {
        let r = self.i.op_register(op);
        if let Some(n) = mm(r) {
            return Ok(self.mm(n));
        }
        let (n, _) = vec_reg(r).ok_or(Refused::Undefined)?;
        Ok(self.xmm(n, part))
    }
    /// Operand `op` of `1 << log2` bytes: the low part of a register, or memory (zeros above).
    pub fn vscalar(&mut self, op: u32, log2: u8) -> Result<Value, Refused> {
        if self.is_mem(op) {
            let ea = self.ea();
            return Ok(self.load(Type::V128, log2, ea));
        }
        self.vreg(op, 0)
    }
    /// Numbers of the two source operands: the destination is the first of legacy forms.
    pub fn sources(&self, shape: Shape) -> (u32, u32) {
        if shape.vex() && self.i.op_count() >= 3 {
            (1, 2)
        } else {
            (0, 1)
        }
    }

    // --- shapes of instructions ---------------------------------------------------------------------------
    /// dst = f(src1, src2) on each part.
    pub fn v_binary(&mut self, f: impl Fn(&mut Self, Value, Value) -> Value) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let mut parts = [Value::NONE; 2];
        // Everything is loaded before anything is done.
        for (part, v) in parts[..shape.parts()].iter_mut().enumerate() {
            *v = self.vpart(shape, y, part)?;
        }
        for (part, v) in parts[..shape.parts()].iter_mut().enumerate() {
            let a = self.vreg(x, part)?;
            *v = f(self, a, *v);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }
    /// dst = f(src) on each part.
    pub fn v_unary(&mut self, f: impl Fn(&mut Self, Value) -> Value) -> Lifted {
        let shape = self.shape();
        let mut parts = [Value::NONE; 2];
        for (part, v) in parts[..shape.parts()].iter_mut().enumerate() {
            *v = self.vpart(shape, 1, part)?;
        }
        for v in &mut parts[..shape.parts()] {
            *v = f(self, *v);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }
    /// dst = src1 with lane 0 (of `1 << log2` bytes) = that of f(src1, src2), where src2 is a scalar.
    pub fn v_scalar(&mut self, log2: u8, f: impl Fn(&mut Self, Value, Value) -> Value) -> Lifted {
        let shape = if self.vex { Shape::Vex128 } else { Shape::Sse };
        let (x, y) = self.sources(shape);
        let b = self.vscalar(y, log2)?;
        let a = self.vreg(x, 0)?;
        let r = f(self, a, b);
        let r = self.insert_low(log2, a, r);
        self.set_vec(shape, &[r])
    }
    /// `a` with lane 0 of `b`.
    pub fn insert_low(&mut self, log2: u8, a: Value, b: Value) -> Value {
        self.b.vec_imm(Op::VInsertLane, Arr::new(log2, Width::W128), &[a, b], 0)
    }
    /// `a`'s lane `to` = `b`'s lane `from`.
    pub fn insert_lane(&mut self, arr: Arr, a: Value, to: u64, b: Value, from: u64) -> Value {
        self.b.vec_imm(Op::VInsertLane, arr, &[a, b], to << 8 | from)
    }

    /// Pass vectors through the guest's area to a helper: each takes two words from `TEMP` on. Its vector result is there, too.
    pub fn vhelper(&mut self, n: super::helpers::Number, vectors: &[Value], imm: u64) -> (Value, Value) {
        for (k, &v) in vectors.iter().enumerate() {
            let (low, high) = (self.to_int(v, 0), self.to_int(v, 1));
            self.set_area(state::TEMP + 2 * k, low);
            self.set_area(state::TEMP + 2 * k + 1, high);
        }
        let imm = self.b.iconst(Type::I64, imm);
        let r = self.helper(n, &[imm]);
        let (low, high) = (self.area(state::TEMP), self.area(state::TEMP + 1));
        (r, self.b.op(Op::VPair, Type::V128, &[low, high], 0, 0))
    }
}

/// What iced knows about sizes without its tables.
pub trait Sizes {
    /// The memory operand has 256 bits.
    fn memory_size_is_256(&self) -> bool;
}

impl Sizes for iced_x86::Instruction {
    fn memory_size_is_256(&self) -> bool {
        use iced_x86::MemorySize::*;
        matches!(
            self.memory_size(),
            UInt256
                | Int256
                | Packed256_UInt8
                | Packed256_Int8
                | Packed256_UInt16
                | Packed256_Int16
                | Packed256_UInt32
                | Packed256_Int32
                | Packed256_UInt64
                | Packed256_Int64
                | Packed256_UInt128
                | Packed256_Int128
                | Packed256_Float16
                | Packed256_Float32
                | Packed256_Float64
                | Packed256_Float128
        ) && !matches!(self.code(), Code::INVALID)
    }
}
