//! Cryptography, strings and other operations that stand alone.

use super::helpers::Number;
use super::lift::{Lifted, Lifter};
use super::regs;
use super::vec::Shape;
use crate::ir::{Arr, GuestReg, Op, Type, Value};
use iced_x86::Mnemonic as M;

/// AES, carry-less products, SHA, string comparisons.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    Some(match l.i.mnemonic() {
        M::Aesenc | M::Vaesenc => l.v_binary(|l, a, k| l.aes(Op::Aese, Some(Op::Aesmc), a, k)),
        M::Aesenclast | M::Vaesenclast => l.v_binary(|l, a, k| l.aes(Op::Aese, None, a, k)),
        M::Aesdec | M::Vaesdec => l.v_binary(|l, a, k| l.aes(Op::Aesd, Some(Op::Aesimc), a, k)),
        M::Aesdeclast | M::Vaesdeclast => l.v_binary(|l, a, k| l.aes(Op::Aesd, None, a, k)),
        M::Aesimc | M::Vaesimc => l.v_unary(|l, a| l.b.op(Op::Aesimc, Type::V128, &[a], 0, 0)),
        M::Aeskeygenassist | M::Vaeskeygenassist => l.aes_key(),
        M::Pclmulqdq | M::Vpclmulqdq => l.pclmul(),
        M::Sha1msg1 => l.by_helper(Number::Sha, 0),
        M::Sha1msg2 => l.by_helper(Number::Sha, 1),
        M::Sha1nexte => l.by_helper(Number::Sha, 2),
        M::Sha1rnds4 => l.by_helper(Number::Sha, 3 | (l.i.immediate8() as u64 & 3) << 8),
        M::Sha256msg1 => l.by_helper(Number::Sha, 4),
        M::Sha256msg2 => l.by_helper(Number::Sha, 5),
        M::Sha256rnds2 => l.by_helper(Number::Sha, 6),
        M::Phminposuw | M::Vphminposuw => l.by_helper_unary(Number::MinPos),
        M::Mpsadbw | M::Vmpsadbw => l.mpsadbw(),
        M::Pcmpistri | M::Vpcmpistri => l.compare_strings(false, true),
        M::Pcmpistrm | M::Vpcmpistrm => l.compare_strings(false, false),
        M::Pcmpestri | M::Vpcmpestri | M::Pcmpestri64 | M::Vpcmpestri64 => l.compare_strings(true, true),
        M::Pcmpestrm | M::Vpcmpestrm | M::Pcmpestrm64 | M::Vpcmpestrm64 => l.compare_strings(true, false),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// Arm adds the key before, x86 after.
    fn aes(&mut self, round: Op, mix: Option<Op>, a: Value, key: Value) -> Value {
        let zero = self.vzero();
        let mut v = self.b.op(round, Type::V128, &[a, zero], 0, 0);
        if let Some(mix) = mix {
            v = self.b.op(mix, Type::V128, &[v], 0, 0);
        }
        self.b.vec(Op::VXor, Arr::B16, &[v, key])
    }

    fn aes_key(&mut self) -> Lifted {
        let rcon = (self.i.immediate8() as u128) << 32;
        let rcon = self.vconst128(rcon | rcon << 64);
        // Bytes of ShiftRows' result that hold words 1 and 3, as they are and rotated.
        const PLACE: [u8; 16] = {
            // ShiftRows puts byte (row, column + row) at (row, column).
            let mut at = [0u8; 16];
            let mut n = 0;
            while n < 16 {
                let (row, column) = (n % 4, n / 4);
                at[(((column + row) % 4) * 4 + row) as usize] = n;
                n += 1;
            }
            let words = [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12];
            let mut out = [0u8; 16];
            let mut n = 0;
            while n < 16 {
                out[n] = at[words[n]];
                n += 1;
            }
            out
        };
        self.v_unary(|l, a| {
            let zero = l.vzero();
            let s = l.b.op(Op::Aese, Type::V128, &[a, zero], 0, 0);
            let place = l.vconst128(u128::from_le_bytes(PLACE));
            let v = l.b.vec(Op::VTbx, Arr::B16, &[zero, s, place]);
            l.b.vec(Op::VXor, Arr::B16, &[v, rcon])
        })
    }

    fn pclmul(&mut self) -> Lifted {
        let imm = self.i.immediate8() as u64;
        self.v_binary(|l, a, b| {
            let x = l.b.vec_imm(Op::VDupLane, Arr::D2, &[a], imm & 1);
            let y = l.b.vec_imm(Op::VDupLane, Arr::D2, &[b], imm >> 4 & 1);
            l.b.vec_imm(Op::VPmull, Arr::D, &[x, y], 0)
        })
    }

    fn by_helper(&mut self, n: Number, imm: u64) -> Lifted {
        self.v_binary(|l, a, b| {
            let c = l.xmm(0, 0);
            l.vhelper(n, &[a, b, c], imm).1
        })
    }

    fn by_helper_unary(&mut self, n: Number) -> Lifted {
        self.v_unary(|l, a| l.vhelper(n, &[a], 0).1)
    }

    fn mpsadbw(&mut self) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let imm = self.i.immediate8() as u64;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let b = self.vpart(shape, y, part)?;
            let a = self.vreg(x, part)?;
            parts[part] = self.vhelper(Number::Mpsadbw, &[a, b], imm >> (3 * part) & 7).1;
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    fn compare_strings(&mut self, explicit: bool, index: bool) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        // They may be anywhere.
        let b = self.vpart(Shape::Vex128, 1, 0)?;
        let a = self.vreg(0, 0)?;
        let mut imm = self.i.immediate8() as u64 | (explicit as u64) << 8 | (index as u64) << 9;
        let wide = matches!(self.i.mnemonic(), M::Pcmpestri64 | M::Vpcmpestri64 | M::Pcmpestrm64 | M::Vpcmpestrm64);
        imm |= (wide as u64) << 10;
        let lengths = {
            let (x, y) = (self.b.get(regs::RAX), self.b.get(regs::RDX));
            self.b.op(Op::VPair, Type::V128, &[x, y], 0, 0)
        };
        let (r, mask) = self.vhelper(Number::CompareStrings, &[a, b, lengths], imm);
        // The flags N, Z, C, V above the index.
        let f = self.flags();
        let f = self.insert(f, r, 32, 15);
        if index {
            let r = self.b.trunc(r);
            let r = self.b.zext(r);
            self.b.set(regs::RCX, r);
        } else {
            self.b.set(regs::xmm(0), mask);
            if shape.vex() {
                let zero = self.vzero();
                self.b.set(GuestReg::vec(16), zero);
            }
        }
        self.set_flags(f);
        let one = self.b.iconst(Type::I64, 1);
        self.set_pf(one);
        self.set_af(one);
        Ok(())
    }
}
