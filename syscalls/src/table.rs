//! The form of a guest's table of system calls.

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
    /// By a handler.
    Call(Handler),
    /// Fails with this errno.
    Fail(i32),
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row {
    /// The guest's number.
    pub nr: u16,
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
