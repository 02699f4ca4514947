//! The window between a look at what is pending and the call: a signal that comes before the call keeps it from happening, one that ends it is told apart,
//! and none is ever missed.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;
use syscalls::sys;

static PENDING: AtomicU32 = AtomicU32::new(0);
static SEEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t to handlers with SA_SIGINFO.
    let machine = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let (mark, pc) = (machine.gregs[libc::REG_RCX as usize] as u64, &mut machine.gregs[libc::REG_RIP as usize]);
    #[cfg(target_arch = "aarch64")]
    let (mark, pc) = (machine.regs[9], &mut machine.pc);
    SEEN.fetch_add(1, SeqCst);
    PENDING.store(1, SeqCst);
    if let Some(to) = sys::interrupt(*pc as u64, mark) {
        *pc = to as _;
    }
}

fn wait(nr: i64, args: [u64; 6]) -> i64 {
    // SAFETY: the calls of this test only wait, or write to its own memory.
    unsafe { sys::interruptible(PENDING.as_ptr(), nr, args) }
}

fn install(signal: i32) {
    // SAFETY: the handler only looks at its arguments and two statics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// Send the thread signals until told to stop.
fn storm(thread: usize, signal: i32, pause: Duration, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        std::thread::sleep(pause);
        // SAFETY: the thread lives as long as the scope.
        unsafe { libc::pthread_kill(thread as libc::pthread_t, signal) };
    }
}

/// Ends a storm, also when an assertion fails.
struct Calm<'a>(&'a AtomicBool);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// One test, because the pending word is one.
#[test]
fn signals_around_calls_that_wait() {
    install(libc::SIGUSR2);
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut byte = 0u8;
    let read = [reader.as_raw_fd() as u64, (&raw mut byte) as u64, 1, 0, 0, 0];
    PENDING.store(1, SeqCst);
    assert_eq!(wait(libc::SYS_read, read), -sys::ERESTARTNOINTR);
    // SAFETY: asks for the own id.
    let me = unsafe { libc::pthread_self() } as usize;
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _calm = Calm(stop);
        scope.spawn(move || storm(me, libc::SIGUSR2, Duration::from_millis(30), stop));
        let mut ended = 0;
        for _ in 0..20 {
            PENDING.store(0, SeqCst);
            match wait(libc::SYS_read, read) {
                r if r == -sys::ERESTARTSYS => ended += 1,
                r => assert_eq!(r, -sys::ERESTARTNOINTR),
            }
            assert_eq!(PENDING.load(SeqCst), 1, "the call ended by itself");
        }
        // Not all, on a busy machine.
        assert!(ended >= 10, "{ended}");
        // Never restarted by the kernel, whatever the flag of the handler.
        PENDING.store(0, SeqCst);
        assert_eq!(wait(libc::SYS_ppoll, [0; 6]), -i64::from(libc::EINTR));
    });
    stop.store(false, SeqCst);
    SEEN.store(0, SeqCst);
    std::thread::scope(|scope| {
        let _calm = Calm(stop);
        scope.spawn(move || storm(me, libc::SIGUSR2, Duration::from_micros(20), stop));
        let (pid, mut prevented, mut doubtful) = (i64::from(std::process::id()), 0, 0);
        while SEEN.load(SeqCst) < 1000 {
            PENDING.store(0, SeqCst);
            for _ in 0..100 {
                match wait(libc::SYS_getpid, [0; 6]) {
                    r if r == -sys::ERESTARTNOINTR => {
                        prevented += 1;
                        break;
                    }
                    // On arm64 hosts a thread that was away for long, just before the instruction, may have waited in the call.
                    r if r == -sys::ERESTARTSYS && cfg!(target_arch = "aarch64") => {
                        doubtful += 1;
                        break;
                    }
                    // It can't wait.
                    r => assert_eq!(r, pid),
                }
            }
        }
        assert!(prevented > 100 && doubtful < prevented, "{prevented} {doubtful}");
    });
}
