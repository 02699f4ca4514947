//! Floating point by x86's rules.

use super::emit::Emitter;
use crate::ir::Inst;

impl Emitter<'_> {
    /// Emit an FP operation directly, if there is a way.
    pub fn fp_x86(&mut self, _inst: &Inst) -> bool {
        false
    }
}
