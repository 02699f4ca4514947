//! What is known about a block's values before emission, found in one pass from behind: uses, dead code, destinies, the liveness of
//! the flags, and the list of what is left to emit. (The builder has found the roots.)

use super::{Home, NONE};
use crate::ir::{fact, fx, Block, GuestReg, Inst, Op, Type, FLAGS_DEAD, GUEST_REGS};
use crate::table::{Table, Zeroed};

/// No code is needed for the instruction.
pub const DEAD: u8 = fact::NOTHING;
/// An i32 root whose host register has zeros in its upper half.
pub const CLEAN: u8 = fact::CLEAN;
/// The guest's flags as of before this instruction are read later, or here by what may fault, before they are overwritten.
pub const FLAGS_LIVE: u8 = 4;
/// The root is a constant.
pub(super) const CONST: u8 = fact::CONST;
/// Operand 0 ends here; the bits for operands 1 and 2 follow.
pub(super) const KILLS: u8 = 16;
/// The result has no use.
pub(super) const UNUSED: u8 = 128;

/// What is known about a value. `root` counts for every value, the rest for roots.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Val {
    /// The value that stands for this one.
    pub root: u16,
    /// Index of the last use, 0 without any.
    pub last: u16,
    /// Number of uses by live instructions (`flagsof` is none of its arithmetic's).
    pub uses: u16,
    /// Flags: the conditions evaluated on them, as bits, and [`WHOLE`].
    pub conditions: u16,
    /// Guest register whose pin the result may be computed into, with [`CHAINED`], or `NONE`.
    pub want: u8,
    /// [`DEAD`], [`CLEAN`], [`FLAGS_LIVE`] and what only the allocator knows.
    pub bits: u8,
    /// Flags: the first condition evaluated on them (0xff: none).
    pub first_cc: u8,
    /// Current register.
    pub reg: u8,
    /// Current memory.
    pub home: Home,
}

// SAFETY: plain numbers, and the first kind of home.
unsafe impl Zeroed for Val {}

/// Bit of `Val::want`: the value is an operand on the way to what the register is set to, or was its content for a while.
pub(super) const CHAINED: u8 = 0x80;

/// In `Val::conditions`: something may look at all of the flags.
pub const WHOLE: u16 = 1 << 15;

/// No instruction.
const FAR: u16 = u16::MAX;

impl Val {
    /// Whether a bit of `bits` is set.
    #[inline]
    pub fn is(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }
}

/// What is known about the code behind the instruction that is looked at.
struct Behind {
    /// The next instruction that can fault or leave.
    barrier: u16,
    /// Of each guest register: the next `get` and `set`.
    get: [u16; GUEST_REGS],
    set: [u16; GUEST_REGS],
    flags_live: bool,
    /// All of the flags may be looked at before they are overwritten: by whoever they are left to, or at a fault.
    flags_whole: bool,
}

/// Fill `vals` for `block`, and `live` with the instructions that need code, last first.
pub fn run(block: &Block, vals: &mut Table<Val>, live: &mut Vec<u16>) {
    let insts = &block.insts;
    vals.clear();
    for i in insts {
        let (root, bits) = (i.root.0, i.facts);
        vals.push(Val { root, last: 0, uses: 0, want: NONE, bits, first_cc: NONE, conditions: 0, reg: NONE, home: Home::None });
    }
    live.clear();
    let mut behind =
        Behind { barrier: FAR, get: [FAR; GUEST_REGS], set: [FAR; GUEST_REGS], flags_live: false, flags_whole: false };
    for i in (0..insts.len()).rev() {
        let inst = &insts[i];
        if inst.facts & fact::NOTHING != 0 {
            continue;
        }
        let needed = match inst.op {
            Op::Set => set(insts, vals, i, &mut behind),
            Op::Get => get(inst, vals, i, &mut behind),
            _ => operation(insts, vals, i, &mut behind),
        };
        if !needed {
            vals[i].bits |= DEAD;
        } else if inst.op != Op::FlagsOf {
            live.push(i as u16);
        }
    }
}

#[inline(always)]
fn get(inst: &Inst, vals: &mut Table<Val>, i: usize, behind: &mut Behind) -> bool {
    let v = &mut vals[i];
    v.bits |= behind.flags_live as u8 * FLAGS_LIVE;
    if v.uses != 0 {
        behind.get[inst.imm as usize & 0xff] = i as u16;
        // Hosts differ in where the flags are until they are asked for.
        behind.flags_live |= inst.imm == GuestReg::FLAGS.0 as u64;
    }
    v.uses != 0
}

#[inline(always)]
fn set(insts: &Table<Inst>, vals: &mut Table<Val>, i: usize, behind: &mut Behind) -> bool {
    let inst = &insts[i];
    let g = inst.imm as usize & 0xff;
    let dead = if g == 128 { !std::mem::take(&mut behind.flags_live) } else { behind.set[g] < behind.barrier };
    if dead {
        behind.flags_whole &= g != 128;
        // Until the register is set again nobody looks at its pin: the value is welcome there, unless it must make way for the next.
        let root = vals[inst.args[0].index()].root as usize;
        let v = &mut vals[root];
        if g < 128 && v.want == NONE && v.uses != 0 && (g < 64 || in_one_place(insts[v.last as usize].op)) {
            v.want = g as u8 | CHAINED;
        }
        return false;
    }
    behind.set[g] = i as u16;
    let root = vals[inst.args[0].index()].root as usize;
    let v = &mut vals[root];
    if g < 128 {
        v.want = g as u8;
    }
    if g == 128 && std::mem::take(&mut behind.flags_whole) {
        v.conditions |= WHOLE;
    }
    let last = used(v, i as u16);
    vals[i].bits |= last as u8 * KILLS;
    // Flags of an earlier guest instruction, which are to be found there after a fault in between.
    behind.flags_live |= g == 128 && insts[root].guest != inst.guest;
    true
}

#[inline(always)]
fn operation(insts: &Table<Inst>, vals: &mut Table<Val>, i: usize, behind: &mut Behind) -> bool {
    let inst = &insts[i];
    let at = i as u16;
    let effects = inst.op.fx();
    let barrier = effects & (fx::FAULT | fx::EXIT | fx::FP) != 0;
    // Whoever looks at them after a fault (a handler at the frame's) may find stale ones, if all that follows overwrites them.
    // Those that have the value as an operand read the register if they are gone on from.
    let leaves = effects & fx::EXIT != 0;
    // (What the guest instruction itself has made it will make again.)
    let reads = effects & fx::READS_FLAGS != 0 && reads_earlier(insts, vals, inst);
    // One that reads them and then faults begins again, and reads them again.
    behind.flags_live |= effects & fx::FAULT != 0 && !behind.flags_live && began_with_flags(insts, vals, i);
    let left = leaves && (inst.aux & FLAGS_DEAD == 0 || inst.op == Op::Trap);
    behind.flags_live |= left;
    let faults = effects & (fx::FAULT | fx::FP) != 0;
    behind.flags_whole |= left || faults && (behind.flags_live || reads);
    let v = &mut vals[i];
    let mut bits = v.bits | ((behind.flags_live | reads & faults) as u8 * FLAGS_LIVE);
    behind.flags_live |= reads;
    if v.uses == 0 && inst.ty != Type::None {
        bits |= UNUSED;
        if effects & !(fx::VOLATILE | fx::READS_FLAGS) == 0 && !flagsof_follows(insts, vals, i) {
            return false;
        }
    }
    let w = destiny(insts, vals, i, behind);
    if barrier {
        behind.barrier = at;
    }
    if inst.op != Op::FlagsOf {
        for (k, a) in inst.args.iter().enumerate() {
            if a.is_some() {
                let root = vals[a.index()].root as usize;
                let ends = used(&mut vals[root], at);
                bits |= ends as u8 * (KILLS << k);
                // What is changed in place may be made there already.
                if ends && w < 64 && vals[root].want == NONE && in_place(inst.op) >> k & 1 != 0 && insts[root].ty != Type::Flags {
                    vals[root].want = w | CHAINED;
                }
            }
        }
        if effects & fx::READS_FLAGS != 0 {
            conditions(insts, vals, inst);
        }
    }
    vals[i].bits = bits;
    true
}

/// The guest register whose pin the result of instruction `i` is to be computed into: one that is set to it, or to what is made of it in place,
/// before anything could see the difference.
#[inline(always)]
fn destiny(insts: &Table<Inst>, vals: &mut Table<Val>, i: usize, behind: &Behind) -> u8 {
    let want = vals[i].want;
    if want == NONE {
        return NONE;
    }
    let w = want & !CHAINED;
    let set_at = behind.set[w as usize];
    let same = |set_at: u16| want & CHAINED != 0 || vals[insts[set_at as usize].args[0].index()].root == i as u16;
    let may = set_at != FAR && same(set_at) && behind.barrier > set_at && behind.get[w as usize] > set_at;
    vals[i].want = if may { want } else { NONE };
    if may {
        w
    } else {
        NONE
    }
}

/// The operands (as bits) that hosts with two-address instructions change in place.
#[inline]
fn in_place(op: Op) -> u8 {
    match op {
        Op::Add | Op::And | Op::Or | Op::Xor | Op::Mul => 3,
        Op::Sub | Op::Shl | Op::Shr | Op::Sar | Op::Ror | Op::Not | Op::Neg | Op::Bfi | Op::Ubfx | Op::Sbfx => 1,
        Op::Select => 6,
        _ => 0,
    }
}

/// Vector operations whose result may be made in an operand's register.
#[inline]
fn in_one_place(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        VAnd | VOr
            | VXor
            | VAndn
            | VLow
            | VDupLane
            | VInsert
            | VExt
            | VZip1
            | VZip2
            | VRev
            | VNot
            | VOrn
            | VAdd
            | VSub
            | VNeg
            | VMul
            | VSmax
            | VSmin
            | VUmax
            | VUmin
            | VCmpEq
            | VCmpGt
            | VUrhadd
            | VShlI
            | VUshrI
            | VSshrI
            | VSliI
            | VSriI
            | VSxtl
            | VUxtl
            | VShrn
            | VTbx
            | Aese
            | Aesd
            | Aesmc
            | Aesimc
            | VPmull
    )
}

/// Count a use, seen from behind: whether it is the last one.
#[inline(always)]
fn used(v: &mut Val, at: u16) -> bool {
    let last = v.last == 0;
    v.uses += 1;
    v.last = if last { at } else { v.last };
    last
}

/// Whether instruction `i`'s flags are wanted.
fn flagsof_follows(insts: &[Inst], vals: &Table<Val>, i: usize) -> bool {
    insts.get(i + 1).is_some_and(|n| n.op == Op::FlagsOf) && !vals[i + 1].is(DEAD)
}

/// Whether an operand is flags of an earlier guest instruction.
fn reads_earlier(insts: &Table<Inst>, vals: &Table<Val>, inst: &Inst) -> bool {
    inst.args.iter().filter(|a| a.is_some() && insts[a.index()].ty == Type::Flags).any(|a| {
        let made = &insts[vals[a.index()].root as usize];
        made.guest != inst.guest || made.op == Op::Get
    })
}

/// Whether what the guest instruction has computed before instruction `i` depends on flags of an earlier one.
fn began_with_flags(insts: &Table<Inst>, vals: &Table<Val>, i: usize) -> bool {
    let guest = insts[i].guest;
    (0..i)
        .rev()
        .map(|n| &insts[n])
        .take_while(|n| n.guest == guest)
        .any(|n| n.op.fx() & fx::READS_FLAGS != 0 && n.facts & fact::NOTHING == 0 && reads_earlier(insts, vals, n))
}

/// Note what the instruction asks its operands that are flags.
fn conditions(insts: &Table<Inst>, vals: &mut Table<Val>, inst: &Inst) {
    let one = reads_condition(inst.op);
    for (k, a) in inst.args.iter().enumerate() {
        if a.is_some() && insts[a.index()].ty == Type::Flags {
            let v = &mut vals[insts[a.index()].root.index()];
            if one && k == 0 {
                v.first_cc = inst.aux & 15;
                v.conditions |= 1 << (inst.aux & 15);
            } else {
                v.conditions |= WHOLE;
            }
        }
    }
}

/// Whether operand 0 is flags that `aux` is a condition on.
#[inline]
fn reads_condition(op: Op) -> bool {
    matches!(op, Op::ExitIf | Op::Select | Op::VSelect | Op::SetCond | Op::Ccmp | Op::Ccmn | Op::SelFlags)
}
// There is one for each IR instruction.
const _: () = assert!(size_of::<Val>() == 16);
