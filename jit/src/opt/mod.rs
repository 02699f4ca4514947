//! Passes over IR.
