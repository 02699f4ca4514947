//! Topic: procfs.
