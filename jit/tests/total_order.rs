//! That a total store order is kept on hosts that don't have one, by construction: litmus programs and random sequences of accesses are translated for
//! the arm64 host (by any machine), and what was emitted is looked at. Each of the guest's accesses is there once, in order; and each pair of them that
//! x86 keeps in order (all but a store and a later load) is ordered by Arm's rules: by an acquire at the first, a release at the second, or a barrier
//! in between. That each thread's accesses are in this order, and that stores become visible to all others at once, is all that a total store order is.

use capstone::prelude::*;
use jit::code::lift::preview;
use jit::guest::amd64::GUEST;
use jit::guest::{Fetch, Hints};
use jit::host::arm64::{Arm64, Features};
use jit::host::{Backend, Emitted};
use jit::ir::{hint, Block, Mode};

const BASE: u64 = 0x10_0000;

/// Code at `BASE`.
struct Code<'a>(&'a [u8]);

impl Fetch for Code<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let at = pc.checked_sub(BASE)? as usize;
        self.0.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let rest = pc.checked_sub(BASE).and_then(|at| self.0.get(at as usize..)).unwrap_or(&[]);
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        n
    }
}

/// The same was learned of every instruction.
struct Learned(u8);

impl Hints for Learned {
    fn hint(&self, _pc: u64) -> u8 {
        self.0
    }
}

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Load,
    Store,
    /// Both at once, as a LOCK prefix has it.
    Both,
    /// A barrier, where only that is expected.
    Fence,
}

/// An emitted access, or barrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    /// Ordered before all that follows (acquire), after all that precedes (release). For a loop of an exclusive load and store that holds for one
    /// each: it is no `barrier`.
    Access { kind: Kind, acquire: bool, release: bool, barrier: bool },
    /// Of which kinds of earlier and later accesses: all, earlier loads with all, stores with stores.
    Barrier { loads: bool, stores: bool, all: bool },
}

use Kind::{Both, Fence, Load, Store};

/// Features worth a look: each way that there is to order.
fn machines() -> Vec<(&'static str, Features)> {
    let base = Features::BASELINE;
    vec![
        ("Armv8.0", base),
        ("LSE", Features { lse: true, ..base }),
        ("LRCPC", Features { lse: true, rcpc: true, ..base }),
        ("LRCPC2, LSE2", Features { lse: true, lse2: true, rcpc: true, rcpc2: true, flagm: true, ..base }),
    ]
}

/// The accesses of the straight line of the one block that `code` is.
fn events(code: &[u8], features: Features, learned: u8) -> (Vec<Event>, String) {
    let mut backend = Arm64::new(GUEST.hot_gprs, GUEST.hot_vecs, features);
    let (mut block, mut emitted) = (Block::default(), Emitted::default());
    preview(&GUEST, &mut block, &Code(code), &Learned(learned), BASE, Mode::default());
    backend.emit(&mut block, &mut emitted);
    let cs = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().unwrap();
    let text = cs.disasm_all(&emitted.code, 0).unwrap();
    let (mut out, mut listing) = (Vec::new(), String::new());
    for i in text.iter() {
        let (name, ops) = (i.mnemonic().unwrap(), i.op_str().unwrap_or(""));
        listing += &format!("{name} {ops}\n");
        // The state, the return stack, constants.
        let own = ops.contains("[x28") || !ops.contains("[x");
        match (name, ops) {
            ("dmb", "ish") => out.push(Event::Barrier { loads: true, stores: true, all: true }),
            ("dmb", "ishld") => out.push(Event::Barrier { loads: true, stores: false, all: false }),
            ("dmb", "ishst") => out.push(Event::Barrier { loads: false, stores: true, all: false }),
            ("udf", _) => break,
            _ if own => {}
            _ => out.extend(access(name)),
        }
    }
    (out, listing)
}

/// The access that an instruction is.
fn access(name: &str) -> Option<Event> {
    let of = |kind, acquire, release| Some(Event::Access { kind, acquire, release, barrier: kind == Both });
    match name {
        // A loop of both: the load speaks for the operation, which is one only if its store succeeds.
        n if n.starts_with("ldaxr") || n.starts_with("ldaxp") => {
            Some(Event::Access { kind: Both, acquire: true, release: true, barrier: false })
        }
        n if n.starts_with("stlxr") || n.starts_with("stlxp") => None,
        n if n.starts_with("ldapr") || n.starts_with("ldapur") || n.starts_with("ldar") => of(Load, true, false),
        n if n.starts_with("stlr") || n.starts_with("stlur") => of(Store, false, true),
        n if ["swpal", "casal", "caspal", "ldaddal", "ldclral", "ldeoral", "ldsetal"].iter().any(|a| n.starts_with(a)) => {
            of(Both, true, true)
        }
        n if ["swp", "cas", "ldadd", "ldclr", "ldeor", "ldset", "ldxr", "stxr"].iter().any(|a| n.starts_with(a)) => {
            panic!("{n}: an atomic operation without order")
        }
        n if n.starts_with("ldr") || n.starts_with("ldur") || n.starts_with("ldp") => of(Load, false, false),
        n if n.starts_with("str") || n.starts_with("stur") || n.starts_with("stp") => of(Store, false, false),
        n => panic!("{n}: an access of a kind that is not expected"),
    }
}

/// Whether Arm keeps events `i` and `j` in order.
fn ordered(events: &[Event], i: usize, j: usize) -> bool {
    let (Event::Access { kind: a, acquire, barrier, .. }, Event::Access { kind: b, release, .. }) = (events[i], events[j]) else {
        return true;
    };
    let between = |e: &Event| match *e {
        Event::Barrier { loads, stores, all } => all || loads && a != Store || stores && a != Load && b != Load,
        // Both at once and ordered both ways is as good as a barrier.
        Event::Access { barrier, .. } => barrier,
    };
    acquire && (a == Load || barrier) || release || events[i + 1..j].iter().any(between)
}

/// Check one program against what it does.
fn check(what: &str, code: &[u8], expected: &[Kind]) {
    for (machine, features) in machines() {
        for learned in [0, hint::UNALIGNED] {
            // Atomic operations that were found misaligned go under a lock.
            if learned != 0 && expected.contains(&Both) {
                continue;
            }
            let (events, listing) = events(code, features, learned);
            let accesses: Vec<usize> = (0..events.len()).filter(|&n| matches!(events[n], Event::Access { .. })).collect();
            let kinds: Vec<Kind> = accesses.iter().map(|&n| kind_of(events[n])).collect();
            let wanted: Vec<Kind> = expected.iter().copied().filter(|&k| k != Fence).collect();
            assert_eq!(kinds, wanted, "{what}, {machine}, learned {learned}\n{listing}");
            for (at, &i) in accesses.iter().enumerate() {
                for &j in &accesses[at + 1..] {
                    let free = kinds[at] == Store
                        && kind_of(events[j]) == Load
                        && !fenced(expected, at, accesses.iter().position(|&n| n == j).unwrap());
                    assert!(
                        free || ordered(&events, i, j),
                        "{what}, {machine}, learned {learned}: {i} before {j} of {events:?}\n{listing}"
                    );
                }
            }
        }
    }
}

fn kind_of(e: Event) -> Kind {
    match e {
        Event::Access { kind, .. } => kind,
        Event::Barrier { .. } => Fence,
    }
}

/// Whether the program has a fence, or what is as good as one, between its accesses number `a` and `b`.
fn fenced(expected: &[Kind], a: usize, b: usize) -> bool {
    let mut n = 0;
    for &k in expected {
        if k == Fence {
            if n > a && n <= b {
                return true;
            }
            continue;
        }
        if k == Both && n > a && n < b {
            return true;
        }
        n += 1;
    }
    false
}

/// mov dword [rdi], 1; mov dword [rsi], 1; mov eax, [rdi]; mov ebx, [rsi]
const WRITE_X: &[u8] = &[0xc7, 0x07, 1, 0, 0, 0];
const WRITE_Y: &[u8] = &[0xc7, 0x06, 1, 0, 0, 0];
const READ_X: &[u8] = &[0x8b, 0x07];
const READ_Y: &[u8] = &[0x8b, 0x1e];
const MFENCE: &[u8] = &[0x0f, 0xae, 0xf0];
/// lock inc dword [rdx]; lock cmpxchg [rdx], ecx; xchg [rdx], ecx; lock xadd [rdx], ecx; lock or byte [rdx], 1; lock cmpxchg16b [rdx]
const LOCKED: [&[u8]; 6] = [
    &[0xf0, 0xff, 0x02],
    &[0xf0, 0x0f, 0xb1, 0x0a],
    &[0x87, 0x0a],
    &[0xf0, 0x0f, 0xc1, 0x0a],
    &[0xf0, 0x80, 0x0a, 1],
    &[0xf0, 0x48, 0x0f, 0xc7, 0x0a],
];
/// int3
const END: &[u8] = &[0xcc];

fn program(parts: &[&[u8]]) -> Vec<u8> {
    [parts.concat(), END.to_vec()].concat()
}

#[test]
fn message_passing() {
    check("MP: writer", &program(&[WRITE_X, WRITE_Y]), &[Store, Store]);
    check("MP: reader", &program(&[READ_Y, READ_X]), &[Load, Load]);
}

#[test]
fn store_buffering() {
    check("SB", &program(&[WRITE_X, READ_Y]), &[Store, Load]);
    check("SB with fences", &program(&[WRITE_X, MFENCE, READ_Y]), &[Store, Fence, Load]);
    for locked in LOCKED {
        check("SB with a locked operation", &program(&[WRITE_X, locked, READ_Y]), &[Store, Both, Load]);
    }
}

#[test]
fn load_buffering() {
    check("LB", &program(&[READ_X, WRITE_Y]), &[Load, Store]);
}

#[test]
fn independent_reads_of_independent_writes() {
    check("IRIW: writer", &program(&[WRITE_X]), &[Store]);
    check("IRIW: readers", &program(&[READ_X, READ_Y]), &[Load, Load]);
    // Others: write-to-read causality, and the one in which a store is between.
    check("WRC", &program(&[READ_X, WRITE_Y]), &[Load, Store]);
    check("2+2W", &program(&[WRITE_X, WRITE_Y]), &[Store, Store]);
    check("R", &program(&[WRITE_X, WRITE_Y, READ_X]), &[Store, Store, Load]);
}

#[test]
fn locked_operations() {
    for locked in LOCKED {
        check("a locked operation alone", &program(&[locked]), &[Both]);
        check("between loads", &program(&[READ_X, locked, READ_Y]), &[Load, Both, Load]);
        check("between stores", &program(&[WRITE_X, locked, WRITE_Y]), &[Store, Both, Store]);
        check("twice", &program(&[locked, locked]), &[Both, Both]);
    }
}

/// Accesses of every size and register file, and what the processor does in between.
#[test]
fn random_sequences() {
    // mov [rdi+d], al / ax / eax / rax; movss, movsd, movups [rdi+d], xmm1; push rbx; movnti; vmovups [rdi+d], ymm2 (looks whether the page is there, then in halves)
    let stores: [(&[u8], bool, &[Kind]); 9] = [
        (&[0x88, 0x47], true, &[Store]),
        (&[0x66, 0x89, 0x47], true, &[Store]),
        (&[0x89, 0x47], true, &[Store]),
        (&[0x48, 0x89, 0x47], true, &[Store]),
        (&[0xf3, 0x0f, 0x11, 0x4f], true, &[Store]),
        (&[0xf2, 0x0f, 0x11, 0x4f], true, &[Store]),
        (&[0x0f, 0x11, 0x4f], true, &[Store]),
        (&[0x53], false, &[Store]),
        (&[0xc5, 0xfc, 0x11, 0x57], true, &[Load, Store, Store]),
    ];
    // The same as loads; movsx rcx, byte [rsi+d]; pop rbx; add [rsi+d], ecx; add ecx, [rsi+d]
    let loads: [(&[u8], bool, &[Kind]); 12] = [
        (&[0x8a, 0x46], true, &[Load]),
        (&[0x66, 0x8b, 0x46], true, &[Load]),
        (&[0x8b, 0x46], true, &[Load]),
        (&[0x48, 0x8b, 0x46], true, &[Load]),
        (&[0xf3, 0x0f, 0x10, 0x4e], true, &[Load]),
        (&[0xf2, 0x0f, 0x10, 0x4e], true, &[Load]),
        (&[0x0f, 0x10, 0x4e], true, &[Load]),
        (&[0x48, 0x0f, 0xbe, 0x4e], true, &[Load]),
        (&[0x5b], false, &[Load]),
        (&[0x01, 0x4e], true, &[Load, Store]),
        (&[0x03, 0x4e], true, &[Load]),
        (&[0xc5, 0xfc, 0x10, 0x56], true, &[Load, Load]),
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % n
    };
    for _ in 0..400 {
        let (mut code, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..2 + random(7) {
            match random(8) {
                0 => {
                    code.extend(MFENCE);
                    expected.push(Fence);
                }
                1 => {
                    code.extend(LOCKED[random(LOCKED.len())]);
                    expected.push(Both);
                }
                n => {
                    let (bytes, disp, kinds) = if n & 1 == 0 { stores[random(stores.len())] } else { loads[random(loads.len())] };
                    code.extend(bytes);
                    if disp {
                        code.push(random(256) as u8);
                    }
                    expected.extend(kinds);
                }
            }
        }
        code.extend(END);
        check(&format!("{code:02x?}"), &code, &expected);
    }
}

/// Where the hardware keeps the order, or nobody wants it kept, accesses are plain.
#[test]
fn plain_where_the_hardware_does_it() {
    let features = Features { tso: true, lse: true, lse2: true, rcpc: true, rcpc2: true, ..Features::BASELINE };
    let (events, listing) = events(&program(&[WRITE_X, READ_Y, READ_X]), features, 0);
    let plain = |kind| Event::Access { kind, acquire: false, release: false, barrier: false };
    assert_eq!(events, [plain(Store), plain(Load), plain(Load)], "{listing}");
}
