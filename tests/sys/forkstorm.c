// Forks, spawns and programs out of processes whose threads allocate, map, and make code all the while.
//   forkstorm [-n ROUNDS]
#include "sys.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

extern char **environ;
static int rounds = 1;
static atomic_int stop, bad;
static char self[PATH_MAX];

// Threads that do what a lock is needed for.
static void *allocates(void *unused) {
  void *p[64] = {0};
  for (unsigned i = 0; !stop; i++) {
    free(p[i % 64]);
    p[i % 64] = malloc(1 + i * 7919 % 40000);
    if (p[i % 64]) *(char *)p[i % 64] = i;
    if (i % 64 == 0) usleep(500);
  }
  for (int i = 0; i < 64; i++) free(p[i]);
  return unused;
}
static void *maps(void *unused) {
  while (!stop) {
    char *m = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[5] = 1, mprotect(m, 4096, PROT_READ), munmap(m, 1 << 16);
    usleep(200);
  }
  return unused;
}
// Code that returns a number, made, run, changed, run.
static int made(unsigned *code, unsigned n) {
#ifdef __aarch64__
  code[0] = 0x52800000 | (n & 0xffff) << 5, code[1] = 0xd65f03c0;
#else
  unsigned char *b = (void *)code;
  b[0] = 0xb8, n &= 0xffff, memcpy(b + 1, &n, 4), b[5] = 0xc3;
#endif
  __builtin___clear_cache((char *)code, (char *)(code + 2));
  return ((int (*)(void))code)() == (int)(n & 0xffff);
}
static void *translates(void *unused) {
  unsigned *code = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (unsigned i = 0; !stop; i++) {
    bad += !made(code + i * 16 % 8192, i);
    if (i % 8 == 0) usleep(500);
  }
  munmap(code, 1 << 16);
  return unused;
}
static void *(*const work[])(void *) = {allocates, translates, maps, allocates, translates, allocates};
#define THREADS 6
static pthread_t t[THREADS];
static void start(void) {
  stop = bad = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, work[i], NULL);
}
static void end(const char *name) {
  stop = 1;
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  printf("%s: bad %d\n", name, bad);
}
static int status_of(pid_t pid) {
  int st;
  if (pid < 0 || waitpid(pid, &st, 0) != pid) return -1;
  return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static void *in_child(void *arg) {
  free(malloc(100000));
  return arg;
}
static void forks(void) {
  start();
  for (int i = 0; i < 40 * rounds; i++) {
    pid_t pid = fork();
    if (!pid) {
      // The child has one thread, and everything works in it: memory, code, threads, forks.
      unsigned *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      char *p[20];
      for (int k = 0; k < 20; k++) p[k] = malloc(5000 * k + 1), p[k][0] = k;
      int ok = made(code, 4711 + i);
      pthread_t c;
      ok &= !pthread_create(&c, NULL, in_child, NULL) && !pthread_join(c, NULL);
      if (i % 4 == 0) {
        pid_t grandchild = fork();
        if (!grandchild) _exit(made(code, i) ? 4 : 5);
        ok &= status_of(grandchild) == 4;
      }
      _exit(ok ? 7 : 8);
    }
    bad += status_of(pid) != 7;
  }
  end("forks");
}
static void execs(void) {
  start();
  for (int i = 0; i < 12 * rounds; i++) {
    pid_t pid;
    char *argv[] = {"forkstorm", "status", "9", NULL};
    bad += posix_spawn(&pid, self, NULL, NULL, argv, environ) || status_of(pid) != 9;
    pid = fork();
    if (!pid) execv(self, argv), _exit(1);
    bad += status_of(pid) != 9;
    pid = vfork();
    if (!pid) execv(self, argv), _exit(1);
    bad += status_of(pid) != 9;
  }
  end("programs");
}
static void failures(void) {
  static char big[140000], *much[20001];
  memset(big, 'a', sizeof big - 1);
  put("text", "no program"), put("script", "#!/no/interpreter\n"), put("closed", "x");
  chmod("text", 0755), chmod("script", 0755), mkdir("folder", 0755);
  static const char *const names[] = {"nothing", "closed", "text", "script", "folder", "text/x"};
  start();
  for (int i = 0; i < 3 * rounds; i++)
    for (unsigned n = 0; n < 6; n++) {
      static volatile int got;
      char *argv[] = {"x", NULL};
      pid_t pid = vfork();
      if (!pid) execv(names[n], argv), got = errno, _exit(3);
      bad += status_of(pid) != 3;
      int want[] = {ENOENT, EACCES, ENOEXEC, ENOENT, EACCES, ENOTDIR};
      if (got != want[n]) bad++, printf("%s: %d\n", names[n], got);
    }
  for (int i = 0; i < 20000; i++) much[i] = big + sizeof big - 1000;
  static volatile int got;
  char *argv[] = {"x", big, NULL};
  pid_t pid = vfork();
  if (!pid) execv(self, argv), got = errno, _exit(3);
  printf("one argument too long: %d %d\n", status_of(pid), got == E2BIG);
  pid = vfork();
  if (!pid) execv(self, much), got = errno, _exit(3);
  printf("too many: %d %d\n", status_of(pid), got == E2BIG);
  end("failures");
}

// What is registered for forks is called, in order.
static char calls[400];
static void b1(void) { strcat(calls, " b1"); }
static void b2(void) { strcat(calls, " b2"); }
static void p1(void) { strcat(calls, " p1"); }
static void p2(void) { strcat(calls, " p2"); }
static void c1(void) { strcat(calls, " c1"); }
static void c2(void) { strcat(calls, " c2"); }
static void at_fork(void) {
  pthread_atfork(b1, p1, c1), pthread_atfork(b2, p2, c2);
  pid_t pid = fork();
  if (!pid) {
    printf("child:%s\n", calls);
    exit(0);
  }
  status_of(pid);
  printf("parent:%s\n", calls);
}

// Everything that posix_spawn can be told.
static void spawns(void) {
  posix_spawnattr_t a;
  posix_spawn_file_actions_t f;
  sigset_t s, d;
  posix_spawnattr_init(&a), posix_spawn_file_actions_init(&f);
  sigemptyset(&s), sigaddset(&s, SIGUSR1), sigemptyset(&d), sigaddset(&d, SIGUSR2);
  signal(SIGUSR2, SIG_IGN), signal(SIGHUP, SIG_IGN);
  struct sched_param p = {0};
  posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSCHEDULER | POSIX_SPAWN_RESETIDS);
  posix_spawnattr_setpgroup(&a, 0), posix_spawnattr_setsigmask(&a, &s), posix_spawnattr_setsigdefault(&a, &d);
  posix_spawnattr_setschedpolicy(&a, SCHED_BATCH), posix_spawnattr_setschedparam(&a, &p);
  mkdir("there", 0755);
  posix_spawn_file_actions_addopen(&f, 7, "made", O_CREAT | O_WRONLY, 0644);
  posix_spawn_file_actions_adddup2(&f, 7, 8);
  posix_spawn_file_actions_addclose(&f, 7);
  posix_spawn_file_actions_addchdir_np(&f, "there");
  char *argv[] = {"forkstorm", "show", NULL}, *env[] = {"A=b", NULL};
  pid_t pid;
  int r = posix_spawn(&pid, self, &f, &a, argv, env), end = status_of(pid);
  printf("spawned: %d %d\n", r, end);
  posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSID);
  r = posix_spawn(&pid, self, NULL, &a, argv, env), end = status_of(pid);
  printf("spawned: %d %d\n", r, end);
  R(posix_spawn(&pid, "/no/such", NULL, &a, argv, env));
  R(posix_spawnp(&pid, "no-such-program", NULL, NULL, argv, env));
  posix_spawn_file_actions_addclose(&f, 999), posix_spawn_file_actions_addopen(&f, 3, "/no/such/file", O_RDONLY, 0);
  R(posix_spawn(&pid, self, &f, NULL, argv, env));
}
static int show(void) {
  sigset_t m;
  struct sigaction u, h;
  char cwd[PATH_MAX];
  sigprocmask(SIG_BLOCK, NULL, &m), sigaction(SIGUSR2, NULL, &u), sigaction(SIGHUP, NULL, &h), getcwd(cwd, sizeof cwd);
  printf("  group %d session %d mask %d%d usr2 %d hup %d policy %d env %s cwd %s fd7 %d fd8 %d\n", getpgrp() == getpid(), getsid(0) == getpid(),
         sigismember(&m, SIGUSR1), sigismember(&m, SIGUSR2), u.sa_handler == SIG_IGN, h.sa_handler == SIG_IGN, sched_getscheduler(0), environ[0],
         strrchr(cwd, '/') && !strcmp(strrchr(cwd, '/'), "/there") ? "there" : "here", fcntl(7, F_GETFD) >= 0, fcntl(8, F_GETFD) >= 0);
  return 6;
}

// A daemon: two forks, a session of its own, the parent gone; a subreaper finds it again.
static void daemons(void) {
  int p[2], r[2];
  pid_t me = getpid(), said;
  pipe(p), pipe(r);
  R(prctl(PR_SET_CHILD_SUBREAPER, 1));
  pid_t pid = fork();
  if (!pid) {
    setsid();
    if (fork()) _exit(0);
    char c;
    read(r[0], &c, 1);
    said = getpid();
    int adopted = getppid() == me && getsid(0) != said;
    write(p[1], &said, sizeof said);
    _exit(adopted ? 12 : 13);
  }
  printf("first: %d\n", status_of(pid));
  write(r[1], "x", 1);
  read(p[0], &said, sizeof said);
  printf("daemon: %d\n", status_of(said));
  // The death of a parent, as a signal: it comes when the thread that forked ends.
  pid = fork();
  if (!pid) {
    if (!fork()) {
      sigset_t s;
      int sig;
      sigemptyset(&s), sigaddset(&s, SIGUSR1), sigprocmask(SIG_BLOCK, &s, NULL);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      write(p[1], "x", 1);
      sigwait(&s, &sig);
      _exit(sig == SIGUSR1 ? 21 : 22);
    }
    char c;
    read(p[0], &c, 1);
    _exit(0);
  }
  status_of(pid);
  int st;
  waitpid(-1, &st, 0);
  printf("told of the death: %d\n", WEXITSTATUS(st));
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "status")) return atoi(argv[2]);
  if (argc > 1 && !strcmp(argv[1], "show")) return show();
  if (argc > 2 && !strcmp(argv[1], "-n")) rounds = atoi(argv[2]);
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
  enter();
  alarm(40 + 40 * rounds);
  forks();
  execs();
  failures();
  at_fork();
  spawns();
  daemons();
}
