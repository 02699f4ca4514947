//! One allocator for every host.
