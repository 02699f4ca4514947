# Node: -e, and V8's compilers.
node --version; node -p 'process.arch + " " + process.platform'; node -e 'console.log([1, 2, 3].map(x => x ** 10), 0.1 + 0.2, 2n ** 200n, /(\d+)-(?<y>\w+)/u.exec("12-ab").groups.y)'
node -e 'const h = require("crypto").createHash("sha256"); for (let i = 0; i < 1e5; i++) h.update(String(i)); console.log(h.digest("hex")); const z = require("zlib"); console.log(z.gunzipSync(z.gzipSync("x".repeat(1e6))).length)'
node -e 'const s = require("net").createServer(c => c.pipe(c)).listen(0, () => { const c = require("net").connect(s.address().port); c.end("ping"); c.on("data", d => console.log(String(d))); c.on("close", () => s.close()) })'
node -e 'const { Worker, isMainThread } = require("worker_threads"); const w = new Worker("require(\"worker_threads\").parentPort.postMessage([...Array(1e4).keys()].reduce((a, b) => a + b))", { eval: true }); w.on("message", console.log)'
node -e 'console.log(require("child_process").execSync("echo child | tr a-z A-Z").toString().trim()); process.exit(5)'; echo "status $?"
node -e 'throw new Error("thrown")' 2>&1 | grep -c 'Error: thrown'; node -e 'setTimeout(() => console.log("timer"), 20); Promise.resolve(1).then(console.log); process.nextTick(() => console.log(0))'
node --no-warnings /tmp/work/jit.js | sha256sum
