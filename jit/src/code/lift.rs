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
    // Whoever executes single steps looks at every register after each.
    if (b.backward || often) && !b.mode.has(Mode::STEP) {
        mark_dead_flags(guest, b, mem);
    }
    if often {
        drop_unread(guest, b);
        fuse::run(b, scratch);
    } else {
        b.flags_dead = flags_dead(guest, b, b.pc, mem);
    }
}

/// Whether the flags are overwritten before they can be read from `pc` on. What was looked at for that is something that the block depends on.
fn flags_dead(guest: &Guest, b: &mut Block, pc: u64, mem: &dyn Fetch) -> bool {
    let far = NEAR[!guest.flag_regs.is_empty() as usize];
    let mut near = b.pc.saturating_sub(far)..b.pc.saturating_add(far);
    let dead = (guest.flags_dead)(pc, mem, &mut near);
    if dead {
        b.seen = b.seen.start.min(near.start)..b.seen.end.max(near.end);
    }
    dead
}

/// Tell the exits whose targets overwrite the flags before they read them, where the block has flags to bring to rest. What was looked at for that
/// counts as part of the block, so targets far away are left alone. Of guests that write flags rarely, only the exits backward are looked at (loops
/// whose condition is at their end): the others cost more than they find.
fn mark_dead_flags(guest: &Guest, b: &mut ir::Block, mem: &dyn Fetch) {
    let often = !guest.flag_regs.is_empty();
    let mut unsaved = false;
    for n in 0..b.insts.len() {
        let i = b.insts[n];
        match i.op {
            ir::Op::Set if i.reg() == ir::GuestReg::FLAGS || guest.flag_regs.contains(&i.reg()) => unsaved = true,
            op if unsaved && op.fx() & ir::fx::EXIT != 0 => {
                // An exit that needs them saves them for all that follow.
                unsaved = false;
                let indirect = matches!(op, ir::Op::Trap | ir::Op::TrapIf | ir::Op::JumpInd | ir::Op::CallInd | ir::Op::Return);
                if indirect || (i.imm >= b.end && !often) {
                    continue;
                }
                if flags_dead(guest, b, i.imm, mem) {
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
                let dead = i.aux & ir::FLAGS_DEAD != 0 && !matches!(op, ir::Op::Trap | ir::Op::TrapIf);
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
