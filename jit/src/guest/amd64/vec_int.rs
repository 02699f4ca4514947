//! Integer lanes: MMX, SSE2 to SSE4.2, AVX, AVX2.

use super::lift::{Lifted, Lifter};
use super::vec::Shape;
use crate::ir::{Arr, Cond, Op, Type, Value, EVEN};
use iced_x86::{Mnemonic as M, OpKind};

/// Operations that IR has, as (operation, log2 of the lane's bytes).
fn simple(m: M) -> Option<(Op, u8)> {
    Some(match m {
        M::Paddb | M::Vpaddb => (Op::VAdd, 0),
        M::Paddw | M::Vpaddw => (Op::VAdd, 1),
        M::Paddd | M::Vpaddd => (Op::VAdd, 2),
        M::Paddq | M::Vpaddq => (Op::VAdd, 3),
        M::Psubb | M::Vpsubb => (Op::VSub, 0),
        M::Psubw | M::Vpsubw => (Op::VSub, 1),
        M::Psubd | M::Vpsubd => (Op::VSub, 2),
        M::Psubq | M::Vpsubq => (Op::VSub, 3),
        M::Paddsb | M::Vpaddsb => (Op::VSqadd, 0),
        M::Paddsw | M::Vpaddsw => (Op::VSqadd, 1),
        M::Paddusb | M::Vpaddusb => (Op::VUqadd, 0),
        M::Paddusw | M::Vpaddusw => (Op::VUqadd, 1),
        M::Psubsb | M::Vpsubsb => (Op::VSqsub, 0),
        M::Psubsw | M::Vpsubsw => (Op::VSqsub, 1),
        M::Psubusb | M::Vpsubusb => (Op::VUqsub, 0),
        M::Psubusw | M::Vpsubusw => (Op::VUqsub, 1),
        M::Pminub | M::Vpminub => (Op::VUmin, 0),
        M::Pminuw | M::Vpminuw => (Op::VUmin, 1),
        M::Pminud | M::Vpminud => (Op::VUmin, 2),
        M::Pminsb | M::Vpminsb => (Op::VSmin, 0),
        M::Pminsw | M::Vpminsw => (Op::VSmin, 1),
        M::Pminsd | M::Vpminsd => (Op::VSmin, 2),
        M::Pmaxub | M::Vpmaxub => (Op::VUmax, 0),
        M::Pmaxuw | M::Vpmaxuw => (Op::VUmax, 1),
        M::Pmaxud | M::Vpmaxud => (Op::VUmax, 2),
        M::Pmaxsb | M::Vpmaxsb => (Op::VSmax, 0),
        M::Pmaxsw | M::Vpmaxsw => (Op::VSmax, 1),
        M::Pmaxsd | M::Vpmaxsd => (Op::VSmax, 2),
        M::Pavgb | M::Vpavgb => (Op::VUrhadd, 0),
        M::Pavgw | M::Vpavgw => (Op::VUrhadd, 1),
        M::Pcmpeqb | M::Vpcmpeqb => (Op::VCmpEq, 0),
        M::Pcmpeqw | M::Vpcmpeqw => (Op::VCmpEq, 1),
        M::Pcmpeqd | M::Vpcmpeqd => (Op::VCmpEq, 2),
        M::Pcmpeqq | M::Vpcmpeqq => (Op::VCmpEq, 3),
        M::Pcmpgtb | M::Vpcmpgtb => (Op::VCmpGt, 0),
        M::Pcmpgtw | M::Vpcmpgtw => (Op::VCmpGt, 1),
        M::Pcmpgtd | M::Vpcmpgtd => (Op::VCmpGt, 2),
        M::Pcmpgtq | M::Vpcmpgtq => (Op::VCmpGt, 3),
        M::Pmullw | M::Vpmullw => (Op::VMul, 1),
        M::Pmulld | M::Vpmulld => (Op::VMul, 2),
        M::Punpcklbw | M::Vpunpcklbw => (Op::VZip1, 0),
        M::Punpcklwd | M::Vpunpcklwd => (Op::VZip1, 1),
        M::Punpckldq | M::Vpunpckldq | M::Unpcklps | M::Vunpcklps => (Op::VZip1, 2),
        M::Punpcklqdq | M::Vpunpcklqdq | M::Unpcklpd | M::Vunpcklpd => (Op::VZip1, 3),
        M::Punpckhbw | M::Vpunpckhbw => (Op::VZip2, 0),
        M::Punpckhwd | M::Vpunpckhwd => (Op::VZip2, 1),
        M::Punpckhdq | M::Vpunpckhdq | M::Unpckhps | M::Vunpckhps => (Op::VZip2, 2),
        M::Punpckhqdq | M::Vpunpckhqdq | M::Unpckhpd | M::Vunpckhpd => (Op::VZip2, 3),
        M::Phaddw | M::Vphaddw => (Op::VAddp, 1),
        M::Phaddd | M::Vphaddd => (Op::VAddp, 2),
        M::Pand | M::Vpand | M::Andps | M::Vandps | M::Andpd | M::Vandpd => (Op::VAnd, 0),
        M::Por | M::Vpor | M::Orps | M::Vorps | M::Orpd | M::Vorpd => (Op::VOr, 0),
        M::Pxor | M::Vpxor | M::Xorps | M::Vxorps | M::Xorpd | M::Vxorpd => (Op::VXor, 0),
        _ => return None,
    })
}

/// Integer operations on vectors.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    let m = l.i.mnemonic();
    if let Some((op, log2)) = simple(m) {
        let arr = l.shape().arr(log2);
        if op == Op::VXor && l.same_sources() {
            let shape = l.shape();
            let zero = l.vzero();
            return Some(l.set_vec(shape, &[zero, zero][..shape.parts()]));
        }
        return Some(l.v_binary(|l, a, b| l.b.vec(op, arr, &[a, b])));
    }
    let shape = l.shape();
    Some(match m {
        M::Pandn | M::Vpandn | M::Andnps | M::Vandnps | M::Andnpd | M::Vandnpd => {
            l.v_binary(|l, a, b| l.b.vec(Op::VAndn, shape.arr(0), &[b, a]))
        }
        M::Pabsb | M::Vpabsb => l.v_unary(|l, a| l.b.vec(Op::VAbs, shape.arr(0), &[a])),
        M::Pabsw | M::Vpabsw => l.v_unary(|l, a| l.b.vec(Op::VAbs, shape.arr(1), &[a])),
        M::Pabsd | M::Vpabsd => l.v_unary(|l, a| l.b.vec(Op::VAbs, shape.arr(2), &[a])),
        M::Psignb | M::Vpsignb => l.v_binary(|l, a, b| l.psign(shape.arr(0), a, b)),
        M::Psignw | M::Vpsignw => l.v_binary(|l, a, b| l.psign(shape.arr(1), a, b)),
        M::Psignd | M::Vpsignd => l.v_binary(|l, a, b| l.psign(shape.arr(2), a, b)),
        M::Pmulhw | M::Vpmulhw => l.v_binary(|l, a, b| l.mul_high(shape, Op::VSmull, a, b)),
        M::Pmulhuw | M::Vpmulhuw => l.v_binary(|l, a, b| l.mul_high(shape, Op::VUmull, a, b)),
        M::Pmulhrsw | M::Vpmulhrsw => l.v_binary(|l, a, b| l.pmulhrsw(shape, a, b)),
        M::Pmuludq | M::Vpmuludq => l.v_binary(|l, a, b| l.mul_even(shape, Op::VUmull, a, b)),
        M::Pmuldq | M::Vpmuldq => l.v_binary(|l, a, b| l.mul_even(shape, Op::VSmull, a, b)),
        M::Pmaddwd | M::Vpmaddwd => l.v_binary(|l, a, b| l.pmaddwd(shape, a, b)),
        M::Pmaddubsw | M::Vpmaddubsw => l.v_binary(|l, a, b| l.pmaddubsw(shape, a, b)),
        M::Psadbw | M::Vpsadbw => l.v_binary(|l, a, b| {
            let d = l.b.vec(Op::VUabd, shape.arr(0), &[a, b]);
            (0..3).fold(d, |v, log2| l.b.vec(Op::VUaddlp, shape.arr(log2), &[v]))
        }),
        M::Phaddsw | M::Vphaddsw => l.v_binary(|l, a, b| l.pairwise(shape.arr(1), Op::VSqadd, a, b)),
        M::Phsubw | M::Vphsubw => l.v_binary(|l, a, b| l.pairwise(shape.arr(1), Op::VSub, a, b)),
        M::Phsubd | M::Vphsubd => l.v_binary(|l, a, b| l.pairwise(shape.arr(2), Op::VSub, a, b)),
        M::Phsubsw | M::Vphsubsw => l.v_binary(|l, a, b| l.pairwise(shape.arr(1), Op::VSqsub, a, b)),
        M::Packsswb | M::Vpacksswb => l.v_binary(|l, a, b| l.pack(shape, 0, Op::VSqshrn, a, b)),
        M::Packssdw | M::Vpackssdw => l.v_binary(|l, a, b| l.pack(shape, 1, Op::VSqshrn, a, b)),
        M::Packuswb | M::Vpackuswb => l.v_binary(|l, a, b| l.pack(shape, 0, Op::VSqshrun, a, b)),
        M::Packusdw | M::Vpackusdw => l.v_binary(|l, a, b| l.pack(shape, 1, Op::VSqshrun, a, b)),
        M::Psllw | M::Vpsllw => l.v_shift(Op::VShlI, 1),
        M::Pslld | M::Vpslld => l.v_shift(Op::VShlI, 2),
        M::Psllq | M::Vpsllq => l.v_shift(Op::VShlI, 3),
        M::Psrlw | M::Vpsrlw => l.v_shift(Op::VUshrI, 1),
        M::Psrld | M::Vpsrld => l.v_shift(Op::VUshrI, 2),
        M::Psrlq | M::Vpsrlq => l.v_shift(Op::VUshrI, 3),
        M::Psraw | M::Vpsraw => l.v_shift(Op::VSshrI, 1),
        M::Psrad | M::Vpsrad => l.v_shift(Op::VSshrI, 2),
        M::Pslldq | M::Vpslldq | M::Psrldq | M::Vpsrldq => l.shift_bytes(),
        M::Vpsllvd => l.v_binary(|l, a, b| l.shift_each(Arr::S4, true, a, b)),
        M::Vpsllvq => l.v_binary(|l, a, b| l.shift_each(Arr::D2, true, a, b)),
        M::Vpsrlvd => l.v_binary(|l, a, b| l.shift_each(Arr::S4, false, a, b)),
        M::Vpsrlvq => l.v_binary(|l, a, b| l.shift_each(Arr::D2, false, a, b)),
        M::Vpsravd => l.v_binary(|l, a, b| {
            let most = l.splat(Arr::S4, 31);
            let n = l.b.vec(Op::VUmin, Arr::S4, &[b, most]);
            let n = l.b.vec(Op::VNeg, Arr::S4, &[n]);
            l.b.vec(Op::VSshl, Arr::S4, &[a, n])
        }),
        M::Pmovmskb | M::Vpmovmskb => l.movmsk(0),
        M::Movmskps | M::Vmovmskps => l.movmsk(2),
        M::Movmskpd | M::Vmovmskpd => l.movmsk(3),
        M::Ptest | M::Vptest => l.ptest(None),
        M::Vtestps => l.ptest(Some(Arr::S4)),
        M::Vtestpd => l.ptest(Some(Arr::D2)),
        M::Pmovsxbw | M::Vpmovsxbw => l.widen(Op::VSxtl, 0, 1),
        M::Pmovsxbd | M::Vpmovsxbd => l.widen(Op::VSxtl, 0, 2),
        M::Pmovsxbq | M::Vpmovsxbq => l.widen(Op::VSxtl, 0, 3),
        M::Pmovsxwd | M::Vpmovsxwd => l.widen(Op::VSxtl, 1, 2),
        M::Pmovsxwq | M::Vpmovsxwq => l.widen(Op::VSxtl, 1, 3),
        M::Pmovsxdq | M::Vpmovsxdq => l.widen(Op::VSxtl, 2, 3),
        M::Pmovzxbw | M::Vpmovzxbw => l.widen(Op::VUxtl, 0, 1),
        M::Pmovzxbd | M::Vpmovzxbd => l.widen(Op::VUxtl, 0, 2),
        M::Pmovzxbq | M::Vpmovzxbq => l.widen(Op::VUxtl, 0, 3),
        M::Pmovzxwd | M::Vpmovzxwd => l.widen(Op::VUxtl, 1, 2),
        M::Pmovzxwq | M::Vpmovzxwq => l.widen(Op::VUxtl, 1, 3),
        M::Pmovzxdq | M::Vpmovzxdq => l.widen(Op::VUxtl, 2, 3),
        _ => return None,
    })
}

impl Lifter<'_> {
    /// Both sources are one register.
    fn same_sources(&self) -> bool {
        let (x, y) = self.sources(self.shape());
        !self.is_mem(y) && self.i.op_register(x) == self.i.op_register(y)
    }

    fn psign(&mut self, arr: Arr, a: Value, b: Value) -> Value {
        let m = self.b.vec_imm(Op::VSshrI, arr, &[b], arr.ebits() as u64);
        let x = self.b.vec(Op::VXor, arr, &[a, m]);
        let x = self.b.vec(Op::VSub, arr, &[x, m]);
        let zero = self.vzero();
        let none = self.b.vec(Op::VCmpEq, arr, &[b, zero]);
        self.b.vec(Op::VAndn, arr, &[x, none])
    }

    /// The products of 16-bit lanes in 32 bits: the low four and the high four (of MMX there are only four).
    fn products(&mut self, shape: Shape, op: Op, a: Value, b: Value) -> (Value, Value) {
        let low = self.b.vec_imm(op, Arr::H4, &[a, b], 0);
        let high = if shape == Shape::Mmx { low } else { self.b.vec_imm(op, Arr::H4, &[a, b], 1) };
        (low, high)
    }

    fn mul_high(&mut self, shape: Shape, op: Op, a: Value, b: Value) -> Value {
        let (low, high) = self.products(shape, op, a, b);
        let r = self.b.vec(Op::VUzp2, Arr::H8, &[low, high]);
        self.fit(shape, r)
    }

    /// Nothing above 64 bits in MMX.
    fn fit(&mut self, shape: Shape, v: Value) -> Value {
        if shape == Shape::Mmx {
            self.b.vec(Op::VLow, Arr::D1, &[v])
        } else {
            v
        }
    }

    fn pmulhrsw(&mut self, shape: Shape, a: Value, b: Value) -> Value {
        let (low, high) = self.products(shape, Op::VSmull, a, b);
        let low = self.b.vec_imm(Op::VRshrn, Arr::H4, &[low], 15);
        if shape == Shape::Mmx {
            return low;
        }
        let high = self.b.vec_imm(Op::VRshrn, Arr::H4, &[high], 15);
        self.b.vec(Op::VZip1, Arr::D2, &[low, high])
    }

    fn mul_even(&mut self, shape: Shape, op: Op, a: Value, b: Value) -> Value {
        let r = self.b.vec_imm(op, Arr::S4, &[a, b], EVEN);
        self.fit(shape, r)
    }

    fn pmaddwd(&mut self, shape: Shape, a: Value, b: Value) -> Value {
        let (low, high) = self.products(shape, Op::VSmull, a, b);
        let r = self.b.vec(Op::VAddp, Arr::S4, &[low, high]);
        self.fit(shape, r)
    }

    fn pmaddubsw(&mut self, shape: Shape, a: Value, b: Value) -> Value {
        let part = |l: &mut Self, n: u64| {
            let x = l.b.vec_imm(Op::VUxtl, Arr::B8, &[a], n);
            let y = l.b.vec_imm(Op::VSxtl, Arr::B8, &[b], n);
            l.b.vec(Op::VMul, Arr::H8, &[x, y])
        };
        let low = part(self, 0);
        let high = if shape == Shape::Mmx { low } else { part(self, 1) };
        let r = self.pairwise(Arr::H8, Op::VSqadd, low, high);
        self.fit(shape, r)
    }

    /// An operation on adjacent lanes of b:a.
    pub fn pairwise(&mut self, arr: Arr, op: Op, a: Value, b: Value) -> Value {
        let x = self.b.vec(Op::VUzp1, arr, &[a, b]);
        let y = self.b.vec(Op::VUzp2, arr, &[a, b]);
        self.b.vec(op, arr, &[x, y])
    }

    fn pack(&mut self, shape: Shape, log2: u8, op: Op, a: Value, b: Value) -> Value {
        let arr = Arr::new(log2, crate::ir::Width::W64);
        if shape == Shape::Mmx {
            let both = self.b.vec(Op::VZip1, Arr::D2, &[a, b]);
            return self.b.vec_imm(op, arr, &[both], 0);
        }
        let (a, b) = (self.b.vec_imm(op, arr, &[a], 0), self.b.vec_imm(op, arr, &[b], 0));
        self.b.vec(Op::VZip1, Arr::D2, &[a, b])
    }

    // --- shifts ------------------------------------------------------------------------------------------
    /// By a constant, or by the low 64 bits of a register or memory for all lanes.
    fn v_shift(&mut self, op: Op, log2: u8) -> Lifted {
        let shape = self.shape();
        let arr = shape.arr(log2);
        let (x, y) = self.sources(shape);
        let mut parts = [Value::NONE; 2];
        let count = match self.i.op_kind(y) {
            OpKind::Immediate8 => None,
            // The whole 128 bits are read.
            _ => {
                let v = self.vpart(if shape == Shape::Vex256 { Shape::Vex128 } else { shape }, y, 0)?;
                Some(self.shift_count(v, op != Op::VShlI, arr))
            }
        };
        for part in 0..shape.parts() {
            let a = self.vreg(x, part)?;
            parts[part] = match count {
                Some(n) => self.b.vec(if op == Op::VSshrI { Op::VSshl } else { Op::VUshl }, arr, &[a, n]),
                None => self.shift_const(op, arr, a, self.i.immediate8() as u64),
            };
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    fn shift_const(&mut self, op: Op, arr: Arr, a: Value, n: u64) -> Value {
        let bits = arr.ebits() as u64;
        match op {
            _ if n == 0 => a,
            Op::VSshrI => self.b.vec_imm(op, arr, &[a], n.min(bits)),
            _ if n >= bits => self.vzero(),
            _ => self.b.vec_imm(op, arr, &[a], n),
        }
    }

    /// The low 64 bits of `v`, at most 127, negative for shifts to the right, in all lanes.
    fn shift_count(&mut self, v: Value, right: bool, arr: Arr) -> Value {
        let n = self.to_int(v, 0);
        let most = self.b.iconst(Type::I64, 127);
        let (_, f) = self.b.bin_flags(Op::Sub, n, most);
        let n = self.b.select(Cond::Hi, f, most, n);
        let n = if right { self.b.un(Op::Neg, n) } else { n };
        self.b.op(Op::VDup, Type::V128, &[n], arr.0, 0)
    }

    /// Each lane by its own count.
    fn shift_each(&mut self, arr: Arr, left: bool, a: Value, n: Value) -> Value {
        let last = self.splat(arr, arr.ebits() as u64 - 1);
        let gone = self.b.vec(Op::VCmpHi, arr, &[n, last]);
        let n = self.b.vec(Op::VAnd, arr, &[n, last]);
        let n = if left { n } else { self.b.vec(Op::VNeg, arr, &[n]) };
        let r = self.b.vec(Op::VUshl, arr, &[a, n]);
        self.b.vec(Op::VAndn, arr, &[r, gone])
    }

    fn shift_bytes(&mut self) -> Lifted {
        let shape = self.shape();
        let (x, _) = self.sources(shape);
        let left = matches!(self.i.mnemonic(), M::Pslldq | M::Vpslldq);
        let n = self.i.immediate8().min(16) as u64;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let a = self.vreg(x, part)?;
            let zero = self.vzero();
            parts[part] = match n {
                0 => a,
                16 => zero,
                n if left => self.b.vec_imm(Op::VExt, Arr::B16, &[zero, a], 16 - n),
                n => self.b.vec_imm(Op::VExt, Arr::B16, &[a, zero], n),
            };
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    // --- to general registers ----------------------------------------------------------------------------
    fn movmsk(&mut self, log2: u8) -> Lifted {
        let shape = self.shape();
        let arr = shape.arr(log2);
        let a = self.vreg(1, 0)?;
        let mut v = self.b.op(Op::VMovMask, Type::I32, &[a], arr.0, 0);
        if shape == Shape::Vex256 {
            let high = self.vreg(1, 1)?;
            let h = self.b.op(Op::VMovMask, Type::I32, &[high], arr.0, 0);
            let h = self.b.bin_imm(Op::Shl, h, arr.lanes() as u64);
            v = self.b.bin(Op::Or, v, h);
        }
        let g = super::operand::gpr(self.i.op0_register()).ok_or(super::lift::Refused::Undefined)?;
        let v = self.carried(g.log2, v);
        self.set_gpr(g, v);
        Ok(())
    }

    /// ZF: a & b is zero; CF: !a & b is zero; of the lanes' signs only for `signs`.
    fn ptest(&mut self, signs: Option<Arr>) -> Lifted {
        let shape = self.shape();
        let mut both = self.b.iconst(Type::I64, 0);
        let mut rest = both;
        for part in 0..shape.parts() {
            let b = self.vpart(shape, 1, part)?;
            let a = self.vreg(0, part)?;
            let mut x = self.b.vec(Op::VAnd, Arr::B16, &[a, b]);
            let mut y = self.b.vec(Op::VAndn, Arr::B16, &[b, a]);
            if let Some(arr) = signs {
                let mask = self.splat(arr, 1 << (arr.ebits() - 1));
                (x, y) = (self.b.vec(Op::VAnd, Arr::B16, &[x, mask]), self.b.vec(Op::VAnd, Arr::B16, &[y, mask]));
            }
            for lane in 0..2 {
                let t = self.to_int(x, lane);
                both = self.b.bin(Op::Or, both, t);
                let t = self.to_int(y, lane);
                rest = self.b.bin(Op::Or, rest, t);
            }
        }
        let carry = self.zero_flags(rest);
        let not = self.set_cond(Type::I64, Cond::Ne, carry);
        let not = self.b.bin_imm(Op::Shl, not, 1);
        let f = self.zero_flags(both);
        // SF is clear.
        let f = self.insert(f, not, 0, 10);
        self.set_flags(f);
        let one = self.b.iconst(Type::I64, 1);
        self.set_pf(one);
        self.set_af(one);
        Ok(())
    }

    /// Lanes of `1 << from` bytes to `1 << to`.
    fn widen(&mut self, op: Op, from: u8, to: u8) -> Lifted {
        let shape = self.shape();
        let steps = to - from;
        // Bytes of the source.
        let log2 = 4 + (shape == Shape::Vex256) as u8 - steps;
        let mut v = self.vscalar(1, log2)?;
        for log2 in from..to - 1 {
            v = self.b.vec_imm(op, Arr::new(log2, crate::ir::Width::W64), &[v], 0);
        }
        let arr = Arr::new(to - 1, crate::ir::Width::W64);
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            parts[part] = self.b.vec_imm(op, arr, &[v], part as u64);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }
}
