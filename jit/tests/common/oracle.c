/* Runs single A64 instructions on given register states: reads an array of `struct state` from the file argv[1], executes each one's
 * instruction, and writes the array back with the state after it. `insn` becomes the number of the signal it raised, 0 for none. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

struct state {
    uint32_t insn, nzcv, fpcr, fpsr;
    uint64_t x[31];
    uint64_t stub;
    __uint128_t v[32];
};
_Static_assert(sizeof(struct state) == 784, "the assembly below and the reader know the layout");

/* A stub is: ldr x30, [sp, #256]; the instruction; b after. sp points to the state, so that no general register is lost. */
enum { BATCH = 4096, STUB = 3 };
static uint32_t code[BATCH * STUB] __attribute__((aligned(65536)));
static struct state *current;

void enter(struct state *);
void after(void);
__asm__(
    ".macro each_v op\n"
    "  .irp n,0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
    "    v_pair \\op, \\n, %(\\n+1)\n"
    "  .endr\n"
    ".endm\n"
    ".altmacro\n"
    ".macro v_pair op, a, b\n"
    "  \\op q\\a, q\\b, [sp, #272 + 16 * \\a]\n"
    ".endm\n"
    ".macro x_pair op, a, b\n"
    "  \\op x\\a, x\\b, [sp, #16 + 8 * \\a]\n"
    ".endm\n"
    ".macro each_x op\n"
    "  .irp n,2,4,6,8,10,12,14,16,18,20,22,24,26,28\n"
    "    x_pair \\op, \\n, %(\\n+1)\n"
    "  .endr\n"
    ".endm\n"
    ".text\n"
    ".global enter\n"
    "enter:\n"
    "  stp x29, x30, [sp, #-160]!\n"
    "  stp x19, x20, [sp, #16]\n"
    "  stp x21, x22, [sp, #32]\n"
    "  stp x23, x24, [sp, #48]\n"
    "  stp x25, x26, [sp, #64]\n"
    "  stp x27, x28, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n"
    "  stp d10, d11, [sp, #112]\n"
    "  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  adrp x1, saved_sp\n"
    "  mov x2, sp\n"
    "  str x2, [x1, :lo12:saved_sp]\n"
    "  mov sp, x0\n"
    "  ldr w0, [sp, #4]\n"
    "  msr nzcv, x0\n"
    "  ldr w0, [sp, #8]\n"
    "  msr fpcr, x0\n"
    "  ldr w0, [sp, #12]\n"
    "  msr fpsr, x0\n"
    "  each_v ldp\n"
    "  each_x ldp\n"
    "  ldp x0, x1, [sp, #16]\n"
    "  ldr x30, [sp, #264]\n"
    "  br x30\n"
    ".global after\n"
    "after:\n"
    "  str x30, [sp, #256]\n"
    "  stp x0, x1, [sp, #16]\n"
    "  each_x stp\n"
    "  each_v stp\n"
    "  mrs x0, nzcv\n"
    "  str w0, [sp, #4]\n"
    "  mrs x0, fpcr\n"
    "  str w0, [sp, #8]\n"
    "  mrs x0, fpsr\n"
    "  str w0, [sp, #12]\n"
    "  msr fpcr, xzr\n"
    "  adrp x1, saved_sp\n"
    "  ldr x2, [x1, :lo12:saved_sp]\n"
    "  mov sp, x2\n"
    "  ldp x19, x20, [sp, #16]\n"
    "  ldp x21, x22, [sp, #32]\n"
    "  ldp x23, x24, [sp, #48]\n"
    "  ldp x25, x26, [sp, #64]\n"
    "  ldp x27, x28, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n"
    "  ldp d10, d11, [sp, #112]\n"
    "  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  ldp x29, x30, [sp], #160\n"
    "  ret\n"
    ".bss\n"
    ".balign 8\n"
    "saved_sp: .skip 8\n"
    ".text\n"
    ".noaltmacro\n");

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)info;
    current->insn = sig;
    ((ucontext_t *)context)->uc_mcontext.pc = (uint64_t)after;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void run(struct state *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t *p = code + i * STUB;
        p[0] = 0xf94083fe;
        p[1] = s[i].insn;
        p[2] = 0x14000000 | ((((intptr_t)after - (intptr_t)&p[2]) >> 2) & 0x3ffffff);
        s[i].stub = (uint64_t)p;
    }
    __builtin___clear_cache((char *)code, (char *)(code + n * STUB));
    for (size_t i = 0; i < n; i++) {
        current = &s[i];
        s[i].insn = 0;
        enter(&s[i]);
    }
}

int main(int argc, char **argv)
{
    FILE *f = fopen(argc > 1 ? argv[1] : "", "r+b");
    if (!f)
        die("open");
    if (mprotect(code, sizeof code, PROT_READ | PROT_WRITE | PROT_EXEC))
        die("mprotect");
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, 0);
    struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGILL, &act, 0);
    sigaction(SIGSEGV, &act, 0);
    sigaction(SIGBUS, &act, 0);
    sigaction(SIGTRAP, &act, 0);
    static struct state batch[BATCH] __attribute__((aligned(16)));
    for (long at = 0;;) {
        size_t n;
        fseek(f, at, SEEK_SET);
        n = fread(batch, sizeof *batch, BATCH, f);
        if (!n)
            return 0;
        run(batch, n);
        fseek(f, at, SEEK_SET);
        if (fwrite(batch, sizeof *batch, n, f) != n || fflush(f))
            die("write");
        at += n * sizeof *batch;
    }
}
