//! Calls: those that only amd64 has, because newer architectures do without. Hosts may lack them: none is passed on.

use crate::amd64::cpu;
use crate::table::calls;
use crate::topics::{fs, io, proc, signal, task, time};

#[rustfmt::skip]
calls! {
    open "sxo" Call(fs::open), Full;
    creat "so" Call(fs::creat), Full;
    stat "sp" Call(fs::stat), Full;
    lstat "sp" Call(fs::lstat), Full;
    access "sx" Call(fs::access), Full;
    getdents "fpu" Call(fs::getdents), Full;
    rename "ss" Call(fs::rename), Full;
    mkdir "so" Call(fs::mkdir), Full;
    rmdir "s" Call(fs::rmdir), Full;
    link "ss" Call(fs::link), Full;
    unlink "s" Call(fs::unlink), Full;
    symlink "ss" Call(fs::symlink), Full;
    readlink "spu" Call(fs::readlink), Full;
    chmod "so" Call(fs::chmod), Full;
    chown "sdd" Call(fs::chown), Full;
    lchown "sdd" Call(fs::lchown), Full;
    mknod "sox" Call(fs::mknod), Full;
    utime "sp" Call(fs::utime), Full;
    utimes "sp" Call(fs::utimes), Full;
    futimesat "fsp" Call(fs::futimesat), Full;
    inotify_init "" Call(fs::inotify_init), Full;
    uselib "s" Fail(libc::ENOSYS), Refused("gone from Linux since 5.18");
    ustat "xp" Call(fs::ustat), Partial("a file system is found only if it is mounted where the caller sees it");
    sysfs "dxp" Call(fs::sysfs), Full;
    poll "pud" Call(io::poll), Full;
    select "dpppp" Call(io::select), Full;
    pipe "p" Call(io::pipe), Full;
    dup2 "ff" Call(io::dup2), Full;
    epoll_create "d" Call(io::epoll_create), Full;
    epoll_wait "fpdd" Call(io::epoll_wait), Full;
    epoll_ctl_old "" Fail(libc::ENOSYS), Refused("gone from Linux since 2.6");
    epoll_wait_old "" Fail(libc::ENOSYS), Refused("gone from Linux since 2.6");
    eventfd "u" Call(io::eventfd), Full;
    signalfd "fpu" Call(io::signalfd), Full;
    getpgrp "" Call(proc::getpgrp), Full;
    fork "" Call(task::fork), Full;
    vfork "" Call(task::vfork), Full;
    pause "" Call(signal::pause), Full;
    alarm "u" Call(time::alarm), Full;
    time "p" Call(time::time), Full;
    arch_prctl "xx" Call(cpu::arch_prctl), Partial("CPUID can't be made to fault; no shadow stacks, no linear address masking");
    iopl "u" Call(cpu::iopl), Partial("no ports: never permitted");
    ioperm "xud" Call(cpu::ioperm), Partial("no ports: never permitted");
    modify_ldt "dpu" Fail(libc::ENOSYS), Refused("no segments, as on a kernel without CONFIG_MODIFY_LDT_SYSCALL");
    set_thread_area "p" Fail(libc::ENOSYS), Refused("for 32-bit programs only");
    get_thread_area "p" Fail(libc::ENOSYS), Refused("for 32-bit programs only");
    _sysctl "p" Fail(libc::ENOSYS), Refused("gone from Linux since 5.5");
    create_module "su" Fail(libc::ENOSYS), Refused("gone from Linux since 2.6");
    get_kernel_syms "p" Fail(libc::ENOSYS), Refused("gone from Linux since 2.6");
    query_module "sdpup" Fail(libc::ENOSYS), Refused("gone from Linux since 2.6");
    getpmsg "" Fail(libc::ENOSYS), Refused("never was in Linux");
    putpmsg "" Fail(libc::ENOSYS), Refused("never was in Linux");
    afs_syscall "" Fail(libc::ENOSYS), Refused("never was in Linux");
    tuxcall "" Fail(libc::ENOSYS), Refused("never was in Linux");
    security "" Fail(libc::ENOSYS), Refused("never was in Linux");
    vserver "" Fail(libc::ENOSYS), Refused("never was in Linux");
}
