//! The interpreter: runs a block on a [`Cpu`], one operation at a time, by the plain semantics in [`eval`](super::eval). It is the
//! oracle for the back ends.
//!
//! Flags live in [`Interp::nzcv`], not in `Cpu::flags`, whose shape is the host's business. FPSR exceptions and QC are
//! accumulated in the `Cpu`'s own fields.

use super::eval::{self, int, Env};
use super::op::SPLIT;
use super::{fx, Block, FpRules, Inst, Op, Trap, Type, Value};
use crate::cpu::Cpu;
use std::sync::atomic::{fence, Ordering};

/// An access that memory refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemFault {
    /// Address of the access.
    pub addr: u64,
    /// It was a write.
    pub write: bool,
}

/// Guest memory. `log2` is the access size (0 = 1 byte … 4 = 16 bytes); values are little-endian images, zero-extended.
pub trait Memory {
    /// Read.
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault>;
    /// Write the low bits of `v`.
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault>;
    /// Atomically write `new` if the memory holds `expected`; returns what it held.
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault>;
}

/// The process's own memory: guest addresses are host addresses. A bad address faults as any bad pointer does.
pub struct HostMemory(());

impl HostMemory {
    /// # Safety
    /// Blocks run on it must access only memory that may be accessed in this way: mapped with the right permissions and not
    /// owned by any Rust reference.
    pub unsafe fn new() -> HostMemory {
        HostMemory(())
    }
}

impl Memory for HostMemory {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let p = addr as *const u8;
        // SAFETY: the constructor's contract; unaligned reads have no alignment need.
        Ok(unsafe {
            match log2 {
                0 => p.read_volatile() as u128,
                1 => p.cast::<u16>().read_unaligned() as u128,
                2 => p.cast::<u32>().read_unaligned() as u128,
                3 => p.cast::<u64>().read_unaligned() as u128,
                _ => p.cast::<u128>().read_unaligned(),
            }
        })
    }

    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        let p = addr as *mut u8;
        // SAFETY: as above.
        unsafe {
            match log2 {
                0 => p.write_volatile(v as u8),
                1 => p.cast::<u16>().write_unaligned(v as u16),
                2 => p.cast::<u32>().write_unaligned(v as u32),
                3 => p.cast::<u64>().write_unaligned(v as u64),
                _ => p.cast::<u128>().write_unaligned(v),
            }
        }
        Ok(())
    }

    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicU8};
        macro_rules! cas {
            ($atomic:ident, $int:ident) => {{
                // SAFETY: the constructor's contract, and the address is aligned (tested below).
                let a = unsafe { $atomic::from_ptr(addr as *mut $int) };
                a.compare_exchange(expected as $int, new as $int, Ordering::SeqCst, Ordering::SeqCst).unwrap_or_else(|v| v)
                    as u128
            }};
        }
        if addr & ((1 << log2) - 1) != 0 || log2 > 3 {
            // No plain-Rust atomic exists for these: an interpreter that shares such memory between threads is not supported.
            let old = self.load(addr, log2)?;
            if old == expected {
                self.store(addr, log2, new)?;
            }
            return Ok(old);
        }
        Ok(match log2 {
            0 => cas!(AtomicU8, u8),
            1 => cas!(AtomicU16, u16),
            2 => cas!(AtomicU32, u32),
            _ => cas!(AtomicU64, u64),
        })
    }
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// To a constant pc: `jump` or a side exit.
    Jump(u64),
    /// `jump_ind`.
    Indirect(u64),
    /// `call` or `call_ind` to this pc; the return address is the block's end.
    Call(u64),
    /// `return`.
    Return(u64),
    /// `trap`, with its operand (0 without one) and its detail.
    Trap(Trap, u64, u64),
    /// `trap_if` of the guest instruction at a pc, with its detail.
    TrapAt(u64, Trap, u64),
    /// A memory operation of the guest instruction at `pc` faulted; the registers are those before the instruction.
    Fault(u64, MemFault),
}

impl Exit {
    /// The guest pc to go on at, where the exit itself says it.
    pub fn pc(self) -> Option<u64> {
        match self {
            Exit::Jump(pc)
            | Exit::Indirect(pc)
            | Exit::Call(pc)
            | Exit::Return(pc)
            | Exit::Fault(pc, _)
            | Exit::TrapAt(pc, ..) => Some(pc),
            Exit::Trap(..) => None,
        }
    }
}

/// The interpreter's own state; reuse it to keep its memory.
#[derive(Clone, Debug, Default)]
pub struct Interp {
    /// The guest's flags: NZCV in bits 3..0.
    pub nzcv: u8,
    /// What `counter` reads; the caller advances it.
    pub counter: u64,
    values: Vec<u128>,
    env: Env,
}

impl Interp {
    /// Run a verified block to its exit.
    pub fn run(&mut self, b: &Block, cpu: &mut Cpu, mem: &mut dyn Memory) -> Exit {
        self.values.clear();
        self.env = Env { fpcr: cpu.fpcr, rules: b.fp, ..Env::default() };
        for i in &b.insts {
            let step = self.step(b, i, cpu, mem);
            let trapped = self.env.unmasked();
            cpu.fpsr |= std::mem::take(&mut self.env.fpsr);
            if trapped {
                return Exit::TrapAt(b.pc_of(i), Trap::FpException, 0);
            }
            cpu.qc |= std::mem::take(&mut self.env.qc) as u128;
            match step {
                Ok(Step::Value(v)) => self.values.push(v),
                Ok(Step::Leave(exit)) => return exit,
                Err(fault) => return Exit::Fault(b.pc_of(i), fault),
            }
        }
        Exit::Jump(b.end)
    }

    fn value(&self, v: Value) -> u128 {
        if v.is_some() {
            self.values[v.index()]
        } else {
            0
        }
    }

    fn step(&mut self, b: &Block, i: &Inst, cpu: &mut Cpu, mem: &mut dyn Memory) -> Result<Step, MemFault> {
        let args = i.args.map(|a| self.value(a));
        let small = args.map(|a| a as u64);
        if i.op.info().fx & fx::EXIT != 0 {
            return Ok(leave(b, i, small[0]));
        }
        if i.op.info().fx & fx::MEM != 0 {
            return memory(i, args, cpu, mem).map(Step::Value);
        }
        if int::covers(i.op) {
            let width = if i.args[1].is_some() { b.ty(i.args[1]).bits() } else { 0 };
            return Ok(Step::Value(int::eval(i, small, width) as u128));
        }
        Ok(Step::Value(match i.op {
            Op::Nop | Op::Enter | Op::Unwind => 0,
            Op::FlagsOf => {
                let def = b.def(i.args[0]);
                int::flags_of(def, def.args.map(|a| self.value(a) as u64)) as u128
            }
            Op::VSelect => args[if i.cond().holds(small[0] as u8) { 1 } else { 2 }],
            Op::Get | Op::Set | Op::ClrEx | Op::Counter | Op::GetFpcr | Op::GetFpsr | Op::SetFpsr => self.state(i, args[0], cpu),
            Op::Area => cpu.area[i.imm as usize] as u128,
            Op::SetArea => {
                cpu.area[i.imm as usize] = small[0];
                0
            }
            Op::Helper => cpu.helpers[i.imm as usize](cpu, small[0], small[1]) as u128,
            _ => {
                let width = if i.args[0].is_some() { b.ty(i.args[0]).bits() } else { 0 };
                eval::eval(i, args, width, &mut self.env)
            }
        }))
    }

    /// Operations on guest state.
    fn state(&mut self, i: &Inst, a: u128, cpu: &mut Cpu) -> u128 {
        let slot = i.imm as usize;
        match (i.op, i.imm) {
            (Op::Get, 0..=63) if i.ty == Type::I32 => return cpu.gpr[slot] as u32 as u128,
            (Op::Get, 0..=63) => return cpu.gpr[slot] as u128,
            (Op::Get, 64..=127) => return cpu.vec[slot - 64],
            (Op::Get, _) => return self.nzcv as u128,
            (Op::Set, 0..=63) => cpu.gpr[slot] = a as u64,
            (Op::Set, 64..=127) => cpu.vec[slot - 64] = a,
            (Op::Set, _) => self.nzcv = a as u8,
            (Op::ClrEx, _) => cpu.excl_size = 0,
            (Op::Counter, _) => return self.counter as u128,
            (Op::GetFpcr, _) => return cpu.fpcr as u128,
            (Op::GetFpsr, _) if self.env.rules == FpRules::X86 => return (cpu.fpsr & 0x3f) as u128,
            (Op::GetFpsr, _) => return (cpu.fpsr | ((cpu.qc != 0) as u32) << 27) as u128,
            _ => {
                cpu.fpsr = a as u32 & if self.env.rules == FpRules::X86 { 0x3f } else { 0x9f };
                cpu.qc = a >> 27 & 1;
            }
        }
        0
    }
}

enum Step {
    Value(u128),
    Leave(Exit),
}

fn leave(b: &Block, i: &Inst, a: u64) -> Step {
    Step::Leave(match i.op {
        Op::Jump => Exit::Jump(i.imm),
        Op::JumpInd => Exit::Indirect(a),
        Op::Call => Exit::Call(i.imm),
        Op::CallInd => Exit::Call(a),
        Op::Return => Exit::Return(a),
        Op::Trap => Exit::Trap(i.trap(), a, i.imm),
        Op::TrapIfCode => return Step::Value(0),
        Op::ExitUnless if a == i.imm => return Step::Value(0),
        Op::ExitUnless => Exit::Indirect(a),
        Op::TrapIf if a == 0 => return Step::Value(0),
        Op::TrapIf => Exit::TrapAt(b.pc_of(i), i.trap(), i.imm),
        _ => {
            let a = if b.ty(i.args[0]) == Type::I32 { a as u32 as u64 } else { a };
            if !int::exit_taken(i, a) {
                return Step::Value(0);
            }
            Exit::Jump(i.imm)
        }
    })
}

fn memory(i: &Inst, args: [u128; 3], cpu: &mut Cpu, mem: &mut dyn Memory) -> Result<u128, MemFault> {
    let base = args[0] as u64;
    let at = || base.wrapping_add((args[1] as u64) << i.mem().scale).wrapping_add(i.imm);
    // What is ordered or atomic must not cross a multiple of 16.
    let (addr, log2) = match i.op {
        Op::LoadAcq | Op::StoreRel => (at(), i.mem().log2),
        Op::Load | Op::Store | Op::Fence => (0, 0),
        op if op as u16 >= Op::AtomicAdd as u16 && i.imm & SPLIT != 0 => (0, 0),
        _ => (base, i.aux & 7),
    };
    if (addr & 15) + (1 << log2) > 16 {
        return Err(MemFault { addr, write: !matches!(i.op, Op::LoadAcq | Op::LoadEx) });
    }
    match i.op {
        Op::Load | Op::LoadAcq => {
            let m = i.mem();
            Ok(int::extend(mem.load(at(), m.log2)?, m.log2, m.signed, i.ty))
        }
        Op::Store | Op::StoreRel => mem.store(at(), i.mem().log2, args[2]).map(|()| 0),
        Op::LoadEx => {
            let v = mem.load(base, i.aux)?;
            (cpu.excl_addr, cpu.excl_size) = (base, i.aux as u64 + 1);
            cpu.excl_value = [v as u64, (v >> 64) as u64];
            Ok(v)
        }
        Op::StoreEx => store_exclusive(i, base, args[1], cpu, mem),
        Op::Fence => {
            fence(Ordering::SeqCst);
            Ok(0)
        }
        Op::AtomicCas | Op::AtomicCasp => {
            let mask = u128::MAX >> (128 - (8 << i.aux));
            mem.cas(base, i.aux, args[1] & mask, args[2])
        }
        op => loop {
            let old = mem.load(base, i.aux)?;
            let new = int::atomic(op, i.aux, old as u64, args[1] as u64);
            if mem.cas(base, i.aux, old, new as u128)? == old {
                return Ok(old);
            }
        },
    }
}

/// Stores by compare-and-swap when the monitor watches just this access; the monitor is open afterwards either way.
fn store_exclusive(i: &Inst, addr: u64, v: u128, cpu: &mut Cpu, mem: &mut dyn Memory) -> Result<u128, MemFault> {
    // Pointer tags don't count.
    let watched = cpu.excl_size == i.aux as u64 + 1 && (cpu.excl_addr ^ addr) << 8 == 0;
    if !watched {
        cpu.excl_size = 0;
        return Ok(1);
    }
    let expected = cpu.excl_value[0] as u128 | (cpu.excl_value[1] as u128) << 64;
    let old = mem.cas(addr, i.aux, expected, v)?;
    cpu.excl_size = 0;
    Ok((old != expected) as u128)
}
