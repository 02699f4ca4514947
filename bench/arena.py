"""Where programs run: a root file system inside private user, mount and process namespaces, with the emulator under test registered
in a binfmt_misc of its own. Nothing on the machine changes, and all of it vanishes with the arena."""
import os
import shutil
import subprocess
import threading
from pathlib import Path

from paths import BINARIES, INPUTS, ROOTS

MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
FLAGS = "POCF"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/bench/work", "LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1", "GIT_CONFIG_NOSYSTEM": "1",
}

# The first process of the arena: makes it, says its process id as the machine sees it, and keeps it until our end of the pipe closes.
HOLDER = r"""
set -e
root=$1 inputs=$2 binaries=$3 line=$4
read -r pid rest < /proc/self/stat
mount --bind "$root" "$root"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o size=3g tmpfs "$root/bench"
mkdir "$root/bench/in" "$root/bench/bin" "$root/bench/out" "$root/bench/work" "$root/bench/binfmt"
mount --bind "$inputs" "$root/bench/in"
mount --bind "$binaries" "$root/bench/bin"
if [ -n "$line" ]; then
    mount -t binfmt_misc binfmt_misc "$root/bench/binfmt"
    printf %s "$line" > "$root/bench/binfmt/register"
fi
mount -o remount,bind,ro "$root"
echo "$pid"
exec cat
"""


class Failure(Exception):
    """A run that didn't end as it should; the text says how."""


class Arena:
    """One root and at most one emulator. Opens at the first run."""

    def __init__(self, arch, emulator=None):
        self.arch, self.emulator = arch, emulator
        self.root = ROOTS / arch
        self.holder = self.pid = None

    def open(self):
        line = f":bench-{self.arch}:M:0:{MAGIC}:{MASK}:{self.emulator}:{FLAGS}" if self.emulator else ""
        self.holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HOLDER, "holder",
             self.root, INPUTS, BINARIES / self.arch, line],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True)
        said = self.holder.stdout.readline().strip()
        if not said:
            self.close()
            raise SystemExit("bench: can't make a private namespace with binfmt_misc (needs Linux 6.7 and user namespaces)")
        self.pid = int(said)

    def close(self):
        """Ends every process inside."""
        if self.holder:
            self.holder.stdin.close()
            self.holder.stdout.close()
            self.holder.kill()
            self.holder.wait()
        self.holder = self.pid = None

    def path(self, inside):
        """A file of the arena as this process can open it."""
        return Path(f"/proc/{self.pid}/root{self.root}{inside}")

    def run(self, argv, repeat=1, timeout=600, env=None, watch=False):
        """Runs a command `repeat` times in an emptied working folder; returns what it cost, or raises Failure. With `watch`, `sum_kb` is the
        largest sum of its processes' memory that was seen (shared pages are divided among those who share them)."""
        if not self.holder:
            self.open()
        work = self.path("/bench/work")
        for entry in os.scandir(work):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        command = ["nsenter", f"--target={self.pid}", "--user", "--preserve-credentials", "--mount", "--pid", "chroot", self.root,
                   "/bench/in/measure", str(repeat), "/bench/work", "/bench/out/stdout", "/bench/out/stderr", *argv]
        watcher = _Watcher(self.pid) if watch else None
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env={**ENVIRONMENT, **(env or {})})
        except subprocess.TimeoutExpired:
            self.close()
            raise Failure(f"no end within {timeout:.0f} s") from None
        finally:
            peak_sum = watcher.stop() if watcher else 0
        fields = done.stdout.split()
        if done.returncode or len(fields) != 5:
            raise Failure(f"not started: {done.stderr.strip()[-300:]}")
        wall, cpu, peak, failures, status = map(int, fields)
        if failures:
            tail = self.path("/bench/out/stderr").read_text(errors="replace").strip().splitlines()[-3:]
            raise Failure(f"{_ending(status)}, {failures} of {repeat}: {' / '.join(tail)[-400:]}")
        return {"wall": wall / 1e9 / repeat, "cpu": cpu / 1e6 / repeat, "peak_kb": peak, **({"sum_kb": peak_sum} if watch else {})}


class _Watcher(threading.Thread):
    """Looks again and again at the memory of all processes of an arena but its first."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.first, self.space, self.ended, self.peak = str(pid), os.readlink(f"/proc/{pid}/ns/pid"), threading.Event(), 0
        self.start()

    def run(self):
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, sum(self._memory(p) for p in os.listdir("/proc") if p.isdigit() and p != self.first))

    def _memory(self, pid):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != self.space or os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "measure":
                return 0
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1])
        except OSError:
            # It has ended meanwhile.
            pass
        return 0

    def stop(self):
        self.ended.set()
        self.join()
        return self.peak


def _ending(status):
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"
