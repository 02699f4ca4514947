//! The arm64 guest: Armv8-A A64, user space.
//!
//! the `a64_*.decode` files are the table of instructions, one row each: a name, a 32-symbol bit pattern and the lifting function. `build.rs` turns
//! it into a static decision index; the fuzzer draws instructions from the same rows. Lifting functions live by
//! chapter: integer, memory, branches and system; `simd_*` Advanced SIMD; `fp_*` floating point.

pub mod decode;
pub mod features;
mod flagm;
mod flags_ahead;
pub mod interpret;
pub mod lift;
pub mod regs;

mod branch;
mod crypto;
mod fp;
mod fp_ext;
mod fp_simd;
pub mod idregs;
mod int;
mod int_imm;
mod mem;
mod mem_atomic;
mod mem_simd;
mod simd_across;
mod simd_common;
mod simd_element;
mod simd_ext;
mod simd_imm;
mod simd_long;
mod simd_permute;
mod simd_shift;
mod simd_three;
mod simd_two;
mod sys;

pub use regs::GUEST;
