//! Calls: task.

use crate::host::nr;
use crate::table::calls;
use crate::topics::{proc, seccomp, task};

#[rustfmt::skip]
calls! {
    exit "d" Call(task::exit), Full;
    exit_group "d" Call(task::exit_group), Full;
    waitid "ddpxp" Pass(nr::waitid), Full;
    set_tid_address "p" Call(task::set_tid_address), Full;
    unshare "x" Leave(nr::unshare), Full;
    futex "pduppu" Call(task::futex), Full;
    set_robust_list "pu" Pass(nr::set_robust_list), Full;
    get_robust_list "dpp" Pass(nr::get_robust_list), Full;
    ptrace "ddpp" Fail(libc::EPERM), Refused("a tracer would see the runtime's registers, not the guest's");
    prctl "dxxxx" Call(proc::prctl), Partial("no PR_SET_MM, no features of other CPUs");
    clone "xpppp" Call(task::clone), Partial("a thread gets no chosen id and no cgroup of its own");
    execve "spp" Call(task::execve), Full;
    wait4 "dpxp" Pass(nr::wait4), Full;
    setns "fx" Leave(nr::setns), Full;
    kcmp "dddxx" Pass(nr::kcmp), Full;
    seccomp "uxp" Call(seccomp::seccomp), Partial("no notifications to a supervisor; nothing is logged");
    execveat "fsppx" Call(task::execveat), Full;
    rseq "pudx" Fail(libc::ENOSYS), Refused("a restartable sequence can't be aborted inside of translated code");
    pidfd_open "dx" Pass(nr::pidfd_open), Full;
    clone3 "pu" Call(task::clone3), Partial("a thread gets no chosen id and no cgroup of its own");
    pidfd_getfd "fdx" Pass(nr::pidfd_getfd), Full;
    futex_waitv "puxpd" Pass(nr::futex_waitv), Full;
    futex_wake "pxdx" Pass(nr::futex_wake), Full;
    futex_wait "pxxxpd" Pass(nr::futex_wait), Full;
    futex_requeue "pxdd" Pass(nr::futex_requeue), Full;
}
