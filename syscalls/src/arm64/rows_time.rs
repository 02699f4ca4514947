//! Rows of the arm64 table: time.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 101, name: "nanosleep", args: "xxxxxx", run: Run::Pass(35), support: Support::Partial("not reviewed") },
    Row { nr: 102, name: "getitimer", args: "xxxxxx", run: Run::Pass(36), support: Support::Partial("not reviewed") },
    Row { nr: 103, name: "setitimer", args: "xxxxxx", run: Run::Pass(38), support: Support::Partial("not reviewed") },
    Row { nr: 107, name: "timer_create", args: "xxxxxx", run: Run::Pass(222), support: Support::Partial("not reviewed") },
    Row { nr: 108, name: "timer_gettime", args: "xxxxxx", run: Run::Pass(224), support: Support::Partial("not reviewed") },
    Row { nr: 109, name: "timer_getoverrun", args: "xxxxxx", run: Run::Pass(225), support: Support::Partial("not reviewed") },
    Row { nr: 110, name: "timer_settime", args: "xxxxxx", run: Run::Pass(223), support: Support::Partial("not reviewed") },
    Row { nr: 111, name: "timer_delete", args: "xxxxxx", run: Run::Pass(226), support: Support::Partial("not reviewed") },
    Row { nr: 112, name: "clock_settime", args: "xxxxxx", run: Run::Pass(227), support: Support::Partial("not reviewed") },
    Row { nr: 113, name: "clock_gettime", args: "xxxxxx", run: Run::Pass(228), support: Support::Partial("not reviewed") },
    Row { nr: 114, name: "clock_getres", args: "xxxxxx", run: Run::Pass(229), support: Support::Partial("not reviewed") },
    Row { nr: 115, name: "clock_nanosleep", args: "xxxxxx", run: Run::Pass(230), support: Support::Partial("not reviewed") },
    Row { nr: 153, name: "times", args: "xxxxxx", run: Run::Pass(100), support: Support::Partial("not reviewed") },
    Row { nr: 169, name: "gettimeofday", args: "xxxxxx", run: Run::Pass(96), support: Support::Partial("not reviewed") },
    Row { nr: 170, name: "settimeofday", args: "xxxxxx", run: Run::Pass(164), support: Support::Partial("not reviewed") },
    Row { nr: 171, name: "adjtimex", args: "xxxxxx", run: Run::Pass(159), support: Support::Partial("not reviewed") },
    Row { nr: 266, name: "clock_adjtime", args: "xxxxxx", run: Run::Pass(305), support: Support::Partial("not reviewed") },
];
