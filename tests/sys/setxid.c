// Ids belong to threads; the C library changes those of all by a signal of its own (33). That signal was once taken by the runtime's own C
// library as soon as the process had a second thread, and a setuid in it was its end.
#include "sys.h"
#include <grp.h>
#include <pthread.h>
#include <sys/fsuid.h>

#define N 6
static pthread_barrier_t barrier;
static uid_t uids[N];
static gid_t gids[N];

static void *look(void *arg) {
  long i = (long)arg;
  for (int round = 0; round < 3; round++) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); // the main thread changes them between the two
    uids[i] = syscall(SYS_getuid);
    gids[i] = syscall(SYS_getgid);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

static int all(uid_t uid, gid_t gid) {
  int n = 0;
  for (int i = 0; i < N; i++) n += uids[i] == uid && gids[i] == gid;
  return n == N;
}

static volatile sig_atomic_t seen;
static void note(int sig) { seen = sig; }

int main(void) {
  pthread_t t[N];

  struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } old;
  pthread_barrier_init(&barrier, NULL, N + 1);
  for (long i = 0; i < N; i++) pthread_create(&t[i], NULL, look, (void *)i);
  IS(syscall(SYS_rt_sigaction, 33, NULL, &old, 8) == 0 && old.handler > (void *)1);
  int root = getuid() == 0;
  for (int round = 0; round < 3; round++) {
    uid_t uid = root ? 1000 * round : getuid();
    gid_t gid = root ? 2000 * round : getgid();
    pthread_barrier_wait(&barrier);
    R(setresgid(gid, gid, root ? 0 : -1));
    R(setresuid(uid, uid, root ? 0 : -1));
    if (root) R(seteuid(0));
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    IS(all(uid, gid));
  }
  for (int i = 0; i < N; i++) pthread_join(t[i], NULL);
  R(setgid(getgid()));
  // Alone, and without threads in the child: the same.
  if (fork() == 0) {
    pthread_t one;
    pthread_barrier_init(&barrier, NULL, 1);
    pthread_create(&one, NULL, look, 0);
    R(setuid(getuid()));
    pthread_join(one, NULL);
    _exit(0);
  }
  int status;
  wait(&status);
  IS(status == 0);
  signal(SIGUSR1, note);
  raise(SIGUSR1);
  IS(seen == SIGUSR1);
  return 0;
}
