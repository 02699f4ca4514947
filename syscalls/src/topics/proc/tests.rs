use super::*;
use crate::testing::{call, guest, NoMachine};
use crate::topics::mem::Limit;
use crate::{Stop, Thread};

const PERSONALITY: u64 = 92;
const UNAME: u64 = 160;
const GETRLIMIT: u64 = 163;
const SETRLIMIT: u64 = 164;
const MMAP: u64 = 222;
const MPROTECT: u64 = 226;
const MUNMAP: u64 = 215;
const PRLIMIT64: u64 = 261;

const EINVAL: SysResult = Err(Stop::Errno(Errno::EINVAL));
const EPERM: SysResult = Err(Stop::Errno(Errno::EPERM));
const EACCES: SysResult = Err(Stop::Errno(Errno::EACCES));

fn host_limit(resource: u32) -> Limit {
    let mut limit = Limit::default();
    host(libc::SYS_getrlimit, [u64::from(resource), (&raw mut limit) as u64, 0, 0, 0, 0]).unwrap();
    limit
}

#[test]
fn uname_differs_in_the_machine_only() {
    let (mut ours, mut theirs) = ([0u8; 390], [0u8; 390]);
    assert_eq!(call(&mut guest(Default::default()), 0, UNAME, [ours.as_mut_ptr() as u64]), Ok(0));
    host(libc::SYS_uname, [theirs.as_mut_ptr() as u64, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(ours[..260], theirs[..260]);
    assert_eq!(ours[325..], theirs[325..]);
    assert_eq!(&ours[260..268], b"aarch64\0");
}

#[test]
fn personality_concerns_the_guest() {
    let thread = &mut guest(Default::default());
    let now = call(thread, 0, PERSONALITY, [0xffff_ffff]).unwrap();
    assert_eq!(call(thread, 0, PERSONALITY, [PER_LINUX32]), EINVAL);
    assert_eq!(call(thread, 0, PERSONALITY, [now | READ_IMPLIES_EXEC]), Ok(now));
    assert_eq!(call(thread, 0, PERSONALITY, [0xffff_ffff]), Ok(now | READ_IMPLIES_EXEC));
    assert_eq!(host(libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0]), Ok(now));
    let at = call(thread, 0, MMAP, [0, 4096, 1, 0x22, u64::MAX, 0]).unwrap();
    assert!(thread.mem.fetchable(at));
    assert_eq!(call(thread, 0, PERSONALITY, [now]), Ok(now | READ_IMPLIES_EXEC));
    assert_eq!(call(thread, 0, MPROTECT, [at, 4096, 1]), Ok(0));
    assert!(!thread.mem.fetchable(at));
    assert_eq!(call(thread, 0, MUNMAP, [at, 4096]), Ok(0));
}

#[test]
fn limits_on_memory_are_the_guests() {
    let thread = &mut guest(Default::default());
    let mut seen = Limit::default();
    for resource in [libc::RLIMIT_AS as u32, libc::RLIMIT_DATA as u32] {
        let before = host_limit(resource);
        let tiny = Limit { cur: 3 * 4096, max: 8 * 4096 };
        assert_eq!(call(thread, 0, PRLIMIT64, [0, u64::from(resource), (&raw const tiny) as u64, (&raw mut seen) as u64]), Ok(0));
        assert_eq!(seen, before);
        assert_eq!(call(thread, 0, GETRLIMIT, [u64::from(resource), (&raw mut seen) as u64]), Ok(0));
        assert_eq!(seen, tiny);
        assert_eq!(host_limit(resource), before);
        let wrong = Limit { cur: 2, max: 1 };
        assert_eq!(call(thread, 0, SETRLIMIT, [u64::from(resource), (&raw const wrong) as u64]), EINVAL);
    }
    let anonymous = |t: &mut Thread, pages: u64| call(t, 0, MMAP, [0, pages * 4096, 3, 0x22, u64::MAX, 0]);
    assert_eq!(anonymous(thread, 4), Err(Stop::Errno(Errno::ENOMEM)));
    let at = anonymous(thread, 3).unwrap();
    assert_eq!(anonymous(thread, 1), Err(Stop::Errno(Errno::ENOMEM)));
    assert_eq!(call(thread, 0, MMAP, [at, 4096, 1, 0x32, u64::MAX, 0]), Ok(at), "in place of what is there");
    assert_eq!(call(thread, 0, MUNMAP, [at, 4096 * 3]), Ok(0));
}

fn set(thread: &mut Thread, [option, a, b]: [u64; 3]) -> SysResult {
    prctl(&mut Ctx { thread, machine: &mut NoMachine { pending: 0 } }, [option, a, b, 0, 0, 0])
}

#[test]
fn prctl_options_of_other_cpus_are_refused() {
    let thread = &mut guest(Default::default());
    for option in [5, 26, 43, 50, 51, 54, 59, 60, 61, 63, 71, 74, 4711] {
        assert_eq!(set(thread, [option, 1, 0]), EINVAL, "{option}");
    }
    assert_eq!(set(thread, [35, 8, 0]), EPERM);
    assert_eq!(set(thread, [35, 14, 0]), EINVAL);
    let mut name = [0u8; 16];
    assert_eq!(set(thread, [16, name.as_mut_ptr() as u64 | 0x77 << 56, 0]), Ok(0));
    assert_ne!(name[0], 0);
    assert_eq!(set(thread, [56, 0, 0]), Ok(0));
    assert_eq!(set(thread, [55, 1, 0]), Ok(0));
    assert_eq!(set(thread, [55, 1 | 2, 0]), EINVAL, "MTE");
    assert_eq!(set(thread, [56, 0, 0]), Ok(1));
}

/// PR_SET_MDWE, as the kernel's own test suite has it.
#[test]
fn no_memory_becomes_executable_that_was_not() {
    let thread = &mut guest(Default::default());
    let map = |t: &mut Thread, prot: u64| call(t, 0, MMAP, [0, 4096, prot, 0x22, u64::MAX, 0]);
    let before = map(thread, 7).unwrap();
    assert_eq!(set(thread, [65, 2, 0]), EINVAL);
    assert_eq!(set(thread, [65, 1, 0]), Ok(0));
    assert_eq!(set(thread, [65, 0, 0]), EPERM);
    assert_eq!(set(thread, [66, 0, 0]), Ok(1));
    assert_eq!(map(thread, 7), EACCES);
    let (code, data) = (map(thread, 5).unwrap(), map(thread, 3).unwrap());
    assert_eq!(call(thread, 0, MPROTECT, [code, 4096, 5]), Ok(0));
    assert_eq!(call(thread, 0, MPROTECT, [code, 4096, 7]), EACCES);
    assert_eq!(call(thread, 0, MPROTECT, [data, 4096, 5]), EACCES);
    assert_eq!(call(thread, 0, MPROTECT, [before, 4096, 5]), Ok(0));
    assert_eq!(call(thread, 0, MPROTECT, [before, 4096, 1]), Ok(0));
    assert_eq!(call(thread, 0, MPROTECT, [before, 4096, 5]), EACCES);
    for at in [before, code, data] {
        assert_eq!(call(thread, 0, MUNMAP, [at, 4096]), Ok(0));
    }
}
