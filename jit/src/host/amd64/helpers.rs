//! What translated code calls: the software definition of any operation that has no direct code.

use super::flags::rest_from_nzcv;
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

/// Addresses of the helpers by number (`Reloc::Helper`).
pub fn helpers() -> [usize; 1] {
    [run_op as *const () as usize]
}

/// Run the operation `rec` on `cpu.call_args` into `cpu.call_result`.
extern "sysv64" fn run_op(cpu: *mut Cpu, rec: *const Record) {
    // SAFETY: only the common stub calls this, with the running CPU and a record in the block's constant pool (16-byte aligned, written by `Record::pack`).
    let (cpu, rec) = unsafe { (&mut *cpu, &*rec) };
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
        Op::Counter if inst.imm == 1 => random() as u128,
        Op::Counter => counter() as u128,
        Op::GetFpsr => fpsr(cpu) as u128,
        Op::SetFpsr => {
            set_fpsr(cpu, args[0] as u32);
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
                Type::Flags => rest_from_nzcv(v as u8) as u128,
                _ => v,
            }
        }
    };
}

fn counter() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    (t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64)
}

/// From the system's generator, which never runs dry. It is not asked before it is seeded, at boot; then there is the counter.
fn random() -> u64 {
    let mut v = counter();
    // SAFETY: `v` is 8 bytes to write to.
    unsafe { libc::getrandom((&raw mut v).cast(), 8, 0) };
    v
}

/// Exception bits of MXCSR that count as FPSR's, as (MXCSR bit, FPSR bit): division by zero, overflow, underflow, inexact.
/// Not Invalid: it always traps, and the software path then decides.
const EXCEPTIONS: [(u32, u32); 4] = [(2, 1), (3, 2), (4, 3), (5, 4)];
/// The status bits of MXCSR.
const STATUS: u32 = 0x3f;
/// FPSR.QC.
const QC: u32 = 1 << 27;

/// The guest-visible FPSR: what the software paths and the host's control word accumulated, and QC.
/// `guest_fpctl` must be current.
pub fn fpsr(cpu: &Cpu) -> u32 {
    if cpu.rules == FpRules::X86 {
        return (cpu.fpsr | cpu.guest_fpctl) & STATUS;
    }
    let hw = EXCEPTIONS.iter().fold(0, |s, &(m, a)| s | (cpu.guest_fpctl >> m & 1) << a);
    cpu.fpsr | hw | if cpu.qc != 0 { QC } else { 0 }
}

/// Write the guest's FPSR. The host's control word must be loaded from `guest_fpctl` afterwards.
pub fn set_fpsr(cpu: &mut Cpu, v: u32) {
    if cpu.rules == FpRules::X86 {
        cpu.fpsr = 0;
        cpu.guest_fpctl = cpu.guest_fpctl & !STATUS | v & STATUS;
        return;
    }
    cpu.guest_fpctl &= !0x3f;
    cpu.fpsr = v & 0x9f;
    cpu.qc = (v & QC != 0) as u128;
}

/// The host's FP control word for a guest rounding mode (FPCR.RMode numbering): Invalid unmasked, all else masked.
pub const fn fpctl(rmode: u32) -> u32 {
    let rc = [0, 2, 1, 3][(rmode & 3) as usize];
    0x1f00 | rc << 13
}

/// The host's FP control word for a guest's: of a guest with the same rules, its own.
pub fn control(rules: FpRules, fpcr: u32, rmode: u32) -> u32 {
    match rules {
        FpRules::X86 => fpcr & !STATUS,
        FpRules::Arm => fpctl(rmode),
    }
}

/// CRC-32 step, least significant bit first.
pub fn crc32(inst: &Inst, acc: u32, data: u64) -> u32 {
    let poly: u32 = if inst.imm == 0 { 0xedb8_8320 } else { 0x82f6_3b78 };
    (0..1u32 << (inst.aux & 3)).fold(acc, |acc, n| {
        let acc = acc ^ (data >> (8 * n)) as u8 as u32;
        (0..8).fold(acc, |a, _| if a & 1 != 0 { a >> 1 ^ poly } else { a >> 1 })
    })
}
