//! From guest code to the block that is emitted.

use crate::guest::{Fetch, Guest, Hints, Limits};
use crate::ir::{self, Block, Mode};

/// How far one translation runs.
pub(super) const LIMITS: Limits = Limits { insns: 64, side_exits: 3 };

/// What the engine would emit for the code at `pc`, into `block`: for tests and tools that look at translations without running them.
pub fn preview(guest: &Guest, block: &mut Block, mem: &dyn Fetch, hints: &dyn Hints, pc: u64, mode: Mode) {
    block.clear(pc, mode);
    (guest.lift)(block, mem, hints, LIMITS);
    look_ahead(guest, block, mem);
}

/// How far from its beginning a block looks ahead at most.
const NEAR: u64 = 2048;

/// What code beyond a lifted block tells about it.
pub(super) fn look_ahead(guest: &Guest, b: &mut Block, mem: &dyn Fetch) {
    if b.backward {
        mark_dead_flags(guest, b, mem);
    }
    b.flags_dead = flags_dead(guest, b, b.pc, mem);
}

/// Whether the flags are overwritten before they can be read from `pc` on. What was looked at for that is something that the block depends on.
fn flags_dead(guest: &Guest, b: &mut Block, pc: u64, mem: &dyn Fetch) -> bool {
    let mut near = b.pc.saturating_sub(NEAR)..b.pc.saturating_add(NEAR);
    let dead = (guest.flags_dead)(pc, mem, &mut near);
    if dead {
        b.seen = b.seen.start.min(near.start)..b.seen.end.max(near.end);
    }
    dead
}

/// Tell the exits backward whose targets overwrite the flags before they read them (loops whose condition is at their end), where the
/// block has flags to bring to rest. What was looked at for that counts as part of the block, so targets far away are left alone; looking
/// ahead from the other exits costs more than it finds.
fn mark_dead_flags(guest: &Guest, b: &mut ir::Block, mem: &dyn Fetch) {
    let mut unsaved = false;
    for n in 0..b.insts.len() {
        let i = b.insts[n];
        match i.op {
            ir::Op::Set if i.reg() == ir::GuestReg::FLAGS => unsaved = true,
            op if unsaved && op.fx() & ir::fx::EXIT != 0 => {
                // An exit that needs them saves them for all that follow.
                unsaved = false;
                let indirect = matches!(op, ir::Op::Trap | ir::Op::JumpInd | ir::Op::CallInd | ir::Op::Return);
                if indirect || i.imm >= b.end {
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
