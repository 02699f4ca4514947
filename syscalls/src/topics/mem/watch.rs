//! Pages whose code has been translated for a guest that may change code without saying so: they are kept from being written, on the host only, until
//! somebody tries. So are the pages through which the same bytes can be written (of a memfd that is mapped twice, for one).
//!
//! Whoever is refused comes here: translated code by its fault, handlers and the kernel by EFAULT. The pages can then be written again, and what was
//! translated from them is void, until code of theirs is executed and so translated again.

use super::vma::PAGE;
use super::{host, page_down, Inner, Space};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// The page around an address.
fn page(at: u64) -> Range<u64> {
    page_down(at)..page_down(at) + PAGE
}

impl Inner {
    /// The pages where a write may change what is at a page: the page itself first.
    fn same(&self, at: u64) -> Vec<u64> {
        let mut pages = vec![page_down(at)];
        self.map.views.same(page(at), &mut |range| pages.extend((page_down(range.start)..range.end).step_by(PAGE as usize)));
        pages.dedup();
        pages
    }

    /// Whether the guest may write a page, for others to see where it is not the page `itself`.
    fn writable(&self, at: u64, itself: bool) -> bool {
        let shared = || self.map.views.within(page(at)).iter().any(|(_, view)| view.shared);
        self.map.find(at).is_some_and(|v| v.attr.prot.write()) && (itself || shared())
    }

    /// Give a page the host's protection that the guest's asks for.
    fn release(&mut self, at: u64) {
        if self.watched.remove(&at) {
            if let Some(v) = self.map.find(at) {
                // Gone meanwhile, or not: nothing depends on it.
                let _ = host(libc::SYS_mprotect, [at, PAGE, v.attr.prot.host(), 0, 0, 0]);
            }
        }
    }
}

impl Space {
    /// Code at `at` is about to be read and translated: see that changes don't go unnoticed.
    pub fn watch(&self, at: u64) {
        let wanted = |inner: &Inner| {
            let same = inner.same(at).into_iter().enumerate();
            same.filter(|&(i, at)| !inner.watched.contains(&at) && inner.writable(at, i == 0))
                .map(|(_, at)| at)
                .collect::<Vec<_>>()
        };
        if wanted(&self.read()).is_empty() {
            return;
        }
        let mut inner = self.write();
        for at in wanted(&inner) {
            let Some(v) = inner.map.find(at) else { continue };
            let prot = v.attr.prot.host() & !(libc::PROT_WRITE as u64);
            if host(libc::SYS_mprotect, [at, PAGE, prot, 0, 0, 0]).is_ok() {
                inner.watched.insert(at);
            }
        }
        self.watching.store(true, Ordering::Release);
    }

    /// Whether some page has ever been watched.
    pub fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Acquire)
    }

    /// A write at `at` was refused: if that is because of us, let it happen. What is translated from the ranges returned is void.
    pub fn unwatch(&self, at: u64) -> Vec<Range<u64>> {
        if !self.is_watching() {
            return Vec::new();
        }
        let mut inner = self.write();
        if !inner.watched.contains(&page_down(at)) {
            // By another thread meanwhile.
            let free = inner.map.find(at).is_some_and(|v| v.attr.prot.write());
            return if free { vec![page(at)] } else { Vec::new() };
        }
        let same = inner.same(at);
        same.iter().for_each(|&at| inner.release(at));
        same.into_iter().map(page).collect()
    }

    /// The same for all pages in a range, and without what shows the same.
    pub fn unwatch_range(&self, range: Range<u64>) -> Vec<Range<u64>> {
        if !self.is_watching() || range.is_empty() {
            return Vec::new();
        }
        let mut inner = self.write();
        let pages: Vec<u64> = inner.watched.range(page_down(range.start)..range.end).copied().collect();
        pages.iter().for_each(|&at| inner.release(at));
        let all: Vec<u64> = pages.into_iter().flat_map(|at| inner.same(at)).collect();
        all.into_iter().map(page).collect()
    }
}
