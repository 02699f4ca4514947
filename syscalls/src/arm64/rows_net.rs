//! Rows of the arm64 table: sockets. Every structure is the same on both sides.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 198, name: "socket", args: "dxd", run: Run::Pass(41), support: Support::Full },
    Row { nr: 199, name: "socketpair", args: "dxdp", run: Run::Pass(53), support: Support::Full },
    Row { nr: 200, name: "bind", args: "fpu", run: Run::Pass(49), support: Support::Full },
    Row { nr: 201, name: "listen", args: "fd", run: Run::Pass(50), support: Support::Full },
    Row { nr: 202, name: "accept", args: "fpp", run: Run::Pass(43), support: Support::Full },
    Row { nr: 203, name: "connect", args: "fpu", run: Run::Pass(42), support: Support::Full },
    Row { nr: 204, name: "getsockname", args: "fpp", run: Run::Pass(51), support: Support::Full },
    Row { nr: 205, name: "getpeername", args: "fpp", run: Run::Pass(52), support: Support::Full },
    Row { nr: 206, name: "sendto", args: "fbuxpu", run: Run::Pass(44), support: Support::Full },
    Row { nr: 207, name: "recvfrom", args: "fbuxpp", run: Run::Pass(45), support: Support::Full },
    Row { nr: 208, name: "setsockopt", args: "fddpu", run: Run::Pass(54), support: Support::Full },
    Row { nr: 209, name: "getsockopt", args: "fddpp", run: Run::Pass(55), support: Support::Full },
    Row { nr: 210, name: "shutdown", args: "fd", run: Run::Pass(48), support: Support::Full },
    Row { nr: 211, name: "sendmsg", args: "fpx", run: Run::Pass(46), support: Support::Full },
    Row { nr: 212, name: "recvmsg", args: "fpx", run: Run::Pass(47), support: Support::Full },
    Row { nr: 242, name: "accept4", args: "fppx", run: Run::Pass(288), support: Support::Full },
    Row { nr: 243, name: "recvmmsg", args: "fpuxp", run: Run::Pass(299), support: Support::Full },
    Row { nr: 269, name: "sendmmsg", args: "fpux", run: Run::Pass(307), support: Support::Full },
];
