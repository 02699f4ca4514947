//! Integer data processing: immediate and register forms.

use super::lift::{Insn, Lifted, Lifter};
use crate::ir::Op;

/// ADD (immediate), also MOV to and from SP.
pub fn add_imm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let imm = (i.bits(21, 10) as u64) << if i.bit(22) { 12 } else { 0 };
    let mut v = l.r_sp(i.sf(), i.rn());
    if imm != 0 {
        v = l.b.bin_imm(Op::Add, v, imm);
    }
    l.set_r_sp(i.rd(), v);
    Ok(())
}
