//! Leaving a block: direct exits with their links, indirect exits, traps.

use super::asm::{cc, enc, r, state, Addr, Alu, Rm};
use super::emit::{Emitter, Ool, Opnd};
use super::stubs::Stub;
use crate::cpu::JUMP_CACHE_ENTRIES;
use crate::host::Link;
use crate::ir::{Inst, Op, Trap, Type, Value, FLAGS_DEAD};

impl Emitter<'_> {
    /// Dispatch of side exits and terminals.
    pub fn exit(&mut self, inst: &Inst) {
        let live = inst.aux & FLAGS_DEAD == 0 || inst.op == Op::Trap;
        match inst.op {
            Op::ExitIf => {
                self.need_flags(inst.args[0]);
                if live {
                    self.flush_flags();
                }
                let c = self.testable(inst.cond());
                self.side_exit(c, inst.imm);
            }
            Op::ExitIfZero | Op::ExitIfNonzero => {
                self.leave_flags(live);
                self.clobber_flags();
                self.test_zero(inst.args[0]);
                self.side_exit(Some(if inst.op == Op::ExitIfZero { cc::E } else { cc::NE }), inst.imm);
            }
            Op::ExitIfBit | Op::ExitIfNotBit => {
                self.leave_flags(live);
                self.clobber_flags();
                let c = self.test_bit(inst.args[0], inst.aux & 63);
                self.side_exit(Some(c ^ (inst.op == Op::ExitIfNotBit) as u8), inst.imm);
            }
            Op::Jump | Op::Call => {
                self.leave_flags(live);
                self.side_exit(None, inst.imm);
            }
            Op::Trap => {
                self.leave_flags(true);
                self.trap(inst);
            }
            _ => {
                self.leave_flags(live);
                self.indirect(inst.args[0]);
            }
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

    /// Go to `target` if the condition holds (`None`: always). Backward, the world may want to stop us first.
    fn side_exit(&mut self, c: Option<u8>, target: u64) {
        if target > self.pc {
            return self.link(c, target);
        }
        let skip = c.map(|c| self.asm.jcc_short(c ^ 1));
        self.asm.alu_imm(Alu::Cmp, false, state!(pending), 0);
        let stop = self.asm.jcc_near(cc::NE);
        self.ool.push(Ool::Pending(stop, target));
        self.link(None, target);
        if let Some(s) = skip {
            self.asm.bind(s);
        }
    }

    /// A linkable jump.
    fn link(&mut self, c: Option<u8>, target: u64) {
        self.asm.pad(if c.is_some() { 2 } else { 3 });
        let near = match c {
            Some(c) => self.asm.jcc_near(c),
            None => self.asm.jmp_near(),
        };
        self.ool.push(Ool::LinkStub(self.out.links.len() as u32));
        self.out.links.push(Link { at: near.0, stub: 0, site: 0, target });
    }

    /// To the guest pc in `v`, by the thread's jump cache. Nothing lives in registers but pins from here on.
    fn indirect(&mut self, v: Value) {
        let v = self.opnd(v);
        self.mov_opnd(true, r::AX, v);
        let mask = (JUMP_CACHE_ENTRIES as i32 - 1) << 4;
        self.asm.lea(false, r::CX, Addr { base: super::asm::NOREG, index: r::AX, scale: 2, disp: 0 });
        self.asm.alu_imm(Alu::And, false, r::CX, mask);
        self.asm.alu(Alu::Add, true, r::CX, state!(jump_cache));
        self.asm.op(enc(0, 0, 0x39), true, r::AX, Addr::base(r::CX, 0).into(), 0, false);
        self.asm.bytes(&[0x0f, 0x85]);
        self.stub_ref(Stub::Lookup);
        self.asm.alu_imm(Alu::Cmp, false, state!(pending), 0);
        let stop = self.asm.jcc_near(cc::NE);
        self.ool.push(Ool::PendingRax(stop));
        // jmp [rcx + 8]
        self.asm.op(enc(0, 0, 0xff), false, 4, Addr::base(r::CX, 8).into(), 0, false);
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
            Trap::Undefined | Trap::Breakpoint => self.pc,
            Trap::FetchFault | Trap::PcAlign => inst.imm,
            _ => self.b.end,
        };
        self.store_const(state!(pc), pc);
        self.stub(false, Stub::Trap);
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
