//! The forward pass over a block: dispatch, operands, the state of EFLAGS, out-of-line code.

use super::asm::{cc, enc, r, state, Addr, Alu, Asm, Near, Rm};
use super::features::Features;
use super::flags::{self, Shape, Test};
use super::regs::home_addr;
use super::stubs::Stub;
use crate::host::{Emitted, Point, Reloc};
use crate::ir::{fx, hint, Block, Cond, FpRules, GuestReg, Inst, Mode, Op, Trap, Type, Value};
use crate::regalloc::{Alloc, Home, FLAGS_LIVE, INT, VEC};

/// In place of the register of an operand of [`Ool::Fallback`]: it is where the software takes it from already.
pub const IN_PLACE: u8 = 0xff;

/// No flags value.
const NO_FLAGS: u16 = u16::MAX;

/// A readable integer operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opnd {
    /// Register.
    R(u8),
    /// Memory.
    M(Addr),
    /// Sign-extended immediate.
    I(i32),
}

/// What EFLAGS and the flags slot hold.
#[derive(Clone, Copy, Debug)]
pub struct FlagState {
    /// Root of the flags in EFLAGS.
    pub val: u16,
    /// Their shape.
    pub shape: Shape,
    /// Root of the guest's current flags (`NO_FLAGS`: as at the block's entry).
    arch: u16,
    /// The slot holds the guest's current flags.
    slot_current: bool,
    /// Root whose home is the slot.
    slot_val: u16,
}

/// Code to be emitted after the block's straight line.
#[derive(Clone, Copy, Debug)]
pub enum Ool {
    /// The unlinked stub of link number `n`.
    LinkStub(u32),
    /// The stub of direct link number `n`: the flags are in EFLAGS in this shape.
    SaveFlags(u32, Shape),
    /// A trap whose condition holds: its kind, its detail and the guest instruction.
    Trap {
        /// The jump that leads here.
        from: Near,
        /// `Trap`.
        kind: u8,
        /// Its detail.
        detail: u64,
        /// The guest's pc.
        pc: u64,
        /// Register of its operand, 0 without.
        arg: Option<u8>,
    },
    /// A way out of a trace that is in calls.
    Leave {
        /// The jump that leads here.
        from: Near,
        /// Its target.
        target: u64,
        /// The flags are in EFLAGS in this shape, and the target may read them.
        flags: Option<Shape>,
        /// The calls.
        frames: Frames,
    },
    /// The way out of a trace to the address in register `reg`, from the guest instruction at `pc`.
    Elsewhere {
        /// The jump that leads here.
        from: Near,
        /// Register of the target.
        reg: u8,
        /// The guest instruction.
        pc: u64,
        /// The calls that it is in.
        frames: Frames,
    },
    /// The target of an indirect call, in rax, is not in the table: where the call returns to.
    CallMiss(Near, u32),
    /// The address in register `addr` of an ordered or atomic access of the guest instruction at `pc` is misaligned.
    Misaligned {
        /// The jump that leads here.
        from: Near,
        /// Register of the address.
        addr: u8,
        /// log2 of the size.
        log2: u8,
        /// The guest instruction.
        pc: u64,
        /// Where to go on if it may be.
        back: u32,
    },
    /// The operation in software: operands, result, and where to go on.
    Fallback {
        /// The jump that leads here.
        from: Near,
        /// The instruction.
        inst: u16,
        /// Registers of the operands.
        args: [u8; 3],
        /// Register of the result.
        dest: u8,
        /// Where to go on.
        join: u32,
    },
}

/// Calls that a trace is in, outermost first, as a part of [`Emitter::left_in`].
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    first: u16,
    len: u8,
}

/// Emission of one block.
pub struct Emitter<'a> {
    /// Output.
    pub asm: &'a mut Asm,
    /// Allocator.
    pub ra: &'a mut Alloc,
    /// Input.
    pub b: &'a Block,
    /// What the CPU can do.
    pub feat: &'a Features,
    /// Links, relocations and points (its code buffer is in `asm`).
    pub out: &'a mut Emitted,
    /// Out-of-line parts.
    pub ool: &'a mut Vec<Ool>,
    /// Current instruction.
    pub i: usize,
    /// Current guest instruction.
    pub pc: u64,
    /// Its hints.
    pub hint: u8,
    /// Flags.
    pub ef: FlagState,
    /// An instruction that was emitted along with an earlier one.
    pub done_ahead: usize,
    /// Where the calls that the trace is in are to return to.
    pub frames: Vec<u64>,
    /// The same for each of its ways out of line.
    pub left_in: Vec<u64>,
    /// Roots without NaNs in the lanes of an arrangement (`aux`), as far as that has not been made use of.
    pub no_nans: Vec<(u16, u8)>,
}

impl<'a> Emitter<'a> {
    /// At the start of `b`, whose analysis is in `ra`.
    pub fn new(
        asm: &'a mut Asm,
        ra: &'a mut Alloc,
        b: &'a Block,
        feat: &'a Features,
        out: &'a mut Emitted,
        ool: &'a mut Vec<Ool>,
    ) -> Self {
        let ef = FlagState { val: NO_FLAGS, shape: Shape::Sub, arch: NO_FLAGS, slot_current: true, slot_val: NO_FLAGS };
        let (frames, left_in, no_nans) = Default::default();
        Emitter { asm, ra, b, feat, out, ool, i: 0, pc: b.pc, hint: 0, ef, done_ahead: usize::MAX, frames, left_in, no_nans }
    }

    /// Emit everything.
    pub fn run(&mut self) {
        let b = self.b;
        let live = std::mem::take(&mut self.ra.live);
        for &i in live.iter().rev() {
            let i = i as usize;
            let inst = &b.insts[i];
            self.i = i;
            self.guest_insn(inst);
            self.asm.reserve();
            self.inst(inst);
            self.ra.finish(b, i);
        }
        self.ra.live = live;
        self.out.cold = self.asm.pos();
        self.out_of_line();
        self.out.data = self.asm.pos();
        self.asm.finish_pool();
        self.out.relocs.append(&mut self.asm.places);
    }

    /// `inst` may be the first of a guest instruction: whether it is can't be foreseen, and asking costs more than this.
    #[inline]
    fn guest_insn(&mut self, inst: &Inst) {
        self.pc = self.b.pc_of(inst);
        if !self.b.hints.is_empty() {
            self.hint = self.b.hints.iter().find(|h| h.0 == self.pc).map_or(0, |h| h.1);
        }
    }

    fn inst(&mut self, inst: &Inst) {
        match inst.op {
            Op::Get => self.get(inst),
            Op::Set => self.set(inst),
            Op::Nop | Op::Const | Op::Trunc | Op::FlagsOf => {}
            // The frequent ones without a second look at what they are.
            Op::Add => self.arith(inst, Alu::Add, Shape::Add),
            Op::Sub => self.arith(inst, Alu::Sub, Shape::Sub),
            Op::And => self.arith(inst, Alu::And, Shape::Add),
            Op::Or => self.binary(inst, Alu::Or),
            Op::Xor => self.binary(inst, Alu::Xor),
            Op::Zext => self.zext(inst),
            Op::Load | Op::LoadAcq => self.load(inst),
            Op::Store | Op::StoreRel => self.store(inst),
            Op::LoadEx | Op::StoreEx | Op::ClrEx => self.exclusive(inst),
            Op::AtomicCas | Op::AtomicCasp => self.cas(inst),
            Op::Fence => self.fence(inst.imm),
            op if (Op::AtomicAdd as u16..=Op::AtomicSwp as u16).contains(&(op as u16)) => self.atomic(inst),
            op if op as u16 >= Op::ExitIf as u16 => self.exit(inst),
            op if op as u16 >= Op::FlagsOf as u16 && op as u16 <= Op::VSelect as u16 => self.flag_op(inst),
            op if (op as u16) < Op::FlagsOf as u16 => self.int_op(inst),
            Op::Counter | Op::GetFpcr | Op::GetFpsr | Op::SetFpsr | Op::Helper | Op::Area | Op::SetArea => self.system(inst),
            _ => {
                if !self.vector(inst) {
                    self.fallback(inst);
                }
            }
        }
    }

    /// Whether FP operations here take the software path.
    pub fn soft_fp(&self) -> bool {
        self.b.fp == FpRules::X86 || self.b.mode.has(Mode::SOFT_FP) || self.hint & hint::SOFT_FP != 0
    }

    /// Whether that is for what the guest instruction has met, and not for how FP operations are here.
    pub fn learned_fp(&self) -> bool {
        self.b.fp == FpRules::Arm && !self.b.mode.has(Mode::SOFT_FP)
    }

    /// Here the guest's state must be recoverable.
    pub fn point(&mut self) {
        self.point_bits(0);
    }

    /// The same with bits for the fault handler.
    pub fn point_bits(&mut self, bits: u8) {
        let f = &self.ef;
        let flags = if f.arch != NO_FLAGS && f.arch == f.val && !f.slot_current { f.shape as u8 } else { 0 };
        if let Some(p) = self.out.points.last() {
            if p.pc == self.pc && p.flags == flags && p.bits == bits {
                return;
            }
        }
        self.out.points.push(Point { host: self.asm.pos(), pc: self.pc, flags, bits });
    }

    // --- guest state -------------------------------------------------------------------------------
    fn get(&mut self, inst: &Inst) {
        let g = inst.reg();
        match g.ty() {
            Type::Flags => {
                let at = self.i as u16;
                self.ra.set_home(self.i, Home::Slot(g));
                self.ef.arch = at;
                self.ef.slot_val = at;
                self.ef.slot_current = true;
            }
            Type::V128 => self.ra.get(self.i, g, VEC),
            _ => self.ra.get(self.i, g, INT),
        }
    }

    fn set(&mut self, inst: &Inst) {
        let (g, v) = (inst.reg(), inst.args[0]);
        if g == GuestReg::FLAGS {
            return self.set_flags(v);
        }
        if self.ra.pin(g) == crate::regalloc::NONE && g.0 < 64 {
            if let Some(c) = self.ra.place(self.b, v).filter(|_| self.ra.peek(v).is_none()) {
                self.ra.set_slot_begin(self.asm, self.b, self.i, g, v);
                self.asm.mov_place(r::AX, c);
                self.asm.store(3, home_addr(Home::Slot(g)), r::AX);
                return self.ra.set_slot_done(g, v);
            }
            if let Some(c) = self.ra.constant(self.b, v) {
                self.ra.set_slot_begin(self.asm, self.b, self.i, g, v);
                let a = home_addr(Home::Slot(g));
                match (i32::try_from(c as i64), self.ra.peek(v)) {
                    (_, Some(s)) => self.asm.store(3, a, s),
                    (Ok(c), None) => self.asm.store_imm(3, a, c),
                    (Err(_), None) => {
                        self.asm.mov_imm(r::AX, c);
                        self.asm.store(3, a, r::AX);
                    }
                }
                return self.ra.set_slot_done(g, v);
            }
        }
        self.ra.set(self.asm, self.b, self.i, g, v);
    }

    // --- operands ----------------------------------------------------------------------------------
    /// `v` in a register.
    pub fn reg(&mut self, v: Value) -> u8 {
        self.ra.reg(self.asm, self.b, v)
    }
    /// `v` into a given register without the allocator's help.
    pub fn load_to(&mut self, d: u8, v: Value) {
        match (self.ra.peek(v), self.ra.constant(self.b, v)) {
            (Some(s), _) => self.asm.mov_rr(true, d, s),
            (None, Some(c)) => self.asm.mov_imm(d, c),
            (None, None) if self.ra.place(self.b, v).is_some() => {
                let c = self.ra.place(self.b, v).unwrap_or_default();
                self.asm.mov_place(d, c);
            }
            (None, None) => self.asm.mov(true, d, home_addr(self.ra.home(v))),
        }
    }
    /// `v` in a register or, when it is only there and ends here, in memory.
    pub fn rm(&mut self, v: Value) -> Rm {
        match self.ra.mem(v, self.i).or_else(|| self.ra.crowded(self.b, v)) {
            Some(h) => Rm::M(home_addr(h)),
            None => Rm::R(self.reg(v)),
        }
    }
    /// The constant that `v` is, sign-extended from 32 bits to its width, if it is one.
    pub fn imm(&self, v: Value) -> Option<i32> {
        let c = self.ra.constant(self.b, v)?;
        match self.b.ty(v) {
            Type::I32 => Some(c as u32 as i32),
            _ => i32::try_from(c as i64).ok(),
        }
    }
    /// The integer `v` as the best operand.
    pub fn opnd(&mut self, v: Value) -> Opnd {
        if let Some(n) = self.ra.held(v) {
            return Opnd::R(n);
        }
        match self.imm(v) {
            Some(c) => Opnd::I(c),
            None => match self.rm(v) {
                Rm::R(n) => Opnd::R(n),
                Rm::M(a) => Opnd::M(a),
            },
        }
    }
    /// Register for the result; may be an operand's.
    pub fn def(&mut self) -> u8 {
        self.ra.def(self.asm, self.b, self.i)
    }
    /// Register for the result; none of the operands'.
    pub fn def_early(&mut self) -> u8 {
        self.ra.def_early(self.asm, self.b, self.i)
    }
    /// Scratch general register.
    pub fn temp(&mut self) -> u8 {
        self.ra.temp(self.asm, self.b, INT)
    }
    /// Scratch vector register.
    pub fn vtemp(&mut self) -> u8 {
        self.ra.temp(self.asm, self.b, VEC)
    }
    /// `mov` of any operand.
    pub fn mov_opnd(&mut self, w: bool, d: u8, s: Opnd) {
        match s {
            Opnd::R(s) => self.asm.mov_rr(w, d, s),
            Opnd::M(a) => self.asm.mov(w, d, a),
            Opnd::I(c) => self.asm.mov_imm(d, if w { c as i64 as u64 } else { c as u32 as u64 }),
        }
    }
    /// ALU operation on any operand.
    pub fn alu_opnd(&mut self, op: Alu, w: bool, d: u8, s: Opnd) {
        match s {
            Opnd::R(s) => self.asm.alu(op, w, d, s),
            Opnd::M(a) => self.asm.alu(op, w, d, a),
            Opnd::I(c) => self.asm.alu_imm(op, w, d, c),
        }
    }

    // --- flags -------------------------------------------------------------------------------------
    /// Whether the flags in EFLAGS must outlive instruction `i` and are nowhere else.
    pub fn flags_busy(&self) -> bool {
        self.arch_needed() || self.ssa_needed()
    }
    fn arch_needed(&self) -> bool {
        let f = &self.ef;
        f.val != NO_FLAGS && f.arch == f.val && !f.slot_current && self.ra.vals[self.i].is(FLAGS_LIVE)
    }
    fn ssa_needed(&self) -> bool {
        let f = &self.ef;
        f.val != NO_FLAGS
            && self.ra.vals[f.val as usize].last as usize > self.i
            && self.ra.vals[f.val as usize].home == Home::None
    }

    /// The next host instruction changes EFLAGS: bring what is needed to safety. Uses rax.
    pub fn clobber_flags(&mut self) {
        if self.arch_needed() {
            self.flags_to_slot();
        } else if self.ssa_needed() {
            let h = self.ra.spill();
            self.rest_in_eax();
            self.asm.store(2, home_addr(h), r::AX);
            self.ra.set_home(self.ef.val as usize, h);
        }
        self.ef.val = NO_FLAGS;
    }

    /// EFLAGS hold the flags of value `i` now.
    pub fn flags_are(&mut self, i: usize, shape: Shape) {
        self.ef.val = i as u16;
        self.ef.shape = shape;
    }

    /// The guest's flags are in EFLAGS and not in the slot.
    pub fn flags_unsaved(&self) -> bool {
        let f = &self.ef;
        f.arch != NO_FLAGS && f.arch == f.val && !f.slot_current
    }

    /// Control may leave: the slot must be current. EFLAGS are kept. Uses rax.
    pub fn flush_flags(&mut self) {
        if self.flags_unsaved() {
            self.flags_to_slot();
        }
    }

    fn flags_to_slot(&mut self) {
        self.vacate_slot(self.ef.val);
        self.rest_in_eax();
        self.asm.store(2, state!(flags), r::AX);
        let v = self.ef.val;
        self.ra.set_home(v as usize, Home::Slot(GuestReg::FLAGS));
        self.ef.slot_val = v;
        self.ef.slot_current = true;
    }

    /// A flags value that lives in the slot moves away before the slot is written.
    fn vacate_slot(&mut self, new: u16) {
        let old = self.ef.slot_val;
        if old != NO_FLAGS && old != new && self.ra.vals[old as usize].last as usize >= self.i {
            let h = self.ra.spill();
            self.asm.mov(false, r::AX, state!(flags));
            self.asm.store(2, home_addr(h), r::AX);
            self.ra.set_home(old as usize, h);
        }
        self.ef.slot_val = NO_FLAGS;
    }

    /// The resting shape of EFLAGS in eax; EFLAGS keep their meaning.
    pub fn rest_in_eax(&mut self) {
        use super::asm::cc;
        let asm = &mut *self.asm;
        match self.ef.shape {
            Shape::Sub | Shape::Add => {
                if self.ef.shape == Shape::Add {
                    asm.u8(0xf5);
                    self.ef.shape = Shape::Sub;
                }
                asm.u8(0x9f);
                asm.setcc(cc::O, r::AX);
            }
            Shape::Fcmp => {
                asm.u8(0x9f);
                asm.setcc(cc::P, r::AX);
                let ordered = asm.jcc_short(cc::NP);
                asm.bytes(&[0xb4, 0]);
                let done = asm.jmp_short();
                asm.bind(ordered);
                let not_less = asm.jcc_short(cc::AE);
                asm.bytes(&[0xb4, 0x81]);
                asm.bind(not_less);
                asm.bind(done);
            }
            Shape::FcmpRev => {
                asm.u8(0x9f);
                asm.setcc(cc::P, r::AX);
                let unordered = asm.jcc_short(cc::P);
                let less = asm.jcc_short(cc::A);
                let equal = asm.jcc_short(cc::E);
                asm.bind(unordered);
                asm.bytes(&[0xb4, 0]);
                let done = asm.jmp_short();
                asm.bind(less);
                asm.bytes(&[0xb4, 0x81]);
                asm.bind(done);
                asm.bind(equal);
            }
        }
    }

    /// EFLAGS in `Sub` shape from the resting shape in eax.
    pub fn eax_to_flags(&mut self) {
        self.asm.bytes(&[0x04, 0x7f, 0x9e]);
    }

    fn set_flags(&mut self, v: Value) {
        let root = self.ra.root(v) as u16;
        let f = &mut self.ef;
        if f.arch == root && (f.slot_current || f.val == root) {
            return;
        }
        f.arch = root;
        f.slot_current = f.slot_val == root;
        if f.slot_current || f.val == root {
            return;
        }
        let h = self.ra.vals[root as usize].home;
        self.vacate_slot(root);
        self.asm.mov(false, r::AX, home_addr(h));
        self.asm.store(2, state!(flags), r::AX);
        self.ef.slot_current = true;
    }

    /// The resting shape of flags value `v` in eax, wherever it is.
    pub fn flags_in_eax(&mut self, v: Value) {
        let root = self.ra.root(v);
        if self.ef.val == root as u16 {
            self.rest_in_eax();
        } else {
            let h = self.ra.vals[root].home;
            self.asm.mov(false, r::AX, home_addr(h));
        }
    }

    /// EFLAGS hold `v`.
    pub fn need_flags(&mut self, v: Value) {
        let root = self.ra.root(v);
        if self.ef.val != root as u16 {
            self.clobber_flags();
            self.flags_in_eax(v);
            self.eax_to_flags();
            self.flags_are(root, Shape::Sub);
        }
    }

    /// Make `cond` on `v` testable and say by which x86 condition (`None`: it always holds). Uses rax. What still needs
    /// the flags later is taken care of; EFLAGS can be tested several times until the next instruction that changes them.
    pub fn condition(&mut self, v: Value, cond: Cond) -> Option<u8> {
        if cond as u8 >= 14 {
            return None;
        }
        self.need_flags(v);
        self.testable(cond)
    }

    /// The second half of [`Emitter::condition`], after `need_flags` (and perhaps `clobber_flags` or `flush_flags`).
    pub fn testable(&mut self, cond: Cond) -> Option<u8> {
        match flags::test(self.ef.shape, cond) {
            Test::Cc(c) => Some(c),
            Test::Cmc(c) => {
                self.asm.u8(0xf5);
                self.ef.shape = if self.ef.shape == Shape::Add { Shape::Sub } else { Shape::Add };
                Some(c)
            }
            Test::Ordered(c) => {
                self.clobber_flags();
                // jnp over; test rsp,rsp: clears ZF.
                self.asm.bytes(&[0x7b, 0x03, 0x48, 0x85, 0xe4]);
                Some(c)
            }
            Test::Convert => {
                self.rest_in_eax();
                self.eax_to_flags();
                self.ef.shape = Shape::Sub;
                match flags::test(Shape::Sub, cond) {
                    Test::Cc(c) => Some(c),
                    _ => None,
                }
            }
            Test::Always => None,
        }
    }

    // --- calls of the software path ----------------------------------------------------------------
    /// Call or jump to a common stub.
    pub fn stub(&mut self, call: bool, stub: Stub) {
        self.asm.u8(if call { 0xe8 } else { 0xe9 });
        self.stub_ref(stub);
    }

    /// The displacement of a jump or call to a common stub.
    pub fn stub_ref(&mut self, stub: Stub) {
        self.out.relocs.push(Reloc::Stub { at: self.asm.pos(), stub: stub as u8 });
        self.asm.u32(0);
    }

    /// Widths of an instruction's operands.
    fn operand_bits(&self, inst: &Inst) -> [u8; 3] {
        inst.args.map(|a| if a.is_some() { self.b.ty(a).bits() as u8 } else { 0 })
    }

    /// Call the helper for `inst`, whose operands (of these widths) are in `call_args`.
    pub fn call_eval(&mut self, inst: &Inst, bits: [u8; 3]) {
        let rec = crate::host::software::Record::new(inst, bits, self.b.fp).pack();
        let rec = self.asm.constant(rec);
        self.asm.lea(true, r::AX, rec);
        self.stub(true, Stub::Eval);
    }

    /// Leave the current operation to its software definition.
    pub fn fallback(&mut self, inst: &Inst) {
        // An exception that isn't masked is a way out.
        let traps = self.b.fp == FpRules::X86 && self.b.mode.has(Mode::SOFT_FP) && inst.op.fx() & fx::FP != 0;
        if traps {
            self.flush_flags();
        }
        self.clobber_flags();
        for (k, a) in inst.args.iter().enumerate() {
            if !a.is_some() {
                continue;
            }
            let place = state!(call_args).plus(16 * k as i32);
            let n = self.reg(*a);
            if self.b.ty(*a) == Type::V128 {
                self.asm.vstore(place, n);
            } else {
                self.asm.store(3, place, n);
            }
        }
        let bits = self.operand_bits(inst);
        self.call_eval(inst, bits);
        if traps {
            self.asm.alu_imm(Alu::Cmp, false, state!(fp_trap), 0);
            let from = self.asm.jcc_near(cc::NE);
            self.ool.push(Ool::Trap { from, kind: Trap::FpException as u8, detail: 0, pc: self.pc, arg: None });
        }
        let result = state!(call_result);
        match inst.ty {
            Type::V128 => {
                let d = self.def();
                self.asm.vmov(d, result);
            }
            Type::I32 | Type::I64 => {
                let d = self.def();
                self.asm.mov(inst.ty == Type::I64, d, result);
            }
            Type::Flags => {
                self.asm.mov(false, r::AX, result);
                self.eax_to_flags();
                self.flags_are(self.i, Shape::Sub);
            }
            Type::None => {}
        }
    }

    /// An out-of-line software version of the current vector operation, entered by `from`, for operands in `args`.
    pub fn fallback_ool(&mut self, from: Near, args: [u8; 3], dest: u8) {
        let join = self.asm.pos();
        self.ool.push(Ool::Fallback { from, inst: self.i as u16, args, dest, join });
    }

    fn out_of_line(&mut self) {
        // What follows is not the terminal any more.
        self.point();
        let mut n = 0;
        while n < self.ool.len() {
            match self.ool[n] {
                Ool::LinkStub(l) => {
                    let at = self.asm.pos();
                    self.stub(true, Stub::Link);
                    let site = self.asm.pos();
                    self.asm.u32(0);
                    let link = &mut self.out.links[l as usize];
                    link.stub = at;
                    link.site = site;
                    let jump = Near(link.at);
                    self.asm.patch(jump, at);
                }
                Ool::SaveFlags(n, shape) => self.save_flags(n, shape),
                Ool::Leave { from, target, flags, frames } => self.leave_calls(from, target, flags, frames),
                Ool::Elsewhere { from, reg, pc, frames } => self.elsewhere(from, reg, pc, frames),
                Ool::CallMiss(from, ret) => {
                    self.asm.bind_near(from);
                    // lea rcx, [rip + ret]; push rcx
                    self.asm.bytes(&[0x48, 0x8d, 0x0d]);
                    let at = self.asm.pos();
                    self.asm.u32(ret.wrapping_sub(at + 4));
                    self.asm.push(Rm::R(r::CX));
                    self.stub(false, Stub::Lookup);
                }
                Ool::Trap { from, kind, detail, pc, arg } => self.trap_taken(from, kind, detail, pc, arg),
                Ool::Misaligned { from, addr, log2, pc, back } => self.misaligned(from, addr, log2, pc, back),
                Ool::Fallback { from, inst, args, dest, join } => self.ool_fallback(from, inst as usize, args, dest, join),
            }
            n += 1;
            self.asm.reserve();
        }
    }

    /// The calls that the trace is in now, to be kept for later.
    pub fn noted_frames(&mut self) -> Frames {
        let first = self.left_in.len() as u16;
        self.left_in.extend_from_slice(&self.frames);
        Frames { first, len: self.frames.len() as u8 }
    }

    /// Their return addresses.
    pub fn frames_at(&self, f: Frames) -> impl Iterator<Item = u64> + use<> {
        let at = f.first as usize;
        let mut all = [0; 8];
        all[..f.len as usize].copy_from_slice(&self.left_in[at..at + f.len as usize]);
        all.into_iter().take(f.len as usize)
    }

    fn ool_fallback(&mut self, from: Near, i: usize, args: [u8; 3], dest: u8, join: u32) {
        let inst = &self.b.insts[i];
        self.asm.bind_near(from);
        for (k, a) in inst.args.iter().enumerate() {
            if a.is_some() && args[k] != IN_PLACE {
                let place = state!(call_args).plus(16 * k as i32);
                if self.b.ty(*a) == Type::V128 {
                    self.asm.vstore(place, args[k]);
                } else {
                    self.asm.store(3, place, args[k]);
                }
            }
        }
        let bits = self.operand_bits(inst);
        self.call_eval(inst, bits);
        if inst.ty == Type::V128 {
            self.asm.vmov(dest, state!(call_result));
        } else {
            self.asm.mov(inst.ty == Type::I64, dest, state!(call_result));
        }
        self.asm.jmp_back(join);
    }

    fn system(&mut self, inst: &Inst) {
        match inst.op {
            Op::Counter | Op::Helper => self.fallback(inst),
            Op::Area => {
                let d = self.def();
                self.asm.mov(true, d, state!(area).plus(8 * inst.imm as i32));
            }
            Op::SetArea => {
                let s = self.reg(inst.args[0]);
                self.asm.store(3, state!(area).plus(8 * inst.imm as i32), s);
            }
            Op::GetFpcr => {
                let d = self.def();
                self.asm.mov(false, d, state!(fpcr));
            }
            op => {
                // stmxcsr / ldmxcsr: the accumulated exception bits are in the control word.
                self.asm.op(enc(0, 1, 0xae), false, 3, state!(guest_fpctl).into(), 0, false);
                self.fallback(inst);
                if op == Op::SetFpsr {
                    self.asm.op(enc(0, 1, 0xae), false, 2, state!(guest_fpctl).into(), 0, false);
                }
            }
        }
    }
}
