// Code changed by one thread while others run it, in the ways that the architecture allows: any change if the others synchronize before they run it
// (membarrier, an interrupt, an ISB of their own); between B, BL, NOP, BRK and SVC without.
#include "code.h"
#include <sys/prctl.h>

#define THREADS 8
#define UNTIL(cond) \
  for (int spins_ = 0; !(cond); spins_++) (void)(spins_ > 200 && sched_yield())

static char *page;
static _Atomic int stop;
static _Atomic long turns[THREADS];
static pthread_t threads[THREADS];

static void start(int n, void *(*body)(void *)) {
  for (long i = 0; i < n; i++) CHECK(!pthread_create(&threads[i], NULL, body, (void *)i));
}
static void join(int n) {
  stop = 1;
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
}
// Each thread has been round once more, completely.
static void all_round(int n) {
  for (int i = 0; i < n; i++) {
    long now = turns[i];
    UNTIL(turns[i] >= now + 2);
  }
}
static void sync_core(void) { CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0)); }
static void allow_sync_core(void) { CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0)); }

// A branch in a function that all threads call all the time: nop ↔ b ↔ b elsewhere. What they see is one of the versions, and, once the writer
// has published a version and all have gone round, that version. Neither ISB nor system calls on their side.
static _Atomic int allowed[3];
static void *caller(void *arg) {
  long me = (long)arg;
  while (!stop) {
    int r = call(page);
    CHECK(r >= 1 && r <= 3 && allowed[r - 1]);
    turns[me]++;
  }
  return NULL;
}
static void patched_branch(void) {
  insn *p = (insn *)(page = map(2 * PAGE, RWX));
  insn *far = p + PAGE / 4 + 30;
  p[0] = movz(0, 1), p[1] = NOP, p[2] = RET, p[3] = movz(0, 2), p[4] = RET, far[0] = movz(0, 3), far[1] = RET;
  flush(p, 2 * PAGE);
  insn versions[] = {NOP, br_rel(p + 1, p + 3), br_rel(p + 1, far)};
  allowed[0] = 1;
  start(4, caller);
  for (int i = 1; i < 1000; i++) {
    allowed[i % 3] = 1;
    __atomic_store_n(p + 1, versions[i % 3], __ATOMIC_RELEASE), publish_line(p + 1);
    if (i % 50) continue;
    all_round(4);
    allowed[(i + 1) % 3] = allowed[(i + 2) % 3] = 0;
    all_round(4);
  }
  join(4);
}

// The same with a call's target, out of a caller that never ends, so that nothing but the change brings it elsewhere.
static _Atomic long counts[3];
static void count0(void) { counts[0]++; }
static void count1(void) { counts[1]++; }
static void *endless(void *code) {
  ((void (*)(_Atomic int *))code)(&stop);
  return NULL;
}
static void veneer(insn *at, void (*f)(void)) {
  uint64_t a = (uint64_t)f;
  at[0] = 0x58000050, at[1] = 0xd61f0200; // ldr x16, .+8; br x16
  memcpy(at + 2, &a, 8);
}
static void patched_call(void) {
  insn *p = map(PAGE, RWX), *v0 = p + 64, *v1 = p + 128;
  veneer(v0, count0), veneer(v1, count1);
  int n = 0;
  p[n++] = 0xa9be7bfd, p[n++] = 0xf9000bf3, p[n++] = 0xaa0003f3; // stp x29, x30, [sp, #-32]!; str x19, [sp, #16]; mov x19, x0
  int site = n;
  p[n] = bl_rel(p + n, v0), n++;
  p[n++] = 0xb9400260;                                              // ldr w0, [x19]
  p[n] = 0x34000000 | ((insn)(site - n) & 0x7ffff) << 5, n++;       // cbz w0, site
  p[n++] = 0xf9400bf3, p[n++] = 0xa8c27bfd, p[n++] = RET;           // ldr x19, [sp, #16]; ldp x29, x30, [sp], #32; ret
  flush(p, PAGE);
  pthread_t t;
  pthread_create(&t, NULL, endless, p);
  for (int i = 0; i < 400; i++) {
    long before = counts[i & 1];
    __atomic_store_n(p + site, bl_rel(p + site, i & 1 ? v1 : v0), __ATOMIC_RELEASE), publish_line(p + site);
    UNTIL(counts[i & 1] > before + 1);
    long other = counts[!(i & 1)], mine = counts[i & 1];
    UNTIL(counts[i & 1] > mine + 100);
    CHECK(counts[!(i & 1)] <= other + 1);
  }
  stop = 1;
  pthread_join(t, NULL);
}

// Threads that spin in a branch to itself, and leave when it becomes a NOP: nothing else brings them out.
static void *spin(void *arg) {
  (void)arg;
  call(page);
  return NULL;
}
static void branch_to_itself(void) {
  insn *p = (insn *)(page = map(PAGE, RWX));
  for (int i = 0; i < 40; i++) {
    p[0] = movz(0, 1), p[1] = 0x14000000, p[2] = RET, flush(p, 12);
    start(3, spin);
    nap(5);
    __atomic_store_n(p + 1, NOP, __ATOMIC_RELEASE), publish_line(p + 1);
    for (int k = 0; k < 3; k++) pthread_join(threads[k], NULL);
  }
}

// Breakpoints and system calls put into running code and taken out again.
static _Atomic long traps;
static void skip(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info;
  traps++;
  ((ucontext_t *)context)->uc_mcontext.pc += 4;
}
static void *tripper(void *arg) {
  long me = (long)arg;
  register long x8 asm("x8") = SYS_getpid;
  while (!stop) {
    asm volatile("blr %0" ::"r"(page), "r"(x8) : "x0", "x30", "memory", "cc");
    if (++turns[me] % 16 == 0) sched_yield();
  }
  return NULL;
}
static void breakpoints(void) {
  insn *p = (insn *)(page = map(PAGE, RWX));
  struct sigaction a = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &a, NULL);
  p[0] = movz(0, 1), p[1] = NOP, p[2] = RET, flush(p, 12);
  start(3, tripper);
  insn versions[] = {NOP, brk_insn(7), svc(), brk_insn(7)};
  for (int i = 1; i < 40; i++) {
    __atomic_store_n(p + 1, versions[i % 4], __ATOMIC_RELEASE), publish_line(p + 1);
    all_round(3);
    long before = traps;
    if (i & 1)
      UNTIL(traps > before + 2);
    else {
      all_round(3);
      CHECK(traps == before);
    }
  }
  join(3);
}

// Functions replaced as a whole. Each has an owner's word: 0 nobody may call, else the value that it returns. Readers announce themselves; the writer
// waits until a function is nobody's, writes, invalidates, has all others synchronize, and releases it.
#define SLOTS 64
#define STRIDE 48
static struct slot {
  _Atomic int readers, value;
} slots[SLOTS];
static _Atomic long calls_made;
static int through_register;
static void *reader(void *arg) {
  unsigned seed = (unsigned)(long)arg * 7919u + 1;
  long n = 0;
  while (!stop) {
    seed = seed * 1664525u + 1013904223u;
    unsigned k = seed >> 16 & (SLOTS - 1);
    struct slot *s = slots + k;
    s->readers++;
    int v = s->value;
    if (v) {
      // By pointer, or by a direct branch that was linked to an earlier version.
      int got = call(page + k * STRIDE + (through_register ? 0 : PAGE));
      if (got != v) printf("slot %u: %d, not %d\n", k, got, v), fflush(stdout), _exit(1);
      n++;
    }
    s->readers--;
    if (++turns[(long)arg] % 256 == 0) sched_yield();
  }
  calls_made += n;
  return NULL;
}
static void on_interrupt(int sig) { (void)sig; }
static void replace(int readers, int rounds, void (*synchronize)(int)) {
  page = map(2 * PAGE, RWX);
  for (int k = 0; k < SLOTS; k++) {
    insn *jump = (insn *)(page + PAGE + k * STRIDE);
    jump[0] = br_rel(jump, page + k * STRIDE);
    put_fn(page + k * STRIDE, 1), slots[k].value = 1;
  }
  flush(page, 2 * PAGE);
  start(readers, reader);
  for (int i = 2; i < rounds; i++) {
    unsigned k = (unsigned)i * 2654435761u >> 16 & (SLOTS - 1);
    struct slot *s = slots + k;
    int value = i % 60000 + 1;
    s->value = 0;
    UNTIL(!s->readers);
    insn *f = (insn *)(page + k * STRIDE);
    if (i & 1)
      put_fn(f, (unsigned)value);
    else
      f[0] = movz(1, (unsigned)value), f[1] = 0x2a0103e0, f[2] = RET; // mov w0, w1
    for (uintptr_t line = (uintptr_t)f & -LINE; line < (uintptr_t)f + 12; line += LINE) publish_line((void *)line);
    synchronize(readers);
    s->value = value;
    if (i % 4 == 0) UNTIL(turns[i % (unsigned)readers] > i / 4);
  }
  join(readers);
  CHECK(calls_made > 0);
}
static void by_membarrier(int readers) { (void)readers, sync_core(); }
static void by_signals(int readers) {
  static _Atomic int x;
  for (int i = 0; i < readers; i++) pthread_kill(threads[i], SIGUSR1);
  for (int i = 0; i < readers; i++) {
    long now = turns[i];
    UNTIL(turns[i] >= now + 2);
  }
  x++;
}
static void membarrier_pointers(void) { allow_sync_core(), through_register = 1, replace(THREADS, 12000, by_membarrier); }
static void membarrier_branches(void) { allow_sync_core(), through_register = 0, replace(THREADS, 12000, by_membarrier); }
static void interrupts(void) {
  struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &a, NULL);
  through_register = 1, replace(2, 120, by_signals);
}

// Hand-over by a flag, with an ISB on the other side, as fast as it goes.
static _Atomic int posted, taken;
static void *runner(void *arg) {
  (void)arg;
  for (int i = 1; i <= 20000; i++) {
    UNTIL(posted == i);
    isb();
    int r = call(page);
    if (r != i) printf("%d, not %d\n", r, i), fflush(stdout), _exit(1);
    taken = i;
  }
  return NULL;
}
static void flag_and_isb(void) {
  page = map(PAGE, RWX);
  start(1, runner);
  for (int i = 1; i <= 20000; i++) {
    put_fn(page, (unsigned)i), publish_line(page);
    posted = i;
    UNTIL(taken == i);
  }
  join(1);
}

// Generated code comes and goes by munmap and mmap while others run what is around it.
static void *neighbour(void *arg) {
  char *mine = page + (long)arg * 3 * PAGE;
  while (!stop) {
    EQ(call(mine), 100 + (long)arg);
    EQ(call(mine + PAGE), 200 + (long)arg);
  }
  return NULL;
}
static void neighbours(void) {
  page = map(3 * 4 * PAGE, RWX);
  for (long t = 0; t < 4; t++) put_fn(page + t * 3 * PAGE, (unsigned)(100 + t)), put_fn(page + (t * 3 + 1) * PAGE, (unsigned)(200 + t));
  flush(page, 12 * PAGE);
  start(4, neighbour);
  for (unsigned i = 0; i < 3000; i++) {
    char *gap = page + (i % 4 * 3 + 2) * PAGE;
    CHECK(mmap(gap, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == gap);
    put_fn(gap, i), flush(gap, 8);
    EQ(call(gap), i);
    // Invalidation of what the others run, unchanged.
    flush(gap - PAGE, PAGE);
    munmap(gap, PAGE);
  }
  join(4);
}

int main(int argc, char **argv) {
#define T(name) {#name, name}
  static const struct test tests[] = {
      T(patched_branch), T(patched_call), T(branch_to_itself), T(breakpoints), T(membarrier_pointers),
      T(membarrier_branches), T(interrupts), T(flag_and_isb), T(neighbours),
  };
  return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
