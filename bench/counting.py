"""Host instructions per guest instruction, counted one by one: no noise, so small steps show and a busy machine doesn't matter."""
import subprocess
import sys

from inputs import COMPILERS, build
from paths import BINARIES, INPUTS
from report import LABELS, geometric_mean
from roots import require

WARM_MS = 300


def prepare():
    for place in (INPUTS, *(BINARIES / arch for arch in COMPILERS)):
        place.mkdir(parents=True, exist_ok=True)
    require("gcc", "aarch64-linux-gnu-gcc")
    build("gcc", "step", INPUTS / "step")
    for arch, compiler in COMPILERS.items():
        build(compiler, "counted", BINARIES / arch / "counted")


def kernels():
    return subprocess.run([BINARIES / "amd64/counted"], check=True, capture_output=True, text=True).stdout.split()


def guest_instructions(qemu, kernel):
    """Instructions of one iteration: what two take more than one, as QEMU logs them with a block for each."""
    def total(iterations):
        command = [qemu, "-one-insn-per-tb", "-d", "exec,nochain", BINARIES / "arm64/counted", kernel, "0", str(iterations)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            return sum(line.startswith(b"Trace") for line in process.stderr)
    return total(2) - total(1)


def host_instructions(prefix, arch, kernel):
    """Instructions of one warm iteration on the host, or None when the program fails. The second is the first that the loop over them is gone
    through for; what a translator does then is not the kernel's."""
    def total(iterations):
        command = [INPUTS / "step", *prefix, BINARIES / arch / "counted", kernel, str(WARM_MS), str(iterations)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=900).stdout)
    try:
        return total(3) - total(2)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None


def count(emulators, qemu):
    """The Markdown table."""
    prepare()
    names = [e.name for e in emulators]
    head = ["kernel", "guest instructions", *(f"{LABELS[n]}, host per guest" for n in names)]
    rows = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    ratios = {n: [] for n in names}
    for kernel in kernels():
        guest, cells = guest_instructions(qemu, kernel), []
        for e in emulators:
            host = host_instructions([e.arena.emulator] if e.arena.emulator else [], e.arena.arch, kernel)
            if host:
                ratios[e.name].append(host / guest)
            cells.append(f"{host / guest:.2f}" if host else "fails")
        rows.append(f"| `{kernel}` | {guest:,} | " + " | ".join(cells) + " |")
        print(f"{kernel}: {guest} guest instructions; {', '.join(f'{n} {c}' for n, c in zip(names, cells))}", file=sys.stderr, flush=True)
    rows.append("| **geometric mean** | | " + " | ".join(f"**{geometric_mean(ratios[n]):.2f}**" if ratios[n] else "–" for n in names) + " |")
    return "\n".join(rows) + "\n"
