//! The interpreter's side: one guest instruction at a time, every access on record.

use crate::case::*;
use jit::cpu::Cpu;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::interp::{Exit, Interp, MemFault, Memory};
use jit::ir::{text, verify, Block, Trap};

/// Instructions after which a case is given up.
const STEPS: usize = 64;

const DC_ZVA_0: u32 = 0xd50b_7420;
const DC_ZVA_30: u32 = DC_ZVA_0 | 31;
const MSR_FPCR: u32 = 0xd51b_4400;
const MSR_FPSR: u32 = 0xd51b_4420;
const MRS_FPCR: u32 = 0xd53b_4400;
const MRS_FPSR: u32 = 0xd53b_4420;

/// A memory access.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Index of the instruction.
    pub insn: usize,
    pub addr: u64,
}

/// The window's edges, and the case's own code for literal loads.
struct Ram {
    edges: Edges,
    slot: u64,
    code: [u32; WORDS],
    insn: usize,
    accesses: Vec<Access>,
    /// An access where the two sides may have different memory.
    wild: bool,
    reads_code: bool,
    blamed: Option<Blamed>,
}

enum Place {
    Edge(usize),
    Code(usize),
}

/// Nothing is mapped here, neither in the runner nor in this process: not canonical, or too low.
fn unmapped(flat: u64) -> bool {
    flat.wrapping_add(64) >= 1 << 47 || flat < 0x800
}

/// Bytes that an instruction touches at most; 16 where it makes one access.
fn span(word: u32) -> u64 {
    match word {
        // Pairs (of exclusives, too).
        _ if word & 0x3a00_0000 == 0x2800_0000 => 32,
        _ if word & 0x3fa0_0000 == 0x0820_0000 => 32,
        // Structures of vectors.
        _ if word & 0xbe00_0000 == 0x0c00_0000 => 64,
        DC_ZVA_0..=DC_ZVA_30 => 64,
        _ => 16,
    }
}

impl Ram {
    /// The first address that the instruction under way touched, without a tag.
    fn start(&self, otherwise: u64) -> u64 {
        let own = self.accesses.iter().rev().take_while(|a| a.insn == self.insn).last();
        own.map_or(otherwise, |a| ((a.addr << 8) as i64 >> 8) as u64)
    }

    fn place(&mut self, addr: u64, log2: u8, write: bool) -> Result<Place, MemFault> {
        self.accesses.push(Access { insn: self.insn, addr });
        // Top byte ignored.
        let flat = ((addr << 8) as i64 >> 8) as u64;
        let (n, at) = (1 << log2, flat.wrapping_sub(WINDOW));
        if wants_alignment(self.code[self.insn]) && addr & (n - 1) != 0 {
            self.wild = true;
        }
        if at <= EDGE as u64 - n {
            return Ok(Place::Edge(at as usize));
        }
        if at >= PAGE - EDGE as u64 && at <= PAGE - n {
            return Ok(Place::Edge((at - (PAGE - 2 * EDGE as u64)) as usize));
        }
        let in_slot = addr.wrapping_sub(self.slot);
        if in_slot <= 4 * WORDS as u64 - n && !write {
            self.reads_code = true;
            return Ok(Place::Code(in_slot as usize));
        }
        let first = if at < PAGE { WINDOW + PAGE } else { flat };
        self.blamed = Some(Blamed { first, from: self.start(flat), span: span(self.code[self.insn]) });
        let at = at.wrapping_add(GUARD);
        let guarded = at < GUARD || at.saturating_add(n) > GUARD + PAGE;
        if !(at < PAGE + 2 * GUARD - n && guarded || unmapped(flat)) {
            self.wild = true;
        }
        Err(MemFault { addr, write })
    }
}

impl Memory for Ram {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let mut bytes = [0; 16];
        let n = 1usize << log2;
        match self.place(addr, log2, false)? {
            Place::Edge(at) => bytes[..n].copy_from_slice(&self.edges[at..at + n]),
            Place::Code(at) => {
                let code: Vec<u8> = self.code.iter().flat_map(|w| w.to_le_bytes()).collect();
                bytes[..n].copy_from_slice(&code[at..at + n]);
            }
        }
        Ok(u128::from_le_bytes(bytes))
    }
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        if let Place::Edge(at) = self.place(addr, log2, true)? {
            self.edges[at..at + (1 << log2)].copy_from_slice(&v.to_le_bytes()[..1 << log2]);
        }
        Ok(())
    }
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        self.place(addr, log2, true)?;
        let old = self.load(addr, log2)?;
        if old == expected {
            self.store(addr, log2, new)?;
        }
        Ok(old)
    }
}

/// Reads a case's code.
pub struct Slot(pub u64, pub [u32; WORDS]);

impl Fetch for Slot {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.1.get((pc.wrapping_sub(self.0) / 4) as usize).copied()
    }
}

/// Nothing learned.
pub struct NoHints;

impl Hints for NoHints {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// What the interpreter made of a case.
pub struct Run {
    pub outcome: Outcome,
    pub accesses: Vec<Access>,
    /// The case can't be compared: an access or a jump to where the sides may differ, or no end.
    pub wild: bool,
    /// It read its own code.
    pub reads_code: bool,
    /// A fault changed registers.
    pub imprecise: bool,
    /// The access that faulted.
    pub blamed: Option<Blamed>,
    /// Which instructions were executed.
    pub executed: u32,
}

/// The interpreter with its memory.
pub struct Stepper {
    cpu: Box<Cpu>,
    interp: Interp,
    block: Block,
    odd: bool,
    watched: Option<u32>,
}

fn registers(cpu: &Cpu, nzcv: u8, pc: u64) -> State {
    let mut state = State { pc, sp: cpu.gpr[31], nzcv: nzcv as u64, fpcr: cpu.fpcr, v: cpu.vec, ..State::default() };
    state.x.copy_from_slice(&cpu.gpr[..31]);
    state.fpsr = cpu.fpsr | ((cpu.qc != 0) as u32) << 27;
    state
}

impl Stepper {
    pub fn new() -> Stepper {
        Stepper { cpu: Cpu::new(), interp: Interp::default(), block: Block::default(), odd: false, watched: None }
    }

    /// Whether the result of `word` differs between machines: it reads back bits of FPCR or FPSR that only some keep, or stores
    /// exclusively with another size than was loaded or without alignment.
    fn differs(&mut self, word: u32) -> bool {
        if word & 0x3f80_0000 == 0x0800_0000 {
            let access = word & 0xc020_0000;
            if word & 1 << 22 != 0 {
                self.watched = Some(access);
            } else {
                let bytes = 1u64 << (word >> 30) << (word >> 21 & 1);
                let address = self.cpu.gpr[(word >> 5 & 31) as usize];
                // QEMU marks the open monitor by an address of all ones.
                return address & (bytes - 1) != 0 || address == u64::MAX || self.watched.is_some_and(|w| w != access);
            }
        }
        let operand = self.cpu.gpr[(word & 31) as usize % 31] as u32;
        match word & !31 {
            MSR_FPCR => self.odd |= word & 31 != 31 && operand & !FPCR_BITS != 0,
            MSR_FPSR => self.odd |= word & 31 != 31 && operand & !FPSR_BITS != 0,
            MRS_FPCR | MRS_FPSR => return self.odd,
            _ => {}
        }
        false
    }

    fn start(&mut self, s: &State) {
        let cpu = &mut self.cpu;
        cpu.gpr[..31].copy_from_slice(&s.x);
        cpu.gpr[31] = s.sp;
        cpu.vec = s.v;
        cpu.fpcr = s.fpcr;
        cpu.fpsr = s.fpsr & 0x9f;
        cpu.qc = (s.fpsr >> 27 & 1) as u128;
        cpu.excl_size = 0;
        (self.odd, self.watched) = (false, None);
        self.interp.nzcv = s.nzcv as u8;
    }

    /// Run `case` on a window that holds `edges`.
    pub fn run(&mut self, case: &Case, edges: &Edges) -> Run {
        self.resume(case, &case.state, edges)
    }

    /// The same from another state within the case.
    pub fn resume(&mut self, case: &Case, from: &State, edges: &Edges) -> Run {
        let slot = case.state.pc;
        let mut ram = Ram {
            edges: *edges,
            slot,
            code: case.code,
            insn: 0,
            accesses: Vec::new(),
            wild: false,
            reads_code: false,
            blamed: None,
        };
        self.start(from);
        let fetch = Slot(slot, case.code);
        let (mut pc, mut wild, mut imprecise, mut steps, mut executed) = (from.pc, false, false, 0, 0);
        let signal = loop {
            steps += 1;
            let insn = pc.wrapping_sub(slot) / 4;
            wild |= steps > STEPS;
            if insn >= WORDS as u64 {
                // Jumps to where nothing can be executed on either side.
                wild |= !unmapped(pc) && pc.wrapping_sub(WINDOW) >= PAGE;
            } else {
                ram.insn = insn as usize;
                executed |= 1 << insn;
                wild |= self.differs(case.code[insn as usize]);
            }
            if wild {
                break 0;
            }
            match self.step(pc, &fetch, &mut ram) {
                Ok(next) => pc = next,
                Err((signal, at, changed)) => {
                    pc = at;
                    imprecise = changed;
                    break signal;
                }
            }
        };
        let state = registers(&self.cpu, self.interp.nzcv, pc);
        wild |= ram.wild;
        let blamed = ram.blamed.filter(|_| signal == SIGSEGV && pc.wrapping_sub(slot) / 4 < WORDS as u64);
        let outcome = Outcome { signal, state, edges: ram.edges, address: blamed.map_or(0, |b| b.first) };
        Run { outcome, accesses: ram.accesses, wild, reads_code: ram.reads_code, imprecise, blamed, executed }
    }

    /// The next pc, or the signal, where it happened and whether it left anything changed.
    fn step(&mut self, pc: u64, fetch: &Slot, ram: &mut Ram) -> Result<u64, (u64, u64, bool)> {
        self.block.clear(pc, (GUEST.fp_mode)(self.cpu.fpcr));
        (GUEST.lift)(&mut self.block, fetch, &NoHints, Limits { insns: 1, side_exits: 0 });
        if let Err(e) = verify::verify_lifted(&self.block) {
            panic!("{e}\n{}", text::print(&self.block, GUEST.reg_name));
        }
        let before = registers(&self.cpu, self.interp.nzcv, pc);
        match self.interp.run(&self.block, &mut self.cpu, ram) {
            Exit::Jump(to) | Exit::Indirect(to) | Exit::Call(to) | Exit::Return(to) => Ok((GUEST.branch_target)(to)),
            Exit::TrapAt(at, kind, _) => panic!("{kind:?} at {at:x}"),
            Exit::Fault(at, _) => Err((SIGSEGV, at, before != registers(&self.cpu, self.interp.nzcv, pc))),
            Exit::Trap(kind, operand, _) => match kind {
                Trap::Breakpoint => Err((SIGTRAP, pc, false)),
                Trap::Undefined => Err((SIGILL, pc, false)),
                Trap::FetchFault => Err((SIGSEGV, pc, false)),
                Trap::PcAlign => Err((SIGBUS, pc, false)),
                Trap::SetFpcr => {
                    // Bits of extensions that QEMU has and we have not.
                    let from = fetch.fetch32(pc).map_or(31, |w| w & 31) as usize;
                    ram.wild |= from != 31 && self.cpu.gpr[from] & 0x2007 != 0;
                    self.cpu.fpcr = operand as u32 & GUEST.fpcr_mask;
                    Ok(self.block.end)
                }
                Trap::InvalidateCode | Trap::Synchronize => Ok(self.block.end),
                other => panic!("{other:?}"),
            },
        }
    }
}

/// The IR of the case's first block as the translator sees it.
pub fn ir(case: &Case) -> String {
    let mut block = Block::default();
    block.clear(case.state.pc, (GUEST.fp_mode)(case.state.fpcr));
    (GUEST.lift)(&mut block, &Slot(case.state.pc, case.code), &NoHints, Limits { insns: 64, side_exits: 3 });
    text::print(&block, GUEST.reg_name)
}
