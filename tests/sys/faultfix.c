// Faults that a handler repairs, steps over or turns into something else, as managed languages do: on arm64 every kind of access, with the exact
// address, pc and registers, and nothing done of the instruction that faulted. The expected answers are the architecture's; what is not
// arm64 has no such instructions and only says them.
#include "sys.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static unsigned char *base; // A readable page, then one without any rights, then a read-only one.
#define PAGE 4096

static sigjmp_buf out;
static volatile int faults;
static void leap(int s, siginfo_t *i, void *c) { (void)i, (void)c, faults++, siglongjmp(out, s); }
static void open_page(int s, siginfo_t *i, void *c) {
  (void)s, (void)c, faults++;
  mprotect((void *)((uintptr_t)i->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
}
static void set(int sig, void (*f)(int, siginfo_t *, void *)) {
  struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(sig, &a, NULL);
}

// Null checks by fault in a loop, and a collector's write barrier: pages are closed again and again.
static void everywhere(void) {
  int caught = 0;
  set(SIGSEGV, leap);
  for (volatile int i = 0; i < 500; i++) {
    int *volatile p = i % 3 ? (int *)base : NULL;
    if (sigsetjmp(out, 1)) caught++;
    else *p = i;
  }
  printf("null checks: %d\n", caught);
  set(SIGSEGV, open_page);
  faults = 0;
  long sum = 0;
  for (int i = 0; i < 200; i++) {
    mprotect(base + PAGE, PAGE, i & 1 ? PROT_READ : PROT_NONE);
    base[PAGE + i] = i;
    sum += base[PAGE + i];
  }
  printf("barriers: %d, sum %ld\n", faults, sum);
}

#ifdef __aarch64__
struct regs {
  uint64_t x[4], nzcv;
  __uint128_t v[4];
} at_entry, at_fault, at_end;
static siginfo_t info;
static uint64_t fault_pc, esr;
static int kind; // 0: step over, 1: repair, 2: change registers and step over, 3: go elsewhere
extern char elsewhere[];

static struct fpsimd_context *fpsimd(ucontext_t *u) {
  struct _aarch64_ctx *c = (void *)u->uc_mcontext.__reserved;
  while (c->magic != FPSIMD_MAGIC) c = (void *)((char *)c + c->size);
  return (void *)c;
}
static void on_fault(int s, siginfo_t *i, void *c) {
  ucontext_t *u = c;
  (void)s;
  info = *i, fault_pc = u->uc_mcontext.pc, faults++;
  for (int k = 0; k < 4; k++) at_fault.x[k] = u->uc_mcontext.regs[k], at_fault.v[k] = fpsimd(u)->vregs[k];
  at_fault.nzcv = u->uc_mcontext.pstate & 0xf0000000;
  struct _aarch64_ctx *e = (void *)u->uc_mcontext.__reserved;
  for (esr = 0; e->magic; e = (void *)((char *)e + e->size))
    if (e->magic == ESR_MAGIC) esr = ((struct esr_context *)e)->esr;
  if (kind == 1) mprotect(base + PAGE, PAGE, PROT_READ | PROT_WRITE);
  else u->uc_mcontext.pc += 4;
  if (kind == 2) {
    u->uc_mcontext.regs[1] = 0x1111, u->uc_mcontext.pstate ^= 0xf0000000;
    fpsimd(u)->vregs[1] = 0x2222, fpsimd(u)->fpcr = 0x00c00000, fpsimd(u)->fpsr = 0x0800001f;
  }
  if (kind == 3) u->uc_mcontext.pc = (uint64_t)elsewhere;
}

static int wrong;
static void expect(const char *name, const char *what, uint64_t is, uint64_t should) {
  if (is == should) return;
  wrong++;
  printf("%s: %s is %lx, should be %lx\n", name, what, is, should);
}
static void same_regs(const char *name, struct regs *a, struct regs *b) {
  static const char *const xs[] = {"x0", "x1", "x2", "x3"}, *const vs[] = {"v0", "v1", "v2", "v3"};
  for (int k = 0; k < 4; k++) expect(name, xs[k], a->x[k], b->x[k]), expect(name, vs[k], a->v[k], b->v[k]);
  expect(name, "flags", a->nzcv, b->nzcv);
}

// Run one instruction with x0 = address and known registers; what the registers are afterwards is in at_end.
#define FORM(text)                                                                                                                       \
  static uint64_t form(uint64_t x0) {                                                                                                    \
    register struct regs *e asm("x9") = &at_entry, *n asm("x10") = &at_end;                                                              \
    uint64_t pc;                                                                                                                         \
    asm volatile("ldp x0, x1, [x9]; ldp x2, x3, [x9, 16]; ldr x11, [x9, 32]; msr nzcv, x11\n"                                            \
                 "ldp q0, q1, [x9, 48]; ldp q2, q3, [x9, 80]; adr %0, 1f\n"                                                              \
                 "1: " text "\n"                                                                                                         \
                 "stp x0, x1, [x10]; stp x2, x3, [x10, 16]; mrs x11, nzcv; str x11, [x10, 32]\n"                                         \
                 "stp q0, q1, [x10, 48]; stp q2, q3, [x10, 80]\n"                                                                        \
                 : "=&r"(pc) : "r"(e), "r"(n) : "x0", "x1", "x2", "x3", "x11", "v0", "v1", "v2", "v3", "cc", "memory");                   \
    return pc;                                                                                                                           \
  }

struct form { const char *name; uint64_t (*run)(uint64_t); int offset, writeback, bytes, write; };
#define form f0
FORM("ldr x1, [x0], 16")
#undef form
#define form f1
FORM("ldr x1, [x0, 16]!")
#undef form
#define form f2
FORM("str x1, [x0, -16]!")
#undef form
#define form f3
FORM("ldp x1, x2, [x0], 32")
#undef form
#define form f4
FORM("stp x1, x2, [x0, 48]!")
#undef form
#define form f5
FORM("ldrb w1, [x0, x3]")
#undef form
#define form f6
FORM("ldrsw x1, [x0, 12]")
#undef form
#define form f7
FORM("ldp q0, q1, [x0], 64")
#undef form
#define form f8
FORM("str q2, [x0], 16")
#undef form
#define form f9
FORM("ldxr x1, [x0]")
#undef form
#define form f10
FORM("ldaxp x1, x2, [x0]")
#undef form
#define form f11
FORM("ldar w1, [x0]")
#undef form
#define form f12
FORM("stlr x1, [x0]")
#undef form
#define form f13
FORM(".arch armv8.1-a\nldaddal x1, x2, [x0]")
#undef form
#define form f14
FORM(".arch armv8.1-a\ncasal x1, x2, [x0]")
#undef form
#define form f15
FORM(".arch armv8.1-a\nswp w1, w2, [x0]")
#undef form
#define form f16
FORM("ld1 {v0.16b-v3.16b}, [x0], 64")
#undef form
#define form f17
FORM("ld4 {v0.4s-v3.4s}, [x0], x3")
#undef form
#define form f18
FORM("st2 {v1.8h, v2.8h}, [x0], 32")
#undef form
#define form f19
FORM("ld1r {v2.2d}, [x0], 8")
#undef form
#define form f20
FORM("st3 {v0.b, v1.b, v2.b}[5], [x0], 3")
#undef form
#define form f21
FORM("dc zva, x0")
#undef form
#define form f22
FORM("ldur x1, [x0, -3]")
#undef form
#define form f23
FORM("ldpsw x1, x2, [x0, 8]!")
#undef form
#define form f24
FORM("ldnp d0, d1, [x0]")
#undef form

static const struct form forms[] = {
    {"ldr post", f0, 0, 16, 8, 0}, {"ldr pre", f1, 16, 16, 8, 0}, {"str pre", f2, -16, -16, 8, 1}, {"ldp post", f3, 0, 32, 16, 0},
    {"stp pre", f4, 48, 48, 16, 1}, {"ldrb index", f5, 64, 0, 1, 0}, {"ldrsw", f6, 12, 0, 4, 0}, {"ldp q", f7, 0, 64, 32, 0}, {"str q", f8, 0, 16, 16, 1},
    {"ldxr", f9, 0, 0, 8, 0}, {"ldaxp", f10, 0, 0, 16, 0}, {"ldar", f11, 0, 0, 4, 0}, {"stlr", f12, 0, 0, 8, 1}, {"ldadd", f13, 0, 0, 8, 1},
    {"cas", f14, 0, 0, 8, 1}, {"swp", f15, 0, 0, 4, 1}, {"ld1 x4", f16, 0, 64, 64, 0}, {"ld4", f17, 0, 64, 64, 0}, {"st2", f18, 0, 32, 32, 1}, {"ld1r", f19, 0, 8, 8, 0},
    {"st3 lane", f20, 0, 3, 3, 1}, {"dc zva", f21, 0, 0, 64, 1}, {"ldur", f22, -3, 0, 8, 0}, {"ldpsw", f23, 8, 8, 8, 0}, {"ldnp d", f24, 0, 0, 16, 0},
};

static void prepare(uint64_t x0) {
  at_entry = (struct regs){{x0, 0x1234567890abcdef, 0xfedcba0987654321, 64}, 0x60000000, {1, (__uint128_t)2 << 64, 3, (__uint128_t)4 << 70}};
}
static void one(const struct form *f) {
  unsigned char *page = base + PAGE;
  for (int where = 0; where < 2; where++) {
    // In the middle of the closed page; and with the last byte alone in it.
    uint64_t target = (uint64_t)page + (where ? 1 - f->bytes : 256), x0 = target - f->offset;
    int aligned = !strncmp(f->name, "ldx", 3) || !strncmp(f->name, "lda", 3) || !strncmp(f->name, "stl", 3) || !strcmp(f->name, "ldadd") ||
                  !strcmp(f->name, "cas") || !strcmp(f->name, "swp") || !strcmp(f->name, "dc zva");
    if (where && (aligned || f->bytes == 1)) continue;
    uint64_t address = where ? (uint64_t)page : target;
    prepare(x0);
    mprotect(page, PAGE, PROT_NONE);
    kind = 0, faults = 0;
    uint64_t pc = f->run(x0);
    expect(f->name, "number of faults", faults, 1);
    expect(f->name, "signal", info.si_signo, SIGSEGV);
    expect(f->name, "code", info.si_code, SEGV_ACCERR);
    expect(f->name, "address", (uint64_t)info.si_addr, address);
    expect(f->name, "pc", fault_pc, pc);
    expect(f->name, "write bit", esr >> 6 & 1, f->write);
    same_regs(f->name, &at_fault, &at_entry);
    same_regs(f->name, &at_end, &at_entry);
    // Of one register nothing is written; several are accesses of their own.
    for (int k = 0; where && !strcmp(f->name, "str pre") && k < f->bytes - 1; k++) expect(f->name, "byte before", page[-1 - k], 0);
    // Read-only: a write faults, a read doesn't.
    mprotect(page, PAGE, PROT_READ);
    prepare(x0);
    faults = 0;
    f->run(x0);
    expect(f->name, "faults in a read-only page", faults, f->write);
    if (f->write) expect(f->name, "code", info.si_code, SEGV_ACCERR);
    // Repaired: the instruction happens once.
    mprotect(page, PAGE, PROT_NONE);
    prepare(x0);
    kind = 1, faults = 0;
    f->run(x0);
    expect(f->name, "faults when repaired", faults, 1);
    expect(f->name, "base after", at_end.x[0], x0 + f->writeback);
    memset(page - 64, 0, 512);
  }
}

static void changed(void) {
  uint64_t fpcr, fpsr;
  prepare((uint64_t)base + PAGE);
  mprotect(base + PAGE, PAGE, PROT_NONE);
  kind = 2;
  f0(0);
  asm volatile("mrs %0, fpcr; mrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
  asm volatile("msr fpcr, xzr; msr fpsr, xzr");
  expect("changed", "x1", at_end.x[1], 0x1111);
  expect("changed", "v1", at_end.v[1], 0x2222);
  expect("changed", "flags", at_end.nzcv, 0x90000000);
  expect("changed", "fpcr", fpcr, 0x00c00000);
  expect("changed", "fpsr", fpsr, 0x0800001f);
}

// Flags that are live at a fault, made in every way; and what a handler that goes elsewhere finds in them.
asm(".globl elsewhere\nelsewhere: mrs x0, nzcv; ret");
static void flags(void) {
  static const uint64_t values[] = {0, 1, 5, 1UL << 63, -1UL, 0x7fffffffffffffff};
  mprotect(base + PAGE, PAGE, PROT_NONE);
  kind = 0;
  for (int i = 0; i < 36; i++) {
    uint64_t a = values[i / 6], b = values[i % 6], should, is;
    unsigned char *p = base + PAGE + 8;
#define LIVE(op)                                                                                                                         \
  asm volatile(op "\nmrs %0, nzcv" : "=r"(should) : "r"(a), "r"(b) : "cc");                                                              \
  asm volatile(op "\nldr xzr, [%3]\ncset %0, eq\nmrs %0, nzcv" : "=&r"(is) : "r"(a), "r"(b), "r"(p) : "cc");                             \
  expect("live " op, "flags", is, should), expect("live " op, "flags at the fault", at_fault.nzcv, should);
    LIVE("cmp %1, %2")
    LIVE("cmn %1, %2")
    LIVE("cmp %w1, %w2")
    LIVE("tst %1, %2")
    LIVE("subs xzr, %1, #1")
    LIVE("ccmp %1, %2, #5, ne")
  }
}

static void others(void) {
  set(SIGILL, on_fault), set(SIGTRAP, on_fault), set(SIGBUS, on_fault), set(SIGFPE, on_fault);
  uint64_t pc, r;
  kind = 0;
  asm volatile("adr %0, 1f\n1: udf #7" : "=r"(pc));
  expect("udf", "signal", info.si_signo, SIGILL), expect("udf", "pc", fault_pc, pc), expect("udf", "address", (uint64_t)info.si_addr, pc);
  expect("udf", "code", info.si_code, ILL_ILLOPC);
  asm volatile("adr %0, 1f\n1: brk #77" : "=r"(pc));
  expect("brk", "signal", info.si_signo, SIGTRAP), expect("brk", "pc", fault_pc, pc), expect("brk", "address", (uint64_t)info.si_addr, pc);
  expect("brk", "code", info.si_code, TRAP_BRKPT);
  asm volatile("udiv %0, %1, xzr" : "=r"(r) : "r"(5L));
  expect("udiv", "by zero", r, 0);
  // A call of what is no code: the fault is at the target, x30 is set.
  kind = 3;
  asm volatile("blr %1\nmov %0, x0" : "=r"(r) : "r"(base) : "x0", "x30", "memory");
  expect("blr", "address", (uint64_t)info.si_addr, (uint64_t)base), expect("blr", "code", info.si_code, SEGV_ACCERR);
  asm volatile("blr %1\nmov %0, x0" : "=r"(r) : "r"(base + 2) : "x0", "x30", "memory");
  expect("blr misaligned", "signal", info.si_signo, SIGBUS), expect("blr misaligned", "address", (uint64_t)info.si_addr, (uint64_t)base + 2);
}
static void arm64(void) {
  set(SIGSEGV, on_fault);
  // Twice: the second time the code is translated and linked.
  for (int round = 0; round < 2; round++) {
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) one(&forms[i]);
    changed();
    flags();
    others();
  }
  printf("arm64: wrong %d\n", wrong);
}
#else
static void arm64(void) { printf("arm64: wrong 0\n"); }
#endif

int main(void) {
  alarm(60);
  base = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  everywhere();
  arm64();
}
