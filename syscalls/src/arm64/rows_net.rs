//! Rows of the arm64 table: net.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 198, name: "socket", args: "xxxxxx", run: Run::Pass(41), support: Support::Partial("not reviewed") },
    Row { nr: 199, name: "socketpair", args: "xxxxxx", run: Run::Pass(53), support: Support::Partial("not reviewed") },
    Row { nr: 200, name: "bind", args: "xxxxxx", run: Run::Pass(49), support: Support::Partial("not reviewed") },
    Row { nr: 201, name: "listen", args: "xxxxxx", run: Run::Pass(50), support: Support::Partial("not reviewed") },
    Row { nr: 202, name: "accept", args: "xxxxxx", run: Run::Pass(43), support: Support::Partial("not reviewed") },
    Row { nr: 203, name: "connect", args: "xxxxxx", run: Run::Pass(42), support: Support::Partial("not reviewed") },
    Row { nr: 204, name: "getsockname", args: "xxxxxx", run: Run::Pass(51), support: Support::Partial("not reviewed") },
    Row { nr: 205, name: "getpeername", args: "xxxxxx", run: Run::Pass(52), support: Support::Partial("not reviewed") },
    Row { nr: 206, name: "sendto", args: "xxxxxx", run: Run::Pass(44), support: Support::Partial("not reviewed") },
    Row { nr: 207, name: "recvfrom", args: "xxxxxx", run: Run::Pass(45), support: Support::Partial("not reviewed") },
    Row { nr: 208, name: "setsockopt", args: "xxxxxx", run: Run::Pass(54), support: Support::Partial("not reviewed") },
    Row { nr: 209, name: "getsockopt", args: "xxxxxx", run: Run::Pass(55), support: Support::Partial("not reviewed") },
    Row { nr: 210, name: "shutdown", args: "xxxxxx", run: Run::Pass(48), support: Support::Partial("not reviewed") },
    Row { nr: 211, name: "sendmsg", args: "xxxxxx", run: Run::Pass(46), support: Support::Partial("not reviewed") },
    Row { nr: 212, name: "recvmsg", args: "xxxxxx", run: Run::Pass(47), support: Support::Partial("not reviewed") },
    Row { nr: 242, name: "accept4", args: "xxxxxx", run: Run::Pass(288), support: Support::Partial("not reviewed") },
    Row { nr: 243, name: "recvmmsg", args: "xxxxxx", run: Run::Pass(299), support: Support::Partial("not reviewed") },
    Row { nr: 269, name: "sendmmsg", args: "xxxxxx", run: Run::Pass(307), support: Support::Partial("not reviewed") },
];
