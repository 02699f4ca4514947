"""Where the bench keeps its things."""
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
WORK = PROJECT / "target" / "bench"
ROOTS = WORK / "roots"
INPUTS = WORK / "in"
BINARIES = WORK / "bin"
EMULATORS = WORK / "emulators"
RESULTS = BENCH / "results"
OURS = PROJECT / "target" / "x86_64-unknown-linux-musl" / "release" / "run-foreign"
