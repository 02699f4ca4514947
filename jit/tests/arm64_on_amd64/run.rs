//! Running emitted code in tests.

use capstone::prelude::*;
use jit::cpu::*;
use jit::guest::arm64::GUEST;
use jit::host::amd64::{stubs::*, Amd64};
use jit::host::*;
use jit::ir::Block;

/// The bits of FPSR that are compared. Not UFC: x86 detects tininess after rounding, Arm before.
pub const FPSR_COMPARED: u32 = !8;

/// Executable memory with the common stubs and one block behind them.
pub struct Machine {
    pub host: Amd64,
    mem: *mut u8,
    stubs: [u32; STUBS],
    stub_code: Vec<u8>,
    block_at: usize,
    pub out: Emitted,
    /// Has the memory that translated code needs beside its CPU.
    memory: Box<Cpu>,
}

const SIZE: usize = 1 << 20;

impl Machine {
    pub fn new(features: Features) -> Machine {
        let host = Amd64::new(GUEST.hot_gprs, GUEST.hot_vecs, features);
        // SAFETY: a fresh private anonymous mapping.
        let mem = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        } as *mut u8;
        assert_ne!(mem as isize, -1);
        let mut out = Emitted::default();
        let stubs = host.emit_stubs(&mut out);
        let mut memory = Cpu::new();
        jit::code::region::attach(&mut memory);
        let mut m = Machine { host, mem, stubs, stub_code: Vec::new(), block_at: 0, out, memory };
        m.place(0);
        m.stub_code = m.out.code.clone();
        m.block_at = (m.stub_code.len() + 63) & !63;
        m
    }

    /// Copy `out` to `at` and apply its relocations.
    fn place(&mut self, at: usize) {
        let helpers = jit::host::amd64::helpers::helpers();
        let code = &mut self.out.code;
        for r in &self.out.relocs {
            match *r {
                Reloc::Stub { at: p, stub } => {
                    let d = self.stubs[stub as usize] as i64 - (at as i64 + p as i64 + 4);
                    code[p as usize..p as usize + 4].copy_from_slice(&(d as i32).to_le_bytes());
                }
                Reloc::Place { .. } => {}
                Reloc::Helper { at: p, helper } => {
                    code[p as usize..p as usize + 8].copy_from_slice(&(helpers[helper as usize] as u64).to_le_bytes());
                }
            }
        }
        assert!(at + code.len() < SIZE);
        // SAFETY: inside the mapping, which nothing else refers to.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.mem.add(at), code.len()) };
    }

    /// Emit `b` and run it once. Returns the exit's target pc for a direct exit.
    pub fn run(&mut self, b: &mut Block, cpu: &mut Cpu) -> Option<u64> {
        self.host.emit(b, &mut self.out);
        for l in &self.out.links {
            assert!(l.at % 8 <= 4, "a link's displacement is in one aligned word");
        }
        // A new place each time: writing near code that has just run is slow.
        let next = (self.block_at + self.out.code.len() + 4096) & !4095;
        self.block_at = if next + self.out.code.len() > SIZE { (self.stub_code.len() + 4095) & !4095 } else { next };
        self.place(self.block_at);
        (cpu.tables, cpu.ret_base) = (self.memory.tables, self.memory.ret_base);
        jit::code::region::restore_tables(cpu);
        jit::code::region::reset_returns(cpu, self.mem as u64 + self.stubs[Stub::RetEmpty as usize] as u64);
        // SAFETY: the stub has this signature; the code was emitted by the back end under test.
        let enter: extern "sysv64" fn(*mut Cpu, u64) =
            unsafe { std::mem::transmute(self.mem.add(self.stubs[Stub::Enter as usize] as usize)) };
        let running = Running {
            cpu,
            code: self.mem as u64 + self.block_at as u64,
            len: self.out.code.len() as u64,
            exit: self.mem as u64 + self.stubs[Stub::FaultExit as usize] as u64,
            machine: self,
        };
        RUNNING.with(|r| r.set(&running));
        enter(cpu, self.mem as u64 + self.block_at as u64);
        if cpu.exit_kind == ExitKind::Link as u32 {
            let site = (cpu.exit_arg - self.mem as u64) as usize - self.block_at;
            let l = self.out.links.iter().find(|l| l.site as usize == site).expect("a known link");
            return Some(l.target);
        }
        None
    }

    /// The last block's code.
    pub fn dump(&self) -> String {
        let cs = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).build().expect("capstone");
        let insns = cs.disasm_all(&self.out.code, 0).expect("disassembly");
        insns.iter().map(|i| format!("{i}\n")).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: our own memory; nothing runs in it any more.
        unsafe {
            libc::munmap(self.mem.cast(), SIZE);
            jit::code::region::detach(&mut self.memory);
        }
    }
}

/// What the signal handler needs to know about the code that runs.
struct Running {
    cpu: *mut Cpu,
    code: u64,
    len: u64,
    exit: u64,
    machine: *const Machine,
}

thread_local! {
    static RUNNING: std::cell::Cell<*const Running> = const { std::cell::Cell::new(std::ptr::null()) };
}

/// As the runtime does it: find the point, write the registers back, leave through `FaultExit`.
extern "C" fn on_fault(signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let run = RUNNING.with(|r| r.get());
    // SAFETY: the kernel's context of this thread; `RUNNING` is set while emitted code runs.
    unsafe {
        let c = &mut *context.cast::<libc::ucontext_t>();
        let xmm = frame_vectors(frame_state(c));
        let g = &mut c.uc_mcontext.gregs;
        let rip = g[libc::REG_RIP as usize] as u64;
        if run.is_null() || !(*run).code.wrapping_add((*run).len).gt(&rip) || rip < (*run).code {
            libc::_exit(99);
        }
        let run = &*run;
        let m = &*run.machine;
        let cpu = &mut *run.cpu;
        let at = (rip - run.code) as u32;
        let Some(point) = m.out.points.iter().rev().find(|p| p.host <= at) else { libc::_exit(99) };
        use libc::{
            REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_R8, REG_R9, REG_RAX, REG_RBP, REG_RBX, REG_RCX, REG_RDI,
            REG_RDX, REG_RSI, REG_RSP,
        };
        let order = [
            REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
            REG_R13, REG_R14, REG_R15,
        ];
        let gregs = order.map(|n| g[n as usize] as u64);
        jit::host::amd64::regs::spill_from_context(m.host.pins(), cpu, &gregs, &xmm, point.bits);
        if point.flags != 0 {
            cpu.flags = jit::host::amd64::flags::flags_at_rest(g[libc::REG_EFL as usize] as u64, point.flags);
        }
        cpu.pc = point.pc;
        cpu.exit_kind = ExitKind::Fault as u32;
        cpu.exit_arg = signal as u64;
        cpu.exit_imm = learned(signal, 1, point) as u64;
        g[libc::REG_RIP as usize] = run.exit as i64;
    }
}

/// Install the fault handler (again is harmless).
pub fn catch_faults() {
    // SAFETY: a handler that only touches its own context and the running machine.
    unsafe {
        let mut a: libc::sigaction = std::mem::zeroed();
        a.sa_sigaction = on_fault as *const () as usize;
        a.sa_flags = libc::SA_SIGINFO;
        for s in [libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
            libc::sigaction(s, &a, std::ptr::null_mut());
        }
    }
}

/// An arm64 instruction in words.
pub fn disassemble(word: u32) -> String {
    let cs = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().expect("capstone");
    let insns = cs.disasm_all(&word.to_le_bytes(), 0).expect("disassembly");
    insns.iter().map(|i| format!("{} {}", i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or(""))).collect()
}

/// The feature sets that tests run with.
pub fn feature_sets() -> Vec<Features> {
    let all = Features::detect();
    vec![
        all,
        Features { bmi: false, lzcnt: false, gfni: false, avx2: false, ..all },
        Features { gfni: false, fma: false, ..all },
        Features { aes: all.aes, pclmul: all.pclmul, sha: all.sha, ..Features::BASELINE },
        Features::BASELINE,
    ]
}

pub use crate::random::Random as Rng;
