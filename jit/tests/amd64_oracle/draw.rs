//! Cases: random instructions, with registers that let them reach the memory that there is.

use crate::case::*;
use crate::codes::{self, Group};
use crate::encode;
use crate::place::place;
use crate::rng::Rng;
use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderError, DecoderOptions, FlowControl, Instruction, Mnemonic as M, OpKind, Register,
    RflagsBits,
};
use std::sync::OnceLock;

/// Random memory: cases take parts of it.
fn pool() -> &'static [u8] {
    static POOL: OnceLock<Vec<u8>> = OnceLock::new();
    POOL.get_or_init(|| {
        let mut r = Rng(0x9001);
        (0..1 << 16).flat_map(|_| r.vector().to_le_bytes()).collect()
    })
}

fn pooled(r: &mut Rng) -> u128 {
    let from = r.below(pool().len() as u64 / 16) as usize * 16;
    u128::from_le_bytes(pool()[from..from + 16].try_into().expect("16 bytes"))
}

/// What a case can't be made of whatever its registers are: it leaves the process, or goes where no INT3 is.
fn unfit(i: &Instruction) -> bool {
    (0..i.op_count()).any(|n| matches!(i.op_kind(n), OpKind::FarBranch16 | OpKind::FarBranch32))
        // A system call of 32-bit programs.
        || (i.mnemonic() == M::Int && i.immediate8() == 0x80)
        || codes::cause(i.code()).is_some()
}

/// Whether any bytes may be a case: what the processor at hand knows and the guest's does not may not.
fn raw_fits(code: &[u8], i: &Instruction, error: DecoderError) -> bool {
    if !i.is_invalid() {
        return i.cpuid_features().iter().all(|f| codes::known_feature(*f) && *f != CpuidFeature::MSR);
    }
    let prefix = |b: &&u8| matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3 | 0x40..=0x4f);
    let mut rest = code.iter().skip_while(prefix);
    // EVEX, VEX of opcode maps that there are not, or short of bytes.
    let first = rest.next();
    let second = rest.next().copied().unwrap_or(0);
    // The hypervisor's, with prefixes that mean something to it only.
    if (first, second) == (Some(&0x0f), 1) {
        return false;
    }
    let map = second & 31;
    error != DecoderError::NoMoreBytes && first != Some(&0x62) && (first != Some(&0xc4) || matches!(map, 1..=3))
}

/// What is drawn: a group, and the instructions of it.
pub struct Source {
    pub group: Group,
    pub codes: Vec<Code>,
}

impl Source {
    /// The next case.
    pub fn draw(&self, r: &mut Rng) -> (Case, Instruction) {
        loop {
            let case = match self.group {
                Group::Raw => raw(r),
                Group::Sequences => sequence(r, &self.codes),
                _ => {
                    let code = r.pick(&self.codes);
                    single(r, code, self.group)
                }
            };
            if let Some(case) = case {
                return case;
            }
        }
    }
}

fn decode(code: &[u8], pc: u64) -> Instruction {
    Decoder::with_ip(64, code, pc, DecoderOptions::NONE).decode()
}

/// A case of one instruction.
pub fn single(r: &mut Rng, wanted: Code, group: Group) -> Option<(Case, Instruction)> {
    let pc = CODE + 0x400 + r.below(64);
    let code = encode::of(r, wanted.op_code(), group);
    let i = decode(&code, pc);
    if i.code() != wanted
        || unfit(&i)
        || (matches!(group, Group::Locked | Group::Splits) && wanted.op_code().can_use_lock_prefix() && !i.has_lock_prefix())
    {
        return None;
    }
    finish(group, r, code, i, pc)
}

fn raw(r: &mut Rng) -> Option<(Case, Instruction)> {
    let pc = CODE + 0x400 + r.below(64);
    let code = encode::raw(r);
    let mut d = Decoder::with_ip(64, &code, pc, DecoderOptions::NONE);
    let i = d.decode();
    let group = Group::Raw;
    if !raw_fits(&code, &i, d.last_error()) || unfit(&i) {
        return None;
    }
    finish(group, r, code, i, pc)
}

/// Registers and memory for an instruction.
fn finish(group: Group, r: &mut Rng, mut code: Vec<u8>, mut i: Instruction, pc: u64) -> Option<(Case, Instruction)> {
    if !i.is_invalid() {
        code.truncate(i.len());
    }
    let mut s = state(r, pc);
    let memory = memory(r);
    let mut case =
        Case { pc, code: Vec::new(), state: State::default(), memory, ignored: 0, ignored_at_fault: 0, readonly: None };
    if !i.is_invalid() {
        place(group, r, &mut code, &mut i, &mut s, &mut case.memory)?;
    }
    case.ignored = undefined(&i, &s);
    if r.one_in(24) && guarded(&i, &s) {
        case.readonly = Some(WINDOW + 4096 * r.below(2));
    }
    (case.code, case.state) = (code, s);
    Some((case, i))
}

/// Whether a page may be one that can't be written: what is saved before that is found out differs, and of 32 bytes we store what is on the next page.
fn guarded(i: &Instruction, s: &State) -> bool {
    let at = crate::place::effective(i, s) & 4095;
    !i.is_invalid() && !i.op_code().is_save_restore() && (i.memory_size().size() != 32 || at <= 4096 - 32)
}

fn memory(r: &mut Rng) -> Box<Memory> {
    let from = r.below((pool().len() - WINDOW_BYTES) as u64 / 16) as usize * 16;
    let mut memory = Box::new([0u8; WINDOW_BYTES]);
    memory.copy_from_slice(&pool()[from..from + WINDOW_BYTES]);
    memory
}

fn state(r: &mut Rng, pc: u64) -> State {
    let mut s = State { pc, ..State::default() };
    s.gpr = std::array::from_fn(|_| r.int());
    // Mostly those of the pool, which cost less.
    let fresh = r.one_in(4);
    s.vec = std::array::from_fn(|_| if fresh { r.vector() } else { pooled(r) });
    if r.one_in(4) {
        let same = r.vector();
        s.vec[r.below(16) as usize] = same;
        s.vec[r.below(16) as usize] = same;
    }
    s.flags = 0x202 | r.next() & 0xcd5;
    if r.one_in(3) {
        s.mxcsr = 0x1f80 | (r.next() as u32 & 0xe07f);
    }
    x87_state(r, &mut s);
    if r.one_in(12) {
        // Exceptions unmasked.
        for _ in 0..=r.below(3) {
            s.mxcsr &= !(0x80 << r.below(6));
            s.fcw &= !(1 << r.below(6));
        }
        s.fsw &= !(!s.fcw & 0x3f);
    }
    if r.one_in(200) {
        // One is pending.
        s.fcw &= !(1 << r.below(6));
        s.fsw |= r.next() as u16 & 0x3f;
        if s.fsw & !s.fcw & 0x3f != 0 {
            s.fsw |= 0x8080;
        }
    }
    s
}

fn x87_state(r: &mut Rng, s: &mut State) {
    s.x87 = std::array::from_fn(|_| r.extended());
    if r.one_in(4) {
        // Two that nearly cancel, or do.
        let from = r.below(8) as usize;
        let other = s.x87[from] ^ (r.below(2) as u128) << 79 ^ r.pick(&[0u128, 0, 1, 3, 1 << 63, 1 << 64]);
        s.x87[(from + 1 + r.below(7) as usize) & 7] = other;
    }
    s.ftw = if r.one_in(4) { r.next() as u8 } else { 0xff };
    s.fcw = 0x37f & !0xf00 | (r.next() as u16 & 0xf00);
    if r.one_in(2) {
        s.fcw = 0x37f;
    }
    s.fsw = (r.next() as u16) & if r.one_in(2) { 0x7f7f } else { 0x3800 } & !0x80;
    // A pending exception would be raised by the next instruction.
    s.fsw &= !(!s.fcw & 0x3f);
    s.fop = r.next() as u16 & 0x7ff;
    s.fip = r.next() >> (17 + r.below(47));
    s.fdp = r.next() >> (17 + r.below(47));
}

/// The register that memory operands of sequences are relative to.
const BASE: u64 = WINDOW + 4096;

/// Several instructions in a row. Memory operands lie around where r15 points; none writes it.
fn sequence(r: &mut Rng, codes: &[Code]) -> Option<(Case, Instruction)> {
    let pc = CODE + 0x400 + r.below(64);
    let mut case =
        Case { pc, code: Vec::new(), state: state(r, pc), memory: memory(r), ignored: 0, ignored_at_fault: 0, readonly: None };
    // At a fault flags may be older if what follows overwrites them before it reads them.
    case.ignored_at_fault = 0x8d5;
    case.state.gpr[15] = BASE;
    case.state.gpr[4] = WINDOW + 2048 + (r.below(1024) & !7);
    let mut last = Instruction::default();
    let mut ignored = 0;
    let mut left = 2 + r.below(6);
    for _ in 0..400 {
        let code = r.pick(codes);
        if left == 0 {
            break;
        }
        if !sequential(code) {
            continue;
        }
        let at = pc + case.code.len() as u64;
        let mut bytes = encode::near(r, code.op_code());
        let i = decode(&bytes, at);
        if i.code() != code || unfit(&i) || !steady(&i) || reads(&i) & ignored != 0 {
            continue;
        }
        bytes.truncate(i.len());
        case.code.extend(bytes);
        // A shift by nothing leaves them as they are.
        if !shifts(i.mnemonic()) {
            ignored &= !in_place(i.rflags_written() | i.rflags_cleared() | i.rflags_set());
        }
        ignored |= undefined(&i, &case.state);
        last = i;
        left -= 1;
    }
    if r.one_in(3) {
        let cc = r.below(16) as u8;
        let at = pc + case.code.len() as u64;
        let mut jump = vec![0x0f, 0x80 | cc, 0, 0, 0, 0];
        let rel = (CODE + 0x600 + r.below(0x400)).wrapping_sub(at + 6) as u32;
        jump[2..].copy_from_slice(&rel.to_le_bytes());
        if reads(&decode(&jump, at)) & ignored == 0 {
            case.code.extend(jump);
        }
    }
    case.ignored = ignored;
    Some((case, last))
}

fn shifts(m: M) -> bool {
    matches!(m, M::Shl | M::Sal | M::Shr | M::Sar | M::Rol | M::Ror | M::Rcl | M::Rcr | M::Shld | M::Shrd)
}

fn reads(i: &Instruction) -> u64 {
    in_place(i.rflags_read())
}

/// Whether instructions of this kind may stand in a row: one whose effects are defined whatever its operands are, and that goes on behind itself.
fn sequential(code: Code) -> bool {
    let group = [Group::Integer, Group::Sse, Group::Avx, Group::Crypto, Group::Mmx, Group::X87, Group::Locked];
    let m = code.mnemonic();
    group.iter().any(|&g| codes::belongs(code, g))
        && code.flow_control() == FlowControl::Next
        && !approximate(m)
        && !transcendental(m)
        && !matches!(m, M::Shld | M::Shrd | M::Bsf | M::Bsr | M::Xlatb | M::Maskmovq | M::Maskmovdqu | M::Vmaskmovdqu)
        && !matches!(m, M::Bt | M::Bts | M::Btr | M::Btc)
}

/// Whether r15 and rsp stay where they are useful, and memory operands lie around them.
fn steady(i: &Instruction) -> bool {
    let vsib = i.memory_index().is_vector_register();
    let far = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory)
        && (i.memory_base() != Register::R15 || i.memory_index() != Register::None || i.memory_segment() != Register::DS);
    let mut factory = iced_x86::InstructionInfoFactory::new();
    let written = |u: &iced_x86::UsedRegister| {
        use iced_x86::OpAccess::*;
        matches!(u.access(), Write | CondWrite | ReadWrite | ReadCondWrite)
            && (u.register().full_register() == Register::R15
                || (u.register().full_register() == Register::RSP && !i.is_stack_instruction()))
    };
    let by_count = shifts(i.mnemonic()) && i.op_count() > 1 && i.op_register(i.op_count() - 1) == Register::CL;
    let locked = i.has_lock_prefix() || matches!(i.mnemonic(), M::Xchg | M::Cmpxchg | M::Cmpxchg8b);
    let locked = locked && i.memory_displacement64() & 31 != 0;
    !vsib && !far && !locked && !by_count && !factory.info(i).used_registers().iter().any(written)
}

/// Instructions whose result is an estimate.
pub fn approximate(m: M) -> bool {
    use M::*;
    matches!(m, Rcpps | Rcpss | Rsqrtps | Rsqrtss | Vrcpps | Vrcpss | Vrsqrtps | Vrsqrtss)
}

/// Functions whose last bits no manual defines.
pub fn transcendental(m: M) -> bool {
    matches!(m, M::F2xm1 | M::Fyl2x | M::Fyl2xp1 | M::Fptan | M::Fpatan | M::Fsin | M::Fcos | M::Fsincos)
}

/// iced's flags in their places.
fn in_place(u: u32) -> u64 {
    let bit = |b: u32, at: u64| if u & b != 0 { 1 << at } else { 0 };
    bit(RflagsBits::CF, 0)
        | bit(RflagsBits::PF, 2)
        | bit(RflagsBits::AF, 4)
        | bit(RflagsBits::ZF, 6)
        | bit(RflagsBits::SF, 7)
        | bit(RflagsBits::OF, 11)
}

/// The flags that the manual leaves open.
fn undefined(i: &Instruction, s: &State) -> u64 {
    let mut v = in_place(i.rflags_undefined());
    let bits = 8 * i.op0_register().size().max(i.memory_size().size()) as u64;
    let mask = if bits == 64 { 63 } else { 31 };
    let count = match i.op_count() {
        2 => count_of(i, 1, s),
        3 => count_of(i, 2, s),
        _ => 0,
    } & mask;
    if !shifts(i.mnemonic()) {
        return v;
    }
    if count == 0 {
        return 0;
    }
    v |= if matches!(i.mnemonic(), M::Shl | M::Sal | M::Shr | M::Sar | M::Shld | M::Shrd) { 1 << 4 } else { 0 };
    v = if count == 1 { v & !(1 << 11) } else { v | 1 << 11 };
    if count >= bits && matches!(i.mnemonic(), M::Shl | M::Sal | M::Shr) {
        v |= 1;
    }
    if count > bits {
        v |= 0xff;
    }
    v
}

fn count_of(i: &Instruction, op: u32, s: &State) -> u64 {
    match i.op_kind(op) {
        OpKind::Register => s.gpr[1] & 0xff,
        _ => i.try_immediate(op).unwrap_or(0) & 0xff,
    }
}

/// Whether the result itself is undefined.
pub fn result_undefined(i: &Instruction, s: &State) -> bool {
    matches!(i.mnemonic(), M::Shld | M::Shrd) && i.op1_register().size() == 2 && count_of(i, 2, s) & 31 > 16
}
