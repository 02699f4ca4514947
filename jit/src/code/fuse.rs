//! Conditions in fewer steps, once it is known where the flags are dead: for guests whose instructions make flags at every width, in another meaning of
//! carry than the IR's, mostly to have one condition read. A pass over a lifted block, from behind.
//!
//! - A condition on flags that were changed only in what it doesn't read is one on the flags before: no `cflip`, `axflag`, `flagsinsert`.
//! - A branch on zero, on a sign or on one bit needs no flags at all.
//! - Comparisons of 8 and 16 bits, done at the top of 32 for the sake of all flags, are done at the bottom when only Z and C are read.

use crate::ir::{fact, fx, Block, Cond, GuestReg, Inst, Mem, Op, Type, Value, FLAGS_DEAD};

const N: u8 = 8;
const Z: u8 = 4;
const C: u8 = 2;
const V: u8 = 1;
const ALL: u8 = N | Z | C | V;
/// It is needed as a value.
const VALUE: u8 = 16;
/// It is the guest's flags where those are live.
const SET: u8 = 32;

/// What is kept from block to block, for its memory only.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Of each root: what is needed of it, as far as has been seen from behind.
    need: Vec<u8>,
    /// Of each value: how often it is an operand.
    uses: Vec<u8>,
}

/// The flags that a condition reads.
fn reads(cc: Cond) -> u8 {
    [Z, C, N, V, C | Z, N | V, N | V | Z, 0][cc as usize >> 1]
}

/// The pass.
struct Fuse<'a> {
    b: &'a mut Block,
    s: &'a mut Scratch,
}

/// Run it.
pub fn run(b: &mut Block, s: &mut Scratch) {
    let len = b.insts.len();
    for v in [&mut s.need, &mut s.uses] {
        v.clear();
        v.resize(len, 0);
    }
    let mut f = Fuse { b, s };
    f.find_live();
    for n in (0..len).rev() {
        f.instruction(n);
    }
}

impl Fuse<'_> {
    fn def(&self, v: Value) -> &Inst {
        &self.b.insts[self.b.root(v).index()]
    }

    /// Which flags live on in the guest's register, and how often values are used.
    fn find_live(&mut self) {
        let mut live = false;
        for n in (0..self.b.insts.len()).rev() {
            let i = self.b.insts[n];
            match i.op {
                Op::Set if i.reg() == GuestReg::FLAGS && std::mem::take(&mut live) => {
                    let root = self.b.root(i.args[0]).index();
                    self.s.need[root] |= SET;
                }
                Op::Get => live |= i.reg() == GuestReg::FLAGS,
                op if op.fx() & fx::EXIT != 0 => {
                    live |= i.aux & FLAGS_DEAD == 0 || matches!(op, Op::Trap | Op::TrapIf);
                }
                _ => {}
            }
            for a in i.args.iter().filter(|a| a.is_some()) {
                let uses = &mut self.s.uses[a.index()];
                *uses = uses.saturating_add(1);
            }
        }
    }

    /// The flags that are needed of value `n`.
    fn flags_needed(&self, n: usize) -> u8 {
        match self.s.need[n] {
            need if need & SET != 0 => ALL,
            need => need & ALL,
        }
    }

    fn want(&mut self, v: Value, what: u8) {
        let root = self.b.root(v).index();
        self.s.need[root] |= what;
    }

    fn instruction(&mut self, n: usize) {
        let i = self.b.insts[n];
        if i.facts & fact::NOTHING != 0 {
            return;
        }
        let effects = i.op.fx() & !(fx::READS_FLAGS | fx::VOLATILE);
        match i.op {
            Op::ExitIf | Op::Select | Op::SetCond | Op::VSelect | Op::Ccmp | Op::Ccmn | Op::SelFlags => {
                if i.op != Op::ExitIf && self.s.need[n] == 0 {
                    return;
                }
                self.condition(n);
            }
            Op::FlagsOf => self.want(i.args[0], self.flags_needed(n)),
            Op::CFlip => self.want(i.args[0], self.flags_needed(n)),
            Op::FlagsInsert => {
                let needed = self.flags_needed(n);
                self.want(i.args[0], needed & !(i.imm as u8));
                if needed & i.imm as u8 != 0 {
                    self.want(i.args[1], VALUE);
                }
            }
            // What is needed of these is marked already.
            Op::Set if i.reg() == GuestReg::FLAGS => {}
            _ if effects == 0 && self.s.need[n] == 0 && i.ty != Type::None => {}
            _ => self.operands(&i, 0),
        }
        if i.op == Op::Sub && self.s.need[n] & (VALUE | SET) == 0 {
            self.narrow(n);
        }
    }

    fn operands(&mut self, i: &Inst, from: usize) {
        for &a in i.args[from..].iter().filter(|a| a.is_some()) {
            let what = if self.b.ty(a) == Type::Flags { ALL } else { VALUE };
            self.want(a, what);
        }
    }

    /// The same condition on earlier flags.
    fn earlier(&self, mut cc: Cond, mut f: Value) -> (Cond, Value) {
        loop {
            let root = self.b.root(f);
            let d = &self.b.insts[root.index()];
            if self.s.need[root.index()] & SET != 0 {
                return (cc, f);
            }
            cc = match (d.op, cc) {
                (Op::CFlip, Cond::Cs | Cond::Cc) => cc.invert(),
                (Op::CFlip | Op::FlagsInsert, _) if reads(cc) & if d.op == Op::CFlip { C } else { d.imm as u8 } == 0 => cc,
                // After a logical operation there is no carry.
                (Op::CFlip, Cond::Hi | Cond::Ls) if self.of_and(d.args[0]) => [Cond::Ne, Cond::Eq][cc as usize & 1],
                // After an FP compare: unordered is C and V.
                (Op::AxFlag, Cond::Cs | Cond::Cc | Cond::Hi | Cond::Ls) => match cc {
                    Cond::Cs => Cond::Ge,
                    Cond::Cc => Cond::Lt,
                    Cond::Hi => Cond::Gt,
                    _ => Cond::Le,
                },
                _ => return (cc, f),
            };
            f = d.args[0];
        }
    }

    fn of_and(&self, f: Value) -> bool {
        let d = self.def(f);
        d.op == Op::FlagsOf && self.def(d.args[0]).op == Op::And
    }

    /// An instruction with a condition.
    fn condition(&mut self, n: usize) {
        let i = self.b.insts[n];
        let (cc, f) = self.earlier(i.cond(), i.args[0]);
        let inst = &mut self.b.insts[n];
        inst.aux = inst.aux & !15 | cc as u8;
        inst.args[0] = f;
        if i.op == Op::ExitIf && self.branch(n, cc, f) {
            return;
        }
        self.want(f, reads(cc));
        self.operands(&i, 1);
    }

    /// Make a side exit one without flags.
    fn branch(&mut self, n: usize, cc: Cond, f: Value) -> bool {
        let d = *self.def(f);
        if d.op != Op::FlagsOf || self.s.need[self.b.root(f).index()] & (SET | ALL) != 0 {
            return false;
        }
        let made = *self.def(d.args[0]);
        let [x, y, _] = made.args;
        let zero = match made.op {
            Op::Sub => self.constant(y) == Some(0),
            Op::And => self.b.root(x) == self.b.root(y),
            _ => false,
        };
        let bits = made.ty.bits();
        let (op, value, bit) = match (cc, self.constant(y)) {
            (Cond::Eq | Cond::Ne, Some(c)) if made.op == Op::And && c.is_power_of_two() => {
                ([Op::ExitIfNotBit, Op::ExitIfBit], x, c.trailing_zeros() as u8)
            }
            (Cond::Eq | Cond::Ne, _) if zero => match self.raised(x) {
                Some(low) => self.zero_test(low),
                None if self.shifted(x).is_some() => return false,
                None => ([Op::ExitIfZero, Op::ExitIfNonzero], x, 0),
            },
            // No overflow.
            (Cond::Pl | Cond::Mi | Cond::Ge | Cond::Lt, _) if zero => match self.shifted(x) {
                Some((low, k)) => ([Op::ExitIfNotBit, Op::ExitIfBit], low, (bits - 1 - k) as u8),
                None => ([Op::ExitIfNotBit, Op::ExitIfBit], x, bits as u8 - 1),
            },
            _ => return false,
        };
        let holds = matches!(cc, Cond::Ne | Cond::Mi | Cond::Lt);
        let inst = &mut self.b.insts[n];
        inst.op = op[holds as usize];
        inst.aux = inst.aux & FLAGS_DEAD | bit;
        inst.args[0] = value;
        self.want(value, VALUE);
        true
    }

    /// A branch on whether `v` is zero, or on its only bit.
    fn zero_test(&self, v: Value) -> ([Op; 2], Value, u8) {
        let d = self.def(v);
        match (d.op, self.constant(d.args[1])) {
            (Op::And, Some(c)) if c.is_power_of_two() && self.s.uses[self.b.root(v).index()] == 1 => {
                ([Op::ExitIfNotBit, Op::ExitIfBit], d.args[0], c.trailing_zeros() as u8)
            }
            _ => ([Op::ExitIfZero, Op::ExitIfNonzero], v, 0),
        }
    }

    fn constant(&self, v: Value) -> Option<u64> {
        v.is_some().then(|| self.def(v)).filter(|d| d.op == Op::Const).map(|d| d.imm)
    }

    /// Of `x << k`, for the k that bring 8 or 16 bits to the top of 32: x and k.
    fn shifted(&self, v: Value) -> Option<(Value, u32)> {
        let d = self.def(v);
        let k = self.constant(d.args[1])? as u32;
        (d.op == Op::Shl && d.ty == Type::I32 && matches!(k, 16 | 24)).then_some((d.args[0], k))
    }

    /// The same if nothing of x is lost by it.
    fn raised(&self, v: Value) -> Option<Value> {
        let (x, k) = self.shifted(v)?;
        self.fits(x, 32 - k).then_some(x)
    }

    /// Whether `v` is certainly less than `1 << bits`.
    fn fits(&self, v: Value, bits: u32) -> bool {
        let d = self.def(v);
        match d.op {
            Op::Load => d.ty != Type::V128 && 8u32 << Mem::from_bits(d.aux).log2 <= bits && !Mem::from_bits(d.aux).signed,
            Op::Ubfx => d.imm >> 8 <= bits as u64,
            Op::And => [d.args[0], d.args[1]].iter().any(|&a| self.constant(a).is_some_and(|c| c >> bits == 0)),
            Op::SetCond => true,
            _ => false,
        }
    }

    /// A comparison at the top of 32 bits, of which only Z and C are read.
    fn narrow(&mut self, n: usize) {
        let needed = self.s.need[n] & ALL;
        if needed == 0 || needed & (N | V) != 0 {
            return;
        }
        let [a, b, _] = self.b.insts[n].args;
        let Some((x, k)) = self.shifted(a) else { return };
        let bits = 32 - k;
        let once = |f: &Self, v: Value| f.s.uses[v.index()] == 1 && f.b.root(v) == v;
        if !self.fits(x, bits) && !once(self, a) {
            return;
        }
        if let Some(c) = self.constant(b) {
            if c & ((1 << k) - 1) != 0 || !once(self, b) {
                return;
            }
            if c == 0 && needed == Z && !self.fits(x, bits) {
                // Against a mask.
                self.b.insts[b.index()].imm = (1 << bits) - 1;
                let inst = &mut self.b.insts[n];
                inst.op = Op::And;
                inst.args[0] = x;
                return self.want(x, VALUE);
            }
            self.b.insts[b.index()].imm = c >> k;
            let low = self.lowered(a, bits);
            self.b.insts[n].args[0] = low;
            return;
        }
        match self.shifted(b) {
            Some((y, l)) if l == k && (self.fits(y, bits) || once(self, b)) => {
                let args = [self.lowered(a, bits), self.lowered(b, bits), Value::NONE];
                self.b.insts[n].args = args;
            }
            _ => {}
        }
    }

    /// What `v` shifts up, with zeros above: itself, or made in the place of `v`.
    fn lowered(&mut self, v: Value, bits: u32) -> Value {
        let at = self.b.root(v).index();
        let x = self.b.insts[at].args[0];
        if self.fits(x, bits) {
            self.want(x, VALUE);
            return x;
        }
        let inst = &mut self.b.insts[at];
        inst.op = Op::Ubfx;
        inst.args = [x, Value::NONE, Value::NONE];
        inst.imm = (bits as u64) << 8;
        self.want(v, VALUE);
        v
    }
}
