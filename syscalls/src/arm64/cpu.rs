//! What an arm64 kernel tells of its CPU, and lets programs switch.

use crate::ctx::{Ctx, Process, SysResult};
use crate::topics::procfs::processors;
use std::fmt::Write as _;

/// /proc/cpuinfo: a block for each CPU that the host's file lists. The CPU is a Cortex-A76: see `idregs::MIDR` of the translator.
pub(super) fn cpuinfo(process: &Process, host: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for number in processors(host) {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
             CPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n",
            process.features
        );
    }
    text.into_bytes()
}

const PR_SET_TAGGED_ADDR_CTRL: i32 = 55;
const PR_GET_TAGGED_ADDR_CTRL: i32 = 56;
const PR_TAGGED_ADDR_ENABLE: u64 = 1;

/// Tagged addresses are understood anyway; what else can be switched (SVE, MTE, pointer authentication) is not there.
pub(super) fn prctl(ctx: &mut Ctx<'_>, [option, a2, a3, a4, a5, _]: [u64; 6]) -> Option<SysResult> {
    let mem = &ctx.thread.mem;
    match option as i32 {
        PR_SET_TAGGED_ADDR_CTRL if a2 & !PR_TAGGED_ADDR_ENABLE == 0 && a3 | a4 | a5 == 0 => {
            mem.set_tagged_addresses(a2 != 0);
            Some(Ok(0))
        }
        PR_GET_TAGGED_ADDR_CTRL if a2 | a3 | a4 | a5 == 0 => Some(Ok(u64::from(mem.tagged_addresses()))),
        _ => None,
    }
}
