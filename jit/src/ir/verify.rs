//! The verifier: a block keeps the invariants of [`super`] and every instruction fits its row of the table.

use super::{fx, Arr, Aux, Block, Crypto, Inst, Kind, Mem, Op, Trap, Type, Value, EVEN, PLACE};
use crate::cpu::AREA_WORDS;

/// Check a block; the error names the instruction.
pub fn verify(b: &Block) -> Result<(), String> {
    let last = b.insts.len().checked_sub(1).ok_or("empty block")?;
    if last >= Value::NONE.index() {
        return Err(format!("{last} instructions can't be named"));
    }
    starts(b)?;
    let mut guest = 0;
    for (n, i) in b.insts.iter().enumerate() {
        let context = |e: String| format!("v{n} ({}): {e}", i.op.info().text);
        operands(b, n, i).map_err(context)?;
        result(i).map_err(context)?;
        detail(b, i).map_err(context)?;
        let terminal = i.op.info().fx & fx::TERM != 0;
        if terminal != (n == last) {
            return Err(context(if terminal {
                "a terminal before the end".into()
            } else {
                "the block does not end here".into()
            }));
        }
        if b.starts.is_empty() && !terminal {
            return Err(context("before the first guest instruction".into()));
        }
        if i.guest < guest || i.guest as usize > b.starts.len().saturating_sub(1) {
            return Err(context(format!("belongs to guest instruction {}", i.guest)));
        }
        guest = i.guest;
    }
    if b.parts.is_empty() && b.hints.windows(2).any(|w| w[0].0 >= w[1].0) {
        return Err("hints are not ascending".into());
    }
    Ok(())
}

fn starts(b: &Block) -> Result<(), String> {
    if !b.parts.is_empty() {
        return match b.starts.iter().find(|pc| !b.parts.iter().any(|p| p.contains(pc))) {
            Some(pc) => Err(format!("pc {pc:#x} is in no part of the trace")),
            None => Ok(()),
        };
    }
    if let Some(pc) = b.starts.iter().find(|&pc| pc.wrapping_sub(b.pc) >= b.end.wrapping_sub(b.pc)) {
        return Err(format!("pc {pc:#x} is outside of the block {:#x}..{:#x}", b.pc, b.end));
    }
    match b.starts.windows(2).find(|w| w[0] > w[1]) {
        Some(w) => Err(format!("guest instructions at {:#x}, then {:#x}", w[0], w[1])),
        None => Ok(()),
    }
}

/// What a lifter owes beyond [`verify`]: inside each guest instruction nothing that faults follows a `set`, so that a faulting
/// instruction leaves the registers as they were.
pub fn verify_lifted(b: &Block) -> Result<(), String> {
    verify(b)?;
    let mut set = None;
    for (n, i) in b.insts.iter().enumerate() {
        match i.op {
            Op::Set => set = Some((n, i.guest)),
            op if op.info().fx & (fx::FAULT | fx::FP) != 0 => {
                if let Some((s, _)) = set.filter(|s| s.1 == i.guest) {
                    return Err(format!("v{n} ({}) can fault after the set v{s}", op.info().text));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_int(t: Type) -> bool {
    matches!(t, Type::I32 | Type::I64)
}

fn operands(b: &Block, n: usize, i: &Inst) -> Result<(), String> {
    // The integer type that `T` operands share where the result has none.
    let mut shared = if is_int(i.ty) { Some(i.ty) } else { None };
    for (k, (&a, &kind)) in i.args.iter().zip(&i.op.info().args).enumerate() {
        if !a.is_some() {
            match kind {
                Kind::No | Kind::OptX => continue,
                _ => return Err(format!("operand {k} is missing")),
            }
        }
        if kind == Kind::No {
            return Err(format!("operand {k} is too many"));
        }
        if a.index() >= n {
            return Err(format!("operand {k}: v{} is not defined yet", a.0));
        }
        let t = b.ty(a);
        let ok = match kind {
            Kind::T => is_int(t) && *shared.get_or_insert(t) == t,
            Kind::W => t == Type::I32,
            Kind::X | Kind::OptX => t == Type::I64,
            Kind::Int => is_int(t),
            Kind::V => t == Type::V128,
            Kind::F => t == Type::Flags,
            Kind::Any => any_operand(i, t),
            Kind::No => false,
        };
        if !ok {
            return Err(format!("operand {k}: v{} is {}", a.0, t.name()));
        }
    }
    Ok(())
}

fn any_operand(i: &Inst, t: Type) -> bool {
    match i.op {
        Op::Set => t == i.reg().ty(),
        Op::StoreEx => {
            if i.aux == 4 {
                t == Type::V128
            } else {
                is_int(t)
            }
        }
        _ => is_int(t) || t == Type::V128,
    }
}

fn result(i: &Inst) -> Result<(), String> {
    let ok = match i.op.info().result {
        Kind::No => i.ty == Type::None,
        Kind::T | Kind::Int => is_int(i.ty),
        Kind::W => i.ty == Type::I32,
        Kind::X | Kind::OptX => i.ty == Type::I64,
        Kind::V => i.ty == Type::V128,
        Kind::F => i.ty == Type::Flags,
        Kind::Any if i.op == Op::Get => i.ty == i.reg().ty() || (i.ty == Type::I32 && i.reg().ty() == Type::I64),
        Kind::Any => is_int(i.ty) || i.ty == Type::V128,
    };
    ok.then_some(()).ok_or_else(|| format!("result type {}", i.ty.name()))
}

/// `aux` and `imm`, in general by the table and then by operation.
fn detail(b: &Block, i: &Inst) -> Result<(), String> {
    let ok = match i.op.info().aux {
        Aux::No => i.aux == 0 && i.imm == 0,
        Aux::Imm => i.aux == 0 || i.op == Op::Const && i.aux == PLACE && i.ty == Type::I64,
        Aux::Reg => i.aux == 0 && i.imm <= 128,
        Aux::Cc => i.aux < 16 && i.imm == 0,
        // The FP compares carry their arrangement above the flags.
        Aux::CcNzcv if matches!(i.op, Op::Fccmp | Op::Fccmpe) => {
            i.aux < 16 && i.imm & 0xf0 == 0 && [Arr::H, Arr::S, Arr::D].iter().any(|a| a.0 as u64 == i.imm >> 8)
        }
        Aux::CcNzcv => i.aux < 16 && i.imm < 16,
        Aux::Arr => arr_ok(i.arr()) && i.imm == 0,
        Aux::ArrImm => arr_ok(i.arr()) && lanes_ok(i),
        Aux::Mem => mem_ok(b, i),
        Aux::Size => i.aux <= 4 && size_ok(b, i),
        Aux::Pc => match i.op {
            Op::ExitIfBit | Op::ExitIfNotBit => (i.aux as u32) < b.ty(i.args[0]).bits(),
            Op::Trap | Op::TrapIf => (i.aux as usize) < Trap::ALL.len(),
            _ => i.aux == 0,
        },
        Aux::CcPc => i.aux < 16,
    };
    if !ok {
        return Err(format!("aux {:#x}, imm {:#x}", i.aux, i.imm));
    }
    let width = i.ty.bits() as u64;
    let ok = match i.op {
        Op::Const => i.ty == Type::I64 || i.imm <= u32::MAX as u64,
        Op::Extr => i.imm < width,
        Op::AddShl => (1..width).contains(&i.imm),
        Op::Rev => matches!(i.imm, 2 | 4 | 8) && i.imm * 8 <= width,
        Op::Ubfx | Op::Sbfx | Op::Bfi => field_ok(i.imm, width),
        Op::Fence => i.imm <= 2,
        Op::Counter => i.imm < 2 + 32,
        Op::Area | Op::SetArea => i.imm < AREA_WORDS as u64,
        Op::FlagsInsert => i.imm & 0xf0 == 0 && i.imm >> 8 < b.ty(i.args[1]).bits() as u64,
        Op::Crypto => ((i.imm & 0xff) as usize) < Crypto::ALL.len() && i.imm >> 8 < 64,
        Op::FlagsOf => return flags_of(b, i),
        _ => true,
    };
    ok.then_some(()).ok_or_else(|| format!("constant {:#x}", i.imm))
}

fn arr_ok(a: Arr) -> bool {
    a.log2() <= 3 && a.0 & 0x0f <= 3 && a.0 >> 4 <= 2
}

/// Lane numbers and constant shifts are inside their lanes.
fn lanes_ok(i: &Inst) -> bool {
    let (bits, lanes) = (i.arr().ebits() as u64, 16 >> i.arr().log2());
    match i.op {
        Op::VDupLane | Op::VInsert | Op::VExtract | Op::VExtractS => i.imm < lanes,
        Op::VInsertLane => i.imm & 0xff < lanes && i.imm >> 8 < lanes,
        Op::VExt => i.imm < if i.arr().width() == super::Width::W128 { 16 } else { 8 },
        Op::VRev => matches!(i.imm, 2 | 4 | 8) && i.imm * 8 > bits,
        Op::VShlI | Op::VSliI | Op::VSqshlI | Op::VUqshlI | Op::VSqshluI => i.imm < bits,
        Op::VUshrI | Op::VSshrI | Op::VUrshrI | Op::VSrshrI | Op::VSriI => (1..=bits).contains(&i.imm),
        Op::VSmull if i.imm == EVEN => matches!(i.arr(), Arr::S4 | Arr::H8),
        Op::VUmull if i.imm == EVEN => i.arr() == Arr::S4,
        Op::VSxtl | Op::VUxtl | Op::VSmull | Op::VUmull | Op::VPmull | Op::VSqdmull => i.imm <= 1,
        Op::VShrn | Op::VRshrn | Op::VSqshrn | Op::VSqrshrn | Op::VUqshrn | Op::VUqrshrn | Op::VSqshrun | Op::VSqrshrun => {
            i.imm <= bits
        }
        _ => true,
    }
}

fn mem_ok(b: &Block, i: &Inst) -> bool {
    let m = i.mem();
    let value = if i.args[2].is_some() { b.ty(i.args[2]) } else { i.ty };
    let fits = 8 << m.log2 <= value.bits();
    let sign = !m.signed || (is_int(i.ty) && 8 << m.log2 < i.ty.bits());
    m.log2 <= 4 && m.scale <= 4 && fits && sign && Mem::from_bits(m.bits()) == m && (i.args[1].is_some() || m.scale == 0)
}

fn size_ok(b: &Block, i: &Inst) -> bool {
    let carrier = match i.op {
        Op::StoreEx => b.ty(i.args[1]),
        Op::Crc32 => Type::I64,
        _ => i.ty,
    };
    let imm = if i.op == Op::AtomicCasp {
        i.imm == 0
    } else if i.op.fx() & fx::MEM != 0 || i.op == Op::Crc32 {
        i.imm <= 1
    } else {
        i.imm == 0
    };
    imm && 8 << i.aux <= carrier.bits() && (carrier != Type::V128 || i.aux == 4)
}

fn field_ok(imm: u64, width: u64) -> bool {
    let (pos, len) = (imm & 0xff, imm >> 8);
    len >= 1 && pos + len <= width
}

fn flags_of(b: &Block, i: &Inst) -> Result<(), String> {
    let a = i.args[0];
    let op = b.def(a).op;
    if !matches!(op, Op::Add | Op::Sub | Op::Adc | Op::Sbc | Op::And | Op::Andn) {
        return Err(format!("v{} is not an arithmetic that sets flags", a.0));
    }
    let next = b.insts.get(a.index() + 1);
    if !next.is_some_and(|n| std::ptr::eq(n, i)) {
        return Err(format!("does not directly follow v{}", a.0));
    }
    Ok(())
}
