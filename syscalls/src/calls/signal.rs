//! Calls: signal.

use crate::host::nr;
use crate::table::calls;
use crate::topics::signal;

#[rustfmt::skip]
calls! {
    restart_syscall "" Fail(libc::EINTR), Partial("there is never anything to restart: calls restart by themselves");
    kill "dd" Pass(nr::kill), Full;
    tkill "dd" Pass(nr::tkill), Full;
    tgkill "ddd" Pass(nr::tgkill), Full;
    sigaltstack "pp" Call(signal::sigaltstack), Full;
    rt_sigsuspend "pu" Call(signal::rt_sigsuspend), Full;
    rt_sigaction "dppu" Call(signal::rt_sigaction), Full;
    rt_sigprocmask "dppu" Call(signal::rt_sigprocmask), Full;
    rt_sigpending "pu" Call(signal::rt_sigpending), Full;
    rt_sigtimedwait "pppu" Call(signal::rt_sigtimedwait), Full;
    rt_sigqueueinfo "ddp" Pass(nr::rt_sigqueueinfo), Full;
    rt_sigreturn "" Call(signal::rt_sigreturn), Full;
    rt_tgsigqueueinfo "dddp" Pass(nr::rt_tgsigqueueinfo), Full;
    pidfd_send_signal "fdpx" Pass(nr::pidfd_send_signal), Full;
}
