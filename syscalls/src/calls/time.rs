//! Calls: time.

use crate::host::nr;
use crate::table::calls;

#[rustfmt::skip]
calls! {
    nanosleep "pp" Pass(nr::nanosleep), Full;
    getitimer "dp" Pass(nr::getitimer), Full;
    setitimer "dpp" Pass(nr::setitimer), Full;
    timer_create "dpp" Pass(nr::timer_create), Full;
    timer_gettime "xp" Pass(nr::timer_gettime), Full;
    timer_getoverrun "x" Pass(nr::timer_getoverrun), Full;
    timer_settime "xxpp" Pass(nr::timer_settime), Full;
    timer_delete "x" Pass(nr::timer_delete), Full;
    clock_settime "dp" Pass(nr::clock_settime), Full;
    clock_gettime "dp" Pass(nr::clock_gettime), Full;
    clock_getres "dp" Pass(nr::clock_getres), Full;
    clock_nanosleep "dxpp" Pass(nr::clock_nanosleep), Full;
    times "p" Pass(nr::times), Full;
    gettimeofday "pp" Pass(nr::gettimeofday), Full;
    settimeofday "pp" Pass(nr::settimeofday), Full;
    adjtimex "p" Pass(nr::adjtimex), Full;
    clock_adjtime "dp" Pass(nr::clock_adjtime), Full;
}
