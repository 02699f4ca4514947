//! The text form of a block, printed and parsed. Both are driven by the table of operations.
//!
//! ```text
//! block 0x1000..0x1008 mode 0
//! hint 0x1004 1
//!   insn 0x1000
//!   v0 = get.i64 x1
//!   v1 = const.i64 0x10
//!   v2 = load.i64 m32s [v0 + v1 << 2 - 0x8]
//!   v3   set x0, v2
//!   v4   jump 0x1008
//! ```
//! An operation's name is followed by `.type` where it has a result, then by its detail (condition, arrangement, size), then
//! operands and constants, comma-separated. `insn` begins a guest instruction.

use super::op::ALL_OPS;
use super::{Arr, Aux, Block, Cond, FpRules, GuestReg, Inst, Mem, Mode, Op, Trap, Type, Value, PLACE};
use std::fmt::Write as _;

/// By number.
const TRAPS: [(&str, Trap); 13] = [
    ("syscall", Trap::Syscall),
    ("undefined", Trap::Undefined),
    ("breakpoint", Trap::Breakpoint),
    ("invalidate_code", Trap::InvalidateCode),
    ("set_fpcr", Trap::SetFpcr),
    ("fetch_fault", Trap::FetchFault),
    ("pc_align", Trap::PcAlign),
    ("synchronize", Trap::Synchronize),
    ("divide", Trap::Divide),
    ("protection", Trap::Protection),
    ("debug", Trap::Debug),
    ("fp_exception", Trap::FpException),
    ("interrupt", Trap::Interrupt),
];

/// The block as text; `reg_name` is the guest's.
pub fn print(b: &Block, reg_name: fn(GuestReg) -> String) -> String {
    let fp = if b.fp == FpRules::X86 { " fp x86" } else { "" };
    let mut s = format!("block {:#x}..{:#x} mode {}{fp}\n", b.pc, b.end, b.mode.0);
    for part in &b.parts {
        let _ = writeln!(s, "part {:#x}..{:#x}", part.start, part.end);
    }
    for (pc, bits) in &b.hints {
        let _ = writeln!(s, "hint {pc:#x} {bits}");
    }
    let mut starts = b.starts.iter().enumerate().peekable();
    let mut begin = |s: &mut String, last: usize| {
        while let Some((_, pc)) = starts.next_if(|&(n, _)| n <= last) {
            let _ = writeln!(s, "  insn {pc:#x}");
        }
    };
    for (n, i) in b.insts.iter().enumerate() {
        begin(&mut s, i.guest as usize);
        let _ = writeln!(s, "  {}", print_inst(n, i, reg_name));
    }
    begin(&mut s, usize::MAX);
    s
}

/// Instruction `n` as text.
pub fn print_inst(n: usize, i: &Inst, reg_name: fn(GuestReg) -> String) -> String {
    let mut s = format!("v{n} {} {}", if i.ty == Type::None { ' ' } else { '=' }, i.op.info().text);
    if i.ty != Type::None {
        let _ = write!(s, ".{}", i.ty.name());
    }
    match i.op.info().aux {
        Aux::Cc | Aux::CcNzcv | Aux::CcPc => s += &format!(" {}", i.cond().name()),
        Aux::Arr | Aux::ArrImm => s += &format!(" {}", i.arr().name()),
        Aux::Size => s += &format!(" m{}", 8u32 << i.aux),
        Aux::Mem => {
            let (signed, tso) = (if i.mem().signed { "s" } else { "" }, if i.mem().tso { "t" } else { "" });
            s += &format!(" m{}{signed}{tso}", 8u32 << i.mem().log2);
        }
        Aux::Pc if matches!(i.op, Op::Trap | Op::TrapIf) => s += &format!(" {}", TRAPS[i.trap() as usize].0),
        _ => {}
    }
    let mut items: Vec<String> = Vec::new();
    if i.op.info().aux == Aux::Reg {
        items.push(reg_name(i.reg()));
    }
    if i.op.info().aux == Aux::Mem {
        items.push(print_address(i));
        items.extend(i.args[2].is_some().then(|| format!("v{}", i.args[2].0)));
    } else {
        items.extend(i.args.iter().filter(|a| a.is_some()).map(|a| format!("v{}", a.0)));
    }
    if matches!(i.op, Op::ExitIfBit | Op::ExitIfNotBit) {
        items.push(format!("{}", i.aux));
    }
    if matches!(i.op.info().aux, Aux::Imm | Aux::CcNzcv | Aux::ArrImm | Aux::Size | Aux::Pc | Aux::CcPc) {
        items.push(format!("{:#x}", i.imm));
    }
    if i.op == Op::Const && i.aux == PLACE {
        items.push("place".into());
    }
    if !items.is_empty() {
        s += " ";
        s += &items.join(", ");
    }
    s
}

fn print_address(i: &Inst) -> String {
    let mut s = format!("[v{}", i.args[0].0);
    if i.args[1].is_some() {
        let _ = write!(s, " + v{}", i.args[1].0);
        if i.mem().scale != 0 {
            let _ = write!(s, " << {}", i.mem().scale);
        }
    }
    match i.imm as i64 {
        0 => {}
        d if d < 0 => s += &format!(" - {:#x}", d.unsigned_abs()),
        d => s += &format!(" + {d:#x}"),
    }
    s + "]"
}

/// Inverse of [`print`]; `parse_reg` is the guest's. The result is not verified.
pub fn parse(text: &str, parse_reg: fn(&str) -> Option<GuestReg>) -> Result<Block, String> {
    let mut b = Block::default();
    let mut seen_header = false;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let context = |e: String| format!("line {}: {e}: {line}", n + 1);
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix("block ") {
            header(&mut b, rest).ok_or_else(|| context("bad header".into()))?;
            seen_header = true;
        } else if let Some(rest) = line.strip_prefix("part ") {
            let part = rest.split_once("..").and_then(|(a, b)| number(a).zip(number(b)));
            let (start, end) = part.ok_or_else(|| context("bad part".into()))?;
            b.parts.push(start..end);
        } else if let Some(rest) = line.strip_prefix("hint ") {
            let (pc, bits) = rest.split_once(' ').ok_or_else(|| context("bad hint".into()))?;
            let hint = number(pc).zip(number(bits)).ok_or_else(|| context("bad hint".into()))?;
            b.hints.push((hint.0, hint.1 as u8));
        } else if let Some(pc) = line.strip_prefix("insn ") {
            b.insn_start(number(pc).ok_or_else(|| context("bad address".into()))?);
        } else {
            let i = parse_inst(line, b.insts.len(), parse_reg).map_err(context)?;
            b.push(i);
        }
    }
    if seen_header {
        Ok(b)
    } else {
        Err("no block header".into())
    }
}

fn header(b: &mut Block, rest: &str) -> Option<()> {
    let (range, mode) = rest.split_once(" mode ")?;
    let (mode, fp) = mode.split_once(" fp ").map_or((mode, FpRules::Arm), |(m, _)| (m, FpRules::X86));
    b.fp = fp;
    let (pc, end) = range.split_once("..")?;
    b.pc = number(pc)?;
    b.end = number(end)?;
    b.mode = Mode(number(mode)? as u32);
    Some(())
}

fn number(s: &str) -> Option<u64> {
    let s = s.trim();
    match s.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => s.parse().ok(),
    }
}

fn value(s: &str) -> Result<Value, String> {
    let n = s.trim().strip_prefix('v').and_then(|n| n.parse().ok());
    n.map(Value).ok_or_else(|| format!("{s:?} is not a value"))
}

fn parse_type(s: &str) -> Option<Type> {
    [Type::I32, Type::I64, Type::V128, Type::Flags].into_iter().find(|t| t.name() == s)
}

fn parse_inst(line: &str, n: usize, parse_reg: fn(&str) -> Option<GuestReg>) -> Result<Inst, String> {
    let (name, rest) = line.split_once(' ').ok_or("no operation")?;
    if value(name)?.index() != n {
        return Err(format!("expected v{n}"));
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let (op, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (op, ty) = match op.split_once('.') {
        Some((op, ty)) => (op, parse_type(ty).ok_or("unknown type")?),
        None => (op, Type::None),
    };
    let op = *ALL_OPS.iter().find(|o| o.info().text == op).ok_or("unknown operation")?;
    let mut i = Inst::new(op, ty, [Value::NONE; 3], 0, 0);
    let aux = op.info().aux;
    if matches!(aux, Aux::Cc | Aux::CcNzcv | Aux::CcPc | Aux::Arr | Aux::ArrImm | Aux::Size | Aux::Mem)
        || matches!(op, Op::Trap | Op::TrapIf)
    {
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        i.aux = parse_detail(op, word).ok_or_else(|| format!("bad detail {word:?}"))?;
        rest = tail;
    }
    let mut items: Vec<&str> = rest.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    if aux == Aux::Reg {
        let reg = items.first().and_then(|s| parse_reg(s)).ok_or("no such register")?;
        i.imm = reg.0 as u64;
        items.remove(0);
    }
    if op == Op::Const && items.last() == Some(&"place") {
        items.pop();
        i.aux = PLACE;
    }
    if matches!(aux, Aux::Imm | Aux::CcNzcv | Aux::ArrImm | Aux::Size | Aux::Pc | Aux::CcPc) {
        i.imm = items.pop().and_then(number).ok_or("no constant")?;
    }
    if matches!(op, Op::ExitIfBit | Op::ExitIfNotBit) {
        i.aux = items.pop().and_then(number).ok_or("no bit number")? as u8;
    }
    if aux == Aux::Mem {
        parse_address(&mut i, items.first().ok_or("no address")?)?;
        if let Some(v) = items.get(1) {
            i.args[2] = value(v)?;
        }
        return Ok(i);
    }
    if items.len() > 3 {
        return Err("too many operands".into());
    }
    for (a, s) in i.args.iter_mut().zip(items) {
        *a = value(s)?;
    }
    Ok(i)
}

fn parse_detail(op: Op, word: &str) -> Option<u8> {
    let size = |s: &str| -> Option<u8> {
        let bits: u32 = s.strip_prefix('m')?.parse().ok()?;
        (0..=4u8).find(|l| 8u32 << l == bits)
    };
    match op.info().aux {
        Aux::Cc | Aux::CcNzcv | Aux::CcPc => (0..16u8).find(|&c| Cond::from_bits(c).name() == word),
        Aux::Arr | Aux::ArrImm => Arr::parse(word).map(|a| a.0),
        Aux::Size => size(word),
        Aux::Mem => {
            let (word, tso) = word.strip_suffix('t').map_or((word, false), |w| (w, true));
            let (word, signed) = word.strip_suffix('s').map_or((word, false), |w| (w, true));
            Some(Mem { signed, tso, ..Mem::size(size(word)?) }.bits())
        }
        _ => TRAPS.iter().find(|t| t.0 == word).map(|t| t.1 as u8),
    }
}

fn parse_address(i: &mut Inst, s: &str) -> Result<(), String> {
    let inner = s.strip_prefix('[').and_then(|s| s.strip_suffix(']')).ok_or("an address is [...]")?;
    let mut words = inner.split_whitespace();
    i.args[0] = value(words.next().ok_or("no base")?)?;
    while let Some(sign) = words.next() {
        let word = words.next().ok_or("incomplete address")?;
        match sign {
            "+" if word.starts_with('v') => i.args[1] = value(word)?,
            "<<" => i.aux = i.mem().scaled(number(word).ok_or("bad scale")? as u8).bits(),
            "+" => i.imm = number(word).ok_or("bad displacement")?,
            "-" => i.imm = number(word).ok_or("bad displacement")?.wrapping_neg(),
            _ => return Err(format!("{sign:?} in an address")),
        }
    }
    Ok(())
}
