//! Shifts and rotates.

use super::helpers::Number;
use super::lift::{Lifted, Lifter};
use super::operand::{carrier, gpr};
use super::state;
use crate::ir::{Op, Type, Value};
use iced_x86::{Mnemonic as M, OpKind};

/// Shifts, rotates, their double and flagless forms.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Shl | M::Sal | M::Shr | M::Sar => l.shift(),
        M::Rol | M::Ror => l.rotate(),
        M::Rcl | M::Rcr => l.rotate_carry(),
        M::Shld | M::Shrd => l.double(),
        M::Shlx | M::Shrx | M::Sarx => l.shift_x(),
        M::Rorx => l.rorx(),
        _ => return None,
    })
}

/// A shift's count.
#[derive(Clone, Copy)]
enum Count {
    /// Known, below the carrier's width.
    Known(u32),
    /// In the carrier's type, below its width.
    Value(Value),
}

impl Lifter<'_> {
    /// The count in operand `op`, masked by the operand size.
    fn count(&mut self, op: u32, log2: u8) -> Count {
        let mask = if log2 == 3 { 63 } else { 31 };
        if self.i.op_kind(op) != OpKind::Register {
            return Count::Known(self.i.try_immediate(op).unwrap_or(0) as u32 & mask);
        }
        let cl = self.low(1, log2.max(2));
        let n = self.b.bin_imm(Op::And, cl, mask as u64);
        match self.constant(n) {
            Some(n) => Count::Known(n as u32),
            None => Count::Value(n),
        }
    }

    fn shift(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let count = self.count(1, log2);
        if let Count::Known(0) = count {
            // Still a write: of 32 bits it clears the upper half, of memory it may fault.
            let v = self.read(0, log2)?;
            return self.write(0, log2, v);
        }
        let a = self.read(0, log2)?;
        let (op, a) = match self.i.mnemonic() {
            M::Shr => (Op::Shr, self.zx(log2, a)),
            M::Sar => (Op::Sar, self.sx(log2, a)),
            _ => (Op::Shl, a),
        };
        let bits = 8u32 << log2;
        let n = match count {
            Count::Known(n) => self.c(log2, n as u64),
            Count::Value(n) => n,
        };
        let r = self.b.bin(op, a, n);
        let mut f = self.logic_flags(log2, r);
        // The last bit that went out is in its place one step earlier.
        match count {
            Count::Known(n) => {
                let at = match op {
                    Op::Shl => bits as i32 - n as i32,
                    _ => n as i32 - 1,
                };
                if at >= 0 {
                    f = self.put_carry(f, a, at as u32);
                } else if op == Op::Shl {
                    f = self.put_carry_zero(f);
                }
            }
            Count::Value(n) => {
                let before = self.b.bin_imm(Op::Sub, n, 1);
                let t = self.b.bin(op, a, before);
                f = self.put_carry(f, t, if op == Op::Shl { bits - 1 } else { 0 });
            }
        }
        // OF is defined for a count of one.
        if matches!(count, Count::Known(1) | Count::Value(_)) && op != Op::Sar {
            let t = match op {
                Op::Shl => {
                    let twice = self.b.bin_imm(Op::Shl, a, 1);
                    self.b.bin(Op::Xor, a, twice)
                }
                _ => a,
            };
            f = self.insert(f, t, bits - 1, 1);
        }
        self.write(0, log2, r)?;
        match count {
            Count::Known(_) => {
                self.set_flags(f);
                self.set_pf(r);
            }
            Count::Value(n) => self.set_unless_zero(n, f, Some(r)),
        }
        Ok(())
    }

    /// `f` with the carry from bit `at` of `v`.
    fn put_carry(&mut self, f: Value, v: Value, at: u32) -> Value {
        let not = self.b.un(Op::Not, v);
        if at >= 1 {
            return self.insert(f, not, at - 1, 2);
        }
        let not = self.b.bin_imm(Op::Shl, not, 1);
        self.insert(f, not, 0, 2)
    }

    /// `f` without a carry.
    fn put_carry_zero(&mut self, f: Value) -> Value {
        let c = self.b.iconst(Type::I64, 2);
        self.insert(f, c, 0, 2)
    }

    fn rotate(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let left = self.i.mnemonic() == M::Rol;
        let bits = 8u32 << log2;
        let count = self.count(1, log2);
        let a = self.read(0, log2)?;
        if let Count::Known(0) = count {
            return self.write(0, log2, a);
        }
        let wide = self.repeat(log2, a);
        let n = match count {
            Count::Known(n) => {
                let n = n % bits;
                self.c(log2, if left { (bits - n) % bits } else { n } as u64)
            }
            Count::Value(n) if left => {
                let zero = self.c(log2, 0);
                self.b.bin(Op::Sub, zero, n)
            }
            Count::Value(n) => n,
        };
        let r = self.b.bin(Op::Ror, wide, n);
        let old = self.flags();
        let mut f = self.put_carry(old, r, if left { 0 } else { bits - 1 });
        if matches!(count, Count::Known(1) | Count::Value(_)) {
            let t = if left {
                // CF is bit 0: to the top.
                let up = self.b.bin_imm(Op::Shl, r, bits as u64 - 1);
                self.b.bin(Op::Xor, up, r)
            } else {
                let twice = self.b.bin_imm(Op::Shl, r, 1);
                self.b.bin(Op::Xor, twice, r)
            };
            f = self.insert(f, t, bits - 1, 1);
        }
        self.write(0, log2, r)?;
        match count {
            Count::Known(_) => self.set_flags(f),
            Count::Value(n) => self.set_unless_zero(n, f, None),
        }
        Ok(())
    }

    /// 8 or 16 bits repeated over 32.
    fn repeat(&mut self, log2: u8, v: Value) -> Value {
        let mut v = if log2 < 2 { self.zx(log2, v) } else { v };
        for n in [8, 16] {
            if n >= 8u64 << log2 && log2 < 2 {
                let t = self.b.bin_imm(Op::Shl, v, n);
                v = self.b.bin(Op::Or, v, t);
            }
        }
        v
    }

    fn rotate_carry(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let left = self.i.mnemonic() == M::Rcl;
        let count = self.count(1, log2);
        let a = self.read(0, log2)?;
        let count = match count {
            Count::Known(0) => return self.write(0, log2, a),
            Count::Known(n) => self.b.iconst(Type::I64, n as u64),
            Count::Value(n) => self.wide(n),
        };
        let v = self.zx(log2, a);
        let v = self.wide(v);
        let carry = self.carry(Type::I64);
        // The count in bits 7..0, CF in bit 8, log2 of the size above, and the direction.
        let how = self.b.bfi(count, carry, 8, 1);
        let how = self.b.bin_imm(Op::Or, how, (log2 as u64) << 16 | (left as u64) << 24);
        let r = self.helper(Number::RotateCarry, &[v, how]);
        let bits = self.area(state::TEMP);
        let old = self.flags();
        let f = self.insert(old, bits, 0, 3);
        let r = self.narrow(log2, r);
        self.write(0, log2, r)?;
        self.set_unless_zero(count, f, None);
        Ok(())
    }

    fn double(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let left = self.i.mnemonic() == M::Shld;
        let bits = 8u32 << log2;
        let count = self.count(2, log2);
        let a = self.read(0, log2)?;
        if let Count::Known(0) = count {
            return self.write(0, log2, a);
        }
        let b = self.read(1, log2)?;
        let n = match count {
            Count::Known(n) => self.c(log2, n as u64),
            Count::Value(n) => n,
        };
        let before = self.b.bin_imm(Op::Sub, n, 1);
        // What is shifted in, what was shifted out last.
        let (r, out, at) = if log2 == 1 {
            let (a, b) = (self.zx(1, a), self.zx(1, b));
            let (high, low) = if left { (a, b) } else { (b, a) };
            let both = self.b.bfi(low, high, 16, 16);
            if left {
                let r = self.b.bin(Op::Shl, both, n);
                let out = self.b.bin(Op::Shl, both, before);
                (self.b.bin_imm(Op::Shr, r, 16), out, 31)
            } else {
                (self.b.bin(Op::Shr, both, n), self.b.bin(Op::Shr, both, before), 0)
            }
        } else {
            let (to, from) = if left { (Op::Shl, Op::Shr) } else { (Op::Shr, Op::Shl) };
            let kept = self.b.bin(to, a, n);
            let once = self.b.bin_imm(from, b, 1);
            let rest = self.b.bin_imm(Op::Xor, n, bits as u64 - 1);
            let new = self.b.bin(from, once, rest);
            let out = self.b.bin(to, a, before);
            (self.b.bin(Op::Or, kept, new), out, if left { bits - 1 } else { 0 })
        };
        let f = self.logic_flags(log2, r);
        let f = self.put_carry(f, out, at);
        // OF, for a count of one: the sign has changed.
        let changed = self.b.bin(Op::Xor, a, r);
        let f = self.insert(f, changed, bits - 1, 1);
        self.write(0, log2, r)?;
        match count {
            Count::Known(_) => {
                self.set_flags(f);
                self.set_pf(r);
            }
            Count::Value(n) => self.set_unless_zero(n, f, Some(r)),
        }
        Ok(())
    }

    fn shift_x(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let op = match self.i.mnemonic() {
            M::Shlx => Op::Shl,
            M::Shrx => Op::Shr,
            _ => Op::Sar,
        };
        let (a, n) = (self.read(1, log2)?, self.read(2, log2)?);
        let r = self.b.bin(op, a, n);
        self.write(0, log2, r)
    }

    fn rorx(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let a = self.read(1, log2)?;
        let n = self.i.immediate8() as u64 & ((8 << log2) - 1);
        let r = self.b.bin_imm(Op::Ror, a, n);
        debug_assert!(gpr(self.i.op0_register()).is_some_and(|g| carrier(g.log2) == self.b.ty(r)));
        self.write(0, log2, r)
    }
}
