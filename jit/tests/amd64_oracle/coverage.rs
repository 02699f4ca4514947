//! What is compared: every instruction of 64-bit mode that the guest's processor has is drawn by some group, or stands in [`NOT_COMPARED`] with its
//! cause and, where it has a result that can be known, in a test of its own here.

use crate::case::*;
use crate::codes::{self, Group, NOT_COMPARED};
use crate::rng::Rng;
use crate::{draw, ours, prepare, put_code, put_memory, ALONE};
use jit::guest::amd64::cpuid::cpuid;

const GROUPS: [Group; 9] =
    [Group::Integer, Group::Strings, Group::Locked, Group::X87, Group::Mmx, Group::Sse, Group::Avx, Group::Crypto, Group::State];

#[test]
fn every_instruction_is_compared_or_listed() {
    let mut missing = Vec::new();
    let (mut compared, mut listed) = (0, 0);
    for code in codes::all() {
        if codes::cause(code).is_some() {
            listed += 1;
            continue;
        }
        let drawn = GROUPS.iter().any(|&g| {
            let r = &mut Rng(code as u64);
            codes::belongs(code, g) && (0..3000).any(|_| draw::single(r, code, g).is_some())
        });
        if drawn {
            compared += 1;
        } else {
            missing.push(code);
        }
    }
    println!("{compared} forms compared, {listed} listed");
    assert!(missing.is_empty(), "neither compared nor listed: {missing:?}");
    for (start, _) in NOT_COMPARED {
        assert!(codes::all().any(|c| format!("{c:?}").starts_with(start)), "{start}: there is no such instruction");
    }
}

/// Run code on both of our sides; they must agree, MXCSR and the like aside.
fn run(code: &[u8], gpr: [u64; 16]) -> (i32, State) {
    let state = State { pc: CODE + 0x400, gpr, ..State::default() };
    let case = Case {
        pc: CODE + 0x400,
        code: code.to_vec(),
        state,
        memory: Box::new([0; WINDOW_BYTES]),
        ignored: 0,
        ignored_at_fault: 0,
        readonly: None,
    };
    put_code(&case);
    put_memory(&case.memory);
    let slow = ours::Slow::new().run(&case).expect("it can be interpreted");
    let mut fast = ours::Fast::new(false);
    let got = fast.run(&case);
    crate::clear_code(&case);
    assert_eq!(slow.0, got.0, "{code:x?}");
    assert_eq!(slow.1.pc, got.1.pc, "{code:x?}");
    got
}

fn with(list: &[(usize, u64)]) -> [u64; 16] {
    let mut gpr = [0x5555_5555_5555_5555; 16];
    list.iter().for_each(|&(n, v)| gpr[n] = v);
    gpr
}

#[test]
fn identification() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    for leaf in (0..=0x20).chain(0x4000_0000..0x4000_0002).chain(0x8000_0000..=0x8000_000a).chain([u32::MAX]) {
        for sub in [0, 1, 2, 3, 4, 5, 64, u32::MAX] {
            let (signal, s) = run(&[0x0f, 0xa2], with(&[(0, leaf as u64 | 1 << 40), (1, sub as u64 | 1 << 50)]));
            assert_eq!(signal, libc::SIGTRAP);
            let got = [0, 3, 1, 2].map(|n| s.gpr[n]);
            assert_eq!(got, cpuid(leaf, sub).map(u64::from), "leaf {leaf:x}, {sub:x}");
        }
    }
    // What it claims the processor at hand has, too: it is how the oracle can tell. Aside are those of leaf 7 that aren't instructions but say what
    // FDP, FCS and FDS no longer are, which `vendor` looks after.
    const FDP_EXCPTN_ONLY: u32 = 1 << 6;
    const NO_FCS_FDS: u32 = 1 << 13;
    let host = |leaf: u32, sub: u32| {
        let r = std::arch::x86_64::__cpuid_count(leaf, sub);
        [r.eax, r.ebx, r.ecx, r.edx]
    };
    for leaf in [1, 7, 0x8000_0001] {
        let (ours, theirs) = (cpuid(leaf, 0), host(leaf, 0));
        for n in if leaf == 7 { 1..2 } else { 2..4 } {
            let aside = if leaf == 7 { FDP_EXCPTN_ONLY | NO_FCS_FDS } else { 0 };
            let more = ours[n] & !theirs[n] & !aside;
            assert_eq!(more, 0, "leaf {leaf:x}: {more:x} of register {n}");
        }
    }
}

#[test]
fn registers_of_the_system() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    // XGETBV: x87, SSE, AVX; there is nothing else.
    let (signal, s) = run(&[0x0f, 0x01, 0xd0], with(&[(1, 1 << 32)]));
    assert_eq!((signal, s.gpr[0], s.gpr[2]), (libc::SIGTRAP, 7, 0));
    for n in [2, 3, 0xffff_ffff] {
        assert_eq!(run(&[0x0f, 0x01, 0xd0], with(&[(1, n)])).0, libc::SIGSEGV, "XGETBV {n}");
    }
    // RDTSC, RDTSCP: they go on, and clear the upper halves.
    let time = |s: &State| s.gpr[2] << 32 | s.gpr[0];
    let (first, second) = (run(&[0x0f, 0x31], with(&[])).1, run(&[0x0f, 0x01, 0xf9], with(&[])).1);
    assert!(first.gpr[0] >> 32 == 0 && first.gpr[2] >> 32 == 0 && second.gpr[1] >> 32 == 0);
    assert!(time(&first) < time(&second), "{first:?} {second:?}");
    // RDRAND and RDSEED of every size: CF says that there was something, the other flags are zero, and it is not always the same.
    for op in [0xf0, 0xf8] {
        let draw = |prefix: &[u8]| run(&[prefix, &[0x0f, 0xc7, op]].concat(), with(&[])).1;
        let all: Vec<State> = (0..4).map(|_| draw(&[0x48])).collect();
        assert!(all.iter().all(|s| s.flags & 0xcd5 == 1), "{all:?}");
        assert!(all.windows(2).all(|w| w[0].gpr[0] != w[1].gpr[0]), "{all:?}");
        assert_eq!(draw(&[]).gpr[0] >> 32, 0);
        assert_eq!(draw(&[0x66]).gpr[0] >> 16, 0x5555_5555_5555);
    }
}

/// Far transfers, and the tables of the system: #GP, or as if there were nothing to see.
#[test]
fn segments_of_the_system() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    prepare();
    let near = with(&[(4, WINDOW + 512), (3, WINDOW + 64)]);
    for code in [&[0xcf][..], &[0x48, 0xcf], &[0xcb], &[0xff, 0x2b], &[0xff, 0x1b], &[0x0f, 0x01, 0x03], &[0x0f, 0x00, 0x03]] {
        assert_eq!(run(code, near).0, libc::SIGSEGV, "{code:x?}");
    }
    // LAR, LSL, VERR, VERW: ZF is cleared.
    for code in [&[0x0f, 0x02, 0xc1][..], &[0x0f, 0x03, 0xc1], &[0x0f, 0x00, 0xe1], &[0x0f, 0x00, 0xe9]] {
        let (signal, s) = run(code, near);
        assert_eq!((signal, s.flags & 0x40, s.gpr[0]), (libc::SIGTRAP, 0, near[0]), "{code:x?}");
    }
}
