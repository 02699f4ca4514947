//! The forward pass over a block: dispatch, operands, the state of NZCV, out-of-line code.
//!
//! **Flags.** IR flags are NZCV itself. The guest's own flags are in NZCV at the block's entry and at every exit that needs them; in between they
//! move to `Cpu::flags` when an instruction is about to overwrite them, and come back for the next exit.

use super::asm::{bitmask, field, op, r, Access, Addr, Asm, Near};
use super::features::Features;
use super::regs::{home_offset, IN_NZCV};
use super::stubs::{Stub, PUSH_LR};
use crate::host::software::Record;
use crate::host::{Emitted, Point, Reloc};
use crate::ir::{fx, hint, Block, GuestReg, Inst, Mode, Op, Trap, Type, Value};
use crate::regalloc::{Alloc, Home, FLAGS_LIVE, INT, VEC};

/// No flags value.
const NO_FLAGS: u16 = u16::MAX;
/// The guest's flags at the block's entry, as long as nothing has read them.
const AT_ENTRY: u16 = u16::MAX - 1;

/// What NZCV and the flags slot hold.
#[derive(Clone, Copy, Debug)]
pub struct FlagState {
    /// Root of the flags in NZCV.
    pub val: u16,
    /// Root of the guest's current flags.
    arch: u16,
    /// Root of the flags in the slot.
    slot: u16,
}

/// Code to be emitted after the block's straight line.
#[derive(Clone, Copy, Debug)]
pub enum Ool {
    /// The way out by link number `n`, and the conditional branch that leads there.
    Link(u32, Option<Near>),
    /// A way out of a trace that is in calls, and the branch that leads there.
    Leave(Near, u64, Frames),
    /// Where a call of a trace's returns to, if that was left in it.
    Returned(Near, u64),
    /// The way out of a trace to the address in a register.
    Elsewhere {
        /// The branch that leads here.
        from: Near,
        /// Register of the target.
        target: u8,
        /// The guest instruction.
        pc: u64,
        /// The calls that the trace is in.
        frames: Frames,
    },
    /// The target of an indirect branch, in a register, is not where it was looked for first.
    Miss {
        /// The branch that leads here.
        from: Near,
        /// Register of the target.
        target: u8,
        /// Where to go on looking.
        stub: Stub,
        /// The guest instruction.
        pc: u64,
    },
    /// The operation in software: operands, result, and where to go on.
    Fallback {
        /// The branch that leads here.
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
    /// A trap whose condition holds.
    Trap {
        /// The branch that leads here.
        from: Near,
        /// Its kind.
        kind: Trap,
        /// Its detail.
        detail: u64,
        /// Register of its operand.
        arg: u8,
        /// The guest's pc.
        pc: u64,
    },
}

/// Calls that a trace is in, outermost first, as a part of [`Emitter::left_in`].
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// The first.
    pub first: u16,
    /// How many.
    pub len: u8,
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
    /// Where the calls that the trace is in are to return to.
    pub frames: Vec<u64>,
    /// The same for each of its ways out of line.
    pub left_in: Vec<u64>,
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
        let ef = FlagState { val: AT_ENTRY, arch: AT_ENTRY, slot: NO_FLAGS };
        let (frames, left_in) = Default::default();
        Emitter { asm, ra, b, feat, out, ool, i: 0, pc: b.pc, hint: 0, ef, frames, left_in }
    }

    /// Emit everything.
    pub fn run(&mut self) {
        let b = self.b;
        let live = std::mem::take(&mut self.ra.live);
        let mut guest = u16::MAX;
        for &i in live.iter().rev() {
            let i = i as usize;
            let inst = &b.insts[i];
            self.i = i;
            if inst.guest != guest {
                guest = inst.guest;
                self.guest_insn(inst);
            }
            self.inst(inst);
            self.ra.finish(b, i);
        }
        self.ra.live = live;
        self.out_of_line();
        self.asm.finish_pool();
    }

    /// `inst` is the first of a guest instruction.
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
        self.hint & hint::SOFT_FP != 0 || self.fp_traps()
    }

    /// Whether FP operations may end in a trap, or flush: x86's rules when the guest wants anything unusual.
    fn fp_traps(&self) -> bool {
        self.x86_rules() && self.b.mode.has(Mode::SOFT_FP)
    }

    /// Whether NZCV may change without anything to save.
    pub fn flags_free(&self) -> bool {
        !self.arch_needed() && !self.ssa_needed() && self.flipped_needed().is_none()
    }

    /// Here the guest's state must be recoverable.
    pub fn point(&mut self) {
        self.point_bits(0);
    }

    /// The same with bits for the fault handler.
    pub fn point_bits(&mut self, bits: u8) {
        let f = &self.ef;
        let flags = if f.arch == f.slot { 0 } else { IN_NZCV };
        self.add_point(Point { host: self.asm.pos(), pc: self.pc, flags, bits });
    }

    /// Unless it says nothing new.
    pub fn add_point(&mut self, new: Point) {
        if let Some(p) = self.out.points.last() {
            if p.pc == new.pc && p.flags == new.flags && p.bits == new.bits {
                return;
            }
        }
        self.out.points.push(new);
    }

    // --- guest state -------------------------------------------------------------------------------
    fn get(&mut self, inst: &Inst) {
        let g = inst.reg();
        match g.ty() {
            Type::Flags => {
                // The builder forwards what was set, so these are the flags of the entry.
                let (at, f) = (self.i as u16, &mut self.ef);
                for place in [&mut f.val, &mut f.arch, &mut f.slot] {
                    if *place == AT_ENTRY {
                        *place = at;
                    }
                }
                if f.slot == at {
                    self.ra.set_home(self.i, Home::Slot(g));
                }
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
        if self.ra.pin(g) == crate::regalloc::NONE && g.0 < 64 && self.ra.constant(self.b, v) == Some(0) {
            self.ra.set_slot_begin(self.asm, self.b, self.i, g, v);
            self.asm.store_cpu(3, r::ZR, home_offset(Home::Slot(g)));
            return self.ra.set_slot_done(g, v);
        }
        self.ra.set(self.asm, self.b, self.i, g, v);
    }

    // --- operands ----------------------------------------------------------------------------------
    /// `v` in a register.
    pub fn reg(&mut self, v: Value) -> u8 {
        self.ra.reg(self.asm, self.b, v)
    }
    /// The integer `v` in a register, which for zero is the zero register: not for where register 31 is the stack pointer.
    pub fn rz(&mut self, v: Value) -> u8 {
        match self.ra.constant(self.b, v) {
            Some(0) => r::ZR,
            _ => self.reg(v),
        }
    }
    /// `v` into a given register without the allocator's help.
    pub fn load_to(&mut self, d: u8, v: Value) {
        match (self.ra.peek(v), self.ra.constant(self.b, v)) {
            (Some(s), _) => self.asm.mov(true, d, s),
            (None, Some(c)) => self.asm.mov_const(d, c),
            (None, None) => self.asm.load_cpu(3, d, home_offset(self.ra.home(v))),
        }
    }
    /// The constant that `v` is, if it is one.
    pub fn imm(&self, v: Value) -> Option<u64> {
        self.ra.constant(self.b, v)
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

    // --- flags -------------------------------------------------------------------------------------
    fn arch_needed(&self) -> bool {
        self.ef.arch == self.ef.val && self.ef.arch != self.ef.slot && self.ra.vals[self.i].is(FLAGS_LIVE)
    }
    fn ssa_needed(&self) -> bool {
        let v = self.ef.val as usize;
        v < AT_ENTRY as usize && self.ra.vals[v].last as usize > self.i && self.ra.vals[v].home == Home::None
    }
    /// What NZCV holds but for C, and is nowhere else though something still asks for it.
    fn flipped_needed(&self) -> Option<usize> {
        let v = self.flipped(self.ef.val)?;
        (self.ra.vals[v].last as usize > self.i && self.ra.vals[v].home == Home::None).then_some(v)
    }
    /// The flags that `val` are with C inverted.
    pub fn flipped(&self, val: u16) -> Option<usize> {
        let inst = self.b.insts.get(val as usize).filter(|n| n.op == Op::CFlip && self.feat.flagm)?;
        Some(self.ra.root(inst.args[0]))
    }

    /// The next host instruction changes NZCV: bring what is needed to safety. Uses x17, perhaps x30.
    pub fn clobber_flags(&mut self) {
        self.save_flags();
        if let Some(v) = self.flipped_needed() {
            // NZCV itself stays: the next instruction may read it, too.
            self.asm.w(op::MRS_NZCV | r::S1 as u32);
            self.asm.rr(op::EORI | bitmask(false, 1 << 29).unwrap_or(0), false, r::S1, r::S1);
            let h = self.ra.spill();
            self.asm.store_cpu(2, r::S1, home_offset(h));
            self.ra.set_home(v, h);
        }
        self.ef.val = NO_FLAGS;
    }

    /// What is needed of NZCV, as it is, comes to safety. Uses x17, perhaps x30.
    fn save_flags(&mut self) {
        let arch = self.arch_needed();
        if arch || self.ssa_needed() {
            self.asm.w(op::MRS_NZCV | r::S1 as u32);
            if arch {
                self.vacate_slot(self.ef.val);
                self.asm.store_cpu(2, r::S1, field!(flags));
                self.ef.slot = self.ef.val;
                if self.ef.val < AT_ENTRY {
                    self.ra.set_home(self.ef.val as usize, Home::Slot(GuestReg::FLAGS));
                }
            } else {
                let h = self.ra.spill();
                self.asm.store_cpu(2, r::S1, home_offset(h));
                self.ra.set_home(self.ef.val as usize, h);
            }
        }
    }

    /// NZCV changes into what it holds with C inverted, and back as often as that is asked for. Uses x17, perhaps x30.
    pub fn flip_flags(&mut self, to: usize) {
        let from = self.ef.val;
        let kept = from < AT_ENTRY && self.flipped(to as u16) == Some(from as usize) && self.flipped_needed().is_none();
        match kept {
            true if self.arch_needed() => self.save_flags(),
            true => {}
            false => self.clobber_flags(),
        }
        self.asm.w(op::CFINV);
        self.flags_are(to);
    }

    /// NZCV holds the flags of value `i` now.
    pub fn flags_are(&mut self, i: usize) {
        self.ef.val = i as u16;
    }

    /// A flags value that lives in the slot moves away before the slot is written. Uses x30.
    fn vacate_slot(&mut self, new: u16) {
        let old = self.ef.slot;
        if old < AT_ENTRY && old != new && self.ra.vals[old as usize].last as usize >= self.i {
            let h = self.ra.spill();
            self.asm.load_cpu(2, r::LR, field!(flags));
            self.asm.store_cpu(2, r::LR, home_offset(h));
            self.ra.set_home(old as usize, h);
        }
        self.ef.slot = NO_FLAGS;
    }

    fn set_flags(&mut self, v: Value) {
        let root = self.ra.root(v) as u16;
        let f = &mut self.ef;
        if f.arch == root && (f.slot == root || f.val == root) {
            return;
        }
        f.arch = root;
        if f.slot == root || f.val == root {
            return;
        }
        let h = self.ra.vals[root as usize].home;
        if h == Home::None {
            return self.need_flags(v);
        }
        self.vacate_slot(root);
        self.asm.load_cpu(2, r::S0, home_offset(h));
        self.asm.store_cpu(2, r::S0, field!(flags));
        self.ef.slot = root;
    }

    /// NZCV holds `v`. Uses x16 and x17.
    pub fn need_flags(&mut self, v: Value) {
        let root = self.ra.root(v);
        if self.ef.val != root as u16 {
            if self.ra.vals[root].home == Home::None && self.flipped(self.ef.val) == Some(root) {
                self.save_flags();
                self.asm.w(op::CFINV);
                return self.flags_are(root);
            }
            self.clobber_flags();
            let h = self.ra.vals[root].home;
            self.asm.load_cpu(2, r::S0, home_offset(h));
            self.asm.w(op::MSR_NZCV | r::S0 as u32);
            self.flags_are(root);
        }
    }

    /// Control leaves: NZCV holds the guest's flags. Uses x16 and x17.
    pub fn flags_for_exit(&mut self) {
        if self.ef.val == self.ef.arch || self.ef.arch != self.ef.slot {
            return;
        }
        self.clobber_flags();
        self.asm.load_cpu(2, r::S0, field!(flags));
        self.asm.w(op::MSR_NZCV | r::S0 as u32);
        self.ef.val = self.ef.arch;
    }

    /// Whether the guest's flags are in the slot (if they are anywhere).
    pub fn flags_elsewhere(&self) -> bool {
        self.ef.arch == self.ef.slot
    }

    /// Whether NZCV holds the guest's flags.
    pub fn flags_at_home(&self) -> bool {
        self.ef.val == self.ef.arch
    }

    // --- calls of the software path ----------------------------------------------------------------
    /// A branch to a common stub.
    pub fn stub(&mut self, op: u32, stub: Stub) {
        self.out.relocs.push(Reloc::Stub { at: self.asm.pos(), stub: stub as u8 });
        self.asm.w(op);
    }

    /// Widths of an instruction's operands.
    fn operand_bits(&self, inst: &Inst) -> [u8; 3] {
        inst.args.map(|a| match a.is_some() {
            true if self.b.ty(a) == Type::Flags => 32,
            true => self.b.ty(a).bits() as u8,
            false => 0,
        })
    }

    /// Call the helper for the packed record, whose operands are in `call_args`.
    fn call_eval(&mut self, rec: u128) {
        self.asm.pool_adr(r::S0, rec);
        // Not by `bl`: see `interrupt`, which must find the way back wherever it looks.
        let back = self.asm.branch(op::ADR | r::LR as u32);
        self.asm.w(PUSH_LR);
        self.stub(op::B, Stub::Eval);
        self.asm.bind(back);
    }

    /// Leave the current operation to its software definition. Operands that are flags are in bits 31..28.
    pub fn fallback(&mut self, inst: &Inst) {
        let traps = self.fp_traps() && inst.op.fx() & fx::FP != 0;
        if traps {
            self.flags_for_exit();
        }
        for (k, a) in inst.args.iter().enumerate() {
            if !a.is_some() {
                continue;
            }
            let place = field!(call_args) + 16 * k;
            match self.b.ty(*a) {
                Type::Flags => {
                    self.need_flags(*a);
                    self.asm.w(op::MRS_NZCV | r::S0 as u32);
                    self.asm.lsr(false, r::S0, r::S0, 28);
                    self.asm.store_cpu(3, r::S0, place);
                }
                Type::V128 => {
                    let n = self.reg(*a);
                    self.asm.vstore_cpu(n, place);
                }
                _ => {
                    let n = self.rz(*a);
                    self.asm.store_cpu(3, n, place);
                }
            }
        }
        let bits = self.operand_bits(inst);
        self.call_eval(Record::new(inst, bits, self.b.fp).pack());
        if traps {
            self.asm.load_cpu(2, r::S0, field!(fp_trap));
            let from = self.asm.branch(op::CBNZ | r::S0 as u32);
            self.ool.push(Ool::Trap { from, kind: Trap::FpException, detail: 0, arg: r::ZR, pc: self.pc });
        }
        match inst.ty {
            Type::V128 => {
                let d = self.def();
                self.asm.vload_cpu(d, field!(call_result));
            }
            Type::I32 | Type::I64 => {
                let d = self.def();
                self.asm.load_cpu(if inst.ty == Type::I64 { 3 } else { 2 }, d, field!(call_result));
            }
            Type::Flags => {
                self.clobber_flags();
                self.asm.load_cpu(2, r::S0, field!(call_result));
                self.asm.w(op::MSR_NZCV | r::S0 as u32);
                self.flags_are(self.i);
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
                Ool::Link(l, from) => self.link_way(l as usize, from),
                Ool::Leave(from, target, frames) => self.leave_calls(from, target, frames),
                Ool::Returned(after, ret) => self.returned(after, ret),
                Ool::Elsewhere { from, target, pc, frames } => self.elsewhere(from, target, pc, frames),
                Ool::Miss { from, target, stub, pc } => {
                    self.asm.bind(from);
                    let bits = super::regs::point::BRANCH | target;
                    self.add_point(Point { host: self.asm.pos(), pc, flags: IN_NZCV, bits });
                    self.asm.mov(true, r::S0, target);
                    self.stub(op::B, stub);
                    self.add_point(Point { host: self.asm.pos(), pc, flags: IN_NZCV, bits: 0 });
                }
                Ool::Fallback { from, inst, args, dest, join } => self.ool_fallback(from, inst as usize, args, dest, join),
                Ool::Trap { from, kind, detail, arg, pc } => {
                    self.asm.bind(from);
                    self.leave_by_trap(kind, detail, arg, pc);
                }
            }
            n += 1;
        }
    }

    /// Out of line: perhaps the branch that `code` patches, and the stub that it leads to unlinked.
    fn link_way(&mut self, l: usize, from: Option<Near>) {
        if let Some(from) = from {
            self.asm.bind(from);
            self.out.links[l].at = self.asm.branch(op::B).0;
        }
        let at = self.asm.pos();
        self.stub(op::BL, Stub::Link);
        let site = self.asm.pos();
        self.asm.w(0);
        let link = &mut self.out.links[l];
        (link.stub, link.site) = (at, site);
        let jump = Near(link.at);
        self.asm.patch(jump, at);
    }

    fn ool_fallback(&mut self, from: Near, i: usize, args: [u8; 3], dest: u8, join: u32) {
        let inst = &self.b.insts[i];
        self.asm.bind(from);
        for (k, a) in inst.args.iter().enumerate() {
            if a.is_some() {
                let place = field!(call_args) + 16 * k;
                if self.b.ty(*a) == Type::V128 {
                    self.asm.vstore_cpu(args[k], place);
                } else {
                    self.asm.store_cpu(3, args[k], place);
                }
            }
        }
        let bits = self.operand_bits(inst);
        self.call_eval(Record::new(inst, bits, self.b.fp).pack());
        if inst.ty == Type::V128 {
            self.asm.vload_cpu(dest, field!(call_result));
        } else {
            self.asm.load_cpu(if inst.ty == Type::I64 { 3 } else { 2 }, dest, field!(call_result));
        }
        self.asm.back(op::B, join);
    }

    fn system(&mut self, inst: &Inst) {
        match inst.op {
            Op::Counter | Op::Helper => self.fallback(inst),
            Op::Area => {
                let d = self.def();
                self.asm.load_cpu(3, d, field!(area) + 8 * inst.imm as usize);
            }
            Op::SetArea => {
                let s = self.rz(inst.args[0]);
                self.asm.store_cpu(3, s, field!(area) + 8 * inst.imm as usize);
            }
            Op::GetFpcr => {
                let d = self.def();
                self.asm.mem(Access::load(2), d, Addr::Disp(r::CPU, field!(fpcr) as i32));
            }
            op => {
                // The helper knows only what was accumulated before.
                self.asm.w(op::MRS_FPSR | r::S0 as u32);
                self.asm.load_cpu(2, r::S1, field!(fp_status));
                self.asm.rrr(op::ORR, false, r::S0, r::S0, r::S1);
                self.asm.store_cpu(2, r::S0, field!(fp_status));
                self.asm.w(op::MSR_FPSR | r::ZR as u32);
                debug_assert!(matches!(op, Op::GetFpsr | Op::SetFpsr));
                self.fallback(inst);
            }
        }
    }
}
