use super::numbers::nr;
use super::ABI;
use crate::testing::{call, guest_of};
use crate::{CloneArgs, Context, Ctx, Errno, ExecRequest, Machine, Process, Stop, SysResult, Thread};

const EINVAL: SysResult = Err(Stop::Errno(Errno::EINVAL));
const EPERM: SysResult = Err(Stop::Errno(Errno::EPERM));

fn run<const N: usize>(thread: &mut Thread, nr: i64, args: [u64; N]) -> SysResult {
    call(thread, 0, nr as u64, args)
}

fn machine(thread: &mut Thread) -> String {
    let mut name = [0u8; 390];
    assert_eq!(run(thread, nr::uname, [name.as_mut_ptr() as u64]), Ok(0));
    name[260..325].iter().take_while(|&&b| b != 0).map(|&b| b as char).collect()
}

#[test]
fn the_machine_is_the_personalitys() {
    const LINUX32: u64 = 8;
    let thread = &mut guest_of(&ABI, Process::default());
    assert_eq!(machine(thread), "x86_64");
    // arm64 hosts have it only if their CPU runs such programs.
    if run(thread, nr::personality, [LINUX32]) == Ok(0) {
        assert_eq!(machine(thread), "i686");
        assert_eq!(run(thread, nr::personality, [0]), Ok(LINUX32));
        assert_eq!(machine(thread), "x86_64");
    }
}

#[test]
fn prctl_knows_the_time_stamp_counter_and_no_tags() {
    let thread = &mut guest_of(&ABI, Process::default());
    let mut mode = 0u32;
    assert_eq!(run(thread, nr::prctl, [25, (&raw mut mode) as u64]), Ok(0));
    assert_eq!(std::hint::black_box(mode), 1);
    assert_eq!(run(thread, nr::prctl, [26, 1]), Ok(0));
    for args in [[26, 2], [26, 0], [55, 1], [56, 0], [50, 0], [9999, 0]] {
        assert_eq!(run(thread, nr::prctl, args), EINVAL, "{args:?}");
    }
}

#[test]
fn no_protection_keys_but_their_arguments_are_checked() {
    let thread = &mut guest_of(&ABI, Process::default());
    assert_eq!(run(thread, nr::pkey_alloc, [0, 3]), Err(Stop::Errno(Errno::ENOSPC)));
    assert_eq!(run(thread, nr::pkey_alloc, [0, 4]), EINVAL);
    assert_eq!(run(thread, nr::pkey_alloc, [1, 0]), EINVAL);
}

#[test]
fn cpuinfo_looks_like_the_kernels() {
    let process = Process { features: "fpu avx2".into(), ..Process::default() };
    let text = (ABI.cpuinfo)(&process, b"processor\t: 0\nx : 1\nprocessor\t: 3\n");
    let text = String::from_utf8(text).unwrap();
    let blocks: Vec<&str> = text.split_terminator("\n\n").collect();
    assert_eq!(blocks.len(), 2);
    assert!(blocks[1].starts_with("processor\t: 3\nvendor_id\t: ") && blocks[1].contains("\nflags\t\t: fpu avx2\n"));
    // Programs look lines up by name: the names are the kernel's.
    if cfg!(target_arch = "x86_64") {
        let real = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let real: Vec<&str> = real.lines().filter_map(|l| Some(l.split_once(':')?.0)).collect();
        for line in blocks[0].lines() {
            let name = line.split_once(':').unwrap().0;
            assert!(real.contains(&name), "{name:?}");
        }
    }
}

/// Has registers.
struct Registers(Context, u32);

#[rustfmt::skip]
impl Machine for Registers {
    fn context(&self) -> Context { self.0 }
    fn set_context(&mut self, c: &Context) { self.0 = *c; }
    fn invalidate(&self, _: u64, _: u64) {}
    fn clone(&mut self, _: &mut Thread, _: &CloneArgs) -> SysResult { unreachable!() }
    fn exec(&mut self, _: &mut Thread, _: ExecRequest) -> SysResult { unreachable!() }
    fn pending(&self) -> *const u32 { &self.1 }
}

#[test]
fn segment_bases() {
    let thread = &mut guest_of(&ABI, Process::default());
    let mut machine = Registers(Context::default(), 0);
    let mut prctl = |option: u64, addr: u64| {
        let result =
            crate::dispatch(&mut Ctx { thread, machine: &mut machine }, nr::arch_prctl as u64, [option, addr, 0, 0, 0, 0]);
        (result, machine.0.tls, machine.0.gs)
    };
    assert_eq!(prctl(0x1002, 0x1234), (Ok(0), 0x1234, 0));
    assert_eq!(prctl(0x1001, 0x5678), (Ok(0), 0x1234, 0x5678));
    for bad in [1 << 47, (1 << 47) - 4096, 1 << 63, u64::MAX] {
        assert_eq!(prctl(0x1002, bad), (EPERM, 0x1234, 0x5678), "{bad:x}");
    }
    let mut base = 0u64;
    let at = (&raw mut base) as u64;
    for (option, value) in [(0x1003, 0x1234), (0x1004, 0x5678), (0x1021, 7), (0x1022, 7)] {
        assert_eq!(prctl(option, at).0, Ok(0));
        assert_eq!(std::hint::black_box(base), value, "{option:x}");
    }
    assert_eq!(prctl(0x1011, 0).0, Ok(1));
    assert_eq!(prctl(0x1023, 18).0, Err(Stop::Errno(Errno::EOPNOTSUPP)));
    assert_eq!(prctl(0x1023, 19).0, EINVAL);
}

/// The bases that a thread may have.
#[test]
#[cfg(target_arch = "x86_64")]
fn segment_bases_end_where_the_kernels_do() {
    let thread = &mut guest_of(&ABI, Process::default());
    for addr in [(1 << 47) - 4097, (1 << 47) - 4096, (1 << 47) - 1, 1 << 47, 1 << 63] {
        let mut machine = Registers(Context::default(), 0);
        let args = [0x1001, addr, 0, 0, 0, 0];
        let ours = crate::dispatch(&mut Ctx { thread, machine: &mut machine }, nr::arch_prctl as u64, args);
        // SAFETY: programs don't use GS.
        let theirs = unsafe { crate::sys::call(nr::arch_prctl, args) };
        assert_eq!(ours, theirs.map_err(Into::into), "{addr:x}");
    }
}

#[test]
fn strict_seccomp_leaves_four_calls() {
    let thread = &mut guest_of(&ABI, Process::default());
    assert_eq!(run(thread, nr::seccomp, [0, 0, 0]), Ok(0));
    assert_eq!(run(thread, nr::write, [u64::MAX, 0, 0]), Err(Stop::Errno(Errno::EBADF)));
    assert_eq!(run(thread, nr::getpid, []), Err(Stop::Flow(crate::Flow::Die(libc::SIGKILL))));
}
