//! Random integer blocks against a direct evaluation in Rust.

use super::run::*;
use jit::cpu::*;
use jit::host::{nzcv_from_rest, rest_from_nzcv, Features};
use jit::ir::*;

const REGS: u8 = 32;

/// State and evaluation of the integer part of the IR, value by value.
struct Model {
    gpr: [u64; 40],
    nzcv: u8,
    vals: Vec<u64>,
    mem: Vec<u8>,
    base: u64,
    /// The exit taken says that its target doesn't need the flags.
    flags_dead: bool,
}

fn mask(ty: Type) -> u64 {
    if ty == Type::I32 {
        0xffff_ffff
    } else {
        u64::MAX
    }
}

fn sign(ty: Type, v: u64) -> i64 {
    if ty == Type::I32 {
        v as i32 as i64
    } else {
        v as i64
    }
}

fn add_carry(ty: Type, a: u64, b: u64, c: u64) -> (u64, u8) {
    let m = mask(ty) as u128;
    let bits = ty.bits();
    let sum = (a as u128 & m) + (b as u128 & m) + c as u128;
    let r = (sum & m) as u64;
    let s = sign(ty, a) as i128 + sign(ty, b) as i128 + c as i128;
    let n = r >> (bits - 1) & 1;
    let v = s != sign(ty, r) as i128;
    (r, (n as u8) << 3 | ((r == 0) as u8) << 2 | ((sum >> bits != 0) as u8) << 1 | v as u8)
}

impl Model {
    /// Result and, for flag-setting arithmetic, NZCV.
    fn arith(&self, i: &Inst, a: u64, b: u64, f: u8) -> (u64, u8) {
        let ty = i.ty;
        let logic = |r: u64| {
            let r = r & mask(ty);
            (r, ((r >> (ty.bits() - 1)) as u8) << 3 | ((r == 0) as u8) << 2)
        };
        let c = (f >> 1 & 1) as u64;
        match i.op {
            Op::Add => add_carry(ty, a, b, 0),
            Op::Sub => add_carry(ty, a, !b, 1),
            Op::Adc => add_carry(ty, a, b, c),
            Op::Sbc => add_carry(ty, a, !b, c),
            Op::And => logic(a & b),
            _ => logic(a & !b),
        }
    }

    fn flags_of(&self, b: &Block, n: usize) -> u8 {
        let i = &b.insts[n];
        let v = |k: usize| if i.args[k].is_some() { self.vals[i.args[k].index()] } else { 0 };
        self.arith(i, v(0), v(1), v(2) as u8).1
    }

    fn address(&self, i: &Inst) -> usize {
        let x = if i.args[1].is_some() { self.vals[i.args[1].index()] << i.mem().scale } else { 0 };
        (self.vals[i.args[0].index()].wrapping_add(x).wrapping_add(i.imm) - self.base) as usize
    }

    fn read(&self, at: usize, log2: u8) -> u64 {
        (0..1 << log2).rev().fold(0, |v, k| v << 8 | self.mem[at + k] as u64)
    }

    fn write(&mut self, at: usize, log2: u8, v: u64) {
        for k in 0..1 << log2 {
            self.mem[at + k] = (v >> (8 * k)) as u8;
        }
    }

    /// Run; the target of the exit taken, if any.
    fn run(&mut self, b: &Block) -> Option<u64> {
        self.vals.clear();
        for i in &b.insts {
            self.flags_dead = i.op.info().fx & fx::EXIT != 0 && i.op != Op::Trap && i.aux & FLAGS_DEAD != 0;
            let v = |k: usize| if i.args[k].is_some() { self.vals[i.args[k].index()] } else { 0 };
            let (x, y, z) = (v(0), v(1), v(2));
            let (bits, m) = (i.ty.bits().max(1), mask(i.ty));
            let narrow = |v: u64, log2: u8| v & (u64::MAX >> (64 - (8u32 << log2)));
            let r = match i.op {
                Op::Const => i.imm,
                Op::Get if i.ty == Type::Flags => self.nzcv as u64,
                Op::Get => self.gpr[i.imm as usize] & m,
                Op::Set if i.reg() == GuestReg::FLAGS => {
                    self.nzcv = x as u8;
                    0
                }
                Op::Set => {
                    self.gpr[i.imm as usize] = x;
                    0
                }
                Op::Add | Op::Sub | Op::Adc | Op::Sbc | Op::And | Op::Andn => self.arith(i, x, y, z as u8).0,
                Op::Or => x | y,
                Op::Orn => (x | !y) & m,
                Op::Xor => x ^ y,
                Op::Xorn => (x ^ !y) & m,
                Op::Not => !x & m,
                Op::Neg => x.wrapping_neg() & m,
                Op::Shl => x << (y % bits as u64) & m,
                Op::Shr => x >> (y % bits as u64),
                Op::Sar => (sign(i.ty, x) >> (y % bits as u64)) as u64 & m,
                Op::Ror if bits == 32 => (x as u32).rotate_right(y as u32 % 32) as u64,
                Op::Ror => x.rotate_right(y as u32 % 64),
                Op::Extr => ((((x as u128) << bits | y as u128) >> i.imm) as u64) & m,
                Op::Mul => x.wrapping_mul(y) & m,
                Op::Umulh => ((x as u128 * y as u128) >> 64) as u64,
                Op::Smulh => ((x as i64 as i128 * y as i64 as i128) >> 64) as u64,
                Op::Udiv => x.checked_div(y).unwrap_or(0),
                Op::Sdiv if y == 0 => 0,
                Op::Sdiv => sign(i.ty, x).wrapping_div(sign(i.ty, y)) as u64 & m,
                Op::Clz => x.leading_zeros() as u64 - (64 - bits as u64),
                Op::Cls => {
                    let s = sign(i.ty, x);
                    (s ^ s >> 63).leading_zeros() as u64 - 1 - (64 - bits as u64)
                }
                Op::Rbit => x.reverse_bits() >> (64 - bits),
                Op::Rev => {
                    let n = i.imm as usize;
                    let bytes = x.to_le_bytes();
                    let mut out = [0; 8];
                    (0..bits as usize / 8).for_each(|k| out[k] = bytes[k / n * n + (n - 1 - k % n)]);
                    u64::from_le_bytes(out)
                }
                Op::Ubfx => x >> (i.imm & 0xff) & (u64::MAX >> (64 - (i.imm >> 8))),
                Op::Sbfx => {
                    let w = i.imm >> 8;
                    ((((x >> (i.imm & 0xff)) << (64 - w)) as i64) >> (64 - w)) as u64 & m
                }
                Op::Bfi => {
                    let f = (u64::MAX >> (64 - (i.imm >> 8))) << (i.imm & 0xff);
                    x & !f | y << (i.imm & 0xff) & f
                }
                Op::Zext => x & 0xffff_ffff,
                Op::Trunc => x & 0xffff_ffff,
                Op::Sext => x as i32 as i64 as u64,
                Op::Crc32 => jit::host::software::crc32(i, x as u32, y) as u64,
                Op::FlagsOf => self.flags_of(b, i.args[0].index()) as u64,
                Op::Ccmp | Op::Ccmn if !i.cond().holds(x as u8) => i.imm,
                Op::Ccmp => add_carry(b.ty(i.args[1]), y, !z, 1).1 as u64,
                Op::Ccmn => add_carry(b.ty(i.args[1]), y, z, 0).1 as u64,
                Op::SelFlags | Op::Select => {
                    if i.cond().holds(x as u8) {
                        y
                    } else {
                        z
                    }
                }
                Op::FlagsFrom => x >> 28 & 15,
                Op::CFlip => x ^ 2,
                Op::AxFlag => match (x & 4 != 0, x & 2 != 0, x & 1 != 0) {
                    (_, _, true) => 4,
                    (z, c, false) => (z as u64) << 2 | (c as u64) << 1,
                },
                Op::FlagsInsert => (0..4).fold(x, |f, n| {
                    let bit = y >> (i.imm >> 8) >> n & 1;
                    if i.imm >> n & 1 != 0 {
                        f & !(1 << n) | bit << n
                    } else {
                        f
                    }
                }),
                Op::FlagsTo => x << 28,
                Op::SetCond => i.cond().holds(x as u8) as u64,
                Op::Load | Op::LoadAcq => {
                    let v = self.read(self.address(i), i.mem().log2);
                    let unused = 64 - (8u32 << i.mem().log2);
                    if i.mem().signed {
                        ((v << unused) as i64 >> unused) as u64 & m
                    } else {
                        v
                    }
                }
                Op::Store | Op::StoreRel => {
                    self.write(self.address(i), i.mem().log2, z);
                    0
                }
                Op::ExitIf if i.cond().holds(x as u8) => return Some(i.imm),
                Op::ExitIfZero if x & mask(b.ty(i.args[0])) == 0 => return Some(i.imm),
                Op::ExitIfNonzero if x & mask(b.ty(i.args[0])) != 0 => return Some(i.imm),
                Op::ExitIfBit if x >> (i.aux & 63) & 1 != 0 => return Some(i.imm),
                Op::ExitIfNotBit if x >> (i.aux & 63) & 1 == 0 => return Some(i.imm),
                op if (Op::AtomicAdd as u16..=Op::AtomicCas as u16).contains(&(op as u16)) => {
                    let log2 = i.aux & 7;
                    let at = (x - self.base) as usize;
                    let old = self.read(at, log2);
                    let s = |v: u64| ((v << (64 - (8u32 << log2))) as i64) >> (64 - (8u32 << log2));
                    let (y, z) = (narrow(y, log2), narrow(z, log2));
                    let new = match op {
                        Op::AtomicAdd => old.wrapping_add(y),
                        Op::AtomicClr => old & !y,
                        Op::AtomicEor => old ^ y,
                        Op::AtomicSet => old | y,
                        Op::AtomicSmax => s(old).max(s(y)) as u64,
                        Op::AtomicSmin => s(old).min(s(y)) as u64,
                        Op::AtomicUmax => old.max(y),
                        Op::AtomicUmin => old.min(y),
                        Op::AtomicSwp => y,
                        _ if old == y => z,
                        _ => old,
                    };
                    self.write(at, log2, new);
                    old
                }
                Op::Jump => return Some(i.imm),
                _ => 0,
            };
            self.vals.push(r);
        }
        None
    }
}

struct Gen<'a> {
    b: &'a mut Block,
    r: &'a mut Rng,
    x: Vec<Value>,
    w: Vec<Value>,
    f: Vec<Value>,
}

impl Gen<'_> {
    /// A value of type `ty`: a register, a constant or an earlier value.
    fn val(&mut self, ty: Type) -> Value {
        let pool = if ty == Type::I64 { &self.x } else { &self.w };
        match self.r.below(6) {
            0 => {
                let c = self.r.number();
                self.b.iconst(ty, c)
            }
            1 | 2 if !pool.is_empty() => {
                let k = self.r.below(pool.len());
                pool[k]
            }
            _ => {
                let g = GuestReg::gpr(self.r.below(REGS as usize) as u8);
                if ty == Type::I64 {
                    self.b.get(g)
                } else if self.r.below(4) == 0 {
                    let v = self.b.get(g);
                    self.b.trunc(v)
                } else {
                    self.b.get32(g)
                }
            }
        }
    }

    fn flags(&mut self) -> Value {
        if self.f.is_empty() || self.r.below(3) == 0 {
            self.b.get(GuestReg::FLAGS)
        } else {
            let k = self.f.len() - 1 - self.r.below(self.f.len().min(3));
            self.f[k]
        }
    }

    fn cond(&mut self) -> Cond {
        Cond::from_bits(self.r.below(16) as u8)
    }

    fn result(&mut self, v: Value) {
        match self.b.ty(v) {
            Type::I64 => self.x.push(v),
            Type::I32 => self.w.push(v),
            _ => self.f.push(v),
        }
        match (self.b.ty(v), self.r.below(3)) {
            (_, 0) => {}
            (Type::Flags, _) => self.b.set(GuestReg::FLAGS, v),
            (Type::I32, _) => {
                let z = self.b.zext(v);
                self.set(z);
            }
            _ => self.set(v),
        }
    }

    fn set(&mut self, v: Value) {
        let g = GuestReg::gpr(self.r.below(REGS as usize) as u8);
        self.b.set(g, v);
    }

    fn step(&mut self) {
        use Op::*;
        let ty = self.r.pick(&[Type::I32, Type::I64]);
        let bits = ty.bits() as u64;
        let v = match self.r.below(13) {
            0..=2 => {
                let op = self.r.pick(&[Add, Sub, And, Andn, Adc, Sbc]);
                let (a, b) = (self.val(ty), self.val(ty));
                let v = if matches!(op, Adc | Sbc) {
                    let f = self.flags();
                    self.b.with_carry(op, a, b, f)
                } else {
                    // Not by the builder, which folds constants.
                    self.b.op(op, ty, &[a, b], 0, 0)
                };
                if self.r.below(3) > 0 {
                    let f = self.b.flags_of(v);
                    self.result(f);
                    if self.r.below(3) == 0 {
                        return;
                    }
                }
                v
            }
            3 | 4 => {
                let op = self.r.pick(&[Or, Orn, Xor, Xorn, Shl, Shr, Sar, Ror, Mul, Udiv, Sdiv]);
                let (a, b) = (self.val(ty), self.val(ty));
                self.b.op(op, ty, &[a, b], 0, 0)
            }
            5 => {
                let op = self.r.pick(&[Umulh, Smulh]);
                let (a, b) = (self.val(Type::I64), self.val(Type::I64));
                self.b.bin(op, a, b)
            }
            6 => {
                let op = self.r.pick(&[Not, Neg, Clz, Cls, Rbit]);
                let a = self.val(ty);
                self.b.un(op, a)
            }
            7 => {
                let op = self.r.pick(&[Ubfx, Sbfx, Bfi, Extr, Rev]);
                let lsb = self.r.below(bits as usize) as u64;
                let width = 1 + self.r.below((bits - lsb) as usize) as u64;
                let (a, b) = (self.val(ty), self.val(ty));
                match op {
                    Bfi => self.b.op(op, ty, &[a, b], 0, lsb | width << 8),
                    Extr => self.b.op(op, ty, &[a, b], 0, lsb),
                    Rev => {
                        let n = self.r.pick(&[2, 4, bits / 8]);
                        self.b.un_imm(op, a, n)
                    }
                    _ => self.b.un_imm(op, a, lsb | width << 8),
                }
            }
            8 => {
                let f = self.flags();
                let (a, b) = (self.val(ty), self.val(ty));
                let cc = self.cond();
                match self.r.below(4) {
                    0 => self.b.op(SetCond, ty, &[f], cc as u8, 0),
                    1 => {
                        let c = self.r.below(16) as u64;
                        self.b.op(Ccmp, Type::Flags, &[f, a, b], cc as u8, c)
                    }
                    2 => {
                        let c = self.r.below(16) as u64;
                        self.b.op(Ccmn, Type::Flags, &[f, a, b], cc as u8, c)
                    }
                    _ => self.b.select(cc, f, a, b),
                }
            }
            9 => match self.r.below(9) {
                0 => {
                    let (f, g, h) = (self.flags(), self.flags(), self.flags());
                    let cc = self.cond();
                    self.b.op(SelFlags, Type::Flags, &[f, g, h], cc as u8, 0)
                }
                1 => {
                    let a = self.val(Type::I64);
                    self.b.op(FlagsFrom, Type::Flags, &[a], 0, 0)
                }
                2 => {
                    let f = self.flags();
                    self.b.op(FlagsTo, Type::I64, &[f], 0, 0)
                }
                3 => {
                    let a = self.val(Type::I32);
                    self.b.sext(a)
                }
                4 => {
                    let a = self.val(Type::I64);
                    self.b.trunc(a)
                }
                5 | 6 => {
                    let f = self.flags();
                    let op = self.r.pick(&[CFlip, AxFlag]);
                    self.b.op(op, Type::Flags, &[f], 0, 0)
                }
                7 => {
                    let (f, a) = (self.flags(), self.val(ty));
                    let (mask, shift) = (self.r.below(16) as u64, self.r.below(ty.bits() as usize) as u64);
                    self.b.op(FlagsInsert, Type::Flags, &[f, a], 0, shift << 8 | mask)
                }
                _ => {
                    let (a, b) = (self.val(Type::I32), self.val(Type::I64));
                    let (size, poly) = (self.r.below(4) as u8, self.r.below(2) as u64);
                    self.b.op(Crc32, Type::I32, &[a, b], size, poly)
                }
            },
            10 => return self.exit(),
            _ => return self.memory(ty),
        };
        self.result(v);
    }

    fn exit(&mut self) {
        if self.r.below(4) != 0 {
            return;
        }
        let pc = self.r.pick(&[0x1000u64, 0x9000]);
        let dead = self.r.pick(&[0, FLAGS_DEAD]);
        match self.r.below(3) {
            0 => {
                let f = self.flags();
                let cc = self.cond();
                self.b.op(Op::ExitIf, Type::None, &[f], cc as u8 | dead, pc);
            }
            1 => {
                let ty = self.r.pick(&[Type::I32, Type::I64]);
                let a = self.val(ty);
                let op = self.r.pick(&[Op::ExitIfZero, Op::ExitIfNonzero]);
                self.b.op(op, Type::None, &[a], dead, pc);
            }
            _ => {
                let ty = self.r.pick(&[Type::I32, Type::I64]);
                let a = self.val(ty);
                let op = self.r.pick(&[Op::ExitIfBit, Op::ExitIfNotBit]);
                let n = self.r.below(ty.bits() as usize) as u8;
                self.b.op(op, Type::None, &[a], n | dead, pc);
            }
        }
    }

    /// An access below 8 KiB from register 40's slot 33, which always holds the buffer's address.
    fn memory(&mut self, ty: Type) {
        let base = self.b.get(GuestReg::gpr(33));
        let max = if ty == Type::I32 { 3 } else { 4 };
        let log2 = self.r.below(max) as u8;
        if self.r.below(3) == 0 {
            let op = [
                Op::AtomicAdd,
                Op::AtomicClr,
                Op::AtomicEor,
                Op::AtomicSet,
                Op::AtomicSmax,
                Op::AtomicSmin,
                Op::AtomicUmax,
                Op::AtomicUmin,
                Op::AtomicSwp,
                Op::AtomicCas,
            ][self.r.below(10)];
            let at = self.b.bin_imm(Op::Add, base, 256);
            let (y, z) = (self.val(ty), self.val(ty));
            let v =
                if op == Op::AtomicCas { self.b.op(op, ty, &[at, y, z], log2, 0) } else { self.b.op(op, ty, &[at, y], log2, 0) };
            if self.r.below(3) > 0 {
                self.result(v);
            }
            return;
        }
        let scale = self.r.below(5) as u8;
        let index = if self.r.below(2) == 0 {
            let v = self.val(Type::I64);
            self.b.bin_imm(Op::And, v, 63)
        } else {
            Value::NONE
        };
        let mem = Mem { log2, signed: self.r.below(2) == 0, scale, tso: self.r.below(2) == 0 };
        let disp = self.r.below(300) as i64;
        match self.r.below(4) {
            0 => {
                let v = self.val(ty);
                let mem = Mem { signed: false, ..mem };
                if self.r.below(2) == 0 {
                    return self.b.store(mem, base, index, disp, v);
                }
                // What is ordered must not cross a multiple of 16, which the buffer begins at.
                let disp = disp & !15 | self.r.below(17 - (1 << log2)) as i64;
                self.b.op(Op::StoreRel, Type::None, &[base, Value::NONE, v], Mem::size(log2).bits(), disp as u64);
            }
            1 => {
                let v = self.val(ty);
                self.b.store(Mem { signed: false, ..mem }, base, index, disp, v);
            }
            _ => {
                let v = self.b.load(ty, mem, base, index, disp);
                self.result(v);
            }
        }
    }
}

fn one(m: &mut Machine, seed: u64, steps: usize) {
    let r = &mut Rng(seed);
    let mut b = Block::default();
    b.clear(0x5000, Mode::default());
    b.insn_start(0x5000);
    let mut g = Gen { b: &mut b, r, x: vec![], w: vec![], f: vec![] };
    for _ in 0..steps {
        g.step();
    }
    b.end = 0x5004;
    b.trap(Trap::Syscall, Value::NONE, 0);
    let mut cpu = Cpu::new();
    let mut mem: Vec<u8> = (0..2048).map(|_| r.next() as u8).collect();
    let mut model = Model {
        gpr: [0; 40],
        nzcv: r.below(16) as u8,
        vals: vec![],
        mem: mem.clone(),
        base: mem.as_ptr() as u64,
        flags_dead: false,
    };
    for n in 0..REGS as usize {
        model.gpr[n] = r.number();
    }
    model.gpr[33] = model.base;
    let start = model.gpr;
    cpu.gpr = start;
    cpu.flags = rest_from_nzcv(model.nzcv);
    let copy = b.clone();
    let (flags, before) = (cpu.flags, mem.clone());
    let want = model.run(&b);
    let mut got = m.run(&mut b, &mut cpu);
    if cpu.exit_kind == ExitKind::Fault as u32 && cpu.exit_arg == libc::SIGBUS as u64 {
        // As the engine does it: what is in order here can't be misaligned unless it is translated for that.
        (b, cpu.gpr, cpu.flags) = (copy.clone(), start, flags);
        b.hints.push((0x5000, hint::UNALIGNED));
        mem.copy_from_slice(&before);
        got = m.run(&mut b, &mut cpu);
    }
    let ok =
        want == got && cpu.gpr == model.gpr && (model.flags_dead || nzcv_from_rest(cpu.flags) == model.nzcv) && mem == model.mem;
    if !ok {
        for (n, i) in copy.insts.iter().enumerate() {
            println!(
                "v{n} = {:?} {:?} {:x} {:?} {:#x}   ; {:x?}",
                i.op,
                i.ty,
                i.aux,
                i.args.map(|a| a.0 as i16),
                i.imm,
                model.vals.get(n)
            );
        }
        println!("{}", m.dump());
        for n in 0..40 {
            if cpu.gpr[n] != model.gpr[n] {
                println!("x{n}: {:x}, not {:x}", cpu.gpr[n], model.gpr[n]);
            }
        }
        println!("exit {got:x?} {want:x?}, nzcv {:x} {:x}, mem {}", nzcv_from_rest(cpu.flags), model.nzcv, mem == model.mem);
        panic!("seed {seed}, {steps} steps");
    }
}

fn sweep(features: Features, seed: u64) {
    let mut m = Machine::new(features);
    for steps in [1, 2, 3, 5, 8, 13, 40] {
        for n in 0..150 {
            one(&mut m, seed + n * 7919 + steps as u64, steps);
        }
    }
}

#[test]
fn random_blocks() {
    catch_faults();
    for (n, f) in feature_sets().into_iter().enumerate() {
        sweep(f, n as u64 * 1_000_003);
    }
}

/// A thread that is asked to leave before it enters doesn't enter; otherwise every kind of edge says where it goes.
#[test]
fn edges() {
    let mut m = Machine::new(Features::detect());
    for (op, target, kind) in [
        (Op::Jump, 0x1000, ExitKind::Link),
        (Op::Jump, 0x9000, ExitKind::Link),
        (Op::Call, 0x1000, ExitKind::Link),
        (Op::JumpInd, 0x1234_5678_9abc, ExitKind::Lookup),
        (Op::CallInd, 0x1234_5678_9abc, ExitKind::Lookup),
        (Op::Return, 0x1234_5678_9abc, ExitKind::Lookup),
        (Op::Return, 0, ExitKind::Lookup),
        // What empty entries of the tables hold.
        (Op::JumpInd, 0, ExitKind::Lookup),
        (Op::JumpInd, 4, ExitKind::Lookup),
        (Op::CallInd, 4, ExitKind::Lookup),
        (Op::JumpInd, 1 << JUMP_CACHE_SHIFT | 4, ExitKind::Lookup),
        (Op::CallInd, 1 << JUMP_CACHE_SHIFT | 4, ExitKind::Lookup),
    ] {
        for (pending, end) in [(0, 0x5004), (0, 0x5555_5555_5004u64), (1, 0x5004)] {
            let mut b = Block::default();
            b.clear(end - 4, Mode::default());
            b.insn_start(end - 4);
            if matches!(op, Op::Jump | Op::Call) {
                b.op(op, Type::None, &[], 0, target);
            } else {
                let v = b.get(GuestReg::gpr(17));
                let ret = b.iconst(Type::I64, end);
                b.set(GuestReg::gpr(30), ret);
                b.op(op, Type::None, &[v], 0, 0);
            }
            b.end = end;
            let mut cpu = Cpu::new();
            cpu.pending = pending.into();
            cpu.gpr[17] = target;
            cpu.pc = end - 4;
            let link = m.run(&mut b, &mut cpu);
            if pending != 0 {
                assert_eq!((cpu.exit_kind, cpu.pc), (ExitKind::Pending as u32, end - 4));
                continue;
            }
            assert_eq!((cpu.exit_kind, link.unwrap_or(cpu.pc)), (kind as u32, target), "{op:?}");
            // A call has left an entry on the return stack.
            let call = matches!(op, Op::Call | Op::CallInd) as u64;
            let entry = jit::host::RETURN_ENTRY as u64;
            // Entries that are pairs are compared with; those at the base are for address 0.
            let popped = (entry == 16 && op == Op::Return && target == 0) as u64;
            assert_eq!(cpu.ret_sp, cpu.ret_base + entry * popped - entry * call, "{op:?}");
        }
    }
}
