//! One instruction at a time, for debuggers. Translations for this are blocks of their own (`Mode::STEP` is part of their key): they hold one
//! instruction, nothing links to or from them, and calls and returns are plain jumps in them.

use super::{region, Engine, Exit, Inner};
use crate::cpu::{Cpu, ExitKind};
use crate::guest::{Fetch, Limits};
use crate::host;
use crate::ir::{self, Mode, Trap};
use std::sync::atomic::Ordering::*;

const ONE: Limits = Limits { insns: 1, side_exits: 0 };

impl Engine {
    /// Execute the instruction at `cpu.pc`, whatever signals wait: `None` when that is done, or what [`Engine::run`] would have returned for it.
    pub fn step(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Option<Exit> {
        let epoch = self.epoch.load(SeqCst);
        cpu.epoch.store(epoch, SeqCst);
        self.renew(cpu, epoch);
        let exit = self.step_inside(cpu, mem);
        cpu.epoch.store(0, Release);
        exit
    }

    fn step_inside(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Option<Exit> {
        cpu.pc = (self.guest.branch_target)(cpu.pc);
        // What the instruction needs may have to be learned first (`Engine::fault`): then it has not happened yet.
        loop {
            let pc = cpu.pc;
            let mode = Mode(self.mode(cpu).0 | Mode::STEP.0);
            let host = match self.inner.with(|i| self.find_step(i, pc, mode, mem)) {
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
                k if k == ExitKind::Trap as u32 => return self.trap(cpu),
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

    fn find_step(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) -> Result<u64, Exit> {
        if let Some(host) = i.cache.find(pc, mode) {
            return Ok(host);
        }
        self.lift(i, pc, mode, mem, ONE);
        if i.block.guest_insns == 0 {
            return Err(match i.block.insts[0].trap() {
                Trap::PcAlign => Exit::PcAlign,
                _ => Exit::FetchFault,
            });
        }
        for inst in &mut i.block.insts {
            inst.op = match inst.op {
                ir::Op::Call => ir::Op::Jump,
                ir::Op::CallInd | ir::Op::Return => ir::Op::JumpInd,
                op => op,
            };
        }
        Ok(self.place(i))
    }

    /// Every CPU of this memory, with the engine locked: none is freed meanwhile, and none can be given new code.
    pub fn each_cpu(&self, mut f: impl FnMut(*mut Cpu)) {
        self.inner.with(|i| i.cpus.iter().for_each(|&cpu| f(cpu)));
    }
}
