//! Random IR blocks against the interpreter, from every form of every operation that the lifter makes: the operation with its types, its detail and
//! which operands are constants. On all sets of host features, with registers allocated in order and at random.
//!
//! `FORMS_ROUNDS` (blocks per form and way to run, default 1), `FORMS_SEED`, `FORMS_REPORT` (a file for the table of operations).

use super::guest::*;
use super::run::*;
use jit::cpu::*;
use jit::guest::arm64::decode::ROWS;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints, Limits};
use jit::host::{fpsr, nzcv_from_rest, rest_from_nzcv};
use jit::ir::interp::{self, Interp};
use jit::ir::op::ALL_OPS;
use jit::ir::*;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

/// Operations that are no form of their own here, and why.
const MANAGED: &[(Op, &str)] = &[
    (Op::Const, "every constant operand"),
    (Op::Get, "every operand that is no result"),
    (Op::Set, "makes results visible"),
    (Op::Nop, "made by nobody"),
    (Op::Counter, "the time"),
    (Op::Jump, "an end"),
    (Op::JumpInd, "an end"),
    (Op::Call, "an end"),
    (Op::CallInd, "an end"),
    (Op::Return, "an end"),
    (Op::Trap, "an end"),
    (Op::TrapIfCode, "goes by what the engine has translated"),
    (Op::ExitUnless, "of traces: tests/engine.rs"),
    (Op::Enter, "of traces: tests/engine.rs"),
    (Op::Unwind, "of traces: tests/engine.rs"),
];

/// Operations that the lifter for arm64 never makes.
const NOT_LIFTED: &[Op] = &[
    Op::SelFlags,
    Op::CFlip,
    Op::AxFlag,
    Op::FlagsInsert,
    Op::Helper,
    Op::Area,
    Op::SetArea,
    Op::TrapIf,
    Op::VMovMask,
    Op::FCmpCc,
    Op::FFma,
];

/// Operations that any constant may be an operand of, and constants at the ends of what host instructions can hold. Programs make them in pieces, so the
/// lifter sees few.
const ARITHMETIC: &[Op] = &[Op::Add, Op::Sub, Op::Adc, Op::Sbc, Op::And, Op::Andn, Op::Or, Op::Orn, Op::Xor, Op::Mul];
const CORNERS: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 32,
    u64::MAX >> 1,
    1 << 63,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_ff7f,
    0xffff_ffff_ffff_ff80,
    u64::MAX,
];
/// Blocks of arithmetic alone, for each way to run.
const ARITHMETIC_BLOCKS: usize = 800;

/// What makes a form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    op: u16,
    ty: u8,
    aux: u8,
    /// Types of the operands; 0 for none.
    args: [u8; 3],
    constant: [bool; 3],
}

struct Form {
    op: Op,
    ty: Type,
    aux: u8,
    args: [Option<Type>; 3],
    /// `imm` and the constant operands' values, as they were seen.
    samples: Vec<(u64, [Option<u64>; 3])>,
}

struct Code<'a>(&'a [u32]);

impl Fetch for Code<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get((pc.wrapping_sub(PC) / 4) as usize).copied()
    }
}

impl Hints for Code<'_> {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
}

/// Forms with many samples keep these many of them.
const SAMPLES: usize = 48;

/// Lift random instructions of every row, alone and in threes that share registers, and see what comes of them.
fn harvest(r: &mut Rng) -> Vec<Form> {
    let mut forms: BTreeMap<Key, Form> = BTreeMap::new();
    for row in ROWS {
        for n in 0..120 {
            let mut words: Vec<u32> = (0..if n % 3 == 0 { 3 } else { 1 })
                .map(|k| {
                    let row = if k == 0 { row } else { &ROWS[r.below(ROWS.len())] };
                    let mut w = r.next() as u32;
                    for at in [0, 5, 16] {
                        if r.below(2) == 0 {
                            w = w & !(31 << at) | r.pick(&[0u32, 1, 31]) << at;
                        }
                    }
                    w & !row.mask | row.value
                })
                .collect();
            words.reverse();
            let mut b = Block::default();
            b.clear(PC, Mode::default());
            (GUEST.lift)(&mut b, &Code(&words), &Code(&words), Limits { insns: words.len() as u32, side_exits: 8 });
            for i in &b.insts {
                note(&mut forms, &b, i, r);
            }
        }
    }
    forms.into_values().collect()
}

fn note(forms: &mut BTreeMap<Key, Form>, b: &Block, i: &Inst, r: &mut Rng) {
    if MANAGED.iter().any(|m| m.0 == i.op) {
        return;
    }
    let args = i.args.map(|a| a.is_some().then(|| b.ty(a)));
    let consts = i.args.map(|a| a.is_some().then(|| b.def(a)).filter(|d| d.op == Op::Const).map(|d| d.imm));
    let key = Key {
        op: i.op as u16,
        ty: i.ty as u8,
        aux: i.aux,
        args: args.map(|a| a.map_or(0, |t| t as u8)),
        constant: consts.map(|c| c.is_some()),
    };
    let form = forms.entry(key).or_insert_with(|| Form { op: i.op, ty: i.ty, aux: i.aux, args, samples: Vec::new() });
    if form.samples.len() < SAMPLES {
        form.samples.push((i.imm, consts));
    } else {
        form.samples[r.below(SAMPLES)] = (i.imm, consts);
    }
}

/// Registers that stay what they are: the buffer's middle, and a small number.
const BASE: u8 = 20;
const INDEX: u8 = 9;
/// Guest registers to read and write: with and without pins.
const POOL: [u8; 8] = [0, 1, 2, 10, 19, 25, 29, 30];

/// Makes one block.
struct Maker<'a> {
    r: &'a mut Rng,
    forms: &'a [Form],
    b: Block,
    pc: u64,
    /// Results so far.
    values: Vec<Value>,
    /// The buffer's address.
    buf: u64,
    /// An FP operation came: what FPSR holds is not compared exactly any more.
    fp: bool,
}

impl Maker<'_> {
    /// A block that begins with `form`, of `more` others after it.
    fn make(mut self, form: usize, more: usize) -> Block {
        self.b.clear(PC, Mode::default());
        self.form(form);
        for _ in 0..more {
            let any = self.r.below(self.forms.len());
            self.form(any);
        }
        self.end();
        self.b
    }

    /// A block of arithmetic with constants.
    fn arithmetic(mut self) -> Block {
        let flags = |f: &Form| f.op == Op::FlagsOf;
        let constant = |f: &Form| ARITHMETIC.contains(&f.op) && f.samples.iter().any(|s| s.1.iter().any(Option::is_some));
        let [flags, constant] = [&flags as &dyn Fn(&Form) -> bool, &constant]
            .map(|fits| (0..self.forms.len()).filter(|n| fits(&self.forms[*n])).collect::<Vec<_>>());
        self.b.clear(PC, Mode::default());
        for _ in 0..1 + self.r.below(4) {
            let list = if self.r.below(3) == 0 { &flags } else { &constant };
            let any = list[self.r.below(list.len())];
            self.form(any);
        }
        self.end();
        self.b
    }

    /// A constant operand of an operation for which the lifter was seen to make `c`.
    fn seen(&mut self, op: Op, ty: Type, c: u64) -> Value {
        let corner = ARITHMETIC.contains(&op) && self.r.below(2) == 0;
        let c = if corner { self.r.pick(CORNERS) } else { c };
        self.constant(ty, if ty == Type::I32 { c & 0xffff_ffff } else { c })
    }

    fn begin(&mut self) {
        self.b.insn_start(self.pc);
        self.pc += 4;
        if self.r.below(10) == 0 {
            self.b.hints.push((self.pc - 4, hint::TAGGED));
        }
    }

    /// An operand: an earlier result, or a register.
    fn operand(&mut self, ty: Type) -> Value {
        let fit: Vec<Value> = self.values.iter().copied().filter(|v| self.b.ty(*v) == ty).collect();
        if !fit.is_empty() && self.r.below(3) != 0 {
            return fit[self.r.below(fit.len())];
        }
        let n = self.r.pick(&POOL);
        let reg = match ty {
            Type::V128 => GuestReg::vec(n),
            Type::Flags => GuestReg::FLAGS,
            _ => GuestReg::gpr(n),
        };
        self.b.op(Op::Get, ty, &[], 0, reg.0 as u64)
    }

    fn constant(&mut self, ty: Type, c: u64) -> Value {
        self.b.op(Op::Const, ty, &[], 0, c)
    }

    fn form(&mut self, n: usize) {
        let f = &self.forms[n];
        let fx = f.op.info().fx;
        if matches!(f.op, Op::GetFpsr) && self.fp {
            return;
        }
        self.fp |= fx & fx::FP != 0;
        let (mut imm, consts) = f.samples[self.r.below(f.samples.len())];
        self.begin();
        let v = if f.op == Op::FlagsOf {
            self.flags_of(f.args[0].expect("an operand"))
        } else {
            let memory = fx & fx::MEM != 0 && f.op != Op::Fence;
            let mut args = [Value::NONE; 3];
            // Ordered and atomic accesses must not cross 16 bytes; the faults of those that do are the instruction oracle's.
            let whole = memory && f.op.info().aux == Aux::Mem && !matches!(f.op, Op::Load | Op::Store);
            imm &= if whole { !15 } else { !0 };
            for k in 0..3 {
                let Some(ty) = f.args[k] else { continue };
                args[k] = match (memory, k, consts[k]) {
                    (true, 0, c) => {
                        let base = self.base(c.is_some(), f.op.info().aux == Aux::Mem, &mut imm);
                        imm &= if whole { !15 } else { !0 };
                        base
                    }
                    (true, 1, _) if whole => {
                        let small = self.r.below(4) as u64 * 16;
                        self.constant(ty, small)
                    }
                    (true, 1, Some(_)) if f.op.info().aux == Aux::Mem => {
                        let small = self.r.below(64) as u64;
                        self.constant(ty, small)
                    }
                    (true, 1, None) if f.op.info().aux == Aux::Mem => self.b.op(Op::Get, ty, &[], 0, INDEX as u64),
                    (_, _, Some(c)) => self.seen(f.op, ty, c),
                    _ => self.operand(ty),
                };
            }
            if fx & fx::EXIT != 0 {
                imm = PC.wrapping_add([0x400, 0, 0xffff_ffff_ffff_f000][self.r.below(3)]);
            }
            self.b.push(Inst::new(f.op, f.ty, args, f.aux, imm))
        };
        self.keep(v);
    }

    /// Flags of some arithmetic of this type, which must be just before.
    fn flags_of(&mut self, ty: Type) -> Value {
        let fits = |f: &Form| matches!(f.op, Op::Add | Op::Sub | Op::Adc | Op::Sbc | Op::And | Op::Andn) && f.ty == ty;
        let candidates: Vec<usize> = (0..self.forms.len()).filter(|n| fits(&self.forms[*n])).collect();
        let f = &self.forms[candidates[self.r.below(candidates.len())]];
        let (imm, consts) = f.samples[self.r.below(f.samples.len())];
        let mut args = [Value::NONE; 3];
        for k in 0..3 {
            let Some(ty) = f.args[k] else { continue };
            args[k] = match consts[k] {
                Some(c) => self.seen(f.op, ty, c),
                None => self.operand(ty),
            };
        }
        let a = self.b.push(Inst::new(f.op, f.ty, args, f.aux, imm));
        let flags = self.b.op(Op::FlagsOf, Type::Flags, &[a], 0, 0);
        if self.r.below(2) == 0 {
            self.keep(a);
        }
        flags
    }

    /// An address in the buffer, given what will be added to it.
    fn base(&mut self, constant: bool, displaced: bool, disp: &mut u64) -> Value {
        if constant {
            let at = self.buf + 1024 + 16 * self.r.below(64) as u64;
            return self.constant(Type::I64, if displaced { at.wrapping_sub(*disp) } else { at });
        }
        let base = self.b.op(Op::Get, Type::I64, &[], 0, BASE as u64);
        if !displaced || (*disp as i64).unsigned_abs() < 900 {
            return base;
        }
        if self.r.below(2) == 0 {
            *disp = self.r.below(900) as u64;
            return base;
        }
        let c = self.constant(Type::I64, disp.wrapping_neg());
        self.b.op(Op::Add, Type::I64, &[base, c], 0, 0)
    }

    /// Write a result to a register, now or never, and let later operations use it.
    fn keep(&mut self, v: Value) {
        let ty = self.b.ty(v);
        if ty == Type::None {
            return;
        }
        self.values.push(v);
        if self.r.below(3) != 0 {
            self.write(v);
        }
        // What is said to be zero above a lane needs no clearing there.
        if ty == Type::V128 && self.r.below(2) == 0 {
            let arr = self.r.pick(&[Arr::H, Arr::S, Arr::D]);
            let low = self.b.op(Op::VLow, Type::V128, &[v], arr.0, 0);
            self.values.push(low);
            self.write(low);
        }
    }

    fn write(&mut self, v: Value) {
        let n = self.r.pick(&POOL);
        match self.b.ty(v) {
            Type::Flags => self.b.op(Op::Set, Type::None, &[v], 0, GuestReg::FLAGS.0 as u64),
            Type::V128 => self.b.op(Op::Set, Type::None, &[v], 0, GuestReg::vec(n).0 as u64),
            Type::I32 => {
                let v = self.b.op(Op::Zext, Type::I64, &[v], 0, 0);
                self.b.op(Op::Set, Type::None, &[v], 0, n as u64)
            }
            _ => self.b.op(Op::Set, Type::None, &[v], 0, n as u64),
        };
    }

    /// Write some results and leave.
    fn end(&mut self) {
        self.begin();
        for v in std::mem::take(&mut self.values) {
            if self.r.below(2) == 0 {
                self.write(v);
            }
        }
        let target = PC.wrapping_add([0x400, 0, 0xffff_ffff_ffff_f000][self.r.below(3)]);
        let v = self.operand(Type::I64);
        match self.r.below(6) {
            0 => self.b.op(Op::JumpInd, Type::None, &[v], 0, 0),
            1 => self.b.op(Op::Return, Type::None, &[v], 0, 0),
            2 => self.b.op(Op::CallInd, Type::None, &[v], 0, 0),
            3 => self.b.op(Op::Call, Type::None, &[], 0, target),
            4 => self.b.op(Op::Trap, Type::None, &[], Trap::Syscall as u8, 0),
            _ => self.b.op(Op::Jump, Type::None, &[], 0, target),
        };
        self.b.end = self.pc;
    }
}

/// The block up to the instruction at `pc`.
fn prefix(b: &Block, pc: u64) -> Block {
    let mut p = b.clone();
    let n = b.starts.iter().position(|&s| s == pc).expect("an instruction of the block");
    let at = b.insts.iter().position(|i| i.guest as usize >= n).unwrap_or(b.insts.len());
    p.insts.truncate(at);
    p.starts.truncate(n);
    p.jump(pc);
    p
}

/// One way to run blocks, and the state to start from.
struct Way {
    m: Machine,
    buf: Box<Aligned>,
}

struct Start {
    cpu: Box<Cpu>,
    nzcv: u8,
    bytes: Vec<u8>,
}

impl Start {
    fn new(r: &mut Rng, buf: u64) -> Start {
        let mut cpu = Cpu::new();
        seed_state(&mut cpu, r, buf);
        if r.below(3) == 0 {
            cpu.gpr[1] = cpu.gpr[0];
            cpu.vec[1] = cpu.vec[0];
        }
        let bytes = (0..BUF / 8).flat_map(|_| fp_number(r).to_le_bytes()).collect();
        Start { cpu, nzcv: r.below(16) as u8, bytes }
    }

    fn interpret(&self, b: &Block, base: u64) -> (Box<Cpu>, u8, interp::Exit, Vec<u8>) {
        let mut cpu = Cpu::new();
        copy_state(&mut cpu, &self.cpu);
        let mut mem = Buffer { base, bytes: self.bytes.clone() };
        let mut i = Interp::default();
        i.nzcv = self.nzcv;
        let exit = i.run(b, &mut cpu, &mut mem);
        (cpu, i.nzcv, exit, mem.bytes)
    }
}

impl Way {
    /// What differs.
    fn compare(&mut self, b: &Block, start: &Start) -> Result<(), String> {
        let base = self.buf.0.as_ptr() as u64;
        let mut b = b.clone();
        b.mode = (GUEST.fp_mode)(start.cpu.fpcr);
        let (want, nzcv, exit, bytes) = start.interpret(&b, base);
        if let interp::Exit::Fault(pc, fault) = exit {
            return Err(format!("the interpreter faults at {pc:x}: {fault:x?}"));
        }
        loop {
            let mut cpu = Cpu::new();
            copy_state(&mut cpu, &start.cpu);
            cpu.flags = rest_from_nzcv(start.nzcv);
            self.buf.0.copy_from_slice(&start.bytes);
            let link = self.m.run(&mut b.clone(), &mut cpu);
            if cpu.exit_kind == ExitKind::Fault as u32 {
                soften(&mut b, &cpu)?;
                let (want, mut nzcv, ..) = start.interpret(&prefix(&b, cpu.pc), base);
                if !flags_matter(&b, cpu.pc) {
                    nzcv = nzcv_from_rest(cpu.flags);
                }
                let d = differences(&cpu, &want, nzcv);
                if !d.is_empty() {
                    return Err(format!("at the trap:\n{d}"));
                }
                continue;
            }
            let mut d = differences(&cpu, &want, nzcv);
            if self.buf.0 != bytes.as_slice() {
                d += "memory differs\n";
            }
            let pc = match cpu.exit_kind {
                k if k == ExitKind::Link as u32 => link,
                k if k == ExitKind::Trap as u32 => None,
                _ => Some(cpu.pc),
            };
            if pc != exit.pc() {
                let _ = writeln!(d, "exit {pc:x?}, not {exit:x?}");
            }
            let (a, w) = (fpsr(&cpu), fpsr(&want));
            if (a ^ w) & FPSR_COMPARED != 0 {
                let _ = writeln!(d, "fpsr {a:x}, not {w:x}");
            }
            return if d.is_empty() { Ok(()) } else { Err(d) };
        }
    }
}

/// What the engine does at an FP trap: it learns how the instruction is to be done. Each thing once.
fn soften(b: &mut Block, cpu: &Cpu) -> Result<(), String> {
    if cpu.exit_arg != libc::SIGFPE as u64 {
        return Err(format!("signal {} at {:x}", cpu.exit_arg, cpu.pc));
    }
    let learned = cpu.exit_imm as u8;
    match b.hints.binary_search_by_key(&cpu.pc, |h| h.0) {
        Ok(n) if b.hints[n].1 & learned != 0 => return Err(format!("a second FP trap at {:x}", cpu.pc)),
        Ok(n) => b.hints[n].1 |= learned,
        Err(n) => b.hints.insert(n, (cpu.pc, learned)),
    }
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// How often each operation was there, and in how many forms.
fn table(forms: &[Form], blocks: usize) -> String {
    let mut out = format!("{} forms of operations, {blocks} blocks each\n", forms.len());
    for op in ALL_OPS {
        let n = forms.iter().filter(|f| f.op == *op).count();
        let why = MANAGED.iter().find(|m| m.0 == *op).map_or("", |m| m.1);
        let why = if NOT_LIFTED.contains(op) { "never lifted" } else { why };
        let _ = writeln!(out, "{:16} {n:4} {why}", op.info().text);
    }
    out
}

/// Show everything about a difference and fail.
fn fail(way: &Way, b: &Block, start: &Start, name: &str, why: &str) -> ! {
    println!("{}\n{}", text::print(b, GUEST.reg_name), way.m.dump());
    for n in POOL.iter().chain(&[BASE, INDEX]).map(|n| *n as usize) {
        println!("x{n} = {:x}  v{n} = {:032x}", start.cpu.gpr[n], start.cpu.vec[n]);
    }
    panic!("{name}, nzcv {:x}, fpcr {:x}, hints {:x?}:\n{why}", start.nzcv, start.cpu.fpcr, b.hints);
}

#[test]
fn forms_agree() {
    catch_faults();
    let seed = number("FORMS_SEED", 1);
    let rounds = number("FORMS_ROUNDS", 1) as usize;
    let forms = harvest(&mut Rng(7));
    let made: HashSet<Op> = forms.iter().map(|f| f.op).collect();
    let known = |op: &&Op| made.contains(op) || NOT_LIFTED.contains(op) || MANAGED.iter().any(|m| m.0 == **op);
    let missing: Vec<_> = ALL_OPS.iter().filter(|op| !known(op)).collect();
    assert!(missing.is_empty(), "no form of {missing:?} was seen");
    let needless: Vec<_> = NOT_LIFTED.iter().filter(|op| made.contains(op)).collect();
    assert!(needless.is_empty(), "{needless:?} are lifted");
    let mut blocks = 0;
    for (set, features) in feature_sets().into_iter().enumerate() {
        for disorder in [0, 0x9e37_79b9_7f4a_7c15 ^ seed] {
            let mut way = Way { m: Machine::new(features), buf: aligned() };
            way.m.host.disorder(disorder);
            for n in 0..rounds * (forms.len() + ARITHMETIC_BLOCKS) {
                let r = &mut Rng(seed << 32 ^ (set as u64) << 24 ^ n as u64);
                let buf = way.buf.0.as_ptr() as u64;
                let start = Start::new(r, buf);
                let more = r.below(8);
                let maker = Maker { r, forms: &forms, b: Block::default(), pc: PC, values: Vec::new(), buf, fp: false };
                let b = if n < rounds * forms.len() { maker.make(n % forms.len(), more) } else { maker.arithmetic() };
                let name = format!("feature set {set}, disorder {disorder:x}, block {n}");
                if let Err(e) = verify::verify(&b) {
                    panic!("{name}: {e}\n{}", text::print(&b, GUEST.reg_name));
                }
                if let Err(why) = way.compare(&b, &start) {
                    fail(&way, &b, &start, &name, &why);
                }
                blocks += 1;
            }
        }
    }
    println!("{} forms, {blocks} blocks", forms.len());
    if let Some(file) = std::env::var_os("FORMS_REPORT") {
        std::fs::write(file, table(&forms, blocks / forms.len())).expect("the report");
    }
}
