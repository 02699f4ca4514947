//! Code memory and the engine that runs it: block lookup, links, invalidation, and the way from host pc back to guest state.

mod area;
mod cache;
mod cold;
mod dump;
mod family;
pub mod filter;
mod fork;
mod fuse;
mod interrupt;
pub mod lift;
mod lock;
mod pages;
pub mod region;
mod relatives;
mod stats;
mod step;
mod store;
pub(crate) mod trace;
mod work;

use crate::cpu::{Cpu, ExitKind};
use crate::guarded;
use crate::guest::{Fetch, Guest, Hints};
pub use crate::host::HostContext;
use crate::host::{self, Emitted, Features};
use crate::ir::{self, Mode, Trap};
use area::Area;
use cache::Cache;
use family::Notes;
use filter::Filter;
use lock::Lock;
use stats::Counters;
pub use stats::Stats;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::*};
use std::sync::Arc;
use store::{Made, Store};
use work::{Stop, Work};

/// Why [`Engine::run`] came back. The guest's registers are all in the [`Cpu`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// System call; `cpu.pc` is after the instruction.
    Syscall,
    /// Undefined instruction (its encoding); `cpu.pc` is the instruction.
    Undefined(u32),
    /// Breakpoint instruction (its immediate); `cpu.pc` is the instruction.
    Breakpoint(u32),
    /// Another trap of the guest's processor, with its detail; `cpu.pc` as the trap says.
    Exception(Trap, u32),
    /// The instruction at `cpu.pc` can't be fetched.
    FetchFault,
    /// `cpu.pc` is misaligned.
    PcAlign,
    /// `cpu.pending` was set: signals are to be looked at.
    Pending,
    /// The fault handler ended a block: `cpu.pc` is the faulting instruction; what happened is with the handler.
    Fault,
}

impl Exit {
    /// The address of the breakpoint instruction of `bytes` bytes that was executed, if it was that, given [`Cpu::pc`].
    pub fn breakpoint(&self, pc: u64, bytes: u64) -> Option<u64> {
        match self {
            Exit::Breakpoint(_) => Some(pc),
            Exit::Exception(Trap::Debug, 0) => Some(pc.wrapping_sub(bytes)),
            _ => None,
        }
    }
}

/// What the handler of a synchronous signal learns from [`Engine::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// The host pc is not in translated code: not the guest's fault.
    NotTranslated,
    /// The thread's return stack overflowed: go on where it was with this stack pointer.
    Rewind(u64),
    /// In translated code, but the tables don't know it: our bug.
    Unknown,
    /// The registers are saved in the Cpu, `cpu.pc` is the guest instruction; go on at this host address, which makes `run` return `Exit::Fault`.
    Guest(u64),
    /// The same for an access that had to be aligned; its address.
    Misaligned(u64, u64),
    /// The engine deals with it itself (an exact FP path, a tagged pointer): go on at this host address.
    Resume(u64),
}

/// Options of the engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print the IR of each translation.
    pub dump_ir: bool,
    /// Print guest and host code of each translation.
    pub dump_asm: bool,
    /// Keep only this many bytes of code (0: the default); small values force constant eviction.
    pub cache_bytes: usize,
    /// Check the IR of each translation; the process ends at the first that is wrong.
    pub verify: bool,
    /// Host features to use, or what the CPU has.
    pub features: Option<Features>,
    /// For tests: not 0 is the seed of random register allocation.
    pub disorder: u64,
    /// Optional features of the guest that it must not have, in the guest's own numbering.
    pub hidden: u64,
    /// The guest's memory accesses need not be in the order that its architecture promises.
    pub relaxed: bool,
    /// Count what costs time to count, too (see [`Engine::stats`]).
    pub stats: bool,
    /// How often code is executed before it is translated again as a trace: 0 for never.
    pub hot: u32,
    /// How often code is reached before it is translated: until then it is interpreted, if the guest has an interpreter. Up to 1 for at once; from 256 on
    /// only what the interpreter can't execute is translated.
    pub cold: u32,
    /// Which memory is shown by more than one mapping: IC IVAU there comes to [`Fetch::invalidated`] always. Elsewhere only if there is a translation.
    pub shown: Option<&'static filter::Shown>,
    /// Who is told of code.
    pub watcher: Option<&'static dyn Watcher>,
}

/// Wants to know what lies where in code memory: a profiler. Called with the engine's lock held.
pub trait Watcher: Sync + std::fmt::Debug {
    /// The translation of guest code at `pc` lies at `host`.
    fn placed(&self, pc: u64, host: u64, code: &[u8]);
    /// So do the common stubs, in one piece.
    fn stubs(&self, host: u64, code: &[u8]);
    /// This process has just been forked.
    fn forked(&self);
}

/// A good value of [`Options::cold`].
pub const COLD: u32 = 12;

/// Size of the code area when the options don't say.
const DEFAULT_CACHE: usize = 128 << 20;

/// What the lock protects.
struct Inner {
    /// What is translated with the lock held is made in this.
    work: Box<Work>,
    /// For threads that translate without it, and how many of them do.
    #[allow(clippy::vec_box, reason = "they change places with `work`")]
    idle: Vec<Box<Work>>,
    apart: u32,
    /// How often code was declared changed.
    changes: u64,
    stubs: (Emitted, Vec<u32>),
    cache: Cache,
    /// Earlier caches in which threads may still run: (epoch in which it was current, cache).
    retired: Vec<(u64, Cache)>,
    /// What was learned about guest instructions from faults.
    hints: BTreeMap<u64, u8>,
    /// Places that may become traces.
    places: BTreeMap<(u64, Mode), trace::Place>,
    /// How often code was reached that isn't translated.
    heat: Option<cold::Heat>,
    /// For the parent, as long as it may want to know what is translated here; and from the children.
    for_parent: Option<Notes>,
    from_children: Option<Notes>,
    /// What this process shares with its relatives.
    store: Option<Store>,
    /// Every CPU of the process.
    cpus: Vec<*mut Cpu>,
}

// SAFETY: the raw pointers are CPUs that their threads unregister before they free them; what is touched through them is atomic or
// racy by design (see `forget`).
unsafe impl Send for Inner {}

/// What the lifter may ask.
struct Facts<'a> {
    hints: &'a BTreeMap<u64, u8>,
    cache: &'a Cache,
    mode: Mode,
    hidden: u64,
    path: &'a [u64],
}

impl Hints for Facts<'_> {
    fn path(&self) -> &[u64] {
        self.path
    }
    fn hint(&self, pc: u64) -> u8 {
        if self.hints.is_empty() {
            0
        } else {
            self.hints.get(&pc).copied().unwrap_or(0)
        }
    }
    fn hidden(&self) -> u64 {
        self.hidden
    }
    fn translated(&self, pc: u64) -> bool {
        self.cache.find(pc, self.mode).is_some()
    }
}

/// The translator of one process, shared by its threads.
///
/// **Epochs.** When the area is full a new cache takes its place and the old one is retired. A thread notes the epoch in its CPU before it
/// looks up code and clears it when it leaves for the runtime; a retired cache is unmapped when no thread's
/// epoch is as old. Retiring cuts every link, so that every thread leaves soon.
///
/// **Interruption.** Translated code doesn't poll. A signal handler calls [`Engine::interrupt`], which sees to it that the thread leaves at
/// the next edge; while links are cut for that (`interrupting`), none is mended.
pub struct Engine {
    guest: &'static Guest,
    options: Options,
    inner: Lock<Inner>,
    epoch: AtomicU64,
    retired: AtomicU32,
    /// Threads that were asked to leave and have not left yet.
    interrupting: AtomicU32,
    /// Number of CPUs. It is more than one before the second thread begins.
    threads: AtomicU32,
    /// See [`Engine::share_memory`].
    shared: AtomicBool,
    /// What translated code knows of the lines that are in `inner`.
    filter: Arc<Filter>,
    /// `enter` of the current cache.
    enter: AtomicU64,
    features: Features,
    /// Descriptor of the store, or -1.
    family: AtomicI32,
    count: Counters,
}

impl Engine {
    /// Make the engine: reserves code memory. Fails with the errno of the mapping.
    pub fn new(guest: &'static Guest, options: Options) -> Result<Engine, i32> {
        let mut features = options.features.unwrap_or_else(host::detect);
        if guest.total_order {
            features = host::keep_order(features, options.relaxed);
        }
        let work = Work::new(guest, &options, features);
        let mut emitted = Emitted::default();
        let offsets = work.backend.emit_stubs(&mut emitted).to_vec();
        let stubs = (emitted, offsets);
        let filter = Arc::<Filter>::default();
        let cache = new_cache(&options, guest, &stubs, &filter)?;
        let enter = AtomicU64::new(cache.stub(host::STUB_ENTER));
        Ok(Engine {
            guest,
            options,
            inner: Lock::new(Inner {
                work,
                idle: Vec::new(),
                apart: 0,
                changes: 0,
                stubs,
                cache,
                retired: Vec::new(),
                hints: BTreeMap::new(),
                places: BTreeMap::new(),
                heat: None,
                for_parent: None,
                from_children: None,
                store: None,
                cpus: Vec::new(),
            }),
            epoch: AtomicU64::new(1),
            retired: AtomicU32::new(0),
            interrupting: AtomicU32::new(0),
            threads: AtomicU32::new(0),
            shared: AtomicBool::new(false),
            filter,
            enter,
            features,
            family: AtomicI32::new(-1),
            count: Counters::default(),
        })
    }

    fn mode(&self, cpu: &Cpu) -> Mode {
        let Mode(fp) = (self.guest.fp_mode)(cpu.fpcr);
        Mode(if self.shared.load(Relaxed) { fp | Mode::SHARED.0 } else { fp })
    }

    /// From here on others may look at the guest's memory while it runs, and it at what they do: to be called before a second thread begins, and before
    /// memory comes that other processes have. What was translated until then isn't used any more. Of this process's threads none but the caller's runs.
    pub fn share_memory(&self) {
        if !self.guest.pairs || self.shared.swap(true, SeqCst) {
            return;
        }
        self.inner.with(|i| {
            for &cpu in &i.cpus {
                // SAFETY: registered CPUs are alive, and their threads are outside of translated code: they call this, or wait for who does.
                unsafe {
                    region::forget(cpu, None);
                    // What the calls of before return to is of the other mode.
                    (*cpu).ret_epoch = 0;
                }
            }
        });
    }

    /// Run from `cpu.pc` until something needs the runtime.
    pub fn run(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Exit {
        // Before anything is looked up: what is found stays mapped.
        let epoch = self.join_epoch(cpu);
        if self.retired.load(Relaxed) != 0 {
            self.inner.with(|i| self.reap(i));
        }
        // Whatever this thread was outside for, coming back is a context synchronization.
        mem.synchronize(&mut |range| self.invalidate(range.start, range.end - range.start));
        let exit = self.run_inside(cpu, mem, epoch);
        if self.options.stats {
            self.count.exit(exit);
        }
        cpu.epoch.store(0, Release);
        exit
    }

    fn run_inside(&self, cpu: &mut Cpu, mem: &dyn Fetch, mut epoch: u64) -> Exit {
        let mut next = self.host_for(cpu, mem);
        loop {
            let host = match next {
                Ok(Some(h)) => h,
                Ok(None) => match self.interpret(cpu, mem) {
                    Ok(h) => h,
                    Err(e) => return e,
                },
                Err(e) => return e,
            };
            if epoch != cpu.ret_epoch || cpu.ret_sp > cpu.ret_base {
                self.renew(cpu, epoch);
            }
            // SAFETY: `host` is the entry of a translation in a cache that this thread's epoch keeps alive.
            unsafe { host::enter(self.enter.load(Acquire), cpu, host) };
            if cpu.interrupted.load(Relaxed) != 0 {
                self.left(cpu);
            }
            epoch = self.epoch.load(SeqCst);
            next = match cpu.exit_kind {
                k if k == ExitKind::Link as u32 => self.follow_link(cpu, mem),
                k if k == ExitKind::Lookup as u32 => {
                    Counters::add(&self.count.lookups, 1);
                    self.host_for(cpu, mem)
                }
                k if k == ExitKind::Pending as u32 => return Exit::Pending,
                k if k == ExitKind::Trap as u32 => match self.trap(cpu, mem) {
                    Some(exit) => return exit,
                    None => self.host_for(cpu, mem),
                },
                _ => return Exit::Fault,
            };
        }
    }

    /// Note the epoch in a CPU that has noted none, and whose return stack, tables and locals may still lead to code of the last one that it had: between
    /// reading and noting a number, the epoch may end and its cache be unmapped, so only one that is still current then counts.
    fn join_epoch(&self, cpu: &Cpu) -> u64 {
        if self.threads.load(Acquire) == 1 {
            // Nobody else ends an epoch, and what threads that are gone have done is seen. A thread that this one starts sees what it has noted by then.
            let epoch = self.epoch.load(Relaxed);
            cpu.epoch.store(epoch, Relaxed);
            return epoch;
        }
        loop {
            let epoch = self.epoch.load(SeqCst);
            cpu.epoch.store(epoch, SeqCst);
            if self.epoch.load(SeqCst) == epoch {
                return epoch;
            }
        }
    }

    /// Nothing of this thread is in code older than `epoch` from here on.
    #[cold]
    fn renew(&self, cpu: &mut Cpu, epoch: u64) {
        // The stub lies in the cache of this epoch or, in the moment of a flush, of the next.
        let empty = self.inner.with(|i| i.cache.stub(host::STUB_RET_EMPTY));
        region::reset_returns(cpu, empty);
        cpu.ret_epoch = epoch;
        cpu.epoch.store(epoch, SeqCst);
    }

    /// Entry of the translation for `cpu.pc`, from the jump cache, the lookup table or a new translation; `None` if it is to be interpreted.
    fn host_for(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Result<Option<u64>, Exit> {
        let pc = cpu.pc;
        if let Some(host) = region::recall_first(cpu, pc) {
            return Ok(Some(host));
        }
        let canonical = (self.guest.branch_target)(pc);
        if canonical != pc {
            cpu.pc = canonical;
            return self.host_for(cpu, mem);
        }
        let mode = self.mode(cpu);
        self.settle(mem, |i, apart| {
            let host = self.find_or_translate(i, pc, mode, mem, apart)?;
            if let Some(host) = host {
                // Under the lock: nobody voids the translation in between.
                region::remember(cpu, pc, host);
            }
            Ok(host)
        })
    }

    fn follow_link(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Result<Option<u64>, Exit> {
        let site = cpu.exit_arg;
        let mode = self.mode(cpu);
        Counters::add(&self.count.link_exits, 1);
        let to = self.settle(mem, |i, apart| {
            if !i.cache.area.range().contains(&site) {
                let old = i.retired.iter().find(|(_, c)| c.area.range().contains(&site));
                cpu.pc = old.expect("the site of an exit lies in some cache").1.link_at(site).1;
                return Ok(Some(self.find_or_translate(i, cpu.pc, mode, mem, apart)?));
            }
            let (link, target) = i.cache.link_at(site);
            cpu.pc = target;
            if cpu.pending.load(Relaxed) != 0 {
                return Err(Stop::Exit(Exit::Pending));
            }
            if i.cache.is_hot(link) {
                return Ok(None);
            }
            let epoch = self.epoch.load(Relaxed);
            let host = self.find_or_translate(i, target, mode, mem, apart)?;
            // A flush in between makes the link's number void.
            let same = epoch == self.epoch.load(Relaxed);
            if same
                && host.is_some()
                && i.cache.is_cut(link)
                && self.interrupting.load(Acquire) == 0
                && i.cache.area.own().is_ok()
            {
                i.cache.link(link);
            }
            Ok(Some(host))
        })?;
        match to {
            Some(to) => Ok(to),
            None => self.heated(cpu, cpu.pc, mem),
        }
    }

    /// `None` if it is to be interpreted. `apart`: what is to be translated isn't here, with the lock held.
    fn find_or_translate(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch, apart: bool) -> Result<Option<u64>, Stop> {
        match self.find(i, pc, mode, mem) {
            Some(h) => Ok(Some(h)),
            None if self.is_cold(i, pc, mode, mem) => Ok(None),
            None if apart => Err(Stop::Missing(pc, mode)),
            None => Ok(Some(self.translate(i, pc, mode, mem)?)),
        }
    }

    /// Entry of the translation of `pc`, if this process has it, or gets it with its page from relatives.
    fn find(&self, i: &mut Inner, pc: u64, mode: Mode, mem: &dyn Fetch) -> Option<u64> {
        let found = i.cache.find(pc, mode);
        if found.is_none() && i.store.is_some() {
            self.adopt_page(i, pc, mode, mem);
            return i.cache.find(pc, mode);
        }
        found
    }

    /// Before anything is published.
    fn make_writable(&self, i: &mut Inner) {
        if i.cache.wasteful() || i.cache.area.own().is_err() {
            // Mostly dead code, or no memory for a copy of our own after a fork: start afresh.
            self.flush(i);
        }
    }

    /// Publish what was emitted; its entry.
    fn publish(&self, i: &mut Inner) -> u64 {
        self.make_writable(i);
        let cut = self.interrupting.load(Acquire) != 0;
        let made = relatives::made(&i.work.block);
        let publish = |i: &mut Inner| {
            let Inner { cache, work, .. } = i;
            cache.publish(&made, &work.block.parts, &work.emitted, &host::helper, cut)
        };
        let host = publish(i).unwrap_or_else(|| {
            self.flush(i);
            publish(i).expect("a block fits in an empty cache")
        });
        self.published(&made, host, i.work.emitted.code.len(), i.work.emitted.links.len());
        host
    }

    /// Say that a translation was placed at `host`.
    fn published(&self, made: &Made, host: u64, bytes: usize, links: usize) {
        self.count.translations(1, made.insns, bytes, links);
        if let Some(watcher) = self.options.watcher {
            // SAFETY: the block has just been placed there.
            watcher.placed(made.pc, host, unsafe { std::slice::from_raw_parts(host as *const u8, bytes) });
        }
    }

    /// Replace the cache by an empty one; the old one, and the epoch that it was current in.
    fn replace(&self, i: &mut Inner) -> (u64, Cache) {
        let cache = match new_cache(&self.options, self.guest, &i.stubs, &self.filter) {
            Ok(c) => c,
            Err(e) => no_memory(e),
        };
        let old = std::mem::replace(&mut i.cache, cache);
        self.enter.store(i.cache.stub(host::STUB_ENTER), Release);
        // Before the epoch ends: who has noted the next finds nothing of this one.
        for &cpu in &i.cpus {
            // SAFETY: registered CPUs are alive.
            unsafe { region::forget(cpu, None) };
        }
        (self.epoch.fetch_add(1, SeqCst), old)
    }

    /// Retire the cache.
    fn flush(&self, i: &mut Inner) {
        Counters::add(&self.count.flushes, 1);
        let old = self.replace(i);
        i.retired.push(old);
        self.retired.store(i.retired.len() as u32, Relaxed);
        for (_, c) in &mut i.retired {
            // After a fork the code is shared with another process, until then nobody runs it: see `own` in `translate`.
            if c.area.own().is_ok() {
                c.cut_all();
            }
        }
    }

    /// Unmap retired caches that no thread can be in.
    fn reap(&self, i: &mut Inner) {
        // SAFETY: registered CPUs are alive; the field is atomic.
        let inside = i.cpus.iter().map(|&c| unsafe { (*c).epoch.load(SeqCst) }).filter(|&e| e != 0).min().unwrap_or(u64::MAX);
        i.retired.retain(|(epoch, _)| *epoch >= inside);
        self.retired.store(i.retired.len() as u32, Relaxed);
    }

    /// An `Op::Trap`: `None` when the engine has dealt with it.
    fn trap(&self, cpu: &mut Cpu, mem: &dyn Fetch) -> Option<Exit> {
        match Trap::from_bits(cpu.exit_trap as u8) {
            Trap::Syscall => Some(Exit::Syscall),
            Trap::Undefined => Some(Exit::Undefined(cpu.exit_imm as u32)),
            Trap::Breakpoint => Some(Exit::Breakpoint(cpu.exit_imm as u32)),
            Trap::InvalidateCode => {
                let line = cpu.exit_arg & 0x00ff_ffff_ffff_ffff & !63;
                self.invalidate(line, 64);
                mem.invalidated(line..line + 64, &mut |range| self.invalidate(range.start, range.end - range.start));
                None
            }
            Trap::Synchronize => {
                mem.synchronize(&mut |range| self.invalidate(range.start, range.end - range.start));
                None
            }
            Trap::SetFpcr => {
                self.set_fpcr(cpu, cpu.exit_arg as u32);
                None
            }
            t @ (Trap::Divide | Trap::Protection | Trap::Debug | Trap::FpException | Trap::Interrupt) => {
                Some(Exit::Exception(t, cpu.exit_imm as u32))
            }
            Trap::FetchFault => Some(Exit::FetchFault),
            Trap::PcAlign => Some(Exit::PcAlign),
        }
    }

    /// Translations of code in `start..start+len` are void. Callable from any thread.
    pub fn invalidate(&self, start: u64, len: u64) {
        let Some(end) = start.checked_add(len).filter(|&e| e > start) else { return };
        Counters::add(&self.count.invalidations, 1);
        self.inner.with(|i| {
            if !i.hints.is_empty() {
                self.forget_hints(&mut i.hints, start, end);
            }
            self.invalidate_locked(i, start, end);
        });
    }

    /// What was learned about instructions in `start..end` is void.
    fn forget_hints(&self, hints: &mut BTreeMap<u64, u8>, start: u64, end: u64) {
        while let Some((&pc, _)) = hints.range(start..end).next() {
            hints.remove(&pc);
            self.filter.release(pc >> filter::LOG2_LINE);
        }
    }

    fn invalidate_locked(&self, i: &mut Inner, start: u64, end: u64) {
        // What is being translated may be void.
        i.changes += 1;
        let Inner { cache, retired, cpus, .. } = i;
        for c in std::iter::once(cache).chain(retired.iter_mut().map(|r| &mut r.1)) {
            if !c.overlaps(&(start..end)) {
                continue;
            }
            if c.area.own().is_err() {
                no_memory(libc::ENOMEM);
            }
            c.invalidate(start..end, &mut |pc| {
                Counters::add(&self.count.invalidated, 1);
                // SAFETY: registered CPUs are alive.
                cpus.iter().for_each(|&cpu| unsafe { region::forget(cpu, Some(pc)) })
            });
        }
    }

    /// A synchronous host signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) at `host`. Async-signal-safe while the thread runs translated code,
    /// because such a thread holds no lock.
    pub fn fault(&self, cpu: &mut Cpu, host: &HostContext, signal: i32, addr: u64) -> FaultAction {
        if cpu.inside.load(Relaxed) == 0 {
            // By the interpreter, perhaps.
            return guarded::fixup(host.pc).map_or(FaultAction::NotTranslated, FaultAction::Resume);
        }
        self.inner.with(|i| {
            if signal == libc::SIGSEGV && host::stack_pointer(host).abs_diff(addr) <= 16 && region::overflowed(cpu, addr) {
                region::reset_returns(cpu, i.cache.stub(host::STUB_RET_EMPTY));
                Counters::add(&self.count.return_overflows, 1);
                return FaultAction::Rewind(cpu.ret_base);
            }
            let Inner { cache, retired, .. } = &*i;
            let Some(c) = std::iter::once(cache).chain(retired.iter().map(|r| &r.1)).find(|c| c.area.range().contains(&host.pc))
            else {
                return FaultAction::NotTranslated;
            };
            let Some(at) = c.locate(host.pc) else { return FaultAction::Unknown };
            let void = c.is_void(host.pc);
            let resume = c.stub(host::STUB_FAULT);
            let pc = at.pc;
            let learned = match host::learned(signal, addr, &at) {
                ir::hint::SOFT_FP if self.guest.fp != ir::FpRules::Arm => 0,
                ir::hint::TAGGED if !self.guest.tagged => 0,
                learned => learned,
            };
            host::save_context(&i.work.backend, cpu, host, &at);
            cpu.pc = pc;
            if let Some(at) = host::misaligned(host, &at, signal, addr) {
                cpu.exit_kind = ExitKind::Fault as u32;
                return FaultAction::Misaligned(resume, at);
            }
            let known = i.hints.get(&pc).copied().unwrap_or(0);
            if learned & !known != 0 {
                i.hints.insert(pc, known | learned);
                if known == 0 {
                    self.filter.hold(pc >> filter::LOG2_LINE);
                }
                self.count.learned(learned);
                self.invalidate_locked(i, pc, pc + 4);
                cpu.exit_kind = ExitKind::Lookup as u32;
                return FaultAction::Resume(resume);
            }
            if learned != 0 && void {
                // Another thread has learned it, while this one was in the translation from before.
                cpu.exit_kind = ExitKind::Lookup as u32;
                return FaultAction::Resume(resume);
            }
            cpu.exit_kind = ExitKind::Fault as u32;
            Counters::add(&self.count.faults, 1);
            FaultAction::Guest(resume)
        })
    }

    /// The guest's condition flags as NZCV in bits 3..0, and their write.
    pub fn nzcv(&self, cpu: &Cpu) -> u8 {
        host::nzcv_from_rest(cpu.flags)
    }
    /// See [`Engine::nzcv`].
    pub fn set_nzcv(&self, cpu: &mut Cpu, nzcv: u8) {
        cpu.flags = host::rest_from_nzcv(nzcv);
    }
    /// FPSR incl. accumulated exceptions and QC (bit 27).
    pub fn fpsr(&self, cpu: &Cpu) -> u32 {
        host::fpsr(cpu)
    }
    /// Write FPSR.
    pub fn set_fpsr(&self, cpu: &mut Cpu, fpsr: u32) {
        host::set_fpsr(cpu, fpsr);
    }
    /// Write FPCR: the host's rounding and the mode of translation follow.
    pub fn set_fpcr(&self, cpu: &mut Cpu, fpcr: u32) {
        let fpcr = fpcr & self.guest.fpcr_mask;
        let before = self.mode(cpu);
        let status = host::fpsr(cpu);
        cpu.fpcr = fpcr;
        cpu.guest_fpctl = host::fpctl(self.guest.fp, fpcr, (self.guest.fp_round)(fpcr));
        host::set_fpsr(cpu, status);
        if self.mode(cpu) != before {
            // SAFETY: the caller's.
            unsafe { region::forget(cpu, None) };
            // What the calls of before return to is of the other mode.
            cpu.ret_epoch = 0;
        }
    }

    /// A CPU for a new thread: fresh, or a copy of the creator's guest registers. Give it back by [`Engine::drop_cpu`].
    pub fn new_cpu(&self, from: Option<&Cpu>) -> Box<Cpu> {
        let mut cpu = Cpu::new();
        if let Some(f) = from {
            cpu.gpr = f.gpr;
            cpu.vec = f.vec;
            cpu.flags = f.flags;
            cpu.pc = f.pc;
            cpu.qc = f.qc;
            cpu.area = f.area;
            cpu.fpsr = f.fpsr;
            cpu.fpcr = f.fpcr;
            cpu.guest_fpctl = f.guest_fpctl;
        } else {
            cpu.flags = host::rest_from_nzcv(0);
            cpu.fpcr = self.guest.fpcr_init;
            cpu.guest_fpctl = host::fpctl(self.guest.fp, cpu.fpcr, (self.guest.fp_round)(cpu.fpcr));
        }
        cpu.helpers = self.guest.helpers;
        cpu.rules = self.guest.fp;
        cpu.host_fpctl = host::fpctl_default();
        cpu.code_lines = self.filter.table();
        if let Some(shown) = self.options.shown {
            cpu.code_shown = shown.as_ptr().cast();
        }
        region::attach(&mut cpu);
        let ptr: *mut Cpu = &mut *cpu;
        self.inner.with(|i| {
            i.cpus.push(ptr);
            self.threads.store(i.cpus.len() as u32, SeqCst);
        });
        cpu
    }

    /// Give back a CPU whose thread has left translated code for good.
    pub fn drop_cpu(&self, mut cpu: Box<Cpu>) {
        let ptr: *mut Cpu = &mut *cpu;
        self.inner.with(|i| {
            i.cpus.retain(|&c| c != ptr);
            self.threads.store(i.cpus.len() as u32, SeqCst);
        });
        self.count.misses(region::take_misses(&mut cpu));
        if cpu.interrupted.load(Relaxed) != 0 {
            // Its process was killed.
            self.interrupting.fetch_sub(1, Release);
        }
        // SAFETY: the thread has left for good, and no other finds the CPU any more.
        unsafe { region::detach(&mut cpu) };
    }

    /// Number of translations made so far.
    pub fn translations(&self) -> usize {
        self.inner.with(|i| i.cache.len())
    }

    /// What has happened so far in this process. Some of it is counted only with [`Options::stats`].
    pub fn stats(&self) -> Stats {
        self.inner.with(|i| {
            let mut s = self.count.read();
            for &cpu in &i.cpus {
                // SAFETY: registered CPUs are alive; a count that its thread changes at the moment may be either.
                let misses = unsafe { (&raw const (*cpu).table_misses).read_volatile() };
                s.return_misses += misses[0];
                s.table_misses += misses[1];
            }
            s
        })
    }
}

/// Without memory for code there is no way on.
#[cold]
fn no_memory(errno: i32) -> ! {
    eprintln!("run-foreign: no memory for code: {}", std::io::Error::from_raw_os_error(errno));
    std::process::abort()
}

fn new_cache(
    options: &Options,
    guest: &Guest,
    (stubs, offsets): &(Emitted, Vec<u32>),
    filter: &Arc<Filter>,
) -> Result<Cache, i32> {
    let size = match options.cache_bytes {
        0 => DEFAULT_CACHE,
        // At least what the stubs and the largest block need.
        n => (n.max(64 << 10) + 4095) & !4095,
    };
    let cache = Cache::new(Area::new(size)?, (stubs, offsets), &host::helper, filter.clone(), Engine::heat(options, guest))
        .ok_or(libc::ENOMEM)?;
    if let Some(watcher) = options.watcher {
        let at = cache.area.range().start;
        // SAFETY: the stubs have just been placed there.
        watcher.stubs(at, unsafe { std::slice::from_raw_parts(at as *const u8, stubs.code.len()) });
    }
    Ok(cache)
}
