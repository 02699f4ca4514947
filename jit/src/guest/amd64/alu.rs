//! Moves and arithmetic of the integer unit.

use super::flags::{condition, Test, Under};
use super::lift::{Lifted, Lifter, Refused};
use super::operand::{carrier, gpr};
use super::regs;
use crate::ir::{Op, Type, Value};
use iced_x86::{Code, Mnemonic as M, OpKind, Register};

/// Moves, arithmetic and logic; conditional moves and sets.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    use Register as R;
    let system = |r: R| matches!(r, R::ES | R::CS | R::SS | R::DS | R::FS | R::GS) || super::sys::control_register(r);
    Some(match l.i.mnemonic() {
        M::Mov if system(l.i.op0_register()) || system(l.i.op1_register()) => return None,
        M::Mov => l.mov(),
        M::Lea => l.lea(),
        M::Push => l.push_op(),
        M::Pop => l.pop_op(),
        M::Add | M::Sub | M::Cmp | M::And | M::Or | M::Xor | M::Test | M::Adc | M::Sbb | M::Inc | M::Dec | M::Neg | M::Not
            if l.i.has_lock_prefix() =>
        {
            return None
        }
        M::Add | M::Sub | M::Cmp | M::Adc | M::Sbb => l.arith(),
        M::And | M::Or | M::Xor | M::Test => l.logic(),
        M::Inc | M::Dec => l.inc_dec(),
        M::Neg => l.neg(),
        M::Not => l.not(),
        M::Movzx | M::Movsx | M::Movsxd => l.extend(),
        M::Cbw | M::Cwde | M::Cdqe => l.widen_acc(),
        M::Cwd | M::Cdq | M::Cqo => l.widen_to_rdx(),
        M::Nop | M::Reservednop | M::Pause => Ok(()),
        M::Bswap => l.bswap(),
        M::Movbe => l.movbe(),
        M::Movnti => l.mov(),
        M::Xlatb => l.xlat(),
        M::Leave => l.leave(),
        M::Enter => l.enter(),
        M::Adcx | M::Adox => l.adx(),
        m => match condition(m)? {
            (Under::Set, cc) => l.set_cc(cc),
            (Under::Move, cc) => l.cmov(cc),
            (Under::Jump, _) => return None,
        },
    })
}

impl Lifter<'_> {
    fn mov(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        self.write(0, log2, v)
    }

    fn lea(&mut self) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let v = self.lea_value();
        let v = self.narrow(g.log2, v);
        self.set_gpr(g, v);
        Ok(())
    }

    /// Store at the new top of the stack, then move the stack pointer.
    pub fn push(&mut self, log2: u8, v: Value) {
        let size = 1i64 << log2;
        let top = self.at(regs::RSP, -size);
        self.store(log2, top, v);
        let rsp = self.b.bin_imm(Op::Add, top.base, -size as u64);
        self.b.set(regs::RSP, rsp);
    }

    /// The operand size of pushes and pops.
    fn stack_log2(&self) -> u8 {
        use Code::*;
        let word = match self.i.code() {
            Push_imm16 | Pushw_imm8 | Pushw_FS | Pushw_GS | Popw_FS | Popw_GS | Leavew => true,
            _ => self.i.op_count() == 1 && self.size_of(0) == Ok(1),
        };
        if word {
            1
        } else {
            3
        }
    }

    fn push_op(&mut self) -> Lifted {
        let log2 = self.stack_log2();
        let v = match self.i.op0_register() {
            Register::FS | Register::GS => self.b.iconst(Type::I64, 0),
            _ => {
                let v = self.read(0, log2)?;
                self.carried(log2, v)
            }
        };
        self.push(log2, v);
        Ok(())
    }

    fn pop_op(&mut self) -> Lifted {
        let log2 = self.stack_log2();
        let top = self.at(regs::RSP, 0);
        let v = self.load(carrier(log2), log2, top);
        let rsp = self.b.bin_imm(Op::Add, top.base, 1 << log2);
        match self.i.op0_kind() {
            OpKind::Register => {
                if let r @ (Register::FS | Register::GS) = self.i.op0_register() {
                    self.demand_selector(r, v);
                    self.null_base(r);
                }
                self.b.set(regs::RSP, rsp);
                match self.i.op0_register() {
                    Register::FS | Register::GS => {}
                    r => self.set_gpr(gpr(r).ok_or(Refused::Undefined)?, v),
                }
            }
            _ => {
                // Its address is computed after the stack pointer has moved.
                let mut ea = self.ea();
                if ea.base == top.base {
                    ea.disp += 1 << log2;
                }
                self.store(log2, ea, v);
                self.b.set(regs::RSP, rsp);
            }
        }
        Ok(())
    }

    // --- arithmetic ------------------------------------------------------------------------------------
    /// a + b or a - b at a width: the result, whose upper bits are anything, and the resting flags.
    pub fn sum(&mut self, op: Op, log2: u8, a: Value, b: Value) -> (Value, Value) {
        let (x, y) = (self.top(log2, a), self.top(log2, b));
        let (r, f) = self.b.bin_flags(op, x, y);
        let f = if op == Op::Add { self.cflip(f) } else { f };
        (self.down(log2, r), f)
    }

    /// a + b + CF or a - b - CF.
    pub fn sum_carry(&mut self, op: Op, log2: u8, a: Value, b: Value) -> (Value, Value) {
        let old = self.flags();
        if log2 >= 2 {
            let carry = if op == Op::Adc { self.cflip(old) } else { old };
            let r = self.b.with_carry(op, a, b, carry);
            let f = self.b.flags_of(r);
            return (r, if op == Op::Adc { self.cflip(f) } else { f });
        }
        // In 32 bits: the carry out is the bit above.
        let (a, b) = (self.zx(log2, a), self.zx(log2, b));
        let carry = self.set_cond(Type::I32, crate::ir::Cond::Cc, old);
        let plain = if op == Op::Adc { Op::Add } else { Op::Sub };
        let r = self.b.bin(plain, a, b);
        let r = self.b.bin(plain, r, carry);
        let f = self.logic_flags(log2, r);
        let bits = 8 << log2;
        let not = self.b.un(Op::Not, r);
        let f = self.insert(f, not, bits - 1, 2);
        let (x, y) = (self.b.bin(Op::Xor, a, r), self.b.bin(Op::Xor, a, b));
        let over = match op {
            Op::Adc => {
                let y = self.b.bin(Op::Xor, b, r);
                self.b.bin(Op::And, x, y)
            }
            _ => self.b.bin(Op::And, x, y),
        };
        let f = self.insert(f, over, bits - 1, 1);
        (r, f)
    }

    fn arith(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let m = self.i.mnemonic();
        let a = self.read(0, log2)?;
        let b = self.read(1, log2)?;
        let af = self.aux(a, b);
        let to_memory = self.is_mem(0);
        if !to_memory {
            // Before the register is overwritten.
            self.set_af(af);
        }
        let (r, f) = match m {
            M::Add => self.sum(Op::Add, log2, a, b),
            M::Adc => self.sum_carry(Op::Adc, log2, a, b),
            M::Sbb => self.sum_carry(Op::Sbc, log2, a, b),
            _ => self.sum(Op::Sub, log2, a, b),
        };
        if m != M::Cmp {
            self.write(0, log2, r)?;
        }
        self.set_flags(f);
        self.set_pf(r);
        if to_memory {
            self.set_af(af);
        }
        Ok(())
    }

    fn logic(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let m = self.i.mnemonic();
        if m == M::Xor && !self.is_mem(0) && self.i.op0_register() == self.i.op1_register() && log2 >= 2 {
            let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
            let zero = self.c(log2, 0);
            self.set_gpr(g, zero);
            let (_, f) = self.b.bin_flags(Op::Sub, zero, zero);
            self.set_flags(f);
            self.set_pf(zero);
            return Ok(());
        }
        let a = self.read(0, log2)?;
        let b = self.read(1, log2)?;
        let r = match m {
            M::And | M::Test if self.i.op0_register() == self.i.op1_register() && !self.is_mem(0) => a,
            M::Or => self.b.bin(Op::Or, a, b),
            M::Xor => self.b.bin(Op::Xor, a, b),
            _ if log2 >= 2 => {
                let (r, f) = self.b.bin_flags(Op::And, a, b);
                let f = self.cflip(f);
                if m == M::And {
                    self.write(0, log2, r)?;
                }
                self.set_flags(f);
                self.set_pf(r);
                return Ok(());
            }
            _ => self.b.bin(Op::And, a, b),
        };
        if m != M::Test {
            self.write(0, log2, r)?;
        }
        self.set_logic(log2, r);
        Ok(())
    }

    fn inc_dec(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let op = if self.i.mnemonic() == M::Inc { Op::Add } else { Op::Sub };
        let a = self.read(0, log2)?;
        let one = self.c(log2, 1);
        let to_memory = self.is_mem(0);
        if !to_memory {
            self.set_af(a);
        }
        let old = self.flags();
        let (r, f) = self.sum(op, log2, a, one);
        let f = self.keep_carry(f, old);
        self.write(0, log2, r)?;
        self.set_flags(f);
        self.set_pf(r);
        if to_memory {
            self.set_af(a);
        }
        Ok(())
    }

    fn neg(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let a = self.read(0, log2)?;
        let zero = self.c(log2, 0);
        let (r, f) = self.sum(Op::Sub, log2, zero, a);
        self.write(0, log2, r)?;
        self.set_flags(f);
        self.set_pf(r);
        self.set_af(a);
        Ok(())
    }

    fn not(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let a = self.read(0, log2)?;
        let r = self.b.un(Op::Not, a);
        self.write(0, log2, r)
    }

    /// ADCX and ADOX: a carry chain through CF or OF alone.
    fn adx(&mut self) -> Lifted {
        use crate::ir::Cond;
        let log2 = self.size_of(0)?;
        let carry_flag = self.i.mnemonic() == M::Adcx;
        let (a, b) = (self.read(0, log2)?, self.read(1, log2)?);
        let old = self.flags();
        let ty = carrier(log2);
        let carry = self.set_cond(ty, if carry_flag { Cond::Cc } else { Cond::Vs }, old);
        // Either sum may carry, never both.
        let (s, f1) = self.b.bin_flags(Op::Add, a, b);
        let c1 = self.set_cond(Type::I64, Cond::Cs, f1);
        let (r, f2) = self.b.bin_flags(Op::Add, s, carry);
        let c2 = self.set_cond(Type::I64, Cond::Cs, f2);
        let c = self.b.bin(Op::Or, c1, c2);
        let f = if carry_flag {
            let not = self.b.bin_imm(Op::Xor, c, 1);
            let not = self.b.bin_imm(Op::Shl, not, 1);
            self.insert(old, not, 0, 2)
        } else {
            self.insert(old, c, 0, 1)
        };
        self.write(0, log2, r)?;
        self.set_flags(f);
        Ok(())
    }

    // --- widths ------------------------------------------------------------------------------------------
    fn extend(&mut self) -> Lifted {
        let (to, from) = (self.size_of(0)?, self.size_of(1)?);
        let signed = self.i.mnemonic() != M::Movzx;
        let ty = carrier(to);
        let v = if self.is_mem(1) {
            let ea = self.ea();
            if signed && from < to {
                self.load_signed(ty, from, ea)
            } else {
                self.load(carrier(from), from, ea)
            }
        } else {
            let g = gpr(self.i.op1_register()).ok_or(Refused::Undefined)?;
            let v = self.gpr_raw(g);
            if !signed {
                self.zx(from, v)
            } else if from == 2 {
                if to == 3 {
                    self.b.sext(v)
                } else {
                    v
                }
            } else if to == 3 && !g.high {
                let v = self.b.get(regs::gpr(g.n));
                self.b.un_imm(Op::Sbfx, v, 8 << from << 8)
            } else {
                let v = self.sx(from, v);
                if to == 3 {
                    self.b.sext(v)
                } else {
                    v
                }
            }
        };
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        self.set_gpr(g, v);
        Ok(())
    }

    fn widen_acc(&mut self) -> Lifted {
        let to = match self.i.mnemonic() {
            M::Cbw => 1,
            M::Cwde => 2,
            _ => 3,
        };
        let v = if to == 3 {
            let v = self.b.get32(regs::RAX);
            self.b.sext(v)
        } else {
            let v = self.low(0, to);
            self.sx(to - 1, v)
        };
        self.set_low(0, to, v);
        Ok(())
    }

    fn widen_to_rdx(&mut self) -> Lifted {
        let log2 = match self.i.mnemonic() {
            M::Cwd => 1,
            M::Cdq => 2,
            _ => 3,
        };
        let v = self.low(0, log2);
        let v = self.sx(log2, v);
        let s = self.b.bin_imm(Op::Sar, v, if log2 == 3 { 63 } else { 31 });
        self.set_low(2, log2, s);
        Ok(())
    }

    fn bswap(&mut self) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let v = match g.log2 {
            // What it does to 16 bits is undefined; processors give zero.
            1 => self.c(1, 0),
            n => {
                let v = self.gpr_raw(g);
                self.b.un_imm(Op::Rev, v, 1 << n)
            }
        };
        self.set_gpr(g, v);
        Ok(())
    }

    fn movbe(&mut self) -> Lifted {
        let log2 = self.size_of(0)?;
        let v = self.read(1, log2)?;
        let v = self.b.un_imm(Op::Rev, v, 1 << log2);
        self.write(0, log2, v)
    }

    fn xlat(&mut self) -> Lifted {
        let al = self.low(0, 0);
        let al = self.zx(0, al);
        let index = self.wide(al);
        let mut ea = self.ea();
        // iced names al as the index of the operand; it is zero-extended.
        ea.index = index;
        let rbx = if self.i.memory_base() == Register::EBX {
            let v = self.b.get32(regs::RBX);
            let al = self.narrow(2, index);
            let v = self.b.bin(Op::Add, v, al);
            ea.index = Value::NONE;
            self.wide(v)
        } else {
            self.b.get(regs::RBX)
        };
        ea.base = match self.i.memory_segment() {
            Register::FS | Register::GS => {
                let s = if self.i.memory_segment() == Register::FS { regs::FS } else { regs::GS };
                let s = self.b.get(s);
                self.b.bin(Op::Add, s, rbx)
            }
            _ => rbx,
        };
        ea.disp = 0;
        ea.scale = 0;
        let v = self.load(Type::I32, 0, ea);
        self.set_low(0, 0, v);
        Ok(())
    }

    fn leave(&mut self) -> Lifted {
        let log2 = self.stack_log2();
        let top = self.at(regs::RBP, 0);
        let v = self.load(carrier(log2), log2, top);
        let rsp = self.b.bin_imm(Op::Add, top.base, 1 << log2);
        self.set_low(5, log2, v);
        self.b.set(regs::RSP, rsp);
        Ok(())
    }

    fn enter(&mut self) -> Lifted {
        let size = self.i.immediate16() as i64;
        let level = (self.i.immediate8_2nd() & 31) as i64;
        let log2 = if self.i.code() == Code::Enterw_imm16_imm8 { 1 } else { 3 };
        let bytes = 1i64 << log2;
        let rbp = self.low(5, log2);
        let top = self.at(regs::RSP, 0);
        self.store(log2, top.plus(-bytes), rbp);
        let frame = self.b.bin_imm(Op::Add, top.base, -bytes as u64);
        for n in 1..level {
            let from = self.at(regs::RBP, -bytes * n);
            let v = self.load(carrier(log2), log2, from);
            self.store(log2, top.plus(-bytes * (n + 1)), v);
        }
        if level > 0 {
            let v = self.carried(log2, frame);
            self.store(log2, top.plus(-bytes * (level + 1)), v);
        }
        let pushed = bytes * (level + 1);
        let rsp = self.b.bin_imm(Op::Add, top.base, (-pushed - size) as u64);
        // It is checked that the new top of the stack can be written.
        self.probe_byte(rsp);
        let v = self.carried(log2, frame);
        self.set_low(5, log2, v);
        self.b.set(regs::RSP, rsp);
        Ok(())
    }

    // --- under a condition -------------------------------------------------------------------------------
    fn set_cc(&mut self, cc: u8) -> Lifted {
        let t = self.test(cc);
        let v = self.test_value(Type::I32, t);
        self.write(0, 0, v)
    }

    fn cmov(&mut self, cc: u8) -> Lifted {
        let log2 = self.size_of(0)?;
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        // It is loaded whether or not the condition holds.
        let v = self.read(1, log2)?;
        let old = self.gpr_raw(g);
        let t: Test = self.test(cc);
        let v = self.choose(t, v, old);
        self.set_gpr(g, v);
        Ok(())
    }
}
