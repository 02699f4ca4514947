//! Topic: proc.
