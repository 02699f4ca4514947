//! Translate a file of arm64 machine code (a section cut out by objcopy) block by block, without running it: how long lifting
//! and emission take, how many host instructions and bytes a guest instruction becomes, and with `--dump` what they are.
//! With `--time`, only the times, the best of twenty.

use capstone::prelude::*;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::host::amd64::Amd64;
use jit::host::{Backend, Emitted, Features};
use jit::ir::{text, Block, Mode};

const BASE: u64 = 0x40_0000;

struct Code(Vec<u8>);

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let at = pc.wrapping_sub(BASE) as usize;
        self.0.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
}

struct NoHints;

impl Hints for NoHints {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dump = args.iter().any(|a| a == "--dump");
    let Some(file) = args.iter().find(|a| !a.starts_with("--")) else { return eprintln!("usage: translate FILE [--dump]") };
    let code = Code(std::fs::read(file).expect("the file"));
    let x86 = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).build().expect("capstone");
    let arm = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().expect("capstone");
    let mut host = Amd64::new(GUEST.hot_gprs, GUEST.hot_vecs, Features::detect());
    let (mut block, mut out) = (Block::default(), Emitted::default());
    let mut count = Count::default();
    let end = BASE + code.0.len() as u64;
    let mut seconds = [f64::MAX; 2];
    // First only lifting, then both.
    let only_time = args.iter().any(|a| a == "--time");
    for n in 0..if only_time { 40 } else { 4 } {
        let emit = n % 2 == 1;
        let start = cpu_seconds();
        let mut pc = BASE;
        count = Count::default();
        while pc < end {
            block.clear(pc, Mode::default());
            (GUEST.lift)(&mut block, &code, &NoHints, Limits { insns: 64, side_exits: 4 });
            count.insts += block.insts.len();
            if emit {
                host.emit(&mut block, &mut out);
            }
            count.blocks += 1;
            count.guest += block.guest_insns() as usize;
            count.bytes += out.code.len();
            pc = block.end.max(pc + 4);
        }
        seconds[emit as usize] = seconds[emit as usize].min(cpu_seconds() - start);
    }
    let n = count.guest as f64;
    let per = |s: f64| s * 1e9 / n;
    println!("{} blocks, {} guest instructions, {:.2} IR each", count.blocks, count.guest, count.insts as f64 / n);
    println!("lift {:.0} ns, emit {:.0} ns per guest instruction", per(seconds[0]), per(seconds[1] - seconds[0]));
    if only_time {
        return;
    }
    let mut pc = BASE;
    while pc < end {
        block.clear(pc, Mode::default());
        (GUEST.lift)(&mut block, &code, &NoHints, Limits { insns: 64, side_exits: 4 });
        let shown = dump.then(|| text::print(&block, GUEST.reg_name));
        host.emit(&mut block, &mut out);
        let insns = x86.disasm_all(&out.code, 0).expect("x86");
        count.host += insns.len();
        if let Some(shown) = shown {
            println!("{}", arm.disasm_all(&code.0[(pc - BASE) as usize..(block.end - BASE) as usize], pc).expect("arm64"));
            println!("{shown}\n{insns}");
        }
        pc = block.end.max(pc + 4);
    }
    println!(
        "{:.2} host instructions (with stubs and pools), {:.1} bytes per guest instruction",
        count.host as f64 / n,
        count.bytes as f64 / n
    );
}

#[derive(Default)]
struct Count {
    blocks: usize,
    guest: usize,
    insts: usize,
    bytes: usize,
    host: usize,
}

/// CPU time of this process.
fn cpu_seconds() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}
