//! `--dump`: what each stage made of a block, on stderr.

use crate::guest::{Fetch, Guest};
use crate::host::{self, Emitted};
use crate::ir::{text, Block};

/// The block as lifted.
pub fn ir(guest: &Guest, b: &Block) {
    eprint!("{}", text::print(b, guest.reg_name));
}

/// Each guest instruction followed by its host code.
pub fn asm(guest: &Guest, b: &Block, e: &Emitted, host: u64, mem: &dyn Fetch) {
    eprintln!("block {:#x}: {} instructions, {} bytes at {host:#x}", b.pc, b.guest_insns, e.code.len());
    for (i, p) in e.points.iter().enumerate() {
        let end = e.points.get(i + 1).map_or(e.code.len(), |n| n.host as usize);
        if let Some(w) = mem.fetch32(p.pc) {
            eprintln!("  {:#x}: {}", p.pc, (guest.disasm)(&w.to_le_bytes(), p.pc));
        }
        eprint!("{}", host::disasm(&e.code[p.host as usize..end], host + p.host as u64));
    }
}
