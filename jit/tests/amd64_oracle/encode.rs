//! Bytes that are an instruction: of a given [`OpCodeInfo`], or of any.

use crate::codes::Group;
use crate::rng::Rng;
use iced_x86::{EncodingKind, MandatoryPrefix, OpCodeInfo, OpCodeOperandKind as K, OpCodeTableKind as Table};

/// Where memory operands are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Any,
    /// Around r15.
    Near,
}

/// The ModRM byte, and what may follow it.
fn tail(r: &mut Rng, op: &OpCodeInfo, shape: Shape, b: &mut Vec<u8>) {
    let mut modrm = r.next() as u8;
    if r.one_in(2) {
        modrm |= 0xc0;
    }
    if op.is_group() {
        modrm = modrm & !0x38 | (op.group_index() as u8) << 3;
    }
    if op.is_rm_group() {
        modrm = modrm & !7 | op.rm_group_index() as u8;
    }
    let vsib = [K::mem_vsib32x, K::mem_vsib64x, K::mem_vsib32y, K::mem_vsib64y];
    if op.op_kinds().iter().any(|k| vsib.contains(k)) {
        modrm = modrm & 0x3f & !7 | 4 | [0, 0x40, 0x80][r.below(3) as usize];
    }
    if shape == Shape::Near && modrm < 0xc0 && !op.is_rm_group() {
        let disp = r.next() as u8;
        b.extend([modrm & 0x38 | 0x47, if r.one_in(8) { disp } else { disp & 0xe0 }]);
    } else {
        b.push(modrm);
    }
    any_bytes(r, b);
}

fn any_bytes(r: &mut Rng, b: &mut Vec<u8>) {
    while b.len() < 15 {
        let v = r.next();
        b.push(if r.one_in(3) { (v & 7) as u8 } else { v as u8 });
    }
}

fn in_opcode(op: &OpCodeInfo) -> bool {
    let list = [K::r8_opcode, K::r16_opcode, K::r32_opcode, K::r64_opcode, K::sti_opcode];
    op.op_kinds().iter().any(|k| list.contains(k))
}

fn opcode(r: &mut Rng, op: &OpCodeInfo, b: &mut Vec<u8>) {
    let reg = if in_opcode(op) { r.below(8) as u32 } else { 0 };
    let code = op.op_code() + reg;
    if op.op_code_len() == 2 {
        b.push((code >> 8) as u8);
    }
    b.push(code as u8);
}

/// Bytes that are likely the instruction `op`.
pub fn of(r: &mut Rng, op: &OpCodeInfo, group: Group) -> Vec<u8> {
    shaped(r, op, group, Shape::Any)
}

/// The same, with memory operands around r15.
pub fn near(r: &mut Rng, op: &OpCodeInfo) -> Vec<u8> {
    let group = if r.one_in(8) { Group::Locked } else { Group::Integer };
    shaped(r, op, group, Shape::Near)
}

fn shaped(r: &mut Rng, op: &OpCodeInfo, group: Group, shape: Shape) -> Vec<u8> {
    let mut b = Vec::with_capacity(24);
    if shape == Shape::Near {
    } else if r.one_in(16) {
        b.push(r.pick(&[0x64, 0x65]));
    } else if r.one_in(32) {
        // Segments that mean nothing in 64-bit mode.
        b.push(r.pick(&[0x26, 0x2e, 0x36, 0x3e]));
    }
    let narrow = match op.address_size() {
        32 => true,
        64 => false,
        _ => shape == Shape::Any && r.one_in(20),
    };
    if narrow {
        b.push(0x67);
    }
    if op.encoding() == EncodingKind::VEX {
        vex(r, op, shape, &mut b);
    } else {
        legacy(r, op, group, shape, &mut b);
    }
    opcode(r, op, &mut b);
    tail(r, op, shape, &mut b);
    b.truncate(15);
    b
}

fn vex(r: &mut Rng, op: &OpCodeInfo, shape: Shape, b: &mut Vec<u8>) {
    let map = match op.table() {
        Table::T0F38 => 2,
        Table::T0F3A => 3,
        _ => 1u8,
    };
    let pp = match op.mandatory_prefix() {
        MandatoryPrefix::P66 => 1,
        MandatoryPrefix::PF3 => 2,
        MandatoryPrefix::PF2 => 3,
        _ => 0u8,
    };
    let w = if op.is_wig() { r.below(2) as u8 } else { op.w() as u8 };
    let l = if op.is_lig() { r.below(2) as u8 } else { op.l() as u8 };
    let unused = !op.op_kinds().iter().any(|k| matches!(k, K::r32_vvvv | K::r64_vvvv | K::xmm_vvvv | K::ymm_vvvv));
    let vvvv = if unused { 15 } else { r.next() as u8 & 15 };
    // Inverted.
    let rxb = r.next() as u8 & if shape == Shape::Near { 0xc0 } else { 0xe0 };
    let last = vvvv << 3 | l << 2 | pp;
    if map == 1 && w == 0 && shape == Shape::Any && r.one_in(3) {
        b.extend([0xc5, rxb & 0x80 | last]);
    } else {
        b.extend([0xc4, rxb | map, w << 7 | last]);
    }
}

fn legacy(r: &mut Rng, op: &OpCodeInfo, group: Group, shape: Shape, b: &mut Vec<u8>) {
    let mandatory = match op.mandatory_prefix() {
        MandatoryPrefix::P66 => Some(0x66),
        MandatoryPrefix::PF3 => Some(0xf3),
        MandatoryPrefix::PF2 => Some(0xf2),
        _ => None,
    };
    if group == Group::Locked && op.can_use_lock_prefix() {
        b.push(0xf0);
        if r.one_in(16) {
            // XACQUIRE and XRELEASE: hints.
            b.push(r.pick(&[0xf2, 0xf3]));
        }
    }
    if group == Group::Strings && !r.one_in(3) {
        b.push(r.pick(&[0xf2, 0xf3]));
    }
    if (op.operand_size() == 16 && mandatory != Some(0x66)) || r.one_in(40) {
        b.push(0x66);
    }
    if r.one_in(40) {
        b.push(r.pick(&[0xf2, 0xf3, 0x66]));
    }
    b.extend(mandatory);
    let w = (op.operand_size() == 64 && !(op.default_op_size64() || op.force_op_size64())) || op.w() == 1 || r.one_in(24);
    if w || shape == Shape::Near || r.one_in(2) {
        b.push(0x40 | (w as u8) << 3 | r.next() as u8 & 7 | (shape == Shape::Near) as u8);
        if shape == Shape::Any && r.one_in(48) {
            // One that doesn't count, because another prefix follows.
            b.push(0x3e);
        }
    }
    match op.table() {
        Table::T0F => b.push(0x0f),
        Table::T0F38 => b.extend([0x0f, 0x38]),
        Table::T0F3A => b.extend([0x0f, 0x3a]),
        _ => {}
    }
}

/// Any bytes.
pub fn raw(r: &mut Rng) -> Vec<u8> {
    const PREFIXES: [u8; 18] =
        [0x66, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x40, 0x44, 0x48, 0x49, 0x4c, 0x41];
    let mut b = Vec::with_capacity(24);
    let most = r.pick(&[1, 2, 3, 4, 6]);
    for _ in 0..r.below(most) {
        b.push(r.pick(&PREFIXES));
    }
    match r.below(4) {
        0 => b.push(r.next() as u8),
        1 => {
            let inverted = r.next() as u8;
            if r.one_in(3) {
                b.extend([0xc5, r.next() as u8, r.next() as u8]);
            } else {
                let map = if r.one_in(16) { r.next() as u8 & 31 } else { r.below(3) as u8 + 1 };
                b.extend([0xc4, inverted & 0xe0 | map, r.next() as u8, r.next() as u8]);
            }
        }
        _ => {
            b.push(0x0f);
            match r.below(5) {
                0 => b.extend([0x38, r.next() as u8]),
                1 => b.extend([0x3a, r.next() as u8]),
                _ => b.push(r.next() as u8),
            }
        }
    }
    let mut modrm = r.next() as u8;
    if r.one_in(2) {
        modrm |= 0xc0;
    }
    b.push(modrm);
    any_bytes(r, &mut b);
    b.truncate(16);
    b
}
