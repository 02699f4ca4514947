//! Linker options of the program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A static-pie program relocates itself at each start: packed, its thousands of relative relocations are two pages instead of sixty.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
