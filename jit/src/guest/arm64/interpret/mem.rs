//! Loads and stores of one register or a pair. As in what is lifted, all accesses come first, then the transferred registers are written, then the base.

use super::super::lift::Insn;
use super::int::extended;
use super::{tried, Machine, Step, Tried};
use crate::guarded::{self, Fault};

/// How a register is transferred.
#[derive(Clone, Copy)]
struct Transfer {
    store: bool,
    vector: bool,
    log2: u8,
    /// Loads are extended by the sign, to 64 bits or only to 32.
    signed: bool,
    half: bool,
}

impl Transfer {
    /// From size (31..30), V (26) and opc (23..22) of the single-register forms; `None` for what is reserved.
    #[inline]
    fn single(i: Insn) -> Option<Transfer> {
        let (size, opc) = (i.bits(31, 30) as u8, i.bits(23, 22) as u8);
        if i.bit(26) {
            let log2 = size | (opc & 2) << 1;
            return (log2 <= 4).then_some(Transfer { store: opc & 1 == 0, vector: true, log2, signed: false, half: false });
        }
        let t = Transfer { store: opc == 0, vector: false, log2: size, signed: opc >= 2, half: opc == 3 };
        (opc < 2 || opc == 2 && size < 3 || size < 2).then_some(t)
    }

    /// From opc (31..30), V (26) and L (22) of the pair forms.
    #[inline]
    fn pair(i: Insn) -> Option<Transfer> {
        let (opc, store) = (i.bits(31, 30) as u8, !i.bit(22));
        let t = Transfer { store, vector: i.bit(26), log2: 3, signed: false, half: false };
        match (t.vector, opc) {
            (true, 0..=2) => Some(Transfer { log2: 2 + opc, ..t }),
            (false, 0) => Some(Transfer { log2: 2, ..t }),
            (false, 1) if !store => Some(Transfer { log2: 2, signed: true, ..t }),
            (false, 2) => Some(t),
            _ => None,
        }
    }

    #[inline]
    fn load(self, at: u64) -> Result<u128, Fault> {
        if self.log2 == 4 {
            return guarded::load16(at);
        }
        let v = guarded::load(at, self.log2)?;
        Ok(match (self.signed, self.half) {
            (false, _) => v as u128,
            (true, false) => extended(v, 4 | self.log2 as u32) as u128,
            (true, true) => extended(v, 4 | self.log2 as u32) as u32 as u128,
        })
    }

    #[inline]
    fn store(self, m: &Machine<'_>, at: u64, n: u8) -> Result<(), Fault> {
        // SAFETY: the guest's own store.
        unsafe {
            match (self.vector, self.log2) {
                (true, 4) => guarded::store16(at, m.v(n)),
                (true, log2) => guarded::store(at, log2, m.v(n) as u64),
                (false, log2) => guarded::store(at, log2, m.x(n)),
            }
        }
    }

    #[inline]
    fn write(self, m: &mut Machine<'_>, n: u8, v: u128) {
        if self.vector {
            m.set_v(n, v);
        } else {
            m.set_x(n, v as u64);
        }
    }

    #[inline]
    fn one(self, m: &mut Machine<'_>, i: Insn, at: u64, base: Option<u64>) -> Tried {
        if self.store {
            self.store(m, at, i.rt())?;
        } else {
            let v = self.load(at)?;
            self.write(m, i.rt(), v);
        }
        write_base(m, i, base);
        Ok(Step::Next)
    }
}

#[inline]
fn write_base(m: &mut Machine<'_>, i: Insn, base: Option<u64>) {
    if let Some(base) = base {
        m.cpu.gpr[i.rn() as usize] = base;
    }
}

/// Unsigned scaled offset.
pub fn uimm(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::single(i) else { return Step::Leave };
    let at = m.x_sp(i.rn()).wrapping_add((i.bits(21, 10) as u64) << t.log2);
    tried(|| t.one(m, i, at, None))
}

/// The base with and without the 9-bit offset.
#[inline]
fn nine(m: &Machine<'_>, i: Insn) -> (u64, u64) {
    let base = m.x_sp(i.rn());
    (base.wrapping_add(i.sbits(20, 12) as u64), base)
}

/// Unscaled offset (LDUR, STUR, LDTR, STTR).
pub fn unscaled(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::single(i) else { return Step::Leave };
    let (at, _) = nine(m, i);
    tried(|| t.one(m, i, at, None))
}

/// Post-index.
pub fn post(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::single(i) else { return Step::Leave };
    let (next, at) = nine(m, i);
    tried(|| t.one(m, i, at, Some(next)))
}

/// Pre-index.
pub fn pre(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::single(i) else { return Step::Leave };
    let (at, _) = nine(m, i);
    tried(|| t.one(m, i, at, Some(at)))
}

/// Register offset, extended and scaled.
pub fn register(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::single(i) else { return Step::Leave };
    let index = extended(m.x(i.rm()), i.bits(15, 13)) << if i.bit(12) { t.log2 } else { 0 };
    let at = m.x_sp(i.rn()).wrapping_add(index);
    tried(|| t.one(m, i, at, None))
}

/// LDR, LDRSW (literal).
pub fn literal(m: &mut Machine<'_>, i: Insn) -> Step {
    let (vector, opc) = (i.bit(26), i.bits(31, 30) as u8);
    if opc == 3 {
        return Step::Leave;
    }
    let signed = !vector && opc == 2;
    let t = Transfer { store: false, vector, log2: if signed { 2 } else { 2 + opc }, signed, half: false };
    let at = m.cpu.pc.wrapping_add((i.sbits(23, 5) << 2) as u64);
    tried(|| t.one(m, i, at, None))
}

/// PRFM, PRFUM: a hint.
pub fn prefetch(_m: &mut Machine<'_>, _i: Insn) -> Step {
    Step::Next
}

/// Both registers at `at` and behind. General registers in one access: with FEAT_LSE2 it is atomic. Nobody else looks at the stack.
#[inline]
fn pair(m: &mut Machine<'_>, i: Insn, t: Transfer, at: u64, base: Option<u64>) -> Tried {
    let second = at.wrapping_add(1 << t.log2);
    let whole = !t.vector && i.rn() != 31;
    if t.store {
        if whole && t.log2 == 3 {
            let both = m.x(i.rt()) as u128 | (m.x(i.rt2()) as u128) << 64;
            // SAFETY: the guest's own store.
            unsafe { guarded::store16(at, both) }?;
        } else if whole {
            let both = m.r(false, i.rt()) | m.x(i.rt2()) << 32;
            // SAFETY: the guest's own store.
            unsafe { guarded::store(at, 3, both) }?;
        } else {
            t.store(m, at, i.rt())?;
            t.store(m, second, i.rt2())?;
        }
    } else {
        let (a, b) = if whole && t.log2 == 3 {
            let both = guarded::load16(at)?;
            (both as u64 as u128, both >> 64)
        } else if whole {
            let both = guarded::load(at, 3)?;
            let half = |v: u64| extended(v, if t.signed { 6 } else { 2 }) as u128;
            (half(both), half(both >> 32))
        } else {
            (t.load(at)?, t.load(second)?)
        };
        t.write(m, i.rt(), a);
        t.write(m, i.rt2(), b);
    }
    write_base(m, i, base);
    Ok(Step::Next)
}

/// The base with and without the offset of a pair.
#[inline]
fn seven(m: &Machine<'_>, i: Insn, t: Transfer) -> (u64, u64) {
    let base = m.x_sp(i.rn());
    (base.wrapping_add((i.sbits(21, 15) << t.log2) as u64), base)
}

/// LDP, STP, LDPSW, LDNP, STNP with an offset.
pub fn pair_offset(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::pair(i) else { return Step::Leave };
    let (at, _) = seven(m, i, t);
    tried(|| pair(m, i, t, at, None))
}

/// Pairs, post-index.
pub fn pair_post(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::pair(i) else { return Step::Leave };
    let (next, at) = seven(m, i, t);
    tried(|| pair(m, i, t, at, Some(next)))
}

/// Pairs, pre-index.
pub fn pair_pre(m: &mut Machine<'_>, i: Insn) -> Step {
    let Some(t) = Transfer::pair(i) else { return Step::Leave };
    let (at, _) = seven(m, i, t);
    tried(|| pair(m, i, t, at, Some(at)))
}
