//! Semantics of single operations in plain Rust: what the interpreter runs, and what back ends call for an operation
//! that they have no direct code for. Integer-only code: evaluators never touch the host's FPU state.

pub mod crypto;
mod crypto_ext;
mod dot;
pub mod fp;
pub mod fp_x86;
pub mod int;
pub mod softfp;
pub mod vec;
pub mod x86fp;

use super::{fx, Arr, FpRules, Inst, Op};

/// FP environment of an evaluation: FPCR in, FPSR exception bits (as in FPSR: IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7) and QC out (accumulated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// The guest's FPCR.
    pub fpcr: u32,
    /// Exceptions raised, accumulated.
    pub fpsr: u32,
    /// A counted lane saturated.
    pub qc: bool,
    /// Whose FP control and status these are.
    pub rules: FpRules,
}

/// Evaluate one vector, FP or crypto operation (every op with a v128 operand or result except memory and `get`/`set`/`vselect`).
/// Operands and result are 128-bit images; integers are zero-extended (`i32` operands must be given with their upper bits clear).
/// Flags, as an operand (`fccmp`, `fccmpe`) and as a result (these and `fcmp`, `fcmpe`), are NZCV in bits 3..0.
/// `src_ty_bits` is the width (32/64) of an integer operand 0, for `intstof`/`intutof`.
pub fn eval(inst: &Inst, args: [u128; 3], src_ty_bits: u32, env: &mut Env) -> u128 {
    if env.rules == FpRules::X86 && fp_x86::covers(inst.op) {
        let mut x86 = x86fp::Env::sse(env.fpcr);
        let v = fp_x86::eval(inst, args, src_ty_bits, &mut x86);
        env.fpsr |= x86.raised;
        return v;
    }
    match inst.op {
        Op::VMovMask => movmask(inst.arr(), args[0]),
        Op::Fcmp | Op::Fcmpe => fp::eval(inst, args, src_ty_bits, env),
        op if op.info().fx & fx::FP != 0 || matches!(op, Op::FAbs | Op::FNeg) => fp::eval(inst, args, src_ty_bits, env),
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

/// The top bits of the lanes.
fn movmask(arr: Arr, v: u128) -> u128 {
    let bits = arr.ebits();
    (0..arr.lanes() as u32).fold(0, |m, n| m | (v >> (n * bits + bits - 1) & 1) << n)
}

impl Env {
    /// Exceptions that the guest wants to know of by a trap.
    pub fn unmasked(&self) -> bool {
        self.rules == FpRules::X86 && self.fpsr & !(self.fpcr >> 7) & 0x3f != 0
    }
}
