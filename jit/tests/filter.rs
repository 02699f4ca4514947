//! IC IVAU of a line without translations stays in translated code (`code::filter`): one thread changes code, and says so, in the moment in which another
//! has read it and has not published its translation. The other must not go on with what it has read.

use jit::code::filter::Shown;
use jit::code::{Engine, Exit, Options};
use jit::cpu::Cpu;
use jit::guest::{arm64::GUEST, Fetch};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU8, Ordering::*};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const SVC: u32 = 0xd400_0001;
/// str w7, [x8]; ldr w3, [x4]; cbz w3, -4; dsb ish; ic ivau, x0; dsb ish; str w7, [x6]; svc #0
const FLUSH: [u32; 8] = [0xb900_0107, 0xb940_0083, 0x34ff_ffe3, 0xd503_3b9f, 0xd50b_7520, 0xd503_3b9f, 0xb900_00c7, SVC];
const FLUSH_AT: u64 = 0x5_0000_0000;
/// mov x2, #VALUE; svc #0: the code that changes, and the address by which it is flushed.
const CODE_AT: u64 = 0x5_0001_0000;

/// Much other code: as many blocks, a line apart.
const FILLING: u64 = 0x5_0002_0000;
const BLOCKS: u64 = 4000;

fn mov_x2(value: u32) -> u32 {
    0xd280_0002 | value << 5
}

/// Words that the code above stores to and waits for.
#[derive(Default)]
struct Flags {
    inside: AtomicU32,
    go: AtomicU32,
    flushed: AtomicU32,
}

#[derive(Default)]
struct Code {
    word: AtomicU32,
    /// Once it is read, it becomes this, `go` is given, and the reader waits for `flushed`, for a while.
    next: AtomicU32,
    flags: Flags,
    /// Times that the engine asked for other addresses of a line.
    asked: AtomicU32,
}

fn wait(until: &AtomicU32, longest: Duration) {
    let end = Instant::now() + longest;
    while until.load(SeqCst) == 0 && Instant::now() < end {
        std::thread::yield_now();
    }
}

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        if let Some(&w) = FLUSH.get((pc.wrapping_sub(FLUSH_AT) / 4) as usize) {
            return Some(w);
        }
        if (FILLING..FILLING + 64 * BLOCKS).contains(&pc) {
            return Some(if pc % 64 == 0 { mov_x2(9) } else { SVC });
        }
        match pc.wrapping_sub(CODE_AT) {
            0 => {
                let word = self.word.load(SeqCst);
                let next = self.next.swap(0, SeqCst);
                if next != 0 {
                    self.word.store(next, SeqCst);
                    self.flags.go.store(1, SeqCst);
                    wait(&self.flags.flushed, Duration::from_millis(100));
                }
                Some(word)
            }
            4 => Some(SVC),
            _ => None,
        }
    }

    fn invalidated(&self, _: Range<u64>, _: &mut dyn FnMut(Range<u64>)) {
        self.asked.fetch_add(1, SeqCst);
    }
}

fn flush(engine: &Engine, cpu: &mut Cpu, code: &Code, at: u64) {
    let f = &code.flags;
    cpu.pc = FLUSH_AT;
    for (x, value) in [(0, at), (4, f.go.as_ptr() as u64), (6, f.flushed.as_ptr() as u64), (7, 1), (8, f.inside.as_ptr() as u64)]
    {
        cpu.gpr[x] = value;
    }
    assert_eq!(engine.run(cpu, code), Exit::Syscall);
}

fn value(engine: &Engine, cpu: &mut Cpu, code: &Code) -> u64 {
    cpu.pc = CODE_AT;
    assert_eq!(engine.run(cpu, code), Exit::Syscall);
    cpu.gpr[2]
}

#[test]
fn code_that_changes_while_it_is_translated() {
    const LONG: Duration = Duration::from_secs(60);
    for _ in 0..5 {
        let (engine, mut code) = (Engine::new(&GUEST, Options::default()).expect("code memory"), Code::default());
        let mut runner = engine.new_cpu(None);
        // What flushes is there already.
        code.flags.go.store(1, SeqCst);
        flush(&engine, &mut runner, &code, CODE_AT);
        code.flags = Flags::default();
        code.word.store(mov_x2(1), SeqCst);
        code.next.store(mov_x2(2), SeqCst);
        std::thread::scope(|s| {
            s.spawn(|| {
                let mut writer = engine.new_cpu(None);
                flush(&engine, &mut writer, &code, CODE_AT);
                engine.drop_cpu(writer);
            });
            wait(&code.flags.inside, LONG);
            // Either is right while nobody knows of the change.
            assert!((1..=2).contains(&value(&engine, &mut runner, &code)));
            wait(&code.flags.flushed, LONG);
            assert_eq!(value(&engine, &mut runner, &code), 2);
        });
        engine.drop_cpu(runner);
    }
}

/// More threads than may translate at once want translations of the same code, in different orders. In the end nobody counts as translating any more.
#[test]
fn many_translate_at_once() {
    const THREADS: u64 = 40;
    let (engine, code) = (Engine::new(&GUEST, Options::default()).expect("code memory"), Code::default());
    code.flags.go.store(1, SeqCst);
    let mut main = engine.new_cpu(None);
    let begin = Barrier::new(THREADS as usize);
    std::thread::scope(|s| {
        for thread in 0..THREADS {
            let (engine, code, begin) = (&engine, &code, &begin);
            s.spawn(move || {
                let mut cpu = engine.new_cpu(None);
                begin.wait();
                for n in 0..BLOCKS {
                    cpu.pc = FILLING + 64 * ((n + thread * 7) % BLOCKS);
                    cpu.gpr[2] = 0;
                    assert_eq!((engine.run(&mut cpu, code), cpu.gpr[2]), (Exit::Syscall, 9));
                }
                engine.drop_cpu(cpu);
            });
        }
    });
    assert!(engine.translations() >= BLOCKS as usize);
    flush(&engine, &mut main, &code, CODE_AT);
    assert_eq!(code.asked.load(SeqCst), 0);
    engine.drop_cpu(main);
}

#[test]
fn the_engine_is_asked_where_it_must_be() {
    static SHOWN: Shown = [const { AtomicU8::new(0) }; 1 << 16];
    let options = Options { cache_bytes: 64 << 10, shown: Some(&SHOWN), ..Options::default() };
    let (engine, code) = (Engine::new(&GUEST, options).expect("code memory"), Code::default());
    code.flags.go.store(1, SeqCst);
    let mut cpu = engine.new_cpu(None);
    let mut asked = |at| {
        let before = code.asked.load(SeqCst);
        flush(&engine, &mut cpu, &code, at);
        code.asked.load(SeqCst) - before
    };
    // Its own line, which it runs; then that of code which hasn't run.
    assert_eq!((asked(FLUSH_AT), asked(FLUSH_AT + 4), asked(CODE_AT)), (1, 1, 0));
    let mut other = engine.new_cpu(None);
    for n in 1..200 {
        code.word.store(mov_x2(n), SeqCst);
        assert_eq!(asked(CODE_AT + 60), u32::from(n > 1));
        assert_eq!(asked(CODE_AT + 60), 0);
        assert_eq!(value(&engine, &mut other, &code), u64::from(n));
        assert_eq!((asked(CODE_AT - 1), asked(CODE_AT + 64)), (0, 0));
    }
    // The cache with the translation is full, and dropped.
    for n in 0..BLOCKS {
        other.pc = FILLING + 64 * n;
        assert_eq!(engine.run(&mut other, &code), Exit::Syscall);
    }
    assert!(engine.stats().flushes > 1);
    assert_eq!(asked(CODE_AT), 0);
    // With a tag, too.
    assert_eq!(value(&engine, &mut other, &code), 199);
    assert_eq!((asked(CODE_AT | 0xab << 56), asked(CODE_AT)), (1, 0));
    SHOWN[(CODE_AT >> 16) as usize & 0xffff].store(1, SeqCst);
    assert_eq!((asked(CODE_AT), asked(CODE_AT + 0xffff), asked(CODE_AT + 0x1_0000)), (1, 1, 0));
    engine.drop_cpu(cpu);
    engine.drop_cpu(other);
}
