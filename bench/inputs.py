"""The fixed inputs of the workloads, made once from fixed seeds, and the programs compiled for both architectures."""
import gzip
import random
import shutil
import subprocess

from packages import ensure_packages
from paths import BENCH, BINARIES, INPUTS, ROOTS
from roots import require, say

VERSION = "6"
KERNELS = ("nbody", "matmul", "fft", "quad", "integer", "threads")
COMPILERS = {"amd64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}
WORDS = """the of kernel page fault socket opened closed retry after timeout while reading header from client session user cache entry
evicted because budget exceeded writing block queue thread started finished with status value missing field expected token near line
module loaded device reset link up down packet dropped checksum mismatch rebuilding index compacting table vacuum lock held waiting""".split()


def ensure_inputs():
    """Makes what is missing. Sources that change are compiled again."""
    require("gcc", "aarch64-linux-gnu-gcc")
    _compile()
    for arch in COMPILERS:
        ensure_packages(arch)
    stamp = INPUTS / "version"
    if stamp.exists() and stamp.read_text() == VERSION:
        shutil.copytree(BENCH / "programs", INPUTS / "programs", dirs_exist_ok=True)
        return
    say("making the inputs")
    shutil.copytree(BENCH / "programs", INPUTS / "programs", dirs_exist_ok=True)
    choice = random.Random(20)
    _write_text(choice)
    (INPUTS / "data.bin").write_bytes(_mixed_bytes(choice, 64 << 20))
    _write_lines(choice)
    _write_source(choice)
    _write_project(choice)
    _write_classes(choice)
    _write_ocaml(choice)
    _write_tree(choice)
    _write_keys()
    _compile_classes()
    stamp.write_text(VERSION)


def _compile():
    BINARIES.mkdir(parents=True, exist_ok=True)
    INPUTS.mkdir(parents=True, exist_ok=True)
    build("gcc", "measure", INPUTS / "measure")
    for arch, compiler in COMPILERS.items():
        (BINARIES / arch).mkdir(exist_ok=True)
        for kernel in KERNELS:
            build(compiler, kernel, BINARIES / arch / kernel)


def build(compiler, name, target, *more):
    """Compiles a kernel statically. No fused multiply-add: the results must be the same bytes on both architectures."""
    source = BENCH / "kernels" / f"{name}.c"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return
    subprocess.run([compiler, "-O3", "-ffp-contract=off", "-static", *more, "-o", target, source, *([] if more else ["-lm", "-lpthread"])], check=True)


def _log_line(choice, number):
    level = choice.choice(("info", "info", "info", "warn", "error"))
    return f"{number} host{choice.randrange(40)} [{level}] {' '.join(choice.choices(WORDS, k=choice.randrange(4, 14)))}\n"


def _write_text(choice):
    lines = [_log_line(choice, n) for n in range(240_000)]
    (INPUTS / "log.txt").write_text("".join(lines))
    (INPUTS / "log-small.txt").write_text("".join(lines[:50_000]))
    records = ",\n".join(f'{{"id":{n},"name":"{choice.choice(WORDS)}","tags":["{choice.choice(WORDS)}"],"size":{choice.randrange(10**6)}}}' for n in range(60_000))
    (INPUTS / "records.json").write_text(f"[{records}]\n")


def _mixed_bytes(choice, size):
    """Half text, a quarter noise, a quarter repeated: compresses about as well as a package does."""
    text = (INPUTS / "log.txt").read_bytes()
    out = bytearray()
    while len(out) < size:
        at = choice.randrange(len(text) - 65536)
        out += text[at:at + 65536] + choice.randbytes(32768) + text[at:at + 64] * 512
    return bytes(out[:size])


def _write_lines(choice):
    data = (INPUTS / "data.bin").read_bytes()
    for name, size in (("large.bin", 24 << 20), ("small.bin", 5 << 19)):
        (INPUTS / name).write_bytes(data[:size])
    (INPUTS / "large.gz").write_bytes(gzip.compress(data[:24 << 20], 6, mtime=0))
    (INPUTS / "lines.txt").write_text("".join(f"{choice.getrandbits(48):x} {choice.choice(WORDS)} {choice.randrange(1000)}\n" for _ in range(950_000)))


def _function(choice, index):
    lines = [f"static unsigned f{index}(struct item *p, unsigned n, double *acc)", "{", f"    unsigned h = {choice.getrandbits(31)}u;", "    unsigned i;"]
    for _ in range(choice.randrange(3, 6)):
        kind = choice.randrange(4)
        a, b = choice.randrange(1, 31), choice.randrange(3, 5000)
        if kind == 0:
            lines += [f"    for (i = 0; i < n; i++) {{", f"        h = (h << {a}) ^ (h >> {32 - a}) ^ p[i].key;", f"        p[i].count += h % {b}u;", "    }"]
        elif kind == 1:
            lines += [f"    switch (h % 7u) {{", *(f"    case {k}: h += {choice.randrange(10**6)}u * p[n / {k + 2}].count; break;" for k in range(6)),
                      f"    default: h ^= {b}u;", "    }"]
        elif kind == 2:
            lines += [f"    for (i = 1; i < n; i++)", f"        if (p[i].weight > p[i - 1].weight * {a}.5)", f"            acc[i % 16] += p[i].weight / ({b} + (double)i);",
                      "        else", f"            acc[i % 16] -= (double)(h & {b}u);"]
        else:
            callee = f"f{choice.randrange(index)}(p, n / 2, acc)" if index else "n"
            lines += [f"    while (h > {b}u && n) {{", f"        h = h / {a + 1}u + {callee};", "        n--;", "    }"]
    return "\n".join([*lines, "    return h;", "}", ""])


def _source(choice, count):
    """A C file without includes."""
    text = ["struct item { unsigned key, count; double weight; };", ""]
    text += [_function(choice, index) for index in range(count)]
    text += ["unsigned (*const table[])(struct item *, unsigned, double *) = {", *(f"    f{k}," for k in range(count)), "};"]
    return "\n".join(text) + "\n"


def _write_source(choice):
    (INPUTS / "generated.c").write_text(_source(choice, 50))


def _write_project(choice):
    """Files for make."""
    project = INPUTS / "project"
    project.mkdir(exist_ok=True)
    names = [f"part{n}" for n in range(24)]
    for name in names:
        (project / f"{name}.c").write_text(_source(choice, 6))
    (project / "Makefile").write_text("CC = aarch64-linux-gnu-gcc-14\nCFLAGS = -O1\n" + f"all: {' '.join(f'{n}.o' for n in names)}\n")


def _write_classes(choice):
    """A Java file with many classes."""
    def method(n):
        loop = f"for (int i = 0; i < {choice.randrange(9, 99)}; i++) {{ list.add(\"v\" + i * {choice.randrange(999)}); n += list.get(i).length(); }}"
        rest = f"return list.stream().filter(s -> s.hashCode() % {choice.randrange(2, 9)} != n % 7).map(s -> s + n).collect(java.util.stream.Collectors.toList());"
        return f"    java.util.List<String> m{n}(final int given) {{\n        int n0 = given; final int n = given + 1;\n        var list = new java.util.ArrayList<String>();\n        {loop.replace('n +=', 'n0 +=')}\n        {rest}\n    }}"
    classes = [f"class Many{k} {{\n" + "\n".join(method(n) for n in range(8)) + "\n}" for k in range(24)]
    (INPUTS / "Many.java").write_text("\n".join(classes) + "\n")


def _write_ocaml(choice):
    """An OCaml module: a type, matches over it, closures, records."""
    text = ["type t = A of int | B of t * t | C of string | D of { x : int; y : float }", ""]
    for n in range(700):
        a, b, c = (choice.randrange(1, 1000) for _ in range(3))
        before = f"f{choice.randrange(n)}" if n else "(fun _ -> 1)"
        text += [f"let rec f{n} = function",
                 f"  | A n when n > {a} -> n + {b}",
                 f"  | A n -> {before} (B (A (n * {c}), C \"k{a}\"))",
                 f"  | B (A x, y) | B (y, A x) -> x + f{n} y",
                 f"  | B (l, r) -> let g = List.map (fun i -> i * {b} + f{n} l) [ {a}; {b}; {c} ] in List.fold_left ( + ) (f{n} r) g",
                 f"  | C s -> String.length (s ^ \"{b}\") + Hashtbl.hash s mod {c}",
                 f"  | D {{ x; y }} -> if y > {a}.5 then x lxor {b} else int_of_float (y *. {c}.25)", ""]
    (INPUTS / "generated.ml").write_text("\n".join(text))


def _write_tree(choice):
    tree = INPUTS / "tree"
    if tree.exists():
        shutil.rmtree(tree)
    for n in range(700):
        place = tree / f"d{n % 12}" / f"e{n % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"file{n}.txt").write_text("".join(_log_line(choice, k) for k in range(choice.randrange(5, 60))))


def _natively(script, *argv):
    """Runs a shell script in the native root; what it prints."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-e", "-c", 'mount --rbind /dev "$1/dev"; mount --rbind /proc "$1/proc"; mount --bind "$2" "$1/bench"; shift 2; exec chroot "$@"',
               "sh", ROOTS / "amd64", INPUTS, ROOTS / "amd64", "/usr/bin/dash", "-e", "-c", script, "sh", *argv]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}).stdout


def _write_keys():
    """Keys and certificates: different each time they are made, but once made they stay."""
    _natively("""
cd /bench
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out rsa.pem
printf '[req]\ndistinguished_name=n\n[n]\n' > req.cnf
openssl ecparam -genkey -name prime256v1 -noout -out ca.key
openssl req -config req.cnf -x509 -new -key ca.key -subj /CN=ca -days 36500 -addext basicConstraints=critical,CA:TRUE -out ca256.pem
openssl ecparam -genkey -name secp384r1 -noout -out ca384.key
openssl req -config req.cnf -x509 -new -key ca384.key -subj /CN=ca384 -days 36500 -addext basicConstraints=critical,CA:TRUE -out ca384.pem
openssl req -config req.cnf -new -key ca.key -subj /CN=one -out one.csr
openssl x509 -req -in one.csr -CA ca256.pem -CAkey ca.key -set_serial 2 -days 36500 -out p256.pem
openssl x509 -req -in one.csr -CA ca384.pem -CAkey ca384.key -set_serial 3 -days 36500 -out p384.pem
cat ca256.pem ca384.pem > ca.pem
""")
    (INPUTS / "digest.bin").write_bytes(bytes(range(32)))


def _compile_classes():
    """Java's class files are the same everywhere."""
    _natively("cd /bench; rm -rf classes; javac -d classes programs/Mixed.java programs/One.java")
