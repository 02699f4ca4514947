"""arm64 instructions that an x86-64 instruction costs in whole amd64 programs: counted by a plugin of QEMU's, as the difference between two sizes of the
same work, so that starting and translating don't count. No arm64 machine is needed, and a busy one doesn't matter."""
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from paths import BENCH, PROJECT, ROOTS, WORK
from report import geometric_mean
from roots import ensure_roots, private_apt, require, say

HOME = WORK / "cost"
OURS = PROJECT / "target/aarch64-unknown-linux-gnu/release/run-foreign"
# No REP instructions in the library's copies: a counter sees each of their rounds, where a processor executes one instruction.
TUNABLES = "glibc.cpu.hwcaps=-ERMS,-FSRM"
LIMIT = 1800


@dataclass(frozen=True)
class Program:
    """A program and two sizes of its work: in its arguments, `{}` is the size and `@` the folder of its files."""

    name: str
    what: str
    sizes: tuple
    argv: tuple


PROGRAMS = [
    Program("lua", "Lua: tables, calls, strings, floats", (400, 1200), ("/usr/bin/lua5.4", "@/cost.lua", "{}")),
    Program("python", "CPython: calls, objects, lists, strings", (400, 1200), ("/usr/bin/python3", "-S", "-E", "@/cost.py", "{}")),
    Program("sqlite", "SQLite: rows, an index, groups, a join", (6000, 18000),
            ("/usr/bin/sqlite3", ":memory:", "create table size(rows); insert into size values({});", ".read @/cost.sql")),
    Program("zstd", "zstd -5", (1, 3), ("/usr/bin/zstd", "-q", "-5", "--single-thread", "-c", "@/cost-{}.txt")),
    Program("unzstd", "zstd -d", (1, 3), ("/usr/bin/zstd", "-q", "-d", "--single-thread", "-c", "@/cost-{}.zst")),
    Program("sha256", "OpenSSL without assembly: PBKDF2 of SHA-256", (1500, 4500),
            ("@/openssl-c", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "pass:x", "-kdfopt", "salt:abcdefgh", "-kdfopt", "iter:{}", "PBKDF2")),
    Program("aes", "OpenSSL without assembly: AES-128-CBC", (1, 3),
            ("@/openssl-c", "enc", "-aes-128-cbc", "-K", "00112233445566778899aabbccddeeff", "-iv", "0" * 32, "-in", "@/cost-{}.txt")),
]


@dataclass(frozen=True)
class Way:
    """A way to run the programs on arm64: the command line before a program's, for one in the root or as the host sees it."""

    name: str
    label: str
    prefix: tuple
    inside: bool
    env: tuple = ()


def _unpack(suite, arch, place, *packages):
    """Packages of Debian's, unpacked without installing."""
    if place.exists():
        return
    require("apt-get", "dpkg-deb")
    say(f"fetching {', '.join(packages)} for {arch} from Debian {suite}")
    part = place.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    subprocess.run([*private_apt(part / "apt", suite, arch), "download", *packages], check=True, stdout=sys.stderr, cwd=part)
    for package in part.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, part], check=True)
        package.unlink()
    shutil.rmtree(part / "apt")
    part.rename(place)


def _source(name, place):
    """A source package of Debian's, as its authors released it, unpacked below `place`."""
    command = private_apt(place / "apt", "trixie", "amd64")
    sources = place / "apt/sources.list"
    sources.write_text(sources.read_text().replace("deb [", "deb-src [").replace(" arch=amd64", ""))
    subprocess.run([*command, "update"], check=True, stdout=sys.stderr)
    subprocess.run([*command, "--download-only", "source", name], check=True, stdout=sys.stderr, cwd=place)
    archive = next(place.glob(f"{name}_*.orig.tar.?z"))
    subprocess.run(["tar", "-xf", archive], check=True, cwd=place)
    shutil.rmtree(place / "apt")
    return next(p for p in place.iterdir() if p.is_dir() and p.name.startswith(name))


def _logged(log, *steps, cwd, env=None):
    with log.open("w") as out:
        for step in steps:
            if subprocess.run(step, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env).returncode:
                sys.exit(f"bench: {step[0]} failed: see {log}")


def ensure_counters():
    """QEMU for both directions with plugins, which Debian's static programs lack, and the plugin."""
    counters = HOME / "counters"
    plugin = counters / "executed.so"
    if not (counters / "qemu-x86_64").exists():
        require("gcc", "pkg-config", "python3")
        say("building QEMU with plugins, some minutes")
        place = HOME / "qemu-source"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        tree = _source("qemu", place)
        # Debian's source has no firmware; the tests want it.
        build_file = tree / "meson.build"
        text = build_file.read_text()
        for part in ("pc-bios", "tests"):
            text = text.replace(f"\nsubdir('{part}')\n", "\n")
        build_file.write_text(text)
        subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
        subprocess.run([place / "venv/bin/pip", "install", "-q", "meson==1.5.0", "ninja", "pycotap", "setuptools"], check=True)
        env = os.environ | {"PATH": f"{place / 'venv/bin'}:{os.environ['PATH']}"}
        build = tree / "build"
        build.mkdir(exist_ok=True)
        configure = ["../configure", f"--python={place / 'venv/bin/python'}", "--target-list=aarch64-linux-user,x86_64-linux-user", "--enable-plugins",
                     "--disable-docs", "--disable-tools", "--disable-system", "--without-default-features"]
        _logged(HOME / "qemu.log", configure, ["ninja", "qemu-aarch64", "qemu-x86_64"], cwd=build, env=env)
        counters.mkdir(exist_ok=True)
        shutil.copy2(tree / "include/qemu/qemu-plugin.h", counters)
        for name in ("qemu-aarch64", "qemu-x86_64"):
            shutil.copy2(build / name, counters)
        shutil.rmtree(place)
    source = BENCH / "kernels/executed.c"
    if not plugin.exists() or plugin.stat().st_mtime < source.stat().st_mtime:
        flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *flags, f"-I{counters}", "-o", plugin, source], check=True)
    return counters


def ensure_openssl():
    """OpenSSL's program without its assembly."""
    program = HOME / "openssl-c"
    if not program.exists():
        say("building OpenSSL without assembly, some minutes")
        place = HOME / "openssl-source"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        tree = _source("openssl", place)
        configure = ["./Configure", "linux-x86_64", "no-asm", "no-shared", "no-tests", "no-docs", "no-dso", "no-engine", "no-module", "-static", "--release"]
        _logged(HOME / "openssl.log", configure, ["make", "build_generated"], ["make", f"-j{os.cpu_count()}", "apps/openssl"], cwd=tree)
        shutil.copy2(tree / "apps/openssl", program)
        shutil.rmtree(place)
    return program


def prepare():
    """Everything but what is measured; the folder of counters."""
    ensure_roots()
    HOME.mkdir(parents=True, exist_ok=True)
    counters, openssl = ensure_counters(), ensure_openssl()
    _unpack("sid", "arm64", HOME / "arm64", "box64", "qemu-user")
    shutil.rmtree(HOME / "data", ignore_errors=True)
    data = HOME / "data"
    data.mkdir()
    shutil.copy2(openssl, data)
    for name in ("cost.lua", "cost.py", "cost.sql"):
        shutil.copy2(BENCH / "programs" / name, data)
    words = "the of kernel page fault socket opened closed retry after timeout while reading header from client session user cache entry".split()
    choice = random.Random(7)
    text = " ".join(choice.choice(words) + (str(choice.randrange(1000)) if choice.random() < 0.2 else "") for _ in range(150_000)).encode()
    for n in (1, 2, 3):
        (data / f"cost-{n}.txt").write_bytes(text[:250_000 * n])
        packed = subprocess.run(["chroot", ROOTS / "amd64", "/usr/bin/zstd", "-q", "-9", "-c"], input=text[:250_000 * n], capture_output=True, check=True).stdout
        (data / f"cost-{n}.zst").write_bytes(packed)
    # Under the same name inside of the root and outside.
    shutil.copytree(data, ROOTS / "amd64" / data.relative_to("/"), dirs_exist_ok=True)
    return counters


def ways(names):
    """The ways to run the programs, by name."""
    arm64, guest = HOME / "arm64/usr/bin", ROOTS / "amd64"
    ours = Path(os.environ.get("RUN_FOREIGN_ARM64", OURS)).resolve()
    if not ours.exists():
        sys.exit(f"bench: {ours} doesn't exist: cargo build --release --target aarch64-unknown-linux-gnu, or set RUN_FOREIGN_ARM64")
    library = (("BOX64_LD_LIBRARY_PATH", f"{guest}/usr/lib/x86_64-linux-gnu"), ("BOX64_NOBANNER", "1"), ("BOX64_LOG", "0"), ("BOX64_DYNACACHE", "0"),
               ("BOX64_EMULATED_LIBS", "libsqlite3.so.0"))
    known = [
        Way("ours", "run-foreign", ("-", ours, "--root", guest), True),
        Way("relaxed", "run-foreign, relaxed", ("-", ours, "--memory-order", "relaxed", "--root", guest), True),
        Way("box64", "box64, unordered", (ROOTS / "arm64", arm64 / "box64"), False, library),
        Way("box64-ordered", "box64, ordered", (ROOTS / "arm64", arm64 / "box64"), False, (*library, ("BOX64_DYNAREC_STRONGMEM", "3"))),
        Way("qemu", "QEMU", ("-", arm64 / "qemu-x86_64", "-L", guest), False),
    ]
    return [w for w in known if not names or w.name in names]


def version(way):
    """What a way says of itself."""
    library, *prefix = way.prefix
    command = [HOME / "counters/qemu-aarch64", *(("-L", library) if library != "-" else ()), *prefix[:1], "--version"]
    said = subprocess.run(command, env={}, capture_output=True, text=True).stdout.splitlines()
    return said[0].split(" (")[0].split(" nogit")[0].replace("qemu-x86_64 version", "QEMU") if said else way.label


def _count(command, env, out):
    """Instructions, and what the program printed; None if it fails."""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LC_ALL": "C", "GLIBC_TUNABLES": TUNABLES, **dict(env)}
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
        return (int(out.read_text().split()[0]), done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError, IndexError, FileNotFoundError):
        return None


def _marginal(program, run):
    """What the larger size takes more than the smaller one, and both outputs."""
    results = [run([a.replace("{}", str(n)).replace("@", str(HOME / "data")) for a in program.argv]) for n in program.sizes]
    return (results[1][0] - results[0][0], [r[1] for r in results]) if all(results) else None


def table(names):
    """The Markdown table."""
    counters = prepare()
    out = HOME / "count"
    plugin = f"{counters / 'executed.so'},out={out}"

    def outside(argv):
        return [f"{ROOTS / 'amd64'}{argv[0]}", *argv[1:]]

    chosen = ways(names)
    ratios = {w.name: [] for w in chosen}
    head = ["program", "what", "x86-64 instructions", *(w.label for w in chosen)]
    rows = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for program in PROGRAMS:
        guest = _marginal(program, lambda argv: _count([counters / "qemu-x86_64", "-plugin", plugin, "-L", ROOTS / "amd64", *outside(argv)], (), out))
        if not guest:
            sys.exit(f"bench: {program.name} fails under QEMU")
        cells = []
        for way in chosen:
            library, *prefix = way.prefix
            emulate = [counters / "qemu-aarch64", "-plugin", plugin, *(("-L", library) if library != "-" else ()), *prefix]
            host = _marginal(program, lambda argv: _count([*emulate, *(argv if way.inside else outside(argv))], way.env, out))
            if host and host[1] == guest[1]:
                ratios[way.name].append(host[0] / guest[0])
                cells.append(f"{host[0] / guest[0]:.2f}")
            else:
                cells.append("differs" if host else "fails")
        rows.append(f"| `{program.name}` | {program.what} | {guest[0]:,} | " + " | ".join(cells) + " |")
        print(f"{program.name}: {', '.join(f'{w.name} {c}' for w, c in zip(chosen, cells))}", file=sys.stderr, flush=True)
    means = (f"**{geometric_mean(ratios[w.name]):.2f}**" if len(ratios[w.name]) == len(PROGRAMS) else "–" for w in chosen)
    rows.append("| **geometric mean** | | | " + " | ".join(means) + " |")
    return "\n".join(rows) + "\n"
