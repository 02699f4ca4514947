//! System calls, hints, barriers and the commonest system registers.

use super::super::lift::Insn;
use super::super::{idregs, regs};
use super::{Machine, Step};
use std::sync::atomic::{fence, Ordering};

/// SVC.
pub fn svc(_m: &mut Machine<'_>, _i: Insn) -> Step {
    Step::Syscall
}

/// Hints: none has an effect that user space must see.
pub fn hint(_m: &mut Machine<'_>, _i: Insn) -> Step {
    Step::Next
}

/// DMB.
pub fn dmb(_m: &mut Machine<'_>, _i: Insn) -> Step {
    fence(Ordering::SeqCst);
    Step::Next
}

/// DSB.
pub fn dsb(m: &mut Machine<'_>, i: Insn) -> Step {
    dmb(m, i)
}

/// DC CVAC, CVAU, CIVAC: memory is coherent.
pub fn cache_nop(_m: &mut Machine<'_>, _i: Insn) -> Step {
    Step::Next
}

fn read(m: &mut Machine<'_>, i: Insn, v: u64) -> Step {
    m.set_x(i.rt(), v);
    Step::Next
}

/// MRS NZCV.
pub fn mrs_nzcv(m: &mut Machine<'_>, i: Insn) -> Step {
    let v = (m.nzcv as u64) << 28;
    read(m, i, v)
}

/// MSR NZCV.
pub fn msr_nzcv(m: &mut Machine<'_>, i: Insn) -> Step {
    m.nzcv = (m.x(i.rt()) >> 28) as u8 & 15;
    Step::Next
}

/// MRS TPIDR_EL0.
pub fn mrs_tpidr(m: &mut Machine<'_>, i: Insn) -> Step {
    let v = *m.slot(regs::TPIDR);
    read(m, i, v)
}

/// MSR TPIDR_EL0.
pub fn msr_tpidr(m: &mut Machine<'_>, i: Insn) -> Step {
    *m.slot(regs::TPIDR) = m.x(i.rt());
    Step::Next
}

/// MRS TPIDRRO_EL0.
pub fn mrs_tpidrro(m: &mut Machine<'_>, i: Insn) -> Step {
    let v = *m.slot(regs::TPIDRRO);
    read(m, i, v)
}

/// MRS CTR_EL0.
pub fn mrs_ctr(m: &mut Machine<'_>, i: Insn) -> Step {
    read(m, i, idregs::CTR)
}

/// MRS DCZID_EL0.
pub fn mrs_dczid(m: &mut Machine<'_>, i: Insn) -> Step {
    read(m, i, idregs::DCZID)
}
