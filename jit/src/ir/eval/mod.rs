//! Semantics of single operations in plain Rust: what the interpreter runs, and what back ends call for an operation
//! that they have no direct code for. Integer-only code: evaluators never touch the host's FPU state.

pub mod crypto;
mod crypto_ext;
mod dot;
pub mod fp;
pub mod int;
pub mod softfp;
pub mod vec;

use super::{Inst, Op};

/// FP environment of an evaluation: FPCR in, FPSR exception bits (as in FPSR: IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7) and QC out (accumulated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// The guest's FPCR.
    pub fpcr: u32,
    /// Exceptions raised, accumulated.
    pub fpsr: u32,
    /// A counted lane saturated.
    pub qc: bool,
}

/// Evaluate one vector, FP or crypto operation (every op with a v128 operand or result except memory and `get`/`set`/`vselect`).
/// Operands and result are 128-bit images; integers are zero-extended (`i32` operands must be given with their upper bits clear).
/// Flags, as an operand (`fccmp`, `fccmpe`) and as a result (these and `fcmp`, `fcmpe`), are NZCV in bits 3..0.
/// `src_ty_bits` is the width (32/64) of an integer operand 0, for `intstof`/`intutof`.
pub fn eval(inst: &Inst, args: [u128; 3], src_ty_bits: u32, env: &mut Env) -> u128 {
    match inst.op {
        Op::Fcmp | Op::Fcmpe => fp::eval(inst, args, src_ty_bits, env),
        op if op.info().fx & super::fx::FP != 0 || matches!(op, Op::FAbs | Op::FNeg) => fp::eval(inst, args, src_ty_bits, env),
        Op::Aese
        | Op::Aesd
        | Op::Aesmc
        | Op::Aesimc
        | Op::Sha1c
        | Op::Sha1p
        | Op::Sha1m
        | Op::Sha1h
        | Op::Sha1su0
        | Op::Sha1su1
        | Op::Sha256h
        | Op::Sha256h2
        | Op::Sha256su0
        | Op::Sha256su1 => crypto::eval(inst, args),
        Op::Crypto => crypto_ext::eval(inst, args),
        Op::VDot => dot::eval(inst, args),
        _ => vec::eval(inst, args, env),
    }
}
