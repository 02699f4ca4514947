//! The amd64 encoder against Capstone: each vector instruction on registers from 16 up is the one on low registers, whatever of it is encoded as EVEX
//! and whatever works on copies.

use capstone::prelude::*;
use jit::host::amd64::asm::{enc, encw, p38, p3a, p66, Addr, Asm, Enc, Rm, NOREG};
use jit::host::amd64::evex::{form, COPY};
use std::collections::HashMap;

#[allow(dead_code)] // Others use the rest of it.
#[path = "common/random.rs"]
mod random;
use random::Random;

/// A register that may hold an operand.
fn register(random: &mut Random) -> u8 {
    random.pick(&[0, 3, 7, 8, 13, 15, 16, 17, 20, 23, 24, 27, 31])
}

/// What `emit` emits, as mnemonics and operands; none if some of it isn't understood.
fn text(cs: &Capstone, emit: impl FnOnce(&mut Asm)) -> Option<Vec<(String, Vec<String>)>> {
    let mut asm = Asm::default();
    asm.begin(Vec::new(), true);
    emit(&mut asm);
    let insns = cs.disasm_all(&asm.code, 0).expect("disassembly");
    let len: usize = insns.iter().map(|i| i.bytes().len()).sum();
    let operands = |s: &str| s.split(", ").filter(|s| !s.is_empty()).map(str::to_string).collect();
    (len == asm.code.len())
        .then(|| insns.iter().map(|i| (i.mnemonic().unwrap_or("?").into(), operands(i.op_str().unwrap_or("")))).collect())
}

fn disassembler() -> Capstone {
    Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).syntax(arch::x86::ArchSyntax::Intel).build().expect("capstone")
}

/// One name for an instruction's VEX and EVEX forms.
fn canonical(mnemonic: &str) -> String {
    match mnemonic {
        "vpandd" => "vpand".into(),
        "vpandnd" => "vpandn".into(),
        "vpord" => "vpor".into(),
        "vpxord" => "vpxor".into(),
        "vmovdqa32" => "vmovdqa".into(),
        "vmovdqu32" => "vmovdqu".into(),
        m => m.replace("vrndscale", "vround"),
    }
}

/// Every opcode that could be a vector instruction's.
fn opcodes() -> impl Iterator<Item = Enc> {
    let all = (1..4).flat_map(|map| (0..4).flat_map(move |pp| (0..=255u8).map(move |op| enc(pp, map, op))));
    all.flat_map(|e| [e, Enc { w: true, ..e }])
}

/// Whether opcodes have an immediate.
fn immediate(e: Enc) -> Option<u8> {
    let has = e.map == 3 || (e.map == 1 && matches!(e.op, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6));
    has.then_some(5)
}

/// An instruction's operands.
#[derive(Clone, Copy, Debug)]
struct Operands {
    reg: u8,
    v: u8,
    rm: Rm,
}

/// The VEX instruction on registers 1, 2 and 3 (or memory), if there is one: the operands and its text.
fn model(cs: &Capstone, e: Enc, reg: u8, memory: Option<Addr>) -> Option<(Operands, String, Vec<String>)> {
    [2, 0].into_iter().find_map(|v| {
        let o = Operands { reg, v, rm: memory.map_or(Rm::R(3), Rm::M) };
        let t = text(cs, |a| a.vex(e, o.reg, o.v, o.rm, immediate(e)))?;
        let [(mnemonic, operands)] = &t[..] else { return None };
        // Integers, masked moves and what has no 128-bit form to speak of.
        let vector = operands.iter().any(|o| o.contains("xmm")) && !operands.iter().any(|o| o.contains("ymm"));
        (mnemonic.starts_with('v') && vector).then(|| (o, mnemonic.clone(), operands.clone()))
    })
}

/// The text with its registers 1, 2 and 3 replaced, where they are vector registers; those that aren't stay as they are.
fn renamed(operands: &[String], model: Operands, to: &mut Operands) -> Vec<String> {
    let there = |n: u8| operands.iter().any(|o| *o == format!("xmm{n}"));
    to.reg = if there(model.reg) { to.reg } else { model.reg };
    to.v = if model.v != 0 && there(model.v) { to.v } else { model.v };
    if let (Rm::R(_), false) = (to.rm, there(3)) {
        to.rm = Rm::R(3);
    }
    let name = |o: &String| match (o.strip_prefix("xmm").and_then(|n| n.parse::<u8>().ok()), to.rm) {
        (Some(n), _) if n == model.reg => format!("xmm{}", to.reg),
        (Some(2), _) => format!("xmm{}", to.v),
        (Some(3), Rm::R(n)) => format!("xmm{n}"),
        _ => o.clone(),
    };
    operands.iter().map(name).collect()
}

/// The addresses to try, of instructions whose memory operand has 1 to 16 bytes.
fn address(random: &mut Random) -> Addr {
    let unit = random.pick(&[1, 2, 4, 8, 16, 64]);
    let disp = match random.below(4) {
        0 => 0,
        1 => (random.below(300) as i32 - 150) * unit,
        2 => random.pick(&[127, -128, 128, -129]) * unit,
        _ => random.below(1 << 31) as u32 as i32,
    };
    let base = random.pick(&[3, 4, 5, 6, 12, 13, 14]);
    let index = random.pick(&[NOREG, 1, 9, 13]);
    Addr { base, index, scale: if index == NOREG { 0 } else { random.below(4) as u8 }, disp }
}

/// The group numbers of the shifts, or just register 1.
fn register_fields(e: Enc) -> Vec<u8> {
    match (e.pp, e.map, e.op) {
        (1, 1, 0x71 | 0x72) => vec![2, 4, 6],
        (1, 1, 0x73) => vec![2, 3, 6, 7],
        _ => vec![1],
    }
}

#[test]
fn evex_forms() {
    let (cs, mut random) = (disassembler(), Random(3));
    let mut forms = 0;
    for e in opcodes().filter(|&e| form(e).is_some()) {
        for field in register_fields(e) {
            let group = field != 1;
            let Some((model, mnemonic, operands)) = model(&cs, e, field, None) else { continue };
            // Capstone takes VEX.W for part of no opcode; where it isn't ours there is nothing to compare.
            forms += 1;
            for n in 0..60 {
                let mut to = Operands { reg: register(&mut random), v: register(&mut random), rm: Rm::R(register(&mut random)) };
                let want = renamed(&operands, if group { Operands { reg: NOREG, ..model } } else { model }, &mut to);
                if group {
                    to.reg = field;
                }
                let got = match n % 2 {
                    0 => text(&cs, |a| a.vex(e, to.reg, to.v, to.rm, immediate(e))),
                    _ => text(&cs, |a| a.evex(e, to.reg, to.v, to.rm, immediate(e))),
                };
                let got = got.unwrap_or_else(|| panic!("{mnemonic} {e:?} on {to:?} is not understood"));
                let [(m, o)] = &got[..] else { panic!("{mnemonic} {e:?} on {to:?}: {got:?}") };
                assert_eq!((canonical(m), o), (canonical(&mnemonic), &want), "{e:?} on {to:?}");
            }
        }
    }
    assert!(forms > 200, "{forms}");
}

#[test]
fn memory_operands() {
    let (cs, mut random) = (disassembler(), Random(5));
    let mut forms = 0;
    for e in opcodes().filter(|&e| form(e).is_some() && register_fields(e) == [1]) {
        let mut known = false;
        for _ in 0..200 {
            let at = address(&mut random);
            let Some((model, mnemonic, operands)) = model(&cs, e, 1, Some(at)) else { break };
            known = true;
            let mut to = Operands { reg: register(&mut random), v: register(&mut random), rm: Rm::M(at) };
            let want = renamed(&operands, model, &mut to);
            let got = text(&cs, |a| a.evex(e, to.reg, to.v, to.rm, immediate(e)));
            let got = got.unwrap_or_else(|| panic!("{mnemonic} {e:?} on {to:?} is not understood"));
            let [(m, o)] = &got[..] else { panic!("{mnemonic} {e:?} on {to:?}: {got:?}") };
            // Capstone counts displacements of this one in 16 bytes, though it has 8 (binutils agree).
            if e != encw(1, 1, 0x7e) {
                assert_eq!((canonical(m), o), (canonical(&mnemonic), &want), "{e:?} on {to:?}");
            }
        }
        forms += known as u32;
    }
    assert!(forms > 150, "{forms}");
}

/// Registers and memory, by name, and what is in them: a name of its own, or an instruction and its operands' values.
#[derive(Default)]
struct Symbols(HashMap<String, String>);

/// An operand without the size of memory.
fn place(operand: &str) -> &str {
    &operand[operand.find('[').unwrap_or(0)..]
}

impl Symbols {
    fn value(&self, of: &str) -> String {
        let of = place(of);
        self.0.get(of).cloned().unwrap_or_else(|| format!("old {of}"))
    }
    fn execute(&mut self, mnemonic: &str, operands: &[String], changes: bool) {
        let sources: Vec<String> = operands[!changes as usize..].iter().map(|o| self.value(o)).collect();
        let made = match mnemonic {
            "vmovaps" => sources.concat(),
            _ => format!("{} of {sources:?}", canonical(mnemonic)),
        };
        self.0.insert(place(&operands[0]).into(), made);
    }
}

/// All of the state that isn't for copies.
fn visible(s: Symbols, slot: &str) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        s.0.into_iter().filter(|(at, v)| *at != format!("xmm{COPY}") && at != slot && *v != format!("old {at}")).collect();
    all.sort();
    all
}

fn slot(cs: &Capstone) -> String {
    text(cs, |a| a.vstore(Addr::cpu(std::mem::offset_of!(jit::cpu::Cpu, copy)), 0)).expect("a store")[0].1[0]
        .replace("xmmword ptr ", "")
}

#[test]
fn on_copies() {
    let (cs, mut random) = (disassembler(), Random(7));
    let slot = slot(&cs);
    let mut forms = 0;
    // The fourth operand of blends is the scratch register.
    let fourth = |e: Enc| matches!((e.map, e.op), (3, 0x4a..=0x4c)).then_some(15 << 4);
    for e in opcodes().filter(|&e| form(e).is_none() && !e.w) {
        for memory in [false, true] {
            let at = memory.then(|| Addr::base(6, 32));
            let Some((model, mnemonic, operands)) = model(&cs, e, 1, at) else { continue };
            // What changes memory, or two registers, or moves by a mask.
            if operands[0].contains('[')
                || mnemonic.contains("mask") && !mnemonic.contains("movmsk")
                || mnemonic.contains("gather")
            {
                continue;
            }
            // (No scratch registers are used here, and string comparisons are another kind.)
            if matches!(
                mnemonic.as_str(),
                "vptest" | "vtestps" | "vtestpd" | "vpcmpestrm" | "vpcmpestri" | "vpcmpistrm" | "vpcmpistri"
            ) {
                continue;
            }
            forms += 1;
            for _ in 0..100 {
                let mut to = Operands {
                    reg: register(&mut random),
                    v: register(&mut random),
                    rm: at.map_or_else(|| Rm::R(register(&mut random)), Rm::M),
                };
                renamed(&operands, model, &mut to);
                let imm = fourth(e).or(immediate(e));
                // The same on low registers: names stand for each other.
                let Some(plain) = text(&cs, |a| a.vex(e, model.reg, model.v, model.rm, imm)) else { panic!("{mnemonic}") };
                let mut want = Symbols::default();
                want.execute(&mnemonic, &renamed(&plain[0].1, model, &mut to), false);
                let got = text(&cs, |a| a.vex(e, to.reg, to.v, to.rm, imm)).unwrap_or_else(|| panic!("{mnemonic} on {to:?}"));
                let mut have = Symbols::default();
                got.iter().for_each(|(m, o)| have.execute(m, o, false));
                assert_eq!(visible(have, &slot), visible(want, &slot), "{e:?} on {to:?}: {got:?}");
            }
        }
    }
    assert!(forms > 30, "{forms}");
}

#[test]
fn legacy_on_copies() {
    let (cs, mut random) = (disassembler(), Random(9));
    let slot = slot(&cs);
    for (e, imm) in [(enc(0, 2, 0xca), None), (enc(0, 2, 0xcc), None), (enc(0, 2, 0xcd), None), (enc(0, 3, 0xcc), Some(2))] {
        for _ in 0..200 {
            let (d, s) = (register(&mut random), register(&mut random));
            let plain = text(&cs, |a| a.legacy(e, 1, Rm::R(2), imm)).expect("an instruction");
            let names =
                |o: &String| o.replace("xmm1", &format!("first{d}")).replace("xmm2", &format!("xmm{s}")).replace("first", "xmm");
            let mut want = Symbols::default();
            want.execute(&plain[0].0, &plain[0].1.iter().map(names).collect::<Vec<_>>(), true);
            let got = text(&cs, |a| a.legacy(e, d, Rm::R(s), imm)).expect("instructions");
            let mut have = Symbols::default();
            got.iter().for_each(|(m, o)| have.execute(m, o, m != "vmovaps"));
            assert_eq!(visible(have, &slot), visible(want, &slot), "{d} {s}: {got:?}");
        }
    }
}

#[test]
fn others() {
    let cs = disassembler();
    let line = |t: Option<Vec<(String, Vec<String>)>>| {
        let [(m, o)] = &t.expect("an instruction")[..] else { panic!("more than one") };
        format!("{m} {}", o.join(", "))
    };
    let nan = |e, a, b| line(text(&cs, |asm| asm.compare(e, 15, a, b, 0x13)));
    assert_eq!(nan(enc(1, 1, 0xc2), 3, Rm::R(9)), "vcmpunord_spd xmm15, xmm3, xmm9");
    assert_eq!(nan(enc(1, 1, 0xc2), 19, Rm::R(9)), "vcmpunord_spd k1, xmm19, xmm9");
    assert_eq!(nan(enc(0, 1, 0xc2), 3, Rm::R(30)), "vcmpunord_sps k1, xmm3, xmm30");
    assert_eq!(nan(enc(2, 1, 0xc2), 17, Rm::R(30)), "vcmpunord_sss k1, xmm17, xmm30");
    assert_eq!(nan(enc(3, 1, 0xc2), 17, Rm::M(Addr::base(6, 8))), "vcmpunord_ssd k1, xmm17, qword ptr [rsi + 8]");
    assert_eq!(line(text(&cs, |a| a.vones(5))), "vpcmpeqd xmm5, xmm5, xmm5");
    assert_eq!(line(text(&cs, |a| a.vones(25))), "vpternlogd xmm25, xmm25, xmm25, 0xff");
    let rotate = |e, d, s| line(text(&cs, |a| a.evex(e, 1, d, Rm::R(s), Some(7))));
    assert_eq!(rotate(p66(0x72), 3, 20), "vprold xmm3, xmm20, 7");
    assert_eq!(rotate(encw(1, 1, 0x72), 29, 4), "vprolq xmm29, xmm4, 7");
    // An immediate that is mistaken for a fourth operand costs nothing but a copy.
    assert!(form(p3a(0x0e)).is_none() && form(p38(0x29)).is_none());
}
