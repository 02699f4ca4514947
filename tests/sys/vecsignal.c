// All vector registers across signals, at an access that faults and at any instruction: the handler sees each, changes each, and what was interrupted
// goes on with what it left.
#include "sys.h"
#include <sys/time.h>
#include <ucontext.h>

typedef uint64_t vec[2];

#ifdef __aarch64__
#include <asm/sigcontext.h>
enum { REGISTERS = 32 };
#define EACH(F)                                                                                                                                  \
  F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24)   \
      F(25) F(26) F(27) F(28) F(29) F(30) F(31)
#define LOAD(n) "ldr q" #n ", [%0, 16 * " #n "]\n"
#define STORE(n) "str q" #n ", [%0, 16 * " #n "]\n"
#define CHANGED(n) "v" #n,
#define FAULT "ldr x9, [%1]\n"
#define AT "r"
#define WAIT "1: ldr w9, [%1]\n add v31.2d, v31.2d, v30.2d\n sub v31.2d, v31.2d, v30.2d\n cbz w9, 1b\n"
#define TO_RESULT "mov %0, %2\n"
#define REST "x9", "memory"

static vec *frame(ucontext_t *u) {
  struct _aarch64_ctx *c = (void *)u->uc_mcontext.__reserved;
  while (c->magic != FPSIMD_MAGIC) c = (void *)((char *)c + c->size);
  return (vec *)((struct fpsimd_context *)c)->vregs;
}
static void skip(ucontext_t *u) { u->uc_mcontext.pc += 4; }
#else
enum { REGISTERS = 16 };
#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define LOAD(n) "movups 16 * " #n "(%0), %%xmm" #n "\n"
#define STORE(n) "movups %%xmm" #n ", 16 * " #n "(%0)\n"
#define CHANGED(n) "xmm" #n,
#define FAULT ".byte 0x48, 0x8b, 0x01\n" // mov (%rcx), %rax
#define AT "c"
#define WAIT "1: mov (%1), %%eax\n test %%eax, %%eax\n jz 1b\n"
#define TO_RESULT "mov %2, %0\n"
#define REST "rax", "memory"

static vec *frame(ucontext_t *u) { return (vec *)u->uc_mcontext.fpregs->_xmm; }
static void skip(ucontext_t *u) { u->uc_mcontext.gregs[REG_RIP] += 3; }

#endif

static vec before[REGISTERS], after[REGISTERS];
static volatile int signals, wrong, flag;

static uint64_t number(int round, int n, int half) { return 0x9e3779b97f4a7c15 * (round * 64 + n * 2 + half + 1); }

static void on(int sig, siginfo_t *i, void *context) {
  vec *v = frame(context);
  (void)i;
  for (int n = 0; n < REGISTERS; n++)
    for (int h = 0; h < 2; h++) {
      wrong += v[n][h] != before[n][h];
      v[n][h] = ~before[n][h];
    }
  signals++;
  flag = 1;
  if (sig == SIGSEGV) skip(context);
}

#define INTERRUPTED(at, what)                                                                                                                    \
  asm volatile(EACH(LOAD) what TO_RESULT EACH(STORE) : "+r"(p) : AT(at), "r"(after) : EACH(CHANGED) REST)

static void check(const char *what) {
  int kept = 0;
  for (int n = 0; n < REGISTERS; n++)
    for (int h = 0; h < 2; h++) kept += after[n][h] != ~before[n][h];
  printf("%s: %d wrong in handlers, %d wrong afterwards\n", what, wrong, kept);
  wrong = 0;
}

int main(void) {
  enter();
  struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &a, NULL);
  sigaction(SIGALRM, &a, NULL);
  for (int round = 0; round < 40; round++) {
    for (int n = 0; n < REGISTERS; n++)
      // Zeros, too: a processor may save them as nothing at all.
      for (int h = 0; h < 2; h++) before[n][h] = round % 8 == 7 ? 0 : number(round, n, h);
    flag = 0;
    vec *p = before;
    if (round % 2) {
      INTERRUPTED(BAD, FAULT);
    } else {
      struct itimerval t = {.it_value.tv_usec = 3000};
      setitimer(ITIMER_REAL, &t, NULL);
      INTERRUPTED(&flag, WAIT);
    }
    check(round % 2 ? "fault" : "timer");
  }
  IS(signals == 40);
  return 0;
}
