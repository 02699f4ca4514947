//! One instruction at a time, for debuggers. Translations for this are blocks of their own (`Mode::STEP` is part of their key): they hold one
//! instruction, nothing links to or from them, and calls and returns are plain jumps in them.

use super::{region, Engine, Exit, Facts, Inner};
use crate::cpu::{Cpu, ExitKind};
use crate::guest::{Fetch, Limits};
use crate::host;
use crate::ir::{self, Mode};
use std::sync::atomic::Ordering::*;

const ONE: Limits = Limits { insns: 1, side_exits: 0 };

impl Engine {
    /// Execute the instruction at `cpu.pc`, whatever signals wait: `None` when that is done, or what [`Engine::run`] would have returned for it.
    pub fn step(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Option<Exit> {
        let epoch = self.join_epoch(cpu);
        self.renew(cpu, epoch);
        let mode = Mode(self.mode(cpu).0 | Mode::STEP.0);
        let exit = self.step_inside(cpu, mem, ONE, mode);
        cpu.epoch.store(0, Release);
        exit
    }

    /// Execute from `cpu.pc` to where a translation with these limits, which is linked to nothing, ends.
    pub(super) fn step_inside(&self, cpu: &mut Cpu, mem: &dyn Fetch, limits: Limits, mode: Mode) -> Option<Exit> {
        cpu.pc = (self.guest.branch_target)(cpu.pc);
        // What the instruction needs may have to be learned first (`Engine::fault`): then it has not happened yet.
        loop {
            let pc = cpu.pc;
            let host = match self.inner.with(|i| self.find_step(i, pc, mode, mem, limits)) {
                Ok(host) => host,
                Err(exit) => return Some(exit),
            };
            // With signals waiting it would not even be entered; who raises the word meanwhile stores 1.
            let before = cpu.pending.swap(0, SeqCst);
            // Indirect branches leave.
            region::empty_tables(cpu);
            // SAFETY: `host` is the entry of a translation in a cache that this thread's epoch keeps alive.
            unsafe { host::enter(self.enter.load(Acquire), cpu, host) };
            region::restore_tables(cpu);
            if cpu.interrupted.load(Relaxed) != 0 {
                self.left(cpu);
            }
            cpu.pending.fetch_or(before, SeqCst);
            match cpu.exit_kind {
                k if k == ExitKind::Link as u32 => {
                    cpu.pc = self.link_target(cpu.exit_arg);
                    return None;
                }
                k if k == ExitKind::Lookup as u32 && cpu.pc == pc && self.relearned(pc, mode) => {}
                // A signal came before the instruction.
                k if k == ExitKind::Pending as u32 && cpu.pc == pc => {}
                k if k == ExitKind::Lookup as u32 || k == ExitKind::Pending as u32 => return None,
                k if k == ExitKind::Trap as u32 => return self.trap(cpu, mem),
                _ => return Some(Exit::Fault),
            }
        }
    }

    /// Whether the translation that just left is void: a fault has taught the engine something about its instruction.
    fn relearned(&self, pc: u64, mode: Mode) -> bool {
        self.inner.with(|i| i.cache.find(pc, mode).is_none())
    }

    /// Where the exit with this site leads.
    fn link_target(&self, site: u64) -> u64 {
        self.inner.with(|i| {
            let mut caches = std::iter::once(&i.cache).chain(i.retired.iter().map(|r| &r.1));
            let cache = caches.find(|c| c.area.range().contains(&site));
            cache.expect("the site of an exit lies in some cache").link_at(site).1
        })
    }

    fn find_step(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch, limits: Limits) -> Result<u64, Exit> {
        if let Some(host) = i.cache.find(pc, mode) {
            return Ok(host);
        }
        let _busy = self.busy(i);
        let Inner { work, hints, cache, .. } = i;
        let facts = Facts { hints, cache, mode, hidden: self.options.hidden, path: &[] };
        work.lift(self.guest, (pc, mode), mem, &facts, limits)?;
        for inst in work.block.insts.iter_mut() {
            inst.op = match inst.op {
                ir::Op::Call => ir::Op::Jump,
                ir::Op::CallInd | ir::Op::Return => ir::Op::JumpInd,
                op => op,
            };
        }
        work.emit(self.guest, &self.options);
        Ok(self.publish(i))
    }

    /// Every CPU of this memory, with the engine locked: none is freed meanwhile, and none can be given new code.
    pub fn each_cpu(&self, mut f: impl FnMut(*mut Cpu)) {
        self.inner.with(|i| i.cpus.iter().for_each(|&cpu| f(cpu)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;
    use crate::guest::arm64;

    const PC: u64 = 0x40_1000;
    /// Factorial of 5 in x1, with a call in its loop.
    const CODE: [u32; 9] = [
        0xd280_00a0, // mov x0, #5
        0xd280_0021, // mov x1, #1
        0x9b00_7c21, // mul x1, x1, x0
        0x9400_0004, // bl f
        0xf100_0400, // subs x0, x0, #1
        0x54ff_ffa1, // b.ne -12
        0xd400_0001, // svc #0
        0x9100_0442, // f: add x2, x2, #1
        0xd65f_03c0, // ret
    ];

    struct Code;

    impl Fetch for Code {
        fn fetch32(&self, pc: u64) -> Option<u32> {
            CODE.get((pc.wrapping_sub(PC) / 4) as usize).copied()
        }
    }

    /// Each step is one instruction, also where the translator has longer ways to offer; a signal that waits doesn't keep it from happening.
    #[test]
    fn steps_add_up_to_a_run() {
        let engine = Engine::new(&arm64::GUEST, Options::default()).expect("code memory");
        let mut cpu = engine.new_cpu(None);
        for round in 0..3 {
            cpu.pc = PC;
            cpu.gpr[2] = 0;
            if round == 1 {
                assert_eq!(engine.run(&mut cpu, &Code), Exit::Syscall);
            } else {
                cpu.pending.store(round / 2, SeqCst);
                let mut trace = Vec::new();
                let exit = loop {
                    trace.push((cpu.pc - PC) / 4);
                    if let Some(exit) = engine.step(&mut cpu, &Code) {
                        break exit;
                    }
                };
                assert_eq!((exit, cpu.pending.swap(0, SeqCst)), (Exit::Syscall, round / 2));
                let expected: Vec<u64> = [0, 1].into_iter().chain([2, 3, 7, 8, 4, 5].repeat(5)).chain([6]).collect();
                assert_eq!(trace, expected);
            }
            assert_eq!((cpu.gpr[0], cpu.gpr[1], cpu.gpr[2], cpu.pc), (0, 120, 5, PC + 28));
        }
        engine.drop_cpu(cpu);
    }
}
