//! (H-simd)
