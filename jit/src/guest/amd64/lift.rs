//! The lifting loop and what every lifting function uses.

use super::super::{Fetch, Hints, Limits};
use super::length::{is_prefix, length, LONGEST};
use super::{alu, atomic, bits, branch, muldiv, shift, string, sys, vec_fp, vec_int, vec_misc, vec_move, x87, xsave};
use crate::ir::{Block, FpRules, Op, Trap, Type, Value};
use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction};

/// Why an instruction isn't done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// #UD.
    Undefined,
    /// #GP.
    Protection,
}

/// Result of a lifting function.
pub type Lifted = Result<(), Refused>;

/// The state of lifting one block.
pub struct Lifter<'a> {
    /// The block under construction.
    pub b: &'a mut Block,
    /// The current instruction.
    pub i: Instruction,
    /// It is encoded by VEX.
    pub vex: bool,
    /// Of an x87 instruction: its opcode of 11 bits.
    pub fop: u16,
    /// It isn't one, and would have more than 15 bytes.
    pub too_long: bool,
    /// Its address.
    pub pc: u64,
    /// The next one's.
    pub next: u64,
    /// Conditional branches that may still be run past.
    pub side_exits: u32,
    /// The block has its terminal.
    pub done: bool,
}

impl Lifter<'_> {
    /// End the block after this instruction by a jump to the next.
    pub fn end_block(&mut self) {
        self.b.jump(self.next);
        self.done = true;
    }
    /// End the block by a trap.
    pub fn trap(&mut self, t: Trap, imm: u64) {
        self.b.trap(t, Value::NONE, imm);
        self.done = true;
    }
    /// Leave to the runtime if `v` isn't zero.
    pub fn trap_if(&mut self, t: Trap, imm: u64, v: Value) {
        self.b.op(Op::TrapIf, Type::None, &[v], t as u8, imm);
    }
    /// The guest's function number `n` on two values (or none).
    pub fn helper(&mut self, n: super::helpers::Number, args: &[Value]) -> Value {
        self.b.op(Op::Helper, Type::I64, args, 0, n as u64)
    }
    /// Word `n` of the guest's area.
    pub fn area(&mut self, n: usize) -> Value {
        self.b.op(Op::Area, Type::I64, &[], 0, n as u64)
    }
    /// Write word `n` of the guest's area.
    pub fn set_area(&mut self, n: usize, v: Value) {
        self.b.op(Op::SetArea, Type::None, &[v], 0, n as u64);
    }
}

/// Bytes to read at once.
const AHEAD: usize = 64;

/// An instruction, and what iced doesn't tell of it.
struct Decoded {
    i: Instruction,
    vex: bool,
    fop: u16,
    too_long: bool,
}

/// Code bytes, read ahead, for one translation only: what is in memory may change before the next.
struct Bytes<'a> {
    mem: &'a dyn Fetch,
    buffer: [u8; AHEAD],
    pc: u64,
    len: usize,
}

impl Bytes<'_> {
    /// Decode the instruction at `pc`. `None`: it can't be fetched.
    fn decode(&mut self, pc: u64) -> Option<Decoded> {
        let mut at = pc.wrapping_sub(self.pc) as usize;
        if at > self.len || self.len - at < LONGEST {
            (self.pc, self.len) = (pc, self.mem.fetch_bytes(pc, &mut self.buffer));
            if self.len < LONGEST {
                // It may have stopped where a page ends.
                self.len += self.mem.fetch_bytes(pc.wrapping_add(self.len as u64), &mut self.buffer[self.len..]);
            }
            at = 0;
        }
        let bytes = &self.buffer[at..self.len];
        // Of the hints none has a meaning here: what was given one (shadow stacks, prefetches) does nothing, as on a CPU from before.
        let mut d = Decoder::with_ip(64, bytes, pc, DecoderOptions::FORCE_RESERVED_NOP);
        let i = d.decode();
        let short = i.is_invalid() && d.last_error() == DecoderError::NoMoreBytes && bytes.len() < LONGEST;
        let mut opcode = bytes.iter().skip_while(|b| is_prefix(**b));
        let first = opcode.next().copied().unwrap_or(0);
        let vex = matches!(first, 0xc4 | 0xc5);
        let fop = match opcode.next() {
            Some(&second) if first >> 3 == 0xd8 >> 3 => (first as u16 & 7) << 8 | second as u16,
            _ => 0,
        };
        let too_long = i.is_invalid() && length(bytes) > LONGEST;
        (!short).then_some(Decoded { i, vex, fop, too_long })
    }
}

/// `Guest::lift`.
pub fn lift_block(b: &mut Block, mem: &dyn Fetch, hints: &dyn Hints, limits: Limits) {
    let start = b.pc;
    b.fp = FpRules::X86;
    let mut bytes = Bytes { mem, buffer: [0; AHEAD], pc: start, len: 0 };
    let mut l = Lifter {
        i: Instruction::default(),
        vex: false,
        fop: 0,
        too_long: false,
        pc: start,
        next: start,
        side_exits: limits.side_exits,
        done: false,
        b,
    };
    let mut left = limits.insns.max(1);
    while !l.done {
        let (pc, side_exits) = (l.next, l.side_exits);
        let Decoded { i, vex, fop, too_long } = match bytes.decode(pc) {
            Some(decoded) => decoded,
            // The fault belongs to the instruction that can't be fetched: run what comes before first.
            None if pc != start => return finish(&mut l, pc),
            None => {
                l.b.trap(Trap::FetchFault, Value::NONE, pc);
                return;
            }
        };
        // The IR must be able to name every value: stay far below its limit.
        if left == 0 || l.b.insts.len() > 8_000 {
            return finish(&mut l, pc);
        }
        left -= 1;
        l.b.insn_start(pc);
        let hint = hints.hint(pc);
        if hint != 0 {
            l.b.hints.push((pc, hint));
        }
        (l.i, l.vex, l.fop, l.too_long) = (i, vex, fop, too_long);
        l.pc = pc;
        l.next = pc.wrapping_add(i.len().max(1) as u64);
        one(&mut l);
        if l.side_exits != side_exits && !l.done && hints.translated(l.next) {
            let next = l.next;
            return finish(&mut l, next);
        }
    }
    l.b.end = l.next;
}

/// Lift the current instruction.
fn one(l: &mut Lifter<'_>) {
    let mark = l.b.insts.len();
    let refused = match l.i.is_invalid() {
        true if l.too_long => Some(Refused::Protection),
        true => Some(Refused::Undefined),
        false => dispatch(l).err(),
    };
    let Some(why) = refused else { return };
    l.b.insts.truncate(mark);
    match why {
        Refused::Undefined => l.trap(Trap::Undefined, 0),
        Refused::Protection => l.trap(Trap::Protection, 0),
    }
}

/// A chapter's lifting function: `None` if the instruction is another chapter's.
type Chapter = fn(&mut Lifter<'_>) -> Option<Lifted>;

static CHAPTERS: [Chapter; 14] = [
    alu::lift,
    branch::lift,
    shift::lift,
    muldiv::lift,
    bits::lift,
    atomic::lift,
    string::lift,
    vec_move::lift,
    vec_int::lift,
    vec_fp::lift,
    vec_misc::lift,
    x87::lift,
    xsave::lift,
    sys::lift,
];

fn dispatch(l: &mut Lifter<'_>) -> Lifted {
    let lift = |l: &mut Lifter<'_>| CHAPTERS.iter().find_map(|chapter| chapter(l)).unwrap_or(Err(Refused::Undefined));
    let mmx = (0..l.i.op_count()).any(|n| super::vec::mm(l.i.op_register(n)).is_some());
    if !mmx {
        return lift(l);
    }
    l.pending_x87();
    let stores = l.is_mem(0);
    // One that loads does so first (see `set_vec_at`).
    if !stores && !(1..l.i.op_count()).any(|n| l.is_mem(n)) {
        l.enter_mmx();
    }
    if stores {
        l.mmx_top();
    }
    lift(l)?;
    if stores {
        l.mmx_tags();
    }
    Ok(())
}

fn finish(l: &mut Lifter<'_>, pc: u64) {
    l.b.end = pc;
    l.b.jump(pc);
}
