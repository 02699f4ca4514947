//! What the processor at hand does otherwise than the guest's, where the manuals leave it open or two of them say different things. Each difference is
//! found by a probe, none by asking for the vendor: a processor without any is compared as it is. Where one is found, the oracle runs other code that
//! does the same there ([`Vendor::code`]), makes of the outcome what the guest's processor would leave ([`Vendor::settle`]), or, if neither can be,
//! skips the case ([`Vendor::skipped`]). SDM: Intel's manual; APM: AMD's.

use crate::case::*;
use crate::place::effective;
use crate::{draw, guarded, ours, prepare, put_code, put_memory, real, ALONE};
use iced_x86::{Decoder, DecoderOptions, Instruction, MemorySize, Mnemonic as M, OpKind};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Quirk {
    /// FIP, FDP and FOP are saved only while an exception is pending, else zeros (APM 2, FXSAVE and FXRSTOR). FDP and FOP are of the last instruction
    /// that has such, not of the last unmasked exception (SDM 1, 8.1.8 and 8.1.9). FNSTENV stores all three.
    Pointers,
    /// MXCSR has a bit 17, MM (APM 1, 4.2.2), which is reserved on the guest's (SDM 1, 10.2.3).
    MisalignedMode,
    /// The operand-size prefix makes a near branch one of 16 bits (APM 3, JMP Near); the guest's ignores it (SDM 2, JMP).
    Branch16,
    /// REPNE with LOOPE and REPE with LOOPNE turn the condition around: prefixes that mean nothing there (SDM 2, 2.1.1; APM 3, 1.2.6).
    LoopPrefix,
    /// F3 90 with REX.B is XCHG with r8, on the guest's it is PAUSE.
    PauseRexB,
    /// 0F 0D with a register is undefined (APM 3, PREFETCH); the guest's does nothing.
    PrefetchRegister,
    /// Prefixes that VEX may not have make bytes undefined before they are too long (#GP); SDM 3, 6.9: either may come first. And of what means
    /// nothing some has other immediates: 0F 78 two bytes (APM 4, EXTRQ), 8F with another extension than POP's up to four (APM 6, XOP).
    LongUndefined,
    /// VPERMQ and VPERMPD without VEX.W are the same; the guest's has nothing defined (SDM 2: W1).
    PermuteW0,
    /// LOCK makes CR8 of a control register (APM 3, MOV CRn): not allowed, where the guest's has nothing defined.
    LockMovCr,
    /// LFS, LGS and LSS ignore REX.W (APM 3, LFS).
    FarPointer64,
    /// Misaligned operands of SHA instructions are read; #GP on the guest's (SDM 2, exceptions of type 4).
    ShaMisaligned,
    /// INT1 reports its own address: that is where an intercepted #DB of it is (APM 2, 15.12.2), and a hypervisor may pass it on so.
    Int1Address,
    /// A store of an MMX register that faults leaves TOP alone; on the guest's it is zero by then. (None of the manuals says.)
    MmxStoreFault,
    /// A bad address comes before the exception that leaves the store undone (SDM 3, 6.9: it may).
    X87StoreFault,
    /// A store of 80 bits of which the last two can't be stored leaves the others undone, too.
    WideStoreFault,
    /// VCVTPS2PH to a bad address doesn't note the exceptions of the conversion.
    HalfStoreFault,
    /// Gathers that fault leave the rest of the mask as it is (SDM 2, VGATHERDPS, widens all of it first), and the upper half of the result until the end.
    GatherFault,
    /// REP with 32-bit addresses that ends before anything is done, by a count of zero or a fault, leaves the upper halves of the registers.
    NarrowRepeat,
    /// A fault in REP CMPS and SCAS finds the flags of the last comparison; on the guest's those before the first.
    RepeatFlags,
    /// Other tables for RCPPS and its kin (SDM 2, RCPPS; APM 4, RCPPS: a relative error of 1.5 * 2^-12 at most).
    Approximate,
    /// Which NaN DPPS and DPPD take of several: the order of additions isn't that of the pseudocode on all.
    DotNan,
}
use Quirk::*;

/// Of FSW: an exception is pending.
const PENDING: u16 = 0x80;
const LOW: u64 = u32::MAX as u64;
const NOWHERE: u64 = WINDOW - 0x10000;

/// What `side` makes of code with an operand at `at`, whose bytes are appended.
fn outcome(
    side: &mut dyn FnMut(&Case) -> Outcome,
    code: &[u8],
    at: Option<u64>,
    set: impl FnOnce(&mut State, &mut Memory),
) -> (Outcome, u64) {
    let mut state = State { pc: CODE + 0x400, ftw: 0xff, ..State::default() };
    state.gpr[4] = WINDOW + 0x800;
    let mut memory = Box::new([0; WINDOW_BYTES]);
    set(&mut state, &mut memory);
    let mut code = code.to_vec();
    code.extend(at.iter().flat_map(|at| (*at as u32).to_le_bytes()));
    let case = Case { pc: state.pc, code, state, memory, ignored: 0, ignored_at_fault: 0, readonly: None };
    put_code(&case);
    put_memory(&case.memory);
    let done = side(&case);
    crate::clear_code(&case);
    (done, case.pc + case.code.len() as u64 + 1)
}

/// Each difference and whether `side` has it.
fn probes(side: &mut dyn FnMut(&Case) -> Outcome) -> Vec<(Quirk, bool)> {
    let here = WINDOW + 0x400;
    let nothing = |_: &mut State, _: &mut Memory| {};
    let mut run = |code: &[u8], at: Option<u64>, set: &dyn Fn(&mut State, &mut Memory)| outcome(side, code, at, set);
    vec![
        (Pointers, run(&[0x90], None, &|s, _| s.fip = 0x1234).0 .1.fip != 0x1234),
        (MisalignedMode, {
            run(&[0x0f, 0xae, 0x04, 0x25], Some(here), &|_, _| {});
            crate::memory()[0x400 + 30] & 2 != 0
        }),
        (Branch16, run(&[0x66, 0xeb, 0], None, &nothing).0 .0 != libc::SIGTRAP),
        (LoopPrefix, {
            let ((_, s), end) = run(&[0xf3, 0xe0, 0x20], None, &|s, _| (s.gpr[1], s.flags) = (9, 0x242));
            s.pc != end
        }),
        (PauseRexB, run(&[0xf3, 0x41, 0x90], None, &|s, _| s.gpr[8] = 8).0 .1.gpr[8] != 8),
        (PrefetchRegister, run(&[0x0f, 0x0d, 0xc0], None, &nothing).0 .0 == libc::SIGILL),
        (LongUndefined, {
            let long = [0x41, 0x41, 0x41, 0x41, 0x41, 0xc4, 0x43, 0xe7, 0xc5, 0x84, 0x04, 0, 0, 0, 0];
            run(&long, None, &nothing).0 .0 == libc::SIGILL
        }),
        (PermuteW0, run(&[0xc4, 0xe3, 0x7d, 0, 0xc0, 0], None, &nothing).0 .0 != libc::SIGILL),
        (LockMovCr, run(&[0xf0, 0x0f, 0x20, 0xc0], None, &nothing).0 .0 != libc::SIGILL),
        (FarPointer64, {
            let far = |_: &mut State, m: &mut Memory| m[0x400..0x408].fill(0x11);
            run(&[0x48, 0x0f, 0xb4, 0x04, 0x25], Some(here), &far).0 .1.gpr[0] != 0x1111_1111_1111_1111
        }),
        (ShaMisaligned, run(&[0x0f, 0x38, 0xc8, 0x04, 0x25], Some(here + 1), &|_, _| {}).0 .0 == libc::SIGTRAP),
        (Int1Address, run(&[0xf1], None, &nothing).0 .1.pc == CODE + 0x400),
        (MmxStoreFault, run(&[0x0f, 0x7e, 0x04, 0x25], Some(NOWHERE), &|s, _| s.fsw = 0x1800).0 .1.fsw == 0x1800),
        (X87StoreFault, {
            let empty = |s: &mut State, _: &mut Memory| (s.ftw, s.fcw) = (0, 0x37e);
            run(&[0xd9, 0x14, 0x25], Some(NOWHERE), &empty).0 .0 == libc::SIGSEGV
        }),
        (WideStoreFault, {
            run(&[0xdb, 0x3c, 0x25], Some(WINDOW + WINDOW_BYTES as u64 - 8), &|s, _| s.x87[0] = 1 << 63);
            crate::memory()[WINDOW_BYTES - 8..] == [0; 8]
        }),
        (HalfStoreFault, {
            let inexact = |s: &mut State, _: &mut Memory| s.vec[0] = 0x3f80_0001;
            let code: Vec<u8> = [[0xc4, 0xe3, 0x79, 0x1d, 0x04, 0x25].as_slice(), &(NOWHERE as u32).to_le_bytes(), &[0]].concat();
            run(&code, None, &inexact).0 .1.mxcsr == 0x1f80
        }),
        (GatherFault, {
            // xmm0, [rax + xmm1], xmm2
            let mask = |s: &mut State, _: &mut Memory| (s.gpr[0], s.vec[2]) = (NOWHERE, 1 << 31);
            run(&[0xc4, 0xe2, 0x69, 0x90, 0x04, 0x08], None, &mask).0 .1.vec[2] == 1 << 31
        }),
        (NarrowRepeat, {
            let none = |s: &mut State, _: &mut Memory| s.gpr[1] = 1 << 32;
            let some = |s: &mut State, _: &mut Memory| (s.gpr[1], s.gpr[6]) = (1 << 32 | 1, NOWHERE);
            let mut high = |set: &dyn Fn(&mut State, &mut Memory)| run(&[0x67, 0xf3, 0xac], None, set).0 .1.gpr[1] >> 32 != 0;
            high(&none) || high(&some)
        }),
        (RepeatFlags, {
            let end = WINDOW + WINDOW_BYTES as u64 - 1;
            let equal = |s: &mut State, _: &mut Memory| (s.gpr[1], s.gpr[6], s.gpr[7], s.flags) = (9, end, WINDOW, 0x203);
            run(&[0xf3, 0xa6], None, &equal).0 .1.flags & 0x41 != 1
        }),
        (Approximate, {
            let mut one = |code: &[u8], v: u32| run(code, None, &|s, _| s.vec[1] = v.into()).0 .1.vec[0] as u32;
            one(&[0x0f, 0x53, 0xc1], 0xb783_2f26) != 0xc779_d800 || one(&[0x0f, 0x52, 0xc1], 0x07c3_b306) != 0x5b4f_0800
        }),
        (DotNan, {
            // Of lanes 0 and 2, to 0 and 3.
            let two = |s: &mut State, _: &mut Memory| s.vec[0] = 0xffe0_beef << 64 | 0x7fe0_1234;
            let v = run(&[0x66, 0x0f, 0x3a, 0x40, 0xc1, 0x59], None, &two).0 .1.vec[0];
            v >> 96 == v & 0xffff_ffff
        }),
    ]
}

/// Where FLDENV before a case reads, and FNSTENV behind it writes.
const BEFORE: u64 = CODE + 0xf00;
const BEHIND: u64 = CODE + 0xf80;
/// The length of either.
const STEP: u64 = 7;

fn fldenv() -> Vec<u8> {
    [[0xd9, 0x24, 0x25].as_slice(), &(BEFORE as u32).to_le_bytes()].concat()
}
fn fnstenv() -> Vec<u8> {
    [[0xd9, 0x34, 0x25].as_slice(), &(BEHIND as u32).to_le_bytes()].concat()
}

/// The differences that there are, and how many cases they meant something to.
pub struct Vendor {
    has: BTreeSet<Quirk>,
    skipped: BTreeMap<Quirk, u64>,
    settled: BTreeMap<Quirk, u64>,
    /// Those of the case under way.
    now: BTreeSet<Quirk>,
    /// Its FNSTENV was reached.
    env: bool,
}

impl Vendor {
    /// Look at the processor at hand; [`crate::prepare`] has been called.
    pub fn probe() -> Vendor {
        let has = probes(&mut |case| real::run(case)).into_iter().filter(|p| p.1).map(|p| p.0).collect();
        Vendor { has, skipped: BTreeMap::new(), settled: BTreeMap::new(), now: BTreeSet::new(), env: false }
    }

    fn has(&self, q: Quirk) -> bool {
        self.has.contains(&q)
    }
    fn note(&mut self, q: Quirk) {
        self.now.insert(q);
    }
    /// The case is through.
    pub fn done(&mut self) {
        for q in std::mem::take(&mut self.now) {
            *self.settled.entry(q).or_default() += 1;
        }
    }
    /// What came of it, for people.
    pub fn summary(&self) -> String {
        match self.has.is_empty() {
            true => String::new(),
            false => format!("; this processor: skipped {:?}, by other code or adapted {:?}", self.skipped, self.settled),
        }
    }

    /// Whether the case can't be compared.
    pub fn skipped(&mut self, case: &Case, single: &Instruction) -> bool {
        let whole = single.len() == case.code.len();
        let cause = instructions(case).find_map(|(_, i)| {
            let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
            // No instruction of a sequence changes what its memory operands are relative to.
            let at = if memory { effective(&i, &case.state) } else { 0 };
            let far = matches!(i.mnemonic(), M::Lfs | M::Lgs | M::Lss) && i.op0_register().is_gpr64();
            let mxcsr = match i.mnemonic() {
                M::Ldmxcsr | M::Vldmxcsr => read(&case.memory, at),
                M::Fxrstor | M::Fxrstor64 | M::Xrstor | M::Xrstor64 => read(&case.memory, at.wrapping_add(24)),
                _ => 0,
            };
            [
                (FarPointer64, far),
                (MisalignedMode, (mxcsr as u32) >> 16 == 2),
                // In a row with others, what follows depends on it.
                (ShaMisaligned, !whole && sha(i.mnemonic()) && at & 15 != 0),
                (DotNan, !whole && dot(i.mnemonic())),
            ]
            .into_iter()
            .find_map(|(q, is)| (is && self.has(q)).then_some(q))
        });
        if let Some(q) = cause {
            *self.skipped.entry(q).or_default() += 1;
        }
        cause.is_some()
    }

    /// What does on this processor what the case's code does on the guest's: of the same length.
    fn code(&mut self, case: &Case) -> Vec<u8> {
        let mut code = case.code.clone();
        for (from, i) in instructions(case) {
            let at = from + code[from..].iter().take_while(|b| is_prefix(**b)).count();
            let [Some(&op), second] = [code.get(at), code.get(at + 1)] else { continue };
            let second = second.copied().unwrap_or(0);
            let prefixes = &mut code[from..at];
            // Of a segment that means something, or of one that doesn't.
            let idle = prefixes.iter().copied().rfind(|b| matches!(b, 0x64 | 0x65)).unwrap_or(0x2e);
            if self.has(Branch16) && near_branch(&i) && prefixes.contains(&0x66) {
                prefixes.iter_mut().filter(|b| **b == 0x66).for_each(|b| *b = idle);
                self.note(Branch16);
            }
            if self.has(LoopPrefix) && matches!(op, 0xe0 | 0xe1) && prefixes.iter().any(|b| matches!(b, 0xf2 | 0xf3)) {
                prefixes.iter_mut().filter(|b| matches!(b, 0xf2 | 0xf3)).for_each(|b| *b = idle);
                self.note(LoopPrefix);
            }
            let rex = prefixes.last().is_some_and(|b| b & 0xf1 == 0x41);
            if self.has(PauseRexB) && i.mnemonic() == M::Pause && rex {
                prefixes[at - from - 1] &= !1;
                self.note(PauseRexB);
            }
            if self.has(LockMovCr) && i.is_invalid() && op == 0x0f && matches!(second, 0x20 | 0x22) && prefixes.contains(&0xf0) {
                // UD2
                code[at + 1] = 0x0b;
                self.note(LockMovCr);
            }
            if self.has(PermuteW0) && i.is_invalid() && matches!(code[at..], [0xc4, map, 0x7d, 0 | 1, ..] if map & 31 == 3) {
                // One that isn't there at all.
                code[at + 3] = 0xff;
                self.note(PermuteW0);
            }
            if self.has(PrefetchRegister) && !i.is_invalid() && (op, second) == (0x0f, 0x0d) && code[at + 2] >= 0xc0 {
                // NOP
                code[at + 1] = 0x1f;
                self.note(PrefetchRegister);
            }
        }
        code
    }

    /// Run a case on the processor at hand.
    pub fn run(&mut self, case: &Case) -> Outcome {
        let own = self.code(case);
        let end = case.pc + own.len() as u64;
        let run = |before: &[u8], behind: &[u8]| {
            let mut whole = case.clone();
            whole.pc -= before.len() as u64;
            whole.state.pc -= before.len() as u64;
            whole.code = [before, &own, behind].concat();
            put_memory(&case.memory);
            put_code(&whole);
            let done = guarded(case, || real::run(&whole));
            crate::clear_code(&whole);
            put_code(case);
            done
        };
        let behind = |at| (end + 1..=end + STEP).contains(&at);
        self.env = false;
        let into = |at| behind(at) || (case.pc - STEP..case.pc).contains(&at);
        if !self.has(Pointers) || instructions(case).any(|(_, i)| into(i.near_branch_target())) {
            return run(&[], &[]);
        }
        // What is pending needs no FLDENV: then they are saved.
        let before = if case.state.fsw & PENDING == 0 { fldenv() } else { Vec::new() };
        put_environment(&case.state);
        // A change of threads loses what isn't saved: then it is tried again.
        for left in (0..8).rev() {
            let (signal, mut s) = run(&before, &fnstenv());
            if signal == libc::SIGTRAP && behind(s.pc) {
                // A single step.
                break;
            }
            if signal == libc::SIGTRAP && s.pc == end + STEP + 1 {
                // SAFETY: FNSTENV has just stored it.
                let env = unsafe { (BEHIND as *const [u32; 7]).read_unaligned() };
                s.pc -= STEP;
                (s.fcw, s.fsw) = (env[0] as u16, env[1] as u16);
                (s.fip, s.fdp, s.fop) = (env[3].into(), env[5].into(), (env[4] >> 16) as u16 & 0x7ff);
                self.env = true;
            }
            let known = self.env || s.fsw & PENDING != 0;
            let pointers = |s: &State| [s.fip as u32, s.fdp as u32, s.fop.into()];
            let lost = known && pointers(&s).into_iter().zip(pointers(&case.state)).any(|(now, before)| now == 0 && before != 0);
            if !lost || left == 0 {
                return (signal, s);
            }
            self.env = false;
        }
        run(&[], &[])
    }

    /// Make of `want` and `wanted`, how the processor at hand ended a case and the memory that it left, how the guest's would; `got` is ours.
    pub fn settle(&mut self, case: &Case, i: &Instruction, want: &mut Outcome, wanted: &mut Memory, got: &Outcome) {
        if self.has.is_empty() {
            return;
        }
        self.pointers(case, &mut want.1, &got.1);
        if self.has(LongUndefined) && i.is_invalid() {
            if let Some(signal) = long(&case.code).filter(|s| *s != want.0 && matches!(want.0, libc::SIGILL | libc::SIGSEGV)) {
                want.0 = signal;
                self.note(LongUndefined);
            }
        }
        if i.is_invalid() || i.len() != case.code.len() {
            return;
        }
        let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        let at = if memory { effective(i, &case.state) } else { 0 };
        if i.op_code().is_save_restore() {
            self.image(case, i, at, want.0, wanted);
        }
        if self.has(Int1Address) && i.mnemonic() == M::Int1 && want.1.pc == case.pc {
            want.1.pc += i.len() as u64;
            self.note(Int1Address);
        }
        if self.has(ShaMisaligned) && sha(i.mnemonic()) && at & 15 != 0 {
            *want = (libc::SIGSEGV, State { fip: want.1.fip, fdp: want.1.fdp, fop: want.1.fop, ..case.state.clone() });
            self.note(ShaMisaligned);
        }
        if self.has(Approximate) && draw::approximate(i.mnemonic()) && want.0 == libc::SIGTRAP {
            self.estimate(case, i, at, &mut want.1, &got.1);
        }
        if self.has(DotNan) && dot(i.mnemonic()) && want.0 == libc::SIGTRAP {
            self.dot(case, i, at, &mut want.1, &got.1);
        }
        self.repeated(case, i, want);
        if want.0 == libc::SIGSEGV && memory {
            self.fault(case, i, at, want, wanted, got);
        }
    }

    /// FIP, FDP and FOP as far as they can be known.
    fn pointers(&mut self, case: &Case, w: &mut State, g: &State) {
        if !self.has(Pointers) {
            return;
        }
        let part = |w: &State| (w.fip as u32, w.fdp as u32, w.fop);
        let before = part(w);
        self.known_pointers(case, w, g);
        if before != part(w) {
            self.note(Pointers);
        }
    }

    fn known_pointers(&self, case: &Case, w: &mut State, g: &State) {
        let memory = |i: &Instruction| (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        let last = instructions(case).find(|(_, i)| i.ip() == w.fip);
        if !self.env && w.fsw & PENDING == 0 {
            (w.fip, w.fdp, w.fop) = (g.fip, g.fdp, g.fop);
            return;
        }
        // Those with 32 bits.
        let restores = restores_image(case);
        let whole = |w: u64, before: u64, g: u64| match w {
            w if w == before & LOW => before,
            w if restores && w == g & LOW => g,
            w => w,
        };
        w.fip = whole(w.fip, case.state.fip, g.fip);
        w.fdp = whole(w.fdp, case.state.fdp, g.fdp);
        if w.fsw & PENDING == 0 && last.is_some() {
            (w.fdp, w.fop) = (g.fdp, g.fop);
        } else if last.is_some_and(|(from, i)| from > 0 && !memory(&i)) {
            w.fdp = g.fdp;
        }
    }

    /// The image that FXSAVE or the like has stored.
    fn image(&mut self, case: &Case, i: &Instruction, at: u64, signal: i32, wanted: &mut Memory) {
        let from = at.wrapping_sub(WINDOW) as usize;
        let fx = matches!(i.mnemonic(), M::Fxsave | M::Fxsave64);
        let saves = fx || matches!(i.mnemonic(), M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 | M::Xsavec | M::Xsavec64);
        if !saves || signal != libc::SIGTRAP || from > WINDOW_BYTES - 32 {
            return;
        }
        let image = &mut wanted[from..];
        let asked = if fx { 3 } else { case.state.gpr[0] };
        let wide = matches!(i.mnemonic(), M::Fxsave64 | M::Xsave64 | M::Xsaveopt64 | M::Xsavec64);
        let there = match i.mnemonic() {
            M::Xsavec | M::Xsavec64 | M::Xsaveopt | M::Xsaveopt64 => image[512] & 1 != 0,
            _ => true,
        };
        let s = &case.state;
        if self.has(Pointers) && asked & 1 != 0 && there && s.fsw & PENDING == 0 && image[6..24].iter().all(|&b| b == 0) {
            let width = if wide { u64::MAX } else { u32::MAX.into() };
            image[6..8].copy_from_slice(&s.fop.to_le_bytes());
            image[8..16].copy_from_slice(&(s.fip & width).to_le_bytes());
            image[16..24].copy_from_slice(&(s.fdp & width).to_le_bytes());
            self.note(Pointers);
        }
        if self.has(MisalignedMode) && asked & 6 != 0 && image[28..32] == [0xff, 0xff, 2, 0] {
            image[30] = 0;
            self.note(MisalignedMode);
        }
    }

    /// Repetitions.
    fn repeated(&mut self, case: &Case, i: &Instruction, (signal, w): &mut Outcome) {
        if !i.has_rep_prefix() && !i.has_repne_prefix() || !i.is_string_instruction() {
            return;
        }
        let kinds: Vec<OpKind> = (0..i.op_count()).map(|n| i.op_kind(n)).collect();
        let uses = |list: &[OpKind]| kinds.iter().any(|k| list.contains(k));
        let narrow = uses(&[OpKind::MemorySegESI, OpKind::MemoryESEDI]);
        if matches!(i.mnemonic(), M::Insb | M::Insw | M::Insd | M::Outsb | M::Outsw | M::Outsd) {
            // Privileged: there is no first one.
            return;
        }
        let (faults, none) = (*signal == libc::SIGSEGV, case.state.gpr[1] as u32 == 0);
        if self.has(NarrowRepeat) && narrow && (faults || none) {
            // What the guest's writes even then.
            let written: &[usize] = match i.mnemonic() {
                M::Movsb | M::Movsw | M::Movsd | M::Movsq => &[1, 6, 7],
                M::Stosb | M::Stosw | M::Stosd | M::Stosq => &[1, 7],
                _ => &[1],
            };
            for &n in written {
                w.gpr[n] = w.gpr[n] as u32 as u64;
            }
            self.note(NarrowRepeat);
        }
        let compares = i.rflags_modified() & iced_x86::RflagsBits::ZF != 0;
        if self.has(RepeatFlags) && faults && compares {
            const STATUS: u64 = 0x8d5;
            w.flags = w.flags & !STATUS | case.state.flags & STATUS;
            self.note(RepeatFlags);
        }
    }

    /// Memory operands that can't be accessed.
    fn fault(&mut self, case: &Case, i: &Instruction, at: u64, want: &mut Outcome, wanted: &mut Memory, got: &Outcome) {
        use M::*;
        let (w, g) = (&mut want.1, &got.1);
        let stores = i.op0_kind() == OpKind::Memory;
        if self.has(MmxStoreFault) && stores && matches!(i.mnemonic(), Movd | Movq | Movntq) && i.op1_register().is_mm() {
            w.fsw &= !0x3800;
            self.note(MmxStoreFault);
        }
        let x87 = matches!(i.mnemonic(), Fst | Fstp | Fist | Fistp | Fisttp | Fbstp);
        if self.has(X87StoreFault) && x87 && g.fsw & PENDING != 0 && case.state.fsw & 0x80 == 0 {
            // That nothing was stored remains to be compared.
            (w.fsw, w.pc, w.fip, w.fdp, w.fop) = (g.fsw, g.pc, g.fip, g.fdp, g.fop);
            want.0 = libc::SIGTRAP;
            self.note(X87StoreFault);
            return;
        }
        let from = at.wrapping_sub(WINDOW) as usize;
        if self.has(WideStoreFault) && stores && matches!(i.mnemonic(), Fstp | Fbstp) && i.memory_size().size() == 10 {
            let limit = if case.readonly == Some(WINDOW + 4096) { 4096 } else { WINDOW_BYTES };
            if (limit - 9..=limit - 8).contains(&from) {
                wanted[from..from + 8].copy_from_slice(&crate::memory()[from..from + 8]);
                self.note(WideStoreFault);
            }
        }
        if self.has(HalfStoreFault) && stores && i.mnemonic() == Vcvtps2ph && w.mxcsr == case.state.mxcsr {
            w.mxcsr |= g.mxcsr & 0x3f;
            if got.0 == libc::SIGFPE {
                want.0 = got.0;
            }
            self.note(HalfStoreFault);
        }
        if self.has(GatherFault) && i.memory_index().is_vector_register() {
            let bits = 8 * i.memory_size().element_size();
            let lanes = 8 * i.memory_index().size().max(i.op0_register().size()) / bits;
            let mask = i.op2_register().number();
            let mut wide = [w.vec[mask], w.vec[mask + 16]];
            widen(&mut wide, bits, lanes);
            (w.vec[mask], w.vec[mask + 16]) = (wide[0], wide[1]);
            let mut before = [case.state.vec[mask], case.state.vec[mask + 16]];
            widen(&mut before, bits, lanes);
            if bits * lanes == 128 && before != wide {
                // With the first element.
                w.vec[i.op0_register().number() + 16] = 0;
            }
            self.note(GatherFault);
        }
    }

    /// Estimates may be any number near the result.
    fn estimate(&mut self, case: &Case, i: &Instruction, at: u64, w: &mut State, g: &State) {
        use M::*;
        let root = matches!(i.mnemonic(), Rsqrtps | Rsqrtss | Vrsqrtps | Vrsqrtss);
        let scalar = matches!(i.mnemonic(), Rcpss | Rsqrtss | Vrcpss | Vrsqrtss);
        let lanes = if scalar { 1 } else { i.op0_register().size() / 4 };
        let dst = i.op0_register().number();
        for n in 0..lanes {
            let (reg, shift) = (dst + n / 4 * 16, n % 4 * 32);
            let x = source(case, i, at, n / 4);
            let [x, theirs, ours] = [x, w.vec[reg], g.vec[reg]].map(|v| f32::from_bits((v >> shift) as u32));
            let exact = |x: f32| if root { 1.0 / f64::from(x).sqrt() } else { 1.0 / f64::from(x) };
            let near = |y: f32| (f64::from(y) / exact(x) - 1.0).abs() <= 1.5 / 4096.0;
            // Where results are tiny they may be zero already (SDM 2, RCPPS).
            let tiny = !root && (f32::from_bits(0x7e7f_e800)..=f32::from_bits(0x7e80_0c01)).contains(&x.abs());
            let zero = |y: f32| tiny && y == 0.0 && y.is_sign_negative() == x.is_sign_negative();
            if x.is_normal() && theirs.to_bits() != ours.to_bits() && [theirs, ours].iter().all(|&y| near(y) || zero(y)) {
                w.vec[reg] = w.vec[reg] & !(0xffff_ffff << shift) | u128::from(ours.to_bits()) << shift;
                self.note(Approximate);
            }
        }
    }

    /// Of several NaNs, any.
    fn dot(&mut self, case: &Case, i: &Instruction, at: u64, w: &mut State, g: &State) {
        let bits = if matches!(i.mnemonic(), M::Dpps | M::Vdpps) { 32 } else { 64 };
        let (mask, quiet) = if bits == 32 { (0xffff_ffff, 1 << 22) } else { (u128::from(u64::MAX), 1 << 51) };
        let infinity: u128 = if bits == 32 { 0x7f80_0000 } else { 0x7ff0_0000_0000_0000 };
        let nan = |v: u128| v & mask >> 1 > infinity;
        let first = if i.op_count() == 4 { i.op1_register() } else { i.op0_register() };
        let dst = i.op0_register().number();
        for half in 0..i.op0_register().size() / 16 {
            let reg = dst + half * 16;
            let sources = [case.state.vec[first.number() + half * 16], source(case, i, at, half)];
            for shift in (0..128).step_by(bits) {
                let [theirs, ours] = [w.vec[reg], g.vec[reg]].map(|v| v >> shift & mask);
                let taken = |v: u128| (0..128).step_by(bits).any(|s| nan(v >> s & mask) && v >> s & mask | quiet == ours);
                // Or the one that an invalid operation makes.
                let made = ours == (mask >> 1 ^ mask | infinity | quiet);
                if theirs != ours && nan(theirs) && nan(ours) && (made || sources.into_iter().any(taken)) {
                    w.vec[reg] = w.vec[reg] & !(mask << shift) | ours << shift;
                    self.note(DotNan);
                }
            }
        }
    }
}

/// Each element of a mask becomes its sign, what is behind them zero.
fn widen(mask: &mut [u128; 2], bits: usize, lanes: usize) {
    let old = *mask;
    *mask = [0; 2];
    for n in 0..lanes {
        let (half, shift) = (n * bits / 128, n * bits % 128);
        if old[half] >> (shift + bits - 1) & 1 != 0 {
            mask[half] |= (u128::MAX >> (128 - bits)) << shift;
        }
    }
}

/// 16 bytes of the last operand but an immediate.
fn source(case: &Case, i: &Instruction, at: u64, half: usize) -> u128 {
    let ops = 0..i.op_count();
    match ops.clone().rfind(|&n| matches!(i.op_kind(n), OpKind::Register | OpKind::Memory)) {
        Some(n) if i.op_kind(n) == OpKind::Register => case.state.vec[i.op_register(n).number() + half * 16],
        _ => read(&case.memory, at.wrapping_add(half as u64 * 16)),
    }
}

/// Memory, with zeros where there is none.
fn read(memory: &Memory, at: u64) -> u128 {
    let byte = |n: u64| memory.get(at.wrapping_add(n).wrapping_sub(WINDOW) as usize).copied().unwrap_or(0);
    (0..16).fold(0, |v, n| v | u128::from(byte(n)) << (8 * n))
}

/// A case's instructions and where in its code they are, up to what is none.
fn instructions(case: &Case) -> impl Iterator<Item = (usize, Instruction)> + '_ {
    let mut d = Decoder::with_ip(64, &case.code, case.pc, DecoderOptions::NONE);
    let mut last = false;
    std::iter::from_fn(move || {
        let next = (!last && d.can_decode()).then(|| (d.position(), d.decode()));
        last = next.is_some_and(|(_, i)| i.is_invalid());
        next
    })
}

/// Whether a case loads an image with pointers of 64 bits.
fn restores_image(case: &Case) -> bool {
    instructions(case).any(|(_, i)| matches!(i.mnemonic(), M::Fxrstor | M::Fxrstor64 | M::Xrstor | M::Xrstor64))
}

/// What FLDENV makes the x87's state of.
fn put_environment(s: &State) {
    let tags = (0..8).fold(0, |t, n| if s.ftw >> n & 1 != 0 { t } else { t | 3 << (2 * n) });
    let env = [s.fcw.into(), s.fsw.into(), tags, s.fip as u32, u32::from(s.fop) << 16, s.fdp as u32, 0];
    // SAFETY: the page is ours, and nothing else is there.
    unsafe { (BEFORE as *mut [u32; 7]).write_unaligned(env) };
}

fn is_prefix(b: u8) -> bool {
    matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3 | 0x40..=0x4f)
}

/// How bytes without meaning end on the guest's processor, if their length hangs on which immediates they would have.
fn long(code: &[u8]) -> Option<i32> {
    let prefixes = code.iter().take_while(|b| is_prefix(**b)).count();
    // ModRM, SIB and displacement.
    let operand = |modrm: u8, sib: u8| match (modrm >> 6, modrm & 7) {
        (3, _) => 1,
        (0, 5) => 5,
        (0, 4) if sib & 7 == 5 => 6,
        (mode, rm) => 1 + (rm == 4) as usize + [0, 1, 4][mode as usize],
    };
    let vex = |before: usize, map: u8, op: u8, operand: usize| {
        let immediate = map == 3 || (map == 1 && matches!(op, 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6));
        match prefixes + before + 1 + operand + immediate as usize {
            16.. => Some(libc::SIGSEGV),
            _ => (map == 1 && op == 0x78).then_some(libc::SIGILL),
        }
    };
    match code[prefixes..] {
        [0xc4, map, _, op, modrm, sib, ..] => vex(3, map & 31, op, operand(modrm, sib)),
        [0xc5, _, op, modrm, sib, ..] => vex(2, 1, op, operand(modrm, sib)),
        [0x8f, modrm, sib, ..] if modrm & 0x38 != 0 => (prefixes + 1 + operand(modrm, sib) <= 15).then_some(libc::SIGILL),
        _ => None,
    }
}

fn near_branch(i: &Instruction) -> bool {
    let near = i.memory_size() == MemorySize::QwordOffset || (0..i.op_count()).all(|n| i.op_kind(n) != OpKind::Memory);
    let loops = matches!(i.mnemonic(), M::Loop | M::Loope | M::Loopne | M::Jcxz | M::Jecxz | M::Jrcxz);
    near && (loops || i.is_jcc_short_or_near() || matches!(i.mnemonic(), M::Jmp | M::Call | M::Ret))
}

fn sha(m: M) -> bool {
    use M::*;
    matches!(m, Sha1msg1 | Sha1msg2 | Sha1nexte | Sha1rnds4 | Sha256msg1 | Sha256msg2 | Sha256rnds2)
}

fn dot(m: M) -> bool {
    matches!(m, M::Dpps | M::Dppd | M::Vdpps | M::Vdppd)
}

/// What the differences are from: where the oracle finds none, these are what a processor without any does.
#[test]
fn the_guests_processor_has_none() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let (mut slow, mut fast) = (ours::Slow::new(), ours::Fast::new(false));
    for (q, is) in probes(&mut |case| slow.run(case).expect("it can be interpreted")) {
        assert!(!is, "{q:?}, interpreted");
    }
    let mut run = |case: &Case| {
        let done = fast.run(case);
        fast.forget(case);
        done
    };
    for (q, is) in probes(&mut run) {
        assert!(!is, "{q:?}, translated");
    }
}
