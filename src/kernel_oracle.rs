//! Tests of loading against the kernel's own: the same files are executed natively (and stopped before their first instruction) and
//! loaded by us, and what both did is compared: errors, arguments, memory map, contents, auxiliary vector and stack.
//!
//! The loader does not care for the machine's name, so host programs serve.

use crate::auxv::{self, StackParams};
use crate::elf::{Arch, PAGE};
use crate::errno::Errno;
use crate::image::{open_for_exec, resolve, Image, Request, Resolved};
use crate::loader::{host_prot, load, GuestMmap, HostMmap, Label, Layout};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

/// Held by whatever has files to execute: while a thread writes one, another's fork would keep it open, and the kernel would find it busy. And programs with addresses
/// of their own can be mapped one at a time only.
static ALONE: Mutex<()> = Mutex::new(());

/// A folder that goes away with its owner. One exists at a time.
pub struct TempDir {
    /// Where it is.
    pub path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl TempDir {
    /// A fresh one.
    pub fn new(name: &str) -> TempDir {
        let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        let dir = std::env::temp_dir().join(format!("rf-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        TempDir { path: dir, _alone }
    }

    /// A program file in it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        // A fresh inode each time: an old one may still be executing.
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A program executed by the kernel, stopped before its first instruction.
struct Stopped(Child);

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// execve said so.
    Errno(i32),
    /// The process was killed on the way.
    Killed,
}

impl Stopped {
    fn exec(path: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<Stopped, Refused> {
        let path = c(path.as_os_str().as_bytes());
        let argv: Vec<CString> = [path.clone()].into_iter().chain(args.iter().map(|a| c(a.as_bytes()))).collect();
        let env: Vec<CString> = env.iter().map(|(k, v)| c(format!("{k}={v}").as_bytes())).collect();
        let mut cmd = Command::new("-");
        cmd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not by Command itself, which hands to a shell what the kernel refuses.
        // SAFETY: these calls are safe between fork and exec; the allocations find no lock held by code that could not run on.
        unsafe {
            cmd.pre_exec(move || {
                libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                let ptrs = |v: &[CString]| v.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
                libc::execve(path.as_ptr(), ptrs(&argv).as_ptr(), ptrs(&env).as_ptr());
                Err(std::io::Error::last_os_error())
            })
        };
        let child = cmd.spawn().map_err(|e| Refused::Errno(e.raw_os_error().unwrap()))?;
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child.id() as i32, &mut status, 0) };
        let stopped = Stopped(child);
        if libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGTRAP {
            Ok(stopped)
        } else {
            Err(Refused::Killed)
        }
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(format!("/proc/{}/{file}", self.0.id())).unwrap()
    }

    fn auxv(&self) -> Vec<(u64, u64)> {
        let words: Vec<u64> = self.read("auxv").chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect();
        words.chunks_exact(2).map(|p| (p[0], p[1])).collect()
    }

    fn aux(&self, key: u64) -> u64 {
        self.auxv().iter().find(|e| e.0 == key).map_or(0, |e| e.1)
    }

    /// Fields of /proc/PID/stat, numbered as proc(5) does.
    fn stat(&self, field: usize) -> u64 {
        let text = String::from_utf8(self.read("stat")).unwrap();
        let rest = text.rsplit_once(") ").unwrap().1.to_owned();
        rest.split(' ').nth(field - 3).unwrap().parse().unwrap()
    }

    fn memory(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let mut buf = vec![0; len];
        fs::File::open(format!("/proc/{}/mem", self.0.id())).unwrap().read_exact_at(&mut buf, at).ok().map(|()| buf)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One page of a memory map: protection as the host has it for us, and the file's offset unless anonymous.
type Page = (String, Option<u64>);

fn pages(maps: &str) -> BTreeMap<u64, Page> {
    let mut out = BTreeMap::new();
    for line in maps.lines() {
        let f: Vec<&str> = line.split_whitespace().collect();
        let name = f.get(5).copied().unwrap_or("");
        let (lo, hi) = f[0].split_once('-').unwrap();
        let (lo, hi) = (u64::from_str_radix(lo, 16).unwrap(), u64::from_str_radix(hi, 16).unwrap());
        if name.starts_with("[v") || name == "[stack]" || lo >= 1 << 47 {
            continue;
        }
        let offset = u64::from_str_radix(f[2], 16).unwrap();
        let mut prot = 0;
        for (c, p) in [('r', libc::PROT_READ), ('w', libc::PROT_WRITE), ('x', libc::PROT_EXEC)] {
            prot |= if f[1].contains(c) { p } else { 0 };
        }
        let prot = host_prot(prot);
        let text = format!("{}{}", if prot & 1 != 0 { 'r' } else { '-' }, if prot & 2 != 0 { 'w' } else { '-' });
        for at in (lo..hi).step_by(PAGE as usize) {
            out.insert(at, (text.clone(), name.starts_with('/').then_some(offset + (at - lo))));
        }
    }
    out
}

/// Maps for real and remembers where, so that it can be taken away again.
#[derive(Default)]
struct Recorder(Vec<(u64, u64)>);

impl GuestMmap for Recorder {
    fn map(&mut self, addr: u64, len: u64, prot: i32, flags: i32, file: Option<(i32, u64)>, label: Label) -> Result<u64, Errno> {
        let at = HostMmap.map(addr, len, prot, flags, file, label)?;
        self.0.push((at, len));
        Ok(at)
    }

    fn unmap(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        HostMmap.unmap(addr, len)
    }
}

impl Recorder {
    fn covers(&self, at: u64) -> bool {
        self.0.iter().any(|&(lo, len)| at >= lo && at - lo < len)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        for (at, len) in self.0.drain(..) {
            let _ = HostMmap.unmap(at, len);
        }
    }
}

fn c(s: &[u8]) -> CString {
    CString::new(s).unwrap()
}

fn resolved(path: &Path, args: &[&str]) -> Result<Image, Refused> {
    let path = c(path.as_os_str().as_bytes());
    let refuse = |e: Errno| Refused::Errno(e.0);
    let file = open_for_exec(libc::AT_FDCWD, &path, 0).map_err(refuse)?;
    let argv = [path.clone()].into_iter().chain(args.iter().map(|a| c(a.as_bytes()))).map(Cow::Owned).collect();
    let req = Request { file, path: Cow::Owned(path), argv, path_inaccessible: false };
    let mut open = |p: &CStr| open_for_exec(libc::AT_FDCWD, p, 0);
    match resolve(req, true, &mut open) {
        Ok(Resolved::Foreign(image)) => Ok(*image),
        Ok(Resolved::Native) => unreachable!("programs of this machine are asked for"),
        Err(e) => Err(Refused::Errno(e.errno.0)),
    }
}

/// Compare everything about one program; returns whether it could be loaded.
fn compare(path: &Path, what: &str) -> bool {
    let native = Stopped::exec(path, &[], &[]);
    let image = match (resolved(path, &[]), &native) {
        (Ok(image), _) => image,
        (Err(e), Err(native)) => {
            assert_eq!(e, *native, "{what}");
            return false;
        }
        (Err(e), Ok(_)) => panic!("{what}: runs natively, we say {e:?}"),
    };
    let mut mm = Recorder::default();
    let layout = match (load(&mut mm, &image, 0x5000_0000_0000, &mut || 0), native.is_ok()) {
        (Ok(layout), true) => layout,
        (Err(_), false) => return false,
        (Ok(_), false) => panic!("{what}: {:?} natively, we load it", native.err()),
        (Err(e), true) => panic!("{what}: runs natively, we say {e:?}"),
    };
    compare_maps(&native.unwrap_or_else(|_| unreachable!()), &image, &layout, &mm, what);
    true
}

fn compare_maps(native: &Stopped, image: &Image, ours: &Layout, mm: &Recorder, what: &str) {
    let bias = native.aux(libc::AT_ENTRY).wrapping_sub(image.elf.entry);
    let base = native.aux(libc::AT_BASE);
    // Natively, the program's pages and its interpreter's are told apart by their place.
    let place = |at: u64| {
        if image.interp.is_some() && at >= base && base != 0 && (bias > base || at.wrapping_sub(base) < 1 << 32) {
            ("interp", at - base)
        } else {
            ("program", at.wrapping_sub(bias))
        }
    };
    let our_place = |at: u64| {
        if image.interp.is_some() && at.wrapping_sub(ours.interp_base) < 1 << 32 {
            ("interp", at - ours.interp_base)
        } else {
            ("program", at.wrapping_sub(ours.bias))
        }
    };
    let theirs = pages(&String::from_utf8(native.read("maps")).unwrap());
    let mine: BTreeMap<u64, Page> =
        pages(&fs::read_to_string("/proc/self/maps").unwrap()).into_iter().filter(|p| mm.covers(p.0)).collect();
    let a: BTreeMap<_, _> = theirs.iter().map(|(k, v)| (place(*k), v)).collect();
    let b: BTreeMap<_, _> = mine.iter().map(|(k, v)| (our_place(*k), v)).collect();
    assert_eq!(a, b, "{what}: memory map (kernel, ours)");

    let local = fs::File::open("/proc/self/mem").unwrap();
    let find = |p: (&str, u64)| mine.keys().copied().find(|&k| our_place(k) == p).unwrap();
    for &at in theirs.keys() {
        // Unreadable pages, and pages behind the file's end, can't be read on either side.
        let mut buf = vec![0; PAGE as usize];
        let ours = local.read_exact_at(&mut buf, find(place(at))).ok().map(|()| buf);
        assert!(ours == native.memory(at, PAGE as usize), "{what}: contents of {:x?}", place(at));
    }

    for (key, want) in [(libc::AT_PHDR, ours.phdr.wrapping_sub(ours.bias)), (libc::AT_ENTRY, ours.entry.wrapping_sub(ours.bias))]
    {
        assert_eq!(native.aux(key).wrapping_sub(bias), want, "{what}: auxv {key}");
    }
    assert_eq!(native.aux(libc::AT_PHNUM), ours.phnum, "{what}: AT_PHNUM");
    let code = [(26, ours.start_code), (27, ours.end_code), (45, ours.start_data), (46, ours.end_data)];
    for (field, want) in code {
        assert_eq!(native.stat(field).wrapping_sub(bias), want.wrapping_sub(ours.bias), "{what}: field {field} of stat");
    }
    if image.elf.fixed {
        assert_eq!(native.stat(47), ours.brk, "{what}: start of the heap");
    }
}

fn kernel_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut n = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (n.next().unwrap(), n.next().unwrap()) >= (major, minor)
}

/// A small generator of reproducible random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

#[test]
fn compiled_programs_are_mapped_as_by_the_kernel() {
    let dir = TempDir::new("maps");
    let source = dir.file(
        "p.c",
        b"#include <stdio.h>\nstatic char big[1 << 20];\nint data[5000] = {1};\n\
          static int wide __attribute__((aligned(1 << 16))) = 3;\n\
          int main(int c, char **v) { big[c] = 1; printf(\"%d %d\\n\", data[c], wide); return 0; }\n",
    );
    for flags in [
        "-static -no-pie",
        "-static-pie",
        "-no-pie",
        "-pie",
        "-pie -Wl,-z,noseparate-code",
        "-pie -Wl,-z,max-page-size=0x200000",
        "-static -no-pie -Wl,-z,max-page-size=0x10000,-z,noseparate-code",
        "-static -no-pie -Wl,-z,noseparate-code,-z,norelro",
        "-static -no-pie -Wl,-z,execstack",
    ] {
        let out = dir.path.join("p");
        let done =
            Command::new("cc").args(flags.split(' ')).arg("-o").arg(&out).arg(&source).stderr(Stdio::null()).status().unwrap();
        assert!(done.success(), "cc {flags}");
        assert!(compare(&out, flags), "{flags}: does not load");
    }
}

/// ELF files with random segments: overlapping, in any order, of odd sizes, empty, beyond the file's end.
#[test]
fn random_segments_are_mapped_as_by_the_kernel() {
    if !kernel_at_least(6, 10) {
        eprintln!("skipped: before Linux 6.10 the kernel zeroed bss differently");
        return;
    }
    let dir = TempDir::new("random");
    let mut loaded = 0;
    for seed in 0..400u64 {
        let mut r = Random(seed);
        let path = dir.file("p", &random_elf(&mut r));
        loaded += usize::from(compare(&path, &format!("seed {seed}")));
    }
    assert!(loaded > 60, "only {loaded} files were loadable: the generator is too wild to show anything");
}

fn random_elf(r: &mut Random) -> Vec<u8> {
    let count = 1 + r.next() % 4;
    let base = r.pick(&[0x400000u64, 0x10000000, 0, 0x20000]);
    let kind = if base == 0 { 3u16 } else { r.pick(&[2, 2, 3]) };
    let phoff = r.pick(&[64u64, 64, 64, 0x800]);
    let mut table = Vec::new();
    let mut at = base;
    for _ in 0..count {
        let vaddr = at.wrapping_add(r.pick(&[0, 0, 0x234, 0xff8, 0x1000]));
        let file_page = r.pick(&[0u64, 0, 0x1000, 0x2000, 0x5000]);
        // The kernel finds no place for a PIE without interpreter whose first segment has nothing of the file; we do.
        let filesz = r.pick(&[0u64, 1, 0x800, 0xff0, 0x1000, 0x1801, 0x3000]).max(u64::from(kind == 3));
        let memsz = filesz + r.pick(&[0u64, 0, 0, 8, 0x900, 0x1000, 0x4123]);
        let offset = file_page + if r.next() % 20 == 0 { 8 } else { vaddr % PAGE };
        let p_type = r.pick(&[1u32, 1, 1, 1, 1, 1, 1, 6]);
        table.extend(p_type.to_le_bytes());
        table.extend(r.pick(&[4u32, 5, 6, 6, 6, 7, 4]).to_le_bytes());
        let align = r.pick(&[4096u64, 4096, 1, 0, 0x10000, 3]);
        for word in [offset, vaddr, vaddr, filesz, memsz, align] {
            table.extend(word.to_le_bytes());
        }
        let step = r.pick(&[PAGE, 0x4000, 0x6000, 0x10000]);
        at = if r.next() % 8 == 0 { at.wrapping_sub(step) } else { at.wrapping_add(step) };
    }
    let (magic, _) = crate::binfmt::magic(Arch::HOST);
    let mut out = magic.to_vec();
    out[16..18].copy_from_slice(&kind.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for word in [base + 0x80, phoff, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, count as u16, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    out.resize(phoff as usize, 0x90);
    out.extend(table);
    out.resize(0x4000, 0xcc);
    out
}

/// `#!` lines made of the characters that matter: same error, or same arguments.
#[test]
fn script_lines_are_read_as_by_the_kernel() {
    let dir = TempDir::new("script");
    let tool = dir.path.join("t");
    fs::copy("/bin/true", &tool).unwrap();
    let tool = tool.to_str().unwrap().to_owned();
    let mut r = Random(7);
    for case in 0..1500 {
        let mut line = b"#!".to_vec();
        for _ in 0..r.next() % 7 {
            let piece: &[u8] = match r.next() % 10 {
                0 | 1 => b" ",
                2 => b"\t",
                3 => b"\n",
                4 => b"\0",
                5 => b"x",
                _ => tool.as_bytes(),
            };
            line.extend_from_slice(piece);
        }
        if r.next() % 8 == 0 {
            let fill = r.pick(b" a\t");
            line.resize(r.pick(&[253, 254, 255, 256, 257, 300]), fill);
        }
        if r.next() % 2 == 0 {
            line.push(b'\n');
        }
        let path = dir.file("s", &line);
        let native = Stopped::exec(&path, &["one", ""], &[]).map(|s| s.read("cmdline"));
        let ours = resolved(&path, &["one", ""]).map(|i| i.argv.iter().flat_map(|a| a.to_bytes_with_nul().to_vec()).collect());
        assert_eq!(native, ours, "case {case}: {:?}", String::from_utf8_lossy(&line));
    }
}

#[test]
fn scripts_may_be_interpreters_of_scripts_as_deep_as_in_the_kernel() {
    let dir = TempDir::new("deep");
    let mut interpreter = PathBuf::from("/bin/true");
    for depth in 0..8 {
        interpreter = dir.file(&format!("s{depth}"), format!("#!{} a{depth}\n", interpreter.display()).as_bytes());
        let native = Stopped::exec(&interpreter, &["x"], &[]).map(|s| s.read("cmdline"));
        let ours = resolved(&interpreter, &["x"]).map(|i| i.argv.iter().flat_map(|a| a.to_bytes_with_nul().to_vec()).collect());
        assert_eq!(native, ours, "depth {depth}");
    }
}

#[test]
fn the_stack_is_laid_out_as_by_the_kernel() {
    let dir = TempDir::new("stack");
    let path = dir.path.join("prog");
    fs::copy("/bin/true", &path).unwrap();
    let (args, env) = (["a", "", "long argument with spaces"], [("A", "1"), ("BC", ""), ("PATH", "/nowhere")]);
    let native = Stopped::exec(&path, &args, &env).unwrap_or_else(|e| panic!("{e:?}"));
    let sp = native.stat(28);
    let maps = String::from_utf8(native.read("maps")).unwrap();
    let range = maps.lines().find(|l| l.ends_with("[stack]")).unwrap().split(' ').next().unwrap().to_owned();
    let top = u64::from_str_radix(range.split_once('-').unwrap().1, 16).unwrap();
    let theirs = native.memory(sp, (top - sp) as usize).unwrap();

    let execfn = c(path.as_os_str().as_bytes());
    let argv: Vec<_> = [execfn.clone()].into_iter().chain(args.iter().map(|a| c(a.as_bytes()))).map(Cow::Owned).collect();
    let env: Vec<_> = env.iter().map(|(k, v)| Cow::Owned(c(format!("{k}={v}").as_bytes()))).collect();
    let params = StackParams {
        argv: &argv,
        env: &env,
        execfn: &execfn,
        platform: Arch::HOST.machine_name(),
        secure: false,
        hwcap: 0,
        hwcap2: 0,
        vdso: Some(1),
        minsigstksz: 4720,
        executable: false,
        random: [7; 16],
        jitter: 0,
    };
    let mut mm = Recorder::default();
    let ours = auxv::build(&mut mm, &Layout::default(), &params).unwrap();
    let our_top = mm.0.last().map(|&(at, len)| at + len).unwrap();
    // SAFETY: the stack was just mapped.
    let mine = unsafe { std::slice::from_raw_parts(ours.sp as *const u8, (our_top - ours.sp) as usize) };
    assert_eq!(sp % 16, 0);
    assert_eq!(ours.sp % 16, 0);
    assert_eq!(describe(&theirs, sp, top), describe(mine, ours.sp, our_top));
    let known: Vec<u64> = ours.auxv.iter().map(|e| e.0).collect();
    let keys: Vec<u64> = native.auxv().iter().map(|e| e.0).filter(|k| known.contains(k)).collect();
    // AT_MINSIGSTKSZ and AT_SYSINFO_EHDR come first on both machines, in an order of each machine's own.
    let rest = |keys: &[u64]| {
        keys.iter().copied().filter(|k| ![libc::AT_MINSIGSTKSZ, libc::AT_SYSINFO_EHDR].contains(k)).collect::<Vec<_>>()
    };
    assert_eq!(rest(&keys), rest(&known));
    assert_eq!((top - native.stat(48), top - native.stat(49)), (our_top - ours.arg_start, our_top - ours.arg_end));
    assert_eq!((top - native.stat(50), top - native.stat(51)), (our_top - ours.env_start, our_top - ours.env_end));
}

/// What does not depend on the machine: argc, strings and pointers as distances from the top, and how the pieces lie to each other.
fn describe(stack: &[u8], sp: u64, top: u64) -> Vec<String> {
    let word = |at: u64| u64::from_le_bytes(stack[(at - sp) as usize..][..8].try_into().unwrap());
    let string = |at: u64| CStr::from_bytes_until_nul(&stack[(at - sp) as usize..]).unwrap().to_string_lossy().into_owned();
    let mut out = vec![format!("argc {}", word(sp))];
    let mut at = sp + 8;
    for _ in 0..2 {
        while word(at) != 0 {
            out.push(format!("-{:#x} {}", top - word(at), string(word(at))));
            at += 8;
        }
        out.push("null".into());
        at += 8;
    }
    let mut aux = BTreeMap::new();
    while word(at) != 0 {
        aux.insert(word(at), word(at + 8));
        at += 16;
    }
    let (execfn, random, platform) = (aux[&libc::AT_EXECFN], aux[&libc::AT_RANDOM], aux[&libc::AT_PLATFORM]);
    out.push(format!("execfn -{:#x} {}", top - execfn, string(execfn)));
    out.push(format!("platform {}", string(platform)));
    // The platform's name ends at a multiple of 16, the random bytes end where it starts, the vector ends below them.
    out.push(format!("platform {}", (platform + string(platform).len() as u64 + 1) % 16));
    out.push(format!("random {} vector {}", platform - random, random - (at + 16) < 16));
    out.push(format!("end {}", word(top - 8)));
    out
}
