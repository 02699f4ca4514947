"""What a short program costs: the time up to its first instruction, `true` as a whole, and what the translator does for ld.so and the C library."""
import re
import statistics
import subprocess
import tempfile

from inputs import COMPILERS, build, ensure_inputs
from paths import BINARIES, INPUTS
from report import LABELS
from roots import ensure_roots

STARTS = 300
# Milliseconds.
BUDGETS = {"first": 1.0, "true": 3.0}


def prepare():
    ensure_roots()
    ensure_inputs()
    build("gcc", "startup", INPUTS / "startup")
    for arch, compiler in COMPILERS.items():
        build(compiler, "first", BINARIES / arch / "first", "-nostdlib")


def to_first_instruction(arena):
    """Milliseconds from posix_spawn to the first instruction of a program without libraries: the median of many."""
    arena.run(["/bench/in/startup", str(STARTS), "/bench/bin/first"])
    return statistics.median(map(int, arena.path("/bench/out/stdout").read_text().split())) / 1e6


def whole(arena):
    """Milliseconds of a cold `true`."""
    return arena.run(["/usr/bin/true"], STARTS)["wall"] * 1e3


def translation(arena):
    """What run-foreign says of `true`: translated blocks and instructions, milliseconds of the translator, system calls before the end."""
    arena.run(["/usr/bin/true"], env={"RUN_FOREIGN_STATS": "/bench/work/stats"})
    said = arena.path("/bench/work/stats").read_text()
    found = re.search(r"translator +([0-9.]+) s, ([0-9]+) ns per.*?translated +([0-9]+) blocks, ([0-9]+) guest", said, re.S)
    return {"milliseconds": float(found[1]) * 1e3, "nanoseconds": int(found[2]), "blocks": int(found[3]), "instructions": int(found[4])}


def own_calls(emulator, program):
    """System calls of our own between exec and the guest's first, or None without strace."""
    try:
        with tempfile.NamedTemporaryFile("r") as log:
            subprocess.run(["strace", "-o", log.name, emulator, program], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            lines = log.read().splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    # The first is the execve that started us.
    return next((n - 1 for n, line in enumerate(lines) if line.startswith("clock_gettime(CLOCK_MONOTONIC")), None)


def table(emulators):
    """The Markdown text."""
    prepare()
    names = [e.name for e in emulators]
    head = ["", *(LABELS[n] for n in names), "budget"]
    rows = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    native = next((e for e in emulators if e.name == "native"), None)
    base = to_first_instruction(native.arena) if native else 0
    values = {e.name: base if e is native else to_first_instruction(e.arena) for e in emulators}
    rows.append("| from `posix_spawn` to the first instruction, ms | " + " | ".join(f"{values[n]:.2f}" for n in names) + " | |")
    rows.append("| of these, more than natively | " + " | ".join("–" if n == "native" else f"{values[n] - base:.2f}" for n in names) + f" | {BUDGETS['first']:g} |")
    rows.append("| `true` as a whole, ms | " + " | ".join(f"{whole(e.arena):.2f}" for e in emulators) + f" | {BUDGETS['true']:g} |")
    text = "\n".join(rows) + "\n"
    ours = next((e for e in emulators if e.name == "ours"), None)
    if ours:
        t = translation(ours.arena)
        text += (f"\nFor `true`, ld.so and the C library, the translator makes {t['blocks']:,} blocks of {t['instructions']:,} guest instructions in "
                 f"{t['milliseconds']:.2f} ms, {t['nanoseconds']} ns each.")
        calls = own_calls(ours.arena.emulator, BINARIES / "arm64/first")
        text += f" Up to a guest's first instruction, run-foreign makes {calls} system calls of its own.\n" if calls is not None else "\n"
    return text
