//! Advanced SIMD across lanes, integer.

use super::lift::{Insn, Lifted, Lifter, Undefined};
use super::simd_common::*;
use crate::ir::{Arr, Op};

fn across(l: &mut Lifter<'_>, i: Insn, op: Op) -> Lifted {
    match sized(i, BHS)? {
        Arr::S2 => Err(Undefined),
        arr => l.vunary(i, op, arr),
    }
}

rows! { across:
    addv(Op::VAddv);
    saddlv(Op::VSaddlv);
    uaddlv(Op::VUaddlv);
    smaxv(Op::VSmaxv);
    sminv(Op::VSminv);
    umaxv(Op::VUmaxv);
    uminv(Op::VUminv);
}
