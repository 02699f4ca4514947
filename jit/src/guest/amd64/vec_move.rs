//! Vector moves, broadcasts, permutations, insertions, masked moves.

use super::lift::{Lifted, Lifter, Refused};
use super::operand::{gpr, vec_reg, Ea};
use super::vec::{mm, Shape};
use super::{helpers::Number, state};
use crate::ir::{Arr, Cond, GuestReg, Op, Type, Value};
use iced_x86::{Mnemonic as M, OpKind, Register};

/// Moves of vectors and of their parts.
pub fn lift(l: &mut Lifter<'_>) -> Option<Lifted> {
    let m = l.i.mnemonic();
    Some(match m {
        M::Movaps
        | M::Movapd
        | M::Movdqa
        | M::Movntps
        | M::Movntpd
        | M::Movntdq
        | M::Movntdqa
        | M::Vmovaps
        | M::Vmovapd
        | M::Vmovdqa
        | M::Vmovntps
        | M::Vmovntpd
        | M::Vmovntdq
        | M::Vmovntdqa => l.vmov(true),
        M::Movups | M::Movupd | M::Movdqu | M::Lddqu | M::Vmovups | M::Vmovupd | M::Vmovdqu | M::Vlddqu => l.vmov(false),
        M::Movd | M::Vmovd | M::Movq | M::Vmovq | M::Movntq => l.movq(),
        M::Movss | M::Vmovss => l.mov_scalar(2),
        M::Movsd | M::Vmovsd => l.mov_scalar(3),
        M::Movlps | M::Movlpd | M::Vmovlps | M::Vmovlpd => l.mov_half(0),
        M::Movhps | M::Movhpd | M::Vmovhps | M::Vmovhpd => l.mov_half(1),
        M::Movhlps | M::Vmovhlps => l.v_binary(|l, a, b| l.insert_lane(Arr::D2, a, 0, b, 1)),
        M::Movlhps | M::Vmovlhps => l.v_binary(|l, a, b| l.insert_lane(Arr::D2, a, 1, b, 0)),
        M::Movddup | M::Vmovddup => l.movddup(),
        M::Movshdup | M::Vmovshdup => l.v_unary(|l, a| l.b.vec(Op::VTrn2, Arr::S4, &[a, a])),
        M::Movsldup | M::Vmovsldup => l.v_unary(|l, a| l.b.vec(Op::VTrn1, Arr::S4, &[a, a])),
        M::Movq2dq | M::Movdq2q => l.mov_mmx(),
        M::Vbroadcastss | M::Vpbroadcastd => l.broadcast(2),
        M::Vbroadcastsd | M::Vpbroadcastq => l.broadcast(3),
        M::Vpbroadcastb => l.broadcast(0),
        M::Vpbroadcastw => l.broadcast(1),
        M::Vbroadcastf128 | M::Vbroadcasti128 => l.broadcast_half(),
        M::Vinsertf128 | M::Vinserti128 => l.insert_half(),
        M::Vextractf128 | M::Vextracti128 => l.extract_half(),
        M::Vperm2f128 | M::Vperm2i128 => l.perm2(),
        M::Vpermq | M::Vpermpd => l.permq(),
        M::Vpermd | M::Vpermps => l.permd(),
        M::Vpermilps => l.permil(Arr::S4),
        M::Vpermilpd => l.permil(Arr::D2),
        M::Vzeroupper | M::Vzeroall => l.vzero_regs(),
        M::Pshufd | M::Vpshufd => {
            let imm = l.i.immediate8();
            l.v_unary(|l, a| l.shuffle_words(a, imm))
        }
        M::Shufps | M::Vshufps => {
            let imm = l.i.immediate8();
            l.v_binary(|l, a, b| l.shufps(a, b, imm))
        }
        M::Shufpd | M::Vshufpd => l.shufpd(),
        M::Pshuflw | M::Vpshuflw => l.shuffle_half(0),
        M::Pshufhw | M::Vpshufhw => l.shuffle_half(4),
        M::Pshufw => l.pshufw(),
        M::Pshufb | M::Vpshufb => {
            let mmx = l.shape() == Shape::Mmx;
            l.v_binary(|l, a, b| l.pshufb(a, b, mmx))
        }
        M::Palignr | M::Vpalignr => l.palignr(),
        M::Pinsrb | M::Vpinsrb => l.pinsr(0),
        M::Pinsrw | M::Vpinsrw => l.pinsr(1),
        M::Pinsrd | M::Vpinsrd => l.pinsr(2),
        M::Pinsrq | M::Vpinsrq => l.pinsr(3),
        M::Pextrb | M::Vpextrb => l.pextr(0),
        M::Pextrw | M::Vpextrw => l.pextr(1),
        M::Pextrd | M::Vpextrd | M::Extractps | M::Vextractps => l.pextr(2),
        M::Pextrq | M::Vpextrq => l.pextr(3),
        M::Insertps | M::Vinsertps => l.insertps(),
        M::Blendps | M::Vblendps | M::Vpblendd => l.blend_imm(Arr::S4),
        M::Blendpd | M::Vblendpd => l.blend_imm(Arr::D2),
        M::Pblendw | M::Vpblendw => l.blend_imm(Arr::H8),
        M::Blendvps | M::Vblendvps => l.blend_var(Arr::S4),
        M::Blendvpd | M::Vblendvpd => l.blend_var(Arr::D2),
        M::Pblendvb | M::Vpblendvb => l.blend_var(Arr::B16),
        M::Maskmovdqu | M::Vmaskmovdqu | M::Maskmovq => l.maskmov_bytes(),
        M::Vmaskmovps | M::Vpmaskmovd => l.maskmov(Arr::S4),
        M::Vmaskmovpd | M::Vpmaskmovq => l.maskmov(Arr::D2),
        M::Vpgatherdd | M::Vgatherdps => l.gather(2, 2),
        M::Vpgatherdq | M::Vgatherdpd => l.gather(2, 3),
        M::Vpgatherqd | M::Vgatherqps => l.gather(3, 2),
        M::Vpgatherqq | M::Vgatherqpd => l.gather(3, 3),
        M::Emms => l.emms(),
        _ => return None,
    })
}

impl Lifter<'_> {
    fn vmov(&mut self, aligned: bool) -> Lifted {
        let shape = self.shape();
        let mut parts = [Value::NONE; 2];
        let n = shape.parts();
        if self.is_mem(0) {
            let ea = self.ea();
            if aligned {
                self.demand_alignment(ea, 16 * n as u64);
            }
            for (part, v) in parts[..n].iter_mut().enumerate() {
                *v = self.vreg(1, part)?;
            }
            // If a page isn't there, nothing is stored: the first is looked at, and the last is stored first.
            if n > 1 && !aligned {
                self.load(Type::I32, 0, ea);
            }
            for (part, v) in parts[..n].iter().enumerate().rev() {
                self.store(4, ea.plus(16 * part as i64), *v);
            }
            return Ok(());
        }
        for (part, v) in parts[..n].iter_mut().enumerate() {
            *v = if self.is_mem(1) {
                let ea = self.ea();
                if aligned && part == 0 {
                    self.demand_alignment(ea, 16 * n as u64);
                }
                self.load(Type::V128, 4, ea.plus(16 * part as i64))
            } else {
                self.vreg(1, part)?
            };
        }
        self.set_vec(shape, &parts[..n])
    }

    /// MOVD and MOVQ in all their forms.
    fn movq(&mut self) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        let (to, from) = (self.i.op0_register(), self.i.op1_register());
        let log2 = match self.i.mnemonic() {
            M::Movd | M::Vmovd => 2,
            _ => 3,
        };
        if let Some(g) = gpr(to) {
            let v = self.vreg(1, 0)?;
            let v = self.b.op(Op::VExtract, super::operand::carrier(log2), &[v], Arr::new(log2, crate::ir::Width::W128).0, 0);
            self.set_gpr(g, v);
            return Ok(());
        }
        if self.is_mem(0) {
            let v = self.vreg(1, 0)?;
            let ea = self.ea();
            self.store(log2, ea, v);
            return Ok(());
        }
        let v = if let Some(g) = gpr(from) {
            let v = self.gpr_raw(g);
            self.from_int(v)
        } else if self.is_mem(1) {
            let ea = self.ea();
            self.load(Type::V128, log2, ea)
        } else {
            let v = self.vreg(1, 0)?;
            self.b.vec(Op::VLow, Arr::D1, &[v])
        };
        self.set_vec(shape, &[v])
    }

    fn mov_scalar(&mut self, log2: u8) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        if self.is_mem(0) {
            let v = self.vreg(1, 0)?;
            let ea = self.ea();
            self.store(log2, ea, v);
            return Ok(());
        }
        if self.is_mem(1) {
            let ea = self.ea();
            let v = self.load(Type::V128, log2, ea);
            return self.set_vec(shape, &[v]);
        }
        let (x, y) = self.sources(shape);
        let (a, b) = (self.vreg(x, 0)?, self.vreg(y, 0)?);
        let r = self.insert_low(log2, a, b);
        self.set_vec(shape, &[r])
    }

    /// The low or high 64 bits, from or to memory.
    fn mov_half(&mut self, half: u64) -> Lifted {
        let shape = if self.shape().vex() { Shape::Vex128 } else { Shape::Sse };
        if self.is_mem(0) {
            let v = self.vreg(1, 0)?;
            let v = if half == 0 { v } else { self.b.vec_imm(Op::VDupLane, Arr::D2, &[v], 1) };
            let ea = self.ea();
            self.store(3, ea, v);
            return Ok(());
        }
        let (x, y) = self.sources(shape);
        let b = self.vscalar(y, 3)?;
        let a = self.vreg(x, 0)?;
        let r = self.insert_lane(Arr::D2, a, half, b, 0);
        self.set_vec(shape, &[r])
    }

    fn movddup(&mut self) -> Lifted {
        let shape = self.shape();
        if shape == Shape::Vex256 {
            return self.v_unary(|l, a| l.b.vec_imm(Op::VDupLane, Arr::D2, &[a], 0));
        }
        let a = self.vscalar(1, 3)?;
        let r = self.b.vec_imm(Op::VDupLane, Arr::D2, &[a], 0);
        self.set_vec(shape, &[r])
    }

    fn mov_mmx(&mut self) -> Lifted {
        let a = self.vreg(1, 0)?;
        let a = self.b.vec(Op::VLow, Arr::D1, &[a]);
        self.set_vec(Shape::Sse, &[a])
    }

    fn emms(&mut self) -> Lifted {
        self.pending_x87();
        self.mmx_top();
        let zero = self.b.iconst(Type::I64, 0);
        self.set_area(state::FTW, zero);
        Ok(())
    }

    // --- copies of lanes -----------------------------------------------------------------------------------
    fn broadcast(&mut self, log2: u8) -> Lifted {
        let shape = self.shape();
        let a = self.vscalar(1, log2)?;
        let r = self.b.vec_imm(Op::VDupLane, shape.arr(log2), &[a], 0);
        self.set_vec(shape, &[r, r][..shape.parts()])
    }

    fn broadcast_half(&mut self) -> Lifted {
        let ea = self.ea();
        let v = self.load(Type::V128, 4, ea);
        self.set_vec(Shape::Vex256, &[v, v])
    }

    fn insert_half(&mut self) -> Lifted {
        let b = self.vpart(Shape::Vex128, 2, 0)?;
        let (low, high) = (self.vreg(1, 0)?, self.vreg(1, 1)?);
        let parts = if self.i.immediate8() & 1 == 0 { [b, high] } else { [low, b] };
        self.set_vec(Shape::Vex256, &parts)
    }

    fn extract_half(&mut self) -> Lifted {
        let v = self.vreg(1, (self.i.immediate8() & 1) as usize)?;
        if self.is_mem(0) {
            let ea = self.ea();
            self.store(4, ea, v);
            return Ok(());
        }
        self.set_vec(Shape::Vex128, &[v])
    }

    fn perm2(&mut self) -> Lifted {
        let imm = self.i.immediate8();
        let from = [self.vpart(Shape::Vex256, 2, 0)?, self.vpart(Shape::Vex256, 2, 1)?];
        let all = [self.vreg(1, 0)?, self.vreg(1, 1)?, from[0], from[1]];
        let zero = self.vzero();
        let pick = |n: u8| if n & 8 != 0 { zero } else { all[n as usize & 3] };
        self.set_vec(Shape::Vex256, &[pick(imm & 15), pick(imm >> 4)])
    }

    fn permq(&mut self) -> Lifted {
        let imm = self.i.immediate8() as u64;
        let v = [self.vpart(Shape::Vex256, 1, 0)?, self.vpart(Shape::Vex256, 1, 1)?];
        let mut parts = [Value::NONE; 2];
        for (n, part) in parts.iter_mut().enumerate() {
            let (x, y) = (imm >> (4 * n) & 3, imm >> (4 * n + 2) & 3);
            let low = self.b.vec_imm(Op::VDupLane, Arr::D2, &[v[x as usize / 2]], x & 1);
            *part = self.insert_lane(Arr::D2, low, 1, v[y as usize / 2], y & 1);
        }
        self.set_vec(Shape::Vex256, &parts)
    }

    /// Any of eight words, by the low three bits of each lane of the first source.
    fn permd(&mut self) -> Lifted {
        let v = [self.vpart(Shape::Vex256, 2, 0)?, self.vpart(Shape::Vex256, 2, 1)?];
        let mut parts = [Value::NONE; 2];
        for (n, part) in parts.iter_mut().enumerate() {
            let index = self.vreg(1, n)?;
            let seven = self.splat(Arr::S4, 7);
            let index = self.b.vec(Op::VAnd, Arr::B16, &[index, seven]);
            let bytes = self.byte_index(index, 2);
            let sixteen = self.splat(Arr::B16, 16);
            let zero = self.vzero();
            let low = self.b.vec(Op::VTbx, Arr::B16, &[zero, v[0], bytes]);
            let rest = self.b.vec(Op::VSub, Arr::B16, &[bytes, sixteen]);
            *part = self.b.vec(Op::VTbx, Arr::B16, &[low, v[1], rest]);
        }
        self.set_vec(Shape::Vex256, &parts)
    }

    /// Lane numbers as the numbers of their bytes.
    fn byte_index(&mut self, index: Value, log2: u8) -> Value {
        let arr = Arr::new(log2, crate::ir::Width::W128);
        let (by, first) = if log2 == 2 { (0x0404_0404, 0x0302_0100) } else { (0, 0x0706_0504_0302_0100) };
        let first = self.splat(arr, first);
        if log2 == 2 {
            let by = self.splat(arr, by);
            let spread = self.b.vec(Op::VMul, arr, &[index, by]);
            return self.b.vec(Op::VAdd, Arr::B16, &[spread, first]);
        }
        // Only the numbers 0 and 1: 0 or eight in each byte.
        let up = self.b.vec_imm(Op::VShlI, arr, &[index], 63);
        let all = self.b.vec_imm(Op::VSshrI, arr, &[up], 64);
        let eight = self.splat(Arr::B16, 8);
        let eight = self.b.vec(Op::VAnd, Arr::B16, &[all, eight]);
        self.b.vec(Op::VAdd, Arr::B16, &[eight, first])
    }

    fn permil(&mut self, arr: Arr) -> Lifted {
        let shape = self.shape();
        if self.i.op_kind(2) == OpKind::Immediate8 {
            let imm = self.i.immediate8();
            let mut parts = [Value::NONE; 2];
            for part in 0..shape.parts() {
                let a = self.vpart(shape, 1, part)?;
                parts[part] = if arr == Arr::S4 {
                    self.shuffle_words(a, imm)
                } else {
                    let (x, y) = (imm as u64 >> (2 * part) & 1, imm as u64 >> (2 * part + 1) & 1);
                    let low = self.b.vec_imm(Op::VDupLane, Arr::D2, &[a], x);
                    self.insert_lane(Arr::D2, low, 1, a, y)
                };
            }
            return self.set_vec(shape, &parts[..shape.parts()]);
        }
        self.v_binary(|l, a, index| {
            let index = if arr == Arr::S4 {
                let three = l.splat(arr, 3);
                l.b.vec(Op::VAnd, Arr::B16, &[index, three])
            } else {
                // By bit 1.
                l.b.vec_imm(Op::VUshrI, arr, &[index], 1)
            };
            let bytes = l.byte_index(index, arr.log2());
            let zero = l.vzero();
            l.b.vec(Op::VTbx, Arr::B16, &[zero, a, bytes])
        })
    }

    fn vzero_regs(&mut self) -> Lifted {
        let zero = self.vzero();
        for n in 0..16 {
            if self.i.mnemonic() == M::Vzeroall {
                self.b.set(super::regs::xmm(n), zero);
            }
            self.b.set(super::regs::ymm_high(n), zero);
        }
        Ok(())
    }

    // --- shuffles --------------------------------------------------------------------------------------------
    /// PSHUFD.
    pub fn shuffle_words(&mut self, a: Value, imm: u8) -> Value {
        let s4 = |l: &mut Self, op| l.b.vec(op, Arr::S4, &[a, a]);
        match imm {
            0xe4 => a,
            0x00 | 0x55 | 0xaa | 0xff => self.b.vec_imm(Op::VDupLane, Arr::S4, &[a], imm as u64 & 3),
            0x44 => self.b.vec_imm(Op::VDupLane, Arr::D2, &[a], 0),
            0xee => self.b.vec_imm(Op::VDupLane, Arr::D2, &[a], 1),
            0x4e => self.b.vec_imm(Op::VExt, Arr::B16, &[a, a], 8),
            0x39 => self.b.vec_imm(Op::VExt, Arr::B16, &[a, a], 4),
            0x93 => self.b.vec_imm(Op::VExt, Arr::B16, &[a, a], 12),
            0xb1 => self.b.vec_imm(Op::VRev, Arr::S4, &[a], 8),
            0x1b => {
                let r = self.b.vec_imm(Op::VRev, Arr::S4, &[a], 8);
                self.b.vec_imm(Op::VExt, Arr::B16, &[r, r], 8)
            }
            0xf5 => s4(self, Op::VTrn2),
            0xa0 => s4(self, Op::VTrn1),
            0x50 => s4(self, Op::VZip1),
            0xfa => s4(self, Op::VZip2),
            0x88 => s4(self, Op::VUzp1),
            0xdd => s4(self, Op::VUzp2),
            _ => self.gather_words(a, a, imm),
        }
    }

    /// Lanes 0 and 1 from `a`, 2 and 3 from `b`.
    fn gather_words(&mut self, a: Value, b: Value, imm: u8) -> Value {
        let at = |n: u32| (imm >> (2 * n)) as u64 & 3;
        let mut r = self.b.vec_imm(Op::VDupLane, Arr::S4, &[a], at(0));
        for (n, from) in [(1, a), (2, b), (3, b)] {
            if from != a || at(n) != at(0) {
                r = self.insert_lane(Arr::S4, r, n as u64, from, at(n));
            }
        }
        r
    }

    fn shufps(&mut self, a: Value, b: Value, imm: u8) -> Value {
        if a == b {
            return self.shuffle_words(a, imm);
        }
        match imm {
            0x44 => self.b.vec(Op::VZip1, Arr::D2, &[a, b]),
            0xee => self.b.vec(Op::VZip2, Arr::D2, &[a, b]),
            0x88 => self.b.vec(Op::VUzp1, Arr::S4, &[a, b]),
            0xdd => self.b.vec(Op::VUzp2, Arr::S4, &[a, b]),
            0x4e => self.b.vec_imm(Op::VExt, Arr::B16, &[a, b], 8),
            0xe4 => self.insert_lane(Arr::D2, b, 0, a, 0),
            _ => self.gather_words(a, b, imm),
        }
    }

    fn shufpd(&mut self) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let imm = self.i.immediate8() as u64;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let b = self.vpart(shape, y, part)?;
            let a = self.vreg(x, part)?;
            let (i, j) = (imm >> (2 * part) & 1, imm >> (2 * part + 1) & 1);
            parts[part] = match (i, j) {
                (0, 0) => self.b.vec(Op::VZip1, Arr::D2, &[a, b]),
                (1, 1) => self.b.vec(Op::VZip2, Arr::D2, &[a, b]),
                (0, _) => self.insert_lane(Arr::D2, b, 0, a, 0),
                _ => self.b.vec_imm(Op::VExt, Arr::B16, &[a, b], 8),
            };
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    /// Four 16-bit lanes from `first` on.
    fn shuffle_four(&mut self, a: Value, first: u64, imm: u8) -> Value {
        (0..4).fold(a, |r, n| {
            let from = (imm >> (2 * n)) as u64 & 3;
            if from == n as u64 {
                r
            } else {
                self.insert_lane(Arr::H8, r, first + n as u64, a, first + from)
            }
        })
    }

    fn shuffle_half(&mut self, first: u64) -> Lifted {
        let imm = self.i.immediate8();
        self.v_unary(|l, a| l.shuffle_four(a, first, imm))
    }

    fn pshufw(&mut self) -> Lifted {
        let imm = self.i.immediate8();
        self.v_unary(|l, a| l.shuffle_four(a, 0, imm))
    }

    fn pshufb(&mut self, a: Value, index: Value, mmx: bool) -> Value {
        let mask = self.splat(if mmx { Arr::B8 } else { Arr::B16 }, if mmx { 0x87 } else { 0x8f });
        let index = self.b.vec(Op::VAnd, Arr::B16, &[index, mask]);
        let zero = self.vzero();
        let r = self.b.vec(Op::VTbx, Arr::B16, &[zero, a, index]);
        if mmx {
            self.b.vec(Op::VLow, Arr::D1, &[r])
        } else {
            r
        }
    }

    fn palignr(&mut self) -> Lifted {
        let n = self.i.immediate8() as u64;
        let mmx = self.shape() == Shape::Mmx;
        self.v_binary(|l, a, b| {
            let zero = l.vzero();
            let (arr, bytes) = if mmx { (Arr::B8, 8) } else { (Arr::B16, 16) };
            match n {
                0 => b,
                n if n < bytes => l.b.vec_imm(Op::VExt, arr, &[b, a], n),
                n if n == bytes => a,
                n if n < 2 * bytes => l.b.vec_imm(Op::VExt, arr, &[a, zero], n - bytes),
                _ => zero,
            }
        })
    }

    // --- single lanes ------------------------------------------------------------------------------------------
    fn pinsr(&mut self, log2: u8) -> Lifted {
        let shape = self.shape();
        let vex = shape.vex();
        let y = 1 + vex as u32;
        let arr = shape.arr(log2);
        let lane = self.i.immediate8() as u64 & (arr.lanes() as u64 - 1);
        let v = if self.is_mem(y) {
            let ea = self.ea();
            self.load(super::operand::carrier(log2), log2, ea)
        } else {
            let g = gpr(self.i.op_register(y)).ok_or(Refused::Undefined)?;
            let v = self.gpr_raw(g);
            self.narrow(log2, v)
        };
        let a = self.vreg(vex as u32, 0)?;
        let r = self.b.op(Op::VInsert, Type::V128, &[a, v], Arr::new(log2, crate::ir::Width::W128).0, lane);
        self.set_vec(shape, &[r])
    }

    fn pextr(&mut self, log2: u8) -> Lifted {
        let shape = self.shape();
        let arr = shape.arr(log2);
        let lane = self.i.immediate8() as u64 & (arr.lanes() as u64 - 1);
        let a = self.vreg(1, 0)?;
        let v = self.b.op(Op::VExtract, super::operand::carrier(log2), &[a], Arr::new(log2, crate::ir::Width::W128).0, lane);
        if self.is_mem(0) {
            let ea = self.ea();
            self.store(log2, ea, v);
            return Ok(());
        }
        let g = gpr(self.i.op0_register()).ok_or(Refused::Undefined)?;
        let v = self.carried(g.log2, v);
        self.set_gpr(g, v);
        Ok(())
    }

    fn insertps(&mut self) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let imm = self.i.immediate8() as u64;
        let from = if self.is_mem(y) { 0 } else { imm >> 6 };
        let b = self.vscalar(y, 2)?;
        let a = self.vreg(x, 0)?;
        let mut r = self.insert_lane(Arr::S4, a, imm >> 4 & 3, b, from);
        let zero = self.vzero();
        for n in 0..4 {
            if imm >> n & 1 != 0 {
                r = self.insert_lane(Arr::S4, r, n, zero, 0);
            }
        }
        self.set_vec(shape, &[r])
    }

    fn blend_imm(&mut self, arr: Arr) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let imm = self.i.immediate8() as u64;
        let lanes = arr.lanes() as u64;
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let b = self.vpart(shape, y, part)?;
            let a = self.vreg(x, part)?;
            // 16-bit lanes have the same mask in both halves.
            let shift = if arr == Arr::H8 { 0 } else { part as u64 * lanes };
            let mask = imm >> shift & ((1 << lanes) - 1);
            parts[part] = if mask == (1 << lanes) - 1 {
                b
            } else {
                (0..lanes).filter(|n| mask >> n & 1 != 0).fold(a, |r, n| self.insert_lane(arr, r, n, b, n))
            };
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    fn blend_var(&mut self, arr: Arr) -> Lifted {
        let shape = self.shape();
        let (x, y) = self.sources(shape);
        let mut parts = [Value::NONE; 2];
        for part in 0..shape.parts() {
            let b = self.vpart(shape, y, part)?;
            let a = self.vreg(x, part)?;
            let m = if shape.vex() { self.vreg(3, part)? } else { self.xmm(0, 0) };
            let m = self.b.vec_imm(Op::VSshrI, arr, &[m], arr.ebits() as u64);
            parts[part] = self.b.vec(Op::VBsl, Arr::B16, &[m, b, a]);
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    // --- under a mask --------------------------------------------------------------------------------------------
    /// The address `at` where bit 0 of `on` is one, else one of ours that may be read and written.
    fn somewhere(&mut self, on: Value, at: Value, scratch: Value) -> Value {
        let f = self.zero_flags(on);
        self.b.select(Cond::Ne, f, at, scratch)
    }

    /// The top bit of lane `n`.
    fn lane_on(&mut self, arr: Arr, mask: Value, n: u64) -> Value {
        let ty = super::operand::carrier(arr.log2());
        let v = self.b.op(Op::VExtract, ty, &[mask], arr.0, n);
        self.b.bin_imm(Op::Shr, v, if arr.log2() < 2 { 7 } else { arr.ebits() as u64 - 1 })
    }

    fn plain(at: Value) -> Ea {
        Ea { base: at, index: Value::NONE, scale: 0, disp: 0 }
    }

    fn maskmov_bytes(&mut self) -> Lifted {
        let mmx = mm(self.i.op_register(1)).is_some();
        let mut ea = Lifter::plain(Value::NONE);
        let narrow = self.i.op0_kind() == OpKind::MemorySegEDI;
        let rdi = self.low(7, if narrow { 2 } else { 3 });
        ea.base = self.wide(rdi);
        if let Some(seg) = match self.i.memory_segment() {
            Register::FS => Some(super::regs::FS),
            Register::GS => Some(super::regs::GS),
            _ => None,
        } {
            ea.index = self.b.get(seg);
        }
        let at = self.address(ea);
        let (v, mask) = (self.vreg(1, 0)?, self.vreg(2, 0)?);
        let scratch = self.helper(Number::Scratch, &[]);
        let bytes = if mmx { 8 } else { 16 };
        // The processor wants to be able to write all of it, whatever the mask says.
        self.probe(Lifter::plain(at), bytes as i64);
        for n in 0..bytes {
            let on = self.lane_on(Arr::B16, mask, n);
            let to = self.b.bin_imm(Op::Add, at, n);
            let to = self.somewhere(on, to, scratch);
            let byte = self.b.op(Op::VExtract, Type::I32, &[v], Arr::B16.0, n);
            self.store(0, Lifter::plain(to), byte);
        }
        Ok(())
    }

    /// Store lanes `(mask, data, lane, index in memory)` where their masks say so: all of them or, if one of two pages can't be written, none.
    fn store_lanes(&mut self, arr: Arr, at: Value, scratch: Value, lanes: &[(Value, Value, u64, u64)]) {
        let ty = super::operand::carrier(arr.log2());
        let mut first = scratch;
        let mut places = Vec::with_capacity(lanes.len());
        for &(mask, _, lane, n) in lanes.iter().rev() {
            let on = self.lane_on(arr, mask, lane);
            let to = self.b.bin_imm(Op::Add, at, n << arr.log2());
            let f = self.zero_flags(on);
            places.push(self.b.select(Cond::Ne, f, to, scratch));
            first = self.b.select(Cond::Ne, f, to, first);
        }
        self.probe_byte(first);
        // The last first: it is the one that may be on the next page.
        for (&(_, data, lane, _), to) in lanes.iter().rev().zip(places) {
            let v = self.b.op(Op::VExtract, ty, &[data], arr.0, lane);
            self.store(arr.log2(), Lifter::plain(to), v);
        }
    }

    fn maskmov(&mut self, arr: Arr) -> Lifted {
        let shape = self.shape();
        let log2 = arr.log2();
        let ea = self.ea();
        let at = self.address(ea);
        let scratch = self.helper(Number::Scratch, &[]);
        let lanes = arr.lanes() as u64;
        if self.is_mem(0) {
            let mut all = Vec::with_capacity(8);
            for part in 0..shape.parts() {
                let (mask, data) = (self.vreg(1, part)?, self.vreg(2, part)?);
                all.extend((0..lanes).map(|n| (mask, data, n, part as u64 * lanes + n)));
            }
            self.store_lanes(arr, at, scratch, &all);
            return Ok(());
        }
        let mut parts = [Value::NONE; 2];
        for part in (0..shape.parts()).rev() {
            let mask = self.vreg(1, part)?;
            let mut r = self.vzero();
            for n in (0..lanes).rev() {
                let on = self.lane_on(arr, mask, n);
                let to = self.b.bin_imm(Op::Add, at, (part as u64 * lanes + n) << log2);
                let to = self.somewhere(on, to, scratch);
                let ty = super::operand::carrier(log2);
                let v = self.load(ty, log2, Lifter::plain(to));
                let zero = self.b.iconst(ty, 0);
                let f = self.zero_flags(on);
                let v = self.b.select(Cond::Ne, f, v, zero);
                r = self.b.op(Op::VInsert, Type::V128, &[r, v], arr.0, n);
            }
            parts[part] = r;
        }
        self.set_vec(shape, &parts[..shape.parts()])
    }

    /// Loads of `1 << data` bytes at indexes of `1 << index` bytes, one after the other: a fault finds those before it done, and the mask says so.
    fn gather(&mut self, index: u8, data: u8) -> Lifted {
        let regs = [0, 2].map(|n| vec_reg(self.i.op_register(n)));
        let ([Some((dst, dw)), Some((mask, _))], Some((idx, iw))) = (regs, vec_reg(self.i.memory_index())) else {
            return Err(Refused::Undefined);
        };
        if dst == mask || dst == idx || mask == idx {
            return Err(Refused::Undefined);
        }
        let shape = if dw || iw { Shape::Vex256 } else { Shape::Vex128 };
        let base = match gpr(self.i.memory_base()) {
            Some(g) => {
                let v = self.gpr_raw(g);
                self.wide(v)
            }
            None => self.b.iconst(Type::I64, 0),
        };
        let segment = match self.i.memory_segment() {
            Register::FS => Some(super::regs::FS),
            Register::GS => Some(super::regs::GS),
            _ => None,
        };
        let base = self.b.bin_imm(Op::Add, base, self.i.memory_displacement64());
        let scale = self.i.memory_index_scale().trailing_zeros() as u64;
        let narrow = gpr(self.i.memory_base()).is_some_and(|g| g.log2 == 2);
        let total = (16 * shape.parts()) >> data.max(index);
        let (da, ia) = (Arr::new(data, crate::ir::Width::W128), Arr::new(index, crate::ir::Width::W128));
        let scratch = self.helper(Number::Scratch, &[]);
        let mut parts = [self.xmm(dst, 0), self.xmm(dst, 1)];
        let mut masks = [self.xmm(mask, 0), self.xmm(mask, 1)];
        for (half, m) in masks.iter_mut().enumerate() {
            *m = match shape {
                Shape::Vex128 if half == 1 => self.vzero(),
                _ => self.b.vec_imm(Op::VSshrI, da, &[*m], da.ebits() as u64),
            };
            self.b.set(GuestReg::vec(mask + 16 * half as u8), *m);
        }
        for n in 0..total {
            // What is done so far is no reason to start over.
            self.b.insn_start(self.pc);
            let (part, lane) = (n / da.lanes(), (n % da.lanes()) as u64);
            let on = self.lane_on(da, masks[part], lane);
            let v = self.xmm(idx, n / ia.lanes());
            let i = self.b.op(Op::VExtractS, Type::I64, &[v], ia.0, (n % ia.lanes()) as u64);
            let i = self.b.bin_imm(Op::Shl, i, scale);
            let mut at = self.b.bin(Op::Add, base, i);
            if narrow {
                let low = self.b.trunc(at);
                at = self.b.zext(low);
            }
            if let Some(s) = segment {
                let s = self.b.get(s);
                at = self.b.bin(Op::Add, at, s);
            }
            let at = self.somewhere(on, at, scratch);
            let ty = super::operand::carrier(data);
            let loaded = self.load(ty, data, Lifter::plain(at));
            let old = self.b.op(Op::VExtract, ty, &[parts[part]], da.0, lane);
            let f = self.zero_flags(on);
            let v = self.b.select(Cond::Ne, f, loaded, old);
            parts[part] = self.b.op(Op::VInsert, Type::V128, &[parts[part], v], da.0, lane);
            if shape == Shape::Vex128 {
                let zero = self.vzero();
                parts[1] = self.b.op(Op::VSelect, Type::V128, &[f, zero, parts[1]], Cond::Ne as u8, 0);
                self.b.set(super::regs::ymm_high(dst), parts[1]);
            }
            let done = self.b.iconst(ty, 0);
            masks[part] = self.b.op(Op::VInsert, Type::V128, &[masks[part], done], da.0, lane);
            for (first, v) in [(dst, parts[part]), (mask, masks[part])] {
                self.b.set(GuestReg::vec(first + 16 * part as u8), v);
            }
        }
        let zero = self.vzero();
        let used = total << data;
        if used <= 8 {
            parts[0] = self.b.vec(Op::VLow, Arr::D1, &[parts[0]]);
        }
        let high = if used > 16 { parts[1] } else { zero };
        for (r, v) in [(super::regs::xmm(dst), parts[0]), (super::regs::ymm_high(dst), high)] {
            self.b.set(r, v);
        }
        for r in [super::regs::xmm(mask), super::regs::ymm_high(mask)] {
            self.b.set(r, zero);
        }
        Ok(())
    }
}
