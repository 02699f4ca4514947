//! A thread's own memory beside its [`Cpu`]: the return stack, the tables of indirect branches, and a stack for host signal handlers
//! (which must not run on the return stack).
//!
//! One mapping, lowest first: signal stack, an inaccessible page, return stack, first table. The return stack grows down into the
//! inaccessible page, and is empty again then: see [`overflowed`].

use crate::cpu::{Cpu, JumpEntry, JUMP_CACHE_ENTRIES, JUMP_CACHE_SHIFT};
use std::ptr;

const PAGE: usize = 4096;
/// Room for the kernel's frame with all of the processor's state, and for handlers.
const SIGNAL_STACK: usize = 15 * PAGE;
/// Entries as the host has them, and those at the base that lead out.
const RETURN_STACK: usize = 16 * PAGE;
const BASE: usize = 8 * ENTRY;
const ENTRY: usize = crate::host::RETURN_ENTRY;
const TABLE: usize = JUMP_CACHE_ENTRIES * size_of::<JumpEntry>();
const SIZE: usize = SIGNAL_STACK + PAGE + RETURN_STACK + TABLE;
/// How many misses it takes for the first table to be made at once.
const FIRST: u32 = 16;
/// Branches that the second table serves before one of them is noted in the first, too. It takes as long as twenty of them.
const REFILL: u32 = 63;
/// Entries of the second table, and how many misses it takes to have so many: a short process has no use for it.
const SECOND: [(u32, usize); 2] = [(1 << 11, 1 << 14), (1 << 14, 1 << 16)];

/// A table that finds nothing, under any mask but 0.
struct Nothing([JumpEntry; JUMP_CACHE_ENTRIES]);
// SAFETY: never written.
unsafe impl Sync for Nothing {}

/// A pc that doesn't map to entry 0 of either table.
const NOT_FIRST: u64 = 1 << JUMP_CACHE_SHIFT | 4;

/// All zero but for the entry that pc 0 maps to, which would match.
static NOTHING: Nothing = Nothing({
    let mut t = [JumpEntry { pc: 0, host: 0 }; JUMP_CACHE_ENTRIES];
    t[0].pc = NOT_FIRST;
    t
});

/// For [`NOTHING`] as second table: two entries, so that each can have the pc that maps to the other.
const NOTHING_MASK: u32 = 1;

/// Index in the first table.
pub fn index(pc: u64) -> usize {
    (pc >> JUMP_CACHE_SHIFT) as usize & (JUMP_CACHE_ENTRIES - 1)
}

/// A pc that never maps to entry `i` of either table, so that an empty entry never matches.
pub fn empty_pc(i: usize) -> u64 {
    if i == 0 {
        NOT_FIRST
    } else {
        0
    }
}

/// Give `cpu` its memory. Panics without any.
pub fn attach(cpu: &mut Cpu) {
    // SAFETY: a fresh mapping of our own, zero, parted as said above.
    unsafe {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let at = libc::mmap(ptr::null_mut(), SIZE, libc::PROT_READ | libc::PROT_WRITE, kind, -1, 0);
        assert!(at != libc::MAP_FAILED, "out of memory");
        let at = at.cast::<u8>();
        assert!(libc::mprotect(at.add(SIGNAL_STACK).cast(), PAGE, libc::PROT_NONE) == 0, "out of memory");
        let end = at.add(SIGNAL_STACK + PAGE + RETURN_STACK);
        cpu.ret_base = (end as usize - BASE) as u64;
        cpu.tables[0] = end.cast();
        (*cpu.tables[0]).pc = empty_pc(0);
    }
    restore_tables(cpu);
}

/// What `cpu` has counted since the last time.
pub fn take_misses(cpu: &mut Cpu) -> [u64; 2] {
    std::mem::take(&mut cpu.table_misses)
}

/// Give it back.
///
/// # Safety
/// The thread that ran `cpu` does not handle signals on that stack any more, and nobody knows its tables.
pub unsafe fn detach(cpu: &mut Cpu) {
    // SAFETY: mapped or allocated by us.
    unsafe {
        if !cpu.tables[1].is_null() {
            std::alloc::dealloc(cpu.tables[1].cast(), second_layout(cpu.own_mask2 as usize + 1));
        }
        if !cpu.tables[0].is_null() {
            let end = cpu.tables[0].cast::<u8>();
            libc::munmap(end.sub(SIGNAL_STACK + PAGE + RETURN_STACK).cast(), SIZE);
        }
    }
}

/// The stack for host signal handlers: lowest address and size.
pub fn signal_stack(cpu: &Cpu) -> (u64, usize) {
    (cpu.tables[0] as u64 - (SIGNAL_STACK + PAGE + RETURN_STACK) as u64, SIGNAL_STACK)
}

/// Whether `addr`, which could not be accessed, is where the return stack of `cpu` ends.
pub fn overflowed(cpu: &Cpu, addr: u64) -> bool {
    let end = cpu.tables[0] as u64 - RETURN_STACK as u64;
    (end - PAGE as u64..end).contains(&addr)
}

/// Empty the return stack; its base entries lead to host address `empty`.
pub fn reset_returns(cpu: &mut Cpu, empty: u64) {
    cpu.ret_sp = cpu.ret_base;
    for at in (0..BASE).step_by(ENTRY) {
        // SAFETY: the base entries are the last in the return stack, above all that is in use.
        unsafe {
            let entry = (cpu.ret_base as *mut u8).add(at);
            entry.write_bytes(0, ENTRY);
            entry.cast::<u64>().write(empty);
        }
    }
}

/// The top entries of the return stack, seen from `sp`, lead to host address `to` from now on.
pub fn redirect_returns(cpu: &Cpu, sp: u64, to: u64) {
    let first = sp.next_multiple_of(ENTRY as u64);
    let end = cpu.ret_base + BASE as u64;
    for entry in (0..4).map(|n| first + n * ENTRY as u64).filter(|p| (end - RETURN_STACK as u64..end).contains(p)) {
        // SAFETY: an entry in the return stack of a thread that is stopped in its signal handler.
        unsafe { (entry as *mut u64).write_volatile(to) };
    }
}

/// Every indirect branch misses from now on.
pub fn empty_tables(cpu: &mut Cpu) {
    (cpu.jump_cache, cpu.jump_cache2, cpu.jump_mask2) = (NOTHING.0.as_ptr(), NOTHING.0.as_ptr(), NOTHING_MASK << 2);
}

/// The thread's own tables are looked up again.
pub fn restore_tables(cpu: &mut Cpu) {
    cpu.jump_cache = cpu.tables[0];
    (cpu.jump_cache2, cpu.jump_mask2) = match cpu.tables[1].is_null() {
        true => (NOTHING.0.as_ptr(), NOTHING_MASK << 2),
        // Translated code has the index four times as large: see `stubs::entry`.
        false => (cpu.tables[1].cast_const(), cpu.own_mask2 << 2),
    };
}

fn second_layout(entries: usize) -> std::alloc::Layout {
    // No stricter than malloc's own: then fresh memory of the kernel's is not cleared again.
    std::alloc::Layout::array::<JumpEntry>(entries).expect("a constant layout")
}

/// Make the pages of `bytes` bytes from `at` on, which are about to be used, at once: at half the price of a page fault each. Tables are read before they are
/// written, which takes even two, the second with a word to every processor that the process runs on.
pub(super) fn populate<T>(at: *mut T, bytes: usize) {
    let before = at as usize & (PAGE - 1);
    // SAFETY: whole pages of which at least a part is the caller's; nothing in them changes. Where the kernel doesn't know the advice they come by faults.
    unsafe { libc::madvise(at.wrapping_byte_sub(before).cast(), before + bytes, libc::MADV_POPULATE_WRITE) };
}

/// Have a second table of so many entries.
#[cold]
fn grow(cpu: &mut Cpu, entries: usize) {
    // SAFETY: the layout is not empty; zero is a valid entry.
    let table: *mut JumpEntry = unsafe { std::alloc::alloc_zeroed(second_layout(entries)) }.cast();
    if table.is_null() {
        return;
    }
    populate(table, entries * size_of::<JumpEntry>());
    let (old, mask) = (cpu.tables[1], entries as u32 - 1);
    // SAFETY: indices within the tables. The old one is the thread's own, which is here, and with the engine's lock held nobody else looks at it.
    unsafe {
        (*table).pc = empty_pc(0);
        if !old.is_null() {
            let before = cpu.own_mask2 as usize + 1;
            for n in 0..before {
                let entry = *old.add(n);
                if entry.pc != empty_pc(n) {
                    *table.add(crate::cpu::second_index(entry.pc, mask)) = entry;
                }
            }
            std::alloc::dealloc(old.cast(), second_layout(before));
        }
    }
    cpu.tables[1] = table;
    cpu.own_mask2 = mask;
    restore_tables(cpu);
}

/// Neither table has what is to be noted: have them as large as that many are worth.
fn missed(cpu: &mut Cpu) {
    cpu.misses = cpu.misses.wrapping_add(1);
    if cpu.misses == FIRST {
        populate(cpu.tables[0], TABLE);
    }
    if cpu.misses & 0x7ff == 0 {
        if let Some(&(_, entries)) = SECOND.iter().find(|s| s.0 == cpu.misses) {
            grow(cpu, entries);
        }
    }
}

/// Note where `pc` is translated. With the engine's lock held.
pub fn remember(cpu: &mut Cpu, pc: u64, host: u64) {
    cpu.refill = REFILL;
    if recall(cpu, pc).is_none() {
        missed(cpu);
    }
    // SAFETY: indices within tables that the CPU owns; the thread itself is here, so nobody reads them but `forget`.
    unsafe {
        *cpu.tables[0].add(index(pc)) = JumpEntry { pc, host };
        if !cpu.tables[1].is_null() {
            *cpu.tables[1].add(crate::cpu::second_index(pc, cpu.own_mask2)) = JumpEntry { pc, host };
        }
    }
}

/// The translation of `pc` that the first table has.
pub fn recall_first(cpu: &Cpu, pc: u64) -> Option<u64> {
    // SAFETY: the index is within the table.
    let first = unsafe { &*cpu.tables[0].add(index(pc)) };
    (first.pc == pc).then_some(first.host)
}

/// The translation of `pc` that the tables have.
pub fn recall(cpu: &Cpu, pc: u64) -> Option<u64> {
    if let Some(host) = recall_first(cpu, pc) {
        return Some(host);
    }
    // SAFETY: the index is within the table.
    unsafe {
        let second = cpu.tables[1].as_ref().map(|_| &*cpu.tables[1].add(crate::cpu::second_index(pc, cpu.own_mask2)));
        second.filter(|e| e.pc == pc).map(|e| e.host)
    }
}

/// Drop `pc` (or everything) from a CPU's tables. Its thread may be reading: an entry's pc is one aligned word, and the
/// code that an entry found before leads to stays mapped.
///
/// # Safety
/// The CPU and its tables are alive.
pub unsafe fn forget(cpu: *mut Cpu, pc: Option<u64>) {
    // SAFETY: by the contract; single-word stores, racy by design as said above.
    unsafe {
        let drop = |table: *mut JumpEntry, i: usize, pc: u64| {
            let e = table.add(i);
            if (&raw const (*e).pc).read_volatile() == pc {
                (&raw mut (*e).pc).write_volatile(empty_pc(i));
            }
        };
        let [first, second] = (*cpu).tables;
        let mask = (*cpu).own_mask2;
        match pc {
            Some(pc) => {
                drop(first, index(pc), pc);
                if !second.is_null() {
                    drop(second, crate::cpu::second_index(pc, mask), pc);
                }
            }
            None => {
                (0..JUMP_CACHE_ENTRIES).for_each(|n| (&raw mut (*first.add(n)).pc).write_volatile(empty_pc(n)));
                if !second.is_null() {
                    (0..=mask as usize).for_each(|n| (&raw mut (*second.add(n)).pc).write_volatile(empty_pc(n)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `remember` stores is where translated code looks: it masks `pc ^ pc >> 13` and multiplies by four.
    #[test]
    fn translated_code_finds_what_is_remembered() {
        let mut cpu = Cpu::new();
        attach(&mut cpu);
        let pcs = (0..6000u64).map(|n| 0x7f0f_8000_0000 + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34 & !3));
        for (n, pc) in pcs.clone().enumerate() {
            remember(&mut cpu, pc, n as u64 + 1);
        }
        assert!(!cpu.tables[1].is_null());
        let mut found = 0;
        for (n, pc) in pcs.enumerate().skip(2048) {
            let index = (pc ^ pc >> 13) as u32 & cpu.jump_mask2;
            // SAFETY: within the table, as the mask has it.
            let e = unsafe { cpu.jump_cache2.cast::<u8>().add(index as usize * 4).cast::<JumpEntry>().read_unaligned() };
            found += usize::from(e.pc == pc && e.host == n as u64 + 1);
        }
        // The others were displaced.
        assert!(found > 3500, "{found}");
        // SAFETY: no thread has it.
        unsafe { detach(&mut cpu) };
    }
}
