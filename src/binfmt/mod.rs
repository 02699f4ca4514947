//! binfmt_misc: the kernel starts us for foreign programs by itself.
//!
//! The interpreter that is registered is the plain path of this program. Nothing depends on a distinct file name: flag O makes the kernel
//! pass AT_EXECFD, which no other execve does, and [`crate::cli::dispatch`] looks for that first. Flags: P (argv\[0\] is kept), O (the opened
//! program is passed, readable or not), C (setuid programs keep their meaning), F (opened now: works in every container and chroot).

mod entry;
mod install;

pub use entry::{entries, first_match, globally_enabled, mount_state, Entry, MountState, DIR};
pub use install::{install, status, uninstall};

use crate::elf::Arch;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The ELF header that a program of `arch` starts with. Bytes 7 (OS ABI) and 8 to 10 (AppImages put their mark there) may be anything, the
/// type is a program or a shared object. Old amd64 programs leave byte order and version out.
pub fn magic(arch: Arch) -> ([u8; 20], [u8; 20]) {
    let mut magic = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0";
    let mut mask = [0xff; 20];
    magic[18] = arch.machine() as u8;
    mask[7..11].fill(0);
    mask[16] = 0xfe;
    if arch == Arch::Amd64 {
        mask[5..7].fill(0xfe);
    }
    (magic, mask)
}

/// Whether the kernel would start a file by what [`register_line`] registers for `arch`.
pub fn claims(file: &File, arch: Arch) -> bool {
    let (magic, mask) = magic(arch);
    let mut head = [0; 20];
    file.read_exact_at(&mut head, 0).is_ok()
        && head.iter().zip(mask).map(|(h, m)| h & m).eq(magic.iter().zip(mask).map(|(h, m)| h & m))
}

/// The entry's name unless another is asked for.
pub fn default_name(arch: Arch) -> String {
    format!("run-foreign-{}", arch.machine_name())
}

/// The line that registers `interpreter`.
pub fn register_line(name: &str, arch: Arch, interpreter: &str, flags: &str) -> Result<String, String> {
    // The first byte of a line is its delimiter: any that the fields don't hold.
    let delimiter = [':', ',', ';', '|', '+', '#'].into_iter().find(|&d| !interpreter.contains(d) && !name.contains(d));
    let d = delimiter.ok_or_else(|| format!("{interpreter}: move this program to a plainer path"))?;
    if name.is_empty() || name.contains(['/', '\n']) || matches!(name, "." | ".." | "register" | "status") {
        return Err(format!("{name}: not usable as an entry's name"));
    }
    if !interpreter.starts_with('/') || interpreter.contains('\n') {
        return Err(format!("{interpreter}: not usable as an interpreter's path"));
    }
    let hex = |b: [u8; 20]| b.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    let (magic, mask) = magic(arch);
    let line = format!("{d}{name}{d}M{d}0{d}{}{d}{}{d}{interpreter}{d}{flags}", hex(magic), hex(mask));
    if line.len() > 1920 {
        return Err(format!("{interpreter}: the path is too long to be registered"));
    }
    Ok(line)
}

/// The architectures that a word names, among those that don't run natively.
pub fn architectures(word: Option<&str>) -> Result<Vec<Arch>, String> {
    let arch = match word.unwrap_or("all") {
        "all" => return Ok(vec![Arch::FOREIGN]),
        "arm64" | "aarch64" | "linux/arm64" => Arch::Arm64,
        "amd64" | "x86_64" | "x86-64" | "linux/amd64" => Arch::Amd64,
        other => return Err(format!("{other}: unknown architecture (arm64, amd64 or all)")),
    };
    if arch == Arch::HOST {
        return Err(format!("{} programs run natively on this machine: there is nothing to register", arch.name()));
    }
    Ok(vec![arch])
}
