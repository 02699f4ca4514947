//! Results that are made before their instruction is reached, along with another's. Instruction `n` has nothing left to do when its value is somewhere by
//! then ([`Alloc::made`]).

use super::{analysis, Alloc, Home, Moves, NOBODY, NONE, SCRATCH};
use crate::ir::{fact, fx, Block, GuestReg, Op};

/// A value whose instruction is no farther than this waits in a temporary if there is one.
const NEAR: usize = 12;

/// Where a result can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ahead {
    /// In the pin of a guest register.
    Pin(GuestReg),
    /// In the slot of a guest register.
    Slot(GuestReg),
    /// In a temporary.
    Temp,
}

impl Alloc {
    /// A temporary for the result of a later instruction `n`.
    pub fn def_ahead<M: Moves>(&mut self, m: &mut M, b: &Block, n: usize) -> u8 {
        let r = self.alloc(m, b, Alloc::class(b.insts[n].ty), n as u16);
        self.vals[n].reg = r;
        r
    }

    /// Whether the result of instruction `n` exists.
    pub fn made(&self, n: usize) -> bool {
        let v = &self.vals[n];
        v.reg != NONE || v.home != Home::None
    }

    /// A place for the result of instruction `n`, were instruction `i` to make it along with its own from the same operands: where it goes to in the end,
    /// if that is free from now on, or a temporary that is free for a while. (To store what is stored again later costs more than it saves.)
    /// To be asked before the operands.
    pub fn place_ahead(&self, b: &Block, i: usize, n: usize) -> Option<Ahead> {
        let class = Alloc::class(b.insts[n].ty);
        let place = self.undisturbed(b, i, n).and_then(|g| match self.pin(g) {
            NONE => self.can_vacate(b, i, n, g).then_some(Ahead::Slot(g)),
            p => self.may_take(b, i, n, class, p).then_some(Ahead::Pin(g)),
        });
        place.or_else(|| (n - i <= NEAR && self.free[class].count_ones() > 1).then_some(Ahead::Temp))
    }

    /// The register of the place that [`Alloc::place_ahead`] has found. Without one, [`Alloc::store_ahead`] follows when there is a result. Pins are to be
    /// taken after the operands and before `i`'s result, temporaries after that.
    pub fn take_ahead<M: Moves>(&mut self, m: &mut M, b: &Block, n: usize, place: Ahead) -> Option<u8> {
        let class = Alloc::class(b.insts[n].ty);
        match place {
            Ahead::Pin(g) => {
                let p = self.pin(g);
                if let Some(v) = self.vals.get_mut(self.owner[class][p as usize] as usize).filter(|v| v.reg == p) {
                    v.reg = NONE;
                }
                self.cur[g.0 as usize] = NOBODY;
                Some(self.give(class, p, n as u16))
            }
            Ahead::Temp if self.free[class] & !self.locked[class] != 0 => Some(self.def_ahead(m, b, n)),
            _ => None,
        }
    }

    /// At instruction `i`, store the result of instruction `n`, which is in `r`.
    pub fn store_ahead<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize, n: usize, place: Ahead, r: u8) {
        let class = Alloc::class(b.insts[n].ty);
        match place {
            Ahead::Slot(g) if self.can_vacate(b, i, n, g) => {
                let until = if self.outlives(b, i, n, self.cur[g.0 as usize]) { i } else { n };
                self.release_old(m, b, until, g, n);
                m.store(class, Home::Slot(g), r);
                self.slot_now(g, n);
            }
            _ => {
                let h = self.spill();
                m.store(class, h, r);
                self.vals[n].home = h;
            }
        }
    }

    /// The guest register that is set to the result of instruction `n` before anything can fault or leave, if it neither is read or set from instruction `i`
    /// on: its pin or slot may hold the result early.
    fn undisturbed(&self, b: &Block, i: usize, n: usize) -> Option<GuestReg> {
        let g = self.vals[n].want;
        if g == NONE || g & analysis::CHAINED != 0 {
            return None;
        }
        let quiet = |k: usize| {
            let inst = &b.insts[k];
            match inst.op {
                _ if inst.facts & fact::NOTHING != 0 || self.vals[k].is(super::DEAD) => true,
                Op::Get | Op::Set => inst.imm as u8 != g,
                op => op.fx() & (fx::FAULT | fx::EXIT | fx::FP) == 0,
            }
        };
        (i + 1..n).all(quiet).then_some(GuestReg(g))
    }

    /// Whether root `o` is needed after instruction `i` by another than `n`, which will have nothing to do any more.
    fn outlives(&self, b: &Block, i: usize, n: usize, o: u16) -> bool {
        let used = |k: usize| b.insts[k].args.iter().any(|&a| a.is_some() && self.vals[a.index()].root == o);
        match self.vals.get(o as usize) {
            Some(v) => v.last as usize > i && (v.last as usize != n || (i + 1..n).any(used)),
            None => o == SCRATCH,
        }
    }

    /// Whether pin `p` holds nothing that is needed any more.
    fn may_take(&self, b: &Block, i: usize, n: usize, class: usize, p: u8) -> bool {
        let o = self.owner[class][p as usize];
        self.vals.get(o as usize).is_some_and(|v| v.reg != p) || !self.outlives(b, i, n, o)
    }

    /// Whether what lives in the slot of `g` can move away now.
    fn can_vacate(&self, b: &Block, i: usize, n: usize, g: GuestReg) -> bool {
        let class = (g.0 >= 64) as usize;
        let o = self.cur[g.0 as usize];
        let there = self.vals.get(o as usize).is_some_and(|v| v.home == Home::Slot(g) && v.reg == NONE);
        !there || self.free[class] & !self.locked[class] != 0 || !self.outlives(b, i, n, o)
    }
}
