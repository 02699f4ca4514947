// Objects, closures, maps, strings, regular expressions, sorting, typed arrays: what V8 optimizes, deoptimizes and collects.
'use strict';

class Node {
  constructor(key, left, right) { this.key = key; this.left = left; this.right = right; }
  sum() { return this.key + (this.left ? this.left.sum() : 0) + (this.right ? this.right.sum() : 0); }
}
function tree(depth, key) {
  return depth === 0 ? new Node(key, null, null) : new Node(key, tree(depth - 1, 2 * key), tree(depth - 1, 2 * key + 1));
}

let state = 12345;
function random() {
  state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
  return (state >>> 0) % 1000003;
}

let nodes = 0;
for (let i = 0; i < 110; i++) nodes = (nodes + tree(14, i).sum()) % 1000000007;

const words = [];
for (let i = 0; i < 360000; i++) words.push('w' + (random() % 5000).toString(36));
const counts = new Map();
for (const w of words) counts.set(w, (counts.get(w) || 0) + 1);
const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));

const text = words.join(' ');
let matches = 0;
for (const m of text.matchAll(/w([a-f]\d)\b/g)) matches += m[1].length;
const upper = text.replace(/w(\w)(\w)/g, (_, a, b) => b + a).length;

const n = 330, a = new Float64Array(n * n), b = new Float64Array(n * n), c = new Float64Array(n * n);
for (let i = 0; i < n * n; i++) { a[i] = i % 7; b[i] = i % 5; }
for (let i = 0; i < n; i++)
  for (let k = 0; k < n; k++) {
    const x = a[i * n + k];
    for (let j = 0; j < n; j++) c[i * n + j] += x * b[k * n + j];
  }

const sieve = new Uint8Array(16000000);
let primes = 0;
for (let i = 2; i < sieve.length; i++) {
  if (sieve[i]) continue;
  primes++;
  for (let j = 2 * i; j < sieve.length; j += i) sieve[j] = 1;
}

const records = JSON.parse(JSON.stringify(words.slice(0, 70000).map((w, i) => ({ w, i, tags: [w.length, i % 3] }))));
const shapes = records.map((r) => (r.i % 2 ? { ...r, odd: true } : { i: r.i, w: r.w }));
console.log(nodes, counts.size, sorted[0], matches, upper, c.reduce((s, x) => s + x, 0), primes, shapes.filter((s) => s.odd).length);
