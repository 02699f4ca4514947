//! Running emitted code in tests.

use super::super::{stubs::*, Amd64};
use crate::cpu::*;
use crate::guest::arm64::GUEST;
use crate::host::*;
use crate::ir::Block;
use capstone::prelude::*;

/// Executable memory with the common stubs and one block behind them.
pub struct Machine {
    pub host: Amd64,
    mem: *mut u8,
    stubs: [u32; STUBS],
    stub_code: Vec<u8>,
    block_at: usize,
    pub out: Emitted,
    jump_cache: Vec<JumpEntry>,
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
        let mut m = Machine { host, mem, stubs, stub_code: Vec::new(), block_at: 0, out, jump_cache: Vec::new() };
        m.place(0);
        m.stub_code = m.out.code.clone();
        m.block_at = (m.stub_code.len() + 63) & !63;
        m.jump_cache = vec![JumpEntry { pc: 1, host: 0 }; JUMP_CACHE_ENTRIES];
        m
    }

    /// Copy `out` to `at` and apply its relocations.
    fn place(&mut self, at: usize) {
        let helpers = super::super::helpers::helpers();
        let code = &mut self.out.code;
        for r in &self.out.relocs {
            match *r {
                Reloc::Stub { at: p, stub } => {
                    let d = self.stubs[stub as usize] as i64 - (at as i64 + p as i64 + 4);
                    code[p as usize..p as usize + 4].copy_from_slice(&(d as i32).to_le_bytes());
                }
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
            assert_eq!(l.at % 4, 0, "link displacement is aligned");
        }
        // A new place each time: writing near code that has just run is slow.
        let next = (self.block_at + self.out.code.len() + 4096) & !4095;
        self.block_at = if next + self.out.code.len() > SIZE { (self.stub_code.len() + 4095) & !4095 } else { next };
        self.place(self.block_at);
        cpu.jump_cache = self.jump_cache.as_mut_ptr();
        // SAFETY: the stub has this signature; the code was emitted by the back end under test.
        let enter: extern "sysv64" fn(*mut Cpu, u64) =
            unsafe { std::mem::transmute(self.mem.add(self.stubs[Stub::Enter as usize] as usize)) };
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
        // SAFETY: our own mapping; nothing runs in it any more.
        unsafe { libc::munmap(self.mem.cast(), SIZE) };
    }
}

/// The feature sets that tests run with.
pub fn feature_sets() -> Vec<Features> {
    let all = Features::detect();
    vec![
        all,
        Features { bmi: false, lzcnt: false, gfni: false, ..all },
        Features { gfni: false, fma: false, ..all },
        Features::BASELINE,
    ]
}

/// A small generator of pseudo-random numbers (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub fn pick<T: Copy>(&mut self, s: &[T]) -> T {
        s[self.below(s.len())]
    }
    /// A number with a liking for corners.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => (1 << self.below(64)) - 1,
            4 => self.below(16) as u64,
            5 => self.next() as i32 as u64,
            6 => self.next() as u32 as u64,
            _ => self.next(),
        }
    }
}
