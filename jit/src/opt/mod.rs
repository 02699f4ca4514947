//! Passes over IR. They know only IR, run in a few linear walks over a block in place, and keep nothing between blocks but their scratch memory.
//!
//! [`Passes::run`]: a `get` of a register whose value the block knows becomes that value, and constants fold through
//! the integer operations that make addresses and immediates (`adrp`+`add`, `movz`+`movk`). What that leaves unused (and `set`s that are
//! overwritten unseen) the register allocator's liveness pass finds and drops: see `regalloc::analysis`.

use crate::ir::{Block, GuestReg, Inst, Op, Type, Value};

const REGS: usize = 129;

/// The passes with their scratch memory.
#[derive(Default)]
pub struct Passes {
    /// What each value is to be replaced by.
    alias: Vec<Value>,
}

impl Passes {
    /// Optimise `b` in place. Instructions keep their indices; removed ones become `nop`.
    pub fn run(&mut self, b: &mut Block) {
        self.forward(b);
    }

    fn forward(&mut self, b: &mut Block) {
        let mut known = [Value::NONE; REGS];
        self.alias.clear();
        for n in 0..b.insts.len() {
            let mut i = b.insts[n];
            for a in &mut i.args {
                if a.is_some() {
                    *a = self.alias[a.index()];
                }
            }
            let mut to = Value(n as u16);
            match i.op {
                Op::Get if i.reg() != GuestReg::FLAGS => {
                    let k = known[i.imm as usize];
                    if k.is_some() {
                        match replace(b, k, i.ty) {
                            Replacement::Value(v) => to = v,
                            Replacement::Inst(x) => i = x,
                        }
                        if to.index() != n {
                            i = NOP;
                        }
                    } else if i.ty == i.reg().ty() {
                        known[i.imm as usize] = to;
                    }
                }
                Op::Set if known[i.imm as usize] == i.args[0] => i = NOP,
                Op::Set => known[i.imm as usize] = i.args[0],
                _ => {
                    if let Some(c) = fold(b, n, &i) {
                        i = c;
                    }
                }
            }
            b.insts[n] = i;
            self.alias.push(to);
        }
    }
}

const NOP: Inst = Inst { op: Op::Nop, ty: Type::None, aux: 0, args: [Value::NONE; 3], imm: 0 };

enum Replacement {
    Value(Value),
    Inst(Inst),
}

/// What a `get` of type `ty` becomes when the register holds `k`.
fn replace(b: &Block, k: Value, ty: Type) -> Replacement {
    let d = b.def(k);
    if d.ty == ty {
        return Replacement::Value(k);
    }
    // The low half of an integer slot.
    match d.op {
        Op::Zext => Replacement::Value(d.args[0]),
        Op::Const => Replacement::Inst(Inst { op: Op::Const, ty, imm: d.imm & 0xffff_ffff, ..NOP }),
        _ => Replacement::Inst(Inst { op: Op::Trunc, ty, args: [k, Value::NONE, Value::NONE], ..NOP }),
    }
}

/// An integer operation on constants as a constant. Operations whose flags are taken stay (their `flagsof` refers to them).
fn fold(b: &Block, n: usize, i: &Inst) -> Option<Inst> {
    let c = |v: Value| match b.insts.get(v.index()) {
        Some(d) if d.op == Op::Const => Some(d.imm),
        _ => None,
    };
    let a = c(i.args[0])?;
    let flags_taken = b.insts.get(n + 1).is_some_and(|f| f.op == Op::FlagsOf);
    let r = match i.op {
        Op::Zext => a & 0xffff_ffff,
        Op::Sext => a as u32 as i32 as i64 as u64,
        Op::Trunc => a,
        Op::Bfi => {
            let (lsb, width) = (i.imm & 0xff, i.imm >> 8);
            let mask = (u64::MAX >> (64 - width)) << lsb;
            (a & !mask) | (c(i.args[1])? << lsb & mask)
        }
        Op::Add if !flags_taken => a.wrapping_add(c(i.args[1])?),
        Op::Sub if !flags_taken => a.wrapping_sub(c(i.args[1])?),
        Op::Or => a | c(i.args[1])?,
        Op::Xor => a ^ c(i.args[1])?,
        Op::Shl => a << (c(i.args[1])? & (i.ty.bits() as u64 - 1)),
        _ => return None,
    };
    let imm = if i.ty == Type::I32 { r & 0xffff_ffff } else { r };
    Some(Inst { op: Op::Const, ty: i.ty, imm, ..NOP })
}
