//! (H-int)
