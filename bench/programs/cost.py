"""Calls, objects, floats, lists, strings: as many rounds as the argument says."""
import sys
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
class P:
    def __init__(self, x, y): self.x = x; self.y = y
    def step(self, k): self.x += self.y * k; self.y = self.y * 0.99 + 0.5; return self
total = 0
words = {}
for i in range(int(sys.argv[1])):
    p = P(i, 1.5)
    for k in range(10): p.step(k)
    total += p.x + fib(7)
    v = sorted((i * k) % 97 for k in range(20))
    total += sum(a * b for a, b in enumerate(v))
    w = f"word{i % 13}:{v[3]}".upper()
    words[w] = words.get(w, 0) + len(w.split(":"))
print(total, sum(words.values()))
