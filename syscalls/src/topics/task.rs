//! Threads, processes and programs.

use super::{procfs, signal};
use crate::ctx::{CloneArgs, Ctx, ExecRequest, Flow, Stop, SysResult};
use crate::{Errno, GuestAddr};
use std::ffi::CString;

/// The exit signal's bits among clone's flags.
const CSIGNAL: u64 = 0xff;
/// clone3 only; libc has them as signed or not at all.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
/// Time namespace: a bit of CSIGNAL, so clone3 and unshare only.
const CLONE_NEWTIME: u64 = 0x80;
const CLONE_DETACHED: u64 = 0x0040_0000;
/// Every flag that clone knows.
const LEGACY_FLAGS: u64 = 0xffff_ffff;

const fn flag(f: i32) -> u64 {
    f as u32 as u64
}

const VM: u64 = flag(libc::CLONE_VM);
const VFORK: u64 = flag(libc::CLONE_VFORK);
const FS: u64 = flag(libc::CLONE_FS);
const SIGHAND: u64 = flag(libc::CLONE_SIGHAND);
const THREAD: u64 = flag(libc::CLONE_THREAD);
const PARENT: u64 = flag(libc::CLONE_PARENT);
const PIDFD: u64 = flag(libc::CLONE_PIDFD);
const PARENT_SETTID: u64 = flag(libc::CLONE_PARENT_SETTID);

/// clone(flags, stack, parent_tid, …): the order of the thread pointer and the child's id differs.
pub fn clone(ctx: &mut Ctx<'_>, all: [u64; 6]) -> SysResult {
    let order = &ctx.abi().registers.clone;
    let ([flags, sp, parent_tid, ..], tls, child_tid) = (all, all[order.tls], all[order.child_tid]);
    let flags = flags & LEGACY_FLAGS;
    let args = CloneArgs {
        flags: flags & !CSIGNAL,
        pidfd: parent_tid,
        child_tid,
        parent_tid,
        exit_signal: flags & CSIGNAL,
        sp,
        tls,
        ..CloneArgs::default()
    };
    start(ctx, &args)
}

/// fork().
pub fn fork(ctx: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    start(ctx, &CloneArgs { exit_signal: libc::SIGCHLD as u64, ..CloneArgs::default() })
}

/// vfork().
pub fn vfork(ctx: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    start(ctx, &CloneArgs { flags: VFORK | VM, exit_signal: libc::SIGCHLD as u64, ..CloneArgs::default() })
}

/// clone3(args, size).
pub fn clone3(ctx: &mut Ctx<'_>, [addr, size, ..]: [u64; 6]) -> SysResult {
    let args = read_clone_args(GuestAddr(addr), size)?;
    start(ctx, &args)
}

/// Oldest and newest sizes of clone3's structure, and the one with `cgroup`.
const CLONE_ARGS_OLDEST: u64 = 64;
const CLONE_ARGS_SIZE: usize = 88;
const PAGE: u64 = 4096;

fn read_clone_args(addr: GuestAddr, size: u64) -> Result<CloneArgs, Errno> {
    match size {
        s if s > PAGE => return Err(Errno::E2BIG),
        s if s < CLONE_ARGS_OLDEST => return Err(Errno::EINVAL),
        _ => {}
    }
    let mut bytes = [0u8; PAGE as usize];
    let bytes = &mut bytes[..size as usize];
    addr.read_bytes(bytes)?;
    if bytes.iter().skip(CLONE_ARGS_SIZE).any(|&b| b != 0) {
        return Err(Errno::E2BIG);
    }
    let word = |i: usize| bytes.get(i * 8..i * 8 + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
    let (stack, stack_size) = (word(5), word(6));
    let args = CloneArgs {
        flags: word(0),
        pidfd: word(1),
        child_tid: word(2),
        parent_tid: word(3),
        exit_signal: word(4),
        sp: stack.wrapping_add(stack_size),
        tls: word(7),
        set_tid: word(8),
        set_tid_size: word(9),
        cgroup: word(10),
    };
    let allowed = (LEGACY_FLAGS | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP) & !(CLONE_DETACHED | CSIGNAL & !CLONE_NEWTIME);
    let both = |mask: u64| args.flags & mask == mask;
    let bad = args.set_tid_size > 32
        || (args.set_tid == 0) != (args.set_tid_size == 0)
        || args.exit_signal > 64
        || args.flags & CLONE_INTO_CGROUP != 0 && (args.cgroup > i32::MAX as u64 || size < CLONE_ARGS_SIZE as u64)
        || args.flags & !allowed != 0
        || both(SIGHAND | CLONE_CLEAR_SIGHAND)
        || args.flags & (THREAD | PARENT) != 0 && args.exit_signal != 0
        || (stack == 0) != (stack_size == 0);
    if bad {
        return Err(Errno::EINVAL);
    }
    Ok(args)
}

/// What kernel_clone and copy_process refuse whatever the kernel's configuration; then the machine's part.
fn start(ctx: &mut Ctx<'_>, args: &CloneArgs) -> SysResult {
    let has = |f: u64| args.flags & f != 0;
    let namespaces = |f: i32| has(flag(f));
    let bad = has(PIDFD) && has(PARENT_SETTID) && args.pidfd == args.parent_tid
        || has(FS) && (namespaces(libc::CLONE_NEWNS) || namespaces(libc::CLONE_NEWUSER))
        || has(THREAD) && !has(SIGHAND)
        || has(SIGHAND) && !has(VM)
        || has(THREAD) && (namespaces(libc::CLONE_NEWUSER) || namespaces(libc::CLONE_NEWPID))
        || has(PIDFD) && has(CLONE_DETACHED);
    if bad {
        return Err(Errno::EINVAL.into());
    }
    // A held signal belongs to one task only.
    signal::block_all(ctx)?;
    let result = ctx.machine.clone(ctx.thread, args);
    signal::restore_mask(ctx.thread);
    result
}

/// exit(status).
pub fn exit(ctx: &mut Ctx<'_>, [status, ..]: [u64; 6]) -> SysResult {
    // A held signal would be lost with the thread; the process may want it.
    signal::block_all(ctx)?;
    Err(Stop::Flow(Flow::Exit(status as i32)))
}

/// exit_group(status).
pub fn exit_group(_: &mut Ctx<'_>, [status, ..]: [u64; 6]) -> SysResult {
    Err(Stop::Flow(Flow::ExitGroup(status as i32)))
}

const FUTEX_CMD_MASK: u64 = 0x7f;
const FUTEX_WAIT: u64 = 0;
const FUTEX_WAIT_BITSET: u64 = 9;

/// futex(word, op, value, timeout or value2, word2, value3). Only those that wait for a change of the word may fail because of a signal. The operations that end
/// with a lock held go on after it, whatever its SA_RESTART says (the kernel's ERESTARTNOINTR); the others don't wait, but where a host can't tell a thread that was
/// kept from its call for long from one that the call has kept, they are said to have been interrupted, too, and are still to be done.
pub fn futex(ctx: &mut Ctx<'_>, [word, op, value, timeout, word2, value3]: [u64; 6]) -> SysResult {
    let at = |a: u64| GuestAddr(a).host();
    match ctx.sys(libc::SYS_futex, [at(word), op, value, at(timeout), at(word2), value3]) {
        Err(Stop::Restart) if !matches!(op & FUTEX_CMD_MASK, FUTEX_WAIT | FUTEX_WAIT_BITSET) => Err(Stop::Flow(Flow::Repeat)),
        result => result,
    }
}

/// set_tid_address(addr). The end of the thread is the runtime's business, and so is the word that tells it.
pub fn set_tid_address(ctx: &mut Ctx<'_>, [addr, ..]: [u64; 6]) -> SysResult {
    ctx.thread.clear_child_tid = addr;
    Ok(ctx.thread.tid as u64)
}

/// Longest argument (`MAX_ARG_STRLEN`), with its NUL.
const ARG_MAX_STRING: usize = 32 * PAGE as usize;
/// What all arguments may take at least and at most, whatever the stack's limit says (`ARG_MAX`, three quarters of `_STK_LIM`).
const ARG_MIN_TOTAL: u64 = 32 * PAGE;
const ARG_MAX_TOTAL: u64 = 6 << 20;

/// execve(path, argv, envp).
pub fn execve(ctx: &mut Ctx<'_>, [path, argv, envp, ..]: [u64; 6]) -> SysResult {
    execveat(ctx, [libc::AT_FDCWD as u64, path, argv, envp, 0, 0])
}

/// execveat(dirfd, path, argv, envp, flags).
pub fn execveat(ctx: &mut Ctx<'_>, [dirfd, path, argv, envp, flags, _]: [u64; 6]) -> SysResult {
    let path = GuestAddr(path).read_path()?;
    if path.is_empty() && flags & libc::AT_EMPTY_PATH as u64 == 0 {
        return Err(Errno::ENOENT.into());
    }
    if flags & !((libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK) as u64) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut budget = argument_budget();
    let argv = read_strings(argv, &mut budget)?;
    let envp = read_strings(envp, &mut budget)?;
    let target = procfs::readlink(ctx, dirfd as i32, &path).map(text);
    let req = ExecRequest { dirfd: dirfd as i32, path: text(path), target, argv, envp, flags };
    ctx.machine.exec(ctx.thread, req)
}

/// Only answer whether the file may be executed (Linux 6.14).
pub const AT_EXECVE_CHECK: i32 = 0x10000;

/// What the kernel grants arguments and environment together: a quarter of the stack, within limits.
fn argument_budget() -> u64 {
    let mut limit = [0u64; 2];
    // SAFETY: the structure is valid for the call.
    unsafe { crate::sys::raw(libc::SYS_prlimit64, [0, libc::RLIMIT_STACK as u64, 0, &raw mut limit as u64, 0, 0]) };
    (limit[0] / 4).clamp(ARG_MIN_TOTAL, ARG_MAX_TOTAL)
}

/// An array of strings that ends with a null pointer; a null array is empty.
fn read_strings(array: u64, budget: &mut u64) -> Result<Vec<CString>, Errno> {
    let mut out = Vec::new();
    if array == 0 {
        return Ok(out);
    }
    for at in (0..).map(|i: u64| GuestAddr(array).add(i * 8)) {
        let string = GuestAddr(at.read()?);
        if string.is_null() {
            break;
        }
        let bytes = string.read_cstr(ARG_MAX_STRING - 1).map_err(|e| if e == Errno::ENAMETOOLONG { Errno::E2BIG } else { e })?;
        // The pointer on the new stack counts.
        *budget = budget.checked_sub(bytes.len() as u64 + 9).ok_or(Errno::E2BIG)?;
        out.push(text(bytes));
    }
    Ok(out)
}

/// Bytes that came from a C string.
fn text(bytes: Vec<u8>) -> CString {
    CString::new(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Machine, Thread};

    fn parse(words: &[u64], size: u64) -> Result<CloneArgs, Errno> {
        read_clone_args(GuestAddr(words.as_ptr() as u64), size)
    }

    /// Notes what it is to clone.
    struct Recorder {
        args: Option<CloneArgs>,
        pending: u32,
    }

    #[rustfmt::skip]
    impl Machine for Recorder {
        fn context(&self) -> Context { Context::default() }
        fn set_context(&mut self, _: &Context) {}
        fn invalidate(&self, _: u64, _: u64) {}
        fn clone(&mut self, _: &mut Thread, args: &CloneArgs) -> SysResult { self.args = Some(*args); Ok(77) }
        fn exec(&mut self, _: &mut Thread, _: ExecRequest) -> SysResult { unreachable!() }
        fn pending(&self) -> *const u32 { &self.pending }
    }

    /// Each guest's numbers of its calls that make tasks, and what they ask for.
    #[test]
    fn arguments_are_in_the_guests_order() {
        let both = CloneArgs {
            flags: VM,
            pidfd: 3,
            child_tid: 5,
            parent_tid: 3,
            exit_signal: 17,
            sp: 2,
            tls: 4,
            ..CloneArgs::default()
        };
        let fork = CloneArgs { exit_signal: 17, ..CloneArgs::default() };
        let vfork = CloneArgs { flags: VFORK | VM, ..fork };
        for (abi, nr, args, expected) in [
            (&crate::arm64::ABI, 220, [VM | 17, 2, 3, 4, 5, 0], both),
            (&crate::amd64::ABI, 56, [VM | 17, 2, 3, 5, 4, 0], both),
            (&crate::amd64::ABI, 57, [9; 6], fork),
            (&crate::amd64::ABI, 58, [9; 6], vfork),
        ] {
            let thread = &mut crate::testing::guest_of(abi, Default::default());
            let mut machine = Recorder { args: None, pending: 0 };
            let result = crate::dispatch(&mut Ctx { thread, machine: &mut machine }, nr, args);
            assert_eq!((result, machine.args), (Ok(77), Some(expected)), "{abi:?} {nr}");
        }
    }

    #[test]
    fn clone3_takes_what_the_kernel_takes() {
        let mut w = [0u64; 16];
        w[4] = libc::SIGCHLD as u64;
        (w[5], w[6]) = (0x10000, 0x4000);
        assert_eq!(parse(&w, 64).map(|a| a.sp), Ok(0x14000));
        assert_eq!(parse(&w, 128).map(|a| a.exit_signal), Ok(17));
        assert_eq!(parse(&w, 56), Err(Errno::EINVAL));
        assert_eq!(parse(&w, 4097), Err(Errno::E2BIG));
        w[11] = 1;
        assert_eq!(parse(&w, 96), Err(Errno::E2BIG));
        assert_eq!(parse(&w, 88).map(|a| a.flags), Ok(0));
    }

    #[test]
    fn clone3_refuses_what_the_kernel_refuses() {
        let base = [0, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0, 0, 0, 0];
        for (at, value) in [
            (0, THREAD),
            (0, SIGHAND | CLONE_CLEAR_SIGHAND),
            (0, CLONE_DETACHED),
            (0, 1),
            (0, 1 << 34),
            (4, 65),
            (5, 0x1000),
            (6, 0x1000),
            (8, 0x1000),
            (9, 1),
        ] {
            let mut w = base;
            w[at] = value;
            assert_eq!(parse(&w, 88), Err(Errno::EINVAL), "{at} {value:#x}");
        }
    }

    #[test]
    fn arguments_are_limited_one_by_one_and_together() {
        let long = vec![b'a'; ARG_MAX_STRING];
        let array = [long.as_ptr() as u64, 0];
        let mut budget = ARG_MAX_TOTAL;
        assert_eq!(read_strings(array.as_ptr() as u64, &mut budget), Err(Errno::E2BIG));
        let array = [c"abc".as_ptr() as u64, c"".as_ptr() as u64, 0];
        let mut budget = 22;
        assert_eq!(read_strings(array.as_ptr() as u64, &mut budget).map(|v| v.len()), Ok(2));
        assert_eq!(budget, 1);
        assert_eq!(read_strings(array.as_ptr() as u64, &mut 20), Err(Errno::E2BIG));
    }
}
