//! Advanced SIMD after Armv8.0, integer: rounding doubling multiply-accumulate, dot products, small matrices.

use super::lift::{Insn, Lifted, Lifter};
use super::simd_common::*;
use crate::ir::{Arr, Dot, Op, Value};

fn rounding_double(l: &mut Lifter<'_>, i: Insn, subtract: u64) -> Lifted {
    let arr = sized(i, HS)?;
    let args = [l.vd(i), l.vn(i), l.vm(i)];
    let r = l.b.vec_imm(Op::VSqrdmlah, arr, &args, subtract);
    l.set_vd(i, r)
}

rows! { rounding_double:
    sqrdmlah(0);
    sqrdmlsh(1);
}

fn push_dot(l: &mut Lifter<'_>, i: Insn, kind: u64, m: Value) -> Lifted {
    let args = [l.vd(i), l.vn(i), m];
    let r = l.b.vec_imm(Op::VDot, i.arr_of(2), &args, kind);
    l.set_vd(i, r)
}

fn dot(l: &mut Lifter<'_>, i: Insn, kind: u64) -> Lifted {
    let m = l.vm(i);
    push_dot(l, i, kind, m)
}

rows! { dot:
    sdot(Dot::SS as u64);
    udot(Dot::UU as u64);
    usdot(Dot::US as u64);
    smmla(Dot::SS as u64 | Dot::Matrix as u64);
    ummla(Dot::UU as u64 | Dot::Matrix as u64);
    usmmla(Dot::US as u64 | Dot::Matrix as u64);
    bfdot(Dot::Bf as u64);
    bfmmla(Dot::BfMatrix as u64);
}

/// The same four bytes of Vm for every lane.
fn dot_element(l: &mut Lifter<'_>, i: Insn, kind: Dot) -> Lifted {
    let m = l.vm(i);
    let index = (i.bit(11) as u64) << 1 | i.bit(21) as u64;
    let m = l.b.vec_imm(Op::VDupLane, Arr::S4, &[m], index);
    push_dot(l, i, kind as u64, m)
}

rows! { dot_element:
    sdot_elem(Dot::SS);
    udot_elem(Dot::UU);
    usdot_elem(Dot::US);
    sudot_elem(Dot::SU);
    bfdot_elem(Dot::Bf);
}
