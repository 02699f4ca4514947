"""What `apt-get install` works on: a repository of a few packages, and a database that says that what the roots hold is installed."""
import shutil
import subprocess

from paths import INPUTS, ROOTS, WORK
from roots import private_apt

# Small, of different kinds (C, Python, shell; with libraries, alternatives and scripts).
WANTED = ["hello", "tree", "less", "patch", "time", "zip", "unzip", "python3-six", "dos2unix", "xxd", "whois", "rsync"]
# Of the index, what dpkg's database doesn't have.
ONLY_IN_INDEX = ("Filename:", "Size:", "MD5sum:", "SHA256:", "Description-md5:")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nmail:x:8:\nstaff:x:50:\nnogroup:x:65534:\n",
    "etc/apt/sources.list": "deb [trusted=yes] file:/bench/repository ./\n",
    "etc/apt/apt.conf": 'APT::Sandbox::User "root";\nDpkg::Use-Pty "0";\nAPT::Install-Recommends "0";\nAcquire::Languages "none";\n',
}


def ensure_packages(arch):
    """Makes `in/apt/ARCH`, to be copied over a root: the files above, the database, and /bench/repository."""
    home, place = WORK / f"apt-{arch}", INPUTS / "apt" / arch
    if (place / "complete").exists():
        return
    command = private_apt(home, "trixie", arch)
    index = _index(home)
    if place.exists():
        shutil.rmtree(place)
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    database = place / "var/lib/dpkg"
    database.mkdir(parents=True)
    here = {path.name for path in (ROOTS / arch / "usr/share/doc").iterdir()}
    installed = [_installed(stanza) for name, stanza in index.items() if name in here]
    (database / "status").write_text("\n\n".join(installed) + "\n")
    repository = place / "bench/repository"
    repository.mkdir(parents=True)
    simulated = subprocess.run([*command, "-o", f"Dir::State::status={database / 'status'}", "-s", "--no-install-recommends", "install", *WANTED],
                               check=True, capture_output=True, text=True).stdout
    needed = sorted({line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")})
    subprocess.run([*command, "download", *needed], check=True, cwd=repository, capture_output=True)
    stanzas = []
    for name in needed:
        fields = dict(line.split(": ", 1) for line in index[name].splitlines() if ": " in line and not line.startswith(" "))
        file = next(repository.glob(f"{name}_*.deb"))
        stanzas.append(index[name].replace(fields["Filename"], f"./{file.name}"))
    (repository / "Packages").write_text("\n\n".join(stanzas) + "\n")
    (place / "complete").touch()
    shutil.rmtree(home)


def _index(home):
    """Stanzas of the package index by name."""
    text = next((home / "lists").glob("*_Packages")).read_text()
    stanzas = {}
    for stanza in text.strip().split("\n\n"):
        stanzas[stanza.split("\n", 1)[0].removeprefix("Package: ")] = stanza
    return stanzas


def _installed(stanza):
    lines = [line for line in stanza.splitlines() if not line.startswith(ONLY_IN_INDEX)]
    return "\n".join([lines[0], "Status: install ok installed", *lines[1:]])
