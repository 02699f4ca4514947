"""Raw results: one JSON object per line. The first line of a file says what was measured and on what."""
import datetime
import hashlib
import json
import os
import platform
import statistics
import subprocess

from paths import PROJECT, RESULTS

FORMAT = 1


def digest_file(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def cpu_model():
    with open("/proc/cpuinfo") as source:
        for line in source:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def describe(emulators, quick, rounds, command):
    """What a reader needs to judge the figures."""
    commit = subprocess.run(["git", "-C", PROJECT, "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True).stdout.strip()
    return {
        "format": FORMAT, "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "command": command, "quick": quick,
        "rounds": rounds, "cpu": cpu_model(), "cpus": os.cpu_count(), "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": platform.release(), "commit": commit, "emulators": {e.name: e.facts for e in emulators},
    }


class Results:
    """A results file: `meta` and the list of `runs`; later runs replace earlier ones of the same place."""

    def __init__(self, path, meta, runs=()):
        self.path, self.meta = path, meta
        self.runs = {(r["workload"], r["round"], r["emulator"]): r for r in runs}

    @classmethod
    def create(cls, meta):
        RESULTS.mkdir(exist_ok=True)
        stamp = meta["date"][:19].replace(":", "").replace("T", "-")
        new = cls(RESULTS / f"{stamp}.jsonl", meta)
        new._append({"meta": meta})
        return new

    @classmethod
    def load(cls, path):
        """Reads a file; a last line cut short by a crash is left out."""
        meta, runs = None, []
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "meta" in entry:
                meta = entry["meta"]
            else:
                runs.append(entry)
        if not meta or meta.get("format") != FORMAT:
            raise SystemExit(f"bench: {path} isn't a results file of this version")
        return cls(path, meta, runs)

    @classmethod
    def newest(cls):
        files = sorted(RESULTS.glob("*.jsonl"))
        if not files:
            raise SystemExit("bench: nothing to resume")
        return cls.load(files[-1])

    def _append(self, entry):
        with self.path.open("a") as out:
            out.write(json.dumps(entry) + "\n")
            out.flush()
            os.fsync(out.fileno())

    def add(self, run):
        self.runs[run["workload"], run["round"], run["emulator"]] = run
        self._append(run)

    def get(self, workload, round_, emulator):
        return self.runs.get((workload, round_, emulator))

    def of(self, workload, emulator):
        return [r for (w, _, e), r in sorted(self.runs.items(), key=lambda item: item[0][1]) if w == workload and e == emulator]

    def ratios(self, workload, emulator, metric="wall"):
        """Time under an emulator by native time, round by round; rounds where either failed are left out."""
        out = []
        for run in self.of(workload, emulator):
            base = self.get(workload, run["round"], "native")
            if run["ok"] and base and base["ok"] and base[metric] > 0:
                out.append(run[metric] / base[metric])
        return out

    def error(self, workload, emulator):
        """The first failure of an emulator on a workload, or None."""
        return next((r["error"] for r in self.of(workload, emulator) if not r["ok"]), None)

    def median(self, workload, emulator, metric="wall"):
        values = [r[metric] for r in self.of(workload, emulator) if r["ok"] and metric in r]
        return statistics.median(values) if values else None
