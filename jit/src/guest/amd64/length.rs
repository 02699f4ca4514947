//! How long what isn't an instruction would be: a processor finds the length by the format alone, before it knows that there is no such instruction,
//! and bytes that are too many are #GP, not #UD.

/// The longest instruction.
pub const LONGEST: usize = 15;

/// Whether a byte is a prefix.
pub fn is_prefix(b: u8) -> bool {
    matches!(b, 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3 | 0x40..=0x4f)
}

/// What follows an opcode.
#[derive(Clone, Copy, Default)]
struct Format {
    modrm: bool,
    immediate: usize,
}

/// What the prefixes say of sizes.
#[derive(Clone, Copy)]
struct Sizes {
    /// Of an immediate as wide as the operands, four bytes at most.
    operand: usize,
    /// REX.W.
    wide: bool,
    /// Of an address.
    address: usize,
}

/// The length of what `bytes` begin with, as far as they tell.
pub fn length(bytes: &[u8]) -> usize {
    let prefixes = bytes.iter().take_while(|b| is_prefix(**b)).count();
    let (before, rest) = bytes.split_at(prefixes);
    let wide = matches!(before.last(), Some(0x48..=0x4f));
    let sizes = Sizes {
        operand: if before.contains(&0x66) && !wide { 2 } else { 4 },
        wide,
        address: if before.contains(&0x67) { 4 } else { 8 },
    };
    let at = |n: usize| rest.get(n).copied().unwrap_or(0);
    let (opcode, format) = match (at(0), at(1)) {
        // VEX: what map it is stands in its second byte, or it is 0F.
        (0xc4, map) => match map & 31 {
            1 => (4, escaped(at(3))),
            3 => (4, Format { modrm: true, immediate: 1 }),
            _ => (4, Format { modrm: true, immediate: 0 }),
        },
        (0xc5, _) => (3, escaped(at(2))),
        (0x0f, 0x38 | 0x39 | 0x3c | 0x3d) => (3, Format { modrm: true, immediate: 0 }),
        (0x0f, 0x3a | 0x3b | 0x3e | 0x3f) => (3, Format { modrm: true, immediate: 1 }),
        (0x0f, second) => (2, escaped(second)),
        (first, modrm) => (1, plain(first, modrm, sizes)),
    };
    let operand = if format.modrm { modrm_bytes(at(opcode), at(opcode + 1)) } else { 0 };
    prefixes + opcode + operand + format.immediate
}

/// ModRM, SIB and displacement.
fn modrm_bytes(modrm: u8, sib: u8) -> usize {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let with_sib = mode != 3 && rm == 4;
    let far = mode == 2 || (mode == 0 && (rm == 5 || (with_sib && sib & 7 == 5)));
    1 + with_sib as usize + if far { 4 } else { (mode == 1) as usize }
}

/// Opcodes of one byte.
fn plain(opcode: u8, modrm: u8, sizes: Sizes) -> Format {
    let full = if sizes.wide { 8 } else { sizes.operand };
    let with = |immediate| Format { modrm: true, immediate };
    let without = |immediate| Format { modrm: false, immediate };
    match opcode {
        0x00..=0x3f => match opcode & 7 {
            0..=3 => with(0),
            4 => without(1),
            5 => without(sizes.operand),
            _ => without(0),
        },
        0x68 | 0xa9 => without(sizes.operand),
        0x69 | 0x81 | 0xc7 => with(sizes.operand),
        0x6b | 0x80 | 0x82 | 0x83 | 0xc0 | 0xc1 | 0xc6 => with(1),
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xd4 | 0xd5 | 0xe0..=0xe7 | 0xeb => without(1),
        0x62 | 0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xfe | 0xff => with(0),
        0x9a | 0xea => without(2 + sizes.operand),
        0xa0..=0xa3 => without(sizes.address),
        0xb8..=0xbf => without(full),
        0xc2 | 0xca => without(2),
        0xc8 => without(3),
        0xe8 | 0xe9 => without(4),
        0xf6 => with((modrm & 0x30 == 0) as usize),
        0xf7 => with(if modrm & 0x30 == 0 { sizes.operand } else { 0 }),
        _ => without(0),
    }
}

/// Opcodes behind 0F.
fn escaped(opcode: u8) -> Format {
    let modrm = !matches!(
        opcode,
        0x04..=0x0c | 0x0e | 0x0f | 0x24..=0x27 | 0x30..=0x3f | 0x77 | 0x80..=0x8f | 0xa0..=0xa2 | 0xa8..=0xaa | 0xc8..=0xcf
    );
    let immediate = match opcode {
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => 1,
        0x80..=0x8f => 4,
        _ => 0,
    };
    Format { modrm, immediate }
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn lengths_are_those_that_a_processor_shows() {
        // What Intel's processors count of undefined opcodes, found by prefixes in front until they are #GP.
        for (code, want) in [
            ("06c0", 1),
            ("2780", 1),
            ("6080", 1),
            ("82c0", 3),
            ("8280", 7),
            ("9ac0", 7),
            ("669a80", 6),
            ("489a80", 8),
            ("ce04", 1),
            ("d480", 2),
            ("d6c0", 1),
            ("66d680", 2),
            ("8f08", 2),
            ("8f0c", 3),
            ("8f88", 6),
            ("c608", 3),
            ("c60c", 4),
            ("c688", 7),
            ("c788", 10),
            ("66c788", 9),
            ("48c788", 11),
            ("fe90", 6),
            ("fff8", 2),
            ("f0c8", 5),
            ("f0a0", 10),
            ("f048b8", 11),
            ("f0f6c0", 4),
            ("0f04c0", 2),
            ("0f0f80", 2),
            ("0f2580", 2),
            ("0f3980", 4),
            ("0f3bc0", 5),
            ("0f5080", 7),
            ("0f7180", 8),
            ("0f7980", 7),
            ("0f38ffc0", 4),
            ("0f3affc0", 5),
            ("66c5f858c0", 5),
            ("f2c5f870c0", 6),
            ("40c4e378d080", 11),
            ("c5f804c0", 3),
            ("c5f88080", 7),
            ("c4e2780180", 9),
            ("c4e378f0c0", 6),
            ("c5f877", 3),
        ] {
            let mut bytes: Vec<u8> =
                (0..code.len()).step_by(2).map(|n| u8::from_str_radix(&code[n..n + 2], 16).expect("hex")).collect();
            bytes.resize(24, 0);
            assert_eq!(length(&bytes), want, "{code}");
        }
    }
}
