//! Exceptions, hints, barriers, cache maintenance and system registers.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::{features, idregs, regs};
use crate::ir::{Arr, GuestReg, Mem, Op, Trap, Type, Value};

/// SVC.
pub fn svc(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    l.b.trap(Trap::Syscall, Value::NONE, i.bits(20, 5) as u64);
    l.done = true;
    Ok(())
}

/// HVC. User space may not; the runtime's own code reads clock number imm by it, in nanoseconds, into X2.
pub fn hvc(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let clock = u64::from(i.bits(20, 5));
    if clock >= 32 || !l.mem.own_code(l.pc) {
        return Err(Undefined);
    }
    let v = l.b.op(Op::Counter, Type::I64, &[], 0, 2 + clock);
    l.set_r(2, v);
    Ok(())
}

/// BRK.
pub fn brk(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    l.b.trap(Trap::Breakpoint, Value::NONE, i.bits(20, 5) as u64);
    l.done = true;
    Ok(())
}

/// Hints, allocated or not: none has an effect that user space must see. (Pointer authentication is not offered, so the
/// forms in this space do nothing, as on a CPU without it.)
pub fn hint(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Ok(())
}

/// CLREX.
pub fn clrex(l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    l.b.op(Op::ClrEx, Type::None, &[], 0, 0);
    Ok(())
}

fn fence(l: &mut Lifter<'_>, kind: u64) -> Lifted {
    l.b.op(Op::Fence, Type::None, &[], 0, kind);
    Ok(())
}

/// DMB.
pub fn dmb(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    fence(l, [0, 1, 2, 0][i.bits(9, 8) as usize])
}

/// DSB. Nothing after it may start before it ends, so the form that waits for stores also orders later loads.
pub fn dsb(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    fence(l, [0, 1, 0, 0][i.bits(9, 8) as usize])
}

/// ISB: what follows is fetched anew. Threads of one process void one another's translations at once; of what another process has
/// changed in memory shared with it, the runtime learns here.
pub fn isb(l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    l.b.trap(Trap::Synchronize, Value::NONE, 0);
    l.done = true;
    Ok(())
}

/// DC ZVA.
pub fn dc_zva(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x(i.rt());
    let addr = l.b.bin_imm(Op::And, addr, !(idregs::ZVA_BYTES - 1));
    let zero = l.b.vconst(Arr::B16, 0);
    for disp in (0..idregs::ZVA_BYTES as i64).step_by(16) {
        l.b.store(Mem::size(4), addr, Value::NONE, disp, zero);
    }
    Ok(())
}

/// DC CVAC, CVAU, CIVAC: memory is coherent.
pub fn cache_nop(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Ok(())
}

/// DC CVAP, CVADP: likewise, but what isn't mapped faults, as a load would.
pub fn cache_persist(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x(i.rt());
    l.b.load(Type::I64, Mem::size(0), addr, Value::NONE, 0);
    Ok(())
}

/// IC IVAU. What follows in the block is code that depends on its lines, too: the block ends here after all if the line is one of these.
pub fn ic_ivau(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let addr = l.x(i.rt());
    l.b.op(Op::TrapIfCode, Type::None, &[addr], 0, l.pc.wrapping_add(4));
    Ok(())
}

/// Rt = a 64-bit slot.
fn read_slot(l: &mut Lifter<'_>, i: Insn, r: GuestReg) -> Lifted {
    let v = l.b.get(r);
    l.set_r(i.rt(), v);
    Ok(())
}

/// Rt = a constant.
fn read_const(l: &mut Lifter<'_>, i: Insn, c: u64) -> Lifted {
    let v = l.c(true, c);
    l.set_r(i.rt(), v);
    Ok(())
}

/// Rt = the result of an operation without operands.
fn read_op(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let v = l.b.op(op, Type::I64, &[], 0, 0);
    l.set_r(i.rt(), v);
    Ok(())
}

/// SB: nothing is speculated across, as far as the guest can tell.
pub fn sb(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Ok(())
}

/// PSTATE.SSBS in a system register.
const SSBS: u64 = 1 << 12;

/// MSR SSBS, #imm.
pub fn msr_ssbs_imm(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.c(true, if i.bit(8) { 0 } else { SSBS });
    l.b.set(regs::NOT_SSBS, v);
    Ok(())
}

/// MRS SSBS.
pub fn mrs_ssbs(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.b.get(regs::NOT_SSBS);
    let v = l.b.bin_imm(Op::Xor, v, SSBS);
    l.set_r(i.rt(), v);
    Ok(())
}

/// MSR SSBS.
pub fn msr_ssbs(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.x(i.rt());
    let v = l.b.bin_imm(Op::And, v, SSBS);
    let v = l.b.bin_imm(Op::Xor, v, SSBS);
    l.b.set(regs::NOT_SSBS, v);
    Ok(())
}

/// RNDR, RNDRRS: a random number, which is always to be had (NZCV = 0).
pub fn mrs_rndr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.b.op(Op::Counter, Type::I64, &[], 0, 1);
    l.set_r(i.rt(), v);
    let zero = l.c(true, 0);
    let f = l.b.op(Op::FlagsFrom, Type::Flags, &[zero], 0, 0);
    l.set_flags(f);
    Ok(())
}

/// MRS NZCV.
pub fn mrs_nzcv(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let f = l.flags();
    let v = l.b.op(Op::FlagsTo, Type::I64, &[f], 0, 0);
    l.set_r(i.rt(), v);
    Ok(())
}

/// MSR NZCV.
pub fn msr_nzcv(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.x(i.rt());
    let f = l.b.op(Op::FlagsFrom, Type::Flags, &[v], 0, 0);
    l.set_flags(f);
    Ok(())
}

/// MRS FPCR.
pub fn mrs_fpcr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_op(l, i, Op::GetFpcr)
}

/// MSR FPCR: translations depend on it, so the runtime writes it. Bits that can't be written read as zero.
pub fn msr_fpcr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.x(i.rt());
    let hidden = if l.hidden.has(features::FPHP) { regs::fpcr::FZ16 } else { 0 };
    let v = l.b.bin_imm(Op::And, v, (regs::fpcr::WRITABLE & !hidden) as u64);
    l.b.trap(Trap::SetFpcr, v, 0);
    l.done = true;
    Ok(())
}

/// MRS FPSR.
pub fn mrs_fpsr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_op(l, i, Op::GetFpsr)
}

/// MSR FPSR.
pub fn msr_fpsr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.x(i.rt());
    l.b.op(Op::SetFpsr, Type::None, &[v], 0, 0);
    Ok(())
}

/// MRS TPIDR_EL0.
pub fn mrs_tpidr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_slot(l, i, regs::TPIDR)
}

/// MSR TPIDR_EL0.
pub fn msr_tpidr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = l.x(i.rt());
    l.b.set(regs::TPIDR, v);
    Ok(())
}

/// MRS TPIDRRO_EL0.
pub fn mrs_tpidrro(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_slot(l, i, regs::TPIDRRO)
}

/// MRS CTR_EL0.
pub fn mrs_ctr(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_const(l, i, idregs::CTR)
}

/// MRS DCZID_EL0.
pub fn mrs_dczid(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_const(l, i, idregs::DCZID)
}

/// MRS CNTFRQ_EL0.
pub fn mrs_cntfrq(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_const(l, i, idregs::CNTFRQ)
}

/// MRS CNTVCT_EL0.
pub fn mrs_cntvct(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    read_op(l, i, Op::Counter)
}

/// MRS of an identification register of EL1, which Linux emulates.
pub fn mrs_id(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    let v = idregs::read(i.bits(11, 8), i.bits(7, 5), l.hidden).ok_or(Undefined)?;
    read_const(l, i, v)
}
