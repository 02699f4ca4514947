//! Rows of the arm64 table: task.

use crate::table::{Row, Run, Support};
use crate::topics::{proc, seccomp, task};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 93, name: "exit", args: "d", run: Run::Call(task::exit), support: Support::Full },
    Row { nr: 94, name: "exit_group", args: "d", run: Run::Call(task::exit_group), support: Support::Full },
    Row { nr: 95, name: "waitid", args: "ddpxp", run: Run::Pass(247), support: Support::Full },
    Row { nr: 96, name: "set_tid_address", args: "p", run: Run::Call(task::set_tid_address), support: Support::Full },
    Row { nr: 97, name: "unshare", args: "x", run: Run::Pass(272), support: Support::Full },
    Row { nr: 98, name: "futex", args: "pduppu", run: Run::Call(task::futex), support: Support::Full },
    Row { nr: 99, name: "set_robust_list", args: "pu", run: Run::Pass(273), support: Support::Full },
    Row { nr: 100, name: "get_robust_list", args: "dpp", run: Run::Pass(274), support: Support::Full },
    Row { nr: 117, name: "ptrace", args: "ddpp", run: Run::Fail(libc::EPERM), support: Support::Refused("a tracer would see the runtime's registers, not the guest's") },
    Row { nr: 167, name: "prctl", args: "dxxxx", run: Run::Call(proc::prctl), support: Support::Partial("no PR_SET_MM, no features of other CPUs") },
    Row { nr: 220, name: "clone", args: "xpppp", run: Run::Call(task::clone), support: Support::Partial("a thread gets no chosen id and no cgroup of its own") },
    Row { nr: 221, name: "execve", args: "spp", run: Run::Call(task::execve), support: Support::Full },
    Row { nr: 260, name: "wait4", args: "dpxp", run: Run::Pass(61), support: Support::Full },
    Row { nr: 268, name: "setns", args: "fx", run: Run::Pass(308), support: Support::Full },
    Row { nr: 272, name: "kcmp", args: "dddxx", run: Run::Pass(312), support: Support::Full },
    Row { nr: 277, name: "seccomp", args: "uxp", run: Run::Call(seccomp::seccomp), support: Support::Partial("no notifications to a supervisor; nothing is logged") },
    Row { nr: 281, name: "execveat", args: "fsppx", run: Run::Call(task::execveat), support: Support::Full },
    Row { nr: 293, name: "rseq", args: "pudx", run: Run::Fail(libc::ENOSYS), support: Support::Refused("a restartable sequence can't be aborted inside of translated code") },
    Row { nr: 434, name: "pidfd_open", args: "dx", run: Run::Pass(434), support: Support::Full },
    Row { nr: 435, name: "clone3", args: "pu", run: Run::Call(task::clone3), support: Support::Partial("a thread gets no chosen id and no cgroup of its own") },
    Row { nr: 438, name: "pidfd_getfd", args: "fdx", run: Run::Pass(438), support: Support::Full },
    Row { nr: 449, name: "futex_waitv", args: "puxpd", run: Run::Pass(449), support: Support::Full },
    Row { nr: 454, name: "futex_wake", args: "pxdx", run: Run::Pass(454), support: Support::Full },
    Row { nr: 455, name: "futex_wait", args: "pxxxpd", run: Run::Pass(455), support: Support::Full },
    Row { nr: 456, name: "futex_requeue", args: "pxdd", run: Run::Pass(456), support: Support::Full },
];
