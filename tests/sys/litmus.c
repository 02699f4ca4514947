// Orders of memory that no machine may break, many times: stores and loads of two threads that cross. Nothing is printed but what was seen.
#include "sys.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { ROUNDS = 30000, STRIDE = 64 };
// On a busy machine the two seldom run at the same time: so long at most.
static const double SECONDS = 4;
static double started;
// Each in a cache line of its own, so that a store waits for the other's while the load after it doesn't.
typedef struct { _Atomic int v; char pad[60]; } line;
static line x[ROUNDS], y[ROUNDS];
static int r1[ROUNDS], r2[ROUNDS];
static _Atomic int round_of[2 * STRIDE];
static _Atomic int rounds;
static int kind;

// Meet before each round.
static void meet(int me, int n) {
  atomic_store_explicit(&round_of[me * STRIDE], n, memory_order_release);
  for (int spins = 0; atomic_load_explicit(&round_of[!me * STRIDE], memory_order_acquire) < n; spins++)
    if (spins > 20000) sched_yield();
}

// On a processor of one's own, where there are two: threads that take turns see nothing. A thread inherits where its creator may run.
static cpu_set_t all;
static void pin(int which) {
  cpu_set_t one;
  for (int n = 0; n < CPU_SETSIZE; n++)
    if (CPU_ISSET(n, &all) && which-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(n, &one);
      sched_setaffinity(0, sizeof one, &one);
      return;
    }
}

static void *run(void *arg) {
  int me = !!arg;
  line *mine = me ? y : x, *other = me ? x : y;
  int *seen = me ? r2 : r1;
  if (!me) pin(1);
  for (int i = 0; i < rounds; i++) {
    (void)other[i].v; // so that both have it
    // The other is in this round, or the last one.
    if (me && i % 64 == 0 && now() - started > SECONDS && i + 2 < rounds) rounds = i + 2;
    meet(me, i + 1);
    // One of the two may see the other a little sooner.
    for (int d = (me ? i : i / 64) % 64; d; d--) __asm__ volatile("");
    switch (kind) {
    case 0: // a store-release is not passed by a load-acquire
      atomic_store(&mine[i].v, 1);
      seen[i] = atomic_load(&other[i].v);
      break;
    case 1: // a full barrier
      atomic_store_explicit(&mine[i].v, 1, memory_order_relaxed);
      atomic_thread_fence(memory_order_seq_cst);
      seen[i] = atomic_load_explicit(&other[i].v, memory_order_relaxed);
      break;
    case 2: // an exchange
      atomic_exchange(&mine[i].v, 1);
      seen[i] = atomic_load(&other[i].v);
      break;
    default: // a compare-and-swap
      atomic_compare_exchange_strong(&mine[i].v, &(int){0}, 1);
      seen[i] = atomic_load(&other[i].v);
    }
  }
  return NULL;
}

static int shared;
static _Atomic int flag;
// Wait until the flag has another value.
static void await_other(int value) {
  for (int spins = 0; atomic_load_explicit(&flag, memory_order_acquire) == value; spins++)
    if (spins > 20000) sched_yield();
}
static void *publish(void *arg) {
  pin(1);
  for (int i = 1; i <= ROUNDS && now() - started < SECONDS; i++) {
    shared = i;
    atomic_store_explicit(&flag, i, memory_order_release);
    await_other(i);
  }
  atomic_store_explicit(&flag, ROUNDS + 1, memory_order_release);
  return arg;
}

// Two that write, and two that read both in opposite orders: they may not disagree on which was first.
static int seen_x[2][ROUNDS], seen_y[2][ROUNDS];
static _Atomic int ready;
static void *write_all(void *arg) {
  line *mine = arg;
  pin(mine == y);
  for (ready++; ready < 4;) sched_yield();
  for (int i = 0; i < ROUNDS; i++) atomic_store_explicit(&mine[i].v, 1, memory_order_release);
  return NULL;
}
static void *read_all(void *arg) {
  int me = !!arg;
  pin(me);
  for (ready++; ready < 4;) sched_yield();
  for (int i = 0; i < ROUNDS; i++) {
    int first = atomic_load_explicit(me ? &y[i].v : &x[i].v, memory_order_acquire);
    int second = atomic_load_explicit(me ? &x[i].v : &y[i].v, memory_order_acquire);
    seen_x[me][i] = me ? second : first, seen_y[me][i] = me ? first : second;
  }
  return NULL;
}
static int disagree(void) {
  pthread_t t[3];
  memset(x, 0, sizeof x), memset(y, 0, sizeof y);
  pthread_create(&t[0], NULL, write_all, x);
  pthread_create(&t[1], NULL, write_all, y);
  pthread_create(&t[2], NULL, read_all, x);
  read_all(NULL);
  for (int n = 0; n < 3; n++) pthread_join(t[n], NULL);
  int wrong = 0;
  for (int i = 0; i < ROUNDS; i++) wrong += seen_x[0][i] && !seen_y[0][i] && seen_y[1][i] && !seen_x[1][i];
  return wrong;
}

int main(void) {
  enter();
  sched_getaffinity(0, sizeof all, &all);
  pin(0);
  const char *names[] = {"store and load", "barrier", "exchange", "compare-and-swap"};
  for (kind = 0; kind < 4; kind++) {
    pthread_t t;
    memset(x, 0, sizeof x), memset(y, 0, sizeof y), round_of[0] = round_of[STRIDE] = 0;
    rounds = ROUNDS, started = now();
    pthread_create(&t, NULL, run, NULL);
    run(x);
    pthread_join(t, NULL);
    int both = 0;
    for (int i = 0; i < rounds; i++) both += !r1[i] && !r2[i];
    printf("%s: both missed the other's store %d times\n", names[kind], both);
  }
  pthread_t t;
  int wrong = 0;
  started = now();
  pthread_create(&t, NULL, publish, NULL);
  for (int own = 0;;) {
    await_other(own);
    int i = atomic_load_explicit(&flag, memory_order_acquire);
    if (i > ROUNDS) break;
    wrong += shared != i;
    own = -i;
    atomic_store_explicit(&flag, own, memory_order_release);
  }
  pthread_join(t, NULL);
  printf("published: %d wrong\n", wrong);
  printf("two readers disagree %d times\n", disagree());
  return 0;
}
