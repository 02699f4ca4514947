//! The lifting loop and what every lifting function uses.

use super::super::{Fetch, Hints, Limits};
use super::features::{Feature, Set};
use super::{decode, regs};
use crate::ir::{Arr, Block, GuestReg, Op, Trap, Type, Value};

/// An A64 instruction word with the field names of the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn(pub u32);

#[allow(missing_docs)]
impl Insn {
    /// Bits `hi..=lo`.
    #[inline]
    pub const fn bits(self, hi: u32, lo: u32) -> u32 {
        (self.0 >> lo) & (u32::MAX >> (31 - (hi - lo)))
    }
    /// Bit `n`.
    #[inline]
    pub const fn bit(self, n: u32) -> bool {
        self.0 >> n & 1 != 0
    }
    /// Bits `hi..=lo`, sign-extended.
    #[inline]
    pub const fn sbits(self, hi: u32, lo: u32) -> i64 {
        ((self.bits(hi, lo) as i64) << (63 - (hi - lo))) >> (63 - (hi - lo))
    }
    pub const fn rd(self) -> u8 {
        self.bits(4, 0) as u8
    }
    pub const fn rt(self) -> u8 {
        self.bits(4, 0) as u8
    }
    pub const fn rn(self) -> u8 {
        self.bits(9, 5) as u8
    }
    pub const fn ra(self) -> u8 {
        self.bits(14, 10) as u8
    }
    pub const fn rt2(self) -> u8 {
        self.bits(14, 10) as u8
    }
    pub const fn rm(self) -> u8 {
        self.bits(20, 16) as u8
    }
    /// sf: 64-bit form.
    pub const fn sf(self) -> bool {
        self.bit(31)
    }
    /// Q: 128-bit vector form.
    pub const fn q(self) -> bool {
        self.bit(30)
    }
    /// The vector arrangement from size (bits 23..22) and Q.
    pub const fn arr(self) -> Arr {
        self.arr_of(self.bits(23, 22) as u8)
    }
    /// The arrangement with the given log2 element size and Q.
    pub const fn arr_of(self, log2: u8) -> Arr {
        Arr(log2 | if self.q() { 0x20 } else { 0x10 })
    }
}

/// The encoding is unallocated (or reserved, or of an extension that is not offered): SIGILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undefined;

/// Result of a lifting function.
pub type Lifted = Result<(), Undefined>;

/// A lifting function. It must return `Undefined` before it has pushed anything.
pub type LiftFn = fn(&mut Lifter<'_>, Insn) -> Lifted;

/// The state of lifting one block.
pub struct Lifter<'a> {
    /// The block under construction.
    pub b: &'a mut Block,
    /// Where the code comes from.
    pub mem: &'a dyn Fetch,
    /// Features that this guest must not have.
    pub hidden: Set,
    /// Address of the current instruction.
    pub pc: u64,
    /// Conditional branches that may still be run past.
    pub side_exits: u32,
    /// The block has its terminal.
    pub done: bool,
    /// The rest of [`Hints::path`].
    pub path: &'a [u64],
    /// Where the trace goes on after this instruction, if not at the next.
    pub goto: Option<u64>,
    /// Calls that the trace is in.
    pub depth: u32,
}

/// Calls that a trace is in at most: who leaves it makes up for all of them.
const DEEPEST: u32 = 4;

impl Lifter<'_> {
    /// X register or, for 31, zero.
    pub fn x(&mut self, n: u8) -> Value {
        if n == 31 {
            self.b.iconst(Type::I64, 0)
        } else {
            self.b.get(regs::x(n))
        }
    }
    /// W register or, for 31, zero.
    pub fn w(&mut self, n: u8) -> Value {
        if n == 31 {
            self.b.iconst(Type::I32, 0)
        } else {
            self.b.get32(regs::x(n))
        }
    }
    /// X or W register (31 = zero) by `sf`.
    pub fn r(&mut self, sf: bool, n: u8) -> Value {
        if sf {
            self.x(n)
        } else {
            self.w(n)
        }
    }
    /// X register or, for 31, SP.
    pub fn x_sp(&mut self, n: u8) -> Value {
        self.b.get(GuestReg::gpr(n))
    }
    /// X or W register (31 = SP/WSP) by `sf`.
    pub fn r_sp(&mut self, sf: bool, n: u8) -> Value {
        if sf {
            self.x_sp(n)
        } else {
            self.b.get32(GuestReg::gpr(n))
        }
    }
    /// Write a general register with an i64 or i32 value (zero-extended); writes to 31 are dropped.
    pub fn set_r(&mut self, n: u8, v: Value) {
        if n != 31 {
            self.set_r_sp(n, v);
        }
    }
    /// The same, but 31 is SP.
    pub fn set_r_sp(&mut self, n: u8, v: Value) {
        let v = if self.b.ty(v) == Type::I32 { self.b.zext(v) } else { v };
        self.b.set(GuestReg::gpr(n), v);
    }
    /// Vector register, all 128 bits.
    pub fn v(&mut self, n: u8) -> Value {
        self.b.get(regs::v(n))
    }
    /// Write a vector register, all 128 bits.
    pub fn set_v(&mut self, n: u8, v: Value) {
        self.b.set(regs::v(n), v);
    }
    /// Write NZCV.
    pub fn set_flags(&mut self, f: Value) {
        self.b.set(regs::NZCV, f);
    }
    /// Read NZCV.
    pub fn flags(&mut self) -> Value {
        self.b.get(regs::NZCV)
    }
    /// Integer constant of the type that `sf` says.
    pub fn c(&mut self, sf: bool, c: u64) -> Value {
        self.b.iconst(if sf { Type::I64 } else { Type::I32 }, c)
    }
    /// `Undefined` where `f` is hidden.
    pub fn need(&self, f: Feature) -> Lifted {
        if self.hidden.has(f) {
            Err(Undefined)
        } else {
            Ok(())
        }
    }
    /// Where control got to after this branch, if the trace is to go on there. To be asked once for each branch.
    pub fn turn(&mut self) -> Option<u64> {
        let (&next, rest) = self.path.split_first()?;
        self.path = rest;
        // At its own beginning the trace is closed: by a jump.
        (next != self.b.pc && next & 3 == 0).then_some(next)
    }
    /// The trace goes on at `to`.
    pub fn go_on(&mut self, to: u64) {
        self.goto = Some(to);
    }
    /// Begin to be in a call, unless that is too deep.
    pub fn enter(&mut self) -> bool {
        let may = self.depth < DEEPEST;
        if may {
            self.depth += 1;
            let ret = self.pc.wrapping_add(4);
            self.b.op(Op::Enter, Type::None, &[], 0, ret);
        }
        may
    }
    /// The trace goes on at `to` if that is where `v` leads.
    pub fn expect(&mut self, v: Value, to: u64) {
        let known = self.b.def(self.b.root(v));
        if known.op != Op::Const || known.imm != to {
            self.b.op(Op::ExitUnless, Type::None, &[v], 0, to);
        }
        self.go_on(to);
    }
    /// End the block after this instruction by a jump to the next.
    pub fn end_block(&mut self) {
        self.b.jump(self.pc.wrapping_add(4));
        self.done = true;
    }
}

/// Instruction words, read a few at a time, for one translation only: what is in memory may change before the next.
struct Words<'a> {
    mem: &'a dyn Fetch,
    buffer: [u32; AHEAD],
    at: usize,
    len: usize,
}

/// Words to read at once.
const AHEAD: usize = 16;

impl Words<'_> {
    /// The next word, which is at `pc`.
    #[inline]
    fn next(&mut self, pc: u64) -> Option<u32> {
        if self.at == self.len {
            (self.at, self.len) = (0, self.mem.fetch(pc, &mut self.buffer));
            if self.len == 0 {
                return None;
            }
        }
        self.at += 1;
        Some(self.buffer[self.at - 1])
    }
}

/// `Guest::lift`.
pub fn lift_block(b: &mut Block, mem: &dyn Fetch, hints: &dyn Hints, limits: Limits) {
    let start = b.pc;
    if start & 3 != 0 {
        b.trap(Trap::PcAlign, Value::NONE, start);
        return;
    }
    let mut words = Words { mem, buffer: [0; AHEAD], at: 0, len: 0 };
    let (hidden, path) = (Set(hints.hidden()), hints.path());
    let mut l = Lifter { mem, hidden, pc: start, side_exits: limits.side_exits, done: false, path, goto: None, depth: 0, b };
    let mut left = limits.insns.max(1);
    // The beginning of this run of instructions.
    let mut run = start;
    while !l.done {
        let (pc, side_exits) = (l.pc, l.side_exits);
        let word = match words.next(pc) {
            Some(w) => w,
            // The fault belongs to the instruction that can't be fetched: run what comes before first.
            None if pc != start => return finish(&mut l, run, pc),
            None => {
                l.b.trap(Trap::FetchFault, Value::NONE, pc);
                return;
            }
        };
        // The IR must be able to name every value: stay far below its limit.
        if left == 0 || l.b.insts.len() > 8_000 {
            return finish(&mut l, run, pc);
        }
        left -= 1;
        l.b.insn_start(pc);
        let hint = hints.hint(pc);
        if hint != 0 {
            l.b.hints.push((pc, hint));
        }
        let mark = l.b.insts.len();
        if decode::lift_one(&mut l, Insn(word)).is_err() {
            debug_assert_eq!(mark, l.b.insts.len(), "{word:08x} pushed before Undefined");
            l.b.insts.truncate(mark);
            l.b.trap(Trap::Undefined, Value::NONE, word as u64);
            l.done = true;
        }
        l.pc = pc.wrapping_add(4);
        if let Some(to) = l.goto.take() {
            l.b.parts.push(run..l.pc);
            (run, l.pc) = (to, to);
            words.len = words.at;
        } else if l.side_exits != side_exits && hints.translated(l.pc) {
            let next = l.pc;
            return finish(&mut l, run, next);
        }
    }
    let end = l.pc;
    ended(&mut l, run, end);
    debug_assert!(l.b.insts.last().is_some_and(|i| i.op.fx() & crate::ir::fx::TERM != 0));
}

fn finish(l: &mut Lifter<'_>, run: u64, pc: u64) {
    ended(l, run, pc);
    l.b.jump(pc);
}

/// The last run of instructions was `run..pc`.
fn ended(l: &mut Lifter<'_>, run: u64, pc: u64) {
    l.b.end = pc;
    if !l.b.parts.is_empty() && pc != run {
        l.b.parts.push(run..pc);
    }
}
