// For arm64 programs that write code: an assembler of a dozen instructions, and a frame for tests, each in a process of its own.
// What is checked is what the architecture and Linux promise; there is no native run to compare with.
#ifndef CODE_H
#define CODE_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __aarch64__
#error "for arm64"
#endif

#define PAGE 4096UL
#define LINE 64UL
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

typedef uint32_t insn;
typedef int (*fn)(void);

#define NOP 0xd503201fu
#define RET 0xd65f03c0u
#define ISB 0xd5033fdfu
static inline insn movz(int rd, unsigned imm) { return 0x52800000u | imm << 5 | (unsigned)rd; }
static inline insn movk16(int rd, unsigned imm) { return 0x72a00000u | imm << 5 | (unsigned)rd; }
static inline insn add_imm(int rd, int rn, unsigned imm) { return 0x11000000u | imm << 10 | (unsigned)rn << 5 | (unsigned)rd; }
static inline insn br_rel(const void *from, const void *to) { return 0x14000000u | (((uintptr_t)to - (uintptr_t)from) >> 2 & 0x3ffffff); }
static inline insn bl_rel(const void *from, const void *to) { return br_rel(from, to) | 0x80000000u; }
static inline insn brk_insn(unsigned imm) { return 0xd4200000u | imm << 5; }
static inline insn svc(void) { return 0xd4000001u; }
static inline insn cbnz_w(int rt, const void *from, const void *to) { return 0x35000000u | ((((uintptr_t)to - (uintptr_t)from) >> 2 & 0x7ffff) << 5) | (unsigned)rt; }

// mov w0, #value; ret
static inline void put_fn(void *at, unsigned value) {
  volatile insn *p = at;
  p[0] = movz(0, value & 0xffff), p[1] = RET;
}
static inline int call(const void *at) { return ((fn)at)(); }

// The architecture's sequence for one line, without the C library's loop.
static inline void sync_line(const void *at) {
  asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(at) : "memory");
}
// The same without the ISB: what one thread does for the others.
static inline void publish_line(const void *at) { asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish" ::"r"(at) : "memory"); }
static inline void isb(void) { asm volatile("isb" ::: "memory"); }
static inline void flush(const void *at, size_t n) { __builtin___clear_cache((char *)at, (char *)at + n); }

static inline void *map(size_t n, int prot) {
  void *p = mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) perror("mmap"), _exit(3);
  return p;
}
static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static inline void nap(int ms) { usleep((useconds_t)ms * 1000); }

// A condition of a test: the first that does not hold ends it.
#define CHECK(cond) ((cond) ? (void)0 : broken(__LINE__, #cond, 0, 1))
#define EQ(got, want) expect(__LINE__, #got, (long)(got), (long)(want))
__attribute__((noreturn)) static inline void broken(int line, const char *what, long got, long want) {
  printf("line %d: %s is %ld, not %ld\n", line, what, got, want), fflush(stdout), _exit(1);
}
static inline void expect(int line, const char *what, long got, long want) {
  if (got != want) broken(line, what, got, want);
}

// Faults as return values.
static sigjmp_buf fault_jump;
static siginfo_t fault_info;
static inline void on_fault(int sig, siginfo_t *info, void *context) {
  (void)context;
  fault_info = *info;
  siglongjmp(fault_jump, sig);
}
static inline void catch_faults(void) {
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < 4; i++) sigaction(signals[i], &a, NULL);
}
// The signal that a call of `at` ends in, or minus its result.
static inline int outcome(const void *at) {
  int sig = sigsetjmp(fault_jump, 1);
  return sig ? sig : -call(at);
}

struct test {
  const char *name;
  void (*run)(void);
};

// Each test in a child, which a crash or a hang ends alone.
static inline int run_tests(const struct test *tests, int n, int argc, char **argv) {
  int failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < n; i++) {
    if (argc > 1 && strcmp(argv[1], tests[i].name)) continue;
    int out[2], status;
    if (pipe(out)) return 3;
    pid_t child = fork();
    if (!child) {
      setpgid(0, 0);
      dup2(out[1], 1), close(out[0]), close(out[1]);
      alarm(30);
      tests[i].run();
      fflush(stdout);
      _exit(0);
    }
    close(out[1]);
    waitpid(child, &status, 0);
    kill(-child, SIGKILL);
    char said[400] = "";
    read(out[0], said, sizeof said - 1);
    close(out[0]);
    if (!status)
      printf("ok %s\n", tests[i].name);
    else {
      failed++;
      for (char *c = said; *c; c++)
        if (*c == '\n') *c = c[1] ? ';' : 0;
      if (WIFSIGNALED(status))
        printf("FAILED %s: signal %d %s\n", tests[i].name, WTERMSIG(status), said);
      else
        printf("FAILED %s: %s\n", tests[i].name, said);
    }
  }
  return failed != 0;
}
#endif
