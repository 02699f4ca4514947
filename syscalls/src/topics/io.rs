//! Topic: io.
