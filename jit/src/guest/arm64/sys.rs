//! Exceptions, hints, barriers and system registers.

use super::lift::{Insn, Lifted, Lifter};

/// Hints, allocated or not: none has an effect that user space must see.
pub fn hint(_l: &mut Lifter<'_>, _i: Insn) -> Lifted {
    Ok(())
}
