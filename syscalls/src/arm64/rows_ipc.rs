//! Rows of the arm64 table: System V and POSIX message queues, semaphores, shared memory, keys.

use crate::table::{Row, Run, Support};
use crate::topics::{ipc, mem};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 180, name: "mq_open", args: "sxop", run: Run::Call(ipc::mq_open), support: Support::Full },
    Row { nr: 181, name: "mq_unlink", args: "s", run: Run::Pass(241), support: Support::Full },
    Row { nr: 182, name: "mq_timedsend", args: "fbuup", run: Run::Pass(242), support: Support::Full },
    Row { nr: 183, name: "mq_timedreceive", args: "fbupp", run: Run::Pass(243), support: Support::Full },
    Row { nr: 184, name: "mq_notify", args: "fp", run: Run::Pass(244), support: Support::Full },
    Row { nr: 185, name: "mq_getsetattr", args: "fpp", run: Run::Pass(245), support: Support::Full },
    Row { nr: 186, name: "msgget", args: "xx", run: Run::Pass(68), support: Support::Full },
    Row { nr: 187, name: "msgctl", args: "ddp", run: Run::Pass(71), support: Support::Full },
    Row { nr: 188, name: "msgrcv", args: "dpudx", run: Run::Pass(70), support: Support::Full },
    Row { nr: 189, name: "msgsnd", args: "dpux", run: Run::Pass(69), support: Support::Full },
    Row { nr: 190, name: "semget", args: "xdx", run: Run::Pass(64), support: Support::Full },
    Row { nr: 191, name: "semctl", args: "dddx", run: Run::Call(ipc::semctl), support: Support::Full },
    Row { nr: 192, name: "semtimedop", args: "dpup", run: Run::Pass(220), support: Support::Full },
    Row { nr: 193, name: "semop", args: "dpu", run: Run::Pass(65), support: Support::Full },
    Row { nr: 194, name: "shmget", args: "xux", run: Run::Pass(29), support: Support::Full },
    Row { nr: 195, name: "shmctl", args: "ddp", run: Run::Pass(31), support: Support::Full },
    Row { nr: 196, name: "shmat", args: "dxx", run: Run::Call(mem::shmat), support: Support::Full },
    Row { nr: 197, name: "shmdt", args: "x", run: Run::Call(mem::shmdt), support: Support::Full },
    Row { nr: 217, name: "add_key", args: "ssbud", run: Run::Pass(248), support: Support::Full },
    Row { nr: 218, name: "request_key", args: "sssd", run: Run::Pass(249), support: Support::Full },
    Row { nr: 219, name: "keyctl", args: "dxxxx", run: Run::Pass(250), support: Support::Full },
];
