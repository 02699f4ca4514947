// Runs cases of guest code on whatever executes this program (qemu-aarch64 or a real CPU) and reports the state after each.
//
// Descriptor 0 is a file with the requests, descriptor 1 one of the right size for the replies; both are mapped. A case that runs to
// the end of its code comes back through a branch, without a signal; every other end (BRK elsewhere, faults) through a signal frame.
// Nothing here touches a register between the case's instructions and the report.

#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { WORDS = 16, PAGE = 4096, GUARD = 65536, EDGE = 512, NO_EXIT = 0xff };
static const uintptr_t CODE = 0x20000000, WINDOW = 0x30000000;

struct state {
    uint64_t x[31], sp, pc, nzcv;
    uint32_t fpcr, fpsr;
    __uint128_t v[32];
};
_Static_assert(offsetof(struct state, sp) == 248 && offsetof(struct state, nzcv) == 264, "the assembly below");
_Static_assert(offsetof(struct state, fpcr) == 272 && offsetof(struct state, v) == 288, "the assembly below");

struct header {
    uint32_t count, pad[3];
    uint8_t edges[2 * EDGE];
};

struct request {
    uint32_t code[WORDS];
    // Which word of the code is its end (a BRK that stands for it), or NO_EXIT.
    uint32_t exit, pad[3];
    struct state s;
};

struct reply {
    // The signal, and the address that it reports.
    uint64_t signal, address;
    struct state s;
    uint8_t edges[2 * EDGE];
};

// A case's place: x30 is loaded last, by the place itself.
struct slot {
    uint32_t pad, load_x30;
    uint32_t code[WORDS];
    uint64_t x30;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct slot) == 96, "SLOT_BYTES");

struct state *reply_state;
uint64_t home[22];
void run_case(const struct state *s, const uint32_t *entry);
void go_home(void);
extern const uint32_t way_out[], way_out_end[];

__asm__(
    ".text\n"
    ".macro regs op, first, base\n"
    "    \\op x2, x3, [\\base, #16]\n    \\op x4, x5, [\\base, #32]\n    \\op x6, x7, [\\base, #48]\n"
    "    \\op x8, x9, [\\base, #64]\n    \\op x10, x11, [\\base, #80]\n    \\op x12, x13, [\\base, #96]\n"
    "    \\op x14, x15, [\\base, #112]\n    \\op x16, x17, [\\base, #128]\n    \\op x18, x19, [\\base, #144]\n"
    "    \\op x20, x21, [\\base, #160]\n    \\op x22, x23, [\\base, #176]\n    \\op x24, x25, [\\base, #192]\n"
    "    \\op x26, x27, [\\base, #208]\n    \\op x28, x29, [\\base, #224]\n    \\op x0, x1, [\\base]\n"
    ".endm\n"
    ".macro vregs op, base\n"
    "    \\op q0, q1, [\\base, #288]\n    \\op q2, q3, [\\base, #320]\n    \\op q4, q5, [\\base, #352]\n"
    "    \\op q6, q7, [\\base, #384]\n    \\op q8, q9, [\\base, #416]\n    \\op q10, q11, [\\base, #448]\n"
    "    \\op q12, q13, [\\base, #480]\n    \\op q14, q15, [\\base, #512]\n    \\op q16, q17, [\\base, #544]\n"
    "    \\op q18, q19, [\\base, #576]\n    \\op q20, q21, [\\base, #608]\n    \\op q22, q23, [\\base, #640]\n"
    "    \\op q24, q25, [\\base, #672]\n    \\op q26, q27, [\\base, #704]\n    \\op q28, q29, [\\base, #736]\n"
    "    \\op q30, q31, [\\base, #768]\n"
    ".endm\n"
    ".macro saved op\n"
    "    \\op x19, x20, [x2]\n    \\op x21, x22, [x2, #16]\n    \\op x23, x24, [x2, #32]\n    \\op x25, x26, [x2, #48]\n"
    "    \\op x27, x28, [x2, #64]\n    \\op x29, x30, [x2, #80]\n"
    "    \\op d8, d9, [x2, #112]\n    \\op d10, d11, [x2, #128]\n    \\op d12, d13, [x2, #144]\n    \\op d14, d15, [x2, #160]\n"
    ".endm\n"
    ".globl run_case\n"
    "run_case:\n"
    "    adrp x2, home\n    add x2, x2, :lo12:home\n"
    "    saved stp\n"
    "    mov x3, sp\n    mrs x4, tpidr_el0\n    stp x3, x4, [x2, #96]\n"
    "    clrex\n"
    "    ldr w3, [x0, #272]\n    msr fpcr, x3\n    ldr w3, [x0, #276]\n    msr fpsr, x3\n"
    "    vregs ldp, x0\n"
    "    ldr x3, [x0, #264]\n    lsl x3, x3, #28\n    msr nzcv, x3\n"
    "    ldr x3, [x0, #248]\n    mov sp, x3\n"
    "    mov x30, x1\n"
    "    regs ldp, 0, x0\n"
    "    br x30\n"
    // Copied to where the cases' code can reach it.
    ".globl way_out, way_out_end\n"
    ".balign 8\n"
    "way_out:\n"
    "    msr tpidr_el0, x30\n    ldr x30, 1f\n    br x30\n    nop\n1:  .quad came_out\n"
    "way_out_end:\n"
    "came_out:\n"
    "    adrp x30, reply_state\n    ldr x30, [x30, :lo12:reply_state]\n"
    "    regs stp, 0, x30\n"
    "    mrs x0, tpidr_el0\n    mov x1, sp\n    stp x0, x1, [x30, #240]\n"
    "    mrs x0, nzcv\n    lsr x0, x0, #28\n    str x0, [x30, #264]\n"
    "    mrs x0, fpcr\n    str w0, [x30, #272]\n    mrs x0, fpsr\n    str w0, [x30, #276]\n"
    "    vregs stp, x30\n"
    ".globl go_home\n"
    "go_home:\n"
    "    adrp x2, home\n    add x2, x2, :lo12:home\n"
    "    saved ldp\n"
    "    ldp x3, x4, [x2, #96]\n    mov sp, x3\n    msr tpidr_el0, x4\n    msr fpcr, xzr\n    msr fpsr, xzr\n"
    "    ret\n");

static struct reply *current;

static void handler(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    struct _aarch64_ctx *c = (void *)u->uc_mcontext.__reserved;
    while (c->magic != FPSIMD_MAGIC) c = (void *)((char *)c + c->size);
    struct fpsimd_context *f = (void *)c;
    current->signal = sig;
    current->address = (uintptr_t)info->si_addr;
    memcpy(current->s.x, u->uc_mcontext.regs, sizeof current->s.x);
    current->s.sp = u->uc_mcontext.sp;
    current->s.pc = u->uc_mcontext.pc;
    current->s.nzcv = u->uc_mcontext.pstate >> 28 & 15;
    memcpy(current->s.v, f->vregs, sizeof current->s.v);
    current->s.fpcr = f->fpcr;
    current->s.fpsr = f->fpsr;
    u->uc_mcontext.pc = (uintptr_t)go_home;
}

static void *map(uintptr_t at, size_t n, int prot, int flags, int fd) {
    void *p = mmap((void *)at, n, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0) | (at ? MAP_FIXED : 0), fd, 0);
    if (p == MAP_FAILED) exit(4);
    return p;
}

// Where branch `at` goes to `to`.
static uint32_t branch(const uint32_t *at, const void *to) {
    return 0x14000000 | (((uintptr_t)to - (uintptr_t)at) >> 2 & 0x3ffffff);
}

int main(void) {
    const struct header *head = map(0, PAGE, PROT_READ, MAP_PRIVATE, 0);
    uint32_t count = head->count;
    head = map(0, sizeof *head + count * sizeof(struct request), PROT_READ, MAP_PRIVATE, 0);
    const struct request *cases = (void *)(head + 1);
    struct reply *replies = map(0, count * sizeof *replies, PROT_READ | PROT_WRITE, MAP_SHARED, 1);
    map(WINDOW - GUARD, PAGE + 2 * GUARD, PROT_NONE, MAP_PRIVATE, -1);
    uint8_t *window = map(WINDOW, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
    char *code = map(CODE, PAGE + count * sizeof(struct slot), PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, -1);
    memcpy(code, way_out, (char *)way_out_end - (char *)way_out);
    struct slot *slots = (void *)(code + PAGE);
    for (uint32_t n = 0; n < count; n++) {
        struct slot *s = &slots[n];
        s->load_x30 = 0x58000000 | (offsetof(struct slot, x30) - offsetof(struct slot, load_x30)) >> 2 << 5 | 30;
        s->x30 = cases[n].s.x[30];
        memcpy(s->code, cases[n].code, sizeof s->code);
        uint32_t end = cases[n].exit;
        if (end < WORDS) s->code[end] = branch(&s->code[end], code);
    }
    __builtin___clear_cache(code, (char *)(slots + count));

    stack_t alt = {.ss_sp = map(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1), .ss_size = 1 << 16};
    sigaltstack(&alt, 0);
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int signals[] = {SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE};
    for (int n = 0; n < 5; n++) sigaction(signals[n], &act, 0);

    for (uint32_t n = 0; n < count; n++) {
        memcpy(window, head->edges, EDGE);
        memcpy(window + PAGE - EDGE, head->edges + EDGE, EDGE);
        current = &replies[n];
        reply_state = &current->s;
        current->signal = SIGTRAP;
        current->s.pc = (uintptr_t)&slots[n].code[cases[n].exit & (WORDS - 1)];
        run_case(&cases[n].s, &slots[n].load_x30);
        memcpy(current->edges, window, EDGE);
        memcpy(current->edges + EDGE, window + PAGE - EDGE, EDGE);
    }
    return 0;
}
