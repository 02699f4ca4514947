//! Jumps, calls, returns, loops.

use super::flags::{condition, Test, Under};
use super::lift::{Lifted, Lifter};
use super::regs;
use crate::ir::{Op, Trap, Type, Value};
use iced_x86::{Code, Mnemonic as M, OpKind};

/// Control transfers.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        // Far ones are the system's.
        M::Jmp | M::Call if !l.direct() && l.size_of(0).is_err() => return None,
        M::Jmp => l.jmp(),
        M::Call => l.call(),
        M::Ret => l.ret(),
        M::Loop | M::Loope | M::Loopne => l.loop_(),
        M::Jrcxz | M::Jecxz => l.jrcxz(),
        m => match condition(m)? {
            (Under::Jump, cc) => l.jcc(cc),
            _ => return None,
        },
    })
}

impl Lifter<'_> {
    /// To a constant pc.
    fn jump(&mut self, pc: u64) {
        self.note(pc);
        self.b.jump(pc);
        self.done = true;
    }

    fn note(&mut self, pc: u64) {
        self.b.backward |= pc <= self.pc;
    }

    fn direct(&self) -> bool {
        matches!(self.i.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
    }

    fn jmp(&mut self) -> Lifted {
        if self.direct() {
            self.jump(self.i.near_branch_target());
            return Ok(());
        }
        let log2 = self.size_of(0)?;
        let v = self.read(0, log2)?;
        let v = self.zx(log2, v);
        let v = self.wide(v);
        self.b.op(Op::JumpInd, Type::None, &[v], 0, 0);
        self.done = true;
        Ok(())
    }

    fn call(&mut self) -> Lifted {
        let target = if self.direct() {
            None
        } else {
            let log2 = self.size_of(0)?;
            let v = self.read(0, log2)?;
            let v = self.zx(log2, v);
            Some(self.wide(v))
        };
        let ret = self.b.iconst(Type::I64, self.next);
        self.push(3, ret);
        match target {
            None => {
                let pc = self.i.near_branch_target();
                self.b.op(Op::Call, Type::None, &[Value::NONE, ret], 0, pc);
            }
            Some(v) => {
                self.b.op(Op::CallInd, Type::None, &[v, ret], 0, 0);
            }
        }
        self.done = true;
        Ok(())
    }

    fn ret(&mut self) -> Lifted {
        let top = self.at(regs::RSP, 0);
        let v = self.load(Type::I64, 3, top);
        let extra = if self.i.op_count() == 1 { self.i.immediate16() as u64 } else { 0 };
        let rsp = self.b.bin_imm(Op::Add, top.base, 8 + extra);
        self.b.set(regs::RSP, rsp);
        self.b.op(Op::Return, Type::None, &[v], 0, 0);
        self.done = true;
        Ok(())
    }

    fn jcc(&mut self, cc: u8) -> Lifted {
        let t = self.test(cc);
        self.branch(t);
        Ok(())
    }

    /// Leave for the branch's target if the test holds, else go on behind it.
    fn branch(&mut self, t: Test) {
        let target = self.i.near_branch_target();
        self.note(target);
        self.exit_if(t, target);
        if self.side_exits == 0 {
            self.end_block();
        } else {
            self.side_exits -= 1;
        }
    }

    fn count_log2(&self) -> u8 {
        match self.i.code() {
            Code::Jecxz_rel8_64 | Code::Loop_rel8_64_ECX | Code::Loope_rel8_64_ECX | Code::Loopne_rel8_64_ECX => 2,
            _ => 3,
        }
    }

    fn jrcxz(&mut self) -> Lifted {
        let log2 = self.count_log2();
        let n = self.low(1, log2);
        let target = self.i.near_branch_target();
        self.note(target);
        self.b.op(Op::ExitIfZero, Type::None, &[n], 0, target);
        self.end_block();
        Ok(())
    }

    fn loop_(&mut self) -> Lifted {
        let log2 = self.count_log2();
        let n = self.low(1, log2);
        let n = self.b.bin_imm(Op::Sub, n, 1);
        let target = self.i.near_branch_target();
        self.note(target);
        self.set_low(1, log2, n);
        let m = self.i.mnemonic();
        if m != M::Loop {
            let f = self.flags();
            let stop = if m == M::Loope { crate::ir::Cond::Ne } else { crate::ir::Cond::Eq };
            let next = self.next;
            self.b.exit_if(stop, f, next);
        }
        self.b.op(Op::ExitIfNonzero, Type::None, &[n], 0, target);
        self.end_block();
        Ok(())
    }

    /// End the block by a trap if refused, by number.
    pub fn interrupt(&mut self, n: u64) {
        self.b.trap(Trap::Interrupt, Value::NONE, n);
        self.done = true;
    }
}
