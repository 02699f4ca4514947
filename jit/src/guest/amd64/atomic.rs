//! Locked operations, exchanges.

use super::lift::{Lifted, Lifter};
use super::operand::{carrier, gpr};
use super::regs;
use crate::ir::op::SPLIT;
use crate::ir::{Arr, Cond, Op, Trap, Type, Value};
use iced_x86::Mnemonic as M;

/// Exchanges, and what else may be locked.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Xchg => l.xchg(),
        M::Xadd => l.xadd(),
        M::Cmpxchg => l.cmpxchg(),
        M::Cmpxchg8b => l.cmpxchg8b(),
        M::Cmpxchg16b => l.cmpxchg16b(),
        M::Add | M::Sub | M::And | M::Or | M::Xor | M::Inc | M::Dec | M::Not if l.i.has_lock_prefix() => l.locked(),
        M::Adc | M::Sbb | M::Neg if l.i.has_lock_prefix() => l.locked_loop(),
        M::Mfence => l.fence(0),
        M::Lfence => l.fence(1),
        M::Sfence => l.fence(2),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// An atomic operation at an address that may be anything; its old value.
    pub fn atomic(&mut self, op: Op, log2: u8, at: Value, v: Value) -> Value {
        self.b.op(op, carrier(log2), &[at, v], log2, SPLIT)
    }

    /// Compare and swap; the old value.
    fn cas(&mut self, log2: u8, at: Value, expected: Value, new: Value) -> Value {
        self.b.op(Op::AtomicCas, carrier(log2), &[at, expected, new], log2, SPLIT)
    }

    fn place(&mut self, op: u32) -> Value {
        debug_assert!(self.is_mem(op));
        let ea = self.ea();
        self.address(ea)
    }

    fn fence(&mut self, kind: u64) -> Lifted {
        self.b.op(Op::Fence, Type::None, &[], 0, kind);
        Ok(())
    }

    fn xchg(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        if self.is_mem(0) || self.is_mem(1) {
            let (mem, reg) = if self.is_mem(0) { (0, 1) } else { (1, 0) };
            let v = self.read(reg, log2)?;
            let at = self.place(mem);
            let old = self.atomic(Op::AtomicSwp, log2, at, v);
            return self.write(reg, log2, old);
        }
        let (a, b) = (self.read(0, log2)?, self.read(1, log2)?);
        self.write(0, log2, b)?;
        self.write(1, log2, a)
    }

    fn xadd(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let b = self.read(1, log2)?;
        let locked = self.i.has_lock_prefix();
        let a = if locked {
            let at = self.place(0);
            self.atomic(Op::AtomicAdd, log2, at, b)
        } else {
            self.read(0, log2)?
        };
        let (r, f) = self.sum(Op::Add, log2, a, b);
        let af = self.aux(a, b);
        if self.is_mem(0) {
            if !locked {
                self.write(0, log2, r)?;
            }
            self.write(1, log2, a)?;
        } else {
            self.write(1, log2, a)?;
            self.write(0, log2, r)?;
        }
        self.set_flags(f);
        self.set_pf(r);
        self.set_af(af);
        Ok(())
    }

    fn cmpxchg(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let acc = self.low(0, log2);
        let new = self.read(1, log2)?;
        let mem = self.is_mem(0);
        let old = if mem {
            let at = self.place(0);
            self.cas(log2, at, acc, new)
        } else {
            self.read(0, log2)?
        };
        let (r, f) = self.sum(Op::Sub, log2, acc, old);
        let af = self.aux(acc, old);
        // The accumulator is written when they differ, all of rax when it is 32 bits.
        let rax = self.b.get(regs::RAX);
        let wide = self.wide(old);
        let loaded = if log2 < 2 { self.b.bfi(rax, wide, 0, 8 << log2) } else { wide };
        let loaded = self.b.select(Cond::Eq, f, rax, loaded);
        if mem {
            self.b.set(regs::RAX, loaded);
        } else {
            let g = gpr(self.i.op0_register()).ok_or(super::lift::Refused::Undefined)?;
            if log2 < 2 {
                let kept = self.b.select(Cond::Eq, f, new, old);
                self.b.set(regs::RAX, loaded);
                self.set_gpr(g, kept);
            } else {
                // Not even the upper half is written when they differ.
                let slot = regs::gpr(g.n);
                let before = self.b.get(slot);
                let new = self.wide(new);
                let kept = self.b.select(Cond::Eq, f, new, before);
                self.b.set(regs::RAX, loaded);
                self.b.set(slot, kept);
            }
        }
        self.set_flags(f);
        self.set_pf(r);
        self.set_af(af);
        Ok(())
    }

    fn cmpxchg8b(&mut self) -> Lifted {
        let at = self.place(0);
        let [a, d, b, c] = [regs::RAX, regs::RDX, regs::RBX, regs::RCX].map(|r| self.b.get(r));
        let expected = self.b.bfi(a, d, 32, 32);
        let new = self.b.bfi(b, c, 32, 32);
        let old = self.cas(3, at, expected, new);
        let (_, same) = self.b.bin_flags(Op::Sub, old, expected);
        let low = self.b.trunc(old);
        let low = self.b.zext(low);
        let high = self.b.bin_imm(Op::Shr, old, 32);
        self.finish_pair(same, a, d, low, high);
        Ok(())
    }

    fn cmpxchg16b(&mut self) -> Lifted {
        let at = self.place(0);
        let low = self.b.bin_imm(Op::And, at, 15);
        self.trap_if(Trap::Protection, 0, low);
        let [a, d, b, c] = [regs::RAX, regs::RDX, regs::RBX, regs::RCX].map(|r| self.b.get(r));
        let expected = self.b.op(Op::VPair, Type::V128, &[a, d], 0, 0);
        let new = self.b.op(Op::VPair, Type::V128, &[b, c], 0, 0);
        let old = self.b.op(Op::AtomicCasp, Type::V128, &[at, expected, new], 4, 0);
        let low = self.b.op(Op::VExtract, Type::I64, &[old], Arr::D2.0, 0);
        let high = self.b.op(Op::VExtract, Type::I64, &[old], Arr::D2.0, 1);
        let x = self.b.bin(Op::Xor, low, a);
        let y = self.b.bin(Op::Xor, high, d);
        let different = self.b.bin(Op::Or, x, y);
        let same = self.zero_flags(different);
        self.finish_pair(same, a, d, low, high);
        Ok(())
    }

    /// rdx:rax becomes what was found if that is different; only ZF is changed.
    fn finish_pair(&mut self, same: Value, a: Value, d: Value, low: Value, high: Value) {
        let a = self.b.select(Cond::Eq, same, a, low);
        let d = self.b.select(Cond::Eq, same, d, high);
        let z = self.set_cond(Type::I64, Cond::Eq, same);
        let z = self.b.bin_imm(Op::Shl, z, 2);
        let old = self.flags();
        let f = self.insert(old, z, 0, 4);
        self.b.set(regs::RAX, a);
        self.b.set(regs::RDX, d);
        self.set_flags(f);
    }

    fn locked(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let m = self.i.mnemonic();
        let b = match m {
            M::Inc | M::Dec => self.c(log2, 1),
            M::Not => self.c(log2, u64::MAX),
            _ => self.read(1, log2)?,
        };
        let at = self.place(0);
        let (op, operand) = match m {
            M::Add | M::Inc => (Op::AtomicAdd, b),
            M::Sub | M::Dec => {
                let zero = self.c(log2, 0);
                (Op::AtomicAdd, self.b.bin(Op::Sub, zero, b))
            }
            M::And => (Op::AtomicClr, self.b.un(Op::Not, b)),
            M::Or => (Op::AtomicSet, b),
            _ => (Op::AtomicEor, b),
        };
        let a = self.atomic(op, log2, at, operand);
        match m {
            M::Not => {}
            M::And | M::Or | M::Xor => {
                let op = match m {
                    M::And => Op::And,
                    M::Or => Op::Or,
                    _ => Op::Xor,
                };
                let r = self.b.bin(op, a, b);
                self.set_logic(log2, r);
            }
            _ => {
                let old = self.flags();
                let (r, mut f) = self.sum(if matches!(m, M::Add | M::Inc) { Op::Add } else { Op::Sub }, log2, a, b);
                if matches!(m, M::Inc | M::Dec) {
                    f = self.keep_carry(f, old);
                }
                let af = self.aux(a, b);
                self.set_flags(f);
                self.set_pf(r);
                self.set_af(af);
            }
        }
        Ok(())
    }

    /// By compare and swap; the instruction starts over if another thread was faster.
    fn locked_loop(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let ea = self.ea();
        let a = self.load(carrier(log2), log2, ea);
        let (r, f, af) = match self.i.mnemonic() {
            M::Neg => {
                let zero = self.c(log2, 0);
                let (r, f) = self.sum(Op::Sub, log2, zero, a);
                (r, f, a)
            }
            m => {
                let b = self.read(1, log2)?;
                let (r, f) = self.sum_carry(if m == M::Adc { Op::Adc } else { Op::Sbc }, log2, a, b);
                (r, f, self.aux(a, b))
            }
        };
        let at = self.address(ea);
        let old = self.cas(log2, at, a, r);
        let different = self.b.bin(Op::Xor, old, a);
        let pc = self.pc;
        self.b.op(Op::ExitIfNonzero, Type::None, &[different], 0, pc);
        self.set_flags(f);
        self.set_pf(r);
        self.set_af(af);
        Ok(())
    }
}
