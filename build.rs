//! Linker options of the program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A static-pie program relocates itself at each start: packed, its thousands of relative relocations are two pages instead of sixty.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        // See `src/host/amd64.rs`.
        println!("cargo:rustc-link-arg-bins=-Wl,-e,rf_entry");
    }
}
