//! FP operations (H-fp). `fcmp`/`fcmpe` return NZCV in bits 3..0.
use super::Env;
use crate::ir::Inst;
/// See [`super::eval`].
pub fn eval(_i: &Inst, _a: [u128; 3], _src_bits: u32, _env: &mut Env) -> u128 {
    unreachable!()
}
