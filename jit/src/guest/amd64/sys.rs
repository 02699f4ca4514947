//! System calls, traps, flags as a register, identification, counters, segment bases.

use super::helpers::Number;
use super::lift::{Lifted, Lifter, Refused};
use super::operand::gpr;
use super::{regs, state};
use crate::ir::{Op, Trap, Type, Value};
use iced_x86::{Code, Mnemonic as M, Register};

/// System instructions of user mode, and those that it has no right to.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Syscall => l.syscall(),
        M::Int3 => l.debug(0),
        M::Int1 => l.debug(1),
        M::Int => l.int(),
        M::Ud0 | M::Ud1 | M::Ud2 => Err(Refused::Undefined),
        M::Pushf | M::Pushfd | M::Pushfq => l.pushf(),
        M::Popf | M::Popfd | M::Popfq => l.popf(),
        M::Lahf => l.lahf(),
        M::Sahf => l.sahf(),
        M::Clc | M::Stc | M::Cmc => l.carry_flag(),
        M::Cld | M::Std => {
            let v = l.b.iconst(Type::I64, if l.i.mnemonic() == M::Std { u64::MAX } else { 0 });
            l.b.set(regs::DF, v);
            Ok(())
        }
        M::Cpuid => l.cpuid(),
        M::Xgetbv => l.xgetbv(),
        M::Rdtsc | M::Rdtscp => l.rdtsc(),
        M::Rdrand | M::Rdseed => l.rdrand(),
        M::Rdfsbase | M::Rdgsbase | M::Wrfsbase | M::Wrgsbase => l.segment_base(),
        M::Mov => l.mov_segment(),
        M::Clflush | M::Clflushopt | M::Clwb => l.clflush(),
        M::Hlt
        | M::Cli
        | M::Sti
        | M::In
        | M::Out
        | M::Insb
        | M::Insw
        | M::Insd
        | M::Outsb
        | M::Outsw
        | M::Outsd
        | M::Clts
        | M::Invd
        | M::Wbinvd
        | M::Invlpg
        | M::Lgdt
        | M::Lidt
        | M::Lldt
        | M::Ltr
        | M::Lmsw
        | M::Rdmsr
        | M::Wrmsr
        | M::Rdpmc
        | M::Sysret
        | M::Sysretq
        | M::Sysexit
        | M::Sysexitq
        | M::Swapgs
        | M::Xsetbv
        | M::Iret
        | M::Iretd
        | M::Iretq
        | M::Retf
        | M::Monitor
        | M::Mwait => Err(Refused::Protection),
        // Far transfers through selectors that don't exist; UMIP hides the tables.
        M::Sgdt | M::Sidt | M::Sldt | M::Smsw | M::Str => Err(Refused::Protection),
        M::Lss | M::Lfs | M::Lgs => l.load_far_pointer(),
        M::Verr | M::Verw | M::Lar | M::Lsl => l.no_selector(),
        _ => match l.i.code() {
            Code::Jmp_m1616 | Code::Jmp_m1632 | Code::Jmp_m1664 | Code::Call_m1616 | Code::Call_m1632 | Code::Call_m1664 => {
                Err(Refused::Protection)
            }
            _ => return None,
        },
    })
}

/// Whether `r` is one of the control and debug registers, which no program may touch.
pub fn control_register(r: Register) -> bool {
    (Register::CR0 as u32..=Register::DR15 as u32).contains(&(r as u32))
}

impl Lifter<'_> {
    fn syscall(&mut self) -> Lifted {
        let flags = self.eflags();
        let next = self.b.iconst(Type::I64, self.next);
        self.b.set(regs::RCX, next);
        self.b.set(regs::R11, flags);
        self.trap(Trap::Syscall, 0);
        Ok(())
    }

    fn debug(&mut self, kind: u64) -> Lifted {
        self.trap(Trap::Debug, kind);
        Ok(())
    }

    fn int(&mut self) -> Lifted {
        match self.i.immediate8() {
            3 => self.debug(0),
            4 => self.debug(4),
            n => {
                self.interrupt(n as u64);
                Ok(())
            }
        }
    }

    fn pushf(&mut self) -> Lifted {
        let log2 = if self.i.mnemonic() == M::Pushf { 1 } else { 3 };
        let v = self.eflags();
        let v = self.narrow(log2, v);
        self.push(log2, v);
        Ok(())
    }

    fn popf(&mut self) -> Lifted {
        let log2 = if self.i.mnemonic() == M::Popf { 1 } else { 3 };
        let top = self.at(regs::RSP, 0);
        let v = self.load(super::operand::carrier(log2), log2, top);
        let v = self.wide(v);
        let rsp = self.b.bin_imm(Op::Add, top.base, 1 << log2);
        self.set_eflags(v, true);
        let df = self.b.un_imm(Op::Sbfx, v, 1 << 8 | 10);
        self.b.set(regs::DF, df);
        // NT; AC and ID are out of reach of 16 bits.
        let writable = if log2 == 1 { 0x4000 } else { 0x24_4000 };
        let other = self.b.get(regs::OTHER_FLAGS);
        let kept = self.b.bin_imm(Op::And, other, !writable);
        let new = self.b.bin_imm(Op::And, v, writable);
        let other = self.b.bin(Op::Or, kept, new);
        self.b.set(regs::OTHER_FLAGS, other);
        self.b.set(regs::RSP, rsp);
        Ok(())
    }

    fn lahf(&mut self) -> Lifted {
        let v = self.eflags();
        let rax = self.b.get(regs::RAX);
        let rax = self.b.bfi(rax, v, 8, 8);
        self.b.set(regs::RAX, rax);
        Ok(())
    }

    fn sahf(&mut self) -> Lifted {
        let rax = self.b.get(regs::RAX);
        let v = self.b.bin_imm(Op::Shr, rax, 8);
        self.set_eflags(v, false);
        Ok(())
    }

    fn carry_flag(&mut self) -> Lifted {
        let f = self.flags();
        let f = match self.i.mnemonic() {
            M::Cmc => self.cflip(f),
            m => {
                let c = self.b.iconst(Type::I64, if m == M::Clc { 2 } else { 0 });
                self.insert(f, c, 0, 2)
            }
        };
        self.set_flags(f);
        Ok(())
    }

    fn cpuid(&mut self) -> Lifted {
        let (a, c) = (self.b.get32(regs::RAX), self.b.get32(regs::RCX));
        let (a, c) = (self.b.zext(a), self.b.zext(c));
        let a = self.helper(Number::Cpuid, &[a, c]);
        let [b, c, d] = [0, 1, 2].map(|n| self.area(state::TEMP + n));
        for (r, v) in [(regs::RAX, a), (regs::RBX, b), (regs::RCX, c), (regs::RDX, d)] {
            self.b.set(r, v);
        }
        Ok(())
    }

    fn xgetbv(&mut self) -> Lifted {
        let n = self.b.get32(regs::RCX);
        let beyond = self.b.bin_imm(Op::Shr, n, 1);
        self.trap_if(Trap::Protection, 0, beyond);
        let zero = self.b.iconst(Type::I64, 0);
        let v = self.b.iconst(Type::I64, state::XCR0);
        self.b.set(regs::RAX, v);
        self.b.set(regs::RDX, zero);
        Ok(())
    }

    fn rdtsc(&mut self) -> Lifted {
        let t = self.b.op(Op::Counter, Type::I64, &[], 0, 0);
        let low = self.b.trunc(t);
        let low = self.b.zext(low);
        let high = self.b.bin_imm(Op::Shr, t, 32);
        self.b.set(regs::RAX, low);
        self.b.set(regs::RDX, high);
        if self.i.mnemonic() == M::Rdtscp {
            let zero = self.b.iconst(Type::I64, 0);
            self.b.set(regs::RCX, zero);
        }
        Ok(())
    }

    fn rdrand(&mut self) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let v = self.b.op(Op::Counter, Type::I64, &[], 0, 1);
        let v = self.narrow(g.log2, v);
        self.set_gpr(g, v);
        // CF: it is valid; the others are clear.
        self.set_const_flags(0);
        Ok(())
    }

    fn segment_base(&mut self) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let m = self.i.mnemonic();
        let slot = if matches!(m, M::Rdfsbase | M::Wrfsbase) { regs::FS } else { regs::GS };
        if matches!(m, M::Rdfsbase | M::Rdgsbase) {
            let v = self.b.get(slot);
            let v = self.narrow(g.log2, v);
            self.set_gpr(g, v);
            return Ok(());
        }
        let v = self.gpr_raw(g);
        let v = self.wide(v);
        // It must be canonical.
        let high = self.b.bin_imm(Op::Sar, v, 47);
        let sign = self.b.bin_imm(Op::Sar, v, 63);
        let wrong = self.b.bin(Op::Xor, high, sign);
        self.trap_if(Trap::Protection, 0, wrong);
        self.b.set(slot, v);
        Ok(())
    }

    /// Selectors read as what Linux gives 64-bit programs: cs 0x33, ss 0x2b, the others null.
    fn mov_segment(&mut self) -> Lifted {
        let selector = match self.i.op1_register() {
            Register::CS => Some(0x33),
            Register::SS => Some(0x2b),
            Register::DS | Register::ES | Register::FS | Register::GS => Some(0),
            _ => None,
        };
        if let Some(s) = selector {
            let log2 = if self.is_mem(0) { 1 } else { self.size_of(0)? };
            let v = self.c(log2, s);
            return self.write(0, log2, v);
        }
        if self.i.op0_register() == Register::CS {
            return Err(Refused::Undefined);
        }
        if control_register(self.i.op0_register()) || control_register(self.i.op1_register()) {
            return Err(Refused::Protection);
        }
        let log2 = if self.is_mem(1) { 1 } else { self.size_of(1)? };
        let v = self.read(1, log2)?;
        let r = self.i.op0_register();
        self.demand_selector(r, v);
        self.null_base(r);
        Ok(())
    }

    /// LSS, LFS, LGS.
    fn load_far_pointer(&mut self) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let ea = self.ea();
        let offset = self.load(super::operand::carrier(g.log2), g.log2, ea);
        let selector = self.load(Type::I32, 1, ea.plus(1 << g.log2));
        let r = match self.i.mnemonic() {
            M::Lss => Register::SS,
            M::Lfs => Register::FS,
            _ => Register::GS,
        };
        self.demand_selector(r, selector);
        self.set_gpr(g, offset);
        self.null_base(r);
        Ok(())
    }

    /// #GP unless the low 16 bits of `v` are a selector that Linux lets segment register `r` have: those of user mode, and null except for SS.
    pub fn demand_selector(&mut self, r: Register, v: Value) {
        let v = self.narrow(1, v);
        let v = self.zx(1, v);
        let wrong = if r == Register::SS {
            self.b.bin_imm(Op::Xor, v, 0x2b)
        } else {
            // Null, code of 32 bits, data, code, and the processor's number.
            let valid = self.b.iconst(Type::I32, 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 15);
            let n = self.b.bin_imm(Op::Shr, v, 3);
            let valid = self.b.bin(Op::Shr, valid, n);
            let wrong = self.b.un(Op::Not, valid);
            let wrong = self.b.bin_imm(Op::And, wrong, 1);
            let local = self.b.bin_imm(Op::And, v, 0xff84);
            self.b.bin(Op::Or, wrong, local)
        };
        self.trap_if(Trap::Protection, 0, wrong);
    }

    /// All those segments begin at zero.
    pub fn null_base(&mut self, r: Register) {
        let slot = match r {
            Register::FS => regs::FS,
            Register::GS => regs::GS,
            _ => return,
        };
        let zero = self.b.iconst(Type::I64, 0);
        self.b.set(slot, zero);
    }

    /// Nothing but that the address must be readable.
    fn clflush(&mut self) -> Lifted {
        let ea = self.ea();
        self.load(Type::I32, 0, ea);
        Ok(())
    }

    /// No selector can be looked at: ZF is cleared.
    fn no_selector(&mut self) -> Lifted {
        let f = self.flags();
        let zero: Value = self.b.iconst(Type::I64, 0);
        let f = self.insert(f, zero, 0, 4);
        self.set_flags(f);
        Ok(())
    }
}
