// Threads: how they begin and end, and what is left behind.
//   threadlife [-n ROUNDS]
#include "sys.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
extern char **environ;
static int rounds = 1;
static void child(const char *name, void (*f)(void)) {
  int st;
  pid_t pid = fork();
  if (!pid) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(30 + 30 * rounds);
    f();
    exit(0);
  }
  while (waitpid(pid, &st, 0) != pid) {}
  if (WIFSIGNALED(st)) printf("%s: killed by %d\n", name, WTERMSIG(st));
  else printf("%s: exit %d\n", name, WEXITSTATUS(st));
}
static void *nothing(void *arg) { return arg; }
static void *pauses(void *arg) {
  for (;;) pause();
  return arg;
}
static void *spins(void *arg) {
  for (volatile long i = 0;; i++) {}
  return arg;
}

// The whole process ends, whatever its threads do.
static void *exits_group(void *arg) { exit((int)(intptr_t)arg); }
// Not at once: what exit() tears down, a pthread_exit that still unwinds needs, and aborts without (by QEMU, too).
static void *naps_and_exits_group(void *arg) {
  nap(50);
  return exits_group(arg);
}
static void main_left(void) {
  pthread_t t;
  pthread_create(&t, NULL, naps_and_exits_group, (void *)7);
  pthread_exit(NULL);
}
static void *naps(void *arg) {
  nap(20);
  return arg;
}
static void main_left_last_returns(void) {
  pthread_t t;
  pthread_create(&t, NULL, naps, NULL);
  pthread_exit(NULL);
}
static void group_races(void) {
  for (int i = 0; i < 20 * rounds; i++) {
    pid_t pid = fork();
    if (!pid) {
      pthread_t t;
      for (int k = 0; k < 4; k++) pthread_create(&t, NULL, k & 1 ? pauses : spins, NULL);
      for (int k = 0; k < 4; k++) pthread_create(&t, NULL, exits_group, (void *)5);
      _exit(5);
    }
    int st;
    waitpid(pid, &st, 0);
    if (st != 5 << 8) printf("  race %d: %x\n", i, st);
  }
}
// A signal kills all threads; the leader is gone already in one case.
static void *raises(void *arg) {
  nap(5);
  kill(getpid(), (int)(intptr_t)arg);
  return pauses(arg);
}
static void killed_with_threads(void) {
  pthread_t t;
  pthread_create(&t, NULL, spins, NULL);
  pthread_create(&t, NULL, raises, (void *)SIGTERM);
  pauses(NULL);
}
static void killed_without_leader(void) {
  pthread_t t;
  pthread_create(&t, NULL, pauses, NULL);
  pthread_create(&t, NULL, raises, (void *)SIGUSR2);
  pthread_exit(NULL);
}
static void *faults(void *arg) {
  *(volatile int *)arg = 1;
  return arg;
}
static void fault_in_thread(void) {
  pthread_t t;
  pthread_create(&t, NULL, spins, NULL);
  pthread_create(&t, NULL, faults, (void *)8);
  pauses(NULL);
}

// exec from any thread: the process keeps its id, the others are gone.
static char pid_text[20], self[PATH_MAX];
static void *executes(void *arg) {
  char *argv[] = {"threadlife", "id", pid_text, NULL};
  // Not by /proc/self, which is the leader's, who may be gone.
  execv(self, argv);
  printf("exec: %s\n", err());
  return arg;
}
static void exec_anywhere(void) {
  pthread_t t;
  sprintf(pid_text, "%d", getpid());
  fflush(stdout);
  for (int k = 0; k < 3; k++) pthread_create(&t, NULL, k & 1 ? pauses : spins, NULL);
  pthread_create(&t, NULL, executes, NULL);
  pauses(NULL);
}
static void exec_after_main(void) {
  pthread_t t;
  sprintf(pid_text, "%d", getpid());
  fflush(stdout);
  pthread_create(&t, NULL, executes, NULL);
  pthread_exit(NULL);
}
static void exec_races(void) {
  for (int i = 0; i < 8 * rounds; i++) {
    pid_t pid = fork();
    if (!pid) {
      pthread_t t;
      sprintf(pid_text, "%d", -1);
      for (int k = 0; k < 4; k++) pthread_create(&t, NULL, executes, NULL);
      executes(NULL);
    }
    int st;
    waitpid(pid, &st, 0);
    if (st != 3 << 8) printf("  exec race %d: %x\n", i, st);
  }
}

// Cancellation: deferred in calls that wait, asynchronous in a loop, held off where it is switched off.
static int cleaned;
static void clean(void *arg) { (void)arg, cleaned++; }
static int pfd[2], sfd[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static void *waits(void *kind) {
  char c;
  struct pollfd p = {pfd[0], POLLIN, 0};
  sigset_t s;
  pthread_cleanup_push(clean, NULL);
  switch ((int)(intptr_t)kind) {
  case 0: read(pfd[0], &c, 1); break;
  case 1: sleep(100); break;
  case 2: poll(&p, 1, -1); break;
  case 3: recv(sfd[0], &c, 1, 0); break;
  case 4: sem_wait(&sem); break;
  case 5: sigemptyset(&s), sigaddset(&s, SIGUSR1), sigwait(&s, &(int){0}); break;
  case 6: pause(); break;
  case 7:
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push((void (*)(void *))pthread_mutex_unlock, &mutex);
    pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(1);
    break;
  case 8:
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (volatile long i = 0;; i++) {}
  case 9:
    for (;;) pthread_testcancel();
  default:
    for (;;) open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? close(3 + 0 * 0) : 0;
  }
  pthread_cleanup_pop(0);
  return NULL;
}
static void *disabled(void *unused) {
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  nap(10);
  return unused;
}
static void cancels(void) {
  pipe(pfd), socketpair(AF_UNIX, SOCK_STREAM, 0, sfd), sem_init(&sem, 0, 0);
  for (int r = 0; r < 6 * rounds; r++)
    for (int kind = 0; kind < 10; kind++) {
      pthread_t t;
      void *end;
      cleaned = 0;
      pthread_create(&t, NULL, waits, (void *)(intptr_t)kind);
      if (r % 2) usleep(r * 100);
      pthread_cancel(t);
      pthread_join(t, &end);
      // Cancelled before it began, it has nothing to clean.
      if (end != PTHREAD_CANCELED || (cleaned != 1 && r % 2 && r > 2)) printf("  cancel %d: %d\n", kind, cleaned);
    }
  pthread_t t;
  void *end;
  pthread_create(&t, NULL, disabled, &t);
  pthread_cancel(t);
  pthread_join(t, &end);
  printf("disabled: %d\n", end == &t);
}

// Robust locks: the next owner learns that the last one died, be it a thread, a process that ended, was killed, or executed another program.
struct shared {
  pthread_mutex_t m[4];
  atomic_int ready;
};
static struct shared *shared;
static void *takes(void *m) {
  pthread_mutex_lock(m);
  shared->ready = 1;
  return m;
}
static void robust(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  for (int pi = 0; pi < 2; pi++) {
    pthread_mutexattr_setprotocol(&a, pi ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
    for (int way = 0; way < 6; way++) {
      pthread_mutex_t *m = &shared->m[0];
      pthread_mutex_init(m, &a);
      shared->ready = 0;
      pid_t pid = 0;
      pthread_t t;
      if (way == 0) {
        pthread_create(&t, NULL, takes, m);
        while (!shared->ready) usleep(100);
      } else if (!(pid = fork())) {
        if (way == 4) pthread_create(&t, NULL, takes, m);
        else takes(m);
        while (!shared->ready) usleep(100);
        if (way == 1) _exit(0);
        if (way == 2) pauses(NULL);
        if (way == 3) executes(NULL);
        if (way == 5) *(volatile int *)8 = 1;
        nap(5);
        _exit(0);
      } else {
        while (!shared->ready) usleep(100);
        if (way == 2) kill(pid, SIGKILL);
      }
      int r = pthread_mutex_lock(m);
      if (pid) waitpid(pid, NULL, 0);
      printf("robust %d %d: %s", pi, way, r == EOWNERDEAD ? "owner died" : r ? "?" : "free");
      if (r == EOWNERDEAD) {
        pthread_mutex_consistent(m), pthread_mutex_unlock(m);
        r = pthread_mutex_lock(m);
        printf(", then %d", r);
      }
      printf("\n");
      if (!r) pthread_mutex_unlock(m);
      if (!pid) pthread_join(t, NULL);
    }
  }
}

// Many births and deaths, joined, detached, and with signals around.
static void nop(int s) { (void)s; }
static void joins(void) {
  pthread_attr_t a;
  pthread_attr_init(&a), pthread_attr_setstacksize(&a, 65536);
  int bad = 0;
  for (int i = 0; i < 300 * rounds; i++) {
    pthread_t t[8];
    void *r;
    for (int k = 0; k < 8; k++) bad += pthread_create(&t[k], &a, nothing, &t[k]) != 0;
    for (int k = 0; k < 8; k++) bad += pthread_join(t[k], &r) || r != &t[k];
  }
  printf("joins: bad %d\n", bad);
}
static atomic_int live;
static void *counts(void *arg) {
  live--;
  return arg;
}
static void detached(void) {
  pthread_attr_t a;
  pthread_t t;
  pthread_attr_init(&a), pthread_attr_setstacksize(&a, 65536), pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 500 * rounds; i++) {
    live++;
    while (pthread_create(&t, &a, counts, NULL)) usleep(100);
  }
  while (live) usleep(100);
  printf("detached: done\n");
}

// Raw clone and clone3: words that are written and cleared, descriptors, refusals.
static int word[3];
static char stack[65536] __attribute__((aligned(16)));
static int in_clone(void *arg) {
  syscall(SYS_futex, arg, FUTEX_WAIT, 0, NULL, NULL, 0);
  syscall(SYS_exit, 0);
  return 0;
}
static void clones(void) {
  int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  static int go;
  int tid = clone(in_clone, stack + sizeof stack, flags | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, &go, &word[0], NULL, &word[1]);
  printf("clone: %d %d\n", tid == word[0], tid > 0);
  while (!word[1]) sched_yield();
  printf("child's word: %d\n", word[1] == tid);
  int fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
  struct pollfd p = {fd, POLLIN, 0};
  printf("descriptor: %d, ready %d\n", fd >= 0, poll(&p, 1, 0));
  go = 1, syscall(SYS_futex, &go, FUTEX_WAKE, 1, NULL, NULL, 0);
  while (word[1]) syscall(SYS_futex, &word[1], FUTEX_WAIT, tid, NULL, NULL, 0);
  printf("cleared: %d\n", word[1]);
  printf("ready: %d\n", poll(&p, 1, 2000));
  int pidfd = -1;
  static char other[65536] __attribute__((aligned(16)));
  go = 0;
  tid = clone(in_clone, other + sizeof other, flags | CLONE_PIDFD, &go, &pidfd, NULL, NULL);
  p.fd = pidfd;
  printf("with a descriptor: %d %d, ready %d\n", tid > 0, pidfd >= 0, poll(&p, 1, 0));
  go = 1, syscall(SYS_futex, &go, FUTEX_WAKE, 1, NULL, NULL, 0);
  printf("ready: %d\n", poll(&p, 1, 2000));
  R(clone(in_clone, stack + sizeof stack, CLONE_THREAD, NULL));
  R(clone(in_clone, stack + sizeof stack, CLONE_THREAD | CLONE_SIGHAND, NULL));
  R(clone(in_clone, stack + sizeof stack, CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL));
}

static void *named(void *unused) {
  char name[20];
  pthread_getname_np(pthread_self(), name, sizeof name);
  printf("born as %s\n", name);
  prctl(PR_SET_NAME, "a name that is too long");
  prctl(PR_GET_NAME, name);
  printf("now %s\n", name);
  char path[64];
  sprintf(path, "/proc/self/task/%ld/comm", syscall(SYS_gettid));
  FILE *f = fopen(path, "r");
  printf("there %s", fgets(name, sizeof name, f));
  return unused;
}
static void names(void) {
  pthread_t t;
  prctl(PR_SET_NAME, "leader");
  pthread_create(&t, NULL, named, NULL);
  pthread_join(t, NULL);
  char name[20];
  prctl(PR_GET_NAME, name);
  printf("leader still: %s\n", name);
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "id")) {
    if (atoi(argv[2]) >= 0) printf("same process: %d, alone: %d\n", atoi(argv[2]) == getpid(), getpid() == syscall(SYS_gettid));
    return 3;
  }
  if (argc > 2 && !strcmp(argv[1], "-n")) rounds = atoi(argv[2]);
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
  enter();
  alarm(60 + 60 * rounds);
  child("main left", main_left);
  child("main left, the last returns", main_left_last_returns);
  child("races to the end", group_races);
  child("killed with threads", killed_with_threads);
  child("killed without leader", killed_without_leader);
  child("fault in a thread", fault_in_thread);
  child("exec anywhere", exec_anywhere);
  child("exec after main", exec_after_main);
  child("exec races", exec_races);
  child("cancels", cancels);
  child("robust", robust);
  child("joins", joins);
  child("detached", detached);
  child("clones", clones);
  child("names", names);
}
