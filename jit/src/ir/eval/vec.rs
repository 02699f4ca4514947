//! Integer vector operations (H-simd).
use super::Env;
use crate::ir::Inst;
/// See [`super::eval`].
pub fn eval(_i: &Inst, _a: [u128; 3], _env: &mut Env) -> u128 {
    unreachable!()
}
