//! Instructions without an interpreting function: lifted alone, and their IR interpreted, which has a definition of every operation. Slower than
//! translated code by far, but so would be translating it.

use super::super::lift::{self, Insn};
use super::{Machine, Step};
use crate::guarded::{self, Fault};
use crate::guest::{Fetch, Hints, Limits};
use crate::ir::interp::{Exit, Interp, MemFault, Memory};
use crate::ir::{fx, Block, Mode, Op};
use std::cell::RefCell;

/// The instruction, to be read by the lifter.
struct One(u64, u32);

impl Fetch for One {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        (pc == self.0).then_some(self.1)
    }
}

/// All that is known: features that the CPU must not have.
struct Hidden(u64);

impl Hints for Hidden {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
    fn hidden(&self) -> u64 {
        self.0
    }
}

/// Guest memory, guarded. What it can't do faults, and is translated.
struct Guarded;

impl Memory for Guarded {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let v = if log2 == 4 { guarded::load16(addr) } else { guarded::load(addr, log2).map(u128::from) };
        v.map_err(|Fault| MemFault { addr, write: false })
    }
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        // SAFETY: the guest's own store.
        let done = unsafe {
            match log2 {
                4 => guarded::store16(addr, v),
                _ => guarded::store(addr, log2, v as u64),
            }
        };
        done.map_err(|Fault| MemFault { addr, write: true })
    }
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        let refused = MemFault { addr, write: true };
        if log2 > 3 || addr & ((1 << log2) - 1) != 0 {
            return Err(refused);
        }
        // SAFETY: the guest's own access.
        let old = unsafe { guarded::compare_exchange(addr, log2, expected as u64, new as u64) };
        old.map(u128::from).map_err(|Fault| refused)
    }
}

/// Whether interpreting `op` does all that executing it would: not so where the runtime or another instruction has a part in it.
fn alone(op: Op) -> bool {
    let info = op.info();
    if info.fx & fx::MEM != 0 {
        return matches!(op, Op::Load | Op::Store | Op::AtomicCas) || op as u16 >= Op::AtomicAdd as u16 && op != Op::AtomicCasp;
    }
    info.fx & fx::EXIT == 0
        && !matches!(op, Op::Counter | Op::GetFpsr | Op::SetFpsr | Op::Area | Op::SetArea | Op::Helper | Op::ClrEx)
}

thread_local! {
    /// Reused.
    static SCRATCH: RefCell<(Block, Interp)> = RefCell::default();
}

/// Execute the instruction, if it is one of those.
pub fn other(m: &mut Machine<'_>, i: Insn) -> Step {
    SCRATCH.with_borrow_mut(|(block, interp)| {
        let (pc, next) = (m.cpu.pc, m.cpu.pc.wrapping_add(4));
        block.clear(pc, Mode::default());
        lift::lift_block(block, &One(pc, i.0), &Hidden(m.hidden.0), Limits { insns: 1, side_exits: 0 });
        let (last, rest) = block.insts.split_last().expect("a terminal");
        if last.op != Op::Jump || last.imm != next || !rest.iter().all(|i| alone(i.op)) {
            return Step::Leave;
        }
        interp.nzcv = m.nzcv;
        match interp.run(block, m.cpu, &mut Guarded) {
            Exit::Jump(_) => {
                m.nzcv = interp.nzcv;
                Step::Next
            }
            _ => Step::Leave,
        }
    })
}
