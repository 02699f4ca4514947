//! Multiplication and division.

use super::helpers::Number;
use super::lift::{Lifted, Lifter};
use super::operand::carrier;
use super::{regs, state};
use crate::ir::{Cond, Op, Trap, Type, Value};
use iced_x86::Mnemonic as M;

/// Multiplications, divisions.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Mul => l.mul_wide(false),
        M::Imul if l.i.op_count() == 1 => l.mul_wide(true),
        M::Imul => l.imul(),
        M::Mulx => l.mulx(),
        M::Div => l.div(false),
        M::Idiv => l.div(true),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// CF = OF = the comparison says "different"; the others are undefined.
    fn set_overflow(&mut self, different: Value) {
        let x = self.set_cond(Type::I64, Cond::Ne, different);
        let two = self.b.iconst(Type::I64, 2);
        let bits = self.b.bin(Op::Sub, two, x);
        let f = self.insert(different, bits, 0, 15);
        self.set_flags(f);
    }

    /// The low and the high half of the product.
    fn product(&mut self, signed: bool, log2: u8, a: Value, b: Value) -> (Value, Value) {
        if log2 == 3 {
            let low = self.b.bin(Op::Mul, a, b);
            return (low, self.b.bin(if signed { Op::Smulh } else { Op::Umulh }, a, b));
        }
        if log2 == 2 {
            let (a, b) = if signed { (self.b.sext(a), self.b.sext(b)) } else { (self.b.zext(a), self.b.zext(b)) };
            let p = self.b.bin(Op::Mul, a, b);
            let high = self.b.bin_imm(Op::Shr, p, 32);
            return (self.b.trunc(p), self.b.trunc(high));
        }
        let (a, b) = if signed { (self.sx(log2, a), self.sx(log2, b)) } else { (self.zx(log2, a), self.zx(log2, b)) };
        let p = self.b.bin(Op::Mul, a, b);
        (p, self.b.bin_imm(if signed { Op::Sar } else { Op::Shr }, p, 8 << log2))
    }

    /// Flags that say whether the high half is more than the low half's extension.
    fn needs_high(&mut self, signed: bool, log2: u8, low: Value, high: Value) -> Value {
        let expected = if signed {
            let low = self.sx(log2, low);
            self.b.bin_imm(Op::Sar, low, if log2 == 3 { 63 } else { 31 })
        } else {
            self.c(log2, 0)
        };
        let high = if signed { self.sx(log2, high) } else { self.zx(log2, high) };
        self.b.bin_flags(Op::Sub, high, expected).1
    }

    fn mul_wide(&mut self, signed: bool) -> Lifted {
        let log2 = self.size_of(0)?;
        let a = self.low(0, log2);
        let b = self.read(0, log2)?;
        let (low, high) = self.product(signed, log2, a, b);
        let f = self.needs_high(signed, log2, low, high);
        if log2 == 0 {
            self.set_low(0, 1, low);
        } else {
            self.set_low(0, log2, low);
            self.set_low(2, log2, high);
        }
        self.set_overflow(f);
        Ok(())
    }

    fn imul(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let three = self.i.op_count() == 3;
        let a = self.read(three as u32, log2)?;
        let b = self.read(1 + three as u32, log2)?;
        let (low, high) = self.product(true, log2, a, b);
        let f = self.needs_high(true, log2, low, high);
        self.write(0, log2, low)?;
        self.set_overflow(f);
        Ok(())
    }

    fn mulx(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let a = self.low(2, log2);
        let b = self.read(2, log2)?;
        let (low, high) = self.product(false, log2, a, b);
        // If both are the same register, it gets the high half.
        self.write(1, log2, low)?;
        self.write(0, log2, high)
    }

    // --- division ----------------------------------------------------------------------------------------
    fn div(&mut self, signed: bool) -> Lifted {
        let log2 = self.size_of(0)?;
        let d = self.read(0, log2)?;
        if log2 == 3 {
            self.div64(signed, d);
            return Ok(());
        }
        // In twice the width: 16 and 32 bits in an i32, 64 in an i64.
        let (n, ty) = match log2 {
            0 => (self.low(0, 1), Type::I32),
            1 => {
                let (low, high) = (self.low(0, 1), self.low(2, 1));
                (self.b.bfi(low, high, 16, 16), Type::I32)
            }
            _ => {
                let (low, high) = (self.b.get(regs::RAX), self.b.get(regs::RDX));
                (self.b.bfi(low, high, 32, 32), Type::I64)
            }
        };
        let n = if log2 == 0 {
            if signed {
                self.sx(1, n)
            } else {
                self.zx(1, n)
            }
        } else {
            n
        };
        let d = match (log2, signed) {
            (2, true) => self.b.sext(d),
            (2, false) => self.b.zext(d),
            (_, true) => self.sx(log2, d),
            _ => self.zx(log2, d),
        };
        debug_assert_eq!(self.b.ty(d), ty);
        let q = self.b.bin(if signed { Op::Sdiv } else { Op::Udiv }, n, d);
        let p = self.b.bin(Op::Mul, q, d);
        let r = self.b.bin(Op::Sub, n, p);
        // The quotient must fit. Divided by zero it is zero; the least number by -1 stays the least, whose upper half isn't a sign's.
        let bits = 8u64 << log2;
        let wrong = if signed {
            let fit = self.b.un_imm(Op::Sbfx, q, bits << 8);
            self.b.bin(Op::Xor, fit, q)
        } else {
            self.b.bin_imm(Op::Shr, q, bits)
        };
        self.trap_if_zero(d);
        self.trap_if(Trap::Divide, 0, wrong);
        let (q, r) = (self.narrow(log2, q), self.narrow(log2, r));
        if log2 == 0 {
            let q = self.zx(0, q);
            let both = self.b.bfi(q, r, 8, 8);
            self.set_low(0, 1, both);
        } else {
            self.set_low(0, log2, q);
            self.set_low(2, log2, r);
        }
        Ok(())
    }

    /// #DE if `d` is zero.
    fn trap_if_zero(&mut self, d: Value) {
        let f = self.zero_flags(d);
        let zero = self.set_cond(Type::I32, Cond::Eq, f);
        self.trap_if(Trap::Divide, 0, zero);
    }

    fn div64(&mut self, signed: bool, d: Value) {
        let (low, high) = (self.b.get(regs::RAX), self.b.get(regs::RDX));
        let extended = if signed {
            // What CQO makes.
            let h = self.b.def(high);
            h.op == Op::Sar && h.args[0] == low && self.constant(h.args[1]) == Some(63)
        } else {
            self.constant(high) == Some(0)
        };
        let (q, r) = if extended {
            self.trap_if_zero(d);
            if signed {
                // The least number by -1.
                let top = self.b.bin_imm(Op::Xor, low, 1 << 63);
                let ones = self.b.un(Op::Not, d);
                let both = self.b.bin(Op::Or, top, ones);
                self.trap_if_zero(both);
            }
            let q = self.b.bin(if signed { Op::Sdiv } else { Op::Udiv }, low, d);
            let p = self.b.bin(Op::Mul, q, d);
            (q, self.b.bin(Op::Sub, low, p))
        } else {
            self.set_area(state::TEMP, high);
            let q = self.helper(if signed { Number::Idiv } else { Number::Div }, &[low, d]);
            let wrong = self.area(state::TEMP);
            self.trap_if(Trap::Divide, 0, wrong);
            (q, self.area(state::TEMP + 1))
        };
        self.b.set(regs::RAX, q);
        self.b.set(regs::RDX, r);
        debug_assert_eq!(carrier(3), Type::I64);
    }
}
