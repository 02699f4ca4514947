//! Register allocation, for any host: one backward pass finds last uses and destinies ([`analysis`]), then the back end asks for
//! registers instruction by instruction while it emits, so that allocation and emission are a single forward pass.
//!
//! **Names.** Values that are the same bits in the same place share a *root* (see [`crate::ir`]). Everything here is kept per root.
//!
//! **Where a root can be**: in a register (`reg`), in memory (`home`), both, or neither (a constant, made when asked for).
//! A register is either a *temporary* (owned by one root) or a *pin*, the host register of a guest register. A root in a pin is an alias:
//! it moves out just before that guest register is set again, if it still has uses.
//!
//! **Invariants.** `owner[class][r]` is the only root whose `reg` is `r`. Locked registers (operands, results and scratch of
//! the current instruction) are never evicted. A pin holds the guest register's architectural value at each point that can fault or
//! leave: a result may be computed into its pin early only when no such point lies before its `set` (decided in the analysis).

mod ahead;
mod analysis;

pub use ahead::Ahead;
pub use analysis::{Val, CLEAN, DEAD, FLAGS_LIVE, WHOLE};

use crate::ir::{Block, GuestReg, Op, Type, Value, PLACE};
use crate::table::Table;

/// Register class: general.
pub const INT: usize = 0;
/// Register class: vector.
pub const VEC: usize = 1;
/// No register.
pub const NONE: u8 = 0xff;
/// Registers of a class at most.
const REGS: usize = 32;
/// Owner of a free register.
const NOBODY: u16 = u16::MAX;
/// Owner of a scratch register of the current instruction.
const SCRATCH: u16 = u16::MAX - 1;

/// Memory that holds a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Home {
    /// Nowhere.
    None,
    /// The slot of a guest register.
    Slot(GuestReg),
    /// A spill slot.
    Spill(u8),
    /// The block's constant pool.
    Pool(u16),
}

/// What a host tells the allocator.
#[derive(Clone, Debug)]
pub struct Target {
    /// Temporaries of each class, as bit masks of host registers.
    pub temps: [u32; 2],
    /// Host register of each guest register, or [`NONE`].
    pub pins: [u8; 129],
    /// Instructions have operands apart from their result: a result goes to its pin at once, and what is still needed of that moves out of its way.
    pub vacate: bool,
}

/// The code that the allocator needs. None of it may change host flags.
pub trait Moves {
    /// Register to register.
    fn copy(&mut self, class: usize, d: u8, s: u8);
    /// Memory to register, whole.
    fn load(&mut self, class: usize, d: u8, s: Home);
    /// Register to memory, whole.
    fn store(&mut self, class: usize, d: Home, s: u8);
    /// Constant to general register. `place`: it is a [`PLACE`].
    fn constant(&mut self, d: u8, c: u64, place: bool);
}

/// The allocator's state for one block. Reused between blocks.
#[derive(Debug)]
pub struct Alloc {
    /// Per value; see [`Val`].
    pub vals: Table<Val>,
    /// The instructions that need code, last first.
    pub live: Vec<u16>,
    target: Target,
    owner: [[u16; REGS]; 2],
    free: [u32; 2],
    locked: [u32; 2],
    /// Registers that are or were scratch in the current instruction.
    scratch: [u32; 2],
    /// Per guest register: the root that it is known to hold.
    cur: [u16; 128],
    spills: u64,
    /// The spill slots ran out: the code is wrong and the block must be cut.
    pub overflow: bool,
    /// For tests: not 0 is the state of a generator of random choices, of registers and of what to evict before it is needed.
    pub disorder: u64,
}

impl Alloc {
    /// For a host's registers.
    pub fn new(target: Target) -> Alloc {
        Alloc {
            vals: Table::new(),
            live: Vec::new(),
            free: target.temps,
            target,
            owner: [[NOBODY; REGS]; 2],
            locked: [0; 2],
            scratch: [0; 2],
            cur: [NOBODY; 128],
            spills: u64::MAX,
            overflow: false,
            disorder: 0,
        }
    }

    /// Analyse `block` and make ready for its first instruction.
    pub fn begin(&mut self, block: &Block) {
        analysis::run(block, &mut self.vals, &mut self.live);
        self.owner = [[NOBODY; REGS]; 2];
        self.free = self.target.temps;
        self.locked = [0; 2];
        self.scratch = [0; 2];
        self.cur = [NOBODY; 128];
        self.spills = u64::MAX;
        self.overflow = false;
    }

    /// The root of a value.
    #[inline]
    pub fn root(&self, v: Value) -> usize {
        self.vals[v.index()].root as usize
    }
    /// The analysis of a value's root.
    #[inline]
    pub fn val(&self, v: Value) -> &Val {
        &self.vals[self.root(v)]
    }
    /// Whether `v` has no use after instruction `i`.
    #[inline]
    pub fn dies(&self, v: Value, i: usize) -> bool {
        self.val(v).last as usize <= i
    }
    /// The constant that `v` is, cut to its type, unless it moves with the code.
    #[inline]
    pub fn constant(&self, b: &Block, v: Value) -> Option<u64> {
        let root = self.root(v);
        if !self.vals[root].is(analysis::CONST) || b.insts[root].aux == PLACE {
            return None;
        }
        let mask = if b.ty(v) == Type::I32 { u32::MAX as u64 } else { u64::MAX };
        Some(b.insts[root].imm & mask)
    }
    /// The [`PLACE`] that the 64-bit value `v` is.
    #[inline]
    pub fn place(&self, b: &Block, v: Value) -> Option<u64> {
        let root = self.root(v);
        let place = self.vals[root].is(analysis::CONST) && b.insts[root].aux == PLACE;
        place.then(|| b.insts[root].imm)
    }
    /// The register that `v` is in now, if any (not locked by this).
    pub fn peek(&self, v: Value) -> Option<u8> {
        match self.val(v).reg {
            NONE => None,
            r => Some(r),
        }
    }
    /// Where in memory `v` is.
    pub fn home(&self, v: Value) -> Home {
        self.val(v).home
    }
    /// The pin of a guest register.
    pub fn pin(&self, g: GuestReg) -> u8 {
        self.target.pins[g.0 as usize]
    }

    #[inline]
    fn class(ty: Type) -> usize {
        (ty == Type::V128) as usize
    }

    // --- operands ----------------------------------------------------------------------------------
    /// `v` in a register, locked until the end of the instruction. It must not be written.
    pub fn reg<M: Moves>(&mut self, m: &mut M, b: &Block, v: Value) -> u8 {
        let root = self.root(v);
        let class = Alloc::class(b.ty(v));
        let r = self.vals[root].reg;
        if r == NONE {
            return self.fetch(m, b, class, root);
        }
        self.locked[class] |= 1 << r;
        r
    }

    /// Bring a root that is in no register into one.
    fn fetch<M: Moves>(&mut self, m: &mut M, b: &Block, class: usize, root: usize) -> u8 {
        let home = self.vals[root].home;
        let t = self.alloc(m, b, class, root as u16);
        match home {
            Home::None => m.constant(t, b.insts[root].imm, b.insts[root].aux == PLACE),
            h => m.load(class, t, h),
        }
        self.vals[root].reg = t;
        t
    }

    /// The register of the integer `v` if it is in one and no constant, locked until the end of the instruction.
    #[inline]
    pub fn held(&mut self, v: Value) -> Option<u8> {
        let val = self.val(v);
        let r = val.reg;
        if r == NONE || val.is(analysis::CONST) {
            return None;
        }
        self.locked[INT] |= 1 << r;
        Some(r)
    }

    /// The memory operand that stands for `v` when it is only in memory and this is its last use.
    #[inline]
    pub fn mem(&self, v: Value, i: usize) -> Option<Home> {
        let val = self.val(v);
        (val.reg == NONE && val.home != Home::None && (self.dies(v, i) || matches!(val.home, Home::Pool(_)))).then_some(val.home)
    }

    /// The same for any use when no temporary is free: a load would make another value leave.
    pub fn crowded(&self, b: &Block, v: Value) -> Option<Home> {
        let val = self.val(v);
        let class = Alloc::class(b.ty(v));
        (val.reg == NONE && val.home != Home::None && self.free[class] == 0).then_some(val.home)
    }

    /// A scratch register until the end of the instruction.
    pub fn temp<M: Moves>(&mut self, m: &mut M, b: &Block, class: usize) -> u8 {
        let r = self.alloc(m, b, class, SCRATCH);
        self.scratch[class] |= 1 << r;
        r
    }

    /// A claimed register is not needed any more: it may become the result.
    pub fn unclaim(&mut self, class: usize, r: u8) {
        self.owner[class][r as usize] = NOBODY;
        self.free[class] |= 1 << r;
        self.locked[class] &= !(1 << r);
    }

    /// The guest register pinned to general register `r`.
    pub fn guest_of(&self, r: u8) -> Option<GuestReg> {
        (0..64).find(|&g| self.target.pins[g] == r).map(|g| GuestReg(g as u8))
    }

    /// The operands have been read: their registers may be given up for the result.
    pub fn operands_done(&mut self) {
        for class in [INT, VEC] {
            let mut left = self.locked[class];
            while left != 0 {
                let r = left.trailing_zeros() as usize;
                left &= left - 1;
                if self.owner[class][r] != SCRATCH {
                    self.locked[class] &= !(1 << r);
                }
            }
        }
    }

    /// Make the temporary `r` free and lock it as scratch: whatever is in it moves elsewhere.
    /// Ask for it before the instruction's operands.
    pub fn claim<M: Moves>(&mut self, m: &mut M, b: &Block, class: usize, r: u8) {
        if self.free[class] >> r & 1 == 0 {
            let o = self.owner[class][r as usize];
            self.locked[class] |= 1 << r;
            if self.free[class] & !self.locked[class] != 0 {
                let t = self.alloc(m, b, class, o);
                m.copy(class, t, r);
                self.vals[o as usize].reg = t;
                self.locked[class] &= !(1 << t);
            } else {
                self.evict(m, class, r);
            }
        }
        self.free[class] &= !(1 << r);
        self.owner[class][r as usize] = SCRATCH;
        self.locked[class] |= 1 << r;
        self.scratch[class] |= 1 << r;
    }

    // --- results -----------------------------------------------------------------------------------
    /// A register for the result of instruction `i`: its destiny, or the register of an operand that ends here, or a free one.
    /// Operands must have been asked for. It may be an operand's register.
    pub fn def<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize) -> u8 {
        self.define(m, b, i, true)
    }

    /// The same, but never the register of an operand or scratch that was asked for.
    pub fn def_early<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize) -> u8 {
        self.define(m, b, i, false)
    }

    fn define<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize, share: bool) -> u8 {
        let class = Alloc::class(b.insts[i].ty);
        let root = i as u16;
        let want = self.vals[i].want;
        let p = if want == NONE { NONE } else { self.target.pins[(want & !analysis::CHAINED) as usize] };
        if p != NONE {
            let o = self.owner[class][p as usize];
            let may = share || self.locked[class] >> p & 1 == 0;
            let directly = want & analysis::CHAINED == 0;
            if may && directly && self.vals.get(o as usize).is_some_and(|v| v.last as usize > i) {
                self.move_out(m, b, class, p);
            }
            let former = self.vals.get_mut(o as usize);
            let busy = former.as_ref().is_some_and(|v| v.reg == p && v.last as usize > i);
            if !busy && may {
                if let Some(v) = former.filter(|v| v.reg == p && !share) {
                    v.reg = NONE;
                }
                self.cur[(want & !analysis::CHAINED) as usize] = NOBODY;
                return self.give(class, p, root);
            }
            if self.target.vacate && directly && busy && share && self.vals[o as usize].reg == p {
                if self.vals[o as usize].is(analysis::CONST) {
                    self.vals[o as usize].reg = NONE;
                } else {
                    let t = self.alloc(m, b, class, o);
                    m.copy(class, t, p);
                    self.vals[o as usize].reg = t;
                }
                return self.give(class, p, root);
            }
        }
        if share {
            // Flags are in no register, and a kind of register that isn't asked for has no temporary of this owner.
            let mut ending = (self.vals[i].bits / analysis::KILLS) & 7;
            while ending != 0 {
                let k = ending.trailing_zeros() as usize;
                ending &= ending - 1;
                let a = b.insts[i].args[k];
                let (o, r) = (self.root(a), self.val(a).reg);
                let own = r != NONE
                    && Alloc::class(b.ty(a)) == class
                    && self.target.temps[class] >> r & 1 != 0
                    && self.owner[class][r as usize] == o as u16;
                if own && (k == 0 || self.free[class] & !self.locked[class] == 0) {
                    return self.give(class, r, root);
                }
            }
        }
        let r = self.alloc(m, b, class, root);
        self.vals[i].reg = r;
        r
    }

    /// What is in pin `p` and has uses left goes to a free temporary, if there is one, or stays in its memory only: a new value may be computed into the
    /// pin. Operands that were asked for can still be read there.
    fn move_out<M: Moves>(&mut self, m: &mut M, b: &Block, class: usize, p: u8) {
        let o = self.owner[class][p as usize];
        let v = &self.vals[o as usize];
        if v.reg != p {
            return;
        }
        let kept = v.home != Home::None || v.is(analysis::CONST);
        if let Some(r) = self.twin(class, o, p) {
            self.vals[o as usize].reg = r;
            self.owner[class][r as usize] = o;
        } else if kept {
            self.vals[o as usize].reg = NONE;
        } else if self.free[class] & !self.locked[class] != 0 {
            let t = self.alloc(m, b, class, o);
            m.copy(class, t, p);
            self.vals[o as usize].reg = t;
        } else {
            return;
        }
        self.owner[class][p as usize] = NOBODY;
    }

    /// Another pin than `p` that holds root `o`, because its guest register was set to it, too.
    fn twin(&self, class: usize, o: u16, p: u8) -> Option<u8> {
        let guests = if class == INT { 0..64 } else { 64..128 };
        guests
            .filter(|&g| self.cur[g] == o)
            .map(|g| self.target.pins[g])
            .find(|&r| r != NONE && r != p && self.owner[class][r as usize] == NOBODY)
    }

    /// `r` belongs to `root` now; a former owner keeps naming it until it is released at the end of the instruction.
    fn give(&mut self, class: usize, r: u8, root: u16) -> u8 {
        self.owner[class][r as usize] = root;
        self.free[class] &= !(1 << r);
        self.locked[class] |= 1 << r;
        self.vals[root as usize].reg = r;
        r
    }

    /// Say that value `i` lives in memory (a constant in the pool).
    pub fn set_home(&mut self, i: usize, h: Home) {
        self.vals[i].home = h;
    }

    fn alloc<M: Moves>(&mut self, m: &mut M, b: &Block, class: usize, owner: u16) -> u8 {
        if self.disorder != 0 {
            self.disturb(m, class);
        }
        let free = self.free[class] & !self.locked[class];
        let r = if free != 0 {
            let skip = if self.disorder == 0 { 0 } else { self.disorder % free.count_ones() as u64 };
            (0..skip).fold(free, |f, _| f & (f - 1)).trailing_zeros() as u8
        } else {
            let v = self.victim(b, class);
            self.evict(m, class, v);
            v
        };
        self.free[class] &= !(1 << r);
        self.locked[class] |= 1 << r;
        self.owner[class][r as usize] = owner;
        r
    }

    /// Now and then evict a temporary that could stay.
    fn disturb<M: Moves>(&mut self, m: &mut M, class: usize) {
        self.disorder ^= self.disorder << 13;
        self.disorder ^= self.disorder >> 7;
        self.disorder ^= self.disorder << 17;
        let r = (self.disorder >> 40) as u8 & 31;
        let used = self.target.temps[class] & !self.locked[class] & !self.free[class];
        // Only while slots are left: in this way no block is cut that wouldn't be.
        if used >> r & 1 != 0 && self.spills.count_ones() > 32 {
            self.evict(m, class, r);
        }
    }

    /// The temporary to give up: the one that costs no store, then the one whose end is farthest.
    fn victim(&self, b: &Block, class: usize) -> u8 {
        let mut best = (0, 0);
        let mut left = self.target.temps[class] & !self.locked[class];
        debug_assert!(left != 0, "temporaries exhausted");
        let mut r = self.target.temps[class].trailing_zeros() as u8;
        while left != 0 {
            let t = left.trailing_zeros() as u8;
            left &= left - 1;
            let o = self.owner[class][t as usize] as usize;
            if o >= self.vals.len() {
                continue;
            }
            let v = &self.vals[o];
            let score = ((v.home != Home::None || b.insts[o].op == Op::Const) as u32 + 1, v.last as u32);
            if score > best {
                best = score;
                r = t;
            }
        }
        r
    }

    fn evict<M: Moves>(&mut self, m: &mut M, class: usize, r: u8) {
        let o = self.owner[class][r as usize] as usize;
        if o >= self.vals.len() {
            return;
        }
        if self.vals[o].home == Home::None && !self.vals[o].is(analysis::CONST) {
            let h = self.spill();
            m.store(class, h, r);
            self.vals[o].home = h;
        }
        self.vals[o].reg = NONE;
        self.owner[class][r as usize] = NOBODY;
        self.free[class] |= 1 << r;
    }

    /// A free spill slot.
    pub fn spill(&mut self) -> Home {
        let n = self.spills.trailing_zeros();
        if n == 64 {
            self.overflow = true;
            return Home::Spill(63);
        }
        self.spills &= !(1 << n);
        Home::Spill(n as u8)
    }

    /// Give a spill slot back.
    pub fn unspill(&mut self, h: Home) {
        if let Home::Spill(n) = h {
            self.spills |= 1 << n;
        }
    }

    // --- guest registers ---------------------------------------------------------------------------
    /// `get` of an integer or vector register whose content is not a known value yet.
    pub fn get(&mut self, i: usize, g: GuestReg, class: usize) {
        let p = self.target.pins[g.0 as usize];
        if p != NONE {
            self.vals[i].reg = p;
            self.owner[class][p as usize] = i as u16;
        } else {
            self.vals[i].home = Home::Slot(g);
        }
        self.cur[g.0 as usize] = i as u16;
    }

    /// `set` of an integer or vector register at instruction `i`. For a constant the host is asked to store it through `constant`
    /// into `Home::Slot` by itself first: see [`Alloc::set_slot_done`].
    pub fn set<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize, g: GuestReg, v: Value) {
        let class = Alloc::class(b.ty(v));
        let root = self.root(v);
        let p = self.target.pins[g.0 as usize];
        self.release_old(m, b, i, g, root);
        if p == NONE && self.vals[root].home == Home::Slot(g) {
            self.cur[g.0 as usize] = root as u16;
            return;
        }
        if p == NONE {
            let r = self.reg(m, b, v);
            m.store(class, Home::Slot(g), r);
            self.slot_now(g, root);
            return;
        }
        let (reg, home) = (self.vals[root].reg, self.vals[root].home);
        if reg != p {
            let o = self.owner[class][p as usize];
            if let Some(v) = self.vals.get_mut(o as usize).filter(|v| v.reg == p) {
                v.reg = NONE;
            }
            match (reg, home) {
                (NONE, Home::None) => m.constant(p, b.insts[root].imm, b.insts[root].aux == PLACE),
                (NONE, h) => m.load(class, p, h),
                (r, _) => m.copy(class, p, r),
            }
            if reg == NONE || self.target.temps[class] >> reg & 1 != 0 {
                if reg != NONE {
                    self.owner[class][reg as usize] = NOBODY;
                    self.free[class] |= 1 << reg;
                }
                self.vals[root].reg = p;
                self.owner[class][p as usize] = root as u16;
            } else {
                self.owner[class][p as usize] = NOBODY;
            }
        }
        self.cur[g.0 as usize] = root as u16;
    }

    /// Before unpinned `g` is overwritten by root `root` with code of the host's own (a constant): save what lives there.
    /// Followed by [`Alloc::set_slot_done`].
    pub fn set_slot_begin<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize, g: GuestReg, v: Value) {
        let root = self.root(v);
        self.release_old(m, b, i, g, root);
    }

    /// The guest register without a pin whose slot instruction `i` may change in place: its old value ends there, only there, and is operand 0; the
    /// result has no use but to be set to it.
    pub fn slot_in_place(&self, b: &Block, i: usize) -> Option<GuestReg> {
        let old = b.insts[i].args[0];
        let (v, o) = (&self.vals[i], self.val(old));
        let (Home::Slot(g), NONE) = (o.home, o.reg) else { return None };
        (v.uses == 1 && v.want == g.0 && self.dies(old, i) && !o.is(analysis::CONST)).then_some(g)
    }

    /// `g`'s slot holds `v` now.
    pub fn set_slot_done(&mut self, g: GuestReg, v: Value) {
        let root = self.root(v);
        self.slot_now(g, root);
    }

    fn slot_now(&mut self, g: GuestReg, root: usize) {
        if !matches!(self.vals[root].home, Home::Pool(_) | Home::Slot(_)) {
            let h = self.vals[root].home;
            self.unspill(h);
            self.vals[root].home = Home::Slot(g);
        }
        self.cur[g.0 as usize] = root as u16;
    }

    /// The old value of `g` moves away if it has uses after instruction `i`.
    fn release_old<M: Moves>(&mut self, m: &mut M, b: &Block, i: usize, g: GuestReg, root: usize) {
        let p = self.target.pins[g.0 as usize];
        let class = (g.0 >= 64) as usize;
        let o = if p != NONE { self.owner[class][p as usize] } else { self.cur[g.0 as usize] };
        if o as usize == root {
            return;
        }
        let Some(old) = self.vals.get_mut(o as usize) else { return };
        let lost = old.last as usize > i && !old.is(analysis::CONST);
        if p != NONE {
            if old.reg != p {
                return;
            }
            old.reg = NONE;
            let bare = old.home == Home::None;
            self.owner[class][p as usize] = NOBODY;
            if !lost {
                return;
            }
            if let Some(r) = self.twin(class, o, p) {
                self.vals[o as usize].reg = r;
                self.owner[class][r as usize] = o;
            } else if bare {
                let t = self.alloc(m, b, class, o);
                m.copy(class, t, p);
                self.vals[o as usize].reg = t;
            }
        } else if old.home == Home::Slot(g) {
            old.home = Home::None;
            if lost && old.reg == NONE {
                let t = self.alloc(m, b, class, o);
                m.load(class, t, Home::Slot(g));
                self.vals[o as usize].reg = t;
            }
        }
    }

    // --- end of an instruction ---------------------------------------------------------------------
    /// Free what instruction `i` used last, its scratch registers and locks.
    #[inline]
    pub fn finish(&mut self, b: &Block, i: usize) {
        self.locked = [0; 2];
        if self.scratch != [0; 2] {
            self.free_scratch();
        }
        let bits = self.vals[i].bits;
        if bits & ((analysis::KILLS * 7) | analysis::UNUSED) != 0 {
            self.release_ended(b, i, bits);
        }
    }

    fn free_scratch(&mut self) {
        for class in [INT, VEC] {
            let mut left = std::mem::take(&mut self.scratch[class]);
            while left != 0 {
                let r = left.trailing_zeros() as usize;
                left &= left - 1;
                if self.owner[class][r] == SCRATCH {
                    self.owner[class][r] = NOBODY;
                    self.free[class] |= 1 << r & self.target.temps[class];
                }
            }
        }
    }

    fn release_ended(&mut self, b: &Block, i: usize, bits: u8) {
        let inst = &b.insts[i];
        let mut kills = (bits / analysis::KILLS) & 7;
        while kills != 0 {
            let a = inst.args[kills.trailing_zeros() as usize];
            kills &= kills - 1;
            self.release(self.root(a), b.ty(a));
        }
        if bits & analysis::UNUSED != 0 {
            self.release(i, inst.ty);
        }
    }

    #[inline(always)]
    fn release(&mut self, root: usize, ty: Type) {
        let v = &mut self.vals[root];
        let r = std::mem::replace(&mut v.reg, NONE);
        let home = std::mem::replace(&mut v.home, Home::None);
        // (Flags are in no register.)
        if r != NONE {
            let (class, at) = (Alloc::class(ty), r as usize % REGS);
            let owner = &mut self.owner[class][at];
            if *owner == root as u16 {
                *owner = NOBODY;
                self.free[class] |= 1 << at & self.target.temps[class];
            }
        }
        self.unspill(home);
    }
}
