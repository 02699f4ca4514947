//! The translator: guest machine code → IR → host machine code, and the memory that holds the result.
//! It knows no Linux; what it needs from outside is stated as small traits.

pub mod code;
pub mod cpu;
pub mod guarded;
pub mod guest;
pub mod host;
pub mod ir;
pub mod regalloc;
mod table;
