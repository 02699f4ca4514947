//! Topic: net.
