//! The kernel's own listings are the oracle: a space that owns everything must show what the kernel shows.

use super::*;
use crate::testing::{guest, NoMachine};
use crate::topics::mem::Space;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};

/// Open as the guest: the contents, or `None` if the path is not replaced.
fn show(thread: &mut Thread, dirfd: i32, path: &str) -> Option<Result<String, Errno>> {
    let mut machine = NoMachine { pending: 0 };
    let opened = open(&mut Ctx { thread, machine: &mut machine }, dirfd, path.as_bytes(), libc::O_RDONLY | libc::O_CLOEXEC)?;
    Some(match opened {
        Ok(fd) => {
            // SAFETY: the descriptor was just opened, and nobody else has it.
            let mut file = unsafe { std::fs::File::from_raw_fd(fd as i32) };
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            Ok(text)
        }
        Err(crate::Stop::Errno(e)) => Err(e),
        Err(other) => panic!("{other:?}"),
    })
}

/// maps and smaps of one moment: other tests map and unmap at the same time.
fn kernels_maps() -> (String, String) {
    let is_mapping = |line: &&str| line.split(' ').next().is_some_and(|w| w.contains('-') && !w.ends_with(':'));
    loop {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        if maps.lines().eq(smaps.lines().filter(is_mapping)) {
            return (maps, smaps);
        }
    }
}

#[test]
fn a_space_that_owns_everything_shows_what_the_kernel_shows() {
    let (real, real_s) = kernels_maps();
    let space = Space::default();
    let mut expected = String::new();
    for line in real.lines() {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|s| u64::from_str_radix(s, 16).unwrap());
        let perms = words.next().unwrap().as_bytes();
        let prot = u64::from(perms[0] == b'r') | u64::from(perms[1] == b'w') << 1 | u64::from(perms[2] == b'x') << 2;
        match words.nth(3) {
            Some(name) if name.starts_with("[v") && name != "[vdso]" => continue,
            Some("[heap]") => {
                space.set_brk_start(start);
                let mut stale = Default::default();
                assert_eq!(space.brk(start + 1, &mut stale), start, "the heap's next page is taken");
                continue;
            }
            Some("[stack]") => space.set_stack(end - 64),
            Some("[vdso]") => space.set_vdso(start..end),
            _ => {}
        }
        space.adopt(start, end - start, prot);
        expected += line;
        expected.push('\n');
    }
    let shown = String::from_utf8(maps::maps(&space, real.as_bytes())).unwrap();
    assert_eq!(shown, expected);

    let shown = String::from_utf8(maps::smaps(&space, real_s.as_bytes())).unwrap();
    let shown: Vec<&str> = shown.lines().collect();
    assert!(shown.len() > 20);
    let real: Vec<&str> = real_s.lines().collect();
    // All that is shown is in the kernel's, in order: nothing is invented.
    let mut rest = real.iter();
    for line in &shown {
        assert!(rest.any(|r| r == line), "{line}");
    }
}

#[test]
fn only_the_guests_memory_is_shown_and_as_the_guest_sees_it() {
    let thread = &mut guest(Process::default());
    let at = 0x40_0000_0000;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let program = std::fs::File::open("/proc/self/exe").unwrap();
    let fd = program.as_raw_fd();
    assert_eq!(thread.mem.map(at, 0x4000, 3, flags, -1, 0), Ok(at));
    assert_eq!(thread.mem.map(at + 0x1000, 0x1000, 5, libc::MAP_PRIVATE | libc::MAP_FIXED, fd, 0x2000), Ok(at + 0x1000));
    thread.mem.mprotect(at + 0x2000, 0x1000, 5, &mut Default::default()).unwrap();
    thread.mem.mprotect(at + 0x3000, 0x1000, 4, &mut Default::default()).unwrap();
    let real = std::fs::read_to_string("/proc/self/maps").unwrap();
    let file = real.lines().find(|l| l.starts_with(&format!("{:x}", at + 0x1000))).unwrap();
    let expected = format!(
        "4000000000-4000001000 rw-p 00000000 00:00 0 \n{}\n4000002000-4000003000 r-xp 00000000 00:00 0 \n\
         4000003000-4000004000 --xp 00000000 00:00 0 \n",
        file.replacen("r--p", "r-xp", 1)
    );
    let tid = host(libc::SYS_gettid, [0; 6]).unwrap();
    let pid = std::process::id();
    for path in
        ["/proc/self/maps", "/proc//thread-self/./maps", &format!("/proc/{pid}/task/{tid}/maps"), &format!("/proc/{pid}/maps")]
    {
        assert_eq!(show(thread, libc::AT_FDCWD, path), Some(Ok(expected.clone())), "{path}");
    }
    let dir = std::fs::File::open("/proc/self").unwrap();
    assert_eq!(show(thread, dir.as_raw_fd(), "maps"), Some(Ok(expected)));
    let smaps = show(thread, libc::AT_FDCWD, "/proc/self/smaps").unwrap().unwrap();
    let sizes: Vec<&str> = smaps.lines().filter(|l| l.starts_with("Size:")).collect();
    assert_eq!(sizes, ["Size:                  4 kB"; 4]);
    let flags: Vec<&str> = smaps.lines().filter_map(|l| l.strip_prefix("VmFlags: ")).map(|l| &l[..8]).collect();
    assert_eq!(flags, ["rd wr mr", "rd ex mr", "rd ex mr", "ex mr mw"]);
    thread.mem.munmap(at, 0x4000, &mut Default::default()).unwrap();
}

#[test]
fn other_files_are_left_alone() {
    let thread = &mut guest(Process::default());
    let parent = std::os::unix::process::parent_id();
    for path in [
        &format!("/proc/{parent}/maps"),
        "/proc/self/io",
        "/proc/stat",
        "/proc/cmdline",
        "/proc/self/nothing/maps",
        "/nowhere/maps",
        "",
    ] {
        assert_eq!(show(thread, libc::AT_FDCWD, path), None, "{path}");
    }
    let file = std::env::temp_dir().join(format!("run-foreign-test-{}", std::process::id()));
    std::fs::create_dir(&file).unwrap();
    let file_path = file.join("cpuinfo");
    std::fs::write(&file_path, "mine").unwrap();
    assert_eq!(show(thread, libc::AT_FDCWD, file_path.to_str().unwrap()), None);
    std::fs::remove_dir_all(&file).unwrap();
}

#[test]
fn cpu_and_program() {
    let process = Process {
        exe: b"/etc/passwd".to_vec(),
        features: "fp asimd".into(),
        argv: vec![b"a".to_vec(), b"".to_vec()],
        ..Default::default()
    };
    let thread = &mut guest(process);
    let text = show(thread, libc::AT_FDCWD, "/proc/cpuinfo").unwrap().unwrap();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap().lines().filter(|l| l.starts_with("processor")).count();
    let blocks: Vec<&str> = text.split_terminator("\n\n").collect();
    assert_eq!(blocks.len(), cpus);
    assert!(
        blocks[0].starts_with("processor\t: 0\nBogoMIPS\t: ")
            && blocks[0].contains("\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n")
    );
    if std::fs::exists("/proc/sys/kernel/arch").unwrap() {
        assert_eq!(show(thread, libc::AT_FDCWD, "/proc/sys/kernel/arch"), Some(Ok("aarch64\n".into())));
    }
    assert_eq!(show(thread, libc::AT_FDCWD, "/proc/self/cmdline"), Some(Ok("a\0\0".into())));
    let mut machine = NoMachine { pending: 0 };
    let mut link = |path: &[u8]| readlink(&mut Ctx { thread, machine: &mut machine }, libc::AT_FDCWD, path);
    assert_eq!(link(b"/proc/self/exe").as_deref(), Some(&b"/etc/passwd"[..]));
    assert_eq!(link(b"/proc/self/maps"), None);
    assert_eq!(link(b"/proc/1/exe"), None);
    assert_eq!(
        show(thread, libc::AT_FDCWD, "/proc/self/exe"),
        Some(std::fs::read_to_string("/etc/passwd").map_err(|_| Errno::ENOENT))
    );
}

#[test]
fn addresses_in_stat_and_lines_in_status() {
    let areas = Areas { code: 10..20, data: 30..40, stack: 50, args: 60..70, env: 70..80 };
    let thread = &mut guest(Process { areas, ..Default::default() });
    thread.mem.set_brk_start(4711);
    let shown = show(thread, libc::AT_FDCWD, "/proc/self/stat").unwrap().unwrap();
    let real = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = |text: &str| text.rsplit_once(')').unwrap().1.split_ascii_whitespace().map(str::to_string).collect::<Vec<_>>();
    let (shown, real) = (fields(&shown), fields(&real));
    assert_eq!(shown.len(), real.len());
    let at = |n: usize| shown[n - 3].parse::<u64>().unwrap();
    assert_eq!([26, 27, 28, 45, 46, 47, 48, 49, 50, 51].map(at), [10, 20, 50, 30, 40, 4711, 60, 70, 70, 80]);
    assert_eq!(shown[..7], real[..7]);
    let status = show(thread, libc::AT_FDCWD, "/proc/self/status").unwrap().unwrap();
    assert!(status.starts_with("Name:") && !status.contains("x86"));
}

/// The kernel believes what it is told, and tells others.
#[test]
fn published_arguments_are_seen_by_others() {
    let mut strings = b"prog\0--flag\0HOME=/x\0A=1\0".to_vec();
    let base = strings.as_ptr() as u64;
    let areas = Areas {
        code: base..base + 1,
        data: base..base + 1,
        stack: base,
        args: base..base + 12,
        env: base + 12..base + strings.len() as u64,
    };
    let process = Process { areas, auxv: vec![(6, 4096), (0, 0)], ..Default::default() };
    let mut pipe = [0i32; 2];
    // SAFETY: the child publishes, says so and waits to be read from; it allocates little and only ends.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            let ok = publish(&process);
            libc::write(pipe[1], [ok as u8].as_ptr().cast(), 1);
            libc::pause();
            libc::_exit(0);
        }
        let mut said = 0u8;
        assert_eq!(libc::read(pipe[0], (&raw mut said).cast(), 1), 1);
        let seen = ["cmdline", "environ", "auxv"].map(|f| std::fs::read(format!("/proc/{child}/{f}")).unwrap());
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
        libc::close(pipe[0]);
        libc::close(pipe[1]);
        if said == 1 {
            assert_eq!(seen[0], b"prog\0--flag\0");
            assert_eq!(seen[1], b"HOME=/x\0A=1\0");
            assert!(seen[2].starts_with(&auxv(&process)));
        } else {
            eprintln!("this kernel has no PR_SET_MM_MAP");
        }
    }
    // The same by our own files, with a title written over the arguments.
    let thread = &mut guest(process);
    assert_eq!(show(thread, libc::AT_FDCWD, "/proc/self/environ"), Some(Ok("HOME=/x\0A=1\0".into())));
    strings[..14].copy_from_slice(b"a long title\0\0");
    let at = strings.as_ptr() as u64;
    assert_eq!(at, base);
    assert_eq!(show(thread, libc::AT_FDCWD, "/proc/self/cmdline"), Some(Ok("a long title".into())));
}
