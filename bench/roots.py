"""Two Debian roots with the same packages, and the newest QEMU: made once, kept under target/bench."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from paths import EMULATORS, ROOTS, WORK

SUITE = "trixie"
MIRROR = os.environ.get("BENCH_MIRROR", "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = [
    "bash", "dash", "coreutils", "findutils", "diffutils", "sed", "grep", "mawk", "libc-bin", "tar", "gzip", "xz-utils", "zstd",
    "python3", "perl", "lua5.4", "git", "sqlite3", "openssl", "jq", "bc",
    "nodejs", "openjdk-21-jdk-headless", "golang-go", "luajit", "ruby", "php-cli", "ocaml", "python3-numpy", "libopenblas0-pthread",
    "ripgrep", "7zip", "make", "apt", "mount",
]
# Both roots compile for arm64, so that the compiler does the same work and its output can be compared.
COMPILER = {"amd64": "gcc-14-aarch64-linux-gnu", "arm64": "gcc-14"}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def require(*programs):
    """Stops with one clear line when a program of the host is missing."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        sys.exit(f"bench: missing on this machine: {', '.join(missing)} (Debian: apt-get install mmdebstrap util-linux gcc "
                 "gcc-aarch64-linux-gnu)")


def ensure_roots():
    """Makes the roots that don't exist or whose package list has changed. Packages are unpacked, not configured: no emulator is needed."""
    fresh = {arch: _ensure_root(arch) for arch in ("amd64", "arm64")}
    if any(fresh.values()):
        _compile_python()


def _ensure_root(arch):
    root, stamp = ROOTS / arch, ROOTS / f"{arch}.packages"
    include = ",".join([*PACKAGES, COMPILER[arch]])
    if stamp.exists() and stamp.read_text() == include:
        return False
    require("mmdebstrap")
    say(f"making the {arch} root (Debian {SUITE}), a minute or so")
    ROOTS.mkdir(parents=True, exist_ok=True)
    archive = ROOTS / f"{arch}.tar"
    subprocess.run(["mmdebstrap", "--quiet", f"--arch={arch}", "--variant=extract", f"--include={include}", SUITE, archive, MIRROR], check=True)
    if root.exists():
        shutil.rmtree(root)
    root.mkdir()
    # Device nodes come from the machine when a program runs; without them any user may unpack.
    subprocess.run(["tar", "-C", root, "--exclude=./dev/*", "--no-same-owner", "-xf", archive], check=True)
    archive.unlink()
    _link(root)
    for place in ("proc", "dev", "tmp", "bench"):
        (root / place).mkdir(exist_ok=True)
    stamp.write_text(include)
    return True


def _link(root):
    """What packages' scripts would link: the program that is meant by a name."""
    libraries = f"usr/lib/{'aarch64' if root.name == 'arm64' else 'x86_64'}-linux-gnu"
    wanted = {
        "usr/bin/java": "usr/lib/jvm/java-*/bin/java", "usr/bin/javac": "usr/lib/jvm/java-*/bin/javac", "usr/bin/php": "usr/bin/php8*",
        "usr/bin/luajit": "usr/bin/luajit-*", f"{libraries}/libblas.so.3": f"{libraries}/openblas-pthread/libblas.so.3",
        f"{libraries}/liblapack.so.3": f"{libraries}/openblas-pthread/liblapack.so.3",
        f"{libraries}/libopenblas.so.0": f"{libraries}/openblas-pthread/libopenblas.so.0",
    }
    for name, pattern in wanted.items():
        found = sorted(root.glob(pattern))
        if found and not os.path.lexists(root / name):
            (root / name).symlink_to("/" + str(found[0].relative_to(root)))


def _compile_python():
    """Python's modules are compiled by a package script otherwise. The result doesn't depend on the architecture: make it once, natively."""
    source = next((ROOTS / "amd64/usr/lib").glob("python3.*"))
    inside = "/" + str(source.relative_to(ROOTS / "amd64"))
    subprocess.run(["unshare", "--user", "--map-root-user", "chroot", ROOTS / "amd64", "/usr/bin/python3", "-m", "compileall", "-q",
                    "--invalidation-mode", "unchecked-hash", inside], check=True)
    for compiled in source.rglob("*.pyc"):
        target = ROOTS / "arm64" / compiled.relative_to(ROOTS / "amd64")
        if target.parent.parent.is_dir():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(compiled, target)


def ensure_qemu():
    """The newest QEMU that Debian has (sid), unpacked without installing; a private apt folder leaves the system's own alone."""
    given = os.environ.get("BENCH_QEMU")
    if given:
        return Path(given)
    home = WORK / "qemu"
    program = home / "usr/bin/qemu-aarch64"
    if program.exists():
        return program
    require("apt-get", "dpkg-deb")
    say("fetching QEMU from Debian sid")
    subprocess.run([*private_apt(home / "apt", "sid", "amd64"), "download", "qemu-user"], check=True, stdout=sys.stderr, cwd=home)
    package = next(home.glob("qemu-user_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, home], check=True)
    package.unlink()
    shutil.rmtree(home / "apt")
    return program


def private_apt(apt, suite, arch):
    """An apt of one's own in a folder, with fresh lists of a suite: the beginning of apt-get's command line."""
    for place in (apt / "lists/partial", apt / "cache/archives/partial", apt / "parts"):
        place.mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING} arch={arch}] {MIRROR} {suite} main\n")
    (apt / "status").touch()
    # The system's own settings (a proxy, say) stay, its hooks don't.
    options = {
        "APT::Architecture": arch, "APT::Architectures": arch, "Dir::State::status": apt / "status",
        "Dir::Etc::SourceList": apt / "sources.list", "Dir::Etc::SourceParts": apt / "parts", "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": apt / "parts", "Dir::State::Lists": apt / "lists", "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::GzipIndexes": "false",
    }
    cleared = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "APT::Architectures")
    (apt / "apt.conf").write_text("".join([*(f"#clear {key};\n" for key in cleared), *(f'{key} "{value}";\n' for key, value in options.items())]))
    command = ["apt-get", "-q", "-c", apt / "apt.conf"]
    subprocess.run([*command, "update"], check=True, stdout=sys.stderr)
    return command


def snapshot(program):
    """A copy of an emulator under the name of its digest, so that a build during the bench doesn't change what is measured."""
    from results import digest_file

    digest = digest_file(program)
    copy = EMULATORS / f"{program.name}-{digest[:12]}"
    if not copy.exists():
        EMULATORS.mkdir(parents=True, exist_ok=True)
        part = copy.with_suffix(".part")
        shutil.copy2(program, part)
        part.rename(copy)
    return copy, digest
