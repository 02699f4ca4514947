// Work for JavaScript engines without an environment: SpiderMonkey (gjs), JavaScriptCore (by jsc.py).
const lines = [];
function say(...words) { lines.push(words.join(' ')); }
function shapes() {
  const get = o => o.x + (o.y | 0);
  let sum = 0;
  for (let kinds = 1; kinds < 8; kinds++)
    for (let i = 0; i < 20000; i++) {
      const o = { x: i };
      if (i % kinds === 1) o.y = 1;
      if (i % kinds === 2) { o.z = 2; o.y = 3; }
      if (i % 5003 === 0) sum += get({ x: 'a' + i, y: 1 }).length;
      sum += get(o);
    }
  return sum;
}
function numbers() {
  let a = 0, f = 0.1;
  for (let i = 1; i < 300000; i++) { a = (Math.imul(a, 31) + i) | 0; f = Math.sqrt(f * f + 1 / i); }
  const v = new Float64Array(1000), u = new Uint8ClampedArray(1000);
  for (let i = 0; i < 1000; i++) { v[i] = i * 0.5; u[i] = i * 3 - 100; }
  let s = 0;
  for (let r = 0; r < 100; r++) for (let i = 0; i < 1000; i++) { v[i] = v[i] * 1.0001 + u[i]; s += u[(i * 7) % 1000]; }
  return a + ' ' + f.toFixed(10) + ' ' + v[999].toFixed(6) + ' ' + s;
}
function errors() {
  let caught = 0;
  const down = () => 1 + down();
  for (let i = 0; i < 5; i++) try { down(); } catch (e) { caught++; }
  for (let i = 0; i < 20000; i++) try { if (i % 3 === 0) null.x; else if (i % 3 === 1) undefinedName; else throw i; } catch (e) { caught += e instanceof TypeError ? 1 : e instanceof ReferenceError ? 2 : 3; }
  return caught;
}
function text() {
  let s = '', seed = 7;
  for (let i = 0; i < 10000; i++) { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; s += (seed >>> 8).toString(36) + (i % 7 ? ' ' : '\n'); }
  const t = s.replace(/([aeiou])(\d)/g, (_, a, b) => b + a.toUpperCase());
  let h = 0;
  for (let i = 0; i < t.length; i++) h = (Math.imul(h, 31) + t.charCodeAt(i)) | 0;
  return s.match(/\b([a-z]+)(\d{1,3})(?=[a-z])/g).length + ' ' + h + ' ' + JSON.stringify(JSON.parse(JSON.stringify(s.split('\n')))).length;
}
function made() {
  let s = 0;
  for (let i = 0; i < 1000; i++) {
    const f = new Function('a', 'b', `let t = ${i}; for (let i = 0; i < 40; i++) t = (Math.imul(t, a) + b + ${i % 17}) | 0; return t;`);
    for (let k = 0; k < 30; k++) s = (s + f(k, i)) | 0;
  }
  return s;
}
function sorting() {
  const a = [];
  for (let i = 0; i < 30000; i++) a.push(Math.imul(i, 7919) >>> 3);
  const b = a.slice().sort((x, y) => x - y), c = a.map(String).sort(), m = new Map(a.map((x, i) => [x % 1009, i]));
  return b[100] + ' ' + c[15000] + ' ' + m.get(77) + ' ' + [...(function* () { for (let i = 0; i < 20000; i++) yield i * i % 7; })()].reduce((x, y) => x + y);
}
function big() {
  let x = 3n;
  for (let i = 0n; i < 300n; i++) x = (x * x + i) % (2n ** 521n - 1n);
  return x % 1000000007n;
}
for (let round = 0; round < 2; round++) for (const f of [shapes, numbers, errors, text, made, sorting, big]) say(f.name, f());
if (typeof print === 'function') print(lines.join('\n'));
lines.join('\n');
