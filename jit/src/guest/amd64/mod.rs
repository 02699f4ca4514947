//! The amd64 guest: x86-64-v3 in 64-bit user mode, decoded by iced-x86.
//!
//! | slots | meaning |
//! |---|---|
//! | integer 0–15 | rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8–r15 |
//! | flags | SF, ZF, !CF, OF as N, Z, C, V |
//! | [`regs::PF`] | a value the parity of whose low byte is PF |
//! | [`regs::AF`] | a value whose bit 4, exclusive-or that of the PF slot, is AF |
//! | [`regs::DF`] | 0, or all ones when DF is set |
//! | vector 0–15, 16–31 | low and high halves of ymm0–ymm15 |
//!
//! The x87 state and what else only helpers touch lie in `Cpu::area`, see [`state`].
//!
//! At a fault, flags may be those of an earlier instruction where the code that follows overwrites them before it reads them.

mod alu;
mod atomic;
mod bits;
mod branch;
pub mod cpuid;
mod flags;
mod flags_ahead;
mod helpers;
mod helpers_vec;
mod length;
mod lift;
mod muldiv;
mod operand;
pub mod regs;
mod shift;
pub mod state;
mod string;
mod sys;
mod vec;
mod vec_fp;
mod vec_int;
mod vec_misc;
mod vec_move;
mod wide;
mod x87;
mod x87_fn;
mod x87_ops;
mod xsave;

pub use regs::GUEST;
