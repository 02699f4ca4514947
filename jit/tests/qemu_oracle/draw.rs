//! Drawing cases from the decode tables.
//!
//! A draw is random first and made comparable after: base registers are moved until memory operands fall into the window, and
//! what would still touch anything that the sides do not share is drawn again.

use crate::case::*;
use crate::interp::{Access, Run, Stepper};
use crate::qemu;
use crate::random::Random;
use jit::guest::arm64::decode::{find, Row, ROWS};

/// Rows that are not drawn, and why: their result rightly differs between machines, or they would take the runner itself down.
pub const NOT_COMPARED: &[(&str, &str)] = &[
    ("SVC", "a system call: tests/sys"),
    ("BRK", "ends every case"),
    ("HVC", "undefined but in the vDSO: tests/sys/vdso.c"),
    ("MRS_CTR", "the sizes of cache lines are each machine's own"),
    ("MRS_CNTFRQ", "each machine's own"),
    ("MRS_CNTVCT", "the time"),
    ("MRS_id", "each machine's own features"),
    ("MRS_TPIDR", "the runner keeps a register there"),
    ("MSR_TPIDR", "the runner keeps a register there"),
    ("MRS_TPIDRRO", "the kernel's to set"),
    ("MRS_SSBS", "a CPU may forget it at any time"),
    ("MRS_RNDR", "random"),
    ("MRS_RNDRRS", "random"),
    ("DC_CVAP", "QEMU refuses it where there is no persistent memory"),
    ("DC_CVADP", "QEMU refuses it where there is no persistent memory"),
];

/// Rows that depend on the size of cache lines, which is ours on one of QEMU's CPUs.
pub const BY_CACHE_LINE: &[&str] = &["DC_ZVA", "MRS_DCZID"];

/// Rows that QEMU before version 10 gets wrong: conversions, and misaligned accesses of the last.
pub const OLD_BUGS: &[&str] = &["FCVTZS_fix_sh", "FCVTZU_fix_sh", "FJCVTZS", "LDAPR"];

/// Rows with an offset from the pc in words: the field's mask and position.
const PC_RELATIVE: &[(&str, u32, u32)] = &[
    ("B", 0x3ff_ffff, 0),
    ("BL", 0x3ff_ffff, 0),
    ("B_cond", 0x7_ffff, 5),
    ("CBZ", 0x7_ffff, 5),
    ("CBNZ", 0x7_ffff, 5),
    ("TBZ", 0x3fff, 5),
    ("TBNZ", 0x3fff, 5),
    ("LDR_lit", 0x7_ffff, 5),
    ("LDRSW_lit", 0x7_ffff, 5),
    ("LDR_fp_lit", 0x7_ffff, 5),
];

/// How the names of rows begin that write or read NZCV.
const FLAGS: &[&str] =
    &["ADDS", "SUBS", "ANDS", "BICS", "ADC", "SBC", "CCM", "CS", "FCMP", "FCCMP", "FCSEL", "B_cond", "MRS_NZCV", "MSR_NZCV"];

const CLREX: u32 = 0xd503_3f5f;
/// The longest sequence, and what most are no longer than.
const LONGEST: u64 = 11;
const USUAL: u64 = 6;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Imm,
    Branch,
    Mem,
    Reg,
    Simd,
}

/// A row with what the drawing needs of it.
pub struct Kind {
    pub row: &'static Row,
    class: Class,
    /// Letter and lowest bit of the register fields.
    fields: Vec<(u8, u32)>,
    /// Bits that should be ones, and do not matter on most machines.
    ones: u32,
}

impl Kind {
    fn new(row: &'static Row) -> Kind {
        let p: Vec<u8> = row.pattern.bytes().filter(|b| *b != b' ').collect();
        assert_eq!(p.len(), 32, "{}", row.name);
        let mut fields = Vec::new();
        let mut at = 0;
        while at < 32 {
            let len = p[at..].iter().take_while(|b| **b == p[at]).count();
            if len == 5 && b"dnmatus".contains(&p[at]) {
                fields.push((p[at], 32 - at as u32 - 5));
            }
            at += len;
        }
        let class = match row.value >> 25 & 15 {
            8 | 9 => Class::Imm,
            10 | 11 => Class::Branch,
            5 | 13 => Class::Reg,
            7 | 15 => Class::Simd,
            _ => Class::Mem,
        };
        let ones = p.iter().fold(0, |v, b| v << 1 | (*b == b'-') as u32);
        Kind { row, class, fields, ones }
    }

    fn field(&self, letter: u8, word: u32) -> Option<u32> {
        self.fields.iter().find(|f| f.0 == letter).map(|f| word >> f.1 & 31)
    }

    /// Let registers be the same more often than chance does.
    fn overlap(&self, mut word: u32, r: &mut Random) -> u32 {
        if self.class != Class::Mem && self.fields.len() > 1 && r.chance(30) {
            let (_, from) = r.pick(&self.fields);
            let (_, to) = r.pick(&self.fields);
            let n = word >> from & 31;
            word = word & !(31 << to) | n << to;
        }
        word
    }

    /// Forms that hosts treat in ways of their own: results that nobody wants, masks within a byte.
    fn corner(&self, mut word: u32, r: &mut Random) -> u32 {
        let sets_flags = FLAGS[..4].iter().any(|f| self.row.name.starts_with(f));
        if sets_flags && r.chance(25) {
            word |= 31;
        }
        let mask_imm = ["AND_imm", "ANDS_imm", "ORR_imm", "EOR_imm"].contains(&self.row.name);
        if mask_imm && r.chance(25) {
            // A run of ones that ends at bit 7, 15 or 31.
            let ones = 1 + r.below(9) as u32;
            let top = r.pick(&[8, 8, 8, 16, 32]);
            let turn = (ones.wrapping_sub(top) & 63) << 16;
            let (size, turn) = if word >> 31 != 0 { (1 << 22, turn) } else { (0, turn & 31 << 16) };
            word = word & !(0x1fff << 10) | size | turn | (ones - 1) << 10;
        }
        word
    }

    fn stores_exclusively(&self) -> bool {
        self.row.name.starts_with("STX") || self.row.name.starts_with("STLX")
    }

    /// What the architecture leaves open: which of two results in one register wins, a base register that is data, too.
    fn unpredictable(&self, word: u32) -> bool {
        let (name, get) = (self.row.name, |letter| self.field(letter, word));
        let (t, u, n, s) = (get(b't'), get(b'u'), get(b'n'), get(b's'));
        let base = n.filter(|n| *n != 31);
        let writes_back = name.ends_with("_post") || name.ends_with("_pre");
        let general = !name.contains("_fp") && !name.contains("_q") && !name.as_bytes().get(2).is_some_and(u8::is_ascii_digit);
        // QEMU takes the register after X30 for SP.
        let around_31 = name == "CASP" && (word & 31 == 30 || word >> 16 & 31 == 30);
        let is_load_pair = ["LDP", "LDXP", "LDAXP"].iter().any(|p| name.starts_with(p));
        around_31
            || (is_load_pair && t == u)
            || (writes_back && general && self.class == Class::Mem && base.is_some() && (base == t || base == u))
            || (self.stores_exclusively() && (s == t || s == u || (s == n && base.is_some())))
    }
}

/// How the registers of a sequence are chosen, so that its instructions meet.
struct Shape {
    pool: Vec<u32>,
    bases: [u32; 2],
    index: u32,
}

impl Shape {
    fn new(r: &mut Random) -> Shape {
        let size = 2 + r.below(5);
        let pool = (0..size).map(|_| r.below(32) as u32).collect();
        Shape { pool, bases: [r.below(32) as u32, r.below(32) as u32], index: r.below(31) as u32 }
    }

    fn apply(&self, kind: &Kind, mut word: u32, r: &mut Random) -> u32 {
        let mem = kind.class == Class::Mem;
        let by_register = mem && kind.row.name.ends_with("_reg");
        for &(letter, shift) in &kind.fields {
            let to = match letter {
                b'n' if mem && r.chance(90) => r.pick(&self.bases),
                b'm' if by_register && r.chance(80) => self.index,
                _ if r.chance(75) => r.pick(&self.pool),
                _ => continue,
            };
            let result = matches!(letter, b'd' | b't' | b'u' | b's');
            if result && kind.class != Class::Simd && (self.bases.contains(&to) || to == self.index) && r.chance(85) {
                continue;
            }
            word = word & !(31 << shift) | to << shift;
        }
        word
    }
}

/// `word` made to put the window's address, a constant, into register `base`.
fn window_address(kind: &Kind, word: u32, pc: u64, base: u32) -> Option<u32> {
    match kind.row.name {
        "ADRP" => {
            let pages = (WINDOW / PAGE - pc / PAGE) as u32;
            Some(kind.row.value | (pages & 3) << 29 | pages >> 2 << 5 | base)
        }
        "MOVZ" => Some(kind.row.value | word & 1 << 31 | 1 << 21 | ((WINDOW >> 16) as u32) << 5 | base),
        _ => None,
    }
}

/// The load that a store-exclusive needs, into registers of its own.
fn exclusive_load(kind: &Kind, word: u32) -> Option<u32> {
    let rt = (word >> 5 & 31) ^ 1;
    if rt == 31 || rt ^ 2 == 31 {
        return None;
    }
    let load = if kind.row.name.ends_with('P') { 0x887f_0000 | ((rt ^ 2) << 10) } else { 0x085f_7c00 };
    Some(load | word & 0xc000_03e0 | rt)
}

/// Draws cases.
pub struct Draw {
    pub r: Random,
    pub stepper: Stepper,
    /// What the window's edges hold before each case.
    pub edges: Edges,
    pub kinds: Vec<Kind>,
    /// Those that write or read NZCV.
    flags: Vec<usize>,
}

impl Draw {
    /// Of the rows whose name contains one of the words of `filter`; `by_line`: those of [`BY_CACHE_LINE`], else the others.
    pub fn new(seed: u64, filter: &str, by_line: bool) -> Draw {
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let edges = std::array::from_fn(|_| r.next() as u8);
        let old = qemu::major().is_some_and(|v| v < 10);
        let wanted = |row: &&Row| {
            let excluded = NOT_COMPARED.iter().any(|n| n.0 == row.name) || old && OLD_BUGS.contains(&row.name);
            let by_line = BY_CACHE_LINE.contains(&row.name) == by_line;
            !excluded && by_line && filter.split(',').any(|f| row.name.contains(f))
        };
        let kinds: Vec<Kind> = ROWS.iter().filter(wanted).map(Kind::new).collect();
        let flags = (0..kinds.len()).filter(|n| FLAGS.iter().any(|f| kinds[*n].row.name.starts_with(f))).collect();
        Draw { r, stepper: Stepper::new(), edges, kinds, flags }
    }

    /// One instruction of row number `kind`.
    pub fn single(&mut self, kind: usize, pc: u64) -> (Case, Run) {
        for _ in 0..2000 {
            let mut case = self.empty(pc);
            if self.push(kind, None, 1, &mut case) {
                if let Some(run) = self.settle(&mut case) {
                    return (case, run);
                }
            }
        }
        panic!("{}: no case", self.kinds[kind].row.name);
    }

    /// A sequence.
    pub fn sequence(&mut self, pc: u64) -> (Case, Run) {
        loop {
            let mut case = self.empty(pc);
            let shape = Shape::new(&mut self.r);
            let longest = if self.r.chance(20) { LONGEST } else { USUAL };
            let len = 2 + self.r.below(longest - 1) as usize;
            let flavour = self.r.below(5);
            case.state.x[shape.index as usize] = self.r.below(48).wrapping_sub(self.r.below(2) * 16);
            let counted = self.r.chance(15) && self.loop_begins(&mut case);
            while case.len < len {
                let kind = self.kind(flavour);
                self.push(kind, Some(&shape), len, &mut case);
                if case.len < len && self.r.chance(30) {
                    self.push_other_half(&mut case);
                }
            }
            if counted {
                self.loop_ends(&mut case);
            }
            match self.settle(&mut case) {
                Some(run) if run.outcome.signal != SIGILL || self.r.chance(3) => return (case, run),
                _ => {}
            }
        }
    }

    /// After a half of a product of 64 bits somewhere in the case, another: of the same operands, which hosts multiply once.
    fn push_other_half(&mut self, case: &mut Case) {
        const HALVES: [u32; 3] = [0x9b00_7c00, 0x9bc0_7c00, 0x9b40_7c00];
        let half = |w: &&u32| HALVES.contains(&(**w & 0xffe0_7c00)) || **w & 0xffe0_8000 == 0x9b00_0000;
        let Some(&word) = case.code[..case.len].iter().rev().find(half) else { return };
        let (n, m) = (word >> 5 & 31, word >> 16 & 31);
        let (n, m) = if self.r.chance(30) { (m, n) } else { (n, m) };
        let halves: Vec<_> =
            HALVES.iter().filter(|h| self.kinds.iter().any(|k| **h & k.row.mask == k.row.value)).copied().collect();
        if !halves.is_empty() {
            case.code[case.len] = self.r.pick(&halves) | m << 16 | n << 5 | self.r.below(31) as u32;
            case.len += 1;
        }
    }

    /// Begin a loop that counts W30 down.
    fn loop_begins(&mut self, case: &mut Case) -> bool {
        // movz w30, #n
        case.code[0] = 0x5280_001e | (2 + self.r.below(4) as u32) << 5;
        case.len = 1;
        true
    }

    /// Its end: one of the forms of "decrement and branch back".
    fn loop_ends(&mut self, case: &mut Case) {
        let back = 1u32.wrapping_sub(case.len as u32 + 1);
        // subs w30, w30, #1; b.ne | sub w30, w30, #1; cbnz w30 | tbz w30, #31 after a subtraction (one round more)
        let (count, branch) = match self.r.below(3) {
            0 => (0x7100_07de, 0x5400_0001 | (back & 0x7_ffff) << 5),
            1 => (0x5100_07de, 0x3500_001e | (back & 0x7_ffff) << 5),
            _ => (0x5100_07de, 0x36f8_001e | (back & 0x3fff) << 5),
        };
        case.code[case.len..case.len + 2].copy_from_slice(&[count, branch]);
        case.len += 2;
    }

    /// A row for a sequence: 0 anything, 1 mostly integers, 2 mostly vectors, 3 a mix, 4 mostly conditions.
    fn kind(&mut self, flavour: u64) -> usize {
        const MIXES: [&[Class]; 3] = [
            &[Class::Imm, Class::Imm, Class::Reg, Class::Reg, Class::Reg, Class::Reg, Class::Mem, Class::Branch],
            &[Class::Simd, Class::Simd, Class::Simd, Class::Simd, Class::Simd, Class::Mem, Class::Reg, Class::Imm],
            &[Class::Imm, Class::Reg, Class::Mem, Class::Mem, Class::Simd, Class::Branch],
        ];
        let any = self.r.below(self.kinds.len() as u64) as usize;
        if flavour == 0 {
            return any;
        }
        if flavour == 4 && !self.flags.is_empty() && self.r.chance(75) {
            return self.r.pick(&self.flags);
        }
        let class = self.r.pick(MIXES[flavour.min(3) as usize - 1]);
        let draws = (0..50).map(|_| self.r.below(self.kinds.len() as u64) as usize).find(|n| self.kinds[*n].class == class);
        draws.unwrap_or(any)
    }

    fn empty(&mut self, pc: u64) -> Case {
        Case { code: [BRK; WORDS], len: 0, read: false, state: self.r.state(pc) }
    }

    /// Add an instruction (a store-exclusive with its load) to a case that is to have `len`; `false` when it isn't fit.
    fn push(&mut self, kind: usize, shape: Option<&Shape>, len: usize, case: &mut Case) -> bool {
        let (kind, r) = (&self.kinds[kind], &mut self.r);
        let mut word = r.next() as u32 & !kind.row.mask | kind.row.value | kind.ones;
        word = match shape {
            Some(shape) => shape.apply(kind, word, r),
            None => kind.overlap(word, r),
        };
        word = kind.corner(word, r);
        let at = case.len as u64;
        if let Some(shape) = shape.filter(|_| r.chance(50)) {
            word = window_address(kind, word, case.state.pc + 4 * at, shape.bases[0]).unwrap_or(word);
        }
        if let Some(&(_, field, shift)) = PC_RELATIVE.iter().find(|p| p.0 == kind.row.name) {
            let offset = match r.below(8) {
                0 if shape.is_none() => word >> shift,
                1 if at > 0 => r.below(at + 1).wrapping_neg() as u32,
                _ => 1 + r.below((len as u64 - at).max(3)) as u32,
            };
            word = word & !(field << shift) | (offset & field) << shift;
        }
        if find(word).map(|f| f.name) != Some(kind.row.name) || kind.unpredictable(word) {
            return false;
        }
        if kind.class == Class::Branch && matches!(kind.row.name, "BR" | "BLR" | "RET") && r.chance(90) {
            let target = case.state.pc + 4 * (at + 1 + r.below(len as u64 - at + 1));
            case.state.x[(word >> 5 & 31).min(30) as usize] = target;
        }
        let mut add = |w: u32| {
            case.code[case.len] = w;
            case.len += 1;
        };
        // Rarely without a load: the monitor is open, or still another's.
        if kind.stores_exclusively() && at < LONGEST - 1 && !r.chance(15) {
            let Some(load) = exclusive_load(kind, word) else { return false };
            add(load);
            match r.below(5) {
                0 if shape.is_none() => add(CLREX),
                // The first one opens the monitor.
                1 if shape.is_none() => add(word),
                _ => {}
            }
        }
        add(word);
        true
    }

    /// Move memory operands into the window; `None` when the case stays incomparable.
    fn settle(&mut self, case: &mut Case) -> Option<Run> {
        let mut aimed = 0u32;
        loop {
            let run = self.stepper.run(case, &self.edges);
            let Some(access) = run.accesses.iter().find(|a| aimed >> a.insn & 1 == 0).copied() else {
                case.read = run.reads_code;
                return (!run.wild && run.outcome.signal != 0).then_some(run);
            };
            aimed |= 1 << access.insn;
            self.aim(case, access);
        }
    }

    /// Move a base register so that this access falls into the window, or just beside it.
    fn aim(&mut self, case: &mut Case, access: Access) {
        let (word, r) = (case.code[access.insn], &mut self.r);
        let name = case.row(access.insn).map_or("", |row| row.name);
        let strict = wants_alignment(word);
        let inside = access.addr.wrapping_sub(WINDOW) < PAGE;
        if name.ends_with("_lit") || (inside && case.len > 1) || (r.chance(3) && !strict) {
            return;
        }
        let mut at = r.below(EDGE as u64 - 80);
        match r.below(100) {
            _ if strict => at &= !15,
            0..=39 => at &= !15,
            40..=44 => at = PAGE - r.below(80),
            45..=49 => at = r.below(32).wrapping_neg(),
            50..=69 => at += PAGE - EDGE as u64,
            _ => {}
        }
        let mut delta = (WINDOW.wrapping_add(at)).wrapping_sub(access.addr);
        if r.chance(4) {
            delta = delta.wrapping_add(r.next() << 56);
        }
        let n = (if name.starts_with("DC_") { word } else { word >> 5 } & 31) as usize;
        // Registers that hold what the memory holds let comparisons succeed.
        if (strict || case.len == 1) && r.chance(50) && at < EDGE as u64 - 16 {
            let step = if word >> 30 == 0 { 4 } else { 8 };
            for k in (0..31).filter(|k| *k != n) {
                let from = at as usize + (k & 1) * step;
                case.state.x[k] = u64::from_le_bytes(self.edges[from..from + 8].try_into().unwrap());
            }
        }
        let base = case.state.x_sp(n);
        *base = base.wrapping_add(delta);
    }
}
