"""Write tiny ELF programs of one architecture, sound and spoilt in one place each: python3 malformed.py ARCH DIR. Both architectures get the same files
with the same layout; only the code differs. Prints the names in order."""
import os, struct, sys

CODE = {
    # movzx edi, byte [0x601800]; add edi, 7; mov eax, 231 (exit_group); syscall
    "amd64": (62, bytes.fromhex("0fb63c25001860008d7f07b8e70000000f05")),
    # movz x1, #0x1800; movk x1, #0x60, lsl #16; ldrb w0, [x1]; add w0, w0, #7; mov x8, #94; svc #0
    "arm64": (183, struct.pack("<6I", 0xD2830001, 0xF2A00C01, 0x39400020, 0x11001C00, 0xD2800BC8, 0xD4000001)),
}
# exit_group(9), wherever it is loaded: the interpreter.
INTERP = {"amd64": bytes.fromhex("bf09000000b8e70000000f05"), "arm64": struct.pack("<3I", 0xD2800120, 0xD2800BC8, 0xD4000001)}
EHDR = ["ident", "type", "machine", "version", "entry", "phoff", "shoff", "flags", "ehsize", "phentsize", "phnum", "shentsize", "shnum", "shstrndx"]
PHDR = ["type", "flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align"]
EFMT, PFMT = "<16sHHIQQQIHHHHHH", "<IIQQQQQQ"
LOAD, DYNAMIC, INTERP_T, NOTE, PHDR_T, TLS, STACK, PROPERTY = 1, 2, 3, 4, 6, 7, 0x6474E551, 0x6474E553


class Elf:
    def __init__(self, arch, interp=None):
        machine, self.code = CODE[arch]
        self.e = dict(zip(EHDR, [b"\x7fELF\x02\x01\x01" + bytes(9), 2, machine, 1, 0x400800, 64, 0, 0, 64, 56, 0, 64, 0, 0]))
        self.p = [dict(zip(PHDR, [STACK, 6, 0, 0, 0, 0, 0, 16]))]
        if interp is not None:
            self.p.append(dict(zip(PHDR, [INTERP_T, 4, 0x600, 0x400600, 0x400600, len(interp) + 1, len(interp) + 1, 1])))
        self.p.append(dict(zip(PHDR, [LOAD, 5, 0, 0x400000, 0x400000, 0x1000, 0x1000, 0x1000])))
        # Its file part ends inside a page, and the rest is zero: the file has other bytes there.
        self.p.append(dict(zip(PHDR, [LOAD, 6, 0x1000, 0x601000, 0x601000, 0x800, 0x3000, 0x1000])))
        self.interp = interp
        self.size = None
        self.patch = {}

    def bytes(self):
        self.e["phnum"] = self.e["phnum"] or len(self.p)
        out = bytearray(0x2000)
        out[0x800 : 0x800 + len(self.code)] = self.code
        out[0x1800:] = b"\x55" * 0x800
        if self.interp is not None:
            out[0x600 : 0x600 + len(self.interp)] = self.interp
        for i, p in enumerate(self.p):
            struct.pack_into(PFMT, out, 64 + 56 * i, *[p[f] & (2 ** (32 if f in ("type", "flags") else 64) - 1) for f in PHDR])
        struct.pack_into(EFMT, out, 0, *[self.e[f] for f in EHDR])
        for at, b in self.patch.items():
            out[at] = b
        return bytes(out[: self.size] if self.size is not None else out)


def cases(arch):
    """(name, bytes, mode)"""
    def made(name, change=lambda x: None, interp=None, mode=0o755):
        elf = Elf(arch, interp)
        change(elf)
        return name, elf.bytes(), mode

    def head(field, value):
        return lambda x: x.e.__setitem__(field, value)

    yield made("sound")
    yield made("sound-interp", interp=b"/interp")
    yield made("no-permission", mode=0o644)
    yield made("no-read", mode=0o311)
    for n in (0, 1, 3, 4, 16, 18, 20, 24, 40, 52, 63, 64, 65, 119, 120, 200, 231, 232, 233, 0x7FF, 0x805, 0x1000, 0x1001, 0x1800):
        yield made(f"truncated-{n}", lambda x: setattr(x, "size", n))
    for at, values in {0: (0,), 3: (0x47,), 4: (0, 1, 3), 5: (0, 2), 6: (0, 2), 7: (3, 9, 255), 8: (1, 65), 15: (1,)}.items():
        for v in values:
            yield made(f"ident-{at}-{v}", lambda x: x.e.__setitem__("ident", x.e["ident"][:at] + bytes([v]) + x.e["ident"][at + 1 :]))
    for field, values in {
        "type": (0, 1, 3, 4, 0xFE00, 0xFFFF),
        "machine": (0, 3, 8, 40, 243, 258, 0xFFFF),
        "version": (0, 2),
        "entry": (0, 0x400000, 0x601000, 0x602900, 0x700000, 0x7FFFFFFFF000, 1 << 47, 1 << 63, 2**64 - 1),
        "phoff": (0, 1, 63, 65, 0x1FC0, 0x1FFF, 0x2000, 1 << 31, 1 << 62, 2**64 - 1),
        "shoff": (1, 2**64 - 1),
        "flags": (1, 0xFFFFFFFF),
        "ehsize": (0, 65535),
        "phentsize": (0, 32, 55, 57, 65535),
        "phnum": (1, 2, 4, 1170, 1171, 65535),
        "shentsize": (0, 1),
        "shnum": (65535,),
        "shstrndx": (65535,),
    }.items():
        for v in values:
            yield made(f"e_{field}-{v:x}", head(field, v))
    for which, label in ((1, "text"), (2, "data")):
        for field, values in {
            "type": (0, LOAD + 1, NOTE, PHDR_T, TLS, 0x70000000, 0xFFFFFFFF),
            "flags": (0, 1, 2, 3, 4, 7, 0xFFFFFFFF),
            "offset": (1, 0x800, 0x2000, 0x3000, 0x10000, 1 << 40, 1 << 63, 2**64 - 0x1000),
            "vaddr": (0, 1, 0x1000, 0x400800, 0x601800, 0x7FFFFFFFE000, 0x7FFFFFFFF000, 1 << 47, 1 << 63, 2**64 - 0x1000),
            "paddr": (2**64 - 1,),
            "filesz": (0, 1, 0x900, 0x3001, 1 << 40, 1 << 47, 2**64 - 1),
            "memsz": (0, 1, 0x801, 1 << 40, 1 << 46, 1 << 47, 2**64 - 1),
            "align": (0, 1, 3, 0x800, 0x10000, 0x3000, 1 << 40, 2**64 - 1),
        }.items():
            for v in values:
                if (label, field, v) == ("data", "flags", 1):
                    continue  # Whether that can be read depends on the CPU.
                yield made(f"{label}-{field}-{v:x}", lambda x: x.p[which].__setitem__(field, v))
    yield made("overlap", lambda x: x.p[2].__setitem__("vaddr", 0x400000))
    yield made("descending", lambda x: x.p.__setitem__(slice(1, 3), [x.p[2], x.p[1]]))
    yield made("stack-exec", lambda x: x.p[0].__setitem__("flags", 7))
    yield made("stack-type-size", lambda x: x.p[0].update(memsz=1 << 50, filesz=1 << 50, offset=1 << 60))
    yield made("property-bad", lambda x: x.p[0].update(type=PROPERTY, offset=0x700, filesz=48, memsz=48, align=8))
    yield made("property-long", lambda x: x.p[0].update(type=PROPERTY, offset=0x700, filesz=1 << 40, memsz=1 << 40, align=8))
    for name, text in {"missing": b"/no/such", "folder": b"/", "plain": b"/plain", "noexec": b"/noexec", "empty-name": b"", "relative": b"interp", "short": b"/short",
                       "script": b"/script", "third": b"/third", "bits32": b"/bits32", "long": b"/" + b"a" * 300}.items():
        yield made(f"interp-{name}", interp=text)
    for name, update in {"unterminated": {"filesz": 7}, "size-0": {"filesz": 0}, "size-1": {"filesz": 1}, "size-4096": {"filesz": 4096, "memsz": 4096}, "size-4097": {"filesz": 4097},
                         "size-huge": {"filesz": 1 << 62}, "offset-end": {"offset": 0x1FFE}, "offset-beyond": {"offset": 1 << 40}, "offset-negative": {"offset": 1 << 63}}.items():
        yield made(f"interp-{name}", lambda x: x.p[1].update(update), interp=b"/interp")

    def two(x):
        x.p.insert(2, dict(x.p[1], offset=0x700))
    yield made("interp-two", two, interp=b"/interp")
    yield made("interp-last", lambda x: x.p.append(x.p.pop(1)), interp=b"/interp")


def main(arch, out):
    names = []
    for name, data, mode in cases(arch):
        with open(os.path.join(out, name), "wb") as f:
            f.write(data)
        os.chmod(os.path.join(out, name), mode)
        names.append(name)
    interp = Elf(arch)
    interp.code = INTERP[arch]
    interp.e.update(type=3, entry=0x800)
    for p, base in ((interp.p[1], 0), (interp.p[2], 0x201000)):
        p["vaddr"] = base
    sound = interp.bytes()
    third = bytearray(sound)
    third[18] = 243
    bits = bytearray(sound)
    bits[4] = 1
    for name, data, mode in (("interp", sound, 0o755), ("noexec", sound, 0o644), ("plain", b"some text\n" * 20, 0o755), ("short", sound[:40], 0o755), ("script", b"#!/interp\n" + bytes(200), 0o755),
                             ("third", bytes(third), 0o755), ("bits32", bytes(bits), 0o755)):
        with open(os.path.join(out, name), "wb") as f:
            f.write(data)
        os.chmod(os.path.join(out, name), mode)
    os.mkdir(os.path.join(out, "folder"))
    os.symlink("nowhere", os.path.join(out, "dangling"))
    os.symlink("circle", os.path.join(out, "circle"))
    for name, line in {"script-missing": "#!/no/such", "script-folder": "#!/folder", "script-noexec": "#!/noexec", "script-bad": "#!/e_machine-f3", "script-self": "#!/script-self",
                       "script-empty": "#!", "script-truncated-elf": "#!/truncated-64", "script-sound": "#!/sound"}.items():
        with open(os.path.join(out, name), "w") as f:
            f.write(line + "\n")
        os.chmod(os.path.join(out, name), 0o755)
        names.append(name)
    print("\n".join(names + ["folder", "dangling", "circle", "absent", "sound/below"]))


main(*sys.argv[1:])
