//! `--strace`.
