// Seccomp: what is refused, what each verdict does, who inherits filters, and that random filters decide as the kernel's.
#include "sys.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>

#ifdef __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#define RESULT(u) ((u)->uc_mcontext.regs[0])
#define PC(u) ((u)->uc_mcontext.pc)
#else
#define ARCH AUDIT_ARCH_X86_64
#define RESULT(u) ((u)->uc_mcontext.gregs[REG_RAX])
#define PC(u) ((u)->uc_mcontext.gregs[REG_RIP])
#endif
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

extern char **environ;
static struct sock_filter code[5000];
static struct sock_fprog prog;

static long seccomp(unsigned op, unsigned long flags, void *arg) { return syscall(SYS_seccomp, op, flags, arg); }
static struct sock_filter ins(int c, int jt, int jf, unsigned k) { return (struct sock_filter){c, jt, jf, k}; }

// A filter: this call gets this verdict, the others pass.
static void *verdict(int nr, unsigned v) {
  int n = 0;
  code[n++] = ins(BPF_LD | BPF_ABS, 0, 0, 4);
  code[n++] = ins(BPF_JMP | BPF_JEQ, 1, 0, ARCH);
  code[n++] = ins(BPF_RET, 0, 0, SECCOMP_RET_KILL_PROCESS);
  code[n++] = ins(BPF_LD | BPF_ABS, 0, 0, 0);
  code[n++] = ins(BPF_JMP | BPF_JEQ, 0, 1, nr);
  code[n++] = ins(BPF_RET, 0, 0, v);
  code[n++] = ins(BPF_RET, 0, 0, SECCOMP_RET_ALLOW);
  prog = (struct sock_fprog){n, code};
  return &prog;
}
static void on(int nr, unsigned v) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (seccomp(SECCOMP_SET_MODE_FILTER, 0, verdict(nr, v))) perror("filter");
}

static void child(const char *name, void (*f)(void)) {
  int st;
  printf("%s\n", name);
  pid_t pid = fork();
  if (!pid) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    f();
    exit(0);
  }
  while (waitpid(pid, &st, 0) != pid) {}
  if (WIFSIGNALED(st)) printf("  killed by %d\n", WTERMSIG(st));
  else printf("  exit %d\n", WEXITSTATUS(st));
}

static void refusals(void) {
  void *p = verdict(SYS_getppid, SECCOMP_RET_ERRNO | 1);
  if (getuid() == 0 && setresuid(65534, 65534, 65534)) return;
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, p));
  R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, p));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, BAD));
  R(seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, p));
  R(seccomp(SECCOMP_SET_MODE_FILTER, 32, p));
  R(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
  R(seccomp(SECCOMP_SET_MODE_STRICT, 0, p));
  R(seccomp(77, 0, NULL));
  R(prctl(PR_SET_SECCOMP, 0, 0));
  R(prctl(PR_SET_SECCOMP, 3, 0));
  struct sock_fprog q = {0, code};
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, &q));
  q.len = 4097;
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, &q));
  q = (struct sock_fprog){7, BAD};
  R(seccomp(SECCOMP_SET_MODE_FILTER, 0, &q));
  unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE,
                        SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 1, 0x10000, 0x7fff0001};
  for (unsigned i = 0; i < sizeof actions / sizeof *actions; i++) R(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  R(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, actions));
  R(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, BAD));
  R(getppid() > 0);
}

static void errnos(void) {
  unsigned v[] = {0, 1, 38, 4095, 4096, 0xffff};
  for (unsigned i = 0; i < 6; i++) {
    fflush(stdout);
    if (fork()) {
      wait(NULL);
      continue;
    }
    on(SYS_getppid, SECCOMP_RET_ERRNO | v[i]);
    errno = 0;
    long r = syscall(SYS_getppid);
    printf("  errno %u: %ld %d\n", v[i], r, errno);
    exit(0);
  }
  // A call that no kernel has.
  on(4000, SECCOMP_RET_ERRNO | 7);
  long r = syscall(4000);
  printf("  unknown: %ld %d\n", r, errno);
  r = syscall(4001);
  printf("  unknown, not filtered: %ld %d\n", r, errno);
}
static void others(void) {
  on(SYS_getppid, SECCOMP_RET_LOG);
  R(getppid() > 0);
  on(SYS_getppid, SECCOMP_RET_TRACE | 5);
  R(syscall(SYS_getppid));
  on(SYS_getppid, SECCOMP_RET_ERRNO | EBADF);
  R(syscall(SYS_getppid));
  on(SYS_getppid, SECCOMP_RET_ERRNO | ENOENT);
  R(syscall(SYS_getppid));
  on(SYS_getppid, SECCOMP_RET_ALLOW);
  R(syscall(SYS_getppid));
  R(prctl(PR_GET_SECCOMP));
  R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "Seccomp:", 8) || !strncmp(line, "NoNew", 5)) printf("  %s", line);
}

static volatile int trapped;
static void on_trap(int sig, siginfo_t *i, void *c) {
  ucontext_t *u = c;
  trapped++;
  printf("  signal %d code %d errno %d syscall %d arch %d at the pc %d\n", sig, i->si_code, i->si_errno, i->si_syscall == SYS_getppid,
         i->si_arch == ARCH, (long)i->si_call_addr == (long)PC(u));
  RESULT(u) = 4711;
}
static void trap(void) {
  struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, NULL);
  on(SYS_getppid, SECCOMP_RET_TRAP | 99);
  R(syscall(SYS_getppid));
  R(syscall(SYS_getppid));
}
static void trap_default(void) {
  on(SYS_getppid, SECCOMP_RET_TRAP);
  syscall(SYS_getppid);
}
static void trap_blocked(void) {
  sigset_t s;
  sigfillset(&s);
  struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, NULL);
  sigprocmask(SIG_BLOCK, &s, NULL);
  trap_default();
}
static void trap_ignored(void) {
  signal(SIGSYS, SIG_IGN);
  trap_default();
}
static void kill_process(void) {
  struct sigaction a = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &a, NULL);
  on(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
  syscall(SYS_getppid);
}
static void unknown_verdict(void) {
  on(SYS_getppid, 0x00010000);
  syscall(SYS_getppid);
}
static void kill_only_thread(void) {
  on(SYS_getppid, SECCOMP_RET_KILL_THREAD);
  syscall(SYS_getppid);
}
static void *doomed(void *unused) {
  syscall(SYS_getppid);
  printf("  not reached\n");
  return unused;
}
static void kill_thread(void) {
  pthread_t t;
  on(SYS_getppid, SECCOMP_RET_KILL_THREAD);
  pthread_create(&t, NULL, doomed, NULL);
  R(pthread_join(t, NULL));
}
static void kill_process_in_thread(void) {
  pthread_t t;
  on(SYS_getppid, SECCOMP_RET_KILL_PROCESS);
  pthread_create(&t, NULL, doomed, NULL);
  pthread_join(t, NULL);
  printf("  not reached\n");
}

static void strict(void) {
  int p[2];
  char c = 'x';
  if (pipe(p)) return;
  fflush(stdout);
  R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  (void)!write(p[1], &c, 1);
  (void)!read(p[0], &c, 1);
  (void)!write(1, "  strict\n", 9);
  syscall(SYS_exit, c == 'x' ? 3 : 4);
}
static void strict_broken(void) {
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  syscall(SYS_getpid);
  (void)!write(1, "  not reached\n", 14);
}

static void *asks(void *unused) {
  errno = 0;
  long r = syscall(SYS_getppid);
  printf("  thread: %d %s, no new privileges %d\n", r == -1, r == -1 ? err() : "", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  return unused;
}
static void inherited(void) {
  int st;
  pthread_t t;
  on(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY);
  pthread_create(&t, NULL, asks, NULL);
  pthread_join(t, NULL);
  pid_t pid = fork();
  if (!pid) {
    R(syscall(SYS_getppid));
    exit(0);
  }
  waitpid(pid, &st, 0);
  static volatile long seen;
  pid = vfork();
  if (!pid) {
    seen = syscall(SYS_getppid) == -1 ? errno : 0;
    _exit(0);
  }
  waitpid(pid, &st, 0);
  printf("  vfork: %ld\n", seen);
  char *argv[] = {"seccomp", "again", NULL};
  posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
  waitpid(pid, &st, 0);
  printf("  spawned: %d\n", WEXITSTATUS(st));
  char *more[] = {"seccomp", "more", NULL};
  fflush(stdout);
  execv("/proc/self/exe", more);
}
static int again(int more) {
  R(syscall(SYS_getppid));
  IS(prctl(PR_GET_SECCOMP) == 2);
  if (more) {
    on(SYS_getppid, SECCOMP_RET_ERRNO | EDOM);
    fflush(stdout);
    execl("/bin/this-is-not-there", "x", NULL);
    printf("  exec: %s\n", err());
    execl("/proc/self/exe", "seccomp", "again", NULL);
  }
  return 11;
}

static pthread_barrier_t barrier;
static long tid;
static void *waits(void *own) {
  tid = syscall(SYS_gettid);
  if (own) on(SYS_gettid, SECCOMP_RET_ERRNO | 1);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return asks(NULL);
}
static void sync_threads(void *own) {
  pthread_t t;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&t, NULL, waits, own);
  pthread_barrier_wait(&barrier);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long r = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, verdict(SYS_getppid, SECCOMP_RET_ERRNO | ENOSPC));
  printf("  sync: %s\n", r == 0 ? "0" : r == tid ? "the thread" : "?");
  R(seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, verdict(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)));
  pthread_barrier_wait(&barrier);
  pthread_join(t, NULL);
  asks(NULL);
}
static void tsync(void) { sync_threads(NULL); }
static void tsync_apart(void) { sync_threads(code); }

// How many filters of one kind the kernel takes: it counts the instructions that it makes of them.
static void too_much(const char *what, struct sock_filter filler) {
  int st, n = 0;
  fflush(stdout);
  pid_t pid = fork();
  if (pid) {
    waitpid(pid, &st, 0);
    return;
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  for (int i = 0; i < 4094; i++) code[i] = filler;
  code[4094] = ins(BPF_RET, 0, 0, SECCOMP_RET_ALLOW);
  code[4095] = code[4094], code[0] = ins(BPF_LDX | BPF_IMM, 0, 0, 1);
  prog = (struct sock_fprog){4096, code};
  for (int i = 4093; n < 100 && i > 0; n++)
    if (seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog)) {
      if (errno != ENOMEM) break;
      // Then a smaller one, until the smallest doesn't fit.
      n--, i /= 2, prog.len = i + 2, prog.filter = code + 4094 - i, *prog.filter = code[0];
    }
  printf("  of %s: %d filters, then %s\n", what, n, err());
  exit(0);
}
static void too_many(void) {
  too_much("return", ins(BPF_RET, 0, 0, SECCOMP_RET_ALLOW));
  too_much("load", ins(BPF_LD | BPF_ABS, 0, 0, 4));
  too_much("divide", ins(BPF_ALU | BPF_DIV | BPF_X, 0, 0, 0));
  too_much("jump", ins(BPF_JMP | BPF_JA, 0, 0, 0));
  too_much("compare, go on", ins(BPF_JMP | BPF_JEQ, 0, 0, 5));
  too_much("compare", ins(BPF_JMP | BPF_JEQ, 1, 0, 5));
  too_much("compare else", ins(BPF_JMP | BPF_JGT, 0, 1, 5));
  too_much("test else", ins(BPF_JMP | BPF_JSET, 0, 1, 5));
  too_much("compare both", ins(BPF_JMP | BPF_JGE, 1, 1, 0x80000000));
  too_much("store", ins(BPF_ST, 0, 0, 3));
}

static unsigned seed;
static unsigned rnd(unsigned n) {
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}
// A filter with a random calculation for one call, whose result is the errno; a division by zero kills.
static void random_filter(void) {
  static const unsigned short op[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_XOR, BPF_NEG};
  static const unsigned short jump[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
  static const unsigned value[] = {0, 1, 2, 31, 32, 33, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678};
  int n = 0, len = 5 + rnd(25);
  code[n++] = ins(BPF_LD | BPF_ABS, 0, 0, 0);
  code[n++] = ins(BPF_JMP | BPF_JEQ, 1, 0, SYS_getpriority);
  code[n++] = ins(BPF_RET, 0, 0, SECCOMP_RET_ALLOW);
  code[n++] = ins(BPF_LD | BPF_IMM, 0, 0, 77);
  for (int i = 0; i < 16; i++) code[n++] = ins(i & 1 ? BPF_ST : BPF_STX, 0, 0, i);
  for (int i = 0; i < len; i++) {
    unsigned k = value[rnd(10)], left = len - i;
    // One after the other: C has no order for arguments.
    unsigned kind = rnd(10), a = rnd(2), b = rnd(16), c = rnd(left), d = rnd(left), e = rnd(4);
    switch (kind) {
    case 0: code[n++] = ins(BPF_LD | BPF_ABS, 0, 0, 16 + 4 * (b % 12)); break;
    case 1: code[n++] = ins(BPF_LD | BPF_IMM, 0, 0, k); break;
    case 2: code[n++] = ins(BPF_LDX | BPF_IMM, 0, 0, k); break;
    case 3: code[n++] = ins(BPF_MISC | (a ? BPF_TAX : BPF_TXA), 0, 0, 0); break;
    case 4: code[n++] = ins(a ? BPF_ST : BPF_STX, 0, 0, b); break;
    case 5: code[n++] = ins(a ? BPF_LD | BPF_MEM : BPF_LDX | BPF_MEM, 0, 0, b); break;
    case 6: code[n++] = ins(BPF_JMP | jump[e] | (a ? BPF_X : BPF_K), c, d, k); break;
    case 7: code[n++] = e ? ins(BPF_LD | BPF_W | BPF_LEN, 0, 0, 0) : ins(BPF_JMP | BPF_JA, 0, 0, c); break;
    default: {
      unsigned o = op[rnd(10)], x = o == BPF_NEG || !a ? BPF_K : BPF_X;
      if (x == BPF_K && o == BPF_DIV) k |= 1;
      if (x == BPF_K && (o == BPF_LSH || o == BPF_RSH)) k &= 31;
      code[n++] = ins(BPF_ALU | o | x, 0, 0, k);
    }
    }
  }
  code[n++] = ins(BPF_ALU | BPF_AND, 0, 0, 0xffff);
  code[n++] = ins(BPF_ALU | BPF_OR, 0, 0, SECCOMP_RET_ERRNO);
  code[n++] = ins(BPF_RET | BPF_A, 0, 0, 0);
  prog = (struct sock_fprog){n, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog)) printf("  refused: %s\n", err());
}
static void fuzz(int programs) {
  for (int i = 0; i < programs; i++) {
    int st;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      seed = 1000 + i;
      random_filter();
      unsigned hash = 0;
      for (int k = 0; k < 5; k++) {
        errno = 0;
        long a[6];
        for (int j = 0; j < 6; j++) a[j] = (long)rnd(1 << 20) * (k & 1 ? 1 : 0x100000001);
        long r = syscall(SYS_getpriority, a[0], a[1], a[2], a[3], a[4], a[5]);
        hash = hash * 31 + (r ? errno : 0);
      }
      printf("%d: %08x\n", i, hash);
      exit(0);
    }
    waitpid(pid, &st, 0);
    if (WIFSIGNALED(st)) printf("%d: killed by %d\n", i, WTERMSIG(st));
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "again")) return again(0);
  if (argc > 1 && !strcmp(argv[1], "more")) return again(1);
  enter();
  child("refusals", refusals);
  child("errno", errnos);
  child("others", others);
  child("trap", trap);
  child("trap by default", trap_default);
  child("trap blocked", trap_blocked);
  child("trap ignored", trap_ignored);
  child("kill process", kill_process);
  child("unknown verdict", unknown_verdict);
  child("kill the only thread", kill_only_thread);
  child("kill a thread", kill_thread);
  child("kill the process in a thread", kill_process_in_thread);
  child("strict", strict);
  child("strict broken", strict_broken);
  child("inherited", inherited);
  child("tsync", tsync);
  child("tsync apart", tsync_apart);
  child("too many", too_many);
  fuzz(argc > 2 && !strcmp(argv[1], "-n") ? atoi(argv[2]) * 100 : 120);
}
