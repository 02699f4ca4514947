"""Measures real programs natively, under QEMU and under run-foreign, alternating in one run, and makes the table and the plot."""
import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cost
import counting
import plot
import report
import startup
import where
from arena import Arena, Failure
from inputs import ensure_inputs
from paths import BENCH, OURS, ROOTS
from results import Results, describe
from roots import ensure_qemu, ensure_roots, require, say, snapshot
from workloads import BY_NAME, WORKLOADS, quick

EMULATORS = ("native", "qemu", "ours")


@dataclass
class Emulator:
    """One way to run a workload."""

    name: str
    arena: Arena
    facts: dict = field(default_factory=dict)


def make_emulators(names):
    out = []
    for name in names:
        if name == "native":
            out.append(Emulator(name, Arena("amd64"), {"version": "native amd64"}))
            continue
        program = ensure_qemu() if name == "qemu" else Path(os.environ.get("RUN_FOREIGN", OURS)).resolve()
        if not program.exists():
            sys.exit(f"bench: {program} doesn't exist: build it (cargo build --release) or set RUN_FOREIGN")
        copy, digest = snapshot(program)
        said = subprocess.run([copy, "--version"], capture_output=True, text=True).stdout.splitlines()
        version = re.sub(r"\s*\(.*", "", said[0]).replace("qemu-aarch64 version", "QEMU") if said else name
        out.append(Emulator(name, Arena("arm64", copy), {"version": version, "sha256": digest}))
    return out


def warm(emulators):
    """Reads the roots once, so that nobody pays for the disk."""
    say("reading the roots into memory")
    for arch in {e.arena.arch for e in emulators}:
        for folder in ("usr/bin", "usr/lib", "usr/libexec"):
            for path in (ROOTS / arch / folder).rglob("*"):
                if path.is_file() and not path.is_symlink():
                    with path.open("rb") as source:
                        while source.read(1 << 20):
                            pass


def output_digest(arena, workload):
    """One digest of what the program printed and of the files that count as output."""
    total = hashlib.sha256()
    for inside in ("/bench/out/stdout", *(f"/bench/work/{name}" for name in workload.outputs)):
        with arena.path(inside).open("rb") as source:
            while chunk := source.read(1 << 20):
                total.update(chunk)
        total.update(b"\0")
    return total.hexdigest()


def processors_busy():
    """Seconds that this machine's processors have worked, all together. What the hypervisor gave to other machines doesn't count."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def measure(emulator, workload, round_, results):
    """One run: what it cost, or how it failed. Its output must be what native's was."""
    run = {"workload": workload.name, "round": round_, "emulator": emulator.name, "load": round(os.getloadavg()[0], 2)}
    native = results.get(workload.name, round_, "native")
    limit = 300 if not native else min(300, 120 + 300 * native["wall"] * workload.repeat)
    busy, begin = processors_busy(), time.monotonic()
    try:
        run.update(emulator.arena.run(workload.argv, workload.repeat, limit, dict(workload.env)))
        run["elapsed"] = time.monotonic() - begin
        run["others"] = processors_busy() - busy - run["cpu"] * workload.repeat
        run["output"] = output_digest(emulator.arena, workload)
        if workload.memory and round_ == 1:
            # Once more, because looking on takes time.
            run["sum_kb"] = emulator.arena.run(workload.argv, 1, limit, dict(workload.env), watch=True)["sum_kb"]
        if native and native["output"] != run["output"]:
            raise Failure("output differs from native's")
        run["ok"] = True
    except Failure as failure:
        run.update(ok=False, error=str(failure))
        if emulator.name == "native":
            raise SystemExit(f"bench: {workload.name} fails natively: {failure}") from None
    return run


def run_all(emulators, workloads, rounds, results):
    """Every workload in every round under every emulator in turn; what the results already hold is skipped."""
    total, done, start, spent = len(workloads) * rounds, 0, time.monotonic(), 0
    for round_ in range(1, rounds + 1):
        for workload in workloads:
            done += 1
            if all(results.get(workload.name, round_, e.name) for e in emulators):
                continue
            words = []
            for emulator in emulators:
                earlier = results.error(workload.name, emulator.name)
                if earlier and earlier.startswith("no end"):
                    continue
                run = measure(emulator, workload, round_, results)
                results.add(run)
                words.append(progress(run, results))
            spent += 1
            left = (time.monotonic() - start) / spent * (total - done)
            print(f"[{done}/{total}] round {round_} {workload.name}: {', '.join(words)}; {left / 60:.0f} min left", file=sys.stderr, flush=True)


def progress(run, results):
    if not run["ok"]:
        return f"{run['emulator']} FAILS ({run['error'][:80]})"
    native = results.get(run["workload"], run["round"], "native")
    ratio = f" ×{run['wall'] / native['wall']:.2f}" if native and run["emulator"] != "native" else ""
    return f"{run['emulator']} {run['wall']:.4g} s{ratio}"


def publish(part, text):
    """Puts a text between the marks of its part in RESULTS.md; the text around them is written by people."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    page = BENCH / "RESULTS.md"
    old = page.read_text() if page.exists() else "# Results\n"
    if begin not in old:
        old += f"\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    page.write_text(f"{before}{begin}\n{text}{end}{rest.partition(end)[2]}")


def options():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, fewer starts: a first look")
    parser.add_argument("--rounds", type=int, help="rounds (default 5; with --where 3)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only these workloads (comma-separated, may be repeated)")
    parser.add_argument("--emulators", default=",".join(EMULATORS), help="which to measure (default: native,qemu,ours)")
    parser.add_argument("--resume", action="store_true", help="go on with the newest results file")
    parser.add_argument("--report", type=Path, metavar="FILE", help="no measuring: the table and plot of a results file")
    parser.add_argument("--metric", choices=("wall", "cpu"), default="wall", help="what the table shows (cpu is steadier on a busy machine)")
    parser.add_argument("--publish", action="store_true", help="put the table and the plot into bench/RESULTS.md")
    parser.add_argument("--count", action="store_true", help="instead: host instructions per guest instruction on small kernels, without noise")
    parser.add_argument("--startup", action="store_true", help="instead: what a start costs, up to the first instruction and as a whole")
    parser.add_argument("--where", action="store_true", help="instead: where the processor's time goes, workload by workload (needs perf, and may look at the whole machine)")
    parser.add_argument("--cost", action="store_true", help="instead: arm64 instructions per x86-64 instruction of amd64 programs on arm64")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args()


def choose(args):
    names = [n for part in args.only or [] for n in part.split(",")]
    unknown = [n for n in names if n not in BY_NAME]
    if unknown:
        sys.exit(f"bench: no such workload: {', '.join(unknown)} (see --list)")
    chosen = [w for w in WORKLOADS if not names or w.name in names]
    return [quick(w) for w in chosen] if args.quick else chosen


def choose_emulators(args):
    names = args.emulators.split(",")
    if unknown := set(names) - set(EMULATORS):
        sys.exit(f"bench: no such emulator: {', '.join(unknown)}")
    return make_emulators([n for n in EMULATORS if n in names])


def count(args):
    """The counted figures with what they were taken from."""
    emulators = choose_emulators(args)
    return signed(emulators, counting.count(emulators, ensure_qemu()))


def start(args):
    """The figures about starts."""
    require("unshare", "nsenter", "chroot")
    emulators = choose_emulators(args)
    try:
        return signed(emulators, startup.table(emulators))
    finally:
        for emulator in emulators:
            emulator.arena.close()


def shares(args):
    """Where the time goes, natively and with us."""
    require("unshare", "nsenter", "chroot", "perf")
    ensure_roots()
    ensure_inputs()
    emulators = make_emulators(["native", "ours"])
    warm(emulators)
    try:
        return signed(emulators, where.table(emulators, choose(args), args.rounds or 3))
    finally:
        for emulator in emulators:
            emulator.arena.close()


def amd64_on_arm64(args):
    """The counted figures of the other direction."""
    require("chroot")
    wanted = [] if args.emulators == ",".join(EMULATORS) else args.emulators.split(",")
    text = cost.table(wanted)
    return signed([Emulator(w.name, None, {"version": cost.version(w)}) for w in cost.ways(wanted)], text)


def signed(emulators, text):
    """A text with what it was measured on."""
    meta = describe(emulators, False, 1, command())
    versions = "; ".join(e.facts["version"] for e in emulators if e.name != "native")
    return f"{text}\n{meta['date'][:10]}; {meta['cpu']}; {versions}; load {os.getloadavg()[0]:.1f}; commit {meta['commit']}; command `{meta['command']}`.\n"


def command():
    return " ".join(["tools/bench", *sys.argv[1:]])


def bench(args):
    """Prepares, measures, and returns the results."""
    require("unshare", "nsenter", "chroot")
    workloads = choose(args)
    ensure_roots()
    ensure_inputs()
    emulators = choose_emulators(args)
    rounds = args.rounds or (1 if args.quick else 5)
    meta = describe(emulators, args.quick, rounds, command())
    if args.resume:
        results = Results.newest()
        if (results.meta["emulators"], results.meta["quick"]) != (meta["emulators"], args.quick):
            sys.exit(f"bench: {results.path.name} measured other emulators or another amount of work: start anew without --resume")
        rounds = args.rounds or results.meta["rounds"]
    else:
        results = Results.create(meta)
    warm(emulators)
    try:
        run_all(emulators, workloads, rounds, results)
    except KeyboardInterrupt:
        say(f"stopped; `tools/bench --resume` goes on with {results.path.name}")
    finally:
        for emulator in emulators:
            emulator.arena.close()
    return results


def main():
    args = options()
    if args.list:
        for w in WORKLOADS:
            print(f"{w.name:16}{w.group:14}{w.what}")
        return
    for wanted, part, make in ((args.count, "count", count), (args.startup, "startup", start), (args.where, "where", shares), (args.cost, "cost", amd64_on_arm64)):
        if wanted:
            text = make(args)
            print(text)
            if args.publish:
                publish(part, text)
            return
    results = Results.load(args.report.resolve()) if args.report else bench(args)
    if not results.runs:
        return
    image = results.path.with_suffix(".svg")
    image.write_text(plot.draw(results, args.metric))
    print(report.table(results, args.metric))
    say(f"plot: {image}")
    if args.publish:
        publish("bench", f"![Times as multiples of native]({image.relative_to(BENCH)})\n\n{report.table(results, args.metric)}")


if __name__ == "__main__":
    main()
