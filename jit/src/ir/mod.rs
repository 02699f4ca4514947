//! The typed, explicitly sized intermediate representation that every guest lifts to and every host emits.
//!
//! **Shape.** A [`Block`] is a straight line of [`Inst`]s in SSA form: an instruction's index is its value's name. It has
//! one entry (its first instruction), any number of side exits (`exit_if…`) and ends in one terminal. It covers one guest basic
//! block or a run of them that fall through into each other, or is a *trace*: basic blocks along the way that control was seen to take, through
//! branches, calls and returns ([`Block::parts`]). Calls whose target a trace goes on with stand between `enter` and `unwind`.
//!
//! **Guest state** lives outside of SSA in the registers that `get` and `set` name, so values never cross blocks.
//! `set`s are in program order with everything that can fault or leave: at each such point the guest's
//! registers are exactly what the `set`s before it made them. A lifter therefore emits an instruction's faulting
//! operations before its `set`s.
//!
//! **Invariants** (checked by [`verify`](verify::verify)): operands are defined before use and of the type that the table
//! [`op`] demands; exactly the last instruction is a terminal; `flagsof` directly follows its arithmetic.
//!
//! **Guest instructions.** [`Block::starts`] lists their addresses; each IR instruction says which of them it belongs to. Those
//! that became nothing have no IR instruction.
//!
//! **Roots.** Values that are the same bits share a *root*, the first of them: a `get` of a register whose content is a known value, a `trunc`,
//! a `zext` of something whose upper half is zero already. [`Block::push`] finds it as it goes.

pub mod eval;
mod fold;
pub mod interp;
pub mod op;
pub mod text;
mod types;
pub mod verify;

pub use crate::table::Table;
pub use op::{fx, Aux, Kind, Op, Trap};
pub use types::*;

/// An SSA value: the index of the instruction that makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Value(pub u16);

impl Value {
    /// No operand.
    pub const NONE: Value = Value(u16::MAX);
    /// Whether an operand is there.
    pub fn is_some(self) -> bool {
        self != Value::NONE
    }
    /// The defining instruction's index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What [`Block::push`] finds out about an instruction's value (`Inst::facts`).
pub mod fact {
    /// No code is needed: it is a constant, or what another value is.
    pub const NOTHING: u8 = 1;
    /// An i32 (or a constant) whose upper half is zero wherever it is.
    pub const CLEAN: u8 = 2;
    /// A constant.
    pub const CONST: u8 = 8;
}

/// One IR instruction. 24 bytes, plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inst {
    /// Operation.
    pub op: Op,
    /// Result type ([`Type::None`] without a result). For operations on integers without a result of that type
    /// (`flagsof`, `ccmp`), the operands' types say the width.
    pub ty: Type,
    /// Small detail; its reading is given by the table's [`Aux`].
    pub aux: u8,
    /// Bits of [`fact`].
    pub facts: u8,
    /// Operands; absent ones are [`Value::NONE`].
    pub args: [Value; 3],
    /// The value that stands for this one.
    pub root: Value,
    /// Number of the guest instruction.
    pub guest: u16,
    /// Constant, displacement, register, pc …: given by [`Aux`].
    pub imm: u64,
}

// SAFETY: operation, type and value number 0 exist.
unsafe impl crate::table::Zeroed for Inst {}

impl Inst {
    /// An instruction to be pushed.
    #[inline]
    pub fn new(op: Op, ty: Type, args: [Value; 3], aux: u8, imm: u64) -> Inst {
        Inst { op, ty, aux, facts: 0, args, root: Value::NONE, guest: 0, imm }
    }
    /// `aux` as a lane arrangement.
    pub fn arr(&self) -> Arr {
        Arr(self.aux)
    }
    /// `aux` as a condition.
    pub fn cond(&self) -> Cond {
        Cond::from_bits(self.aux)
    }
    /// `aux` as a memory access.
    pub fn mem(&self) -> Mem {
        Mem::from_bits(self.aux)
    }
    /// `imm` as a guest register.
    pub fn reg(&self) -> GuestReg {
        GuestReg(self.imm as u8)
    }
    /// `aux` as a trap.
    pub fn trap(&self) -> Trap {
        Trap::from_bits(self.aux)
    }
}

/// What, beside the pc, a translation depends on. Part of a block's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default, PartialOrd, Ord)]
pub struct Mode(pub u32);

impl Mode {
    /// FPCR is such that the host's FPU can't be used directly (FZ, DN, AHP, FZ16 …): every FP operation goes through the exact software path.
    pub const SOFT_FP: Mode = Mode(1);
    /// Others may look at the guest's memory while it runs: what its architecture does in one access is one.
    pub const SHARED: Mode = Mode(2);
    /// One instruction for a debugger, linked to nothing.
    pub const STEP: Mode = Mode(1 << 31);
    /// Instructions up to the first branch, linked to nothing: for the engine to see where control goes.
    pub const RUN: Mode = Mode(1 << 30);
    /// Linked to nothing.
    pub fn alone(self) -> bool {
        self.0 & (Mode::STEP.0 | Mode::RUN.0) != 0
    }
    /// Whether all bits of `m` are set.
    pub fn has(self, m: Mode) -> bool {
        self.0 & m.0 == m.0
    }
}

/// Per-instruction bits that the runtime learned from faults; they change how the instruction is emitted.
pub mod hint {
    /// Emit the instruction's FP operations by the exact software path (it met a NaN or an invalid operation).
    pub const SOFT_FP: u8 = 1;
    /// Mask the top byte of the addresses of this instruction's memory operations (tagged pointers).
    pub const TAGGED: u8 = 2;
    /// What is ordered may be misaligned: on hosts whose ordered accesses may not, it is a plain access with a barrier.
    pub const UNALIGNED: u8 = 4;
    /// Addends of the instruction's fused multiply-adds may be NaNs: it doesn't rely on a trap any more.
    pub const NANS: u8 = 8;
}

/// No operands.
const NO_ARGS: [Value; 3] = [Value::NONE; 3];

/// The facts of an operation that makes a value of its own.
#[inline]
fn plain_facts(ty: Type) -> u8 {
    (ty == Type::I32) as u8 * fact::CLEAN
}

#[inline]
fn constant_facts(c: u64) -> u8 {
    fact::NOTHING | fact::CONST | ((c >> 32 == 0) as u8 * fact::CLEAN)
}

/// `aux` of a constant that is an address in the guest's code or relative to it: it moves when the code does.
pub const PLACE: u8 = 1;

/// `imm` of [`Op::VSmull`] and [`Op::VUmull`]: the lanes in even places are multiplied, which have room for the products.
pub const EVEN: u64 = 2;

/// Bit of an exit's `aux` (side exits, `jump`, indirect exits): the target overwrites the flags before it reads them.
pub const FLAGS_DEAD: u8 = 0x80;

/// What the builder knows each guest register to hold: values that a `get` need not read.
#[derive(Clone, Debug)]
struct Known([Value; GUEST_REGS]);

impl Default for Known {
    fn default() -> Known {
        Known([Value::NONE; GUEST_REGS])
    }
}

/// A translation unit. Built by the methods below, which forward what a register was set to into the `get`s that follow and fold
/// integer operations on constants, so that no pass need do it afterwards. Reused between translations: [`Block::clear`] keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Guest address of the first instruction.
    pub pc: u64,
    /// Guest address after the last instruction.
    pub end: u64,
    /// Code outside of the block that its translation depends on, as a range that may include the block.
    pub seen: std::ops::Range<u64>,
    /// A trace's runs of consecutive instructions, and what else it depends on. Empty for other blocks, which `pc..end` and `seen` say all of.
    pub parts: Vec<std::ops::Range<u64>>,
    /// It has a direct exit backward, perhaps a loop's.
    pub backward: bool,
    /// It has a conditional compare.
    pub conditional: bool,
    /// It overwrites the flags before anything can read them, as far as is known.
    pub flags_dead: bool,
    /// The mode it was translated for.
    pub mode: Mode,
    /// The rules of its FP operations.
    pub fp: FpRules,
    /// The instructions.
    pub insts: Table<Inst>,
    /// Guest instructions with a [`hint`], as (pc, bits), ascending but in traces; usually empty.
    pub hints: Vec<(u64, u8)>,
    /// The guest instructions' addresses, ascending but in traces.
    pub starts: Vec<u64>,
    /// Number of the current guest instruction.
    guest: u16,
    known: Known,
}

impl Block {
    /// Empty it for a new translation.
    pub fn clear(&mut self, pc: u64, mode: Mode) {
        self.pc = pc;
        self.end = pc;
        self.seen = pc..pc;
        self.parts.clear();
        self.backward = false;
        self.conditional = false;
        self.flags_dead = false;
        self.mode = mode;
        self.fp = FpRules::default();
        self.insts.clear();
        self.hints.clear();
        self.starts.clear();
        self.guest = 0;
        self.known.0.fill(Value::NONE);
    }
    /// Number of guest instructions.
    pub fn guest_insns(&self) -> u32 {
        self.starts.len() as u32
    }
    /// Address of the guest instruction that an instruction belongs to.
    #[inline]
    pub fn pc_of(&self, i: &Inst) -> u64 {
        self.starts.get(i.guest as usize).copied().unwrap_or(self.pc)
    }
    /// End it before guest instruction number `n`.
    pub fn cut(&mut self, n: usize) {
        let pc = self.starts[n];
        let at = self.insts.partition_point(|i| (i.guest as usize) < n);
        self.insts.truncate(at);
        self.starts.truncate(n);
        self.guest = n.saturating_sub(1) as u16;
        self.end = pc;
        self.jump(pc);
    }
    /// Append an instruction; returns its value.
    pub fn push(&mut self, inst: Inst) -> Value {
        let own = Value(self.insts.len() as u16);
        let arg = inst.args[0];
        let (root, facts) = match inst.op {
            Op::Const if inst.aux == PLACE => (own, fact::NOTHING | fact::CONST),
            Op::Const => (own, constant_facts(inst.imm)),
            Op::Nop => (own, fact::NOTHING),
            Op::Get => {
                let known = std::mem::replace(&mut self.known.0[inst.imm as usize], own);
                (if known.is_some() { self.root(known) } else { own }, 0)
            }
            Op::Set => {
                self.known.0[inst.imm as usize] = arg;
                (own, 0)
            }
            Op::Trunc => (self.root(arg), 0),
            Op::Zext if self.def(self.root(arg)).facts & fact::CLEAN != 0 => (self.root(arg), 0),
            Op::VLow if self.width(arg) <= Arr(inst.aux).bytes_log2() => (self.root(arg), 0),
            _ => (own, plain_facts(inst.ty)),
        };
        self.append(inst, root, facts | ((root != own) as u8 * fact::NOTHING))
    }
    /// The end of [`Block::push`].
    #[inline]
    fn append(&mut self, inst: Inst, root: Value, facts: u8) -> Value {
        let v = Value(self.insts.len() as u16);
        self.insts.push(Inst { root, facts, guest: self.guest, ..inst });
        v
    }
    /// [`Block::push`] of an operation that makes a value of its own.
    #[inline]
    fn push_own(&mut self, op: Op, ty: Type, args: [Value; 3], aux: u8, imm: u64) -> Value {
        let own = Value(self.insts.len() as u16);
        self.append(Inst::new(op, ty, args, aux, imm), own, plain_facts(ty))
    }
    /// The root of a value.
    #[inline]
    pub fn root(&self, v: Value) -> Value {
        self.def(v).root
    }
    /// log2 of the number of low bytes of a vector that can be non-zero.
    pub fn width(&self, v: Value) -> u8 {
        let i = self.def(self.root(v));
        types::vec_width(i.op, i.aux, i.imm)
    }
    /// The instruction that defines `v`.
    #[inline]
    pub fn def(&self, v: Value) -> &Inst {
        &self.insts[v.index()]
    }
    /// The value's type.
    #[inline]
    pub fn ty(&self, v: Value) -> Type {
        self.def(v).ty
    }
    /// General constructor; the named ones below are shorthands.
    #[inline]
    pub fn op(&mut self, op: Op, ty: Type, args: &[Value], aux: u8, imm: u64) -> Value {
        let at = |n: usize| args.get(n).copied().unwrap_or(Value::NONE);
        self.push(Inst::new(op, ty, [at(0), at(1), at(2)], aux, imm))
    }

    // --- builder: state ---------------------------------------------------------------------
    /// Begin the guest instruction at `pc`, or a part of it that may be done again by itself: what the parts before it did stays done.
    pub fn insn_start(&mut self, pc: u64) {
        self.guest = self.starts.len() as u16;
        self.starts.push(pc);
    }
    /// Read a register at its full type.
    #[inline]
    pub fn get(&mut self, r: GuestReg) -> Value {
        let known = self.known.0[r.0 as usize];
        if known.is_some() && self.ty(known) != Type::I32 {
            return known;
        }
        if known.is_some() {
            return self.push(Inst::new(Op::Get, r.ty(), NO_ARGS, 0, r.0 as u64));
        }
        let v = self.push_own(Op::Get, r.ty(), NO_ARGS, 0, r.0 as u64);
        self.known.0[r.0 as usize] = v;
        v
    }
    /// Read the low half of an integer slot.
    #[inline]
    pub fn get32(&mut self, r: GuestReg) -> Value {
        let known = self.known.0[r.0 as usize];
        if !known.is_some() {
            return self.push(Inst::new(Op::Get, Type::I32, NO_ARGS, 0, r.0 as u64));
        }
        match self.ty(known) {
            Type::I32 => known,
            _ => self.trunc(known),
        }
    }
    /// Write a register (i64, v128, flags by its class).
    #[inline]
    pub fn set(&mut self, r: GuestReg, v: Value) {
        debug_assert_eq!(self.ty(v), r.ty());
        if self.known.0[r.0 as usize] != v {
            self.known.0[r.0 as usize] = v;
            self.push_own(Op::Set, Type::None, [v, Value::NONE, Value::NONE], 0, r.0 as u64);
        }
    }

    // --- builder: integers -------------------------------------------------------------------
    /// An integer constant of type `ty`; i32 constants are cut to 32 bits.
    pub fn iconst(&mut self, ty: Type, c: u64) -> Value {
        let c = if ty == Type::I32 { c & 0xffff_ffff } else { c };
        let own = Value(self.insts.len() as u16);
        self.append(Inst::new(Op::Const, ty, NO_ARGS, 0, c), own, constant_facts(c))
    }
    /// A 64-bit constant that moves with the code: see [`PLACE`].
    pub fn place(&mut self, c: u64) -> Value {
        let own = Value(self.insts.len() as u16);
        self.append(Inst::new(Op::Const, Type::I64, NO_ARGS, PLACE, c), own, fact::NOTHING | fact::CONST)
    }
    /// A constant of either kind.
    #[inline]
    fn folded(&mut self, ty: Type, (c, place): (u64, u8)) -> Value {
        match place {
            PLACE => self.place(c),
            _ => self.iconst(ty, c),
        }
    }
    /// A binary integer operation; the type is the first operand's.
    #[inline]
    pub fn bin(&mut self, op: Op, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b), "{op:?}");
        match fold::binary(op, ty, self.def(a), self.def(b)) {
            Some(c) => self.folded(ty, c),
            None => self.push_own(op, ty, [a, b, Value::NONE], 0, 0),
        }
    }
    /// The same with its flags, which are the second value.
    #[inline]
    pub fn bin_flags(&mut self, op: Op, a: Value, b: Value) -> (Value, Value) {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b), "{op:?}");
        let v = self.push_own(op, ty, [a, b, Value::NONE], 0, 0);
        (v, self.flags_of(v))
    }
    /// A unary integer operation.
    pub fn un(&mut self, op: Op, a: Value) -> Value {
        let &Inst { ty, op: def, imm, aux, .. } = self.def(a);
        match (op, def) {
            (Op::Not, Op::Const) if aux == 0 => self.iconst(ty, !imm),
            _ => self.op(op, ty, &[a], 0, 0),
        }
    }
    /// A unary integer operation with a constant (`rev`, `ubfx`, `sbfx`).
    pub fn un_imm(&mut self, op: Op, a: Value, imm: u64) -> Value {
        let ty = self.ty(a);
        self.op(op, ty, &[a], 0, imm)
    }
    /// A binary operation with a constant second operand.
    #[inline]
    pub fn bin_imm(&mut self, op: Op, a: Value, c: u64) -> Value {
        let d = self.def(a);
        let ty = d.ty;
        let k = Inst::new(Op::Const, ty, NO_ARGS, 0, c);
        match fold::binary(op, ty, d, &k) {
            Some(c) => self.folded(ty, c),
            None => {
                let c = self.iconst(ty, c);
                self.push_own(op, ty, [a, c, Value::NONE], 0, 0)
            }
        }
    }
    /// `a + (b << n)`.
    pub fn add_shl(&mut self, a: Value, b: Value, n: u32) -> Value {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b));
        match (n, self.def(a), self.def(b)) {
            (0, ..) => self.bin(Op::Add, a, b),
            (_, _, &Inst { op: Op::Const, aux: 0, imm, .. }) => self.bin_imm(Op::Add, a, imm << n),
            (_, &Inst { op: Op::Const, imm: 0, .. }, _) => self.bin_imm(Op::Shl, b, n as u64),
            _ => self.op(Op::AddShl, ty, &[a, b], 0, n as u64),
        }
    }
    /// `a` with the low `width` bits of `b` in their place at `pos`.
    pub fn bfi(&mut self, a: Value, b: Value, pos: u32, width: u32) -> Value {
        let ty = self.ty(a);
        match fold::bfi(self.def(a), self.def(b), pos, width) {
            Some(c) => self.iconst(ty, c),
            None => self.op(Op::Bfi, ty, &[a, b], 0, (width << 8 | pos) as u64),
        }
    }
    /// adc / sbc.
    pub fn with_carry(&mut self, op: Op, a: Value, b: Value, f: Value) -> Value {
        let ty = self.ty(a);
        self.op(op, ty, &[a, b, f], 0, 0)
    }
    /// Flags of the arithmetic just pushed.
    pub fn flags_of(&mut self, v: Value) -> Value {
        debug_assert_eq!(v.index() + 1, self.insts.len());
        debug_assert_ne!(self.def(v).op, Op::Const, "folded: see bin_flags");
        self.push_own(Op::FlagsOf, Type::Flags, [v, Value::NONE, Value::NONE], 0, 0)
    }
    /// i32 → i64, zeros above.
    #[inline]
    pub fn zext(&mut self, v: Value) -> Value {
        let d = self.def(v);
        if d.op == Op::Const {
            let c = d.imm & 0xffff_ffff;
            return self.iconst(Type::I64, c);
        }
        let inst = Inst::new(Op::Zext, Type::I64, [v, Value::NONE, Value::NONE], 0, 0);
        let own = Value(self.insts.len() as u16);
        match d.root {
            root if self.def(root).facts & fact::CLEAN != 0 => self.append(inst, root, fact::NOTHING),
            _ => self.append(inst, own, 0),
        }
    }
    /// i32 → i64, sign above.
    pub fn sext(&mut self, v: Value) -> Value {
        match self.def(v) {
            Inst { op: Op::Const, imm, .. } => self.iconst(Type::I64, *imm as i32 as i64 as u64),
            _ => self.op(Op::Sext, Type::I64, &[v], 0, 0),
        }
    }
    /// i64 → i32.
    #[inline]
    pub fn trunc(&mut self, v: Value) -> Value {
        let d = self.def(v);
        match d.op {
            Op::Const if d.aux == 0 => {
                let c = d.imm;
                self.iconst(Type::I32, c)
            }
            // (Of a `zext`, too: its source may not live as long.)
            _ => {
                let root = d.root;
                self.append(Inst::new(Op::Trunc, Type::I32, [v, Value::NONE, Value::NONE], 0, 0), root, fact::NOTHING)
            }
        }
    }
    /// if cc(f) then a else b.
    pub fn select(&mut self, cc: Cond, f: Value, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        self.op(Op::Select, ty, &[f, a, b], cc as u8, 0)
    }

    // --- builder: memory ---------------------------------------------------------------------
    /// Load of type `ty` from `base + (index << mem.scale) + disp`.
    pub fn load(&mut self, ty: Type, mem: Mem, base: Value, index: Value, disp: i64) -> Value {
        self.push_own(Op::Load, ty, [base, index, Value::NONE], mem.bits(), disp as u64)
    }
    /// Store of the low bits of `v`.
    pub fn store(&mut self, mem: Mem, base: Value, index: Value, disp: i64, v: Value) {
        self.push_own(Op::Store, Type::None, [base, index, v], mem.bits(), disp as u64);
    }

    // --- builder: vectors ----------------------------------------------------------------------
    /// A vector operation of one to three vector operands.
    pub fn vec(&mut self, op: Op, arr: Arr, args: &[Value]) -> Value {
        self.op(op, Type::V128, args, arr.0, 0)
    }
    /// The same with a constant.
    pub fn vec_imm(&mut self, op: Op, arr: Arr, args: &[Value], imm: u64) -> Value {
        self.op(op, Type::V128, args, arr.0, imm)
    }
    /// The same of one operand, or a value that is this already and was made no more than `near` instructions ago.
    pub fn vec_again(&mut self, op: Op, arr: Arr, a: Value, imm: u64, near: usize) -> Value {
        let root = self.root(a);
        let from = self.insts.len().saturating_sub(near);
        let same = |i: &Inst| i.op == op && i.aux == arr.0 && i.imm == imm && self.root(i.args[0]) == root;
        match (from..self.insts.len()).rev().find(|&n| same(&self.insts[n])) {
            Some(n) => Value(n as u16),
            None => self.vec_imm(op, arr, &[a], imm),
        }
    }
    /// `c` in the low half and, for a 128-wide arrangement, the high half.
    pub fn vconst(&mut self, arr: Arr, c: u64) -> Value {
        self.op(Op::VConst, Type::V128, &[], arr.0, c)
    }

    // --- builder: leaving ----------------------------------------------------------------------
    /// Side exit to `pc` if cc(f).
    pub fn exit_if(&mut self, cc: Cond, f: Value, pc: u64) {
        self.push_own(Op::ExitIf, Type::None, [f, Value::NONE, Value::NONE], cc as u8, pc);
    }
    /// Terminal: go to `pc`.
    pub fn jump(&mut self, pc: u64) {
        self.op(Op::Jump, Type::None, &[], 0, pc);
    }
    /// Terminal: leave to the runtime.
    pub fn trap(&mut self, t: Trap, a: Value, imm: u64) {
        self.op(Op::Trap, Type::None, &[a], t as u8, imm);
    }
}
