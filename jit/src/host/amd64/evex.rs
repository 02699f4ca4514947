//! Vector registers 16 to 31, which only EVEX encodings name. Instructions on them are asked for like all others (`Asm::v3` and its kin): where
//! one of the registers is such a one, the instruction is encoded as EVEX.128 if it has a form there ([`form`] is the one place that knows), and else
//! works on copies.

use super::asm::{p3a, p66, r, state, PLACED};
use super::asm::{Addr, Asm, Enc, Rm};

/// The register for copies: where registers from 16 up are used at all, nothing else is in it.
pub const COPY: u8 = 14;

/// An instruction's EVEX form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// EVEX.W, which counts where VEX.W may not.
    pub w: bool,
    /// log2 of what displacements of 8 bits are counted in: the size of the memory operand.
    pub scale: u8,
}

/// The EVEX.128 form of a VEX.128 instruction with the same operation, operands and immediate, of AVX-512 F, VL, BW and DQ (and GFNI and VNNI, where
/// the instruction itself needs them).
pub fn form(e: Enc) -> Option<Form> {
    let (w, scale) = match e.map {
        1 => form_0f(e)?,
        2 if e.pp == 1 => form_0f38(e)?,
        3 if e.pp == 1 => match e.op {
            // vround* became vrndscale*, whose immediate means the same below 16.
            0x08..=0x0b => (e.op & 1 == 1, [4, 4, 2, 3][e.op as usize & 3]),
            0x0f | 0x25 => (false, 4),
            0x14 | 0x20 => (false, 0),
            0x15 => (false, 1),
            0x17 | 0x21 => (false, 2),
            0x16 | 0x22 => (e.w, 2 + e.w as u8),
            0x1d => (false, 3),
            0xce | 0xcf => (true, 4),
            _ => return None,
        },
        _ => return None,
    };
    Some(Form { w, scale })
}

fn form_0f(e: Enc) -> Option<(bool, u8)> {
    let scalar = (e.pp == 3, e.pp);
    Some(match (e.pp, e.op) {
        // Moves, arithmetic and permutes of packed numbers.
        (0 | 1, 0x10 | 0x11 | 0x14 | 0x15 | 0x28 | 0x29 | 0x51 | 0x54..=0x59 | 0x5c..=0x5f | 0xc6) => (e.pp == 1, 4),
        (0 | 1, 0x2e | 0x2f) => (e.pp == 1, 2 + e.pp),
        (0, 0x5a) => (false, 3),
        // (With W, from 64 bits.)
        (2, 0xe6) if !e.w => (false, 3),
        (1, 0x5a | 0xe6) | (3, 0xe6) => (true, 4),
        (0..=2, 0x5b) => (false, 4),
        // Scalars.
        (2 | 3, 0x10 | 0x11 | 0x51 | 0x58..=0x5a | 0x5c..=0x5f) => scalar,
        (2 | 3, 0x2a) => (e.w, 2 + e.w as u8),
        (2 | 3, 0x2c | 0x2d) => (e.w, e.pp),
        (3, 0x12) | (2, 0x7e) | (1, 0xd6) => (true, 3),
        (0, 0x12 | 0x16) => (false, 3),
        (1, 0x6e | 0x7e) => (e.w, 2 + e.w as u8),
        // Integers.
        (1, 0xc4 | 0xc5) => (false, 1),
        (2 | 3, 0x70) | (2, 0x6f | 0x7f) => (false, 4),
        // (With W, shifts are others.)
        (1, 0x72) if !e.w => (false, 4),
        (1, 0x6c | 0x6d | 0x73 | 0xd3 | 0xd4 | 0xf3 | 0xf4 | 0xfb) => (true, 4),
        (1, 0x60..=0x63 | 0x67..=0x6b | 0x6f..=0x71 | 0x7f) => (false, 4),
        (1, 0xd1 | 0xd2 | 0xd5 | 0xd8..=0xe5 | 0xe8..=0xef | 0xf1 | 0xf2 | 0xf5 | 0xf6 | 0xf8..=0xfa | 0xfc..=0xfe) => (false, 4),
        _ => return None,
    })
}

fn form_0f38(e: Enc) -> Option<(bool, u8)> {
    Some(match e.op {
        0x00 | 0x04 | 0x0b | 0x1c..=0x1e | 0x2b | 0x38..=0x40 | 0x50 | 0xcf => (false, 4),
        0x28 => (true, 4),
        0x13 | 0x20 | 0x23 | 0x25 | 0x30 | 0x33 | 0x35 => (false, 3),
        0x18 | 0x21 | 0x24 | 0x31 | 0x34 | 0x58 => (false, 2),
        0x22 | 0x32 | 0x79 => (false, 1),
        0x78 => (false, 0),
        0x59 => (true, 3),
        0x45..=0x47 => (e.w, 4),
        // Fused multiply-add, of which every other one is scalar.
        0x96..=0x9f | 0xa6..=0xaf | 0xb6..=0xbf => (e.w, if e.op & 1 == 1 && e.op & 15 > 8 { 2 + e.w as u8 } else { 4 }),
        _ => return None,
    })
}

impl Asm {
    /// An instruction of which an operand is a register from 16 up.
    #[inline(never)]
    pub(super) fn high(&mut self, e: Enc, reg: u8, v: u8, rm: Rm, imm: Option<u8>) {
        match form(e) {
            Some(_) => self.evex(e, reg, v, rm, imm),
            None => self.on_copies(e, reg, v, rm, imm),
        }
    }

    /// An instruction without an EVEX form, which doesn't read its result's register: at most one operand is copied to [`COPY`] and another to memory,
    /// and the result comes from there.
    fn on_copies(&mut self, e: Enc, reg: u8, v: u8, rm: Rm, imm: Option<u8>) {
        let mut first = v;
        if v >= 16 {
            // Into the result's register, unless that is another operand (perhaps the fourth, in the immediate) or the instruction may trap.
            let apart = reg < 16 && rm != Rm::R(reg) && imm.is_none_or(|c| c >> 4 != reg) && e.op != 0xc2;
            first = if apart { reg } else { COPY };
            self.vmov(first, v);
        }
        let rm = match rm {
            Rm::R(n) if n < 16 => rm,
            Rm::R(n) if n == v => Rm::R(first),
            Rm::R(n) if first != COPY => {
                self.vmov(COPY, n);
                Rm::R(COPY)
            }
            Rm::R(n) => {
                self.vstore(state!(copy), n);
                Rm::M(state!(copy))
            }
            memory => memory,
        };
        if reg < 16 {
            return self.vex(e, reg, first, rm, imm);
        }
        self.vex(e, COPY, first, rm, imm);
        self.vmov(reg, COPY);
    }

    /// A legacy instruction without any VEX form that changes `d`.
    pub fn legacy(&mut self, e: Enc, d: u8, s: Rm, imm: Option<u8>) {
        let to = if d >= 16 { COPY } else { d };
        self.vmov(to, d);
        let s = match s {
            Rm::R(n) if n == d => Rm::R(to),
            Rm::R(n) if n >= 16 && to == COPY => {
                self.vstore(state!(copy), n);
                Rm::M(state!(copy))
            }
            Rm::R(n) if n >= 16 => {
                self.vmov(COPY, n);
                Rm::R(COPY)
            }
            s => s,
        };
        self.op(e, false, to, s, imm.is_some() as u8, false);
        if let Some(c) = imm {
            self.u8(c);
        }
        self.vmov(d, to);
    }

    /// A comparison of FP numbers for the sake of its exceptions; `scratch` is changed.
    pub fn compare(&mut self, e: Enc, scratch: u8, a: u8, b: Rm, imm: u8) {
        let high = a >= 16 || matches!(b, Rm::R(n) if n >= 16);
        // Mask register 1 takes the result there, and nothing else.
        match high {
            true => self.evex(Enc { w: e.pp & 1 == 1, ..e }, 1, a, b, Some(imm)),
            false => self.v3i(e, scratch, a, b, imm),
        }
    }

    /// All bits one.
    pub fn vones(&mut self, d: u8) {
        match d < 16 {
            true => self.v3(p66(0x76), d, d, d),
            // vpternlogd
            false => self.evex(p3a(0x25), d, d, Rm::R(d), Some(0xff)),
        }
    }

    /// The EVEX.128 form of an instruction, unmasked.
    pub fn evex(&mut self, e: Enc, reg: u8, v: u8, rm: Rm, imm: Option<u8>) {
        // What has no VEX form says itself what it is.
        let f = form(e).unwrap_or(Form { w: e.w, scale: u8::MAX });
        let xb = match rm {
            // X is the fifth bit of a register.
            Rm::R(n) => (n >> 3 & 3) as u32,
            Rm::M(a) => Asm::xb(a),
        };
        let (reg_, v_) = (!reg as u64, !v as u64);
        let first = (reg_ & 8) << 4 | (!xb as u64 & 3) << 5 | reg_ & 16 | e.map as u64;
        let second = (f.w as u64) << 7 | (v_ & 15) << 3 | 4 | e.pp as u64;
        let third = (v_ & 16) >> 1;
        let head = 0x62 | first << 8 | second << 16 | third << 24 | (e.op as u64) << 32;
        match rm {
            Rm::R(n) => self.put(head | (0xc0 | (reg as u64 & 7) << 3 | n as u64 & 7) << 40, 6),
            Rm::M(a) if a.base >= PLACED => self.odd_address(head, 5, reg, a, imm.is_some() as u8),
            Rm::M(a) => {
                let (rest, len) = Asm::scaled(reg, a, f.scale);
                self.put2(head, 5, rest, len);
            }
        }
        if let Some(c) = imm {
            self.u8(c);
        }
    }

    /// As [`Asm::memory`], where displacements of 8 bits are counted in `1 << scale` bytes; `u8::MAX`: there are none.
    fn scaled(reg: u8, a: Addr, scale: u8) -> (u64, u32) {
        let small = match scale {
            u8::MAX => None,
            n => i8::try_from(a.disp >> n).ok().filter(|&d| (d as i32) << n == a.disp),
        };
        let (md, disp, len) = match small {
            Some(0) if a.base & 7 != r::BP => (0, 0, 0),
            Some(d) => (0x40, d as u8 as u32, 1),
            None => (0x80, a.disp as u32, 4),
        };
        Asm::with_disp(reg, a, md, disp, len)
    }
}
