//! What a process is and may do: identity, limits, prctl.

mod limits;
mod prctl;
#[cfg(test)]
mod tests;

pub use limits::{getrlimit, prlimit64, setrlimit};
pub use prctl::prctl;

use crate::ctx::{Ctx, SysResult};
use crate::{sys, Errno, GuestAddr};

/// A host call on structures of our own.
fn host(nr: i64, args: [u64; 6]) -> Result<u64, Errno> {
    // SAFETY: callers pass pointers to their own structures, or the guest's.
    unsafe { sys::call(nr, args) }
}

/// Whether one of the first 32 capabilities is effective.
pub fn has_capability(capability: u32) -> bool {
    /// _LINUX_CAPABILITY_VERSION_3
    const VERSION: u32 = 0x2008_0522;
    let header = [VERSION, 0];
    let mut sets = [[0u32; 3]; 2];
    host(libc::SYS_capget, [header.as_ptr() as u64, sets.as_mut_ptr() as u64, 0, 0, 0, 0]).is_ok()
        && sets[0][0] >> capability & 1 != 0
}

/// Bytes of a field of `struct new_utsname`.
const UTS_FIELD: usize = 65;

/// uname(buf)
pub fn uname(ctx: &mut Ctx<'_>, [buf, ..]: [u64; 6]) -> SysResult {
    let mut name = [0u8; 6 * UTS_FIELD];
    host(libc::SYS_uname, [name.as_mut_ptr() as u64, 0, 0, 0, 0, 0])?;
    let machine = &mut name[4 * UTS_FIELD..5 * UTS_FIELD];
    machine.fill(0);
    let abi = ctx.abi();
    let linux32 =
        |_: &&str| host(libc::SYS_personality, [PERSONALITY_QUERY, 0, 0, 0, 0, 0]).is_ok_and(|p| p & PER_MASK == PER_LINUX32);
    let shown = abi.linux32.filter(linux32).unwrap_or(abi.machine);
    machine[..shown.len()].copy_from_slice(shown.as_bytes());
    GuestAddr(buf).write_bytes(&name)?;
    Ok(0)
}

/// getpgrp()
pub fn getpgrp(_: &mut Ctx<'_>, _: [u64; 6]) -> SysResult {
    Ok(host(libc::SYS_getpgid, [0; 6])?)
}

const READ_IMPLIES_EXEC: u64 = 0x040_0000;
const PER_MASK: u64 = 0xff;
const PER_LINUX32: u64 = 8;
/// Asks without changing anything.
const PERSONALITY_QUERY: u64 = 0xffff_ffff;

/// personality(persona). READ_IMPLIES_EXEC concerns the guest's memory, never the host's. 32-bit programs are not for every CPU.
pub fn personality(ctx: &mut Ctx<'_>, [persona, ..]: [u64; 6]) -> SysResult {
    let persona = persona & 0xffff_ffff;
    if persona != PERSONALITY_QUERY && persona & PER_MASK == PER_LINUX32 && ctx.abi().linux32.is_none() {
        return Err(Errno::EINVAL.into());
    }
    let query = persona == PERSONALITY_QUERY;
    let old = host(libc::SYS_personality, [if query { persona } else { persona & !READ_IMPLIES_EXEC }, 0, 0, 0, 0, 0])?;
    let implied = if ctx.thread.mem.read_implies_exec() { READ_IMPLIES_EXEC } else { 0 };
    if !query {
        ctx.thread.mem.set_read_implies_exec(persona & READ_IMPLIES_EXEC != 0);
    }
    Ok(old | implied)
}
