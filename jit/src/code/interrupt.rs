//! Making a thread leave translated code, which doesn't poll.

use super::{cache::Cache, region, Engine, Inner};
use crate::cpu::Cpu;
use crate::host;
use std::sync::atomic::Ordering::*;

impl Inner {
    /// The cache whose area holds host address `pc`.
    pub(super) fn cache_of(&mut self, pc: u64) -> Option<&mut Cache> {
        let Inner { cache, retired, .. } = self;
        std::iter::once(cache).chain(retired.iter_mut().map(|r| &mut r.1)).find(|c| c.area.range().contains(&pc))
    }

    /// Where the thread of `cpu`, stopped at `pc` with stack pointer `sp`, is in a block, and its return stack's top there: a helper returns to a block.
    ///
    /// # Safety
    /// The thread is inside of translated code, in the sense of `Cpu::inside`.
    unsafe fn in_block(&mut self, cpu: &Cpu, pc: u64, sp: u64) -> (u64, u64) {
        let slot = match self.cache_of(pc) {
            Some(c) if (c.stub(host::STUB_EVAL)..c.stub(host::STUB_EVAL) + host::EVAL_NOTED).contains(&pc) => sp,
            Some(c) if !(c.stub(host::STUB_EVAL)..c.stub(host::STUB_EVAL_END)).contains(&pc) => return (pc, sp),
            _ => cpu.eval_sp,
        };
        // SAFETY: the way back from a helper, on the thread's return stack.
        (unsafe { (slot as *const u64).read() }, slot + host::EVAL_FRAME)
    }
}

impl Engine {
    /// For the handler of an asynchronous signal that has interrupted the thread of `cpu` at host address `pc` with stack pointer `sp`, after
    /// `pending` was set: see to it that the thread leaves translated code (if it is there) at the next edge between blocks. Where to go on and with which
    /// stack pointer, if not where it was. Async-signal-safe: a thread inside of translated code holds no lock.
    ///
    /// # Safety
    /// `cpu` is the calling thread's, and alive.
    pub unsafe fn interrupt(&self, cpu: *mut Cpu, pc: u64, sp: u64) -> Option<(u64, u64)> {
        // SAFETY: by the contract; the code that uses the CPU otherwise is stopped here.
        let cpu = unsafe { &mut *cpu };
        if cpu.inside.load(Relaxed) == 0 {
            return None;
        }
        self.inner.with(|i| {
            region::empty_tables(cpu);
            if cpu.interrupted.swap(1, Relaxed) == 0 {
                self.interrupting.fetch_add(1, Relaxed);
            }
            // SAFETY: inside, as just seen.
            let (at, top) = unsafe { i.in_block(cpu, pc, sp) };
            let c = i.cache_of(at)?;
            // What the call of the link stub has pushed is no entry of the return stack.
            let top = if at == c.stub(host::STUB_LINK) { top + host::LINK_FRAME } else { top };
            region::redirect_returns(cpu, top, c.stub(host::STUB_RET_PENDING));
            let (check, end) = (c.stub(host::STUB_ENTER_CHECK), c.stub(host::STUB_ENTER_END));
            if (check..end).contains(&at) {
                return Some((check, sp));
            }
            let pending = c.stub(host::STUB_PENDING);
            if (c.stub(host::STUB_RETURN_MISS)..c.stub(host::STUB_LOOKUP_LEAVE)).contains(&at) {
                return Some((pending + host::PENDING_OF_STUBS, sp));
            }
            let place = c.locate(at);
            if c.cuttable(at) {
                if c.area.own().is_err() {
                    super::no_memory(libc::ENOMEM);
                }
                c.cut(at);
            }
            let (entry, pushed) = host::before_branch(&place?)?;
            Some((pending + entry, sp + pushed))
        })
    }

    /// A thread that was asked to leave has left.
    #[cold]
    pub(super) fn left(&self, cpu: &mut Cpu) {
        cpu.interrupted.store(0, Relaxed);
        region::restore_tables(cpu);
        self.interrupting.fetch_sub(1, Release);
    }
}
