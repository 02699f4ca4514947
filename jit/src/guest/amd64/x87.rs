//! x87 instructions: memory is IR's, all else the helpers' of [`super::x87_ops`].

use super::helpers::Number;
use super::lift::{Lifted, Lifter, Refused};
use super::operand::Ea;
use super::state;
use crate::ir::{Cond, Op, Trap, Type, Value};
use iced_x86::{MemorySize, Mnemonic as M, OpKind, Register};

/// Arithmetic: the operation's number, whether it pops, whether memory holds an integer.
fn arithmetic(m: M) -> Option<(u64, bool, bool)> {
    Some(match m {
        M::Fadd => (0, false, false),
        M::Faddp => (0, true, false),
        M::Fiadd => (0, false, true),
        M::Fmul => (1, false, false),
        M::Fmulp => (1, true, false),
        M::Fimul => (1, false, true),
        M::Fsub => (4, false, false),
        M::Fsubp => (4, true, false),
        M::Fisub => (4, false, true),
        M::Fsubr => (5, false, false),
        M::Fsubrp => (5, true, false),
        M::Fisubr => (5, false, true),
        M::Fdiv => (6, false, false),
        M::Fdivp => (6, true, false),
        M::Fidiv => (6, false, true),
        M::Fdivr => (7, false, false),
        M::Fdivrp => (7, true, false),
        M::Fidivr => (7, false, true),
        _ => return None,
    })
}

/// Comparisons: pops, quiet, to the flags.
fn comparison(m: M) -> Option<(u64, bool, bool)> {
    Some(match m {
        M::Fcom | M::Ficom => (0, false, false),
        M::Fcomp | M::Ficomp => (1, false, false),
        M::Fcompp => (2, false, false),
        M::Fucom => (0, true, false),
        M::Fucomp => (1, true, false),
        M::Fucompp => (2, true, false),
        M::Fcomi => (0, false, true),
        M::Fcomip => (1, false, true),
        M::Fucomi => (0, true, true),
        M::Fucomip => (1, true, true),
        _ => return None,
    })
}

/// Operations on the top of the stack, by their numbers in [`super::x87_ops::unary`] and, from 16 on, [`super::x87_fn`].
fn unary(m: M) -> Option<u64> {
    Some(match m {
        M::Fchs => 0,
        M::Fabs => 1,
        M::Ftst => 2,
        M::Fxam => 3,
        M::Fsqrt => 4,
        M::Frndint => 5,
        M::Fscale => 6,
        M::Fprem => 7,
        M::Fprem1 => 8,
        M::Fxtract => 9,
        M::F2xm1 => 16,
        M::Fyl2x => 17,
        M::Fyl2xp1 => 18,
        M::Fptan => 19,
        M::Fpatan => 20,
        M::Fsin => 21,
        M::Fcos => 22,
        M::Fsincos => 23,
        _ => return None,
    })
}

fn st(r: Register) -> u64 {
    (r as u64).wrapping_sub(Register::ST0 as u64) & 7
}

/// The x87, FXSAVE aside.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    let m = l.i.mnemonic();
    if let Some((op, pops, _)) = arithmetic(m) {
        return Some(l.x87_arith(op, pops));
    }
    if let Some((pops, quiet, flags)) = comparison(m) {
        return Some(l.x87_compare(pops, quiet, flags));
    }
    if let Some(what) = unary(m) {
        l.begin_x87();
        l.x87(if what < 16 { Number::X87Unary } else { Number::X87Function }, what, None);
        return Some(Ok(()));
    }
    Some(match m {
        M::Fld | M::Fild | M::Fbld => l.x87_load(),
        M::Fld1 => l.x87_constant(0),
        M::Fldl2t => l.x87_constant(1),
        M::Fldl2e => l.x87_constant(2),
        M::Fldpi => l.x87_constant(3),
        M::Fldlg2 => l.x87_constant(4),
        M::Fldln2 => l.x87_constant(5),
        M::Fldz => l.x87_constant(6),
        M::Fst | M::Fist => l.x87_store(false, false),
        M::Fstp | M::Fistp | M::Fbstp => l.x87_store(true, false),
        M::Fisttp => l.x87_store(true, true),
        M::Fxch => l.x87_control(3, true),
        M::Fincstp => l.x87_control(0, true),
        M::Fdecstp => l.x87_control(1, true),
        M::Ffree => l.x87_control(2, true),
        M::Ffreep => l.x87_control(10, true),
        M::Fstpnce => l.x87_control(11, true),
        // Of earlier processors.
        M::Fndisi | M::Fneni | M::Fnsetpm => Ok(()),
        M::Fnop => {
            l.begin_x87();
            Ok(())
        }
        M::Wait => {
            l.pending_x87();
            Ok(())
        }
        M::Fninit | M::Finit => l.x87_control(7, false),
        M::Fnclex | M::Fclex => l.x87_control(8, false),
        M::Fcmovb => l.x87_move(2),
        M::Fcmove => l.x87_move(4),
        M::Fcmovbe => l.x87_move(6),
        M::Fcmovu => l.x87_move(10),
        M::Fcmovnb => l.x87_move(3),
        M::Fcmovne => l.x87_move(5),
        M::Fcmovnbe => l.x87_move(7),
        M::Fcmovnu => l.x87_move(11),
        M::Fldcw => l.fldcw(),
        M::Fnstcw | M::Fstcw => l.x87_store_word(state::FCW),
        M::Fnstsw | M::Fstsw => l.x87_store_word(state::FSW),
        M::Fnstenv | M::Fstenv => l.fnstenv(),
        M::Fldenv => l.fldenv(),
        M::Fnsave | M::Fsave => l.fnsave(),
        M::Frstor => l.frstor(),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// A pending exception is raised.
    pub fn pending_x87(&mut self) {
        let sw = self.area(state::FSW);
        let pending = self.b.bin_imm(Op::And, sw, 0x80);
        self.trap_if(Trap::FpException, 1, pending);
    }

    /// What every instruction that waits does.
    fn begin_x87(&mut self) {
        self.pending_x87();
        self.note_x87();
    }

    /// Where and what the last instruction is.
    fn note_x87(&mut self) {
        let pc = self.b.iconst(Type::I64, self.pc);
        let opcode = self.b.iconst(Type::I64, self.fop as u64);
        self.set_area(state::FIP, pc);
        self.set_area(state::OPCODE, opcode);
    }

    fn x87(&mut self, n: Number, how: u64, v: Option<Value>) -> Value {
        let how = self.b.iconst(Type::I64, how);
        match v {
            Some(v) => self.helper(n, &[how, v]),
            None => self.helper(n, &[how]),
        }
    }

    /// Its memory operand's offset.
    fn note_data(&mut self) {
        let at = self.lea_value();
        self.set_area(state::DATA, at);
    }

    /// The memory operand's kind (1 single, 2 double, 3 integer) and value.
    fn x87_memory(&mut self) -> Result<(u64, Value), Refused> {
        self.pending_x87();
        let ea = self.ea();
        let (kind, log2) = match self.i.memory_size() {
            MemorySize::Float32 => (1, 2),
            MemorySize::Float64 => (2, 3),
            MemorySize::Int16 => (3, 1),
            MemorySize::Int32 => (3, 2),
            MemorySize::Int64 => (3, 3),
            _ => return Err(Refused::Undefined),
        };
        let v = if kind == 3 && log2 < 3 { self.load_signed(Type::I64, log2, ea) } else { self.load(Type::I64, log2, ea) };
        self.note_x87();
        self.note_data();
        Ok((kind, v))
    }

    fn x87_arith(&mut self, op: u64, pops: bool) -> Lifted {
        if self.is_mem(0) {
            let (kind, v) = self.x87_memory()?;
            self.x87(Number::X87Arith, op | kind << 4, Some(v));
            return Ok(());
        }
        let (dst, src) = (st(self.i.op0_register()), st(self.i.op1_register()));
        self.begin_x87();
        self.x87(Number::X87Arith, op | dst << 8 | src << 12 | (pops as u64) << 16, None);
        Ok(())
    }

    fn x87_load(&mut self) -> Lifted {
        if !self.is_mem(0) {
            let j = st(self.i.op_register(self.i.op_count() - 1));
            self.begin_x87();
            self.x87(Number::X87Load, j << 8, None);
            return Ok(());
        }
        let kind = match self.i.memory_size() {
            MemorySize::Float80 => 4,
            MemorySize::Bcd => 6,
            _ => {
                let (kind, v) = self.x87_memory()?;
                self.x87(Number::X87Load, kind, Some(v));
                return Ok(());
            }
        };
        self.pending_x87();
        let ea = self.ea();
        let v = self.load(Type::I64, 3, ea);
        let high = self.load(Type::I64, 1, ea.plus(8));
        self.note_x87();
        self.note_data();
        self.set_area(state::TEMP, high);
        self.x87(Number::X87Load, kind, Some(v));
        Ok(())
    }

    fn x87_constant(&mut self, n: u64) -> Lifted {
        self.begin_x87();
        self.x87(Number::X87Load, 5 | n << 8, None);
        Ok(())
    }

    fn x87_store(&mut self, pops: bool, truncated: bool) -> Lifted {
        if !self.is_mem(0) {
            return self.x87_control(if pops { 5 } else { 4 }, true);
        }
        let (kind, log2) = match self.i.memory_size() {
            MemorySize::Float32 => (1, 2),
            MemorySize::Float64 => (2, 3),
            MemorySize::Float80 => (4, 3),
            MemorySize::Int16 => (5, 1),
            MemorySize::Int32 => (6, 2),
            MemorySize::Int64 => (7, 3),
            MemorySize::Bcd => (8, 3),
            _ => return Err(Refused::Undefined),
        };
        let ea = self.ea();
        self.pending_x87();
        let v = self.x87(Number::X87Store, kind | (truncated as u64) << 8 | (pops as u64) << 9, None);
        let high = self.area(state::TEMP);
        let skip = self.area(state::TEMP + 1);
        let scratch = self.helper(Number::Scratch, &[]);
        let at = self.address(ea);
        let f = self.zero_flags(skip);
        let to = self.b.select(Cond::Eq, f, at, scratch);
        let to = Ea { base: to, index: Value::NONE, scale: 0, disp: 0 };
        self.store(log2, to, v);
        // If only the next page isn't there, the processor has stored the first eight bytes, too.
        if kind == 4 || kind == 8 {
            self.store(1, to.plus(8), high);
        }
        self.note_x87();
        self.note_data();
        self.x87(Number::X87Commit, 0, None);
        Ok(())
    }

    fn x87_compare(&mut self, pops: u64, quiet: bool, flags: bool) -> Lifted {
        let how = pops << 16 | (quiet as u64) << 18 | (flags as u64) << 19;
        let r = if self.i.op_count() > 0 && self.is_mem(0) {
            let (kind, v) = self.x87_memory()?;
            self.x87(Number::X87Compare, how | kind << 4, Some(v))
        } else {
            let j = match self.i.op_count() {
                0 => 1,
                n => st(self.i.op_register(n - 1)),
            };
            self.begin_x87();
            self.x87(Number::X87Compare, how | j << 12, None)
        };
        if flags {
            let old = self.flags();
            let f = self.insert(old, r, 0, 15);
            let pf = self.b.un_imm(Op::Ubfx, r, 1 << 8 | 4);
            let pf = self.b.bin_imm(Op::Xor, pf, 1);
            let af = self.b.iconst(Type::I64, 0);
            self.set_flags(f);
            self.set_pf(pf);
            self.set_af(af);
        }
        Ok(())
    }

    fn x87_control(&mut self, what: u64, waits: bool) -> Lifted {
        if waits {
            self.begin_x87();
        }
        let i = match self.i.op_count() {
            0 => 0,
            n if what == 3 => st(self.i.op_register(n - 1)),
            _ => st(self.i.op0_register()),
        };
        self.x87(Number::X87Control, what | i << 8, None);
        Ok(())
    }

    fn x87_move(&mut self, cc: u8) -> Lifted {
        self.begin_x87();
        let t = self.test(cc);
        let v = self.test_value(Type::I64, t);
        let j = st(self.i.op1_register());
        self.x87(Number::X87Control, 9 | j << 8, Some(v));
        Ok(())
    }

    // --- words and images --------------------------------------------------------------------------------------
    fn fldcw(&mut self) -> Lifted {
        let ea = self.ea();
        self.pending_x87();
        let v = self.load(Type::I64, 1, ea);
        self.x87(Number::X87Control, 6, Some(v));
        Ok(())
    }

    fn x87_store_word(&mut self, word: usize) -> Lifted {
        let v = self.area(word);
        if self.i.op0_kind() == OpKind::Register {
            self.set_low(0, 1, v);
            return Ok(());
        }
        let ea = self.ea();
        self.store(1, ea, v);
        Ok(())
    }

    /// The environment's words and their places; 16-bit or 32-bit form.
    fn environment(&mut self) -> Vec<(Value, i64)> {
        self.x87(Number::X87Image, 0, None);
        let ones = |l: &mut Self, v: Value| l.b.bin_imm(Op::Or, v, 0xffff_0000);
        let [cw, sw, tags] = [state::FCW, state::FSW, state::TEMP].map(|n| self.area(n));
        let [ip, dp, op] = [state::FIP, state::FDP, state::FOP].map(|n| self.area(n));
        if self.env_bytes() == 14 {
            let zero = self.b.iconst(Type::I64, 0);
            return vec![(cw, 0), (sw, 2), (tags, 4), (ip, 6), (zero, 8), (dp, 10), (zero, 12)];
        }
        let (cw, sw, tags) = (ones(self, cw), ones(self, sw), ones(self, tags));
        let op = self.b.bin_imm(Op::Shl, op, 16);
        let last = self.b.iconst(Type::I64, 0xffff_0000);
        vec![(cw, 0), (sw, 4), (tags, 8), (ip, 12), (op, 16), (dp, 20), (last, 24)]
    }

    fn env_bytes(&self) -> i64 {
        match self.i.memory_size() {
            MemorySize::FpuEnv14 | MemorySize::FpuState94 => 14,
            _ => 28,
        }
    }

    fn store_environment(&mut self, ea: Ea) {
        let log2 = if self.env_bytes() == 14 { 1 } else { 2 };
        for (v, at) in self.environment() {
            self.store(log2, ea.plus(at), v);
        }
    }

    fn fnstenv(&mut self) -> Lifted {
        let ea = self.ea();
        self.probe(ea, self.env_bytes());
        self.store_environment(ea);
        // All exceptions are masked.
        let cw = self.area(state::FCW);
        let cw = self.b.bin_imm(Op::Or, cw, 0x3f);
        self.x87(Number::X87Control, 6, Some(cw));
        Ok(())
    }

    fn load_environment(&mut self, ea: Ea) -> [Value; 6] {
        let (log2, step) = if self.env_bytes() == 14 { (1, 2) } else { (2, 4) };
        // The last one, a selector, is of no interest but must be there.
        self.load(Type::I32, 1, ea.plus(6 * step));
        [0, 1, 2, 3, 4, 5].map(|n| self.load(Type::I64, log2, ea.plus(n * step)))
    }

    fn put_environment(&mut self, [cw, sw, tags, ip, op, dp]: [Value; 6]) {
        let sw = self.b.bin_imm(Op::And, sw, 0xffff);
        self.set_area(state::FSW, sw);
        self.x87(Number::X87Image, 3, Some(tags));
        let op = self.b.un_imm(Op::Ubfx, op, 11 << 8 | 16);
        self.set_area(state::FOP, op);
        self.set_area(state::FIP, ip);
        self.set_area(state::FDP, dp);
        self.x87(Number::X87Control, 6, Some(cw));
    }

    fn fldenv(&mut self) -> Lifted {
        let ea = self.ea();
        self.pending_x87();
        let words = self.load_environment(ea);
        self.put_environment(words);
        Ok(())
    }

    fn fnsave(&mut self) -> Lifted {
        let ea = self.ea();
        let registers = ea.plus(self.env_bytes());
        self.probe(ea, self.env_bytes() + 80);
        self.x87(Number::X87Image, 1, None);
        for n in (0..8usize).rev() {
            let (low, high) = (self.area(state::TEMP + 3 + 2 * n), self.area(state::TEMP + 4 + 2 * n));
            self.store(1, registers.plus(10 * n as i64 + 8), high);
            self.store(3, registers.plus(10 * n as i64), low);
        }
        self.store_environment(ea);
        self.x87(Number::X87Control, 7, None);
        Ok(())
    }

    fn frstor(&mut self) -> Lifted {
        let ea = self.ea();
        let registers = ea.plus(self.env_bytes());
        self.pending_x87();
        let words = self.load_environment(ea);
        let loaded: Vec<_> = (0..8)
            .map(|n| (self.load(Type::I64, 3, registers.plus(10 * n)), self.load(Type::I64, 1, registers.plus(10 * n + 8))))
            .collect();
        self.put_environment(words);
        for (n, (low, high)) in loaded.into_iter().enumerate() {
            self.set_area(state::TEMP + 3 + 2 * n, low);
            self.set_area(state::TEMP + 4 + 2 * n, high);
        }
        self.x87(Number::X87Image, 5, None);
        Ok(())
    }
}
