//! Rows of the arm64 table: signal.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 128, name: "restart_syscall", args: "xxxxxx", run: Run::Pass(219), support: Support::Partial("not reviewed") },
    Row { nr: 129, name: "kill", args: "xxxxxx", run: Run::Pass(62), support: Support::Partial("not reviewed") },
    Row { nr: 130, name: "tkill", args: "xxxxxx", run: Run::Pass(200), support: Support::Partial("not reviewed") },
    Row { nr: 131, name: "tgkill", args: "xxxxxx", run: Run::Pass(234), support: Support::Partial("not reviewed") },
    Row { nr: 132, name: "sigaltstack", args: "xxxxxx", run: Run::Pass(131), support: Support::Partial("not reviewed") },
    Row { nr: 133, name: "rt_sigsuspend", args: "xxxxxx", run: Run::Pass(130), support: Support::Partial("not reviewed") },
    Row { nr: 134, name: "rt_sigaction", args: "xxxxxx", run: Run::Pass(13), support: Support::Partial("not reviewed") },
    Row { nr: 135, name: "rt_sigprocmask", args: "xxxxxx", run: Run::Pass(14), support: Support::Partial("not reviewed") },
    Row { nr: 136, name: "rt_sigpending", args: "xxxxxx", run: Run::Pass(127), support: Support::Partial("not reviewed") },
    Row { nr: 137, name: "rt_sigtimedwait", args: "xxxxxx", run: Run::Pass(128), support: Support::Partial("not reviewed") },
    Row { nr: 138, name: "rt_sigqueueinfo", args: "xxxxxx", run: Run::Pass(129), support: Support::Partial("not reviewed") },
    Row { nr: 139, name: "rt_sigreturn", args: "xxxxxx", run: Run::Pass(15), support: Support::Partial("not reviewed") },
    Row { nr: 240, name: "rt_tgsigqueueinfo", args: "xxxxxx", run: Run::Pass(297), support: Support::Partial("not reviewed") },
    Row { nr: 424, name: "pidfd_send_signal", args: "xxxxxx", run: Run::Pass(424), support: Support::Partial("not reviewed") },
];
