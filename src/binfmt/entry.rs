//! What is registered: /proc/sys/fs/binfmt_misc read.

use super::magic;
use crate::elf::Arch;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where binfmt_misc is mounted.
pub const DIR: &str = "/proc/sys/fs/binfmt_misc";

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether the kernel uses it.
    pub enabled: bool,
    /// The interpreter's path.
    pub interpreter: String,
    /// Its flags.
    pub flags: String,
    /// Where in the file the magic is looked for.
    pub offset: usize,
    /// The magic, empty for an entry that goes by the file's extension.
    pub magic: Vec<u8>,
    /// The mask, empty for none.
    pub mask: Vec<u8>,
    /// When it was registered (nanoseconds).
    pub registered: i128,
}

impl Entry {
    /// Parse an entry's file.
    pub fn parse(name: &str, text: &str) -> Entry {
        let mut e = Entry { name: name.into(), ..Entry::default() };
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("enabled", _) => e.enabled = true,
                ("interpreter", path) => e.interpreter = path.into(),
                ("flags:", flags) => e.flags = flags.into(),
                ("offset", n) => e.offset = n.parse().unwrap_or(0),
                ("magic", hex) => e.magic = unhex(hex),
                ("mask", hex) => e.mask = unhex(hex),
                _ => {}
            }
        }
        e
    }

    /// Whether the kernel would use it for a plain program of `arch`.
    pub fn matches(&self, arch: Arch) -> bool {
        let (head, _) = magic(arch);
        !self.magic.is_empty()
            && self.magic.iter().enumerate().all(|(i, m)| {
                let mask = self.mask.get(i).copied().unwrap_or(0xff);
                head.get(self.offset + i).is_some_and(|h| (h ^ m) & mask == 0)
            })
    }

    /// Whether it is one of ours: by its interpreter's name.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with("run-foreign-") || Path::new(&self.interpreter).file_name().is_some_and(|n| n == "run-foreign")
    }
}

fn unhex(s: &str) -> Vec<u8> {
    s.as_bytes().chunks(2).filter_map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok()).collect()
}

/// What is at [`DIR`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MountState {
    /// binfmt_misc.
    Mounted,
    /// The folder is there, but nothing is mounted.
    NotMounted,
    /// No folder: the kernel has no binfmt_misc, its module is not loaded, or /proc is absent.
    Absent,
}

/// Look what is at [`DIR`]. (Looking triggers the mount where systemd has set up an automount.)
pub fn mount_state() -> MountState {
    if Path::new(DIR).join("register").exists() {
        MountState::Mounted
    } else if Path::new(DIR).is_dir() {
        MountState::NotMounted
    } else {
        MountState::Absent
    }
}

/// All entries in the order in which the kernel tries them: the newest first.
pub fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = fs::read_dir(DIR)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|f| {
            let name = f.file_name().to_str()?.to_owned();
            if matches!(&*name, "register" | "status") {
                return None;
            }
            let text = fs::read_to_string(f.path()).ok()?;
            // The file's times are those of the registration.
            let m = f.metadata().ok()?;
            Some(Entry { registered: m.mtime() as i128 * 1_000_000_000 + m.mtime_nsec() as i128, ..Entry::parse(&name, &text) })
        })
        .collect();
    all.sort_by_key(|e| std::cmp::Reverse(e.registered));
    all
}

/// Whether the whole of binfmt_misc is switched on.
pub fn globally_enabled() -> bool {
    fs::read_to_string(Path::new(DIR).join("status")).is_ok_and(|s| s.trim() == "enabled")
}

/// The entry that the kernel uses for programs of `arch`.
pub fn first_match(all: &[Entry], arch: Arch) -> Option<&Entry> {
    all.iter().find(|e| e.enabled && e.matches(arch))
}
