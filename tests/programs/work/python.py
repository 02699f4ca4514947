"""Standard library tour whose output must not depend on the machine."""
import asyncio, collections, ctypes, datetime, decimal, fractions, hashlib, heapq, hmac, json, math, multiprocessing, os, pickle, queue, random, re
import signal, socket, sqlite3, struct, subprocess, sys, tempfile, threading, time, unicodedata, zlib, bz2, lzma, select, itertools, mmap, fcntl, errno


def square(n):
    return n * n


def child(conn):
    conn.send({"got": conn.recv(), "main": False})
    conn.close()


def say(name, *what):
    print(name, *what, flush=True)


def text():
    random.seed(7)
    data = {str(i): [random.random(), random.getrandbits(70), {"k": "é\u4e2d\U0001f600" * (i % 3)}] for i in range(2000)}
    dump = json.dumps(data, sort_keys=True)
    assert json.loads(dump) == data
    say("json", len(dump), hashlib.sha256(dump.encode()).hexdigest())
    words = " ".join("%s%d" % ("abcdef"[i % 6] * (i % 5), i) for i in range(5000))
    say("re", len(re.findall(r"\b([a-f])\1+\d*5\b", words)), re.sub(r"(?P<l>[a-c]+)(\d+)", r"\2\g<l>", words)[-60:], re.split(r"\W+", words)[77])
    say("unicode", unicodedata.normalize("NFKD", "Åß½").encode("utf-8"), "ÀÉ".casefold(), "%r" % "\u2028\x00")
    say("format", f"{math.pi:.20f} {1e22} {1/3!r} {-0.0} {10**30:,} {255:#b} {'x':^7}|")


def numbers():
    decimal.getcontext().prec = 60
    say("decimal", decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7, fractions.Fraction(355, 113) ** 5)
    say("math", [f(0.7).hex() for f in (math.sin, math.cos, math.tan, math.exp, math.log, math.gamma, math.erf, math.sqrt, math.asinh)])
    say("float", 1e308 * 10, -1e308 * 10, (0.1 + 0.2).hex(), round(2.675, 2), float("nan"), math.fmod(-7, 3), -7 // 2, 7.5 % -2, math.fsum([0.1] * 10))
    say("int", pow(3, 10**5, 10**40 + 7), (1 << 4000) % 1000003, int("9" * 300) ** 3 % 97, math.isqrt(10**61), (-5) >> 1)
    say("random", random.Random(1).random(), random.Random("x").sample(range(1000), 5), random.Random(2).gauss(0, 1))
    m = [[(i * j + 1) % 17 / 3 for j in range(60)] for i in range(60)]
    p = [[sum(a * b for a, b in zip(r, c)) for c in zip(*m)] for r in m]
    say("matrix", sum(map(sum, p)).hex())
    say("struct", struct.pack("<bBhHiIqQefd", -1, 2, -3, 4, -5, 6, -7, 8, 0.1, 0.1, 0.1).hex(), struct.pack(">d", -1 / 3).hex())


def digests():
    blob = bytes(i * 31 % 251 for i in range(300001))
    for name in sorted(hashlib.algorithms_guaranteed):
        h = hashlib.new(name, blob)
        say(name, h.hexdigest(16) if name.startswith("shake") else h.hexdigest())
    say("hmac", hmac.new(b"k", blob, "sha512").hexdigest()[:32], hashlib.pbkdf2_hmac("sha256", b"p", b"s", 2000).hex(), hashlib.scrypt(b"p", salt=b"s", n=1024, r=8, p=1).hex()[:32])
    say("crc", zlib.crc32(blob), zlib.adler32(blob))
    for mod in (zlib, bz2, lzma):
        packed = mod.compress(blob)
        assert mod.decompress(packed) == blob
        say(mod.__name__, len(packed), hashlib.md5(packed).hexdigest())


def processes():
    r = subprocess.run(["sh", "-c", "cat; echo err >&2; exit 5"], input=b"in\n", capture_output=True)
    say("subprocess", r)
    try:
        subprocess.run(["/no/such/program"])
    except OSError as e:
        say("spawn error", type(e).__name__, e.errno)
    try:
        subprocess.run(["sleep", "30"], timeout=0.3)
    except subprocess.TimeoutExpired as e:
        say("timeout", e.cmd)
    p = subprocess.Popen(["sleep", "30"]); p.terminate()
    say("terminated", p.wait())
    pipes = [subprocess.Popen(["sh", "-c", f"read a; echo $((a * {i}))"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for i in range(12)]
    say("many", [p.communicate("7\n")[0].strip() for p in pipes])
    say("posix_spawn", os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ), 0)[1]))
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    say("segv", os.waitpid(pid, 0)[1] & 127)
    for method in ("fork", "spawn", "forkserver"):
        ctx = multiprocessing.get_context(method)
        with ctx.Pool(4) as pool:
            say(method, "pool", sum(pool.map(square, range(500))), pool.apply_async(square, (9,)).get(60))
        mine, theirs = ctx.Pipe()
        p = ctx.Process(target=child, args=(theirs,)); p.start(); mine.send([1, "two", None])
        say(method, "pipe", mine.recv()); p.join(60)
        say(method, "exit", p.exitcode)
    with multiprocessing.Manager() as m:
        d = m.dict(); d["a"] = 1; say("manager", dict(d))
    v = multiprocessing.Value("i", 0)
    ps = [multiprocessing.Process(target=add, args=(v,)) for _ in range(4)]
    [p.start() for p in ps]; [p.join() for p in ps]
    say("shared value", v.value)


def add(v):
    for _ in range(500):
        with v.get_lock():
            v.value += 1


def threads():
    lock, total = threading.Lock(), [0]

    def work():
        for _ in range(2000):
            with lock:
                total[0] += 1
    ts = [threading.Thread(target=work) for _ in range(16)]
    [t.start() for t in ts]; [t.join() for t in ts]
    say("threads", total)
    q, out = queue.Queue(10), []

    def consume():
        while (x := q.get()) is not None:
            out.append(x * 2)
    t = threading.Thread(target=consume); t.start()
    [q.put(i) for i in range(3000)]; q.put(None); t.join()
    say("queue", len(out), sum(out))
    b, c, e = threading.Barrier(5), threading.Condition(), threading.Event()
    ts = [threading.Thread(target=b.wait) for _ in range(4)]; [t.start() for t in ts]; b.wait(); [t.join() for t in ts]
    say("event", e.wait(0.05)); threading.Timer(0.05, e.set).start(); say("event", e.wait(20))
    local = threading.local(); local.x = 1
    seen = []; t = threading.Thread(target=lambda: seen.append(hasattr(local, "x"))); t.start(); t.join(); say("local", seen)


def signals():
    got = []
    signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGALRM, lambda s, f: got.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    start = time.monotonic()
    while got.count("alarm") < 5 and time.monotonic() - start < 20:
        select.select([], [], [], 0.02)
    signal.setitimer(signal.ITIMER_REAL, 0)
    say("signals", got[:2], got.count("alarm") >= 5)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2)
    say("pending", signal.sigpending(), signal.sigwaitinfo([signal.SIGUSR2]).si_signo)
    try:
        1 / 0
    except ZeroDivisionError as e:
        say("exception", e)


def network():
    async def echo(r, w):
        while line := await r.readline():
            w.write(line.upper())
        w.close()

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def client(i):
            r, w = await asyncio.open_connection("127.0.0.1", port)
            w.write(f"hello {i}\n".encode() * 20); await w.drain(); w.write_eof()
            data = await r.read(); w.close()
            return len(data), data[:7]
        say("asyncio", sorted(await asyncio.gather(*[client(i) for i in range(20)])))
        proc = await asyncio.create_subprocess_exec("tr", "a-z", "A-Z", stdin=-1, stdout=-1)
        say("asyncio process", await proc.communicate(b"abc"), proc.returncode)
        server.close()
    asyncio.run(main())
    a, b = socket.socketpair()
    with tempfile.TemporaryFile() as f:
        f.write(b"passed"); f.flush()
        socket.send_fds(a, [b"x"], [f.fileno()])
        _, fds, _, _ = socket.recv_fds(b, 10, 4)
        say("ancillary", os.pread(fds[0], 100, 0)); os.close(fds[0])
    u = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); u.bind("\0accept-%d" % os.getpid()); a.close(); b.close(); u.close()
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.connect(("127.0.0.1", 1))
    except OSError as e:
        say("refused", e.errno == errno.ECONNREFUSED)
    say("ipv4", socket.inet_aton("10.1.2.3"), socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))


def files():
    with tempfile.TemporaryDirectory(dir=".") as d:
        for i in range(300):
            with open(f"{d}/{i:03}", "w") as f:
                f.write("x" * i)
        say("listdir", len(os.listdir(d)), sum(e.stat().st_size for e in os.scandir(d)))
        os.symlink("000", f"{d}/link"); os.link(f"{d}/005", f"{d}/hard"); os.rename(f"{d}/hard", f"{d}/soft"); os.mkfifo(f"{d}/fifo")
        st = os.stat(f"{d}/005"); os.chmod(f"{d}/005", 0o4751); os.utime(f"{d}/005", ns=(10**18 + 1, 10**18 + 2))
        st2 = os.stat(f"{d}/005"); say("stat", st.st_nlink, oct(st2.st_mode), st2.st_mtime_ns, os.readlink(f"{d}/link"), oct(os.lstat(f"{d}/fifo").st_mode))
        fd = os.open(f"{d}/m", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC); os.ftruncate(fd, 100000)
        m = mmap.mmap(fd, 0); m[50000:50005] = b"hello"; m.flush(); say("mmap", os.pread(fd, 5, 50000), m.find(b"llo")); m.close()
        fcntl.flock(fd, fcntl.LOCK_EX); fcntl.lockf(fd, fcntl.LOCK_UN)
        os.lseek(fd, 0, os.SEEK_END); say("sendfile", os.copy_file_range(fd, fd, 10, 50000, 0), os.pread(fd, 5, 0)); os.close(fd)
        for call in (lambda: os.open(f"{d}/no", os.O_RDONLY), lambda: os.rmdir(d), lambda: os.mkdir(d), lambda: os.open(d, os.O_WRONLY), lambda: os.readlink(d)):
            try:
                call()
            except OSError as e:
                say("errno", errno.errorcode[e.errno])
    r, w = os.pipe(); fcntl.fcntl(w, 1031, 65536); say("pipe", fcntl.fcntl(w, 1032)); os.close(r)
    try:
        os.write(w, b"x")
    except BrokenPipeError:
        say("broken pipe")


def rest():
    db = sqlite3.connect(":memory:"); db.execute("create table t(a, b)"); db.executemany("insert into t values(?, ?)", ((i, i * i % 1009) for i in range(5000)))
    say("sqlite", db.execute("select b % 7, count(*), sum(a), avg(b) from t group by 1 order by 1").fetchall())
    libc = ctypes.CDLL(None); cmp = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    arr = (ctypes.c_int * 8)(5, 3, 8, 1, 9, 2, 7, 4); libc.qsort(arr, 8, 4, cmp(lambda a, b: a[0] - b[0])); say("ctypes", list(arr))
    libc.snprintf.argtypes = None; buf = ctypes.create_string_buffer(100); libc.sprintf(buf, b"%d %s", 42, b"str"); say("varargs", buf.value)
    say("pickle", len(pickle.dumps(collections.OrderedDict(a=[1, 2.5, "x"], b={1, 2}), 5)), datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc).isoformat())
    h = []
    [heapq.heappush(h, x * 7919 % 10007) for x in range(5000)]
    say("heap", [heapq.heappop(h) for _ in range(10)], list(itertools.islice(itertools.permutations("abcd"), 20, 24)))
    def deep(n):
        return 0 if n == 0 else 1 + deep(n - 1)
    sys.setrecursionlimit(20000); threading.stack_size(64 << 20); t = threading.Thread(target=lambda: say("deep", deep(9000))); t.start(); t.join()
    try:
        deep(10**6)
    except RecursionError as e:
        say("recursion", e)
    say("platform", sys.byteorder, sys.maxsize, struct.calcsize("P"), os.sysconf("SC_PAGE_SIZE"), time.clock_getres(time.CLOCK_MONOTONIC))


if __name__ == "__main__":
    for part in (text, numbers, digests, processes, threads, signals, network, files, rest):
        part()
