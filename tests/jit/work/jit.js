// Work for V8's tiers, with results that don't depend on the machine.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');

if (!isMainThread) {
  let h = workerData;
  for (let i = 0; i < 300000; i++) h = (Math.imul(h, 31) + i) | 0;
  parentPort.postMessage(h);
} else main();

function lcg(seed) { return () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0); }

// Objects of ever new shapes through one function: inline caches are patched, optimized code is thrown away.
function shapes() {
  const get = o => o.x + (o.y | 0);
  let sum = 0;
  for (let kinds = 1; kinds < 8; kinds++)
    for (let i = 0; i < 20000; i++) {
      const o = { x: i };
      if (i % kinds === 1) o.y = 1;
      if (i % kinds === 2) { o.z = 2; o.y = 3; }
      if (i % kinds === 3) o['k' + kinds] = i;
      sum += get(o);
      if (i % 5003 === 0) sum += get({ x: 'a' + i, y: 1 }).length;
    }
  return sum;
}
function numbers() {
  let i32 = 0, f = 0.1, big = 1n;
  for (let i = 1; i < 300000; i++) {
    i32 = (i32 * 31 + i) | 0;
    f = Math.sqrt(f * f + 1 / i);
    if (i % 1000 === 0) { big = (big * 7919n + BigInt(i)) % (1n << 521n); i32 += 2 ** 31 * i; i32 |= 0; }
  }
  const v = new Float64Array(1000).map((_, i) => i * 0.5), u = new Uint8ClampedArray(1000).map((_, i) => i * 3 - 100);
  let s = 0;
  for (let r = 0; r < 200; r++) for (let i = 0; i < 1000; i++) { v[i] = v[i] * 1.0001 + u[i]; s += u[(i * 7) % 1000]; }
  return [i32, f.toFixed(12), big.toString(36).slice(0, 20), v[999].toFixed(6), s].join(' ');
}
function sorting() {
  const r = lcg(42), a = Array.from({ length: 60000 }, r);
  const b = a.slice().sort((x, y) => x - y), c = a.map(String).sort(), d = Float64Array.from(a).sort();
  return [b[100], c[30000], d[59999], new Map(a.map((x, i) => [x % 1009, i])).size].join(' ');
}
function text() {
  const r = lcg(7);
  let s = '';
  for (let i = 0; i < 20000; i++) s += (r() >>> 8).toString(36) + (i % 7 ? ' ' : '\n');
  const m = s.match(/\b([a-z]+)(\d{1,3})(?=[a-z])/g), t = s.replace(/([aeiou])(\d)/g, (_, a, b) => b + a.toUpperCase());
  const o = JSON.parse(JSON.stringify(s.split('\n').map((l, i) => ({ l, i, n: [i, { d: i / 7 }] }))));
  return [m.length, crypto.createHash('sha256').update(t + JSON.stringify(o)).digest('hex').slice(0, 16), /^(a+)+$/.test('a'.repeat(17) + 'b')].join(' ');
}
function errors() {
  let depth = 0, caught = 0;
  const down = () => { depth++; down(); };
  for (let i = 0; i < 5; i++) try { down(); } catch (e) { if (e instanceof RangeError) caught++; }
  for (let i = 0; i < 30000; i++) try { if (i % 3 === 0) null.x; else if (i % 3 === 1) undefinedName; else throw i; } catch (e) { caught += e instanceof TypeError ? 1 : e instanceof ReferenceError ? 2 : 3; }
  return caught + (depth > 1000 ? ' deep' : ' shallow');
}
function* gen(n) { for (let i = 0; i < n; i++) yield i * i; }
async function later() {
  let s = 0;
  for (let i = 0; i < 3000; i++) s += await i;
  for (const x of gen(30000)) s = (s + x) % 1000003;
  for await (const x of (async function* () { for (let i = 0; i < 2000; i++) yield i; })()) s += x;
  return s + (await Promise.all(Array.from({ length: 500 }, (_, i) => new Promise(r => setImmediate(() => r(i)))))).reduce((a, b) => a + b);
}
// Functions made from text, used and dropped.
function made() {
  let s = 0;
  for (let i = 0; i < 1500; i++) {
    const f = new Function('a', 'b', `let t = ${i}; for (let i = 0; i < 40; i++) t = (t * a + b + ${i % 17}) | 0; return t;`);
    for (let k = 0; k < 30; k++) s = (s + f(k, i)) | 0;
  }
  return s;
}
// A module by hand: (func (param i32) (result i32)) that sums i*i ^ sum, and f64 work by a loop through memory.
function wasm() {
  const body = [0x02, 0x02, 0x7f, 0x03, 0x40, 0x20, 0x01, 0x20, 0x02, 0x20, 0x02, 0x6c, 0x73, 0x41, 0x03, 0x77, 0x21, 0x01, 0x20, 0x02, 0x41, 0x01, 0x6a, 0x22, 0x02, 0x20, 0x00, 0x48, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b];
  body[0] = 0x01; // one group of locals
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10, body.length + 2, 1, body.length, ...body]);
  let s = 0;
  for (let i = 0; i < 30; i++) {
    const f = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f;
    for (let k = 0; k < 20; k++) s = (s + f(2000 + k * i)) | 0;
  }
  return s;
}
function digests() {
  let d = Buffer.from('x');
  for (const name of ['sha1', 'sha256', 'sha512', 'md5']) for (let i = 0; i < 300; i++) d = crypto.createHash(name).update(d).update('y'.repeat(i)).digest();
  const key = crypto.scryptSync('p', 's', 32, { N: 1024 }), c = crypto.createCipheriv('aes-256-gcm', key, Buffer.alloc(12));
  return Buffer.concat([c.update(d.toString('hex').repeat(200)), c.final(), c.getAuthTag()]).toString('hex').slice(-32);
}
function workers() {
  return Promise.all([1, 2, 3, 4, 5, 6].map(n => new Promise((resolve, reject) => new Worker(__filename, { workerData: n }).on('message', resolve).on('error', reject)))).then(r => r.join(' '));
}
async function main() {
  for (const f of [shapes, numbers, sorting, text, errors, later, made, wasm, digests, workers]) {
    if (f === wasm && typeof WebAssembly === 'undefined') continue;
    console.log(f.name, await f());
  }
}
