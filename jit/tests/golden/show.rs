//! What a case is translated to, in words that don't depend on where anything lies.

use capstone::prelude::*;
use jit::code::lift::preview;
use jit::cpu::Cpu;
use jit::guest::arm64::GUEST;
use jit::guest::{Fetch, Hints};
use jit::host::amd64::stubs::Stub;
use jit::host::amd64::Amd64;
use jit::host::{Backend, Emitted, Features, Reloc};
use jit::ir::{text, Block, GuestReg, Mode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::mem::offset_of;

/// Where a case lies: high enough that addresses are no 32-bit immediates, as those of most programs.
pub const BASE: u64 = 0x55_0000_0000;

/// A host to translate for.
pub struct Host {
    pub name: &'static str,
    features: Features,
}

const V3: Features = Features {
    avx: true,
    avx2: true,
    fma: true,
    f16c: true,
    bmi: true,
    lzcnt: true,
    // No part of x86-64-v3, but there on every CPU of it.
    aes: true,
    pclmul: true,
    sha: false,
    gfni: false,
    avx512: false,
    vnni: false,
};

/// The sets of features: what every CPU has, what most have, what one can have.
pub const HOSTS: [Host; 3] = [
    Host { name: "v2", features: Features::BASELINE },
    Host { name: "v3", features: V3 },
    Host { name: "avx512", features: Features { sha: true, gfni: true, avx512: true, vnni: true, ..V3 } },
];

/// Instructions of a case.
pub struct Counts {
    pub guest: usize,
    /// By [`HOSTS`].
    pub host: [usize; HOSTS.len()],
}

struct Code<'a>(&'a [u32]);

impl Code<'_> {
    /// Whether this is behind the last instruction.
    fn is_end(&self, pc: u64) -> bool {
        pc == BASE + 4 * self.0.len() as u64
    }
}

impl Fetch for Code<'_> {
    fn fetch32(&self, pc: u64) -> Option<u32> {
        self.0.get(usize::try_from(pc.wrapping_sub(BASE)).ok()? / 4).copied()
    }
}

/// Nothing was learned; what was translated is known.
struct Done<'a>(&'a BTreeSet<u64>);

impl Hints for Done<'_> {
    fn hint(&self, _pc: u64) -> u8 {
        0
    }
    fn translated(&self, pc: u64) -> bool {
        self.0.contains(&pc)
    }
}

/// Append to `out` what the blocks of a case become in a mode, in the order in which a program without taken branches meets them.
pub fn translate(words: &[u32], mode: Mode, mark: &str, out: &mut String) -> Counts {
    let code = Code(words);
    let mut hosts = HOSTS.each_ref().map(|h| Amd64::new(GUEST.hot_gprs, GUEST.hot_vecs, h.features));
    let (mut block, mut emitted) = (Block::default(), Emitted::default());
    let mut counts = Counts { guest: 0, host: [0; HOSTS.len()] };
    let (mut done, mut todo) = (BTreeSet::new(), vec![BASE]);
    while let Some(pc) = todo.pop() {
        if done.contains(&pc) || code.fetch32(pc).is_none() {
            continue;
        }
        preview(&GUEST, &mut block, &code, &Done(&done), pc, mode);
        done.insert(pc);
        counts.guest += block.guest_insns() as usize;
        let _ = writeln!(out, "{mark} {}", neutral(&format!("{pc:#x}")));
        text::print(&block, GUEST.reg_name).lines().skip(1).for_each(|l| *out += &format!("{}\n", neutral(l)));
        let mut listings: Vec<(String, Vec<&str>)> = Vec::new();
        for (n, backend) in hosts.iter_mut().enumerate() {
            backend.emit(&mut block, &mut emitted);
            let (straight, listing) = Listing::new(&emitted, &code).render();
            counts.host[n] += straight;
            match listings.iter_mut().find(|(l, _)| *l == listing) {
                Some((_, names)) => names.push(HOSTS[n].name),
                None => listings.push((listing, vec![HOSTS[n].name])),
            }
        }
        listings.iter().for_each(|(l, names)| *out += &format!("{mark} {}: {l}", names.join(", ")));
        // The nearest last, so that it comes next.
        todo.extend(emitted.links.iter().map(|l| l.target).filter(|t| !done.contains(t)));
        todo.sort_by(|a, b| b.cmp(a));
    }
    counts
}

/// Addresses in and near the case's code become relative to it.
fn neutral(line: &str) -> String {
    let mut s = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("0x") {
        let digits = rest[at + 2..].find(|c: char| !c.is_ascii_hexdigit()).map_or(rest.len(), |n| at + 2 + n);
        let near =
            u64::from_str_radix(&rest[at + 2..digits], 16).ok().and_then(|a| a.checked_sub(BASE)).filter(|&d| d < 0x1000_0000);
        s += &rest[..at];
        match near {
            Some(d) => s += &format!("pc+{d:#x}"),
            None => s += &rest[at..digits],
        }
        rest = &rest[digits..];
    }
    s + rest
}

/// A host instruction.
struct Insn {
    at: u32,
    end: u32,
    mnemonic: String,
    operands: String,
}

/// Emitted code, disassembled.
struct Listing<'a> {
    e: &'a Emitted,
    insns: Vec<Insn>,
    /// Places that are jumped to, with their numbers.
    labels: BTreeMap<u32, usize>,
}

impl Listing<'_> {
    fn new<'a>(e: &'a Emitted, code: &Code) -> Listing<'a> {
        let mut l = Listing { e, insns: Vec::new(), labels: BTreeMap::new() };
        // Stubs of links are all alike, and end in a number.
        let mut stubs: Vec<(u32, u32)> = e.links.iter().filter(|l| !l.direct).map(|l| (l.stub, l.site + 4)).collect();
        stubs.sort();
        let mut from = 0;
        for (stub, end) in stubs.into_iter().chain([(e.data, e.data)]) {
            l.disassemble(from, stub);
            from = end;
        }
        l.drop_way_out(code);
        let inside: Vec<u32> =
            l.insns.iter().filter(|i| l.named_target(i).is_none()).filter_map(Insn::target).filter(|&t| t < e.data).collect();
        l.labels = inside.into_iter().collect::<BTreeSet<_>>().into_iter().enumerate().map(|(n, t)| (t, n + 1)).collect();
        l
    }

    fn disassemble(&mut self, from: u32, end: u32) {
        let code = &self.e.code[from as usize..end.min(self.e.data) as usize];
        // Padding before the constants.
        let used = code.iter().rposition(|&b| b != 0xcc).map_or(0, |n| n + 1);
        let cs = Capstone::new().x86().mode(arch::x86::ArchMode::Mode64).syntax(arch::x86::ArchSyntax::Intel).build();
        let cs = cs.expect("capstone");
        let insns = cs.disasm_all(&code[..used], from as u64).expect("x86 code");
        let mut at = from;
        for i in insns.iter() {
            at = i.address() as u32 + i.bytes().len() as u32;
            let text = |s: Option<&str>| s.unwrap_or("?").to_string();
            self.insns.push(Insn { at: i.address() as u32, end: at, mnemonic: text(i.mnemonic()), operands: text(i.op_str()) });
        }
        assert_eq!((at - from) as usize, used, "undecodable host code {:02x?}", &code[(at - from) as usize..used]);
    }

    /// What goes on behind the case's last instruction is not part of it.
    fn drop_way_out(&mut self, code: &Code) {
        let last = self.insns.iter().rposition(|i| i.at < self.e.cold);
        let leaves = |i: &Insn| i.mnemonic == "jmp" && self.e.links.iter().any(|l| l.at + 4 == i.end && code.is_end(l.target));
        let Some(mut n) = last.filter(|&n| leaves(&self.insns[n])) else { return };
        self.insns.remove(n);
        while n > 0 && self.insns[n - 1].mnemonic == "nop" {
            n -= 1;
            self.insns.remove(n);
        }
    }

    /// Straight instructions, and the text: the counts, then a line each.
    fn render(&self) -> (usize, String) {
        let straight = self.insns.iter().filter(|i| i.at < self.e.cold).count();
        let cold = self.insns.len() - straight;
        let bytes: u32 = self.insns[..straight].iter().map(|i| i.end - i.at).sum();
        let mut s = format!("{straight} instructions, {bytes} bytes");
        if cold != 0 {
            let _ = write!(s, "; aside {cold}");
        }
        s += "\n";
        for i in &self.insns {
            if let Some(n) = self.labels.get(&i.at) {
                let _ = writeln!(s, "  @{n}:");
            }
            let line = format!("{} {}", i.mnemonic, self.operands(i));
            let _ = writeln!(s, "    {}", neutral(line.trim_end()));
        }
        (straight, s)
    }

    /// Where a jump or call leads, if that is not within the block.
    fn named_target(&self, i: &Insn) -> Option<String> {
        let field = i.end.checked_sub(4)?;
        let link = self.e.links.iter().find(|l| l.at == field).map(|l| format!("{:#x}", l.target));
        link.or_else(|| {
            self.e.relocs.iter().find_map(|r| match *r {
                Reloc::Stub { at, stub } if at == field => Some(stub_name(stub)),
                _ => None,
            })
        })
    }

    fn operands(&self, i: &Insn) -> String {
        if let Some(name) = self.named_target(i) {
            return name;
        }
        if let Some(n) = i.target().filter(|_| i.mnemonic != "lea").and_then(|t| self.labels.get(&t)) {
            return format!("@{n}");
        }
        let s = i.operands.replace(" ptr ", " ");
        match s.split_once('[').and_then(|(before, rest)| rest.split_once(']').map(|(m, after)| (before, m, after))) {
            Some((before, memory, after)) => match self.place(i, memory) {
                Some(p) => format!("{before}[{p}]{after}"),
                None => s,
            },
            None => s,
        }
    }

    /// What a memory operand of the CPU state or the block's own constants means.
    fn place(&self, i: &Insn, memory: &str) -> Option<String> {
        let (base, disp) = memory.split_once(' ').unwrap_or((memory, ""));
        let disp = match disp.split_at(disp.len().min(2)) {
            ("", "") => 0,
            ("+ ", d) => number(d)?,
            ("- ", d) => -number(d)?,
            _ => return None,
        };
        match base {
            "rbp" => Some(cpu_place((disp + Cpu::BIAS as i64) as usize)),
            "rip" => Some(self.own_place(i, u32::try_from(i.end as i64 + disp).ok()?)),
            _ => None,
        }
    }

    fn own_place(&self, i: &Insn, at: u32) -> String {
        if at < self.e.data {
            return self.labels.get(&at).map_or("code".into(), |n| format!("@{n}"));
        }
        // What is computed in software is described by a record, whose numbers change when operations are added.
        if i.mnemonic == "lea" {
            return "record".into();
        }
        let c =
            self.e.code.get(at as usize..at as usize + 16).map_or(0, |b| b.iter().rev().fold(0u128, |n, &b| n << 8 | b as u128));
        format!("constant {c:#x}")
    }
}

impl Insn {
    /// Where a direct jump or call, or an address within the code, leads.
    fn target(&self) -> Option<u32> {
        if self.mnemonic.starts_with('j') || self.mnemonic == "call" {
            return number(&self.operands).and_then(|t| u32::try_from(t).ok());
        }
        let address = self.operands.split_once("[rip + ").or_else(|| self.operands.split_once("[rip - "))?.1.strip_suffix(']')?;
        let sign = if self.operands.contains("[rip - ") { -1 } else { 1 };
        (self.mnemonic == "lea").then(|| u32::try_from(self.end as i64 + sign * number(address)?).ok()).flatten()
    }
}

fn number(s: &str) -> Option<i64> {
    match s.strip_prefix("0x") {
        Some(h) => i64::from_str_radix(h, 16).ok(),
        None => s.parse().ok(),
    }
}

fn stub_name(stub: u8) -> String {
    const NAMED: [Stub; 6] = [Stub::Link, Stub::Lookup, Stub::Pending, Stub::Trap, Stub::Eval, Stub::ReturnMiss];
    NAMED.iter().find(|&&s| s as u8 == stub).map_or_else(|| format!("stub {stub}"), |s| format!("<{s:?}>"))
}

/// A place in the CPU state.
fn cpu_place(offset: usize) -> String {
    let register = (0..=128).map(GuestReg).filter(|r| matches!(r.0, 0..=39 | 64..=95 | 128)).find_map(|r| {
        let size = match r.0 {
            0..=63 => 8,
            64..=127 => 16,
            _ => 4,
        };
        let within = offset.checked_sub(Cpu::offset(r)).filter(|&d| d < size)?;
        Some(((GUEST.reg_name)(r), within))
    });
    macro_rules! fields {
        ($($field:ident)*) => { [$((stringify!($field), offset_of!(Cpu, $field))),*] };
    }
    let fields = fields!(pending jump_cache pc exit_kind exit_trap exit_arg exit_imm guest_fpctl host_fpctl jump_cache2 jump_mask2
        inside host_sp ret_sp ret_base excl_addr excl_size excl_value eval_sp qc fpsr fpcr spill call_args call_result);
    let field = || fields.iter().filter(|f| f.1 <= offset).max_by_key(|f| f.1).map(|&(n, at)| (n.to_string(), offset - at));
    match register.or_else(field) {
        Some((name, 0)) => name,
        Some((name, d)) => format!("{name}+{d}"),
        None => format!("cpu+{offset}"),
    }
}
