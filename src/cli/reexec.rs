//! What a process and the one that it becomes say to each other: the form of execution that is for this program alone.

use super::*;

/// argv\[0\] of a process that this program started for a guest's execve (see [`Restart`]).
pub const REEXEC: &CStr = c"run-foreign-exec";

/// A path within a list that semicolons separate: see [`unescape`].
fn escape(path: &std::path::Path) -> Vec<u8> {
    let mut out = Vec::new();
    for &b in path.as_os_str().as_bytes() {
        match b {
            b';' | b'%' => out.extend(format!("%{b:02x}").bytes()),
            b => out.push(b),
        }
    }
    out
}

impl Options {
    /// The settings about reports, statistics, profiles and memory, as [`Restart`] says them.
    fn report_words(&self) -> Vec<u8> {
        let mut set = Vec::new();
        match &self.report {
            Report::Auto => {}
            Report::Off => set.extend(b";report=off"),
            Report::Stderr => set.extend(b";report=stderr"),
            Report::File(path) => set.extend([b";report=", &*escape(path)].concat()),
        }
        if let Some((dev, ino)) = self.first_stderr {
            set.extend(format!(";stderr={dev}:{ino}").bytes());
        }
        match &self.stats {
            None => {}
            Some(Place::Stderr) => set.extend(b";stats=stderr"),
            Some(Place::File(path)) => set.extend([b";stats=", &*escape(path)].concat()),
        }
        match self.perf {
            None => {}
            Some(PerfKind::Map) => set.extend(b";perf=map"),
            Some(PerfKind::JitDump) => set.extend(b";perf=jitdump"),
        }
        if self.relaxed {
            set.extend(b";order=relaxed");
        }
        set
    }
}

/// A process that is to run a foreign program in place of this one.
pub struct Restart<'a> {
    /// The opened program. It, and `self_exe`, must survive the execve.
    pub fd: RawFd,
    /// See [`Invocation::self_exe`].
    pub self_exe: Option<RawFd>,
    /// See [`Invocation::by_binfmt`].
    pub by_binfmt: bool,
    /// A debugger's connection, which comes along and must survive the execve, too.
    pub gdb: Option<RawFd>,
    /// The program was executed by descriptor: [`Comm::File`].
    pub by_descriptor: bool,
    /// See [`Invocation::filters`].
    pub filters: Option<RawFd>,
    /// See [`Invocation::family`]; must survive the execve.
    pub family: Option<(RawFd, u64)>,
    /// Settings.
    pub options: &'a Options,
    /// The program's path.
    pub path: &'a CStr,
    /// AT_EXECFN.
    pub execfn: &'a CStr,
}

impl Restart<'_> {
    /// The first arguments of that process, to be followed by the program's own argv (argv\[0\] included). [`dispatch`] reads this.
    pub fn argv(&self) -> Vec<CString> {
        let Restart { options, path, execfn, .. } = *self;
        let mut set = format!("fd={}", self.fd);
        if let Some(fd) = self.self_exe {
            set += &format!(";self={fd}");
        }
        if self.by_binfmt {
            set += ";binfmt";
        }
        if self.by_descriptor {
            set += ";comm";
        }
        if let Some(fd) = self.filters {
            set += &format!(";seccomp={fd}");
        }
        if let Some((fd, number)) = self.family {
            set += &format!(";family={fd}:{number}");
        }
        if let Some(fd) = self.gdb {
            set += &format!(";gdb={fd}");
        }
        if options.strace {
            set += ";strace";
        }
        match (options.dump_ir, options.dump_asm) {
            (false, false) => {}
            (ir, asm) => {
                set += if ir && asm {
                    ";dump=ir,asm"
                } else if ir {
                    ";dump=ir"
                } else {
                    ";dump=asm"
                }
            }
        }
        if !options.cpu.is_empty() {
            set += &format!(";cpu={}", options.cpu_list());
        }
        let cold = options.test_cold.is_some();
        if options.test_cache != 0 || options.test_verify || options.test_native || options.test_hot != 0 || cold {
            set += &format!(";test={}", options.test_list());
        }
        let set = [set.into_bytes(), options.report_words()].concat();
        vec![REEXEC.to_owned(), CString::new(set).unwrap_or_default(), path.to_owned(), execfn.to_owned()]
    }
}

/// `[REEXEC, settings, path, AT_EXECFN, argv…]`.
pub(super) fn by_ourselves(start: Start) -> Action {
    let [_, set, path, execfn, argv @ ..] = start.argv.as_slice() else { return Action::Say(no_program(), USAGE) };
    let (mut fd, mut self_exe, mut gdb, mut by_binfmt, mut comm) = (None, None, None, false, Comm::Path);
    let (mut options, mut filters, mut family) = (Options::default(), None, None);
    for item in set.to_bytes().split(|&b| b == b';') {
        if let Some(place) = item.strip_prefix(b"report=") {
            options.set_report(OsStr::from_bytes(&unescape(place)));
            continue;
        }
        if let Some(place) = item.strip_prefix(b"stats=") {
            options.set_stats(OsStr::from_bytes(&unescape(place)));
            continue;
        }
        let item = String::from_utf8_lossy(item);
        match item.split_once('=').unwrap_or((&item, "")) {
            ("fd", v) => fd = v.parse().ok(),
            ("self", v) => self_exe = v.parse().ok(),
            ("gdb", v) => gdb = v.parse().ok().map(Gdb::Connected),
            ("binfmt", _) => by_binfmt = true,
            // One that makes no sense must not let a program go without: -1 can't be read.
            ("seccomp", v) => filters = Some(v.parse().unwrap_or(-1)),
            ("family", v) if !start.secure => {
                family = v.split_once(':').and_then(|(fd, n)| Some((fd.parse().ok()?, n.parse().ok()?)))
            }
            ("comm", _) => comm = Comm::File,
            ("strace", _) => options.strace = true,
            ("dump", v) => drop(options.set_dump(v)),
            ("cpu", v) => options.set_cpu(v),
            ("test", v) => options.set_test(v),
            ("perf", v) => drop(options.set_perf(v)),
            ("order", v) => drop(options.set_memory_order(v)),
            ("stderr", v) => options.first_stderr = v.split_once(':').and_then(|(d, i)| Some((d.parse().ok()?, i.parse().ok()?))),
            _ => {}
        }
    }
    let Some(fd) = fd else { return Action::Say(no_program(), USAGE) };
    let program = Program::Opened { fd, path: Cow::Borrowed(path) };
    run(Invocation {
        self_exe,
        by_binfmt,
        comm,
        filters,
        family,
        gdb,
        execfn: Some(Cow::Borrowed(execfn)),
        ..invocation(program, argv.to_vec(), &start, options)
    })
}

/// Bytes written as `%xx` are themselves again.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&b, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| b == b'%').and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(digits.unwrap_or(b));
        rest = if digits.is_some() { &tail[2..] } else { tail };
    }
    out
}
