//! The interpreter: code is executed a few times by this before it is translated, because most of what a program starts with is executed only
//! once or twice, which is much less work than to translate it.
//!
//! It does what is common; at anything else (and at every fault) it stops before the instruction, which is translated then. So
//! nothing here knows of signals, exclusive accesses, code that changes or the rounding of numbers. The function that interprets a row of the
//! decode tables is the namesake, in this directory, of the function that lifts it (`build.rs`): rows that have none are never interpreted.

pub mod branch;
pub mod int;
pub mod int_imm;
pub mod mem;
pub mod mem_atomic;
mod other;
pub mod sys;

use super::decode;
use super::features::Set;
use super::lift::Insn;
use crate::cpu::Cpu;
use crate::guarded::Fault;
use crate::guest::{Fetch, Interpreted};

/// The state of interpreting.
pub struct Machine<'a> {
    /// Registers; also the pc, of the current instruction.
    pub cpu: &'a mut Cpu,
    /// NZCV in bits 3..0.
    pub nzcv: u8,
    /// Features that this guest must not have.
    pub hidden: Set,
}

/// What an instruction came to.
pub enum Step {
    /// Go on behind it.
    Next,
    /// Go on there.
    Jump(u64),
    /// Nothing has happened: it is not interpreted, or has faulted.
    Leave,
    /// A system call is to be made.
    Syscall,
}

/// A function that interprets instructions. [`Step::Leave`] must leave the registers alone.
pub type InterpretFn = fn(&mut Machine<'_>, Insn) -> Step;

/// What may fault.
type Tried = Result<Step, Fault>;

/// A fault is found again by what is translated.
fn tried(f: impl FnOnce() -> Tried) -> Step {
    f().unwrap_or(Step::Leave)
}

impl Machine<'_> {
    /// X register or, for 31, zero.
    #[inline]
    pub fn x(&self, n: u8) -> u64 {
        if n == 31 {
            0
        } else {
            self.cpu.gpr[n as usize]
        }
    }
    /// X or W register (31 = zero) by `sf`.
    #[inline]
    pub fn r(&self, sf: bool, n: u8) -> u64 {
        narrow(sf, self.x(n))
    }
    /// X register or, for 31, SP.
    #[inline]
    pub fn x_sp(&self, n: u8) -> u64 {
        self.cpu.gpr[n as usize]
    }
    /// Write an X register; to 31 nothing.
    #[inline]
    pub fn set_x(&mut self, n: u8, v: u64) {
        if n != 31 {
            self.cpu.gpr[n as usize] = v;
        }
    }
    /// Write an X or, zero-extended, a W register; to 31 nothing.
    #[inline]
    pub fn set_r(&mut self, sf: bool, n: u8, v: u64) {
        self.set_x(n, narrow(sf, v));
    }
    /// The same, but 31 is SP.
    #[inline]
    pub fn set_r_sp(&mut self, sf: bool, n: u8, v: u64) {
        self.cpu.gpr[n as usize] = narrow(sf, v);
    }
    /// Vector register.
    #[inline]
    pub fn v(&self, n: u8) -> u128 {
        self.cpu.vec[n as usize]
    }
    /// Write a vector register, all 128 bits.
    #[inline]
    pub fn set_v(&mut self, n: u8, v: u128) {
        self.cpu.vec[n as usize] = v;
    }
    /// Write Vd of an instruction whose result has 64 bits unless Q.
    #[inline]
    pub fn set_vd(&mut self, i: Insn, v: u128) {
        self.set_v(i.rd(), if i.q() { v } else { v as u64 as u128 });
    }
    /// Whether a condition (4 bits) holds.
    #[inline]
    pub fn holds(&self, cond: u32) -> bool {
        // Bit n of a row: the condition holds with NZCV = n (ConditionHolds of the Arm ARM).
        const HOLDS: [u16; 8] = [0xf0f0, 0xcccc, 0xff00, 0xaaaa, 0x0c0c, 0xaa55, 0x0a05, 0xffff];
        let base = HOLDS[(cond >> 1) as usize] >> self.nzcv & 1 != 0;
        // (All ones is "always", too.)
        base != (cond & 1 != 0 && cond != 15)
    }
    /// The flags of a result that is neither a sum nor a difference.
    #[inline]
    pub fn set_nz(&mut self, sf: bool, v: u64) {
        let negative = v >> if sf { 63 } else { 31 } & 1 != 0;
        self.nzcv = (negative as u8) << 3 | (u8::from(narrow(sf, v) == 0) << 2);
    }
    /// TPIDR_EL0 and its like.
    #[inline]
    fn slot(&mut self, r: crate::ir::GuestReg) -> &mut u64 {
        &mut self.cpu.gpr[r.0 as usize]
    }
}

/// The lower half if `sf` isn't set.
#[inline]
fn narrow(sf: bool, v: u64) -> u64 {
    if sf {
        v
    } else {
        v as u32 as u64
    }
}

/// Words to fetch at once.
const AHEAD: usize = 8;

/// `Guest::interpret`.
pub fn interpret(cpu: &mut Cpu, nzcv: &mut u8, mem: &dyn Fetch, hidden: u64, count: &mut u64) -> Interpreted {
    let mut m = Machine { cpu, nzcv: *nzcv, hidden: Set(hidden) };
    let end = run(&mut m, mem, count);
    *nzcv = m.nzcv;
    end
}

fn run(m: &mut Machine<'_>, mem: &dyn Fetch, count: &mut u64) -> Interpreted {
    let mut words = [0; AHEAD];
    loop {
        if m.cpu.pc & 3 != 0 {
            return Interpreted::Here;
        }
        let n = mem.fetch(m.cpu.pc, &mut words);
        if n == 0 {
            return Interpreted::Here;
        }
        for &word in &words[..n] {
            let step = match decode::find_interpret(word, m.hidden) {
                Some(f) => f(m, Insn(word)),
                None => other::other(m, Insn(word)),
            };
            match step {
                Step::Next => m.cpu.pc = m.cpu.pc.wrapping_add(4),
                Step::Jump(to) => {
                    m.cpu.pc = to;
                    *count += 1;
                    return Interpreted::Branch;
                }
                Step::Leave => return Interpreted::Here,
                Step::Syscall => {
                    m.cpu.pc = m.cpu.pc.wrapping_add(4);
                    *count += 1;
                    return Interpreted::Syscall;
                }
            }
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Cond;

    #[test]
    fn conditions_hold_when_they_do() {
        let mut cpu = Cpu::new();
        for nzcv in 0..16u8 {
            let m = Machine { cpu: &mut cpu, nzcv, hidden: Set(0) };
            for cond in 0..16 {
                assert_eq!(m.holds(cond), Cond::from_bits(cond as u8).holds(nzcv), "{cond} {nzcv:04b}");
            }
        }
    }
}
