//! Signals.

/// Dispositions of all signals.
#[derive(Debug, Default, Clone)]
pub struct Actions {}

/// Signal state of one thread.
#[derive(Debug, Default, Clone)]
pub struct ThreadSignals {}
