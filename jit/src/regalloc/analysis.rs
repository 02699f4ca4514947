//! What is known about a block's values before emission: roots (forward), then uses, dead code, destinies and
//! the liveness of the flags (backward).

use super::{Home, NONE};
use crate::ir::{fx, Arr, Block, Inst, Op, Type, Width, FLAGS_DEAD, GUEST_REGS};

/// No code is needed for the instruction.
pub const DEAD: u8 = 1;
/// An i32 root whose host register has zeros in its upper half.
pub const CLEAN: u8 = 2;
/// The guest's flags as of before this instruction are read later (or here) before they are overwritten.
pub const FLAGS_LIVE: u8 = 4;
/// The root is a constant.
pub(super) const CONST: u8 = 8;
/// Operand 0 ends here; the bits for operands 1 and 2 follow.
pub(super) const KILLS: u8 = 16;
/// The result has no use.
pub(super) const UNUSED: u8 = 128;

/// What is known about a value. `root` counts for every value, the rest for roots.
#[derive(Clone, Copy, Debug)]
pub struct Val {
    /// The value that stands for this one.
    pub root: u16,
    /// Index of the last use, 0 without any.
    pub last: u16,
    /// Number of uses by live instructions (`flagsof` is none of its arithmetic's).
    pub uses: u16,
    /// Guest register whose pin the result may be computed into, or `NONE`.
    pub want: u8,
    /// [`DEAD`], [`CLEAN`], [`FLAGS_LIVE`] and what only the allocator knows.
    pub bits: u8,
    /// Vectors: log2 of the number of low bytes that can be non-zero.
    pub width: u8,
    /// Flags: the first condition evaluated on them (0xff: none).
    pub first_cc: u8,
    /// Current register.
    pub reg: u8,
    /// Current memory.
    pub home: Home,
}

/// No instruction.
const FAR: u16 = u16::MAX;

/// Before anything is known.
const UNKNOWN: Val =
    Val { root: 0, last: 0, uses: 0, want: NONE, bits: 0, width: 0, first_cc: NONE, reg: NONE, home: Home::None };

impl Val {
    /// Whether a bit of `bits` is set.
    #[inline]
    pub fn is(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }
}

/// Fill `vals` for `block`.
pub fn run(block: &mut Block, vals: &mut Vec<Val>) {
    roots(block, vals);
    backward(block, vals);
}

fn roots(block: &mut Block, all: &mut Vec<Val>) {
    all.clear();
    all.resize(block.insts.len(), UNKNOWN);
    let vals = &mut all[..];
    let mut cur = [FAR; GUEST_REGS];
    for (i, inst) in block.insts[..vals.len()].iter().enumerate() {
        match inst.op {
            Op::InsnStart | Op::Nop => vals[i].bits = DEAD,
            Op::Const => {
                vals[i].root = i as u16;
                vals[i].bits = CONST | DEAD | if inst.imm >> 32 == 0 { CLEAN } else { 0 };
            }
            Op::Get => {
                let c = &mut cur[inst.imm as usize & 0xff];
                if *c == FAR {
                    *c = i as u16;
                }
                vals[i].root = *c;
                vals[i].width = 4;
            }
            Op::Set => cur[inst.imm as usize & 0xff] = vals[inst.args[0].index()].root,
            op => {
                let (root, bits, width) = result(op, inst, i, vals);
                let v = &mut vals[i];
                (v.root, v.bits, v.width) = (root, bits, width);
            }
        }
    }
}

/// Root, bits and width of what an operation makes.
#[inline(always)]
fn result(op: Op, inst: &Inst, i: usize, vals: &[Val]) -> (u16, u8, u8) {
    let arg = || vals[inst.args[0].index()].root;
    let own = i as u16;
    match inst.ty {
        Type::I32 if op == Op::Trunc => (arg(), 0, 0),
        Type::I32 => (own, CLEAN, 0),
        Type::I64 if op == Op::Zext && vals[arg() as usize].is(CLEAN) => (arg(), 0, 0),
        Type::V128 => {
            let width = vec_width(op, inst.aux, inst.imm);
            let same = op == Op::VLow && vals[arg() as usize].width <= arr_width(inst.arr());
            (if same { arg() } else { own }, 0, width)
        }
        _ => (own, 0, 0),
    }
}

/// log2 of the bytes that an arrangement names.
pub(super) fn arr_width(a: Arr) -> u8 {
    match a.width() {
        Width::Scalar => a.log2(),
        Width::W64 => 3,
        Width::W128 => 4,
    }
}

#[inline(never)]
fn vec_width(op: Op, aux: u8, imm: u64) -> u8 {
    let arr = Arr(aux);
    match op {
        Op::Load | Op::LoadAcq | Op::LoadEx => aux & 7,
        Op::VConst if arr.width() != Width::W128 => 3,
        Op::VConst | Op::Get | Op::VPair | Op::VSelect | Op::VInsert | Op::VInsertLane => 4,
        // The aux of these names the source lanes, or nothing.
        Op::VSaddlp | Op::VUaddlp => arr_width(arr).max(1),
        Op::VAddv | Op::VSmaxv | Op::VSminv | Op::VUmaxv | Op::VUminv => arr.log2(),
        Op::VSaddlv | Op::VUaddlv => arr.log2() + 1,
        Op::VSxtl | Op::VUxtl | Op::VSmull | Op::VUmull | Op::VPmull | Op::VSqdmull => match arr.width() {
            Width::Scalar => (arr.log2() + 1).min(4),
            _ => 4,
        },
        Op::FCvt => (imm as u8 & 3).max(1),
        Op::FCvtl => 4,
        op if op.info().aux != crate::ir::Aux::Arr && op.info().aux != crate::ir::Aux::ArrImm => 4,
        _ => arr_width(arr),
    }
}

/// What is known about the code behind the instruction that [`backward`] looks at.
struct Behind {
    /// The next instruction that can fault or leave.
    barrier: u16,
    /// Of each guest register: the next `get` and `set`.
    get: [u16; GUEST_REGS],
    set: [u16; GUEST_REGS],
    flags_live: bool,
}

fn backward(block: &Block, vals: &mut [Val]) {
    let mut behind = Behind { barrier: FAR, get: [FAR; GUEST_REGS], set: [FAR; GUEST_REGS], flags_live: false };
    let insts = &block.insts[..vals.len()];
    for i in (0..insts.len()).rev() {
        let inst = &insts[i];
        match inst.op {
            Op::InsnStart | Op::Nop | Op::Const => {}
            Op::Get => {
                let v = &mut vals[i];
                v.bits |= (behind.flags_live as u8) * FLAGS_LIVE;
                if v.root == i as u16 && v.uses != 0 {
                    behind.get[inst.imm as usize & 0xff] = i as u16;
                } else {
                    v.bits |= DEAD;
                }
            }
            Op::Set => backward_set(inst, vals, i, &mut behind),
            _ if vals[i].root as usize != i => vals[i].bits |= DEAD,
            _ => backward_op(block, vals, i, &mut behind),
        }
    }
}

fn backward_set(inst: &Inst, vals: &mut [Val], i: usize, behind: &mut Behind) {
    let g = inst.imm as usize & 0xff;
    let dead = if g == 128 { !std::mem::take(&mut behind.flags_live) } else { behind.set[g] < behind.barrier };
    if dead {
        vals[i].bits |= DEAD;
        return;
    }
    behind.set[g] = i as u16;
    let root = vals[inst.args[0].index()].root as usize;
    if g < 128 {
        vals[root].want = g as u8;
    }
    vals[i].bits |= used(vals, root, i as u16) as u8 * KILLS;
}

fn backward_op(block: &Block, vals: &mut [Val], i: usize, behind: &mut Behind) {
    let inst = &block.insts[i];
    let at = i as u16;
    let effects = inst.op.fx();
    let barrier = effects & (fx::FAULT | fx::EXIT | fx::FP) != 0;
    let flags_dead_there = effects & fx::EXIT != 0 && inst.aux & FLAGS_DEAD != 0 && inst.op != Op::Trap;
    behind.flags_live |= barrier && !flags_dead_there;
    let v = &mut vals[i];
    v.bits |= (behind.flags_live as u8) * FLAGS_LIVE;
    if v.uses == 0 && inst.ty != Type::None {
        v.bits |= UNUSED;
        let removable = effects & !fx::VOLATILE == 0;
        if removable && !flagsof_follows(block, vals, i) {
            vals[i].bits |= DEAD;
            return;
        }
    }
    let w = vals[i].want as usize;
    if w != NONE as usize {
        let set_at = behind.set[w];
        let same = set_at != FAR && vals[block.insts[set_at as usize].args[0].index()].root == at;
        if !same || vals[set_at as usize].is(DEAD) || behind.barrier <= set_at || behind.get[w] <= set_at {
            vals[i].want = NONE;
        }
    }
    if barrier {
        behind.barrier = at;
    }
    if inst.op == Op::FlagsOf {
        return;
    }
    for (k, a) in inst.args.iter().enumerate() {
        if a.is_some() {
            let root = vals[a.index()].root as usize;
            vals[i].bits |= used(vals, root, at) as u8 * (KILLS << k);
        }
    }
    if let Some(f) = condition_operand(inst.op) {
        let root = vals[inst.args[f].index()].root as usize;
        vals[root].first_cc = inst.aux & 15;
    }
}

/// Count a use, seen from behind: whether it is the last one.
#[inline]
fn used(vals: &mut [Val], root: usize, at: u16) -> bool {
    let v = &mut vals[root];
    v.uses += 1;
    let last = v.last == 0;
    if last {
        v.last = at;
    }
    last
}

/// Whether instruction `i`'s flags are wanted.
fn flagsof_follows(block: &Block, vals: &[Val], i: usize) -> bool {
    block.insts.get(i + 1).is_some_and(|n| n.op == Op::FlagsOf && !vals[i + 1].is(DEAD))
}

fn condition_operand(op: Op) -> Option<usize> {
    matches!(op, Op::ExitIf | Op::Select | Op::VSelect | Op::SetCond | Op::Ccmp | Op::Ccmn | Op::SelFlags).then_some(0)
}
