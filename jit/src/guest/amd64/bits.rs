//! Bits: tests, scans, counts, BMI1 and BMI2, CRC.

use super::helpers::Number;
use super::lift::{Lifted, Lifter};
use super::operand::{carrier, Ea};
use crate::ir::{Arr, Cond, Op, Type, Value};
use iced_x86::{Mnemonic as M, OpKind};

/// Bit operations.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Bt | M::Bts | M::Btr | M::Btc => l.bit_test(),
        M::Bsf | M::Bsr => l.bit_scan(),
        M::Tzcnt | M::Lzcnt => l.count_zeros(),
        M::Popcnt => l.popcnt(),
        M::Andn => l.andn(),
        M::Bextr => l.bextr(),
        M::Blsi | M::Blsr | M::Blsmsk => l.lowest_bit(),
        M::Bzhi => l.bzhi(),
        M::Pdep | M::Pext => l.deposit(),
        M::Crc32 => l.crc32(),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// The bit's number inside the operand, and the operand's address if it is in memory: a register's bit number reaches beyond the operand.
    fn bit_place(&mut self, log2: u8) -> Result<(Value, Option<Ea>), super::lift::Refused> {
        let bits = 8u64 << log2;
        let mut ea = self.is_mem(0).then(|| self.ea());
        if self.i.op1_kind() != OpKind::Register {
            let n = self.i.immediate8() as u64 & (bits - 1);
            return Ok((self.c(log2, n), ea));
        }
        let n = self.read(1, log2)?;
        if let Some(e) = ea {
            let far = self.sx(log2, n);
            let far = if log2 == 3 { far } else { self.b.sext(far) };
            let index = self.b.bin_imm(Op::Sar, far, log2 as u64 + 3);
            let index = self.b.bin_imm(Op::Shl, index, log2 as u64);
            let base = self.address(e);
            ea = Some(Ea { base, index, scale: 0, disp: 0 });
        }
        let n = self.b.bin_imm(Op::And, n, bits - 1);
        Ok((n, ea))
    }

    fn bit_test(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let (n, ea) = self.bit_place(log2)?;
        let m = self.i.mnemonic();
        let one = self.c(log2, 1);
        let mask = self.b.bin(Op::Shl, one, n);
        let old = match ea {
            Some(ea) if m != M::Bt && self.i.has_lock_prefix() => {
                let at = self.address(ea);
                let op = match m {
                    M::Bts => Op::AtomicSet,
                    M::Btr => Op::AtomicClr,
                    _ => Op::AtomicEor,
                };
                self.atomic(op, log2, at, mask)
            }
            Some(ea) => self.load(carrier(log2), log2, ea),
            None => self.read(0, log2)?,
        };
        if m != M::Bt && !(ea.is_some() && self.i.has_lock_prefix()) {
            let new = match m {
                M::Bts => self.b.bin(Op::Or, old, mask),
                M::Btr => self.b.bin(Op::Andn, old, mask),
                _ => self.b.bin(Op::Xor, old, mask),
            };
            match ea {
                Some(ea) => self.store(log2, ea, new),
                None => self.write(0, log2, new)?,
            }
        }
        let f = self.flags();
        let not = self.b.un(Op::Not, old);
        let f = match self.constant(n) {
            Some(n) if n > 0 => self.insert(f, not, n as u32 - 1, 2),
            _ => {
                let bit = self.b.bin(Op::Shr, not, n);
                let bit = self.b.bin_imm(Op::Shl, bit, 1);
                self.insert(f, bit, 0, 2)
            }
        };
        self.set_flags(f);
        Ok(())
    }

    /// The trailing zeros of a value that isn't zero.
    fn trailing(&mut self, v: Value) -> Value {
        let v = self.b.un(Op::Rbit, v);
        self.b.un(Op::Clz, v)
    }

    fn bit_scan(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        let v = self.zx(log2, v);
        let f = self.zero_flags(v);
        let r = if self.i.mnemonic() == M::Bsf {
            self.trailing(v)
        } else {
            let n = self.b.un(Op::Clz, v);
            self.b.bin_imm(Op::Xor, n, if log2 == 3 { 63 } else { 31 })
        };
        // Of zero, the destination is left alone, all of it.
        let g = super::operand::gpr(self.i.op0_register()).ok_or(super::lift::Refused::Undefined)?;
        let slot = super::regs::gpr(g.n);
        let old = self.b.get(slot);
        let mut new = self.wide(r);
        if log2 == 1 {
            new = self.b.bfi(old, new, 0, 16);
        }
        let new = self.b.select(Cond::Eq, f, old, new);
        self.b.set(slot, new);
        let f = self.cflip(f);
        self.set_flags(f);
        Ok(())
    }

    fn count_zeros(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        let v = self.zx(log2, v);
        let r = match (self.i.mnemonic(), log2) {
            (M::Tzcnt, 1) => {
                let v = self.b.bin_imm(Op::Or, v, 1 << 16);
                self.trailing(v)
            }
            (M::Tzcnt, _) => self.trailing(v),
            (_, 1) => {
                let n = self.b.un(Op::Clz, v);
                self.b.bin_imm(Op::Sub, n, 16)
            }
            _ => self.b.un(Op::Clz, v),
        };
        // ZF says that the result is zero, CF that the operand is.
        let empty = self.zero_flags(v);
        let some = self.set_cond(Type::I64, Cond::Ne, empty);
        let some = self.b.bin_imm(Op::Shl, some, 1);
        let (_, f) = self.b.bin_flags(Op::And, r, r);
        let f = self.insert(f, some, 0, 2);
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    fn popcnt(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        let v = self.zx(log2, v);
        let f = self.zero_flags(v);
        let f = self.cflip(f);
        // SF is never set.
        let zero = self.b.iconst(Type::I64, 0);
        let f = self.insert(f, zero, 0, 8);
        let x = self.b.op(Op::VFromInt, Type::V128, &[v], if log2 == 3 { Arr::D.0 } else { Arr::S.0 }, 0);
        let x = self.b.vec(Op::VCnt, Arr::B8, &[x]);
        let x = self.b.vec(Op::VAddv, Arr::B8, &[x]);
        let r = self.b.op(Op::VExtract, carrier(log2), &[x], Arr::B16.0, 0);
        self.write(0, log2, r)?;
        self.set_flags(f);
        let one = self.b.iconst(Type::I64, 1);
        self.set_pf(one);
        self.set_af(one);
        Ok(())
    }

    fn andn(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let (a, b) = (self.read(1, log2)?, self.read(2, log2)?);
        let (r, f) = self.b.bin_flags(Op::Andn, b, a);
        let f = self.cflip(f);
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    fn bextr(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let bits = 8u64 << log2;
        let (v, how) = (self.read(1, log2)?, self.read(2, log2)?);
        let start = self.b.bin_imm(Op::And, how, 0xff);
        let len = self.b.un_imm(Op::Ubfx, how, 8 << 8 | 8);
        let zero = self.c(log2, 0);
        let shifted = self.b.bin(Op::Shr, v, start);
        let over = self.at_least(start, bits);
        let shifted = self.b.select(Cond::Cs, over, zero, shifted);
        let r = self.low_bits(shifted, len, bits);
        let f = self.zero_flags(r);
        let f = self.cflip(f);
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    /// Flags whose C says that `v` is at least `n`.
    fn at_least(&mut self, v: Value, n: u64) -> Value {
        let ty = self.b.ty(v);
        let n = self.b.iconst(ty, n);
        self.b.bin_flags(Op::Sub, v, n).1
    }

    /// The low `len` bits of `v`, all of them from `bits` on.
    fn low_bits(&mut self, v: Value, len: Value, bits: u64) -> Value {
        let ty = self.b.ty(v);
        let ones = self.b.iconst(ty, u64::MAX);
        let mask = self.b.bin(Op::Shl, ones, len);
        let cut = self.b.bin(Op::Andn, v, mask);
        let over = self.at_least(len, bits);
        self.b.select(Cond::Cs, over, v, cut)
    }

    fn lowest_bit(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        let m = self.i.mnemonic();
        let r = match m {
            M::Blsi => {
                let n = self.b.un(Op::Neg, v);
                self.b.bin(Op::And, v, n)
            }
            M::Blsr => {
                let n = self.b.bin_imm(Op::Sub, v, 1);
                self.b.bin(Op::And, v, n)
            }
            _ => {
                let n = self.b.bin_imm(Op::Sub, v, 1);
                self.b.bin(Op::Xor, v, n)
            }
        };
        // CF: the operand is zero; of BLSI, that it is not.
        let empty = self.zero_flags(v);
        let no_carry = self.set_cond(Type::I64, if m == M::Blsi { Cond::Eq } else { Cond::Ne }, empty);
        let no_carry = self.b.bin_imm(Op::Shl, no_carry, 1);
        let (_, f) = self.b.bin_flags(Op::And, r, r);
        let f = self.insert(f, no_carry, 0, 2);
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    fn bzhi(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let bits = 8u64 << log2;
        let (v, n) = (self.read(1, log2)?, self.read(2, log2)?);
        let n = self.b.bin_imm(Op::And, n, 0xff);
        let r = self.low_bits(v, n, bits);
        let over = self.at_least(n, bits);
        let inside = self.set_cond(Type::I64, Cond::Cc, over);
        let inside = self.b.bin_imm(Op::Shl, inside, 1);
        let (_, f) = self.b.bin_flags(Op::And, r, r);
        let f = self.insert(f, inside, 0, 2);
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    fn deposit(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let (v, mask) = (self.read(1, log2)?, self.read(2, log2)?);
        let (v, mask) = (self.wide(v), self.wide(mask));
        let r = self.helper(if self.i.mnemonic() == M::Pdep { Number::Pdep } else { Number::Pext }, &[v, mask]);
        let r = self.narrow(log2, r);
        self.write(0, log2, r)
    }

    fn crc32(&mut self) -> Lifted {
        let from = self.size_of(1)?;
        let to = self.size_of(0)?;
        let v = self.read(1, from)?;
        let v = self.wide(v);
        let acc = self.read(0, 2)?;
        let acc = self.narrow(2, acc);
        let r = self.b.op(Op::Crc32, Type::I32, &[acc, v], from, 1);
        let r = self.carried(to, r);
        self.write(0, to, r)
    }
}
