//! The guest's vDSO: what the kernel of an arm64 machine maps into every program.
//!
//! It is a page of our own image, so that mapping it costs nothing. Clocks are read by HVC, which is undefined for user space and which the
//! translator turns into a call of the host's vDSO where this code contains it (`jit::guest::Fetch::own_code`). As in the kernel's,
//! unwinders know `__kernel_rt_sigreturn` by its instructions (and look for the call before it, which is why there is a nop); DWARF can't
//! describe such a frame, so there is no CFI.

use crate::guest::{Page, Vdso};

/// Bytes of the image with what its page has left.
const SIZE: usize = size_of::<Page>();

/// The code, as a disassembler shows it.
const CODE: &[(u32, &str)] = &[
    (0xd503201f, "nop"),
    // __kernel_rt_sigreturn
    (0xd2801168, "mov x8, #0x8b"),
    (0xd4000001, "svc #0"),
    // __kernel_clock_gettime: a clock's nanoseconds to x2
    (0x34000200, "cbz w0, #0x34c"),
    (0x7100041f, "cmp w0, #1"),
    (0x54000200, "b.eq #0x354"),
    (0x7100101f, "cmp w0, #4"),
    (0x54000200, "b.eq #0x35c"),
    (0x7100141f, "cmp w0, #5"),
    (0x54000200, "b.eq #0x364"),
    (0x7100181f, "cmp w0, #6"),
    (0x54000200, "b.eq #0x36c"),
    (0x71001c1f, "cmp w0, #7"),
    (0x54000200, "b.eq #0x374"),
    (0x71002c1f, "cmp w0, #0xb"),
    (0x54000200, "b.eq #0x37c"),
    (0xd2800e28, "mov x8, #0x71"),
    (0xd4000001, "svc #0"),
    (0xd65f03c0, "ret"),
    (0xd4000002, "hvc #0"),
    (0x1400000c, "b #0x380"),
    (0xd4000022, "hvc #1"),
    (0x1400000a, "b #0x380"),
    (0xd4000082, "hvc #4"),
    (0x14000008, "b #0x380"),
    (0xd40000a2, "hvc #5"),
    (0x14000006, "b #0x380"),
    (0xd40000c2, "hvc #6"),
    (0x14000004, "b #0x380"),
    (0xd40000e2, "hvc #7"),
    (0x14000002, "b #0x380"),
    (0xd4000162, "hvc #0xb"),
    // x3 = x2 / 10^9, by the reciprocal; x2 = x2 % 10^9
    (0xd28b4a63, "mov x3, #0x5a53"),
    (0xf2b41363, "movk x3, #0xa09b, lsl #16"),
    (0xf2d705e3, "movk x3, #0xb82f, lsl #32"),
    (0xf2e00883, "movk x3, #0x44, lsl #48"),
    (0xd349fc44, "lsr x4, x2, #9"),
    (0x9bc37c83, "umulh x3, x4, x3"),
    (0xd34bfc63, "lsr x3, x3, #0xb"),
    (0xd2994004, "mov x4, #0xca00"),
    (0xf2a77344, "movk x4, #0x3b9a, lsl #16"),
    (0x9b048862, "msub x2, x3, x4, x2"),
    (0xa9000823, "stp x3, x2, [x1]"),
    (0x52800000, "mov w0, #0"),
    (0xd65f03c0, "ret"),
    // __kernel_gettimeofday: with a timezone, the kernel's
    (0xb5000281, "cbnz x1, #0x404"),
    (0xb4000220, "cbz x0, #0x3fc"),
    (0xd4000002, "hvc #0"),
    (0xd28b4a63, "mov x3, #0x5a53"),
    (0xf2b41363, "movk x3, #0xa09b, lsl #16"),
    (0xf2d705e3, "movk x3, #0xb82f, lsl #32"),
    (0xf2e00883, "movk x3, #0x44, lsl #48"),
    (0xd349fc44, "lsr x4, x2, #9"),
    (0x9bc37c83, "umulh x3, x4, x3"),
    (0xd34bfc63, "lsr x3, x3, #0xb"),
    (0xd2994004, "mov x4, #0xca00"),
    (0xf2a77344, "movk x4, #0x3b9a, lsl #16"),
    (0x9b048862, "msub x2, x3, x4, x2"),
    // x2 = w2 / 1000
    (0xd289ba64, "mov x4, #0x4dd3"),
    (0xf2a20c44, "movk x4, #0x1062, lsl #16"),
    (0x9ba47c42, "umull x2, w2, w4"),
    (0xd366fc42, "lsr x2, x2, #0x26"),
    (0xa9000803, "stp x3, x2, [x0]"),
    (0x52800000, "mov w0, #0"),
    (0xd65f03c0, "ret"),
    (0xd2801528, "mov x8, #0xa9"),
    (0xd4000001, "svc #0"),
    (0xd65f03c0, "ret"),
    // __kernel_clock_getres: nobody asks often
    (0xd2800e48, "mov x8, #0x72"),
    (0xd4000001, "svc #0"),
    (0xd65f03c0, "ret"),
];

/// An exported symbol.
struct Symbol {
    name: &'static str,
    /// ELF's binding and type.
    info: u64,
    /// First and last-but-one instruction in [`CODE`]; none of the version's own symbol.
    code: Option<(usize, usize)>,
}

const GLOBAL_FUNC: u64 = 0x12;
const GLOBAL_NOTYPE: u64 = 0x10;
const GLOBAL_OBJECT: u64 = 0x11;

const SYMBOLS: [Symbol; 5] = [
    Symbol { name: "__kernel_rt_sigreturn", info: GLOBAL_NOTYPE, code: Some((1, 3)) },
    Symbol { name: "__kernel_clock_gettime", info: GLOBAL_FUNC, code: Some((3, 45)) },
    Symbol { name: "__kernel_gettimeofday", info: GLOBAL_FUNC, code: Some((45, 68)) },
    Symbol { name: "__kernel_clock_getres", info: GLOBAL_FUNC, code: Some((68, 71)) },
    Symbol { name: VERSION, info: GLOBAL_OBJECT, code: None },
];
const VERSION: &str = "LINUX_2.6.39";
const SONAME: &str = "linux-vdso.so.1";
/// Names of the sections in order, after the first, which has none.
const SECTIONS: [&str; 8] = [".hash", ".dynsym", ".dynstr", ".gnu.version", ".gnu.version_d", ".dynamic", ".text", ".shstrtab"];
const TEXT_SECTION: u64 = 7;

/// Where the parts are.
const PHDRS: usize = 64;
const HASH: usize = PHDRS + 2 * 56;
const DYNSYM: usize = align(HASH + 4 * (2 + 1 + SYMBOLS.len() + 1), 8);
const DYNSTR: usize = DYNSYM + 24 * (SYMBOLS.len() + 1);
const VERSYM: usize = align(DYNSTR + DYNSTR_SIZE, 2);
const VERDEF: usize = align(VERSYM + 2 * (SYMBOLS.len() + 1), 8);
const DYNAMIC: usize = VERDEF + 2 * 28;
const DYNAMIC_SIZE: usize = 10 * 16;
const TEXT: usize = 0x300;
const SHSTRTAB: usize = TEXT + 4 * CODE.len();
const SHDRS: usize = align(SHSTRTAB + 80, 8);
const END: usize = SHDRS + 64 * (SECTIONS.len() + 1);
const DYNSTR_SIZE: usize = name_at(SYMBOLS.len()) + SONAME.len() + 1;
const _: () = assert!(DYNAMIC + DYNAMIC_SIZE <= TEXT && END <= SIZE);

const fn align(n: usize, to: usize) -> usize {
    n.div_ceil(to) * to
}

/// Offset in the string table of symbol `n`'s name (behind the last: of the image's own).
const fn name_at(n: usize) -> usize {
    let (mut at, mut i) = (1, 0);
    while i < n {
        at += SYMBOLS[i].name.len() + 1;
        i += 1;
    }
    at
}

/// The hash function of ELF's symbol tables.
const fn elf_hash(name: &str) -> u64 {
    let (mut h, mut i) = (0u32, 0);
    while i < name.len() {
        h = (h << 4).wrapping_add(name.as_bytes()[i] as u32);
        let g = h & 0xf000_0000;
        h = (h ^ g >> 24) & !g;
        i += 1;
    }
    h as u64
}

static IMAGE: Page = Page(build());

/// Bytes written one after the other.
struct Writer {
    bytes: [u8; SIZE],
    at: usize,
}

impl Writer {
    const fn put(&mut self, value: u64, size: usize) {
        let mut i = 0;
        while i < size {
            self.bytes[self.at] = (value >> (8 * i)) as u8;
            self.at += 1;
            i += 1;
        }
    }
    const fn all(&mut self, values: &[(u64, usize)]) {
        let mut i = 0;
        while i < values.len() {
            self.put(values[i].0, values[i].1);
            i += 1;
        }
    }
    const fn text(&mut self, s: &str) {
        let mut i = 0;
        while i < s.len() {
            self.put(s.as_bytes()[i] as u64, 1);
            i += 1;
        }
        self.put(0, 1);
    }
}

const fn build() -> [u8; SIZE] {
    let mut w = Writer { bytes: [0; SIZE], at: 0 };
    headers(&mut w);
    symbols(&mut w);
    versions(&mut w);
    w.at = TEXT;
    let mut i = 0;
    while i < CODE.len() {
        w.put(CODE[i].0 as u64, 4);
        i += 1;
    }
    sections(&mut w);
    w.bytes
}

/// ELF header, program headers, dynamic section.
const fn headers(w: &mut Writer) {
    w.all(&[(0x7f, 1), (b'E' as u64, 1), (b'L' as u64, 1), (b'F' as u64, 1), (2, 1), (1, 1), (1, 1), (0, 1), (0, 8)]);
    // ET_DYN, EM_AARCH64; no entry.
    w.all(&[(3, 2), (183, 2), (1, 4), (0, 8), (PHDRS as u64, 8), (SHDRS as u64, 8), (0, 4)]);
    w.all(&[(64, 2), (56, 2), (2, 2), (64, 2), (SECTIONS.len() as u64 + 1, 2), (SECTIONS.len() as u64, 2)]);
    // PT_LOAD (R, X), PT_DYNAMIC (R): type, flags, offset, two addresses, two sizes, alignment.
    w.all(&[(1, 4), (5, 4), (0, 8), (0, 8), (0, 8), (END as u64, 8), (END as u64, 8), (SIZE as u64, 8)]);
    let (at, size) = (DYNAMIC as u64, DYNAMIC_SIZE as u64);
    w.all(&[(2, 4), (4, 4), (at, 8), (at, 8), (at, 8), (size, 8), (size, 8), (8, 8)]);
    w.at = DYNAMIC;
    // SONAME, HASH, STRTAB, SYMTAB, STRSZ, SYMENT, VERSYM, VERDEF, VERDEFNUM, NULL
    w.all(&[(14, 8), (name_at(SYMBOLS.len()) as u64, 8), (4, 8), (HASH as u64, 8), (5, 8), (DYNSTR as u64, 8)]);
    w.all(&[(6, 8), (DYNSYM as u64, 8), (10, 8), (DYNSTR_SIZE as u64, 8), (11, 8), (24, 8)]);
    w.all(&[
        (0x6fff_fff0, 8),
        (VERSYM as u64, 8),
        (0x6fff_fffc, 8),
        (VERDEF as u64, 8),
        (0x6fff_fffd, 8),
        (2, 8),
        (0, 8),
        (0, 8),
    ]);
}

/// Hash table of one chain, symbols, their names.
const fn symbols(w: &mut Writer) {
    let n = SYMBOLS.len();
    w.at = HASH;
    w.all(&[(1, 4), (n as u64 + 1, 4), (n as u64, 4), (0, 4)]);
    let mut i = 0;
    while i < n {
        w.put(i as u64, 4);
        i += 1;
    }
    w.at = DYNSYM + 24;
    i = 0;
    while i < n {
        // In no section, its value is absolute.
        let (section, start, end) = match SYMBOLS[i].code {
            Some((start, end)) => (TEXT_SECTION, TEXT + 4 * start, TEXT + 4 * end),
            None => (0xfff1, 0, 0),
        };
        w.all(&[
            (name_at(i) as u64, 4),
            (SYMBOLS[i].info, 1),
            (0, 1),
            (section, 2),
            (start as u64, 8),
            ((end - start) as u64, 8),
        ]);
        i += 1;
    }
    w.put(0, 1);
    i = 0;
    while i < n {
        w.text(SYMBOLS[i].name);
        i += 1;
    }
    w.text(SONAME);
}

/// Every symbol is of version 2; version 1 is the image itself.
const fn versions(w: &mut Writer) {
    w.at = VERSYM + 2;
    let mut i = 0;
    while i < SYMBOLS.len() {
        w.put(2, 2);
        i += 1;
    }
    let n = SYMBOLS.len();
    w.at = VERDEF;
    // Version of the format, VER_FLG_BASE, number, names, hash, where the name is, where the next is; the name, no more names.
    w.all(&[(1, 2), (1, 2), (1, 2), (1, 2), (elf_hash(SONAME), 4), (20, 4), (28, 4), (name_at(n) as u64, 4), (0, 4)]);
    w.all(&[(1, 2), (0, 2), (2, 2), (1, 2), (elf_hash(VERSION), 4), (20, 4), (0, 4), (name_at(n - 1) as u64, 4), (0, 4)]);
}

/// Section headers, for debuggers.
const fn sections(w: &mut Writer) {
    const ALLOC: u64 = 2;
    const EXEC: u64 = 4;
    w.at = SHSTRTAB + 1;
    let mut names = [0; SECTIONS.len()];
    let mut i = 0;
    while i < SECTIONS.len() {
        names[i] = (w.at - SHSTRTAB) as u64;
        w.text(SECTIONS[i]);
        i += 1;
    }
    assert!(w.at <= SHDRS);
    let shstrtab = (w.at - SHSTRTAB) as u64;
    let symbols = SYMBOLS.len() as u64 + 1;
    // Type, flags, place, size, link, info, alignment, size of an entry.
    let of = [
        (5, ALLOC, HASH, 4 * (3 + symbols), 2, 0, 4, 4),
        (11, ALLOC, DYNSYM, 24 * symbols, 3, 1, 8, 24),
        (3, ALLOC, DYNSTR, DYNSTR_SIZE as u64, 0, 0, 1, 0),
        (0x6fff_ffff, ALLOC, VERSYM, 2 * symbols, 2, 0, 2, 2),
        (0x6fff_fffd, ALLOC, VERDEF, 56, 3, 2, 8, 0),
        (6, ALLOC, DYNAMIC, DYNAMIC_SIZE as u64, 3, 0, 8, 16),
        (1, ALLOC | EXEC, TEXT, 4 * CODE.len() as u64, 0, 0, 16, 0),
        (3, 0, SHSTRTAB, shstrtab, 0, 0, 1, 0),
    ];
    w.at = SHDRS + 64;
    i = 0;
    while i < of.len() {
        let (kind, flags, at, size, link, info, align, entry) = of[i];
        let address = if flags & ALLOC != 0 { at as u64 } else { 0 };
        w.all(&[(names[i], 4), (kind, 4), (flags, 8), (address, 8), (at as u64, 8), (size, 8)]);
        w.all(&[(link, 4), (info, 4), (align, 8), (entry, 8)]);
        i += 1;
    }
}

/// For the guest's value.
pub const VDSO: Vdso = Vdso { image: &IMAGE, sigreturn: (TEXT + 4) as u64 };

#[cfg(test)]
mod tests {
    use super::*;
    use goblin::elf::Elf;

    /// What other programs read it by.
    #[test]
    fn the_image_is_what_an_arm64_kernel_maps() {
        let elf = Elf::parse(&IMAGE.0).unwrap();
        assert_eq!((elf.header.e_machine, elf.is_lib, elf.soname), (183, true, Some(SONAME)));
        let load = &elf.program_headers[0];
        assert_eq!((load.p_type, load.p_flags, load.p_offset, load.p_vaddr), (1, 5, 0, 0));
        let names: Vec<&str> = elf.dynsyms.iter().map(|s| elf.dynstrtab.get_at(s.st_name).unwrap()).collect();
        assert_eq!(names[1..], SYMBOLS.map(|s| s.name));
        for (symbol, expected) in elf.dynsyms.iter().skip(1).zip(&SYMBOLS) {
            let first = &IMAGE.0[symbol.st_value as usize..];
            assert!(expected.code.is_none_or(|(n, _)| first[..4] == CODE[n].0.to_le_bytes()), "{}", expected.name);
        }
        let versions = elf.verdef.unwrap();
        let versions: Vec<_> = versions.iter().map(|v| (v.vd_ndx, v.iter().next().unwrap().vda_name)).collect();
        let named: Vec<_> = versions.iter().map(|&(n, name)| (n, elf.dynstrtab.get_at(name).unwrap())).collect();
        assert_eq!(named, [(1, SONAME), (2, VERSION)]);
        assert!(elf.versym.unwrap().iter().skip(1).all(|v| v.vs_val == 2));
        let sections: Vec<&str> = elf.section_headers.iter().map(|s| elf.shdr_strtab.get_at(s.sh_name).unwrap()).collect();
        assert_eq!(sections[1..], SECTIONS);
        assert_eq!(elf_hash(VERSION), 123_718_537);
    }

    #[test]
    fn the_code_is_what_its_text_says() {
        for (n, (word, text)) in CODE.iter().enumerate() {
            let pc = (TEXT + 4 * n) as u64;
            assert_eq!((jit::guest::arm64::GUEST.disasm)(&word.to_le_bytes(), pc).trim(), *text, "{n}");
        }
    }
}
