//! The guest's address space.

/// The guest's mappings and heap, shared by all threads with CLONE_VM.
#[derive(Debug, Default)]
pub struct Space {}

impl Space {
    /// A System V segment has been attached.
    pub fn note_shmat(&self, _addr: u64, _len: u64, _prot: i32) {}
    /// One has been detached.
    pub fn note_shmdt(&self, _addr: u64) {}
}
