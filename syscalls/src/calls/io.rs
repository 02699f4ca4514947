//! Calls: descriptors, polling, transfers.

use crate::host::nr;
use crate::table::calls;
use crate::topics::io;

#[rustfmt::skip]
calls! {
    io_setup "up" Pass(nr::io_setup), Full;
    io_destroy "x" Pass(nr::io_destroy), Full;
    io_submit "xdp" Pass(nr::io_submit), Full;
    io_cancel "xpp" Pass(nr::io_cancel), Full;
    io_getevents "xddpp" Pass(nr::io_getevents), Full;
    eventfd2 "ux" Pass(nr::eventfd2), Full;
    epoll_create1 "x" Pass(nr::epoll_create1), Full;
    epoll_ctl "fdfp" Call(io::epoll_ctl), Full;
    epoll_pwait "fpddpu" Call(io::epoll_pwait), Full;
    dup "f" Call(io::dup), Full;
    dup3 "ffx" Call(io::dup3), Full;
    fcntl "fdx" Call(io::fcntl), Full;
    ioctl "fxx" Call(io::ioctl), Partial("KVM and userfaultfd are refused with ENOTTY: their structures belong to the machine");
    flock "fx" Pass(nr::flock), Full;
    vhangup "" Pass(nr::vhangup), Full;
    pipe2 "px" Call(io::pipe2), Full;
    read "fbu" Pass(nr::read), Full;
    write "fbu" Pass(nr::write), Full;
    readv "fpu" Pass(nr::readv), Full;
    writev "fpu" Pass(nr::writev), Full;
    pread64 "fbud" Pass(nr::pread64), Full;
    pwrite64 "fbud" Pass(nr::pwrite64), Full;
    preadv "fpudx" Pass(nr::preadv), Full;
    pwritev "fpudx" Pass(nr::pwritev), Full;
    sendfile "ffpu" Pass(nr::sendfile), Full;
    pselect6 "dppppp" Call(io::pselect6), Full;
    ppoll "pdppu" Call(io::ppoll), Full;
    signalfd4 "dpux" Pass(nr::signalfd4), Full;
    vmsplice "fpux" Pass(nr::vmsplice), Full;
    splice "fpfpux" Pass(nr::splice), Full;
    tee "ffux" Pass(nr::tee), Full;
    timerfd_create "dx" Pass(nr::timerfd_create), Full;
    timerfd_settime "fxpp" Pass(nr::timerfd_settime), Full;
    timerfd_gettime "fp" Pass(nr::timerfd_gettime), Full;
    userfaultfd "x" Fail(libc::ENOSYS), Refused("faults in translated code are not for another thread to resolve");
    preadv2 "fpudxx" Pass(nr::preadv2), Full;
    pwritev2 "fpudxx" Pass(nr::pwritev2), Full;
    io_pgetevents "xddppp" Call(io::io_pgetevents), Full;
    io_uring_setup "up" Fail(libc::ENOSYS), Refused("rings are shared with the kernel and carry structures that differ");
    io_uring_enter "fuuxpu" Fail(libc::ENOSYS), Refused("see io_uring_setup");
    io_uring_register "fupu" Fail(libc::ENOSYS), Refused("see io_uring_setup");
    epoll_pwait2 "fpdppu" Call(io::epoll_pwait2), Full;
}
