//! Translations that go from one process to another: the code that is emitted for a guest's code elsewhere differs in nothing but the addresses that
//! its relocations name, and engines that share a store run what they find there as what they would have made.

#![cfg(target_arch = "x86_64")]

#[allow(dead_code)]
#[path = "common/random.rs"]
mod random;

use jit::code::{Engine, Exit, Options};
use jit::guest::arm64::decode::ROWS;
use jit::guest::{arm64::GUEST, Fetch, Hints, Limits};
use jit::host::amd64::Amd64;
use jit::host::{self, Backend, Emitted};
use jit::ir::{Block, Mode};
use random::Random;
use std::cell::RefCell;

/// Code somewhere.
struct Code {
    at: u64,
    words: RefCell<Vec<u32>>,
}

impl Code {
    fn new(at: u64, words: &[u32]) -> Code {
        Code { at, words: RefCell::new(words.to_vec()) }
    }
}

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.words.borrow().get((pc.checked_sub(self.at)? / 4) as usize).copied()
    }
}

impl Hints for Code {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

fn lifted(code: &Code) -> Block {
    let mut b = Block::default();
    b.clear(code.at, Mode::default());
    (GUEST.lift)(&mut b, code, code, Limits { insns: 64, side_exits: 3 });
    b
}

/// Addresses below 2^31 have a shorter form, from which there is no way to the longer one.
#[test]
fn code_elsewhere_is_the_same_code_moved() {
    let rounds: usize = std::env::var("FAMILY_ROUNDS").map_or(60_000, |n| n.parse().expect("a number"));
    let mut r = Random(std::env::var("FAMILY_SEED").map_or(1, |n| n.parse().expect("a number")));
    let placed: Vec<_> = ROWS
        .iter()
        .filter(|w| ["adr", "adrp", "ldr_lit", "bl", "blr", "cbz", "b_cond"].iter().any(|n| w.name.to_lowercase().starts_with(n)))
        .collect();
    assert!(placed.len() > 5, "the rows that make addresses are found by name");
    let mut host = Amd64::new(GUEST.hot_gprs, GUEST.hot_vecs, host::detect());
    let (mut one, mut other) = (Emitted::default(), Emitted::default());
    let mut moved = 0;
    for round in 0..rounds {
        let words: Vec<u32> = (0..1 + r.below(8))
            .map(|_| {
                let row = if r.below(3) == 0 { placed[r.below(placed.len())] } else { &ROWS[r.below(ROWS.len())] };
                let mut fill = r.next() as u32;
                // Few registers, so that instructions meet.
                for at in [0, 5, 16] {
                    if r.below(3) != 0 {
                        fill = fill & !(31 << at) | [0, 1, 10, 20, 30][r.below(5)] << at;
                    }
                }
                fill & !row.mask | row.value
            })
            .collect();
        let low = (r.next() & 0x3ff) << 2;
        let page = |r: &mut Random, high: bool| {
            if high {
                1 << 40 | (r.next() & 0xff_ffff_f000)
            } else {
                0x2000_0000 + (r.next() & 0xfff_f000)
            }
        };
        let high = r.below(2) == 0;
        let (a, b) = (Code::new(page(&mut r, high) | low, &words), Code::new(page(&mut r, high) | low, &words));
        host.emit(&mut lifted(&a), &mut one);
        host.emit(&mut lifted(&b), &mut other);
        let by = b.at.wrapping_sub(a.at);
        moved += (one.code != other.code) as usize;
        // A constant may be on the other side of 2^31: then only the way from short to long is closed.
        let places = one.relocs.iter().filter_map(|r| match *r {
            host::Reloc::Place { at, wide } => Some((at, wide)),
            _ => None,
        });
        if !places.into_iter().all(|(at, wide)| host::Reloc::move_place(&mut one.code, at, wide, by)) {
            continue;
        }
        let narrow = |e: &Emitted| e.relocs.iter().filter(|r| matches!(r, host::Reloc::Place { wide: false, .. })).count();
        if narrow(&one) != narrow(&other) {
            continue;
        }
        let shown = format!("round {round}, {words:08x?} at {:#x} and {:#x}", a.at, b.at);
        assert_eq!(one.code, other.code, "{shown}");
        assert_eq!(one.relocs, other.relocs, "{shown}");
        assert!(
            one.links.iter().zip(&other.links).all(|(x, y)| host::Link { target: x.target.wrapping_add(by), ..*x } == *y),
            "{shown}"
        );
        assert!(
            one.points.iter().zip(&other.points).all(|(x, y)| host::Point { pc: x.pc.wrapping_add(by), ..*x } == *y),
            "{shown}"
        );
        assert_eq!(
            (one.links.len(), one.points.len(), one.cold, one.data),
            (other.links.len(), other.points.len(), other.cold, other.data)
        );
    }
    assert!(moved > rounds / 10, "of {rounds} blocks only {moved} have addresses");
}

const SVC: u32 = 0xd400_0001;
/// x0 = 10: a loop that calls a function by address, which adds what a literal says; x1 = the function's address, x2 = the sum, x30 = where it returns.
const PROGRAM: [u32; 16] = [
    0xd280_0140, // mov x0, #10
    0xd280_0002, // mov x2, #0
    0x1000_00c1, // adr x1, +24 (function)
    0xd63f_0020, // blr x1
    0xf100_0400, // subs x0, x0, #1
    0x54ff_ffc1, // b.ne -8 (blr)
    0x9400_0006, // bl +24 (last)
    SVC,         // svc #0
    0x5800_0083, // function: ldr x3, +16 (literal)
    0x8b03_0042, // add x2, x2, x3
    0xd65f_03c0, // ret
    0xd503_201f, // nop
    0x1000_0004, // last: adr x4, .
    0xd65f_03c0, // ret
    0xd503_201f, // nop
    0xd503_201f, // nop
];

/// Result of a run: x1, x2, x4 and x30, relative to the code where they are addresses; and how many blocks were translated and found.
fn run(engine: &Engine, code: &Code) -> ([u64; 4], u64, u64) {
    // The literal is behind `function`: no load goes through `Fetch`, so it must be in memory.
    let mut cpu = engine.new_cpu(None);
    cpu.pc = code.at;
    assert_eq!(engine.run(&mut cpu, code), Exit::Syscall);
    let of = |n: usize| cpu.gpr[n].wrapping_sub(code.at);
    let out = [of(1), cpu.gpr[2], of(4), of(30)];
    engine.drop_cpu(cpu);
    let s = engine.stats();
    (out, s.translations, s.found)
}

/// Memory of pages with the program in it.
fn mapped(words: &[u32]) -> Code {
    // SAFETY: fresh memory, large enough.
    let at = unsafe {
        let at = libc::mmap(
            std::ptr::null_mut(),
            words.len().next_multiple_of(1024) * 4,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(at, libc::MAP_FAILED);
        at.cast::<u32>().copy_from_nonoverlapping(words.as_ptr(), words.len());
        at as u64
    };
    Code::new(at, words)
}

fn engine() -> Engine {
    Engine::new(&GUEST, Options::default()).expect("an engine")
}

/// An engine that joins another's family, as the program would that a process executes.
fn relative(of: &Engine) -> Engine {
    let (fd, number) = of.family_handle().expect("a family");
    let new = engine();
    // SAFETY: a descriptor for the new engine to own.
    new.join_family(unsafe { libc::dup(fd) }, number);
    new
}

#[test]
fn relatives_find_what_was_translated() {
    let first = engine();
    first.found_family();
    let (expected, made, found) = run(&first, &mapped(&PROGRAM));
    assert_eq!(found, 0);
    // The literal is the pair of words behind `last`.
    assert_eq!(expected, [32, 10u64.wrapping_mul(0xd65f_03c0_1000_0004), 48, 28]);
    let second = relative(&first);
    // Somewhere else.
    assert_eq!(run(&second, &mapped(&PROGRAM)), (expected, made, made));
    // What one has not translated, another may.
    let mut other = PROGRAM;
    other[1] = 0xd280_0022; // mov x2, #1
    let third = relative(&second);
    let (out, again, found) = run(&third, &mapped(&other));
    assert_eq!(out, [expected[0], expected[1].wrapping_add(1), expected[2], expected[3]]);
    assert!(again == made && found == made - 1, "{found} of {made} found");
}

/// Code that a block only looked at, to see whether flags are needed, counts as part of it.
#[test]
fn what_was_only_looked_at_counts() {
    // subs x0, x0, #1; b.ne -4; b +12 … adds x1, x1, x2 (flags are dead) or adc x1, x1, x2 (flags are read).
    let program = |target: u32| [0xf100_0400, 0x54ff_ffe1, 0x1400_0003, SVC, SVC, target, SVC];
    let (dead, live) = (0xab02_0021, 0x9a02_0021);
    let run = |engine: &Engine, target| {
        let code = mapped(&program(target));
        let mut cpu = engine.new_cpu(None);
        (cpu.pc, cpu.gpr[0], cpu.gpr[1], cpu.gpr[2]) = (code.at, 3, 5, 7);
        assert_eq!(engine.run(&mut cpu, &code), Exit::Syscall);
        let x1 = cpu.gpr[1];
        engine.drop_cpu(cpu);
        x1
    };
    let first = engine();
    first.found_family();
    assert_eq!(run(&first, dead), 12);
    let second = relative(&first);
    assert_eq!(run(&second, live), 13, "the carry of the last subs");
}

/// A page of code that sets x0 to the index in `what` and calls the system, for each at its offset in words.
fn page(what: &[usize]) -> Code {
    let mut words = vec![0xd503_201f; 1024];
    for (n, &at) in what.iter().enumerate() {
        words[at] = 0xd280_0000 | (n as u32) << 5; // mov x0, #n
        words[at + 1] = SVC;
    }
    mapped(&words)
}

/// x0 after what lies at a word of the code, and how many translations there are and of these were found.
fn at(engine: &Engine, code: &Code, word: usize) -> (u64, u64, u64) {
    let mut cpu = engine.new_cpu(None);
    cpu.pc = code.at + word as u64 * 4;
    assert_eq!(engine.run(&mut cpu, code), Exit::Syscall);
    let x0 = cpu.gpr[0];
    engine.drop_cpu(cpu);
    let s = engine.stats();
    (x0, s.translations, s.found)
}

/// Who reaches one piece of code gets all that relatives have translated in its page, but what is not the same there.
#[test]
fn a_page_is_adopted_as_a_whole_but_for_what_is_different() {
    let places = [0, 300, 510, 512, 700, 1022];
    let first = engine();
    first.found_family();
    let code = page(&places);
    for (n, &word) in places.iter().enumerate() {
        assert_eq!(at(&first, &code, word), (n as u64, n as u64 + 1, 0));
    }
    let second = relative(&first);
    let code = page(&places);
    for n in [3, 0, 1, 2, 4, 5] {
        assert_eq!(at(&second, &code, places[n]), (n as u64, 6, 6));
    }
    // The same page but for one place, and half of another.
    let third = relative(&second);
    let code = page(&places);
    code.words.borrow_mut()[300] = 0xd280_0fe0; // mov x0, #127
    code.words.borrow_mut()[701] = 0xd400_0041; // svc #2
    assert_eq!(at(&third, &code, 510), (2, 4, 4));
    assert_eq!(at(&third, &code, 300), (127, 5, 4));
    assert_eq!(at(&third, &code, 700), (4, 6, 4));
    assert_eq!(at(&third, &code, 0), (0, 6, 4));
    // What changes after it was adopted is void, as anything is.
    code.words.borrow_mut()[0] = 0xd280_0fe0;
    third.invalidate(code.at, 4);
    assert_eq!(at(&third, &code, 0), (127, 7, 4));
    // Nor is it adopted again by who has begun in a place that no relative knows.
    let fourth = relative(&third);
    let code = page(&[3, 511]);
    assert_eq!(at(&fourth, &code, 3), (0, 1, 0));
    assert_eq!(at(&fourth, &code, 511), (1, 2, 0));
}

/// Each process of a family may reach code too few times to translate it; together they do.
#[test]
fn what_is_reached_is_counted_in_the_family() {
    let cold = |often| Engine::new(&GUEST, Options { cold: often, ..Options::default() }).expect("an engine");
    let first = cold(4);
    first.found_family();
    let mut last = first;
    // (x0, translations, found)
    for expected in [(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 1, 1)] {
        let code = page(&[40]);
        assert_eq!(at(&last, &code, 40), expected);
        let (fd, number) = last.family_handle().expect("a family");
        let next = cold(4);
        // SAFETY: a descriptor for the new engine to own.
        next.join_family(unsafe { libc::dup(fd) }, number);
        last = next;
    }
    // Who leaves begins anew.
    last.leave_family();
    let code = page(&[40]);
    assert_eq!([1, 2, 3, 4].map(|_| at(&last, &code, 40).1), [0, 0, 0, 1]);
}

#[test]
fn a_family_is_left_for_good_and_strangers_are_not_believed() {
    let first = engine();
    first.found_family();
    run(&first, &mapped(&PROGRAM));
    let (fd, number) = first.family_handle().expect("a family");
    // Another file under the number of the right one, and the right one for a CPU that has less.
    let stranger = engine();
    // SAFETY: a descriptor of an empty file.
    stranger.join_family(unsafe { libc::memfd_create(c"x".as_ptr(), 0) }, number);
    assert_eq!((stranger.family(), stranger.family_handle()), (-1, None));
    let other = Engine::new(&GUEST, Options { hidden: 1, ..Options::default() }).expect("an engine");
    // SAFETY: a descriptor for the engine to own.
    other.join_family(unsafe { libc::dup(fd) }, number);
    assert_eq!(other.family(), -1);
    let second = relative(&first);
    second.leave_family();
    assert_eq!((second.family(), second.family_handle()), (-1, None));
    let (_, made, found) = run(&second, &mapped(&PROGRAM));
    assert!(made > 0 && found == 0);
}

/// Words of code in random pages.
const WORDS: usize = 2048;
/// Words of a slot of code; the last slot calls the system.
const SLOT: usize = 40;

/// Two pages of slots that compute with x0 to x5 and the flags, use their own addresses (x12 is where the code begins), and go on in any other
/// slot, until x10 is 0.
fn slots(r: &mut Random) -> Vec<u32> {
    let mut words = vec![SVC; WORDS];
    let slots = WORDS / SLOT;
    let to = |from: usize, slot: usize, bits: u32| ((slot * SLOT) as u32).wrapping_sub(from as u32) & ((1 << bits) - 1);
    for slot in 0..slots - 1 {
        let mut at = slot * SLOT;
        let mut put = |word: u32, at: &mut usize| {
            words[*at] = word;
            *at += 1;
        };
        put(0xd100_054a, &mut at); // sub x10, x10, #1
        put(0xb400_000a | to(at, slots - 1, 19) << 5, &mut at); // cbz x10, the last slot
        for _ in 0..r.below(8) {
            let (d, n, m) = (r.below(6) as u32, r.below(6) as u32, r.below(6) as u32);
            // adds, subs, adc, sbc, eor, add
            let op = [0xab00_0000, 0xeb00_0000, 0x9a00_0000, 0xda00_0000, 0xca00_0000, 0x8b00_0000][r.below(6)];
            put(op | m << 16 | n << 5 | d, &mut at);
            if r.below(6) == 0 {
                put(0x1000_000b | (r.below(1 << 10) as u32) << 5, &mut at); // adr x11, …
                put(0xcb0c_016b, &mut at); // sub x11, x11, x12
                put(0xca0b_0000 | d << 5 | d, &mut at); // eor
            }
        }
        for _ in 0..r.below(3) {
            let branch =
                [0x5400_0000 | r.below(14) as u32, 0xb400_0000 | r.below(6) as u32, 0xb500_0000 | r.below(6) as u32][r.below(3)];
            put(branch | to(at, r.below(slots), 19) << 5, &mut at);
        }
        if r.below(4) == 0 {
            // By a register, so that the table of branches and the look-up are of use.
            put(0x1000_000b | to(at, r.below(slots), 19) << 5, &mut at);
            put(0xd61f_0160, &mut at); // br x11
        } else {
            put(0x1400_0000 | to(at, r.below(slots), 26), &mut at);
        }
    }
    words
}

/// The registers after so many slots, from one of them on.
fn after(engine: &Engine, code: &Code, slot: usize, rounds: u64) -> ([u64; 6], u8) {
    let mut cpu = engine.new_cpu(None);
    cpu.pc = code.at + (slot * SLOT * 4) as u64;
    (0..6).for_each(|n| cpu.gpr[n] = (n as u64 + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (cpu.gpr[10], cpu.gpr[12]) = (rounds, code.at);
    assert_eq!(engine.run(&mut cpu, code), Exit::Syscall);
    let out = (std::array::from_fn(|n| cpu.gpr[n]), engine.nzcv(&cpu));
    engine.drop_cpu(cpu);
    out
}

/// Pages of code that a family hands on, one by one and in one piece, each time elsewhere, while some of it changes: all compute what an engine without
/// relatives does.
#[test]
fn images_are_what_they_were_made_of() {
    let mut r = Random(std::env::var("FAMILY_SEED").map_or(7, |n| n.parse().expect("a number")));
    let mut images = 0;
    for round in 0..40 {
        let mut words = slots(&mut r);
        let starts: Vec<usize> = (0..6).map(|_| r.below(WORDS / SLOT)).collect();
        let first = engine();
        first.found_family();
        let mut last = first;
        for generation in 0..6 {
            let alone = engine();
            // Nobody else's memory is at this place as long as the test runs, so the next generation's is elsewhere.
            let code = mapped(&words);
            for (n, &start) in starts.iter().enumerate() {
                // Other parts of the code become known with every generation.
                let rounds = 5 + (generation * 40 + n) as u64;
                assert_eq!(
                    after(&last, &code, start, rounds),
                    after(&alone, &code, start, rounds),
                    "round {round}, generation {generation}, slot {start}"
                );
            }
            // An instruction changes, for good in every other round.
            let at = r.below(WORDS / SLOT - 1) * SLOT + 2;
            let before = code.words.borrow()[at];
            for word in [0x9100_0400, before] {
                code.words.borrow_mut()[at] = word; // add x0, x0, #1
                last.invalidate(code.at + at as u64 * 4, 4);
                alone.invalidate(code.at + at as u64 * 4, 4);
                assert_eq!(after(&last, &code, starts[0], 90), after(&alone, &code, starts[0], 90), "round {round}, changed");
                if round % 2 == 1 && generation == 3 {
                    words[at] = word;
                    break;
                }
            }
            images += last.stats().images;
            last = relative(&last);
        }
    }
    assert!(images > 150, "only {images} images");
}
