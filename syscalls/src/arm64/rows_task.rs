//! Rows of the arm64 table: task.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 93, name: "exit", args: "xxxxxx", run: Run::Pass(60), support: Support::Partial("not reviewed") },
    Row { nr: 94, name: "exit_group", args: "xxxxxx", run: Run::Pass(231), support: Support::Partial("not reviewed") },
    Row { nr: 95, name: "waitid", args: "xxxxxx", run: Run::Pass(247), support: Support::Partial("not reviewed") },
    Row { nr: 96, name: "set_tid_address", args: "xxxxxx", run: Run::Pass(218), support: Support::Partial("not reviewed") },
    Row { nr: 97, name: "unshare", args: "xxxxxx", run: Run::Pass(272), support: Support::Partial("not reviewed") },
    Row { nr: 98, name: "futex", args: "xxxxxx", run: Run::Pass(202), support: Support::Partial("not reviewed") },
    Row { nr: 99, name: "set_robust_list", args: "xxxxxx", run: Run::Pass(273), support: Support::Partial("not reviewed") },
    Row { nr: 100, name: "get_robust_list", args: "xxxxxx", run: Run::Pass(274), support: Support::Partial("not reviewed") },
    Row { nr: 117, name: "ptrace", args: "xxxxxx", run: Run::Pass(101), support: Support::Partial("not reviewed") },
    Row { nr: 167, name: "prctl", args: "xxxxxx", run: Run::Pass(157), support: Support::Partial("not reviewed") },
    Row { nr: 220, name: "clone", args: "xxxxxx", run: Run::Pass(56), support: Support::Partial("not reviewed") },
    Row { nr: 221, name: "execve", args: "xxxxxx", run: Run::Pass(59), support: Support::Partial("not reviewed") },
    Row { nr: 260, name: "wait4", args: "xxxxxx", run: Run::Pass(61), support: Support::Partial("not reviewed") },
    Row { nr: 268, name: "setns", args: "xxxxxx", run: Run::Pass(308), support: Support::Partial("not reviewed") },
    Row { nr: 272, name: "kcmp", args: "xxxxxx", run: Run::Pass(312), support: Support::Partial("not reviewed") },
    Row { nr: 277, name: "seccomp", args: "xxxxxx", run: Run::Pass(317), support: Support::Partial("not reviewed") },
    Row { nr: 281, name: "execveat", args: "xxxxxx", run: Run::Pass(322), support: Support::Partial("not reviewed") },
    Row { nr: 293, name: "rseq", args: "xxxxxx", run: Run::Pass(334), support: Support::Partial("not reviewed") },
    Row { nr: 434, name: "pidfd_open", args: "xxxxxx", run: Run::Pass(434), support: Support::Partial("not reviewed") },
    Row { nr: 435, name: "clone3", args: "xxxxxx", run: Run::Pass(435), support: Support::Partial("not reviewed") },
    Row { nr: 438, name: "pidfd_getfd", args: "xxxxxx", run: Run::Pass(438), support: Support::Partial("not reviewed") },
    Row { nr: 449, name: "futex_waitv", args: "xxxxxx", run: Run::Pass(449), support: Support::Partial("not reviewed") },
    Row { nr: 454, name: "futex_wake", args: "xxxxxx", run: Run::Fail(libc::ENOSYS), support: Support::Partial("not reviewed") },
    Row { nr: 455, name: "futex_wait", args: "xxxxxx", run: Run::Fail(libc::ENOSYS), support: Support::Partial("not reviewed") },
    Row { nr: 456, name: "futex_requeue", args: "xxxxxx", run: Run::Fail(libc::ENOSYS), support: Support::Partial("not reviewed") },
];
