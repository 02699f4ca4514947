//! Rows of the arm64 table: ipc.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 180, name: "mq_open", args: "xxxxxx", run: Run::Pass(240), support: Support::Partial("not reviewed") },
    Row { nr: 181, name: "mq_unlink", args: "xxxxxx", run: Run::Pass(241), support: Support::Partial("not reviewed") },
    Row { nr: 182, name: "mq_timedsend", args: "xxxxxx", run: Run::Pass(242), support: Support::Partial("not reviewed") },
    Row { nr: 183, name: "mq_timedreceive", args: "xxxxxx", run: Run::Pass(243), support: Support::Partial("not reviewed") },
    Row { nr: 184, name: "mq_notify", args: "xxxxxx", run: Run::Pass(244), support: Support::Partial("not reviewed") },
    Row { nr: 185, name: "mq_getsetattr", args: "xxxxxx", run: Run::Pass(245), support: Support::Partial("not reviewed") },
    Row { nr: 186, name: "msgget", args: "xxxxxx", run: Run::Pass(68), support: Support::Partial("not reviewed") },
    Row { nr: 187, name: "msgctl", args: "xxxxxx", run: Run::Pass(71), support: Support::Partial("not reviewed") },
    Row { nr: 188, name: "msgrcv", args: "xxxxxx", run: Run::Pass(70), support: Support::Partial("not reviewed") },
    Row { nr: 189, name: "msgsnd", args: "xxxxxx", run: Run::Pass(69), support: Support::Partial("not reviewed") },
    Row { nr: 190, name: "semget", args: "xxxxxx", run: Run::Pass(64), support: Support::Partial("not reviewed") },
    Row { nr: 191, name: "semctl", args: "xxxxxx", run: Run::Pass(66), support: Support::Partial("not reviewed") },
    Row { nr: 192, name: "semtimedop", args: "xxxxxx", run: Run::Pass(220), support: Support::Partial("not reviewed") },
    Row { nr: 193, name: "semop", args: "xxxxxx", run: Run::Pass(65), support: Support::Partial("not reviewed") },
    Row { nr: 194, name: "shmget", args: "xxxxxx", run: Run::Pass(29), support: Support::Partial("not reviewed") },
    Row { nr: 195, name: "shmctl", args: "xxxxxx", run: Run::Pass(31), support: Support::Partial("not reviewed") },
    Row { nr: 196, name: "shmat", args: "xxxxxx", run: Run::Pass(30), support: Support::Partial("not reviewed") },
    Row { nr: 197, name: "shmdt", args: "xxxxxx", run: Run::Pass(67), support: Support::Partial("not reviewed") },
    Row { nr: 217, name: "add_key", args: "xxxxxx", run: Run::Pass(248), support: Support::Partial("not reviewed") },
    Row { nr: 218, name: "request_key", args: "xxxxxx", run: Run::Pass(249), support: Support::Partial("not reviewed") },
    Row { nr: 219, name: "keyctl", args: "xxxxxx", run: Run::Pass(250), support: Support::Partial("not reviewed") },
];
