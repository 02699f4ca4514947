//! Hosts: from IR to machine code. Nothing here knows a guest.
//!
//! Each host's emitter runs on any machine. What only the machine itself can do is in its module `native`, whose names `code` uses.

pub mod amd64;
pub mod arm64;
pub mod software;

use crate::ir::{Block, GuestReg};

/// Which guest registers live in which host registers while translated code runs. Made once per (guest, host) pair by
/// zipping the guest's heat list with the host's list of registers to pin.
#[derive(Clone, Debug)]
pub struct Pins {
    /// (guest slot, host general register number).
    pub gprs: Vec<(GuestReg, u8)>,
    /// (guest slot, host vector register number).
    pub vecs: Vec<(GuestReg, u8)>,
}

/// [`Link::short`] of a link without one.
pub const NO_BRANCH: u32 = u32::MAX;

/// A direct exit of a block. Unlinked, its jump leads to a stub of its own that calls the common link stub and is followed by a
/// 32-bit site word; `ExitKind::Link` reports that word's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Offset in the code of the 4-byte jump displacement to patch; within an aligned 8-byte word in the final code.
    pub at: u32,
    /// Offset of the unlinked stub (where an unlinked jump leads).
    pub stub: u32,
    /// Offset of the site word, which `code` fills with the link's index.
    pub site: u32,
    /// Guest pc of the target.
    pub target: u64,
    /// It may lead only to a block that overwrites the flags before it reads them. Its stub brings them to rest and leads on by the next link, which has
    /// the same target; it has no site of its own.
    pub direct: bool,
    /// Offset of a conditional branch to `at`, which leads to the target itself where it reaches so far; [`NO_BRANCH`] if there is none.
    pub short: u32,
}

/// An absolute or external reference in emitted code, so that code can be moved and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloc {
    /// 32-bit pc-relative displacement at `at` to common stub number `stub`.
    Stub { at: u32, stub: u8 },
    /// 64-bit absolute address at `at` of helper number `helper` (see the host's `helpers`).
    Helper { at: u32, helper: u16 },
    /// A guest address at `at`, of 64 bits (`wide`) or of 32 and less than [`Reloc::NARROW`], that moves with the guest's code.
    Place { at: u32, wide: bool },
}

impl Reloc {
    /// What fits 32 bits whether they are extended by zeros or by the sign.
    pub const NARROW: u64 = 1 << 31;

    /// Move the guest address at `at` in code; false if it no longer fits.
    pub fn move_place(code: &mut [u8], at: u32, wide: bool, by: u64) -> bool {
        let Some(field) = code.get_mut(at as usize..) else { return false };
        if wide {
            let Some(field) = field.first_chunk_mut() else { return false };
            *field = u64::from_le_bytes(*field).wrapping_add(by).to_le_bytes();
        } else {
            let Some(field) = field.first_chunk_mut() else { return false };
            let new = u64::from(u32::from_le_bytes(*field)).wrapping_add(by);
            if new >= Reloc::NARROW {
                return false;
            }
            *field = (new as u32).to_le_bytes();
        }
        true
    }
}

/// Where a block can fault: the host offset of the *start* of the faulting host instruction is in `[host, next.host)`, the guest instruction is `pc`.
/// At such a point every pinned guest register is in its host register and every other in its slot; only the flags may be elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Host code offset where this guest instruction's code begins.
    pub host: u32,
    /// Guest pc.
    pub pc: u64,
    /// Where the flags are: 0 = in `Cpu::flags`, else in the host's flags, in the host's way number so and so.
    pub flags: u8,
    /// Further facts for the fault handler: bits of the host's `regs::point`.
    pub bits: u8,
}

/// The product of a host for one block. Reused; `clear` keeps memory.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// Position-independent but for `relocs`.
    pub code: Vec<u8>,
    /// Direct exits.
    pub links: Vec<Link>,
    /// References to fix.
    pub relocs: Vec<Reloc>,
    /// Ascending by host offset. Out-of-line parts have points of their own.
    pub points: Vec<Point>,
    /// Where the out-of-line parts begin, behind the straight line.
    pub cold: u32,
    /// Where code ends and constants begin.
    pub data: u32,
}

impl Emitted {
    /// Empty it, keeping its memory.
    pub fn clear(&mut self) {
        self.code.clear();
        self.links.clear();
        self.relocs.clear();
        self.points.clear();
    }
}

/// A host back end, ready for one (guest, host) pair.
pub trait Backend {
    /// Emit `block` into `out` (cleared first).
    fn emit(&mut self, block: &mut Block, out: &mut Emitted);
    /// The pair's pins.
    fn pins(&self) -> &Pins;
}

/// End `block` before the guest instruction in its middle; whether it has more than one.
pub(crate) fn cut(block: &mut Block) -> bool {
    let half = block.starts.len() / 2;
    if half == 0 {
        return false;
    }
    block.cut(half);
    true
}

#[cfg(target_arch = "x86_64")]
pub use amd64::native::*;
#[cfg(target_arch = "aarch64")]
pub use arm64::native::*;

#[cfg(target_arch = "x86_64")]
use amd64::stubs::Stub;
#[cfg(target_arch = "aarch64")]
use arm64::stubs::Stub;

/// Number of the stub that an exit without a link calls.
pub const STUB_LINK: usize = Stub::Link as usize;
/// Number of the stub that [`enter`] calls.
pub const STUB_ENTER: usize = Stub::Enter as usize;
/// Number of the stub where a fault handler resumes to leave translated code.
pub const STUB_FAULT: usize = Stub::FaultExit as usize;
/// In the enter stub: from here to [`STUB_ENTER_END`] a thread may start over, to see whether it is to run at all.
pub const STUB_ENTER_CHECK: usize = Stub::EnterCheck as usize;
/// See [`STUB_ENTER_CHECK`].
pub const STUB_ENTER_END: usize = Stub::EnterEnd as usize;
/// From here to [`STUB_LOOKUP_LEAVE`] a thread looks for the target of an indirect branch, and may go to [`STUB_PENDING`] instead.
pub const STUB_RETURN_MISS: usize = Stub::ReturnMiss as usize;
/// See [`STUB_RETURN_MISS`].
pub const STUB_LOOKUP_LEAVE: usize = Stub::LookupLeave as usize;
/// Leaves before an indirect branch.
pub const STUB_PENDING: usize = Stub::Pending as usize;
/// Calls a helper; ends at [`STUB_EVAL_END`].
pub const STUB_EVAL: usize = Stub::Eval as usize;
/// See [`STUB_EVAL`].
pub const STUB_EVAL_END: usize = Stub::EvalEnd as usize;
/// What an entry of the return stack leads to so that the thread leaves.
pub const STUB_RET_PENDING: usize = Stub::RetPending as usize;
/// What the base of the return stack leads to.
pub const STUB_RET_EMPTY: usize = Stub::RetEmpty as usize;
