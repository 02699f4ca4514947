//! Types, conditions and lane arrangements of the IR.

use super::{Aux, Op};
use std::fmt;

/// The type of an SSA value.
///
/// Floating-point scalars have no type of their own: they are lane 0 of a `V128`, and the operation's
/// [`Arr`] says how many lanes count. Lanes that an arrangement does not name are zero in every result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Type {
    /// No value (stores, sets, exits).
    None = 0,
    /// 32-bit integer. In a host register its upper 32 bits may be garbage unless it was zero-extended.
    I32,
    /// 64-bit integer, also addresses.
    I64,
    /// 128-bit vector; also the carrier of FP scalars and of register pairs (`pair`).
    V128,
    /// Condition flags N, Z, C, V in Arm's meaning: after a subtraction C = no borrow.
    Flags,
}

impl Type {
    /// Name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Type::None => "none",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::V128 => "v128",
            Type::Flags => "flags",
        }
    }
    /// Width in bits of an integer type; 128 for vectors, 0 otherwise.
    pub fn bits(self) -> u32 {
        match self {
            Type::I32 => 32,
            Type::I64 => 64,
            Type::V128 => 128,
            _ => 0,
        }
    }
}

/// Conditions on [`Type::Flags`], numbered as in the Arm ARM C1.2.4 (so that the low bit inverts).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Z
    Eq = 0,
    /// !Z
    Ne,
    /// C
    Cs,
    /// !C
    Cc,
    /// N
    Mi,
    /// !N
    Pl,
    /// V
    Vs,
    /// !V
    Vc,
    /// C && !Z
    Hi,
    /// !(C && !Z)
    Ls,
    /// N == V
    Ge,
    /// N != V
    Lt,
    /// !Z && N == V
    Gt,
    /// Z || N != V
    Le,
    /// always
    Al,
    /// always, too (the encoding 0b1111)
    Nv,
}

impl Cond {
    /// From the 4-bit encoding.
    pub fn from_bits(b: u8) -> Cond {
        use Cond::*;
        [Eq, Ne, Cs, Cc, Mi, Pl, Vs, Vc, Hi, Ls, Ge, Lt, Gt, Le, Al, Nv][(b & 15) as usize]
    }
    /// The condition that holds exactly when this one does not. `Al` and `Nv` have none and return themselves.
    pub fn invert(self) -> Cond {
        if self as u8 >= 14 {
            self
        } else {
            Cond::from_bits(self as u8 ^ 1)
        }
    }
    /// Evaluate on NZCV packed in bits 3..0.
    pub fn holds(self, nzcv: u8) -> bool {
        let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
        let r = match (self as u8) >> 1 {
            0 => z,
            1 => c,
            2 => n,
            3 => v,
            4 => c && !z,
            5 => n == v,
            6 => n == v && !z,
            _ => return true,
        };
        r != (self as u8 & 1 != 0)
    }
    /// Name in the text form.
    pub fn name(self) -> &'static str {
        ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"][self as usize]
    }
}

/// How many lanes of an arrangement count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Width {
    /// Lane 0 only; the rest of the result is zero.
    Scalar = 0,
    /// The low 64 bits; the high half of the result is zero.
    W64 = 1,
    /// All 128 bits.
    W128 = 2,
}

/// A lane arrangement: element size and how many lanes count. Packed into [`super::Inst::aux`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Arr(pub u8);

#[allow(missing_docs)]
impl Arr {
    pub const B: Arr = Arr(0);
    pub const H: Arr = Arr(1);
    pub const S: Arr = Arr(2);
    pub const D: Arr = Arr(3);
    pub const B8: Arr = Arr(0x10);
    pub const H4: Arr = Arr(0x11);
    pub const S2: Arr = Arr(0x12);
    pub const D1: Arr = Arr(0x13);
    pub const B16: Arr = Arr(0x20);
    pub const H8: Arr = Arr(0x21);
    pub const S4: Arr = Arr(0x22);
    pub const D2: Arr = Arr(0x23);

    /// From log2 of the element size in bytes (0..=3) and the width.
    pub const fn new(log2: u8, w: Width) -> Arr {
        Arr((log2 & 7) | ((w as u8) << 4))
    }
    /// log2 of the element size in bytes.
    pub const fn log2(self) -> u8 {
        self.0 & 7
    }
    /// Element size in bits.
    pub const fn ebits(self) -> u32 {
        8 << (self.0 & 7)
    }
    /// Element size in bytes.
    pub const fn ebytes(self) -> usize {
        1 << (self.0 & 7)
    }
    /// Which lanes count.
    pub const fn width(self) -> Width {
        match self.0 >> 4 {
            0 => Width::Scalar,
            1 => Width::W64,
            _ => Width::W128,
        }
    }
    /// Number of lanes that count.
    pub const fn lanes(self) -> usize {
        match self.width() {
            Width::Scalar => 1,
            Width::W64 => 8 >> self.log2(),
            Width::W128 => 16 >> self.log2(),
        }
    }
    /// The same lanes' width with another element size.
    pub const fn with_log2(self, log2: u8) -> Arr {
        Arr((self.0 & 0xf0) | log2)
    }
    /// log2 of the bytes that it names.
    pub const fn bytes_log2(self) -> u8 {
        match self.width() {
            Width::Scalar => self.log2(),
            Width::W64 => 3,
            Width::W128 => 4,
        }
    }
    /// Name in the text form: `16b`, `2s`, `d` …
    pub fn name(self) -> String {
        let e = ["b", "h", "s", "d"][(self.log2() & 3) as usize];
        match self.width() {
            Width::Scalar => e.into(),
            _ => format!("{}{e}", self.lanes()),
        }
    }
    /// Inverse of [`Arr::name`].
    pub fn parse(s: &str) -> Option<Arr> {
        (0..3u8).flat_map(|w| (0..4u8).map(move |l| Arr(l | w << 4))).find(|a| a.name() == s)
    }
}

impl fmt::Debug for Arr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// log2 of the number of low bytes that can be non-zero in a vector made by this operation.
#[inline(never)]
pub(super) fn vec_width(op: Op, aux: u8, imm: u64) -> u8 {
    let arr = Arr(aux);
    match op {
        Op::Load | Op::LoadAcq | Op::LoadEx => aux & 7,
        Op::VConst if arr.width() != Width::W128 => 3,
        Op::VConst | Op::Get | Op::VPair | Op::VSelect | Op::VInsert | Op::VInsertLane => 4,
        // The aux of these names the source lanes, or nothing.
        Op::VSaddlp | Op::VUaddlp => arr.bytes_log2().max(1),
        Op::VAddv | Op::VSmaxv | Op::VSminv | Op::VUmaxv | Op::VUminv => arr.log2(),
        Op::VSaddlv | Op::VUaddlv => arr.log2() + 1,
        Op::VSxtl | Op::VUxtl | Op::VSmull | Op::VUmull | Op::VPmull | Op::VSqdmull => match arr.width() {
            Width::Scalar => (arr.log2() + 1).min(4),
            _ => 4,
        },
        Op::FCvt => (imm as u8 & 3).max(1),
        Op::FCvtl => 4,
        op if !matches!(op.info().aux, Aux::Arr | Aux::ArrImm) => 4,
        _ => arr.bytes_log2(),
    }
}

/// Size, extension and index scale of a memory operation, packed into [`super::Inst::aux`].
///
/// The address is `args[0] + (args[1] << scale) + imm` (`args[1]` may be absent).
/// `log2` is the access size (0 = 8 bit … 4 = 128 bit). A load narrower than its result is zero-extended,
/// or sign-extended to the result type's width when `signed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mem {
    /// log2 of the access size in bytes, 0..=4.
    pub log2: u8,
    /// Sign-extend a narrow load.
    pub signed: bool,
    /// Left shift of the index, 0..=4 (4 needs no host form; lifters use it only for 128-bit accesses).
    pub scale: u8,
    /// Part of a total store order: loads are in order among themselves, stores too, and no store passes an earlier load.
    pub tso: bool,
}

impl Mem {
    /// An access of `1 << log2` bytes, zero-extended, unscaled.
    pub const fn size(log2: u8) -> Mem {
        Mem { log2, signed: false, scale: 0, tso: false }
    }
    /// Sign-extending.
    pub const fn signed(self) -> Mem {
        Mem { signed: true, ..self }
    }
    /// With a scaled index.
    pub const fn scaled(self, scale: u8) -> Mem {
        Mem { scale, ..self }
    }
    /// In total store order.
    pub const fn tso(self) -> Mem {
        Mem { tso: true, ..self }
    }
    /// Pack.
    pub const fn bits(self) -> u8 {
        self.log2 | (self.signed as u8) << 3 | self.scale << 4 | (self.tso as u8) << 7
    }
    /// Unpack.
    pub const fn from_bits(b: u8) -> Mem {
        Mem { log2: b & 7, signed: b & 8 != 0, scale: b >> 4 & 7, tso: b >> 7 != 0 }
    }
}

/// Whose rules the FP operations of a block follow: NaN results, minimum and maximum, conversions that overflow, flushing, exception bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum FpRules {
    /// Arm's, by FPCR.
    #[default]
    Arm = 0,
    /// SSE's, by MXCSR, whose control bits are the FP control and whose status bits are the FP status.
    X86 = 1,
}

/// Rounding modes as operands of FP operations (`imm` of `frint`, `fcvt*`), numbered as FPCR.RMode where it has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Round {
    /// Nearest, ties to even.
    Nearest = 0,
    /// Towards plus infinity.
    Up = 1,
    /// Towards minus infinity.
    Down = 2,
    /// Towards zero.
    Zero = 3,
    /// Nearest, ties away from zero.
    Away = 4,
    /// To odd (fcvtxn).
    Odd = 5,
    /// As FPCR says.
    Current = 6,
    /// As FPCR says, and Inexact is raised (frintx).
    CurrentExact = 7,
}

impl Round {
    /// From the low three bits.
    pub fn from_bits(b: u64) -> Round {
        use Round::*;
        [Nearest, Up, Down, Zero, Away, Odd, Current, CurrentExact][(b & 7) as usize]
    }
}

/// In the `imm` of `ftosint` from a double to i64: the 32-bit conversion of JavaScript. The result is the integer modulo 2^32 in bits
/// 31..0, and bit 32 says that it is the operand's very value (which -0 has none of).
pub const JAVASCRIPT: u64 = 1 << 16;

/// What `vdot` multiplies (`imm`): bit 0, the first factors are unsigned; bit 1, the second ones are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Dot {
    SS = 0,
    US = 1,
    SU = 2,
    UU = 3,
    /// 2x8 by 8x2 bytes into 2x2 words, row by row: as the four above, plus this.
    Matrix = 4,
    /// BFloat16 pairs, with the arithmetic of its own that FEAT_BF16 defines; no exceptions.
    Bf = 8,
    /// 2x4 by 4x2 BFloat16.
    BfMatrix = 12,
}

/// What `crypto` does (low byte of `imm`); `n` is the constant above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Crypto {
    /// SHA-512, as the instructions: (Qd, Qn, Vm).
    Sha512h = 0,
    /// The second half.
    Sha512h2,
    /// Schedule: (Vd, Vn).
    Sha512su0,
    /// Schedule: (Vd, Vn, Vm).
    Sha512su1,
    /// a ^ b ^ c.
    Eor3,
    /// a ^ (b & !c).
    Bcax,
    /// 64-bit lanes of (a ^ b) rotated right by n.
    Xar,
    /// 64-bit lanes of a ^ (b rotated left by 1).
    Rax1,
    /// SM3, as the instructions: (Vn, Vm, Va).
    Sm3ss1,
    /// (Vd, Vn, Vm), word n of Vm; likewise the next three.
    Sm3tt1a,
    /// See above.
    Sm3tt1b,
    /// See above.
    Sm3tt2a,
    /// See above.
    Sm3tt2b,
    /// (Vd, Vn, Vm).
    Sm3partw1,
    /// (Vd, Vn, Vm).
    Sm3partw2,
    /// SM4: (Vd, Vn).
    Sm4e,
    /// (Vn, Vm).
    Sm4ekey,
}

impl Crypto {
    /// Every one, by number.
    pub const ALL: [Crypto; 17] = {
        use Crypto::*;
        [
            Sha512h, Sha512h2, Sha512su0, Sha512su1, Eor3, Bcax, Xar, Rax1, Sm3ss1, Sm3tt1a, Sm3tt1b, Sm3tt2a, Sm3tt2b,
            Sm3partw1, Sm3partw2, Sm4e, Sm4ekey,
        ]
    };
    /// From the low byte of `imm`.
    pub fn from_bits(b: u64) -> Crypto {
        Crypto::ALL[(b & 0xff) as usize % Crypto::ALL.len()]
    }
}

/// Number of names that a [`GuestReg`] has.
pub const GUEST_REGS: usize = 129;

/// A guest register in the neutral register file of [`crate::cpu::Cpu`].
///
/// `0..64`: 64-bit integer slots; `64..128`: 128-bit vector slots; `128`: the flags.
/// What each slot means is the guest's business (its `REGS` table names them).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct GuestReg(pub u8);

impl GuestReg {
    /// The condition flags.
    pub const FLAGS: GuestReg = GuestReg(128);
    /// Integer slot `n` (0..64).
    pub const fn gpr(n: u8) -> GuestReg {
        GuestReg(n)
    }
    /// Vector slot `n` (0..64).
    pub const fn vec(n: u8) -> GuestReg {
        GuestReg(64 + n)
    }
    /// The type that `get` and `set` of this register have (`get` of an integer slot may also be `i32`: its low half).
    pub const fn ty(self) -> Type {
        match self.0 {
            0..=63 => Type::I64,
            64..=127 => Type::V128,
            _ => Type::Flags,
        }
    }
}
