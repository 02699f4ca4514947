# Work for PyPy (and CPython, for comparison): loops, objects, exceptions, generators, recursion, text.
import hashlib, re, sys, threading
def sieve(n):
    s = bytearray([1]) * (n + 1)
    for i in range(2, int(n ** .5) + 1):
        if s[i]:
            for j in range(i * i, n + 1, i): s[j] = 0
    return sum(s) - 2
def mandel(n):
    c = 0
    for y in range(n):
        for x in range(n):
            z, k, w = 0j, 0, complex(2 * x / n - 1.5, 2 * y / n - 1)
            while k < 30 and z.real * z.real + z.imag * z.imag < 4: z, k = z * z + w, k + 1
            c += k
    return c
class A:
    def f(self, x): return x + 1
class B(A):
    def f(self, x): return x * 2 % 1000003
class C(A):
    def f(self, x): return super().f(x) ^ 5
def poly():
    s = 0
    for i in range(150000): s = (A, B, C)[i % (1 + i // 50000)]().f(s)
    return s
def errors():
    c = 0
    for i in range(40000):
        try: c += [1, 2, 3][i % 5] // (i % 3)
        except IndexError: c += 2
        except ZeroDivisionError: c += 3
    return c
def deep(n): return deep(n + 1) + 1
def overflow():
    c = 0
    for _ in range(5):
        try: deep(0)
        except RecursionError: c += 1
    return c
def gen(n):
    for i in range(n): yield i * i
def text():
    t = ' '.join('%x' % (i * 2654435761 % 2 ** 32) for i in range(20000))
    return len(re.findall(r'\b([a-f]+)(\d+)\b', t)), hashlib.sha256(re.sub(r'([a-f])(\d)', lambda m: m[2] + m[1].upper(), t).encode()).hexdigest()[:16]
def threads():
    out, lock = [0], threading.Lock()
    def run(k):
        for i in range(4000):
            with lock: out[0] += k * i % 7
    ts = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    [t.start() for t in ts]; [t.join() for t in ts]
    return out[0]
def big():
    x = 3
    for i in range(300): x = (x * x + i) % (2 ** 521 - 1)
    return hash(x) if False else x % 1000000007
def made():
    s = 0
    for i in range(400):
        d = {}
        exec('def f(n):\n t = %d\n for i in range(n): t = (t * 31 + i + %d) %% 65537\n return t' % (i, i), d)
        s += d['f'](300)
    return s
print('sieve', sieve(200000)); print('mandel', mandel(70)); print('poly', poly()); print('errors', errors()); print('overflow', overflow())
print('gen', sum(x % 7 for x in gen(300000))); print('text', *text()); print('threads', threads()); print('big', big()); print('made', made())
f = .5
for i in range(1, 300000): f = (f * f + 1 / i) ** .5
print('float', '%.12f' % f)
