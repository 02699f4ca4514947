"""numpy: products of matrices, Fourier transforms, sorting and element-wise arithmetic. What is printed doesn't depend on the order of sums."""
import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np


def matrix():
    a = (np.arange(900 * 900, dtype=np.float64).reshape(900, 900) * 7919 % 17) - 8
    b = a.T.copy()
    for _ in range(16):
        b = (a @ b) % 31
    print(int(b.sum()), int(b[17, 23]))


def fourier():
    x = np.sin(np.arange(1 << 18) * 0.001) + (np.arange(1 << 18) % 97) / 97
    for _ in range(94):
        x = np.fft.irfft(np.fft.rfft(x) * 0.5, len(x)) + 0.25
    x = np.fft.fft(x.reshape(512, 512), axis=0).real
    print(f"{np.abs(x).sum():.6e}")


def elements():
    state = np.arange(1_500_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    total = 0
    for _ in range(58):
        state ^= state >> np.uint64(29)
        state *= np.uint64(0xBF58476D1CE4E5B9)
        values = (state >> np.uint64(40)).astype(np.float32)
        total += int(np.sort(values)[1000]) + int((values * 0.5 > 1000).sum()) + int(np.sqrt(values).astype(np.int64).sum())
    print(total)


{"matrix": matrix, "fourier": fourier, "elements": elements}[sys.argv[1]]()
