//! Operands: registers of every width, addresses, memory.

use super::lift::{Lifted, Lifter, Refused};
use super::regs;
use crate::ir::{GuestReg, Inst, Mem, Op, Type, Value};
use iced_x86::{MemorySize, OpKind, Register};

/// A general register operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gpr {
    /// Its number.
    pub n: u8,
    /// log2 of its bytes.
    pub log2: u8,
    /// ah, ch, dh or bh.
    pub high: bool,
}

/// The general register that `r` is.
pub fn gpr(r: Register) -> Option<Gpr> {
    use Register::{
        AH, AL, AX, BH, BL, BPL, CH, CL, DH, DIL, DL, EAX, R10L, R11L, R12L, R13L, R14L, R15, R15D, R15L, R15W, R8L, R9L, RAX,
        SIL, SPL,
    };
    let at = |first: Register, log2: u8| Some(Gpr { n: (r as u32 - first as u32) as u8, log2, high: false });
    match r {
        AL | CL | DL | BL => at(AL, 0),
        AH | CH | DH | BH => Some(Gpr { high: true, ..at(AH, 0)? }),
        SPL | BPL | SIL | DIL | R8L | R9L | R10L | R11L | R12L | R13L | R14L | R15L => {
            Some(Gpr { n: (r as u32 - SPL as u32) as u8 + 4, log2: 0, high: false })
        }
        _ if (AX as u32..=R15W as u32).contains(&(r as u32)) => at(AX, 1),
        _ if (EAX as u32..=R15D as u32).contains(&(r as u32)) => at(EAX, 2),
        _ if (RAX as u32..=R15 as u32).contains(&(r as u32)) => at(RAX, 3),
        _ => None,
    }
}

/// The number of the xmm or ymm register that `r` is, and whether it is ymm.
pub fn vec_reg(r: Register) -> Option<(u8, bool)> {
    let n = r as u32;
    if (Register::XMM0 as u32..=Register::XMM15 as u32).contains(&n) {
        return Some(((n - Register::XMM0 as u32) as u8, false));
    }
    (Register::YMM0 as u32..=Register::YMM15 as u32).contains(&n).then(|| ((n - Register::YMM0 as u32) as u8, true))
}

/// log2 of the bytes of an access.
pub fn memory_log2(m: MemorySize) -> Option<u8> {
    use MemorySize::*;
    Some(match m {
        UInt8 | Int8 => 0,
        UInt16 | Int16 | Float16 | WordOffset => 1,
        UInt32 | Int32 | Float32 | DwordOffset | Packed32_Int8 | Packed32_UInt8 | Packed32_UInt16 | Packed32_Int16 => 2,
        UInt64 | Int64 | Float64 | QwordOffset | Packed64_UInt8 | Packed64_Int8 | Packed64_UInt16 | Packed64_Int16
        | Packed64_UInt32 | Packed64_Int32 | Packed64_Float32 | Packed64_Float16 => 3,
        _ => return None,
    })
}

/// An effective address in the form that memory operations take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ea {
    /// Base.
    pub base: Value,
    /// Index or none.
    pub index: Value,
    /// Its scale.
    pub scale: u8,
    /// Displacement.
    pub disp: i64,
}

impl Ea {
    /// Further by `n` bytes.
    pub fn plus(self, n: i64) -> Ea {
        Ea { disp: self.disp.wrapping_add(n), ..self }
    }
}

/// The integer type that carries `1 << log2` bytes.
pub fn carrier(log2: u8) -> Type {
    if log2 == 3 {
        Type::I64
    } else {
        Type::I32
    }
}

impl Lifter<'_> {
    /// log2 of the size of a general operand: register, memory.
    pub fn size_of(&self, op: u32) -> Result<u8, Refused> {
        let size = match self.i.op_kind(op) {
            OpKind::Register => gpr(self.i.op_register(op)).map(|g| g.log2),
            OpKind::Memory => memory_log2(self.i.memory_size()),
            _ => None,
        };
        size.ok_or(Refused::Undefined)
    }
    /// Whether an operand is in memory.
    pub fn is_mem(&self, op: u32) -> bool {
        self.i.op_kind(op) == OpKind::Memory
    }
    /// Integer constant of the type that carries `1 << log2` bytes.
    pub fn c(&mut self, log2: u8, c: u64) -> Value {
        self.b.iconst(carrier(log2), c)
    }

    // --- registers -----------------------------------------------------------------------------------
    /// A general register; what is above its width is anything.
    pub fn gpr_raw(&mut self, g: Gpr) -> Value {
        let slot = regs::gpr(g.n);
        if g.high {
            let v = self.b.get32(slot);
            return self.b.un_imm(Op::Ubfx, v, 8 << 8 | 8);
        }
        if g.log2 == 3 {
            self.b.get(slot)
        } else {
            self.b.get32(slot)
        }
    }
    /// Write a general register as an instruction of that width does: 32 bits clear the upper half, fewer keep what is above.
    pub fn set_gpr(&mut self, g: Gpr, v: Value) {
        let slot = regs::gpr(g.n);
        let v = self.wide(v);
        let v = match g.log2 {
            3 | 2 => v,
            log2 => {
                let old = self.b.get(slot);
                self.b.bfi(old, v, if g.high { 8 } else { 0 }, 8 << log2)
            }
        };
        self.b.set(slot, v);
    }
    /// The low part of register `n` of this width.
    pub fn low(&mut self, n: u8, log2: u8) -> Value {
        self.gpr_raw(Gpr { n, log2, high: false })
    }
    /// Write the low part of register `n`.
    pub fn set_low(&mut self, n: u8, log2: u8, v: Value) {
        self.set_gpr(Gpr { n, log2, high: false }, v);
    }
    /// As an i64, zeros above an i32.
    pub fn wide(&mut self, v: Value) -> Value {
        if self.b.ty(v) == Type::I32 {
            self.b.zext(v)
        } else {
            v
        }
    }
    /// Cut to the type that carries this width.
    pub fn narrow(&mut self, log2: u8, v: Value) -> Value {
        if self.b.ty(v) == Type::I64 && log2 < 3 {
            self.b.trunc(v)
        } else {
            v
        }
    }
    /// Zeros above the width.
    pub fn zx(&mut self, log2: u8, v: Value) -> Value {
        let bits = 8u64 << log2;
        let &Inst { op, imm, aux, ty, .. } = self.b.def(v);
        match op {
            _ if log2 >= 2 => v,
            Op::Const => self.b.iconst(ty, imm & (u64::MAX >> (64 - bits))),
            Op::Load if Mem::from_bits(aux).log2 <= log2 && !Mem::from_bits(aux).signed => v,
            Op::Ubfx if imm >> 8 <= bits => v,
            _ => self.b.un_imm(Op::Ubfx, v, bits << 8),
        }
    }
    /// The sign above the width, in the carrier.
    pub fn sx(&mut self, log2: u8, v: Value) -> Value {
        let bits = 8u64 << log2;
        let &Inst { op, imm, ty, .. } = self.b.def(v);
        match op {
            _ if log2 >= 2 => v,
            Op::Const => self.b.iconst(ty, ((imm << (64 - bits)) as i64 >> (64 - bits)) as u64),
            _ => self.b.un_imm(Op::Sbfx, v, bits << 8),
        }
    }

    // --- addresses -----------------------------------------------------------------------------------
    /// The effective address of the memory operand, with its segment's base.
    pub fn ea(&mut self) -> Ea {
        let ea = self.offset();
        let segment = match self.i.memory_segment() {
            Register::FS => regs::FS,
            Register::GS => regs::GS,
            _ => return ea,
        };
        let base = self.b.get(segment);
        if let (false, Some(c)) = (ea.index.is_some(), self.constant(ea.base)) {
            return Ea { base, disp: ea.disp.wrapping_add(c as i64), ..ea };
        }
        if !ea.index.is_some() {
            return Ea { base, index: ea.base, ..ea };
        }
        let base = self.b.bin(Op::Add, base, ea.base);
        Ea { base, ..ea }
    }

    /// The constant that `v` is.
    pub fn constant(&self, v: Value) -> Option<u64> {
        let d = self.b.def(v);
        (d.op == Op::Const).then_some(d.imm)
    }

    /// The memory operand's offset in its segment.
    fn offset(&mut self) -> Ea {
        let i = self.i;
        let (base, index) = (i.memory_base(), i.memory_index());
        let disp = i.memory_displacement64();
        let scale = i.memory_index_scale().trailing_zeros() as u8;
        let none = Ea { base: Value::NONE, index: Value::NONE, scale: 0, disp: 0 };
        if base == Register::RIP || base == Register::EIP {
            return Ea { base: self.b.iconst(Type::I64, disp), ..none };
        }
        let narrow = [base, index].iter().filter_map(|&r| gpr(r)).any(|g| g.log2 == 2)
            || (base == Register::None && index == Register::None && i.memory_displ_size() == 4);
        if narrow {
            return Ea { base: self.offset32(base, index, scale, disp as u32), ..none };
        }
        let part = |l: &mut Self, r: Register| gpr(r).map(|g| l.gpr_raw(g));
        match (part(self, base), part(self, index)) {
            (Some(base), None) => Ea { base, disp: disp as i64, ..none },
            (Some(base), Some(index)) => Ea { base, index, scale, disp: disp as i64 },
            (None, Some(index)) if scale == 0 => Ea { base: index, disp: disp as i64, ..none },
            (None, Some(index)) => {
                let base = self.b.iconst(Type::I64, disp);
                Ea { base, index, scale, disp: 0 }
            }
            (None, None) => Ea { base: self.b.iconst(Type::I64, disp), ..none },
        }
    }

    /// The same by 32-bit arithmetic.
    fn offset32(&mut self, base: Register, index: Register, scale: u8, disp: u32) -> Value {
        let mut v = self.b.iconst(Type::I32, disp as u64);
        if let Some(g) = gpr(base) {
            let r = self.gpr_raw(g);
            v = self.b.bin(Op::Add, r, v);
        }
        if let Some(g) = gpr(index) {
            let r = self.gpr_raw(g);
            let r = self.b.bin_imm(Op::Shl, r, scale as u64);
            v = self.b.bin(Op::Add, v, r);
        }
        self.b.zext(v)
    }

    /// The address without its segment, as LEA has it.
    pub fn lea_value(&mut self) -> Value {
        let ea = self.offset();
        self.address(ea)
    }

    /// An address as one value.
    pub fn address(&mut self, ea: Ea) -> Value {
        let mut v = ea.base;
        if ea.index.is_some() {
            let index = if ea.scale > 0 { self.b.bin_imm(Op::Shl, ea.index, ea.scale as u64) } else { ea.index };
            v = self.b.bin(Op::Add, v, index);
        }
        if ea.disp != 0 {
            v = self.b.bin_imm(Op::Add, v, ea.disp as u64);
        }
        v
    }

    // --- memory --------------------------------------------------------------------------------------
    /// Load of `1 << log2` bytes: an integer with zeros above, or a vector.
    pub fn load(&mut self, ty: Type, log2: u8, ea: Ea) -> Value {
        self.b.load(ty, Mem::size(log2).scaled(ea.scale).tso(), ea.base, ea.index, ea.disp)
    }
    /// Load with the sign above.
    pub fn load_signed(&mut self, ty: Type, log2: u8, ea: Ea) -> Value {
        self.b.load(ty, Mem::size(log2).signed().scaled(ea.scale).tso(), ea.base, ea.index, ea.disp)
    }
    /// Store of the low `1 << log2` bytes.
    pub fn store(&mut self, log2: u8, ea: Ea, v: Value) {
        self.b.store(Mem::size(log2).scaled(ea.scale).tso(), ea.base, ea.index, ea.disp, v);
    }
    /// An address that is a register's value plus a constant.
    pub fn at(&mut self, r: GuestReg, disp: i64) -> Ea {
        let base = self.b.get(r);
        Ea { base, index: Value::NONE, scale: 0, disp }
    }

    // --- general operands ------------------------------------------------------------------------------
    /// Operand `op` in the carrier of `1 << log2` bytes; what is above the width is anything. Immediates are sign-extended already.
    pub fn read(&mut self, op: u32, log2: u8) -> Result<Value, Refused> {
        match self.i.op_kind(op) {
            OpKind::Register => {
                let g = gpr(self.i.op_register(op)).ok_or(Refused::Undefined)?;
                Ok(self.gpr_raw(g))
            }
            OpKind::Memory => {
                let ea = self.ea();
                Ok(self.load(carrier(log2), log2, ea))
            }
            _ => {
                let c = self.i.try_immediate(op).map_err(|_| Refused::Undefined)?;
                Ok(self.c(log2, c))
            }
        }
    }
    /// Write operand `op`: store, or set. A store must come before any `set` of the instruction.
    pub fn write(&mut self, op: u32, log2: u8, v: Value) -> Lifted {
        if self.is_mem(op) {
            let ea = self.ea();
            self.store(log2, ea, v);
        } else {
            let g = gpr(self.i.op_register(op)).ok_or(Refused::Undefined)?;
            self.set_gpr(g, v);
        }
        Ok(())
    }
}
