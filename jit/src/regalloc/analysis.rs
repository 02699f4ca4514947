//! What is known about a block's values before emission: roots (forward), then uses, dead code, destinies and
//! the liveness of the flags (backward).

use super::{Home, NONE};
use crate::ir::{fx, Arr, Block, Op, Type, Value, Width, FLAGS_DEAD};

/// No code is needed for the instruction.
pub const DEAD: u8 = 1;
/// An i32 root whose host register has zeros in its upper half.
pub const CLEAN: u8 = 2;
/// The guest's flags as of before this instruction are read later (or here) before they are overwritten.
pub const FLAGS_LIVE: u8 = 4;
/// The root is a constant.
pub(super) const CONST: u8 = 8;

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
    /// [`DEAD`], [`CLEAN`], [`FLAGS_LIVE`].
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

fn roots(block: &mut Block, vals: &mut Vec<Val>) {
    vals.clear();
    vals.reserve(block.insts.len());
    let mut cur = [u16::MAX; 129];
    for i in 0..block.insts.len() {
        if let Some(c) = folded(block, vals, i) {
            let inst = &mut block.insts[i];
            (inst.op, inst.args, inst.imm) = (Op::Const, [Value::NONE; 3], c);
        }
        let inst = &block.insts[i];
        let mut root = i as u16;
        let mut bits = 0;
        let arg = |k: usize| vals[inst.args[k].index()].root;
        match inst.op {
            Op::Get => {
                let c = &mut cur[inst.imm as usize & 0xff];
                if *c == u16::MAX {
                    *c = root;
                } else {
                    root = *c;
                }
            }
            Op::Set => cur[inst.imm as usize & 0xff] = arg(0),
            Op::Trunc => root = arg(0),
            Op::Zext if vals[arg(0) as usize].is(CLEAN) => root = arg(0),
            Op::VLow if vals[arg(0) as usize].width <= arr_width(inst.arr()) => root = arg(0),
            Op::Const => bits = CONST | if inst.imm >> 32 == 0 { CLEAN } else { 0 },
            _ if inst.ty == Type::I32 => bits = CLEAN,
            _ => {}
        }
        let width = if inst.ty == Type::V128 { vec_width(inst.op, inst.aux, inst.imm) } else { 0 };
        vals.push(Val { root, last: 0, uses: 0, want: NONE, bits, width, first_cc: NONE, reg: NONE, home: Home::None });
    }
}

/// The constant that instruction `i` computes from constants (addresses and wide constants made in pieces), if it does and its flags
/// are not asked for.
fn folded(block: &Block, vals: &[Val], i: usize) -> Option<u64> {
    let inst = &block.insts[i];
    if !matches!(inst.op, Op::Add | Op::Sub | Op::And | Op::Or | Op::Orn | Op::Xor | Op::Shl | Op::Not | Op::Bfi) {
        return None;
    }
    let constant = |k: usize| {
        let root = vals[inst.args[k].index()].root as usize;
        vals[root].is(CONST).then(|| block.insts[root].imm)
    };
    let a = constant(0)?;
    let b = if inst.op == Op::Not { 0 } else { constant(1)? };
    if block.insts.get(i + 1).is_some_and(|n| n.op == Op::FlagsOf) {
        return None;
    }
    let bits = inst.ty.bits();
    let c = match inst.op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::And => a & b,
        Op::Or => a | b,
        Op::Orn => a | !b,
        Op::Xor => a ^ b,
        Op::Shl => a << (b & (bits as u64 - 1)),
        Op::Not => !a,
        _ => {
            let (lsb, width) = (inst.imm & 63, (inst.imm >> 8).clamp(1, 64));
            let field = (u64::MAX >> (64 - width)) << lsb;
            a & !field | b << lsb & field
        }
    };
    Some(c & (u64::MAX >> (64 - bits)))
}

/// log2 of the bytes that an arrangement names.
pub(super) fn arr_width(a: Arr) -> u8 {
    match a.width() {
        Width::Scalar => a.log2(),
        Width::W64 => 3,
        Width::W128 => 4,
    }
}

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
        Op::FCvt => imm as u8 & 3,
        Op::FCvtl => 4,
        op if op.info().aux != crate::ir::Aux::Arr && op.info().aux != crate::ir::Aux::ArrImm => 4,
        _ => arr_width(arr),
    }
}

fn backward(block: &Block, vals: &mut [Val]) {
    let far = u16::MAX;
    let mut next_barrier = far;
    let mut next_get = [far; 129];
    let mut next_set = [far; 129];
    let mut flags_live = false;
    for i in (0..block.insts.len()).rev() {
        let inst = &block.insts[i];
        let info_fx = inst.op.info().fx;
        let at = i as u16;
        match inst.op {
            Op::Get => {
                vals[i].bits |= (flags_live as u8) * FLAGS_LIVE;
                if vals[i].root == at && vals[i].uses != 0 {
                    next_get[inst.imm as usize & 0xff] = at;
                } else {
                    vals[i].bits |= DEAD;
                }
                continue;
            }
            Op::Set => {
                let g = inst.imm as usize & 0xff;
                let dead = if g == 128 { !flags_live } else { next_set[g] < next_barrier };
                if g == 128 {
                    flags_live = false;
                }
                if dead {
                    vals[i].bits |= DEAD;
                    continue;
                }
                next_set[g] = at;
                let root = vals[inst.args[0].index()].root as usize;
                if g < 128 {
                    vals[root].want = g as u8;
                }
                used(vals, root, at);
                continue;
            }
            Op::InsnStart | Op::Nop => {
                vals[i].bits |= (flags_live as u8) * FLAGS_LIVE;
                continue;
            }
            _ => {}
        }
        if vals[i].root as usize != i {
            vals[i].bits |= DEAD;
            continue;
        }
        let barrier = info_fx & (fx::FAULT | fx::EXIT | fx::FP) != 0;
        let flags_dead_there = info_fx & fx::EXIT != 0 && inst.aux & FLAGS_DEAD != 0 && inst.op != Op::Trap;
        flags_live |= barrier && !flags_dead_there;
        vals[i].bits |= (flags_live as u8) * FLAGS_LIVE;
        let removable = info_fx & !fx::VOLATILE == 0 && inst.ty != Type::None;
        if removable && vals[i].uses == 0 && !flagsof_follows(block, vals, i) {
            vals[i].bits |= DEAD;
            continue;
        }
        let w = vals[i].want;
        if w != NONE {
            let set_at = next_set[w as usize];
            let same = set_at != far && vals[block.insts[set_at as usize].args[0].index()].root == at;
            if !same || vals[set_at as usize].is(DEAD) || next_barrier <= set_at || next_get[w as usize] <= set_at {
                vals[i].want = NONE;
            }
        }
        if barrier {
            next_barrier = at;
        }
        if inst.op == Op::FlagsOf {
            continue;
        }
        for a in inst.args {
            if a.is_some() {
                let root = vals[a.index()].root as usize;
                used(vals, root, at);
            }
        }
        if let Some(f) = condition_operand(inst.op) {
            let root = vals[inst.args[f].index()].root as usize;
            vals[root].first_cc = inst.aux & 15;
        }
    }
}

fn used(vals: &mut [Val], root: usize, at: u16) {
    let v = &mut vals[root];
    v.uses += 1;
    if v.last == 0 {
        v.last = at;
    }
}

/// Whether instruction `i`'s flags are wanted.
fn flagsof_follows(block: &Block, vals: &[Val], i: usize) -> bool {
    block.insts.get(i + 1).is_some_and(|n| n.op == Op::FlagsOf && !vals[i + 1].is(DEAD))
}

fn condition_operand(op: Op) -> Option<usize> {
    matches!(op, Op::ExitIf | Op::Select | Op::VSelect | Op::SetCond | Op::Ccmp | Op::Ccmn | Op::SelFlags).then_some(0)
}
