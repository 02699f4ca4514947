//! Code memory.
