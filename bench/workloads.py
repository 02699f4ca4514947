"""The workloads: fixed work, output that must be the same bytes everywhere."""
from dataclasses import dataclass

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


def _program(name, group, what, *argv, **more):
    return Workload(name, group, what, tuple(argv), **more)


def _shell(name, group, what, script, **more):
    return Workload(name, group, what, ("/usr/bin/dash", "-e", "-c", script), **more)


START, MANY, SCRIPT, TOOL, PACK, CRYPTO, KERNEL = "start", "processes", "interpreters", "tools", "compression", "crypto", "kernels"

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

_FORKS = "i=0; s=0; while [ $i -lt 500 ]; do v=$(echo $((i * 7 % 13))); s=$((s + v)); i=$((i + 1)); done; echo $s"

_EXECS = "i=0; while [ $i -lt 100 ]; do /usr/bin/true; /usr/bin/expr $i + 1 >> out; i=$((i + 1)); done; tail -n 1 out; basename /a/b; dirname /a/b"

_CIPHER = f"""
cp {IN}/data.bin a
for i in 1 2 3 4 5; do openssl enc -aes-256-ctr -K 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -iv 0000000000000000000000000000000$i -in a -out b; mv b a; done
"""

_RSA = f"""
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    openssl pkeyutl -sign -inkey {IN}/rsa.pem -in {IN}/digest.bin -pkeyopt digest:sha256 -out sig
    openssl pkeyutl -verify -inkey {IN}/rsa.pem -in {IN}/digest.bin -pkeyopt digest:sha256 -sigfile sig
done
"""

WORKLOADS = [
    _program("true", START, "/usr/bin/true, cold", "/usr/bin/true", repeat=40),
    _program("bash", START, "bash -c :", "/usr/bin/bash", "-c", ":", repeat=20),
    _program("perl-start", START, "perl -e 1", "/usr/bin/perl", "-e", "1", repeat=20),
    _program("python-start", START, "python3 -c 1", "/usr/bin/python3", "-c", "1", repeat=8),
    _shell("forks", MANY, "a shell's 500 forks", _FORKS),
    _shell("execs", MANY, "a shell's 200 programs", _EXECS),
    _shell("git", MANY, "git add, commit, log, repack, fsck", _GIT),
    _program("python-numbers", SCRIPT, "Python: floats, recursion, big integers", "/usr/bin/python3", f"{IN}/programs/numeric.py"),
    _program("python-text", SCRIPT, "Python: re, json, hashlib", "/usr/bin/python3", f"{IN}/programs/text.py", f"{IN}/log-small.txt"),
    _program("perl", SCRIPT, "Perl: hashes and regular expressions", "/usr/bin/perl", f"{IN}/programs/report.pl", f"{IN}/log-small.txt"),
    _program("lua", SCRIPT, "Lua: tables, calls, strings, floats", "/usr/bin/lua5.4", f"{IN}/programs/mixed.lua"),
    _program("gcc", TOOL, "gcc -O2 of a generated C file", "/usr/bin/aarch64-linux-gnu-gcc-14", "-O2", "-c", f"{IN}/generated.c", "-o", "out.o", outputs=("out.o",)),
    _shell("sqlite", TOOL, "SQLite with 100,000 rows", f"sqlite3 rows.db < {IN}/programs/rows.sql"),
    _program("jq", TOOL, "jq over 60,000 records", "/usr/bin/jq", "-c", "group_by(.name) | map({name: .[0].name, n: length, size: (map(.size) | add)})", f"{IN}/records.json"),
    _program("sort", TOOL, "sort of 400,000 lines", "/usr/bin/sort", "--parallel=1", "-k2,2", "-k1,1", "-o", "sorted", f"{IN}/lines.txt", outputs=("sorted",)),
    _program("grep", TOOL, "grep -E over a log", "/usr/bin/grep", "-E", "-c", "(retry|reset).*host[0-9]|([a-z]+) \\2", f"{IN}/log-small.txt"),
    _program("sed", TOOL, "sed -E over a log", "/usr/bin/sed", "-E", "s/([a-z]+) (timeout|budget)/\\2=\\1/g; /info/d; y/abc/xyz/", f"{IN}/log.txt"),
    _program("awk", TOOL, "mawk: sums by key", "/usr/bin/mawk",
             "{ n[$2 $3]++; for (i = 4; i <= NF; i++) { w[$i]++; l += length($i) } } END { for (k in n) s += n[k] * length(k); for (k in w) t += w[k]; print s, t, l }", f"{IN}/log.txt"),
    _shell("tar", TOOL, "tar out and in, 700 files ten times", f"for i in 1 2 3 4 5 6 7 8 9 10; do tar -C {IN} --sort=name --mtime=@0 --owner=0 --group=0 --mode=0644 -cf t$i.tar tree; "
           "mkdir o$i; tar --no-same-permissions --mode=0755 -C o$i -xf t$i.tar || :; cksum t$i.tar; done"),
    _program("xz", PACK, "xz -6", "/usr/bin/xz", "-6", "-T1", "-k", "-c", f"{IN}/small.bin"),
    _shell("zstd", PACK, "zstd -9 and back", f"zstd -q -9 -T1 --single-thread {IN}/large.bin -o z; zstd -q -d z -o back; cksum back", outputs=("back",)),
    _shell("gzip", PACK, "gzip -6", f"gzip -6 -n -c {IN}/medium.bin > z; gzip -l z", outputs=("z",)),
    _shell("gunzip", PACK, "gzip -d, three times", f"for i in 1 2 3; do gzip -d -c {IN}/large.gz > back; done", outputs=("back",)),
    _program("sha256", CRYPTO, "openssl dgst -sha256 of 384 MB", "/usr/bin/openssl", "dgst", "-sha256", *[f"{IN}/data.bin"] * 6),
    _shell("aes", CRYPTO, "openssl AES-256-CTR of 320 MB", _CIPHER, outputs=("a",)),
    _shell("rsa", CRYPTO, "openssl RSA-4096, 20 signatures", _RSA, outputs=("sig",)),
    _program("c-nbody", KERNEL, "C: scalar doubles", f"{BIN}/nbody", "3000000"),
    _program("c-matmul", KERNEL, "C: vectorised floats", f"{BIN}/matmul", "80"),
    _program("c-integer", KERNEL, "C: sieve, hash, quicksort, checksum", f"{BIN}/integer", "120"),
    _program("c-threads", KERNEL, "C: two threads, mutex, atomics", f"{BIN}/threads", "6000000"),
]

BY_NAME = {w.name: w for w in WORKLOADS}


def quick(workload):
    """The same work with fewer starts."""
    return Workload(workload.name, workload.group, workload.what, workload.argv, max(1, workload.repeat // 4), workload.outputs)
