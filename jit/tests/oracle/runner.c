// Runs single cases of guest code on whatever executes this program (qemu-aarch64 or a real CPU) and reports the state after.
//
// Input: a header, then cases. Output: one reply per case. A case's registers are put into a signal frame, and come back out of
// one: the code ends in BRK, so nothing here touches a register between the case's instructions and the report.

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { WORDS = 4, WINDOW_BYTES = 4096 };
static const uintptr_t CODE = 0x20000000, WINDOW = 0x30000000;

struct state {
    uint64_t x[31], sp, pc, nzcv;
    uint32_t fpcr, fpsr;
    __uint128_t v[32];
};

struct request {
    uint32_t code[WORDS];
    struct state s;
};

struct reply {
    uint64_t signal, fault_addr;
    struct state s;
    uint8_t window[WINDOW_BYTES];
};

static struct request *cases;
static struct reply out;
static uint8_t pristine[WINDOW_BYTES];
static ucontext_t home;
static uint32_t current;
static volatile int running;

static struct fpsimd_context *fp_of(ucontext_t *u) {
    struct _aarch64_ctx *c = (void *)u->uc_mcontext.__reserved;
    while (c->magic != FPSIMD_MAGIC) c = (void *)((char *)c + c->size);
    return (void *)c;
}

static void enter(ucontext_t *u, const struct state *s) {
    struct fpsimd_context *f = fp_of(u);
    memcpy(u->uc_mcontext.regs, s->x, sizeof s->x);
    u->uc_mcontext.sp = s->sp;
    u->uc_mcontext.pc = s->pc;
    u->uc_mcontext.pstate = (u->uc_mcontext.pstate & ~0xf0000000ull) | s->nzcv << 28;
    memcpy(f->vregs, s->v, sizeof s->v);
    f->fpcr = s->fpcr;
    f->fpsr = s->fpsr;
}

static void leave(ucontext_t *u, int sig, siginfo_t *info) {
    struct fpsimd_context *f = fp_of(u);
    out.signal = sig;
    out.fault_addr = (uintptr_t)info->si_addr;
    memcpy(out.s.x, u->uc_mcontext.regs, sizeof out.s.x);
    out.s.sp = u->uc_mcontext.sp;
    out.s.pc = u->uc_mcontext.pc;
    out.s.nzcv = u->uc_mcontext.pstate >> 28 & 15;
    memcpy(out.s.v, f->vregs, sizeof out.s.v);
    out.s.fpcr = f->fpcr;
    out.s.fpsr = f->fpsr;
    memcpy(u->uc_mcontext.regs, home.uc_mcontext.regs, sizeof u->uc_mcontext.regs);
    u->uc_mcontext.sp = home.uc_mcontext.sp;
    u->uc_mcontext.pc = home.uc_mcontext.pc + 4;
    u->uc_mcontext.pstate = home.uc_mcontext.pstate;
    f->fpcr = 0;
    f->fpsr = 0;
}

static void handler(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    if (running) {
        leave(u, sig, info);
    } else {
        home = *u;
        enter(u, &cases[current].s);
    }
    running = !running;
}

static void read_all(void *p, size_t n) {
    for (char *at = p; n;) {
        ssize_t got = read(0, at, n);
        if (got <= 0) exit(2);
        at += got;
        n -= got;
    }
}

static void write_all(const void *p, size_t n) {
    for (const char *at = p; n;) {
        ssize_t put = write(1, at, n);
        if (put <= 0) exit(3);
        at += put;
        n -= put;
    }
}

static void *map(uintptr_t at, size_t n, int prot) {
    void *p = mmap((void *)at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (p == MAP_FAILED) exit(4);
    return p;
}

int main(void) {
    uint32_t count;
    read_all(&count, sizeof count);
    read_all(pristine, sizeof pristine);
    cases = map(0, count * sizeof *cases, PROT_READ | PROT_WRITE);
    read_all(cases, count * sizeof *cases);
    uint8_t *window = map(WINDOW, WINDOW_BYTES, PROT_READ | PROT_WRITE);
    uint32_t *code = map(CODE, count * WORDS * 4, PROT_READ | PROT_WRITE | PROT_EXEC);
    for (uint32_t n = 0; n < count; n++) memcpy(code + n * WORDS, cases[n].code, sizeof cases[n].code);
    __builtin___clear_cache((char *)code, (char *)(code + count * WORDS));

    stack_t alt = {.ss_sp = map(0, 1 << 16, PROT_READ | PROT_WRITE), .ss_size = 1 << 16};
    sigaltstack(&alt, 0);
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int signals[] = {SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE};
    for (int n = 0; n < 5; n++) sigaction(signals[n], &act, 0);

    for (current = 0; current < count; current++) {
        memcpy(window, pristine, WINDOW_BYTES);
        // The frame's vector registers are not put back: the compiler must not keep anything in them.
        __asm__ volatile("brk #1" ::: "memory",
                         "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
                         "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
        memcpy(out.window, window, WINDOW_BYTES);
        write_all(&out, sizeof out);
    }
    return 0;
}
