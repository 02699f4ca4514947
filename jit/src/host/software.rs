//! The software definition of any operation that a host has no direct code for, as translated code calls it.

use crate::cpu::Cpu;
use crate::ir::eval::{self, Env};
use crate::ir::op::ALL_OPS;
use crate::ir::{FpRules, Inst, Op, Type, Value};

/// A packed IR instruction without operands: 16 bytes in the block's constant pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Record {
    op: u16,
    ty: u8,
    aux: u8,
    bits: [u8; 3],
    fp: u8,
    imm: u64,
}

const TYPES: [Type; 5] = [Type::None, Type::I32, Type::I64, Type::V128, Type::Flags];

impl Record {
    /// Of an instruction whose operands have these widths.
    pub fn new(inst: &Inst, bits: [u8; 3], fp: FpRules) -> Record {
        Record { op: inst.op as u16, ty: inst.ty as u8, aux: inst.aux, bits, fp: fp as u8, imm: inst.imm }
    }
    /// As a pool constant.
    pub fn pack(&self) -> u128 {
        let [b0, b1, b2] = self.bits;
        let [op0, op1] = self.op.to_le_bytes();
        let low = u64::from_le_bytes([op0, op1, self.ty, self.aux, b0, b1, b2, self.fp]);
        low as u128 | (self.imm as u128) << 64
    }
    fn inst(&self) -> Inst {
        let (op, ty) = (ALL_OPS[self.op as usize], TYPES[self.ty as usize % 5]);
        Inst::new(op, ty, [Value::NONE; 3], self.aux, self.imm)
    }
}

/// What differs between hosts.
pub struct Host {
    /// The resting flags of an NZCV constant.
    pub rest_from_nzcv: fn(u8) -> u32,
    /// The guest's FPSR.
    pub fpsr: fn(&Cpu) -> u32,
    /// Its write.
    pub set_fpsr: fn(&mut Cpu, u32),
}

/// Run the operation `rec` on `cpu.call_args` into `cpu.call_result`.
pub fn run(cpu: &mut Cpu, rec: &Record, host: &Host) {
    let inst = rec.inst();
    let mut args = cpu.call_args;
    for (a, bits) in args.iter_mut().zip(rec.bits) {
        match bits {
            0 => *a = 0,
            n if n < 128 => *a &= (1 << n) - 1,
            _ => {}
        }
    }
    cpu.call_result = match inst.op {
        Op::Counter => match inst.imm {
            0 => clock(libc::CLOCK_MONOTONIC),
            1 => random(),
            n => clock((n - 2) as libc::clockid_t),
        }
        .into(),
        Op::GetFpsr => (host.fpsr)(cpu) as u128,
        Op::SetFpsr => {
            (host.set_fpsr)(cpu, args[0] as u32);
            0
        }
        Op::Helper => cpu.helpers[inst.imm as usize](cpu, args[0] as u64, args[1] as u64) as u128,
        Op::Crc32 => crc32(&inst, args[0] as u32, args[1] as u64) as u128,
        _ => {
            let rules = if rec.fp == FpRules::X86 as u8 { FpRules::X86 } else { FpRules::Arm };
            let mut env = Env { fpcr: cpu.fpcr, rules, ..Env::default() };
            let v = eval::eval(&inst, args, rec.bits[0] as u32, &mut env);
            cpu.fp_trap = env.unmasked() as u32;
            cpu.fpsr |= env.fpsr;
            if env.qc {
                cpu.qc = 1;
            }
            match inst.ty {
                Type::Flags => (host.rest_from_nzcv)(v as u8) as u128,
                _ => v,
            }
        }
    };
}

/// A clock of the system, in nanoseconds.
fn clock(n: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(n, &mut t) };
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

/// From the system's generator, which never runs dry. It is not asked before it is seeded, at boot; then there is the counter.
fn random() -> u64 {
    let mut v = clock(libc::CLOCK_MONOTONIC);
    // SAFETY: `v` is 8 bytes to write to.
    unsafe { libc::getrandom((&raw mut v).cast(), 8, 0) };
    v
}

/// CRC-32 step, least significant bit first.
pub fn crc32(inst: &Inst, acc: u32, data: u64) -> u32 {
    let poly: u32 = if inst.imm == 0 { 0xedb8_8320 } else { 0x82f6_3b78 };
    (0..1u32 << (inst.aux & 3)).fold(acc, |acc, n| {
        let acc = acc ^ (data >> (8 * n)) as u8 as u32;
        (0..8).fold(acc, |a, _| if a & 1 != 0 { a >> 1 ^ poly } else { a >> 1 })
    })
}
