//! Rows of the arm64 table: signal.

use crate::table::{Row, Run, Support};
use crate::topics::signal;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 128, name: "restart_syscall", args: "", run: Run::Fail(libc::EINTR), support: Support::Partial("there is never anything to restart: calls restart by themselves") },
    Row { nr: 129, name: "kill", args: "dd", run: Run::Pass(62), support: Support::Full },
    Row { nr: 130, name: "tkill", args: "dd", run: Run::Pass(200), support: Support::Full },
    Row { nr: 131, name: "tgkill", args: "ddd", run: Run::Pass(234), support: Support::Full },
    Row { nr: 132, name: "sigaltstack", args: "pp", run: Run::Call(signal::sigaltstack), support: Support::Full },
    Row { nr: 133, name: "rt_sigsuspend", args: "pu", run: Run::Call(signal::rt_sigsuspend), support: Support::Full },
    Row { nr: 134, name: "rt_sigaction", args: "dppu", run: Run::Call(signal::rt_sigaction), support: Support::Full },
    Row { nr: 135, name: "rt_sigprocmask", args: "dppu", run: Run::Call(signal::rt_sigprocmask), support: Support::Full },
    Row { nr: 136, name: "rt_sigpending", args: "pu", run: Run::Call(signal::rt_sigpending), support: Support::Full },
    Row { nr: 137, name: "rt_sigtimedwait", args: "pppu", run: Run::Call(signal::rt_sigtimedwait), support: Support::Full },
    Row { nr: 138, name: "rt_sigqueueinfo", args: "ddp", run: Run::Pass(129), support: Support::Full },
    Row { nr: 139, name: "rt_sigreturn", args: "", run: Run::Call(signal::rt_sigreturn), support: Support::Full },
    Row { nr: 240, name: "rt_tgsigqueueinfo", args: "dddp", run: Run::Pass(297), support: Support::Full },
    Row { nr: 424, name: "pidfd_send_signal", args: "fdpx", run: Run::Pass(424), support: Support::Full },
];
