//! Resource limits. The kernel holds them, except those on memory: the runtime's own memory (its program, reserves for translated code,
//! the stack that it runs on) must not count against what the guest allows itself. RLIMIT_AS and RLIMIT_DATA are therefore kept in
//! the [`Space`](crate::topics::mem::Space), and RLIMIT_STACK reaches the kernel only as far as the runtime can bear.

use super::host;
use crate::ctx::{Ctx, SysResult};
use crate::topics::mem::{Limit, RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK};
use crate::{Errno, GuestAddr};

/// The least RLIMIT_STACK on the host.
const STACK_FLOOR: u64 = 1 << 20;
const CAP_SYS_RESOURCE: u32 = 24;

/// Ask for a limit of this process, and set it. Both in one, as prlimit64 does.
fn host_limit(resource: u32, new: Option<Limit>) -> Result<Limit, Errno> {
    let mut old = Limit::default();
    let new_at = new.as_ref().map_or(0, |l| l as *const Limit as u64);
    host(libc::SYS_prlimit64, [0, u64::from(resource), new_at, (&raw mut old) as u64, 0, 0])?;
    Ok(old)
}

/// Whether the caller may raise hard limits.
fn may_raise() -> bool {
    super::has_capability(CAP_SYS_RESOURCE)
}

/// The caller's own limit on memory: the old one, and a new one if given.
fn own_limit(ctx: &Ctx<'_>, resource: u32, new: Option<Limit>) -> Result<Limit, Errno> {
    let space = &ctx.thread.mem;
    let old = match space.limit(resource) {
        Some(limit) => limit,
        None => host_limit(resource, None)?,
    };
    let Some(new) = new else { return Ok(old) };
    if new.cur > new.max {
        return Err(Errno::EINVAL);
    }
    if new.max > old.max && !may_raise() {
        return Err(Errno::EPERM);
    }
    if resource == RLIMIT_STACK {
        // Never below the floor, unless that is how it came.
        let most = if new.max < STACK_FLOOR { host_limit(resource, None)?.max.min(STACK_FLOOR) } else { new.max };
        host_limit(resource, Some(Limit { cur: new.cur.max(STACK_FLOOR).min(most), max: most }))?;
    }
    space.set_limit(resource, new);
    Ok(old)
}

/// prlimit64(pid, resource, new, old)
pub fn prlimit64(ctx: &mut Ctx<'_>, [pid, resource, new, old, ..]: [u64; 6]) -> SysResult {
    let (new, old) = (GuestAddr(new), GuestAddr(old));
    let resource32 = resource as u32;
    let own = matches!(resource32, RLIMIT_AS | RLIMIT_DATA | RLIMIT_STACK)
        && (pid as i32 == 0 || host(libc::SYS_getpid, [0; 6]) == Ok(u64::from(pid as u32)));
    if !own {
        return Ok(host(libc::SYS_prlimit64, [pid, resource, new.host(), old.host(), 0, 0])?);
    }
    let new = if new.is_null() { None } else { Some(new.read::<Limit>()?) };
    let was = own_limit(ctx, resource32, new)?;
    if !old.is_null() {
        old.write(was)?;
    }
    Ok(0)
}

/// getrlimit(resource, limit)
pub fn getrlimit(ctx: &mut Ctx<'_>, [resource, limit, ..]: [u64; 6]) -> SysResult {
    if !matches!(resource as u32, RLIMIT_AS | RLIMIT_DATA | RLIMIT_STACK) {
        return Ok(host(libc::SYS_getrlimit, [resource, GuestAddr(limit).host(), 0, 0, 0, 0])?);
    }
    let now = own_limit(ctx, resource as u32, None)?;
    GuestAddr(limit).write(now)?;
    Ok(0)
}

/// setrlimit(resource, limit)
pub fn setrlimit(ctx: &mut Ctx<'_>, [resource, limit, ..]: [u64; 6]) -> SysResult {
    if !matches!(resource as u32, RLIMIT_AS | RLIMIT_DATA | RLIMIT_STACK) {
        return Ok(host(libc::SYS_setrlimit, [resource, GuestAddr(limit).host(), 0, 0, 0, 0])?);
    }
    let new = GuestAddr(limit).read::<Limit>()?;
    own_limit(ctx, resource as u32, Some(new))?;
    Ok(0)
}
