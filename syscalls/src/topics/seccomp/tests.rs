use super::*;
use crate::testing::{call, guest};

const GETPID: u64 = 172;
const RET_K: u16 = 6;

fn filter(before: Option<Arc<Filter>>, verdict: u32) -> Arc<Filter> {
    Arc::new(Filter { program: vec![Insn { code: RET_K, jt: 0, jf: 0, k: verdict }], before })
}

fn confined(verdicts: &[u32]) -> State {
    let filter = verdicts.iter().fold(None, |before, &v| Some(filter(before, v)));
    State::alone(filter.map_or(Mode::Disabled, Mode::Filter))
}

#[test]
fn the_strictest_verdict_counts_and_of_equal_ones_the_youngest() {
    let mut thread = guest(Default::default());
    for (verdicts, errno) in [
        (&[RET_ERRNO | 1, RET_ALLOW][..], 1),
        (&[RET_ERRNO | 1, RET_ERRNO | 2], 2),
        (&[RET_LOG, RET_TRACE, RET_ALLOW], libc::ENOSYS),
        (&[RET_TRACE, RET_ERRNO | 3, RET_LOG], 3),
    ] {
        thread.seccomp = confined(verdicts);
        assert_eq!(call(&mut thread, 0, GETPID, []), Err(Stop::Errno(Errno(errno))), "{verdicts:x?}");
    }
    thread.seccomp = confined(&[RET_KILL_THREAD, RET_KILL_PROCESS, RET_ALLOW]);
    assert_eq!(call(&mut thread, 0, GETPID, []), Err(Stop::Flow(Flow::Die(libc::SIGSYS))));
    assert!(!confined(&[]).is_active());
}

#[test]
fn the_next_program_gets_the_same_filters() {
    let (before, bytes) = (confined(&[RET_ERRNO | 5, RET_LOG, RET_ALLOW]), confined(&[]).export());
    assert!(bytes.is_empty());
    let bytes = before.export();
    let after = State::import(&bytes).unwrap();
    assert_eq!(after.export(), bytes);
    assert_eq!(after.shown(), Some((2, 3)));
    assert!(State::import(&bytes[..bytes.len() - 1]).is_none());
    let mut wrong = bytes;
    wrong[4] = 0xff;
    assert!(State::import(&wrong).is_none());
}

#[test]
fn a_group_has_its_threads_only() {
    let main = confined(&[RET_ALLOW]);
    let thread = main.child(true);
    assert!(thread.is_active() && !main.is_last());
    assert!(main.child(false).is_last());
    drop(thread);
    assert!(main.is_last());
}
