// What invalidation costs. Each line: what is done, nanoseconds per time; with arguments, only those named.
//   huge MEGABYTES: so much generated code, each function called twice, the second time in reverse
#include "code.h"

static int argc_;
static char **argv_;
static int wanted(const char *name) {
  if (argc_ < 2) return 1;
  for (int i = 1; i < argc_; i++)
    if (!strcmp(argv_[i], name)) return 1;
  return 0;
}
// Processor time of this thread: the machine may have other things to do.
static double used(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Repeats `step` (a number of operations at a time) for at least this long.
static double seconds = 0.2;
#define BENCH(name, what, count, ...) \
  if (wanted(name)) { \
    long n_ = 0; \
    double t_ = used(), d_; \
    do { \
      __VA_ARGS__; \
      n_ += count; \
      d_ = used() - t_; \
    } while (d_ < seconds); \
    printf("%-9s %-72s %10.1f ns\n", name, what, d_ * 1e9 / (double)n_), fflush(stdout); \
  }

static long resident_kb(void) {
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f) {
    if (fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    fclose(f);
  }
  return pages * 4;
}

static _Atomic int stop;
static char *busy_page;
static void *busy(void *arg) {
  char *mine = busy_page + (long)arg * 512;
  while (!stop) call(mine);
  return NULL;
}

static void huge(size_t megabytes) {
  size_t n = megabytes << 20, each = 1024, words = each / 4;
  char *p = mmap(NULL, n, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) perror("mmap"), exit(3);
  for (size_t f = 0; f < n / each; f++) {
    insn *c = (insn *)(p + f * each);
    c[0] = movz(0, f & 0xffff);
    for (size_t i = 1; i < words - 1; i++) c[i] = add_imm(0, 0, (unsigned)(f + i) & 0xff);
    c[words - 1] = RET;
  }
  flush(p, n);
  for (int round = 0; round < 2; round++) {
    double t = used();
    unsigned sum = 0, expected = 0;
    for (size_t k = 0; k < n / each; k++) {
      size_t f = round ? n / each - 1 - k : k;
      sum += (unsigned)call(p + f * each);
      expected += (unsigned)(f & 0xffff);
      for (size_t i = 1; i < words - 1; i++) expected += (unsigned)(f + i) & 0xff;
    }
    printf("huge      %zu MB, round %d: %s, %.0f ns an instruction, %ld MB resident\n", megabytes, round + 1,
           sum == expected ? "right" : "WRONG", (used() - t) * 1e9 / (double)(n / 4), resident_kb() >> 10), fflush(stdout);
    if (sum != expected) exit(1);
  }
}

int main(int argc, char **argv) {
  argc_ = argc, argv_ = argv;
  if (argc > 2 && !strcmp(argv[1], "huge")) return huge((size_t)atoi(argv[2])), 0;
  if (argc > 1 && !strcmp(argv[1], "churn")) {
    // Many rewritten functions of some size: memory must not grow without end.
    char *p = map(64 * PAGE, RWX);
    long most = 0, rounds = argc > 2 ? atol(argv[2]) : 300000;
    double t = used();
    for (long i = 0; i < rounds; i++) {
      insn *f = (insn *)(p + i % 512 * 512);
      for (int k = 0; k < 30; k++) f[k] = add_imm(k % 16, k % 7, (unsigned)(i + k) & 0xff);
      f[30] = movz(0, (unsigned)i & 0xffff), f[31] = RET;
      flush(f, 128);
      if (call(f) != (i & 0xffff)) return puts("WRONG"), 1;
      if (i % 1000 == 0 && resident_kb() > most) most = resident_kb();
    }
    printf("churn     %ld functions of 32 instructions written, run once and replaced: %.0f ns each, at most %ld MB resident\n", rounds,
           (used() - t) * 1e9 / (double)rounds, most >> 10);
    return 0;
  }
  char *p = map(2 * PAGE, RWX);
  unsigned v = 0;
  put_fn(p, 1), flush(p, 8), call(p);
  BENCH("call", "call of a function by pointer", 1000, for (int i = 0; i < 1000; i++) call(p));
  BENCH("rewrite", "write a function of two instructions, flush, call", 100, for (int i = 0; i < 100; i++) {
    put_fn(p, ++v & 0xffff), sync_line(p);
    if (call(p) != (int)(v & 0xffff)) return puts("WRONG"), 1;
  });
  size_t n = 64 << 20;
  char *big = mmap(NULL, n, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BENCH("cold", "IC IVAU of a line where no code is (1M lines)", (long)(n / LINE), for (char *l = big; l < big + n; l += LINE) {
    asm volatile("ic ivau, %0" ::"r"(l) : "memory");
  });
  // A page full of small functions.
  for (unsigned i = 0; i < PAGE / 8; i++) put_fn(p + i * 8, i);
  flush(p, PAGE);
  for (unsigned i = 0; i < PAGE / 8; i++) call(p + i * 8);
  BENCH("near", "IC IVAU of a line without code in a page with 500 functions", 100000, for (int i = 0; i < 100000; i++) {
    if (i == 0 && v) put_fn(p, 0), v = 0;
    asm volatile("ic ivau, %0" ::"r"(p) : "memory");
  });
  insn *nops = (insn *)map(PAGE, RWX);
  BENCH("dense", "write 512 functions, flush the page, call them: each", 512, {
    for (unsigned i = 0; i < PAGE / 8; i++) put_fn((char *)nops + i * 8, i + ++v % 100);
    flush(nops, PAGE);
    for (unsigned i = 0; i < PAGE / 8; i++) call((char *)nops + i * 8);
  });
  // Many live translations elsewhere.
  if (wanted("many")) {
    for (size_t i = 0; i < 100000; i++) put_fn(big + i * 256, i & 0xffff);
    flush(big, 100000 * 256);
    for (size_t i = 0; i < 100000; i++) call(big + i * 256);
    BENCH("many", "rewrite one of 100,000 functions, flush, call", 100, for (int i = 0; i < 100; i++) {
      char *f = big + (size_t)(v += 7919) % 100000 * 256;
      put_fn(f, v & 0xffff), sync_line(f);
      if (call(f) != (int)(v & 0xffff)) return puts("WRONG"), 1;
    });
  }
  // Data beside code.
  volatile long *far = map(PAGE, RW), *near = (volatile long *)(p + PAGE - 64);
  put_fn(p, 1), flush(p, PAGE);
  BENCH("apart", "call a function and count on another page", 1000, for (int i = 0; i < 1000; i++) call(p), ++*far);
  BENCH("beside", "call a function and count on its page", 1000, for (int i = 0; i < 1000; i++) call(p), ++*near);
  BENCH("flip", "mprotect RW, write, mprotect RX, call", 20, for (int i = 0; i < 20; i++) {
    mprotect(p, PAGE, RW), put_fn(p, ++v & 0xffff), mprotect(p, PAGE, RX), flush(p, 8);
    if (call(p) != (int)(v & 0xffff)) return puts("WRONG"), 1;
  });
  mprotect(p, PAGE, RWX);
  int fd = memfd_create("code", 0);
  if (fd >= 0 && !ftruncate(fd, PAGE)) {
    char *rw = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), *rx = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0);
    BENCH("views", "write by one view of a memfd, flush and call by the other", 100, for (int i = 0; i < 100; i++) {
      put_fn(rw, ++v & 0xffff), sync_line(rx);
      if (call(rx) != (int)(v & 0xffff)) return puts("WRONG"), 1;
    });
  }
  if (wanted("threads")) {
    pthread_t t[8];
    busy_page = map(PAGE, RWX);
    for (int i = 0; i < 8; i++) put_fn(busy_page + i * 512, (unsigned)i);
    flush(busy_page, PAGE);
    for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, busy, (void *)i);
    BENCH("threads", "the rewriting above while 8 threads run code", 100, for (int i = 0; i < 100; i++) {
      put_fn(p, ++v & 0xffff), sync_line(p);
      if (call(p) != (int)(v & 0xffff)) return puts("WRONG"), 1;
    });
    stop = 1;
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
  }
  return 0;
}
