//! The state of one guest CPU (one guest thread) as translated code and the runtime share it.
//!
//! The layout is guest-neutral: a file of 64-bit slots, a file of 128-bit slots and the flags; what the slots mean is
//! said by the guest's register table. While translated code runs, pinned registers live in host registers and
//! their slots are stale; every way out of translated code writes them back first.

use crate::code::filter;
use crate::guest::HelperFn;
use crate::ir::{FpRules, GuestReg};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Number of 64-bit slots.
pub const GPR_SLOTS: usize = 40;
/// Number of 128-bit slots.
pub const VEC_SLOTS: usize = 32;
/// Number of 64-bit words of a guest's own.
pub const AREA_WORDS: usize = 64;
/// Number of 16-byte spill slots for the register allocator.
pub const SPILL_SLOTS: usize = 64;
/// Entries of [`Cpu::heat`], a power of two.
pub const HEAT_ENTRIES: usize = 4096;
/// Entries of the per-thread table that indirect branches look up, a power of two.
pub const JUMP_CACHE_ENTRIES: usize = 4096;
/// Its index is made of the bits from this one on: functions begin at multiples of 16, and each entry has 16 bytes.
pub const JUMP_CACHE_SHIFT: u8 = 4;

/// One entry of the indirect-branch tables. In the first, the index is `(pc >> JUMP_CACHE_SHIFT) & (JUMP_CACHE_ENTRIES - 1)`; in the second,
/// [`second_index`]. An empty entry has a pc that never maps to it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct JumpEntry {
    /// Guest pc.
    pub pc: u64,
    /// Host address of the block's entry.
    pub host: u64,
}

/// Index of `pc` in the second table, whose size less one is `mask`.
pub fn second_index(pc: u64, mask: u32) -> usize {
    (((pc ^ pc >> 13) >> 2) as u32 & mask) as usize
}

/// Why translated code came back (`Cpu::exit_kind`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ExitKind {
    /// Through a direct exit that is not linked yet: `exit_arg` is the address of the exit's site word (see `host::Link`); `pc` is not set.
    Link = 0,
    /// An indirect branch missed the tables: `pc` is the target.
    Lookup = 1,
    /// The thread was asked to leave (`pending`); `pc` is where to go on.
    Pending = 2,
    /// An `Op::Trap`: `exit_arg` = operand, `exit_imm` = detail, `exit_trap` its kind; `pc` as `Trap` says.
    Trap = 3,
    /// Set by the fault handler, never by translated code: a guest fault; `pc` is the faulting instruction.
    Fault = 4,
}

/// Taken (1) around atomic operations that the host has no instruction for.
pub static SPLIT_LOCK: AtomicU32 = AtomicU32::new(0);

/// Memory for values that leave their registers for a while: the first few share a line, and processors store to one line twice as fast as to several.
#[repr(C, align(64))]
pub struct Spills([u128; SPILL_SLOTS]);

/// The state block. Host code addresses it through one register that points [`Cpu::BIAS`] bytes into it, so that the first
/// 256 bytes are reached with 8-bit displacements.
#[repr(C, align(64))]
pub struct Cpu {
    /// The flags in the host's resting shape (the host module says which).
    pub flags: u32,
    /// Non-zero: a signal is waiting. Whoever sets it while translated code runs sees to it that the thread leaves (`Engine::interrupt`);
    /// translated code looks only when it is entered.
    pub pending: AtomicU32,
    /// 64-bit guest slots. Those of arm64's usual pairs (x19 and x20, x21 and x22 …) are 16 aligned bytes.
    pub gpr: [u64; GPR_SLOTS],
    /// First table of indirect branches (`JUMP_CACHE_ENTRIES` entries), or an empty one while the thread is asked to leave.
    pub jump_cache: *const JumpEntry,
    /// Guest pc, valid whenever translated code is not running.
    pub pc: u64,
    /// `ExitKind`.
    pub exit_kind: u32,
    /// `Trap`.
    pub exit_trap: u32,
    /// See `ExitKind`.
    pub exit_arg: u64,
    /// See `ExitKind`.
    pub exit_imm: u64,
    /// The host's FP control word for translated code, with the guest's rounding and the accumulated exception bits.
    pub guest_fpctl: u32,
    /// The host's FP control word for everything else.
    pub host_fpctl: u32,
    /// Second table of indirect branches, looked up when the first misses.
    pub jump_cache2: *const JumpEntry,
    /// Its size less one, times four.
    pub jump_mask2: u32,
    /// Set while translated code runs, its helpers included: the thread holds no lock of the engine then.
    pub inside: AtomicU32,
    /// Host stack pointer to return to the runtime with.
    pub host_sp: u64,
    /// Top of the return stack while translated code doesn't run.
    pub ret_sp: u64,
    /// The return stack when it is empty.
    pub ret_base: u64,
    /// Local exclusive monitor: address, log2 size + 1 (0 = open), value.
    pub excl_addr: u64,
    /// See `excl_addr`.
    pub excl_size: u64,
    /// See `excl_addr`.
    pub excl_value: [u64; 2],
    /// The return stack's pointer in a block that calls a helper; what lies there is the way back into the block.
    pub eval_sp: u64,
    /// 128-bit guest slots.
    pub vec: [u128; VEC_SLOTS],
    /// Non-zero: cumulative saturation (QC).
    pub qc: u128,
    /// FPSR exception bits accumulated by the software paths, and set by the guest (bits 0..4, 7 as in FPSR).
    pub fpsr: u32,
    /// Guest FPCR as written.
    pub fpcr: u32,
    /// The guest's own.
    pub area: [u64; AREA_WORDS],
    /// `Guest::helpers`.
    pub helpers: &'static [HelperFn],
    /// What the host's FP status register accumulated while translated code ran, on hosts that have one apart from the control word.
    pub fp_status: u32,
    /// How many more branches the second table may serve before the engine puts one that misses the first back there.
    pub refill: u32,
    /// [`SPLIT_LOCK`], for hosts whose atomic operations can't cross every boundary.
    pub split_lock: &'static AtomicU32,
    /// The engine's [`filter::Filter`], and the embedder's [`filter::Shown`].
    pub code_lines: *const u8,
    /// See `code_lines`.
    pub code_shown: *const u8,
    /// An operation left to a helper raised an exception that is not masked.
    pub fp_trap: u32,
    /// `Guest::fp`.
    pub rules: FpRules,
    /// Spill slots.
    pub spill: Spills,
    /// Operands of an operation that translated code leaves to a helper.
    pub call_args: [u128; 3],
    /// Its result.
    pub call_result: u128,
    /// Of the host's own, within an instruction.
    pub copy: u128,
    /// Engine: the epoch in which the thread entered translated code, 0 while it is outside.
    pub epoch: AtomicU64,
    /// Engine: the epoch whose code the return stack leads to.
    pub ret_epoch: u64,
    /// Engine: the thread was asked to leave, and links were cut for it.
    pub interrupted: AtomicU32,
    /// Engine: the thread's own tables, which `jump_cache` and `jump_cache2` lead to but for the moments in which it is asked to leave.
    pub tables: [*mut JumpEntry; 2],
    /// Engine: the mask of the second.
    pub own_mask2: u32,
    /// Engine: branches that missed the tables.
    pub misses: u32,
    /// Engine: returns that the top of the return stack didn't match, and branches that missed the first table, if they are counted.
    pub table_misses: [u64; 2],
    /// Counts of how often places are reached, whose sign says that it is enough.
    pub heat: [u32; HEAT_ENTRIES],
    /// Free for the embedder (a pointer to its thread).
    pub user: u64,
}

/// Accessed as a whole, with instructions that demand alignment.
const _: () = assert!(offset_of!(Cpu, excl_value) % 16 == 0);

impl Cpu {
    /// Where in the structure the state register points.
    pub const BIAS: usize = 128;

    /// A fresh CPU: all zero, no jump cache.
    pub fn new() -> Box<Cpu> {
        // SAFETY: every field is plain data for which all-zero is valid (the pointers are null until set), but for two references.
        unsafe {
            let layout = std::alloc::Layout::new::<Cpu>();
            // Not by writing zeros: most of it is never used.
            let at = std::alloc::alloc_zeroed(layout);
            if at.is_null() {
                std::alloc::handle_alloc_error(layout);
            }
            let mut cpu = Box::from_raw(at.cast::<std::mem::MaybeUninit<Cpu>>());
            (&raw mut (*cpu.as_mut_ptr()).helpers).write(&[]);
            (&raw mut (*cpu.as_mut_ptr()).split_lock).write(&SPLIT_LOCK);
            (*cpu.as_mut_ptr()).code_lines = filter::NO_LINES.as_ptr().cast();
            (*cpu.as_mut_ptr()).code_shown = filter::NOTHING_SHOWN.as_ptr().cast();
            cpu.assume_init()
        }
    }

    /// Byte offset of a guest register's slot from the start of the structure.
    pub const fn offset(r: GuestReg) -> usize {
        match r.0 {
            0..=63 => offset_of!(Cpu, gpr) + r.0 as usize * 8,
            64..=127 => offset_of!(Cpu, vec) + (r.0 as usize - 64) * 16,
            _ => offset_of!(Cpu, flags),
        }
    }
}
