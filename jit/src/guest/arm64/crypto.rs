//! AES, SHA-1 and SHA-256.

use super::lift::{Insn, Lifted, Lifter};
use super::simd_common::rows;
use crate::ir::{Op, Type};

/// Vd := op(Vd, Vn, Vm).
fn three(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let args = [l.vd(i), l.vn(i), l.vm(i)];
    let r = l.b.op(op, Type::V128, &args, 0, 0);
    l.set_vd(i, r)
}

rows! { three:
    sha1c(Op::Sha1c);
    sha1p(Op::Sha1p);
    sha1m(Op::Sha1m);
    sha1su0(Op::Sha1su0);
    sha256h(Op::Sha256h);
    sha256h2(Op::Sha256h2);
    sha256su1(Op::Sha256su1);
}

/// Vd := op(Vd, Vn).
fn two(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let args = [l.vd(i), l.vn(i)];
    let r = l.b.op(op, Type::V128, &args, 0, 0);
    l.set_vd(i, r)
}

rows! { two:
    aese(Op::Aese);
    aesd(Op::Aesd);
    sha1su1(Op::Sha1su1);
    sha256su0(Op::Sha256su0);
}

/// Vd := op(Vn).
fn one(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    let n = l.vn(i);
    let r = l.b.op(op, Type::V128, &[n], 0, 0);
    l.set_vd(i, r)
}

rows! { one:
    aesmc(Op::Aesmc);
    aesimc(Op::Aesimc);
    sha1h(Op::Sha1h);
}
