//! From a number and six registers to a result.

use crate::arm64::{TABLE, TAGGED};
use crate::ctx::{Ctx, Stop, SysResult};
use crate::strace;
use crate::table::{Row, Run};
use crate::Errno;

/// Mask that removes a pointer's tag byte.
const UNTAG: u64 = 0x00ff_ffff_ffff_ffff;

/// Carry out the system call `nr` of the calling thread.
pub fn dispatch(ctx: &mut Ctx<'_>, nr: u64, args: [u64; 6]) -> SysResult {
    let row = TABLE.get(nr as usize).copied().flatten();
    if ctx.thread.process.options.strace {
        return traced(ctx, row, nr, args);
    }
    match row {
        Some(row) => run(ctx, row, args),
        None => Err(Stop::Errno(Errno::ENOSYS)),
    }
}

#[inline]
fn run(ctx: &mut Ctx<'_>, row: &Row, mut args: [u64; 6]) -> SysResult {
    match row.run {
        Run::Pass(host) => {
            let mut tagged = TAGGED[row.nr as usize];
            while tagged != 0 {
                args[tagged.trailing_zeros() as usize & 7] &= UNTAG;
                tagged &= tagged - 1;
            }
            ctx.sys(host, args)
        }
        Run::Call(handler) => handler(ctx, args),
        Run::Fail(e) => Err(Stop::Errno(Errno(e))),
    }
}

#[cold]
fn traced(ctx: &mut Ctx<'_>, row: Option<&Row>, nr: u64, args: [u64; 6]) -> SysResult {
    let call = strace::Call::start(ctx.thread.tid, row, nr, args);
    let result = match row {
        Some(row) => run(ctx, row, args),
        None => Err(Stop::Errno(Errno::ENOSYS)),
    };
    call.finish(&result);
    result
}

/// Which arguments of a row are pointers, as bits: from its letters.
pub(crate) const fn tagged(args: &str) -> u8 {
    let letters = args.as_bytes();
    assert!(letters.len() <= 6, "a system call has at most six arguments");
    let (mut mask, mut i) = (0, 0);
    while i < letters.len() {
        match letters[i] {
            b'p' | b's' | b'b' => mask |= 1 << i,
            b'd' | b'u' | b'x' | b'o' | b'f' => {}
            _ => panic!("unknown argument letter"),
        }
        i += 1;
    }
    mask
}
