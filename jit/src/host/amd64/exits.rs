//! Leaving a block: direct exits with their links, indirect exits, traps.

use super::asm::{cc, enc, r, sh, state, Addr, Alu, Asm, Near, Rm};
use super::emit::{Emitter, Frames, Ool, Opnd};
use super::flags::{self, Shape, Test};
use super::regs::point;
use super::stubs::{by_entry, first_table, Stub, CMP_RAX_IMM, CMP_RAX_MEM, FIRST};
use crate::code::filter;
use crate::host::{Link, Reloc, NO_BRANCH};
use crate::ir::{fx, Inst, Op, Trap, Type, Value, FLAGS_DEAD};

impl Emitter<'_> {
    /// Dispatch of side exits and terminals.
    pub fn exit(&mut self, inst: &Inst) {
        let live = inst.aux & FLAGS_DEAD == 0 || inst.op == Op::Trap;
        if inst.op.fx() & fx::TERM != 0 && !self.frames.is_empty() {
            let frames = std::mem::take(&mut self.frames);
            frames.into_iter().for_each(|ret| self.push_call(ret));
        }
        match inst.op {
            Op::Enter => self.frames.push(inst.imm),
            Op::Unwind => drop(self.frames.pop()),
            Op::ExitUnless => self.exit_unless(inst),
            Op::ExitIf => {
                self.need_flags(inst.args[0]);
                match flags::test(self.ef.shape, inst.cond()) {
                    Test::Ordered(c) => return self.exit_if_ordered(c, inst.imm, live),
                    Test::Convert if live && self.flags_unsaved() => self.flush_flags(),
                    _ => {}
                }
                let c = self.testable(inst.cond());
                self.link(c, inst.imm, live);
            }
            Op::ExitIfZero | Op::ExitIfNonzero => {
                self.leave_flags(live);
                self.clobber_flags();
                self.test_zero(inst.args[0]);
                self.link(Some(if inst.op == Op::ExitIfZero { cc::E } else { cc::NE }), inst.imm, false);
            }
            Op::ExitIfBit | Op::ExitIfNotBit => {
                self.leave_flags(live);
                self.clobber_flags();
                let c = self.test_bit(inst.args[0], inst.aux & 63);
                self.link(Some(c ^ (inst.op == Op::ExitIfNotBit) as u8), inst.imm, false);
            }
            Op::Jump => self.link(None, inst.imm, live),
            Op::Call => self.call(inst.imm, live),
            Op::TrapIf => {
                self.leave_flags(true);
                self.clobber_flags();
                self.test_zero(inst.args[0]);
                let from = self.asm.jcc_near(cc::NE);
                self.ool.push(Ool::Trap { from, kind: inst.aux, detail: inst.imm, pc: self.pc, arg: None });
            }
            Op::TrapIfCode => self.trap_if_code(inst),
            Op::Trap => {
                self.leave_flags(true);
                self.trap(inst);
            }
            op => {
                self.leave_flags(live);
                match op {
                    Op::CallInd => self.call_indirect(inst.args[0]),
                    Op::Return => self.ret(inst.args[0]),
                    _ => self.jump_indirect(inst.args[0]),
                }
            }
        }
    }

    /// Leave if numbers that were compared are equal, or not: without touching the flags, which the next condition may ask.
    fn exit_if_ordered(&mut self, c: u8, target: u64, live: bool) {
        if c == cc::E {
            let unordered = self.asm.jcc_short(cc::P);
            self.link(Some(cc::E), target, live);
            self.asm.bind(unordered);
        } else {
            self.link(Some(cc::NE), target, live);
            self.link(Some(cc::P), target, live);
        }
    }

    fn leave_flags(&mut self, live: bool) {
        if live {
            self.flush_flags();
        }
    }

    fn test_zero(&mut self, v: Value) {
        let w = self.b.ty(v) == Type::I64;
        match self.opnd(v) {
            Opnd::R(n) => self.asm.test(w, n, n),
            Opnd::M(a) => self.asm.alu_imm(Alu::Cmp, w, a, 0),
            Opnd::I(c) => {
                self.asm.mov_imm(r::AX, c as u32 as u64);
                self.asm.test(false, r::AX, r::AX);
            }
        }
    }

    /// The x86 condition "bit `n` of `v` is set".
    fn test_bit(&mut self, v: Value, n: u8) -> u8 {
        match self.rm(v) {
            Rm::M(a) => self.asm.test_imm8(a.plus(n as i32 / 8), 1 << (n & 7)),
            Rm::R(s) => match n {
                0..=7 => self.asm.test_imm8(s, 1 << n),
                8..=30 => self.asm.test_imm(false, s, 1 << n),
                31 | 63 => {
                    self.asm.test(n == 63, s, s);
                    return cc::S;
                }
                _ => {
                    self.asm.op(enc(0, 1, 0xba), true, 4, Rm::R(s), 1, false);
                    self.asm.u8(n);
                    return cc::B;
                }
            },
        }
        cc::NE
    }

    /// A linkable jump, if the condition holds (`None`: always). `live`: the target may read the flags.
    fn link(&mut self, c: Option<u8>, target: u64, live: bool) {
        if !self.frames.is_empty() {
            let from = match c {
                Some(c) => self.asm.jcc_near(c),
                None => self.asm.jmp_near(),
            };
            let flags = Some(self.ef.shape).filter(|_| live && self.flags_unsaved());
            let frames = self.noted_frames();
            return self.ool.push(Ool::Leave { from, target, flags, frames });
        }
        self.asm.pad(if c.is_some() { 2 } else { 1 });
        let near = match c {
            Some(c) => self.asm.jcc_near(c),
            None => self.asm.jmp_near(),
        };
        self.linkable(near, target, live);
    }

    fn linkable(&mut self, near: Near, target: u64, live: bool) {
        let n = self.out.links.len() as u32;
        let link = Link { at: near.0, stub: 0, site: 0, target, direct: false, short: NO_BRANCH };
        if live && self.flags_unsaved() {
            self.ool.push(Ool::SaveFlags(n, self.ef.shape));
            self.out.links.push(Link { direct: true, ..link });
        } else {
            self.ool.push(Ool::LinkStub(n));
        }
        self.out.links.push(link);
    }

    /// The way of link `n` for flags that may be read: its stub.
    pub(super) fn save_flags(&mut self, n: u32, shape: Shape) {
        let at = self.asm.pos();
        let link = &mut self.out.links[n as usize];
        link.stub = at;
        let jump = Near(link.at);
        self.asm.patch(jump, at);
        self.ef.shape = shape;
        self.rest_in_eax();
        self.asm.store(2, state!(flags), r::AX);
        self.asm.pad(1);
        self.out.links[n as usize + 1].at = self.asm.jmp_near().0;
        self.ool.push(Ool::LinkStub(n + 1));
    }

    /// Out of line: leave calls that a trace is in.
    pub(super) fn leave_calls(&mut self, from: Near, target: u64, flags: Option<Shape>, frames: Frames) {
        self.asm.bind_near(from);
        if let Some(shape) = flags {
            self.ef.shape = shape;
            self.rest_in_eax();
            self.asm.store(2, state!(flags), r::AX);
        }
        self.frames_at(frames).for_each(|ret| self.push_call(ret));
        self.link(None, target, false);
    }

    /// A trace goes on if the operand is what it was before. (Traces are not moved: it need not be said that this is an address.)
    fn exit_unless(&mut self, inst: &Inst) {
        self.leave_flags(true);
        self.clobber_flags();
        let reg = self.reg(inst.args[0]);
        match i32::try_from(inst.imm) {
            Ok(c) => self.asm.alu_imm(Alu::Cmp, true, reg, c),
            Err(_) => {
                let expected = self.asm.constant(inst.imm as u128);
                self.asm.alu(Alu::Cmp, true, reg, expected);
            }
        }
        let from = self.asm.jcc_near(cc::NE);
        let frames = self.noted_frames();
        self.ool.push(Ool::Elsewhere { from, reg, pc: self.pc, frames });
    }

    /// Out of line: the trace goes on elsewhere this time.
    pub(super) fn elsewhere(&mut self, from: Near, reg: u8, pc: u64, frames: Frames) {
        self.asm.bind_near(from);
        self.asm.mov_rr(true, r::AX, reg);
        self.frames_at(frames).for_each(|ret| self.push_call(ret));
        self.pc = pc;
        self.branch_by_table();
        self.point();
    }

    /// Call `target`: see the module `stubs` for the return stack.
    fn call(&mut self, target: u64, live: bool) {
        self.asm.pad(1);
        let near = self.asm.call_near();
        self.linkable(near, target, live);
        self.after_call(self.b.end);
    }

    /// Put the call that is to return to `ret`, in which a trace is, on the return stack.
    fn push_call(&mut self, ret: u64) {
        let over = self.asm.call_near();
        self.after_call(ret);
        self.asm.bind_near(over);
    }

    /// Where a call returns to, if rax is the guest's return address `next`. Nothing lives in registers but pins.
    fn after_call(&mut self, next: u64) {
        // In forms that `ReturnMiss` knows.
        let start = self.asm.pos() as usize;
        if let Some(c) = Some(next).filter(|&c| c < Reloc::NARROW) {
            self.asm.bytes(&CMP_RAX_IMM);
            self.asm.imm_place(c as u32);
        } else {
            let expected = self.asm.constant_place(next);
            self.asm.alu(Alu::Cmp, true, r::AX, expected);
            debug_assert!(self.asm.code[start..].starts_with(&CMP_RAX_MEM));
        }
        self.asm.bytes(&[0x0f, 0x85]);
        self.stub_ref(Stub::ReturnMiss);
        self.link(None, next, false);
    }

    fn to_rax(&mut self, v: Value) {
        let v = self.opnd(v);
        self.mov_opnd(true, r::AX, v);
    }

    /// To the guest pc in `v`, by the thread's table. Nothing lives in registers but pins from here on.
    fn jump_indirect(&mut self, v: Value) {
        self.to_rax(v);
        self.branch_by_table();
    }

    fn branch_by_table(&mut self) {
        self.point_bits(point::BRANCH);
        first_table(self.asm);
        self.asm.bytes(&[0x0f, 0x85]);
        self.stub_ref(Stub::Lookup);
        by_entry(self.asm, 4, FIRST);
    }

    fn call_indirect(&mut self, v: Value) {
        self.to_rax(v);
        self.point_bits(point::BRANCH);
        first_table(self.asm);
        let miss = self.asm.jcc_near(cc::NE);
        by_entry(self.asm, 2, FIRST);
        self.ool.push(Ool::CallMiss(miss, self.asm.pos()));
        self.point();
        self.after_call(self.b.end);
    }

    /// To the guest pc in `v`, which the return stack's top probably leads to.
    fn ret(&mut self, v: Value) {
        self.to_rax(v);
        self.asm.u8(0xc3);
    }

    fn trap(&mut self, inst: &Inst) {
        if inst.args[0].is_some() {
            let v = self.reg(inst.args[0]);
            self.asm.store(3, state!(exit_arg), v);
        } else {
            self.asm.store_imm(3, state!(exit_arg), 0);
        }
        self.store_const(state!(exit_imm), inst.imm);
        self.asm.store_imm(2, state!(exit_trap), inst.aux as i32);
        let pc = match inst.trap() {
            t if t.at_insn() => self.pc,
            Trap::FetchFault | Trap::PcAlign => inst.imm,
            _ => self.b.end,
        };
        self.store_place(state!(pc), pc);
        self.stub(false, Stub::Trap);
    }

    /// See `code::filter`.
    fn trap_if_code(&mut self, inst: &Inst) {
        self.leave_flags(true);
        self.clobber_flags();
        let addr = self.reg(inst.args[0]);
        let (table, held) = (self.temp(), self.temp());
        self.asm.mov(true, table, state!(code_lines));
        self.asm.movzx(0, held, Addr::base(table, 0));
        self.asm.mov_rr(false, r::AX, addr);
        self.asm.shift_imm(sh::SHR, false, r::AX, filter::LOG2_LINE as u8);
        self.asm.alu_imm(Alu::And, false, r::AX, (1 << filter::LOG2_LINES) - 1);
        let or_byte = |asm: &mut Asm, at| asm.op(enc(0, 0, 0x0a), false, held, Rm::M(at), 0, held >= 4);
        or_byte(self.asm, Addr { base: table, index: r::AX, scale: 0, disp: filter::LINES_AT as i32 });
        self.asm.mov(true, table, state!(code_shown));
        self.asm.mov_rr(false, r::AX, addr);
        self.asm.shift_imm(sh::SHR, false, r::AX, filter::LOG2_GRANULE as u8);
        const { assert!(filter::GRANULES == 1 << (32 - filter::LOG2_GRANULE)) };
        or_byte(self.asm, Addr { base: table, index: r::AX, scale: 0, disp: 0 });
        let from = self.asm.jcc_near(cc::NE);
        self.ool.push(Ool::Trap { from, kind: Trap::InvalidateCode as u8, detail: 0, pc: inst.imm, arg: Some(addr) });
    }

    /// Out of line: a trap under a condition.
    pub fn trap_taken(&mut self, from: Near, kind: u8, detail: u64, pc: u64, arg: Option<u8>) {
        self.asm.bind_near(from);
        match arg {
            Some(arg) => self.asm.store(3, state!(exit_arg), arg),
            None => self.asm.store_imm(3, state!(exit_arg), 0),
        }
        self.store_const(state!(exit_imm), detail);
        self.asm.store_imm(2, state!(exit_trap), kind as i32);
        self.store_place(state!(pc), pc);
        self.stub(false, Stub::Trap);
    }

    fn store_place(&mut self, a: Addr, c: u64) {
        self.asm.mov_place(r::AX, c);
        self.asm.store(3, a, r::AX);
    }

    fn store_const(&mut self, a: Addr, c: u64) {
        match i32::try_from(c as i64) {
            Ok(c) => self.asm.store_imm(3, a, c),
            Err(_) => {
                self.asm.mov_imm(r::AX, c);
                self.asm.store(3, a, r::AX);
            }
        }
    }
}
