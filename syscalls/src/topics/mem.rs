//! The guest's address space.

/// The guest's mappings and heap, shared by all threads with CLONE_VM.
#[derive(Debug, Default)]
pub struct Space {}
