//! Dispositions, the guest's and what the host has for them.

use super::{bit, Set, CORE, SYNCHRONOUS, UNMASKABLE};
use crate::ptr::Plain;
use crate::{sys, Errno};

/// Flags that a kernel knows; the rest reads back as 0.
const KNOWN_FLAGS: u64 =
    (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT | libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_NODEFER) as u32
        as u64
        | RESETHAND
        | SA_EXPOSE_TAGBITS
        | SA_RESTORER;
const RESETHAND: u64 = 0x8000_0000;
const SA_EXPOSE_TAGBITS: u64 = 0x800;
/// `sa_restorer` is valid.
pub const SA_RESTORER: u64 = 0x0400_0000;

/// The kernel's `struct sigaction`, the same everywhere that concerns us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Action {
    /// SIG_DFL, SIG_IGN or the handler.
    pub handler: u64,
    /// SA_*.
    pub flags: u64,
    /// Where the handler returns to, with SA_RESTORER.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: Set,
}
// SAFETY: four integers, as the kernel lays them out.
unsafe impl Plain for Action {}

impl Action {
    /// Whether it has the flag of `libc`.
    pub fn has(&self, flag: i32) -> bool {
        self.flags & flag as u32 as u64 != 0
    }
    /// SIG_DFL.
    pub fn is_default(&self) -> bool {
        self.handler == libc::SIG_DFL as u64
    }
    /// SIG_IGN.
    pub fn is_ignore(&self) -> bool {
        self.handler == libc::SIG_IGN as u64
    }
}

/// What a signal does by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// Nothing.
    Ignore,
    /// End the process.
    Terminate,
    /// Stop it.
    Stop,
}

impl Default {
    /// The default action of a signal (SIGCONT continues on being sent; its action is to do nothing).
    pub fn of(sig: i32) -> Default {
        match sig {
            libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH => Default::Ignore,
            libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Default::Stop,
            _ => Default::Terminate,
        }
    }
}

/// The host's handler and restorer, which this crate installs but doesn't know.
#[derive(Clone, Copy, Debug, core::default::Default)]
pub struct HostEntry {
    /// `extern "C" fn(i32, *mut siginfo_t, *mut ucontext_t)`; 0: leave the host's dispositions alone (tests).
    pub handler: usize,
    /// Calls rt_sigreturn.
    pub restorer: usize,
}

/// Dispositions of all signals.
#[derive(Debug, Clone)]
pub struct Actions {
    table: [Action; 64],
    /// Entries that are the guest's own. The others are still as this process inherited them, and the host has the truth.
    known: Set,
    host: HostEntry,
    /// A debugger is there: the host's entry sees every signal that would end the process.
    debugged: bool,
}

impl core::default::Default for Actions {
    fn default() -> Actions {
        Actions { table: [Action::default(); 64], known: 0, host: HostEntry::default(), debugged: false }
    }
}

impl Actions {
    /// Those that this process inherited; installs the host's entry for what it must always see.
    pub fn inherit(host: HostEntry) -> Actions {
        let mut actions = Actions { host, ..Actions::default() };
        for sig in (1..=64).filter(|&s| bit(s) & (SYNCHRONOUS | CORE) != 0) {
            let ours = actions.on_host(sig, &Action::default());
            let inherited = actions.adopt(sig, Some(&ours));
            if inherited.is_ignore() && bit(sig) & CORE != 0 {
                // Can't fail: the signal number is valid.
                let _ = actions.set(sig, inherited);
            }
        }
        actions
    }

    /// Whether a debugger wants to hear of every signal that would end the process.
    pub fn debugged(&self) -> bool {
        self.debugged
    }

    /// See [`Actions::debugged`].
    pub fn set_debugged(&mut self, on: bool) {
        self.debugged = on;
        for sig in (1..=64).filter(|&s| bit(s) & (UNMASKABLE | SYNCHRONOUS | CORE) == 0) {
            let action = self.get(sig);
            if action.is_default() && Default::of(sig) == Default::Terminate {
                // Can't fail: the signal number is valid.
                let _ = self.install(sig, &self.on_host(sig, &action));
            }
        }
    }

    /// Learn what this process inherited for a signal, and perhaps install something else.
    fn adopt(&mut self, sig: i32, new: Option<&Action>) -> Action {
        let mut old = Action::default();
        let new = new.map_or(0, |a| a as *const Action as u64);
        // SAFETY: reads a disposition into `old`, which is the kernel's structure; a new one is ours as in `install`.
        unsafe { sys::raw(libc::SYS_rt_sigaction, [sig as u64, new, &raw mut old as u64, 8, 0, 0]) };
        // A handler can't be inherited; flags and mask of the host don't matter to the guest.
        let inherited = Action { handler: if old.is_ignore() { old.handler } else { 0 }, ..Action::default() };
        self.table[sig as usize - 1] = inherited;
        self.known |= bit(sig);
        inherited
    }

    /// The disposition of a valid signal.
    pub fn get(&mut self, sig: i32) -> Action {
        if self.known & bit(sig) == 0 && self.host.handler != 0 {
            return self.adopt(sig, None);
        }
        self.table[sig as usize - 1]
    }

    /// Change the disposition of a signal that allows it, here and on the host.
    pub fn set(&mut self, sig: i32, mut new: Action) -> Result<(), Errno> {
        if bit(sig) & UNMASKABLE != 0 {
            return Err(Errno::EINVAL);
        }
        new.flags &= KNOWN_FLAGS;
        new.mask &= !UNMASKABLE;
        self.table[sig as usize - 1] = new;
        self.known |= bit(sig);
        self.install(sig, &self.on_host(sig, &new))
    }

    /// Somebody has changed the host's disposition: make it what it was.
    pub fn reinstall(&mut self, sig: i32) {
        let action = self.get(sig);
        // Can't fail: it was installed before.
        let _ = self.install(sig, &self.on_host(sig, &action));
    }

    /// All handlers become SIG_DFL (CLONE_CLEAR_SIGHAND), here and on the host. What was inherited has no handlers.
    pub fn clear_handlers(&mut self) {
        for sig in 1..=64 {
            let action = self.table[sig as usize - 1];
            if !action.is_ignore() && !action.is_default() {
                // Can't fail: a signal with a handler allows changes.
                let _ = self.set(sig, Action::default());
            }
        }
    }

    /// Before an exec: signals that the guest ignores but the host must see are ignored by the host too, because that is inherited. The kernel
    /// resets all handlers itself. Undone by [`Actions::after_failed_exec`].
    pub fn before_exec(&mut self) {
        self.for_always_seen(|this, sig, action| {
            if action.is_ignore() {
                let _ = this.install(sig, &Action { handler: libc::SIG_IGN as u64, ..Action::default() });
            }
        });
    }

    /// The exec failed: the host's entry is back.
    pub fn after_failed_exec(&mut self) {
        self.for_always_seen(|this, sig, action| {
            if action.is_ignore() {
                let _ = this.install(sig, &this.on_host(sig, &action));
            }
        });
    }

    fn for_always_seen(&mut self, f: impl Fn(&Actions, i32, Action)) {
        for sig in (1..=64).filter(|&s| bit(s) & SYNCHRONOUS != 0) {
            let action = self.get(sig);
            f(self, sig, action);
        }
    }

    /// What the host has for a disposition of the guest.
    fn on_host(&self, sig: i32, a: &Action) -> Action {
        let seen = bit(sig) & SYNCHRONOUS != 0
            || a.is_default() && (bit(sig) & CORE != 0 || self.debugged && Default::of(sig) == Default::Terminate);
        let kept = a.flags & (libc::SA_NOCLDSTOP | libc::SA_NOCLDWAIT) as u64;
        if !seen && (a.is_default() || a.is_ignore()) {
            return Action { handler: a.handler, flags: kept, ..Action::default() };
        }
        // SA_RESTART leaves the pc at the system call's instruction, where the entry recognises it; whether the guest's call is repeated
        // is decided at delivery. The entry must not be interrupted but by a bug of its own.
        // It has a stack of its own: the thread's stack pointer may not be one.
        Action {
            handler: self.host.handler as u64,
            flags: kept | (libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK) as u64 | SA_RESTORER,
            restorer: self.host.restorer as u64,
            mask: !SYNCHRONOUS,
        }
    }

    fn install(&self, sig: i32, host: &Action) -> Result<(), Errno> {
        if self.host.handler == 0 {
            return Ok(());
        }
        // SAFETY: `host` is a disposition in the kernel's form; its handler, if any, is the entry that the embedder vouches for.
        let r = unsafe { sys::raw(libc::SYS_rt_sigaction, [sig as u64, host as *const Action as u64, 0, 8, 0, 0]) };
        if r < 0 {
            return Err(Errno(-r as i32));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_mirrors_what_needs_no_handler() {
        let actions = Actions::default();
        let ignore = Action { handler: 1, flags: libc::SA_NOCLDWAIT as u64, ..Action::default() };
        assert_eq!(actions.on_host(libc::SIGCHLD, &ignore).handler, 1);
        assert_eq!(actions.on_host(libc::SIGCHLD, &ignore).flags, libc::SA_NOCLDWAIT as u64);
        assert_eq!(actions.on_host(libc::SIGTERM, &Action::default()), Action::default());
        // Ours, whatever the guest says.
        assert_ne!(actions.on_host(libc::SIGSEGV, &ignore).flags & SA_RESTORER, 0);
        // SIGQUIT's default is ours because of the core; ignoring it is the kernel's.
        assert_ne!(actions.on_host(libc::SIGQUIT, &Action::default()).flags & SA_RESTORER, 0);
        assert_eq!(actions.on_host(libc::SIGQUIT, &Action { handler: 1, ..Action::default() }).handler, 1);
    }

    #[test]
    fn unknown_flags_and_unmaskable_signals_read_back_as_clear() {
        let mut actions = Actions::default();
        actions.set(libc::SIGUSR1, Action { handler: 8, flags: !0, restorer: 0, mask: !0 }).unwrap();
        let got = actions.get(libc::SIGUSR1);
        assert_eq!((got.flags, got.mask), (KNOWN_FLAGS, !UNMASKABLE));
        assert_eq!(actions.set(libc::SIGKILL, Action::default()), Err(Errno::EINVAL));
    }
}
