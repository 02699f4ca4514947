//! A thread without a machine, to call handlers on this process's own memory: what the host's kernel says by other ways is the oracle.

use std::ffi::CString;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Once};
use syscalls::topics::mem::Space;
use syscalls::{
    amd64, arm64, dispatch, sys, Abi, CloneArgs, Context, Ctx, Errno, ExecRequest, Machine, Process, Stop, SysResult, Thread,
};

static PENDING: AtomicU32 = AtomicU32::new(0);

struct NoMachine;

#[rustfmt::skip]
impl Machine for NoMachine {
    fn context(&self) -> Context { Context::default() }
    fn set_context(&mut self, _: &Context) { unreachable!() }
    fn invalidate(&self, _: u64, _: u64) {}
    fn clone(&mut self, _: &mut Thread, _: &CloneArgs) -> SysResult { unreachable!() }
    fn exec(&mut self, _: &mut Thread, _: ExecRequest) -> SysResult { unreachable!() }
    fn pending(&self) -> *const u32 { PENDING.as_ptr() }
}

extern "C" fn on_fault(sig: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t to handlers with SA_SIGINFO.
    let machine = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let pc = &mut machine.gregs[libc::REG_RIP as usize];
    #[cfg(target_arch = "aarch64")]
    let pc = &mut machine.pc;
    match sys::fixup(*pc as u64) {
        Some(to) => *pc = to as _,
        // SAFETY: back to the default action, at the same instruction.
        None => unsafe {
            libc::signal(sig, libc::SIG_DFL);
        },
    }
}

/// Make accesses to bad guest addresses fail instead of killing the test.
pub fn catch_faults() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only looks at its own arguments.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    });
}

/// A guest thread.
pub struct Guest {
    thread: Thread,
    pub abi: &'static Abi,
}

/// A guest of each architecture, whose runtime hides a descriptor (-1: none).
pub fn guests(self_fd: i32) -> [Guest; 2] {
    [Guest::new(&arm64::ABI, self_fd), Guest::new(&amd64::ABI, self_fd)]
}

impl Guest {
    pub fn new(abi: &'static Abi, self_fd: i32) -> Guest {
        catch_faults();
        let thread = Thread {
            process: Arc::new(Process { abi, self_fd, ..Default::default() }),
            mem: Arc::new(Space::new(&abi.memory)),
            actions: Arc::default(),
            signals: Default::default(),
            seccomp: Default::default(),
            clear_child_tid: 0,
            tid: 0,
        };
        Guest { thread, abi }
    }

    /// A call of the guest: its result, negative errno on error.
    pub fn call<const N: usize>(&mut self, name: &str, args: [u64; N]) -> i64 {
        let args = std::array::from_fn(|i| args.get(i).copied().unwrap_or(0));
        let (nr, _) = self.abi.table.rows().find(|(_, row)| row.name == name).expect("a call in the table");
        let mut machine = NoMachine;
        match dispatch(&mut Ctx { thread: &mut self.thread, machine: &mut machine }, nr, args) {
            Ok(v) => v as i64,
            Err(Stop::Errno(Errno(e))) => -i64::from(e),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
}

/// An address for the kernel.
pub fn at<T: ?Sized>(p: &T) -> u64 {
    (p as *const T).cast::<u8>() as u64
}

/// The same, of what a call writes to.
pub fn out<T: ?Sized>(p: &mut T) -> u64 {
    (p as *mut T).cast::<u8>() as u64
}

pub fn path(s: &str) -> CString {
    CString::new(s).unwrap()
}

/// An address that nothing is mapped at.
pub const BAD: u64 = 0x10;

/// A negative argument.
pub const fn neg(v: i64) -> u64 {
    v as u64
}

/// What a call returns when it fails.
pub fn err(e: i32) -> i64 {
    -i64::from(e)
}
