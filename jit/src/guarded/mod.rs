//! Single accesses to guest memory by the runtime itself, which may fault: each is one instruction, done as a whole or not at all.

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(target_arch = "aarch64")]
mod arm64;

/// The memory was not accessible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// What an access returns, in two registers: the value, and 0 or 1 if it faulted.
#[repr(C)]
struct Access {
    value: u64,
    fault: u64,
}

impl Access {
    #[inline]
    fn value(self) -> Result<u64, Fault> {
        match self.fault {
            0 => Ok(self.value),
            _ => Err(Fault),
        }
    }
}

extern "C" {
    fn rf_guest_load1(at: u64) -> Access;
    fn rf_guest_load2(at: u64) -> Access;
    fn rf_guest_load4(at: u64) -> Access;
    fn rf_guest_load8(at: u64) -> Access;
    fn rf_guest_load16(at: u64, to: *mut u128) -> Access;
    fn rf_guest_store1(at: u64, value: u64) -> Access;
    fn rf_guest_store2(at: u64, value: u64) -> Access;
    fn rf_guest_store4(at: u64, value: u64) -> Access;
    fn rf_guest_store8(at: u64, value: u64) -> Access;
    fn rf_guest_store16(at: u64, from: *const u128) -> Access;
    fn rf_guest_acquire1(at: u64) -> Access;
    fn rf_guest_acquire2(at: u64) -> Access;
    fn rf_guest_acquire4(at: u64) -> Access;
    fn rf_guest_acquire8(at: u64) -> Access;
    fn rf_guest_release1(at: u64, value: u64) -> Access;
    fn rf_guest_release2(at: u64, value: u64) -> Access;
    fn rf_guest_release4(at: u64, value: u64) -> Access;
    fn rf_guest_release8(at: u64, value: u64) -> Access;
    fn rf_guest_cas1(at: u64, old: u64, new: u64) -> Access;
    fn rf_guest_cas2(at: u64, old: u64, new: u64) -> Access;
    fn rf_guest_cas4(at: u64, old: u64, new: u64) -> Access;
    fn rf_guest_cas8(at: u64, old: u64, new: u64) -> Access;
    fn rf_guest_fault();
    static rf_guest_end: u8;
}

/// Read `1 << log2` (at most 8) bytes, extended by zeros.
#[inline]
pub fn load(at: u64, log2: u8) -> Result<u64, Fault> {
    // SAFETY: reads guest memory, whatever there is; a fault is caught (`fixup`).
    let a = unsafe {
        match log2 {
            0 => rf_guest_load1(at),
            1 => rf_guest_load2(at),
            2 => rf_guest_load4(at),
            _ => rf_guest_load8(at),
        }
    };
    a.value()
}

/// The same with the order of a load-acquire (Arm's LDAR). Faults, too, where the processor wants that aligned.
pub fn load_acquire(at: u64, log2: u8) -> Result<u64, Fault> {
    // SAFETY: as in `load`.
    let a = unsafe {
        match log2 {
            0 => rf_guest_acquire1(at),
            1 => rf_guest_acquire2(at),
            2 => rf_guest_acquire4(at),
            _ => rf_guest_acquire8(at),
        }
    };
    a.value()
}

/// Read 16 bytes: in one piece where they are aligned, if the processor can.
#[inline]
pub fn load16(at: u64) -> Result<u128, Fault> {
    let mut value = 0;
    // SAFETY: as in `load`; the result is written to `value`.
    unsafe { rf_guest_load16(at, &mut value) }.value().map(|_| value)
}

/// Write the lowest `1 << log2` (at most 8) bytes of `value`.
///
/// # Safety
/// That memory must be the guest's to write: what the guest's own store may do.
#[inline]
pub unsafe fn store(at: u64, log2: u8, value: u64) -> Result<(), Fault> {
    // SAFETY: by the contract; a fault is caught (`fixup`).
    let a = unsafe {
        match log2 {
            0 => rf_guest_store1(at, value),
            1 => rf_guest_store2(at, value),
            2 => rf_guest_store4(at, value),
            _ => rf_guest_store8(at, value),
        }
    };
    a.value().map(drop)
}

/// The same with the order of a store-release (Arm's STLR), also before later loads-acquire. Faults, too, where the processor wants that aligned.
///
/// # Safety
/// As [`store`].
pub unsafe fn store_release(at: u64, log2: u8, value: u64) -> Result<(), Fault> {
    // SAFETY: by the contract; a fault is caught (`fixup`).
    let a = unsafe {
        match log2 {
            0 => rf_guest_release1(at, value),
            1 => rf_guest_release2(at, value),
            2 => rf_guest_release4(at, value),
            _ => rf_guest_release8(at, value),
        }
    };
    a.value().map(drop)
}

/// Compare and exchange (sequentially consistent) what is aligned: what was there.
///
/// # Safety
/// As [`store`].
pub unsafe fn compare_exchange(at: u64, log2: u8, old: u64, new: u64) -> Result<u64, Fault> {
    // SAFETY: by the contract; a fault is caught (`fixup`).
    let a = unsafe {
        match log2 {
            0 => rf_guest_cas1(at, old, new),
            1 => rf_guest_cas2(at, old, new),
            2 => rf_guest_cas4(at, old, new),
            _ => rf_guest_cas8(at, old, new),
        }
    };
    a.value()
}

/// Write 16 bytes.
///
/// # Safety
/// As [`store`].
#[inline]
pub unsafe fn store16(at: u64, value: u128) -> Result<(), Fault> {
    // SAFETY: by the contract; a fault is caught (`fixup`).
    unsafe { rf_guest_store16(at, &value) }.value().map(drop)
}

/// For the handler of SIGSEGV and SIGBUS: where to go on when `pc` is in one of these accesses.
pub fn fixup(pc: u64) -> Option<u64> {
    // SAFETY: only the label's address is taken.
    let end = unsafe { &rf_guest_end } as *const u8 as u64;
    (rf_guest_load1 as *const () as u64..end).contains(&pc).then_some(rf_guest_fault as *const () as u64)
}
