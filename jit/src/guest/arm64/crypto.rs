//! AES, SHA-1, SHA-2, SHA-3, SM3 and SM4.

use super::lift::{Insn, Lifted, Lifter};
use super::simd_common::rows;
use crate::ir::{Crypto, Op, Type, Value};

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

/// Vd := what, and `imm`, of these.
fn crypto(l: &mut Lifter<'_>, i: Insn, what: Crypto, imm: u64, args: [Value; 3]) -> Lifted {
    let r = l.b.op(Op::Crypto, Type::V128, &args, 0, what as u64 | imm << 8);
    l.set_vd(i, r)
}

/// Of (Vd, Vn, Vm).
fn dnm(l: &mut Lifter<'_>, i: Insn, what: Crypto) -> Lifted {
    let args = [l.vd(i), l.vn(i), l.vm(i)];
    crypto(l, i, what, 0, args)
}

rows! { dnm:
    sha512h(Crypto::Sha512h);
    sha512h2(Crypto::Sha512h2);
    sha512su1(Crypto::Sha512su1);
    sm3partw1(Crypto::Sm3partw1);
    sm3partw2(Crypto::Sm3partw2);
}

/// Of (Vd, Vn, a word of Vm).
fn sm3tt(l: &mut Lifter<'_>, i: Insn, what: Crypto) -> Lifted {
    let args = [l.vd(i), l.vn(i), l.vm(i)];
    crypto(l, i, what, i.bits(13, 12) as u64, args)
}

rows! { sm3tt:
    sm3tt1a(Crypto::Sm3tt1a);
    sm3tt1b(Crypto::Sm3tt1b);
    sm3tt2a(Crypto::Sm3tt2a);
    sm3tt2b(Crypto::Sm3tt2b);
}

/// Of (Vn, Vm, Va).
fn nma(l: &mut Lifter<'_>, i: Insn, what: Crypto) -> Lifted {
    let args = [l.vn(i), l.vm(i), l.v(i.ra())];
    crypto(l, i, what, 0, args)
}

rows! { nma:
    eor3(Crypto::Eor3);
    bcax(Crypto::Bcax);
    sm3ss1(Crypto::Sm3ss1);
}

/// Of (Vd, Vn).
fn dn(l: &mut Lifter<'_>, i: Insn, what: Crypto) -> Lifted {
    let (d, n) = (l.vd(i), l.vn(i));
    crypto(l, i, what, 0, [d, n, n])
}

rows! { dn:
    sha512su0(Crypto::Sha512su0);
    sm4e(Crypto::Sm4e);
}

/// Of (Vn, Vm).
fn nm(l: &mut Lifter<'_>, i: Insn, what: Crypto, imm: u64) -> Lifted {
    let (n, m) = (l.vn(i), l.vm(i));
    crypto(l, i, what, imm, [n, m, m])
}

/// RAX1.
pub fn rax1(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    nm(l, i, Crypto::Rax1, 0)
}

/// XAR.
pub fn xar(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    nm(l, i, Crypto::Xar, i.bits(15, 10) as u64)
}

/// SM4EKEY.
pub fn sm4ekey(l: &mut Lifter<'_>, i: Insn) -> Lifted {
    nm(l, i, Crypto::Sm4ekey, 0)
}
