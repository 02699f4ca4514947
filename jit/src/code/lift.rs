//! From guest code to the block that is emitted.

use super::fuse::{self, Scratch};
use crate::guest::{Fetch, Guest, Hints, Limits};
use crate::ir::{self, Block, Mode};

/// How far one translation runs.
pub(super) const LIMITS: Limits = Limits { insns: 64, side_exits: 3 };

/// What the engine would emit for the code at `pc`, into `block`: for tests and tools that look at translations without running them.
pub fn preview(guest: &Guest, block: &mut Block, mem: &dyn Fetch, hints: &dyn Hints, pc: u64, mode: Mode) {
    block.clear(pc, mode);
    (guest.lift)(block, mem, hints, LIMITS);
    look_ahead(guest, block, mem, &mut Scratch::default());
}

/// How far from its beginning a block looks ahead at most; where every exit counts, and code that changes is watched by pages anyway.
const NEAR: [u64; 2] = [2 << 10, 16 << 10];

/// What code beyond a lifted block tells about it.
pub(super) fn look_ahead(guest: &Guest, b: &mut Block, mem: &dyn Fetch, scratch: &mut Scratch) {
    let often = !guest.flag_regs.is_empty();
    if !often {
        b.flags_dead = overwrites_flags(guest, b, mem);
    }
    // Whoever executes single steps looks at every register after each.
    if (b.backward || b.conditional || often || !b.parts.is_empty()) && !b.mode.has(Mode::STEP) {
        mark_dead_flags(guest, b, mem);
    }
    if often {
        drop_unread(guest, b);
        fuse::run(b, scratch);
    }
}

/// Whether the block overwrites the flags before anything can read them: in it, or where it is left to before.
fn overwrites_flags(guest: &Guest, b: &mut Block, mem: &dyn Fetch) -> bool {
    for n in 0..b.insts.len() {
        let i = b.insts[n];
        let fx = i.op.fx();
        if i.op == ir::Op::Set && i.reg() == ir::GuestReg::FLAGS {
            return true;
        }
        // Flags from before are read where they are used, not by `get`.
        let read = |v: ir::Value| v.is_some() && b.ty(v) == ir::Type::Flags && b.def(b.root(v)).op == ir::Op::Get;
        if fx & ir::fx::READS_FLAGS != 0 && i.args.iter().any(|&v| read(v)) {
            return false;
        }
        if fx & ir::fx::EXIT != 0 {
            // A loop that doesn't read them by itself doesn't in its next round; one without an end may end by a fault, which shows them.
            let ends = fx & ir::fx::TERM != 0;
            let dead = !leads_anywhere(i.op) && (i.imm == b.pc && !ends || flags_dead(guest, b, i.imm, mem));
            if !dead || ends {
                return dead;
            }
        }
    }
    false
}

/// Whether an exit's target isn't known.
fn leads_anywhere(op: ir::Op) -> bool {
    matches!(
        op,
        ir::Op::Trap
            | ir::Op::TrapIf
            | ir::Op::TrapIfCode
            | ir::Op::ExitUnless
            | ir::Op::JumpInd
            | ir::Op::CallInd
            | ir::Op::Return
    )
}

/// Whether the flags are overwritten before they can be read from `pc` on. What was looked at for that is something that the block depends on.
fn flags_dead(guest: &Guest, b: &mut Block, pc: u64, mem: &dyn Fetch) -> bool {
    if !b.parts.is_empty() {
        // A trace depends on many ranges anyway.
        let mut near = pc.saturating_sub(NEAR[0])..pc.saturating_add(NEAR[0]);
        let dead = (guest.flags_dead)(pc, mem, &mut near);
        b.parts.extend(Some(near).filter(|n| dead && !n.is_empty()));
        return dead;
    }
    let far = NEAR[!guest.flag_regs.is_empty() as usize];
    let mut near = b.pc.saturating_sub(far)..b.pc.saturating_add(far);
    let dead = (guest.flags_dead)(pc, mem, &mut near);
    if dead {
        b.seen = b.seen.start.min(near.start)..b.seen.end.max(near.end);
    }
    dead
}

/// Tell the exits whose targets overwrite the flags before they read them, where the block has flags to bring to rest. What was looked at for that
/// counts as part of the block, so targets far away are left alone. Of guests that write flags rarely, only two kinds are looked at (looking ahead from
/// the others costs more than it finds): those backward (loops whose condition is at their end), and those after a conditional compare, which is
/// cheaper where nobody sees all of its flags.
fn mark_dead_flags(guest: &Guest, b: &mut ir::Block, mem: &dyn Fetch) {
    let often = !guest.flag_regs.is_empty();
    let (mut unsaved, mut conditional) = (false, false);
    for n in 0..b.insts.len() {
        let i = b.insts[n];
        match i.op {
            ir::Op::Set if i.reg() == ir::GuestReg::FLAGS || guest.flag_regs.contains(&i.reg()) => {
                unsaved = true;
                conditional = matches!(b.def(b.root(i.args[0])).op, ir::Op::Ccmp | ir::Op::Ccmn);
            }
            op if unsaved && op.fx() & ir::fx::EXIT != 0 => {
                // An exit that needs them saves them for all that follow.
                unsaved = false;
                if leads_anywhere(op) || i.imm >= b.end && !conditional && !often && b.parts.is_empty() {
                    continue;
                }
                let dead = if i.imm == b.pc { b.flags_dead } else { flags_dead(guest, b, i.imm, mem) };
                if dead {
                    b.insts[n].aux |= ir::FLAGS_DEAD;
                    unsaved = true;
                }
            }
            _ => {}
        }
    }
}

/// The registers that live and die with the flags are made by almost every instruction and read by almost none: drop the writes that the block
/// overwrites before it reads them, or leaves to where they are dead. (`set`s that faults may show are not dropped otherwise.)
fn drop_unread(guest: &Guest, b: &mut Block) {
    let mut overwritten = 0u32;
    for n in (0..b.insts.len()).rev() {
        let i = &mut b.insts[n];
        let slot = || guest.flag_regs.iter().position(|&r| r == i.reg()).map_or(0, |at| 1 << at);
        match i.op {
            ir::Op::Set => {
                let bit = slot();
                if overwritten & bit != 0 {
                    let none = [ir::Value::NONE; 3];
                    *i = ir::Inst { op: ir::Op::Nop, ty: ir::Type::None, args: none, imm: 0, facts: ir::fact::NOTHING, ..*i };
                }
                overwritten |= bit;
            }
            ir::Op::Get => overwritten &= !slot(),
            op if op.fx() & ir::fx::EXIT != 0 => {
                let dead = i.aux & ir::FLAGS_DEAD != 0 && !matches!(op, ir::Op::Trap | ir::Op::TrapIf | ir::Op::TrapIfCode);
                overwritten = match op.fx() & ir::fx::TERM != 0 {
                    true if dead => u32::MAX,
                    false if dead => overwritten,
                    _ => 0,
                };
            }
            _ => {}
        }
    }
}
