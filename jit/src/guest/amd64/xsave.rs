//! FXSAVE, XSAVE and their relatives. A component that isn't asked for is stored to nowhere, and one that isn't loaded is loaded from nowhere: its
//! addresses lead to the guest's area.

use super::helpers::Number;
use super::lift::{Lifted, Lifter};
use super::operand::Ea;
use super::regs::{self, mxcsr};
use super::state;
use crate::ir::{Cond, Op, Trap, Type, Value};
use iced_x86::Mnemonic as M;

/// Where the header is.
const HEADER: i64 = 512;
/// Where the high halves are, in both formats.
const AVX: i64 = 576;
/// Words of the x87's part: three before MXCSR, two for each register.
const X87_WORDS: usize = 19;

/// Saving and restoring of states.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Fxsave | M::Fxsave64 => l.fxsave(),
        M::Fxrstor | M::Fxrstor64 => l.fxrstor(),
        M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 => l.xsave(false),
        M::Xsavec | M::Xsavec64 => l.xsave(true),
        M::Xrstor | M::Xrstor64 => l.xrstor(),
        _ => return None,
    })
}

/// Byte offset of word `n` of the x87's part.
fn x87_place(n: usize) -> i64 {
    match n {
        0..=2 => 8 * n as i64,
        n => 32 + 8 * (n as i64 - 3),
    }
}

impl Lifter<'_> {
    /// Whether bit `n` of `mask` is set, as flags for `Cond::Ne`, or a constant.
    fn component(&mut self, mask: Value, n: u64) -> Result<bool, Value> {
        match self.constant(mask) {
            Some(c) => Ok(c >> n & 1 != 0),
            None => {
                let bit = self.b.bin_imm(Op::And, mask, 1 << n);
                Err(self.zero_flags(bit))
            }
        }
    }

    /// The base of a component's accesses: `ea`, or nowhere. Accesses to nowhere have no displacement.
    fn redirect(&mut self, on: Result<bool, Value>, ea: Ea, scratch: Value) -> Option<impl Fn(&mut Self, i64) -> Ea> {
        let base = self.address(ea);
        if on == Ok(false) {
            return None;
        }
        Some(move |l: &mut Self, disp: i64| {
            let plain = |base, disp| Ea { base, index: Value::NONE, scale: 0, disp };
            match on {
                Ok(_) => plain(base, disp),
                Err(f) => {
                    let at = l.b.bin_imm(Op::Add, base, disp as u64);
                    plain(l.b.select(Cond::Ne, f, at, scratch), 0)
                }
            }
        })
    }

    /// The requested components: edx:eax.
    fn requested(&mut self) -> Value {
        let v = self.b.get(regs::RAX);
        self.b.bin_imm(Op::And, v, state::XCR0)
    }

    /// Word `n` of the x87's part: without REX.W its pointers have 32 bits, and selectors that are zero.
    fn pointer(&mut self, n: usize, v: Value) -> Value {
        let wide =
            matches!(self.i.mnemonic(), M::Fxsave64 | M::Fxrstor64 | M::Xsave64 | M::Xsaveopt64 | M::Xsavec64 | M::Xrstor64);
        if wide || !matches!(n, 1 | 2) {
            return v;
        }
        self.b.bin_imm(Op::And, v, u32::MAX as u64)
    }

    fn save_x87(&mut self, to: impl Fn(&mut Self, i64) -> Ea) {
        let what = self.b.iconst(Type::I64, 1);
        self.helper(Number::X87Image, &[what]);
        for n in 0..X87_WORDS {
            let v = self.area(state::TEMP + n);
            let v = self.pointer(n, v);
            let at = to(self, x87_place(n));
            self.store(3, at, v);
        }
    }

    fn save_vectors(&mut self, first: i64, high: bool, to: impl Fn(&mut Self, i64) -> Ea) {
        for n in 0..16 {
            let v = self.xmm(n, high as usize);
            let at = to(self, first + 16 * n as i64);
            self.store(4, at, v);
        }
    }

    fn save_mxcsr(&mut self, to: impl Fn(&mut Self, i64) -> Ea) {
        let v = self.mxcsr();
        let v = self.b.bin_imm(Op::Or, v, 0xffff << 32);
        let at = to(self, 24);
        self.store(3, at, v);
    }

    /// Fault now if any of these bytes can't be written.
    pub fn probe(&mut self, ea: Ea, bytes: i64) {
        for n in [0, bytes - 1] {
            let at = self.address(ea.plus(n));
            self.probe_byte(at);
        }
    }

    /// Fault now if this byte can't be written.
    pub fn probe_byte(&mut self, at: Value) {
        let nothing = self.b.iconst(Type::I32, 0);
        self.atomic(Op::AtomicAdd, 0, at, nothing);
    }

    fn fxsave(&mut self) -> Lifted {
        let ea = self.ea();
        self.demand_alignment(ea, 16);
        self.probe(ea, 416);
        let to = move |_: &mut Self, n: i64| ea.plus(n);
        self.save_mxcsr(to);
        self.save_x87(to);
        self.save_vectors(160, false, to);
        Ok(())
    }

    fn xsave(&mut self, compact: bool) -> Lifted {
        let ea = self.ea();
        self.demand_alignment(ea, 64);
        let mask = self.requested();
        let scratch = self.helper(Number::Scratch, &[]);
        if compact {
            let format = self.b.bin_imm(Op::Or, mask, 1 << 63);
            self.store(3, ea.plus(HEADER), mask);
            self.store(3, ea.plus(HEADER + 8), format);
        } else {
            let old = self.load(Type::I64, 3, ea.plus(HEADER));
            let new = self.b.bin(Op::Or, old, mask);
            self.store(3, ea.plus(HEADER), new);
        }
        // Of the compact format it is a part of SSE's.
        let control = self.b.bin_imm(Op::And, mask, if compact { 2 } else { 6 });
        let control = match self.constant(control) {
            Some(c) => Ok(c != 0),
            None => Err(self.zero_flags(control)),
        };
        if let Some(to) = self.redirect(control, ea, scratch) {
            self.save_mxcsr(to);
        }
        let on = self.component(mask, 0);
        if let Some(to) = self.redirect(on, ea, scratch) {
            self.save_x87(to);
        }
        for (n, first, high) in [(1, 160, false), (2, AVX, true)] {
            let on = self.component(mask, n);
            if let Some(to) = self.redirect(on, ea, scratch) {
                self.save_vectors(first, high, to);
            }
        }
        Ok(())
    }

    // --- restoring -----------------------------------------------------------------------------------------------
    /// The x87's words to `TEMP`, and from there to the registers.
    fn restore_x87(&mut self, words: &[Value]) {
        for (n, &v) in words.iter().enumerate() {
            self.set_area(state::TEMP + n, v);
        }
        let what = self.b.iconst(Type::I64, 2);
        self.helper(Number::X87Image, &[what]);
    }

    /// MXCSR := v, which ends the block.
    fn restore_mxcsr(&mut self, v: Value) {
        let status = self.b.bin_imm(Op::And, v, mxcsr::STATUS as u64);
        self.b.op(Op::SetFpsr, Type::None, &[status], 0, 0);
        let control = self.b.bin_imm(Op::And, v, mxcsr::CONTROL as u64);
        self.b.trap(Trap::SetFpcr, control, 0);
        self.done = true;
    }

    fn fxrstor(&mut self) -> Lifted {
        let ea = self.ea();
        self.demand_alignment(ea, 16);
        let control = self.load(Type::I64, 2, ea.plus(24));
        let reserved = self.b.bin_imm(Op::Shr, control, 16);
        self.trap_if(Trap::Protection, 0, reserved);
        let words: Vec<_> = (0..X87_WORDS)
            .map(|n| {
                let v = self.load(Type::I64, 3, ea.plus(x87_place(n)));
                self.pointer(n, v)
            })
            .collect();
        let vectors: Vec<_> = (0..16).map(|n| self.load(Type::V128, 4, ea.plus(160 + 16 * n))).collect();
        self.restore_x87(&words);
        for (n, v) in vectors.into_iter().enumerate() {
            self.b.set(regs::xmm(n as u8), v);
        }
        self.restore_mxcsr(control);
        Ok(())
    }

    /// #GP unless the header's first two words are those of a format that there is, and its other words are zero: all or, in the standard
    /// format, the first of them.
    fn check_header(&mut self, ea: Ea, present: Value, format: Value) {
        let compact = self.b.bin_imm(Op::And, format, 1 << 63);
        let compact = self.zero_flags(compact);
        let mut rest = self.load(Type::I64, 3, ea.plus(HEADER + 16));
        for n in 3..8 {
            let v = self.load(Type::I64, 3, ea.plus(HEADER + 8 * n));
            let zero = self.b.iconst(Type::I64, 0);
            let v = self.b.select(Cond::Ne, compact, v, zero);
            rest = self.b.bin(Op::Or, rest, v);
        }
        let unknown = self.b.bin_imm(Op::And, present, !state::XCR0);
        let beyond = self.b.bin(Op::Andn, present, format);
        let more = self.b.bin_imm(Op::And, format, !(state::XCR0 | 1 << 63));
        let strange = self.b.bin(Op::Or, beyond, more);
        let strange = self.b.select(Cond::Ne, compact, strange, format);
        let strange = self.b.bin(Op::Or, strange, unknown);
        let strange = self.b.bin(Op::Or, strange, rest);
        self.trap_if(Trap::Protection, 0, strange);
    }

    fn xrstor(&mut self) -> Lifted {
        let ea = self.ea();
        self.demand_alignment(ea, 64);
        let mask = self.requested();
        let scratch = self.helper(Number::Scratch, &[]);
        let present = self.load(Type::I64, 3, ea.plus(HEADER));
        let format = self.load(Type::I64, 3, ea.plus(HEADER + 8));
        self.check_header(ea, present, format);
        let both = self.b.bin(Op::And, mask, present);
        let loaded = [0, 1, 2].map(|n| {
            let bit = self.b.bin_imm(Op::And, both, 1 << n);
            self.zero_flags(bit)
        });
        let wanted = [0, 1, 2].map(|n| {
            let bit = self.b.bin_imm(Op::And, mask, 1 << n);
            self.zero_flags(bit)
        });
        let base = self.address(ea);
        let from = |l: &mut Self, f: Value, disp: i64| {
            let at = l.b.bin_imm(Op::Add, base, disp as u64);
            Ea { base: l.b.select(Cond::Ne, f, at, scratch), index: Value::NONE, scale: 0, disp: 0 }
        };
        // MXCSR comes with either of its components, loaded or not; in the compact format it is a part of SSE's.
        let either = self.b.bin_imm(Op::And, mask, 6);
        let sse = self.b.bin_imm(Op::And, mask, 2);
        let sse_there = self.b.bin_imm(Op::And, both, 2);
        let plain = self.b.bin_imm(Op::And, format, 1 << 63);
        let plain = self.zero_flags(plain);
        let there = self.b.select(Cond::Eq, plain, either, sse_there);
        let there = self.zero_flags(there);
        let wanted_control = self.b.select(Cond::Eq, plain, either, sse);
        let wanted_control = self.zero_flags(wanted_control);
        let at = from(self, there, 24);
        let control = self.load(Type::I64, 2, at);
        let initial = self.b.iconst(Type::I64, mxcsr::INIT as u64);
        let control = self.b.select(Cond::Ne, there, control, initial);
        let old = self.mxcsr();
        let control = self.b.select(Cond::Ne, wanted_control, control, old);
        let reserved = self.b.bin_imm(Op::Shr, control, 16);
        self.trap_if(Trap::Protection, 0, reserved);
        // The x87's: as in memory, initial, or as they are.
        let what = self.b.iconst(Type::I64, 1);
        self.helper(Number::X87Image, &[what]);
        let words: Vec<_> = (0..X87_WORDS)
            .map(|n| {
                let at = from(self, loaded[0], x87_place(n));
                let v = self.load(Type::I64, 3, at);
                let v = self.pointer(n, v);
                let initial = self.b.iconst(Type::I64, if n == 0 { state::FCW_INIT } else { 0 });
                let v = self.b.select(Cond::Ne, loaded[0], v, initial);
                let old = self.area(state::TEMP + n);
                self.b.select(Cond::Ne, wanted[0], v, old)
            })
            .collect();
        let zero = self.vzero();
        let mut vectors = Vec::with_capacity(32);
        for (part, first) in [(1, 160), (2, AVX)] {
            for n in 0..16u8 {
                let at = from(self, loaded[part], first + 16 * n as i64);
                let v = self.load(Type::V128, 4, at);
                let v = self.b.op(Op::VSelect, Type::V128, &[loaded[part], v, zero], Cond::Ne as u8, 0);
                let old = self.xmm(n, part - 1);
                vectors.push(self.b.op(Op::VSelect, Type::V128, &[wanted[part], v, old], Cond::Ne as u8, 0));
            }
        }
        self.restore_x87(&words);
        for (n, v) in vectors.into_iter().enumerate() {
            self.b.set(crate::ir::GuestReg::vec(n as u8), v);
        }
        self.restore_mxcsr(control);
        Ok(())
    }
}
