//! The real CPU's side. A signal handler enters and leaves: INT3 raises SIGTRAP, the handler puts the case's registers into the frame that it
//! returns by; the case ends in another signal, whose frame holds the registers that it left.

use crate::case::*;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Where the thread is: outside, about to enter, in a case, done.
static PHASE: AtomicU32 = AtomicU32::new(0);

struct Shared(UnsafeCell<Option<Run>>);
// SAFETY: used by one thread at a time (the tests hold a lock), and by its own signal handler while it stands still.
unsafe impl Sync for Shared {}
static RUN: Shared = Shared(UnsafeCell::new(None));

/// What the test itself runs with.
static HOME: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// The bases of FS and GS.
fn bases() -> [u64; 2] {
    let (fs, gs): (u64, u64);
    // SAFETY: reads only; the kernel enables FSGSBASE (see `prepare`).
    unsafe { std::arch::asm!("rdfsbase {}", "rdgsbase {}", out(reg) fs, out(reg) gs, options(nomem, nostack)) };
    [fs, gs]
}

/// Set them, after null selectors: a case may have left others.
///
/// # Safety
/// Nothing looks at thread-local data until they are what they were.
unsafe fn set_bases([fs, gs]: [u64; 2]) {
    // SAFETY: the caller's.
    unsafe {
        std::arch::asm!(
            "mov ds, {zero:x}", "mov es, {zero:x}", "mov fs, {zero:x}", "mov gs, {zero:x}", "wrfsbase {fs}", "wrgsbase {gs}",
            zero = in(reg) 0, fs = in(reg) fs, gs = in(reg) gs, options(nostack)
        );
    }
}

/// Bytes of the FP state that are saved: the largest that a kernel makes.
const FP_BYTES: usize = 16384;

struct Run {
    state: State,
    signal: i32,
    gregs: [i64; 23],
    fp: Box<[u8; FP_BYTES]>,
    fp_bytes: usize,
}

const ORDER: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// The image of a signal frame's FP state.
struct Fp(*mut u8);

impl Fp {
    fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        // SAFETY: the kernel's image is that large: `xstate_size` bytes.
        unsafe { self.0.add(at).cast::<[u8; N]>().read_unaligned() }
    }
    fn write<const N: usize>(&self, at: usize, v: [u8; N]) {
        // SAFETY: as above.
        unsafe { self.0.add(at).cast::<[u8; N]>().write_unaligned(v) }
    }
    fn bytes(&self) -> usize {
        u32::from_le_bytes(self.read(464 + 4)) as usize
    }
    fn load(&self, s: &mut State) {
        s.fcw = u16::from_le_bytes(self.read(0));
        s.fsw = u16::from_le_bytes(self.read(2));
        s.ftw = self.read::<1>(4)[0];
        s.fop = u16::from_le_bytes(self.read(6));
        s.fip = u64::from_le_bytes(self.read(8));
        s.fdp = u64::from_le_bytes(self.read(16));
        s.mxcsr = u32::from_le_bytes(self.read(24));
        let present = u64::from_le_bytes(self.read(512));
        let top = (s.fsw >> 11 & 7) as usize;
        for n in 0..8 {
            s.x87[(top + n) & 7] = u128::from_le_bytes(self.read(32 + 16 * n)) & (u128::MAX >> 48);
        }
        for n in 0..16 {
            s.vec[n] = if present & 2 != 0 { u128::from_le_bytes(self.read(160 + 16 * n)) } else { 0 };
            s.vec[16 + n] = if present & 4 != 0 { u128::from_le_bytes(self.read(576 + 16 * n)) } else { 0 };
        }
        if present & 1 == 0 {
            s.fcw = 0x37f;
            (s.fsw, s.ftw, s.fop, s.fip, s.fdp, s.x87) = (0, 0, 0, 0, 0, [0; 8]);
        }
    }
    fn store(&self, s: &State) {
        self.write(0, s.fcw.to_le_bytes());
        self.write(2, s.fsw.to_le_bytes());
        self.write(4, [s.ftw]);
        self.write(6, s.fop.to_le_bytes());
        self.write(8, s.fip.to_le_bytes());
        self.write(16, s.fdp.to_le_bytes());
        self.write(24, s.mxcsr.to_le_bytes());
        let top = (s.fsw >> 11 & 7) as usize;
        for n in 0..8 {
            self.write(32 + 16 * n, s.x87[(top + n) & 7].to_le_bytes());
        }
        for n in 0..16 {
            self.write(160 + 16 * n, s.vec[n].to_le_bytes());
            self.write(576 + 16 * n, s.vec[16 + n].to_le_bytes());
        }
        let present = u64::from_le_bytes(self.read(512));
        self.write(512, (present | 7).to_le_bytes());
    }
}

/// A signal came: whether it was part of a case on the real CPU.
///
/// # Safety
/// `uc` is what the kernel passed to the handler.
pub unsafe fn on_signal(signal: i32, uc: &mut libc::ucontext_t) -> bool {
    let phase = PHASE.load(Acquire);
    let now = bases();
    if phase == 2 {
        // SAFETY: they are the test's own from here on.
        unsafe { set_bases([HOME[0].load(Relaxed), HOME[1].load(Relaxed)]) };
    }
    if phase != 1 && phase != 2 {
        return false;
    }
    // SAFETY: the thread stands in `run`, which holds no reference meanwhile.
    let run = unsafe { (*RUN.0.get()).as_mut().expect("a run") };
    let fp = Fp(jit::host::frame_state(uc));
    let gregs = &mut uc.uc_mcontext.gregs;
    if phase == 1 {
        run.gregs = *gregs;
        run.fp_bytes = fp.bytes().min(FP_BYTES);
        // SAFETY: both are that large.
        unsafe { std::ptr::copy_nonoverlapping(fp.0, run.fp.as_mut_ptr(), run.fp_bytes) };
        for (n, r) in ORDER.into_iter().enumerate() {
            gregs[r as usize] = run.state.gpr[n] as i64;
        }
        gregs[libc::REG_RIP as usize] = run.state.pc as i64;
        gregs[libc::REG_EFL as usize] = run.state.flags as i64;
        fp.store(&run.state);
        PHASE.store(2, Release);
        // SAFETY: nothing but the return from the handler is left to do.
        unsafe { set_bases(run.state.bases) };
        return true;
    }
    run.signal = signal;
    for (n, r) in ORDER.into_iter().enumerate() {
        run.state.gpr[n] = gregs[r as usize] as u64;
    }
    run.state.pc = gregs[libc::REG_RIP as usize] as u64;
    run.state.flags = gregs[libc::REG_EFL as usize] as u64;
    run.state.bases = now;
    fp.load(&mut run.state);
    *gregs = run.gregs;
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(run.fp.as_ptr(), fp.0, run.fp_bytes) };
    PHASE.store(3, Release);
    true
}

/// Run a case whose code and memory are in place; memory is the caller's to read.
pub fn run(case: &Case) -> (i32, State) {
    // SAFETY: no case runs; the tests hold a lock.
    let slot = unsafe { &mut *RUN.0.get() };
    let fp = slot.take().map_or_else(|| Box::new([0; FP_BYTES]), |r| r.fp);
    *slot = Some(Run { state: case.state.clone(), signal: 0, gregs: [0; 23], fp, fp_bytes: 0 });
    PHASE.store(1, Release);
    // SAFETY: the handler comes back here with every register as it was. NT and ID, which it can't restore, are cleared first.
    unsafe { std::arch::asm!("push 0x202", "popfq", "int3") };
    assert_eq!(PHASE.swap(0, AcqRel), 3);
    // SAFETY: as above.
    let run = unsafe { (*RUN.0.get()).as_ref().expect("a run") };
    (run.signal, run.state.clone())
}

/// Whether the bases of segments can be written here, which cases need.
pub fn prepare() {
    const FSGSBASE: u64 = 2;
    // SAFETY: no more than a look at the auxiliary vector.
    let can = unsafe { libc::getauxval(libc::AT_HWCAP2) } & FSGSBASE;
    assert_eq!(can, FSGSBASE, "a kernel with FSGSBASE");
    for (home, now) in HOME.iter().zip(bases()) {
        home.store(now, Relaxed);
    }
}
