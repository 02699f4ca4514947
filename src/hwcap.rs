//! The CPU features that the guest is told of: exactly those that are translated.

use crate::cli::Options;

/// Names as /proc/cpuinfo has them, in the order of the bits of AT_HWCAP.
const FEATURES: [(&str, u32); 9] =
    [("fp", 0), ("asimd", 1), ("aes", 3), ("pmull", 4), ("sha1", 5), ("sha2", 6), ("crc32", 7), ("atomics", 8), ("cpuid", 11)];

/// What the guest sees.
pub struct Features {
    /// AT_HWCAP.
    pub hwcap: u64,
}

impl Features {
    /// All, without those that the settings take away. Nothing can be added that isn't there.
    pub fn of(options: &Options) -> Features {
        let mut hwcap = FEATURES.iter().fold(0, |bits, (_, bit)| bits | 1 << bit);
        for (on, name) in &options.cpu {
            let bit = FEATURES.iter().find(|(n, _)| n == name).map_or(0, |(_, bit)| 1 << bit);
            hwcap = if *on { hwcap | bit } else { hwcap & !bit };
        }
        Features { hwcap }
    }

    /// For the line of /proc/cpuinfo.
    pub fn names(&self) -> String {
        let names: Vec<&str> = FEATURES.iter().filter(|(_, bit)| self.hwcap >> bit & 1 != 0).map(|(n, _)| *n).collect();
        names.join(" ")
    }
}
