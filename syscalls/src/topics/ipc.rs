//! Topic: ipc.
