//! A thread without a machine, for tests of handlers on this process's own memory.

use crate::abi::Abi;
use crate::topics::mem::Space;
use crate::{CloneArgs, Context, Ctx, ExecRequest, Machine, Process, SysResult, Thread};
use std::sync::Arc;

/// A machine that runs nothing. `pending`: a signal waits.
pub struct NoMachine {
    pub pending: u32,
}

#[rustfmt::skip]
impl Machine for NoMachine {
    fn context(&self) -> Context { unreachable!() }
    fn pc(&self) -> u64 { 0x1000 }
    fn set_context(&mut self, _: &Context) { unreachable!() }
    fn invalidate(&self, _: u64, _: u64) {}
    fn clone(&mut self, _: &mut Thread, _: &CloneArgs) -> SysResult { unreachable!() }
    fn exec(&mut self, _: &mut Thread, _: ExecRequest) -> SysResult { unreachable!() }
    fn pending(&self) -> *const u32 { &self.pending }
}

/// A thread of a process of an arm64 guest.
pub fn guest(process: Process) -> Thread {
    guest_of(&crate::arm64::ABI, process)
}

/// A thread of a process.
pub fn guest_of(abi: &'static Abi, process: Process) -> Thread {
    Thread {
        process: Arc::new(Process { abi, ..process }),
        mem: Arc::new(Space::new(&abi.memory)),
        actions: Arc::default(),
        signals: Default::default(),
        seccomp: Default::default(),
        clear_child_tid: 0,
        tid: 0,
    }
}

/// A call of the thread.
pub fn call<const N: usize>(thread: &mut Thread, pending: u32, nr: u64, args: [u64; N]) -> SysResult {
    let args = std::array::from_fn(|i| args.get(i).copied().unwrap_or(0));
    let mut machine = NoMachine { pending };
    crate::dispatch(&mut Ctx { thread, machine: &mut machine }, nr, args)
}
