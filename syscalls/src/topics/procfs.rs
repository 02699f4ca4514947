//! Topic: procfs.

use crate::ctx::{Ctx, SysResult};

/// Open a file of /proc whose contents the runtime makes up. `flags` are the host's.
pub fn open(_ctx: &mut Ctx<'_>, _dirfd: i32, _path: &[u8], _flags: i32) -> Option<SysResult> {
    None
}

/// Text of a link of /proc that shows the guest's own.
pub fn readlink(_ctx: &mut Ctx<'_>, _dirfd: i32, _path: &[u8]) -> Option<Vec<u8>> {
    None
}

/// The auxiliary vector as bytes.
pub(crate) fn auxv(process: &crate::Process) -> Vec<u8> {
    process.auxv.iter().flat_map(|&(k, v)| [k.to_ne_bytes(), v.to_ne_bytes()]).flatten().collect()
}
