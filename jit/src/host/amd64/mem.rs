//! Memory operations: loads, stores, exclusives, atomics, barriers.

use super::asm::{cc, enc, encw, p3a, p66, r, sh, state, Addr, Alu, Asm, Near, Rm, Short, NOREG};
use super::emit::{Emitter, Ool, Opnd};
use super::regs::{home_addr, point, VS};
use crate::host::Point;
use crate::ir::op::SPLIT;
use crate::ir::{hint, GuestReg, Inst, Mem, Op, Type, Value};
use crate::regalloc::{Home, INT, NONE};

impl Emitter<'_> {
    /// Whether tagged pointers are to be expected here.
    fn tagged(&self) -> bool {
        self.hint & hint::TAGGED != 0
    }

    /// The x86 address of a memory operation. May use rax (then it is part of the address) and may change EFLAGS, which is taken care of.
    fn address(&mut self, inst: &Inst, scale: u8) -> Addr {
        let (base, index) = (inst.args[0], inst.args[1]);
        let disp = inst.imm as i64;
        if self.tagged() {
            self.clobber_flags();
        }
        let index = if index.is_some() { Some(index) } else { None };
        let place = self.ra.place(self.b, base).filter(|_| self.ra.peek(base).is_none());
        let a = match (self.ra.constant(self.b, base), index) {
            (None, None) if place.is_some() => {
                let c = place.unwrap_or_default().wrapping_add(disp as u64);
                Asm::placed(c).unwrap_or_else(|| {
                    self.asm.mov_place(r::AX, c);
                    Addr::base(r::AX, 0)
                })
            }
            (Some(c), None) => self.absolute(c.wrapping_add(disp as u64)),
            _ => self.base_index(base, index, scale, disp),
        };
        if !self.tagged() {
            return a;
        }
        self.asm.lea(true, r::AX, a);
        self.clear_tag(r::AX);
        Addr::base(r::AX, 0)
    }

    /// Bits 63 to 56 become copies of bit 55, so that a fault in the upper half is told of at the right address.
    fn clear_tag(&mut self, n: u8) {
        self.asm.shift_imm(sh::SHL, true, n, 8);
        self.asm.shift_imm(sh::SAR, true, n, 8);
    }

    fn absolute(&mut self, c: u64) -> Addr {
        match i32::try_from(c as i64) {
            Ok(disp) => Addr { base: NOREG, index: NOREG, scale: 0, disp },
            Err(_) => {
                self.asm.mov_imm(r::AX, c);
                Addr::base(r::AX, 0)
            }
        }
    }

    fn base_index(&mut self, base: Value, index: Option<Value>, scale: u8, disp: i64) -> Addr {
        let base = self.reg(base);
        let mut a = Addr::base(base, 0);
        match i32::try_from(disp) {
            Ok(d) => a.disp = d,
            Err(_) => {
                self.asm.mov_imm(r::AX, disp as u64);
                self.asm.lea(true, r::AX, Addr { base: r::AX, index: base, scale: 0, disp: 0 });
                a.base = r::AX;
            }
        }
        let Some(index) = index else { return a };
        let index = self.reg(index);
        if scale <= 3 {
            return Addr { index, scale, ..a };
        }
        if a.base == r::AX {
            // Twice eight.
            let half = Addr { index, scale: 3, ..a };
            self.asm.lea(true, r::AX, half);
            return Addr { base: r::AX, index, scale: 3, disp: 0 };
        }
        self.asm.lea(true, r::AX, Addr { base: NOREG, index, scale: 3, disp: 0 });
        Addr { index: r::AX, scale: 1, ..a }
    }

    /// The address operand of an atomic operation in a register of its own if it must be changed.
    fn address_reg(&mut self, v: Value) -> u8 {
        if !self.tagged() {
            return self.reg(v);
        }
        let t = self.temp();
        self.load_to(t, v);
        self.clear_tag(t);
        t
    }

    /// The next instruction if it is the same operation on the next eight bytes, of the same guest instruction.
    fn second_half(&self, inst: &Inst) -> Option<usize> {
        let next = self.b.insts.get(self.i + 1)?;
        let mem = inst.mem();
        let pair = next.op == inst.op
            && next.guest == inst.guest
            && next.aux == inst.aux
            && next.args[0] == inst.args[0]
            && !inst.args[1].is_some()
            && !next.args[1].is_some()
            && next.imm == inst.imm.wrapping_add(8)
            && (mem.log2, mem.signed) == (3, false)
            && !self.tagged();
        pair.then_some(self.i + 1)
    }

    /// The guest register without a pin that value `n`, which has no other use, is set to by its guest instruction.
    fn only_set_to(&self, n: usize) -> Option<GuestReg> {
        let guest = self.b.insts[n].guest;
        if self.ra.vals[n].uses != 1 {
            return None;
        }
        let rest = (n + 1..self.b.insts.len()).map(|k| &self.b.insts[k]).take_while(|i| i.guest == guest);
        let set = rest.filter(|i| i.op == Op::Set).find(|i| self.ra.root(i.args[0]) == n)?;
        (self.ra.pin(set.reg()) == NONE).then_some(set.reg())
    }

    /// A pair of loads that go to neighbouring slots, by one move. The values are in their slots before they are set, which nobody can see.
    fn load_to_slots(&mut self, inst: &Inst) -> bool {
        let Some(n) = self.second_half(inst) else { return false };
        let (Some(low), Some(high)) = (self.only_set_to(self.i), self.only_set_to(n)) else { return false };
        if high.0 != low.0 + 1 {
            return false;
        }
        let a = self.address(inst, 0);
        self.point();
        self.asm.v2(enc(0, 1, 0x10), VS, a);
        for (i, g) in [(self.i, low), (n, high)] {
            let v = Value(i as u16);
            self.ra.set_slot_begin(self.asm, self.b, i, g, v);
        }
        self.asm.v2(enc(0, 1, 0x11), VS, home_addr(Home::Slot(low)));
        for (i, g) in [(self.i, low), (n, high)] {
            self.ra.set_slot_done(g, Value(i as u16));
        }
        self.done_ahead = n;
        true
    }

    /// A pair of stores from neighbouring slots, by one move.
    fn store_from_slots(&mut self, inst: &Inst) -> bool {
        let Some(n) = self.second_half(inst) else { return false };
        let slot = |v: Value| match (self.ra.peek(v), self.ra.home(v), self.ra.constant(self.b, v)) {
            (None, Home::Slot(g), None) => Some(g),
            _ => None,
        };
        let (Some(low), Some(high)) = (slot(inst.args[2]), slot(self.b.insts[n].args[2])) else { return false };
        if high.0 != low.0 + 1 {
            return false;
        }
        let a = self.address(inst, 0);
        self.asm.v2(enc(0, 1, 0x10), VS, home_addr(Home::Slot(low)));
        self.point();
        self.asm.v2(enc(0, 1, 0x11), VS, a);
        self.done_ahead = n;
        true
    }

    /// Load.
    pub fn load(&mut self, inst: &Inst) {
        if self.i == self.done_ahead || inst.op == Op::Load && inst.ty == Type::I64 && self.load_to_slots(inst) {
            return;
        }
        let mem = inst.mem();
        let ordered = inst.op == Op::LoadAcq && mem.log2 > 0;
        if ordered {
            self.clobber_flags();
        }
        let mut a = self.address(inst, mem.scale);
        if ordered {
            a = self.within_16(mem.log2, a);
        }
        self.point();
        let d = self.def();
        if inst.ty == Type::V128 {
            self.load_vec(mem.log2, d, a);
        } else {
            self.load_int(mem, inst.ty == Type::I64, d, a);
        }
    }

    fn load_int(&mut self, mem: Mem, w: bool, d: u8, a: Addr) {
        match (mem.log2, mem.signed) {
            (n @ 0..=1, false) => self.asm.movzx(n, d, a),
            (n @ 0..=1, true) => self.asm.movsx(n, w, d, a),
            (2, true) if w => self.asm.movsx(2, true, d, a),
            (2, _) => self.asm.mov(false, d, a),
            _ => self.asm.mov(w, d, a),
        }
    }

    fn load_vec(&mut self, log2: u8, d: u8, a: Addr) {
        match log2 {
            0 | 1 => {
                self.asm.movzx(log2, r::AX, a);
                self.asm.v2(p66(0x6e), d, Rm::R(r::AX));
            }
            2 => self.asm.v2(enc(2, 1, 0x10), d, a),
            3 => self.asm.v2(enc(3, 1, 0x10), d, a),
            _ => self.asm.v2(enc(0, 1, 0x10), d, a),
        }
    }

    /// Store.
    pub fn store(&mut self, inst: &Inst) {
        let mem = inst.mem();
        let v = inst.args[2];
        let whole = inst.op == Op::Store && self.b.ty(v) == Type::I64;
        if self.i == self.done_ahead || whole && self.store_from_slots(inst) {
            return;
        }
        if inst.op == Op::StoreRel {
            self.clobber_flags();
            let a = self.address(inst, mem.scale);
            let a = self.within_16(mem.log2, a);
            return self.store_release(mem.log2, a, v);
        }
        let a = self.address(inst, mem.scale);
        if self.b.ty(v) == Type::V128 {
            let s = self.reg(v);
            self.point();
            return match mem.log2 {
                n @ 0..=1 => self.asm.v2i(p3a(0x14 + n), s, a, 0),
                2 => self.asm.v2(p66(0x7e), s, a),
                3 => self.asm.v2(p66(0xd6), s, a),
                _ => self.asm.v2(enc(0, 1, 0x11), s, a),
            };
        }
        match (self.imm(v), self.ra.peek(v)) {
            (Some(c), None) => {
                self.point();
                self.asm.store_imm(mem.log2, a, c);
            }
            _ => {
                let s = self.reg(v);
                self.point();
                self.asm.store(mem.log2, a, s);
            }
        }
    }

    /// The access to `a` faults if it crosses a multiple of 16: what is atomic or ordered must not. EFLAGS must be free. Returns the address in a
    /// form for the access, perhaps in rax.
    fn within_16(&mut self, log2: u8, a: Addr) -> Addr {
        if log2 == 0 {
            return a;
        }
        let plain = a.disp == 0 && a.index == NOREG && a.base < 16;
        if !plain {
            self.asm.lea(true, r::AX, a);
        }
        let reg = if plain { a.base } else { r::AX };
        self.check_alignment(log2, reg);
        Addr::base(reg, 0)
    }

    /// The same for an address in a register.
    fn check_alignment(&mut self, log2: u8, addr: u8) {
        if log2 > 0 {
            self.asm.test_imm8(addr, (1 << log2) - 1);
            let from = self.asm.jcc_near(cc::NE);
            let back = self.asm.pos();
            self.ool.push(Ool::Misaligned { from, addr, log2, pc: self.pc, back });
        }
    }

    /// Out of line: the address is misaligned. Within 16 bytes it may be; else an access that must be aligned faults.
    pub fn misaligned(&mut self, from: Near, addr: u8, log2: u8, pc: u64, back: u32) {
        self.asm.bind_near(from);
        for bit in (log2..4).rev() {
            self.asm.test_imm8(addr, 1 << bit);
            self.asm.jcc_back(cc::E, back);
        }
        self.asm.mov_rr(true, r::R11, addr);
        self.out.points.push(Point { host: self.asm.pos(), pc, flags: 0, bits: point::ALIGNED });
        self.asm.v2(enc(0, 1, 0x28), VS, Addr::base(r::R11, 0));
    }

    /// STLR must not be passed by a later LDAR: the store is locked.
    fn store_release(&mut self, log2: u8, a: Addr, v: Value) {
        let s = self.reg(v);
        let uses_ax = a.base == r::AX || a.index == r::AX;
        if uses_ax {
            self.point();
            self.asm.store(log2, a, s);
            return self.full_fence();
        }
        self.asm.mov_rr(true, r::AX, s);
        self.point();
        self.asm.op(enc((log2 == 1) as u8, 0, if log2 == 0 { 0x86 } else { 0x87 }), log2 == 3, r::AX, a.into(), 0, false);
    }

    fn full_fence(&mut self) {
        if self.flags_busy() {
            // xchg [rsp-8], rax
            self.asm.bytes(&[0x48, 0x87, 0x44, 0x24, 0xf8]);
        } else {
            self.clobber_flags();
            // lock or dword [rsp-8], 0
            self.asm.bytes(&[0xf0, 0x83, 0x4c, 0x24, 0xf8, 0x00]);
        }
    }

    /// Barrier.
    pub fn fence(&mut self, kind: u64) {
        // x86 keeps loads in order among themselves and stores too; only a load passing an earlier store needs a fence.
        if kind == 0 {
            self.full_fence();
        }
    }

    // --- exclusives ----------------------------------------------------------------------------------
    /// Load-exclusive, store-exclusive, clear.
    pub fn exclusive(&mut self, inst: &Inst) {
        match inst.op {
            Op::ClrEx => self.asm.store_imm(3, state!(excl_size), 0),
            Op::LoadEx => self.load_ex(inst),
            _ if self.b.ty(inst.args[1]) == Type::V128 => self.store_ex_pair(inst),
            _ => self.store_ex(inst),
        }
    }

    fn load_ex(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        self.clobber_flags();
        let pair = inst.ty == Type::V128;
        if pair {
            self.ra.claim(self.asm, self.b, INT, r::R11);
        }
        let mut a = self.address_reg(inst.args[0]);
        if pair {
            // movaps: a pair must be aligned.
            self.asm.mov_rr(true, r::R11, a);
            a = r::R11;
            self.point_bits(point::ALIGNED);
            self.asm.v2(enc(0, 1, 0x28), VS, Addr::base(a, 0));
            self.asm.vstore(state!(excl_value), VS);
        } else {
            self.check_alignment(log2, a);
            self.point();
            self.load_int(Mem::size(log2), log2 == 3, r::AX, Addr::base(a, 0));
            self.asm.store(3, state!(excl_value), r::AX);
        }
        self.asm.store(3, state!(excl_addr), a);
        self.asm.store_imm(3, state!(excl_size), log2 as i32 + 1);
        let d = self.def();
        if pair {
            self.asm.vmov(d, VS);
        } else {
            self.asm.mov_rr(true, d, r::AX);
        }
    }

    /// cmpxchg of `s` at `[a]`, locked.
    fn cmpxchg(&mut self, log2: u8, a: u8, s: u8) {
        self.asm.u8(0xf0);
        let e = enc((log2 == 1) as u8, 1, if log2 == 0 { 0xb0 } else { 0xb1 });
        self.asm.op(e, log2 == 3, s, Addr::base(a, 0).into(), 0, log2 == 0 && s >= 4);
    }

    /// Jump if the monitor watches another address than `a`; tags don't count, and either may have lost its own.
    fn other_address(&mut self, a: u8) -> Short {
        self.asm.mov_rr(true, r::AX, a);
        self.asm.alu(Alu::Xor, true, r::AX, state!(excl_addr));
        self.asm.shift_imm(sh::SHL, true, r::AX, 8);
        self.asm.jcc_short(cc::NE)
    }

    fn store_ex(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        self.clobber_flags();
        let a = self.address_reg(inst.args[0]);
        let s = self.reg(inst.args[1]);
        self.check_alignment(log2, a);
        let other = self.other_address(a);
        self.asm.alu_imm(Alu::Cmp, false, state!(excl_size), log2 as i32 + 1);
        let open = self.asm.jcc_short(cc::NE);
        self.asm.mov(true, r::AX, state!(excl_value));
        self.point();
        self.cmpxchg(log2, a, s);
        self.asm.bind(other);
        self.asm.bind(open);
        self.store_ex_status();
    }

    /// ZF says whether it was stored.
    fn store_ex_status(&mut self) {
        self.asm.setcc(cc::NE, r::AX);
        self.asm.store_imm(3, state!(excl_size), 0);
        self.ra.operands_done();
        let d = self.def();
        self.asm.movzx(0, d, r::AX);
    }

    /// Everything for cmpxchg16b but rdx:rax: the address in r11, rcx:rbx = `new`, rbx's guest register in its slot.
    fn pair_begin(&mut self, addr: Value) {
        self.clobber_flags();
        for n in [r::CX, r::DX, r::R11] {
            self.ra.claim(self.asm, self.b, INT, n);
        }
        self.load_to(r::R11, addr);
        if self.tagged() {
            self.clear_tag(r::R11);
        }
    }

    fn rbx_slot(&self) -> Addr {
        home_addr(self.ra.guest_of(r::BX).map_or(Home::Spill(63), Home::Slot))
    }

    fn pair_cmpxchg(&mut self, new: u8) {
        let slot = self.rbx_slot();
        self.asm.store(3, slot, r::BX);
        self.asm.v2(encw(1, 1, 0x7e), new, Rm::R(r::BX));
        self.asm.v2i(encw(1, 3, 0x16), new, Rm::R(r::CX), 1);
        self.point_bits(point::RBX_IN_SLOT | point::ALIGNED);
        self.asm.u8(0xf0);
        self.asm.op(enc(0, 1, 0xc7), true, 1, Addr::base(r::R11, 0).into(), 0, false);
        self.asm.mov(true, r::BX, slot);
    }

    fn store_ex_pair(&mut self, inst: &Inst) {
        self.pair_begin(inst.args[0]);
        let new = self.reg(inst.args[1]);
        self.check_alignment(4, r::R11);
        let other = self.other_address(r::R11);
        self.asm.alu_imm(Alu::Cmp, false, state!(excl_size), (inst.aux & 7) as i32 + 1);
        let open = self.asm.jcc_short(cc::NE);
        self.asm.mov(true, r::AX, state!(excl_value));
        self.asm.mov(true, r::DX, state!(excl_value).plus(8));
        self.pair_cmpxchg(new);
        self.asm.bind(other);
        self.asm.bind(open);
        self.asm.setcc(cc::NE, r::AX);
        self.asm.store_imm(3, state!(excl_size), 0);
        self.ra.unclaim(INT, r::DX);
        let d = self.def();
        self.asm.movzx(0, d, r::AX);
    }

    // --- atomics -------------------------------------------------------------------------------------
    /// Compare-and-swap.
    pub fn cas(&mut self, inst: &Inst) {
        if inst.op == Op::AtomicCasp {
            self.pair_begin(inst.args[0]);
            let old = self.reg(inst.args[1]);
            let new = self.reg(inst.args[2]);
            self.asm.v2(encw(1, 1, 0x7e), old, Rm::R(r::AX));
            self.asm.v2i(encw(1, 3, 0x16), old, Rm::R(r::DX), 1);
            self.pair_cmpxchg(new);
            let d = self.def();
            self.asm.v2(encw(1, 1, 0x6e), d, Rm::R(r::AX));
            return self.asm.v3i(encw(1, 3, 0x22), d, d, Rm::R(r::DX), 1);
        }
        let log2 = inst.aux & 7;
        self.clobber_flags();
        let a = self.address_reg(inst.args[0]);
        let new = self.reg(inst.args[2]);
        self.load_to(r::AX, inst.args[1]);
        if inst.imm & SPLIT == 0 {
            self.check_alignment(log2, a);
        }
        self.point();
        self.cmpxchg(log2, a, new);
        self.old_value(log2);
    }

    /// The result is the low bits of rax.
    fn old_value(&mut self, log2: u8) {
        self.ra.operands_done();
        let d = self.def();
        match log2 {
            0 | 1 => self.asm.movzx(log2, d, r::AX),
            n => self.asm.mov_rr(n == 3, d, r::AX),
        }
    }

    /// Read-modify-write.
    pub fn atomic(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        self.clobber_flags();
        let a = self.address_reg(inst.args[0]);
        let s = self.reg(inst.args[1]);
        if inst.imm & SPLIT == 0 {
            self.check_alignment(log2, a);
        }
        let (e16, at) = ((log2 == 1) as u8, Addr::base(a, 0));
        let unused = self.ra.vals[self.i].uses == 0;
        let in_place = match inst.op {
            Op::AtomicAdd => Some(Alu::Add),
            Op::AtomicSet => Some(Alu::Or),
            Op::AtomicEor => Some(Alu::Xor),
            _ => None,
        };
        if let (true, Some(op)) = (unused, in_place) {
            self.point();
            self.asm.u8(0xf0);
            let e = enc(e16, 0, (op as u8) << 3 | (log2 != 0) as u8);
            return self.asm.op(e, log2 == 3, s, at.into(), 0, log2 == 0 && s >= 4);
        }
        match inst.op {
            Op::AtomicAdd | Op::AtomicSwp => return self.exchange(inst, log2, a, s),
            op => self.atomic_loop(op, log2, a, s),
        }
        self.old_value(log2);
    }

    /// `xadd` or `xchg`: in the operand's register if it becomes the result's, else in rax. If it faults nothing has changed.
    fn exchange(&mut self, inst: &Inst, log2: u8, a: u8, s: u8) {
        let d = if log2 >= 2 && a != s { Some(self.def()) } else { None };
        let own = d == Some(s);
        let x = if own { s } else { r::AX };
        if !own {
            self.asm.mov_rr(true, x, s);
        }
        self.point();
        let e = if inst.op == Op::AtomicAdd {
            self.asm.u8(0xf0);
            enc((log2 == 1) as u8, 1, 0xc0 | (log2 != 0) as u8)
        } else {
            enc((log2 == 1) as u8, 0, 0x86 | (log2 != 0) as u8)
        };
        self.asm.op(e, log2 == 3, x, Addr::base(a, 0).into(), 0, false);
        match d {
            _ if own => {}
            Some(d) => self.asm.mov_rr(log2 == 3, d, x),
            None => self.old_value(log2),
        }
    }

    fn atomic_loop(&mut self, op: Op, log2: u8, a: u8, s: u8) {
        let w = log2 == 3;
        let t = self.temp();
        self.point();
        self.load_int(Mem::size(log2), w, r::AX, Addr::base(a, 0));
        let again = self.asm.pos();
        let minmax = match op {
            Op::AtomicSmax => Some(cc::L),
            Op::AtomicSmin => Some(cc::G),
            Op::AtomicUmax => Some(cc::B),
            Op::AtomicUmin => Some(cc::A),
            _ => None,
        };
        match (op, minmax) {
            (_, Some(c)) => {
                self.asm.mov_rr(true, t, r::AX);
                let e = enc((log2 == 1) as u8, 0, if log2 == 0 { 0x3a } else { 0x3b });
                self.asm.op(e, w, r::AX, Rm::R(s), 0, log2 == 0 && s >= 4);
                self.asm.cmov(c, w, t, s);
            }
            (Op::AtomicClr, _) => {
                self.asm.mov_rr(true, t, s);
                self.asm.unary(2, true, t);
                self.asm.alu(Alu::And, true, t, r::AX);
            }
            _ => {
                self.asm.mov_rr(true, t, r::AX);
                self.alu_opnd(if op == Op::AtomicSet { Alu::Or } else { Alu::Xor }, true, t, Opnd::R(s));
            }
        }
        self.cmpxchg(log2, a, t);
        self.asm.jcc_back(cc::NE, again);
    }
}
