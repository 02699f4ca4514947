//! Memory operations: loads, stores, exclusives, atomics, barriers.
//!
//! **Total store order** (`Mem::tso`): loads acquire in the sense of LDAPR, stores release; vectors of 128 bits, which have no such instructions, get half a
//! barrier each: after a load it keeps later accesses behind, before a store it keeps earlier stores in front (loads keep themselves there). Such
//! instructions fault on addresses that are misaligned (or cross 16 bytes): the engine learns [`hint::UNALIGNED`] and has the instruction translated
//! again, as a plain access with a barrier.
//!
//! **Exclusives** don't use the processor's monitor, which code of ours in between could clear for ever: as everywhere, a store-exclusive is a
//! compare-and-swap with what the load-exclusive found.
//!
//! **Atomics** are acquire-release instructions where FEAT_LSE is (which order everything, as Linux relies on, too), else loops with a barrier at their end.
//! One that may be [`SPLIT`] and turns out to be misaligned is translated again, to loads and stores under a lock of the process's own ([`Emitter::split`]).

use super::asm::{arith_imm, field, op, r, Access, Addr};
use super::emit::Emitter;
use crate::ir::op::SPLIT;
use crate::ir::{hint, Inst, Mem, Op, Type};
use crate::regalloc::INT;

/// How an access is ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Not at all.
    Plain,
    /// By a barrier: after a load, before a store.
    Barrier,
    /// In total store order, by instructions that do it.
    Tso,
    /// LDAR, STLR.
    Sequential,
}

impl Emitter<'_> {
    // --- addresses -----------------------------------------------------------------------------------
    /// The address of a load or store in a form that an access of this size has. May use x16 and x17.
    fn address(&mut self, inst: &Inst) -> Addr {
        let (log2, scale) = (inst.mem().log2, inst.mem().scale);
        let disp = inst.imm as i64;
        let (base, index) = (inst.args[0], inst.args[1]);
        if !index.is_some() {
            if let Some(c) = self.imm(base) {
                self.asm.mov_const(r::S0, c.wrapping_add(disp as u64));
                return Addr::Disp(r::S0, 0);
            }
            let base = self.reg(base);
            return self.displaced(base, disp, log2);
        }
        let (base, index) = (self.reg(base), self.reg(index));
        if disp == 0 && (scale == 0 || scale == log2) {
            return Addr::Index(base, index, scale != 0);
        }
        self.asm.rrr_shift(op::ADD, true, r::S0, base, index, (0, scale));
        self.displaced(r::S0, disp, log2)
    }

    /// `[base + disp]`.
    fn displaced(&mut self, base: u8, disp: i64, log2: u8) -> Addr {
        if super::asm::Asm::disp_fits(log2, disp) {
            return Addr::Disp(base, disp as i32);
        }
        let (high, low) = (disp & !0xfff, disp & 0xfff);
        let (op, size) = if disp < 0 { (op::SUBI, -high) } else { (op::ADDI, high) };
        if let Some(imm) = arith_imm(size as u64).filter(|_| super::asm::Asm::disp_fits(log2, low)) {
            self.asm.rr(op | imm, true, r::S0, base);
            return Addr::Disp(r::S0, low as i32);
        }
        self.asm.mov_imm(r::S1, disp as u64);
        Addr::Index(base, r::S1, false)
    }

    /// The address in a register, perhaps x16.
    fn plain_address(&mut self, a: Addr) -> u8 {
        match a {
            Addr::Disp(base, 0) => base,
            Addr::Disp(base, disp) => {
                match arith_imm(disp.unsigned_abs() as u64) {
                    Some(imm) => self.asm.rr(imm | if disp < 0 { op::SUBI } else { op::ADDI }, true, r::S0, base),
                    None => {
                        self.asm.mov_imm(r::S1, disp as i64 as u64);
                        self.asm.rrr(op::ADD, true, r::S0, base, r::S1);
                    }
                }
                r::S0
            }
            Addr::Index(base, index, scaled) => {
                debug_assert!(!scaled, "taken care of before");
                self.asm.rrr(op::ADD, true, r::S0, base, index);
                r::S0
            }
        }
    }

    /// The same as base and 9-bit displacement.
    fn unscaled_address(&mut self, a: Addr) -> (u8, u32) {
        match a {
            Addr::Disp(base, disp) if (-256..256).contains(&disp) => (base, (disp as u32 & 0x1ff) << 12),
            a => (self.plain_address(a), 0),
        }
    }

    /// The address for an ordered access: base and index added up.
    fn ordered_address(&mut self, inst: &Inst) -> Addr {
        match self.address(inst) {
            Addr::Index(base, index, true) => {
                self.asm.rrr_shift(op::ADD, true, r::S0, base, index, (0, inst.mem().log2));
                Addr::Disp(r::S0, 0)
            }
            a => a,
        }
    }

    /// Ordered accesses that may be misaligned within 16 bytes, on a CPU where they may not: a plain access between barriers, unless it crosses a
    /// multiple of 16; then the ordered one that follows faults as it should.
    fn within_16(&mut self, inst: &Inst, plain: Access, ordered: u32, reg: u8) {
        let log2 = inst.mem().log2;
        let a = self.ordered_address(inst);
        let base = self.plain_address(a);
        // Bit 4 of the sum: beyond.
        self.asm.ubfx(true, r::S1, base, 0, 4);
        self.asm.add_imm(r::S1, r::S1, (1 << log2) - 1);
        self.asm.w(op::DMB_ISH);
        self.point();
        let beyond = self.asm.branch(super::asm::Asm::tb(op::TBNZ, r::S1, 4));
        self.asm.mem(plain, reg, Addr::Disp(base, 0));
        let done = self.asm.branch(op::B);
        self.asm.bind(beyond);
        self.asm.at(ordered, log2, reg, base);
        self.asm.bind(done);
        self.asm.w(op::DMB_ISH);
    }

    fn order(&self, inst: &Inst) -> Order {
        let mem = inst.mem();
        match inst.op {
            Op::LoadAcq | Op::StoreRel => Order::Sequential,
            _ if !mem.tso || self.feat.tso => Order::Plain,
            _ if mem.log2 == 4 || self.hint & hint::UNALIGNED != 0 => Order::Barrier,
            _ => Order::Tso,
        }
    }

    // --- loads ---------------------------------------------------------------------------------------
    /// Load.
    pub fn load(&mut self, inst: &Inst) {
        let mut mem = inst.mem();
        // What is as wide as its result has no sign to extend.
        mem.signed &= 8 << mem.log2 < inst.ty.bits();
        let order = self.order(inst);
        let (vector, w) = (inst.ty == Type::V128, inst.ty == Type::I64);
        if matches!(order, Order::Plain | Order::Barrier) {
            let a = self.address(inst);
            self.point();
            let d = self.def();
            let access = match (vector, mem.signed) {
                (true, _) => Access::vload(mem.log2),
                (_, true) => Access::load_signed(mem.log2, w),
                _ => Access::load(mem.log2),
            };
            self.asm.mem(access, d, a);
            if order == Order::Barrier {
                self.asm.w(op::DMB_ISHLD);
            }
            return;
        }
        if order == Order::Sequential && self.hint & hint::UNALIGNED != 0 {
            // Not into the base register before it is used.
            self.within_16(inst, Access::load(mem.log2), op::LDAR, r::LR);
            let d = self.def();
            return match mem.signed {
                true => self.asm.bfm(op::SBFM, w, d, r::LR, 0, (8 << mem.log2) - 1),
                false => self.asm.mov(true, d, r::LR),
            };
        }
        let a = self.ordered_address(inst);
        if vector {
            self.load_ordered(order, Mem::size(mem.log2), true, r::S1, a);
            let d = self.def();
            self.asm.v2(if mem.log2 == 3 { 0x9e67_0000 } else { 0x1e27_0000 }, d, r::S1);
        } else {
            let (base, disp) = match a {
                Addr::Disp(base, _) if order == Order::Tso && self.feat.rcpc2 => (base, a),
                a => {
                    let base = self.plain_address(a);
                    (base, Addr::Disp(base, 0))
                }
            };
            debug_assert_ne!(base, r::S1);
            self.point();
            let d = self.def();
            self.load_ordered(order, mem, w, d, disp);
        }
    }

    /// The instruction, and a sign extension where it has none.
    fn load_ordered(&mut self, order: Order, mem: Mem, w: bool, d: u8, a: Addr) {
        if order == Order::Tso && self.feat.rcpc2 {
            let (base, disp) = self.unscaled_address(a);
            let signed = if mem.signed { [3, 2][w as usize] } else { 1 };
            self.point();
            return self.asm.at(op::LDAPUR & !(3 << 22) | signed << 22 | disp, mem.log2, d, base);
        }
        let base = self.plain_address(a);
        self.point();
        let op = if order == Order::Tso && self.feat.rcpc { op::LDAPR } else { op::LDAR };
        self.asm.at(op, mem.log2, d, base);
        if mem.signed {
            self.asm.bfm(op::SBFM, w, d, d, 0, (8 << mem.log2) - 1);
        }
    }

    // --- stores --------------------------------------------------------------------------------------
    /// Store.
    pub fn store(&mut self, inst: &Inst) {
        let mem = inst.mem();
        let order = self.order(inst);
        let v = inst.args[2];
        let vector = self.b.ty(v) == Type::V128;
        let s = if vector { self.reg(v) } else { self.rz(v) };
        if matches!(order, Order::Plain | Order::Barrier) {
            let a = self.address(inst);
            if order == Order::Barrier {
                self.asm.w(op::DMB_ISHST);
            }
            self.point();
            return self.asm.mem(if vector { Access::vstore(mem.log2) } else { Access::store(mem.log2) }, s, a);
        }
        if order == Order::Sequential && self.hint & hint::UNALIGNED != 0 {
            return self.within_16(inst, Access::store(mem.log2), op::STLR, s);
        }
        let a = self.ordered_address(inst);
        let (base, disp) = match (order, self.feat.rcpc2) {
            (Order::Tso, true) => self.unscaled_address(a),
            _ => (self.plain_address(a), 0),
        };
        let s = if vector {
            self.asm.v2(if mem.log2 == 3 { 0x9e66_0000 } else { 0x1e26_0000 }, r::S1, s);
            r::S1
        } else {
            s
        };
        self.point();
        match (order, self.feat.rcpc2) {
            (Order::Tso, true) => self.asm.at(op::STLUR | disp, mem.log2, s, base),
            _ => self.asm.at(op::STLR, mem.log2, s, base),
        }
    }

    /// Barrier.
    pub fn fence(&mut self, kind: u64) {
        self.asm.w([op::DMB_ISH, op::DMB_ISHLD, op::DMB_ISHST][kind as usize % 3]);
    }

    // --- exclusives ----------------------------------------------------------------------------------
    /// Load-exclusive, store-exclusive, clear.
    pub fn exclusive(&mut self, inst: &Inst) {
        match inst.op {
            Op::ClrEx => self.asm.store_cpu(3, r::ZR, field!(excl_size)),
            Op::LoadEx => self.load_ex(inst),
            _ => self.store_ex(inst),
        }
    }

    fn load_ex(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        let a = self.reg(inst.args[0]);
        self.point();
        if inst.ty == Type::V128 {
            // Together with the compare-and-swap that follows, that the halves may be of different times doesn't matter.
            self.asm.w(op::LDAXP | (r::S1 as u32) << 10 | (a as u32) << 5 | r::S0 as u32);
            self.asm.pair(op::STP, r::S0, r::S1, r::CPU, field!(excl_value) as i32);
        } else {
            self.asm.at(op::LDAR, log2, r::S0, a);
            self.asm.store_cpu(3, r::S0, field!(excl_value));
        }
        self.asm.mov_imm(r::LR, log2 as u64 + 1);
        self.asm.pair(op::STP, a, r::LR, r::CPU, field!(excl_addr) as i32);
        let d = self.def();
        if inst.ty == Type::V128 {
            self.vec_from(d, r::S0, r::S1);
        } else {
            self.asm.mov(true, d, r::S0);
        }
    }

    /// Two general registers as a vector.
    fn vec_from(&mut self, d: u8, low: u8, high: u8) {
        self.asm.v2(0x9e67_0000, d, low);
        self.asm.v2(0x4e18_1c00, d, high);
    }

    /// A vector as two general registers.
    fn vec_to(&mut self, low: u8, high: u8, v: u8) {
        self.asm.v2(0x9e66_0000, low, v);
        self.asm.v2(0x4e18_3c00, high, v);
    }

    fn store_ex(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        let wide = self.b.ty(inst.args[1]) == Type::V128;
        if wide {
            (8..12).for_each(|n| self.ra.claim(self.asm, self.b, INT, n));
        }
        let a = self.reg(inst.args[0]);
        let s = if wide { self.reg(inst.args[1]) } else { self.rz(inst.args[1]) };
        // Another address (tags don't count), another size.
        self.asm.pair(op::LDP, r::S0, r::S1, r::CPU, field!(excl_addr) as i32);
        self.asm.store_cpu(3, r::ZR, field!(excl_size));
        self.asm.rrr(op::EOR, true, r::S0, r::S0, a);
        self.asm.add_imm(r::S1, r::S1, -(log2 as i32 + 1));
        self.asm.rrr_shift(op::ORR, true, r::S1, r::S1, r::S0, (0, 8));
        let other = self.asm.branch(op::CBNZ | 1 << 31 | r::S1 as u32);
        if wide {
            self.asm.pair(op::LDP, 10, 11, r::CPU, field!(excl_value) as i32);
            self.vec_to(8, 9, s);
            self.cas_pair(a);
            // Whether it was what was expected.
            self.asm.rrr(op::EOR, true, r::S0, r::S0, 10);
            self.asm.rrr(op::EOR, true, r::S1, r::S1, 11);
            self.asm.rrr(op::ORR, true, r::S1, r::S0, r::S1);
        } else {
            self.asm.load_cpu(3, r::S1, field!(excl_value));
            self.cas_word(log2, a, r::S1, s);
            self.asm.load_cpu(3, r::S1, field!(excl_value));
            self.asm.rrr(op::EOR, true, r::S1, r::S0, r::S1);
        }
        self.asm.bind(other);
        let stored = self.asm.branch(op::CBZ | 1 << 31 | r::S1 as u32);
        self.asm.mov_imm(r::S1, 1);
        self.asm.bind(stored);
        let d = self.def();
        self.asm.mov(true, d, r::S1);
    }

    /// What was in memory at `[a]` into x16, and `new` there if that was `expected` (which may be x17). Changes x17 and x30.
    fn cas_word(&mut self, log2: u8, a: u8, expected: u8, new: u8) {
        if self.feat.lse {
            self.asm.mov(true, r::S0, expected);
            self.point();
            return self.asm.at2(op::CASAL, log2, r::S0, new, a);
        }
        let expected = if expected == r::S1 {
            self.asm.mov(true, r::LR, r::S1);
            r::LR
        } else {
            expected
        };
        self.point();
        let again = self.asm.pos();
        self.asm.at(op::LDAXR, log2, r::S0, a);
        self.asm.rrr(op::EOR, true, r::S1, r::S0, expected);
        self.asm.ubfx(true, r::S1, r::S1, 0, 8 << log2);
        let differs = self.asm.branch(op::CBNZ | 1 << 31 | r::S1 as u32);
        self.asm.at2(op::STLXR, log2, r::S1, new, a);
        self.asm.back(op::CBNZ | r::S1 as u32, again);
        self.asm.bind(differs);
        self.asm.w(op::DMB_ISH);
    }

    /// What was in memory at `[a]` into x16 and x17, and x8:x9 there if that was x10:x11. Changes x30.
    fn cas_pair(&mut self, a: u8) {
        if self.feat.lse {
            self.asm.mov(true, r::S0, 10);
            self.asm.mov(true, r::S1, 11);
            self.point();
            return self.asm.at2(op::CASPAL, 0, r::S0, 8, a);
        }
        self.point();
        let again = self.asm.pos();
        self.asm.w(op::LDAXP | (r::S1 as u32) << 10 | (a as u32) << 5 | r::S0 as u32);
        let differs = [(r::S0, 10), (r::S1, 11)].map(|(x, y)| {
            self.asm.rrr(op::EOR, true, r::LR, x, y);
            self.asm.branch(op::CBNZ | 1 << 31 | r::LR as u32)
        });
        let stlxp = |low: u8, high: u8| op::STLXP | (r::LR as u32) << 16 | (high as u32) << 10 | (a as u32) << 5 | low as u32;
        self.asm.w(stlxp(8, 9));
        self.asm.back(op::CBNZ | r::LR as u32, again);
        let done = self.asm.branch(op::B);
        differs.into_iter().for_each(|b| self.asm.bind(b));
        // Only what could be stored was read at once.
        self.asm.w(stlxp(r::S0, r::S1));
        self.asm.back(op::CBNZ | r::LR as u32, again);
        self.asm.bind(done);
        self.asm.w(op::DMB_ISH);
    }

    // --- atomics -------------------------------------------------------------------------------------
    /// Compare-and-swap.
    pub fn cas(&mut self, inst: &Inst) {
        let [a, old, new] = inst.args;
        if inst.op == Op::AtomicCasp {
            (8..12).for_each(|n| self.ra.claim(self.asm, self.b, INT, n));
            let (a, old, new) = (self.reg(a), self.reg(old), self.reg(new));
            self.vec_to(8, 9, new);
            self.vec_to(10, 11, old);
            self.cas_pair(a);
            let d = self.def();
            return self.vec_from(d, r::S0, r::S1);
        }
        let (a, old, new) = (self.reg(a), self.rz(old), self.rz(new));
        if inst.imm & SPLIT != 0 && self.hint & hint::UNALIGNED != 0 {
            self.split(inst, a, new, Some(old));
        } else {
            self.cas_word(inst.aux & 7, a, old, new);
        }
        let d = self.def();
        self.asm.mov(true, d, r::S0);
    }

    /// Read-modify-write.
    pub fn atomic(&mut self, inst: &Inst) {
        let log2 = inst.aux & 7;
        let (a, s) = (self.reg(inst.args[0]), self.rz(inst.args[1]));
        if inst.imm & SPLIT != 0 && self.hint & hint::UNALIGNED != 0 {
            self.split(inst, a, s, None);
            let d = self.def();
            return self.asm.mov(true, d, r::S0);
        }
        if self.feat.lse {
            let number = (inst.op as u16 - Op::AtomicAdd as u16) as u32;
            let op = if inst.op == Op::AtomicSwp { op::SWPAL } else { op::LDADDAL | number << 12 };
            self.point();
            // Not the zero register: that would be the form without acquire.
            let d = self.def();
            return self.asm.at2(op, log2, s, d, a);
        }
        if matches!(inst.op, Op::AtomicSmax | Op::AtomicSmin | Op::AtomicUmax | Op::AtomicUmin) {
            self.clobber_flags();
        }
        self.point();
        let again = self.asm.pos();
        self.asm.at(op::LDAXR, log2, r::S0, a);
        self.modify(inst.op, log2, s);
        self.asm.at2(op::STLXR, log2, r::LR, r::S1, a);
        self.asm.back(op::CBNZ | r::LR as u32, again);
        self.asm.w(op::DMB_ISH);
        let d = self.def();
        self.asm.mov(true, d, r::S0);
    }

    /// An atomic operation across a boundary that the processor has for them: what was in memory into x16. A word of the process keeps such operations
    /// apart from each other. What can fault comes before it is taken: changes of nothing in the first and the last byte.
    fn split(&mut self, inst: &Inst, a: u8, s: u8, expected: Option<u8>) {
        let log2 = inst.aux & 7;
        self.clobber_flags();
        let lock = self.temp();
        self.point();
        for last in [0, (1 << log2) - 1] {
            self.asm.add_imm(r::S1, a, last);
            self.touch(r::S1);
        }
        self.asm.load_cpu(3, lock, field!(split_lock));
        let again = self.asm.pos();
        self.asm.at(op::LDAXR, 2, r::S0, lock);
        self.asm.back(op::CBNZ | r::S0 as u32, again);
        self.asm.mov_imm(r::S1, 1);
        self.asm.at2(op::STLXR, 2, r::LR, r::S1, lock);
        self.asm.back(op::CBNZ | r::LR as u32, again);
        self.asm.w(op::DMB_ISH);
        self.asm.mem(Access::load(log2), r::S0, Addr::Disp(a, 0));
        let differs = match expected {
            Some(expected) => {
                self.asm.rrr(op::EOR, true, r::S1, r::S0, expected);
                self.asm.ubfx(true, r::S1, r::S1, 0, 8 << log2);
                let differs = self.asm.branch(op::CBNZ | 1 << 31 | r::S1 as u32);
                self.asm.mov(true, r::S1, s);
                Some(differs)
            }
            None => {
                self.modify(inst.op, log2, s);
                None
            }
        };
        self.asm.mem(Access::store(log2), r::S1, Addr::Disp(a, 0));
        if let Some(differs) = differs {
            self.asm.bind(differs);
        }
        self.asm.w(op::DMB_ISH);
        self.asm.at(op::STLR, 2, r::ZR, lock);
    }

    /// Write the byte at `[at]` as it is. Uses x16 and x30.
    fn touch(&mut self, at: u8) {
        if self.feat.lse {
            // ldsetal of nothing
            return self.asm.at2(op::LDADDAL | 3 << 12, 0, r::ZR, r::S0, at);
        }
        let again = self.asm.pos();
        self.asm.at(op::LDAXR, 0, r::S0, at);
        self.asm.at2(op::STLXR, 0, r::LR, r::S0, at);
        self.asm.back(op::CBNZ | r::LR as u32, again);
    }

    /// x17 = x16 changed by `s`. Uses x30.
    fn modify(&mut self, op: Op, log2: u8, s: u8) {
        let plain = match op {
            Op::AtomicAdd => op::ADD,
            Op::AtomicClr => op::BIC,
            Op::AtomicEor => op::EOR,
            Op::AtomicSet => op::ORR,
            Op::AtomicSwp => return self.asm.mov(true, r::S1, s),
            _ => {
                let signed = matches!(op, Op::AtomicSmax | Op::AtomicSmin);
                let bfm = if signed { op::SBFM } else { op::UBFM };
                let top = (8 << log2) - 1;
                self.asm.bfm(bfm, true, r::S1, r::S0, 0, top);
                self.asm.bfm(bfm, true, r::LR, s, 0, top);
                self.asm.rrr(op::SUBS, true, r::ZR, r::S1, r::LR);
                // gt, lt, hi, lo
                let cc = match op {
                    Op::AtomicSmax => 12,
                    Op::AtomicSmin => 11,
                    Op::AtomicUmax => 8,
                    _ => 3,
                };
                return self.asm.csel(op::CSEL, true, r::S1, r::S1, r::LR, cc);
            }
        };
        self.asm.rrr(plain, true, r::S1, r::S0, s);
    }
}
