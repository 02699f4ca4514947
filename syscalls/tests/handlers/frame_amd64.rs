//! amd64's signal frames against the kernel: frames that we make are given to the kernel's rt_sigreturn, also spoiled ones, and what then runs
//! raises a signal, so that the kernel makes a frame of the same registers. The two agree.

use std::ptr::{self, addr_of};
use syscalls::amd64::ABI;
use syscalls::topics::signal::frame::Frame;
use syscalls::topics::signal::{Action, AltStack, SigInfo, SA_RESTORER};
use syscalls::{sys, Context, GuestAddr, X87};

core::arch::global_asm!(
    ".text",
    ".globl rf_return, rf_trap, rf_handler, rf_entry, rf_entry_xsave",
    "rf_return:", // (stack pointer): what a handler's return leads to
    "mov rsp, rdi",
    "mov eax, 15",
    "syscall",
    "hlt",
    "rf_trap:", // where the frames lead to
    "ud2",
    "rf_handler:", // notes the registers, then rf_finish(frame)
    "mov [rip + rf_entry], rax",
    "mov [rip + rf_entry + 8], rcx",
    "mov [rip + rf_entry + 16], rdx",
    "mov [rip + rf_entry + 24], rbx",
    "mov [rip + rf_entry + 32], rsp",
    "mov [rip + rf_entry + 40], rbp",
    "mov [rip + rf_entry + 48], rsi",
    "mov [rip + rf_entry + 56], rdi",
    "mov [rip + rf_entry + 64], r8",
    "mov [rip + rf_entry + 72], r9",
    "mov [rip + rf_entry + 80], r10",
    "mov [rip + rf_entry + 88], r11",
    "mov [rip + rf_entry + 96], r12",
    "mov [rip + rf_entry + 104], r13",
    "mov [rip + rf_entry + 112], r14",
    "mov [rip + rf_entry + 120], r15",
    "mov rdi, rsp",
    "lea rsp, [rip + rf_stack_end]",
    "pushfq",
    "pop [rip + rf_entry + 128]",
    // A handler keeps AC, and what follows is not all aligned.
    "push 0x202",
    "popfq",
    "mov eax, 7",
    "xor edx, edx",
    "xsave64 [rip + rf_entry_xsave]",
    "call rf_finish",
    "hlt",
    ".bss",
    ".balign 64",
    "rf_entry_xsave: .skip 832",
    "rf_entry: .skip 136",
    ".balign 64",
    ".skip 65536",
    "rf_stack_end:",
    ".text",
);

extern "C" {
    fn rf_return(sp: u64) -> !;
    static rf_trap: u8;
    static rf_handler: u8;
    static rf_entry: [u64; 17];
    static rf_entry_xsave: [u8; 832];
}

const ILL_ILLOPN: i32 = 2;
const FRAME: usize = 440;
const FRAME_UC: usize = 8;
const FRAME_INFO: usize = 312;
/// Of the sigcontext in the frame.
const FRAME_FPSTATE: usize = FRAME_UC + 40 + 184;
const FRAME_RESERVED: usize = FRAME_UC + 40 + 192;
const FRAME_MASK: usize = FRAME_UC + 296;
const FRAME_ERR: usize = FRAME_UC + 40 + 152;
/// In the state.
const SW_RESERVED: usize = 464;
const HEADER: usize = 512;

/// What a child that came through tells.
#[repr(C)]
struct Report {
    entry: [u64; 17],
    entry_xsave: [u8; 832],
    frame: [u8; FRAME],
    state: [u8; 832],
}

static mut REPORT: *mut Report = ptr::null_mut();

#[no_mangle]
extern "C" fn rf_finish(frame: *const u8) -> ! {
    // SAFETY: in the child, alone: the report is shared memory, the frame and its state are whole, for the kernel wrote them.
    unsafe {
        let report = &mut *REPORT;
        report.entry = rf_entry;
        report.entry_xsave = rf_entry_xsave;
        report.frame = frame.cast::<[u8; FRAME]>().read_unaligned();
        let state = frame.add(FRAME_FPSTATE).cast::<*const [u8; 832]>().read_unaligned();
        report.state = state.read_unaligned();
        libc::_exit(7)
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 20) % n
    }
    fn wide(&mut self) -> u128 {
        u128::from(self.next()) | u128::from(self.next()) << 64
    }
}

/// Registers that lead to the trap with this stack pointer.
fn registers(random: &mut Random, sp: u64) -> Context {
    const STATUS: u64 = 0xcd5; // CF, PF, AF, ZF, SF, DF, OF
    let mut x = [0; 31];
    x[..16].iter_mut().for_each(|x| *x = random.next());
    x[4] = 0;
    let half = random.below(2) == 0;
    let v = std::array::from_fn(|i| if i < 16 || half { random.wide() } else { 0 });
    let st =
        std::array::from_fn(|_| random.wide() >> 48 & ((1 << 64) - 1) | 1 << 63 | u128::from(0x3fff - random.below(9)) << 64);
    let x87 = X87 {
        control: 0x37f,
        status: (random.below(8) as u16) << 11 | 0x4500 & random.next() as u16,
        tags: random.next() as u8,
        st,
        ..X87::INIT
    };
    let mxcsr = 0x1f80 | random.below(64) as u32 | (random.below(4) as u32) << 13;
    let pc = addr_of!(rf_trap) as u64;
    Context { x, sp, pc, pstate: random.next() & STATUS | 0x202, v, fpcr: mxcsr, x87, ..Context::default() }
}

/// Let the kernel return to a frame at `sp`, and what comes next make a frame. `None`: it was killed by SIGSEGV.
fn kernel(sp: u64, flags: u64, report: &mut Report) -> Option<()> {
    // SAFETY: the child makes system calls only, and ends by itself or by a signal; the handler's stack is static.
    unsafe {
        REPORT = report;
        let pid = libc::fork();
        if pid == 0 {
            let action = Action { handler: addr_of!(rf_handler) as u64, flags: flags | SA_RESTORER, restorer: 8, mask: 0 };
            sys::raw(libc::SYS_rt_sigaction, [libc::SIGILL as u64, addr_of!(action) as u64, 0, 8, 0, 0]);
            sys::raw(libc::SYS_rt_sigaction, [libc::SIGSEGV as u64, addr_of!(DEFAULT) as u64, 0, 8, 0, 0]);
            rf_return(sp);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        match (libc::WIFEXITED(status), libc::WIFSIGNALED(status)) {
            (true, _) => {
                assert_eq!(libc::WEXITSTATUS(status), 7);
                Some(())
            }
            (_, true) => {
                assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
                None
            }
            _ => panic!("{status:x}"),
        }
    }
}

static DEFAULT: Action = Action { handler: 0, flags: 0, restorer: 0, mask: 0 };

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn read<const N: usize>(at: u64) -> [u8; N] {
    GuestAddr(at).read().unwrap()
}

/// Whether the processor saves FOP, FIP and FDP when no exception is pending. (AMD's don't: APM 2, 11.4.4.3.)
fn saves_pointers() -> bool {
    #[repr(align(16))]
    struct Image([u8; 512]);
    let (mut own, mut out) = (Image([0; 512]), Image([0; 512]));
    // SAFETY: the images are whole and aligned, and all that is loaded is what was there, but for the pointer, which nobody reads.
    unsafe {
        std::arch::asm!("fxsave64 [{}]", in(reg) own.0.as_mut_ptr(), options(nostack));
        let mut other = Image(own.0);
        other.0[8] = 1;
        std::arch::asm!(
            "fxrstor64 [{other}]",
            "fxsave64 [{out}]",
            "fxrstor64 [{own}]",
            other = in(reg) other.0.as_ptr(), out = in(reg) out.0.as_mut_ptr(), own = in(reg) own.0.as_ptr(),
            options(nostack)
        );
    }
    out.0[8] == 1
}

/// What differs in the parts of two states that both have: the second has more components, and perhaps another mask for MXCSR.
fn assert_same_state(ours: &[u8; 832], theirs: &[u8; 832]) {
    const EXCEPTION_PENDING: u8 = 0x80;
    let kept = theirs[2] & EXCEPTION_PENDING != 0 || saves_pointers();
    assert!(kept || theirs[6..24].iter().all(|&b| b == 0), "FOP, FIP, FDP");
    assert_eq!(ours[..6], theirs[..6], "x87");
    if kept {
        assert_eq!(ours[6..24], theirs[6..24], "FOP, FIP, FDP");
    }
    assert_eq!(ours[24..28], theirs[24..28], "MXCSR");
    assert_eq!(ours[32..416], theirs[32..416], "registers");
    let (a, b) = (long(ours, HEADER), long(theirs, HEADER) & 7);
    // A component in its initial state may be marked present; SSE's and x87's always are.
    assert_eq!(a | 4, b | 4, "components");
    if b & 4 != 0 {
        assert_eq!(ours[576..], theirs[576..], "upper halves");
    } else {
        assert!(ours[576..].iter().all(|&b| b == 0), "upper halves");
    }
}

const STACK: usize = 64 << 10;

struct Case {
    random: Random,
    stack: *mut u8,
    report: *mut Report,
    altstack: AltStack,
    mask: u64,
}

impl Case {
    fn new(seed: u64) -> Case {
        let map = |len: usize, flags: i32| {
            // SAFETY: new memory.
            let at = unsafe { libc::mmap(ptr::null_mut(), len, 3, libc::MAP_ANONYMOUS | flags, -1, 0) };
            assert_ne!(at, libc::MAP_FAILED);
            at
        };
        let stack = map(STACK, libc::MAP_PRIVATE).cast();
        let report = map(size_of::<Report>(), libc::MAP_SHARED).cast();
        Case { random: Random(seed), stack, report, altstack: AltStack::default(), mask: 0 }
    }

    fn frame<'a>(&'a self, info: &'a SigInfo, action: &'a Action, syndrome: (u64, u64)) -> Frame<'a> {
        Frame { info, action, mask: self.mask, altstack: &self.altstack, syndrome, sigreturn: 0 }
    }

    /// A frame for random registers: those, and the stack pointer at the handler's entry.
    fn make(&mut self) -> (Context, u64) {
        let sp = self.stack as u64 + STACK as u64 - self.random.below(4096);
        let before = registers(&mut self.random, sp);
        self.mask = self.random.next() & !(1 << (libc::SIGILL - 1) | 1 << (libc::SIGSEGV - 1) | 1 << 8 | 1 << 18);
        let action = Action { handler: 8, flags: SA_RESTORER, restorer: 8, mask: 0 };
        let mut after = before;
        (ABI.frame.push)(&mut after, &self.frame(&SigInfo::kernel(libc::SIGUSR1), &action, (0, 0))).unwrap();
        (before, after.sp)
    }

    /// What the kernel and we make of the frame at `sp`: both refuse it, or both restore the same, and make the same frame of that.
    fn compare(&mut self, sp: u64, flags: u64) -> bool {
        let ours = (ABI.frame.pop)(&Context { sp: sp + 8, pstate: 0x202, ..Context::default() });
        // SAFETY: the report is alive, and the child is gone when this returns.
        let report = unsafe { &mut *self.report };
        let came = kernel(sp + 8, flags, report);
        assert_eq!(ours.is_ok(), came.is_some(), "accepted by us, and by the kernel");
        let Ok(popped) = ours else { return false };
        let frame = &report.frame;
        // As the instruction at the trap raises it.
        let info = SigInfo::fault(libc::SIGILL, ILL_ILLOPN, addr_of!(rf_trap) as u64);
        assert_eq!((long(frame, FRAME_ERR), long(frame, FRAME_ERR + 8)), (0, 6));
        let syndrome = (long(frame, FRAME_ERR + 24), 6 << 32);
        let action = Action { handler: addr_of!(rf_handler) as u64, flags: flags | SA_RESTORER, restorer: 8, mask: 0 };
        let mut after = popped.context;
        (ABI.frame.push)(&mut after, &self.frame(&info, &action, syndrome)).unwrap();
        // The kernel's frame lies lower, for its state is larger.
        let larger = u64::from(u32::from_le_bytes(report.state[SW_RESERVED + 4..][..4].try_into().unwrap()));
        let top = match flags & libc::SA_ONSTACK as u64 != 0 && self.altstack.state(popped.context.sp) == 0 {
            true => self.altstack.sp + self.altstack.size,
            false => popped.context.sp - 128,
        };
        let state = (top - larger) & !63;
        let at = ((state - FRAME as u64) & !15) - 8;
        assert_eq!((report.entry[4], long(frame, FRAME_FPSTATE)), (at, state));
        assert_eq!(report.entry[6..8], [after.x[6] - after.sp + at, after.x[7]]);
        assert_eq!(report.entry[2], after.x[2] - after.sp + at);
        for i in [0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15] {
            assert_eq!(report.entry[i], after.x[i], "register {i}");
        }
        assert_eq!(report.entry[16], after.pstate, "flags");
        let mut made = read::<FRAME>(after.sp);
        let made_state = read::<832>(long(&made, FRAME_FPSTATE));
        made[FRAME_FPSTATE..FRAME_FPSTATE + 8].copy_from_slice(&state.to_le_bytes());
        // The kernel leaves the padding in stack_t alone.
        made[FRAME_UC + 28..FRAME_UC + 32].copy_from_slice(&frame[FRAME_UC + 28..FRAME_UC + 32]);
        let end = if flags & libc::SA_SIGINFO as u64 != 0 { FRAME } else { FRAME_INFO };
        assert_eq!(made[..FRAME_RESERVED], frame[..FRAME_RESERVED]);
        assert_eq!(made[FRAME_MASK..end], frame[FRAME_MASK..end]);
        assert_same_state(&made_state, &report.state);
        let initial = (report.entry_xsave[..2].to_vec(), u32::from_le_bytes(report.entry_xsave[24..28].try_into().unwrap()));
        assert_eq!(initial, (after.x87.control.to_le_bytes().to_vec(), after.fpcr));
        assert!(report.entry_xsave[160..416].iter().all(|&b| b == 0) && after.v == [0; 32]);
        true
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and used no more.
        unsafe {
            libc::munmap(self.stack.cast(), STACK);
            libc::munmap(self.report.cast(), size_of::<Report>());
        }
    }
}

/// One test: the report's address is the program's.
#[test]
fn the_kernel_takes_our_frames_and_makes_the_same() {
    crate::common::catch_faults();
    let mut case = Case::new(0x1234_5678_9abc_def1);
    for _ in 0..100 {
        let (before, sp) = case.make();
        let popped = (ABI.frame.pop)(&Context { sp: sp + 8, pstate: 0x202, ..Context::default() }).unwrap();
        assert_eq!((popped.context, popped.mask), (before, case.mask));
        let flags = [libc::SA_SIGINFO as u64, libc::SA_SIGINFO as u64, 0][case.random.below(3) as usize];
        assert!(case.compare(sp, flags));
    }
    spoiled_frames(&mut case);
    alternate_stacks(&mut case);
}

/// Fields to spoil: offsets in the frame or (`true`) in the state, and values worth trying.
const SPOILS: &[(bool, usize, usize, &[u64])] = &[
    (false, FRAME_UC, 8, &[0, 1, 2, 3, 4, 5, 6]),
    (false, FRAME_UC + 40 + 136, 8, &[0, !0, 0x246, 0x1_0ed7, 0x4000, 0x20_0000, 0x3000]),
    (false, FRAME_UC + 40 + 144, 2, &[0, 0x30, 3, 0x33]),
    (false, FRAME_UC + 40 + 150, 2, &[0x28, 0x2b, 3, 0]),
    (false, FRAME_FPSTATE, 8, &[0, 16, 8, 0x1000]),
    (true, 0, 2, &[0, 0xffff, 0x37e]),
    (true, 2, 2, &[0xffff, 0x8080, 0x3f]),
    (true, 6, 2, &[0xffff]),
    (true, 24, 4, &[0, 0x1fbf, 0x1_0000, !0]),
    (true, 28, 4, &[0]),
    (true, SW_RESERVED, 4, &[0, 1]),
    (true, SW_RESERVED + 4, 4, &[0, 832, 831, 900]),
    (true, SW_RESERVED + 8, 8, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (true, SW_RESERVED + 16, 4, &[0, 575, 576, 577, 832, 640]),
    (true, HEADER, 8, &[0, 1, 2, 3, 4, 5, 6, 1 << 62, 1 << 3]),
    (true, HEADER + 8, 8, &[1, 1 << 63]),
    (true, HEADER + 16, 8, &[1]),
    (true, HEADER + 24, 8, &[1]),
    (true, 832, 4, &[0, 0x4650_5853]),
];

fn spoiled_frames(case: &mut Case) {
    let mut refused = 0;
    let mut rounds = 0;
    for &(in_state, at, size, values) in SPOILS {
        for &value in values {
            let (_, sp) = case.make();
            let state = long(&read::<FRAME>(sp), FRAME_FPSTATE);
            let value = if at == FRAME_FPSTATE && !in_state && value != 0 { state + value } else { value };
            let at = if in_state { state } else { sp } + at as u64;
            GuestAddr(at).write_bytes(&value.to_le_bytes()[..size]).unwrap();
            rounds += 1;
            eprintln!("{in_state} {:#x}: {value:#x}", at - if in_state { state } else { sp });
            refused += u32::from(!case.compare(sp, libc::SA_SIGINFO as u64));
        }
    }
    assert!(refused > 10 && rounds - refused > 30, "{refused} of {rounds}");
}

fn alternate_stacks(case: &mut Case) {
    let other = vec![0u8; 32 << 10];
    let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64;
    for (sp, size) in [(other.as_ptr() as u64, other.len() as u64 - 5), (case.stack as u64, STACK as u64)] {
        case.altstack = AltStack { sp, size, flags: 0 };
        let (_, sp) = case.make();
        assert!(case.compare(sp, flags));
    }
    // Too small: the kernel kills, and we refuse to make the frame.
    case.altstack = AltStack { sp: other.as_ptr() as u64, size: 2048, flags: 0 };
    let info = SigInfo::kernel(libc::SIGILL);
    let action = Action { handler: 8, flags: flags | SA_RESTORER, restorer: 8, mask: 0 };
    let small = AltStack { size: 1200, ..case.altstack };
    let mut context = registers(&mut Random(1), case.stack as u64 + STACK as u64);
    let mut push = |altstack: &AltStack, action: &Action| {
        (ABI.frame.push)(&mut context, &Frame { info: &info, action, mask: 0, altstack, syndrome: (0, 0), sigreturn: 0 }).is_ok()
    };
    assert!(!push(&small, &action));
    assert!(!push(&AltStack::default(), &Action { flags: 0, ..action }), "without a restorer");
    assert!(push(&case.altstack, &action));
}
