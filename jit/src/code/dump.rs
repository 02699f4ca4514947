//! `--dump`: what each stage made of a block, on stderr.

use crate::guest::{Fetch, Guest};
use crate::host::{self, Emitted};
use crate::ir::{text, Block};

/// The block as lifted.
pub fn ir(guest: &Guest, b: &Block) {
    eprint!("{}", text::print(b, guest.reg_name));
}

/// The guest's code, then the host's as placed.
pub fn asm(guest: &Guest, b: &Block, e: &Emitted, host: u64, mem: &dyn Fetch) {
    eprintln!("block {:#x}: {} instructions, {} bytes at {host:#x}", b.pc, b.guest_insns(), e.code.len());
    for &pc in &b.starts {
        let mut bytes = [0; 16];
        let n = mem.fetch_bytes(pc, &mut bytes);
        eprintln!("  {pc:#x}: {}", (guest.disasm)(&bytes[..n], pc));
    }
    // SAFETY: the block has just been placed there.
    let code = unsafe { std::slice::from_raw_parts(host as *const u8, e.code.len()) };
    eprint!("{}", host::disasm(code, host));
}
