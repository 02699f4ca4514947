//! From guest code to the block that is emitted.

use crate::guest::{Fetch, Guest, Hints, Limits};
use crate::ir::{self, Block, Mode};

/// How far one translation runs.
pub(super) const LIMITS: Limits = Limits { insns: 64, side_exits: 3 };

/// What the engine would emit for the code at `pc`, into `block`: for tests and tools that look at translations without running them.
pub fn preview(guest: &Guest, block: &mut Block, mem: &dyn Fetch, hints: &dyn Hints, pc: u64, mode: Mode) {
    block.clear(pc, mode);
    (guest.lift)(block, mem, hints, LIMITS);
    if block.backward {
        mark_dead_flags(guest, block, mem);
    }
}

/// Tell the exits backward whose targets overwrite the flags before they read them (loops whose condition is at their end), where the
/// block has flags to bring to rest. What was looked at for that counts as part of the block, so targets far away are left alone; looking
/// ahead from the other exits costs more than it finds.
pub(super) fn mark_dead_flags(guest: &Guest, b: &mut ir::Block, mem: &dyn Fetch) {
    const NEAR: u64 = 2048;
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
                let mut near = b.pc.saturating_sub(NEAR)..b.pc.saturating_add(NEAR);
                if (guest.flags_dead)(i.imm, mem, &mut near) {
                    b.insts[n].aux |= ir::FLAGS_DEAD;
                    b.seen = b.seen.start.min(near.start)..b.seen.end.max(near.end);
                    unsaved = true;
                }
            }
            _ => {}
        }
    }
}
