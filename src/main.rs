//! Run Linux programs of the other architecture: arm64 on amd64, amd64 on arm64.

// Without Rust's own start-up code, which ignores SIGPIPE and opens descriptors 0 to 2: guests must inherit what this process inherited.
#![cfg_attr(not(test), no_main)]

mod auxv;
mod binfmt;
mod cli;
mod core_file;
mod doctor;
mod elf;
mod errno;
mod exec;
mod faults;
mod freeze;
mod gdb;
mod guest;
#[cfg(target_env = "musl")]
mod heap;
mod host;
mod hwcap;
mod image;
mod insight;
#[cfg(test)]
mod kernel_oracle;
mod loader;
mod machine;
mod report;
mod robust;
mod run;
mod sandbox;
mod signals;
mod task;
mod thread;

use cli::{Action, Start};
use std::panic;

/// The C runtime's entry.
///
/// # Safety
/// Called by the C runtime only.
#[cfg_attr(not(test), no_mangle)]
pub unsafe extern "C" fn main(argc: i32, argv: *const *const libc::c_char) -> i32 {
    panic::set_hook(Box::new(|info| {
        let (version, repository) = (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_REPOSITORY"));
        eprintln!("run-foreign {version}: internal error, please report it at {repository}/issues: {info}");
    }));
    // SAFETY: these are main's arguments.
    let start = unsafe { Start::of_process(argc, argv) };
    panic::catch_unwind(|| act(cli::dispatch(start))).unwrap_or(cli::USAGE)
}

fn act(action: Action) -> i32 {
    let done = match action {
        Action::Run(inv) => return run::run(*inv),
        Action::Install(args) => binfmt::install(&args),
        Action::Uninstall(what) => binfmt::uninstall(what.as_deref()),
        Action::Status(json) => binfmt::status(json),
        Action::Doctor => return doctor::doctor(),
        Action::Say(text, 0) => {
            println!("{text}");
            Ok(())
        }
        Action::Say(text, status) => {
            cli::complain(&text);
            return status;
        }
    };
    match done {
        Ok(()) => 0,
        Err(why) => {
            cli::complain(&format!("run-foreign: {why}"));
            1
        }
    }
}
