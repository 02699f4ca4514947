//! The A64 encoder against Capstone: every general form with registers drawn at random, every logical immediate, constants and addresses.

use capstone::prelude::*;
use jit::host::arm64::asm::{arith_imm, bitmask, op, r, retarget, Access, Addr, Asm};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }
    /// A register that is neither zero nor the stack pointer, and not fp or lr, which have other names.
    fn reg(&mut self) -> u8 {
        self.below(29) as u8
    }
}

/// What `emit` emits, as text at address 0.
fn text(cs: &Capstone, emit: impl FnOnce(&mut Asm)) -> Vec<String> {
    let mut asm = Asm::default();
    emit(&mut asm);
    asm.finish_pool();
    let insns = cs.disasm_all(&asm.code, 0).expect("disassembly");
    insns.iter().map(|i| format!("{} {}", i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or("")).trim().to_string()).collect()
}

fn disassembler() -> Capstone {
    Capstone::new().arm64().mode(arch::arm64::ArchMode::Arm).build().expect("capstone")
}

/// A register's name.
fn name(w: bool, n: u8) -> String {
    format!("{}{n}", if w { 'x' } else { 'w' })
}

#[test]
fn registers() {
    let (cs, mut random) = (disassembler(), Random(1));
    let three = [
        (op::ADD, "add"),
        (op::ADDS, "adds"),
        (op::SUB, "sub"),
        (op::SUBS, "subs"),
        (op::AND, "and"),
        (op::ANDS, "ands"),
        (op::BIC, "bic"),
        (op::BICS, "bics"),
        (op::ORR, "orr"),
        (op::ORN, "orn"),
        (op::EOR, "eor"),
        (op::EON, "eon"),
        (op::ADC, "adc"),
        (op::ADCS, "adcs"),
        (op::SBC, "sbc"),
        (op::SBCS, "sbcs"),
        (op::UDIV, "udiv"),
        (op::SDIV, "sdiv"),
        (op::LSLV, "lsl"),
        (op::LSRV, "lsr"),
        (op::ASRV, "asr"),
        (op::RORV, "ror"),
        (op::MUL, "mul"),
    ];
    for (op, mnemonic) in three {
        for w in [false, true] {
            let [d, a, b] = [random.reg(), random.reg(), random.reg()];
            let want = format!("{mnemonic} {}, {}, {}", name(w, d), name(w, a), name(w, b));
            assert_eq!(text(&cs, |m| m.rrr(op, w, d, a, b)), [want]);
        }
    }
    for (op, mnemonic) in [(op::UMULH, "umulh"), (op::SMULH, "smulh")] {
        let [d, a, b] = [random.reg(), random.reg(), random.reg()];
        assert_eq!(text(&cs, |m| m.rrr(op, true, d, a, b)), [format!("{mnemonic} x{d}, x{a}, x{b}")]);
    }
    for (op, mnemonic) in [(op::RBIT, "rbit"), (op::REV16, "rev16"), (op::CLZ, "clz"), (op::CLS, "cls")] {
        for w in [false, true] {
            let [d, a] = [random.reg(), random.reg()];
            assert_eq!(text(&cs, |m| m.rr(op, w, d, a)), [format!("{mnemonic} {}, {}", name(w, d), name(w, a))]);
        }
    }
    for (op, mnemonic) in [(op::CSEL, "csel"), (op::CSINC, "csinc"), (op::CSINV, "csinv")] {
        for (cc, cond) in ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"].iter().enumerate()
        {
            // Others have names of their own.
            let (d, a, b) = (1, 2, 3);
            assert_eq!(text(&cs, |m| m.csel(op, true, d, a, b, cc as u8)), [format!("{mnemonic} x{d}, x{a}, x{b}, {cond}")]);
        }
    }
}

#[test]
fn shifts_and_fields() {
    let cs = disassembler();
    for w in [false, true] {
        let (top, [d, a]) = (if w { 64 } else { 32 }, [name(w, 5), name(w, 7)]);
        for n in 1..top {
            assert_eq!(text(&cs, |m| m.lsl(w, 5, 7, n)), [format!("lsl {d}, {a}, {}", number(n as u64))]);
            assert_eq!(text(&cs, |m| m.lsr(w, 5, 7, n)), [format!("lsr {d}, {a}, {}", number(n as u64))]);
            for (kind, shift) in ["lsl", "lsr", "asr"].iter().enumerate() {
                let want = format!("add {d}, {a}, {}, {shift} #{n}", name(w, 9));
                assert_eq!(text(&cs, |m| m.rrr_shift(op::ADD, w, 5, 7, 9, (kind as u32, n))), [want]);
            }
            for len in 1..top - n {
                let want = format!("ubfx {d}, {a}, {}, {}", number(n as u64), number(len as u64));
                assert_eq!(text(&cs, |m| m.ubfx(w, 5, 7, n, len)), [want]);
            }
        }
    }
}

/// A number as Capstone writes it after #.
fn number(n: u64) -> String {
    if n > 9 {
        format!("#{n:#x}")
    } else {
        format!("#{n}")
    }
}

fn value(operand: &str) -> u64 {
    let digits = operand.trim().trim_start_matches('#');
    let (minus, digits) = digits.strip_prefix('-').map_or((false, digits), |d| (true, d));
    let n = digits.strip_prefix("0x").map_or_else(|| digits.parse(), |h| u64::from_str_radix(h, 16)).expect("a number");
    if minus {
        n.wrapping_neg()
    } else {
        n
    }
}

#[test]
fn logical_immediates() {
    let cs = disassembler();
    let mut found = 0;
    for size in [2u32, 4, 8, 16, 32, 64] {
        for ones in 1..size {
            for turn in 0..size {
                let element = (u64::MAX >> (64 - ones)) as u128;
                let mask = u64::MAX >> (64 - size);
                let turned = ((element << turn | element << turn >> size) as u64) & mask;
                let c = (0..64 / size).fold(0, |c, n| c | turned << (n * size));
                let imm = bitmask(true, c).unwrap_or_else(|| panic!("{c:#x} has a form"));
                let got = text(&cs, |m| m.rr(op::ANDI | imm, true, 1, 2));
                assert_eq!(value(got[0].rsplit(',').next().unwrap()), c, "{got:?}");
                found += 1;
            }
        }
    }
    assert_eq!(found, 5334, "as many as there are");
    let mut random = Random(3);
    assert!((0..100_000).filter(|_| bitmask(true, random.next()).is_some()).count() < 10);
    assert_eq!([0, u64::MAX].map(|c| bitmask(true, c)), [None; 2]);
}

#[test]
fn constants() {
    let (cs, mut random) = (disassembler(), Random(7));
    for n in 0..20_000u64 {
        let c = match n % 5 {
            0 => random.next(),
            1 => random.next() >> random.below(64),
            2 => !(random.next() >> random.below(64)),
            3 => random.below(1 << 16) << (16 * random.below(4)),
            _ => 0x7f00_0000_0000 | random.below(1 << 40),
        };
        let mut made = 0;
        for line in text(&cs, |m| m.mov_imm(3, c)) {
            let (mnemonic, operands) = line.split_once(' ').unwrap();
            let parts: Vec<&str> = operands.split(", ").collect();
            let wide = |v: u64| if parts[0] == "x3" { v } else { v & 0xffff_ffff };
            let shift = parts.get(2).map_or(0, |s| value(s.strip_prefix("lsl ").unwrap()));
            made = match mnemonic {
                "mov" | "orr" => wide(value(parts.last().unwrap())),
                "movz" => wide(value(parts[1]) << shift),
                "movn" => wide(!(value(parts[1]) << shift)),
                "movk" => made & !(0xffff << shift) | value(parts[1]) << shift,
                other => panic!("{other} in {line}"),
            };
        }
        assert_eq!(made, c, "{:?}", text(&cs, |m| m.mov_imm(3, c)));
        // Perhaps from the pool: two words and the same one twice.
        let mut asm = Asm::default();
        asm.begin(Vec::new());
        asm.mov_const(3, c);
        asm.mov_const(4, !c);
        asm.mov_const(5, c);
        asm.finish_pool();
        for (at, want) in [(0u32, c), (4, !c), (8, c)] {
            let word = u32::from_le_bytes(asm.code[at as usize..at as usize + 4].try_into().unwrap());
            if word & 0xff00_0000 == op::LDRX_LIT {
                let from = (at + (word >> 5 & 0x7_ffff) * 4) as usize;
                assert_eq!(u64::from_le_bytes(asm.code[from..from + 8].try_into().unwrap()), want);
            }
        }
    }
}

#[test]
fn addresses() {
    let (cs, mut random) = (disassembler(), Random(11));
    for log2 in 0..4u8 {
        let size = 1i64 << log2;
        let t = name(log2 == 3, 3);
        let (load, store) =
            ([("ldrb", "ldurb"), ("ldrh", "ldurh"), ("ldr", "ldur"), ("ldr", "ldur")], ["strb", "strh", "str", "str"]);
        for _ in 0..500 {
            let disp = match random.below(2) {
                0 => random.below(4096) as i64 * size,
                _ => random.below(512) as i64 - 256,
            };
            assert!(Asm::disp_fits(log2, disp));
            let scaled = disp >= 0 && disp % size == 0;
            let mnemonic = if scaled { load[log2 as usize].0 } else { load[log2 as usize].1 };
            let at = match disp {
                0 => "[x5]".into(),
                d if d < 0 => format!("[x5, #-{}]", number(d.unsigned_abs()).trim_start_matches('#')),
                d => format!("[x5, {}]", number(d as u64)),
            };
            assert_eq!(
                text(&cs, |m| m.mem(Access::load(log2), 3, Addr::Disp(5, disp as i32))),
                [format!("{mnemonic} {t}, {at}")]
            );
        }
        let want = if log2 == 0 {
            format!("strb {t}, [x5, x6]")
        } else {
            format!("{} {t}, [x5, x6, lsl #{log2}]", store[log2 as usize])
        };
        assert_eq!(text(&cs, |m| m.mem(Access::store(log2), 3, Addr::Index(5, 6, log2 != 0))), [want]);
    }
    assert!(Asm::disp_fits(3, 4) && !Asm::disp_fits(3, 260));
    assert_eq!(text(&cs, |m| m.pair(op::STP_PRE, 3, 4, r::SP, -16)), ["stp x3, x4, [sp, #-0x10]!"]);
    assert_eq!(text(&cs, |m| m.pair(op::LDP_POST, 3, 4, r::SP, 16)), ["ldp x3, x4, [sp], #0x10"]);
    for (word, mnemonic) in [(op::LDAR, "ldar"), (op::LDAPR, "ldapr"), (op::STLR, "stlr"), (op::LDAXR, "ldaxr")] {
        for (log2, end) in ["b", "h", "", ""].iter().enumerate() {
            assert_eq!(text(&cs, |m| m.at(word, log2 as u8, 3, 5)), [format!("{mnemonic}{end} {}, [x5]", name(log2 == 3, 3))]);
        }
    }
    for (word, mnemonic) in [(op::LDADDAL, "ldaddal"), (op::SWPAL, "swpal"), (op::CASAL, "casal")] {
        for (log2, end) in ["b", "h", "", ""].iter().enumerate() {
            let (s, t) = (name(log2 == 3, 7), name(log2 == 3, 3));
            assert_eq!(text(&cs, |m| m.at2(word, log2 as u8, 7, 3, 5)), [format!("{mnemonic}{end} {s}, {t}, [x5]")]);
        }
    }
}

#[test]
fn sums_with_constants() {
    let cs = disassembler();
    for c in (0..4096u64).step_by(7) {
        for (shift, end) in [(0, ""), (12, ", lsl #12")] {
            let imm = arith_imm(c << shift).expect("12 bits");
            if shift == 12 && c == 0 {
                continue;
            }
            assert_eq!(text(&cs, |m| m.rr(op::SUBSI | imm, true, 1, 2)), [format!("subs x1, x2, {}{end}", number(c))]);
        }
    }
    assert_eq!([0x1001, 0x100_0000].map(arith_imm), [None; 2]);
}

#[test]
fn branches() {
    let cs = disassembler();
    let kinds = [
        (op::B, "b", 1u64 << 27),
        (op::BL, "bl", 1 << 27),
        (op::BCOND, "b.eq", 1 << 20),
        (op::CBZ | 3, "cbz w3,", 1 << 20),
        (op::CBNZ | 1 << 31 | 3, "cbnz x3,", 1 << 20),
        (Asm::tb(op::TBZ, 3, 37), "tbz x3, #0x25,", 1 << 15),
        (Asm::tb(op::TBNZ, 3, 7), "tbnz w3, #7,", 1 << 15),
    ];
    for (word, want, reach) in kinds {
        let at = 1u64 << 28;
        for d in [4, 64, reach - 4, reach.wrapping_neg(), 4u64.wrapping_neg(), reach, reach.wrapping_neg() - 4] {
            let to = at.wrapping_add(d);
            let inside = (d as i64) < reach as i64 && d as i64 >= -(reach as i64);
            let got = retarget(word, at as u32, to as u32);
            assert_eq!(got.is_some(), inside, "{want} by {:#x}", d as i64);
            let Some(new) = got else { continue };
            let insns = cs.disasm_all(&new.to_le_bytes(), at).expect("disassembly");
            let i = insns.iter().next().expect("an instruction");
            assert_eq!(format!("{} {}", i.mnemonic().unwrap(), i.op_str().unwrap()), format!("{want} #{to:#x}"));
        }
    }
}
