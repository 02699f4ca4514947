// Alignment as a CPU with FEAT_LSE2 has it: what is ordered, exclusive or atomic may be misaligned within 16 bytes, and is SIGBUS across;
// and pairs that are written and read by two threads at once are never torn.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static uint8_t area[64] __attribute__((aligned(64)));
static void *fault;
static int code;

static void handler(int sig, siginfo_t *info, void *u) {
    fault = info->si_addr;
    code = info->si_code;
    siglongjmp(back, sig);
}

#define FORM(name, text) static void name(void *p) { __asm__ volatile(text : : "r"(p) : "x4", "x5", "x6", "x7", "memory", "cc"); }
FORM(ldar4, "ldar w4, [%0]") FORM(ldar8, "ldar x4, [%0]") FORM(ldarh, "ldarh w4, [%0]")
FORM(stlr4, "stlr wzr, [%0]") FORM(stlr8, "stlr xzr, [%0]") FORM(stlrh, "stlrh wzr, [%0]")
FORM(ldapr8, ".arch_extension rcpc\nldapr x4, [%0]") FORM(ldapur4, "sub x5, %0, #3\n.inst 0x994030a4")
FORM(stlur8, "add x5, %0, #1\n.inst 0xd91ff0bf")
FORM(ldxr4, "ldxr w4, [%0]\nclrex") FORM(ldaxr8, "ldaxr x4, [%0]\nclrex") FORM(ldxp4, "ldxp w4, w5, [%0]\nclrex")
FORM(ldxp8, "ldxp x4, x5, [%0]\nclrex") FORM(stxr4, "ldxr w4, [%0]\nstxr w5, w4, [%0]") FORM(stxr8only, "stxr w5, x4, [%0]")
FORM(stxp8only, "stxp w5, x4, x6, [%0]")
FORM(cas8, ".arch_extension lse\ncas x4, x5, [%0]") FORM(casp4, ".arch_extension lse\ncasp w4, w5, w6, w7, [%0]")
FORM(casp8, ".arch_extension lse\ncasp x4, x5, x6, x7, [%0]")
FORM(ldadd8, ".arch_extension lse\nldadd x4, x5, [%0]") FORM(stadd4, ".arch_extension lse\nstadd w4, [%0]")
FORM(swph, ".arch_extension lse\nswph w4, w5, [%0]") FORM(ldsmax4, ".arch_extension lse\nldsmax w4, w5, [%0]")
FORM(ldr8, "ldr x4, [%0]") FORM(ldp8, "ldp x4, x5, [%0]") FORM(stp4, "stp w4, w5, [%0]") FORM(ldrq, "ldr q4, [%0]")

static const struct { const char *name; void (*f)(void *); } forms[] = {
    {"ldar w", ldar4}, {"ldar x", ldar8}, {"ldarh", ldarh}, {"stlr w", stlr4}, {"stlr x", stlr8}, {"stlrh", stlrh}, {"ldapr x", ldapr8},
    {"ldapur w", ldapur4}, {"stlur x", stlur8}, {"ldxr w", ldxr4}, {"ldaxr x", ldaxr8}, {"ldxp w", ldxp4}, {"ldxp x", ldxp8},
    {"ldxr+stxr w", stxr4}, {"stxr x", stxr8only}, {"stxp x", stxp8only}, {"cas x", cas8}, {"casp w", casp4}, {"casp x", casp8},
    {"ldadd x", ldadd8}, {"stadd w", stadd4}, {"swph", swph}, {"ldsmax w", ldsmax4}, {"ldr x", ldr8}, {"ldp x", ldp8}, {"stp w", stp4},
    {"ldr q", ldrq},
};

static uint64_t pair[2] __attribute__((aligned(16)));
static volatile int stop, writing;

static void write_pairs(uint64_t *to) {
    for (uint64_t n = 0; !stop; n++) {
        __asm__ volatile("stp %0, %0, [%1]" : : "r"(n), "r"(to) : "memory");
        if (n == 1000)
            writing = 1;
    }
}

__attribute__((noinline)) static int read_pairs(uint64_t *from, int times) {
    int bad = 0;
    while (times--) {
        uint64_t a, b;
        __asm__ volatile("ldp %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(from) : "memory");
        bad += a != b;
    }
    return bad;
}

static void *writer(void *arg) {
    write_pairs(arg);
    return 0;
}

// A process that has its memory alone may read pairs in two: what it has read so before must not be read so with another thread, or process, beside it.
static int torn(void) {
    pthread_t t;
    pthread_create(&t, 0, writer, pair);
    // Who looks at the code that is made wants that of one thread at a time.
    while (!writing)
        usleep(1000);
    int bad = read_pairs(pair, 3000000);
    stop = 1;
    pthread_join(t, 0);
    return bad;
}

static int torn_by_process(void) {
    int bad = read_pairs(pair, 100000);
    uint64_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bad += read_pairs(shared, 1000);
    pid_t child = fork();
    if (!child)
        write_pairs(shared);
    bad += read_pairs(shared, 3000000);
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    return bad;
}

int main(int argc, char **argv) {
    // Only this, for those who look at the code.
    if (argc > 1)
        return strcmp(argv[1], "thread") ? torn_by_process() : read_pairs(pair, 100000) + torn();
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &act, 0);
    sigaction(SIGSEGV, &act, 0);
    for (unsigned n = 0; n < sizeof forms / sizeof *forms; n++) {
        printf("%-12s", forms[n].name);
        for (int at = 0; at < 17; at++) {
            int sig = sigsetjmp(back, 1);
            if (!sig) {
                forms[n].f(area + 16 + at);
                putchar('.');
            } else {
                putchar(sig == SIGBUS && code == BUS_ADRALN && fault == area + 16 + at ? 'B' : '?');
            }
        }
        putchar('\n');
    }
    fflush(stdout);
    // Each in a process that has been alone.
    pid_t child = fork();
    if (!child) {
        printf("torn by a process %d\n", torn_by_process());
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, 0, 0);
    int before = read_pairs(pair, 100000);
    printf("torn %d\n", before + torn());
}
