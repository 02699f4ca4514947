//! Our sides: the interpreter, and translated code on the real engine.

use crate::case::*;
use crate::context;
use jit::code::{Engine, Exit, FaultAction, Options};
use jit::cpu::Cpu;
use jit::guest::amd64::{regs, state, GUEST};
use jit::guest::{Fetch, Hints, Limits};
use jit::ir::interp::{self, Interp, MemFault};
use jit::ir::{text, verify, Block, Trap};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::*};

/// The case's code: what is in memory.
pub struct Code;

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let mut b = [0; 4];
        (self.fetch_bytes(pc, &mut b) == 4).then(|| u32::from_le_bytes(b))
    }
    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let n = out.len().min((CODE + CODE_BYTES as u64).saturating_sub(pc) as usize);
        if pc < CODE || n == 0 {
            return 0;
        }
        // SAFETY: the page is mapped and readable, and nobody writes while a case runs.
        out[..n].copy_from_slice(unsafe { std::slice::from_raw_parts(pc as *const u8, n) });
        n
    }
}

impl Hints for Code {
    fn hint(&self, _: u64) -> u8 {
        0
    }
}

/// Where accesses go that a mask leaves out.
static SCRATCH: AtomicU64 = AtomicU64::new(0);

/// The page that can't be written, or 0.
pub static READONLY: AtomicU64 = AtomicU64::new(0);

/// The window, and nothing else.
pub struct Window;

impl Window {
    fn at(addr: u64, log2: u8, write: bool) -> Result<*mut u8, MemFault> {
        let at = addr.wrapping_sub(WINDOW);
        let page = READONLY.load(Relaxed);
        if write && page != 0 && addr < page + 4096 && addr + (1 << log2) > page {
            return Err(MemFault { addr: addr.max(page), write });
        }
        if at <= WINDOW_BYTES as u64 - (1 << log2) {
            return Ok(addr as *mut u8);
        }
        // Masks lead away to the guest's own area.
        if addr.wrapping_sub(SCRATCH.load(Relaxed)) < 16 {
            return Ok(addr as *mut u8);
        }
        // Code may be read.
        let at = addr.wrapping_sub(CODE);
        if !write && at <= CODE_BYTES as u64 - (1 << log2) {
            return Ok(addr as *mut u8);
        }
        Err(MemFault { addr, write })
    }
}

impl interp::Memory for Window {
    fn load(&mut self, addr: u64, log2: u8) -> Result<u128, MemFault> {
        let p = Window::at(addr, log2, false)?;
        let mut b = [0; 16];
        // SAFETY: inside of what is mapped.
        unsafe { std::ptr::copy_nonoverlapping(p, b.as_mut_ptr(), 1 << log2) };
        Ok(u128::from_le_bytes(b))
    }
    fn store(&mut self, addr: u64, log2: u8, v: u128) -> Result<(), MemFault> {
        let p = Window::at(addr, log2, true)?;
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(v.to_le_bytes().as_ptr(), p, 1 << log2) };
        Ok(())
    }
    fn cas(&mut self, addr: u64, log2: u8, expected: u128, new: u128) -> Result<u128, MemFault> {
        Window::at(addr, log2, true)?;
        let old = self.load(addr, log2)?;
        if old == expected {
            self.store(addr, log2, new)?;
        }
        Ok(old)
    }
}

fn set_cpu(cpu: &mut Cpu, s: &State) -> u8 {
    cpu.gpr[..16].copy_from_slice(&s.gpr);
    cpu.gpr[regs::FS.0 as usize] = s.bases[0];
    cpu.gpr[regs::GS.0 as usize] = s.bases[1];
    cpu.vec = s.vec;
    cpu.pc = s.pc;
    for n in 0..8 {
        cpu.area[state::X87 + 2 * n] = s.x87[n] as u64;
        cpu.area[state::X87 + 2 * n + 1] = (s.x87[n] >> 64) as u64;
    }
    cpu.area[state::FCW] = s.fcw as u64;
    cpu.area[state::FSW] = s.fsw as u64;
    cpu.area[state::FTW] = s.ftw as u64;
    cpu.area[state::FOP] = s.fop as u64;
    cpu.area[state::FIP] = s.fip;
    cpu.area[state::FDP] = s.fdp;
    state::set_eflags(cpu, s.flags)
}

fn get_cpu(cpu: &Cpu, nzcv: u8, mxcsr: u32) -> State {
    let mut s = State { pc: cpu.pc, flags: state::eflags(cpu, nzcv), vec: cpu.vec, mxcsr, ..State::default() };
    s.gpr.copy_from_slice(&cpu.gpr[..16]);
    s.bases = [regs::FS, regs::GS].map(|r| cpu.gpr[r.0 as usize]);
    for n in 0..8 {
        s.x87[n] = cpu.area[state::X87 + 2 * n] as u128 | (cpu.area[state::X87 + 2 * n + 1] as u128) << 64;
    }
    s.fcw = cpu.area[state::FCW] as u16;
    s.fsw = cpu.area[state::FSW] as u16;
    s.ftw = cpu.area[state::FTW] as u8;
    s.fop = cpu.area[state::FOP] as u16;
    s.fip = cpu.area[state::FIP];
    s.fdp = cpu.area[state::FDP];
    s
}

fn signal_of(t: Trap, detail: u64) -> i32 {
    match t {
        Trap::Undefined => libc::SIGILL,
        Trap::Divide | Trap::FpException => libc::SIGFPE,
        Trap::Debug if detail == 4 => libc::SIGSEGV,
        Trap::Debug => libc::SIGTRAP,
        Trap::Protection | Trap::Interrupt | Trap::FetchFault => libc::SIGSEGV,
        other => panic!("{other:?}"),
    }
}

/// By the interpreter.
pub struct Slow {
    interp: Interp,
    block: Block,
    cpu: Box<Cpu>,
}

impl Slow {
    pub fn new() -> Slow {
        let mut cpu = Cpu::new();
        cpu.helpers = GUEST.helpers;
        SCRATCH.store((&raw const cpu.area[state::SCRATCH]) as u64, Relaxed);
        Slow { interp: Interp::default(), block: Block::default(), cpu }
    }
    /// The IR of the block at `pc`.
    pub fn ir(&mut self, pc: u64) -> String {
        self.lift(pc);
        text::print(&self.block, GUEST.reg_name)
    }
    fn lift(&mut self, pc: u64) {
        self.block.clear(pc, (GUEST.fp_mode)(self.cpu.fpcr));
        (GUEST.lift)(&mut self.block, &Code, &Code, Limits { insns: 6, side_exits: 3 });
    }
    /// Run a case whose code and memory are in place.
    pub fn run(&mut self, case: &Case) -> Result<(i32, State), String> {
        self.interp.nzcv = set_cpu(&mut self.cpu, &case.state);
        self.cpu.fpcr = case.state.mxcsr & regs::mxcsr::CONTROL;
        self.cpu.fpsr = case.state.mxcsr & regs::mxcsr::STATUS;
        let mut signal = 0;
        for _ in 0..1000 {
            self.lift(self.cpu.pc);
            verify::verify_lifted(&self.block).map_err(|e| format!("{e}\n{}", text::print(&self.block, GUEST.reg_name)))?;
            match self.interp.run(&self.block, &mut self.cpu, &mut Window) {
                interp::Exit::Trap(Trap::SetFpcr, v, _) => {
                    self.cpu.fpcr = v as u32 & regs::mxcsr::CONTROL;
                    self.cpu.pc = self.block.end;
                }
                interp::Exit::Trap(t, _, imm) => {
                    self.cpu.pc = match t {
                        Trap::FetchFault => imm,
                        t if t.at_insn() => self.block.starts.last().copied().unwrap_or(self.cpu.pc),
                        _ => self.block.end,
                    };
                    signal = signal_of(t, imm);
                    break;
                }
                interp::Exit::TrapAt(pc, t, imm) => {
                    self.cpu.pc = pc;
                    signal = signal_of(t, imm);
                    break;
                }
                interp::Exit::Fault(pc, _) => {
                    self.cpu.pc = pc;
                    signal = libc::SIGSEGV;
                    break;
                }
                other => self.cpu.pc = other.pc().expect("a pc"),
            }
        }
        let mxcsr = self.cpu.fpcr | self.cpu.fpsr & 0x3f;
        Ok((signal, get_cpu(&self.cpu, self.interp.nzcv, mxcsr)))
    }
}

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(null_mut());
static CPU: AtomicPtr<Cpu> = AtomicPtr::new(null_mut());
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Translated.
pub struct Fast {
    engine: Engine,
    /// One for each mode of FP: a change of mode drops what was translated.
    cpus: [Box<Cpu>; 2],
}

impl Fast {
    pub fn new(dump: bool) -> Fast {
        let options = Options { dump_ir: dump, dump_asm: dump, cache_bytes: 16 << 20, ..Options::default() };
        let engine = Engine::new(&GUEST, options).expect("code memory");
        let cpus = [engine.new_cpu(None), engine.new_cpu(None)];
        Fast { engine, cpus }
    }
    /// Run a case whose code and memory are in place.
    pub fn run(&mut self, case: &Case) -> (i32, State) {
        let usual = (GUEST.fp_mode)(case.state.mxcsr & regs::mxcsr::CONTROL) == (GUEST.fp_mode)(GUEST.fpcr_init);
        let (engine, cpu) = (&self.engine, &mut *self.cpus[usual as usize]);
        let nzcv = set_cpu(cpu, &case.state);
        engine.set_nzcv(cpu, nzcv);
        engine.set_fpcr(cpu, case.state.mxcsr & regs::mxcsr::CONTROL);
        engine.set_fpsr(cpu, case.state.mxcsr & regs::mxcsr::STATUS);
        ENGINE.store(std::ptr::from_ref(engine).cast_mut(), Release);
        CPU.store(cpu, Release);
        let signal = loop {
            match engine.run(cpu, &Code) {
                Exit::Undefined(_) => break libc::SIGILL,
                Exit::Exception(t, detail) => break signal_of(t, detail.into()),
                Exit::FetchFault => break libc::SIGSEGV,
                Exit::Fault => break SIGNAL.load(Relaxed),
                Exit::Pending => cpu.pending.store(0, Relaxed),
                other => panic!("{other:?}"),
            }
        };
        CPU.store(null_mut(), Release);
        let mxcsr = cpu.fpcr | engine.fpsr(cpu) & 0x3f;
        (signal, get_cpu(cpu, engine.nzcv(cpu), mxcsr))
    }
    /// Other code comes to where the cases were.
    pub fn forget(&self, case: &Case) {
        self.engine.invalidate(case.pc, case.code.len().max(16) as u64);
    }
}

/// A signal came while translated code ran.
///
/// # Safety
/// `uc` is what the kernel passed to the handler.
pub unsafe fn on_signal(signal: i32, addr: u64, uc: &mut libc::ucontext_t) -> bool {
    let (engine, cpu) = (ENGINE.load(Acquire), CPU.load(Acquire));
    if cpu.is_null() {
        return false;
    }
    // SAFETY: by the contract.
    let host = unsafe { context::context(uc) };
    // SAFETY: both are alive while a case runs.
    match unsafe { (*engine).fault(&mut *cpu, &host, signal, addr) } {
        FaultAction::Resume(to) => context::set_pc(uc, to),
        FaultAction::Guest(to) | FaultAction::Misaligned(to, _) => {
            SIGNAL.store(signal, Relaxed);
            context::set_pc(uc, to);
        }
        _ => return false,
    }
    true
}
