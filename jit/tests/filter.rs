//! IC IVAU of a line without translations stays in translated code (`code::filter`): one thread changes code, and says so, in the moment in which another
//! has read it and has not published its translation. The other must not go on with what it has read.

use jit::code::filter::Shown;
use jit::code::{Engine, Exit, Options};
use jit::guest::{arm64::GUEST, Fetch};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU8, Ordering::*};
use std::time::{Duration, Instant};

const SVC: u32 = 0xd400_0001;
/// dsb ish; ic ivau, x0; dsb ish; mov x1, #1; svc #0
const FLUSH: [u32; 5] = [0xd503_3b9f, 0xd50b_7520, 0xd503_3b9f, 0xd280_0021, SVC];
const FLUSH_AT: u64 = 0x5_0000_0000;
/// mov x2, #VALUE; svc #0: the code that changes, and the address by which it is flushed.
const CODE_AT: u64 = 0x5_0001_0000;

/// Much other code: as many blocks, a line apart.
const FILLING: u64 = 0x5_0002_0000;
const BLOCKS: u64 = 4000;

fn mov_x2(value: u32) -> u32 {
    0xd280_0002 | value << 5
}

struct Code {
    word: AtomicU32,
    /// Somebody has read it and waits for `flushed`, for a while.
    slow: AtomicBool,
    reading: AtomicBool,
    flushed: AtomicBool,
    /// Times that the engine asked for other addresses of a line.
    asked: AtomicU32,
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
                if self.slow.swap(false, SeqCst) {
                    self.reading.store(true, SeqCst);
                    let end = Instant::now() + Duration::from_millis(100);
                    while !self.flushed.load(SeqCst) && Instant::now() < end {
                        std::thread::yield_now();
                    }
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

fn code() -> Code {
    let no = || AtomicBool::new(false);
    Code { word: AtomicU32::new(mov_x2(1)), slow: no(), reading: no(), flushed: no(), asked: AtomicU32::new(0) }
}

fn flush(engine: &Engine, cpu: &mut jit::cpu::Cpu, code: &Code, at: u64) {
    (cpu.pc, cpu.gpr[0], cpu.gpr[1]) = (FLUSH_AT, at, 0);
    assert_eq!((engine.run(cpu, code), cpu.gpr[1]), (Exit::Syscall, 1));
}

fn value(engine: &Engine, cpu: &mut jit::cpu::Cpu, code: &Code) -> u64 {
    cpu.pc = CODE_AT;
    assert_eq!(engine.run(cpu, code), Exit::Syscall);
    cpu.gpr[2]
}

#[test]
fn code_that_changes_while_it_is_translated() {
    for _ in 0..5 {
        let (engine, code) = (Engine::new(&GUEST, Options::default()).expect("code memory"), code());
        let mut runner = engine.new_cpu(None);
        // What flushes is there already.
        flush(&engine, &mut runner, &code, CODE_AT);
        code.slow.store(true, SeqCst);
        let ready = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                let mut writer = engine.new_cpu(None);
                ready.store(true, SeqCst);
                while !code.reading.load(SeqCst) {
                    std::thread::yield_now();
                }
                code.word.store(mov_x2(2), SeqCst);
                flush(&engine, &mut writer, &code, CODE_AT);
                code.flushed.store(true, SeqCst);
                engine.drop_cpu(writer);
            });
            while !ready.load(SeqCst) {
                std::thread::yield_now();
            }
            // Either is right while nobody knows of the change.
            assert!((1..=2).contains(&value(&engine, &mut runner, &code)));
            while !code.flushed.load(SeqCst) {
                std::thread::yield_now();
            }
            assert_eq!(value(&engine, &mut runner, &code), 2);
        });
        engine.drop_cpu(runner);
    }
}

/// Where the engine is asked: where there is a translation, and where memory is shown elsewhere.
#[test]
fn the_engine_is_asked_where_it_must_be() {
    static SHOWN: Shown = [const { AtomicU8::new(0) }; 1 << 16];
    let options = Options { cache_bytes: 64 << 10, shown: Some(&SHOWN), ..Options::default() };
    let (engine, code) = (Engine::new(&GUEST, options).expect("code memory"), code());
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
