//! The form of the tables of system calls: what each call is ([`crate::calls`]), and which numbers a guest has for them.

use crate::ctx::Handler;

/// How well a call is supported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// As the kernel does.
    Full,
    /// With limits: see the row's note.
    Partial(&'static str),
    /// Refused on purpose: see the row's note.
    Refused(&'static str),
}

/// How a call is carried out.
#[derive(Clone, Copy)]
pub enum Run {
    /// Same arguments and layouts on the host: straight to the host's call of this number (guest pointers lose their tags by the mask of
    /// arguments that are pointers).
    Pass(i64),
    /// The same; the process may have other rights afterwards than its relatives: see [`crate::Machine::leave_family`].
    Leave(i64),
    /// By a handler.
    Call(Handler),
    /// Fails with this errno.
    Fail(i32),
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row {
    /// The kernel's name.
    pub name: &'static str,
    /// One letter per argument for `--strace` and for pointer tags: d int, u unsigned, x hex, p pointer, s path or string, o octal mode,
    /// f descriptor, b pointer to a buffer whose length is the next argument.
    pub args: &'static str,
    /// What runs it.
    pub run: Run,
    /// Support level.
    pub support: Support,
}

/// Rows as constants of the calls' names: `name "arguments" what runs it, support level;`.
macro_rules! calls {
    ($($name:ident $args:literal $run:ident($what:expr), $support:ident $(($note:expr))?;)*) => { $(
        #[allow(non_upper_case_globals, missing_docs)]
        pub const $name: $crate::table::Row = $crate::table::Row {
            name: stringify!($name),
            args: $args,
            run: $crate::table::Run::$run($what),
            support: $crate::table::Support::$support $(($note))?,
        };
    )* };
}

/// An architecture's numbers, by name for hosts and as a list for guests: `number name,`.
macro_rules! numbers {
    ($($nr:literal $name:ident,)*) => {
        /// By name.
        #[allow(non_upper_case_globals, missing_docs)]
        pub mod nr { $(pub const $name: i64 = $nr;)* }
        /// The rows that they stand for.
        pub(super) const ROWS: &[(u16, &$crate::table::Row)] = &[$(($nr, &$crate::calls::$name)),*];
    };
}

pub(crate) use {calls, numbers};

/// Size of a table: numbers at or above are unknown.
pub const NR_MAX: usize = 512;

/// A guest's calls by number.
pub struct Table {
    rows: [Option<&'static Row>; NR_MAX],
    marks: [u8; NR_MAX],
}

/// A mark: the call may wait, and a signal ends that. The others can't fail with EINTR, so a signal that is
/// about to be delivered must not keep them from happening.
pub(crate) const WAITS: u8 = 0x80;

/// Calls that wait, among those that are passed on.
#[rustfmt::skip]
const WAITING: &[&str] = &[
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "tee", "vmsplice",
    "copy_file_range", "fallocate", "flock", "io_getevents", "ioctl", "connect", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom",
    "recvmsg", "recvmmsg", "mq_timedsend", "mq_timedreceive", "msgsnd", "msgrcv", "semop", "semtimedop", "wait4", "waitid", "futex_wait",
    "futex_waitv", "rt_sigsuspend", "rt_sigtimedwait", "nanosleep", "clock_nanosleep", "restart_syscall", "request_key", "getrandom", "syslog",
];

impl Table {
    /// From rows with their numbers.
    pub(crate) const fn new(list: &[(u16, &'static Row)]) -> Table {
        let (mut rows, mut marks) = ([None; NR_MAX], [0; NR_MAX]);
        let mut i = 0;
        while i < list.len() {
            let (nr, row) = (list[i].0 as usize, list[i].1);
            assert!(rows[nr].is_none(), "a number has two rows");
            rows[nr] = Some(row);
            marks[nr] = mark(row);
            i += 1;
        }
        Table { rows, marks }
    }

    /// The row of a number, and its marks: the arguments that are pointers, as bits, and [`WAITS`].
    #[inline]
    pub(crate) fn find(&self, nr: u64) -> Option<(&'static Row, u8)> {
        let nr = usize::try_from(nr).ok().filter(|&nr| nr < NR_MAX)?;
        Some((self.rows[nr]?, self.marks[nr]))
    }

    /// The row of a number.
    pub fn row(&self, nr: u64) -> Option<&'static Row> {
        self.find(nr).map(|(row, _)| row)
    }

    /// All rows with their numbers.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &'static Row)> + '_ {
        self.rows.iter().enumerate().filter_map(|(nr, row)| Some((nr as u64, (*row)?)))
    }
}

const fn mark(row: &Row) -> u8 {
    let letters = row.args.as_bytes();
    assert!(letters.len() <= 6, "a system call has at most six arguments");
    let (mut byte, mut i) = (0, 0);
    while i < letters.len() {
        match letters[i] {
            b'p' | b's' | b'b' => byte |= 1 << i,
            b'd' | b'u' | b'x' | b'o' | b'f' => {}
            _ => panic!("unknown argument letter"),
        }
        i += 1;
    }
    i = 0;
    while i < WAITING.len() {
        if equal(WAITING[i].as_bytes(), row.name.as_bytes()) {
            byte |= WAITS;
        }
        i += 1;
    }
    byte
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_row_says_what_it_is() {
        for abi in [&crate::arm64::ABI, &crate::amd64::ABI] {
            let names: HashSet<_> = abi.table.rows().map(|(_, r)| r.name).collect();
            assert_eq!(names.len(), abi.table.rows().count());
            for name in WAITING {
                assert!(names.contains(name), "{name} is not in the table");
            }
        }
    }
}
