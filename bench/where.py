"""Where the time goes, workload by workload: translated code, the translator, the system-call layer, the kernel. Sampled by perf."""
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter

from roots import say

HERTZ = 997
# User time outside of the emulator's program, which natively is all of it; then what the emulator itself does.
PARTS = ("code", "helpers", "translator", "layer", "kernel")
HEADS = ("translated code", "its helpers", "translator, interpreter", "system-call layer", "kernel")
LINE = re.compile(r"^\s*(.+?)\s+(\d+)\s+[0-9a-f]+\s+(.*?)\s+\((.*)\)$")
# Not the workload's.
OTHERS = re.compile(r"^(swapper|perf|nsenter|chroot|measure)\b")
HELPERS = re.compile(r"^<?jit::(fp|host::software|host::\w+::helpers|guest::\w+::helpers)\b")
LAYER = re.compile(r"^<?(syscalls::|run_foreign::|rf_sys)")


def part(symbol, place, program):
    """Which of PARTS a sample belongs to; `program` is the emulator's file."""
    if place.startswith("[kernel"):
        return "kernel"
    if not program or os.path.basename(place) != program.name:
        return "code"
    if LAYER.match(symbol):
        return "layer"
    return "helpers" if HELPERS.match(symbol) else "translator"


def sampled(arena, workload):
    """Processor seconds of one run: in each part, and `all`."""
    with tempfile.NamedTemporaryFile() as data:
        perf = subprocess.Popen(["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", str(HERTZ), "-o", data.name],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        if perf.poll() is not None:
            sys.exit(f"bench: perf can't look at the whole machine: {perf.stderr.read().strip()[-200:]}")
        try:
            run = arena.run(workload.argv, workload.repeat, 300, dict(workload.env))
        finally:
            perf.send_signal(signal.SIGINT)
            perf.wait()
        said = subprocess.run(["perf", "script", "-i", data.name, "-F", "comm,pid,ip,sym,dso"], capture_output=True, text=True,
                              errors="replace").stdout
    counts, own = Counter(), {str(perf.pid), str(os.getpid())}
    for line in said.splitlines():
        if (m := LINE.match(line)) and not OTHERS.match(m[1]) and m[2] not in own:
            counts[part(m[3], m[4], arena.emulator)] += 1
    total = sum(counts.values()) or 1
    return {p: run["cpu"] * counts[p] / total for p in PARTS} | {"all": run["cpu"]}


def table(emulators, workloads, rounds):
    """The Markdown text: all as multiples of native's processor time, medians of some rounds, so that they needn't add up."""
    native, ours = (next(e for e in emulators if e.name == name) for name in ("native", "ours"))
    rows = ["| workload | native: code | kernel | run-foreign: " + " | ".join(HEADS) + " | together |", "|---|" + "---:|" * (len(PARTS) + 3)]
    for n, w in enumerate(workloads, 1):
        columns = []
        for _ in range(rounds):
            a, b = (sampled(e.arena, w) for e in (native, ours))
            columns.append([x / a["all"] for x in (a["code"], a["kernel"], *(b[p] for p in PARTS), b["all"])])
        rows.append(f"| `{w.name}` | " + " | ".join(f"{statistics.median(c):.2f}" for c in zip(*columns)) + " |")
        say(f"[{n}/{len(workloads)}] {w.name}")
    return "\n".join(rows) + "\n"
