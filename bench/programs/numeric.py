"""Number crunching in plain Python: floats, big integers, lists and calls."""
import math


def nbody(steps):
    bodies = [[0.0, 0.0, 0.0, 0.0, 39.5], [4.84, -1.16, 0.61, 2.81, 0.0377], [8.34, 4.12, -1.01, 1.82, 0.0113]]
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
    for _ in range(steps):
        for a, b in pairs:
            dx, dy = a[0] - b[0], a[1] - b[1]
            squared = dx * dx + dy * dy
            pull = 0.001 / (squared * math.sqrt(squared))
            a[2] -= dx * b[4] * pull
            a[3] -= dy * b[4] * pull
            b[2] += dx * a[4] * pull
            b[3] += dy * a[4] * pull
        for body in bodies:
            body[0] += 0.001 * body[2]
            body[1] += 0.001 * body[3]
    return ["%.9f" % x for body in bodies for x in body]


def queens(n, row=0, columns=0, left=0, right=0):
    if row == n:
        return 1
    found = 0
    free = ~(columns | left | right) & ((1 << n) - 1)
    while free:
        bit = free & -free
        free ^= bit
        found += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def digits(n):
    """The first n digits of pi, by a spigot over big integers."""
    out, q, r, t, k, m, x = [], 1, 0, 1, 1, 3, 3
    while len(out) < n:
        if 4 * q + r - t < m * t:
            out.append(str(m))
            q, r, m = 10 * q, 10 * (r - m * t), (10 * (3 * q + r)) // t - 10 * m
        else:
            q, r, t, k, m, x = q * k, (2 * q + r) * x, t * x, k + 1, (q * (7 * k + 2) + r * x) // (t * x), x + 2
    return "".join(out)


print(nbody(700000))
print(queens(9))
print(digits(3000))
