//! CPU features.

use crate::hwcap::{self, Features};
use jit::guest::arm64::features::{with_dependants, Feature, Set, ALL, ASIMD, FEATURES, FP};

/// The feature of that name, which may be hidden or insisted on.
fn find(on: bool, name: &str) -> Result<Feature, String> {
    let Some((_, f, _)) = FEATURES.iter().find(|(n, ..)| *n == name) else {
        return Err(hwcap::unknown(name, &names()));
    };
    match *f {
        FP | ASIMD if !on => Err(hwcap::needed(name)),
        f => Ok(f),
    }
}

/// All, without those that the wishes take away and those that no CPU has without them.
pub(super) fn of(wishes: &[(bool, String)]) -> Result<Features, String> {
    let mut hidden = Set::default();
    for (on, name) in wishes {
        let f = Set::default().with(find(*on, name)?);
        hidden = if *on { hidden.without(f) } else { Set(hidden.0 | f.0) };
    }
    let there = ALL.without(with_dependants(hidden));
    for (on, name) in wishes {
        if *on && !hidden.has(find(*on, name)?) && !there.has(find(*on, name)?) {
            return Err(hwcap::incomplete(name));
        }
    }
    let names: Vec<&str> = FEATURES.iter().filter(|(_, f, _)| there.has(*f)).map(|(n, ..)| *n).collect();
    let hwcap = [there.0 & 0xffff_ffff, there.0 >> 32];
    Ok(Features { hwcap, hidden: ALL.without(there).0, names: names.join(" "), cpu: Default::default() })
}

pub(super) fn names() -> Vec<(&'static str, &'static str)> {
    FEATURES.iter().map(|&(name, _, what)| (name, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(bool, &str)]) -> Result<Features, String> {
        super::of(&list.iter().map(|(on, n)| (*on, n.to_string())).collect::<Vec<_>>())
    }

    #[test]
    fn everything_says_the_same() {
        let all = of(&[]).unwrap();
        assert_eq!(all.hidden, 0);
        assert_eq!(all.names.split(' ').count(), FEATURES.len());
        assert!(all.hwcap[0] >> 32 == 0 && all.hwcap[1] >> 31 == 0);
        let less = of(&[(false, "aes"), (false, "dcpop")]).unwrap();
        assert!(!less.names.split(' ').any(|n| ["aes", "pmull", "dcpop", "dcpodp"].contains(&n)), "{}", less.names);
        assert_eq!(less.hidden, 1 << 3 | 1 << 4 | 1 << 16 | 1 << 32);
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
