"""The workloads: fixed work, output that must be the same bytes everywhere."""
from dataclasses import dataclass, replace

from packages import WANTED

IN = "/bench/in"
BIN = "/bench/bin"


@dataclass(frozen=True)
class Workload:
    """`repeat` starts of `argv` in a row are one measurement (given as time per start); `outputs` are files that count as output."""

    name: str
    group: str
    what: str
    argv: tuple
    repeat: int = 1
    outputs: tuple = ()
    env: tuple = ()
    # Measure the memory of all its processes together, too.
    memory: bool = False


def _program(name, group, what, *argv, **more):
    return Workload(name, group, what, tuple(argv), **more)


def _shell(name, group, what, script, **more):
    return Workload(name, group, what, ("/usr/bin/dash", "-e", "-c", script), **more)


START, MANY, SCRIPT, JIT, TOOL, COMPILER, PACK, CRYPTO, NUMBERS, THREADS = (
    "start", "processes", "interpreters", "JITs", "tools", "compilers", "compression", "crypto", "numerics", "threads")

_GIT = f"""
cp -r {IN}/tree repo; cd repo
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
git init -q -b main .; git config gc.auto 0
git add .; git commit -q -m one
for i in 1 2 3; do
    sed -i "s/timeout/timeout$i/" d$i/e*/file*.txt; git add .; git commit -q -m "change $i"
done
git log -p --stat | sha256sum; git rev-parse HEAD; git diff HEAD~2 | wc; git repack -q -a -d; git fsck --no-progress
"""

_FORKS = "i=0; s=0; while [ $i -lt 4000 ]; do v=$(echo $((i * 7 % 13))); s=$((s + v)); i=$((i + 1)); done; echo $s"

_EXECS = "i=0; while [ $i -lt 600 ]; do /usr/bin/true; /usr/bin/expr $i + 1 >> out; i=$((i + 1)); done; tail -n 1 out; basename /a/b; dirname /a/b"

_CIPHER = f"""
cp {IN}/data.bin a
for i in 1 2 3 4 5 6 7 8; do openssl enc -aes-256-ctr -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0000000000000000000000000000000$i -in a -out b; mv b a; done
"""

_RSA = f"""
for i in $(seq 60); do
    openssl pkeyutl -sign -inkey {IN}/rsa.pem -in {IN}/digest.bin -pkeyopt digest:sha256 -out sig
    openssl pkeyutl -verify -inkey {IN}/rsa.pem -in {IN}/digest.bin -pkeyopt digest:sha256 -sigfile sig
done
"""

_GO = (("GOCACHE", "/bench/work/cache"), ("GOPATH", "/bench/work/path"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"),
       ("CGO_ENABLED", "0"), ("GOOS", "linux"), ("GOARCH", "arm64"), ("GOTELEMETRY", "off"))

# The same collector and the same compilers everywhere, whatever the machine has.
_JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData")

_CHACHA = f"""
cp {IN}/data.bin a
for i in 1 2 3 4 5 6 7 8 9 a; do openssl enc -chacha20 -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0000000000000000000000000000000$i -in a -out b; mv b a; done
"""

_7Z = f"""
7z a -bso0 -bsp0 -t7z -mx=5 -mmt=1 -mtm- -mtc- -mta- z.7z {IN}/small.bin
7z x -so -mmt=1 z.7z | cksum
"""

_MAKE = f"cp -r {IN}/project p; make -s -C p -j2; cksum p/*.o"

_APT = f"""
arch=$(dpkg --print-architecture); export DEBIAN_FRONTEND=noninteractive
mkdir upper work root
mount -t overlay -o userxattr,lowerdir=/,upperdir=upper,workdir=work overlay root
trap 'umount -l root' EXIT
mount --rbind /proc root/proc; mount --rbind /dev root/dev
cp -r {IN}/apt/$arch/. root/
(chroot root apt-get -q update; chroot root apt-get -q -y install {" ".join(WANTED)}) > log 2>&1 || {{ tail log >&2; exit 1; }}
for p in {" ".join(WANTED)}; do chroot root dpkg-query -W -f '${{Package}} ${{db:Status-Status}}\n' $p; done
chroot root hello; chroot root python3 -c 'import six; print(six.PY3)'
"""

_FIND = f"i=0; while [ $i -lt 260 ]; do find {IN}/tree -type f -name '*[02468].txt' -size +1k -newermt 2000-01-01 | wc -l; i=$((i + 1)); done"

_DD = "dd if=/dev/zero of=/dev/null bs=64 count=2000000 status=none; dd if=/dev/zero of=f bs=4k count=50000 status=none; dd if=f of=/dev/null bs=4k status=none; stat -c %s f"

WORKLOADS = [
    _program("true", START, "/usr/bin/true, cold", "/usr/bin/true", repeat=40),
    _program("bash", START, "bash -c :", "/usr/bin/bash", "-c", ":", repeat=20),
    _program("perl-start", START, "perl -e 1", "/usr/bin/perl", "-e", "1", repeat=20),
    _program("python-start", START, "python3 -c 1", "/usr/bin/python3", "-c", "1", repeat=8),
    _program("node-start", START, "node -e 0", "/usr/bin/node", "-e", "0", repeat=4),
    _program("java-start", START, "java of one class", "/usr/bin/java", *_JAVA, "-cp", f"{IN}/classes", "One", repeat=2),
    _program("javac-start", START, "javac of one class", "/usr/bin/javac", *(f"-J{o}" for o in _JAVA), "-d", ".", f"{IN}/programs/One.java", outputs=("One.class",)),
    _shell("forks", MANY, "a shell's 4,000 forks", _FORKS),
    _shell("execs", MANY, "a shell's 1,200 programs", _EXECS),
    _shell("git", MANY, "git add, commit, log, repack, fsck", _GIT),
    _shell("apt", MANY, "apt-get update, install of twelve packages", _APT),
    _program("python-numbers", SCRIPT, "Python: floats, recursion, big integers", "/usr/bin/python3", f"{IN}/programs/numeric.py"),
    _program("python-text", SCRIPT, "Python: re, json, hashlib", "/usr/bin/python3", f"{IN}/programs/text.py", f"{IN}/log-small.txt"),
    _program("perl", SCRIPT, "Perl: hashes and regular expressions", "/usr/bin/perl", f"{IN}/programs/report.pl", *[f"{IN}/log-small.txt"] * 3),
    _program("lua", SCRIPT, "Lua: tables, calls, strings, floats", "/usr/bin/lua5.4", f"{IN}/programs/mixed.lua"),
    _program("ruby", SCRIPT, "Ruby: blocks, hashes, strings, big integers", "/usr/bin/ruby", f"{IN}/programs/mixed.rb"),
    _program("php", SCRIPT, "PHP: arrays, strings, objects", "/usr/bin/php", f"{IN}/programs/mixed.php"),
    _program("node", JIT, "Node: objects, strings, typed arrays", "/usr/bin/node", f"{IN}/programs/mixed.js"),
    _program("luajit", JIT, "LuaJIT: loops, tables, strings", "/usr/bin/luajit", f"{IN}/programs/jit.lua"),
    _program("java", JIT, "HotSpot: collections, streams, arrays", "/usr/bin/java", *_JAVA, "-cp", f"{IN}/classes", "Mixed", "4"),
    _program("gcc", COMPILER, "gcc -O2 of a generated C file", "/usr/bin/aarch64-linux-gnu-gcc-14", "-O2", "-c", f"{IN}/generated.c", "-o", "out.o", outputs=("out.o",)),
    _shell("make", COMPILER, "make -j2: gcc -O1 of 24 files", _MAKE, memory=True),
    _program("javac", COMPILER, "javac of 24 classes", "/usr/bin/javac", *(f"-J{o}" for o in _JAVA), "-d", ".", f"{IN}/Many.java", outputs=("Many0.class", "Many23.class")),
    _shell("go", COMPILER, "go build of a small program and what it needs of the library", f"cp -r {IN}/programs/go m; cd m; go build -trimpath -ldflags=-buildid= -o ../prog .", env=_GO, outputs=("prog",), memory=True),
    _shell("ocamlopt", COMPILER, "ocamlopt of a generated module", f"cp {IN}/generated.ml m.ml; ocamlopt -w -a -c m.ml", outputs=("m.cmi",)),
    _shell("sqlite", TOOL, "SQLite with 100,000 rows, twice", f"for i in 1 2; do sqlite3 rows$i.db < {IN}/programs/rows.sql; done"),
    _program("jq", TOOL, "jq over 60,000 records, twice", "/usr/bin/jq", "-c", "group_by(.name) | map({name: .[0].name, n: length, size: (map(.size) | add)})", *[f"{IN}/records.json"] * 2),
    _program("sort", TOOL, "sort of 950,000 lines", "/usr/bin/sort", "--parallel=1", "-k2,2", "-k1,1", "-o", "sorted", f"{IN}/lines.txt", outputs=("sorted",)),
    _program("grep", TOOL, "grep -E over a log", "/usr/bin/grep", "-E", "-c", "(retry|reset).*host[0-9]|([a-z]+) \\2", *[f"{IN}/log-small.txt"] * 4),
    _program("rg", TOOL, "ripgrep over a log, twenty times", "/usr/bin/rg", "-j1", "--no-mmap", "-c", r"(retry|reset) \w+ (while|after)|\b[a-z]+ed [a-z]+ing\b", *[f"{IN}/log.txt"] * 20),
    _program("sed", TOOL, "sed -E over a log", "/usr/bin/sed", "-E", "s/([a-z]+) (timeout|budget)/\\2=\\1/g; /info/d; y/abc/xyz/", *[f"{IN}/log.txt"] * 4),
    _program("awk", TOOL, "mawk: sums by key", "/usr/bin/mawk",
             "{ n[$2 $3]++; for (i = 4; i <= NF; i++) { w[$i]++; l += length($i) } } END { for (k in n) s += n[k] * length(k); for (k in w) t += w[k]; print s, t, l }", *[f"{IN}/log.txt"] * 4),
    _shell("tar", TOOL, "tar out and in, 700 files fifty times", f"for i in $(seq 50); do tar -C {IN} --sort=name --mtime=@0 --owner=0 --group=0 --mode=0644 -cf t$i.tar tree; "
           "mkdir o$i; tar --no-same-permissions --mode=0755 -C o$i -xf t$i.tar || :; cksum t$i.tar; done"),
    _shell("find", TOOL, "find over 700 files, 260 times", _FIND),
    _shell("dd", TOOL, "dd: five million small calls", _DD),
    _program("xz", PACK, "xz -6", "/usr/bin/xz", "-6", "-T1", "-k", "-c", f"{IN}/small.bin"),
    _shell("zstd", PACK, "zstd -9 and back, twice", f"for i in 1 2; do zstd -q -f -9 -T1 --single-thread {IN}/large.bin -o z; zstd -q -f -d z -o back; cksum back; done", outputs=("back",)),
    _shell("gzip", PACK, "gzip -6", f"gzip -6 -n -c {IN}/large.bin > z; gzip -l z", outputs=("z",)),
    _shell("gunzip", PACK, "gzip -d, seven times", f"for i in 1 2 3 4 5 6 7; do gzip -d -c {IN}/large.gz > back; done", outputs=("back",)),
    _shell("7z", PACK, "7z -mx=5 of 2.5 MB and back", _7Z),
    _program("sha256", CRYPTO, "openssl dgst -sha256 of 1.1 GB", "/usr/bin/openssl", "dgst", "-sha256", *[f"{IN}/data.bin"] * 18),
    _shell("aes", CRYPTO, "openssl AES-256-CTR of 512 MB", _CIPHER, outputs=("a",)),
    _shell("rsa", CRYPTO, "openssl RSA-4096, 60 signatures", _RSA, outputs=("sig",)),
    _shell("ec", CRYPTO, "openssl: 2,000 signatures checked on P-256 and P-384", f"openssl verify -no_check_time -CAfile {IN}/ca.pem " + " ".join([f"{IN}/p256.pem {IN}/p384.pem"] * 1000) + " | sort | uniq -c"),
    _shell("chacha", CRYPTO, "openssl ChaCha20 of 640 MB", _CHACHA, outputs=("a",)),
    _program("numpy-matrix", NUMBERS, "numpy: products of matrices (OpenBLAS)", "/usr/bin/python3", f"{IN}/programs/arrays.py", "matrix"),
    _program("numpy-fft", NUMBERS, "numpy: Fourier transforms", "/usr/bin/python3", f"{IN}/programs/arrays.py", "fourier"),
    _program("numpy-elements", NUMBERS, "numpy: integers, sorting, comparisons", "/usr/bin/python3", f"{IN}/programs/arrays.py", "elements"),
    _program("c-nbody", NUMBERS, "C: scalar doubles", f"{BIN}/nbody", "11000000"),
    _program("c-matmul", NUMBERS, "C: vectorised floats", f"{BIN}/matmul", "620"),
    _program("c-fft", NUMBERS, "C: Fourier transforms", f"{BIN}/fft", "1400"),
    _program("c-quad", NUMBERS, "C: long double of 128 bits", f"{BIN}/quad", "4000000"),
    _program("c-integer", NUMBERS, "C: sieve, hash, quicksort, checksum", f"{BIN}/integer", "340"),
    _program("c-threads", THREADS, "C: two threads, mutex, atomics", f"{BIN}/threads", "13000000"),
]

BY_NAME = {w.name: w for w in WORKLOADS}


def quick(workload):
    """The same work with fewer starts."""
    return replace(workload, repeat=max(1, workload.repeat // 4))
