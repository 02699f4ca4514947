//! Processes that share code memory after a fork.

use jit::code::{Engine, Exit, Options};
use jit::cpu::Cpu;
use jit::guest::{arm64::GUEST, Fetch};

const AT: u64 = 0x5_0000_0000;
/// bl +12; add x0, x0, #1; svc #0; svc #1; add x1, x1, #1; ret
const CODE: [u32; 6] = [0x9400_0003, 0x9100_0400, 0xd400_0001, 0xd400_0021, 0x9100_0421, 0xd65f_03c0];
/// add x0, x0, #2
const OTHER: u32 = 0x9100_0800;

struct Code([u32; 6]);

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get(pc.checked_sub(AT)? as usize / 4).copied()
    }
}

/// Where the next call is, with x0 and x1.
fn next(engine: &Engine, cpu: &mut Cpu, code: &Code) -> (u64, u64, u64) {
    assert_eq!(engine.run(cpu, code), Exit::Syscall);
    ((cpu.pc - AT) / 4, cpu.gpr[0], cpu.gpr[1])
}

/// One byte through a pipe.
struct Baton([i32; 2]);

impl Baton {
    fn new() -> Baton {
        let mut fds = [0; 2];
        // SAFETY: there is room for two.
        assert_eq!(unsafe { libc::pipe(fds.as_mut_ptr()) }, 0);
        Baton(fds)
    }
    fn pass(&self) {
        // SAFETY: reads one byte.
        assert_eq!(unsafe { libc::write(self.0[1], c"x".as_ptr().cast(), 1) }, 1);
    }
    fn take(&self) {
        // SAFETY: there is room for one byte.
        assert_eq!(unsafe { libc::read(self.0[0], [0u8].as_mut_ptr().cast(), 1) }, 1);
    }
}

/// A child is about to execute a program and gives its share of the code away; the parent, which has it for its own now, links the block that the child
/// will return to with a translation of what only the parent has there. Then the child can't execute that program after all, and returns.
#[test]
fn code_that_was_given_away_is_not_used() {
    let engine = Engine::new(&GUEST, Options::default()).expect("an engine");
    let mut cpu = engine.new_cpu(None);
    let mut code = Code(CODE);
    cpu.pc = AT;
    assert_eq!(next(&engine, &mut cpu, &code), (4, 0, 0));
    let (given, changed) = (Baton::new(), Baton::new());
    engine.fork_prepare();
    // SAFETY: the engine is prepared. The child touches nothing that another thread of this process may have had locked but for the allocator, which
    // the C library makes whole, and ends at once.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        engine.fork_child(&mut cpu);
        engine.abandon();
        given.pass();
        changed.take();
        engine.take_back();
        let ok = next(&engine, &mut cpu, &code) == (3, 1, 1);
        // SAFETY: ends the process.
        unsafe { libc::_exit(if ok { 0 } else { 1 }) };
    }
    assert!(pid > 0);
    engine.fork_parent();
    given.take();
    code.0[1] = OTHER;
    engine.invalidate(AT + 4, 4);
    assert_eq!(next(&engine, &mut cpu, &code), (3, 2, 1));
    changed.pass();
    let mut status = 0;
    // SAFETY: there is room for the status.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "{status:#x}");
    cpu.pc = AT;
    assert_eq!(next(&engine, &mut cpu, &code), (4, 2, 1));
    engine.drop_cpu(cpu);
}
