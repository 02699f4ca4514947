//! /proc/cpuinfo as an arm64 kernel prints it.

use crate::ctx::Process;
use std::fmt::Write as _;

/// One block for each CPU that the host's file lists. The CPU is a Neoverse N1, which is what build tools know well.
pub(super) fn cpuinfo(process: &Process, host: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for number in String::from_utf8_lossy(host).lines().filter_map(processor) {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "processor\t: {number}\nBogoMIPS\t: 50.00\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
             CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n",
            process.features
        );
    }
    text.into_bytes()
}

fn processor(line: &str) -> Option<u32> {
    let (key, value) = line.split_once(':')?;
    (key.trim_end() == "processor").then(|| value.trim().parse().ok())?
}
