//! Topic: time.
