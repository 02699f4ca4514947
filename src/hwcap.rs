//! The CPU features that the guest is told of: exactly those that are translated and not taken away. One set decides what AT_HWCAP,
//! /proc/cpuinfo and the identification registers say, and which instructions are undefined. Which there are is the guest's business
//! ([`crate::guest::Guest::features`]).

use syscalls::amd64::CpuIdentity;

/// What the guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// AT_HWCAP and AT_HWCAP2.
    pub hwcap: [u64; 2],
    /// What instructions must not know: the translator's numbering.
    pub hidden: u64,
    /// For the line of /proc/cpuinfo.
    pub names: String,
    /// The rest of what an amd64 kernel says there.
    pub cpu: CpuIdentity,
}

/// There is no feature of that name.
pub fn unknown(name: &str, all: &[(&str, &str)]) -> String {
    let known: Vec<&str> = all.iter().map(|(n, _)| *n).collect();
    format!("CPU feature {name}: known are {}", known.join(", "))
}

/// No program does without it.
pub fn needed(name: &str) -> String {
    format!("CPU feature {name} can't be hidden: every program relies on it")
}

/// It needs another, which is hidden.
pub fn incomplete(name: &str) -> String {
    format!("CPU feature {name} needs one that is hidden")
}
