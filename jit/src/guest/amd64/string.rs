//! String instructions. A repeated one is a block that does one step and goes to itself: between steps the registers are exact, so that faults
//! and signals find what the processor would show.

use super::lift::{Lifted, Lifter};
use super::operand::{carrier, Ea};
use super::regs;
use crate::ir::{Cond, GuestReg, Op, Type, Value};
use iced_x86::{Mnemonic as M, OpKind, Register};

/// String instructions.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    let log2 = match l.i.mnemonic() {
        M::Movsb | M::Stosb | M::Lodsb | M::Cmpsb | M::Scasb => 0,
        M::Movsw | M::Stosw | M::Lodsw | M::Cmpsw | M::Scasw => 1,
        M::Stosd | M::Lodsd | M::Scasd => 2,
        M::Movsd | M::Cmpsd if string_operands(l) => 2,
        M::Movsq | M::Stosq | M::Lodsq | M::Cmpsq | M::Scasq => 3,
        _ => return None,
    };
    Some(l.string(log2))
}

/// MOVSD and CMPSD are the names of other instructions, too.
fn string_operands(l: &Lifter<'_>) -> bool {
    use OpKind::*;
    (0..l.i.op_count()).any(|n| matches!(l.i.op_kind(n), MemorySegSI | MemorySegESI | MemorySegRSI | MemoryESEDI | MemoryESRDI))
}

impl Lifter<'_> {
    /// A pointer or counter register at the address size.
    fn string_reg(&mut self, r: GuestReg, narrow: bool) -> Value {
        if narrow {
            let v = self.b.get32(r);
            self.b.zext(v)
        } else {
            self.b.get(r)
        }
    }

    fn set_string_reg(&mut self, r: GuestReg, narrow: bool, v: Value) {
        let v = if narrow {
            let v = self.b.trunc(v);
            self.b.zext(v)
        } else {
            v
        };
        self.b.set(r, v);
    }

    fn string(&mut self, log2: u8) -> Lifted {
        use OpKind::*;
        let narrow = (0..self.i.op_count()).any(|n| matches!(self.i.op_kind(n), MemorySegESI | MemoryESEDI));
        let repeated = self.i.has_rep_prefix() || self.i.has_repne_prefix();
        if repeated && narrow {
            // Even if the count is zero.
            let uses: &[GuestReg] = match self.i.mnemonic() {
                M::Movsb | M::Movsw | M::Movsd | M::Movsq => &[regs::RSI, regs::RDI],
                M::Stosb | M::Stosw | M::Stosd | M::Stosq => &[regs::RDI],
                _ => &[],
            };
            for r in [regs::RCX].iter().chain(uses) {
                let v = self.string_reg(*r, true);
                self.b.set(*r, v);
            }
            self.b.insn_start(self.pc);
        }
        let count = self.string_reg(regs::RCX, narrow);
        if repeated {
            let next = self.next;
            self.b.op(Op::ExitIfZero, Type::None, &[count], 0, next);
        }
        // While it goes on the flags are those of before: that is what a fault or a signal finds.
        let before = (self.flags(), self.b.get(regs::PF), self.b.get(regs::AF));
        let stop = self.string_step(log2, narrow);
        if !repeated {
            return Ok(());
        }
        let left = self.b.bin_imm(Op::Sub, count, 1);
        self.set_string_reg(regs::RCX, narrow, left);
        if let Some(f) = stop {
            // REPE goes on while they are equal, REPNE while they are not.
            let cc = if self.i.has_repne_prefix() { Cond::Eq } else { Cond::Ne };
            let next = self.next;
            self.b.exit_if(cc, f, next);
            let none = if narrow { self.b.trunc(left) } else { left };
            self.b.op(Op::ExitIfZero, Type::None, &[none], 0, next);
            let (f, pf, af) = before;
            self.set_flags(f);
            self.set_pf(pf);
            self.set_af(af);
            let pc = self.pc;
            self.b.backward = true;
            self.b.jump(pc);
            self.done = true;
            return Ok(());
        }
        let left = if narrow { self.b.trunc(left) } else { left };
        let pc = self.pc;
        self.b.backward = true;
        self.b.op(Op::ExitIfNonzero, Type::None, &[left], 0, pc);
        self.end_block();
        Ok(())
    }

    /// One step. For comparisons: its flags.
    fn string_step(&mut self, log2: u8, narrow: bool) -> Option<Value> {
        let df = self.b.get(regs::DF);
        let step = self.b.bin_imm(Op::Or, df, 1);
        let step = if log2 == 0 { step } else { self.b.bin_imm(Op::Shl, step, log2 as u64) };
        let m = self.i.mnemonic();
        let from = !matches!(m, M::Stosb | M::Stosw | M::Stosd | M::Stosq | M::Scasb | M::Scasw | M::Scasd | M::Scasq);
        let to = !matches!(m, M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq);
        let (si, di) = (self.string_reg(regs::RSI, narrow), self.string_reg(regs::RDI, narrow));
        let plain = |base| Ea { base, index: Value::NONE, scale: 0, disp: 0 };
        let source = match self.i.memory_segment() {
            Register::FS => Ea { index: si, ..plain(self.b.get(regs::FS)) },
            Register::GS => Ea { index: si, ..plain(self.b.get(regs::GS)) },
            _ => plain(si),
        };
        let mut compared = None;
        let mut loaded = None;
        match m {
            M::Movsb | M::Movsw | M::Movsd | M::Movsq => {
                let v = self.load(carrier(log2), log2, source);
                self.store(log2, plain(di), v);
            }
            M::Stosb | M::Stosw | M::Stosd | M::Stosq => {
                let v = self.low(0, log2);
                self.store(log2, plain(di), v);
            }
            M::Lodsb | M::Lodsw | M::Lodsd | M::Lodsq => loaded = Some(self.load(carrier(log2), log2, source)),
            M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq => {
                let a = self.load(carrier(log2), log2, source);
                let b = self.load(carrier(log2), log2, plain(di));
                compared = Some((a, b));
            }
            _ => {
                let a = self.low(0, log2);
                let b = self.load(carrier(log2), log2, plain(di));
                compared = Some((a, b));
            }
        }
        let flags = compared.map(|(a, b)| {
            let (r, f) = self.sum(Op::Sub, log2, a, b);
            let af = self.aux(a, b);
            self.set_flags(f);
            self.set_pf(r);
            self.set_af(af);
            f
        });
        if let Some(v) = loaded {
            self.set_low(0, log2, v);
        }
        if from {
            let si = self.b.bin(Op::Add, si, step);
            self.set_string_reg(regs::RSI, narrow, si);
        }
        if to {
            let di = self.b.bin(Op::Add, di, step);
            self.set_string_reg(regs::RDI, narrow, di);
        }
        flags
    }
}
