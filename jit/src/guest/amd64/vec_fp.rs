//! Floating point of SSE, AVX, FMA and F16C.

use super::lift::{Lifted, Lifter, Refused};
use super::operand::{carrier, gpr};
use super::regs::mxcsr;
use super::vec::Shape;
use crate::ir::{Arr, Cond, Op, Round, Trap, Type, Value, Width};
use iced_x86::Mnemonic as M;

/// Arithmetic that IR has, as (operation, log2 of the lane's bytes, only lane 0).
fn simple(m: M) -> Option<(Op, u8, bool)> {
    Some(match m {
        M::Addps | M::Vaddps => (Op::FAdd, 2, false),
        M::Addpd | M::Vaddpd => (Op::FAdd, 3, false),
        M::Addss | M::Vaddss => (Op::FAdd, 2, true),
        M::Addsd | M::Vaddsd => (Op::FAdd, 3, true),
        M::Subps | M::Vsubps => (Op::FSub, 2, false),
        M::Subpd | M::Vsubpd => (Op::FSub, 3, false),
        M::Subss | M::Vsubss => (Op::FSub, 2, true),
        M::Subsd | M::Vsubsd => (Op::FSub, 3, true),
        M::Mulps | M::Vmulps => (Op::FMul, 2, false),
        M::Mulpd | M::Vmulpd => (Op::FMul, 3, false),
        M::Mulss | M::Vmulss => (Op::FMul, 2, true),
        M::Mulsd | M::Vmulsd => (Op::FMul, 3, true),
        M::Divps | M::Vdivps => (Op::FDiv, 2, false),
        M::Divpd | M::Vdivpd => (Op::FDiv, 3, false),
        M::Divss | M::Vdivss => (Op::FDiv, 2, true),
        M::Divsd | M::Vdivsd => (Op::FDiv, 3, true),
        M::Minps | M::Vminps => (Op::FMin, 2, false),
        M::Minpd | M::Vminpd => (Op::FMin, 3, false),
        M::Minss | M::Vminss => (Op::FMin, 2, true),
        M::Minsd | M::Vminsd => (Op::FMin, 3, true),
        M::Maxps | M::Vmaxps => (Op::FMax, 2, false),
        M::Maxpd | M::Vmaxpd => (Op::FMax, 3, false),
        M::Maxss | M::Vmaxss => (Op::FMax, 2, true),
        M::Maxsd | M::Vmaxsd => (Op::FMax, 3, true),
        M::Sqrtps | M::Vsqrtps => (Op::FSqrt, 2, false),
        M::Sqrtpd | M::Vsqrtpd => (Op::FSqrt, 3, false),
        M::Sqrtss | M::Vsqrtss => (Op::FSqrt, 2, true),
        M::Sqrtsd | M::Vsqrtsd => (Op::FSqrt, 3, true),
        M::Rcpps | M::Vrcpps => (Op::FRecpe, 2, false),
        M::Rcpss | M::Vrcpss => (Op::FRecpe, 2, true),
        M::Rsqrtps | M::Vrsqrtps => (Op::FRsqrte, 2, false),
        M::Rsqrtss | M::Vrsqrtss => (Op::FRsqrte, 2, true),
        _ => return None,
    })
}

/// FMA3: the order of the operands, the signs (`imm` of `Op::FFma`), the lane's log2, only lane 0.
fn fused(m: M) -> Option<(u16, u64, u8, bool)> {
    macro_rules! forms {
        ($($imm:literal: $($name:ident $order:literal $log2:literal $scalar:literal),*;)*) => {
            match m {
                $($(M::$name => ($order, $imm, $log2, $scalar),)*)*
                _ => return None,
            }
        };
    }
    Some(forms! {
        0: Vfmadd132ps 132 2 false, Vfmadd213ps 213 2 false, Vfmadd231ps 231 2 false,
           Vfmadd132pd 132 3 false, Vfmadd213pd 213 3 false, Vfmadd231pd 231 3 false,
           Vfmadd132ss 132 2 true, Vfmadd213ss 213 2 true, Vfmadd231ss 231 2 true,
           Vfmadd132sd 132 3 true, Vfmadd213sd 213 3 true, Vfmadd231sd 231 3 true;
        2: Vfmsub132ps 132 2 false, Vfmsub213ps 213 2 false, Vfmsub231ps 231 2 false,
           Vfmsub132pd 132 3 false, Vfmsub213pd 213 3 false, Vfmsub231pd 231 3 false,
           Vfmsub132ss 132 2 true, Vfmsub213ss 213 2 true, Vfmsub231ss 231 2 true,
           Vfmsub132sd 132 3 true, Vfmsub213sd 213 3 true, Vfmsub231sd 231 3 true;
        1: Vfnmadd132ps 132 2 false, Vfnmadd213ps 213 2 false, Vfnmadd231ps 231 2 false,
           Vfnmadd132pd 132 3 false, Vfnmadd213pd 213 3 false, Vfnmadd231pd 231 3 false,
           Vfnmadd132ss 132 2 true, Vfnmadd213ss 213 2 true, Vfnmadd231ss 231 2 true,
           Vfnmadd132sd 132 3 true, Vfnmadd213sd 213 3 true, Vfnmadd231sd 231 3 true;
        3: Vfnmsub132ps 132 2 false, Vfnmsub213ps 213 2 false, Vfnmsub231ps 231 2 false,
           Vfnmsub132pd 132 3 false, Vfnmsub213pd 213 3 false, Vfnmsub231pd 231 3 false,
           Vfnmsub132ss 132 2 true, Vfnmsub213ss 213 2 true, Vfnmsub231ss 231 2 true,
           Vfnmsub132sd 132 3 true, Vfnmsub213sd 213 3 true, Vfnmsub231sd 231 3 true;
        4: Vfmaddsub132ps 132 2 false, Vfmaddsub213ps 213 2 false, Vfmaddsub231ps 231 2 false,
           Vfmaddsub132pd 132 3 false, Vfmaddsub213pd 213 3 false, Vfmaddsub231pd 231 3 false;
        6: Vfmsubadd132ps 132 2 false, Vfmsubadd213ps 213 2 false, Vfmsubadd231ps 231 2 false,
           Vfmsubadd132pd 132 3 false, Vfmsubadd213pd 213 3 false, Vfmsubadd231pd 231 3 false;
    })
}

/// `imm` of `Op::FCmpCc` for the predicates.
const PREDICATES: [u64; 32] = {
    const LT: u64 = 1;
    const EQ: u64 = 2;
    const GT: u64 = 4;
    const UN: u64 = 8;
    const S: u64 = 16;
    let quiet = [
        EQ,
        LT | S,
        LT | EQ | S,
        UN,
        LT | GT | UN,
        EQ | GT | UN | S,
        GT | UN | S,
        LT | EQ | GT,
        EQ | UN,
        LT | UN | S,
        LT | EQ | UN | S,
        0,
        LT | GT,
        EQ | GT | S,
        GT | S,
        15,
    ];
    let mut all = [0; 32];
    let mut n = 0;
    while n < 16 {
        all[n] = quiet[n];
        all[n + 16] = quiet[n] ^ S;
        n += 1;
    }
    all
};

/// Comparisons to masks: log2 of the lane's bytes, only lane 0.
fn comparison(m: M) -> Option<(u8, bool)> {
    Some(match m {
        M::Cmpps | M::Vcmpps => (2, false),
        M::Cmppd | M::Vcmppd => (3, false),
        M::Cmpss | M::Vcmpss => (2, true),
        M::Cmpsd | M::Vcmpsd => (3, true),
        _ => return None,
    })
}

/// Floating point.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    let m = l.i.mnemonic();
    if let Some((op, log2, scalar)) = simple(m) {
        return Some(l.fp_simple(op, log2, scalar));
    }
    if let Some((order, imm, log2, scalar)) = fused(m) {
        return Some(l.fp_fused(order, imm, log2, scalar));
    }
    if let Some((log2, scalar)) = comparison(m) {
        let n = (0..l.i.op_count()).find(|&n| l.i.op_kind(n) == iced_x86::OpKind::Immediate8)?;
        let _ = n;
        let mask = if l.shape().vex() { 31 } else { 7 };
        let imm = PREDICATES[(l.i.immediate8() & mask) as usize];
        return Some(if scalar {
            l.v_scalar(log2, |l, a, b| l.b.vec_imm(Op::FCmpCc, Arr::new(log2, Width::Scalar), &[a, b], imm))
        } else {
            l.v_binary(|l, a, b| l.b.vec_imm(Op::FCmpCc, Arr::new(log2, Width::W128), &[a, b], imm))
        });
    }
    Some(match m {
        M::Comiss | M::Vcomiss => l.comis(Op::Fcmpe, 2),
        M::Comisd | M::Vcomisd => l.comis(Op::Fcmpe, 3),
        M::Ucomiss | M::Vucomiss => l.comis(Op::Fcmp, 2),
        M::Ucomisd | M::Vucomisd => l.comis(Op::Fcmp, 3),
        M::Haddps | M::Vhaddps => l.v_binary(|l, a, b| l.pairwise(Arr::S4, Op::FAdd, a, b)),
        M::Haddpd | M::Vhaddpd => l.v_binary(|l, a, b| l.pairwise(Arr::D2, Op::FAdd, a, b)),
        M::Hsubps | M::Vhsubps => l.v_binary(|l, a, b| l.pairwise(Arr::S4, Op::FSub, a, b)),
        M::Hsubpd | M::Vhsubpd => l.v_binary(|l, a, b| l.pairwise(Arr::D2, Op::FSub, a, b)),
        M::Addsubps | M::Vaddsubps => l.v_binary(|l, a, b| l.addsub(Arr::S4, a, b)),
        M::Addsubpd | M::Vaddsubpd => l.v_binary(|l, a, b| l.addsub(Arr::D2, a, b)),
        M::Dpps | M::Vdpps => l.dot(Arr::S4),
        M::Dppd | M::Vdppd => l.dot(Arr::D2),
        M::Roundps | M::Vroundps => l.round(2, false),
        M::Roundpd | M::Vroundpd => l.round(3, false),
        M::Roundss | M::Vroundss => l.round(2, true),
        M::Roundsd | M::Vroundsd => l.round(3, true),
        M::Ldmxcsr | M::Vldmxcsr => l.ldmxcsr(),
        M::Stmxcsr | M::Vstmxcsr => l.stmxcsr(),
        _ => return l.convert(),
    })
}

impl Lifter<'_> {
    fn fp_simple(&mut self, op: Op, log2: u8, scalar: bool) -> Lifted {
        let one = matches!(op, Op::FSqrt | Op::FRecpe | Op::FRsqrte);
        match (scalar, one) {
            (true, true) => self.v_scalar(log2, |l, _, b| l.b.vec(op, Arr::new(log2, Width::Scalar), &[b])),
            (true, false) => self.v_scalar(log2, |l, a, b| l.b.vec(op, Arr::new(log2, Width::Scalar), &[a, b])),
            (false, true) => self.v_unary(|l, a| l.b.vec(op, Arr::new(log2, Width::W128), &[a])),
            (false, false) => self.v_binary(|l, a, b| l.b.vec(op, Arr::new(log2, Width::W128), &[a, b])),
        }
    }

    fn fp_fused(&mut self, order: u16, imm: u64, log2: u8, scalar: bool) -> Lifted {
        let shape = if scalar { Shape::Vex128 } else { self.shape() };
        let mut parts = [Value::NONE; 2];
        for (part, v) in parts[..shape.parts()].iter_mut().enumerate() {
            *v = if scalar { self.vscalar(2, log2)? } else { self.vpart(shape, 2, part)? };
        }
        for part in 0..shape.parts() {
            let z = parts[part];
            let (x, y) = (self.vreg(0, part)?, self.vreg(1, part)?);
            let args = match order {
                132 => [x, z, y],
                213 => [y, x, z],
                _ => [y, z, x],
            };
            let arr = Arr::new(log2, if scalar { Width::Scalar } else { Width::W128 });
            let r = self.b.vec_imm(Op::FFma, arr, &args, imm);
            parts[part] = if scalar { self.insert_low(log2, x, r) } else { r };
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    fn comis(&mut self, op: Op, log2: u8) -> Lifted {
        let b = self.vscalar(1, log2)?;
        let a = self.vreg(0, 0)?;
        let f = self.b.op(op, Type::Flags, &[a, b], Arr::new(log2, Width::Scalar).0, 0);
        let ordered = self.set_cond(Type::I64, Cond::Vc, f);
        let f = self.b.op(Op::AxFlag, Type::Flags, &[f], 0, 0);
        let zero = self.b.iconst(Type::I64, 0);
        self.set_flags(f);
        self.set_pf(ordered);
        self.set_af(zero);
        Ok(())
    }

    /// Even lanes a - b, odd ones a + b.
    fn addsub(&mut self, arr: Arr, a: Value, b: Value) -> Value {
        let part = |l: &mut Self, which: Op, op: Op| {
            let (x, y) = (l.b.vec(which, arr, &[a, a]), l.b.vec(which, arr, &[b, b]));
            let half = if arr == Arr::S4 { Arr::S2 } else { Arr::D };
            l.b.vec(op, half, &[x, y])
        };
        let even = part(self, Op::VUzp1, Op::FSub);
        let odd = part(self, Op::VUzp2, Op::FAdd);
        self.b.vec(Op::VZip1, arr, &[even, odd])
    }

    fn dot(&mut self, arr: Arr) -> Lifted {
        let imm = self.i.immediate8() as u64;
        self.v_binary(|l, a, b| {
            let lanes = arr.lanes() as u64;
            let ones = |bits: u64| {
                (0..lanes)
                    .filter(|n| bits >> n & 1 != 0)
                    .fold(0u128, |v, n| v | (u128::MAX >> (128 - arr.ebits())) << (n * arr.ebits() as u64))
            };
            let mask = l.vconst128(ones(imm >> 4));
            let p = {
                let (x, y) = (l.b.vec(Op::VAnd, Arr::B16, &[a, mask]), l.b.vec(Op::VAnd, Arr::B16, &[b, mask]));
                l.b.vec(Op::FMul, arr, &[x, y])
            };
            // Where the condition fails it is +0, whatever 0 * 0 gave. The order of the sums is that of NaNs.
            let s = l.b.vec(Op::VAnd, Arr::B16, &[p, mask]);
            let mut all = if arr == Arr::S4 { l.b.vec_imm(Op::VRev, arr, &[s], 8) } else { s };
            if arr == Arr::S4 {
                all = l.b.vec(Op::FAdd, arr, &[all, s]);
            }
            let other = l.b.vec_imm(Op::VExt, Arr::B16, &[all, all], 8);
            let all = l.b.vec(Op::FAdd, arr, &[all, other]);
            let mask = l.vconst128(ones(imm));
            l.b.vec(Op::VAnd, Arr::B16, &[all, mask])
        })
    }

    fn round(&mut self, log2: u8, scalar: bool) -> Lifted {
        let imm = self.i.immediate8();
        let mode =
            if imm & 4 != 0 { Round::Current } else { [Round::Nearest, Round::Down, Round::Up, Round::Zero][imm as usize & 3] };
        let exact = if imm & 8 == 0 { 16 } else { 0 };
        let imm = mode as u64 | exact;
        if scalar {
            self.v_scalar(log2, |l, _, b| l.b.vec_imm(Op::FRint, Arr::new(log2, Width::Scalar), &[b], imm))
        } else {
            self.v_unary(|l, a| l.b.vec_imm(Op::FRint, Arr::new(log2, Width::W128), &[a], imm))
        }
    }

    // --- control -------------------------------------------------------------------------------------------
    fn ldmxcsr(&mut self) -> Lifted {
        let ea = self.ea();
        let v = self.load(Type::I32, 2, ea);
        let reserved = self.b.bin_imm(Op::Shr, v, 16);
        self.trap_if(Trap::Protection, 0, reserved);
        let v = self.b.zext(v);
        let status = self.b.bin_imm(Op::And, v, mxcsr::STATUS as u64);
        self.b.op(Op::SetFpsr, Type::None, &[status], 0, 0);
        let control = self.b.bin_imm(Op::And, v, mxcsr::CONTROL as u64);
        self.b.trap(Trap::SetFpcr, control, 0);
        self.done = true;
        Ok(())
    }

    /// MXCSR.
    pub fn mxcsr(&mut self) -> Value {
        let control = self.b.op(Op::GetFpcr, Type::I64, &[], 0, 0);
        let status = self.b.op(Op::GetFpsr, Type::I64, &[], 0, 0);
        self.b.bin(Op::Or, control, status)
    }

    fn stmxcsr(&mut self) -> Lifted {
        let v = self.mxcsr();
        let ea = self.ea();
        self.store(2, ea, v);
        Ok(())
    }

    // --- conversions -----------------------------------------------------------------------------------------
    fn convert(&mut self) -> Option<Lifted> {
        const ZERO: u64 = Round::Zero as u64;
        const CURRENT: u64 = Round::Current as u64;
        Some(match self.i.mnemonic() {
            M::Cvtss2sd | M::Vcvtss2sd => self.v_scalar_convert(2, 3),
            M::Cvtsd2ss | M::Vcvtsd2ss => self.v_scalar_convert(3, 2),
            M::Cvtps2pd | M::Vcvtps2pd => self.lengthen(Arr::S2),
            M::Vcvtph2ps => self.lengthen(Arr::H4),
            M::Cvtpd2ps | M::Vcvtpd2ps => self.shorten(|l, v| l.b.vec_imm(Op::FCvtn, Arr::S2, &[v], CURRENT)),
            M::Vcvtps2ph => self.to_half(),
            M::Cvtdq2ps | M::Vcvtdq2ps => self.v_unary(|l, a| l.b.vec_imm(Op::SToF, Arr::S4, &[a], 0)),
            M::Cvtps2dq | M::Vcvtps2dq => self.v_unary(|l, a| l.b.vec_imm(Op::FToS, Arr::S4, &[a], CURRENT)),
            M::Cvttps2dq | M::Vcvttps2dq => self.v_unary(|l, a| l.b.vec_imm(Op::FToS, Arr::S4, &[a], ZERO)),
            M::Cvtdq2pd | M::Vcvtdq2pd => self.ints_to_doubles(),
            M::Cvtpd2dq | M::Vcvtpd2dq => self.shorten(|l, v| l.doubles_to_ints(v, CURRENT)),
            M::Cvttpd2dq | M::Vcvttpd2dq => self.shorten(|l, v| l.doubles_to_ints(v, ZERO)),
            M::Cvtss2si | M::Vcvtss2si => self.to_gpr(2, CURRENT),
            M::Cvttss2si | M::Vcvttss2si => self.to_gpr(2, ZERO),
            M::Cvtsd2si | M::Vcvtsd2si => self.to_gpr(3, CURRENT),
            M::Cvttsd2si | M::Vcvttsd2si => self.to_gpr(3, ZERO),
            M::Cvtsi2ss | M::Vcvtsi2ss => self.from_gpr(2),
            M::Cvtsi2sd | M::Vcvtsi2sd => self.from_gpr(3),
            M::Cvtpi2ps => self.from_mmx(2),
            M::Cvtpi2pd => self.from_mmx(3),
            M::Cvtps2pi => self.to_mmx(2, CURRENT),
            M::Cvttps2pi => self.to_mmx(2, ZERO),
            M::Cvtpd2pi => self.to_mmx(3, CURRENT),
            M::Cvttpd2pi => self.to_mmx(3, ZERO),
            _ => return None,
        })
    }

    fn v_scalar_convert(&mut self, from: u8, to: u8) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        let (x, y) = self.sources(shape);
        let b = self.vscalar(y, from)?;
        let a = self.vreg(x, 0)?;
        let r = self.b.vec_imm(Op::FCvt, Arr::new(from, Width::Scalar), &[b], to as u64);
        let r = self.insert_low(to, a, r);
        self.set_vec(shape, &[r])
    }

    fn lengthen(&mut self, arr: Arr) -> Lifted {
        let shape = self.shape();
        let v = self.vscalar(1, 2 + shape.parts() as u8)?;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            parts[part] = self.b.vec_imm(Op::FCvtl, arr, &[v], part as u64);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    /// Two parts become halves of one.
    fn shorten(&mut self, f: impl Fn(&mut Self, Value) -> Value) -> Lifted {
        let shape = self.shape();
        let v = self.vpart(shape, 1, 0)?;
        if shape != Shape::Vex256 {
            let r = f(self, v);
            return self.set_vec(shape, &[r]);
        }
        let w = self.vpart(shape, 1, 1)?;
        let (a, b) = (f(self, v), f(self, w));
        let r = self.b.vec(Op::VZip1, Arr::D2, &[a, b]);
        self.set_vec(Shape::Vex128, &[r])
    }

    fn to_half(&mut self) -> Lifted {
        let shape = self.shape();
        let imm = self.i.immediate8();
        let mode =
            if imm & 4 != 0 { Round::Current } else { [Round::Nearest, Round::Down, Round::Up, Round::Zero][imm as usize & 3] };
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let v = self.vreg(1, part)?;
            parts[part] = self.b.vec_imm(Op::FCvtn, Arr::H4, &[v], mode as u64);
        }
        let r = if shape == Shape::Vex256 { self.b.vec(Op::VZip1, Arr::D2, &parts) } else { parts[0] };
        if self.is_mem(0) {
            let ea = self.ea();
            self.store(2 + shape.parts() as u8, ea, r);
            return Ok(());
        }
        self.set_vec(Shape::Vex128, &[r])
    }

    fn ints_to_doubles(&mut self) -> Lifted {
        let shape = self.shape();
        let v = self.vscalar(1, 2 + shape.parts() as u8)?;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let wide = self.b.vec_imm(Op::VSxtl, Arr::S2, &[v], part as u64);
            parts[part] = self.b.vec_imm(Op::SToF, Arr::D2, &[wide], 0);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    /// Two doubles to integers of 32 bits in the low half.
    fn doubles_to_ints(&mut self, v: Value, mode: u64) -> Value {
        let low = self.b.op(Op::FToSInt, Type::I32, &[v], Arr::D.0, mode);
        let up = self.b.vec_imm(Op::VDupLane, Arr::D2, &[v], 1);
        let high = self.b.op(Op::FToSInt, Type::I32, &[up], Arr::D.0, mode);
        let r = self.from_int(low);
        self.b.op(Op::VInsert, Type::V128, &[r, high], Arr::S4.0, 1)
    }

    fn to_gpr(&mut self, log2: u8, mode: u64) -> Lifted {
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let v = self.vscalar(1, log2)?;
        let r = self.b.op(Op::FToSInt, carrier(g.log2), &[v], Arr::new(log2, Width::Scalar).0, mode);
        self.set_gpr(g, r);
        Ok(())
    }

    fn from_gpr(&mut self, log2: u8) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        let (x, y) = self.sources(shape);
        let size = self.size_of(y)?;
        let v = self.read(y, size)?;
        let a = self.vreg(x, 0)?;
        let r = self.b.op(Op::IntSToF, Type::V128, &[v], Arr::new(log2, Width::Scalar).0, 0);
        let r = self.insert_low(log2, a, r);
        self.set_vec(shape, &[r])
    }

    /// Two 32-bit integers of MMX or memory.
    fn from_mmx(&mut self, log2: u8) -> Lifted {
        let v = self.vscalar(1, 3)?;
        let r = if log2 == 2 {
            self.b.vec_imm(Op::SToF, Arr::S2, &[v], 0)
        } else {
            let wide = self.b.vec_imm(Op::VSxtl, Arr::S2, &[v], 0);
            self.b.vec_imm(Op::SToF, Arr::D2, &[wide], 0)
        };
        let r = if log2 == 2 {
            let a = self.vreg(0, 0)?;
            self.insert_lane(Arr::D2, a, 0, r, 0)
        } else {
            r
        };
        self.set_vec(Shape::Sse, &[r])
    }

    fn to_mmx(&mut self, log2: u8, mode: u64) -> Lifted {
        let v = if log2 == 2 { self.vscalar(1, 3)? } else { self.vpart(Shape::Sse, 1, 0)? };
        if self.is_mem(1) {
            // Between the load and what may be raised.
            self.enter_mmx();
        }
        let r = if log2 == 2 { self.b.vec_imm(Op::FToS, Arr::S2, &[v], mode) } else { self.doubles_to_ints(v, mode) };
        self.set_vec(Shape::Mmx, &[r])
    }
}
