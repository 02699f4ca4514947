/* A program whose first instructions read the clock: it writes CLOCK_MONOTONIC in nanoseconds, 8 bytes, and ends. No library. */
#include <asm/unistd.h>

static inline long call(long nr, long a, long b, long c)
{
#ifdef __aarch64__
    register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
#endif
}

void _start(void)
{
    long t[2], ns;
    call(__NR_clock_gettime, 1, (long)t, 0);
    ns = t[0] * 1000000000 + t[1];
    call(__NR_write, 1, (long)&ns, sizeof ns);
    call(__NR_exit_group, 0, 0, 0);
    __builtin_unreachable();
}
