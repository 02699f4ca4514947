// Futexes in all forms, with signals about: no wake-up is lost, no waiter comes back without a reason.
//   futexes [-n ROUNDS]
#include "sys.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
static int rounds = 1;
static atomic_int bad, hits, stop;
static void count(int s) { (void)s, hits++; }
static long futex(atomic_int *w, int op, unsigned v, const void *t, void *w2, unsigned v3) { return syscall(SYS_futex, w, op, v, t, w2, v3); }

// A lock of three states, and one that the kernel keeps; both under signals to every thread.
static atomic_int lock_word, pi_word;
static long shared;
static void simple_lock(void) {
  int zero = 0;
  if (atomic_compare_exchange_strong(&lock_word, &zero, 1)) return;
  while (atomic_exchange(&lock_word, 2)) {
    long r = futex(&lock_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    if (r && errno != EAGAIN && errno != EINTR) bad++;
  }
}
static void simple_unlock(void) {
  if (atomic_exchange(&lock_word, 0) == 2) futex(&lock_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static __thread int tid;
static void pi_lock(void) {
  int zero = 0;
  if (!tid) tid = syscall(SYS_gettid);
  if (atomic_compare_exchange_strong(&pi_word, &zero, tid)) return;
  // Never interrupted.
  if (futex(&pi_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0)) bad++, printf("lock_pi: %s\n", err());
}
static void pi_unlock(void) {
  int own = tid;
  if (atomic_compare_exchange_strong(&pi_word, &own, 0)) return;
  if (futex(&pi_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0)) bad++, printf("unlock_pi: %s\n", err());
}
static void *works(void *pi) {
  for (int i = 0; i < 1500 * rounds; i++) {
    pi ? pi_lock() : simple_lock();
    long v = shared;
    for (volatile int k = 0; k < 20; k++) {}
    if (i % 50 == 0) usleep(50);
    shared = v + 1;
    pi ? pi_unlock() : simple_unlock();
  }
  return NULL;
}
#define THREADS 8
static pthread_t t[THREADS];
static void *pest(void *unused) {
  while (!stop) {
    for (int i = 0; i < THREADS; i++) pthread_kill(t[i], SIGUSR1);
    usleep(200);
  }
  return unused;
}
static void locks(const char *name, void *pi) {
  pthread_t p;
  sigset_t s;
  sigemptyset(&s), sigaddset(&s, SIGUSR1);
  bad = 0, stop = 0, shared = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, works, pi);
  pthread_create(&p, NULL, pest, NULL);
  // The pest sends to threads that must still be there.
  nap(50);
  stop = 1;
  pthread_join(p, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
  printf("%s: %ld bad %d\n", name, shared == 1500L * rounds * THREADS ? 1L : shared, bad);
}

// A ball between two threads: each wait is for one wake.
static atomic_int ball;
static void *returns(void *unused) {
  for (int i = 0; i < 3000 * rounds; i++) {
    while (ball != 1) futex(&ball, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    ball = 0;
    futex(&ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
  return unused;
}
static void ping_pong(void) {
  pthread_t p;
  pthread_create(&p, NULL, returns, NULL);
  for (int i = 0; i < 3000 * rounds; i++) {
    ball = 1;
    futex(&ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    while (ball != 0) futex(&ball, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
  }
  pthread_join(p, NULL);
  printf("ping pong: done\n");
}

// Bit sets, requeueing, wake-op, several words at once.
static atomic_int w1, w2, woken;
static void *waits_bits(void *bits) {
  long r = futex(&w1, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (unsigned)(intptr_t)bits);
  if (r) bad++;
  woken |= (int)(intptr_t)bits;
  return NULL;
}
static void *waits_requeued(void *unused) {
  if (futex(&w1, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0)) bad++;
  woken++;
  return unused;
}
static void *waits_pi(void *unused) {
  tid = syscall(SYS_gettid);
  long r = futex(&w1, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &pi_word, 0);
  if (r) bad++, printf("wait_requeue_pi: %s\n", err());
  woken++;
  pi_unlock();
  return unused;
}
static void *waits_v(void *arg) {
  (void)arg;
  struct { unsigned long value, address; unsigned flags, reserved; } v[2] = {{0, (unsigned long)&w1, 2 | 128, 0}, {0, (unsigned long)&w2, 2 | 128, 0}};
  long r = syscall(SYS_futex_waitv, v, 2, 0, NULL, 0);
  return (void *)r;
}
static void special(void) {
  pthread_t p[4];
  bad = woken = w1 = w2 = 0;
  for (int i = 0; i < 3; i++) pthread_create(&p[i], NULL, waits_bits, (void *)(1L << i));
  nap(20);
  R(futex(&w1, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 8));
  R(futex(&w1, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2));
  pthread_join(p[1], NULL);
  printf("woken: %d\n", woken);
  R(futex(&w1, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 5));
  pthread_join(p[0], NULL), pthread_join(p[2], NULL);
  R(futex(&w1, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));
  woken = 0;
  for (int i = 0; i < 3; i++) pthread_create(&p[i], NULL, waits_requeued, NULL);
  nap(20);
  R(futex(&w1, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &w2, 5));
  R(futex(&w1, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &w2, 0));
  R(futex(&w2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  for (int i = 0; i < 3; i++) pthread_join(p[i], NULL);
  // Set w2 to 7 and wake one there, because it was 0.
  pthread_create(&p[0], NULL, waits_requeued, NULL);
  nap(20);
  R(futex(&w1, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &w2, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)));
  printf("word: %d\n", w2);
  pthread_join(p[0], NULL);
  w2 = 0, woken = 0;
  pi_lock();
  pthread_create(&p[0], NULL, waits_pi, NULL);
  nap(20);
  R(futex(&w1, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &pi_word, 0));
  for (int i = 0; i < 5; i++) pthread_kill(p[0], SIGUSR1), nap(1);
  pi_unlock();
  pthread_join(p[0], NULL);
  printf("requeued to a lock: %d free %d\n", woken, pi_word == 0);
  pthread_create(&p[0], NULL, waits_v, NULL);
  nap(20);
  R(futex(&w2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  void *which;
  pthread_join(p[0], &which);
  printf("waitv: %ld\n", (long)which);
  printf("special: bad %d\n", bad);
}

static void refusals(void) {
  struct timespec soon = {0, 1000000}, wrong = {0, 1000000000}, past = {0, 0};
  w1 = 0;
  R(futex(&w1, FUTEX_WAIT, 1, NULL, NULL, 0));
  R(futex(&w1, FUTEX_WAIT, 0, &soon, NULL, 0));
  R(futex(&w1, FUTEX_WAIT, 0, &wrong, NULL, 0));
  R(futex(&w1, FUTEX_WAIT_BITSET, 0, &past, NULL, -1));
  R(futex(&w1, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, -1));
  R(futex(BAD, FUTEX_WAIT, 0, NULL, NULL, 0));
  R(futex((void *)((char *)&w1 + 1), FUTEX_WAIT, 0, NULL, NULL, 0));
  R(futex(&w1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  R(futex(&w1, 99, 0, NULL, NULL, 0));
  pi_word = 0, tid = 0;
  pi_lock();
  R(futex(&pi_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  R(futex(&pi_word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  pi_unlock();
}

// Interrupted or not, by the handler's flags.
static pthread_t waiter;
static void *disturbs(void *unused) {
  for (int i = 0; i < 5; i++) nap(8), pthread_kill(waiter, SIGUSR1);
  nap(10);
  w1 = 1, futex(&w1, FUTEX_WAKE, 1, NULL, NULL, 0);
  return unused;
}
static void interrupted(int flags) {
  struct sigaction a = {.sa_handler = count, .sa_flags = flags};
  struct timespec later = {5, 0};
  sigaction(SIGUSR1, &a, NULL);
  for (int timed = 0; timed < 2; timed++) {
    pthread_t p;
    w1 = 0, waiter = pthread_self();
    pthread_create(&p, NULL, disturbs, NULL);
    long r = futex(&w1, FUTEX_WAIT, 0, timed ? &later : NULL, NULL, 0);
    printf("%s%s: %ld %s\n", flags ? "restart" : "no restart", timed ? ", timed" : "", r, r ? err() : "");
    pthread_join(p, NULL);
  }
}

// A PI lock while a handler without SA_RESTART runs: the lock is taken in the end, never EINTR.
static void *holds(void *unused) {
  pi_lock();
  ball = 1;
  nap(60);
  pi_unlock();
  return unused;
}
static void pi_interrupted(void) {
  pthread_t p;
  struct itimerval every = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
  struct sigaction a = {.sa_handler = count};
  sigaction(SIGALRM, &a, NULL);
  sigset_t s;
  sigemptyset(&s), sigaddset(&s, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  ball = 0, hits = 0, bad = 0;
  pthread_create(&p, NULL, holds, NULL);
  while (!ball) sched_yield();
  pthread_sigmask(SIG_UNBLOCK, &s, NULL);
  setitimer(ITIMER_REAL, &every, NULL);
  pi_lock();
  setitimer(ITIMER_REAL, &off, NULL);
  pi_unlock();
  pthread_join(p, NULL);
  printf("pi interrupted: bad %d hits %d\n", bad, hits > 3);
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "-n")) rounds = atoi(argv[2]);
  enter();
  struct sigaction a = {.sa_handler = count};
  sigaction(SIGUSR1, &a, NULL);
  locks("lock", NULL);
  locks("priority inheritance", &pi_word);
  ping_pong();
  special();
  refusals();
  interrupted(0);
  interrupted(SA_RESTART);
  pi_interrupted();
}
