//! Topic: fs.
