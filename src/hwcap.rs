//! The CPU features that the guest is told of: exactly those that are translated and not taken away. One set decides what AT_HWCAP,
//! /proc/cpuinfo and the identification registers say, and which instructions are undefined.

use crate::cli::Options;
use jit::guest::arm64::features::{with_dependants, Feature, Set, ALL, ASIMD, FEATURES, FP};

/// What the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(Set);

/// The feature of that name, which may be hidden or insisted on.
fn find(on: bool, name: &str) -> Result<Feature, String> {
    let Some((_, f, _)) = FEATURES.iter().find(|(n, ..)| *n == name) else {
        let known: Vec<&str> = FEATURES.iter().map(|(n, ..)| *n).collect();
        return Err(format!("CPU feature {name}: known are {}", known.join(", ")));
    };
    match *f {
        FP | ASIMD if !on => Err(format!("CPU feature {name} can't be hidden: every program relies on it")),
        f => Ok(f),
    }
}

impl Features {
    /// All, without those that the settings take away and those that no CPU has without them.
    pub fn of(options: &Options) -> Result<Features, String> {
        let mut hidden = Set::default();
        for (on, name) in &options.cpu {
            let f = Set::default().with(find(*on, name)?);
            hidden = if *on { hidden.without(f) } else { Set(hidden.0 | f.0) };
        }
        let there = ALL.without(with_dependants(hidden));
        for (on, name) in &options.cpu {
            if *on && !hidden.has(find(*on, name)?) && !there.has(find(*on, name)?) {
                return Err(format!("CPU feature {name} needs one that is hidden"));
            }
        }
        Ok(Features(there))
    }

    /// AT_HWCAP and AT_HWCAP2.
    pub fn hwcap(self) -> [u64; 2] {
        [self.0 .0 & 0xffff_ffff, self.0 .0 >> 32]
    }

    /// What instructions must not know: the translator's numbering.
    pub fn hidden(self) -> u64 {
        ALL.without(self.0).0
    }

    /// For the line of /proc/cpuinfo.
    pub fn names(self) -> String {
        let names: Vec<&str> = FEATURES.iter().filter(|(_, f, _)| self.0.has(*f)).map(|(n, ..)| *n).collect();
        names.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(bool, &str)]) -> Result<Features, String> {
        Features::of(&Options { cpu: list.iter().map(|(on, n)| (*on, n.to_string())).collect(), ..Options::default() })
    }

    #[test]
    fn everything_says_the_same() {
        let all = of(&[]).unwrap();
        assert_eq!(all.hidden(), 0);
        assert_eq!(all.names().split(' ').count(), FEATURES.len());
        assert!(all.hwcap()[0] >> 32 == 0 && all.hwcap()[1] >> 31 == 0);
        let less = of(&[(false, "aes"), (false, "dcpop")]).unwrap();
        assert!(!less.names().split(' ').any(|n| ["aes", "pmull", "dcpop", "dcpodp"].contains(&n)), "{}", less.names());
        assert_eq!(less.hidden(), 1 << 3 | 1 << 4 | 1 << 16 | 1 << 32);
    }

    #[test]
    fn later_wishes_win() {
        assert_eq!(of(&[(false, "sha3"), (true, "sha3")]), of(&[]));
        assert!(of(&[(false, "aes"), (true, "pmull")]).unwrap_err().contains("pmull"));
    }

    #[test]
    fn what_is_not_there_is_an_error_of_one_line() {
        for (on, name) in [(true, "sve"), (false, "lse"), (false, ""), (false, "fp")] {
            let why = of(&[(on, name)]).unwrap_err();
            assert!(why.contains(name) && !why.contains('\n'), "{why}");
        }
    }
}
