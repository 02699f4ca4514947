//! What an amd64 kernel tells of its CPU, and lets programs switch. The CPU is what the guest's CPUID says: see [`Process::cpu`].

use crate::ctx::{Ctx, Process, SysResult};
use crate::topics::procfs::processors;
use crate::{Errno, GuestAddr};
use std::fmt::Write as _;

/// What CPUID says of the CPU, as /proc/cpuinfo repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuIdentity {
    /// Vendor.
    pub vendor: &'static str,
    /// Brand string.
    pub name: &'static str,
    /// Family, with the extended one.
    pub family: u32,
    /// Model, with the extended one.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
    /// Highest basic leaf.
    pub level: u32,
    /// Bits of physical addresses.
    pub physical_bits: u32,
}

impl Default for CpuIdentity {
    fn default() -> CpuIdentity {
        let (vendor, name) = ("GenuineIntel", "x86-64-v3");
        CpuIdentity { vendor, name, family: 6, model: 60, stepping: 3, level: 13, physical_bits: 46 }
    }
}

/// /proc/cpuinfo: a block for each CPU that the host's file lists.
pub(super) fn cpuinfo(process: &Process, host: &[u8]) -> Vec<u8> {
    let CpuIdentity { vendor, name, family, model, stepping, level, physical_bits } = process.cpu;
    let (mut text, numbers) = (String::new(), processors(host));
    for (core, number) in numbers.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "processor\t: {number}\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {name}\n\
             stepping\t: {stepping}\nmicrocode\t: 0x1\ncpu MHz\t\t: 2000.000\ncache size\t: 16384 KB\nphysical id\t: 0\n\
             siblings\t: {cpus}\ncore id\t\t: {core}\ncpu cores\t: {cpus}\napicid\t\t: {core}\ninitial apicid\t: {core}\nfpu\t\t: yes\n\
             fpu_exception\t: yes\ncpuid level\t: {level}\nwp\t\t: yes\nflags\t\t: {flags}\nbugs\t\t:\nbogomips\t: 4000.00\n\
             clflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: {physical_bits} bits physical, 48 bits virtual\npower management:\n\n",
            cpus = numbers.len(),
            flags = process.features,
        );
    }
    text.into_bytes()
}

const PR_GET_TSC: i32 = 25;
const PR_SET_TSC: i32 = 26;
const PR_TSC_ENABLE: u32 = 1;

/// The time stamp counter can be read, and that can't be forbidden.
pub(super) fn prctl(_: &mut Ctx<'_>, [option, a2, ..]: [u64; 6]) -> Option<SysResult> {
    match option as i32 {
        PR_GET_TSC => Some(GuestAddr(a2).write(PR_TSC_ENABLE).map(|()| 0).map_err(Into::into)),
        PR_SET_TSC if a2 as u32 == PR_TSC_ENABLE => Some(Ok(0)),
        _ => None,
    }
}

const ARCH_SET_GS: i32 = 0x1001;
const ARCH_SET_FS: i32 = 0x1002;
const ARCH_GET_FS: i32 = 0x1003;
const ARCH_GET_GS: i32 = 0x1004;
const ARCH_GET_CPUID: i32 = 0x1011;
const ARCH_SET_CPUID: i32 = 0x1012;
const ARCH_GET_XCOMP_SUPP: i32 = 0x1021;
const ARCH_GET_XCOMP_PERM: i32 = 0x1022;
const ARCH_REQ_XCOMP_PERM: i32 = 0x1023;
const ARCH_GET_UNTAG_MASK: i32 = 0x4001;
const ARCH_ENABLE_TAGGED_ADDR: i32 = 0x4002;
const ARCH_GET_MAX_TAG_BITS: i32 = 0x4003;
/// x87, SSE and AVX.
const XFEATURES: u64 = 7;
/// Highest number of a state component that can be asked for (AMX's tiles).
const XFEATURE_LAST: u64 = 18;

/// arch_prctl(option, address).
pub fn arch_prctl(ctx: &mut Ctx<'_>, [option, addr, ..]: [u64; 6]) -> SysResult {
    let put = |value: u64| Ok(GuestAddr(addr).write(value).map(|()| 0)?);
    match option as i32 {
        ARCH_SET_FS | ARCH_SET_GS if addr >= ctx.abi().memory.task_size => Err(Errno::EPERM.into()),
        set @ (ARCH_SET_FS | ARCH_SET_GS) => {
            let mut context = ctx.machine.context();
            *(if set == ARCH_SET_FS { &mut context.tls } else { &mut context.gs }) = addr;
            ctx.machine.set_context(&context);
            Ok(0)
        }
        ARCH_GET_FS => put(ctx.machine.context().tls),
        ARCH_GET_GS => put(ctx.machine.context().gs),
        ARCH_GET_CPUID => Ok(1),
        ARCH_SET_CPUID | ARCH_ENABLE_TAGGED_ADDR => Err(Errno::ENODEV.into()),
        ARCH_GET_XCOMP_SUPP | ARCH_GET_XCOMP_PERM => put(XFEATURES),
        ARCH_REQ_XCOMP_PERM if addr <= XFEATURE_LAST => Err(Errno::EOPNOTSUPP.into()),
        ARCH_GET_UNTAG_MASK => put(u64::MAX),
        ARCH_GET_MAX_TAG_BITS => put(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// iopl(level): only what needs no permission.
pub fn iopl(_: &mut Ctx<'_>, [level, ..]: [u64; 6]) -> SysResult {
    match level as u32 {
        0 => Ok(0),
        1..=3 => Err(Errno::EPERM.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Ports.
const IO_BITMAP_BITS: u64 = 65536;

/// ioperm(from, number, on): only what needs no permission.
pub fn ioperm(_: &mut Ctx<'_>, [from, number, on, ..]: [u64; 6]) -> SysResult {
    match from.checked_add(number) {
        Some(end) if end > from && end <= IO_BITMAP_BITS && on as i32 == 0 => Ok(0),
        Some(end) if end > from && end <= IO_BITMAP_BITS => Err(Errno::EPERM.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}
