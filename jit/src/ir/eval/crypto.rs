//! Cryptographic operations (H-simd).
use crate::ir::Inst;
/// See [`super::eval`].
pub fn eval(_i: &Inst, _a: [u128; 3]) -> u128 {
    unreachable!()
}
