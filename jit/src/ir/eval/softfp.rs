//! IEEE 754 arithmetic in integers, with Arm's choices (H-fp).
