//! Who called whom: from registers and guest memory to a list of frames.
//!
//! For each frame the first that works: the kernel's signal trampoline is known by its instructions, and its frame holds all registers;
//! the module's `.eh_frame`; a jump to where no code is came from x30; the chain of frame records from x29. Frames must lead up the stack, so the
//! walk ends.

use super::memory::{word, Memory, Module};
use gimli::{BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, Pointer, RegisterRule, UnwindContext, UnwindSection};
use syscalls::{Context, GuestAddr};

/// `mov x8, #139; svc #0`
const SIGRETURN: u64 = 0xd400_0001_d280_1168;
/// From the stack pointer of a signal handler's return to the interrupted registers.
const FRAME_X0: u64 = 128 + 176 + 8;
const FP: usize = 29;
const LR: usize = 30;
const SP: usize = 31;
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

/// The registers that an unwinder needs: x0–x30, sp.
#[derive(Clone)]
struct Registers {
    x: [u64; 32],
    pc: u64,
    called: bool,
}

/// The frames, innermost first, `max` at most.
pub fn backtrace(context: &Context, memory: &Memory, max: usize) -> Vec<Frame> {
    let mut at = Registers { x: [0; 32], pc: context.pc, called: false };
    at.x[..31].copy_from_slice(&context.x);
    at.x[SP] = context.sp;
    let mut frames = Vec::new();
    let mut tables = Tables::default();
    while frames.len() < max {
        let signal = memory.executable(at.pc) && word(at.pc) == Some(SIGRETURN);
        frames.push(Frame { pc: at.pc, called: at.called && !signal, signal });
        let Some(next) = caller(&at, memory, &mut tables, signal) else { break };
        let up = next.x[SP] > at.x[SP] || next.x[SP] == at.x[SP] && !at.called && next.pc != at.pc;
        if next.pc == 0 || !(up || signal) {
            break;
        }
        at = next;
    }
    frames
}

fn caller(at: &Registers, memory: &Memory, tables: &mut Tables, signal: bool) -> Option<Registers> {
    if signal {
        return interrupted(at);
    }
    if !memory.executable(at.pc) {
        return (!at.called && memory.executable(at.x[LR])).then(|| Registers { pc: at.x[LR], called: true, ..at.clone() });
    }
    let by_table = memory.module(at.pc).map(|m| tables.caller(at, m));
    match by_table {
        Some(Found::Caller(r)) if memory.executable(r.pc) => Some(r),
        Some(Found::Outermost) => None,
        _ => by_record(at, memory),
    }
}

/// The registers that the kernel saved for the handler's return.
fn interrupted(at: &Registers) -> Option<Registers> {
    let saved = GuestAddr(at.x[SP].wrapping_add(FRAME_X0)).read::<[u64; 33]>().ok()?;
    let mut x = [0; 32];
    x.copy_from_slice(&saved[..32]);
    Some(Registers { x, pc: saved[32], called: false })
}

/// Without a table, the frame record that x29 points at; x30 where the function has not made its own, or makes none.
fn by_record(at: &Registers, memory: &Memory) -> Option<Registers> {
    let fp = at.x[FP];
    let mut next = at.clone();
    if !at.called && memory.executable(at.x[LR]) && calls(at.x[LR].wrapping_sub(4), at.pc) {
        let record_too = GuestAddr(fp.wrapping_add(8)).read::<u64>() == Ok(at.x[LR]);
        if !record_too {
            return Some(Registers { pc: at.x[LR], called: true, ..next });
        }
    }
    if fp & 7 != 0 || fp < at.x[SP] {
        return None;
    }
    let [outer, lr] = GuestAddr(fp).read::<[u64; 2]>().ok()?;
    if !memory.executable(lr) {
        return None;
    }
    (next.x[FP], next.x[SP], next.pc, next.called) = (outer, fp.wrapping_add(16), lr, true);
    Some(next)
}

/// Whether the instruction at `from` is a call of the function that `pc` is in, as far as distance tells: a return address that
/// a function got from its own calls doesn't follow one.
fn calls(from: u64, pc: u64) -> bool {
    const NEAR: u64 = 4096;
    let Ok(insn) = GuestAddr(from).read::<u32>() else { return false };
    let target = from.wrapping_add_signed(i64::from((insn << 6) as i32 >> 4));
    insn >> 26 == 0x25 && pc.wrapping_sub(target) < NEAR
}

enum Found {
    Caller(Registers),
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
    fn caller(&mut self, at: &Registers, module: &Module) -> Found {
        self.try_caller(at, module).unwrap_or(Found::Nothing)
    }

    fn try_caller(&mut self, at: &Registers, module: &Module) -> Option<Found> {
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
        frames.set_vendor(gimli::Vendor::AArch64);
        let entry = frames.fde_from_offset(&bases, ((entry - section) as usize).into(), EhFrame::cie_from_offset).ok()?;
        if !entry.contains(pc) {
            return None;
        }
        let mut context = Box::new(UnwindContext::new());
        let row = entry.unwind_info_for_address(&frames, &bases, &mut context, pc).ok()?;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let cfa = at.x.get(usize::from(register.0))?.wrapping_add_signed(*offset);
        let mut next = at.clone();
        // Who was called and has not saved where to return to has no caller.
        if at.called && !row.registers().any(|(register, _)| usize::from(register.0) == LR) {
            return Some(Found::Outermost);
        }
        for (register, rule) in row.registers() {
            let i = usize::from(register.0);
            if i < SP {
                next.x[i] = match *rule {
                    RegisterRule::SameValue | RegisterRule::Undefined => at.x[i],
                    RegisterRule::Offset(n) => word(cfa.wrapping_add_signed(n))?,
                    RegisterRule::ValOffset(n) => cfa.wrapping_add_signed(n),
                    RegisterRule::Register(r) => *at.x.get(usize::from(r.0))?,
                    _ => return None,
                };
            }
        }
        (next.x[SP], next.pc, next.called) = (cfa, next.x[LR], true);
        Some(Found::Caller(next))
    }
}
