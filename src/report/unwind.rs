//! Who called whom: from registers and guest memory to a list of frames.
//!
//! For each frame the first that works: the kernel's signal trampoline is known by its instructions, and its frame holds all registers;
//! the module's `.eh_frame`; a jump to where no code is came from where the call before it left its return address; the chain of frame records. Frames
//! must lead up the stack, so the walk ends.

use super::memory::{word, Memory, Module};
use crate::guest::Frames;
use gimli::{BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, Pointer, RegisterRule, UnwindContext, UnwindSection};
use syscalls::{Context, GuestAddr};

/// Larger tables are not looked at.
const MAX_SECTION: u64 = 16 << 20;

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its pc: the instruction that runs, or the one that a call returns to.
    pub pc: u64,
    /// The pc is a return address.
    pub called: bool,
    /// It is the trampoline of a signal handler.
    pub signal: bool,
}

impl Frame {
    /// An address in the instruction that the frame is at.
    pub fn inside(&self) -> u64 {
        self.pc.wrapping_sub(u64::from(self.called))
    }
}

/// The registers that an unwinder needs, in DWARF's numbering.
#[derive(Clone)]
pub struct Registers {
    /// The registers.
    pub x: [u64; 32],
    /// The pc.
    pub pc: u64,
    /// The pc is a return address.
    pub called: bool,
}

/// The frames, innermost first, `max` at most.
pub fn backtrace(guest: &Frames, context: &Context, memory: &Memory, max: usize) -> Vec<Frame> {
    let sp = guest.sp;
    let mut at = (guest.registers)(context);
    let mut frames = Vec::new();
    let mut tables = Tables::default();
    while frames.len() < max {
        let signal = memory.executable(at.pc) && (guest.is_signal)(at.pc);
        frames.push(Frame { pc: at.pc, called: at.called && !signal, signal });
        let Some(next) = caller(guest, &at, memory, &mut tables, signal) else { break };
        let up = next.x[sp] > at.x[sp] || next.x[sp] == at.x[sp] && !at.called && next.pc != at.pc;
        if next.pc == 0 || !(up || signal) {
            break;
        }
        at = next;
    }
    frames
}

fn caller(guest: &Frames, at: &Registers, memory: &Memory, tables: &mut Tables, signal: bool) -> Option<Registers> {
    if signal {
        return (guest.interrupted)(at);
    }
    if !memory.executable(at.pc) {
        return before_prologue(guest, at).filter(|r| !at.called && memory.executable(r.pc));
    }
    let by_table = memory.module(at.pc).map(|m| tables.caller(guest, at, m));
    match by_table {
        Some(Found::Caller(r)) if memory.executable(r.pc) => Some(*r),
        Some(Found::Outermost) => None,
        _ => by_record(guest, at, memory),
    }
}

/// The caller of a function that has done nothing yet.
fn before_prologue(guest: &Frames, at: &Registers) -> Option<Registers> {
    let mut next = Registers { called: true, ..at.clone() };
    if guest.link {
        next.pc = at.x[guest.ra];
    } else {
        next.pc = word(at.x[guest.sp])?;
        next.x[guest.sp] = at.x[guest.sp].wrapping_add(8);
    }
    Some(next)
}

/// Without a table, the frame record that the frame pointer points at; but where the function has not made its own, or makes none, what the call left.
fn by_record(guest: &Frames, at: &Registers, memory: &Memory) -> Option<Registers> {
    let fp = at.x[guest.fp];
    if let Some(early) = before_prologue(guest, at).filter(|r| !at.called && memory.executable(r.pc)) {
        let record_too = guest.link && GuestAddr(fp.wrapping_add(8)).read::<u64>() == Ok(early.pc);
        if !record_too && (guest.follows_call)(early.pc, at.pc) {
            return Some(early);
        }
    }
    let mut next = at.clone();
    if fp & 7 != 0 || fp < at.x[guest.sp] {
        return None;
    }
    let [outer, back] = GuestAddr(fp).read::<[u64; 2]>().ok()?;
    if !memory.executable(back) {
        return None;
    }
    (next.x[guest.fp], next.x[guest.sp], next.pc, next.called) = (outer, fp.wrapping_add(16), back, true);
    Some(next)
}

enum Found {
    Caller(Box<Registers>),
    /// The table says that nobody called.
    Outermost,
    Nothing,
}

/// `.eh_frame_hdr` and `.eh_frame` of the module that was looked at last.
#[derive(Default)]
struct Tables {
    module: u64,
    header: Vec<u8>,
    frames: Vec<u8>,
}

fn read(start: u64, end: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; end.checked_sub(start).filter(|&n| n <= MAX_SECTION)? as usize];
    GuestAddr(start).read_bytes(&mut bytes).ok()?;
    Some(bytes)
}

impl Tables {
    fn caller(&mut self, guest: &Frames, at: &Registers, module: &Module) -> Found {
        self.try_caller(guest, at, module).unwrap_or(Found::Nothing)
    }

    fn try_caller(&mut self, guest: &Frames, at: &Registers, module: &Module) -> Option<Found> {
        let hdr = &module.eh_frame_hdr;
        if self.module != hdr.start {
            self.frames.clear();
            self.header = read(hdr.start, hdr.end)?;
            self.module = hdr.start;
        }
        let pc = at.pc.wrapping_sub(u64::from(at.called));
        let bases = BaseAddresses::default().set_eh_frame_hdr(hdr.start);
        let parsed = EhFrameHdr::new(&self.header, LittleEndian).parse(&bases, 8).ok()?;
        let Pointer::Direct(section) = parsed.eh_frame_ptr() else { return None };
        let Pointer::Direct(entry) = parsed.table()?.lookup(pc, &bases).ok()? else { return None };
        // The section's size is written nowhere: as much as this entry needs.
        let len = GuestAddr(entry).read::<u32>().ok()?;
        let end = entry.checked_add(4)?.checked_add(u64::from(len))?;
        if end.checked_sub(section)? > self.frames.len() as u64 {
            self.frames = read(section, end)?;
        }
        let bases = bases.set_eh_frame(section);
        let mut frames = EhFrame::new(&self.frames, LittleEndian);
        frames.set_address_size(8);
        frames.set_vendor(guest.vendor);
        let entry = frames.fde_from_offset(&bases, ((entry - section) as usize).into(), EhFrame::cie_from_offset).ok()?;
        if !entry.contains(pc) {
            return None;
        }
        let mut context = Box::new(UnwindContext::new());
        let row = entry.unwind_info_for_address(&frames, &bases, &mut context, pc).ok()?;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let cfa = at.x.get(usize::from(register.0))?.wrapping_add_signed(*offset);
        let mut next = at.clone();
        // Who has nowhere to return to has no caller; nor has who was called and has not saved where to.
        match row.registers().find(|(register, _)| usize::from(register.0) == guest.ra) {
            Some((_, RegisterRule::Undefined)) => return Some(Found::Outermost),
            None if guest.link && !at.called => {}
            None => return Some(Found::Outermost),
            Some(_) => {}
        }
        for (register, rule) in row.registers() {
            let i = usize::from(register.0);
            if i < at.x.len() && i != guest.sp {
                next.x[i] = match *rule {
                    RegisterRule::SameValue | RegisterRule::Undefined => at.x[i],
                    RegisterRule::Offset(n) => word(cfa.wrapping_add_signed(n))?,
                    RegisterRule::ValOffset(n) => cfa.wrapping_add_signed(n),
                    RegisterRule::Register(r) => *at.x.get(usize::from(r.0))?,
                    _ => return None,
                };
            }
        }
        (next.x[guest.sp], next.pc, next.called) = (cfa, next.x[guest.ra], true);
        Some(Found::Caller(Box::new(next)))
    }
}
