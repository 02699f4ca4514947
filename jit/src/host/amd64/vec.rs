//! Vector operations.

use super::emit::Emitter;
use crate::ir::{Inst, Op, Width};
use crate::regalloc::Home;

impl Emitter<'_> {
    /// Emit a vector operation directly, if there is a way.
    pub fn vector(&mut self, inst: &Inst) -> bool {
        match inst.op {
            Op::VConst => {
                let low = inst.imm as u128;
                let c = if inst.arr().width() == Width::W128 { low | low << 64 } else { low };
                let index = self.asm.pool_index(c);
                self.ra.set_home(self.i, Home::Pool(index));
            }
            _ => return false,
        }
        true
    }
}
