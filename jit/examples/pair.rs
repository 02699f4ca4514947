//! Translate a file of amd64 machine code (a section cut out by objcopy, or a symbol of an ELF file) to arm64 code, without running it: how many host
//! instructions a guest instruction becomes, and with `--dump` what they are. `--baseline`: for Armv8.0; `--tso-free`: without the memory order.

use capstone::prelude::*;
use jit::guest::amd64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::host::arm64::{Arm64, Features};
use jit::host::{Backend, Emitted};
use jit::ir::{text, Block, Mode};

const BASE: u64 = 0x5555_5540_0000;

struct Code(Vec<u8>);

impl Fetch for Code {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        let mut b = [0; 4];
        (self.fetch_bytes(pc, &mut b) == 4).then(|| u32::from_le_bytes(b))
    }
    fn fetch_bytes(&self, pc: u64, out: &mut [u8]) -> usize {
        let from = self.0.get(pc.wrapping_sub(BASE) as usize..).unwrap_or_default();
        let n = from.len().min(out.len());
        out[..n].copy_from_slice(&from[..n]);
        n
    }
}

struct NoHints;

impl Hints for NoHints {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// Instructions of the straight line: what is out of line is run rarely.
fn straight(out: &Emitted) -> usize {
    out.links.iter().map(|l| l.stub).min().unwrap_or(out.code.len() as u32) as usize / 4
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |n: &str| args.iter().any(|a| a == n);
    let Some(file) = args.iter().find(|a| !a.starts_with("--")) else {
        return eprintln!("usage: pair FILE [--dump] [--baseline] [--tso-free]");
    };
    let code = Code(std::fs::read(file).expect("the file"));
    let x86 = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).build().expect("capstone");
    let arm = Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().expect("capstone");
    let all = Features::from_hwcaps(u64::MAX, u64::MAX);
    let features = if has("--baseline") { Features::BASELINE } else { Features { afp: false, ..all } };
    let mut host = Arm64::new(GUEST.hot_gprs, GUEST.hot_vecs, Features { tso: has("--tso-free"), ..features });
    let (mut block, mut out) = (Block::default(), Emitted::default());
    let (mut blocks, mut guest, mut insts) = (0, 0, 0);
    let end = BASE + code.0.len() as u64;
    let mut pc = BASE;
    while pc < end {
        block.clear(pc, Mode::default());
        (GUEST.lift)(&mut block, &code, &NoHints, Limits { insns: 64, side_exits: 3 });
        let ir = text::print(&block, GUEST.reg_name);
        host.emit(&mut block, &mut out);
        (blocks, guest, insts) = (blocks + 1, guest + block.guest_insns() as usize, insts + straight(&out));
        if has("--dump") {
            for i in x86
                .disasm_all(&code.0[(pc - BASE) as usize..(block.end.min(end) - BASE) as usize], pc)
                .expect("disassembly")
                .iter()
            {
                println!("{i}");
            }
            if has("--ir") {
                print!("{ir}");
            }
            for i in arm.disasm_all(&out.code[..straight(&out) * 4], 0).expect("disassembly").iter() {
                println!("      {i}");
            }
        }
        pc = block.end.max(pc + 1);
    }
    println!("{blocks} blocks, {guest} guest instructions, {insts} host instructions: {:.2}", insts as f64 / guest.max(1) as f64);
}
