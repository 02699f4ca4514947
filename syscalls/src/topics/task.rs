//! Topic: task.
