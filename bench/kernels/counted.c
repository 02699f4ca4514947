/* Small kernels whose instructions are counted: counted NAME WARM_MS ITERATIONS
 * Runs the kernel for WARM_MS milliseconds, so that a translator can do its best, then ITERATIONS times between two marks. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KERNEL __attribute__((noinline, noclone)) static uint64_t
#define MARK 0x62656e63

enum { N = 2048 };
static uint32_t words[N];
static float floats_a[N], floats_b[N];
static double doubles[N];
static uint8_t bytes[N], other_bytes[N];
static struct node {
    struct node *next;
    uint64_t value;
} nodes[N];

static void fill(void)
{
    uint32_t x = 12345;
    for (int i = 0; i < N; i++) {
        x = x * 1664525u + 1013904223u;
        words[i] = x;
        floats_a[i] = (float)(x >> 8) / 65536.0f;
        floats_b[i] = (float)(x >> 12) / 4096.0f;
        doubles[i] = 1.0 + (x >> 20);
        bytes[i] = 'a' + (x >> 16) % 25;
        other_bytes[i] = x >> 24;
        nodes[i].value = x;
        nodes[i].next = &nodes[(i * 1021u + 7) % N];
    }
    bytes[N - 1] = 0;
}

KERNEL mix(void)
{
    uint64_t h = 1;
    for (int i = 0; i < N; i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
        h += (h << 7 | h >> 57);
    }
    return h;
}

KERNEL collatz(void)
{
    uint64_t steps = 0;
    for (uint32_t i = 1; i < 120; i++)
        for (uint32_t n = i; n != 1; steps++)
            n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

KERNEL insertion(void)
{
    static uint32_t v[128];
    memcpy(v, words, sizeof v);
    for (int i = 1; i < 128; i++) {
        uint32_t x = v[i];
        int j = i;
        for (; j && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
    return v[64];
}

__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) static uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

KERNEL calls(void) { return fibonacci(16); }

KERNEL interpret(void)
{
    static const uint8_t program[] = {0, 1, 2, 3, 1, 4, 5, 2, 6};
    uint64_t a = 1, b = 2, turns = 0;
    for (unsigned pc = 0;;) {
        switch (program[pc++]) {
        case 0: a += 3; break;
        case 1: b ^= a; break;
        case 2: a = (a << 3) - b; break;
        case 3: b += a >> 5; break;
        case 4: a |= 1; break;
        case 5: b -= turns; break;
        default:
            if (++turns == 300)
                return a + b;
            pc = 0;
        }
    }
}

KERNEL strings(void)
{
    uint64_t vowels = 0, hash = 5381;
    for (const uint8_t *p = bytes; *p; p++) {
        hash = hash * 33 + *p;
        if (*p == 'a' || *p == 'e' || *p == 'i')
            vowels++;
    }
    return hash + vowels;
}

KERNEL list(void)
{
    uint64_t sum = 0;
    const struct node *n = nodes;
    for (int i = 0; i < 4000; i++) {
        sum += n->value & 0xff;
        n = n->next;
    }
    return sum;
}

KERNEL bignum(void)
{
    static uint64_t a[64], b[64], c[128];
    for (int i = 0; i < 64; i++) {
        a[i] = words[i] * 0x100000001u;
        b[i] = ~a[i];
    }
    memset(c, 0, sizeof c);
    for (int i = 0; i < 24; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 64; j++) {
            unsigned __int128 t = (unsigned __int128)a[j] * b[i] + c[i + j] + carry;
            c[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        c[i + 64] = carry;
    }
    return c[70];
}

KERNEL scalar_fp(void)
{
    double x = 0, y = 1;
    for (int i = 0; i < N; i++) {
        x = x * 0.5 + doubles[i] / (y + 1.5);
        y = y < x ? y + 0.25 : x - 0.125;
    }
    return (uint64_t)(x * 1000 + y);
}

KERNEL vector_fp(void)
{
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < N; i++)
            floats_b[i] = floats_b[i] * 0.75f + floats_a[i];
    return (uint64_t)floats_b[100];
}

KERNEL vector_int(void)
{
    uint32_t sum = 0;
    for (int r = 0; r < 4; r++)
        for (int i = 0; i < N; i++) {
            int d = bytes[i] - other_bytes[i];
            sum += (uint32_t)(d < 0 ? -d : d);
        }
    return sum;
}

KERNEL atomics(void)
{
    static _Atomic uint64_t counter;
    for (int i = 0; i < 1500; i++)
        atomic_fetch_add(&counter, words[i]);
    return counter;
}

static const struct {
    const char *name;
    uint64_t (*run)(void);
} kernels[] = {
    {"mix", mix}, {"collatz", collatz}, {"insertion", insertion}, {"calls", calls}, {"interpret", interpret}, {"strings", strings},
    {"list", list}, {"bignum", bignum}, {"scalar-fp", scalar_fp}, {"vector-fp", vector_fp}, {"vector-int", vector_int}, {"atomics", atomics},
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
            puts(kernels[i].name);
        return 0;
    }
    uint64_t (*volatile run)(void) = NULL;
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (!strcmp(kernels[i].name, argv[1]))
            run = kernels[i].run;
    if (!run)
        return 2;
    double warm = atof(argv[2]) / 1000;
    long iterations = atol(argv[3]);
    volatile uint64_t sum = 0;
    fill();
    if (warm > 0)
        for (double end = seconds() + warm; seconds() < end;)
            sum += run();
    syscall(SYS_getpriority, MARK, 1);
    for (long i = 0; i < iterations; i++)
        sum += run();
    syscall(SYS_getpriority, MARK, 2);
    return 0;
}
