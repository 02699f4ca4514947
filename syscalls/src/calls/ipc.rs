//! Calls: System V and POSIX message queues, semaphores, shared memory, keys.

use crate::host::nr;
use crate::table::calls;
use crate::topics::{ipc, mem};

#[rustfmt::skip]
calls! {
    mq_open "sxop" Call(ipc::mq_open), Full;
    mq_unlink "s" Pass(nr::mq_unlink), Full;
    mq_timedsend "fbuup" Pass(nr::mq_timedsend), Full;
    mq_timedreceive "fbupp" Pass(nr::mq_timedreceive), Full;
    mq_notify "fp" Pass(nr::mq_notify), Full;
    mq_getsetattr "fpp" Pass(nr::mq_getsetattr), Full;
    msgget "xx" Pass(nr::msgget), Full;
    msgctl "ddp" Pass(nr::msgctl), Full;
    msgrcv "dpudx" Pass(nr::msgrcv), Full;
    msgsnd "dpux" Pass(nr::msgsnd), Full;
    semget "xdx" Pass(nr::semget), Full;
    semctl "dddx" Call(ipc::semctl), Full;
    semtimedop "dpup" Pass(nr::semtimedop), Full;
    semop "dpu" Pass(nr::semop), Full;
    shmget "xux" Pass(nr::shmget), Full;
    shmctl "ddp" Pass(nr::shmctl), Full;
    shmat "dxx" Call(mem::shmat), Full;
    shmdt "x" Call(mem::shmdt), Full;
    add_key "ssbud" Pass(nr::add_key), Full;
    request_key "sssd" Pass(nr::request_key), Full;
    keyctl "dxxxx" Pass(nr::keyctl), Full;
}
