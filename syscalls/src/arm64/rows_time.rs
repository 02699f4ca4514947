//! Rows of the arm64 table: time.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 101, name: "nanosleep", args: "pp", run: Run::Pass(35), support: Support::Full },
    Row { nr: 102, name: "getitimer", args: "dp", run: Run::Pass(36), support: Support::Full },
    Row { nr: 103, name: "setitimer", args: "dpp", run: Run::Pass(38), support: Support::Full },
    Row { nr: 107, name: "timer_create", args: "dpp", run: Run::Pass(222), support: Support::Full },
    Row { nr: 108, name: "timer_gettime", args: "xp", run: Run::Pass(224), support: Support::Full },
    Row { nr: 109, name: "timer_getoverrun", args: "x", run: Run::Pass(225), support: Support::Full },
    Row { nr: 110, name: "timer_settime", args: "xxpp", run: Run::Pass(223), support: Support::Full },
    Row { nr: 111, name: "timer_delete", args: "x", run: Run::Pass(226), support: Support::Full },
    Row { nr: 112, name: "clock_settime", args: "dp", run: Run::Pass(227), support: Support::Full },
    Row { nr: 113, name: "clock_gettime", args: "dp", run: Run::Pass(228), support: Support::Full },
    Row { nr: 114, name: "clock_getres", args: "dp", run: Run::Pass(229), support: Support::Full },
    Row { nr: 115, name: "clock_nanosleep", args: "dxpp", run: Run::Pass(230), support: Support::Full },
    Row { nr: 153, name: "times", args: "p", run: Run::Pass(100), support: Support::Full },
    Row { nr: 169, name: "gettimeofday", args: "pp", run: Run::Pass(96), support: Support::Full },
    Row { nr: 170, name: "settimeofday", args: "pp", run: Run::Pass(164), support: Support::Full },
    Row { nr: 171, name: "adjtimex", args: "p", run: Run::Pass(159), support: Support::Full },
    Row { nr: 266, name: "clock_adjtime", args: "dp", run: Run::Pass(305), support: Support::Full },
];
