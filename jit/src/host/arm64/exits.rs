//! Leaving a block: direct exits with their links, indirect exits, traps.

use super::asm::{field, op, r, Access, Addr, Asm, Near};
use super::emit::{Emitter, Frames, Ool};
use super::regs::point;
use super::stubs::{first_table, Stub};
use crate::code::filter;
use crate::host::{Link, NO_BRANCH};
use crate::ir::{fx, Cond, Inst, Op, Trap, Type, FLAGS_DEAD};

impl Emitter<'_> {
    /// Dispatch of side exits and terminals.
    pub fn exit(&mut self, inst: &Inst) {
        let live = inst.aux & FLAGS_DEAD == 0 || matches!(inst.op, Op::Trap | Op::TrapIf);
        if inst.op.fx() & fx::TERM != 0 {
            let frames = std::mem::take(&mut self.frames);
            frames.into_iter().for_each(|ret| self.push_call(ret));
        }
        match inst.op {
            Op::Enter => self.frames.push(inst.imm),
            Op::Unwind => drop(self.frames.pop()),
            Op::ExitUnless => {
                let target = self.reg(inst.args[0]);
                self.leave_flags(true);
                self.asm.mov_const(r::S1, inst.imm);
                self.asm.rrr(op::SUB, true, r::S1, r::S1, target);
                let from = self.asm.branch(op::CBNZ | 1 << 31 | r::S1 as u32);
                let frames = self.noted_frames();
                self.ool.push(Ool::Elsewhere { from, target, pc: self.pc, frames });
            }
            Op::ExitIf => self.exit_if(inst, live),
            Op::ExitIfZero | Op::ExitIfNonzero | Op::TrapIf => {
                let w = self.b.ty(inst.args[0]) == Type::I64;
                let n = self.reg(inst.args[0]);
                self.leave_flags(live);
                let op = if inst.op == Op::ExitIfZero { op::CBZ } else { op::CBNZ };
                let from = self.asm.branch(op | (w as u32) << 31 | n as u32);
                match inst.op {
                    Op::TrapIf => self.ool.push(Ool::Trap { from, kind: inst.trap(), detail: inst.imm, arg: r::ZR, pc: self.pc }),
                    _ => self.side_exit(from, inst.imm),
                }
            }
            Op::ExitIfBit | Op::ExitIfNotBit => {
                let n = self.reg(inst.args[0]);
                self.leave_flags(live);
                let op = if inst.op == Op::ExitIfBit { op::TBNZ } else { op::TBZ };
                let from = self.asm.branch(Asm::tb(op, n, inst.aux & 63));
                self.side_exit(from, inst.imm);
            }
            Op::TrapIfCode => self.trap_if_code(inst),
            Op::Jump => {
                self.leave_flags(live);
                self.link(op::B, inst.imm);
            }
            Op::Trap => {
                let arg = if inst.args[0].is_some() { self.rz(inst.args[0]) } else { r::ZR };
                self.leave_flags(true);
                let pc = match inst.trap() {
                    t if t.at_insn() => self.pc,
                    Trap::FetchFault | Trap::PcAlign => inst.imm,
                    _ => self.b.end,
                };
                self.leave_by_trap(inst.trap(), inst.imm, arg, pc);
            }
            Op::Call => {
                let ret = inst.args[1].is_some().then(|| self.reg(inst.args[1]));
                self.leave_flags(live);
                let after = self.push_return(ret);
                self.link(op::BL, inst.imm);
                self.after_call(after);
            }
            op => {
                let target = self.reg(inst.args[0]);
                let ret = inst.args[1].is_some().then(|| self.reg(inst.args[1]));
                self.leave_flags(live);
                match op {
                    Op::CallInd => self.call_indirect(target, ret),
                    Op::Return => self.ret(target),
                    _ => self.jump_indirect(target),
                }
            }
        }
    }

    /// See `code::filter`.
    fn trap_if_code(&mut self, inst: &Inst) {
        let addr = self.reg(inst.args[0]);
        self.leave_flags(true);
        self.asm.load_cpu(3, r::S0, field!(code_lines));
        // Whether the translator is at work is looked at before the line.
        self.asm.at(op::LDAR, 0, r::S1, r::S0);
        self.asm.ubfx(false, r::LR, addr, filter::LOG2_LINE as u8, filter::LOG2_LINES as u8);
        self.asm.add_imm(r::S0, r::S0, filter::LINES_AT as i32);
        self.asm.mem(Access::load(0), r::LR, Addr::Index(r::S0, r::LR, false));
        self.asm.rrr(op::ORR, false, r::S1, r::S1, r::LR);
        self.asm.load_cpu(3, r::S0, field!(code_shown));
        self.asm.lsr(false, r::LR, addr, filter::LOG2_GRANULE as u8);
        const { assert!(filter::GRANULES == 1 << (32 - filter::LOG2_GRANULE)) };
        self.asm.mem(Access::load(0), r::LR, Addr::Index(r::S0, r::LR, false));
        self.asm.rrr(op::ORR, false, r::S1, r::S1, r::LR);
        let from = self.asm.branch(op::CBNZ | r::S1 as u32);
        self.ool.push(Ool::Trap { from, kind: Trap::InvalidateCode, detail: 0, arg: addr, pc: inst.imm });
    }

    fn leave_flags(&mut self, live: bool) {
        if live {
            self.flags_for_exit();
        }
    }

    fn exit_if(&mut self, inst: &Inst, live: bool) {
        let cc = inst.cond();
        self.need_flags(inst.args[0]);
        if matches!(cc, Cond::Al | Cond::Nv) {
            self.leave_flags(live);
            let from = self.asm.branch(op::B);
            return self.side_exit(from, inst.imm);
        }
        if !live || self.flags_at_home() || !self.flags_elsewhere() {
            let from = self.asm.branch(op::BCOND | cc as u32);
            return self.side_exit(from, inst.imm);
        }
        // The guest's flags are others than those that decide.
        self.asm.cset(r::LR, cc as u8);
        self.flags_for_exit();
        let from = self.asm.branch(op::CBNZ | r::LR as u32);
        self.side_exit(from, inst.imm);
    }

    /// A conditional branch leads to the way out to `target`.
    fn side_exit(&mut self, from: Near, target: u64) {
        if !self.frames.is_empty() {
            let frames = self.noted_frames();
            return self.ool.push(Ool::Leave(from, target, frames));
        }
        self.ool.push(Ool::Link(self.out.links.len() as u32, Some(from)));
        self.out.links.push(Link { at: 0, stub: 0, site: 0, target, direct: false, short: from.0 });
    }

    /// The calls that the trace is in now, to be kept for later.
    fn noted_frames(&mut self) -> Frames {
        let first = self.left_in.len() as u16;
        self.left_in.extend_from_slice(&self.frames);
        Frames { first, len: self.frames.len() as u8 }
    }

    fn push_calls(&mut self, frames: Frames) {
        (frames.first..frames.first + frames.len as u16).for_each(|n| self.push_call(self.left_in[n as usize]));
    }

    /// Put the call that is to return to `ret`, in which a trace is, on the return stack.
    fn push_call(&mut self, ret: u64) {
        self.asm.mov_const(r::S0, ret);
        let after = self.asm.branch(op::ADR | r::S1 as u32);
        self.asm.pair(op::STP_PRE, r::S1, r::S0, r::SP, -16);
        self.ool.push(Ool::Returned(after, ret));
    }

    /// Out of line: leave calls that a trace is in.
    pub(super) fn leave_calls(&mut self, from: Near, target: u64, frames: Frames) {
        self.asm.bind(from);
        self.push_calls(frames);
        self.link(op::B, target);
    }

    /// Out of line: the trace goes on elsewhere this time.
    pub(super) fn elsewhere(&mut self, from: Near, target: u8, pc: u64, frames: Frames) {
        self.asm.bind(from);
        self.push_calls(frames);
        self.pc = pc;
        self.jump_indirect(target);
        self.point();
    }

    /// Where a call of a trace's returns to.
    pub(super) fn returned(&mut self, after: Near, ret: u64) {
        self.asm.bind(after);
        self.link(op::B, ret);
    }

    /// A linkable branch (`b` or `bl`).
    fn link(&mut self, op: u32, target: u64) {
        let at = self.asm.branch(op).0;
        self.ool.push(Ool::Link(self.out.links.len() as u32, None));
        self.out.links.push(Link { at, stub: 0, site: 0, target, direct: false, short: NO_BRANCH });
    }

    /// Push the guest's return address and the host's: see the module `stubs`. The guest's is in a register mostly, because it has just been written to
    /// the guest's link register or stack. Returns what to bind where the call returns to.
    fn push_return(&mut self, guest: Option<u8>) -> Near {
        let ret = self.b.end;
        let before = self.i.checked_sub(1).map(|n| &self.b.insts[n]).filter(|s| s.op == Op::Set && s.reg().0 < 64);
        let pin = || before.filter(|s| self.imm(s.args[0]) == Some(ret)).map(|s| self.ra.pin(s.reg()));
        let guest = match guest.or_else(pin).filter(|&p| p != crate::regalloc::NONE) {
            Some(known) => known,
            None => {
                self.asm.mov_const(r::S0, ret);
                r::S0
            }
        };
        let after = self.asm.branch(op::ADR | r::S1 as u32);
        self.asm.pair(op::STP_PRE, r::S1, guest, r::SP, -16);
        after
    }

    /// Where a call returns to. Nothing lives in registers but pins.
    fn after_call(&mut self, after: Near) {
        self.asm.bind(after);
        let next = self.b.end;
        self.link(op::B, next);
    }

    /// From here on the target of an indirect branch is found, which can start over elsewhere.
    fn branch_point(&mut self, target: u8) {
        self.point_bits(point::BRANCH | target);
    }

    fn miss(&mut self, from: Near, target: u8, stub: Stub) {
        self.ool.push(Ool::Miss { from, target, stub, pc: self.pc });
    }

    /// To the guest pc in `target`, by the thread's table. Nothing lives in registers but pins from here on.
    fn jump_indirect(&mut self, target: u8) {
        self.branch_point(target);
        let miss = first_table(self.asm, target);
        self.asm.w(op::BR | (r::LR as u32) << 5);
        self.miss(miss, target, Stub::Lookup);
    }

    fn call_indirect(&mut self, target: u8, ret: Option<u8>) {
        let after = self.push_return(ret);
        self.branch_point(target);
        let miss = first_table(self.asm, target);
        self.asm.w(op::BLR | (r::LR as u32) << 5);
        self.miss(miss, target, Stub::Lookup);
        self.point();
        self.after_call(after);
    }

    /// To the guest pc in `target`, which the return stack probably has.
    fn ret(&mut self, target: u8) {
        self.branch_point(target);
        self.asm.pair(op::LDP_POST, r::LR, r::S1, r::SP, 16);
        self.asm.rrr(op::SUB, true, r::S1, r::S1, target);
        let miss = self.asm.branch(op::CBNZ | 1 << 31 | r::S1 as u32);
        self.asm.w(op::RET | (r::LR as u32) << 5);
        self.miss(miss, target, Stub::ReturnMiss);
    }

    /// Leave by a trap, whose operand is in `arg`, with `pc` as the guest's.
    pub fn leave_by_trap(&mut self, kind: Trap, detail: u64, arg: u8, pc: u64) {
        self.asm.store_cpu(3, arg, field!(exit_arg));
        self.store_const(3, field!(exit_imm), detail);
        self.store_const(2, field!(exit_trap), kind as u64);
        self.store_const(3, field!(pc), pc);
        self.stub(op::B, Stub::Trap);
    }

    fn store_const(&mut self, log2: u8, at: usize, c: u64) {
        if c == 0 {
            return self.asm.store_cpu(log2, r::ZR, at);
        }
        self.asm.mov_const(r::S1, c);
        self.asm.store_cpu(log2, r::S1, at);
    }
}
