//! Calls: sockets. Every structure is the same on both sides.

use crate::host::nr;
use crate::table::calls;

#[rustfmt::skip]
calls! {
    socket "dxd" Pass(nr::socket), Full;
    socketpair "dxdp" Pass(nr::socketpair), Full;
    bind "fpu" Pass(nr::bind), Full;
    listen "fd" Pass(nr::listen), Full;
    accept "fpp" Pass(nr::accept), Full;
    connect "fpu" Pass(nr::connect), Full;
    getsockname "fpp" Pass(nr::getsockname), Full;
    getpeername "fpp" Pass(nr::getpeername), Full;
    sendto "fbuxpu" Pass(nr::sendto), Full;
    recvfrom "fbuxpp" Pass(nr::recvfrom), Full;
    setsockopt "fddpu" Pass(nr::setsockopt), Full;
    getsockopt "fddpp" Pass(nr::getsockopt), Full;
    shutdown "fd" Pass(nr::shutdown), Full;
    sendmsg "fpx" Pass(nr::sendmsg), Full;
    recvmsg "fpx" Pass(nr::recvmsg), Full;
    accept4 "fppx" Pass(nr::accept4), Full;
    recvmmsg "fpuxp" Pass(nr::recvmmsg), Full;
    sendmmsg "fpux" Pass(nr::sendmmsg), Full;
}
