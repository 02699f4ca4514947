//! What this process was started as.
//!
//! Four forms, told apart without looking at anything that a guest chooses:
//! 1. by binfmt_misc: the kernel passes AT_EXECFD (flag O) or sets AT_FLAGS bit 0 (flag P), which an ordinary execve never does. So the
//!    registered interpreter needs no name of its own, and no guest path can be mistaken for a subcommand;
//! 2. by this program itself, for a guest's execve: argv\[0\] is [`REEXEC`];
//! 3. as an emulator by name (`qemu-aarch64`, BuildKit's): `[self, program, args…]`, nothing is an option;
//! 4. by a person: options, a program and its arguments, or a management command.

mod reexec;

pub use reexec::{Restart, REEXEC};

use crate::auxv;
use crate::elf::Arch;
use crate::guest;
use crate::image::Text;
use crate::report::{self, Identity};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the kernel gave this process.
pub struct Start {
    /// Arguments.
    pub argv: Vec<&'static CStr>,
    /// Environment.
    pub env: Vec<&'static CStr>,
    /// AT_EXECFD: the program, opened by binfmt_misc.
    pub execfd: Option<RawFd>,
    /// AT_EXECFN: the path given to execve (of a script: the script's).
    pub execfn: Option<&'static CStr>,
    /// AT_FLAGS says that argv\[2\] is the program's argv\[0\].
    pub argv0_preserved: bool,
    /// AT_SECURE: the process has more rights than who started it.
    pub secure: bool,
}

impl Start {
    /// Collect it from `main`'s arguments and the auxiliary vector.
    ///
    /// # Safety
    /// `argc` and `argv` must be what the C runtime passed to `main`.
    pub unsafe fn of_process(argc: i32, argv: *const *const libc::c_char) -> Start {
        extern "C" {
            static environ: *const *const libc::c_char;
        }
        let execfn = auxv::own(libc::AT_EXECFN).filter(|&p| p != 0);
        // SAFETY: argv and environ are arrays ended by null, AT_EXECFN is a string; all lie on the initial stack for good.
        unsafe {
            Start {
                argv: (0..argc as usize).map(|i| CStr::from_ptr(*argv.add(i))).collect(),
                env: (0..).map(|i| *environ.add(i)).take_while(|p| !p.is_null()).map(|p| CStr::from_ptr(p)).collect(),
                execfd: auxv::own(libc::AT_EXECFD).map(|fd| fd as RawFd),
                execfn: execfn.map(|p| CStr::from_ptr(p as *const _)),
                argv0_preserved: auxv::own(libc::AT_FLAGS).unwrap_or(0) & auxv::AT_FLAGS_PRESERVE_ARGV0 != 0,
                secure: auxv::own(libc::AT_SECURE).unwrap_or(0) != 0,
            }
        }
    }
}

/// The program to run.
#[derive(Debug, PartialEq, Eq)]
pub enum Program {
    /// Opened already.
    Opened {
        /// The descriptor, to be closed when the program is loaded.
        fd: RawFd,
        /// Its path.
        path: Text,
    },
    /// A path, or a name to be found in PATH.
    Named {
        /// As given.
        name: Text,
        /// A bare name that PATH doesn't have is tried in the working directory, as emulators do.
        here_too: bool,
    },
}

/// Where the report of a guest's death goes (see `report`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// To stderr where a person looks at it.
    #[default]
    Auto,
    /// Nowhere.
    Off,
    /// To stderr.
    Stderr,
    /// To the end of a file.
    File(PathBuf),
}

/// Where `--stats` go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To stderr.
    Stderr,
    /// To the end of a file.
    File(PathBuf),
}

/// What is written for perf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfKind {
    /// Addresses and names.
    Map,
    /// The code, too.
    JitDump,
}

/// Where a debugger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gdb {
    /// It will come here.
    Listen(String),
    /// It is at the other end of this connection.
    Connected(RawFd),
}

/// Settings that a guest's descendants inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Log system calls.
    pub strace: bool,
    /// Show the IR of each translated block.
    pub dump_ir: bool,
    /// Show the guest's and the host's machine code of each translated block.
    pub dump_asm: bool,
    /// CPU features to take away (`-name`) or to insist on (`name`), as /proc/cpuinfo spells them, in order.
    pub cpu: Vec<(bool, String)>,
    /// Modes for tests of the translator (RUN_FOREIGN_TEST; ARCHITECTURE.md tells): bytes of code to keep.
    pub test_cache: usize,
    /// Another: every translation is checked.
    pub test_verify: bool,
    /// Another: programs of this machine are translated, too.
    pub test_native: bool,
    /// Another: how often code is executed before there is a trace of it.
    pub test_hot: u32,
    /// Another: how often code is reached before it is translated.
    pub test_cold: Option<u32>,
    /// Where a crash is reported.
    pub report: Report,
    /// What stderr was when a person started this program.
    pub first_stderr: Option<Identity>,
    /// Where a process says at its end what it has done.
    pub stats: Option<Place>,
    /// What profilers are told.
    pub perf: Option<PerfKind>,
    /// Accesses to memory need not be in the order that the guest's architecture promises.
    pub relaxed: bool,
}

/// Where a task's name comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comm {
    /// The last part of AT_EXECFN.
    #[default]
    Path,
    /// The program's file, which was executed by descriptor.
    File,
    /// The kernel has set it.
    Kernel,
}

/// Everything needed to run one program.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub program: Program,
    /// AT_EXECFN, where it differs from the program's path.
    pub execfn: Option<Text>,
    /// The arguments, argv\[0\] included.
    pub argv: Vec<Text>,
    /// The environment.
    pub env: Vec<Text>,
    /// Make this folder the root first.
    pub root: Option<PathBuf>,
    /// The process has more rights than who started it: nothing that the invoking user controls may influence us.
    pub secure: bool,
    /// Whether the kernel's binfmt_misc starts foreign programs here, as it did (or would have done) this one.
    pub by_binfmt: bool,
    /// Where the task's name comes from.
    pub comm: Comm,
    /// A descriptor of this program's own file for starting it again, inherited by guests (needed where /proc is absent).
    pub self_exe: Option<RawFd>,
    /// A descriptor to read the system-call filters from that this process inherits as a guest (see `syscalls::topics::seccomp`).
    pub filters: Option<RawFd>,
    /// What this process shares with its relatives: see `Engine::join_family`.
    pub family: Option<(RawFd, u64)>,
    /// Settings.
    pub options: Options,
    /// Let a debugger have a look.
    pub gdb: Option<Gdb>,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Run a program.
    Run(Box<Invocation>),
    /// Register with binfmt_misc.
    Install(InstallArgs),
    /// Remove entries: names, architectures or `all`.
    Uninstall(Option<String>),
    /// Show the entries, as JSON if wished.
    Status(bool),
    /// Look for what is wrong.
    Doctor,
    /// Print this and leave with this status.
    Say(String, i32),
}

/// `install`'s arguments.
#[derive(Clone, Debug, Default)]
pub struct InstallArgs {
    /// `arm64`, `amd64` or `all`.
    pub arch: Option<String>,
    /// The entry's name.
    pub name: Option<String>,
    /// Remove other emulators' entries for the same programs.
    pub replace: bool,
    /// Register again at each boot.
    pub persist: bool,
}

/// Status for wrong usage, as `env` and `chroot` have it: 126 and 127 speak of the program.
pub const USAGE: i32 = 125;

/// A line on stderr, in one write: it must not be torn apart by what others write there.
pub fn complain(line: &str) {
    use std::io::Write;
    // When stderr is gone there is nowhere to say so.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Decide what this process is to do.
pub fn dispatch(start: Start) -> Action {
    if start.execfd.is_some() || start.argv0_preserved {
        return by_binfmt(start);
    }
    match start.argv.first().map(|a| basename(a.to_bytes())) {
        Some(name) if name == REEXEC.to_bytes() => reexec::by_ourselves(start),
        Some(name) if is_emulator_name(name) => by_name(start),
        _ => by_person(start),
    }
}

fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Names under which other tools start an emulator with a program as the first argument.
fn is_emulator_name(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let machine = name.strip_prefix("buildkit-").unwrap_or(name).strip_prefix("qemu-");
    name == ".buildkit_qemu_emulator"
        || machine.is_some_and(|m| m.strip_suffix("-static").unwrap_or(m) == Arch::FOREIGN.machine_name())
}

/// `[interpreter, path, (argv0 with flag P), args…]`.
fn by_binfmt(start: Start) -> Action {
    let Some(&path) = start.argv.get(1) else { return Action::Say(no_program(), USAGE) };
    let argv: Vec<&CStr> = start.argv.iter().skip(if start.argv0_preserved { 2 } else { 1 }).copied().collect();
    let program = match start.execfd {
        Some(fd) => Program::Opened { fd, path: Cow::Borrowed(path) },
        None => Program::Named { name: Cow::Borrowed(path), here_too: false },
    };
    let options = inherited_options(&start);
    let comm = Comm::Kernel;
    run(Invocation {
        by_binfmt: true,
        comm,
        execfn: start.execfn.map(Cow::Borrowed),
        ..invocation(program, argv, &start, options)
    })
}

/// `[emulator, program, args…]`.
fn by_name(start: Start) -> Action {
    let Some(&name) = start.argv.get(1) else { return Action::Say(no_program(), USAGE) };
    let options = inherited_options(&start);
    let program = Program::Named { name: Cow::Borrowed(name), here_too: true };
    run(invocation(program, start.argv[1..].to_vec(), &start, options))
}

fn no_program() -> String {
    "run-foreign: no program given; --help under the name run-foreign tells more".into()
}

fn run(inv: Invocation) -> Action {
    Action::Run(Box::new(inv))
}

fn invocation(program: Program, argv: Vec<&'static CStr>, start: &Start, options: Options) -> Invocation {
    Invocation {
        program,
        execfn: None,
        argv: argv.into_iter().map(Cow::Borrowed).collect(),
        env: start.env.iter().map(|&e| Cow::Borrowed(e)).collect(),
        root: None,
        secure: start.secure,
        by_binfmt: false,
        comm: Comm::Path,
        self_exe: None,
        filters: None,
        family: None,
        options,
        gdb: None,
    }
}

/// Settings from RUN_FOREIGN_* variables: the only way to give any where the kernel starts us. Not for privileged programs.
fn inherited_options(start: &Start) -> Options {
    let mut options = Options::default();
    if start.secure {
        return options;
    }
    for e in &start.env {
        let Some(rest) = e.to_bytes().strip_prefix(b"RUN_FOREIGN_") else { continue };
        let Some(eq) = rest.iter().position(|&b| b == b'=') else { continue };
        let value = String::from_utf8_lossy(&rest[eq + 1..]);
        match &rest[..eq] {
            b"STRACE" => options.strace = !matches!(&*value, "" | "0"),
            b"DUMP" => drop(options.set_dump(&value)),
            b"CPU" => options.set_cpu(&value),
            b"TEST" => options.set_test(&value),
            b"REPORT" => options.set_report(OsStr::from_bytes(&rest[eq + 1..])),
            b"STATS" => options.set_stats(OsStr::from_bytes(&rest[eq + 1..])),
            b"PERF" => drop(options.set_perf(&value)),
            b"MEMORY_ORDER" => drop(options.set_memory_order(&value)),
            _ => {}
        }
    }
    options
}

impl Options {
    fn set_dump(&mut self, list: &str) -> Result<(), String> {
        for what in list.split(',').filter(|w| !w.is_empty()) {
            match what {
                "ir" => self.dump_ir = true,
                "asm" => self.dump_asm = true,
                _ => return Err(format!("--dump {what}: known are ir and asm")),
            }
        }
        Ok(())
    }

    fn set_cpu(&mut self, list: &str) {
        self.cpu = list
            .split(',')
            .filter(|f| !f.is_empty())
            .map(|f| match f.strip_prefix('-') {
                Some(name) => (false, name.into()),
                None => (true, f.trim_start_matches('+').into()),
            })
            .collect();
    }

    fn set_test(&mut self, list: &str) {
        for item in list.split(',') {
            match item.split_once('=').unwrap_or((item, "")) {
                ("cache", bytes) => self.test_cache = bytes.parse().unwrap_or(0),
                ("verify", _) => self.test_verify = true,
                ("native", _) => self.test_native = true,
                ("cold", often) => self.test_cold = often.parse().ok(),
                ("hot", often) => self.test_hot = often.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    fn test_list(&self) -> String {
        let word = |on: bool, word: &'static str| if on { word } else { "" };
        let cold = self.test_cold.map_or(String::new(), |often| format!(",cold={often}"));
        let words = [word(self.test_verify, ",verify"), word(self.test_native, ",native"), &cold];
        format!("cache={},hot={}{}", self.test_cache, self.test_hot, words.concat())
    }

    fn set_report(&mut self, place: &OsStr) {
        self.report = match place.as_bytes() {
            b"" | b"auto" => Report::Auto,
            b"off" | b"0" => Report::Off,
            b"stderr" | b"always" | b"1" => Report::Stderr,
            _ => Report::File(place.into()),
        };
    }

    fn set_stats(&mut self, place: &OsStr) {
        self.stats = match place.as_bytes() {
            b"" | b"off" | b"0" => None,
            b"stderr" | b"1" => Some(Place::Stderr),
            _ => Some(Place::File(place.into())),
        };
    }

    fn set_perf(&mut self, kind: &str) -> Result<(), String> {
        self.perf = match kind {
            "" | "off" | "0" => None,
            "map" => Some(PerfKind::Map),
            "jitdump" => Some(PerfKind::JitDump),
            _ => return Err(format!("--perf {kind}: known are map and jitdump")),
        };
        Ok(())
    }

    fn set_memory_order(&mut self, order: &str) -> Result<(), String> {
        self.relaxed = match order {
            "" | "kept" => false,
            "relaxed" => true,
            _ => return Err(format!("--memory-order {order}: known are kept and relaxed")),
        };
        Ok(())
    }

    fn cpu_list(&self) -> String {
        let items: Vec<String> = self.cpu.iter().map(|(on, f)| format!("{}{f}", if *on { "+" } else { "-" })).collect();
        items.join(",")
    }
}

fn by_person(start: Start) -> Action {
    let args: Vec<OsString> = start.argv.iter().map(|a| OsString::from_vec(a.to_bytes().to_vec())).collect();
    let first = args.get(1).and_then(|a| a.to_str()).unwrap_or("");
    let result = match first {
        "install" | "uninstall" | "status" | "doctor" | "help" => {
            management().try_get_matches_from(args).map(|m| manage(&m)).map_err(|e| clap_said(&e))
        }
        _ => run_command().try_get_matches_from(args).map_err(|e| clap_said(&e)).and_then(|m| person_runs(&m, &start)),
    };
    result.unwrap_or_else(|said| said)
}

/// clap's words, as this program says them.
fn clap_said(e: &clap::Error) -> Action {
    let text = e.render().to_string();
    match e.exit_code() {
        0 => Action::Say(text.trim_end().into(), 0),
        _ => Action::Say(format!("run-foreign: {}", text.trim_start_matches("error: ").trim_end()), USAGE),
    }
}

fn commands() -> String {
    format!("\
Commands (./NAME or -- NAME runs a program of such a name):
  run-foreign install [{}|all]     let the kernel start foreign programs by itself (binfmt_misc); docker build then does too
  run-foreign uninstall [NAME|all]    undo it
  run-foreign status [--json]         what is registered
  run-foreign doctor                  what is wrong, and what to type

Environment: RUN_FOREIGN_STRACE=1, RUN_FOREIGN_DUMP=ir,asm, RUN_FOREIGN_CPU=LIST and RUN_FOREIGN_REPORT=WHERE do what the options do,
also for programs that the kernel starts.", Arch::FOREIGN.name())
}

/// The features by name: what /proc/cpuinfo shows.
fn cpu_help() -> String {
    let mut s = String::from("CPU features to hide (-NAME) or to insist on (NAME), separated by commas. Hidden ones are not announced, and their instructions are undefined:");
    for (name, what) in (guest::of(Arch::FOREIGN).feature_names)() {
        s += &format!("\n  {name:9} {what}");
    }
    s
}

fn run_command() -> Command {
    let about = format!("Run Linux programs built for {} on this {} machine", Arch::FOREIGN.name(), Arch::HOST.name());
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).value_parser(clap::value_parser!(OsString))
    };
    Command::new("run-foreign")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .override_usage(
            "run-foreign [OPTIONS] [--] PROGRAM [ARGS]...\n       run-foreign install|uninstall|status|doctor [--help]",
        )
        .after_help(commands())
        .arg(option(
            "root",
            "DIR",
            "Make DIR the root folder: of a foreign system, say. Needs no privileges where namespaces are allowed",
        ))
        .arg(option("env", "VAR=VAL", "Set a variable for the program").short('E').action(ArgAction::Append))
        .arg(option("unset", "VAR", "Unset a variable for the program").short('U').action(ArgAction::Append))
        .arg(option("argv0", "NAME", "The program's argv[0]"))
        .arg(Arg::new("strace").long("strace").action(ArgAction::SetTrue).help("Log system calls on stderr"))
        .arg(option("dump", "LIST", "Show translated blocks on stderr: ir, asm or both, separated by a comma"))
        .arg(
            option("cpu", "LIST", "CPU features to hide (-NAME) or to insist on (NAME), separated by commas")
                .long_help(cpu_help())
                .allow_hyphen_values(true),
        )
        .arg(option("gdb", "PORT", "Wait for gdb at PORT, HOST:PORT or unix:PATH before the program's first instruction"))
        .arg(option(
            "report",
            "WHERE",
            "Where to say why a program crashed: auto (stderr, where it leads to a terminal or to what it was here), stderr, off or a FILE",
        ))
        .arg(
            option("stats", "WHERE", "Say what each process has done when it ends: on stderr, or in a FILE")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("stderr"),
        )
        .arg(option(
            "perf",
            "KIND",
            "Tell perf the names of translated code: map (/tmp/perf-PID.map), or jitdump (the code, too; for perf inject)",
        ))
        .arg(option(
            "memory-order",
            "ORDER",
            "kept, or relaxed: on arm64 hosts, don't keep the order of memory accesses that amd64 promises (faster; threads that rely on it go wrong)",
        ))
        .arg(
            Arg::new("command")
                .value_names(["PROGRAM", "ARGS"])
                .required(true)
                .num_args(1..)
                .trailing_var_arg(true)
                .value_parser(clap::value_parser!(OsString))
                .help("A program, found in PATH if its name has no slash, and its arguments"),
        )
}

fn management() -> Command {
    let words = |name: &'static str, help: &'static str| Arg::new(name).value_name(name).help(help);
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("run-foreign")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(commands())
        .subcommand(
            Command::new("install")
                .about("Register with binfmt_misc")
                .arg(words("ARCH", "arm64, amd64 or all: the programs to run (default: all that don't run natively)"))
                .arg(Arg::new("name").long("name").value_name("NAME").help("The entry's name (default: run-foreign-MACHINE)"))
                .arg(flag("replace", "Remove other emulators' entries for the same programs first"))
                .arg(flag("persist", "Register again at each boot: install a copy of this program and a binfmt.d file")),
        )
        .subcommand(
            Command::new("uninstall")
                .about("Remove what install registered and wrote")
                .arg(words("ENTRY", "A name (* and ? match), an architecture or all (default: all of run-foreign)")),
        )
        .subcommand(Command::new("status").about("Show what is registered").arg(flag("json", "As JSON, for programs")))
        .subcommand(Command::new("doctor").about("Find out what keeps foreign programs from running here, and what to type"))
}

fn manage(m: &ArgMatches) -> Action {
    let text = |m: &ArgMatches, id: &str| m.get_one::<String>(id).cloned();
    match m.subcommand() {
        Some(("install", m)) => Action::Install(InstallArgs {
            arch: text(m, "ARCH"),
            name: text(m, "name"),
            replace: m.get_flag("replace"),
            persist: m.get_flag("persist"),
        }),
        Some(("uninstall", m)) => Action::Uninstall(text(m, "ENTRY")),
        Some(("status", m)) => Action::Status(m.get_flag("json")),
        Some(("doctor", _)) => Action::Doctor,
        _ => Action::Say(run_command().render_help().to_string().trim_end().into(), 0),
    }
}

fn person_runs(m: &ArgMatches, start: &Start) -> Result<Action, Action> {
    let wrong = |why: String| Action::Say(format!("run-foreign: {why}"), USAGE);
    let mut options = inherited_options(start);
    options.strace |= m.get_flag("strace");
    let value = |id: &str| m.get_one::<OsString>(id);
    if let Some(list) = value("dump") {
        options.set_dump(&list.to_string_lossy()).map_err(wrong)?;
    }
    if let Some(list) = value("cpu") {
        options.set_cpu(&list.to_string_lossy());
        let arch = if options.test_native { Arch::HOST } else { Arch::FOREIGN };
        (guest::of(arch).features)(&options.cpu).map_err(|e| wrong(format!("--cpu: {e}")))?;
    }
    if let Some(place) = value("report") {
        options.set_report(place);
    }
    if let Some(place) = value("stats") {
        options.set_stats(place);
    }
    if let Some(kind) = value("perf") {
        options.set_perf(&kind.to_string_lossy()).map_err(wrong)?;
    }
    if let Some(order) = value("memory-order") {
        options.set_memory_order(&order.to_string_lossy()).map_err(wrong)?;
    }
    options.first_stderr = report::stderr_identity();
    let words: Vec<Text> = m.get_many::<OsString>("command").into_iter().flatten().map(text).collect();
    let Some(name) = words.first().cloned() else { return Err(wrong("no program given".into())) };
    let mut inv = invocation(Program::Named { name, here_too: false }, Vec::new(), start, options);
    inv.argv = words;
    if let Some(argv0) = value("argv0") {
        inv.argv[0] = text(argv0);
    }
    for var in m.get_many::<OsString>("unset").into_iter().flatten() {
        remove_var(&mut inv.env, var.as_bytes());
    }
    for set in m.get_many::<OsString>("env").into_iter().flatten() {
        let bytes = set.as_bytes();
        match bytes.iter().position(|&b| b == b'=') {
            Some(eq) if eq > 0 => remove_var(&mut inv.env, &bytes[..eq]),
            _ => return Err(wrong(format!("-E {}: VAR=VAL expected", set.to_string_lossy()))),
        }
        inv.env.push(text(set));
    }
    inv.gdb = value("gdb").map(|place| Gdb::Listen(place.to_string_lossy().into_owned()));
    inv.root = value("root").map(PathBuf::from);
    Ok(run(inv))
}

/// Arguments came from C strings: they hold no NUL.
fn text(s: &OsString) -> Text {
    Cow::Owned(CString::new(s.as_bytes()).unwrap_or_default())
}

fn remove_var(env: &mut Vec<Text>, name: &[u8]) {
    env.retain(|e| e.to_bytes().strip_prefix(name).is_none_or(|rest| rest.first() != Some(&b'=')));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(argv: &[&'static CStr]) -> Start {
        Start { argv: argv.to_vec(), env: vec![], execfd: None, execfn: None, argv0_preserved: false, secure: false }
    }

    fn running(start: Start) -> Invocation {
        match dispatch(start) {
            Action::Run(inv) => *inv,
            other => panic!("{other:?}"),
        }
    }

    fn texts(v: &[Text]) -> Vec<&str> {
        v.iter().map(|t| t.to_str().unwrap()).collect()
    }

    /// What one process says in its arguments, the next understands.
    #[test]
    fn a_restart_hands_everything_on() {
        let cpu = vec![(false, "aes".to_string()), (true, "atomics".to_string())];
        for (strace, dump_ir, dump_asm) in [(false, false, false), (true, true, false), (true, false, true), (false, true, true)]
        {
            let report = if dump_asm { Report::File("/tmp/a;b%3b=c".into()) } else { Report::Off };
            let first_stderr = dump_ir.then_some((8, 123));
            let cpu = if strace { cpu.clone() } else { vec![] };
            let (test_cache, test_verify, test_native) = (if dump_ir { 65536 } else { 0 }, dump_asm, strace);
            let stats = if strace { Some(Place::File("/tmp/;%".into())) } else { dump_asm.then_some(Place::Stderr) };
            let perf = if dump_ir { Some(PerfKind::Map) } else { dump_asm.then_some(PerfKind::JitDump) };
            let options = Options {
                strace,
                dump_ir,
                dump_asm,
                cpu,
                report,
                first_stderr,
                test_cache,
                test_verify,
                test_native,
                test_hot: u32::from(strace) * 7,
                test_cold: strace.then_some(3),
                stats,
                perf,
                relaxed: strace,
            };
            let self_exe = strace.then_some(1000);
            let (by_binfmt, by_descriptor) = (dump_ir, dump_asm);
            let restart = Restart {
                fd: 7,
                self_exe,
                by_binfmt,
                by_descriptor,
                filters: self_exe,
                family: self_exe.map(|fd| (fd + 1, 1 << 40)),
                options: &options,
                gdb: self_exe,
                path: c"/bin/sh",
                execfn: c"./script",
            };
            let argv = restart.argv();
            let leak = |s: CString| -> &'static CStr { Box::leak(s.into_boxed_c_str()) };
            let mut argv: Vec<&'static CStr> = argv.into_iter().map(leak).collect();
            argv.extend([c"install", c"--help", c""]);
            let inv = running(start(&argv));
            assert_eq!(inv.program, Program::Opened { fd: 7, path: Cow::Borrowed(c"/bin/sh") });
            assert_eq!(inv.gdb, self_exe.map(Gdb::Connected));
            assert_eq!((inv.by_binfmt, inv.comm == Comm::File), (by_binfmt, by_descriptor));
            assert_eq!(inv.filters, self_exe);
            assert_eq!(inv.family, self_exe.map(|fd| (fd + 1, 1 << 40)));
            assert_eq!((inv.options, inv.self_exe, inv.execfn.as_deref()), (options, self_exe, Some(c"./script")));
            assert_eq!(texts(&inv.argv), ["install", "--help", ""]);
        }
    }

    #[test]
    fn the_kernel_may_keep_argv0_or_not() {
        let argv = [c"/usr/bin/qemu-aarch64", c"./install", c"name", c"--root"];
        let with = |argv0_preserved| Start { execfd: Some(3), argv0_preserved, execfn: Some(c"./script"), ..start(&argv) };
        let kept = running(with(true));
        assert_eq!(texts(&kept.argv), ["name", "--root"]);
        assert_eq!((kept.by_binfmt, kept.execfn.as_deref(), &kept.root), (true, Some(c"./script"), &None));
        assert_eq!(texts(&running(with(false)).argv), ["./install", "name", "--root"]);
        // Flag P without O: no descriptor, the path has to do.
        let named = running(Start { argv0_preserved: true, ..start(&argv) });
        assert_eq!(named.program, Program::Named { name: Cow::Borrowed(c"./install"), here_too: false });
    }

    /// The invoking user's environment says nothing to a program with more rights than that user.
    #[test]
    fn privileged_programs_take_no_settings_from_the_environment() {
        for secure in [false, true] {
            let env = vec![c"RUN_FOREIGN_STRACE=1", c"RUN_FOREIGN_DUMP=ir", c"RUN_FOREIGN_CPU=-aes", c"RUN_FOREIGN_REPORT=x"];
            let inv = running(Start { execfd: Some(3), env, secure, ..start(&[c"x", c"/bin/su"]) });
            assert_eq!(inv.options == Options::default(), secure);
            assert_eq!((inv.secure, inv.env.len()), (secure, 4), "the program itself sees its environment");
        }
    }
}
