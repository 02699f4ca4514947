//! The connection, and what gdb calls signals and errors.

use gdbstub::conn::Connection;
use std::io::Write;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixListener;
use syscalls::sys;

/// The connection is closed, or worse.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// The connection, with what is not sent yet.
pub struct Wire {
    fd: RawFd,
    out: Vec<u8>,
}

impl Wire {
    /// Over a connected socket.
    pub fn new(fd: RawFd) -> Wire {
        Wire { fd, out: Vec::new() }
    }

    /// The next byte; waits for it.
    pub fn read(&mut self) -> Result<u8, Gone> {
        let mut byte = 0u8;
        loop {
            // SAFETY: room for one byte.
            match unsafe { sys::raw(libc::SYS_read, [self.fd as u64, &raw mut byte as u64, 1, 0, 0, 0]) } {
                1 => return Ok(byte),
                n if n == -i64::from(libc::EINTR) => {}
                _ => return Err(Gone),
            }
        }
    }

    /// Wait for a byte, or a kick: true if there is something to read.
    pub fn wait(&mut self) -> bool {
        let mut poll = libc::pollfd { fd: self.fd, events: libc::POLLIN, revents: 0 };
        let mask = !syscalls::topics::signal::SYNCHRONOUS;
        let mut timeout = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        let args = [&raw mut poll as u64, 1, &raw mut timeout as u64, &raw const mask as u64, 8, 0];
        // SAFETY: the structures are valid for the call.
        unsafe { sys::raw(libc::SYS_ppoll, args) == 1 }
    }
}

impl Connection for Wire {
    type Error = Gone;

    fn write(&mut self, byte: u8) -> Result<(), Gone> {
        self.out.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            let args = [self.fd as u64, rest.as_ptr() as u64, rest.len() as u64, libc::MSG_NOSIGNAL as u64, 0, 0];
            // SAFETY: the bytes are valid for the call.
            match unsafe { sys::raw(libc::SYS_sendto, args) } {
                n if n > 0 => rest = &rest[n as usize..],
                n if n == -i64::from(libc::EINTR) => {}
                _ => return Err(Gone),
            }
        }
        self.out.clear();
        Ok(())
    }
}

/// Wait for gdb where the option says: `PORT`, `HOST:PORT` or `unix:PATH`. The connected socket.
pub fn accept(place: &str) -> std::io::Result<RawFd> {
    let announce = |how: &str| {
        // When stderr is gone there is nowhere to say so.
        let _ = std::io::stderr().write_all(format!("run-foreign: waiting for gdb; there: target remote {how}\n").as_bytes());
    };
    if let Some(path) = place.strip_prefix("unix:") {
        let listener = UnixListener::bind(path)?;
        announce(path);
        let accepted = listener.accept();
        // Nobody else can come.
        let _ = std::fs::remove_file(path);
        return Ok(accepted?.0.into_raw_fd());
    }
    let bad = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "PORT, HOST:PORT or unix:PATH expected");
    let (host, port) = place.rsplit_once(':').unwrap_or(("", place));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port: u16 = port.parse().map_err(|_| bad())?;
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    let listener = TcpListener::bind(&addresses[..])?;
    announce(&listener.local_addr()?.to_string());
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream.into_raw_fd())
}

/// Keep a descriptor where guests don't look, closed by exec.
pub fn keep(fd: RawFd, from: RawFd) -> std::io::Result<RawFd> {
    // SAFETY: makes a descriptor that lives as long as the process, and closes the one that it is a copy of.
    unsafe {
        let kept = [from, 3].into_iter().map(|from| libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, from)).find(|&fd| fd >= 0);
        let kept = kept.ok_or_else(std::io::Error::last_os_error)?;
        libc::close(fd);
        Ok(kept)
    }
}

/// Tell gdb that the program has been replaced: the reply to the command that the old one was running under.
pub fn replaced(wire: &mut Wire, tid: i32, path: &[u8]) -> Result<(), Gone> {
    let hex: String = path.iter().map(|b| format!("{b:02x}")).collect();
    let packet = format!("T05thread:p01.{tid:x};exec:{hex};");
    let sum = packet.bytes().fold(0u8, u8::wrapping_add);
    wire.write_all(format!("${packet}#{sum:02x}").as_bytes())?;
    wire.flush()
}

/// gdb's numbers of signals, in the order of Linux's from 1 on.
const GDB: [u8; 31] =
    [1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 143, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 32, 12];
/// The first of gdb's numbers for real-time signals 33 and up; 32 and 64 are elsewhere.
const GDB_RT33: i32 = 45;
const GDB_RT32: u8 = 77;
const GDB_RT64: u8 = 78;

/// A Linux signal as gdb has it.
pub fn to_gdb(sig: i32) -> u8 {
    match sig {
        1..=31 => GDB[sig as usize - 1],
        32 => GDB_RT32,
        33..=63 => (sig - 33 + GDB_RT33) as u8,
        64 => GDB_RT64,
        _ => 0,
    }
}

/// A signal of gdb's as Linux has it; `None`: no signal.
pub fn from_gdb(sig: u8) -> Option<i32> {
    (1..=64).find(|&s| to_gdb(s) == sig)
}
