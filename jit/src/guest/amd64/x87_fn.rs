//! The x87's transcendental functions. Their last bits differ between processors; here they are as precise as a double.

use super::x87_ops::{finish_function, function_operands};
use crate::cpu::Cpu;

/// F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS, from 16 on.
pub extern "C" fn function(cpu: &mut Cpu, what: u64, _: u64) -> u64 {
    let two = matches!(what, 17 | 18 | 20);
    let Some((x, y)) = function_operands(cpu, two) else { return 0 };
    let far = matches!(what, 19 | 21..=23) && x.is_finite() && x.abs() >= 9_223_372_036_854_775_808.0;
    let r = match what {
        16 => (x * std::f64::consts::LN_2).exp_m1(),
        17 => y * x.log2(),
        18 => y * x.ln_1p() * std::f64::consts::LOG2_E,
        19 => x.tan(),
        20 => y.atan2(x),
        22 => x.cos(),
        _ => x.sin(),
    };
    let pushed = match what {
        19 => Some(1.0),
        23 => Some(x.cos()),
        _ => None,
    };
    finish_function(cpu, r, pushed, two, far);
    0
}
